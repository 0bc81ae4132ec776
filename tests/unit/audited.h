/*
 * audited.h: the honest ledger of ten blocks, with a journal, that most tests of the audit begin with.
 */
#ifndef QUORATE_TEST_AUDITED_H
#define QUORATE_TEST_AUDITED_H

#include "auditing.h"

#define HEIGHT 10

/*
 * A chain of 10 blocks, 11 transactions: 1 to 3 are tell_story()'s; in each later one account 5 pays its 250
 * on to itself. Runs: 1 | 2 3 | 4 | 5 6 7 | 8 | 9 10; the certificate at 4 is a checkpoint's.
 */

/* What block `h` of the long tail is: `to_whom` gets the 250 of the transaction before. */
static inline struct block *tail_block(const struct rules *r, uint64_t h, const struct block *below,
                                       uint8_t to_whom)
{
	const struct tx *before = below->txs[below->tx_cnt - 1];
	unsigned index = before->q.body.outputs.outputs_len - 1;
	struct qoutput out = to(to_whom, 250);
	struct tx *tx = spend(r, 5, output_of(before, index), &out, 1);
	return make_block(h, below->hash, &tx, 1);
}

static inline void make_chain(const struct rules *r, struct chain *c)
{
	struct qoutput first[] = {to(3, 600), to(1, 400)}, last[] = {to(6, 150), to(5, 250)};
	struct qoutput pass = to(4, 600), pay = to(5, 400);
	struct tx *a = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, first, 2);
	struct tx *b = spend(r, 3, output_of(a, 0), &pass, 1);
	struct tx *x = spend(r, 1, output_of(a, 1), &pay, 1);
	struct tx *y = spend(r, 5, output_of(x, 0), last, 2);

	c->blocks[1] = make_block(1, r->g.chain, (struct tx *[]){a, b}, 2);
	c->blocks[2] = make_block(2, c->blocks[1]->hash, &x, 1);
	c->blocks[3] = make_block(3, c->blocks[2]->hash, &y, 1);
	for (unsigned h = 4; h <= HEIGHT; h++)
		c->blocks[h] = tail_block(r, h, c->blocks[h - 1], 5);
}

/* The digest after block 4, which its own certificate signs, is known only once it was executed. */
static inline void learn_digests(struct place *p, struct chain *c)
{
	struct ledger *l = open_ledger(p);
	append_run(l, c, 1, HEIGHT, commit_at(&p->rules, c, HEIGHT));
	ledger_close(l); /* not committed */
}

/* NEW-VIEW for view 1 by replica 1; each of V reports its tip at 3, a checkpoint at 4, and block 5 as
 * prepared. */
static inline struct qjournal new_view_entry(const struct rules *r, const struct chain *c)
{
	struct qcert tip = commit_at(r, c, 3), stable = checkpoint_at(r, c, 4);
	struct qvote vote = {.height = {5}, .block = c->blocks[5]->hash};
	struct qprepared prepared = {c->blocks[5]->header, rules_cert(r, QPREPARE, &vote, 7)};
	struct qmessage change = {
	    .kind = QVIEW_CHANGE,
	    .qmessage_u.view_change = {
	        .view = {1}, .tip = {1, &tip}, .stable = {1, &stable}, .prepared = {1, &prepared}}};
	struct qenvelope changes[3];
	for (unsigned i = 0; i < 3; i++)
		changes[i] = envelope(r, i, &change);
	struct qmessage nv = {.kind = QNEW_VIEW,
	                      .qmessage_u.new_view = {.view = {1}, .changes = {3, changes}}};
	struct qjournal j = {.kind = QJ_NEW_VIEW, .qjournal_u.new_view = envelope(r, 1, &nv)};
	for (unsigned i = 0; i < 3; i++)
		wire_free(WIRE(qenvelope), &changes[i]);
	wire_free(WIRE(qcert), &tip);
	wire_free(WIRE(qcert), &stable);
	wire_free(WIRE(qcert), &prepared.cert);
	return j;
}

