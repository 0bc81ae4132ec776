/*
 * primitives.c: the real primitives, by libsodium, libsecp256k1 and libcrypto.
 *
 * SHA-256 is libcrypto's, which uses a processor's own instructions for it: five times as fast as
 * libsodium's. Its EVP functions, which OpenSSL 3 prefers, cost more than the few blocks that are hashed at a
 * time here.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <sodium.h>
#include <stdlib.h>

#include "err.h"
#include "mine.h"
#include "primitives.h"
#include "secp.h"
#include "sha_lanes.h"

/* ---- hashes ------------------------------------------------------------- */

static void real_hash(const char *tag, const struct span *parts, size_t part_cnt, uint8_t out[32])
{
	SHA256_CTX state;
	must(SHA256_Init(&state));
	if (tag != NULL) {
		size_t tag_len = strlen(tag);
		must(tag_len <= UINT8_MAX);
		uint8_t len = (uint8_t)tag_len;
		must(SHA256_Update(&state, &len, 1) && SHA256_Update(&state, tag, tag_len));
	}
	for (size_t i = 0; i < part_cnt; i++)
		must(SHA256_Update(&state, parts[i].data, parts[i].len));
	must(SHA256_Final(out, &state));
}

#define LANE_BYTES ((size_t)512) /* a longer message, with its padding, is hashed alone */

static size_t padded_len(const struct hash_job *job)
{
	size_t len = job->tag ? 1 + strlen(job->tag) : 0;
	for (size_t i = 0; i < HASH_PARTS_MAX; i++)
		len += job->parts[i].len;
	return (len + 1 + 8 + SHA256_CBLOCK - 1) / SHA256_CBLOCK * SHA256_CBLOCK;
}

/* The message as SHA-256 works on it: padded to `padded` bytes. */
static void lay_out(const struct hash_job *job, uint8_t *buf, size_t padded)
{
	size_t len = 0;
	if (job->tag) {
		size_t tag_len = strlen(job->tag);
		must(tag_len <= UINT8_MAX);
		buf[0] = (uint8_t)tag_len;
		memcpy(buf + 1, job->tag, tag_len);
		len = 1 + tag_len;
	}
	for (size_t i = 0; i < HASH_PARTS_MAX; i++) {
		if (job->parts[i].len > 0)
			memcpy(buf + len, job->parts[i].data, job->parts[i].len);
		len += job->parts[i].len;
	}
	memset(buf + len, 0, padded - len);
	buf[len] = 0x80;
	for (size_t i = 0; i < 8; i++)
		buf[padded - 1 - i] = (uint8_t)((uint64_t)len * 8 >> 8 * i);
}

/* Jobs that fit into the lanes, and no more of them. */
struct lanes {
	const struct hash_job *jobs[SHA_LANES_MAX];
	size_t padded[SHA_LANES_MAX], cnt;
};

/* A few are done sooner alone: the lanes take their time however many are full. */
static void hash_lanes(const struct lanes *l)
{
	uint8_t text[SHA_LANES_MAX][LANE_BYTES], *out[SHA_LANES_MAX];
	const uint8_t *data[SHA_LANES_MAX];
	size_t block_cnt[SHA_LANES_MAX];

	if (4 * l->cnt < sha_lanes_cnt()) {
		for (size_t i = 0; i < l->cnt; i++)
			real_hash(l->jobs[i]->tag, l->jobs[i]->parts, HASH_PARTS_MAX, l->jobs[i]->out);
		return;
	}
	for (size_t i = 0; i < l->cnt; i++) {
		lay_out(l->jobs[i], text[i], l->padded[i]);
		data[i] = text[i];
		block_cnt[i] = l->padded[i] / SHA256_CBLOCK;
		out[i] = l->jobs[i]->out;
	}
	sha_lanes(data, block_cnt, l->cnt, out);
}

static void real_hash_many(const struct hash_job *jobs, size_t cnt)
{
	struct lanes l = {.cnt = 0};

	for (size_t i = 0; i < cnt; i++) {
		size_t padded = padded_len(&jobs[i]);
		if (sha_lanes_cnt() == 0 || padded > LANE_BYTES) {
			real_hash(jobs[i].tag, jobs[i].parts, HASH_PARTS_MAX, jobs[i].out);
			continue;
		}
		l.jobs[l.cnt] = &jobs[i];
		l.padded[l.cnt++] = padded;
		if (l.cnt == sha_lanes_cnt()) {
			hash_lanes(&l);
			l.cnt = 0;
		}
	}
	if (l.cnt > 0)
		hash_lanes(&l);
}

static void real_expand(const void *element, size_t len, uint8_t *out, size_t out_len)
{
	static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES]; /* one stream per key */
	uint8_t key[32];
	real_hash("quorate/lthash/v1", &(struct span){element, len}, 1, key);
	crypto_stream_chacha20_ietf(out, out_len, nonce, key);
}

