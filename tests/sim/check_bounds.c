/*
 * check_bounds.c: nothing of a replica grows without bound, whatever is done to it. The bounds are those that
 * the product's headers document, counted from its private structures; this is the one checker that reads
 * them all.
 *
 * Messages: what a replica says in one turn is bounded by what it was told in it, and what it was told is
 * bounded here by the network: so the bounds on messages are no proof, but a run that never ends (two that
 * answer one another for ever) crosses them.
 */
#include "check_impl.h"

#include "pool_impl.h"

/* Crossed only by a storm that feeds itself; the greatest ever seen are a tenth of them. */
#define TURN_MESSAGES_MAX 20000
#define SECOND_MESSAGES_MAX 50000
#define INSTANT_EVENTS_MAX 200000

struct bound {
	const char *what;
	uint64_t have, max;
};

static void hold(const struct machine *m, const struct bound *bounds, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (bounds[i].have > bounds[i].max)
			sim_broken(m->sim, "bounds: replica %u has %" PRIu64 " %s, not at most %" PRIu64,
			           m->id, bounds[i].have, bounds[i].what, bounds[i].max);
}

/* ---- the mempool and what is remembered beside it ------------------------------------------------------ */

static void hold_pool(const struct machine *m)
{
	const struct pool *p = m->replica->pool;
	const struct genesis *g = &m->sim->g;
	uint64_t share = POOL_BYTES / g->n, entries = 0, bytes = 0, own = g->g.params.pool_source_max;

	share = share < POOL_BYTES_PEER_MIN ? POOL_BYTES_PEER_MIN : share;
	for (unsigned i = 0; i < g->n; i++) {
		bool mine = i == m->id;
		struct bound bounds[] = {
		    {"transactions of one source in its pool", p->sources[i].cnt, mine ? own : 2 * own},
		    {"bytes of one source in its pool", p->sources[i].bytes, mine ? share / 2 : share},
		};
		hold(m, bounds, sizeof bounds / sizeof *bounds);
		entries += p->sources[i].cnt;
		bytes += p->sources[i].bytes;
	}
	if (entries != pool_count(p) || bytes != p->bytes || p->by_leaf.cnt != entries ||
	    p->by_point.cnt < entries || p->waiting_cnt > entries)
		sim_broken(m->sim, "bounds: the pool of replica %u miscounts itself", m->id);
}

static void hold_memory(const struct machine *m)
{
	const struct replica *r = m->replica;
	uint64_t tx_max = Q_TX_BYTES_MAX; /* the last one may cross a bound on bytes */
	struct bound bounds[] = {
	    {"transactions remembered beside its pool", HASH_COUNT(r->seen), SEEN_MAX},
	    {"bytes of transactions remembered beside its pool", r->seen_bytes, SEEN_BYTES},
	    {"blocks remembered after they were executed", r->recent.cnt, RECENT_BLOCKS_MAX},
	    {"transactions of executed blocks remembered", r->recent.txs, RECENT_TXS_MAX},
	    {"bytes of executed blocks remembered", r->recent.bytes, RECENT_BYTES},
	    {"fates of evicted transactions", HASH_COUNT(r->fates), FATES_MAX},
	    {"double spends found in this life", r->dossier.found.double_spends, EVIDENCE_MAX},
	    {"bytes of double spends found", r->dossier.found.bytes, EVIDENCE_BYTES + 2 * tx_max},
	    {"double spends handed on in this life", r->dossier.handed.double_spends, EVIDENCE_MAX},
	    {"bytes of double spends handed on", r->dossier.handed.bytes, EVIDENCE_BYTES + 2 * tx_max},
	    {"forks in its journal", r->dossier.forks, EVIDENCE_FORK_MAX},
	    {"messages left over after a turn", r->parcel_cnt, 0},
	};

	/* By stake one more for each conviction: of these a run has few. */
	uint64_t pieces = EVIDENCE_REPLICA_MAX * (stake_rules(r->g) ? 2 : 1);
	hold(m, bounds, sizeof bounds / sizeof *bounds);
	for (unsigned i = 0; i < m->sim->n; i++) {
		struct bound of_peer[] = {
		    {"orphans of one peer", r->peers[i].orphan_cnt, ORPHANS_MAX},
		    {"bytes of orphans of one peer", r->peers[i].orphan_bytes, ORPHANS_BYTES},
		    {"bytes of allowance of one peer", r->peers[i].allowance, SERVE_BYTES_S},
		    {"double spends that one peer handed on", r->peers[i].taken.double_spends,
		     EVIDENCE_MAX / EVIDENCE_PARTS},
		    {"bytes of double spends that one peer handed on", r->peers[i].taken.bytes,
		     EVIDENCE_BYTES / EVIDENCE_PARTS + 2 * tx_max},
		    {"pieces of evidence against one replica", r->dossier.of_replica[i], pieces},
		};
		hold(m, of_peer, sizeof of_peer / sizeof *of_peer);
	}
}

