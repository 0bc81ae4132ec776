/*
 * cert.c: votes and certificates.
 *
 * A vote's signed bytes are exactly those of the envelope that carries it, so the signatures
 * of a certificate are the votes' envelopes' own and one function checks both.
 */
#include <stdlib.h>
#include <string.h>

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
	if (kind == QPREPARE || kind == QCOMMIT)
		return qhash_is_zero(&vote->state);
	return kind == QCHECKPOINT && vote->view.n == 0;
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

void cert_copy(struct qcert *to, const struct qcert *from)
{
	struct qcert copy = *from;

	copy.sigs.sigs_val = NULL;
	if (copy.sigs.sigs_len > 0)
		copy.sigs.sigs_val =
		    xmemdup(from->sigs.sigs_val, copy.sigs.sigs_len * sizeof *copy.sigs.sigs_val);
	*to = copy;
}
