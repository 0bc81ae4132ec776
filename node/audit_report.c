/*
 * audit_report.c: the audit's report for people: ledgers and what became of them, what was found, where
 * ledgers part and who made them, how fast it went; the last line is the verdict.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "audit_report.h"
#include "cert.h"
#include "out.h"
#include "text.h"

char *audit_replica(const struct genesis *g, unsigned i)
{
	return text_format("replica %u (%s)", i, g->g.replicas.replicas_val[i].name);
}

double audit_ratio(const struct audit_speed *s)
{
	return s->seconds > 0 ? s->bound_seconds / s->seconds : 0;
}

/* "replica 1 (a), replica 2 (b)" */
static void put_replicas(const struct genesis *g, uint64_t mask)
{
	const char *between = "";
	for (unsigned i = 0; i < g->n; i++) {
		if (!(mask >> i & 1))
			continue;
		char *name = audit_replica(g, i);
		printf("%s%s", between, name);
		free(name);
		between = ", ";
	}
}

/* "12,345" */
static void put_count(uint64_t n)
{
	char digits[24], *p = digits;
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
	for (; len > 0; len--, p++) {
		putchar(*p);
		if (len > 1 && len % 3 == 1)
			putchar(',');
	}
}

/* ---- ledgers ------------------------------------------------------------------------ */

static enum out_style style_of(enum audit_standing s)
{
	return s == STANDING_SOUND || s == STANDING_BEHIND ? OUT_GOOD : OUT_BAD;
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
		out_table_cell(t, "%s", audit_standing_name(l->standing));
		out_table_style(t, style_of(l->standing));
	}
	out_table_end(t);
}

/* Once for each that there is. */
static void print_meanings(const struct audit_report *r)
{
	bool first = true;
	for (int s = STANDING_BEHIND; s <= STANDING_FORKED; s++) {
		bool any = false;
		for (size_t i = 0; i < r->ledger_cnt; i++)
			any |= (int)r->ledgers[i].standing == s;
		if (!any)
			continue;
		printf("%s%s: %s\n", first ? "\n" : "", audit_standing_name((enum audit_standing)s),
		       audit_standing_meaning((enum audit_standing)s));
		first = false;
	}
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

/* ---- two blocks --------------------------------------------------------------------- */

static void put_time(uint64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm utc;
	char when[32];
	if (time_ms <= INT64_MAX && gmtime_r(&seconds, &utc) != NULL &&
	    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &utc) > 0)
		printf("%s UTC", when);
	else
		printf("%" PRIu64 " ms since 1970", time_ms);
}

static void print_header(const struct genesis *g, const struct qheader *h)
{
	if (h->height.n == 0)
		return;
	printf("    proposed by ");
	if (h->proposer < g->n)
		put_replicas(g, UINT64_C(1) << h->proposer);
	else
		printf("replica %u, which there is not", h->proposer);
	fputs(", ", stdout);
	put_time(h->time_ms);
	printf(", %u transaction%s\n", h->tx_count, h->tx_count == 1 ? "" : "s");
}

static void print_cert(const struct genesis *g, const struct audit_branch *b)
{
	const struct qvote *v = &b->cert.vote;
	if (!b->certified) {
		puts("    no certificate that holds covers it");
		return;
	}
	printf("    final by %ss for height %" PRIu64, b->cert.kind == QCOMMIT ? "COMMIT" : "CHECKPOINT",
	       (uint64_t)v->height.n);
	if (b->cert.kind == QCOMMIT)
		printf(" in view %" PRIu64, (uint64_t)v->view.n);
	fputs(", signed by ", stdout);
	put_replicas(g, cert_signers(&b->cert));
	putchar('\n');
}

static void print_branch(const struct audit_report *r, const struct genesis *g, char name,
                         const struct audit_branch *b, enum audit_side side)
{
	char hash[QHASH_HEX];
	printf("  %c  %s\n", name, hex_encode(hash, b->block.b, sizeof b->block.b));
	print_header(g, &b->header);
	print_cert(g, b);
	for (size_t i = 0; i < r->ledger_cnt; i++)
		if (r->ledgers[i].side == side)
			out_field(8, "    in", "%s", r->ledgers[i].path);
}

