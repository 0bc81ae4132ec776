/*
 * http.h: the HTTP server (libmicrohttpd) and the client of the commands (libcurl).
 *
 * The server knows methods, paths, limits and time-outs, nothing of ledgers: routes are a table of
 * the node's.  Limits: 256 connections (32 per address), 30 s idle, 32 KiB for a request's line and header,
 * body_max bytes of body (more is answered 413 and closed) and eight times that for all bodies under way
 * (503).  A body has one framing, Content-Length, given once: any Transfer-Encoding is refused, since two
 * readers of a request that disagree on its end can be played off against each other.  HEAD is answered as
 * GET without its body.
 */
#ifndef QUORATE_HTTP_H
#define QUORATE_HTTP_H

#include "err.h"
#include "wire.h"

/* ---- server --------------------------------------------------------------- */

struct http_server;

struct http_request {
	const char *method;       /* "GET", "POST" */
	const char *path;         /* decoded, without query; at most 1 KiB, no NUL */
	const char *arg;          /* what the route's '*' matched, or "" */
	const char *content_type; /* "" if none */
	const uint8_t *body;
	size_t body_len;
	void *internal; /* for http_query() and http_header() */
	const struct http_server *server;
};
/* Query or header value, or NULL; borrowed for the request. A query that gives a key twice is answered 400.
 */
const char *http_query(const struct http_request *r, const char *key);
const char *http_header(const struct http_request *r, const char *key);

/* Is this media type, as Content-Type or first in Accept has it, that one (and perhaps its parameters)? */
bool http_type_is(const char *header, const char *type);

/* A body that comes piece by piece, for as long as there is something to say. */
struct http_stream {
	/* At most `max` bytes to buf; how many. 0: that was the end. Runs on the connection's own thread and
	 * may block, but some seconds only, so that whoever has gone away is noticed, and http_stop() is not
	 * held up. */
	size_t (*next)(void *ctx, char *buf, size_t max);
	void (*end)(void *ctx); /* once, whether or not anything was read */
	void *ctx;
};

struct http_reply {
	int status;
	const char *content_type; /* static text */
	char *body;               /* malloc'd, taken by the server */
	size_t body_len;
	struct http_stream stream; /* .next not NULL: instead of the body */
	struct {
		const char *name; /* static text; NULL ends the list */
		char value[320];
	} header[4]; /* extra; Cache-Control: no-store unless given here */
};

struct http_route {
	const char *method;
	const char *path; /* exact, or with one '*': a path segment that is not empty */
	/* Runs on the connection's own thread, so it may block for a few seconds; *reply is zeroed. */
	void (*handle)(void *ctx, const struct http_request *r, struct http_reply *reply);
	/* Asked as soon as the header of a request with a body is in (r->body is NULL). True: *reply is the
	 * answer, and the body is not asked for, or not kept if it comes all the same. May be NULL. */
	bool (*refuse)(void *ctx, const struct http_request *r, struct http_reply *reply);
};

struct http_config {
	const char *listen; /* "127.0.0.1:7480", "[::1]:7480" or "localhost:7480"; port 0: any */
	size_t body_max;
	int nice;                        /* by so much lower is the priority of the connections' threads */
	const struct http_route *routes; /* ends with method NULL; borrowed */
	void *ctx;
};
struct http_server *http_start(const struct http_config *config, struct err *err);
/* Waits for the handlers that run. */
void http_stop(struct http_server *s);

struct http_stats {
	unsigned connections; /* open now */
	uint64_t refused;     /* connections, beyond a limit */
};
void http_stats(const struct http_server *s, struct http_stats *out);
unsigned http_port(const struct http_server *s);
/* Has it the form HOST:PORT? */
bool http_listen_check(const char *listen, struct err *err);

/* {"error": {"code", "message", "detail": {}}} with the status; text is copied. */
void http_error(struct http_reply *reply, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- client ---------------------------------------------------------------- */

struct http_client; /* keeps its connection; for one thread; no proxy, no redirects */
/* base_url: http://HOST:PORT, to which the paths of http_call() are appended. */
struct http_client *http_client_new(const char *base_url, unsigned timeout_ms, struct err *err);
void http_client_free(struct http_client *c);
/* The media type that its calls ask for from now on; static text. NULL (as at first): any. */
void http_client_accept(struct http_client *c, const char *type);
/* body NULL: GET, else POST. False with *err (ERR_WORLD) if no answer came; any status is an answer.
 * The answer's body is at most 64 MiB and ends with a NUL that *out_len does not count; free(*out). */
bool http_call(struct http_client *c, const char *path, const char *content_type, const void *body,
               size_t body_len, int *status, char **out, size_t *out_len, struct err *err);

#endif
