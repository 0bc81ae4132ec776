/*
 * new_view.c: S and O of a NEW-VIEW: what the engine computes against the naive second implementation, on
 * random sets of VIEW-CHANGEs: n = 4, 7, 10; windows 1 to 16; gaps, blocks of other branches, liars who hide
 * or show, tips and stable checkpoints of any height.  The messages are structs, never signed: what
 * message_open() would refuse (heights out of order, views from the future) is not made.
 *
 * In one set of eight more than f replicas lie: two candidates are equally good.  There the rule leaves the
 * choice open, and what is checked is that the choice is one of them.
 *
 *   exhaustive_new_view [--sets N] [--seed S]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "block.h"
#include "crypto.h"
#include "new_view_naive.h"
#include "pbft.h"

#define REPLICAS 10
#define WINDOW 16
#define TIP_MAX 8                  /* tips: 0 .. TIP_MAX */
#define HEIGHTS (TIP_MAX + WINDOW) /* blocks: 1 .. HEIGHTS */
#define BRANCHES 4                 /* at each height; branch 0 is one chain from the genesis up */
#define VIEWS 6                    /* prepared in 0 .. VIEWS - 1 */
#define FOREST_LIFE 8192           /* sets made of one forest */

static struct {
	struct qheader header;
	struct qhash hash;
} forest[HEIGHTS + 1][BRANCHES];

static struct set {
	unsigned n, cnt, window;
	bool liars;                      /* more than f */
	unsigned at[VIEWS][HEIGHTS + 1]; /* branch that was prepared there */
	struct message messages[REPLICAS], *changes[REPLICAS];
	const struct qview_change *plain[REPLICAS];
	struct qcert tips[REPLICAS], stables[REPLICAS];
	struct qprepared prepared[REPLICAS][WINDOW];
} set;

static struct {
	uint64_t sets, from_stable, empty, gap, unlinked, whole, ambiguous;
} seen;

static uint64_t random_state;

