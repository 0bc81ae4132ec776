/*
 * More than f traitors really fork a chain of whole replicas: each runs twice with one key, once in either
 * half of the honest ones, which never hear of each other.  Messages are lost, so the halves go through views
 * of their own; and one who is honest may have committed in one half before it wakes up in the other.
 * Whatever comes of it, the ledgers of the honest convict traitors only, and enough of them.
 *
 * Links: q_replica
 */
#include "cluster.h"

#include <sqlite3.h>

#include "audit.h"
#include "evidence.h"

#define PAYMENTS 4

/* ---- chance ------------------------------------------------------------------------- */

static uint64_t chance;

static uint64_t draw(uint64_t below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance % below;
}

static uint64_t draw_one(uint64_t *from)
{
	unsigned cnt = 0, at;

	for (uint64_t mask = *from; mask; mask &= mask - 1)
		cnt++;
	at = (unsigned)draw(cnt);
	uint64_t mask = *from;
	while (at-- > 0)
		mask &= mask - 1;
	mask &= ~(mask - 1);
	*from &= ~mask;
	return mask;
}

static uint64_t draw_some(uint64_t *from, unsigned cnt)
{
	uint64_t some = 0;

	while (cnt-- > 0)
		some |= draw_one(from);
	return some;
}

/* ---- disks that sync nothing: no power is lost here, and there is much to sync ------ */

static sqlite3_vfs lazy_vfs, *real_vfs;

static int lazy_sync(sqlite3_file *f, int flags)
{
	(void)f;
	(void)flags;
	return SQLITE_OK;
}

static int lazy_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	static struct {
		const sqlite3_io_methods *real;
		sqlite3_io_methods lazy;
	} known[8]; /* a few: one a way of locking */
	size_t i = 0;

	(void)vfs;
	int rc = real_vfs->xOpen(real_vfs, name, f, flags, out_flags);
	if (rc != SQLITE_OK)
		return rc;
	while (known[i].real && known[i].real != f->pMethods)
		assert_true(++i < 8);
	known[i].real = f->pMethods;
	known[i].lazy = *f->pMethods;
	known[i].lazy.xSync = lazy_sync;
	f->pMethods = &known[i].lazy;
	return SQLITE_OK;
}

static void be_lazy(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	lazy_vfs = *real_vfs;
	lazy_vfs.zName = "lazy";
	lazy_vfs.xOpen = lazy_open;
	assert_int_equal(sqlite3_vfs_register(&lazy_vfs, 1), SQLITE_OK);
}

/* ---- two halves --------------------------------------------------------------------- */

struct loss {
	unsigned percent;
	uint64_t deaf; /* hear of no certificate: neither COMMITs, nor who is ahead */
};

static bool is_lost(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	const struct loss *l = c->drop_ctx;

	(void)from;
	if (l->deaf >> to & 1 &&
	    (m->m.kind == QCOMMIT || m->m.kind == QSTATUS || m->m.kind == QCHAIN ||
	     m->m.kind == QCHECKPOINT || m->m.kind == QVIEW_CHANGE || m->m.kind == QNEW_VIEW))
		return true;
	return draw(100) < l->percent;
}

static struct cluster *half(unsigned n, uint64_t members, unsigned interval, struct loss *loss)
{
	struct qparams params = genesis_default_params();

	params.checkpoint_interval = interval;
	params.window = 4;
	struct cluster *c = cluster_new(n, 2 * PAYMENTS, &params);
	for (unsigned i = 0; i < n; i++)
		if (!(members >> i & 1))
			cluster_crash(c, i);
	c->drop = is_lost;
	c->drop_ctx = loss;
	return c;
}

static unsigned any_of(const struct cluster *c)
{
	uint64_t up = 0;
	unsigned i = 0;

	for (unsigned k = 0; k < CLUSTER_MAX; k++)
		up |= (uint64_t)(c->members[k].replica != NULL) << k;
	for (uint64_t one = draw_one(&up); one > 1; one >>= 1)
		i++;
	return i;
}

/* So many payments, of which the halves make different ones; then peace. */
static void live(struct cluster *c, unsigned first, unsigned cnt, struct loss *loss)
{
	unsigned percent = loss->percent;

	for (unsigned k = first; k < first + cnt; k++) {
		cluster_pay(c, any_of(c), pay_allocation(&c->rules, k, 9, ""));
		cluster_run(c, 100 + draw(4000));
	}
	loss->percent = 0;
	cluster_run(c, 20000);
	loss->percent = percent;
}

