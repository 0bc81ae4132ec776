/*
 * pool_queue.c: in which order transactions leave the mempool: batches for blocks, forwards to
 * the other replicas, and the fairness counts.
 *
 * In the path of a transaction: after pool.c admitted it; before node/replica proposes the batch
 * or sends the forward.
 */
#include "pool_impl.h"

/* ---- queues and what is aside ---------------------------------------------------- */

static struct entry **queue_of(struct pool *p, struct entry *e)
{
	return e->aside_until ? &p->aside[e->aside_until % POOL_AHEAD_MAX] : &p->sources[e->source].queue;
}

void queue_enter(struct pool *p, struct entry *e)
{
	must(e->aside_until == 0);
	DL_APPEND2(p->sources[e->source].queue, e, queue_prev, queue_next);
	p->waiting_cnt++;
	p->waiting_bytes += e->tx->raw_len;
}

void queue_leave(struct pool *p, struct entry *e)
{
	struct entry **list = queue_of(p, e);

	DL_DELETE2(*list, e, queue_prev, queue_next);
	if (e->aside_until == 0) {
		p->waiting_cnt--;
		p->waiting_bytes -= e->tx->raw_len;
	}
}

static void set_aside(struct pool *p, struct entry *e, uint64_t until)
{
	must(until > p->executed.n && until - p->executed.n < POOL_AHEAD_MAX);
	queue_leave(p, e);
	e->aside_until = until;
	DL_APPEND2(*queue_of(p, e), e, queue_prev, queue_next);
}

static int youngest_first(const struct entry *a, const struct entry *b)
{
	return a->seq < b->seq ? 1 : -1;
}

/*
 * To the head of the queues: what was chosen before is, but for parents that a child pulled
 * forward, older than all that waits.
 */
void queue_return(struct pool *p, uint64_t height)
{
	struct entry **list = &p->aside[height % POOL_AHEAD_MAX];

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): utlist knows what is not NULL */
	DL_SORT2(*list, youngest_first, queue_prev, queue_next);
	while (*list) {
		struct entry *e = *list;

		must(e->aside_until == height);
		queue_leave(p, e);
		e->aside_until = 0;
		DL_PREPEND2(p->sources[e->source].queue, e, queue_prev, queue_next);
		p->waiting_cnt++;
		p->waiting_bytes += e->tx->raw_len;
	}
}

size_t pool_waiting(const struct pool *p)
{
	return p->waiting_cnt;
}

size_t pool_waiting_bytes(const struct pool *p)
{
	return p->waiting_bytes;
}

/* ---- choosing ---------------------------------------------------------------------- */

struct batch {
	struct overlay *overlay;
	struct qheight height;
	size_t cnt, cnt_max, bytes, bytes_max;
	struct tx **txs;
};

/* A parent of e that still waits, so that it has to go first; NULL: none. Goes on where it stopped. */
static struct entry *waiting_parent(struct pool *p, struct entry *e)
{
	const struct qtx_body *body = &e->tx->q.body;

	for (; e->chained && e->next_input < body->inputs.inputs_len; e->next_input++) {
		struct entry *parent = pool_entry(p, &body->inputs.inputs_val[e->next_input].tx);
		if (parent && parent->aside_until == 0)
			return parent;
	}
	return NULL;
}

/*
 * Into the batch if it is valid on what is there. If not (it is in flight already, or in conflict with, or
 * child of something that is not), nothing changes that before the parent block was executed: aside until
 * then. False: the batch is full.
 */
static bool choose_one(struct pool *p, struct batch *b, struct entry *e)
{
	uint64_t height = b->height.n;

	if (b->cnt == b->cnt_max || b->bytes + e->tx->raw_len > b->bytes_max)
		return false;
	if (overlay_add(b->overlay, e->tx) == TX_OK) {
		set_aside(p, e, height);
		b->bytes += e->tx->raw_len;
		b->txs[b->cnt++] = e->tx;
	} else {
		set_aside(p, e, height - 1 > p->executed.n ? height - 1 : height);
	}
	return true;
}

