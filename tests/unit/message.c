/*
 * message.c: what opens, what does not, and why.
 *
 * Links: q_consensus
 */
#include "message.h"
#include "block.h"
#include "engine.h"
#include "merkle.h"
#include "rules.h"

static struct rules rules, stranger;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "message");
	rules_setup(&stranger, 4, "another chain");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	rules_teardown(&stranger);
	return 0;
}

/* ---- helpers: everything signed by hand, by `sender` ------------------------------ */

static struct qenvelope seal(unsigned sender, const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = rules.g.chain, .sender = sender};

	env.body.body_len = (unsigned)body.len;
	env.body.body_val = body.data;
	ident_sign(rules.ids[sender], &rules.g.chain, body.data, body.len, &env.sig);
	return env;
}

static enum open_verdict open_env(const struct qenvelope *env)
{
	enum open_verdict v = OPEN_MALFORMED;
	struct message *msg = message_open(&rules.g, env, &v);

	assert_true((msg != NULL) == (v == OPEN_OK));
	message_unref(msg);
	return v;
}

/* Seals as `sender`, opens, frees the message's content. */
static enum open_verdict open_as(unsigned sender, struct qmessage *m)
{
	struct qenvelope env = seal(sender, m);
	enum open_verdict v = open_env(&env);

	wire_free(WIRE(qenvelope), &env);
	wire_free(WIRE(qmessage), m);
	return v;
}

static struct qmessage vote_message(enum qkind kind)
{
	struct qmessage m = {.kind = kind};

	m.qmessage_u.vote = (struct qvote){.height = {5}, .block = rules_hash(1)};
	if (kind == QCHECKPOINT)
		m.qmessage_u.vote.state = rules_hash(2);
	else
		m.qmessage_u.vote.view.n = 1;
	return m;
}

static struct qmessage proposal_message(unsigned sender)
{
	struct qmessage m = {.kind = QPRE_PREPARE}, vote = {.kind = QPREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;

	p->view.n = 1;
	p->leaves.leaves_len = 1;
	p->leaves.leaves_val = xcalloc(1, sizeof(struct qhash));
	p->header = rules_header(5, rules_hash(1), rules_hash(2), 1);
	vote.qmessage_u.vote = (struct qvote){.view = p->view, .height = p->header.height};
	block_hash(&p->header, &vote.qmessage_u.vote.block);
	rules_sign(&rules, sender, &vote, &p->prepare);
	return m;
}

static struct qprepared prepared(uint64_t view, uint64_t height)
{
	struct qprepared p = {.header = rules_header(height, rules_hash(1), rules_hash(2), 1)};
	struct qvote vote = {.view = {view}, .height = {height}};

	block_hash(&p.header, &vote.block);
	p.cert = rules_cert(&rules, QPREPARE, &vote, 7);
	return p;
}

static struct qcert final_cert(enum qkind kind, uint64_t height)
{
	struct qvote vote = {.height = {height}, .block = rules_hash(3)};

	return rules_cert(&rules, kind, &vote, 14);
}

/* View 3; tip at 4 by COMMITs, stable checkpoint at 2, prepared 5 and 7 (a gap is normal). */
static struct qmessage view_change_message(void)
{
	struct qmessage m = {.kind = QVIEW_CHANGE};
	struct qview_change *vc = &m.qmessage_u.view_change;

	vc->view.n = 3;
	vc->tip.tip_len = vc->stable.stable_len = 1;
	vc->tip.tip_val = xcalloc(1, sizeof(struct qcert));
	vc->stable.stable_val = xcalloc(1, sizeof(struct qcert));
	vc->tip.tip_val[0] = final_cert(QCOMMIT, 4);
	vc->stable.stable_val[0] = final_cert(QCHECKPOINT, 2);
	vc->prepared.prepared_len = 2;
	vc->prepared.prepared_val = xcalloc(2, sizeof(struct qprepared));
	vc->prepared.prepared_val[0] = prepared(2, 5);
	vc->prepared.prepared_val[1] = prepared(0, 7);
	return m;
}

/* View 3, by replica 3, with the VIEW-CHANGEs of 0, 1 and 2. */
static struct qmessage new_view_message(void)
{
	struct qmessage m = {.kind = QNEW_VIEW}, vc = view_change_message();
	struct qnew_view *nv = &m.qmessage_u.new_view;

