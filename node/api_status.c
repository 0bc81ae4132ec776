/*
 * api_status.c: GET /v1/status, /healthz: what this node says of itself.
 */
#include <math.h>

#include "api_impl.h"
#include "clock.h"
#include "jread.h"
#include "parts.h"

/* ---- status ---------------------------------------------------------------------------------- */

/* The engine's clock may be behind ours, by what the process slept. */
static uint64_t since(uint64_t at_ms)
{
	uint64_t now_ms = node_now_ms();
	return now_ms > at_ms ? now_ms - at_ms : 0;
}

static json_t *until(uint64_t at_ms)
{
	uint64_t now_ms = node_now_ms();
	return at_ms == 0 ? json_null() : api_number(at_ms > now_ms ? at_ms - now_ms : 0);
}

/* What the last HELLO from a peer's address said; null: there was none. */
static json_t *said_json(const struct link_said *said)
{
	if (!said->known)
		return json_null();
	json_t *differs = json_array();
	for (unsigned i = 0; i < PARTS_CNT; i++)
		if (said->differs >> i & 1)
			json_array_append_new(differs, json_string(parts_name[i]));
	return json_pack("{s:o, s:o, s:s, s:[o, o], s:o}", "chain", API_HEX(said->chain), "replica",
	                 api_number(said->replica), "program", said->program, "protocols",
	                 api_number(said->versions.lowest), api_number(said->versions.highest), "differs",
	                 differs);
}

static void add_link(struct node *n, unsigned i, const struct link_stats *link, json_t *peer)
{
	const char *address = link_address(node_link(n), i), *trouble = link_trouble_name(link->trouble);
	json_object_set_new(peer, "address", json_string(address));
	json_object_set_new(peer, "tls", json_boolean(link->tls));
	json_object_set_new(peer, "protocol", link->version > 0 ? api_number(link->version) : json_null());
	json_object_set_new(peer, "trouble", trouble != NULL ? json_string(trouble) : json_null());
	json_object_set_new(peer, "why", trouble != NULL ? json_string(link->why) : json_null());
	json_object_set_new(peer, "said", said_json(&link->said));
}

static json_t *peers_json(struct node *n, const struct engine_status *s)
{
	json_t *peers = json_array();
	for (unsigned i = 0; i < node_genesis(n)->n; i++) {
		struct link_stats link;
		if (i == node_self(n))
			continue;
		link_stats(node_link(n), i, &link);
		json_t *peer = json_pack("{s:i, s:s, s:b}", "index", (int)i, "name",
		                         node_genesis(n)->g.replicas.replicas_val[i].name, "connected",
		                         (int)link.connected);
		add_link(n, i, &link, peer);
		bool seen = s->peer[i].seen_ms > 0;
		json_object_set_new(peer, "height", seen ? api_number(s->peer[i].executed.n) : json_null());
		json_object_set_new(peer, "view", seen ? api_number(s->peer[i].entered.n) : json_null());
		json_object_set_new(peer, "silent_ms",
		                    seen ? api_number(since(s->peer[i].seen_ms)) : json_null());
		json_array_append_new(peers, peer);
	}
	return peers;
}

static const char *mode(const struct genesis *g)
{
	return stake_rules(g) != NULL ? "stake" : "primary";
}

/* What the next block's seal costs, and this node's share in the search for one. */
static json_t *mining_json(struct node *n, const struct replica_status *s)
{
	const struct qpow_rules *rules = &node_genesis(n)->g.seal.qseal_rules_u.pow;
	struct node_mining mining = {0};
	double tries = seal_work(&s->target);
	node_mining(n, &mining);
	double rate = mining.rate > 0 ? mining.rate : rules->hash_rate; /* what the genesis counts on */
	json_t *json = json_object();
	json_object_set_new(json, "height",
	                    s->engine.sealing.n > 0 ? api_number(s->engine.sealing.n) : json_null());
	json_object_set_new(json, "hash_rate", api_number((uint64_t)mining.rate));
	json_object_set_new(json, "hashes", api_number(mining.hashes));
	json_object_set_new(json, "target_bits", json_real(log2(tries)));
	json_object_set_new(json, "expected_ms", api_number((uint64_t)ceil(tries / rate * 1000)));
	return json;
}

static void add_turns(const struct genesis *g, const struct replica_turns *t, json_t *json)
{
	json_t *turns = json_array();
	for (unsigned i = 0; i < g->n; i++)
		json_array_append_new(turns, api_number(t->in_cycle[i]));
	json_object_set_new(json, "epoch", api_number(t->epoch));
	json_object_set_new(json, "turn", api_number(t->turn));
	json_object_set_new(json, "turns", turns);
}

/* Who proposes next, and with what seal. */
static void add_proposer(struct node *n, const struct replica_status *s, json_t *json)
{
	const struct genesis *g = node_genesis(n);
	bool seals = g->g.seal.kind == QSEAL_POW;
	json_object_set_new(json, "proposer",
	                    s->engine.proposer < g->n ? api_number(s->engine.proposer) : json_null());
	json_object_set_new(json, "proposer_mode", json_string(mode(g)));
	if (stake_rules(g) != NULL)
		add_turns(g, &s->turns, json);
	json_object_set_new(json, "seal", json_string(seals ? "pow" : "none"));
	json_object_set_new(json, "sealing",
	                    s->engine.sealing.n > 0 ? api_number(s->engine.sealing.n) : json_null());
	if (seals)
		json_object_set_new(json, "mining", mining_json(n, s));
}

