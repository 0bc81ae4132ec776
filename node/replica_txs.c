/*
 * replica_txs.c: transactions that come in, from own clients and from peers: admission to the
 * mempool, what the ledger knows of them, those that wait for a parent or a height, double spends kept as
 * evidence, forwarding, and what became of the evicted.
 *
 * In the path of a transaction: before, its signatures were verified (node/verify).  After: it waits in
 * node/pool for a block.
 */
#include <utlist.h>

#include "replica_impl.h"
#include "verify.h"

/* ---- remembered beside the pool ----------------------------------------------------- */

static void seen_drop_oldest(struct replica *r)
{
	struct seen *s = r->seen;

	HASH_DEL(r->seen, s);
	r->seen_bytes -= s->tx->raw_len;
	tx_unref(s->tx);
	free(s);
}

void txs_seen(struct replica *r, struct tx *tx)
{
	struct seen *s;

	r->fresh = true;
	HASH_FIND(hh, r->seen, &tx->leaf, sizeof tx->leaf, s);
	if (s)
		return;
	s = xcalloc(1, sizeof *s);
	s->tx = tx_ref(tx);
	HASH_ADD_KEYPTR(hh, r->seen, &tx->leaf, sizeof tx->leaf, s);
	r->seen_bytes += tx->raw_len;
	while (HASH_COUNT(r->seen) > SEEN_MAX || r->seen_bytes > SEEN_BYTES)
		seen_drop_oldest(r);
}

struct tx *txs_find_leaf(const struct replica *r, const struct qhash *leaf)
{
	struct tx *tx = pool_find_leaf(r->pool, leaf);
	struct seen *s;

	if (tx)
		return tx;
	HASH_FIND(hh, r->seen, leaf, sizeof *leaf, s);
	return s ? s->tx : NULL;
}

static void fate_note(struct replica *r, const struct qtxid *id, enum tx_verdict v,
                      const struct qtxid *winner)
{
	struct fate *f;

	HASH_FIND(hh, r->fates, id, sizeof *id, f);
	if (!f) {
		f = xcalloc(1, sizeof *f);
		f->id = *id;
		HASH_ADD(hh, r->fates, id, sizeof f->id, f);
	}
	f->verdict = v;
	f->winner = winner ? *winner : (struct qtxid){0};
	if (HASH_COUNT(r->fates) > FATES_MAX) {
		f = r->fates;
		HASH_DEL(r->fates, f);
		free(f);
	}
}

enum tx_verdict replica_fate(const struct replica *r, const struct qtxid *id, struct qtxid *winner)
{
	struct fate *f;

	if (pool_find(r->pool, id))
		return TX_KNOWN;
	HASH_FIND(hh, r->fates, id, sizeof *id, f);
	if (!f)
		return TX_UNKNOWN_OUTPUT;
	if (winner)
		*winner = f->winner;
	return f->verdict;
}

/* ---- double spends -------------------------------------------------------- */

/* A pending or final transaction by its id; one reference, or NULL. */
static struct tx *fetch_tx(struct replica *r, const struct qtxid *id)
{
	struct tx *tx = pool_find(r->pool, id);
	struct tx_place place;
	struct bytes raw = {0};
	struct err err = {0};
	enum tx_verdict v;
	enum found found;

	if (tx)
		return tx_ref(tx);
	found = reader_tx(r->reader, id, &place, &raw, &err);
	if (found == FOUND_ERROR)
		replica_stop(r, &err);
	if (found != FOUND)
		return NULL;
	tx = tx_parse(&r->g->chain, raw.data, raw.len, &v);
	bytes_free(&raw);
	return tx;
}

static void note_double_spend(struct replica *r, const struct qtxid *winner, const struct tx *loser)
{
	if (!evidence_wants(r, &loser->id))
		return;
	struct tx *tx = fetch_tx(r, winner);
	if (tx && tx_conflict(tx, loser))
		evidence_double_spend(r, tx, loser);
	tx_unref(tx);
}

/* ---- admission --------------------------------------------------------------------------- */

static bool is_unspent_here(const struct replica *r, const struct qoutpoint *point)
{
	return state_find(ledger_state(r->ledger), point) || pool_output(r->pool, point);
}

/* While a message is dealt with, the first look-up begins a view for them all. */
static bool look(struct replica *r, struct err *err)
{
	if (r->in_message && !r->viewing)
		r->viewing = reader_view(r->reader, err);
	return r->viewing || !r->in_message;
}

/* The ledger cannot be read: this replica stops, its client may try another one. */
static enum tx_verdict unreadable(struct replica *r, struct err *err)
{
	err_prefix(err, "looking for the spender of an output");
	replica_stop(r, err);
	return TX_POOL_FULL;
}

