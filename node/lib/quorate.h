/*
 * quorate.h: libquorate, what a program needs to pay on a quorate chain and to prove what happened there.
 *
 *     keys          make, load and save them; their addresses
 *     genesis       the chain's constitution, which the caller holds and all else is checked against
 *     transactions  make, sign, write and read them
 *     receipts      proofs that a transaction is final: verified offline, against the genesis alone
 *     client        one or more nodes over HTTP: status, outputs, paying, waiting until it is final
 *
 *     cc pay.c $(pkg-config --cflags --libs quorate)
 *
 * WHOM IT BELIEVES.  A node's word is only that: quorate_client_status(), _wait(), _balance(), _outputs() and
 * _submit() hand it on, and by it _pay() chooses what to spend and when that expires. What a quorate_receipt
 * says is proven: there is none that was not verified against the genesis that was given.
 * quorate_client_settle() ends with such a proof, or with a refusal that one liar cannot make up.
 *
 * ERRORS.  A function that can fail returns an int: QUORATE_OK, or why not, with words for people in *error,
 * which may be NULL and is written only then. Out-parameters are set on success, else *out is NULL or zero.
 * No argument, file or answer makes the library abort, print or exit: NULL where something is needed is
 * QUORATE_INPUT. Where memory is out, or the library finds a bug of its own, it says so on standard error and
 * aborts, for it could not go on without risking the caller's money.
 *
 * OWNERSHIP.  Objects are opaque, made by the function whose last parameters are `**out, *error`, and given
 * back by quorate_..._free(), which takes NULL. `const` arguments are borrowed for the call, but for the
 * genesis of a client. A `const char *` that is returned belongs to the object it was asked of and lives as
 * long. A `char **` is malloc'd: free() it.
 *
 * THREADS.  There is nothing to initialise and no global state. Keys, geneses and receipts never change: any
 * threads may share one. A transaction or a client is used by one thread at a time. A call that waits blocks.
 *
 * BINARY INTERFACE.  Functions are only added, each with the version it came with (libquorate.map); numbers
 * and structs in this file never change, so programs go on working without being built again.
 */
#ifndef QUORATE_H
#define QUORATE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#define QUORATE_CHECKED __attribute__((warn_unused_result))
#pragma GCC visibility push(default)
#else
#define QUORATE_CHECKED
#endif

#define QUORATE_VERSION "0.1.0"    /* of this file */
const char *quorate_version(void); /* of the library that runs */

enum quorate_code {
	QUORATE_OK = 0,
	QUORATE_NO = 1,    /* the answer is no: refused, not found, does not hold, too little money */
	QUORATE_INPUT = 2, /* what was given is wrong */
	QUORATE_WORLD = 3, /* could not: no node answered, no proof in time, the disk */
};

#define QUORATE_ID_SIZE 65      /* chars of a chain, transaction or block id: 64 hex digits and a NUL */
#define QUORATE_ADDRESS_SIZE 50 /* chars of an address: q, 48 hex digits, a NUL */
#define QUORATE_REASON_SIZE 32

struct quorate_error {
	int code;                         /* enum quorate_code */
	char reason[QUORATE_REASON_SIZE]; /* of a refused transaction, e.g. "double_spend"; else "" */
	char spent_by[QUORATE_ID_SIZE];   /* of a double spend: who spent it; else "" */
	char text[512];                   /* what, where, what to do: one line */
};

/* ---- keys -------------------------------------------------------------------- */

/* The secret key of an account, in memory that is locked and wiped. */
struct quorate_key;

/* A fresh one. It is nowhere else until it is saved. */
QUORATE_CHECKED int quorate_key_new(struct quorate_key **out, struct quorate_error *error);

/* From a key file, of which its group and the world must have no rights. passphrase NULL: the file is plain.
 */
QUORATE_CHECKED int quorate_key_load(const char *path, const char *passphrase, struct quorate_key **out,
                                     struct quorate_error *error);

/* Makes a new file of mode 0600, on disk when this returns; one that is there is never replaced. passphrase
 * NULL: it will be plain. */
QUORATE_CHECKED int quorate_key_save(const struct quorate_key *key, const char *path, const char *passphrase,
                                     struct quorate_error *error);

const char *quorate_key_address(const struct quorate_key *key); /* NULL of NULL */
void quorate_key_free(struct quorate_key *key);

/* Is this text an address? Any one wrong character is found. */
QUORATE_CHECKED int quorate_address_check(const char *address, struct quorate_error *error);

/* ---- genesis ----------------------------------------------------------------- */

/* Who holds the wrong one trusts the wrong replicas: get it from the people who run them, not from a node. */
struct quorate_genesis;

QUORATE_CHECKED int quorate_genesis_load(const char *path, struct quorate_genesis **out,
                                         struct quorate_error *error);
