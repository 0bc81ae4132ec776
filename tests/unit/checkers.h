/*
 * checkers.h: a world for the simulator's checkers, without machines that run: shells in which the checkers
 * find what a test put there, and forged messages and blocks.
 */
#ifndef QUORATE_TEST_CHECKERS_H
#define QUORATE_TEST_CHECKERS_H

#include "check_impl.h"
#include "payments.h"
#include "pool_impl.h"

#include "disk.h"
#include "seals.h"
#include "trace.h"

#include <sqlite3.h>

#define N 4
#define OUTPUTS 16

static struct rules rules; /* keys and genesis, for all */

/* Machines whose replicas and engines are empty shells: what the checkers look at is put there. */
static struct world {
	struct sim s;
	struct sim_result r;
	struct replica replicas[N];
	struct engine engines[N];
	struct peer peers[N][N];
	struct pool pools[N];
	struct peer_state peer_states[N][N];
	struct qhash tip; /* of the naive ledger */
} w;

static inline struct qparams checkers_params(void)
{
	struct qparams p = genesis_default_params();

	p.checkpoint_interval = 4;
	p.window = 4;
	return p;
}

static inline int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	w.s.result = &w.r;
	w.s.g = rules.g;
	w.s.n = N;
	w.s.f = 1;
	w.s.q = 3;
	w.s.storm = true;
	w.s.faults = UINT64_MAX; /* anything may happen */
	w.s.o.storm_ms = 100000;
	w.s.machine_cnt = N;
	memcpy(w.s.ids, rules.ids, N * sizeof *w.s.ids);
	trace_start(&w.s);
	check_start(&w.s);
	w.tip = rules.g.chain;
	for (unsigned i = 0; i < N; i++) {
		struct machine *m = &w.s.machines[i];
		*m = (struct machine){.sim = &w.s, .slot = i, .id = i, .lives = 1, .replica = &w.replicas[i]};
		m->disk = disk_new(i);
		w.replicas[i].engine = &w.engines[i];
		w.replicas[i].g = &rules.g;
		w.replicas[i].peers = w.peer_states[i];
		w.engines[i] =
		    (struct engine){.g = &rules.g, .params = &rules.g.g.params, .n = N, .f = 1, .q = 3};
		w.replicas[i].pool = &w.pools[i];
		w.engines[i].self = i;
		w.engines[i].peers = w.peers[i];
		w.engines[i].tip_hash = rules.g.chain;
	}
	w.s.checks->statements = 1; /* so that not every statement is looked for on a disk */
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	check_free(&w.s);
	trace_free(&w.s);
	for (unsigned i = 0; i < N; i++)
		disk_free(w.s.machines[i].disk);
	return 0;
}

/* The violation that stands is this checker's; the world may be broken again. */
static inline void assert_broken(const char *checker)
{
	size_t len = strlen(checker);

	if (!w.s.broken)
		fail_msg("nothing is broken, not even \"%s\"", checker);
	if (strncmp(w.r.violation, checker, len) != 0 || w.r.violation[len] != ':')
		fail_msg("broken is not \"%s\" but \"%s\"", checker, w.r.violation);
	w.s.broken = false;
}

static inline void assert_whole(void)
{
	if (w.s.broken)
		fail_msg("%s", w.r.violation);
}

/* ---- forging --------------------------------------------------------------------------------------------
 */

static inline void sign_as(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	ident_sign(rules.ids[*(unsigned *)ctx], &rules.g.chain, body, len, sig);
}

static inline struct message *make(unsigned sender, const struct qmessage *m)
{
	struct signer signer = {sign_as, &sender};
	enum open_verdict verdict;
	struct message *made = message_make(&rules.g, sender, &signer, m);
	struct message *opened = message_open(&rules.g, &made->env, &verdict);

	message_unref(made);
	if (!opened)
		fail_msg("forged too badly: %s", open_verdict_text(verdict));
	return opened;
}

/* Anybody shows it. */
static inline void show(struct message *m)
{
	struct packet p = {.message = m, .kind = m->m.kind};

	check_packet(&w.s, &p);
}

/* An honest machine sends it. Takes the reference. */
static inline void say(unsigned machine, struct message *m)
{
	check_sent(&w.s.machines[machine], m, 0);
	show(m);
	message_unref(m);
}

