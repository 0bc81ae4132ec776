/*
 * ident.h: a replica's identity, an Ed25519 key (libsodium).
 *
 * What a replica signs is always
 *     u8(len) || "quorate/replica/v1" || chain id || encoded qmessage
 * so no signature can be replayed on another chain or, since the qmessage begins
 * with its kind and holds view and height, as another statement.
 */
#ifndef QUORATE_IDENT_H
#define QUORATE_IDENT_H

#include "err.h"
#include "wire.h"

struct ident; /* secret key in guarded memory, wiped when freed */

/* A fresh key. */
struct ident *ident_new(void);
/* From a 32-byte seed (a key file's content); the seed stays the caller's to wipe. */
struct ident *ident_from_seed(const uint8_t seed[32]);
void ident_free(struct ident *id);
void ident_seed(const struct ident *id, uint8_t seed[32]); /* to write a key file; wipe after */
struct qreplica_key ident_key(const struct ident *id);

/* Deterministic: the same message gives the same bytes. */
void ident_sign(const struct ident *id, const struct qhash *chain, const uint8_t *body, size_t len,
                struct qsig *sig);

bool ident_verify(const struct qreplica_key *key, const struct qhash *chain, const uint8_t *body, size_t len,
                  const struct qsig *sig);

/* On the curve, canonical, not of small order: checked once, when a genesis is read. */
bool ident_key_valid(const struct qreplica_key *key);

#endif
