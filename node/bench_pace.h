/*
 * bench_pace.h: when payments are due, and which ones are handed in next. Pure: the caller tells the time.
 *
 * The payments of a submitter are numbered.  Number k is account k % accounts' payment k / accounts, and
 * spends that account's one before, so they must be accepted in this order:
 *
 *              offers_take                    offers_answer
 *     (due) -----------------> in a request ------------------> accepted
 *                                   |  ^
 *                          refused  |  |  offers_take, no earlier than it was told
 *                                   v  |
 *                                  waiting
 *
 * An account has at most one payment in a request or waiting; its later ones come after it, at once where
 * they are due already.
 */
#ifndef QUORATE_BENCH_PACE_H
#define QUORATE_BENCH_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- when ------------------------------------------------------------------------------------- */

/* Of `rate` payments a second, evenly spread: when number i is due, in us after the first. */
uint64_t pace_due_us(double rate, uint64_t i);
/* How many are due `us` after the first was. */
uint64_t pace_due_cnt(double rate, uint64_t us);
/* How many of the first `cnt` are those of submitter `u`, who has number u and every submitters-th after it.
 */
uint64_t pace_share(uint64_t cnt, unsigned u, unsigned submitters);

/* ---- which ------------------------------------------------------------------------------------ */

struct offers;
struct offers *offers_new(uint32_t accounts, uint32_t cnt);
void offers_free(struct offers *o);

/* Of the first `due` payments up to `max` that are to be handed in now, in this order: those that were
 * refused and may be offered again, then those of accounts that fell behind, then new ones. */
size_t offers_take(struct offers *o, uint32_t due, uint64_t now_us, size_t max, uint32_t *out);

enum offers_answer {
	OFFERS_ACCEPTED,
	OFFERS_REFUSED, /* for the time being: again from again_us on */
	OFFERS_DEAD,    /* for good: nothing of this account is offered any more */
};
/* For each that was taken, once. Times of `again_us` do not descend. */
void offers_answer(struct offers *o, uint32_t payment, enum offers_answer answer, uint64_t again_us);

/* Is there nothing of the first `due` left to be taken, now or later? */
bool offers_done(const struct offers *o, uint32_t due);
/* Payments considered so far: no payment from here on was ever taken. */
uint32_t offers_fresh(const struct offers *o);
/* When the first one that was refused may be taken; UINT64_MAX: there is none; 0: one that fell behind. */
uint64_t offers_again_us(const struct offers *o);

#endif
