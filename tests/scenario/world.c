/*
 * world.c: the turns of replicas, in the order of the law, and clients.
 * See world.h.
 */
#include "world.h"

#include "hash.h"

#define STORM 200000 /* events at one instant of virtual time */

/* An input that follows from an output. */
struct todo {
	unsigned i, life;
	enum engine_input_kind kind;
	struct qhash block;
	bool valid;
	uint64_t height;
	struct qhash *digests;
	size_t cnt;
	struct qheader header;
	struct qstaking staking; /* owned */
};

static bool alive(const struct world *w, unsigned i)
{
	return w->r[i].e != NULL;
}

void world_broken(struct world *w, const char *fmt, ...)
{
	va_list ap;
	char text[512];
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t from = w->trace_len > 3000 ? w->trace_len - 3000 : 0;
	fprintf(stderr, "%s\n--- BROKEN at %llu ms: %s\n%s%s", w->trace ? w->trace + from : "",
	        (unsigned long long)w->now_ms, text, w->hint ? w->hint : "", w->hint ? "\n" : "");
	fail();
	abort(); /* fail() does not return */
}

uint64_t world_random(struct world *w, uint64_t below)
{
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return below ? (z ^ z >> 31) % below : 0;
}

uint64_t world_liars(const struct world *w)
{
	uint64_t mask = 0;
	for (unsigned i = 0; i < w->n; i++)
		if (w->r[i].traitor || w->r[i].tainted)
			mask |= ONLY(i);
	return mask;
}

/* ---- blocks and bodies ---------------------------------------------------------- */

struct wblock *world_block(const struct world *w, const struct qhash *hash)
{
	for (size_t k = w->block_cnt; k-- > 0;)
		if (qhash_eq(&w->blocks[k]->hash, hash))
			return w->blocks[k];
	return NULL;
}

struct wblock *world_note_block(struct world *w, const struct qheader *header, const struct qhash *leaves,
                                size_t leaf_cnt)
{
	struct qhash hash;
	block_hash(header, &hash);
	struct wblock *b = world_block(w, &hash);
	if (!b) {
		unsigned k = w->name_cnt++;
		b = xcalloc(1, sizeof *b);
		b->hash = hash;
		b->header = *header;
		if (k < 26)
			snprintf(b->name, sizeof b->name, "%c", 'a' + (char)k);
		else
			snprintf(b->name, sizeof b->name, "%c%u", 'a' + (char)(k % 26), k / 26);
		w->blocks = xrealloc(w->blocks, (w->block_cnt + 1) * sizeof *w->blocks);
		w->blocks[w->block_cnt++] = b;
	}
	if (leaves && !b->leaves) {
		b->leaves = xmemdup(leaves, leaf_cnt * sizeof *leaves);
		b->leaf_cnt = leaf_cnt;
	}
	return b;
}

struct qhash world_fresh_leaf(struct world *w)
{
	struct qhash leaf;
	w->leaf_serial++;
	hash_bytes("test/leaf", &w->leaf_serial, sizeof w->leaf_serial, leaf.b);
	return leaf;
}

/* ---- inputs ---------------------------------------------------------------------- */

static struct todo *add_todo(struct world *w, unsigned i, enum engine_input_kind kind)
{
	if (w->todo_cnt == w->todo_cap) {
		w->todo_cap = w->todo_cap ? 2 * w->todo_cap : 16;
		w->todo = xrealloc(w->todo, w->todo_cap * sizeof *w->todo);
	}
	struct todo *t = &w->todo[w->todo_cnt++];
	*t = (struct todo){.i = i, .life = w->r[i].life, .kind = kind};
	return t;
}

void world_have_body(struct world *w, unsigned i, const struct qhash *hash)
{
	struct wblock *b = world_block(w, hash);
	b->holds |= ONLY(i);
	add_todo(w, i, IN_BODY)->block = *hash;
}

static bool is_pending(const struct world *w, unsigned i)
{
	if (w->pending & ONLY(i))
		return true;
	for (size_t k = 0; k < w->leaf_cnt; k++)
		if (w->leaves[k].at & ~w->leaves[k].executed & ONLY(i))
			return true;
	return false;
}