	nv->view.n = 3;
	nv->changes.changes_len = 3;
	nv->changes.changes_val = xcalloc(4, sizeof(struct qenvelope));
	for (unsigned i = 0; i < 3; i++)
		nv->changes.changes_val[i] = seal(i, &vc);
	wire_free(WIRE(qmessage), &vc);
	return m;
}

static struct qmessage chain_message(unsigned cnt)
{
	struct qmessage m = {.kind = QCHAIN};
	struct qchain *c = &m.qmessage_u.chain;
	struct qvote vote = {.view = {1}, .height = {10}, .block = rules_hash(1)};

	c->headers.headers_len = cnt;
	c->headers.headers_val = xcalloc(cnt + 1, sizeof(struct qheader));
	for (unsigned i = 0; i < cnt; i++) {
		c->headers.headers_val[i] = rules_header(11 + i, vote.block, rules_hash(2), 1);
		vote.height = c->headers.headers_val[i].height;
		block_hash(&c->headers.headers_val[i], &vote.block);
	}
	c->cert = rules_cert(&rules, QCOMMIT, &vote, 7);
	return m;
}

/* One message of every kind, as `sender` (3: it leads view 3) would send it. */
static struct qmessage message_of(enum qkind kind)
{
	struct qmessage m = {.kind = kind};

	switch (kind) {
	case QPRE_PREPARE:
		return proposal_message(3);
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		return vote_message(kind);
	case QVIEW_CHANGE:
		return view_change_message();
	case QNEW_VIEW:
		return new_view_message();
	case QCHAIN:
		return chain_message(3);
	case QSTATUS:
		m.qmessage_u.status.slots.slots_len = rules.g.g.params.window;
		m.qmessage_u.status.slots.slots_val =
		    xcalloc(rules.g.g.params.window, sizeof(struct qslot_status));
		return m;
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		return m;
	}
	return m;
}

static void sign_as(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	ident_sign(ctx, &rules.g.chain, body, len, sig);
}

/* ---- evidence ----------------------------------------------------------------------- */

static enum open_verdict verdict_on_evidence(unsigned cnt, unsigned body_len)
{
	struct signer signer = {sign_as, rules.ids[3]};
	struct qmessage m = {.kind = QEVIDENCE};
	struct qevidences *e = &m.qmessage_u.evidence;
	enum open_verdict v = OPEN_OK;

