/*
 * The audit of seals: every proof of work holds, and is the one that the block's ancestors ask for.
 *
 * Links: q_ledger
 */
#include "auditing.h"
#include "seals.h"

#define HEIGHT 6
#define SPOILT 4
#define BITS 4
#define BITS_MAX 8
#define INTERVAL_MS 1000

/* How a test changes the header of block SPOILT: before it is mined, after. The blocks above stand on it. */
struct spoil {
	void (*change)(struct qheader *);
	void (*unseal)(struct qheader *);
};

/* A block each 700 ms, where one a second is aimed at: targets fall. */
static void build(const struct rules *r, struct chain *c, struct spoil spoil)
{
	struct seal_parent below;

	seal_genesis(&r->g, &below);
	for (unsigned h = 1; h <= HEIGHT; h++) {
		struct block *b = pass_on(r, c, h);
		struct qheader q = b->header;
		q.time_ms = r->g.g.time_ms + UINT64_C(700) * h;
		seals_put(r, &below, &q);
		if (h == SPOILT && spoil.change) {
			spoil.change(&q);
			seals_mine(&q, true);
		}
		if (h == SPOILT && spoil.unseal)
			spoil.unseal(&q);
		seal_extend(&below, &q);
		c->blocks[h] = with_header(b, &q);
	}
}

static void write_chain(const struct place *p, struct chain *c)
{
	struct ledger *l = open_ledger(p);

	append_run(l, c, 1, 3, commit_at(&p->rules, c, 3));
	append_run(l, c, 4, HEIGHT, commit_at(&p->rules, c, HEIGHT));
	commit(l);
	ledger_close(l);
}

static int make_fixture(void **state)
{
	struct rules rules;

	seals_setup(&rules, 4, "sealed", BITS, BITS_MAX, INTERVAL_MS);
	*state = fixture = fixture_of(rules);
	build(&fixture->honest.rules, &fixture->chain, (struct spoil){0});
	write_chain(&fixture->honest, &fixture->chain);
	return 0;
}

static struct audit_report audit_spoilt(struct fixture *f, struct spoil spoil)
{
	struct chain c = {0};

	place_remove(&f->other);
	build(&f->other.rules, &c, spoil);
	write_chain(&f->other, &c);
	free_chain(&c);
	return audit(f, (const char *[]){f->other.path}, 1);
}

/* ---- tests ------------------------------------------------------------------------ */

static void passes_a_sealed_ledger(void **state)
{
	struct fixture *f = *state;
	struct audit_report r = audit_copy(f);

	assert_clean(&r);
	assert_int_equal(r.height.n, HEIGHT);
	audit_report_free(&r);
}

static void finds_edits_of_target_and_nonce(void **state)
{
	static const struct {
		const char *sql, *where;
	} edits[] = {
	    {"UPDATE blocks SET target = zeroblob(32) WHERE height = 3", "blocks(height=3).target"},
	    {"UPDATE blocks SET target = NULL, nonce = NULL WHERE height = 3", "blocks(height=3).target"},
	    {"UPDATE blocks SET target = NULL, nonce = NULL WHERE height = 3", "blocks(height=3).nonce"},
	    {"UPDATE blocks SET nonce = nonce + 1 WHERE height = 3", "blocks(height=3).nonce"},
	    {"UPDATE blocks SET nonce = -1 - nonce WHERE height = 3", "blocks(height=3).nonce"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		struct audit_report r = audit_copy(f);
		assert_found(&r, 0, AUDIT_ALTERED, edits[i].where);
		audit_report_free(&r);
	}
}

static void set_easiest(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(BITS);
}
static void set_hardest(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(BITS_MAX);
}
static void set_too_easy(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(BITS - 1);
}
static void set_too_hard(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(BITS_MAX + 1);
}
static void spoil_nonce(struct qheader *h)
{
	seals_mine(h, false);
}
static void drop_seal(struct qheader *h)
{
	h->seal = (struct qseal){.kind = QSEAL_NONE};
}

/* Each below certificates that hold; and nothing else is found, for the blocks above follow from what is. */
static void finds_certified_blocks_whose_seal_is_wrong(void **state)
{
	static const struct {
		struct spoil spoil;
		const char *message;
	} cases[] = {
	    {{NULL, spoil_nonce}, "does not hold"},
	    {{set_too_easy, NULL}, "does not hold"},
	    {{set_too_hard, NULL}, "does not hold"},
	    {{NULL, drop_seal}, "not of this chain's kind"},
	    {{set_easiest, NULL}, "what the blocks below ask for"},
	    {{set_hardest, NULL}, "what the blocks below ask for"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct audit_report r = audit_spoilt(f, cases[i].spoil);
		assert_found(&r, 0, AUDIT_SEAL, "blocks(height=4).header");
		assert_int_equal(r.ledgers[0].finding_cnt, 1);
		assert_non_null(strstr(r.ledgers[0].findings[0].message, cases[i].message));
		assert_int_equal(r.height.n, HEIGHT);
		audit_report_free(&r);
	}
	struct audit_report r = audit_spoilt(f, (struct spoil){0});
	assert_clean(&r);
	audit_report_free(&r);
}

/* The target that was due one block before: a proposer who does not retarget. */
static struct qtarget stale;
static void keep_target(struct qheader *h)
{
	h->seal.qseal_u.pow.target = stale;
}

static void names_the_target_that_is_due(void **state)
{
	struct fixture *f = *state;
	char due[65];
	const struct qheader *headers[] = {&f->chain.blocks[SPOILT - 1]->header,
	                                   &f->chain.blocks[SPOILT]->header};

	stale = headers[0]->seal.qseal_u.pow.target;
	hex_encode(due, headers[1]->seal.qseal_u.pow.target.b, 32);
	struct audit_report r = audit_spoilt(f, (struct spoil){keep_target, NULL});
	assert_found(&r, 0, AUDIT_SEAL, "blocks(height=4).header");
	assert_non_null(strstr(find(&r, 0, AUDIT_SEAL, "blocks(height=4).header")->message, due));
	audit_report_free(&r);
}

static void finds_a_seal_where_there_is_none_to_be(void **state)
{
	struct fixture *f = *state;
	struct place plain = f->other;
	struct chain c = {0};

	rules_setup(&plain.rules, 4, "plain");
	for (unsigned h = 1; h <= HEIGHT; h++) {
		struct block *b = pass_on(&plain.rules, &c, h);
		struct qheader q = b->header;
		if (h == SPOILT)
			q.seal = f->chain.blocks[SPOILT]->header.seal;
		c.blocks[h] = with_header(b, &q);
	}
	write_chain(&plain, &c);
	struct fixture beside = {.honest = plain};
	struct audit_report r = audit(&beside, (const char *[]){plain.path}, 1);
	assert_found(&r, 0, AUDIT_SEAL, "blocks(height=4).header");
	assert_int_equal(r.ledgers[0].finding_cnt, 1);
	audit_report_free(&r);
	free_chain(&c);
	rules_teardown(&plain.rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(passes_a_sealed_ledger),
	    TEST(finds_edits_of_target_and_nonce),
	    TEST(finds_certified_blocks_whose_seal_is_wrong),
	    TEST(names_the_target_that_is_due),
	    TEST(finds_a_seal_where_there_is_none_to_be),
	};

	return cmocka_run_group_tests_name("audit_seal", tests, make_fixture, drop_fixture);
}
