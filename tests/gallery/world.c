/*
 * world.c: the honest ledgers.
 */
#include "world.h"

#include "audited.h"
#include "seals.h"
#include "stakestory.h"

#define SEALED_HEIGHT 8

static struct world worlds[WORLD_CNT];
static char dir[64];

const struct world *world_of(enum world_kind kind)
{
	return &worlds[kind];
}

/* ---- blocks --------------------------------------------------------------------------------- */

struct block *world_block(const struct world *w, const struct chain *c, unsigned h, unsigned proposer,
                          struct tx **txs, size_t cnt)
{
	const struct rules *r = &w->honest.rules;
	struct block *b = make_block(h, h > 1 ? c->blocks[h - 1]->hash : r->g.chain, txs, cnt);
	struct qheader q = b->header;
	struct seal_parent below;

	q.proposer = proposer;
	if (r->g.g.seal.kind == QSEAL_POW)
		q.time_ms = r->g.g.time_ms + UINT64_C(700) * h;
	seal_genesis(&r->g, &below);
	for (unsigned i = 1; i < h; i++)
		seal_extend(&below, &c->blocks[i]->header);
	seals_put(r, &below, &q);
	return with_header(b, &q);
}

struct tx *world_pay(const struct world *w, const struct chain *c, unsigned h, uint8_t to_whom)
{
	const struct block *below = c->blocks[h - 1];
	const struct tx *before = below->txs[below->tx_cnt - 1];
	struct qoutput out = to(to_whom, 250);

	return spend(&w->honest.rules, 5, output_of(before, before->q.body.outputs.outputs_len - 1), &out, 1);
}

struct qjournal world_new_view(const struct world *w, unsigned view, uint64_t mask, uint64_t informed,
                               const struct qcert *tip, const struct qcert *old, const struct qcert *stable)
{
	const struct rules *r = &w->honest.rules;
	struct qenvelope changes[Q_REPLICAS_MAX];
	struct qmessage nv = {.kind = QNEW_VIEW, .qmessage_u.new_view = {.view = {view}}};
	unsigned cnt = 0;

	for (unsigned i = 0; i < r->g.n; i++) {
		const struct qcert *reported = informed >> i & 1 ? tip : old;
		struct qmessage m = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {view}}};
		struct qview_change *vc = &m.qmessage_u.view_change;
		vc->tip.tip_len = reported != NULL;
		vc->tip.tip_val = (struct qcert *)reported;
		vc->stable.stable_len = stable != NULL;
		vc->stable.stable_val = (struct qcert *)stable;
		if (mask >> i & 1)
			changes[cnt++] = envelope(r, i, &m);
	}
	nv.qmessage_u.new_view.changes.changes_len = cnt;
	nv.qmessage_u.new_view.changes.changes_val = changes;
	struct qjournal j = {.kind = QJ_NEW_VIEW,
	                     .qjournal_u.new_view = envelope(r, world_leader(w, view), &nv)};
	for (unsigned i = 0; i < cnt; i++)
		wire_free(WIRE(qenvelope), &changes[i]);
	return j;
}

/* ---- PLAIN ------------------------------------------------------------------------------------ */

/* audited.h's transactions, with the proposers of views 0 and 1. */
static void tell_plain(struct world *w)
{
	const struct rules *r = &w->honest.rules;
	struct chain *c = &w->chain, model = {0};

	make_chain(r, &model);
	w->height = HEIGHT;
	for (unsigned h = 1; h <= w->height; h++) {
		struct tx *txs[2];
		for (size_t i = 0; i < model.blocks[h]->tx_cnt; i++)
			txs[i] = tx_ref(model.blocks[h]->txs[i]);
		c->blocks[h] = world_block(w, c, h, h > 4, txs, model.blocks[h]->tx_cnt);
	}
	free_chain(&model);
}

static struct qcert commit_in(const struct world *w, unsigned h, unsigned view)
{
	struct qvote vote = {.view = {view}, .height = {h}, .block = w->chain.blocks[h]->hash};
	return rules_cert(&w->honest.rules, QCOMMIT, &vote, 7);
}

/* Replica 2 committed to two blocks at one (view, height). */
static struct qjournal signed_twice(const struct rules *r)
{
	struct qmessage a = {.kind = QCOMMIT,
	                     .qmessage_u.vote = {.view = {1}, .height = {6}, .block = rules_hash(1)}};
	struct qmessage b = a;

