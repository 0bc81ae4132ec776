/*
 * fuzz_evidence.c: evidence convicts only by what the convicted signed.  The first byte selects whether
 * envelopes are signed anew; without that, only what the replicas of the genuine cases signed can convict
 * anybody.  The chain asks for seals of so few bits that a changed header may have one by chance.
 *
 * Links: q_ledger
 */
#include "evidence.h"
#include "fuzz.h"
#include "inside.h"
#include "seals.h"

#define BITS 2 /* of the easiest target */
#define BITS_MAX 3

static struct rules rules;
static struct bytes signed_bodies[24]; /* all that a replica ever signed here */
static size_t signed_cnt;
static struct qvote certified[2]; /* all that a quorum ever signed here */

static struct qenvelope sealed(unsigned sender, struct qmessage m)
{
	struct qenvelope env = seal(&rules, sender, &m);

	signed_bodies[signed_cnt++] =
	    (struct bytes){xmemdup(env.body.body_val, env.body.body_len), env.body.body_len};
	wire_free(WIRE(qmessage), &m);
	return env;
}

static void add(struct qevidence ev)
{
	struct bytes b = rules_encode(WIRE(qevidence), &ev);

	must(evidence_verify(&rules.g, &ev, NULL));
	fuzz_seed_as(0, b.data, b.len);
	fuzz_seed_as(SIGN_ANEW, b.data, b.len);
	bytes_free(&b);
	wire_free(WIRE(qevidence), &ev);
}

static void add_conflict(unsigned sender, struct qmessage a, struct qmessage b)
{
	add((struct qevidence){QEV_CONFLICT, {.conflict = {sealed(sender, a), sealed(sender, b)}}});
}

static void put_seal(struct qmessage *m, unsigned bits, bool holds)
{
	struct qheader *h = &m->qmessage_u.proposal.header;

	h->seal.kind = QSEAL_POW;
	h->seal.qseal_u.pow.target = seal_target_of_bits(bits);
	seals_mine(h, holds);
}

/* One whose seal does not hold: there is none, its work was not done, or is not of this chain. */
static void add_proposal(unsigned bits, bool holds)
{
	struct qmessage m = make_proposal(&rules, 3);

	if (bits > 0)
		put_seal(&m, bits, holds);
	add((struct qevidence){QEV_BAD_PROPOSAL, {.proposal = sealed(1, m)}});
}

static qtx_bytes raw_of(struct tx *tx)
{
	qtx_bytes raw = {(unsigned)tx->raw_len, xmemdup(tx->raw, tx->raw_len)};

	tx_unref(tx);
	return raw;
}

/* Two replicas contradict each other, as they may. */
static void add_disagreement(struct qmessage a, struct qmessage b)
{
	struct qevidence ev = {QEV_CONFLICT, {.conflict = {sealed(0, a), sealed(1, b)}}};
	struct bytes bytes = rules_encode(WIRE(qevidence), &ev);

	fuzz_seed_as(0, bytes.data, bytes.len);
	fuzz_seed_as(SIGN_ANEW, bytes.data, bytes.len);
	bytes_free(&bytes);
	wire_free(WIRE(qevidence), &ev);
}

/* One certified header each, at one height; and the same in one chain, which contradicts nothing. */
static void add_fork(void)
{
	struct qmessage one = make_chain(&rules), other = make_chain(&rules), same = make_chain(&rules);
	struct qchain *c = &other.qmessage_u.chain;

	c->headers.headers_val[0].parent.b[0] ^= 1;
	anew_chain(&rules, c, LINK_ANEW);
	certified[0] = one.qmessage_u.chain.cert.vote;
	certified[1] = c->cert.vote;
	struct qevidence none = {QEV_FORK, {.fork = {one.qmessage_u.chain, same.qmessage_u.chain}}};
	struct bytes bytes = rules_encode(WIRE(qevidence), &none);
	must(!evidence_verify(&rules.g, &none, NULL));
	fuzz_seed_as(0, bytes.data, bytes.len);
	fuzz_seed_as(SIGN_ANEW, bytes.data, bytes.len);
	fuzz_seed_as(SIGN_ANEW | LINK_ANEW, bytes.data, bytes.len);
	bytes_free(&bytes);
	wire_free(WIRE(qmessage), &same);
	add((struct qevidence){QEV_FORK, {.fork = {one.qmessage_u.chain, *c}}});
}

static void setup(void)
{
	seals_setup(&rules, 4, "fuzz", BITS, BITS_MAX, 1000);
	struct qmessage vote = make_vote(QCOMMIT), other = vote, point = make_vote(QCHECKPOINT),
	                state = point;
	other.qmessage_u.vote.block.b[0] ^= 1;
	state.qmessage_u.vote.state.b[0] ^= 1;
	add_conflict(0, vote, other);
	add_disagreement(vote, other);
	add_conflict(2, point, state);
	add_conflict(1, make_proposal(&rules, 1), make_proposal(&rules, 2));
	add_proposal(0, false);
	add_proposal(BITS, false);
	add_proposal(BITS_MAX + 1, true);
	struct qmessage bad = make_proposal(&rules, 4);
	put_seal(&bad, BITS, true);
	bad.qmessage_u.proposal.leaves.leaves_val[1] = bad.qmessage_u.proposal.leaves.leaves_val[0];
	add((struct qevidence){QEV_BAD_PROPOSAL, {.proposal = sealed(1, bad)}});
	add_fork();
	add((struct qevidence){
	    QEV_DOUBLE_SPEND,
	    {.double_spend = {raw_of(rules_pay(&rules, 0, "one")), raw_of(rules_pay(&rules, 0, "other"))}}});
}

