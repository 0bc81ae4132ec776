/*
 * replica_evidence.c: evidence: what is kept of it, and its exchange with peers, so that what one saw all
 * keep.
 *
 * All of it comes through keep(): what the engine found, double spends that the pool refused, what peers hand
 * on. The journal keeps one piece for each thing done, and a bounded number against each culprit: a few
 * convict as well as thousands, and whoever lies can lie without end.
 *
 * Each replica asks each other one, every few seconds, for what is in its journal above the last that it was
 * given, so nothing is lost for good, whatever the network loses, and a liar can but hide what it has itself.
 * Evidence proves itself: message_open() checked it on a worker, and nobody's word is taken.
 */
#include "evidence.h"
#include "hash.h"
#include "offence.h"
#include "replica_impl.h"

#define MESSAGE_BYTES (256u << 10)        /* of several pieces; one alone may have more, */
#define PIECE_BYTES_MAX (Q_BODY_MAX - 64) /* but has to fit into an envelope: what does not stays here */

/* ---- what is known ------------------------------------------------------------------ */

static unsigned lowest(uint64_t mask)
{
	return mask ? (unsigned)__builtin_ctzll(mask) : 0;
}

/* Votes that a conviction can be made of? The signatures of both are checked. */
static bool is_offence(const struct replica *r, const struct qevidence *ev)
{
	struct qoffence o;

	return stake_rules(r->g) && offence_of(r->g, ev, &o);
}

static struct piece_key key_of(const struct replica *r, const struct qevidence *ev,
                               const struct evidence_facts *f)
{
	struct piece_key k;

	memset(&k, 0, sizeof k);
	k.kind = ev->kind;
	k.statement = f->statement;
	k.view = f->view.n;
	k.height = f->height.n;
	k.offence = is_offence(r, ev);
	if (ev->kind == QEV_FORK) {
		k.first = f->first;
		k.view = f->culprits; /* one that names more is another piece */
	} else
		k.replica = lowest(f->culprits);
	if (ev->kind == QEV_FORK || ev->kind == QEV_DOUBLE_SPEND)
		k.second = f->second; /* of a double spend the loser: one piece for each */
	return k;
}

static const struct piece *find(const struct dossier *d, const struct piece_key *key)
{
	struct piece *p;

	HASH_FIND(hh, d->pieces, key, sizeof *key, p);
	return p;
}

/* Of its encoding, whose length it returns. */
static size_t digest_of(const struct qevidence *ev, struct qhash *digest)
{
	struct bytes raw;

	must(wire_encode(WIRE(qevidence), ev, &raw));
	size_t len = raw.len;
	hash_bytes("quorate/evidence/v1", raw.data, raw.len, digest->b);
	bytes_free(&raw);
	return len;
}

static struct offender *offender(struct dossier *d, const struct qaddress *signer)
{
	struct offender *o;

	HASH_FIND(hh, d->offenders, signer, sizeof *signer, o);
	return o;
}

/* Can a conviction be made of it soon? */
static bool costs_stake(const struct replica *r, const struct piece_key *key)
{
	return key->offence && key->height <= ledger_height(r->ledger).n + r->g->g.params.window;
}

static void note(struct replica *r, const struct qevidence *ev, const struct evidence_facts *f)
{
	struct dossier *d = &r->dossier;
	struct piece *p = xcalloc(1, sizeof *p);
	struct offender *o;

	p->key = key_of(r, ev, f);
	digest_of(ev, &p->digest);
	HASH_ADD(hh, d->pieces, key, sizeof p->key, p);
	switch (ev->kind) {
	case QEV_CONFLICT:
	case QEV_BAD_PROPOSAL:
		d->of_replica[p->key.replica]++;
		if (costs_stake(r, &p->key) && f->height.n > d->offence[p->key.replica].n)
			d->offence[p->key.replica] = f->height;
		break;
	case QEV_DOUBLE_SPEND:
		o = offender(d, &f->signer);
		if (!o) {
			o = xcalloc(1, sizeof *o);
			o->signer = f->signer;
			HASH_ADD(hh, d->offenders, signer, sizeof o->signer, o);
		}
		o->cnt++;
		break;
	case QEV_FORK:
		d->forks++;
		break;
	}
}

bool evidence_load(struct replica *r, struct err *err)
{
	struct evidence_facts f;
	struct qevidence ev;
	enum found found;

	for (int64_t seq = 0; (found = reader_evidence(r->reader, &seq, &ev, err)) == FOUND;) {
		bool ok = evidence_facts(r->g, &ev, &f) && evidence_verify(r->g, &ev, NULL);
		struct piece_key key = key_of(r, &ev, &f);
		if (ok && !find(&r->dossier, &key))
			note(r, &ev, &f);
		wire_free(WIRE(qevidence), &ev);
		if (!ok) {
			reader_damaged(r->reader, "evidence in the journal does not hold", err);
			return false;
		}
	}
	return found == NOT_FOUND;
}

