/*
 * verify.c: signature checks, on worker threads, each once per replica.
 *
 * In the path of a transaction: before, net/link (a peer's frame) or net/http (a client's
 * submission) on untrusted bytes; after, node/replica gets messages and transactions whose
 * signatures all hold.
 *
 * The cache is a fixed ring of leaf hashes with a hash index over it; the oldest makes
 * place.  Only what held is remembered, and for one chain.  Its mutex is never held
 * while a signature is checked.  Beside it are the keys by which signatures held.
 */
#include <pthread.h>
#include <stdlib.h>

#include "map.h"
#include "verify.h"

struct entry {
	struct qhash leaf;
	UT_hash_handle hh;
};

struct verify_cache {
	pthread_mutex_t mutex;
	struct entry *index;
	struct entry *ring; /* slots 0 .. used-1 are in the index */
	size_t used, cap, next;
	struct account_cache *keys;
};

#define KEYS_MAX (1u << 16) /* some 7 MB */

struct verify_cache *verify_cache_new(size_t entries_max)
{
	struct verify_cache *c = xcalloc(1, sizeof *c);

	must(entries_max > 0);
	must(pthread_mutex_init(&c->mutex, NULL) == 0);
	c->ring = xcalloc(entries_max, sizeof *c->ring);
	c->cap = entries_max;
	c->keys = account_cache_new(entries_max < KEYS_MAX ? entries_max : KEYS_MAX);
	return c;
}

void verify_cache_free(struct verify_cache *c)
{
	if (!c)
		return;
	HASH_CLEAR(hh, c->index);
	account_cache_free(c->keys);
	pthread_mutex_destroy(&c->mutex);
	free(c->ring);
	free(c);
}

/* Locked. */
static struct entry *find(const struct verify_cache *c, const struct qhash *leaf, unsigned hash)
{
	struct entry *e;

	HASH_FIND_BYHASHVALUE(hh, c->index, leaf, sizeof *leaf, hash, e);
	return e;
}

static bool known(struct verify_cache *c, const struct qhash *leaf, unsigned hash)
{
	pthread_mutex_lock(&c->mutex);
	bool found = find(c, leaf, hash) != NULL;
	pthread_mutex_unlock(&c->mutex);
	return found;
}

static void remember(struct verify_cache *c, const struct qhash *leaf, unsigned hash)
{
	pthread_mutex_lock(&c->mutex);
	if (!find(c, leaf, hash)) { /* another worker may have been faster */
		struct entry *e = &c->ring[c->next];
		if (c->used == c->cap)
			HASH_DEL(c->index, e);
		else
			c->used++;
		e->leaf = *leaf;
		HASH_ADD_BYHASHVALUE(hh, c->index, leaf, sizeof e->leaf, hash, e);
		c->next = (c->next + 1) % c->cap;
	}
	pthread_mutex_unlock(&c->mutex);
}

bool verify_tx(const struct genesis *g, struct verify_cache *c, const struct tx *tx)
{
	unsigned hash = hash_short(&tx->leaf, sizeof tx->leaf);

	if (known(c, &tx->leaf, hash))
		return true;
	if (!tx_verify_cached(g, c->keys, tx))
		return false;
	remember(c, &tx->leaf, hash);
	return true;
}

const char *txs_fault_text(enum txs_fault f)
{
	static const char *const texts[] = {
#define V(name, text) [name] = (text),
	    TXS_FAULTS(V)
#undef V
	};
	return texts[f];
}

/* As many as an honest replica sends?  Before any signature is looked at. */
static bool within_bounds(const struct genesis *g, enum qkind kind, const qtx_bytes *raws, size_t cnt)
{
	size_t bytes = 0;

	for (size_t i = 0; i < cnt; i++)
		bytes += raws[i].qtx_bytes_len;
	if (kind == QBODY)
		return cnt <= g->g.params.block_txs_max && bytes <= g->g.params.block_bytes_max;
	return cnt <= TXS_MESSAGE_MAX && bytes <= TXS_MESSAGE_BYTES;
}

/* Parses and verifies the next of `cnt`. False if one of them is malformed or wrongly signed. */
static bool open_some(const struct genesis *g, struct verify_cache *c, const qtx_bytes *raws, size_t cnt,
                      struct verified *v)
{
	struct tx **txs = v->txs + v->tx_cnt;
	enum tx_verdict verdicts[TX_PARSE_MAX];
	bool ok = true;

	if (cnt > TX_PARSE_MAX)
		cnt = TX_PARSE_MAX;
	tx_parse_many(&g->chain, raws, cnt, txs, verdicts);
	v->tx_cnt += cnt; /* verified_free() knows NULL */
	for (size_t i = 0; i < cnt && ok; i++)
		ok = txs[i] && verify_tx(g, c, txs[i]);
	return ok;
}

static enum txs_fault open_txs(const struct genesis *g, struct verify_cache *c, struct verified *v)
{
	const struct qmessage *m = &v->message->m;
	const qtx_bytes *raws =
	    m->kind == QTXS ? m->qmessage_u.txs.txs.txs_val : m->qmessage_u.body.txs.txs_val;
	size_t cnt = m->kind == QTXS ? m->qmessage_u.txs.txs.txs_len : m->qmessage_u.body.txs.txs_len;

	if (!within_bounds(g, m->kind, raws, cnt))
		return TXS_TOO_MUCH;
	v->txs = xcalloc(cnt, sizeof(struct tx *));
	while (v->tx_cnt < cnt)
		if (!open_some(g, c, raws + v->tx_cnt, cnt - v->tx_cnt, v))
			return TXS_INVALID;
	return TXS_SOUND;
}

/* The transactions of a message that could be opened. */
static bool open_rest(const struct genesis *g, struct verify_cache *c, struct verified *out)
{
	enum txs_fault fault = TXS_SOUND;

	if (!out->message)
		return false;
	if (out->message->m.kind == QTXS || out->message->m.kind == QBODY)
		fault = open_txs(g, c, out);
	if (fault != TXS_SOUND) {
		verified_free(out);
		out->fault = fault;
	}
	return fault == TXS_SOUND;
}

bool verify_envelope(const struct genesis *g, struct verify_cache *c, const struct qenvelope *env,
                     struct verified *out, enum open_verdict *verdict)
{
	*out = (struct verified){.message = message_open(g, env, verdict)};
	return open_rest(g, c, out);
}

bool verify_envelope_take(const struct genesis *g, struct verify_cache *c, struct qenvelope *env,
                          struct verified *out, enum open_verdict *verdict)
{
	*out = (struct verified){.message = message_open_take(g, env, verdict)};
	return open_rest(g, c, out);
}

void verified_free(struct verified *v)
{
	message_unref(v->message);
	for (size_t i = 0; i < v->tx_cnt; i++)
		tx_unref(v->txs[i]);
	free(v->txs);
	*v = (struct verified){0};
}
