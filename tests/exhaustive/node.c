/* node.c: see node.h. */
#include "node.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "block.h"
#include "new_view_naive.h"
#include "pbft.h"

#define NOW 1 /* ms: time stands still but for time-outs */

struct kept {
	struct vote_record key;
	struct bytes data;
};

/* All of a replica; in the arena. */
struct node {
	unsigned self;
	struct engine *e;
	struct summary s;
	/* disk: the vote log, by key */
	struct kept *log;
	size_t log_cnt;
	uint64_t bodies; /* set of blocks in the vote log */
	/* disk: the ledger */
	bool has_stable;
	struct qcert stable;
	unsigned executed; /* block */
	struct qcert executed_cert;
	unsigned checkpointed; /* block of the newest checkpoint height executed; 0: none */
};

/* What follows from outputs. */
static struct todo {
	enum engine_input_kind kind;
	struct qhash block;
	struct qheight height;
	struct qheader header;
	struct qhash digests[Q_WINDOW_MAX];
	size_t cnt;
} todos[64];
static size_t todo_cnt;
static bool executed_something;
static bool cut, power_is_gone; /* the power goes when something is to be executed; it went */

static struct node *node(void)
{
	return arena_root();
}

/* ---- disk -------------------------------------------------------------------- */

static int compare_keys(const struct vote_record *a, const struct vote_record *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->view.n != b->view.n)
		return a->view.n < b->view.n ? -1 : 1;
	return a->height.n < b->height.n ? -1 : a->height.n > b->height.n;
}

static const struct kept *log_find(enum vote_record_kind kind, uint64_t view, uint64_t height)
{
	struct vote_record key = {.kind = kind, .view = qview_of(view), .height = qheight_of(height)};
	for (size_t k = 0; k < node()->log_cnt; k++)
		if (compare_keys(&node()->log[k].key, &key) == 0)
			return &node()->log[k];
	return NULL;
}

static void log_drop(size_t k)
{
	struct node *n = node();
	bytes_free(&n->log[k].data);
	n->log_cnt--;
	memmove(n->log + k, n->log + k + 1, (n->log_cnt - k) * sizeof *n->log);
}

static void log_put(const struct vote_record *key, const struct bytes *data)
{
	static const bool replaces[] = {
	    [REC_PREPARED] = true, [REC_TIP] = true, [REC_MUTED] = true, [REC_STABLE] = true};
	struct node *n = node();
	bool newest_only = key->kind == REC_VIEW_CHANGE || key->kind == REC_NEW_VIEW;
	for (size_t k = n->log_cnt; newest_only && k-- > 0;)
		if (n->log[k].key.kind == key->kind && n->log[k].key.view.n < key->view.n)
			log_drop(k);
	size_t at = 0;
	while (at < n->log_cnt && compare_keys(&n->log[at].key, key) < 0)
		at++;
	struct bytes copy = {.data = xmemdup(data->data, data->len), .len = data->len};
	if (at < n->log_cnt && compare_keys(&n->log[at].key, key) == 0) {
		struct bytes *old = &n->log[at].data;
		if ((key->kind > REC_STABLE || !replaces[key->kind]) &&
		    (old->len != copy.len || memcmp(old->data, copy.data, copy.len) != 0))
			violation("replica %u puts a second, different record under one key (kind %u)",
			          n->self, (unsigned)key->kind);
		bytes_free(old);
		*old = copy;
		return;
	}
	n->log = xrealloc(n->log, (n->log_cnt + 1) * sizeof *n->log);
	memmove(n->log + at + 1, n->log + at, (n->log_cnt - at) * sizeof *n->log);
	n->log[at] = (struct kept){.key = *key, .data = copy};
	n->log_cnt++;
}

/* As a node does: votes at or below both the stable checkpoint and the executed height. */
static void log_prune(void)
{
	struct node *n = node();
	uint64_t upto = n->has_stable ? n->stable.vote.height.n : 0;
	if (named_blocks[n->executed].height < upto)
		upto = named_blocks[n->executed].height;
	for (size_t k = n->log_cnt; k-- > 0;)
		if (n->log[k].key.kind <= REC_PREPARED && n->log[k].key.height.n <= upto)
			log_drop(k);
}

