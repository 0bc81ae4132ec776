/*
 * finality.c: see finality.h.
 */
#include "finality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "receipt.h"

enum { POLL_MS = 2000 };

void finality_begin(struct finality *f, const struct genesis *g, struct client *c, uint64_t timeout_ms)
{
	*f = (struct finality){
	    .genesis = g, .client = c, .deadline_ms = clock_ms(CLOCK_MONOTONIC) + timeout_ms};
	f->refused = xcalloc(client_nodes(c), sizeof *f->refused);
}

void finality_end(struct finality *f)
{
	free(f->refused);
	wire_free(WIRE(qreceipt), &f->receipt);
	*f = (struct finality){0};
}

/* ---- settling ---------------------------------------------------------------- */

static unsigned time_left(const struct finality *f, unsigned at_most)
{
	uint64_t now = clock_ms(CLOCK_MONOTONIC);
	uint64_t left = now < f->deadline_ms ? f->deadline_ms - now : 0;
	return left < at_most ? (unsigned)left : at_most;
}

/* What was refused only for now, or not answered: another node, a little later. */
static void try_elsewhere(struct finality *f)
{
	const struct timespec nap = clock_timespec(time_left(f, 100));
	client_next(f->client);
	nanosleep(&nap, NULL);
}

/* The receipt of this id, if one proves that it is final; then f->fate.height is proven, too.
 * wire_free(WIRE(qreceipt), out). */
static bool fetch_final(struct finality *f, const struct qtxid *id, struct qreceipt *out)
{
	if (!client_receipt_here(f->client, id, out, &f->trouble))
		return false;
	if (receipt_proves(f->genesis, id, out, &f->trouble)) {
		f->fate.height = out->headers.headers_val[0].height.n;
		return true;
	}
	wire_free(WIRE(qreceipt), out);
	return err_prefix(&f->trouble, "%s gave a receipt that does not hold", client_url(f->client));
}

/* A node says that another transaction won. It may be pending yet: this waits a little for its receipt. */
static enum outcome lost(struct finality *f)
{
	struct qtxid winner;
	struct client_fate fate;
	struct qreceipt receipt;
	enum tx_verdict verdict;
	if (!hex_decode(winner.b, sizeof winner.b, f->fate.spent_by))
		return UNKNOWN;
	client_wait(f->client, &winner, time_left(f, POLL_MS), &fate, NULL);
	if (!fetch_final(f, &winner, &receipt))
		return UNKNOWN;
	if (qtxid_eq(&winner, &f->tx->id)) { /* a strange thing to say of it */
		f->receipt = receipt;
		return COMMITTED;
	}
	struct tx *tx =
	    tx_parse(&f->genesis->chain, receipt.tx.qtx_bytes_val, receipt.tx.qtx_bytes_len, &verdict);
	bool conflict = tx != NULL && tx_conflict(tx, f->tx);
	tx_unref(tx);
	wire_free(WIRE(qreceipt), &receipt);
	return conflict ? REJECTED : UNKNOWN;
}

/* How many nodes have refused it for this reason, the current one included. */
static size_t count_refusals(struct finality *f)
{
	size_t cnt = 0;
	memcpy(f->refused[client_current(f->client)], f->fate.code, FINALITY_CODE_MAX);
	for (size_t i = 0; f->fate.code[0] != '\0' && i < client_nodes(f->client); i++)
		cnt += strcmp(f->refused[i], f->fate.code) == 0;
	return cnt;
}

static bool has_code(const struct finality *f, enum tx_verdict v)
{
	return strcmp(f->fate.code, tx_verdict_info(v)->code) == 0;
}

/* A node refuses it. UNKNOWN: that is not certain, or not for good. */
static enum outcome refusal(struct finality *f)
{
	enum outcome o = has_code(f, TX_EXPIRED) ? EXPIRED : REJECTED;
	if (f->fate.temporary)
		return UNKNOWN;
	if (f->no_wait)
		return o;
	if (has_code(f, TX_DOUBLE_SPEND))
		return lost(f);
	f->refused_cnt = count_refusals(f);
	return f->refused_cnt > f->genesis->f ? o : UNKNOWN;
}

