/*
 * model.c: the lemma of the protocol, explored without the code: n = 4, three honest replicas and a traitor
 * that is the proposer and the primary of every view, signs whatever helps, and makes every NEW-VIEW that
 * certificates allow, even several of one view.  What was ever said can be heard at any later time or never:
 * loss, delay, reordering and crashes of replicas that keep what they must are all in that.
 *
 *   agreement  all COMMIT certificates that can ever be made of the votes said lie on one chain
 *   lemma      whatever V a NEW-VIEW is made of, its S and O hold every block certified in a lower view
 *
 * Each rule can be taken away by name: then one of the two must be seen to fail.
 *
 * A block is a bit string behind a leading 1: 1 is the genesis, 2b and 2b+1 are the two children of b; 0 is
 * none. Reductions, and why they lose nothing:
 *   - Which prepared certificates a replica holds is not a state of its own: it matters when it sends COMMIT
 * (it must hold them) and in VIEW-CHANGEs, where the traitor's own can add any certificate that exists.
 *   - V is two honest VIEW-CHANGEs and the traitor's, which can say all that a third honest one could.
 *   - Votes of a view that all have left count only where they make certificates; VIEW-CHANGEs for a view
 * that all have entered or passed count for nothing.
 *   - Honest replicas are alike, and so are the two children of a block.
 * Visited states are kept as hashes of 64 bits: in 10 million states the odds that one hides another are 1 :
 * 370000.
 *
 *   exhaustive_model [--heights N] [--views N] [--without RULE] [--states N] [--walks N] [--seed N] [--trace]
 *   Without arguments: what ./check runs.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"

#define HONEST 3
#define HEIGHTS 3
#define VIEWS 3
#define BLOCKS (2u << HEIGHTS)

/* ---- rules that can be taken away ------------------------------------------------ */

#define RULES(X)                                                                                            \
	X(WEAK, "weak", "CO1: COMMIT asks only that the parent is prepared", 3, 1)                          \
	X(NOORDER, "noorder", "CO1: COMMIT asks for nothing below", 2, 1)                                   \
	X(LOWVIEW, "lowview", "NV3: O takes the header of the lowest view", 1, 2)                           \
	X(QF1, "qf1", "a certificate needs f+1 votes", 1, 1)                                                \
	X(VCHIDE, "vchide", "VC1: an honest VIEW-CHANGE may leave out what is prepared", 1, 1)              \
	X(NOTRUNC, "notrunc", "NV3: O goes on over gaps and over what does not link", 2, 2)                 \
	X(TIPUNCERT, "tipuncert", "a VIEW-CHANGE's tip needs no certificate", 1, 1)                         \
	X(NOFLOOR, "nofloor", "NV4: S is not certified on entering [F1]", 1, 2)                             \
	X(OUNBOUND, "ounbound", "NV4: the heights of O are not bound [F1]", 1, 2)                           \
	X(CKPT, "ckpt", "a stable checkpoint forgets what is prepared, and S does not count it [F4]", 2, 2) \
	X(PVOLATILE, "pvolatile", "CO2: a crash loses the prepared certificates [F5]", 1, 1)                \
	X(VOTEAFTERVC, "voteaftervc", "VC1: votes in lower views after VIEW-CHANGE", 1, 1)                  \
	X(VCSMALL, "vcsmall", "VC4: a V of fewer than Q", 1, 1)                                             \
	X(PRESET, "preset", "VC1: what is prepared is forgotten by the second VIEW-CHANGE", 1, 2)           \
	X(LOWTIP, "lowtip", "NV3: S is the lowest tip in V", 2, 1)                                          \
	X(PFUTURE, "pfuture", "a VIEW-CHANGE may show what is prepared under a view of its choice", 1, 2)
enum rule {
	NONE,
#define X(id, name, about, heights, views) id,
	RULES(X)
#undef X
	    RULE_CNT
};
static const struct {
	const char *name, *about;
	unsigned heights, views; /* where its removal shows */
} table[] = {[NONE] = {"", "every rule stands", 0, 0},
#define X(id, name, about, heights, views) [id] = {name, about, heights, views},
             RULES(X)
#undef X
};

