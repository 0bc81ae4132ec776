/*
 * checkers.c: each checker of the simulator speaks when it should: a violation of every rule is provoked with
 * forged data, in a world that has no machines that run. (That they are silent when nothing is wrong,
 * thousands of runs show.) Those of seals and stake: checkers_stake.c.
 *
 * Links: q_sim
 */
#include "checkers.h"

static int setup_rules(void **state)
{
	struct qparams p = checkers_params();

	(void)state;
	payments_setup(&rules, N, OUTPUTS, &p);
	return 0;
}

static int teardown_rules(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

/* ---- certificates ---------------------------------------------------------------------------------------
 */

static uint64_t dice = 1;

static uint64_t die(uint64_t sides)
{
	dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (dice >> 33) % sides;
}

static void bend(struct qcert *c)
{
	struct qcert_sig *sigs = c->sigs.sigs_val;
	unsigned cnt = c->sigs.sigs_len, i = (unsigned)die(cnt ? cnt : 1);

	switch (die(12)) {
	case 0:
		c->kind = (enum qkind)die(14);
		break;
	case 1:
		c->vote.view.n += die(3);
		break;
	case 2:
		c->vote.height.n = die(3);
		break;
	case 3:
		c->vote.state.b[die(32)] ^= (uint8_t)die(2);
		break;
	case 4:
		c->vote.block.b[die(32)] ^= 1;
		break;
	case 5:
		sigs[i].replica = (unsigned)die(6);
		break;
	case 6:
		sigs[i].sig.b[die(64)] ^= (uint8_t)(1u << die(8));
		break;
	case 7:
		c->sigs.sigs_len = cnt ? cnt - 1 : 0;
		break;
	case 8:
		if (cnt > 1)
			sigs[i] = sigs[(i + 1) % cnt];
		break;
	default:
		break; /* it stays as it is */
	}
}

static void both_verifiers_say_the_same(void **state)
{
	static const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};
	unsigned held = 0;
	const char *why;

	(void)state;
	for (unsigned k = 0; k < 400; k++) {
		enum qkind kind = kinds[die(3)];
		struct qvote v = {.height = {1 + die(3)}, .block = rules_hash(5)};
		v.view.n = kind == QCHECKPOINT ? 0 : die(3);
		if (kind == QCHECKPOINT)
			v.state = rules_hash(6);
		struct qcert c = rules_cert(&rules, kind, &v, die(16));
		c.sigs.sigs_val = xrealloc(c.sigs.sigs_val, Q_REPLICAS_MAX * sizeof *c.sigs.sigs_val);
		bend(&c);
		bool holds = naive_cert(&rules.g, &c, &why);
		assert_int_equal(cert_verify(&rules.g, &c, NULL), holds);
		held += holds;
		wire_free(WIRE(qcert), &c);
	}
	assert_in_range(held, 20, 350);
}

static void quorums_are_counted(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 64; n++) {
		unsigned f = (n - 1) / 3;
		assert_int_equal(naive_quorum(n), (n + f + 2) / 2);
	}
}

static void a_certificate_relied_on_must_hold(void **state)
{
	struct qhash a = rules_hash(1);
	struct qcert c = cert(QCOMMIT, 0, 1, &a);

	(void)state;
	cert_relied_on(w.s.checks, 0, &c, "ledger");
	assert_whole();
	c.sigs.sigs_len = 2;
	cert_relied_on(w.s.checks, 0, &c, "ledger");
	assert_broken("certificate");
	wire_free(WIRE(qcert), &c);
}

static void two_certified_blocks_at_one_height_are_a_fork(void **state)
{
	struct qhash a, b;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	block_on(1, &rules.g.chain, 2, &b);
	show_chain(QCOMMIT, 0, 1, &a);
	show_chain(QCOMMIT, 3, 1, &a);
	assert_whole();
	show_chain(QCOMMIT, 5, 1, &b);
	assert_broken("agreement");
}

static void a_certified_descendant_settles_its_ancestors(void **state)
{
	struct qhash a, b, bb;
	struct qheader top;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	block_on(1, &rules.g.chain, 2, &b);
	top = rules_header(2, b, rules_hash(3), 1);
	block_hash(&top, &bb);
	show_chain(QCOMMIT, 0, 2, &bb);
	show_chain(QCOMMIT, 0, 1, &a);
	assert_whole(); /* nobody knows yet what bb stands on */
	known_header(w.s.checks, &top);
	assert_broken("agreement");
}

