/*
 * cluster.h: whole replicas in one process, on a network in memory and on virtual time.  Deterministic: a
 * message arrives one millisecond after it was sent, in order, unless the test's filter drops it; files are
 * real, in a directory of their own, so a crash is closing without mercy and a restart is opening again.
 */
#ifndef QUORATE_TEST_CLUSTER_H
#define QUORATE_TEST_CLUSTER_H

#include <sys/stat.h>
#include <unistd.h>

#include "payments.h"
#include "replica.h"
#include "verify.h"

#define CLUSTER_WALL_MS 1700000000000 /* the genesis' time */
#define CLUSTER_MAX 8

struct cluster;

/* One message on its way. */
struct transit {
	struct message *message; /* a reference */
	unsigned from;
	uint64_t to, due_ms;
	struct transit *next;
};

struct told {
	struct qtxid id;
	enum tx_verdict verdict;
	struct qheight height;
	struct qtxid winner;
};

#define CLUSTER_NEVER UINT64_MAX

struct member {
	struct cluster *cluster;
	unsigned index;
	struct replica *replica; /* NULL: down */
	bool woken;
	uint64_t
	    mine_ms; /* that its miner takes for a block; CLUSTER_NEVER; 0: it has none, and mines in place */
	bool mining;
	struct qheader header;     /* the last that it was asked to mine, */
	uint64_t sealed_ms;        /* when it will be sealed */
	unsigned asked, cancelled; /* so many times it was asked to mine, and to stop */
	struct told *told;         /* outcomes, in order; kept over restarts */
	size_t told_cnt;
	char ledger[96], votes[96];
};

struct cluster {
	struct rules rules;
	struct verify_cache *cache;
	char dir[64];
	const char *vfs;
	uint64_t now_ms;
	struct member members[CLUSTER_MAX];
	struct transit *first, **last;
	uint64_t sent; /* messages that were handed to the network */
	/* True: the message is lost. */
	bool (*drop)(struct cluster *c, unsigned from, unsigned to, const struct message *m);
	void *drop_ctx;
	/* Called for every message that is sent. */
	void (*watch)(struct cluster *c, unsigned from, const struct message *m);
	bool verbose;
};

/* ---- effects ------------------------------------------------------------------------- */

static inline void cluster_send(void *ctx, struct message *m, uint64_t to)
{
	struct member *me = ctx;
	struct cluster *c = me->cluster;
	struct transit *t = xcalloc(1, sizeof *t);

	assert_int_equal(to >> me->index & 1, 0);
	c->sent++;
	if (c->verbose)
		fprintf(stderr, "%6llu %u send  kind=%d to=%llx\n", (unsigned long long)c->now_ms, me->index,
		        (int)m->m.kind, (unsigned long long)to);
	if (c->watch)
		c->watch(c, me->index, m);
	t->message = message_ref(m);
	t->from = me->index;
	t->to = to;
	t->due_ms = c->now_ms + 1;
	*c->last = t;
	c->last = &t->next;
}

static inline void cluster_outcome(void *ctx, const struct qtxid *id, enum tx_verdict v,
                                   struct qheight height, const struct qtxid *winner)
{
	struct member *me = ctx;
	struct told *t;

	me->told = xrealloc(me->told, (me->told_cnt + 1) * sizeof *me->told);
	t = &me->told[me->told_cnt++];
	*t = (struct told){.id = *id, .verdict = v, .height = height};
	if (winner)
		t->winner = *winner;
}

