/*
 * hostile.c: bytes that nobody honest sends, on every socket of a chain that is being paid on: payments go on
 * while they come, no node ends, memory stays bounded, and the operator is told what was wrong.
 *
 * The attacker calls from 127.0.0.2 and following: limits are by address, and he must not use up that of
 * the honest client.
 */
#include "chain.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ident.h"

#define RSS_GROWTH_MAX_KIB (256u << 10) /* what is sent below, several times over, is less */
#define HELD 300                        /* connections; above any limit of a node */

/* ---- light load ------------------------------------------------------------------- */

/* An account that pays itself, one payment after the other, through one node after the other. */
struct load {
	struct chain chain; /* the same one, with connections of its own */
	struct account *account;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t grew;
	unsigned paid, node;
	bool stop;
};

static bool load_stops(struct load *l, unsigned paid)
{
	pthread_mutex_lock(&l->mutex);
	l->paid += paid;
	bool stop = l->stop;
	pthread_cond_broadcast(&l->grew);
	pthread_mutex_unlock(&l->mutex);
	return stop;
}

/* Hands it in and waits, at one node after the other, until one says that it is final. */
static void load_pay(struct load *l, struct tx *tx)
{
	char hex[QHASH_HEX];
	bool final = false;
	hex_encode(hex, tx->id.b, sizeof tx->id.b);
	while (!final && !load_stops(l, 0)) {
		int status;
		json_t *answer = NULL;
		l->node = (l->node + 1) % 4;
		if (chain_submit(&l->chain, l->node, &tx, 1, NULL))
			answer = chain_get(&l->chain, l->node, &status, "/v1/transactions/%s?wait=1000", hex);
		final = strcmp(json_text(answer, "status"), "final") == 0;
		json_decref(answer);
	}
}

static void *load_run(void *arg)
{
	struct load *l = arg;
	struct qaccount_key key = account_key(l->account);
	struct qaddress self = account_address(&key);
	uint64_t amount;
	struct qoutpoint at = chain_allocation(&l->chain, &self, &amount);
	while (!load_stops(l, 0)) {
		struct tx *tx = pay(l->chain.genesis, l->account, at, amount, self, amount, "again");
		load_pay(l, tx);
		load_stops(l, 1);
		at = (struct qoutpoint){.tx = tx->id, .index = 0};
		tx_unref(tx);
	}
	return NULL;
}

static void load_start(struct load *l, struct chain *c)
{
	struct err err = {0};
	*l = (struct load){.chain = *c, .mutex = PTHREAD_MUTEX_INITIALIZER, .grew = PTHREAD_COND_INITIALIZER};
	for (unsigned i = 0; i < c->n; i++)
		l->chain.client[i] = http_client_new(c->http[i], CHAIN_PATIENCE_MS, &err);
	l->account = chain_account(c, "dave");
	assert_int_equal(pthread_create(&l->thread, NULL, load_run, l), 0);
}

static void load_stop(struct load *l)
{
	pthread_mutex_lock(&l->mutex);
	l->stop = true;
	pthread_mutex_unlock(&l->mutex);
	pthread_join(l->thread, NULL);
	for (unsigned i = 0; i < l->chain.n; i++)
		http_client_free(l->chain.client[i]);
	account_free(l->account);
}

/* Until so many more payments are final. */
static void load_await(struct load *l, unsigned more)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CHAIN_PATIENCE_MS / 1000;
	pthread_mutex_lock(&l->mutex);
	unsigned goal = l->paid + more;
	while (l->paid < goal && pthread_cond_timedwait(&l->grew, &l->mutex, &until) == 0)
		;
	bool reached = l->paid >= goal;
	pthread_mutex_unlock(&l->mutex);
	if (!reached)
		fail_msg("payments stand still");
}

/* ---- the chain under attack --------------------------------------------------------- */

static struct siege {
	struct chain *c;
	struct load load;
	pid_t pids[4];
	unsigned rss_kib[4], peak_kib;
} siege;

static unsigned rss_kib(pid_t pid)
{
	char path[64], line[256];
	unsigned kib = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("process %d has ended", (int)pid);
	while (fgets(line, sizeof line, f))
		sscanf(line, "VmRSS: %u", &kib);
	fclose(f);
	return kib;
}