static void certified_headers_are_of_their_heights(void **state)
{
	struct qhash a;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	show_chain(QCOMMIT, 0, 2, &a);
	assert_broken("continuity");
}

static void what_can_be_certified_is_settled(void **state)
{
	struct qhash a, b;

	(void)state;
	w.s.traitors = 1u << 3;
	block_on(1, &rules.g.chain, 1, &a);
	block_on(1, &rules.g.chain, 2, &b);
	for (unsigned i = 0; i < 3; i++)
		vote(i, QPREPARE, 0, 1, &a);
	vote(0, QCOMMIT, 0, 1, &a);
	vote(1, QCOMMIT, 0, 1, &a); /* the traitor's COMMIT is the third: it may show it when it likes */
	assert_whole();
	show_chain(QCOMMIT, 5, 1, &b);
	assert_broken("agreement");
}

static void one_block_is_prepared_at_a_place(void **state)
{
	struct qhash a = rules_hash(1), b = rules_hash(2);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		tally_note(w.s.checks, i, QPREPARE, &(struct qvote){.height = {1}, .block = a});
	assert_whole();
	for (unsigned i = 0; i < 3; i++)
		tally_note(w.s.checks, i, QPREPARE, &(struct qvote){.height = {1}, .block = b});
	assert_broken("prepared");
}

static void a_new_view_carries_on_what_was_certified(void **state)
{
	struct qhash a;
	struct message *nv = new_view(1, NULL);

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	show_chain(QCOMMIT, 0, 1, &a);
	show(nv);
	assert_broken("carried over");
	message_unref(nv);
}

static void what_is_certified_later_is_in_the_new_views_of_before(void **state)
{
	struct qhash a;
	struct message *nv = new_view(2, NULL);

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	show(nv);
	assert_whole();
	show_chain(QCOMMIT, 3, 1, &a); /* of a later view: it need not be there */
	assert_whole();
	show_chain(QCOMMIT, 1, 1, &a);
	assert_broken("carried over");
	message_unref(nv);
}

static void openers_agree(void **state)
{
	struct qhash a = rules_hash(1);
	struct qmessage m = {.kind = QCHAIN};

	(void)state;
	m.qmessage_u.chain.cert = cert(QCOMMIT, 0, 1, &a);
	struct message *made = make(3, &m);
	check_envelope(&w.s, &made->env, OPEN_OK);
	assert_whole();
	check_envelope(&w.s, &made->env, OPEN_BAD_CERTIFICATE);
	assert_broken("opened");
	check_envelope(&w.s, &made->env, OPEN_BAD_SIGNATURE);
	assert_broken("opened");
	made->env.sig.b[0] ^= 1;
	check_envelope(&w.s, &made->env, OPEN_OK);
	assert_broken("opened");
	message_unref(made);
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
}

/* ---- votes
 * ---------------------------------------------------------------------------------------------------- */

static void nobody_signs_twice_at_a_place(void **state)
{
	struct qhash a, b;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	block_on(1, &rules.g.chain, 2, &b);
	vote(0, QPREPARE, 0, 1, &a);
	vote(0, QPREPARE, 0, 1, &a);
	vote(1, QPREPARE, 0, 1, &b);
	assert_whole();
	vote(0, QPREPARE, 0, 1, &b);
	assert_broken("equivocation");
}

static void a_proposal_holds_a_prepare(void **state)
{
	struct qhash a, b;
	struct qheader h;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	h = block_on(1, &rules.g.chain, 2, &b);
	vote(0, QPREPARE, 0, 1, &a);
	say(0, proposal(0, 0, h));
	assert_broken("equivocation");
}

static void a_view_change_is_made_once(void **state)
{
	struct qhash a;
	struct qcert tip;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	tip = cert(QCOMMIT, 0, 1, &a);
	say(0, view_change(0, 1, NULL));
	say(0, view_change(0, 1, NULL));
	assert_whole();
	say(0, view_change(0, 1, &tip));
	assert_broken("equivocation");
	wire_free(WIRE(qcert), &tip);
}

