/*
 * audit_json.c: the audit's report as JSON; docs/OPERATING.md has the fields.
 */
#include <stdlib.h>

#include "audit_report.h"
#include "out.h"

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

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static const char *verdict_text(bool ok)
{
	return ok ? "ok" : "failed";
}

/* ---- ledgers ------------------------------------------------------------------------ */

static json_t *json_findings(const struct audit_ledger *l)
{
	json_t *list = json_array();
	for (size_t i = 0; i < l->finding_cnt; i++) {
		const struct audit_finding *f = &l->findings[i];
		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "kind",
		                                      audit_kind_name(f->kind), "height", number(f->height.n),
		                                      "where", f->where, "message", f->message));
	}
	return list;
}

static json_t *json_ledger(const struct audit_ledger *l)
{
	return json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "path", json_path(l->path),
	                 "verdict", verdict_text(l->ok), "standing", audit_standing_name(l->standing),
	                 "meaning", audit_standing_meaning(l->standing), "since", number(l->since.n),
	                 "height", number(l->height.n), "transactions", number(l->transactions),
	                 "double_spends", number(l->double_spends), "findings", json_findings(l),
	                 "more_findings", number(l->finding_more));
}

/* ---- the divergence ----------------------------------------------------------------- */

static json_t *json_replicas(const struct genesis *g, uint64_t mask)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < g->n; i++)
		if (mask >> i & 1)
			json_array_append_new(list, json_pack("{s:i, s:s}", "replica", (int)i, "name",
			                                      g->g.replicas.replicas_val[i].name));
	return list;
}

static void put_header(json_t *json, const struct qheader *h)
{
	if (h->height.n == 0)
		return;
	json_object_set_new(json, "proposer", number(h->proposer));
	json_object_set_new(json, "time_ms", number(h->time_ms));
	json_object_set_new(json, "transactions", number(h->tx_count));
}

static void put_cert(json_t *json, const struct qcert *c)
{
	json_object_set_new(json, "certificate", json_string(c->kind == QCOMMIT ? "commit" : "checkpoint"));
	json_object_set_new(json, "view", number(c->vote.view.n));
	json_object_set_new(json, "certified_by", number(c->vote.height.n));
}

static json_t *json_branch(const struct audit_report *r, const struct audit_branch *b, enum audit_side side)
{
	char hash[QHASH_HEX];
	json_t *ledgers = json_array(), *signers = json_array();
	for (size_t i = 0; i < r->ledger_cnt; i++)
		if (r->ledgers[i].side == side)
			json_array_append_new(ledgers, json_path(r->ledgers[i].path));
	for (unsigned i = 0; b->certified && i < b->cert.sigs.sigs_len; i++)
		json_array_append_new(signers, number(b->cert.sigs.sigs_val[i].replica));
	json_t *json =
	    json_pack("{s:s, s:o, s:b, s:o}", "hash", hex_encode(hash, b->block.b, sizeof b->block.b),
	              "ledgers", ledgers, "certified", b->certified, "signers", signers);
	put_header(json, &b->header);
	if (b->certified)
		put_cert(json, &b->cert);
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

static json_t *json_divergence(const struct audit_report *r, const struct audit_said *said)
{
	const struct audit_divergence *d = &r->divergence;
	if (!r->diverged)
		return json_null();
	return json_pack("{s:o, s:s, s:[o, o], s:o, s:o, s:o, s:o}", "height", number(d->height.n), "blame",
	                 blame_name(d->blame), "blocks", json_branch(r, &d->a, SIDE_A),
	                 json_branch(r, &d->b, SIDE_B), "culprits", json_replicas(said->genesis, d->culprits),
	                 "dropped_in", d->blame == BLAME_VIEW_CHANGE ? number(d->dropped_in.n) : json_null(),
	                 "missing", d->unknown ? json_string(d->unknown) : json_null(), "evidence",
	                 said->evidence ? json_path(said->evidence) : json_null());
}

/* ---- the whole ---------------------------------------------------------------------- */

static json_t *json_speed(const struct audit_report *r)
{
	const struct audit_speed *s = &r->speed;
	bool measured = s->bound_seconds > 0;
	return json_pack("{s:o, s:f, s:o, s:o}", "signatures", number(s->accounts + s->replicas), "seconds",
	                 s->seconds, "bound_seconds", measured ? json_real(s->bound_seconds) : json_null(),
	                 "ratio", measured ? json_real(audit_ratio(s)) : json_null());
}

void audit_print_json(const struct audit_report *r, const struct audit_said *said)
{
	const struct qhash *id = &said->genesis->chain;
	char chain[QHASH_HEX];
	json_t *ledgers = json_array();
	for (size_t i = 0; i < r->ledger_cnt; i++)
		json_array_append_new(ledgers, json_ledger(&r->ledgers[i]));
	out_json_take(json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict", verdict_text(r->ok),
	                        "chain", hex_encode(chain, id->b, sizeof id->b), "height",
	                        number(r->height.n), "transactions", number(r->transactions), "double_spends",
	                        number(r->double_spends), "ledgers", ledgers, "divergence",
	                        json_divergence(r, said), "speed", json_speed(r)));
}
