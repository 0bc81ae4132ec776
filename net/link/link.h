/*
 * link.h: links to the other replicas over nng streams, one connection a direction.
 *
 * Sending: one bounded outbox per peer.  What link_flush() finds there leaves as one message (a qframe of
 * many envelopes), written at once by the thread that calls it: no other has to wake up first.  While one is
 * on its way, what waits for that peer coalesces into the next.  A full outbox drops its oldest envelopes and
 * counts them: agreement does not depend on the transport. Receiving: one listening socket; each connection
 * is a pipe, at most 4 n + 16 of them. A length is checked before anything is allocated, and memory grows
 * only as bytes arrive. A frame is handed to the owner's callback; link_reject() closes a pipe that sent
 * nonsense.
 *
 * A connection begins with a HELLO of each side (hello.h), which tells programs that do not fit from those
 * that cannot be reached.  The bytes are those of nng's PUSH and PULL over TCP (SP header, then messages
 * behind 64-bit lengths), but nng's own sockets are not used: in nng 1.5.2 a peer that resets its connection
 * right after the handshake makes the push socket abort the process (seen within seconds; nng issue 1653),
 * and connections that never finish the handshake are neither counted nor bounded. The streams below them
 * have neither fault. Each connection that is read has a thread of its own here, so the code reads from top
 * to bottom.
 */
#ifndef QUORATE_LINK_H
#define QUORATE_LINK_H

#include "err.h"
#include "wire.h"

struct link;

/* Versions of the protocol: those that this program speaks. */
struct link_versions {
	unsigned lowest, highest;
};
extern const struct link_versions link_versions;

/* A part of the genesis, for the words when a peer has another one. The order is part of the protocol. */
struct link_part {
	const char *name;
	struct qhash digest;
};

/* What this side says first on each connection. Copied. */
struct link_hello {
	struct link_versions versions; /* highest 0: link_versions */
	struct qhash chain;
	const char *program; /* name and version; NULL: it does not say */
	unsigned part_cnt;   /* at most Q_PARTS_MAX */
	const struct link_part *parts;
};

struct link_config {
	const char *listen; /* tcp://, tcp4://, tcp6://, those behind tls+, or ipc:// URL; port 0: any */
	unsigned self, n;
	const char *const *address; /* n such URLs; [self] unused. Copied, as is listen. */
	size_t outbox_bytes_max;    /* per peer; the newest envelope is kept even if it alone is bigger */
	struct link_hello hello;
	/* For tls+tcp://, else not needed: signs for this replica; has that replica signed this? Any thread.
	 */
	void (*sign)(void *ctx, const uint8_t *data, size_t len, struct qsig *sig);
	bool (*verify)(void *ctx, unsigned replica, const uint8_t *data, size_t len, const struct qsig *sig);
	/* A frame arrived (on one of link's threads, one call at a time, the first perhaps before
	 * link_start() has returned): data is borrowed. Must not block
	 * for long; pipe is for link_slow()/link_reject()/link_proven(), which may be called from here or
	 * from any thread. Back-pressure: nothing more is received from any pipe until this returns. */
	void (*on_frame)(void *ctx, uint32_t pipe, const uint8_t *data, size_t len);
	/* For the log: an event and its values, as log.h has them. From any of link's threads; NULL: nothing.
	 */
	void (*log)(void *ctx, const char *level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
	void *ctx;
};

/* Listens and dials everybody (dialing goes on in the background for ever). Error: address in use, bad URL.
 */
struct link *link_start(const struct link_config *config, struct err *err);
/* Closes everything; returns once on_frame runs no more. Not to be called from on_frame. */
void link_stop(struct link *l);

/* A new key and certificate for TLS, in use from the next connection but one; done by itself each day. */
bool link_renew(struct link *l, struct err *err);
/* The URL that this peer is dialed at; NULL for oneself. */
const char *link_address(const struct link *l, unsigned peer);
/* The TCP port that is listened on (for port 0); 0 for ipc://. */
unsigned link_port(const struct link *l);
/* Is this a URL that link_start() can listen on (any host, port 0 allowed), or that a peer can dial? */
bool link_url_check(const char *url, bool listening, struct err *err);

/* Queues an envelope for the peers of the mask (encoded once for all of them). Never blocks. */
void link_send(struct link *l, uint64_t to, const struct qenvelope *env);
/* What is queued is to leave, now or when the connection takes it. Never blocks. */
void link_flush(struct link *l);

/* From on_frame only: this pipe sends more than can be served. Nothing more is received from it for a moment,
 * which its sender feels; the others do not wait. */
void link_slow(struct link *l, uint32_t pipe);
/* The pipe sent something that no honest replica sends: close it, count it. */
void link_reject(struct link *l, uint32_t pipe);
/* The pipe delivered a validly signed envelope of this replica: it is kept in preference to unproven ones.
 * Two pipes per replica are kept, the newest: an envelope can be replayed, so this is a preference, not
 * an identity. */
void link_proven(struct link *l, uint32_t pipe, unsigned peer);

/* Why there is no connection to a peer. */
enum link_trouble {
	LINK_FINE = 0,       /* there is one, or the first try is not over */
	LINK_UNREACHABLE,    /* nobody answers at its address */
	LINK_NO_REPLICA,     /* who answers there does not speak as a replica does */
	LINK_OTHER_CHAIN,    /* ... is a replica of another genesis */
	LINK_OTHER_PROTOCOL, /* ... speaks no version that we speak */
	LINK_OTHER_REPLICA,  /* ... says that it is another replica */
	LINK_CERTIFICATE,    /* ... does not prove by TLS that it is the replica */
};
#define LINK_TROUBLE_CNT (LINK_CERTIFICATE + 1)
/* "other_chain", ...; of LINK_FINE NULL */
const char *link_trouble_name(enum link_trouble trouble);

#define LINK_WHY_MAX 400
/* What the last HELLO from a peer's address said; nothing of it is proven. */
struct link_said {
	bool known; /* there was one */
	struct link_versions versions;
	struct qhash chain;
	unsigned replica;
	char program[Q_NAME_MAX + 1]; /* printable ASCII */
	uint32_t differs;             /* bit i: parts[i] of link_hello is not what it has */
};

struct link_stats {
	bool connected;            /* our connection to the peer is up */
	unsigned version;          /* which is spoken on it; 0: not connected */
	enum link_trouble trouble; /* if not connected */
	char why[LINK_WHY_MAX];    /* that, for people, with what to do; "" if LINK_FINE */
	struct link_said said;
	bool tls; /* its address asks for it */
	uint64_t sent_envelopes, sent_frames, sent_bytes, dropped_envelopes, outbox_bytes;
};
void link_stats(struct link *l, unsigned peer, struct link_stats *out);
uint64_t link_rejected(struct link *l); /* pipes closed for nonsense so far */

#endif
