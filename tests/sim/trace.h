/*
 * trace.h: the run as text: trace_line() is in sim.h.
 */
#ifndef QUORATE_SIM_TRACE_H
#define QUORATE_SIM_TRACE_H

#include <inttypes.h>

#include "sim.h"

void trace_start(struct sim *s);
void trace_free(struct sim *s);
uint64_t trace_hash(const struct sim *s);
/* A packet on its way: "send" by a machine, "recv" at one. Its text is only made where it is wanted. */
void trace_packet(struct sim *s, const char *what, unsigned machine, const struct packet *p);
const char *packet_kind_name(const struct packet *p); /* "?": it could not be opened */
void packet_describe(FILE *f, const struct qmessage *m);

#endif
