/*
 * settle.c: see settle.h.
 */
#include "settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "out.h"
#include "text.h"

static const char *const outcome_name[] = {
    [COMMITTED] = "committed", [REJECTED] = "rejected", [EXPIRED] = "expired",
    [SUBMITTED] = "submitted", [UNKNOWN] = "unknown",
};
static const int outcome_exit[] = {
    [COMMITTED] = EXIT_DONE, [REJECTED] = EXIT_NO,   [EXPIRED] = EXIT_NO,
    [SUBMITTED] = EXIT_DONE, [UNKNOWN] = EXIT_WORLD,
};

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
     "The last block that may hold it; 0: any (default: 1000 to 17383 blocks from now)", 2},
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
	finality_end(&s->f);
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
	s->tx = NULL;
	finality_end(&s->f);
	s->begun_ms = access_now_ms();
	finality_begin(&s->f, s->genesis, s->client, s->args->timeout_s * 1000);
	s->f.no_wait = s->args->no_wait;
	if (!client_status(s->client, &status, err) || !same_chain(s, &status, err))
		return false;
	s->expiry = s->args->expiry_given ? s->args->expiry : wallet_expiry(status.height);
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

enum outcome settle_wait(struct settle *s)
{
	s->f.tx = s->tx;
	return finality_wait(&s->f);
}

/* ---- saying ------------------------------------------------------------------------ */

static const char *txid_of(const struct settle *s, char text[QHASH_HEX])
{
	return hex_encode(text, s->tx->id.b, sizeof s->tx->id.b);
}

json_t *settle_json(const struct settle *s, enum outcome o)
{
	char message[FINALITY_TEXT], txid[QHASH_HEX];
	json_t *json =
	    json_pack("{s:s, s:s, s:s, s:s, s:I}", "outcome", outcome_name[o], "txid", txid_of(s, txid),
	              "message", finality_text(&s->f, o, message), "node", client_url(s->client),
	              "elapsed_ms", (json_int_t)(access_now_ms() - s->begun_ms));
	json_object_set_new(json, "height",
	                    o == COMMITTED ? json_integer((json_int_t)s->f.fate.height) : json_null());
	json_object_set_new(json, "code",
	                    s->f.fate.kind == FATE_REJECTED && o != COMMITTED ? json_string(s->f.fate.code)
	                                                                      : json_null());
	if (s->f.fate.spent_by[0] != '\0' && o == REJECTED)
		json_object_set_new(json, "spent_by", json_string(s->f.fate.spent_by));
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
	char message[FINALITY_TEXT], txid[QHASH_HEX];
	bool good = o == COMMITTED || o == SUBMITTED;
	printf("%s%s%s: %s%s%s\n", out_style(stdout, good ? OUT_GOOD : OUT_BAD), outcome_name[o],
	       out_style(stdout, OUT_PLAIN), o == REJECTED ? s->f.fate.code : "", o == REJECTED ? ": " : "",
	       finality_text(&s->f, o, message));
	out_field(width, "transaction", "%s", txid_of(s, txid));
	if (s->f.fate.spent_by[0] != '\0' && o == REJECTED)
		out_field(width, "spent by", "%s", s->f.fate.spent_by);
	if (o == COMMITTED)
		out_field(width, "height", "%llu", (unsigned long long)s->f.fate.height);
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
