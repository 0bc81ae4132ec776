/*
 * tx.c: transactions: parsing, the rules that need no ledger, signatures.
 *
 * In the path of a transaction: before, net/http (a client's) or node/verify (a peer's)
 * holds untrusted bytes; tx_parse() makes the only form that anything else accepts.
 * After, node/verify checks its signatures with tx_verify(), node/pool keeps it, and
 * ledger/overlay judges it against what is unspent.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "merkle.h"
#include "offence.h"
#include "tx.h"

#define ID_TAG "quorate/tx/v1"
/* Encoded. */
#define OUTPUT_BYTES (20 + 8 + 4) /* that is not locked */
#define OFFENCE_BYTES (4 + 4 + 2 * 80 + 2 * 64)
#define WITNESS_BYTES (36 + 64)

/* Sorting and comparing copies of inputs by their bytes is right only without padding. */
_Static_assert(sizeof(struct qoutpoint) == 36, "qoutpoint has padding");

bool output_eq(const struct qoutput *a, const struct qoutput *b)
{
	return a->amount == b->amount && memcmp(a->owner.b, b->owner.b, sizeof a->owner.b) == 0 &&
	       a->lock.kind == b->lock.kind &&
	       (a->lock.kind == QLOCK_NONE || a->lock.qlock_u.replica == b->lock.qlock_u.replica);
}

static void id_of(const struct qhash *chain, const uint8_t *body, size_t len, struct qtxid *id)
{
	hash_tagged(ID_TAG, (struct span[]){{chain->b, sizeof chain->b}, {body, len}}, 2, id->b);
}

void tx_id(const struct qhash *chain, const struct qtx_body *body, struct qtxid *id)
{
	struct bytes b;

	must(wire_encode(WIRE(qtx_body), body, &b));
	id_of(chain, b.data, b.len, id);
	bytes_free(&b);
}

/* ---- rules -------------------------------------------------------------- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Bytes of `cnt` outputs at `raw`, each of which ends in a lock, longer by 4 bytes unless it is none;
 * SIZE_MAX: they are not all there. */
static size_t outputs_len(const uint8_t *raw, size_t len, size_t cnt)
{
	size_t at = 0;

	for (; cnt > 0; cnt--) {
		if (len - at < OUTPUT_BYTES)
			return SIZE_MAX;
		at += OUTPUT_BYTES;
		if (be32(raw + at - 4) == QLOCK_NONE)
			continue;
		if (len - at < 4)
			return SIZE_MAX;
		at += 4;
	}
	return at;
}

/*
 * Were undecodable bytes refused because a list is longer than its bound?  Only to give the
 * sender the right reason: walks the layout of struct qtx as far as it makes sense.
 */
static bool list_too_long(const uint8_t *raw, size_t len)
{
	static const struct {
		size_t item, max, after; /* bytes of an item, its bound, bytes that follow the list */
	} lists[] = {{36, Q_INPUTS_MAX, 0},
	             {OUTPUT_BYTES, Q_OUTPUTS_MAX, 0},
	             {1, Q_MEMO_MAX, 8},
	             {OFFENCE_BYTES, 1, 0},
	             {100, Q_WITNESSES_MAX, 0}};
	size_t at = 0;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		if (len - at < 4)
			return false;
		size_t cnt = be32(raw + at);
		at += 4;
		if (cnt > (len - at) / lists[i].item)
			return false;
		if (cnt > lists[i].max)
			return true;
		size_t items = lists[i].item == OUTPUT_BYTES ? outputs_len(raw + at, len - at, cnt)
		                                             : (cnt * lists[i].item + 3) / 4 * 4;
		if (items > len - at || lists[i].after > len - at - items)
			return false;
		at += items + lists[i].after;
	}
	return false;
}

static int compare_points(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct qoutpoint));
}

static bool has_duplicate_input(const struct qtx_body *body)
{
	size_t cnt = body->inputs.inputs_len;

	if (cnt < 2)
		return false;
	struct qoutpoint *sorted = xmemdup(body->inputs.inputs_val, cnt * sizeof *sorted);
	bool found = false;

	qsort(sorted, cnt, sizeof *sorted, compare_points);
	for (size_t i = 1; i < cnt && !found; i++)
		found = compare_points(&sorted[i - 1], &sorted[i]) == 0;
	free(sorted);
	return found;
}

static bool amounts_hold(const struct qtx_body *body)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < body->outputs.outputs_len; i++) {
		uint64_t amount = body->outputs.outputs_val[i].amount;
		if (amount == 0 || amount > TX_AMOUNT_MAX - sum)
			return false;
		sum += amount;
	}
	return true;
}

/* The rules of tx_parse() that need no hash, in order of cost. */
static enum tx_verdict check(const struct tx *tx)
{
	const struct qtx_body *body = &tx->q.body;
	unsigned witness_cnt = tx->q.witnesses.witnesses_len;