static unsigned heights, views, without;

/* ---- states --------------------------------------------------------------------------- */

struct prepared {
	uint8_t view, block; /* view + 1; 0: none */
};

struct change { /* VIEW-CHANGE */
	uint8_t said, tip;
	struct prepared p[HEIGHTS]; /* [height - 1] */
};

struct replica {
	uint8_t view, active; /* the view asked for, and whether it was entered */
	uint8_t tip, s, end;  /* s, end: S and the last block of O, of the view that is active */
	uint8_t stable;
	uint8_t prepare[VIEWS][HEIGHTS], commit[VIEWS][HEIGHTS]; /* votes said */
	struct prepared p[HEIGHTS];
	struct change change[VIEWS]; /* for view w: [w - 1] */
};

struct state {
	struct replica r[HONEST];
};

static unsigned height_of(unsigned block)
{
	return block ? 31u - (unsigned)__builtin_clz(block) : 0;
}

/* 0 where the block is lower than that. */
static unsigned ancestor(unsigned block, unsigned height)
{
	return block && height_of(block) >= height ? block >> (height_of(block) - height) : 0;
}

static bool on_one_chain(unsigned a, unsigned b)
{
	return ancestor(a, height_of(b)) == b || ancestor(b, height_of(a)) == a;
}

static unsigned honest_votes(void) /* that make a certificate with the traitor's */
{
	return without == QF1 ? 1 : 2;
}

static bool is_prepared(const struct state *s, unsigned view, unsigned block)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < HONEST; i++)
		cnt += s->r[i].prepare[view][height_of(block) - 1] == block;
	return cnt >= honest_votes();
}

static bool is_committed(const struct state *s, unsigned view, unsigned block)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < HONEST; i++)
		cnt += s->r[i].commit[view][height_of(block) - 1] == block;
	return cnt >= honest_votes();
}

/* In any view. */
static bool is_certified(const struct state *s, unsigned block)
{
	for (unsigned v = 0; v < views; v++)
		if (is_committed(s, v, block))
			return true;
	return false;
}

/* ---- one form for states that are alike ----------------------------------------------- */

/* Every block that a state speaks of, by f: counted, or given another name. */
static void each_block(struct state *s, void (*f)(uint8_t *block, uint8_t *map), uint8_t *map)
{
	for (unsigned i = 0; i < HONEST; i++) {
		struct replica *r = &s->r[i];
		f(&r->tip, map), f(&r->s, map), f(&r->end, map), f(&r->stable, map);
		for (unsigned h = 0; h < heights; h++) {
			f(&r->p[h].block, map);
			for (unsigned v = 0; v < views; v++) {
				f(&r->prepare[v][h], map), f(&r->commit[v][h], map);
				f(&r->change[v].p[h].block, map);
			}
		}
		for (unsigned v = 0; v < views; v++)
			f(&r->change[v].tip, map);
	}
}

static void mark(uint8_t *block, uint8_t *used)
{
	for (unsigned b = *block; b > 0; b >>= 1)
		used[b] = 1;
}

static void rename_block(uint8_t *block, uint8_t *map)
{
	*block = map[*block];
}

/* A block's only child that is spoken of is its first. */
static void rename_blocks(struct state *s)
{
	uint8_t used[BLOCKS] = {0}, map[BLOCKS] = {0, 1};
	bool any = false;
	each_block(s, mark, used);
	for (unsigned b = 2; b < BLOCKS; b++) {
		bool swap = !used[b & ~1u] && used[b | 1u];
		map[b] = (uint8_t)(2u * map[b >> 1] + ((b & 1) ^ swap));
		any |= swap;
	}
	if (any)
		each_block(s, rename_block, map);
}

static bool everybody_left(const struct state *s, unsigned view)
{
	for (unsigned i = 0; i < HONEST; i++)
		if (s->r[i].view <= view)
			return false;
	return true;
}

