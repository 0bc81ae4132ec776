/*
 * cmd_given.h: what is wrong with a command line whatever its options mean.
 */
#ifndef QUORATE_CMD_GIVEN_H
#define QUORATE_CMD_GIVEN_H

#include <argp.h>

#include "err.h"

/* Flags of an option, beside argp's own: */
#define CMD_REPEATED 0x1000     /* it may be given several times; else the last one would silently win */
#define CMD_MAY_BE_EMPTY 0x2000 /* an empty value is one; else a variable of a shell was not set */

/* False with *err naming the option. What is no option at all is left to argp_parse(). */
bool cmd_given_check(const struct argp *argp, int argc, char *const argv[], struct err *err);

#endif
