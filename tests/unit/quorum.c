/*
 * quorum.c: counting votes, against the dumbest way to count, for all cases of a small world; quorums of
 * every size of chain; and the start of a new view against a second implementation.
 * Links: q_consensus
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "genesis.h"
#include "ident.h"
#include "pbft.h"

/* ---- votes ------------------------------------------------------------------------- */

#define ALPHABET 4 /* nothing, or a vote: (view 1, a), (view 1, b), (view 2, a) */

static const uint64_t view_of[ALPHABET] = {0, 1, 1, 2};
static const uint8_t block_of[ALPHABET] = {0, 'a', 'b', 'a'};

static struct qhash letter(uint8_t c)
{
	return (struct qhash){.b = {[0] = c}};
}

/* Every assignment of votes to n replicas; the tally of each vote is counted by hand. */
static void tally_all(unsigned n)
{
	static const struct qsig sig;
	uint64_t cases = 1;
	for (unsigned i = 0; i < n; i++)
		cases *= ALPHABET;
	for (uint64_t c = 0; c < cases; c++) {
		struct vote votes[8] = {0};
		unsigned count[ALPHABET] = {0};
		uint64_t rest = c;
		for (unsigned i = 0; i < n; i++, rest /= ALPHABET) {
			unsigned what = (unsigned)(rest % ALPHABET);
			struct qhash block = letter(block_of[what]);
			count[what]++;
			if (what)
				assert_int_equal(vote_note(&votes[i], qview_of(view_of[what]), &block, &sig),
				                 VOTE_NEW);
		}
		for (unsigned what = 1; what < ALPHABET; what++) {
			struct qhash block = letter(block_of[what]);
			assert_int_equal(vote_tally(votes, n, qview_of(view_of[what]), &block), count[what]);
		}
	}
}

static void a_tally_counts_each_replica_once(void **state)
{
	(void)state;
	tally_all(4);
	tally_all(7);
}

/* V1: every sequence of three votes of one replica: the highest view counts, of one view the first. */
static void of_one_replica_the_vote_of_the_highest_view_counts(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 27; c++) {
		unsigned said[3] = {1 + c % 3, 1 + c / 3 % 3, 1 + c / 9};
		struct vote v = {0};
		unsigned best = 0;
		for (unsigned k = 0; k < 3; k++) {
			struct qhash block = letter(block_of[said[k]]);
			struct qsig sig = {.b = {[0] = (uint8_t)(k + 1)}};
			enum vote_noted want = best == 0 || view_of[said[k]] > view_of[best] ? VOTE_NEW
			                       : view_of[said[k]] < view_of[best]            ? VOTE_PAST
			                       : block_of[said[k]] == block_of[best]         ? VOTE_KNOWN
			                                                                     : VOTE_CONFLICT;
			assert_int_equal(vote_note(&v, qview_of(view_of[said[k]]), &block, &sig), want);
			if (want == VOTE_NEW) {
				best = said[k];
				assert_int_equal(v.sig.b[0], k + 1);
			}
			assert_int_equal(v.view.n, view_of[best]);
			assert_int_equal(v.block.b[0], block_of[best]);
		}
	}
}

/* The greatest w of all numbers such that k values are at least w. */
static uint64_t dumb_kth(const uint64_t *values, unsigned cnt, unsigned k)
{
	for (uint64_t w = 10; w > 0; w--) {
		unsigned reach = 0;
		for (unsigned i = 0; i < cnt; i++)
			reach += values[i] >= w;
		if (reach >= k)
			return w;
	}
	return 0;
}

static void the_kth_greatest_is_what_k_values_reach(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 7; n++) {
		uint64_t cases = 1;
		for (unsigned i = 0; i < n; i++)
			cases *= 5;
		for (uint64_t c = 0; c < cases; c++) {
			uint64_t values[7], rest = c;
			for (unsigned i = 0; i < n; i++, rest /= 5)
				values[i] = rest % 5;
			for (unsigned k = 1; k <= n + 1; k++)
				assert_int_equal(kth_greatest(values, n, k), dumb_kth(values, n, k));
		}
	}
	uint64_t huge[4] = {UINT64_MAX, 3, UINT64_MAX - 1, 0};
	assert_int_equal(kth_greatest(huge, 4, 1), UINT64_MAX);
	assert_int_equal(kth_greatest(huge, 4, 2), UINT64_MAX - 1);
	assert_int_equal(kth_greatest(huge, 4, 3), 3);
}

