/*
 * keyfile.c: secrets at rest: what stands in a key file, and how it is sealed.  The file itself,
 * its mode and its durability, is secretfile.c's.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "jread.h"
#include "keyfile.h"
#include "secp.h"
#include "secretfile.h"

/* RFC 9106's second choice for Argon2id, some 0.15 s; a file may say otherwise within bounds. */
#define OPSLIMIT 3
#define MEMLIMIT (64u << 20)
#define OPSLIMIT_MAX 16
#define MEMLIMIT_MIN 8192u
#define MEMLIMIT_MAX (1u << 30)

#define PASS_MAX 1024
#define SECRET_LEN 32
#define SALT_LEN crypto_pwhash_SALTBYTES
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEALED_LEN (SECRET_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES)

static const struct kind {
	const char *name;
	size_t public_len;
} kinds[] = {
    {"account", 33},
    {"replica", 32},
};
enum { ACCOUNT, REPLICA, KIND_CNT };

/* A key file in memory; lives in sodium_malloc'd memory for its secret's sake. */
struct keyfile {
	const struct kind *kind;
	uint8_t public[33];
	bool sealed;
	uint64_t opslimit, memlimit;
	uint8_t salt[SALT_LEN];
	uint8_t nonce[NONCE_LEN];
	uint8_t box[SEALED_LEN];    /* sealed: the secret, encrypted */
	uint8_t secret[SECRET_LEN]; /* plain, or once opened */
};

static struct keyfile *keyfile_new(const struct kind *kind)
{
	struct keyfile *k = sodium_malloc(sizeof *k);
	must(k != NULL);
	memset(k, 0, sizeof *k);
	k->kind = kind;
	return k;
}

/* ---- sealing -------------------------------------------------------------- */

/* Associated data: a sealed secret cannot be passed off as another kind's or another key's. */
static size_t associated(const struct keyfile *k, uint8_t out[64])
{
	size_t name_len = strlen(k->kind->name) + 1;
	memcpy(out, k->kind->name, name_len);
	memcpy(out + name_len, k->public, k->kind->public_len);
	return name_len + k->kind->public_len;
}