	if (body->inputs.inputs_len == 0)
		return TX_NO_INPUTS;
	if (body->outputs.outputs_len == 0)
		return TX_NO_OUTPUTS;
	if (witness_cnt == 0 || witness_cnt > body->inputs.inputs_len)
		return TX_WRONG_WITNESS; /* one a distinct owner cannot be none or more than the inputs */
	if (!amounts_hold(body))
		return TX_BAD_AMOUNT;
	if (has_duplicate_input(body))
		return TX_DUPLICATE_INPUT;
	if (body->offence.offence_len > 0 && !offence_well_formed(body->offence.offence_val))
		return TX_BAD_OFFENCE;
	return TX_OK;
}

static enum tx_verdict check_order(const struct tx *tx)
{
	for (unsigned i = 1; i < tx->q.witnesses.witnesses_len; i++)
		if (memcmp(&tx->owners[i - 1], &tx->owners[i], sizeof *tx->owners) >= 0)
			return TX_WITNESS_ORDER;
	return TX_OK;
}

/* ---- life --------------------------------------------------------------- */

/* One piece of memory holds it all: the transaction, its encoding, what was decoded of that (none of the
 * schema's types here is longer in memory than on the wire by more than a quarter), addresses. */
static struct tx *new_tx(const uint8_t *raw, size_t len)
{
	size_t head = sizeof(struct tx) + (len + 7) / 8 * 8, lists = len + len / 4 + 64;
	struct tx *tx = xrealloc(NULL, head + lists);

	*tx = (struct tx){.raw_len = len, .raw = (uint8_t *)(tx + 1)};
	atomic_init(&tx->refs, 1);
	if (len > 0) /* nothing may be nowhere */
		memcpy(tx->raw, raw, len);
	tx->arena = (struct wire_arena){.at = (uint8_t *)tx + head, .left = lists};
	return tx;
}

/* Decodes, and checks what can be without a hash. */
static struct tx *begin(const uint8_t *raw, size_t len, enum tx_verdict *verdict)
{
	if (len > Q_TX_BYTES_MAX) {
		*verdict = TX_TOO_LARGE;
		return NULL;
	}
	struct tx *tx = new_tx(raw, len);
	if (wire_decode_in(&tx->arena, WIRE(qtx), tx->raw, len, &tx->q))
		*verdict = check(tx);
	else
		*verdict = list_too_long(raw, len) ? TX_TOO_LARGE : TX_MALFORMED;
	if (*verdict != TX_OK) {
		tx_unref(tx);
		return NULL;
	}
	tx->owners = wire_arena_take(&tx->arena, tx->q.witnesses.witnesses_len * sizeof *tx->owners);
	return tx;
}

/* Hashes of one kind after the other, since those have about the same length. */
static void hash_ids(const struct qhash *chain, struct tx *const *txs, size_t cnt)
{
	struct hash_job jobs[TX_PARSE_MAX];

	for (size_t i = 0; i < cnt; i++) {
		/* The encoding is the body's and then the witnesses'. */
		size_t body = txs[i]->raw_len - 4 - WITNESS_BYTES * txs[i]->q.witnesses.witnesses_len;
		jobs[i] = (struct hash_job){
		    ID_TAG, {{chain->b, sizeof chain->b}, {txs[i]->raw, body}}, txs[i]->id.b};
	}
	hash_many(jobs, cnt);
}

static void hash_leaves(struct tx *const *txs, size_t cnt)
{
	struct span data[TX_PARSE_MAX];
	struct qhash *out[TX_PARSE_MAX];

	for (size_t i = 0; i < cnt; i++) {
		data[i] = (struct span){txs[i]->raw, txs[i]->raw_len};
		out[i] = &txs[i]->leaf;
	}
	merkle_leaves(data, cnt, out);
}

static void hash_owners(struct tx *const *txs, size_t cnt)
{
	const struct qaccount_key *keys[TX_PARSE_MAX];
	struct qaddress *out[TX_PARSE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < cnt; i++)
		for (unsigned w = 0; w < txs[i]->q.witnesses.witnesses_len; w++) {
			keys[n] = &txs[i]->q.witnesses.witnesses_val[w].key;
			out[n++] = &txs[i]->owners[w];
			if (n == TX_PARSE_MAX) {
				account_addresses(keys, n, out);
				n = 0;
			}
		}
	account_addresses(keys, n, out);
}

void tx_parse_many(const struct qhash *chain, const qtx_bytes *raws, size_t cnt, struct tx **txs,
                   enum tx_verdict *verdicts)
{
	struct tx *whole[TX_PARSE_MAX]; /* those that begin() let pass */
	size_t n = 0;

