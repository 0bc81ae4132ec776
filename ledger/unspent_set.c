/*
 * unspent_set.c: what is unspent, in memory: numbered entries, found by outpoint and in the lists of their
 * owners.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "unspent_set.h"

#define NONE UNSPENT_NONE
#define CHUNK 256 /* things that are allocated at a time */

/* Who has unspent outputs. The address is theirs, so it is not held here again. */
struct owner {
	uint64_t sums[QLOCK_FROZEN + 1]; /* of amounts, by lock */
	uint32_t outputs;
	uint32_t oldest,
	    newest; /* of a free one: `newest` is unused, and `oldest` the one given back before */
};

/* ---- things by number ---------------------------------------------------- */

static struct owner *owner_at(const struct unspent_set *set, uint32_t number)
{
	return (struct owner *)(void *)set->owners.chunks[number / CHUNK] + number % CHUNK;
}

struct unspent_entry *unspent_at(const struct unspent_set *set, uint32_t number)
{
	return (struct unspent_entry *)(void *)set->entries.chunks[number / CHUNK] + number % CHUNK;
}

uint32_t unspent_end(const struct unspent_set *set)
{
	return set->entries.cnt;
}

/* One more, where none came back. */
static uint32_t slab_grow(struct unspent_slab *slab, size_t size)
{
	uint32_t chunk = slab->cnt / CHUNK;

	must(slab->cnt < UINT32_MAX / 4);
	if (slab->cnt % CHUNK == 0) {
		if ((chunk & (chunk - 1)) == 0) /* as many as there is room for: a power of two, or none */
			slab->chunks =
			    xrealloc(slab->chunks, (chunk ? 2 * (size_t)chunk : 1) * sizeof(char *));
		slab->chunks[chunk] = xrealloc(NULL, CHUNK * size);
	}
	return slab->cnt++;
}

static void slab_clear(struct unspent_slab *slab)
{
	for (uint32_t i = 0; i < slab->cnt; i += CHUNK)
		free(slab->chunks[i / CHUNK]);
	free(slab->chunks);
	*slab = (struct unspent_slab){.came_back = NONE};
}

void unspent_set_init(struct unspent_set *set)
{
	*set = (struct unspent_set){.entries.came_back = NONE, .owners.came_back = NONE};
}

void unspent_set_clear(struct unspent_set *set)
{
	slab_clear(&set->entries);
	slab_clear(&set->owners);
	numbers_free(&set->by_point);
	numbers_free(&set->by_owner);
}

/* ---- owners ---------------------------------------------------------------- */

static uint32_t address_hash(const struct qaddress *a)
{
	return hash_short(a->b, sizeof a->b);
}

static uint32_t find_owner(const struct unspent_set *set, const struct qaddress *address, uint32_t hash)
{
	uint32_t at = hash, i;

	while ((i = numbers_next(&set->by_owner, hash, &at)) != NONE) {
		const struct unspent_entry *newest = unspent_at(set, owner_at(set, i)->newest);
		if (memcmp(&newest->u.out.owner, address, sizeof *address) == 0)
			break;
	}
	return i;
}

static uint32_t add_owner(struct unspent_set *set, uint32_t hash)
{
	uint32_t i = set->owners.came_back;

	if (i != NONE)
		set->owners.came_back = owner_at(set, i)->oldest;
	else
		i = slab_grow(&set->owners, sizeof(struct owner));
	*owner_at(set, i) = (struct owner){.oldest = NONE, .newest = NONE};
	numbers_add(&set->by_owner, hash, i);
	return i;
}

/* Behind the others of its owner. */
static void own(struct unspent_set *set, struct unspent_entry *e, uint32_t number)
{
	uint32_t hash = address_hash(&e->u.out.owner), i = find_owner(set, &e->u.out.owner, hash);

	if (i == NONE)
		i = add_owner(set, hash);
	struct owner *o = owner_at(set, i);
	e->owner = i;
	e->older = o->newest;
	e->newer = NONE;
	*(o->newest != NONE ? &unspent_at(set, o->newest)->newer : &o->oldest) = number;
	o->newest = number;
	o->outputs++;
	o->sums[e->u.out.lock.kind] += e->u.out.amount;
}

static void disown(struct unspent_set *set, const struct unspent_entry *e)
{
	struct owner *o = owner_at(set, e->owner);

	*(e->older != NONE ? &unspent_at(set, e->older)->newer : &o->oldest) = e->newer;
	*(e->newer != NONE ? &unspent_at(set, e->newer)->older : &o->newest) = e->older;
	o->sums[e->u.out.lock.kind] -= e->u.out.amount;
	if (--o->outputs > 0)
		return;
	numbers_remove(&set->by_owner, address_hash(&e->u.out.owner), e->owner);
	o->oldest = set->owners.came_back;
	set->owners.came_back = e->owner;
}

void unspent_owned_sums(const struct unspent_set *set, const struct qaddress *owner, struct address_sums *out)
{
	uint32_t i = find_owner(set, owner, address_hash(owner));

	*out = (struct address_sums){0};
	if (i == NONE)
		return;
	const struct owner *o = owner_at(set, i);
	*out = (struct address_sums){.outputs = o->outputs,
	                             .free = o->sums[QLOCK_NONE],
	                             .stake = o->sums[QLOCK_STAKE],
	                             .release = o->sums[QLOCK_RELEASE],
	                             .frozen = o->sums[QLOCK_FROZEN]};
}

size_t unspent_owned(const struct unspent_set *set, const struct qaddress *owner, uint32_t after,
                     size_t limit, const struct unspent **out)
{
	uint32_t i = find_owner(set, owner, address_hash(owner)), next;
	size_t cnt = 0;

	if (i == NONE || (after != NONE && unspent_at(set, after)->owner != i))
		return 0;
	next = after != NONE ? unspent_at(set, after)->newer : owner_at(set, i)->oldest;
	for (; next != NONE && cnt < limit; next = unspent_at(set, next)->newer)
		out[cnt++] = &unspent_at(set, next)->u;
	return cnt;
}

/* ---- the set ---------------------------------------------------------------- */

uint32_t unspent_find(const struct unspent_set *set, const struct qoutpoint *p, uint32_t hash)
{
	uint32_t at = hash, i;

	while ((i = numbers_next(&set->by_point, hash, &at)) != NONE)
		if (qoutpoint_eq(&unspent_at(set, i)->u.point, p))
			break;
	return i;
}

uint32_t unspent_add(struct unspent_set *set, const struct unspent *u, uint32_t hash)
{
	uint32_t i = set->entries.came_back;

	must(unspent_find(set, &u->point, hash) == NONE);
	if (i != NONE)
		set->entries.came_back = unspent_at(set, i)->newer;
	else
		i = slab_grow(&set->entries, sizeof(struct unspent_entry));
	struct unspent_entry *e = unspent_at(set, i);
	e->u = *u;
	e->owed = 0;
	numbers_add(&set->by_point, hash, i);
	own(set, e, i);
	return i;
}

void unspent_remove(struct unspent_set *set, uint32_t number, uint32_t hash)
{
	struct unspent_entry *e = unspent_at(set, number);

	numbers_remove(&set->by_point, hash, number);
	disown(set, e);
	e->owner = NONE;
	e->newer = set->entries.came_back;
	set->entries.came_back = number;
}
