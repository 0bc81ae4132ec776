/*
 * clients_hostile.c: clients that cheat. They own the last accounts, remember every output that they ever
 * had, spent or not, and know everything about everybody. What breaks a rule by itself must never get past
 * tx_parse() and verify_tx(); what breaks one on every state must never be accepted; the rest is a matter of
 * luck, for at most one of each pair.
 */
#include <utlist.h>

#include "clients_impl.h"

#define DEED_PPM 350000 /* a tick */
#define LOOT_MAX 4096   /* outputs remembered */
#define COLLUDE_MAX 200 /* transactions lent to traitors in a run */

uint64_t scene_draw(struct scene *e, uint64_t below)
{
	return client_draw(&e->rng, below);
}

/* ---- handing in ----------------------------------------------------------------------------- */

static void look_around(struct scene *e)
{
	unsigned all[SIM_MACHINES_MAX], cnt = clients_machines(e->c, all);
	uint64_t from = scene_draw(e, 2 * SIM_FAULTY_MAX);

	for (unsigned i = 0; i < cnt; i++)
		e->slots[i] = all[(from + i) % cnt];
	e->slot_cnt = cnt;
}

/* To the i-th machine of the scene. */
void scene_hand(struct scene *e, struct deal *d, unsigned i)
{
	enum tx_verdict v;
	unsigned slot;

	if (!d || e->slot_cnt == 0 || e->c->s->broken)
		return;
	slot = e->slots[i % e->slot_cnt];
	if (machine_up(&e->c->s->machines[slot]))
		deal_hand(e->c, d, slot, &v);
}

void scene_hand_to_all(struct scene *e, struct deal *d)
{
	for (unsigned i = 0; i < e->slot_cnt; i++)
		scene_hand(e, d, i);
}

void scene_hand_later(struct scene *e, struct deal *d, uint64_t ms)
{
	struct clients *c = e->c;

	if (!d || e->slot_cnt == 0)
		return;
	if (c->errand_cnt == c->errand_cap) {
		c->errand_cap = c->errand_cap ? 2 * c->errand_cap : 16;
		c->errands = xrealloc(c->errands, c->errand_cap * sizeof *c->errands);
	}
	c->errands[c->errand_cnt++] =
	    (struct errand){c->s->now_ms + ms, d, e->slots[scene_draw(e, e->slot_cnt)]};
}

static void run_errands(struct clients *c)
{
	size_t left = 0, cnt = c->errand_cnt;
	enum tx_verdict v;

	for (size_t i = 0; i < cnt; i++) {
		struct errand one = c->errands[i];

		if (one.at_ms > c->s->now_ms || c->s->broken)
			c->errands[left++] = one;
		else if (machine_up(&c->s->machines[one.machine]))
			deal_hand(c, one.deal, one.machine, &v);
	}
	c->errand_cnt = left;
}

/* ---- making ------------------------------------------------------------------------------------ */

/* Mostly one of the latest: of the others, most are spent, which is of use, too. */
bool scene_loot(const struct clients *c, uint64_t *rng, struct coin *coin)
{
	uint64_t latest = client_draw(rng, 16), any = client_draw(rng, UINT32_MAX);
	bool old = client_draw(rng, 4) == 0;
	size_t cnt = c->loot.cnt;

	if (cnt == 0)
		return false;
	*coin = c->loot.list[old || cnt < 16 ? any % cnt : cnt - 1 - latest];
	return true;
}

unsigned scene_cheat(struct scene *e) /* an account of theirs */
{
	return HOSTILE_FIRST + (unsigned)scene_draw(e, SIM_ACCOUNTS - HOSTILE_FIRST);
}

static bool begin(struct scene *e, struct plan *d)
{
	plan_init(d);
	return scene_loot(e->c, &e->rng, &d->ins[d->in_cnt++]);
}

/* All to one of theirs; the memo tells it from others that spend the same. */
struct deal *scene_finish(struct scene *e, struct plan *d)
{
	if (d->out_cnt == 0)
		plan_pay(e->c, d, scene_cheat(e), plan_sum(d));
	if (d->memo_len == 0) {
		for (size_t i = 0; i < sizeof d->mark; i++)
			d->mark[i] = (uint8_t)(e->rng >> 8 * i);
		d->memo = d->mark;
		d->memo_len = sizeof d->mark;
	}
	return deal_make(e->c, d, HOSTILE);
}

