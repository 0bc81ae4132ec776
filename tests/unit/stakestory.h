/*
 * stakestory.h: a chain whose proposers are chosen by stake, over five epochs of the smallest kind: bonding,
 * delegation, releases, convictions, penalties, view changes.
 *
 *   genesis   replicas 0 to 3 have accounts 11 to 14; epoch 8, turn 2, unbonding 24, penalties of 50 and 10
 *             percent.  Stake: 400 by 11 for 0, 300 by 12 and 65 by 15 for 1, 200 by 13 for 2, 100 by 2
 * for 3. Free: 1000 of 1, 100 of 14, 500 of 3. each  1 passes its 1000 on to itself 2  3 delegates 300 to
 * replica 2 5  14 bonds 100 10  11 releases 150, keeps 250 at stake 12  replica 1 is convicted; 15, who moves
 * its 65 in this block, is liable, but owes nothing yet: 25 are at stake again, 40 released 18  12 moves what
 * it has at stake: 150 stay frozen, 50 are released, 100 are at stake again 19  15 releases the 25: 3 stay
 * frozen 20  replicas 3 and 1 are convicted 26  3 delegates 100 to replica 1 35  replica 0 is convicted 36  3
 * releases its 300 37  11 spends what it released at 10: it was free before the conviction 38  2 releases its
 * 100: 10 stay frozen 39  15 spends the 40 that it released at 12: 4 stay frozen 40  3 moves its 100 for
 * replica 1, which were locked after the convictions
 *
 * Where delegators are not penalised, they leave nothing behind, and what they delegated goes on counting.
 */
#ifndef QUORATE_TEST_STAKESTORY_H
#define QUORATE_TEST_STAKESTORY_H

#include "auditing.h"
#include "schedule.h"
#include "seals.h"

#define EPOCH 8
#define STORY_HEIGHT 40

/* What each replica has, own and delegated, after the genesis and each epoch. */
#define STORY_TABLES 6
static const struct qstake story_tables[STORY_TABLES][4] = {
    {{400, 0}, {300, 65}, {200, 0}, {0, 100}},     /* 0 */
    {{400, 0}, {300, 65}, {200, 300}, {100, 100}}, /* 8 */
    {{250, 0}, {0, 0}, {200, 300}, {100, 100}},    /* 16: 1 was convicted at 12 */
    {{250, 0}, {0, 0}, {200, 300}, {0, 0}},        /* 24: 1 and 3 were at 20 */
    {{250, 0}, {0, 100}, {200, 300}, {0, 0}},      /* 32 */
    {{0, 0}, {0, 100}, {200, 0}, {0, 0}},          /* 40: 0 was at 35 */
};
/* The same where delegators are not penalised. */
static const struct qstake story_lenient_tables[STORY_TABLES][4] = {
    {{400, 0}, {300, 65}, {200, 0}, {0, 100}},   {{400, 0}, {300, 65}, {200, 300}, {100, 100}},
    {{250, 0}, {0, 25}, {200, 300}, {100, 100}}, {{250, 0}, {0, 0}, {200, 300}, {0, 100}},
    {{250, 0}, {0, 100}, {200, 300}, {0, 100}},  {{0, 0}, {0, 100}, {200, 0}, {0, 0}},
};

static inline const struct qstake *story_table(const struct rules *r, unsigned table)
{
	return stake_rules(&r->g)->delegator_penalty ? story_tables[table] : story_lenient_tables[table];
}

static inline struct qoutput locked_to(uint8_t owner, uint64_t amount, enum qlock_kind kind, unsigned replica)
{
	struct qoutput out = to(owner, amount);

	out.lock.kind = kind;
	out.lock.qlock_u.replica = replica;
	return out;
}