static bool nobody_enters(const struct state *s, unsigned view)
{
	for (unsigned i = 0; i < HONEST; i++)
		if (s->r[i].view < view || (s->r[i].view == view && !s->r[i].active))
			return false;
	return true;
}

static void forget_dead_votes(struct state *s)
{
	if (without == VOTEAFTERVC || without == QF1)
		return;
	for (unsigned v = 0; v < views && everybody_left(s, v); v++)
		for (unsigned h = 1; h <= heights; h++) {
			uint8_t prepared = 0, committed = 0;
			for (unsigned i = 0; i < HONEST; i++) {
				uint8_t b = s->r[i].prepare[v][h - 1], c = s->r[i].commit[v][h - 1];
				prepared = b && is_prepared(s, v, b) ? b : prepared;
				committed = c && is_committed(s, v, c) ? c : committed;
			}
			for (unsigned i = 0; i < HONEST; i++) {
				s->r[i].prepare[v][h - 1] = prepared;
				s->r[i].commit[v][h - 1] = committed;
			}
		}
	for (unsigned w = 1; w < views; w++)
		for (unsigned i = 0; i < HONEST && nobody_enters(s, w); i++)
			memset(&s->r[i].change[w - 1], 0, sizeof s->r[i].change[w - 1]);
}

static void to_normal_form(struct state *s)
{
	forget_dead_votes(s);
	rename_blocks(s);
	for (unsigned i = 1; i < HONEST; i++)
		for (unsigned j = i; j > 0 && memcmp(&s->r[j - 1], &s->r[j], sizeof s->r[j]) > 0; j--) {
			struct replica r = s->r[j];
			s->r[j] = s->r[j - 1];
			s->r[j - 1] = r;
		}
}

/* ---- what a NEW-VIEW can begin with ------------------------------------------------------ */

struct outcomes {
	struct {
		uint8_t s, end;
	} list[BLOCKS * BLOCKS];
	unsigned cnt;
};

static void note(struct outcomes *o, unsigned s, unsigned end)
{
	for (unsigned k = 0; k < o->cnt; k++)
		if (o->list[k].s == s && o->list[k].end == end)
			return;
	o->list[o->cnt].s = (uint8_t)s;
	o->list[o->cnt++].end = (uint8_t)end;
}

static bool replaces(unsigned view, unsigned other) /* views + 1 */
{
	if (without == LOWVIEW)
		return other == 0 || view < other;
	return view > other || without == PFUTURE;
}

/* O from `height` up, on `below`; best: what the honest members of V show. */
static void choose(const struct state *st, unsigned w, unsigned s, unsigned below, unsigned height,
                   const struct prepared best[HEIGHTS], struct outcomes *o)
{
	struct prepared can[VIEWS * BLOCKS + 1];
	unsigned cnt = 0;
	if (height > heights) {
		note(o, s, below);
		return;
	}
	can[cnt++] = best[height - 1];
	for (unsigned v = 0; v < views && v < w; v++)
		for (unsigned b = 1u << height; b < 2u << height; b++)
			if (is_prepared(st, v, b) && replaces(v + 1, best[height - 1].view))
				can[cnt++] = (struct prepared){(uint8_t)(v + 1), (uint8_t)b};
	for (unsigned k = 0; k < cnt; k++) {
		unsigned b = can[k].block;
		if (b && (b >> 1 == below || without == NOTRUNC))
			choose(st, w, s, b, height + 1, best, o);
		else if (without == NOTRUNC)
			choose(st, w, s, below, height + 1, best, o);
		else
			note(o, s, below);
	}
}

