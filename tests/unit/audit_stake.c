/*
 * The audit where proposers are by stake: every lock, conviction and table, and whose turn it was.
 *
 * Links: q_ledger
 */
#include <time.h>

#include "audit_impl.h"
#include "stakestory.h"

static int make_fixture(void **state)
{
	struct rules rules;

	story_setup(&rules, 10);
	*state = fixture = fixture_of(rules);
	tell_stakes(&fixture->honest.rules, &fixture->chain, STORY_HEIGHT);
	write_story(&fixture->honest, &fixture->chain);
	return 0;
}

static void passes_a_ledger_with_stake(void **state)
{
	struct fixture *f = *state;
	struct audit_report r = audit_copy(f);

	assert_clean(&r);
	assert_int_equal(r.height.n, STORY_HEIGHT);
	assert_int_equal(r.transactions, STORY_HEIGHT + 13);
	audit_report_free(&r);
}

/* Delegated stake goes on counting where a conviction costs the delegators nothing. */
static void passes_a_ledger_whose_delegators_are_not_penalised(void **state)
{
	(void)state;
	struct rules rules;
	struct fixture *theirs = fixture, *f;

	story_setup(&rules, 0);
	f = fixture_of(rules);
	tell_stakes(&f->honest.rules, &f->chain, STORY_HEIGHT);
	write_story(&f->honest, &f->chain);
	struct audit_report r = audit(f, (const char *[]){f->honest.path}, 1);
	assert_clean(&r);
	assert_int_equal(r.height.n, STORY_HEIGHT);
	assert_int_equal(
	    place_ask(&f->honest, "SELECT delegated FROM stakes WHERE height = 24 AND replica = 3"), 100);
	audit_report_free(&r);
	drop_fixture((void *[]){f});
	fixture = theirs;
}

/* ---- from a checkpoint on ---------------------------------------------------------------- */

static struct audit_report audit_since(const struct fixture *f, unsigned since)
{
	struct audit_options options = {.threads = 2, .since = {since}};

	return audit_with(f, (const char *[]){f->copy.path}, 1, &options);
}

/* Convictions, stakes and whose turn it is go on from wherever it begins. */
static void passes_a_ledger_with_stake_from_every_checkpoint(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;
	unsigned bases = 0;

	for (unsigned since = 1; since <= STORY_HEIGHT; since++) {
		struct audit_report r = audit_since(f, since);
		assert_clean(&r);
		assert_int_equal(r.height.n, STORY_HEIGHT);
		assert_true(r.ledgers[0].since.n <= since && r.ledgers[0].since.n >= last);
		bases += r.ledgers[0].since.n > last;
		last = r.ledgers[0].since.n;
		audit_report_free(&r);
	}
	assert_true(bases >= 3);
	assert_true(last > 2 * EPOCH);
}

static void finds_that_convictions_and_stakes_below_a_checkpoint_are_not_what_was_signed(void **state)
{
	static const struct {
		const char *sql;
		bool seen;
	} cases[] = {
	    {"UPDATE convictions SET height = 13 WHERE height = 12", true},
	    {"UPDATE convictions SET replica = 2 WHERE height = 12", true},
	    {"UPDATE convictions SET replica = 2 WHERE height = 20 AND replica = 1", true},
	    {"DELETE FROM convictions WHERE height = 12", true},
	    {"INSERT INTO convictions VALUES (12, 7, 15, 'prepare', 1, 6)", true},
	    {"INSERT INTO convictions VALUES (-1, 0, 15, 'prepare', 1, 6)", true},
	    {"UPDATE convictions SET tx = 1 WHERE height = 12", false},
	    {"UPDATE stakes SET own = own + 1 WHERE height = 24 AND replica = 0", true},
	    {"UPDATE stakes SET own = -1 WHERE height = 24 AND replica = 0", true},
	    {"UPDATE stakes SET own = 9223372036854775807, delegated = own WHERE height = 24", true},
	    {"DELETE FROM stakes WHERE height = 24 AND replica = 3", true},
	    {"DELETE FROM stakes", true},
	    {"UPDATE stakes SET own = own + 1 WHERE height = 0 AND replica = 0", false},
	    {"UPDATE outputs SET lock = 'release' WHERE lock = 'stake' AND spent_by IS NULL AND tx < 20",
	     true},
	    {"UPDATE outputs SET replica = 3 - replica WHERE lock = 'stake' AND spent_by IS NULL", true},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fresh_copy(state);
		edit(&f->copy, cases[i].sql);
		struct audit_report r = audit_since(f, 28);
		assert_int_equal(r.ledgers[0].since.n, 28);
		if (r.ok == cases[i].seen || count_of(&r, 0, AUDIT_DIGEST) != cases[i].seen) {
			print_findings(&r);
			fail_msg("%s", cases[i].sql);
		}
		audit_report_free(&r);
	}
}