static inline void story_setup(struct rules *r, unsigned delegator_penalty)
{
	struct qgenesis *g = &r->g.g;
	struct err err = {0};

	rules_setup(r, 4, "staked");
	const struct qoutput allocations[] = {
	    to(1, 1000),
	    locked_to(11, 400, QLOCK_STAKE, 0),
	    locked_to(12, 300, QLOCK_STAKE, 1),
	    locked_to(13, 200, QLOCK_STAKE, 2),
	    locked_to(2, 100, QLOCK_STAKE, 3),
	    to(14, 100),
	    to(3, 500),
	    locked_to(15, 65, QLOCK_STAKE, 1),
	};
	g->params.checkpoint_interval = 4;
	g->params.window = 2;
	g->proposer.kind = QPROPOSER_STAKE;
	g->proposer.qproposer_rules_u.stake = (struct qstake_rules){.epoch = EPOCH,
	                                                            .turn = 2,
	                                                            .proposers = 4,
	                                                            .unbonding = 3 * EPOCH,
	                                                            .penalty = 50,
	                                                            .delegator_penalty = delegator_penalty};
	for (unsigned i = 0; i < 4; i++) {
		g->replicas.replicas_val[i].account.account_len = 1;
		g->replicas.replicas_val[i].account.account_val = xcalloc(1, sizeof(struct qaddress));
		g->replicas.replicas_val[i].account.account_val[0] = rules_address((uint8_t)(11 + i));
	}
	free(g->allocations.allocations_val);
	g->allocations.allocations_len = sizeof allocations / sizeof *allocations;
	g->allocations.allocations_val = xmemdup(allocations, sizeof allocations);
	if (!genesis_finish(&r->g, &err))
		fail_msg("%s", err.text);
}

/* ---- who proposes -------------------------------------------------------------------- */

/* The cycle that the table after epoch `table` makes. */
static inline struct schedule story_schedule(const struct rules *r, unsigned table)
{
	struct qstake stakes[4];
	struct schedule s;

	memcpy(stakes, story_table(r, table), sizeof stakes);
	struct qtable t = {.height = {(uint64_t)table * EPOCH}, .stakes = {4, stakes}};
	schedule_make(&r->g, &t, &s);
	return s;
}

/* Which table decides at h: of two epochs before. */
static inline unsigned story_table_at(unsigned h)
{
	unsigned epoch = (h - 1) / EPOCH;
	return epoch > 0 ? epoch - 1 : 0;
}

/* The view in which block h was proposed. */
static inline unsigned story_view(unsigned h)
{
	return h <= 10 ? 0 : h <= 19 ? 1 : h <= 29 ? 2 : h <= 32 ? 4 : 6;
}

/* Whose turn it is at h in a view by the rules, and if table `stale` had decided. */
static inline unsigned story_turn(const struct rules *r, unsigned h, unsigned view, unsigned table)
{
	struct schedule s = story_schedule(r, table);
	return s.turns[((h - 1) / 2 + view) % SCHEDULE_CYCLE];
}

static inline unsigned story_proposer(const struct rules *r, unsigned h)
{
	return story_turn(r, h, story_view(h), story_table_at(h));
}

/* ---- the blocks ------------------------------------------------------------------------ */

/* Two PREPAREs of a replica at this height. */
static inline struct qoffence offence_by(const struct rules *r, unsigned replica, uint64_t height)
{
	struct qoffence o = {.replica = replica, .kind = QPREPARE};
	struct qmessage m = {.kind = QPREPARE};

	o.first = (struct qvote){.view = {1}, .height = {height}, .block = rules_hash(1)};
	o.second = (struct qvote){.view = {1}, .height = {height}, .block = rules_hash(2)};
	m.qmessage_u.vote = o.first;
	rules_sign(r, replica, &m, &o.first_sig);
	m.qmessage_u.vote = o.second;
	rules_sign(r, replica, &m, &o.second_sig);
	return o;
}

static inline struct tx *spend_and_report(const struct rules *r, uint8_t owner, struct qoutpoint in,
                                          struct qoutput *outs, unsigned out_cnt,
                                          const struct qoffence *offence)
{
	struct account *a = rules_account(owner);
	const struct account *signer = a;
	struct err err = {0};
	struct qtx_body body = {.inputs = {1, &in}, .outputs = {out_cnt, outs}};

	body.offence.offence_len = offence != NULL;
	body.offence.offence_val = (struct qoffence *)offence;
	struct tx *tx = tx_make(&r->g.chain, &body, &signer, 1, &err);
	if (!tx)
		fail_msg("%s", err.text);
	account_free(a);
	return tx;
}

