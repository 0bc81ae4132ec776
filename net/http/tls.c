/*
 * tls.c: the server's certificate and its key, and whether they can do what they are for.
 *
 * libmicrohttpd says of all that is wrong with them that "it failed".
 */
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server_impl.h"
#include "wholefile.h"

enum { FILE_MAX = 256 << 10, CHAIN_MAX = 16 };

struct pair {
	const char *cert_path, *key_path;
	gnutls_x509_crt_t chain[CHAIN_MAX];
	unsigned cnt;
	gnutls_x509_privkey_t key;
};

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

static bool read_chain(struct pair *p, const char *text, struct err *err)
{
	gnutls_datum_t pem = datum(text);

	p->cnt = CHAIN_MAX;
	int rv = gnutls_x509_crt_list_import(p->chain, &p->cnt, &pem, GNUTLS_X509_FMT_PEM,
	                                     GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	if (rv > 0)
		return true;
	p->cnt = 0;
	return err_set(
	    err, ERR_INPUT,
	    "http_cert: %s holds no certificate in PEM (%s): the node's own comes first, then those that "
	    "signed it",
	    p->cert_path, gnutls_strerror(rv));
}

static bool read_key(struct pair *p, const char *text, struct err *err)
{
	gnutls_datum_t pem = datum(text);

	must(gnutls_x509_privkey_init(&p->key) == 0);
	int rv = gnutls_x509_privkey_import2(p->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rv == GNUTLS_E_DECRYPTION_FAILED)
		return err_set(
		    err, ERR_INPUT,
		    "http_key: %s is encrypted; write it without a passphrase, readable to the node only",
		    p->key_path);
	return rv == 0 || err_set(err, ERR_INPUT, "http_key: %s holds no private key in PEM (%s)",
	                          p->key_path, gnutls_strerror(rv));
}

static bool are_a_pair(const struct pair *p, struct err *err)
{
	unsigned char of_cert[64], of_key[64];
	size_t cert_len = sizeof(of_cert), key_len = sizeof(of_key);

	if (gnutls_x509_crt_get_key_id(p->chain[0], 0, of_cert, &cert_len) == 0 &&
	    gnutls_x509_privkey_get_key_id(p->key, 0, of_key, &key_len) == 0 && cert_len == key_len &&
	    memcmp(of_cert, of_key, key_len) == 0)
		return true;
	return err_set(err, ERR_INPUT,
	               "http_key: the key in %s is not that of the first certificate in %s (http_cert)",
	               p->key_path, p->cert_path);
}

static void day(time_t at, char text[32])
{
	struct tm tm;

	must(gmtime_r(&at, &tm) != NULL && strftime(text, 32, "%Y-%m-%d %H:%M:%SZ", &tm) > 0);
}

static bool is_in_force(const struct pair *p, struct err *err)
{
	char text[32];
	time_t now = time(NULL);

	for (unsigned i = 0; i < p->cnt; i++) {
		time_t from = gnutls_x509_crt_get_activation_time(p->chain[i]);
		time_t to = gnutls_x509_crt_get_expiration_time(p->chain[i]);
		if (to < now) {
			day(to, text);
			return err_set(
			    err, ERR_INPUT,
			    "http_cert: certificate %u in %s expired at %s, and clients refuse it; "
			    "renew it, and start this node again",
			    i + 1, p->cert_path, text);
		}
		if (from > now) {
			day(from, text);
			return err_set(
			    err, ERR_INPUT,
			    "http_cert: certificate %u in %s is valid from %s on only, and clients "
			    "refuse it until then; is this machine's clock right?",
			    i + 1, p->cert_path, text);
		}
	}
	return true;
}

static void drop(struct pair *p)
{
	for (unsigned i = 0; i < p->cnt; i++)
		gnutls_x509_crt_deinit(p->chain[i]);
	if (p->key != NULL)
		gnutls_x509_privkey_deinit(p->key);
}

bool http_cert_in_force(const char *path, struct err *err)
{
	struct pair p = {.cert_path = path};
	char *text = wholefile_read(path, FILE_MAX, NULL, err);
	bool ok = text != NULL && read_chain(&p, text, err) && is_in_force(&p, err);

	drop(&p);
	free(text);
	return ok;
}

static bool check(struct pair *p, const struct tls_files *f, struct err *err)
{
	bool ok = read_chain(p, f->cert, err) && read_key(p, f->key, err) && are_a_pair(p, err);

	drop(p);
	return ok;
}

bool tls_load(const char *cert_path, const char *key_path, struct tls_files *out, struct err *err)
{
	struct pair p = {.cert_path = cert_path, .key_path = key_path};

	*out = (struct tls_files){0};
	if (cert_path == NULL && key_path == NULL)
		return true;
	if (cert_path == NULL || key_path == NULL)
		return err_set(err, ERR_INPUT, "%s is given without %s: TLS needs both",
		               cert_path != NULL ? "http_cert" : "http_key",
		               cert_path != NULL ? "http_key" : "http_cert");
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return err_set(err, ERR_WORLD, "http_cert: the libmicrohttpd of this machine knows no TLS");
	out->cert = wholefile_read(cert_path, FILE_MAX, NULL, err);
	if (out->cert == NULL)
		return err_prefix(err, "http_cert");
	out->key = wholefile_read(key_path, FILE_MAX, NULL, err);
	bool ok = out->key != NULL ? check(&p, out, err) : err_prefix(err, "http_key");
	if (!ok)
		tls_free(out);
	return ok;
}

void tls_free(struct tls_files *f)
{
	if (f->key != NULL)
		explicit_bzero(f->key, strlen(f->key));
	free(f->key);
	free(f->cert);
	*f = (struct tls_files){0};
}
