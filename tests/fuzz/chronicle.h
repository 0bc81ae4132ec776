/*
 * chronicle.h: a short history of four whole replicas (tests/unit/cluster.h), told once: every message that
 * was sent, and replica 1's two files as they were early and late in it.  Targets put one replica among liars
 * who hold all the others' keys, and give it the history or what they make of it.
 *
 * The history: blocks by all; 1 is away while others go on, comes back and catches up (GET_CHAIN, CHAIN,
 * GET_BODIES, BODY); the primary is lost and a view changes; then it returns.
 *
 * With CHRONICLE_STAKED the chain's proposers are chosen by stake and its blocks are sealed (by one bit, so
 * that half of what liars make up is, too); somebody bonds in the history, and a replica is convicted.
 */
#ifndef QUORATE_FUZZ_CHRONICLE_H
#define QUORATE_FUZZ_CHRONICLE_H

#include <fcntl.h>

#include "cluster.h"
#include "inside.h"
#include "replica_impl.h"
#include "store.h"

#define SELF 1u
#define KEPT_MAX 2048
#define CHRONICLE_OUTPUTS 32

struct image { /* of one file */
	uint8_t *data;
	size_t len;
};

static struct chronicle {
	struct rules rules;
	struct qparams params;
	struct verify_cache *cache;
	char dir[64], ledger[96], votes[96];
	struct {
		struct image ledger, votes;
		size_t from; /* messages sent since */
	} early, late;
	struct message *kept[KEPT_MAX];
	size_t kept_cnt;
	struct bytes *tx; /* genuine transactions that the history does not hold, double spends among them */
	size_t tx_cnt;
} chronicle;

/* ---- the history ------------------------------------------------------------------------------ */

static inline void chronicle_keep(struct cluster *c, unsigned from, const struct message *m)
{
	(void)c, (void)from;
	for (size_t i = 0; i < chronicle.kept_cnt; i++)
		if (chronicle.kept[i]->sender == m->sender && message_same_body(chronicle.kept[i], m))
			return;
	if (chronicle.kept_cnt < KEPT_MAX)
		chronicle.kept[chronicle.kept_cnt++] = message_ref((struct message *)m);
}

static inline bool chronicle_lose_commits(struct cluster *c, unsigned from, unsigned to,
                                          const struct message *m)
{
	(void)c, (void)from;
	return to == SELF && m->m.kind >= QCOMMIT && m->m.kind != QTXS; /* nor what shows them */
}

static inline struct image image_read(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0);
	struct image image = {xcalloc((size_t)st.st_size, 1), (size_t)st.st_size};
	must(read(fd, image.data, image.len) == (ssize_t)image.len);
	close(fd);
	return image;
}

