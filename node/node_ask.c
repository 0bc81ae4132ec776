/*
 * node_ask.c: from http's threads to the replica's and back: calls, signature checks, readers, waiting.
 */
#include <stdlib.h>

#include "node_impl.h"

/* ---- calls ----------------------------------------------------------------------------- */

struct call *call_new(enum call_kind kind)
{
	struct call *c = xcalloc(1, sizeof *c);
	atomic_init(&c->refs, 1);
	c->kind = kind;
	cond_init(&c->answered);
	return c;
}

void call_unref(struct call *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	if (c->kind == CALL_SUBMIT) {
		for (size_t i = 0; i < c->submit.cnt; i++)
			tx_unref(c->submit.txs[i]);
		free(c->submit.txs);
		free(c->submit.results);
	}
	if (c->kind == CALL_DISPUTE)
		free(c->dispute.list);
	if (c->kind == CALL_ADDRESS)
		free(c->address.list);
	pthread_cond_destroy(&c->answered);
	free(c);
}

/* With the lock held: nobody waits for it any more, so it waits for nobody. True: the inbox's reference is
 * the caller's now; else the replica has it already. */
static bool withdraw(struct node *n, struct call *c)
{
	struct call **at = &n->calls;
	while (*at != NULL && *at != c)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	*at = c->next;
	if (n->calls_end == &c->next)
		n->calls_end = at;
	return true;
}

/* With the lock held. */
static void put_call(struct node *n, struct call *c)
{
	if (n->stopping)
		return;
	atomic_fetch_add(&c->refs, 1); /* the inbox's */
	*n->calls_end = c;
	n->calls_end = &c->next;
	pthread_cond_signal(&n->mail);
}

void node_post(struct node *n, struct call *c)
{
	pthread_mutex_lock(&n->lock);
	put_call(n, c);
	pthread_mutex_unlock(&n->lock);
}

bool node_call(struct node *n, struct call *c)
{
	struct timespec until = clock_timespec(node_now_ms() + CALL_TIMEOUT_MS);
	pthread_mutex_lock(&n->lock);
	put_call(n, c);
	while (!n->stopping && !c->done) {
		if (pthread_cond_timedwait(&c->answered, &n->lock, &until) != 0)
			break;
	}
	bool done = c->done;
	bool withdrawn = !done && withdraw(n, c);
	pthread_mutex_unlock(&n->lock);
	if (withdrawn)
		call_unref(c);
	return done;
}

static void run_submit(struct node *n, struct call *c)
{
	for (size_t i = 0; i < c->submit.cnt; i++) {
		struct submit_result *result = &c->submit.results[i];
		if (c->submit.txs[i] == NULL)
			continue;
		result->verdict =
		    replica_submit(n->replica, c->submit.txs[i], &result->height, &result->winner);
		if (result->verdict == TX_OK)
			meter_admitted(n, &c->submit.txs[i]->id);
		if (result->verdict == TX_LOCKED || result->verdict == TX_PENALTY)
			replica_explain(n->replica, c->submit.txs[i], &result->needs);
	}
}

static void run_call(struct node *n, struct call *c)
{
	switch (c->kind) {
	case CALL_SUBMIT:
		run_submit(n, c);
		break;
	case CALL_DIGEST:
		replica_digest(n->replica, &c->digest);
		replica_status(n->replica, &c->status);
		break;
	case CALL_STATUS:
		replica_status(n->replica, &c->status);
		break;
	case CALL_FATE:
		c->fate.verdict = replica_fate(n->replica, &c->fate.id, &c->fate.winner);
		break;
	case CALL_DISPUTE:
		c->dispute.disputed =
		    replica_disputes(n->replica, c->dispute.list, c->dispute.cnt, &c->dispute.height);
		break;
	case CALL_ADDRESS:
		c->address.lost = !replica_holding(
		    n->replica, &c->address.owner, c->address.first ? NULL : &c->address.after,
		    c->address.list, c->address.limit, &c->address.cnt, &c->address.sums);
		break;
	case CALL_STOP:
		replica_stop(n->replica, &c->stop);
		break;
	}
}

void ask_answer(struct node *n, struct call *calls)
{
	if (calls == NULL)
		return;
	for (struct call *c = calls; c != NULL; c = c->next)
		run_call(n, c);
	pthread_mutex_lock(&n->lock);
	for (struct call *c = calls; c != NULL; c = c->next)
		c->done = true;
	pthread_mutex_unlock(&n->lock);
	/* Each asker is woken by itself, and finds the lock free. */
	for (struct call *c = calls, *next; c != NULL; c = next) {
		next = c->next;
		pthread_cond_signal(&c->answered);
		call_unref(c);
	}
}

void ask_stop(struct node *n)
{
	struct waiting *entry, *next;
	n->stopping = true;
	for (struct call *c = n->calls; c != NULL; c = c->next)
		pthread_cond_signal(&c->answered);
	HASH_ITER (hh, n->waiting, entry, next) {
		for (struct waiter *w = entry->list; w != NULL; w = w->next)
			w->wake(w->ctx);
	}
	blocks_stop(n);
	gate_stop(n);
}

void ask_refuse_all(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	ask_stop(n);
	struct call *calls = n->calls;
	n->calls = NULL;
	n->calls_end = &n->calls;
	pthread_mutex_unlock(&n->lock);
	for (struct call *c = calls, *next; c != NULL; c = next) {
		next = c->next;
		call_unref(c);
	}
}

/* ---- signature checks --------------------------------------------------------------------- */

/* One request's transactions in slices, one for each item of work; the last one done wakes the asker. */
struct check {
	pthread_mutex_t lock;
	pthread_cond_t done;
	size_t left;
};
struct slice {
	struct work_item work;
	const struct genesis *g;
	struct verify_cache *cache;
	struct check *check;
	struct tx *const *txs;
	bool *held;
	size_t cnt;
};

