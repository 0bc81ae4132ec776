/*
 * Key files: who may read them, what is refused, and that damage is noticed.
 * Links: q_crypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "keyfile.h"

#define PASS "correct horse battery staple"

static char dir[] = "/tmp/quorate-keyfile-XXXXXX";
static char path[64]; /* dir/key, removed after each test */

static int start(void **state)
{
	(void)state;
	if (!crypto_init(NULL) || mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/key", dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int clear(void **state)
{
	(void)state;
	if (rmdir(path) != 0)
		unlink(path);
	return 0;
}

static bool give(void *ctx, const char *file, char *buf, size_t cap)
{
	assert_string_equal(file, path);
	return ctx != NULL && snprintf(buf, cap, "%s", (const char *)ctx) < (int)cap;
}

static bool must_not_ask(void *ctx, const char *file, char *buf, size_t cap)
{
	(void)ctx, (void)file, (void)buf, (void)cap;
	fail_msg("asked for a passphrase");
	return false;
}

static void put(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) < 0, 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void get(char *text, size_t cap)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, cap - 1, f)] = '\0';
	fclose(f);
}

/* Reading fails, and the error says so with the file's name. */
static void refuses(keyfile_ask *ask, char *pass, const char *said)
{
	struct err err = {0};
	struct account *a = keyfile_read_account(path, ask, pass, &err);
	assert_null(a);
	if (strstr(err.text, said) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, said);
	assert_non_null(strstr(err.text, path));
	assert_int_not_equal(err.kind, ERR_NONE);
}

static struct account *written(const char *pass)
{
	struct account *a = account_new();
	struct err err = {0};
	if (!keyfile_write_account(path, a, pass, &err))
		fail_msg("%s", err.text);
	return a;
}

static void assert_same_account(const struct account *a, const struct account *b)
{
	uint8_t sa[32], sb[32];
	account_secret(a, sa);
	account_secret(b, sb);
	assert_memory_equal(sa, sb, 32);
}

static void a_plain_account_comes_back(void **state)
{
	(void)state;
	struct account *a = written(NULL);
	struct account *b = keyfile_read_account(path, must_not_ask, NULL, NULL);
	assert_non_null(b);
	assert_same_account(a, b);
	account_free(a);
	account_free(b);
}

static void a_plain_identity_comes_back(void **state)
{
	(void)state;
	struct ident *a = ident_new();
	assert_true(keyfile_write_ident(path, a, NULL, NULL));
	struct ident *b = keyfile_read_ident(path, must_not_ask, NULL, NULL);
	assert_non_null(b);
	uint8_t sa[32], sb[32];
	ident_seed(a, sa);
	ident_seed(b, sb);
	assert_memory_equal(sa, sb, 32);
	refuses(must_not_ask, NULL, "kind: is \"replica\"");
	ident_free(a);
	ident_free(b);
}

static void a_sealed_account_opens_with_its_passphrase_alone(void **state)
{
	(void)state;
	char text[4096], hex[65];
	uint8_t secret[32];
	struct account *a = written(PASS);
	struct account *b = keyfile_read_account(path, give, PASS, NULL);
	assert_non_null(b);
	assert_same_account(a, b);
	account_secret(a, secret);
	get(text, sizeof text);
	assert_null(strstr(text, hex_encode(hex, secret, 32)));
	refuses(give, "correct horse battery stapler", "wrong passphrase");
	refuses(give, NULL, "no passphrase was given");
	refuses(NULL, NULL, "no passphrase was given");
	account_free(a);
	account_free(b);
}

static void a_sealed_file_does_not_open_once_tampered_with(void **state)
{
	(void)state;
	static const char *const marks[] = {"\"secret\": \"", "\"salt\": \"", "\"nonce\": \"",
	                                    "\"opslimit\": "};
	char text[4096];
	account_free(written(PASS));
	get(text, sizeof text);
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		char *at = strstr(text, marks[i]) + strlen(marks[i]), was = *at;
		*at = was == '4' ? '5' : '4';
		put(text, 0600);
		refuses(give, PASS, "wrong passphrase, or the file is damaged");
		*at = was;
	}
	/* The public key is bound by the encryption, too: another account's does not do. */
	struct account *other = account_new();
	char *public = strstr(text, "\"public\": \"") + 11, hex[67];
	memcpy(public, hex_encode(hex, account_key(other).b, 33), 66);
	put(text, 0600);
	refuses(give, PASS, "wrong passphrase, or the file is damaged");
	account_free(other);
}

static void every_overwritten_character_of_a_plain_file_is_noticed(void **state)
{
	(void)state;
	char text[4096];
	account_free(written(NULL));
	get(text, sizeof text);
	for (size_t at = 0; text[at] != '\0'; at++) {
		char was = text[at];
		for (const char *c = "x0\""; *c != '\0'; c++) {
			if (was == *c)
				continue;
			text[at] = *c;
			put(text, 0600);
			refuses(must_not_ask, NULL, "key file ");
		}
		text[at] = was;
	}
}

