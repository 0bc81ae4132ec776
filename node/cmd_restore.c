/*
 * cmd_restore.c: `quorate restore`: a backup becomes the ledger of a home, once the audit has proven it; the
 * one that was there is kept (aside.h), and so is the vote log (cmd_backup.c tells why).
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aside.h"
#include "cmd_backup.h"
#include "home.h"
#include "out.h"

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
		json_t *said = json_pack("{s:o, s:o, s:I, s:s}", "restored", backup_json_path(home->ledger),
		                         "moved_aside", backup_json_path(aside), "transactions",
		                         (json_int_t)transactions, "vote_log", votes ? "kept" : "missing");
		backup_say(f, said);
		out_json_take(said);
	} else {
		out_field(BACKUP_WIDTH, "restored", "%s", home->ledger);
		backup_say(f, NULL);
		out_field(BACKUP_WIDTH, "checked",
		          "by the audit, from the genesis to the last signature: %" PRIu64 " transactions",
		          transactions);
		if (aside != NULL)
			out_field(BACKUP_WIDTH, "moved aside", "%s", aside);
		out_field(BACKUP_WIDTH, "vote log",
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
	struct backup *b = backup_start(home->ledger, err);
	if (b == NULL)
		return false;
	bool ok = backup_make(b, args->file, g, &facts, err) &&
	          backup_prove(b, args->file, g, &transactions, err) &&
	          give_to_owner(home, backup_path(b), err);
	if (ok) {
		backup_hold_signals(SIG_BLOCK); /* between the two the home has no ledger */
		ok = aside_move(home->ledger, &aside, err) && backup_publish(b, false, err);
	}
	backup_end(b);
	backup_hold_signals(SIG_UNBLOCK);
	if (ok)
		say_restored(args, home, &facts, transactions, aside);
	else if (aside != NULL)
		out_note("the ledger that was there: %s", aside);
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

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct backup_args *args = state->input;
	switch (key) {
	case ARGP_KEY_ARG:
		if (args->file != NULL)
			argp_error(state, "what is \"%.40s\"? One backup is restored at a time", arg);
		args->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->file == NULL)
			argp_error(state, "name the backup");
		return backup_option(key, arg, state);
	default:
		return backup_option(key, arg, state);
	}
}

int cmd_restore(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"home", BACKUP_KEY_HOME, "DIR", 0, "The replica's home", 1},
	    {"genesis", 'g', "FILE", 0, "The chain's genesis, where the home has none yet", 1},
	    {"force", BACKUP_KEY_FORCE, NULL, 0, "Move a ledger that is there aside; nothing is removed", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse,
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