	must(cnt <= TX_PARSE_MAX);
	for (size_t i = 0; i < cnt; i++) {
		txs[i] = begin(raws[i].qtx_bytes_val, raws[i].qtx_bytes_len, &verdicts[i]);
		if (txs[i])
			whole[n++] = txs[i];
	}
	hash_ids(chain, whole, n);
	hash_leaves(whole, n);
	hash_owners(whole, n);
	for (size_t i = 0; i < cnt; i++) {
		if (!txs[i] || (verdicts[i] = check_order(txs[i])) == TX_OK)
			continue;
		tx_unref(txs[i]);
		txs[i] = NULL;
	}
}

struct tx *tx_parse(const struct qhash *chain, const uint8_t *raw, size_t len, enum tx_verdict *verdict)
{
	const qtx_bytes one = {len <= Q_TX_BYTES_MAX ? (unsigned)len : Q_TX_BYTES_MAX + 1, (uint8_t *)raw};
	struct tx *tx;

	tx_parse_many(chain, &one, 1, &tx, verdict);
	return tx;
}

struct tx *tx_ref(struct tx *tx)
{
	atomic_fetch_add_explicit(&tx->refs, 1, memory_order_relaxed);
	return tx;
}

void tx_unref(struct tx *tx)
{
	if (!tx || atomic_fetch_sub_explicit(&tx->refs, 1, memory_order_acq_rel) > 1)
		return;
	wire_arena_free(&tx->arena);
	free(tx);
}

/* ---- conflicts ---------------------------------------------------------- */

bool tx_conflict(const struct tx *a, const struct tx *b)
{
	const struct qtx_body *x = &a->q.body, *y = &b->q.body;

	for (unsigned i = 0; i < x->inputs.inputs_len; i++)
		for (unsigned k = 0; k < y->inputs.inputs_len; k++)
			if (qoutpoint_eq(&x->inputs.inputs_val[i], &y->inputs.inputs_val[k]))
				return true;
	return false;
}

/* ---- signatures --------------------------------------------------------- */

bool tx_verify(const struct genesis *g, const struct tx *tx)
{
	return tx_verify_cached(g, NULL, tx);
}

bool tx_verify_cached(const struct genesis *g, struct account_cache *keys, const struct tx *tx)
{
	const struct qtx_body *body = &tx->q.body;

	for (unsigned i = 0; i < tx->q.witnesses.witnesses_len; i++) {
		const struct qwitness *w = &tx->q.witnesses.witnesses_val[i];
		if (!account_verify_cached(keys, &w->key, &tx->id, &w->sig))
			return false;
	}
	return body->offence.offence_len == 0 || offence_verify(g, body->offence.offence_val);
}

struct signing {
	struct qaddress addr;
	const struct account *account;
};

static int compare_signings(const void *a, const void *b)
{
	const struct signing *x = a, *y = b;
	return memcmp(&x->addr, &y->addr, sizeof x->addr);
}

/* One witness a signer, in the order that the wire wants. */
static struct qwitness *make_witnesses(const struct qtxid *id, const struct account *const *signers,
                                       size_t cnt)
{
	struct signing *order = xcalloc(cnt, sizeof *order);
	struct qwitness *witnesses = xcalloc(cnt, sizeof *witnesses);

	for (size_t i = 0; i < cnt; i++) {
		struct qaccount_key key = account_key(signers[i]);
		order[i] = (struct signing){account_address(&key), signers[i]};
	}
	qsort(order, cnt, sizeof *order, compare_signings);
	for (size_t i = 0; i < cnt; i++) {
		witnesses[i].key = account_key(order[i].account);
		account_sign(order[i].account, id, &witnesses[i].sig);
	}
	free(order);
	return witnesses;
}

struct tx *tx_make(const struct qhash *chain, const struct qtx_body *body,
                   const struct account *const *signers, size_t signer_cnt, struct err *err)
{
	struct qtx q = {.body = *body};
	struct bytes encoded = {0};
	enum tx_verdict verdict = TX_TOO_LARGE;
	struct tx *tx = NULL;

	/* Within the schema's bounds? Then tx_id() can encode the body. */
	if (signer_cnt > Q_WITNESSES_MAX || !wire_encode(WIRE(qtx_body), body, &encoded))
		goto out;
	bytes_free(&encoded);
	if (signer_cnt > 0) {
		struct qtxid id;
		tx_id(chain, body, &id);
		q.witnesses.witnesses_val = make_witnesses(&id, signers, signer_cnt);
		q.witnesses.witnesses_len = (unsigned)signer_cnt;
	}
	if (wire_encode(WIRE(qtx), &q, &encoded))
		tx = tx_parse(chain, encoded.data, encoded.len, &verdict);
out:
	if (!tx)
		err_set(err, ERR_INPUT, "cannot make this transaction: %s", tx_verdict_info(verdict)->text);
	bytes_free(&encoded);
	free(q.witnesses.witnesses_val);
	return tx;
}
