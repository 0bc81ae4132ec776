/*
 * relay.h: a TCP port that passes on what comes to another port, and keeps a copy: somebody on the wire. It
 * can cut what passes, and lead each connection elsewhere.
 */
#ifndef QUORATE_TEST_RELAY_H
#define QUORATE_TEST_RELAY_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "wire.h"

#define RELAY_PAIRS 64

struct relay {
	int listener, wake[2];
	pthread_t thread;
	pthread_mutex_t mutex; /* covers what follows */
	unsigned calls;        /* so far */
	unsigned port[3];      /* where calls lead, in turn */
	size_t limit;          /* bytes, of both directions, after which a connection is cut; 0: none */
	bool reset;            /* it is cut by a reset */
	bool cut;              /* all that are there, now */
	struct bytes seen[2];  /* from callers, from those called: all connections' */
	struct {
		int fd[2];
		size_t passed;
	} pair[RELAY_PAIRS];
	unsigned pairs;
};

static inline void relay_hang_up(struct relay *r, unsigned i)
{
	struct linger now = {.l_onoff = r->reset, .l_linger = 0};

	for (int side = 0; side < 2; side++) {
		setsockopt(r->pair[i].fd[side], SOL_SOCKET, SO_LINGER, &now, sizeof now);
		close(r->pair[i].fd[side]);
	}
	r->pair[i] = r->pair[--r->pairs];
}

static inline int relay_dial(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                        .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline void relay_take(struct relay *r)
{
	int caller = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	int called = relay_dial(r->port[r->calls % 3]);

	r->calls++;
	if (caller < 0 || called < 0 || r->pairs == RELAY_PAIRS) {
		close(caller);
		close(called);
		return;
	}
	r->pair[r->pairs].fd[0] = caller;
	r->pair[r->pairs].fd[1] = called;
	r->pair[r->pairs++].passed = 0;
}

/* False: the connection is over. */
static inline bool relay_pass(struct relay *r, unsigned i, int side)
{
	uint8_t buf[16384];
	size_t cap = sizeof buf;

	if (r->limit > 0 && r->limit - r->pair[i].passed < cap)
		cap = r->limit - r->pair[i].passed;
	ssize_t got = recv(r->pair[i].fd[side], buf, cap, 0);
	if (got <= 0)
		return false;
	struct bytes *seen = &r->seen[side];
	seen->data = xrealloc(seen->data, seen->len + (size_t)got);
	memcpy(seen->data + seen->len, buf, (size_t)got);
	seen->len += (size_t)got;
	r->pair[i].passed += (size_t)got;
	for (ssize_t at = 0; at < got;) {
		ssize_t sent = send(r->pair[i].fd[!side], buf + at, (size_t)(got - at), MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
	}
	return r->limit == 0 || r->pair[i].passed < r->limit;
}

static inline void *relay_run(void *arg)
{
	struct relay *r = arg;

	for (;;) {
		struct pollfd fds[2 + 2 * RELAY_PAIRS] = {{r->wake[0], POLLIN, 0}, {r->listener, POLLIN, 0}};
		unsigned pairs = r->pairs;
		for (unsigned i = 0; i < 2 * pairs; i++)
			fds[2 + i] = (struct pollfd){r->pair[i / 2].fd[i % 2], POLLIN, 0};
		poll(fds, 2 + 2 * pairs, -1);
		pthread_mutex_lock(&r->mutex);
		char word = 0;
		if (fds[0].revents && read(r->wake[0], &word, 1) == 1 && word == 'q')
			break;
		if (r->cut)
			while (r->pairs > 0)
				relay_hang_up(r, 0);
		else
			for (unsigned i = pairs; i-- > 0;) /* downwards: the last one takes a gap's place */
				for (int side = 0; side < 2; side++)
					if (fds[2 + 2 * i + (unsigned)side].revents &&
					    !relay_pass(r, i, side)) {
						relay_hang_up(r, i);
						break;
					}
		r->cut = false;
		if (fds[1].revents)
			relay_take(r);
		pthread_mutex_unlock(&r->mutex);
	}
	while (r->pairs > 0)
		relay_hang_up(r, 0);
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

static inline struct relay *relay_new(unsigned port, unsigned to)
{
	struct relay *r = xcalloc(1, sizeof *r);
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                        .sin_port = htons((uint16_t)port)};
	int one = 1;

	for (int i = 0; i < 3; i++)
		r->port[i] = to;
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	must(bind(r->listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(r->listener, 64) == 0);
	must(pipe(r->wake) == 0);
	pthread_mutex_init(&r->mutex, NULL);
	must(pthread_create(&r->thread, NULL, relay_run, r) == 0);
	return r;
}

/* All but the first of three calls are led to another port. */
static inline void relay_mislead(struct relay *r, unsigned to)
{
	pthread_mutex_lock(&r->mutex);
	r->port[1] = r->port[2] = to;
	pthread_mutex_unlock(&r->mutex);
}

static inline void relay_wake(struct relay *r, char word)
{
	must(write(r->wake[1], &word, 1) == 1);
}

static inline void relay_free(struct relay *r)
{
	relay_wake(r, 'q');
	pthread_join(r->thread, NULL);
	for (int side = 0; side < 2; side++) {
		close(r->wake[side]);
		bytes_free(&r->seen[side]);
	}
	close(r->listener);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}

/* Ends all connections that are there. */
static inline void relay_cut(struct relay *r, bool reset)
{
	pthread_mutex_lock(&r->mutex);
	r->cut = true;
	r->reset = reset;
	pthread_mutex_unlock(&r->mutex);
	relay_wake(r, 'c');
}

/* Each connection from now on ends after so many bytes; 0: none does. */
static inline void relay_limit(struct relay *r, size_t limit, bool reset)
{
	pthread_mutex_lock(&r->mutex);
	r->limit = limit;
	r->reset = reset;
	pthread_mutex_unlock(&r->mutex);
}

static inline unsigned relay_calls(struct relay *r)
{
	pthread_mutex_lock(&r->mutex);
	unsigned calls = r->calls;
	pthread_mutex_unlock(&r->mutex);
	return calls;
}

/* Waits until nobody is connected. */
static inline void relay_wait_none(struct relay *r)
{
	unsigned pairs = 1;

	for (int i = 0; i < 20000 && pairs > 0; i++) {
		poll(NULL, 0, 1);
		pthread_mutex_lock(&r->mutex);
		pairs = r->pairs;
		pthread_mutex_unlock(&r->mutex);
	}
	must(pairs == 0);
}

/* Did these bytes pass, in either direction? */
static inline bool relay_saw(struct relay *r, const void *what, size_t len)
{
	pthread_mutex_lock(&r->mutex);
	bool saw = false;
	for (int side = 0; side < 2; side++)
		saw = saw || (r->seen[side].len > 0 &&
		              memmem(r->seen[side].data, r->seen[side].len, what, len) != NULL);
	pthread_mutex_unlock(&r->mutex);
	return saw;
}

#endif