static void nobody_votes_in_a_view_that_he_left(void **state)
{
	struct qhash a;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	say(0, view_change(0, 1, NULL));
	say(0, view_change(0, 2, NULL));
	assert_whole();
	vote(0, QPREPARE, 0, 1, &a);
	assert_broken("view left");
	say(0, view_change(0, 1, NULL));
	assert_broken("view left");
}

static void a_view_change_hides_nothing(void **state)
{
	struct qhash a;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	for (unsigned i = 0; i < 3; i++)
		vote(i, QPREPARE, 0, 1, &a);
	vote(0, QCOMMIT, 0, 1, &a);
	assert_whole();
	say(1, view_change(1, 1, NULL));
	assert_whole();
	say(0, view_change(0, 1, NULL));
	assert_broken("view change");
}

static void nobody_jumps_over_views_alone(void **state)
{
	struct message *one = view_change(1, 3, NULL), *two = view_change(2, 4, NULL);

	(void)state;
	show(one);
	say(0, view_change(0, 3, NULL));
	assert_broken("join");
	show(two);
	say(0, view_change(0, 3, NULL));
	assert_whole();
	message_unref(one);
	message_unref(two);
}

static void nobody_votes_above_the_high_watermark(void **state)
{
	uint64_t high = 2 * (uint64_t)rules.g.g.params.checkpoint_interval;
	struct qhash parent = rules_hash(7), a, b;

	(void)state;
	block_on(high, &parent, 1, &a);
	vote(0, QPREPARE, 0, high, &a);
	assert_whole();
	block_on(high + 1, &a, 2, &b);
	vote(0, QPREPARE, 0, high + 1, &b);
	assert_broken("watermark");
}

static void nobody_votes_for_the_future(void **state)
{
	struct engine *e = &w.engines[0];
	struct slot *slots = xcalloc(e->params->window, sizeof *slots);
	struct slot *slot = &slots[1 % e->params->window];
	struct qhash a;
	struct qheader h = block_on(1, &rules.g.chain, 1, &a);
	struct message *m = proposal(0, 0, h);
	struct pblock block = {.hash = a, .header = h};

	(void)state;
	w.s.faults = 0; /* where clocks are right */
	e->slots = slots;
	slot->proposal = m;
	slot->cur = &block;
	block.header.time_ms = SIM_WALL_MS + w.s.now_ms + e->params->drift_ms + 1;
	vote(0, QPREPARE, 0, 1, &a);
	e->slots = NULL;
	free(slots);
	message_unref(m);
	assert_broken("clock");
}

static void only_the_primary_proposes(void **state)
{
	struct qhash a;
	struct qheader h = block_on(1, &rules.g.chain, 1, &a);

	(void)state;
	say(0, proposal(0, 0, h));
	assert_whole();
	h.proposer = 1;
	say(1, proposal(1, 0, h));
	assert_broken("turn");
}

static void proposals_are_well_formed(void **state)
{
	struct qhash a, b;
	struct qheader h = block_on(1, &rules.g.chain, 1, &a);

	(void)state;
	h.time_ms = 1;
	say(0, proposal(0, 0, h)); /* before the genesis */
	assert_broken("primary");
	h = block_on(1, &rules.g.chain, 2, &b);
	h.tx_count = 2;
	say(0, proposal(0, 4, h));
	assert_broken("primary");
}

static void votes_follow_the_new_view(void **state)
{
	struct qhash a, b, bb;
	struct qcert tip;
	struct message *nv;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	block_on(1, &rules.g.chain, 2, &b);
	block_on(2, &b, 3, &bb);
	vote(0, QPREPARE, 1, 1, &a);
	assert_broken("new view"); /* nobody made one */
	tip = cert(QCOMMIT, 0, 1, &a);
	nv = new_view(1, &tip);
	show(nv);
	assert_whole();
	vote(0, QPREPARE, 1, 1, &a);
	assert_broken("new view"); /* at S */
	vote(0, QPREPARE, 1, 2, &bb);
	assert_broken("new view"); /* does not extend S */
	message_unref(nv);
	wire_free(WIRE(qcert), &tip);
}

static void votes_are_for_blocks_of_their_height(void **state)
{
	struct qhash a, strange = rules_hash(9);

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	vote(0, QPREPARE, 0, 1, &strange);
	assert_broken("block");
	vote(0, QPREPARE, 0, 2, &a);
	assert_broken("block");
}

