/*
 * cmd_audit.c: `quorate audit LEDGER... --genesis G`: proves ledgers offline and says what is wrong with
 * them.
 *
 * ledger/audit does it all; here are only the command line and the report.  Exit: 0 ok, 1 failed,
 * 2 something that is no ledger of this chain.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "audit.h"
#include "cmd.h"
#include "out.h"
#include "text.h"

struct audit_args {
	struct cmd_common common;
	char **paths; /* owned, and so are the texts */
	size_t cnt;
};

static error_t parse_audit(int key, char *arg, struct argp_state *state)
{
	struct audit_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'g':
		args->common.genesis = arg;
		return 0;
	case ARGP_KEY_ARG:
		args->paths = xrealloc(args->paths, (args->cnt + 1) * sizeof *args->paths);
		args->paths[args->cnt++] = access_ledger_path(arg);
		return 0;
	case ARGP_KEY_END:
		if (args->cnt == 0)
			argp_error(state, "name at least one ledger");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- progress ------------------------------------------------------------------- */

#define CLEAR_LINE "\r\033[K"

static void show_progress(void *ctx, const char *path, struct qheight at, struct qheight of)
{
	(void)ctx;
	fprintf(stderr, CLEAR_LINE "%s: block %" PRIu64 " of %" PRIu64, path, (uint64_t)at.n, (uint64_t)of.n);
	fflush(stderr);
}

/* ---- the report as JSON ----------------------------------------------------------- */

/* A path may be no UTF-8, and JSON knows nothing else. */
static json_t *json_path(const char *path)
{
	json_t *value = json_string(path);
	if (value == NULL) {
		char *copy = xstrdup(path);
		for (char *p = copy; *p != '\0'; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
		value = json_string(copy);
		free(copy);
	}
	return value;
}

static const char *verdict_text(bool ok)
{
	return ok ? "ok" : "failed";
}

static json_t *json_findings(const struct audit_ledger *l)
{
	json_t *list = json_array();
	for (size_t i = 0; i < l->finding_cnt; i++) {
		const struct audit_finding *f = &l->findings[i];
		json_array_append_new(
		    list, json_pack("{s:s, s:I, s:s, s:s}", "kind", audit_kind_name(f->kind), "height",
		                    (json_int_t)f->height.n, "where", f->where, "message", f->message));
	}
	return list;
}

static json_t *json_ledger(const struct audit_ledger *l)
{
	return json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:o, s:I}", "path", json_path(l->path), "standing",
	                 audit_standing_name(l->standing), "verdict", verdict_text(l->ok), "height",
	                 (json_int_t)l->height.n, "transactions", (json_int_t)l->transactions,
	                 "double_spends", (json_int_t)l->double_spends, "findings", json_findings(l),
	                 "more_findings", (json_int_t)l->finding_more);
}

static json_t *json_branch(const struct audit_report *r, const struct audit_branch *b, enum audit_side side)
{
	char hash[QHASH_HEX];
	json_t *ledgers = json_array(), *signers = json_array();
	for (size_t i = 0; i < r->ledger_cnt; i++)
		if (r->ledgers[i].side == side)
			json_array_append_new(ledgers, json_path(r->ledgers[i].path));
	for (unsigned i = 0; b->certified && i < b->cert.sigs.sigs_len; i++)
		json_array_append_new(signers, json_integer(b->cert.sigs.sigs_val[i].replica));
	json_t *json =
	    json_pack("{s:s, s:o, s:b, s:o}", "hash", hex_encode(hash, b->block.b, sizeof b->block.b),
	              "ledgers", ledgers, "certified", b->certified, "signers", signers);
	if (b->certified) {
		json_object_set_new(json, "view", json_integer((json_int_t)b->cert.vote.view.n));
		json_object_set_new(json, "certified_by", json_integer((json_int_t)b->cert.vote.height.n));
	}
	return json;
}

static const char *blame_name(enum audit_blame blame)
{
	static const char *const names[] = {[BLAME_EDITED] = "edited",
	                                    [BLAME_SAME_VIEW] = "same_view",
	                                    [BLAME_VIEW_CHANGE] = "view_change",
	                                    [BLAME_UNKNOWN] = "unknown"};
	return names[blame];
}

