/*
 * http.h: the HTTP server (libmicrohttpd) and the client of the commands (libcurl).
 *
 * The server knows methods, paths, limits and time-outs, nothing of ledgers: routes are a table of
 * the node's.
 *
 *   one thread (libmicrohttpd's epoll)   all connections: reads requests, writes answers, never waits
 *   desk.c: a few threads for each lane  run the handlers, while libmicrohttpd leaves the connection alone
 *   feed.c: one thread                   makes the news that are pushed to all who follow
 *   crowd.c: one thread                  closes the connections of those who are too slow
 *
 * So a connection costs memory, not a thread, whether it is idle, follows the news or waits for something:
 * 18 KiB (16 are libmicrohttpd's, for headers), and what is under way, which is bounded below; the kernel's
 * buffers come on top.
 *
 * Limits: 2,048 connections (less if the process may open few files), per_address of them from one address;
 * 16 KiB for a request's line and header; body_max bytes of body (more is answered 413 and closed) and eight
 * times that for all bodies under way, 128 MiB for all answers under way (503).  The next request's header
 * has to be in 30 s after the last answer; a body within 30 s and one more for each 16 KiB; an answer has to
 * be taken as fast.  Whoever is slower is hung up on.
 *
 * A body has one framing, Content-Length, given once: any Transfer-Encoding is refused, since two
 * readers of a request that disagree on its end can be played off against each other.  HEAD is answered as
 * GET without its body.  Texts are compressed where the client takes gzip.
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
	void *wake;   /* for http_wake() */
	void *parked; /* what the first call left in its reply; NULL: this is the first */
};
/* Query or header value, or NULL; borrowed for the request. A query that gives a key twice is answered 400.
 */
const char *http_query(const struct http_request *r, const char *key);
const char *http_header(const struct http_request *r, const char *key);

/* Is this media type, as Content-Type or first in Accept has it, that one (and perhaps its parameters)? */
bool http_type_is(const char *header, const char *type);

/* A body that is the same for as long as the process lives: compressed once. Static. */
struct http_fixed {
	const unsigned char *text;
	const unsigned long *len;
	struct {
		char tag[33], *gzip;
		size_t gzip_len;
	} made; /* by the server */
};

enum http_cache {
	HTTP_FRESH,  /* Cache-Control: no-store */
	HTTP_CHECK,  /* no-cache: kept, but asked for again, by its entity tag */
	HTTP_FOREVER /* immutable: only where the path alone says for good what comes, on whatever chain */
};

struct http_reply {
	int status;
	const char *content_type; /* static text */
	char *body;               /* malloc'd, taken by the server */
	size_t body_len;
	struct http_fixed *fixed; /* instead of a body */
	enum http_cache cache;    /* of a 200 to GET; with an entity tag, unless it is HTTP_FRESH */
	bool follow;              /* instead of a body: http_config.news, for as long as the client listens */
	/* Instead of all that: there is no answer yet, and no thread waits for it.  The handler is called
	 * once more, with `parked` in its request, and has to answer then: when http_wake() was called (it
	 * may have been already), after this time, or when the server stops. */
	unsigned park_ms;
	void *parked;
	struct {
		const char *name; /* static text; NULL ends the list */
		char value[320];
	} header[4]; /* extra */
};
/* Any thread, under any lock of its own; for as long as the second call has not begun. */
void http_wake(void *wake);

/* Handlers may wait for a moment, so each lane has threads of its own: who waits for one thing does not stand
 * in the way of those who want another.  What has waited 5 s for a thread is answered 503. */
enum http_lane {
	HTTP_ASK,  /* what is in memory */
	HTTP_READ, /* from the disk */
	HTTP_TAKE, /* what clients hand in */
	HTTP_LANES
};

