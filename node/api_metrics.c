/*
 * api_metrics.c: GET /metrics: the node's numbers for a collector, in the text format 0.0.4 of Prometheus.
 *
 * Every family is a row of the table: its name, what it is, and who writes its samples.  A family that means
 * nothing on this chain is left out whole.  Labels are indexes of replicas and words of this file: no byte of
 * a peer or client is ever part of one.  tests/integration/metrics.c compares with docker/dashboard.json and
 * docker/alerts.yaml.
 */
#include <stdio.h>

#include "api_impl.h"

/* What all rows draw from. */
struct numbers {
	const struct genesis *g;
	const struct replica_status *s;
	struct node_mining mining;
	struct scrubber_status scrub;
	struct node_numbers node;
	struct http_stats http;
	unsigned self;
	struct link_stats link[Q_REPLICAS_MAX];
	uint64_t rejected; /* link_rejected() */
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

static void sample_of(FILE *f, const struct family *family, const char *label, const char *value,
                      uint64_t number)
{
	fprintf(f, "%s{%s=\"%s\"} %llu\n", family->name, label, value, (unsigned long long)number);
}

static void sample_of_replica(FILE *f, const struct family *family, unsigned replica, uint64_t number)
{
	fprintf(f, "%s{replica=\"%u\"} %llu\n", family->name, replica, (unsigned long long)number);
}

/* `label`: "" or a label and a comma. */
static void histogram(FILE *f, const struct family *family, const char *label, const struct meter_reading *r)
{
	int label_len = (int)strlen(label) - (*label != '\0'); /* without the comma */
	const char *open = *label != '\0' ? "{" : "", *close = *label != '\0' ? "}" : "";
	for (unsigned i = 0; i < METER_BUCKETS; i++)
		fprintf(f, "%s_bucket{%sle=\"%g\"} %llu\n", family->name, label,
		        (double)meter_bounds_us[i] / 1e6, (unsigned long long)r->upto[i]);
	unsigned long long all = r->upto[METER_BUCKETS];
	fprintf(f, "%s_bucket{%sle=\"+Inf\"} %llu\n", family->name, label, all);
	fprintf(f, "%s_sum%s%.*s%s %.6f\n", family->name, open, label_len, label, close,
	        (double)r->sum_us / 1e6);
	fprintf(f, "%s_count%s%.*s%s %llu\n", family->name, open, label_len, label, close, all);
}

static void build_info(FILE *f, const struct family *family, const struct numbers *n)
{
	(void)n;
	sample_of(f, family, "version", QUORATE_VERSION, 1);
}

static void replica_info(FILE *f, const struct family *family, const struct numbers *n)
{
	char chain[QHASH_HEX];
	fprintf(f, "%s{chain=\"%s\",replica=\"%u\"} 1\n", family->name,
	        hex_encode(chain, n->g->chain.b, sizeof n->g->chain.b), n->self);
}

static void certified(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->engine.tip.n);
}

static void stable(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->engine.stable.n);
}

static void peer_height(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < n->g->n; i++)
		if (i != n->self)
			sample_of_replica(f, family, i, n->s->engine.peer[i].executed.n);
}

/* f of them may say what they like: so the greatest height that more than f have, or claim to have. */
static void peers_height(FILE *f, const struct family *family, const struct numbers *n)
{
	uint64_t best = 0;
	for (unsigned i = 0; i < n->g->n; i++) {
		uint64_t claim = n->s->engine.peer[i].executed.n;
		unsigned cnt = 0;
		for (unsigned k = 0; k < n->g->n; k++)
			cnt += k != n->self && n->s->engine.peer[k].executed.n >= claim;
		if (i != n->self && cnt > n->g->f && claim > best)
			best = claim;
	}
	sample(f, family, best);
}

static void active(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->engine.active);
}

static void muted(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->muted_because != NULL);
}

static void agreed(FILE *f, const struct family *family, const struct numbers *n)
{
	histogram(f, family, "", &n->node.agreed);
}

static void settled(FILE *f, const struct family *family, const struct numbers *n)
{
	histogram(f, family, "", &n->node.settled);
}

static void rejected(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < ENGINE_RULES; i++)
		sample_of(f, family, "rule", engine_rule_name[i], n->s->engine.refused[i]);
}