/* All of an output to `kind` of the same replica, but for a delegator's penalty. */
static inline struct tx *move_delegated(const struct rules *r, uint8_t owner, struct qoutpoint in,
                                        uint64_t amount, struct qoutput rest, unsigned replica)
{
	uint64_t due = (amount * stake_rules(&r->g)->delegator_penalty + 99) / 100;
	struct qoutput outs[] = {rest, locked_to(owner, due, QLOCK_FROZEN, replica)};

	outs[0].amount = amount - due;
	return spend(r, owner, in, outs, due ? 2 : 1);
}

/* The second transaction of block h, if it has one: output `index` of the genesis or of a block before. */
static inline struct tx *story_deed(const struct rules *r, const struct chain *c, unsigned h)
{
	struct qoutpoint genesis = {r->g.txid, 0};
	struct qoutput outs[3];
	struct qoffence offence;

	switch (h) {
	case 2:
		genesis.index = 6;
		outs[0] = locked_to(3, 300, QLOCK_STAKE, 2);
		outs[1] = to(3, 200);
		return spend(r, 3, genesis, outs, 2);
	case 5:
		genesis.index = 5;
		outs[0] = locked_to(14, 100, QLOCK_STAKE, 3);
		return spend(r, 14, genesis, outs, 1);
	case 10:
		genesis.index = 1;
		outs[0] = locked_to(11, 250, QLOCK_STAKE, 0);
		outs[1] = locked_to(11, 150, QLOCK_RELEASE, 0);
		return spend(r, 11, genesis, outs, 2);
	case 12:
		genesis.index = 7;
		outs[0] = locked_to(15, 25, QLOCK_STAKE, 1);
		outs[1] = locked_to(15, 40, QLOCK_RELEASE, 1);
		return spend(r, 15, genesis, outs, 2);
	case 18:
		genesis.index = 2;
		outs[0] = locked_to(12, 100, QLOCK_STAKE, 1);
		outs[1] = locked_to(12, 50, QLOCK_RELEASE, 1);
		outs[2] = locked_to(12, 150, QLOCK_FROZEN, 1);
		return spend(r, 12, genesis, outs, 3);
	case 19:
		return move_delegated(r, 15, output_of(c->blocks[12]->txs[1], 0), 25,
		                      locked_to(15, 0, QLOCK_RELEASE, 1), 1);
	case 20:
		outs[0] = to(3, 200);
		offence = offence_by(r, 1, 16);
		return spend_and_report(r, 3, output_of(c->blocks[2]->txs[1], 1), outs, 1, &offence);
	case 26:
		outs[0] = locked_to(3, 100, QLOCK_STAKE, 1);
		outs[1] = to(3, 100);
		return spend(r, 3, output_of(c->blocks[20]->txs[1], 0), outs, 2);
	case 36:
		outs[0] = locked_to(3, 300, QLOCK_RELEASE, 2);
		return spend(r, 3, output_of(c->blocks[2]->txs[1], 0), outs, 1);
	case 37:
		outs[0] = to(11, 150);
		return spend(r, 11, output_of(c->blocks[10]->txs[1], 1), outs, 1);
	case 38:
		genesis.index = 4;
		return move_delegated(r, 2, genesis, 100, locked_to(2, 0, QLOCK_RELEASE, 3), 3);
	case 39:
		return move_delegated(r, 15, output_of(c->blocks[12]->txs[1], 1), 40, to(15, 0), 1);
	case 40:
		outs[0] = locked_to(3, 100, QLOCK_STAKE, 1);
		return spend(r, 3, output_of(c->blocks[26]->txs[1], 0), outs, 1);
	default:
		return NULL;
	}
}

