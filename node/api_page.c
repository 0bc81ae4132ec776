/*
 * api_page.c: GET /, the explorer, GET /verify, the page that verifies receipts in a browser, and GET
 * /v1/openapi.json, which describes all others.
 *
 * Both are the same for every chain.  The explorer shows what this node says.  The other asks nothing of this
 * node: who does not trust the node takes the page, and the genesis, from elsewhere.
 */
#include <stdio.h>

#include "api_impl.h"
#include "page.h"

static void header(struct http_reply *reply, unsigned i, const char *name, const char *value,
                   const char *also)
{
	reply->header[i].name = name;
	int len = snprintf(reply->header[i].value, sizeof reply->header[i].value, "%s%s", value, also);
	must(len >= 0 && (size_t)len < sizeof reply->header[i].value);
}

static void page(struct http_reply *reply, struct http_fixed *text, const char *policy)
{
	reply->status = 200;
	reply->content_type = "text/html; charset=utf-8";
	reply->fixed = text;
	reply->cache = HTTP_CHECK;
	/* The page has its policy in itself; only here can it say that no other page may frame it. */
	header(reply, 0, "Content-Security-Policy", policy, "; frame-ancestors 'none'");
	header(reply, 1, "Referrer-Policy", "no-referrer", "");
}

void api_openapi(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	static struct http_fixed text = {.text = page_openapi, .len = &page_openapi_len};
	(void)ctx;
	(void)r;
	reply->status = 200;
	reply->content_type = "application/json";
	reply->fixed = &text;
	reply->cache = HTTP_CHECK;
}

void api_page(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	static struct http_fixed text = {.text = page_verify, .len = &page_verify_len};
	(void)ctx;
	(void)r;
	page(reply, &text, page_verify_policy);
}

void api_explorer(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	static struct http_fixed text = {.text = page_explorer, .len = &page_explorer_len};
	(void)ctx;
	(void)r;
	page(reply, &text, page_explorer_policy);
}
