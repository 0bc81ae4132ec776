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

/* One page of what an address holds. */
struct holding {
	struct qaddress address;
	uint64_t skip, limit;
	struct qheight height; /* of the ledger then */
	struct address_sums sums;
	struct address_output *outs;
	size_t cnt;
};

/* NOT_FOUND: nobody ever paid it. */
static enum found read_view(struct reader *reader, struct holding *h, struct err *err)
{
	if (!reader_view(reader, err))
		return FOUND_ERROR;
	enum found found = reader_height(reader, &h->height, err);
	if (found == FOUND)
		found =
		    reader_address(reader, &h->address, h->skip, h->limit, h->outs, &h->cnt, &h->sums, err);
	reader_view_end(reader);
	return found;
}

static enum agreed ask_replica(struct node *n, struct reader *reader, const struct holding *h,
                               struct err *err)
{
	struct output_said *list = xcalloc(h->cnt + 1, sizeof *list);
	for (size_t i = 0; i < h->cnt; i++)
		list[i] = (struct output_said){
		    h->outs[i].point, true, {h->address, h->outs[i].amount, h->outs[i].lock}};
	return api_agree(n, reader, h->height, list, h->cnt, err);
}

static enum found read_holding(struct node *n, struct reader *reader, struct holding *h, enum agreed *agreed,
                               struct err *err)
{
	enum found found = FOUND;
	*agreed = AGREED_MOVED;
	for (int tries = 0; *agreed == AGREED_MOVED && tries < AGREE_TRIES; tries++) {
		found = read_view(reader, h, err);
		if (found == FOUND_ERROR)
			return found;
		*agreed = ask_replica(n, reader, h, err);
	}
	return *agreed == AGREED_NOT ? FOUND_ERROR : found;
}

static json_t *holding_json(const struct genesis *g, const struct holding *h)
{
	json_t *list = json_array(), *json = sums_json(&h->address, &h->sums);
	for (size_t i = 0; i < h->cnt; i++)
		json_array_append_new(list, output_json(g, &h->address, &h->outs[i]));
	json_object_set_new(json, "outputs", list);
	return json;
}

void api_addresses(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	enum { LIMIT_MAX = 1000 };
	struct node *n = ctx;
	struct err err = {0};
	struct holding h = {0};
	enum agreed agreed;
	if (!address_parse(r->arg, &h.address, &err)) {
		api_bad(reply, &err);
		return;
	}
	if (!api_query(r, reply, "skip", INT32_MAX, 0, &h.skip) ||
	    !api_query(r, reply, "limit", LIMIT_MAX, 100, &h.limit))
		return;
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	h.outs = xcalloc(h.limit + 1, sizeof *h.outs);
	/* An address that nobody ever paid is an empty one. */
	enum found found = read_holding(n, reader, &h, &agreed, &err);
	if (found == FOUND_ERROR)
		api_broken(reply, &err);
	else if (agreed == AGREED_BUSY)
		api_busy(reply);
	else
		api_json(reply, 200, holding_json(node_genesis(n), &h));
	free(h.outs);
	node_reader_back(n, reader, found == FOUND_ERROR);
}
