/*
 * node_inbox.c: from a frame to the replica's thread.
 *
 * Before: net/link hands a frame to inbox_frame().  Here: its envelopes go to the workers, each is opened and
 * its signatures are checked (verify.c), and what holds becomes a letter in the inbox.  After: node.c's
 * replica thread takes the letters in batches.
 */
#include <endian.h>
#include <stdlib.h>

#include "log.h"
#include "node_impl.h"

/* An envelope that waits for a worker. */
struct parcel {
	struct work_item work;
	struct node *node;
	uint32_t pipe;
	struct qenvelope env; /* owned */
};

/* ---- complaints ---------------------------------------------------------------------- */

/* Counts it. How many the operator is to be told of now; 0: none, that was done lately. */
static uint64_t count(struct node *n, struct complaint *c)
{
	uint64_t now_ms = node_now_ms(), untold = 0;
	pthread_mutex_lock(&n->lock);
	c->cnt++;
	c->untold++;
	if (c->told_ms == 0 || now_ms >= c->told_ms + COMPLAIN_MS) {
		untold = c->untold;
		c->untold = 0;
		c->told_ms = now_ms;
	}
	pthread_mutex_unlock(&n->lock);
	return untold;
}

static void complain_of_frame(struct node *n)
{
	uint64_t untold = count(n, &n->complaints[OPEN_OK]); /* its place is free */
	if (untold > 0)
		log_warn("refused reason=%s count=%llu", "not a frame of messages",
		         (unsigned long long)untold);
}

/* Of a message that verify_envelope() refused. */
static void complain(struct node *n, const struct qenvelope *env, enum open_verdict v, enum txs_fault f)
{
	uint64_t untold = count(n, f != TXS_SOUND ? &n->faults[f] : &n->complaints[v]);
	const char *reason = f != TXS_SOUND ? txs_fault_text(f) : open_verdict_text(v);
	char theirs[QHASH_HEX];
	if (untold == 0)
		return;
	if (v == OPEN_OTHER_CHAIN)
		log_warn("refused reason=%s chain=%s count=%llu", reason,
		         hex_encode(theirs, env->chain.b, sizeof env->chain.b), (unsigned long long)untold);
	else
		log_warn("refused reason=%s sender=%u count=%llu", reason, env->sender,
		         (unsigned long long)untold);
}

/* More came from this replica, as it says, than it can be served: agreement depends on no one message. */
static void complain_of_flood(struct node *n, unsigned sender)
{
	uint64_t untold = count(n, &n->floods[sender]);
	if (untold > 0)
		log_warn("dropped reason=%s sender=%u count=%llu", "more than its share", sender,
		         (unsigned long long)untold);
}

/* ---- on a worker ----------------------------------------------------------------------- */

/* What a replica asks for, and is asked: some replica cannot go on without. */
static bool is_wanted(enum qkind kind)
{
	return kind == QBODY || kind == QGET_BODIES || kind == QGET_TXS;
}

static bool is_bulk(enum qkind kind)
{
	return kind == QTXS || kind == QEVIDENCE || kind == QGET_EVIDENCE;
}

static void letter_free(struct letter *l)
{
	verified_free(&l->v);
	free(l);
}

void letters_free(struct letter *list)
{
	for (struct letter *next; list != NULL; list = next) {
		next = list->next;
		letter_free(list);
	}
}

static void post(struct node *n, struct letter *l)
{
	const struct message *m = l->v.message;
	unsigned sender = m->sender;
	pthread_mutex_lock(&n->lock);
	bool stopping = n->stopping;
	struct fair *queue = is_wanted(m->m.kind) ? &n->wanted : is_bulk(m->m.kind) ? &n->bulk : &n->votes;
	bool ok = !stopping && fair_put(queue, sender, &l->fair);
	pthread_mutex_unlock(&n->lock);
	if (ok)
		pthread_cond_signal(&n->mail);
	else
		letter_free(l);
	if (!ok && !stopping)
		complain_of_flood(n, sender);
}

/* A hint for the order of work only: the body is not trusted yet. It begins with its kind, as XDR has it. */
static enum work_lane lane_of(const struct qenvelope *env)
{
	const uint8_t *b = (const uint8_t *)env->body.body_val;
	if (env->body.body_len < 4 || b[0] != 0 || b[1] != 0 || b[2] != 0)
		return LANE_FORWARDS;
	return is_wanted(b[3]) ? LANE_WANTED : is_bulk(b[3]) ? LANE_FORWARDS : LANE_VOTES;
}

#define VOTE_BYTES (4 + 8 + 8 + 32 + 32) /* of a PREPARE or COMMIT: kind, view, height, block, state */

/*
 * A vote for a height that is executed here already: the last COMMIT of every block, as a rule, for a quorum
 * needs no more.  The engine passes it over (on_vote.c), so nobody has to look at its signature.  But for a
 * vote of our own, which should not be about (OWN1), and what is of another chain or of a stranger: that is
 * told.  One of LATE_LOOK is looked at all the same: who makes votes in others' names is found out, and his
 * pipe closed.
 */
/* By what it says of itself. What is of a stranger or of another chain is told, whatever it is. */
static bool is_of_peer(const struct node *n, const struct qenvelope *env)
{
	return env->sender != n->self && env->sender < n->genesis->n &&
	       qhash_eq(&env->chain, &n->genesis->chain);
}

static bool is_looked_at(struct node *n)
{
	return atomic_fetch_add(&n->late, 1) % LATE_LOOK == LATE_LOOK - 1;
}

