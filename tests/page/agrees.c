/*
 * agrees.c: the page's verdict on thousands of receipts and genesis files, true ones and spoilt ones, is that
 * of receipt_parse(), receipt_verify() and genesis_parse(), and so are its words.
 *
 * Whatever is spoilt is made consistent again as far as a liar could: a changed transaction gets its Merkle
 * root, a changed header its successors and its certificate, a changed text its canonical form.  So each
 * check is the one that has to refuse.
 */
#include "browser.h"
#include "merkle.h"
#include "receipt.h"
#include "receipt_file.h"
#include "seals.h"
#include "secp.h"

#include <sodium.h>

/* ---- the two that are compared ------------------------------------------------------- */

static struct browser *browser;

/* What the test says in the page. */
#define JUDGE                                                                                        \
	"var bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));"           \
	"var said = (f) => { try { return f(); } catch (e) {"                                        \
	"  if (!(e instanceof Refused)) throw e; return e.message; } };"                             \
	"var known = {}, valid = {}, keyValid = ed25519KeyValid;"                                    \
	"ed25519KeyValid = (key) => valid[key] = valid[key] ?? keyValid(key);" /* same few keys */   \
	"var judgeGenesis = (file) => said(() => `chain ${hexOf(genesisOf(bytesOf(file)).chain)}`);" \
	"var judgeReceipt = ([genesis, file]) => said(() => {"                                       \
	"  known[genesis] = known[genesis] ?? genesisOf(bytesOf(genesis));"                          \
	"  const r = receiptOf(bytesOf(file));"                                                      \
	"  for (const step of verification(known[genesis], r)) ;"                                    \
	"  return `${hexOf(r.tx.id)} is final at ${r.headers[0].height}`; });"

/* Cases that are on their way: what the page is asked, what we say, and what it is about. */
static struct {
	json_t *inputs, *wanted, *names;
	const char *function;
	size_t bytes;
	unsigned agreed, final; /* of this test */
} batch;

/* What a JSON parser says of a text that is no JSON is its own; that it says so is not. */
static bool same_words(const char *ours, const char *its)
{
	static const char *const syntax[] = {"line ", "this is no receipt: line ", "the document is empty",
	                                     "this is no receipt: the document is empty"};
	bool ours_is = false, its_is = false;

	for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++) {
		ours_is = ours_is || strncmp(ours, syntax[i], strlen(syntax[i])) == 0;
		its_is = its_is || strncmp(its, syntax[i], strlen(syntax[i])) == 0;
	}
	return ours_is ? its_is : strcmp(ours, its) == 0;
}

static void flush(void)
{
	if (json_array_size(batch.inputs) == 0)
		return;
	char *list = json_dumps(batch.inputs, JSON_COMPACT), *expression;
	assert_true(asprintf(&expression, "%s.map(%s)", list, batch.function) > 0);
	json_t *answers = browser_value(browser, expression), *want;
	size_t i;
	json_array_foreach(batch.wanted, i, want)
	{
		const char *ours = json_string_value(want),
		           *its = json_string_value(json_array_get(answers, i));
		if (!its || !same_words(ours, its))
			fail_msg("%s: we say \"%s\", the page says \"%s\"",
			         json_string_value(json_array_get(batch.names, i)), ours,
			         its ? its : "nothing");
		batch.agreed++;
		batch.final += strstr(ours, " is final at ") || strncmp(ours, "chain ", 6) == 0;
	}
	json_decref(answers);
	free(expression);
	free(list);
	json_array_clear(batch.inputs);
	json_array_clear(batch.wanted);
	json_array_clear(batch.names);
	batch.bytes = 0;
}

static json_t *base64(const char *data, size_t len)
{
	size_t cap = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
	char *text = xcalloc(cap, 1);
	json_t *json = json_string(
	    sodium_bin2base64(text, cap, (const uint8_t *)data, len, sodium_base64_VARIANT_ORIGINAL));

	free(text);
	batch.bytes += cap;
	return json;
}

static void ask(const char *function, const char *name, json_t *input, const char *wanted)
{
	if (batch.function != function)
		flush();
	batch.function = function;
	json_array_append_new(batch.inputs, input);
	/* Our own words quote what may be no text. */
	json_array_append_new(batch.wanted, json_string(wanted));
	json_array_append_new(batch.names, json_string(name));
	assert_int_equal(json_array_size(batch.inputs), json_array_size(batch.wanted));
	if (batch.bytes > 1 << 20)
		flush();
}

static void judge_genesis(const char *name, const char *text, size_t len)
{
	struct err err = {0};
	struct genesis *g = genesis_parse(text, len, &err);
	char chain[6 + QHASH_HEX] = "chain ";

	if (g)
		hex_encode(chain + 6, g->chain.b, 32);
	ask("judgeGenesis", name, base64(text, len), g ? chain : err.text);
	genesis_free(g);
}

/* A chain and its file. */
struct world {
	struct rules r;
	char *file;
};

static void judge_text(const struct world *w, const char *name, const char *text, size_t len)
{
	struct qreceipt r;
	struct err err = {0};
	struct qtxid id;
	struct qheight height;
	char words[sizeof err.text], hex[QHASH_HEX];

	if (receipt_parse(text, len, &r, &err)) {
		if (receipt_verify(&w->r.g, &r, &id, &height, &err))
			snprintf(words, sizeof words, "%s is final at %llu", hex_encode(hex, id.b, 32),
			         (unsigned long long)height.n);
		wire_free(WIRE(qreceipt), &r);
	}
	json_t *genesis = base64(w->file, strlen(w->file));
	ask("judgeReceipt", name, json_pack("[o, o]", genesis, base64(text, len)),
	    err.kind == ERR_NONE ? words : err.text);
}

static json_t *hex_of(const void *data, size_t len)
{
	char *text = xcalloc(2 * len + 1, 1);
	json_t *json = json_string(hex_encode(text, data, len));

	free(text);
	return json;
}

static json_t *encoded(struct wire_type type, const void *value)
{
	struct bytes raw = rules_encode(type, value);
	json_t *json = hex_of(raw.data, raw.len);

	bytes_free(&raw);
	return json;
}

static void judge_json(const struct world *w, const char *name, const json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2)), *line;

	assert_true(asprintf(&line, "%s\n", text) > 0);
	judge_text(w, name, line, strlen(line));
	free(line);
	free(text);
}

/* The file of any receipt, also of those that receipt_format() has no words for: they keep the words of
 * `model`. */