static void a_commit_needs_everything_below_prepared(void **state)
{
	struct qhash a, aa;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	block_on(2, &a, 2, &aa);
	vote(0, QCOMMIT, 0, 1, &a);
	assert_broken("commit");
	for (unsigned i = 0; i < 3; i++)
		vote(i, QPREPARE, 0, 2, &aa);
	vote(0, QCOMMIT, 0, 2, &aa);
	assert_broken("commit"); /* height 1 is not prepared */
	for (unsigned i = 0; i < 3; i++)
		vote(i, QPREPARE, 0, 1, &a);
	vote(1, QCOMMIT, 0, 2, &aa);
	assert_whole();
	w.engines[2].tip.n = 1;
	w.engines[2].tip_hash = rules_hash(8);
	vote(2, QCOMMIT, 0, 2, &aa);
	assert_broken("commit"); /* not on its tip */
}

static void checkpoints_are_true(void **state)
{
	struct qmessage m = {.kind = QCHECKPOINT};
	struct qvote *v = &m.qmessage_u.vote;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_true(execute_tx(pay_allocation(&rules, i, 9, "")));
	*v = (struct qvote){.height = {4}, .block = w.tip, .state = w.s.checks->chain[4].digest};
	say(0, make(0, &m));
	assert_whole();
	v->state.b[0] ^= 1;
	say(1, make(1, &m));
	assert_broken("checkpoint");
	v->height.n = 3;
	say(2, make(2, &m));
	assert_broken("checkpoint");
}

static void who_lost_his_log_is_silent(void **state)
{
	struct err err = {0};
	struct qhash a;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	w.s.machines[0].spoiled = w.s.machines[0].wiped = true;
	w.s.checks->machines[0].amnesiac = true;
	w.replicas[0].votes =
	    votes_open("/0/votes.db", &rules.g.g.replicas.replicas_val[0].key, DISK_VFS, &err);
	assert_non_null(w.replicas[0].votes);
	vote(0, QPREPARE, 0, 1, &a);
	assert_broken("amnesia");
	assert_true(votes_recovered(w.replicas[0].votes, &err));
	assert_true(votes_commit(w.replicas[0].votes, &err));
	vote(0, QPREPARE, 0, 1, &a);
	assert_broken("amnesia"); /* no stable checkpoint */
	w.engines[0].stable.n = 16;
	vote(0, QPREPARE, 0, 1, &a);
	assert_whole();
	votes_close(w.replicas[0].votes);
}

static void what_is_sent_is_on_disk(void **state)
{
	const struct qreplica_key *key = &rules.g.g.replicas.replicas_val[0].key;
	struct err err = {0};
	struct votes *votes;
	struct qhash a;

	(void)state;
	w.s.o.storm_ms = 1; /* each statement is looked for */
	block_on(1, &rules.g.chain, 1, &a);
	vote(0, QPREPARE, 0, 1, &a);
	assert_broken("durable"); /* there is no log at all */
	assert_true(votes_create("/0/votes.db", key, DISK_VFS, &err));
	votes = votes_open("/0/votes.db", key, DISK_VFS, &err);
	assert_non_null(votes);
	say(0, view_change(0, 1, NULL));
	assert_broken("durable"); /* it is not in the log */

	struct message *vc = view_change(0, 1, NULL);
	struct bytes b = rules_encode(WIRE(qenvelope), &vc->env);
	assert_true(votes_put(
	    votes, &(struct vote_record){.kind = REC_VIEW_CHANGE, .view = {1}, .data = b.data, .len = b.len},
	    &err));
	check_sent(&w.s.machines[0], vc, 0);
	assert_broken("durable"); /* in the log, but not synced */
	assert_true(votes_commit(votes, &err));
	check_sent(&w.s.machines[0], vc, 0);
	assert_whole();
	bytes_free(&b);
	message_unref(vc);
	votes_close(votes);
}

static void votes_are_not_handed_on(void **state)
{
	struct qmessage m = {.kind = QPREPARE};

	(void)state;
	m.qmessage_u.vote = (struct qvote){.height = {1}, .block = rules_hash(1)};
	say(0, make(1, &m));
	assert_broken("relay");
}