static void journal_put(const struct bytes *entry)
{
	struct qjournal j;
	struct node *n = node();
	must(wire_decode(WIRE(qjournal), entry->data, entry->len, &j));
	if (j.kind == QJ_STABLE) {
		if (n->has_stable)
			wire_free(WIRE(qcert), &n->stable);
		n->has_stable = true;
		cert_copy(&n->stable, &j.qjournal_u.stable);
	}
	if (j.kind == QJ_EVIDENCE) {
		const struct qevidence *ev = &j.qjournal_u.evidence;
		unsigned culprit = ev->kind == QEV_CONFLICT       ? ev->qevidence_u.conflict.first.sender
		                   : ev->kind == QEV_BAD_PROPOSAL ? ev->qevidence_u.proposal.sender
		                                                  : REPLICAS;
		if (culprit != rules.traitor)
			violation("replica %u keeps evidence of kind %u against %u, who is honest", n->self,
			          (unsigned)ev->kind, culprit);
	}
	wire_free(WIRE(qjournal), &j);
}

/* ---- what is shown ------------------------------------------------------------- */

static unsigned log_tip(void)
{
	struct qcert cert;
	const struct kept *r = log_find(REC_TIP, 0, 0);
	unsigned tip = node()->executed;
	if (r && wire_decode(WIRE(qcert), r->data.data, r->data.len, &cert)) {
		unsigned b = block_number(&cert.vote.block);
		tip = named_blocks[b].height > named_blocks[tip].height ? b : tip;
		wire_free(WIRE(qcert), &cert);
	}
	return tip;
}

/* CO1, CO2: on disk is, from the tip up to the block, one chain prepared in this view. */
static void check_commit(unsigned view, unsigned block)
{
	unsigned tip = log_tip();
	for (unsigned b = block; named_blocks[b].height > named_blocks[tip].height;
	     b = named_blocks[b].parent) {
		struct qprepared p;
		const struct kept *r = log_find(REC_PREPARED, 0, named_blocks[b].height);
		bool ok = r && wire_decode(WIRE(qprepared), r->data.data, r->data.len, &p);
		ok = ok && p.cert.vote.view.n == view && block_number(&p.cert.vote.block) == b;
		if (!ok)
			violation(
			    "replica %u shows COMMIT(%u, %s) without %s prepared in that view on its disk",
			    node()->self, view, named_blocks[block].name, named_blocks[b].name);
		wire_free(WIRE(qprepared), &p);
	}
	if (named_blocks[block].height > named_blocks[tip].height &&
	    ancestor(block, named_blocks[tip].height) != tip)
		violation("replica %u shows COMMIT(%u, %s) that does not extend its tip %s", node()->self,
		          view, named_blocks[block].name, named_blocks[tip].name);
}

/* PP1 */
static void check_turn(unsigned view, unsigned block)
{
	if (named_blocks[block].proposer != proposer_at(named_blocks[block].height, view))
		violation("replica %u shows PREPARE(%u, %s), which is not its proposer's turn", node()->self,
		          view, named_blocks[block].name);
}

/* NV4: what the NEW-VIEW binds. */
static void check_prepare(unsigned view, unsigned block)
{
	const struct message *nv = node()->e->new_view;
	const struct qview_change *changes[REPLICAS];
	struct naive_choice c;
	if (view == 0) {
		check_turn(view, block);
		return;
	}
	must(nv && nv->m.qmessage_u.new_view.view.n == view);
	unsigned cnt = nv->m.qmessage_u.new_view.changes.changes_len, height = named_blocks[block].height;
	for (unsigned i = 0; i < cnt; i++)
		changes[i] = &nv->changes[i]->m.qmessage_u.view_change;
	naive_choose(&world_genesis.chain, changes, cnt, &c);
	if (height > c.s_height + c.o_cnt)
		check_turn(view, block);
	if (height <= c.s_height || ancestor(block, (unsigned)c.s_height) != block_number(&c.s_block))
		violation("replica %u shows PREPARE(%u, %s) against S", node()->self, view,
		          named_blocks[block].name);
	/* What was certified meanwhile stands, even against O: the traitor may have made two NEW-VIEWs. */
	for (size_t k = 0; k < c.o_cnt; k++)
		if (height > c.s_height + k && c.s_height + 1 + k > node()->e->tip.n &&
		    ancestor(block, (unsigned)c.s_height + 1 + (unsigned)k) !=
		        block_number(&c.o[k]->cert.vote.block))
			violation("replica %u shows PREPARE(%u, %s) against O", node()->self, view,
			          named_blocks[block].name);
}