static json_t *file_of(const struct qreceipt *r, const json_t *model)
{
	char *text = receipt_format(r, NULL);
	json_t *json = text ? json_loads(text, 0, NULL) : json_deep_copy(model), *headers = json_array(),
	       *path = json_array();

	for (u_int i = 0; i < r->path.path_len; i++)
		json_array_append_new(path, hex_of(r->path.path_val[i].b, 32));
	for (u_int i = 0; i < r->headers.headers_len; i++)
		json_array_append_new(headers, encoded(WIRE(qheader), &r->headers.headers_val[i]));
	json_object_set_new(json, "chain", hex_of(r->chain.b, 32));
	json_object_set_new(json, "transaction", hex_of(r->tx.qtx_bytes_val, r->tx.qtx_bytes_len));
	json_object_set_new(json, "index", json_integer(r->index));
	json_object_set_new(json, "path", path);
	json_object_set_new(json, "headers", headers);
	json_object_set_new(json, "certificate", encoded(WIRE(qcert), &r->cert));
	free(text);
	return json;
}

static void judge(const struct world *w, const char *name, const struct qreceipt *r, const json_t *model)
{
	json_t *json = file_of(r, model);

	judge_json(w, name, json);
	json_decref(json);
}

/* ---- chains --------------------------------------------------------------------------- */

static struct world four, six, seven, one, sealed, swift, fixed, staked, stranger;
static struct world *const worlds[] = {&four, &six, &seven, &one, &sealed, &swift, &fixed, &staked};
#define WORLDS (sizeof worlds / sizeof *worlds)

static void file(struct world *w)
{
	w->file = genesis_format(&w->r.g);
}

