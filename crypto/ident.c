/*
 * ident.c: what replicas sign, and how it is checked.
 */
#include <sodium.h>
#include <stdlib.h>

#include "ident.h"

struct ident {
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	struct qreplica_key key;
};

/* What is signed, in one piece because libsodium wants it so; free() it. */
static uint8_t *statement(const struct qhash *chain, const uint8_t *body, size_t len, size_t *out_len)
{
	static const char tag[] = "quorate/replica/v1";
	const size_t tag_len = sizeof tag - 1;
	*out_len = 1 + tag_len + sizeof chain->b + len;
	uint8_t *text = xrealloc(NULL, *out_len);
	text[0] = (uint8_t)tag_len;
	memcpy(text + 1, tag, tag_len);
	memcpy(text + 1 + tag_len, chain->b, sizeof chain->b);
	if (len > 0)
		memcpy(text + 1 + tag_len + sizeof chain->b, body, len);
	return text;
}

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
	struct ident *id = sodium_malloc(sizeof *id);
	must(id != NULL);
	must(crypto_sign_seed_keypair(id->key.b, id->secret, seed) == 0);
	must(sodium_mprotect_readonly(id) == 0);
	return id;
}

void ident_free(struct ident *id)
{
	sodium_free(id); /* wipes */
}

void ident_seed(const struct ident *id, uint8_t seed[32])
{
	must(crypto_sign_ed25519_sk_to_seed(seed, id->secret) == 0);
}

struct qreplica_key ident_key(const struct ident *id)
{
	return id->key;
}

void ident_sign(const struct ident *id, const struct qhash *chain, const uint8_t *body, size_t len,
                struct qsig *sig)
{
	size_t text_len;
	uint8_t *text = statement(chain, body, len, &text_len);
	must(crypto_sign_detached(sig->b, NULL, text, text_len, id->secret) == 0);
	free(text);
}

bool ident_verify(const struct qreplica_key *key, const struct qhash *chain, const uint8_t *body, size_t len,
                  const struct qsig *sig)
{
	size_t text_len;
	uint8_t *text = statement(chain, body, len, &text_len);
	bool ok = crypto_sign_verify_detached(sig->b, text, text_len, key->b) == 0;
	free(text);
	return ok;
}

/*
 * A point P of the main subgroup, whose order is L, and only such a point, has (L-1)P = -P, and the
 * encoding of -P is that of P with the sign bit turned.  Points off the curve, encodings that are not
 * canonical and points of small order fall out on the way.  libsodium's own test of the subgroup,
 * before 1.0.21, takes a point that is off it by the point of order two.
 */
bool ident_key_valid(const struct qreplica_key *key)
{
	static const uint8_t order_minus_1[32] = {
	    0xec, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
	    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
	uint8_t negative[32];
	if (crypto_scalarmult_ed25519_noclamp(negative, order_minus_1, key->b) != 0)
		return false;
	negative[31] ^= 0x80;
	return memcmp(negative, key->b, sizeof negative) == 0;
}