static struct deal *plain(struct scene *e)
{
	struct plan d;

	return begin(e, &d) ? scene_finish(e, &d) : NULL;
}

/* ---- deeds: conflicts --------------------------------------------------------------------------- */

static void rivals(struct scene *e, unsigned cnt)
{
	struct plan d;

	if (!begin(e, &d))
		return;
	for (unsigned i = 0; i < cnt; i++) {
		d.out_cnt = d.memo_len = 0;
		scene_draw(e, 2); /* another memo */
		scene_hand(e, scene_finish(e, &d), i);
	}
}

static void double_spend(struct scene *e)
{
	rivals(e, 2);
}

static void triple_spend(struct scene *e)
{
	rivals(e, 3 + (unsigned)scene_draw(e, 6));
}

/* Each conflicts with its neighbours. */
static void ring_of_conflicts(struct scene *e)
{
	struct coin coins[4];
	unsigned cnt = 0;
	struct plan d;

	for (unsigned i = 0; i < 12 && cnt < 4; i++) {
		struct coin coin;
		bool have = scene_loot(e->c, &e->rng, &coin);

		for (unsigned k = 0; k < cnt && have; k++)
			have = !qoutpoint_eq(&coins[k].point, &coin.point);
		if (have)
			coins[cnt++] = coin;
	}
	for (unsigned i = 0; i < cnt && cnt > 1; i++) {
		plan_init(&d);
		d.ins[d.in_cnt++] = coins[i];
		d.ins[d.in_cnt++] = coins[(i + 1) % cnt];
		scene_hand(e, scene_finish(e, &d), i);
	}
}

/* ---- deeds: order of arrival ------------------------------------------------------------------------ */

static struct deal *child_of(struct scene *e, struct deal *parent)
{
	struct plan d;

	plan_init(&d);
	d.ins[d.in_cnt++] = deal_output(e->c, parent, 0);
	return scene_finish(e, &d);
}

static void orphan(struct scene *e) /* nobody ever sees its parent */
{
	struct deal *parent = plain(e);

	if (parent)
		scene_hand_to_all(e, child_of(e, parent));
}

static void child_first(struct scene *e)
{
	struct deal *parent = plain(e), *child = parent ? child_of(e, parent) : NULL;

	scene_hand(e, child, 0);
	scene_hand_later(e, parent, scene_draw(e, 300));
	scene_hand_later(e, child, scene_draw(e, 600));
	scene_hand_later(e, child, scene_draw(e, 1200));
}

/* Two families that fight over one output, their members dealt out. */
static void families(struct scene *e)
{
	struct plan d;

	if (!begin(e, &d))
		return;
	for (unsigned family = 0; family < 2; family++) {
		d.out_cnt = d.memo_len = 0;
		scene_draw(e, 2);
		struct deal *member = scene_finish(e, &d);
		for (unsigned i = 0; i < 4 && member; i++) {
			scene_hand(e, member, family);
			member = child_of(e, member);
			scene_hand_later(e, member, scene_draw(e, 200));
		}
	}
}

/* ---- deeds: time ----------------------------------------------------------------------------------------
 */

static void expired(struct scene *e)
{
	uint64_t height = check_height(e->c->s), late = scene_draw(e, 3);
	struct plan d;

	if (!begin(e, &d))
		return;
	d.expiry = height > late ? height - late : 1;
	scene_hand_to_all(e, scene_finish(e, &d));
}

static void expires_at_once(struct scene *e)
{
	struct plan d;

	if (!begin(e, &d))
		return;
	d.expiry = check_height(e->c->s) + 1 + scene_draw(e, 3);
	struct deal *parent = scene_finish(e, &d);
	scene_hand(e, parent, 0);
	if (parent)
		scene_hand(e, child_of(e, parent), 0); /* goes down with it */
}

static void again(struct scene *e)
{
	if (e->c->final_cnt == 0)
		return;
	scene_hand_to_all(e, e->c->finals[scene_draw(e, e->c->final_cnt)]);
}

