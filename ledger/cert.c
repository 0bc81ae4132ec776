/*
 * cert.c: votes and certificates.
 *
 * A vote's signed bytes are exactly those of the envelope that carries it, so the signatures
 * of a certificate are the votes' envelopes' own and one function checks both.
 */
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "cert.h"

size_t cert_statement(enum qkind kind, const struct qvote *vote, uint8_t buf[CERT_STATEMENT_MAX])
{
	struct qmessage m = {.kind = kind, .qmessage_u.vote = *vote};

	must(kind == QPREPARE || kind == QCOMMIT || kind == QCHECKPOINT);
	size_t len = wire_encode_into(WIRE(qmessage), &m, buf, CERT_STATEMENT_MAX);
	must(len > 0);
	return len;
}

/* `kind` may be any number: a decoded qcert's is only known to be an integer. */
bool vote_well_formed(enum qkind kind, const struct qvote *vote)
{
	if (vote->height.n == 0) /* the genesis is never voted on */
		return false;
	if (vote->height.n > CERT_NUMBER_MAX || vote->view.n > CERT_NUMBER_MAX)
		return false;
	if (kind == QPREPARE || kind == QCOMMIT)
		return qhash_is_zero(&vote->state);
	return kind == QCHECKPOINT && vote->view.n == 0;
}

/* The state is zero in PREPARE and COMMIT, and so is the view in CHECKPOINT. */
bool votes_conflict(const struct qvote *a, const struct qvote *b)
{
	return a->view.n == b->view.n && a->height.n == b->height.n &&
	       !(qhash_eq(&a->block, &b->block) && qhash_eq(&a->state, &b->state));
}

bool vote_verify(const struct genesis *g, unsigned replica, enum qkind kind, const struct qvote *vote,
                 const struct qsig *sig)
{
	uint8_t buf[CERT_STATEMENT_MAX];

	if (replica >= g->n || !vote_well_formed(kind, vote))
		return false;
	size_t len = cert_statement(kind, vote, buf);
	return ident_verify(&g->g.replicas.replicas_val[replica].key, &g->chain, buf, len, sig);
}

bool cert_well_formed(const struct genesis *g, const struct qcert *cert)
{
	unsigned cnt = cert->sigs.sigs_len;
	const struct qcert_sig *sigs = cert->sigs.sigs_val;

	if (!vote_well_formed(cert->kind, &cert->vote) || cnt < g->quorum || cnt > g->n)
		return false;
	for (unsigned i = 0; i < cnt; i++)
		if (sigs[i].replica >= g->n || (i > 0 && sigs[i].replica <= sigs[i - 1].replica))
			return false;
	return true;
}

bool cert_verify(const struct genesis *g, const struct qcert *cert, int *bad)
{
	if (bad)
		*bad = -1;
	if (!cert_well_formed(g, cert))
		return false;
	for (unsigned i = 0; i < cert->sigs.sigs_len; i++) {
		const struct qcert_sig *s = &cert->sigs.sigs_val[i];
		if (!vote_verify(g, s->replica, cert->kind, &cert->vote, &s->sig)) {
			if (bad)
				*bad = (int)s->replica;
			return false;
		}
	}
	return true;
}

uint64_t cert_signers(const struct qcert *cert)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < cert->sigs.sigs_len; i++)
		mask |= UINT64_C(1) << (cert->sigs.sigs_val[i].replica % Q_REPLICAS_MAX);
	return mask;
}

bool cert_chain_well_formed(const struct genesis *g, const struct qchain *c)
{
	const struct qheader *headers = c->headers.headers_val;
	unsigned cnt = c->headers.headers_len;
	struct qhash hash;

	if ((c->cert.kind != QCOMMIT && c->cert.kind != QCHECKPOINT) || !cert_well_formed(g, &c->cert))
		return false;
	for (unsigned i = 0; i < cnt; i++) {
		if (headers[i].height.n == 0)
			return false;
		if (i > 0 && (headers[i].height.n - 1 != headers[i - 1].height.n ||
		              !qhash_eq(&headers[i].parent, &hash)))
			return false;
		block_hash(&headers[i], &hash);
	}
	return cnt == 0 ||
	       (headers[cnt - 1].height.n == c->cert.vote.height.n && qhash_eq(&c->cert.vote.block, &hash));
}

/* The block that a chain shows at this height: the certificate's, or a header's parent; NULL: none. */
static const struct qhash *shown_at(const struct qchain *c, uint64_t height)
{
	uint64_t top = c->cert.vote.height.n, cnt = c->headers.headers_len;

	if (height > top || top - height > cnt)
		return NULL;
	return height == top ? &c->cert.vote.block : &c->headers.headers_val[cnt - (top - height)].parent;
}

bool cert_chains_fork(const struct genesis *g, const struct qchain *a, const struct qchain *b)
{
	const struct qhash *x, *y;

	for (uint64_t below = 0; below <= a->headers.headers_len; below++) {
		x = shown_at(a, a->cert.vote.height.n - below);
		y = shown_at(b, a->cert.vote.height.n - below);
		if (x && y && !qhash_eq(x, y))
			return true;
	}
	x = shown_at(a, 0);
	y = shown_at(b, 0);
	return (x && !qhash_eq(x, &g->chain)) || (y && !qhash_eq(y, &g->chain));
}

void cert_copy(struct qcert *to, const struct qcert *from)
{
	struct qcert copy = *from;

	copy.sigs.sigs_val = NULL;
	if (copy.sigs.sigs_len > 0)
		copy.sigs.sigs_val =
		    xmemdup(from->sigs.sigs_val, copy.sigs.sigs_len * sizeof *copy.sigs.sigs_val);
	*to = copy;
}
