/*
 * check_chain.c: a naive ledger that executes the agreed chain once, and every honest ledger beside it.
 *
 * Each block is taken from the first honest ledger that has it and executed here by other code: a map of
 * outputs, sums in 128 bits, each signature checked again. All other ledgers must then show the same header
 * at that height, a certificate that covers it, and the same state: its digest, count and value.
 */
#include "check_impl.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "account.h"
#include "clients.h"
#include "hash.h"

/* ---- hashes, made here ----------------------------------------------------------------------------- */

/* RFC 6962, 2.1, word for word. */
void naive_root(const struct qhash *leaves, size_t cnt, struct qhash *root)
{
	static const uint8_t node = 1;
	struct qhash left, right;
	size_t split = 1;

	if (cnt < 2) {
		if (cnt == 1)
			*root = leaves[0];
		else
			hash_plain(NULL, 0, root->b);
		return;
	}
	while (2 * split < cnt)
		split *= 2;
	naive_root(leaves, split, &left);
	naive_root(leaves + split, cnt - split, &right);
	hash_plain((struct span[]){{&node, 1}, {left.b, 32}, {right.b, 32}}, 3, root->b);
}

static void naive_leaf(const qtx_bytes *raw, struct qhash *leaf)
{
	static const uint8_t zero = 0;

	hash_plain((struct span[]){{&zero, 1}, {raw->qtx_bytes_val, raw->qtx_bytes_len}}, 2, leaf->b);
}

void naive_txid(const struct qhash *chain, const struct qtx_body *body, struct qtxid *id)
{
	struct bytes b;

	must(wire_encode(WIRE(qtx_body), body, &b));
	hash_tagged("quorate/tx/v1", (struct span[]){{chain->b, 32}, {b.data, b.len}}, 2, id->b);
	bytes_free(&b);
}

static void big_endian(uint8_t to[8], uint64_t n)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(n >> (56 - 8 * i));
}

void chain_digest(const struct checks *c, struct qhash *out)
{
	struct qtable newest[Q_TABLES_MAX];
	struct qstaking staking;
	struct bytes stakes;
	struct qhash set;
	uint8_t cnt[8], val[8];

	lthash_digest(&c->sum, &set);
	big_endian(cnt, c->unspent);
	big_endian(val, (uint64_t)c->supply);
	stake_now(c, newest, &staking);
	must(wire_encode(WIRE(qstaking), &staking, &stakes));
	hash_tagged("quorate/state/v1",
	            (struct span[]){{set.b, 32}, {cnt, 8}, {val, 8}, {stakes.data, stakes.len}}, 4, out->b);
	bytes_free(&stakes);
}

static void sum_change(struct checks *c, const struct coin *coin, bool add)
{
	uint8_t element[80];
	size_t len = wire_encode_into(WIRE(qoutpoint), &coin->point, element, sizeof element);

	len += wire_encode_into(WIRE(qoutput), &coin->out, element + len, sizeof element - len);
	must(len + 8 <= sizeof element);
	big_endian(element + len, coin->made);
	if (add)
		lthash_add(&c->sum, element, len + 8);
	else
		lthash_remove(&c->sum, element, len + 8);
}

/* ---- coins --------------------------------------------------------------------------------------------- */

struct coin *coin_find(const struct checks *c, const struct qoutpoint *point)
{
	struct coin *coin;

	HASH_FIND(hh, c->coins, point, sizeof *point, coin);
	return coin;
}

static void coin_make(struct checks *c, struct qoutpoint point, struct qoutput out, uint64_t height)
{
	struct coin *coin = xcalloc(1, sizeof *coin);

	coin->point = point;
	coin->out = out;
	coin->made = height;
	HASH_ADD(hh, c->coins, point, sizeof coin->point, coin);
	sum_change(c, coin, true);
	c->supply += out.amount;
	c->unspent++;
	if (out.lock.kind == QLOCK_NONE)
		return;
	grow(&c->locked, &c->locked_cap, c->locked_cnt, sizeof(struct coin *));
	c->locked[c->locked_cnt++] = coin;
}

static void coin_spend(struct checks *c, struct coin *coin, const struct qtxid *by, uint64_t height)
{
	coin->spent = height;
	coin->by = *by;
	sum_change(c, coin, false);
	c->supply -= coin->out.amount;
	c->unspent--;
	for (size_t i = 0; i < c->locked_cnt; i++)
		if (c->locked[i] == coin)
			c->locked[i] = c->locked[--c->locked_cnt];
}

