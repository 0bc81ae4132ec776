/* names.c: see names.h. */
#include "names.h"

#include <stdio.h>
#include <stdlib.h>

#include "block.h"
#include "hash.h"
#include "map.h"
#include "merkle.h"
#include "pbft.h"
#include "primitives.h"

struct rules rules;
struct genesis world_genesis;
struct named_block named_blocks[BLOCKS_MAX];
unsigned named_block_cnt;
unsigned stand_in_senders[REPLICAS] = {0, 1, 2, 3};

/* ---- numbers ---------------------------------------------------------------- */

struct numbered {
	UT_hash_handle hh;
	unsigned number;
	uint8_t key[];
};

unsigned number_of(struct numbering *n, const void *key, size_t len, bool *fresh)
{
	struct numbered *x;
	HASH_FIND(hh, n->first, key, (unsigned)len, x);
	*fresh = x == NULL;
	if (!x) {
		x = xcalloc(1, sizeof *x + len);
		memcpy(x->key, key, len);
		x->number = n->cnt++;
		HASH_ADD_KEYPTR(hh, n->first, x->key, (unsigned)len, x);
	}
	return x->number;
}

/* ---- signatures -------------------------------------------------------------- */

/* Nobody here can do more than sign with a key that is his: so a sum over sender and body will do. */
void stand_in_sign(void *sender, const uint8_t *body, size_t len, struct qsig *sig)
{
	uint64_t h = 0xcbf29ce484222325u ^ *(unsigned *)sender;
	for (size_t i = 0; i < len; i++)
		h = (h ^ body[i]) * 0x100000001b3u;
	memset(sig, 0, sizeof *sig);
	memcpy(sig->b, &h, sizeof h);
}

static bool stand_in_verify(const struct qreplica_key *key, const struct qhash *chain, const uint8_t *body,
                            size_t len, const struct qsig *sig)
{
	unsigned sender = key->b[0];
	struct qsig want;
	(void)chain;
	stand_in_sign(&sender, body, len, &want);
	return memcmp(&want, sig, sizeof want) == 0;
}

struct message *signed_by(unsigned sender, const struct qmessage *m)
{
	struct signer s = {stand_in_sign, &stand_in_senders[sender]};
	return message_make(&world_genesis, sender, &s, m);
}

/* ---- blocks ------------------------------------------------------------------- */

bool block_known(const struct qhash *hash)
{
	for (unsigned k = 0; k < named_block_cnt; k++)
		if (qhash_eq(&named_blocks[k].hash, hash))
			return true;
	return false;
}

unsigned block_number(const struct qhash *hash)
{
	for (unsigned k = 0; k < named_block_cnt; k++)
		if (qhash_eq(&named_blocks[k].hash, hash))
			return k;
	violation("somebody speaks of a block that nobody proposed");
}

struct qhash leaf_of(unsigned proposer, unsigned content, const struct qhash *parent)
{
	struct qhash leaf;
	uint8_t text[34];
	memcpy(text, parent->b, sizeof parent->b);
	text[32] = (uint8_t)proposer;
	text[33] = (uint8_t)content;
	hash_bytes("exhaustive/leaf", text, sizeof text, leaf.b);
	return leaf;
}

unsigned block_note(const struct qheader *header)
{
	struct qhash hash;
	block_hash(header, &hash);
	if (block_known(&hash))
		return block_number(&hash);
	must(named_block_cnt < BLOCKS_MAX);
	struct named_block *b = &named_blocks[named_block_cnt];
	b->hash = hash;
	b->header = *header;
	b->parent = block_number(&header->parent);
	b->height = (unsigned)header->height.n;
	b->proposer = header->proposer;
	for (b->content = 0;; b->content++) {
		b->leaf = leaf_of(b->proposer, b->content, &header->parent);
		struct qhash root;
		merkle_root(&b->leaf, 1, &root);
		if (qhash_eq(&root, &header->merkle_root))
			break;
		must(b->content < 8);
	}
	snprintf(b->name, sizeof b->name, "%s%c", b->parent ? named_blocks[b->parent].name : "",
	         (char)('a' + 2 * b->proposer + b->content));
	return named_block_cnt++;
}

