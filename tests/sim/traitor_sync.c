/*
 * traitor_sync.c: what a traitor answers to who catches up, and what it says of itself and asks for. Rules
 * against it: CE4 (headers proved by one certificate, bodies fetched by hash), ST1 to ST5, and that others
 * are asked in turn.
 */
#include "clients.h"
#include "traitor_impl.h"

/* ---- bodies of what is made up ----------------------------------------------------------------------- */

/* What the adversary alone has, to those who shall have it. */
static void serve_txs(struct traitor *t, unsigned id, const struct qget_txs *q, unsigned to)
{
	struct qmessage m = {.kind = QTXS};
	struct qtxs *txs = &m.qmessage_u.txs;

	txs->txs.txs_val = xcalloc(TXS, sizeof *txs->txs.txs_val);
	for (unsigned i = 0; i < q->leaves.leaves_len && txs->txs.txs_len < TXS; i++) {
		const struct ktx *k = tx_by_leaf(t, &q->leaves.leaves_val[i]);

		if (k && k->lent && (k->serve >> to & 1))
			txs->txs.txs_val[txs->txs.txs_len++] =
			    (qtx_bytes){(unsigned)k->tx->raw_len, k->tx->raw};
	}
	if (txs->txs.txs_len > 0)
		say(t, id, &m, bit(to));
	free(txs->txs.txs_val);
}

static void serve_body(struct traitor *t, unsigned id, const struct qhash *hash, unsigned to)
{
	const struct kblock *b = block_find(t, hash);
	struct qmessage m = {.kind = QBODY};
	struct qbody *body = &m.qmessage_u.body;

	if (!b || !b->made || !(b->serve >> to & 1) || b->leaf_cnt == 0)
		return;
	body->block = *hash;
	body->txs.txs_val = xcalloc(b->leaf_cnt, sizeof *body->txs.txs_val);
	for (unsigned i = 0; i < b->leaf_cnt; i++) {
		const struct ktx *k = tx_by_leaf(t, &b->leaves[i]);

		if (k)
			body->txs.txs_val[body->txs.txs_len++] =
			    (qtx_bytes){(unsigned)k->tx->raw_len, k->tx->raw};
	}
	if (body->txs.txs_len == b->leaf_cnt)
		say(t, id, &m, bit(to));
	free(body->txs.txs_val);
}

void serve(struct traitor *t, unsigned id, const struct message *m)
{
	if (m->m.kind == QGET_TXS)
		serve_txs(t, id, &m->m.qmessage_u.get_txs, m->sender);
	for (unsigned i = 0; m->m.kind == QGET_BODIES && i < m->m.qmessage_u.get_bodies.blocks.blocks_len;
	     i++)
		serve_body(t, id, &m->m.qmessage_u.get_bodies.blocks.blocks_val[i], m->sender);
}

/* ---- CHAIN ------------------------------------------------------------------------------------------- */

/* Y39 */
/* Prepared passes for committed: a certificate that holds, of a block in the middle of the chain. */
static bool prepared_for_committed(struct traitor *t, struct qchain *c)
{
	struct statement *st;
	size_t from = 0;

	while ((st = statement_next(t, QPREPARE, &from)))
		for (unsigned i = c->headers.headers_len; i-- > 0;) {
			struct qhash hash;
			struct qcert cert;
			block_hash(&c->headers.headers_val[i], &hash);
			if (!qhash_eq(&hash, &st->vote.block) || !cert_of(t, st, &cert))
				continue;
			wire_free(WIRE(qcert), &c->cert);
			c->cert = cert;
			c->headers.headers_len = i + 1;
			return true;
		}
	return false;
}

