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
static struct {
	enum qkind kind;
	struct qvote vote;
} certified[16]; /* all that a quorum ever signed here */
static size_t certified_cnt;

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

/* Convicts nobody, though not much is lacking. */
static void add_innocent(struct qevidence ev)
{
	struct bytes b = rules_encode(WIRE(qevidence), &ev);

	must(!evidence_verify(&rules.g, &ev, NULL));
	fuzz_seed_as(0, b.data, b.len);
	fuzz_seed_as(SIGN_ANEW, b.data, b.len);
	bytes_free(&b);
	wire_free(WIRE(qevidence), &ev);
}

static void note_cert(const struct qcert *c)
{
	certified[certified_cnt].kind = c->kind;
	certified[certified_cnt++].vote = c->vote;
}

/* Two chains of three blocks, of views 1 and `view`. */
static struct qfork make_fork(uint64_t view)
{
	struct qmessage one = make_chain(&rules), other = make_chain(&rules);
	struct qfork f = {one.qmessage_u.chain, other.qmessage_u.chain};

	f.second.headers.headers_val[0].parent.b[0] ^= 1;
	f.second.cert.vote.view.n = view;
	anew_chain(&rules, &f.second, LINK_ANEW);
	note_cert(&f.first.cert);
	note_cert(&f.second.cert);
	return f;
}

/* Two forks of one view each, and the same in one chain, which contradicts nothing. */
static void add_fork(void)
{
	struct qmessage one = make_chain(&rules), same = make_chain(&rules);
	struct qevidence none = {QEV_FORK, {.fork = {one.qmessage_u.chain, same.qmessage_u.chain}}};
	struct bytes bytes = rules_encode(WIRE(qevidence), &none);

	fuzz_seed_as(SIGN_ANEW | LINK_ANEW, bytes.data, bytes.len);
	bytes_free(&bytes);
	add_innocent(none);
	add((struct qevidence){QEV_FORK, {.fork = make_fork(1)}});
}

/* Of views 1 and 4: replicas 0 and 2 hide in their VIEW-CHANGEs that they committed in view 1. */
static void add_hidden(void)
{
	struct qfork f = make_fork(4);

	f.hiding.hiding_val = xcalloc(2, sizeof *f.hiding.hiding_val);
	for (unsigned i = 0; i < 2; i++)
		f.hiding.hiding_val[f.hiding.hiding_len++] = sealed(2 * i, make_view_change(&rules));
	add((struct qevidence){QEV_FORK, {.fork = f}});
}

/* Replica 1 committed the upper one of two blocks that are linked, and reports both; or others that are not.
 */
static void add_reported(bool linked)
{
	struct qmessage commit = make_vote(QCOMMIT), m = make_view_change(&rules);
	struct qprepared *p = m.qmessage_u.view_change.prepared.prepared_val;
	struct qhash below = rules_hash(3);

	for (unsigned i = 0; i < 2; i++) {
		struct qvote vote = {.view = {1}, .height = {5 + i}};
		p[i].header = rules_header(5 + i, below, rules_hash(2), 1);
		block_hash(&p[i].header, &vote.block);
		wire_free(WIRE(qcert), &p[i].cert);
		p[i].cert = rules_cert(&rules, QPREPARE, &vote, 7);
		if (linked)
			below = vote.block;
		commit.qmessage_u.vote = vote;
	}
	struct qevidence ev = {QEV_CONFLICT, {.conflict = {sealed(1, commit), sealed(1, m)}}};
	(linked ? add_innocent : add)(ev);
}

/* Replica 3 has signed no COMMIT in view 1. */
static void add_stranger(void)
{
	struct qfork f = make_fork(6);

	f.hiding.hiding_val = xcalloc(1, sizeof *f.hiding.hiding_val);
	f.hiding.hiding_val[f.hiding.hiding_len++] = sealed(3, make_view_change(&rules));
	add_innocent((struct qevidence){QEV_FORK, {.fork = f}});
}

static void add_prepared(void)
{
	struct qfork f = make_fork(5);

	f.prepared.prepared_val = xcalloc(2, sizeof *f.prepared.prepared_val);
	for (unsigned i = 0; i < 2; i++) {
		struct qvote vote = {.view = {1}, .height = {12}, .block = rules_hash((uint8_t)(7 + i))};
		f.prepared.prepared_val[f.prepared.prepared_len++] =
		    rules_cert(&rules, QPREPARE, &vote, 7U << i);
		note_cert(&f.prepared.prepared_val[i]);
	}
	add((struct qevidence){QEV_FORK, {.fork = f}});
}

