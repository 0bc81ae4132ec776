/*
 * fuzz_submit.c: the body of POST /v1/transactions: one result for each transaction that was handed in, or a
 * refusal that says why.  The first byte selects the Content-Type, whether the answer is to be brief, and how
 * much room the pool has.
 *
 * Links: q_replica q_link q_http
 */
#include "api_submit.c" /* of the program, not of a library; below is as much of a node as it needs */
#include "fuzz.h"
#include "rules.h"

static struct rules rules;
static const char *const types[] = {"application/json", "application/octet-stream", "", "text/plain"};
static size_t admitted; /* by the node, in this request */

/* ---- the node ------------------------------------------------------------------------ */

const struct genesis *node_genesis(const struct node *n)
{
	(void)n;
	return &rules.g;
}

bool node_verify(struct node *n, struct tx *const *txs, size_t cnt, bool *held)
{
	(void)n;
	for (size_t i = 0; i < cnt; i++)
		held[i] = txs[i] != NULL && tx_verify(node_genesis(n), txs[i]);
	return true;
}

struct call *call_new(enum call_kind kind)
{
	struct call *c = xcalloc(1, sizeof *c);

	c->kind = kind;
	return c;
}

void call_unref(struct call *c)
{
	for (size_t i = 0; i < c->submit.cnt; i++)
		tx_unref(c->submit.txs[i]);
	free(c->submit.txs);
	free(c->submit.results);
	free(c);
}

/* What comes here was parsed and holds. */
bool node_call(struct node *n, struct call *c)
{
	(void)n;
	must(c->kind == CALL_SUBMIT);
	for (size_t i = 0; i < c->submit.cnt; i++)
		if (c->submit.txs[i]) {
			must(c->submit.results[i].verdict == TX_OK &&
			     tx_verify(node_genesis(n), c->submit.txs[i]));
			admitted++;
		}
	return true;
}

static size_t room, lent;

bool node_has_room(struct node *n)
{
	(void)n;
	return room > 0;
}

size_t node_room(struct node *n, size_t cnt)
{
	(void)n;
	lent = cnt < room ? cnt : room;
	return lent;
}

void node_room_back(struct node *n, size_t cnt)
{
	(void)n;
	must(cnt <= lent);
	lent -= cnt;
}

/* ---- the answer ------------------------------------------------------------------------ */

static uint64_t brief;

bool api_query(const struct http_request *r, struct http_reply *reply, const char *key, uint64_t max,
               uint64_t otherwise, uint64_t *out)
{
	(void)r;
	(void)reply;
	must(strcmp(key, "brief") == 0 && max == 1 && otherwise == 0);
	*out = brief;
	return true;
}

void api_bad(struct http_reply *reply, const struct err *err)
{
	must(err->kind == ERR_INPUT && err->text[0] != '\0' && reply->body == NULL);
	reply->status = 400;
}

json_t *api_hex(const uint8_t *data, size_t len)
{
	char *text = xcalloc(2 * len + 1, 1);
	json_t *json = json_string(hex_encode(text, data, len));

	free(text);
	return json;
}

/* ---- genuine requests --------------------------------------------------------------------- */

static void add_binary(struct tx *const *txs, unsigned cnt)
{
	qtx_bytes list[4];
	struct qtxs batch = {.txs = {cnt, list}};

	for (unsigned i = 0; i < cnt; i++)
		list[i] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	struct bytes b = rules_encode(WIRE(qtxs), &batch);
	fuzz_seed_as(1, b.data, b.len);
	bytes_free(&b);
}

static void add_json(struct tx *const *txs, unsigned cnt)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < cnt; i++)
		json_array_append_new(list, api_hex(txs[i]->raw, txs[i]->raw_len));
	json_t *root = json_pack("{s:o}", "transactions", list);
	char *text = json_dumps(root, JSON_COMPACT);
	fuzz_seed_as(0, text, strlen(text));
	fuzz_seed_as(2, text, strlen(text));
	free(text);
	json_decref(root);
}

static void setup(void)
{
	rules_setup(&rules, 4, "fuzz");
	struct tx *txs[] = {rules_pay(&rules, 0, "one"), rules_pay(&rules, 1, "two"),
	                    rules_pay(&rules, 0, "")};

	for (unsigned cnt = 1; cnt <= 3; cnt++) {
		add_binary(txs, cnt);
		add_json(txs, cnt);
	}
	fuzz_seed_as(3, "{}", 2);
	for (unsigned i = 0; i < 3; i++)
		tx_unref(txs[i]);
}

static void teardown(void)
{
	rules_teardown(&rules);
}

/* ---- the test ---------------------------------------------------------------------------------- */

static void check_answer(const struct http_reply *reply)
{
	json_t *answer = json_loadb(reply->body, reply->body_len, 0, NULL);
	const json_t *results = json_object_get(answer, "results");
	size_t cnt = json_array_size(results), accepted = 0;

	must(json_is_array(results) && cnt <= Q_BLOCK_TXS_MAX);
	for (size_t i = 0; i < cnt; i++) {
		const json_t *one = json_array_get(results, i);
		const char *code = json_string_value(json_object_get(one, "code"));
		must(code != NULL && json_string_value(json_object_get(one, "status")) != NULL);
		must(brief == 0 || json_is_integer(json_object_get(one, "index")));
		accepted += strcmp(code, "accepted") == 0;
	}
	if (brief) {
		must(accepted == 0);
		accepted = (size_t)json_integer_value(json_object_get(answer, "accepted"));
		cnt += accepted;
	}
	must(cnt >= 1 && accepted == admitted && admitted <= room);
	must(cnt > 1 || admitted == 0 ? reply->status == 200 || cnt == 1 : reply->status == 202);
	json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const size_t rooms[] = {SIZE_MAX, 2, 1, 0};

	if (len == 0)
		return 0;
	struct http_request r = {
	    .method = "POST", .content_type = types[data[0] % 4], .body = data + 1, .body_len = len - 1};
	struct http_reply reply = {0};

	brief = data[0] >> 2 & 1;
	room = rooms[data[0] >> 3 & 3];
	admitted = lent = 0;
	api_submit(NULL, &r, &reply);
	must(lent == 0);
	if (reply.status == 400 && reply.body == NULL)
		must(admitted == 0);
	else if (room == 0)
		must(admitted == 0 && reply.status == 503);
	else
		check_answer(&reply);
	free(reply.body);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "submit", .runs = 15000, .setup = setup, .teardown = teardown};
