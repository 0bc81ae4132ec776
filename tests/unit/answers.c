/*
 * The HTTP interface as clients see it: a real server on loopback, real replicas with their ledgers behind
 * it. Only the threads between them are stood for. Links: q_program
 */
#include "api_impl.h"

#include <sqlite3.h>

#include "cluster.h"

enum { SELF = 0, PATIENCE_MS = 20000 };

static struct cluster *cluster;
static struct http_server *server;
static struct http_client *client;
static struct node_mining mining;
static struct node_numbers numbers;

/* ---- the node -------------------------------------------------------------------------------- */

const struct genesis *node_genesis(const struct node *n)
{
	(void)n;
	return &cluster->rules.g;
}

unsigned node_self(const struct node *n)
{
	(void)n;
	return SELF;
}

struct link *node_link(struct node *n)
{
	(void)n;
	return NULL;
}

uint64_t node_now_ms(void)
{
	return cluster->now_ms;
}

bool node_mining(const struct node *n, struct node_mining *out)
{
	(void)n;
	*out = mining;
	return cluster->rules.g.g.seal.kind == QSEAL_POW;
}

bool node_scrub(struct node *n, struct scrubber_status *out)
{
	(void)n;
	*out = (struct scrubber_status){.height = {3}, .passes = 2, .last_ok_at_ms = 1700000000123};
	return true;
}

void node_numbers(struct node *n, struct node_numbers *out)
{
	(void)n;
	*out = numbers;
}

const char *link_address(const struct link *l, unsigned peer)
{
	(void)l, (void)peer;
	return "tcp://10.0.0.9:7580";
}
const char *link_trouble_name(enum link_trouble trouble)
{
	static const char *const names[LINK_TROUBLE_CNT] = {
	    NULL,          "unreachable", "no_replica", "other_chain", "other_protocol", "other_replica",
	    "certificate",
	};
	return names[trouble];
}
void link_stats(struct link *l, unsigned peer, struct link_stats *out)
{
	(void)l;
	*out = (struct link_stats){.connected = true, .sent_bytes = 1000 * peer};
}

uint64_t link_rejected(struct link *l)
{
	(void)l;
	return 14;
}

static size_t room_max = SIZE_MAX; /* in the pool */
static size_t verified;            /* transactions whose signatures were checked */

bool node_verify(struct node *n, struct tx *const *txs, size_t cnt, bool *held)
{
	for (size_t i = 0; i < cnt; i++) {
		held[i] = txs[i] != NULL && tx_verify(node_genesis(n), txs[i]);
		verified += txs[i] != NULL;
	}
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
	for (size_t i = 0; c->kind == CALL_SUBMIT && i < c->submit.cnt; i++)
		tx_unref(c->submit.txs[i]);
	if (c->kind == CALL_SUBMIT) {
		free(c->submit.txs);
		free(c->submit.results);
	}
	if (c->kind == CALL_DISPUTE)
		free(c->dispute.list);
	if (c->kind == CALL_ADDRESS)
		free(c->address.list);
	free(c);
}

/* node_ask.c's answers. */
bool node_call(struct node *n, struct call *c)
{
	struct replica *r = cluster->members[SELF].replica;

	(void)n;
	if (c->kind == CALL_DIGEST)
		replica_digest(r, &c->digest);
	if (c->kind == CALL_STATUS || c->kind == CALL_DIGEST)
		replica_status(r, &c->status);
	if (c->kind == CALL_FATE)
		c->fate.verdict = replica_fate(r, &c->fate.id, &c->fate.winner);
	if (c->kind == CALL_DISPUTE)
		c->dispute.disputed =
		    replica_disputes(r, c->dispute.list, c->dispute.cnt, &c->dispute.height);
	if (c->kind == CALL_ADDRESS)
		c->address.lost =
		    !replica_holding(r, &c->address.owner, c->address.first ? NULL : &c->address.after,
		                     c->address.list, c->address.limit, &c->address.cnt, &c->address.sums);
	for (size_t i = 0; c->kind == CALL_SUBMIT && i < c->submit.cnt; i++) {
		struct submit_result *result = &c->submit.results[i];
		if (c->submit.txs[i] == NULL)
			continue;
		result->verdict = replica_submit(r, c->submit.txs[i], &result->height, &result->winner);
		replica_explain(r, c->submit.txs[i], &result->needs);
	}
	return true;
}

bool node_has_room(struct node *n)
{
	(void)n;
	return room_max > 0;
}

size_t node_room(struct node *n, size_t cnt)
{
	(void)n;
	cnt = cnt < room_max ? cnt : room_max;
	room_max -= cnt;
	return cnt;
}

void node_room_back(struct node *n, size_t cnt)
{
	(void)n;
	room_max += cnt;
}

bool node_turn(struct node *n)
{
	(void)n;
	return true;
}

void node_turn_end(struct node *n)
{
	(void)n;
}

struct reader *node_reader(struct node *n, struct err *err)
{
	(void)n;
	struct reader *r = reader_open(cluster->members[SELF].ledger, NULL, err);
	if (r != NULL)
		reader_prove(r, node_genesis(n));
	return r;
}

void node_reader_back(struct node *n, struct reader *r, bool broken)
{
	(void)n;
	(void)broken;
	reader_close(r);
}

bool node_wait_begin(struct node *n, struct waiter *w)
{
	(void)n, (void)w;
	return false;
}

struct qheight node_height(struct node *n)
{
	(void)n;
	return cluster_status(cluster, SELF).height;
}

bool node_block_wait_begin(struct node *n, struct block_waiter *w)
{
	(void)n, (void)w;
	return false;
}

void node_block_wait_end(struct node *n, struct block_waiter *w)
{
	(void)n, (void)w;
}

void node_wait_end(struct node *n, struct waiter *w)
{
	(void)n, (void)w;
}

/* What was executed is asked of the ledger, here. */
enum ids_found node_block_ids(struct node *n, struct qheight height, struct block_ids **out)
{
	(void)n, (void)out;
	return height.n <= cluster_status(cluster, SELF).height.n ? IDS_OLD : IDS_NONE;
}