static void check_place(uint64_t shown, unsigned statement, const char *kind)
{
	for (unsigned s = 0; s < statement_cnt(); s++)
		if (shown >> s & 1 && s != statement && statement_view(s) == statement_view(statement) &&
		    named_blocks[statement_block(s)].height ==
		        named_blocks[statement_block(statement)].height)
			violation("honest replica %u shows two %s in view %u: %s and %s", node()->self, kind,
			          statement_view(s), named_blocks[statement_block(s)].name,
			          named_blocks[statement_block(statement)].name);
}

/* VC1: a view that was left gets no vote that it had not. */
static void check_view(uint64_t shown, unsigned statement, const char *kind)
{
	for (unsigned w = statement_view(statement) + 1; w <= VIEWS_MAX; w++)
		if (node()->s.change[w] && !(shown >> statement & 1))
			violation("replica %u shows %s(%u, %s) after VIEW-CHANGE(%u)", node()->self, kind,
			          statement_view(statement), named_blocks[statement_block(statement)].name,
			          w);
}

static void must_be_kept(enum vote_record_kind kind, uint64_t view, uint64_t height)
{
	if (!log_find(kind, view, height))
		violation("replica %u shows what is not on its disk (record kind %u, view %u, height %u)",
		          node()->self, (unsigned)kind, (unsigned)view, (unsigned)height);
}

static void show_vote(const struct message *m)
{
	const struct qvote *v = &m->m.qmessage_u.vote;
	struct summary *s = &node()->s;
	unsigned block = block_number(&v->block), st = statement_number(v->view.n, block);
	if (m->m.kind == QPREPARE) {
		must_be_kept(REC_PREPARE, v->view.n, v->height.n);
		check_place(s->prepares, st, "PREPAREs");
		check_view(s->prepares, st, "PREPARE");
		check_prepare((unsigned)v->view.n, block);
		s->prepares |= UINT64_C(1) << st;
	} else if (m->m.kind == QCOMMIT) {
		must_be_kept(REC_COMMIT, v->view.n, v->height.n);
		check_place(s->commits, st, "COMMITs");
		check_view(s->commits, st, "COMMIT");
		check_commit((unsigned)v->view.n, block);
		s->commits |= UINT64_C(1) << st;
	} else {
		must_be_kept(REC_CHECKPOINT, 0, v->height.n);
		check_place(s->points, st, "CHECKPOINTs");
		s->points |= UINT64_C(1) << st;
	}
}

static void show_proposal(const struct message *m, unsigned number)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct summary *s = &node()->s;
	struct qhash hash;
	must_be_kept(REC_PRE_PREPARE, p->view.n, p->header.height.n);
	must_be_kept(REC_PREPARE, p->view.n, p->header.height.n);
	block_hash(&p->header, &hash);
	unsigned st = statement_number(p->view.n, block_number(&hash));
	check_place(s->prepares, st, "PREPAREs");
	s->prepares |= UINT64_C(1) << st;
	for (unsigned k = 0; k < s->proposal_cnt; k++)
		if (s->proposals[k] == number)
			return;
	must(s->proposal_cnt < PROPOSALS_MAX);
	s->proposals[s->proposal_cnt++] = number;
}

static void show_once(unsigned *shown, unsigned number, const char *kind)
{
	if (*shown && *shown != number + 1)
		violation("honest replica %u shows two %s: \"%s\" and \"%s\"", node()->self, kind,
		          message_text(*shown - 1), message_text(number));
	*shown = number + 1;
}

/* STATUS and CHAIN say nothing that others cannot be told otherwise; here they are all lost. */
static void show(const struct message *m)
{
	struct node *n = node();
	if (m->m.kind > QNEW_VIEW || m->sender != n->self)
		return;
	arena_leave();
	unsigned number = message_number(m);
	if (m->m.kind == QPRE_PREPARE) {
		show_proposal(m, number);
	} else if (m->m.kind == QVIEW_CHANGE) {
		uint64_t w = m->m.qmessage_u.view_change.view.n;
		must(w <= VIEWS_MAX);
		must_be_kept(REC_VIEW_CHANGE, w, 0);
		show_once(&n->s.change[w], number, "VIEW-CHANGEs");
	} else if (m->m.kind == QNEW_VIEW) {
		uint64_t w = m->m.qmessage_u.new_view.view.n;
		must(w <= VIEWS_MAX);
		must_be_kept(REC_NEW_VIEW, w, 0);
		show_once(&n->s.new_view[w], number, "NEW-VIEWs");
	} else {
		show_vote(m);
	}
	arena_enter();
}

