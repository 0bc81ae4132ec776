/*
 * pipes.c: the receiving half. Before: a peer's peer.c sends frames. After: on_frame() of the owner.
 */
#include "pipes.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

#define HELLO_MS 5000   /* for TLS and the HELLO: LK7 */
#define ANSWER_MS 10000 /* for taking our answer */
#define BUFFER_BYTES ((size_t)16 << 10)
#define FIRST_BYTES ((size_t)64 << 10)
#define ANSWER_CNT 8       /* frames are answered together: so many, */
#define ANSWER_WAIT_MS 500 /* or when no more has come for so long (both far below what peer.c waits for) */
#define ANSWER_BYTES 8     /* an empty message */
#define PROVEN_PER_PEER 2
#define SLOW_PAUSE_MS 100
#define TELL_AGAIN_MS 60000 /* until a refusal of the same kind is logged again */
#define ACCEPT_PAUSE_MS 100 /* when the process is out of file descriptors */

enum pipe_state {
	PIPE_FREE = 0,
	PIPE_LIVE,
	PIPE_ENDED, /* its thread is to be joined */
};

struct pipe {
	struct pipes *table;
	pthread_t thread;
	struct conn conn;
	/* Its thread's: */
	uint8_t *buf; /* BUFFER_BYTES; what has come and was not read yet: */
	size_t begin, end;
	unsigned owed; /* answers */
	/* Covered by the table's mutex: */
	enum pipe_state state;
	uint32_t id; /* ascending: a greater one is newer */
	bool closing, proven;
	uint64_t source; /* the address that called; 0: not to be told */
	bool slow;       /* a pause is due before its frame is answered */
	unsigned peer;   /* if proven */
};