static void setup(void)
{
	seals_setup(&rules, 4, "fuzz", BITS, BITS_MAX, 1000);
	struct qmessage vote = make_vote(QCOMMIT), other = vote, point = make_vote(QCHECKPOINT),
	                state = point;
	other.qmessage_u.vote.block.b[0] ^= 1;
	state.qmessage_u.vote.state.b[0] ^= 1;
	add_conflict(0, vote, other);
	add_innocent((struct qevidence){
	    QEV_CONFLICT, {.conflict = {sealed(0, vote), sealed(1, other)}}}); /* two may disagree */
	add_conflict(2, point, state);
	add_conflict(1, make_proposal(&rules, 1), make_proposal(&rules, 2));
	struct qmessage commit =
	    vote; /* of what make_view_change() reports as prepared in a later view only */
	commit.qmessage_u.vote.height.n = 6;
	add_conflict(1, commit, make_view_change(&rules));
	add_proposal(0, false);
	add_proposal(BITS, false);
	add_proposal(BITS_MAX + 1, true);
	struct qmessage bad = make_proposal(&rules, 4);
	put_seal(&bad, BITS, true);
	bad.qmessage_u.proposal.leaves.leaves_val[1] = bad.qmessage_u.proposal.leaves.leaves_val[0];
	add((struct qevidence){QEV_BAD_PROPOSAL, {.proposal = sealed(1, bad)}});
	add_fork();
	add_hidden();
	add_reported(true);
	add_reported(false);
	add_stranger();
	add_prepared();
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
	for (size_t i = 0; i < certified_cnt; i++)
		if (c->kind == certified[i].kind && memcmp(&c->vote, &certified[i].vote, sizeof c->vote) == 0)
			return true;
	return false;
}

static void anew(struct qevidence *ev, uint8_t how)
{
	struct qfork *f = &ev->qevidence_u.fork;

	if (ev->kind == QEV_CONFLICT) {
		anew_envelope(&rules, &ev->qevidence_u.conflict.first, SIGN_ANEW);
		anew_envelope(&rules, &ev->qevidence_u.conflict.second, SIGN_ANEW);
	} else if (ev->kind == QEV_BAD_PROPOSAL) {
		anew_envelope(&rules, &ev->qevidence_u.proposal, SIGN_ANEW);
	} else if (ev->kind == QEV_FORK) {
		anew_chain(&rules, &f->first, how);
		anew_chain(&rules, &f->second, how);
		for (unsigned i = 0; i < f->hiding.hiding_len; i++)
			anew_envelope(&rules, &f->hiding.hiding_val[i], SIGN_ANEW);
		for (unsigned i = 0; i < f->prepared.prepared_len; i++)
			sign_cert(&rules, &f->prepared.prepared_val[i]);
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

/* ---- who is guilty, said once more and in another way ------------------------------- */

/* May an honest replica that signed this COMMIT report this of a height?  NULL: nothing. */
static bool may_report(const struct qvote *commit, const struct qprepared *p)
{
	if (!p)
		return false;
	if (p->cert.vote.view.n == commit->view.n && p->cert.vote.height.n == commit->height.n)
		return qhash_eq(&p->cert.vote.block, &commit->block);
	return p->cert.vote.view.n >= commit->view.n;
}

static const struct qprepared *reported_at(const struct qview_change *vc, uint64_t height)
{
	const struct qprepared *p = vc->prepared.prepared_val, *end = p + vc->prepared.prepared_len;

	while (p < end && p->cert.vote.height.n != height)
		p++;
	return p < end ? p : NULL;
}

static bool may_be_honest(const struct qvote *commit, const struct qview_change *vc)
{
	uint64_t h = commit->height.n, base = vc->tip.tip_len ? vc->tip.tip_val->vote.height.n : 0;

	if (vc->stable.stable_len && vc->stable.stable_val->vote.height.n > base)
		base = vc->stable.stable_val->vote.height.n;
	if (commit->view.n >= vc->view.n)
		return true;
	for (; h > base; h--) { /* downwards, to the first that is not there */
		const struct qprepared *p = reported_at(vc, h), *below = reported_at(vc, h - 1);
		if (!may_report(commit, p))
			return false;
		if (h - 1 > base && below && p->cert.vote.view.n == commit->view.n &&
		    below->cert.vote.view.n == commit->view.n &&
		    !qhash_eq(&p->header.parent, &below->cert.vote.block))
			return false;
	}
	return true;
}

static uint64_t signers(const struct qcert *c)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < c->sigs.sigs_len; i++)
		mask |= UINT64_C(1) << c->sigs.sigs_val[i].replica;
	return mask;
}

