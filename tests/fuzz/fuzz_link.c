/*
 * fuzz_link.c: bytes on a connection between replicas (net/link), in both directions.  The first byte
 * selects: whether the input comes from one who dials this replica, or from one whom it dials; whether a
 * right HELLO of his goes before it; and in how many pieces.
 *
 * Who dials: the owner is handed just the frames that a plain reader finds in the input, each is answered,
 * and nonsense is counted.  Who is dialled: he gets a header, and, if his own was right, one frame that holds
 * what was sent; whatever he answers changes nothing.
 *
 * Links: q_link
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "fuzz.h"
#include "hellos.h"
#include "link.h"

#define PATIENCE_MS 25000
#define DIALLED 0x80 /* in the first byte */
#define GREETED 0x40
#define FRAMES_MAX 64

/* Header and HELLO of replica 1, of either direction; those of replica 0, whom the test talks to. */
static struct bytes push, pull, its_push, its_pull;
static struct link *receiver;
static int listening = -1;
static char url[64];

/* What was handed to the owner; the connections come one after the other. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct bytes frames[FRAMES_MAX];
static size_t frame_cnt;

static void on_frame(void *ctx, uint32_t pipe, const uint8_t *data, size_t len)
{
	(void)ctx, (void)pipe;
	pthread_mutex_lock(&lock);
	must(frame_cnt < FRAMES_MAX);
	frames[frame_cnt].len = len;
	frames[frame_cnt++].data = len > 0 ? xmemdup(data, len) : NULL;
	pthread_mutex_unlock(&lock);
}

static void forget_frames(void)
{
	pthread_mutex_lock(&lock);
	while (frame_cnt > 0)
		bytes_free(&frames[--frame_cnt]);
	pthread_mutex_unlock(&lock);
}

/* ---- sockets --------------------------------------------------------------------------------------- */

static void loopback(struct sockaddr_in *a, unsigned port)
{
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void send_pieces(int fd, const uint8_t *data, size_t len, unsigned pieces)
{
	for (size_t at = 0; at < len;) {
		size_t piece = len / pieces + 1 < len - at ? len / pieces + 1 : len - at;
		ssize_t sent = TEMP_FAILURE_RETRY(send(fd, data + at, piece, MSG_NOSIGNAL));
		if (sent <= 0)
			return; /* hung up, as it may */
		at += (size_t)sent;
	}
}

/* All that comes until the other side hangs up, or `enough` bytes; *reset: it did so without reading all. */
static size_t read_all(int fd, uint8_t *buf, size_t cap, size_t enough, bool *reset)
{
	size_t got = 0;

	*reset = false;
	while (got < enough) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		/* libFuzzer's alarm comes in between */
		must(TEMP_FAILURE_RETRY(poll(&ready, 1, PATIENCE_MS)) == 1);
		ssize_t n = TEMP_FAILURE_RETRY(recv(fd, buf + got, cap - got, 0));
		if (n <= 0) {
			*reset = n < 0;
			break;
		}
		got += (size_t)n;
		must(got < cap);
	}
	return got;
}

/* ---- who dials ----------------------------------------------------------------------------------------- */

/* Is this header and HELLO of somebody to whom this link would talk? *nonsense: it can be neither. */
static size_t greeting(const uint8_t *data, size_t len, const struct bytes *right, bool *nonsense)
{
	struct qhello hello;
	uint64_t length = 0;

	*nonsense = len >= 8 && memcmp(data, right->data, 8) != 0;
	if (len < 16 || *nonsense)
		return 0;
	for (size_t i = 8; i < 16; i++)
		length = length << 8 | data[i];
	*nonsense = length > Q_HELLO_MAX;
	if (*nonsense || length > len - 16)
		return 0;
	*nonsense = !wire_decode(WIRE(qhello), data + 16, (size_t)length, &hello);
	if (*nonsense)
		return 0;
	*nonsense = !qhash_is_zero(&hello.chain) || hello.lowest > hello.highest ||
	            hello.lowest > link_versions.highest || hello.highest < link_versions.lowest ||
	            (right == &pull && hello.replica != 1);
	wire_free(WIRE(qhello), &hello);
	return *nonsense ? 0 : 16 + (size_t)length;
}

/* The frames in the input, as the header says: a greeting, then lengths of 64 bits. *nonsense: it ends with
 * some. *greeted: it begins as it should. */
