/*
 * settle.c: see settle.h.
 */
#include "settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "out.h"
#include "proof.h"
#include "text.h"

static const char *const outcome_name[] = {
    [COMMITTED] = "committed", [REJECTED] = "rejected", [EXPIRED] = "expired",
    [SUBMITTED] = "submitted", [UNKNOWN] = "unknown",
};
static const int outcome_exit[] = {
    [COMMITTED] = EXIT_DONE, [REJECTED] = EXIT_NO,   [EXPIRED] = EXIT_NO,
    [SUBMITTED] = EXIT_DONE, [UNKNOWN] = EXIT_WORLD,
};

enum { POLL_MS = 2000, CODE_MAX = SETTLE_CODE_MAX };

/* ---- options ----------------------------------------------------------------------- */

enum { KEY_NO_WAIT = 0x300, KEY_EXPIRY, KEY_TIMEOUT };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct settle_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_EXPIRY:
		args->expiry_given = true;
		if (!text_u64(arg, INT64_MAX, &args->expiry))
			argp_error(state, "--expiry \"%s\": not a height", arg);
		return 0;
	case KEY_TIMEOUT:
		if (!text_u64(arg, 86400, &args->timeout_s) || args->timeout_s == 0)
			argp_error(state, "--timeout \"%s\": not a number of seconds from 1 to 86400", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_no_wait(int key, char *arg, struct argp_state *state)
{
	struct settle_args *args = state->input;
	(void)arg;
	if (key == ARGP_KEY_INIT)
		CMD_CHILD_INIT(state);
	else if (key == KEY_NO_WAIT)
		args->no_wait = true;
	return key == ARGP_KEY_INIT || key == KEY_NO_WAIT ? 0 : ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "How long to wait for finality (default 30)", 2},
    {"expiry", KEY_EXPIRY, "HEIGHT", 0,
     "The last block that may hold it; 0: any (default: 1000 blocks from now)", 2},
    {0},
};
static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
const struct argp settle_wait_argp = {.options = options, .parser = parse, .children = children};

static const struct argp_option no_wait_options[] = {
    {"no-wait", KEY_NO_WAIT, NULL, 0, "Return once a node has accepted it", 2}, {0}};
static const struct argp_child wait_children[] = {{.argp = &settle_wait_argp}, {0}};
const struct argp settle_argp = {
    .options = no_wait_options, .parser = parse_no_wait, .children = wait_children};

/* ---- beginning ----------------------------------------------------------------------- */

bool settle_open(struct settle *s, const struct settle_args *args, struct err *err)
{
	*s = (struct settle){.args = args};
	const char *path = access_genesis_path(&args->common);
	if (path != NULL) {
		s->genesis = genesis_load(path, err);
		return s->genesis != NULL;
	}
	return args->no_wait ||
	       err_set(err, ERR_INPUT,
	               "a receipt is checked against the chain's genesis and none is at hand; give --genesis "
	               "FILE, or --no-wait to go without proof");
}

void settle_free(struct settle *s)
{
	free(s->refused);
	tx_unref(s->tx);
	client_free(s->client);
	genesis_free(s->genesis);
}

static bool same_chain(const struct settle *s, const struct client_status *status, struct err *err)
{
	char theirs[QHASH_HEX], ours[QHASH_HEX];
	if (s->genesis == NULL || qhash_eq(&s->genesis->chain, &status->chain))
		return true;
	return err_set(err, ERR_INPUT, "%s runs chain %s, but %s is the genesis of chain %s",
	               client_url(s->client), hex_encode(theirs, status->chain.b, sizeof status->chain.b),
	               access_genesis_path(&s->args->common),
	               hex_encode(ours, s->genesis->chain.b, sizeof s->genesis->chain.b));
}

bool settle_again(struct settle *s, struct err *err)
{
	struct client_status status;
	tx_unref(s->tx);
	free(s->refused);
	s->tx = NULL;
	s->fate = (struct client_fate){0};
	s->trouble = (struct err){0};
	s->begun_ms = access_now_ms();
	s->deadline_ms = s->begun_ms + s->args->timeout_s * 1000;
	s->refused = xcalloc(client_nodes(s->client), sizeof *s->refused);
	if (!client_status(s->client, &status, err) || !same_chain(s, &status, err))
		return false;
	s->expiry = s->args->expiry_given ? s->args->expiry : status.height + WALLET_EXPIRY_BLOCKS;
	s->view = (struct wallet_view){.chain = status.chain, .height = status.height};
	return true;
}

bool settle_begin(struct settle *s, struct err *err)
{
	s->client = access_client(&s->args->common, err);
	return s->client != NULL && settle_again(s, err);
}

bool settle_sign_take(struct settle *s, struct draft *d, const struct account *signer, struct err *err)
{
	if (draft_sign(d, signer, err))
		s->tx = draft_finish(d, err);
	draft_free(d);
	/* Who says bad_signature lies. */
	must(s->tx == NULL || s->genesis == NULL || tx_verify(s->genesis, s->tx));
	return s->tx != NULL;
}

