/*
 * http_variant.c: which form of an answer a client gets: compressed or not, or only the word that it has it
 * already.
 *
 * Links: q_http
 */
#include "http.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

enum { LONG = 20000, BUF = 65536 };

static struct http_server *server;
static char long_text[LONG + 1];
static const unsigned char page[] = "<p>page page page page page page page page page page page page";
static const unsigned long page_len = sizeof page - 1;

static void reply_text(struct http_reply *reply, const char *type, const char *text, enum http_cache cache)
{
	reply->status = 200;
	reply->content_type = type;
	reply->body = xstrdup(text);
	reply->body_len = strlen(text);
	reply->cache = cache;
}

static void get_json(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply_text(reply, "application/json", long_text, HTTP_CHECK);
}

static void get_fresh(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply_text(reply, "text/plain; version=0.0.4", long_text, HTTP_FRESH);
}

static void get_short(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply_text(reply, "application/json", "{\"short\":true}", HTTP_FOREVER);
}

static void get_bytes(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply_text(reply, "application/octet-stream", long_text, HTTP_CHECK);
}

static void get_page(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	static struct http_fixed fixed = {.text = page, .len = &page_len};
	(void)ctx, (void)r;
	reply->status = 200;
	reply->content_type = "text/html; charset=utf-8";
	reply->fixed = &fixed;
	reply->cache = HTTP_CHECK;
}

static void get_error(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply->cache = HTTP_CHECK;
	http_error(reply, 404, "not_found", "nothing");
}

static const struct http_route routes[] = {{"GET", "/json", get_json},
                                           {"GET", "/fresh", get_fresh},
                                           {"GET", "/short", get_short},
                                           {"GET", "/bytes", get_bytes},
                                           {"GET", "/page", get_page},
                                           {"GET", "/error", get_error},
                                           {0}};

static int setup(void **state)
{
	struct http_config config = {.listen = "127.0.0.1:0", .body_max = 10, .routes = routes};

	(void)state;
	for (size_t i = 0; i < LONG; i++)
		long_text[i] = (char)('a' + i * i % 17);
	server = http_start(&config, NULL);
	return server == NULL;
}