static size_t naive_frames(const uint8_t *data, size_t len, struct bytes out[FRAMES_MAX], bool *greeted,
                           bool *nonsense)
{
	size_t cnt = 0, at = greeting(data, len, &push, nonsense);

	*greeted = at > 0;
	if (!*greeted)
		return 0;
	while (len - at >= 8 && !*nonsense) {
		uint64_t length = 0;
		for (int i = 0; i < 8; i++)
			length = length << 8 | data[at++];
		*nonsense = length > Q_FRAME_MAX;
		if (*nonsense || length > len - at)
			break;
		out[cnt++] = (struct bytes){(uint8_t *)(uintptr_t)(data + at), (size_t)length};
		at += (size_t)length;
	}
	return cnt;
}

/* More frames than the test keeps? Such an input is passed over. */
static bool too_many(const uint8_t *data, size_t len)
{
	size_t zeros = 0;

	for (size_t i = 0; i + 8 <= len; i += 8)
		zeros += memcmp(data + i, (uint8_t[7]){0}, 7) == 0;
	return zeros >= FRAMES_MAX || len > 8 * FRAMES_MAX * 16;
}

static void dial_in(const uint8_t *data, size_t len, unsigned pieces)
{
	struct sockaddr_in to;
	struct bytes want[FRAMES_MAX];
	uint8_t answer[8 * FRAMES_MAX + HELLO_BYTES_MAX], zero[8] = {0};
	uint64_t rejected = link_rejected(receiver);
	struct linger none = {.l_onoff = 1};
	bool greeted, nonsense, reset;
	size_t cnt = naive_frames(data, len, want, &greeted, &nonsense), hello = its_pull.len;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	loopback(&to, link_port(receiver));
	must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
	send_pieces(fd, data, len, pieces);
	shutdown(fd, SHUT_WR);
	size_t got = read_all(fd, answer, sizeof answer, SIZE_MAX, &reset);
	close(fd);
	must(link_rejected(receiver) ==
	     rejected + nonsense); /* counted before the link hangs up, which was seen */
	must(reset || (got == hello + 8 * cnt && memcmp(answer, its_pull.data, hello) == 0));
	for (size_t i = hello; i + 8 <= got; i += 8)
		must(memcmp(answer + i, zero, 8) == 0);
	pthread_mutex_lock(&lock);
	must(frame_cnt == cnt);
	for (size_t i = 0; i < cnt; i++)
		must(frames[i].len == want[i].len &&
		     (want[i].len == 0 || memcmp(frames[i].data, want[i].data, want[i].len) == 0));
	pthread_mutex_unlock(&lock);
	forget_frames();
}

/* ---- who is dialled --------------------------------------------------------------------------------------
 */

static void check_frame(const uint8_t *got, size_t len, const struct qenvelope *env)
{
	struct qframe frame;

	must(wire_decode(WIRE(qframe), got, len, &frame));
	must(frame.envelopes.envelopes_len == 1 && frame.envelopes.envelopes_val[0].sender == env->sender);
	wire_free(WIRE(qframe), &frame);
}

static void be_dialled(const uint8_t *data, size_t len, unsigned pieces)
{
	const char *address[2] = {NULL, url};
	struct link_config config = {.listen = "tcp://127.0.0.1:0",
	                             .n = 2,
	                             .address = address,
	                             .outbox_bytes_max = 1 << 20,
	                             .on_frame = on_frame};
	struct qenvelope env = {.sender = 1};
	struct qframe frame = {.envelopes = {1, &env}};
	uint8_t got[2 * HELLO_BYTES_MAX];
	size_t frame_len = wire_size(WIRE(qframe), &frame), hello = its_push.len;
	bool nonsense, right = greeting(data, len, &pull, &nonsense) > 0, reset;
	struct err err = {0};
	struct link_stats stats;

	struct link *l = link_start(&config, &err);
	must(l != NULL);
	link_send(l, 1 << 1, &env);
	link_flush(l);
	int fd = (int)TEMP_FAILURE_RETRY(accept4(listening, NULL, NULL, SOCK_CLOEXEC));
	must(fd >= 0);
	send_pieces(fd, data, len, pieces);
	if (!right)
		shutdown(fd, SHUT_WR);
	size_t enough = right ? hello + 8 + frame_len : SIZE_MAX;
	size_t have = read_all(fd, got, sizeof got, enough, &reset);
	must(memcmp(got, its_push.data, have < hello ? have : hello) == 0);
	must(right || have <= hello);
	must(!right || reset || have == enough);
	if (have == enough)
		check_frame(got + hello + 8, frame_len, &env);
	link_stats(l, 1, &stats);
	must(stats.dropped_envelopes == 0);
	close(fd);
	link_stop(l);
}

