/*
 * replica.c: engine, ledger, vote log and mempool assembled, and the loop that obeys the
 * ordering law of consensus/engine.h: persist, then send, then execute.
 *
 * A turn goes round until nothing is left:
 *
 *     work      deal with the engine's outputs: bodies, validation, records into open transactions, what
 *               is to be mined; propose, forward
 *     ask       what promises nothing leaves at once: forwards, questions for bodies
 *     sync      journal and vote log, one fsync each if anything was put; in this order, so that no view
 *               is entered whose NEW-VIEW a crash keeps out of the journal
 *     send      everything else that was posted
 *     execute   certified runs into the ledger (replica_run.c), whose outcome is the engine's next input
 *
 * In the path of a transaction: before, node/verify (peers') or the HTTP interface (own clients').
 * After: effects.send to net/link, effects.outcome to the client that waits.
 */
#include "merkle.h"
#include "replica_impl.h"

/* ---- small -------------------------------------------------------------------- */

void replica_stop(struct replica *r, const struct err *why)
{
	if (replica_stopped(r))
		return;
	must(why->kind != ERR_NONE);
	r->stopped = *why;
	seal_end(r);
	rlog(r, "error", "stop reason=\"%s\"", why->text);
}

bool replica_stopped(const struct replica *r)
{
	return r->stopped.kind != ERR_NONE;
}

uint64_t replica_others(const struct replica *r)
{
	uint64_t all = r->g->n == 64 ? UINT64_MAX : replica_bit(r->g->n) - 1;

	return all & ~replica_bit(r->c.self);
}

void replica_post(struct replica *r, struct message *m, uint64_t to)
{
	to &= replica_others(r);
	if (to == 0) {
		message_unref(m);
		return;
	}
	if (r->parcel_cnt == r->parcel_cap) {
		r->parcel_cap = r->parcel_cap ? 2 * r->parcel_cap : 64;
		r->parcels = xrealloc(r->parcels, r->parcel_cap * sizeof *r->parcels);
	}
	r->parcels[r->parcel_cnt++] = (struct parcel){m, to};
}

void replica_say(struct replica *r, const struct qmessage *m, uint64_t to)
{
	if (to & replica_others(r))
		replica_post(r, message_make(r->g, r->c.self, &r->c.signer, m), to);
}

/* A replica that is behind its certified tip cannot judge what is admissible. */
static bool pending(const struct replica *r, const struct engine_status *s)
{
	return s->executed.n == s->tip.n && pool_pending(r->pool);
}

/* Nobody complains of itself, nor of a proposer that cannot be named. */
static bool unfair(struct replica *r, const struct engine_status *s)
{
	if (s->proposer != r->judged)
		pool_new_proposer(r->pool, r->now_ms);
	r->judged = s->proposer;
	return s->proposer < r->g->n && s->proposer != r->c.self &&
	       pool_unfair(r->pool, r->now_ms, &r->patience);
}

void replica_feed(struct replica *r, struct engine_input *in)
{
	struct engine_status s;

	r->ops->status(r->engine, &s);
	in->now_ms = r->now_ms;
	in->wall_ms = r->wall_ms;
	in->pending = r->told_pending = pending(r, &s);
	in->unfair = unfair(r, &s);
	r->ops->step(r->engine, in, &r->out);
}

/* ---- mining --------------------------------------------------------------------- */

void seal_end(struct replica *r)
{
	if (r->sealing && r->c.effects.seal)
		r->c.effects.seal(r->c.effects.ctx, NULL);
	r->sealing = false;
}

/* What was chosen is not proposed after all: it waits again. */
static void give_back_batch(struct replica *r)
{
	if (r->batch.height.n == 0)
		return;
	pool_release(r->pool, r->batch.height);
	batch_clear(&r->batch);
}

static void seal_stop(struct replica *r)
{
	rlog(r, "debug", "seal_stop height=%llu", (unsigned long long)r->batch.height.n);
	seal_end(r);
	give_back_batch(r);
}

static void feed_sealed(struct replica *r, const struct qheader *header)
{
	r->sealing = false; /* the batch goes with the body of the block, which the engine asks for now */
	replica_feed(r, &(struct engine_input){.kind = IN_SEALED, .sealed.header = *header});
}

