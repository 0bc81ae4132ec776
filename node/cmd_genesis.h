/*
 * cmd_genesis.h: what the files of `quorate genesis` share.
 */
#ifndef QUORATE_CMD_GENESIS_H
#define QUORATE_CMD_GENESIS_H

#include "cmd.h"
#include "genesis.h"

int genesis_check(int argc, char **argv);
int genesis_show(int argc, char **argv);

/* The name that --param takes and `genesis show` lists: "window", "seal.bits". */
void genesis_field_name(const struct genesis_field *field, char name[64]);

#endif