/* ---- every new column and row ---------------------------------------------------------- */

static const struct edit {
	const char *sql, *where;
} edits[] = {
    {"UPDATE outputs SET lock = 'release' WHERE tx = 3 AND position = 0", "outputs(tx=3,position=0).lock"},
    {"UPDATE outputs SET lock = 'stake' WHERE lock = 'release' AND tx = 13",
     "outputs(tx=13,position=1).lock"},
    {"UPDATE outputs SET lock = 'release' WHERE lock = 'frozen' AND tx = 23",
     "outputs(tx=23,position=2).lock"},
    {"UPDATE outputs SET replica = 3 WHERE tx = 3 AND position = 0", "outputs(tx=3,position=0).replica"},
    {"UPDATE outputs SET replica = 4294967298 WHERE tx = 3 AND position = 0",
     "outputs(tx=3,position=0).replica"},
    {"UPDATE outputs SET lock = NULL, replica = NULL WHERE tx = 0 AND position = 1",
     "outputs(tx=0,position=1).lock"},
    {"UPDATE outputs SET lock = NULL, replica = NULL WHERE tx = 0 AND position = 1",
     "outputs(tx=0,position=1).replica"},
    {"UPDATE outputs SET lock = 'stake', replica = 0 WHERE tx = 3 AND position = 1",
     "outputs(tx=3,position=1).lock"},
    {"UPDATE outputs SET lock = 'stake', replica = 0 WHERE tx = 3 AND position = 1",
     "outputs(tx=3,position=1).replica"},

    {"UPDATE convictions SET height = 13 WHERE height = 12", "convictions(height=12,replica=1)"},
    {"UPDATE convictions SET height = 13 WHERE height = 12", "convictions(height=13,replica=1)"},
    {"UPDATE convictions SET replica = 2 WHERE height = 12", "convictions(height=12,replica=2)"},
    {"UPDATE convictions SET replica = 2 WHERE height = 20 AND replica = 1",
     "convictions(height=20,replica=1)"},
    {"UPDATE convictions SET replica = replica + 1 WHERE height = 20 AND replica = 3",
     "convictions(height=20,replica=3)"},
    {"UPDATE convictions SET tx = tx + 1 WHERE height = 12", "convictions(height=12,replica=1).tx"},
    {"UPDATE convictions SET kind = 'commit' WHERE height = 12", "convictions(height=12,replica=1).kind"},
    {"UPDATE convictions SET view = 0 WHERE height = 12", "convictions(height=12,replica=1).view"},
    {"UPDATE convictions SET offence_height = 12 WHERE height = 12",
     "convictions(height=12,replica=1).offence_height"},
    {"UPDATE convictions SET tx = tx + 1 WHERE height = 20 AND replica = 3",
     "convictions(height=20,replica=3).tx"},
    {"DELETE FROM convictions WHERE height = 12", "convictions(height=12,replica=1)"},
    {"DELETE FROM convictions WHERE height = 20 AND replica = 3", "convictions(height=20,replica=3)"},
    {"DELETE FROM convictions", "convictions(height=20,replica=1)"},
    {"INSERT INTO convictions VALUES (12, 0, 15, 'prepare', 1, 6)", "convictions(height=12,replica=0)"},
    {"INSERT INTO convictions VALUES (12, 2, 15, 'prepare', 1, 6)", "convictions(height=12,replica=2)"},
    {"INSERT INTO convictions VALUES (0, 0, 0, 'commit', 0, 0)", "convictions(height=0,replica=0)"},
    {"INSERT INTO convictions VALUES (40, 0, 49, 'checkpoint', 0, 40)", "convictions(height=40,replica=0)"},
    {"INSERT INTO convictions VALUES (41, 0, 49, 'checkpoint', 0, 40)", "convictions(height=41,replica=0)"},

    {"UPDATE stakes SET height = 9 WHERE height = 8 AND replica = 3", "stakes(height=8,replica=3)"},
    {"UPDATE stakes SET height = 9 WHERE height = 8 AND replica = 3", "stakes(height=9,replica=3)"},
    {"UPDATE stakes SET replica = 4 WHERE height = 8 AND replica = 3", "stakes(height=8,replica=4)"},
    {"UPDATE stakes SET own = own + 1 WHERE height = 0 AND replica = 0", "stakes(height=0,replica=0).own"},
    {"UPDATE stakes SET own = own + 1 WHERE height = 16 AND replica = 1", "stakes(height=16,replica=1).own"},
    {"UPDATE stakes SET own = own - 1 WHERE height = 40 AND replica = 2", "stakes(height=40,replica=2).own"},
    {"UPDATE stakes SET delegated = 0 WHERE height = 24 AND replica = 2",
     "stakes(height=24,replica=2).delegated"},
    {"UPDATE stakes SET own = delegated, delegated = own WHERE height = 8 AND replica = 2",
     "stakes(height=8,replica=2).delegated"},
    {"UPDATE stakes SET turns = turns + 1 WHERE height = 32 AND replica = 0",
     "stakes(height=32,replica=0).turns"},
    {"UPDATE stakes SET first_height = 9 WHERE height = 8 AND replica = 0",
     "stakes(height=8,replica=0).first_height"},
    {"UPDATE stakes SET first_height = 17 WHERE height = 0 AND replica = 0",
     "stakes(height=0,replica=0).first_height"},
    {"DELETE FROM stakes WHERE height = 0 AND replica = 0", "stakes(height=0,replica=0)"},
    {"DELETE FROM stakes WHERE height = 40 AND replica = 3", "stakes(height=40,replica=3)"},
    {"DELETE FROM stakes", "stakes(height=24,replica=2)"},
    {"INSERT INTO stakes SELECT 12, replica, own, delegated, turns, 21 FROM stakes WHERE height = 8",
     "stakes(height=12,replica=0)"},
    {"INSERT INTO stakes SELECT 48, replica, own, delegated, turns, 57 FROM stakes WHERE height = 40",
     "stakes(height=48,replica=3)"},
    {"INSERT INTO stakes VALUES (-8, 0, 1, 1, 127, 1)", "stakes(height=-8,replica=0)"},
    {"INSERT INTO stakes VALUES (8, -1, 1, 1, 127, 17)", "stakes(height=8,replica=-1)"},
};