static int siege_begin(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	/* Freed memory that a sanitizer keeps is not the node's. */
	setenv("ASAN_OPTIONS", "quarantine_size_mb=4:malloc_context_size=2:detect_leaks=0", 1);
	siege.c = chain_up(4, NULL, 0);
	load_start(&siege.load, siege.c);
	load_await(&siege.load, 5);
	chain_pids(siege.c, siege.pids);
	for (unsigned i = 0; i < 4; i++)
		siege.rss_kib[i] = rss_kib(siege.pids[i]);
	return 0;
}

/* Payments go on, nobody ended, memory is bounded. */
static void siege_check(void)
{
	pid_t pids[4];
	load_await(&siege.load, 4);
	chain_pids(siege.c, pids);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pids[i], siege.pids[i]);
		unsigned kib = rss_kib(pids[i]), grown = kib - siege.rss_kib[i];
		if (kib > siege.rss_kib[i] && grown > siege.peak_kib)
			siege.peak_kib = grown;
		if (kib > siege.rss_kib[i] + RSS_GROWTH_MAX_KIB)
			fail_msg("node %u has grown by %u KiB", i, grown);
	}
}

/* Ends a node, if it still runs, and starts it again. */
static void siege_restart(unsigned node)
{
	pid_t pids[4];
	chain_pids(siege.c, pids);
	if (pids[node])
		chain_signal(siege.c, "kill", node);
	chain_signal(siege.c, "start", node);
	chain_pids(siege.c, pids);
	siege.pids[node] = pids[node];
}

static int siege_end(void **state)
{
	(void)state;
	load_stop(&siege.load);
	chain_assert_audit(siege.c, chain_wait_quiet(siege.c));
	chain_check_votes(siege.c);
	print_message("%u payments under attack; memory grew by at most %u KiB\n", siege.load.paid,
	              siege.peak_kib);
	chain_down(siege.c);
	return 0;
}

/* ---- sockets -------------------------------------------------------------------------- */

static unsigned http_port_of(unsigned node)
{
	return (unsigned)atoi(strrchr(siege.c->http[node], ':') + 1);
}

static unsigned peer_port_of(unsigned node)
{
	return (unsigned)atoi(strrchr(siege.c->genesis->g.replicas.replicas_val[node].address, ':') + 1);
}

/* Calls from 127.0.0.`from`. */
static int dial(unsigned port, unsigned from)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	a.sin_addr.s_addr = htonl(0x7f000000u + from);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)port);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* The other side may hang up at any byte. */
static void say(int fd, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t sent = send(fd, p, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		p += sent;
		len -= (size_t)sent;
	}
}

/* What comes until the other side hangs up; it must. */
static size_t hear(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char scrap[4096];
		if (poll(&p, 1, CHAIN_PATIENCE_MS) != 1)
			fail_msg("the node does not hang up");
		ssize_t got = recv(fd, scrap, sizeof scrap, 0);
		if (got <= 0)
			break;
		size_t room = cap - 1 - len, take = (size_t)got < room ? (size_t)got : room;
		memcpy(buf + len, scrap, take);
		len += take;
	}
	buf[len] = '\0';
	close(fd);
	return len;
}

static void assert_hangs_up(int fd)
{
	char buf[64];
	hear(fd, buf, sizeof buf);
}

static void fill_random(uint8_t *data, size_t len, unsigned *seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(rand_r(seed) >> 8);
}

/* Some thing was said in a node's log. */
static void assert_logged(unsigned node, const char *text)
{
	char line[4096];
	bool found = false;
	FILE *f = fopen(chain_path(siege.c, "node%u/node.log", node), "r");
	assert_non_null(f);
	while (!found && fgets(line, sizeof line, f))
		found = strstr(line, text) != NULL;
	fclose(f);
	if (!found)
		fail_msg("the log of node %u does not say \"%s\"", node, text);
}

/* ---- the peers' port --------------------------------------------------------------------- */

/* Calls as a peer does. */
static int dial_peer(unsigned node, unsigned from)
{
	uint8_t hello[HELLO_BYTES_MAX];
	int fd = dial(peer_port_of(node), from);
	say(fd, hello, chain_hello(siege.c, (node + 1) % 4, hello));
	return fd;
}

static void say_length(int fd, uint64_t length)
{
	length = htobe64(length);
	say(fd, &length, sizeof length);
}

