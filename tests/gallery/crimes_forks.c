/*
 * crimes_forks.c: two histories, each with certificates that hold: who is to blame; and ledgers of another
 * chain.
 */
#include "crime.h"

/* ---- another end of PLAIN ----------------------------------------------------------------------- */

/* Blocks 9 and 10 once more, where account 5 pays 6, and 2 pays 6 too; certified in a view by the replicas of
 * a mask.  Every payment is signed: alone, nothing is wrong with it. */
static void fork_at_9(struct scene *s, unsigned view, uint64_t mask)
{
	const struct world *w = s->w;
	const struct rules *r = &w->honest.rules;
	struct chain c = w->chain;
	struct qoutput out = to(6, 500);
	struct tx *nine = world_pay(w, &c, 9, 6);
	struct tx *ten = spend(r, 2, (struct qoutpoint){r->g.txid, 1}, &out, 1);

	c.blocks[9] = world_block(w, &c, 9, world_leader(w, view), &nine, 1);
	c.blocks[10] = world_block(w, &c, 10, world_leader(w, view), &ten, 1);
	struct qvote vote = {.view = {view}, .height = {10}, .block = c.blocks[10]->hash};
	struct qcert cert = rules_cert(r, QCOMMIT, &vote, mask);
	forge_cut(&s->suspect, 8);
	forge_append(&s->suspect, c.blocks[9], 10);
	forge_append(&s->suspect, c.blocks[10], 10);
	forge_cert(&s->suspect, &cert);
	wire_free(WIRE(qcert), &cert);
	block_unref(c.blocks[9]);
	block_unref(c.blocks[10]);
}

/* The honest certificate at 10 is of 0, 1 and 2 in view 1. */
static void fork_same_view(struct scene *s)
{
	fork_at_9(s, 1, 0xb);
}

static void fork_later_view(struct scene *s)
{
	fork_at_9(s, 2, 0xe);
}

/* The NEW-VIEW that dropped 9 and 10: 1 and 2 report block 8 as their last, and had committed to 10. */
static void fork_with_new_view(struct scene *s)
{
	const struct world *w = s->w;
	struct qvote vote = {.view = {1}, .height = {8}, .block = w->chain.blocks[8]->hash};
	struct qcert eight = rules_cert(&w->honest.rules, QCOMMIT, &vote, 7),
	             stable = checkpoint_at(&w->honest.rules, &w->chain, 4);

	fork_at_9(s, 2, 0xe);
	forge_entry(&s->suspect, world_new_view(w, 2, 0xe, 0, NULL, &eight, &stable));
	wire_free(WIRE(qcert), &eight);
	wire_free(WIRE(qcert), &stable);
}

/* ---- another block 4 --------------------------------------------------------------------------------- */

static void append_other_4(struct ledger *l, struct chain *c, struct qcert cert)
{
	append_run(l, c, 4, 4, cert);
}

/* Two CHECKPOINTs of height 4; the honest one is signed by 1, 2 and 3. */
static void fork_checkpoints(struct scene *s)
{
	const struct world *w = s->w;
	const struct rules *r = &w->honest.rules;
	struct chain c = w->chain;
	struct qvote three = {.height = {3}, .block = c.blocks[3]->hash}, four = {.height = {4}};
	struct tx *tx = world_pay(w, &c, 4, 6);

	c.blocks[4] = world_block(w, &c, 4, 0, &tx, 1);
	four.block = c.blocks[4]->hash;
	for (int known = 0; known < 2;
	     known++) { /* the state that is signed is known once the block was executed */
		place_remove(&s->suspect);
		struct ledger *l = open_ledger(&s->suspect);
		append_run(l, &c, 1, 3, rules_cert(r, QCOMMIT, &three, 7));
		four.state = c.digests[4];
		append_other_4(l, &c, rules_cert(r, QCHECKPOINT, &four, 7));
		commit(l);
		ledger_close(l);
	}
	block_unref(c.blocks[4]);
}

/* ---- one side that nobody signed ------------------------------------------------------------------------
 */

static void fork_unsigned(struct scene *s)
{
	fork_at_9(s, 1, 0x8);
}

static void fork_two_signed(struct scene *s)
{
	fork_at_9(s, 1, 0x9);
}

/* ---- another chain
 * ------------------------------------------------------------------------------------------ */

static void other_chain(struct scene *s)
{
	copy_file(world_of(SEALED)->honest.path, s->suspect.path);
}

static void other_chain_renamed(struct scene *s)
{
	char sql[256], chain[65];

	other_chain(s);
	snprintf(sql, sizeof sql, "UPDATE meta SET value = x'%s' WHERE key = 'chain'",
	         hex_encode(chain, s->w->honest.rules.g.chain.b, 32));
	edit(&s->suspect, sql);
}

/* ---- less of this one --------------------------------------------------------------------------- */

static void cut_end(struct scene *s)
{
	forge_cut(&s->suspect, 8);
}

/* clang-format off */
const struct crime crimes_forks[] = {
	{"fork-in-one-view", "f+1 traitors, 0 and 1", "sign two chains in one view", PLAIN, NULL, fork_same_view,
	 true, {1, "forked", NULL, NULL, NULL, "same_view", "0 1"}},
	{"fork-over-a-view-change", "f+1 traitors, 1 and 2",
	 "commit to block 10 in view 1, hide that in their VIEW-CHANGEs, and certify another one in view 2", PLAIN,
	 NULL, fork_with_new_view, true, {1, "forked", NULL, NULL, NULL, "view_change", "1 2"}},
	{"fork-unexplained", "f+1 traitors", "the same, and no ledger has the NEW-VIEW", PLAIN, NULL,
	 fork_later_view, true, {1, "forked", NULL, NULL, NULL, "unknown", ""}},
	{"fork-of-checkpoints", "f+1 traitors, 1 and 2", "sign two states of one height", PLAIN, NULL,
	 fork_checkpoints, true, {1, "forked", NULL, NULL, NULL, "same_view", "1 2"}},
	{"fork-by-one", "f keys: his own", "shows another chain that he alone signed", PLAIN, NULL, fork_unsigned,
	 true, {1, "tampered", "certificate", "certificates(height=10).certificate", NULL, "edited", ""}},
	{"fork-by-two", "f+1 keys", "shows another chain that two replicas signed", PLAIN, NULL, fork_two_signed,
	 true, {1, "tampered", "certificate", "certificates(height=10).certificate", NULL, "edited", ""}},
	{"other-chain", "operator, no keys", "hands in the ledger of another chain", PLAIN, NULL, other_chain,
	 false, {2, NULL, NULL, NULL, "chain", NULL, NULL}},
	{"other-chain-renamed", "operator, no keys", "the same, with this chain's id in it", PLAIN, NULL,
	 other_chain_renamed, false, {1, "tampered", "linkage", "blocks(height=1).header", NULL, NULL, NULL}},
	{NULL},
};
/* clang-format on */

/* A quorum may write any history that keeps the rules; only somebody else's ledger shows that there are two.
 */
/* clang-format off */
const struct crime crimes_alone[] = {
	{"end-cut-unseen", "operator, no keys", "removes the last two blocks", PLAIN, NULL, cut_end, false,
	 {0, "sound", NULL, NULL, NULL, NULL, NULL}},
	{"fork-alone", "2f+1 keys", "rewrites the last two blocks with payments that are in order", PLAIN, NULL,
	 fork_same_view, false, {0, "sound", NULL, NULL, NULL, NULL, NULL}},
	{NULL},
};
/* clang-format on */
