/*
 * replica_open.c: a replica's start and end: its two files opened, the engine restored from what
 * they hold.
 */
#include "replica_impl.h"

/* What votes_load() hands over, kept until the engine was made. */
struct loaded {
	struct replica *r;
	struct vote_record *records; /* data owned */
	size_t record_cnt, record_cap;
	struct block **blocks; /* a reference each */
	size_t block_cnt, block_cap;
};

static void take_record(void *ctx, const struct vote_record *record)
{
	struct loaded *l = ctx;

	if (l->record_cnt == l->record_cap) {
		l->record_cap = l->record_cap ? 2 * l->record_cap : 64;
		l->records = xrealloc(l->records, l->record_cap * sizeof *l->records);
	}
	l->records[l->record_cnt] = *record;
	l->records[l->record_cnt++].data = xmemdup(record->data, record->len);
}

/* What was executed since is in the ledger. */
static void take_block(void *ctx, struct block *block)
{
	struct loaded *l = ctx;

	if (block->header.height.n <= ledger_height(l->r->ledger).n)
		return;
	if (l->block_cnt == l->block_cap) {
		l->block_cap = l->block_cap ? 2 * l->block_cap : 16;
		l->blocks = xrealloc(l->blocks, l->block_cap * sizeof *l->blocks);
	}
	l->blocks[l->block_cnt++] = block_ref(block);
	bodies_put(l->r, block);
}

static void loaded_free(struct loaded *l)
{
	for (size_t i = 0; i < l->record_cnt; i++)
		free((void *)l->records[i].data);
	free(l->records);
	for (size_t i = 0; i < l->block_cnt; i++)
		block_unref(l->blocks[i]);
	free(l->blocks);
}

/* Certificates of the ledger; *has: there is one. */
static bool load_cert(struct replica *r, bool (*get)(struct ledger *, struct qcert *, struct err *),
                      struct qcert *cert, bool *has, struct err *err)
{
	struct err why = {0};

	*has = get(r->ledger, cert, &why);
	if (*has || why.kind == ERR_NONE)
		return true;
	if (err)
		*err = why;
	return false;
}

/* The newest checkpoint height that was executed: its CHECKPOINT may be due, and costs nothing at the tip. */
static bool load_checkpoint(struct replica *r, const struct loaded *l, struct engine_restore *restore,
                            struct err *err)
{
	struct qheight point = restore->executed;

	point.n -= point.n % r->g->g.params.checkpoint_interval;
	bool signed_already = restore->stable && restore->stable->vote.height.n >= point.n;
	for (size_t i = 0; i < l->record_cnt; i++)
		signed_already = signed_already ||
		                 (l->records[i].kind == REC_CHECKPOINT && l->records[i].height.n >= point.n);
	if (point.n == 0 || (signed_already && point.n != restore->executed.n))
		return true;
	restore->checkpoint.height = point;
	return ledger_digest_at(r->ledger, point, &restore->checkpoint.block, &restore->checkpoint.state,
	                        err);
}

/* CO3: what was executed where this replica sent a COMMIT. */
static bool load_committed(struct replica *r, const struct loaded *l, struct qhash *at, struct err *err)
{
	for (size_t i = 0; i < l->record_cnt; i++) {
		const struct vote_record *rec = &l->records[i];
		if (rec->kind == REC_COMMIT && rec->height.n > 0 &&
		    rec->height.n <= ledger_height(r->ledger).n &&
		    !ledger_block_at(r->ledger, rec->height, &at[i], err))
			return false;
	}
	return true;
}

