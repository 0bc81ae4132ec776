/*
 * traitor_puppet.c: plays a replica whose machine has been silenced by rule OWN1, well enough to be believed:
 * it votes with the crowd, asks for views when others do, leads and proposes. What it says passes through the
 * behaviours like a machine's words.
 */
#include "traitor_impl.h"

static void vote(struct traitor *t, unsigned id, enum qkind kind, const struct qvote *what)
{
	const struct statement *st = statement_find(t, kind, what);
	struct qmessage m = {.kind = kind};
	struct message *made;

	if (st && (st->signers >> id & 1))
		return;
	m.qmessage_u.vote = *what;
	made = make(t, id, &m);
	if (!made)
		return;
	memory_note(t, kind, what, id, &made->env.sig);
	say_as_replica(t, id, id, made, others(t, id));
	message_unref(made);
}

static void follow(struct traitor *t, unsigned id, const struct qvote *what)
{
	const struct statement *st;

	if (what->height.n <= t->tip || what->view.n != t->view)
		return;
	vote(t, id, QPREPARE, what);
	st = statement_find(t, QPREPARE, what);
	if (st && __builtin_popcountll(st->signers) >= (int)t->s->q)
		vote(t, id, QCOMMIT, what);
}

static void ask(struct traitor *t, unsigned id, uint64_t view)
{
	const struct claim claim = {.tip = UINT64_MAX, .stable = UINT64_MAX, .prepared = true};
	unsigned cnt = 0;

	for (unsigned i = 0; i < t->s->n; i++)
		cnt += sim_honest(t->s, i) && t->at[i].asked >= view;
	if (view <= t->puppet_asked[id] || cnt == 0)
		return;
	t->puppet_asked[id] = view;
	struct message *made = own_change(t, id, view, &claim);
	if (!made)
		return;
	say_as_replica(t, id, id, made, others(t, id));
	if (primary(t, view) == id && !change_of(t, id, view)) /* withheld, but the leader has it */
		change_note(t, made);
	message_unref(made);
}

static void lead(struct traitor *t, unsigned id, uint64_t view)
{
	struct qmessage m = {.kind = QNEW_VIEW};
	struct qnew_view *nv = &m.qmessage_u.new_view;
	struct qenvelope envs[SIM_REPLICAS_MAX];
	struct message *made;

	if (primary(t, view) != id || view <= t->puppet_led[id])
		return;
	nv->view = qview_of(view);
	nv->changes.changes_val = envs;
	for (unsigned i = 0; i < t->s->n && nv->changes.changes_len < t->s->q; i++) {
		const struct message *vc = change_of(t, i, view);
		if (vc)
			envs[nv->changes.changes_len++] = vc->env;
	}
	if (nv->changes.changes_len < t->s->q)
		return;
	made = make(t, id, &m);
	if (!made)
		return;
	t->puppet_led[id] = view;
	say_as_replica(t, id, id, made, others(t, id));
	message_unref(made);
}

void puppet_sees(struct traitor *t, struct message *m)
{
	struct qvote what = {0};

	for (unsigned id = 0; id < t->s->n; id++) {
		if (!t->puppet[id] || !machine_up(&t->s->machines[id]))
			continue;
		if (m->m.kind == QPRE_PREPARE) {
			const struct qproposal *p = &m->m.qmessage_u.proposal;
			what = (struct qvote){.view = p->view, .height = p->header.height};
			block_hash(&p->header, &what.block);
			follow(t, id, &what);
		} else if (m->m.kind == QPREPARE) {
			what = m->m.qmessage_u.vote;
			follow(t, id, &what);
		} else if (m->m.kind == QVIEW_CHANGE) {
			ask(t, id, m->m.qmessage_u.view_change.view.n);
			lead(t, id, m->m.qmessage_u.view_change.view.n);
		}
	}
}

static bool busy(struct traitor *t, uint64_t view, uint64_t height)
{
	const struct statement *st;
	size_t from = 0;

	while ((st = statement_next(t, QPREPARE, &from)))
		if (st->vote.view.n == view && st->vote.height.n == height)
			return true;
	return false;
}

void puppet_tick(struct traitor *t, unsigned id)
{
	struct draft d;
	struct message *made;

	if (proposer(t, t->view, t->tip + 1) != id || !machine_up(&t->s->machines[id]) ||
	    busy(t, t->view, t->tip + 1))
		return;
	if (!draft_new(t, &d, id, t->view, t->tip + 1, &t->tip_hash, t->s->g.g.params.block_txs_max))
		return;
	made = draft_message(t, id, &d, everybody(t));
	if (made)
		say_as_replica(t, id, id, made, others(t, id));
	message_unref(made);
	draft_clear(&d);
}