/*
 * Anybody can sign transactions that spend what never was, and each such input is looked for in every part of
 * the ledger's index (schema.sql).  So a turn has a bounded number of these look-ups, and no stranger keeps
 * the thread that votes from voting, however long the chain.
 */
static bool may_look_up(struct replica *r)
{
	if (r->probes >= TURN_PROBES_MAX)
		return false;
	r->probes += 1 + ledger_tx_count(r->ledger) / LEDGER_PART_TXS;
	return true;
}

/* What is not looked up now: own clients ask again, a peer's may be an orphan. */
static enum tx_verdict not_now(const struct replica *r, unsigned source)
{
	return source == r->c.self ? TX_POOL_FULL : TX_UNKNOWN_OUTPUT;
}

/* An input is neither in the state nor in the pool: was it spent? By this very transaction? */
static enum tx_verdict ask_ledger(struct replica *r, const struct tx *tx, unsigned source,
                                  struct qheight *height, struct qtxid *winner)
{
	const struct qtx_body *body = &tx->q.body;
	struct tx_place place = {0};
	struct err err = {0};
	bool known;

	if (!look(r, &err))
		return unreadable(r, &err);
	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *point = &body->inputs.inputs_val[i];
		enum found found;

		if (is_unspent_here(r, point))
			continue;
		if (!may_look_up(r))
			return not_now(r, source);
		found = reader_spender(r->reader, point, winner, &known, &err);
		if (found == NOT_FOUND)
			continue;
		if (found == FOUND_ERROR)
			return unreadable(r, &err);
		if (!qtxid_eq(winner, &tx->id))
			return TX_DOUBLE_SPEND;
		if (reader_tx(r->reader, &tx->id, &place, NULL, &err) == FOUND_ERROR)
			return unreadable(r, &err);
		*height = place.height;
		return TX_FINAL;
	}
	return TX_UNKNOWN_OUTPUT;
}

/*
 * What a peer forwards to a replica that is behind spends what is not here yet, or is in a block already: the
 * ledger need not be asked for that, transaction by transaction, or the replica stays behind for want of
 * time.
 */
static bool is_behind(const struct replica *r)
{
	struct engine_status s;

	r->ops->status(r->engine, &s);
	return s.tip.n > ledger_height(r->ledger).n + 1;
}

static enum tx_verdict admit(struct replica *r, struct tx *tx, unsigned source, struct qheight *height,
                             struct qtxid *winner)
{
	enum tx_verdict v = pool_add(r->pool, tx, source, winner);

	r->fresh = r->fresh || v == TX_OK;
	if (v == TX_UNKNOWN_OUTPUT && (source == r->c.self || !is_behind(r)))
		v = ask_ledger(r, tx, source, height, winner);
	if (v == TX_DOUBLE_SPEND)
		note_double_spend(r, winner, tx);
	return v;
}

/* ---- orphans -------------------------------------------------------------------------------- */

static struct crib *crib_find(const struct replica *r, const struct qtxid *parent)
{
	struct crib *crib;

	HASH_FIND(hh, r->cribs, parent, sizeof *parent, crib);
	return crib;
}

/* The orphan is the caller's then. */
static void orphan_leave(struct replica *r, struct orphan *o)
{
	struct peer_state *peer = &r->peers[o->source];

	DL_DELETE2(o->crib->list, o, sibling_prev, sibling_next);
	if (!o->crib->list) {
		HASH_DEL(r->cribs, o->crib);
		free(o->crib);
	}
	DL_DELETE(peer->orphans, o);
	peer->orphan_cnt--;
	peer->orphan_bytes -= o->tx->raw_len;
}

static void orphan_free(struct orphan *o)
{
	tx_unref(o->tx);
	free(o);
}

static void orphan_drop_oldest(struct replica *r, struct peer_state *peer)
{
	struct orphan *o = peer->orphans;

	orphan_leave(r, o);
	orphan_free(o);
}

/*
 * Forwards of different replicas overtake one another, so a child may come before its parent. It waits
 * outside the pool, by its first missing parent, the oldest making room for the newest.
 */
static void orphan_keep(struct replica *r, struct tx *tx, unsigned source)
{
	const struct qtx_body *body = &tx->q.body;
	struct peer_state *peer = &r->peers[source];
	struct orphan *o = xcalloc(1, sizeof *o);
	unsigned i = 0;

	while (i + 1 < body->inputs.inputs_len && is_unspent_here(r, &body->inputs.inputs_val[i]))
		i++;
	o->crib = crib_find(r, &body->inputs.inputs_val[i].tx);
	if (!o->crib) {
		o->crib = xcalloc(1, sizeof *o->crib);
		o->crib->parent = body->inputs.inputs_val[i].tx;
		HASH_ADD(hh, r->cribs, parent, sizeof o->crib->parent, o->crib);
	}
	o->tx = tx_ref(tx);
	o->source = source;
	DL_APPEND2(o->crib->list, o, sibling_prev, sibling_next);
	DL_APPEND(peer->orphans, o);
	peer->orphan_cnt++;
	peer->orphan_bytes += tx->raw_len;
	while (peer->orphan_cnt > ORPHANS_MAX || peer->orphan_bytes > ORPHANS_BYTES)
		orphan_drop_oldest(r, peer);
}

