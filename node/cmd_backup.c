/*
 * cmd_backup.c: `quorate backup`: a copy of a ledger while its node runs; `quorate restore`: such a copy back
 * into a home.
 *
 * ledger/backup.c copies and names, the audit proves; here is what is asked of them, and what is never
 * copied: the vote log (votes.h).  A copy of it is old as soon as its replica signs once more, and a replica
 * that is started with an old one may sign the opposite of what it signed since.  With none it keeps silent
 * until it cannot (rule ST5).  So a backup has no vote log, and a restore leaves alone the one that is there,
 * which knows of every vote up to the last, whatever became of the ledger.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "audit.h"
#include "backup.h"
#include "cmd.h"
#include "home.h"
#include "out.h"
#include "text.h"

#define WIDTH 12 /* of the column of names */
#define CLEAR_LINE "\r\033[K"

struct backup_args {
	struct cmd_common common;
	const char *home, *file; /* the home (or ledger); the copy */
	bool force, verify;
};

/* ---- signals, progress --------------------------------------------------------------- */

/* What Ctrl-C must not leave behind: the copy that is not finished. */
static char unfinished[PATH_MAX];

static void remove_unfinished(int number)
{
	unlink(unfinished);
	signal(number, SIG_DFL);
	raise(number);
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

/* SIG_BLOCK: from here on they wait. SIG_UNBLOCK: no longer. */
static void hold_signals(int how)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaddset(&set, ends[i]);
	sigprocmask(how, &set, NULL);
}

/* backup_begin(), and no signal leaves what it made. */
static struct backup *begin(const char *to, struct err *err)
{
	hold_signals(SIG_BLOCK);
	struct backup *b = backup_begin(to, err);
	if (b != NULL) {
		/* A longer path could not have been opened. */
		snprintf(unfinished, sizeof unfinished, "%s", backup_path(b));
		for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
			if (signal(ends[i], remove_unfinished) == SIG_IGN) /* nohup */
				signal(ends[i], SIG_IGN);
		signal(SIGXFSZ, SIG_IGN); /* a file too large is an error of write(), as a full disk is */
	}
	hold_signals(SIG_UNBLOCK);
	return b;
}

static bool on_terminal(void)
{
	return isatty(STDERR_FILENO);
}

static void show_copied(void *ctx, uint64_t done, uint64_t pages)
{
	(void)ctx;
	fprintf(stderr, CLEAR_LINE "copying: %" PRIu64 " of %" PRIu64 " pages", done, pages);
	fflush(stderr);
}

static void show_audited(void *ctx, const char *path, struct qheight at, struct qheight of)
{
	(void)ctx;
	(void)path;
	fprintf(stderr, CLEAR_LINE "verifying: block %" PRIu64 " of %" PRIu64, (uint64_t)at.n,
	        (uint64_t)of.n);
	fflush(stderr);
}

static void clear_line(void)
{
	if (on_terminal())
		fputs(CLEAR_LINE, stderr);
}

/* ---- the two steps that both commands have --------------------------------------------- */

static bool copy(struct backup *b, const char *from, const struct genesis *g, struct backup_facts *facts,
                 struct err *err)
{
	struct backup_progress progress = {.told = on_terminal() ? show_copied : NULL};
	bool ok = backup_copy(b, from, g != NULL ? &g->chain : NULL, &progress, facts, err);
	clear_line();
	return ok;
}

/* The audit, on the copy; `of`: what it is a copy of.  False with ERR_NO: what it found first. */
static bool prove(const struct backup *b, const char *of, const struct genesis *g, uint64_t *transactions,
                  struct err *err)
{
	struct audit_options options = {.progress = on_terminal() ? show_audited : NULL};
	struct audit_report report;
	const char *path = backup_path(b);
	bool ran = audit_run(&path, 1, g, &options, &report, err), ok = false;
	clear_line();
	if (!ran)
		return err_prefix(err, "the copy of %s", of);
	const struct audit_ledger *l = &report.ledgers[0];
	ok = report.ok;
	*transactions = l->transactions;
	if (!ok)
		err_set(err, ERR_NO, "%s: %s: height %" PRIu64 ", %s: %s; quorate audit tells all of it", of,
		        audit_standing_name(l->standing), (uint64_t)l->findings[0].height.n,
		        l->findings[0].where, l->findings[0].message);
	audit_report_free(&report);
	return ok;
}