struct pipes {
	nng_stream_listener *listener;
	struct conn acceptor;
	pthread_t thread;
	bool running;                /* the thread */
	pthread_mutex_t frame_mutex; /* one on_frame() at a time; taken before `mutex`, never after */
	struct hello *hello;
	bool tls;
	void (*on_frame)(void *ctx, uint32_t pipe, const uint8_t *data, size_t len);
	void (*log)(void *ctx, const char *level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
	void *ctx;

	pthread_mutex_t mutex; /* covers what follows, and is taken before a conn's */
	pthread_cond_t ended;  /* a pipe's thread ended, or stopping */
	bool stopping;
	uint32_t last_id;
	uint64_t rejected;
	struct tls_own *own; /* what is shown by TLS */
	/* When it was told who is refused, by what he says he is (all who are no replica together); 0: never
	 */
	uint64_t told_ms[LINK_TROUBLE_CNT][Q_REPLICAS_MAX + 1];
	unsigned max;
	struct pipe pipe[];
};

/* With the mutex held. */
static void close_pipe(struct pipe *p)
{
	if (!p->closing)
		conn_stop(&p->conn);
	p->closing = true;
}

/* With the mutex held. Ids are not used again before 2^32 connections. */
static struct pipe *find(struct pipes *t, uint32_t id)
{
	for (unsigned i = 0; i < t->max; i++)
		if (t->pipe[i].state == PIPE_LIVE && t->pipe[i].id == id)
			return &t->pipe[i];
	return NULL;
}

/* ---- a pipe's thread ----------------------------------------------------------- */

static void deliver(struct pipe *p, const uint8_t *data, size_t len)
{
	struct pipes *t = p->table;

	pthread_mutex_lock(&t->frame_mutex);
	t->on_frame(t->ctx, p->id, data, len);
	pthread_mutex_unlock(&t->frame_mutex);
}

/* See peer.c. */
static int answer(struct pipe *p)
{
	static const uint8_t none[ANSWER_CNT * ANSWER_BYTES];
	size_t len = p->owed * sizeof none / ANSWER_CNT;

	p->owed = 0;
	return conn_write(&p->conn, none, len, ANSWER_MS);
}

/* Reads on until the buffer holds that much.  A read by TLS cannot be given up: answers go before it. */
static int fill(struct pipe *p, size_t wanted)
{
	must(wanted <= BUFFER_BYTES);
	while (p->end - p->begin < wanted) {
		size_t got;
		int rv = p->table->tls && p->owed > 0 ? answer(p) : 0;
		if (rv != 0)
			return rv;
		if (p->begin > 0) {
			memmove(p->buf, p->buf + p->begin, p->end - p->begin);
			p->end -= p->begin;
			p->begin = 0;
		}
		rv = conn_read_some(&p->conn, p->buf + p->end, BUFFER_BYTES - p->end, &got,
		                    p->owed > 0 ? ANSWER_WAIT_MS : CONN_FOREVER);
		p->end += got;
		if (rv == NNG_ETIMEDOUT)
			rv = answer(p);
		if (rv != 0)
			return rv;
	}
	return 0;
}

static int read_small(struct pipe *p, size_t len)
{
	int rv = fill(p, len);

	if (rv == 0) {
		deliver(p, p->buf + p->begin, len);
		p->begin += len;
	}
	return rv;
}

/* Memory grows as its bytes come in, whatever its length claims. */
static int read_big(struct pipe *p, size_t len)
{
	size_t cap = len < FIRST_BYTES ? len : FIRST_BYTES, have = p->end - p->begin;
	struct bytes frame = {.data = xcalloc(1, cap), .len = have};
	int rv;

	memcpy(frame.data, p->buf + p->begin, have);
	p->begin = p->end = 0;
	for (;;) {
		rv = conn_read(&p->conn, frame.data + frame.len, cap - frame.len, CONN_FOREVER);
		frame.len = cap;
		if (rv != 0 || cap == len)
			break;
		cap = cap * 2 < len ? cap * 2 : len;
		frame.data = xrealloc(frame.data, cap);
	}
	if (rv == 0)
		deliver(p, frame.data, frame.len);
	bytes_free(&frame);
	return rv;
}

static int read_message(struct pipe *p)
{
	uint64_t length;
	int rv = fill(p, sizeof(length));

	if (rv != 0)
		return rv;
	memcpy(&length, p->buf + p->begin, sizeof(length));
	p->begin += sizeof(length);
	length = be64toh(length);
	if (length > Q_FRAME_MAX)
		return NNG_EMSGSIZE;
	return length <= BUFFER_BYTES ? read_small(p, (size_t)length) : read_big(p, (size_t)length);
}

/* The owner asked for it while it had the frame. */
static void pause_if_slow(struct pipe *p)
{
	struct pipes *t = p->table;
	uint64_t until = conn_now_ms() + SLOW_PAUSE_MS;

	pthread_mutex_lock(&t->mutex);
	while (p->slow && !p->closing && !t->stopping && conn_now_ms() < until)
		cond_wait_until(&t->ended, &t->mutex, until);
	p->slow = false;
	pthread_mutex_unlock(&t->mutex);
}

/* LK2: the table's memory is for the log alone. Who is refused tries again, for ever, and may say something
 * else each time: the log has it once in a while. */
static void tell_refusal(struct pipes *t, const struct link_said *said, enum link_trouble trouble,
                         const char *why)
{
	uint64_t now = conn_now_ms();
	unsigned who = said->replica < Q_REPLICAS_MAX ? said->replica : Q_REPLICAS_MAX;

	pthread_mutex_lock(&t->mutex);
	uint64_t *told_ms = &t->told_ms[trouble][who];
	bool news = *told_ms == 0 || now >= *told_ms + TELL_AGAIN_MS;
	if (news)
		*told_ms = now;
	pthread_mutex_unlock(&t->mutex);
	if (news && t->log != NULL)
		t->log(t->ctx, "warn", "caller_refused says_it_is=%u trouble=%s why=%s", said->replica,
		       link_trouble_name(trouble), why);
}

static int greet(struct pipe *p)
{
	struct pipes *t = p->table;
	struct qhello theirs;
	struct link_said said;
	unsigned version;
	char why[LINK_WHY_MAX];
	struct bytes ours = hello_message(t->hello);
	int rv = conn_hello(&p->conn, CONN_PULL, CONN_PUSH, &ours, &theirs, HELLO_MS);

	bytes_free(&ours);
	if (rv != 0)
		return rv;
	enum link_trouble trouble = hello_judge(t->hello, &theirs, HELLO_ANYBODY, &said, &version, why);
	wire_free(WIRE(qhello), &theirs);
	if (trouble == LINK_FINE)
		return 0;
	tell_refusal(t, &said, trouble, why);
	return NNG_EPROTO;
}

static int receive_frames(struct pipe *p)
{
	int rv = greet(p);

	while (rv == 0) {
		rv = read_message(p);
		if (rv == 0) {
			pause_if_slow(p);
			if (++p->owed == ANSWER_CNT)
				rv = answer(p);
		}
	}
	if (p->owed > 0)
		(void)answer(p); /* who has only stopped sending may still want to know */
	return rv;
}

static void *pipe_run(void *arg)
{
	struct pipe *p = arg;
	struct pipes *t = p->table;
	int rv = receive_frames(p);

	pthread_mutex_lock(&t->mutex);
	if (rv == NNG_EPROTO || rv == NNG_EMSGSIZE || rv == NNG_ECRYPTO)
		t->rejected++;
	conn_hang_up(&p->conn);
	p->state = PIPE_ENDED;
	pthread_cond_broadcast(&t->ended);
	pthread_mutex_unlock(&t->mutex);
	return NULL;
}

/* ---- the acceptor's thread -------------------------------------------------------- */

/* With the mutex held: a pipe whose thread has ended becomes free. It needs no lock to return. */
static void reap(struct pipe *p)
{
	pthread_join(p->thread, NULL);
	conn_free(&p->conn);
	free(p->buf);
	p->state = PIPE_FREE;
}

/* The host that calls, an IPv6 one by its network. */
static uint64_t source_of(nng_stream *stream)
{
	nng_sockaddr a;
	uint64_t source = 0;

	if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &a) != 0)
		return 0;
	if (a.s_family == NNG_AF_INET)
		source = a.s_in.sa_addr;
	else if (a.s_family == NNG_AF_INET6)
		memcpy(&source, a.s_in6.sa_addr, sizeof(source));
	return source;
}

