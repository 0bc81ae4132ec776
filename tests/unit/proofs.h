/*
 * proofs.h: a piece of evidence of every sort that there is, on the chain of rules.h.
 */
#ifndef QUORATE_TEST_PROOFS_H
#define QUORATE_TEST_PROOFS_H

#include "rules.h"

#include "block.h"
#include "evidence.h"
#include "merkle.h"

#define PROOFS(P)                                                                                            \
	P(PROOF_PROPOSALS, "two proposals (PRE-PREPAREs) in view 5 at height 7: block ")                     \
	P(PROOF_PREPARES, "replica 2 (replica-2) signed two PREPAREs in view 3 at height 17: for block ")    \
	P(PROOF_COMMITS, "replica 2 (replica-2) signed two COMMITs in view 3 at height 17: for block ")      \
	P(PROOF_CHECKPOINTS, "replica 2 (replica-2) signed two CHECKPOINTs at height 17: of block ")         \
	P(PROOF_STATES, "two CHECKPOINTs at height 17: of different states after block ")                    \
	P(PROOF_VIEW_CHANGES, "replica 2 (replica-2) signed two different VIEW-CHANGEs for view 4; no hon")  \
	P(PROOF_NEW_VIEWS, "replica 2 (replica-2) signed two different NEW-VIEWs for view 6; no honest rep") \
	P(PROOF_HIDDEN, ", and a VIEW-CHANGE for view 4 that hides it; no honest replica does")              \
	P(PROOF_BAD_PROPOSAL, "that is invalid by itself: its transactions are none, are not those that")    \
	P(PROOF_DOUBLE_SPEND, " signed two transactions that spend the same output, ")                       \
	P(PROOF_FORK, ": more than f = 1 of 4 replicas lied, as what they signed shows of replicas 0 ("      \
	              "replica-0), 1 (replica-1) and 2 (replica-2)")                                         \
	P(PROOF_FORK_VIEWS, "; who they are, these certificates alone do not tell")                          \
	P(PROOF_FORK_HIDDEN, "shows of replicas 0 (replica-0) and 2 (replica-2)")                            \
	P(PROOF_FORK_GENESIS, "two chains are certified, one of them on another genesis, of blocks ")

enum proof_sort {
#define P(name, words) name,
	PROOFS(P)
#undef P
	    PROOF_CNT
};

/* Of evidence_words() for each. */
static const char *const proof_words[PROOF_CNT] = {
#define P(name, words) [name] = words,
    PROOFS(P)
#undef P
};

static inline struct qenvelope proof_envelope(const struct rules *r, unsigned sender,
                                              const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = r->g.chain, .sender = sender};

	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	rules_sign(r, sender, m, &env.sig);
	return env;
}

static inline struct qevidence proof_conflict(const struct rules *r, unsigned sender,
                                              const struct qmessage *a, const struct qmessage *b)
{
	return (struct qevidence){
	    .kind = QEV_CONFLICT,
	    .qevidence_u.conflict = {proof_envelope(r, sender, a), proof_envelope(r, sender, b)}};
}

/* In view 3 at height 17; a CHECKPOINT has a state, and no view. */
static inline struct qmessage proof_vote(enum qkind kind, uint8_t block, uint8_t state)
{
	struct qmessage m = {.kind = kind,
	                     .qmessage_u.vote = {.view = {kind == QCHECKPOINT ? 0 : 3},
	                                         .height = {17},
	                                         .block = rules_hash(block)}};
	if (kind == QCHECKPOINT)
		m.qmessage_u.vote.state = rules_hash(state);
	return m;
}

static inline struct qevidence proof_votes(const struct rules *r, enum qkind kind, uint8_t block,
                                           uint8_t state)
{
	struct qmessage a = proof_vote(kind, 1, 7), b = proof_vote(kind, block, state);

	return proof_conflict(r, 2, &a, &b);
}

/* Replica 1's, of these leaves, in view 5 at height 7. */
static inline struct qmessage proof_proposal(struct qhash *leaves, unsigned cnt)
{
	struct qmessage m = {.kind = QPRE_PREPARE};
	struct qhash root;

	merkle_root(leaves, cnt, &root);
	m.qmessage_u.proposal = (struct qproposal){
	    .view = {5}, .header = rules_header(7, rules_hash(1), root, cnt), .leaves = {cnt, leaves}};
	m.qmessage_u.proposal.header.proposer = 1;
	return m;
}

static inline struct qevidence proof_proposals(const struct rules *r)
{
	struct qhash leaves[] = {rules_hash(1), rules_hash(2)};
	struct qmessage a = proof_proposal(leaves, 1), b = proof_proposal(leaves, 2);

	return proof_conflict(r, 1, &a, &b);
}

static inline struct qevidence proof_bad_proposal(const struct rules *r)
{
	struct qhash twice[] = {rules_hash(1), rules_hash(1)};
	struct qmessage m = proof_proposal(twice, 2);

	return (struct qevidence){.kind = QEV_BAD_PROPOSAL, .qevidence_u.proposal = proof_envelope(r, 1, &m)};
}

