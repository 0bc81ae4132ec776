/*
 * api_events.c: GET /v1/events: this node's status as it changes, pushed as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * An event is what GET /v1/status answers, but for the state's digest: one at once, one with each block, or
 * with the newest of several where they come faster than that, and one every few seconds where none
 * comes, for peers and the queue change, too.  It is made once for all who follow (net/http/feed.c).
 */
#include <stdlib.h>

#include "api_impl.h"
#include "clock.h"
#include "text.h"

enum {
	QUIET_MS = 5000, /* without a block */
	PAUSE_MS = 500,  /* between two events at least: a status costs the replica's thread a moment */
};

struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	bool has_rung;
};

static void ring(void *ctx)
{
	struct bell *b = ctx;
	pthread_mutex_lock(&b->lock);
	b->has_rung = true;
	pthread_cond_signal(&b->rung);
	pthread_mutex_unlock(&b->lock);
}

static void pause_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

/* Until there is a block above this one, or for QUIET_MS. */
static void await_block(struct node *n, struct qheight seen)
{
	struct timespec until = clock_timespec(clock_ms(CLOCK_MONOTONIC) + QUIET_MS);
	struct bell b = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
	struct block_waiter w = {.height = {seen.n + 1}, .wake = ring, .ctx = &b};
	if (!node_block_wait_begin(n, &w))
		return;
	pthread_mutex_lock(&b.lock);
	while (!b.has_rung && pthread_cond_clockwait(&b.rung, &b.lock, CLOCK_MONOTONIC, &until) == 0)
		;
	pthread_mutex_unlock(&b.lock);
	node_block_wait_end(n, &w);
}

/* *place: 1 and the height that was told of last. */
char *api_news(void *ctx, uint64_t *place, size_t *len)
{
	struct node *n = ctx;
	if (*place > 0) {
		pause_ms(PAUSE_MS);
		await_block(n, qheight_of(*place - 1));
	}
	json_t *status = api_status_json(n, false);
	char *json = status != NULL ? json_dumps(status, JSON_COMPACT) : NULL, *text = NULL;
	if (json != NULL) {
		*place = 1 + (uint64_t)json_integer_value(json_object_get(status, "height"));
		text = text_format("retry: 2000\nevent: status\ndata: %s\n\n", json);
		*len = strlen(text);
	}
	free(json);
	json_decref(status);
	return text;
}

void api_events(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	(void)r;
	reply->status = 200;
	reply->content_type = "text/event-stream";
	reply->follow = true;
}