/* What a node says of it, judged; UNKNOWN: go on. */
static enum outcome judge(struct finality *f)
{
	switch (f->fate.kind) {
	case FATE_UNKNOWN: /* a node that does not have it (any more) */
		return UNKNOWN;
	case FATE_PENDING:
		return f->no_wait ? SUBMITTED : UNKNOWN;
	case FATE_REJECTED:
		return refusal(f);
	case FATE_FINAL:
		return f->genesis == NULL                        ? SUBMITTED
		       : fetch_final(f, &f->tx->id, &f->receipt) ? COMMITTED
		                                                 : UNKNOWN;
	}
	return UNKNOWN;
}

enum outcome finality_wait(struct finality *f)
{
	const struct bytes raw = {f->tx->raw, f->tx->raw_len};
	enum outcome o = UNKNOWN;
	bool accepted = false;
	while (o == UNKNOWN && time_left(f, 1) > 0) {
		bool waited = accepted;
		bool answered = accepted ? client_wait(f->client, &f->tx->id, time_left(f, POLL_MS), &f->fate,
		                                       &f->trouble)
		                         : client_submit(f->client, &raw, 1, &f->fate, &f->trouble);
		if (answered)
			o = judge(f);
		/* Long pending here: another node may be better connected. A copy does no harm. */
		accepted = answered && !waited && f->fate.kind == FATE_PENDING;
		if (o == UNKNOWN && !accepted)
			try_elsewhere(f);
	}
	return o;
}

/* ---- saying ------------------------------------------------------------------ */

const char *finality_text(const struct finality *f, enum outcome o, char text[FINALITY_TEXT])
{
	const char *node = client_url(f->client), *said = f->fate.message;
	switch (o) {
	case COMMITTED:
		return "final; the receipt holds against the genesis";
	case SUBMITTED:
		return "accepted by a node; not waited for";
	case REJECTED:
	case EXPIRED:
		if (f->no_wait)
			snprintf(text, FINALITY_TEXT, "%s says: %s", node, said);
		else if (has_code(f, TX_DOUBLE_SPEND))
			snprintf(text, FINALITY_TEXT, "%s; the receipt of that one holds against the genesis",
			         said);
		else
			snprintf(text, FINALITY_TEXT, "%s; so say %zu nodes", said, f->refused_cnt);
		return text;
	case UNKNOWN:
		if (f->fate.kind == FATE_REJECTED && f->fate.temporary)
			return said;
		if (f->fate.kind != FATE_REJECTED)
			return f->trouble.text[0] != '\0' ? f->trouble.text : "still pending";
		snprintf(
		    text, FINALITY_TEXT,
		    "%s says %s (%s), but there is no proof of it, nor do %u of the nodes that were named "
		    "agree on it",
		    node, f->fate.code, said, f->genesis->f + 1);
		return text;
	}
	return "";
}

/* ---- proof alone ------------------------------------------------------------- */

/* Of the current node. */
static bool from_node(struct client *c, const struct genesis *g, const struct qtxid *id, struct qreceipt *out,
                      bool *lie, struct err *err)
{
	if (!client_receipt_here(c, id, out, err))
		return false;
	if (receipt_proves(g, id, out, err))
		return true;
	wire_free(WIRE(qreceipt), out);
	*lie = true;
	return err_prefix(err, "%s gave a receipt that does not hold", client_url(c));
}

/* Who lies is told before who does not know it, and that before who does not answer. */
bool finality_receipt(struct client *c, const struct genesis *g, const struct qtxid *id, struct qreceipt *out,
                      struct err *err)
{
	struct err worst = {0};
	bool lied = false;
	for (size_t tried = 0; tried < client_nodes(c); tried++) {
		struct err why = {0};
		bool lie = false;
		if (from_node(c, g, id, out, &lie, &why))
			return true;
		if (worst.kind == ERR_NONE || (lie && !lied) || (why.kind == ERR_NO && worst.kind != ERR_NO))
			worst = why;
		lied = lied || lie;
		client_next(c);
	}
	return err_set(err, worst.kind, "%s", worst.text);
}
