/*
 * encode.c: gzip, where the client takes it and it is worth it (RFC 9110, 12.5.3).
 *
 * What is compressed is public and the same for everybody, so its length tells nothing to whoever listens.
 */
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "server_impl.h"

enum {
	WORTH_BYTES = 1024, /* below, it does not save a packet */
	LEVEL = 1,          /* some 100 MB/s; the higher ones save little of what hashes there are */
	LEVEL_ONCE = 9,
};

/* ---- Accept-Encoding ---------------------------------------------------------------------- */

/* "0", "0.5", "1.000": in thousandths; -1 for anything else. */
static int quality(const char *text, size_t len)
{
	int q = 0, unit = 100;

	if (len == 0 || len > 5 || (text[0] != '0' && text[0] != '1') || (len > 1 && text[1] != '.'))
		return -1;
	q = text[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < len; i++, unit /= 10) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		q += (text[i] - '0') * unit;
	}
	return q <= 1000 ? q : -1;
}

static void trim(const char **text, size_t *len)
{
	for (; *len > 0 && (**text == ' ' || **text == '\t'); ++*text, --*len)
		;
	while (*len > 0 && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
		--*len;
}

/* What stands behind the name of one element, e.g. ";q=0.5"; -1: nonsense. */
static int weight(const char *text, size_t len)
{
	trim(&text, &len);
	if (len == 0)
		return 1000;
	if (*text != ';')
		return -1;
	text++, len--;
	trim(&text, &len);
	if (len < 2 || strncasecmp(text, "q=", 2) != 0)
		return -1;
	return quality(text + 2, len - 2);
}

static bool is(const char *text, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(text, name, len) == 0;
}

enum encoding encode_wanted(const char *accept)
{
	int gzip = -1, identity = -1, any = -1; /* not named */

	for (const char *at = accept; at != NULL && *at != '\0'; at += *at == ',') {
		size_t len = strcspn(at, ",");
		const char *text = at;
		at += len;
		trim(&text, &len);
		size_t name_len = strcspn(text, ",; \t");
		int q = weight(text + name_len, len - name_len);
		if (len == 0 || q < 0)
			continue;
		if (is(text, name_len, "gzip") || is(text, name_len, "x-gzip"))
			gzip = q;
		else if (is(text, name_len, "identity"))
			identity = q;
		else if (is(text, name_len, "*"))
			any = q;
	}
	if (gzip < 0)
		gzip = any;
	if (gzip <= 0 || identity > gzip)
		return ENCODE_NOT;
	return identity == 0 || (identity < 0 && any == 0) ? ENCODE_ALWAYS : ENCODE_IF_WORTH;
}

/* ---- gzip ------------------------------------------------------------------------------------ */

/* malloc'd; NULL: it would not be shorter. */
static char *deflated(const void *data, size_t len, int level, bool always, size_t *out_len)
{
	z_stream z = {0};

	must(deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + 16 /* gzip */, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	size_t cap = always ? deflateBound(&z, len) : len;
	char *out = xcalloc(cap, 1);
	z.next_in = (z_const Bytef *)data;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)cap;
	bool fits = deflate(&z, Z_FINISH) == Z_STREAM_END;
	*out_len = cap - z.avail_out;
	deflateEnd(&z);
	if (fits)
		return out;
	free(out);
	return NULL;
}

bool encode_is_text(const char *type)
{
	return type != NULL && !http_type_is(type, "text/event-stream") &&
	       (strncasecmp(type, "text/", 5) == 0 || http_type_is(type, "application/json"));
}

bool encode_gzip(struct http_reply *reply, enum encoding wanted)
{
	size_t len;

	if (wanted == ENCODE_NOT || reply->body_len > UINT32_MAX / 2 ||
	    (wanted == ENCODE_IF_WORTH && reply->body_len < WORTH_BYTES))
		return false;
	char *body = deflated(reply->body, reply->body_len, LEVEL, wanted == ENCODE_ALWAYS, &len);
	if (body == NULL)
		return false;
	free(reply->body);
	reply->body = body;
	reply->body_len = len;
	return true;
}

/* Once for each, whoever comes first; for as long as the process lives. */
bool encode_gzip_fixed(struct http_fixed *f)
{
	if (f->made.gzip == NULL)
		f->made.gzip = deflated(f->text, *f->len, LEVEL_ONCE, true, &f->made.gzip_len);
	return f->made.gzip != NULL;
}
