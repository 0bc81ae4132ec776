/*
 * fuzz_http.c: bytes on a connection to a node's HTTP port: request lines, paths, queries, headers, bodies,
 * and whatever follows them.  The server and the routes are the program's, the ledger is real and small, the
 * replica behind it stood for.  The first byte selects in how many pieces the input is sent.
 *
 * The server answers or hangs up in time; all that it answers is HTTP, with as many bytes as it says, never a
 * 500, and JSON where it says so: a refusal has code and message.  Then the same server answers an honest
 * request.
 *
 * Links: q_program
 */
#include "api_impl.h"
#include "jread.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "store.h"

#define BODY_MAX 65536
#define ANSWER_MAX (1u << 20)
#define PATIENCE_MS 25000

static struct place *place;
static struct reader *reader;
static struct http_server *server;
static struct qtxid ids[4];
static uint8_t *answers;

/* ---- the node -------------------------------------------------------------------------------- */

const struct genesis *node_genesis(const struct node *n)
{
	(void)n;
	return &place->rules.g;
}

unsigned node_self(const struct node *n)
{
	(void)n;
	return 1;
}

struct link *node_link(struct node *n)
{
	(void)n;
	return NULL;
}

uint64_t node_now_ms(void)
{
	return 1000;
}

bool node_mining(const struct node *n, struct node_mining *out)
{
	(void)n, (void)out;
	return false;
}

bool node_scrub(struct node *n, struct scrubber_status *out)
{
	(void)n;
	*out = (struct scrubber_status){.height = {3}, .passes = 2, .last_ok_at_ms = 1700000000123};
	return true;
}

void node_numbers(struct node *n, struct node_numbers *out)
{
	(void)n;
	*out = (struct node_numbers){.pool_room = 7};
}

void link_stats(struct link *l, unsigned peer, struct link_stats *out)
{
	(void)l;
	*out = (struct link_stats){.connected = peer == 0};
}

const char *link_address(const struct link *l, unsigned peer)
{
	(void)l, (void)peer;
	return "tcp://10.0.0.1:7580";
}

const char *link_trouble_name(enum link_trouble trouble)
{
	(void)trouble;
	return "none";
}

uint64_t link_rejected(struct link *l)
{
	(void)l;
	return 0;
}

bool node_verify(struct node *n, struct tx *const *txs, size_t cnt, bool *held)
{
	(void)n;
	for (size_t i = 0; i < cnt; i++)
		held[i] = txs[i] != NULL && tx_verify(node_genesis(n), txs[i]);
	return true;
}

struct call *call_new(enum call_kind kind)
{
	struct call *c = xcalloc(1, sizeof *c);

	c->kind = kind;
	return c;
}

void call_unref(struct call *c)
{
	for (size_t i = 0; c->kind == CALL_SUBMIT && i < c->submit.cnt; i++)
		tx_unref(c->submit.txs[i]);
	if (c->kind == CALL_SUBMIT) {
		free(c->submit.txs);
		free(c->submit.results);
	}
	if (c->kind == CALL_DISPUTE)
		free(c->dispute.list);
	if (c->kind == CALL_ADDRESS)
		free(c->address.list);
	free(c);
}

bool node_call(struct node *n, struct call *c)
{
	(void)n;
	if (c->kind == CALL_FATE)
		c->fate.verdict = c->fate.id.b[0] & 1   ? TX_KNOWN
		                  : c->fate.id.b[0] & 2 ? TX_DOUBLE_SPEND
		                                        : TX_UNKNOWN_OUTPUT;
	if (c->kind == CALL_DISPUTE) {
		c->dispute.height.n = 3;
		c->dispute.disputed = c->dispute.cnt;
	}
	if (c->kind == CALL_ADDRESS && c->address.limit > 0) {
		c->address.list[0] = (struct held){.u = {.out = {c->address.owner, 5}}};
		c->address.cnt = 1;
		c->address.sums = (struct address_sums){.outputs = 2, .free = 9};
		c->address.lost = !c->address.first && c->address.after.index != 0;
	}
	if (c->kind == CALL_STATUS) {
		c->status.height.n = 3;
		c->status.engine.peer[0].seen_ms = c->status.engine.peer[2].seen_ms = 900;
	}
	return true;
}

/* Of each batch one finds no place. */
bool node_has_room(struct node *n)
{
	(void)n;
	return true;
}