/* ---- turns ----------------------------------------------------------------------- */

static struct todo *add_todo(enum engine_input_kind kind)
{
	must(todo_cnt < sizeof todos / sizeof *todos);
	struct todo *t = &todos[todo_cnt++];
	*t = (struct todo){.kind = kind};
	return t;
}

static void execute(const struct engine_output *o)
{
	struct node *n = node();
	struct todo *t = add_todo(IN_EXECUTED);
	executed_something = true;
	for (size_t k = 0; k < o->execute.cnt; k++) {
		unsigned b = block_number(&o->execute.hashes[k]);
		if (named_blocks[b].parent != n->executed)
			violation("replica %u executes %s on %s", n->self, named_blocks[b].name,
			          named_blocks[n->executed].name);
		n->executed = b;
		t->digests[k] = named_blocks[b].hash;
		if (named_blocks[b].height % rules.checkpoint == 0)
			n->checkpointed = b;
	}
	wire_free(WIRE(qcert), &n->executed_cert);
	cert_copy(&n->executed_cert, &o->execute.cert);
	t->height = qheight_of(named_blocks[n->executed].height);
	t->cnt = o->execute.cnt;
}

/* Persisted and shown, in the order in which it was said: what is shown must be on disk by then. */
static void persist_and_send(const struct engine_outputs *out)
{
	struct node *n = node();
	for (size_t k = 0; k < out->cnt; k++) {
		const struct engine_output *o = &out->list[k];
		if (o->kind == OUT_PERSIST)
			log_put(&o->record.key, &o->record.data);
		else if (o->kind == OUT_PERSIST_BLOCK)
			n->bodies |= UINT64_C(1) << block_note(&o->block.header);
		else if (o->kind == OUT_JOURNAL || o->kind == OUT_EVIDENCE)
			journal_put(&o->journal);
		else if (o->kind == OUT_SEND)
			show(o->send.message);
		else if (o->kind == OUT_HALT || o->kind == OUT_MUTE)
			violation("replica %u stops: %s", n->self, o->reason);
	}
}

static void turn(struct engine_outputs *out)
{
	persist_and_send(out);
	for (size_t k = 0; k < out->cnt && !power_is_gone; k++) {
		const struct engine_output *o = &out->list[k];
		power_is_gone = cut && o->kind == OUT_EXECUTE;
		if (power_is_gone)
			break;
		if (o->kind == OUT_WANT_BODY)
			add_todo(IN_BODY)->block = o->want_body.hash;
		else if (o->kind == OUT_VALIDATE)
			add_todo(IN_VALIDATED)->block = o->block.hash;
		else if (o->kind == OUT_SEAL)
			add_todo(IN_SEALED)->header = o->seal;
		else if (o->kind == OUT_EXECUTE)
			execute(o);
	}
	engine_outputs_clear(out);
	log_prune();
}

static void step(struct engine_input *in)
{
	struct engine_outputs out = {0};
	if (power_is_gone)
		return;
	if (in->now_ms == 0)
		in->now_ms = NOW;
	in->wall_ms = world_genesis.g.time_ms;
	pbft_engine.step(node()->e, in, &out);
	turn(&out);
}

static void finish_todos(void)
{
	for (size_t k = 0; k < todo_cnt; k++) {
		struct todo t = todos[k];
		struct engine_input in = {.kind = t.kind};
		if (t.kind == IN_BODY) {
			in.body.block = t.block;
		} else if (t.kind == IN_SEALED) {
			in.sealed.header = t.header;
			header_seal(&in.sealed.header, block_number(&t.header.parent));
		} else if (t.kind == IN_VALIDATED) {
			in.validated.block = t.block;
			in.validated.valid = true;
		} else {
			in.executed.height = t.height;
			in.executed.digests = t.digests;
			in.executed.cnt = t.cnt;
			in.executed.staking = world_staking();
		}
		step(&in);
	}
	todo_cnt = 0;
}

/* ---- life -------------------------------------------------------------------------- */