	e->list.list_len = cnt;
	e->list.list_val = xcalloc(cnt, sizeof *e->list.list_val);
	for (unsigned i = 0; i < cnt; i++) {
		struct qenvelope *env = &e->list.list_val[i].qevidence_u.proposal;
		e->list.list_val[i].kind = QEV_BAD_PROPOSAL;
		env->body.body_len = body_len;
		env->body.body_val = xcalloc(body_len, 1);
	}
	struct message *made = message_make(&rules.g, 3, &signer, &m);
	message_unref(message_open(&rules.g, &made->env, &v));
	message_unref(made);
	wire_free(WIRE(qmessage), &m);
	return v;
}

/* What costs much to verify comes alone: refused before any of it is. */
static void several_pieces_of_evidence_are_small(void **state)
{
	(void)state;
	assert_int_equal(verdict_on_evidence(2, MESSAGE_EVIDENCE_BYTES / 2), OPEN_MALFORMED);
	assert_int_equal(verdict_on_evidence(2, MESSAGE_EVIDENCE_BYTES / 2 - 256), OPEN_BAD_CERTIFICATE);
	assert_int_equal(verdict_on_evidence(1, 2 * MESSAGE_EVIDENCE_BYTES), OPEN_BAD_CERTIFICATE);
}

/* How much a TXS may hold is another's to judge: no rule for evidence looks into it. */
static void a_large_txs_is_no_evidence(void **state)
{
	(void)state;
	struct signer signer = {sign_as, rules.ids[3]};
	static uint8_t bytes[Q_TX_BYTES_MAX];
	qtx_bytes txs[2] = {{sizeof bytes, bytes}, {sizeof bytes, bytes}};
	struct qmessage m = {.kind = QTXS, .qmessage_u.txs.txs = {2, txs}};
	enum open_verdict v = OPEN_OK;

	struct message *made = message_make(&rules.g, 3, &signer, &m);
	struct message *opened = message_open(&rules.g, &made->env, &v);
	assert_int_equal(v, OPEN_OK);
	message_unref(opened);
	message_unref(made);
}

/* ---- the envelope ------------------------------------------------------------------- */

static void every_kind_opens_as_it_was_made(void **state)
{
	(void)state;
	for (int kind = QPRE_PREPARE; kind <= QEVIDENCE; kind++) {
		struct signer signer = {sign_as, rules.ids[3]};
		struct qmessage m = message_of((enum qkind)kind);
		struct message *made = message_make(&rules.g, 3, &signer, &m), *opened;
		enum open_verdict v = OPEN_MALFORMED;

		opened = message_open(&rules.g, &made->env, &v);
		assert_int_equal(v, OPEN_OK);
		assert_int_equal(opened->sender, 3);
		assert_int_equal(opened->m.kind, kind);
		assert_true(message_same_body(opened, made));
		struct qhash ids[2] = {message_id(opened), message_id(made)};
		assert_true(qhash_eq(&ids[0], &ids[1]));
		struct bytes a = rules_encode(WIRE(qmessage), &m),
		             b = rules_encode(WIRE(qmessage), &opened->m);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		assert_int_equal(made->env.body.body_len, a.len);
		assert_memory_equal(made->env.body.body_val, a.data, a.len);
		bytes_free(&a);
		bytes_free(&b);
		message_unref(made);
		message_unref(message_ref(opened));
		message_unref(opened);
		wire_free(WIRE(qmessage), &m);
	}
	message_unref(NULL);
}

static void a_votes_body_and_id_are_what_they_always_were(void **state)
{
	(void)state;
	struct qmessage m = vote_message(QCOMMIT);
	struct signer signer = {sign_as, rules.ids[1]};
	struct message *msg = message_make(&rules.g, 1, &signer, &m);
	char text[2 * CERT_STATEMENT_MAX + 1];

	assert_string_equal(hex_encode(text, msg->env.body.body_val, msg->env.body.body_len),
	                    "00000003" /* COMMIT */
	                    "0000000000000001"
	                    "0000000000000005"
	                    "0101010101010101010101010101010101010101010101010101010101010101"
	                    "0000000000000000000000000000000000000000000000000000000000000000");
	struct qhash id = message_id(msg);
	rules_golden(id.b, "d4ab1c5bc08cf75507eeff2934e0b0fd6c78fa32a61be008d35ccefca2167852");
	message_unref(msg);
}

static void a_body_is_taken_only_by_a_message_that_opens(void **state)
{
	(void)state;
	struct signer signer = {sign_as, rules.ids[3]};
	struct qmessage m = new_view_message(), cut = {.kind = QPREPARE}; /* which is of no shape */
	struct message *made = message_make(&rules.g, 3, &signer, &m);
	struct message *shapeless = message_make(&rules.g, 3, &signer, &cut);
	struct qenvelope env = made->env;
	enum open_verdict v;

	env.body.body_val = xmemdup(made->env.body.body_val, made->env.body.body_len);
	unsigned char *body = env.body.body_val;
	env.sig.b[0] ^= 1;
	assert_null(message_open_take(&rules.g, &env, &v));
	assert_ptr_equal(env.body.body_val, body);
	env.sig.b[0] ^= 1;
	struct message *opened = message_open_take(&rules.g, &env, &v);
	assert_non_null(opened);
	assert_ptr_equal(opened->env.body.body_val, body);
	assert_null(env.body.body_val);
	assert_int_equal(env.body.body_len, 0);
	assert_int_equal(env.sender, 3);
	assert_true(message_same_body(opened, made));
	assert_false(message_same_body(opened, shapeless));
	message_unref(opened);

	env = shapeless->env;
	env.body.body_val = body = xmemdup(env.body.body_val, env.body.body_len);
	assert_null(message_open_take(&rules.g, &env, &v));
	assert_int_equal(v, OPEN_MALFORMED);
	assert_ptr_equal(env.body.body_val, body);
	assert_int_equal(env.body.body_len, shapeless->env.body.body_len);
	free(body);
	message_unref(shapeless);
	message_unref(made);
	wire_free(WIRE(qmessage), &m);
}

static void a_new_view_carries_its_opened_changes_made_or_received(void **state)
{
	(void)state;
	struct signer signer = {sign_as, rules.ids[3]};
	struct qmessage m = new_view_message();
	struct message *made = message_make(&rules.g, 3, &signer, &m);
	enum open_verdict v;
	struct message *both[2] = {made, message_open(&rules.g, &made->env, &v)};

	for (int i = 0; i < 2; i++)
		for (unsigned c = 0; c < 3; c++) {
			assert_int_equal(both[i]->changes[c]->sender, c);
			assert_int_equal(both[i]->changes[c]->m.qmessage_u.view_change.view.n, 3);
			assert_true(message_same_body(both[0]->changes[c], both[1]->changes[c]));
		}
	message_unref(both[0]);
	message_unref(both[1]);
	wire_free(WIRE(qmessage), &m);
}

static void refuses_other_chains_strangers_and_wrong_signatures(void **state)
{
	(void)state;
	struct qmessage m = vote_message(QCOMMIT);
	struct qenvelope env = seal(1, &m), bad;

	assert_int_equal(open_env(&env), OPEN_OK);
	bad = env;
	bad.chain = stranger.g.chain;
	assert_int_equal(open_env(&bad), OPEN_OTHER_CHAIN);
	bad = env;
	bad.sender = 4;
	assert_int_equal(open_env(&bad), OPEN_STRANGER);
	bad.sender = UINT32_MAX;
	assert_int_equal(open_env(&bad), OPEN_STRANGER);
	bad = env;
	bad.sender = 2;
	assert_int_equal(open_env(&bad), OPEN_BAD_SIGNATURE);
	/* a signature made for another chain does not hold on this one, whatever the label says */
	ident_sign(rules.ids[1], &stranger.g.chain, env.body.body_val, env.body.body_len, &env.sig);
	assert_int_equal(open_env(&env), OPEN_BAD_SIGNATURE);
	wire_free(WIRE(qenvelope), &env);
}

static void refuses_a_signed_body_that_is_not_canonical(void **state)
{
	(void)state;
	struct qmessage m = vote_message(QCOMMIT);
	struct qenvelope env = seal(1, &m);
	uint8_t *longer = xcalloc(1, env.body.body_len + 4);

	memcpy(longer, env.body.body_val, env.body.body_len);
	for (unsigned len = 0; len <= env.body.body_len + 4; len++) {
		struct qenvelope cut = env;
		cut.body.body_val = longer;
		cut.body.body_len = len;
		ident_sign(rules.ids[1], &rules.g.chain, longer, len, &cut.sig);
		assert_int_equal(open_env(&cut), len == env.body.body_len ? OPEN_OK : OPEN_MALFORMED);
	}
	free(longer);
	wire_free(WIRE(qenvelope), &env);
}

static void no_flipped_bit_opens(const struct qenvelope *env)
{
	struct bytes raw = rules_encode(WIRE(qenvelope), env);
	struct qenvelope other;

	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		rules_flip(&raw, bit);
		if (wire_decode(WIRE(qenvelope), raw.data, raw.len, &other)) {
			assert_int_not_equal(open_env(&other), OPEN_OK);
			wire_free(WIRE(qenvelope), &other);
		}
		rules_flip(&raw, bit);
	}
	bytes_free(&raw);
}

