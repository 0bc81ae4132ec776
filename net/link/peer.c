/*
 * peer.c: the sending half. Before: link_send() puts envelopes into the outbox. After: the peer's pipe.c
 * receives the frames.
 *
 * Whoever calls link_flush() writes the next frame himself, while none is on its way; nng's thread, which
 * says that one has left, writes the one after it.  The peer's own thread dials, and mourns.
 *
 * The receiver answers every frame with an empty message, several at a time, so that a connection that leads
 * nowhere (power loss, a partition) is noticed after STALL_MS and replaced, instead of waiting for TCP's own
 * time-outs, which grow to minutes.
 */
#include "peer.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"

#define CONNECT_MS 5000     /* dialing, and again for the other side's HELLO */
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

bool thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;

	must(pthread_attr_init(&attr) == 0);
	must(pthread_attr_setstacksize(&attr, (size_t)1 << 20) == 0);
	int rv = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	if (rv == 0)
		pthread_setname_np(*thread, name);
	return rv == 0;
}

/* ---- frames (of whoever flushes, and of nng's threads) ------------------------- */

/* With the mutex held: is the connection of use? Nothing begins on it otherwise: see conn.h on TLS. */
static bool live(const struct peer *p)
{
	return p->stats.connected && !p->broken;
}

/* With the mutex held: what is left of the frame. */
static void write_on(struct peer *p)
{
	size_t head = p->written < sizeof(p->length) ? sizeof(p->length) - p->written : 0;
	size_t body = p->written + head - sizeof(p->length);
	nng_iov iov[2] = {
	    {.iov_buf = (uint8_t *)&p->length + sizeof(p->length) - head, .iov_len = head},
	    {.iov_buf = p->frame.data + body, .iov_len = p->frame.len - body},
	};

	must(nng_aio_set_iov(p->send_aio, head > 0 ? 2 : 1, head > 0 ? iov : iov + 1) == 0);
	nng_stream_send(p->conn.stream, p->send_aio);
}

/* With the mutex held: makes the next frame and begins to write it, if there is one and it may go. */
static void write_next(struct peer *p)
{
	if (!live(p) || p->writing || outbox_empty(&p->outbox) || p->unacked >= WINDOW)
		return;
	if (p->unacked++ == 0)
		p->due_ms = conn_now_ms() + STALL_MS;
	p->stats.sent_envelopes += outbox_take(&p->outbox, &p->frame);
	p->stats.sent_frames++;
	p->stats.sent_bytes += p->frame.len;
	p->length = htobe64(p->frame.len);
	p->written = 0;
	p->writing = true;
	write_on(p);
}

/* With the mutex held: the connection is of no use any more. */
static void give_up(struct peer *p)
{
	p->broken = true;
	pthread_cond_signal(&p->cond);
}

static void on_written(void *arg)
{
	struct peer *p = arg;

	pthread_mutex_lock(&p->mutex);
	if (nng_aio_result(p->send_aio) != 0) {
		give_up(p);
	} else {
		p->written += nng_aio_count(p->send_aio);
		p->due_ms = conn_now_ms() + STALL_MS;
		if (p->written < sizeof(p->length) + p->frame.len) {
			if (live(p))
				write_on(p);
		} else {
			bytes_free(&p->frame);
			p->writing = false;
			write_next(p);
		}
	}
	pthread_mutex_unlock(&p->mutex);
}

/* ---- what the peer answers (on a thread of nng's) ---------------------------- */

/* With the mutex held. */
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
		give_up(p);
	} else {
		p->ack_len += nng_aio_count(p->ack_aio);
		size_t acks = p->ack_len / ACK_LEN;
		p->ack_len %= ACK_LEN;
		p->unacked = acks < p->unacked ? p->unacked - (unsigned)acks : 0;
		p->due_ms = conn_now_ms() + STALL_MS;
		p->answered = true;
		if (live(p))
			acks_receive(p);
		write_next(p);
	}
	pthread_mutex_unlock(&p->mutex);
}

/* ---- the peer's thread --------------------------------------------------------- */

/* What came of one call. */
struct call {
	int rv; /* nng's; 0: it came to a HELLO of theirs, to be freed */
	bool dialed;
	struct qhello theirs;
};

/* pin: what it must show, by TLS; NULL: anything. */
static struct call place_call(struct peer *p, const struct tls_pin *pin)
{
	struct call call = {0};
	struct bytes ours = hello_message(p->common->hello);
	nng_tls_config *tls = p->stats.tls ? tls_dialing(pin) : NULL;

