/*
 * bench_floor.c: what one payment at low load has to wait for, each part measured on the spot.
 *
 * Nothing else runs meanwhile, so the sum is what this machine cannot go below: a replica's own work
 * (parsing, hashing, SQLite), the queues between its threads and the wait for a processor all come on top.
 */
#include "bench_floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "account.h"
#include "hash.h"
#include "http.h"
#include "ident.h"
#include "text.h"

enum {
	ROUNDS = 300,
	FSYNC_BYTES = 24 + 4096, /* a frame of a WAL: the least that a commit writes */
	HOP_BYTES = 256,         /* about a vote in its envelope and frame */
	STATEMENT_BYTES = 80,    /* about what is signed of a vote */
};
#define ENOUGH_S 1.0 /* a slow disk is measured less often, */
#define AT_LEAST 20  /* but so often */

/* ---- measuring ------------------------------------------------------------------------------------ */

struct times {
	unsigned cnt;
	double us[ROUNDS], begin_us, total_us;
};

static double now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void times_begin(struct times *t)
{
	t->begin_us = now_us();
}

static void times_end(struct times *t)
{
	double us = now_us() - t->begin_us;
	t->us[t->cnt++] = us;
	t->total_us += us;
}

static bool times_enough(const struct times *t)
{
	return t->cnt == ROUNDS || (t->cnt >= AT_LEAST && t->total_us > ENOUGH_S * 1e6);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double times_median(struct times *t)
{
	must(t->cnt > 0);
	qsort(t->us, t->cnt, sizeof t->us[0], ascending);
	return t->us[t->cnt / 2];
}

/* ---- fsync ---------------------------------------------------------------------------------------- */

static bool write_frame(int fd, unsigned which)
{
	static const uint8_t frame[FSYNC_BYTES];
	ssize_t written = pwrite(fd, frame, sizeof frame, (off_t)which * FSYNC_BYTES);
	if (written >= 0 && written != (ssize_t)sizeof frame)
		errno = ENOSPC;
	return written == (ssize_t)sizeof frame;
}

/*
 * As SQLite makes a commit durable: what was written to the WAL, by fdatasync().  In place: a WAL grows to
 * its size once and is then written anew, so that a sync need not write the file's inode, too.
 */
static bool write_and_sync(int fd, double *us)
{
	struct times t = {0};
	for (unsigned i = 0; i < ROUNDS; i++)
		if (!write_frame(fd, i))
			return false;
	if (fsync(fd) != 0)
		return false;
	while (!times_enough(&t)) {
		times_begin(&t);
		if (!write_frame(fd, t.cnt) || fdatasync(fd) != 0)
			return false;
		times_end(&t);
	}
	*us = times_median(&t);
	return true;
}

/* The file has no name by then: nothing is left of it, whatever happens. */
static bool measure_fsync(const char *dir, double *us, struct err *err)
{
	char *path = text_format("%s/bench-XXXXXX", dir);
	int fd = mkostemp(path, O_CLOEXEC);
	bool ok = fd >= 0 && unlink(path) == 0 && write_and_sync(fd, us);
	if (!ok)
		err_set(err, ERR_WORLD, "%s: writing and syncing a file: %s", dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	return ok;
}

/* ---- a hop ---------------------------------------------------------------------------------------- */

static bool read_all(int fd, uint8_t *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t got = read(fd, buf + at, len - at);
		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

/* HOP_BYTES always fit into a socket's buffer that is empty. */
static bool write_all(int fd, const uint8_t *buf, size_t len)
{
	return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void *echo(void *arg)
{
	const int *fd = arg;
	uint8_t frame[HOP_BYTES];
	while (read_all(*fd, frame, sizeof frame) && write_all(*fd, frame, sizeof frame))
		;
	return NULL;
}

/* Two ends of a connection over loopback; -1 for what could not be opened. */
static bool tcp_pair(int pair[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	pair[0] = pair[1] = -1;
	bool ok = listener >= 0 && bind(listener, (struct sockaddr *)&at, len) == 0 &&
	          listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&at, &len) == 0 &&
	          (pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0 &&
	          connect(pair[0], (struct sockaddr *)&at, len) == 0 &&
	          (pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;
	for (unsigned i = 0; ok && i < 2; i++)
		ok = setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
	if (listener >= 0)
		close(listener);
	return ok;
}

static bool ping(int fd, double *us)
{
	uint8_t frame[HOP_BYTES] = {0};
	struct times t = {0};
	while (!times_enough(&t)) {
		times_begin(&t);
		if (!write_all(fd, frame, sizeof frame) || !read_all(fd, frame, sizeof frame))
			return false;
		times_end(&t);
	}
	*us = times_median(&t) / 2;
	return true;
}

/* One way between two threads, the waking included: half a round trip. */
static bool measure_hop(double *us, struct err *err)
{
	pthread_t thread;
	int pair[2];
	bool ok = tcp_pair(pair);
	if (ok) {
		must(pthread_create(&thread, NULL, echo, &pair[1]) == 0);
		ok = ping(pair[0], us);
		shutdown(pair[0], SHUT_RDWR); /* ends the echo */
		pthread_join(thread, NULL);
	}
	if (!ok)
		err_set(err, ERR_WORLD, "a connection over loopback: %s", strerror(errno));
	for (unsigned i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	return ok;
}

/* ---- signatures ----------------------------------------------------------------------------------- */

static void measure_replica_key(struct bench_floor *f)
{
	struct times sign = {0}, open = {0};
	struct ident *id = ident_new();
	struct qreplica_key key = ident_key(id);
	const struct qhash chain = {0};
	uint8_t statement[STATEMENT_BYTES] = {0};
	struct qsig sig;
	while (sign.cnt < ROUNDS) {
		memcpy(statement, &sign.cnt, sizeof sign.cnt);
		times_begin(&sign);
		ident_sign(id, &chain, statement, sizeof statement, &sig);
		times_end(&sign);
		times_begin(&open);
		must(ident_verify(&key, &chain, statement, sizeof statement, &sig));
		times_end(&open);
	}
	ident_free(id);
	f->sign_us = times_median(&sign);
	f->open_us = times_median(&open);
}

static void measure_account_key(struct bench_floor *f)
{
	struct times check = {0};
	while (check.cnt < ROUNDS) {
		struct account *a = account_new();
		struct qaccount_key key = account_key(a);
		struct qtxid id;
		struct qsig sig;
		hash_bytes("quorate/bench-id/v1", key.b, sizeof key.b, id.b);
		account_sign(a, &id, &sig);
		account_free(a);
		times_begin(&check);
		must(account_verify(&key, &id, &sig));
		times_end(&check);
	}
	f->check_us = times_median(&check);
}

/* ---- HTTP ----------------------------------------------------------------------------------------- */

static void answer(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply->status = 200;
	reply->content_type = "text/plain";
	reply->body = xstrdup("ok\n");
	reply->body_len = 3;
}

static bool call_often(struct http_client *c, double *us, struct err *err)
{
	struct times t = {0};
	while (!times_enough(&t)) {
		int status;
		char *body;
		size_t len;
		times_begin(&t);
		if (!http_call(c, "/", NULL, NULL, 0, &status, &body, &len, err))
			return false;
		times_end(&t);
		free(body);
	}
	*us = times_median(&t);
	return true;
}

/* Through the server of nodes and the client of commands, over a connection that is kept; the handler does
 * nothing. */
static bool measure_http(double *us, struct err *err)
{
	static const struct http_route routes[] = {{"GET", "/", answer}, {NULL, NULL, NULL}};
	struct http_config config = {.listen = "127.0.0.1:0", .body_max = 1024, .routes = routes};
	struct http_server *server = http_start(&config, err);
	if (server == NULL)
		return false;
	char *url = text_format("http://127.0.0.1:%u", http_port(server));
	struct http_client *client = http_client_new(url, 5000, err);
	bool ok = client != NULL && call_often(client, us, err);
	http_client_free(client);
	http_stop(server);
	free(url);
	return ok;
}

/* ---- together ------------------------------------------------------------------------------------- */

void bench_floor_parts(const struct bench_floor *f, struct bench_part parts[BENCH_PART_CNT])
{
	/* A single replica waits for nobody: all its votes are one turn's work. */
	bool alone = f->replicas < 2;
	double forwarded = alone ? 0 : f->forwarded;
	const struct bench_part all[BENCH_PART_CNT] = {
	    {"http", "HTTP request and answer", f->http_us, 1},
	    {"check", "account signature checked", f->check_us, 1 + forwarded},
	    {"sign", "replica's signature made", f->sign_us, alone ? 3 : 4 + forwarded},
	    {"fsync", "write made durable", f->fsync_us, alone ? 2 : 4},
	    {"hop", "one way between replicas", f->hop_us, alone ? 0 : 3 + forwarded},
	    {"open", "replica's signature checked", f->open_us, alone ? 0 : 4 + forwarded},
	};
	memcpy(parts, all, sizeof all);
}

double bench_floor_sum(const struct bench_floor *f)
{
	struct bench_part parts[BENCH_PART_CNT];
	double sum = 0;
	bench_floor_parts(f, parts);
	for (unsigned i = 0; i < BENCH_PART_CNT; i++)
		sum += parts[i].us * parts[i].times;
	return sum;
}

bool bench_floor(const char *dir, unsigned replicas, struct bench_floor *out, struct err *err)
{
	*out = (struct bench_floor){.replicas = replicas > 0 ? replicas : 1};
	out->forwarded = (double)(out->replicas - 1) / out->replicas;
	if (!measure_fsync(dir, &out->fsync_us, err) || !measure_hop(&out->hop_us, err) ||
	    !measure_http(&out->http_us, err))
		return false;
	measure_replica_key(out);
	measure_account_key(out);
	out->floor_us = bench_floor_sum(out);
	return true;
}