static int setup(void **state)
{
	(void)state;
	struct err err = {0};

	rules_setup(&four.r, 4, "four");
	rules_setup(&six.r, 6, "six"); /* a quorum is more than 2f + 1 */
	rules_setup(&seven.r, 7, "seven replicas");
	rules_setup(&one.r, 1, "one");
	rules_setup(&stranger.r, 4, "stranger");
	seals_setup(&sealed.r, 4, "sealed", 4, 9, 1000);
	seals_setup(&swift.r, 4, "swift", 4, 5, 100000); /* as hard as it gets, within 25 blocks */
	seals_setup(&fixed.r, 4, "fixed", 6, 6, 0);
	rules_setup(&staked.r, 4, "staked");
	rules_by_stake(&staked.r.g.g);
	staked.r.g.g.allocations.allocations_val[1].lock = (struct qlock){QLOCK_STAKE, {.replica = 2}};
	staked.r.g.g.format = GENESIS_SUCCESSOR;
	staked.r.g.parent = (struct qparent){rules_hash(1), {17}, rules_hash(2), rules_hash(3)};
	if (!genesis_finish(&staked.r.g, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < WORLDS; i++)
		file(worlds[i]);
	file(&stranger);
	if (!browser_there())
		return 0;
	browser = browser_open();
	browser_goto(browser, "file://" PAGE);
	json_decref(browser_value(browser, JUDGE));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (browser)
		browser_close(browser);
	for (size_t i = 0; i < WORLDS; i++) {
		rules_teardown(&worlds[i]->r);
		free(worlds[i]->file);
	}
	rules_teardown(&stranger.r);
	free(stranger.file);
	json_decref(batch.inputs);
	json_decref(batch.wanted);
	json_decref(batch.names);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	json_decref(batch.inputs);
	json_decref(batch.wanted);
	json_decref(batch.names);
	memset(&batch, 0, sizeof batch);
	batch.inputs = json_array();
	batch.wanted = json_array();
	batch.names = json_array();
	return 0;
}

/* How many the page must have agreed on, at least, and how many of them were good ones. */
static void end(unsigned agreed, unsigned final)
{
	flush();
	printf("      %u verdicts agree, %u of them good\n", batch.agreed, batch.final);
	assert_true(batch.agreed >= agreed);
	assert_true(batch.final >= final);
}

/* ---- transactions --------------------------------------------------------------------------- */

struct shape {
	unsigned witnesses, inputs, outputs, memo;
	bool locks, offence;
	void (*spoil)(struct qoffence *); /* before it is signed; NULL: not */
};

/* Signed by all who have to, as tx_make() makes it; what it spends is for others to know. */
static struct bytes make_tx(const struct world *w, struct shape s)
{
	struct qoutpoint inputs[64];
	struct qoutput outputs[512];
	struct account *owners[64];
	struct qoffence offence = rules_offence(&w->r, 2 % w->r.g.n, 9, 0x40);
	if (s.spoil)
		s.spoil(&offence);
	unsigned char memo[Q_MEMO_MAX];
	struct err err = {0};

	for (unsigned i = 0; i < s.inputs; i++)
		inputs[i] = (struct qoutpoint){{{[0] = (uint8_t)i, [31] = 7}}, i};
	for (unsigned i = 0; i < s.outputs; i++) {
		outputs[i] = (struct qoutput){rules_address((uint8_t)(1 + i % 250)), 1000 + i};
		if (s.locks) {
			outputs[i].lock.kind = (enum qlock_kind)(i % 4);
			outputs[i].lock.qlock_u.replica = i % 4 == 0 ? 0 : i;
		}
	}
	for (unsigned i = 0; i < s.witnesses; i++)
		owners[i] = rules_account((uint8_t)(i + 1));
	for (unsigned i = 0; i < s.memo; i++)
		memo[i] = (uint8_t)(i + 'a');
	struct qtx_body body = {.inputs = {s.inputs, inputs},
	                        .outputs = {s.outputs, outputs},
	                        .memo = {s.memo, memo},
	                        .expiry = {s.memo},
	                        .offence = {s.offence, &offence}};
	struct tx *tx =
	    tx_make(&w->r.g.chain, &body, (const struct account *const *)owners, s.witnesses, &err);
	if (!tx)
		fail_msg("%s", err.text);
	struct bytes raw = {xmemdup(tx->raw, tx->raw_len), tx->raw_len};
	tx_unref(tx);
	for (unsigned i = 0; i < s.witnesses; i++)
		account_free(owners[i]);
	return raw;
}

static const struct shape plain = {1, 1, 2, 5, false, false, NULL};

/* ---- receipts ---------------------------------------------------------------------------------- */

/* How a receipt is made; zero is the plain way. */
struct recipe {
	const struct bytes *tx; /* NULL: a plain one */
	unsigned tx_cnt, index; /* of the block; 0 of 1 */
	uint64_t height;        /* 0: 5 */
	unsigned headers;       /* 0: 1 */
	enum qkind kind;        /* 0: QCOMMIT */
	uint64_t signers;       /* mask; 0: a quorum */
	int spoilt;             /* 1 + the header in which a bit is flipped; the others fit to it */
	size_t bit;
	bool mine_again; /* it, after that */
	uint64_t view;
};

/* Times as if mining took now short, now long. */
static uint64_t time_at(uint64_t height)
{
	return 1700000000000 + 700 * height + height * height % 7 * 900;
}

/* False: not a header any more. */
static bool spoil_header(const struct recipe *how, struct qheader *h)
{
	struct bytes raw = rules_encode(WIRE(qheader), h);
	struct qheader other;

	rules_flip(&raw, how->bit % (8 * raw.len));
	bool ok = wire_decode(WIRE(qheader), raw.data, raw.len, &other);
	bytes_free(&raw);
	if (!ok)
		return false;
	*h = other;
	if (how->mine_again && h->seal.kind == QSEAL_POW && h->seal.qseal_u.pow.target.b[0] > 0)
		seals_mine(h, true);
	return true;
}

static void certify(const struct world *w, const struct recipe *how, const struct qheader *last,
                    struct qreceipt *r)
{
	enum qkind kind = how->kind ? how->kind : QCOMMIT;
	struct qvote vote = {.height = last->height};

	block_hash(last, &vote.block);
	if (kind == QCHECKPOINT)
		vote.state = rules_hash(3);
	else
		vote.view.n = how->view;
	r->cert = rules_cert(&w->r, kind, &vote, how->signers ? how->signers : rules_quorum_mask(&w->r));
}

/* All headers from the genesis, so that seals follow from each other; the receipt holds the last ones. False:
 * the spoilt header is none. */
static bool make_headers(const struct world *w, const struct recipe *how, struct qhash root,
                         struct qreceipt *r)
{
	uint64_t first = how->height ? how->height : 5;
	struct qhash below = w->r.g.chain;
	struct seal_parent seal;

	seal_genesis(&w->r.g, &seal);
	r->headers.headers_len = how->headers ? how->headers : 1;
	r->headers.headers_val = xcalloc(r->headers.headers_len, sizeof(struct qheader));
	for (uint64_t height = first > 40 ? first : 1; height < first + r->headers.headers_len; height++) {
		bool is_first = height == first;
		struct qheader h = rules_header(height, below, is_first ? root : rules_hash(7),
		                                is_first && how->tx_cnt ? how->tx_cnt : 1);
		h.time_ms = time_at(height);
		seals_put(&w->r, &seal, &h);
		if (how->spoilt > 0 && height == first + (unsigned)how->spoilt - 1 && !spoil_header(how, &h))
			return false;
		seal_extend(&seal, &h);
		block_hash(&h, &below);
		if (height >= first)
			r->headers.headers_val[height - first] = h;
	}
	return true;
}

/* wire_free() it; without headers: it could not be made. */
static struct qreceipt make(const struct world *w, const struct recipe *how)
{
	struct bytes raw = how->tx ? *how->tx : make_tx(w, plain);
	struct qreceipt r = {.chain = w->r.g.chain, .index = how->index};
	unsigned cnt = how->tx_cnt ? how->tx_cnt : 1;
	struct qhash leaves[16], root;

	for (unsigned i = 0; i < cnt; i++)
		leaves[i] = rules_hash((uint8_t)(100 + i));
	merkle_leaf(raw.data, raw.len, &leaves[how->index]);
	r.tx.qtx_bytes_len = (u_int)raw.len;
	r.tx.qtx_bytes_val = xmemdup(raw.data, raw.len);
	r.path.path_val = xcalloc(MERKLE_PATH_MAX, sizeof *r.path.path_val);
	r.path.path_len = (u_int)merkle_path(leaves, cnt, how->index, r.path.path_val);
	merkle_root(leaves, cnt, &root);
	if (make_headers(w, how, root, &r))
		certify(w, how, &r.headers.headers_val[r.headers.headers_len - 1], &r);
	else
		wire_free(WIRE(qreceipt), &r);
	if (!how->tx)
		bytes_free(&raw);
	return r;
}

static void judge_made(const struct world *w, const char *name, const struct recipe *how, const json_t *model)
{
	struct qreceipt r = make(w, how);

	if (r.headers.headers_len > 0)
		judge(w, name, &r, model);
	wire_free(WIRE(qreceipt), &r);
}

/* The file of a plain receipt of this chain. */
static json_t *model_of(const struct world *w, const struct recipe *how)
{
	struct qreceipt r = make(w, how);
	json_t *json = file_of(&r, NULL);

	wire_free(WIRE(qreceipt), &r);
	return json;
}

/* ---- true ones ------------------------------------------------------------------------------------ */

static void what_is_true_is_true_to_both(void **state)
{
	(void)state;
	if (!browser)
		skip();
	static const struct shape shapes[] = {{1, 1, 1, 0, false, false},
	                                      {3, 5, 4, 13, true, false},
	                                      {20, 20, 3, 256, true, true},
	                                      {1, 64, 1, 0, false, true},
	                                      {2, 2, 300, 255, true, false}};
	for (size_t i = 0; i < WORLDS; i++) {
		const struct world *w = worlds[i];
		for (unsigned k = 0; k < 5; k++) {
			struct bytes tx = make_tx(w, shapes[k]);
			judge_made(w, "a shape", &(struct recipe){.tx = &tx}, NULL);
			bytes_free(&tx);
		}
		for (unsigned cnt = 1; cnt <= 9; cnt += cnt < 5 ? 1 : 4)
			for (unsigned index = 0; index < cnt; index++)
				judge_made(w, "a place",
				           &(struct recipe){.tx_cnt = cnt,
				                            .index = index,
				                            .kind = index % 2 ? QCHECKPOINT : QCOMMIT,
				                            .view = index,
				                            .headers = 1 + index % 3},
				           NULL);
		for (uint64_t height = 1; height < 12; height += 2)
			for (unsigned headers = 1; headers <= 25; headers += 8)
				judge_made(w, "headers",
				           &(struct recipe){.height = height, .headers = headers}, NULL);
		judge_made(w, "all signers", &(struct recipe){.signers = ~0ULL}, NULL);
	}
	judge_made(&four, "a long way up", &(struct recipe){.headers = Q_CHAIN_MAX}, NULL);
	judge_made(&four, "a great height", &(struct recipe){.height = (1ULL << 62) - 3, .headers = 4}, NULL);
	end(380, 380);
}

/* ---- spoilt ones ------------------------------------------------------------------------------------ */

/* Every so-manieth bit, each time others. */
static size_t step = 13;

static size_t first_bit(void)
{
	static size_t turn;

	return turn++ % step;
}

static void a_bit_of_the_proof(const struct world *w, const struct recipe *how)
{
	struct qreceipt r = make(w, how), other;
	struct bytes raw = rules_encode(WIRE(qreceipt), &r);
	json_t *model = file_of(&r, NULL);
	char name[64];

	for (size_t bit = first_bit(); bit < 8 * raw.len; bit += step) {
		rules_flip(&raw, bit);
		if (wire_decode(WIRE(qreceipt), raw.data, raw.len, &other)) {
			snprintf(name, sizeof name, "%s: bit %zu of the proof", w->r.g.g.name, bit);
			json_t *json = file_of(&other, model);
			judge_json(w, name, json);
			json_decref(json);
			wire_free(WIRE(qreceipt), &other);
		}
		rules_flip(&raw, bit);
	}
	json_decref(model);
	bytes_free(&raw);
	wire_free(WIRE(qreceipt), &r);
}

static void whatever_bit_of_the_proof_is_turned(void **state)
{
	(void)state;
	if (!browser)
		skip();
	a_bit_of_the_proof(&four, &(struct recipe){.tx_cnt = 3, .index = 1, .headers = 2});
	a_bit_of_the_proof(&seven, &(struct recipe){.kind = QCHECKPOINT});
	a_bit_of_the_proof(&one, &(struct recipe){.tx_cnt = 2});
	a_bit_of_the_proof(&sealed, &(struct recipe){.headers = 3});
	end(1800, 0);
}

/* The block lists it, and a quorum has signed the block. */
static void a_bit_of_the_transaction(const struct world *w, struct shape shape)
{
	struct bytes tx = make_tx(w, shape);
	json_t *model = model_of(w, &(struct recipe){.tx = &tx});
	char name[64];

	for (size_t bit = first_bit(); bit < 8 * tx.len; bit += step) {
		rules_flip(&tx, bit);
		snprintf(name, sizeof name, "%s: bit %zu of a transaction in its block", w->r.g.g.name, bit);
		judge_made(w, name, &(struct recipe){.tx = &tx}, model);
		rules_flip(&tx, bit);
	}
	for (size_t cut = 0; cut < 12; cut++) { /* shorter and, with what lies behind it in memory, longer */
		struct bytes other = {xcalloc(tx.len + 8, 1), tx.len + 4 - cut};
		memcpy(other.data, tx.data, tx.len);
		judge_made(w, "a transaction of another length", &(struct recipe){.tx = &other}, model);
		bytes_free(&other);
	}
	json_decref(model);
	bytes_free(&tx);
}

static void whatever_bit_of_a_certified_transaction_is_turned(void **state)
{
	(void)state;
	if (!browser)
		skip();
	a_bit_of_the_transaction(&four, plain);
	a_bit_of_the_transaction(&four, (struct shape){3, 3, 4, 3, true, false});
	a_bit_of_the_transaction(&staked, (struct shape){2, 2, 2, 0, true, true});
	end(900, 3);
}

/* The first bytes of targets: too easy, too hard, or another than the one that is due. */
static void whatever_target_a_certified_header_has(void **state)
{
	(void)state;
	if (!browser)
		skip();
	const struct world *const mined[] = {&sealed, &swift, &fixed};
	const size_t target =
	    wire_size(WIRE(qheader), &(struct qheader){0}); /* it follows what an unsealed one has */
	char name[64];

	for (size_t i = 0; i < 6; i++)
		for (int h = 1; h <= 4; h++)
			for (size_t bit = 8 * target; bit < 8 * (target + 2); bit++) {
				const struct world *w = mined[i / 2];
				const struct recipe how = {
				    .height = i % 2 ? 1 : 5, /* where the first target is known */
				    .headers = 4,
				    .spoilt = h,
				    .bit = bit,
				    .mine_again = true};
				snprintf(name, sizeof name, "%s: bit %zu of header %d", w->r.g.g.name, bit,
				         h - 1);
				judge_made(w, name, &how, NULL);
			}
	end(380, 5);
}

/* What follows it fits to it again, and a quorum has signed. */
static void whatever_bit_of_a_certified_header_is_turned(void **state)
{
	(void)state;
	if (!browser)
		skip();
	struct qheader longest = {.seal.kind = QSEAL_POW};
	size_t bytes = wire_size(WIRE(qheader), &longest);
	char name[64];

	for (size_t i = 0; i < WORLDS; i++) {
		const struct world *w = worlds[i];
		json_t *model = model_of(w, &(struct recipe){0});
		step = w == &sealed ? 11 : 23;
		for (int h = 1; h <= 4; h++)
			for (size_t bit = first_bit(); bit < 8 * bytes; bit += step) {
				snprintf(name, sizeof name, "%s: bit %zu of header %d", w->r.g.g.name, bit,
				         h - 1);
				judge_made(w, name,
				           &(struct recipe){
				               .headers = 4, .spoilt = h, .bit = bit, .mine_again = bit % 2},
				           model);
			}
		json_decref(model);
	}
	step = 13;
	end(1200, 300);
}

/* ---- votes and certificates ---------------------------------------------------------------------------- */

static void certificates_of_every_kind_and_shape(void **state)
{
	(void)state;
	if (!browser)
		skip();
	for (size_t i = 0; i < WORLDS; i++) {
		const struct world *w = worlds[i];
		const uint64_t all = w->r.g.n == 64 ? ~0ULL : (1ULL << w->r.g.n) - 1;
		for (uint64_t mask = 1; mask <= all; mask++)
			judge_made(w, "signers", &(struct recipe){.signers = mask}, NULL);
		for (int kind = -1; kind < 9; kind++) {
			struct qreceipt r = make(w, &(struct recipe){0});
			r.cert.kind = (enum qkind)kind; /* its signatures are of COMMITs */
			judge(w, "kind", &r, NULL);
			r.cert.vote.view.n = 0;
			r.cert.vote.state = rules_hash(0);
			judge(w, "kind, view 0", &r, NULL);
			r.cert.vote.state = rules_hash(1);
			judge(w, "kind, with a state", &r, NULL);
			wire_free(WIRE(qreceipt), &r);
		}
		for (unsigned k = 0; k < 8; k++) {
			struct qreceipt r =
			    make(w, &(struct recipe){.signers = all, .view = k % 2 ? 1ULL << 62 : 0});
			struct qcert_sig *s = r.cert.sigs.sigs_val;
			u_int last = r.cert.sigs.sigs_len - 1;
			struct qcert_sig swap = s[0];
			if (k == 0)
				s[0] = s[last], s[last] = swap;
			else if (k == 1)
				s[last] = s[0];
			else if (k == 2)
				s[last].replica = w->r.g.n;
			else if (k == 3)
				s[last].replica = UINT32_MAX;
			else if (k == 4)
				s[0].sig = s[last].sig;
			else if (k == 5)
				r.cert.vote.view.n = (1ULL << 62) + 1;
			else if (k == 6) {
				r.cert.sigs.sigs_len = w->r.g.n + 1;
				s[last + 1] = s[last];
			}
			judge(w, "signers that are no quorum in order", &r, NULL);
			wire_free(WIRE(qreceipt), &r);
		}
		struct qreceipt r = make(w, &(struct recipe){0});
		judge(&stranger, "another chain", &r, NULL);
		r.chain = stranger.r.g.chain;
		judge(&stranger, "relabelled", &r, NULL);
		judge(w, "relabelled, at home", &r, NULL);
		wire_free(WIRE(qreceipt), &r);
		judge_made(w, "PREPAREs", &(struct recipe){.kind = QPREPARE}, NULL);
	}
	end(440, 60);
}

/* Changes to a transaction of three inputs, outputs and witnesses with an offence: each breaks one rule. */
static void no_inputs(struct qtx *q)
{
	q->body.inputs.inputs_len = 0;
}
static void no_outputs(struct qtx *q)
{
	q->body.outputs.outputs_len = 0;
}
static void no_witness(struct qtx *q)
{
	q->witnesses.witnesses_len = 0;
}
static void more_witnesses_than_inputs(struct qtx *q)
{
	q->body.inputs.inputs_len = 2;
}
static void amount_of_nothing(struct qtx *q)
{
	q->body.outputs.outputs_val[1].amount = 0;
}
static void amount_beyond(struct qtx *q)
{
	q->body.outputs.outputs_val[2].amount = (uint64_t)INT64_MAX + 1;
}
static void sum_beyond(struct qtx *q)
{
	q->body.outputs.outputs_val[0].amount = INT64_MAX;
}
static void sum_around(struct qtx *q)
{
	q->body.outputs.outputs_val[0].amount = UINT64_MAX;
}
static void same_input(struct qtx *q)
{
	q->body.inputs.inputs_val[2] = q->body.inputs.inputs_val[0];
}
static void same_but_for_the_index(struct qtx *q)
{
	q->body.inputs.inputs_val[2].tx = q->body.inputs.inputs_val[0].tx;
}
static void witness_twice(struct qtx *q)
{
	q->witnesses.witnesses_val[1] = q->witnesses.witnesses_val[0];
}
static void witnesses_swapped(struct qtx *q)
{
	struct qwitness swap = q->witnesses.witnesses_val[1];
	q->witnesses.witnesses_val[1] = q->witnesses.witnesses_val[2];
	q->witnesses.witnesses_val[2] = swap;
}
static void nothing_contradicts(struct qtx *q)
{
	q->body.offence.offence_val->second = q->body.offence.offence_val->first;
}
static void other_heights(struct qtx *q)
{
	q->body.offence.offence_val->second.height.n++;
}
static void other_views(struct qtx *q)
{
	q->body.offence.offence_val->second.view.n++;
}
static void state_in_a_prepare(struct qtx *q)
{
	q->body.offence.offence_val->second.state.b[9] = 1;
}
static void checkpoints_of_one_block(struct qtx *q)
{
	struct qoffence *o = q->body.offence.offence_val;
	o->kind = QCHECKPOINT;
	o->second.block = o->first.block;
	o->second.state.b[9] = 1;
}
static void checkpoints_with_a_view(struct qtx *q)
{
	struct qoffence *o = q->body.offence.offence_val;
	o->kind = QCHECKPOINT;
	o->first.view.n = o->second.view.n = 1;
}

static void transactions_against_every_rule(void **state)
{
	(void)state;
	if (!browser)
		skip();
	void (*const breaks[])(struct qtx *) = {no_inputs,
	                                        no_outputs,
	                                        no_witness,
	                                        more_witnesses_than_inputs,
	                                        amount_of_nothing,
	                                        amount_beyond,
	                                        sum_beyond,
	                                        sum_around,
	                                        same_input,
	                                        same_but_for_the_index,
	                                        witness_twice,
	                                        witnesses_swapped,
	                                        nothing_contradicts,
	                                        other_heights,
	                                        other_views,
	                                        state_in_a_prepare,
	                                        checkpoints_of_one_block,
	                                        checkpoints_with_a_view};
	struct bytes tx = make_tx(&four, (struct shape){3, 3, 3, 4, true, true, NULL});
	json_t *model = model_of(&four, &(struct recipe){.tx = &tx});

	for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
		struct qtx q, copy;
		assert_true(wire_decode(WIRE(qtx), tx.data, tx.len, &q));
		copy = q; /* what is cut off a list is freed nevertheless */
		breaks[i](&copy);
		struct bytes raw = rules_encode(WIRE(qtx), &copy);
		judge_made(&four, "a rule", &(struct recipe){.tx = &raw}, model);
		bytes_free(&raw);
		wire_free(WIRE(qtx), &q);
	}
	/* Lists beyond their bounds, with bytes for all of it. */
	static const size_t counts[] = {0, 4 + 3 * 36};
	for (size_t i = 0; i < 2; i++)
		for (unsigned cnt = 1023; cnt < 1027; cnt++) {
			struct bytes raw = {xcalloc(1 << 16, 1), 1 << 16};
			memcpy(raw.data, tx.data, tx.len);
			raw.data[counts[i] + 2] = (uint8_t)(cnt >> 8);
			raw.data[counts[i] + 3] = (uint8_t)cnt;
			judge_made(&four, "a long list", &(struct recipe){.tx = &raw}, model);
			bytes_free(&raw);
		}
	json_decref(model);
	bytes_free(&tx);
	end(26, 0);
}

