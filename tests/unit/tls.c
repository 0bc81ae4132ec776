/*
 * tls.c: links by TLS: who is dialed proves which replica it is, and nobody on the wire reads along.
 * Links: q_link q_crypto
 */
#include "links.h"

#include <sys/syscall.h>

#include "clock.h"
#include "crypto.h"
#include "ident.h"
#include "relay.h"
#include "tls.h"

static const struct qhash chain = {{0xc4}};
static struct ident *own_key[N_MAX];     /* what replica i signs with, */
static struct qreplica_key known[N_MAX]; /* and what the others know as its key */

static void sign_as(void *ctx, const uint8_t *data, size_t len, struct qsig *sig)
{
	const struct inbox *in = ctx;

	ident_sign(own_key[in->self], &chain, data, len, sig);
}

static bool signed_as(void *ctx, unsigned replica, const uint8_t *data, size_t len, const struct qsig *sig)
{
	(void)ctx;
	return ident_verify(&known[replica], &chain, data, len, sig);
}

static int begin(void **state)
{
	signs = sign_as;
	verifies = signed_as;
	setup(state);
	for (unsigned i = 0; i < N_MAX; i++) {
		scheme_of[i] = "tls+tcp";
		own_key[i] = ident_from_seed((uint8_t[32]){(uint8_t)i});
		known[i] = ident_key(own_key[i]);
	}
	return 0;
}

static int end(void **state)
{
	teardown(state);
	for (unsigned i = 0; i < N_MAX; i++)
		ident_free(own_key[i]);
	return 0;
}

/* Waits until a link has a certain trouble with a peer. */
static struct link_stats wait_trouble(unsigned of, unsigned about, enum link_trouble wanted)
{
	struct link_stats stats = opinion_but(of, about, ~(1u << wanted));

	if (stats.trouble != wanted)
		fail_msg("%u is %s to %u: %s", about,
		         stats.connected ? "connected" : link_trouble_name(stats.trouble), of, stats.why);
	return stats;
}

/* ---- certificates ------------------------------------------------------------------------ */

#define NOW UINT64_C(1700000000000)

static struct link_config of_replica(unsigned self)
{
	return (struct link_config){
	    .self = self, .n = 4, .sign = sign_as, .verify = signed_as, .ctx = inbox[self]};
}

static struct tls_own *made(unsigned replica, uint64_t now_ms)
{
	struct link_config config = of_replica(replica);
	struct err err = {0};
	struct tls_own *o = tls_own_new(&config, now_ms, &err);

	if (o == NULL)
		fail_msg("%s", err.text);
	return o;
}

