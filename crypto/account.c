/*
 * account.c: the keys of those who own money, their signatures and addresses.
 *
 * Transactions are made in ledger/tx.c; what is signed and verified here is their id.
 */
#include <sodium.h>

#include "account.h"
#include "hash.h"
#include "primitives.h"

struct account {
	const struct primitives *by;
	uint8_t secret[32];
	struct qaccount_key key;
};

struct account *account_new(void)
{
	uint8_t secret[32];
	struct account *a;
	do {
		randombytes_buf(secret, sizeof secret);
		a = account_from_secret(secret);
	} while (a == NULL); /* one time in 2^128 */
	sodium_memzero(secret, sizeof secret);
	return a;
}

struct account *account_from_secret(const uint8_t secret[32])
{
	struct qaccount_key key;
	if (!primitives->account_key(secret, &key))
		return NULL;
	struct account *a = primitives->secret_new(sizeof *a);
	a->by = primitives;
	a->key = key;
	memcpy(a->secret, secret, sizeof a->secret);
	a->by->secret_seal(a);
	return a;
}

void account_free(struct account *a)
{
	if (a != NULL)
		a->by->secret_free(a);
}

void account_secret(const struct account *a, uint8_t secret[32])
{
	memcpy(secret, a->secret, sizeof a->secret);
}

struct qaccount_key account_key(const struct account *a)
{
	return a->key;
}

void account_sign(const struct account *a, const struct qtxid *id, struct qsig *sig)
{
	a->by->account_sign(a->secret, id, sig);
}

bool account_verify(const struct qaccount_key *key, const struct qtxid *id, const struct qsig *sig)
{
	uint8_t point[PRIMITIVES_POINT];
	return primitives->account_parse(key, point) && primitives->account_check(point, id, sig);
}

#define ADDRESS_TAG "quorate/address/v1"

void account_addresses(const struct qaccount_key *const *keys, size_t cnt, struct qaddress *const *out)
{
	enum { AT_A_TIME = 64 };
	struct hash_job jobs[AT_A_TIME];
	struct qhash hashes[AT_A_TIME] = {0};

	for (size_t at = 0; at < cnt; at += AT_A_TIME) {
		size_t n = 0;
		for (; n < AT_A_TIME && at + n < cnt; n++)
			jobs[n] = (struct hash_job){
			    ADDRESS_TAG, {{keys[at + n]->b, sizeof keys[at + n]->b}}, hashes[n].b};
		hash_many(jobs, n);
		for (size_t i = 0; i < n; i++)
			memcpy(out[at + i]->b, hashes[i].b, sizeof out[at + i]->b);
	}
}

struct qaddress account_address(const struct qaccount_key *key)
{
	uint8_t hash[32];
	hash_bytes(ADDRESS_TAG, key->b, sizeof key->b, hash);
	struct qaddress addr = {0};
	memcpy(addr.b, hash, sizeof addr.b);
	return addr;
}

/* ---- addresses as text: 'q', the address, its checksum -------------------- */

#define CHECK_LEN 4
#define DIGITS (ADDRESS_TEXT - 2) /* without the 'q' and the NUL */

static void checksum(const struct qaddress *addr, uint8_t check[CHECK_LEN])
{
	uint8_t hash[32];
	hash_bytes("quorate/address-checksum/v1", addr->b, sizeof addr->b, hash);
	memcpy(check, hash, CHECK_LEN);
}

char *address_format(const struct qaddress *addr, char text[ADDRESS_TEXT])
{
	uint8_t bytes[sizeof addr->b + CHECK_LEN];
	memcpy(bytes, addr->b, sizeof addr->b);
	checksum(addr, bytes + sizeof addr->b);
	text[0] = 'q';
	hex_encode(text + 1, bytes, sizeof bytes);
	return text;
}

bool address_parse(const char *text, struct qaddress *addr, struct err *err)
{
	uint8_t bytes[sizeof addr->b + CHECK_LEN], check[CHECK_LEN];
	size_t len = strnlen(text, 2 * ADDRESS_TEXT);
	if (text[0] != 'q')
		return err_set(err, ERR_INPUT, "an address begins with 'q'");
	if (len != 1 + DIGITS)
		return err_set(err, ERR_INPUT, "an address has %d characters; this one has %s%zu", 1 + DIGITS,
		               len < 2 * ADDRESS_TEXT ? "" : "at least ", len);
	size_t digits = strspn(text + 1, "0123456789abcdef");
	if (digits != DIGITS)
		return err_set(err, ERR_INPUT, "character %zu of the address is no digit of 0-9 a-f",
		               digits + 2);
	must(hex_decode(bytes, sizeof bytes, text + 1));
	struct qaddress parsed;
	memcpy(parsed.b, bytes, sizeof parsed.b);
	checksum(&parsed, check);
	if (memcmp(check, bytes + sizeof parsed.b, CHECK_LEN) != 0)
		return err_set(err, ERR_INPUT,
		               "the address's checksum does not fit: look for a typing error");
	*addr = parsed;
	return true;
}
