/*
 * traitor_twins.c: two machines with one key (Bano et al., "Twins: BFT systems made robust", OPODIS 2021).
 * Both run honest code on disks of their own; each hears, and is heard by, a part of the world that changes
 * from round to round. Against it: a quorum counts identities, and two of its votes for one place convict it.
 */
#include "traitor_impl.h"

uint64_t twins_hear(const struct traitor *t, unsigned slot)
{
	return t->world[slot] ? t->world[slot] : everybody(t);
}

static unsigned twin_of(const struct traitor *t, unsigned id)
{
	for (unsigned i = t->s->n; i < t->s->machine_cnt; i++)
		if (t->s->machines[i].id == id)
			return i;
	return 0;
}

/* Before any machine starts. */
void twins_start(struct traitor *t)
{
	for (unsigned id = 0; id < t->s->n && sim_set_has(t->enabled, B_TWINS); id++) {
		if (sim_honest(t->s, id) || t->s->machine_cnt == SIM_MACHINES_MAX)
			continue;
		machine_init(t->s, t->s->machine_cnt, id);
		acted(t, B_TWINS, id, "machine=%u", t->s->machine_cnt - 1);
	}
}

void twins_round(struct traitor *t)
{
	for (unsigned id = 0; id < t->s->n; id++) {
		unsigned twin = sim_honest(t->s, id) ? 0 : twin_of(t, id);

		if (twin == 0)
			continue;
		/* Some may hear both, as a bridge; the other traitors do. */
		uint64_t left = part(t, honest(t)), bridge = draw(t, 3) ? 0 : bit(one_of(t, honest(t)));
		t->world[id] = left | bridge | t->s->traitors;
		t->world[twin] = (honest(t) & ~left) | bridge | t->s->traitors;
		acted(t, B_TWINS, id, "hears=%" PRIx64 " twin=%" PRIx64, t->world[id], t->world[twin]);
	}
}

const struct tactic twins_tactics[] = {
    /* Y22 */
    {.behaviour = B_TWINS},
    {.behaviour = BEHAVIOUR_CNT},
};
