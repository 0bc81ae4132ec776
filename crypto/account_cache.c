/*
 * account_cache.c: sets of a few places; a key's set follows from a hash under the process's secret, so that
 * nobody can aim at one, and the oldest of a full set makes place.  No lock is held while anything is
 * computed.
 */
#include <pthread.h>
#include <stdlib.h>

#include "account_cache.h"
#include "hash.h"
#include "primitives.h"

#define WAYS 4
#define LOCKS 64

struct set {
	struct qaccount_key keys[WAYS];
	uint8_t used, next; /* places; the one to be written next */
	uint8_t points[WAYS][PRIMITIVES_POINT];
};

struct account_cache {
	pthread_mutex_t locks[LOCKS]; /* set i is guarded by lock i % LOCKS */
	size_t cnt;
	struct set sets[];
};

struct account_cache *account_cache_new(size_t entries_max)
{
	must(entries_max > 0);
	size_t cnt = (entries_max + WAYS - 1) / WAYS;
	struct account_cache *c = xcalloc(1, sizeof *c + cnt * sizeof *c->sets);

	for (size_t i = 0; i < LOCKS; i++)
		must(pthread_mutex_init(&c->locks[i], NULL) == 0);
	c->cnt = cnt;
	return c;
}

void account_cache_free(struct account_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&c->locks[i]);
	free(c);
}

/* Locked. WAYS: it is not there. */
static unsigned place_of(const struct set *s, const struct qaccount_key *key)
{
	for (unsigned i = 0; i < s->used; i++)
		if (memcmp(s->keys[i].b, key->b, sizeof key->b) == 0)
			return i;
	return WAYS;
}

static bool known(struct set *s, pthread_mutex_t *lock, const struct qaccount_key *key,
                  uint8_t point[PRIMITIVES_POINT])
{
	pthread_mutex_lock(lock);
	unsigned at = place_of(s, key);
	if (at < WAYS)
		memcpy(point, s->points[at], PRIMITIVES_POINT);
	pthread_mutex_unlock(lock);
	return at < WAYS;
}

static void remember(struct set *s, pthread_mutex_t *lock, const struct qaccount_key *key,
                     const uint8_t point[PRIMITIVES_POINT])
{
	pthread_mutex_lock(lock);
	if (place_of(s, key) == WAYS) { /* another thread may have been faster */
		s->keys[s->next] = *key;
		memcpy(s->points[s->next], point, PRIMITIVES_POINT);
		s->next = (uint8_t)((s->next + 1) % WAYS);
		if (s->used < WAYS)
			s->used++;
	}
	pthread_mutex_unlock(lock);
}

bool account_verify_cached(struct account_cache *c, const struct qaccount_key *key, const struct qtxid *id,
                           const struct qsig *sig)
{
	uint8_t point[PRIMITIVES_POINT];

	if (!c)
		return account_verify(key, id, sig);
	size_t at = hash_short(key->b, sizeof key->b) % c->cnt;
	struct set *s = &c->sets[at];
	pthread_mutex_t *lock = &c->locks[at % LOCKS];
	if (known(s, lock, key, point))
		return primitives->account_check(point, id, sig);
	if (!primitives->account_parse(key, point) || !primitives->account_check(point, id, sig))
		return false;
	remember(s, lock, key, point);
	return true;
}