/* V: the VIEW-CHANGEs of replicas i and j (the same one, where V may be small), and the traitor's. */
static void outcomes_of_two(const struct state *st, unsigned w, unsigned i, unsigned j, struct outcomes *o)
{
	const struct change *a = &st->r[i].change[w - 1], *b = &st->r[j].change[w - 1];
	struct prepared best[HEIGHTS] = {{0}};
	for (unsigned h = 0; h < heights; h++) {
		best[h] = a->p[h];
		if (b->p[h].block && (without == LOWVIEW ? !best[h].view || b->p[h].view < best[h].view
		                                         : b->p[h].view > best[h].view))
			best[h] = b->p[h];
	}
	bool b_higher = height_of(b->tip) > height_of(a->tip);
	unsigned tip = b_higher != (without == LOWTIP) ? b->tip : a->tip;
	choose(st, w, tip, tip, height_of(tip) + 1, best, o);
	if (without == LOWTIP)
		choose(st, w, 1, 1, 1, best, o);
	for (unsigned x = 2; x < 2u << heights && without != LOWTIP; x++)
		if (height_of(x) > height_of(tip) && (without == TIPUNCERT || is_certified(st, x)))
			choose(st, w, x, x, height_of(x) + 1, best, o);
}

static void outcomes_of(const struct state *s, unsigned w, struct outcomes *o)
{
	o->cnt = 0;
	for (unsigned i = 0; i < HONEST; i++)
		for (unsigned j = without == VCSMALL ? i : i + 1; j < HONEST; j++)
			if (s->r[i].change[w - 1].said && s->r[j].change[w - 1].said)
				outcomes_of_two(s, w, i, j, o);
}

/* ---- what must hold -------------------------------------------------------------------------- */

static char broken[200];
static uint64_t lemma_checks;

static const char *text_of(unsigned block, char text[HEIGHTS + 2])
{
	unsigned h = height_of(block), at = 0;
	if (block <= 1)
		text[at++] = block ? 'G' : '-';
	for (; h > 0; h--)
		text[at++] = ancestor(block, height_of(block) - h + 1) & 1 ? 'b' : 'a';
	text[at] = 0;
	return text;
}

static bool covers(unsigned s, unsigned end, unsigned block)
{
	return height_of(block) <= height_of(s)
	           ? on_one_chain(block, s)
	           : height_of(block) <= height_of(end) && on_one_chain(block, end);
}

static bool lemma_holds(const struct state *s, unsigned view, unsigned block)
{
	char a[HEIGHTS + 2], b[HEIGHTS + 2], c[HEIGHTS + 2];
	struct outcomes o;
	for (unsigned w = view + 1; w <= views; w++) {
		outcomes_of(s, w, &o);
		for (unsigned k = 0; k < o.cnt; k++) {
			lemma_checks++;
			if (covers(o.list[k].s, o.list[k].end, block))
				continue;
			snprintf(broken, sizeof broken,
			         "a NEW-VIEW(%u) with S %s and O up to %s loses %s, certified in view %u", w,
			         text_of(o.list[k].s, a), text_of(o.list[k].end, b), text_of(block, c), view);
			return false;
		}
	}
	return true;
}

static bool holds(const struct state *s)
{
	char a[HEIGHTS + 2], b[HEIGHTS + 2];
	for (unsigned v = 0; v < views; v++)
		for (unsigned x = 2; x < 2u << heights; x++) {
			if (!is_committed(s, v, x))
				continue;
			for (unsigned y = 2; y < 2u << heights; y++)
				if (!on_one_chain(x, y) && is_certified(s, y)) {
					snprintf(broken, sizeof broken,
					         "fork: %s and %s can both be certified", text_of(x, a),
					         text_of(y, b));
					return false;
				}
			if (!lemma_holds(s, v, x))
				return false;
		}
	return true;
}

/* ---- what can happen --------------------------------------------------------------------------- */

struct step {
	uint8_t who, view, block, other;
	char what;
};

static void emit(const struct state *s, struct step step);

static void learn(struct replica *r, unsigned block)
{
	r->tip = (uint8_t)block;
	for (unsigned h = 0; h < height_of(block); h++)
		r->p[h] = (struct prepared){0, 0};
}

static bool spoken_of(const struct state *s, unsigned block)
{
	uint8_t used[BLOCKS] = {0};
	struct state copy = *s;
	each_block(&copy, mark, used);
	return used[block];
}