void block_ids_unref(struct block_ids *b)
{
	free(b);
}

/* ---- chains ------------------------------------------------------------------------------------ */

/* 16 outputs: free ones, then of each replica its own stake and what account 1 delegated to it. */
enum { FREE = 8, OWN = 8, DELEGATED = 12, OUTPUTS = 16, ALICE = 1 };

static void by_stake_rules(struct qgenesis *g)
{
	rules_by_stake(g);
	g->proposer.qproposer_rules_u.stake.delegator_penalty = 10;
	for (unsigned i = 0; i < 4; i++) {
		g->allocations.allocations_val[OWN + i] =
		    locked((uint8_t)(101 + i), PAY_AMOUNT, QLOCK_STAKE, i);
		g->allocations.allocations_val[DELEGATED + i] =
		    locked(ALICE, PAY_AMOUNT * (1 + i), QLOCK_STAKE, i);
	}
}

static void with_work(struct qgenesis *g)
{
	g->seal.kind = QSEAL_POW;
	g->seal.qseal_rules_u.pow =
	    (struct qpow_rules){.bits = 8, .bits_max = 8, .interval_ms = 0, .hash_rate = 1000};
}

static void begin(void (*shape)(struct qgenesis *g), uint64_t mine_ms)
{
	struct qparams params = genesis_default_params();
	struct http_config config = {.listen = "127.0.0.1:0", .body_max = 1 << 20, .routes = api_routes};
	struct err err = {0};
	char url[64];

	params.checkpoint_interval = 4;
	params.window = 4;
	cluster = cluster_new_chain(4, OUTPUTS, &params, shape, mine_ms);
	mining = (struct node_mining){0};
	server = http_start(&config, &err);
	assert_non_null(server);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", http_port(server));
	client = http_client_new(url, 10000, &err);
	assert_non_null(client);
}

static void end(void)
{
	http_client_free(client);
	http_stop(server);
	cluster_free(cluster);
}

static void final(struct tx *tx)
{
	cluster_pay(cluster, SELF, tx);
	cluster_settle(cluster, PATIENCE_MS);
}

static struct tx *relock(uint8_t owner, struct qoutpoint in, uint64_t amount, enum qlock_kind kind,
                         unsigned replica)
{
	struct qoutput out = locked(owner, amount, kind, replica);

	return pay_outputs(&cluster->rules, owner, &in, 1, &out, 1, NULL);
}

/* Free output `index`, paid to account 9 with a report that convicts the replica. */
static struct tx *report(unsigned index, unsigned replica)
{
	struct qoffence o = rules_offence(&cluster->rules, replica, 1, 77);
	struct qoutput out = {rules_address(9), PAY_AMOUNT, {.kind = QLOCK_NONE}};
	struct qoutpoint in = allocation(&cluster->rules, index);

	return pay_outputs(&cluster->rules, account_of(index), &in, 1, &out, 1, &o);
}

/* ---- asking ------------------------------------------------------------------------------------ */

static char *ask(const char *path, const void *body, size_t len, int want)
{
	struct err err = {0};
	char *text;
	size_t text_len;
	int status;

	if (!http_call(client, path, body ? "application/octet-stream" : NULL, body, len, &status, &text,
	               &text_len, &err))
		fail_msg("%s: %s", path, err.text);
	if (status != want)
		fail_msg("%s: %d: %s", path, status, text);
	return text;
}

static json_t *get(const char *path)
{
	char *text = ask(path, NULL, 0, 200);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	free(text);
	return json;
}

/* The answer's one error, handed in alone. */
static json_t *refused(struct tx *tx, int status)
{
	qtx_bytes one = {(unsigned)tx->raw_len, tx->raw};
	struct qtxs batch = {.txs = {1, &one}};
	struct bytes b = rules_encode(WIRE(qtxs), &batch);
	char *text = ask("/v1/transactions", b.data, b.len, status);
	json_t *json = json_loads(text, 0, NULL), *error = json_incref(json_object_get(json, "error"));

	assert_non_null(error);
	json_decref(json);
	bytes_free(&b);
	free(text);
	return error;
}

static json_int_t integer(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	if (!json_is_integer(value))
		fail_msg("%s is no integer", key);
	return json_integer_value(value);
}

static const char *string(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	if (!text)
		fail_msg("%s is no string", key);
	return text;
}

static const json_t *element(const json_t *json, const char *key, size_t i)
{
	const json_t *list = json_object_get(json, key);

	assert_true(json_is_array(list) && i < json_array_size(list));
	return json_array_get(list, i);
}

/* ---- status ------------------------------------------------------------------------------------- */

static void status_names_the_primary_where_nothing_else_is_asked(void **state)
{
	(void)state;
	begin(NULL, 0);
	json_t *s = get("/v1/status");
	assert_int_equal(integer(s, "proposer"), 0);
	assert_string_equal(string(s, "proposer_mode"), "primary");
	assert_string_equal(string(s, "seal"), "none");
	assert_null(json_object_get(s, "mining"));
	assert_null(json_object_get(s, "turns"));
	json_decref(s);
	free(ask("/v1/stakes", NULL, 0, 404));
	end();
}