static void finds_every_edit_where_it_was_made(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		struct audit_report r = audit_copy(f);
		if (r.ok || !find(&r, 0, -1, edits[i].where)) {
			print_findings(&r);
			fail_msg("not found at %s: %s", edits[i].where, edits[i].sql);
		}
		audit_report_free(&r);
	}
}

/* ---- checkpoints -------------------------------------------------------------------------- */

static void insert_into(void *ctx, const struct unspent *u)
{
	state_insert(ctx, u);
}

/* The state after the last block again, out of its parts: all of them, or without one of three. */
static struct qhash digest_of_parts(const struct state *of, const struct rules *r, int without)
{
	const struct qstaking *staking = state_staking(of);
	struct state *s = state_new(&r->g);
	struct qhash digest;

	state_convict(s, 1, qheight_of(12));
	if (without != 1)
		state_convict(s, 1, qheight_of(20));
	state_convict(s, 3, qheight_of(20));
	state_convict(s, 0, qheight_of(35));
	state_each(of, insert_into, s);
	for (unsigned i = 0; i < staking->settled.settled_len; i++) {
		struct qtable t = staking->settled.settled_val[i];
		struct qstake stakes[4];
		memcpy(stakes, t.stakes.stakes_val, sizeof stakes);
		t.stakes.stakes_val = stakes;
		stakes[2].own += without == 2;
		t.height.n -= without == 3;
		state_settle(s, &t);
	}
	state_digest(s, &digest);
	state_free(s);
	return digest;
}

