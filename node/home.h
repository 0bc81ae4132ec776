/*
 * home.h: a replica's home directory.
 *
 *   node.conf     where it listens (INI)
 *   genesis.json  the chain
 *   replica.key   its identity, 0600
 *   ledger.db     the ledger, for anybody to read
 *   ledger.db.suspect   only after it was found wrong: when, and what (suspect.h)
 *   votes.db      what it has signed; made together with the key, never restored from a backup
 *   lock          held while a process runs here; empty
 */
#ifndef QUORATE_HOME_H
#define QUORATE_HOME_H

#include <sys/types.h>

#include "err.h"
#include "ident.h"

struct home {
	char *dir, *conf, *genesis, *key, *ledger, *suspect, *votes, *lock;
};
void home_paths(struct home *h, const char *dir);
void home_free(struct home *h);

/* Holds the lock until the process ends. False: in use (names the process), or it cannot be made. */
bool home_lock(const struct home *h, struct err *err);
/* The process that holds it; 0: none; -1 with *err: that cannot be told. */
pid_t home_holder(const char *dir, struct err *err);

/*
 * Makes a home: the directory (0700; may be there), a new key, the empty vote log that belongs to it,
 * node.conf.  `pass` NULL: a plain key. Never overwrites. The key's public half is stored in *key.
 */
bool home_init(const char *dir, const char *http, const char *listen, const char *pass,
               struct qreplica_key *key, struct err *err);

#endif