struct http_route {
	const char *method;
	const char *path; /* exact, or with one '*': a path segment that is not empty */
	/* Runs on one of its lane's threads; *reply is zeroed. */
	void (*handle)(void *ctx, const struct http_request *r, struct http_reply *reply);
	/* Asked as soon as the header of a request with a body is in (r->body is NULL). True: *reply is the
	 * answer, and the body is not asked for, or not kept if it comes all the same. May be NULL; must not
	 * wait. */
	bool (*refuse)(void *ctx, const struct http_request *r, struct http_reply *reply);
	enum http_lane lane;
	/* The keys that its query may have, in one text with a space between: another one is answered 400.
	 * NULL: whatever there is, is not looked at. */
	const char *keys;
};

struct http_config {
	const char *listen; /* "127.0.0.1:7480", "[::1]:7480" or "localhost:7480"; port 0: any */
	size_t body_max;
	int nice;                        /* by so much lower is the priority of its threads */
	const struct http_route *routes; /* ends with method NULL; borrowed */
	void *ctx;
	/* What is pushed to all who follow: the next piece, malloc'd, its length to *len.  Runs on a thread
	 * of its own while somebody follows, and waits until there is news, some seconds at most; *place is
	 * its own, and 0 where nobody followed before: then the piece is to come at once.  NULL: that was the
	 * end for those who follow now. */
	char *(*news)(void *ctx, uint64_t *place, size_t *len);
	/* Pages of these origins may read answers and hand things in; ends with NULL, borrowed. NULL: no
	 * other page than this server's own. */
	const char *const *origins;
	bool guard_host;        /* on loopback: answer to its own names only, see origin.c */
	const char *cert, *key; /* files in PEM: TLS 1.2 or 1.3 only; borrowed for the call. NULL: none */
	unsigned per_address;   /* connections; 0: HTTP_PER_ADDRESS */
	unsigned patience_s;    /* 0: 30 */
};
#define HTTP_CONNECTIONS_MAX 2048u
#define HTTP_PER_ADDRESS 128u

struct http_server *http_start(const struct http_config *config, struct err *err);
/* Is each certificate of this file in force today? False: *err says which is not, and since or until when.
 * Clients refuse it then, but whoever serves it has more to do than that: http_start() takes it. */
bool http_cert_in_force(const char *path, struct err *err);
/* Every request that is in is answered first; clients have a second to take their answers. */
void http_stop(struct http_server *s);

struct http_stats {
	unsigned connections; /* open now */
	unsigned followers;   /* of them */
	uint64_t refused;     /* connections, beyond a limit */
	uint64_t slow;        /* connections that were hung up on */
};
void http_stats(const struct http_server *s, struct http_stats *out);
unsigned http_port(const struct http_server *s);
/* Has it the form HOST:PORT? */
bool http_listen_check(const char *listen, struct err *err);
/* Has it the form of an origin, https://HOST[:PORT], or is it "*"? */
bool http_origin_check(const char *origin, struct err *err);

/* {"error": {"code", "message", "detail": {}}} with the status; text is copied. */
void http_error(struct http_reply *reply, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- client ---------------------------------------------------------------- */

struct http_client; /* keeps its connection; for one thread; no proxy, no redirects */
/* base_url: http://HOST:PORT, or https://, whose certificate has to be signed by one that the system trusts,
 * or that is in the file that QUORATE_CACERT names; to which the paths of http_call() are appended. */
struct http_client *http_client_new(const char *base_url, unsigned timeout_ms, struct err *err);
void http_client_free(struct http_client *c);
/* The media type that its calls ask for from now on; static text. NULL (as at first): any. */
void http_client_accept(struct http_client *c, const char *type);
/* What is longer is no answer; at first 64 MiB. */
void http_client_limit(struct http_client *c, size_t max);
/* body NULL: GET, else POST. False with *err (ERR_WORLD) if no answer came; any status is an answer.
 * The answer's body ends with a NUL that *out_len does not count; free(*out). */
bool http_call(struct http_client *c, const char *path, const char *content_type, const void *body,
               size_t body_len, int *status, char **out, size_t *out_len, struct err *err);

#endif