/* e, its ancestors before it: a walk that keeps its way back in the entries, so no depth is too great. */
static bool choose_family(struct pool *p, struct batch *b, struct entry *e)
{
	e->child = NULL;
	e->next_input = 0;
	while (e) {
		struct entry *parent = waiting_parent(p, e);

		if (parent) {
			parent->child = e;
			parent->next_input = 0;
			e = parent;
		} else if (choose_one(p, b, e)) {
			e = e->child;
		} else {
			return false;
		}
	}
	return true;
}

/*
 * The sources in turn.  First only what was here when the block before the last one was chosen, so that the
 * others have had time to check it: a block waits for the newest transaction in it, on every replica.  What
 * is fresher fills what is left; so where little waits, nothing waits for its age.
 */
size_t pool_choose(struct pool *p, struct overlay *o, struct qheight height, size_t txs_max, size_t bytes_max,
                   struct tx **txs)
{
	struct batch b = {
	    .overlay = o, .height = height, .cnt_max = txs_max, .bytes_max = bytes_max, .txs = txs};
	uint64_t ripe = p->chosen_seq[0];
	unsigned passed = 0; /* sources, one after the other, that had nothing ripe */

	must(height.n > p->executed.n);
	if (height.n - p->executed.n >= POOL_AHEAD_MAX)
		return 0;
	while (p->waiting_cnt > 0 && b.cnt < b.cnt_max) {
		struct entry *e = p->sources[p->turn].queue;
		bool take = e && e->seq <= ripe;

		if (take && !choose_family(p, &b, e))
			break; /* it is first next time */
		passed = take ? 0 : passed + 1;
		if (passed == p->g->n)
			ripe = UINT64_MAX;
		p->turn = p->turn + 1 < p->g->n ? p->turn + 1 : 0;
	}
	p->chosen_seq[0] = p->chosen_seq[1];
	p->chosen_seq[1] = p->seq;
	return b.cnt;
}

void pool_release(struct pool *p, struct qheight height)
{
	if (height.n > p->executed.n) /* else they were returned then; others may have their place */
		queue_return(p, height.n);
}

/* ---- forwarding ---------------------------------------------------------------------- */

void line_enter(struct pool *p, struct entry *e)
{
	e->in_line = true;
	DL_APPEND2(p->line, e, line_prev, line_next);
}

void line_leave(struct pool *p, struct entry *e)
{
	struct entry **list = e->in_line ? &p->line : &p->forwarded;

	DL_DELETE2(*list, e, line_prev, line_next);
}

static void mark_forwarded(struct pool *p, struct entry *e, uint64_t now_ms)
{
	line_leave(p, e);
	e->in_line = false;
	e->forwarded_ms = now_ms;
	e->forwarded_height = p->executed.n;
	DL_APPEND2(p->forwarded, e, line_prev, line_next);
}

size_t pool_forward_batch(struct pool *p, uint64_t now_ms, size_t cap, size_t bytes_max, struct tx **txs)
{
	size_t cnt = 0, bytes = 0;

	while (p->line && cnt < cap && (cnt == 0 || bytes + p->line->tx->raw_len <= bytes_max)) {
		struct entry *e = p->line;

		bytes += e->tx->raw_len;
		txs[cnt++] = e->tx;
		mark_forwarded(p, e, now_ms);
	}
	return cnt;
}

/* What no proposer may take after the next height is not worth a suspicion. */
static bool expires_next(const struct pool *p, const struct entry *e)
{
	return e->expires && e->expires->height == p->executed.n + 1;
}

size_t pool_pending_batch(struct pool *p, uint64_t now_ms, struct qtxid *after, size_t cap, size_t bytes_max,
                          struct tx **txs)
{
	struct entry *last = pool_entry(p, after);
	struct entry *e = last ? last->all_next : p->all;
	size_t cnt = 0, bytes = 0;

