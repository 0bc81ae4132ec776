/*
 * clients.c: honest clients, and what they have in common with hostile ones.
 *
 * An honest client spends an output once: in one transaction, handed in again, the same bytes, until it is
 * final. Only one whose expiry has passed on the agreed chain gives its inputs back. Change is spent at once,
 * so chains of pending transactions form; what is paid by a transaction that may not become final (hostile,
 * or with an expiry) is spent once it is final.
 */
#include <inttypes.h>
#include <utlist.h>

#include "clients_impl.h"

/* ---- chance ------------------------------------------------------------------------------- */

uint64_t client_draw(uint64_t *rng, uint64_t below)
{
	uint64_t z = *rng += UINT64_C(0x9e3779b97f4a7c15);

	must(below > 0);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

static bool chance(uint64_t *rng, unsigned percent)
{
	return client_draw(rng, 100) < percent;
}

static uint64_t draw_between(uint64_t *rng, uint64_t min, uint64_t max)
{
	return min + client_draw(rng, max - min + 1);
}

/* ---- coins --------------------------------------------------------------------------------- */

void coins_add(struct coins *list, const struct coin *coin)
{
	if (list->cnt == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 64;
		list->list = xrealloc(list->list, list->cap * sizeof *list->list);
	}
	list->list[list->cnt++] = *coin;
}

struct coin coins_take(struct coins *list, size_t index)
{
	struct coin coin = list->list[index];

	list->list[index] = list->list[--list->cnt];
	return coin;
}

static unsigned account_of(const struct clients *c, const struct qaddress *owner)
{
	unsigned i = 0;

	while (memcmp(&c->addresses[i], owner, sizeof *owner) != 0)
		must(++i < SIM_ACCOUNTS);
	return i;
}

struct coin deal_output(const struct clients *c, struct deal *d, unsigned index)
{
	const struct qoutput *out = &d->tx->q.body.outputs.outputs_val[index];

	return (struct coin){.point = {d->tx->id, index},
	                     .amount = out->amount,
	                     .account = account_of(c, &out->owner),
	                     .from = d,
	                     .lock = out->lock};
}

/* The outputs of a transaction that will be, or is, final: who owns them may spend them. */
static void deal_pays_out(struct clients *c, struct deal *d, bool to_honest, bool to_hostile)
{
	for (unsigned i = 0; i < d->tx->q.body.outputs.outputs_len; i++) {
		struct coin coin = deal_output(c, d, i);
		bool hostile = coin.account >= HOSTILE_FIRST;

		if (coin.lock.kind != QLOCK_NONE)
			continue;
		if (hostile ? to_hostile : to_honest)
			coins_add(hostile ? &c->loot : &c->coins, &coin);
	}
}

/* What it locked is on the chain: who owns it may move it. */
static void deal_locks(struct clients *c, struct deal *d)
{
	for (unsigned i = 0; i < d->tx->q.body.outputs.outputs_len; i++) {
		struct coin coin = deal_output(c, d, i);

		coin.made = check_paid_at(c->s, &d->tx->id);
		if (coin.lock.kind != QLOCK_NONE)
			coins_add(coin.account >= HOSTILE_FIRST ? &c->pledged : &c->locked, &coin);
	}
}

void deal_count(struct clients *c, struct deal *d)
{
	deal_pays_out(c, d, true, false);
}

/* ---- making a transaction --------------------------------------------------------------------- */

void plan_init(struct plan *d)
{
	d->in_cnt = d->out_cnt = 0;
	d->memo = d->mark;
	d->memo_len = 0;
	d->expiry = 0;
	d->signer = -1;
	d->offence = NULL;
}

uint64_t plan_sum(const struct plan *d)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < d->in_cnt; i++)
		sum += d->ins[i].amount;
	return sum;
}

void plan_pay(const struct clients *c, struct plan *d, unsigned account, uint64_t amount)
{
	must(d->out_cnt < PLAN_OUTS);
	d->outs[d->out_cnt++] = (struct qoutput){c->addresses[account], amount};
}