/* What checkpoints sign covers convictions and tables: with the same outputs it may be another state. */
static void finds_a_checkpoint_of_a_state_with_other_stakes(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;

	for (int without = 0; without <= 3; without++) {
		fresh_copy(state);
		struct ledger *l = open_ledger(&f->copy);
		struct qvote vote = {.height = {STORY_HEIGHT},
		                     .block = f->chain.blocks[STORY_HEIGHT]->hash,
		                     .state = digest_of_parts(ledger_state(l), r, without)};
		journal(l, (struct qjournal){.kind = QJ_STABLE,
		                             .qjournal_u.stable = rules_cert(r, QCHECKPOINT, &vote, 7)});
		commit(l);
		ledger_close(l);
		struct audit_report report = audit_copy(f);
		if (without == 0)
			assert_clean(&report);
		else
			assert_found(&report, 0, AUDIT_DIGEST, "journal(seq=11).entry");
		audit_report_free(&report);
	}
}

/* ---- whose turn it was ----------------------------------------------------------------------- */

static struct audit_report audit_wrong(struct fixture *f, unsigned height, unsigned proposer)
{
	struct chain c = {0};

	place_remove(&f->other);
	tell_stakes_wrongly(&f->chain, &c, height, proposer);
	write_story(&f->other, &c);
	free_chain(&c);
	return audit_with(f, (const char *[]){f->other.path}, 1, &(struct audit_options){.threads = 2});
}

/* Has this replica the turn at h in a view from that of the block below to that of the certificate? */
static bool may_propose(const struct fixture *f, unsigned h, unsigned replica)
{
	size_t run = 0;
	while (story_runs[run].to < h || story_runs[run].kind != QCOMMIT)
		run++;
	/* The lowest view of the blocks below is not above the one that they had. */
	for (unsigned v = 0; v <= story_runs[run].view; v++)
		if (story_turn(&f->honest.rules, h, v, story_table_at(h)) == replica)
			return true;
	return false;
}

static void accuses_who_had_no_turn(struct fixture *f, unsigned h, unsigned replica, const char *words)
{
	struct audit_report r = audit_wrong(f, h, replica);
	char where[64];

	snprintf(where, sizeof where, "blocks(height=%u).proposer", h);
	assert_found(&r, 0, AUDIT_PROPOSER, where);
	assert_int_equal(r.ledgers[0].finding_cnt, 1);
	if (!strstr(r.ledgers[0].findings[0].message, words))
		fail_msg("'%s' is not in: %s", words, r.ledgers[0].findings[0].message);
	assert_int_equal(r.height.n, STORY_HEIGHT);
	audit_report_free(&r);
}

static void finds_every_block_of_a_replica_that_had_no_turn(void **state)
{
	struct fixture *f = *state;
	unsigned tried = 0;

	for (unsigned h = 1; h <= STORY_HEIGHT; h++) {
		unsigned replica = h % 4; /* the first of a different one each time */
		char words[64];
		for (unsigned i = 0; i < 4 && may_propose(f, h, replica); i++)
			replica = (replica + 1) % 4;
		if (may_propose(f, h, replica)) /* after so many view changes everybody may */
			continue;
		snprintf(words, sizeof words, "replica %u proposed the block, but", replica);
		accuses_who_had_no_turn(f, h, replica, words);
		tried++;
	}
	assert_true(tried > 20);
}

/* Whose turn it would be if the table of the epoch before still decided: who had stake, and lost it. */
static void finds_a_proposer_by_a_stale_table(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->honest.rules;
	unsigned found = 0;

	for (unsigned h = 2 * EPOCH + 1; h <= STORY_HEIGHT; h++) {
		unsigned table = story_table_at(h);
		unsigned stale = story_turn(r, h, story_view(h), table - 1);
		if (stale == story_proposer(r, h) || may_propose(f, h, stale))
			continue;
		accuses_who_had_no_turn(f, h, stale, "but");
		found++;
	}
	assert_true(found > 0);
}

