/*
 * replica_address.c: what an address holds after the last executed block: from memory, a page at a time.
 */
#include "replica_impl.h"

bool replica_holding(const struct replica *r, const struct qaddress *owner, const struct qoutpoint *after,
                     struct held *list, size_t limit, size_t *cnt, struct address_sums *sums)
{
	const struct state *s = ledger_state(r->ledger);
	const struct unspent *page[REPLICA_HELD_MAX];
	const struct unspent *last = after != NULL ? state_find(s, after) : NULL;

	must(limit <= REPLICA_HELD_MAX);
	*cnt = 0;
	state_owned_sums(s, owner, sums);
	if (after != NULL && (last == NULL || !qaddress_eq(&last->out.owner, owner)))
		return false;
	*cnt = state_owned(s, owner, after, limit, page);
	for (size_t i = 0; i < *cnt; i++)
		list[i] = (struct held){*page[i], stake_convicted(s, NULL, page[i], qheight_of(UINT64_MAX))};
	return true;
}
