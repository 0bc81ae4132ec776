/*
 * bench_submit.c: submitters.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access.h"
#include "bench_impl.h"

enum {
	AGAIN_US = 100000,  /* until what was refused is offered again */
	GRACE_US = 2000000, /* after the load, for what was due before it */
	NAP_US = 50000,     /* at the most: something else may have happened */
	TIMEOUT_MS = 30000, /* of a request: a node under load may let it wait */
};

/* ---- when --------------------------------------------------------------------------------------- */

/* Payments of this submitter that are due at a time. */
static uint32_t due_cnt(const struct submitter *s, uint64_t us)
{
	const struct run *run = s->run;
	uint64_t stop = atomic_load(&run->stop_us);
	if (run->plan.rate == 0)
		return us < stop ? s->cnt : offers_fresh(s->offers);
	uint64_t cnt = pace_due_cnt(run->plan.rate, (us < stop ? us : stop - 1) - 1); /* times begin with 1 */
	return (uint32_t)pace_share(cnt, s->index, run->load->submitters);
}

/* When this payment was due: of a rate, when its turn came; else when it is first offered. */
static uint32_t due_us(const struct submitter *s, uint32_t k, uint64_t now_us)
{
	const struct run *run = s->run;
	if (run->plan.rate == 0 || run->plan.overload)
		return (uint32_t)now_us;
	return 1 + (uint32_t)pace_due_us(run->plan.rate, (uint64_t)k * run->load->submitters + s->index);
}

/* How many may be handed in now. Saturated: a batch at a time, once there is room for one. */
static size_t room(const struct submitter *s, uint64_t now_us)
{
	const struct run *run = s->run;
	uint64_t stop = atomic_load(&run->stop_us);
	if (now_us >= stop + (run->plan.rate > 0 && !run->plan.overload ? GRACE_US : 0))
		return 0;
	if (run->plan.rate > 0)
		return run->plan.batch;
	int each = (int)(run->plan.in_flight / run->load->submitters), has = atomic_load(&s->in_flight);
	int batch = (int)run->plan.batch < each ? (int)run->plan.batch : each;
	return has + batch <= each ? (size_t)batch : 0;
}

/* Until the next payment is due, or there is news. Under overload payments are due all the time: there the
 * naps set the pace, and what became due meanwhile goes together. */
static void rest(struct submitter *s, uint64_t now_us)
{
	struct run *run = s->run;
	uint64_t until = now_us + NAP_US, again = offers_again_us(s->offers),
	         stop = atomic_load(&run->stop_us);
	if (again > now_us && again < until)
		until = again;
	if (run->plan.rate > 0 && !run->plan.overload && now_us < stop) {
		uint64_t next = due_cnt(s, now_us);
		uint64_t at = 1 + pace_due_us(run->plan.rate, next * run->load->submitters + s->index);
		until = at < until ? at : until;
	}
	uint64_t ns = run->t0_ns + until * 1000;
	struct timespec at = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
	pthread_mutex_lock(&run->lock);
	pthread_cond_timedwait(&s->news, &run->lock, &at);
	pthread_mutex_unlock(&run->lock);
}

/* ---- a request ---------------------------------------------------------------------------------- */

static void put32(uint8_t *to, uint32_t n)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(n >> (24 - 8 * i));
}

/* What this batch is answered by; NULL: nothing. */
static json_t *post(struct submitter *s, const uint32_t *batch, size_t cnt)
{
	char *text;
	size_t len;
	int status;
	put32(s->body, (uint32_t)cnt);
	for (size_t i = 0; i < cnt; i++)
		memcpy(s->body + 4 + i * LOAD_RECORD, s->run->load->raw[s->base + batch[i]], LOAD_RECORD);
	if (!http_call(s->http, "/v1/transactions?brief=1", "application/octet-stream", s->body,
	               4 + cnt * LOAD_RECORD, &status, &text, &len, NULL)) {
		atomic_fetch_add(&s->run->node[s->node].gone, 1);
		return NULL;
	}
	atomic_fetch_add(&s->http_bytes, 4 + cnt * LOAD_RECORD + len);
	json_t *json = json_loadb(text, len, 0, NULL);
	free(text);
	return json;
}

static const char *text_of(const json_t *json, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text != NULL ? text : otherwise;
}

static void accepted(struct submitter *s, uint32_t k)
{
	struct fate *fate = &s->run->fate[s->base + k];
	if (atomic_fetch_or(&fate->state, WAS_ACCEPTED) == 0)
		atomic_fetch_add(&s->in_flight, 1);
}

/* Why each was refused: NULL where it was not. Borrowed from the answer, but for `whole`. */
static void verdicts(const json_t *answer, const char **code, size_t cnt)
{
	const json_t *results = json_object_get(answer, "results"), *r;
	const char *whole = answer == NULL ? "no_answer"
	                    : !json_is_array(results)
	                        ? text_of(json_object_get(answer, "error"), "code", "bad_answer")
	                        : NULL;
	size_t i;
	for (i = 0; i < cnt; i++)
		code[i] = whole;
	if (whole != NULL)
		return;
	json_array_foreach((json_t *)results, i, r)
	{
		json_int_t index = json_integer_value(json_object_get(r, "index"));
		if (index >= 0 && (size_t)index < cnt && strcmp(text_of(r, "status", ""), "rejected") == 0)
			code[index] = text_of(r, "code", "bad_answer");
	}
}

