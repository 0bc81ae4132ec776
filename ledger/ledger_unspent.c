/*
 * ledger_unspent.c: what was unspent at some height, out of the rows into a state; of a long ledger by all
 * cores.
 *
 * Most of a restart is this: a row, the transaction that made it, and a hash of 2048 bytes for each output.
 * So threads with connections of their own read a span of transactions each, in turn, and hash what they
 * found; the caller's puts it into the state, in the order of the spans, which makes the state the same every
 * time.
 */
#include <stdlib.h>
#include <unistd.h>

#include <pthread.h>

#include "ledger_impl.h"
#include "lthash.h"

#define SPAN 4096 /* transactions that a thread reads at a time; a ledger of no more is read without any */
#define THREADS_MAX 16  /* cores that are worth it: the caller's inserting is the bound before */
#define AHEAD_OF_EACH 4 /* spans that may wait to be taken, for each thread */
#define AHEAD_MAX (AHEAD_OF_EACH * THREADS_MAX)

/* ---- rows ---------------------------------------------------------------- */

/* The current row, of a chain of n replicas if stake decides there, else 0. */
static bool get_unspent(struct db *db, size_t which, unsigned n, struct unspent *u, struct err *err)
{
	int64_t position, amount, height;

	*u = (struct unspent){0};
	if (!db_get_int(db, which, 0, &u->row, err) ||
	    !db_get_fixed(db, which, 1, u->point.tx.b, sizeof u->point.tx.b, err) ||
	    !db_get_int(db, which, 2, &position, err) ||
	    !db_get_fixed(db, which, 3, u->out.owner.b, sizeof u->out.owner.b, err) ||
	    !db_get_int(db, which, 4, &amount, err) || !db_get_int(db, which, 5, &height, err) ||
	    !row_get_lock(db, which, 6, n, &u->out.lock, err))
		return false;
	u->made_at = qheight_of((uint64_t)height);
	u->point.index = (uint32_t)position;
	u->out.amount = (uint64_t)amount;
	if (position < 0 || position >= Q_ALLOCS_MAX || amount < 1)
		return db_damaged(db, err, UNSPENT_CANNOT_BE, (long long)position, (long long)u->row);
	return true;
}

/* What a thread, or nobody but the caller, does with one. */
typedef bool take_fn(void *ctx, const struct unspent *u, struct err *err);

static bool each_unspent(struct db *db, size_t which, unsigned n, const int64_t span[3], take_fn *take,
                         void *ctx, struct err *err)
{
	struct unspent u;
	enum found got = db_query(
	    db, which,
	    DB_ARGS(db_int((uint64_t)span[0]), db_int((uint64_t)span[1]), db_int((uint64_t)span[2])), err);

	for (; got == FOUND; got = db_next(db, which, err))
		if (!get_unspent(db, which, n, &u, err) || !take(ctx, &u, err)) {
			db_done(db, which);
			return false;
		}
	return got != FOUND_ERROR;
}

/* ---- the state ------------------------------------------------------------ */

struct filling {
	struct ledger *l;
	struct qheight height;
	struct state *into;
	struct lthash sum;
};

/* Believed as far as it fits to what is there; also keeps the sum of amounts from overflowing. */
static bool fill(struct filling *f, const struct unspent *u, struct err *err)
{
	if (u->made_at.n > f->height.n || u->out.amount > f->l->genesis->supply - state_value(f->into) ||
	    !state_load(f->into, u))
		return db_damaged(&f->l->db, err, UNSPENT_CANNOT_BE, (long long)u->point.index,
		                  (long long)u->row);
	return true;
}

static bool fill_and_sum(void *ctx, const struct unspent *u, struct err *err)
{
	struct filling *f = ctx;

	state_sum_of(u, &f->sum);
	return fill(f, u, err);
}

static unsigned lockable(const struct ledger *l)
{
	return stake_rules(l->genesis) ? l->genesis->n : 0;
}

bool load_unspent_at(struct ledger *l, struct qheight h, int64_t next_seq, struct state *into,
                     struct err *err)
{
	struct filling f = {.l = l, .height = h, .into = into};
	const int64_t span[3] = {0, next_seq, next_seq};

	bool ok = each_unspent(&l->db, UNSPENT, lockable(l), span, fill_and_sum, &f, err);
	state_add_sum(into, &f.sum);
	return ok;
}

/* ---- by all cores ----------------------------------------------------------- */

struct list {
	struct unspent *of;
	size_t cnt, cap;
	bool read;
};

struct spans {
	const char *path;
	unsigned n;
	int64_t next_seq, cnt;

	pthread_mutex_t lock;
	pthread_cond_t read, taken;
	int64_t begun, done;          /* spans that a thread has begun; that the caller has taken */
	struct list ahead[AHEAD_MAX]; /* of span i: at i % ahead_cnt */
	size_t ahead_cnt;
	struct lthash sum;
	struct err err; /* of the thread that failed first */
};

static const struct db_sql thread_sql[] = {{"read the unspent outputs", UNSPENT_SQL}};

static bool keep(void *ctx, const struct unspent *u, struct err *err)
{
	struct list *list = ctx;

	(void)err;
	if (list->cnt == list->cap) {
		list->cap = list->cap ? 2 * list->cap : SPAN;
		list->of = xrealloc(list->of, list->cap * sizeof *list->of);
	}
	list->of[list->cnt++] = *u;
	return true;
}

/* The next one to read, once there is room for it; -1: none. */
static int64_t begin_span(struct spans *s)
{
	int64_t i = -1;

	must(pthread_mutex_lock(&s->lock) == 0);
	while (s->err.kind == ERR_NONE && s->begun < s->cnt && s->begun - s->done >= (int64_t)s->ahead_cnt)
		pthread_cond_wait(&s->taken, &s->lock);
	if (s->err.kind == ERR_NONE && s->begun < s->cnt)
		i = s->begun++;
	must(pthread_mutex_unlock(&s->lock) == 0);
	return i;
}

