/*
 * http_origin.c: what pages from elsewhere may do: nothing, unless their origin is configured; and by which
 * names a server on loopback is called.
 *
 * Links: q_http
 */
#include "http.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct http_server *server;

static void get(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply->status = 200;
	reply->content_type = "text/plain";
	reply->body = xstrdup("it");
	reply->body_len = 2;
}

static const struct http_route routes[] = {{"GET", "/it", get}, {"POST", "/it", get}, {0}};

static void begin(const char *const *origins, bool guard_host)
{
	struct http_config config = {.listen = "127.0.0.1:0",
	                             .body_max = 10,
	                             .routes = routes,
	                             .origins = origins,
	                             .guard_host = guard_host};
	server = http_start(&config, NULL);
	assert_non_null(server);
}

static void end(void)
{
	http_stop(server);
}

/* The head of the answer. */
static const char *ask(const char *method, const char *headers)
{
	static char text[4096];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
	char request[1024];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t at = 0;
	ssize_t got;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	int len = snprintf(request, sizeof request, "%s /it HTTP/1.1\r\nConnection: close\r\n%s\r\n", method,
	                   headers);
	assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
	while ((got = recv(fd, text + at, sizeof text - 1 - at, 0)) > 0)
		at += (size_t)got;
	close(fd);
	text[at] = '\0';
	return text;
}

static int status(const char *head)
{
	return atoi(head + 9);
}

#define HOST "Host: node.example:7480\r\n"
#define FROM(origin) HOST "Origin: " origin "\r\n"
#define PREFLIGHT "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"

static void without_configuration_no_page_is_told_anything(void **state)
{
	(void)state;
	begin(NULL, false);
	assert_null(strstr(ask("GET", FROM("https://explorer.example")), "Access-Control"));
	assert_null(strstr(ask("GET", FROM("https://explorer.example")), "Vary: Origin"));
	assert_int_equal(status(ask("OPTIONS", FROM("https://explorer.example") PREFLIGHT)), 403);
	assert_int_equal(status(ask("OPTIONS", HOST)), 405);
	end();
}

static void who_is_configured_may_read_and_ask(void **state)
{
	static const char *const origins[] = {"https://explorer.example", "http://other.example:8080", NULL};
	(void)state;
	begin(origins, false);
	const char *head = ask("GET", FROM("https://explorer.example"));
	assert_int_equal(status(head), 200);
	assert_non_null(strstr(head, "\r\nAccess-Control-Allow-Origin: https://explorer.example\r\n"));
	assert_non_null(strstr(head, "\r\nAccess-Control-Expose-Headers: ETag, Retry-After\r\n"));
	assert_non_null(strstr(head, "\r\nVary: Origin\r\n"));
	assert_non_null(strstr(ask("GET", FROM("http://other.example:8080")),
	                       "\r\nAccess-Control-Allow-Origin: http://other.example:8080\r\n"));
	head = ask("OPTIONS", FROM("https://explorer.example") PREFLIGHT);
	assert_int_equal(status(head), 204);
	assert_non_null(strstr(head, "\r\nAccess-Control-Allow-Origin: https://explorer.example\r\n"));
	assert_non_null(strstr(head, "\r\nAccess-Control-Allow-Methods: GET, HEAD, POST\r\n"));
	assert_non_null(strstr(head, "\r\nAccess-Control-Allow-Headers: Content-Type, If-None-Match\r\n"));
	assert_int_equal(status(ask("POST", FROM("https://explorer.example") "Content-Length: 0\r\n")), 200);
	end();
}

static void who_is_not_configured_may_not(void **state)
{
	static const char *const origins[] = {"https://explorer.example", NULL};
	static const char *const others[] = {FROM("https://explorer.example.evil.example"),
	                                     FROM("http://explorer.example"),
	                                     FROM("https://explorer.example:444"), FROM("null")};
	(void)state;
	begin(origins, false);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		char headers[512];
		const char *head = ask("GET", others[i]);
		assert_int_equal(status(head), 200); /* the browser keeps it from the page */
		assert_null(strstr(head, "Access-Control"));
		assert_non_null(strstr(head, "\r\nVary: Origin\r\n"));
		snprintf(headers, sizeof headers, "%s%s", others[i], PREFLIGHT);
		head = ask("OPTIONS", headers);
		assert_int_equal(status(head), 403);
		assert_null(strstr(head, "Access-Control"));
	}
	end();
}