static void status_tells_whose_turn_it_is(void **state)
{
	struct replica_status r;
	json_int_t sum = 0;

	(void)state;
	begin(by_stake_rules, 0);
	for (unsigned i = 0; i < 5; i++)
		final(pay_allocation(&cluster->rules, i, 9, ""));
	json_t *s = get("/v1/status"), *stakes = get("/v1/stakes");
	r = cluster_status(cluster, SELF);
	assert_string_equal(string(s, "proposer_mode"), "stake");
	assert_int_equal(integer(s, "proposer"), r.engine.proposer);
	assert_int_equal(integer(s, "epoch"), 0);
	assert_int_equal(integer(s, "turn"), 2); /* of height 6, with 2 heights a turn */
	assert_int_equal(json_array_size(json_object_get(s, "turns")), 4);
	for (unsigned i = 0; i < 4; i++) {
		json_int_t turns = json_integer_value(element(s, "turns", i));
		sum += turns;
		assert_int_equal(integer(element(stakes, "replicas", i), "turns"), turns);
	}
	assert_int_equal(sum, SCHEDULE_CYCLE);
	assert_true(json_integer_value(element(s, "turns", 3)) > json_integer_value(element(s, "turns", 0)));
	json_decref(s);
	json_decref(stakes);
	for (unsigned i = 5; i < FREE; i++)
		final(pay_allocation(&cluster->rules, i, 9, ""));
	for (unsigned i = 0; i < 5; i++) { /* into the second epoch */
		struct tx *tx = relock(ALICE, allocation(&cluster->rules, DELEGATED + i % 4),
		                       PAY_AMOUNT * (1 + i % 4), QLOCK_RELEASE, i % 4);
		if (i == 3) { /* before the last height of the first */
			s = get("/v1/status");
			assert_int_equal(integer(s, "epoch"), 0);
			assert_int_equal(integer(s, "turn"), 5);
			json_decref(s);
		}
		if (i < 4)
			final(tx);
		else
			tx_unref(tx);
	}
	s = get("/v1/status");
	assert_int_equal(integer(s, "epoch"), 1);
	assert_int_equal(integer(s, "turn"), 0);
	json_decref(s);
	end();
}

static void status_tells_what_mining_takes(void **state)
{
	(void)state;
	begin(with_work, CLUSTER_NEVER);
	json_t *s = get("/v1/status");
	const json_t *m = json_object_get(s, "mining");
	assert_string_equal(string(s, "seal"), "pow");
	assert_true(json_is_null(json_object_get(m, "height")));
	assert_int_equal(integer(m, "hash_rate"), 0);
	assert_int_equal(integer(m, "expected_ms"), 256); /* by the rate that the genesis promises */
	assert_true(json_real_value(json_object_get(m, "target_bits")) == 8.0);
	json_decref(s);
	cluster_pay(cluster, SELF, pay_allocation(&cluster->rules, 0, 9, ""));
	cluster_turn(cluster, SELF);
	mining = (struct node_mining){.rate = 512.7, .hashes = 99};
	s = get("/v1/status");
	m = json_object_get(s, "mining");
	assert_int_equal(integer(m, "height"), 1);
	assert_int_equal(integer(s, "sealing"), 1);
	assert_int_equal(integer(m, "hash_rate"), 512);
	assert_int_equal(integer(m, "hashes"), 99);
	assert_int_equal(integer(m, "expected_ms"), 500);
	json_decref(s);
	end();
}

static void blocks_show_their_seals(void **state)
{
	struct qheader header;
	struct err err = {0};
	char hex[65], nonce[24];

	(void)state;
	begin(with_work, 0);
	final(pay_allocation(&cluster->rules, 0, 9, ""));
	json_t *b = get("/v1/blocks/1");
	const json_t *seal = json_object_get(b, "seal");
	struct reader *reader = node_reader(NULL, &err);
	assert_int_equal(reader_header(reader, qheight_of(1), &header, &err), FOUND);
	snprintf(nonce, sizeof nonce, "%llu", (unsigned long long)header.seal.qseal_u.pow.nonce);
	assert_string_equal(string(seal, "kind"), "pow");
	assert_string_equal(string(seal, "nonce"), nonce);
	assert_string_equal(string(seal, "target"), hex_encode(hex, header.seal.qseal_u.pow.target.b, 32));
	reader_close(reader);
	json_decref(b);
	end();
}

/* ---- stakes ------------------------------------------------------------------------------------------ */

static void stakes_tell_who_stands_behind_whom_and_who_was_convicted(void **state)
{
	struct tx *conviction;
	char hex[QHASH_HEX], address[ADDRESS_TEXT];

	(void)state;
	begin(by_stake_rules, 0);
	conviction = report(0, 2);
	final(tx_ref(conviction));
	json_t *s = get("/v1/stakes");
	const json_t *rules = json_object_get(s, "rules"), *r1 = element(s, "replicas", 1),
	             *r2 = element(s, "replicas", 2), *c = json_object_get(r2, "conviction");
	assert_int_equal(integer(s, "height"), 1);
	assert_int_equal(integer(s, "cycle"), SCHEDULE_CYCLE);
	assert_int_equal(integer(rules, "epoch"), 12);
	assert_int_equal(integer(rules, "turn"), 2);
	assert_int_equal(integer(rules, "proposers"), 4);
	assert_int_equal(integer(rules, "unbonding"), 36);
	assert_int_equal(integer(rules, "penalty"), 50);
	assert_int_equal(integer(rules, "delegator_penalty"), 10);
	struct qaddress account = rules_address(102);
	assert_int_equal(integer(r1, "index"), 1);
	assert_string_equal(string(r1, "name"), "replica-1");
	assert_string_equal(string(r1, "account"), address_format(&account, address));
	assert_string_equal(string(r1, "own"), "1000000");
	assert_string_equal(string(r1, "delegated"), "2000000");
	assert_string_equal(string(r1, "total"), "3000000");
	assert_int_equal(integer(r1, "convicted"), 0);
	assert_true(json_is_null(json_object_get(r1, "conviction")));
	assert_string_equal(string(r2, "own"), "0"); /* what is liable does not count */
	assert_string_equal(string(r2, "delegated"), "0");
	assert_int_equal(integer(r2, "convicted"), 1);
	assert_int_equal(integer(c, "height"), 1);
	assert_int_equal(integer(c, "offence_height"), 1);
	assert_int_equal(integer(c, "view"), 0);
	assert_string_equal(string(c, "kind"), "prepare");
	assert_string_equal(string(c, "txid"), hex_encode(hex, conviction->id.b, sizeof conviction->id.b));
	assert_true(integer(r2, "turns") > 0); /* of the genesis' table, for two epochs */
	assert_int_equal(integer(r2, "turns"), integer(r2, "turns_next"));
	json_decref(s);
	tx_unref(conviction);
	end();
}

