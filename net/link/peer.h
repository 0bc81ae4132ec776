/*
 * peer.h: the sending half: what waits for one peer, a thread that dials it, for ever, and frames on their
 * way.
 */
#ifndef QUORATE_PEER_H
#define QUORATE_PEER_H

#include "conn.h"
#include "hello.h"
#include "link.h"
#include "outbox.h"
#include "tls.h"

/* What the peers of a link have in common; outlives them. */
struct peer_common {
	struct hello *hello;
	struct link_config config; /* but for its addresses */
};

struct peer {
	const struct peer_common *common;
	unsigned index;
	char *url;
	pthread_t thread;
	struct conn conn;
	struct tls_pin pin; /* its thread's */
	nng_aio *send_aio,
	    *ack_aio; /* one of each a connection: writes frames, reads what the peer answers */
	uint8_t ack_buf[512];

	pthread_mutex_t mutex; /* covers what follows */
	pthread_cond_t cond;   /* on the monotonic clock */
	struct outbox outbox;
	bool stopping;
	bool broken;     /* the connection was closed by the peer */
	bool answered;   /* something came back on it */
	bool writing;    /* a frame is on its way: */
	uint64_t length; /* (as the peer reads it) */
	struct bytes frame;
	size_t written; /* of both */
	unsigned unacked;
	size_t ack_len;  /* bytes of an acknowledgement that is still incomplete */
	uint64_t due_ms; /* while unacked > 0: some progress, or it is given up */
	struct link_stats stats;
};

/* False: no thread to be had; nothing to stop. */
bool peer_start(struct peer *p, unsigned index, const char *url, const struct peer_common *common);
void peer_send(struct peer *p, struct posting *posting); /* into the outbox, with a reference of its own */
void peer_flush(struct peer *p);                         /* what waits is to leave */
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
bool thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

#endif