static void assert_refused(struct tls_pin *pin, const struct qintroduction *intro, uint64_t now_ms,
                           const char *word)
{
	struct link_config config = of_replica(0);
	const struct tls_pin before = *pin;
	char why[LINK_WHY_MAX] = "";

	assert_false(tls_learn(pin, &config, 1, intro, now_ms, why));
	if (strstr(why, word) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", word, why);
	assert_memory_equal(&before, pin, sizeof(before));
}

/* LK5, LK6 */
static void certificate_is_taken_only_from_its_replica_in_its_time(void **state)
{
	struct link_config config = of_replica(0);
	struct tls_own *of_1 = made(1, NOW), *of_2 = made(2, NOW), *later = made(1, NOW + 1000);
	struct tls_pin pin = {0};
	char why[LINK_WHY_MAX];

	(void)state;
	assert_refused(&pin, tls_introduction(of_2), NOW, "another replica");
	struct qintroduction bad = *tls_introduction(of_2);
	bad.certificate.replica = 1;
	assert_refused(&pin, &bad, NOW, "not signed");
	bad = *tls_introduction(of_1);
	bad.certificate.statement = QPREPARE;
	assert_refused(&pin, &bad, NOW, "another replica");
	bad = *tls_introduction(of_1);
	bad.certificate.expires_ms++;
	assert_refused(&pin, &bad, NOW, "not signed");
	assert_refused(&pin, tls_introduction(of_1), NOW + TLS_LIFE_MS, "has expired");
	assert_refused(&pin, tls_introduction(of_1), NOW - TLS_AHEAD_MS - 1, "of the future");

	assert_true(tls_learn(&pin, &config, 1, tls_introduction(of_1), NOW + TLS_LIFE_MS - 1, why));
	assert_true(tls_learn(&pin, &config, 1, tls_introduction(of_1), NOW - TLS_AHEAD_MS, why)); /* again */
	assert_true(tls_learn(&pin, &config, 1, tls_introduction(later), NOW, why));
	assert_refused(&pin, tls_introduction(of_1), NOW, "1 s older than one that it has shown before");
	tls_forget(&pin);
	tls_own_free(of_1);
	tls_own_free(of_2);
	tls_own_free(later);
}

/* LK6: both clocks were ahead, and are right again. */
static void certificate_of_a_future_that_was_none_keeps_no_later_one_out(void **state)
{
	const uint64_t ahead = NOW + TLS_AHEAD_MS + 1;
	struct link_config config = of_replica(0);
	struct tls_own *wrong = made(1, ahead), *right = made(1, NOW);
	struct tls_pin pin = {0};
	char why[LINK_WHY_MAX];

	(void)state;
	assert_true(tls_learn(&pin, &config, 1, tls_introduction(wrong), ahead, why));
	assert_refused(&pin, tls_introduction(right), NOW + 1, "older than one that it has shown before");
	assert_true(tls_learn(&pin, &config, 1, tls_introduction(right), NOW, why));
	tls_forget(&pin);
	tls_own_free(wrong);
	tls_own_free(right);
}

static void statement_of_another_chain_is_not_believed(void **state)
{
	struct tls_own *of_1 = made(1, NOW);
	struct qintroduction intro = *tls_introduction(of_1);
	struct tls_pin pin = {0};
	struct bytes statement;

	(void)state;
	assert_true(wire_encode(WIRE(qcertificate), &intro.certificate, &statement));
	ident_sign(own_key[1], &(struct qhash){{0x99}}, statement.data, statement.len, &intro.sig);
	assert_refused(&pin, &intro, NOW, "not signed");
	bytes_free(&statement);
	tls_own_free(of_1);
}

static void what_is_no_certificate_cannot_be_dialed_with(void **state)
{
	struct tls_own *of_1 = made(1, NOW);
	struct link_config config = of_replica(0);
	struct tls_pin pin = {0};
	char why[LINK_WHY_MAX];
	uint32_t x = 99;

	(void)state;
	for (unsigned round = 0; round < 200; round++) { /* bytes of a traitor, that he has signed */
		struct qintroduction intro = *tls_introduction(of_1);
		uint8_t der[Q_X509_MAX];
		struct bytes statement;
		size_t len = round == 0 ? 0 : round == 1 ? Q_X509_MAX : intro.certificate.der.der_len;
		memset(der, 0x30, sizeof(der));
		if (round > 1) {
			memcpy(der, intro.certificate.der.der_val, len);
			x = x * 1664525 + 1013904223;
			der[(x >> 8) % 60] ^=
			    (uint8_t)(1 + (x >> 24) % 255); /* of the structure, not of the key */
			len = round % 2 ? len : len * (x >> 16 & 255) / 256;
		}
		intro.certificate.der.der_len = (u_int)len;
		intro.certificate.der.der_val = der;
		assert_true(wire_encode(WIRE(qcertificate), &intro.certificate, &statement));
		ident_sign(own_key[1], &chain, statement.data, statement.len, &intro.sig);
		bytes_free(&statement);
		assert_true(tls_learn(&pin, &config, 1, &intro, NOW, why));
		nng_tls_config *c = tls_dialing(&pin);
		if (round < 2)
			assert_null(c);
		if (c != NULL)
			nng_tls_config_free(c);
	}
	tls_forget(&pin);
	tls_own_free(of_1);
}

/* ---- links ---------------------------------------------------------------------------------- */

static void links_by_tls_exchange_envelopes(void **state)
{
	struct qenvelope big = envelope(0, Q_BODY_MAX);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		start(i, 4);
	for (unsigned round = 1; round <= 50; round++)
		for (unsigned from = 0; from < 4; from++)
			for (unsigned to = 0; to < 4; to++)
				if (from != to)
					send_one(from, to);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned from = 0; from < 4; from++)
			if (from != i)
				inbox_wait(inbox[i], &inbox[i]->from_of[from], 50);
	link_send(node[0], 1 << 1, &big);
	link_flush(node[0]);
	inbox_wait(inbox[1], &inbox[1]->from_of[0], 51);
	struct link_stats stats;
	link_stats(node[0], 1, &stats);
	assert_true(stats.tls && stats.connected);
	assert_int_equal(stats.version, link_versions.highest);
}

