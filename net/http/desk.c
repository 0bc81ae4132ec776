/*
 * desk.c: the threads that run handlers.
 *
 *            take                 a thread is free           the handler has answered
 *   WHOLE ---------> QUEUED -------------------> RUNNING ----------------------------> ANSWERED
 *                      ^                            |
 *                      |  woken, due, or stopping   |  it waits for something
 *                      +--------- PARKED <----------+
 *
 * From QUEUED to ANSWERED the connection is suspended: libmicrohttpd does not touch it, nor notices that its
 * client has gone, which is why a request is parked for some seconds only.  A handler's second call has to
 * answer.
 */
#include <utlist.h>

#include "server_impl.h"

enum { QUEUE_MS = 5000, EMPTY_MS = 1000, CLOCK_MS = 5 /* the clock does not look more often */ };
#define STACK_BYTES ((size_t)1 << 20) /* handlers use SQLite and jansson */

static const unsigned lane_threads[HTTP_LANES] = {
    [HTTP_ASK] = 16, /* all wait for one turn of the replica's */
    [HTTP_READ] = 8,
    [HTTP_TAKE] = 32, /* so many batches are verified together */
};

/* ---- with the lock held ---------------------------------------------------------------- */

static struct lane *lane_of(struct incoming *in)
{
	return &in->server->desk.lane[in->route->lane];
}

static void enqueue(struct incoming *in)
{
	struct lane *lane = lane_of(in);

	in->state = QUEUED;
	in->since_ms = clock_ms(CLOCK_MONOTONIC);
	DL_APPEND(lane->queue, in);
	pthread_cond_signal(&lane->ready);
}

static void park(struct desk *d, struct incoming *in)
{
	in->asked.r.parked = in->reply.parked;
	in->due_ms = clock_ms(CLOCK_MONOTONIC) + in->reply.park_ms;
	in->reply = (struct http_reply){0};
	if (in->woken || d->stopping) {
		enqueue(in);
		return;
	}
	in->state = PARKED;
	DL_APPEND(d->parked, in);
	if (in->due_ms < d->next_ms) {
		d->next_ms = in->due_ms;
		pthread_cond_signal(&d->clock);
	}
}

static void unpark(struct desk *d, struct incoming *in)
{
	DL_DELETE(d->parked, in);
	enqueue(in);
}

void http_wake(void *wake)
{
	struct incoming *in = wake;
	struct desk *d = &in->server->desk;

	pthread_mutex_lock(&d->lock);
	in->woken = true;
	if (in->state == PARKED)
		unpark(d, in);
	pthread_mutex_unlock(&d->lock);
}

/* ---- the clock ---------------------------------------------------------------------------- */