struct seal_parent seal_parent_on(unsigned block)
{
	struct seal_parent p;
	if (block == 0) {
		seal_genesis(&world_genesis, &p);
		return p;
	}
	p = seal_parent_on(named_blocks[block].parent);
	seal_extend(&p, &named_blocks[block].header);
	return p;
}

/* The first nonce: so whoever seals the same header makes the same block. */
void header_seal(struct qheader *h, unsigned parent)
{
	struct seal_parent below = seal_parent_on(parent);
	seal_prepare(&world_genesis, &below, &h->seal);
	if (h->seal.kind == QSEAL_POW)
		must(block_mine(h, 0, UINT64_MAX, &h->seal.qseal_u.pow.nonce));
}

unsigned block_make(unsigned parent, unsigned proposer, unsigned content)
{
	const struct named_block *p = &named_blocks[parent];
	struct qhash leaf = leaf_of(proposer, content, &p->hash);
	struct qheader h = {.format = 1, .height = qheight_of(p->height + 1), .parent = p->hash};
	h.tx_count = 1;
	h.proposer = proposer;
	h.time_ms = (parent ? p->header.time_ms : world_genesis.g.time_ms) + 1;
	merkle_root(&leaf, 1, &h.merkle_root);
	header_seal(&h, parent);
	return block_note(&h);
}

unsigned ancestor(unsigned block, unsigned height)
{
	while (named_blocks[block].height > height)
		block = named_blocks[block].parent;
	return block;
}

bool on_one_chain(unsigned a, unsigned b)
{
	unsigned ha = named_blocks[a].height, hb = named_blocks[b].height;
	return ancestor(a, hb) == ancestor(b, ha);
}

/* ---- statements ----------------------------------------------------------------- */

static struct {
	unsigned view, block;
} statements[STATEMENTS_MAX];
static unsigned statements_cnt;

unsigned statement_number(uint64_t view, unsigned block)
{
	for (unsigned k = 0; k < statements_cnt; k++)
		if (statements[k].view == view && statements[k].block == block)
			return k;
	must(statements_cnt < STATEMENTS_MAX);
	statements[statements_cnt].view = (unsigned)view;
	statements[statements_cnt].block = block;
	return statements_cnt++;
}

unsigned statement_view(unsigned s)
{
	return statements[s].view;
}

unsigned statement_block(unsigned s)
{
	return statements[s].block;
}

unsigned statement_cnt(void)
{
	return statements_cnt;
}

/* ---- messages --------------------------------------------------------------------- */

#define EVERLASTING \
	(1u << 30) /* references: what an engine that was put back takes or gives does not count */

static struct numbering message_keys;
static struct named_message {
	struct message *message;
	struct message *to[REPLICAS][REPLICAS]; /* [receiver][sender] */
	char *text;
} * messages;
static unsigned messages_cap;

struct key {
	uint8_t b[64];
	size_t len;
	char text[160];
};

static void add(struct key *k, uint64_t byte)
{
	must(byte < 256 && k->len < sizeof k->b);
	k->b[k->len++] = (uint8_t)byte;
}

static void say(struct key *k, const char *text)
{
	size_t len = strlen(k->text);
	snprintf(k->text + len, sizeof k->text - len, "%s", text);
}

static void add_block(struct key *k, const struct qhash *hash)
{
	unsigned b = block_number(hash);
	add(k, b);
	say(k, " ");
	say(k, b ? named_blocks[b].name : "G");
}

static void add_prepared(struct key *k, const struct qprepared *p)
{
	char text[8];
	add_block(k, &p->cert.vote.block);
	add(k, p->cert.vote.view.n);
	snprintf(text, sizeof text, "@v%u", (unsigned)p->cert.vote.view.n);
	say(k, text);
}

static void view_change_key(struct key *k, const struct qview_change *vc)
{
	say(k, " tip");
	add_block(k, vc->tip.tip_len ? &vc->tip.tip_val->vote.block : &world_genesis.chain);
	say(k, " stable");
	add_block(k, vc->stable.stable_len ? &vc->stable.stable_val->vote.block : &world_genesis.chain);
	say(k, " P");
	for (u_int i = 0; i < vc->prepared.prepared_len; i++)
		add_prepared(k, &vc->prepared.prepared_val[i]);
}