static int teardown(void **state)
{
	(void)state;
	http_stop(server);
	return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct answer {
	char head[4096];
	char body[BUF];
	size_t len;
};

/* `headers`: each with its end of line. */
static const struct answer *ask(const char *method, const char *path, const char *headers)
{
	static struct answer a;
	static char all[BUF];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
	char request[1024];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t at = 0;
	ssize_t got;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	int len = snprintf(request, sizeof request,
	                   "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, headers);
	assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
	while ((got = recv(fd, all + at, sizeof all - at, 0)) > 0)
		at += (size_t)got;
	close(fd);
	const char *end = memmem(all, at, "\r\n\r\n", 4);
	assert_non_null(end);
	a = (struct answer){.len = at - (size_t)(end + 4 - all)};
	snprintf(a.head, sizeof a.head, "%.*s\r\n", (int)(end - all), all);
	memcpy(a.body, end + 4, a.len);
	return &a;
}

static bool says(const struct answer *a, const char *line)
{
	char text[256];

	snprintf(text, sizeof text, "\r\n%s\r\n", line);
	return strstr(a->head, text) != NULL;
}

static int status(const struct answer *a)
{
	return atoi(a->head + 9);
}

/* "" if there is none. */
static const char *tag_of(const struct answer *a)
{
	static char tag[4][128];
	static unsigned next;
	char *out = tag[next++ % 4];
	const char *found = strstr(a->head, "\r\nETag: ");

	snprintf(out, sizeof tag[0], "%.*s", found != NULL ? (int)strcspn(found + 8, "\r") : 0,
	         found != NULL ? found + 8 : "");
	return out;
}

static bool is_gzip_of(const struct answer *a, const char *text)
{
	static char out[BUF];
	z_stream z = {.next_in = (Bytef *)(uintptr_t)a->body,
	              .avail_in = (uInt)a->len,
	              .next_out = (Bytef *)out,
	              .avail_out = sizeof out};

	if (!says(a, "Content-Encoding: gzip") || inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
		return false;
	int rv = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return rv == Z_STREAM_END && z.avail_in == 0 && z.total_out == strlen(text) &&
	       memcmp(out, text, z.total_out) == 0;
}

static bool is_plain(const struct answer *a, const char *text)
{
	return strstr(a->head, "Content-Encoding") == NULL && a->len == strlen(text) &&
	       memcmp(a->body, text, a->len) == 0;
}

/* ---- compression --------------------------------------------------------------------------------- */

static void accept_encoding_decides(void **state)
{
	static const struct {
		const char *header;
		bool gzip;
	} cases[] = {
	    {"", false},
	    {"Accept-Encoding: gzip\r\n", true},
	    {"Accept-Encoding: GZip\r\n", true},
	    {"Accept-Encoding: x-gzip\r\n", true},
	    {"Accept-Encoding: deflate, gzip;q=1.0, *;q=0.5\r\n", true},
	    {"Accept-Encoding: br;q=1, gzip;q=0.001\r\n", true},
	    {"Accept-Encoding: *\r\n", true},
	    {"Accept-Encoding:  gzip ; q=0.5 , identity;q=0.4\r\n", true},
	    {"Accept-Encoding: gzip;q=0.5, identity;q=0.6\r\n", false},
	    {"Accept-Encoding: gzip;q=0\r\n", false},
	    {"Accept-Encoding: gzip;q=0.000\r\n", false},
	    {"Accept-Encoding: gzip;q=0, *\r\n", false},
	    {"Accept-Encoding: *;q=0\r\n", false},
	    {"Accept-Encoding: *;q=0, gzip\r\n", true},
	    {"Accept-Encoding: identity\r\n", false},
	    {"Accept-Encoding: deflate, br\r\n", false},
	    {"Accept-Encoding: gzipx\r\n", false},
	    {"Accept-Encoding: gzip;q=2\r\n", false},
	    {"Accept-Encoding: gzip;q=1.001\r\n", false},
	    {"Accept-Encoding: gzip;q=0.1234\r\n", false},
	    {"Accept-Encoding: gzip;q=-1\r\n", false},
	    {"Accept-Encoding: gzip;q=\r\n", false},
	    {"Accept-Encoding: gzip;x=1\r\n", false},
	    {"Accept-Encoding: ,,;,gzip;;q=1,\r\n", false},
	    {"Accept-Encoding: ,, ,gzip,\r\n", true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct answer *a = ask("GET", "/json", cases[i].header);
		assert_int_equal(status(a), 200);
		if (!(cases[i].gzip ? is_gzip_of(a, long_text) : is_plain(a, long_text)))
			fail_msg("%s answered with %s", cases[i].header, a->head);
		assert_true(says(a, "Vary: Accept-Encoding"));
	}
}

static void only_what_is_worth_it_is_compressed(void **state)
{
	(void)state;
	assert_true(is_plain(ask("GET", "/short", "Accept-Encoding: gzip\r\n"), "{\"short\":true}"));
	assert_true(
	    is_gzip_of(ask("GET", "/short", "Accept-Encoding: gzip, identity;q=0\r\n"), "{\"short\":true}"));
	assert_true(is_gzip_of(ask("GET", "/short", "Accept-Encoding: gzip, *;q=0\r\n"), "{\"short\":true}"));
	const struct answer *a = ask("GET", "/bytes", "Accept-Encoding: gzip\r\n");
	assert_true(is_plain(a, long_text));
	assert_null(strstr(a->head, "Vary"));
	assert_true(is_gzip_of(ask("GET", "/fresh", "Accept-Encoding: gzip\r\n"), long_text));
}

static void a_page_is_served_in_both_forms(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(is_plain(ask("GET", "/page", ""), (const char *)page));
		assert_true(is_gzip_of(ask("GET", "/page", "Accept-Encoding: gzip\r\n"), (const char *)page));
	}
}

static void head_says_what_get_would(void **state)
{
	static const char *const accept[] = {"", "Accept-Encoding: gzip\r\n"};
	static const char *const path[] = {"/json", "/page", "/short", "/fresh"};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < 4; k++) {
			char get[4096];
			snprintf(get, sizeof get, "%s", ask("GET", path[k], accept[i])->head);
			const struct answer *a = ask("HEAD", path[k], accept[i]);
			assert_int_equal(a->len, 0);
			char *date = strstr(get, "\r\nDate: ");
			assert_non_null(date);
			assert_int_equal(strlen(get), strlen(a->head));
			assert_non_null(strstr(get, "\r\nContent-Length: "));
			const char *len = strstr(get, "\r\nContent-Length: ");
			assert_memory_equal(len, strstr(a->head, "\r\nContent-Length: "),
			                    strcspn(len + 2, "\r"));
			assert_string_equal(tag_of(a), tag_of(ask("GET", path[k], accept[i])));
		}
	}
}

/* ---- entity tags ------------------------------------------------------------------------------------ */

static int with_tag(const char *path, const char *fmt, const char *tag)
{
	char header[512];
	int len = snprintf(header, sizeof header, "If-None-Match: ");

	snprintf(header + len, sizeof header - (size_t)len, fmt, tag);
	strcat(header, "\r\n");
	return status(ask("GET", path, header));
}

static void who_has_it_already_is_told_so(void **state)
{
	char tag[128];
	(void)state;
	const struct answer *a = ask("GET", "/json", "");
	char length[64];
	snprintf(tag, sizeof tag, "%s", tag_of(a));
	snprintf(length, sizeof length, "Content-Length: %zu", a->len);
	assert_int_equal(strlen(tag), 34); /* strong: no W/ */
	assert_int_equal(tag[0], '"');
	assert_true(says(a, "Cache-Control: no-cache"));
	assert_int_equal(with_tag("/json", "%s", tag), 304);
	assert_int_equal(with_tag("/json", "W/%s", tag), 304);
	assert_int_equal(with_tag("/json", "\"other\", \"a,b\",%s", tag), 304);
	assert_int_equal(with_tag("/json", "%s", "*"), 304);
	assert_int_equal(with_tag("/json", "%s", "\"other\""), 200);
	assert_int_equal(with_tag("/json", "%s", "\"\""), 200);
	assert_int_equal(with_tag("/json", "%s", "nonsense"), 200);
	assert_int_equal(with_tag("/json", "\"%s", "unended"), 200);
	assert_int_equal(with_tag("/short", "%s", tag), 200);

	char header[256];
	snprintf(header, sizeof header, "If-None-Match: %s\r\n", tag);
	a = ask("GET", "/json", header);
	assert_int_equal(a->len, 0);
	assert_string_equal(tag_of(a), tag);
	assert_true(says(a, "Cache-Control: no-cache"));
	assert_true(says(a, "Vary: Accept-Encoding"));
	assert_null(strstr(a->head, "\r\nContent-Type"));
	assert_null(strstr(a->head, "Content-Encoding"));
	assert_true(says(a, length)); /* of what he has: a cache may take it over (RFC 9110, 8.6) */
	a = ask("HEAD", "/json", header);
	assert_int_equal(status(a), 304);
	assert_true(says(a, length));
}

static void what_is_compressed_has_a_tag_of_its_own(void **state)
{
	static const char *const path[] = {"/json", "/page"};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *plain = tag_of(ask("GET", path[i], ""));
		const char *gzip = tag_of(ask("GET", path[i], "Accept-Encoding: gzip\r\n"));
		char header[256];
		assert_string_not_equal(plain, gzip);
		snprintf(header, sizeof header, "If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", gzip);
		assert_int_equal(status(ask("GET", path[i], header)), 304);
		snprintf(header, sizeof header, "If-None-Match: %s\r\n", gzip);
		assert_int_equal(status(ask("GET", path[i], header)), 200);
		snprintf(header, sizeof header, "If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", plain);
		assert_int_equal(status(ask("GET", path[i], header)), 200);
	}
}