static inline struct qevidence proof_views(const struct rules *r, enum qkind kind)
{
	struct qvote vote = {.height = {4}, .block = rules_hash(1)};
	struct qcert tip = rules_cert(r, QCOMMIT, &vote, 7);
	struct qmessage a = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {4}}}, b = a;
	struct qmessage start = {.kind = QNEW_VIEW, .qmessage_u.new_view = {.view = {6}}}, other = start;
	struct qenvelope change = proof_envelope(r, 1, &a);
	struct qevidence ev;

	b.qmessage_u.view_change.tip.tip_len = 1;
	b.qmessage_u.view_change.tip.tip_val = &tip;
	other.qmessage_u.new_view.changes.changes_len = 1;
	other.qmessage_u.new_view.changes.changes_val = &change;
	ev = kind == QVIEW_CHANGE ? proof_conflict(r, 2, &a, &b) : proof_conflict(r, 2, &start, &other);
	wire_free(WIRE(qenvelope), &change);
	wire_free(WIRE(qcert), &tip);
	return ev;
}

/* A COMMIT that was made at height 17 in view 3, and the report of nothing for view 4. */
static inline struct qevidence proof_hidden(const struct rules *r)
{
	struct qmessage a = proof_vote(QCOMMIT, 1, 0);
	struct qmessage b = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {4}}};

	return proof_conflict(r, 2, &a, &b);
}

static inline qtx_bytes proof_raw_take(struct tx *tx)
{
	qtx_bytes raw = {(unsigned)tx->raw_len, xmemdup(tx->raw, tx->raw_len)};

	tx_unref(tx);
	return raw;
}

static inline struct qevidence proof_double_spend(const struct rules *r)
{
	return (struct qevidence){.kind = QEV_DOUBLE_SPEND,
	                          .qevidence_u.double_spend = {proof_raw_take(rules_pay(r, 0, "one")),
	                                                       proof_raw_take(rules_pay(r, 0, "other"))}};
}

/* Blocks 7 and 8, or 1 and 2, on `parent`, certified in this view by a quorum: replicas 0, 1 and 2. */
static inline struct qchain proof_chain(const struct rules *r, uint64_t from, uint64_t view,
                                        struct qhash parent, uint8_t salt)
{
	struct qchain c = {.headers = {2, xcalloc(2, sizeof(struct qheader))}};
	struct qvote vote = {.view = {view}, .height = {from + 1}};

	for (unsigned i = 0; i < 2; i++) {
		c.headers.headers_val[i] = rules_header(from + i, parent, rules_hash(salt), 1);
		block_hash(&c.headers.headers_val[i], &parent);
	}
	vote.block = parent;
	c.cert = rules_cert(r, QCOMMIT, &vote, rules_quorum_mask(r));
	return c;
}

static inline struct qevidence proof_fork(const struct rules *r, enum proof_sort sort)
{
	bool genesis = sort == PROOF_FORK_GENESIS;
	struct qhash parent = rules_hash(1);
	uint64_t from = genesis ? 1 : 7, view = sort == PROOF_FORK ? 3 : 4;
	struct qmessage m = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {4}}};
	struct qevidence ev = {.kind = QEV_FORK};
	struct qfork *f = &ev.qevidence_u.fork;

	f->first = proof_chain(r, from, 3, parent, 1);
	f->second = proof_chain(r, from, view, parent, genesis ? 1 : 2);
	if (sort == PROOF_FORK_HIDDEN) {
		f->hiding.hiding_len = 2;
		f->hiding.hiding_val = xcalloc(2, sizeof(struct qenvelope));
		f->hiding.hiding_val[0] = proof_envelope(r, 0, &m);
		f->hiding.hiding_val[1] = proof_envelope(r, 2, &m);
	}
	return ev;
}

/* wire_free(WIRE(qevidence), ...) */
static inline struct qevidence proof_make(const struct rules *r, enum proof_sort sort)
{
	switch (sort) {
	case PROOF_PROPOSALS:
		return proof_proposals(r);
	case PROOF_PREPARES:
		return proof_votes(r, QPREPARE, 2, 0);
	case PROOF_COMMITS:
		return proof_votes(r, QCOMMIT, 2, 0);
	case PROOF_CHECKPOINTS:
		return proof_votes(r, QCHECKPOINT, 2, 7);
	case PROOF_STATES:
		return proof_votes(r, QCHECKPOINT, 1, 8);
	case PROOF_VIEW_CHANGES:
		return proof_views(r, QVIEW_CHANGE);
	case PROOF_NEW_VIEWS:
		return proof_views(r, QNEW_VIEW);
	case PROOF_HIDDEN:
		return proof_hidden(r);
	case PROOF_BAD_PROPOSAL:
		return proof_bad_proposal(r);
	case PROOF_DOUBLE_SPEND:
		return proof_double_spend(r);
	case PROOF_FORK:
	case PROOF_FORK_VIEWS:
	case PROOF_FORK_HIDDEN:
	case PROOF_FORK_GENESIS:
	case PROOF_CNT:
		break;
	}
	return proof_fork(r, sort);
}

#endif
