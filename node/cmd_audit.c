/*
 * cmd_audit.c: `quorate audit LEDGER... --genesis G`: proves ledgers offline and says what is wrong with
 * them, and who is to blame.
 *
 * ledger/audit does it all; audit_report and audit_json say it; here is the command line.  Exit: 0 ok, 1
 * failed, 2 something that is no ledger of this chain, 3 the evidence could not be written.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "audit_report.h"
#include "cmd.h"
#include "evidence_file.h"
#include "out.h"
#include "text.h"

struct audit_args {
	struct cmd_common common;
	char **paths; /* owned, and so are the texts */
	size_t cnt;
	uint64_t since;
	const char *evidence; /* --evidence FILE, or NULL */
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
	case 's':
		if (!text_u64(arg, INT64_MAX, &args->since) || args->since == 0)
			argp_error(state, "--since \"%.40s\": a height is a number above 0", arg);
		return 0;
	case 'e':
		args->evidence = arg;
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

/* ---- before it begins --------------------------------------------------------------- */

/* One file against itself tells one story whatever it holds. */
static bool are_distinct(const struct audit_args *args, struct err *err)
{
	struct stat *seen = xcalloc(args->cnt, sizeof *seen);
	bool *there = xcalloc(args->cnt, sizeof *there), ok = true;
	for (size_t i = 0; i < args->cnt && ok; i++) {
		there[i] = stat(args->paths[i], &seen[i]) == 0;
		for (size_t k = 0; k < i && ok; k++)
			if (there[i] && there[k] && seen[i].st_dev == seen[k].st_dev &&
			    seen[i].st_ino == seen[k].st_ino)
				ok = err_set(err, ERR_INPUT, "%s and %s are one ledger; name each once",
				             args->paths[k], args->paths[i]);
	}
	free(seen);
	free(there);
	return ok;
}

/* An audit may take long: what it cannot write is said before. */
static bool is_free(const char *path, struct err *err)
{
	struct stat st;
	if (path == NULL || lstat(path, &st) != 0)
		return true;
	return err_set(err, ERR_INPUT, "%s: is there already; choose another name or remove it", path);
}

/* ---- progress ----------------------------------------------------------------------- */

#define CLEAR_LINE "\r\033[K"

static void show_progress(void *ctx, const char *path, struct qheight at, struct qheight of)
{
	(void)ctx;
	fprintf(stderr, CLEAR_LINE "%s: block %" PRIu64 " of %" PRIu64, path, (uint64_t)at.n, (uint64_t)of.n);
	fflush(stderr);
}

/* ---- the evidence ------------------------------------------------------------------- */

/* *written: it is in the file now. False: it could not be. */
static bool write_evidence(const char *path, const struct genesis *g, const struct audit_report *r,
                           bool *written, struct err *err)
{
	const struct qevidence *ev = r->diverged ? r->divergence.evidence : NULL;
	size_t len;
	if (path == NULL)
		return true;
	char *text = ev != NULL ? evidence_format(g, ev, &len) : NULL;
	if (text == NULL) {
		out_note("no fork was found, so nothing is written to %s", path);
		return true;
	}
	*written = text_write_new(path, 0644, text, len, err);
	free(text);
	return *written;
}

/* ---- the command -------------------------------------------------------------------- */

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

/* Prints it; the exit code. */
static int conclude(const struct audit_args *args, const struct genesis *g, const char *genesis_path,
                    const struct audit_options *o, const struct audit_report *r)
{
	struct audit_said said = {.genesis = g, .genesis_path = genesis_path, .threads = o->threads};
	struct err err = {0};
	bool written = false;
	bool ok = write_evidence(args->evidence, g, r, &written, &err);
	if (written)
		said.evidence = args->evidence;
	(args->common.json ? audit_print_json : audit_print_text)(r, &said);
	return !ok ? cmd_fail(&err) : r->ok ? EXIT_DONE : EXIT_NO;
}

static int audit(const struct audit_args *args)
{
	const char *path = access_genesis_path(&args->common);
	bool terminal = isatty(STDERR_FILENO);
	struct audit_options options = {.threads = cores(),
	                                .since = {args->since},
	                                .measure = true,
	                                .progress = terminal ? show_progress : NULL};
	struct audit_report report;
	struct err err = {0};

	if (path == NULL)
		return cmd_error(
		    ERR_INPUT, "--genesis is missing: an audit trusts the chain's genesis and nothing else");
	if (!are_distinct(args, &err) || !is_free(args->evidence, &err))
		return cmd_fail(&err);
	struct genesis *g = genesis_load(path, &err);
	if (g == NULL)
		return cmd_fail(&err);
	bool ok = audit_run((const char *const *)args->paths, args->cnt, g, &options, &report, &err);
	if (terminal)
		fputs(CLEAR_LINE, stderr);
	int code = ok ? conclude(args, g, path, &options, &report) : cmd_fail(&err);
	if (ok)
		audit_report_free(&report);
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
	    {"since", 's', "HEIGHT", 0,
	     "Begin at the newest checkpoint at or below this height, whose certificate and state are "
	     "verified, instead of the genesis",
	     1},
	    {"evidence", 'e', "FILE", 0,
	     "Where ledgers hold two chains that are both certified: write the proof of it, and of who made "
	     "them, to a new file for `quorate evidence verify`",
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
	        "at which they do not is found, and who made it so.\v"
	        "LEDGER is a ledger file or a node's home. The node may be running. Of each ledger it says "
	        "in "
	        "a word what became of it: sound, behind, damaged, tampered (by its operator), betrayed or "
	        "forked (by more than f replicas). Exit code: 0 ok, 1 failed, 2 not a ledger of this chain.",
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
