/*
 * primitives.h: the functions that all of crypto/ rests on, in one table, so that the simulator can put cheap
 * ones in their place: SHA-256, the search for a nonce, the expansion of LtHash, Ed25519, secp256k1, and the
 * memory that secrets lie in.
 *
 * A node has the real ones from its first instruction to its last: no file, argument or peer has a say.
 * primitives_use() is for tests/ alone (tests/rules).  It must not be called while other threads use crypto/,
 * and what was hashed or signed by one table means nothing to another.  An identity or account keeps to the
 * table that made it.
 */
#ifndef QUORATE_PRIMITIVES_H
#define QUORATE_PRIMITIVES_H

#include "hash.h"
#include "wire.h"

#define PRIMITIVES_SECRET 64 /* bytes of a replica's secret: the seed and the public key */
#define PRIMITIVES_POINT 64  /* bytes of an account's key as it is computed with, of this process only */

struct primitives {
	/* SHA-256( u8(strlen(tag)) || tag || part[0] || ... ), of the parts alone where tag is NULL. */
	void (*hash)(const char *tag, const struct span *parts, size_t part_cnt, uint8_t out[32]);
	void (*hash_many)(const struct hash_job *jobs, size_t cnt);
	/* mine_search(), of the hash above. */
	bool (*mine)(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
	             const uint8_t max[32], uint64_t *nonce);
	/* A random function from elements to out_len bytes. */
	void (*expand)(const void *element, size_t len, uint8_t *out, size_t out_len);

	void (*replica_key)(const uint8_t seed[32], uint8_t secret[PRIMITIVES_SECRET],
	                    struct qreplica_key *key);
	bool (*replica_key_valid)(const struct qreplica_key *key);
	void (*replica_sign)(const uint8_t secret[PRIMITIVES_SECRET], const struct qhash *chain,
	                     const uint8_t *body, size_t len, struct qsig *sig);
	bool (*replica_verify)(const struct qreplica_key *key, const struct qhash *chain, const uint8_t *body,
	                       size_t len, const struct qsig *sig);

	bool (*account_key)(const uint8_t secret[32], struct qaccount_key *key); /* false: no secret key */
	void (*account_sign)(const uint8_t secret[32], const struct qtxid *id, struct qsig *sig);
	/* Checking is in two steps, so that the point that a key says may be kept. false: no key; no
	 * signature. */
	bool (*account_parse)(const struct qaccount_key *key, uint8_t point[PRIMITIVES_POINT]);
	bool (*account_check)(const uint8_t point[PRIMITIVES_POINT], const struct qtxid *id,
	                      const struct qsig *sig);

	/* Memory that nobody else reads, never NULL; sealed once it is written; wiped when freed. */
	void *(*secret_new)(size_t size);
	void (*secret_seal)(void *secret);
	void (*secret_free)(void *secret);
};

extern const struct primitives primitives_real;
extern const struct primitives *primitives; /* those in use */
void primitives_use(const struct primitives *p);

#endif
