/*
 * stake.c: chains whose proposers are chosen by stake, with real nodes and the program's own commands:
 * shares of turns are what the stake tables promise, before and after stake has moved; what is released is
 * free when it should be; who signed two contradicting votes is convicted once, and leaves the penalty
 * behind.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "block.h"
#include "schedule.h"

#define EPOCH 12u
#define UNBONDING (3 * EPOCH)
#define OPERATOR(i) (100 + (i)) /* account_number() of replica i's account */
#define OWN_FREE 1000000u       /* what each operator has beside its stake */
#define PURSE 200               /* account_number() of who pays so that blocks are made */
#define TRAVELLER 300           /* account_number() of who delegates */

/* ---- the chain ----------------------------------------------------------------------------- */

static struct qoutput output(unsigned account, uint64_t amount)
{
	return (struct qoutput){.owner = address_number(account), .amount = amount};
}

static struct qoutput staked(unsigned account, uint64_t amount, unsigned replica)
{
	struct qoutput o = output(account, amount);
	o.lock = (struct qlock){.kind = QLOCK_STAKE, .qlock_u.replica = replica};
	return o;
}

/* Short epochs; operators with accounts; the first three replicas have stake 4 : 2 : 1, the fourth none. */
static void by_stake(struct qgenesis *g)
{
	g->params.checkpoint_interval = 4;
	g->params.window = 4;
	g->params.timeout_ms = 3000;
	g->proposer.kind = QPROPOSER_STAKE;
	g->proposer.qproposer_rules_u.stake = (struct qstake_rules){.epoch = EPOCH,
	                                                            .turn = 1,
	                                                            .proposers = 4,
	                                                            .unbonding = UNBONDING,
	                                                            .penalty = 30,
	                                                            .delegator_penalty = 10};
	u_int *cnt = &g->allocations.allocations_len;
	struct qoutput *list = xrealloc(g->allocations.allocations_val, (*cnt + 16) * sizeof *list);
	g->allocations.allocations_val = list;
	for (unsigned i = 0; i < 4; i++) {
		struct qaddress *account = xcalloc(1, sizeof *account);
		*account = address_number(OPERATOR(i));
		g->replicas.replicas_val[i].account.account_len = 1;
		g->replicas.replicas_val[i].account.account_val = account;
		list[(*cnt)++] = output(OPERATOR(i), OWN_FREE);
	}
	list[(*cnt)++] = staked(OPERATOR(0), 4000, 0);
	list[(*cnt)++] = staked(OPERATOR(1), 2000, 1);
	list[(*cnt)++] = staked(OPERATOR(2), 1000, 2);
	list[(*cnt)++] = output(PURSE, 1000);
	list[(*cnt)++] = output(TRAVELLER, 50000);
}

/* Two are elected, by what is delegated: nobody has stake of its own. */
static void by_delegation(struct qgenesis *g)
{
	by_stake(g);
	g->proposer.qproposer_rules_u.stake.proposers = 2;
	struct qoutput *list = g->allocations.allocations_val;
	for (u_int i = 0; i < g->allocations.allocations_len; i++)
		if (list[i].lock.kind == QLOCK_STAKE)
			list[i].owner = address_number(TRAVELLER + 1);
}

static void by_stake_and_work(struct qgenesis *g)
{
	by_stake(g);
	g->seal.kind = QSEAL_POW;
	g->seal.qseal_rules_u.pow = (struct qpow_rules){.bits = 10, .bits_max = 10, .hash_rate = 20480};
}

/* ---- who proposed, and who should have ------------------------------------------------------- */

struct turns {
	uint64_t from, to;
	unsigned had[4];
};

static void count_turn(void *ctx, const struct qheader *h)
{
	struct turns *t = ctx;
	if (h->height.n >= t->from && h->height.n <= t->to)
		t->had[h->proposer]++;
}

static struct turns turns_had(struct chain *c, uint64_t from, uint64_t to)
{
	struct turns t = {.from = from, .to = to};
	chain_each_header(c, 0, count_turn, &t);
	return t;
}

/* The share of each as schedule.h promises it: of L turns in a row that one table decides less than
 * L / CYCLE + 2 more or fewer than p * L. No view has changed. */