static void store_commit(FILE *f, const struct family *family, const struct numbers *n)
{
	histogram(f, family, "store=\"ledger\",", &n->node.commit[STORE_LEDGER]);
	histogram(f, family, "store=\"votes\",", &n->node.commit[STORE_VOTES]);
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

static void mempool_bytes(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->pool_bytes);
}

static void mempool_room(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->node.pool_room);
}

static const char *const lane_names[LANE_CNT] = {
    [LANE_VOTES] = "votes",
    [LANE_WANTED] = "wanted",
    [LANE_FORWARDS] = "forwards",
    [LANE_CLIENTS] = "clients",
};

static void verify_items(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < LANE_CNT; i++)
		sample_of(f, family, "lane", lane_names[i], n->node.lanes[i].items);
}

static void verify_bytes(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < LANE_CNT; i++)
		sample_of(f, family, "lane", lane_names[i], n->node.lanes[i].bytes);
}

static void inbox_items(FILE *f, const struct family *family, const struct numbers *n)
{
	sample_of(f, family, "lane", "votes", n->node.inbox[0].items);
	sample_of(f, family, "lane", "bulk", n->node.inbox[1].items);
}

static void inbox_bytes(FILE *f, const struct family *family, const struct numbers *n)
{
	sample_of(f, family, "lane", "votes", n->node.inbox[0].bytes);
	sample_of(f, family, "lane", "bulk", n->node.inbox[1].bytes);
}

static void refused(FILE *f, const struct family *family, const struct numbers *n)
{
	static const char *const verdicts[OPEN_VERDICT_CNT] = {
	    [OPEN_OK] = "no_frame",         [OPEN_OTHER_CHAIN] = "other_chain",
	    [OPEN_STRANGER] = "stranger",   [OPEN_BAD_SIGNATURE] = "bad_signature",
	    [OPEN_MALFORMED] = "malformed", [OPEN_BAD_CERTIFICATE] = "bad_certificate",
	};
	static const char *const faults[TXS_FAULT_CNT] = {
	    [TXS_TOO_MUCH] = "too_many_transactions",
	    [TXS_INVALID] = "bad_transaction",
	};
	for (unsigned i = 0; i < OPEN_VERDICT_CNT; i++)
		sample_of(f, family, "reason", verdicts[i], n->node.refused[i]);
	for (unsigned i = TXS_SOUND + 1; i < TXS_FAULT_CNT; i++)
		sample_of(f, family, "reason", faults[i], n->node.faulty[i]);
}

static void dropped(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < n->g->n; i++)
		sample_of_replica(f, family, i, n->node.dropped[i]);
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
	uint64_t sum = 0;
	for (unsigned i = 0; i < n->g->n; i++)
		sum += n->link[i].sent_bytes;
	sample(f, family, sum);
}

/* One sample for each other replica. */
#define OF_PEER(function, field)                                                            \
	static void function(FILE *f, const struct family *family, const struct numbers *n) \
	{                                                                                   \
		for (unsigned i = 0; i < n->g->n; i++)                                      \
			if (i != n->self)                                                   \
				sample_of_replica(f, family, i, n->link[i].field);          \
	}
OF_PEER(peer_connected, connected)
OF_PEER(peer_protocol, version)
OF_PEER(peer_sent_frames, sent_frames)
OF_PEER(peer_sent_messages, sent_envelopes)
OF_PEER(peer_sent_bytes, sent_bytes)
OF_PEER(peer_dropped, dropped_envelopes)
OF_PEER(peer_waiting, outbox_bytes)

static void peer_trouble(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < n->g->n; i++)
		for (enum link_trouble t = LINK_FINE + 1; i != n->self && t < LINK_TROUBLE_CNT; t++)
			fprintf(f, "%s{replica=\"%u\",trouble=\"%s\"} %d\n", family->name, i,
			        link_trouble_name(t), n->link[i].trouble == t);
}

static void link_rejections(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->rejected);
}

static void http_connections(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->http.connections);
}

static void http_followers(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->http.followers);
}

static void http_slow(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->http.slow);
}

static void http_refused(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->http.refused);
}

static void evidence_replicas(FILE *f, const struct family *family, const struct numbers *n)
{
	for (unsigned i = 0; i < n->g->n; i++)
		sample_of_replica(f, family, i, n->s->evidence.replica[i]);
}

