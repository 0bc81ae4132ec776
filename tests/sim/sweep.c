/*
 * sweep.c: many seeds on many cores. Each worker runs every jobs-th seed in turn and writes a record a
 * seed into its pipe, so the parent always knows which one a worker is at. A worker that dies or hangs is
 * replaced by one that goes on behind that seed.
 */
#include "sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_MS 200

uint64_t sweep_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void sweep_seed(const struct sim_options *o, bool twice, struct sim_result *r)
{
	struct sim_result again;
	struct sim_options quiet = *o;

	sim_run(o, r);
	if (!twice || r->violations)
		return;
	quiet.trace = NULL;
	sim_run(&quiet, &again);
	free(again.states);
	if (again.trace_hash == r->trace_hash && again.events == r->events)
		return;
	r->violations = 1;
	snprintf(r->violation, sizeof r->violation,
	         "determinism: seed %" PRIu64 " has two traces: %016" PRIx64 " and %016" PRIx64, o->seed,
	         r->trace_hash, again.trace_hash);
}

/* ---- a process ------------------------------------------------------------------------------------- */

struct worker {
	pid_t pid; /* 0: none */
	int fd;    /* records come from here */
	FILE *errors;
	uint64_t seed;     /* it is at this one */
	uint64_t since_ms; /* since then */
	bool ended;        /* there are no seeds left for it */
};

static void write_all(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0) {
		ssize_t done = write(fd, at, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			_exit(0); /* the parent is gone */
		at += done;
		len -= (size_t)done;
	}
}

/* As much as there is, up to len. */
static size_t read_all(int fd, void *data, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t got = read(fd, (uint8_t *)data + have, len - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	return have;
}

/* Forks; in the child: true, and the pipe's end to write to in w->fd. */
static bool worker_fork(struct worker *w)
{
	int ends[2];

	fflush(NULL);
	w->errors = tmpfile();
	must(w->errors && pipe(ends) == 0);
	w->pid = fork();
	must(w->pid >= 0);
	if (w->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_DFL);
		dup2(fileno(w->errors), STDERR_FILENO);
		close(ends[0]);
		w->fd = ends[1];
		return true;
	}
	close(ends[1]);
	w->fd = ends[0];
	w->since_ms = sweep_clock_ms();
	return false;
}

static void put_record(int fd, const struct sim_result *r)
{
	struct sim_result record = *r;

	record.states = NULL;
	write_all(fd, &record, sizeof record);
}

/* The line that says what went wrong; else the last one. */
static void telling_line(FILE *f, char *text, size_t cap)
{
	char line[1024];
	bool found = false;

	text[0] = '\0';
	rewind(f);
	while (!found && fgets(line, sizeof line, f)) {
		size_t len = strcspn(line, "\n");
		line[len] = '\0';
		if (len > 0)
			snprintf(text, cap, "%.*s", (int)(cap - 1), line);
		found = strstr(line, "bug:") || strstr(line, "ERROR:") || strstr(line, "runtime error:");
	}
}

/* Waits for a process that has ended, or is ended here. */
static void worker_reap(struct worker *w, bool hangs, struct sim_result *r)
{
	char line[256];
	int status = 0;

	if (hangs)
		kill(w->pid, SIGKILL);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(w->fd);
	telling_line(w->errors, line, sizeof line);
	fclose(w->errors);
	w->pid = 0;
	if (!r)
		return;
	*r = (struct sim_result){.seed = w->seed, .violations = 1};
	if (hangs)
		snprintf(r->violation, sizeof r->violation,
		         "process hangs: no end after %" PRIu64 " s of wall time",
		         (sweep_clock_ms() - w->since_ms) / 1000);
	else if (WIFSIGNALED(status))
		snprintf(r->violation, sizeof r->violation, "process died: SIG%s: %s",
		         sigabbrev_np(WTERMSIG(status)), line);
	else
		snprintf(r->violation, sizeof r->violation, "process died: exit %d: %s", WEXITSTATUS(status),
		         line);
}

/* ---- one seed apart ------------------------------------------------------------------------------------ */

/* The result is in shared memory: what a run that dies had chosen and how far it came is left in it. */
_Noreturn static void child_apart(const struct worker *w, const struct sim_options *o, struct sim_result *r)
{
	sim_run(o, r);
	if (o->trace)
		fflush(o->trace);
	put_record(w->fd, r);
	if (r->states)
		write_all(w->fd, r->states, strlen(r->states));
	_exit(0);
}

static char *read_text(int fd)
{
	size_t len = 0, cap = 4096, got;
	char *text = xcalloc(1, cap + 1);

	while ((got = read_all(fd, text + len, cap - len)) > 0) {
		len += got;
		if (len == cap)
			text = xrealloc(text, (cap *= 2) + 1);
	}
	text[len] = '\0';
	return text;
}