/* While the node runs, with constraints off. */
static void edit_ledger(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(cluster->members[SELF].ledger, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Anybody can stake a million outputs of 1: whoever asks what they are worth must not make the node read
 * them. */
static void what_is_staked_now_is_not_read_row_by_row(void **state)
{
	(void)state;
	begin(by_stake_rules, 0);
	final(report(0, 2));
	edit_ledger("DELETE FROM outputs");
	json_t *s = get("/v1/stakes");
	assert_string_equal(string(element(s, "replicas", 1), "own"), "1000000");
	assert_string_equal(string(element(s, "replicas", 1), "delegated"), "2000000");
	assert_string_equal(string(element(s, "replicas", 2), "own"), "0");
	json_decref(s);
	end();
}

static void next_epochs_turns_are_known_in_time(void **state)
{
	struct qoutpoint coin;

	(void)state;
	begin(by_stake_rules, 0);
	final(relock(104, allocation(&cluster->rules, OWN + 3), PAY_AMOUNT, QLOCK_RELEASE, 3));
	coin = allocation(&cluster->rules, 0);
	for (unsigned h = 2; h <= 13; h++) {
		struct payment p = {.from = h == 2 ? account_of(0) : 9, .to = 9};
		struct tx *tx = pay(&cluster->rules, &p, &coin, 1);
		coin = output(tx, 0);
		final(tx);
	}
	json_t *s = get("/v1/stakes");
	const json_t *r3 = element(s, "replicas", 3);
	assert_int_equal(integer(s, "height"), 13);
	assert_int_equal(integer(s, "epoch"), 1);
	assert_int_equal(integer(s, "settled"), 0);
	assert_int_equal(integer(s, "settled_next"), 12);
	assert_true(integer(r3, "turns_next") < integer(r3, "turns"));
	json_decref(s);
	end();
}

/* ---- blocks ------------------------------------------------------------------------------------- */

static void a_blocks_ids_come_as_text_or_as_they_are(void **state)
{
	struct err err = {0};
	char *binary, hex[QHASH_HEX];
	size_t len;
	int status;

	(void)state;
	begin(NULL, 0);
	struct tx *tx = pay_allocation(&cluster->rules, 0, 9, "");
	final(tx_ref(tx));
	json_t *b = get("/v1/blocks/1/transactions?wait=1");
	assert_int_equal(integer(b, "height"), 1);
	assert_int_equal(json_array_size(json_object_get(b, "transactions")), 1);
	hex_encode(hex, tx->id.b, sizeof tx->id.b);
	assert_string_equal(json_string_value(element(b, "transactions", 0)), hex);
	json_decref(b);

	http_client_accept(client, "application/octet-stream, */*;q=0.1");
	assert_true(
	    http_call(client, "/v1/blocks/1/transactions", NULL, NULL, 0, &status, &binary, &len, &err));
	assert_int_equal(status, 200);
	assert_int_equal(len, sizeof tx->id.b);
	assert_memory_equal(binary, tx->id.b, len);
	free(binary);
	/* Whatever is asked for, an error is JSON. */
	char *text = ask("/v1/blocks/2/transactions", NULL, 0, 404);
	assert_non_null(strstr(text, "\"code\":\"not_found\""));
	free(text);
	http_client_accept(client, "application/octet-streams"); /* not known, so the usual */
	json_decref(get("/v1/blocks/1/transactions"));
	tx_unref(tx);
	end();
}

/* ---- addresses ------------------------------------------------------------------------------------------
 */

static json_t *address_of(uint8_t account)
{
	struct qaddress a = rules_address(account);
	char text[ADDRESS_TEXT], path[128];

	snprintf(path, sizeof path, "/v1/addresses/%s", address_format(&a, text));
	return get(path);
}

static const json_t *output_with(const json_t *json, const char *lock, json_int_t replica)
{
	size_t i;
	json_t *o;

	json_array_foreach(json_object_get(json, "outputs"), i, o)
	{
		const char *its = json_string_value(json_object_get(o, "lock"));
		if (lock ? its && strcmp(its, lock) == 0 && integer(o, "replica") == replica : !its)
			return o;
	}
	fail_msg("no output is locked as %s for %d", lock ? lock : "-", (int)replica);
	return NULL;
}

static void addresses_tell_what_is_free_and_what_is_locked(void **state)
{
	struct qoutput outs[2];
	struct qoutpoint in;

	(void)state;
	begin(by_stake_rules, 0);
	final(relock(ALICE, allocation(&cluster->rules, DELEGATED + 1), 2 * PAY_AMOUNT, QLOCK_RELEASE, 1));
	final(report(3, 0));
	final(report(4, 1));
	in = allocation(&cluster->rules, DELEGATED);
	outs[0] = locked(ALICE, PAY_AMOUNT - PAY_AMOUNT / 10, QLOCK_RELEASE, 0);
	outs[1] = locked(ALICE, PAY_AMOUNT / 10, QLOCK_FROZEN, 0);
	final(pay_outputs(&cluster->rules, ALICE, &in, 1, outs, 2, NULL));

	json_t *a = address_of(ALICE);
	assert_string_equal(string(a, "amount"), "11000000"); /* a free million, ten of stake */
	assert_string_equal(string(a, "free"), "1000000");
	assert_string_equal(string(a, "stake"), "7000000");
	assert_string_equal(string(a, "release"), "2900000");
	assert_string_equal(string(a, "frozen"), "100000");
	assert_int_equal(integer(a, "count"), 6);
	const json_t *o = output_with(a, NULL, 0);
	assert_null(json_object_get(o, "replica"));
	assert_null(json_object_get(o, "free_at"));
	o = output_with(a, "stake", 2);
	assert_int_equal(integer(o, "made_at"), 0);
	assert_true(json_is_null(json_object_get(o, "free_at")));
	assert_string_equal(string(o, "penalty"), "0");
	o = output_with(a, "release", 1); /* convicted after it was released */
	assert_int_equal(integer(o, "made_at"), 1);
	assert_int_equal(integer(o, "height"), 1);
	assert_int_equal(integer(o, "free_at"), 37);
	assert_string_equal(string(o, "penalty"), "200000");
	o = output_with(a, "release", 0); /* released after the conviction */
	assert_int_equal(integer(o, "free_at"), 4 + 36);
	assert_string_equal(string(o, "penalty"), "0");
	o = output_with(a, "frozen", 0);
	assert_true(json_is_null(json_object_get(o, "free_at")));
	json_decref(a);

	a = address_of(101);
	o = output_with(a, "stake", 0);
	assert_string_equal(string(o, "penalty"), "500000"); /* its own, of a convict */
	json_decref(a);
	end();
}

/* It is what the replica executed; the rows of outputs are not read for it. */
static void an_edited_row_changes_nothing_of_what_an_address_holds(void **state)
{
	(void)state;
	begin(by_stake_rules, 0);
	final(report(0, 1));
	json_t *before = address_of(102);
	edit_ledger("UPDATE outputs SET replica = 63 WHERE replica = 1; UPDATE convictions SET replica = 63;"
	            "UPDATE outputs SET amount = amount + 1 WHERE spent_by IS NULL");
	json_t *after = address_of(102);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
	end();
}

static json_t *page_of(uint8_t account, unsigned limit, const char *after)
{
	struct qaddress a = rules_address(account);
	char text[ADDRESS_TEXT], path[256];

	snprintf(path, sizeof path, "/v1/addresses/%s?limit=%u%s%s", address_format(&a, text), limit,
	         after ? "&after=" : "", after ? after : "");
	return get(path);
}

static const char *last_of(const json_t *page, char text[80])
{
	const json_t *o = element(page, "outputs", json_array_size(json_object_get(page, "outputs")) - 1);

	snprintf(text, 80, "%s:%d", string(o, "txid"), (int)integer(o, "index"));
	return text;
}

static void assert_no_page(uint8_t account, const char *query, int status, const char *code)
{
	struct qaddress a = rules_address(account);
	char text[ADDRESS_TEXT], path[512], want[64];

	snprintf(path, sizeof path, "/v1/addresses/%s?%s", address_format(&a, text), query);
	snprintf(want, sizeof want, "\"code\":\"%s\"", code);
	char *answer = ask(path, NULL, 0, status);
	if (!strstr(answer, want))
		fail_msg("%s: not %s: %s", path, want, answer);
	free(answer);
}

static void an_address_is_read_page_by_page(void **state)
{
	char last[80], query[128];
	unsigned cnt = 0;

	(void)state;
	begin(NULL, 0);
	for (unsigned i = 0; i < 5; i++)
		final(pay_allocation(&cluster->rules, i, 9, ""));
	json_t *all = page_of(9, 100, NULL), *page = page_of(9, 2, NULL);
	assert_int_equal(integer(all, "count"), 5);
	for (;;) {
		size_t i, got = json_array_size(json_object_get(page, "outputs"));
		assert_int_equal(integer(page, "count"), 5);
		for (i = 0; i < got; i++)
			assert_true(
			    json_equal(element(page, "outputs", i), element(all, "outputs", cnt + i)));
		cnt += (unsigned)got;
		if (got < 2)
			break;
		last_of(page, last);
		json_decref(page);
		page = page_of(9, 2, last);
	}
	assert_int_equal(cnt, 5);
	for (unsigned i = 1; i < 5; i++) /* oldest first */
		assert_true(integer(element(all, "outputs", i - 1), "height") <
		            integer(element(all, "outputs", i), "height"));
	snprintf(query, sizeof query, "after=%s", last_of(all, last));
	json_decref(page);
	page = page_of(9, 0, NULL);
	assert_int_equal(integer(page, "count"), 5);
	assert_int_equal(json_array_size(json_object_get(page, "outputs")), 0);

	/* Somebody else's output; one that is spent. */
	assert_no_page(10, query, 409, "spent");
	snprintf(query, sizeof query, "after=%064d:0", 0);
	assert_no_page(9, query, 409, "spent");
	assert_no_page(9, "after=", 400, "bad_request");
	assert_no_page(9, "after=xyz:0", 400, "bad_request");
	snprintf(query, sizeof query, "after=%064d", 0);
	assert_no_page(9, query, 400, "bad_request");
	snprintf(query, sizeof query, "after=%064d:", 0);
	assert_no_page(9, query, 400, "bad_request");
	snprintf(query, sizeof query, "after=%064d:4294967296", 0);
	assert_no_page(9, query, 400, "bad_request");
	snprintf(query, sizeof query, "after=%065d:0", 0);
	assert_no_page(9, query, 400, "bad_request");
	snprintf(query, sizeof query, "after=%063dX:0", 0);
	assert_no_page(9, query, 400, "bad_request");
	assert_no_page(9, "skip=1", 400, "bad_query");
	assert_no_page(9, "limit=1001", 400, "bad_request");
	json_decref(all);
	json_decref(page);
	end();
}

/* ---- transactions
 * ------------------------------------------------------------------------------------------- */

static void refusals_tell_until_when_and_how_much(void **state)
{
	struct tx *release, *spend, *cheap, *thaw;
	struct qoutpoint in;
	struct qoutput outs[2];

	(void)state;
	begin(by_stake_rules, 0);
	release = relock(ALICE, allocation(&cluster->rules, DELEGATED + 1), 2 * PAY_AMOUNT, QLOCK_RELEASE, 1);
	in = output(release, 0);
	final(release);
	spend =
	    pay(&cluster->rules, &(struct payment){.from = ALICE, .to = 9, .amount = 2 * PAY_AMOUNT}, &in, 1);
	json_t *e = refused(spend, 409);
	assert_string_equal(string(e, "code"), "locked");
	assert_int_equal(integer(json_object_get(e, "detail"), "free_at"), 37);
	assert_non_null(strstr(string(e, "message"), "free from height 37 on"));
	json_decref(e);

	final(report(3, 2));
	cheap = relock(103, allocation(&cluster->rules, OWN + 2), PAY_AMOUNT, QLOCK_RELEASE, 2);
	e = refused(cheap, 409);
	assert_string_equal(string(e, "code"), "penalty");
	assert_string_equal(string(json_object_get(e, "detail"), "penalty"), "500000");
	assert_non_null(strstr(string(e, "message"), ": 500000"));
	json_decref(e);

	in = allocation(&cluster->rules, OWN + 2);
	outs[0] = locked(103, PAY_AMOUNT / 2, QLOCK_RELEASE, 2);
	outs[1] = locked(103, PAY_AMOUNT / 2, QLOCK_FROZEN, 2);
	struct tx *paid = pay_outputs(&cluster->rules, 103, &in, 1, outs, 2, NULL);
	in = output(paid, 1);
	final(tx_ref(paid));
	struct qoutpoint both[] = {output(paid, 0), in};
	thaw = pay(&cluster->rules, &(struct payment){.from = 103, .to = 9}, both, 2);
	e = refused(thaw, 409);
	assert_string_equal(string(e, "code"), "locked");
	assert_true(json_is_null(json_object_get(json_object_get(e, "detail"), "free_at"))); /* never */
	json_decref(e);
	tx_unref(spend);
	tx_unref(cheap);
	tx_unref(thaw);
	tx_unref(paid);
	end();
}

/* Four in a batch: refused, accepted, known, and no transaction at all. */
static void a_brief_answer_lists_what_is_neither_accepted_nor_known(void **state)
{
	(void)state;
	begin(NULL, 0);
	struct tx *known = pay_allocation(&cluster->rules, 0, 9, ""),
	          *rival = pay_allocation(&cluster->rules, 0, 8, ""),
	          *fresh = pay_allocation(&cluster->rules, 1, 9, "");
	cluster_pay(cluster, SELF, tx_ref(known)); /* pending */
	uint8_t nothing[] = {1, 2, 3, 4};
	qtx_bytes each[] = {{(unsigned)rival->raw_len, rival->raw},
	                    {(unsigned)fresh->raw_len, fresh->raw},
	                    {(unsigned)known->raw_len, known->raw},
	                    {4, nothing}};
	struct qtxs batch = {.txs = {4, each}};
	struct bytes b = rules_encode(WIRE(qtxs), &batch);
	char *text = ask("/v1/transactions?brief=1", b.data, b.len, 200);
	json_t *json = json_loads(text, 0, NULL);
	assert_int_equal(integer(json, "accepted"), 2);
	assert_int_equal(json_array_size(json_object_get(json, "results")), 2);
	const json_t *r = element(json, "results", 0);
	assert_int_equal(integer(r, "index"), 0);
	assert_string_equal(string(r, "code"), "double_spend");
	r = element(json, "results", 1);
	assert_int_equal(integer(r, "index"), 3);
	assert_string_equal(string(r, "code"), "malformed");
	json_decref(json);
	free(text);

	text = ask("/v1/transactions?brief=0", b.data, b.len, 200); /* that is all of them */
	json = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "results")), 4);
	assert_null(json_object_get(json, "accepted"));
	assert_null(json_object_get(element(json, "results", 0), "index"));
	json_decref(json);
	free(text);
	free(ask("/v1/transactions?brief=2", b.data, b.len, 400));
	bytes_free(&b);
	tx_unref(known);
	tx_unref(rival);
	tx_unref(fresh);
	end();
}

