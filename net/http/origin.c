/*
 * origin.c: what pages from elsewhere may do with this server, by way of their visitors' browsers.
 *
 * A page may ask from everywhere, but read an answer only where CORS lets it (https://fetch.spec.whatwg.org):
 * off unless origins are configured.  Two things a browser does not hold back by itself: a page may send a
 * POST that it cannot read the answer of, so that is refused by its Origin; and a page whose name is pointed
 * at 127.0.0.1 once it is loaded (DNS rebinding) has the same origin as the server there, so a server that
 * listens on loopback answers to no names but its own.  What is no browser sends no Origin, and the Host that
 * it was told.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server_impl.h"

static bool listed(const struct http_server *s, const char *origin)
{
	for (const char *const *o = s->config.origins; o != NULL && *o != NULL; o++)
		if (strcmp(*o, "*") == 0 || strcasecmp(*o, origin) == 0)
			return true;
	return false;
}

static bool any_listed(const struct http_server *s)
{
	return listed(s, "");
}

/* What stands behind the :// of an origin. */
static const char *host_of(const char *origin)
{
	const char *host = strstr(origin, "://");

	return host != NULL ? host + 3 : "";
}

/* ---- Host ------------------------------------------------------------------------------------ */

/* 127.0.0.1, [::1], localhost, NAME.localhost: with or without a port. */
static bool is_own_name(const char *host)
{
	char name[256];
	struct in6_addr address;
	size_t len = *host == '[' ? strcspn(host, "]") : strcspn(host, ":");

	if (len >= sizeof(name))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)len, host);
	if (*host == '[')
		return inet_pton(AF_INET6, name + 1, &address) == 1;
	size_t own = strlen("localhost");
	return inet_pton(AF_INET, name, &address) == 1 || strcasecmp(name, "localhost") == 0 ||
	       (len > own && name[len - own - 1] == '.' && strcasecmp(name + len - own, "localhost") == 0);
}

static bool host_is_configured(const struct http_server *s, const char *host)
{
	for (const char *const *o = s->config.origins; o != NULL && *o != NULL; o++)
		if (strcasecmp(host_of(*o), host) == 0)
			return true;
	return any_listed(s);
}

/* ---- what to do -------------------------------------------------------------------------------- */

bool origin_refuses(const struct http_server *s, const struct http_request *r, struct http_reply *reply)
{
	const char *origin = http_header(r, MHD_HTTP_HEADER_ORIGIN),
	           *host = http_header(r, MHD_HTTP_HEADER_HOST);
	bool asks = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;

	if (s->guards_host && host != NULL && !is_own_name(host) && !host_is_configured(s, host))
		http_error(
		    reply, MHD_HTTP_MISDIRECTED_REQUEST, "foreign_host",
		    "this node listens on loopback, so it answers to addresses and to localhost, not to "
		    "\"%.100s\": let a proxy send another Host, or name its origin in node.conf (cors)",
		    host);
	else if (!asks && origin != NULL && !listed(s, origin) &&
	         (host == NULL || strcasecmp(host_of(origin), host) != 0))
		http_error(
		    reply, MHD_HTTP_FORBIDDEN, "foreign_origin",
		    "pages of \"%.100s\" may not hand anything in here; node.conf (cors) says whose may",
		    origin);
	return reply->status != 0;
}

bool origin_preflight(const struct http_server *s, const struct http_request *r, struct http_reply *reply)
{
	if (s->config.origins == NULL || strcmp(r->method, "OPTIONS") != 0 ||
	    http_header(r, "Access-Control-Request-Method") == NULL)
		return false;
	reply->status = MHD_HTTP_NO_CONTENT;
	reply->header[0].name = "Access-Control-Allow-Methods";
	snprintf(reply->header[0].value, sizeof(reply->header[0].value), "GET, HEAD, POST");
	reply->header[1].name = "Access-Control-Allow-Headers";
	snprintf(reply->header[1].value, sizeof(reply->header[1].value), "Content-Type, If-None-Match");
	reply->header[2].name = "Access-Control-Max-Age";
	snprintf(reply->header[2].value, sizeof(reply->header[2].value), "86400");
	return true;
}

void origin_headers(const struct http_server *s, struct MHD_Connection *connection,
                    struct MHD_Response *response)
{
	const char *origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);

	if (s->config.origins == NULL)
		return;
	if (any_listed(s))
		origin = "*";
	else
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Origin");
	if (origin == NULL || (*origin != '*' && !listed(s, origin)))
		return;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, origin);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS,
	                              "ETag, Retry-After");
}

/* http://HOST[:PORT] or https://HOST[:PORT], as browsers write them: no path, no slash at the end. */
bool http_origin_check(const char *origin, struct err *err)
{
	const char *host = host_of(origin);

	if (strcmp(origin, "*") == 0 ||
	    ((strncmp(origin, "http://", 7) == 0 || strncmp(origin, "https://", 8) == 0) && *host != '\0' &&
	     strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") == strlen(host)))
		return true;
	return err_set(
	    err, ERR_INPUT,
	    "\"%.100s\" is no origin: write https://HOST or https://HOST:PORT, in small letters and "
	    "without a slash at the end, or * for all",
	    origin);
}
