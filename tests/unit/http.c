/*
 * http.c: the HTTP server and its client, on loopback.
 * Links: q_http
 */
#include "http.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY_MAX 1000
#define DEADLINE_S 20
#define PER_ADDRESS 32

/* ---- the server under test ------------------------------------------------------------- */

static void reply_text(struct http_reply *reply, const char *text)
{
	reply->status = 200;
	reply->content_type = "text/plain";
	reply->body = xstrdup(text);
	reply->body_len = strlen(text);
}

static void get_hello(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	assert_string_equal(ctx, "ours");
	assert_string_equal(r->arg, "");
	reply_text(reply, "hello");
}

/* Says what it was asked. */
static void get_item(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	char text[256];

	(void)ctx;
	const char *limit = http_query(r, "limit"), *token = http_header(r, "X-Token");
	snprintf(text, sizeof(text), "%s %s %s %s", r->method, r->arg, limit != NULL ? limit : "-",
	         token != NULL ? token : "-");
	reply_text(reply, text);
}

static void get_latest(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	(void)r;
	reply_text(reply, "the latest");
}

static void post_echo(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	reply->status = 201;
	reply->content_type = r->content_type[0] == 'a' ? "application/octet-stream" : "text/plain";
	reply->body_len = r->body_len;
	reply->body = r->body_len > 0 ? xmemdup(r->body, r->body_len) : NULL;
	reply->header[0].name = "X-Length";
	snprintf(reply->header[0].value, sizeof(reply->header[0].value), "%zu", r->body_len);
}

static void get_error(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	(void)r;
	http_error(reply, 409, "double_spend", "spent by \"%s\" \x01\xff", "abc");
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void get_slow(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	(void)r;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	reply_text(reply, "slow");
}

static bool refuse_all(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	assert_string_equal(ctx, "ours");
	assert_null(r->body);
	if (http_query(r, "please") != NULL)
		return false;
	http_error(reply, 503, "full", "no more of %s", r->arg);
	reply->header[0].name = "Retry-After";
	snprintf(reply->header[0].value, sizeof(reply->header[0].value), "1");
	return true;
}

/* How the thread is called, and how much lower its priority is. */
static void get_thread(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	char name[16] = "", text[64];

	(void)ctx;
	(void)r;
	pthread_getname_np(pthread_self(), name, sizeof(name));
	snprintf(text, sizeof(text), "%s %d", name,
	         getpriority(PRIO_PROCESS, (id_t)gettid()) - getpriority(PRIO_PROCESS, (id_t)getpid()));
	reply_text(reply, text);
}

static const struct http_route routes[] = {
    {"POST", "/full/*", post_echo, refuse_all},
    {"GET", "/thread", get_thread},
    {"GET", "/hello", get_hello},
    {"GET", "/items/*", get_item},
    {"GET", "/items/latest", get_latest},
    {"POST", "/items/*", post_echo},
    {"POST", "/echo", post_echo},
    {"GET", "/error", get_error},
    {"GET", "/paged", get_hello, .keys = "from limit"},
    {"GET", "/plain", get_hello, .keys = ""},
    {"GET", "/items/*/part", get_item},
    {"GET", "/slow", get_slow},
    {NULL, NULL, NULL},
};

static char ours[] = "ours";
static struct http_server *server;
static struct http_client *client;

static char *base_url(void)
{
	static char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_port(server));
	return url;
}

static int setup(void **state)
{
	struct http_config c = {.listen = "127.0.0.1:0",
	                        .body_max = BODY_MAX,
	                        .nice = 2,
	                        .routes = routes,
	                        .ctx = ours,
	                        .per_address = PER_ADDRESS};
	struct err err = {0};

	(void)state;
	server = http_start(&c, &err);
	if (server == NULL)
		fail_msg("%s", err.text);
	client = http_client_new(base_url(), DEADLINE_S * 1000, &err);
	assert_non_null(client);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_client_free(client);
	http_stop(server);
	return 0;
}

/* ---- asking -------------------------------------------------------------------------------- */

static int last_status;

/* The answer's text, until the next call. */
static const char *call(const char *path, const char *type, const void *body, size_t len)
{
	static char text[4096];
	struct err err = {0};
	size_t out_len;
	char *out;

	if (!http_call(client, path, type, body, len, &last_status, &out, &out_len, &err))
		fail_msg("%s", err.text);
	assert_int_equal(strlen(out), out_len);
	snprintf(text, sizeof(text), "%s", out);
	free(out);
	return text;
}

static const char *get(const char *path)
{
	return call(path, NULL, NULL, 0);
}

