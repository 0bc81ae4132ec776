/*
 * clients_stake.c: stake of honest clients, who bond, delegate, release and spend what was released; and
 * convictions from the evidence that machines hold.
 *
 * What is locked for a replica that nobody can convict moves like any honest coin: once, and it must become
 * final. Of others a conviction may come first, and make void what was on its way: such a deal may come to
 * nothing, and its stake is tried again.
 */
#include <inttypes.h>

#include "clients_impl.h"
#include "disk.h"
#include "ledger.h"
#include "offence.h"
#include "pbft.h"
#include "replica_impl.h"

static const struct qstake_rules *rules_of(const struct clients *c)
{
	return &c->s->g.g.proposer.qproposer_rules_u.stake;
}

bool by_stake(const struct clients *c)
{
	return c->s->g.g.proposer.kind == QPROPOSER_STAKE;
}

/* A machine whose disk loses what it promised may sign against itself. */
static bool may_be_convicted(const struct clients *c, unsigned replica)
{
	return !sim_honest(c->s, replica) || (c->s->faults >> FAULT_WIPE & 1) ||
	       (c->s->faults >> FAULT_ROT & 1);
}

static void hand_in(struct clients *c, struct deal *d, uint64_t *rng)
{
	unsigned slots[SIM_MACHINES_MAX], cnt = clients_machines(c, slots);
	enum tx_verdict v;

	if (d && cnt > 0 && !c->s->broken)
		deal_hand(c, d, slots[client_draw(rng, cnt)], &v);
}

/* ---- bonding ---------------------------------------------------------------------------------------------
 */

/* For the payer's own replica, for one that attracts all, or for any. */
static unsigned choose_replica(const struct clients *c, unsigned account, uint64_t *rng)
{
	uint64_t how = client_draw(rng, 4), any = client_draw(rng, c->s->n);

	for (unsigned i = 0; i < c->s->n && how == 0; i++)
		if (c->s->staker[i] == account)
			return i;
	return how == 1 ? c->s->n - 1 : (unsigned)any;
}

static void bond(struct clients *c, uint64_t *rng)
{
	uint64_t at = client_draw(rng, UINT32_MAX), half = client_draw(rng, 2);
	struct plan d;

	if (c->coins.cnt == 0)
		return;
	plan_init(&d);
	d.ins[d.in_cnt++] = coins_take(&c->coins, at % c->coins.cnt);
	unsigned account = d.ins[0].account, replica = choose_replica(c, account, rng);
	uint64_t sum = plan_sum(&d), part = half && sum > 1 ? 1 + client_draw(rng, sum - 1) : sum;
	plan_lock(c, &d, account, part, QLOCK_STAKE, replica);
	if (part < sum)
		plan_pay(c, &d, account, sum - part);
	struct deal *deal = deal_make(c, &d, HONEST);
	must(deal);
	deal_count(c, deal);
	hand_in(c, deal, rng);
}

/* ---- releasing -------------------------------------------------------------------------------------------
 */

/* One of their locked outputs of this kind that is unspent on the chain. */
static bool pick_locked(struct clients *c, enum qlock_kind kind, uint64_t *rng, size_t *at)
{
	uint64_t from = client_draw(rng, UINT32_MAX);

	for (size_t i = 0; i < c->locked.cnt;) {
		if (check_unspent(c->s, &c->locked.list[i].point))
			i++;
		else
			coins_take(&c->locked, i);
	}
	for (size_t i = 0; i < c->locked.cnt; i++) {
		*at = (size_t)((from + i) % c->locked.cnt);
		const struct coin *coin = &c->locked.list[*at];
		if (coin->lock.kind == kind &&
		    (kind != QLOCK_RELEASE || coin->made + rules_of(c)->unbonding <= check_height(c->s) + 1))
			return true;
	}
	return false;
}