void plan_lock(const struct clients *c, struct plan *d, unsigned account, uint64_t amount,
               enum qlock_kind kind, unsigned replica)
{
	plan_pay(c, d, account, amount);
	d->outs[d->out_cnt - 1].lock.kind = kind;
	d->outs[d->out_cnt - 1].lock.qlock_u.replica = replica;
}

static unsigned plan_signers(const struct clients *c, const struct plan *d, const struct account **signers)
{
	bool signs[SIM_ACCOUNTS] = {false};
	unsigned cnt = 0;

	for (unsigned i = 0; i < d->in_cnt; i++)
		signs[d->signer >= 0 ? (unsigned)d->signer : d->ins[i].account] = true;
	for (unsigned i = 0; i < SIM_ACCOUNTS; i++)
		if (signs[i])
			signers[cnt++] = c->s->accounts[i];
	return cnt;
}

static struct tx *plan_tx(const struct clients *c, const struct plan *d)
{
	const struct account *signers[SIM_ACCOUNTS];
	unsigned signer_cnt = plan_signers(c, d, signers);
	struct qoutpoint points[PLAN_INS];
	struct err err = {0};

	for (unsigned i = 0; i < d->in_cnt; i++)
		points[i] = d->ins[i].point;
	struct qtx_body body = {.inputs = {d->in_cnt, points},
	                        .outputs = {d->out_cnt, (struct qoutput *)d->outs},
	                        .memo = {d->memo_len, (unsigned char *)d->memo},
	                        .expiry = {d->expiry},
	                        .offence = {d->offence != NULL, (struct qoffence *)d->offence}};
	struct tx *tx = tx_make(&c->s->g.chain, &body, signers, signer_cnt, &err);
	must(tx); /* plans keep to the form */
	must(verify_tx(&c->s->g, c->s->cache, tx));
	return tx;
}

static struct deal *deal_find(const struct clients *c, const struct qtxid *id)
{
	struct deal *d;

	HASH_FIND(hh, c->deals, id, sizeof *id, d);
	return d;
}

struct deal *deal_make(struct clients *c, const struct plan *plan, enum deal_kind kind)
{
	struct tx *tx = plan_tx(c, plan);
	struct deal *d;

	if (deal_find(c, &tx->id)) {
		tx_unref(tx);
		return NULL;
	}
	d = xcalloc(1, sizeof *d);
	d->tx = tx;
	d->kind = kind;
	d->number = HASH_COUNT(c->deals);
	HASH_ADD_KEYPTR(hh, c->deals, &tx->id, sizeof tx->id, d);
	DL_APPEND(c->open, d);
	if (kind != HOSTILE) {
		d->in_cnt = plan->in_cnt;
		d->ins = xmemdup(plan->ins, plan->in_cnt * sizeof *plan->ins);
	}
	return d;
}

/* ---- handing in ----------------------------------------------------------------------------------- */

unsigned clients_machines(const struct clients *c, unsigned slots[SIM_MACHINES_MAX])
{
	unsigned cnt = 0;

	for (unsigned i = 0; i < c->s->machine_cnt; i++) {
		const struct machine *m = &c->s->machines[i];

		if (machine_up(m) && m->paused_until_ms <= c->s->now_ms)
			slots[cnt++] = i;
	}
	return cnt;
}

static bool spends_released(const struct deal *d)
{
	for (size_t i = 0; i < d->in_cnt; i++)
		if (d->ins[i].lock.kind == QLOCK_RELEASE)
			return true;
	return false;
}

