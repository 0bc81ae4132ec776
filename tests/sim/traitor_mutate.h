/*
 * traitor_mutate.h: small changes to any message: each scalar off by one, 0, at its maximum, an earlier or
 * another's value; lists shorter, longer, swapped; certificates with signatures dropped, doubled, moved,
 * mixed. It knows the shape of messages and nothing of their meaning, and holds no key.
 */
#ifndef QUORATE_SIM_TRAITOR_MUTATE_H
#define QUORATE_SIM_TRAITOR_MUTATE_H

#include "wire.h"

typedef uint64_t mutate_random(void *ctx, uint64_t below); /* below > 0 */

struct mutant {
	bool encodable;    /* body is a message's encoding, other than the original's */
	struct bytes body; /* bytes_free() */
	char what[80];     /* field and change: "prepared.cert.vote.view +1" */
};

/*
 * Changes one field of the message that `body` (canonical) holds. `donor` (len 0: none) is another message,
 * of the same kind if it is to lend values. `repair` (may be NULL) may mend the changed message before it is
 * encoded: roots, signatures inside. False: nothing was changed (no such field, or it had the value already):
 * try again. A change that no longer encodes is told by !encodable.
 */
bool mutate(const struct bytes *body, const struct bytes *donor, mutate_random *random,
            void (*repair)(void *ctx, struct qmessage *m), void *ctx, struct mutant *out);

/* Calls found() with the name of each field that *m has, and its length in the encoding (elements beyond the
 * first ones of a list left out). */
void mutate_fields(struct qmessage *m, void (*found)(void *ctx, const char *name, size_t len), void *ctx);

#endif