static bool is_late(struct node *n, const struct qenvelope *env)
{
	const uint8_t *b = (const uint8_t *)env->body.body_val;
	uint64_t height;
	enum { HEIGHT_AT = 4 + 8 }; /* after the kind and the view, as XDR has them */
	if (!is_of_peer(n, env) || env->body.body_len != VOTE_BYTES || lane_of(env) != LANE_VOTES ||
	    (b[3] != QPREPARE && b[3] != QCOMMIT))
		return false;
	memcpy(&height, b + HEIGHT_AT, sizeof height);
	return be64toh(height) <= atomic_load(&n->executed) && !is_looked_at(n);
}

/* A forward of a peer's, and a replica that lags a window behind: what is in it comes in a block before it
 * could be used. All the workers' time goes to the blocks that are missing. As with late votes, one of
 * LATE_LOOK is looked at. */
static bool is_of_no_use(struct node *n, const struct qenvelope *env)
{
	const uint8_t *b = (const uint8_t *)env->body.body_val;
	return atomic_load(&n->lags) && is_of_peer(n, env) && lane_of(env) == LANE_FORWARDS &&
	       env->body.body_len >= 4 && b[3] == QTXS && !is_looked_at(n);
}

static void parcel_free(struct parcel *p)
{
	wire_free(WIRE(qenvelope), &p->env);
	free(p);
}

static void open_parcel(struct work_item *item)
{
	struct parcel *p = (struct parcel *)item; /* its first member */
	struct node *n = p->node;
	if (is_late(n, &p->env) || is_of_no_use(n, &p->env)) {
		parcel_free(p);
		return;
	}
	struct letter *l = xcalloc(1, sizeof *l);
	enum open_verdict verdict;
	l->fair.bytes = item->fair.bytes;
	if (verify_envelope_take(n->genesis, n->cache, &p->env, &l->v, &verdict)) {
		/* Most kinds are relayed; a STATUS comes from its sender itself. */
		if (l->v.message->m.kind == QSTATUS)
			link_proven(n->link, p->pipe, l->v.message->sender);
		post(n, l);
	} else {
		complain(n, &p->env, verdict, l->v.fault);
		free(l);
		link_reject(n->link, p->pipe);
	}
	parcel_free(p);
}

/* ---- on link's thread -------------------------------------------------------------------- */

/* The sender is not proven yet: who lies about it is found out by a worker, and its pipe closed. */
static bool put_parcel(struct node *n, uint32_t pipe, struct qenvelope *env)
{
	unsigned source = env->sender < n->genesis->n ? env->sender : 0;
	struct parcel *p = xcalloc(1, sizeof *p);
	p->node = n;
	p->pipe = pipe;
	p->env = *env;
	p->work.run = open_parcel;
	p->work.fair.bytes = sizeof *p + env->body.body_len;
	*env = (struct qenvelope){0}; /* moved */
	if (work_offer(n->work, lane_of(&p->env), source, &p->work))
		return true;
	complain_of_flood(n, source);
	parcel_free(p);
	return false;
}

/* The first frame may come before link_start() has returned: it is lost, as any message may be. */
static bool link_known(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	bool known = n->link != NULL;
	pthread_mutex_unlock(&n->lock);
	return known;
}

void inbox_frame(void *ctx, uint32_t pipe, const uint8_t *data, size_t len)
{
	struct node *n = ctx;
	struct qframe frame;
	if (!link_known(n))
		return;
	if (!wire_decode(WIRE(qframe), data, len, &frame)) {
		complain_of_frame(n);
		link_reject(n->link, pipe);
		return;
	}
	for (u_int i = 0; i < frame.envelopes.envelopes_len; i++) {
		if (!put_parcel(n, pipe, &frame.envelopes.envelopes_val[i]))
			link_slow(n->link, pipe);
	}
	wire_free(WIRE(qframe), &frame);
}

/* ---- on the replica's thread --------------------------------------------------------------- */

/* With the lock held. */
static struct letter *take_batch(struct node *n)
{
	struct letter *first = NULL, **end = &first;
	size_t bulk = 0;
	for (unsigned i = 0; i < TURN_ITEMS_MAX; i++) {
		struct fair_item *item = fair_take(&n->votes);
		if (item == NULL && bulk < TURN_BULK_BYTES) {
			item = fair_take(&n->wanted);
			if (item == NULL)
				item = fair_take(&n->bulk);
			bulk += item != NULL ? item->bytes : 0;
		}
		if (item == NULL)
			break;
		*end = (struct letter *)item; /* its first member */
		end = &(*end)->next;
	}
	*end = NULL;
	return first;
}

bool inbox_take(struct node *n, uint64_t deadline_ms, struct letter **letters, struct call **calls,
                bool *more)
{
	struct timespec until = clock_timespec(deadline_ms);
	pthread_mutex_lock(&n->lock);
	while (!n->stopping && !n->sealed && n->votes.cnt + n->wanted.cnt + n->bulk.cnt == 0 &&
	       n->calls == NULL) {
		if (pthread_cond_timedwait(&n->mail, &n->lock, &until) != 0)
			break;
	}
	bool go_on = !n->stopping;
	if (go_on) { /* else inbox_free() and ask_refuse_all() find them */
		*letters = take_batch(n);
		*more = n->bulk.cnt > 0;
		*calls = n->calls;
		n->calls = NULL;
		n->calls_end = &n->calls;
		n->sealed = false;
	}
	pthread_mutex_unlock(&n->lock);
	return go_on;
}

void inbox_sealed(void *ctx)
{
	struct node *n = ctx;
	pthread_mutex_lock(&n->lock);
	n->sealed = true;
	pthread_cond_signal(&n->mail);
	pthread_mutex_unlock(&n->lock);
}

void inbox_free(struct node *n)
{
	struct letter *rest;
	while ((rest = take_batch(n)) != NULL)
		letters_free(rest);
}
