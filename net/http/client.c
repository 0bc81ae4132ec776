/*
 * client.c: the HTTP client of the commands (libcurl).
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "http.h"
#include "wholefile.h"

#define CACERT "QUORATE_CACERT"
#define CACERT_MAX ((size_t)16 << 20)
#define ANSWER_MAX ((size_t)64 << 20)

struct http_client {
	CURL *curl;
	char *base;
	const char *accept; /* NULL: any */
	size_t answer_max;
	char why[CURL_ERROR_SIZE];
};

struct incoming {
	struct bytes body;
	size_t cap;
	size_t max;
	bool too_large;
};

static size_t on_data(char *data, size_t size, size_t cnt, void *ctx)
{
	struct incoming *in = ctx;
	size_t len = size * cnt;

	if (len > in->max - in->body.len) {
		in->too_large = true;
		return 0; /* ends the transfer */
	}
	if (in->body.len + len + 1 > in->cap) {
		in->cap = 2 * (in->body.len + len + 1);
		in->body.data = xrealloc(in->body.data, in->cap);
	}
	memcpy(in->body.data + in->body.len, data, len);
	in->body.len += len;
	return len;
}

static void init_curl(void)
{
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* http://HOST[:PORT] or https://..., nothing behind it but a path without query. */
static bool base_check(const char *base, struct err *err)
{
	CURLU *url = curl_url();
	char *scheme = NULL, *query = NULL;

	must(url != NULL);
	bool good = curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
	            curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	            (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
	            curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_NO_QUERY &&
	            curl_url_get(url, CURLUPART_FRAGMENT, &query, 0) == CURLUE_NO_FRAGMENT;
	curl_free(scheme);
	curl_free(query);
	curl_url_cleanup(url);
	return good ||
	       err_set(err, ERR_INPUT,
	               "\"%.200s\" is no URL of a node: write http://HOST:PORT or https://HOST:PORT", base);
}

/* libcurl tells only when it connects, and then not what is wrong with the file. */
static bool cacert_check(const char *path, struct err *err)
{
	if (path == NULL)
		return true;
	char *text = wholefile_read(path, CACERT_MAX, NULL, err);
	if (text == NULL)
		return err_prefix(err, CACERT " (--cacert)");
	bool good = strstr(text, "-----BEGIN CERTIFICATE-----") != NULL;
	free(text);
	return good || err_set(err, ERR_INPUT, CACERT " (--cacert): %s holds no certificate in PEM", path);
}

struct http_client *http_client_new(const char *base_url, unsigned timeout_ms, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	const char *cacert = getenv(CACERT);

	pthread_once(&once, init_curl);
	if (!base_check(base_url, err) || !cacert_check(cacert, err))
		return NULL;

	struct http_client *c = xcalloc(1, sizeof(*c));
	c->answer_max = ANSWER_MAX;
	c->base = xstrdup(base_url);
	for (size_t len = strlen(c->base); len > 0 && c->base[len - 1] == '/'; len--)
		c->base[len - 1] = '\0';
	c->curl = curl_easy_init();
	must(c->curl != NULL);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "quorate");
	curl_easy_setopt(c->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (cacert != NULL)
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, cacert);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_data);
	return c;
}

void http_client_accept(struct http_client *c, const char *type)
{
	c->accept = type;
}

void http_client_limit(struct http_client *c, size_t max)
{
	c->answer_max = max;
}

void http_client_free(struct http_client *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	free(c->base);
	free(c);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
	char line[160];

	snprintf(line, sizeof(line), "%s: %s", name, value);
	list = curl_slist_append(list, line);
	must(list != NULL);
	return list;
}

/* The method, the body and its headers; what to free after the call. */
static struct curl_slist *set_request(struct http_client *c, const char *content_type, const void *body,
                                      size_t body_len)
{
	struct curl_slist *headers = NULL;

	if (body == NULL) {
		curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
	} else {
		headers = add_header(NULL, "Content-Type", content_type);
		curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body); /* borrowed */
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_len);
	}
	if (c->accept != NULL)
		headers = add_header(headers, "Accept", c->accept);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	return headers;
}

/* What a TLS server says to plain text: an alert, which is no HTTP, or nothing. */
static bool may_be_tls(const struct http_client *c, CURLcode rv)
{
	return strncmp(c->base, "http:", 5) == 0 &&
	       (rv == CURLE_UNSUPPORTED_PROTOCOL || rv == CURLE_WEIRD_SERVER_REPLY ||
	        rv == CURLE_GOT_NOTHING);
}

static bool explain(const struct http_client *c, CURLcode rv, const struct incoming *in, struct err *err)
{
	if (in->too_large)
		return err_set(err, ERR_WORLD, "the answer from %s is longer than %zu MiB", c->base,
		               c->answer_max >> 20);
	if (rv == CURLE_COULDNT_CONNECT) {
		long number = 0;
		curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &number);
		return err_set(err, ERR_WORLD, "no answer from %s: %s; is the node running?", c->base,
		               number != 0 ? strerror((int)number) : "cannot connect");
	}
	if (rv == CURLE_PEER_FAILED_VERIFICATION)
		return err_set(
		    err, ERR_WORLD,
		    "%s is not who its certificate should say that it is: %s; if it was signed by an "
		    "authority of your own, give that one's certificate (--cacert FILE, or " CACERT ")",
		    c->base, c->why);
	if (rv == CURLE_SSL_CONNECT_ERROR)
		return err_set(err, ERR_WORLD, "%s: no TLS there: %s; does this node serve http:// only?",
		               c->base, c->why);
	if (may_be_tls(c, rv))
		return err_set(err, ERR_WORLD,
		               "%s takes connections, but gives no answer in plain HTTP; if it serves TLS, "
		               "write https://",
		               c->base);
	return err_set(err, ERR_WORLD, "no answer from %s: %s", c->base,
	               *c->why != '\0' ? c->why : curl_easy_strerror(rv));
}

bool http_call(struct http_client *c, const char *path, const char *content_type, const void *body,
               size_t body_len, int *status, char **out, size_t *out_len, struct err *err)
{
	size_t url_len = strlen(c->base) + strlen(path) + 1;
	char *url = xcalloc(1, url_len);
	struct incoming in = {.max = c->answer_max};
	long code = 0;

	snprintf(url, url_len, "%s%s", c->base, path);
	struct curl_slist *headers = set_request(c, content_type, body, body_len);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &in);
	c->why[0] = '\0';
	CURLcode rv = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	free(url);

	if (rv != CURLE_OK) {
		bytes_free(&in.body);
		return explain(c, rv, &in, err);
	}
	if (in.body.data == NULL)
		in.body.data = xcalloc(1, 1);
	in.body.data[in.body.len] = '\0';
	*status = (int)code;
	*out = (char *)in.body.data;
	*out_len = in.body.len;
	return true;
}