/* Whose turn it will be once the table of the epoch that just ended decides. */
static void finds_a_proposer_by_a_table_that_is_not_due(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->honest.rules;
	unsigned found = 0;

	for (unsigned h = EPOCH + 1; h <= STORY_HEIGHT; h++) {
		unsigned early = story_turn(r, h, story_view(h), story_table_at(h) + 1);
		if (early == story_proposer(r, h) || may_propose(f, h, early))
			continue;
		accuses_who_had_no_turn(f, h, early, "but");
		found++;
	}
	assert_true(found > 0);
}

/* At 25 and above replica 1 has nothing at stake that counts: there is no view in which it may propose. */
static void finds_a_proposer_without_stake(void **state)
{
	struct fixture *f = *state;

	accuses_who_had_no_turn(f, 26, 1, "has no turn at this height in any view");
	accuses_who_had_no_turn(f, 40, 3, "has no turn at this height in any view");
}

/* Blocks 1 to 3 by replica 3, whose turns are far between, with certificates of these views at 2 and 3. */
static struct audit_report audit_rare(struct fixture *f, unsigned first_view, unsigned second_view)
{
	const struct rules *r = &f->other.rules;
	struct chain c = {0};

	place_remove(&f->other);
	for (unsigned h = 1; h <= 3; h++) {
		struct tx *tx = story_pass(r, &c, h);
		struct block *b = make_block(h, h > 1 ? c.blocks[h - 1]->hash : r->g.chain, &tx, 1);
		struct qheader q = b->header;
		q.proposer = 3;
		c.blocks[h] = with_header(b, &q);
	}
	struct qvote first = {.view = {first_view}, .height = {2}, .block = c.blocks[2]->hash};
	struct qvote second = {.view = {second_view}, .height = {3}, .block = c.blocks[3]->hash};
	struct ledger *l = open_ledger(&f->other);
	append_run(l, &c, 1, 2, rules_cert(r, QCOMMIT, &first, 7));
	append_run(l, &c, 3, 3, rules_cert(r, QCOMMIT, &second, 7));
	commit(l);
	ledger_close(l);
	free_chain(&c);
	return audit(f, (const char *[]){f->other.path}, 1);
}

static void names_the_first_of_many_views(void **state)
{
	struct fixture *f = *state;
	struct schedule s = story_schedule(&f->honest.rules, 0);
	unsigned first = 0, second; /* places of replica 3 in the cycle */
	char words[128];

	while (s.turns[first] != 3)
		first++;
	for (second = first + 1; s.turns[second] != 3;)
		second++;
	assert_true(second > first + 8);
	/* Block 3 is of the second turn: its place is one on in each view. */
	struct audit_report r = audit_rare(f, first, second - 1);
	assert_clean(&r);
	audit_report_free(&r);
	r = audit_rare(f, first, second - 2);
	assert_found(&r, 0, AUDIT_PROPOSER, "blocks(height=3).proposer");
	const char *message = find(&r, 0, AUDIT_PROPOSER, "blocks(height=3).proposer")->message;
	snprintf(words, sizeof words, "it was not its turn: in view %u it was replica %u's, in view %u",
	         first, s.turns[first + 1], first + 1);
	assert_non_null(strstr(message, words));
	snprintf(words, sizeof words, "'s, and so on to view %u; the certificate", second - 2);
	assert_non_null(strstr(message, words));
	audit_report_free(&r);
}

/* ---- what no ledger would have taken ------------------------------------------------------------ */

/* Block 41 of this transaction as rows below a valid certificate, as far as the audit reads before it stops.
 */
static void forge_staked(struct place *p, const struct chain *c, struct tx *tx)
{
	struct block *b = make_block(41, c->blocks[40]->hash, &tx, 1);
	struct qheader q = b->header;
	q.proposer = story_proposer(&p->rules, 41);
	b = with_header(b, &q);
	const struct tx *t = b->txs[0];
	struct bytes header = rules_encode(WIRE(qheader), &b->header);
	char hash[65], parent[65], root[65], id[65];
	char *h = xcalloc(2 * header.len + 1, 1), *raw = xcalloc(2 * t->raw_len + 1, 1);
	char *sql = sqlite3_mprintf(
	    "INSERT INTO blocks VALUES (41, x'%s', x'%s', x'%s', 1, 54, %u, %llu, 41, NULL, NULL, x'%s');"
	    "INSERT INTO transactions VALUES (54, x'%s', 41, 0, %llu, x'%s', x'%s')",
	    hex_encode(hash, b->hash.b, 32), hex_encode(parent, b->header.parent.b, 32),
	    hex_encode(root, b->header.merkle_root.b, 32), b->header.proposer,
	    (sqlite3_uint64)b->header.time_ms, hex_encode(h, header.data, header.len),
	    hex_encode(id, t->id.b, 32), (sqlite3_uint64)t->q.body.expiry.n,
	    t->q.body.memo.memo_len ? "6869" : "", hex_encode(raw, t->raw, t->raw_len));

	edit(p, sql);
	sqlite3_free(sql);
	free(h);
	free(raw);
	bytes_free(&header);
	block_unref(b);
}