static uint64_t forged_chain(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qmessage m;

	if (!deed(t, B_FORGED_CHAIN))
		return to;
	copy_of(o->m, &m);
	struct qchain *c = &m.qmessage_u.chain;
	uint64_t way = draw(t, 7);
	unsigned had = c->headers.headers_len;
	if (way == 6 && prepared_for_committed(t, c))
		;
	else if (way == 0)
		c->cert.sigs.sigs_len = (unsigned)draw(t, t->s->q);
	else if (way == 1)
		for (unsigned i = 1; i < c->cert.sigs.sigs_len; i++)
			c->cert.sigs.sigs_val[i] = c->cert.sigs.sigs_val[0];
	else if (way == 2 && c->headers.headers_len)
		scramble(t, &c->headers.headers_val[draw(t, c->headers.headers_len)].merkle_root);
	else if (way == 3 && c->headers.headers_len > 1)
		c->headers.headers_len--;
	else if (way == 4)
		c->cert.kind = c->cert.kind == QCOMMIT ? QPREPARE : QCOMMIT;
	else
		c->cert.vote.height.n += 1 + draw(t, 3);
	acted(t, B_FORGED_CHAIN, o->id, "way=%" PRIu64 " up to %" PRIu64, way, c->cert.vote.height.n);
	say(t, o->id, &m, to);
	c->headers.headers_len = had; /* to be freed */
	wire_free(WIRE(qmessage), &m);
	return chance(t, 30) ? to : 0;
}

/* Y40: as much of it as an older certificate proves */
static uint64_t hide_head(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qmessage m;
	struct statement *st, *found = NULL;
	const struct qchain *c = &o->m->m.qmessage_u.chain;
	uint64_t first = c->headers.headers_len ? c->headers.headers_val[0].height.n : 1;
	size_t from = 0;

	if (!deed(t, B_HIDE_HEAD))
		return to;
	while ((st = statement_next(t, QCOMMIT, &from)))
		if (st->vote.height.n < c->cert.vote.height.n && (!found || draw(t, 3) == 0) &&
		    __builtin_popcountll(st->signers | t->s->traitors) >= (int)t->s->q)
			found = st;
	if (!found) { /* nothing older: it answers nobody */
		acted(t, B_HIDE_HEAD, o->id, "all");
		return 0;
	}
	copy_of(o->m, &m);
	struct qchain *old = &m.qmessage_u.chain;
	uint64_t top = found->vote.height.n;
	wire_free(WIRE(qcert), &old->cert);
	acted(t, B_HIDE_HEAD, o->id, "up to %" PRIu64 " of %" PRIu64, top, c->cert.vote.height.n);
	cert_anyhow(t, found, &old->cert);
	unsigned had = old->headers.headers_len;
	old->headers.headers_len = had == 0 || top < first ? 0 : (unsigned)(top - first + 1);
	say(t, o->id, &m, to);
	old->headers.headers_len = had;
	wire_free(WIRE(qmessage), &m);
	return 0;
}

/* Y42: blocks of its own above a real one, with its own signatures and those that others gave to the real
 * blocks */
static void fork_to(struct traitor *t, unsigned id, uint64_t above, uint64_t to)
{
	struct qmessage m = {.kind = QCHAIN};
	struct qchain *c = &m.qmessage_u.chain;
	const struct qhash *parent = final_at(t, above);
	struct statement st = {.kind = QCOMMIT}, *real;
	struct qheader headers[4] = {{0}};
	struct qhash hash;
	size_t from = 0;

	if (!parent)
		return;
	hash = *parent;
	unsigned cnt = 1 + (unsigned)draw(t, 4);
	for (unsigned i = 0; i < cnt; i++) {
		struct draft d;
		if (!draft_new(t, &d, proposer(t, t->view, above + 1 + i), t->view, above + 1 + i, &hash, 2))
			return;
		headers[i] = d.header;
		headers[i].time_ms = SIM_WALL_MS + t->s->now_ms + i;
		struct kblock *b = block_note(t, &headers[i], d.leaves, d.leaf_cnt);
		b->made = true;
		b->serve = everybody(t);
		hash = b->hash;
		draft_clear(&d);
	}
	while ((real = statement_next(t, QCOMMIT, &from))) /* votes for what is really there */
		if (real->vote.height.n == above + cnt) {
			st = *real;
			break;
		}
	st.vote = (struct qvote){.view = qview_of(t->view), .height = headers[cnt - 1].height, .block = hash};
	c->headers.headers_val = headers;
	c->headers.headers_len = cnt;
	cert_anyhow(t, &st, &c->cert);
	say(t, id, &m, to);
	wire_free(WIRE(qcert), &c->cert);
}

