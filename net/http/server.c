/*
 * server.c: the HTTP server. In the path of a transaction: before it, the client; after it, the node's
 * handler of POST /v1/transactions.
 *
 * libmicrohttpd's one thread calls on_access() once when the header is in, once for each piece of the body,
 * once when all of it is there, and once when the desk has the answer; requests go to the desk when they are
 * in, unless their header alone is reason to refuse them (that closes the connection).
 */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_impl.h"

#define HEADER_MAX ((size_t)16 << 10)
#define BODIES_MAX 8u /* times body_max: memory for all bodies that are coming in together */
#define ANSWERS_MAX ((size_t)128 << 20) /* and for all large answers on their way out */
#define ANSWER_LARGE ((size_t)16 << 10)

void server_thread(const struct http_server *s)
{
	static _Thread_local bool begun;

	if (begun)
		return;
	begun = true;
	pthread_setname_np(pthread_self(), "http");
	id_t self = (id_t)gettid(); /* on Linux each thread has a priority of its own */
	if (s->config.nice != 0)
		(void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + s->config.nice);
}

void server_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

/* ---- the request ------------------------------------------------------------------ */

const char *http_query(const struct http_request *r, const char *key)
{
	return MHD_lookup_connection_value(r->internal, MHD_GET_ARGUMENT_KIND, key);
}

const char *http_header(const struct http_request *r, const char *key)
{
	return MHD_lookup_connection_value(r->internal, MHD_HEADER_KIND, key);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool http_type_is(const char *header, const char *type)
{
	size_t len = strlen(type);

	return strncasecmp(header, type, len) == 0 && strchr(";, \t", header[len]) != NULL; /* or its end */
}

/* libmicrohttpd decodes %00 to an end of string and leaves a lone % as it is: look before it does. */
static bool escapes_sound(const char *uri)
{
	for (const char *c = uri; (c = strchr(c, '%')) != NULL; c++) {
		if (!is_hex(c[1]) || !is_hex(c[2]) || (c[1] == '0' && c[2] == '0'))
			return false;
	}
	return true;
}

static void *on_request_line(void *ctx, const char *uri, struct MHD_Connection *connection)
{
	struct incoming *in = xcalloc(1, sizeof(*in));

	in->server = ctx;
	in->connection = connection;
	in->malformed_path = !escapes_sound(uri);
	return in;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **req,
                         enum MHD_RequestTerminationCode code)
{
	struct http_server *s = ctx;
	struct incoming *in = *req;

	(void)code;
	if (in == NULL)
		return;
	desk_done(in);
	crowd_await(s, connection, CROWD_SENDS, 0); /* the next one */
	atomic_fetch_sub(&s->bodies, in->cap);
	atomic_fetch_sub(&s->answers, in->answer);
	free(in->reply.body);
	bytes_free(&in->body);
	free(in);
	*req = NULL;
}

/* ---- the reply --------------------------------------------------------------------- */

void http_error(struct http_reply *reply, int status, const char *code, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	/* What is quoted from a request may be cut within a character, or be no text at all. */
	for (char *c = message; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';

	json_t *json = json_pack("{s:{s:s, s:s, s:{}}}", "error", "code", code, "message", message, "detail");
	must(json != NULL);
	reply->status = status;
	reply->content_type = "application/json";
	free(reply->body);
	reply->body = json_dumps(json, JSON_COMPACT);
	must(reply->body != NULL);
	reply->body_len = strlen(reply->body);
	json_decref(json);
}

/* A value that cannot stand in a header (it may stem from a request) leaves the header out. */
static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	(void)MHD_add_response_header(response, name, value);
}

static void say_busy(struct http_reply *reply, const char *with)
{
	http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "%s; try again", with);
}

/* Room in memory until the client has taken it. */
static bool answer_fits(struct http_server *s, struct incoming *in, size_t len)
{
	if (len < ANSWER_LARGE)
		return true;
	in->answer = len;
	return atomic_fetch_add(&s->answers, len) + len <= ANSWERS_MAX;
}

