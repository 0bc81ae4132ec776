/*
 * clients_cheat.c: every way to cheat with locks, stake and offences. What is wrong on every state must never
 * be accepted; the naive ledger (check_stake.c) knows of the rest whether it may be executed.
 */
#include "cert.h"
#include "clients_impl.h"

static struct deal *never(struct deal *d)
{
	if (d)
		d->invalid = true;
	return d;
}

static unsigned any_replica(struct scene *e)
{
	return (unsigned)scene_draw(e, e->c->s->n);
}

/* ---- locks out of nothing ---------------------------------------------------------------------------------
 */

void cheat_with_locks(struct scene *e)
{
	const enum qlock_kind kinds[] = {QLOCK_STAKE, QLOCK_RELEASE, QLOCK_FROZEN};
	enum qlock_kind kind = kinds[scene_draw(e, 3)];
	uint64_t far = scene_draw(e, 3), beyond = scene_draw(e, 3) == 0;
	unsigned replica = any_replica(e);
	struct plan d;

	plan_init(&d);
	if (!scene_loot(e->c, &e->rng, &d.ins[d.in_cnt++]))
		return;
	if (beyond)
		replica = far == 0 ? UINT32_MAX : e->c->s->n + (unsigned)far - 1;
	plan_lock(e->c, &d, scene_cheat(e), plan_sum(&d), kind, replica);
	struct deal *deal = scene_finish(e, &d);
	if (beyond || kind != QLOCK_STAKE || !by_stake(e->c))
		never(deal);
	scene_hand_to_all(e, deal);
}

/* ---- stake
 * ---------------------------------------------------------------------------------------------------- */

/* An output that they locked, perhaps spent since; mostly one of the latest. */
static bool pledged(struct scene *e, enum qlock_kind kind, struct coin *coin)
{
	const struct coins *all = &e->c->pledged;
	uint64_t from = scene_draw(e, 8) + (scene_draw(e, 4) ? 0 : scene_draw(e, UINT32_MAX));

	for (size_t i = 0; i < all->cnt; i++) {
		*coin = all->list[all->cnt - 1 - (from + i) % all->cnt];
		if (coin->lock.kind == kind)
			return true;
	}
	return false;
}

static bool begin(struct scene *e, struct plan *d, enum qlock_kind kind)
{
	plan_init(d);
	return pledged(e, kind, &d->ins[d->in_cnt++]);
}

static void lock_back_of(const struct clients *c, struct plan *d, uint64_t amount, enum qlock_kind kind)
{
	plan_lock(c, d, d->ins[0].account, amount, kind, d->ins[0].lock.qlock_u.replica);
}

static void lock_back(struct scene *e, struct plan *d, uint64_t amount, enum qlock_kind kind)
{
	lock_back_of(e->c, d, amount, kind);
}

static void as_if_free(struct scene *e)
{
	struct plan d;

	if (begin(e, &d, scene_draw(e, 2) ? QLOCK_STAKE : QLOCK_FROZEN))
		scene_hand_to_all(e, never(scene_finish(e, &d)));
}

static void mixed(struct scene *e)
{
	struct plan d;

	if (!begin(e, &d, QLOCK_STAKE) || !scene_loot(e->c, &e->rng, &d.ins[d.in_cnt++]))
		return;
	lock_back(e, &d, plan_sum(&d), scene_draw(e, 2) ? QLOCK_STAKE : QLOCK_RELEASE);
	scene_hand_to_all(e, never(scene_finish(e, &d)));
}

static void to_where_it_cannot_go(struct scene *e)
{
	unsigned owner, replica, n = e->c->s->n;
	struct plan d;

	if (!begin(e, &d, QLOCK_STAKE))
		return;
	owner = d.ins[0].account;
	replica = d.ins[0].lock.qlock_u.replica;
	if (scene_draw(e, 2) || n == 1)
		owner = owner == HOSTILE_FIRST ? 0 : HOSTILE_FIRST;
	else
		replica = (replica + 1) % n;
	plan_lock(e->c, &d, owner, plan_sum(&d), scene_draw(e, 2) ? QLOCK_STAKE : QLOCK_RELEASE, replica);
	scene_hand_to_all(e, never(scene_finish(e, &d)));
}