__attribute__((format(printf, 3, 4))) static inline void cluster_log(void *ctx, const char *level,
                                                                     const char *fmt, ...)
{
	struct member *me = ctx;
	va_list args;

	if (!me->cluster->verbose)
		return;
	fprintf(stderr, "%6llu %u %-5s ", (unsigned long long)me->cluster->now_ms, me->index, level);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static inline void cluster_seal(void *ctx, const struct qheader *header)
{
	struct member *me = ctx;

	me->mining = header != NULL;
	me->asked += header != NULL;
	me->cancelled += header == NULL;
	if (!header)
		return;
	me->header = *header;
	me->sealed_ms = me->mine_ms < CLUSTER_NEVER - me->cluster->now_ms ? me->cluster->now_ms + me->mine_ms
	                                                                  : CLUSTER_NEVER;
}

static inline void cluster_sign(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	struct member *me = ctx;
	struct cluster *c = me->cluster;

	ident_sign(c->rules.ids[me->index], &c->rules.g.chain, body, len, sig);
}

/* ---- members ---------------------------------------------------------------------------- */

static inline bool cluster_try_start(struct cluster *c, unsigned i, struct err *err)
{
	struct member *me = &c->members[i];
	struct replica_config config = {
	    .genesis = &c->rules.g,
	    .self = i,
	    .signer = {cluster_sign, me},
	    .key = &c->rules.g.g.replicas.replicas_val[i].key,
	    .ledger_path = me->ledger,
	    .votes_path = me->votes,
	    .vfs = c->vfs,
	    .effects = {me, cluster_send, cluster_outcome, cluster_log, me->mine_ms ? cluster_seal : NULL},
	};

	assert_null(me->replica);
	me->replica = replica_open(&config, c->now_ms, err);
	if (!me->replica)
		return false;
	replica_clock(me->replica, c->now_ms, CLUSTER_WALL_MS + c->now_ms);
	me->woken = true;
	return true;
}

static inline void cluster_start(struct cluster *c, unsigned i)
{
	struct err err = {0};

	if (!cluster_try_start(c, i, &err))
		fail_msg("replica %u: %s", i, err.text);
}

/* What was not synced is lost, what was sent is on its way. */
static inline void cluster_crash(struct cluster *c, unsigned i)
{
	replica_close(c->members[i].replica);
	c->members[i].replica = NULL;
}

static inline void cluster_unlink(const char *path)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal", "-lock"};
	char file[128];

	for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
		snprintf(file, sizeof file, "%s%s", path, ends[k]);
		unlink(file);
	}
}

/* `outputs` of the genesis; params may be NULL; so may shape, which changes the genesis as it likes. All have
 * such a miner. Everybody is up. */
static inline struct cluster *cluster_new_chain(unsigned n, unsigned outputs, const struct qparams *params,
                                                void (*shape)(struct qgenesis *g), uint64_t mine_ms)
{
	struct cluster *c = xcalloc(1, sizeof *c);
	struct err err = {0};

	assert_true(n <= CLUSTER_MAX);
	payments_setup(&c->rules, n, outputs, params);
	if (shape)
		shape(&c->rules.g.g);
	if (!genesis_finish(&c->rules.g, &err))
		fail_msg("%s", err.text);
	c->cache = verify_cache_new(1 << 14);
	c->last = &c->first;
	c->now_ms = 1000;
	c->verbose = getenv("CLUSTER_VERBOSE") != NULL;
	snprintf(c->dir, sizeof c->dir, "/tmp/quorate-cluster-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	for (unsigned i = 0; i < n; i++) {
		struct member *me = &c->members[i];
		me->cluster = c;
		me->index = i;
		me->mine_ms = mine_ms;
		snprintf(me->ledger, sizeof me->ledger, "%s/ledger%u.db", c->dir, i);
		snprintf(me->votes, sizeof me->votes, "%s/votes%u.db", c->dir, i);
		if (!votes_create(me->votes, &c->rules.g.g.replicas.replicas_val[i].key, c->vfs, &err))
			fail_msg("%s", err.text);
		cluster_start(c, i);
	}
	return c;
}

static inline struct cluster *cluster_new(unsigned n, unsigned outputs, const struct qparams *params)
{
	return cluster_new_chain(n, outputs, params, NULL, 0);
}

static inline void cluster_free(struct cluster *c)
{
	while (c->first) {
		struct transit *t = c->first;
		c->first = t->next;
		message_unref(t->message);
		free(t);
	}
	for (unsigned i = 0; i < c->rules.g.n; i++) {
		cluster_crash(c, i);
		cluster_unlink(c->members[i].ledger);
		cluster_unlink(c->members[i].votes);
		free(c->members[i].told);
	}
	rmdir(c->dir);
	verify_cache_free(c->cache);
	rules_teardown(&c->rules);
	free(c);
}