struct paid *chain_paid(const struct checks *c, const struct qtxid *id)
{
	struct paid *p;

	HASH_FIND(hh, c->paid, id, sizeof *id, p);
	return p;
}

/* ---- one transaction -------------------------------------------------------------------------------------
 */

/* Everything that makes it a transaction, one thing after the other; NULL: it may be executed. */
static const char *tx_judge(const struct checks *c, const struct qtx *tx, const struct qtxid *id,
                            uint64_t height)
{
	const struct qtx_body *b = &tx->body;
	struct qaddress owners[Q_WITNESSES_MAX];
	wide in = 0, out = 0;

	if (chain_paid(c, id))
		return "it is in the chain twice";
	if (b->expiry.n != 0 && b->expiry.n < height)
		return "it had expired";
	if (b->inputs.inputs_len == 0 || b->outputs.outputs_len == 0)
		return "it has no inputs or no outputs";
	for (unsigned i = 0; i < tx->witnesses.witnesses_len; i++) {
		const struct qwitness *w = &tx->witnesses.witnesses_val[i];
		owners[i] = account_address(&w->key);
		if (i > 0 && memcmp(&owners[i - 1], &owners[i], sizeof owners[i]) >= 0)
			return "its witnesses are not in order";
		if (!account_verify(&w->key, id, &w->sig))
			return "a signature does not hold";
	}
	uint64_t used = 0, witnesses = tx->witnesses.witnesses_len;
	bool is_used[Q_WITNESSES_MAX] = {false};
	for (unsigned i = 0; i < b->inputs.inputs_len; i++) {
		const struct coin *coin = coin_find(c, &b->inputs.inputs_val[i]);
		unsigned w = 0;
		if (!coin)
			return "it spends what never was";
		if (coin->spent != 0)
			return "it spends what was spent";
		for (unsigned k = 0; k < i; k++)
			if (qoutpoint_eq(&b->inputs.inputs_val[k], &b->inputs.inputs_val[i]))
				return "it spends one output twice";
		while (w < witnesses && memcmp(&owners[w], &coin->out.owner, sizeof owners[w]) != 0)
			w++;
		if (w == witnesses)
			return "an owner did not sign";
		used += !is_used[w];
		is_used[w] = true;
		in += coin->out.amount;
	}
	if (used != witnesses)
		return "somebody signed who owns nothing of it";
	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		if (b->outputs.outputs_val[i].amount == 0)
			return "an output is worth nothing";
		out += b->outputs.outputs_val[i].amount;
	}
	if (out > (wide)INT64_MAX)
		return "its outputs are worth more than an amount can say";
	return in == out ? stake_judge(c, b, height) : "it makes or loses value";
}

static void tx_execute(struct checks *c, const struct qtx_body *b, const struct qtxid *id, uint64_t height)
{
	struct paid *p = xcalloc(1, sizeof *p);

	p->id = *id;
	p->height = height;
	HASH_ADD(hh, c->paid, id, sizeof p->id, p);
	for (unsigned i = 0; i < b->inputs.inputs_len; i++)
		coin_spend(c, coin_find(c, &b->inputs.inputs_val[i]), id, height);
	for (unsigned i = 0; i < b->outputs.outputs_len; i++)
		coin_make(c, (struct qoutpoint){*id, i}, b->outputs.outputs_val[i], height);
	c->transactions++;
	stake_execute(c, b, height);
}

/* What clients were told, and who made it. */
static const char *tx_surprise(const struct checks *c, const struct qtxid *id)
{
	const struct doomed *d;

	HASH_FIND(hh, c->doomed, id, sizeof *id, d);
	if (d)
		return "a client was told that it could never be final";
	if (c->sim->clients && !clients_made(c->sim, id))
		return "no client ever made it";
	return NULL;
}

static bool take_tx(struct checks *c, const qtx_bytes *raw, uint64_t height, unsigned position)
{
	struct qtx tx;
	struct qtxid id;
	const char *why = "it cannot be read";

	if (wire_decode(WIRE(qtx), raw->qtx_bytes_val, raw->qtx_bytes_len, &tx)) {
		naive_txid(&c->sim->g.chain, &tx.body, &id);
		why = tx_judge(c, &tx, &id, height);
		if (!why)
			why = tx_surprise(c, &id);
		if (!why)
			tx_execute(c, &tx.body, &id, height);
		wire_free(WIRE(qtx), &tx);
	}
	if (why)
		sim_broken(c->sim, "ledger: transaction %u of block %" PRIu64 " is executed: %s", position,
		           height, why);
	return !why;
}