/* ---- sizes of quorums ----------------------------------------------------------------- */

static void make_genesis(struct genesis *g, unsigned n, unsigned window)
{
	struct qgenesis *q = &g->g;
	struct err err = {0};
	char text[64];
	memset(g, 0, sizeof *g);
	assert_true(crypto_init(&err));
	q->format = 1;
	q->name = xstrdup("quorums");
	q->time_ms = 1700000000000;
	q->params = genesis_default_params();
	q->params.window = window;
	q->params.checkpoint_interval = 4;
	q->replicas.replicas_len = n;
	q->replicas.replicas_val = xcalloc(n, sizeof *q->replicas.replicas_val);
	for (unsigned i = 0; i < n; i++) {
		uint8_t seed[32] = {[0] = (uint8_t)(i + 1)};
		struct ident *id = ident_from_seed(seed);
		q->replicas.replicas_val[i].key = ident_key(id);
		ident_free(id);
		snprintf(text, sizeof text, "replica-%u", i);
		q->replicas.replicas_val[i].name = xstrdup(text);
		snprintf(text, sizeof text, "tcp://127.0.0.1:%u", 7000 + i);
		q->replicas.replicas_val[i].address = xstrdup(text);
	}
	q->allocations.allocations_len = 1;
	q->allocations.allocations_val = xcalloc(1, sizeof(struct qoutput));
	q->allocations.allocations_val[0].amount = 1;
	if (!genesis_finish(g, &err))
		fail_msg("%s", err.text);
}

/* Two quorums share at least 2Q - n replicas: an honest one among them. And Q are left when f are silent. */
static void any_two_quorums_share_an_honest_replica(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 64; n++) {
		struct genesis g;
		if (n == 2 || n == 3)
			continue; /* no chain has so few */
		make_genesis(&g, n, 2);
		assert_int_equal(g.f, (n - 1) / 3);
		assert_true(2 * g.quorum >= n + g.f + 1);
		assert_true(g.quorum <= n - g.f);
		assert_true(2 * (g.quorum - 1) < n + g.f + 1); /* and not one more than needed */
		wire_free(WIRE(qgenesis), &g.g);
	}
}

/* ---- S and O of a new view -------------------------------------------------------------- */

#define CHANGES 3
#define HEIGHTS 4 /* above the highest tip */

static uint64_t dice = 1;
static unsigned die(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice >> 11) % sides;
}

/* A random V, without signatures; contradictory on purpose: tips of other chains, gaps, odd parents. */
struct set {
	struct message m[CHANGES], *list[CHANGES];
	struct qcert tip[CHANGES], stable[CHANGES];
	struct qprepared prepared[CHANGES][HEIGHTS];
};

/* The block named `c` at a height. */
static struct qhash named(uint64_t height, unsigned c)
{
	return (struct qhash){.b = {[0] = (uint8_t)height, [1] = (uint8_t)(c + 1)}};
}

static void random_set(const struct genesis *g, struct set *s)
{
	memset(s, 0, sizeof *s);
	for (unsigned i = 0; i < CHANGES; i++) {
		struct qview_change *vc = &s->m[i].m.qmessage_u.view_change;
		uint64_t tip = die(3), stable = die(4) ? 0 : die(4), height = tip;
		s->list[i] = &s->m[i];
		s->m[i].m.kind = QVIEW_CHANGE;
		if (tip) {
			s->tip[i] = (struct qcert){.kind = QCOMMIT};
			s->tip[i].vote = (struct qvote){.height = qheight_of(tip), .block = named(tip, 0)};
			vc->tip.tip_len = 1;
			vc->tip.tip_val = &s->tip[i];
		}
		if (stable) {
			s->stable[i] = (struct qcert){.kind = QCHECKPOINT};
			s->stable[i].vote =
			    (struct qvote){.height = qheight_of(stable), .block = named(stable, 0)};
			vc->stable.stable_len = 1;
			vc->stable.stable_val = &s->stable[i];
		}
		vc->prepared.prepared_val = s->prepared[i];
		while (vc->prepared.prepared_len < HEIGHTS && (height += die(4) ? 1 : 2) <= tip + HEIGHTS &&
		       die(5)) {
			struct qprepared *p = &s->prepared[i][vc->prepared.prepared_len++];
			uint64_t view = die(3);
			unsigned name = (unsigned)(view + height) % 2 && die(8) ? 0 : view ? die(2) : 0;
			p->header.height = qheight_of(height);
			p->header.parent =
			    height == 1 ? g->chain : named(height - 1, die(6) ? name : 1 - name);
			p->cert.kind = QPREPARE;
			p->cert.vote = (struct qvote){.view = qview_of(view), .height = qheight_of(height)};
			p->cert.vote.block = named(height, name);
		}
	}
}