size_t node_room(struct node *n, size_t cnt)
{
	(void)n;
	return cnt > 1 ? cnt - 1 : cnt;
}

void node_room_back(struct node *n, size_t cnt)
{
	(void)n, (void)cnt;
}

bool node_turn(struct node *n)
{
	(void)n;
	return true;
}

void node_turn_end(struct node *n)
{
	(void)n;
}

struct reader *node_reader(struct node *n, struct err *err)
{
	(void)n;
	struct reader *r = reader_open(place->path, NULL, err); /* each connection has a thread of its own */
	if (r != NULL)
		reader_prove(r, node_genesis(n));
	return r;
}

void node_reader_back(struct node *n, struct reader *r, bool broken)
{
	(void)n;
	must(!broken); /* nothing is wrong with the ledger */
	reader_close(r);
}

/* All that anybody waits for happens at once. */
bool node_wait_begin(struct node *n, struct waiter *w)
{
	(void)n;
	if (w->id.b[1] & 1)
		w->wake(w->ctx);
	return w->id.b[1] & 1;
}

struct qheight node_height(struct node *n)
{
	(void)n;
	return qheight_of(3);
}

bool node_block_wait_begin(struct node *n, struct block_waiter *w)
{
	(void)n;
	w->wake(w->ctx);
	return true;
}

void node_block_wait_end(struct node *n, struct block_waiter *w)
{
	(void)n, (void)w;
}

void node_wait_end(struct node *n, struct waiter *w)
{
	(void)n, (void)w;
}

/* Three blocks: the first is long executed, of the third it has the ids. */
enum ids_found node_block_ids(struct node *n, struct qheight height, struct block_ids **out)
{
	(void)n;
	if (height.n == 3) {
		*out = xcalloc(1, sizeof **out + sizeof ids[0]);
		(*out)->height = height;
		(*out)->cnt = 1;
		(*out)->ids[0] = ids[2];
	}
	return height.n == 3 ? IDS_HERE : height.n < 3 ? IDS_OLD : IDS_NONE;
}

void block_ids_unref(struct block_ids *b)
{
	free(b);
}

/* ---- genuine requests -------------------------------------------------------------------------- */