/* Replica 2 committed to two blocks at one (view, height). */
static inline struct qjournal conflict_entry(const struct rules *r)
{
	struct qmessage a = {.kind = QCOMMIT, .qmessage_u.vote = {.height = {7}, .block = rules_hash(1)}};
	struct qmessage b = a;
	b.qmessage_u.vote.block = rules_hash(2);
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_CONFLICT};
	j.qjournal_u.evidence.qevidence_u.conflict =
	    (struct qconflict){envelope(r, 2, &a), envelope(r, 2, &b)};
	return j;
}

/* Two blocks at height 99 with certificates, as a replica keeps them that stops. */
static inline struct qjournal fork_entry(const struct rules *r)
{
	struct qvote a = {.height = {99}, .block = rules_hash(1)},
	             b = {.height = {99}, .block = rules_hash(2)};
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_FORK};
	j.qjournal_u.evidence.qevidence_u.fork = (struct qfork){
	    .first.cert = rules_cert(r, QCOMMIT, &a, 7), .second.cert = rules_cert(r, QCOMMIT, &b, 14)};
	return j;
}

/* Account 1 signed a second transaction that spends what block 1 spent first. */
static inline struct qjournal double_spend_entry(const struct rules *r, const struct chain *c)
{
	struct qoutput again = to(2, 1000);
	struct tx *winner = c->blocks[1]->txs[0];
	struct tx *loser = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, &again, 1);
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_DOUBLE_SPEND};
	struct qdouble_spend *d = &j.qjournal_u.evidence.qevidence_u.double_spend;

	d->winner.qtx_bytes_val = xmemdup(winner->raw, winner->raw_len);
	d->winner.qtx_bytes_len = (unsigned)winner->raw_len;
	d->loser.qtx_bytes_val = xmemdup(loser->raw, loser->raw_len);
	d->loser.qtx_bytes_len = (unsigned)loser->raw_len;
	tx_unref(loser);
	return j;
}

static inline void write_ledger(struct place *p, struct chain *c)
{
	const struct rules *r = &p->rules;
	struct ledger *l = open_ledger(p);

	append_run(l, c, 1, 1, commit_at(r, c, 1));
	append_run(l, c, 2, 3, commit_at(r, c, 3));
	append_run(l, c, 4, 4, checkpoint_at(r, c, 4));
	journal(l, (struct qjournal){.kind = QJ_STABLE, .qjournal_u.stable = checkpoint_at(r, c, 4)});
	journal(l, new_view_entry(r, c));
	append_run(l, c, 5, 7, commit_at(r, c, 7));
	journal(l, conflict_entry(r));
	journal(l, fork_entry(r));
	journal(l, double_spend_entry(r, c));
	append_run(l, c, 8, 8, commit_at(r, c, 8));
	append_run(l, c, 9, 10, commit_at(r, c, 10));
	commit(l);
	ledger_close(l);
}

static inline int make_fixture(void **state)
{
	struct rules rules;

	rules_setup(&rules, 4, "store");
	fixture = fixture_of(rules);
	make_chain(&fixture->honest.rules, &fixture->chain);
	learn_digests(&fixture->honest, &fixture->chain);
	place_remove(&fixture->honest);
	write_ledger(&fixture->honest, &fixture->chain);
	*state = fixture;
	return 0;
}

/* A ledger of the first `height` blocks in other.db, then `extra` with a certificate, whatever it is. */
static inline struct ledger *start_other(struct fixture *f, unsigned height)
{
	struct ledger *l = open_ledger(&f->other);
	if (height > 0)
		append_run(l, &f->chain, 1, height, commit_at(&f->other.rules, &f->chain, height));
	return l;
}

static inline void end_ledger(struct ledger *l)
{
	commit(l);
	ledger_close(l);
}

#endif