/* One of theirs that never came to anything, perhaps for good reason. */
static struct deal *any_open(struct scene *e)
{
	struct deal *d;
	uint64_t left = scene_draw(e, 50);

	DL_FOREACH(e->c->open, d)
	if (d->kind == HOSTILE && left-- == 0)
		return d;
	return NULL;
}

static void any_again(struct scene *e)
{
	struct deal *d = any_open(e);

	if (d)
		scene_hand_to_all(e, d);
}

/* ---- deeds: much ------------------------------------------------------------------------------------------
 */

static void everywhere(struct scene *e)
{
	scene_hand_to_all(e, plain(e));
}

static void insist(struct scene *e)
{
	struct deal *d = plain(e);

	for (unsigned i = 0; i < 5; i++)
		scene_hand(e, d, 0);
}

/* One owner, one chain, one replica. */
static void flood(struct scene *e)
{
	struct deal *d = plain(e);
	uint64_t cnt = 5 + scene_draw(e, 30);

	for (uint64_t i = 0; i < cnt && d; i++) {
		struct plan next;

		scene_hand(e, d, 0);
		plan_init(&next);
		next.ins[next.in_cnt++] = deal_output(e->c, d, 0);
		plan_pay(e->c, &next, next.ins[0].account, next.ins[0].amount);
		d = scene_finish(e, &next);
	}
}

static void split(struct scene *e, unsigned cnt)
{
	struct plan d;
	uint64_t sum;

	if (!begin(e, &d))
		return;
	sum = plan_sum(&d);
	while (d.out_cnt + 1 < cnt && sum > 1) {
		plan_pay(e->c, &d, scene_cheat(e), 1);
		sum--;
	}
	plan_pay(e->c, &d, scene_cheat(e), sum);
	scene_hand(e, scene_finish(e, &d), 0);
}

static void dust(struct scene *e)
{
	split(e, 4 + (unsigned)scene_draw(e, 20));
}

static void huge(struct scene *e)
{
	split(e, scene_draw(e, 8) == 0 ? PLAN_OUTS : 50 + (unsigned)scene_draw(e, 100));
}

static void long_memo(struct scene *e)
{
	uint8_t memo[Q_MEMO_MAX];
	struct plan d;

	if (!begin(e, &d))
		return;
	for (size_t i = 0; i < sizeof memo; i++)
		memo[i] = (uint8_t)scene_draw(e, 256);
	d.memo = memo;
	d.memo_len = sizeof memo;
	scene_hand(e, scene_finish(e, &d), 0);
}

/* ---- deeds: invalid on every state
 * --------------------------------------------------------------------------- */

static struct deal *minting(struct scene *e)
{
	struct plan d;

	if (!begin(e, &d))
		return NULL;
	uint64_t sum = plan_sum(&d), how = scene_draw(e, 3);
	plan_pay(e->c, &d, scene_cheat(e),
	         how == 0 && sum > 1 ? sum - 1
	         : how == 1          ? sum + 1
	                             : TX_AMOUNT_MAX);
	struct deal *deal = scene_finish(e, &d);
	if (deal)
		deal->invalid = true;
	return deal;
}

static struct deal *theft(struct scene *e)
{
	const struct coins *coins = &e->c->coins;
	struct plan d;

	if (coins->cnt == 0)
		return NULL;
	plan_init(&d);
	d.ins[d.in_cnt++] = coins->list[scene_draw(e, coins->cnt)];
	d.signer = (int)scene_cheat(e);
	struct deal *deal = scene_finish(e, &d);
	if (deal)
		deal->invalid = true;
	return deal;
}

static void mint(struct scene *e)
{
	scene_hand_to_all(e, minting(e));
}

static void steal(struct scene *e)
{
	scene_hand_to_all(e, theft(e));
}

/* ---- deeds: malformed
 * ---------------------------------------------------------------------------------------------- */

/* As a replica's front door would: nothing may come of it. */
static void must_be_refused(struct scene *e, const char *what, const uint8_t *raw, size_t len)
{
	struct sim *s = e->c->s;
	enum tx_verdict v;
	struct tx *tx = tx_parse(&s->g.chain, raw, len, &v);

	if (tx && verify_tx(&s->g, s->cache, tx))
		sim_broken(s, "clients: a transaction passes with %s", what);
	tx_unref(tx);
}

