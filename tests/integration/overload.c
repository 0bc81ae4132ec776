/*
 * overload.c: more is offered than the pool has room for. What finds none is refused at once, and the same
 * later is taken; what was accepted becomes final, and so do the payments of others meanwhile.
 */
#include "chain.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM 50 /* pool_source_max */
#define BATCH 80
#define SUBMITTERS 8
#define BATCHES 6 /* each submitter's */

static void little_room(struct qgenesis *g)
{
	g->params.pool_source_max = ROOM;
}

static struct chain *begin(void)
{
	struct qoutput each[SUBMITTERS + 1];
	for (unsigned i = 0; i <= SUBMITTERS; i++)
		each[i] = (struct qoutput){.owner = address_number(i), .amount = 1000 + i};
	return chain_up_with(4, each, SUBMITTERS + 1, little_room);
}

/* ---- handing in --------------------------------------------------------------------------- */

/* The answer, whatever its status; json_decref() it. */
static json_t *offer(struct http_client *client, struct tx *const *txs, size_t cnt, int *status)
{
	qtx_bytes each[BATCH];
	struct qtxs batch = {.txs = {.txs_len = (u_int)cnt, .txs_val = each}};
	struct bytes encoded;
	struct err err = {0};
	char *text;
	size_t len;
	for (size_t i = 0; i < cnt; i++)
		each[i] = (qtx_bytes){.qtx_bytes_len = (u_int)txs[i]->raw_len, .qtx_bytes_val = txs[i]->raw};
	assert_true(wire_encode(WIRE(qtxs), &batch, &encoded));
	if (!http_call(client, "/v1/transactions", "application/octet-stream", encoded.data, encoded.len,
	               status, &text, &len, &err))
		fail_msg("%s", err.text);
	bytes_free(&encoded);
	json_t *answer = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(answer);
	free(text);
	return answer;
}

/* How many of a batch were taken: the first ones, for each spends what the one before it made. */
static size_t taken(const json_t *answer, int status, size_t cnt)
{
	const json_t *results = json_object_get(answer, "results");
	size_t n = 0;
	if (results == NULL) {
		assert_int_equal(status, 503);
		assert_string_equal(json_text(json_object_get(answer, "error"), "code"), "pool_full");
		return 0;
	}
	assert_int_equal(json_array_size(results), cnt);
	while (n < cnt && strcmp(json_text(json_array_get(results, n), "status"), "accepted") == 0)
		n++;
	for (size_t i = n; i < cnt; i++) {
		const json_t *r = json_array_get(results, i);
		assert_string_equal(json_text(r, "status"), "rejected");
		if (strcmp(json_text(r, "code"), "pool_full") != 0 && /* then its heirs know it not */
		    (i == n || strcmp(json_text(r, "code"), "unknown_output") != 0))
			fail_msg("%zu of %zu: %s", i, cnt, json_text(r, "code"));
	}
	return n;
}

/* ---- a full pool -------------------------------------------------------------------------- */

static void a_full_pool_refuses_at_once_and_takes_the_same_later(void **state)
{
	struct chain *c = begin();
	struct purse purse = purse_open(c, NULL, 0);
	struct tx *txs[BATCH];
	int status;
	(void)state;
	for (unsigned i = 0; i < BATCH; i++)
		txs[i] = purse_next(&purse, c->genesis);
	chain_signal(c, "pause", 2);
	chain_signal(c, "pause", 3); /* nothing becomes final */

	json_t *answer = offer(c->client[0], txs, BATCH, &status);
	assert_int_equal(status, 200); /* one by one */
	assert_int_equal(taken(answer, status, BATCH), ROOM);
	json_decref(answer);
	answer = offer(c->client[0], txs + ROOM, 1, &status);
	assert_null(json_object_get(answer, "results")); /* nobody has looked at it */
	assert_int_equal(taken(answer, status, 1), 0);
	json_decref(answer);
	json_decref(chain_get(c, 0, &status, "/v1/status"));
	assert_int_equal(status, 200);

	chain_signal(c, "resume", 2);
	chain_signal(c, "resume", 3);
	assert_true(chain_final(c, 0, &txs[ROOM - 1]->id, NULL, 0, NULL, 0));
	answer = offer(c->client[0], txs + ROOM, BATCH - ROOM, &status);
	assert_int_equal(taken(answer, status, BATCH - ROOM), BATCH - ROOM);
	json_decref(answer);
	assert_true(chain_final(c, 0, &txs[BATCH - 1]->id, NULL, 0, NULL, 0));
	for (unsigned i = 0; i < BATCH; i++)
		tx_unref(txs[i]);
	purse_close(&purse);
	chain_assert_audit(c, chain_wait_quiet(c));
	chain_down(c);
}

/* ---- many submitters ------------------------------------------------------------------------ */

struct submitter {
	struct chain *chain;
	struct http_client *client;
	struct purse purse;
	pthread_t thread;
	unsigned refused;
	struct qtxid last;
};

/* Offers all of them to node 0, again and again, until they are taken. */
static void *submit_all(void *arg)
{
	struct submitter *s = arg;
	for (unsigned b = 0; b < BATCHES; b++) {
		struct tx *txs[BATCH];
		for (unsigned i = 0; i < BATCH; i++)
			txs[i] = purse_next(&s->purse, s->chain->genesis);
		for (size_t at = 0; at < BATCH;) {
			int status;
			json_t *answer = offer(s->client, txs + at, BATCH - at, &status);
			size_t n = taken(answer, status, BATCH - at);
			s->refused += n < BATCH - at;
			at += n;
			json_decref(answer);
		}
		s->last = txs[BATCH - 1]->id;
		for (unsigned i = 0; i < BATCH; i++)
			tx_unref(txs[i]);
	}
	return NULL;
}

static void submitter_begin(struct submitter *s, struct chain *c, unsigned n)
{
	struct err err = {0};
	*s = (struct submitter){.chain = c, .client = http_client_new(c->http[0], CHAIN_PATIENCE_MS, &err)};
	s->purse = purse_open(c, NULL, n);
	assert_int_equal(pthread_create(&s->thread, NULL, submit_all, s), 0);
}

static void many_who_offer_more_than_there_is_room_for_are_all_served_and_stop_nobody(void **state)
{
	struct chain *c = begin();
	struct submitter submitters[SUBMITTERS];
	struct purse other = purse_open(c, NULL, SUBMITTERS);
	unsigned refused = 0;
	(void)state;
	for (unsigned i = 0; i < SUBMITTERS; i++)
		submitter_begin(&submitters[i], c, i);
	for (unsigned i = 0; i < 6; i++)
		purse_pay(&other, c, 1 + i % 3);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		struct submitter *s = &submitters[i];
		pthread_join(s->thread, NULL);
		assert_true(chain_final(c, 0, &s->last, NULL, 0, NULL, 0));
		refused += s->refused;
		purse_close(&s->purse);
		http_client_free(s->client);
	}
	assert_true(refused > 0); /* there was an overload */
	purse_close(&other);
	chain_assert_audit(c, chain_wait_quiet(c));
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_full_pool_refuses_at_once_and_takes_the_same_later),
	    cmocka_unit_test(many_who_offer_more_than_there_is_room_for_are_all_served_and_stop_nobody),
	};
	return cmocka_run_group_tests_name("overload", tests, chain_setup, NULL);
}
