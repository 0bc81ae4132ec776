/*
 * conn.c: one connection: blocking operations on nng's streams that can be interrupted.
 */
#include "conn.h"

#include <endian.h>
#include <time.h>

#include "clock.h"
#include "err.h"

uint64_t conn_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

void conn_init(struct conn *c)
{
	*c = (struct conn){0};
	must(pthread_mutex_init(&c->mutex, NULL) == 0);
	must(nng_aio_alloc(&c->aio, NULL, NULL) == 0); /* fails only when memory is out */
}

void conn_free(struct conn *c)
{
	conn_hang_up(c);
	nng_aio_free(c->aio);
	pthread_mutex_destroy(&c->mutex);
}

static uint64_t until_ms(uint64_t timeout_ms)
{
	uint64_t now = conn_now_ms();

	return timeout_ms < CONN_FOREVER - now ? now + timeout_ms : CONN_FOREVER;
}

/* With the mutex held. */
static void op_begin(struct conn *c, uint64_t deadline_ms)
{
	must(!c->running);
	c->running = true;
	c->overdue = false;
	c->deadline_ms = deadline_ms;
}

static int op_end(struct conn *c)
{
	nng_aio_wait(c->aio);
	pthread_mutex_lock(&c->mutex);
	c->running = false;
	int rv = nng_aio_result(c->aio);
	if (rv != 0 && c->overdue)
		rv = NNG_ETIMEDOUT;
	pthread_mutex_unlock(&c->mutex);
	return rv;
}

void conn_check(struct conn *c, uint64_t now_ms)
{
	pthread_mutex_lock(&c->mutex);
	if (c->running && now_ms > c->deadline_ms) {
		c->overdue = true;
		if (c->tls && c->stream != NULL)
			nng_stream_close(c->stream);
		else
			nng_aio_abort(c->aio, NNG_ETIMEDOUT);
	}
	pthread_mutex_unlock(&c->mutex);
}

void conn_stop(struct conn *c)
{
	pthread_mutex_lock(&c->mutex);
	if (c->tls && c->stream != NULL)
		nng_stream_close(c->stream);
	nng_aio_stop(c->aio); /* waits for the operation to end, which needs no lock of ours */
	pthread_mutex_unlock(&c->mutex);
}

void conn_take(struct conn *c, nng_stream *stream, bool tls)
{
	pthread_mutex_lock(&c->mutex);
	c->stream = stream;
	c->tls = tls;
	pthread_mutex_unlock(&c->mutex);
}

/* A dialer a try: one whose dial was cancelled must not be used again before its callbacks have run. */
int conn_dial(struct conn *c, const char *url, nng_tls_config *tls, uint64_t timeout_ms)
{
	nng_stream_dialer *dialer;
	int rv = nng_stream_dialer_alloc(&dialer, url);

	if (rv != 0)
		return rv;
	(void)nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true); /* not for ipc:// */
	if (tls != NULL)
		rv = nng_stream_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls);
	if (rv == 0) {
		pthread_mutex_lock(&c->mutex);
		op_begin(c, until_ms(timeout_ms));
		nng_stream_dialer_dial(dialer, c->aio);
		pthread_mutex_unlock(&c->mutex);
		rv = op_end(c);
	}
	if (rv == 0)
		conn_take(c, nng_aio_get_output(c->aio, 0), tls != NULL);
	nng_stream_dialer_free(dialer);
	return rv;
}

int conn_accept(struct conn *c, nng_stream_listener *listener, nng_stream **out)
{
	pthread_mutex_lock(&c->mutex);
	op_begin(c, CONN_FOREVER);
	nng_stream_listener_accept(listener, c->aio);
	pthread_mutex_unlock(&c->mutex);
	int rv = op_end(c);

	if (rv == 0)
		*out = nng_aio_get_output(c->aio, 0);
	return rv;
}

/* One operation of nng's, which may move only some of the bytes.  It begins under the mutex, so that whoever
 * closes the stream comes before it, or ends it. */
