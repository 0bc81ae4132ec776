/*
 * node_inbox.c: from a frame to the replica's thread.
 *
 * Before: net/link hands a frame to inbox_frame().  Here: its envelopes go to the workers, each is opened and
 * its signatures are checked (verify.c), and what holds becomes a letter in the inbox.  After: node.c's
 * replica thread takes the letters in batches.
 */
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

static const char not_a_frame[] = "not a frame of messages";

/* Counts it; tells the operator unless that was done lately. `env` NULL: the frame itself could not be read.
 */
static void complain(struct node *n, enum open_verdict v, const struct qenvelope *env)
{
	struct complaint *c = &n->complaints[env == NULL ? OPEN_OK : v]; /* OPEN_OK's place is free */
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
	if (untold == 0)
		return;
	char theirs[QHASH_HEX];
	if (env == NULL)
		log_warn("refused reason=%s count=%llu", not_a_frame, (unsigned long long)untold);
	else if (v == OPEN_OTHER_CHAIN)
		log_warn("refused reason=%s chain=%s count=%llu", open_verdict_text(v),
		         hex_encode(theirs, env->chain.b, sizeof env->chain.b), (unsigned long long)untold);
	else
		log_warn("refused reason=%s sender=%u count=%llu", open_verdict_text(v), env->sender,
		         (unsigned long long)untold);
}

/* ---- on a worker ----------------------------------------------------------------------- */

static void post(struct node *n, struct letter *l)
{
	pthread_mutex_lock(&n->lock);
	while (!n->stopping && n->letter_cnt > 0 &&
	       (n->letter_cnt >= INBOX_ITEMS_MAX || n->letter_bytes + l->bytes > INBOX_BYTES_MAX))
		pthread_cond_wait(&n->room, &n->lock);
	bool ok = !n->stopping;
	if (ok) {
		l->next = NULL;
		*n->letters_end = l;
		n->letters_end = &l->next;
		n->letter_cnt++;
		n->letter_bytes += l->bytes;
		pthread_cond_signal(&n->mail);
	}
	pthread_mutex_unlock(&n->lock);
	if (!ok)
		letter_free(l);
}

void letter_free(struct letter *l)
{
	verified_free(&l->v);
	free(l);
}

static void open_parcel(struct work_item *item)
{
	struct parcel *p = (struct parcel *)item; /* its first member */
	struct node *n = p->node;
	struct letter *l = xcalloc(1, sizeof *l);
	enum open_verdict verdict;
	l->bytes = item->bytes;
	if (verify_envelope(n->genesis, n->cache, &p->env, &l->v, &verdict)) {
		/* Most kinds are relayed; a STATUS comes from its sender itself. */
		if (l->v.message->m.kind == QSTATUS)
			link_proven(n->link, p->pipe, l->v.message->sender);
		post(n, l);
	} else {
		free(l);
		complain(n, verdict, &p->env);
		link_reject(n->link, p->pipe);
	}
	wire_free(WIRE(qenvelope), &p->env);
	free(p);
}

/* ---- on link's thread -------------------------------------------------------------------- */

/* A hint for the order of work only: the body is not trusted yet. It begins with its kind, as XDR has it. */
static enum work_lane lane_of(const struct qenvelope *env)
{
	const uint8_t *b = (const uint8_t *)env->body.body_val;
	if (env->body.body_len < 4 || b[0] != 0 || b[1] != 0 || b[2] != 0)
		return LANE_BULK;
	return b[3] == QTXS || b[3] == QBODY || b[3] == QGET_TXS || b[3] == QGET_BODIES ? LANE_BULK
	                                                                                : LANE_VOTES;
}

static bool put_parcel(struct node *n, uint32_t pipe, struct qenvelope *env)
{
	struct parcel *p = xcalloc(1, sizeof *p);
	p->node = n;
	p->pipe = pipe;
	p->env = *env;
	p->work.run = open_parcel;
	p->work.bytes = sizeof *p + env->body.body_len;
	*env = (struct qenvelope){0}; /* moved */
	if (work_put(n->work, lane_of(&p->env), &p->work))
		return true;
	wire_free(WIRE(qenvelope), &p->env);
	free(p);
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
		complain(n, OPEN_MALFORMED, NULL);
		link_reject(n->link, pipe);
		return;
	}
	for (u_int i = 0; i < frame.envelopes.envelopes_len; i++) {
		if (!put_parcel(n, pipe, &frame.envelopes.envelopes_val[i]))
			break;
	}
	wire_free(WIRE(qframe), &frame);
}

/* ---- on the replica's thread --------------------------------------------------------------- */

static struct timespec timespec_of(uint64_t ms)
{
	return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

bool inbox_take(struct node *n, uint64_t deadline_ms, struct letter **letters, struct call **calls)
{
	struct timespec until = timespec_of(deadline_ms);
	pthread_mutex_lock(&n->lock);
	while (!n->stopping && n->letters == NULL && n->calls == NULL) {
		if (pthread_cond_timedwait(&n->mail, &n->lock, &until) != 0)
			break;
	}

	*letters = n->letters;
	struct letter **end = &n->letters;
	for (unsigned i = 0; *end != NULL && i < TURN_ITEMS_MAX; i++) {
		n->letter_cnt--;
		n->letter_bytes -= (*end)->bytes;
		end = &(*end)->next;
	}
	struct letter *rest = *end;
	*end = NULL;
	n->letters = rest;
	if (rest == NULL)
		n->letters_end = &n->letters;

	*calls = n->calls;
	n->calls = NULL;
	n->calls_end = &n->calls;
	bool stopping = n->stopping;
	pthread_cond_broadcast(&n->room);
	pthread_mutex_unlock(&n->lock);
	return !stopping;
}
