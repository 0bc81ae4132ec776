/*
 * server_impl.h: the inside of the HTTP server, shared by server.c, crowd.c, desk.c, feed.c, listen.c,
 * reply.c and route.c.
 */
#ifndef QUORATE_HTTP_SERVER_IMPL_H
#define QUORATE_HTTP_SERVER_IMPL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "http.h"

#define PATH_MAX_LEN 1024

struct http_server;

/* Names the thread that calls, and lowers its priority: once. */
void server_thread(const struct http_server *s);
/* Its times are CLOCK_MONOTONIC's. */
void server_cond_init(pthread_cond_t *c);

/* ---- crowd.c: who is connected, and for how long yet ------------------------------------ */

/* A connection; libmicrohttpd's socket context. */
struct visitor {
	int fd;
	atomic_uint_fast64_t due_ms; /* by then it has to have done what is awaited of it; 0: nothing is */
	atomic_bool sends;           /* and that is to send something, */
	atomic_bool ended;           /* which it will not, as it was seen */
	bool closed;                 /* by us */
	struct visitor *prev, *next;
};

struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct visitor *visitors;
	bool stopping;
	pthread_t thread;
	unsigned max;      /* connections */
	uint64_t patience; /* ms */
	atomic_uint cnt;
	atomic_uint_fast64_t refused, slow;
};
void crowd_start(struct http_server *s, unsigned patience_s);
void crowd_stop(struct http_server *s);
void crowd_enter(struct http_server *s, struct MHD_Connection *connection, void **visitor);
void crowd_leave(struct http_server *s, void **visitor);
enum crowd_await { CROWD_SENDS, CROWD_TAKES, CROWD_WAITS /* for us */ };
/* What it has to do from now on; the bytes give it more time. */
void crowd_await(struct http_server *s, struct MHD_Connection *connection, enum crowd_await what,
                 size_t bytes);

/* ---- encode.c: gzip ------------------------------------------------------------------------ */

enum encoding { ENCODE_NOT, ENCODE_IF_WORTH, ENCODE_ALWAYS };
/* What an Accept-Encoding (NULL: there is none) asks for. */
enum encoding encode_wanted(const char *accept);
/* Is this media type worth a try? */
bool encode_is_text(const char *type);
/* False: it stays as it is. */
bool encode_gzip(struct http_reply *reply, enum encoding wanted);
bool encode_gzip_fixed(struct http_fixed *f);

/* ---- variant.c: which form of an answer ---------------------------------------------------- */

#define TAG_TEXT 33
struct variant {
	bool encodable;       /* it may come compressed, or not */
	const char *encoding; /* static text; NULL: none */
	const char *fixed;    /* instead of reply.body; borrowed */
	char tag[TAG_TEXT + 8];
};
/* Any thread. */
void variant_choose(const struct http_request *r, struct http_reply *reply, struct variant *v);
void variant_headers(const struct http_reply *reply, const struct variant *v, struct MHD_Response *response);

/* ---- tls.c: certificate and key ---------------------------------------------------------------- */

struct tls_files {
	char *cert, *key; /* PEM; NULL: no TLS */
};
/* False with *err, which names the file and its key in node.conf. */
bool tls_load(const char *cert_path, const char *key_path, struct tls_files *out, struct err *err);
void tls_free(struct tls_files *f);

/* ---- origin.c: pages from elsewhere ----------------------------------------------------------- */

/* True: *reply says why. */
bool origin_refuses(const struct http_server *s, const struct http_request *r, struct http_reply *reply);
/* True: a browser asks what it may ask; *reply says it. */
bool origin_preflight(const struct http_server *s, const struct http_request *r, struct http_reply *reply);
void origin_headers(const struct http_server *s, struct MHD_Connection *connection,
                    struct MHD_Response *response);

/* ---- desk.c: threads that run handlers ---------------------------------------------------- */

/* A request, as far as it is in. */
struct asked {
	struct http_request r;
	char segment[PATH_MAX_LEN + 1]; /* r.arg */
};

enum incoming_state { COMING, WHOLE, QUEUED, RUNNING, PARKED, ANSWERED };

/* A request from its first line to the end of its answer. */
struct incoming {
	struct http_server *server;
	struct MHD_Connection *connection;
	bool malformed_path; /* known before anything else of it */
	bool begun;          /* the header was judged */
	bool too_large;
	bool no_room;            /* others' bodies fill the memory there is for them */
	struct http_reply reply; /* status not 0: the answer, though the body may still be coming */
	struct variant variant;  /* of the reply */
	struct bytes body;
	size_t cap;
	size_t answer; /* bytes of a large one */

	/* At the desk: under its lock. */
	enum incoming_state state;
	bool counted, woken;
	const struct http_route *route;
	struct asked asked;
	uint64_t since_ms; /* QUEUED */
	uint64_t due_ms;   /* PARKED */
	struct incoming *prev, *next;
};

struct lane {
	struct http_server *server;
	struct incoming *queue;
	pthread_cond_t ready;
	pthread_t thread[32];
	unsigned thread_cnt;
};

struct desk {
	pthread_mutex_t lock;
	pthread_cond_t clock, done;
	struct lane lane[HTTP_LANES];
	struct incoming *parked;
	uint64_t next_ms; /* when the clock looks again */
	unsigned under_way;
	bool stopping;
	pthread_t clock_thread;
};
void desk_start(struct http_server *s);
/* Answers all that is in; nothing is taken from now on. */
void desk_stop(struct http_server *s);
/* Until all answers are taken, but a second only. */
void desk_empty(struct http_server *s);
/* Suspends the connection; libmicrohttpd asks again when the request is ANSWERED. False: stopping. */
bool desk_take(struct incoming *in);
/* Its answer is through, or its connection has ended. */
void desk_done(struct incoming *in);

/* ---- feed.c: news for all who follow -------------------------------------------------------- */

struct follower;
struct feed {
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct follower *followers;
	struct piece *newest;
	bool stopping;
	pthread_t thread;
	atomic_uint cnt;
};
void feed_start(struct http_server *s);
void feed_stop(struct http_server *s); /* ends all that follow */
/* A response for one more; NULL: there are too many. */
struct MHD_Response *feed_response(struct http_server *s, struct MHD_Connection *connection);

/* ---- route.c ---------------------------------------------------------------------------------- */

/* The request's route; NULL: *reply says why not. */
const struct http_route *route_find(const struct http_server *s, struct asked *a, struct http_reply *reply);

/* ---- listen.c ---------------------------------------------------------------------------------- */

/* A listening socket, or -1 with *err. */
int listen_on(const char *address, struct err *err);
unsigned listen_port(int fd);
bool listen_is_loopback(int fd);

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_config config;
	unsigned port;
	bool guards_host; /* it listens on loopback */
	struct tls_files tls;
	atomic_size_t bodies, answers; /* bytes allocated for them */
	struct crowd crowd;
	struct desk desk;
	struct feed feed;
};

#endif