static void spoil_first(struct qoffence *o)
{
	o->first_sig.b[7] ^= 1;
}
static void spoil_second(struct qoffence *o)
{
	o->second_sig.b[63] ^= 1;
}
static void spoil_replica(struct qoffence *o)
{
	o->replica ^= 1;
}
static void spoil_range(struct qoffence *o)
{
	o->replica = UINT32_MAX;
}
static void spoil_kind(struct qoffence *o)
{
	o->kind = QCOMMIT;
}

/* The owners have signed a transaction that accuses somebody of what he did not sign. */
static void accusations_that_do_not_hold(void **state)
{
	(void)state;
	if (!browser)
		skip();
	void (*const spoils[])(struct qoffence *) = {NULL,          spoil_first, spoil_second,
	                                             spoil_replica, spoil_range, spoil_kind};
	for (size_t i = 0; i < WORLDS; i++)
		for (size_t k = 0; k < sizeof spoils / sizeof *spoils; k++) {
			struct bytes tx =
			    make_tx(worlds[i], (struct shape){1, 1, 1, 0, false, true, spoils[k]});
			judge_made(worlds[i], "an accusation", &(struct recipe){.tx = &tx}, NULL);
			bytes_free(&tx);
		}
	end(42, 7);
}

/* Signatures of accounts that libsecp256k1 knows in another form. */
static void signatures_in_other_forms(void **state)
{
	(void)state;
	if (!browser)
		skip();
	struct bytes tx = make_tx(&four, plain);
	uint8_t *sig = tx.data + tx.len - 64, *key = sig - 36; /* 33 bytes, padded */
	json_t *model = model_of(&four, &(struct recipe){.tx = &tx});
	struct recipe how = {.tx = &tx};
	uint8_t saved[64];

	memcpy(saved, sig, 64);
	assert_true(secp256k1_ec_seckey_negate(secp_context(), sig + 32));
	judge_made(&four, "high s", &how, model);
	for (int half = 0; half < 64; half += 32) {
		memcpy(sig, saved, 64);
		memset(sig + half, 0, 32);
		judge_made(&four, "zero", &how, model);
		memset(sig + half, 0xff, 32);
		judge_made(&four, "beyond the order", &how, model);
	}
	memcpy(sig, saved, 64);
	key[0] ^= 1;
	judge_made(&four, "wrong parity", &how, model);
	key[0] = 4;
	judge_made(&four, "not compressed", &how, model);
	key[33] = 1;
	judge_made(&four, "padding", &how, model);
	json_decref(model);
	bytes_free(&tx);
	end(8, 0);
}