static void execute(struct world *w, unsigned i, const struct engine_output *o)
{
	struct disk *d = &w->r[i].disk;
	struct todo *t;
	struct qhash *digests = xcalloc(o->execute.cnt, sizeof *digests);
	check_executed(w, i, o);
	for (size_t k = 0; k < o->execute.cnt; k++) {
		struct wblock *b = world_block(w, &o->execute.hashes[k]);
		struct wexecuted *x = &d->executed[d->height + 1];
		uint8_t both[64];
		memcpy(both, d->executed[d->height].digest.b, 32);
		memcpy(both + 32, b->hash.b, 32);
		hash_bytes(w->r[i].corrupt ? "test/corrupt" : "test/state", both, sizeof both, x->digest.b);
		x->block = b->hash;
		digests[k] = x->digest;
		for (size_t l = 0; l < w->leaf_cnt; l++)
			for (size_t j = 0; j < b->leaf_cnt; j++)
				if (qhash_eq(&w->leaves[l].hash, &b->leaves[j]))
					w->leaves[l].executed |= ONLY(i);
		d->height++;
		world_say(w, "%u executes h%llu %s", i, (unsigned long long)d->height, b->name);
	}
	d->executed[d->height].has_cert = true;
	cert_copy(&d->executed[d->height].cert, &o->execute.cert);
	t = add_todo(w, i, IN_EXECUTED);
	t->staking = world_staking(w, d->height);
	t->height = d->height;
	t->digests = digests;
	t->cnt = o->execute.cnt;
}

static void validate(struct world *w, unsigned i, const struct qhash *hash)
{
	struct todo *t = add_todo(w, i, IN_VALIDATED);
	t->block = *hash;
	t->valid = !w->valid || w->valid(w, i, world_block(w, hash));
}

/* ---- seals ----------------------------------------------------------------------- */

void world_mine(const struct world *w, struct qheader *h)
{
	struct qhash hash;
	for (block_hash(h, &hash); !seal_holds(&w->g, h, &hash); block_hash(h, &hash))
		h->seal.qseal_u.pow.nonce++;
}

static void found_seal(struct world *w, unsigned i)
{
	struct replica *r = &w->r[i];
	r->mining = false;
	world_mine(w, &r->mine);
	add_todo(w, i, IN_SEALED)->header = r->mine;
}

static void seal(struct world *w, unsigned i, const struct qheader *h)
{
	w->r[i].mining = true;
	w->r[i].mine = *h;
	if (!w->r[i].hold_seal)
		found_seal(w, i);
}

void world_seal_held(struct world *w, unsigned i)
{
	must(w->r[i].mining);
	found_seal(w, i);
	turn_drain(w);
}

static void want_body(struct world *w, unsigned i, const struct engine_output *o)
{
	struct wblock *b = world_note_block(w, &o->want_body.header, NULL, 0);
	bool given = o->want_body.leaves && !(w->withhold & ONLY(i));
	if (b->holds & ONLY(i) || given)
		world_have_body(w, i, &b->hash);
	else
		net_want(w, i, &b->hash, o->want_body.from);
}

/* What is pending here is told to everybody. */
static void resend_pending(struct world *w, unsigned i)
{
	w->r[i].resends++;
	for (size_t k = 0; k < w->leaf_cnt; k++)
		if (w->leaves[k].at & ~w->leaves[k].executed & ONLY(i))
			net_leaf(w, i, &w->leaves[k].hash, BUT(i));
}

static void halt_or_mute(struct world *w, unsigned i, const struct engine_output *o)
{
	bool mutes = o->kind == OUT_MUTE;
	mutes ? w->r[i].mutes++ : w->r[i].halts++;
	world_say(w, "%u %s", i, mutes ? "mutes itself" : "halts");
	if (!mutes && !w->expect_halt)
		world_broken(w, "replica %u halts: %s", i, o->reason);
	if (mutes && !w->r[i].tainted && !w->r[i].amnesiac)
		world_broken(w, "replica %u mutes itself: %s", i, o->reason);
}

/* Everything that is neither persisted nor sent. */
static void react(struct world *w, unsigned i, struct engine_output *o)
{
	struct replica *r = &w->r[i];
	switch (o->kind) {
	case OUT_EXECUTE:
		if (r->hold_execute) {
			r->held = xrealloc(r->held, (r->held_cnt + 1) * sizeof *r->held);
			r->held[r->held_cnt++] = *o;
			memset(&o->execute, 0, sizeof o->execute); /* moved */
		} else {
			execute(w, i, o);
		}
		break;
	case OUT_WANT_BODY:
		want_body(w, i, o);
		break;
	case OUT_VALIDATE:
		if (r->hold_validate) {
			r->held_validate =
			    xrealloc(r->held_validate, (r->held_validate_cnt + 1) * sizeof *r->held_validate);
			r->held_validate[r->held_validate_cnt++] = o->block.hash;
		} else {
			validate(w, i, &o->block.hash);
		}
		break;
	case OUT_WANT_CHAIN:
		net_ask_chain(w, i, o->want_chain.from, o->want_chain.above.n);
		break;
	case OUT_RESEND_PENDING:
		resend_pending(w, i);
		break;
	case OUT_SEAL:
		seal(w, i, &o->seal);
		break;
	case OUT_SEAL_STOP:
		world_say(w, "%u stops mining", i);
		r->mining = false;
		r->seals_stopped++;
		break;
	case OUT_VIEW:
		r->new_views++;
		world_say(w, "%u enters v%llu", i, (unsigned long long)o->view.n);
		break;
	case OUT_MUTE:
	case OUT_HALT:
		halt_or_mute(w, i, o);
		break;
	case OUT_PERSIST:
	case OUT_PERSIST_BLOCK:
	case OUT_JOURNAL:
	case OUT_EVIDENCE:
	case OUT_SEND:
		break;
	}
}

