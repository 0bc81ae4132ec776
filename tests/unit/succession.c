/*
 * What a successor takes over from a chain with every kind of lock and penalty, and that no genesis which
 * says otherwise passes for one.
 *
 * Links: q_ledger
 */
#include "succession.h"
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

static struct ledger *look(const struct place *p)
{
	struct err err = {0};
	struct ledger *l = ledger_look(p->path, &p->rules.g, &err);
	if (!l)
		fail_msg("%s", err.text);
	return l;
}

/* What the genesis `heir` takes over from the copy. */
static struct succession take_over(const struct place *p, const struct qgenesis *heir, size_t max)
{
	struct succession s;
	struct err err = {0};
	struct ledger *l = look(p);
	if (!succession_make(l, &p->rules.g, heir, max, &s, &err))
		fail_msg("%s", err.text);
	ledger_close(l);
	return s;
}

/* ---- what is carried over ------------------------------------------------------------- */

/* Of the story, by hand; see stakestory.h.  replica -1: free. */
struct want {
	uint8_t owner;
	uint64_t amount;
	int replica;
};
static const struct want story_left[] = {
    {13, 200, 2},  /* as the genesis gave it: replica 2 was never convicted */
    {14, 50, -1},  /* 100 at stake for 3, convicted at 20: half of it is due, and the rest backs nobody */
    {11, 125, -1}, /* 250 for 0, convicted at 35 */
    {12, 50, -1},  /* 100 for 1, at stake again since 18, convicted again at 20 */
    {12, 25, -1},  /* 50 released at 18, and liable at 20 */
    {15, 19, -1},  /* 22 released at 19: 3 are due */
    {3, 100, -1},  {3, 300, -1},               /* released at 36 */
    {11, 150, -1}, {2, 90, -1},                /* released at 38 */
    {15, 36, -1},  {1, 1000, -1}, {3, 100, 1}, /* for 1 since 40, after its convictions */
};
#define STORY_LEFT (sizeof story_left / sizeof *story_left)
#define CARRIED 2245
#define LEFT_BEHIND 420 /* of 2665 */

static void assert_output(const struct qoutput *is, const struct want *want)
{
	struct qaddress owner = rules_address(want->owner);
	assert_memory_equal(&is->owner, &owner, sizeof owner);
	assert_int_equal(is->amount, want->amount);
	assert_int_equal(is->lock.kind, want->replica < 0 ? QLOCK_NONE : QLOCK_STAKE);
	if (want->replica >= 0)
		assert_int_equal(is->lock.qlock_u.replica, want->replica);
}

static void stake_goes_on_and_what_is_owed_stays_behind(void **state)
{
	struct fixture *f = *state;
	struct succession s = take_over(&f->copy, &f->copy.rules.g.g, Q_ALLOCS_MAX);

	assert_int_equal(s.cnt, STORY_LEFT);
	assert_int_equal(s.outputs, STORY_LEFT);
	assert_false(s.summed);
	for (size_t i = 0; i < STORY_LEFT; i++)
		assert_output(&s.list[i].out, &story_left[i]);
	assert_int_equal(s.carried, CARRIED);
	assert_int_equal(s.left, LEFT_BEHIND);
	assert_int_equal(s.carried + s.left, f->copy.rules.g.supply);
	succession_free(&s);
}

/* A ledger that has just grown to that height has its outputs in memory in another order than one that was
 * loaded. */
static void the_order_is_the_chains_and_not_the_memorys(void **state)
{
	struct fixture *f = *state;
	struct succession s;
	struct err err = {0};
	struct ledger *l = open_ledger(&f->other);

	append_run(l, &f->chain, 1, STORY_HEIGHT, commit_at(&f->other.rules, &f->chain, STORY_HEIGHT));
	assert_true(succession_make(l, &f->other.rules.g, &f->other.rules.g.g, Q_ALLOCS_MAX, &s, &err));
	assert_int_equal(s.cnt, STORY_LEFT);
	for (size_t i = 0; i < STORY_LEFT; i++)
		assert_output(&s.list[i].out, &story_left[i]);
	succession_free(&s);
	ledger_close(l);
}

