/*
 * server.c: the HTTP server. In the path of a transaction: before it, the client; after it, the node's
 * handler of POST /v1/transactions.
 *
 * One thread a connection (libmicrohttpd's): a handler that waits stalls nobody else, and the
 * limits bound the threads.  libmicrohttpd calls on_access() once when the header is in, once for each piece
 * of the body, and once when all of it is there; requests are answered at the last call, unless their header
 * alone is reason to refuse them (that closes the connection).
 */
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

#define CONNECTIONS_MAX 256u
#define CONNECTIONS_PER_ADDRESS_MAX 32u
#define IDLE_S 30u
#define HEADER_MAX ((size_t)32 << 10)
#define PATH_MAX_LEN 1024
#define BODIES_MAX 8u                 /* times body_max: memory for all bodies that are coming in together */
#define STACK_BYTES ((size_t)1 << 20) /* handlers use SQLite and jansson */
#define STREAM_BLOCK 4096

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_config config;
	unsigned port;
	atomic_size_t bodies; /* bytes allocated for them */
	atomic_uint connections;
	atomic_uint_fast64_t refused;
};

/* A request while it comes in. */
struct incoming {
	bool malformed_path; /* known before anything else of it */
	bool begun;          /* the header was judged */
	bool too_large;
	bool no_room;            /* others' bodies fill the memory there is for them */
	struct http_reply reply; /* status not 0: what the body comes too late for */
	struct bytes body;
	size_t cap;
};

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

/* Once on each of libmicrohttpd's threads, which tells of none that begins. */
static void begin_thread(const struct http_server *s)
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

static void *on_request_line(void *ctx, const char *uri, struct MHD_Connection *connection)
{
	struct incoming *in = xcalloc(1, sizeof(*in));

	begin_thread(ctx);
	(void)connection;
	in->malformed_path = !escapes_sound(uri);
	return in;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **req,
                         enum MHD_RequestTerminationCode code)
{
	struct http_server *s = ctx;
	struct incoming *in = *req;

	(void)connection;
	(void)code;
	if (in != NULL) {
		atomic_fetch_sub(&s->bodies, in->cap);
		free(in->reply.body);
		bytes_free(&in->body);
		free(in);
	}
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

static ssize_t read_stream(void *ctx, uint64_t at, char *buf, size_t max)
{
	const struct http_stream *stream = ctx;
	size_t len = stream->next(stream->ctx, buf, max);

	(void)at;
	return len > 0 ? (ssize_t)len : MHD_CONTENT_READER_END_OF_STREAM;
}

static void end_stream(void *ctx)
{
	struct http_stream *stream = ctx;

	stream->end(stream->ctx);
	free(stream);
}

static struct MHD_Response *make_response(const struct http_reply *reply)
{
	if (reply->stream.next == NULL)
		return MHD_create_response_from_buffer(reply->body_len, reply->body, MHD_RESPMEM_MUST_FREE);
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
	                                         xmemdup(&reply->stream, sizeof reply->stream), end_stream);
}

/* Takes the reply's body. */
static enum MHD_Result answer(struct MHD_Connection *connection, struct http_reply *reply, bool hang_up)
{
	bool cache = false;

