/*
 * evidence_words.c: what a piece of evidence shows, in plain words.
 *
 * The facts (evidence.c) are enough for most of it; where a reader asks for more, it is read from the proof.
 */
#include <inttypes.h>
#include <stdio.h>

#include "block.h"
#include "evidence_file.h"
#include "seal.h"

static void put_hash(FILE *f, const struct qhash *hash)
{
	char text[QHASH_HEX];

	fputs(hex_encode(text, hash->b, sizeof hash->b), f);
}

/* " in view 3 at height 17" */
static void put_place(FILE *f, const struct evidence_facts *facts)
{
	fprintf(f, " in view %" PRIu64 " at height %" PRIu64, (uint64_t)facts->view.n,
	        (uint64_t)facts->height.n);
}

/* "replica 2 (carol)", or several: "replicas 1 (bob) and 2 (carol)". */
static void put_replicas(FILE *f, const struct genesis *g, uint64_t mask)
{
	int left = __builtin_popcountll(mask);

	fputs(left == 1 ? "replica" : "replicas", f);
	for (unsigned i = 0; i < g->n; i++) {
		if (!(mask >> i & 1))
			continue;
		fprintf(f, " %u (%s)", i, g->g.replicas.replicas_val[i].name);
		left--;
		fputs(left > 1 ? "," : left == 1 ? " and" : "", f);
	}
}

/* ---- two statements of one replica --------------------------------------------------- */

static void put_two_blocks(FILE *f, const struct evidence_facts *facts, const char *before)
{
	fprintf(f, "%sblock ", before);
	put_hash(f, &facts->first);
	fprintf(f, " and %sblock ", before);
	put_hash(f, &facts->second);
}

static void put_checkpoints(FILE *f, const struct evidence_facts *facts, const struct qvote *a,
                            const struct qvote *b)
{
	fprintf(f, "two CHECKPOINTs at height %" PRIu64 ": ", (uint64_t)facts->height.n);
	if (!qhash_eq(&a->block, &b->block)) {
		put_two_blocks(f, facts, "of ");
		return;
	}
	fputs("of different states after block ", f);
	put_hash(f, &a->block);
	fputs(", ", f);
	put_hash(f, &a->state);
	fputs(" and ", f);
	put_hash(f, &b->state);
}

static void put_hidden(FILE *f, const struct evidence_facts *facts, const struct qview_change *vc)
{
	fputs("a COMMIT", f);
	put_place(f, facts);
	fputs(" for block ", f);
	put_hash(f, &facts->first);
	fprintf(f, ", and a VIEW-CHANGE for view %" PRIu64 " that hides it", (uint64_t)vc->view.n);
}

/* Two of one kind. */
static void put_pair(FILE *f, const struct evidence_facts *facts, const struct qmessage *a,
                     const struct qmessage *b)
{
	switch (a->kind) {
	case QPRE_PREPARE:
		fputs("two proposals (PRE-PREPAREs)", f);
		put_place(f, facts);
		fputs(": ", f);
		put_two_blocks(f, facts, "");
		return;
	case QPREPARE:
	case QCOMMIT:
		fprintf(f, "two %ss", a->kind == QPREPARE ? "PREPARE" : "COMMIT");
		put_place(f, facts);
		fputs(": ", f);
		put_two_blocks(f, facts, "for ");
		return;
	case QCHECKPOINT:
		put_checkpoints(f, facts, &a->qmessage_u.vote, &b->qmessage_u.vote);
		return;
	case QVIEW_CHANGE:
	case QNEW_VIEW:
		fprintf(f, "two different %ss for view %" PRIu64,
		        a->kind == QVIEW_CHANGE ? "VIEW-CHANGE" : "NEW-VIEW", (uint64_t)facts->view.n);
		return;
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		return; /* nothing that evidence is made of */
	}
}

static void put_statements(FILE *f, const struct evidence_facts *facts, const struct qmessage *a,
                           const struct qmessage *b)
{
	if (a->kind == b->kind)
		put_pair(f, facts, a, b);
	else if (a->kind == QCOMMIT && b->kind == QVIEW_CHANGE)
		put_hidden(f, facts, &b->qmessage_u.view_change);
	else
		fputs("two statements that do not contradict each other", f);
}