static inline void vote(unsigned sender, enum qkind kind, uint64_t view, uint64_t height,
                        const struct qhash *block)
{
	struct qmessage m = {.kind = kind};

	m.qmessage_u.vote = (struct qvote){.view = {view}, .height = {height}, .block = *block};
	say(sender, make(sender, &m));
}

/* A block that everybody knows, with one leaf. */
static inline struct qheader block_on(uint64_t height, const struct qhash *parent, uint8_t fill,
                                      struct qhash *hash)
{
	struct qheader h = rules_header(height, *parent, rules_hash(fill), 1);

	block_hash(&h, hash);
	known_header(w.s.checks, &h);
	return h;
}

static inline struct message *proposal(unsigned sender, uint64_t view, struct qheader header)
{
	struct qmessage m = {.kind = QPRE_PREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;
	struct qvote v = {.view = {view}, .height = header.height};
	struct qmessage prepare = {.kind = QPREPARE};
	struct qhash leaf = header.merkle_root;

	p->view.n = view;
	p->header = header;
	p->leaves.leaves_len = 1;
	p->leaves.leaves_val = &leaf;
	block_hash(&header, &v.block);
	prepare.qmessage_u.vote = v;
	rules_sign(&rules, sender, &prepare, &p->prepare);
	return make(sender, &m);
}

static inline struct message *view_change(unsigned sender, uint64_t view, const struct qcert *tip)
{
	struct qmessage m = {.kind = QVIEW_CHANGE};

	m.qmessage_u.view_change.view.n = view;
	if (tip) {
		m.qmessage_u.view_change.tip.tip_len = 1;
		m.qmessage_u.view_change.tip.tip_val = (struct qcert *)tip;
	}
	return make(sender, &m);
}

/* Of the VIEW-CHANGEs of 1, 2 and 3 with this tip. */
static inline struct message *new_view(uint64_t view, const struct qcert *tip)
{
	struct qmessage m = {.kind = QNEW_VIEW};
	struct qenvelope envs[3];
	struct message *changes[3];

	m.qmessage_u.new_view.view.n = view;
	m.qmessage_u.new_view.changes.changes_len = 3;
	m.qmessage_u.new_view.changes.changes_val = envs;
	for (unsigned i = 0; i < 3; i++) {
		changes[i] = view_change(i + 1, view, tip);
		envs[i] = changes[i]->env;
	}
	struct message *made = make((unsigned)(view % N), &m);
	for (unsigned i = 0; i < 3; i++)
		message_unref(changes[i]);
	return made;
}

static inline struct qcert cert(enum qkind kind, uint64_t view, uint64_t height, const struct qhash *block)
{
	return rules_cert(&rules, kind, &(struct qvote){.view = {view}, .height = {height}, .block = *block},
	                  7);
}

static inline void show_chain(enum qkind kind, uint64_t view, uint64_t height, const struct qhash *block)
{
	struct qmessage m = {.kind = QCHAIN};

	m.qmessage_u.chain.cert = cert(kind, view, height, block);
	struct message *made = make(3, &m);
	show(made);
	message_unref(made);
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
}

/* ---- the naive ledger's food ----------------------------------------------------------------------------
 */

static inline struct qblock block_with(struct tx *const *txs, unsigned cnt)
{
	struct qhash leaves[8], root;
	struct qblock b = {.txs = {cnt, xcalloc(cnt ? cnt : 1, sizeof(qtx_bytes))}};

	for (unsigned i = 0; i < cnt; i++) {
		leaves[i] = txs[i]->leaf;
		b.txs.txs_val[i] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	}
	merkle_root(leaves, cnt, &root);
	b.header = rules_header(w.s.checks->height + 1, w.tip, root, cnt);
	b.header.proposer = (unsigned)turns_proposer(w.s.checks, b.header.height.n, 0);
	return b;
}

static inline bool execute(const struct qblock *b)
{
	bool ok = chain_execute(w.s.checks, b);

	if (ok)
		block_hash(&b->header, &w.tip);
	free(b->txs.txs_val);
	return ok;
}

/* Takes the reference. */
static inline bool execute_tx(struct tx *tx)
{
	struct qblock b = block_with(&tx, 1);
	bool ok = execute(&b);

	tx_unref(tx);
	return ok;
}

#endif