/* ---- one block
 * ----------------------------------------------------------------------------------------------- */

static const char *block_judge(struct checks *c, const struct qblock *block)
{
	const struct qheader *h = &block->header;
	const struct qparams *params = &c->sim->g.g.params;
	const struct stretch *below = &c->chain[c->height];
	unsigned cnt = block->txs.txs_len;
	size_t bytes = 0;

	if (h->format != 1 || h->proposer >= c->sim->n)
		return "its header is malformed";
	if (h->height.n != c->height + 1)
		return "its height is not the next one";
	if (!qhash_eq(&h->parent, &below->hash))
		return "it is not linked to the block below";
	if (h->time_ms <= below->time_ms)
		return "its time is not after its parent's";
	if (cnt == 0 || cnt != h->tx_count || cnt > params->block_txs_max)
		return "its number of transactions is wrong";
	for (unsigned i = 0; i < cnt; i++)
		bytes += block->txs.txs_val[i].qtx_bytes_len;
	if (bytes > params->block_bytes_max)
		return "it has too many bytes";
	struct qhash *leaves = xcalloc(cnt, sizeof *leaves), root;
	for (unsigned i = 0; i < cnt; i++)
		naive_leaf(&block->txs.txs_val[i], &leaves[i]);
	naive_root(leaves, cnt, &root);
	free(leaves);
	if (!qhash_eq(&root, &h->merkle_root))
		return "its Merkle root is not that of its transactions";
	return seal_wrong(c, h);
}

static void keep_promises(struct checks *c)
{
	const struct stretch *top = &c->chain[c->height];

	for (size_t i = 0; i < c->promised_cnt; i++)
		if (c->promised[i].height == c->height && !qhash_eq(&c->promised[i].state, &top->digest))
			sim_broken(c->sim,
			           "checkpoint: the one certified at height %" PRIu64
			           " has another state digest",
			           c->height);
}

static void extend(struct checks *c, const struct qhash *hash, const struct qheader *h)
{
	struct stretch s = {.hash = *hash,
	                    .time_ms = h->time_ms,
	                    .proposer = h->proposer,
	                    .unspent = c->unspent,
	                    .transactions = c->transactions};

	stake_after(c, h->height.n);
	chain_digest(c, &s.digest);
	grow(&c->chain, &c->chain_cap, (size_t)c->height + 1, sizeof s);
	c->chain[++c->height] = s;
	keep_promises(c);
}

bool chain_execute(struct checks *c, const struct qblock *block)
{
	struct qhash hash;
	const char *why = block_judge(c, block);

	if (why) {
		sim_broken(c->sim, "continuity: block %" PRIu64 " is executed: %s", c->height + 1, why);
		return false;
	}
	for (unsigned i = 0; i < block->txs.txs_len; i++)
		if (!take_tx(c, &block->txs.txs_val[i], c->height + 1, i))
			return false;
	if (c->supply != (wide)c->sim->g.supply) {
		sim_broken(c->sim,
		           "value: after block %" PRIu64 " there is more or less of it than in the genesis",
		           c->height + 1);
		return false;
	}
	naive_block_hash(&block->header, &hash);
	known_header(c, &block->header);
	settle(c, c->height + 1, &hash, UINT64_MAX, "it is executed");
	why = turns_follow(c, &block->header);
	if (why)
		sim_broken(c->sim, "turns: block %" PRIu64 ": %s", c->height + 1, why);
	extend(c, &hash, &block->header);
	return !c->sim->broken;
}

void chain_checkpoint(struct checks *c, const struct qvote *vote)
{
	struct promised p = {vote->height.n, vote->state};

	if (vote->height.n <= c->height) {
		if (!qhash_eq(&c->chain[vote->height.n].digest, &vote->state))
			sim_broken(c->sim,
			           "checkpoint: the one certified at height %" PRIu64
			           " has another state digest",
			           vote->height.n);
		return;
	}
	grow(&c->promised, &c->promised_cap, c->promised_cnt, sizeof p);
	c->promised[c->promised_cnt++] = p;
}

/* ---- a machine's ledger
 * ---------------------------------------------------------------------------------------- */

