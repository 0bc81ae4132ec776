/*
 * versions.c: in the place of net/link/versions.c: a program of another version.
 */
#include "link.h"

const struct link_versions link_versions = {.lowest = LOWEST, .highest = HIGHEST};
