/*
 * node_guard.c: the ledger is what the chain says, or the node stops (scrubber.h): the scrubber's place in a
 * node, what is done about a ledger that is wrong, and what comes before the start with one that was.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "node_impl.h"
#include "suspect.h"

#define AFTER_MS 30000 /* that one more pass may take when the replica has stopped */

/* ---- scrubbing ----------------------------------------------------------------------- */

static bool ask_tip(void *ctx, struct qheight *height, struct qhash *hash)
{
	struct node *n = ctx;
	struct call *c = call_new(CALL_STATUS);
	bool ok = node_call(n, c);
	if (ok) {
		*height = c->status.height;
		*hash = c->status.block_hash;
	}
	call_unref(c);
	return ok;
}

/* A pass says what is wrong; its operator is to know what to do. */
static void advise(struct err *err)
{
	struct err said = *err;
	err_set(err, said.kind,
	        "%s; move the file away, and the node fetches it anew from the other replicas, or put a "
	        "verified copy there",
	        said.text);
}

static void on_wrong(void *ctx, const struct err *why)
{
	struct err err = *why;
	advise(&err);
	node_damaged(ctx, &err);
}

void guard_start(struct node *n)
{
	if (n->conf->scrub_s == 0)
		return;
	struct scrubber_config config = {
	    .path = n->home.ledger,
	    .genesis = n->genesis,
	    .period_ms = (uint64_t)n->conf->scrub_s * 1000,
	    .ctx = n,
	    .tip = ask_tip,
	    .wrong = on_wrong,
	};
	n->scrubber = scrubber_start(&config);
}

void guard_stop(struct node *n)
{
	scrubber_stop(n->scrubber);
	n->scrubber = NULL;
}

bool node_scrub(struct node *n, struct scrubber_status *out)
{
	if (n->scrubber == NULL)
		return false;
	scrubber_status(n->scrubber, out);
	return true;
}

/* ---- a ledger that is wrong ------------------------------------------------------------ */

static void mark(struct node *n, const struct err *why)
{
	struct err err = {0};
	if (!suspect_mark(n->home.suspect, why, &err))
		log_error("suspect_mark reason=%s", err.text);
}

void node_damaged(struct node *n, const struct err *why)
{
	pthread_mutex_lock(&n->lock);
	bool first = n->damage.kind == ERR_NONE;
	if (first)
		n->damage = *why;
	pthread_mutex_unlock(&n->lock);
	if (!first)
		return;
	struct call *c = call_new(CALL_STOP);
	c->stop = *why;
	node_post(n, c);
	call_unref(c);
	log_error("damaged reason=%s", why->text);
	mark(n, why);
}

bool guard_ok(struct node *n, struct err *err)
{
	pthread_mutex_lock(&n->lock);
	bool ok = n->damage.kind == ERR_NONE;
	if (!ok)
		*err = n->damage;
	pthread_mutex_unlock(&n->lock);
	return ok;
}

/* ---- before and after -------------------------------------------------------------------- */

/* The thread that starts and stops the node waits for SIGTERM and SIGINT, which are blocked. */
static bool told_to_stop(void)
{
	sigset_t pending;
	sigpending(&pending);
	return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

static bool not_told_to_stop(void *ctx)
{
	(void)ctx;
	return !told_to_stop();
}

static bool not_too_long(void *ctx)
{
	const uint64_t *until_ms = ctx;
	return !told_to_stop() && node_now_ms() < *until_ms;
}

/* The tip that the file itself tells, if a certificate makes it final. */
static bool read_tip(struct node *n, struct reader *r, struct qheight *height, struct qhash *hash,
                     struct err *err)
{
	struct qcert cert;
	reader_prove(r, n->genesis);
	enum found found = reader_height(r, height, err);
	if (found != FOUND || height->n == 0)
		return found == FOUND;
	found = reader_cert_for(r, *height, &cert, err);
	if (found == NOT_FOUND) {
		reader_damaged(r, "its last block is not there", err);
	} else if (found == FOUND) {
		*hash = cert.vote.block;
		wire_free(WIRE(qcert), &cert);
	}
	return found == FOUND;
}

/* All of the ledger as it lies there. */
static enum scrub_verdict read_suspect(struct node *n, struct err *err)
{
	struct qheight height;
	struct qhash hash;
	if (access(n->home.ledger, F_OK) != 0 && errno == ENOENT)
		return SCRUB_WHOLE;
	struct reader *r = reader_open(n->home.ledger, NULL, err);
	if (r == NULL)
		return SCRUB_ERROR;
	bool ok = read_tip(n, r, &height, &hash, err);
	reader_close(r);
	if (!ok || height.n == 0)
		return ok ? SCRUB_WHOLE : SCRUB_ERROR;
	return scrubber_once(n->home.ledger, n->genesis, height, &hash, not_told_to_stop, NULL, err);
}

bool guard_before(struct node *n, struct err *err)
{
	char *why;
	if (!suspect_read(n->home.suspect, &why))
		return true;
	log_warn("suspect ledger=%s before=\"%s\" action=\"reading all of it first\"", n->home.ledger, why);
	free(why);
	switch (read_suspect(n, err)) {
	case SCRUB_WHOLE:
		log_info("suspect ledger=%s rows=ok", n->home.ledger);
		return suspect_clear(n->home.suspect, err);
	case SCRUB_MORE:
		return err_set(err, ERR_WORLD,
		               "stopped before all of %s was read, which was found wrong before",
		               n->home.ledger);
	case SCRUB_WRONG:
		advise(err);
		break;
	case SCRUB_ERROR:
		break;
	}
	return false;
}

void guard_after(struct node *n)
{
	uint64_t until_ms = node_now_ms() + AFTER_MS;
	struct replica_status s;
	struct err err = {0};
	if (n->fatal.kind == ERR_NONE || n->damage.kind != ERR_NONE)
		return;
	replica_status(n->replica, &s);
	if (s.height.n == 0)
		return;
	switch (scrubber_once(n->home.ledger, n->genesis, s.height, &s.block_hash, not_too_long, &until_ms,
	                      &err)) {
	case SCRUB_WRONG:
		advise(&err);
		log_error("damaged reason=%s", err.text);
		n->damage = err;
		mark(n, &err);
		break;
	case SCRUB_MORE:
	case SCRUB_ERROR: /* not known: the next start reads it */
		mark(n, &n->fatal);
		break;
	case SCRUB_WHOLE:
		break;
	}
}