/* ---- time ---------------------------------------------------------------------------------- */

/* Opened once for all its receivers, as each would open it. */
static inline void cluster_deliver(struct cluster *c, struct transit *t)
{
	enum open_verdict verdict;
	struct verified v = {0};

	for (unsigned i = 0; i < c->rules.g.n; i++) {
		struct member *me = &c->members[i];
		if (!(t->to >> i & 1) || !me->replica || (c->drop && c->drop(c, t->from, i, t->message)))
			continue;
		if (!v.message && !verify_envelope(&c->rules.g, c->cache, &t->message->env, &v, &verdict))
			fail_msg("replica %u sent what cannot be opened: %s", t->from,
			         open_verdict_text(verdict));
		replica_message(me->replica, v.message, v.txs, v.tx_cnt);
		me->woken = true;
	}
	if (v.message)
		verified_free(&v);
	message_unref(t->message);
	free(t);
}

static inline struct qheader cluster_mine(const struct qheader *header)
{
	struct qheader sealed = *header;

	assert_true(block_mine(header, 0, UINT64_MAX, &sealed.seal.qseal_u.pow.nonce));
	return sealed;
}

/* What was asked for to be mined is, if its time has come. */
static inline void cluster_seal_due(struct cluster *c, unsigned i)
{
	struct member *me = &c->members[i];

	if (!me->replica || !me->mining || me->sealed_ms > c->now_ms)
		return;
	struct qheader sealed = cluster_mine(&me->header);
	me->mining = false;
	me->woken = true;
	replica_sealed(me->replica, &sealed);
}

static inline void cluster_turn(struct cluster *c, unsigned i)
{
	struct member *me = &c->members[i];
	struct err err = {0};

	me->woken = false;
	if (me->replica && !replica_turn(me->replica, &err))
		fail_msg("replica %u stopped: %s", i, err.text);
}

/* The next moment at which something happens; now, if somebody still has to have a turn. */
static inline uint64_t cluster_next(const struct cluster *c)
{
	uint64_t next = c->first ? c->first->due_ms : UINT64_MAX;

	for (unsigned i = 0; i < c->rules.g.n; i++) {
		const struct member *me = &c->members[i];
		uint64_t due = me->replica ? replica_deadline(me->replica) : UINT64_MAX;
		if (me->woken)
			return c->now_ms;
		if (me->replica && me->mining && me->sealed_ms < due)
			due = me->sealed_ms;
		if (due <= c->now_ms)
			due = c->now_ms + 1; /* it had its turn at this moment */
		next = due < next ? due : next;
	}
	return next;
}

/* Everything that happens before `limit`, or until done() (may be NULL) says so. */
static inline bool cluster_run_until(struct cluster *c, bool (*done)(struct cluster *), uint64_t limit)
{
	for (;;) {
		if (done && done(c))
			return true;
		uint64_t next = cluster_next(c);
		if (next >= limit && next > c->now_ms) {
			c->now_ms = limit;
			return false;
		}
		c->now_ms = next;
		for (unsigned i = 0; i < c->rules.g.n; i++)
			if (c->members[i].replica)
				replica_clock(c->members[i].replica, c->now_ms, CLUSTER_WALL_MS + c->now_ms);
		while (c->first && c->first->due_ms <= c->now_ms) {
			struct transit *t = c->first;
			c->first = t->next;
			if (!c->first)
				c->last = &c->first;
			cluster_deliver(c, t);
		}
		for (unsigned i = 0; i < c->rules.g.n; i++) {
			struct member *me = &c->members[i];
			cluster_seal_due(c, i);
			if (me->woken || (me->replica && replica_deadline(me->replica) <= c->now_ms))
				cluster_turn(c, i);
		}
	}
}

static inline void cluster_run(struct cluster *c, uint64_t ms)
{
	cluster_run_until(c, NULL, c->now_ms + ms);
}

/* ---- clients, observers ------------------------------------------------------------------------ */

