/*
 * crime.h: the gallery: ways to cheat with a ledger file or a chain, and what `quorate audit` says of each.
 */
#ifndef QUORATE_GALLERY_CRIME_H
#define QUORATE_GALLERY_CRIME_H

#include "forge.h"

/* Where a crime is done: a copy of the honest ledger, and whatever else is audited with it. */
struct scene {
	const struct world *w;
	struct place suspect;  /* a copy of the honest ledger, to be changed or made anew */
	struct place witness;  /* not there; audited, too, if it is there after the deed */
	struct ledger *writer; /* left open by the deed: a node that runs; closed after the audit */
};

/* What an audit says. */
struct sentence {
	int code;                 /* exit */
	const char *standing;     /* of the suspect; NULL: there is no report (exit 2) */
	const char *kind, *where; /* one of the findings on it; NULL: there is none that fails */
	const char *words;        /* in that finding's message, or in the error; NULL: any */
	const char *blame;        /* how ledgers that diverge are explained; NULL: they do not */
	const char *culprits;     /* "0 2" */
};

struct crime {
	const char *name;
	const char *who;  /* the criminal: what he has */
	const char *deed; /* what he does */
	enum world_kind world;
	const char *sql; /* one of the two, or both in this order */
	void (*commit)(struct scene *s);
	bool beside; /* audited next to the honest ledger, which comes first */
	struct sentence sentence;
};

/* The tables, each ending with name NULL. */
extern const struct crime crimes_rows[];  /* crimes_rows.c: rows, schema, files: whoever can write the file */
extern const struct crime crimes_chain[]; /* crimes_chain.c: rewritten history, certificates, the journal */
extern const struct crime crimes_quorum[]; /* crimes_quorum.c: what a quorum certifies against the rules */
extern const struct crime crimes_forks[];  /* crimes_forks.c: two histories; who is to blame */
/* Those that pass: what cannot be told, from a node's own journal (crimes_chain.c), from one ledger
 * (crimes_forks.c). */
extern const struct crime crimes_untold[], crimes_alone[];
extern const struct crime honest[]; /* honest.c: no crimes, which must pass */

/* What the program says on stderr when it is to trace this transaction in a ledger: free() it. */
char *gallery_trace(const char *genesis, const char *ledger, const char *txid, int *code);

/* The program's report on these ledgers: json_decref() it; NULL: none, and then *errs is what it said. */
#include <jansson.h>
json_t *gallery_audit(const char *genesis, const char *const *paths, size_t cnt, int *code, char **errs);

#endif
