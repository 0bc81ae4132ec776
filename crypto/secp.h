/*
 * secp.h: the process's one context of libsecp256k1, for the inside of crypto/ alone.
 */
#ifndef QUORATE_SECP_H
#define QUORATE_SECP_H

#include <secp256k1.h>

/* Made and blinded by crypto_init(), constant ever after, so that threads may share it. */
const secp256k1_context *secp_context(void);

#endif
