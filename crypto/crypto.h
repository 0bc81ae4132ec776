/*
 * crypto.h: starting the cryptographic libraries.
 */
#ifndef QUORATE_CRYPTO_H
#define QUORATE_CRYPTO_H

#include "err.h"

/*
 * Initialises libsodium and libsecp256k1 once per process (idempotent, thread-safe) and
 * checks what the protocol relies on: Ed25519 signing is deterministic, non-canonical
 * signatures and small-order keys are refused.  False with *err if the library is not
 * one that quorate can agree with other replicas on.
 */
bool crypto_init(struct err *err);

/*
 * Plain key files pass through jansson, whose memory is not guarded: from now on it is at least wiped when it
 * is given back.  For the beginning of a program: it is a setting of the whole process, so no library may do
 * it.
 */
void crypto_wipe_json(void);

#endif