/* The same from the file's text. */
QUORATE_CHECKED int quorate_genesis_parse(const char *text, size_t len, struct quorate_genesis **out,
                                          struct quorate_error *error);
const char *quorate_genesis_chain(const struct quorate_genesis *genesis); /* the chain's id; NULL of NULL */
void quorate_genesis_free(struct quorate_genesis *genesis);

/* ---- transactions ------------------------------------------------------------ */

enum quorate_lock {
	QUORATE_LOCK_NONE = 0,
	QUORATE_LOCK_STAKE = 1,   /* is staked for a replica */
	QUORATE_LOCK_RELEASE = 2, /* was, and is free from a height on */
	QUORATE_LOCK_FROZEN = 3,  /* a penalty: never to be spent */
};

/* What a transaction gives to somebody, and what a later one spends. */
struct quorate_output {
	char txid[QUORATE_ID_SIZE];       /* of the transaction that made it; with `index` it is its name */
	char owner[QUORATE_ADDRESS_SIZE]; /* "": not known */
	uint32_t index;                   /* its place among that one's outputs */
	uint64_t amount;                  /* 1 to 2^63-1; 0: not known */
	uint64_t height;                  /* of its block; 0: the genesis, or not known */
	uint32_t lock;                    /* enum quorate_lock */
	uint32_t replica;                 /* for which it is locked */
	uint64_t free_at;                 /* first height that may spend it; UINT64_MAX: none */
	uint64_t penalty;                 /* what of it is lost when it is spent */
};

struct quorate_payment {
	const char *to; /* an address */
	uint64_t amount;
};

#define QUORATE_INPUTS_MAX 1024
#define QUORATE_PAYMENTS_MAX 1023 /* of one transaction; another output is for change */
#define QUORATE_MEMO_MAX 256      /* bytes */

/* Signed by nobody, by some, or by all whose outputs it spends; then it never changes. */
struct quorate_tx;

/*
 * A payment from outputs that the caller chose (txid, index, owner, amount, and where it is locked all else),
 * without any node. What they are worth beyond the payments goes to `change`, an address. memo: a text that
 * is kept with it for all to read; NULL: none. expiry: the last block that may hold it; 0: any.
 */
QUORATE_CHECKED int quorate_tx_make(const struct quorate_genesis *genesis,
                                    const struct quorate_output *inputs, size_t input_cnt,
                                    const struct quorate_payment *payments, size_t payment_cnt,
                                    const char *change, const char *memo, uint64_t expiry,
                                    struct quorate_tx **out, struct quorate_error *error);

/* Signs for every input of the key's address. */
QUORATE_CHECKED int quorate_tx_sign(struct quorate_tx *tx, const struct quorate_key *key,
                                    struct quorate_error *error);

/* How a transaction is written. */
enum quorate_form {
	QUORATE_BYTES = 1,    /* what a node takes, in a batch; only once all have signed */
	QUORATE_HEX = 2,      /* the same as text; only once all have signed */
	QUORATE_DOCUMENT = 3, /* JSON, of `quorate tx` too: on its way to those who have still to sign */
};
/* *out is malloc'd and ends with a NUL that *len (may be NULL) does not count. */
QUORATE_CHECKED int quorate_tx_write(const struct quorate_tx *tx, int form, char **out, size_t *len,
                                     struct quorate_error *error);
/* Reads any form. It keeps the rules, and the signatures that are there hold; but who only reads a document
 * takes the owners and amounts of the inputs on its maker's word. */
QUORATE_CHECKED int quorate_tx_read(const struct quorate_genesis *genesis, const void *data, size_t len,
                                    struct quorate_tx **out, struct quorate_error *error);

const char *quorate_tx_id(const struct quorate_tx *tx); /* does not depend on signatures; NULL of NULL */
/* The input, output or signer of this number, from 0; QUORATE_NO: there are not so many. Of an input the
 * owner and the amount are known where it was made or read as a document. */
QUORATE_CHECKED int quorate_tx_input(const struct quorate_tx *tx, size_t number, struct quorate_output *out);
QUORATE_CHECKED int quorate_tx_output(const struct quorate_tx *tx, size_t number, struct quorate_output *out);
QUORATE_CHECKED int quorate_tx_signer(const struct quorate_tx *tx, size_t number,
                                      char address[QUORATE_ADDRESS_SIZE]);
/* Whatever bytes its maker chose, and a NUL behind them; *len (may be NULL) of them. NULL of NULL. */
const char *quorate_tx_memo(const struct quorate_tx *tx, size_t *len);
void quorate_tx_free(struct quorate_tx *tx);

/* ---- receipts ---------------------------------------------------------------- */

/* The proof, which held against a genesis, that a transaction is final. */
struct quorate_receipt;

struct quorate_block {
	char id[QUORATE_ID_SIZE];
	uint64_t height;
	uint64_t time_ms; /* since 1970, by its proposer's clock */
};

