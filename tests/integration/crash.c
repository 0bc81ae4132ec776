/*
 * crash.c: kill -9 under load, of one replica after the other and of all four at once. Nothing that a client
 * was told is final is missing afterwards, the chain goes on, and no replica has signed two different things
 * for one (kind, view, height).  The same on a chain by stake, while stake is bonded and released: every
 * restart reads stakes, tables and locks from the disk again, and whoever read them wrong would stop.
 */
#include "chain.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ACCOUNTS 40
#define ROUNDS 8
#define PAYERS 10 /* accounts that never stake, so that blocks are made while stake waits to be free */
#define EPOCH 12u
#define UNBONDING (3 * EPOCH)

/* Each account pays itself, one transaction after the other: a chain of spends, always one in flight. */
struct load {
	struct chain *c;
	bool by_stake;
	struct account *account[ACCOUNTS];
	struct tx *next[ACCOUNTS];
	struct qlock lock[ACCOUNTS]; /* of what the account has, once next is final */
	uint64_t ready[ACCOUNTS];    /* the first height whose block may hold next */
	uint64_t height;             /* of the last that was called final */
	unsigned seed, moves[4];     /* moves: by the lock that they made */
	unsigned paid[ACCOUNTS];
	struct qtxid *final; /* what a node called final */
	size_t final_cnt, final_cap;
	unsigned node; /* asked first */
	pthread_mutex_t mutex;
	pthread_cond_t grew;
	bool stop;
};

/* What may become of an output with this lock. */
static struct qlock next_lock(struct load *l, unsigned i)
{
	unsigned dice = (unsigned)rand_r(&l->seed) % 4;
	struct qlock now = l->lock[i];
	if (!l->by_stake || i < PAYERS)
		return (struct qlock){.kind = QLOCK_NONE};
	if (now.kind == QLOCK_STAKE) /* locked anew, or released */
		now.kind = dice < 2 ? QLOCK_STAKE : QLOCK_RELEASE;
	else if (now.kind == QLOCK_NONE && dice < 3)
		now = (struct qlock){.kind = QLOCK_STAKE, .qlock_u.replica = (unsigned)rand_r(&l->seed) % 4};
	else
		now = (struct qlock){.kind = QLOCK_NONE};
	return now;
}

/* All that the account has, which is at `from`, to itself. */
static struct tx *move(struct load *l, unsigned i, struct qoutpoint from)
{
	struct err err = {0};
	char memo[32];
	snprintf(memo, sizeof memo, "%u", ++l->paid[i]);
	struct qoutput out = {.owner = address_number(i), .amount = 1000, .lock = l->lock[i]};
	struct qtx_body body = {
	    .inputs = {1, &from}, .outputs = {1, &out}, .memo = {(u_int)strlen(memo), (unsigned char *)memo}};
	struct tx *tx =
	    tx_make(&l->c->genesis->chain, &body, &(const struct account *){l->account[i]}, 1, &err);
	if (!tx)
		fail_msg("%s", err.text);
	return tx;
}

/* The next of an account, after its last one became final at `height`. */
static void prepare(struct load *l, unsigned i, struct qoutpoint from, uint64_t height)
{
	bool released = l->lock[i].kind == QLOCK_RELEASE;
	tx_unref(l->next[i]);
	l->ready[i] = released ? height + UNBONDING : 0;
	l->lock[i] = next_lock(l, i);
	l->next[i] = move(l, i, from);
}

static void note_final(struct load *l, unsigned i, uint64_t height)
{
	struct qtxid id = l->next[i]->id;
	l->moves[l->lock[i].kind]++;
	l->height = height > l->height ? height : l->height;
	pthread_mutex_lock(&l->mutex);
	if (l->final_cnt == l->final_cap) {
		l->final_cap = l->final_cap ? 2 * l->final_cap : 1024;
		l->final = xrealloc(l->final, l->final_cap * sizeof *l->final);
	}
	l->final[l->final_cnt++] = id;
	pthread_cond_broadcast(&l->grew);
	pthread_mutex_unlock(&l->mutex);
	prepare(l, i, (struct qoutpoint){.tx = id, .index = 0}, height);
}

/* Hands everything in flight to one node, then waits there for one of them: one turn of a patient client. */
static void turn(struct load *l)
{
	struct tx *batch[ACCOUNTS];
	unsigned of[ACCOUNTS], cnt = 0;
	json_t *results, *r;
	size_t i;
	for (unsigned k = 0; k < ACCOUNTS; k++) {
		if (l->ready[k] > l->height + 1)
			continue;
		batch[cnt] = l->next[k];
		of[cnt++] = k;
	}
	if (!chain_submit(l->c, l->node, batch, cnt, &results)) {
		l->node = (l->node + 1) % l->c->n;
		return;
	}
	bool any = false;
	unsigned pending = 0;
	json_array_foreach(results, i, r)
	{
		const char *status = json_string_value(json_object_get(r, "status"));
		const char *code = json_string_value(json_object_get(r, "code"));
		if (strcmp(status, "final") == 0) {
			note_final(l, of[i], (uint64_t)json_integer_value(json_object_get(r, "height")));
			any = true;
		} else if (strcmp(status, "rejected") != 0) {
			pending = (unsigned)i;
		} else if (strcmp(code, "unknown_output") != 0 && strcmp(code, "locked") != 0) {
			/* a node that is still catching up says that */
			fail_msg("a valid payment was refused: %s", code);
		}
	}
	json_decref(results);
	if (!any) {
		char hex[QHASH_HEX];
		int status;
		hex_encode(hex, batch[pending]->id.b, 32);
		json_t *root = chain_get(l->c, l->node, &status, "/v1/transactions/%s?wait=1000", hex);
		const char *s = json_string_value(json_object_get(root, "status"));
		if (!s || strcmp(s, "final") != 0)
			l->node = (l->node + 1) % l->c->n;
		json_decref(root);
	}
}