/* ---- whose fault it is -------------------------------------------------------------- */

/* The side whose certificate the others hid, and the other one. */
static char hidden_side(const struct audit_divergence *d)
{
	const struct qvote *first = &d->evidence->qevidence_u.fork.first.cert.vote;
	return qhash_eq(&first->block, &d->a.cert.vote.block) ? 'A' : 'B';
}

static void print_culprits(const struct genesis *g, uint64_t mask, const char *what)
{
	const char *bad = out_style(stdout, OUT_BAD), *plain = out_style(stdout, OUT_PLAIN);
	for (unsigned i = 0; i < g->n; i++) {
		if (!(mask >> i & 1))
			continue;
		char *name = audit_replica(g, i);
		printf("  %s%s%s %s\n", bad, name, plain, what);
		free(name);
	}
}

static void explain_same(const struct audit_divergence *d, const struct genesis *g)
{
	const struct qvote *v = &d->a.cert.vote;
	if (d->a.cert.kind == QCOMMIT) {
		printf("Both were committed in view %" PRIu64
		       ". All that an honest replica commits in one view "
		       "lies on one chain, so these lied:\n",
		       (uint64_t)v->view.n);
		print_culprits(g, d->culprits, "signed both COMMITs");
	} else {
		printf("Both were signed as the checkpoint of height %" PRIu64
		       ". An honest replica signs one, so "
		       "these lied:\n",
		       (uint64_t)v->height.n);
		print_culprits(g, d->culprits, "signed both CHECKPOINTs");
	}
}

/* Who hid its COMMIT, and who prepared two blocks, as the evidence has it. */
static void print_charges(const struct audit_divergence *d, const struct genesis *g)
{
	const struct qfork *f = &d->evidence->qevidence_u.fork;
	const struct qvote *v = &f->first.cert.vote;
	char side = hidden_side(d);
	uint64_t hid = 0;
	for (unsigned i = 0; i < f->hiding.hiding_len; i++)
		hid |= UINT64_C(1) << f->hiding.hiding_val[i].sender;
	char *what = text_format("signed the COMMIT for %c in view %" PRIu64
	                         "; its VIEW-CHANGE for view %" PRIu64 " hides what that proves",
	                         side, (uint64_t)v->view.n, (uint64_t)d->dropped_in.n);
	print_culprits(g, hid, what);
	free(what);
	if (f->prepared.prepared_len != 2)
		return;
	const struct qvote *p = &f->prepared.prepared_val[0].vote;
	what = text_format("signed PREPAREs for two blocks in view %" PRIu64 " at height %" PRIu64,
	                   (uint64_t)p->view.n, (uint64_t)p->height.n);
	print_culprits(g, d->culprits & ~hid, what);
	free(what);
}

static void explain_views(const struct audit_divergence *d, const struct genesis *g)
{
	const struct qfork *f = &d->evidence->qevidence_u.fork;
	printf("%c was committed in view %" PRIu64 ", and the NEW-VIEW of view %" PRIu64 " dropped it. ",
	       hidden_side(d), (uint64_t)f->first.cert.vote.view.n, (uint64_t)d->dropped_in.n);
	puts(f->hiding.hiding_len > 0
	         ? "An honest replica that\ncommits a block reports it in each later view that it asks for, "
	           "so "
	           "these lied:"
	         : "It could, for\nanother block was prepared beside it, and an honest replica prepares one, "
	           "so these lied:");
	print_charges(d, g);
}

static void explain_unknown(const struct audit_divergence *d, const struct genesis *g)
{
	printf("More than f = %u replicas lied, but these ledgers do not show which:\n  %s\n", g->f,
	       d->unknown);
	if (d->culprits == 0)
		return;
	puts("These did for certain, though it took more:");
	print_culprits(g, d->culprits, "signed what no honest replica signs beside the other");
}

