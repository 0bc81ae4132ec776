/*
 * world_life.c: the birth, crashes and restarts of replicas, and the time that passes.  See world.h.
 */
#include "world.h"

#include "crypto.h"

static bool alive(const struct world *w, unsigned i)
{
	return w->r[i].e != NULL;
}

/* ---- time ------------------------------------------------------------------------ */

void world_settle(struct world *w)
{
	w->events = 0;
	while (net_next_ms(w) <= w->now_ms)
		net_deliver_one(w);
}

/* In the world's time; its deadline is in its own. */
static uint64_t deadline(const struct world *w, unsigned i)
{
	const struct replica *r = &w->r[i];
	if (!r->e || r->paused)
		return UINT64_MAX;
	uint64_t at = pbft_engine.deadline(r->e);
	return at == UINT64_MAX ? at : at > r->skew_ms ? at - r->skew_ms : 0;
}

static uint64_t next_ms(const struct world *w)
{
	uint64_t at = net_next_ms(w);
	for (unsigned i = 0; i < w->n; i++) {
		uint64_t d = deadline(w, i);
		at = d < at ? d : at;
		for (size_t k = 0; w->r[i].e && !w->r[i].paused && k < w->r[i].want_cnt; k++)
			at = w->r[i].wants[k].next_ms < at ? w->r[i].wants[k].next_ms : at;
	}
	return at;
}

void world_run(struct world *w, uint64_t ms)
{
	uint64_t end = w->now_ms + ms;
	unsigned idle[Q_REPLICAS_MAX] = {0};
	for (;;) {
		world_settle(w);
		uint64_t at = next_ms(w);
		if (at > end)
			break;
		if (at > w->now_ms) {
			w->now_ms = at;
			memset(idle, 0, sizeof idle);
		}
		world_settle(w);
		net_retry_wants(w);
		for (unsigned i = 0; i < w->n; i++) {
			if (deadline(w, i) > w->now_ms)
				continue;
			world_tick(w, i);
			if (++idle[i] > 8)
				world_broken(w, "replica %u spins: its deadline stays in the past", i);
		}
	}
	w->now_ms = end;
}

bool world_run_to(struct world *w, uint64_t height, uint64_t ms)
{
	for (uint64_t end = w->now_ms + ms;; world_run(w, 20)) {
		bool all = true;
		for (unsigned i = 0; i < w->n; i++)
			all = all && (w->r[i].traitor || !w->r[i].e || w->r[i].disk.height >= height);
		if (all || w->now_ms >= end)
			return all;
	}
}

void world_goes_on(struct world *w)
{
	uint64_t height = 0;
	world_say(w, "-- and the chain goes on");
	w->quiet = true;
	for (unsigned i = 0; i < w->n; i++)
		if (world_height(w, i) > height)
			height = world_height(w, i);
	w->auto_propose = true;
	world_submit(w, ALL);
	if (!world_run_to(w, height + 1, 60000))
		world_broken(w, "the chain stands still");
}

void world_time_out(struct world *w, uint64_t replicas)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct engine_status before, s;
		if (!(replicas & ONLY(i)) || !alive(w, i))
			continue;
		pbft_engine.status(w->r[i].e, &before);
		for (unsigned k = 0; k < 4; k++) {
			world_tick(w, i);
			w->r[i].skew_ms += w->g.timeout_cap_ms;
			world_tick(w, i);
			pbft_engine.status(w->r[i].e, &s);
			if (s.asked.n > before.asked.n)
				break;
		}
	}
}

/* ---- birth, crash, restart ------------------------------------------------------- */

static void sign_as(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	const struct sign_as *s = ctx;
	ident_sign(s->w->ids[s->i], &s->w->g.chain, body, len, sig);
}

struct message *world_sign(struct world *w, unsigned i, const struct qmessage *m)
{
	struct signer s = {sign_as, &w->signers[i]};
	return message_make(&w->g, i, &s, m);
}

/* ---- stakes and seals ------------------------------------------------------------ */

static void put_table(const struct world *w, uint64_t height, struct qtable *t)
{
	t->height = qheight_of(height);
	t->stakes.stakes_len = w->n;
	t->stakes.stakes_val = xcalloc(Q_REPLICAS_MAX, sizeof(struct qstake));
	w->modes.stakes(height, t->stakes.stakes_val);
}

/* The tables that the heights above this one need: of the end of this epoch's predecessor, and of the one
 * before. */