	must(reply->status >= 200 && reply->status <= 599);
	struct MHD_Response *response = make_response(reply);
	must(response != NULL); /* fails only when memory is out */
	for (size_t i = 0; i < sizeof(reply->header) / sizeof(reply->header[0]); i++) {
		if (reply->header[i].name == NULL)
			break;
		add_header(response, reply->header[i].name, reply->header[i].value);
		cache = cache || strcmp(reply->header[i].name, MHD_HTTP_HEADER_CACHE_CONTROL) == 0;
	}
	if (reply->content_type != NULL)
		add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	if (!cache)
		add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	add_header(response, "X-Content-Type-Options", "nosniff");
	if (hang_up)
		add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	enum MHD_Result rv = MHD_queue_response(connection, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return rv;
}

/* ---- routes --------------------------------------------------------------------------- */

/* Does the path fit the route? What its '*' stands for are the first *len bytes of *arg. */
static bool route_fits(const char *route, const char *path, const char **arg, size_t *len)
{
	const char *star = strchr(route, '*');

	*arg = "";
	*len = 0;
	if (star == NULL)
		return strcmp(route, path) == 0;
	if (strncmp(route, path, (size_t)(star - route)) != 0)
		return false;
	*arg = path + (star - route);
	*len = strcspn(*arg, "/");
	return *len > 0 && strcmp(*arg + *len, star + 1) == 0;
}

/* An exact route wins over one with '*', whose text goes to `segment`. */
static const struct http_route *find_route(const struct http_server *s, struct http_request *r,
                                           char segment[PATH_MAX_LEN + 1], struct http_reply *reply)
{
	const char *wanted = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;
	const struct http_route *found = NULL;
	char allow[sizeof(reply->header[0].value)] = "";

	segment[0] = '\0';
	for (const struct http_route *route = s->config.routes; route->method != NULL; route++) {
		const char *arg;
		size_t len;
		if (!route_fits(route->path, r->path, &arg, &len))
			continue;
		if (strcmp(route->method, wanted) != 0) {
			size_t used = strlen(allow);
			snprintf(allow + used, sizeof(allow) - used, "%s%s", used > 0 ? ", " : "",
			         route->method);
		} else if (found == NULL || len == 0) {
			found = route;
			memcpy(segment, arg, len);
			segment[len] = '\0';
		}
	}
	if (found == NULL && *allow != '\0') {
		http_error(reply, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "%.100s allows %s",
		           r->path, allow);
		reply->header[0].name = MHD_HTTP_HEADER_ALLOW;
		memcpy(reply->header[0].value, allow, sizeof(allow));
	} else if (found == NULL) {
		http_error(reply, MHD_HTTP_NOT_FOUND, "not_found", "there is nothing at %.200s", r->path);
	}
	r->arg = segment;
	return found;
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

#define QUERY_KEYS_MAX 16 /* far more than any route knows */

struct query_keys {
	const char *key[QUERY_KEYS_MAX];
	unsigned cnt;
	const char *repeated;
};

static enum MHD_Result note_key(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct query_keys *q = ctx;

	(void)kind;
	(void)value;
	for (unsigned i = 0; i < q->cnt && q->repeated == NULL; i++)
		if (strcasecmp(q->key[i], key) == 0) /* so does http_query() */
			q->repeated = key;
	if (q->cnt < QUERY_KEYS_MAX)
		q->key[q->cnt] = key;
	q->cnt++;
	return q->cnt <= QUERY_KEYS_MAX && q->repeated == NULL ? MHD_YES : MHD_NO;
}

/* A key that is given twice would mean one thing here and another to whoever stands in between. */
static bool query_sound(struct MHD_Connection *connection, struct http_reply *reply)
{
	struct query_keys q = {0};

	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, note_key, &q);
	if (q.repeated != NULL)
		http_error(reply, MHD_HTTP_BAD_REQUEST, "bad_query", "\"%.100s\" is given twice", q.repeated);
	else if (q.cnt > QUERY_KEYS_MAX)
		http_error(reply, MHD_HTTP_BAD_REQUEST, "bad_query", "more than %d values in the query",
		           QUERY_KEYS_MAX);
	return reply->status == 0;
}

/* What the header alone is reason to refuse; true: *reply says so. */
static bool refused(const struct http_server *s, struct incoming *in, struct MHD_Connection *connection,
                    const char *path, struct http_reply *reply)
{
	struct header_count encodings = find_headers(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	struct header_count lengths = find_headers(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t length = lengths.cnt > 0 ? strtoull(lengths.value, NULL, 10) : 0;

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
	else if (length / 2 > s->config.body_max)
		/* A little too much is read and dropped, so that the client gets to read this answer. */
		http_error(reply, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
		           "a body has at most %zu bytes", s->config.body_max);
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

/* A request, as far as it is in, and its route; NULL: *reply says why not. */
struct asked {
	struct http_request r;
	char segment[PATH_MAX_LEN + 1];
};
static const struct http_route *ask(const struct http_server *s, struct MHD_Connection *connection,
                                    const char *method, const char *path, struct asked *a,
                                    struct http_reply *reply)
{
	a->r = (struct http_request){.method = method, .path = path, .internal = connection, .server = s};
	a->r.content_type = http_header(&a->r, MHD_HTTP_HEADER_CONTENT_TYPE);
	if (a->r.content_type == NULL)
		a->r.content_type = "";
	const struct http_route *route = find_route(s, &a->r, a->segment, reply);
	return route != NULL && query_sound(connection, reply) ? route : NULL;
}

/*
 * The header is in.  Who waits to be asked for his body is answered at once.  Anybody else is sending it: he
 * would not read an answer before he is through, and a connection closed in between would take it from him;
 * what he sends is passed over.
 */
static enum MHD_Result on_header(const struct http_server *s, struct incoming *in,
                                 struct MHD_Connection *connection, const char *path, const char *method)
{
	struct http_reply reply = {0};
	struct asked a;

	if (refused(s, in, connection, path, &reply))
		return answer(connection, &reply, true);
	if (find_headers(connection, MHD_HTTP_HEADER_CONTENT_LENGTH).cnt == 0)
		return MHD_YES;
	const struct http_route *route = ask(s, connection, method, path, &a, &reply);
	bool no = route != NULL && route->refuse != NULL && route->refuse(s->config.ctx, &a.r, &reply);
	if (no && http_header(&a.r, MHD_HTTP_HEADER_EXPECT) != NULL)
		return answer(connection, &reply, true);
	if (no)
		in->reply = reply;
	else
		free(reply.body); /* said once all is here */
	return MHD_YES;
}

/* All of it is in. */
static enum MHD_Result on_request(const struct http_server *s, struct incoming *in,
                                  struct MHD_Connection *connection, const char *path, const char *method)
{
	struct http_reply reply = in->reply;
	struct asked a;

	in->reply = (struct http_reply){0};
	if (reply.status != 0)
		return answer(connection, &reply, false);
	if (in->too_large) {
		http_error(&reply, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
		           "a body has at most %zu bytes", s->config.body_max);
		return answer(connection, &reply, true);
	}
	if (in->no_room) {
		http_error(&reply, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
		           "too much is being sent to this node at once; try again");
		return answer(connection, &reply, true);
	}
	const struct http_route *route = ask(s, connection, method, path, &a, &reply);
	a.r.body = in->body.data;
	a.r.body_len = in->body.len;
	if (route != NULL)
		route->handle(s->config.ctx, &a.r, &reply);
	return answer(connection, &reply, false);
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *data, size_t *data_len,
                                 void **req)
{
	struct http_server *s = ctx;
	struct incoming *in = *req;

	(void)version;
	if (!in->begun) {
		in->begun = true;
		return on_header(s, in, connection, path, method);
	}
	if (*data_len == 0)
		return on_request(s, in, connection, path, method);
	take_body(s, in, data, *data_len);
	*data_len = 0;
	return MHD_YES;
}

/* ---- listening -------------------------------------------------------------------------------- */

/* Splits HOST:PORT or [HOST]:PORT. */
static bool split_listen(const char *listen, char host[256], char port[6], struct err *err)
{
	const char *colon = strrchr(listen, ':');
	const char *begin = listen, *end = colon;

	if (colon != NULL && *listen == '[' && colon > listen + 1 && colon[-1] == ']') {
		begin++;
		end--;
	} else if (colon != NULL && strchr(listen, ':') != colon) {
		colon = NULL; /* IPv6 without brackets */
	}
	if (colon != NULL && end > begin && end - begin < 256 && strlen(colon + 1) < 6) {
		snprintf(host, 256, "%.*s", (int)(end - begin), begin);
		snprintf(port, 6, "%s", colon + 1);
		if (*port != '\0' && strspn(port, "0123456789") == strlen(port) &&
		    strtol(port, NULL, 10) <= 65535)
			return true;
	}
	return err_set(err, ERR_INPUT,
	               "\"%.200s\" is no address to listen on: write HOST:PORT, e.g. 127.0.0.1:7480", listen);
}

bool http_listen_check(const char *listen, struct err *err)
{
	char host[256], port[6];

	return split_listen(listen, host, port, err);
}

/* A listening socket, or -1 with *err. */
static int listen_on(const char *address, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;
	char host[256], port[6];
	int one = 1;

	if (!split_listen(address, host, port, err))
		return -1;
	int rv = getaddrinfo(host, port, &hints, &found);
	if (rv != 0) {
		err_set(err, ERR_INPUT, "cannot listen for HTTP on %s: %s", address, gai_strerror(rv));
		return -1;
	}
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	                bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)) {
		rv = errno;
		close(fd);
		errno = rv;
		fd = -1;
	}
	if (fd < 0)
		err_set(err, ERR_WORLD, "cannot listen for HTTP on %s: %s%s", address, strerror(errno),
		        errno == EADDRINUSE ? "; stop the program that uses it, or choose another address"
		                            : "");
	freeaddrinfo(found);
	return fd;
}

static unsigned bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {.v6 = {.sin6_family = AF_INET6}};
	socklen_t len = sizeof(a);

	must(getsockname(fd, &a.any, &len) == 0);
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **ours,
                          enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = ctx;

	(void)connection, (void)ours;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		atomic_fetch_add(&s->connections, 1);
	else
		atomic_fetch_sub(&s->connections, 1);
}

/* libmicrohttpd tells nobody but its log of a connection that it refuses. Nothing is written: most of its
 * messages are about what clients do wrong, and they say it as often as they like. */
static void on_log(void *ctx, const char *fmt, va_list ap)
{
	struct http_server *s = ctx;

	(void)ap;
	if (strstr(fmt, "connection limit") != NULL)
		atomic_fetch_add(&s->refused, 1);
}

void http_stats(const struct http_server *s, struct http_stats *out)
{
	out->connections = atomic_load(&s->connections);
	out->refused = atomic_load(&s->refused);
}

struct http_server *http_start(const struct http_config *config, struct err *err)
{
	int fd = listen_on(config->listen, err);

	if (fd < 0)
		return NULL;
	struct http_server *s = xcalloc(1, sizeof(*s));
	s->config = *config;
	s->config.listen = NULL; /* borrowed for the call only */
	s->port = bound_port(fd);
	s->daemon = MHD_start_daemon(
	    MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC |
	        MHD_USE_ERROR_LOG,
	    0, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, CONNECTIONS_PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
	    IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MAX, MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
	if (s->daemon == NULL) {
		err_set(err, ERR_WORLD, "cannot start the HTTP server: %s", strerror(errno));
		/* libmicrohttpd has closed fd */
		free(s);
		return NULL;
	}
	return s;
}

void http_stop(struct http_server *s)
{
	MHD_stop_daemon(s->daemon); /* closes the socket too */
	free(s);
}

unsigned http_port(const struct http_server *s)
{
	return s->port;
}