static void assert_shares(struct chain *c, uint64_t from, uint64_t to, const uint64_t stake[4])
{
	struct turns t = turns_had(c, from, to);
	double sum = 0, len = (double)(to - from + 1);
	for (unsigned i = 0; i < 4; i++)
		sum += (double)stake[i];
	for (unsigned i = 0; i < 4; i++) {
		double promised = len * (double)stake[i] / sum, off = (double)t.had[i] - promised;
		print_message("heights %llu to %llu: replica %u proposed %u, promised %.1f\n",
		              (unsigned long long)from, (unsigned long long)to, i, t.had[i], promised);
		if (off < 0 ? -off >= len / SCHEDULE_CYCLE + 2 : off >= len / SCHEDULE_CYCLE + 2)
			fail_msg("replica %u had %u of %.0f turns, promised %.1f", i, t.had[i], len,
			         promised);
		if (stake[i] == 0)
			assert_int_equal(t.had[i], 0); /* no stake, no turn */
	}
}

/* What a node's ledger says by SQL of the table of `settled`: the share that it promised a replica, which is
 * this one to a turn, and the blocks that the replica made while the table decided. */
static void assert_view_of_shares(struct chain *c, unsigned node, uint64_t settled, unsigned replica,
                                  double share)
{
	char sql[256], text[64];
	unsigned long long first, last;
	unsigned blocks;
	double promised;
	snprintf(sql, sizeof sql,
	         "SELECT first_height || ' ' || last_height || ' ' || blocks || ' ' || promised "
	         "FROM proposer_shares WHERE settled = %llu AND replica = %u",
	         (unsigned long long)settled, replica);
	chain_sql(chain_path(c, "node%u/ledger.db", node), sql, text, sizeof text);
	assert_int_equal(sscanf(text, "%llu %llu %u %lf", &first, &last, &blocks, &promised), 4);
	assert_true((promised - share) * SCHEDULE_CYCLE < 1 && (share - promised) * SCHEDULE_CYCLE < 1);
	assert_int_equal(blocks, turns_had(c, first, last).had[replica]);
	assert_int_equal(first, settled == 0 ? 1 : settled + EPOCH + 1);
}

static unsigned view_of(struct chain *c, unsigned node)
{
	int status;
	json_t *s = chain_get(c, node, &status, "/v1/status");
	unsigned view = (unsigned)json_integer_value(json_object_get(s, "view"));
	json_decref(s);
	return view;
}

/* Pays through one node after the other until the chain has this height. */
static uint64_t grow(struct chain *c, struct purse *p, uint64_t height)
{
	uint64_t at = chain_height(c, 0);
	while (at < height)
		at = purse_pay(p, c, p->paid % 4);
	return at;
}

/* ---- `quorate stake` ------------------------------------------------------------------------- */

static json_t *stake(struct chain *c, const char *what, unsigned account, const char *replica,
                     const char *amount, int *code)
{
	return quorate_json(code, "stake", what, "--json", "--node", c->http[1], "--genesis",
	                    chain_path(c, "genesis.json"), "--key", key_number(c, account), "--replica",
	                    replica, "--amount", amount, "--timeout", "60", NULL);
}

/* It must become final. Its answer: json_decref(). */
static json_t *stake_done(struct chain *c, const char *what, unsigned account, const char *replica,
                          const char *amount)
{
	int code;
	json_t *done = stake(c, what, account, replica, amount, &code);
	if (code != 0 || strcmp(json_text(done, "outcome"), "committed") != 0)
		fail_msg("stake %s: exit %d: %s: %s", what, code, json_text(done, "outcome"),
		         json_text(done, "message"));
	return done;
}

static uint64_t number(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 10);
	if (!json_is_integer(v))
		fail_msg("\"%s\" is missing", key);
	return (uint64_t)json_integer_value(v);
}

/* `quorate stake show`: one replica's line. */
static json_t *shown(struct chain *c, unsigned replica)
{
	int code;
	json_t *all = quorate_json(&code, "stake", "show", "--json", "--node", c->http[1], NULL);
	assert_int_equal(code, 0);
	json_t *one = json_incref(json_array_get(json_object_get(all, "replicas"), replica));
	json_decref(all);
	return one;
}