static void stake_of_two(struct scene *e)
{
	const struct coin *a, *b;
	struct plan d;

	if (!begin(e, &d, QLOCK_STAKE) || !pledged(e, QLOCK_STAKE, &d.ins[d.in_cnt++]))
		return;
	a = &d.ins[0];
	b = &d.ins[1];
	if (qoutpoint_eq(&a->point, &b->point))
		return;
	lock_back(e, &d, plan_sum(&d), QLOCK_RELEASE);
	struct deal *deal = scene_finish(e, &d);
	if (a->account != b->account || a->lock.qlock_u.replica != b->lock.qlock_u.replica)
		never(deal);
	scene_hand_to_all(e, deal);
}

static void release_too_much(struct scene *e)
{
	struct plan d;

	if (!begin(e, &d, QLOCK_STAKE))
		return;
	lock_back(e, &d, plan_sum(&d) + 1, QLOCK_RELEASE);
	scene_hand_to_all(e, never(scene_finish(e, &d)));
}

/* All of it, and no penalty, due or not: who is convicted meanwhile has to pay. */
static void release_without_penalty(struct scene *e)
{
	struct plan d;

	if (!begin(e, &d, QLOCK_STAKE))
		return;
	lock_back(e, &d, plan_sum(&d), scene_draw(e, 4) ? QLOCK_RELEASE : QLOCK_STAKE);
	scene_hand_to_all(e, scene_finish(e, &d));
}

/* The penalty, or one off it, or all. */
static void release_with_penalty(struct scene *e)
{
	uint64_t sum, due, off = scene_draw(e, 6);
	struct plan d;

	if (!begin(e, &d, QLOCK_STAKE))
		return;
	sum = plan_sum(&d);
	due = check_penalty(e->c->s, &d.ins[0].point);
	due = off == 0 ? due + 1 : off == 1 && due > 0 ? due - 1 : off == 2 ? sum : due;
	due = due > sum ? sum : due;
	if (due > 0)
		lock_back(e, &d, due, QLOCK_FROZEN);
	if (due < sum)
		lock_back(e, &d, sum - due, QLOCK_RELEASE);
	scene_hand_to_all(e, scene_finish(e, &d));
}

/* Before its time, by one height as a rule; with or without the penalty. */
static void spend_early(struct scene *e)
{
	uint64_t due, sum, pays = scene_draw(e, 2);
	struct plan d;

	if (!begin(e, &d, QLOCK_RELEASE))
		return;
	sum = plan_sum(&d);
	due = pays ? check_penalty(e->c->s, &d.ins[0].point) : 0;
	if (due > 0)
		lock_back(e, &d, due, QLOCK_FROZEN);
	if (due < sum)
		plan_pay(e->c, &d, scene_cheat(e), sum - due);
	scene_hand_to_all(e, scene_finish(e, &d));
}

void cheat_with_stake(struct scene *e)
{
	static void (*const ways[])(struct scene *) = {
	    as_if_free,       mixed,
	    stake_of_two,     to_where_it_cannot_go,
	    release_too_much, release_without_penalty,
	    spend_early,      release_with_penalty,
	};

	ways[scene_draw(e, sizeof ways / sizeof *ways)](e);
}

/* The newest of their outputs with this lock, of this replica or of any (n), unspent, as inputs: at most so
 * many, all of one owner and replica. */
