/*
 * account_cache.h: points of account keys, kept: taking one out of a compressed key is a tenth of a check,
 * and most payments are by accounts that paid before.
 *
 * It changes no answer, only what the answer costs.  A key is kept once a signature by it held, so that
 * nobody pushes out others' without signing as often; whoever does makes checks cost the plain price.
 */
#ifndef QUORATE_ACCOUNT_CACHE_H
#define QUORATE_ACCOUNT_CACHE_H

#include "account.h"

struct account_cache; /* thread-safe; some 100 bytes an entry */
struct account_cache *account_cache_new(size_t entries_max);
void account_cache_free(struct account_cache *c); /* NULL is allowed */

/* account_verify(), which it is where c is NULL. */
bool account_verify_cached(struct account_cache *c, const struct qaccount_key *key, const struct qtxid *id,
                           const struct qsig *sig);

#endif
