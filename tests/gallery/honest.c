/*
 * honest.c: no crimes: ledgers that must pass, by the same runner; some are made by the very tools of the
 * forger, so that what crimes fail by is not the forging.
 */
#include "crime.h"

/* What the forger writes is what a node writes. */
static void forge_honestly(struct scene *s)
{
	const struct world *w = s->w;
	struct qvote vote = {.view = {1}, .height = {10}, .block = w->chain.blocks[10]->hash};
	struct qcert cert = rules_cert(&w->honest.rules, QCOMMIT, &vote, 7);

	forge_cut(&s->suspect, 8);
	forge_append(&s->suspect, w->chain.blocks[9], 10);
	forge_append(&s->suspect, w->chain.blocks[10], 10);
	forge_cert(&s->suspect, &cert);
	forge_links(&s->suspect);
	wire_free(WIRE(qcert), &cert);
}

static void forge_next_block(struct scene *s)
{
	const struct world *w = s->w;
	struct tx *tx = world_pay(w, &w->chain, 11, 6);
	struct block *b = world_block(w, &w->chain, 11, 1, &tx, 1);
	struct qvote vote = {.view = {1}, .height = {11}, .block = b->hash};
	struct qcert cert = rules_cert(&w->honest.rules, QCOMMIT, &vote, 7);

	forge_append(&s->suspect, b, 11);
	forge_cert(&s->suspect, &cert);
	wire_free(WIRE(qcert), &cert);
	block_unref(b);
}

/* Other runs, other signers, another journal: what another honest node has of the same chain. */
static void another_node(struct scene *s)
{
	const struct world *w = s->w;
	struct chain c = w->chain;

	place_remove(&s->suspect);
	struct ledger *l = open_ledger(&s->suspect);
	for (unsigned h = 1; h <= w->height; h++) {
		struct qvote vote = {.view = {h > 4}, .height = {h}, .block = c.blocks[h]->hash};
		append_run(l, &c, h, h, rules_cert(&w->honest.rules, QCOMMIT, &vote, 0xd));
	}
	commit(l);
	ledger_close(l);
}

/* A node that runs: its last commit is in the WAL, and more is written. */
static void running_node(struct scene *s)
{
	const struct world *w = s->w;
	struct chain c = w->chain;
	struct qvote vote = {.view = {1}, .height = {8}, .block = c.blocks[8]->hash};

	place_remove(&s->suspect);
	s->writer = open_ledger(&s->suspect);
	append_run(s->writer, &c, 1, 8, rules_cert(&w->honest.rules, QCOMMIT, &vote, 7));
	commit(s->writer);
	vote.height.n = 10;
	vote.block = c.blocks[10]->hash;
	append_run(s->writer, &c, 9, 10, rules_cert(&w->honest.rules, QCOMMIT, &vote, 7));
}

static void only_genesis(struct scene *s)
{
	place_remove(&s->suspect);
	ledger_close(open_ledger(&s->suspect));
}

#define SOUND                                            \
	{                                                \
		0, "sound", NULL, NULL, NULL, NULL, NULL \
	}
#define BEHIND                                            \
	{                                                 \
		0, "behind", NULL, NULL, NULL, NULL, NULL \
	}
/* clang-format off */
const struct crime honest[] = {
	{"plain", "-", "a ledger with a view change, a checkpoint and evidence", PLAIN, NULL, NULL, false, SOUND},
	{"sealed", "-", "a ledger with proofs of work", SEALED, NULL, NULL, false, SOUND},
	{"staked", "-", "a ledger with stake, convictions and penalties", STAKED, NULL, NULL, false, SOUND},
	{"two", "-", "two copies", PLAIN, NULL, NULL, true, SOUND},
	{"vacuumed", "-", "a copy by VACUUM", PLAIN, "VACUUM", NULL, false, SOUND},
	{"another-node", "-", "another node's ledger of the same chain: other certificates", PLAIN, NULL,
	 another_node, true, SOUND},
	{"running", "-", "a node that runs: its last blocks are not committed yet", PLAIN, NULL, running_node, true,
	 BEHIND},
	{"only-genesis", "-", "a node that has just begun", PLAIN, NULL, only_genesis, true, BEHIND},
	{"forged-honestly", "-", "the forger's tools make the same ledger again", PLAIN, NULL, forge_honestly,
	 false, SOUND},
	{"forged-next", "-", "and the next block", PLAIN, NULL, forge_next_block, false, SOUND},
	{NULL},
};
/* clang-format on */
