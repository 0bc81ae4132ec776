/*
 * points.c: see points.h. Interposes libc's calls in a node; each does what the kernel does, by syscall(),
 * and counts. Without the environment it does nothing else.
 */
#include "points.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NO_KIND POINT_KINDS

static struct points *points; /* NULL: not asked for */
static int up_fd = -1;

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv(POINTS_FILE), *up = getenv(POINTS_UP);
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *page = mmap(NULL, sizeof *points, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		points = page;
	if (up != NULL)
		up_fd = (int)strtol(up, NULL, 10);
}

_Noreturn static void die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		pause();
}

/* One more point of this kind: is it the one? */
static bool reached(enum point_kind kind)
{
	if (points == NULL || kind == NO_KIND)
		return false;
	uint32_t number = 1 + atomic_fetch_add(&points->passed[kind], 1);
	uint32_t left = atomic_load(&points->left);
	while (left > 0 && (points->kinds >> kind & 1)) {
		if (!atomic_compare_exchange_weak(&points->left, &left, left - 1))
			continue;
		if (left > 1)
			return false;
		points->hit_kind = kind;
		points->hit_how = points->how;
		points->hit_phase = atomic_load(&points->phase);
		points->hit_number = number;
		atomic_store(&points->hit, 1);
		return true;
	}
	return false;
}

/* ---- which kind a call is of ------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/*
 * A commit writes to the WAL, then syncs it. A sync of a WAL to which nothing was written since is a
 * checkpoint's, which folds it into the database file: another thing, since SQLite keeps quiet about errors
 * of those that it makes by itself.
 */
static enum point_kind kind_of_path(const char *path, bool sync)
{
	static const struct {
		const char *end;
		enum point_kind write, sync;
	} kinds[] = {
	    {"/votes.db-wal", POINT_VOTES_WRITE, POINT_VOTES_SYNC},
	    {"/ledger.db-wal", POINT_LEDGER_WRITE, POINT_LEDGER_SYNC},
	    {"/votes.db", POINT_FOLD_WRITE, POINT_FOLD_SYNC},
	    {"/ledger.db", POINT_FOLD_WRITE, POINT_FOLD_SYNC},
	    {"/votes.db-journal", POINT_FOLD_WRITE, POINT_FOLD_SYNC},
	    {"/ledger.db-journal", POINT_FOLD_WRITE, POINT_FOLD_SYNC},
	};
	static atomic_bool written[sizeof kinds / sizeof *kinds];
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!ends_with(path, kinds[i].end))
			continue;
		if (sync)
			return atomic_exchange(&written[i], false) ? kinds[i].sync : POINT_FOLD_SYNC;
		atomic_store(&written[i], true);
		return kinds[i].write;
	}
	return NO_KIND;
}

static enum point_kind kind_of_file(int fd, bool sync)
{
	char link[64], path[512];
	struct stat st;
	if (points == NULL)
		return NO_KIND;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof path - 1);
	if (len <= 0)
		return NO_KIND;
	path[len] = '\0';
	if (sync && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return POINT_FOLD_SYNC; /* a directory, for a file that was made or removed */
	return kind_of_path(path, sync);
}

static unsigned port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof a;
	if (getsockname(fd, (struct sockaddr *)&a, &len) != 0 || a.sin_family != AF_INET)
		return 0;
	return ntohs(a.sin_port);
}

static enum point_kind kind_of_socket(int fd)
{
	unsigned port = points != NULL ? port_of(fd) : 0;
	return port == 0 ? NO_KIND : port == points->http_port ? POINT_ANSWER : POINT_SEND;
}

/* ---- files ------------------------------------------------------------------------------- */

static ssize_t write_at(int fd, const void *data, size_t len, off_t at)
{
	if (!reached(kind_of_file(fd, false)))
		return syscall(SYS_pwrite64, fd, data, len, at);
	switch ((enum point_how)points->hit_how) {
	case POINT_FAIL:
		errno = ENOSPC;
		return -1;
	case POINT_AFTER:
		syscall(SYS_pwrite64, fd, data, len, at);
		break;
	case POINT_TORN:
		syscall(SYS_pwrite64, fd, data, len / 2, at);
		break;
	case POINT_BEFORE:
	case POINT_HOWS:
		break;
	}
	die();
}

