/*
 * https.c: TLS for clients, on a real node: payments go through it; who shows the wrong certificate is
 * refused by the client; a certificate or key that cannot work is named at the start.
 */
#include "chain.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY_S = 86400 };

/* ---- certificates ------------------------------------------------------------------------------ */

struct authority {
	gnutls_x509_crt_t cert;
	gnutls_x509_privkey_t key;
};

static gnutls_x509_privkey_t new_key(void)
{
	gnutls_x509_privkey_t key;

	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
	                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
	                 0);
	return key;
}

/* Not signed yet. */
static gnutls_x509_crt_t new_cert(const char *name, gnutls_x509_privkey_t key, time_t from, time_t to)
{
	static unsigned char serial;
	gnutls_x509_crt_t cert;

	serial++;
	assert_int_equal(gnutls_x509_crt_init(&cert), 0);
	assert_int_equal(gnutls_x509_crt_set_version(cert, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(cert, &serial, 1), 0);
	assert_int_equal(gnutls_x509_crt_set_key(cert, key), 0);
	assert_int_equal(
	    gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)),
	    0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(cert, from), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(cert, to), 0);
	return cert;
}

static struct authority new_authority(const char *name)
{
	struct authority a = {.key = new_key()};

	a.cert = new_cert(name, a.key, time(NULL) - DAY_S, time(NULL) + DAY_S);
	assert_int_equal(gnutls_x509_crt_set_basic_constraints(a.cert, 1, -1), 0);
	assert_int_equal(gnutls_x509_crt_set_key_usage(a.cert, GNUTLS_KEY_KEY_CERT_SIGN), 0);
	assert_int_equal(gnutls_x509_crt_sign2(a.cert, a.cert, a.key, GNUTLS_DIG_SHA256, 0), 0);
	return a;
}

static gnutls_x509_crt_t issue(const struct authority *a, const char *name, gnutls_x509_privkey_t key,
                               time_t from, time_t to)
{
	gnutls_x509_crt_t cert = new_cert(name, key, from, to);

	assert_int_equal(gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, name,
	                                                      (unsigned)strlen(name), GNUTLS_FSAN_SET),
	                 0);
	assert_int_equal(gnutls_x509_crt_sign2(cert, a->cert, a->key, GNUTLS_DIG_SHA256, 0), 0);
	return cert;
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void write_cert(const char *path, gnutls_x509_crt_t cert)
{
	gnutls_datum_t pem;

	assert_int_equal(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem), 0);
	write_file(path, pem.data, pem.size);
	gnutls_free(pem.data);
}

static void write_key(const char *path, gnutls_x509_privkey_t key)
{
	gnutls_datum_t pem;

	assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
	write_file(path, pem.data, pem.size);
	gnutls_free(pem.data);
}

static void write_encrypted(const char *path, gnutls_x509_privkey_t key)
{
	gnutls_datum_t pem;

	assert_int_equal(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, "secret",
	                                                   GNUTLS_PKCS_PBES2_AES_256, &pem),
	                 0);
	write_file(path, pem.data, pem.size);
	gnutls_free(pem.data);
}

/* All that the tests use, in the chain's directory. */
static void write_all(struct chain *c)
{
	time_t now = time(NULL);
	struct authority ours = new_authority("ours"), theirs = new_authority("theirs");
	gnutls_x509_privkey_t key = new_key(), other = new_key();
	const struct {
		const char *file;
		gnutls_x509_crt_t cert;
	} certs[] = {
	    {"good.crt", issue(&ours, "localhost", key, now - DAY_S, now + DAY_S)},
	    {"old.crt", issue(&ours, "localhost", key, now - 2 * DAY_S, now - DAY_S)},
	    {"early.crt", issue(&ours, "localhost", key, now + DAY_S, now + 2 * DAY_S)},
	    {"elsewhere.crt", issue(&ours, "elsewhere.example", key, now - DAY_S, now + DAY_S)},
	    {"ours.crt", ours.cert},
	    {"theirs.crt", theirs.cert},
	};
	for (size_t i = 0; i < sizeof certs / sizeof *certs; i++) {
		write_cert(chain_path(c, "%s", certs[i].file), certs[i].cert);
		gnutls_x509_crt_deinit(certs[i].cert);
	}
	write_key(chain_path(c, "good.key"), key);
	write_key(chain_path(c, "other.key"), other);
	write_encrypted(chain_path(c, "encrypted.key"), key);
	write_file(chain_path(c, "nonsense.pem"), "nonsense", 8);
	gnutls_x509_privkey_deinit(key);
	gnutls_x509_privkey_deinit(other);
	gnutls_x509_privkey_deinit(ours.key);
	gnutls_x509_privkey_deinit(theirs.key);
}

