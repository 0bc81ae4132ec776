/*
 * http_limits.c: the HTTP server counts the connections that are open, and those that it refuses.
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

enum { PER_ADDRESS = 32, TOO_MANY = 3, PATIENCE_S = 20 };

/* What the server counts when it is asked. */
static void counts(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct http_stats s;

	(void)ctx;
	http_stats(r->server, &s);
	reply->status = 200;
	reply->content_type = "text/plain";
	must(asprintf(&reply->body, "open=%u refused=%llu", s.connections, (unsigned long long)s.refused) >
	     0);
	reply->body_len = strlen(reply->body);
}

static const struct http_route routes[] = {{"GET", "/", counts, NULL}, {0}};

static int dial(unsigned port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

/* The answer to a request on this connection, which stays open; "": it was closed. */
static const char *ask(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	static char answer[2048];
	ssize_t got = 0;

	(void)!send(fd, request, sizeof request - 1, MSG_NOSIGNAL); /* a refused one may be gone */
	memset(answer, 0, sizeof answer);
	while (strstr(answer, "refused=") == NULL) {
		ssize_t n = recv(fd, answer + got, sizeof answer - 1 - (size_t)got, 0);
		if (n <= 0)
			break;
		got += n;
	}
	return answer;
}

static void connections_beyond_the_limit_are_counted(void **state)
{
	struct http_config config = {
	    .listen = "127.0.0.1:0", .body_max = 10, .routes = routes, .per_address = PER_ADDRESS};
	struct http_server *s = http_start(&config, NULL);
	int open[PER_ADDRESS];
	struct http_stats stats;

	(void)state;
	assert_non_null(s);
	for (unsigned i = 0; i < PER_ADDRESS; i++) {
		open[i] = dial(http_port(s));
		assert_non_null(strstr(ask(open[i]), "refused=0")); /* it is in */
	}
	for (unsigned i = 0; i < TOO_MANY; i++) {
		int fd = dial(http_port(s));
		assert_string_equal(ask(fd), "");
		close(fd);
	}
	assert_non_null(strstr(ask(open[0]), "open=32 refused=3"));
	for (unsigned i = 0; i < PER_ADDRESS; i++)
		close(open[i]);
	for (;;) { /* until the server has seen it; CTest's time-out is the deadline */
		http_stats(s, &stats);
		if (stats.connections == 0)
			break;
		usleep(1000);
	}
	assert_int_equal(stats.refused, TOO_MANY);
	http_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connections_beyond_the_limit_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
