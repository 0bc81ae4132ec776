/*
 * verdict.h: every reason for which a transaction is refused, in one table.
 *
 * V(enumerator, code shown to clients, HTTP status, sentence)
 */
#ifndef QUORATE_VERDICT_H
#define QUORATE_VERDICT_H

#define TX_VERDICTS(V)                                                                                       \
	V(TX_OK, "accepted", 202, "the transaction is valid")                                                \
	V(TX_KNOWN, "known", 200, "this transaction is pending here already")                                \
	V(TX_FINAL, "final", 200, "this transaction is final")                                               \
	V(TX_MALFORMED, "malformed", 400, "not the canonical encoding of a transaction")                     \
	V(TX_TOO_LARGE, "too_large", 400, "more inputs, outputs, witnesses or bytes than allowed")           \
	V(TX_NO_INPUTS, "no_inputs", 400, "a transaction needs at least one input")                          \
	V(TX_NO_OUTPUTS, "no_outputs", 400, "a transaction needs at least one output")                       \
	V(TX_BAD_AMOUNT, "bad_amount", 400, "an amount must be from 1 to 2^63-1, and so their sum")          \
	V(TX_DUPLICATE_INPUT, "duplicate_input", 400, "an output is named twice as input")                   \
	V(TX_WITNESS_ORDER, "witness_order", 400,                                                            \
	  "witnesses must be in strictly ascending order of address")                                        \
	V(TX_BAD_SIGNATURE, "bad_signature", 400, "a signature does not hold")                               \
	V(TX_WRONG_WITNESS, "wrong_witness", 400, "the witnesses are not exactly the owners of the inputs")  \
	V(TX_UNBALANCED, "unbalanced", 400, "inputs and outputs do not add up to the same amount")           \
	V(TX_BAD_LOCK, "bad_lock", 400,                                                                      \
	  "its outputs may not be locked so on this chain, or from these inputs")                            \
	V(TX_PENALTY, "penalty", 409,                                                                        \
	  "it must freeze exactly the penalty due on stake of a convicted replica")                          \
	V(TX_BAD_OFFENCE, "bad_offence", 400, "the offence that it reports is none")                         \
	V(TX_OLD_OFFENCE, "old_offence", 409, "the replica was convicted for that time already")             \
	V(TX_EARLY_OFFENCE, "early_offence", 409, "the chain has not reached the height of the offence")     \
	V(TX_LOCKED, "locked", 409, "an input is frozen, or stake that is not released yet")                 \
	V(TX_EXPIRED, "expired", 409, "the expiry height has passed")                                        \
	V(TX_UNKNOWN_OUTPUT, "unknown_output", 409, "an input names an output that is not known here (yet)") \
	V(TX_DOUBLE_SPEND, "double_spend", 409, "an input was spent by another transaction")                 \
	V(TX_POOL_FULL, "pool_full", 503, "too many transactions are pending; try again later")              \
	V(TX_OWNER_FULL, "owner_full", 429,                                                                  \
	  "too many transactions of this account are pending; try again later")

enum tx_verdict {
#define V(name, code, status, text) name,
	TX_VERDICTS(V)
#undef V
	    TX_VERDICT_CNT
};

struct tx_verdict_info {
	const char *code;
	int http_status;
	const char *text;
};
const struct tx_verdict_info *tx_verdict_info(enum tx_verdict v);

#endif
