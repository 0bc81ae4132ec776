/*
 * timer.c: when to suspect the proposer, and for how long to wait for a new view. Monotonic time only.
 *
 *   Time-outs are the genesis', with what mining may take an honest proposer on top (genesis.h).
 *
 *   T1  something is pending, or a block above the tip is accepted or bound, and nothing was committed in
 * this view for the time-out: suspect; never alone for want of a transaction that the others were not sent:
 *       half-way, what is pending goes to everybody [F9]
 *   T2  nobody suspects a proposer who is held up by the high watermark
 *   T3  the new-view timer starts once Q distinct replicas ask for the view or a later one [F3]; it doubles
 *       with each view that fails, up to the cap; nothing stops it but a commit in that view above the tip at
 *       its entry, or nothing being pending [F10]; then it returns to its base
 *   T4  who is in no view, or silent, sends what is pending to everybody once a time-out: else nobody might
 *       ever hear of a transaction that only its clients know
 */
#include "pbft.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What is pending is judged on the executed state, so a replica that lags behind its tip cannot judge [F9].
 */
static bool waiting(const struct engine *e)
{
	if ((e->pending || e->unfair) && e->executed.n == e->tip.n)
		return true;
	for (unsigned i = 0; i < e->params->window; i++)
		if (e->slots[i].height.n > e->tip.n && e->slots[i].cur)
			return true;
	return false;
}

void timer_progress(struct engine *e, struct qview view, struct qheight height)
{
	if (!e->active || view.n != e->entered.n || height.n <= e->progress.n)
		return;
	e->progress = height;
	e->timeout_ms = e->g->timeout_ms;
	e->timer_ms = 0;
	e->resent = false;
}

void suspect(struct engine *e)
{
	if (e->active && e->n > 1)
		pbft_ask(e, qview_of(e->entered.n + 1));
}

static void changing(struct engine *e)
{
	if (e->timer_ms != 0) {
		if (e->now_ms >= e->timer_ms)
			pbft_ask(e, qview_of(e->asked.n + 1));
		return;
	}
	unsigned cnt = 0;
	for (unsigned i = 0; i < e->n; i++)
		cnt += e->peers[i].asked.n >= e->asked.n;
	if (cnt >= e->q) /* T3 */
		e->timer_ms = e->now_ms + e->timeout_ms;
}

static void active(struct engine *e)
{
	bool watermark = e->tip.n + 1 > e->stable.n + 2 * (uint64_t)e->params->checkpoint_interval;
	if (!waiting(e) || watermark || e->n == 1) { /* T2 */
		e->timer_ms = 0;
		e->resent = false;
	} else if (e->unfair) {
		suspect(e);
	} else if (e->timer_ms == 0) {
		e->timer_ms = e->now_ms + (e->timeout_ms + 1) / 2;
	} else if (e->now_ms >= e->timer_ms && !e->resent) { /* T1 */
		e->resent = true;
		e->timer_ms = e->now_ms + (e->timeout_ms + 1) / 2;
		emit(e, OUT_RESEND_PENDING);
	} else if (e->now_ms >= e->timer_ms) {
		suspect(e);
	}
}

static void resend(struct engine *e) /* T4 */
{
	if ((e->active && may_speak(e)) || !e->pending)
		e->resend_ms = 0;
	else if (e->resend_ms == 0)
		e->resend_ms = e->now_ms + e->g->timeout_ms;
	else if (e->now_ms >= e->resend_ms) {
		e->resend_ms = e->now_ms + e->g->timeout_ms;
		emit(e, OUT_RESEND_PENDING);
	}
}

void pbft_timer(struct engine *e)
{
	if (e->halted)
		return;
	if (!may_speak(e))
		e->timer_ms = 0; /* it can suspect nobody: let it not be woken for that */
	else if (e->active)
		active(e);
	else
		changing(e);
	resend(e);
	/* What was lost must be found before a time-out mistakes it for a faulty proposer. */
	bool busy = !e->active || waiting(e) || e->executed.n < e->tip.n;
	uint64_t interval = busy ? smaller(e->g->timeout_ms / 4, PBFT_STATUS_MS) : PBFT_STATUS_MS;
	if (e->now_ms >= e->status_ms) {
		e->status_ms = e->now_ms + interval;
		pbft_status_send(e);
	}
	e->status_ms = smaller(e->status_ms, e->now_ms + interval);
	pbft_catch_up(e, e->chain_peer + 1); /* ST4: in turn: a liar may say much */
}
