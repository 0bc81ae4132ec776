/*
 * evidence_file.h: evidence as a file: JSON that people can read and programs verify.
 *
 * One piece of evidence has, on its chain, exactly one text: what is said in words is made from the proof
 * (evidence_facts()), which is in it as hex, and evidence_parse() takes nothing else.  So whatever single bit
 * of a file is changed, it is refused there, or evidence_verify() refuses what it says.
 *
 *     format     "quorate evidence 1"
 *     chain      the chain id
 *     kind       conflict, bad_proposal, double_spend or fork
 *     what       evidence_words()
 *     culprits   [{replica, name}]; of a double spend instead: signer, the address
 *     statement, view, height, first, second
 *                of statements: as the facts have them, where it has them
 *     second_statement, second_view
 *                where the second one is of another kind
 *     output, first, first_pays, second, second_pays
 *                of a double spend: "TXID:INDEX", ids, [{to, amount}]; which of the two is final, if any,
 *                the chain knows
 *     proof      the canonical qevidence in hex
 *
 * Views and heights are JSON numbers, those above 2^63-1, which only a liar states, decimal strings; amounts
 * are decimal strings.
 */
#ifndef QUORATE_EVIDENCE_FILE_H
#define QUORATE_EVIDENCE_FILE_H

#include <jansson.h>

#include "evidence.h"

#define EVIDENCE_FILE_MAX (64u << 20) /* bytes; refused before anything is parsed */

/* The object that the file holds.  NULL: evidence_facts() fails. */
json_t *evidence_json(const struct genesis *g, const struct qevidence *ev);

/* The text, with a newline at its end; free() it. NULL as above. */
char *evidence_format(const struct genesis *g, const struct qevidence *ev, size_t *len);

/* One sentence, without a full stop: who did what that no honest one does, true if evidence_verify() holds.
 * free() it. NULL as above. */
char *evidence_words(const struct genesis *g, const struct qevidence *ev);

/* False with *err (ERR_INPUT) naming the field; of another chain: ERR_NO. Whether it convicts,
 * evidence_verify() tells. wire_free(WIRE(qevidence), out). */
bool evidence_parse(const struct genesis *g, const char *text, size_t len, struct qevidence *out,
                    struct err *err);
/* The same from a file, which *err names; "-" is standard input. */
bool evidence_read(const struct genesis *g, const char *path, struct qevidence *out, struct err *err);

#endif