static bool create_engine(struct replica *r, const struct loaded *l, struct err *err)
{
	struct engine_config config = {
	    .genesis = r->g, .self = r->c.self, .signer = r->c.signer, .amnesiac = votes_amnesiac(r->votes)};
	struct engine_restore restore = {.executed = ledger_height(r->ledger),
	                                 .executed_hash = *ledger_tip(r->ledger),
	                                 .executed_seal = ledger_seal_parent(r->ledger),
	                                 .staking = state_staking(ledger_state(r->ledger)),
	                                 .records = l->records,
	                                 .record_cnt = l->record_cnt,
	                                 .blocks = l->blocks,
	                                 .block_cnt = l->block_cnt};
	struct qcert tip = {0}, stable = {0};
	bool has_tip = false, has_stable = false;
	struct qhash *executed_at = xcalloc(l->record_cnt ? l->record_cnt : 1, sizeof *executed_at);

	if (load_cert(r, ledger_tip_cert, &tip, &has_tip, err) &&
	    load_cert(r, ledger_stable_cert, &stable, &has_stable, err)) {
		restore.executed_cert = has_tip ? &tip : NULL;
		restore.stable = has_stable ? &stable : NULL;
		restore.executed_at = executed_at;
		if (load_checkpoint(r, l, &restore, err) /* RE4 */ && load_committed(r, l, executed_at, err))
			r->engine = r->ops->create(&config, &restore, &r->out, r->now_ms, err);
	}
	free(executed_at);
	if (has_tip)
		wire_free(WIRE(qcert), &tip);
	if (has_stable)
		wire_free(WIRE(qcert), &stable);
	return r->engine != NULL;
}

static void ledger_commits(void *ctx, bool begins)
{
	const struct replica *r = ctx;

	r->c.effects.committing(r->c.effects.ctx, STORE_LEDGER, begins);
}

static void votes_commits(void *ctx, bool begins)
{
	const struct replica *r = ctx;

	r->c.effects.committing(r->c.effects.ctx, STORE_VOTES, begins);
}

static void watch_files(struct replica *r)
{
	if (!r->c.effects.committing)
		return;
	ledger_watch(r->ledger, ledger_commits, r);
	votes_watch(r->votes, votes_commits, r);
}

static bool open_files(struct replica *r, struct err *err)
{
	r->ledger = ledger_open(r->c.ledger_path, r->g, r->c.vfs, err);
	if (!r->ledger)
		return false;
	r->reader = reader_open(r->c.ledger_path, r->c.vfs, err);
	if (!r->reader)
		return false;
	if (!evidence_load(r, err))
		return false;
	r->votes = votes_open(r->c.votes_path, r->c.key, r->c.vfs, err);
	if (!r->votes)
		return false;
	watch_files(r);
	return true;
}

static void set_patience(struct replica *r)
{
	const struct qparams *p = &r->g->g.params;
	uint64_t blocks = (p->pool_source_max + (uint64_t)p->block_txs_max - 1) / p->block_txs_max;

	r->patience.timeout_ms = r->g->timeout_ms;
	r->patience.passed_max = r->g->n * blocks + p->window + 8; /* protocol.md, "Fairness" */
}

struct replica *replica_open(const struct replica_config *c, uint64_t now_ms, struct err *err)
{
	struct replica *r = xcalloc(1, sizeof *r);
	struct loaded loaded = {.r = r};
	bool ok;

	must(c->self < c->genesis->n && c->effects.send);
	r->c = *c;
	r->g = c->genesis;
	r->ops = &pbft_engine;
	r->now_ms = now_ms;
	r->ask_ms = r->propose_ms = UINT64_MAX;
	r->peers = xcalloc(r->g->n, sizeof *r->peers);
	set_patience(r);
	ok = open_files(r, err);
	if (ok) {
		r->pool = pool_new(r->g, ledger_state(r->ledger), r->c.self, ledger_height(r->ledger));
		ok = votes_load(r->votes, &r->g->chain, take_record, take_block, &loaded, err) &&
		     create_engine(r, &loaded, err);
	}
	loaded_free(&loaded);
	if (!ok) {
		replica_close(r);
		return NULL;
	}
	rlog(r, "info", "open engine=%s replica=%u height=%llu amnesiac=%d", r->ops->name, r->c.self,
	     (unsigned long long)ledger_height(r->ledger).n, votes_amnesiac(r->votes));
	return r;
}

void replica_close(struct replica *r)
{
	if (!r)
		return;
	seal_end(r);
	for (size_t i = 0; i < r->parcel_cnt; i++)
		message_unref(r->parcels[i].message);
	free(r->parcels);
	engine_outputs_clear(&r->out);
	if (r->engine)
		r->ops->destroy(r->engine);
	batch_clear(&r->batch);
	bodies_free(r);
	txs_free(r);
	evidence_free(r);
	pool_free(r->pool);
	free(r->peers);
	if (r->votes)
		votes_close(r->votes);
	if (r->reader)
		reader_close(r->reader);
	if (r->ledger)
		ledger_close(r->ledger);
	free(r);
}
