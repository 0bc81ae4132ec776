/*
 * standin.c: the stand-ins. A digest is the 256-bit state of a mixer that has taken in the bytes, 32 at a
 * time. Each step can be undone, so none loses anything of what went in before; two passes of BLAKE2b's
 * quarter round spread each bit over the whole state. Bytes are read and written as little-endian numbers.
 *
 * A public key is a digest of the secret one; a signature is a digest over the public key and what is signed,
 * so that it can be checked by making it again.
 */
#include "standin.h"

#include <stdlib.h>

#include "err.h"
#include "primitives.h"

/* ---- the mixer ------------------------------------------------------------ */

#define BLOCK 32

struct mixer {
	uint64_t s[4];
	uint64_t len;
	uint8_t rest[BLOCK]; /* taken in, but not yet a whole block: len % BLOCK bytes */
};

static uint64_t turned(uint64_t v, unsigned bits)
{
	return v >> bits | v << (64 - bits);
}

static void quarter(uint64_t s[4])
{
	s[0] += s[1];
	s[3] = turned(s[3] ^ s[0], 32);
	s[2] += s[3];
	s[1] = turned(s[1] ^ s[2], 24);
	s[0] += s[1];
	s[3] = turned(s[3] ^ s[0], 16);
	s[2] += s[3];
	s[1] = turned(s[1] ^ s[2], 63);
}

/* As a number: compilers make one load of it where the machine is little-endian. */
static uint64_t number_at(const uint8_t *b)
{
	return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
	       (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 | (uint64_t)b[7] << 56;
}

static void number_put(uint8_t *b, uint64_t v)
{
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
	b[2] = (uint8_t)(v >> 16);
	b[3] = (uint8_t)(v >> 24);
	b[4] = (uint8_t)(v >> 32);
	b[5] = (uint8_t)(v >> 40);
	b[6] = (uint8_t)(v >> 48);
	b[7] = (uint8_t)(v >> 56);
}

static void take_block(uint64_t s[4], const uint8_t *block)
{
	for (size_t i = 0; i < 4; i++)
		s[i] ^= number_at(block + 8 * i);
	quarter(s);
	quarter(s);
}

static void mixer_start(struct mixer *m)
{
	/* Digits of pi. */
	*m = (struct mixer){
	    .s = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89}};
}

static void mixer_add(struct mixer *m, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t have = m->len % BLOCK;

	m->len += len;
	if (have > 0) {
		size_t part = BLOCK - have < len ? BLOCK - have : len;
		memcpy(m->rest + have, at, part);
		if (have + part < BLOCK)
			return;
		take_block(m->s, m->rest);
		at += part;
		len -= part;
	}
	for (; len >= BLOCK; at += BLOCK, len -= BLOCK)
		take_block(m->s, at);
	if (len > 0)
		memcpy(m->rest, at, len);
}

static void mixer_end(struct mixer *m, uint8_t out[32])
{
	size_t have = m->len % BLOCK;

	memset(m->rest + have, 0, BLOCK - have);
	take_block(m->s, m->rest);
	m->s[0] ^= m->len;
	for (int i = 0; i < 4; i++)
		quarter(m->s);
	for (size_t i = 0; i < 4; i++)
		number_put(out + 8 * i, m->s[i]);
}

/* ---- hashes --------------------------------------------------------------- */

static void standin_hash(const char *tag, const struct span *parts, size_t part_cnt, uint8_t out[32])
{
	struct mixer m;

	mixer_start(&m);
	if (tag) {
		size_t tag_len = strlen(tag);
		must(tag_len <= UINT8_MAX);
		mixer_add(&m, &(uint8_t){(uint8_t)tag_len}, 1);
		mixer_add(&m, tag, tag_len);
	}
	for (size_t i = 0; i < part_cnt; i++)
		if (parts[i].len > 0)
			mixer_add(&m, parts[i].data, parts[i].len);
	mixer_end(&m, out);
}

static void standin_hash_many(const struct hash_job *jobs, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		standin_hash(jobs[i].tag, jobs[i].parts, HASH_PARTS_MAX, jobs[i].out);
}

/* Through the same hash, anew each time: simulated chains ask for few tries. */
static bool standin_mine(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
                         const uint8_t max[32], uint64_t *nonce)
{
	for (uint64_t n = from; cnt > 0; n++, cnt--) {
		uint8_t text[8], out[32];
		for (size_t i = 0; i < sizeof text; i++)
			text[i] = (uint8_t)(n >> (56 - 8 * i));
		standin_hash(tag, (struct span[]){{data, len}, {text, sizeof text}}, 2, out);
		if (memcmp(out, max, sizeof out) <= 0) {
			*nonce = n;
			return true;
		}
	}
	return false;
}

static void standin_expand(const void *element, size_t len, uint8_t *out, size_t out_len)
{
	uint8_t key[32];
	uint64_t s[4];

	must(out_len % sizeof key == 0);
	standin_hash("standin/expand", &(struct span){element, len}, 1, key);
	for (size_t i = 0; i < 4; i++)
		s[i] = number_at(key + 8 * i);
	for (size_t at = 0; at < out_len; at += sizeof key) {
		s[0] += 0x9e3779b97f4a7c15;
		quarter(s);
		for (size_t i = 0; i < 4; i++)
			number_put(out + at + 8 * i, s[i]);
	}
}