static void seal(struct replica *r, const struct qheader *header)
{
	struct qheader sealed = *header;

	must(r->batch.height.n == header->height.n && qhash_eq(&r->batch.root, &header->merkle_root));
	r->sealing = true;
	r->seal = *header;
	if (r->c.effects.seal) {
		r->c.effects.seal(r->c.effects.ctx, header);
		return;
	}
	must(block_mine(header, 0, UINT64_MAX, &sealed.seal.qseal_u.pow.nonce));
	feed_sealed(r, &sealed);
}

/* Is this the header that is being mined, whatever its nonce? */
static bool is_ours(const struct replica *r, const struct qheader *header)
{
	struct qheader asked = r->seal;
	struct qhash want, is;

	if (!r->sealing || header->seal.kind != QSEAL_POW)
		return false;
	asked.seal.qseal_u.pow.nonce = header->seal.qseal_u.pow.nonce;
	block_hash(&asked, &want);
	block_hash(header, &is);
	return qhash_eq(&want, &is);
}

/* ---- the engine's outputs ------------------------------------------------------ */

static void put_journal(struct replica *r, const struct bytes *raw)
{
	struct qjournal entry;
	struct err err = {0};

	must(wire_decode(WIRE(qjournal), raw->data, raw->len, &entry));
	if (!ledger_journal(r->ledger, &entry, &err))
		replica_stop(r, &err);
	wire_free(WIRE(qjournal), &entry);
}

/*
 * Of one kind of record nothing has been said yet: the certificate of a new tip.  It is durable before
 * anything is sent on its strength, as everything is; a turn that has nothing to send leaves it to the next
 * one's sync. If it is lost, so is the memory of the last COMMITs that came in, and what was prepared is
 * still in the log [F5]; or the block was executed, and the ledger has its certificate.
 */
static bool may_wait(enum vote_record_kind kind)
{
	return kind == REC_TIP;
}

static void put_record(struct replica *r, const struct engine_output *o)
{
	struct vote_record record = o->record.key;
	struct err err = {0};

	r->sync_due |= !may_wait(record.kind);
	record.data = o->record.data.data;
	record.len = o->record.data.len;
	if (!votes_put(r->votes, &record, &err))
		replica_stop(r, &err);
}

static void put_block(struct replica *r, const struct engine_output *o)
{
	struct block *b = bodies_find(r, &o->block.hash);
	struct err err = {0};

	must(b); /* the engine asks only for what it was told is here */
	r->sync_due = true;
	if (!votes_put_block(r->votes, b, &err))
		replica_stop(r, &err);
}

static void want_chain(struct replica *r, const struct engine_output *o)
{
	struct qmessage m = {.kind = QGET_CHAIN};

	m.qmessage_u.get_chain.above = o->want_chain.above;
	replica_say(r, &m, replica_bit(o->want_chain.from));
}

static void entered_view(struct replica *r, struct qview view)
{
	rlog(r, "info", "view entered=%llu primary=%llu height=%llu", (unsigned long long)view.n,
	     (unsigned long long)(view.n % r->g->n), (unsigned long long)ledger_height(r->ledger).n);
	pool_new_view(r->pool, r->now_ms);
}

static void handle(struct replica *r, const struct engine_output *o)
{
	switch (o->kind) {
	case OUT_PERSIST:
		put_record(r, o);
		break;
	case OUT_PERSIST_BLOCK:
		put_block(r, o);
		break;
	case OUT_EVIDENCE:
		evidence_found(r, &o->journal);
		break;
	case OUT_JOURNAL:
		put_journal(r, &o->journal);
		break;
	case OUT_SEND:
		replica_post(r, message_ref(o->send.message), o->send.to);
		break;
	case OUT_EXECUTE:
		break; /* after the sync: execute() */
	case OUT_SEAL:
		seal(r, &o->seal);
		break;
	case OUT_SEAL_STOP:
		seal_stop(r);
		break;
	case OUT_WANT_BODY:
		if (r->c.effects.seen)
			r->c.effects.seen(r->c.effects.ctx, o->want_body.header.height);
		bodies_want(r, o);
		break;
	case OUT_VALIDATE:
		bodies_validate(r, &o->block.hash);
		break;
	case OUT_WANT_CHAIN:
		want_chain(r, o);
		break;
	case OUT_RESEND_PENDING:
		txs_resend(r);
		break;
	case OUT_VIEW:
		entered_view(r, o->view);
		break;
	case OUT_MUTE:
		r->muted = o->reason;
		rlog(r, "error", "muted reason=\"%s\"", o->reason);
		break;
	case OUT_HALT:
		r->halt = o->reason;
		break;
	}
}

