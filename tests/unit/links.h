/*
 * links.h: up to four links on loopback, what they receive and think of one another, and raw connections to
 * them.
 */
#ifndef QUORATE_TEST_LINKS_H
#define QUORATE_TEST_LINKS_H

#include "link.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hellos.h"
#include "outbox.h"

#define DEADLINE_S 20 /* how long an event may take on a busy machine before the test fails */
#define OUTBOX ((size_t)1 << 20)

/* ---- what a link received -------------------------------------------------------- */

struct inbox {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	unsigned self;
	unsigned frames, envelopes, last_sender;
	unsigned from_of[4];         /* of each replica */
	unsigned pipe;               /* the last one's */
	struct link *prove, *reject; /* call link_proven() / link_reject() for what comes */
	struct link *slow;           /* link_slow() for what replica 1 sends */
	bool held;                   /* on_frame() blocks while it is set */
};

static atomic_uint refusals_told; /* lines of the log about callers */

static inline void on_log(void *ctx, const char *level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static inline void on_log(void *ctx, const char *level, const char *fmt, ...)
{
	(void)ctx, (void)level;
	if (strncmp(fmt, "caller_refused ", strlen("caller_refused ")) == 0)
		refusals_told++;
}

static inline void on_frame(void *ctx, uint32_t pipe, const uint8_t *data, size_t len)
{
	struct inbox *in = ctx;
	struct qframe frame;
	bool sound = wire_decode(WIRE(qframe), data, len, &frame);

	pthread_mutex_lock(&in->mutex);
	while (in->held)
		pthread_cond_wait(&in->cond, &in->mutex);
	in->frames++;
	in->pipe = pipe;
	for (unsigned i = 0; sound && i < frame.envelopes.envelopes_len; i++) {
		in->last_sender = frame.envelopes.envelopes_val[i].sender;
		in->from_of[in->last_sender % 4]++;
		in->envelopes++;
	}
	struct link *prove = in->prove, *reject = in->reject, *slow = in->slow;
	unsigned sender = in->last_sender;
	pthread_mutex_unlock(&in->mutex);

	if (slow != NULL && sender == 1)
		link_slow(slow, pipe);
	if (prove != NULL && sound)
		link_proven(prove, pipe, sender);
	if (reject != NULL) {
		link_reject(reject, pipe);
		link_reject(reject, pipe); /* counts once */
	}
	if (sound)
		wire_free(WIRE(qframe), &frame);
	pthread_cond_broadcast(&in->cond);
}

static inline struct inbox *inbox_new(void)
{
	struct inbox *in = xcalloc(1, sizeof(*in));

	pthread_mutex_init(&in->mutex, NULL);
	pthread_cond_init(&in->cond, NULL);
	return in;
}

static inline struct timespec deadline(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	return until;
}

/* Waits until *counter >= wanted. */
static inline void inbox_wait(struct inbox *in, const unsigned *counter, unsigned wanted)
{
	struct timespec until = deadline();
	int rv = 0;

	pthread_mutex_lock(&in->mutex);
	while (*counter < wanted && rv == 0)
		rv = pthread_cond_timedwait(&in->cond, &in->mutex, &until);
	unsigned got = *counter;
	pthread_mutex_unlock(&in->mutex);
	assert_true(got >= wanted);
}

static inline unsigned inbox_read(struct inbox *in, const unsigned *counter)
{
	pthread_mutex_lock(&in->mutex);
	unsigned got = *counter;
	pthread_mutex_unlock(&in->mutex);
	return got;
}

/* ---- links and envelopes --------------------------------------------------------- */

#define N_MAX 4
static unsigned port_of[N_MAX]; /* 0: choose one */
static struct link_hello hello_from[N_MAX];
static const char *scheme_of[N_MAX];
static void (*signs)(void *ctx, const uint8_t *data, size_t len, struct qsig *sig); /* ctx is an inbox */
static bool (*verifies)(void *ctx, unsigned replica, const uint8_t *data, size_t len, const struct qsig *sig);
static struct inbox *inbox[N_MAX];
static struct link *node[N_MAX];

static inline struct link *start(unsigned self, unsigned n)
{
	static char text[N_MAX][64];
	const char *address[N_MAX];
	struct err err = {0};

	for (unsigned i = 0; i < n; i++) {
		snprintf(text[i], sizeof(text[i]), "%s://127.0.0.1:%u", scheme_of[i], port_of[i]);
		address[i] = text[i];
	}
	struct link_config c = {
	    .listen = address[self],
	    .self = self,
	    .n = n,
	    .address = address,
	    .outbox_bytes_max = OUTBOX,
	    .hello = hello_from[self],
	    .sign = signs,
	    .verify = verifies,
	    .on_frame = on_frame,
	    .log = on_log,
	    .ctx = inbox[self],
	};
	node[self] = link_start(&c, &err);
	if (node[self] == NULL)
		fail_msg("%s", err.text);
	port_of[self] = link_port(node[self]);
	assert_int_not_equal(port_of[self], 0);
	return node[self];
}

/* A port that nobody listens on, below those that the system gives to outgoing connections: one of the
 * many dials here would take it for its own end now and then. */
static inline unsigned free_port(void)
{
	static unsigned next;

	for (int i = 0; i < 1000; i++) {
		unsigned port = 20000 + ((unsigned)getpid() * 131 + next++) % 12000;
		struct sockaddr_in a = {.sin_family = AF_INET,
		                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                        .sin_port = htons((uint16_t)port)};
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		int rv = bind(fd, (struct sockaddr *)&a, sizeof(a));

		close(fd);
		if (rv == 0)
			return port;
	}
	fail_msg("no free port");
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_MAX; i++) {
		inbox[i] = inbox_new();
		inbox[i]->self = i;
		hello_from[i] = (struct link_hello){0};
		scheme_of[i] = "tcp";
		port_of[i] = free_port();
		node[i] = NULL;
	}
	return 0;
}