static void no_single_flipped_bit_opens(void **state)
{
	(void)state;
	struct qmessage ms[2] = {vote_message(QCOMMIT), proposal_message(1)};

	for (int i = 0; i < 2; i++) {
		struct qenvelope env = seal(1, &ms[i]);
		assert_int_equal(open_env(&env), OPEN_OK);
		no_flipped_bit_opens(&env);
		wire_free(WIRE(qenvelope), &env);
		wire_free(WIRE(qmessage), &ms[i]);
	}
}

/* The sender signs each damaged body itself: what is inside must be judged, and nothing may crash. */
static void no_flipped_bit_of_a_resigned_view_change_opens_unless_it_means_the_same(void **state)
{
	(void)state;
	struct qmessage m = view_change_message();
	struct qenvelope env = seal(1, &m);
	unsigned opened = 0;

	for (size_t bit = 0; bit < env.body.body_len * 8UL; bit += 7) {
		struct bytes body = {env.body.body_val, env.body.body_len};
		rules_flip(&body, bit);
		ident_sign(rules.ids[1], &rules.g.chain, body.data, body.len, &env.sig);
		opened += open_env(&env) == OPEN_OK;
		rules_flip(&body, bit);
	}
	/* only the view asked for is the sender's own word: raised, it is a valid message for another view */
	assert_in_range(opened, 1, 64);
	wire_free(WIRE(qenvelope), &env);
	wire_free(WIRE(qmessage), &m);
}

