/*
 * crowd.c: more than a thousand clients hold connections to one node: idle ones, ones that follow the news,
 * ones that wait for a block.  The chain makes payments final through that node, others are answered there,
 * and whoever follows or waits is told.
 */
#include "chain.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	IDLE = 700,
	FOLLOW = 250,
	WAIT = 100,
	CROWD = IDLE + FOLLOW + WAIT,
	EACH = 100, /* from one address */
	PAYMENTS = 10,
	PATIENCE_MS = 60000,
	TEXT = 4096,
};

/* From the i-th address of loopback. */
static int dial(struct chain *c, unsigned i)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i / EACH);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)strtoul(strrchr(c->http[0], ':') + 1, NULL, 10));
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *path)
{
	char request[256];
	int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);

	assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
}

/* Reads on until the text has come; false: the end came before. */
static bool await(int fd, const char *text)
{
	char got[TEXT] = "";
	size_t at = 0, keep = strlen(text);

	while (strstr(got, text) == NULL) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		if (at > TEXT / 2) { /* what was read is not looked at again, but for its end */
			memmove(got, got + at - keep, keep);
			at = keep;
		}
		ssize_t n = recv(fd, got + at, sizeof got - 1 - at, 0);
		if (n <= 0)
			return false;
		at += (size_t)n;
		got[at] = '\0';
	}
	return true;
}

static unsigned metric(struct chain *c, const char *name)
{
	struct err err = {0};
	char *text, line[128];
	size_t len;
	int status;

	assert_true(http_call(c->client[0], "/metrics", NULL, NULL, 0, &status, &text, &len, &err));
	assert_int_equal(status, 200);
	snprintf(line, sizeof line, "\n%s ", name);
	const char *found = strstr(text, line);
	assert_non_null(found);
	unsigned value = (unsigned)strtoul(found + strlen(line), NULL, 10);
	free(text);
	return value;
}

/* All of them at once, though on a slow machine the first idle ones are hung up on before the last are there.
 */
static void gather(struct chain *c, int *fd)
{
	for (unsigned i = 0; i < CROWD; i++)
		fd[i] = dial(c, i);
	while (metric(c, "quorate_http_connections") <= CROWD) { /* and the one that asks */
		for (unsigned i = 0; i < CROWD; i++) {
			char byte;
			if (recv(fd[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
				continue;
			close(fd[i]);
			fd[i] = dial(c, i);
		}
	}
}

static void a_thousand_connections_hold_up_nobody(void **state)
{
	static int fd[CROWD];
	int *followers = fd + IDLE, *waiting = followers + FOLLOW;
	char path[64], told[64];
	uint64_t height = 0;

	(void)state;
	struct chain *c = chain_up(4, NULL, 0);
	gather(c, fd);
	for (unsigned i = 0; i < FOLLOW; i++) {
		say(followers[i], "/v1/events");
		assert_true(await(followers[i], "event: status"));
	}
	assert_int_equal(metric(c, "quorate_http_followers"), FOLLOW);
	snprintf(path, sizeof path, "/v1/blocks/%d/transactions?wait=10000", 1);
	for (unsigned i = 0; i < WAIT; i++)
		say(waiting[i], path);
	for (unsigned i = 0; i < PAYMENTS; i++)
		height = chain_pay(c, i % 2 == 0 ? 0 : 1, 5);
	chain_wait_height(c, 15, height);
	for (unsigned i = 0; i < WAIT; i++)
		assert_true(await(waiting[i], "\"transactions\":[\""));
	snprintf(told, sizeof told, "\"height\":%llu,", (unsigned long long)height);
	for (unsigned i = 0; i < FOLLOW; i++)
		assert_true(await(followers[i], told));
	assert_int_equal(metric(c, "quorate_http_refused_connections_total"), 0);
	for (unsigned i = 0; i < CROWD; i++)
		close(fd[i]);
	while (metric(c, "quorate_http_connections") > 10) /* they are all seen to have gone */
		usleep(1000);
	chain_assert_audit(c, height);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thousand_connections_hold_up_nobody),
	};
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return cmocka_run_group_tests(tests, chain_setup, NULL);
}
