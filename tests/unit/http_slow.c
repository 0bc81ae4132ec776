/*
 * http_slow.c: who is slow is hung up on: in the header, in the body, with the answer, with the news, and who
 * says nothing at all.  Each waits for the server's close; that it came is the test, not when.
 *
 * Links: q_http
 */
#include "http.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_S = 1, LARGE = 1 << 20, PIECE = 1 << 20, STUCK_MS = 120000 };

static struct http_server *server;

static void get_small(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply->status = 200;
	reply->content_type = "text/plain";
	reply->body = xstrdup("small");
	reply->body_len = 5;
}

/* More than sockets hold. */
static void get_large(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply->status = 200;
	reply->content_type = "application/octet-stream";
	reply->body = xcalloc(LARGE, 1);
	reply->body_len = LARGE;
}

static void follow(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply->status = 200;
	reply->content_type = "text/event-stream";
	reply->follow = true;
}

static char *news(void *ctx, uint64_t *place, size_t *len)
{
	(void)ctx;
	usleep(1000);
	++*place;
	*len = PIECE;
	return xcalloc(PIECE, 1);
}

static const struct http_route routes[] = {{"GET", "/small", get_small},
                                           {"POST", "/small", get_small},
                                           {"GET", "/large", get_large},
                                           {"GET", "/news", follow},
                                           {0}};

static int setup(void **state)
{
	struct http_config config = {.listen = "127.0.0.1:0",
	                             .body_max = 1 << 20,
	                             .routes = routes,
	                             .news = news,
	                             .patience_s = PATIENCE_S};

	(void)state;
	server = http_start(&config, NULL);
	return server == NULL;
}

static int teardown(void **state)
{
	(void)state;
	http_stop(server);
	return 0;
}

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), few = 4096;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static uint64_t slow(void)
{
	struct http_stats s;

	http_stats(server, &s);
	return s.slow;
}

/* Says a byte now and then, so that it is never silent for long, until the server closes. */
static void trickle(const char *begin, char c)
{
	int fd = dial();

	say(fd, begin);
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 20) == 1)
			break;
		if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	char buf[512];
	ssize_t got = recv(fd, buf, sizeof buf, 0);
	assert_true(got <= 0); /* not so much as an answer */
	close(fd);
	assert_int_equal(slow(), 1);
}

static void a_header_that_trickles_in_is_hung_up_on(void **state)
{
	(void)state;
	trickle("GET /small HTTP/1.1\r\nHost: x\r\nX-Long: ", 'x');
}

static void a_request_line_that_trickles_in_is_hung_up_on(void **state)
{
	(void)state;
	trickle("GET /", 'x');
}

static void a_body_that_trickles_in_is_hung_up_on(void **state)
{
	(void)state;
	trickle("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n", 'x');
}

/* Until the server has closed: nothing is read before, so what poll() tells is the end of it. */
static void await_hangup(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	assert_int_equal(poll(&p, 1, STUCK_MS), 1);
	close(fd);
	assert_int_equal(slow(), 1);
}

static void who_says_nothing_is_hung_up_on(void **state)
{
	(void)state;
	await_hangup(dial());
}

static void who_says_nothing_more_is_hung_up_on(void **state)
{
	int fd = dial();
	char buf[4096];

	(void)state;
	say(fd, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(recv(fd, buf, sizeof buf, 0) > 0);
	await_hangup(fd);
}

/* The FIN stands behind all that was not read: the server's count tells. */
static void await_slow(const char *request)
{
	int fd = dial();

	say(fd, request);
	while (slow() == 0)
		usleep(1000);
	close(fd);
	assert_int_equal(slow(), 1);
	struct http_stats s;
	do {
		usleep(1000);
		http_stats(server, &s);
	} while (s.connections > 0 || s.followers > 0);
}

static void who_does_not_take_his_answer_is_hung_up_on(void **state)
{
	(void)state;
	await_slow("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void who_does_not_take_the_news_is_hung_up_on(void **state)
{
	(void)state;
	await_slow("GET /news HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void who_is_quick_is_left_alone(void **state)
{
	char buf[4096];

	(void)state;
	int idle = dial(), busy = dial();
	while (slow() == 0) { /* until the other one is hung up on */
		say(busy, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(recv(busy, buf, sizeof buf, 0) > 0);
	}
	assert_int_equal(recv(idle, buf, sizeof buf, 0), 0);
	say(busy, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(recv(busy, buf, sizeof buf, 0) > 0);
	close(busy);
	close(idle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_header_that_trickles_in_is_hung_up_on),
	    TEST(a_request_line_that_trickles_in_is_hung_up_on),
	    TEST(a_body_that_trickles_in_is_hung_up_on),
	    TEST(who_says_nothing_is_hung_up_on),
	    TEST(who_says_nothing_more_is_hung_up_on),
	    TEST(who_does_not_take_his_answer_is_hung_up_on),
	    TEST(who_does_not_take_the_news_is_hung_up_on),
	    TEST(who_is_quick_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
