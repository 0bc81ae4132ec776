/*
 * clients.h: those who pay. Honest ones spend each output once, try again elsewhere when they hear
 * nothing, and must be served in the end; hostile ones (FAULT_CLIENT) cheat: double spends dealt out to
 * different replicas, orphans, expired, malformed, replayed, huge, floods.
 * Time follows from EV_CLIENT events, chance from STREAM_CLIENT and the stream of FAULT_CLIENT (its strikes).
 *
 *   clients.c          honest ones, and what both have in common
 *   clients_stake.c    stake: honest deals, and convictions from the evidence that machines hold
 *   clients_hostile.c  the deeds of the others;  clients_cheat.c: those with stake
 */
#ifndef QUORATE_SIM_CLIENTS_H
#define QUORATE_SIM_CLIENTS_H

#include "sim.h"

void clients_start(struct sim *s); /* makes sim->clients, schedules the first EV_CLIENT */
void clients_free(struct sim *s);
void clients_tick(struct sim *s); /* an EV_CLIENT came */
/* effects.outcome of the replica on this machine. */
void clients_outcome(struct machine *m, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                     const struct qtxid *winner);
/* The calm begins: no new hostile transactions; honest ones hand in again what is open, everywhere. */
void clients_calm(struct sim *s);
/* Honest transactions that were submitted to a replica that stands and are not final yet. */
size_t clients_open(const struct sim *s);
/* Final transactions of which a replica that accepted them, honest and standing ever since, told nobody: none
 * once it has executed all. */
size_t clients_untold(const struct sim *s);
/* One fresh honest payment handed to this machine alone; false if no output is free or it is refused. *id:
 * its id. */
bool clients_pay(struct sim *s, unsigned machine, struct qtxid *id);
/* Was this transaction ever made by a client (honest or hostile)? For the checker of validity (I17). */
bool clients_made(const struct sim *s, const struct qtxid *id);
/* An offence that an honest replica in order has evidence of and that still counts, in a transaction, handed
 * to it alone. False: there is none, or it was refused. *replica, *height: whom it convicts, and of when. */
bool clients_convict(struct sim *s, unsigned machine, unsigned *replica, uint64_t *height);
/* Of the stake of those who cheat, locked for this replica: the newest output, or up to 16, is released
 * without the penalty, or one short of it; the adversary bonds all that it has for a traitor of its own. */
void clients_leave(struct sim *s, unsigned replica, bool all);
void clients_bond(struct sim *s, unsigned replica);
/* The newest that they released is spent, whether it is free or not, and no penalty paid. */
void clients_escape(struct sim *s);
/* An honest client releases stake of a convicted replica, its penalty paid, and hands that to this machine
 * alone. False: there is none. *point: what is spent then. */
bool clients_move_on(struct sim *s, unsigned machine, struct qoutpoint *point);
/* A transaction that a colluding client lends the adversary: verified, borrowed, may conflict with others or
 * be invalid on any state. NULL: none. */
struct tx *clients_collude(struct sim *s);

#endif
