/*
 * account.h: accounts, secp256k1 keys (libsecp256k1), and their addresses.
 *
 * Signatures are the 64-byte compact form with low S; nothing is normalised before
 * verifying.  Keys are 33 bytes, compressed; no other form is read.
 * An address is the first 20 bytes of SHA-256 over a tag and the key; as text it is
 * 'q', 40 hex digits of the address, 8 hex digits of checksum (any one wrong
 * character is detected but for one in 2^32).
 */
#ifndef QUORATE_ACCOUNT_H
#define QUORATE_ACCOUNT_H

#include "err.h"
#include "wire.h"

struct account; /* secret key in guarded memory, wiped when freed */

struct account *account_new(void);
/* NULL if the 32 bytes are no secret key (zero, or not below the group order). */
struct account *account_from_secret(const uint8_t secret[32]);
void account_free(struct account *a);
void account_secret(const struct account *a, uint8_t secret[32]); /* wipe after */
struct qaccount_key account_key(const struct account *a);

/* RFC 6979; signs the txid itself (a tagged SHA-256). */
void account_sign(const struct account *a, const struct qtxid *id, struct qsig *sig);
bool account_verify(const struct qaccount_key *key, const struct qtxid *id, const struct qsig *sig);

struct qaddress account_address(const struct qaccount_key *key);
/* The same of many. */
void account_addresses(const struct qaccount_key *const *keys, size_t cnt, struct qaddress *const *out);

#define ADDRESS_TEXT 50 /* chars of an address as text, NUL included */
char *address_format(const struct qaddress *addr, char text[ADDRESS_TEXT]);
/* False with *err saying what is wrong: length, a character that is no digit, or the checksum. */
bool address_parse(const char *text, struct qaddress *addr, struct err *err);

#endif