/* null: its operator does not want the ledger to be scrubbed. */
static json_t *scrub_json(struct node *n)
{
	struct scrubber_status s;
	if (!node_scrub(n, &s))
		return json_null();
	return json_pack("{s:o, s:b, s:o, s:o}", "height", api_number(s.height.n), "running", (int)s.running,
	                 "last_ok_at_ms", s.passes > 0 ? api_number(s.last_ok_at_ms) : json_null(), "passes",
	                 api_number(s.passes));
}

/* Where the chain before this one ended. */
static json_t *parent_json(const struct qparent *p)
{
	if (p == NULL)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "chain", API_HEX(p->chain), "height",
	                 api_number(p->height.n), "block", API_HEX(p->block), "state", API_HEX(p->state));
}

static json_t *status_json(struct node *n, const struct call *c)
{
	const struct replica_status *s = &c->status;
	const struct genesis *g = node_genesis(n);
	struct node_numbers disk;
	json_t *json = json_object();
	node_numbers(n, &disk);
	json_object_set_new(json, "chain", API_HEX(g->chain));
	json_object_set_new(json, "parent", parent_json(genesis_parent(g)));
	json_object_set_new(json, "name", json_string(g->g.name));
	json_object_set_new(json, "replica", api_number(node_self(n)));
	json_object_set_new(json, "height", api_number(s->height.n));
	json_object_set_new(json, "certified", api_number(s->engine.tip.n));
	json_object_set_new(json, "stable", api_number(s->engine.stable.n));
	json_object_set_new(json, "view", api_number(s->engine.asked.n));
	json_object_set_new(json, "active", json_boolean(s->engine.active));
	json_object_set_new(json, "primary", api_number(s->engine.primary));
	add_proposer(n, s, json);
	json_object_set_new(json, "view_changes", api_number(s->engine.view_changes));
	json_object_set_new(json, "timer_ms", until(s->engine.timer_ms));
	json_object_set_new(json, "block_hash", API_HEX(s->block_hash));
	if (c->kind == CALL_DIGEST)
		json_object_set_new(json, "state_digest", API_HEX(c->digest));
	json_object_set_new(json, "time_ms", api_number(s->tip_time_ms));
	json_object_set_new(json, "now_ms", api_number(clock_ms(CLOCK_REALTIME)));
	json_object_set_new(json, "started_ms", api_number(disk.process.started_ms));
	json_object_set_new(json, "disk_free_bytes",
	                    disk.disk_bytes > 0 ? api_number(disk.disk_free) : json_null());
	json_object_set_new(json, "transactions", api_number(s->transactions));
	json_object_set_new(json, "unspent", api_number(s->unspent));
	json_object_set_new(json, "supply", jread_amount_json(s->supply));
	json_object_set_new(json, "mempool", api_number(s->pool_txs));
	json_object_set_new(json, "mempool_bytes", api_number(s->pool_bytes));
	json_object_set_new(json, "muted",
	                    s->muted_because == NULL ? json_null() : json_string(s->muted_because));
	json_object_set_new(json, "scrub", scrub_json(n));
	json_object_set_new(json, "refused_connections", api_number(link_rejected(node_link(n))));
	json_object_set_new(json, "peers", peers_json(n, &s->engine));
	return json;
}

json_t *api_status_json(struct node *n, bool digest)
{
	struct call *c = call_new(digest ? CALL_DIGEST : CALL_STATUS);
	json_t *json = node_call(n, c) ? status_json(n, c) : NULL;
	call_unref(c);
	return json;
}

void api_status(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)r;
	json_t *json = api_status_json(ctx, true);
	if (json != NULL)
		api_json(reply, 200, json);
	else
		api_busy(reply);
}

/* Replicas heard from lately, this one included. */
static unsigned heard(const struct node *n, const struct engine_status *s)
{
	enum { LATELY_MS = 5000 };
	uint64_t now_ms = node_now_ms();
	unsigned cnt = 1;
	for (unsigned i = 0; i < node_genesis(n)->n; i++) {
		if (i != node_self(n) && s->peer[i].seen_ms > 0 && s->peer[i].seen_ms + LATELY_MS >= now_ms)
			cnt++;
	}
	return cnt;
}

/* 200: payments can be made here. */
void api_healthz(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)r;
	struct node *n = ctx;
	const struct genesis *g = node_genesis(n);
	struct call *c = call_new(CALL_STATUS);
	if (!node_call(n, c)) {
		api_busy(reply);
	} else if (c->status.muted_because != NULL) {
		http_error(reply, 503, "muted", "this replica does not vote: %s", c->status.muted_because);
	} else if (heard(n, &c->status.engine) < g->quorum) {
		http_error(reply, 503, "no_quorum",
		           "%u of %u replicas can be heard from here, itself included; %u are needed",
		           heard(n, &c->status.engine), g->n, g->quorum);
	} else {
		api_json(reply, 200,
		         json_pack("{s:s, s:o, s:o}", "status", "ok", "height",
		                   api_number(c->status.height.n), "view",
		                   api_number(c->status.engine.asked.n)));
	}
	call_unref(c);
}