static void every_truncation_is_noticed(void **state)
{
	(void)state;
	char text[4096];
	account_free(written(NULL));
	get(text, sizeof text);
	for (size_t len = strlen(text); len-- > 0;) {
		text[len] = '\0';
		put(text, 0600);
		refuses(must_not_ask, NULL, "key file ");
	}
}

static void a_new_file_is_for_its_owner_alone(void **state)
{
	(void)state;
	struct stat st;
	mode_t before = umask(0);
	account_free(written(NULL));
	umask(before);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_file_that_others_can_touch_is_refused(void **state)
{
	(void)state;
	account_free(written(NULL));
	for (mode_t bit = 01; bit <= 040; bit <<= 1) {
		assert_int_equal(chmod(path, 0600 | bit), 0);
		refuses(must_not_ask, NULL, "chmod 600");
	}
	assert_int_equal(chmod(path, 0400), 0);
	struct account *a = keyfile_read_account(path, must_not_ask, NULL, NULL);
	assert_non_null(a);
	account_free(a);
}

static void a_key_is_never_overwritten(void **state)
{
	(void)state;
	char before[4096], after[4096];
	struct err err = {0};
	struct account *a = written(NULL);
	get(before, sizeof before);
	assert_false(keyfile_write_account(path, a, NULL, &err));
	assert_non_null(strstr(err.text, "exists"));
	get(after, sizeof after);
	assert_string_equal(before, after);
	account_free(a);
}

static void what_is_no_plain_small_file_is_refused(void **state)
{
	(void)state;
	refuses(must_not_ask, NULL, "No such file");
	assert_int_equal(mkdir(path, 0700), 0);
	refuses(must_not_ask, NULL, "not a regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(must_not_ask, NULL, "not a regular file");
	assert_int_equal(unlink(path), 0);
	char big[5000];
	memset(big, ' ', sizeof big);
	big[sizeof big - 1] = '\0';
	put(big, 0600);
	refuses(must_not_ask, NULL, "larger than 4096");
}

#define PUBLIC_OF_ONE "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define SECRET_ONE "0000000000000000000000000000000000000000000000000000000000000001"
#define PLAIN(more)                                                                                         \
	"{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"" PUBLIC_OF_ONE "\",\"secret\":\"" SECRET_ONE \
	"\"" more "}"
#define SEALED(kdf, ops, mem, cipher)                                                                 \
	"{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"" PUBLIC_OF_ONE "\",\"kdf\":\"" kdf     \
	"\",\"opslimit\":" ops ",\"memlimit\":" mem ",\"salt\":\"00000000000000000000000000000000\"," \
	"\"nonce\":\"000000000000000000000000000000000000000000000000\",\"cipher\":\"" cipher         \
	"\",\"secret\":\"" SECRET_ONE "00000000000000000000000000000000\"}"

static void names_the_field_that_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text, *said;
	} cases[] = {
	    {"[]", "the document: must be an object"},
	    {"{}", "quorate-key: missing"},
	    {PLAIN(",\"more\":1"), "has a field other than quorate-key kind public secret"},
	    {PLAIN(",\"kind\":\"account\""), "duplicate"},
	    {PLAIN(",\"kdf\":\"argon2id\""), "missing"},
	    {PLAIN("} {"), "line 1"},
	    {"{\"quorate-key\":2,\"kind\":\"account\",\"public\":\"\",\"secret\":\"\"}", "quorate-key: is 2"},
	    {"{\"quorate-key\":\"1\",\"kind\":\"account\",\"public\":\"\",\"secret\":\"\"}",
	     "quorate-key: must be an integer"},
	    {"{\"quorate-key\":1,\"kind\":\"stranger\",\"public\":\"\",\"secret\":\"\"}", "kind: must be"},
	    {"{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"\",\"secret\":\"\"}",
	     "public: must be a string of 66 lower-case hex digits"},
	    {"{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"" PUBLIC_OF_ONE "\",\"secret\":7}",
	     "secret: must be a string of 64"},
	    {"{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"" PUBLIC_OF_ONE
	     "\",\"secret\":\"" PUBLIC_OF_ONE "\"}",
	     "secret: must be a string of 64"},
	    {"{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"" PUBLIC_OF_ONE
	     "\",\"secret\":\"0000000000000000000000000000000000000000000000000000000000000002\"}",
	     "public: is not the public key of the secret"},
	    {"{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"" PUBLIC_OF_ONE
	     "\",\"secret\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
	     "public: is not the public key of the secret"},
	    {SEALED("scrypt", "3", "67108864", "xchacha20-poly1305"), "kdf: must be \"argon2id\""},
	    {SEALED("argon2id", "0", "67108864", "xchacha20-poly1305"), "opslimit: is 0"},
	    {SEALED("argon2id", "1000000", "67108864", "xchacha20-poly1305"), "opslimit: is 1000000"},
	    {SEALED("argon2id", "3", "1", "xchacha20-poly1305"), "memlimit: is 1"},
	    {SEALED("argon2id", "3", "1099511627776", "xchacha20-poly1305"), "memlimit: is 1099511627776"},
	    {SEALED("argon2id", "3", "67108864", "rot13"), "cipher: must be \"xchacha20-poly1305\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put(cases[i].text, 0600);
		refuses(must_not_ask, NULL, cases[i].said);
	}
	put(PLAIN(""), 0600);
	struct account *a = keyfile_read_account(path, must_not_ask, NULL, NULL);
	assert_non_null(a);
	account_free(a);
}

/* An error is for a terminal or a log, and what is misplaced may be the secret. */
static void an_error_of_syntax_does_not_quote_the_file(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "{\"quorate-key\": 1, \"secret\" \"5ec4e7\"}",
	    "{\"quorate-key\": 1, \"secret\": \"x\" \"5ec4e7\"}",
	    "{\"quorate-key\": 1} \"5ec4e7\"",
	    "\"5ec4e7",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct err err = {0};
		put(texts[i], 0600);
		assert_null(keyfile_read_account(path, must_not_ask, NULL, &err));
		assert_non_null(strstr(err.text, "line 1, column "));
		assert_null(strstr(err.text, "5ec4e7"));
	}
}