static inline void image_write(const char *path, const uint8_t *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static inline void chronicle_hand(struct cluster *c, unsigned replica, struct tx *tx)
{
	cluster_pay(c, replica, tx);
	cluster_run(c, 40);
}

static inline void chronicle_pay(struct cluster *c, unsigned replica, unsigned output)
{
	chronicle_hand(c, replica, pay_allocation(&c->rules, output, account_of(output + 1), "chronicle"));
}

/* The kind of chain. */
static inline void chronicle_shape(struct qgenesis *g)
{
#ifdef CHRONICLE_STAKED
	rules_by_stake(g);
	g->seal.kind = QSEAL_POW;
	g->seal.qseal_rules_u.pow =
	    (struct qpow_rules){.bits = 1, .bits_max = 2, .interval_ms = 20, .hash_rate = 100000};
	for (unsigned i = 0; i < 4; i++) { /* outputs 28 to 31: each replica's own stake */
		struct qoutput *out = &g->allocations.allocations_val[CHRONICLE_OUTPUTS - 4 + i];
		*out = locked((uint8_t)(101 + i), PAY_AMOUNT + i, QLOCK_STAKE, i);
	}
#else
	(void)g;
#endif
}

#ifdef CHRONICLE_STAKED
/* Output `output` of the genesis, all of it, locked so or not, perhaps with an offence. */
static inline struct tx *chronicle_stake_tx(const struct rules *r, unsigned output, uint8_t owner,
                                            struct qoutput out, const struct qoffence *offence)
{
	struct qoutpoint in = allocation(r, output);
	struct account *account = rules_account(owner);
	const struct account *signer = account;
	struct err err = {0};
	struct qtx_body body = {.inputs = {1, &in},
	                        .outputs = {1, &out},
	                        .offence = {offence != NULL, (struct qoffence *)offence}};
	struct tx *tx = tx_make(&r->g.chain, &body, &signer, 1, &err);

	must(tx != NULL);
	account_free(account);
	return tx;
}

static inline struct tx *chronicle_bond(const struct rules *r, unsigned output, unsigned replica)
{
	uint8_t owner = account_of(output);

	return chronicle_stake_tx(r, output, owner, locked(owner, PAY_AMOUNT, QLOCK_STAKE, replica), NULL);
}

static inline struct tx *chronicle_convict(const struct rules *r, unsigned output, unsigned replica,
                                           uint64_t height)
{
	struct qoffence o = rules_offence(r, replica, height, 40);
	struct qoutput out = {.owner = rules_address(9), .amount = PAY_AMOUNT};

	return chronicle_stake_tx(r, output, account_of(output), out, &o);
}
#endif

static inline void chronicle_tell(void)
{
	struct cluster *c = cluster_new_chain(4, CHRONICLE_OUTPUTS, &chronicle.params, chronicle_shape, 0);
	unsigned output = 0;

	c->watch = chronicle_keep;
	cluster_run(c, 100);
	for (; output < 3; output++)
		chronicle_pay(c, output, output);
	cluster_crash(c, SELF);
	chronicle.early.ledger = image_read(c->members[SELF].ledger);
	chronicle.early.votes = image_read(c->members[SELF].votes);
	chronicle.early.from = chronicle.kept_cnt;
	for (; output < 9; output++)
		chronicle_pay(c, 2, output);
#ifdef CHRONICLE_STAKED
	chronicle_hand(c, 2, chronicle_bond(&c->rules, 20, 2));
	chronicle_hand(c, 2, chronicle_convict(&c->rules, 21, 3, 2));
	cluster_run(c, 3000); /* SELF may have the turn, and is away */
	must(state_staking(ledger_state(c->members[2].replica->ledger))->convicted.convicted_val[3].n > 0);
#endif
	cluster_start(c, SELF);
	cluster_run(c, 1500);
	cluster_crash(c, 0);
	chronicle_pay(c, 2, output++);
	cluster_run(c, 3000);
#ifdef CHRONICLE_STAKED
	for (; output < 16; output++) { /* until its turn has come */
		chronicle_pay(c, 2, output);
		cluster_run(c, 1500);
	}
#endif
	chronicle_pay(c, SELF, output++);
	c->drop = chronicle_lose_commits;
	chronicle_pay(c, 2, output);
	c->drop = NULL;
	cluster_crash(c, SELF); /* with a block that it has voted for and not executed */
	chronicle.late.ledger = image_read(c->members[SELF].ledger);
	chronicle.late.votes = image_read(c->members[SELF].votes);
	chronicle.late.from = chronicle.kept_cnt;
	cluster_start(c, 0);
	cluster_start(c, SELF);
	cluster_run(c, 3000);
	cluster_free(c);
}

static inline void chronicle_add_tx(struct tx *tx)
{
	chronicle.tx = xrealloc(chronicle.tx, (chronicle.tx_cnt + 1) * sizeof *chronicle.tx);
	chronicle.tx[chronicle.tx_cnt++] = (struct bytes){xmemdup(tx->raw, tx->raw_len), tx->raw_len};
	tx_unref(tx);
}

/* Spends of spent and of fresh outputs, and a chain of three. */
static inline void chronicle_make_txs(void)
{
	const struct rules *r = &chronicle.rules;

	for (unsigned output = 0; output < CHRONICLE_OUTPUTS - 4; output += 3)
		chronicle_add_tx(pay_allocation(r, output, 7, "other"));
#ifdef CHRONICLE_STAKED
	chronicle_add_tx(chronicle_bond(r, 19, 1));
	chronicle_add_tx(chronicle_convict(r, 22, 3, 5));
	chronicle_add_tx(chronicle_convict(r, 23, 2, 3));
	for (unsigned i = 0; i < 4; i++)
		chronicle_add_tx(
		    chronicle_stake_tx(r, CHRONICLE_OUTPUTS - 4 + i, (uint8_t)(101 + i),
		                       locked((uint8_t)(101 + i), PAY_AMOUNT + i, QLOCK_RELEASE, i), NULL));
#endif
	struct tx *first = pay_allocation(r, CHRONICLE_OUTPUTS - 5, 6, "first");
	struct qoutpoint in = output(first, 0);
	struct tx *second = pay(r, &(struct payment){.from = 6, .to = 7, .outputs = 3}, &in, 1);
	struct qoutpoint ins[2] = {output(second, 0), output(second, 1)};
	chronicle_add_tx(pay(r, &(struct payment){.from = 7, .to = 8, .amount = 2}, ins, 2));
	chronicle_add_tx(second);
	chronicle_add_tx(first);
}

/* The history lacks a question that a replica asks which missed a forward. */
static inline void chronicle_ask_txs(void)
{
	struct qhash leaves[8];
	struct qmessage m = {.kind = QGET_TXS};
	size_t cnt = 0;

	for (size_t i = 0; i < chronicle.kept_cnt && cnt < 8; i++)
		if (chronicle.kept[i]->m.kind == QPRE_PREPARE)
			leaves[cnt++] = chronicle.kept[i]->m.qmessage_u.proposal.leaves.leaves_val[0];
	m.qmessage_u.get_txs.leaves.leaves_len = (unsigned)cnt;
	m.qmessage_u.get_txs.leaves.leaves_val = leaves;
	struct qenvelope env = seal(&chronicle.rules, 3, &m);
	enum open_verdict verdict;
	struct message *made = message_open(&chronicle.rules.g, &env, &verdict);
	must(made != NULL && chronicle.kept_cnt < KEPT_MAX);
	chronicle.kept[chronicle.kept_cnt++] = made;
	wire_free(WIRE(qenvelope), &env);
}

static inline void chronicle_setup(void)
{
	chronicle.params = genesis_default_params();
	chronicle.params.checkpoint_interval = 4;
	chronicle.params.window = 4;
	chronicle.params.timeout_ms = 300;
	chronicle.params.timeout_cap_ms = 1200;
	chronicle_tell();
	struct err err = {0};
	payments_setup(&chronicle.rules, 4, CHRONICLE_OUTPUTS, &chronicle.params); /* the same chain again */
	chronicle_shape(&chronicle.rules.g.g);
	must(genesis_finish(&chronicle.rules.g, &err));
	chronicle.cache = verify_cache_new(1 << 14);
	chronicle_make_txs();
	chronicle_ask_txs();
	snprintf(chronicle.dir, sizeof chronicle.dir, "%s/quorate-fuzz-XXXXXX", place_root());
	must(mkdtemp(chronicle.dir) != NULL);
	snprintf(chronicle.ledger, sizeof chronicle.ledger, "%s/ledger.db", chronicle.dir);
	snprintf(chronicle.votes, sizeof chronicle.votes, "%s/votes.db", chronicle.dir);
}

static inline void chronicle_teardown(void)
{
	cluster_unlink(chronicle.ledger);
	cluster_unlink(chronicle.votes);
	rmdir(chronicle.dir);
	for (size_t i = 0; i < chronicle.kept_cnt; i++)
		message_unref(chronicle.kept[i]);
	for (size_t i = 0; i < chronicle.tx_cnt; i++)
		bytes_free(&chronicle.tx[i]);
	free(chronicle.tx);
	free(chronicle.early.ledger.data);
	free(chronicle.early.votes.data);
	free(chronicle.late.ledger.data);
	free(chronicle.late.votes.data);
	verify_cache_free(chronicle.cache);
	rules_teardown(&chronicle.rules);
}

/* ---- what liars make of it ---------------------------------------------------------------------- */

struct bend { /* one place of a message, overwritten */
	uint8_t at_high, at_low, value, how;
};

enum { BEND_KEEP, BEND_FLIP, BEND_SMALL, BEND_NUMBER, BEND_TX, BEND_CNT };
#define BEND_UNSIGNED 0x20 /* in how: the envelope's signature alone is made anew */

static inline void bend_bytes(uint8_t *data, size_t len, const struct bend *b)
{
	static const uint64_t numbers[] = {0,          1,
	                                   UINT64_MAX, UINT64_MAX - 1,
	                                   INT64_MAX,  UINT64_C(1) << 63,
	                                   UINT32_MAX, 64,
	                                   4,          5,
	                                   8,          12,
	                                   16,         20,
	                                   256,        1024};
	size_t at = len > 0 ? ((size_t)b->at_high << 8 | b->at_low) % len : 0;
	unsigned how = b->how % BEND_CNT, width = how == BEND_SMALL ? 4 : 8;

	if (len == 0 || how == BEND_KEEP || how == BEND_TX)
		return;
	if (how == BEND_FLIP) {
		data[at] ^= b->value;
		return;
	}
	at &= ~(size_t)3;
	for (unsigned k = width; k > 0 && at < len; at++)
		data[at] = (uint8_t)(numbers[b->value % 16] >> (8 * --k));
}

/* TXS and BODY: another genuine transaction in the place of one. */
static inline void bend_txs(struct qmessage *m, const struct bend *b)
{
	qtx_bytes *list = m->kind == QTXS ? m->qmessage_u.txs.txs.txs_val : m->qmessage_u.body.txs.txs_val;
	unsigned cnt = m->kind == QTXS ? m->qmessage_u.txs.txs.txs_len : m->qmessage_u.body.txs.txs_len;
	const struct bytes *tx = &chronicle.tx[b->value % chronicle.tx_cnt];

	if ((m->kind != QTXS && m->kind != QBODY) || cnt == 0)
		return;
	qtx_bytes *one = &list[b->at_low % cnt];
	free(one->qtx_bytes_val);
	*one = (qtx_bytes){(unsigned)tx->len, xmemdup(tx->data, tx->len)};
}

/* message_make() trusts its caller; so this makes the envelope alone. False: no message any more. */
static inline bool bend_message(const struct message *from, unsigned sender, const struct bend *b,
                                struct qenvelope *env)
{
	const struct rules *r = &chronicle.rules;
	struct qmessage m;
	struct bytes body = {xmemdup(from->env.body.body_val, from->env.body.body_len),
	                     from->env.body.body_len};

	bend_bytes(body.data, body.len, b);
	bool ok = wire_decode(WIRE(qmessage), body.data, body.len, &m);
	bytes_free(&body);
	if (!ok)
		return false;
	if (b->how % BEND_CNT == BEND_TX)
		bend_txs(&m, b);
	if (!(b->how & BEND_UNSIGNED))
		anew_inside(r, sender, &m, b->how & 0x40 ? LINK_ANEW : 0);
	*env = seal(r, sender, &m);
	wire_free(WIRE(qmessage), &m);
	return true;
}

#endif