static json_t *offer(struct tx *const *txs, size_t cnt, const char *path, int want)
{
	qtx_bytes each[8];
	struct qtxs batch = {.txs = {(unsigned)cnt, each}};
	for (size_t i = 0; i < cnt; i++)
		each[i] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	struct bytes b = rules_encode(WIRE(qtxs), &batch);
	char *text = ask(path, b.data, b.len, want);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	bytes_free(&b);
	free(text);
	return json;
}

static void what_the_pool_has_no_room_for_is_not_verified(void **state)
{
	struct tx *txs[5];

	(void)state;
	begin(NULL, 0);
	for (unsigned i = 0; i < 5; i++)
		txs[i] = pay_allocation(&cluster->rules, i, 9, "");
	room_max = 2;
	verified = 0;
	json_t *a = offer(txs, 4, "/v1/transactions", 200);
	for (unsigned i = 0; i < 4; i++) {
		const json_t *r = element(a, "results", i);
		assert_int_equal(strlen(string(r, "txid")), 64);
		assert_string_equal(string(r, "status"), i < 2 ? "accepted" : "rejected");
		assert_string_equal(string(r, "code"), i < 2 ? "accepted" : "pool_full");
	}
	assert_int_equal(verified, 2);
	assert_int_equal(room_max, 2); /* the pool counts them now */
	json_decref(a);

	room_max = 0;
	a = offer(&txs[4], 1, "/v1/transactions", 503);
	assert_string_equal(string(json_object_get(a, "error"), "code"), "pool_full");
	json_decref(a);
	a = offer(txs, 5, "/v1/transactions?brief=1", 503);
	assert_string_equal(string(json_object_get(a, "error"), "code"), "pool_full");
	json_decref(a);
	assert_int_equal(verified, 2);
	room_max = SIZE_MAX;
	for (unsigned i = 0; i < 5; i++)
		tx_unref(txs[i]);
	end();
}