/* ---- turns
 * ---------------------------------------------------------------------------------------------------------
 */

static void look(unsigned machine, bool born)
{
	struct err err = {0};
	struct machine *m = &w.s.machines[machine];
	char path[32];

	snprintf(path, sizeof path, "/%u/votes.db", machine);
	if (!w.replicas[machine].votes) {
		assert_true(
		    votes_create(path, &rules.g.g.replicas.replicas_val[machine].key, DISK_VFS, &err));
		w.replicas[machine].votes =
		    votes_open(path, &rules.g.g.replicas.replicas_val[machine].key, DISK_VFS, &err);
	}
	votes_turn(m, &w.s.checks->machines[machine], born);
}

static void nobody_forgets(void **state)
{
	struct engine *e = &w.engines[0];

	(void)state;
	e->asked.n = e->entered.n = 3;
	look(0, true);
	assert_whole();
	e->entered.n = 2;
	look(0, false);
	assert_broken("monotone");
	e->entered.n = 3;
	look(0, false);
	e->asked.n = 2;
	look(0, true);
	assert_broken("restart");
	e->asked.n = 3;
	w.s.checks->machines[0].told = 1;
	look(0, true);
	assert_broken("restart"); /* a client was told of a block that is gone */
	votes_close(w.replicas[0].votes);
}

static void an_honest_replica_is_never_muted(void **state)
{
	(void)state;
	w.engines[0].muted = "for nothing";
	look(0, true);
	assert_broken("mute");
	w.s.machines[0].spoiled = true;
	look(0, false);
	assert_whole();
	votes_close(w.replicas[0].votes);
}

static void nobody_leaves_a_healthy_view(void **state)
{
	(void)state;
	w.engines[0].asked.n = 1;
	look(0, true);
	assert_whole();
	w.s.faults = 1u << FAULT_CLIENT;
	look(0, false);
	assert_broken("view change");
	votes_close(w.replicas[0].votes);
}

static void a_tip_is_certified(void **state)
{
	struct qhash a, b;
	struct engine *e = &w.engines[0];

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	block_on(1, &rules.g.chain, 2, &b);
	e->tip.n = 1;
	e->tip_hash = b;
	e->tip_cert = cert(QCOMMIT, 0, 1, &a);
	look(0, true);
	assert_broken("certificate");
	wire_free(WIRE(qcert), &e->tip_cert);
	votes_close(w.replicas[0].votes);
}

/* ---- the chain
 * ----------------------------------------------------------------------------------------------------------
 */

static void blocks_follow_one_another(void **state)
{
	struct tx *tx = pay_allocation(&rules, 0, 9, "");
	struct qblock b;

	(void)state;
	b = block_with(&tx, 1);
	b.header.parent = rules_hash(3);
	assert_false(execute(&b));
	assert_broken("continuity");
	b = block_with(&tx, 1);
	b.header.height.n = 2;
	assert_false(execute(&b));
	assert_broken("continuity");
	b = block_with(&tx, 1);
	b.header.time_ms = rules.g.g.time_ms;
	assert_false(execute(&b));
	assert_broken("continuity");
	b = block_with(&tx, 1);
	b.header.merkle_root.b[0] ^= 1;
	assert_false(execute(&b));
	assert_broken("continuity");
	b = block_with(&tx, 1);
	b.header.tx_count = 2;
	assert_false(execute(&b));
	assert_broken("continuity");
	assert_true(execute_tx(tx));
	assert_whole();
}

static void an_executed_block_is_the_certified_one(void **state)
{
	struct qhash a;

	(void)state;
	block_on(1, &rules.g.chain, 1, &a);
	show_chain(QCOMMIT, 0, 1, &a);
	assert_false(execute_tx(pay_allocation(&rules, 0, 9, "")));
	assert_broken("agreement");
}

static void transactions_are_executed_once(void **state)
{
	struct tx *twice[2] = {pay_allocation(&rules, 0, 9, ""), NULL};
	struct qblock b;

	(void)state;
	twice[1] = twice[0];
	b = block_with(twice, 2);
	assert_false(execute(&b));
	assert_broken("ledger");
	tx_unref(twice[0]);
	assert_false(execute_tx(pay_allocation(&rules, 0, 8, "another spender of what was just spent")));
	assert_broken("ledger");
}

