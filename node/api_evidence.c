/*
 * api_evidence.c: GET /v1/evidence: what the journal holds of misbehaviour, by its numbers there; GET
 * /v1/evidence/{seq}: one piece, as the file that `quorate evidence verify` takes.
 */
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "evidence_file.h"
#include "text.h"

enum {
	LIST_MAX = 100,
	LIST_DEFAULT = 20,
	LIST_BYTES = 4 << 20, /* of proofs, beyond which a list ends; the first piece is always in it */
};

struct page {
	json_t *list;
	size_t cnt, bytes;
	int64_t next; /* the first that did not fit; 0: there is none */
};

/* False: it does not fit any more. */
static bool add_piece(struct page *p, const struct genesis *g, int64_t seq, const struct qevidence *ev)
{
	size_t bytes = 2 * wire_size(WIRE(qevidence), ev);
	if (p->cnt > 0 && p->bytes + bytes > LIST_BYTES)
		return false;
	json_t *item = json_pack("{s:I}", "seq", (json_int_t)seq), *json = evidence_json(g, ev);
	if (json != NULL)
		json_object_update(item, json);
	else
		json_object_set_new(item, "error", json_string("the entry shows nothing that anybody did"));
	json_decref(json);
	json_array_append_new(p->list, item);
	p->bytes += bytes;
	p->cnt++;
	return true;
}

/* Somebody has edited that entry; it does not hide the others. */
static void add_damaged(struct page *p, int64_t seq)
{
	json_array_append_new(
	    p->list, json_pack("{s:I, s:s}", "seq", (json_int_t)seq, "error", "the entry is damaged"));
	p->cnt++;
}

static enum found read_page(struct reader *reader, const struct genesis *g, int64_t after, uint64_t limit,
                            struct page *p, struct err *err)
{
	for (int64_t seq = after;;) {
		struct qevidence ev;
		int64_t before = seq;
		enum found found = reader_evidence(reader, &seq, &ev, err);
		if (found == NOT_FOUND)
			return FOUND;
		if (found == FOUND_ERROR && seq == before)
			return found;
		bool fits = p->cnt < limit;
		if (fits && found == FOUND_ERROR)
			add_damaged(p, seq);
		else if (fits)
			fits = add_piece(p, g, seq, &ev);
		if (found == FOUND)
			wire_free(WIRE(qevidence), &ev);
		if (!fits) {
			p->next = seq;
			return FOUND;
		}
	}
}

void api_evidence_list(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct err err = {0};
	uint64_t from, limit;
	if (!api_query(r, reply, "limit", LIST_MAX, LIST_DEFAULT, &limit) ||
	    !api_query(r, reply, "from", INT64_MAX, 1, &from))
		return;
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	struct page p = {.list = json_array()};
	int64_t after = from > 0 ? (int64_t)from - 1 : 0;
	enum found found = read_page(reader, node_genesis(n), after, limit, &p, &err);
	if (found == FOUND)
		api_json(reply, 200,
		         json_pack("{s:O, s:o}", "evidence", p.list, "next",
		                   p.next != 0 ? json_integer(p.next) : json_null()));
	else
		api_broken(reply, &err);
	json_decref(p.list);
	node_reader_back(n, reader, found == FOUND_ERROR);
}

static void send_file(const struct genesis *g, const struct qevidence *ev, struct http_reply *reply)
{
	char *text = evidence_format(g, ev, &reply->body_len);
	if (text == NULL) {
		http_error(reply, 500, "ledger", "the journal's entry shows nothing that anybody did");
		return;
	}
	reply->status = 200;
	reply->cache = HTTP_CHECK;
	reply->content_type = "application/json";
	reply->body = text;
}

void api_evidence(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct err err = {0};
	uint64_t wanted;
	struct qevidence ev;
	if (!text_u64(r->arg, INT64_MAX, &wanted) || wanted == 0) {
		http_error(reply, 400, "bad_request",
		           "not the number of a piece of evidence; GET /v1/evidence lists them");
		return;
	}
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	int64_t seq = (int64_t)wanted - 1;
	enum found found = reader_evidence(reader, &seq, &ev, &err);
	bool other = seq != (int64_t)wanted; /* its number names something else, or nothing */
	if (found == FOUND && !other)
		send_file(node_genesis(n), &ev, reply);
	else if (found == FOUND_ERROR && !other)
		api_broken(reply, &err);
	else
		http_error(reply, 404, "not_found",
		           "the journal holds no evidence of this number; GET /v1/evidence lists it");
	if (found == FOUND)
		wire_free(WIRE(qevidence), &ev);
	node_reader_back(n, reader, found == FOUND_ERROR);
}