/* A path may be no UTF-8, and JSON knows nothing else. */
static json_t *json_path(const char *path)
{
	json_t *text = path != NULL ? json_string(path) : NULL;
	return text != NULL ? text : json_null();
}

/* What both say of the copy: in `to`, or as text where that is NULL. */
static void say_facts(const struct backup_facts *f, json_t *to)
{
	char chain[QHASH_HEX], block[QHASH_HEX];
	hex_encode(chain, f->chain.b, sizeof f->chain.b);
	hex_encode(block, f->block.b, sizeof f->block.b);
	if (to != NULL) {
		json_object_set_new(to, "chain", json_string(chain));
		json_object_set_new(to, "height", json_integer((json_int_t)f->height.n));
		json_object_set_new(to, "block", json_string(block));
		json_object_set_new(to, "bytes", json_integer((json_int_t)f->bytes));
		return;
	}
	out_field(WIDTH, "chain", "%s", chain);
	out_field(WIDTH, "height", "%" PRIu64, (uint64_t)f->height.n);
	out_field(WIDTH, "block", "%s", block);
	out_field(WIDTH, "bytes", "%" PRIu64, f->bytes);
}

/* ---- backup ------------------------------------------------------------------------------ */

static void say_backup(const struct backup_args *args, const struct backup_facts *f, uint64_t transactions)
{
	if (args->common.json) {
		json_t *said = json_pack("{s:o, s:s, s:b, s:s}", "backup", json_path(args->file), "structure",
		                         "ok", "verified", args->verify, "vote_log", "left_out");
		if (args->verify)
			json_object_set_new(said, "transactions", json_integer((json_int_t)transactions));
		say_facts(f, said);
		out_json_take(said);
	} else {
		out_field(WIDTH, "backup", "%s", args->file);
		say_facts(f, NULL);
		if (args->verify)
			out_field(WIDTH, "checked",
			          "by the audit, from the genesis to the last signature: %" PRIu64
			          " transactions",
			          transactions);
		else
			out_field(WIDTH, "checked",
			          "chain, tip and the file's structure; no signature (--verify does)");
		out_field(WIDTH, "vote log", "left out, always: with an old one a replica may sign twice");
	}
	out_note("to put it back: quorate restore %s --home HOME", args->file);
}

/* The genesis that the ledger has to be of: --genesis, else that of the home that was named.  *g is NULL
 * where there is neither. */
static bool find_genesis(const struct backup_args *args, struct genesis **g, struct err *err)
{
	struct stat st;
	struct home home;
	*g = NULL;
	if (stat(args->home, &st) != 0)
		return err_set(err, ERR_INPUT, "%s: %s", args->home, strerror(errno));
	home_paths(&home, args->home);
	const char *path = args->common.genesis != NULL ? args->common.genesis
	                   : S_ISDIR(st.st_mode)        ? home.genesis
	                                                : NULL;
	if (path != NULL)
		*g = genesis_load(path, err);
	home_free(&home);
	return path == NULL || *g != NULL;
}

static bool make_backup(const struct backup_args *args, const char *ledger, const struct genesis *g,
                        struct err *err)
{
	struct backup_facts facts;
	uint64_t transactions = 0;
	if (!backup_may_take(args->file, args->force, err))
		return false;
	struct backup *b = begin(args->file, err);
	if (b == NULL)
		return false;
	bool ok = copy(b, ledger, g, &facts, err) &&
	          (!args->verify || prove(b, ledger, g, &transactions, err)) &&
	          backup_publish(b, args->force, err);
	backup_end(b);
	if (ok)
		say_backup(args, &facts, transactions);
	return ok;
}

static int backup(const struct backup_args *args)
{
	struct err err = {0};
	struct genesis *g;
	if (!find_genesis(args, &g, &err))
		return cmd_fail(&err);
	if (args->verify && g == NULL)
		return cmd_error(ERR_INPUT,
		                 "--verify: --genesis is missing: an audit trusts the chain's genesis "
		                 "and nothing else");
	char *ledger = access_ledger_path(args->home);
	bool ok = make_backup(args, ledger, g, &err);
	free(ledger);
	genesis_free(g);
	return ok ? EXIT_DONE : cmd_fail(&err);
}

enum { KEY_HOME = 0x200, KEY_TO, KEY_FORCE, KEY_VERIFY };

