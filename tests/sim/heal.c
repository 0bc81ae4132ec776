/*
 * heal.c: what has to happen once the faults have ended, and within which time; then the audit.
 *
 * The core C: honest replicas whose disks kept every promise. There are at least q of them. Traitors go on,
 * up to what keys and a network that delivers within DELTA permit; machines whose disks broke a promise are
 * silent, or not, as the protocol says. All bounds are of virtual time:
 *
 *   view synchronisation   cap + 2 STATUS + 16 DELTA: every time-out under way has come, and its news is
 * about progress (B)           T_cur + sum over i = 1 .. f+1 of min(2^i T0, cap)      time-outs of f faulty
 * primaries in a row
 *                          + (f + 3) (8 DELTA + STATUS)                           rounds of agreement; what
 * is lost is asked for
 *                          + 8 DELTA for each open transaction                    one a block at worst
 *                          + transfer                                             catch-up, see transfer_ms()
 *                          + 3 mean M for each open transaction, + M    seals (M: the longest search)
 *                          + for each turn of a faulty replica, up to V views, and T0 a block    by stake
 *                          + t 2 (P + 1) T_cur                                    t traitors who propose as
 * late as they may and leave somebody out: the fairness rule bears P blocks, twice catch-up transfer, without
 * any traffic
 *
 * T_cur: the greatest time-out that any of C has when the calm begins; T0: the base.
 */
#include "check_impl.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit.h"
#include "clients.h"
#include "disk.h"
#include "network.h"

#define DELTA NETWORK_CALM_DELAY_MS
#define STATUS PBFT_STATUS_MS

/* ---- who, and how long -----------------------------------------------------------------------------------
 */

static bool in_core(const struct machine *m)
{
	return sim_honest(m->sim, m->id) && !m->spoiled;
}

/* Executes what is agreed on: everybody honest whose disk is legible. */
static bool follows(const struct machine *m)
{
	return sim_honest(m->sim, m->id) && !m->rotten;
}

static const struct engine *engine_of(const struct machine *m)
{
	return m->replica->engine;
}

static uint64_t height_of(const struct machine *m)
{
	return ledger_height(m->replica->ledger).n;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* T_cur */
static uint64_t timeout_now(const struct sim *s)
{
	uint64_t most = s->g.timeout_ms;

	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (in_core(m) && m->replica && engine_of(m)->timeout_ms > most)
			most = engine_of(m)->timeout_ms;
	}
	return most;
}

/*
 * The last may be as far behind as the chain is high. Headers come up to Q_CHAIN_MAX at a time, bodies
 * ASK_MAX at a time; each question may go to every faulty peer first, who does not answer.
 */
static uint64_t transfer_ms(const struct sim *s)
{
	uint64_t questions = 2 + s->checks->settled_top / ASK_MAX + s->checks->settled_top / Q_CHAIN_MAX;

	return 2 * STATUS + questions * (4 * DELTA + (s->f + 1) * ASK_RETRY_MAX_MS);
}

/* What so many seals take: three times the mean, and once the longest. */
static uint64_t mining_ms(const struct sim *s, uint64_t blocks)
{
	const struct qpow_rules *r = &s->g.g.seal.qseal_rules_u.pow;
	uint64_t longest = s->g.g.seal.kind == QSEAL_POW ? genesis_mining_ms(r) : 0;

	return 3 * blocks * longest / GENESIS_PATIENCE + longest;
}

/* Each turn may be a faulty replica's: then views change until both the NEW-VIEW's sender and the proposer
 * are honest. Or it takes its time. */
static uint64_t turns_ms(const struct sim *s, uint64_t blocks)
{
	uint64_t views = turns_views(s->checks) + s->f + 1, skip = 0, t0 = s->g.timeout_ms;
	uint64_t turns = blocks / s->g.g.proposer.qproposer_rules_u.stake.turn + 2;

	for (uint64_t i = 0; i < views; i++)
		skip += smaller(t0 << (i < 16 ? i : 16), s->g.timeout_cap_ms) + 8 * DELTA + STATUS;
	return turns * skip + blocks * t0;
}