/* ---- paths --------------------------------------------------------------------------------------------- */

static void paths_of_every_length_and_place(void **state)
{
	(void)state;
	if (!browser)
		skip();
	for (unsigned cnt = 1; cnt <= 9; cnt++)
		for (unsigned index = 0; index <= cnt; index++) {
			struct qreceipt r = make(&four, &(struct recipe){.tx_cnt = cnt, .index = cnt / 2});
			u_int len = r.path.path_len;
			r.index = index;
			judge(&four, "index", &r, NULL);
			r.index = cnt / 2;
			for (u_int l = 0; l <= 32; l += l < len + 2 ? 1 : 9) {
				r.path.path_len = l;
				judge(&four, "length", &r, NULL);
			}
			r.path.path_len = len;
			for (u_int i = 0; i + 1 < len; i++) {
				struct qhash swap = r.path.path_val[i];
				r.path.path_val[i] = r.path.path_val[i + 1];
				r.path.path_val[i + 1] = swap;
				judge(&four, "order", &r, NULL);
			}
			r.index = UINT32_MAX;
			judge(&four, "the last index", &r, NULL);
			wire_free(WIRE(qreceipt), &r);
		}
	end(650, 60);
}

/* ---- texts ----------------------------------------------------------------------------------------------
 */

/* Values that no member should take, for any member that is there. */
static const char *const values[] = {
    "null",
    "true",
    "0",
    "1",
    "-1",
    "-0",
    "1.0",
    "1e0",
    "1e999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "\"\"",
    "\"0\"",
    "\"zz\"",
    "\"0G\"",
    "\"AB\"",
    "\"ab\"",
    "\"\\u0061b\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"tab\\t\"",
    "\"1\"",
    "\"01\"",
    "\"9223372036854775808\"",
    "[]",
    "[[]]",
    "[0]",
    "[\"\"]",
    "[\"ab\"]",
    "{}",
    "{\"a\": 1}",
    "\"quorate receipt 2\"",
    "\"tcp://h:1\"",
    "\"tcp://h:65536\"",
    "\"tls+tcp://h:1\"",
    "\"tls+tcp://h:0\"",
    "\"tls+tls+tcp://h:1\"",
    "\"tcp://[::1]:1\"",
    "\"tcp://[]:1\"",
    "\"http://h:1\"",
    "\"a b\"",
    "\" a\"",
    "\"a\\n\"",
    "\"q00\"",
    "\"q000000000000000000000000000000000000000000000000\"",
    "\"Q\"",
    "\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
};
#define VALUES (sizeof values / sizeof *values)

