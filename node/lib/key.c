/*
 * key.c: account keys of libquorate's callers.
 */
#include "lib.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto.h"
#include "keyfile.h"

static struct quorate_key *of_account_take(struct account *account)
{
	struct quorate_key *key = xcalloc(1, sizeof *key);
	struct qaccount_key public = account_key(account);
	struct qaddress address = account_address(&public);
	key->account = account;
	address_format(&address, key->address);
	return key;
}

int quorate_key_new(struct quorate_key **out, struct quorate_error *error)
{
	struct err err = {0};
	if (!LIB_BEGIN(out, &err))
		return lib_fail(error, &err);
	*out = of_account_take(account_new());
	return QUORATE_OK;
}

/* What is too long for any key file is as wrong as any other. */
static bool give_passphrase(void *ctx, const char *path, char *buf, size_t cap)
{
	const char *passphrase = ctx;
	(void)path;
	if (passphrase == NULL)
		return false;
	snprintf(buf, cap, "%s", strlen(passphrase) < cap ? passphrase : "");
	return true;
}

int quorate_key_load(const char *path, const char *passphrase, struct quorate_key **out,
                     struct quorate_error *error)
{
	struct err err = {0};
	if (!LIB_BEGIN(out, &err) || !lib_given(path, "path", &err))
		return lib_fail(error, &err);
	struct account *account = keyfile_read_account(path, give_passphrase, (void *)passphrase, &err);
	if (account == NULL)
		return lib_fail(error, &err);
	*out = of_account_take(account);
	return QUORATE_OK;
}

int quorate_key_save(const struct quorate_key *key, const char *path, const char *passphrase,
                     struct quorate_error *error)
{
	struct err err = {0};
	bool ok = lib_given(key, "key", &err) && lib_given(path, "path", &err) &&
	          keyfile_write_account(path, key->account, passphrase, &err);
	return ok ? QUORATE_OK : lib_fail(error, &err);
}

const char *quorate_key_address(const struct quorate_key *key)
{
	return key != NULL ? key->address : NULL;
}

void quorate_key_free(struct quorate_key *key)
{
	if (key == NULL)
		return;
	account_free(key->account);
	free(key);
}

int quorate_address_check(const char *address, struct quorate_error *error)
{
	struct err err = {0};
	struct qaddress parsed;
	bool ok =
	    lib_given(address, "address", &err) && crypto_init(&err) && address_parse(address, &parsed, &err);
	return ok ? QUORATE_OK : lib_fail(error, &err);
}
