/*
 * api_metrics.c: GET /metrics: the node's numbers for a collector, in the text format 0.0.4 of Prometheus.
 *
 * Every family is a row of the table: its name, what it is, and who writes its samples.  A family that means
 * nothing on this chain is left out whole.
 */
#include <stdio.h>

#include "api_impl.h"

/* What all rows draw from. */
struct numbers {
	const struct genesis *g;
	const struct replica_status *s;
	struct node_mining mining;
	struct scrubber_status scrub;
	uint64_t sent_bytes; /* to all peers together */
};

struct family {
	const char *name, *type, *help;
	bool (*applies)(const struct genesis *g); /* NULL: always */
	void (*write)(FILE *f, const struct family *family, const struct numbers *n);
};

/* ---- samples ------------------------------------------------------------------------------- */

static void sample(FILE *f, const struct family *family, uint64_t value)
{
	fprintf(f, "%s %llu\n", family->name, (unsigned long long)value);
}

static void height(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->height.n);
}

static void view(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->engine.asked.n);
}

static void view_changes(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->engine.view_changes);
}

static void mempool(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->pool_txs);
}

static void transactions(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->transactions);
}

static void scrub_passes(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->scrub.passes);
}

static void scrub_at(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->scrub.height.n);
}

static void link_sent(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->sent_bytes);
}

/* Behind by more than an epoch it cannot tell. */
static void proposer(FILE *f, const struct family *family, const struct numbers *n)
{
	if (n->s->engine.proposer < n->g->n)
		sample(f, family, n->s->engine.proposer);
	else
		fprintf(f, "%s NaN\n", family->name);
}

static void mining_hashes(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->mining.hashes);
}

static void mining_hash_rate(FILE *f, const struct family *family, const struct numbers *n)
{
	fprintf(f, "%s %.0f\n", family->name, n->mining.rate);
}

static void stake_amount(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < n->g->n; i++) {
		const struct qstake *stake = &n->s->turns.stakes[i];
		fprintf(f, "%s{replica=\"%u\",kind=\"own\"} %llu\n", family->name, i,
		        (unsigned long long)stake->own);
		fprintf(f, "%s{replica=\"%u\",kind=\"delegated\"} %llu\n", family->name, i,
		        (unsigned long long)stake->delegated);
	}
}

static void turns(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < n->g->n; i++)
		fprintf(f, "%s{replica=\"%u\"} %u\n", family->name, i, n->s->turns.in_cycle[i]);
}

/* ---- the table ----------------------------------------------------------------------------- */

static bool has_seals(const struct genesis *g)
{
	return g->g.seal.kind == QSEAL_POW;
}

static bool by_stake(const struct genesis *g)
{
	return stake_rules(g) != NULL;
}

/* A help text needs no escapes: there is neither backslash nor line end in it. */
static const struct family families[] = {
    {"quorate_height", "gauge", "Height of the last executed block.", NULL, height},
    {"quorate_view", "gauge", "View of agreement that this replica is in, or asks for.", NULL, view},
    {"quorate_view_changes_total", "counter", "Views entered since the start.", NULL, view_changes},
    {"quorate_mempool_transactions", "gauge", "Transactions that wait for a block here.", NULL, mempool},
    {"quorate_transactions_total", "counter", "Final transactions since the genesis.", NULL, transactions},
    {"quorate_link_sent_bytes_total", "counter", "Bytes sent to the other replicas since the start.", NULL,
     link_sent},
    {"quorate_scrub_passes_total", "counter", "Passes over the whole ledger that found every row right.",
     NULL, scrub_passes},
    {"quorate_scrub_height", "gauge", "Height that the pass over the ledger has come to, or the last one.",
     NULL, scrub_at},
    {"quorate_proposer", "gauge", "Index of the replica that proposes the next block.", NULL, proposer},
    {"quorate_mining_hashes_total", "counter", "Hashes tried for seals since the start.", has_seals,
     mining_hashes},
    {"quorate_mining_hash_rate", "gauge", "Hashes a second while it last searched for a seal.", has_seals,
     mining_hash_rate},
    {"quorate_stake_amount", "gauge", "Stake behind a replica: its own, or delegated to it.", by_stake,
     stake_amount},
    {"quorate_turns", "gauge", "Turns of a replica in the cycle of proposers that is in force.", by_stake,
     turns},
};

static void write_all(FILE *f, const struct numbers *n)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
		const struct family *family = &families[i];
		if (family->applies != NULL && !family->applies(n->g))
			continue;
		fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
		        family->type);
		family->write(f, family, n);
	}
}

static uint64_t sent_bytes(struct node *n)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < node_genesis(n)->n; i++) {
		struct link_stats stats = {0};
		if (i == node_self(n))
			continue;
		link_stats(node_link(n), i, &stats);
		sum += stats.sent_bytes;
	}
	return sum;
}

void api_metrics(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)r;
	struct node *n = ctx;
	struct call *c = call_new(CALL_STATUS);
	if (!node_call(n, c)) {
		call_unref(c);
		api_busy(reply);
		return;
	}
	struct numbers numbers = {.g = node_genesis(n), .s = &c->status, .sent_bytes = sent_bytes(n)};
	node_mining(n, &numbers.mining);
	node_scrub(n, &numbers.scrub);
	FILE *f = open_memstream(&reply->body, &reply->body_len);
	must(f != NULL);
	write_all(f, &numbers);
	must(fclose(f) == 0);
	reply->status = 200;
	reply->content_type = "text/plain; version=0.0.4";
	call_unref(c);
}