typedef void judge_fn(const struct world *w, const char *name, const char *text, size_t len);

/* Tries everything on the member `key` of an object within `root`, then puts it back. */
static void vary(const struct world *w, json_t *root, json_t *object, const char *key, judge_fn *f)
{
	json_t *was = json_deep_copy(json_object_get(object, key));
	char name[128];

	for (size_t i = 0; i <= VALUES; i++) {
		if (i < VALUES)
			json_object_set_new(object, key, json_string("@@"));
		else
			json_object_del(object, key);
		/* What jansson would not read itself is put in as text. */
		char *text = json_dumps(root, JSON_INDENT(2)), *mark = strstr(text, "\"@@\""), *spoilt;
		if (mark)
			assert_true(asprintf(&spoilt, "%.*s%s%s\n", (int)(mark - text), text, values[i],
			                     mark + 4) > 0);
		else
			assert_true(asprintf(&spoilt, "%s\n", text) > 0);
		snprintf(name, sizeof name, "%s %s: %s", w->r.g.g.name, key,
		         i < VALUES ? values[i] : "nothing");
		f(w, name, spoilt, strlen(spoilt));
		free(spoilt);
		free(text);
	}
	json_object_set_new(object, key, was);
}

static const char *const odd_texts[] = {
    "",
    " ",
    "{",
    "}",
    "[]",
    "{}",
    "null",
    "1",
    "\"\"",
    "{\"format\"}",
    "{\"format\":}",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "[1,]",
    "[1 2]",
    "{\"a\":01}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":1.}",
    "{\"a\":tru}",
    "{'a':1}",
    "{\"a\":\"\t\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12\"}",
    "{\"a\":1}{}",
    "\xef\xbb\xbf{}",
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\xc0\x80\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"\xf4\x90\x80\x80\":1}",
    "/**/{}",
    "{\"a\":1,\"a\":1}",
    "{\"a\":{\"b\":1,\"b\":2}}",
    "{\"__proto__\":1}",
    "{\"allocations\":1}",
    "{\"kind\":1,\"proof\":2}",
    "{\"kind\":1}",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
};