static ssize_t no_body(void *ctx, uint64_t at, char *buf, size_t max)
{
	(void)ctx, (void)at, (void)buf, (void)max;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Takes the body. */
static struct MHD_Response *make_response(struct http_server *s, struct incoming *in,
                                          struct http_reply *reply)
{
	struct MHD_Response *response = NULL;

	if (reply->follow) {
		response = feed_response(s, in->connection);
		if (response != NULL)
			return response;
		say_busy(reply,
		         "as many follow this node as it can serve; ask now and then, or another node");
	}
	bool bodiless = reply->status == MHD_HTTP_NOT_MODIFIED;
	if (!bodiless && in->variant.fixed == NULL && !answer_fits(s, in, reply->body_len)) {
		in->variant = (struct variant){0};
		say_busy(reply, "the answers that others do not take fill this node's memory");
	}
	if (bodiless)
		response = MHD_create_response_from_callback(reply->body_len, 1, no_body, NULL, NULL);
	else if (in->variant.fixed != NULL)
		response = MHD_create_response_from_buffer(
		    reply->body_len, (void *)(uintptr_t)in->variant.fixed, MHD_RESPMEM_PERSISTENT);
	else
		response =
		    MHD_create_response_from_buffer(reply->body_len, reply->body, MHD_RESPMEM_MUST_FREE);
	reply->body = NULL;
	must(response != NULL); /* fails only when memory is out */
	return response;
}

/* Takes the reply's body. */
static enum MHD_Result answer(struct incoming *in, struct http_reply *reply, bool hang_up)
{
	struct http_server *s = in->server;

	must(reply->status >= 200 && reply->status <= 599);
	struct MHD_Response *response = make_response(s, in, reply);
	for (size_t i = 0; i < sizeof(reply->header) / sizeof(reply->header[0]); i++) {
		if (reply->header[i].name == NULL)
			break;
		add_header(response, reply->header[i].name, reply->header[i].value);
	}
	if (reply->content_type != NULL)
		add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	variant_headers(reply, &in->variant, response);
	origin_headers(s, in->connection, response);
	add_header(response, "X-Content-Type-Options", "nosniff");
	if (hang_up)
		add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	crowd_await(s, in->connection, CROWD_TAKES, reply->body_len);
	enum MHD_Result rv = MHD_queue_response(in->connection, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return rv;
}

/* ---- libmicrohttpd's calls ------------------------------------------------------------------ */

struct header_count {
	const char *name;
	unsigned cnt;
	const char *value;
};

static enum MHD_Result count_header(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct header_count *h = ctx;

	(void)kind;
	if (strcasecmp(key, h->name) == 0) {
		h->cnt++;
		h->value = value;
	}
	return MHD_YES;
}

static struct header_count find_headers(struct MHD_Connection *connection, const char *name)
{
	struct header_count h = {.name = name};

	MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &h);
	return h;
}

/* What the header alone is reason to refuse; true: *reply says so. */
static bool refused(const struct incoming *in, const char *path, uint64_t length, struct http_reply *reply)
{
	size_t body_max = in->server->config.body_max;
	struct header_count encodings = find_headers(in->connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	struct header_count lengths = find_headers(in->connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (in->malformed_path)
		http_error(reply, MHD_HTTP_BAD_REQUEST, "bad_path", "the path has a malformed %%-escape");
	else if (strlen(path) > PATH_MAX_LEN)
		http_error(reply, MHD_HTTP_URI_TOO_LONG, "path_too_long", "the path is longer than %d bytes",
		           PATH_MAX_LEN);
	else if (lengths.cnt > 1 || (lengths.cnt > 0 && encodings.cnt > 0))
		http_error(reply, MHD_HTTP_BAD_REQUEST, "bad_framing",
		           "the length of the body is given twice");
	else if (encodings.cnt > 0)
		http_error(reply, MHD_HTTP_LENGTH_REQUIRED, "length_required",
		           "send the body with Content-Length, without Transfer-Encoding");
	else if (length / 2 > body_max)
		/* A little too much is read and dropped, so that the client gets to read this answer. */
		http_error(reply, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
		           "a body has at most %zu bytes", body_max);
	else
		return false;
	return true;
}

/* Makes room for `len` more bytes of the body; false: there is none. */
static bool make_room(struct http_server *s, struct incoming *in, size_t len)
{
	size_t cap = in->body.len + len > 2 * in->cap ? in->body.len + len : 2 * in->cap;
	size_t more = cap - in->cap;

	if (in->body.len + len <= in->cap)
		return true;
	if (atomic_fetch_add(&s->bodies, more) + more > BODIES_MAX * s->config.body_max) {
		atomic_fetch_sub(&s->bodies, more);
		return false;
	}
	in->cap = cap;
	in->body.data = xrealloc(in->body.data, cap);
	return true;
}

static void take_body(struct http_server *s, struct incoming *in, const char *data, size_t len)
{
	if (in->reply.status != 0)
		return;
	if (in->too_large || len > s->config.body_max - in->body.len) {
		in->too_large = true;
		return;
	}
	if (in->no_room || !make_room(s, in, len)) {
		in->no_room = true;
		return;
	}
	memcpy(in->body.data + in->body.len, data, len);
	in->body.len += len;
}

/* The request as handlers see it, as far as it is in, and its route; NULL: *reply says why not. */
static const struct http_route *ask(struct incoming *in, const char *method, const char *path,
                                    struct http_reply *reply)
{
	struct asked *a = &in->asked;

	a->r = (struct http_request){.method = method,
	                             .path = path,
	                             .body = in->body.data,
	                             .body_len = in->body.len,
	                             .internal = in->connection,
	                             .server = in->server,
	                             .wake = in};
	a->r.content_type = http_header(&a->r, MHD_HTTP_HEADER_CONTENT_TYPE);
	if (a->r.content_type == NULL)
		a->r.content_type = "";
	if (origin_refuses(in->server, &a->r, reply) || origin_preflight(in->server, &a->r, reply))
		return NULL;
	return route_find(in->server, a, reply);
}

/*
 * The header is in.  Who waits to be asked for his body is answered at once.  Anybody else is sending it: he
 * would not read an answer before he is through, and a connection closed in between would take it from him;
 * what he sends is passed over.
 */
static enum MHD_Result on_header(struct incoming *in, const char *path, const char *method)
{
	struct http_server *s = in->server;
	struct http_reply reply = {0};
	struct header_count lengths = find_headers(in->connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t length = lengths.cnt > 0 ? strtoull(lengths.value, NULL, 10) : 0;

	if (refused(in, path, length, &reply))
		return answer(in, &reply, true);
	crowd_await(s, in->connection, CROWD_SENDS, length);
	if (lengths.cnt == 0)
		return MHD_YES;
	const struct http_route *route = ask(in, method, path, &reply);
	bool no =
	    route != NULL && route->refuse != NULL && route->refuse(s->config.ctx, &in->asked.r, &reply);
	if (no && http_header(&in->asked.r, MHD_HTTP_HEADER_EXPECT) != NULL)
		return answer(in, &reply, true);
	if (no)
		in->reply = reply;
	else
		free(reply.body); /* said once all is here */
	return MHD_YES;
}

/* All of it is in: to the desk with it, unless it is answered already. */
static enum MHD_Result on_request(struct incoming *in, const char *path, const char *method)
{
	struct http_server *s = in->server;
	struct http_reply reply = in->reply;

	in->reply = (struct http_reply){0};
	if (reply.status != 0)
		return answer(in, &reply, false);
	if (in->too_large) {
		http_error(&reply, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
		           "a body has at most %zu bytes", s->config.body_max);
		return answer(in, &reply, true);
	}
	if (in->no_room) {
		say_busy(&reply, "too much is being sent to this node at once");
		return answer(in, &reply, true);
	}
	in->route = ask(in, method, path, &reply);
	if (in->route == NULL)
		return answer(in, &reply, false);
	crowd_await(s, in->connection, CROWD_WAITS, 0);
	if (desk_take(in))
		return MHD_YES;
	http_error(&reply, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "this node is stopping; ask another");
	return answer(in, &reply, true);
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *data, size_t *data_len,
                                 void **req)
{
	struct incoming *in = *req;

	(void)connection;
	(void)version;
	if (!in->begun) {
		in->begun = true;
		return on_header(in, path, method);
	}
	if (*data_len > 0) {
		take_body(ctx, in, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	/* A connection that is suspended while libmicrohttpd still means to read from it is read from when it
	 * is resumed, before the answer is asked for: who has said that he will send no more is taken for
	 * gone then.  So let it look up from reading first; it asks again at once. */
	if (in->state == COMING) {
		in->state = WHOLE;
		return MHD_YES;
	}
	if (in->state != ANSWERED)
		return on_request(in, path, method);
	struct http_reply reply = in->reply;
	in->reply = (struct http_reply){0};
	return answer(in, &reply, false);
}

/* ---- connections ------------------------------------------------------------------------------- */

static enum MHD_Result on_accept(void *ctx, const struct sockaddr *address, socklen_t len)
{
	struct http_server *s = ctx;

	(void)address;
	(void)len;
	server_thread(s);
	if (atomic_load(&s->crowd.cnt) < s->crowd.max)
		return MHD_YES;
	atomic_fetch_add(&s->crowd.refused, 1);
	return MHD_NO;
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **visitor,
                          enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		crowd_enter(ctx, connection, visitor);
	else
		crowd_leave(ctx, visitor);
}

/* libmicrohttpd tells nobody but its log of a connection that it refuses, because its address has too many.
 * Nothing is written: most of its messages are about what clients do wrong, and they say it as often as they
 * like. */
static void on_log(void *ctx, const char *fmt, va_list ap)
{
	struct http_server *s = ctx;

	(void)ap;
	if (strstr(fmt, "connection limit") != NULL)
		atomic_fetch_add(&s->crowd.refused, 1);
}

void http_stats(const struct http_server *s, struct http_stats *out)
{
	out->connections = atomic_load(&s->crowd.cnt);
	out->followers = atomic_load(&s->feed.cnt);
	out->refused = atomic_load(&s->crowd.refused);
	out->slow = atomic_load(&s->crowd.slow);
}

/* ---- starting and stopping ------------------------------------------------------------------------ */

#define TLS_VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static struct MHD_Daemon *start_daemon(struct http_server *s, int fd)
{
	const struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};
	const struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_MEM_CERT, 0, s->tls.cert},
	    {MHD_OPTION_HTTPS_MEM_KEY, 0, s->tls.key},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_VERSIONS},
	    none};
	unsigned per_address = s->config.per_address > 0 ? s->config.per_address : HTTP_PER_ADDRESS;

	/* Beyond its own limit libmicrohttpd does not refuse, but lets them wait: ours comes first. */
	return MHD_start_daemon(
	    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
	        (s->tls.cert != NULL ? MHD_USE_TLS : 0),
	    0, on_accept, s, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX + 1, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
	    MHD_OPTION_ARRAY, s->tls.cert != NULL ? tls : &none, MHD_OPTION_END);
}

struct http_server *http_start(const struct http_config *config, struct err *err)
{
	struct tls_files tls;

	if (!tls_load(config->cert, config->key, &tls, err))
		return NULL;
	int fd = listen_on(config->listen, err);
	if (fd < 0) {
		tls_free(&tls);
		return NULL;
	}
	struct http_server *s = xcalloc(1, sizeof(*s));
	s->config = *config;
	s->config.listen = s->config.cert = s->config.key = NULL; /* borrowed for the call only */
	s->tls = tls;
	s->port = listen_port(fd);
	s->guards_host = config->guard_host && listen_is_loopback(fd);
	crowd_start(s, config->patience_s);
	desk_start(s);
	feed_start(s);
	s->daemon = start_daemon(s, fd);
	if (s->daemon != NULL)
		return s;
	err_set(err, ERR_WORLD, "cannot start the HTTP server: %s", strerror(errno));
	desk_stop(s); /* libmicrohttpd has closed fd */
	feed_stop(s);
	crowd_stop(s);
	tls_free(&s->tls);
	free(s);
	return NULL;
}

void http_stop(struct http_server *s)
{
	int fd = MHD_quiesce_daemon(s->daemon);

	desk_stop(s);
	feed_stop(s);
	desk_empty(s);
	MHD_stop_daemon(s->daemon);
	crowd_stop(s);
	tls_free(&s->tls);
	close(fd);
	free(s);
}

unsigned http_port(const struct http_server *s)
{
	return s->port;
}
