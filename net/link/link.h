/*
 * link.h: links to the other replicas over nng (push/pull, one pair of sockets a direction).
 *
 * Sending: one bounded outbox per peer.  While a message is on its way, what waits for
 * that peer coalesces into the next one (a qframe of many envelopes).  A full outbox drops its oldest
 * envelopes and counts them: agreement does not depend on the transport.
 * Receiving: one listening socket with a size limit set before it starts; each connection is a pipe.
 * A frame is handed to the owner's callback; link_reject() closes a pipe that sent nonsense.
 */
#ifndef QUORATE_LINK_H
#define QUORATE_LINK_H

#include "err.h"
#include "wire.h"

struct link;

struct link_config {
	const char *listen;         /* nng URL, e.g. tcp://127.0.0.1:7580 */
	unsigned self, n;
	const char *const *address; /* n nng URLs; [self] unused */
	size_t outbox_bytes_max;    /* per peer */
	/* A frame arrived (nng's thread): data is borrowed. Must not block for long; pipe is for
	 * link_reject()/link_proven(). Back-pressure: nothing more is received from any pipe until this returns. */
	void (*on_frame)(void *ctx, uint32_t pipe, const uint8_t *data, size_t len);
	void *ctx;
};

/* Listens and dials everybody (dialing goes on in the background for ever). Error: address in use, bad URL. */
struct link *link_start(const struct link_config *config, struct err *err);
void link_stop(struct link *l);

/* Queues an envelope for a peer (copied once into the outbox). Never blocks. */
void link_send(struct link *l, unsigned peer, const struct qenvelope *env);

/* The pipe sent something that no honest replica sends: close it, count it. */
void link_reject(struct link *l, uint32_t pipe);
/* The pipe delivered a validly signed envelope of this replica: it is kept in preference to unproven ones. */
void link_proven(struct link *l, uint32_t pipe, unsigned peer);

struct link_stats {
	bool connected; /* our connection to the peer is up */
	uint64_t sent_envelopes, sent_frames, sent_bytes, dropped_envelopes, outbox_bytes;
};
void link_stats(struct link *l, unsigned peer, struct link_stats *out);
uint64_t link_rejected(struct link *l); /* pipes closed for nonsense so far */

#endif