static int transfer(struct conn *c, void (*op)(nng_stream *, nng_aio *), nng_iov iov, size_t *moved,
                    uint64_t deadline_ms)
{
	pthread_mutex_lock(&c->mutex);
	must(nng_aio_set_iov(c->aio, 1, &iov) == 0);
	op_begin(c, deadline_ms);
	op(c->stream, c->aio);
	pthread_mutex_unlock(&c->mutex);
	int rv = op_end(c);

	*moved = rv == 0 ? nng_aio_count(c->aio) : 0;
	return rv;
}

static int transfer_all(struct conn *c, void (*op)(nng_stream *, nng_aio *), void *data, size_t len,
                        uint64_t deadline_ms)
{
	size_t moved;

	for (size_t at = 0; at < len; at += moved) {
		nng_iov rest = {.iov_buf = (uint8_t *)data + at, .iov_len = len - at};
		int rv = transfer(c, op, rest, &moved, deadline_ms);
		if (rv != 0)
			return rv;
	}
	return 0;
}

int conn_read(struct conn *c, void *data, size_t len, uint64_t timeout_ms)
{
	return transfer_all(c, nng_stream_recv, data, len, until_ms(timeout_ms));
}

int conn_read_some(struct conn *c, void *data, size_t len, size_t *got, uint64_t timeout_ms)
{
	nng_iov iov = {.iov_buf = data, .iov_len = len};

	return transfer(c, nng_stream_recv, iov, got, until_ms(timeout_ms));
}

int conn_write(struct conn *c, const void *data, size_t len, uint64_t timeout_ms)
{
	return transfer_all(c, nng_stream_send, (void *)(uintptr_t)data /* only read */, len,
	                    until_ms(timeout_ms));
}

static int read_hello(struct conn *c, struct qhello *got, uint64_t deadline_ms)
{
	uint8_t text[Q_HELLO_MAX];
	uint64_t length;
	int rv = transfer_all(c, nng_stream_recv, &length, sizeof(length), deadline_ms);

	if (rv != 0)
		return rv;
	length = be64toh(length);
	if (length > sizeof(text))
		return NNG_EPROTO;
	rv = transfer_all(c, nng_stream_recv, text, (size_t)length, deadline_ms);
	if (rv == 0 && !wire_decode(WIRE(qhello), text, (size_t)length, got))
		rv = NNG_EPROTO;
	return rv;
}

int conn_hello(struct conn *c, int ours, int theirs, const struct bytes *message, struct qhello *got,
               uint64_t timeout_ms)
{
	uint8_t header[8] = {0, 'S', 'P', 0, 0, (uint8_t)ours, 0, 0};
	const uint8_t wanted[8] = {0, 'S', 'P', 0, 0, (uint8_t)theirs, 0, 0};
	uint64_t deadline_ms = until_ms(timeout_ms);
	int rv = transfer_all(c, nng_stream_send, header, sizeof(header), deadline_ms);

	if (rv == 0)
		rv = transfer_all(c, nng_stream_send, message->data, message->len, deadline_ms);
	if (rv == 0)
		rv = transfer_all(c, nng_stream_recv, header, sizeof(header), deadline_ms);
	if (rv == 0 && memcmp(header, wanted, sizeof(wanted)) != 0)
		rv = NNG_EPROTO;
	return rv == 0 ? read_hello(c, got, deadline_ms) : rv;
}

void conn_close(struct conn *c)
{
	pthread_mutex_lock(&c->mutex);
	if (c->stream != NULL)
		nng_stream_close(c->stream);
	pthread_mutex_unlock(&c->mutex);
}

void conn_hang_up(struct conn *c)
{
	pthread_mutex_lock(&c->mutex);
	if (c->stream != NULL)
		nng_stream_free(c->stream); /* closes it */
	c->stream = NULL;
	pthread_mutex_unlock(&c->mutex);
}