/* What an honest replica may say to an honest client. */
static bool verdict_allowed(const struct clients *c, const struct deal *d, enum tx_verdict v,
                            const struct qtxid *winner)
{
	static const bool allowed[TX_VERDICT_CNT] = {
	    [TX_OK] = true,
	    [TX_KNOWN] = true,
	    [TX_FINAL] = true,
	    [TX_EXPIRED] = true,        /* here; or the agreed chain is that far */
	    [TX_UNKNOWN_OUTPUT] = true, /* the parent is not here yet */
	    [TX_POOL_FULL] = true,
	    [TX_OWNER_FULL] = true,
	};
	const struct deal *rival = v == TX_DOUBLE_SPEND ? deal_find(c, winner) : NULL;

	/* It may not know yet that the one before has expired, or that the chain has come so far. */
	return allowed[v] || (rival && rival->dead) || (v == TX_LOCKED && spends_released(d));
}

static void judge_answer(struct machine *m, const struct deal *d, enum tx_verdict v,
                         const struct qtxid *winner)
{
	const char *code = tx_verdict_info(v)->code;

	if (m->spoiled)
		return;
	if (d->invalid && (v == TX_OK || v == TX_KNOWN || v == TX_FINAL))
		sim_broken(m->sim, "clients: machine %u answers %s to transaction %u, which is invalid",
		           m->slot, code, d->number);
	else if (d->kind != HOSTILE && !verdict_allowed(m->sim->clients, d, v, winner))
		sim_broken(m->sim, "clients: machine %u answers %s to honest transaction %u", m->slot, code,
		           d->number);
}

bool deal_hand(struct clients *c, struct deal *d, unsigned slot, enum tx_verdict *v)
{
	struct machine *m = &c->s->machines[slot];
	struct qheight height;
	struct qtxid winner;
	char id[17];

	hex_encode(id, d->tx->id.b, 8);
	d->tries++;
	d->at = slot;
	if (!machine_submit(m, d->tx, v, &height, &winner)) {
		trace_line(c->s, "client tx=%u id=%s machine=%u no answer", d->number, id, slot);
		return false;
	}
	trace_line(c->s, "client tx=%u id=%s machine=%u %s", d->number, id, slot, tx_verdict_info(*v)->code);
	if (*v == TX_OK || *v == TX_KNOWN) {
		d->life[slot] = m->lives;
		d->taken = true;
	}
	if (sim_honest(c->s, m->id)) {
		judge_answer(m, d, *v, &winner);
		check_submitted(m, &d->tx->id, *v, height);
	}
	return true;
}

/* ---- what became of it ------------------------------------------------------------------------------ */

static void deal_close(struct clients *c, struct deal *d)
{
	DL_DELETE(c->open, d);
	d->prev = d->next = NULL;
}

static void deal_final(struct clients *c, struct deal *d)
{
	if (d->final || d->dead)
		return;
	deal_close(c, d);
	d->final = true;
	deal_pays_out(c, d, d->kind == HOSTILE || d->tx->q.body.expiry.n > 0, true);
	deal_locks(c, d);
	if (c->final_cnt == c->final_cap) {
		c->final_cap = c->final_cap ? 2 * c->final_cap : 64;
		c->finals = xrealloc(c->finals, c->final_cap * sizeof(struct deal *));
	}
	c->finals[c->final_cnt++] = d;
}

/* Its expiry has passed on the agreed chain, and it is not in it: it never will be. */
static void deal_dead(struct clients *c, struct deal *d)
{
	deal_close(c, d);
	d->dead = true;
	for (size_t i = 0; i < d->in_cnt; i++)
		coins_add(&c->coins, &d->ins[i]);
}

/* How long did somebody wait while nothing at all became final? */
static void note_gap(struct clients *c)
{
	uint64_t gap_ms = c->s->now_ms - c->quiet_since_ms;

	c->quiet_since_ms = c->s->now_ms;
	if (!c->calm && gap_ms > c->s->result->commit_gap_ms)
		c->s->result->commit_gap_ms = gap_ms;
}

