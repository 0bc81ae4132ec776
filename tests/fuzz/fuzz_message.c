/*
 * fuzz_message.c: message_open() behind the envelope's signature, as a traitor with a true key reaches it.
 * The input is a body; its first byte selects the sender, and whether what is inside is signed anew.
 *
 * Links: q_consensus
 */
#include "fuzz.h"
#include "inside.h"
#include "message.h"

static struct rules rules;

/* Seeds are messages that open, as they are and under each selector. */
static void add(unsigned sender, struct qmessage m)
{
	struct qenvelope env = seal(&rules, sender, &m);
	enum open_verdict v;
	struct message *msg = message_open(&rules.g, &env, &v);

	must(msg != NULL && v == OPEN_OK);
	message_unref(msg);
	fuzz_seed_as((uint8_t)sender, env.body.body_val, env.body.body_len);
	fuzz_seed_as((uint8_t)(sender | SIGN_ANEW), env.body.body_val, env.body.body_len);
	fuzz_seed_as((uint8_t)(sender | SIGN_ANEW | LINK_ANEW), env.body.body_val, env.body.body_len);
	wire_free(WIRE(qenvelope), &env);
	wire_free(WIRE(qmessage), &m);
}

static void setup(void)
{
	rules_setup(&rules, 4, "fuzz");
	add(1, make_proposal(&rules, 8));
	add(0, make_vote(QPREPARE));
	add(2, make_vote(QCOMMIT));
	add(3, make_vote(QCHECKPOINT));
	add(2, make_view_change(&rules));
	add(3, make_new_view(&rules));
	add(0, make_chain(&rules));
	static const enum qkind plain[] = {QSTATUS, QTXS, QGET_TXS, QGET_CHAIN, QGET_BODIES, QBODY};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		add(1, (struct qmessage){.kind = plain[i]});
}

static void teardown(void)
{
	rules_teardown(&rules);
}

/* ---- what must hold of all that opens --------------------------------------------- */

static void check_prepared(const struct qprepared *p)
{
	struct qhash hash;

	must(cert_verify(&rules.g, &p->cert, NULL));
	block_hash(&p->header, &hash);
	must(qhash_eq(&p->cert.vote.block, &hash));
}

static void check_view_change(const struct qview_change *vc)
{
	for (unsigned i = 0; i < vc->tip.tip_len; i++)
		must(cert_verify(&rules.g, &vc->tip.tip_val[i], NULL));
	for (unsigned i = 0; i < vc->stable.stable_len; i++)
		must(cert_verify(&rules.g, &vc->stable.stable_val[i], NULL));
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++)
		check_prepared(&vc->prepared.prepared_val[i]);
}

static void check_message(const struct message *msg, const uint8_t *body, size_t len)
{
	struct bytes again = rules_encode(WIRE(qmessage), &msg->m);
	const struct qmessage *m = &msg->m;

	must(again.len == len && memcmp(again.data, body, len) == 0);
	must(msg->env.body.body_len == len && memcmp(msg->env.body.body_val, body, len) == 0);
	bytes_free(&again);
	if (m->kind == QPRE_PREPARE) {
		const struct qproposal *p = &m->qmessage_u.proposal;
		struct qvote vote = {.view = p->view, .height = p->header.height};
		block_hash(&p->header, &vote.block);
		must(vote_verify(&rules.g, msg->sender, QPREPARE, &vote, &p->prepare));
	}
	if (m->kind == QVIEW_CHANGE)
		check_view_change(&m->qmessage_u.view_change);
	if (m->kind == QCHAIN)
		must(cert_verify(&rules.g, &m->qmessage_u.chain.cert, NULL));
	if (m->kind == QNEW_VIEW) {
		must(msg->sender == m->qmessage_u.new_view.view.n % rules.g.n);
		for (unsigned i = 0; i < m->qmessage_u.new_view.changes.changes_len; i++) {
			const struct message *change = msg->changes[i];
			must(change->m.kind == QVIEW_CHANGE);
			must(change->m.qmessage_u.view_change.view.n == m->qmessage_u.new_view.view.n);
			check_view_change(&change->m.qmessage_u.view_change);
		}
	}
}

/* ---- the test ---------------------------------------------------------------------- */

static struct bytes body_of(uint8_t selector, const uint8_t *data, size_t len)
{
	struct bytes body = {xmemdup(data, len), len};
	struct qmessage m;

	if (!(selector & SIGN_ANEW) || !wire_decode(WIRE(qmessage), data, len, &m))
		return body;
	bytes_free(&body);
	anew_inside(&rules, selector % 4, &m, selector);
	body = rules_encode(WIRE(qmessage), &m);
	wire_free(WIRE(qmessage), &m);
	return body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2 || len > Q_BODY_MAX)
		return 0;
	struct bytes body = body_of(data[0], data + 1, len - 1);
	struct qenvelope env = {.chain = rules.g.chain, .sender = data[0] % 4};
	enum open_verdict v = OPEN_OK;

	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	ident_sign(rules.ids[env.sender], &rules.g.chain, body.data, body.len, &env.sig);
	struct message *msg = message_open(&rules.g, &env, &v);
	must((msg != NULL) == (v == OPEN_OK));
	must(msg || v == OPEN_MALFORMED || v == OPEN_BAD_CERTIFICATE);
	if (msg)
		check_message(msg, body.data, body.len);
	message_unref(msg);
	bytes_free(&body);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "message", .runs = 6000, .setup = setup, .teardown = teardown};