static void a_transaction_shows_its_locks_and_its_offence(void **state)
{
	char path[128], hex[QHASH_HEX];
	struct tx *conviction, *move;

	(void)state;
	begin(by_stake_rules, 0);
	conviction = report(0, 2);
	final(tx_ref(conviction));
	move = relock(102, allocation(&cluster->rules, OWN + 1), PAY_AMOUNT, QLOCK_RELEASE, 1);
	final(tx_ref(move));
	snprintf(path, sizeof path, "/v1/transactions/%s",
	         hex_encode(hex, conviction->id.b, sizeof conviction->id.b));
	json_t *t = get(path);
	const json_t *o = json_object_get(t, "offence");
	assert_int_equal(integer(o, "replica"), 2);
	assert_int_equal(integer(o, "height"), 1);
	assert_string_equal(string(o, "kind"), "prepare");
	assert_null(json_object_get(element(t, "outputs", 0), "lock"));
	json_decref(t);
	snprintf(path, sizeof path, "/v1/transactions/%s", hex_encode(hex, move->id.b, sizeof move->id.b));
	t = get(path);
	assert_null(json_object_get(t, "offence"));
	assert_string_equal(string(element(t, "inputs", 0), "lock"), "stake");
	assert_int_equal(integer(element(t, "inputs", 0), "replica"), 1);
	assert_string_equal(string(element(t, "outputs", 0), "lock"), "release");
	json_decref(t);
	tx_unref(conviction);
	tx_unref(move);
	end();
}

