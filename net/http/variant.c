/*
 * variant.c: which form of an answer a client gets: all of it, compressed, or the word that it has it already
 * (RFC 9110, 13.1.2, 15.4.5).
 *
 * An entity tag is a hash of the body, so it is as strong as it says, whatever the answer is about; what is
 * compressed has another, for it is other bytes.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "server_impl.h"

#define FOREVER "public, max-age=31536000, immutable"

static void make_tag(char tag[TAG_TEXT], const void *body, size_t len)
{
	unsigned char hash[16];

	must(crypto_generichash(hash, sizeof(hash), body, len, NULL, 0) == 0);
	must(sodium_bin2hex(tag, TAG_TEXT, hash, sizeof(hash)) == tag);
}

/* Is this tag, or any, in the list? Its elements are tags in quotes, weak ones with W/ before. */
static bool matches(const char *list, const char *tag)
{
	size_t tag_len = strlen(tag);

	for (const char *at = list; at != NULL && *at != '\0';) {
		at += strspn(at, " \t,");
		if (strncmp(at, "W/", 2) == 0)
			at += 2;
		if (*at == '*')
			return true;
		if (*at != '"')
			return false;
		const char *end = strchr(++at, '"');
		if (end == NULL)
			return false;
		if ((size_t)(end - at) == tag_len && memcmp(at, tag, tag_len) == 0)
			return true;
		at = end + 1;
	}
	return false;
}

/* ---- what never changes while the process lives ------------------------------------------- */

static bool take_fixed(struct http_reply *reply, enum encoding wanted, char tag[TAG_TEXT], struct variant *v)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct http_fixed *fixed = reply->fixed;

	pthread_mutex_lock(&lock);
	if (fixed->made.tag[0] == '\0')
		make_tag(fixed->made.tag, fixed->text, *fixed->len);
	bool gzip = wanted != ENCODE_NOT && encode_gzip_fixed(fixed);
	pthread_mutex_unlock(&lock);
	memcpy(tag, fixed->made.tag, TAG_TEXT);
	v->fixed = gzip ? fixed->made.gzip : (const char *)fixed->text;
	reply->body_len = gzip ? fixed->made.gzip_len : *fixed->len;
	return gzip;
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* Its length is still that of the body: a cache may take it over (RFC 9110, 8.6). */
static void not_modified(struct http_reply *reply, struct variant *v)
{
	free(reply->body);
	reply->body = NULL;
	reply->status = MHD_HTTP_NOT_MODIFIED;
	reply->content_type = NULL;
	v->fixed = NULL;
	v->encoding = NULL;
}

void variant_choose(const struct http_request *r, struct http_reply *reply, struct variant *v)
{
	enum encoding wanted = ENCODE_NOT;
	char tag[TAG_TEXT] = "";
	bool gzip = false;

	if (reply->follow)
		return;
	if (encode_is_text(reply->content_type)) {
		wanted = encode_wanted(http_header(r, MHD_HTTP_HEADER_ACCEPT_ENCODING));
		v->encodable = true;
	}
	bool tagged = reply->status == MHD_HTTP_OK && reply->cache != HTTP_FRESH;
	if (reply->fixed != NULL) {
		gzip = take_fixed(reply, wanted, tag, v);
	} else {
		if (tagged)
			make_tag(tag, reply->body, reply->body_len);
		gzip = encode_gzip(reply, wanted);
	}
	v->encoding = gzip ? "gzip" : NULL;
	if (!tagged)
		return;
	snprintf(v->tag, sizeof(v->tag), "%s%s", tag, gzip ? "-gzip" : "");
	if (matches(http_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH), v->tag))
		not_modified(reply, v);
}

void variant_headers(const struct http_reply *reply, const struct variant *v, struct MHD_Response *response)
{
	static const char *const cache[] = {
	    [HTTP_FRESH] = "no-store", [HTTP_CHECK] = "no-cache", [HTTP_FOREVER] = FOREVER};
	char quoted[sizeof(v->tag) + 2];

	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
	                              cache[v->tag[0] != '\0' ? reply->cache : HTTP_FRESH]);
	if (v->encodable)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_VARY,
		                              MHD_HTTP_HEADER_ACCEPT_ENCODING);
	if (v->encoding != NULL)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, v->encoding);
	if (v->tag[0] == '\0')
		return;
	snprintf(quoted, sizeof(quoted), "\"%s\"", v->tag);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, quoted);
}
