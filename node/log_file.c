/*
 * log_file.c: standard error into a file that can be rotated.
 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static const char *file; /* NULL: none */

/* Where a named pipe is that nobody reads, opening fails: the thread that waits for signals must not wait
 * here. */
static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND); /* what is opened is written to as ever */
	return fd;
}

/* dup2() replaces the descriptor at once: who writes meanwhile writes to the one or to the other. */
static bool into_stderr(const char *path, struct err *err)
{
	int fd = open_file(path);
	bool ok = (fd >= 0 && dup2(fd, STDERR_FILENO) >= 0) ||
	          err_set(err, ERR_WORLD, "log %s: cannot be opened: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

bool log_file_open(const char *path, struct err *err)
{
	if (!into_stderr(path, err))
		return false;
	file = path;
	return true;
}

bool log_file_is_open(void)
{
	return file != NULL;
}

void log_file_reopen(void)
{
	struct err err = {0};
	if (into_stderr(file, &err))
		log_info("log_reopened file=%s", file);
	else
		log_error("log_not_reopened reason=\"%s\"", err.text);
}
