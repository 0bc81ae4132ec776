/*
 * shrink.c: delta debugging over what makes up a run.
 *
 * The steps, most promising first; each keeps what it gained:
 *   1  all that the seed chose is written down, so that it can be changed
 *   2  fewer replicas, no seals, no stake; then the storm ends with the violation; else it is halved while
 * that still fails 3  whole classes of faults; then single behaviours 4  strikes, by ddmin: halves, quarters
 * ... single ones 5  the storm once more
 */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include "sweep.h"

struct shrinking {
	const struct shrink_options *how;
	const struct sim_result *failure; /* as it was first */
	struct shrunk *best;
	uint64_t begun_ms;
};

/* ---- trying a candidate ------------------------------------------------------------------------- */

/* What a process wrote as it died holds numbers that differ from run to run; lines of source do not move. */
static bool same_text(const char *a, const char *b)
{
	static const char digits[] = "0123456789abcdefx";

	for (;;) {
		if (strncmp(a, "0x", 2) == 0 && strncmp(b, "0x", 2) == 0) {
			a += strspn(a, digits);
			b += strspn(b, digits);
		}
		if (strncmp(a, "==", 2) == 0 && strncmp(b, "==", 2) == 0) { /* ==PID== of a sanitizer */
			a += 2 + strspn(a + 2, "0123456789");
			b += 2 + strspn(b + 2, "0123456789");
		}
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
		a++;
		b++;
	}
}

bool shrink_same(const struct sim_result *a, const struct sim_result *b)
{
	size_t len = strcspn(a->violation, ":");

	if (!a->violations || !b->violations)
		return false;
	if (strncmp(a->violation, "process died", 12) == 0)
		return same_text(a->violation, b->violation);
	return strcspn(b->violation, ":") == len && memcmp(a->violation, b->violation, len) == 0;
}

static bool time_is_up(const struct shrinking *s)
{
	return s->best->runs >= s->how->runs_max ||
	       (s->how->wall_ms && sweep_clock_ms() - s->begun_ms >= s->how->wall_ms);
}

static uint64_t excluded_below(const struct sim_options *o, uint64_t strikes)
{
	uint64_t cnt = 0;

	for (size_t i = 0; i < o->without_cnt && o->without[i].first <= strikes; i++) {
		uint64_t last = o->without[i].last < strikes ? o->without[i].last : strikes;
		cnt += last - o->without[i].first + 1;
	}
	return cnt;
}

static void take_over(struct shrinking *s, const struct sim_options *o, struct sim_result *r)
{
	struct shrunk *best = s->best;
	struct sim_range *copy = NULL;

	if (o->without_cnt > 0)
		copy = xmemdup(o->without, o->without_cnt * sizeof *copy);
	free((void *)best->o.without);
	free(best->result.states);
	best->o = *o;
	best->o.without = copy;
	best->result = *r;
	best->strikes = r->strikes - excluded_below(o, r->strikes);
	if (s->how->progress)
		s->how->progress(s->how->ctx, &best->o, best->runs);
}

/* Runs it; where it fails in the same way it is the best now. */
static bool try(struct shrinking *s, const struct sim_options *o)
{
	struct sim_result r;

	if (time_is_up(s))
		return false;
	s->best->runs++;
	s->how->run(s->how->ctx, o, &r);
	if (shrink_same(s->failure, &r)) {
		take_over(s, o, &r);
		return true;
	}
	free(r.states);
	return false;
}

/* ---- steps ------------------------------------------------------------------------------------------ */

static void write_down(struct shrinking *s)
{
	struct sim_options o = s->best->o;
	const struct sim_result *r = &s->best->result;

	if (r->n == 0) /* it died before it chose */
		return;
	o.n = r->n;
	o.storm_ms = r->storm_ms;
	o.faults = (int64_t)r->faults;
	o.behaviours = r->behaviours;
	o.seal = r->seal;
	o.proposer = r->proposer;
	o.real_crypto = r->real_crypto;
	try(s, &o);
}

static void fewer_replicas(struct shrinking *s)
{
	struct sim_options o = s->best->o;

	o.n = 4;
	if (s->best->o.n > 4 && !try(s, &o)) {
		o.n = 7;
		if (s->best->o.n > 7)
			try(s, &o);
	}
}

static void plainer_chain(struct shrinking *s)
{
	struct sim_options o = s->best->o;

	o.seal = SIM_SEAL_NONE;
	if (s->best->o.seal != o.seal)
		try(s, &o);
	o = s->best->o;
	o.proposer = SIM_PROPOSER_PRIMARY;
	if (s->best->o.proposer != o.proposer)
		try(s, &o);
}

static void no_calm(struct shrinking *s)
{
	struct sim_options o = s->best->o;

	o.unchecked_calm = true;
	if (!s->best->o.unchecked_calm)
		try(s, &o);
}