/* False: there is no block, or an injected fault of the disk keeps it from being read now. */
static bool readable(struct machine *m, enum found found, uint64_t height, const struct err *err)
{
	if (found == FOUND)
		return true;
	if (found == NOT_FOUND || !fault_on(m->sim, FAULT_STORE))
		sim_broken(m->sim, "ledger: block %" PRIu64 " of replica %u cannot be read: %s", height,
		           m->id, found == NOT_FOUND ? "not found" : err->text);
	return false;
}

/* Nobody had this height before: the block is read whole. */
static bool follow_first(struct machine *m, uint64_t height)
{
	struct err err = {0};
	struct qblock block;

	if (!readable(m, reader_block(m->replica->reader, qheight_of(height), &block, &err), height, &err))
		return false;
	bool ok = chain_execute(m->sim->checks, &block);
	wire_free(WIRE(qblock), &block);
	return ok;
}

static bool follow_same(struct machine *m, uint64_t height)
{
	struct checks *c = m->sim->checks;
	char one[SHORT_HASH], two[SHORT_HASH];
	struct err err = {0};
	struct qheader header;
	struct qhash hash;

	if (!readable(m, reader_header(m->replica->reader, qheight_of(height), &header, &err), height, &err))
		return false;
	naive_block_hash(&header, &hash);
	wire_free(WIRE(qheader), &header);
	if (!qhash_eq(&hash, &c->chain[height].hash))
		sim_broken(m->sim, "agreement: replica %u executed block %s at height %" PRIu64 ", others %s",
		           m->id, hash_short_text(one, &hash), height,
		           hash_short_text(two, &c->chain[height].hash));
	return !c->sim->broken;
}

/* The certificate that covers a height: its own or a descendant's that is executed, too. *top: where it is.
 */
static bool follow_cert(struct machine *m, uint64_t height, uint64_t executed, uint64_t *top)
{
	struct checks *c = m->sim->checks;
	struct err err = {0};
	struct qcert cert;

	if (!readable(m, reader_cert_for(m->replica->reader, qheight_of(height), &cert, &err), height, &err))
		return false;
	*top = cert.vote.height.n;
	cert_relied_on(c, m->id, &cert, "ledger");
	if (cert.kind == QPREPARE || *top < height || *top > executed ||
	    !qhash_eq(&cert.vote.block, &c->chain[*top].hash))
		sim_broken(m->sim, "certificate: that of replica %u for height %" PRIu64 " does not cover it",
		           m->id, height);
	wire_free(WIRE(qcert), &cert);
	return !c->sim->broken;
}

/* Heights. When a digest is asked for makes no difference to it. */
#define DIGEST_EACH 3

static void same_state(const struct machine *m, uint64_t height)
{
	const struct checks *c = m->sim->checks;
	const struct stretch *here = &c->chain[height];
	struct qhash digest = here->digest;
	struct replica_status st;

	replica_status(m->replica, &st);
	if (height % DIGEST_EACH == 0)
		replica_digest(m->replica, &digest);
	if (!qhash_eq(&st.block_hash, &here->hash))
		sim_broken(m->sim, "agreement: replica %u believes in another block at height %" PRIu64,
		           m->id, height);
	if (!qhash_eq(&digest, &here->digest) || st.unspent != here->unspent)
		sim_broken(m->sim, "state: replica %u has another one after height %" PRIu64, m->id, height);
	if (st.supply != m->sim->g.supply)
		sim_broken(m->sim, "value: replica %u has %" PRIu64 " after height %" PRIu64 ", not %" PRIu64,
		           m->id, st.supply, height, m->sim->g.supply);
	if (st.transactions != here->transactions)
		sim_broken(m->sim,
		           "state: replica %u counts %" PRIu64 " transactions up to height %" PRIu64
		           ", not %zu",
		           m->id, st.transactions, height, here->transactions);
}

void chain_turn(struct machine *m, struct watched *w)
{
	struct checks *c = m->sim->checks;
	uint64_t executed = ledger_height(m->replica->ledger).n, first;

	if (m->rotten || executed == w->height)
		return;
	if (executed < w->height)
		w->height = 0; /* its disk was lost: all is looked at anew */
	first = w->height + 1;
	for (uint64_t h = first; h <= executed; h++)
		if (!(h > c->height ? follow_first(m, h) : follow_same(m, h)))
			return;
	for (uint64_t h = first, top; h <= executed; h = top + 1)
		if (!follow_cert(m, h, executed, &top))
			return;
	w->height = executed;
	same_state(m, executed);
}