/* ---- a node of our own --------------------------------------------------------------------------- */

static char conf_before[65536];

/* node0's configuration, with these files of the chain's directory; NULL: that key is not given. */
static void configure(struct chain *c, const char *cert, const char *key)
{
	const char *path = chain_path(c, "node0/node.conf");

	if (conf_before[0] == '\0') {
		FILE *f = fopen(path, "r");
		assert_non_null(f);
		assert_true(fread(conf_before, 1, sizeof conf_before - 1, f) > 0);
		fclose(f);
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("[node]\n", f);
	if (cert != NULL)
		fprintf(f, "http_cert = %s\n", chain_path(c, "%s", cert));
	if (key != NULL)
		fprintf(f, "http_key = %s\n", chain_path(c, "%s", key));
	char *rest = strstr(conf_before, "[node]\n");
	assert_non_null(rest);
	fputs(rest + strlen("[node]\n"), f);
	assert_int_equal(fclose(f), 0);
}

static pid_t start(struct chain *c)
{
	const char *home = chain_path(c, "node0"), *log = chain_path(c, "log");
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execl(getenv("QUORATE"), "quorate", "node", "--home", home, "--log", log, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void stop(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_int_equal(status, 0);
}

/* https://localhost:PORT of node 0. */
static const char *url(struct chain *c, const char *scheme)
{
	static char text[64];

	snprintf(text, sizeof text, "%s://localhost:%s", scheme, strrchr(c->http[0], ':') + 1);
	return text;
}

/* `quorate status`, with these authorities: its exit code; what it says of errors must have all words. */
static int status_of(struct chain *c, const char *scheme, const char *cacert, const char *says)
{
	char *errs;
	int code = cacert != NULL ? quorate(NULL, &errs, "status", "--node", url(c, scheme), "--cacert",
	                                    chain_path(c, "%s", cacert), NULL)
	                          : quorate(NULL, &errs, "status", "--node", url(c, scheme), NULL);

	if (says != NULL && strstr(errs, says) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", errs, says);
	free(errs);
	return code;
}

static void payments_go_through_tls(void **state)
{
	struct chain *c = *state;
	char *out, *errs;

	configure(c, "good.crt", "good.key");
	pid_t node = start(c);
	while (status_of(c, "https", "ours.crt", NULL) !=
	       0) /* until it listens; CTest's time-out is the deadline */
		usleep(10000);
	char key[300], bob[300], ca[300], genesis[300];
	snprintf(key, sizeof key, "%s", chain_path(c, "accounts/alice.key"));
	snprintf(bob, sizeof bob, "%s", chain_path(c, "accounts/bob.key"));
	snprintf(ca, sizeof ca, "%s", chain_path(c, "ours.crt"));
	snprintf(genesis, sizeof genesis, "%s", chain_path(c, "genesis.json"));
	json_t *shown = quorate_json(NULL, "key", "show", bob, "--json", NULL);
	int code =
	    quorate(&out, &errs, "send", "--key", key, "--to", json_text(shown, "address"), "--amount", "5",
	            "--node", url(c, "https"), "--genesis", genesis, "--cacert", ca, "--json", NULL);
	if (code != 0)
		fail_msg("%s", errs);
	assert_non_null(strstr(out, "\"committed\""));
	json_decref(shown);
	free(out);
	free(errs);

	/* The environment says it as well as the option. */
	assert_int_equal(setenv("QUORATE_CACERT", ca, 1), 0);
	assert_int_equal(status_of(c, "https", NULL, NULL), 0);
	assert_int_equal(unsetenv("QUORATE_CACERT"), 0);

	/* Whom nobody vouches for is not believed. */
	assert_int_equal(status_of(c, "https", NULL, "is not who its certificate should say"), 3);
	assert_int_equal(status_of(c, "https", "theirs.crt", "is not who its certificate should say"), 3);
	assert_int_equal(status_of(c, "https", "nonsense.pem", "holds no certificate in PEM"), 2);
	assert_int_equal(status_of(c, "https", "missing.pem", "cannot be opened"), 2);

	/* Nobody speaks plainly to a port of TLS, nor the other way round. */
	assert_int_equal(status_of(c, "http", NULL, "write https://"), 3);
	stop(node);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
	struct chain *c = *state;

	configure(c, "elsewhere.crt", "good.key");
	pid_t node = start(c);
	for (;;) {
		char *errs;
		quorate(NULL, &errs, "status", "--node", url(c, "https"), "--cacert",
		        chain_path(c, "ours.crt"), NULL);
		bool up = strstr(errs, "refused") == NULL; /* by nobody who listens */
		if (up)
			assert_non_null(strstr(errs, "is not who its certificate should say"));
		free(errs);
		if (up)
			break;
		usleep(10000);
	}
	stop(node);
}

/* Who forgot to renew it has clients that go away, not a replica less. */
static void a_certificate_that_is_not_in_force_stops_no_replica(void **state)
{
	static const struct {
		const char *cert, *says;
	} cases[] = {{"old.crt", "old.crt expired at"}, {"early.crt", "early.crt is valid from"}};
	struct chain *c = *state;

	for (size_t i = 0; i < 2; i++) {
		char log[4096] = "";
		unlink(chain_path(c, "log"));
		configure(c, cases[i].cert, "good.key");
		pid_t node = start(c);
		while (strstr(log, "event=certificate") == NULL) {
			FILE *f = fopen(chain_path(c, "log"), "r");
			if (f != NULL) {
				log[fread(log, 1, sizeof log - 1, f)] = '\0';
				fclose(f);
			}
			usleep(10000);
		}
		assert_non_null(strstr(log, cases[i].says));
		assert_int_equal(status_of(c, "https", "ours.crt", "is not who its certificate should say"),
		                 3);
		stop(node);
	}
}

static void tls_where_there_is_none_is_said(void **state)
{
	struct chain *c = *state;

	configure(c, NULL, NULL);
	pid_t node = start(c);
	while (status_of(c, "http", NULL, NULL) != 0)
		usleep(10000);
	assert_int_equal(status_of(c, "https", "ours.crt", "does this node serve http:// only?"), 3);
	stop(node);
}

static void what_cannot_work_is_named_at_the_start(void **state)
{
	static const struct {
		const char *cert, *key;
		const char *says[3];
	} cases[] = {
	    {"good.crt", NULL, {"http_cert is given without http_key"}},
	    {NULL, "good.key", {"http_key is given without http_cert"}},
	    {"missing.crt", "good.key", {"http_cert: ", "missing.crt", "cannot be opened"}},
	    {"good.crt", "missing.key", {"http_key: ", "missing.key", "cannot be opened"}},
	    {"nonsense.pem", "good.key", {"http_cert: ", "nonsense.pem", "holds no certificate"}},
	    {"good.crt", "nonsense.pem", {"http_key: ", "nonsense.pem", "holds no private key"}},
	    {"good.key", "good.crt", {"http_cert: ", "good.key", "holds no certificate"}},
	    {"good.crt", "other.key", {"http_key: ", "other.key", "is not that of the first certificate"}},
	    {"good.crt", "encrypted.key", {"http_key: ", "encrypted.key", "is encrypted"}},
	};
	struct chain *c = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *errs;
		configure(c, cases[i].cert, cases[i].key);
		assert_int_equal(quorate(NULL, &errs, "node", "--home", chain_path(c, "node0"), NULL), 2);
		for (unsigned k = 0; k < 3 && cases[i].says[k] != NULL; k++)
			if (strstr(errs, cases[i].says[k]) == NULL)
				fail_msg("\"%s\" lacks \"%s\"", errs, cases[i].says[k]);
		free(errs);
	}
}

static int begin(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);

	chain_signal(c, "kill", 0);
	write_all(c);
	*state = c;
	return 0;
}

static int end(void **state)
{
	chain_down(*state);
	return 0;
}

static int group(void **state)
{
	return chain_setup(state) != 0 ? -1 : begin(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(payments_go_through_tls),
	    cmocka_unit_test(a_certificate_for_another_name_is_refused),
	    cmocka_unit_test(a_certificate_that_is_not_in_force_stops_no_replica),
	    cmocka_unit_test(tls_where_there_is_none_is_said),
	    cmocka_unit_test(what_cannot_work_is_named_at_the_start),
	};
	return cmocka_run_group_tests(tests, group, end);
}