static struct tx *bad_payment(unsigned which)
{
	struct qoutpoint none = {.tx = {{7}}}, in = allocation(&rules, 1);
	struct payment p = {.from = account_of(1), .to = 9};

	switch (which) {
	case 0: /* spends what never was */
		return pay(&rules, &p, &none, 1);
	case 1: /* makes value */
		p.amount = PAY_AMOUNT + 1;
		break;
	case 2: /* loses value */
		p.amount = PAY_AMOUNT - 1;
		break;
	case 3: /* another's */
		p.from = account_of(2);
		break;
	default: /* expired with the genesis: see below */
		break;
	}
	return pay(&rules, &p, &in, 1);
}

static void transactions_are_valid(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_false(execute_tx(bad_payment(i)));
		assert_broken("ledger");
	}
}

static void signatures_hold(void **state)
{
	struct tx *tx = pay_allocation(&rules, 0, 9, "");
	enum tx_verdict v;

	(void)state;
	struct tx *copy = NULL;
	for (size_t bit = 8 * (tx->raw_len - 40); !copy; bit++) { /* inside the last signature */
		struct bytes raw = {xmemdup(tx->raw, tx->raw_len), tx->raw_len};
		rules_flip(&raw, bit);
		copy = tx_parse(&rules.g.chain, raw.data, raw.len, &v);
		bytes_free(&raw);
	}
	assert_false(execute_tx(copy));
	assert_broken("ledger");
	tx_unref(tx);
}

static void expired_transactions_are_not_executed(void **state)
{
	struct qoutpoint in = allocation(&rules, 1);
	struct payment p = {.from = account_of(1), .to = 9, .expiry = 1};

	(void)state;
	assert_true(execute_tx(pay_allocation(&rules, 0, 9, "")));
	assert_false(execute_tx(pay(&rules, &p, &in, 1)));
	assert_broken("ledger");
}

static void no_value_appears(void **state)
{
	(void)state;
	w.s.checks->supply += 1;
	assert_false(execute_tx(pay_allocation(&rules, 0, 9, "")));
	assert_broken("value");
}

static void certified_checkpoints_are_those_of_the_naive_ledger(void **state)
{
	struct checks *c = w.s.checks;
	struct qvote v = {.height = {1}, .state = rules_hash(4)};

	(void)state;
	chain_checkpoint(c, &v); /* before anybody is there */
	assert_whole();
	assert_false(execute_tx(pay_allocation(&rules, 0, 9, "")));
	assert_broken("checkpoint");
	chain_checkpoint(c, &v);
	assert_broken("checkpoint");
	v.state = c->chain[1].digest;
	chain_checkpoint(c, &v);
	assert_whole();
}

static void the_naive_digest_is_the_ledgers(void **state)
{
	struct state *st = state_new(&rules.g);
	struct qhash theirs;

	(void)state;
	for (unsigned i = 0; i < OUTPUTS; i++)
		state_insert(st, &(struct unspent){.point = allocation(&rules, i),
		                                   .out = rules.g.g.allocations.allocations_val[i]});
	state_digest(st, &theirs);
	assert_true(qhash_eq(&theirs, &w.s.checks->chain[0].digest));
	state_free(st);
}

/* ---- what clients are told
 * ------------------------------------------------------------------------------------------------ */

static void outcomes_are_true(void **state)
{
	struct tx *paid = pay_allocation(&rules, 0, 9, ""), *other = pay_allocation(&rules, 1, 9, "");
	struct machine *m = &w.s.machines[0];

	(void)state;
	w.s.faults = 0;
	m->replica = NULL; /* nothing more to read */
	assert_true(execute_tx(tx_ref(paid)));
	check_outcome(m, &paid->id, TX_FINAL, qheight_of(1), NULL);
	check_submitted(m, &paid->id, TX_FINAL, qheight_of(1));
	assert_whole();
	check_outcome(m, &paid->id, TX_FINAL, qheight_of(2), NULL);
	assert_broken("outcome");
	check_submitted(m, &other->id, TX_FINAL, qheight_of(1));
	assert_broken("outcome");
	check_submitted(m, &paid->id, TX_EXPIRED, qheight_of(0));
	assert_broken("outcome");
	check_submitted(m, &other->id, TX_EXPIRED, qheight_of(0));
	assert_whole();
	assert_false(execute_tx(tx_ref(other))); /* it was told that it never would be */
	assert_broken("ledger");
	tx_unref(paid);
	tx_unref(other);
}