/* As tx_make() would, without asking whether it keeps to the rules. */
void scene_present(struct scene *e, const char *what, const struct qtx_body *body, unsigned first_signer,
                   unsigned signer_cnt)
{
	struct qwitness witnesses[4];
	struct qtx q = {.body = *body, .witnesses = {signer_cnt, witnesses}};
	struct bytes raw;
	struct qtxid id;

	must(signer_cnt <= sizeof witnesses / sizeof *witnesses);
	tx_id(&e->c->s->g.chain, body, &id);
	for (unsigned i = 0; i < signer_cnt; i++) {
		const struct account *signer =
		    e->c->s->accounts[HOSTILE_FIRST + (first_signer + i) % (SIM_ACCOUNTS - HOSTILE_FIRST)];
		witnesses[i].key = account_key(signer);
		account_sign(signer, &id, &witnesses[i].sig);
	}
	must(wire_encode(WIRE(qtx), &q, &raw));
	must_be_refused(e, what, raw.data, raw.len);
	bytes_free(&raw);
}

static void bad_form(struct scene *e)
{
	struct qaddress owner = e->c->addresses[scene_cheat(e)];
	struct qoutput outs[3] = {{owner, 1}, {owner, TX_AMOUNT_MAX}, {owner, UINT64_MAX}}, none = {owner, 0};
	struct coin coin;

	if (!scene_loot(e->c, &e->rng, &coin))
		return;
	unsigned signer = coin.account - HOSTILE_FIRST;
	struct qoutpoint twice[2] = {coin.point, coin.point};
	struct qtx_body body = {.inputs = {1, twice}, .outputs = {1, outs}};

	body.outputs.outputs_len = 2;
	scene_present(e, "a sum above the greatest amount", &body, signer, 1);
	body.outputs.outputs_len = 3;
	scene_present(e, "a sum that overflows", &body, signer, 1);
	body.outputs.outputs_val = &none;
	body.outputs.outputs_len = 1;
	scene_present(e, "an amount of zero", &body, signer, 1);
	body.outputs.outputs_len = 0;
	scene_present(e, "no output", &body, signer, 1);
	body.outputs.outputs_val = outs;
	body.outputs.outputs_len = 1;
	scene_present(e, "no witness", &body, signer, 0);
	scene_present(e, "more witnesses than inputs", &body, signer, 2);
	body.inputs.inputs_len = 2;
	scene_present(e, "an output spent twice", &body, signer, 1);
	body.inputs.inputs_len = 0;
	scene_present(e, "no input", &body, signer, 0);
}

/* n of secp256k1 */
static const uint8_t group_order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                                        0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};

/* The other s that satisfies the equation, which is not the low one. */
static void make_high_s(uint8_t s[32])
{
	int borrow = 0;

	for (int i = 31; i >= 0; i--) {
		int digit = group_order[i] - s[i] - borrow;
		borrow = digit < 0;
		s[i] = (uint8_t)(digit + 256 * borrow);
	}
}

static void forge(struct scene *e)
{
	struct deal *d = plain(e);
	struct bytes raw;
	struct qtx q;

	if (!d)
		return;
	for (unsigned how = 0; how < 4; how++) {
		q = d->tx->q; /* borrows all of it */
		struct qwitness w = q.witnesses.witnesses_val[0];
		uint64_t bit = scene_draw(e, 512);
		if (how == 0)
			make_high_s(w.sig.b + 32);
		else if (how == 1)
			memset(w.sig.b, 0, sizeof w.sig.b);
		else if (how == 2)
			w.sig.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		else
			for (unsigned i = 0; i < 64; i++)
				w.sig.b[i] = (uint8_t)scene_draw(e, 256);
		q.witnesses.witnesses_val = &w;
		q.witnesses.witnesses_len = 1;
		must(wire_encode(WIRE(qtx), &q, &raw));
		must_be_refused(e, how == 0 ? "a high S" : "a forged signature", raw.data, raw.len);
		bytes_free(&raw);
	}
	scene_hand(e, d, 0); /* the true one */
}