/* With the penalty that is due, as far as this client knows. NULL: this very deal was made before. */
static struct deal *finish(struct clients *c, struct plan *d, size_t at)
{
	const struct coin *coin = &c->locked.list[at];
	bool honest = !may_be_convicted(c, coin->lock.qlock_u.replica);
	struct deal *deal = deal_make(c, d, honest ? HONEST : HOSTILE);

	if (honest) {
		must(deal);
		coins_take(&c->locked, at);
		deal_count(c, deal);
	}
	return deal;
}

static void leave_penalty(struct clients *c, struct plan *d, const struct coin *coin, uint64_t *left)
{
	uint64_t due = check_penalty(c->s, &coin->point);

	if (due > 0)
		plan_lock(c, d, coin->account, due, QLOCK_FROZEN, coin->lock.qlock_u.replica);
	*left -= due;
}

static void release(struct clients *c, uint64_t *rng)
{
	uint64_t keep = client_draw(rng, 3), left;
	struct plan d;
	size_t at;

	if (!pick_locked(c, QLOCK_STAKE, rng, &at))
		return;
	plan_init(&d);
	struct coin coin = d.ins[d.in_cnt++] = c->locked.list[at];
	unsigned replica = coin.lock.qlock_u.replica;
	left = coin.amount;
	leave_penalty(c, &d, &coin, &left);
	uint64_t part = keep == 0 && left > 1 ? 1 + client_draw(rng, left - 1) : left;
	if (part > 0)
		plan_lock(c, &d, coin.account, part, QLOCK_RELEASE, replica);
	if (part < left)
		plan_lock(c, &d, coin.account, left - part, QLOCK_STAKE, replica);
	hand_in(c, finish(c, &d, at), rng);
}

/* What was released is free: to be spent, or to back another replica. */
static void spend_released(struct clients *c, uint64_t *rng)
{
	uint64_t again = client_draw(rng, 3), left;
	struct plan d;
	size_t at;

	if (!pick_locked(c, QLOCK_RELEASE, rng, &at))
		return;
	plan_init(&d);
	struct coin coin = d.ins[d.in_cnt++] = c->locked.list[at];
	left = coin.amount;
	leave_penalty(c, &d, &coin, &left);
	if (left > 0 && again == 0)
		plan_lock(c, &d, coin.account, left, QLOCK_STAKE, choose_replica(c, coin.account, rng));
	else if (left > 0)
		plan_pay(c, &d, (unsigned)client_draw(rng, HOSTILE_FIRST), left);
	hand_in(c, finish(c, &d, at), rng);
}

/* ---- convicting ------------------------------------------------------------------------------------------
 */

static bool still_counts(const struct clients *c, const struct qoffence *o)
{
	return o->first.height.n > check_last_conviction(c->s, o->replica) &&
	       o->first.height.n <= check_height(c->s);
}

/* One of those in the machine's journal, read beside the replica, as its operator would. */
static bool find_offence(struct clients *c, struct machine *m, uint64_t *rng, struct qoffence *out)
{
	struct qevidence ev;
	struct err err = {0};
	struct reader *reader;
	struct qoffence o;
	uint64_t found = 0;
	int64_t seq = 0;
	char path[32];

	snprintf(path, sizeof path, "/%u/ledger.db", m->slot);
	reader = reader_open(path, DISK_VFS, &err);
	while (reader && reader_evidence(reader, &seq, &ev, &err) == FOUND) {
		if (offence_of(&c->s->g, &ev, &o) && still_counts(c, &o) && client_draw(rng, ++found) == 0)
			*out = o;
		wire_free(WIRE(qevidence), &ev);
	}
	reader_close(reader);
	return found > 0;
}

static bool has_evidence(const struct machine *m)
{
	for (unsigned i = 0; i < m->sim->n; i++)
		if (m->replica->dossier.of_replica[i] > 0)
			return true;
	return false;
}

/* Any free output of an honest client; it is spent for it. */
static struct deal *conviction(struct clients *c, const struct qoffence *o)
{
	struct deal *deal = NULL;
	struct plan d;