/* Dealing with an output may feed the engine, which appends further ones. */
static void drain(struct replica *r)
{
	while (r->handled < r->out.cnt && !replica_stopped(r)) {
		struct engine_output o = r->out.list[r->handled++]; /* the list may move */
		handle(r, &o);
	}
}

/* ---- proposing ------------------------------------------------------------------ */

void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->cnt; i++)
		tx_unref(b->txs[i]);
	free(b->txs);
	overlay_unref(b->overlay);
	*b = (struct batch){0};
}

/*
 * A block costs every replica two or three milliseconds of work however little is in it, so full ones are
 * cheap; but waiting costs time, and no fixed delay is right both for a chain that sleeps and for one that is
 * flooded.
 *
 *   - With nothing in flight there is nothing to gain by waiting, unless the processors are busy all the
 * same: while more transactions are being checked here (replica_expect()), the next block waits for them as
 * long as the last one took from its proposal to its execution.  So under load at most half of the time goes
 *     into agreeing, and a proposer who has been idle for that long proposes at once whatever he expects.
 *     Where blocks are sealed nobody waits: the search for the seal takes its time in any case.
 *   - The more is in flight, the fuller a batch has to be: a third of a block with one in flight, two thirds
 *     with two, whole ones beyond.
 */
static bool worth_proposing(struct replica *r, struct qheight height)
{
	const struct qparams *params = &r->g->g.params;
	struct engine_status s;
	uint64_t thirds, waiting = pool_waiting(r->pool), bytes = pool_waiting_bytes(r->pool);
	uint64_t until_ms = r->executed_ms + r->took_ms;

	r->ops->status(r->engine, &s);
	thirds = height.n - 1 - s.tip.n;
	if (thirds > 3)
		thirds = 3;
	bool fills = waiting >= params->block_txs_max || bytes >= params->block_bytes_max;
	if (waiting > 0 && thirds == 0 && !fills && r->expects && r->now_ms < until_ms &&
	    r->g->g.seal.kind == QSEAL_NONE) {
		r->propose_ms = until_ms;
		return false;
	}
	return waiting > 0 && (3 * waiting >= thirds * params->block_txs_max ||
	                       3 * bytes >= thirds * params->block_bytes_max);
}

/* A block was proposed here, or a run was executed. Not above an eighth of the time-out: a disk that stood
 * still for once must not make the next block late, too. */
static void note_pace(struct replica *r, bool executed)
{
	uint64_t took_ms = r->now_ms - r->proposed_ms, most_ms = r->g->timeout_ms / 8;

	if (!executed) {
		r->proposed_ms = r->proposed_ms == 0 ? r->now_ms : r->proposed_ms;
		return;
	}
	if (r->proposed_ms != 0)
		r->took_ms = took_ms < most_ms ? took_ms : most_ms;
	r->proposed_ms = 0;
	r->executed_ms = r->now_ms;
}

static bool choose_batch(struct replica *r, struct qheight height, const struct qhash *parent)
{
	const struct qparams *params = &r->g->g.params;
	struct overlay *below = NULL;
	struct batch *b = &r->batch;

	if (!qhash_eq(parent, ledger_tip(r->ledger)) && bodies_overlay(r, parent, &below) != BUILT)
		return false;
	must(b->height.n == 0);
	b->overlay = overlay_new(ledger_state(r->ledger), below, height);
	b->txs = xcalloc(params->block_txs_max, sizeof(struct tx *));
	b->cnt =
	    pool_choose(r->pool, b->overlay, height, params->block_txs_max, params->block_bytes_max, b->txs);
	for (size_t i = 0; i < b->cnt; i++)
		tx_ref(b->txs[i]);
	b->height = height;
	b->parent = *parent;
	return b->cnt > 0;
}

/* The engine did not want the block. */
static void drop_batch(struct replica *r)
{
	rlog(r, "warn", "proposal_dropped height=%llu", (unsigned long long)r->batch.height.n);
	give_back_batch(r);
}