/* ---- what clients are told
 * --------------------------------------------------------------------------------------- */

static void told_final(struct machine *m, const struct qtxid *id, uint64_t height)
{
	struct checks *c = m->sim->checks;
	struct watched *w = &c->machines[m->slot];
	const struct paid *p = chain_paid(c, id);

	if (!p && m->replica) {
		chain_turn(m, w);
		p = chain_paid(c, id);
		if (!p && w->height < ledger_height(m->replica->ledger).n && fault_on(m->sim, FAULT_STORE))
			return; /* its disk cannot be read now */
	}
	if (!p || p->height != height)
		sim_broken(m->sim,
		           "outcome: replica %u says that a transaction is final at height %" PRIu64 ": %s",
		           m->id, height, p ? "it is at another" : "it is not in the chain");
	if (!m->spoiled && height > w->told)
		w->told = height;
}

static void told_never(struct machine *m, const struct qtxid *id)
{
	struct checks *c = m->sim->checks;
	struct doomed *d;

	if (chain_paid(c, id))
		sim_broken(m->sim, "outcome: replica %u says that a final transaction can never be", m->id);
	HASH_FIND(hh, c->doomed, id, sizeof *id, d);
	if (d)
		return;
	d = xcalloc(1, sizeof *d);
	d->id = *id;
	d->machine = m->slot;
	HASH_ADD(hh, c->doomed, id, sizeof d->id, d);
}

void check_outcome(struct machine *m, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                   const struct qtxid *winner)
{
	struct checks *c = m->sim->checks;

	if (m->rotten)
		return;
	if (v == TX_FINAL) {
		told_final(m, id, height.n);
	} else if (v == TX_DOUBLE_SPEND || v == TX_EXPIRED) {
		chain_turn(m, &c->machines[m->slot]);
		if (v == TX_DOUBLE_SPEND && !(winner && chain_paid(c, winner)) &&
		    !fault_on(m->sim, FAULT_STORE))
			sim_broken(m->sim, "outcome: replica %u names a winner that is not final", m->id);
		told_never(m, id);
	} else if (v == TX_PENALTY || v == TX_OLD_OFFENCE) { /* a conviction stands for ever */
		chain_turn(m, &c->machines[m->slot]);
		if (c->conviction_cnt == 0 && !fault_on(m->sim, FAULT_STORE))
			sim_broken(m->sim, "outcome: replica %u tells %s, but nobody was convicted", m->id,
			           tx_verdict_info(v)->code);
		told_never(m, id);
	} else {
		sim_broken(m->sim, "outcome: replica %u tells %s as a fate", m->id, tx_verdict_info(v)->code);
	}
}

void check_submitted(struct machine *m, const struct qtxid *id, enum tx_verdict v, struct qheight height)
{
	if (!sim_honest(m->sim, m->id) || m->rotten)
		return;
	if (v == TX_FINAL)
		told_final(m, id, height.n);
	else if (v == TX_EXPIRED)
		told_never(m, id);
}

/* ---- life
 * ------------------------------------------------------------------------------------------------------------
 */

void chain_start(struct checks *c)
{
	const struct genesis *g = &c->sim->g;

	for (unsigned i = 0; i < g->g.allocations.allocations_len; i++)
		coin_make(c, (struct qoutpoint){g->txid, i}, g->g.allocations.allocations_val[i], 0);
	stake_after(c, 0);
	grow(&c->chain, &c->chain_cap, 0, sizeof *c->chain);
	c->chain[0] = (struct stretch){.hash = g->chain, .time_ms = g->g.time_ms, .unspent = c->unspent};
	chain_digest(c, &c->chain[0].digest);
	if (c->supply != (wide)g->supply)
		sim_broken(c->sim, "value: the genesis does not add up");
}

void chain_free(struct checks *c)
{
	struct coin *coin, *next_coin;
	struct paid *p, *next_paid;
	struct doomed *d, *next_doomed;

	HASH_ITER (hh, c->coins, coin, next_coin) {
		HASH_DEL(c->coins, coin);
		free(coin);
	}
	HASH_ITER (hh, c->paid, p, next_paid) {
		HASH_DEL(c->paid, p);
		free(p);
	}
	HASH_ITER (hh, c->doomed, d, next_doomed) {
		HASH_DEL(c->doomed, d);
		free(d);
	}
	free(c->chain);
	free(c->locked);
	free(c->convictions);
	free(c->tables);
	free(c->promised);
}
