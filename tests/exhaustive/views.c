/* views.c: see views.h. */
#include "views.h"

#include <stdlib.h>

#include "pbft.h"

#define LIST_MAX 512

#define ANY 0u /* whoever did not sign a certificate: see message_for() */

/* ---- the traitor's VIEW-CHANGEs ----------------------------------------------- */

struct list {
	unsigned numbers[LIST_MAX], cnt;
};

struct draft { /* statements + 1; 0: none */
	unsigned tip, stable, prepared[9];
	enum qkind tip_kind;
};

static void sign_draft(unsigned view, const struct draft *d, struct list *list)
{
	struct qmessage m = {.kind = QVIEW_CHANGE};
	struct qview_change *vc = &m.qmessage_u.view_change;
	struct qcert tip, stable;
	struct qprepared prepared[8];
	vc->view = qview_of(view);
	vc->prepared.prepared_val = prepared;
	if (d->tip) {
		certificate_of(d->tip_kind, d->tip - 1, ANY, &tip);
		vc->tip.tip_len = 1;
		vc->tip.tip_val = &tip;
	}
	if (d->stable) {
		certificate_of(QCHECKPOINT, d->stable - 1, ANY, &stable);
		vc->stable.stable_len = 1;
		vc->stable.stable_val = &stable;
	}
	for (unsigned h = 1; h <= rules.heights; h++) {
		if (!d->prepared[h])
			continue;
		struct qprepared *p = &prepared[vc->prepared.prepared_len++];
		p->header = named_blocks[statement_block(d->prepared[h] - 1)].header;
		certificate_of(QPREPARE, d->prepared[h] - 1, ANY, &p->cert);
	}
	struct message *made = signed_by(rules.traitor, &m);
	must(list->cnt < LIST_MAX);
	list->numbers[list->cnt++] = message_number(made);
	message_unref(made);
	if (d->tip)
		wire_free(WIRE(qcert), &tip);
	if (d->stable)
		wire_free(WIRE(qcert), &stable);
	for (unsigned k = 0; k < vc->prepared.prepared_len; k++)
		wire_free(WIRE(qcert), &prepared[k].cert);
}

/* Each choice of what to show as prepared, from this height up. */
static void choose_prepared(unsigned view, const struct shown *shown, struct draft *d, unsigned height,
                            struct list *list)
{
	if (height > rules.heights) {
		sign_draft(view, d, list);
		return;
	}
	d->prepared[height] = 0;
	choose_prepared(view, shown, d, height + 1, list);
	for (unsigned s = 0; s < statement_cnt(); s++) {
		if (!(shown->prepared >> s & 1) || statement_view(s) >= view ||
		    named_blocks[statement_block(s)].height != height)
			continue;
		d->prepared[height] = s + 1;
		choose_prepared(view, shown, d, height + 1, list);
	}
	d->prepared[height] = 0;
}

static void choose_tip(unsigned view, const struct shown *shown, struct draft *d, struct list *list)
{
	uint64_t blocks = 1; /* told already */
	d->tip = 0;
	choose_prepared(view, shown, d, 1, list);
	for (unsigned k = 0; k < 2; k++) {
		enum qkind kind = k ? QCHECKPOINT : QCOMMIT;
		uint64_t can = k ? shown->stable : shown->committed;
		for (unsigned s = 0; s < statement_cnt(); s++) {
			unsigned b = statement_block(s);
			if (!(can >> s & 1) || blocks >> b & 1)
				continue;
			blocks |= UINT64_C(1) << b;
			d->tip = s + 1;
			d->tip_kind = kind;
			choose_prepared(view, shown, d, named_blocks[b].height + 1, list);
		}
	}
}

static struct numbering change_keys;
static struct list *change_lists;

const unsigned *traitors_changes(unsigned view, const struct shown *shown, unsigned *cnt)
{
	uint64_t key[4] = {view, shown->prepared, shown->committed, shown->stable};
	struct draft d = {0};
	bool fresh;
	unsigned number = number_of(&change_keys, key, sizeof key, &fresh);
	if (fresh) {
		change_lists = xrealloc(change_lists, (number + 1) * sizeof *change_lists);
		change_lists[number].cnt = 0;
		choose_tip(view, shown, &d, &change_lists[number]);
		for (unsigned s = 0; s < statement_cnt(); s++) {
			if (!(shown->stable >> s & 1))
				continue;
			d = (struct draft){.stable = s + 1};
			choose_prepared(view, shown, &d, 1, &change_lists[number]);
		}
	}
	*cnt = change_lists[number].cnt;
	return change_lists[number].numbers;
}

