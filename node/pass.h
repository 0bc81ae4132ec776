/*
 * pass.h: passphrases of key files: from the file that QUORATE_PASSPHRASE_FILE names (its first line),
 * else from the terminal.  Never from an argument or a variable's value: both are readable by others.
 */
#ifndef QUORATE_PASS_H
#define QUORATE_PASS_H

#include "keyfile.h"

#define PASS_MAX 1024 /* bytes, NUL included */

/* A keyfile_ask: ctx is a struct err * that says why none can be had. */
bool pass_ask(void *ctx, const char *path, char *buf, size_t cap);

/* A new one for `path`: asked twice on a terminal; not empty. Wipe buf after. */
bool pass_new(const char *path, char buf[PASS_MAX], struct err *err);

/* Reads a key file, asking where it is encrypted. */
struct account *pass_read_account(const char *path, struct err *err);
struct ident *pass_read_ident(const char *path, struct err *err);

#endif