/* With the mutex held: how many unproven pipes has this one's host? */
static unsigned strangers_of(const struct pipes *t, uint64_t source)
{
	unsigned cnt = 0;

	for (unsigned i = 0; i < t->max; i++)
		cnt += t->pipe[i].state == PIPE_LIVE && !t->pipe[i].proven && t->pipe[i].source == source;
	return cnt;
}

/* With the mutex held: who has to go when all places are taken, none being free: the oldest unproven pipe of
 * the host that has most. NULL: all are proven. */
static struct pipe *victim(struct pipes *t)
{
	struct pipe *worst = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < t->max; i++) {
		struct pipe *p = &t->pipe[i];
		unsigned cnt = p->proven ? 0 : strangers_of(t, p->source);
		if (cnt > most || (cnt > 0 && cnt == most && p->id < worst->id)) {
			worst = p;
			most = cnt;
		}
	}
	return worst;
}

/* With the mutex held: a place for a new pipe, waiting for one that is being closed. NULL: refused. */
static struct pipe *claim(struct pipes *t)
{
	while (!t->stopping) {
		bool closing = false;

		for (unsigned i = 0; i < t->max; i++) {
			struct pipe *p = &t->pipe[i];
			if (p->state == PIPE_ENDED)
				reap(p);
			if (p->state == PIPE_FREE)
				return p;
			closing = closing || p->closing;
		}
		struct pipe *leaves = closing ? NULL : victim(t);
		if (!closing && leaves == NULL)
			return NULL;
		if (leaves != NULL)
			close_pipe(leaves);
		pthread_cond_wait(&t->ended, &t->mutex);
	}
	return NULL;
}