/* ---- the test -------------------------------------------------------------------------------------------
 */

static void add_frames(uint8_t selector, const char *lengths, size_t cnt)
{
	uint8_t buf[4096] = {0};
	size_t len = 0;

	for (size_t i = 0; i < cnt; i++) {
		buf[len + 7] = (uint8_t)lengths[i];
		memset(buf + len + 8, lengths[i], (uint8_t)lengths[i]);
		len += 8 + (uint8_t)lengths[i];
	}
	fuzz_seed_as(selector | GREETED, buf, len);
}

static struct bytes greeting_of(int protocol, unsigned replica)
{
	struct qhello hello = hello_of(&(struct qhash){{0}}, replica);
	struct bytes b = {.data = xcalloc(1, HELLO_BYTES_MAX)};

	hello.software = (char[]){""};
	b.len = hello_bytes(b.data, protocol, &hello);
	return b;
}

static void add_greetings(uint8_t selector, const struct bytes *right, const struct bytes *wrong)
{
	struct bytes other = greeting_of(right == &push ? 0x50 : 0x51, 3);

	fuzz_seed_as(selector, right->data, right->len);
	fuzz_seed_as(selector | 3, right->data, right->len - 1);
	fuzz_seed_as(selector, right->data, 3);
	fuzz_seed_as(selector, wrong->data, wrong->len);
	fuzz_seed_as(selector, other.data, other.len);
	other.data[8] = 0xff; /* how long it says that it is */
	fuzz_seed_as(selector, other.data, other.len);
	bytes_free(&other);
}

static void setup(void)
{
	static const char *const address[2] = {NULL, "tcp://127.0.0.1:1"};
	struct link_config config = {.listen = "tcp://127.0.0.1:0",
	                             .n = 2,
	                             .address = address,
	                             .outbox_bytes_max = 1024,
	                             .on_frame = on_frame};
	struct sockaddr_in here;
	socklen_t len = sizeof here;
	struct err err = {0};

	push = greeting_of(0x50, 1);
	pull = greeting_of(0x51, 1);
	its_push = greeting_of(0x50, 0);
	its_pull = greeting_of(0x51, 0);
	receiver = link_start(&config, &err);
	must(receiver != NULL);
	loopback(&here, 0);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(listening >= 0 && bind(listening, (struct sockaddr *)&here, sizeof here) == 0);
	must(listen(listening, 16) == 0 && getsockname(listening, (struct sockaddr *)&here, &len) == 0);
	snprintf(url, sizeof url, "tcp://127.0.0.1:%u", ntohs(here.sin_port));

	add_greetings(0, &push, &pull);
	add_greetings(DIALLED, &pull, &push);
	add_frames(0, "\0", 1);
	add_frames(1, "\4\0\20", 3);
	add_frames(5, "\200\177\1\1\1", 5);
	fuzz_seed_as(GREETED, "\0\0\0\0\0\x80\0\1", 8);
	fuzz_seed_as(GREETED, "\0\0\0\0\0\x80\0\0", 8);
	fuzz_seed_as(GREETED, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	add_frames(DIALLED, "", 0);
	add_frames(DIALLED | 2, "\0\0\0", 3);
	add_frames(DIALLED, "\1\2", 2);
}

static void teardown(void)
{
	link_stop(receiver);
	close(listening);
	forget_frames();
	bytes_free(&push);
	bytes_free(&pull);
	bytes_free(&its_push);
	bytes_free(&its_pull);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0 || too_many(data + 1, len - 1))
		return 0;
	const struct bytes *hello = data[0] & DIALLED ? &pull : &push;
	size_t before = data[0] & GREETED ? hello->len : 0;
	struct bytes all = {.data = xcalloc(1, before + len), .len = before + len - 1};

	memcpy(all.data, hello->data, before);
	memcpy(all.data + before, data + 1, len - 1);
	if (data[0] & DIALLED)
		be_dialled(all.data, all.len, 1 + data[0] % 8);
	else
		dial_in(all.data, all.len, 1 + data[0] % 8);
	bytes_free(&all);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "link", .runs = 400, .setup = setup, .teardown = teardown};
