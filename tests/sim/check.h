/*
 * check.h: what must hold, checked after every event by code that shares nothing with what it checks but the
 * wire format and the primitives. A violation ends the run with one line.
 *
 *   check.c          the doors, and what runs after every event; envelopes that do not open; stopping
 *   check_votes.c    what honest replicas sign: once, in their views, on disk before it leaves
 *   check_cert.c     certificates, by a second, naive verifier; agreement on what is certified
 *   check_chain.c    ledgers: continuity, exactly once, value; a naive ledger beside the real ones
 *   check_rows.c     ledger files, row by row
 *   check_stake.c    stakes, penalties, convictions, counted anew after each block
 *   check_turns.c    who proposes; turns and shares
 *   check_seal.c     proofs of work, by other arithmetic
 *   check_bounds.c   memory and queues
 *   heal.c           liveness: bounds that hold once the storm is over
 */
#ifndef QUORATE_SIM_CHECK_H
#define QUORATE_SIM_CHECK_H

#include "sim.h"

void check_start(struct sim *s); /* makes sim->checks */
void check_free(struct sim *s);
/* An honest replica's machine hands this to the network (after its sync). */
void check_sent(struct machine *m, struct message *message, uint64_t replicas);
/* A packet of any origin was opened; also what traitors send: certificates that hold must agree. */
void check_packet(struct sim *s, const struct packet *p);
/* What message_open() said of an envelope, of whatever origin: another opener must agree. */
void check_envelope(struct sim *s, const struct qenvelope *env, enum open_verdict verdict);
/* A machine of an honest replica ended a turn, or started. */
void check_turn(struct machine *m);
void check_outcome(struct machine *m, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                   const struct qtxid *winner);
/* A client was told at once (replica_submit). */
void check_submitted(struct machine *m, const struct qtxid *id, enum tx_verdict v, struct qheight height);
/* A machine of an honest replica stopped by itself (store error, halt), or could not start; is that allowed?
 */
void check_stopped(struct machine *m, const char *why);
/* The agreed chain so far. */
uint64_t check_height(const struct sim *s);
uint64_t check_transactions(const struct sim *s);
uint64_t check_convictions(const struct sim *s);
bool check_final(const struct sim *s,
                 const struct qtxid *id); /* in the agreed chain, as executed by any honest replica */
/* The rest is of the agreed chain as far as it is executed. Height of a final transaction; 0: it is not. */
uint64_t check_paid_at(const struct sim *s, const struct qtxid *id);
bool check_unspent(const struct sim *s, const struct qoutpoint *point);
/* What has to stay frozen of an unspent output that is spent in the next block. */
uint64_t check_penalty(const struct sim *s, const struct qoutpoint *point);
/* Height of the replica's last conviction; 0: none. */
uint64_t check_last_conviction(const struct sim *s, unsigned replica);

/* heal.c: drives the calm and the audit: virtual time passes inside (sim_advance()). */
void heal_run(struct sim *s);
/* Runs events until virtual time at_ms or until done() says so; false if time ran out first. sim.c's. */
bool sim_advance(struct sim *s, uint64_t at_ms, bool (*done)(struct sim *s));
#endif
