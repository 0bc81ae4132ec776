/*
 * api_address.c: GET /v1/addresses/{address}: what one owner holds, free and locked.
 *
 * The replica has it in memory, as it executed it; the ledger is not read for it.
 */
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "jread.h"
#include "text.h"

/* ---- answers ------------------------------------------------------------------------------------ */

/* What its lock means: since when, until when, and what of it is lost when it is spent. */
static void add_terms(const struct genesis *g, const struct held *o, json_t *json)
{
	json_object_set_new(json, "made_at", api_number(o->u.made_at.n));
	json_object_set_new(json, "free_at",
	                    o->u.out.lock.kind == QLOCK_RELEASE
	                        ? api_number(o->u.made_at.n + stake_rules(g)->unbonding)
	                        : json_null());
	json_object_set_new(json, "penalty", jread_amount_json(stake_penalty(g, &o->u, o->convicted)));
}

static json_t *output_json(const struct genesis *g, const struct held *o)
{
	json_t *json = json_pack("{s:o, s:o, s:o, s:o}", "txid", API_HEX(o->u.point.tx), "index",
	                         api_number(o->u.point.index), "amount", jread_amount_json(o->u.out.amount),
	                         "height", api_number(o->u.made_at.n));
	api_lock(json, &o->u.out.lock);
	if (o->u.out.lock.kind != QLOCK_NONE && stake_rules(g) != NULL)
		add_terms(g, o, json);
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

/* What to give as `after` for the next page; null: all were listed. */
static json_t *next_json(const struct call *c)
{
	char id[QHASH_HEX];
	if (c->address.cnt == 0 || c->address.cnt < c->address.limit ||
	    (c->address.first && c->address.cnt == c->address.sums.outputs))
		return json_null();
	const struct qoutpoint *last = &c->address.list[c->address.cnt - 1].u.point;
	char *text = text_format("%s:%u", hex_encode(id, last->tx.b, sizeof last->tx.b), last->index);
	json_t *json = json_string(text);
	free(text);
	return json;
}

static json_t *holding_json(const struct genesis *g, const struct call *c)
{
	json_t *list = json_array(), *json = sums_json(&c->address.owner, &c->address.sums);
	for (size_t i = 0; i < c->address.cnt; i++)
		json_array_append_new(list, output_json(g, &c->address.list[i]));
	json_object_set_new(json, "outputs", list);
	json_object_set_new(json, "next", next_json(c));
	return json;
}

/* ---- the request ---------------------------------------------------------------------------------- */

/* TXID:INDEX. */
static bool read_point(const char *text, struct qoutpoint *out)
{
	enum { HEX = 2 * sizeof out->tx.b };
	char id[HEX + 1];
	uint64_t index;
	if (strlen(text) < HEX + 2 || text[HEX] != ':' || !text_u64(text + HEX + 1, UINT32_MAX, &index))
		return false;
	memcpy(id, text, HEX);
	id[HEX] = '\0';
	out->index = (u_int)index;
	return hex_decode(out->tx.b, sizeof out->tx.b, id);
}

/* Which page is asked for. */
static bool read_page(const struct http_request *r, struct call *c, struct http_reply *reply)
{
	const char *after = http_query(r, "after");
	uint64_t limit;
	c->address.first = after == NULL;
	if (!api_query(r, reply, "limit", REPLICA_HELD_MAX, 100, &limit))
		return false;
	c->address.limit = limit;
	if (after != NULL && !read_point(after, &c->address.after))
		http_error(reply, 400, "bad_request", "after: not TXID:INDEX");
	return reply->status == 0;
}

static void answer(struct node *n, struct call *c, struct http_reply *reply)
{
	c->address.list = xcalloc(c->address.limit + 1, sizeof *c->address.list);
	if (!node_call(n, c) || !node_turn(n)) { /* in this order: no turn is held while the replica works */
		api_busy(reply);
		return;
	}
	if (c->address.lost)
		http_error(reply, 409, "spent",
		           "after: this address has no such unspent output (any more); begin anew");
	else /* who was never paid holds nothing */
		api_json(reply, 200, holding_json(node_genesis(n), c));
	node_turn_end(n);
}

void api_addresses(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct call *c = call_new(CALL_ADDRESS);
	struct err err = {0};
	if (!address_parse(r->arg, &c->address.owner, &err))
		api_bad(reply, &err);
	else if (read_page(r, c, reply))
		answer(ctx, c, reply);
	call_unref(c);
}