static void assert_stake(struct chain *c, unsigned replica, uint64_t own, uint64_t delegated)
{
	json_t *r = shown(c, replica);
	assert_int_equal(number(r, "own"), own);
	assert_int_equal(number(r, "delegated"), delegated);
	json_decref(r);
}

static json_t *balance_of(struct chain *c, unsigned account)
{
	int code;
	json_t *b =
	    quorate_json(&code, "balance", key_number(c, account), "--json", "--node", c->http[1], NULL);
	assert_int_equal(code, 0);
	return b;
}

static void assert_balance(struct chain *c, unsigned account, uint64_t amount, uint64_t staked_amount,
                           uint64_t releasing, uint64_t frozen)
{
	json_t *b = balance_of(c, account);
	assert_int_equal(number(b, "amount"), amount);
	assert_int_equal(number(b, "staked"), staked_amount);
	assert_int_equal(number(b, "releasing"), releasing);
	assert_int_equal(number(b, "frozen"), frozen);
	json_decref(b);
}

static int send_to_purse(struct chain *c, unsigned account, const char *amount, char **said)
{
	char to[ADDRESS_TEXT];
	struct qaddress purse = address_number(PURSE);
	return quorate(NULL, said, "send", "--node", c->http[2], "--genesis", chain_path(c, "genesis.json"),
	               "--key", key_number(c, account), "--to", address_format(&purse, to), "--amount",
	               amount, "--timeout", "60", NULL);
}

/* ---- shares ---------------------------------------------------------------------------------- */

/* The first height that a table after `height` decides. */
static uint64_t decided_from(uint64_t height)
{
	return (height + EPOCH - 1) / EPOCH * EPOCH + EPOCH + 1;
}

static void turns_follow_the_stakes_and_stake_that_moves(void **state)
{
	struct chain *c = chain_up_edited(4, by_stake);
	struct purse purse = purse_open(c, NULL, PURSE);
	(void)state;
	assert_stake(c, 0, 4000, 0);
	assert_stake(c, 3, 0, 0);
	grow(c, &purse, 4 * EPOCH);

	/* The replica without stake gets some of its own, the first one gives half away, and somebody
	 * delegates to the second. */
	json_t *bond = stake_done(c, "bond", OPERATOR(3), "3", "3000");
	assert_string_equal(json_text(bond, "did"), "bonded");
	assert_int_equal(number(bond, "counts_from"), decided_from(number(bond, "height")));
	json_decref(bond);
	json_t *delegation = stake_done(c, "bond", TRAVELLER, "replica1", "4000");
	assert_string_equal(json_text(delegation, "did"), "delegated");
	assert_int_equal(number(delegation, "replica"), 1);
	json_decref(delegation);
	json_t *release = stake_done(c, "unbond", OPERATOR(0), "0", "3000");
	uint64_t last = number(release, "height"), free_at = number(release, "free_at");
	assert_int_equal(free_at, last + UNBONDING);
	assert_int_equal(number(release, "counts_until") + 1, decided_from(last));
	json_decref(release);
	assert_stake(c, 0, 1000, 0);
	assert_stake(c, 1, 2000, 4000);
	assert_stake(c, 3, 3000, 0);
	assert_balance(c, OPERATOR(0), OWN_FREE, 1000, 3000, 0);
	assert_balance(c, OPERATOR(3), OWN_FREE - 3000, 3000, 0, 0);

	/* Until then the old stakes decide, and from then on the new ones. */
	uint64_t from = decided_from(last);
	uint64_t to = grow(c, &purse, from + SCHEDULE_CYCLE);
	assert_int_equal(view_of(c, 1), 0);
	chain_wait_height(c, 0xf, to);
	assert_shares(c, 1, decided_from(4 * EPOCH + 1) - 1, (const uint64_t[]){4000, 2000, 1000, 0});
	assert_shares(c, from, to, (const uint64_t[]){1000, 6000, 1000, 3000});
	assert_view_of_shares(c, 2, 0, 0, 4.0 / 7);
	assert_view_of_shares(c, 2, 0, 3, 0);
	assert_view_of_shares(c, 2, from - 1 - EPOCH, 3, 3.0 / 11);

	/* What was released could not be spent before, and is free now. */
	assert_true(to >= free_at);
	assert_balance(c, OPERATOR(0), OWN_FREE + 3000, 1000, 0, 0);
	char amount[32];
	snprintf(amount, sizeof amount, "%u", OWN_FREE + 3000);
	assert_int_equal(send_to_purse(c, OPERATOR(0), amount, NULL), 0);
	assert_balance(c, OPERATOR(0), 0, 1000, 0, 0);
	chain_assert_audit(c, chain_wait_quiet(c));
	chain_check_votes(c);
	purse_close(&purse);
	chain_down(c);
}