static bool may_prepare(const struct state *st, const struct replica *r, unsigned block)
{
	unsigned h = height_of(block), parent = block >> 1;
	unsigned tip = r->tip;
	if (r->prepare[r->view][h - 1])
		return false; /* PP5 */
	if (block & 1 && !spoken_of(st, block) && !spoken_of(st, block ^ 1))
		return false; /* alike */
	if (h <= height_of(r->s) && without != NOFLOOR)
		return false; /* NV4 */
	bool links = h == 1 ? parent == 1 && tip == 1 : r->prepare[r->view][h - 2] == parent;
	links |= h - 1 == height_of(r->s) && parent == r->s && without != NOFLOOR;
	links |= h - 1 == height_of(tip) && parent == tip;
	if (!links)
		return without == NOTRUNC && h > height_of(r->s) && ancestor(r->end, h) == block; /* PP6 */
	if (without != OUNBOUND && h > height_of(r->s) && h <= height_of(r->end) &&
	    ancestor(r->end, h) != block)
		return false; /* NV4 */
	return h > height_of(tip) || ancestor(tip, h) == block;
}

static void prepares(const struct state *s, unsigned i)
{
	const struct replica *r = &s->r[i];
	for (unsigned b = 2; r->active && b < 2u << heights; b++) {
		if (!may_prepare(s, r, b))
			continue;
		struct state to = *s;
		to.r[i].prepare[r->view][height_of(b) - 1] = (uint8_t)b;
		emit(&to, (struct step){(uint8_t)i, r->view, (uint8_t)b, 0, 'p'});
	}
}

/* CO1, from this tip up. */
static bool may_commit(const struct state *s, unsigned view, unsigned tip, unsigned block)
{
	unsigned h = height_of(block);
	if (h <= height_of(tip) || !is_prepared(s, view, block))
		return false;
	if (without == NOORDER ||
	    (without == WEAK && (h == height_of(tip) + 1 || is_prepared(s, view, block >> 1))))
		return true;
	for (unsigned k = h - 1; k > height_of(tip); k--)
		if (!is_prepared(s, view, ancestor(block, k)))
			return false;
	return ancestor(block, height_of(tip)) == tip || without == NOTRUNC;
}

static void commit(const struct state *s, unsigned i, unsigned view, unsigned tip, unsigned block)
{
	struct state to = *s;
	struct replica *r = &to.r[i];
	if (tip != r->tip)
		learn(r, tip);
	r->commit[view][height_of(block) - 1] = (uint8_t)block;
	/* CO2: what CO1 asked for is on disk. */
	unsigned depth = without == NOORDER ? 1 : without == WEAK ? 2 : HEIGHTS;
	for (unsigned k = height_of(block); k > height_of(tip) && k + depth > height_of(block); k--)
		if (is_prepared(s, view, ancestor(block, k)) && view + 1 > r->p[k - 1].view)
			r->p[k - 1] = (struct prepared){(uint8_t)(view + 1), (uint8_t)ancestor(block, k)};
	emit(&to, (struct step){(uint8_t)i, (uint8_t)view, (uint8_t)block, 0, 'c'});
}

static void commits(const struct state *s, unsigned i)
{
	const struct replica *r = &s->r[i];
	for (unsigned v = 0; v <= r->view && v < views; v++) {
		if (without != VOTEAFTERVC && (v != r->view || !r->active))
			continue;
		for (unsigned b = 2; b < 2u << heights; b++)
			for (unsigned tip = 1; tip < 2u << heights && !r->commit[v][height_of(b) - 1]; tip++)
				if ((tip == r->tip ||
				     (height_of(tip) > height_of(r->tip) && is_certified(s, tip))) &&
				    may_commit(s, v, tip, b))
					commit(s, i, v, tip, b);
	}
}

static void learns(const struct state *s, unsigned i)
{
	const struct replica *r = &s->r[i];
	for (unsigned b = 2; b < 2u << heights; b++)
		if (height_of(b) > height_of(r->tip) && is_certified(s, b)) {
			struct state to = *s;
			learn(&to.r[i], b);
			emit(&to, (struct step){(uint8_t)i, 0, (uint8_t)b, 0, 'l'});
		}
}

