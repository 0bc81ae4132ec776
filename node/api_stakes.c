/*
 * api_stakes.c: GET /v1/stakes: what stands behind each replica; GET /v1/addresses/{address}: what one owner
 * holds, free and locked.
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

static json_t *replica_json(const struct genesis *g, const struct ledger_stakes *s, unsigned i)
{
	const struct qreplica *r = &g->g.replicas.replicas_val[i];
	const struct stake_table *now = &s->tables[0], *next = &s->tables[s->table_cnt - 1];
	json_t *json = json_object();
	json_object_set_new(json, "index", api_number(i));
	json_object_set_new(json, "name", json_string(r->name));
	json_object_set_new(json, "account", api_address(r->account.account_val));
	json_object_set_new(json, "own", jread_amount_json(s->now[i].own));
	json_object_set_new(json, "delegated", jread_amount_json(s->now[i].delegated));
	json_object_set_new(json, "total", jread_amount_json(s->now[i].own + s->now[i].delegated));
	json_object_set_new(json, "turns", api_number(now->of[i].turns));
	json_object_set_new(json, "turns_next", api_number(next->of[i].turns));
	json_object_set_new(json, "convicted", api_number(s->last[i].height.n));
	json_object_set_new(json, "conviction", conviction_json(&s->last[i]));
	return json;
}

static json_t *stakes_json(const struct genesis *g, const struct ledger_stakes *s)
{
	const struct qstake_rules *rules = stake_rules(g);
	json_t *json = json_object(), *replicas = json_array();
	for (unsigned i = 0; i < g->n; i++)
		json_array_append_new(replicas, replica_json(g, s, i));
	json_object_set_new(json, "height", api_number(s->height.n));
	json_object_set_new(json, "epoch", api_number(s->height.n / rules->epoch)); /* of the next height */
	json_object_set_new(json, "turn", api_number(s->height.n % rules->epoch / rules->turn));
	json_object_set_new(json, "cycle", api_number(SCHEDULE_CYCLE));
	json_object_set_new(json, "settled", api_number(s->tables[0].height.n));
	json_object_set_new(json, "settled_next", api_number(s->tables[s->table_cnt - 1].height.n));
	json_object_set_new(json, "rules", rules_json(rules));
	json_object_set_new(json, "replicas", replicas);
	return json;
}

void api_stakes(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)r;
	struct node *n = ctx;
	const struct genesis *g = node_genesis(n);
	struct err err = {0};
	if (stake_rules(g) == NULL) {
		http_error(reply, 404, "no_stake",
		           "stake decides nothing on this chain: its proposers are the views' primaries");
		return;
	}
	struct reader *reader = node_reader(n, &err);
	struct ledger_stakes stakes;
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	enum found found = reader_stakes(reader, g, &stakes, &err);
	if (found == FOUND && stakes.table_cnt > 0)
		api_json(reply, 200, stakes_json(g, &stakes));
	else
		api_broken(reply, &err);
	node_reader_back(n, reader, found == FOUND_ERROR);
}

/* ---- addresses -------------------------------------------------------------------------------- */

/* What its lock means: since when, until when, and what of it is lost when it is spent. */
static void add_terms(const struct genesis *g, const struct qaddress *owner, const struct address_output *o,
                      json_t *json)
{
	const struct unspent u = {
	    .point = o->point, .out = {*owner, o->amount, o->lock}, .made_at = o->height};
	json_object_set_new(json, "made_at", api_number(o->height.n));
	json_object_set_new(json, "free_at",
	                    o->lock.kind == QLOCK_RELEASE
	                        ? api_number(o->height.n + stake_rules(g)->unbonding)
	                        : json_null());
	json_object_set_new(json, "penalty", jread_amount_json(stake_penalty(g, &u, o->convicted)));
}

static json_t *output_json(const struct genesis *g, const struct qaddress *owner,
                           const struct address_output *o)
{
	json_t *json = json_pack("{s:o, s:o, s:o, s:o}", "txid", API_HEX(o->point.tx), "index",
	                         api_number(o->point.index), "amount", jread_amount_json(o->amount), "height",
	                         api_number(o->height.n));
	api_lock(json, &o->lock);
	if (o->lock.kind != QLOCK_NONE && stake_rules(g) != NULL)
		add_terms(g, owner, o, json);
	return json;
}

/* All that the address holds, and of that: what has no lock, and what has one, by its kind. */
static json_t *sums_json(const struct qaddress *a, const struct address_sums *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "address", api_address(a), "amount",
	                 jread_amount_json(s->free + s->stake + s->release + s->frozen), "free",
	                 jread_amount_json(s->free), "stake", jread_amount_json(s->stake), "release",
	                 jread_amount_json(s->release), "frozen", jread_amount_json(s->frozen), "count",
	                 api_number(s->outputs));
}

void api_addresses(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	enum { LIMIT_MAX = 1000 };
	struct node *n = ctx;
	struct err err = {0};
	struct qaddress address;
	uint64_t skip, limit;
	struct address_sums sums;
	if (!address_parse(r->arg, &address, &err)) {
		api_bad(reply, &err);
		return;
	}
	if (!api_query(r, reply, "skip", INT32_MAX, 0, &skip) ||
	    !api_query(r, reply, "limit", LIMIT_MAX, 100, &limit))
		return;
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	struct address_output *outs = xcalloc(limit + 1, sizeof *outs);
	size_t cnt = 0;
	enum found found = reader_address(reader, &address, skip, limit, outs, &cnt, &sums, &err);
	/* An address that nobody ever paid is an empty one. */
	if (found == FOUND_ERROR) {
		api_broken(reply, &err);
	} else {
		json_t *list = json_array(), *json = sums_json(&address, &sums);
		for (size_t i = 0; i < cnt; i++)
			json_array_append_new(list, output_json(node_genesis(n), &address, &outs[i]));
		json_object_set_new(json, "outputs", list);
		api_json(reply, 200, json);
	}
	free(outs);
	node_reader_back(n, reader, found == FOUND_ERROR);
}