static int raw_connect(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                        .sin_port = htons((uint16_t)http_port(server))};
	struct timeval limit = {.tv_sec = DEADLINE_S};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Sends the bytes, no more will follow, and returns all that comes back until the server closes. */
static const char *raw_len(const void *data, size_t len)
{
	static char text[8192];
	int fd = raw_connect();
	size_t at = 0;
	ssize_t got;

	(void)!send(fd, data, len, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while ((got = recv(fd, text + at, sizeof(text) - 1 - at, 0)) > 0)
		at += (size_t)got;
	close(fd);
	text[at] = '\0';
	return text;
}

static const char *raw(const char *request)
{
	return raw_len(request, strlen(request));
}

static int status_of(const char *answer)
{
	return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

#define HOST "Host: x\r\n"

/* ---- tests ---------------------------------------------------------------------------------- */

static void routes_match_exactly_or_by_one_segment(void **state)
{
	(void)state;
	assert_string_equal(get("/hello"), "hello");
	assert_int_equal(last_status, 200);
	assert_string_equal(get("/items/17"), "GET 17 - -");
	assert_string_equal(get("/items/a%20b?limit=5"), "GET a b 5 -");
	assert_string_equal(get("/items/x%2Ey?limit=%C3%A4+b"), "GET x.y \xc3\xa4 b -");
	assert_string_equal(get("/items/latest"), "the latest");
	assert_string_equal(get("/items/17/part?limit=5"), "GET 17 5 -");
	assert_string_equal(get("/items/latest/part"), "GET latest - -");
	assert_non_null(strstr(raw("GET /items/1 HTTP/1.1\r\n" HOST "x-token: t\r\n\r\n"), "GET 1 - t"));
}

static void a_query_that_gives_a_key_twice_is_refused(void **state)
{
	const char *const refused[] = {
	    "/hello?limit=1&limit=2",           "/hello?limit=1&limit=1",
	    "/items/1?a=1&limit=5&b&%6cimit=5", "/hello?a&a",
	    "/hello?limit=1&LIMIT=2",           "/hello?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q"};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *text = get(refused[i]);
		assert_int_equal(last_status, 400);
		assert_non_null(strstr(text, "\"code\":\"bad_query\""));
	}
	assert_non_null(strstr(get("/hello?a=1&limit=5&limit=6&b=2"), "limit"));
	get("/hello?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p");
	assert_int_equal(last_status, 200);
}

static void a_key_that_is_not_known_is_refused(void **state)
{
	const char *const refused[] = {"/paged?limt=1", "/paged?from=1&lim=1", "/paged?limits=1",
	                               "/paged?rom=1",  "/paged?LIMIT=1",      "/paged?from%20limit",
	                               "/paged?=1",     "/plain?from=1"};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *text = get(refused[i]);
		if (last_status != 400 || strstr(text, "\"code\":\"bad_query\"") == NULL)
			fail_msg("%s: %d %s", refused[i], last_status, text);
	}
	assert_non_null(strstr(get("/paged?limt=1"), "there is no \\\"limt\\\" in a query here: from limit"));
	get("/paged?limit=1&from=2");
	assert_int_equal(last_status, 200);
	get("/paged");
	assert_int_equal(last_status, 200);
	get("/hello?anything=1");
	assert_int_equal(last_status, 200);
}

static void unknown_path_is_not_found(void **state)
{
	const char *const unknown[] = {"/",
	                               "/hell",
	                               "/hello/",
	                               "/items/",
	                               "/items",
	                               "/items/1/2",
	                               "/items/1%2F2",
	                               "/items//part",
	                               "/items/1/2/part",
	                               "/items/1/partition",
	                               "/items/part/",
	                               "/items/1/part/",
	                               "/items/1/par"};

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		const char *text = get(unknown[i]);
		assert_int_equal(last_status, 404);
		assert_non_null(strstr(text, "\"code\":\"not_found\""));
	}
}