/* B */
static uint64_t progress_ms(const struct sim *s)
{
	const struct qparams *p = &s->g.g.params;
	uint64_t now = timeout_now(s), sum = now, t0 = s->g.timeout_ms,
	         open = clients_open(s) + s->machine_cnt;
	uint64_t passed =
	    s->n * ((p->pool_source_max + (uint64_t)p->block_txs_max - 1) / p->block_txs_max) + p->window + 8;

	for (unsigned i = 1; i <= s->f + 1; i++)
		sum += smaller(t0 << i, s->g.timeout_cap_ms);
	sum += (s->f + 3) * (uint64_t)(8 * DELTA + STATUS);
	sum += open * 8 * DELTA;
	sum += transfer_ms(s);
	sum += mining_ms(s, open);
	if (s->g.g.proposer.kind == QPROPOSER_STAKE)
		sum += turns_ms(s, open);
	return sum + bits(s->traitors) * 2 * (passed + 1) * now;
}

/* ---- clocks
 * -------------------------------------------------------------------------------------------------- */

/*
 * A quorum whose clocks were ahead may have certified a block of a time that is still to come. Nobody can add
 * to it before that (PP9), by any protocol that orders times. So that nothing has to be simulated until then,
 * it is made to have passed: as if all machines had stood still meanwhile.
 */
static void wait_for_the_chains_time(struct sim *s)
{
	struct checks *c = s->checks;
	struct prepared_at *p, *next;
	uint64_t latest = 0, now = SIM_WALL_MS + s->now_ms;

	for (uint64_t h = 1; h <= c->settled_top; h++) {
		const struct known *k = c->settled[h].set ? known_find(c, &c->settled[h].block) : NULL;
		if (k && k->shown && k->header.time_ms > latest)
			latest = k->header.time_ms;
	}
	HASH_ITER (hh, c->prepared, p, next) {
		const struct known *k = known_find(c, &p->block);
		if (k && k->shown && k->header.time_ms > latest)
			latest = k->header.time_ms;
	}
	if (latest <= now)
		return;
	trace_line(s, "clocks stand still for %" PRIu64, latest - now);
	for (unsigned i = 0; i < s->machine_cnt; i++)
		s->machines[i].wall_skew_ms = (int64_t)(latest - now);
}

/* ---- one view
 * ------------------------------------------------------------------------------------------------ */

static bool core_stands(struct sim *s)
{
	for (unsigned i = 0; i < s->machine_cnt; i++)
		if (in_core(&s->machines[i]) && !machine_up(&s->machines[i]))
			return false;
	return true;
}

static bool views_meet(struct sim *s)
{
	uint64_t low = UINT64_MAX, high = 0;

	if (!core_stands(s))
		return false;
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (!in_core(m))
			continue;
		low = smaller(low, engine_of(m)->asked.n);
		high = engine_of(m)->asked.n > high ? engine_of(m)->asked.n : high;
	}
	return high - low <= 1;
}

static void meet_in_a_view(struct sim *s)
{
	uint64_t ms = s->g.timeout_cap_ms + 2 * STATUS + 16 * DELTA;

	if (!sim_advance(s, s->now_ms + ms, views_meet))
		sim_broken(s,
		           "liveness: no two adjacent views hold all honest replicas %" PRIu64
		           " ms after the faults",
		           ms);
}

/* ---- progress
 * ------------------------------------------------------------------------------------------------- */

static bool all_final(struct sim *s)
{
	const struct checks *c = s->checks;

	for (size_t i = 0; i < c->fresh_cnt; i++)
		if (!check_final(s, &c->fresh[i]))
			return false;
	for (unsigned i = 0; i < s->machine_cnt; i++)
		if (in_core(&s->machines[i]) &&
		    (!machine_up(&s->machines[i]) || height_of(&s->machines[i]) < c->height))
			return false;
	return clients_open(s) == 0;
}

static void pay_everybody(struct sim *s)
{
	struct checks *c = s->checks;

	c->fresh_cnt = 0;
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		struct machine *m = &s->machines[i];
		if (in_core(m) && machine_up(m) && clients_pay(s, i, &c->fresh[c->fresh_cnt]))
			c->fresh_cnt++;
	}
}

static void go_on(struct sim *s)
{
	struct checks *c = s->checks;
	uint64_t ms;
	size_t left = 0;

	pay_everybody(s);
	ms = progress_ms(s);
	if (s->broken || sim_advance(s, s->now_ms + ms, all_final) || s->broken)
		return;
	for (size_t i = 0; i < c->fresh_cnt; i++)
		left += !check_final(s, &c->fresh[i]);
	sim_broken(
	    s, "liveness: %zu fresh and %zu open transactions are not final everywhere %" PRIu64 " ms later",
	    left, clients_open(s), ms);
}

static bool pay_somebody(struct sim *s)
{
	struct checks *c = s->checks;

	c->fresh_cnt = 0;
	for (unsigned i = 0; i < s->machine_cnt && c->fresh_cnt == 0; i++)
		if (in_core(&s->machines[i]) && clients_pay(s, i, &c->fresh[0]))
			c->fresh_cnt = 1;
	return c->fresh_cnt > 0;
}

