/*
 * ends.c: more than f replicas lie: nothing can be saved but the proof.  Whoever sees that two certified
 * blocks do not lie on one chain keeps both certificates, and stops.
 * Links: scenario_world
 */
#include "world.h"

/* The traitors 0 and 1 have the chain a certified by 2, the chain b by 3; each by one certificate, of its
 * end. */
static struct world *two_chains(const struct wblock *a[], uint64_t a_height, const struct wblock *b[],
                                uint64_t b_height, bool hold_execute)
{
	const struct {
		const struct wblock **chain;
		uint64_t height;
		unsigned to;
	} sides[] = {{a, a_height, 2}, {b, b_height, 3}};
	struct world *w = world_new(4, ONLY(0) | ONLY(1));
	w->expect_halt = true;
	world_rule(w, DROP, ONLY(2) | ONLY(3), ONLY(2) | ONLY(3), EVERY_KIND, 0);
	for (int s = 0; s < 2; s++) {
		struct qhash parent = w->g.chain;
		w->r[sides[s].to].hold_execute = hold_execute;
		for (uint64_t h = 1; h <= sides[s].height; h++) {
			const struct wblock *made = sides[s].chain[h - 1] = traitor_block(w, 0, h, &parent);
			traitor_propose(w, 0, 0, made, ONLY(sides[s].to));
			traitor_vote(w, 1, QPREPARE, 0, made, ONLY(sides[s].to));
			parent = made->hash;
		}
		world_settle(w);
		for (unsigned i = 0; i < 2; i++)
			traitor_vote(w, i, QCOMMIT, 0, sides[s].chain[sides[s].height - 1],
			             ONLY(sides[s].to));
		world_settle(w);
		assert_int_equal(world_status(w, sides[s].to).tip.n, sides[s].height);
	}
	return w;
}

/* A certificate, with the headers of so many blocks up to it. */
static void show(struct world *w, const struct wblock *const chain[], uint64_t height, uint64_t headers,
                 unsigned to)
{
	struct qmessage m = {.kind = QCHAIN};
	struct qheader list[4];
	for (uint64_t k = 0; k < headers; k++)
		list[k] = chain[height - headers + k]->header;
	m.qmessage_u.chain.headers.headers_len = (u_int)headers;
	m.qmessage_u.chain.headers.headers_val = list;
	assert_true(traitor_cert(w, QCOMMIT, 0, chain[height - 1], &m.qmessage_u.chain.cert));
	traitor_message(w, 0, &m, ONLY(to));
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
	world_settle(w);
}

static void stopped_with_proof(struct world *w, unsigned i)
{
	unsigned kept = 0;
	assert_int_equal(w->r[i].halts, 1);
	assert_int_equal(w->r[i].forks, 1);
	for (size_t k = 0; k < w->r[i].disk.journal_cnt; k++) {
		struct qjournal j;
		const struct bytes *b = &w->r[i].disk.journal[k];
		assert_true(wire_decode(WIRE(qjournal), b->data, b->len, &j));
		kept += j.kind == QJ_EVIDENCE && j.qjournal_u.evidence.kind == QEV_FORK;
		wire_free(WIRE(qjournal), &j);
	}
	assert_int_equal(kept, 1);
	uint64_t said = w->r[i].said;
	w->pending = ONLY(i);
	world_run(w, 5000);
	assert_int_equal(w->r[i].said, said);
}

/* CE2 */
static void two_certificates_at_one_height_stop_whoever_sees_both_and_are_kept(void **state)
{
	const struct wblock *a[1], *b[1];
	(void)state;
	struct world *w = two_chains(a, 1, b, 1, false);
	assert_ptr_equal(world_executed(w, 2, 1), a[0]);
	assert_ptr_equal(world_executed(w, 3, 1), b[0]);
	world_say(w, "-- each is shown the other one's certificate");
	show(w, b, 1, 0, 2);
	show(w, a, 1, 1, 3);
	stopped_with_proof(w, 2);
	stopped_with_proof(w, 3);
	world_end(w, __func__);
}

/*
 * CE2: 2 has a up to height 3, executed or not, and is shown b up to a lower height, the same, or a higher
 * one, with all headers or none.  Below what is executed nothing is compared; above the tip only headers
 * tell.
 */
static void certified_blocks_on_two_chains_stop_whoever_sees_it_and_are_kept(void **state)
{
	const struct wblock *a[3], *b[4];
	(void)state;
	for (unsigned executed = 0; executed < 2; executed++)
		for (uint64_t height = executed ? 3 : 1; height <= 4; height++)
			for (uint64_t headers = height == 4; headers <= height; headers++) {
				struct world *w = two_chains(a, 3, b, height, !executed);
				show(w, b, height, headers, 2);
				stopped_with_proof(w, 2);
				world_free(w);
			}
}

/* CE2: a header may come after its certificate. */
static void a_certificate_above_the_tip_is_judged_when_its_headers_are_here(void **state)
{
	const struct wblock *a[2], *b[4];
	(void)state;
	struct world *w = two_chains(a, 2, b, 4, false);
	show(w, b, 4, 0, 2);
	assert_int_equal(world_status(w, 2).tip.n, 4);
	assert_int_equal(w->r[2].halts, 0);
	world_say(w, "-- the headers");
	show(w, b, 4, 2, 2);
	stopped_with_proof(w, 2);
	world_end(w, __func__);
}

/* CE2: there need be no certificate that it contradicts. */
static void a_certified_chain_on_another_genesis_stops_whoever_sees_it(void **state)
{
	struct world *w = world_new(4, ONLY(0) | ONLY(1) | ONLY(3));
	const struct wblock *a[2];
	(void)state;
	w->expect_halt = true;
	struct qhash other = w->g.chain;
	other.b[0] ^= 1;
	a[0] = traitor_block(w, 0, 1, &other);
	a[1] = traitor_block(w, 0, 2, &a[0]->hash);
	show(w, a, 2, 2, 2);
	stopped_with_proof(w, 2);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_certificates_at_one_height_stop_whoever_sees_both_and_are_kept),
	    cmocka_unit_test(certified_blocks_on_two_chains_stop_whoever_sees_it_and_are_kept),
	    cmocka_unit_test(a_certificate_above_the_tip_is_judged_when_its_headers_are_here),
	    cmocka_unit_test(a_certified_chain_on_another_genesis_stops_whoever_sees_it),
	};
	return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