/* ---- the engine ------------------------------------------------------------------------------------------
 */

static void hold_engine(const struct machine *m, const struct watched *w)
{
	const struct replica *r = m->replica;
	const struct engine *e = r->engine;
	const struct qparams *p = &m->sim->g.g.params;
	uint64_t window = p->window, marks = 2 * (uint64_t)p->checkpoint_interval;
	/* A window of blocks for each view since something was executed, and the certified ones that catch-up
	 * fetches. What a restart finds in the vote log was put there under the same bound; a life may
	 * inherit it. */
	uint64_t blocks = 2 * Q_CHAIN_MAX + window * (2 * w->idle_views + 4);
	/* Votes above the stable checkpoint: of each view at most a window, one of each kind, and
	 * checkpoints. */
	uint64_t own = 4 * marks + 3 * (marks + window) + 3 * window * (w->unstable_views + 1);
	const struct body *b, *next;
	uint64_t old_blocks = 0, old_bodies = 0;
	for (size_t i = 0; e->blocks && i < e->block_cnt; i++)
		old_blocks += e->blocks[i]->header.height.n <= e->executed.n;
	HASH_ITER (hh, r->bodies, b, next)
		old_bodies += b->header.height.n <= e->executed.n;
	struct bound bounds[] = {
	    {"certified blocks ahead", e->chain_cnt, 2 * Q_CHAIN_MAX},
	    {"blocks that were executed", old_blocks, 0},
	    {"bodies that were executed", old_bodies, 0},
	    {"ms of time-out", e->timeout_ms, m->sim->g.timeout_cap_ms},
	    {"blocks that it heard of", e->block_cnt, blocks},
	    {"bodies", HASH_COUNT(r->bodies), blocks + window},
	    {"own votes above its checkpoint", e->own_cnt, own},
	};

	hold(m, bounds, sizeof bounds / sizeof *bounds);
}

void bounds_turn(struct machine *m, struct watched *w)
{
	struct checks *c = m->sim->checks;

	if (w->sent_in_turn > c->most_in_turn)
		c->most_in_turn = w->sent_in_turn;
	w->sent_in_turn = 0;
	if (m->rotten)
		return;
	hold_pool(m);
	hold_memory(m);
	hold_engine(m, w);
}

/* ---- messages
 * ----------------------------------------------------------------------------------------------- */

void bounds_sent(struct machine *m, struct watched *w)
{
	struct checks *c = m->sim->checks;
	uint64_t second = m->sim->now_ms / 1000;

	if (second != w->second) {
		w->second = second;
		w->sent_in_second = 0;
	}
	w->sent_in_turn++;
	w->sent_in_second++;
	if (w->sent_in_second > c->most_in_second)
		c->most_in_second = w->sent_in_second;
	struct bound bounds[] = {
	    {"messages sent in one turn", w->sent_in_turn, TURN_MESSAGES_MAX},
	    {"messages sent in one second", w->sent_in_second, SECOND_MESSAGES_MAX},
	};
	hold(m, bounds, sizeof bounds / sizeof *bounds);
}

void bounds_event(struct checks *c)
{
	struct sim *s = c->sim;

	if (s->now_ms != c->instant_ms) {
		c->instant_ms = s->now_ms;
		c->instant_cnt = 0;
	}
	if (++c->instant_cnt > c->most_in_instant)
		c->most_in_instant = c->instant_cnt;
	if (c->instant_cnt > INSTANT_EVENTS_MAX)
		sim_broken(s, "bounds: more than %d events in one instant", INSTANT_EVENTS_MAX);
}