/* What is told to replica 1 passes here. */
static struct relay *relay_to_1(void)
{
	unsigned port = free_port();

	start(1, 2);
	struct relay *r = relay_new(port, port_of[1]);
	port_of[1] = port;
	return r;
}

static void nobody_on_the_wire_reads_along(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct qenvelope env = envelope(0, 1000);
		memset(env.body.body_val, 0x5a, 1000);
		for (unsigned i = 0; i < 2; i++) {
			scheme_of[i] = tls ? "tls+tcp" : "tcp";
			port_of[i] = free_port();
		}
		struct relay *r = relay_to_1();
		unsigned before = inbox_read(inbox[1], &inbox[1]->envelopes);
		start(0, 2);
		link_send(node[0], 1 << 1, &env);
		link_flush(node[0]);
		inbox_wait(inbox[1], &inbox[1]->envelopes, before + 1);
		assert_int_equal(relay_saw(r, env.body.body_val, 32), !tls);
		memset(env.body.body_val, 0, 1000);
		stop(0);
		stop(1);
		relay_free(r);
	}
}

static size_t answers_seen(struct relay *r)
{
	pthread_mutex_lock(&r->mutex);
	size_t len = r->seen[1].len;
	pthread_mutex_unlock(&r->mutex);
	return len;
}

/* A read by TLS cannot be given up to answer what was read before. */
static void answered_connection_lasts(void **state)
{
	(void)state;
	struct relay *r = relay_to_1();
	start(0, 2);
	assert_reaches(0, 1);
	unsigned calls = relay_calls(r);
	for (int i = 0; i < 3; i++) {
		unsigned frames = inbox_read(inbox[1], &inbox[1]->frames);
		size_t before = answers_seen(r);
		send_one(0, 1);
		inbox_wait(inbox[1], &inbox[1]->frames, frames + 1);
		for (int round = 0; round < 20000 && answers_seen(r) == before; round++)
			poll(NULL, 0, 1);
		assert_true(answers_seen(r) > before);
	}
	assert_int_equal(relay_calls(r), calls);
	relay_free(r);
}

static void wrong_key_is_refused_and_the_others_go_on(void **state)
{
	(void)state;
	ident_free(own_key[2]);
	own_key[2] = ident_from_seed((uint8_t[32]){77});
	for (unsigned i = 0; i < 3; i++)
		start(i, 3);
	struct link_stats stats = wait_trouble(0, 2, LINK_CERTIFICATE);
	assert_false(stats.connected);
	assert_non_null(strstr(stats.why, "not signed by the replica key"));
	wait_trouble(1, 2, LINK_CERTIFICATE);
	send_one(0, 2);
	assert_reaches(0, 1);
	assert_reaches(1, 0);
	assert_reaches(2, 0); /* only who is dialed proves anything: envelopes are signed */
	assert_int_equal(inbox_read(inbox[2], &inbox[2]->from_of[0]), 0);
}

/* Somebody passes each introduction on, and then takes the place of who was introduced. */
static void who_steps_in_after_the_introduction_is_refused(void **state)
{
	(void)state;
	start(3, 4); /* with a certificate of its own, and all that TLS wants */
	struct relay *r = relay_to_1();
	relay_mislead(r, port_of[3]); /* a failed call asks again: known, introduced, known */
	start(0, 2);
	send_one(0, 1);
	struct link_stats stats = wait_trouble(0, 1, LINK_CERTIFICATE);
	assert_non_null(strstr(stats.why, "somebody sits in between"));
	assert_int_equal(inbox_read(inbox[3], &inbox[3]->frames), 0);
	relay_free(r);
}