	plan_init(&d);
	for (size_t i = 0; i < c->coins.cnt && d.in_cnt == 0; i++)
		if (coin_is_final(&c->coins.list[i]))
			d.ins[d.in_cnt++] = coins_take(&c->coins, i);
	if (d.in_cnt == 0)
		return NULL;
	d.offence = o;
	plan_pay(c, &d, d.ins[0].account, d.ins[0].amount);
	deal = deal_make(c, &d, HOSTILE); /* another conviction may come first */
	must(deal);
	return deal;
}

static void convict(struct clients *c, uint64_t *rng)
{
	unsigned slots[SIM_MACHINES_MAX], cnt = clients_machines(c, slots);
	struct machine *m = cnt > 0 ? &c->s->machines[slots[client_draw(rng, cnt)]] : NULL;
	struct qoffence o = {0};

	if (!m || !sim_honest(c->s, m->id) || m->spoiled || !has_evidence(m) || !find_offence(c, m, rng, &o))
		return;
	trace_line(c->s, "client convicts %u of h=%" PRIu64, o.replica, o.first.height.n);
	hand_in(c, conviction(c, &o), rng);
}

bool clients_convict(struct sim *s, unsigned machine, unsigned *replica, uint64_t *height)
{
	struct clients *c = s->clients;
	struct machine *m = &s->machines[machine];
	uint64_t rng = sim_random(s, STREAM_CLIENT, UINT64_MAX);
	struct deal *d = NULL;
	struct qoffence o = {0};
	enum tx_verdict v;

	if (by_stake(c) && machine_up(m) && has_evidence(m) && find_offence(c, m, &rng, &o))
		d = conviction(c, &o);
	if (!d)
		return false;
	*replica = o.replica;
	*height = o.first.height.n;
	return deal_hand(c, d, machine, &v) && (v == TX_OK || v == TX_KNOWN);
}

bool clients_move_on(struct sim *s, unsigned machine, struct qoutpoint *point)
{
	struct clients *c = s->clients;
	const struct coin *found = NULL;
	struct plan d;
	enum tx_verdict v;

	for (size_t i = 0; i < c->locked.cnt && !found; i++) {
		const struct coin *coin = &c->locked.list[i];
		if (coin->lock.kind == QLOCK_STAKE &&
		    coin->made <= check_last_conviction(s, coin->lock.qlock_u.replica) &&
		    check_last_conviction(s, coin->lock.qlock_u.replica) > 0 &&
		    check_unspent(s, &coin->point))
			found = coin;
	}
	if (!found)
		return false;
	plan_init(&d);
	struct coin coin = d.ins[d.in_cnt++] = *found;
	uint64_t left = coin.amount;
	leave_penalty(c, &d, &coin, &left);
	if (left > 0)
		plan_lock(c, &d, coin.account, left, QLOCK_RELEASE, coin.lock.qlock_u.replica);
	struct deal *deal = deal_make(c, &d, HOSTILE); /* an earlier try may come first */
	*point = coin.point;
	return deal && deal_hand(c, deal, machine, &v);
}

/* ---- pace -------------------------------------------------------------------------------------------------
 */

/* Deeds of a tick: more of them where an epoch is about to end. */
void stake_tick(struct clients *c, uint64_t *rng)
{
	static void (*const deeds[])(struct clients *, uint64_t *) = {bond, bond, release, spend_released};
	uint64_t rest, left;

	if (!by_stake(c))
		return;
	if (client_draw(rng, 8) == 0)
		convict(c, rng);
	rest = (check_height(c->s) + 2) % rules_of(c)->epoch; /* 0 .. 2: its last heights, and the first */
	left = client_draw(rng, rest < 3 ? 4 : 12) == 0 ? 1 + client_draw(rng, 2) : 0;
	for (; left > 0 && !c->s->broken; left--)
		deeds[client_draw(rng, sizeof deeds / sizeof *deeds)](c, rng);
}