/* True: there may be more to propose. */
static bool propose(struct replica *r)
{
	struct engine_input in = {.kind = IN_PROPOSE};
	struct batch *b = &r->batch;
	struct qheight height;
	struct qhash parent, *leaves;

	r->propose_ms = UINT64_MAX;
	if (!r->ops->can_propose(r->engine, &height, &parent) || !worth_proposing(r, height))
		return false;
	if (!choose_batch(r, height, &parent)) {
		batch_clear(b);
		return false;
	}
	leaves = xcalloc(b->cnt, sizeof *leaves);
	for (size_t i = 0; i < b->cnt; i++)
		leaves[i] = b->txs[i]->leaf;
	merkle_root(leaves, b->cnt, &b->root);
	in.propose.leaves = leaves;
	in.propose.leaf_cnt = b->cnt;
	note_pace(r, false);
	replica_feed(r, &in);
	free(leaves);
	drain(r); /* the engine wants the body of its own block too: that takes the batch */
	if (b->height.n == 0)
		return true;
	if (!r->sealing)
		drop_batch(r);
	return false;
}

/* ---- the turn --------------------------------------------------------------------- */

static void work(struct replica *r)
{
	bodies_fill(r);
	drain(r);
	while (!replica_stopped(r) && !r->halt && propose(r))
		;
	txs_forward(r);
	bodies_ask(r);
}

/* What a vote log may forget goes with the next commit. */
static bool prune(struct replica *r, const struct engine_status *s, struct err *err)
{
	struct qheight executed = ledger_height(r->ledger);
	struct qheight records = s->stable.n < executed.n ? s->stable : executed;

	if (executed.n == r->pruned_blocks && records.n == r->pruned_records)
		return true;
	r->pruned_blocks = executed.n;
	r->pruned_records = records.n;
	return votes_prune(r->votes, executed, records, err);
}

static void sync_stores(struct replica *r)
{
	struct engine_status s;
	struct err err = {0};

	if (replica_stopped(r))
		return;
	r->ops->status(r->engine, &s);
	if (votes_amnesiac(r->votes) && !s.muted) {
		rlog(r, "info", "recovered stable=%llu", (unsigned long long)s.stable.n);
		r->sync_due = true;
		if (!votes_recovered(r->votes, &err))
			replica_stop(r, &err);
	}
	if (!replica_stopped(r) && !(prune(r, &s, &err) && ledger_commit(r->ledger, &err)))
		replica_stop(r, &err);
	if (replica_stopped(r) || (r->parcel_cnt == 0 && !r->sync_due))
		return;
	if (!votes_commit(r->votes, &err))
		replica_stop(r, &err);
	r->sync_due = false;
}

/* Nothing of what this replica remembers is in it, so it need not be durable first. */
static bool promises_nothing(enum qkind kind)
{
	return kind == QTXS || kind == QGET_TXS || kind == QGET_BODIES;
}

/* Before sync_stores(): what promises nothing; after it: the rest. */
static void send_parcels(struct replica *r, bool synced)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->parcel_cnt; i++) {
		struct parcel *p = &r->parcels[i];
		if (!synced && !promises_nothing(p->message->m.kind)) {
			r->parcels[kept++] = *p;
			continue;
		}
		if (!replica_stopped(r))
			r->c.effects.send(r->c.effects.ctx, p->message, p->to);
		message_unref(p->message);
	}
	if (kept < r->parcel_cnt && r->c.effects.sent)
		r->c.effects.sent(r->c.effects.ctx);
	r->parcel_cnt = kept;
}

static void stop_if_halted(struct replica *r)
{
	struct err err = {0};

	if (!r->halt)
		return;
	err_set(&err, ERR_WORLD, "%s; this replica stops: its ledger is as it was, keep it as evidence",
	        r->halt);
	replica_stop(r, &err);
}

/* Only after send_parcels(). What the engine says to it is the next round's work. False: there was nothing.
 */
static bool execute(struct replica *r)
{
	struct engine_outputs done = r->out;
	bool any = false;

	r->out = (struct engine_outputs){0};
	r->handled = 0;
	for (size_t i = 0; i < done.cnt && !replica_stopped(r); i++) {
		if (done.list[i].kind != OUT_EXECUTE)
			continue;
		run_execute(r, &done.list[i]);
		any = true;
	}
	engine_outputs_clear(&done);
	if (any)
		note_pace(r, true);
	return any;
}

bool replica_lags(const struct replica *r)
{
	struct engine_status s;

	r->ops->status(r->engine, &s);
	return s.tip.n > s.executed.n + r->g->g.params.window;
}

