/*
 * parts.c: a genesis, one part after the other: each is encoded in a genesis that holds nothing else.
 */
#include "parts.h"

#include "hash.h"

const char *const parts_name[PARTS_CNT] = {
    "name", "time_ms", "params", "seal", "proposer", "replicas", "address", "allocations", "parent",
};

static char none[] = "";

static void digest_of_value(struct wire_type type, const void *value, struct qhash *out)
{
	struct bytes encoded;

	must(wire_encode(type, value, &encoded)); /* part of one that was within its bounds */
	hash_bytes("quorate/genesis-part/v1", encoded.data, encoded.len, out->b);
	bytes_free(&encoded);
}

static void digest_of(struct qgenesis *part, struct qhash *out)
{
	if (part->name == NULL)
		part->name = none;
	digest_of_value(WIRE(qgenesis), part, out);
}

void parts_digest(const struct genesis *g, struct qhash digest[PARTS_CNT])
{
	struct qreplica who[Q_REPLICAS_MAX], where[Q_REPLICAS_MAX];

	for (unsigned i = 0; i < g->n; i++) {
		const struct qreplica *r = &g->g.replicas.replicas_val[i];
		who[i] = *r;
		who[i].address = none;
		where[i] = (struct qreplica){.name = none, .address = r->address};
	}
	digest_of(&(struct qgenesis){.name = g->g.name}, &digest[0]);
	digest_of(&(struct qgenesis){.time_ms = g->g.time_ms}, &digest[1]);
	digest_of(&(struct qgenesis){.params = g->g.params}, &digest[2]);
	digest_of(&(struct qgenesis){.seal = g->g.seal}, &digest[3]);
	digest_of(&(struct qgenesis){.proposer = g->g.proposer}, &digest[4]);
	digest_of(&(struct qgenesis){.replicas = {g->n, who}}, &digest[5]);
	digest_of(&(struct qgenesis){.replicas = {g->n, where}}, &digest[6]);
	digest_of(&(struct qgenesis){.allocations = g->g.allocations}, &digest[7]);
	digest_of_value(WIRE(qparent), &g->parent, &digest[8]); /* zero where there is none */
}
