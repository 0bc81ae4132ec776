/*
 * versions.c: the versions of the protocol that this program speaks (docs/PROTOCOL.md, "Links"). Alone in its
 * file, so that a test's program can be made that speaks others.
 */
#include "link.h"

const struct link_versions link_versions = {.lowest = 1, .highest = 1};