#define UNBONDING_EACH 6 /* runs that wait until what was released is free */

/* What was convicted tries to get away without its penalty: the naive ledger sees whether it does. */
static void nobody_gets_away(struct sim *s)
{
	struct checks *c = s->checks;
	uint64_t until = c->height + s->g.g.proposer.qproposer_rules_u.stake.unbonding;
	bool wait = sim_random(s, STREAM_CHECK, UNBONDING_EACH) == 0;

	if (s->g.g.proposer.kind != QPROPOSER_STAKE || (c->conviction_cnt == 0 && !wait))
		return;
	for (unsigned i = 0; i < s->n && !s->broken; i++) {
		clients_leave(s, i, false);
		clients_leave(s, i, true);
	}
	if (!s->broken)
		go_on(s);
	while (wait && !s->broken && c->height < until && pay_somebody(s)) {
		clients_escape(s); /* at each height until it works */
		if (!sim_advance(s, s->now_ms + progress_ms(s), all_final))
			sim_broken(s, "liveness: no block while stake is released");
	}
}

static bool has_moved(struct sim *s)
{
	return !check_unspent(s, &s->checks->moving);
}

/* Who leaves behind what is due may take the rest. */
static void move_on(struct sim *s)
{
	uint64_t ms;
	unsigned i = 0;

	/* Whoever has not executed the conviction yet refuses what pays for it. */
	if (s->checks->conviction_cnt == 0 || !sim_advance(s, s->now_ms + progress_ms(s), all_final))
		return;
	while (i < s->machine_cnt && !(in_core(&s->machines[i]) && machine_up(&s->machines[i]) &&
	                               clients_move_on(s, i, &s->checks->moving)))
		i++;
	if (i == s->machine_cnt || s->broken)
		return;
	ms = progress_ms(s);
	if (!sim_advance(s, s->now_ms + ms, has_moved))
		sim_broken(s,
		           "liveness: stake of a convicted replica cannot be moved though the penalty is "
		           "paid, %" PRIu64 " ms later",
		           ms);
}

/* Who holds evidence that convicts can make it count, whoever proposes. */
static bool is_convicted(struct sim *s)
{
	return check_last_conviction(s, s->checks->culprit) >= s->checks->offence_height;
}

static void convict_somebody(struct sim *s)
{
	struct checks *c = s->checks;
	uint64_t ms;
	unsigned i = 0;

	while (i < s->machine_cnt &&
	       !(in_core(&s->machines[i]) && clients_convict(s, i, &c->culprit, &c->offence_height)))
		i++;
	if (i == s->machine_cnt || s->broken)
		return;
	ms = progress_ms(s);
	if (!sim_advance(s, s->now_ms + ms, is_convicted))
		sim_broken(s,
		           "liveness: replica %u is not convicted of what it did at height %" PRIu64
		           " %" PRIu64 " ms after machine %u reported it",
		           c->culprit, c->offence_height, ms, i);
}

/* T3: whoever has seen a commit in its view, above the tip at its entry, waits as long as ever. */
static void timeouts_are_back(struct sim *s)
{
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (!in_core(m) || !machine_up(m))
			continue;
		const struct engine *e = engine_of(m);
		if (e->active && e->progress.n > e->entry_tip.n && e->timeout_ms != s->g.timeout_ms)
			sim_broken(s,
			           "liveness: replica %u keeps a time-out of %" PRIu64
			           " ms though its view goes on",
			           m->id, e->timeout_ms);
	}
}

/* ---- catch-up
 * -------------------------------------------------------------------------------------------------- */

static bool all_there(struct sim *s)
{
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (follows(m) && (!machine_up(m) || height_of(m) < s->checks->height ||
		                   engine_of(m)->tip.n > engine_of(m)->executed.n))
			return false;
	}
	return true;
}

static void catch_up(struct sim *s)
{
	uint64_t ms = transfer_ms(s);

	if (!sim_advance(s, s->now_ms + ms, all_there))
		sim_broken(s, "liveness: somebody is still behind height %" PRIu64 " %" PRIu64 " ms later",
		           s->checks->height, ms);
}

/* ---- who lost its memory
 * ---------------------------------------------------------------------------------------- */

#define RECOVERY_HEIGHTS_MAX 64

static bool recovers(const struct machine *m)
{
	return m->wiped && !m->restored && !m->rotten && sim_honest(m->sim, m->id);
}