/* Another time it may be accepted: its parent may have been refused, too. */
static bool is_temporary(const char *code)
{
	static const char *const codes[] = {"no_answer",  "bad_answer", "unknown_output", "pool_full",
	                                    "owner_full", "busy",       "muted",          "no_quorum"};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		if (strcmp(code, codes[i]) == 0)
			return true;
	}
	return false;
}

/* Hands in what was taken from the offers. */
static void hand_in(struct submitter *s, size_t cnt)
{
	const char *code[Q_BLOCK_TXS_MAX];
	uint64_t now_us = run_now_us(s->run);
	for (size_t i = 0; i < cnt; i++) {
		struct fate *fate = &s->run->fate[s->base + s->batch[i]];
		s->sent += fate->due_us == 0;
		if (fate->due_us == 0)
			fate->due_us = due_us(s, s->batch[i], now_us);
	}
	json_t *answer = post(s, s->batch, cnt);
	verdicts(answer, code, cnt);
	uint64_t again_us = run_now_us(s->run) + AGAIN_US;
	for (size_t i = 0; i < cnt; i++) {
		if (code[i] == NULL)
			accepted(s, s->batch[i]);
		else
			sum_refusal(&s->refusals, code[i], 1);
		offers_answer(s->offers, s->batch[i],
		              code[i] == NULL         ? OFFERS_ACCEPTED
		              : is_temporary(code[i]) ? OFFERS_REFUSED
		                                      : OFFERS_DEAD,
		              again_us);
	}
	if (answer == NULL)
		access_nap_ms(AGAIN_US / 1000); /* nobody is there: the next one would fare no better */
	json_decref(answer);
}

/* ---- a node that was away ----------------------------------------------------------------------- */

/* What it had accepted and not yet seen final went with its process, or will be known still: hands it in
 * again, in order. True: all of it is there. */
static bool restore(struct submitter *s)
{
	uint32_t at = 0, fresh = offers_fresh(s->offers);
	while (!atomic_load(&s->run->over)) {
		const char *code[Q_BLOCK_TXS_MAX];
		uint32_t batch[Q_BLOCK_TXS_MAX];
		size_t cnt = 0;
		for (; cnt < s->run->plan.batch && at < fresh; at++) {
			if (atomic_load(&s->run->fate[s->base + at].state) == WAS_ACCEPTED)
				batch[cnt++] = at;
		}
		if (cnt == 0)
			return true;
		json_t *answer = post(s, batch, cnt);
		bool all = true;
		verdicts(answer, code, cnt);
		for (size_t i = 0; i < cnt; i++)
			all = all && (code[i] == NULL || !is_temporary(code[i]));
		json_decref(answer);
		if (!all)
			return false;
	}
	return false;
}

static void restore_if_gone(struct submitter *s)
{
	unsigned gone = atomic_load(&s->run->node[s->node].gone);
	if (gone == s->seen_gone)
		return;
	if (restore(s))
		s->seen_gone = gone;
	else
		access_nap_ms(AGAIN_US / 1000);
}

/* ---- the thread --------------------------------------------------------------------------------- */

static void *submitter(void *arg)
{
	struct submitter *s = arg;
	struct run *run = s->run;
	pthread_setname_np(pthread_self(), "bench-submit");
	while (!atomic_load(&run->over)) {
		restore_if_gone(s);
		uint64_t now_us = run_now_us(run);
		size_t max = room(s, now_us);
		size_t cnt = max == 0 ? 0 : offers_take(s->offers, due_cnt(s, now_us), now_us, max, s->batch);
		bool idle = now_us >= atomic_load(&run->stop_us) &&
		            (room(s, now_us) == 0 || offers_done(s->offers, due_cnt(s, now_us)));
		pthread_mutex_lock(&run->lock);
		s->idle = idle && cnt == 0;
		s->used_up = s->used_up || (max > 0 && cnt == 0 && offers_fresh(s->offers) == s->cnt);
		pthread_mutex_unlock(&run->lock);
		if (cnt > 0)
			hand_in(s, cnt);
		else
			rest(s, now_us);
	}
	return NULL;
}

void submit_prepare(struct run *run)
{
	unsigned cnt = run->load->submitters;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	run->submitter = xcalloc(cnt, sizeof *run->submitter);
	for (unsigned u = 0; u < cnt; u++) {
		struct submitter *s = &run->submitter[u];
		struct err err = {0};
		s->run = run;
		s->index = u;
		s->node = u % run->chain->cnt;
		s->base = run->load->base[u];
		s->cnt = load_cnt_of(run->load, u);
		s->offers = offers_new(load_accounts_of(run->load, u), s->cnt);
		s->batch = xcalloc(run->plan.batch, sizeof *s->batch);
		s->body = xcalloc(run->plan.batch + 1, LOAD_RECORD);
		s->http = http_client_new(run->chain->node[s->node].url, TIMEOUT_MS, &err);
		must(s->http != NULL); /* its URL was used before */
		pthread_cond_init(&s->news, &attr);
	}
	pthread_condattr_destroy(&attr);
}

void submit_start(struct run *run)
{
	for (unsigned u = 0; u < run->load->submitters; u++)
		must(pthread_create(&run->submitter[u].thread, NULL, submitter, &run->submitter[u]) == 0);
}

void submit_join(struct run *run)
{
	for (unsigned u = 0; u < run->load->submitters; u++)
		pthread_join(run->submitter[u].thread, NULL);
}

void submit_free(struct run *run)
{
	for (unsigned u = 0; u < run->load->submitters; u++) {
		struct submitter *s = &run->submitter[u];
		offers_free(s->offers);
		http_client_free(s->http);
		free(s->batch);
		free(s->body);
		pthread_cond_destroy(&s->news);
	}
	free(run->submitter);
}
