/*
 * cmd_evidence.h: what the parts of `quorate evidence` share.
 */
#ifndef QUORATE_CMD_EVIDENCE_H
#define QUORATE_CMD_EVIDENCE_H

#include "evidence_source.h"

/* cmd_evidence_files.c */
int cmd_evidence_export(int argc, char **argv);
int cmd_evidence_verify(int argc, char **argv);

/* Adds to an object: is it verified, and what evidence_json() says of it, or the reason why not. */
void evidence_piece_json(json_t *to, const struct genesis *g, const struct piece *p);

/* A path, or what quotes one, may be no UTF-8; JSON knows nothing else. */
json_t *evidence_text_json(const char *text);

#endif