void sweep_apart(const struct sim_options *o, uint64_t hang_ms, struct sim_result *r)
{
	struct worker w = {.seed = o->seed};
	struct sim_result *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	                  record, death;
	int ready;

	must(shared != MAP_FAILED);
	if (worker_fork(&w))
		child_apart(&w, o, shared);
	struct pollfd p = {.fd = w.fd, .events = POLLIN};
	do
		ready = poll(&p, 1, (int)hang_ms);
	while (ready < 0 && errno == EINTR);
	if (ready > 0 && read_all(w.fd, &record, sizeof record) == sizeof record) {
		*r = record;
		r->states = read_text(w.fd);
		worker_reap(&w, false, NULL);
	} else {
		worker_reap(&w, ready == 0, &death);
		*r = *shared;
		r->seed = o->seed;
		r->states = NULL;
		r->violations = death.violations;
		memcpy(r->violation, death.violation, sizeof r->violation);
	}
	munmap(shared, sizeof *shared);
}

/* ---- a sweep ---------------------------------------------------------------------------------------------
 */

struct sweep {
	const struct sweep_options *o;
	struct sweep_totals *t;
	struct worker workers[SWEEP_JOBS_MAX];
	uint64_t begun_ms, shown_ms;
	bool stop;
};

_Noreturn static void child_slice(const struct sweep *s, const struct worker *w)
{
	struct sim_options run = s->o->run;
	struct sim_result r;

	/* A world is made and thrown away many times a second: its memory stays with the process. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 16 << 20);
	run.trace = NULL;
	for (uint64_t seed = w->seed;; seed += s->o->jobs) {
		run.seed = seed;
		sweep_seed(&run, s->o->twice, &r);
		free(r.states);
		put_record(w->fd, &r);
		if (s->o->last - seed < s->o->jobs)
			_exit(0);
	}
}

static void worker_begin(struct sweep *s, struct worker *w)
{
	if (worker_fork(w))
		child_slice(s, w);
}

static void worker_next(struct sweep *s, struct worker *w)
{
	if (s->o->last - w->seed < s->o->jobs)
		w->ended = true;
	else
		w->seed += s->o->jobs;
	w->since_ms = sweep_clock_ms();
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void count(struct sweep *s, const struct sim_result *r)
{
	struct sweep_totals *t = s->t;

	t->seeds++;
	t->violations += r->violations > 0;
	t->events += r->events;
	t->virtual_ms += r->virtual_ms;
	t->strikes += r->strikes;
	t->blocks += r->blocks;
	t->transactions += r->transactions;
	t->view_changes += r->view_changes;
	t->hash += mix(mix(r->seed) ^ r->trace_hash);
	if (r->violations && !s->o->keep_going)
		s->stop = true;
	if (s->o->done)
		s->o->done(s->o->ctx, r);
}

/* Something can be read from its pipe: a record, or the end. */
static void worker_hear(struct sweep *s, struct worker *w)
{
	struct sim_result r;
	bool whole = read_all(w->fd, &r, sizeof r) == sizeof r;

	if (!whole)
		worker_reap(w, false, &r);
	count(s, &r);
	worker_next(s, w);
	if (w->ended && whole)
		worker_reap(w, false, NULL);
	else if (!w->ended && !whole && !s->stop)
		worker_begin(s, w);
}

static void worker_watch(struct sweep *s, struct worker *w)
{
	struct sim_result r;

	if (sweep_clock_ms() - w->since_ms < s->o->hang_ms)
		return;
	worker_reap(w, true, &r);
	count(s, &r);
	worker_next(s, w);
	if (!w->ended && !s->stop)
		worker_begin(s, w);
}

static unsigned listen_to(struct sweep *s)
{
	struct pollfd polls[SWEEP_JOBS_MAX];
	struct worker *who[SWEEP_JOBS_MAX];
	unsigned cnt = 0;

	for (unsigned i = 0; i < s->o->jobs; i++)
		if (s->workers[i].pid) {
			who[cnt] = &s->workers[i];
			polls[cnt++] = (struct pollfd){.fd = s->workers[i].fd, .events = POLLIN};
		}
	if (cnt == 0 || poll(polls, cnt, PROGRESS_MS) < 0)
		return cnt;
	for (unsigned i = 0; i < cnt && !s->stop; i++) {
		if (polls[i].revents)
			worker_hear(s, who[i]);
		else
			worker_watch(s, who[i]);
	}
	return cnt;
}

static void tell(struct sweep *s)
{
	uint64_t now = sweep_clock_ms();

	s->t->wall_ms = now - s->begun_ms;
	if (s->o->wall_ms && s->t->wall_ms >= s->o->wall_ms)
		s->stop = true;
	if (s->o->progress && now - s->shown_ms >= PROGRESS_MS) {
		s->shown_ms = now;
		s->o->progress(s->o->ctx, s->t);
	}
}

bool sweep_run(const struct sweep_options *o, struct sweep_totals *t)
{
	struct sweep s = {.o = o, .t = t, .begun_ms = sweep_clock_ms()};

	must(o->jobs > 0 && o->jobs <= SWEEP_JOBS_MAX && o->first <= o->last);
	*t = (struct sweep_totals){0};
	for (unsigned i = 0; i < o->jobs && i <= o->last - o->first; i++) {
		s.workers[i].seed = o->first + i;
		worker_begin(&s, &s.workers[i]);
	}
	while (!s.stop && listen_to(&s) > 0)
		tell(&s);
	for (unsigned i = 0; i < o->jobs; i++)
		if (s.workers[i].pid) {
			kill(s.workers[i].pid, SIGKILL);
			worker_reap(&s.workers[i], false, NULL);
		}
	t->wall_ms = sweep_clock_ms() - s.begun_ms;
	return t->violations == 0;
}
