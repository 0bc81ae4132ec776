/*
 * fuzz_genesis.c: the genesis as text: an error that says something, or a constitution that survives being
 * written and read again.
 *
 * Links: q_ledger
 */
#include "fuzz.h"
#include "rules.h"

/* `replicas` of the chain's n, and so much for the first account. */
static void add(unsigned n, unsigned replicas, uint64_t amount)
{
	struct rules rules;

	rules_setup(&rules, n, "fuzz");
	rules.g.g.replicas.replicas_len = replicas;
	rules.g.g.allocations.allocations_val[0].amount = amount;
	char *text = genesis_format(&rules.g);
	fuzz_seed(text, strlen(text));
	free(text);
	rules.g.g.replicas.replicas_len = n;
	rules_teardown(&rules);
}

/* The same with a seal, and with proposers by stake: 100 of the first account's back replica 0. */
static void add_modes(unsigned n, bool sealed, bool staked)
{
	struct rules rules;
	struct qgenesis *g = &rules.g.g;

	rules_setup(&rules, n, "fuzz");
	if (sealed) {
		g->seal.kind = QSEAL_POW;
		g->seal.qseal_rules_u.pow = (struct qpow_rules){12, 16, 500, 1000000};
	}
	if (staked) {
		g->proposer.kind = QPROPOSER_STAKE;
		g->proposer.qproposer_rules_u.stake = genesis_default_stake(n);
		g->allocations.allocations_val[0].lock = (struct qlock){.kind = QLOCK_STAKE};
		for (unsigned i = 0; i < n; i++) {
			struct qreplica *r = &g->replicas.replicas_val[i];
			struct qaddress account = rules_address((uint8_t)(i + 1));
			r->account.account_len = 1;
			r->account.account_val = xmemdup(&account, sizeof account);
		}
	}
	char *text = genesis_format(&rules.g);
	fuzz_seed(text, strlen(text));
	free(text);
	rules_teardown(&rules);
}

/* The genesis of a chain that succeeds another one. */
static void add_successor(void)
{
	struct rules rules;

	rules_setup(&rules, 4, "heir");
	rules.g.g.format = GENESIS_SUCCESSOR;
	rules.g.parent = (struct qparent){rules_hash(1), {17}, rules_hash(2), rules_hash(3)};
	char *text = genesis_format(&rules.g);
	fuzz_seed(text, strlen(text));
	free(text);
	rules_teardown(&rules);
}

/* What the rules promise to those who read a genesis that passed them. */
static void check_modes(const struct genesis *g)
{
	const struct qparams *p = &g->g.params;
	bool staked = g->g.proposer.kind == QPROPOSER_STAKE;

	must(g->timeout_ms >= p->timeout_ms && g->timeout_ms <= p->timeout_ms + 600000);
	must(g->timeout_cap_ms >= g->timeout_ms);
	if (g->g.seal.kind == QSEAL_POW) {
		const struct qpow_rules *r = &g->g.seal.qseal_rules_u.pow;
		must(r->bits >= 1 && r->bits <= r->bits_max && r->bits_max <= 48 && r->hash_rate > 0);
		must(g->timeout_ms == p->timeout_ms + genesis_mining_ms(r));
	} else {
		must(g->timeout_ms == p->timeout_ms);
	}
	if (staked) {
		const struct qstake_rules *r = &g->g.proposer.qproposer_rules_u.stake;
		must(r->turn > 0 && r->epoch % r->turn == 0 && r->epoch >= 2 * p->checkpoint_interval);
		must(r->proposers > g->f && r->proposers <= g->n && r->unbonding / 3 >= r->epoch);
		must(r->penalty <= 100 && r->delegator_penalty <= 100);
	}
	for (unsigned i = 0; i < g->n; i++)
		must(g->g.replicas.replicas_val[i].account.account_len == staked);
	for (unsigned i = 0; i < g->g.allocations.allocations_len; i++) {
		const struct qlock *lock = &g->g.allocations.allocations_val[i].lock;
		must(lock->kind == QLOCK_NONE ||
		     (lock->kind == QLOCK_STAKE && staked && lock->qlock_u.replica < g->n));
	}
}

static void setup(void)
{
	add_modes(1, true, true);
	add_modes(4, true, false);
	add_modes(4, false, true);
	add_successor();
	add(1, 1, 1000);
	add(4, 4, 1000);
	add(7, 7, INT64_MAX - 500);
	add(4, 4, INT64_MAX);
	add(4, 3, 1000);
	add(4, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err err = {0};
	struct genesis *g = genesis_parse((const char *)data, len, &err);

	if (!g) {
		must(err.kind == ERR_INPUT && err.text[0] != '\0');
		return 0;
	}
	uint64_t supply = 0;
	for (unsigned i = 0; i < g->g.allocations.allocations_len; i++) {
		must(g->g.allocations.allocations_val[i].amount <= INT64_MAX);
		supply += g->g.allocations.allocations_val[i].amount;
		must(supply <= INT64_MAX);
	}
	must(supply == g->supply);
	char *text = genesis_format(g);
	struct genesis *again = genesis_parse(text, strlen(text), &err);
	must(again != NULL);
	must((genesis_parent(g) == NULL) == (genesis_parent(again) == NULL));
	must(qhash_eq(&g->chain, &again->chain) && qtxid_eq(&g->txid, &again->txid));
	must(g->supply == again->supply && g->n == again->n && g->quorum == again->quorum);
	must(g->n == 1 || (g->n >= 4 && g->n <= Q_REPLICAS_MAX));
	must(2 * g->quorum > g->n + g->f && g->quorum <= g->n - g->f);
	check_modes(g);
	char *twice = genesis_format(again);
	must(strcmp(text, twice) == 0);
	free(text);
	free(twice);
	genesis_free(g);
	genesis_free(again);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "genesis", .runs = 10000, .setup = setup};