/* ---- what follows from V --------------------------------------------------------- */

#define OUTCOMES_MAX 256
struct outcomes {
	struct outcome list[OUTCOMES_MAX];
	unsigned cnt;
};

static unsigned new_view_of(unsigned view, struct message *const *changes, unsigned cnt)
{
	struct qmessage m = {.kind = QNEW_VIEW};
	struct qenvelope envs[REPLICAS];
	m.qmessage_u.new_view.view = qview_of(view);
	m.qmessage_u.new_view.changes.changes_val = envs;
	m.qmessage_u.new_view.changes.changes_len = cnt;
	for (unsigned i = 0; i < cnt; i++)
		envs[i] = changes[i]->env;
	struct message *made = signed_by(rules.traitor, &m);
	unsigned number = message_number(made);
	message_unref(made);
	return number;
}

static void note_outcome(unsigned view, struct message *const *changes, unsigned cnt, struct outcomes *o)
{
	const struct qcert *s;
	const struct qprepared *chosen[Q_WINDOW_MAX];
	size_t o_cnt = new_view_choose(&world_genesis, changes, cnt, &s, chosen);
	struct outcome x = {.s = s ? block_number(&s->vote.block) : 0};
	x.end = o_cnt ? block_number(&chosen[o_cnt - 1]->cert.vote.block) : x.s;
	for (unsigned k = 0; k < o->cnt; k++)
		if (o->list[k].s == x.s && o->list[k].end == x.end)
			return;
	must(o->cnt < OUTCOMES_MAX);
	if (view % REPLICAS == rules.traitor)
		x.message = new_view_of(view, changes, cnt);
	o->list[o->cnt++] = x;
}

/* `members`: three replicas; the traitor says `lie`. */
static void note_members(unsigned view, const struct shown *shown, unsigned members, unsigned lie,
                         struct outcomes *o)
{
	struct message *changes[REPLICAS];
	unsigned cnt = 0;
	for (unsigned i = 0; i < REPLICAS; i++)
		if (members >> i & 1)
			changes[cnt++] = message_for(i == rules.traitor ? lie : shown->change[i] - 1, i,
			                             (i + 1) % REPLICAS /* whoever */);
	note_outcome(view, changes, cnt, o);
}

static void find_outcomes(unsigned view, const struct shown *shown, struct outcomes *o)
{
	unsigned lie_cnt, honest = 0;
	const unsigned *lies = traitors_changes(view, shown, &lie_cnt);
	for (unsigned i = 0; i < REPLICAS; i++)
		honest |= i != rules.traitor && shown->change[i] ? 1u << i : 0;
	for (unsigned members = 0; members < 1u << REPLICAS; members++) {
		unsigned cnt = (unsigned)__builtin_popcount(members);
		bool lies_in_it = members >> rules.traitor & 1;
		if (cnt != 3 || (members & ~(honest | 1u << rules.traitor)))
			continue;
		for (unsigned k = 0; k < (lies_in_it ? lie_cnt : 1); k++)
			note_members(view, shown, members, lies[k], o);
	}
}

static struct numbering outcome_keys;
static struct outcomes **outcome_lists;

const struct outcome *outcomes_of(unsigned view, const struct shown *shown, unsigned *cnt)
{
	struct {
		uint64_t words[3];
		unsigned view, change[REPLICAS], unused;
	} key = {.words = {shown->prepared, shown->committed, shown->stable}, .view = view};
	bool fresh;
	memcpy(key.change, shown->change, sizeof key.change);
	unsigned number = number_of(&outcome_keys, &key, sizeof key, &fresh);
	if (fresh) {
		outcome_lists = xrealloc(outcome_lists, (number + 1) * sizeof *outcome_lists);
		outcome_lists[number] = xcalloc(1, sizeof **outcome_lists);
		find_outcomes(view, shown, outcome_lists[number]);
	}
	*cnt = outcome_lists[number]->cnt;
	return outcome_lists[number]->list;
}
