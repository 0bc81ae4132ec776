/*
 * story.h: the whole story of a transaction, as JSON: for the HTTP interface, and for commands that read a
 * ledger file.
 *
 *   txid, status, height, position, expiry, memo, memo_hex, signed_by, offence, raw
 *   block         hash, parent, time_ms, proposer
 *   certificate   kind, height, view, block, signers: what makes it final
 *   inputs        txid, index; owner, amount and lock of that output, and the height that made it
 *   outputs       owner, amount, lock; spent_by and spent_at, null while it is unspent
 *   total         inputs, outputs: there are no fees, so they are equal
 *   attempts      double spends that it won or lost: entry of the journal, winner, loser, signer, output
 *
 * What one receipt proves of all this, story_of() makes out of the receipt; the rest is the ledger's word.
 */
#ifndef QUORATE_STORY_H
#define QUORATE_STORY_H

#include <jansson.h>

#include "ledger.h"

#define STORY_ATTEMPTS_MAX 100      /* listed */
#define STORY_ALLOCATIONS_MAX 10000 /* of a genesis with more there is no story */

/*
 * What a ledger tells.  `g` may be NULL: then nothing is said of the genesis' own outputs as such.
 * NOT_FOUND: neither final, nor refused for a double spend whose evidence is in the ledger.
 */
enum found story_read(struct reader *r, const struct genesis *g, const struct qtxid *id, json_t **out,
                      struct err *err);

/* What follows from the transaction, its block's header and the certificate alone. */
json_t *story_of(const struct tx *tx, uint32_t position, const struct qheader *header,
                 const struct qcert *cert);

/* The genesis' own "transaction" has an id and outputs, but no bytes and no inputs. */
json_t *story_of_genesis(const struct genesis *g);

/* What somebody gave for a transaction's story: is it one, of this transaction? All fields but txid, status
 * and the length of attempts may be anything. */
bool story_is_of(const json_t *said, const struct qtxid *id);

/*
 * The story again, with everything that `proven` (of story_of()) has in place of what was said, and of `said`
 * only what `proven` cannot have: the fate of outputs, whose the inputs were, attempts.  NULL with *err if
 * the two are obviously not of one transaction.
 */
json_t *story_prove(const json_t *said, const json_t *proven, struct err *err);

/* Into one of a story's inputs: the output that it spends. */
void story_put_source(json_t *input, const struct qoutput *source, struct qheight made_at);

/* A memo as text, or JSON's null where it is no text. */
json_t *story_memo(const uint8_t *memo, size_t len);

#endif