/* Looks through the open ones when the agreed chain has grown. */
static void settle(struct clients *c)
{
	uint64_t txs = check_transactions(c->s), height = check_height(c->s);
	struct deal *d = NULL, *next = NULL;

	if (!c->open)
		c->quiet_since_ms = c->s->now_ms;
	if (txs == c->settled_txs && height == c->settled_height)
		return;
	note_gap(c);
	c->settled_txs = txs;
	c->settled_height = height;
	DL_FOREACH_SAFE(c->open, d, next)
	{
		uint64_t expiry = d->tx->q.body.expiry.n;

		if (check_final(c->s, &d->tx->id))
			deal_final(c, d);
		else if (expiry > 0 && expiry <= height)
			deal_dead(c, d);
	}
}

void clients_outcome(struct machine *m, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                     const struct qtxid *winner)
{
	struct clients *c = m->sim->clients;
	struct deal *d = deal_find(c, id);

	(void)height;
	if (!d) {
		if (sim_honest(m->sim, m->id))
			sim_broken(m->sim, "clients: machine %u tells the fate of a transaction nobody made",
			           m->slot);
		return;
	}
	trace_line(m->sim, "client tx=%u machine=%u outcome %s", d->number, m->slot,
	           tx_verdict_info(v)->code);
	d->life[m->slot] = 0;
	if (!sim_honest(m->sim, m->id) || m->spoiled)
		return;
	if (v == TX_FINAL && d->invalid)
		sim_broken(m->sim, "clients: machine %u says that transaction %u is final, which is invalid",
		           m->slot, d->number);
	else if ((v == TX_PENALTY || v == TX_OLD_OFFENCE) && d->kind != HOSTILE)
		sim_broken(m->sim, "clients: machine %u says that honest transaction %u is void: %s", m->slot,
		           d->number, tx_verdict_info(v)->code);
	else if (v == TX_DOUBLE_SPEND && d->kind != HOSTILE)
		sim_broken(m->sim, "clients: honest transaction %u lost to %02x%02x%02x%02x on machine %u",
		           d->number, winner->b[0], winner->b[1], winner->b[2], winner->b[3], m->slot);
}

/* Does a machine stand that accepted it? */
static bool deal_stands(const struct clients *c, const struct deal *d)
{
	for (unsigned i = 0; i < c->s->machine_cnt; i++) {
		const struct machine *m = &c->s->machines[i];

		if (d->life[i] > 0 && d->life[i] == m->lives && machine_up(m) && sim_honest(c->s, m->id))
			return true;
	}
	return false;
}

size_t clients_open(const struct sim *s)
{
	struct clients *c = s->clients;
	const struct deal *d;
	size_t cnt = 0;

	settle(c);
	DL_FOREACH(c->open, d)
	cnt += d->kind != HOSTILE && deal_stands(c, d);
	return cnt;
}

size_t clients_untold(const struct sim *s)
{
	struct clients *c = s->clients;
	size_t cnt = 0;

	settle(c);
	for (size_t i = 0; i < c->final_cnt; i++)
		cnt += deal_stands(c, c->finals[i]);
	return cnt;
}

bool clients_made(const struct sim *s, const struct qtxid *id)
{
	return deal_find(s->clients, id) != NULL;
}

/* ---- honest payments ---------------------------------------------------------------------------------- */

#define COINS_FEW 24
#define COINS_MANY 160

/* How many outputs it spends and makes: coins are merged when there are many, split when there are few. */
static void choose_shape(const struct clients *c, uint64_t *rng, unsigned *in_cnt, unsigned *out_cnt)
{
	uint64_t in = client_draw(rng, 100), out = client_draw(rng, 100);

	*in_cnt = in < 65 ? 1 : in < 85 ? 2 : in < 97 ? 3 : 6;
	*out_cnt = out < 20 ? 1 : out < 80 ? 2 : out < 95 ? 3 : 5;
	if (c->coins.cnt < COINS_FEW)
		*in_cnt = 1;
	if (c->coins.cnt > COINS_MANY)
		*out_cnt = 1;
}