static void tell_progress(struct replica *r)
{
	struct engine_status s;
	uint64_t best = 0;

	if (r->now_ms < r->told_ms + 1000)
		return;
	r->ops->status(r->engine, &s);
	for (unsigned i = 0; i < r->g->n; i++)
		if (i != r->c.self && s.peer[i].tip.n > best)
			best = s.peer[i].tip.n;
	if (best <= s.executed.n + r->g->g.params.window)
		return;
	r->told_ms = r->now_ms;
	rlog(r, "info", "catching_up executed=%llu certified=%llu peers=%llu",
	     (unsigned long long)s.executed.n, (unsigned long long)s.tip.n, (unsigned long long)best);
}

/* The engine's timers start when it is told that something is pending, so it is told at once. */
static bool tick_due(const struct replica *r)
{
	struct engine_status s;

	r->ops->status(r->engine, &s);
	return r->now_ms >= r->ops->deadline(r->engine) || pending(r, &s) != r->told_pending;
}

bool replica_turn(struct replica *r, struct err *err)
{
	if (!replica_stopped(r)) {
		pool_reforward(r->pool, r->now_ms, &r->patience);
		if (tick_due(r))
			replica_feed(r, &(struct engine_input){.kind = IN_TICK});
		tell_progress(r);
		evidence_ask(r);
	}
	do {
		work(r);
		send_parcels(r, false);
		sync_stores(r);
		send_parcels(r, true);
		stop_if_halted(r);
	} while (!replica_stopped(r) && (execute(r) || r->out.cnt > 0));
	r->probes = 0;
	if (replica_stopped(r) && err)
		*err = r->stopped;
	return !replica_stopped(r);
}

uint64_t replica_deadline(const struct replica *r)
{
	uint64_t engine_ms = r->ops->deadline(r->engine);

	uint64_t at = r->ask_ms < engine_ms ? r->ask_ms : engine_ms;

	if (r->propose_ms < at)
		at = r->propose_ms;
	return at < UINT64_MAX - r->slept_ms ? at + r->slept_ms : UINT64_MAX;
}

void replica_clock(struct replica *r, uint64_t now_ms, uint64_t wall_ms)
{
	must(now_ms >= r->now_ms + r->slept_ms);
	uint64_t passed_ms = now_ms - r->slept_ms - r->now_ms;

	/* A turn is due every second. Whoever was not woken for longer (paused, starved, waiting for a disk)
	 * has messages waiting that it has not read: it must not take its own absence for a faulty
	 * proposer's. */
	if (passed_ms > SLEPT_MS) {
		r->slept_ms += passed_ms - SLEPT_COUNTS_MS;
		passed_ms = SLEPT_COUNTS_MS;
	}
	r->now_ms += passed_ms;
	r->wall_ms = wall_ms;
}

void replica_expect(struct replica *r, bool more)
{
	r->expects = more;
}

void replica_message(struct replica *r, struct message *m, struct tx *const *txs, size_t tx_cnt)
{
	if (replica_stopped(r))
		return;
	switch (m->m.kind) {
	case QTXS:
		txs_on_txs(r, m->sender, txs, tx_cnt);
		break;
	case QBODY:
		bodies_on_body(r, m, txs, tx_cnt);
		break;
	case QGET_TXS:
		serve_get_txs(r, m);
		break;
	case QGET_BODIES:
		serve_get_bodies(r, m);
		break;
	case QGET_CHAIN:
		serve_get_chain(r, m);
		break;
	case QGET_EVIDENCE:
		evidence_serve(r, m);
		break;
	case QEVIDENCE:
		evidence_on(r, m);
		break;
	case QPRE_PREPARE:
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
	case QVIEW_CHANGE:
	case QNEW_VIEW:
	case QSTATUS:
	case QCHAIN:
		replica_feed(r, &(struct engine_input){.kind = IN_MESSAGE, .message = m});
		break;
	}
	drain(r);
}

void replica_sealed(struct replica *r, const struct qheader *header)
{
	struct qhash hash;

	if (replica_stopped(r) || !is_ours(r, header))
		return;
	block_hash(header, &hash);
	if (!seal_holds(r->g, header, &hash)) { /* a faulty miner, or memory */
		rlog(r, "error", "seal_wrong height=%llu", (unsigned long long)header->height.n);
		r->c.effects.seal(r->c.effects.ctx, &r->seal);
		return;
	}
	feed_sealed(r, header);
	drain(r);
	if (r->batch.height.n != 0 && !r->sealing)
		drop_batch(r);
}
