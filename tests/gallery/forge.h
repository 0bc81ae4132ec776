/*
 * forge.h: what a forger can do to a ledger file: rows as a node would have written them, with nothing
 * checked.
 */
#ifndef QUORATE_GALLERY_FORGE_H
#define QUORATE_GALLERY_FORGE_H

#include "world.h"

/* Removes all blocks above this height, so that the file is what it was then, but for the journal. */
void forge_cut(const struct place *p, unsigned height);

/* A block on top, with all its rows; certified by the certificate at a height of this or above. */
void forge_append(const struct place *p, const struct block *b, uint64_t certified_by);

/* The certificate at its height, with columns and signers that agree; replaces what is there. */
void forge_cert(const struct place *p, const struct qcert *cert);

/* The journal's numbers, links and end, after its entries were changed. */
void forge_links(const struct place *p);
/* An entry at the end of the journal (without rows of evidence). Frees it. */
void forge_entry(const struct place *p, struct qjournal entry);

/* Flips the lowest bit of a byte of a blob, counted from its beginning, or below 0 from its end. */
void forge_flip(const struct place *p, const char *table, const char *column, const char *where, int byte);

/* A transaction with the witnesses of another body: whose signatures do not hold. */
struct tx *forge_tx(const struct world *w, const struct tx *tx, const struct qoutput *first_output);

/* Bytes of the file itself. */
void forge_file(const char *path, long at, const void *data, size_t len);
long forge_file_size(const char *path);

#endif