static uint64_t fork_suffix(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	const struct qchain *c = &o->m->m.qmessage_u.chain;

	if (c->headers.headers_len == 0 || !deed(t, B_FORK_SUFFIX))
		return to;
	uint64_t above = c->headers.headers_val[0].height.n - 1 + draw(t, c->headers.headers_len);
	acted(t, B_FORK_SUFFIX, o->id, "above %" PRIu64, above);
	fork_to(t, o->id, above, to);
	return chance(t, 50) ? to : 0;
}

static void fork_suffix_tick(struct traitor *t, unsigned id)
{
	if (t->tip == 0 || !deed_tick(t, B_FORK_SUFFIX))
		return;
	uint64_t above = t->tip - draw(t, t->tip < 3 ? t->tip + 1 : 3);
	acted(t, B_FORK_SUFFIX, id, "above %" PRIu64 " unasked", above);
	fork_to(t, id, above, everybody(t));
}

/* ---- STATUS: Y40 ------------------------------------------------------------------------------------- */

static uint64_t lying_status(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qmessage m;

	if (!deed(t, B_LYING_STATUS))
		return to;
	copy_of(o->m, &m);
	struct qstatus *st = &m.qmessage_u.status;
	uint64_t way = draw(t, 7), far = UINT64_C(1) << draw(t, 64);
	if (way == 0 || way == 1) {
		t->lie_tip[o->id] = way == 0 ? st->tip.n + 1 + draw(t, 20) : far;
		st->tip.n = st->executed.n = t->lie_tip[o->id];
	} else if (way == 2) { /* and lowered again */
		st->tip.n = st->executed.n = st->stable.n = 0;
	} else if (way == 3) {
		st->stable.n = chance(t, 50) ? 0 : far;
	} else if (way == 4) { /* lacks everything: is sent everything */
		st->view_changes = 0;
		memset(st->slots.slots_val, 0, st->slots.slots_len * sizeof *st->slots.slots_val);
	} else if (way == 5) { /* has everything: is sent nothing */
		st->view_changes = UINT64_MAX;
		for (unsigned i = 0; i < st->slots.slots_len; i++)
			st->slots.slots_val[i] = (struct qslot_status){TRUE, UINT64_MAX, UINT64_MAX};
	} else {
		st->asked.n = chance(t, 50) ? far : 0;
		st->entered.n = chance(t, 50) ? st->asked.n : 0;
	}
	acted(t, B_LYING_STATUS, o->id, "way=%" PRIu64 " tip=%" PRIu64, way, st->tip.n);
	uint64_t liars = chance(t, 50) ? to : to & t->victims;
	say(t, o->id, &m, liars);
	wire_free(WIRE(qmessage), &m);
	return to & ~liars;
}

/* ---- bodies: Y41 ------------------------------------------------------------------------------------- */