/* Any change of any byte, missing ones and further ones. */
static void mangle(struct scene *e)
{
	struct deal *d = plain(e);

	if (!d)
		return;
	size_t len = d->tx->raw_len;
	uint8_t *raw = xcalloc(len + 4, 1);
	memcpy(raw, d->tx->raw, len);
	must_be_refused(e, "bytes after its end", raw, len + 4);
	must_be_refused(e, "its end missing", raw, len - 4 * (1 + scene_draw(e, len / 4)));
	for (unsigned i = 0; i < 3; i++) {
		size_t at = scene_draw(e, len);
		raw[at] ^= (uint8_t)(1u << scene_draw(e, 8));
		must_be_refused(e, "a changed byte", raw, len);
		raw[at] = d->tx->raw[at];
	}
	free(raw);
	scene_hand(e, d, 0);
}

/* ---- the list
 * ------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned weight;
	void (*commit)(struct scene *e);
} deeds[] = {
    {"double spend", 8, double_spend},
    {"triple spend", 4, triple_spend},
    {"ring of conflicts", 3, ring_of_conflicts},
    {"orphan", 3, orphan},
    {"child first", 4, child_first},
    {"families", 2, families},
    {"expired", 2, expired},
    {"expires at once", 3, expires_at_once},
    {"again", 4, again},
    {"any again", 2, any_again},
    {"everywhere", 3, everywhere},
    {"insist", 1, insist},
    {"flood", 1, flood},
    {"dust", 2, dust},
    {"huge", 1, huge},
    {"long memo", 1, long_memo},
    {"mint", 3, mint},
    {"steal", 3, steal},
    {"bad form", 2, bad_form},
    {"forge", 2, forge},
    {"mangle", 2, mangle},
    {"locks", 2, cheat_with_locks},
    {"stake", 0, cheat_with_stake},
    {"offence", 1, cheat_with_offences},
};
#define DEEDS (sizeof deeds / sizeof *deeds)

/* Where stake is worth something, it is worth cheating with. */
static unsigned weight(const struct scene *e, size_t deed)
{
	bool staking = deeds[deed].commit == cheat_with_stake || deeds[deed].commit == cheat_with_locks ||
	               deeds[deed].commit == cheat_with_offences;

	return deeds[deed].weight + (staking && by_stake(e->c) ? 5 : 0);
}

static size_t choose_deed(struct scene *e)
{
	unsigned sum = 0, at;
	size_t i = 0;

	for (size_t k = 0; k < DEEDS; k++)
		sum += weight(e, k);
	at = (unsigned)scene_draw(e, sum);
	while (at >= weight(e, i))
		at -= weight(e, i++);
	return i;
}

void hostile_tick(struct clients *c)
{
	struct scene e = {.c = c, .rng = sim_random(c->s, FAULT_CLIENT, UINT64_MAX)};
	size_t which;

	run_errands(c);
	if (!sim_strikes(c->s, FAULT_CLIENT, DEED_PPM) || c->s->broken || c->loot.cnt > LOOT_MAX)
		return;
	look_around(&e);
	which = choose_deed(&e);
	trace_line(c->s, "client deed %s", deeds[which].name);
	deeds[which].commit(&e);
}

/* ---- for traitors
 * ------------------------------------------------------------------------------------------------------ */

static struct deal *colluding(struct scene *e)
{
	struct clients *c = e->c;
	uint64_t how = scene_draw(e, 10);
	struct plan d;

	if (how >= 8)
		return any_open(e);
	if (how == 0)
		return minting(e);
	if (how == 1)
		return theft(e);
	plan_init(&d);
	if (how >= 5 || c->collude_coin.amount == 0) /* else it conflicts with the last one */
		if (!scene_loot(c, &e->rng, &c->collude_coin))
			return NULL;
	d.ins[d.in_cnt++] = c->collude_coin;
	return scene_finish(e, &d);
}

struct tx *clients_collude(struct sim *s)
{
	struct clients *c = s->clients;

	if (!c || c->loot.cnt == 0 || ++c->collude_cnt > COLLUDE_MAX)
		return NULL;
	struct scene e = {.c = c, .rng = c->collude_rng++};
	struct deal *d = colluding(&e);
	return d ? d->tx : NULL;
}