/* From a receipt's text. QUORATE_NO: it proves nothing; QUORATE_INPUT: it is none. */
QUORATE_CHECKED int quorate_receipt_verify(const struct quorate_genesis *genesis, const char *text,
                                           size_t len, struct quorate_receipt **out,
                                           struct quorate_error *error);
/* The same from a file. */
QUORATE_CHECKED int quorate_receipt_load(const struct quorate_genesis *genesis, const char *path,
                                         struct quorate_receipt **out, struct quorate_error *error);
/* Its one text, for a file; malloc'd, ends with a NUL that *len (may be NULL) does not count. NULL of NULL.
 */
char *quorate_receipt_text(const struct quorate_receipt *receipt, size_t *len);
const struct quorate_tx *quorate_receipt_tx(const struct quorate_receipt *receipt); /* NULL of NULL */
/* The block that holds it. Zeroes of NULL. */
void quorate_receipt_block(const struct quorate_receipt *receipt, struct quorate_block *out);
void quorate_receipt_free(struct quorate_receipt *receipt);

/* ---- nodes ------------------------------------------------------------------- */

/* Keeps its connections. */
struct quorate_client;

/*
 * Nodes of one chain, by URL: http://HOST:PORT, or https:// with a certificate that the system trusts, or
 * that the file that the environment's QUORATE_CACERT names does. The first that answers is asked until it
 * fails; refusals take f+1 of them (quorate_client_settle()), so more are better. Nothing is sent yet. The
 * genesis is borrowed until quorate_client_free(). timeout_ms: for one answer of one node; 0: five seconds.
 */
QUORATE_CHECKED int quorate_client_new(const struct quorate_genesis *genesis, const char *const *urls,
                                       size_t url_cnt, unsigned timeout_ms, struct quorate_client **out,
                                       struct quorate_error *error);
void quorate_client_free(struct quorate_client *client);

struct quorate_status {
	char chain[QUORATE_ID_SIZE];
	char block[QUORATE_ID_SIZE]; /* the newest one's id */
	uint64_t height, view;
	uint32_t replica, primary; /* the node's number; who proposes */
};
QUORATE_CHECKED int quorate_client_status(struct quorate_client *client, struct quorate_status *out,
                                          struct quorate_error *error);
/* Waits until a node has this block. QUORATE_NO: not within the time. */
QUORATE_CHECKED int quorate_client_wait(struct quorate_client *client, uint64_t height, uint64_t timeout_ms,
                                        struct quorate_error *error);

struct quorate_balance {
	uint64_t spendable; /* by the next block, penalties taken off */
	uint64_t locked;    /* all else: staked, not yet released, or lost */
	uint64_t output_cnt;
};
QUORATE_CHECKED int quorate_client_balance(struct quorate_client *client, const char *address,
                                           struct quorate_balance *out, struct quorate_error *error);
/* The oldest `max` unspent outputs of an address, into the caller's array; *cnt of them. */
QUORATE_CHECKED int quorate_client_outputs(struct quorate_client *client, const char *address,
                                           struct quorate_output *out, size_t max, size_t *cnt,
                                           struct quorate_error *error);

/* A payment from the outputs of `from`, which are chosen; the change goes back there. It expires 1000 to
 * 17383 blocks from now, drawn by lot, so that two of them made from one view are never one transaction.
 * QUORATE_NO: it holds too little. */
QUORATE_CHECKED int quorate_client_pay(struct quorate_client *client, const char *from,
                                       const struct quorate_payment *payments, size_t payment_cnt,
                                       const char *memo, struct quorate_tx **out,
                                       struct quorate_error *error);

/* Hands a transaction that all have signed to a node. OK: that one has it; NO: it says that it refuses it. */
QUORATE_CHECKED int quorate_client_submit(struct quorate_client *client, const struct quorate_tx *tx,
                                          struct quorate_error *error);

/*
 * Submits it, here and elsewhere, and waits for the outcome.
 *   QUORATE_OK     it is final: *out proves it
 *   QUORATE_NO     it is refused for good, error->reason says why: another one (error->spent_by), of which it
 *                  is proven that it is final, spent an input; or f+1 of the client's nodes refuse it
 *   QUORATE_WORLD  the outcome is not known: it may still become final until it expires, so to make another
 *                  one may be to pay twice. Call this again, with the same transaction, as often as you like.
 * Within timeout_ms, and what the answer takes that is then under way.
 */
QUORATE_CHECKED int quorate_client_settle(struct quorate_client *client, const struct quorate_tx *tx,
                                          uint64_t timeout_ms, struct quorate_receipt **out,
                                          struct quorate_error *error);

/* The receipt of a final transaction, from whichever node has one that holds. QUORATE_NO: none of them has.
 */
QUORATE_CHECKED int quorate_client_receipt(struct quorate_client *client, const char *txid,
                                           struct quorate_receipt **out, struct quorate_error *error);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
