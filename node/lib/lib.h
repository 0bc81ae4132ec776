/*
 * lib.h: for the inside of libquorate: what its objects are, and how its functions begin and fail.
 *
 * A thin layer: what is not checking arguments or copying answers is done by the modules that the node and
 * its commands consist of.
 */
#ifndef QUORATE_LIB_H
#define QUORATE_LIB_H

#include "quorate.h"

#include "wallet.h"

struct quorate_key {
	struct account *account;
	char address[ADDRESS_TEXT];
};

struct quorate_genesis {
	struct genesis *g;
	char chain[QHASH_HEX];
};

struct quorate_tx {
	struct qhash chain;
	bool has_draft; /* it was made or read as a document */
	struct draft draft;
	struct tx *tx; /* once all have signed */
	char id[QHASH_HEX];
	char memo[Q_MEMO_MAX + 1];
};

struct quorate_receipt {
	struct qreceipt r;
	struct quorate_tx tx;
	struct quorate_block block;
};

_Static_assert(QUORATE_ID_SIZE == QHASH_HEX && QUORATE_ADDRESS_SIZE == ADDRESS_TEXT, "texts");
_Static_assert(QUORATE_INPUTS_MAX == Q_INPUTS_MAX && QUORATE_PAYMENTS_MAX == Q_OUTPUTS_MAX - 1 &&
                   QUORATE_MEMO_MAX == Q_MEMO_MAX,
               "bounds");
_Static_assert((int)QUORATE_LOCK_STAKE == QLOCK_STAKE && (int)QUORATE_LOCK_RELEASE == QLOCK_RELEASE &&
                   (int)QUORATE_LOCK_FROZEN == QLOCK_FROZEN && (int)QUORATE_LOCK_NONE == QLOCK_NONE,
               "locks");
_Static_assert((int)QUORATE_NO == ERR_NO && (int)QUORATE_INPUT == ERR_INPUT &&
                   (int)QUORATE_WORLD == ERR_WORLD,
               "codes");

/* Programs were built with these. */
_Static_assert(sizeof(struct quorate_error) == 616 && sizeof(struct quorate_output) == 160 &&
                   sizeof(struct quorate_block) == 88 && sizeof(struct quorate_status) == 160 &&
                   sizeof(struct quorate_balance) == 24,
               "a struct of the interface changed");

/* Is this argument there? */
bool lib_given(const void *argument, const char *name, struct err *err);

/* Every function that makes an object begins with it: *out is NULL until the end, and the cryptography runs.
 */
#define LIB_BEGIN(out, err) (lib_given(out, "out", err) && (*(out) = NULL, crypto_init(err)))

/* Hands on what went wrong; returns its code. error may be NULL. */
int lib_fail(struct quorate_error *error, const struct err *err);
/* What a node says of a transaction that it refuses, besides. */
void lib_reason(struct quorate_error *error, const char *reason, const char *spent_by);

/* An address in an array of the caller's, which may lack its NUL. */
bool lib_address(const char text[QUORATE_ADDRESS_SIZE], struct qaddress *out, struct err *err);
/* The payments as outputs, a fresh array of QUORATE_PAYMENTS_MAX at most, and their sum. */
struct qoutput *lib_payments(const struct quorate_payment *payments, size_t cnt, uint64_t *sum,
                             struct err *err);
/* An output that can be spent, as callers see it. */
void lib_coin(struct quorate_output *out, const struct coin *coin);

/* From a draft, which it takes, or from a transaction, of which it takes a reference. */
struct quorate_tx *lib_tx_of_draft_take(struct draft *d);
void lib_tx_begin(struct quorate_tx *tx, const struct qhash *chain, struct tx *parsed);
void lib_tx_end(struct quorate_tx *tx);
/* Have all signed, and does it keep the rules? */
bool lib_tx_whole(const struct quorate_tx *tx, struct err *err);

/* Of a receipt that was verified, which it takes. */
struct quorate_receipt *lib_receipt_take(struct qreceipt *r);

/* wholefile_read() that does not take "-" for standard input. */
char *lib_file(const char *path, size_t max, size_t *len, struct err *err);

#endif
