/*
 * peer.h: the sending half: one thread a peer that dials it, for ever, and sends what its outbox holds.
 */
#ifndef QUORATE_PEER_H
#define QUORATE_PEER_H

#include "conn.h"
#include "link.h"
#include "outbox.h"

struct peer {
	char *url;
	pthread_t thread;
	struct conn conn;
	nng_aio *ack_aio; /* reads what the peer answers; one a connection */
	uint8_t ack_buf[512];

	pthread_mutex_t mutex; /* covers what follows */
	pthread_cond_t cond;   /* on the monotonic clock */
	struct outbox outbox;
	bool stopping;
	bool broken;   /* the connection was closed by the peer */
	bool answered; /* something came back on it */
	unsigned unacked;
	size_t ack_len;      /* bytes of an acknowledgement that is still incomplete */
	uint64_t ack_due_ms; /* while unacked > 0 */
	struct link_stats stats;
};

/* False: no thread to be had; nothing to stop. */
bool peer_start(struct peer *p, const char *url, size_t outbox_bytes_max);
void peer_send(struct peer *p, const struct qenvelope *env);
void peer_stats(struct peer *p, struct link_stats *out);
void peer_check(struct peer *p, uint64_t now_ms); /* called now and then: time-outs */

/* Two steps, so that all threads end at the same time. */
void peer_stop(struct peer *p);
void peer_join(struct peer *p);

/* A condition variable whose time-outs count on the monotonic clock. */
void cond_init(pthread_cond_t *cond);
/* Waits until then at most; CONN_FOREVER: for ever. */
void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until_ms);
/* pthread_create() with the stack that link's threads need; false: no thread to be had. */
bool thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