/* ---- settling ---------------------------------------------------------------------- */

static unsigned time_left(const struct settle *s, unsigned at_most)
{
	uint64_t now = access_now_ms();
	uint64_t left = now < s->deadline_ms ? s->deadline_ms - now : 0;
	return left < at_most ? (unsigned)left : at_most;
}

/* What was refused only for now, or not answered: another node, a little later. */
static void try_elsewhere(struct settle *s)
{
	client_next(s->client);
	access_nap_ms(time_left(s, 100));
}

/* The transaction of this id, with s->fate.height, if a receipt proves that it is final; else NULL. */
static struct tx *fetch_final(struct settle *s, const struct qtxid *id)
{
	struct qreceipt receipt;
	enum tx_verdict verdict;
	struct tx *tx = NULL;
	if (!client_receipt_here(s->client, id, &receipt, &s->trouble))
		return NULL;
	if (proof_holds(s->genesis, id, &receipt, &s->trouble)) {
		tx = tx_parse(&s->genesis->chain, receipt.tx.qtx_bytes_val, receipt.tx.qtx_bytes_len,
		              &verdict);
		s->fate.height = receipt.headers.headers_val[0].height.n;
	} else {
		err_prefix(&s->trouble, "%s gave a receipt that does not hold", client_url(s->client));
	}
	wire_free(WIRE(qreceipt), &receipt);
	return tx;
}

static bool proven(struct settle *s)
{
	struct tx *tx = fetch_final(s, &s->tx->id);
	tx_unref(tx);
	return tx != NULL;
}

/* A node says that another transaction won. It may be pending yet: this waits a little for its receipt. */
static enum outcome lost(struct settle *s)
{
	struct qtxid winner;
	struct client_fate fate;
	if (!hex_decode(winner.b, sizeof winner.b, s->fate.spent_by))
		return UNKNOWN;
	client_wait(s->client, &winner, time_left(s, POLL_MS), &fate, NULL);
	struct tx *tx = fetch_final(s, &winner);
	enum outcome o = UNKNOWN;
	if (tx != NULL && qtxid_eq(&tx->id, &s->tx->id))
		o = COMMITTED; /* a strange thing to say of it */
	else if (tx != NULL && tx_conflict(tx, s->tx))
		o = REJECTED;
	tx_unref(tx);
	return o;
}

/* How many nodes have refused it for this reason, the current one included. */
static size_t count_refusals(struct settle *s)
{
	size_t cnt = 0;
	memcpy(s->refused[client_current(s->client)], s->fate.code, CODE_MAX);
	for (size_t i = 0; s->fate.code[0] != '\0' && i < client_nodes(s->client); i++)
		cnt += strcmp(s->refused[i], s->fate.code) == 0;
	return cnt;
}

static bool has_code(const struct settle *s, enum tx_verdict v)
{
	return strcmp(s->fate.code, tx_verdict_info(v)->code) == 0;
}

/* A node refuses it. UNKNOWN: that is not certain, or not for good. */
static enum outcome refusal(struct settle *s)
{
	enum outcome o = has_code(s, TX_EXPIRED) ? EXPIRED : REJECTED;
	if (s->fate.temporary)
		return UNKNOWN;
	if (s->args->no_wait)
		return o;
	if (has_code(s, TX_DOUBLE_SPEND))
		return lost(s);
	s->refused_cnt = count_refusals(s);
	return s->refused_cnt > s->genesis->f ? o : UNKNOWN;
}

/* What a node says of it, judged; UNKNOWN: go on. */
static enum outcome judge(struct settle *s)
{
	switch (s->fate.kind) {
	case FATE_UNKNOWN: /* a node that does not have it (any more) */
		return UNKNOWN;
	case FATE_PENDING:
		return s->args->no_wait ? SUBMITTED : UNKNOWN;
	case FATE_REJECTED:
		return refusal(s);
	case FATE_FINAL:
		return s->genesis == NULL ? SUBMITTED : proven(s) ? COMMITTED : UNKNOWN;
	}
	return UNKNOWN;
}

enum outcome settle_wait(struct settle *s)
{
	const struct bytes raw = {s->tx->raw, s->tx->raw_len};
	enum outcome o = UNKNOWN;
	bool accepted = false;
	while (o == UNKNOWN && time_left(s, 1) > 0) {
		bool waited = accepted;
		bool answered = accepted ? client_wait(s->client, &s->tx->id, time_left(s, POLL_MS), &s->fate,
		                                       &s->trouble)
		                         : client_submit(s->client, &raw, 1, &s->fate, &s->trouble);
		if (answered)
			o = judge(s);
		/* Long pending here: another node may be better connected. A copy does no harm. */
		accepted = answered && !waited && s->fate.kind == FATE_PENDING;
		if (o == UNKNOWN && !accepted)
			try_elsewhere(s);
	}
	return o;
}