static void wrong_method_is_told_the_right_ones(void **state)
{
	(void)state;
	const char *text = raw("DELETE /items/1 HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of(text), 405);
	assert_non_null(strstr(text, "Allow: GET, POST\r\n"));
	text = raw("GET /echo HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of(text), 405);
	assert_non_null(strstr(text, "Allow: POST\r\n"));
}

static void head_is_get_without_body(void **state)
{
	(void)state;
	const char *text = raw("HEAD /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of(text), 200);
	assert_non_null(strstr(text, "Content-Length: 5\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
}

static void replies_carry_the_default_headers(void **state)
{
	(void)state;
	const char *text = raw("GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(text, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(text, "Cache-Control: no-store\r\n"));
	text = raw("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
	assert_non_null(strstr(text, "X-Length: 2\r\n"));
}

static void error_is_json_whatever_it_quotes(void **state)
{
	(void)state;
	json_t *json = json_loads(get("/error"), 0, NULL);
	const char *code, *message;
	json_t *detail;

	assert_int_equal(last_status, 409);
	assert_int_equal(json_unpack(json, "{s:{s:s, s:s, s:o}}", "error", "code", &code, "message", &message,
	                             "detail", &detail),
	                 0);
	assert_string_equal(code, "double_spend");
	assert_string_equal(message, "spent by \"abc\" ??");
	assert_true(json_is_object(detail));
	json_decref(json);
}

static void body_of_the_greatest_length_passes(void **state)
{
	char body[BODY_MAX];

	(void)state;
	memset(body, 'b', sizeof(body));
	assert_int_equal(strlen(call("/echo", "text/plain", body, sizeof(body))), BODY_MAX);
	assert_int_equal(last_status, 201);
	assert_string_equal(call("/echo", "application/json", "", 0), "");
	assert_int_equal(last_status, 201);
}

static void body_one_byte_too_long_is_refused(void **state)
{
	char body[BODY_MAX + 1];

	(void)state;
	memset(body, 'b', sizeof(body));
	assert_non_null(strstr(call("/echo", "text/plain", body, sizeof(body)), "body_too_large"));
	assert_int_equal(last_status, 413);
	assert_string_equal(get("/hello"), "hello");
}

/* Bodies that are held back fill the memory for bodies; whoever comes is told, and served again afterwards.
 */
static void bodies_held_back_by_many_are_bounded_together(void **state)
{
	char body[BODY_MAX], head[128];
	int held[12];

	(void)state;
	memset(body, 'b', sizeof(body));
	snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", BODY_MAX);
	for (size_t i = 0; i < 12; i++) {
		held[i] = raw_connect();
		assert_int_equal(send(held[i], head, strlen(head), MSG_NOSIGNAL), strlen(head));
		assert_int_equal(send(held[i], body, BODY_MAX - 1, MSG_NOSIGNAL), BODY_MAX - 1);
	}
	do
		call("/echo", "text/plain", body, sizeof(body)); /* until the server has read what was sent */
	while (last_status == 201);
	assert_int_equal(last_status, 503);
	for (size_t i = 0; i < 12; i++)
		close(held[i]);
	do
		call("/echo", "text/plain", body, sizeof(body));
	while (last_status == 503);
	assert_int_equal(last_status, 201);
}

static void announced_giant_body_is_refused_at_once(void **state)
{
	(void)state;
	const char *text =
	    raw("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\nxx");
	assert_int_equal(status_of(text), 413);
	assert_non_null(strstr(text, "Connection: close"));
	assert_int_equal(
	    status_of(raw("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n")),
	    413);
}

static void ambiguous_framing_is_refused_and_not_read_on(void **state)
{
	/* Whatever follows must not be taken for a second request. */
	const struct {
		const char *header;
		int status;
	} bad[] = {
	    {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
	    {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
	    {"Content-Length: 5\r\nContent-Length: 6\r\n", 400},
	    {"Transfer-Encoding: chunked\r\n", 411},
	    {"Transfer-Encoding: gzip\r\n", 411},
	    {"Content-Length: 5x\r\n", 400},
	    {"Content-Length: -5\r\n", 400},
	    {"Content-Length: +5\r\n", 400},
	    {"Content-Length: \r\n", 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int get_it = 0; get_it < 2; get_it++) {
			char request[512];
			snprintf(request, sizeof(request),
			         "%s HTTP/1.1\r\n" HOST "%s\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n\r\n",
			         get_it ? "GET /hello" : "POST /echo", bad[i].header);
			const char *text = raw(request);
			assert_int_equal(status_of(text), bad[i].status);
			assert_null(strstr(text, "HTTP/1.1 200"));
		}
	}
}

static void body_of_a_get_is_not_the_next_request(void **state)
{
	(void)state;
	const char *text = raw("GET /hello HTTP/1.1\r\n" HOST
	                       "Content-Length: 31\r\n\r\nGET /error HTTP/1.1\r\nHost: x\r\n\r\n"
	                       "GET /items/9 HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of(text), 200);
	assert_non_null(strstr(text, "GET 9"));
	assert_null(strstr(text, "double_spend"));
}

static void malformed_escapes_are_refused(void **state)
{
	const char *const bad[] = {"/items/%",  "/items/%2",      "/items/%zz",  "/items/%00",
	                           "/hello%00", "/hello?limit=%", "/hello?x=%g1"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char request[128];
		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", bad[i]);
		assert_int_equal(status_of(raw(request)), 400);
	}
	assert_string_equal(get("/items/100%25"), "GET 100% - -");
}

static void long_path_is_refused(void **state)
{
	char path[1200] = "/items/";

	(void)state;
	memset(path + strlen(path), 'a', 1024 - strlen(path));
	path[1024] = '\0';
	get(path);
	assert_int_equal(last_status, 200);
	strcat(path, "a");
	get(path);
	assert_int_equal(last_status, 414);
}

static void header_too_large_is_refused(void **state)
{
	static char request[100000];
	size_t at = (size_t)snprintf(request, sizeof(request), "GET /hello HTTP/1.1\r\n" HOST "X-Big: ");

	(void)state;
	memset(request + at, 'x', 64 << 10);
	memcpy(request + at + (64 << 10), "\r\n\r\n", 4);
	int status = status_of(raw_len(request, at + (64 << 10) + 4));
	assert_true(status == 431 || status == 0); /* 0: reset before we read the answer */
	assert_string_equal(get("/hello"), "hello");
}

static void garbage_closes_only_its_connection(void **state)
{
	uint8_t noise[2048];
	uint32_t x = 4711;

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
		if (round % 2 == 0)
			memcpy(noise, "GET /hello HTTP/1.1\r\nCookie: a=\"\r\n", 34);
		int status = status_of(raw_len(noise, sizeof(noise)));
		assert_true(status == 0 || status >= 400);
	}
	close(raw_connect());
	raw("");
	assert_int_equal(status_of(raw("GET /hello HTTP/9.9\r\n\r\n")), 505);
	assert_int_equal(status_of(raw("GET /hello HTTP/1.1\r\n\r\n")), 400); /* no Host */
	assert_string_equal(get("/hello"), "hello");
}

static void many_requests_use_one_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		char path[32], wanted[32];
		snprintf(path, sizeof(path), "/items/%d", i);
		snprintf(wanted, sizeof(wanted), "GET %d - -", i);
		assert_string_equal(get(path), wanted);
		if (i % 3 == 0)
			assert_string_equal(call("/echo", "text/plain", wanted, strlen(wanted)), wanted);
	}
}

static void *ask_slow(void *ctx)
{
	(void)ctx;
	return (void *)(uintptr_t)(strstr(raw("GET /slow HTTP/1.1\r\n" HOST "\r\n"), "slow") != NULL);
}

static void handler_that_waits_stalls_nobody_else(void **state)
{
	pthread_t thread;
	void *served;

	(void)state;
	pthread_mutex_lock(&gate);
	assert_int_equal(pthread_create(&thread, NULL, ask_slow, NULL), 0);
	for (int i = 0; i < 20; i++)
		assert_string_equal(get("/hello"), "hello");
	pthread_mutex_unlock(&gate);
	pthread_join(thread, &served);
	assert_non_null(served);
}

static void one_address_has_a_bounded_number_of_connections(void **state)
{
	enum { MORE = PER_ADDRESS + 8 };
	int fd[MORE], refused = 0;
	char c;

	(void)state;
	for (int i = 0; i < MORE; i++)
		fd[i] = raw_connect();
	for (int i = 0; i < MORE; i++) {
		const char request[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
		(void)!send(fd[i], request, sizeof(request) - 1, MSG_NOSIGNAL);
		refused += recv(fd[i], &c, 1, 0) <= 0;
	}
	for (int i = 0; i < MORE; i++)
		close(fd[i]);
	assert_int_equal(refused, MORE - PER_ADDRESS);
}

static void address_in_use_is_named(void **state)
{
	char listen[32];
	struct http_config c = {.listen = listen, .body_max = 1, .routes = routes};
	struct err err = {0};

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", http_port(server));
	assert_null(http_start(&c, &err));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, listen));
	assert_non_null(strstr(err.text, "in use"));
}

static void bad_listen_addresses_are_refused(void **state)
{
	const char *const bad[] = {"",
	                           "7480",
	                           ":7480",
	                           "127.0.0.1",
	                           "127.0.0.1:",
	                           "127.0.0.1:x",
	                           "127.0.0.1:-1",
	                           "127.0.0.1:65536",
	                           "127.0.0.1:000080",
	                           "::1:80",
	                           "[::1]",
	                           "[]:80",
	                           "127.0.0.1:8 "};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct http_config c = {.listen = bad[i], .body_max = 1, .routes = routes};
		err = (struct err){0};
		assert_null(http_start(&c, &err));
		assert_int_equal(err.kind, ERR_INPUT);
	}
	assert_true(http_listen_check("[::1]:7480", &err));
	assert_true(http_listen_check("localhost:0", &err));
	struct http_config c = {.listen = "no.such.host.invalid.:80", .body_max = 1, .routes = routes};
	assert_null(http_start(&c, &err));
}

static void client_says_that_nobody_answers(void **state)
{
	struct err err = {0};
	char *out, url[64];
	size_t len;
	int status;

	(void)state;
	strcpy(url, base_url());
	teardown(NULL);
	client = http_client_new(url, 5000, &err);
	assert_false(http_call(client, "/hello", NULL, NULL, 0, &status, &out, &len, &err));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, url));
	assert_non_null(strstr(err.text, "refused; is the node running?"));
	http_client_free(client);
	setup(NULL);
}

static void client_refuses_what_is_no_url_of_a_node(void **state)
{
	const char *const bad[] = {"",          "127.0.0.1:7480", "file:///etc/passwd", "ftp://x",
	                           "http://",   "http://x y",     "http://x:99999",     "http://x/?q",
	                           "http://x#f"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = {0};
		assert_null(http_client_new(bad[i], 1000, &err));
		assert_int_equal(err.kind, ERR_INPUT);
	}
}

static void a_refused_body_is_passed_over(void **state)
{
	(void)state;
	/* It comes all the same, and what follows it is a request of its own. */
	const char *text = raw("POST /full/it HTTP/1.1\r\n" HOST "Content-Length: 29\r\n\r\n"
	                       "GET /error HTTP/1.1\r\nHost:x\r\n" /* 29 bytes */
	                       "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of(text), 503);
	assert_non_null(strstr(text, "Retry-After: 1\r\n"));
	assert_non_null(strstr(text, "\"code\":\"full\",\"message\":\"no more of it\""));
	assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(text, "\r\n\r\nhello"));
	assert_null(strstr(text, "409"));

	assert_string_equal(call("/full/it?please=1", "text/plain", "abc", 3), "abc");
	assert_int_equal(last_status, 201);
	call("/full/it?a&a", "text/plain", "abc", 3);
	assert_int_equal(last_status, 400);
	call("/full/it", "text/plain", "", 0);
	assert_int_equal(last_status, 503);
}

static void who_asks_before_he_sends_is_refused_at_once(void **state)
{
	(void)state;
	const char *text = raw("POST /full/it HTTP/1.1\r\n" HOST
	                       "Content-Length: 900\r\nExpect: 100-continue\r\n\r\n"); /* and no more */
	assert_int_equal(status_of(text), 503);
	assert_non_null(strstr(text, "Connection: close\r\n"));
	text = raw("POST /full/it?please=1 HTTP/1.1\r\n" HOST
	           "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
	assert_int_equal(status_of(text), 100);
	assert_non_null(strstr(text, "\r\n\r\nabc"));
}

static void threads_that_serve_are_named_and_of_lower_priority(void **state)
{
	(void)state;
	assert_string_equal(get("/thread"), "http 2");
	assert_string_equal(get("/thread"), "http 2"); /* not lower with each request */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(routes_match_exactly_or_by_one_segment),
	    TEST(a_query_that_gives_a_key_twice_is_refused),
	    TEST(a_key_that_is_not_known_is_refused),
	    TEST(unknown_path_is_not_found),
	    TEST(wrong_method_is_told_the_right_ones),
	    TEST(head_is_get_without_body),
	    TEST(replies_carry_the_default_headers),
	    TEST(error_is_json_whatever_it_quotes),
	    TEST(body_of_the_greatest_length_passes),
	    TEST(body_one_byte_too_long_is_refused),
	    TEST(bodies_held_back_by_many_are_bounded_together),
	    TEST(announced_giant_body_is_refused_at_once),
	    TEST(ambiguous_framing_is_refused_and_not_read_on),
	    TEST(body_of_a_get_is_not_the_next_request),
	    TEST(malformed_escapes_are_refused),
	    TEST(long_path_is_refused),
	    TEST(header_too_large_is_refused),
	    TEST(garbage_closes_only_its_connection),
	    TEST(many_requests_use_one_connection),
	    TEST(a_refused_body_is_passed_over),
	    TEST(who_asks_before_he_sends_is_refused_at_once),
	    TEST(threads_that_serve_are_named_and_of_lower_priority),
	    TEST(handler_that_waits_stalls_nobody_else),
	    TEST(one_address_has_a_bounded_number_of_connections),
	    TEST(address_in_use_is_named),
	    TEST(bad_listen_addresses_are_refused),
	    TEST(client_says_that_nobody_answers),
	    TEST(client_refuses_what_is_no_url_of_a_node),
	};
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
