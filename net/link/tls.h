/*
 * tls.h: who is dialed by TLS proves which replica it is.
 *
 * A replica's TLS key lives in memory for TLS_RENEW_MS, and its self-signed certificate (ECDSA on P-256:
 * nng's TLS knows no Ed25519) is introduced by a statement that the replica's own key signs.  The statement
 * travels in the HELLO.  Who dials asks for it on a connection that it trusts with nothing else, checks it
 * against the key in the genesis, hangs up, and dials again with that one certificate as all that it accepts:
 * LK5 and LK6 in docs/PROTOCOL.md, "Links".
 */
#ifndef QUORATE_TLS_H
#define QUORATE_TLS_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "link.h"

#define TLS_RENEW_MS ((uint64_t)24 * 3600 * 1000)    /* a new key and certificate each day, */
#define TLS_LEAP_MS ((uint64_t)60 * 1000)            /* or where our clock leaps forward so far, */
#define TLS_LIFE_MS ((uint64_t)7 * 24 * 3600 * 1000) /* accepted for a week */
#define TLS_AHEAD_MS ((uint64_t)24 * 3600 * 1000)    /* how far a peer's clock may be ahead of ours */

bool tls_url(const char *url); /* tls+tcp://, tls+tcp4://, tls+tcp6:// */

/* Our own key and certificate. */
struct tls_own;
/* NULL with *err: libraries or memory do not play along. */
struct tls_own *tls_own_new(const struct link_config *config, uint64_t now_ms, struct err *err);
void tls_own_free(struct tls_own *o);
const struct qintroduction *tls_introduction(const struct tls_own *o);

/*
 * For one connection that is accepted: mbedTLS 2.28 computes a table in the key when it is first used, so two
 * connections on two threads must not share one.  NULL: memory is out.
 */
nng_tls_config *tls_accepting(const struct tls_own *o);

/* What is known of a peer; {0} at first. */
struct tls_pin {
	uint64_t issued_ms;  /* of the newest certificate that was introduced; 0: none was */
	uint64_t expires_ms; /* its */
	char *pem;           /* it; owned */
};
void tls_forget(struct tls_pin *pin);
/* Checks an introduction and takes its certificate. False: *pin is as it was, and why in words. */
bool tls_learn(struct tls_pin *pin, const struct link_config *config, unsigned peer,
               const struct qintroduction *intro, uint64_t now_ms, char why[LINK_WHY_MAX]);
/* For one connection to a peer: it must show what is pinned. NULL for pin: it may show anything. */
nng_tls_config *tls_dialing(const struct tls_pin *pin);

#endif