	b.qmessage_u.vote.block = rules_hash(2);
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_CONFLICT};
	j.qjournal_u.evidence.qevidence_u.conflict =
	    (struct qconflict){envelope(r, 2, &a), envelope(r, 2, &b)};
	return j;
}

static void write_plain(struct world *w)
{
	const struct rules *r = &w->honest.rules;
	struct chain *c = &w->chain;
	struct ledger *l = open_ledger(&w->honest);

	append_run(l, c, 1, 1, commit_in(w, 1, 0));
	append_run(l, c, 2, 3, commit_in(w, 3, 0));
	append_run(l, c, 4, 4, checkpoint_at(r, c, 4));
	journal(l, (struct qjournal){.kind = QJ_STABLE, .qjournal_u.stable = checkpoint_at(r, c, 4)});
	struct qcert tip = checkpoint_at(r, c, 4);
	journal(l, world_new_view(w, 1, 0xe, 0xe, &tip, NULL, &tip));
	wire_free(WIRE(qcert), &tip);
	append_run(l, c, 5, 7, commit_in(w, 7, 1));
	journal(l, signed_twice(r));
	journal(l, double_spend_entry(r, c));
	append_run(l, c, 8, 8, commit_in(w, 8, 1));
	append_run(l, c, 9, 10, commit_in(w, 10, 1));
	commit(l);
	ledger_close(l);
}

static void make_plain(struct world *w)
{
	rules_setup(&w->honest.rules, 4, "plain");
	tell_plain(w);
	learn_digests(&w->honest, &w->chain);
	place_remove(&w->honest);
	write_plain(w);
}

/* ---- SEALED, STAKED ----------------------------------------------------------------------------- */

static void make_sealed(struct world *w)
{
	seals_setup(&w->honest.rules, 4, "sealed", 4, 8, 1000);
	const struct rules *r = &w->honest.rules;
	w->height = SEALED_HEIGHT;
	for (unsigned h = 1; h <= w->height; h++) {
		struct block *b = pass_on(r, &w->chain, h);
		struct tx *tx = tx_ref(b->txs[0]);
		block_unref(b);
		w->chain.blocks[h] = world_block(w, &w->chain, h, 0, &tx, 1);
	}
	struct ledger *l = open_ledger(&w->honest);
	append_run(l, &w->chain, 1, 3, commit_in(w, 3, 0));
	append_run(l, &w->chain, 4, w->height, commit_in(w, w->height, 0));
	commit(l);
	ledger_close(l);
}

static void make_staked(struct world *w)
{
	story_setup(&w->honest.rules, 10);
	w->height = STORY_HEIGHT;
	tell_stakes(&w->honest.rules, &w->chain, STORY_HEIGHT);
	write_story(&w->honest, &w->chain);
}

/* ---- all ------------------------------------------------------------------------------------------ */

static void write_genesis(const struct world *w)
{
	char *text = genesis_format(&w->honest.rules.g);
	FILE *f = fopen(w->genesis, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	free(text);
}

void worlds_make(void)
{
	static const struct {
		const char *name;
		void (*make)(struct world *w);
	} kinds[WORLD_CNT] = {[PLAIN] = {"plain", make_plain},
	                      [SEALED] = {"sealed", make_sealed},
	                      [STAKED] = {"staked", make_staked}};

	snprintf(dir, sizeof dir, "%s/quorate-gallery-XXXXXX", place_root());
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < WORLD_CNT; i++) {
		struct world *w = &worlds[i];
		w->name = kinds[i].name;
		snprintf(w->honest.dir, sizeof w->honest.dir, "%s", dir);
		snprintf(w->honest.path, sizeof w->honest.path, "%.60s/%s.db", dir, w->name);
		snprintf(w->genesis, sizeof w->genesis, "%s/%s.json", dir, w->name);
		kinds[i].make(w);
		write_genesis(w);
	}
}

void worlds_remove(void)
{
	for (size_t i = 0; i < WORLD_CNT; i++) {
		struct world *w = &worlds[i];
		place_remove(&w->honest);
		unlink(w->genesis);
		free_chain(&w->chain);
		rules_teardown(&w->honest.rules);
	}
	rmdir(dir);
}