static void shorter_storm(struct shrinking *s)
{
	struct sim_options o = s->best->o;
	uint64_t end_ms = s->best->result.virtual_ms + 1, cut;

	if (end_ms > 1 && end_ms < o.storm_ms) {
		o.storm_ms = end_ms;
		try(s, &o);
	}
	/* A third off, a sixth, a twelfth: what fails needs some storm at least. */
	for (cut = 3; cut <= 12; cut *= 2)
		do {
			o = s->best->o;
			o.storm_ms -= o.storm_ms / cut;
		} while (o.storm_ms > 10 && o.storm_ms < s->best->o.storm_ms && try(s, &o));
}

static void fewer_faults(struct shrinking *s)
{
	struct sim_options o = s->best->o;

	o.faults = 0;
	if (s->best->o.faults <= 0 || try(s, &o))
		return;
	for (unsigned back = FAULT_CNT; back > 0; back--) { /* traitors and clients first */
		o = s->best->o;
		if (o.faults >> (back - 1) & 1) {
			o.faults &= ~(INT64_C(1) << (back - 1));
			try(s, &o);
		}
	}
}

static void fewer_behaviours(struct shrinking *s)
{
	if (s->best->o.faults < 0 || !(s->best->o.faults >> FAULT_TRAITOR & 1))
		return;
	for (unsigned b = 0; b < SIM_SET_MAX; b++) { /* one alone, then without each */
		struct sim_options o = s->best->o;
		o.behaviours = sim_set_of(b);
		if ((s->best->o.behaviours & o.behaviours) && s->best->o.behaviours != o.behaviours &&
		    try(s, &o))
			return;
	}
	for (unsigned b = 0; b < SIM_SET_MAX; b++) {
		struct sim_options o = s->best->o;
		o.behaviours &= ~sim_set_of(b);
		if (o.behaviours && o.behaviours != s->best->o.behaviours)
			try(s, &o);
	}
}

/* ---- ddmin over strikes ------------------------------------------------------------------------------- */

static bool is_without(const struct sim_options *o, uint64_t strike)
{
	for (size_t i = 0; i < o->without_cnt; i++)
		if (o->without[i].first <= strike && strike <= o->without[i].last)
			return true;
	return false;
}

/* The ranges of o, and strikes first to last. Fresh; *cnt of them. */
static struct sim_range *ranges_with(const struct sim_options *o, struct sim_range more, size_t *cnt)
{
	struct sim_range *all = xcalloc(o->without_cnt + 1, sizeof *all);
	size_t at = 0;

	*cnt = 0;
	while (at < o->without_cnt && o->without[at].last + 1 < more.first)
		all[(*cnt)++] = o->without[at++];
	for (; at < o->without_cnt && o->without[at].first <= more.last + 1; at++) { /* they touch */
		more.first = o->without[at].first < more.first ? o->without[at].first : more.first;
		more.last = o->without[at].last > more.last ? o->without[at].last : more.last;
	}
	all[(*cnt)++] = more;
	while (at < o->without_cnt)
		all[(*cnt)++] = o->without[at++];
	return all;
}

static bool try_without(struct shrinking *s, uint64_t first, uint64_t last)
{
	struct sim_options o = s->best->o;
	size_t cnt;
	struct sim_range *ranges = ranges_with(&s->best->o, (struct sim_range){first, last}, &cnt);
	bool better;

	o.without = ranges;
	o.without_cnt = cnt;
	better = try(s, &o);
	free(ranges);
	return better;
}

/* All strikes in pieces of this size, the last ones first: what comes late matters least. */
static bool try_pieces(struct shrinking *s, uint64_t size)
{
	bool better = false;

	for (uint64_t last = s->best->result.strikes; last > 0 && !time_is_up(s);) {
		uint64_t first = last > size ? last - size + 1 : 1, at = first;

		while (at <= last && is_without(&s->best->o, at))
			at++;
		if (at <= last && try_without(s, first, last))
			better = true;
		last = first - 1;
		if (last > s->best->result.strikes)
			last = s->best->result.strikes;
	}
	return better;
}

static void fewer_strikes(struct shrinking *s)
{
	if (s->best->result.strikes == 0 || try_without(s, 1, s->best->result.strikes))
		return;
	for (uint64_t size = (s->best->result.strikes + 1) / 2; size > 1; size = (size + 1) / 2)
		try_pieces(s, size);
	while (try_pieces(s, 1) && !time_is_up(s))
		; /* what could not go may go now */
}

/* ---- all of it ------------------------------------------------------------------------------------------
 */

void shrink(const struct shrink_options *how, const struct sim_options *failing, const struct sim_result *r,
            struct shrunk *out)
{
	struct shrinking s = {.how = how, .failure = r, .best = out, .begun_ms = sweep_clock_ms()};
	struct sim_options o = *failing;

	*out = (struct shrunk){0};
	o.trace = NULL;
	out->reproduced = try(&s, &o);
	if (!out->reproduced)
		return;
	write_down(&s);
	fewer_replicas(&s);
	plainer_chain(&s);
	no_calm(&s);
	shorter_storm(&s);
	fewer_faults(&s);
	fewer_behaviours(&s);
	fewer_strikes(&s);
	shorter_storm(&s);
}

void shrunk_free(struct shrunk *s)
{
	free((void *)s->o.without);
	free(s->result.states);
	*s = (struct shrunk){0};
}