static uint64_t draw(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
	return (unsigned)(draw() % n);
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

static void grow_forest(const struct qhash *genesis)
{
	for (unsigned b = 0; b < BRANCHES; b++)
		forest[0][b].hash = *genesis;
	for (unsigned h = 1; h <= HEIGHTS; h++)
		for (unsigned b = 0; b < BRANCHES; b++) {
			struct qheader *header = &forest[h][b].header;
			*header = (struct qheader){.format = 1, .height = qheight_of(h), .tx_count = 1};
			header->time_ms = draw();
			header->parent = forest[h - 1][b == 0 || one_in(2) ? 0 : below(BRANCHES)].hash;
			block_hash(header, &forest[h][b].hash);
		}
}

static struct qcert certificate(enum qkind kind, unsigned view, unsigned height, unsigned branch)
{
	struct qcert c = {.kind = kind};
	c.vote.view = qview_of(kind == QCHECKPOINT ? 0 : view);
	c.vote.height = qheight_of(height);
	c.vote.block = forest[height][branch].hash;
	return c;
}

static unsigned final_branch(void)
{
	return set.liars && one_in(4) ? below(BRANCHES) : 0;
}

static void make_change(unsigned i, unsigned view, unsigned base)
{
	struct message *m = &set.messages[i];
	struct qview_change *vc = &m->m.qmessage_u.view_change;
	unsigned spread = below(3), tip = base + below(2 * spread + 1);
	unsigned density = 1 + below(8);
	tip = tip > spread ? tip - spread : 0;
	tip = one_in(16) ? 0 : tip > TIP_MAX ? TIP_MAX : tip;
	m->sender = i;
	m->m.kind = QVIEW_CHANGE;
	*vc = (struct qview_change){.view = qview_of(view)};
	if (tip > 0) {
		set.tips[i] =
		    certificate(one_in(4) ? QCHECKPOINT : QCOMMIT, below(VIEWS), tip, final_branch());
		vc->tip.tip_len = 1;
		vc->tip.tip_val = &set.tips[i];
	}
	unsigned stable = one_in(3) ? below(TIP_MAX + 1) : 0; /* above the tip, too */
	if (stable > 0) {
		set.stables[i] = certificate(QCHECKPOINT, 0, stable, final_branch());
		vc->stable.stable_len = 1;
		vc->stable.stable_val = &set.stables[i];
	}
	vc->prepared.prepared_val = set.prepared[i];
	for (unsigned h = tip + 1; h <= tip + set.window && !one_in(12); h++) {
		if (density < 7 && one_in(density + 1))
			continue;
		unsigned v = below(view), b = set.liars && one_in(4) ? below(BRANCHES) : set.at[v][h];
		struct qprepared *p = &set.prepared[i][vc->prepared.prepared_len++];
		p->header = forest[h][b].header;
		p->cert = certificate(QPREPARE, v, h, b);
	}
	set.changes[i] = m;
	set.plain[i] = vc;
}

static void make_set(struct genesis *g)
{
	set.n = 4 + 3 * below(3);
	g->n = set.n;
	g->f = (set.n - 1) / 3;
	g->quorum = (set.n + g->f + 2) / 2;
	set.window = g->g.params.window = 1 + below(WINDOW);
	set.cnt = g->quorum + below(set.n - g->quorum + 1);
	set.liars = one_in(8);
	unsigned strays = 1 + below(12);
	for (unsigned v = 0; v < VIEWS; v++)
		for (unsigned h = 1; h <= HEIGHTS; h++)
			set.at[v][h] = one_in(strays) ? below(BRANCHES) : 0;
	unsigned view = 1 + below(VIEWS), base = below(TIP_MAX + 1);
	for (unsigned i = 0; i < set.cnt; i++)
		make_change(i, view, base);
}

/* ---- judging ---------------------------------------------------------------- */

static bool prepared_in_v(const struct qprepared *p)
{
	for (unsigned i = 0; i < set.cnt; i++)
		for (unsigned k = 0; k < set.plain[i]->prepared.prepared_len; k++)
			if (p == &set.plain[i]->prepared.prepared_val[k])
				return true;
	return false;
}

/* No other at this height was prepared in a higher view; `extends`: nor is there one, as high, that differs.
 */
static bool is_highest(const struct qprepared *p, uint64_t height, const struct qhash *parent,
                       bool *others_extend)
{
	bool highest = true;
	for (unsigned i = 0; i < set.cnt; i++)
		for (unsigned k = 0; k < set.plain[i]->prepared.prepared_len; k++) {
			const struct qprepared *q = &set.plain[i]->prepared.prepared_val[k];
			if (q->header.height.n != height)
				continue;
			highest &= p != NULL && q->cert.vote.view.n <= p->cert.vote.view.n;
			*others_extend &= qhash_eq(&q->header.parent, parent);
		}
	return highest;
}

/* What must hold whichever of two equally good candidates was taken. */
static const char *check_ambiguous(const struct naive_choice *want, const struct qcert *s, size_t o_cnt,
                                   const struct qprepared *const *o, const struct qhash *chain)
{
	struct qhash parent = s ? s->vote.block : *chain;
	bool all_extend = true;
	if ((s ? s->vote.height.n : 0) != want->s_height)
		return "S is at another height";
	for (size_t k = 0; k < o_cnt; k++) {
		if (!prepared_in_v(o[k]) || o[k]->header.height.n != want->s_height + 1 + k)
			return "O holds what V does not";
		if (!is_highest(o[k], o[k]->header.height.n, &parent, &all_extend))
			return "O holds a block that another one of a higher view replaces";
		if (!qhash_eq(&o[k]->header.parent, &parent))
			return "O does not link";
		parent = o[k]->cert.vote.block;
	}
	all_extend = true;
	if (!is_highest(NULL, want->s_height + 1 + o_cnt, &parent, &all_extend) && all_extend)
		return "O ends though what comes next extends it";
	return NULL;
}

static const char *compare(const struct naive_choice *want, const struct qcert *s, size_t o_cnt,
                           const struct qprepared *const *o, const struct qhash *chain)
{
	if (want->ambiguous)
		return check_ambiguous(want, s, o_cnt, o, chain);
	if ((s ? s->vote.height.n : 0) != want->s_height ||
	    !qhash_eq(s ? &s->vote.block : chain, &want->s_block))
		return "S differs";
	if (o_cnt != want->o_cnt)
		return "O is of another length";
	for (size_t k = 0; k < o_cnt; k++)
		if (!qhash_eq(&o[k]->cert.vote.block, &want->o[k]->cert.vote.block) ||
		    o[k]->cert.vote.view.n != want->o[k]->cert.vote.view.n)
			return "O differs";
	return NULL;
}

static bool anything_at(uint64_t height)
{
	bool ignored = true;
	struct qhash nothing = {{0}};
	return !is_highest(NULL, height, &nothing, &ignored);
}

static void count(const struct naive_choice *c, const struct qcert *s)
{
	uint64_t end = c->s_height + c->o_cnt;
	bool above = false;
	for (uint64_t h = end + 2; h <= HEIGHTS; h++)
		above |= anything_at(h);
	seen.sets++;
	seen.ambiguous += c->ambiguous;
	seen.from_stable += s && s->kind == QCHECKPOINT;
	seen.empty += c->o_cnt == 0;
	seen.unlinked += anything_at(end + 1);
	seen.gap += !anything_at(end + 1) && above;
	seen.whole += !anything_at(end + 1) && !above && c->o_cnt > 0;
}

/* ---- */

static bool options(int argc, char **argv, uint64_t *sets, uint64_t *seed)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--sets") == 0)
			*sets = value;
		else if (strcmp(argv[i], "--seed") == 0)
			*seed = value;
		else
			return false;
	}
	return argc % 2 == 1;
}