	call.rv = p->stats.tls && tls == NULL ? NNG_ECRYPTO : conn_dial(&p->conn, p->url, tls, CONNECT_MS);
	call.dialed = call.rv == 0;
	if (call.dialed)
		call.rv = conn_hello(&p->conn, CONN_PUSH, CONN_PULL, &ours, &call.theirs, CONNECT_MS);
	if (call.rv != 0)
		conn_hang_up(&p->conn);
	if (tls != NULL)
		nng_tls_config_free(tls);
	bytes_free(&ours);
	return call;
}

/* Why it does not come to a HELLO. */
static enum link_trouble no_hello(const struct peer *p, const struct call *call, char why[LINK_WHY_MAX])
{
	const char *reason = nng_strerror(call->rv);

	if (!call->dialed) {
		snprintf(why, LINK_WHY_MAX, "cannot connect: %s; is it running, and is its address right?",
		         reason);
		return LINK_UNREACHABLE;
	}
	snprintf(why, LINK_WHY_MAX, "somebody takes the call there %s (%s); is it a replica, and does it %s?",
	         call->rv == NNG_EPROTO      ? "and says no hello"
	         : call->rv == NNG_ETIMEDOUT ? "and says nothing"
	                                     : "and hangs up",
	         reason, p->stats.tls ? "listen on tls+tcp://" : "listen on tcp://, without TLS");
	return LINK_NO_REPLICA;
}

/* A call that serves to learn the peer's certificate. */
static enum link_trouble ask_certificate(struct peer *p, struct link_said *said, char why[LINK_WHY_MAX])
{
	struct call c = place_call(p, NULL);
	unsigned version;

	if (c.rv != 0)
		return no_hello(p, &c, why);
	conn_hang_up(&p->conn);
	enum link_trouble trouble = hello_judge(p->common->hello, &c.theirs, p->index, said, &version, why);
	if (trouble == LINK_FINE) {
		uint64_t now = clock_ms(CLOCK_REALTIME);
		if (c.theirs.introduction.introduction_len == 0)
			snprintf(why, LINK_WHY_MAX, "it introduces no certificate");
		if (c.theirs.introduction.introduction_len == 0 ||
		    !tls_learn(&p->pin, &p->common->config, p->index,
		               &c.theirs.introduction.introduction_val[0], now, why))
			trouble = LINK_CERTIFICATE;
	}
	wire_free(WIRE(qhello), &c.theirs);
	return trouble;
}

/* Connects to whoever proves that it is the peer: LK5.  A certificate that it does not know (any more) is
 * asked for once. */
static enum link_trouble greet_by_tls(struct peer *p, struct call *c, struct link_said *said,
                                      char why[LINK_WHY_MAX])
{
	*c = (struct call){.rv = NNG_ECRYPTO};
	if (p->pin.pem != NULL)
		*c = place_call(p, &p->pin);
	if (c->rv != NNG_ECRYPTO && c->rv != NNG_EPEERAUTH)
		return LINK_FINE;
	enum link_trouble trouble = ask_certificate(p, said, why);
	if (trouble != LINK_FINE)
		return trouble;
	*c = place_call(p, &p->pin);
	if (c->rv != NNG_ECRYPTO && c->rv != NNG_EPEERAUTH)
		return LINK_FINE;
	snprintf(why, LINK_WHY_MAX,
	         "it does not show the certificate that its replica key has signed: somebody sits in "
	         "between, or a "
	         "clock is wrong, or it was renewed this moment");
	return LINK_CERTIFICATE;
}

static enum link_trouble greet(struct peer *p, unsigned *version, struct link_said *said,
                               char why[LINK_WHY_MAX])
{
	struct call c;
	enum link_trouble trouble = LINK_FINE;

	if (p->stats.tls)
		trouble = greet_by_tls(p, &c, said, why);
	else
		c = place_call(p, NULL);
	if (trouble != LINK_FINE)
		return trouble;
	if (c.rv != 0)
		return no_hello(p, &c, why);
	trouble = hello_judge(p->common->hello, &c.theirs, p->index, said, version, why);
	wire_free(WIRE(qhello), &c.theirs);
	return trouble;
}