	for (; e && cnt < cap; e = e->all_next) {
		if (expires_next(p, e))
			continue;
		if (cnt > 0 && bytes + e->tx->raw_len > bytes_max)
			break;
		bytes += e->tx->raw_len;
		txs[cnt++] = e->tx;
		*after = e->tx->id;
		if (e->source == p->self)
			mark_forwarded(p, e, now_ms);
	}
	return cnt;
}

/* ---- fairness ---------------------------------------------------------------------- */

/*
 * Whom the counts are about.  Blame falls on one proposer for the blocks of its own reign, the heights that
 * it proposes without a break; so the counts restart when the proposer changes: with a view, or with the turn
 * where stake decides.  A proposer that was given the transaction a moment ago did not pass it over, and f+1
 * replicas that carry a grudge against the one before would depose an honest one.
 *
 * Let R be the blocks that a censor may have before it is suspected: two forwards, passed_max + 1 blocks
 * each.  A reign longer than R ends as a primary's does, by suspicion: the view moves on, and with it the
 * turn, to the next in the cycle.  A shorter one ends by itself, and costs less than a suspicion would: a
 * view change stops everybody, takes no later turn from the censor, and the next turn comes without it.
 *
 * Either way the transaction is not kept out.  At least f+1 replicas have turns (schedule.h), so one that is
 * honest has w >= 1 of the CYCLE turns of every cycle, CYCLE / w turns apart to within one turn.  It holds
 * the transaction: that was forwarded to everybody, and is again each time that timeout_ms and passed_max
 * blocks have gone by without it, whoever made them.  It serves its sources in turn, oldest first, so what is
 * ahead in the queue, at most n * ceil(M/B) blocks' worth, only shrinks from one of its reigns to the next. A
 * proposer that makes no block at all is time-out T1's.
 */
static bool passed(const struct pool *p, uint64_t since_ms, uint64_t since_height, uint64_t now_ms,
                   const struct pool_patience *patience)
{
	return now_ms >= since_ms + patience->timeout_ms &&
	       p->executed.n > since_height + patience->passed_max;
}

/* By the proposer of the present reign, since the last forward. */
static bool passed_over(const struct pool *p, const struct entry *e, uint64_t now_ms,
                        const struct pool_patience *patience)
{
	uint64_t ms = e->forwarded_ms > p->reign_ms ? e->forwarded_ms : p->reign_ms;
	uint64_t height = e->forwarded_height > p->reign_height ? e->forwarded_height : p->reign_height;

	return passed(p, ms, height, now_ms, patience);
}

/* The list is in order of time and height of the forward, so whoever waits too long is at its head. */
void pool_reforward(struct pool *p, uint64_t now_ms, const struct pool_patience *patience)
{
	struct entry *e, *next;

	DL_FOREACH_SAFE2(p->forwarded, e, next, line_next)
	{
		if (!passed(p, e->forwarded_ms, e->forwarded_height, now_ms, patience))
			return;
		if (e->passed_in == p->reign)
			continue; /* unfair, or soon */
		if (passed_over(p, e, now_ms, patience))
			e->passed_in = p->reign;
		line_leave(p, e);
		line_enter(p, e);
	}
}

bool pool_unfair(const struct pool *p, uint64_t now_ms, const struct pool_patience *patience)
{
	const struct entry *e;

	DL_FOREACH2(p->forwarded, e, line_next)
	{
		if (!passed_over(p, e, now_ms, patience))
			return false;
		if (e->passed_in == p->reign)
			return true;
	}
	return false;
}

void pool_new_proposer(struct pool *p, uint64_t now_ms)
{
	p->reign++;
	p->reign_ms = now_ms;
	p->reign_height = p->executed.n;
}

void pool_new_view(struct pool *p, uint64_t now_ms)
{
	pool_new_proposer(p, now_ms);
	for (uint64_t h = p->executed.n + POOL_AHEAD_MAX - 1; h > p->executed.n; h--)
		queue_return(p, h); /* the highest first: the oldest end up at the head */
}