/* ---- an edited ledger ------------------------------------------------------------------------------ */

enum asked { ASK_TX, ASK_RECEIPT, ASK_BLOCK, ASK_BLOCKS };

static const struct edited {
	const char *sql;
	enum asked asked;
	const char *says;
} edited[] = {
    /* Only the replica knows: nothing else in the file tells. */
    {"UPDATE outputs SET spent_by = 1 WHERE tx = 1", ASK_TX, "was not spent by"},
    {"UPDATE outputs SET spent_by = NULL WHERE tx = 1", ASK_TX, "is unspent by its row"},
    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 1", ASK_TX, "the row of an output"},
    {"UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE seq = 2) WHERE seq = 1", ASK_TX,
     "transactions(seq=1).raw"},
    {"UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE seq = 2) WHERE seq = 1", ASK_BLOCK,
     "of block 1"},
    {"UPDATE transactions SET raw = CAST(substr(raw, 1, length(raw) - 1) || x'5a' AS BLOB) WHERE seq = 1",
     ASK_TX, "of block 1"},
    {"UPDATE transactions SET raw = CAST(substr(raw, 1, length(raw) - 1) || x'5a' AS BLOB) WHERE seq = 1",
     ASK_RECEIPT, "of block 1"},
    {"UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) || x'5a' AS "
     "BLOB)"
     " WHERE height = 1",
     ASK_BLOCK, "certificates(height=1)"},
    {"UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) || x'5a' AS "
     "BLOB)"
     " WHERE height = 1",
     ASK_RECEIPT, "certificates(height=1)"},
    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 1", ASK_BLOCK, "blocks(height=1).hash"},
    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 1", ASK_BLOCKS, "blocks(height=1).hash"},
    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 1", ASK_RECEIPT, "blocks(height=1).hash"},
};

/* Account 1 pays the first output of the genesis to 9, who pays it on to 10. */
static void ask_edited(const struct edited *e)
{
	char path[200], hex[QHASH_HEX];

	begin(NULL, 0);
	struct tx *first = pay_allocation(&cluster->rules, 0, 9, "");
	struct qoutpoint at = output(first, 0);
	final(tx_ref(first));
	final(pay(&cluster->rules, &(struct payment){.from = 9, .to = 10}, &at, 1));
	hex_encode(hex, first->id.b, sizeof first->id.b);
	switch (e->asked) {
	case ASK_TX:
		snprintf(path, sizeof path, "/v1/transactions/%s", hex);
		break;
	case ASK_RECEIPT:
		snprintf(path, sizeof path, "/v1/receipts/%s", hex);
		break;
	case ASK_BLOCK:
		snprintf(path, sizeof path, "/v1/blocks/1");
		break;
	case ASK_BLOCKS:
		snprintf(path, sizeof path, "/v1/blocks");
		break;
	}
	json_decref(get(path)); /* all is well */
	edit_ledger(e->sql);
	char *answer = ask(path, NULL, 0, 500);
	if (!strstr(answer, "\"code\":\"ledger\"") || !strstr(answer, e->says))
		fail_msg("%s: %s: not \"%s\": %s", e->sql, path, e->says, answer);
	free(answer);
	tx_unref(first);
	end();
}

static void an_edit_is_never_served(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof edited / sizeof *edited; i++)
		ask_edited(&edited[i]);
}

/* ---- metrics
 * ------------------------------------------------------------------------------------------------ */

static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz_", text[i]))
			return false;
	return len > 0;
}

/* One line of the format: a comment on the family that follows, or a sample of the family begun last. */
static void check_line(const char *line, char family[128])
{
	char name[128], type[32];
	double value;
	int at = 0;

	if (sscanf(line, "# HELP %127s %n", name, &at) == 1 && at > 0) {
		assert_true(line[at] != '\0' && is_name(name, strlen(name)));
		strcpy(family, name);
		return;
	}
	if (sscanf(line, "# TYPE %127s %31s", name, type) == 2) {
		assert_string_equal(name, family);
		bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
		if (total || strcmp(type, "histogram") != 0)
			assert_string_equal(type, total ? "counter" : "gauge");
		return;
	}
	size_t len = strcspn(line, "{ "), family_len = strlen(family);
	assert_true(len >= family_len && memcmp(line, family, family_len) == 0);
	snprintf(name, sizeof name, "%.*s", (int)(len - family_len), line + family_len);
	if (*name != '\0') /* of a histogram */
		assert_true(strcmp(name, "_bucket") == 0 || strcmp(name, "_sum") == 0 ||
		            strcmp(name, "_count") == 0);
	if (line[len] == '{') {
		const char *close = strchr(line, '}');
		assert_non_null(close);
		len = (size_t)(close - line) + 1;
	}
	assert_int_equal(sscanf(line + len, " %lf%n", &value, &at), 1);
	assert_int_equal(line[len + (size_t)at], '\0');
}

static char *metrics(void)
{
	char *text = ask("/metrics", NULL, 0, 200), *copy = xstrdup(text), family[128] = "";

	assert_int_equal(text[strlen(text) - 1], '\n');
	for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;)
		if (rest)
			check_line(line, family);
	free(copy);
	return text;
}

static void assert_says(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("\"%s\" is missing in:\n%s", line, text);
}