static void copy(const char *from, const char *to)
{
	uint8_t buf[65536];
	size_t len;
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");

	assert_true(in && out);
	while ((len = fread(buf, 1, sizeof buf, in)) > 0)
		assert_int_equal(fwrite(buf, 1, len, out), len);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* The honest replicas of the mask leave one half, with all that they remember, for the other. */
static void move(struct cluster *from, struct cluster *to, uint64_t mask)
{
	for (unsigned i = 0; i < from->rules.g.n; i++) {
		if (!(mask >> i & 1))
			continue;
		cluster_crash(from, i);
		cluster_unlink(to->members[i].ledger);
		cluster_unlink(to->members[i].votes);
		copy(from->members[i].ledger, to->members[i].ledger);
		copy(from->members[i].votes, to->members[i].votes);
		cluster_start(to, i);
	}
}

/* ---- the audit ---------------------------------------------------------------------- */

struct tally {
	unsigned forks, checkpoints, same_view, view_change;
};

static void judge(const struct cluster *left, const struct cluster *right, uint64_t in_left,
                  uint64_t in_right, uint64_t traitors, struct tally *t)
{
	struct audit_options options = {.threads = 2};
	const struct genesis *g = &left->rules.g;
	const char *paths[2 * CLUSTER_MAX];
	struct audit_report r;
	struct err err = {0};
	size_t cnt = 0;

	for (unsigned i = 0; i < g->n; i++) {
		if (in_left >> i & 1)
			paths[cnt++] = left->members[i].ledger;
		if (in_right >> i & 1)
			paths[cnt++] = right->members[i].ledger;
	}
	if (!audit_run(paths, cnt, g, &options, &r, &err))
		fail_msg("%s", err.text);
	const struct audit_divergence *d = &r.divergence;
	assert_int_equal(d->culprits & ~traitors, 0);
	if (r.diverged) {
		struct evidence_facts facts;
		if (d->unknown)
			print_error("%s\n", d->unknown);
		assert_true(d->blame == BLAME_SAME_VIEW || d->blame == BLAME_VIEW_CHANGE);
		assert_true(__builtin_popcountll(d->culprits) > (int)g->f);
		assert_true(evidence_verify(g, d->evidence, NULL));
		assert_true(evidence_facts(g, d->evidence, &facts));
		assert_int_equal(facts.culprits, d->culprits);
		for (size_t i = 0; i < cnt; i++)
			assert_true(r.ledgers[i].ok && (r.ledgers[i].side == SIDE_NONE ||
			                                r.ledgers[i].standing == STANDING_FORKED));
		t->forks++;
		t->checkpoints += facts.statement == QCHECKPOINT;
		t->same_view += d->blame == BLAME_SAME_VIEW && facts.statement == QCOMMIT;
		t->view_change += d->blame == BLAME_VIEW_CHANGE;
	}
	audit_report_free(&r);
}

/* n replicas, t traitors, of the honest as few on either side as it takes, and the others move. */
static void fork_with(unsigned n, unsigned t, uint64_t seed, struct tally *tally)
{
	uint64_t all = (UINT64_C(1) << n) - 1, rest = all;
	struct loss loss[2] = {0};

	chance = seed * UINT64_C(0x9e3779b97f4a7c15) + n;
	unsigned quorum = (n + (n - 1) / 3 + 2) / 2;
	/* Every other time the left half lives in view 0, which the other one cannot: its primary is not
	 * there. */
	uint64_t leads = seed % 2;
	rest &= ~leads;
	uint64_t traitors = draw_some(&rest, t),
	         in_left = leads | draw_some(&rest, quorum - t - (leads != 0));
	uint64_t in_right = draw_some(&rest, quorum - t), movers = rest;
	loss[0] = (struct loss){.percent = leads ? 0 : (unsigned)draw(25), .deaf = movers};
	loss[1] = (struct loss){.percent = (unsigned)draw(25)};
	unsigned interval = draw(4) ? 64 : 4; /* there are checkpoints, or there are none */
	struct cluster *left = half(n, traitors | in_left | movers, interval, &loss[0]);
	struct cluster *right = half(n, traitors | in_right, interval, &loss[1]);
	unsigned before = (unsigned)draw(PAYMENTS);

	live(left, 0, PAYMENTS, &loss[0]);
	live(right, PAYMENTS, before, &loss[1]);
	move(left, right, movers);
	live(right, PAYMENTS + before, PAYMENTS - before, &loss[1]);
	for (unsigned i = 0; i < n; i++) {
		cluster_crash(left, i);
		cluster_crash(right, i);
	}
	judge(left, right, in_left, in_right | movers, traitors, tally);
	cluster_free(left);
	cluster_free(right);
}

static void convicts_traitors_only_and_enough_of_them(void **state)
{
	const struct {
		unsigned n, t;
	} chains[] = {{4, 2}, {7, 3}, {7, 4}};
	const char *seeds = getenv("TWINS_SEEDS");
	uint64_t last = seeds ? strtoull(seeds, NULL, 10) : 4;
	struct tally tally = {0};

	(void)state;
	be_lazy();
	for (uint64_t seed = 1; seed <= last; seed++)
		for (int k = 0; k < 3; k++)
			fork_with(chains[k].n, chains[k].t, seed, &tally);
	print_message("%u forks: %u by checkpoints, %u in one view, %u by view changes\n", tally.forks,
	              tally.checkpoints, tally.same_view, tally.view_change);
	assert_true(tally.checkpoints > 0 && tally.same_view > 0 && tally.view_change > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(convicts_traitors_only_and_enough_of_them),
	};

	return cmocka_run_group_tests_name("audit_twins", tests, NULL, NULL);
}