/* ---- bounds
 * ------------------------------------------------------------------------------------------------------------------
 */

static void memory_is_bounded(void **state)
{
	struct replica *r = &w.replicas[0];
	struct state *st = state_new(&rules.g);
	struct watched *x = &w.s.checks->machines[0];

	(void)state;
	r->pool = pool_new(&rules.g, st, 0, qheight_of(0));
	bounds_turn(&w.s.machines[0], x);
	assert_whole();
	struct {
		const char *what;
		size_t *at;
		size_t value;
	} excesses[] = {
	    {"seen", &r->seen_bytes, SEEN_BYTES + 1},
	    {"orphans", &r->peers[1].orphan_cnt, ORPHANS_MAX + 1},
	    {"parcels", &r->parcel_cnt, 1},
	    {"pool", &r->pool->sources[2].cnt, 1 << 20},
	    {"chain", &w.engines[0].chain_cnt, 2 * Q_CHAIN_MAX + 1},
	    {"blocks", &w.engines[0].block_cnt, 1 << 16},
	    {"own votes", &w.engines[0].own_cnt, 1 << 16},
	};
	for (size_t i = 0; i < sizeof excesses / sizeof *excesses; i++) {
		size_t was = *excesses[i].at;
		*excesses[i].at = excesses[i].value;
		bounds_turn(&w.s.machines[0], x);
		assert_broken("bounds");
		*excesses[i].at = was;
	}
	r->dossier.of_replica[1] = 2 * EVIDENCE_REPLICA_MAX + 1;
	bounds_turn(&w.s.machines[0], x);
	assert_broken("bounds");
	pool_free(r->pool);
	state_free(st);
}

static void a_storm_of_messages_ends_the_run(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000000 && !w.s.broken; i++)
		bounds_sent(&w.s.machines[0], &w.s.checks->machines[0]);
	assert_broken("bounds");
	for (unsigned i = 0; i < 1000000 && !w.s.broken; i++)
		bounds_event(w.s.checks);
	assert_broken("bounds");
}

/* ---- stopping
 * ----------------------------------------------------------------------------------------------------------------
 */

static void honest_replicas_stop_for_broken_disks_only(void **state)
{
	struct machine *m = &w.s.machines[0];

	(void)state;
	check_stopped(m, "ledger /0/ledger.db: commit: database or disk is full");
	assert_whole();
	check_stopped(
	    m, "two certificates for different blocks at one height: more than f replicas lie; this stops");
	assert_broken("stopped");
	w.s.faults = 0;
	check_stopped(m, "ledger /0/ledger.db: commit: database or disk is full");
	assert_broken("stopped");
	m->spoiled = m->rotten = true;
	check_stopped(m, "ledger /0/ledger.db: database disk image is malformed");
	assert_whole();
}

/* ---- the audit
 * ------------------------------------------------------------------------------------------------------------------
 */

static void edit(unsigned machine, const char *sql)
{
	char path[32];
	sqlite3 *db;

	snprintf(path, sizeof path, "/%u/ledger.db", machine);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, DISK_VFS), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static struct ledger *ledger_of(unsigned machine)
{
	struct err err = {0};
	char path[32];

	snprintf(path, sizeof path, "/%u/ledger.db", machine);
	struct ledger *l = ledger_open(path, &rules.g, DISK_VFS, &err);
	if (!l)
		fail_msg("%s", err.text);
	w.s.machines[machine].replica = NULL;
	return l;
}

static void edited_rows_are_found(void **state)
{
	static const char *const edits[] = {
	    "UPDATE outputs SET amount = amount + 1 WHERE position = 3",
	    "UPDATE outputs SET owner = x'00' WHERE position = 3",
	    "UPDATE outputs SET spent_by = 0 WHERE position = 3",
	    "DELETE FROM outputs WHERE position = 3",
	    "INSERT INTO journal (seq, kind, entry, link) VALUES (1, 'evidence', x'00', x'00')",
	    "INSERT INTO certificates VALUES (1, 'commit', 0, x'00', x'00')",
	};

	(void)state;
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		disk_wipe(w.s.machines[0].disk);
		ledger_close(ledger_of(0));
		chain_audit(&w.s.machines[0]);
		assert_whole();
		edit(0, edits[i]);
		chain_audit(&w.s.machines[0]);
		assert_broken("rows");
	}
}