static void admit(struct pipes *t, nng_stream *stream)
{
	pthread_mutex_lock(&t->mutex);
	struct pipe *p = claim(t);

	if (p != NULL) {
		*p = (struct pipe){.table = t,
		                   .id = ++t->last_id,
		                   .source = source_of(stream),
		                   .buf = xcalloc(1, BUFFER_BYTES)};
		conn_init(&p->conn);
		conn_take(&p->conn, stream, t->tls);
		if (thread_start(&p->thread, "link-recv", pipe_run, p)) {
			p->state = PIPE_LIVE;
		} else {
			conn_free(&p->conn);
			free(p->buf);
		}
	} else {
		nng_stream_free(stream);
	}
	pthread_mutex_unlock(&t->mutex);
}

/* What the next connection shows: each has a configuration of its own (tls_accepting()). */
static int show(struct pipes *t)
{
	pthread_mutex_lock(&t->mutex);
	nng_tls_config *tls = tls_accepting(t->own);
	pthread_mutex_unlock(&t->mutex);
	int rv = tls != NULL ? nng_stream_listener_set_ptr(t->listener, NNG_OPT_TLS_CONFIG, tls) : NNG_ENOMEM;

	if (tls != NULL)
		nng_tls_config_free(tls); /* the listener holds it */
	return rv;
}

static void *accept_run(void *arg)
{
	struct pipes *t = arg;
	bool stopping = false;

	while (!stopping) {
		nng_stream *stream;
		int rv = t->tls ? show(t) : 0;

		if (rv == 0)
			rv = conn_accept(&t->acceptor, t->listener, &stream);

		if (rv == 0)
			admit(t, stream);
		pthread_mutex_lock(&t->mutex);
		if (rv != 0 && !t->stopping)
			cond_wait_until(&t->ended, &t->mutex, conn_now_ms() + ACCEPT_PAUSE_MS);
		stopping = t->stopping;
		pthread_mutex_unlock(&t->mutex);
	}
	return NULL;
}

/* ---- for link.c ---------------------------------------------------------------- */

static bool listen_on(struct pipes *t, const char *url, struct err *err)
{
	int rv = nng_stream_listener_alloc(&t->listener, url);

	if (rv == 0) {
		(void)nng_stream_listener_set_bool(t->listener, NNG_OPT_TCP_NODELAY,
		                                   true); /* not for ipc:// */
		rv = nng_stream_listener_listen(t->listener);
	}
	if (rv == 0)
		return true;
	return err_set(err, rv == NNG_EADDRINVAL ? ERR_INPUT : ERR_WORLD,
	               "cannot listen for peers on %s: %s%s", url, nng_strerror(rv),
	               rv == NNG_EADDRINUSE ? "; stop the program that uses it, or choose another address"
	                                    : "");
}

static void pipes_free(struct pipes *t)
{
	if (t->listener != NULL)
		nng_stream_listener_free(t->listener);
	conn_free(&t->acceptor);
	pthread_cond_destroy(&t->ended);
	pthread_mutex_destroy(&t->mutex);
	pthread_mutex_destroy(&t->frame_mutex);
	tls_own_free(t->own);
	free(t);
}

struct pipes *pipes_open(const struct link_config *config, struct hello *hello, unsigned max, struct err *err)
{
	struct pipes *t = xcalloc(1, sizeof(*t) + max * sizeof(t->pipe[0]));

