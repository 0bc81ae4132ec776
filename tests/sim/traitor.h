/*
 * traitor.h: the adversary. One mind behind up to f replicas: it sees every message when it is sent (before
 * anybody receives it), holds the traitors' keys, and draws from the behaviours below. A traitor's machine
 * runs the honest replica; what it says passes through the adversary, which alters, withholds, splits,
 * repeats and adds. Chance from STREAM_TRAITOR; each deed is a strike (FAULT_TRAITOR).
 */
#ifndef QUORATE_SIM_TRAITOR_H
#define QUORATE_SIM_TRAITOR_H

#include "sim.h"

/* X(identifier, name on the command line, what it does): the table is in traitor_list.h. */
#include "traitor_list.h"
enum behaviour {
#define X(id, name, text) id,
	BEHAVIOURS(X)
#undef X
	    BEHAVIOUR_CNT
};
_Static_assert(BEHAVIOUR_CNT <= SIM_SET_MAX, "behaviours are a set");
const char *behaviour_name(enum behaviour b);
const char *behaviour_text(enum behaviour b);

/* Makes sim->traitor; chooses behaviours (sim->o.behaviours, or a random handful), twins among them. Called
 * before any machine starts; may call machine_init() for twins' machines. sim->traitors is set. */
void traitor_start(struct sim *s);
void traitor_free(struct sim *s);
/* A message that a traitor's machine wants to send: the adversary decides. */
void traitor_send(struct machine *m, struct message *message, uint64_t replicas);
/* Everything that anybody sends, honest or not. */
void traitor_sees(struct sim *s, struct packet *p);
/* Deliveries to a traitor's machine pass here: false: the machine does not get it. */
bool traitor_receives(struct machine *m, struct packet *p);
void traitor_tick(struct sim *s); /* an EV_TRAITOR came */

#endif