void evidence_free(struct replica *r)
{
	struct piece *p, *next;
	struct offender *o, *next_o;

	HASH_ITER (hh, r->dossier.pieces, p, next) {
		HASH_DEL(r->dossier.pieces, p);
		free(p);
	}
	HASH_ITER (hh, r->dossier.offenders, o, next_o) {
		HASH_DEL(r->dossier.offenders, o);
		free(o);
	}
}

/* ---- what is kept --------------------------------------------------------------------- */

/*
 * A conviction that costs stake covers only what was done till then, and not every lie costs any: so beyond
 * the bound one pair of votes is still kept, as long as none is that counts.  Else who fills the bound once
 * could sign two votes for nothing ever after.
 */
static bool first_that_counts(const struct replica *r, const struct piece_key *key)
{
	if (!costs_stake(r, key))
		return false;
	uint64_t convicted = state_staking(ledger_state(r->ledger))->convicted.convicted_val[key->replica].n;
	return key->height > convicted && r->dossier.offence[key->replica].n <= convicted;
}

static bool below(const struct taken *t, unsigned parts)
{
	return t->double_spends < EVIDENCE_MAX / parts && t->bytes < EVIDENCE_BYTES / parts;
}

/* What others hand on, anybody may have made up: it leaves room for what is found here. `from`: who brought
 * it; this replica itself for what it found. */
static bool room_for_double_spends(const struct replica *r, unsigned from)
{
	if (from == r->c.self)
		return below(&r->dossier.found, 1);
	return below(&r->dossier.handed, 1) && below(&r->peers[from].taken, EVIDENCE_PARTS);
}

static bool has_room(struct replica *r, const struct piece_key *key, const struct evidence_facts *f,
                     unsigned from)
{
	struct dossier *d = &r->dossier;
	const struct offender *o;

	switch ((enum qevidence_kind)key->kind) {
	case QEV_CONFLICT:
	case QEV_BAD_PROPOSAL:
		return d->of_replica[key->replica] < EVIDENCE_REPLICA_MAX || first_that_counts(r, key);
	case QEV_DOUBLE_SPEND:
		o = offender(d, &f->signer);
		return (!o || o->cnt < EVIDENCE_SIGNER_MAX) && room_for_double_spends(r, from);
	case QEV_FORK:
		return d->forks < EVIDENCE_FORK_MAX;
	}
	return false;
}

static void take(struct taken *t, const struct qdouble_spend *s)
{
	t->double_spends++;
	t->bytes += s->winner.qtx_bytes_len + s->loser.qtx_bytes_len;
}

static void tell(const struct replica *r, qevidence_kind kind, const struct evidence_facts *f, unsigned from)
{
	char first[QHASH_HEX], second[QHASH_HEX];

	hex_encode(first, f->first.b, sizeof f->first.b);
	hex_encode(second, f->second.b, sizeof f->second.b);
	if (kind == QEV_DOUBLE_SPEND)
		rlog(r, "warn", "evidence kind=double_spend winner=%s loser=%s from=%u", first, second, from);
	else if (kind == QEV_FORK)
		rlog(r, "error", "evidence kind=fork height=%llu first=%s second=%s from=%u",
		     (unsigned long long)f->height.n, first, second, from);
	else
		rlog(r, "warn", "evidence kind=replica replica=%u statement=%s view=%llu height=%llu from=%u",
		     lowest(f->culprits), statement_name(f->statement), (unsigned long long)f->view.n,
		     (unsigned long long)f->height.n, from);
}

/* Into the journal, if it is new and has room. */
static void keep(struct replica *r, struct qevidence *ev, unsigned from)
{
	struct qjournal j = {.kind = QJ_EVIDENCE};
	struct dossier *d = &r->dossier;
	struct evidence_facts f;
	struct err err = {0};

	if (!evidence_facts(r->g, ev, &f))
		return;
	struct piece_key key = key_of(r, ev, &f);
	if (find(d, &key) || !has_room(r, &key, &f, from))
		return;
	note(r, ev, &f);
	if (ev->kind == QEV_DOUBLE_SPEND) {
		const struct qdouble_spend *s = &ev->qevidence_u.double_spend;
		take(from == r->c.self ? &d->found : &d->handed, s);
		if (from != r->c.self)
			take(&r->peers[from].taken, s);
	}
	j.qjournal_u.evidence = *ev; /* borrowed: encoded at once */
	if (!ledger_journal(r->ledger, &j, &err))
		replica_stop(r, &err);
	tell(r, ev->kind, &f, from);
}

void evidence_found(struct replica *r, const struct bytes *journal)
{
	struct qjournal entry;

	must(wire_decode(WIRE(qjournal), journal->data, journal->len, &entry) && entry.kind == QJ_EVIDENCE);
	keep(r, &entry.qjournal_u.evidence, r->c.self);
	wire_free(WIRE(qjournal), &entry);
}

bool evidence_wants(struct replica *r, const struct qtxid *loser)
{
	struct piece_key key;

	memset(&key, 0, sizeof key); /* that of a double spend */
	key.kind = QEV_DOUBLE_SPEND;
	memcpy(key.second.b, loser->b, sizeof key.second.b);
	return !find(&r->dossier, &key) && room_for_double_spends(r, r->c.self);
}

