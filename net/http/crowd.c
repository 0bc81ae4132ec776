/*
 * crowd.c: who is connected: how many may be, and for how long each is waited for.
 *
 * Whoever has to send or to take something has a time to be through with it, not a time between two bytes: or
 * one byte now and then would hold a connection for ever.  libmicrohttpd knows the latter only; so a thread
 * looks for those that are overdue and shuts their sockets down, upon which libmicrohttpd closes them.
 *
 * So it does with those who have said that they will send no more while something is awaited of them: what
 * came together with that end was read, but the end itself is no news to libmicrohttpd's edge-triggered
 * epoll.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <utlist.h>

#include "server_impl.h"

enum {
	PATIENCE_S = 30,
	BYTES_PER_MS = 16,      /* at least; 16 KiB a second */
	LOOK_MS = 30,           /* from one look to the next at least, */
	LOOK_MAX_MS = 1000,     /* and as many ms as there are connections */
	SEND_BYTES = 128 << 10, /* the kernel's memory for what a client does not take; it counts twice */
	FILES_FOR_OTHERS = 256, /* of all that the process may open: ledgers, peers */
};

static unsigned connections_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    files.rlim_cur >= HTTP_CONNECTIONS_MAX + FILES_FOR_OTHERS)
		return HTTP_CONNECTIONS_MAX;
	return files.rlim_cur > 2 * FILES_FOR_OTHERS ? (unsigned)files.rlim_cur - FILES_FOR_OTHERS
	                                             : (unsigned)files.rlim_cur / 2;
}

/* Seen twice, for in between it may have been what was read before. */
static bool has_ended(struct visitor *v)
{
	char c;
	bool ended = atomic_load(&v->sends) && recv(v->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;

	return atomic_exchange(&v->ended, ended) && ended;
}

static void hang_up(struct crowd *c, uint64_t now_ms)
{
	struct visitor *v;

	DL_FOREACH(c->visitors, v)
	{
		uint64_t due_ms = atomic_load(&v->due_ms);
		bool slow = due_ms != 0 && due_ms <= now_ms;
		if (v->closed || (!has_ended(v) && !slow))
			continue;
		v->closed = true;
		atomic_fetch_add(&c->slow, slow);
		(void)shutdown(v->fd, SHUT_RDWR);
	}
}

static uint64_t next_look_ms(struct crowd *c)
{
	unsigned cnt = atomic_load(&c->cnt);

	return cnt < LOOK_MS ? LOOK_MS : cnt > LOOK_MAX_MS ? LOOK_MAX_MS : cnt;
}

static void *watch(void *arg)
{
	struct http_server *s = arg;
	struct crowd *c = &s->crowd;

	server_thread(s);
	pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		if (c->visitors == NULL) {
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
		struct timespec until = clock_timespec(now_ms + next_look_ms(c));
		hang_up(c, now_ms);
		(void)pthread_cond_timedwait(&c->changed, &c->lock, &until);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

void crowd_start(struct http_server *s, unsigned patience_s)
{
	struct crowd *c = &s->crowd;

	c->max = connections_max();
	c->patience = 1000u * (patience_s > 0 ? patience_s : PATIENCE_S);
	pthread_mutex_init(&c->lock, NULL);
	server_cond_init(&c->changed);
	must(pthread_create(&c->thread, NULL, watch, s) == 0);
}

void crowd_stop(struct http_server *s)
{
	struct crowd *c = &s->crowd;

	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	must(c->visitors == NULL);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
}

void crowd_enter(struct http_server *s, struct MHD_Connection *connection, void **visitor)
{
	struct crowd *c = &s->crowd;
	struct visitor *v = xcalloc(1, sizeof(*v));
	int send_bytes = SEND_BYTES;

	v->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	(void)setsockopt(v->fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes));
	atomic_init(&v->sends, true);
	atomic_init(&v->due_ms, clock_ms(CLOCK_MONOTONIC) + c->patience);
	*visitor = v;
	pthread_mutex_lock(&c->lock);
	if (c->visitors == NULL)
		pthread_cond_signal(&c->changed);
	DL_APPEND(c->visitors, v);
	pthread_mutex_unlock(&c->lock);
	atomic_fetch_add(&c->cnt, 1);
}

/* Before its socket is closed: nothing else has this number yet. */
void crowd_leave(struct http_server *s, void **visitor)
{
	struct crowd *c = &s->crowd;
	struct visitor *v = *visitor;

	pthread_mutex_lock(&c->lock);
	DL_DELETE(c->visitors, v);
	pthread_mutex_unlock(&c->lock);
	free(v);
	*visitor = NULL;
	atomic_fetch_sub(&c->cnt, 1);
}

static struct visitor *visitor_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void crowd_await(struct http_server *s, struct MHD_Connection *connection, enum crowd_await what,
                 size_t bytes)
{
	struct visitor *v = visitor_of(connection);
	uint64_t more_ms = bytes / BYTES_PER_MS * s->crowd.patience / (1000u * PATIENCE_S);

	atomic_store(&v->ended, false);
	atomic_store(&v->sends, what == CROWD_SENDS);
	atomic_store(&v->due_ms,
	             what == CROWD_WAITS ? 0 : clock_ms(CLOCK_MONOTONIC) + s->crowd.patience + more_ms);
}