static void judge_odd_texts(const struct world *w, judge_fn *f)
{
	for (size_t i = 0; i < sizeof odd_texts / sizeof *odd_texts; i++)
		f(w, odd_texts[i][0] & 0x80 ? "odd bytes" : "odd text", odd_texts[i], strlen(odd_texts[i]));
	f(w, "NUL", "{\"a\": \"\0\"}", 10);
	f(w, "NUL behind", "{}\0", 3);
}

/* Bytes more, or less, at the end of what is encoded. */
static void judge_tails(const struct world *w, json_t *json)
{
	static const char *const keys[] = {"certificate", "transaction", "chain"};
	json_t *places[4] = {json_array_get(json_object_get(json, "headers"), 1)};

	for (size_t i = 0; i < 3; i++)
		places[i + 1] = json_object_get(json, keys[i]);
	for (size_t i = 0; i < 4; i++) {
		char *was = xstrdup(json_string_value(places[i])), *longer;
		assert_true(asprintf(&longer, "%s00000000", was) > 0);
		json_string_set(places[i], longer);
		judge_json(w, "zeros behind", json);
		for (size_t less = 1; less <= 16; less++) {
			longer[strlen(was) - less] = '\0';
			json_string_set(places[i], longer);
			judge_json(w, "less", json);
		}
		json_string_set(places[i], was);
		free(longer);
		free(was);
	}
}

static void receipts_of_every_other_text(void **state)
{
	(void)state;
	if (!browser)
		skip();
	static const char *const keys[] = {"format",  "chain",       "txid",  "height",
	                                   "block",   "transaction", "index", "path",
	                                   "headers", "certificate", "more"};
	json_t *json = model_of(&four, &(struct recipe){.tx_cnt = 3, .index = 1, .headers = 2});
	char *text = json_dumps(json, JSON_INDENT(2)), *spoilt;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		vary(&four, json, json, keys[i], judge_text);
	judge_odd_texts(&four, judge_text);
	judge_text(&four, "without its last newline", text, strlen(text));
	judge_tails(&four, json);
	for (size_t flags = 0; flags < 6; flags++) {
		static const size_t forms[] = {
		    JSON_COMPACT,  JSON_INDENT(1), JSON_INDENT(4), JSON_INDENT(2) | JSON_SORT_KEYS, 0,
		    JSON_INDENT(2)};
		char *other = json_dumps(json, forms[flags]);
		assert_true(asprintf(&spoilt, "%s\n", other) > 0);
		judge_text(&four, "another form", spoilt, strlen(spoilt));
		free(spoilt);
		free(other);
	}
	assert_true(asprintf(&spoilt, "%s\n", text) > 0);
	const size_t len = strlen(spoilt);
	for (size_t at = 0; at < len; at += at < 400 ? 1 : 37) { /* one character more, less, or another */
		char *other = xcalloc(len + 2, 1);
		memcpy(other, spoilt, at);
		other[at] = ' ';
		memcpy(other + at + 1, spoilt + at, len - at);
		judge_text(&four, "a space more", other, len + 1);
		memcpy(other + at, spoilt + at + 1, len - at - 1);
		judge_text(&four, "a character less", other, len - 1);
		memcpy(other, spoilt, len);
		other[at] = (char)(other[at] == 'a' ? 'b' : 'a');
		judge_text(&four, "another character", other, len);
		free(other);
	}
	free(spoilt);
	free(text);
	json_decref(json);
	end(1960, 2);
}

static void judge_genesis_text(const struct world *w, const char *name, const char *text, size_t len)
{
	(void)w;
	judge_genesis(name, text, len);
}

static void vary_all(const struct world *w, json_t *root, json_t *object)
{
	json_t *copy = json_deep_copy(object), *value;
	const char *key;

	json_object_foreach(copy, key, value)
	{
		vary(w, root, object, key, judge_genesis_text);
		json_t *inner = json_object_get(object, key);
		if (json_is_object(inner))
			vary_all(w, root, inner);
		for (size_t i = 0; json_is_array(inner) && i < json_array_size(inner); i += 2)
			vary_all(w, root, json_array_get(inner, i));
	}
	vary(w, root, object, "more", judge_genesis_text);
	json_decref(copy);
}

static void genesis_files_of_every_other_text(void **state)
{
	(void)state;
	if (!browser)
		skip();
	for (size_t i = 0; i < WORLDS; i++) {
		if (worlds[i] == &six || worlds[i] == &seven || worlds[i] == &one || worlds[i] == &swift)
			continue;
		json_t *json = json_loads(worlds[i]->file, 0, NULL);
		judge_genesis("as it is", worlds[i]->file, strlen(worlds[i]->file));
		vary_all(worlds[i], json, json);
		json_decref(json);
	}
	judge_odd_texts(&four, judge_genesis_text);
	end(6500, 250);
}

/* Numbers of the rules at their bounds and beside them, and what else rules can refuse. */
static void genesis_files_at_every_bound(void **state)
{
	(void)state;
	if (!browser)
		skip();
	static const unsigned numbers[] = {
	    0,      1,      2,       3,       4,       7,       8,         16,       20,       48,
	    49,     50,     64,      65,      100,     101,     127,       128,      129,      196607,
	    196608, 256,    257,     384,     1016,    8192,    8193,      1u << 20, 4u << 20, (4u << 20) + 1,
	    600000, 600001, 1000000, 1000001, 3600000, 3600001, UINT32_MAX};
	for (size_t i = 0; i < WORLDS; i++) {
		struct genesis *g = genesis_parse(worlds[i]->file, strlen(worlds[i]->file), NULL);
		struct genesis_field fields[GENESIS_FIELDS_MAX];
		size_t cnt = genesis_fields(&g->g, fields);
		for (size_t f = 0; f < cnt; f++)
			for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
				u_int was = *fields[f].value;
				char name[128];
				*fields[f].value = numbers[k];
				char *text = genesis_format(g);
				snprintf(name, sizeof name, "%s.%s: %u", fields[f].object, fields[f].name,
				         numbers[k]);
				judge_genesis(name, text, strlen(text));
				free(text);
				*fields[f].value = was;
			}
		for (unsigned n = 0; n <= g->n; n++) {
			u_int was = g->g.replicas.replicas_len;
			g->g.replicas.replicas_len = n;
			char *text = genesis_format(g);
			judge_genesis("fewer replicas", text, strlen(text));
			free(text);
			g->g.replicas.replicas_len = was;
		}
		genesis_free(g);
	}
	struct rules most;
	rules_setup(&most, 64, "most");
	char *text = genesis_format(&most.g);
	judge_genesis("64 replicas", text, strlen(text));
	free(text);
	most.g.g.params.window = 63;
	text = genesis_format(&most.g);
	judge_genesis("64 replicas, a wide window", text, strlen(text));
	free(text);
	for (int i = 0; i < 3; i++) {
		struct qreplica *r = most.g.g.replicas.replicas_val, was = r[9];
		if (i == 0)
			r[9].key = r[3].key;
		else if (i == 1)
			r[9].name = r[3].name;
		else
			memset(r[9].key.b, 0, 32);
		text = genesis_format(&most.g);
		judge_genesis("twice", text, strlen(text));
		free(text);
		r[9] = was;
	}
	most.g.g.allocations.allocations_val[0].amount = INT64_MAX;
	text = genesis_format(&most.g);
	judge_genesis("a sum beyond", text, strlen(text));
	free(text);
	rules_teardown(&most);
	struct rules rich;
	rules_setup(&rich, 4, "rich");
	free(rich.g.g.allocations.allocations_val);
	rich.g.g.allocations.allocations_len = 40000;
	rich.g.g.allocations.allocations_val = xcalloc(40000, sizeof(struct qoutput));
	for (unsigned i = 0; i < 40000; i++) {
		struct qoutput *out = &rich.g.g.allocations.allocations_val[i];
		*out = (struct qoutput){.amount = 1 + i};
		memcpy(out->owner.b, &i, sizeof i);
	}
	text = genesis_format(&rich.g);
	judge_genesis("40,000 allocations", text, strlen(text));
	free(text);
	rules_teardown(&rich);
	struct genesis *g = genesis_parse(staked.file, strlen(staked.file), NULL);
	*g->g.replicas.replicas_val[2].account.account_val =
	    *g->g.replicas.replicas_val[0].account.account_val;
	text = genesis_format(g);
	judge_genesis("one account for two", text, strlen(text));
	free(text);
	genesis_free(g);
	end(2500, 1000);
}

