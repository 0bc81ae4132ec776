/*
 * route.c: which route a request is for.
 */
#include <stdio.h>
#include <strings.h>

#include "server_impl.h"

/* Does the path fit the route? What its '*' stands for are the first *len bytes of *arg. */
static bool route_fits(const char *route, const char *path, const char **arg, size_t *len)
{
	const char *star = strchr(route, '*');

	*arg = "";
	*len = 0;
	if (star == NULL)
		return strcmp(route, path) == 0;
	if (strncmp(route, path, (size_t)(star - route)) != 0)
		return false;
	*arg = path + (star - route);
	*len = strcspn(*arg, "/");
	return *len > 0 && strcmp(*arg + *len, star + 1) == 0;
}

/* An exact route wins over one with '*', whose text goes to `segment`. */
static const struct http_route *by_path(const struct http_server *s, struct http_request *r,
                                        char segment[PATH_MAX_LEN + 1], struct http_reply *reply)
{
	const char *wanted = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;
	const struct http_route *found = NULL;
	char allow[sizeof(reply->header[0].value)] = "";

	segment[0] = '\0';
	for (const struct http_route *route = s->config.routes; route->method != NULL; route++) {
		const char *arg;
		size_t len;
		if (!route_fits(route->path, r->path, &arg, &len))
			continue;
		if (strcmp(route->method, wanted) != 0) {
			size_t used = strlen(allow);
			snprintf(allow + used, sizeof(allow) - used, "%s%s", used > 0 ? ", " : "",
			         route->method);
		} else if (found == NULL || len == 0) {
			found = route;
			memcpy(segment, arg, len);
			segment[len] = '\0';
		}
	}
	if (found == NULL && *allow != '\0') {
		http_error(reply, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "%.100s allows %s",
		           r->path, allow);
		reply->header[0].name = MHD_HTTP_HEADER_ALLOW;
		memcpy(reply->header[0].value, allow, sizeof(allow));
	} else if (found == NULL) {
		http_error(reply, MHD_HTTP_NOT_FOUND, "not_found", "there is nothing at %.200s", r->path);
	}
	r->arg = segment;
	return found;
}

#define QUERY_KEYS_MAX 16 /* far more than any route knows */

struct query_keys {
	const char *key[QUERY_KEYS_MAX];
	unsigned cnt;
	const char *repeated;
};

static enum MHD_Result note_key(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct query_keys *q = ctx;

	(void)kind;
	(void)value;
	for (unsigned i = 0; i < q->cnt && q->repeated == NULL; i++)
		if (strcasecmp(q->key[i], key) == 0) /* so does http_query() */
			q->repeated = key;
	if (q->cnt < QUERY_KEYS_MAX)
		q->key[q->cnt] = key;
	q->cnt++;
	return q->cnt <= QUERY_KEYS_MAX && q->repeated == NULL ? MHD_YES : MHD_NO;
}

/* A key that is given twice would mean one thing here and another to whoever stands in between. */
static bool query_sound(struct MHD_Connection *connection, struct http_reply *reply)
{
	struct query_keys q = {0};

	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, note_key, &q);
	if (q.repeated != NULL)
		http_error(reply, MHD_HTTP_BAD_REQUEST, "bad_query", "\"%.100s\" is given twice", q.repeated);
	else if (q.cnt > QUERY_KEYS_MAX)
		http_error(reply, MHD_HTTP_BAD_REQUEST, "bad_query", "more than %d values in the query",
		           QUERY_KEYS_MAX);
	return reply->status == 0;
}

struct unknown_key {
	const char *keys, *found;
};

static bool is_listed(const char *keys, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = keys; len > 0 && strchr(key, ' ') == NULL && (at = strstr(at, key)) != NULL;
	     at += len)
		if ((at == keys || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

static enum MHD_Result look_key_up(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct unknown_key *u = ctx;

	(void)kind;
	(void)value;
	if (!is_listed(u->keys, key))
		u->found = key;
	return u->found == NULL ? MHD_YES : MHD_NO;
}

/* Who mistypes a key would be answered something else than he asked for. */
static bool query_known(struct MHD_Connection *connection, const struct http_route *route,
                        struct http_reply *reply)
{
	struct unknown_key u = {.keys = route->keys};

	if (route->keys != NULL)
		MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, look_key_up, &u);
	if (u.found != NULL)
		http_error(reply, MHD_HTTP_BAD_REQUEST, "bad_query",
		           "there is no \"%.100s\" in a query here: %s", u.found,
		           *route->keys != '\0' ? route->keys : "there is nothing to choose");
	return u.found == NULL;
}

const struct http_route *route_find(const struct http_server *s, struct asked *a, struct http_reply *reply)
{
	const struct http_route *route = by_path(s, &a->r, a->segment, reply);

	if (route == NULL || !query_sound(a->r.internal, reply) || !query_known(a->r.internal, route, reply))
		return NULL;
	return route;
}