static void it_names_the_end_of_the_old_chain(void **state)
{
	struct fixture *f = *state;
	struct succession s = take_over(&f->copy, &f->copy.rules.g.g, Q_ALLOCS_MAX);

	assert_memory_equal(&s.parent.chain, &f->copy.rules.g.chain, 32);
	assert_int_equal(s.parent.height.n, STORY_HEIGHT);
	assert_memory_equal(&s.parent.block, &f->chain.blocks[STORY_HEIGHT]->hash, 32);
	assert_memory_equal(&s.parent.state, &f->chain.digests[STORY_HEIGHT], 32);
	assert_int_equal(s.time_ms, f->chain.blocks[STORY_HEIGHT]->header.time_ms);
	succession_free(&s);
}

static void without_proposers_by_stake_all_is_free(void **state)
{
	struct fixture *f = *state;
	struct qgenesis heir = f->copy.rules.g.g; /* borrowed */
	heir.proposer.kind = QPROPOSER_PRIMARY;
	struct succession s = take_over(&f->copy, &heir, Q_ALLOCS_MAX);

	assert_int_equal(s.cnt, STORY_LEFT);
	for (size_t i = 0; i < STORY_LEFT; i++)
		assert_output(&s.list[i].out, &(struct want){story_left[i].owner, story_left[i].amount, -1});
	succession_free(&s);
}

/* By name: where replicas have other numbers, and one is gone. */
static void stake_follows_the_name_of_its_replica(void **state)
{
	struct fixture *f = *state;
	struct qgenesis heir = f->copy.rules.g.g;
	struct qreplica replicas[4], *was = heir.replicas.replicas_val;
	char gone[] = "somebody-else";
	memcpy(replicas, (struct qreplica[]){was[2], was[1], was[0], was[3]}, sizeof replicas);
	replicas[1].name = gone;
	heir.replicas.replicas_val = replicas;
	struct succession s = take_over(&f->copy, &heir, Q_ALLOCS_MAX);

	assert_output(&s.list[0].out, &(struct want){13, 200, 0});
	assert_output(&s.list[STORY_LEFT - 1].out, &(struct want){3, 100, -1});
	succession_free(&s);
}

static void where_outputs_are_too_many_each_owner_has_one(void **state)
{
	struct fixture *f = *state;
	struct succession s = take_over(&f->copy, &f->copy.rules.g.g, STORY_LEFT - 1);
	uint64_t of_3 = 0, of_11 = 0, stakes = 0, sum = 0;
	struct qaddress three = rules_address(3), eleven = rules_address(11);

	assert_true(s.summed);
	assert_int_equal(s.outputs, STORY_LEFT);
	assert_int_equal(s.cnt, 9); /* eight owners, and what 3 has at stake */
	for (size_t i = 0; i < s.cnt; i++) {
		const struct qoutput *out = &s.list[i].out;
		bool staked = out->lock.kind == QLOCK_STAKE;
		assert_true(i == 0 || memcmp(&s.list[i - 1].out.owner, &out->owner, 20) <= 0);
		sum += out->amount;
		stakes += staked ? out->amount : 0;
		of_3 += !staked && qaddress_eq(&out->owner, &three) ? out->amount : 0;
		of_11 += qaddress_eq(&out->owner, &eleven) ? out->amount : 0;
	}
	assert_int_equal(of_3, 400);
	assert_int_equal(of_11, 275);
	assert_int_equal(stakes, 300);
	assert_int_equal(sum, CARRIED);
	assert_int_equal(s.carried, CARRIED);
	succession_free(&s);

	struct err err = {0};
	struct ledger *l = look(&f->copy);
	assert_false(succession_make(l, &f->copy.rules.g, &f->copy.rules.g.g, 8, &s, &err));
	assert_int_equal(err.kind, ERR_INPUT);
	assert_string_equal(err.text, "9 owners hold something; a genesis has room for 8 allocations");
	ledger_close(l);
}

/* ---- what is refused --------------------------------------------------------------------- */

static void assert_refused(const struct succession *s, const struct genesis *g, enum err_kind kind,
                           const char *says)
{
	struct err err = {0};
	assert_false(succession_check(s, g, &err));
	if (err.kind != kind || !strstr(err.text, says))
		fail_msg("kind %d, not %d with \"%s\": %s", err.kind, kind, says, err.text);
}

static struct genesis heir_of(const struct fixture *f, const struct succession *s)
{
	struct genesis heir = f->copy.rules.g; /* borrowed, but for the allocations */
	heir.g.allocations.allocations_val = NULL;
	succession_write(s, &heir);
	return heir;
}

