/*
 * home.c: a replica's home directory.
 */
#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "keyfile.h"
#include "text.h"
#include "votes.h"

void home_paths(struct home *h, const char *dir)
{
	h->dir = xstrdup(dir);
	h->conf = text_format("%s/node.conf", dir);
	h->genesis = text_format("%s/genesis.json", dir);
	h->key = text_format("%s/replica.key", dir);
	h->ledger = text_format("%s/ledger.db", dir);
	h->suspect = text_format("%s/ledger.db.suspect", dir);
	h->votes = text_format("%s/votes.db", dir);
	h->lock = text_format("%s/lock", dir);
}

void home_free(struct home *h)
{
	free(h->dir);
	free(h->conf);
	free(h->genesis);
	free(h->key);
	free(h->ledger);
	free(h->suspect);
	free(h->votes);
	free(h->lock);
	*h = (struct home){0};
}

/* ---- the lock ----------------------------------------------------------------------- */

/* A lock of fcntl() belongs to the process, ends with it however it ends, and tells who holds it. */
static const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

bool home_lock(const struct home *h, struct err *err)
{
	/* Never closed: closing any descriptor of the file would release the lock. */
	int fd = open(h->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_WORLD, "%s: cannot be opened: %s", h->lock, strerror(errno));
	struct flock mine = whole;
	if (fcntl(fd, F_SETLK, &mine) == 0)
		return true;
	int error = errno;
	close(fd);
	if (error != EAGAIN && error != EACCES)
		return err_set(err, ERR_WORLD, "%s: cannot be locked: %s", h->lock, strerror(error));
	return err_set(err, ERR_WORLD, "%s is in use by process %d; one home runs one replica", h->dir,
	               (int)home_holder(h->dir, NULL));
}

pid_t home_holder(const char *dir, struct err *err)
{
	char *path = text_format("%s/lock", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = errno;
	struct flock theirs = whole;
	pid_t pid = 0;
	if (fd >= 0 && fcntl(fd, F_GETLK, &theirs) == 0) {
		pid = theirs.l_type == F_UNLCK ? 0 : theirs.l_pid;
	} else if (fd >= 0 || error != ENOENT) { /* without the file none has ever run there */
		err_set(err, ERR_WORLD, "%s: cannot be read, so who runs there is not known: %s", path,
		        strerror(fd >= 0 ? errno : error));
		pid = -1;
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return pid;
}

/* ---- making one ----------------------------------------------------------------------- */

static bool absent(const char *path, struct err *err)
{
	return access(path, F_OK) != 0 ||
	       err_set(err, ERR_INPUT, "%s: is there already; a home that was made is never overwritten",
	               path);
}

bool home_init(const char *dir, const char *http, const char *listen, const char *pass,
               struct qreplica_key *key, struct err *err)
{
	struct home h;
	struct conf conf = {.http = xstrdup(http),
	                    .listen = xstrdup(listen),
	                    .mining_threads = CONF_MINING_THREADS,
	                    .scrub_s = CONF_SCRUB_S,
	                    .log = LOG_INFO};
	struct ident *id = NULL;
	home_paths(&h, dir);
	bool ok = absent(h.key, err) && absent(h.votes, err) && absent(h.conf, err);
	if (ok && mkdir(dir, 0700) != 0 && errno != EEXIST)
		ok = err_set(err, ERR_WORLD, "%s: cannot be made: %s", dir, strerror(errno));
	if (ok) {
		id = ident_new();
		*key = ident_key(id);
		/* The key last: without it the rest is nothing, and a key never is without its vote log. */
		ok = conf_write(h.conf, &conf, err) && votes_create(h.votes, key, NULL, err) &&
		     keyfile_write_ident(h.key, id, pass, err);
	}
	ident_free(id);
	home_free(&h);
	free(conf.http);
	free(conf.listen);
	return ok;
}