static void a_field_that_does_not_belong_there_is_not_quoted(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    PLAIN(",\"5ec4e7\":1"),
	    "{\"quorate-key\":1,\"kind\":\"account\",\"5ec4e7\":\"secret\"}",
	    "{\"quorate-key\":1,\"kind\":\"account\",\"public\":\"" PUBLIC_OF_ONE
	    "\",\"kdf\":\"argon2id\",\"5ec4e7\":\"secret\"}",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct err err = {0};
		put(texts[i], 0600);
		assert_null(keyfile_read_account(path, must_not_ask, NULL, &err));
		assert_non_null(strstr(err.text, "has a field other than quorate-key kind public "));
		assert_null(strstr(err.text, "5ec4e7"));
	}
}

static void shows_the_public_side_without_a_passphrase(void **state)
{
	(void)state;
	char kind[KEYFILE_KIND], text[KEYFILE_TEXT], want[KEYFILE_TEXT];
	struct account *a = written(PASS);
	struct qaccount_key key = account_key(a);
	struct qaddress addr = account_address(&key);
	assert_true(keyfile_show(path, kind, sizeof kind, text, sizeof text, NULL));
	assert_string_equal(kind, "account");
	assert_string_equal(text, address_format(&addr, want));
	account_free(a);
	clear(state);

	struct ident *id = ident_new();
	assert_true(keyfile_write_ident(path, id, NULL, NULL));
	assert_true(keyfile_show(path, kind, sizeof kind, text, sizeof text, NULL));
	assert_string_equal(kind, "replica");
	assert_string_equal(text, hex_encode(want, ident_key(id).b, 32));
	ident_free(id);
}

static void does_not_show_a_public_key_that_is_none(void **state)
{
	(void)state;
	char kind[KEYFILE_KIND], text[KEYFILE_TEXT], file[4096];
	struct err err = {0};
	put(SEALED("argon2id", "3", "67108864", "xchacha20-poly1305"), 0600);
	assert_true(keyfile_show(path, kind, sizeof kind, text, sizeof text, &err));
	get(file, sizeof file);
	memcpy(strstr(file, PUBLIC_OF_ONE), "ff", 2);
	put(file, 0600);
	assert_false(keyfile_show(path, kind, sizeof kind, text, sizeof text, &err));
	assert_non_null(strstr(err.text, "public: "));
}

static void an_empty_passphrase_is_no_passphrase(void **state)
{
	(void)state;
	struct err err = {0};
	struct account *a = account_new();
	assert_false(keyfile_write_account(path, a, "", &err));
	assert_non_null(strstr(err.text, "passphrase"));
	assert_int_equal(access(path, F_OK), -1);
	account_free(a);
}

#define TEST(f) cmocka_unit_test_teardown(f, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_plain_account_comes_back),
	    TEST(a_plain_identity_comes_back),
	    TEST(a_sealed_account_opens_with_its_passphrase_alone),
	    TEST(a_sealed_file_does_not_open_once_tampered_with),
	    TEST(every_overwritten_character_of_a_plain_file_is_noticed),
	    TEST(every_truncation_is_noticed),
	    TEST(a_new_file_is_for_its_owner_alone),
	    TEST(a_file_that_others_can_touch_is_refused),
	    TEST(a_key_is_never_overwritten),
	    TEST(what_is_no_plain_small_file_is_refused),
	    TEST(names_the_field_that_is_wrong),
	    TEST(an_error_of_syntax_does_not_quote_the_file),
	    TEST(a_field_that_does_not_belong_there_is_not_quoted),
	    TEST(shows_the_public_side_without_a_passphrase),
	    TEST(does_not_show_a_public_key_that_is_none),
	    TEST(an_empty_passphrase_is_no_passphrase),
	};
	return cmocka_run_group_tests(tests, start, end);
}