static bool derive(const struct keyfile *k, const char *pass, uint8_t *key, struct err *err)
{
	if (crypto_pwhash(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES, pass, strlen(pass), k->salt,
	                  k->opslimit, (size_t)k->memlimit, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return err_set(err, ERR_WORLD, "not enough memory to derive the key: %llu MiB are needed",
		               (unsigned long long)(k->memlimit >> 20));
	return true;
}

static bool seal(struct keyfile *k, const char *pass, struct err *err)
{
	if (pass[0] == '\0' || strlen(pass) >= PASS_MAX)
		return err_set(err, ERR_INPUT, "a passphrase has 1 to %d bytes", PASS_MAX - 1);
	k->sealed = true;
	k->opslimit = OPSLIMIT;
	k->memlimit = MEMLIMIT;
	randombytes_buf(k->salt, sizeof k->salt);
	randombytes_buf(k->nonce, sizeof k->nonce);
	uint8_t data[64], *key = sodium_malloc(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
	must(key != NULL);
	bool ok = derive(k, pass, key, err);
	if (ok)
		crypto_aead_xchacha20poly1305_ietf_encrypt(k->box, NULL, k->secret, sizeof k->secret, data,
		                                           associated(k, data), NULL, k->nonce, key);
	sodium_free(key);
	return ok;
}

static bool unseal(struct keyfile *k, const char *pass, struct err *err)
{
	uint8_t data[64], *key = sodium_malloc(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
	must(key != NULL);
	bool ok = derive(k, pass, key, err);
	if (ok && crypto_aead_xchacha20poly1305_ietf_decrypt(k->secret, NULL, NULL, k->box, sizeof k->box,
	                                                     data, associated(k, data), k->nonce, key) != 0)
		ok = err_set(err, ERR_INPUT, "wrong passphrase, or the file is damaged");
	sodium_free(key);
	return ok;
}

/* ---- JSON ----------------------------------------------------------------- */

static void put_hex(json_t *object, const char *name, const uint8_t *data, size_t len)
{
	char text[2 * SEALED_LEN + 1];
	must(2 * len < sizeof text);
	must(json_object_set_new(object, name, json_string(hex_encode(text, data, len))) == 0);
	sodium_memzero(text, sizeof text);
}

static char *format(const struct keyfile *k)
{
	json_t *object = json_object();
	json_object_set_new(object, "quorate-key", json_integer(1));
	json_object_set_new(object, "kind", json_string(k->kind->name));
	put_hex(object, "public", k->public, k->kind->public_len);
	if (k->sealed) {
		json_object_set_new(object, "kdf", json_string("argon2id"));
		json_object_set_new(object, "opslimit", json_integer((json_int_t)k->opslimit));
		json_object_set_new(object, "memlimit", json_integer((json_int_t)k->memlimit));
		put_hex(object, "salt", k->salt, sizeof k->salt);
		put_hex(object, "nonce", k->nonce, sizeof k->nonce);
		json_object_set_new(object, "cipher", json_string("xchacha20-poly1305"));
		put_hex(object, "secret", k->box, sizeof k->box);
	} else {
		put_hex(object, "secret", k->secret, sizeof k->secret);
	}
	char *text = json_dumps(object, JSON_INDENT(2));
	must(text != NULL);
	json_decref(object);
	return text;
}

static bool read_word(const struct jvalue *object, const char *key, const char *want, struct err *err)
{
	struct jvalue v = jread_field(object, key);
	const char *text;
	if (!jread_string(&v, 64, &text, err))
		return false;
	return strcmp(text, want) == 0 || jread_wrong(&v, err, "must be \"%s\"", want);
}

static bool read_hex(const struct jvalue *object, const char *key, uint8_t *out, size_t len, struct err *err)
{
	struct jvalue v = jread_field(object, key);
	return jread_hex(&v, out, len, err);
}

static bool read_uint(const struct jvalue *object, const char *key, uint64_t min, uint64_t max, uint64_t *out,
                      struct err *err)
{
	struct jvalue v = jread_field(object, key);
	return jread_uint(&v, min, max, out, err);
}

/* A name that is not among these is not quoted: it may be the secret, in the wrong place. */
static bool read_fields(const struct jvalue *root, const char *names, struct err *err)
{
	if (jread_unknown(root, names, "") != NULL)
		return jread_wrong(root, err, "has a field other than %s", names);
	return jread_object(root, names, "", err);
}

static bool read_sealed(const struct jvalue *root, struct keyfile *k, struct err *err)
{
	return read_fields(root, "quorate-key kind public kdf opslimit memlimit salt nonce cipher secret",
	                   err) &&
	       read_word(root, "kdf", "argon2id", err) &&
	       read_uint(root, "opslimit", 1, OPSLIMIT_MAX, &k->opslimit, err) &&
	       read_uint(root, "memlimit", MEMLIMIT_MIN, MEMLIMIT_MAX, &k->memlimit, err) &&
	       read_hex(root, "salt", k->salt, sizeof k->salt, err) &&
	       read_hex(root, "nonce", k->nonce, sizeof k->nonce, err) &&
	       read_word(root, "cipher", "xchacha20-poly1305", err) &&
	       read_hex(root, "secret", k->box, sizeof k->box, err);
}

static bool read_kind(const struct jvalue *root, struct keyfile *k, struct err *err)
{
	struct jvalue v = jread_field(root, "kind");
	const char *name;
	if (!jread_string(&v, 64, &name, err))
		return false;
	for (size_t i = 0; i < KIND_CNT; i++)
		if (strcmp(name, kinds[i].name) == 0)
			k->kind = &kinds[i];
	return k->kind != NULL || jread_wrong(&v, err, "must be \"account\" or \"replica\"");
}

static bool read_root(const struct jvalue *root, struct keyfile *k, struct err *err)
{
	uint64_t version;
	if (!json_is_object(root->json))
		return jread_wrong(root, err, "must be an object");
	k->sealed = jread_field(root, "kdf").json != NULL;
	if (!k->sealed && !read_fields(root, "quorate-key kind public secret", err))
		return false;
	return read_uint(root, "quorate-key", 1, 1, &version, err) && read_kind(root, k, err) &&
	       read_hex(root, "public", k->public, k->kind->public_len, err) &&
	       (k->sealed ? read_sealed(root, k, err)
	                  : read_hex(root, "secret", k->secret, sizeof k->secret, err));
}

/* jansson quotes what stands where it stopped: that may be the secret. */
static void quote_nothing(struct err *err)
{
	char *quote = err != NULL ? strstr(err->text, " near '") : NULL;
	if (quote != NULL)
		*quote = '\0';
}

/* Reads a file as far as goes without its passphrase; NULL with *err. */
static struct keyfile *load(const char *path, struct err *err)
{
	size_t len;
	char *text = secretfile_read(path, &len, err);
	if (text == NULL)
		return NULL;
	struct keyfile *k = keyfile_new(NULL);
	json_t *json = jread_parse(text, len, err);
	if (json == NULL)
		quote_nothing(err);
	sodium_free(text);
	struct jvalue root = jread_root(json);
	bool ok = json != NULL && read_root(&root, k, err);
	json_decref(json);
	if (ok)
		return k;
	err_prefix(err, "key file %s", path);
	sodium_free(k);
	return NULL;
}

/* ---- reading -------------------------------------------------------------- */

static bool ask_and_unseal(struct keyfile *k, const char *path, keyfile_ask *ask, void *ctx, struct err *err)
{
	char *pass = sodium_malloc(PASS_MAX);
	must(pass != NULL);
	pass[0] = '\0';
	bool ok = ask != NULL && ask(ctx, path, pass, PASS_MAX);
	if (!ok)
		err_set(err, ERR_INPUT, "encrypted, and no passphrase was given");
	ok = ok && unseal(k, pass, err);
	sodium_free(pass);
	return ok;
}

/* A file of the wanted kind, opened; NULL with *err. */
static struct keyfile *open_keyfile(const char *path, const struct kind *want, keyfile_ask *ask, void *ctx,
                                    struct err *err)
{
	struct keyfile *k = load(path, err);
	if (k == NULL)
		return NULL;
	bool ok =
	    k->kind == want || err_set(err, ERR_INPUT, "kind: is \"%s\"; a key of kind \"%s\" is needed",
	                               k->kind->name, want->name);
	if (ok && k->sealed)
		ok = ask_and_unseal(k, path, ask, ctx, err);
	if (ok)
		return k;
	err_prefix(err, "key file %s", path);
	sodium_free(k);
	return NULL;
}

static bool mismatch(const char *path, struct err *err)
{
	return err_set(err, ERR_INPUT,
	               "key file %s: public: is not the public key of the secret; the file is damaged", path);
}

static struct account *to_account(const struct keyfile *k, const char *path, struct err *err)
{
	struct account *a = account_from_secret(k->secret);
	if (a != NULL && memcmp(account_key(a).b, k->public, sizeof account_key(a).b) == 0)
		return a;
	if (a != NULL)
		account_free(a);
	mismatch(path, err);
	return NULL;
}

static struct ident *to_ident(const struct keyfile *k, const char *path, struct err *err)
{
	struct ident *id = ident_from_seed(k->secret);
	if (memcmp(ident_key(id).b, k->public, sizeof ident_key(id).b) == 0)
		return id;
	ident_free(id);
	mismatch(path, err);
	return NULL;
}

struct account *keyfile_read_account(const char *path, keyfile_ask *ask, void *ctx, struct err *err)
{
	struct keyfile *k = open_keyfile(path, &kinds[ACCOUNT], ask, ctx, err);
	if (k == NULL)
		return NULL;
	struct account *a = to_account(k, path, err);
	sodium_free(k);
	return a;
}

struct ident *keyfile_read_ident(const char *path, keyfile_ask *ask, void *ctx, struct err *err)
{
	struct keyfile *k = open_keyfile(path, &kinds[REPLICA], ask, ctx, err);
	if (k == NULL)
		return NULL;
	struct ident *id = to_ident(k, path, err);
	sodium_free(k);
	return id;
}

/* Is the public key one at all, and, where the secret is plain, that secret's? */
static bool check_public(const struct keyfile *k, const char *path, struct err *err)
{
	bool account = k->kind == &kinds[ACCOUNT];
	if (k->sealed) {
		secp256k1_pubkey point;
		struct qreplica_key key;
		memcpy(key.b, k->public, sizeof key.b);
		bool valid = account ? secp256k1_ec_pubkey_parse(secp_context(), &point, k->public,
		                                                 k->kind->public_len)
		                     : ident_key_valid(&key);
		return valid || mismatch(path, err);
	}
	struct account *a = account ? to_account(k, path, err) : NULL;
	struct ident *id = account ? NULL : to_ident(k, path, err);
	bool ok = a != NULL || id != NULL;
	account_free(a);
	ident_free(id);
	return ok;
}

static void show_public(const struct keyfile *k, char *text, size_t cap)
{
	must(cap >= KEYFILE_TEXT);
	if (k->kind == &kinds[ACCOUNT]) {
		struct qaccount_key key;
		memcpy(key.b, k->public, sizeof key.b);
		struct qaddress addr = account_address(&key);
		address_format(&addr, text);
	} else {
		hex_encode(text, k->public, k->kind->public_len);
	}
}

bool keyfile_show(const char *path, char *kind, size_t kind_cap, char *text, size_t text_cap, struct err *err)
{
	struct keyfile *k = load(path, err);
	if (k == NULL)
		return false;
	bool ok = check_public(k, path, err);
	if (ok) {
		must(snprintf(kind, kind_cap, "%s", k->kind->name) < (int)kind_cap);
		show_public(k, text, text_cap);
	}
	sodium_free(k);
	return ok;
}

/* ---- writing -------------------------------------------------------------- */

static bool write_keyfile(const char *path, struct keyfile *k, const char *pass, struct err *err)
{
	if (pass != NULL && !seal(k, pass, err))
		return err_prefix(err, "key file %s", path);
	char *text = format(k);
	bool ok = secretfile_write(path, text, strlen(text), err);
	sodium_memzero(text, strlen(text));
	free(text);
	return ok;
}

bool keyfile_write_account(const char *path, const struct account *a, const char *pass, struct err *err)
{
	struct keyfile *k = keyfile_new(&kinds[ACCOUNT]);
	memcpy(k->public, account_key(a).b, k->kind->public_len);
	account_secret(a, k->secret);
	bool ok = write_keyfile(path, k, pass, err);
	sodium_free(k);
	return ok;
}

bool keyfile_write_ident(const char *path, const struct ident *id, const char *pass, struct err *err)
{
	struct keyfile *k = keyfile_new(&kinds[REPLICA]);
	memcpy(k->public, ident_key(id).b, k->kind->public_len);
	ident_seed(id, k->secret);
	bool ok = write_keyfile(path, k, pass, err);
	sodium_free(k);
	return ok;
}