static void *keep_time(void *arg)
{
	struct http_server *s = arg;
	struct desk *d = &s->desk;

	server_thread(s);
	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
		struct incoming *in = NULL, *next;
		d->next_ms = UINT64_MAX;
		DL_FOREACH_SAFE(d->parked, in, next)
		{
			if (in->due_ms <= now_ms)
				unpark(d, in);
			else if (in->due_ms < d->next_ms)
				d->next_ms = in->due_ms;
		}
		if (d->next_ms == UINT64_MAX) {
			pthread_cond_wait(&d->clock, &d->lock);
			continue;
		}
		if (d->next_ms < now_ms + CLOCK_MS)
			d->next_ms = now_ms + CLOCK_MS;
		struct timespec until = clock_timespec(d->next_ms);
		(void)pthread_cond_timedwait(&d->clock, &d->lock, &until);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* ---- the lanes' threads ---------------------------------------------------------------------- */

/* NULL: there will be no more. What is parked here may come back, so a stopping desk is left last of all. */
static struct incoming *next_of(struct desk *d, struct lane *lane)
{
	while (lane->queue == NULL && !d->stopping)
		pthread_cond_wait(&lane->ready, &d->lock);
	struct incoming *in = lane->queue;
	if (in != NULL) {
		DL_DELETE(lane->queue, in);
		in->state = RUNNING;
	}
	return in;
}

/* A second call is made whatever the time: it has something to let go of. */
static void run(struct incoming *in)
{
	struct http_request *r = &in->asked.r;

	if (r->parked == NULL && clock_ms(CLOCK_MONOTONIC) > in->since_ms + QUEUE_MS)
		http_error(&in->reply, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
		           "too much is asked of this node at once; try again, or ask another");
	else
		in->route->handle(in->server->config.ctx, r, &in->reply);
	must(r->parked == NULL || in->reply.park_ms == 0);
	if (in->reply.park_ms == 0)
		variant_choose(r, &in->reply, &in->variant);
}

static void *serve(void *arg)
{
	struct lane *lane = arg;
	struct desk *d = &lane->server->desk;
	struct incoming *in;

	server_thread(lane->server);
	pthread_mutex_lock(&d->lock);
	while ((in = next_of(d, lane)) != NULL) {
		pthread_mutex_unlock(&d->lock);
		run(in);
		pthread_mutex_lock(&d->lock);
		if (in->reply.park_ms > 0) {
			park(d, in);
			continue;
		}
		in->state = ANSWERED;
		MHD_resume_connection(in->connection); /* in is libmicrohttpd's from here */
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

void desk_start(struct http_server *s)
{
	struct desk *d = &s->desk;
	pthread_attr_t attr;

	pthread_mutex_init(&d->lock, NULL);
	server_cond_init(&d->clock);
	server_cond_init(&d->done);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	must(pthread_create(&d->clock_thread, NULL, keep_time, s) == 0);
	for (unsigned i = 0; i < HTTP_LANES; i++) {
		struct lane *lane = &d->lane[i];
		lane->server = s;
		server_cond_init(&lane->ready);
		for (; lane->thread_cnt < lane_threads[i]; lane->thread_cnt++)
			must(pthread_create(&lane->thread[lane->thread_cnt], &attr, serve, lane) == 0);
	}
	pthread_attr_destroy(&attr);
}

/* ---- from libmicrohttpd's thread ---------------------------------------------------------------- */

bool desk_take(struct incoming *in)
{
	struct desk *d = &in->server->desk;

	pthread_mutex_lock(&d->lock);
	bool ok = !d->stopping;
	if (ok) {
		d->under_way++;
		in->counted = true;
		MHD_suspend_connection(in->connection);
		enqueue(in);
	}
	pthread_mutex_unlock(&d->lock);
	return ok;
}

void desk_done(struct incoming *in)
{
	struct desk *d = &in->server->desk;

	pthread_mutex_lock(&d->lock);
	if (in->counted && --d->under_way == 0)
		pthread_cond_signal(&d->done);
	pthread_mutex_unlock(&d->lock);
}

/* ---- stopping --------------------------------------------------------------------------------------- */

void desk_stop(struct http_server *s)
{
	struct desk *d = &s->desk;

	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	while (d->parked != NULL)
		unpark(d, d->parked);
	pthread_cond_signal(&d->clock);
	for (unsigned i = 0; i < HTTP_LANES; i++)
		pthread_cond_broadcast(&d->lane[i].ready);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->clock_thread, NULL);
	for (unsigned i = 0; i < HTTP_LANES; i++)
		for (unsigned k = 0; k < d->lane[i].thread_cnt; k++)
			pthread_join(d->lane[i].thread[k], NULL);
}

void desk_empty(struct http_server *s)
{
	struct desk *d = &s->desk;
	struct timespec until = clock_timespec(clock_ms(CLOCK_MONOTONIC) + EMPTY_MS);

	pthread_mutex_lock(&d->lock);
	while (d->under_way > 0 && pthread_cond_timedwait(&d->done, &d->lock, &until) == 0)
		;
	pthread_mutex_unlock(&d->lock);
}