static bool all_recovered(struct sim *s)
{
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (recovers(m) && (!machine_up(m) || engine_of(m)->muted))
			return false;
	}
	return true;
}

/* ST5's bar is 2L above what peers said, and a checkpoint is due every K heights: 5K blocks, and they vote
 * again. */
static void remember_again(struct sim *s)
{
	uint64_t interval = s->g.g.params.checkpoint_interval, heights = 5 * interval + s->g.g.params.window;

	/* Traitors may have set the bar as high as they like; so may replays have shown it what it signed
	 * (OWN1). */
	if (s->traitors || fault_on(s, FAULT_REPLAY) || fault_on(s, FAULT_DELAY) ||
	    fault_on(s, FAULT_PAUSE) || heights > RECOVERY_HEIGHTS_MAX || all_recovered(s))
		return;
	for (uint64_t i = 0; i <= heights && !s->broken && !all_recovered(s); i++) {
		if (!pay_somebody(s))
			return; /* all is spent: no more blocks */
		if (!sim_advance(s, s->now_ms + progress_ms(s), all_final))
			sim_broken(s, "liveness: no block while a replica recovers");
	}
	if (!s->broken && !sim_advance(s, s->now_ms + transfer_ms(s), all_recovered))
		sim_broken(s,
		           "liveness: a replica that lost its disk is still silent %" PRIu64 " blocks later",
		           heights);
}

/* ---- total power loss
 * --------------------------------------------------------------------------------------------- */

#define CUT_POINTS 60   /* somewhere in the next turns */
#define CUT_WAIT_MS 500 /* by then they have struck, or strike now */

static bool all_stand(struct sim *s)
{
	for (unsigned i = 0; i < s->machine_cnt; i++)
		if ((in_core(&s->machines[i]) || follows(&s->machines[i])) && !machine_up(&s->machines[i]))
			return false;
	return true;
}

static void cut_all_power(struct sim *s)
{
	s->checks->disturbed = true;
	pay_everybody(s);
	trace_line(s, "power everywhere");
	for (unsigned i = 0; i < s->machine_cnt && !s->broken; i++) {
		uint64_t points = sim_random(s, STREAM_CHECK, CUT_POINTS);
		machine_power_off(&s->machines[i], points, CUT_WAIT_MS);
	}
	sim_advance(s, s->now_ms + CUT_WAIT_MS - 1, NULL);
	for (unsigned i = 0; i < s->machine_cnt && !s->broken; i++)
		if (s->machines[i].points > 0)
			machine_power_off(&s->machines[i], 0, CUT_WAIT_MS);
	if (!s->broken && !sim_advance(s, s->now_ms + 4 * CUT_WAIT_MS, all_stand))
		sim_broken(s, "liveness: not everybody starts after a power loss");
}

/* ---- the audit
 * ----------------------------------------------------------------------------------------------------- */

static bool at_rest(struct sim *s)
{
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (in_core(m) && (!machine_up(m) || pool_pending(m->replica->pool)))
			return false;
	}
	return all_there(s);
}

/* What a replica accepted may be lost in a rotten one. */
static bool any_rotten(const struct sim *s)
{
	for (unsigned i = 0; i < s->machine_cnt; i++)
		if (s->machines[i].rotten)
			return true;
	return false;
}

static void come_to_rest(struct sim *s)
{
	uint64_t ms = progress_ms(s);

	if (!sim_advance(s, s->now_ms + ms, at_rest))
		sim_broken(s, "liveness: something is still pending %" PRIu64 " ms later", ms);
	else if (!any_rotten(s) && clients_untold(s) > 0)
		sim_broken(s, "outcome: %zu final transactions of which their clients were not told",
		           clients_untold(s));
}

/* What nobody waits for, but must come all the same: the newest checkpoint is stable everywhere (CP1, ST2,
 * ST3, RE4). */
static bool checkpoints_are_stable(struct sim *s)
{
	uint64_t interval = s->g.g.params.checkpoint_interval;

	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (!in_core(m))
			continue;
		if (!machine_up(m) ||
		    engine_of(m)->stable.n < engine_of(m)->executed.n - engine_of(m)->executed.n % interval)
			return false;
	}
	return true;
}

static void checkpoint(struct sim *s)
{
	uint64_t ms = 4 * STATUS + 16 * DELTA;

	if (!sim_advance(s, s->now_ms + ms, checkpoints_are_stable))
		sim_broken(
		    s,
		    "liveness: the newest checkpoint is not stable everywhere though all rests for %" PRIu64
		    " ms",
		    ms);
}

