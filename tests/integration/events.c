/*
 * events.c: GET /v1/events of a real node: a status at once, one with each block, and an end when the node
 * ends.
 */
#include "chain.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000 };

/* A connection that has asked; what came is gathered. */
struct follower {
	int fd;
	char text[1 << 16];
	size_t len;
	bool ended;
};

static void follow(struct follower *f, struct chain *c, const char *method)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char request[128];
	int len =
	    snprintf(request, sizeof request, "%s /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", method);

	*f = (struct follower){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	a.sin_port = htons((uint16_t)strtoul(strrchr(c->http[0], ':') + 1, NULL, 10));
	assert_int_equal(connect(f->fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(send(f->fd, request, (size_t)len, MSG_NOSIGNAL), len);
}

/* Reads on until the text is there; false: the end came before. */
static bool await(struct follower *f, const char *text)
{
	while (strstr(f->text, text) == NULL) {
		struct pollfd p = {.fd = f->fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_true(f->len + 1 < sizeof f->text);
		ssize_t got = recv(f->fd, f->text + f->len, sizeof f->text - f->len - 1, 0);
		f->ended = got <= 0;
		if (f->ended)
			return false;
		f->len += (size_t)got;
	}
	return true;
}

static void tells_its_status_at_once_and_with_each_block(void **state)
{
	(void)state;
	struct chain *c = chain_up(4, NULL, 0);
	struct follower f;

	follow(&f, c, "GET");
	assert_true(await(&f, "Content-Type: text/event-stream\r\n"));
	assert_true(await(&f, "event: status\ndata: {"));
	assert_true(await(&f, "\"height\":0,"));
	assert_int_equal(chain_pay(c, 1, 5), 1);
	assert_true(await(&f, "\"height\":1,"));
	close(f.fd);
	chain_down(c);
}

static void ends_when_its_node_ends(void **state)
{
	(void)state;
	struct chain *c = chain_up(1, NULL, 0);
	struct follower f;

	follow(&f, c, "GET");
	assert_true(await(&f, "\"height\":0,"));
	chain_down(c); /* which fails if a node does not end */
	assert_false(await(&f, "\"height\":1,"));
	close(f.fd);
}

/* Followers that go away give their places back. */
static void who_goes_away_leaves_room_for_others(void **state)
{
	(void)state;
	enum { EACH = 60, ROUNDS = 3 }; /* an address has 128 */
	struct chain *c = chain_up(1, NULL, 0);
	static struct follower f[EACH];

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < EACH; i++) {
			do {
				follow(&f[i], c, "GET");
			} while (!await(&f[i], "event: status") && close(f[i].fd) == 0);
		}
		for (unsigned i = 0; i < EACH; i++)
			close(f[i].fd);
	}
	chain_down(c);
}

static void head_is_answered_without_a_body(void **state)
{
	(void)state;
	struct chain *c = chain_up(1, NULL, 0);
	struct follower f;

	follow(&f, c, "HEAD");
	assert_true(await(&f, "\r\n\r\n"));
	assert_non_null(strstr(f.text, "200 OK"));
	assert_null(strstr(f.text, "event:"));
	close(f.fd);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_its_status_at_once_and_with_each_block),
	    cmocka_unit_test(ends_when_its_node_ends),
	    cmocka_unit_test(who_goes_away_leaves_room_for_others),
	    cmocka_unit_test(head_is_answered_without_a_body),
	};
	return cmocka_run_group_tests(tests, chain_setup, NULL);
}
