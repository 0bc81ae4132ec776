/*
 * bench_pace.c: when payments are due, and which ones are handed in next.
 */
#include "bench_pace.h"

#include <math.h>
#include <stdlib.h>

#include "err.h"

/* ---- when ------------------------------------------------------------------------------------- */

uint64_t pace_due_us(double rate, uint64_t i)
{
	return (uint64_t)ceil((double)i * 1e6 / rate);
}

uint64_t pace_due_cnt(double rate, uint64_t us)
{
	uint64_t cnt = (uint64_t)((double)us * rate / 1e6) + 1;
	/* Rounding may be off by one: what pace_due_us() says holds. */
	while (cnt > 0 && pace_due_us(rate, cnt - 1) > us)
		cnt--;
	while (pace_due_us(rate, cnt) <= us)
		cnt++;
	return cnt;
}

uint64_t pace_share(uint64_t cnt, unsigned u, unsigned submitters)
{
	return cnt > u ? (cnt - u - 1) / submitters + 1 : 0;
}

/* ---- which ------------------------------------------------------------------------------------ */

/* First in, first out; an account is in at most one, so `accounts` places suffice. */
struct queue {
	uint32_t first, cnt;
	struct entry {
		uint32_t account;
		uint64_t at_us;
	} * entry;
};

struct offers {
	uint32_t accounts, cnt, fresh;
	uint32_t in_requests, dead;
	uint32_t *next;             /* of each account: place of its payment to offer next */
	bool *held;                 /* is that one in a request or in a queue, or is the account dead? */
	struct queue behind, again; /* accounts whose next one is due since long; was refused */
};

static void push(struct offers *o, struct queue *q, uint32_t account, uint64_t at_us)
{
	must(q->cnt < o->accounts);
	q->entry[(q->first + q->cnt++) % o->accounts] = (struct entry){account, at_us};
}

static uint32_t pop(struct offers *o, struct queue *q)
{
	uint32_t account = q->entry[q->first].account;
	q->first = (q->first + 1) % o->accounts;
	q->cnt--;
	return account;
}

struct offers *offers_new(uint32_t accounts, uint32_t cnt)
{
	must(accounts > 0);
	struct offers *o = xcalloc(1, sizeof *o);
	o->accounts = accounts;
	o->cnt = cnt;
	o->next = xcalloc(accounts, sizeof *o->next);
	o->held = xcalloc(accounts, sizeof *o->held);
	o->behind.entry = xcalloc(accounts, sizeof(struct entry));
	o->again.entry = xcalloc(accounts, sizeof(struct entry));
	return o;
}

void offers_free(struct offers *o)
{
	if (o == NULL)
		return;
	free(o->next);
	free(o->held);
	free(o->behind.entry);
	free(o->again.entry);
	free(o);
}

static uint32_t next_of(const struct offers *o, uint32_t account)
{
	return o->next[account] * o->accounts + account;
}

size_t offers_take(struct offers *o, uint32_t due, uint64_t now_us, size_t max, uint32_t *out)
{
	size_t got = 0;
	while (got < max && o->again.cnt > 0 && o->again.entry[o->again.first].at_us <= now_us)
		out[got++] = next_of(o, pop(o, &o->again));
	while (got < max && o->behind.cnt > 0)
		out[got++] = next_of(o, pop(o, &o->behind));
	for (; got < max && o->fresh < due && o->fresh < o->cnt; o->fresh++) {
		uint32_t account = o->fresh % o->accounts;
		if (o->held[account])
			continue; /* it will be behind */
		o->held[account] = true;
		out[got++] = o->fresh;
	}
	o->in_requests += (uint32_t)got;
	return got;
}

void offers_answer(struct offers *o, uint32_t payment, enum offers_answer answer, uint64_t again_us)
{
	uint32_t account = payment % o->accounts;
	must(o->held[account] && next_of(o, account) == payment && o->in_requests > 0);
	o->in_requests--;
	switch (answer) {
	case OFFERS_ACCEPTED:
		o->next[account]++;
		if (next_of(o, account) < o->fresh)
			push(o, &o->behind, account, 0);
		else
			o->held[account] = false;
		break;
	case OFFERS_REFUSED:
		push(o, &o->again, account, again_us);
		break;
	case OFFERS_DEAD:
		o->dead++;
		break;
	}
}

bool offers_done(const struct offers *o, uint32_t due)
{
	return o->in_requests == 0 && o->again.cnt == 0 && o->behind.cnt == 0 &&
	       (o->fresh >= due || o->fresh >= o->cnt || o->dead == o->accounts);
}

uint32_t offers_fresh(const struct offers *o)
{
	return o->fresh;
}

uint64_t offers_again_us(const struct offers *o)
{
	if (o->behind.cnt > 0)
		return 0;
	return o->again.cnt > 0 ? o->again.entry[o->again.first].at_us : UINT64_MAX;
}