static json_t *json_divergence(const struct audit_report *r, const struct genesis *g)
{
	const struct audit_divergence *d = &r->divergence;
	json_t *culprits = json_array();
	if (!r->diverged) {
		json_decref(culprits);
		return json_null();
	}
	for (unsigned i = 0; i < g->n; i++)
		if (d->culprits >> i & 1)
			json_array_append_new(culprits, json_pack("{s:i, s:s}", "replica", (int)i, "name",
			                                          g->g.replicas.replicas_val[i].name));
	return json_pack("{s:I, s:s, s:[o, o], s:o}", "height", (json_int_t)d->height.n, "blame",
	                 blame_name(d->blame), "blocks", json_branch(r, &d->a, SIDE_A),
	                 json_branch(r, &d->b, SIDE_B), "culprits", culprits);
}

static void print_json(const struct audit_report *r, const struct genesis *g)
{
	char chain[QHASH_HEX];
	json_t *ledgers = json_array();
	for (size_t i = 0; i < r->ledger_cnt; i++)
		json_array_append_new(ledgers, json_ledger(&r->ledgers[i]));
	out_json_take(json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "verdict", verdict_text(r->ok),
	                        "chain", hex_encode(chain, g->chain.b, sizeof g->chain.b), "height",
	                        (json_int_t)r->height.n, "transactions", (json_int_t)r->transactions,
	                        "double_spends", (json_int_t)r->double_spends, "ledgers", ledgers,
	                        "divergence", json_divergence(r, g)));
}

/* ---- the report for people ---------------------------------------------------------- */

static bool is_behind(const struct audit_ledger *l)
{
	for (size_t i = 0; i < l->finding_cnt; i++)
		if (l->findings[i].kind == AUDIT_BEHIND)
			return true;
	return false;
}

static void print_ledgers(const struct audit_report *r)
{
	struct out_table *t =
	    out_table_new(4, (const char *const[]){"LEDGER", "HEIGHT", "TRANSACTIONS", "VERDICT"});
	for (size_t i = 0; i < r->ledger_cnt; i++) {
		const struct audit_ledger *l = &r->ledgers[i];
		out_table_cell(t, "%s", l->path);
		out_table_cell(t, "%" PRIu64, (uint64_t)l->height.n);
		out_table_cell(t, "%" PRIu64, l->transactions);
		out_table_cell(t, "%s%s", verdict_text(l->ok), l->ok && is_behind(l) ? ", behind" : "");
		out_table_style(t, l->ok ? OUT_GOOD : OUT_BAD);
	}
	out_table_end(t);
}

static void print_findings(const struct audit_ledger *l)
{
	if (l->finding_cnt == 0)
		return;
	printf("\n%s\n", l->path);
	struct out_table *t = out_table_new(4, (const char *const[]){"  HEIGHT", "KIND", "WHERE", "WHAT"});
	for (size_t i = 0; i < l->finding_cnt; i++) {
		const struct audit_finding *f = &l->findings[i];
		if (f->height.n != 0)
			out_table_cell(t, "  %" PRIu64, (uint64_t)f->height.n);
		else
			out_table_cell(t, "  -");
		out_table_cell(t, "%s", audit_kind_name(f->kind));
		out_table_style(t, audit_kind_fails(f->kind) ? OUT_BAD : OUT_DIM);
		out_table_cell(t, "%s", f->where);
		out_table_cell(t, "%s", f->message);
	}
	out_table_end(t);
	if (l->finding_more)
		printf("  and %zu more\n", l->finding_more);
}

static void print_branch(const struct audit_report *r, const struct audit_branch *b, enum audit_side side)
{
	char hash[QHASH_HEX];
	printf("  %s\n", hex_encode(hash, b->block.b, sizeof b->block.b));
	if (b->certified) {
		printf("    certified at height %" PRIu64 ", in view %" PRIu64 ", by replicas",
		       (uint64_t)b->cert.vote.height.n, (uint64_t)b->cert.vote.view.n);
		for (unsigned i = 0; i < b->cert.sigs.sigs_len; i++)
			printf(" %u", b->cert.sigs.sigs_val[i].replica);
		putchar('\n');
	} else {
		puts("    no certificate that holds covers it");
	}
	for (size_t i = 0; i < r->ledger_cnt; i++)
		if (r->ledgers[i].side == side)
			out_field(8, "    in", "%s", r->ledgers[i].path);
}