static inline enum tx_verdict cluster_submit(struct cluster *c, unsigned i, struct tx *tx,
                                             struct qtxid *winner)
{
	struct qheight height;
	struct qtxid nobody;

	c->members[i].woken = true;
	return replica_submit(c->members[i].replica, tx, &height, winner ? winner : &nobody);
}

/* Hands over the caller's reference. */
static inline void cluster_pay(struct cluster *c, unsigned i, struct tx *tx)
{
	assert_int_equal(cluster_submit(c, i, tx, NULL), TX_OK);
	tx_unref(tx);
}

static inline struct replica_status cluster_status(const struct cluster *c, unsigned i)
{
	struct replica_status s;

	assert_non_null(c->members[i].replica);
	replica_status(c->members[i].replica, &s);
	return s;
}

static inline const struct told *cluster_told(const struct cluster *c, unsigned i, const struct qtxid *id)
{
	for (size_t k = 0; k < c->members[i].told_cnt; k++)
		if (qtxid_eq(&c->members[i].told[k].id, id))
			return &c->members[i].told[k];
	return NULL;
}

/* Those that are up hold the same chain and state. */
static inline bool cluster_agrees(struct cluster *c)
{
	struct replica_status first, s;
	struct qhash first_digest, digest;
	bool any = false;

	for (unsigned i = 0; i < c->rules.g.n; i++) {
		if (!c->members[i].replica)
			continue;
		s = cluster_status(c, i);
		replica_digest(c->members[i].replica, &digest);
		if (!any)
			first = s, first_digest = digest;
		any = true;
		if (!qhash_eq(&s.block_hash, &first.block_hash) || !qhash_eq(&digest, &first_digest))
			return false;
	}
	return any;
}

/* Nothing is pending or in flight anywhere, and all agree. */
static inline bool cluster_settled(struct cluster *c)
{
	for (unsigned i = 0; i < c->rules.g.n; i++) {
		if (!c->members[i].replica)
			continue;
		struct replica_status s = cluster_status(c, i);
		if (s.pool_txs > 0 || s.engine.tip.n != s.height.n)
			return false;
	}
	return cluster_agrees(c);
}

static inline void cluster_settle(struct cluster *c, uint64_t ms)
{
	if (!cluster_run_until(c, cluster_settled, c->now_ms + ms))
		fail_msg("not settled after %llu ms", (unsigned long long)ms);
}

/* ---- messages of one replica's making ---------------------------------------------------------- */

enum { CLUSTER_PATIENCE_MS = 20000 }; /* of virtual time */

static inline struct qparams cluster_small_params(void)
{
	struct qparams p = genesis_default_params();

	p.checkpoint_interval = 4;
	p.window = 4;
	return p;
}

/* A message as replica `from` would sign it, opened as a receiver would; verified_free() it. */
static inline struct verified cluster_message_from(struct cluster *c, unsigned from, const struct qmessage *m)
{
	struct signer signer = {cluster_sign, &c->members[from]};
	struct message *made = message_make(&c->rules.g, from, &signer, m);
	enum open_verdict verdict;
	struct verified v;

	assert_true(verify_envelope(&c->rules.g, c->cache, &made->env, &v, &verdict));
	message_unref(made);
	return v;
}

static inline void cluster_deliver_from(struct cluster *c, unsigned from, unsigned to,
                                        const struct qmessage *m)
{
	struct verified v = cluster_message_from(c, from, m);

	replica_message(c->members[to].replica, v.message, v.txs, v.tx_cnt);
	c->members[to].woken = true;
	verified_free(&v);
}

static inline void cluster_forward_from(struct cluster *c, unsigned from, unsigned to, struct tx *const *txs,
                                        unsigned cnt)
{
	struct qmessage m = {.kind = QTXS};
	qtx_bytes raw[8];

	assert_true(cnt <= 8);
	for (unsigned i = 0; i < cnt; i++)
		raw[i] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	m.qmessage_u.txs.txs.txs_val = raw;
	m.qmessage_u.txs.txs.txs_len = cnt;
	cluster_deliver_from(c, from, to, &m);
}

#endif
