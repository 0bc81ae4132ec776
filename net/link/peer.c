/*
 * peer.c: the sending half. Before: link_send() puts envelopes into the outbox. After: the peer's pipe.c
 * receives the frames.
 *
 * The receiver answers every frame with an empty message, so that a connection that leads nowhere (power
 * loss, a partition) is noticed after STALL_MS and replaced, instead of waiting for TCP's own time-outs,
 * which grow to minutes. (A plain nng PUSH socket discards such answers, so it can still talk to a pipe.)
 */
#include "peer.h"

#include <stdlib.h>
#include <time.h>

#define CONNECT_MS 5000     /* dialing, and the other side's header */
#define STALL_MS 10000      /* no progress in writing, or no answer to the oldest frame */
#define RECONNECT_MIN_MS 50 /* doubles ... */
#define RECONNECT_MAX_MS 2000
#define WINDOW 32 /* frames without answer; more wait in the outbox, where they coalesce */
#define ACK_LEN 8 /* an empty message: the length alone */

void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr) == 0);
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(cond, &attr) == 0);
	pthread_condattr_destroy(&attr);
}

void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until_ms)
{
	struct timespec ts = {.tv_sec = (time_t)(until_ms / 1000),
	                      .tv_nsec = (long)(until_ms % 1000) * 1000000};

	if (until_ms == CONN_FOREVER)
		pthread_cond_wait(cond, mutex);
	else
		pthread_cond_timedwait(cond, mutex, &ts);
}

bool thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;

	must(pthread_attr_init(&attr) == 0);
	must(pthread_attr_setstacksize(&attr, (size_t)1 << 20) == 0);
	int rv = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return rv == 0;
}

/* ---- what the peer answers (on a thread of nng's) ---------------------------- */

static void acks_receive(struct peer *p)
{
	nng_iov iov = {.iov_buf = p->ack_buf, .iov_len = sizeof(p->ack_buf)};

	must(nng_aio_set_iov(p->ack_aio, 1, &iov) == 0);
	nng_stream_recv(p->conn.stream, p->ack_aio);
}

static void on_acks(void *arg)
{
	struct peer *p = arg;
	bool closed = nng_aio_result(p->ack_aio) != 0;

	pthread_mutex_lock(&p->mutex);
	if (closed) {
		p->broken = true;
	} else {
		p->ack_len += nng_aio_count(p->ack_aio);
		size_t acks = p->ack_len / ACK_LEN;
		p->ack_len %= ACK_LEN;
		p->unacked = acks < p->unacked ? p->unacked - (unsigned)acks : 0;
		p->ack_due_ms = conn_now_ms() + STALL_MS;
		p->answered = true;
	}
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
	if (!closed)
		acks_receive(p);
}

/* ---- the peer's thread --------------------------------------------------------- */

static bool connect_peer(struct peer *p)
{
	if (conn_dial(&p->conn, p->url, CONNECT_MS) != 0)
		return false;
	if (conn_hello(&p->conn, CONN_PUSH, CONN_PULL, CONNECT_MS) != 0) {
		conn_hang_up(&p->conn);
		return false;
	}
	must(nng_aio_alloc(&p->ack_aio, on_acks, p) == 0); /* fails only when memory is out */
	pthread_mutex_lock(&p->mutex);
	p->broken = false;
	p->answered = false;
	p->unacked = 0;
	p->ack_len = 0;
	p->stats.connected = true;
	pthread_mutex_unlock(&p->mutex);
	acks_receive(p);
	return true;
}

static void disconnect_peer(struct peer *p)
{
	nng_aio_stop(p->ack_aio); /* waits for on_acks(); before the stream goes */
	nng_aio_free(p->ack_aio);
	conn_hang_up(&p->conn);
	pthread_mutex_lock(&p->mutex);
	p->stats.connected = false;
	pthread_mutex_unlock(&p->mutex);
}

/* Waits for something to send; false when the connection is to be given up. */
static bool next_frame(struct peer *p, struct bytes *frame)
{
	bool usable;

	pthread_mutex_lock(&p->mutex);
	for (;;) {
		uint64_t due = p->unacked > 0 ? p->ack_due_ms : CONN_FOREVER;

		usable = !p->stopping && !p->broken && conn_now_ms() < due;
		if (!usable || (!outbox_empty(&p->outbox) && p->unacked < WINDOW))
			break;
		cond_wait_until(&p->cond, &p->mutex, due);
	}
	if (usable) {
		if (p->unacked++ == 0)
			p->ack_due_ms = conn_now_ms() + STALL_MS;
		p->stats.sent_envelopes += outbox_take(&p->outbox, frame);
		p->stats.sent_frames++;
		p->stats.sent_bytes += frame->len;
	}
	pthread_mutex_unlock(&p->mutex);
	return usable;
}

/* Waits between two tries; false: the end. */
static bool pause_dialing(struct peer *p, uint64_t *pause_ms)
{
	uint64_t until = conn_now_ms() + *pause_ms;

	pthread_mutex_lock(&p->mutex);
	while (!p->stopping && conn_now_ms() < until)
		cond_wait_until(&p->cond, &p->mutex, until);
	bool stopping = p->stopping;
	pthread_mutex_unlock(&p->mutex);
	*pause_ms = *pause_ms * 2 < RECONNECT_MAX_MS ? *pause_ms * 2 : RECONNECT_MAX_MS;
	return !stopping;
}

static void *run(void *arg)
{
	struct peer *p = arg;
	uint64_t pause_ms = RECONNECT_MIN_MS;
	struct bytes frame;

	do {
		if (!connect_peer(p))
			continue;
		while (next_frame(p, &frame)) {
			int rv = conn_write_message(&p->conn, frame.data, frame.len, STALL_MS);
			bytes_free(&frame);
			if (rv != 0)
				break;
		}
		disconnect_peer(p);
		/* A peer that only takes calls and hangs up is called less and less often. */
		if (p->answered)
			pause_ms = RECONNECT_MIN_MS;
	} while (pause_dialing(p, &pause_ms));
	return NULL;
}

/* ---- for link.c ---------------------------------------------------------------- */

static void peer_free(struct peer *p)
{
	conn_free(&p->conn);
	outbox_clear(&p->outbox);
	pthread_cond_destroy(&p->cond);
	pthread_mutex_destroy(&p->mutex);
	free(p->url);
}

bool peer_start(struct peer *p, const char *url, size_t outbox_bytes_max)
{
	*p = (struct peer){.url = xstrdup(url)};
	conn_init(&p->conn);
	must(pthread_mutex_init(&p->mutex, NULL) == 0);
	cond_init(&p->cond);
	outbox_init(&p->outbox, outbox_bytes_max);
	if (thread_start(&p->thread, run, p))
		return true;
	peer_free(p);
	return false;
}

void peer_send(struct peer *p, const struct qenvelope *env)
{
	pthread_mutex_lock(&p->mutex);
	outbox_put(&p->outbox, env);
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
}

void peer_stats(struct peer *p, struct link_stats *out)
{
	pthread_mutex_lock(&p->mutex);
	*out = p->stats;
	out->dropped_envelopes = p->outbox.dropped;
	out->outbox_bytes = p->outbox.bytes;
	pthread_mutex_unlock(&p->mutex);
}

void peer_check(struct peer *p, uint64_t now_ms)
{
	conn_check(&p->conn, now_ms);
}

void peer_stop(struct peer *p)
{
	pthread_mutex_lock(&p->mutex);
	p->stopping = true;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
	conn_stop(&p->conn);
}

void peer_join(struct peer *p)
{
	pthread_join(p->thread, NULL);
	peer_free(p);
}