static void slice_done(struct check *check)
{
	pthread_mutex_lock(&check->lock);
	if (--check->left == 0)
		pthread_cond_signal(&check->done);
	pthread_mutex_unlock(&check->lock);
}

static void verify_slice(struct work_item *item)
{
	struct slice *s = (struct slice *)item; /* its first member */
	for (size_t i = 0; i < s->cnt; i++)
		s->held[i] = s->txs[i] != NULL && verify_tx(s->g, s->cache, s->txs[i]);
	slice_done(s->check);
}

bool node_verify(struct node *n, struct tx *const *txs, size_t cnt, bool *held)
{
	enum { SLICE = 128 }; /* about a message of forwards */
	size_t slice_cnt = (cnt + SLICE - 1) / SLICE;
	struct check check = {.left = slice_cnt};
	struct slice *slices = xcalloc(slice_cnt, sizeof *slices);
	bool ok = true;
	pthread_mutex_init(&check.lock, NULL);
	pthread_cond_init(&check.done, NULL);
	for (size_t i = 0; i < slice_cnt; i++) {
		size_t at = i * SLICE;
		slices[i] = (struct slice){.work = {.run = verify_slice},
		                           .g = n->genesis,
		                           .cache = n->cache,
		                           .check = &check,
		                           .txs = txs + at,
		                           .held = held + at,
		                           .cnt = cnt - at < SLICE ? cnt - at : SLICE};
		for (size_t k = 0; k < slices[i].cnt; k++)
			slices[i].work.fair.bytes += txs[at + k] == NULL ? 0 : txs[at + k]->raw_len;
		if (!ok || !work_put(n->work, &slices[i].work)) {
			ok = false;
			slice_done(&check);
		}
	}
	pthread_mutex_lock(&check.lock);
	while (check.left > 0)
		pthread_cond_wait(&check.done, &check.lock);
	pthread_mutex_unlock(&check.lock);
	pthread_mutex_destroy(&check.lock);
	pthread_cond_destroy(&check.done);
	free(slices);
	return ok;
}

/* ---- readers -------------------------------------------------------------------------------- */

struct reader *node_reader(struct node *n, struct err *err)
{
	struct reader *r = NULL;
	if (!guard_ok(n, err))
		return NULL;
	if (!node_turn(n)) {
		err_set(err, ERR_NO, "too many are reading");
		return NULL;
	}
	pthread_mutex_lock(&n->lock);
	if (n->idle_cnt > 0)
		r = n->idle[--n->idle_cnt];
	pthread_mutex_unlock(&n->lock);
	if (r != NULL)
		return r;
	r = reader_open(n->home.ledger, NULL, err);
	if (r != NULL)
		reader_prove(r, n->genesis);
	else
		node_turn_end(n);
	return r;
}

void node_reader_back(struct node *n, struct reader *r, bool broken)
{
	const struct err *damage = reader_damage(r);

	node_turn_end(n);
	pthread_mutex_lock(&n->lock);
	bool keep = !broken && damage == NULL && n->idle_cnt < READERS_MAX;
	if (keep)
		n->idle[n->idle_cnt++] = r;
	pthread_mutex_unlock(&n->lock);
	if (keep)
		return;
	if (damage != NULL) /* also where the request has made the best of it */
		node_damaged(n, damage);
	reader_close(r);
}

void ask_free(struct node *n)
{
	while (n->idle_cnt > 0)
		reader_close(n->idle[--n->idle_cnt]);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

bool node_wait_begin(struct node *n, struct waiter *w)
{
	pthread_mutex_lock(&n->lock);
	bool ok = n->waiter_cnt < WAITERS_MAX && !n->stopping;
	if (ok) {
		struct waiting *entry;
		HASH_FIND(hh, n->waiting, w->id.b, sizeof w->id.b, entry);
		if (entry == NULL) {
			entry = xcalloc(1, sizeof *entry);
			entry->id = w->id;
			HASH_ADD(hh, n->waiting, id, sizeof entry->id, entry);
		}
		w->next = entry->list;
		entry->list = w;
		n->waiter_cnt++;
	}
	pthread_mutex_unlock(&n->lock);
	return ok;
}

void node_wait_end(struct node *n, struct waiter *w)
{
	pthread_mutex_lock(&n->lock);
	struct waiting *entry;
	HASH_FIND(hh, n->waiting, w->id.b, sizeof w->id.b, entry);
	must(entry != NULL);
	struct waiter **at = &entry->list;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (entry->list == NULL) {
		HASH_DELETE(hh, n->waiting, entry);
		free(entry);
	}
	n->waiter_cnt--;
	pthread_mutex_unlock(&n->lock);
}

void ask_settle(struct node *n, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                const struct qtxid *winner)
{
	struct waiting *entry;
	HASH_FIND(hh, n->waiting, id->b, sizeof id->b, entry);
	for (struct waiter *w = entry == NULL ? NULL : entry->list; w != NULL; w = w->next) {
		if (w->settled)
			continue;
		w->settled = true;
		w->verdict = v;
		w->height = height;
		if (winner != NULL)
			w->winner = *winner;
		w->wake(w->ctx);
	}
}

void ask_outcome(void *ctx, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                 const struct qtxid *winner)
{
	struct node *n = ctx;
	meter_settled(n, id, v == TX_FINAL);
	if (v == TX_FINAL)
		return; /* blocks_executed() has told */
	pthread_mutex_lock(&n->lock);
	ask_settle(n, id, v, height, winner);
	pthread_mutex_unlock(&n->lock);
}
