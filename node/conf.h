/*
 * conf.h: node.conf: what one operator decides for one replica alone. Nothing that replicas must agree
 * on lives here (that is the genesis).
 *
 *   [node]
 *   http = 127.0.0.1:7480           where clients connect
 *   listen = tcp://127.0.0.1:7580   where the other replicas connect
 *   protocol = 0                    highest version spoken with the others; 0: all that the program can
 *   workers = 0                     threads that check signatures; 0: one a core
 *   mining_threads = 1              threads that search for seals; 0: one a core
 *   scrub_s = 86400                 seconds from one check of the whole ledger to the next; 0: none
 *   log = info                      debug, info, warn or error
 *   http_cert = FILE, http_key = FILE  serve TLS with these, in PEM; both or none
 *   http_per_address = 128          connections of clients from one address at most
 *   cors = https://a.example, ...   origins whose pages may read answers and hand transactions in; *: all
 *   [peers]
 *   2 = tcp://10.0.0.3:7580         dial replica 2 there and not at its address in the genesis
 *
 * Read strictly: an unknown section or key, a key given twice, a bad value, a line without meaning is an
 * error that names file and line. What is not given has the value above, and there are no peers.
 */
#ifndef QUORATE_CONF_H
#define QUORATE_CONF_H

#include "err.h"
#include "log.h"
#include "wire.h"

#define CONF_WORKERS_MAX 64
#define CONF_ORIGINS_MAX 8
#define CONF_MINING_THREADS_MAX 1024
#define CONF_SCRUB_S_MAX (366 * 86400)
#define CONF_MINING_THREADS 1 /* unless the file says otherwise */
#define CONF_SCRUB_S 86400

struct conf {
	char *http, *listen;
	char *http_cert, *http_key; /* NULL: none */
	unsigned http_per_address;
	char *cors[CONF_ORIGINS_MAX + 1]; /* ends with NULL */
	unsigned workers, mining_threads; /* 0: one a core */
	unsigned scrub_s;                 /* 0: never */
	unsigned protocol;                /* 0: whatever the program speaks */
	enum log_level log;
	char *peer[Q_REPLICAS_MAX]; /* by replica; NULL: as the genesis says */
};

struct conf *conf_load(const char *path, struct err *err);
void conf_free(struct conf *c);
/* The keys of [node], from 0 on; NULL after the last. */
const char *conf_key(unsigned i);

/* Writes a new, commented file (fails if it is there). NULL for http or listen: the default. */
bool conf_write(const char *path, const struct conf *c, struct err *err);

#endif