/* The machine's ledger as an ordinary file, which the audit wants. False: it could not be made. */
static bool ledger_to_file(struct machine *m, const char *path)
{
	char from[32];
	sqlite3_int64 size = 0;
	unsigned char *content = NULL;
	sqlite3 *db = NULL;
	FILE *f = fopen(path, "wb");

	snprintf(from, sizeof from, "/%u/ledger.db", m->slot);
	if (sqlite3_open_v2(from, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, DISK_VFS) == SQLITE_OK)
		content = sqlite3_serialize(db, "main", &size, 0);
	bool ok = content && f && fwrite(content, 1, (size_t)size, f) == (size_t)size;
	sqlite3_free(content);
	sqlite3_close(db);
	return (f && fclose(f) == 0) && ok;
}

static void judge_report(struct sim *s, const struct audit_report *r)
{
	for (size_t i = 0; i < r->ledger_cnt; i++) {
		const struct audit_ledger *l = &r->ledgers[i];
		if (l->ok && l->height.n == s->checks->height && l->transactions == s->checks->transactions)
			continue;
		sim_broken(s, "audit: ledger %zu, height %" PRIu64 ": %s", i, l->height.n,
		           l->finding_cnt ? l->findings[0].message
		                          : "not of the height or content that all have");
	}
	if (!r->ok || r->diverged)
		sim_broken(s, "audit: the ledgers diverge at height %" PRIu64, r->divergence.height.n);
}

/* The product's own audit over every core disk. */
static void audit_all(struct sim *s)
{
	char dir[] = "/tmp/quorate-sim-XXXXXX", paths[SIM_MACHINES_MAX][48];
	const char *list[SIM_MACHINES_MAX];
	struct audit_options options = {.threads = 1};
	struct audit_report report;
	struct err err = {0};
	size_t cnt = 0;

	must(mkdtemp(dir));
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		if (!in_core(&s->machines[i]))
			continue;
		snprintf(paths[cnt], sizeof paths[cnt], "%s/%u.db", dir, i);
		must(ledger_to_file(&s->machines[i], paths[cnt]));
		list[cnt] = paths[cnt];
		cnt++;
	}
	if (audit_run(list, cnt, &s->g, &options, &report, &err)) {
		judge_report(s, &report);
		audit_report_free(&report);
	} else {
		sim_broken(s, "audit: %s", err.text);
	}
	for (size_t i = 0; i < cnt; i++) {
		static const char *const ends[] = {"-wal", "-shm", ""};
		for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
			char file[64];
			snprintf(file, sizeof file, "%s%s", paths[i], ends[k]);
			unlink(file);
		}
	}
	rmdir(dir);
}

#define AUDIT_EACH 16 /* runs */
#define ROWS_EACH 4   /* runs in which all ledgers are read row by row; else one */

static void audit(struct sim *s)
{
	bool all = sim_random(s, STREAM_CHECK, ROWS_EACH) == 0;
	uint64_t one = sim_random(s, STREAM_CHECK, s->machine_cnt);

	s->phase = AUDIT;
	sim_describe(s); /* while they are up */
	for (unsigned i = 0; i < s->machine_cnt; i++)
		machine_stop(&s->machines[i]);
	for (unsigned i = 0; i < s->machine_cnt && !s->broken; i++)
		if (follows(&s->machines[i]) && (all || i == one))
			chain_audit(&s->machines[i]);
	turns_shares(s->checks);
	if (!s->broken && sim_random(s, STREAM_CHECK, AUDIT_EACH) == 0)
		audit_all(s);
}

/* ---- all of it
 * ------------------------------------------------------------------------------------------------------ */

#define POWER_EACH 3 /* runs */

void heal_run(struct sim *s)
{
	static void (*const steps[])(struct sim *) = {
	    meet_in_a_view,   go_on,    timeouts_are_back, convict_somebody, move_on,
	    nobody_gets_away, catch_up, remember_again,
	};
	static void (*const again[])(struct sim *) = {cut_all_power, meet_in_a_view, go_on,
	                                              timeouts_are_back};
	bool power = sim_random(s, STREAM_CHECK, POWER_EACH) == 0;

	wait_for_the_chains_time(s);
	for (size_t i = 0; i < sizeof steps / sizeof *steps && !s->broken; i++)
		steps[i](s);
	for (size_t i = 0; i < sizeof again / sizeof *again && power && !s->broken; i++)
		again[i](s);
	if (!s->broken)
		come_to_rest(s);
	if (!s->broken)
		checkpoint(s);
	if (!s->broken)
		evidence_spreads(s);
	if (!s->broken)
		audit(s);
}
