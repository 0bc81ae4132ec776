/*
 * fuzz_replica.c: one whole replica (node/replica.c, on files) among three liars.  An input is a list of
 * deeds, eight bytes each: a message of a genuine history (chronicle.h), as it was or with one place
 * overwritten, signed anew by any of the three; stretches of the history; time; clients; a crash.  The first
 * deed's first byte also chooses how much of the history the replica has behind it.
 *
 * More than f lie, so its chain may be any; but it never aborts, never signs two statements under one (kind,
 * view, height), sends only what its peers could open, stops only where it was shown
 * two chains or another state, keeps what it executed and
 * all the money over a restart, and its ledger passes the audit.
 *
 * Links: q_replica
 */
#include "audit.h"
#include "chronicle.h"
#include "fuzz.h"

#ifndef FUZZ_NAME
#define FUZZ_NAME "replica"
#endif
#define DEEDS_MAX 48
#define STATEMENTS_MAX 4096

enum { TELL, BEND, BEND_MORE, PASS_TIME, SUBMIT, CRASH, WHAT_CNT };
#define LATE 0x80 /* in the first deed's what: begin with the later files */

struct deed {
	uint8_t what, sender, pick_high, pick_low;
	struct bend bend;
};

static struct {
	struct replica *replica; /* NULL: it stopped for good */
	uint64_t now_ms;
	uint64_t executed; /* known to be on disk */
	bool stopped;
	struct statement {
		enum qkind kind;
		uint64_t view, height;
		struct qhash what;
	} statements[STATEMENTS_MAX];
	size_t statement_cnt;
} subject;

/* ---- what it says ------------------------------------------------------------------------------ */

/* Is this kind one of which there is one under a key? *s is what it says there. */
static bool statement_of(const struct message *m, struct statement *s)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	const struct qvote *v = &m->m.qmessage_u.vote;

	*s = (struct statement){.kind = m->m.kind, .what = message_id(m)};
	switch (m->m.kind) {
	case QPRE_PREPARE:
		s->view = p->view.n;
		s->height = p->header.height.n;
		return true;
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		s->view = v->view.n;
		s->height = v->height.n;
		return true;
	case QVIEW_CHANGE:
		s->view = m->m.qmessage_u.view_change.view.n;
		return true;
	case QNEW_VIEW:
		s->view = m->m.qmessage_u.new_view.view.n;
		return true;
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return false;
}

static void note(const struct message *m)
{
	struct statement s;

	if (m->sender != SELF || !statement_of(m, &s))
		return;
	for (size_t i = 0; i < subject.statement_cnt; i++) {
		const struct statement *other = &subject.statements[i];
		if (other->kind == s.kind && other->view == s.view && other->height == s.height) {
			must(qhash_eq(&other->what, &s.what));
			return;
		}
	}
	if (subject.statement_cnt < STATEMENTS_MAX)
		subject.statements[subject.statement_cnt++] = s;
}

static void on_send(void *ctx, struct message *m, uint64_t to)
{
	struct verified v;
	enum open_verdict verdict;

	(void)ctx;
	must(to != 0 && (to & (UINT64_C(1) << SELF)) == 0 && to >> chronicle.rules.g.n == 0);
	must(verify_envelope(&chronicle.rules.g, chronicle.cache, &m->env, &v, &verdict));
	verified_free(&v);
	note(m);
}

static void on_outcome(void *ctx, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                       const struct qtxid *winner)
{
	(void)ctx, (void)id, (void)winner;
	must(v == TX_FINAL || v == TX_DOUBLE_SPEND || v == TX_EXPIRED || v == TX_PENALTY ||
	     v == TX_OLD_OFFENCE);
	must(v != TX_FINAL || height.n > 0);
}

static void sign(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	(void)ctx;
	ident_sign(chronicle.rules.ids[SELF], &chronicle.rules.g.chain, body, len, sig);
}

/* ---- its life ------------------------------------------------------------------------------------ */

static void start(void)
{
	struct err err = {0};
	struct replica_config config = {
	    .genesis = &chronicle.rules.g,
	    .self = SELF,
	    .signer = {sign, NULL},
	    .key = &chronicle.rules.g.g.replicas.replicas_val[SELF].key,
	    .ledger_path = chronicle.ledger,
	    .votes_path = chronicle.votes,
	    .effects = {NULL, on_send, on_outcome, NULL},
	};
	struct replica_status s;

	subject.replica = replica_open(&config, subject.now_ms, &err);
	if (!subject.replica)
		must_failed(err.text, __FILE__, __LINE__); /* its files are its own work */
	replica_clock(subject.replica, subject.now_ms, CLUSTER_WALL_MS + subject.now_ms);
	replica_status(subject.replica, &s);
	must(s.height.n >= subject.executed);
	must(s.supply == chronicle.rules.g.supply);
	subject.executed = s.height.n;
	subject.stopped = false;
}