static void finds_forged(struct fixture *f, struct tx *tx, const char *words)
{
	forge_staked(&f->copy, &f->chain, tx);
	struct audit_report r = audit_copy(f);
	assert_found(&r, 0, AUDIT_TRANSACTION, "transactions(seq=54)");
	const char *message = find(&r, 0, AUDIT_TRANSACTION, "transactions(seq=54)")->message;
	if (!strstr(message, words))
		fail_msg("'%s' is not in: %s", words, message);
	assert_found(&r, 0, AUDIT_UNCHECKED, "blocks(height=41)");
	audit_report_free(&r);
}

/* 12 has 100 at stake since 18, and was convicted at 20: 50 are to be frozen. */
static void finds_certified_transactions_that_freeze_another_penalty(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutpoint in = output_of(f->chain.blocks[18]->txs[1], 0);
	const uint64_t frozen[] = {0, 49, 51};

	for (size_t i = 0; i < 3; i++) {
		char words[96];
		struct qoutput outs[] = {locked_to(12, 100 - frozen[i], QLOCK_RELEASE, 1),
		                         locked_to(12, frozen[i], QLOCK_FROZEN, 1)};
		fresh_copy(state);
		snprintf(words, sizeof words,
		         "freezes %llu of what an owner locked for replica 1, where the penalty is 50",
		         (unsigned long long)frozen[i]);
		finds_forged(f, spend(r, 12, in, outs, frozen[i] ? 2 : 1), words);
	}
	/* The right sum, of another's or for another replica. */
	struct qoutput other_replica[] = {locked_to(12, 50, QLOCK_RELEASE, 1),
	                                  locked_to(12, 50, QLOCK_FROZEN, 3)};
	fresh_copy(state);
	finds_forged(f, spend(r, 12, in, other_replica, 2),
	             "freezes 0 of what an owner locked for replica 1, where the penalty is 50");
	struct qoutput other_owner[] = {locked_to(12, 50, QLOCK_RELEASE, 1),
	                                locked_to(3, 50, QLOCK_FROZEN, 1)};
	fresh_copy(state);
	finds_forged(f, spend(r, 12, in, other_owner, 2),
	             "freezes 0 of what an owner locked for replica 1, where the penalty is 50");
	fresh_copy(state);
	struct qoutput for_nothing[] = {to(3, 60), locked_to(3, 40, QLOCK_FROZEN, 1)};
	finds_forged(f, spend(r, 3, output_of(f->chain.blocks[26]->txs[1], 1), for_nothing, 2),
	             "freezes 40 of what an owner locked for replica 1, where the penalty is 0");
}

static void finds_certified_transactions_that_free_what_is_locked(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput early = to(3, 300), stake = to(13, 200);

	/* released at 36, free at 60 */
	finds_forged(f, spend(r, 3, output_of(f->chain.blocks[36]->txs[1], 0), &early, 1),
	             tx_verdict_info(TX_LOCKED)->text);
	fresh_copy(state);
	finds_forged(f, spend(r, 13, (struct qoutpoint){r->g.txid, 3}, &stake, 1),
	             tx_verdict_info(TX_BAD_LOCK)->text);
	fresh_copy(state);
	struct qoutput frozen = to(12, 150);
	finds_forged(f, spend(r, 12, output_of(f->chain.blocks[18]->txs[1], 2), &frozen, 1),
	             tx_verdict_info(TX_LOCKED)->text);
}

