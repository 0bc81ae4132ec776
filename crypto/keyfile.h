/*
 * keyfile.h: secrets at rest.  A key file is JSON:
 *   {"quorate-key": 1, "kind": "account"|"replica", "public": "<hex>",
 *    "secret": "<hex>"}                                            (--plain), or
 *    "kdf": "argon2id", "opslimit": N, "memlimit": N, "salt": "<hex>", "nonce": "<hex>",
 *    "cipher": "xchacha20-poly1305", "secret": "<hex>"}            (passphrase)
 * The associated data of the encryption is kind and public key.  Written with
 * O_EXCL, mode 0600, synced with its directory; refused on reading when group or
 * world can read it, when not a regular file, or above 4 KiB; unknown or duplicate
 * keys are errors.
 */
#ifndef QUORATE_KEYFILE_H
#define QUORATE_KEYFILE_H

#include "account.h"
#include "err.h"
#include "ident.h"

/*
 * Passphrases are borrowed NUL-terminated strings; NULL on writing means a plain file.
 * On reading an encrypted file `ask` is called (with ctx and the path) to obtain one; it fills
 * buf (at most cap bytes with NUL) and returns false if none can be had.
 */
typedef bool keyfile_ask(void *ctx, const char *path, char *buf, size_t cap);

bool keyfile_write_account(const char *path, const struct account *a, const char *pass, struct err *err);
bool keyfile_write_ident(const char *path, const struct ident *id, const char *pass, struct err *err);
struct account *keyfile_read_account(const char *path, keyfile_ask *ask, void *ctx, struct err *err);
struct ident *keyfile_read_ident(const char *path, keyfile_ask *ask, void *ctx, struct err *err);

/* The address (account) or public key in hex (replica) without decrypting: `key show`.
 * Room for KEYFILE_KIND and KEYFILE_TEXT chars is enough. */
#define KEYFILE_KIND 16
#define KEYFILE_TEXT 65
bool keyfile_show(const char *path, char *kind, size_t kind_cap, char *text, size_t text_cap,
                  struct err *err);

#endif