static void *run(void *arg)
{
	struct load *l = arg;
	pthread_mutex_lock(&l->mutex);
	while (!l->stop) {
		pthread_mutex_unlock(&l->mutex);
		turn(l);
		pthread_mutex_lock(&l->mutex);
	}
	pthread_mutex_unlock(&l->mutex);
	return NULL;
}

/* Until so many more payments are final: the chain makes progress. */
static void await_more(struct load *l, size_t more)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2 * CHAIN_PATIENCE_MS / 1000;
	pthread_mutex_lock(&l->mutex);
	size_t goal = l->final_cnt + more;
	while (l->final_cnt < goal)
		if (pthread_cond_timedwait(&l->grew, &l->mutex, &until) != 0)
			break;
	size_t have = l->final_cnt;
	pthread_mutex_unlock(&l->mutex);
	if (have < goal) {
		for (unsigned i = 0; i < l->c->n; i++) {
			int status;
			json_t *s = chain_get(l->c, i, &status, "/v1/status");
			char *text = s ? json_dumps(s, 0) : NULL;
			print_message("node %u: %s\n", i, text ? text : "down");
			free(text);
			json_decref(s);
		}
		fail_msg("the chain stands still: %zu of %zu final", have, goal);
	}
}

static void by_stake(struct qgenesis *g)
{
	g->params.checkpoint_interval = 4;
	g->params.window = 4;
	g->params.timeout_ms = 500; /* whoever was killed keeps his turns */
	g->proposer.kind = QPROPOSER_STAKE;
	g->proposer.qproposer_rules_u.stake = (struct qstake_rules){
	    .epoch = EPOCH, .turn = 1, .proposers = 4, .unbonding = UNBONDING, .penalty = 50};
	for (unsigned i = 0; i < 4; i++) {
		struct qaddress *account = xcalloc(1, sizeof *account);
		*account = address_number(ACCOUNTS - 1 - i); /* so that some stake is the replicas' own */
		g->replicas.replicas_val[i].account.account_len = 1;
		g->replicas.replicas_val[i].account.account_val = account;
	}
}

static void survive_kills(struct chain *c, bool stakes)
{
	struct load l = {.mutex = PTHREAD_MUTEX_INITIALIZER,
	                 .grew = PTHREAD_COND_INITIALIZER,
	                 .c = c,
	                 .by_stake = stakes,
	                 .seed = 7};
	pthread_t thread;
	json_t *report;
	unsigned seed = 413567;
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		l.account[i] = account_number(i);
		prepare(&l, i, (struct qoutpoint){.tx = c->genesis->txid, .index = i}, 0);
	}
	assert_int_equal(pthread_create(&thread, NULL, run, &l), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned victim = (unsigned)rand_r(&seed) % 4;
		await_more(&l, 1 + (unsigned)rand_r(&seed) % (2 * ACCOUNTS));
		if (round % 4 == 3) { /* power failure */
			for (unsigned k = 0; k < 4; k++)
				chain_signal(l.c, "kill", k);
			for (unsigned k = 0; k < 4; k++)
				chain_signal(l.c, "start", (victim + k) % 4);
		} else {
			chain_signal(l.c, "kill", victim);
			await_more(&l, ACCOUNTS); /* three go on */
			chain_signal(l.c, "start", victim);
		}
		await_more(&l, ACCOUNTS);
	}
	pthread_mutex_lock(&l.mutex);
	l.stop = true;
	pthread_mutex_unlock(&l.mutex);
	pthread_join(thread, NULL);

	uint64_t height = 0;
	for (unsigned k = 0; k < 4; k++)
		height = chain_height(l.c, k) > height ? chain_height(l.c, k) : height;
	chain_wait_height(l.c, 0xf, height);
	for (size_t i = 0; i < l.final_cnt; i++)
		for (unsigned k = 0; k < 4; k++)
			assert_true(chain_final(l.c, k, &l.final[i], NULL, 0, NULL, 0));
	assert_int_equal(chain_audit(l.c, &report), 0);
	assert_true(json_integer_value(json_object_get(report, "transactions")) >= (json_int_t)l.final_cnt);
	json_decref(report);
	chain_check_votes(l.c);
	print_message("%zu payments final through %u rounds of kill -9; %u of them bonded, %u released\n",
	              l.final_cnt, ROUNDS, l.moves[QLOCK_STAKE], l.moves[QLOCK_RELEASE]);
	assert_true(!stakes || (l.moves[QLOCK_STAKE] > 0 && l.moves[QLOCK_RELEASE] > 0));
	assert_true(!stakes || height > 3 * EPOCH); /* tables of stake that moved have decided */
	chain_down(l.c);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		account_free(l.account[i]);
		tx_unref(l.next[i]);
	}
	free(l.final);
}

static void nothing_final_is_lost_when_replicas_are_killed_at_any_moment(void **state)
{
	struct qoutput allocations[ACCOUNTS];
	(void)state;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		allocations[i] = (struct qoutput){.owner = address_number(i), .amount = 1000};
	survive_kills(chain_up(4, allocations, ACCOUNTS), false);
}

static void nothing_final_is_lost_while_stake_moves(void **state)
{
	struct qoutput allocations[ACCOUNTS];
	(void)state;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		allocations[i] = (struct qoutput){.owner = address_number(i), .amount = 1000};
	survive_kills(chain_up_with(4, allocations, ACCOUNTS, by_stake), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_final_is_lost_when_replicas_are_killed_at_any_moment),
	    cmocka_unit_test(nothing_final_is_lost_while_stake_moves),
	};
	return cmocka_run_group_tests_name("crash", tests, chain_setup, NULL);
}