static void renewed_certificate_is_found_out(void **state)
{
	struct err err = {0};

	(void)state;
	struct relay *r = relay_to_1();
	start(0, 2);
	assert_reaches(0, 1);
	assert_true(relay_calls(r) >= 2); /* the introduction, and the connection */
	for (int round = 0; round < 3; round++) {
		assert_true(link_renew(node[1], &err));
		relay_cut(r, round % 2);
		assert_reaches(0, 1);
		relay_cut(r, round % 2); /* the first call was still shown the old one */
		assert_reaches(0, 1);
	}
	stop(1);
	relay_cut(r, false);
	unsigned port = port_of[1];
	port_of[1] = r->port[0];
	start(1, 2); /* a new key, as after each start */
	port_of[1] = port;
	assert_reaches(0, 1);
	struct link_stats stats;
	link_stats(node[0], 1, &stats);
	assert_true(stats.connected);
	assert_int_equal(stats.trouble, LINK_FINE);
	relay_free(r);
}

static atomic_int ahead_s; /* of the wall clock, for this process */

int clock_gettime(clockid_t id, struct timespec *out)
{
	int rv = (int)syscall(SYS_clock_gettime, id, out);

	if (rv == 0 && id == CLOCK_REALTIME)
		out->tv_sec += ahead_s;
	return rv;
}

/* A machine that starts before its clock is set: whoever is ahead shows a certificate that nobody takes. */
static void clock_that_was_ahead_is_set_and_the_certificate_is_made_anew(void **state)
{
	(void)state;
	ahead_s = 3 * 24 * 3600;
	start(1, 2);
	ahead_s = 0;
	start(0, 2);
	assert_reaches(0, 1);
}

/* LK6: the clock was behind at a restart, so what is shown is older than what was shown before. */
static void clock_that_was_behind_is_set_and_the_certificate_is_made_anew(void **state)
{
	(void)state;
	start(1, 2);
	start(0, 2);
	assert_reaches(0, 1);
	stop(1);
	ahead_s = -3 * 3600;
	start(1, 2);
	wait_trouble(0, 1, LINK_CERTIFICATE);
	ahead_s = 0;
	assert_reaches(0, 1);
}

static void plain_and_tls_do_not_meet(void **state)
{
	(void)state;
	start(0, 3);
	start(1, 3);
	scheme_of[0] = scheme_of[1] = "tcp"; /* 2 dials the others so, and listens by TLS */
	start(2, 3);
	struct link_stats stats = wait_trouble(2, 0, LINK_NO_REPLICA);
	assert_non_null(strstr(stats.why, "does it listen on tcp://, without TLS?"));
	assert_reaches(0, 1);
	stop(2);
	scheme_of[0] = scheme_of[1] = "tls+tcp";
	scheme_of[2] = "tcp";
	start(2, 3); /* the others were told that it listens by TLS */
	stats = wait_trouble(0, 2, LINK_NO_REPLICA);
	assert_non_null(strstr(stats.why, "does it listen on tls+tcp://?"));
	assert_reaches(0, 1);
	assert_reaches(2, 0); /* it listens on TCP, and dials by TLS */
}

/* ---- attacks ------------------------------------------------------------------------------------ */

/* The connection ends at any byte of the handshakes, by a reset or not, on either side; then all is well. */
static void connection_cut_anywhere_harms_nobody(void **state)
{
	(void)state;
	struct relay *r = relay_to_1();
	relay_limit(r, 1, false);
	start(0, 2);
	for (size_t limit = 1; limit < 3500; limit += 1 + limit / 13) {
		unsigned before = relay_calls(r);
		relay_limit(r, limit, limit % 2);
		relay_cut(r, limit % 2);
		for (int i = 0; i < 20000 && relay_calls(r) == before; i++)
			poll(NULL, 0, 1); /* for who dials, who pauses between calls */
		stop(0);
		start(0, 2);
		send_one(0, 1);
	}
	relay_limit(r, 0, false);
	assert_reaches(0, 1);
	assert_reaches(1, 0);
	stop(0);
	stop(1);
	relay_free(r);
}