static void random_bytes_on_every_port_harm_nobody(void **state)
{
	unsigned seed = 413567;
	uint8_t data[4096];
	(void)state;
	for (unsigned i = 0; i < 120; i++) {
		size_t len = 1 + (unsigned)rand_r(&seed) % sizeof data;
		fill_random(data, len, &seed);
		int fd = dial(i % 2 ? http_port_of(i % 4) : peer_port_of(i % 4), 2);
		say(fd, data, len);
		close(fd);
		fd = dial_peer(i % 4, 2); /* the same where a frame is awaited */
		say(fd, data, len);
		close(fd);
	}
	siege_check();
}

static void lengths_that_no_frame_has_are_refused_before_memory_is_taken(void **state)
{
	static const uint64_t lengths[] = {Q_FRAME_MAX + 1, 1ull << 31, 1ull << 32, 1ull << 63, UINT64_MAX};
	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		for (unsigned node = 0; node < 4; node++) {
			int fd = dial_peer(node, 2);
			say_length(fd, lengths[i]);
			assert_hangs_up(fd);
		}
	}
	siege_check();
}

static void frames_that_never_end_hold_little(void **state)
{
	int fds[40];
	(void)state;
	for (size_t i = 0; i < 40; i++) { /* the largest that is allowed, and then next to nothing of it */
		fds[i] = dial_peer(0, 2);
		say_length(fds[i], Q_FRAME_MAX);
		say(fds[i], "....", 4);
	}
	siege_check();
	for (size_t i = 0; i < 40; i++)
		close(fds[i]);
}

static struct ident *replica_key(unsigned node)
{
	struct err err = {0};
	struct ident *id =
	    keyfile_read_ident(chain_path(siege.c, "node%u/replica.key", node), NULL, NULL, &err);
	if (!id)
		fail_msg("%s", err.text);
	return id;
}

/* One envelope in a frame, signed for this chain with the key of replica `key`. */
static void say_envelope(int fd, struct qhash chain, unsigned sender, unsigned key, struct bytes body,
                         bool break_signature)
{
	struct qenvelope env = {.chain = chain, .sender = sender};
	struct qframe frame = {.envelopes = {1, &env}};
	struct bytes out;
	struct ident *id = replica_key(key);
	env.body.body_len = (u_int)body.len;
	env.body.body_val = body.data;
	ident_sign(id, &chain, body.data, body.len, &env.sig);
	env.sig.b[5] ^= break_signature;
	ident_free(id);
	assert_true(wire_encode(WIRE(qframe), &frame, &out));
	say_length(fd, out.len);
	say(fd, out.data, out.len);
	bytes_free(&out);
}

static struct bytes encoded(const struct qmessage *m)
{
	struct bytes b;
	assert_true(wire_encode(WIRE(qmessage), m, &b));
	return b;
}

/* Node 0 hangs up on it and tells its operator why. */
static void assert_refused(struct qhash chain, unsigned sender, unsigned key, struct bytes body,
                           bool break_signature, const char *why)
{
	int fd = dial_peer(0, 2);
	say_envelope(fd, chain, sender, key, body, break_signature);
	assert_hangs_up(fd);
	assert_logged(0, why);
}

static void frames_that_no_replica_signed_are_refused_and_the_operator_is_told(void **state)
{
	struct qhash chain = siege.c->genesis->chain, other = chain;
	struct qmessage status = {.kind = QSTATUS}, change = {.kind = QVIEW_CHANGE};
	struct qcert_sig sigs[3] = {{.replica = 0}, {.replica = 1}, {.replica = 2}};
	struct qcert nothing = {.kind = QCOMMIT, .vote.height.n = 1, .sigs = {3, sigs}};
	struct bytes body = encoded(&status);
	char why[128], hex[QHASH_HEX];
	unsigned seed = 1;
	(void)state;
	other.b[0] ^= 1;
	snprintf(why, sizeof why, "reason=\"message of another chain\" chain=%s",
	         hex_encode(hex, other.b, sizeof other.b));
	assert_refused(other, 1, 1, body, false, why);
	assert_refused(chain, 4, 1, body, false, "reason=\"sender is no replica of this chain\" sender=4");
	assert_refused(chain, 1, 1, body, true, "reason=\"envelope signature does not hold\" sender=1");
	assert_refused(chain, 1, 2, body, false, "reason=\"envelope signature does not hold\"");

	/* Properly signed by a replica, but of a kind that this version does not know, or with bytes to
	 * spare. */
	body.data[3] = 99;
	assert_refused(chain, 1, 1, body, false, "reason=\"body is not a canonical message\" sender=1");
	body.data[3] = QSTATUS;
	struct bytes longer = {xmemdup(body.data, body.len), body.len};
	longer.data = xrealloc(longer.data, longer.len += 4);
	memset(longer.data + body.len, 0, 4);
	assert_refused(chain, 1, 1, longer, false, "reason=\"body is not a canonical message\"");
	bytes_free(&longer);
	bytes_free(&body);

	/* A VIEW-CHANGE that claims a height without proof. */
	change.qmessage_u.view_change.view.n = 1;
	change.qmessage_u.view_change.tip.tip_len = 1;
	change.qmessage_u.view_change.tip.tip_val = &nothing;
	body = encoded(&change);
	assert_refused(chain, 1, 1, body, false,
	               "reason=\"a certificate or signature inside does not hold\" sender=1");
	bytes_free(&body);

	/* No frame at all. */
	uint8_t junk[256];
	fill_random(junk, sizeof junk, &seed);
	int fd = dial_peer(0, 2);
	say_length(fd, sizeof junk);
	say(fd, junk, sizeof junk);
	assert_hangs_up(fd);
	assert_logged(0, "reason=\"not a frame of messages\"");

	int answered;
	json_t *s = chain_get(siege.c, 0, &answered, "/v1/status");
	assert_true(json_integer_value(json_object_get(s, "refused_connections")) >= 8);
	assert_int_equal(json_integer_value(json_object_get(s, "view")), 0); /* nobody was deposed by it */
	json_decref(s);
	siege_check();
}