static void sign(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	stand_in_sign(ctx, body, len, sig);
}

static void power_on(void)
{
	struct node *n = node();
	struct engine_outputs out = {0};
	struct err err = {0};
	struct engine_config c = {
	    .genesis = &world_genesis, .self = n->self, .signer = {sign, &stand_in_senders[n->self]}};
	const struct named_block *top = &named_blocks[n->executed], *point = &named_blocks[n->checkpointed];
	struct vote_record records[128];
	struct block *blocks[BLOCKS_MAX];
	struct engine_restore r = {.executed = qheight_of(top->height),
	                           .executed_hash = top->hash,
	                           .executed_seal = seal_parent_on(n->executed),
	                           .staking = world_staking(),
	                           .executed_cert = n->executed ? &n->executed_cert : NULL,
	                           .stable = n->has_stable ? &n->stable : NULL,
	                           .records = records,
	                           .record_cnt = n->log_cnt,
	                           .blocks = blocks};
	if (n->checkpointed) {
		r.checkpoint.height = qheight_of(point->height);
		r.checkpoint.block = r.checkpoint.state = point->hash;
	}
	must(n->log_cnt <= 128);
	for (size_t k = 0; k < n->log_cnt; k++) {
		records[k] = n->log[k].key;
		records[k].data = n->log[k].data.data;
		records[k].len = n->log[k].data.len;
	}
	for (unsigned b = 1; b < named_block_cnt; b++)
		if (n->bodies >> b & 1 && named_blocks[b].height > top->height)
			blocks[r.block_cnt++] = block_new(&named_blocks[b].header, NULL, 0);
	n->e = pbft_engine.create(&c, &r, &out, NOW, &err);
	for (size_t k = 0; k < r.block_cnt; k++)
		block_unref(blocks[k]);
	if (!n->e)
		violation("replica %u does not start again: %s", n->self, err.text);
	turn(&out);
	finish_todos();
}

static void power_off(void)
{
	pbft_engine.destroy(node()->e);
	node()->e = NULL;
}

/* Time-outs pass until another view is asked for. */
static void time_out(void)
{
	struct engine *e = node()->e;
	uint64_t before = e->asked.n;
	struct engine_input in = {.kind = IN_TICK, .now_ms = NOW, .pending = true};
	for (unsigned i = 0; i < REPLICAS; i++) /* STATUS told that they ask, too: T3 */
		e->peers[i].asked = e->asked;
	for (unsigned k = 0; k < 4 && e->asked.n == before; k++, in.now_ms += 1000000)
		step(&in);
}

/* All times are alike: any time-out may pass at any time, and STATUS is never sent. */
static void forget_time(void)
{
	struct engine *e = node()->e;
	e->now_ms = NOW;
	e->timer_ms = 0;
	e->timeout_ms = e->g->timeout_ms;
	e->resent = false;
	e->pending = false;
	e->status_ms = UINT64_MAX;
	e->chain_ms = 0;
	e->view_changes = 0;
	e->progress = e->entry_tip;
	for (unsigned i = 0; i < REPLICAS; i++)
		e->peers[i].asked = i == e->self ? e->asked : qview_of(0); /* joining is timing out */
}

/* ---- inputs ------------------------------------------------------------------------- */

static struct numbering input_keys;
static struct input *inputs;
static unsigned input_cap;

unsigned input_number(const struct input *in)
{
	bool fresh;
	unsigned key[] = {in->kind, in->message,   in->sender,  in->changes[0], in->changes[1],
	                  in->vote, in->statement, in->signers, in->cut};
	unsigned number = number_of(&input_keys, key, sizeof key, &fresh);
	if (!fresh)
		return number;
	if (number >= input_cap) {
		input_cap = input_cap ? 2 * input_cap : 256;
		inputs = xrealloc(inputs, input_cap * sizeof *inputs);
	}
	inputs[number] = *in;
	return number;
}