static void asks(const struct state *s, unsigned i)
{
	const struct replica *r = &s->r[i];
	if (r->view >= views)
		return;
	for (unsigned hidden = 0; hidden < (without == VCHIDE ? 1u << heights : 1u); hidden++) {
		struct state to = *s;
		struct replica *q = &to.r[i];
		struct change *c = &q->change[r->view];
		c->said = 1;
		c->tip = r->tip;
		memcpy(c->p, r->p, sizeof c->p);
		for (unsigned h = 0; h < heights; h++)
			if (hidden >> h & 1)
				c->p[h] = (struct prepared){0, 0};
		q->view++;
		q->active = q->s = q->end = 0;
		if (without == PRESET)
			memset(q->p, 0, sizeof q->p);
		emit(&to, (struct step){(uint8_t)i, q->view, 0, 0, 'v'});
	}
}

/* Any later view; the traitor leads them all. */
static void enters(const struct state *s, unsigned i)
{
	const struct replica *r = &s->r[i];
	struct outcomes o;
	for (unsigned w = r->view + (r->active ? 1u : 0u); w < views; w++) {
		if (w == 0)
			continue;
		outcomes_of(s, w, &o);
		for (unsigned k = 0; k < o.cnt; k++) {
			struct state to = *s;
			struct replica *q = &to.r[i];
			q->view = (uint8_t)w;
			q->active = 1;
			q->s = o.list[k].s;
			q->end = o.list[k].end;
			if (height_of(q->s) > height_of(q->tip) && without != NOFLOOR && without != TIPUNCERT)
				learn(q, q->s); /* NV4 */
			emit(&to, (struct step){(uint8_t)i, (uint8_t)w, q->s, q->end, 'e'});
		}
	}
}

/* Only where a rule was taken away: with it, neither changes anything. */
static void losses(const struct state *s, unsigned i)
{
	struct state to = *s;
	if (without == PVOLATILE) {
		memset(to.r[i].p, 0, sizeof to.r[i].p);
		emit(&to, (struct step){.who = (uint8_t)i, .what = 'x'});
	}
	for (unsigned b = 2; without == CKPT && b < 2u << heights; b++) {
		unsigned cnt = 0;
		for (unsigned j = 0; j < HONEST; j++)
			cnt += ancestor(s->r[j].tip, height_of(b)) == b;
		if (cnt < 2 || height_of(s->r[i].tip) >= height_of(b) ||
		    height_of(s->r[i].stable) >= height_of(b))
			continue;
		to = *s;
		to.r[i].stable = (uint8_t)b;
		for (unsigned h = 0; h < height_of(b); h++)
			to.r[i].p[h] = (struct prepared){0, 0};
		emit(&to, (struct step){(uint8_t)i, 0, (uint8_t)b, 0, 's'});
	}
}

static void successors(const struct state *s)
{
	for (unsigned i = 0; i < HONEST; i++) {
		prepares(s, i);
		commits(s, i);
		learns(s, i);
		asks(s, i);
		enters(s, i);
		losses(s, i);
	}
}

static void show(unsigned number, const struct step *x)
{
	char a[HEIGHTS + 2], b[HEIGHTS + 2];
	text_of(x->block, a);
	text_of(x->other, b);
	printf("  %2u. %u ", number, x->who);
	if (x->what == 'p' || x->what == 'c')
		printf("%s(%u, %s)\n", x->what == 'p' ? "PREPARE" : "COMMIT", x->view, a);
	else if (x->what == 'v')
		printf("VIEW-CHANGE(%u)\n", x->view);
	else if (x->what == 'e')
		printf("enters view %u with S %s and O up to %s\n", x->view, a, b);
	else if (x->what == 'l' || x->what == 's')
		printf("learns that %s is %s\n", a, x->what == 'l' ? "certified" : "a stable checkpoint");
	else
		printf("crashes\n");
}

static struct state start(void)
{
	struct state s;
	memset(&s, 0, sizeof s);
	for (unsigned i = 0; i < HONEST; i++)
		s.r[i].active = s.r[i].tip = s.r[i].s = s.r[i].end = 1;
	return s;
}