/* ---- votes and proposals ---------------------------------------------------------------- */

static void refuses_votes_with_unused_fields_or_for_the_genesis(void **state)
{
	(void)state;
	for (int kind = QPREPARE; kind <= QCHECKPOINT; kind++) {
		struct qmessage m = vote_message((enum qkind)kind);
		m.qmessage_u.vote.height.n = 0;
		assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
		m = vote_message((enum qkind)kind);
		if (kind == QCHECKPOINT)
			m.qmessage_u.vote.view.n = 1;
		else
			m.qmessage_u.vote.state.b[0] = 1;
		assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
	}
}

static void a_proposal_carries_its_senders_own_prepare(void **state)
{
	(void)state;
	struct qmessage m = proposal_message(1);
	assert_int_equal(open_as(1, &m), OPEN_OK);
	m = proposal_message(2);
	assert_int_equal(open_as(1, &m), OPEN_BAD_CERTIFICATE);
	m = proposal_message(1);
	m.qmessage_u.proposal.header.time_ms++;
	assert_int_equal(open_as(1, &m), OPEN_BAD_CERTIFICATE);
	m = proposal_message(1);
	m.qmessage_u.proposal.view.n++;
	assert_int_equal(open_as(1, &m), OPEN_BAD_CERTIFICATE);
	m = proposal_message(1);
	m.qmessage_u.proposal.header.height.n = 0;
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
	m = proposal_message(1); /* a wrong leaf list opens: the engine keeps it as evidence */
	m.qmessage_u.proposal.leaves.leaves_val[0] = rules_hash(9);
	assert_int_equal(open_as(1, &m), OPEN_OK);
}

/* ---- VIEW-CHANGE ------------------------------------------------------------------------- */

static struct qview_change *vc_of(struct qmessage *m)
{
	return &m->qmessage_u.view_change;
}

static void replace_prepared(struct qmessage *m, unsigned i, uint64_t view, uint64_t height)
{
	struct qprepared *p = &vc_of(m)->prepared.prepared_val[i];

	wire_free(WIRE(qprepared), p);
	*p = prepared(view, height);
}

static void a_view_change_from_the_genesis_is_valid(void **state)
{
	(void)state;
	struct qmessage m = {.kind = QVIEW_CHANGE, .qmessage_u.view_change.view = {1}};
	assert_int_equal(open_as(1, &m), OPEN_OK);
	m = (struct qmessage){.kind = QVIEW_CHANGE};
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED); /* nobody asks for view 0 */
}

static void a_view_change_holds_only_blocks_of_lower_views_in_its_window(void **state)
{
	(void)state;
	uint64_t window = rules.g.g.params.window;
	const struct {
		unsigned at;
		uint64_t view, height;
		enum open_verdict verdict;
	} cases[] = {
	    {0, 0, 5, OPEN_OK},
	    {0, 3, 5, OPEN_MALFORMED}, /* the view asked for */
	    {0, 4, 5, OPEN_MALFORMED},
	    {0, 2, 4, OPEN_MALFORMED}, /* the tip */
	    {0, 2, 3, OPEN_MALFORMED},
	    {0, 2, 7, OPEN_MALFORMED}, /* not ascending */
	    {0, 2, 8, OPEN_MALFORMED},
	    {1, 2, 6, OPEN_OK},
	    {1, 2, 4 + window, OPEN_OK},
	    {1, 2, 4 + window + 1, OPEN_MALFORMED},
	    {1, 2, UINT64_MAX, OPEN_MALFORMED},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qmessage m = view_change_message();
		replace_prepared(&m, cases[i].at, cases[i].view, cases[i].height);
		assert_int_equal(open_as(1, &m), cases[i].verdict);
	}
}