static void add(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	must(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	fuzz_seed_as(0, text, strlen(text));
	free(text);
}

static void add_get(const char *path)
{
	add("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	fuzz_seed_as(3, fuzz_seed_at(fuzz_seed_cnt() - 1)->data + 1,
	             fuzz_seed_at(fuzz_seed_cnt() - 1)->len - 1);
}

static void add_submission(void)
{
	struct tx *tx = rules_pay(&place->rules, 0, "http");
	char *hex = xcalloc(2 * tx->raw_len + 1, 1), head[160];
	qtx_bytes one = {(unsigned)tx->raw_len, tx->raw};
	struct qtxs batch = {.txs = {1, &one}};
	struct bytes b = rules_encode(WIRE(qtxs), &batch);

	hex_encode(hex, tx->raw, tx->raw_len);
	add("POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
	    "%zu\r\n\r\n{\"transactions\": [\"%s\"]}",
	    strlen(hex) + 23, hex);
	int len = snprintf(head, sizeof head,
	                   "POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: "
	                   "application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
	                   b.len);
	uint8_t *binary = xcalloc((size_t)len + b.len, 1);
	memcpy(binary, head, (size_t)len);
	memcpy(binary + len, b.data, b.len);
	fuzz_seed_as(1, binary, (size_t)len + b.len);
	free(binary);
	bytes_free(&b);
	free(hex);
	tx_unref(tx);
}

static const struct {
	const char *path;
	int status;
} paths[] = {
    {"/healthz", 200},
    {"/v1/status", 200},
    {"/metrics", 200},
    {"/v1/stakes", 404},
    {"/v1/genesis", 200},
    {"/v1/blocks", 200},
    {"/v1/blocks?from=2&limit=1", 200},
    {"/v1/blocks?limit=0&from=0", 200},
    {"/v1/blocks?limit=101", 400},
    {"/v1/blocks?from=01", 400},
    {"/v1/blocks?from=9223372036854775808", 400},
    {"/v1/blocks?from=1&from=2", 400},
    {"/v1/blocks/latest", 200},
    {"/v1/blocks/1", 200},
    {"/v1/blocks/0", 404},
    {"/v1/blocks/9223372036854775807", 404},
    {"/v1/blocks/9223372036854775808", 400},
    {"/v1/blocks/%31", 200},
    {"/v1/blocks/%00", 400},
    {"/v1/blocks/1/2", 404},
    {"/v1/blocks/1/transactions", 200},
    {"/v1/blocks/3/transactions", 200},
    {"/v1/blocks/3/transactions?wait=10000", 200},
    {"/v1/blocks/3/transactions?wait=10001", 400},
    {"/v1/blocks/3/transactions?wait=-1", 400},
    {"/v1/blocks/4/transactions?wait=5", 404},
    {"/v1/blocks/0/transactions", 404},
    {"/v1/blocks/latest/transactions", 400},
    {"/v1/blocks/9223372036854775808/transactions", 400},
    {"/v1/blocks//transactions", 404},
    {"/v1/%", 400},
    {"/nothing", 404},
};

static void add_requests(void)
{
	char id[QHASH_HEX], address[ADDRESS_TEXT], path[256];
	struct qaddress a = rules_address(4);

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		add_get(paths[i].path);
	for (unsigned i = 0; i < 2; i++) {
		hex_encode(id, i ? ids[0].b : place->rules.g.txid.b, sizeof ids[0].b);
		snprintf(path, sizeof path, "/v1/transactions/%s?wait=100", id);
		add_get(path);
		snprintf(path, sizeof path, "/v1/receipts/%s", id);
		add_get(path);
	}
	snprintf(path, sizeof path, "/v1/addresses/%s?limit=10", address_format(&a, address));
	add_get(path);
	hex_encode(id, ids[0].b, sizeof ids[0].b);
	snprintf(path, sizeof path, "/v1/addresses/%s?after=%s:%u", address, id, 0);
	add_get(path);
	snprintf(path, sizeof path, "/v1/addresses/%s?after=%s:%u", address, id, 1);
	add_get(path);
	add("GET /v1/blocks/3/transactions HTTP/1.1\r\nHost: x\r\nAccept: application/octet-stream\r\n\r\n");
	add("POST /v1/transactions?brief=1 HTTP/1.1\r\nHost: x\r\nContent-Length: "
	    "24\r\n\r\n{\"transactions\": [\"00\"]}");
	add("HEAD /v1/genesis HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	add("DELETE /v1/blocks HTTP/1.0\r\n\r\n");
	add("POST /v1/transactions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
	add("POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}");
	add("POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{}");
	add("POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: "
	    "100-continue\r\n\r\n{}");
	add_submission();
}

/* ---- the connection ------------------------------------------------------------------------------ */

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
	struct linger none = {.l_onoff = 1}; /* no thousands of ports that wait */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
	return fd;
}

/* The server may hang up before it has read all. */
static void send_all(int fd, const uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t sent = TEMP_FAILURE_RETRY(send(fd, data + at, len - at, MSG_NOSIGNAL));
		if (sent <= 0)
			return;
		at += (size_t)sent;
	}
}

static size_t exchange(const uint8_t *data, size_t len, unsigned pieces)
{
	int fd = dial();
	size_t got = 0;

	for (unsigned i = 0; i < pieces; i++) {
		size_t from = len / pieces * i, to = i + 1 == pieces ? len : len / pieces * (i + 1);
		send_all(fd, data + from, to - from);
	}
	shutdown(fd, SHUT_WR);
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		/* libFuzzer's alarm comes in between */
		must(TEMP_FAILURE_RETRY(poll(&ready, 1, PATIENCE_MS)) == 1);
		ssize_t n = TEMP_FAILURE_RETRY(recv(fd, answers + got, ANSWER_MAX - got, 0));
		if (n <= 0)
			break;
		got += (size_t)n;
		must(got < ANSWER_MAX);
	}
	close(fd);
	return got;
}

/* ---- the answers ----------------------------------------------------------------------------------- */

static void check_body(int status, bool is_json, const uint8_t *body, size_t len)
{
	struct err err = {0};

	if (!is_json)
		return;
	json_t *json = jread_parse((const char *)body, len, &err);
	must(json != NULL);
	const json_t *error = json_object_get(json, "error");
	must(status < 400 || (json_is_string(json_object_get(error, "code")) &&
	                      json_is_string(json_object_get(error, "message"))));
	json_decref(json);
}