static error_t parse_backup(int key, char *arg, struct argp_state *state)
{
	struct backup_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'g':
		args->common.genesis = arg;
		return 0;
	case KEY_HOME:
		args->home = arg;
		return 0;
	case KEY_TO:
		args->file = arg;
		return 0;
	case KEY_FORCE:
		args->force = true;
		return 0;
	case KEY_VERIFY:
		args->verify = true;
		return 0;
	case ARGP_KEY_END:
		if (args->home == NULL)
			argp_error(state, "--home is missing");
		if (args->file == NULL)
			argp_error(state, "--to is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_backup(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"home", KEY_HOME, "DIR", 0, "The replica's home, or a ledger file", 1},
	    {"to", KEY_TO, "FILE", 0, "The copy: a new file", 1},
	    {"verify", KEY_VERIFY, NULL, 0, "Audit the copy before it gets its name", 1},
	    {"genesis", 'g', "FILE", 0, "The chain's genesis. Default: the one in the home", 1},
	    {"force", KEY_FORCE, NULL, 0, "Replace an earlier backup of this name", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_backup,
	    .doc =
	        "Copies a ledger, while its node runs or not: one state of it, as of one block, into one "
	        "file "
	        "of mode 0600 that takes its name when it is whole and on disk.\v"
	        "The vote log (votes.db) is not copied, and must not be by other means: it is old with the "
	        "next vote, and a replica that is started with an old one may sign the opposite of what it "
	        "signed since. `quorate restore` puts a backup back, and says how the replica gets on "
	        "without "
	        "one. Exit code: 0 done, 1 --verify found the ledger wrong, 2 wrong usage or no ledger of "
	        "this chain, 3 it could not be written.",
	    .children = children,
	};
	struct backup_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return backup(&args);
}

/* ---- restore ------------------------------------------------------------------------------ */

/* The home's ledger and its companions get new names: a ledger still, for the question what became of it.
 * *aside (free() it): the ledger's; NULL where there was none. */
static bool move_aside(const struct home *home, char **aside, struct err *err)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
	char when[32];
	time_t now = time(NULL);
	struct tm utc;
	*aside = NULL;
	if (backup_found(home->ledger) == NULL)
		return true;
	strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	*aside = text_format("%s.replaced-%s", home->ledger, when);
	if (backup_found(*aside) != NULL)
		return err_set(err, ERR_WORLD, "%s: is there already; try again", *aside);
	bool ok = true;
	/* The ledger first: without its WAL it would be an older one, and maybe a broken one; the WAL without
	 * it is nothing. */
	for (size_t i = 0; i < sizeof endings / sizeof *endings && ok; i++) {
		char *from = text_format("%s%s", home->ledger, endings[i]);
		char *to = text_format("%s%s", *aside, endings[i]);
		ok = rename(from, to) == 0 || errno == ENOENT ||
		     err_set(err, ERR_WORLD, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
		free(from);
		free(to);
	}
	return ok;
}

/* Root may do this for the user whom the home belongs to, and whose node has to open these files. */
static bool give_to_owner(const struct home *home, const char *path, struct err *err)
{
	struct stat st;
	if (geteuid() != 0)
		return true;
	return (stat(home->dir, &st) == 0 && lchown(path, st.st_uid, st.st_gid) == 0) ||
	       err_set(err, ERR_WORLD, "%s: cannot be given to the owner of %s: %s", path, home->dir,
	               strerror(errno));
}

static void say_restored(const struct backup_args *args, const struct home *home,
                         const struct backup_facts *f, uint64_t transactions, const char *aside)
{
	bool votes = access(home->votes, F_OK) == 0;
	if (args->common.json) {
		json_t *said = json_pack("{s:o, s:o, s:I, s:s}", "restored", json_path(home->ledger),
		                         "moved_aside", json_path(aside), "transactions",
		                         (json_int_t)transactions, "vote_log", votes ? "kept" : "missing");
		say_facts(f, said);
		out_json_take(said);
	} else {
		out_field(WIDTH, "restored", "%s", home->ledger);
		say_facts(f, NULL);
		out_field(WIDTH, "checked",
		          "by the audit, from the genesis to the last signature: %" PRIu64 " transactions",
		          transactions);
		if (aside != NULL)
			out_field(WIDTH, "moved aside", "%s", aside);
		out_field(WIDTH, "vote log",
		          votes
		              ? "kept: it is this home's own; if it was put there from a copy, move it away"
		              : "none: the replica follows the chain at once, and votes again when it cannot "
		                "contradict itself");
	}
	out_note("start it: quorate node --home %s; what is missing it fetches from the others", home->dir);
}

/* With the home locked. */
static bool restore_into(const struct backup_args *args, const struct home *home, const struct genesis *g,
                         struct err *err)
{
	struct backup_facts facts;
	uint64_t transactions = 0;
	char *aside = NULL;
	const char *found = backup_found(home->ledger);
	if (found != NULL && !args->force)
		return err_set(
		    err, ERR_INPUT,
		    "%s%s: is there already; --force moves it aside before the backup takes its place",
		    home->ledger, found);
	struct backup *b = begin(home->ledger, err);
	if (b == NULL)
		return false;
	bool ok = copy(b, args->file, g, &facts, err) && prove(b, args->file, g, &transactions, err) &&
	          give_to_owner(home, backup_path(b), err);
	if (ok) {
		hold_signals(SIG_BLOCK); /* between the two the home has no ledger */
		ok = move_aside(home, &aside, err) && backup_publish(b, false, err);
	}
	backup_end(b);
	hold_signals(SIG_UNBLOCK);
	if (ok)
		say_restored(args, home, &facts, transactions, aside);
	else if (aside != NULL)
		out_note("the ledger that was there: %s, as far as it was moved", aside);
	free(aside);
	return ok;
}

/* The home's own genesis, which its node goes by; the one that was named must be of the same chain, and
 * stands in for it where there is none yet. NULL with *err. */
static struct genesis *home_genesis(const struct backup_args *args, const struct home *home, struct err *err)
{
	const char *named = args->common.genesis;
	bool own = access(home->genesis, F_OK) == 0;
	if (!own && named == NULL) {
		err_set(err, ERR_INPUT, "%s: %s; put the chain's genesis there, or name it with --genesis",
		        home->genesis, strerror(errno));
		return NULL;
	}
	struct genesis *g = genesis_load(own ? home->genesis : named, err);
	if (g == NULL || !own || named == NULL)
		return g;
	struct genesis *other = genesis_load(named, err);
	bool same = other != NULL && qhash_eq(&g->chain, &other->chain);
	if (other != NULL && !same)
		err_set(err, ERR_INPUT, "%s and %s are of different chains; a home has one chain", named,
		        home->genesis);
	genesis_free(other);
	if (same)
		return g;
	genesis_free(g);
	return NULL;
}

static int restore(const struct backup_args *args)
{
	struct err err = {0};
	struct home home;
	struct stat st;
	if (stat(args->home, &st) != 0 || !S_ISDIR(st.st_mode))
		return cmd_error(ERR_INPUT, "%s: no home is there; quorate node init makes one", args->home);
	home_paths(&home, args->home);
	struct genesis *g = home_genesis(args, &home, &err);
	bool ok = g != NULL && home_lock(&home, &err) && give_to_owner(&home, home.lock, &err) &&
	          restore_into(args, &home, g, &err);
	genesis_free(g);
	home_free(&home);
	return ok ? EXIT_DONE : cmd_fail(&err);
}

static error_t parse_restore(int key, char *arg, struct argp_state *state)
{
	struct backup_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'g':
		args->common.genesis = arg;
		return 0;
	case KEY_HOME:
		args->home = arg;
		return 0;
	case KEY_FORCE:
		args->force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->file != NULL)
			argp_error(state, "what is \"%.40s\"? One backup is restored at a time", arg);
		args->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->file == NULL)
			argp_error(state, "name the backup");
		if (args->home == NULL)
			argp_error(state, "--home is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_restore(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"home", KEY_HOME, "DIR", 0, "The replica's home", 1},
	    {"genesis", 'g', "FILE", 0, "The chain's genesis, where the home has none yet", 1},
	    {"force", KEY_FORCE, NULL, 0, "Move a ledger that is there aside; nothing is removed", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_restore,
	    .args_doc = "FILE",
	    .doc =
	        "Puts a backup (or any other ledger of this chain) into the home of a replica that does not "
	        "run: copies it, audits the copy from the genesis to the last signature, and only then gives "
	        "it the ledger's place. Nothing else in the home is touched.\v"
	        "Leave the vote log alone where it is still there; never put back an old one. Without one "
	        "the "
	        "replica follows the chain and serves clients, but keeps silent until a stable checkpoint "
	        "lies "
	        "far enough above whatever it can have signed. Exit code: 0 done, 1 the backup is wrong, 2 "
	        "wrong usage, no ledger of this chain or one is there already, 3 the home is in use or "
	        "cannot "
	        "be written.",
	    .children = children,
	};
	struct backup_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return restore(&args);
}