static void a_prepared_certificate_is_for_the_header_beside_it(void **state)
{
	(void)state;
	struct qmessage m = view_change_message();
	vc_of(&m)->prepared.prepared_val[0].header.time_ms++;
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);

	m = view_change_message(); /* true signatures for the right hash at another height */
	struct qprepared *p = &vc_of(&m)->prepared.prepared_val[0];
	struct qvote vote = p->cert.vote;
	wire_free(WIRE(qcert), &p->cert);
	vote.height.n = 6;
	p->cert = rules_cert(&rules, QPREPARE, &vote, 7);
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);

	m = view_change_message(); /* COMMITs instead of PREPAREs */
	p = &vc_of(&m)->prepared.prepared_val[0];
	vote = p->cert.vote;
	wire_free(WIRE(qcert), &p->cert);
	p->cert = rules_cert(&rules, QCOMMIT, &vote, 7);
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
}

static void every_certificate_of_a_view_change_is_checked(void **state)
{
	(void)state;
	for (int which = 0; which < 4; which++)
		for (int damage = 0; damage < 2; damage++) {
			struct qmessage m = view_change_message();
			struct qcert *certs[4] = {&vc_of(&m)->tip.tip_val[0],
			                          &vc_of(&m)->stable.stable_val[0],
			                          &vc_of(&m)->prepared.prepared_val[0].cert,
			                          &vc_of(&m)->prepared.prepared_val[1].cert};
			if (damage == 0)
				certs[which]->sigs.sigs_val[2].sig.b[1] ^= 1;
			else
				certs[which]->sigs.sigs_len = 2;
			assert_int_equal(open_as(1, &m), damage == 0 ? OPEN_BAD_CERTIFICATE : OPEN_MALFORMED);
		}
}

static void tips_are_final_and_stable_ones_checkpoints(void **state)
{
	(void)state;
	static const struct {
		enum qkind tip, stable;
		enum open_verdict verdict;
	} cases[] = {
	    {QCOMMIT, QCHECKPOINT, OPEN_OK},         {QCHECKPOINT, QCHECKPOINT, OPEN_OK},
	    {QPREPARE, QCHECKPOINT, OPEN_MALFORMED}, {QCOMMIT, QCOMMIT, OPEN_MALFORMED},
	    {QCOMMIT, QPREPARE, OPEN_MALFORMED},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qmessage m = view_change_message();
		wire_free(WIRE(qcert), &vc_of(&m)->tip.tip_val[0]);
		wire_free(WIRE(qcert), &vc_of(&m)->stable.stable_val[0]);
		vc_of(&m)->tip.tip_val[0] = final_cert(cases[i].tip, 4);
		vc_of(&m)->stable.stable_val[0] = final_cert(cases[i].stable, 2);
		assert_int_equal(open_as(1, &m), cases[i].verdict);
	}
}

/* ---- NEW-VIEW ------------------------------------------------------------------------------ */

static struct qnew_view *nv_of(struct qmessage *m)
{
	return &m->qmessage_u.new_view;
}

static void replace_change(struct qmessage *m, unsigned i, unsigned sender, const struct qmessage *with)
{
	struct qenvelope *env = &nv_of(m)->changes.changes_val[i];

	wire_free(WIRE(qenvelope), env);
	*env = seal(sender, with);
}

static void only_the_views_own_primary_sends_its_new_view(void **state)
{
	(void)state;
	for (unsigned sender = 0; sender < 4; sender++) {
		struct qmessage m = new_view_message();
		assert_int_equal(open_as(sender, &m), sender == 3 ? OPEN_OK : OPEN_MALFORMED);
	}
	struct qmessage m = new_view_message();
	nv_of(&m)->view.n = 0;
	assert_int_equal(open_as(0, &m), OPEN_MALFORMED);
}

static void a_new_view_needs_a_quorum_of_distinct_senders_in_order(void **state)
{
	(void)state;
	struct qmessage vc = view_change_message(), m = new_view_message();

	nv_of(&m)->changes.changes_len = 4; /* all four */
	nv_of(&m)->changes.changes_val[3] = seal(3, &vc);
	assert_int_equal(open_as(3, &m), OPEN_OK);

	m = new_view_message();
	wire_free(WIRE(qenvelope), &nv_of(&m)->changes.changes_val[2]);
	nv_of(&m)->changes.changes_len = 2;
	assert_int_equal(open_as(3, &m), OPEN_MALFORMED);

	m = new_view_message();
	replace_change(&m, 1, 0, &vc); /* 0, 0, 2 */
	assert_int_equal(open_as(3, &m), OPEN_MALFORMED);

	m = new_view_message();
	replace_change(&m, 0, 1, &vc); /* 1, 0, 2 */
	replace_change(&m, 1, 0, &vc);
	assert_int_equal(open_as(3, &m), OPEN_MALFORMED);
	wire_free(WIRE(qmessage), &vc);
}

