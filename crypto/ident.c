/*
 * ident.c: what replicas sign, and how it is checked.
 */
#include <sodium.h>

#include "ident.h"
#include "primitives.h"

struct ident {
	const struct primitives *by;
	uint8_t secret[PRIMITIVES_SECRET];
	struct qreplica_key key;
};

struct ident *ident_new(void)
{
	uint8_t seed[crypto_sign_SEEDBYTES];
	randombytes_buf(seed, sizeof seed);
	struct ident *id = ident_from_seed(seed);
	sodium_memzero(seed, sizeof seed);
	return id;
}

struct ident *ident_from_seed(const uint8_t seed[32])
{
	struct ident *id = primitives->secret_new(sizeof *id);
	id->by = primitives;
	id->by->replica_key(seed, id->secret, &id->key);
	id->by->secret_seal(id);
	return id;
}

void ident_free(struct ident *id)
{
	if (id != NULL)
		id->by->secret_free(id);
}

void ident_seed(const struct ident *id, uint8_t seed[32])
{
	memcpy(seed, id->secret, 32); /* its first half */
}

struct qreplica_key ident_key(const struct ident *id)
{
	return id->key;
}

void ident_sign(const struct ident *id, const struct qhash *chain, const uint8_t *body, size_t len,
                struct qsig *sig)
{
	id->by->replica_sign(id->secret, chain, body, len, sig);
}

bool ident_verify(const struct qreplica_key *key, const struct qhash *chain, const uint8_t *body, size_t len,
                  const struct qsig *sig)
{
	return primitives->replica_verify(key, chain, body, len, sig);
}

bool ident_key_valid(const struct qreplica_key *key)
{
	return primitives->replica_key_valid(key);
}
