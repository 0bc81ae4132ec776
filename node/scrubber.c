/*
 * scrubber.c: the node's scrubbing thread: when a pass begins, how fast it goes.
 */
#include "scrubber.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define SLICE_US 5000    /* that a slice is to take, */
#define SLICE_BLOCKS 512 /* and blocks that are in it at most */
#define SHARE 0.03       /* of a core that is taken at most, unless the period asks for more */
#define IN_TIME 0.9      /* of the period: a pass aims at being over then */
#define RETRY_MS 1000    /* there was no tip to be had, or no block yet */
#define LOWEST 19        /* of all priorities */

struct scrubber {
	struct scrubber_config c;
	pthread_t thread;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t wake;
	bool stopping;
	struct scrubber_status status;
};

/* ---- pace -------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t scrubber_pause_us(const struct scrubber_pace *p)
{
	double slice = (double)p->slice_us, pause = slice * (1 - SHARE) / SHARE;
	double needs = p->done > 0 ? (double)p->work_us / (double)p->done * (double)p->left : 0;
	double has = (double)p->period_us * IN_TIME - (double)p->elapsed_us;
	if (has <= needs)
		return 0;
	double spare = needs > 0 ? slice * (has - needs) / needs : pause;
	return (uint64_t)(spare < pause ? spare : pause);
}

/* Blocks differ much in what is in them. */
static unsigned next_slice(unsigned blocks, uint64_t took_us)
{
	if (took_us > 2 * SLICE_US && blocks > 1)
		return blocks / 2;
	return took_us < SLICE_US / 2 && blocks < SLICE_BLOCKS ? 2 * blocks : blocks;
}

/* ---- one pass ------------------------------------------------------------------------ */

enum scrub_verdict scrubber_once(const char *path, const struct genesis *g, struct qheight to,
                                 const struct qhash *tip, bool (*go_on)(void *ctx), void *ctx,
                                 struct err *err)
{
	struct scrub *pass = scrub_begin(path, g, to, tip, err);
	enum scrub_verdict verdict = pass == NULL ? SCRUB_ERROR : SCRUB_MORE;
	unsigned blocks = 1;
	while (verdict == SCRUB_MORE && go_on(ctx)) {
		uint64_t began_us = now_us();
		verdict = scrub_step(pass, blocks, err);
		blocks = next_slice(blocks, now_us() - began_us);
	}
	if (pass != NULL)
		scrub_end(pass);
	return verdict;
}

/* ---- the thread ---------------------------------------------------------------------- */

/* False: it is to end. */
static bool pause_until(struct scrubber *s, uint64_t until_us)
{
	struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
	                         .tv_nsec = (long)(until_us % 1000000) * 1000};
	bool in_time = true;
	pthread_mutex_lock(&s->lock);
	while (in_time && !s->stopping)
		in_time = pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0;
	bool go_on = !s->stopping;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static void tell(struct scrubber *s, struct qheight height, bool running)
{
	pthread_mutex_lock(&s->lock);
	s->status.height = height;
	s->status.running = running;
	pthread_mutex_unlock(&s->lock);
}

/* What is to be done with it, slice by slice; SCRUB_MORE: the node stops. */
static enum scrub_verdict work_through(struct scrubber *s, struct scrub *pass, struct qheight to,
                                       uint64_t begun_us, struct err *err)
{
	struct scrubber_pace pace = {.period_us = s->c.period_ms * 1000};
	enum scrub_verdict verdict = SCRUB_MORE;
	unsigned blocks = 1;
	uint64_t at_us = now_us();
	while (pause_until(s, at_us)) {
		uint64_t slice_us = now_us();
		verdict = scrub_step(pass, blocks, err);
		at_us = now_us();
		if (verdict != SCRUB_MORE)
			break;
		struct qheight height = scrub_height(pass);
		pace.elapsed_us = at_us - begun_us;
		pace.slice_us = at_us - slice_us;
		pace.work_us += pace.slice_us;
		pace.done = height.n;
		pace.left = to.n - height.n;
		blocks = next_slice(blocks, pace.slice_us);
		at_us += scrubber_pause_us(&pace);
		tell(s, height, true);
	}
	return verdict;
}

static void passed(struct scrubber *s, struct qheight to, uint64_t took_us)
{
	pthread_mutex_lock(&s->lock);
	s->status.passes++;
	s->status.last_ok_at_ms = clock_ms(CLOCK_REALTIME);
	pthread_mutex_unlock(&s->lock);
	log_info("scrub height=%llu rows=ok seconds=%llu.%03llu", (unsigned long long)to.n,
	         (unsigned long long)(took_us / 1000000), (unsigned long long)(took_us / 1000 % 1000));
}

/* False: the thread ends. */
static bool make_pass(struct scrubber *s, struct qheight to, const struct qhash *tip)
{
	struct err err = {0};
	uint64_t begun_us = now_us();
	struct scrub *pass = scrub_begin(s->c.path, s->c.genesis, to, tip, &err);
	enum scrub_verdict verdict = SCRUB_ERROR;
	tell(s, qheight_of(0), pass != NULL);
	if (pass != NULL) {
		verdict = work_through(s, pass, to, begun_us, &err);
		tell(s, verdict == SCRUB_WHOLE ? to : scrub_height(pass), false);
		scrub_end(pass);
	}
	if (verdict == SCRUB_WHOLE)
		passed(s, to, now_us() - begun_us);
	else if (verdict == SCRUB_ERROR) /* no descriptors, a lock, a disk: whoever needs the file will see */
		log_warn("scrub_failed height=%llu reason=%s", (unsigned long long)to.n, err.text);
	else if (verdict == SCRUB_WRONG)
		s->c.wrong(s->c.ctx, &err);
	return verdict == SCRUB_WHOLE || verdict == SCRUB_ERROR;
}

static void *scrub_thread(void *arg)
{
	struct scrubber *s = arg;
	uint64_t next_us = now_us();
	bool go_on = true;
	setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST); /* on Linux a thread's own */
	while (go_on && pause_until(s, next_us)) {
		struct qheight to = {0};
		struct qhash tip;
		uint64_t wait_ms = s->c.period_ms;
		if (s->c.tip(s->c.ctx, &to, &tip) && to.n > 0)
			go_on = make_pass(s, to, &tip);
		else if (wait_ms > RETRY_MS)
			wait_ms = RETRY_MS;
		next_us += wait_ms * 1000;
		if (next_us < now_us())
			next_us = now_us(); /* it took longer than the period */
	}
	return NULL;
}

struct scrubber *scrubber_start(const struct scrubber_config *c)
{
	struct scrubber *s = xcalloc(1, sizeof *s);
	pthread_condattr_t attr;
	s->c = *c;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	must(pthread_create(&s->thread, NULL, scrub_thread, s) == 0);
	pthread_setname_np(s->thread, "scrub");
	return s;
}

void scrubber_stop(struct scrubber *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s);
}

void scrubber_status(struct scrubber *s, struct scrubber_status *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->status;
	pthread_mutex_unlock(&s->lock);
}