static bool newest(struct sim *s, struct plan *d, enum qlock_kind kind, unsigned replica, unsigned most)
{
	const struct coins *coins = kind == QLOCK_NONE ? &s->clients->loot : &s->clients->pledged;

	plan_init(d);
	for (size_t i = coins->cnt; i-- > 0 && d->in_cnt < most;) {
		const struct coin *coin = &coins->list[i];
		bool fits = coin->lock.kind == kind && check_unspent(s, &coin->point);
		if (kind != QLOCK_NONE && replica < s->n)
			fits = fits && coin->lock.qlock_u.replica == replica;
		if (d->in_cnt > 0)
			fits = fits && coin->account == d->ins[0].account &&
			       coin->lock.qlock_u.replica == d->ins[0].lock.qlock_u.replica;
		if (fits)
			d->ins[d->in_cnt++] = *coin;
	}
	return d->in_cnt > 0;
}

/* What is tried at another height is another transaction. */
static void try_it(struct sim *s, struct plan *d)
{
	struct clients *c = s->clients;
	unsigned slots[SIM_MACHINES_MAX], cnt = clients_machines(c, slots);
	enum tx_verdict v;

	for (size_t i = 0; i < sizeof d->mark; i++)
		d->mark[i] = (uint8_t)(check_height(s) >> 8 * i);
	d->memo = d->mark;
	d->memo_len = sizeof d->mark;
	struct deal *deal = deal_make(c, d, HOSTILE);
	for (unsigned i = 0; i < cnt && deal && !s->broken; i++)
		if (machine_up(&s->machines[slots[i]]))
			deal_hand(c, deal, slots[i], &v);
}

void clients_leave(struct sim *s, unsigned replica, bool all)
{
	struct plan d;
	uint64_t due = 0;

	if (!s->clients || !by_stake(s->clients) || !newest(s, &d, QLOCK_STAKE, replica, all ? PLAN_INS : 1))
		return;
	lock_back_of(s->clients, &d, plan_sum(&d), QLOCK_RELEASE);
	try_it(s, &d);
	for (unsigned i = 0; i < d.in_cnt; i++)
		due += check_penalty(s, &d.ins[i].point);
	if (due < 2 || s->broken)
		return;
	d.out_cnt = 0;
	lock_back_of(s->clients, &d, due - 1, QLOCK_FROZEN);
	lock_back_of(s->clients, &d, plan_sum(&d) - due + 1, QLOCK_RELEASE);
	try_it(s, &d);
}

void clients_bond(struct sim *s, unsigned replica)
{
	struct plan d;

	if (!s->clients || !by_stake(s->clients) || !newest(s, &d, QLOCK_NONE, replica, PLAN_INS))
		return;
	plan_lock(s->clients, &d, s->staker[replica], plan_sum(&d), QLOCK_STAKE, replica);
	try_it(s, &d);
}

void clients_escape(struct sim *s)
{
	struct plan d;

	if (!s->clients || !by_stake(s->clients) || !newest(s, &d, QLOCK_RELEASE, s->n, 1))
		return;
	plan_pay(s->clients, &d, d.ins[0].account, plan_sum(&d));
	try_it(s, &d);
}

/* ---- offences
 * ---------------------------------------------------------------------------------------------------- */

static void make_up(struct scene *e, struct qhash *h)
{
	for (size_t i = 0; i < sizeof h->b; i++)
		h->b[i] = (uint8_t)scene_draw(e, 256);
}

/* With the key of this replica, a traitor's. */
static void sign(const struct scene *e, unsigned replica, const struct qoffence *o, const struct qvote *vote,
                 struct qsig *sig)
{
	uint8_t body[CERT_STATEMENT_MAX];
	size_t len = cert_statement(o->kind, vote, body);

	ident_sign(e->c->s->ids[replica], &e->c->s->g.chain, body, len, sig);
}

static struct qoffence offence_at(struct scene *e, unsigned traitor, uint64_t height)
{
	const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};
	struct qoffence o = {.replica = traitor, .kind = kinds[scene_draw(e, 3)]};
	uint64_t view = scene_draw(e, 4);

	o.first.height = qheight_of(height);
	o.first.view = qview_of(o.kind == QCHECKPOINT ? 0 : view);
	make_up(e, &o.first.block);
	o.second = o.first;
	if (o.kind == QCHECKPOINT) {
		make_up(e, &o.first.state);
		make_up(e, &o.second.state);
	} else {
		make_up(e, &o.second.block);
	}
	sign(e, traitor, &o, &o.first, &o.first_sig);
	sign(e, traitor, &o, &o.second, &o.second_sig);
	return o;
}