static void evidence_double_spends(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->evidence.double_spends);
}

static void evidence_forks(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->s->evidence.forks);
}

static void disk_free(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->node.disk_free);
}

static void disk_size(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->node.disk_bytes);
}

static void process_started(FILE *f, const struct family *family, const struct numbers *n)
{
	fprintf(f, "%s %.3f\n", family->name, (double)n->node.process.started_ms / 1e3);
}

static void process_cpu(FILE *f, const struct family *family, const struct numbers *n)
{
	fprintf(f, "%s %.3f\n", family->name, n->node.process.cpu_s);
}

static void process_resident(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->node.process.resident_bytes);
}

static void process_files(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->node.process.open_files);
}

static void process_files_max(FILE *f, const struct family *family, const struct numbers *n)
{
	sample(f, family, n->node.process.open_files_max);
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
    {"quorate_build_info", "gauge", "Always 1; the version of the program.", NULL, build_info},
    {"quorate_replica_info", "gauge", "Always 1; the chain, and which of its replicas this is.", NULL,
     replica_info},
    {"quorate_height", "gauge", "Height of the last executed block.", NULL, height},
    {"quorate_certified_height", "gauge",
     "Height up to which blocks are certified, as far as this replica knows.", NULL, certified},
    {"quorate_stable_height", "gauge", "Height of the last stable checkpoint.", NULL, stable},
    {"quorate_peers_height", "gauge",
     "Greatest height that more than f of the other replicas say to have executed: one of them at least is "
     "honest.",
     NULL, peers_height},
    {"quorate_peer_height", "gauge",
     "Height that another replica says to have executed; 0: not heard from yet.", NULL, peer_height},
    {"quorate_blocks_total", "counter", "Final blocks since the genesis.", NULL, height},
    {"quorate_transactions_total", "counter", "Final transactions since the genesis.", NULL, transactions},
    {"quorate_commit_latency_seconds", "histogram",
     "From the first sight of a block, or its proposal here, to its execution.", NULL, agreed},
    {"quorate_payment_latency_seconds", "histogram",
     "From the admission of an own client's transaction to its being final, of a sample if there are many.",
     NULL, settled},
    {"quorate_store_commit_seconds", "histogram",
     "Time that a commit of the ledger or of the vote log took, the sync included.", NULL, store_commit},
    {"quorate_view", "gauge", "View of agreement that this replica is in, or asks for.", NULL, view},
    {"quorate_view_active", "gauge", "1: it is in that view; 0: it waits for it to begin.", NULL, active},
    {"quorate_view_changes_total", "counter", "Views entered since the start.", NULL, view_changes},
    {"quorate_muted", "gauge", "1: this replica does not vote; its status says why.", NULL, muted},
    {"quorate_proposer", "gauge", "Index of the replica that proposes the next block.", NULL, proposer},
    {"quorate_mempool_transactions", "gauge", "Transactions that wait for a block here.", NULL, mempool},
    {"quorate_mempool_bytes", "gauge", "Bytes of the transactions that wait for a block here.", NULL,
     mempool_bytes},
    {"quorate_mempool_room_transactions", "gauge",
     "Transactions of own clients that there is room for; 0: they are refused.", NULL, mempool_room},
    {"quorate_verify_queue_items", "gauge",
     "Messages, and parts of clients' batches, that wait for a signature check.", NULL, verify_items},
    {"quorate_verify_queue_bytes", "gauge", "Bytes of what waits for a signature check.", NULL, verify_bytes},
    {"quorate_inbox_messages", "gauge", "Checked messages that wait for the replica's thread.", NULL,
     inbox_items},
    {"quorate_inbox_bytes", "gauge", "Bytes of the checked messages that wait for the replica's thread.",
     NULL, inbox_bytes},
    {"quorate_refused_messages_total", "counter",
     "Messages that no honest replica sends, by what is wrong with them.", NULL, refused},
    {"quorate_rejected_messages_total", "counter",
     "Messages of replicas that a rule of agreement rejects, by its id in docs/PROTOCOL.md. PP2, PP3, PP6 "
     "and "
     "V1 come about when one is behind or a view ends; the others no honest replica breaks.",
     NULL, rejected},
    {"quorate_dropped_messages_total", "counter",
     "Messages dropped because more came in the name of a replica than is its share.", NULL, dropped},
    {"quorate_link_sent_bytes_total", "counter", "Bytes sent to the other replicas since the start.", NULL,
     link_sent},
    {"quorate_link_refused_connections_total", "counter",
     "Connections from peers that were closed for what came on them.", NULL, link_rejections},
    {"quorate_peer_connected", "gauge", "1: the connection to another replica is up.", NULL, peer_connected},
    {"quorate_peer_protocol", "gauge",
     "Version of the protocol spoken with another replica; 0: not connected.", NULL, peer_protocol},
    {"quorate_peer_trouble", "gauge", "1: why there is no connection to another replica.", NULL,
     peer_trouble},
    {"quorate_peer_sent_frames_total", "counter", "Frames sent to another replica.", NULL, peer_sent_frames},
    {"quorate_peer_sent_messages_total", "counter", "Messages sent to another replica, several in a frame.",
     NULL, peer_sent_messages},
    {"quorate_peer_sent_bytes_total", "counter", "Bytes sent to another replica.", NULL, peer_sent_bytes},
    {"quorate_peer_dropped_messages_total", "counter",
     "Messages to another replica dropped because too much waited for it.", NULL, peer_dropped},
    {"quorate_peer_waiting_bytes", "gauge", "Bytes that wait to be sent to another replica.", NULL,
     peer_waiting},
    {"quorate_http_connections", "gauge", "Open connections of clients.", NULL, http_connections},
    {"quorate_http_followers", "gauge", "Clients that follow /v1/events.", NULL, http_followers},
    {"quorate_http_slow_connections_total", "counter",
     "Connections of clients hung up on: they sent or took nothing in time, or too little.", NULL, http_slow},
    {"quorate_http_refused_connections_total", "counter",
     "Connections of clients refused for there are too many, in all or from one address.", NULL,
     http_refused},
    {"quorate_evidence_against_replica_total", "counter",
     "Pieces of evidence in the journal that convict a replica.", NULL, evidence_replicas},
    {"quorate_evidence_double_spends_total", "counter", "Double spends that clients signed, in the journal.",
     NULL, evidence_double_spends},
    {"quorate_evidence_forks_total", "counter",
     "Forks of the chain in the journal: more than f replicas lied.", NULL, evidence_forks},
    {"quorate_scrub_passes_total", "counter", "Passes over the whole ledger that found every row right.",
     NULL, scrub_passes},
    {"quorate_scrub_height", "gauge", "Height that the pass over the ledger has come to, or the last one.",
     NULL, scrub_at},
    {"quorate_disk_free_bytes", "gauge", "Bytes free where the ledger is; 0 of 0: not to be told.", NULL,
     disk_free},
    {"quorate_disk_size_bytes", "gauge", "Bytes in all where the ledger is.", NULL, disk_size},
    {"quorate_mining_hashes_total", "counter", "Hashes tried for seals since the start.", has_seals,
     mining_hashes},
    {"quorate_mining_hash_rate", "gauge", "Hashes a second while it last searched for a seal.", has_seals,
     mining_hash_rate},
    {"quorate_stake_amount", "gauge", "Stake behind a replica: its own, or delegated to it.", by_stake,
     stake_amount},
    {"quorate_turns", "gauge", "Turns of a replica in the cycle of proposers that is in force.", by_stake,
     turns},
    {"process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", NULL,
     process_started},
    {"process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", NULL,
     process_cpu},
    {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", NULL, process_resident},
    {"process_open_fds", "gauge", "Number of open file descriptors.", NULL, process_files},
    {"process_max_fds", "gauge", "Maximum number of open file descriptors.", NULL, process_files_max},
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

static void read_links(struct node *n, struct numbers *out)
{
	for (unsigned i = 0; i < out->g->n; i++)
		if (i != out->self)
			link_stats(node_link(n), i, &out->link[i]);
	out->rejected = link_rejected(node_link(n));
}

void api_metrics(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct call *c = call_new(CALL_STATUS);
	if (!node_call(n, c)) {
		call_unref(c);
		api_busy(reply);
		return;
	}
	struct numbers numbers = {.g = node_genesis(n), .s = &c->status, .self = node_self(n)};
	read_links(n, &numbers);
	node_numbers(n, &numbers.node);
	http_stats(r->server, &numbers.http);
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
