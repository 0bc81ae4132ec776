/*
 * conn.h: one connection, used by one thread in blocking style, that other threads may interrupt.
 *
 * Guards against nng 1.5.2, whose cancelling and expiring of an operation may touch the stream after the
 * operation is over: an operation is cancelled only under the connection's mutex while it is running,
 * streams are freed only when none is, and nng's own time-outs are not used (conn_check() instead).
 * By TLS an operation that begins after the connection has failed never ends, and cancelling does not help;
 * closing the stream does. So there an operation is ended by closing, and a time-out ends the connection.
 */
#ifndef QUORATE_CONN_H
#define QUORATE_CONN_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>

#include "wire.h"

#define CONN_FOREVER UINT64_MAX

struct conn {
	pthread_mutex_t mutex; /* covers what follows */
	nng_aio *aio;          /* without callback: its user waits */
	bool running;          /* an operation is under way ... */
	uint64_t deadline_ms;  /* ... and has until then (monotonic) */
	bool overdue;          /* it had not ended by then */
	bool tls;              /* what the stream is; */
	nng_stream *stream;    /* the user thread's; NULL: none */
};

/* SP protocol numbers: who pushes, who pulls. */
enum { CONN_PUSH = 0x50, CONN_PULL = 0x51 };

uint64_t conn_now_ms(void); /* monotonic */

void conn_init(struct conn *c);
void conn_free(struct conn *c); /* its user has ended */

/* Each returns 0 or nng's error; timeout_ms, of the whole call, may be CONN_FOREVER. */
/* tls: NULL unless the URL asks for it. */
int conn_dial(struct conn *c, const char *url, nng_tls_config *tls, uint64_t timeout_ms);
int conn_accept(struct conn *c, nng_stream_listener *listener, nng_stream **out);
void conn_take(struct conn *c, nng_stream *stream, bool tls); /* what another has accepted */
int conn_read(struct conn *c, void *data, size_t len, uint64_t timeout_ms);
/* What has come, at least one byte. NNG_ETIMEDOUT: nothing came, and, but for TLS, nothing is lost. */
int conn_read_some(struct conn *c, void *data, size_t len, size_t *got, uint64_t timeout_ms);
int conn_write(struct conn *c, const void *data, size_t len, uint64_t timeout_ms);
/*
 * Says our SP header and our HELLO (a message behind its length), and reads theirs, to be freed by
 * wire_free(). NNG_EPROTO: the other side does not speak `theirs`, or what it says is no HELLO.
 */
int conn_hello(struct conn *c, int ours, int theirs, const struct bytes *message, struct qhello *got,
               uint64_t timeout_ms);

void conn_close(struct conn *c);   /* all operations on the stream end, those of others, too */
void conn_hang_up(struct conn *c); /* the user thread is done with the stream */

/* From any thread: fails the running operation if it is overdue; fails it and all later ones. */
void conn_check(struct conn *c, uint64_t now_ms);
void conn_stop(struct conn *c);

#endif