static void a_star_is_everybody(void **state)
{
	static const char *const origins[] = {"*", NULL};
	(void)state;
	begin(origins, true);
	const char *head = ask("GET", FROM("null"));
	assert_non_null(strstr(head, "\r\nAccess-Control-Allow-Origin: *\r\n"));
	assert_null(strstr(head, "Vary: Origin"));
	assert_int_equal(status(ask("POST", FROM("https://a.example") "Content-Length: 0\r\n")), 200);
	end();
}

/* A browser sends a form, or a text, before it asks whether it may. */
static void foreign_pages_hand_nothing_in(void **state)
{
	(void)state;
	begin(NULL, false);
	const char *head = ask("POST", FROM("https://evil.example") "Content-Length: 2\r\n\r\nhi");
	assert_int_equal(status(head), 403);
	assert_non_null(strstr(head, "\"code\":\"foreign_origin\""));
	assert_int_equal(status(ask("POST", FROM("null") "Content-Length: 0\r\n")), 403);
	assert_int_equal(status(ask("POST", FROM("http://node.example:7480") "Content-Length: 0\r\n")), 200);
	assert_int_equal(status(ask("POST", HOST "Content-Length: 0\r\n")), 200); /* no browser */
	end();
}

static void on_loopback_only_own_names_are_answered(void **state)
{
	static const char *const origins[] = {"https://explorer.example", NULL};
	static const struct {
		const char *host;
		int status;
	} cases[] = {
	    {"Host: 127.0.0.1:7480\r\n", 200},
	    {"Host: 127.0.0.1\r\n", 200},
	    {"Host: 10.0.0.7:80\r\n", 200},
	    {"Host: [::1]:7480\r\n", 200},
	    {"Host: localhost\r\n", 200},
	    {"Host: LocalHost:7480\r\n", 200},
	    {"Host: node.localhost:7480\r\n", 200},
	    {"Host: explorer.example\r\n", 200},
	    {"Host: evil.example\r\n", 421},
	    {"Host: evil.example:7480\r\n", 421},
	    {"Host: notlocalhost\r\n", 421},
	    {"Host: localhost.evil.example\r\n", 421},
	    {"Host: 127.0.0.1.evil.example\r\n", 421},
	    {"Host: [::1\r\n", 200},
	    {"Host: [evil.example]\r\n", 421},
	    {"Host: \r\n", 421},
	};
	(void)state;
	begin(origins, true);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *head = ask("GET", cases[i].host);
		if (status(head) != cases[i].status)
			fail_msg("%s answered with %s", cases[i].host, head);
		assert_true(status(head) == 200 || strstr(head, "\"code\":\"foreign_host\"") != NULL);
	}
	end();
}

static void origins_have_a_form(void **state)
{
	static const char *const good[] = {"*", "https://a.example", "http://127.0.0.1:8080",
	                                   "http://[::1]:80"};
	static const char *const bad[] = {"",
	                                  "a.example",
	                                  "https://",
	                                  "https://a.example/",
	                                  "ftp://a",
	                                  "https://a.example/x",
	                                  "https://A.b",
	                                  "https://a b",
	                                  "https://a\"",
	                                  "null"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(http_origin_check(good[i], NULL));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = {0};
		assert_false(http_origin_check(bad[i], &err));
		assert_int_equal(err.kind, ERR_INPUT);
		assert_non_null(strstr(err.text, bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_configuration_no_page_is_told_anything),
	    cmocka_unit_test(who_is_configured_may_read_and_ask),
	    cmocka_unit_test(who_is_not_configured_may_not),
	    cmocka_unit_test(a_star_is_everybody),
	    cmocka_unit_test(foreign_pages_hand_nothing_in),
	    cmocka_unit_test(on_loopback_only_own_names_are_answered),
	    cmocka_unit_test(origins_have_a_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