/* ---- what is large --------------------------------------------------------------------------------------
 */

/* Each single bit of a file: the page alone, since receipt_parse() has this test elsewhere. */
static void no_single_bit_of_a_file_can_be_turned(void **state)
{
	(void)state;
	if (!browser)
		skip();
	struct qreceipt r = make(&sealed, &(struct recipe){.tx_cnt = 2, .headers = 2});
	char *text = receipt_format(&r, NULL), *expression;
	json_t *files =
	    json_pack("[o, o]", base64(sealed.file, strlen(sealed.file)), base64(text, strlen(text)));
	char *list = json_dumps(files, JSON_COMPACT);
	assert_true(asprintf(&expression,
	                     "((files) => { const bytes = bytesOf(files[1]); let refused = 0;"
	                     " if (!judgeReceipt(files).includes(' is final at ')) return -1;"
	                     " for (let bit = 0; bit < 8 * bytes.length; bit++) {"
	                     "  bytes[bit >> 3] ^= 1 << (bit & 7);"
	                     "  refused += said(() => { const r = receiptOf(bytes);"
	                     "   for (const step of verification(known[files[0]], r)) ; return ''; }) !== '';"
	                     "  bytes[bit >> 3] ^= 1 << (bit & 7); }"
	                     " return refused; })(%s)",
	                     list) > 0);
	json_t *refused = browser_value(browser, expression);
	assert_int_equal(json_integer_value(refused), 8 * strlen(text));
	json_decref(refused);
	json_decref(files);
	free(expression);
	free(list);
	free(text);
	wire_free(WIRE(qreceipt), &r);
}

/* Ten megabytes of whatever makes a parser sweat. */
static void what_is_huge_gets_a_plain_answer(void **state)
{
	(void)state;
	if (!browser)
		skip();
	static const struct {
		const char *make, *want;
	} files[] = {
	    {"'['.repeat(10e6)",
	     "line 1, column 18: brackets within brackets within brackets: no file of ours"},
	    {"'{\"a\":'.repeat(2e6)",
	     "line 1, column 82: brackets within brackets within brackets: no file of ours"},
	    {"'[\"' + 'a'.repeat(10e6)", "line 1, column 2: a string does not end"},
	    {"'[\"' + 'a'.repeat(10e6) + '\"]'", "the document: must be an object"},
	    {"'[\"' + '\\\\n'.repeat(5e6) + '\"]'", "the document: must be an object"},
	    {"'{\"' + 'a'.repeat(10e6) + '\": 1}'", "unknown field"},
	    {"'[' + '1'.repeat(10e6)", "a number that is too large"},
	    {"'[1.' + '1'.repeat(10e6) + ']'", "the document: must be an object"},
	    {"' '.repeat(10e6)", "line 1, column 10000001: \"{\" was expected"},
	    {"'\\n'.repeat(10e6)", "line 10000001, column 1: \"{\" was expected"},
	    {"'[' + '1,'.repeat(5e6) + '1]'", "a list longer than any of ours"},
	    {"'[' + '[],'.repeat(3e6) + '1]'", "a list longer than any of ours"},
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *expression;
		assert_true(asprintf(&expression, "said(() => (genesisOf(textBytes(%s)), 'taken'))",
		                     files[i].make) > 0);
		char *is = browser_text(browser, expression);
		if (!strstr(is, files[i].want))
			fail_msg("%s: the page says \"%.200s\", not \"%s\"", files[i].make, is,
			         files[i].want);
		free(is);
		free(expression);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(what_is_true_is_true_to_both, begin),
	    cmocka_unit_test_setup(whatever_bit_of_the_proof_is_turned, begin),
	    cmocka_unit_test_setup(whatever_bit_of_a_certified_transaction_is_turned, begin),
	    cmocka_unit_test_setup(whatever_target_a_certified_header_has, begin),
	    cmocka_unit_test_setup(whatever_bit_of_a_certified_header_is_turned, begin),
	    cmocka_unit_test_setup(certificates_of_every_kind_and_shape, begin),
	    cmocka_unit_test_setup(transactions_against_every_rule, begin),
	    cmocka_unit_test_setup(accusations_that_do_not_hold, begin),
	    cmocka_unit_test_setup(signatures_in_other_forms, begin),
	    cmocka_unit_test_setup(paths_of_every_length_and_place, begin),
	    cmocka_unit_test_setup(receipts_of_every_other_text, begin),
	    cmocka_unit_test_setup(genesis_files_of_every_other_text, begin),
	    cmocka_unit_test_setup(genesis_files_at_every_bound, begin),
	    cmocka_unit_test_setup(no_single_bit_of_a_file_can_be_turned, begin),
	    cmocka_unit_test_setup(what_is_huge_gets_a_plain_answer, begin),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