static void every_change_is_a_valid_view_change_for_exactly_this_view(void **state)
{
	(void)state;
	struct qmessage other = view_change_message(), commit = vote_message(QCOMMIT);
	struct qmessage nested = new_view_message(), m;

	vc_of(&other)->view.n = 7; /* replica 3 leads view 7 as well */
	commit.qmessage_u.vote.view.n = 3;
	for (unsigned i = 0; i < 3; i++) {
		m = new_view_message();
		replace_change(&m, i, i, &other);
		assert_int_equal(open_as(3, &m), OPEN_MALFORMED);
		m = new_view_message();
		replace_change(&m, i, i, &commit);
		assert_int_equal(open_as(3, &m), OPEN_MALFORMED);
		m = new_view_message();
		replace_change(&m, i, i, &nested);
		assert_int_equal(open_as(3, &m), OPEN_MALFORMED);
		m = new_view_message();
		nv_of(&m)->changes.changes_val[i].sig.b[0] ^= 1;
		assert_int_equal(open_as(3, &m), OPEN_BAD_CERTIFICATE);
		m = new_view_message();
		nv_of(&m)->changes.changes_val[i].chain = stranger.g.chain;
		assert_int_equal(open_as(3, &m), OPEN_MALFORMED);
	}
	vc_of(&other)->view.n = 3;
	vc_of(&other)->tip.tip_val[0].sigs.sigs_val[0].sig.b[0] ^= 1;
	m = new_view_message();
	replace_change(&m, 1, 1, &other);
	assert_int_equal(open_as(3, &m), OPEN_BAD_CERTIFICATE);
	wire_free(WIRE(qmessage), &other);
	wire_free(WIRE(qmessage), &nested);
}

/* ---- CHAIN and STATUS ------------------------------------------------------------------------ */

static void a_chain_is_linked_and_ends_in_its_certificate(void **state)
{
	(void)state;
	struct qmessage m = chain_message(0);
	assert_int_equal(open_as(1, &m), OPEN_OK); /* the certificate alone */
	m = chain_message(1);
	assert_int_equal(open_as(1, &m), OPEN_OK);
	m = chain_message(3);
	m.qmessage_u.chain.headers.headers_val[0].time_ms++;
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
	m = chain_message(3);
	m.qmessage_u.chain.headers.headers_val[2].time_ms++;
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
	m = chain_message(3);
	m.qmessage_u.chain.headers.headers_len = 2; /* ends below its certificate */
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
	m = chain_message(3);
	m.qmessage_u.chain.cert.sigs.sigs_val[1].sig.b[0] ^= 1;
	assert_int_equal(open_as(1, &m), OPEN_BAD_CERTIFICATE);
	m = chain_message(3);
	m.qmessage_u.chain.cert.kind = QPREPARE;
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
	m = chain_message(3);
	m.qmessage_u.chain.cert.sigs.sigs_len = 2;
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
}

static void a_chain_does_not_jump_in_height(void **state)
{
	(void)state;
	struct qmessage m = chain_message(2);
	struct qchain *c = &m.qmessage_u.chain;
	struct qvote vote = {.view = {1}, .height = {13}};

	c->headers.headers_val[1].height = vote.height; /* 11, 13: signed, linked, but not contiguous */
	block_hash(&c->headers.headers_val[1], &vote.block);
	wire_free(WIRE(qcert), &c->cert);
	c->cert = rules_cert(&rules, QCOMMIT, &vote, 7);
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
}

static void a_chains_certificate_is_for_the_height_of_its_last_header(void **state)
{
	(void)state;
	struct qmessage m = chain_message(2);
	struct qchain *c = &m.qmessage_u.chain;
	struct qvote vote = c->cert.vote;

	vote.height.n++;
	wire_free(WIRE(qcert), &c->cert);
	c->cert = rules_cert(&rules, QCOMMIT, &vote, 7);
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
}