/* A call that has no half. */
static int whole(enum point_kind kind, long number, long a, long b, long c, long d, long e)
{
	if (!reached(kind))
		return (int)syscall(number, a, b, c, d, e);
	if (points->hit_how == POINT_FAIL) {
		errno = EIO;
		return -1;
	}
	if (points->hit_how == POINT_AFTER)
		syscall(number, a, b, c, d, e);
	die();
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	bool made = (flags & O_CREAT) != 0 && points != NULL && strstr(path, ".db") != NULL;
	return whole(made ? POINT_CREATE : NO_KIND, SYS_openat, dir, (long)path, flags, (long)mode, 0);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return write_at(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return write_at(fd, data, len, at);
}

int fsync(int fd)
{
	return whole(kind_of_file(fd, true), SYS_fsync, fd, 0, 0, 0, 0);
}

int fdatasync(int fd)
{
	return whole(kind_of_file(fd, true), SYS_fdatasync, fd, 0, 0, 0, 0);
}

int ftruncate(int fd, off_t len)
{
	return whole(points != NULL ? POINT_TRUNCATE : NO_KIND, SYS_ftruncate, fd, len, 0, 0, 0);
}

int ftruncate64(int fd, off64_t len)
{
	return whole(points != NULL ? POINT_TRUNCATE : NO_KIND, SYS_ftruncate, fd, len, 0, 0, 0);
}

/* Names: all that gives one, changes one or takes one away. */
static int name(long number, long a, long b, long c, long d, long e)
{
	return whole(POINT_NAME, number, a, b, c, d, e);
}

int unlinkat(int dir, const char *path, int flags)
{
	return name(SYS_unlinkat, dir, (long)path, flags, 0, 0);
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode)
{
	return name(SYS_mkdirat, AT_FDCWD, (long)path, (long)mode, 0, 0);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return name(SYS_linkat, from_dir, (long)from, to_dir, (long)to, flags);
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return name(SYS_renameat2, from_dir, (long)from, to_dir, (long)to, (long)flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat2(from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

#define OPEN_MODE(flags)                                          \
	mode_t mode = 0;                                          \
	if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) != 0) { \
		va_list ap;                                       \
		va_start(ap, flags);                              \
		mode = va_arg(ap, mode_t);                        \
		va_end(ap);                                       \
	}

int open(const char *path, int flags, ...)
{
	OPEN_MODE(flags)
	return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	OPEN_MODE(flags)
	return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	OPEN_MODE(flags)
	return open_at(dir, path, flags, mode);
}

/* ---- sockets ----------------------------------------------------------------------------- */

static size_t total(const struct msghdr *m)
{
	size_t sum = 0;
	for (size_t i = 0; i < m->msg_iovlen; i++)
		sum += m->msg_iov[i].iov_len;
	return sum;
}

/* The first half of the bytes. */
static void send_half(int fd, const struct msghdr *m, int flags)
{
	enum { PARTS = 16 };
	struct iovec part[PARTS];
	struct msghdr half = *m;
	size_t left = total(m) / 2;
	half.msg_iov = part;
	for (half.msg_iovlen = 0; half.msg_iovlen < m->msg_iovlen && half.msg_iovlen < PARTS && left > 0;
	     half.msg_iovlen++) {
		struct iovec *p = &part[half.msg_iovlen];
		*p = m->msg_iov[half.msg_iovlen];
		if (p->iov_len > left)
			p->iov_len = left;
		left -= p->iov_len;
	}
	syscall(SYS_sendmsg, fd, &half, flags);
}

static ssize_t send_message(int fd, const struct msghdr *m, int flags)
{
	if (!reached(kind_of_socket(fd)))
		return syscall(SYS_sendmsg, fd, m, flags);
	if (points->hit_how == POINT_FAIL) {
		errno = ECONNRESET;
		return -1;
	}
	if (points->hit_how == POINT_AFTER)
		syscall(SYS_sendmsg, fd, m, flags);
	else if (points->hit_how == POINT_TORN)
		send_half(fd, m, flags);
	die();
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	return send_message(fd, m, flags);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	return send_message(fd, &m, flags);
}

/* HTTP listens last: the node is up. */
int listen(int fd, int backlog)
{
	int rv = (int)syscall(SYS_listen, fd, backlog);
	if (rv == 0 && points != NULL && port_of(fd) == points->http_port) {
		atomic_store(&points->phase, POINT_RUNNING);
		if (up_fd >= 0) {
			ssize_t written = syscall(SYS_write, up_fd, "u", 1);
			(void)written;
		}
	}
	return rv;
}
