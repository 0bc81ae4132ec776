/*
 * fuzz_keyfile.c: key files: an error that says something, or a key that belongs to the public key in the
 * file. Files live in memory.  Encrypted ones are sealed here by keyfile.h's description, as cheaply as it
 * allows; the passphrase is known for those alone, so that no input makes the test derive at length.
 *
 * Links: q_crypto
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "err.h"
#include "fuzz.h"
#include "keyfile.h"

#define PASS "pass"

static int file = -1;
static char path[64];
static bool may_derive;

static void put_file(const void *data, size_t len)
{
	must(ftruncate(file, 0) == 0);
	must(pwrite(file, data, len, 0) == (ssize_t)len);
}

static bool ask(void *ctx, const char *name, char *buf, size_t cap)
{
	(void)ctx, (void)name;
	if (may_derive)
		snprintf(buf, cap, "%s", PASS);
	return may_derive;
}

/* ---- genuine ones ----------------------------------------------------------------- */

static void add_plain(const char *kind, const uint8_t *public, size_t len, const uint8_t secret[32])
{
	char text[512], p[67], s[65];

	snprintf(text, sizeof text,
	         "{\"quorate-key\": 1, \"kind\": \"%s\", \"public\": \"%s\", \"secret\": \"%s\"}", kind,
	         hex_encode(p, public, len), hex_encode(s, secret, 32));
	fuzz_seed(text, strlen(text));
}

static void add_sealed(const char *kind, const uint8_t *public, size_t len, const uint8_t secret[32])
{
	uint8_t key[32], salt[16] = {1}, nonce[24] = {2}, box[48], data[64];
	char text[1024], p[67], a[33], n[49], b[97];
	size_t name_len = strlen(kind) + 1;

	must(crypto_pwhash(key, sizeof key, PASS, strlen(PASS), salt, 1, 8192,
	                   crypto_pwhash_ALG_ARGON2ID13) == 0);
	memcpy(data, kind, name_len);
	memcpy(data + name_len, public, len);
	crypto_aead_xchacha20poly1305_ietf_encrypt(box, NULL, secret, 32, data, name_len + len, NULL, nonce,
	                                           key);
	snprintf(text, sizeof text,
	         "{\"quorate-key\": 1, \"kind\": \"%s\", \"public\": \"%s\", \"kdf\": \"argon2id\", "
	         "\"opslimit\": 1, \"memlimit\": 8192, \"salt\": \"%s\", \"nonce\": \"%s\", "
	         "\"cipher\": \"xchacha20-poly1305\", \"secret\": \"%s\"}",
	         kind, hex_encode(p, public, len), hex_encode(a, salt, 16), hex_encode(n, nonce, 24),
	         hex_encode(b, box, sizeof box));
	fuzz_seed(text, strlen(text));
}

static void setup(void)
{
	uint8_t secret[32] = {[31] = 7};
	struct account *a;
	struct ident *id;

	must(crypto_init(NULL));
	a = account_from_secret(secret);
	id = ident_from_seed(secret);
	file = memfd_create("keyfile", MFD_CLOEXEC);
	must(file >= 0 && fchmod(file, 0600) == 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	add_plain("account", account_key(a).b, 33, secret);
	add_plain("replica", ident_key(id).b, 32, secret);
	add_sealed("account", account_key(a).b, 33, secret);
	add_sealed("replica", ident_key(id).b, 32, secret);
	account_free(a);
	ident_free(id);
	for (size_t i = 0; i < fuzz_seed_cnt(); i++) { /* both sealers agree */
		put_file(fuzz_seed_at(i)->data, fuzz_seed_at(i)->len);
		may_derive = true;
		a = keyfile_read_account(path, ask, NULL, NULL);
		id = keyfile_read_ident(path, ask, NULL, NULL);
		must((a != NULL) == (i % 2 == 0) && (id != NULL) == (i % 2 == 1));
		account_free(a);
		ident_free(id);
	}
}

static void teardown(void)
{
	close(file);
}

/* ---- the test ---------------------------------------------------------------------- */

static void check_account(const struct account *a, bool shown, const char *kind, const char *shown_text)
{
	char text[ADDRESS_TEXT];
	struct qaccount_key key = account_key(a);
	struct qaddress addr = account_address(&key);

	must(shown && strcmp(kind, "account") == 0);
	must(strcmp(address_format(&addr, text), shown_text) == 0);
}

static void check_ident(const struct ident *id, bool shown, const char *kind, const char *shown_text)
{
	char text[65];

	must(shown && strcmp(kind, "replica") == 0);
	must(strcmp(hex_encode(text, ident_key(id).b, 32), shown_text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char kind[KEYFILE_KIND], text[KEYFILE_TEXT];
	struct err show = {0}, account = {0}, ident = {0};

	put_file(data, len);
	may_derive =
	    memmem(data, len, "\"opslimit\": 1,", 14) && memmem(data, len, "\"memlimit\": 8192,", 17);
	bool shown = keyfile_show(path, kind, sizeof kind, text, sizeof text, &show);
	struct account *a = keyfile_read_account(path, ask, NULL, &account);
	struct ident *id = keyfile_read_ident(path, ask, NULL, &ident);
	must(shown || show.text[0] != '\0');
	must(a || account.text[0] != '\0');
	must(id || ident.text[0] != '\0');
	must(!a || !id);
	if (a)
		check_account(a, shown, kind, text);
	if (id)
		check_ident(id, shown, kind, text);
	account_free(a);
	ident_free(id);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "keyfile", .runs = 4000, .setup = setup, .teardown = teardown};
