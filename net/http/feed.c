/*
 * feed.c: news for all who follow: made once, sent to each.
 *
 * Who takes longer than the next piece takes to come gets the newest one after it, and none in between: a
 * piece tells all that there is to know.  So a follower costs a connection and, while it is being sent, a
 * reference to a piece that others have, too.
 */
#include <string.h>
#include <utlist.h>

#include "server_impl.h"

enum { FOLLOWERS_MAX = HTTP_CONNECTIONS_MAX / 2, BLOCK = 4096 };

struct piece {
	atomic_uint refs;
	uint64_t number;
	size_t len;
	char *text;
};

struct follower {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct piece *piece; /* that is being sent, NULL: none */
	size_t at;
	uint64_t seen; /* number of the last one */
	bool suspended, ended;
	struct follower *prev, *next;
};

static void piece_unref(struct piece *p)
{
	if (p != NULL && atomic_fetch_sub(&p->refs, 1) == 1) {
		free(p->text);
		free(p);
	}
}

/* ---- the thread that makes them -------------------------------------------------------------- */

/* With the lock held. */
static void resume(struct follower *f)
{
	if (f->suspended)
		MHD_resume_connection(f->connection);
	f->suspended = false;
}

/* With the lock held. */
static void end_all(struct feed *d)
{
	while (d->followers != NULL) {
		struct follower *f = d->followers;
		DL_DELETE(d->followers, f);
		f->ended = true;
		resume(f);
	}
}

/* With the lock held. Takes the text; NULL: that was the end. */
static void publish(struct feed *d, char *text, size_t len, uint64_t number)
{
	struct follower *f;

	piece_unref(d->newest);
	d->newest = NULL;
	if (text == NULL) {
		end_all(d);
		return;
	}
	d->newest = xcalloc(1, sizeof(*d->newest));
	*d->newest = (struct piece){.number = number, .len = len, .text = text};
	atomic_init(&d->newest->refs, 1);
	DL_FOREACH(d->followers, f)
	resume(f);
}

static void *tell(void *arg)
{
	struct http_server *s = arg;
	struct feed *d = &s->feed;
	uint64_t place = 0;

	server_thread(s);
	pthread_mutex_lock(&d->lock);
	for (uint64_t number = 1; !d->stopping; number++) {
		while (d->followers == NULL && !d->stopping) {
			piece_unref(d->newest); /* it will be old when somebody comes */
			d->newest = NULL;
			place = 0;
			pthread_cond_wait(&d->wanted, &d->lock);
		}
		if (d->stopping)
			break;
		size_t len = 0;
		pthread_mutex_unlock(&d->lock);
		char *text = s->config.news(s->config.ctx, &place, &len);
		pthread_mutex_lock(&d->lock);
		publish(d, text, len, number);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

void feed_start(struct http_server *s)
{
	struct feed *d = &s->feed;

	pthread_mutex_init(&d->lock, NULL);
	server_cond_init(&d->wanted);
	if (s->config.news != NULL)
		must(pthread_create(&d->thread, NULL, tell, s) == 0);
}

void feed_stop(struct http_server *s)
{
	struct feed *d = &s->feed;

	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	end_all(d);
	pthread_cond_signal(&d->wanted);
	pthread_mutex_unlock(&d->lock);
	if (s->config.news != NULL)
		pthread_join(d->thread, NULL);
	piece_unref(d->newest);
	d->newest = NULL;
}

/* ---- on libmicrohttpd's thread ---------------------------------------------------------------- */

/* With the lock held. */
static ssize_t send_more(struct follower *f, char *buf, size_t max)
{
	size_t left = f->piece->len - f->at, len = left < max ? left : max;

	memcpy(buf, f->piece->text + f->at, len);
	f->at += len;
	if (f->at == f->piece->len) {
		piece_unref(f->piece);
		f->piece = NULL;
	}
	crowd_await(f->server, f->connection, CROWD_TAKES, len);
	return (ssize_t)len;
}

static ssize_t read_feed(void *ctx, uint64_t at, char *buf, size_t max)
{
	struct follower *f = ctx;
	struct feed *d = &f->server->feed;
	ssize_t len = 0;

	(void)at;
	pthread_mutex_lock(&d->lock);
	if (f->piece == NULL && d->newest != NULL && d->newest->number > f->seen) {
		f->piece = d->newest;
		atomic_fetch_add(&f->piece->refs, 1);
		f->seen = f->piece->number;
		f->at = 0;
	}
	if (f->piece != NULL) {
		len = send_more(f, buf, max);
	} else if (f->ended) {
		len = MHD_CONTENT_READER_END_OF_STREAM;
	} else { /* all was taken, until there is news */
		crowd_await(f->server, f->connection, CROWD_WAITS, 0);
		f->suspended = true;
		MHD_suspend_connection(f->connection);
	}
	pthread_mutex_unlock(&d->lock);
	return len;
}

static void end_follower(void *ctx)
{
	struct follower *f = ctx;
	struct feed *d = &f->server->feed;

	pthread_mutex_lock(&d->lock);
	if (!f->ended)
		DL_DELETE(d->followers, f);
	pthread_mutex_unlock(&d->lock);
	piece_unref(f->piece);
	free(f);
	atomic_fetch_sub(&d->cnt, 1);
}

struct MHD_Response *feed_response(struct http_server *s, struct MHD_Connection *connection)
{
	struct feed *d = &s->feed;

	if (atomic_fetch_add(&d->cnt, 1) >= FOLLOWERS_MAX || s->config.news == NULL) {
		atomic_fetch_sub(&d->cnt, 1);
		return NULL;
	}
	struct follower *f = xcalloc(1, sizeof(*f));
	f->server = s;
	f->connection = connection;
	pthread_mutex_lock(&d->lock);
	f->ended = d->stopping;
	if (!f->ended) {
		DL_APPEND(d->followers, f);
		pthread_cond_signal(&d->wanted);
	}
	pthread_mutex_unlock(&d->lock);
	struct MHD_Response *response =
	    MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_feed, f, end_follower);
	must(response != NULL); /* fails only when memory is out */
	return response;
}