static void new_view_key(struct key *k, const struct message *m)
{
	const struct qcert *s;
	const struct qprepared *o[Q_WINDOW_MAX];
	size_t cnt =
	    new_view_choose(&world_genesis, m->changes, m->m.qmessage_u.new_view.changes.changes_len, &s, o);
	say(k, " S");
	add_block(k, s ? &s->vote.block : &world_genesis.chain);
	add(k, s && s->kind == QCHECKPOINT);
	say(k, " O");
	for (size_t i = 0; i < cnt; i++)
		add_block(k, &o[i]->cert.vote.block);
}

static uint64_t view_of(const struct qmessage *m)
{
	return m->kind == QPRE_PREPARE   ? m->qmessage_u.proposal.view.n
	       : m->kind == QVIEW_CHANGE ? m->qmessage_u.view_change.view.n
	       : m->kind == QNEW_VIEW    ? m->qmessage_u.new_view.view.n
	                                 : m->qmessage_u.vote.view.n;
}

static void message_key(struct key *k, const struct message *m)
{
	static const char *const names[] = {
	    [QPRE_PREPARE] = "PRE-PREPARE", [QPREPARE] = "PREPARE",         [QCOMMIT] = "COMMIT",
	    [QCHECKPOINT] = "CHECKPOINT",   [QVIEW_CHANGE] = "VIEW-CHANGE", [QNEW_VIEW] = "NEW-VIEW"};
	struct qhash hash;
	*k = (struct key){.len = 0};
	must(m->m.kind >= QPRE_PREPARE && m->m.kind <= QNEW_VIEW);
	add(k, m->m.kind);
	add(k, m->sender);
	add(k, view_of(&m->m));
	snprintf(k->text, sizeof k->text, "%s(%u) of %u:", names[m->m.kind], (unsigned)view_of(&m->m),
	         m->sender);
	if (m->m.kind == QVIEW_CHANGE) {
		view_change_key(k, &m->m.qmessage_u.view_change);
	} else if (m->m.kind == QNEW_VIEW) {
		new_view_key(k, m);
	} else if (m->m.kind == QPRE_PREPARE) {
		block_hash(&m->m.qmessage_u.proposal.header, &hash);
		add_block(k, &hash);
	} else {
		add_block(k, &m->m.qmessage_u.vote.block);
	}
}

unsigned message_number(const struct message *m)
{
	struct key k;
	bool fresh;
	enum open_verdict verdict;
	if (m->m.kind == QPRE_PREPARE)
		block_note(&m->m.qmessage_u.proposal.header);
	message_key(&k, m);
	/* Whoever is honest, or keeps to the shape, is understood. */
	unsigned number = number_of(&message_keys, k.b, k.len, &fresh);
	if (!fresh)
		return number;
	if (number >= messages_cap) {
		messages_cap = messages_cap ? 2 * messages_cap : 256;
		messages = xrealloc(messages, messages_cap * sizeof *messages);
	}
	struct message *opened = message_open(&world_genesis, &m->env, &verdict);
	if (!opened)
		violation("%s is refused: %s", k.text, open_verdict_text(verdict));
	atomic_store(&opened->refs, EVERLASTING);
	messages[number] = (struct named_message){.message = opened, .text = xstrdup(k.text)};
	return number;
}

struct message *message_numbered(unsigned number)
{
	must(number < message_keys.cnt);
	return messages[number].message;
}

const char *message_text(unsigned number)
{
	must(number < message_keys.cnt);
	return messages[number].text;
}

static struct message *keep(struct message *m)
{
	unsigned number = message_number(m);
	message_unref(m);
	return messages[number].message;
}

static struct qvote vote_about(enum qkind kind, unsigned statement)
{
	const struct named_block *b = &named_blocks[statement_block(statement)];
	struct qvote v = {.height = qheight_of(b->height), .block = b->hash};
	if (kind == QCHECKPOINT)
		v.state = b->hash; /* what every honest replica computes here */
	else
		v.view = qview_of(statement_view(statement));
	return v;
}

