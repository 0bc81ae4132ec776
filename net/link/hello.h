/*
 * hello.h: what each side of a connection says first (struct qhello), and what follows from it.
 *
 * Nothing that a HELLO says is proven. It decides about the one connection that it came on, and about words
 * for people: LK2 in docs/PROTOCOL.md, "Links".
 */
#ifndef QUORATE_HELLO_H
#define QUORATE_HELLO_H

#include "link.h"

/* Copies what it is given. */
struct hello;
struct hello *hello_new(const struct link_config *config);
void hello_free(struct hello *h);

/* The message, behind its length, to be sent after the SP header; the caller's. Any thread. */
struct bytes hello_message(struct hello *h);
/* From now on it introduces this certificate. */
void hello_introduce(struct hello *h, const struct qintroduction *intro);

/* Any replica but this one: what a stranger who calls may say it is. */
#define HELLO_ANYBODY UINT32_MAX

/*
 * May one talk to the side that says this, dialed as `peer`?  LINK_FINE with the version to speak, the
 * highest common one; or else why not, in words.  Always fills in *said.
 */
enum link_trouble hello_judge(const struct hello *h, const struct qhello *theirs, unsigned peer,
                              struct link_said *said, unsigned *version, char why[LINK_WHY_MAX]);

#endif