static void locked_value_cannot_be_spent(void **state)
{
	struct chain *c = chain_up_edited(4, by_stake);
	char *said, amount[32];
	int code;
	(void)state;
	json_decref(stake_done(c, "unbond", OPERATOR(2), "2", "400"));
	snprintf(amount, sizeof amount, "%u", OWN_FREE + 1);
	assert_int_equal(send_to_purse(c, OPERATOR(2), amount, &said), 1);
	assert_non_null(strstr(said, "another 1000 are locked"));
	free(said);
	json_t *none =
	    quorate_json(&code, "stake", "show", "--json", "--node", c->http[0], "--genesis",
	                 chain_path(c, "genesis.json"), "--address", key_number(c, OPERATOR(2)), NULL);
	assert_int_equal(code, 0);
	const json_t *locked = json_object_get(none, "locked");
	assert_int_equal(json_array_size(locked), 2);
	for (size_t i = 0; i < 2; i++) {
		const json_t *l = json_array_get(locked, i);
		bool released = strcmp(json_text(l, "lock"), "release") == 0;
		assert_int_equal(number(l, "amount"), released ? 400 : 600);
		assert_true(json_is_true(json_object_get(l, "own")));
		assert_int_equal(number(l, "penalty"), 0);
		assert_true(released == (json_object_get(l, "free_at") != NULL));
	}
	json_decref(none);
	/* More than is there. */
	assert_int_equal(quorate(NULL, &said, "stake", "unbond", "--node", c->http[0], "--genesis",
	                         chain_path(c, "genesis.json"), "--key", key_number(c, OPERATOR(2)),
	                         "--replica", "2", "--amount", "601", NULL),
	                 1);
	assert_non_null(strstr(said, "holds 600 staked for replica 2"));
	free(said);
	chain_down(c);
}

/* ---- conviction ------------------------------------------------------------------------------ */

static void forget(struct qenvelope votes[2])
{
	wire_free(WIRE(qenvelope), &votes[0]);
	wire_free(WIRE(qenvelope), &votes[1]);
}

/* Until the evidence is in the journal of that node. */
static void await_evidence(struct chain *c, unsigned node, struct purse *purse)
{
	char cnt[16] = "0";
	for (unsigned i = 0; atoi(cnt) == 0; i++) {
		assert_true(i < 100);
		purse_pay(purse, c, node); /* a block: what is in the journal is on disk with it */
		chain_sql(chain_path(c, "node%u/ledger.db", node), "SELECT count(*) FROM evidence", cnt,
		          sizeof cnt);
	}
}

/* All evidence of a node as files. */
static void export_evidence(struct chain *c, unsigned node, const char *dir)
{
	char *said;
	int code = quorate(NULL, &said, "evidence", "export", "--all", "-o", dir,
	                   chain_path(c, "node%u", node), NULL);
	if (code != 0)
		fail_msg("export: exit %d, %s", code, said);
	free(said);
}

/* `quorate stake convict` from a ledger or a file. */
static json_t *convict(struct chain *c, const char *from, unsigned account, int *code, char **said)
{
	char *out, *errs;
	*code = quorate(&out, &errs, "stake", "convict", "--json", "--node", c->http[0], "--genesis",
	                chain_path(c, "genesis.json"), "--key", key_number(c, account), "--timeout", "60",
	                from, NULL);
	json_t *json = json_loads(out, 0, NULL);
	*said = errs;
	free(out);
	return json;
}

/* Hands one transaction with this offence in without the command's own checks; its code. */
static void submit_offence(struct chain *c, struct purse *p, const struct qoffence *o, char code[32])
{
	struct err err = {0};
	struct qoutput out = {.owner = p->address, .amount = p->amount};
	struct qoffence copy = *o;
	struct qtx_body body = {.inputs = {1, &p->at}, .outputs = {1, &out}, .offence = {1, &copy}};
	struct tx *tx = tx_make(&c->genesis->chain, &body, &(const struct account *){p->account}, 1, &err);
	json_t *results;
	if (!tx)
		fail_msg("%s", err.text);
	assert_true(chain_submit(c, 0, &tx, 1, &results));
	snprintf(code, 32, "%s", json_text(json_array_get(results, 0), "code"));
	json_decref(results);
	tx_unref(tx);
}