static void metrics_have_the_form_that_collectors_read(void **state)
{
	(void)state;
	begin(NULL, 0);
	final(pay_allocation(&cluster->rules, 0, 9, ""));
	char *text = metrics();
	assert_says(text, "quorate_height 1");
	assert_says(text, "quorate_view 0");
	assert_says(text, "quorate_view_changes_total 0");
	assert_says(text, "quorate_mempool_transactions 0");
	assert_says(text, "quorate_scrub_passes_total 2");
	assert_says(text, "quorate_scrub_height 3");
	assert_says(text, "quorate_transactions_total 1");
	assert_says(text, "quorate_link_sent_bytes_total 6000");
	assert_says(text, "quorate_proposer 0");
	assert_null(strstr(text, "mining"));
	assert_null(strstr(text, "stake"));
	assert_null(strstr(text, "turns"));
	free(text);
	end();
}

/* Every number that the node counts stands where it belongs. */
static void metrics_tell_what_the_node_counts(void **state)
{
	(void)state;
	begin(NULL, 0);
	numbers = (struct node_numbers){.pool_room = 11, .disk_free = 12, .disk_bytes = 13};
	numbers.agreed.upto[METER_BUCKETS - 1] = 1;
	numbers.agreed.upto[METER_BUCKETS] = 2;
	numbers.agreed.sum_us = 1500000;
	numbers.commit[STORE_VOTES].upto[METER_BUCKETS] = 3;
	numbers.commit[STORE_VOTES].sum_us = 250;
	numbers.lanes[LANE_WANTED] = (struct work_load){4, 5};
	numbers.inbox[1] = (struct work_load){6, 7};
	numbers.refused[OPEN_STRANGER] = 8;
	numbers.faulty[TXS_INVALID] = 9;
	numbers.dropped[3] = 10;
	char *text = metrics();
	assert_says(text, "quorate_mempool_room_transactions 11");
	assert_says(text, "quorate_disk_free_bytes 12");
	assert_says(text, "quorate_disk_size_bytes 13");
	assert_says(text, "quorate_commit_latency_seconds_bucket{le=\"0.0001\"} 0");
	assert_says(text, "quorate_commit_latency_seconds_bucket{le=\"10\"} 1");
	assert_says(text, "quorate_commit_latency_seconds_bucket{le=\"+Inf\"} 2");
	assert_says(text, "quorate_commit_latency_seconds_sum 1.500000");
	assert_says(text, "quorate_commit_latency_seconds_count 2");
	assert_says(text, "quorate_store_commit_seconds_bucket{store=\"votes\",le=\"+Inf\"} 3");
	assert_says(text, "quorate_store_commit_seconds_sum{store=\"votes\"} 0.000250");
	assert_says(text, "quorate_store_commit_seconds_count{store=\"votes\"} 3");
	assert_says(text, "quorate_store_commit_seconds_count{store=\"ledger\"} 0");
	assert_says(text, "quorate_verify_queue_items{lane=\"wanted\"} 4");
	assert_says(text, "quorate_verify_queue_bytes{lane=\"wanted\"} 5");
	assert_says(text, "quorate_inbox_messages{lane=\"bulk\"} 6");
	assert_says(text, "quorate_inbox_bytes{lane=\"bulk\"} 7");
	assert_says(text, "quorate_refused_messages_total{reason=\"stranger\"} 8");
	assert_says(text, "quorate_refused_messages_total{reason=\"bad_transaction\"} 9");
	assert_says(text, "quorate_dropped_messages_total{replica=\"3\"} 10");
	assert_says(text, "quorate_link_refused_connections_total 14");
	numbers = (struct node_numbers){0};
	free(text);
	end();
}

static void metrics_tell_of_mining(void **state)
{
	(void)state;
	begin(with_work, 0);
	mining = (struct node_mining){.rate = 1234567.8, .hashes = 18446744073709551615u};
	char *text = metrics();
	assert_says(text, "quorate_mining_hashes_total 18446744073709551615");
	assert_says(text, "quorate_mining_hash_rate 1234568");
	free(text);
	end();
}

static void metrics_tell_of_stake(void **state)
{
	struct replica_status s;
	char line[64];

	(void)state;
	begin(by_stake_rules, 0);
	final(report(0, 3));
	char *text = metrics();
	assert_says(text, "quorate_stake_amount{replica=\"1\",kind=\"own\"} 1000000");
	assert_says(text, "quorate_stake_amount{replica=\"1\",kind=\"delegated\"} 2000000");
	assert_says(text, "quorate_stake_amount{replica=\"3\",kind=\"own\"} 0");
	s = cluster_status(cluster, SELF);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(line, sizeof line, "quorate_turns{replica=\"%u\"} %u", i, s.turns.in_cycle[i]);
		assert_says(text, line);
	}
	snprintf(line, sizeof line, "quorate_proposer %u", s.engine.proposer);
	assert_says(text, line);
	free(text);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(status_names_the_primary_where_nothing_else_is_asked),
	    cmocka_unit_test(status_tells_whose_turn_it_is),
	    cmocka_unit_test(status_tells_what_mining_takes),
	    cmocka_unit_test(blocks_show_their_seals),
	    cmocka_unit_test(stakes_tell_who_stands_behind_whom_and_who_was_convicted),
	    cmocka_unit_test(what_is_staked_now_is_not_read_row_by_row),
	    cmocka_unit_test(next_epochs_turns_are_known_in_time),
	    cmocka_unit_test(a_blocks_ids_come_as_text_or_as_they_are),
	    cmocka_unit_test(addresses_tell_what_is_free_and_what_is_locked),
	    cmocka_unit_test(an_edited_row_changes_nothing_of_what_an_address_holds),
	    cmocka_unit_test(an_address_is_read_page_by_page),
	    cmocka_unit_test(refusals_tell_until_when_and_how_much),
	    cmocka_unit_test(a_brief_answer_lists_what_is_neither_accepted_nor_known),
	    cmocka_unit_test(what_the_pool_has_no_room_for_is_not_verified),
	    cmocka_unit_test(a_transaction_shows_its_locks_and_its_offence),
	    cmocka_unit_test(an_edit_is_never_served),
	    cmocka_unit_test(metrics_have_the_form_that_collectors_read),
	    cmocka_unit_test(metrics_tell_what_the_node_counts),
	    cmocka_unit_test(metrics_tell_of_mining),
	    cmocka_unit_test(metrics_tell_of_stake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
