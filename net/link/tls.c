/*
 * tls.c: certificates of the links. Made by OpenSSL's libcrypto, used by nng, which gives them to mbedTLS.
 */
#include "tls.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "quorate" /* of every certificate: it is recognised as a whole */
#define PEM_MAX (2 * Q_X509_MAX)

struct tls_own {
	struct qintroduction introduction; /* der is owned */
	char cert[PEM_MAX], key[PEM_MAX];
};

bool tls_url(const char *url)
{
	return strncmp(url, "tls+", 4) == 0;
}

/* ---- our own --------------------------------------------------------------------------- */

static bool set_dates(X509 *x, const struct qcertificate *c)
{
	time_t base = 0;
	int64_t begin_s = ((int64_t)c->issued_ms - (int64_t)TLS_AHEAD_MS) / 1000;
	int64_t end_s = (int64_t)(c->expires_ms / 1000);

	return X509_time_adj_ex(X509_getm_notBefore(x), (int)(begin_s / 86400), begin_s % 86400, &base) !=
	           NULL &&
	       X509_time_adj_ex(X509_getm_notAfter(x), (int)(end_s / 86400), end_s % 86400, &base) != NULL;
}

static bool make_x509(X509 *x, EVP_PKEY *key, const struct qcertificate *c)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), c->issued_ms) == 1 && set_dates(x, c) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)NAME, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

/* What was written to a BIO, as text that ends. */
static bool take_text(BIO *bio, char text[PEM_MAX])
{
	int len = BIO_read(bio, text, PEM_MAX - 1);

	text[len > 0 ? len : 0] = '\0';
	return len > 0 && BIO_pending(bio) == 0;
}

static bool write_out(struct tls_own *o, X509 *x, EVP_PKEY *key)
{
	struct qcertificate *c = &o->introduction.certificate;
	BIO *bio = BIO_new(BIO_s_secmem());
	int len = i2d_X509(x, &c->der.der_val);

	c->der.der_len = len > 0 ? (u_int)len : 0;
	bool good = bio != NULL && len > 0 && len <= Q_X509_MAX && PEM_write_bio_X509(bio, x) == 1 &&
	            take_text(bio, o->cert) &&
	            PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	            take_text(bio, o->key);
	BIO_free(bio);
	return good;
}

static void introduce(struct tls_own *o, const struct link_config *config)
{
	struct bytes statement;

	must(wire_encode(WIRE(qcertificate), &o->introduction.certificate, &statement));
	config->sign(config->ctx, statement.data, statement.len, &o->introduction.sig);
	bytes_free(&statement);
}

struct tls_own *tls_own_new(const struct link_config *config, uint64_t now_ms, struct err *err)
{
	must(config->sign != NULL);
	struct tls_own *o = xcalloc(1, sizeof(*o));
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	o->introduction.certificate = (struct qcertificate){.statement = Q_CERTIFICATE,
	                                                    .replica = config->self,
	                                                    .issued_ms = now_ms,
	                                                    .expires_ms = now_ms + TLS_LIFE_MS};
	bool good = key != NULL && x != NULL && make_x509(x, key, &o->introduction.certificate) &&
	            write_out(o, x, key);
	X509_free(x);
	EVP_PKEY_free(key);
	if (good) {
		introduce(o, config);
		return o;
	}
	tls_own_free(o);
	err_set(err, ERR_WORLD, "cannot make a certificate for TLS: libcrypto does not play along");
	return NULL;
}

void tls_own_free(struct tls_own *o)
{
	if (o == NULL)
		return;
	OPENSSL_free(o->introduction.certificate.der.der_val);
	OPENSSL_cleanse(o, sizeof(*o));
	free(o);
}

const struct qintroduction *tls_introduction(const struct tls_own *o)
{
	return &o->introduction;
}

nng_tls_config *tls_accepting(const struct tls_own *o)
{
	nng_tls_config *c;

	if (nng_tls_config_alloc(&c, NNG_TLS_MODE_SERVER) != 0)
		return NULL;
	if (nng_tls_config_own_cert(c, o->cert, o->key, NULL) == 0)
		return c;
	nng_tls_config_free(c);
	return NULL;
}