/* Two PREPAREs for one place: whose key made them is convicted, and may only be a liar. */
static void evidence_convicts_liars_only(void **state)
{
	struct ledger *l = ledger_of(0);
	struct qjournal j = {.kind = QJ_EVIDENCE};
	struct qmessage m = {.kind = QPREPARE};
	struct message *both[2];
	struct err err = {0};

	(void)state;
	for (uint8_t i = 0; i < 2; i++) {
		m.qmessage_u.vote = (struct qvote){.height = {1}, .block = rules_hash(i)};
		both[i] = make(2, &m);
	}
	j.qjournal_u.evidence.kind = QEV_CONFLICT;
	j.qjournal_u.evidence.qevidence_u.conflict.first = both[0]->env;
	j.qjournal_u.evidence.qevidence_u.conflict.second = both[1]->env;
	assert_true(ledger_journal(l, &j, &err) && ledger_commit(l, &err));
	ledger_close(l);
	w.s.traitors = 1u << 2;
	chain_audit(&w.s.machines[0]);
	assert_whole();
	w.s.traitors = 0;
	chain_audit(&w.s.machines[0]);
	assert_broken("evidence");
	message_unref(both[0]);
	message_unref(both[1]);
}

/* ---- liveness
 * -----------------------------------------------------------------------------------------------------------------------
 */

static void who_does_not_come_back_is_missed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++)
		w.s.machines[i].replica = NULL;
	heal_run(&w.s);
	assert_broken("liveness");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(both_verifiers_say_the_same),
	    T(quorums_are_counted),
	    T(a_certificate_relied_on_must_hold),
	    T(two_certified_blocks_at_one_height_are_a_fork),
	    T(a_certified_descendant_settles_its_ancestors),
	    T(certified_headers_are_of_their_heights),
	    T(what_can_be_certified_is_settled),
	    T(one_block_is_prepared_at_a_place),
	    T(a_new_view_carries_on_what_was_certified),
	    T(what_is_certified_later_is_in_the_new_views_of_before),
	    T(openers_agree),
	    T(nobody_signs_twice_at_a_place),
	    T(a_proposal_holds_a_prepare),
	    T(a_view_change_is_made_once),
	    T(nobody_votes_in_a_view_that_he_left),
	    T(a_view_change_hides_nothing),
	    T(nobody_jumps_over_views_alone),
	    T(nobody_votes_above_the_high_watermark),
	    T(nobody_votes_for_the_future),
	    T(only_the_primary_proposes),
	    T(proposals_are_well_formed),
	    T(votes_follow_the_new_view),
	    T(votes_are_for_blocks_of_their_height),
	    T(a_commit_needs_everything_below_prepared),
	    T(checkpoints_are_true),
	    T(who_lost_his_log_is_silent),
	    T(what_is_sent_is_on_disk),
	    T(votes_are_not_handed_on),
	    T(nobody_forgets),
	    T(an_honest_replica_is_never_muted),
	    T(nobody_leaves_a_healthy_view),
	    T(a_tip_is_certified),
	    T(blocks_follow_one_another),
	    T(an_executed_block_is_the_certified_one),
	    T(transactions_are_executed_once),
	    T(transactions_are_valid),
	    T(signatures_hold),
	    T(expired_transactions_are_not_executed),
	    T(no_value_appears),
	    T(certified_checkpoints_are_those_of_the_naive_ledger),
	    T(the_naive_digest_is_the_ledgers),
	    T(outcomes_are_true),
	    T(memory_is_bounded),
	    T(a_storm_of_messages_ends_the_run),
	    T(honest_replicas_stop_for_broken_disks_only),
	    T(edited_rows_are_found),
	    T(evidence_convicts_liars_only),
	    T(who_does_not_come_back_is_missed),
	};
	return cmocka_run_group_tests_name("checkers", tests, setup_rules, teardown_rules);
}
