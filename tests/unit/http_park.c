/*
 * http_park.c: a request that waits for something holds no thread: more wait than there are threads, and
 * others are answered meanwhile.
 *
 * Links: q_http
 */
#include "http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 100, FAR_MS = 3600000, BUF = 1024 };

static struct http_server *server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *waiting[MANY];
static unsigned waiting_cnt, calls;

static void reply_text(struct http_reply *reply, const char *text)
{
	reply->status = 200;
	reply->content_type = "text/plain";
	reply->body = xstrdup(text);
	reply->body_len = strlen(text);
}

/* Waits until it is woken, or as long as it is told. */
static void get_wait(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	calls++;
	if (r->parked == NULL)
		waiting[waiting_cnt++] = r->wake;
	pthread_mutex_unlock(&lock);
	if (r->parked != NULL) {
		assert_string_equal(r->parked, "mine");
		reply_text(reply, r->arg);
		return;
	}
	if (http_query(r, "early") != NULL)
		http_wake(r->wake);
	const char *ms = http_query(r, "ms");
	reply->park_ms = ms != NULL ? (unsigned)atoi(ms) : FAR_MS;
	reply->parked = "mine";
}

static void get_now(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply_text(reply, "now");
}

static const struct http_route routes[] = {{"GET", "/wait/*", get_wait}, {"GET", "/now", get_now}, {0}};

static int setup(void **state)
{
	struct http_config config = {
	    .listen = "127.0.0.1:0", .body_max = 10, .routes = routes, .per_address = 2 * MANY};

	(void)state;
	waiting_cnt = calls = 0;
	server = http_start(&config, NULL);
	return server == NULL;
}

static int teardown(void **state)
{
	(void)state;
	if (server != NULL)
		http_stop(server);
	return 0;
}

static int ask(const char *fmt, unsigned i)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
	char path[64], request[128];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	snprintf(path, sizeof path, "%s%u", fmt, i);
	int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	                   path);
	assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
	return fd;
}

/* The body of what comes until the connection is closed. */
static const char *answer(int fd)
{
	static char text[BUF];
	size_t at = 0;
	ssize_t got;

	while ((got = recv(fd, text + at, sizeof text - 1 - at, 0)) > 0)
		at += (size_t)got;
	text[at] = '\0';
	close(fd);
	const char *body = strstr(text, "\r\n\r\n");
	return body != NULL ? body + 4 : "";
}

static void await_waiting(unsigned cnt)
{
	unsigned now;

	do {
		usleep(1000);
		pthread_mutex_lock(&lock);
		now = waiting_cnt;
		pthread_mutex_unlock(&lock);
	} while (now < cnt);
}

static void more_wait_than_there_are_threads(void **state)
{
	int fd[MANY];
	char name[16];

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		fd[i] = ask("/wait/", i);
	await_waiting(MANY);
	assert_string_equal(answer(ask("/now?", 1)), "now");
	for (unsigned i = 0; i < MANY; i++)
		http_wake(waiting[i]);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "%u", i);
		assert_string_equal(answer(fd[i]), name);
	}
	assert_int_equal(calls, 2 * MANY);
}

static void who_is_woken_before_he_sleeps_does_not_sleep(void **state)
{
	(void)state;
	assert_string_equal(answer(ask("/wait/a?early=", 1)), "a");
	assert_int_equal(calls, 2);
}

static void time_ends_the_wait(void **state)
{
	(void)state;
	int far = ask("/wait/far?n=", 1);
	await_waiting(1);
	assert_string_equal(answer(ask("/wait/b?ms=", 30)), "b");
	assert_string_equal(answer(ask("/wait/c?ms=", 1)), "c");
	http_wake(waiting[0]);
	assert_string_equal(answer(far), "far");
}

static void a_server_that_stops_answers_those_who_wait(void **state)
{
	(void)state;
	int fd = ask("/wait/", 7);
	await_waiting(1);
	http_stop(server);
	server = NULL;
	assert_string_equal(answer(fd), "7");
	assert_int_equal(calls, 2);
}

/* Its connection is seen to be gone when the answer is sent. */
static void who_goes_away_while_he_waits_leaves_nothing(void **state)
{
	struct http_stats s;

	(void)state;
	close(ask("/wait/", 1));
	await_waiting(1);
	http_wake(waiting[0]);
	do {
		usleep(1000);
		http_stats(server, &s);
	} while (s.connections > 0);
	assert_int_equal(calls, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(more_wait_than_there_are_threads),
	    TEST(who_is_woken_before_he_sleeps_does_not_sleep),
	    TEST(time_ends_the_wait),
	    TEST(a_server_that_stops_answers_those_who_wait),
	    TEST(who_goes_away_while_he_waits_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
