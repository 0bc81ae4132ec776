/*
 * audit.c: the audit from end to end; audit.h says what it proves and where each part is.
 *
 *   open all        (a file that cannot be audited ends it here)
 *   each, in a thread of its own:  schema, journal, meta, replay;  signatures go to the pool meanwhile
 *   what the pool found, to the ledgers it is about
 *   side by side
 *   verdict
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "audit_impl.h"
#include "clock.h"

struct audit {
	const struct genesis *g;
	struct book *books;
	size_t cnt;
	atomic_size_t next; /* book to be taken by a thread */
	struct audit_pool *pool;
	pthread_mutex_t progress_lock;
	struct audit_report *report;
};

/* ---- each ledger --------------------------------------------------------------------- */

static void audit_book(struct book *b)
{
	struct integrity *integrity = book_ends(b) ? NULL : integrity_start(b);

	book_check_schema(b);
	book_check_journal(b);
	book_check_meta(b);
	book_check_replicas(b);
	if (!book_ends(b))
		book_replay(b);
	if (integrity)
		integrity_end(integrity, b);
}

static void *audit_books(void *arg)
{
	struct audit *a = arg;
	size_t i;
	while ((i = atomic_fetch_add(&a->next, 1)) < a->cnt)
		audit_book(&a->books[i]);
	return NULL;
}

/* This thread takes its share, so one that cannot be started is no more than slower. */
static void audit_all(struct audit *a)
{
	enum { HELPERS_MAX = 15 }; /* each holds an unspent set in memory */
	pthread_t helpers[HELPERS_MAX];
	size_t cnt = 0;

	while (cnt < HELPERS_MAX && cnt + 1 < a->cnt &&
	       pthread_create(&helpers[cnt], NULL, audit_books, a) == 0)
		cnt++;
	audit_books(a);
	while (cnt > 0)
		pthread_join(helpers[--cnt], NULL);
}

/* ---- signatures ------------------------------------------------------------------------ */

static void find_failure(struct book *b, const struct audit_failure *f)
{
	char where[WHERE_MAX];
	if (f->book) {
		table_where(TABLE_CERTIFICATES, (int64_t)f->height.n, 0, "certificate", where);
		book_find(b, AUDIT_CERTIFICATE, f->height, where, "the signature of replica %d does not hold",
		          f->replica);
	} else {
		table_where(TABLE_TRANSACTIONS, f->seq, 0, "raw", where);
		book_find(b, AUDIT_SIGNATURE, f->height, where,
		          "a signature of the transaction does not hold");
	}
}

static bool is_about(const struct audit_failure *f, const struct book *b)
{
	if (f->book)
		return f->book == b;
	return f->height.n < b->hash_cnt && qhash_eq(&b->hashes[f->height.n], &f->block);
}

static void find_failures(struct audit *a)
{
	size_t cnt;
	const struct audit_failure *failures = audit_pool_finish(a->pool, &cnt);
	for (size_t i = 0; i < cnt; i++)
		for (size_t j = 0; j < a->cnt; j++)
			if (is_about(&failures[i], &a->books[j]))
				find_failure(&a->books[j], &failures[i]);
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool open_all(struct audit *a, const char *const *paths, const struct audit_options *o,
                     struct err *err)
{
	for (size_t i = 0; i < a->cnt; i++) {
		struct audit_ledger *out = &a->report->ledgers[i];
		out->path = xstrdup(paths[i]);
		out->ok = true;
		out->findings = xcalloc(AUDIT_FINDINGS_MAX, sizeof *out->findings);
		a->books[i] = (struct book){
		    .out = out, .g = a->g, .options = o, .progress_lock = &a->progress_lock, .pool = a->pool};
		if (!book_open(&a->books[i], err))
			return false;
	}
	return true;
}

static bool all_readable(const struct audit *a, struct err *err)
{
	for (size_t i = 0; i < a->cnt; i++)
		if (a->books[i].unusable) {
			*err = a->books[i].err;
			return false;
		}
	return true;
}

static void conclude(struct audit *a)
{
	struct audit_report *r = a->report;

	audit_compare(a->books, a->cnt, r);
	r->ok = !r->diverged;
	for (size_t i = 0; i < a->cnt; i++) {
		const struct audit_ledger *l = &r->ledgers[i];
		book_conclude(&a->books[i]);
		r->ledgers[i].standing = book_standing(&a->books[i], r);
		r->ok = r->ok && l->ok;
		if (i == 0 || l->height.n > r->height.n) {
			r->height = l->height;
			r->transactions = l->transactions;
		}
		if (l->double_spends > r->double_spends)
			r->double_spends = l->double_spends;
	}
}

static bool audit(struct audit *a, const char *const *paths, const struct audit_options *o, struct err *err)
{
	struct audit_speed *speed = &a->report->speed;
	uint64_t from = clock_ms(CLOCK_MONOTONIC);

	if (!open_all(a, paths, o, err))
		return false;
	audit_all(a);
	find_failures(a);
	if (!all_readable(a, err))
		return false;
	conclude(a);
	speed->seconds = (double)(clock_ms(CLOCK_MONOTONIC) - from) / 1000;
	audit_pool_measure(a->pool, o->measure, speed);
	return all_readable(a, err);
}

bool audit_run(const char *const *paths, size_t cnt, const struct genesis *g, const struct audit_options *o,
               struct audit_report *report, struct err *err)
{
	struct audit a = {.g = g, .cnt = cnt, .report = report};

	must(cnt > 0);
	*report = (struct audit_report){.ledger_cnt = cnt};
	a.pool = audit_pool_start(g, o->threads, err);
	if (!a.pool)
		return false;
	report->ledgers = xcalloc(cnt, sizeof *report->ledgers);
	a.books = xcalloc(cnt, sizeof *a.books);
	pthread_mutex_init(&a.progress_lock, NULL);
	bool ok = audit(&a, paths, o, err);
	for (size_t i = 0; i < cnt; i++)
		book_close(&a.books[i]);
	size_t unused;
	audit_pool_finish(a.pool, &unused); /* ended already, unless something failed */
	audit_pool_free(a.pool);
	pthread_mutex_destroy(&a.progress_lock);
	free(a.books);
	if (!ok)
		audit_report_free(report);
	return ok;
}

void audit_report_free(struct audit_report *report)
{
	for (size_t i = 0; report->ledgers && i < report->ledger_cnt; i++) {
		struct audit_ledger *l = &report->ledgers[i];
		for (size_t j = 0; j < l->finding_cnt; j++) {
			free(l->findings[j].where);
			free(l->findings[j].message);
		}
		free(l->findings);
		free(l->path);
	}
	free(report->ledgers);
	audit_divergence_free(&report->divergence);
	*report = (struct audit_report){0};
}