/* ---- replicas: Ed25519 -------------------------------------------------- */

_Static_assert(PRIMITIVES_SECRET == crypto_sign_SECRETKEYBYTES, "libsodium's form of a secret key");

static void real_replica_key(const uint8_t seed[32], uint8_t secret[PRIMITIVES_SECRET],
                             struct qreplica_key *key)
{
	must(crypto_sign_seed_keypair(key->b, secret, seed) == 0);
}

/*
 * A point P of the main subgroup, whose order is L, and only such a point, has (L-1)P = -P, and the
 * encoding of -P is that of P with the sign bit turned.  Points off the curve, encodings that are not
 * canonical and points of small order fall out on the way.  libsodium's own test of the subgroup,
 * before 1.0.21, takes a point that is off it by the point of order two.
 */
static bool real_replica_key_valid(const struct qreplica_key *key)
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

static void real_replica_sign(const uint8_t secret[PRIMITIVES_SECRET], const struct qhash *chain,
                              const uint8_t *body, size_t len, struct qsig *sig)
{
	size_t text_len;
	uint8_t *text = statement(chain, body, len, &text_len);
	must(crypto_sign_detached(sig->b, NULL, text, text_len, secret) == 0);
	free(text);
}

static bool real_replica_verify(const struct qreplica_key *key, const struct qhash *chain,
                                const uint8_t *body, size_t len, const struct qsig *sig)
{
	size_t text_len;
	uint8_t *text = statement(chain, body, len, &text_len);
	bool ok = crypto_sign_verify_detached(sig->b, text, text_len, key->b) == 0;
	free(text);
	return ok;
}

/* ---- accounts: secp256k1 ------------------------------------------------ */

static bool real_account_key(const uint8_t secret[32], struct qaccount_key *key)
{
	secp256k1_pubkey point;
	size_t len = sizeof key->b;
	if (!secp256k1_ec_pubkey_create(secp_context(), &point, secret))
		return false;
	must(secp256k1_ec_pubkey_serialize(secp_context(), key->b, &len, &point, SECP256K1_EC_COMPRESSED));
	return true;
}

static void real_account_sign(const uint8_t secret[32], const struct qtxid *id, struct qsig *sig)
{
	secp256k1_ecdsa_signature made;
	must(secp256k1_ecdsa_sign(secp_context(), &made, id->b, secret, NULL, NULL));
	must(secp256k1_ecdsa_signature_serialize_compact(secp_context(), sig->b, &made));
}

_Static_assert(PRIMITIVES_POINT == sizeof(secp256k1_pubkey), "libsecp256k1's form of a point");

/* A compressed key has a square root taken: a tenth of the time of a whole check. */
static bool real_account_parse(const struct qaccount_key *key, uint8_t point[PRIMITIVES_POINT])
{
	secp256k1_pubkey parsed;
	if (!secp256k1_ec_pubkey_parse(secp_context(), &parsed, key->b, sizeof key->b))
		return false;
	memcpy(point, parsed.data, PRIMITIVES_POINT);
	return true;
}

/* No normalising: a signature with high S is another encoding of the same consent, and refused. */
static bool real_account_check(const uint8_t point[PRIMITIVES_POINT], const struct qtxid *id,
                               const struct qsig *sig)
{
	secp256k1_pubkey key;
	secp256k1_ecdsa_signature parsed;
	memcpy(key.data, point, PRIMITIVES_POINT);
	return secp256k1_ecdsa_signature_parse_compact(secp_context(), &parsed, sig->b) &&
	       secp256k1_ecdsa_verify(secp_context(), &parsed, id->b, &key);
}

/* ---- secrets ------------------------------------------------------------ */

static void *real_secret_new(size_t size)
{
	void *secret = sodium_malloc(size);
	must(secret != NULL);
	return secret;
}

static void real_secret_seal(void *secret)
{
	must(sodium_mprotect_readonly(secret) == 0);
}

static void real_secret_free(void *secret)
{
	sodium_free(secret); /* wipes */
}

/* ---- the table ---------------------------------------------------------- */

const struct primitives primitives_real = {
    .hash = real_hash,
    .hash_many = real_hash_many,
    .mine = mine_real,
    .expand = real_expand,
    .replica_key = real_replica_key,
    .replica_key_valid = real_replica_key_valid,
    .replica_sign = real_replica_sign,
    .replica_verify = real_replica_verify,
    .account_key = real_account_key,
    .account_sign = real_account_sign,
    .account_parse = real_account_parse,
    .account_check = real_account_check,
    .secret_new = real_secret_new,
    .secret_seal = real_secret_seal,
    .secret_free = real_secret_free,
};

const struct primitives *primitives = &primitives_real;

void primitives_use(const struct primitives *p)
{
	primitives = p;
}