/* The total over `cnt` outputs to accounts of all kinds, the first one back to the payer. */
static void share_out(const struct clients *c, struct plan *d, unsigned cnt, uint64_t *rng)
{
	uint64_t left = plan_sum(d);

	if (cnt > left)
		cnt = (unsigned)left;
	for (unsigned i = cnt; i > 0; i--) {
		uint64_t account = client_draw(rng, HOSTILE_FIRST), cheat = client_draw(rng, 40);
		uint64_t amount = i == 1 ? left : 1 + client_draw(rng, 2 * (left / i));

		if (cheat == 0) /* some are paid that do not deserve it */
			account = HOSTILE_FIRST + account % (SIM_ACCOUNTS - HOSTILE_FIRST);
		if (amount > left - (i - 1))
			amount = left - (i - 1);
		plan_pay(c, d, i == cnt && cnt > 1 ? d->ins[0].account : (unsigned)account, amount);
		left -= amount;
	}
}

static const uint8_t memo_text[256] = "for services rendered; with thanks; see invoice; paid in full; ";

static struct deal *honest_deal(struct clients *c, struct plan *d, enum deal_kind kind, unsigned out_cnt,
                                uint64_t *rng)
{
	uint64_t expiry = draw_between(rng, 1, 30);
	bool has_memo = chance(rng, 20), expires = chance(rng, 6);

	share_out(c, d, out_cnt, rng);
	d->memo = memo_text;
	d->memo_len = has_memo ? (unsigned)client_draw(rng, sizeof memo_text + 1) : 0;
	if (expires && kind == HONEST)
		d->expiry = check_height(c->s) + expiry;
	struct deal *deal = deal_make(c, d, kind);
	must(deal); /* an output that was not spent before makes another transaction */
	if (d->expiry == 0)
		deal_pays_out(c, deal, true, false);
	return deal;
}

static struct deal *new_payment(struct clients *c, uint64_t *rng)
{
	unsigned in_cnt, out_cnt;
	struct plan d;

	plan_init(&d);
	choose_shape(c, rng, &in_cnt, &out_cnt);
	while (d.in_cnt < in_cnt && c->coins.cnt > 0)
		d.ins[d.in_cnt++] = coins_take(&c->coins, client_draw(rng, c->coins.cnt));
	return d.in_cnt == 0 ? NULL : honest_deal(c, &d, HONEST, out_cnt, rng);
}

/* Where a client goes first: to where the parent went, if that is not final; to its own replica; anywhere. */
static unsigned choose_machine(const struct clients *c, const struct deal *d, const unsigned *slots,
                               unsigned cnt, uint64_t *rng)
{
	const struct deal *parent = d->ins[0].from;
	unsigned home = parent && !parent->final ? parent->at : d->ins[0].account % c->s->n;
	bool faithful = chance(rng, 75);
	unsigned any = slots[client_draw(rng, cnt)];

	for (unsigned i = 0; i < cnt && faithful; i++)
		if (slots[i] == home)
			return home;
	return any;
}

/* A client knows what it has not been able to hand in yet. */
static bool parents_taken(const struct deal *d)
{
	for (size_t i = 0; i < d->in_cnt; i++)
		if (d->ins[i].from && !d->ins[i].from->taken && !d->ins[i].from->final)
			return false;
	return true;
}

static void hand_to_somebody(struct clients *c, struct deal *d, uint64_t *rng)
{
	unsigned slots[SIM_MACHINES_MAX], cnt = clients_machines(c, slots), to;
	uint64_t patience = draw_between(rng, 1500, 5000), soon = draw_between(rng, 50, 500);
	bool hasty = chance(rng, 10);
	enum tx_verdict v = TX_POOL_FULL;

	d->again_ms = c->s->now_ms + soon;
	if (cnt == 0 || (!hasty && !parents_taken(d)))
		return;
	to = choose_machine(c, d, slots, cnt, rng);
	if (d->tries > 0) { /* the next one */
		unsigned i = 0;
		while (i < cnt && slots[i] <= d->at)
			i++;
		to = slots[i % cnt];
	}
	if (deal_hand(c, d, to, &v) && (v == TX_OK || v == TX_KNOWN))
		d->again_ms = c->s->now_ms + (patience << (d->tries < 4 ? d->tries - 1 : 3));
}

