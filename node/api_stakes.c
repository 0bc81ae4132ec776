/*
 * api_stakes.c: GET /v1/stakes: what stands behind each replica.
 */
#include <stdlib.h>

#include "api_impl.h"
#include "jread.h"

/* ---- stakes --------------------------------------------------------------------------------------- */

static json_t *rules_json(const struct qstake_rules *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", api_number(r->epoch), "turn",
	                 api_number(r->turn), "proposers", api_number(r->proposers), "unbonding",
	                 api_number(r->unbonding), "penalty", api_number(r->penalty), "delegator_penalty",
	                 api_number(r->delegator_penalty));
}

/* Of two votes in one view at one height, or of two checkpoints at one. */
static json_t *conviction_json(const struct conviction *c)
{
	if (c->height.n == 0)
		return json_null();
	return json_pack("{s:o, s:o, s:s, s:o, s:o}", "height", api_number(c->height.n), "txid",
	                 API_HEX(c->tx), "kind", api_vote(c->kind), "view", api_number(c->view.n),
	                 "offence_height", api_number(c->offence.n));
}

/* What the replica has in memory, and what its ledger says up to that height. */
struct stakes {
	const struct replica_status *now;
	struct ledger_stakes past;
};

static json_t *replica_json(const struct genesis *g, const struct stakes *s, unsigned i)
{
	const struct qreplica *r = &g->g.replicas.replicas_val[i];
	const struct qstake *stake = &s->now->turns.stakes[i];
	const struct stake_table *now = &s->past.tables[0], *next = &s->past.tables[s->past.table_cnt - 1];
	json_t *json = json_object();
	json_object_set_new(json, "index", api_number(i));
	json_object_set_new(json, "name", json_string(r->name));
	json_object_set_new(json, "account", api_address(r->account.account_val));
	json_object_set_new(json, "own", jread_amount_json(stake->own));
	json_object_set_new(json, "delegated", jread_amount_json(stake->delegated));
	json_object_set_new(json, "total", jread_amount_json(stake->own + stake->delegated));
	json_object_set_new(json, "turns", api_number(now->of[i].turns));
	json_object_set_new(json, "turns_next", api_number(next->of[i].turns));
	json_object_set_new(json, "convicted", api_number(s->past.last[i].height.n));
	json_object_set_new(json, "conviction", conviction_json(&s->past.last[i]));
	return json;
}

static json_t *stakes_json(const struct genesis *g, const struct stakes *s)
{
	const struct qstake_rules *rules = stake_rules(g);
	uint64_t height = s->now->height.n;
	json_t *json = json_object(), *replicas = json_array();
	for (unsigned i = 0; i < g->n; i++)
		json_array_append_new(replicas, replica_json(g, s, i));
	json_object_set_new(json, "height", api_number(height));
	json_object_set_new(json, "epoch", api_number(height / rules->epoch)); /* of the next height */
	json_object_set_new(json, "turn", api_number(height % rules->epoch / rules->turn));
	json_object_set_new(json, "cycle", api_number(SCHEDULE_CYCLE));
	json_object_set_new(json, "settled", api_number(s->past.tables[0].height.n));
	json_object_set_new(json, "settled_next", api_number(s->past.tables[s->past.table_cnt - 1].height.n));
	json_object_set_new(json, "rules", rules_json(rules));
	json_object_set_new(json, "replicas", replicas);
	return json;
}

static void say_stakes(struct node *n, const struct replica_status *now, struct http_reply *reply)
{
	const struct genesis *g = node_genesis(n);
	struct stakes s = {.now = now};
	struct err err = {0};
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	enum found found = reader_stakes(reader, g, now->height, &s.past, &err);
	if (found == FOUND)
		api_json(reply, 200, stakes_json(g, &s));
	else
		api_broken(reply, &err);
	node_reader_back(n, reader, found != FOUND);
}

void api_stakes(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)r;
	struct node *n = ctx;
	if (stake_rules(node_genesis(n)) == NULL) {
		http_error(reply, 404, "no_stake",
		           "stake decides nothing on this chain: its proposers are the views' primaries");
		return;
	}
	struct call *c = call_new(CALL_STATUS);
	if (node_call(n, c))
		say_stakes(n, &c->status, reply);
	else
		api_busy(reply);
	call_unref(c);
}