void input_text(unsigned number, char *text, size_t size)
{
	static const char *const votes[] = {
	    [QPREPARE] = "PREPAREs", [QCOMMIT] = "COMMITs", [QCHECKPOINT] = "CHECKPOINTs"};
	const struct input *in = &inputs[number];
	char what[400] = "";
	if (in->kind == I_MESSAGE)
		snprintf(what, sizeof what, "gets %s", message_text(in->message));
	else if (in->kind == I_CHANGES)
		snprintf(what, sizeof what, "gets %s; %s", message_text(in->changes[0]),
		         message_text(in->changes[1]));
	else if (in->kind == I_VOTES || in->kind == I_CHAIN)
		snprintf(what, sizeof what, "gets %s%s(%u) for %s%s%s%s%s%s",
		         in->kind == I_CHAIN ? "the chain with " : "", votes[in->vote],
		         statement_view(in->statement), named_blocks[statement_block(in->statement)].name,
		         in->kind == I_CHAIN ? "" : " of", in->signers & 1 ? " 0" : "",
		         in->signers & 2 ? " 1" : "", in->signers & 4 ? " 2" : "",
		         in->signers & 8 ? " 3" : "");
	else
		snprintf(what, sizeof what, "%s",
		         in->kind == I_PROPOSE    ? "proposes"
		         : in->kind == I_TIME_OUT ? "times out"
		                                  : "crashes and restarts");
	snprintf(text, size, "%s%s", what, in->cut ? ", and crashes before it executes anything" : "");
}

static void deliver(struct message *m)
{
	struct engine_input in = {.kind = IN_MESSAGE};
	in.message = m;
	atomic_store(&m->refs, 1u << 30); /* see names.c: EVERLASTING */
	step(&in);
}

static void propose(void)
{
	struct qheight height;
	struct qhash parent;
	struct engine *e = node()->e;
	if (!pbft_engine.can_propose(e, &height, &parent) || height.n > rules.heights)
		return;
	struct qhash leaf = leaf_of(e->self, 0, &parent);
	struct engine_input in = {.kind = IN_PROPOSE};
	in.propose.leaves = &leaf;
	in.propose.leaf_cnt = 1;
	step(&in);
}

static void apply(unsigned number)
{
	const struct input *in = &inputs[number];
	unsigned self = node()->self;
	struct message *many[REPLICAS] = {NULL}, *message = NULL;
	if (in->kind == I_MESSAGE)
		message = message_for(in->message, in->sender, self);
	else if (in->kind == I_CHAIN)
		message = chain_for(in->vote, in->statement, self);
	for (unsigned i = 0; in->kind == I_VOTES && i < REPLICAS; i++)
		if (in->signers >> i & 1)
			many[i] = vote_of(in->vote, i, in->statement);
	for (unsigned i = 0, next = 0; in->kind == I_CHANGES && next < 2; i++)
		if (i != self)
			many[i] = message_for(in->changes[next++], i, self);
	executed_something = power_is_gone = false;
	cut = in->cut;
	arena_enter();
	if (message)
		deliver(message);
	else if (in->kind == I_PROPOSE)
		propose();
	else if (in->kind == I_TIME_OUT)
		time_out();
	for (unsigned i = 0; i < REPLICAS; i++)
		if (many[i] && i != self) {
			deliver(many[i]);
			finish_todos();
		}
	finish_todos();
	if (in->kind == I_CRASH || in->cut) {
		cut = power_is_gone = false;
		todo_cnt = 0;
		power_off();
		power_on();
	}
	forget_time();
	arena_leave();
}

/* ---- a state as bytes ------------------------------------------------------------------ */

static uint8_t text[8192];
static size_t text_len;

static void put(uint64_t byte)
{
	must(byte < 256 && text_len < sizeof text);
	text[text_len++] = (uint8_t)byte;
}

static unsigned flag(bool set, unsigned bit)
{
	return set ? 1u << bit : 0;
}

static void put_word(uint64_t word)
{
	must(text_len + sizeof word <= sizeof text);
	memcpy(text + text_len, &word, sizeof word);
	text_len += sizeof word;
}

static void put_number(unsigned number)
{
	put(number & 255);
	put(number >> 8);
}

static void put_message(const struct message *m)
{
	put_number(m ? message_number(m) + 1 : 0);
}

static void put_vote(const struct vote *v, bool dead)
{
	put(v->set && !dead);
	if (!v->set || dead)
		return;
	put(v->view.n);
	put(block_known(&v->block) ? block_number(&v->block) : 255);
}

/*
 * Where votes come a quorum at a time, one that can no longer be counted is as good as none: a PREPARE of a
 * view that is not the entered one or later, or for a height that is prepared.
 */