/* ---- saying ------------------------------------------------------------------------ */

enum { MESSAGE_MAX = 1024 };

static const char *message_of(const struct settle *s, enum outcome o, char text[MESSAGE_MAX])
{
	const char *node = client_url(s->client), *said = s->fate.message;
	switch (o) {
	case COMMITTED:
		return "final; the receipt holds against the genesis";
	case SUBMITTED:
		return "accepted by a node; not waited for";
	case REJECTED:
	case EXPIRED:
		if (s->args->no_wait)
			snprintf(text, MESSAGE_MAX, "%s says: %s", node, said);
		else if (has_code(s, TX_DOUBLE_SPEND))
			snprintf(text, MESSAGE_MAX, "%s; the receipt of that one holds against the genesis",
			         said);
		else
			snprintf(text, MESSAGE_MAX, "%s; so say %zu nodes", said, s->refused_cnt);
		return text;
	case UNKNOWN:
		if (s->fate.kind == FATE_REJECTED && s->fate.temporary)
			return said;
		if (s->fate.kind != FATE_REJECTED)
			return s->trouble.text[0] != '\0' ? s->trouble.text : "still pending";
		snprintf(
		    text, MESSAGE_MAX,
		    "%s says %s (%s), but there is no proof of it, nor do %u of the nodes that were named "
		    "(--node) agree on it",
		    node, s->fate.code, said, s->genesis->f + 1);
		return text;
	}
	return "";
}

static const char *txid_of(const struct settle *s, char text[QHASH_HEX])
{
	return hex_encode(text, s->tx->id.b, sizeof s->tx->id.b);
}

json_t *settle_json(const struct settle *s, enum outcome o)
{
	char message[MESSAGE_MAX], txid[QHASH_HEX];
	json_t *json =
	    json_pack("{s:s, s:s, s:s, s:s, s:I}", "outcome", outcome_name[o], "txid", txid_of(s, txid),
	              "message", message_of(s, o, message), "node", client_url(s->client), "elapsed_ms",
	              (json_int_t)(access_now_ms() - s->begun_ms));
	json_object_set_new(json, "height",
	                    o == COMMITTED ? json_integer((json_int_t)s->fate.height) : json_null());
	json_object_set_new(json, "code",
	                    s->fate.kind == FATE_REJECTED && o != COMMITTED ? json_string(s->fate.code)
	                                                                    : json_null());
	if (s->fate.spent_by[0] != '\0' && o == REJECTED)
		json_object_set_new(json, "spent_by", json_string(s->fate.spent_by));
	return json;
}

static void print_more(int width, const json_t *more)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)more, key, value)
	{
		char name[32];
		snprintf(name, sizeof name, "%s", key);
		for (char *p = name; *p != '\0'; p++)
			*p = *p == '_' ? ' ' : *p;
		if (json_is_integer(value))
			out_field(width, name, "%lld", (long long)json_integer_value(value));
		else if (json_is_string(value))
			out_field(width, name, "%s", json_string_value(value));
	}
}

/* As wide as the longest name. */
static int width_of(const json_t *more)
{
	size_t width = sizeof "transaction" - 1;
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)more, key, value) width = strlen(key) > width ? strlen(key) : width;
	return (int)width;
}

void settle_print(const struct settle *s, enum outcome o, const json_t *more)
{
	const int width = width_of(more);
	char message[MESSAGE_MAX], txid[QHASH_HEX];
	bool good = o == COMMITTED || o == SUBMITTED;
	printf("%s%s%s: %s%s%s\n", out_style(stdout, good ? OUT_GOOD : OUT_BAD), outcome_name[o],
	       out_style(stdout, OUT_PLAIN), o == REJECTED ? s->fate.code : "", o == REJECTED ? ": " : "",
	       message_of(s, o, message));
	out_field(width, "transaction", "%s", txid_of(s, txid));
	if (s->fate.spent_by[0] != '\0' && o == REJECTED)
		out_field(width, "spent by", "%s", s->fate.spent_by);
	if (o == COMMITTED)
		out_field(width, "height", "%llu", (unsigned long long)s->fate.height);
	if (more != NULL)
		print_more(width, more);
	out_field(width, "time", "%llu ms", (unsigned long long)(access_now_ms() - s->begun_ms));
}

int settle_end(const struct settle *s, enum outcome o)
{
	char txid[QHASH_HEX];
	if (o == UNKNOWN)
		cmd_error(
		    ERR_WORLD,
		    "not known to be final after %llu s; it may still become so until block %llu, so to "
		    "make another may be to pay twice: ask later with `quorate tx show %s`",
		    (unsigned long long)s->args->timeout_s, (unsigned long long)s->tx->q.body.expiry.n,
		    txid_of(s, txid));
	return outcome_exit[o];
}