static void turn(void)
{
	struct replica_status s;
	struct err err = {0};

	if (subject.stopped)
		return;
	if (!replica_turn(subject.replica, &err)) {
		/* It was shown a second chain or state. Any other reason is its own fault. */
		if (!strstr(err.text, "more than f replicas lie") && !strstr(err.text, "corrupt"))
			must_failed(err.text, __FILE__, __LINE__);
		subject.stopped = true;
		return;
	}
	replica_status(subject.replica, &s);
	must(s.height.n >= subject.executed && s.supply == chronicle.rules.g.supply);
	must(s.engine.tip.n >= s.height.n);
	subject.executed = s.height.n;
}

static void stop(void)
{
	replica_close(subject.replica);
	subject.replica = NULL;
}

/* ---- deeds ----------------------------------------------------------------------------------------- */

static void deliver(const struct qenvelope *env)
{
	struct verified v;
	enum open_verdict verdict;

	if (subject.stopped || !verify_envelope(&chronicle.rules.g, chronicle.cache, env, &v, &verdict))
		return;
	replica_message(subject.replica, v.message, v.txs, v.tx_cnt);
	verified_free(&v);
}

static const struct message *picked(const struct deed *d)
{
	return chronicle.kept[((size_t)d->pick_high << 8 | d->pick_low) % chronicle.kept_cnt];
}

/* From there on, one after the other: also its own, which come back to it. */
static void tell(const struct deed *d)
{
	size_t at = ((size_t)d->pick_high << 8 | d->pick_low) % chronicle.kept_cnt;

	for (unsigned k = 0; k <= d->bend.value && at < chronicle.kept_cnt; k++, at++) {
		if (chronicle.kept[at]->sender == SELF && !(d->sender & 0x80))
			continue;
		deliver(&chronicle.kept[at]->env);
		turn();
	}
}

static void bend_one(const struct deed *d)
{
	unsigned sender = d->sender % 4 == SELF ? 0 : d->sender % 4;
	struct qenvelope env;

	if (!bend_message(picked(d), sender, &d->bend, &env))
		return;
	deliver(&env);
	wire_free(WIRE(qenvelope), &env);
	turn();
}

static void pass_time(const struct deed *d)
{
	subject.now_ms += 1 + 8u * d->bend.value;
	replica_clock(subject.replica, subject.now_ms, CLUSTER_WALL_MS + subject.now_ms);
	turn();
}

static void submit(const struct deed *d)
{
	const struct bytes *raw = &chronicle.tx[d->bend.value % chronicle.tx_cnt];
	enum tx_verdict verdict = TX_OK;
	struct tx *tx = tx_parse(&chronicle.rules.g.chain, raw->data, raw->len, &verdict);
	struct qheight height;
	struct qtxid winner;

	must(tx != NULL);
	if (!subject.stopped)
		replica_submit(subject.replica, tx, &height, &winner);
	tx_unref(tx);
	turn();
}

static void act(const struct deed *d)
{
	switch ((d->what & ~LATE) % WHAT_CNT) {
	case TELL:
		tell(d);
		break;
	case PASS_TIME:
		pass_time(d);
		break;
	case SUBMIT:
		submit(d);
		break;
	case CRASH:
		stop();
		start();
		break;
	default:
		bend_one(d);
		break;
	}
}

/* ---- the test ---------------------------------------------------------------------------------------- */

