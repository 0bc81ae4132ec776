/*
 * cmd_genesis_from.c: --from LEDGER: the end of the old chain that a new genesis carries on.
 *
 * What is taken over has to be final, so the ledgers are audited first; and it has to be the end, so of
 * several the longest counts, and no replica may run any more where that can be seen.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "audit.h"
#include "cmd_genesis.h"
#include "home.h"
#include "out.h"

void genesis_from_add(struct genesis_from *from, const char *arg)
{
	from->ledgers = xrealloc(from->ledgers, (from->cnt + 1) * sizeof *from->ledgers);
	from->ledgers[from->cnt++] = access_ledger_path(arg);
}

void genesis_from_free(struct genesis_from *from)
{
	for (size_t i = 0; i < from->cnt; i++)
		free(from->ledgers[i]);
	free(from->ledgers);
	genesis_free(from->was);
	*from = (struct genesis_from){0};
}

bool genesis_from_load(struct genesis_from *from, struct err *err)
{
	struct cmd_common common = {.genesis = from->genesis_path};
	const char *path = access_genesis_path(&common);
	if (path == NULL)
		return err_set(
		    err, ERR_INPUT,
		    "--genesis is missing: the old chain's, by which --from's ledgers are audited");
	from->was = genesis_load(path, err);
	return from->was != NULL;
}

/* A replica whose key signed for another chain has no vote log for this one, and would never dare to vote. */
bool genesis_from_keys(const struct genesis_from *from, const struct qgenesis *heir, enum err_kind kind,
                       struct err *err)
{
	for (u_int i = 0; i < heir->replicas.replicas_len; i++)
		if (genesis_replica_of(from->was, &heir->replicas.replicas_val[i].key) >= 0)
			return err_set(
			    err, kind,
			    "replica %s: has its key of the old chain; a key and its vote log are for one "
			    "chain: `quorate node init` makes a new home",
			    heir->replicas.replicas_val[i].name);
	return true;
}

bool genesis_from_stopped(const struct genesis_from *from, struct err *err)
{
	for (size_t i = 0; i < from->cnt; i++) {
		char *dir = xstrdup(from->ledgers[i]), *slash = strrchr(dir, '/');
		if (slash != NULL)
			*slash = '\0';
		pid_t pid = home_holder(slash != NULL ? dir : ".", NULL);
		free(dir);
		if (pid > 0)
			return err_set(
			    err, ERR_INPUT,
			    "--from %s: process %d runs there; stop every replica of the old chain "
			    "first: what becomes final from now on would be lost",
			    from->ledgers[i], (int)pid);
	}
	return true;
}

/* ---- the audit --------------------------------------------------------------------- */

#define CLEAR_LINE "\r\033[K"

static void show_progress(void *ctx, const char *path, struct qheight at, struct qheight of)
{
	(void)ctx;
	fprintf(stderr, CLEAR_LINE "auditing %s: block %" PRIu64 " of %" PRIu64, path, (uint64_t)at.n,
	        (uint64_t)of.n);
	fflush(stderr);
}

static bool say_failed(const struct audit_report *r, struct err *err)
{
	for (size_t i = 0; i < r->ledger_cnt; i++) {
		const struct audit_ledger *l = &r->ledgers[i];
		if (!l->ok && l->finding_cnt > 0)
			return err_set(
			    err, ERR_NO, "%s: %s: height %" PRIu64 ", %s: %s; quorate audit tells all of it",
			    l->path, audit_standing_name(l->standing), (uint64_t)l->findings[0].height.n,
			    l->findings[0].where, l->findings[0].message);
	}
	return err_set(err, ERR_NO,
	               "the ledgers hold two chains from height %" PRIu64
	               " on; quorate audit says which of them lied: name only ledgers of one",
	               (uint64_t)r->divergence.height.n);
}

/* The index of the longest ledger, and its height; all of them are sound. */
static bool audit_all(const struct genesis_from *from, size_t *longest, struct qheight *height,
                      struct err *err)
{
	bool terminal = isatty(STDERR_FILENO);
	struct audit_options options = {.progress = terminal ? show_progress : NULL};
	struct audit_report r;
	bool ran = audit_run((const char *const *)from->ledgers, from->cnt, from->was, &options, &r, err);
	if (terminal)
		fputs(CLEAR_LINE, stderr);
	if (!ran)
		return err_prefix(err, "--from");
	bool ok = r.ok || say_failed(&r, err);
	*longest = 0;
	for (size_t i = 1; i < r.ledger_cnt; i++)
		if (r.ledgers[i].height.n > r.ledgers[*longest].height.n)
			*longest = i;
	*height = r.ledgers[*longest].height;
	for (size_t i = 0; ok && i < r.ledger_cnt; i++)
		if (r.ledgers[i].height.n < height->n)
			out_note("note: %s ends at height %" PRIu64 ", %s at %" PRIu64 ": that counts",
			         r.ledgers[i].path, (uint64_t)r.ledgers[i].height.n, r.ledgers[*longest].path,
			         (uint64_t)height->n);
	audit_report_free(&r);
	return ok;
}

bool genesis_from_make(const struct genesis_from *from, const struct qgenesis *heir, struct succession *out,
                       struct err *err)
{
	size_t longest;
	struct qheight height;
	if (!audit_all(from, &longest, &height, err))
		return false;
	struct ledger *l = ledger_look(from->ledgers[longest], from->was, err);
	if (l == NULL)
		return false;
	bool ok =
	    ledger_height(l).n == height.n
	        ? succession_make(l, from->was, heir, Q_ALLOCS_MAX, out, err)
	        : err_set(err, ERR_WORLD, "--from %s: it grew while it was audited; stop every replica first",
	                  from->ledgers[longest]);
	ledger_close(l);
	return ok;
}