static void teardown(void)
{
	while (signed_cnt > 0)
		bytes_free(&signed_bodies[--signed_cnt]);
	rules_teardown(&rules);
}

static bool was_signed(const struct qenvelope *env)
{
	for (size_t i = 0; i < signed_cnt; i++)
		if (signed_bodies[i].len == env->body.body_len &&
		    memcmp(signed_bodies[i].data, env->body.body_val, env->body.body_len) == 0)
			return true;
	return false;
}

static bool was_certified(const struct qcert *c)
{
	for (size_t i = 0; i < 2; i++)
		if (c->kind == QCOMMIT && memcmp(&c->vote, &certified[i], sizeof c->vote) == 0)
			return true;
	return false;
}

static void anew(struct qevidence *ev, uint8_t how)
{
	if (ev->kind == QEV_CONFLICT) {
		anew_envelope(&rules, &ev->qevidence_u.conflict.first, SIGN_ANEW);
		anew_envelope(&rules, &ev->qevidence_u.conflict.second, SIGN_ANEW);
	} else if (ev->kind == QEV_BAD_PROPOSAL) {
		anew_envelope(&rules, &ev->qevidence_u.proposal, SIGN_ANEW);
	} else if (ev->kind == QEV_FORK) {
		anew_chain(&rules, &ev->qevidence_u.fork.first, how);
		anew_chain(&rules, &ev->qevidence_u.fork.second, how);
	}
}

/* 2^(256 - bits) > number, by the bits themselves. */
static bool has_zero_bits(const uint8_t number[32], unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if (number[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool is_sealed(const struct qheader *h)
{
	const uint8_t *target = h->seal.qseal_u.pow.target.b;
	struct qhash hash;

	if (h->seal.kind != QSEAL_POW)
		return false;
	block_hash(h, &hash);
	bool hardest = has_zero_bits(target, BITS_MAX); /* then it may be no smaller than all ones */
	if (!has_zero_bits(target, BITS) || memcmp(hash.b, target, 32) > 0)
		return false;
	for (unsigned i = BITS_MAX; i < 256 && hardest; i++)
		if (!(target[i / 8] >> (7 - i % 8) & 1))
			return false;
	return true;
}

static bool is_faultless(unsigned sender, const struct qproposal *p)
{
	const struct qheader *h = &p->header;
	const struct qhash *leaves = p->leaves.leaves_val;
	struct qhash root;

	if (h->format != 1 || h->proposer != sender || h->tx_count == 0 ||
	    h->tx_count != p->leaves.leaves_len || h->tx_count > rules.g.g.params.block_txs_max)
		return false;
	for (unsigned i = 0; i < h->tx_count; i++)
		for (unsigned k = 0; k < i; k++)
			if (qhash_eq(&leaves[i], &leaves[k]))
				return false;
	merkle_root(leaves, h->tx_count, &root);
	return qhash_eq(&root, &h->merkle_root) && is_sealed(h);
}

/* A signed proposal convicts just where it has a fault. */
static void check_proposal(const struct qenvelope *env, bool convicts)
{
	struct qmessage m;
	if (!envelope_verify(&rules.g, env, &m, NULL)) {
		must(!convicts);
		return;
	}
	must(convicts == (m.kind == QPRE_PREPARE && !is_faultless(env->sender, &m.qmessage_u.proposal)));
	wire_free(WIRE(qmessage), &m);
}

static void check_conviction(const struct qevidence *ev, bool anything_signed)
{
	const struct qconflict *c = &ev->qevidence_u.conflict;

	if (ev->kind == QEV_CONFLICT) {
		must(c->first.sender == c->second.sender && c->first.sender < rules.g.n);
		must(anything_signed || (was_signed(&c->first) && was_signed(&c->second)));
	} else if (ev->kind == QEV_BAD_PROPOSAL) {
		must(anything_signed || was_signed(&ev->qevidence_u.proposal));
	} else if (ev->kind == QEV_FORK) {
		const struct qcert *a = &ev->qevidence_u.fork.first.cert,
		                   *b = &ev->qevidence_u.fork.second.cert;
		must(cert_verify(&rules.g, a, NULL) && cert_verify(&rules.g, b, NULL));
		must(anything_signed || (was_certified(a) && was_certified(b) &&
		                         memcmp(&a->vote, &b->vote, sizeof a->vote) != 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct qevidence ev;
	struct err err = {0};

	if (len == 0 || !wire_decode(WIRE(qevidence), data + 1, len - 1, &ev))
		return 0;
	if (data[0] & SIGN_ANEW)
		anew(&ev, data[0]);
	bool convicts = evidence_verify(&rules.g, &ev, &err);
	if (ev.kind == QEV_BAD_PROPOSAL)
		check_proposal(&ev.qevidence_u.proposal, convicts);
	if (convicts)
		check_conviction(&ev, data[0] & SIGN_ANEW);
	else
		must(err.kind == ERR_NO && err.text[0] != '\0');
	wire_free(WIRE(qevidence), &ev);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "evidence", .runs = 10000, .setup = setup, .teardown = teardown};