static void what_changes_has_no_tag(void **state)
{
	(void)state;
	const struct answer *a = ask("GET", "/fresh", "If-None-Match: *\r\n");
	assert_int_equal(status(a), 200);
	assert_string_equal(tag_of(a), "");
	assert_true(says(a, "Cache-Control: no-store"));
	a = ask("GET", "/error", "If-None-Match: *\r\n");
	assert_int_equal(status(a), 404);
	assert_string_equal(tag_of(a), "");
	assert_true(says(a, "Cache-Control: no-store"));
}

static void what_a_path_says_for_good_is_kept_for_good(void **state)
{
	(void)state;
	const struct answer *a = ask("GET", "/short", "");
	assert_true(says(a, "Cache-Control: public, max-age=31536000, immutable"));
	assert_string_not_equal(tag_of(a), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accept_encoding_decides),
	    cmocka_unit_test(only_what_is_worth_it_is_compressed),
	    cmocka_unit_test(a_page_is_served_in_both_forms),
	    cmocka_unit_test(head_says_what_get_would),
	    cmocka_unit_test(who_has_it_already_is_told_so),
	    cmocka_unit_test(what_is_compressed_has_a_tag_of_its_own),
	    cmocka_unit_test(what_changes_has_no_tag),
	    cmocka_unit_test(what_a_path_says_for_good_is_kept_for_good),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
