/*
 * evidence_source.h: where a command gets evidence from: the journal of a ledger file, or a node's.
 *
 * Neither is believed: every piece is verified here, against the genesis at hand.  What a source does not
 * show, nobody can tell from it.
 */
#ifndef QUORATE_EVIDENCE_SOURCE_H
#define QUORATE_EVIDENCE_SOURCE_H

#include "client.h"
#include "cmd.h"
#include "evidence_file.h"
#include "ledger.h"

struct evidence_source {
	struct genesis *genesis;
	const char *name;      /* for people: a path, or a URL */
	struct reader *reader; /* NULL: a node is asked */
	struct client *client; /* NULL: a ledger is asked */
	char *path;
	int64_t seq; /* of the last piece */
	size_t node; /* that is asked: numbers are of its journal */
	json_t *page;
	size_t at, cnt; /* in it */
	bool last_page;
};

struct piece {
	int64_t seq; /* in that journal */
	bool holds;
	struct err why;      /* it does not */
	struct qevidence ev; /* if it holds */
};
void piece_free(struct piece *p);

/*
 * `ledger`: a ledger file or a home; NULL: nodes are asked.  The genesis is --genesis, else the home's, else
 * ./testnet/genesis.json, else, of a node alone, what it tells, of which people are warned.  Another chain
 * than the genesis' is an error (ERR_INPUT).  Zeroes *s; evidence_source_close() it, also where this fails.
 */
bool evidence_source_open(struct evidence_source *s, const struct cmd_common *common, const char *ledger,
                          struct err *err);
void evidence_source_close(struct evidence_source *s);

/* From here on only what has this number or a higher one. Before the first evidence_next(). */
void evidence_source_from(struct evidence_source *s, int64_t seq);

/* The next piece, ascending by number; piece_free() it where it is FOUND. */
enum found evidence_next(struct evidence_source *s, struct piece *p, struct err *err);

#endif
