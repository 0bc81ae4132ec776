/*
 * pipes.h: the receiving half: a table of at most `max` connections from outside, one thread each.
 *
 * When the table is full, a new connection displaces the oldest unproven one of the host that has most of
 * them, or is refused if all are proven. Half-open ones (no HELLO yet, nor TLS) count like any other: LK7.
 */
#ifndef QUORATE_PIPES_H
#define QUORATE_PIPES_H

#include "conn.h"
#include "hello.h"
#include "link.h"
#include "tls.h"

struct pipes;

/* Listens. NULL with *err: the address is taken or wrong. hello outlives it; the rest is copied. */
struct pipes *pipes_open(const struct link_config *config, struct hello *hello, unsigned max,
                         struct err *err);
/* Begins to accept. False: there is no thread to be had. */
bool pipes_run(struct pipes *t);
/* Also without pipes_run(). */
void pipes_stop(struct pipes *t);

/* For TLS: the key and certificate shown from the next connection but one; taken. Before pipes_run(), too. */
void pipes_show(struct pipes *t, struct tls_own *own);
unsigned pipes_port(const struct pipes *t);
void pipes_slow(struct pipes *t, uint32_t pipe);
void pipes_reject(struct pipes *t, uint32_t pipe);
void pipes_proven(struct pipes *t, uint32_t pipe, unsigned peer);
uint64_t pipes_rejected(struct pipes *t);
void pipes_check(struct pipes *t, uint64_t now_ms); /* called now and then: time-outs */

#endif