/* ---- the search: depth first -------------------------------------------------------------------- */

static struct {
	uint64_t *slots, mask, cnt;
} visited;

static uint64_t hash_state(const struct state *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint64_t h = 0x9e3779b97f4a7c15u;
	for (size_t at = 0; at < sizeof *s; at += 8) {
		uint64_t word = 0;
		memcpy(&word, p + at, sizeof *s - at < 8 ? sizeof *s - at : 8);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
		h *= 0xc4ceb9fe1a85ec53u;
		h ^= h >> 29;
	}
	return h ? h : 1;
}

static bool visit(uint64_t hash)
{
	if (2 * visited.cnt >= visited.mask) {
		uint64_t *old = visited.slots, old_mask = visited.mask;
		visited.mask = old ? 2 * old_mask + 1 : (1u << 16) - 1;
		visited.slots = xcalloc(visited.mask + 1, sizeof *visited.slots);
		visited.cnt = 0;
		for (uint64_t k = 0; old && k <= old_mask; k++)
			if (old[k])
				visit(old[k]);
		free(old);
	}
	uint64_t at = hash & visited.mask;
	for (; visited.slots[at]; at = (at + 1) & visited.mask)
		if (visited.slots[at] == hash)
			return false;
	visited.slots[at] = hash;
	visited.cnt++;
	return true;
}

struct waiting {
	struct state s;
	struct step step;
	uint32_t depth;
};
static struct waiting *stack;
static size_t stack_cnt, stack_cap;
static struct step path[4096];
static uint32_t depth_now;
static bool failed, walking;

/* Of the successors of one state, a walk keeps one, each with equal chance, VIEW-CHANGEs with a lesser one.
 */
static uint64_t walk_random, walk_cnt;
static struct waiting walk_next;

