/*
 * record.h: what a replica must have on disk before it speaks.
 *
 * kind              key               bytes
 * REC_PRE_PREPARE   view, height      envelope sent
 * REC_PREPARE       view, height      envelope sent
 * REC_COMMIT        view, height      envelope sent
 * REC_CHECKPOINT    height            envelope sent
 * REC_PREPARED      height            qprepared with the highest view (replaces)
 * REC_TIP           -                 qcert of the certified tip (replaces)
 * REC_VIEW_CHANGE   view              envelope sent; older ones are dropped
 * REC_NEW_VIEW      view              envelope of the NEW-VIEW entered; older ones are dropped
 * REC_MUTED         -                 text: why this replica must not vote (replaces); never pruned
 * REC_STABLE        -                 qcert of the stable checkpoint (replaces): how far records may be gone
 *
 * "Replaces": one row per key, the newest wins. All others: a second, different record under one key
 * is a contradiction and refused.  Records of a height are kept until it is at or below both
 * the stable checkpoint and the executed height: they show what this replica signed.
 */
#ifndef QUORATE_RECORD_H
#define QUORATE_RECORD_H

#include "wire.h"

enum vote_record_kind {
	REC_PRE_PREPARE = 1,
	REC_PREPARE = 2,
	REC_COMMIT = 3,
	REC_CHECKPOINT = 4,
	REC_PREPARED = 5,
	REC_TIP = 6,
	REC_VIEW_CHANGE = 7,
	REC_NEW_VIEW = 8,
	REC_MUTED = 9,
	REC_STABLE = 10,
};

struct vote_record {
	enum vote_record_kind kind;
	struct qview view;     /* 0 where the key has none */
	struct qheight height; /* 0 where the key has none */
	const uint8_t *data;
	size_t len;
};

#endif