/* The rule read literally: S is the highest proof; then, height by height, the header of the highest view. */
static unsigned naive(const struct genesis *g, const struct set *s, uint64_t *start, struct qhash *start_hash,
                      const struct qprepared *o[HEIGHTS + 4])
{
	const struct qprepared *at[16] = {0};
	struct qhash below;
	unsigned cnt = 0;
	*start = 0;
	*start_hash = g->chain;
	for (unsigned i = 0; i < 2 * CHANGES; i++) {
		const struct qcert *c = i % 2 ? &s->stable[i / 2] : &s->tip[i / 2];
		if (c->vote.height.n > *start) {
			*start = c->vote.height.n;
			*start_hash = c->vote.block;
		}
	}
	for (uint64_t view = 0; view < 3; view++) /* later views overwrite earlier ones */
		for (unsigned i = CHANGES; i-- > 0;)
			for (unsigned k = 0; k < HEIGHTS; k++) {
				const struct qprepared *p = &s->prepared[i][k];
				if (p->header.height.n != 0 && p->cert.vote.view.n == view)
					at[p->header.height.n] = p;
			}
	below = *start_hash;
	for (uint64_t h = *start + 1; h < 16 && at[h] && cnt < g->g.params.window; h++) {
		if (memcmp(&at[h]->header.parent, &below, sizeof below) != 0)
			break;
		below = at[h]->cert.vote.block;
		o[cnt++] = at[h];
	}
	return cnt;
}

static void the_start_of_a_new_view_is_what_the_rule_says(void **state)
{
	struct genesis g;
	unsigned lengths[HEIGHTS + 4] = {0};
	(void)state;
	make_genesis(&g, 4, 3);
	for (unsigned round = 0; round < 200000; round++) {
		struct set s;
		const struct qcert *start;
		const struct qprepared *o[Q_WINDOW_MAX] = {0}, *want[HEIGHTS + 4] = {0};
		struct qhash want_hash;
		uint64_t want_start;
		random_set(&g, &s);
		size_t cnt = new_view_choose(&g, s.list, CHANGES, &start, o);
		unsigned want_cnt = naive(&g, &s, &want_start, &want_hash, want);
		assert_int_equal(start ? start->vote.height.n : 0, want_start);
		if (start)
			assert_memory_equal(&start->vote.block, &want_hash, sizeof want_hash);
		assert_int_equal(cnt, want_cnt);
		for (size_t k = 0; k < cnt; k++)
			assert_memory_equal(&o[k]->cert.vote, &want[k]->cert.vote, sizeof o[k]->cert.vote);
		lengths[cnt]++;
	}
	for (unsigned k = 0; k <= 3; k++)
		assert_true(lengths[k] > 1000); /* the dice show every side */
	wire_free(WIRE(qgenesis), &g.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_tally_counts_each_replica_once),
	    cmocka_unit_test(of_one_replica_the_vote_of_the_highest_view_counts),
	    cmocka_unit_test(the_kth_greatest_is_what_k_values_reach),
	    cmocka_unit_test(any_two_quorums_share_an_honest_replica),
	    cmocka_unit_test(the_start_of_a_new_view_is_what_the_rule_says),
	};
	return cmocka_run_group_tests_name("quorums", tests, NULL, NULL);
}
