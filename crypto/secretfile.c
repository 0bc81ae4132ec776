/*
 * secretfile.c: reading and making files that hold secrets.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "newfile.h"
#include "secretfile.h"

static bool check_file(int fd, const char *path, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_set(err, ERR_WORLD, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: not a regular file", path);
	if (st.st_mode & 077)
		return err_set(err, ERR_INPUT, "%s: mode %04o lets others at the secret; chmod 600 it", path,
		               (unsigned)(st.st_mode & 07777));
	if (st.st_size > SECRETFILE_MAX)
		return err_set(err, ERR_INPUT, "%s: larger than %d bytes: not a key file", path,
		               SECRETFILE_MAX);
	return true;
}

/* As much as there is, at most cap; -1 with errno. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	while (len < cap) {
		ssize_t got = read(fd, buf + len, cap - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	return (ssize_t)len;
}

char *secretfile_read(const char *path, size_t *len, struct err *err)
{
	/* O_NONBLOCK: a FIFO in the file's place is refused, not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		err_set(err, errno == ENOENT ? ERR_INPUT : ERR_WORLD, "%s: %s", path, strerror(errno));
		return NULL;
	}
	char *text = NULL;
	if (check_file(fd, path, err)) {
		text = sodium_malloc(SECRETFILE_MAX + 1);
		must(text != NULL);
		ssize_t got = read_all(fd, text, SECRETFILE_MAX);
		if (got < 0) {
			err_set(err, ERR_WORLD, "%s: %s", path, strerror(errno));
			sodium_free(text);
			text = NULL;
		} else {
			*len = (size_t)got;
			text[got] = '\0';
		}
	}
	close(fd);
	return text;
}

bool secretfile_write(const char *path, const char *text, size_t len, struct err *err)
{
	if (newfile_write(path, 0600, text, len))
		return true;
	if (errno == EEXIST)
		return err_set(err, ERR_INPUT, "%s: exists already; a key is never overwritten", path);
	return err_set(err, ERR_WORLD, "%s: %s", path, strerror(errno));
}
