/*
 * cmd_convict.c: `quorate stake convict`: evidence, of a ledger's journal or from files, becomes transactions
 * that convict.
 *
 * Of each replica one offence is enough: a conviction covers all that the replica did up to the block that
 * holds it. A transaction carries one; it is a payment of the submitter to itself.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "access.h"
#include "cmd_stake.h"
#include "evidence_file.h"
#include "ledger.h"
#include "offence.h"
#include "out.h"
#include "pass.h"
#include "schedule.h"
#include "text.h"
#include "wholefile.h"

enum { INPUT_MAX = 256 << 20, LOST_COINS_MAX = 10000 };

struct convict_args {
	struct settle_args settle;
	const char *key;
	char **from; /* of argv */
	size_t from_cnt;
};

static error_t parse_convict(int key, char *arg, struct argp_state *state)
{
	struct convict_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'k':
		args->key = arg;
		return 0;
	case ARGP_KEY_ARGS:
		args->from = state->argv + state->next;
		args->from_cnt = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_END:
		if (args->key == NULL || args->from_cnt == 0)
			argp_error(state, "--key and LEDGER or FILE are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- what the evidence shows --------------------------------------------------------- */

struct brief {
	const struct genesis *genesis;
	const char *from;            /* for people: what was given */
	uint64_t height;             /* of the chain */
	struct client_stakes stakes; /* who was convicted when */
	unsigned read, no_conflict, unproven;
	unsigned atoned, early;    /* offences that do not count any more, or not yet */
	struct err why;            /* why one was unproven */
	struct qoffence *offences; /* all that are proven */
	size_t cnt, cap;
	struct {
		bool guilty;
		struct qoffence offence; /* the lowest that counts */
	} of[Q_REPLICAS_MAX];
};

static void add_offence(struct brief *b, const struct qoffence *o)
{
	if (b->cnt == b->cap) {
		b->cap = b->cap == 0 ? 64 : 2 * b->cap;
		b->offences = xrealloc(b->offences, b->cap * sizeof *b->offences);
	}
	b->offences[b->cnt++] = *o;
}

static void add_evidence(struct brief *b, const struct qevidence *ev)
{
	struct qoffence offence;
	b->read++;
	if (ev->kind != QEV_CONFLICT)
		b->no_conflict++;
	else if (!evidence_verify(b->genesis, ev, &b->why))
		b->unproven++;
	else if (!offence_of(b->genesis, ev, &offence))
		b->no_conflict++;
	else
		add_offence(b, &offence);
}

static bool read_journal(struct brief *b, struct reader *r, struct err *err)
{
	struct qevidence ev;
	int64_t seq = 0, before;
	for (;;) {
		before = seq;
		switch (reader_evidence(r, &seq, &ev, err)) {
		case FOUND:
			add_evidence(b, &ev);
			wire_free(WIRE(qevidence), &ev);
			break;
		case NOT_FOUND:
			return true;
		case FOUND_ERROR:
			if (seq == before)
				return false;
			b->read++; /* an entry that somebody has edited hides no other */
			b->unproven++;
			b->why = *err;
			*err = (struct err){0};
			break;
		}
	}
}

static bool read_ledger(struct brief *b, const char *arg, struct err *err)
{
	char *path = access_ledger_path(arg);
	struct reader *r = access_reader(path, err);
	bool ok = r != NULL;
	if (ok && !qhash_eq(reader_chain_id(r), &b->genesis->chain))
		ok = err_set(err, ERR_INPUT, "%s is the ledger of another chain than the genesis", path);
	ok = ok && read_journal(b, r, err);
	reader_close(r);
	free(path);
	return ok;
}

/* A line of hex: an encoded qevidence. */
static bool read_line(struct brief *b, char *hex, size_t len, struct err *err)
{
	uint8_t *data = xcalloc(len / 2 + 1, 1);
	struct qevidence ev;
	hex[len] = '\0';
	bool ok = hex_decode(data, len / 2, hex) && wire_decode(WIRE(qevidence), data, len / 2, &ev);
	free(data);
	if (!ok)
		return err_set(err, ERR_INPUT, "not evidence in hex");
	add_evidence(b, &ev);
	wire_free(WIRE(qevidence), &ev);
	return true;
}

static bool read_lines(struct brief *b, char *text, struct err *err)
{
	unsigned line = 1;
	bool ok = true;
	for (char *p = text; ok && *p != '\0'; line++) {
		size_t len = strcspn(p, "\n"), hex = len;
		bool last = p[len] == '\0';
		while (hex > 0 && isspace((unsigned char)p[hex - 1]))
			hex--;
		if (hex > 0 && p[0] != '#')
			ok = read_line(b, p, hex, err) || err_prefix(err, "line %u", line);
		p += len + !last;
	}
	return ok;
}

static bool read_file(struct brief *b, const char *text, size_t len, struct err *err)
{
	struct qevidence ev;
	if (!evidence_parse(b->genesis, text, len, &ev, err))
		return false;
	add_evidence(b, &ev);
	wire_free(WIRE(qevidence), &ev);
	return true;
}

/* An evidence file, or lines of hex. */
static bool read_stdin(struct brief *b, struct err *err)
{
	size_t len;
	char *text = wholefile_read("-", INPUT_MAX, &len, err);
	bool ok = text != NULL && (text[0] == '{' ? read_file(b, text, len, err) : read_lines(b, text, err));
	free(text);
	return ok || text == NULL || err_prefix(err, "standard input");
}

static bool is_ledger(const char *path)
{
	static const char head[] = "SQLite format 3"; /* with its zero */
	char have[sizeof head] = "";
	struct stat st;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	FILE *f = fopen(path, "re");
	bool ok = f != NULL && fread(have, sizeof have, 1, f) == 1 && memcmp(have, head, sizeof head) == 0;
	if (f != NULL)
		fclose(f);
	return ok;
}

static bool read_from(struct brief *b, const char *arg, struct err *err)
{
	if (strcmp(arg, "-") == 0)
		return read_stdin(b, err);
	if (is_ledger(arg))
		return read_ledger(b, arg, err);
	size_t len;
	char *text = wholefile_read(arg, EVIDENCE_FILE_MAX, &len, err);
	bool ok = text != NULL;
	if (ok && text[0] != '{')
		ok = err_set(err, ERR_INPUT, "%s: is neither a ledger nor an evidence file", arg);
	else if (ok)
		ok = read_file(b, text, len, err) || err_prefix(err, "%s", arg);
	free(text);
	return ok;
}

static bool read_all(struct brief *b, const struct convict_args *args, struct err *err)
{
	bool is_stdin = strcmp(args->from[0], "-") == 0;
	b->from = args->from_cnt > 1 ? "all that was given" : is_stdin ? "standard input" : args->from[0];
	for (size_t i = 0; i < args->from_cnt; i++)
		if (!read_from(b, args->from[i], err))
			return false;
	return true;
}

/* Which of them count where the chain is now. */
static void weigh(struct brief *b)
{
	for (size_t i = 0; i < b->cnt; i++) {
		const struct qoffence *o = &b->offences[i];
		uint64_t height = o->first.height.n;
		bool *guilty = &b->of[o->replica].guilty;
		if (height <= b->stakes.replica[o->replica].convicted) {
			b->atoned++;
		} else if (height > b->height + 1) {
			b->early++;
		} else if (!*guilty || height < b->of[o->replica].offence.first.height.n) {
			*guilty = true;
			b->of[o->replica].offence = *o;
		}
	}
}

/* Nobody to convict: says why. */
static bool any_guilty(const struct brief *b, struct err *err)
{
	for (unsigned i = 0; i < b->genesis->n; i++) {
		if (b->of[i].guilty)
			return true;
	}
	if (b->atoned > 0)
		return err_set(
		    err, ERR_NO,
		    "%s: of %u pieces of evidence none counts any more: who did that was convicted "
		    "for that time already (`quorate stake show`)",
		    b->from, b->read);
	if (b->early > 0)
		return err_set(err, ERR_NO,
		               "%s: the chain is at height %llu and has not reached that of the offence",
		               b->from, (unsigned long long)b->height);
	if (b->unproven > 0)
		return err_set(err, ERR_NO, "%s: no evidence holds against this genesis: %s", b->from,
		               b->why.text);
	return err_set(err, ERR_NO,
	               "%s: %u pieces of evidence, none of two contradicting votes (PREPARE, COMMIT, "
	               "CHECKPOINT) of one replica",
	               b->from, b->read);
}

/* ---- convicting ------------------------------------------------------------------------ */

/* What an account has lost of what it locked for a replica. */
struct loss {
	unsigned replica;
	uint64_t lost;
	uint64_t total; /* outputs that it holds */
};

static bool add_loss(void *ctx, const struct coin_page *page)
{
	struct loss *l = ctx;
	if (page->first)
		l->lost = 0;
	for (size_t i = 0; i < page->cnt; i++) {
		const struct coin *coin = &page->coins[i];
		if (coin->lock.kind != QLOCK_FROZEN && coin->lock.qlock_u.replica == l->replica &&
		    __builtin_add_overflow(l->lost, coin->penalty, &l->lost))
			l->lost = UINT64_MAX;
	}
	l->total = page->total;
	return page->total <= LOST_COINS_MAX;
}

/* False: no node tells, or that is in more pieces than anybody has; the guilty may have made them, to be left
 * alone. */
static bool lost_by(struct settle *s, unsigned replica, uint64_t *lost)
{
	const struct qaddress *owner = s->genesis->g.replicas.replicas_val[replica].account.account_val;
	struct loss l = {.replica = replica};
	if (!client_coins(s->client, owner, add_loss, &l, &s->f.trouble))
		return false;
	*lost = l.lost;
	return l.total <= LOST_COINS_MAX ||
	       err_set(&s->f.trouble, ERR_NO, "its account holds %llu outputs", (unsigned long long)l.total);
}

static bool accuse(struct settle *s, const struct account *a, const struct qoffence *o, struct err *err)
{
	struct qaddress self = stake_address(a);
	struct coin *coins;
	size_t cnt;
	struct draft draft;
	if (!wallet_select(s->client, &self, &s->view, 1, &coins, &cnt, err))
		return false;
	bool ok = draft_make(&draft, &s->view.chain, coins, cnt, NULL, 0, &(struct qoutput){.owner = self},
	                     "", s->expiry, err);
	free(coins);
	if (!ok)
		return false;
	draft_accuse(&draft, o);
	return settle_sign_take(s, &draft, a, err);
}

static const char *vote_name(qkind kind)
{
	return kind == QPREPARE ? "PREPARE" : kind == QCOMMIT ? "COMMIT" : "CHECKPOINT";
}

/* The stakes after the block that holds the conviction, and what they say of it. `before`: what was lost till
 * then, NULL if that is not known. False: no node tells. */
static bool tell_loss(struct settle *s, const struct brief *b, unsigned replica, const uint64_t *before,
                      json_t *more)
{
	struct client_stakes now;
	uint64_t after;
	const struct qstake_rules *rules = stake_rules(s->genesis);
	while (!client_stakes(s->client, &now, &s->f.trouble) || now.height < s->f.fate.height) {
		if (access_now_ms() >= s->f.deadline_ms)
			return false;
		client_next(s->client);
		access_nap_ms(20);
	}
	if (now.n <= replica)
		return false;
	bool known = before != NULL && lost_by(s, replica, &after);
	json_object_set_new(more, "convicted", json_integer((json_int_t)now.replica[replica].convicted));
	if (known)
		json_object_set_new(more, "lost", jread_amount_json(after > *before ? after - *before : 0));
	json_object_set_new(more, "own_before", jread_amount_json(b->stakes.replica[replica].own));
	json_object_set_new(more, "own", jread_amount_json(now.replica[replica].own));
	json_object_set_new(more, "delegated_before",
	                    jread_amount_json(b->stakes.replica[replica].delegated));
	json_object_set_new(more, "delegated", jread_amount_json(now.replica[replica].delegated));
	json_object_set_new(more, "delegators_lose_percent", json_integer(rules->delegator_penalty));
	return known;
}

/* One conviction from draft to finality; its JSON into `list`. False with *err: it could not be made. */
static bool convict(struct settle *s, const struct brief *b, const struct account *a, unsigned replica,
                    json_t *list, int *code, struct err *err)
{
	const struct qoffence *o = &b->of[replica].offence;
	uint64_t before;
	bool known = lost_by(s, replica, &before);
	if (!accuse(s, a, o, err))
		return false;
	enum outcome outcome = settle_wait(s);
	json_t *more = json_pack("{s:i, s:s, s:s, s:I}", "replica", (int)replica, "name",
	                         s->genesis->g.replicas.replicas_val[replica].name, "vote",
	                         vote_name(o->kind), "vote_height", (json_int_t)o->first.height.n);
	if (outcome == COMMITTED && !tell_loss(s, b, replica, known ? &before : NULL, more))
		out_note("what was lost could not be learnt: %s", s->f.trouble.text);
	if (s->args->common.json) {
		json_t *json = settle_json(s, outcome);
		json_object_update(json, more);
		json_array_append_new(list, json);
	} else {
		settle_print(s, outcome, more);
	}
	json_decref(more);
	int its = settle_end(s, outcome);
	*code = its > *code ? its : *code;
	return true;
}

static int convict_all(struct settle *s, const struct brief *b, const struct account *a, struct err *err)
{
	int code = EXIT_DONE;
	json_t *list = json_array();
	bool ok = true, again = false;
	for (unsigned i = 0; ok && i < s->genesis->n; i++) {
		if (!b->of[i].guilty)
			continue;
		ok = (!again || settle_again(s, err)) && convict(s, b, a, i, list, &code, err);
		again = true;
	}
	if (s->args->common.json && json_array_size(list) > 0)
		out_json_take(json_pack("{s:O}", "convictions", list));
	json_decref(list);
	return ok ? code : cmd_fail(err);
}

static bool stakes_of_all(struct settle *s, struct client_stakes *out, struct err *err)
{
	return client_stakes(s->client, out, err) &&
	       (out->n == s->genesis->n ||
	        err_set(err, ERR_WORLD, "%s tells the stakes of %u replicas, but there are %u",
	                client_url(s->client), out->n, s->genesis->n));
}

/* What was given is read before any node is asked. */
static int convict_with(struct settle *s, const struct convict_args *args, struct err *err)
{
	struct account *a = NULL;
	struct brief *b = xcalloc(1, sizeof *b);
	bool ok = stake_open(s, &args->settle, err);
	b->genesis = s->genesis;
	ok = ok && read_all(b, args, err) && (a = pass_read_account(args->key, err)) != NULL &&
	     settle_begin(s, err) && stakes_of_all(s, &b->stakes, err);
	b->height = s->view.height;
	if (ok)
		weigh(b);
	ok = ok && any_guilty(b, err);
	int code = ok ? convict_all(s, b, a, err) : cmd_fail(err);
	account_free(a);
	free(b->offences);
	free(b);
	return code;
}

int cmd_stake_convict(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"key", 'k', "FILE", 0,
	     "The key file of who submits it (it pays nothing, but needs an output to spend)", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &settle_wait_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_convict,
	    .args_doc = "LEDGER|FILE|-...",
	    .doc =
	        "Convicts replicas that signed two contradicting votes: takes the evidence in the journal of "
	        "a ledger (its file, or a home), evidence files (`quorate evidence export`), and from "
	        "standard input (-) an evidence file or lines of hex, each an encoded qevidence; and submits "
	        "one transaction for each guilty replica whose offence still counts. Its stake, as far as it "
	        "was locked till then, stops counting at once, and whoever moves it leaves the penalty "
	        "behind. Exit code 1 if there is nobody to convict.",
	    .children = children,
	};
	struct convict_args args = {.settle.timeout_s = SETTLE_TIMEOUT_S};
	cmd_parse(&argp, argc, argv, &args);
	struct settle s = {0};
	struct err err = {0};
	int code = convict_with(&s, &args, &err);
	settle_free(&s);
	return code;
}