/* ---- signatures ------------------------------------------------------------- */

static uint64_t replica_checks;

uint64_t standin_replica_checks(void)
{
	return replica_checks;
}

/* 64 bytes of which each bit depends on everything. */
static void sign(const char *tag, const struct span *parts, size_t part_cnt, struct qsig *sig)
{
	standin_hash(tag, parts, part_cnt, sig->b);
	standin_hash("standin/second-half", &(struct span){sig->b, 32}, 1, sig->b + 32);
}

static void replica_statement(const struct qreplica_key *key, const struct qhash *chain, const uint8_t *body,
                              size_t len, struct qsig *sig)
{
	sign("standin/replica", (struct span[]){{key->b, sizeof key->b}, {chain->b, 32}, {body, len}}, 3,
	     sig);
}

static void standin_replica_key(const uint8_t seed[32], uint8_t secret[PRIMITIVES_SECRET],
                                struct qreplica_key *key)
{
	standin_hash("standin/replica-key", &(struct span){seed, 32}, 1, key->b);
	memcpy(secret, seed, 32);
	memcpy(secret + 32, key->b, 32);
}

/* Of real keys about half are no points; here only those that look forgotten. */
static bool standin_replica_key_valid(const struct qreplica_key *key)
{
	for (size_t i = 1; i < sizeof key->b; i++)
		if (key->b[i] != key->b[0])
			return true;
	return false;
}

static void standin_replica_sign(const uint8_t secret[PRIMITIVES_SECRET], const struct qhash *chain,
                                 const uint8_t *body, size_t len, struct qsig *sig)
{
	struct qreplica_key key;

	memcpy(key.b, secret + 32, sizeof key.b);
	replica_statement(&key, chain, body, len, sig);
}

static bool standin_replica_verify(const struct qreplica_key *key, const struct qhash *chain,
                                   const uint8_t *body, size_t len, const struct qsig *sig)
{
	struct qsig want;

	replica_checks++;
	replica_statement(key, chain, body, len, &want);
	return memcmp(want.b, sig->b, sizeof want.b) == 0;
}

static void account_statement(const struct qaccount_key *key, const struct qtxid *id, struct qsig *sig)
{
	sign("standin/account", (struct span[]){{key->b, sizeof key->b}, {id->b, sizeof id->b}}, 2, sig);
}

/* Written as a compressed point is. */
static bool standin_account_key(const uint8_t secret[32], struct qaccount_key *key)
{
	static const uint8_t zero[32];
	uint8_t digest[32];

	if (memcmp(secret, zero, sizeof zero) == 0)
		return false;
	standin_hash("standin/account-key", &(struct span){secret, 32}, 1, digest);
	key->b[0] = (uint8_t)(2 + (digest[0] & 1));
	memcpy(key->b + 1, digest, sizeof digest);
	return true;
}

static void standin_account_sign(const uint8_t secret[32], const struct qtxid *id, struct qsig *sig)
{
	struct qaccount_key key;

	must(standin_account_key(secret, &key));
	account_statement(&key, id, sig);
}

/* The "point" is the key. */
static bool standin_account_parse(const struct qaccount_key *key, uint8_t point[PRIMITIVES_POINT])
{
	memset(point, 0, PRIMITIVES_POINT);
	memcpy(point, key->b, sizeof key->b);
	return key->b[0] == 2 || key->b[0] == 3;
}

static bool standin_account_check(const uint8_t point[PRIMITIVES_POINT], const struct qtxid *id,
                                  const struct qsig *sig)
{
	struct qaccount_key key;
	struct qsig want;

	memcpy(key.b, point, sizeof key.b);
	account_statement(&key, id, &want);
	return memcmp(want.b, sig->b, sizeof want.b) == 0;
}

/* ---- secrets: there are none ------------------------------------------------ */

static void *standin_secret_new(size_t size)
{
	return xcalloc(1, size);
}

static void standin_secret_seal(void *secret)
{
	(void)secret;
}

static void standin_secret_free(void *secret)
{
	free(secret);
}

/* ---- the switch ------------------------------------------------------------- */

static const struct primitives standins = {
    .hash = standin_hash,
    .hash_many = standin_hash_many,
    .mine = standin_mine,
    .expand = standin_expand,
    .replica_key = standin_replica_key,
    .replica_key_valid = standin_replica_key_valid,
    .replica_sign = standin_replica_sign,
    .replica_verify = standin_replica_verify,
    .account_key = standin_account_key,
    .account_sign = standin_account_sign,
    .account_parse = standin_account_parse,
    .account_check = standin_account_check,
    .secret_new = standin_secret_new,
    .secret_seal = standin_secret_seal,
    .secret_free = standin_secret_free,
};

void standin_use(bool on)
{
	primitives_use(on ? &standins : &primitives_real);
}