/* ---- too early ------------------------------------------------------------------------------ */

/* Refused here, but perhaps not by who has executed more: a release that ends, an offence at a height that
 * is reached, a penalty for a conviction. */
static bool may_be_early(enum tx_verdict v)
{
	return v == TX_LOCKED || v == TX_EARLY_OFFENCE || v == TX_PENALTY;
}

/* The first of the peer's; its transaction, a reference. */
static struct tx *early_take(struct peer_state *peer, struct qheight *until)
{
	struct early *early = peer->early;
	struct tx *tx = early->tx;

	*until = early->until;
	DL_DELETE(peer->early, early);
	peer->early_cnt--;
	peer->early_bytes -= tx->raw_len;
	free(early);
	return tx;
}

static void early_keep(struct replica *r, struct tx *tx, unsigned source, struct qheight until)
{
	struct peer_state *peer = &r->peers[source];
	struct early *early, *same;
	struct qheight ignored;

	DL_FOREACH(peer->early, same)
	if (qtxid_eq(&same->tx->id, &tx->id))
		return;
	early = xcalloc(1, sizeof *early);
	early->tx = tx_ref(tx);
	early->until = until;
	DL_APPEND(peer->early, early);
	peer->early_cnt++;
	peer->early_bytes += tx->raw_len;
	while (peer->early_cnt > EARLY_MAX || peer->early_bytes > EARLY_BYTES)
		tx_unref(early_take(peer, &ignored));
}

/* A forwarded transaction, judged now; whether it was admitted. `until`: it may be kept as too early. */
static bool admit_until(struct replica *r, struct tx *tx, unsigned source, struct qheight until)
{
	struct qheight height;
	struct qtxid winner;
	enum tx_verdict v = admit(r, tx, source, &height, &winner);

	if (v == TX_UNKNOWN_OUTPUT)
		orphan_keep(r, tx, source);
	if (may_be_early(v) && ledger_height(r->ledger).n < until.n)
		early_keep(r, tx, source, until);
	if (v != TX_OK && v != TX_KNOWN && v != TX_FINAL)
		txs_seen(r, tx);
	return v == TX_OK;
}

/* Who votes with others is at most a window behind them. */
static bool admit_forwarded(struct replica *r, struct tx *tx, unsigned source)
{
	struct qheight until = ledger_height(r->ledger);

	until.n += r->g->g.params.window;
	return admit_until(r, tx, source, until);
}

/* The orphans of this transaction join those that are to be judged again. */
static void orphans_take(struct replica *r, const struct qtxid *parent, struct orphan **ready)
{
	struct crib *crib;

	while ((crib = crib_find(r, parent)) != NULL) {
		struct orphan *o = crib->list;
		orphan_leave(r, o); /* the last one takes the crib along */
		DL_APPEND(*ready, o);
	}
}

/*
 * This transaction has come, or is final: its orphans are judged again, then those of whoever was admitted.
 * Each once: who spends what its parent never made lacks it still, and is kept for the same parent again.
 */
static void adopt(struct replica *r, const struct qtxid *parent)
{
	struct orphan *ready = NULL, *o;

	orphans_take(r, parent, &ready);
	while ((o = ready) != NULL) {
		DL_DELETE(ready, o);
		if (admit_forwarded(r, o->tx, o->source))
			orphans_take(r, &o->tx->id, &ready);
		orphan_free(o);
	}
}

enum tx_verdict replica_submit(struct replica *r, struct tx *tx, struct qheight *height, struct qtxid *winner)
{
	enum tx_verdict v;

	*height = qheight_of(0);
	*winner = (struct qtxid){0};
	if (replica_stopped(r))
		return TX_POOL_FULL;
	v = admit(r, tx, r->c.self, height, winner);
	if (v == TX_KNOWN)
		pool_mark_own(r->pool, &tx->id);
	if (v == TX_OK)
		adopt(r, &tx->id);
	return v;
}

size_t replica_room(const struct replica *r)
{
	return pool_room(r->pool);
}

void txs_on_txs(struct replica *r, unsigned sender, struct tx *const *txs, size_t tx_cnt)
{
	if (sender == r->c.self)
		return;
	r->in_message = true;
	for (size_t i = 0; i < tx_cnt && !replica_stopped(r); i++)
		if (admit_forwarded(r, txs[i], sender))
			adopt(r, &txs[i]->id);
	if (r->viewing)
		reader_view_end(r->reader);
	r->in_message = r->viewing = false;
}