/* ---- a peer's ------------------------------------------------------------------------------ */

void tls_forget(struct tls_pin *pin)
{
	free(pin->pem);
	*pin = (struct tls_pin){0};
}

/* Any bytes: mbedTLS finds out whether they are a certificate. */
static char *pem_of(const uint8_t *der, size_t len)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----\n", end[] = "-----END CERTIFICATE-----\n";
	size_t room = sizeof(begin) + sizeof(end) + (len + 47) / 48 * 65;
	char *pem = xcalloc(1, room), *at = pem + sizeof(begin) - 1;

	memcpy(pem, begin, sizeof(begin) - 1);
	for (size_t i = 0; i < len; i += 48) {
		at += EVP_EncodeBlock((uint8_t *)at, der + i, len - i < 48 ? (int)(len - i) : 48);
		*at++ = '\n';
	}
	memcpy(at, end, sizeof(end));
	return pem;
}

static bool signed_by(const struct link_config *config, unsigned peer, const struct qintroduction *intro)
{
	struct bytes statement;

	must(wire_encode(WIRE(qcertificate), &intro->certificate, &statement)); /* it was decoded */
	bool good = config->verify(config->ctx, peer, statement.data, statement.len, &intro->sig);
	bytes_free(&statement);
	return good;
}

/* LK5; NULL: nothing is wrong. */
static const char *fault_of(const struct link_config *config, unsigned peer,
                            const struct qintroduction *intro, uint64_t now_ms)
{
	const struct qcertificate *c = &intro->certificate;

	if (c->statement != Q_CERTIFICATE || c->replica != peer)
		return "its certificate is that of another replica";
	if (!signed_by(config, peer, intro))
		return "its certificate is not signed by the replica key that the genesis names";
	if (c->expires_ms <= now_ms)
		return "its certificate has expired: are the clocks of both nodes right?";
	if (c->issued_ms > now_ms + TLS_AHEAD_MS)
		return "its certificate is of the future: are the clocks of both nodes right?";
	return NULL;
}

bool tls_learn(struct tls_pin *pin, const struct link_config *config, unsigned peer,
               const struct qintroduction *intro, uint64_t now_ms, char why[LINK_WHY_MAX])
{
	const struct qcertificate *c = &intro->certificate;
	const char *fault = fault_of(config, peer, intro, now_ms);

	if (fault != NULL) {
		snprintf(why, LINK_WHY_MAX, "%s", fault);
		return false;
	}
	if (c->issued_ms < pin->issued_ms && pin->issued_ms <= now_ms + TLS_AHEAD_MS) { /* LK6 */
		snprintf(why, LINK_WHY_MAX,
		         "its certificate is %" PRIu64
		         " s older than one that it has shown before: its clock went "
		         "back, or somebody replays an old one",
		         (pin->issued_ms - c->issued_ms) / 1000);
		return false;
	}
	tls_forget(pin);
	*pin = (struct tls_pin){c->issued_ms, c->expires_ms, pem_of(c->der.der_val, c->der.der_len)};
	return true;
}

nng_tls_config *tls_dialing(const struct tls_pin *pin)
{
	nng_tls_config *c;

	if (nng_tls_config_alloc(&c, NNG_TLS_MODE_CLIENT) != 0)
		return NULL;
	int rv = nng_tls_config_server_name(c, NAME);
	if (rv == 0)
		rv = nng_tls_config_auth_mode(c, pin != NULL ? NNG_TLS_AUTH_MODE_REQUIRED
		                                             : NNG_TLS_AUTH_MODE_NONE);
	if (rv == 0 && pin != NULL)
		rv = nng_tls_config_ca_chain(c, pin->pem, NULL);
	if (rv == 0)
		return c;
	nng_tls_config_free(c); /* no certificate, for one */
	return NULL;
}