struct qstaking world_staking(const struct world *w, uint64_t height)
{
	const struct qstake_rules *r = stake_rules(&w->g);
	struct qstaking s = {0};
	if (!r)
		return s;
	s.convicted.convicted_len = w->n;
	s.convicted.convicted_val = xcalloc(Q_REPLICAS_MAX, sizeof(struct qheight));
	uint64_t epoch = height / r->epoch;
	s.settled.settled_val = xcalloc(Q_TABLES_MAX, sizeof(struct qtable));
	if (epoch > 0)
		put_table(w, (epoch - 1) * r->epoch, &s.settled.settled_val[s.settled.settled_len++]);
	put_table(w, epoch * r->epoch, &s.settled.settled_val[s.settled.settled_len++]);
	return s;
}

/* From the genesis up, as anybody would who has all headers. */
struct seal_parent world_seal_parent(const struct world *w, const struct qhash *block)
{
	struct seal_parent p;
	const struct wblock *b = world_block(w, block);
	if (!b) {
		seal_genesis(&w->g, &p);
		return p;
	}
	p = world_seal_parent(w, &b->header.parent);
	seal_extend(&p, &b->header);
	return p;
}

static void start(struct world *w, unsigned i)
{
	struct replica *r = &w->r[i];
	struct disk *d = &r->disk;
	struct engine_outputs out = {0};
	struct err err = {0};
	struct engine_config c = {
	    .genesis = &w->g, .self = i, .signer = {sign_as, &w->signers[i]}, .amnesiac = r->amnesiac};
	struct engine_restore restore = {.executed = qheight_of(d->height),
	                                 .executed_hash = w->g.chain,
	                                 .executed_seal = world_seal_parent(w, &w->g.chain)};
	struct qstaking staking = world_staking(w, d->height);
	struct vote_record *records = xcalloc(d->record_cnt + 1, sizeof *records);
	struct qhash *executed_at = xcalloc(d->record_cnt + 1, sizeof *executed_at);
	struct block **blocks = xcalloc(d->block_cnt + 1, sizeof *blocks);
	if (d->height > 0) {
		restore.executed_hash = d->executed[d->height].block;
		restore.executed_seal = world_seal_parent(w, &restore.executed_hash);
		restore.executed_cert = &d->executed[d->height].cert;
	}
	restore.stable = d->has_stable ? &d->stable : NULL;
	uint64_t point = d->height - d->height % w->g.g.params.checkpoint_interval;
	restore.checkpoint.height = qheight_of(point);
	restore.checkpoint.block = d->executed[point].block;
	restore.checkpoint.state = d->executed[point].digest;
	for (size_t k = 0; k < d->record_cnt; k++) {
		records[k] = d->records[k].key;
		records[k].data = d->records[k].data.data;
		records[k].len = d->records[k].data.len;
		if (records[k].kind == REC_COMMIT && records[k].height.n <= d->height)
			executed_at[k] = d->executed[records[k].height.n].block;
	}
	for (size_t k = 0; k < d->block_cnt; k++) {
		struct wblock *b = world_block(w, &d->blocks[k]);
		b->holds |= ONLY(i);
		if (b->header.height.n > d->height)
			blocks[restore.block_cnt++] = block_new(&b->header, NULL, 0);
	}
	for (uint64_t h = 1; h <= d->height; h++)
		world_block(w, &d->executed[h].block)->holds |= ONLY(i);
	restore.staking = &staking;
	restore.records = records;
	restore.executed_at = executed_at;
	restore.record_cnt = d->record_cnt;
	restore.blocks = blocks;
	r->e = pbft_engine.create(&c, &restore, &out, w->now_ms + r->skew_ms, &err);
	for (size_t k = 0; k < restore.block_cnt; k++)
		block_unref(blocks[k]);
	free(blocks);
	free(executed_at);
	free(records);
	wire_free(WIRE(qstaking), &staking);
	if (!r->e)
		world_broken(w, "replica %u does not start: %s", i, err.text);
	turn_finish(w, i, &out);
	turn_drain(w);
}

void world_crash(struct world *w, unsigned i)
{
	struct replica *r = &w->r[i];
	if (!r->e)
		return;
	world_say(w, "%u crashes", i);
	pbft_engine.destroy(r->e);
	r->e = NULL;
	r->life++; /* what was to be told to the old one is told to nobody */
	turn_forget_held(r);
	r->mining = false;
	disk_crash(&r->disk);
	net_forget_wants(w, i);
	for (size_t k = 0; k < w->block_cnt; k++)
		w->blocks[k]->holds &= BUT(i);
	for (size_t k = 0; k < w->leaf_cnt; k++)
		w->leaves[k].at &= BUT(i); /* pools are memory */
}