static void print_divergence(const struct audit_report *r, const struct genesis *g)
{
	const struct audit_divergence *d = &r->divergence;
	if (!r->diverged)
		return;
	printf("\nThe ledgers hold different blocks from height %" PRIu64 " on:\n", (uint64_t)d->height.n);
	print_branch(r, &d->a, SIDE_A);
	print_branch(r, &d->b, SIDE_B);
	for (unsigned i = 0; i < g->n; i++)
		if (d->culprits >> i & 1)
			printf("  replica %u (%s) signed both: no honest replica does\n", i,
			       g->g.replicas.replicas_val[i].name);
}

/* What was proven, of what this chain has. */
static void print_proven(const struct audit_report *r, const struct genesis *g)
{
	const char *seals = g->g.seal.kind == QSEAL_NONE ? "" : ", every seal holds";
	const char *stakes = g->g.proposer.kind == QPROPOSER_PRIMARY ? "" : ", stakes and penalties add up";

	printf("height %" PRIu64 ", %" PRIu64 " transaction%s, every signature holds%s%s, ",
	       (uint64_t)r->height.n, r->transactions, r->transactions == 1 ? "" : "s", seals, stakes);
	puts("no output was spent twice");
}

static void print_verdict(const struct audit_report *r, const struct genesis *g)
{
	const char *bad = out_style(stdout, OUT_BAD), *good = out_style(stdout, OUT_GOOD);
	const char *plain = out_style(stdout, OUT_PLAIN);
	size_t failed = 0;
	for (size_t i = 0; i < r->ledger_cnt; i++)
		failed += !r->ledgers[i].ok;
	putchar('\n');
	if (r->ok && r->ledger_cnt == 1)
		printf("%sok%s: the ledger is whole: ", good, plain);
	else if (r->ok)
		printf("%sok%s: %zu ledgers tell one story: ", good, plain, r->ledger_cnt);
	if (r->ok)
		print_proven(r, g);
	else if (failed)
		printf("%sfailed%s: %zu of %zu ledgers cannot be proven%s\n", bad, plain, failed,
		       r->ledger_cnt, r->diverged ? ", and they diverge" : "");
	else
		printf("%sfailed%s: the ledgers diverge\n", bad, plain);
}

static void print_text(const struct audit_report *r, const struct genesis *g)
{
	print_ledgers(r);
	for (size_t i = 0; i < r->ledger_cnt; i++)
		print_findings(&r->ledgers[i]);
	print_divergence(r, g);
	print_verdict(r, g);
}

/* ---- the command ---------------------------------------------------------------------- */

static int audit(const struct audit_args *args)
{
	const char *path = access_genesis_path(&args->common);
	bool terminal = isatty(STDERR_FILENO);
	struct audit_options options = {.progress = terminal ? show_progress : NULL};
	struct audit_report report;
	struct err err = {0};

	if (path == NULL)
		return cmd_error(
		    ERR_INPUT, "--genesis is missing: an audit trusts the chain's genesis and nothing else");
	struct genesis *g = genesis_load(path, &err);
	if (g == NULL)
		return cmd_fail(&err);
	bool ok = audit_run((const char *const *)args->paths, args->cnt, g, &options, &report, &err);
	if (terminal)
		fputs(CLEAR_LINE, stderr);
	int code = EXIT_DONE;
	if (ok) {
		(args->common.json ? print_json : print_text)(&report, g);
		code = report.ok ? EXIT_DONE : EXIT_NO;
		audit_report_free(&report);
	} else {
		code = cmd_fail(&err);
	}
	genesis_free(g);
	return code;
}

int cmd_audit(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"genesis", 'g', "FILE", 0,
	     "The chain's genesis, the one thing that is trusted. Default: ./testnet/genesis.json if it is "
	     "there",
	     1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_audit,
	    .args_doc = "LEDGER...",
	    .doc =
	        "Proves ledgers offline, from the genesis to the last signature: every link, Merkle root, "
	        "seal, certificate and signature; no block by a replica that had no turn; no value made or "
	        "lost, no output spent twice; stakes and penalties as the rules ask; every row of every "
	        "table what the replayed chain says. Several ledgers must tell one story; the first height "
	        "at which they do not is found.\v"
	        "LEDGER is a ledger file or a node's home. The node may be running. Exit code: 0 ok, "
	        "1 failed, 2 not a ledger of this chain.",
	    .children = children,
	};
	struct audit_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	int code = audit(&args);
	for (size_t i = 0; i < args.cnt; i++)
		free(args.paths[i]);
	free(args.paths);
	return code;
}
