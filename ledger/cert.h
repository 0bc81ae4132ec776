/*
 * cert.h: votes and certificates: one statement, many signatures.  The same code checks
 * every kind.
 */
#ifndef QUORATE_CERT_H
#define QUORATE_CERT_H

#include "genesis.h"
#include "ident.h"
#include "wire.h"

/* The encoded qmessage that a vote of this kind signs; cap >= CERT_STATEMENT_MAX. Returns its length. */
#define CERT_STATEMENT_MAX 128
size_t cert_statement(enum qkind kind, const struct qvote *vote, uint8_t buf[CERT_STATEMENT_MAX]);

/* Views and heights are counted up one by one, so a greater one is a liar's. Sums with those that are taken
 * do not overflow, and SQLite's integers hold them. */
#define CERT_NUMBER_MAX (UINT64_C(1) << 62)

/* Shape only: kind is a vote's, unused fields are zero, the height is not the genesis', numbers are within
 * CERT_NUMBER_MAX. Total. */
bool vote_well_formed(enum qkind kind, const struct qvote *vote);

/* Of two votes of one kind that are well formed: are they of one view and height, with different content?  An
 * honest replica signs at most one of them. */
bool votes_conflict(const struct qvote *a, const struct qvote *b);

bool vote_verify(const struct genesis *g, unsigned replica, enum qkind kind, const struct qvote *vote,
                 const struct qsig *sig);

/* Shape only: kind is a vote, signers in range and strictly ascending, a quorum of them, unused
 * fields of the statement zero. Cheap. */
bool cert_well_formed(const struct genesis *g, const struct qcert *cert);

/* Shape and every signature. *bad (may be NULL): the replica whose signature fails, or -1. */
bool cert_verify(const struct genesis *g, const struct qcert *cert, int *bad);

/* Bit i: replica i signed; of a well-formed one. */
uint64_t cert_signers(const struct qcert *cert);

/* Shape only: the certificate makes a block final; the headers, if there are any, are linked, one height
 * after the other, and the last is that block's. */
bool cert_chain_well_formed(const struct genesis *g, const struct qchain *c);

/*
 * Do two well-formed chains show different blocks at one height, or one of them another genesis?  Then they
 * are not parts of one chain.  False says only that they do not show it: headers may be missing.
 */
bool cert_chains_fork(const struct genesis *g, const struct qchain *a, const struct qchain *b);

/* Deep copy; wire_free(WIRE(qcert), ...) returns it. */
void cert_copy(struct qcert *to, const struct qcert *from);

#endif