static struct qoffence offence_from(const struct qenvelope votes[2])
{
	struct qoffence o = {.replica = votes[0].sender, .kind = QPREPARE};
	for (unsigned i = 0; i < 2; i++) {
		struct qmessage m;
		assert_true(wire_decode(WIRE(qmessage), votes[i].body.body_val, votes[i].body.body_len, &m));
		*(i ? &o.second : &o.first) = m.qmessage_u.vote;
		*(i ? &o.second_sig : &o.first_sig) = votes[i].sig;
		wire_free(WIRE(qmessage), &m);
	}
	return o;
}

static void who_signs_two_votes_is_convicted_once_and_loses_the_penalty(void **state)
{
	struct chain *c = chain_up_edited(4, by_stake);
	struct purse purse = purse_open(c, NULL, PURSE);
	char *said, code_text[32], sql[128], text[64];
	int code;
	(void)state;
	json_decref(stake_done(c, "delegate", TRAVELLER, "2", "501"));
	json_decref(stake_done(c, "unbond", OPERATOR(2), "2", "100")); /* in time to be lost, too */
	uint64_t height = grow(c, &purse, EPOCH);
	chain_wait_height(c, 0xf, height);

	json_t *none = convict(c, chain_path(c, "node0"), TRAVELLER, &code, &said);
	assert_int_equal(code, 1);
	assert_null(none);
	free(said);

	/* Replica 2 stops; its key signs two blocks for the height to come. */
	chain_signal(c, "kill", 2);
	struct qenvelope votes[2] = {chain_forge(c, 2, height + 1, 1), chain_forge(c, 2, height + 1, 2)};
	chain_tell(c, 0, votes, 2);
	await_evidence(c, 0, &purse);
	export_evidence(c, 0, chain_path(c, "evidence"));
	chain_sql(chain_path(c, "node0/ledger.db"), "SELECT min(seq) FROM evidence", text, sizeof text);
	json_t *done = convict(c, chain_path(c, "evidence/evidence-%s.json", text), TRAVELLER, &code, &said);
	if (code != 0)
		fail_msg("convict: exit %d, %s", code, said);
	free(said);
	const json_t *it = json_array_get(json_object_get(done, "convictions"), 0);
	assert_int_equal(json_array_size(json_object_get(done, "convictions")), 1);
	assert_string_equal(json_text(it, "outcome"), "committed");
	assert_int_equal(number(it, "replica"), 2);
	assert_int_equal(number(it, "vote_height"), height + 1);
	assert_int_equal(number(it, "convicted"), number(it, "height"));
	assert_int_equal(number(it, "own_before"), 900);
	assert_int_equal(number(it, "own"), 0);
	assert_int_equal(number(it, "delegated_before"), 501);
	assert_int_equal(number(it, "delegated"), 0);
	assert_int_equal(number(it, "lost"), 270 + 30); /* 30 % of the stake and of what was released */
	json_decref(done);
	assert_stake(c, 2, 0, 0);

	/* Twice is once too often: for the command, and for a node. */
	done = convict(c, chain_path(c, "node0/ledger.db"), TRAVELLER, &code, &said);
	assert_int_equal(code, 1);
	assert_null(done);
	assert_non_null(strstr(said, "convicted for that time already"));
	free(said);
	struct qoffence offence = offence_from(votes);
	submit_offence(c, &purse, &offence, code_text);
	assert_string_equal(code_text, "old_offence");
	offence.second = offence.first;
	struct err err = {0};
	struct qoutput out = {.owner = purse.address, .amount = purse.amount};
	struct qtx_body body = {.inputs = {1, &purse.at}, .outputs = {1, &out}, .offence = {1, &offence}};
	assert_null(tx_make(&c->genesis->chain, &body, &(const struct account *){purse.account}, 1, &err));
	struct qenvelope ahead[2] = {chain_forge(c, 2, height + 1000, 1),
	                             chain_forge(c, 2, height + 1000, 2)};
	offence = offence_from(ahead);
	submit_offence(c, &purse, &offence, code_text);
	assert_string_equal(code_text, "early_offence");
	offence.second_sig.b[7] ^= 1;
	submit_offence(c, &purse, &offence, code_text);
	assert_string_equal(code_text, "bad_signature");
	forget(votes);
	forget(ahead);

	/* Who moves the stake leaves the penalty behind: the replica's account 30 %, who delegated 10 %. */
	json_t *release = stake_done(c, "unbond", OPERATOR(2), "2", "all");
	assert_int_equal(number(release, "amount"), 630);
	assert_int_equal(number(release, "frozen"), 270);
	json_decref(release);
	release = stake_done(c, "withdraw", TRAVELLER, "2", "400");
	assert_int_equal(number(release, "frozen"), 51);
	uint64_t free_at = number(release, "free_at");
	json_decref(release);
	assert_balance(c, TRAVELLER, 50000 - 501, 50, 400, 51);
	chain_signal(c, "start", 2);
	height = grow(c, &purse, free_at - 1); /* the next block may spend it */
	assert_balance(c, TRAVELLER, 50000 - 501 + 400, 50, 0, 51);
	assert_balance(c, OPERATOR(2), OWN_FREE + 630 + 70, 0, 0, 270 + 30);
	char amount[32];
	snprintf(amount, sizeof amount, "%u", OWN_FREE + 630 + 71);
	assert_int_equal(send_to_purse(c, OPERATOR(2), amount, &said), 1);
	free(said);
	snprintf(amount, sizeof amount, "%u", OWN_FREE + 630 + 70);
	assert_int_equal(send_to_purse(c, OPERATOR(2), amount, NULL), 0);
	assert_balance(c, OPERATOR(2), 0, 0, 0, 300);

	/* Nothing is destroyed: everything unspent adds up to what the genesis made. */
	height = chain_wait_quiet(c);
	snprintf(sql, sizeof sql, "SELECT sum(amount) FROM outputs WHERE spent_by IS NULL");
	chain_sql(chain_path(c, "node2/ledger.db"), sql, text, sizeof text);
	assert_int_equal(strtoull(text, NULL, 10), c->genesis->supply);
	snprintf(sql, sizeof sql, "SELECT count(*) || ' ' || max(replica) FROM convictions");
	chain_sql(chain_path(c, "node2/ledger.db"), sql, text, sizeof text);
	assert_string_equal(text, "1 2");
	chain_assert_audit(c, height);
	purse_close(&purse);
	chain_down(c);
}