static uint64_t guilty_of_fork(const struct qfork *f)
{
	const struct qcert *a = &f->first.cert, *b = &f->second.cert;
	uint64_t guilty = 0;

	if (a->kind == QCOMMIT && b->kind == QCOMMIT && a->vote.view.n == b->vote.view.n)
		guilty = signers(a) & signers(b);
	if (a->kind == QCHECKPOINT && b->kind == QCHECKPOINT && a->vote.height.n == b->vote.height.n)
		guilty = signers(a) & signers(b);
	for (unsigned i = 0; i < f->hiding.hiding_len; i++) {
		const struct qenvelope *env = &f->hiding.hiding_val[i];
		struct qmessage m;
		must(a->kind == QCOMMIT && signers(a) >> env->sender & 1);
		must(envelope_verify(&rules.g, env, &m, NULL));
		must(m.kind == QVIEW_CHANGE && !may_be_honest(&a->vote, &m.qmessage_u.view_change));
		guilty |= UINT64_C(1) << env->sender;
		wire_free(WIRE(qmessage), &m);
	}
	if (f->prepared.prepared_len > 0) {
		a = &f->prepared.prepared_val[0];
		b = &f->prepared.prepared_val[1];
		must(f->prepared.prepared_len == 2 && cert_verify(&rules.g, a, NULL) &&
		     cert_verify(&rules.g, b, NULL));
		must(a->kind == QPREPARE && b->kind == QPREPARE &&
		     !qhash_eq(&a->vote.block, &b->vote.block) && a->vote.view.n == b->vote.view.n &&
		     a->vote.height.n == b->vote.height.n);
		guilty |= signers(a) & signers(b);
	}
	return guilty;
}

static void check_fork(const struct qfork *f, bool anything_signed)
{
	const struct qcert *a = &f->first.cert, *b = &f->second.cert;

	must(cert_verify(&rules.g, a, NULL) && cert_verify(&rules.g, b, NULL));
	if (anything_signed)
		return;
	must(was_certified(a) && was_certified(b) && memcmp(&a->vote, &b->vote, sizeof a->vote) != 0);
	for (unsigned i = 0; i < f->hiding.hiding_len; i++)
		must(was_signed(&f->hiding.hiding_val[i]));
	for (unsigned i = 0; i < f->prepared.prepared_len; i++)
		must(was_certified(&f->prepared.prepared_val[i]));
}

/* A COMMIT and a VIEW-CHANGE; of one kind the rules are few. */
static void check_pair(const struct qconflict *c)
{
	struct qmessage a, b;

	must(envelope_verify(&rules.g, &c->first, &a, NULL) &&
	     envelope_verify(&rules.g, &c->second, &b, NULL));
	if (a.kind != b.kind)
		must(a.kind == QCOMMIT && b.kind == QVIEW_CHANGE &&
		     !may_be_honest(&a.qmessage_u.vote, &b.qmessage_u.view_change));
	wire_free(WIRE(qmessage), &a);
	wire_free(WIRE(qmessage), &b);
}

static void check_conviction(const struct qevidence *ev, bool anything_signed)
{
	const struct qconflict *c = &ev->qevidence_u.conflict;
	struct evidence_facts facts;

	must(evidence_facts(&rules.g, ev, &facts));
	if (ev->kind == QEV_CONFLICT) {
		must(c->first.sender == c->second.sender && c->first.sender < rules.g.n);
		must(facts.culprits == UINT64_C(1) << c->first.sender);
		must(anything_signed || (was_signed(&c->first) && was_signed(&c->second)));
		check_pair(c);
	} else if (ev->kind == QEV_BAD_PROPOSAL) {
		must(facts.culprits == UINT64_C(1) << ev->qevidence_u.proposal.sender);
		must(anything_signed || was_signed(&ev->qevidence_u.proposal));
	} else if (ev->kind == QEV_FORK) {
		check_fork(&ev->qevidence_u.fork, anything_signed);
		must(facts.culprits == guilty_of_fork(&ev->qevidence_u.fork));
	} else {
		must(facts.culprits == 0);
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
	struct evidence_facts facts;
	if (convicts)
		check_conviction(&ev, data[0] & SIGN_ANEW);
	else /* whatever that says, it says it */
		evidence_facts(&rules.g, &ev, &facts);
	if (!convicts)
		must(err.kind == ERR_NO && err.text[0] != '\0');
	wire_free(WIRE(qevidence), &ev);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "evidence", .runs = 10000, .setup = setup, .teardown = teardown};