/* A line when something has changed, and not at each try. */
static void tell(const struct peer *p, bool changed, const struct link_stats *now)
{
	const struct link_config *c = &p->common->config;

	if (!changed || c->log == NULL)
		return;
	if (now->trouble == LINK_FINE)
		c->log(c->ctx, "info", "peer_connected replica=%u address=%s protocol=%u program=%s",
		       p->index, p->url, now->version, now->said.program);
	else
		c->log(c->ctx, "warn", "peer_trouble replica=%u address=%s trouble=%s why=%s", p->index,
		       p->url, link_trouble_name(now->trouble), now->why);
}

static bool connect_peer(struct peer *p)
{
	struct link_stats now = p->stats; /* what is written here, this thread alone writes */

	now.why[0] = '\0';
	now.trouble = greet(p, &now.version, &now.said, now.why);
	if (now.trouble != LINK_FINE)
		conn_hang_up(&p->conn);
	pthread_mutex_lock(&p->mutex);
	bool changed = !p->stopping && (now.trouble != p->stats.trouble || now.version != p->stats.version ||
	                                strcmp(now.why, p->stats.why) != 0);
	p->stats.said = now.said;
	p->stats.version = now.version;
	p->stats.trouble = now.trouble;
	memcpy(p->stats.why, now.why, sizeof(now.why));
	pthread_mutex_unlock(&p->mutex);
	tell(p, changed, &now);
	if (now.trouble != LINK_FINE)
		return false;
	must(nng_aio_alloc(&p->ack_aio, on_acks, p) == 0); /* fails only when memory is out */
	must(nng_aio_alloc(&p->send_aio, on_written, p) == 0);
	pthread_mutex_lock(&p->mutex);
	p->stats.connected = true;
	acks_receive(p);
	write_next(p);
	pthread_mutex_unlock(&p->mutex);
	return true;
}

static void wait_broken(struct peer *p)
{
	pthread_mutex_lock(&p->mutex);
	while (!p->stopping && !p->broken)
		pthread_cond_wait(&p->cond, &p->mutex);
	p->stats.connected = false; /* nobody begins to write any more */
	p->stats.version = 0;
	pthread_mutex_unlock(&p->mutex);
}

/* A frame that was being written is lost, as any message may be. Returns whether the peer ever answered. */
static bool disconnect_peer(struct peer *p)
{
	conn_close(&p->conn);
	nng_aio_stop(p->send_aio); /* waits for on_written(), */
	nng_aio_stop(p->ack_aio);  /* for on_acks(); before the stream goes */
	nng_aio_free(p->send_aio);
	nng_aio_free(p->ack_aio);
	conn_hang_up(&p->conn);
	pthread_mutex_lock(&p->mutex);
	bool answered = p->answered;
	bytes_free(&p->frame);
	p->writing = p->broken = p->answered = false;
	p->unacked = 0;
	p->ack_len = 0;
	pthread_mutex_unlock(&p->mutex);
	return answered;
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

	do {
		if (!connect_peer(p))
			continue;
		wait_broken(p);
		/* A peer that only takes calls and hangs up is called less and less often. */
		if (disconnect_peer(p))
			pause_ms = RECONNECT_MIN_MS;
	} while (pause_dialing(p, &pause_ms));
	return NULL;
}

/* ---- for link.c ---------------------------------------------------------------- */

static void peer_free(struct peer *p)
{
	conn_free(&p->conn);
	tls_forget(&p->pin);
	outbox_clear(&p->outbox);
	pthread_cond_destroy(&p->cond);
	pthread_mutex_destroy(&p->mutex);
	free(p->url);
}

bool peer_start(struct peer *p, unsigned index, const char *url, const struct peer_common *common)
{
	*p = (struct peer){
	    .common = common, .index = index, .url = xstrdup(url), .stats = {.tls = tls_url(url)}};
	conn_init(&p->conn);
	must(pthread_mutex_init(&p->mutex, NULL) == 0);
	cond_init(&p->cond);
	outbox_init(&p->outbox, common->config.outbox_bytes_max);
	if (thread_start(&p->thread, "link-send", run, p))
		return true;
	peer_free(p);
	return false;
}

void peer_send(struct peer *p, struct posting *posting)
{
	pthread_mutex_lock(&p->mutex);
	outbox_put(&p->outbox, posting);
	pthread_mutex_unlock(&p->mutex);
}

void peer_flush(struct peer *p)
{
	pthread_mutex_lock(&p->mutex);
	write_next(p);
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
	pthread_mutex_lock(&p->mutex);
	if (p->stats.connected && p->unacked > 0 && now_ms > p->due_ms)
		give_up(p);
	pthread_mutex_unlock(&p->mutex);
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
