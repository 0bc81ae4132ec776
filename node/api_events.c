/*
 * api_events.c: GET /v1/events: this node's status as it changes, pushed as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * An event is what GET /v1/status answers, but for the state's digest: one at once, one with each block, or
 * with the newest of several where they come faster than anybody reads, and one every few seconds where none
 * comes, for peers and the queue change, too.
 */
#include <stdlib.h>
#include <time.h>

#include "api_impl.h"
#include "text.h"

enum {
	STREAMS_MAX = 64, /* each holds one of http's threads and connections */
	QUIET_MS = 5000,  /* without a block */
	PAUSE_MS = 500,   /* between two events at least: a status costs the replica's thread a moment */
};

struct events {
	struct node *node;
	struct qheight seen;
	bool begun;
	char *text; /* of this event, and what of it was sent: */
	size_t len, at;
};

static atomic_uint streams;

static void pause_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

/* Until there is a block above the one that was told of, or for QUIET_MS. */
static void await_news(const struct events *e)
{
	struct block_ids *ids;
	pause_ms(PAUSE_MS);
	if (node_block_ids(e->node, qheight_of(e->seen.n + 1), node_now_ms() + QUIET_MS, &ids) == IDS_HERE)
		block_ids_unref(ids);
}

/* False: the node answers no more. */
static bool compose(struct events *e)
{
	json_t *status = api_status_json(e->node, false);
	char *json = status != NULL ? json_dumps(status, JSON_COMPACT) : NULL;
	free(e->text);
	e->text = NULL;
	e->len = e->at = 0;
	if (json != NULL) {
		e->seen.n = (uint64_t)json_integer_value(json_object_get(status, "height"));
		e->text = text_format("%sevent: status\ndata: %s\n\n", e->begun ? "" : "retry: 2000\n", json);
		e->len = strlen(e->text);
	}
	free(json);
	json_decref(status);
	e->begun = true;
	return e->text != NULL;
}

static size_t next_event(void *ctx, char *buf, size_t max)
{
	struct events *e = ctx;
	if (e->at == e->len) {
		if (e->begun)
			await_news(e);
		if (!compose(e))
			return 0;
	}
	size_t len = e->len - e->at < max ? e->len - e->at : max;
	memcpy(buf, e->text + e->at, len);
	e->at += len;
	return len;
}

static void end_events(void *ctx)
{
	struct events *e = ctx;
	free(e->text);
	free(e);
	atomic_fetch_sub(&streams, 1);
}

void api_events(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)r;
	if (atomic_fetch_add(&streams, 1) >= STREAMS_MAX) {
		atomic_fetch_sub(&streams, 1);
		http_error(reply, 503, "busy", "%d already follow this node; ask GET /v1/status now and then",
		           STREAMS_MAX);
		return;
	}
	struct events *e = xcalloc(1, sizeof *e);
	e->node = ctx;
	reply->status = 200;
	reply->content_type = "text/event-stream";
	reply->stream = (struct http_stream){next_event, end_events, e};
}