static void put_slot(const struct engine *e, const struct slot *s)
{
	put(s->height.n);
	put(s->cur ? block_number(&s->cur->hash) : 255);
	put(flag(s->proposal != NULL, 0) | flag(s->prepare_sent, 1) | flag(s->prepared, 2) |
	    flag(s->commit_sent, 3) | flag(s->prep_stored, 4));
	put(s->prep ? block_number(&s->prep->hash) : 255);
	put(s->prep ? s->prep_cert.vote.view.n : 255);
	put_message(s->early);
	for (unsigned i = 0; i < REPLICAS; i++) {
		const struct vote *p = &s->prepares[i];
		put_vote(p, !rules.one_by_one &&
		                (p->view.n < e->entered.n || (s->prepared && p->view.n == e->entered.n)));
		put_vote(&s->commits[i], false);
	}
}

static void put_own(const struct engine *e)
{
	uint64_t said[QCHECKPOINT + 1] = {0};
	for (size_t k = 0; k < e->own_cnt; k++)
		said[e->own[k].kind] |= UINT64_C(1)
		                        << statement_number(e->own[k].view.n, block_number(&e->own[k].block));
	for (unsigned k = QPRE_PREPARE; k <= QCHECKPOINT; k++)
		put_word(said[k]);
}

static void put_blocks(const struct engine *e)
{
	for (unsigned b = 1; b < named_block_cnt; b++) {
		const struct pblock *p = pblock_find(e, &named_blocks[b].hash);
		if (!p)
			continue;
		put(b);
		put(flag(p->leaves != NULL, 0) | flag(p->here, 1) | flag(p->wanted, 2) | flag(p->asked, 3) |
		    flag(p->valid, 4) | flag(p->invalid, 5) | flag(p->stored, 6));
	}
	put(255);
}

static void put_engine(struct engine *e)
{
	put(e->asked.n);
	put(e->entered.n);
	put(flag(e->active, 0) | flag(e->halted, 1) | flag(e->muted != NULL, 2));
	put_message(e->new_view);
	put(block_number(&e->tip_hash));
	put(e->tip_cert.kind == QCHECKPOINT);
	put(e->executed.n);
	put(e->executing.n);
	put(e->stable.n);
	put(e->entry_tip.n);
	put(e->chain_cnt);
	for (size_t k = 0; k < e->chain_cnt; k++) {
		put(block_number(&e->chain[k].block->hash));
		put(e->chain[k].has_cert);
	}
	for (uint64_t h = e->tip.n + 1; h <= e->tip.n + e->params->window; h++)
		if (slot_at(e, qheight_of(h)))
			put_slot(e, slot_at(e, qheight_of(h)));
	put_blocks(e);
	for (unsigned i = 0; i < REPLICAS; i++) {
		const struct peer *p = &e->peers[i];
		bool asks = p->view_change && p->view_change->m.qmessage_u.view_change.view.n > e->entered.n;
		put_message(asks || i == e->self ? p->view_change : NULL);
		put(p->has_checkpoint ? block_number(&p->checkpoint.block) : 255);
	}
	put_own(e);
}

static void put_disk(const struct node *n)
{
	for (size_t k = 0; k < n->log_cnt; k++) {
		const struct kept *r = &n->log[k];
		struct qprepared p;
		put(r->key.kind);
		put(r->key.view.n);
		put(r->key.height.n);
		if (r->key.kind == REC_PREPARED) {
			must(wire_decode(WIRE(qprepared), r->data.data, r->data.len, &p));
			put(block_number(&p.cert.vote.block));
			put(p.cert.vote.view.n);
			wire_free(WIRE(qprepared), &p);
		}
	}
	put(255);
	put(log_tip());
	put_word(n->bodies);
	put(n->executed);
	put(n->checkpointed);
	put(n->has_stable ? block_number(&n->stable.vote.block) : 255);
}

static void put_node(const struct node *n)
{
	const struct summary *s = &n->s;
	text_len = 0;
	put(n->self);
	put_word(s->prepares);
	put_word(s->commits);
	put_word(s->points);
	for (unsigned k = 0; k < s->proposal_cnt; k++)
		put_number(s->proposals[k] + 1);
	put_number(0);
	for (unsigned w = 0; w <= VIEWS_MAX; w++) {
		put_number(s->change[w]);
		put_number(s->new_view[w]);
	}
	put_disk(n);
	put_engine(n->e);
}