void evidence_double_spend(struct replica *r, const struct tx *winner, const struct tx *loser)
{
	struct qevidence ev = {.kind = QEV_DOUBLE_SPEND};

	ev.qevidence_u.double_spend.winner = (qtx_bytes){(unsigned)winner->raw_len, winner->raw};
	ev.qevidence_u.double_spend.loser = (qtx_bytes){(unsigned)loser->raw_len, loser->raw};
	keep(r, &ev, r->c.self);
}

/* ---- the exchange ------------------------------------------------------------------------ */

void evidence_ask(struct replica *r)
{
	struct qmessage m = {.kind = QGET_EVIDENCE};

	for (unsigned i = 0; i < r->g->n; i++) {
		struct peer_state *p = &r->peers[i];
		if (i == r->c.self || r->now_ms < p->evidence_ask_ms)
			continue;
		p->evidence_ask_ms = r->now_ms + EVIDENCE_ASK_MS;
		p->evidence_asked = true;
		m.qmessage_u.get_evidence.after = p->evidence_upto;
		replica_say(r, &m, replica_bit(i));
	}
}

/* What a disk made up would make this replica a liar: is it what was kept? */
static bool is_kept(const struct replica *r, const struct qevidence *ev, size_t *len)
{
	struct evidence_facts f;
	struct qhash digest;

	*len = digest_of(ev, &digest);
	if (!evidence_facts(r->g, ev, &f))
		return false;
	struct piece_key key = key_of(r, ev, &f);
	const struct piece *p = find(&r->dossier, &key);
	return p && qhash_eq(&p->digest, &digest);
}

/* The next pieces above out->upto, as many as belong into one message. */
static enum found gather(struct replica *r, struct qevidences *out, struct err *err)
{
	enum found found = FOUND;
	size_t bytes = 0;

	while (found == FOUND && out->list.list_len < Q_EVIDENCES_MAX) {
		struct qevidence *ev = &out->list.list_val[out->list.list_len];
		int64_t seq = (int64_t)out->upto;
		found = reader_evidence(r->reader, &seq, ev, err);
		if (found != FOUND)
			break;
		size_t len;
		if (!is_kept(r, ev, &len)) {
			wire_free(WIRE(qevidence), ev);
			reader_damaged(r->reader, "evidence in the journal is not what was written", err);
			return FOUND_ERROR;
		}
		if (len <= PIECE_BYTES_MAX && bytes > 0 && bytes + len > MESSAGE_BYTES) {
			wire_free(WIRE(qevidence), ev);
			break;
		}
		out->upto = (uint64_t)seq;
		if (len > PIECE_BYTES_MAX) {
			wire_free(WIRE(qevidence), ev);
			continue;
		}
		bytes += len;
		out->list.list_len++;
	}
	return found;
}

/*
 * Where to go on for who was given all up to this number: there, or at the beginning if no evidence here has
 * it. Then the numbers are those of another journal, before the ledger was moved away and fetched anew.
 */
static bool place_of(struct replica *r, uint64_t after, uint64_t *from, struct err *err)
{
	struct qevidence ev;
	int64_t seq = (int64_t)after - 1;

	*from = 0;
	if (after == 0)
		return true;
	enum found found = reader_evidence(r->reader, &seq, &ev, err);
	if (found == FOUND)
		wire_free(WIRE(qevidence), &ev);
	if (found == FOUND && (uint64_t)seq == after)
		*from = after;
	return found != FOUND_ERROR;
}

void evidence_serve(struct replica *r, const struct message *m)
{
	struct qmessage reply = {.kind = QEVIDENCE};
	struct qevidences *out = &reply.qmessage_u.evidence;
	uint64_t after = m->m.qmessage_u.get_evidence.after, from;
	struct err err = {0};

	if (!serve_allowed(r, m->sender) || after > INT64_MAX)
		return;
	serve_charge(r, m->sender, SERVE_LOOKUP_DISK);
	if (!place_of(r, after, &from, &err)) {
		replica_stop(r, &err);
		return;
	}
	out->upto = from;
	out->list.list_val = xcalloc(Q_EVIDENCES_MAX, sizeof *out->list.list_val);
	if (gather(r, out, &err) == FOUND_ERROR)
		replica_stop(r, &err);
	else if (out->upto > from)
		serve_answer(r, m->sender, &reply);
	wire_free(WIRE(qevidences), out);
}

void evidence_on(struct replica *r, const struct message *m)
{
	const struct qevidences *e = &m->m.qmessage_u.evidence;
	struct peer_state *p = &r->peers[m->sender];

	if (!p->evidence_asked || m->sender == r->c.self) /* none is sent unasked */
		return;
	p->evidence_asked = false;
	for (unsigned i = 0; i < e->list.list_len && !replica_stopped(r); i++)
		keep(r, &e->list.list_val[i], m->sender);
	if (e->upto != p->evidence_upto) { /* it may be lower: place_of() */
		p->evidence_upto = e->upto;
		p->evidence_ask_ms = r->now_ms; /* there may be more */
	}
}