static void a_genesis_that_takes_over_passes_and_no_other(void **state)
{
	struct fixture *f = *state;
	struct succession s = take_over(&f->copy, &f->copy.rules.g.g, Q_ALLOCS_MAX);
	struct genesis heir = heir_of(f, &s);
	struct qoutput *last = &heir.g.allocations.allocations_val[STORY_LEFT - 1], was = *last;
	struct qparent parent = heir.parent;
	struct err err = {0};
	if (!succession_check(&s, &heir, &err))
		fail_msg("%s", err.text);

	last->amount++;
	assert_refused(&s, &heir, ERR_NO, "allocations[12].amount: gives q");
	assert_refused(&s, &heir, ERR_NO, " 101; must be 100 (output 0 of ");
	assert_refused(&s, &heir, ERR_NO, "height 40)");
	*last = was;
	last->owner = rules_address(9);
	assert_refused(&s, &heir, ERR_NO, "allocations[12].address: is q");
	*last = was;
	last->lock = (struct qlock){.kind = QLOCK_NONE};
	assert_refused(&s, &heir, ERR_NO, "is none; must be");
	last->lock = (struct qlock){.kind = QLOCK_STAKE, .qlock_u.replica = 3};
	assert_refused(&s, &heir, ERR_NO, "allocations[12].stake: of q");
	*last = was;
	heir.g.allocations.allocations_len--;
	assert_refused(&s, &heir, ERR_NO, "allocations[12]: is missing; q");
	heir.g.allocations.allocations_len++;
	s.cnt--;
	assert_refused(&s, &heir, ERR_NO, "allocations[12]: gives q");
	s.cnt++;

	heir.parent.chain.b[0] ^= 1;
	assert_refused(&s, &heir, ERR_NO, "parent.chain: is ");
	heir.parent = parent;
	heir.parent.height.n = STORY_HEIGHT - 2;
	assert_refused(&s, &heir, ERR_NO, "are final up to 40: what the last 2 did would be lost");
	heir.parent.height.n = STORY_HEIGHT + 1;
	assert_refused(&s, &heir, ERR_WORLD, "parent.height: is 41, but the ledger ends at 40");
	heir.parent = parent;
	heir.parent.block.b[31] ^= 1;
	assert_refused(&s, &heir, ERR_NO, "parent.block: is ");
	heir.parent = parent;
	heir.parent.state.b[31] ^= 1;
	assert_refused(&s, &heir, ERR_NO, "parent.state: is ");
	heir.parent = parent;
	heir.g.format = GENESIS_FIRST;
	assert_refused(&s, &heir, ERR_NO, "parent: missing");

	free(heir.g.allocations.allocations_val);
	succession_free(&s);
}

/* ---- looking ------------------------------------------------------------------------------ */

static void a_ledger_is_looked_at_while_its_node_goes_on(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct ledger *writer = ledger_open(f->copy.path, &f->copy.rules.g, NULL, &err);
	assert_non_null(writer);
	struct ledger *l = look(&f->copy);
	journal(writer, (struct qjournal){.kind = QJ_STABLE,
	                                  .qjournal_u.stable =
	                                      checkpoint_at(&f->copy.rules, &f->chain, STORY_HEIGHT)});
	commit(writer);
	struct qhash digest;
	state_digest(ledger_state(l), &digest);
	assert_memory_equal(&digest, &f->chain.digests[STORY_HEIGHT], 32);
	ledger_close(l);
	ledger_close(writer);
	assert_null(ledger_look("/nowhere/ledger.db", &f->copy.rules.g, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(stake_goes_on_and_what_is_owed_stays_behind),
	    TEST(the_order_is_the_chains_and_not_the_memorys),
	    TEST(it_names_the_end_of_the_old_chain),
	    TEST(without_proposers_by_stake_all_is_free),
	    TEST(stake_follows_the_name_of_its_replica),
	    TEST(where_outputs_are_too_many_each_owner_has_one),
	    TEST(a_genesis_that_takes_over_passes_and_no_other),
	    TEST(a_ledger_is_looked_at_while_its_node_goes_on),
	};

	return cmocka_run_group_tests_name("succession", tests, make_fixture, drop_fixture);
}