static void check_ledger(void)
{
	const char *path = chronicle.ledger;
	struct audit_options o = {.threads = 1};
	struct audit_report report;
	struct err err = {0};

	if (!audit_run(&path, 1, &chronicle.rules.g, &o, &report, &err))
		must_failed(err.text, __FILE__, __LINE__);
	must(report.ok && report.height.n >= subject.executed);
	audit_report_free(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool late = len > 0 && data[0] & LATE;
	const struct image *ledger = late ? &chronicle.late.ledger : &chronicle.early.ledger;
	const struct image *votes = late ? &chronicle.late.votes : &chronicle.early.votes;
	struct deed d;

	memset(&subject, 0, sizeof subject);
	subject.now_ms = 100000;
	cluster_unlink(chronicle.ledger);
	cluster_unlink(chronicle.votes);
	image_write(chronicle.ledger, ledger->data, ledger->len);
	image_write(chronicle.votes, votes->data, votes->len);
	start();
	for (size_t i = 0; i < DEEDS_MAX && (i + 1) * sizeof d <= len; i++) {
		memcpy(&d, data + i * sizeof d, sizeof d);
		act(&d);
	}
	stop();
	start();
	stop();
	check_ledger();
	return 0;
}

/* ---- genuine lists ------------------------------------------------------------------------------------ */

static struct deed one(uint8_t what, size_t pick, uint8_t sender, struct bend bend)
{
	return (struct deed){what, sender, (uint8_t)(pick >> 8), (uint8_t)pick, bend};
}

/* A proposal of the history, then another in its place: one bit of its time differs. */
static void add_second_proposals(void)
{
	const uint8_t time_at = 103; /* its last byte, in the encoded message */
	size_t cnt = 0;

	for (size_t at = chronicle.early.from; at < chronicle.kept_cnt && cnt < 8; at++) {
		if (chronicle.kept[at]->m.kind != QPRE_PREPARE)
			continue;
		struct deed list[4] = {
		    one(TELL, chronicle.early.from, 0,
		        (struct bend){.value = (uint8_t)(at - chronicle.early.from)}),
		    one(BEND, at, (uint8_t)chronicle.kept[at]->sender,
		        (struct bend){0, time_at, 1, BEND_FLIP}),
		    one(PASS_TIME, 0, 0, (struct bend){.value = 3}),
		    one(CRASH, 0, 0, (struct bend){0}),
		};
		fuzz_seed(list, sizeof list);
		cnt++;
	}
}

/* All three say the same, with a view or height at the end of numbers; then time-outs pass. */
static void add_extremes(void)
{
	static const struct {
		enum qkind kind;
		uint8_t at;
	} places[] = {{QSTATUS, 4},      {QSTATUS, 20}, {QVIEW_CHANGE, 4},
	              {QCHECKPOINT, 12}, {QCOMMIT, 4},  {QCOMMIT, 12}};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		size_t at = 0;
		while (chronicle.kept[at]->m.kind != places[i].kind)
			at++;
		for (uint8_t number = 2; number < 5; number++) {
			struct deed list[24];
			for (uint8_t sender = 0; sender < 4; sender++)
				list[sender] = one(BEND, at, sender,
				                   (struct bend){0, places[i].at, number, BEND_NUMBER});
			list[4] = one(SUBMIT, 0, 0, (struct bend){0});
			for (size_t k = 5; k < 24; k++)
				list[k] = one(PASS_TIME, 0, 0, (struct bend){.value = 100});
			fuzz_seed(list, sizeof list);
		}
	}
}

/* The history to its end from where the replica stands; then each kind of message bent in each manner. */
static void setup(void)
{
	struct deed list[DEEDS_MAX];

	chronicle_setup();
	add_second_proposals();
	add_extremes();
	size_t cnt = 0;
	for (size_t at = chronicle.early.from; at < chronicle.kept_cnt && cnt < DEEDS_MAX; at += 64)
		list[cnt++] = one(TELL, at, 0, (struct bend){.value = 63});
	fuzz_seed(list, cnt * sizeof *list);
	cnt = 0;
	for (size_t at = chronicle.late.from; at < chronicle.kept_cnt && cnt < DEEDS_MAX; at += 64)
		list[cnt++] = one(TELL, at, 0, (struct bend){.value = 63});
	list[0].what |= LATE;
	fuzz_seed(list, cnt * sizeof *list);
	for (enum qkind kind = QPRE_PREPARE; kind <= QEVIDENCE; kind++) {
		cnt = 0;
		for (size_t at = 0; at < chronicle.kept_cnt && cnt < 12; at++) {
			if (chronicle.kept[at]->m.kind != kind)
				continue;
			list[cnt] = one(BEND, at, (uint8_t)chronicle.kept[at]->sender,
			                (struct bend){0, (uint8_t)(16 * cnt), (uint8_t)cnt,
			                              (uint8_t)(cnt % BEND_CNT | 0x40)});
			cnt++;
		}
		list[cnt++] = one(PASS_TIME, 0, 0, (struct bend){.value = 100});
		list[cnt++] = one(SUBMIT, 0, 0, (struct bend){.value = (uint8_t)kind});
		list[cnt++] = one(CRASH, 0, 0, (struct bend){0});
		fuzz_seed(list, cnt * sizeof *list);
	}
}

const struct fuzz_target fuzz_target = {.name = FUZZ_NAME,
                                        .runs = 40,
                                        .record = sizeof(struct deed),
                                        .setup = setup,
                                        .teardown = chronicle_teardown};