static void summarise(struct node *n)
{
	const struct engine *e = n->e;
	struct summary *s = &n->s;
	struct qheight height;
	struct qhash parent;
	s->asked = (unsigned)e->asked.n;
	s->entered = (unsigned)e->entered.n;
	s->active = e->active;
	s->may_propose = pbft_engine.can_propose(e, &height, &parent) && height.n <= rules.heights;
	s->tip = block_number(&e->tip_hash);
	s->executed = n->executed;
	s->stable = (unsigned)e->stable.n;
	s->linked = e->executed.n + e->chain_cnt >= e->tip.n;
	s->known = 1;
	s->open = 0;
	for (unsigned b = 1; b < named_block_cnt; b++)
		if (named_blocks[b].height <= named_blocks[n->executed].height
		        ? ancestor(n->executed, named_blocks[b].height) == b
		        : pblock_find(e, &named_blocks[b].hash) != NULL)
			s->known |= UINT64_C(1) << b;
	for (unsigned i = 0; i < e->params->window; i++) {
		const struct slot *slot = &e->slots[i];
		if (slot->height.n && slot->cur && !slot->prepared && e->active)
			s->open |= UINT64_C(1)
			           << statement_number(e->entered.n, block_number(&slot->cur->hash));
	}
}

/* ---- states ------------------------------------------------------------------------------- */

static struct numbering state_keys;
static struct {
	struct summary s;
	uint32_t heap;
} * states;
static uint32_t state_cap;
static uint64_t step_cnt;

/* The state in the arena; kept if it is new. */
static uint32_t state_number(void)
{
	bool fresh;
	put_node(node());
	unsigned number = number_of(&state_keys, text, text_len, &fresh);
	if (!fresh)
		return number;
	if (number >= state_cap) {
		state_cap = state_cap ? 2 * state_cap : 1024;
		states = xrealloc(states, state_cap * sizeof *states);
	}
	summarise(node());
	states[number].s = node()->s;
	states[number].heap = arena_save();
	return number;
}

uint32_t node_begin(unsigned self)
{
	arena_clear();
	arena_enter();
	struct node *n = xcalloc(1, sizeof *n);
	must(n == node());
	n->self = self;
	power_on();
	forget_time();
	arena_leave();
	return state_number();
}

/* (state, input) -> (state, did it execute), open addressing. */
static struct memo {
	uint32_t state, input, to; /* input: number + 1 */
	bool executes;
} * memos;
static size_t memo_cnt, memo_mask;

static size_t memo_slot(uint32_t state, unsigned input)
{
	uint64_t h =
	    (state * UINT64_C(0x9e3779b97f4a7c15)) ^ ((uint64_t)input * UINT64_C(0xc2b2ae3d27d4eb4f));
	size_t at = (size_t)(h ^ h >> 29) & memo_mask;
	while (memos[at].input && (memos[at].state != state || memos[at].input != input + 1))
		at = (at + 1) & memo_mask;
	return at;
}

static void memo_grow(void)
{
	struct memo *old = memos;
	size_t old_cnt = memo_mask ? memo_mask + 1 : 0;
	memo_mask = old_cnt ? 2 * old_cnt - 1 : (1u << 16) - 1;
	memos = xcalloc(memo_mask + 1, sizeof *memos);
	for (size_t k = 0; k < old_cnt; k++)
		if (old[k].input)
			memos[memo_slot(old[k].state, old[k].input - 1)] = old[k];
	free(old);
}

static struct memo *remember(uint32_t state, unsigned input)
{
	if (2 * memo_cnt >= memo_mask)
		memo_grow();
	size_t at = memo_slot(state, input);
	if (memos[at].input)
		return &memos[at];
	arena_load(states[state].heap);
	apply(input);
	step_cnt++;
	memo_cnt++;
	uint32_t to = state_number();
	memos[at] =
	    (struct memo){.state = state, .input = input + 1, .to = to, .executes = executed_something};
	return &memos[at];
}

uint32_t node_step(uint32_t state, unsigned input)
{
	return remember(state, input)->to;
}

bool node_step_executes(uint32_t state, unsigned input)
{
	return remember(state, input)->executes;
}

const struct summary *node_summary(uint32_t state)
{
	return &states[state].s;
}

uint32_t node_states(void)
{
	return state_keys.cnt;
}

uint64_t node_steps(void)
{
	return step_cnt;
}