struct message *vote_of(enum qkind kind, unsigned sender, unsigned statement)
{
	static struct message *made[QCHECKPOINT + 1][REPLICAS][STATEMENTS_MAX];
	struct message **m = &made[kind][sender][statement];
	struct qmessage vote = {.kind = kind};
	if (!*m) {
		vote.qmessage_u.vote = vote_about(kind, statement);
		*m = keep(signed_by(sender, &vote));
	}
	return *m;
}

struct message *proposal_of(unsigned sender, unsigned view, unsigned block)
{
	struct named_block *b = &named_blocks[block];
	struct qmessage m = {.kind = QPRE_PREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;
	p->view = qview_of(view);
	p->header = b->header;
	p->leaves.leaves_len = 1;
	p->leaves.leaves_val = &b->leaf;
	p->prepare = vote_of(QPREPARE, sender, statement_number(view, block))->env.sig;
	return keep(signed_by(sender, &m));
}

void certificate_of(enum qkind kind, unsigned statement, unsigned without, struct qcert *cert)
{
	*cert = (struct qcert){.kind = kind, .vote = vote_about(kind, statement)};
	cert->sigs.sigs_val = xcalloc(REPLICAS, sizeof *cert->sigs.sigs_val);
	for (unsigned i = 0; i < REPLICAS; i++)
		if (i != without)
			cert->sigs.sigs_val[cert->sigs.sigs_len++] =
			    (struct qcert_sig){.replica = i, .sig = vote_of(kind, i, statement)->env.sig};
}

static void certificate_again(const struct qcert *c, unsigned without, struct qcert *cert)
{
	certificate_of(c->kind, statement_number(c->vote.view.n, block_number(&c->vote.block)), without,
	               cert);
}

static struct message *change_for(const struct message *m, unsigned sender, unsigned receiver)
{
	const struct qview_change *old = &m->m.qmessage_u.view_change;
	struct qmessage again = {.kind = QVIEW_CHANGE};
	struct qview_change *vc = &again.qmessage_u.view_change;
	struct qcert tip, stable;
	struct qprepared prepared[Q_WINDOW_MAX];
	*vc = *old;
	vc->tip.tip_val = &tip;
	vc->stable.stable_val = &stable;
	vc->prepared.prepared_val = prepared;
	if (old->tip.tip_len)
		certificate_again(old->tip.tip_val, receiver, &tip);
	if (old->stable.stable_len)
		certificate_again(old->stable.stable_val, receiver, &stable);
	for (u_int k = 0; k < old->prepared.prepared_len; k++) {
		prepared[k].header = old->prepared.prepared_val[k].header;
		certificate_again(&old->prepared.prepared_val[k].cert, receiver, &prepared[k].cert);
	}
	struct message *made = signed_by(sender, &again);
	if (old->tip.tip_len)
		wire_free(WIRE(qcert), &tip);
	if (old->stable.stable_len)
		wire_free(WIRE(qcert), &stable);
	for (u_int k = 0; k < old->prepared.prepared_len; k++)
		wire_free(WIRE(qcert), &prepared[k].cert);
	return made;
}

/* Three VIEW-CHANGEs: by all but the receiver. */
static struct message *new_view_for(const struct message *m, unsigned receiver)
{
	struct qmessage again = {.kind = QNEW_VIEW};
	struct qnew_view *nv = &again.qmessage_u.new_view;
	struct message *changes[REPLICAS - 1];
	struct qenvelope envs[REPLICAS - 1];
	unsigned cnt = m->m.qmessage_u.new_view.changes.changes_len;
	must(cnt == REPLICAS - 1);
	nv->view = m->m.qmessage_u.new_view.view;
	nv->changes.changes_len = cnt;
	nv->changes.changes_val = envs;
	for (unsigned k = 0; k < cnt; k++) {
		changes[k] = change_for(m->changes[k], k + (k >= receiver), receiver);
		envs[k] = changes[k]->env;
	}
	struct message *made = signed_by(m->sender, &again);
	for (unsigned k = 0; k < cnt; k++)
		message_unref(changes[k]);
	return made;
}

struct message *message_for(unsigned number, unsigned sender, unsigned receiver)
{
	must(number < message_keys.cnt && sender != receiver);
	const struct message *m = messages[number].message;
	if (m->m.kind != QVIEW_CHANGE && m->m.kind != QNEW_VIEW)
		return messages[number].message;
	if (!messages[number].to[receiver][sender]) {
		struct message *made =
		    m->m.kind == QVIEW_CHANGE ? change_for(m, sender, receiver) : new_view_for(m, receiver);
		atomic_store(&made->refs, EVERLASTING);
		messages[number].to[receiver][sender] = made;
	}
	return messages[number].to[receiver][sender];
}

struct message *chain_for(enum qkind kind, unsigned statement, unsigned receiver)
{
	struct qheader headers[8];
	struct qmessage m = {.kind = QCHAIN};
	unsigned block = statement_block(statement), cnt = named_blocks[block].height;
	must(cnt <= 8);
	for (unsigned h = cnt; h > 0; h--, block = named_blocks[block].parent)
		headers[h - 1] = named_blocks[block].header;
	m.qmessage_u.chain.headers.headers_len = cnt;
	m.qmessage_u.chain.headers.headers_val = headers;
	certificate_of(kind, statement, receiver, &m.qmessage_u.chain.cert);
	struct message *made = signed_by(rules.traitor, &m);
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
	atomic_store(&made->refs, EVERLASTING);
	return made;
}

/* ---- beginning ----------------------------------------------------------------------- */

/* Uneven stakes: the first turns are not the primaries'. */
static struct qstake stakes[REPLICAS] = {{.own = 10}, {.own = 30}, {.own = 20}, {.own = 40}};
static struct qheight convicted[REPLICAS];
static struct qtable table = {.stakes = {REPLICAS, stakes}};
static const struct qstaking staking = {{REPLICAS, stakes}, {REPLICAS, convicted}, {1, &table}};

const struct qstaking *world_staking(void)
{
	return rules.by_stake ? &staking : NULL;
}

unsigned proposer_at(unsigned height, unsigned view)
{
	static struct schedule s;
	if (rules.by_stake && s.weight[0] == 0)
		schedule_make(&world_genesis, &table, &s);
	return schedule_proposer(&world_genesis, &s, qheight_of(height), qview_of(view));
}

static void begin_rules(struct qgenesis *g)
{
	if (rules.sealed) {
		g->seal.kind = QSEAL_POW;
		g->seal.qseal_rules_u.pow = (struct qpow_rules){.bits = 3, .bits_max = 3, .hash_rate = 1000};
	}
	if (rules.by_stake) {
		g->proposer.kind = QPROPOSER_STAKE;
		g->proposer.qproposer_rules_u.stake =
		    (struct qstake_rules){.epoch = 16, .turn = 1, .proposers = REPLICAS, .unbonding = 48};
	}
}

void names_begin(void)
{
	static struct primitives cheap;
	struct genesis *g = &world_genesis;
	cheap = primitives_real;
	cheap.replica_verify = stand_in_verify;
	primitives_use(&cheap);
	g->n = REPLICAS;
	g->f = 1;
	g->quorum = 3;
	g->g.time_ms = 1000;
	g->g.params = genesis_default_params();
	g->g.params.checkpoint_interval = rules.checkpoint;
	g->g.params.window = 3;
	g->timeout_ms = g->g.params.timeout_ms;
	g->timeout_cap_ms = g->g.params.timeout_cap_ms;
	begin_rules(&g->g);
	g->g.replicas.replicas_len = REPLICAS;
	g->g.replicas.replicas_val = xcalloc(REPLICAS, sizeof *g->g.replicas.replicas_val);
	for (unsigned i = 0; i < REPLICAS; i++)
		g->g.replicas.replicas_val[i].key.b[0] = (uint8_t)i;
	memset(g->chain.b, 7, sizeof g->chain.b);
	named_blocks[0] = (struct named_block){.hash = g->chain, .name = "G"};
	named_block_cnt = 1;
}