static uint64_t draw(void)
{
	uint64_t z = walk_random += 0x9e3779b97f4a7c15u; /* splitmix64 */
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void emit(const struct state *s, struct step step)
{
	if (failed)
		return;
	struct waiting next = {.s = *s, .step = step, .depth = depth_now + 1};
	must(next.depth < sizeof path / sizeof *path);
	if (walking) {
		uint64_t weight = step.what == 'v' ? 1 : 6;
		walk_cnt += weight;
		if (draw() % walk_cnt < weight)
			walk_next = next;
		return;
	}
	to_normal_form(&next.s);
	if (!visit(hash_state(&next.s)))
		return;
	if (!holds(&next.s)) {
		failed = true;
		path[next.depth] = step;
		depth_now = next.depth;
		return;
	}
	if (stack_cnt == stack_cap) {
		stack_cap = stack_cap ? 2 * stack_cap : 1024;
		stack = xrealloc(stack, stack_cap * sizeof *stack);
	}
	stack[stack_cnt++] = next;
}

static bool tracing;

static void report(void)
{
	printf("violation: %s (model, %u heights, %u views%s%s)\n", broken, heights, views,
	       without ? ", without " : "", table[without].name);
	for (uint32_t d = 1; tracing && d <= depth_now; d++)
		show(d, &path[d]);
}

/* False: a violation, reported unless quiet. */
static bool explore(uint64_t states_max, bool quiet)
{
	clock_t began = clock();
	struct state s = start();
	free(visited.slots);
	memset(&visited, 0, sizeof visited);
	failed = walking = false;
	lemma_checks = stack_cnt = depth_now = 0;
	visit(hash_state(&s));
	successors(&s);
	while (stack_cnt && !failed && visited.cnt < states_max) {
		struct waiting x = stack[--stack_cnt];
		depth_now = x.depth;
		path[x.depth] = x.step;
		successors(&x.s);
	}
	if (failed && !quiet)
		report();
	double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
	if (!quiet && !failed)
		printf(
		    "%u heights x %u views%s%s: %s, %llu states, %llu lemma checks, %.1f s, %.0f states/s\n",
		    heights, views, without ? " without " : "", table[without].name,
		    stack_cnt ? "NOT exhausted" : "exhausted", (unsigned long long)visited.cnt,
		    (unsigned long long)lemma_checks, seconds, (double)visited.cnt / (seconds + 0.001));
	return !failed;
}

/* Random walks, without any of the reductions of states. */
static bool walk(uint64_t walks)
{
	clock_t began = clock();
	uint64_t steps = 0, certified = 0;
	walking = true;
	failed = false;
	lemma_checks = 0;
	for (uint64_t k = 0; k < walks; k++) {
		struct state s = start();
		bool any = false;
		for (depth_now = 0; depth_now < 200; depth_now++) {
			walk_cnt = 0;
			successors(&s);
			if (!walk_cnt)
				break;
			s = walk_next.s;
			path[depth_now + 1] = walk_next.step;
			steps++;
			if (!holds(&s)) {
				depth_now++;
				report();
				return false;
			}
		}
		for (unsigned b = 2; b < 2u << heights; b++)
			any |= is_certified(&s, b);
		certified += any;
	}
	printf("%u heights x %u views%s%s: %llu random walks, %llu steps, %llu with a certificate, %llu "
	       "lemma checks, %.1f s\n",
	       heights, views, without ? " without " : "", table[without].name, (unsigned long long)walks,
	       (unsigned long long)steps, (unsigned long long)certified, (unsigned long long)lemma_checks,
	       (double)(clock() - began) / CLOCKS_PER_SEC);
	return true;
}

/* ---- what ./check runs ------------------------------------------------------------------------------ */

static bool base(unsigned h, unsigned v, uint64_t states)
{
	heights = h;
	views = v;
	without = NONE;
	return explore(states, false);
}

/* Each removal must be found. */
static bool removals(void)
{
	bool all = true;
	for (without = NONE + 1; without < RULE_CNT; without++) {
		heights = table[without].heights;
		views = table[without].views;
		bool found = !explore(3000000, true);
		printf("without %-12s %s after %llu states: %s\n", table[without].name,
		       found ? "violated" : "violation: NOT FOUND", (unsigned long long)visited.cnt,
		       found ? broken : table[without].about);
		all = all && found;
	}
	return all;
}

static bool all_of_check(void)
{
	bool ok = base(1, 1, UINT64_MAX) && base(1, 2, UINT64_MAX) && base(1, 3, UINT64_MAX) &&
	          base(2, 1, UINT64_MAX) && base(2, 2, 1500000) && base(3, 1, 1000000);
	heights = views = 3;
	return ok && walk(3000) && removals();
}

static bool rule_named(const char *name)
{
	for (without = NONE + 1; without < RULE_CNT; without++)
		if (strcmp(table[without].name, name) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	uint64_t states = UINT64_MAX, walks = 0;
	bool bad = false;
	heights = views = 2;
	if (argc == 1)
		return all_of_check() ? 0 : 1;
	for (int i = 1; i < argc && !bad; i++) {
		const char *name = argv[i];
		tracing |= strcmp(name, "--trace") == 0;
		if (strcmp(name, "--trace") == 0)
			continue;
		bad = ++i == argc;
		uint64_t value = bad ? 0 : strtoull(argv[i], NULL, 10);
		if (strcmp(name, "--heights") == 0)
			heights = (unsigned)value;
		else if (strcmp(name, "--views") == 0)
			views = (unsigned)value;
		else if (strcmp(name, "--states") == 0)
			states = value;
		else if (strcmp(name, "--walks") == 0)
			walks = value;
		else if (strcmp(name, "--seed") == 0)
			walk_random = value;
		else
			bad = bad || strcmp(name, "--without") != 0 || !rule_named(argv[i]);
	}
	if (bad || heights < 1 || heights > HEIGHTS || views < 1 || views > VIEWS) {
		fprintf(stderr,
		        "usage: %s [--heights N] [--views N] [--without RULE] [--states N] [--walks N] "
		        "[--seed N] "
		        "[--trace]\n",
		        argv[0]);
		return 2;
	}
	return (walks ? walk(walks) : explore(states, false)) ? 0 : 1;
}
