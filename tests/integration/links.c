/*
 * links.c: what the nodes' connections to one another rest on: TLS, the genesis, the version of the protocol.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "relay.h"

#define PATIENCE_S 60

/* ---- nodes ------------------------------------------------------------------------------------ */

/* A testnet that has not run yet. */
static struct chain *prepared(bool tls)
{
	struct chain *c = chain_place(4);
	char *errs;
	if (quorate(NULL, &errs, "testnet", "new", "--dir", c->dir, "--replicas", "4", "--base-port", "0",
	            tls ? "--tls" : NULL, NULL) != 0)
		fail_msg("%s", errs);
	free(errs);
	return c;
}

/* At the end of node.conf stand the peers that are to be dialed elsewhere. */
static void dial_elsewhere(struct chain *c, unsigned node, unsigned peer, const char *scheme, unsigned port)
{
	FILE *f = fopen(chain_path(c, "node%u/node.conf", node), "a");
	assert_non_null(f);
	fprintf(f, "%u = %s://127.0.0.1:%u\n", peer, scheme, port);
	assert_int_equal(fclose(f), 0);
}

static unsigned port_of(struct chain *c, unsigned node)
{
	struct err err = {0};
	struct genesis *g = genesis_load(chain_path(c, "genesis.json"), &err);
	assert_non_null(g);
	unsigned port = (unsigned)atoi(strrchr(g->g.replicas.replicas_val[node].address, ':') + 1);
	genesis_free(g);
	return port;
}

/* A port that was free a moment ago. */
static unsigned some_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static char text[64], why[512];

/* What a node says of a peer in /v1/status: one field as text, waited for. */
static void wait_peer(struct chain *c, unsigned node, unsigned peer, const char *field, const char *wanted)
{
	time_t until = time(NULL) + PATIENCE_S;
	do {
		int status;
		json_t *root = chain_get(c, node, &status, "/v1/status"), *p;
		size_t i;
		text[0] = why[0] = '\0';
		json_array_foreach(json_object_get(root, "peers"), i, p)
		{
			json_t *value = json_object_get(p, field);
			if (json_integer_value(json_object_get(p, "index")) != (json_int_t)peer)
				continue;
			char *dumped = json_dumps(value, JSON_ENCODE_ANY);
			snprintf(text, sizeof text, "%s", dumped != NULL ? dumped : "");
			free(dumped);
			if (json_is_string(json_object_get(p, "why")))
				snprintf(why, sizeof why, "%s", json_text(p, "why"));
		}
		json_decref(root);
	} while (strcmp(text, wanted) != 0 && time(NULL) < until && usleep(20000) == 0);
	if (strcmp(text, wanted) != 0)
		fail_msg("node %u says %s of its peer %u: %s, not %s; %s", node, field, peer, text, wanted,
		         why);
}

static void assert_why(const char *words)
{
	if (strstr(why, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, why);
}

/* ---- TLS ---------------------------------------------------------------------------------------- */

#define MEMO "for nobody else to read"

static void memo_is_on_the_wire_only_without_tls(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct chain *c = prepared(tls);
		unsigned port = some_port();
		struct relay *r = relay_new(port, port_of(c, 1));
		char *errs;
		dial_elsewhere(c, 0, 1, tls ? "tls+tcp" : "tcp", port);
		chain_run(c);
		wait_peer(c, 0, 1, "connected", "true");
		wait_peer(c, 0, 1, "tls", tls ? "true" : "false");
		if (quorate(NULL, &errs, "send", "--key", chain_path(c, "accounts/alice.key"), "--to",
		            "qf5a7ad2a9901b03b2d26c55cb8476186822b17b38aeb6f89", "--amount", "5", "--memo",
		            MEMO, "--node", c->http[0], "--genesis", chain_path(c, "genesis.json"),
		            NULL) != 0)
			fail_msg("%s", errs);
		free(errs);
		chain_wait_height(c, 0xf, 1);
		assert_int_equal(relay_saw(r, MEMO, strlen(MEMO)), !tls);
		assert_true(r->seen[0].len > 1000);
		chain_assert_audit(c, chain_height(c, 0));
		chain_down(c);
		relay_free(r);
	}
}

static void killed_node_comes_back_with_a_new_certificate(void **state)
{
	(void)state;
	struct chain *c = prepared(true);
	chain_run(c);
	chain_pay(c, 0, 1);
	for (unsigned i = 1; i < 3; i++) {
		chain_signal(c, "kill", i);
		chain_pay(c, 0, 1);
		chain_signal(c, "start", i);
		wait_peer(c, 0, i, "connected", "true");
		wait_peer(c, 3, i, "connected", "true");
	}
	chain_wait(c);
	chain_signal(c, "kill", 3); /* a quorum needs both of them */
	chain_wait_height(c, 0x7, chain_pay(c, 0, 1));
	chain_signal(c, "start", 3);
	chain_wait(c);
	chain_assert_audit(c, chain_height(c, 0));
	chain_down(c);
}

/* Somebody on the wire passes the introduction on, and leads what follows to another node. */
static void man_in_the_middle_is_told_of_and_the_chain_goes_on(void **state)
{
	(void)state;
	struct chain *c = prepared(true);
	unsigned port = some_port();
	struct relay *r = relay_new(port, port_of(c, 1));
	relay_mislead(r, port_of(c, 2));
	dial_elsewhere(c, 0, 1, "tls+tcp", port);
	chain_run(c);
	wait_peer(c, 0, 1, "trouble", "\"certificate\"");
	assert_why("it does not show the certificate that its replica key has signed");
	chain_pay(c, 0, 3);
	chain_down(c);
	relay_free(r);
}