static struct deal *report(struct scene *e, const struct qoffence *o)
{
	struct plan d;

	plan_init(&d);
	if (!scene_loot(e->c, &e->rng, &d.ins[d.in_cnt++]))
		return NULL;
	d.offence = o;
	return scene_finish(e, &d);
}

/* At, below and above the height of the last conviction, and of the chain. */
static void true_offence(struct scene *e, unsigned traitor)
{
	uint64_t top = check_height(e->c->s), last = check_last_conviction(e->c->s, traitor);
	const uint64_t heights[] = {top, top + 1, top + 2 + scene_draw(e, 8), last, last + 1, 1};
	uint64_t height = heights[scene_draw(e, sizeof heights / sizeof *heights)];
	struct qoffence o = offence_at(e, traitor, height ? height : 1);
	bool twice = scene_draw(e, 2), bonds = scene_draw(e, 3) == 0;
	struct deal *deal = report(e, &o);

	if (bonds) /* in the very block of the conviction, perhaps */
		clients_bond(e->c->s, traitor);

	if (!by_stake(e->c))
		never(deal);
	scene_hand_to_all(e, deal);
	if (twice) { /* two for one */
		deal = report(e, &o);
		scene_hand_to_all(e, by_stake(e->c) ? deal : never(deal));
	}
}

static void forged_offence(struct scene *e, unsigned traitor)
{
	struct qoffence good = offence_at(e, traitor, 1 + check_height(e->c->s)), o = good;
	struct qoutput out = {.owner = e->c->addresses[scene_cheat(e)], .amount = 1};
	struct coin coin;

	if (!scene_loot(e->c, &e->rng, &coin))
		return;
	unsigned signer = coin.account - HOSTILE_FIRST;
	struct qtx_body body = {.inputs = {1, &coin.point}, .outputs = {1, &out}, .offence = {1, &o}};

	o.first_sig.b[scene_draw(e, 64)] ^= 1;
	scene_present(e, "an offence that nobody signed", &body, signer, 1);
	o = good;
	o.second = o.first;
	o.second_sig = o.first_sig;
	scene_present(e, "one vote twice as offence", &body, signer, 1);
	o = good;
	o.second.height.n++;
	sign(e, traitor, &o, &o.second, &o.second_sig);
	scene_present(e, "votes of two heights as offence", &body, signer, 1);
	o = good;
	o.replica = (traitor + 1) % e->c->s->n;
	scene_present(e, "another replica's offence", &body, signer, 1);
	o = good;
	o.replica = e->c->s->n;
	scene_present(e, "an offence of nobody", &body, signer, 1);
	o = good;
	o.kind = QPRE_PREPARE;
	scene_present(e, "an offence of a kind that is none", &body, signer, 1);
	o = good;
	o.kind = good.kind == QPREPARE ? QCOMMIT : QPREPARE;
	scene_present(e, "an offence of another kind than what was signed", &body, signer, 1);
	if (good.kind == QCHECKPOINT)
		return;
	o = good;
	o.second.view.n++;
	sign(e, traitor, &o, &o.second, &o.second_sig);
	scene_present(e, "votes of two views as offence", &body, signer, 1);
}

void cheat_with_offences(struct scene *e)
{
	uint64_t traitors = e->c->s->traitors, skip;
	unsigned traitor = 0;

	if (traitors == 0)
		return;
	for (skip = scene_draw(e, (uint64_t)__builtin_popcountll(traitors));; traitor++)
		if ((traitors >> traitor & 1) && skip-- == 0)
			break;
	if (scene_draw(e, 3) == 0)
		forged_offence(e, traitor);
	else
		true_offence(e, traitor);
}