static bool loses_power(struct world *w, unsigned i, enum crash_point point)
{
	if (w->r[i].crash_at != point)
		return false;
	w->r[i].crash_at = CRASH_NONE;
	world_crash(w, i);
	return true;
}

static bool persist(struct world *w, unsigned i, struct engine_outputs *out)
{
	struct disk *d = &w->r[i].disk;
	const char *contradiction = NULL;
	for (size_t k = 0; k < out->cnt; k++) {
		struct engine_output *o = &out->list[k];
		if (o->kind == OUT_PERSIST_BLOCK && !(world_block(w, &o->block.hash)->holds & ONLY(i)))
			world_broken(w, "replica %u persists a block whose body it does not hold", i);
		if (o->kind == OUT_EVIDENCE)
			check_evidence(w, i, &o->journal);
		disk_stage(d, o);
	}
	if (loses_power(w, i, CRASH_BEFORE_SYNC))
		return false;
	disk_sync(d, &contradiction);
	if (contradiction)
		world_broken(w, "replica %u: %s", i, contradiction);
	return true;
}

/* THE ORDERING LAW: persist, send, execute. */
void turn_finish(struct world *w, unsigned i, struct engine_outputs *out)
{
	bool lives = persist(w, i, out) && !loses_power(w, i, CRASH_BEFORE_SEND);
	for (size_t k = 0; lives && k < out->cnt; k++)
		if (out->list[k].kind == OUT_SEND) {
			check_durable(w, i, out->list[k].send.message);
			world_send(w, i, out->list[k].send.message, out->list[k].send.to);
		}
	lives = lives && !loses_power(w, i, CRASH_BEFORE_EXECUTE);
	for (size_t k = 0; lives && k < out->cnt; k++) {
		react(w, i, &out->list[k]);
		if (out->list[k].kind == OUT_EXECUTE && loses_power(w, i, CRASH_AFTER_EXECUTE))
			lives = false;
	}
	engine_outputs_clear(out);
	if (lives)
		disk_prune(&w->r[i].disk);
}

static bool leaf_is_on_chain(const struct world *w, unsigned i, const struct qhash *leaf, struct qhash at)
{
	const struct disk *d = &w->r[i].disk;
	const struct wblock *b;
	while ((b = world_block(w, &at)) && b->header.height.n > d->height) {
		for (size_t k = 0; k < b->leaf_cnt; k++)
			if (qhash_eq(&b->leaves[k], leaf))
				return true;
		at = b->header.parent;
	}
	return false;
}

static void maybe_propose(struct world *w, unsigned i)
{
	struct qheight height;
	struct qhash parent;
	if (!w->auto_propose || !alive(w, i) || !pbft_engine.can_propose(w->r[i].e, &height, &parent))
		return;
	for (size_t k = 0; k < w->leaf_cnt; k++) {
		struct leaf *l = &w->leaves[k];
		if (!(l->at & ~l->executed & ONLY(i)) || leaf_is_on_chain(w, i, &l->hash, parent))
			continue;
		add_todo(w, i, IN_PROPOSE)->block = l->hash;
		return;
	}
}

static void step(struct world *w, unsigned i, struct engine_input *in)
{
	struct engine_outputs out = {0};
	struct replica *r = &w->r[i];
	in->now_ms = w->now_ms + r->skew_ms;
	in->wall_ms = (uint64_t)((int64_t)(w->g.g.time_ms + 1000 + w->now_ms) + r->wall_skew_ms);
	in->pending = is_pending(w, i);
	in->unfair = r->unfair;
	if (++w->events > STORM)
		world_broken(w, "a storm: %u events at one instant", STORM);
	pbft_engine.step(r->e, in, &out);
	turn_finish(w, i, &out);
	maybe_propose(w, i);
}

