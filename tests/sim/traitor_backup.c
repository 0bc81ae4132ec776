/*
 * traitor_backup.c: what a traitor does with its votes. Rules against it: V1, V2, PR2, CO1, CP2, CP3, quorums
 * of distinct replicas, and that what is signed begins with its kind.
 */
#include "traitor_impl.h"

#define HV(h, v) "h=%" PRIu64 " v=%" PRIu64, (uint64_t)(h), (uint64_t)(v)

static const struct qvote *vote_of(const struct outgoing *o)
{
	return &o->m->m.qmessage_u.vote;
}

/* Only its own votes: a replica may also hand on another's as evidence. */
static bool mine(const struct outgoing *o)
{
	return o->m->sender == o->id;
}

/* A block at this height other than the one given: a real one if there is any. */
static struct qhash other_block(struct traitor *t, uint64_t height, const struct qhash *than)
{
	const struct kblock *b = block_other(t, height, than);
	struct qhash hash = b ? b->hash : *than;

	if (!b)
		scramble(t, &hash);
	return hash;
}

/* ---- Y16 --------------------------------------------------------------------------------------------- */

static uint64_t double_vote(struct traitor *t, enum behaviour b, const struct outgoing *o, uint64_t to)
{
	struct qvote vote = *vote_of(o);

	if (!mine(o) || !deed(t, b))
		return to;
	vote.block = other_block(t, vote.height.n, &vote.block);
	acted(t, b, o->id, HV(vote.height.n, vote.view.n));
	if (chance(t, 50)) { /* A to some and B to others */
		say_vote(t, o->id, o->m->m.kind, &vote, to & t->side);
		return to & ~t->side;
	}
	say_vote(t, o->id, o->m->m.kind, &vote, to); /* B, then A, to all */
	return to;
}

static uint64_t double_prepare(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	return double_vote(t, B_DOUBLE_PREPARE, o, to);
}

static uint64_t double_commit(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	return double_vote(t, B_DOUBLE_COMMIT, o, to);
}

/* ---- Y17: before anybody has prepared it ------------------------------------------------------------- */

static void commit_unprepared(struct traitor *t, struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct qvote vote = {.view = p->view, .height = p->header.height};

	if (p->header.height.n <= t->tip || !deed(t, B_COMMIT_UNPREPARED))
		return;
	block_hash(&p->header, &vote.block);
	for (unsigned id = 0; id < t->s->n; id++) {
		if (sim_honest(t->s, id))
			continue;
		acted(t, B_COMMIT_UNPREPARED, id, HV(vote.height.n, vote.view.n));
		say_vote(t, id, QCOMMIT, &vote, everybody(t));
	}
}

/* ---- Y18 --------------------------------------------------------------------------------------------- */

static uint64_t vote_to_some(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!mine(o) || !(to & t->victims) || !deed(t, B_VOTE_TO_SOME))
		return to;
	acted(t, B_VOTE_TO_SOME, o->id, HV(vote_of(o)->height.n, vote_of(o)->view.n));
	return to & ~t->victims;
}

/* A commit that one replica has and the others do not: what a view change must not lose. */
static uint64_t commit_to_one(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!mine(o) || !deed(t, B_COMMIT_TO_ONE))
		return to;
	uint64_t rest = to & ~bit(t->victim);
	if (rest && chance(t, 60))
		say_later(t, o->id, o->m, rest, t->s->g.timeout_ms * (80 + draw(t, 200)) / 100);
	acted(t, B_COMMIT_TO_ONE, o->id, HV(vote_of(o)->height.n, vote_of(o)->view.n));
	return to & bit(t->victim);
}

/* What a traitor does to come to power: with one more replica away, only views of its own make progress. */
static uint64_t starve(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!mine(o) || !sim_honest(t->s, primary(t, vote_of(o)->view.n)) || !deed(t, B_STARVE))
		return to;
	acted(t, B_STARVE, o->id, HV(vote_of(o)->height.n, vote_of(o)->view.n));
	return 0;
}

/* Who waits shall not wait alone. */
static void starve_sees(struct traitor *t, struct message *m)
{
	uint64_t view = m->m.qmessage_u.view_change.view.n;

	if (!sim_honest(t->s, m->sender) || view <= t->view || !deed(t, B_STARVE))
		return;
	for (unsigned id = 0; id < t->s->n; id++) {
		if (sim_honest(t->s, id) || change_of(t, id, view))
			continue;
		acted(t, B_STARVE, id, "asks v=%" PRIu64, view);
		say_change(t, id, view, everybody(t));
	}
}