static bool read_span(struct spans *s, struct db *db, int64_t i, struct lthash *sum, struct err *err)
{
	int64_t end = (i + 1) * SPAN;
	const int64_t span[3] = {i * SPAN, end < s->next_seq ? end : s->next_seq, INT64_MAX};
	struct list list = {0};

	if (!each_unspent(db, 0, s->n, span, keep, &list, err)) {
		free(list.of); /* half of a span is none */
		return false;
	}
	for (size_t k = 0; k < list.cnt; k++)
		state_sum_of(&list.of[k], sum);
	list.read = true;
	must(pthread_mutex_lock(&s->lock) == 0);
	s->ahead[(size_t)i % s->ahead_cnt] = list;
	pthread_cond_signal(&s->read);
	must(pthread_mutex_unlock(&s->lock) == 0);
	return true;
}

static void *read_spans(void *arg)
{
	struct spans *s = arg;
	struct lthash sum = {{0}};
	struct err err = {0};
	struct db db;

	bool ok = db_open(&db, &db_ledger, DB_READ, s->path, NULL, thread_sql, 1, NULL, &err);
	if (ok) {
		for (int64_t i; ok && (i = begin_span(s)) >= 0;)
			ok = read_span(s, &db, i, &sum, &err);
		db_close(&db);
	}
	must(pthread_mutex_lock(&s->lock) == 0);
	lthash_join(&s->sum, &sum);
	if (!ok && s->err.kind == ERR_NONE)
		s->err = err;
	pthread_cond_broadcast(&s->taken);
	pthread_cond_signal(&s->read);
	must(pthread_mutex_unlock(&s->lock) == 0);
	return NULL;
}

/* Span i, once it was read; false: it will not be. */
static bool take_span(struct spans *s, int64_t i, struct list *list)
{
	struct list *from = &s->ahead[(size_t)i % s->ahead_cnt];

	must(pthread_mutex_lock(&s->lock) == 0);
	while (s->err.kind == ERR_NONE && !from->read)
		pthread_cond_wait(&s->read, &s->lock);
	bool ok = s->err.kind == ERR_NONE;
	if (ok) {
		*list = *from;
		*from = (struct list){0};
		s->done = i + 1;
		pthread_cond_broadcast(&s->taken);
	}
	must(pthread_mutex_unlock(&s->lock) == 0);
	return ok;
}

static void end_spans(struct spans *s, struct err *err)
{
	must(pthread_mutex_lock(&s->lock) == 0);
	if (s->err.kind == ERR_NONE)
		s->err = *err;
	pthread_cond_broadcast(&s->taken);
	must(pthread_mutex_unlock(&s->lock) == 0);
}

static bool take_spans(struct spans *s, struct filling *f, struct err *err)
{
	struct list list;
	bool ok = true;

	for (int64_t i = 0; ok && i < s->cnt; i++) {
		if (!take_span(s, i, &list))
			return false;
		for (size_t k = 0; ok && k < list.cnt; k++)
			ok = fill(f, &list.of[k], err);
		free(list.of);
	}
	if (!ok)
		end_spans(s, err);
	return ok;
}

static size_t start_threads(struct spans *s, pthread_t threads[THREADS_MAX])
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t want = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores, cnt = 0;

	s->ahead_cnt = AHEAD_OF_EACH * want;
	while (cnt < want && (int64_t)cnt < s->cnt &&
	       pthread_create(&threads[cnt], NULL, read_spans, s) == 0) {
		pthread_setname_np(threads[cnt], "load");
		cnt++;
	}
	return cnt;
}

static bool load_by_threads(struct ledger *l, struct err *err)
{
	struct filling f = {.l = l, .height = l->height, .into = l->state};
	struct spans *s = xcalloc(1, sizeof *s);
	pthread_t threads[THREADS_MAX];
	bool ok = false;

	*s = (struct spans){.path = l->db.path,
	                    .n = lockable(l),
	                    .next_seq = l->next_seq,
	                    .cnt = (l->next_seq + SPAN - 1) / SPAN,
	                    .lock = PTHREAD_MUTEX_INITIALIZER,
	                    .read = PTHREAD_COND_INITIALIZER,
	                    .taken = PTHREAD_COND_INITIALIZER};
	size_t cnt = start_threads(s, threads);
	if (cnt == 0)
		err_set(&s->err, ERR_WORLD, "ledger %s: no thread can be started", l->db.path);
	else
		ok = take_spans(s, &f, err);
	for (size_t i = 0; i < cnt; i++)
		must(pthread_join(threads[i], NULL) == 0);
	if (!ok)
		err_set(err, s->err.kind, "%s", s->err.text);
	for (size_t i = 0; i < AHEAD_MAX; i++)
		free(s->ahead[i].of);
	state_add_sum(l->state, &s->sum);
	free(s);
	return ok;
}

bool load_unspent(struct ledger *l, struct err *err)
{
	struct filling f = {.l = l, .height = l->height, .into = l->state};
	const int64_t all[3] = {0, INT64_MAX, INT64_MAX};

	/* Another VFS need not know of threads, and theirs would be other views of a file that goes on. */
	if (!l->vfs && l->db.writable && l->next_seq > SPAN)
		return load_by_threads(l, err);
	bool ok = each_unspent(&l->db, UNSPENT, lockable(l), all, fill_and_sum, &f, err);
	state_add_sum(l->state, &f.sum);
	return ok;
}