/* ---- genesis ------------------------------------------------------------------------------------- */

static void node_of_another_genesis_is_named_on_both_sides(void **state)
{
	(void)state;
	struct chain *c = prepared(false), *other = prepared(false);
	dial_elsewhere(c, 0, 3, "tcp", port_of(other, 3));
	dial_elsewhere(other, 3, 0, "tcp", port_of(c, 0));
	chain_run(c);
	chain_run(other);
	wait_peer(c, 0, 3, "trouble", "\"other_chain\"");
	assert_why("it has another genesis");
	assert_why("replicas");
	wait_peer(other, 3, 0, "trouble", "\"other_chain\"");
	wait_peer(c, 1, 3, "connected", "true");
	chain_pay(c, 0, 2);
	chain_pay(other, 3, 2);
	chain_down(c);
	chain_down(other);
}

/* ---- versions ------------------------------------------------------------------------------------- */

/* Starts a node as the program that the environment names. */
static void start_as(struct chain *c, unsigned node, const char *program)
{
	char *now = xstrdup(getenv("QUORATE")), *then = getenv(program);
	assert_non_null(then);
	setenv("QUORATE", then, 1);
	chain_signal(c, "start", node);
	setenv("QUORATE", now, 1);
	free(now);
}

/* quorate_next speaks protocol 1 and 2, quorate only 1: LK1. */
static void nodes_are_upgraded_one_at_a_time(void **state)
{
	(void)state;
	struct chain *c = prepared(false);
	chain_run(c);
	chain_pay(c, 0, 1);
	for (unsigned i = 0; i < 4; i++) {
		chain_signal(c, "kill", i);
		start_as(c, i, "QUORATE_NEXT");
		chain_wait(c);
		for (unsigned to = 0; to < 4; to++) {
			if (to == i)
				continue;
			wait_peer(c, i, to, "protocol", to < i ? "2" : "1");
			wait_peer(c, to, i, "protocol", to < i ? "2" : "1");
		}
		chain_wait_height(c, 0xf, chain_pay(c, i, 1));
	}
	chain_assert_audit(c, chain_height(c, 0));
	chain_down(c);
}

/* Writes `protocol = DIGIT` into a node's node.conf, where one digit stands there. */
static void pin(struct chain *c, unsigned node, char digit)
{
	static const char key[] = "\nprotocol = ";
	FILE *f = fopen(chain_path(c, "node%u/node.conf", node), "r+");
	char conf[8192];
	assert_non_null(f);
	conf[fread(conf, 1, sizeof conf - 1, f)] = '\0';
	char *at = strstr(conf, key);
	assert_non_null(at);
	assert_int_equal(fseek(f, at - conf + (long)strlen(key), SEEK_SET), 0);
	assert_int_equal(fputc(digit, f), digit);
	assert_int_equal(fclose(f), 0);
}

static void pinned_node_speaks_what_it_is_told_to(void **state)
{
	(void)state;
	struct chain *c = prepared(false);
	char *errs;
	pin(c, 2, '1');
	chain_run(c);
	for (unsigned i = 0; i < 4; i++) {
		chain_signal(c, "kill", i);
		start_as(c, i, "QUORATE_NEXT");
	}
	wait_peer(c, 0, 1, "protocol", "2");
	wait_peer(c, 0, 2, "protocol", "1");
	wait_peer(c, 2, 3, "protocol", "1");
	chain_signal(c, "kill", 2);
	pin(c, 2, '7');
	assert_int_not_equal(quorate(NULL, &errs, "testnet", "start", "2", "--dir", c->dir, NULL), 0);
	if (strstr(errs, "is no version that this program speaks, which are 1 to 1") == NULL)
		fail_msg("%s", errs);
	free(errs);
	pin(c, 2, '1');
	chain_down(c);
}

/* quorate_far speaks only protocol 2. */
static void node_without_a_common_version_is_told_whom_to_upgrade(void **state)
{
	(void)state;
	struct chain *c = prepared(false);
	chain_run(c);
	chain_signal(c, "kill", 3);
	start_as(c, 3, "QUORATE_FAR");
	wait_peer(c, 0, 3, "trouble", "\"other_protocol\"");
	assert_why("speaks protocol 2 to 2");
	assert_why("1 to 1; upgrade this node");
	wait_peer(c, 3, 0, "trouble", "\"other_protocol\"");
	assert_why("2 to 2; upgrade that node");
	chain_pay(c, 0, 2);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memo_is_on_the_wire_only_without_tls),
	    cmocka_unit_test(killed_node_comes_back_with_a_new_certificate),
	    cmocka_unit_test(man_in_the_middle_is_told_of_and_the_chain_goes_on),
	    cmocka_unit_test(node_of_another_genesis_is_named_on_both_sides),
	    cmocka_unit_test(nodes_are_upgraded_one_at_a_time),
	    cmocka_unit_test(pinned_node_speaks_what_it_is_told_to),
	    cmocka_unit_test(node_without_a_common_version_is_told_whom_to_upgrade),
	};
	return cmocka_run_group_tests_name("links", tests, chain_setup, NULL);
}
