/*
 * lineage.c: where value comes from.
 */
#include "lineage.h"

#include <string.h>

#include "map.h"

struct lineage_index {
	struct qtxid id;
	size_t hop; /* its number; SIZE_MAX: known of, not taken */
	UT_hash_handle hh;
};

static struct lineage_index *find(const struct lineage *t, const struct qtxid *id)
{
	struct lineage_index *entry;
	HASH_FIND(hh, t->index, id, sizeof *id, entry);
	return entry;
}

const struct lineage_hop *lineage_find(const struct lineage *t, const struct qtxid *id)
{
	const struct lineage_index *entry = find(t, id);
	return entry == NULL || entry->hop == SIZE_MAX ? NULL : &t->hops[entry->hop];
}

const struct qoutput *lineage_output(const struct lineage *t, const struct qoutpoint *p)
{
	if (qtxid_eq(&p->tx, &t->g->txid))
		return p->index < t->g->g.allocations.allocations_len
		           ? &t->g->g.allocations.allocations_val[p->index]
		           : NULL;
	const struct lineage_hop *hop = lineage_find(t, &p->tx);
	return hop != NULL && p->index < hop->tx->q.body.outputs.outputs_len
	           ? &hop->tx->q.body.outputs.outputs_val[p->index]
	           : NULL;
}

static void remember(struct lineage *t, const struct qtxid *id, size_t hop)
{
	struct lineage_index *entry = xcalloc(1, sizeof *entry);
	*entry = (struct lineage_index){.id = *id, .hop = hop};
	HASH_ADD(hh, t->index, id, sizeof entry->id, entry);
}

static bool take(struct lineage *t, struct proof *p, const struct qtxid *id, uint64_t depth, struct err *err)
{
	struct lineage_hop hop = {.depth = depth};
	hop.tx = proof_tx(p, id, &hop.place, err);
	if (hop.tx == NULL)
		return false;
	if (t->hop_cnt == t->hop_cap) {
		t->hop_cap = t->hop_cap ? 2 * t->hop_cap : 16;
		t->hops = xrealloc(t->hops, t->hop_cap * sizeof *t->hops);
	}
	remember(t, id, t->hop_cnt);
	t->hops[t->hop_cnt++] = hop;
	return true;
}

/* What a quorum certified, and no honest replica did. */
static bool betrayed(const struct lineage_hop *hop, struct err *err, const char *what)
{
	char id[QHASH_HEX];
	return err_set(err, ERR_NO,
	               "transaction %s at height %llu %s: its receipt holds, so more than f replicas lied; "
	               "audit their ledgers",
	               hex_encode(id, hop->tx->id.b, sizeof hop->tx->id.b),
	               (unsigned long long)hop->place.height.n, what);
}

/* Takes the transactions that hop `i` spends from and that are not known yet. */
static bool extend(struct lineage *t, struct proof *p, size_t i, const struct lineage_options *o,
                   struct err *err)
{
	for (u_int k = 0; k < t->hops[i].tx->q.body.inputs.inputs_len; k++) {
		const struct qtxid id = t->hops[i].tx->q.body.inputs.inputs_val[k].tx;
		bool deep = t->hops[i].depth >= o->depth, many = t->hop_cnt >= o->limit;
		if (qtxid_eq(&id, &t->g->txid) || find(t, &id) != NULL)
			continue;
		if (deep || many) {
			t->deep = t->deep || deep;
			t->many = t->many || !deep;
			t->pending++;
			remember(t, &id, SIZE_MAX);
			continue;
		}
		if (!take(t, p, &id, t->hops[i].depth + 1, err))
			return false;
		if (o->progress != NULL)
			o->progress(t->hop_cnt);
	}
	return true;
}

/* ---- the rules along the way ------------------------------------------------------------------ */

static bool is_before(const struct tx_place *a, const struct tx_place *b)
{
	return a->height.n < b->height.n || (a->height.n == b->height.n && a->position < b->position);
}

static bool signed_by(const struct tx *tx, const struct qaddress *owner)
{
	for (u_int i = 0; i < tx->q.witnesses.witnesses_len; i++) {
		if (memcmp(tx->owners[i].b, owner->b, sizeof owner->b) == 0)
			return true;
	}
	return false;
}

/* Does it spend only what is there, was made before, and belongs to those who signed, and that exactly?
 * Of inputs that were not traced nothing is said. */
static bool check_hop(const struct lineage *t, const struct lineage_hop *hop, struct err *err)
{
	const struct qtx_body *body = &hop->tx->q.body;
	uint64_t in = 0, out = 0;
	bool all = true;
	for (u_int i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *p = &body->inputs.inputs_val[i];
		const struct qoutput *source = lineage_output(t, p);
		const struct lineage_hop *from = lineage_find(t, &p->tx);
		if (source == NULL && (from != NULL || qtxid_eq(&p->tx, &t->g->txid)))
			return betrayed(hop, err, "spends an output that is not there");
		if (from != NULL && !is_before(&from->place, &hop->place))
			return betrayed(hop, err, "spends what was made after it");
		if (source != NULL && !signed_by(hop->tx, &source->owner))
			return betrayed(hop, err, "spends what its signers do not own");
		if (source == NULL)
			all = false;
		else if (__builtin_add_overflow(in, source->amount, &in))
			return betrayed(hop, err, "spends more than there can be");
	}
	for (u_int i = 0; i < body->outputs.outputs_len; i++)
		out += body->outputs.outputs_val[i].amount; /* bounded by tx_parse() */
	return !all || in == out || betrayed(hop, err, "does not pay out what it spends");
}

/* ---- all of it ---------------------------------------------------------------------------------- */

bool lineage_run(struct proof *p, const struct qtxid *id, const struct lineage_options *o,
                 struct lineage *out, struct err *err)
{
	*out = (struct lineage){.g = p->genesis};
	must(p->genesis != NULL);
	if (qtxid_eq(id, &p->genesis->txid))
		return true;
	if (!take(out, p, id, 0, err))
		return false;
	for (size_t i = 0; i < out->hop_cnt; i++) {
		if (!extend(out, p, i, o, err))
			return false;
	}
	for (size_t i = 0; i < out->hop_cnt; i++) {
		if (!check_hop(out, &out->hops[i], err))
			return false;
	}
	return true;
}

void lineage_free(struct lineage *t)
{
	struct lineage_index *entry, *next;
	HASH_ITER (hh, t->index, entry, next) {
		HASH_DEL(t->index, entry);
		free(entry);
	}
	for (size_t i = 0; i < t->hop_cnt; i++)
		tx_unref(t->hops[i].tx);
	free(t->hops);
	*t = (struct lineage){0};
}