/* ---- leaving -------------------------------------------------------------------------------- */

static void outcome(struct replica *r, const struct qtxid *id, enum tx_verdict v, uint64_t height,
                    const struct qtxid *winner)
{
	if (r->c.effects.outcome)
		r->c.effects.outcome(r->c.effects.ctx, id, v, qheight_of(height), winner);
}

/* Out of the pool. */
static void left(void *ctx, struct tx *tx, bool own, enum tx_verdict v, struct qheight height,
                 const struct qtxid *winner)
{
	struct replica *r = ctx;

	if (v != TX_FINAL)
		fate_note(r, &tx->id, v, winner);
	if (winner)
		note_double_spend(r, winner, tx);
	if (own)
		outcome(r, &tx->id, v, v == TX_FINAL ? height.n : 0, winner);
}

/* Its orphans are judged anew. */
static void adopt_all(struct replica *r, const struct block *b)
{
	for (size_t i = 0; i < b->tx_cnt && r->cribs; i++)
		adopt(r, &b->txs[i]->id);
}

static void retry_early(struct replica *r)
{
	for (unsigned i = 0; i < r->g->n; i++) {
		for (size_t left = r->peers[i].early_cnt; left > 0 && r->peers[i].early; left--) {
			struct qheight until;
			struct tx *tx = early_take(&r->peers[i], &until);
			if (admit_until(r, tx, i, until))
				adopt(r, &tx->id);
			tx_unref(tx);
		}
	}
}

void txs_executed(struct replica *r, struct block *const *blocks, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		serve_executed(r, blocks[i]);
	pool_executed(r->pool, blocks, cnt, left, r);
	for (size_t i = 0; i < cnt; i++)
		adopt_all(r, blocks[i]);
	retry_early(r);
}

/* ---- forwarding ---------------------------------------------------------------------------- */

static void say_txs(struct replica *r, struct tx *const *txs, size_t cnt)
{
	struct qmessage m = {.kind = QTXS};
	struct qtxs *q = &m.qmessage_u.txs;

	q->txs.txs_val = xcalloc(cnt, sizeof *q->txs.txs_val);
	q->txs.txs_len = (unsigned)cnt;
	for (size_t i = 0; i < cnt; i++)
		q->txs.txs_val[i] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	replica_say(r, &m, replica_others(r));
	free(q->txs.txs_val);
}

void txs_forward(struct replica *r)
{
	struct tx *txs[TXS_MESSAGE_MAX];
	size_t cnt;

	while ((cnt = pool_forward_batch(r->pool, r->now_ms, TXS_MESSAGE_MAX, TXS_MESSAGE_BYTES, txs)) > 0)
		say_txs(r, txs, cnt);
}

/*
 * Half-way through the timeout: what suspicion will rest on is sent to everybody. That is as much as a block
 * holds, the oldest first: an honest proposer that has it can propose it, and then nobody is suspected; under
 * another one all have it, and none of it leaves before something commits. More would suspect no better, and
 * with full pools, at all replicas at once, it would take longer than the timeout to read.
 */
void txs_resend(struct replica *r)
{
	const struct qparams *params = &r->g->g.params;
	size_t txs_left = params->block_txs_max, bytes_left = params->block_bytes_max, cnt;
	struct tx *txs[TXS_MESSAGE_MAX];
	struct qtxid after = {0};

	while (txs_left > 0 &&
	       (cnt = pool_pending_batch(r->pool, r->now_ms, &after,
	                                 txs_left < TXS_MESSAGE_MAX ? txs_left : TXS_MESSAGE_MAX,
	                                 TXS_MESSAGE_BYTES, txs)) > 0) {
		txs_left -= cnt;
		for (size_t i = 0; i < cnt; i++)
			bytes_left -= txs[i]->raw_len < bytes_left ? txs[i]->raw_len : bytes_left;
		say_txs(r, txs, cnt);
		if (bytes_left == 0)
			return;
	}
}

void txs_free(struct replica *r)
{
	struct fate *f, *next_fate;

	while (r->seen)
		seen_drop_oldest(r);
	serve_free(r);
	for (unsigned i = 0; r->peers && i < r->g->n; i++) {
		struct qheight ignored;
		while (r->peers[i].orphans)
			orphan_drop_oldest(r, &r->peers[i]);
		while (r->peers[i].early)
			tx_unref(early_take(&r->peers[i], &ignored));
	}
	HASH_ITER (hh, r->fates, f, next_fate) {
		HASH_DEL(r->fates, f);
		free(f);
	}
}
