/*
 * traitor_evidence.c: what a traitor hands on as evidence: what convicts nobody, what would convict the
 * honest, and more of the true kind, against itself, than anybody wants to keep.  Rules against it:
 * message_open(), and the bounds of node/replica_evidence.c.
 */
#include "traitor_impl.h"

#define PIECES 24 /* at most, in one answer */

/* The vote of `replica` as its envelope. */
static struct qenvelope vote_env(const struct traitor *t, const struct statement *st, unsigned replica)
{
	uint8_t body[CERT_STATEMENT_MAX];
	size_t len = cert_statement(st->kind, &st->vote, body);
	struct qenvelope env = {.chain = t->s->g.chain, .sender = replica, .sig = st->sigs[replica]};

	env.body.body_len = (unsigned)len;
	env.body.body_val = xmemdup(body, len);
	return env;
}

static unsigned first_of(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask);
}

/* Two votes of an honest replica: at one height in two views, or at two heights. Both are real, and legal. */
static bool legal_votes(struct traitor *t, struct qevidence *ev)
{
	struct qconflict *c = &ev->qevidence_u.conflict;
	static const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};
	enum qkind kind = kinds[draw(t, 3)];
	struct statement *a, *b;
	size_t i = 0;

	while ((a = statement_next(t, kind, &i)))
		for (size_t j = i; (b = statement_next(t, kind, &j));) {
			uint64_t both = a->signers & b->signers & honest(t);
			if (!both || chance(t, 70))
				continue;
			unsigned who = first_of(both);
			*ev = (struct qevidence){.kind = QEV_CONFLICT};
			*c = (struct qconflict){vote_env(t, a, who), vote_env(t, b, who)};
			return true;
		}
	return false;
}

/* A real vote of an honest replica, and another one in its name. */
static bool made_up_vote(struct traitor *t, struct qevidence *ev)
{
	struct qconflict *c = &ev->qevidence_u.conflict;
	size_t from = draw(t, 8);
	struct statement *st = statement_next(t, QCOMMIT, &from), other;

	if (!st || !(st->signers & honest(t)))
		return false;
	unsigned who = first_of(st->signers & honest(t));
	other = *st;
	scramble(t, &other.vote.block);
	*ev = (struct qevidence){.kind = QEV_CONFLICT};
	*c = (struct qconflict){vote_env(t, st, who), vote_env(t, &other, who)};
	return true;
}

static struct qenvelope envelope_copy(const struct qenvelope *env)
{
	struct qenvelope copy = *env;

	copy.body.body_val = xmemdup(env->body.body_val, env->body.body_len);
	return copy;
}

/* A good proposal as a bad one. */
static bool good_proposal(struct traitor *t, struct qevidence *ev)
{
	const struct message *m = history_any(t, QPRE_PREPARE);

	if (!m || !(bit(m->sender) & honest(t)))
		return false;
	*ev = (struct qevidence){.kind = QEV_BAD_PROPOSAL};
	ev->qevidence_u.proposal = envelope_copy(&m->env);
	return true;
}

/* What an honest replica committed, and what it asked for later. */
static bool honest_change(struct traitor *t, struct qevidence *ev)
{
	const struct message *m = history_any(t, QVIEW_CHANGE);
	size_t from = 0;
	struct statement *st;

	while (m && (st = statement_next(t, QCOMMIT, &from))) {
		if (!(st->signers >> m->sender & 1) || !(bit(m->sender) & honest(t)) || chance(t, 50))
			continue;
		*ev = (struct qevidence){.kind = QEV_CONFLICT};
		ev->qevidence_u.conflict.first = vote_env(t, st, m->sender);
		ev->qevidence_u.conflict.second = envelope_copy(&m->env);
		return true;
	}
	return false;
}

/* True, of its own making, at the n-th height from somewhere on. */
static void against_itself(struct traitor *t, unsigned id, uint64_t from, unsigned n, struct qevidence *ev)
{
	struct qconflict *c = &ev->qevidence_u.conflict;
	struct statement a = {.kind = QCOMMIT, .vote.view.n = t->view, .vote.height.n = from + n}, b;

	make_up(t, &a.vote.block);
	b = a;
	scramble(t, &b.vote.block);
	sign_vote(t, id, a.kind, &a.vote, &a.sigs[id]);
	sign_vote(t, id, b.kind, &b.vote, &b.sigs[id]);
	*ev = (struct qevidence){.kind = QEV_CONFLICT};
	*c = (struct qconflict){vote_env(t, &a, id), vote_env(t, &b, id)};
}

static void false_evidence(struct traitor *t, struct message *m)
{
	static bool (*const ways[])(struct traitor *, struct qevidence *) = {legal_votes, made_up_vote,
	                                                                     good_proposal, honest_change};
	struct qmessage reply = {.kind = QEVIDENCE};
	struct qevidences *e = &reply.qmessage_u.evidence;

	if (!(bit(m->sender) & honest(t)) || !deed(t, B_FALSE_EVIDENCE))
		return;
	unsigned id = one_of(t, t->s->traitors);
	uint64_t way = draw(t, 5), from = t->tip + draw(t, 1000);
	e->list.list_val = xcalloc(PIECES, sizeof *e->list.list_val);
	if (way < 4)
		e->list.list_len = ways[way](t, e->list.list_val);
	for (unsigned n = way < 4 ? 0 : 1 + (unsigned)draw(t, PIECES); n > 0; n--)
		against_itself(t, id, from, n, &e->list.list_val[e->list.list_len++]);
	e->upto = m->m.qmessage_u.get_evidence.after + (chance(t, 10) ? UINT64_MAX / 2 : draw(t, 3));
	if (e->list.list_len > 0) {
		acted(t, B_FALSE_EVIDENCE, id, "way=%" PRIu64 " pieces=%u", way, e->list.list_len);
		say(t, id, &reply, bit(m->sender));
	}
	wire_free(WIRE(qmessage), &reply);
}

const struct tactic evidence_tactics[] = {
    {.behaviour = B_FALSE_EVIDENCE, .sees = K(QGET_EVIDENCE), .on_see = false_evidence},
    {.behaviour = BEHAVIOUR_CNT},
};
