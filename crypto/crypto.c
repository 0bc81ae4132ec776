/*
 * crypto.c: starting libsodium and libsecp256k1, and asking them what they agree with.
 *
 * Implementations of Ed25519 differ on crafted keys and signatures (Chalkias, Garillot &
 * Nikolaenko, "Taming the many EdDSAs", 2020), and a replica that accepts what another refuses is a
 * fork in waiting.  So the rules of libsodium's releases (strict, without cofactor) are rules of
 * the protocol, probed once a process rather than assumed from a version number.
 */
#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto.h"
#include "hash.h"
#include "secp.h"
#include "sha_lanes.h"
#include "wire.h"

#define KEY "fe6b0ecc00b4c2d2e82f544bba954f31e1c724e7388bf4d1835b6b85430c9c0e"
#define KEY_SEED "ccb1d952eee9edd8ccbd6da1bda775e1328207226b9becc6f5b008fee505e9d0"
/* KEY plus the point of order two: on the curve, outside the main subgroup. */
#define KEY_MIXED "ef93f133ff4b3d2d17d0abb4456ab0ce1e38db18c7740b2e7ca4947abcf363f1"
#define IDENTITY "0100000000000000000000000000000000000000000000000000000000000000"
#define IDENTITY_OVER_P "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define SIG_R "81177ae1d0df56723ec1e60bb1b24ba9a2e8b4faf2f9a57da273fde432f8a8ec"
#define SIG_S "f14fc0bfdcae804c03924fb8d75c9c20110a1e15ade3d9f9cb65ee2989d9c604"
#define SIG_S_PLUS_ORDER "de23b61cf71193a4d92e475bb6567b35110a1e15ade3d9f9cb65ee2989d9c614"
#define MIXED_R "547c3c9d15264a743537a89994a1bef39f797c565c3620407785feca47002b60"

/* Signatures over one byte, and what every replica must say to them. */
static const struct probe {
	const char *what;
	const char *key;
	uint8_t message;
	const char *sig;
	bool valid;
} probes[] = {
    {"a plain signature", KEY, 0, SIG_R SIG_S, true},
    {"another message", KEY, 1, SIG_R SIG_S, false},
    {"S plus the group's order", KEY, 0, SIG_R SIG_S_PLUS_ORDER, false},
    {"a key of small order", IDENTITY, 0, IDENTITY ZERO, false},
    {"a key that is not canonical", IDENTITY_OVER_P, 0, IDENTITY ZERO, false},
    {"R of small order", KEY, 0, IDENTITY "4c3c1dbeb60eebb722373941f3e9b37cf15e784f3e556d1a3b9b41ae8d53c406",
     false},
    {"a signature that holds only times the cofactor", KEY_MIXED, 0,
     MIXED_R "740639dd391d902a416cc95b963b3889905c30690359cacbfc61935a5f2c830c", false},
    {"a key of mixed order whose signature holds exactly", KEY_MIXED, 4,
     MIXED_R "85ec34aaafdd72c530ffe5c8cdb699b149cbff5d44534a60655440ba9909880a", true},
};

static secp256k1_context *secp;

const secp256k1_context *secp_context(void)
{
	must(secp != NULL); /* crypto_init() comes first */
	return secp;
}

static bool probe_verify(const struct probe *p, struct err *err)
{
	uint8_t key[crypto_sign_PUBLICKEYBYTES], sig[crypto_sign_BYTES];
	must(hex_decode(key, sizeof key, p->key));
	must(hex_decode(sig, sizeof sig, p->sig));
	bool valid = crypto_sign_verify_detached(sig, &p->message, 1, key) == 0;
	if (valid != p->valid)
		return err_set(err, ERR_WORLD,
		               "libsodium %s %s %s: it would disagree with other replicas; use a release "
		               "build of libsodium",
		               sodium_version_string(), valid ? "accepts" : "refuses", p->what);
	return true;
}

static bool probe_sign(struct err *err)
{
	uint8_t seed[crypto_sign_SEEDBYTES], key[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES], want[crypto_sign_BYTES], made[crypto_sign_BYTES];
	must(hex_decode(seed, sizeof seed, KEY_SEED));
	must(hex_decode(want, sizeof want, SIG_R SIG_S));
	crypto_sign_seed_keypair(key, secret, seed);
	for (int i = 0; i < 2; i++) {
		crypto_sign_detached(made, NULL, &(uint8_t){0}, 1, secret);
		if (memcmp(made, want, sizeof made) != 0)
			return err_set(err, ERR_WORLD,
			               "libsodium %s does not sign as RFC 8032 says (built with "
			               "ED25519_NONDETERMINISTIC?); use a release build of libsodium",
			               sodium_version_string());
	}
	return true;
}

static void secp_bug(const char *text, void *ctx)
{
	(void)ctx;
	fprintf(stderr, "quorate: libsecp256k1: %s\n", text);
	abort();
}

static void secp_start(void)
{
	uint8_t blind[32];
	secp = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	must(secp != NULL);
	secp256k1_context_set_illegal_callback(secp, secp_bug, NULL);
	secp256k1_context_set_error_callback(secp, secp_bug, NULL);
	randombytes_buf(blind, sizeof blind);
	must(secp256k1_context_randomize(secp, blind));
	sodium_memzero(blind, sizeof blind);
}

static void wiping_free(void *p)
{
	if (p != NULL)
		sodium_memzero(p, malloc_usable_size(p));
	free(p);
}

void crypto_wipe_json(void)
{
	json_set_alloc_funcs(malloc, wiping_free);
}

static struct err failure; /* written once, by start() */

static void start(void)
{
	if (sodium_init() < 0) {
		err_set(&failure, ERR_WORLD, "libsodium does not start: no source of random numbers?");
		return;
	}
	hash_short_key();
	sha_lanes_init();
	secp_start();
	bool ok = probe_sign(&failure);
	for (size_t i = 0; ok && i < sizeof probes / sizeof probes[0]; i++)
		ok = probe_verify(&probes[i], &failure);
}

bool crypto_init(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	must(pthread_once(&once, start) == 0);
	if (failure.kind != ERR_NONE)
		return err_set(err, failure.kind, "%s", failure.text);
	return true;
}