/* The first one: 1 passes on what it has, and may report an offence with it. */
static inline struct tx *story_pass(const struct rules *r, const struct chain *c, unsigned h)
{
	struct qoutpoint in = {r->g.txid, 0};
	struct qoutput out = to(1, 1000);
	struct qoffence offence = h == 12   ? offence_by(r, 1, 6)
	                          : h == 20 ? offence_by(r, 3, 15)
	                                    : offence_by(r, 0, 30);

	if (h > 1)
		in = output_of(c->blocks[h - 1]->txs[0], 0);
	return spend_and_report(r, 1, in, &out, 1, h == 12 || h == 20 || h == 35 ? &offence : NULL);
}

/* The story's first blocks, up to `height`, sealed where the chain asks for it. */
static inline void tell_stakes(const struct rules *r, struct chain *c, unsigned height)
{
	struct seal_parent below;

	seal_genesis(&r->g, &below);
	for (unsigned h = 1; h <= height; h++) {
		struct tx *txs[2] = {story_pass(r, c, h), story_deed(r, c, h)};
		struct block *b =
		    make_block(h, h > 1 ? c->blocks[h - 1]->hash : r->g.chain, txs, txs[1] ? 2 : 1);
		struct qheader q = b->header;
		q.proposer = story_proposer(r, h);
		seals_put(r, &below, &q);
		seal_extend(&below, &q);
		c->blocks[h] = with_header(b, &q);
	}
}

/* The same transactions once more, with block `wrong` by this replica. */
static inline void tell_stakes_wrongly(const struct chain *from, struct chain *c, unsigned wrong,
                                       unsigned proposer)
{
	for (unsigned h = 1; h <= STORY_HEIGHT; h++) {
		const struct block *b = from->blocks[h];
		struct qheader q = b->header;
		if (h > 1)
			q.parent = c->blocks[h - 1]->hash;
		if (h == wrong)
			q.proposer = proposer;
		c->blocks[h] = block_new(&q, b->txs, b->tx_cnt);
		c->digests[h] = from->digests[h]; /* headers are not part of the state */
	}
}

/* ---- the ledger -------------------------------------------------------------------------- */

/* Runs, and the view of the certificate at each one's end; 17 to 19, and 31 and 32, were carried on. */
static const struct {
	unsigned to;
	enum qkind kind;
	unsigned view;
} story_runs[] = {
    {1, QCOMMIT, 0},  {4, QCOMMIT, 0},  {8, QCHECKPOINT, 0}, {10, QCOMMIT, 0},     {12, QCOMMIT, 1},
    {16, QCOMMIT, 1}, {19, QCOMMIT, 2}, {20, QCOMMIT, 2},    {24, QCHECKPOINT, 0}, {29, QCOMMIT, 2},
    {32, QCOMMIT, 6}, {36, QCOMMIT, 6}, {40, QCOMMIT, 6},
};

static inline struct qcert story_cert(const struct rules *r, const struct chain *c, size_t run)
{
	unsigned h = story_runs[run].to;
	struct qvote vote = {.view = {story_runs[run].view}, .height = {h}, .block = c->blocks[h]->hash};

	if (story_runs[run].kind == QCHECKPOINT)
		vote.state = c->digests[h];
	return rules_cert(r, story_runs[run].kind, &vote, 0xe);
}

/* With the stable checkpoints in its journal. */
static inline void write_story(const struct place *p, struct chain *c)
{
	struct ledger *l = open_ledger(p);
	unsigned from = 1;

	if (qhash_is_zero(&c->digests[STORY_HEIGHT])) {
		append_run(l, c, 1, STORY_HEIGHT, commit_at(&p->rules, c, STORY_HEIGHT));
		ledger_close(l); /* not committed: now the digests that checkpoints sign are known */
		l = open_ledger(p);
	}
	for (size_t i = 0; i < sizeof story_runs / sizeof *story_runs; i++) {
		append_run(l, c, from, story_runs[i].to, story_cert(&p->rules, c, i));
		from = story_runs[i].to + 1;
	}
	for (unsigned h = 4; h <= STORY_HEIGHT; h += 4)
		journal(l, (struct qjournal){.kind = QJ_STABLE,
		                             .qjournal_u.stable = checkpoint_at(&p->rules, c, h)});
	commit(l);
	ledger_close(l);
}

#endif