static void hand_in_again(struct clients *c, uint64_t *rng)
{
	struct deal *d, *next;

	DL_FOREACH_SAFE(c->open, d, next)
	if (d->kind == HONEST && d->again_ms <= c->s->now_ms && !c->s->broken)
		hand_to_somebody(c, d, rng);
}

/* Nothing pending comes before it: any replica that has executed all takes it. */
bool coin_is_final(const struct coin *coin)
{
	return !coin->from || coin->from->final;
}

static struct deal *lone_payment(struct clients *c)
{
	uint64_t rng = sim_random(c->s, STREAM_CLIENT, UINT64_MAX);
	struct plan d;

	plan_init(&d);
	for (size_t i = 0; i < c->coins.cnt && d.in_cnt == 0; i++)
		if (coin_is_final(&c->coins.list[i]))
			d.ins[d.in_cnt++] = coins_take(&c->coins, i);
	return d.in_cnt == 0 ? NULL : honest_deal(c, &d, HONEST_ALONE, 2, &rng);
}

bool clients_pay(struct sim *s, unsigned machine, struct qtxid *id)
{
	struct clients *c = s->clients;
	enum tx_verdict v = TX_POOL_FULL;

	settle(c);
	if (!machine_up(&s->machines[machine]))
		return false;
	if (!c->unpaid)
		c->unpaid = lone_payment(c);
	if (!c->unpaid)
		return false;
	*id = c->unpaid->tx->id;
	if (!deal_hand(c, c->unpaid, machine, &v) || (v != TX_OK && v != TX_KNOWN))
		return false; /* who spends an output once keeps to this transaction */
	c->unpaid = NULL;
	return true;
}

/* ---- pace ------------------------------------------------------------------------------------------------
 */

/* Stretches of time, in ticks of a client's watch. */
static const struct pace {
	unsigned weight;
	unsigned ticks_min, ticks_max;
	uint64_t gap_min_ms, gap_max_ms; /* between two ticks */
	unsigned txs_min, txs_max;       /* in a tick */
} paces[] = {
    {3, 1, 3, 100, 500, 0, 0}, /* nobody pays */
    {5, 2, 8, 50, 250, 1, 1},  /* a trickle */
    {5, 4, 16, 5, 60, 1, 2},   /* steady */
    {2, 1, 2, 1, 30, 8, 24},   /* a burst */
    {1, 2, 3, 1, 20, 30, 60},  /* more than blocks and the smaller pools hold */
};
#define WEARY_MS 4000 /* so that a long storm is not a hundred times the work of a short one */

static void choose_pace(struct clients *c, uint64_t *rng)
{
	unsigned sum = 0, at;

	for (size_t i = 0; i < sizeof paces / sizeof *paces; i++)
		sum += paces[i].weight;
	at = (unsigned)client_draw(rng, sum);
	c->pace = paces;
	while (at >= c->pace->weight)
		at -= c->pace++->weight;
	c->pace_left = (unsigned)draw_between(rng, c->pace->ticks_min, c->pace->ticks_max);
}

static void arm(struct clients *c, uint64_t ms)
{
	if (c->armed)
		return;
	c->armed = true;
	sim_at(c->s, c->s->now_ms + ms, (struct sim_event){.kind = EV_CLIENT});
}

#define CALM_TICK_MS 500

static void calm_tick(struct clients *c)
{
	uint64_t rng = sim_random(c->s, STREAM_CLIENT, UINT64_MAX);
	const struct deal *d;

	hand_in_again(c, &rng);
	DL_FOREACH(c->open, d)
	if (d->kind == HONEST) {
		arm(c, CALM_TICK_MS);
		return;
	}
}