void world_restart(struct world *w, unsigned i)
{
	must(!w->r[i].e && !w->r[i].traitor);
	world_say(w, "%u restarts", i);
	start(w, i);
	world_tick(w, i);
}

struct qparams world_params(void)
{
	struct qparams p = genesis_default_params();
	p.checkpoint_interval = 4;
	p.window = 4;
	p.timeout_ms = 1000;
	p.timeout_cap_ms = 16000;
	return p;
}

struct world *world_new_with(unsigned n, uint64_t traitors, const struct qparams *params, uint64_t seed)
{
	return world_new_in(n, traitors, params, seed, &(struct world_modes){0});
}

struct world *world_new_in(unsigned n, uint64_t traitors, const struct qparams *params, uint64_t seed,
                           const struct world_modes *modes)
{
	struct world *w = xcalloc(1, sizeof *w);
	struct qgenesis *g = &w->g.g;
	w->modes = *modes;
	g->seal = modes->seal;
	g->proposer = modes->proposer;
	struct err err = {0};
	char text[64];
	if (!crypto_init(&err))
		fail_msg("%s", err.text);
	g->format = 1;
	g->name = xstrdup("scenario");
	g->time_ms = 1700000000000;
	g->params = *params;
	g->replicas.replicas_len = n;
	g->replicas.replicas_val = xcalloc(n, sizeof *g->replicas.replicas_val);
	for (unsigned i = 0; i < n; i++) {
		uint8_t key[32] = {[0] = (uint8_t)(i + 1)};
		w->ids[i] = ident_from_seed(key);
		w->signers[i] = (struct sign_as){w, i};
		snprintf(text, sizeof text, "replica-%u", i);
		g->replicas.replicas_val[i].name = xstrdup(text);
		snprintf(text, sizeof text, "tcp://127.0.0.1:%u", 7000 + i);
		g->replicas.replicas_val[i].address = xstrdup(text);
		g->replicas.replicas_val[i].key = ident_key(w->ids[i]);
		if (modes->proposer.kind == QPROPOSER_STAKE) {
			g->replicas.replicas_val[i].account.account_len = 1;
			g->replicas.replicas_val[i].account.account_val = xcalloc(1, sizeof(struct qaddress));
			g->replicas.replicas_val[i].account.account_val->b[0] = (uint8_t)(i + 1);
		}
	}
	g->allocations.allocations_len = 1;
	g->allocations.allocations_val = xcalloc(1, sizeof(struct qoutput));
	g->allocations.allocations_val[0].amount = 1;
	if (!genesis_finish(&w->g, &err))
		fail_msg("%s", err.text);
	w->n = w->g.n;
	w->r = xcalloc(n, sizeof *w->r);
	w->f = w->g.f;
	w->q = w->g.quorum;
	w->random = seed;
	w->now_ms = 1;
	for (unsigned i = 0; i < n; i++) {
		w->r[i].traitor = (traitors & ONLY(i)) != 0;
		if (!w->r[i].traitor)
			start(w, i);
	}
	for (unsigned i = 0; i < n; i++)
		world_tick(w, i);
	world_settle(w);
	return w;
}

struct world *world_new(unsigned n, uint64_t traitors)
{
	struct qparams p = world_params();
	return world_new_with(n, traitors, &p, 1);
}

void world_end(struct world *w, const char *name)
{
	trace_compare(w, name);
	world_free(w);
}

void world_free(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		pbft_engine.destroy(w->r[i].e);
		turn_forget_held(&w->r[i]);
		net_forget_wants(w, i);
		disk_free(&w->r[i].disk);
		ident_free(w->ids[i]);
	}
	net_free(w);
	check_free(w);
	for (size_t k = 0; k < w->block_cnt; k++) {
		free(w->blocks[k]->leaves);
		free(w->blocks[k]);
	}
	free(w->blocks);
	free(w->leaves);
	free(w->todo);
	free(w->trace);
	wire_free(WIRE(qgenesis), &w->g.g);
	free(w->r);
	free(w);
}

/* ---- looking --------------------------------------------------------------------- */

struct engine_status world_status(const struct world *w, unsigned i)
{
	struct engine_status s;
	must(w->r[i].e);
	pbft_engine.status(w->r[i].e, &s);
	return s;
}

uint64_t world_height(const struct world *w, unsigned i)
{
	return w->r[i].disk.height;
}

const struct wblock *world_executed(const struct world *w, unsigned i, uint64_t height)
{
	const struct disk *d = &w->r[i].disk;
	return height > 0 && height <= d->height ? world_block(w, &d->executed[height].block) : NULL;
}
