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

/* The rules of tx_parse() in order of cost. Fills tx->owners. */
static enum tx_verdict check(struct tx *tx)
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
	tx->owners = xcalloc(witness_cnt, sizeof *tx->owners);
	for (unsigned i = 0; i < witness_cnt; i++) {
		tx->owners[i] = account_address(&tx->q.witnesses.witnesses_val[i].key);
		if (i > 0 && memcmp(&tx->owners[i - 1], &tx->owners[i], sizeof *tx->owners) >= 0)
			return TX_WITNESS_ORDER;
	}
	return TX_OK;
}

/* ---- life --------------------------------------------------------------- */

struct tx *tx_parse(const struct qhash *chain, const uint8_t *raw, size_t len, enum tx_verdict *verdict)
{
	if (len > Q_TX_BYTES_MAX) {
		*verdict = TX_TOO_LARGE;
		return NULL;
	}
	struct tx *tx = xcalloc(1, sizeof *tx);
	atomic_init(&tx->refs, 1);
	if (wire_decode(WIRE(qtx), raw, len, &tx->q))
		*verdict = check(tx);
	else
		*verdict = list_too_long(raw, len) ? TX_TOO_LARGE : TX_MALFORMED;
	if (*verdict != TX_OK) {
		tx_unref(tx);
		return NULL;
	}
	tx->raw = xmemdup(raw, len);
	tx->raw_len = len;
	/* The encoding is the body's and then the witnesses'. */
	id_of(chain, raw, len - 4 - WITNESS_BYTES * tx->q.witnesses.witnesses_len, &tx->id);
	merkle_leaf(raw, len, &tx->leaf);
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
	wire_free(WIRE(qtx), &tx->q);
	free(tx->owners);
	free(tx->raw);
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
	const struct qtx_body *body = &tx->q.body;

	for (unsigned i = 0; i < tx->q.witnesses.witnesses_len; i++) {
		const struct qwitness *w = &tx->q.witnesses.witnesses_val[i];
		if (!account_verify(&w->key, &tx->id, &w->sig))
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