static void await_connection_to_0(unsigned node)
{
	time_t until = time(NULL) + CHAIN_PATIENCE_MS / 1000;
	for (bool connected = false; !connected;) {
		int status;
		json_t *s = chain_get(siege.c, node, &status, "/v1/status");
		json_t *peer = json_array_get(json_object_get(s, "peers"), 0);
		connected = json_is_true(json_object_get(peer, "connected"));
		json_decref(s);
		if (!connected && time(NULL) > until)
			fail_msg("node %u is kept out of node 0", node);
	}
}

static void connections_held_on_the_peers_port_keep_no_peer_out(void **state)
{
	enum { MORE = 20 };
	int fds[HELD + MORE];
	(void)state;
	for (size_t i = 0; i < HELD; i++) {
		fds[i] = i < HELD / 2 ? dial_peer(0, 2) : dial(peer_port_of(0), 2);
		if (i % 3 == 0)
			say_length(fds[i], 1000);
	}
	siege_check();
	chain_signal(siege.c, "kill", 3);
	for (size_t i = HELD; i < HELD + MORE; i++) /* whoever leaves loses his place to them ... */
		fds[i] = dial_peer(0, 2);
	siege_restart(3); /* ... and gets in again all the same */
	chain_signal(siege.c, "kill", 2);
	load_await(&siege.load, 4); /* without it there is no quorum now */
	siege_restart(2);
	for (unsigned node = 1; node < 4; node++)
		await_connection_to_0(node);
	for (size_t i = 0; i < HELD + MORE; i++)
		close(fds[i]);
	siege_check();
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static const struct oddity {
	const char *request;
	size_t filler; /* bytes 'a' in the place of the '*' */
	const char *status, *says;
} oddities[] = {
    {"GET /v1/blocks/%00 HTTP/1.1", 0, "400", "bad_path"},
    {"GET /v1/%zz HTTP/1.1", 0, "400", "bad_path"},
    {"GET /v1/blocks/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1", 0, "404", "not_found"},
    {"GET /../../../../etc/passwd HTTP/1.1", 0, "404", "not_found"},
    {"GET /v1/../../node.conf HTTP/1.1", 0, "404", "not_found"},
    {"GET /v1/genesis/ HTTP/1.1", 0, "404", "not_found"},
    {"GET /v1/blocks/* HTTP/1.1", 2000, "414", "path_too_long"},
    {"GET /* HTTP/1.1", 100000, "414", NULL},
    {"GET /v1/status HTTP/1.1\r\nX-A: *", 100000, "431", NULL},
    {"POST /v1/status HTTP/1.1\r\nContent-Length: 0", 0, "405", "allows GET"},
    {"DELETE /v1/transactions HTTP/1.1", 0, "405", "allows POST"},
    {"BREW /v1/status HTTP/1.1", 0, "405", "allows GET"},
    {"POST /v1/transactions HTTP/1.1\r\nContent-Length: 99999999999", 0, "413", "body_too_large"},
    {"POST /v1/transactions HTTP/1.1\r\nTransfer-Encoding: chunked", 0, "411", "length_required"},
    {"POST /v1/transactions HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked", 0, "400", NULL},
    {"POST /v1/transactions HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5", 0, "400", NULL},
    {"POST /v1/transactions HTTP/1.1\r\nContent-Length: -1", 0, "400", NULL},
    {"POST /v1/transactions HTTP/1.1\r\nContent-Length: 99999999999999999999999", 0, NULL, NULL},
    {"GET /v1/status HTTP/9.9", 0, NULL, NULL},
    {"GET", 0, NULL, NULL},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0, NULL, NULL}, /* TLS */
};

