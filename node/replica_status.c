/*
 * replica_status.c: what a replica says of itself to those who ask, why it refused a transaction, and whether
 * what is said of outputs is so.
 */
#include "replica_impl.h"

/* ---- turns ------------------------------------------------------------------------------- */

static const struct qtable *table_for(const struct replica *r, struct qheight h)
{
	const struct qstaking *staking = state_staking(ledger_state(r->ledger));
	struct qheight settled = schedule_settled(stake_rules(r->g), h);

	for (unsigned i = 0; i < staking->settled.settled_len; i++)
		if (staking->settled.settled_val[i].height.n == settled.n)
			return &staking->settled.settled_val[i];
	return NULL;
}

static void turns_status(const struct replica *r, struct replica_turns *out)
{
	const struct qstake_rules *rules = stake_rules(r->g);
	const struct qstaking *staking = state_staking(ledger_state(r->ledger));
	struct qheight next = {ledger_height(r->ledger).n + 1};
	const struct qtable *table = rules ? table_for(r, next) : NULL;
	struct schedule cycle;

	if (!table)
		return;
	schedule_make(r->g, table, &cycle);
	memcpy(out->in_cycle, cycle.weight, sizeof out->in_cycle);
	out->epoch = (next.n - 1) / rules->epoch;
	out->turn = (next.n - 1) % rules->epoch / rules->turn;
	memcpy(out->stakes, staking->stakes.stakes_val, r->g->n * sizeof *out->stakes);
}

/* ---- evidence ----------------------------------------------------------------------------- */

static void evidence_status(const struct dossier *d, struct replica_status *out)
{
	unsigned others = d->forks;

	for (unsigned i = 0; i < Q_REPLICAS_MAX; i++) {
		out->evidence.replica[i] = d->of_replica[i];
		others += d->of_replica[i];
	}
	out->evidence.forks = d->forks;
	out->evidence.double_spends = HASH_COUNT(d->pieces) - others;
}

/* ---- status -------------------------------------------------------------------------------- */

void replica_status(const struct replica *r, struct replica_status *out)
{
	const struct state *state = ledger_state(r->ledger);
	struct seal_parent below = ledger_seal_parent(r->ledger);

	memset(out, 0, sizeof *out);
	r->ops->status(r->engine, &out->engine);
	for (unsigned i = 0; i < r->g->n; i++)
		out->engine.peer[i].seen_ms += out->engine.peer[i].seen_ms ? r->slept_ms : 0;
	out->engine.timer_ms += out->engine.timer_ms ? r->slept_ms : 0;
	out->height = ledger_height(r->ledger);
	out->block_hash = *ledger_tip(r->ledger);
	out->tip_time_ms = below.time_ms;
	out->supply = state_value(state);
	out->unspent = state_count(state);
	out->pool_txs = pool_count(r->pool);
	out->pool_bytes = pool_bytes(r->pool);
	out->transactions = ledger_tx_count(r->ledger);
	if (r->g->g.seal.kind == QSEAL_POW)
		out->target = seal_target(r->g, &below);
	turns_status(r, &out->turns);
	evidence_status(&r->dossier, out);
	out->amnesiac = votes_amnesiac(r->votes);
	if (out->engine.muted)
		out->muted_because = r->muted ? r->muted
		                     : out->amnesiac
		                         ? "its vote log was lost: it waits for a stable checkpoint "
		                           "that covers whatever it may have signed"
		                         : "it muted itself before this start: its operator must decide";
}

void replica_digest(const struct replica *r, struct qhash *out)
{
	state_digest(ledger_state(r->ledger), out);
}

/* ---- outputs --------------------------------------------------------------------------------- */

static bool is_so(const struct state *s, const struct output_said *said)
{
	return (state_find(s, &said->point) != NULL) == said->unspent;
}

size_t replica_disputes(const struct replica *r, const struct output_said *list, size_t cnt,
                        struct qheight *height)
{
	size_t i = 0;

	*height = ledger_height(r->ledger);
	while (i < cnt && is_so(ledger_state(r->ledger), &list[i]))
		i++;
	return i;
}

/* ---- refusals ------------------------------------------------------------------------------ */

void replica_explain(const struct replica *r, const struct tx *tx, struct replica_needs *out)
{
	const struct qstake_rules *rules = stake_rules(r->g);
	const struct qtx_body *body = &tx->q.body;
	struct qheight next = {ledger_height(r->ledger).n + 1};
	bool ever = true;

	*out = (struct replica_needs){0};
	for (unsigned i = 0; rules && i < body->inputs.inputs_len; i++) {
		struct unspent u;
		if (!pool_unspent(r->pool, &body->inputs.inputs_val[i], &u))
			continue;
		out->penalty += stake_penalty(
		    r->g, &u,
		    stake_convicted(ledger_state(r->ledger), NULL, &u, next)); /* parts of the supply */
		ever = ever && u.out.lock.kind != QLOCK_FROZEN;
		if (u.out.lock.kind == QLOCK_RELEASE && u.made_at.n + rules->unbonding > out->free_at.n)
			out->free_at.n = u.made_at.n + rules->unbonding;
	}
	if (!ever)
		out->free_at = qheight_of(0);
}
