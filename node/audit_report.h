/*
 * audit_report.h: what `quorate audit` says: for people, and as JSON.
 */
#ifndef QUORATE_AUDIT_REPORT_H
#define QUORATE_AUDIT_REPORT_H

#include "audit.h"

/* What the report does not know by itself. */
struct audit_said {
	const struct genesis *genesis;
	const char *genesis_path;
	const char *evidence; /* the file that the fork's evidence is in; NULL: none was written */
	unsigned threads;     /* that verified signatures */
};

/* On stdout; the last line is the verdict. */
void audit_print_text(const struct audit_report *r, const struct audit_said *said);
/* One JSON value on stdout. */
void audit_print_json(const struct audit_report *r, const struct audit_said *said);

/* "replica 1 (name)"; the genesis has it. free() it. */
char *audit_replica(const struct genesis *g, unsigned i);
/* Of the time that this report's signatures took, how much a machine that does nothing else needs; 0: that
 * was not measured. */
double audit_ratio(const struct audit_speed *s);

#endif