static inline void stop(unsigned i)
{
	link_stop(node[i]);
	node[i] = NULL;
}

static inline int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_MAX; i++) {
		if (node[i] != NULL)
			stop(i);
		pthread_mutex_destroy(&inbox[i]->mutex);
		pthread_cond_destroy(&inbox[i]->cond);
		free(inbox[i]);
	}
	return 0;
}

static inline struct qenvelope envelope(unsigned sender, size_t len)
{
	static uint8_t body[Q_BODY_MAX];
	struct qenvelope env = {.sender = sender};

	env.body.body_len = (u_int)len;
	env.body.body_val = body;
	memset(env.sig.b, (int)sender, sizeof(env.sig.b));
	return env;
}

static inline void send_one(unsigned from, unsigned to)
{
	struct qenvelope env = envelope(from, 100);

	link_send(node[from], UINT64_C(1) << to, &env);
	link_flush(node[from]);
}

/* ---- the other end of a hostile connection ------------------------------------------- */

enum { PUSH = 0x50, PULL = 0x51 };
static const uint8_t sp_push[8] = {0, 'S', 'P', 0, 0, PUSH, 0, 0};
static const uint8_t sp_pull[8] = {0, 'S', 'P', 0, 0, PULL, 0, 0};

static inline int raw_connect_from(uint32_t host, unsigned port)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                        .sin_port = htons((uint16_t)port)};
	struct timeval limit = {.tv_sec = DEADLINE_S};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static inline int raw_connect(unsigned port)
{
	return raw_connect_from(INADDR_LOOPBACK, port);
}

static inline void raw_send(int fd, const void *data, size_t len)
{
	(void)!send(fd, data, len, MSG_NOSIGNAL);
}

/* As replica 1 does. */
static inline void raw_hello(int fd, int protocol)
{
	uint8_t bytes[HELLO_BYTES_MAX];
	struct qhello hello = hello_of(&(struct qhash){{0}}, 1);

	raw_send(fd, bytes, hello_bytes(bytes, protocol, &hello));
}

/* What a link says first; false: it hung up. */
static inline bool raw_read_hello(int fd, int protocol, struct qhello *hello)
{
	const uint8_t wanted[8] = {0, 'S', 'P', 0, 0, (uint8_t)protocol, 0, 0};
	uint8_t header[16], text[Q_HELLO_MAX];
	uint64_t length;

	if (recv(fd, header, sizeof(header), MSG_WAITALL) != (ssize_t)sizeof(header))
		return false;
	assert_memory_equal(header, wanted, sizeof(wanted));
	memcpy(&length, header + 8, sizeof(length));
	length = be64toh(length);
	assert_true(length <= sizeof(text));
	assert_int_equal(recv(fd, text, length, MSG_WAITALL), length);
	assert_true(wire_decode(WIRE(qhello), text, length, hello));
	return true;
}

static inline void raw_pass_hello(int fd, int protocol)
{
	struct qhello hello;

	assert_true(raw_read_hello(fd, protocol, &hello));
	wire_free(WIRE(qhello), &hello);
}

/* Reads until the other side closes; fails if it does not. */
static inline void raw_wait_closed(int fd)
{
	uint8_t buf[256];
	ssize_t got;

	do
		got = recv(fd, buf, sizeof(buf), 0);
	while (got > 0);
	assert_false(got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
	close(fd);
}

static inline void raw_reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static inline int raw_listen(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                        .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* ---- what links do, as they see it ----------------------------------------------------- */

/* What a link thinks of a peer, once it is connected or in some trouble but `passing` ones. */
static inline struct link_stats opinion_but(unsigned of, unsigned about, unsigned passing)
{
	struct timespec until = deadline(), now;
	struct link_stats stats;

	do {
		sched_yield();
		link_stats(node[of], about, &stats);
		clock_gettime(CLOCK_REALTIME, &now);
	} while (!stats.connected && passing >> stats.trouble & 1 && now.tv_sec < until.tv_sec);
	return stats;
}

/* Once the other has started. */
static inline struct link_stats opinion(unsigned of, unsigned about)
{
	return opinion_but(of, about, 1u << LINK_FINE | 1u << LINK_UNREACHABLE);
}

/* Envelopes may be lost with a connection that ends; one of many arrives. */
static inline void assert_reaches(unsigned from, unsigned to)
{
	struct inbox *in = inbox[to];
	unsigned before = inbox_read(in, &in->envelopes), after = before;

	for (int i = 0; i < DEADLINE_S * 10 && after == before; i++) {
		struct timespec until;
		int rv = 0;

		send_one(from, to);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&in->mutex);
		while (in->envelopes == before && rv == 0)
			rv = pthread_cond_timedwait(&in->cond, &in->mutex, &until);
		after = in->envelopes;
		pthread_mutex_unlock(&in->mutex);
	}
	assert_true(after > before);
}

#endif
