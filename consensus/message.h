/*
 * message.h: authenticated messages.
 *
 * message_open() is the only maker of the type that an engine accepts: the envelope's
 * signature held, the body was canonical, and so did every signature and certificate inside
 * (votes' certificates, the VIEW-CHANGEs of a NEW-VIEW).  It is pure and runs on worker threads.
 */
#ifndef QUORATE_MESSAGE_H
#define QUORATE_MESSAGE_H

#include <stdatomic.h>

#include "cert.h"

/* A message of a replica of this chain; immutable, reference-counted. */
struct message {
	atomic_uint refs;
	unsigned sender;          /* < n */
	struct qmessage m;        /* decoded body: lists in the arena, bytes in env */
	struct qenvelope env;     /* as received, to relay, keep and show */
	struct message **changes; /* NEW-VIEW only: the opened VIEW-CHANGEs, m's order */
	struct wire_arena arena;
};

/* Why a message is refused. OPEN_OTHER_CHAIN and OPEN_STRANGER are worth telling the operator. */
#define OPEN_VERDICTS(V)                                          \
	V(OPEN_OK, "ok")                                          \
	V(OPEN_OTHER_CHAIN, "message of another chain")           \
	V(OPEN_STRANGER, "sender is no replica of this chain")    \
	V(OPEN_BAD_SIGNATURE, "envelope signature does not hold") \
	V(OPEN_MALFORMED, "body is not a canonical message")      \
	V(OPEN_BAD_CERTIFICATE, "a certificate or signature inside does not hold")
enum open_verdict {
#define V(name, text) name,
	OPEN_VERDICTS(V)
#undef V
};
const char *open_verdict_text(enum open_verdict v);

/* Copies what it keeps of *env. NULL with *verdict set. One reference for the caller. */
struct message *message_open(const struct genesis *g, const struct qenvelope *env,
                             enum open_verdict *verdict);
/* The same, but on success the body is the message's, and *env has an empty one. */
struct message *message_open_take(const struct genesis *g, struct qenvelope *env, enum open_verdict *verdict);
struct message *message_ref(struct message *m);
void message_unref(struct message *m); /* NULL is allowed */

/* Have they the same content, by whomever they are?  message_id(): a tagged hash of it. */
bool message_same_body(const struct message *a, const struct message *b);
struct qhash message_id(const struct message *m);

/* What a replica puts into one EVIDENCE at most, if there is more than one piece in it. */
#define MESSAGE_EVIDENCE_BYTES (272u << 10)

/* How a replica signs: deterministic; ctx is the signer's (ident, or a simulator's stand-in). */
struct signer {
	void (*sign)(void *ctx, const uint8_t *body, size_t len, struct qsig *sig);
	void *ctx;
};

/* Encodes and signs *m as `sender`; the result is opened (trusted) as if it had been received. */
struct message *message_make(const struct genesis *g, unsigned sender, const struct signer *s,
                             const struct qmessage *m);

#endif
