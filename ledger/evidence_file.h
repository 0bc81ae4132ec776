/*
 * evidence_file.h: evidence as a file: JSON that people can read and programs verify.
 *
 * One piece of evidence has, on its chain, exactly one text: what is said in words is made from the proof
 * (evidence_facts()), which is in it as hex, and evidence_parse() takes nothing else.
 */
#ifndef QUORATE_EVIDENCE_FILE_H
#define QUORATE_EVIDENCE_FILE_H

#include <jansson.h>

#include "evidence.h"

#define EVIDENCE_FILE_MAX (64u << 20) /* bytes; refused before anything is parsed */

/* The object that the file holds: chain, kind, what it is about, who is convicted (index and name, or
 * address), the proof. NULL: evidence_facts() fails. */
json_t *evidence_json(const struct genesis *g, const struct qevidence *ev);

/* The text, with a newline at its end; free() it. NULL as above. */
char *evidence_format(const struct genesis *g, const struct qevidence *ev, size_t *len);

/* False with *err (ERR_INPUT) naming the field; of another chain: ERR_NO. Whether it convicts,
 * evidence_verify() tells. wire_free(WIRE(qevidence), out). */
bool evidence_parse(const struct genesis *g, const char *text, size_t len, struct qevidence *out,
                    struct err *err);
bool evidence_read(const struct genesis *g, const char *path, struct qevidence *out, struct err *err);

#endif
