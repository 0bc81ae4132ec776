/*
 * audit_file.c: what can be said of a file before SQLite sees it: SQLite would make an empty ledger of a
 * missing one, or find one that was cut off damaged in a hundred places.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_impl.h"

/* The file's header: https://www.sqlite.org/fileformat.html */
#define HEADER_BYTES 100
#define AT_PAGE_BYTES 16  /* 2 bytes; 1: 65536 */
#define AT_CHANGES 24     /* 4 bytes: transactions so far */
#define AT_PAGES 28       /* 4 bytes: pages of the file, */
#define AT_PAGES_AFTER 92 /* 4 bytes: after so many changes; an old SQLite did not write either */

static uint32_t be(const uint8_t *p, unsigned bytes)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | p[i];
	return n;
}

/* Bytes of the file beside `path` with this ending; -1: there is none. */
static int64_t size_beside(const char *path, const char *ending)
{
	size_t cap = strlen(path) + strlen(ending) + 1;
	char *beside = xcalloc(cap, 1);
	struct stat st;

	snprintf(beside, cap, "%s%s", path, ending);
	int64_t size = stat(beside, &st) == 0 ? (int64_t)st.st_size : -1;
	free(beside);
	return size;
}

/* Does the header say that the file is longer than it is?  While there is a WAL with something in it, the
 * rest may be there. */
static bool is_cut_off(const char *path, int64_t *size, int64_t *want)
{
	int64_t wal = size_beside(path, "-wal");
	uint8_t header[HEADER_BYTES];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool read_it =
	    fd >= 0 && pread(fd, header, sizeof header, 0) == (ssize_t)sizeof header && fstat(fd, &st) == 0;

	if (fd >= 0)
		close(fd);
	if (!read_it || memcmp(header, "SQLite format 3", 16) != 0)
		return false;
	uint32_t page = be(header + AT_PAGE_BYTES, 2);
	*size = (int64_t)st.st_size;
	*want = (int64_t)be(header + AT_PAGES, 4) * (page == 1 ? 65536 : page);
	return wal <= 0 && be(header + AT_CHANGES, 4) == be(header + AT_PAGES_AFTER, 4) && *size < *want;
}

static bool missing(const char *path, struct err *err)
{
	int error = errno;

	if (error == ENOENT && size_beside(path, "-wal") > 0)
		return err_set(
		    err, ERR_INPUT,
		    "ledger %s: %s, though its -wal is there: that holds the last changes only; put "
		    "the ledger itself beside it",
		    path, strerror(error));
	return err_set(err, ERR_INPUT, "ledger %s: %s", path, strerror(error));
}

bool book_check_file(const char *path, struct err *err)
{
	int64_t size, want;
	struct stat st;

	if (stat(path, &st) != 0)
		return missing(path, err);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "ledger %s: not a file", path);
	if (st.st_size == 0)
		return err_set(err, ERR_INPUT, "ledger %s: the file is empty", path);
	if (st.st_size < HEADER_BYTES)
		return err_set(err, ERR_INPUT, "ledger %s: not a SQLite database", path);
	for (int i = 0; is_cut_off(path, &size, &want); i++)
		if (i > 0) /* not the first time: a node may have been folding its WAL into the file */
			return err_set(err, ERR_INPUT,
			               "ledger %s: cut off: %" PRId64 " bytes of %" PRId64
			               "; copy it again, or restore it from another replica",
			               path, size, want);
	return true;
}