void turn_drain(struct world *w)
{
	if (w->draining)
		return;
	w->draining = true;
	for (size_t k = 0; k < w->todo_cnt; k++) {
		struct todo t = w->todo[k];
		struct engine_input in = {.kind = t.kind};
		struct qheight height;
		struct qhash parent;
		switch (t.kind) {
		case IN_BODY:
			in.body.block = t.block;
			break;
		case IN_VALIDATED:
			in.validated.block = t.block;
			in.validated.valid = t.valid;
			break;
		case IN_EXECUTED:
			in.executed.height = qheight_of(t.height);
			in.executed.digests = t.digests;
			in.executed.cnt = t.cnt;
			in.executed.staking = &t.staking;
			break;
		case IN_SEALED:
			in.sealed.header = t.header;
			break;
		case IN_PROPOSE:
			in.propose.leaves = &t.block;
			in.propose.leaf_cnt = 1;
			if (alive(w, t.i) && (!pbft_engine.can_propose(w->r[t.i].e, &height, &parent) ||
			                      leaf_is_on_chain(w, t.i, &t.block, parent)))
				continue;
			break;
		case IN_TICK:
		case IN_MESSAGE:
			break;
		}
		if (alive(w, t.i) && w->r[t.i].life == t.life)
			step(w, t.i, &in);
		free(t.digests);
		wire_free(WIRE(qstaking), &t.staking);
	}
	w->todo_cnt = 0;
	w->draining = false;
}

void world_input(struct world *w, unsigned i, struct engine_input *in)
{
	if (alive(w, i))
		step(w, i, in);
	turn_drain(w);
}

void world_tick(struct world *w, unsigned i)
{
	struct engine_input in = {.kind = IN_TICK};
	world_input(w, i, &in);
}

/* ---- clients --------------------------------------------------------------------- */

void world_leaf_at(struct world *w, unsigned i, const struct qhash *leaf)
{
	for (size_t k = 0; k < w->leaf_cnt; k++)
		if (qhash_eq(&w->leaves[k].hash, leaf))
			w->leaves[k].at |= ONLY(i);
	world_tick(w, i);
}

void world_submit(struct world *w, uint64_t replicas)
{
	struct qhash leaf = world_fresh_leaf(w);
	w->leaves = xrealloc(w->leaves, (w->leaf_cnt + 1) * sizeof *w->leaves);
	w->leaves[w->leaf_cnt++] = (struct leaf){.hash = leaf};
	for (unsigned i = 0; i < w->n; i++)
		if (replicas & ONLY(i) && alive(w, i))
			world_leaf_at(w, i, &leaf);
}

const struct wblock *world_propose(struct world *w, unsigned i)
{
	struct engine_input in = {.kind = IN_PROPOSE};
	struct qhash leaf = world_fresh_leaf(w), parent;
	struct qheight height;
	if (!alive(w, i) || !pbft_engine.can_propose(w->r[i].e, &height, &parent))
		world_broken(w, "replica %u cannot propose", i);
	in.propose.leaves = &leaf;
	in.propose.leaf_cnt = 1;
	size_t before = w->block_cnt;
	world_input(w, i, &in);
	if (w->block_cnt == before)
		world_broken(w, "replica %u proposed nothing", i);
	return w->blocks[before];
}

/* ---- what a story holds back ---------------------------------------------------- */

void turn_forget_held(struct replica *r)
{
	struct engine_outputs held = {.list = r->held, .cnt = r->held_cnt};
	engine_outputs_clear(&held);
	r->held = NULL;
	r->held_cnt = 0;
	free(r->held_validate);
	r->held_validate = NULL;
	r->held_validate_cnt = 0;
}

void world_execute_held(struct world *w, unsigned i)
{
	struct replica *r = &w->r[i];
	struct engine_outputs held = {.list = r->held, .cnt = r->held_cnt};
	r->held = NULL;
	r->held_cnt = 0;
	r->hold_execute = false;
	for (size_t k = 0; k < held.cnt; k++)
		execute(w, i, &held.list[k]);
	engine_outputs_clear(&held);
	turn_drain(w);
}

void world_validate_held(struct world *w, unsigned i)
{
	struct replica *r = &w->r[i];
	struct qhash *held = r->held_validate;
	size_t cnt = r->held_validate_cnt;
	r->held_validate = NULL;
	r->held_validate_cnt = 0;
	r->hold_validate = false;
	for (size_t k = 0; k < cnt; k++)
		validate(w, i, &held[k]);
	free(held);
	turn_drain(w);
}
