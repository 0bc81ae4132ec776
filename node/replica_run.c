/*
 * replica_run.c: executing a certified run of blocks: into the ledger, out of the mempool.
 *
 * In the path of a transaction: before, agreement certified its block (consensus/), and what led there was
 * synced and sent (replica.c).  After: the ledger is durable, and whoever waits is told.
 */
#include "replica_impl.h"

struct run {
	size_t cnt;
	struct block **blocks;     /* a reference each */
	struct overlay **overlays; /* a reference each */
	struct qhash *digests;
};

static void run_free(struct run *run)
{
	for (size_t i = 0; i < run->cnt; i++) {
		block_unref(run->blocks[i]);
		overlay_unref(run->overlays[i]);
	}
	free(run->blocks);
	free(run->overlays);
	free(run->digests);
}

/* f+1 honest replicas validated a certified block: whoever finds it invalid has a wrong state itself. */
static bool corrupt(struct replica *r, const struct block *b)
{
	struct err err = {0};

	err_set(&err, ERR_WORLD,
	        "this replica is corrupt: block %llu is certified, but breaks the rules on the state here; "
	        "replace ledger.db by a verified copy of another replica's",
	        (unsigned long long)b->header.height.n);
	replica_stop(r, &err);
	return false;
}

/* A quorum signed for it, so f+1 honest replicas have checked the seal; or there are not that many. */
static bool unsealed(struct replica *r, const struct block *b)
{
	struct err err = {0};

	err_set(&err, ERR_WORLD,
	        "block %llu is certified, but lacks the proof of work that the chain asks for: more than f "
	        "replicas lie, or this one is corrupt; compare its ledger with others' (quorate audit)",
	        (unsigned long long)b->header.height.n);
	replica_stop(r, &err);
	return false;
}

static bool run_build(struct replica *r, const struct engine_output *o, struct run *run)
{
	struct seal_parent below = ledger_seal_parent(r->ledger);

	run->cnt = o->execute.cnt;
	run->blocks = xcalloc(run->cnt, sizeof(struct block *));
	run->overlays = xcalloc(run->cnt, sizeof(struct overlay *));
	run->digests = xcalloc(run->cnt, sizeof *run->digests);
	for (size_t i = 0; i < run->cnt; i++) {
		struct block *b = bodies_find(r, &o->execute.hashes[i]);
		struct overlay *overlay;

		must(b); /* "all bodies here" */
		run->blocks[i] = block_ref(b);
		if (!seal_holds(r->g, &b->header, &b->hash) || !seal_follows(r->g, &below, &b->header))
			return unsealed(r, b);
		seal_extend(&below, &b->header);
		if (bodies_overlay(r, &b->hash, &overlay) != BUILT)
			return corrupt(r, b);
		run->overlays[i] = overlay_ref(overlay);
	}
	return true;
}

static bool run_store(struct replica *r, const struct engine_output *o, struct run *run)
{
	struct err err = {0};

	if (ledger_append(r->ledger, run->blocks, run->overlays, run->cnt, &o->execute.cert, run->digests,
	                  &err) &&
	    ledger_commit(r->ledger, &err))
		return true;
	replica_stop(r, &err);
	return false;
}

static void tell(struct replica *r, const struct engine_output *o, const struct run *run)
{
	const struct block *last = run->blocks[run->cnt - 1];
	char hash[QHASH_HEX];
	size_t txs = 0;

	for (size_t i = 0; i < run->cnt; i++)
		txs += run->blocks[i]->tx_cnt;
	rlog(r, "info", "executed height=%llu blocks=%zu txs=%zu view=%llu hash=%.16s",
	     (unsigned long long)last->header.height.n, run->cnt, txs,
	     (unsigned long long)o->execute.cert.vote.view.n,
	     hex_encode(hash, last->hash.b, sizeof last->hash.b));
}

void run_execute(struct replica *r, const struct engine_output *o)
{
	struct engine_input in = {.kind = IN_EXECUTED};
	struct run run = {0};

	if (run_build(r, o, &run) && run_store(r, o, &run)) {
		tell(r, o, &run);
		if (r->c.effects.executed != NULL)
			r->c.effects.executed(r->c.effects.ctx, run.blocks, run.cnt);
		txs_executed(r, run.blocks, run.cnt);
		in.executed.height = run.blocks[run.cnt - 1]->header.height;
		in.executed.digests = run.digests;
		in.executed.cnt = run.cnt;
		in.executed.staking = state_staking(ledger_state(r->ledger));
		replica_feed(r, &in);
		bodies_executed(r);
	}
	run_free(&run);
}