static void put_conflict(FILE *f, const struct genesis *g, const struct evidence_facts *facts,
                         const struct qconflict *c)
{
	struct qmessage a = {0}, b = {0};

	put_replicas(f, g, facts->culprits);
	fputs(" signed ", f);
	if (wire_decode(WIRE(qmessage), c->first.body.body_val, c->first.body.body_len, &a) &&
	    wire_decode(WIRE(qmessage), c->second.body.body_val, c->second.body.body_len, &b))
		put_statements(f, facts, &a, &b);
	fputs("; no honest replica does", f);
	wire_free(WIRE(qmessage), &b);
	wire_free(WIRE(qmessage), &a);
}

/* ---- one proposal --------------------------------------------------------------------- */

/* Its first fault, of those that proposal_well_formed() knows. */
static void put_fault(FILE *f, const struct genesis *g, unsigned sender, const struct qproposal *p)
{
	const struct qheader *h = &p->header;
	struct qhash hash;

	block_hash(h, &hash);
	if (h->format != 1)
		fprintf(f, "its format is %u", h->format);
	else if (h->proposer != sender)
		fprintf(f, "it names replica %u as its proposer", h->proposer);
	else if (!seal_holds(g, h, &hash))
		fputs("its seal does not hold", f);
	else if (h->tx_count > g->g.params.block_txs_max)
		fprintf(f, "it has %u transactions, and the chain allows %u", h->tx_count,
		        g->g.params.block_txs_max);
	else
		fputs("its transactions are none, are not those that its header counts and hashes, or one is "
		      "there twice",
		      f);
}

static void put_bad_proposal(FILE *f, const struct genesis *g, const struct evidence_facts *facts,
                             const struct qenvelope *env)
{
	struct qmessage m;

	put_replicas(f, g, facts->culprits);
	fputs(" signed a proposal (PRE-PREPARE)", f);
	put_place(f, facts);
	fputs(", block ", f);
	put_hash(f, &facts->first);
	fputs(", that is invalid by itself: ", f);
	if (wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &m)) {
		put_fault(f, g, env->sender, &m.qmessage_u.proposal);
		wire_free(WIRE(qmessage), &m);
	}
	fputs("; no honest replica proposes that", f);
}

/* ---- two transactions, two chains ------------------------------------------------------- */

static void put_double_spend(FILE *f, const struct evidence_facts *facts)
{
	char signer[ADDRESS_TEXT], txid[QHASH_HEX];

	fprintf(f, "%s signed two transactions that spend the same output, %s:%u: ",
	        address_format(&facts->signer, signer),
	        hex_encode(txid, facts->output.tx.b, sizeof facts->output.tx.b), facts->output.index);
	put_hash(f, &facts->first);
	fputs(" and ", f);
	put_hash(f, &facts->second);
	fputs("; at most one of them can become final", f);
}

static void put_fork(FILE *f, const struct genesis *g, const struct evidence_facts *facts)
{
	if (facts->height.n != 0)
		fprintf(f, "two blocks are certified at height %" PRIu64 ", ", (uint64_t)facts->height.n);
	else
		fputs("two chains are certified, one of them on another genesis, of blocks ", f);
	put_hash(f, &facts->first);
	fputs(" and ", f);
	put_hash(f, &facts->second);
	fprintf(f, ": more than f = %u of %u replicas lied", g->f, g->n);
	if (facts->culprits == 0) {
		fputs("; who they are, these certificates alone do not tell", f);
		return;
	}
	fputs(", as what they signed shows of ", f);
	put_replicas(f, g, facts->culprits);
}

char *evidence_words(const struct genesis *g, const struct qevidence *ev)
{
	struct evidence_facts facts;
	char *text = NULL;
	size_t len = 0;

	if (!evidence_facts(g, ev, &facts))
		return NULL;
	FILE *f = open_memstream(&text, &len);
	must(f != NULL);
	switch (ev->kind) {
	case QEV_CONFLICT:
		put_conflict(f, g, &facts, &ev->qevidence_u.conflict);
		break;
	case QEV_BAD_PROPOSAL:
		put_bad_proposal(f, g, &facts, &ev->qevidence_u.proposal);
		break;
	case QEV_DOUBLE_SPEND:
		put_double_spend(f, &facts);
		break;
	case QEV_FORK:
		put_fork(f, g, &facts);
		break;
	}
	must(fclose(f) == 0);
	return text;
}