int main(int argc, char **argv)
{
	uint64_t sets = 300000, seed = 1;
	struct genesis g = {0};
	struct err err = {0};
	if (!options(argc, argv, &sets, &seed)) {
		fprintf(stderr, "usage: %s [--sets N] [--seed S]\n", argv[0]);
		return 2;
	}
	if (!crypto_init(&err)) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	memset(g.chain.b, 7, sizeof g.chain.b);
	random_state = seed;
	clock_t start = clock();
	for (uint64_t k = 0; k < sets; k++) {
		const struct qcert *s;
		const struct qprepared *o[Q_WINDOW_MAX];
		struct naive_choice want;
		if (k % FOREST_LIFE == 0)
			grow_forest(&g.chain);
		make_set(&g);
		size_t o_cnt = new_view_choose(&g, set.changes, set.cnt, &s, o);
		naive_choose(&g.chain, set.plain, set.cnt, &want);
		const char *wrong = compare(&want, s, o_cnt, o, &g.chain);
		if (wrong) {
			printf("violation: NEW-VIEW, set %" PRIu64 " of seed %" PRIu64 ", n %u: %s\n", k,
			       seed, set.n, wrong);
			return 1;
		}
		count(&want, s);
	}
	printf("%" PRIu64 " sets agree in %.1f s: S by a checkpoint %" PRIu64 ", O empty %" PRIu64
	       ", ended by a gap %" PRIu64 ", by a block that does not link %" PRIu64 ", whole %" PRIu64
	       ", more than f liars %" PRIu64 "\n",
	       seen.sets, (double)(clock() - start) / CLOCKS_PER_SEC, seen.from_stable, seen.empty, seen.gap,
	       seen.unlinked, seen.whole, seen.ambiguous);
	bool all_kinds =
	    seen.from_stable && seen.empty && seen.gap && seen.unlinked && seen.whole && seen.ambiguous;
	if (!all_kinds && sets >= 10000)
		printf("violation: a kind of set never came up\n");
	return all_kinds || sets < 10000 ? 0 : 1;
}
