/*
 * cmd_send.c: `quorate send`: a payment from key to proof (settle.h).
 */
#include <stdlib.h>

#include "access.h"
#include "out.h"
#include "pass.h"
#include "settle.h"
#include "text.h"

struct send_args {
	struct settle_args settle;
	const char *key, *to, *amount, *memo;
};

enum { KEY_TO = 0x200, KEY_MEMO };

static error_t parse_send(int key, char *arg, struct argp_state *state)
{
	struct send_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'k':
		args->key = arg;
		return 0;
	case KEY_TO:
		args->to = arg;
		return 0;
	case 'a':
		args->amount = arg;
		return 0;
	case KEY_MEMO:
		if (strlen(arg) > Q_MEMO_MAX)
			argp_error(state, "--memo: is %zu bytes long; at most %d", strlen(arg), Q_MEMO_MAX);
		args->memo = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	case ARGP_KEY_END:
		if (args->key == NULL || args->to == NULL || args->amount == NULL)
			argp_error(state, "--key, --to and --amount are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
    {"key", 'k', "FILE", 0, "The payer's key file", 1},
    {"to", KEY_TO, "ADDRESS", 0, "Who is paid: an address, or a key file whose address is meant", 1},
    {"amount", 'a', "N", 0, "How much", 1},
    {"memo", KEY_MEMO, "TEXT", CMD_MAY_BE_EMPTY, "Up to 256 bytes that are kept with the payment", 1},
    {0},
};
static const struct argp_child children[] = {{.argp = &settle_argp}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse_send,
    .doc = "Pays: chooses outputs of the key's address, makes change, signs, submits, waits until the "
           "payment is final and "
           "checks the receipt against the genesis. The outcome is committed (exit code 0), rejected or "
           "expired (1); "
           "3 if it is not known when the time is over: the payment may then still become final. One node's "
           "word is "
           "not enough for a refusal: it takes a proof, or f+1 of the nodes that are named (--node, given "
           "several times).",
    .children = children,
};

static bool make(struct settle *s, const struct send_args *args, const struct account *payer,
                 const struct qoutput *payment, struct err *err)
{
	struct qaccount_key key = account_key(payer);
	struct qaddress from = account_address(&key);
	struct coin *coins;
	size_t coin_cnt;
	if (!wallet_select(s->client, &from, &s->view, payment->amount, &coins, &coin_cnt, err))
		return false;
	struct draft draft;
	bool ok = draft_make(&draft, &s->view.chain, coins, coin_cnt, payment, 1,
	                     &(struct qoutput){.owner = from}, args->memo, s->expiry, err);
	free(coins);
	return ok && settle_sign_take(s, &draft, payer, err);
}

static int send_with(struct settle *s, const struct send_args *args, struct err *err)
{
	struct qoutput payment = {0};
	if (!access_address(args->to, "--to", &payment.owner, err) ||
	    !text_amount(args->amount, "--amount", &payment.amount, err) ||
	    !settle_open(s, &args->settle, err))
		return cmd_fail(err);
	struct account *payer = pass_read_account(args->key, err);
	bool ok = payer != NULL && settle_begin(s, err) && make(s, args, payer, &payment, err);
	account_free(payer);
	if (!ok)
		return cmd_fail(err);
	enum outcome o = settle_wait(s);
	if (args->settle.common.json)
		out_json_take(settle_json(s, o));
	else
		settle_print(s, o, NULL);
	return settle_end(s, o);
}

int cmd_send(int argc, char **argv)
{
	struct send_args args = {.memo = "", .settle.timeout_s = SETTLE_TIMEOUT_S};
	cmd_parse(&argp, argc, argv, &args);
	struct settle s = {0};
	struct err err = {0};
	int code = send_with(&s, &args, &err);
	settle_free(&s);
	return code;
}