static void finds_certified_offences_that_convict_nobody(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	const struct {
		unsigned replica;
		uint64_t height;
		enum tx_verdict verdict;
	} cases[] = {{1, 20, TX_OLD_OFFENCE}, {3, 7, TX_OLD_OFFENCE}, {2, 42, TX_EARLY_OFFENCE}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qoutput out = to(1, 1000);
		struct qoffence offence = offence_by(r, cases[i].replica, cases[i].height);
		fresh_copy(state);
		finds_forged(
		    f, spend_and_report(r, 1, output_of(f->chain.blocks[40]->txs[0], 0), &out, 1, &offence),
		    tx_verdict_info(cases[i].verdict)->text);
	}
}

/* Its signatures are the pool's to check: found in its place, though everything else goes on. */
static void finds_an_offence_that_the_convicted_did_not_sign(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(1, 1000);
	struct qoffence offence = offence_by(r, 2, 39);

	offence.second_sig.b[5] ^= 1;
	struct tx *tx = spend_and_report(r, 1, output_of(f->chain.blocks[40]->txs[0], 0), &out, 1, &offence);
	forge_staked(&f->copy, &f->chain, tx);
	struct audit_report report = audit_copy(f);
	assert_found(&report, 0, AUDIT_SIGNATURE, "transactions(seq=54).raw");
	audit_report_free(&report);
}

/* Whoever is convicted in every block, and makes stake to move in thousands of pieces, must not keep the
 * audit busy for ever: this took a minute. */
static void a_transaction_costs_little_however_many_convictions_there_were(void **state)
{
	enum { CONVICTIONS = 10000 };
	struct rules rules = ((struct fixture *)*state)->copy.rules;
	struct book book = {.g = &rules.g};
	struct tally tally = {.b = &book, .rules = stake_rules(&rules.g)};
	struct state *s = state_new(&rules.g);
	struct qoutpoint ins[Q_INPUTS_MAX];
	struct tx tx = {.q.body.inputs = {Q_INPUTS_MAX, ins}};
	char text[160];

	for (unsigned h = 1; h <= CONVICTIONS; h++)
		tally_offence(&tally, h, &(struct qoffence){.replica = 1}, qheight_of(h));
	for (u_int i = 0; i < Q_INPUTS_MAX; i++) {
		ins[i] = (struct qoutpoint){rules.g.txid, 100 + i};
		state_insert(s, &(struct unspent){.point = ins[i],
		                                  .out = locked_to(15, 10, QLOCK_STAKE, 1),
		                                  .made_at = {CONVICTIONS}});
	}
	clock_t begun = clock();
	assert_true(tally_penalties_hold(&tally, s, &tx, qheight_of(CONVICTIONS), text, sizeof text));
	assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
	assert_false(tally_penalties_hold(&tally, s, &tx, qheight_of(CONVICTIONS + 1), text, sizeof text));
	assert_string_equal(text,
	                    "freezes 0 of what an owner locked for replica 1, where the penalty is 1024");
	for (unsigned i = 0; i < Q_REPLICAS_MAX; i++)
		free(tally.convicted[i].at);
	state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(passes_a_ledger_with_stake),
	    TEST(passes_a_ledger_whose_delegators_are_not_penalised),
	    TEST(passes_a_ledger_with_stake_from_every_checkpoint),
	    TEST(finds_that_convictions_and_stakes_below_a_checkpoint_are_not_what_was_signed),
	    TEST(finds_every_edit_where_it_was_made),
	    TEST(finds_a_checkpoint_of_a_state_with_other_stakes),
	    TEST(finds_every_block_of_a_replica_that_had_no_turn),
	    TEST(finds_a_proposer_by_a_stale_table),
	    TEST(finds_a_proposer_by_a_table_that_is_not_due),
	    TEST(finds_a_proposer_without_stake),
	    TEST(names_the_first_of_many_views),
	    TEST(finds_certified_transactions_that_freeze_another_penalty),
	    TEST(finds_certified_transactions_that_free_what_is_locked),
	    TEST(finds_certified_offences_that_convict_nobody),
	    TEST(finds_an_offence_that_the_convicted_did_not_sign),
	    TEST(a_transaction_costs_little_however_many_convictions_there_were),
	};

	return cmocka_run_group_tests_name("audit_stake", tests, make_fixture, drop_fixture);
}