static void a_status_shows_no_more_slots_than_the_window(void **state)
{
	(void)state;
	struct qmessage m = {.kind = QSTATUS};
	unsigned window = rules.g.g.params.window;

	assert_true(window < Q_WINDOW_MAX);
	m.qmessage_u.status.slots.slots_len = window + 1;
	m.qmessage_u.status.slots.slots_val = xcalloc(window + 1, sizeof(struct qslot_status));
	assert_int_equal(open_as(1, &m), OPEN_MALFORMED);
}

/* ---- outputs ----------------------------------------------------------------------------------- */

static void a_list_of_outputs_gives_back_all_that_it_owns(void **state)
{
	(void)state;
	struct qmessage m = vote_message(QCOMMIT);
	struct signer signer = {sign_as, rules.ids[1]};
	struct engine_outputs out = {xcalloc(16, sizeof(struct engine_output)), 0, 16};
	struct message *msg = message_make(&rules.g, 1, &signer, &m);

	for (int kind = OUT_PERSIST; kind <= OUT_HALT; kind++)
		out.list[out.cnt++].kind = (enum engine_output_kind)kind;
	out.list[OUT_PERSIST].record.data = (struct bytes){xcalloc(1, 8), 8};
	out.list[OUT_JOURNAL].journal = (struct bytes){xcalloc(1, 8), 8};
	out.list[OUT_EVIDENCE].journal = (struct bytes){xcalloc(1, 8), 8};
	out.list[OUT_SEND].send.message = message_ref(msg);
	out.list[OUT_EXECUTE].execute.hashes = xcalloc(1, sizeof(struct qhash));
	out.list[OUT_EXECUTE].execute.headers = xcalloc(1, sizeof(struct qheader));
	out.list[OUT_EXECUTE].execute.cert = final_cert(QCOMMIT, 1);
	out.list[OUT_WANT_BODY].want_body.leaves = xcalloc(1, sizeof(struct qhash));
	engine_outputs_clear(&out); /* the leak checker is the judge */
	assert_null(out.list);
	assert_int_equal(out.cnt, 0);
	assert_int_equal(atomic_load(&msg->refs), 1);
	message_unref(msg);
	engine_outputs_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(several_pieces_of_evidence_are_small),
	    cmocka_unit_test(a_large_txs_is_no_evidence),
	    cmocka_unit_test(every_kind_opens_as_it_was_made),
	    cmocka_unit_test(a_votes_body_and_id_are_what_they_always_were),
	    cmocka_unit_test(a_body_is_taken_only_by_a_message_that_opens),
	    cmocka_unit_test(a_new_view_carries_its_opened_changes_made_or_received),
	    cmocka_unit_test(refuses_other_chains_strangers_and_wrong_signatures),
	    cmocka_unit_test(refuses_a_signed_body_that_is_not_canonical),
	    cmocka_unit_test(no_single_flipped_bit_opens),
	    cmocka_unit_test(no_flipped_bit_of_a_resigned_view_change_opens_unless_it_means_the_same),
	    cmocka_unit_test(refuses_votes_with_unused_fields_or_for_the_genesis),
	    cmocka_unit_test(a_proposal_carries_its_senders_own_prepare),
	    cmocka_unit_test(a_view_change_from_the_genesis_is_valid),
	    cmocka_unit_test(a_view_change_holds_only_blocks_of_lower_views_in_its_window),
	    cmocka_unit_test(a_prepared_certificate_is_for_the_header_beside_it),
	    cmocka_unit_test(every_certificate_of_a_view_change_is_checked),
	    cmocka_unit_test(tips_are_final_and_stable_ones_checkpoints),
	    cmocka_unit_test(only_the_views_own_primary_sends_its_new_view),
	    cmocka_unit_test(a_new_view_needs_a_quorum_of_distinct_senders_in_order),
	    cmocka_unit_test(every_change_is_a_valid_view_change_for_exactly_this_view),
	    cmocka_unit_test(a_chain_is_linked_and_ends_in_its_certificate),
	    cmocka_unit_test(a_chain_does_not_jump_in_height),
	    cmocka_unit_test(a_chains_certificate_is_for_the_height_of_its_last_header),
	    cmocka_unit_test(a_status_shows_no_more_slots_than_the_window),
	    cmocka_unit_test(a_list_of_outputs_gives_back_all_that_it_owns),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