static void odd_requests_get_an_answer_that_says_what_is_wrong(void **state)
{
	static char answer[65536];
	(void)state;
	for (size_t i = 0; i < sizeof oddities / sizeof *oddities; i++) {
		const struct oddity *o = &oddities[i];
		const char *star = o->filler ? strchr(o->request, '*') : NULL;
		int fd = dial(http_port_of(1), 2);
		say(fd, o->request, star ? (size_t)(star - o->request) : strlen(o->request));
		char *filler = xcalloc(1, o->filler + 1);
		memset(filler, 'a', o->filler);
		say(fd, filler, o->filler);
		free(filler);
		if (star)
			say(fd, star + 1, strlen(star + 1));
		static const char rest[] = "\r\nHost: localhost\r\nConnection: close\r\n\r\n";
		say(fd, rest, strlen(rest));
		shutdown(fd, SHUT_WR);
		hear(fd, answer, sizeof answer);
		/* Status 0: that the node hangs up, and lives, is enough. */
		if (o->status &&
		    (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, o->status, 3) != 0))
			fail_msg("%.60s: not %s but %.300s", o->request, o->status, answer);
		if (o->says && !strstr(answer, o->says))
			fail_msg("%.60s: does not say %s: %s", o->request, o->says, answer);
		assert_null(strstr(answer, "root:")); /* /etc/passwd */
	}
	siege_check();
}

/* Asks node 0 on a new connection from this address. */
static bool is_healthy(unsigned from)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	char answer[4096];
	int fd = dial(http_port_of(0), from);
	say(fd, request, strlen(request));
	hear(fd, answer, sizeof answer);
	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void connections_held_over_http_shut_out_only_their_own_address(void **state)
{
	static const char head[] = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
	int fds[HELD];
	(void)state;
	for (size_t i = 0; i < HELD; i++) {
		fds[i] = dial(http_port_of(0), 3);
		say(fds[i], head, i % sizeof head);
	}
	for (unsigned trickle = 0; trickle < 3; trickle++) { /* slow loris: a byte now and then */
		for (size_t i = 0; i < HELD; i++)
			say(fds[i], "a", 1);
		load_await(&siege.load, 2);
	}
	assert_true(is_healthy(1)); /* a new caller from elsewhere */
	siege_check();
	for (size_t i = 0; i < HELD; i++)
		close(fds[i]);
	while (!is_healthy(3)) /* let in again, too, once the node has seen that he hung up */
		;
	siege_check();
}

static void large_bodies_that_never_end_are_bounded(void **state)
{
	enum { BODY = 8 << 20, HELD_BODIES = 12 };
	static char head[128];
	char *body = xcalloc(1, BODY);
	int fds[HELD_BODIES];
	(void)state;
	snprintf(head, sizeof head,
	         "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", BODY);
	for (size_t i = 0; i < HELD_BODIES; i++) {
		fds[i] = dial(http_port_of(2), 4);
		say(fds[i], head, strlen(head));
		say(fds[i], body, BODY - 1);
	}
	siege_check();
	for (size_t i = 0; i < HELD_BODIES; i++)
		close(fds[i]);
	free(body);
	siege_check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_bytes_on_every_port_harm_nobody),
	    cmocka_unit_test(lengths_that_no_frame_has_are_refused_before_memory_is_taken),
	    cmocka_unit_test(frames_that_never_end_hold_little),
	    cmocka_unit_test(frames_that_no_replica_signed_are_refused_and_the_operator_is_told),
	    cmocka_unit_test(connections_held_on_the_peers_port_keep_no_peer_out),
	    cmocka_unit_test(odd_requests_get_an_answer_that_says_what_is_wrong),
	    cmocka_unit_test(connections_held_over_http_shut_out_only_their_own_address),
	    cmocka_unit_test(large_bodies_that_never_end_are_bounded),
	};
	return cmocka_run_group_tests_name("hostile", tests, siege_begin, siege_end);
}