/* A line of hex with evidence that `replica` signed twice. */
static void add_evidence(struct chain *c, unsigned replica, uint64_t height, char *lines)
{
	struct qenvelope votes[2] = {chain_forge(c, replica, height, 1), chain_forge(c, replica, height, 2)};
	struct qevidence ev = {.kind = QEV_CONFLICT, .qevidence_u.conflict = {votes[0], votes[1]}};
	struct bytes raw;
	assert_true(wire_encode(WIRE(qevidence), &ev, &raw));
	hex_encode(lines + strlen(lines), raw.data, raw.len);
	strcat(lines, "\n");
	bytes_free(&raw);
	forget(votes);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Before any node is asked. */
static void assert_no_evidence(struct chain *c, const char *from, const char *says)
{
	char *said;
	int code = quorate(NULL, &said, "stake", "convict", "--node", "http://127.0.0.1:1", "--genesis",
	                   chain_path(c, "genesis.json"), "--key", key_number(c, TRAVELLER), from, NULL);
	if (code != 2 || !strstr(said, says))
		fail_msg("convict %s: exit %d, %s", from, code, said);
	free(said);
}

static void what_is_neither_a_ledger_nor_evidence_is_refused(struct chain *c)
{
	char *help, sql[512];
	snprintf(sql, sizeof sql, "VACUUM INTO '%s'", chain_path(c, "other.db"));
	chain_sql(chain_path(c, "node3/ledger.db"), sql, NULL, 0);
	chain_sql(chain_path(c, "other.db"), "UPDATE meta SET value = zeroblob(32) WHERE key = 'chain'", NULL,
	          0);
	assert_no_evidence(c, chain_path(c, "other.db"), "is the ledger of another chain");
	write_text(chain_path(c, "nonsense"), "root:x:0:0:root:/root:/bin/sh\n");
	write_text(chain_path(c, "empty"), "");
	write_text(chain_path(c, "object"), "{\"format\": \"quorate evidence 1\"}\n");
	assert_no_evidence(c, chain_path(c, "nonsense"), "is neither a ledger nor an evidence file");
	assert_no_evidence(c, chain_path(c, "empty"), "is neither a ledger nor an evidence file");
	assert_no_evidence(c, chain_path(c, "object"), "is evidence whose text was changed");
	assert_no_evidence(c, chain_path(c, "genesis.json"), "is a genesis");
	assert_no_evidence(c, chain_path(c, "node0/votes.db"), "not a quorate ledger");
	assert_no_evidence(c, chain_path(c, "accounts"), "ledger.db: ");
	assert_no_evidence(c, chain_path(c, "missing"), "cannot be opened");
	assert_int_equal(quorate(&help, NULL, "stake", "convict", "--help", NULL), 0);
	assert_null(strstr(help, "--no-wait"));
	free(help);
}

static void evidence_on_standard_input_convicts_everybody_that_it_names(void **state)
{
	struct chain *c = chain_up_edited(4, by_stake);
	struct purse purse = purse_open(c, NULL, PURSE);
	char *out, *errs, hex[8192] = "# evidence\n\n";
	(void)state;
	uint64_t height = grow(c, &purse, 3);
	add_evidence(c, 3, height, hex);
	add_evidence(c, 1, height, hex);
	add_evidence(c, 3, height - 1, hex); /* one conviction covers both */
	int code = quorate_fed(hex, &out, &errs, "stake", "convict", "-", "--json", "--node", c->http[0],
	                       "--genesis", chain_path(c, "genesis.json"), "--key", key_number(c, TRAVELLER),
	                       "--timeout", "60", NULL);
	if (code != 0)
		fail_msg("exit %d: %s", code, errs);
	json_t *done = json_loads(out, 0, NULL);
	const json_t *list = json_object_get(done, "convictions");
	assert_int_equal(json_array_size(list), 2);
	for (size_t i = 0; i < 2; i++) {
		const json_t *it = json_array_get(list, i);
		assert_string_equal(json_text(it, "outcome"), "committed");
		assert_int_equal(number(it, "replica"), i ? 3 : 1);
		assert_int_equal(number(it, "lost"), i ? 0 : 600);
		json_t *r = shown(c, i ? 3 : 1);
		assert_int_equal(number(r, "convicted"), number(it, "height"));
		json_decref(r);
	}
	json_decref(done);
	free(out);
	free(errs);
	/* An altered bit convicts nobody. */
	hex[0] = '\0';
	add_evidence(c, 0, height, hex);
	char *digit = &hex[strlen(hex) - 4];
	*digit = *digit == '0' ? '1' : '0';
	assert_int_equal(quorate_fed(hex, &out, &errs, "stake", "convict", "-", "--node", c->http[0],
	                             "--genesis", chain_path(c, "genesis.json"), "--key",
	                             key_number(c, TRAVELLER), NULL),
	                 1);
	assert_non_null(strstr(errs, "no evidence holds"));
	free(out);
	free(errs);
	assert_int_equal(quorate_fed("zz\n", &out, &errs, "stake", "convict", "-", "--node", c->http[0],
	                             "--genesis", chain_path(c, "genesis.json"), "--key",
	                             key_number(c, TRAVELLER), NULL),
	                 2);
	assert_non_null(strstr(errs, "standard input: line 1: not evidence in hex"));
	free(out);
	free(errs);
	what_is_neither_a_ledger_nor_evidence_is_refused(c);
	chain_assert_audit(c, chain_wait_quiet(c));
	purse_close(&purse);
	chain_down(c);
}

/* By stake, and replica 1's account holds what nobody will ever add up. */
static void with_dust(struct qgenesis *g)
{
	enum { DUST = 10001 };
	by_stake(g);
	u_int *cnt = &g->allocations.allocations_len;
	struct qoutput *list = xrealloc(g->allocations.allocations_val, (*cnt + DUST) * sizeof *list);
	g->allocations.allocations_val = list;
	for (unsigned i = 0; i < DUST; i++)
		list[(*cnt)++] = output(OPERATOR(1), 1);
}

/* Nobody escapes by having so many outputs that who accuses him is busy with them until the time is over. */
static void a_heap_of_outputs_protects_nobody(void **state)
{
	struct chain *c = chain_up_edited(4, with_dust);
	struct purse purse = purse_open(c, NULL, PURSE);
	char *out, *errs, hex[8192] = "";
	(void)state;
	add_evidence(c, 1, grow(c, &purse, 3), hex);
	int code = quorate_fed(hex, &out, &errs, "stake", "convict", "-", "--json", "--node", c->http[0],
	                       "--genesis", chain_path(c, "genesis.json"), "--key", key_number(c, TRAVELLER),
	                       "--timeout", "60", NULL);
	if (code != 0)
		fail_msg("exit %d: %s", code, errs);
	json_t *done = json_loads(out, 0, NULL);
	const json_t *it = json_array_get(json_object_get(done, "convictions"), 0);
	assert_string_equal(json_text(it, "outcome"), "committed");
	assert_int_equal(number(it, "own_before"), 2000);
	assert_int_equal(number(it, "own"), 0);
	assert_null(json_object_get(it, "lost"));
	assert_non_null(strstr(errs, "its account holds 10003 outputs"));
	json_decref(done);
	free(out);
	free(errs);
	purse_close(&purse);
	chain_down(c);
}

/* ---- other modes ----------------------------------------------------------------------------- */

static void delegations_elect_who_proposes(void **state)
{
	struct chain *c = chain_up_edited(4, by_delegation);
	struct purse purse = purse_open(c, NULL, PURSE);
	(void)state;
	assert_stake(c, 0, 0, 4000);
	grow(c, &purse, EPOCH + 2);
	json_t *last = stake_done(c, "delegate", TRAVELLER, "3", "6000"); /* now 0 and 3 have most */
	uint64_t from = decided_from(number(last, "height"));
	json_decref(last);
	uint64_t to = grow(c, &purse, from + 60);
	chain_wait_height(c, 0xf, to);
	assert_int_equal(view_of(c, 1), 0);
	assert_shares(c, 1, 2 * EPOCH, (const uint64_t[]){4000, 2000, 0, 0});
	assert_shares(c, from, to, (const uint64_t[]){4000, 0, 0, 6000});
	chain_assert_audit(c, chain_wait_quiet(c));
	purse_close(&purse);
	chain_down(c);
}

static void seals_and_stake_go_together(void **state)
{
	struct chain *c = chain_up_edited(4, by_stake_and_work);
	struct purse purse = purse_open(c, NULL, PURSE);
	char text[32];
	(void)state;
	uint64_t to = grow(c, &purse, 40);
	chain_wait_height(c, 0xf, to);
	if (view_of(c, 1) == 0)
		assert_shares(c, 1, to, (const uint64_t[]){4000, 2000, 1000, 0});
	chain_sql(chain_path(c, "node1/ledger.db"),
	          "SELECT count(*) FROM blocks WHERE hash <= target AND hex(target) LIKE '003F%'", text,
	          sizeof text);
	assert_true(strtoull(text, NULL, 10) >= to);
	/* Its proposers one after the other are gone and come back. */
	for (unsigned i = 0; i < 4; i++) {
		chain_signal(c, "kill", i);
		to = purse_pay(&purse, c, (i + 1) % 4);
		chain_signal(c, "start", i);
		chain_wait_height(c, 0xf, to);
	}
	chain_assert_audit(c, chain_wait_quiet(c));
	chain_check_votes(c);
	purse_close(&purse);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(turns_follow_the_stakes_and_stake_that_moves),
	    cmocka_unit_test(locked_value_cannot_be_spent),
	    cmocka_unit_test(who_signs_two_votes_is_convicted_once_and_loses_the_penalty),
	    cmocka_unit_test(evidence_on_standard_input_convicts_everybody_that_it_names),
	    cmocka_unit_test(a_heap_of_outputs_protects_nobody),
	    cmocka_unit_test(delegations_elect_who_proposes),
	    cmocka_unit_test(seals_and_stake_go_together),
	};
	return cmocka_run_group_tests_name("stake", tests, chain_setup, NULL);
}