	t->hello = hello;
	t->tls = tls_url(config->listen);
	t->on_frame = config->on_frame;
	t->log = config->log;
	t->ctx = config->ctx;
	t->max = max;
	conn_init(&t->acceptor);
	must(pthread_mutex_init(&t->mutex, NULL) == 0);
	must(pthread_mutex_init(&t->frame_mutex, NULL) == 0);
	cond_init(&t->ended);
	if (listen_on(t, config->listen, err))
		return t;
	pipes_free(t);
	return NULL;
}

void pipes_show(struct pipes *t, struct tls_own *own)
{
	pthread_mutex_lock(&t->mutex);
	struct tls_own *old = t->own;
	t->own = own;
	pthread_mutex_unlock(&t->mutex);
	tls_own_free(old);
}

bool pipes_run(struct pipes *t)
{
	t->running = thread_start(&t->thread, "link-recv", accept_run, t);
	return t->running;
}

void pipes_stop(struct pipes *t)
{
	pthread_mutex_lock(&t->mutex);
	t->stopping = true;
	pthread_cond_broadcast(&t->ended);
	pthread_mutex_unlock(&t->mutex);
	conn_stop(&t->acceptor);
	if (t->running)
		pthread_join(t->thread, NULL); /* no new pipes from here on */

	pthread_mutex_lock(&t->mutex);
	for (unsigned i = 0; i < t->max; i++)
		if (t->pipe[i].state == PIPE_LIVE)
			close_pipe(&t->pipe[i]);
	for (unsigned i = 0; i < t->max; i++) {
		while (t->pipe[i].state == PIPE_LIVE)
			pthread_cond_wait(&t->ended, &t->mutex);
		if (t->pipe[i].state == PIPE_ENDED)
			reap(&t->pipe[i]);
	}
	pthread_mutex_unlock(&t->mutex);
	pipes_free(t);
}

unsigned pipes_port(const struct pipes *t)
{
	int port;

	return nng_stream_listener_get_int(t->listener, NNG_OPT_TCP_BOUND_PORT, &port) == 0 ? (unsigned)port
	                                                                                    : 0;
}

void pipes_slow(struct pipes *t, uint32_t pipe)
{
	pthread_mutex_lock(&t->mutex);
	struct pipe *p = find(t, pipe);

	if (p != NULL)
		p->slow = true;
	pthread_mutex_unlock(&t->mutex);
}

void pipes_reject(struct pipes *t, uint32_t pipe)
{
	pthread_mutex_lock(&t->mutex);
	struct pipe *p = find(t, pipe);

	if (p != NULL && !p->closing) {
		t->rejected++;
		close_pipe(p);
	}
	pthread_mutex_unlock(&t->mutex);
}

void pipes_proven(struct pipes *t, uint32_t pipe, unsigned peer)
{
	struct pipe *oldest = NULL;
	unsigned cnt = 0;

	pthread_mutex_lock(&t->mutex);
	struct pipe *proven = find(t, pipe);
	if (proven != NULL && !proven->proven && !proven->closing) {
		proven->proven = true;
		proven->peer = peer;
		for (unsigned i = 0; i < t->max; i++) {
			struct pipe *p = &t->pipe[i];
			if (p->state != PIPE_LIVE || p->closing || !p->proven || p->peer != peer)
				continue;
			cnt++;
			if (oldest == NULL || p->id < oldest->id)
				oldest = p;
		}
		if (cnt > PROVEN_PER_PEER)
			close_pipe(oldest);
	}
	pthread_mutex_unlock(&t->mutex);
}

uint64_t pipes_rejected(struct pipes *t)
{
	pthread_mutex_lock(&t->mutex);
	uint64_t rejected = t->rejected;
	pthread_mutex_unlock(&t->mutex);
	return rejected;
}

void pipes_check(struct pipes *t, uint64_t now_ms)
{
	pthread_mutex_lock(&t->mutex);
	for (unsigned i = 0; i < t->max; i++)
		if (t->pipe[i].state == PIPE_LIVE)
			conn_check(&t->pipe[i].conn, now_ms);
	pthread_mutex_unlock(&t->mutex);
}