/* ---- Y19 --------------------------------------------------------------------------------------------- */

static uint64_t shifted_vote(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qvote vote = *vote_of(o);

	if (!mine(o) || !deed(t, B_SHIFTED_VOTE))
		return to;
	uint64_t way = draw(t, 8);
	vote.view.n += way & 1 ? 1 : way & 2 ? UINT64_MAX : 0;
	vote.height.n += way & 4 ? 1 : (way & 3) == 0 ? UINT64_MAX : 0;
	acted(t, B_SHIFTED_VOTE, o->id, HV(vote.height.n, vote.view.n));
	say_vote(t, o->id, o->m->m.kind, &vote, chance(t, 50) ? to : t->victims);
	return chance(t, 60) ? to : 0; /* in place of the true one, or with it */
}

/* ---- Y20 --------------------------------------------------------------------------------------------- */

static void flood_future(struct traitor *t, unsigned id)
{
	const unsigned window = t->s->g.g.params.window;

	if (!deed_tick(t, B_FLOOD_FUTURE))
		return;
	acted(t, B_FLOOD_FUTURE, id, HV(t->tip + 1, t->view));
	for (unsigned i = 0; i < 8; i++) {
		uint64_t near = draw(t, window), far = draw(t, 100), past = 1 + draw(t, t->tip + 1);
		uint64_t soon = 1 + draw(t, 4), late = UINT64_C(1) << draw(t, 64);
		const uint64_t heights[] = {t->tip + 1, t->tip + 1 + near, t->tip + window + 1 + far,
		                            UINT64_MAX, past};
		const uint64_t views[] = {t->view, t->view + soon, t->view + late, UINT64_MAX};
		struct qvote vote = {.height = qheight_of(heights[draw(t, 5)])};
		vote.view = qview_of(views[draw(t, 4)]);
		const struct kblock *b = block_other(t, vote.height.n, &vote.block);
		if (b)
			vote.block = b->hash;
		else
			make_up(t, &vote.block);
		enum qkind kind = chance(t, 50) ? QPREPARE : QCOMMIT;
		say_vote(t, id, kind, &vote, everybody(t));
	}
}

/* ---- Y21 --------------------------------------------------------------------------------------------- */

static uint64_t wrong_checkpoint(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qvote vote = *vote_of(o), other;

	if (!mine(o) || !deed(t, B_WRONG_CHECKPOINT))
		return to;
	acted(t, B_WRONG_CHECKPOINT, o->id, HV(vote.height.n, 0));
	other = vote;
	scramble(t, &vote.state);
	if (chance(t, 30))
		other.block = other_block(t, vote.height.n, &vote.block);
	say_vote(t, o->id, QCHECKPOINT, &vote, to & t->side);
	if (chance(t, 50))
		return to & ~t->side; /* the truth for the rest */
	other.state.b[0] ^= 1;
	say_vote(t, o->id, QCHECKPOINT, &other, to & ~t->side);
	return 0;
}

static void early_checkpoint(struct traitor *t, unsigned id)
{
	const uint64_t interval = t->s->g.g.params.checkpoint_interval;

	if (!deed_tick(t, B_EARLY_CHECKPOINT))
		return;
	const uint64_t next = t->stable + interval;
	const uint64_t heights[] = {
	    next, next, next + interval, next + 5 * interval, t->tip + 1, UINT64_MAX / interval * interval};
	struct qvote vote = {.height = qheight_of(heights[draw(t, 6)])};
	const struct qhash *final = final_at(t, vote.height.n);
	if (final)
		vote.block = *final;
	make_up(t, &vote.state);
	acted(t, B_EARLY_CHECKPOINT, id, HV(vote.height.n, 0));
	say_vote(t, id, QCHECKPOINT, &vote, chance(t, 50) ? everybody(t) : t->victims);
}

/* ---- Y22 --------------------------------------------------------------------------------------------- */

static void replay_own(struct traitor *t, unsigned id)
{
	static const enum qkind kinds[] = {QPRE_PREPARE, QPREPARE, QCOMMIT, QCHECKPOINT,
	                                   QVIEW_CHANGE, QSTATUS,  QCHAIN};
	const struct message *m = NULL;

	if (!deed_tick(t, B_REPLAY_OWN))
		return;
	for (unsigned i = 0; i < 12 && !m; i++) {
		m = history_any(t, kinds[draw(t, sizeof kinds / sizeof *kinds)]);
		m = m && m->sender == id ? m : NULL;
	}
	if (!m)
		return;
	acted(t, B_REPLAY_OWN, id, "kind=%d", (int)m->m.kind);
	say_message(t, id, m, everybody(t));
}

