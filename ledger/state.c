/*
 * state.c: the executed unspent set, in memory, with its incremental digest.
 *
 * ledger/ledger.c fills it from the store at start; afterwards only overlay_apply() changes it.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "map.h"
#include "state.h"

#define STATE_TAG "quorate/state/v1"
#define ELEMENT_BYTES_MAX (36 + 36 + 8) /* encoded outpoint, output (locked) and height */

/* The bytes of an outpoint are the key of the map. */
_Static_assert(sizeof(struct qoutpoint) == 36, "qoutpoint has padding");

struct entry {
	struct unspent u;
	UT_hash_handle hh; /* by u.point */
};

struct state {
	const struct genesis *genesis;
	struct entry *entries;
	uint64_t value;
	struct lthash sum;
};

struct state *state_new(const struct genesis *g)
{
	struct state *s = xcalloc(1, sizeof *s);

	s->genesis = g;
	return s;
}

void state_free(struct state *s)
{
	struct entry *e, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->entries, e, next) {
		HASH_DEL(s->entries, e);
		free(e);
	}
	free(s);
}

size_t state_count(const struct state *s)
{
	return HASH_COUNT(s->entries);
}

uint64_t state_value(const struct state *s)
{
	return s->value;
}

static struct entry *find(const struct state *s, const struct qoutpoint *p)
{
	struct entry *e;

	HASH_FIND(hh, s->entries, p, sizeof *p, e);
	return e;
}

const struct unspent *state_find(const struct state *s, const struct qoutpoint *p)
{
	const struct entry *e = find(s, p);

	return e ? &e->u : NULL;
}

static void store_be64(uint8_t to[8], uint64_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		to[i] = (uint8_t)n;
}

/* What the digest is over; returns its length. The row is local to one node and not part of it. */
static size_t encode_element(const struct unspent *u, uint8_t buf[ELEMENT_BYTES_MAX])
{
	size_t len = wire_encode_into(WIRE(qoutpoint), &u->point, buf, ELEMENT_BYTES_MAX);
	size_t out_len = wire_encode_into(WIRE(qoutput), &u->out, buf + len, ELEMENT_BYTES_MAX - len);

	must(len > 0 && out_len > 0 && len + out_len + 8 <= ELEMENT_BYTES_MAX);
	store_be64(buf + len + out_len, u->made_at.n);
	return len + out_len + 8;
}

void state_insert(struct state *s, const struct unspent *u)
{
	uint8_t element[ELEMENT_BYTES_MAX];
	struct entry *e;

	must(!find(s, &u->point));
	e = xcalloc(1, sizeof *e);
	e->u = *u;
	HASH_ADD(hh, s->entries, u.point, sizeof e->u.point, e);
	s->value += u->out.amount;
	lthash_add(&s->sum, element, encode_element(u, element));
}

void state_remove(struct state *s, const struct qoutpoint *p)
{
	uint8_t element[ELEMENT_BYTES_MAX];
	struct entry *e = find(s, p);

	must(e);
	lthash_remove(&s->sum, element, encode_element(&e->u, element));
	s->value -= e->u.out.amount;
	HASH_DEL(s->entries, e);
	free(e);
}

void state_digest(const struct state *s, struct qhash *out)
{
	struct qhash sum;
	uint8_t count[8], value[8];

	lthash_digest(&s->sum, &sum);
	store_be64(count, state_count(s));
	store_be64(value, s->value);
	hash_tagged(STATE_TAG, (struct span[]){{sum.b, sizeof sum.b}, {count, 8}, {value, 8}}, 3, out->b);
}

void state_each(const struct state *s, void (*f)(void *ctx, const struct unspent *u), void *ctx)
{
	struct entry *e, *next;

	HASH_ITER (hh, s->entries, e, next) {
		f(ctx, &e->u);
	}
}