static void noise_on_the_tls_port_is_counted_and_harms_nobody(void **state)
{
	static const uint8_t hello[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
	uint32_t x = 4321;

	(void)state;
	start(0, 2);
	start(1, 2);
	for (unsigned round = 0; round < 60; round++) {
		uint8_t noise[700];
		int fd = raw_connect(port_of[0]);

		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
		if (round % 3 > 0)
			memcpy(noise, hello, sizeof(hello));
		raw_send(fd, noise, sizeof(noise));
		if (round % 3 == 0)
			raw_wait_closed(fd);
		else if (round % 3 == 1)
			raw_reset(fd);
		else
			close(fd);
	}
	assert_true(link_rejected(node[0]) >= 20);
	assert_reaches(1, 0);
	assert_reaches(0, 1);
}

/* LK7: whoever says nothing, or a little, takes a place for a while, and no more than there are. */
static void silent_calls_are_bounded_and_harm_nobody(void **state)
{
	enum { CNT = 300 };
	static int fd[CNT];

	(void)state;
	start(0, 2);
	inbox[0]->prove = node[0];
	start(1, 2);
	assert_reaches(1, 0);
	for (int i = 0; i < CNT; i++) {
		fd[i] = raw_connect(port_of[0]);
		raw_send(fd[i], "\x16\x03\x01", (size_t)i % 4);
	}
	for (int i = 0; i < CNT - 24; i++) /* 4 n + 16 places: all but the newest were closed */
		raw_wait_closed(fd[i]);
	assert_reaches(1, 0);
	stop(1);
	start(1, 2); /* and who comes anew finds a place */
	assert_reaches(1, 0);
	for (int i = CNT - 24; i < CNT; i++)
		close(fd[i]);
}

/* nng 1.5.2: a read that begins after the connection has failed never ends by itself, nor by being cancelled.
 */
static void reset_while_the_reader_is_busy_does_not_keep_it_for_ever(void **state)
{
	(void)state;
	struct relay *r = relay_to_1();
	start(0, 2);
	assert_reaches(0, 1);
	pthread_mutex_lock(&inbox[1]->mutex);
	inbox[1]->held = true;
	pthread_mutex_unlock(&inbox[1]->mutex);
	send_one(0, 1);
	stop(0);
	relay_cut(r, true);
	relay_wait_none(r);
	pthread_mutex_lock(&inbox[1]->mutex);
	inbox[1]->held = false;
	pthread_cond_broadcast(&inbox[1]->cond);
	pthread_mutex_unlock(&inbox[1]->mutex);
	send_one(1, 0); /* some time for it to begin to read */
	stop(1);        /* would not return */
	relay_free(r);
}

#define TLS_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TLS_TEST(certificate_is_taken_only_from_its_replica_in_its_time),
	    TLS_TEST(certificate_of_a_future_that_was_none_keeps_no_later_one_out),
	    TLS_TEST(statement_of_another_chain_is_not_believed),
	    TLS_TEST(what_is_no_certificate_cannot_be_dialed_with),
	    TLS_TEST(links_by_tls_exchange_envelopes),
	    TLS_TEST(nobody_on_the_wire_reads_along),
	    TLS_TEST(answered_connection_lasts),
	    TLS_TEST(wrong_key_is_refused_and_the_others_go_on),
	    TLS_TEST(who_steps_in_after_the_introduction_is_refused),
	    TLS_TEST(renewed_certificate_is_found_out),
	    TLS_TEST(clock_that_was_ahead_is_set_and_the_certificate_is_made_anew),
	    TLS_TEST(clock_that_was_behind_is_set_and_the_certificate_is_made_anew),
	    TLS_TEST(plain_and_tls_do_not_meet),
	    TLS_TEST(connection_cut_anywhere_harms_nobody),
	    TLS_TEST(noise_on_the_tls_port_is_counted_and_harms_nobody),
	    TLS_TEST(silent_calls_are_bounded_and_harm_nobody),
	    TLS_TEST(reset_while_the_reader_is_busy_does_not_keep_it_for_ever),
	};
	struct err err = {0};

	must(crypto_init(&err));
	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