/* One answer; returns its length, 0 if the rest is not a whole one (the connection was reset). HEAD's has no
 * body, which shows in what follows it: nothing, or another answer. */
static size_t check_one(uint8_t *data, size_t len)
{
	uint8_t *end = memmem(data, len, "\r\n\r\n", 4);
	int status = 0;

	if (!end)
		return 0;
	size_t head = (size_t)(end - data) + 4;
	*end = '\0';
	must(sscanf((char *)data, "HTTP/1.%*1[01] %3d ", &status) == 1);
	must(status >= 100 && status <= 599 && status != 500);
	const char *length = strcasestr((char *)data, "\r\nContent-Length:");
	bool is_json = strcasestr((char *)data, "\r\nContent-Type: application/json") != NULL;
	size_t body = length ? strtoul(length + 17, NULL, 10) : 0;
	must(length != NULL || status == 100);
	if (body > 0 && (head == len || (len >= head + 7 && memcmp(data + head, "HTTP/1.", 7) == 0)))
		return head;
	if (body > len - head)
		return 0;
	check_body(status, is_json, data + head, body);
	return head + body;
}

static int first_status(void)
{
	int status = 0;

	must(sscanf((char *)answers, "HTTP/1.%*1[01] %3d ", &status) == 1);
	return status;
}

static unsigned check_answers(uint8_t *data, size_t len)
{
	unsigned cnt = 0;

	for (size_t one; len > 0 && (one = check_one(data, len)) > 0; cnt++) {
		data += one;
		len -= one;
	}
	return cnt;
}

/* Requests whose answers are known: these are what the others are made of. */
static void check_paths(void)
{
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		const struct bytes *b = fuzz_seed_at(2 * i); /* add_get() makes two of each */
		size_t got = exchange(b->data + 1, b->len - 1, 1);
		must(got > 0 && first_status() == paths[i].status);
	}
}

static void setup(void)
{
	void *p;
	struct err err = {0};
	struct http_config config = {.listen = "127.0.0.1:0", .body_max = BODY_MAX, .routes = api_routes};

	must(place_setup(&p) == 0);
	place = p;
	struct ledger *l = open_ledger(place);
	tell_story(&place->rules, l, ids);
	commit(l);
	ledger_close(l);
	reader = reader_open(place->path, NULL, &err); /* keeps what readers share */
	server = http_start(&config, &err);
	must(reader != NULL && server != NULL);
	answers = xcalloc(ANSWER_MAX, 1);
	add_requests();
	check_paths();
}

static void teardown(void)
{
	http_stop(server);
	reader_close(reader);
	free(answers);
	place_teardown((void *[]){place});
}

/* ---- the test -------------------------------------------------------------------------------- */

/* Is the input a GET whose path has a % that begins no escape, or escapes a zero? Judged where the line is
 * plain. */
static bool bad_escape(const uint8_t *data, size_t len)
{
	const uint8_t *end = memchr(data, '\r', len);

	if (!end || len < 8 || memcmp(data, "GET /v1/", 8) != 0)
		return false;
	size_t line = (size_t)(end - data);
	if (line < 20 || memcmp(data + line - 9, " HTTP/1.1", 9) != 0 || memchr(data + 4, ' ', line - 13))
		return false;
	for (size_t i = 4; i < line - 9; i++) {
		if (data[i] < '!' || data[i] > '~' || data[i] == '#')
			return false;
		if (data[i] == '%' && (!isxdigit(data[i + 1]) || !isxdigit(data[i + 2]) ||
		                       (data[i + 1] == '0' && data[i + 2] == '0')))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char honest[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

	if (len == 0)
		return 0;
	size_t got = exchange(data + 1, len - 1, 1 + data[0] % 4);
	if (got > 0 && bad_escape(data + 1, len - 1))
		must(first_status() >= 400 && first_status() != 404); /* there may be more wrong with it */
	check_answers(answers, got);
	if (data[0] & 0x10) {
		got = exchange((const uint8_t *)honest, sizeof honest - 1, 1);
		must(check_answers(answers, got) == 1 && memmem(answers, got, " 200 ", 5) != NULL);
	}
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "http", .runs = 1200, .setup = setup, .teardown = teardown};