/* ---- Y23, Y24: in another's name, of another kind ---------------------------------------------------- */

static uint64_t claim_sender(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qenvelope env = o->m->env;

	if (!deed(t, B_CLAIM_SENDER))
		return to;
	env.sender = chance(t, 80) ? one_of(t, others(t, o->id)) : t->s->n + (unsigned)draw(t, 2);
	acted(t, B_CLAIM_SENDER, o->id, "kind=%d as %u", (int)o->m->m.kind, env.sender);
	say_envelope(t, o->id, &env, to);
	return to;
}

static void retag(struct traitor *t, struct message *m)
{
	static const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};
	struct qmessage other = m->m;
	struct qenvelope env = m->env;
	struct bytes body;

	if (!deed(t, B_RETAG))
		return;
	unsigned by = one_of(t, t->s->traitors);
	if (m->m.kind == QPRE_PREPARE) { /* the PREPARE inside as a vote */
		struct qproposal p = m->m.qmessage_u.proposal;
		other.qmessage_u.vote = (struct qvote){.view = p.view, .height = p.header.height};
		block_hash(&p.header, &other.qmessage_u.vote.block);
		env.sig = p.prepare;
	}
	other.kind = kinds[draw(t, 3)];
	if (other.kind == m->m.kind || (other.kind == QPREPARE && m->m.kind == QPRE_PREPARE))
		other.kind = QCOMMIT;
	if (other.kind == m->m.kind)
		other.kind = QPREPARE;
	if (other.kind == QCHECKPOINT)
		other.qmessage_u.vote.view.n = 0;
	if (!wire_encode(WIRE(qmessage), &other, &body))
		return;
	env.body.body_val = (void *)body.data;
	env.body.body_len = (unsigned)body.len;
	acted(t, B_RETAG, by, "kind=%d as %d of %u", (int)m->m.kind, (int)other.kind, m->sender);
	say_envelope(t, by, &env, everybody(t));
	bytes_free(&body);
}

/* ---- silence ----------------------------------------------------------------------------------------- */

static void fall_silent(struct traitor *t, unsigned id)
{
	if (t->silent_until_ms[id] > t->s->now_ms || !deed_tick(t, B_SILENT))
		return;
	uint64_t ms = 50 + draw(t, 6 * t->s->g.timeout_ms);
	t->silent_until_ms[id] = t->s->now_ms + ms;
	acted(t, B_SILENT, id, "for %" PRIu64 " ms", ms);
}

#define VOTES (K(QPREPARE) | K(QCOMMIT))

const struct tactic backup_tactics[] = {
    /* Y16 */
    {.behaviour = B_DOUBLE_PREPARE, .sends = K(QPREPARE), .on_send = double_prepare},
    {.behaviour = B_DOUBLE_COMMIT, .sends = K(QCOMMIT), .on_send = double_commit},
    /* Y17 */
    {.behaviour = B_COMMIT_UNPREPARED, .sees = K(QPRE_PREPARE), .on_see = commit_unprepared},
    /* Y18 */
    {.behaviour = B_VOTE_TO_SOME, .sends = VOTES, .on_send = vote_to_some},
    /* Y19 */
    {.behaviour = B_SHIFTED_VOTE, .sends = VOTES | K(QCHECKPOINT), .on_send = shifted_vote},
    /* Y20 */
    {.behaviour = B_FLOOD_FUTURE, .on_tick = flood_future},
    /* Y21 */
    {.behaviour = B_WRONG_CHECKPOINT, .sends = K(QCHECKPOINT), .on_send = wrong_checkpoint},
    {.behaviour = B_EARLY_CHECKPOINT, .on_tick = early_checkpoint},
    /* Y22 */
    {.behaviour = B_REPLAY_OWN, .on_tick = replay_own},
    /* Y23 */
    {.behaviour = B_CLAIM_SENDER, .sends = ALL_KINDS, .on_send = claim_sender},
    /* Y24 */
    {.behaviour = B_RETAG, .sees = VOTES | K(QPRE_PREPARE), .on_see = retag},
    /* new */
    {.behaviour = B_COMMIT_TO_ONE, .sends = K(QCOMMIT), .on_send = commit_to_one},
    {.behaviour = B_SILENT, .on_tick = fall_silent},
    {.behaviour = B_STARVE,
     .sends = VOTES,
     .on_send = starve,
     .sees = K(QVIEW_CHANGE),
     .on_see = starve_sees},
    {.behaviour = BEHAVIOUR_CNT},
};