static uint64_t wrong_body(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qmessage m;
	qtx_bytes *list;

	if (!deed(t, B_WRONG_BODY))
		return to;
	copy_of(o->m, &m);
	struct qbody *body = &m.qmessage_u.body;
	unsigned cnt = body->txs.txs_len;
	uint64_t way = draw(t, 6);
	uint64_t at = cnt ? draw(t, cnt) : 0;
	const struct ktx *k = t->tx_cnt ? &t->txs[draw(t, t->tx_cnt < TXS ? t->tx_cnt : TXS)] : NULL;
	list = body->txs.txs_val;
	if (way == 0 && cnt > 0) { /* one less */
		free(list[--body->txs.txs_len].qtx_bytes_val);
	} else if (way == 1 && cnt > 1) { /* another order */
		qtx_bytes first = list[0];
		list[0] = list[cnt - 1];
		list[cnt - 1] = first;
	} else if (way == 2 && k && cnt > 0) { /* another transaction */
		free(list[at].qtx_bytes_val);
		list[at] = (qtx_bytes){(unsigned)k->tx->raw_len, xmemdup(k->tx->raw, k->tx->raw_len)};
	} else if (way == 3 && cnt > 0 && list[at].qtx_bytes_len > 0) { /* another witness, badly signed */
		list[at].qtx_bytes_val[list[at].qtx_bytes_len - 1 - draw(t, 64 % list[at].qtx_bytes_len)] ^=
		    1;
	} else if (way == 4 && cnt > 0) { /* without end: one again and again */
		unsigned more = 2 + (unsigned)draw(t, 200);
		list = body->txs.txs_val = xrealloc(list, (cnt + more) * sizeof *list);
		for (unsigned i = cnt; i < cnt + more; i++)
			list[i] = (qtx_bytes){list[at].qtx_bytes_len,
			                      xmemdup(list[at].qtx_bytes_val, list[at].qtx_bytes_len)};
		body->txs.txs_len += more;
	} else { /* the right body for the wrong block */
		scramble(t, &body->block);
	}
	acted(t, B_WRONG_BODY, o->id, "way=%" PRIu64 " txs=%u", way, body->txs.txs_len);
	say(t, o->id, &m, to);
	wire_free(WIRE(qmessage), &m);
	return chance(t, 20) ? to : 0;
}

static uint64_t slow_drip(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!deed(t, B_SLOW_DRIP))
		return to;
	uint64_t ms = 200 + draw(t, 6000);
	bool never = chance(t, 40);
	acted(t, B_SLOW_DRIP, o->id, "kind=%d after %" PRIu64 "%s", (int)o->m->m.kind, ms,
	      never ? " never" : "");
	if (!never)
		say_later(t, o->id, o->m, to, ms);
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------------------ */

static void request_flood(struct traitor *t, unsigned id)
{
	struct qhash list[Q_WINDOW_MAX];
	struct qmessage m = {.kind = QGET_CHAIN};
	unsigned cnt = 0;

	if (!deed_tick(t, B_REQUEST_FLOOD))
		return;
	for (unsigned i = 0; i < BLOCKS && cnt < Q_WINDOW_MAX; i++)
		if (t->blocks[i].used)
			list[cnt++] = t->blocks[i].hash;
	uint64_t way = draw(t, 4);
	if (way == 0) {
		m.kind = QGET_BODIES;
		m.qmessage_u.get_bodies.blocks.blocks_val = list;
		m.qmessage_u.get_bodies.blocks.blocks_len = cnt;
	} else if (way == 1) {
		m.kind = QGET_TXS;
		for (cnt = 0; cnt < Q_WINDOW_MAX; cnt++) {
			const struct ktx *k = &t->txs[cnt % TXS];
			if (k->tx && k->tx->leaf.b[0] % 4)
				list[cnt] = k->tx->leaf;
			else
				make_up(t, &list[cnt]);
		}
		m.qmessage_u.get_txs.leaves.leaves_val = list;
		m.qmessage_u.get_txs.leaves.leaves_len = cnt;
	} else {
		m.qmessage_u.get_chain.above.n = way == 2 ? 0 : UINT64_MAX;
	}
	acted(t, B_REQUEST_FLOOD, id, "kind=%d", (int)m.kind);
	for (unsigned i = 0; i < 3; i++)
		say(t, id, &m, everybody(t));
}

/* ---- transactions: Y43, Y44 -------------------------------------------------------------------------- */