static uint64_t next_gap(struct clients *c, uint64_t *rng, uint64_t *txs)
{
	uint64_t gap_ms;

	if (c->pace_left == 0)
		choose_pace(c, rng);
	c->pace_left--;
	gap_ms = draw_between(rng, c->pace->gap_min_ms, c->pace->gap_max_ms) * c->lazy;
	gap_ms += gap_ms * c->s->now_ms / WEARY_MS;
	*txs = draw_between(rng, c->pace->txs_min, c->pace->txs_max);
	if (c->s->o.load > 0) {
		gap_ms = 1 + 999 / c->s->o.load;
		*txs = 1;
	}
	return gap_ms;
}

static void storm_tick(struct clients *c)
{
	uint64_t rng = sim_random(c->s, STREAM_CLIENT, UINT64_MAX), seed = rng, again = rng ^ 1;
	uint64_t cnt, gap_ms = next_gap(c, &rng, &cnt);

	for (uint64_t i = 0; i < cnt && !c->s->broken; i++) {
		uint64_t one = ++seed; /* what is drawn for one does not shift what is drawn for the next */
		struct deal *d = new_payment(c, &one);

		if (d)
			hand_to_somebody(c, d, &one);
	}
	hand_in_again(c, &again);
	stake_tick(c, &again);
	hostile_tick(c);
	arm(c, gap_ms);
}

void clients_tick(struct sim *s)
{
	struct clients *c = s->clients;

	c->armed = false;
	settle(c);
	if (c->calm)
		calm_tick(c);
	else
		storm_tick(c);
}

void clients_calm(struct sim *s)
{
	struct clients *c = s->clients;
	unsigned slots[SIM_MACHINES_MAX], cnt = clients_machines(c, slots);
	struct deal *d, *next;
	enum tx_verdict v;

	settle(c);
	note_gap(c);
	c->calm = true;
	DL_FOREACH_SAFE(c->open, d, next)
	for (unsigned i = 0; i < cnt && d->kind == HONEST && !s->broken; i++)
		if (machine_up(&s->machines[slots[i]]))
			deal_hand(c, d, slots[i], &v);
	arm(c, CALM_TICK_MS);
}

/* ---- life
 * -------------------------------------------------------------------------------------------------- */

void clients_start(struct sim *s)
{
	struct clients *c = xcalloc(1, sizeof *c);
	const struct qgenesis *g = &s->g.g;

	s->clients = c;
	c->s = s;
	for (unsigned i = 0; i < SIM_ACCOUNTS; i++) {
		struct qaccount_key key = account_key(s->accounts[i]);
		c->addresses[i] = account_address(&key);
	}
	for (unsigned i = 0; i < g->allocations.allocations_len; i++) {
		const struct qoutput *out = &g->allocations.allocations_val[i];
		struct coin coin = {{s->g.txid, i}, out->amount, account_of(c, &out->owner),
		                    NULL,           out->lock,   0};
		bool hostile = coin.account >= HOSTILE_FIRST;

		if (out->lock.kind == QLOCK_NONE)
			coins_add(hostile ? &c->loot : &c->coins, &coin);
		else
			coins_add(hostile ? &c->pledged : &c->locked, &coin);
	}
	c->collude_rng = sim_random(s, STREAM_CLIENT, UINT64_MAX);
	c->lazy = 1 + sim_random(s, STREAM_CLIENT, 2);
	arm(c, 1 + sim_random(s, STREAM_CLIENT, 300));
}

void clients_free(struct sim *s)
{
	struct clients *c = s->clients;
	struct deal *d, *next;

	if (!c)
		return;
	note_gap(c);
	HASH_ITER (hh, c->deals, d, next) {
		HASH_DEL(c->deals, d);
		tx_unref(d->tx);
		free(d->ins);
		free(d);
	}
	free(c->finals);
	free(c->coins.list);
	free(c->loot.list);
	free(c->locked.list);
	free(c->pledged.list);
	free(c->errands);
	free(c);
	s->clients = NULL;
}