static void explain(const struct audit_divergence *d, const struct genesis *g)
{
	putchar('\n');
	switch (d->blame) {
	case BLAME_EDITED:
		puts("No two quorums signed these blocks: what has no certificate was put there by somebody "
		     "who "
		     "can write\nthe ledger, and no replica is to blame for it.");
		break;
	case BLAME_SAME_VIEW:
		explain_same(d, g);
		break;
	case BLAME_VIEW_CHANGE:
		explain_views(d, g);
		break;
	case BLAME_UNKNOWN:
		explain_unknown(d, g);
		break;
	}
}

static void print_evidence(const struct audit_divergence *d, const struct audit_said *said)
{
	if (said->evidence)
		printf("The proof is in %s; anybody can check it: quorate evidence verify %s --genesis %s\n",
		       said->evidence, said->evidence, said->genesis_path);
	else if (d->evidence)
		puts("--evidence FILE writes the proof to a file that anybody can check.");
}

/* An audit that began at a checkpoint has not looked below. */
static bool began_there(const struct audit_report *r)
{
	for (size_t i = 0; i < r->ledger_cnt; i++)
		if (r->ledgers[i].side != SIDE_NONE && r->ledgers[i].since.n == r->divergence.height.n)
			return true;
	return false;
}

static void print_divergence(const struct audit_report *r, const struct audit_said *said)
{
	const struct audit_divergence *d = &r->divergence;
	if (!r->diverged)
		return;
	printf("\nThe ledgers hold different blocks from height %" PRIu64 " on%s:\n", (uint64_t)d->height.n,
	       began_there(r) ? ", if not from below, where this audit did not look" : "");
	print_branch(r, said->genesis, 'A', &d->a, SIDE_A);
	print_branch(r, said->genesis, 'B', &d->b, SIDE_B);
	explain(d, said->genesis);
	print_evidence(d, said);
}

/* ---- the verdict -------------------------------------------------------------------- */

static void print_speed(const struct audit_report *r, unsigned threads)
{
	const struct audit_speed *s = &r->speed;
	const char *dim = out_style(stdout, OUT_DIM), *plain = out_style(stdout, OUT_PLAIN);
	if (s->bound_seconds <= 0)
		return;
	printf("\n%s", dim);
	put_count(s->accounts + s->replicas);
	printf(" signatures in %.1f s: %.0f %% of what %u thread%s can verify%s\n", s->seconds,
	       100 * audit_ratio(s), threads, threads == 1 ? "" : "s", plain);
}

static uint64_t proven_from(const struct audit_report *r)
{
	uint64_t since = 0;
	for (size_t i = 0; i < r->ledger_cnt; i++)
		if (r->ledgers[i].since.n > since)
			since = r->ledgers[i].since.n;
	return since;
}

/* What was proven, of what this chain has. */
static void print_proven(const struct audit_report *r, const struct genesis *g)
{
	const char *seals = g->g.seal.kind == QSEAL_NONE ? "" : ", every seal holds";
	const char *stakes = g->g.proposer.kind == QPROPOSER_PRIMARY ? "" : ", stakes and penalties add up";
	uint64_t since = proven_from(r);

	printf("height %" PRIu64 ", %" PRIu64 " transaction%s", (uint64_t)r->height.n, r->transactions,
	       r->transactions == 1 ? "" : "s");
	if (since > 0)
		printf(" above the checkpoint at %" PRIu64, since);
	printf(", every signature holds%s%s, no output was spent twice\n", seals, stakes);
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

void audit_print_text(const struct audit_report *r, const struct audit_said *said)
{
	print_ledgers(r);
	print_meanings(r);
	for (size_t i = 0; i < r->ledger_cnt; i++)
		print_findings(&r->ledgers[i]);
	print_divergence(r, said);
	print_speed(r, said->threads);
	print_verdict(r, said->genesis);
}