static void flood_txs(struct traitor *t, unsigned id)
{
	struct qmessage m = {.kind = QTXS};
	qtx_bytes list[24];
	uint8_t *spoilt = NULL;
	unsigned cnt = 0;

	if (t->tx_cnt == 0 || !deed_tick(t, B_FLOOD_TXS))
		return;
	uint64_t have = t->tx_cnt < TXS ? t->tx_cnt : TXS, way = draw(t, 5);
	while (cnt < sizeof list / sizeof *list) {
		const struct ktx *k = &t->txs[draw(t, have)];
		list[cnt++] = (qtx_bytes){(unsigned)k->tx->raw_len, k->tx->raw};
	}
	if (way == 0) /* one many times */
		for (unsigned i = 1; i < cnt; i++)
			list[i] = list[0];
	if (way == 1 || way == 2) { /* one bit of one of them */
		uint64_t at = draw(t, 8 * (uint64_t)list[0].qtx_bytes_len);
		spoilt = xmemdup(list[0].qtx_bytes_val, list[0].qtx_bytes_len);
		spoilt[at / 8] ^= (uint8_t)(1u << at % 8);
		list[0].qtx_bytes_val = spoilt;
		cnt = way == 1 ? 1 : cnt;
	}
	if (way == 3) /* cut short */
		list[0].qtx_bytes_len = (unsigned)draw(t, list[0].qtx_bytes_len);
	m.qmessage_u.txs.txs.txs_val = list;
	m.qmessage_u.txs.txs.txs_len = cnt;
	acted(t, B_FLOOD_TXS, id, "way=%" PRIu64 " txs=%u", way, cnt);
	say(t, id, &m, chance(t, 50) ? everybody(t) : t->victims);
	free(spoilt);
}

/* One transaction to some, another to others, and neither where its own replica would see it. */
static void collude(struct traitor *t, unsigned id)
{
	struct tx *tx = NULL;

	if (!deed_tick(t, B_COLLUDE))
		return;
	uint64_t some = part(t, honest(t));
	for (unsigned i = 0; i < 2; i++) {
		struct qmessage m = {.kind = QTXS};
		struct ktx *k;

		tx = clients_collude(t->s);
		if (!tx)
			return;
		k = tx_note(t, tx);
		k->lent = true;
		k->serve = chance(t, 50) ? everybody(t) : some;
		qtx_bytes raw = {(unsigned)tx->raw_len, tx->raw};
		m.qmessage_u.txs.txs.txs_val = &raw;
		m.qmessage_u.txs.txs.txs_len = 1;
		acted(t, B_COLLUDE, id, "to %" PRIx64, some);
		say(t, id, &m, some);
		some = honest(t) & ~some;
	}
}

/* Or first of all in a block. */
static uint64_t collude_propose(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct draft d;
	struct tx *tx;

	if (o->m->m.kind != QPRE_PREPARE || o->m->sender != o->id || !deed(t, B_COLLUDE))
		return to;
	draft_of(o->m, &d);
	for (uint64_t cnt = 1 + draw(t, 2); cnt > 0 && (tx = clients_collude(t->s)) != NULL; cnt--) {
		struct ktx *k = tx_note(t, tx);
		k->lent = true;
		k->serve = everybody(t);
		draft_add(&d, &tx->leaf);
	}
	draft_root(&d);
	acted(t, B_COLLUDE, o->id, "h=%" PRIu64 " v=%" PRIu64, d.header.height.n, d.view);
	draft_say(t, o->id, &d, to, everybody(t));
	draft_clear(&d);
	return 0;
}

#define ANSWERS (K(QBODY) | K(QTXS) | K(QCHAIN))

const struct tactic sync_tactics[] = {
    /* Y39 */
    {.behaviour = B_FORGED_CHAIN, .sends = K(QCHAIN), .on_send = forged_chain},
    /* Y40 */
    {.behaviour = B_HIDE_HEAD, .sends = K(QCHAIN), .on_send = hide_head},
    {.behaviour = B_LYING_STATUS, .sends = K(QSTATUS), .on_send = lying_status},
    /* Y41 */
    {.behaviour = B_WRONG_BODY, .sends = K(QBODY), .on_send = wrong_body},
    {.behaviour = B_SLOW_DRIP, .sends = ANSWERS, .on_send = slow_drip},
    {.behaviour = B_REQUEST_FLOOD, .on_tick = request_flood},
    /* Y42 */
    {.behaviour = B_FORK_SUFFIX, .sends = K(QCHAIN), .on_send = fork_suffix, .on_tick = fork_suffix_tick},
    /* Y43 */
    {.behaviour = B_FLOOD_TXS, .on_tick = flood_txs},
    /* Y44 */
    {.behaviour = B_COLLUDE, .sends = K(QPRE_PREPARE), .on_send = collude_propose, .on_tick = collude},
    {.behaviour = BEHAVIOUR_CNT},
};
