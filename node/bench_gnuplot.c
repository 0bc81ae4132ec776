/*
 * bench_gnuplot.c: running gnuplot: without a shell, for a bounded time, in a directory of the user's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_show.h"
#include "clock.h"

extern char **environ;

#define SAID_MAX 4096 /* of what it says, the beginning is kept */

struct child {
	pid_t pid;
	int pid_fd, said_fd;
	char said[SAID_MAX];
	size_t said_len;
};

static bool missing(struct err *err)
{
	return err_set(err, ERR_WORLD,
	               "gnuplot is needed to draw pictures and was not found: install the Debian package "
	               "gnuplot-nox");
}

/* In a group of its own, so that whatever it starts can be ended with it. Returns an error number. */
static int spawn(const char *dir, const char *arg, int said_fd, pid_t *pid)
{
	char *const argv[] = {"gnuplot", "-d", (char *)arg, NULL}; /* -d: not the user's settings */
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	must(posix_spawn_file_actions_init(&files) == 0 && posix_spawnattr_init(&attr) == 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_addchdir_np(&files, dir);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, said_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, said_fd, STDERR_FILENO);
	int code = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return code;
}

static bool start(const char *dir, const char *arg, struct child *c, struct err *err)
{
	int said[2];
	if (pipe2(said, O_CLOEXEC) != 0)
		return err_set(err, ERR_WORLD, "gnuplot: %s", strerror(errno));
	int code = spawn(dir, arg, said[1], &c->pid);
	close(said[1]);
	c->said_fd = said[0];
	if (code == 0 && (c->pid_fd = pidfd_open(c->pid, 0)) >= 0)
		return true;
	close(c->said_fd);
	if (code == 0) {
		code = errno;
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (code == ENOENT && access(dir, X_OK) == 0)
		return missing(err);
	return err_set(err, ERR_WORLD, "gnuplot in %s: %s", dir, strerror(code));
}

/* False: nobody holds the other end any more. */
static bool listen_to(struct child *c)
{
	char chunk[512];
	ssize_t got = read(c->said_fd, chunk, sizeof chunk);
	if (got <= 0)
		return got < 0 && errno == EINTR;
	size_t room = sizeof c->said - 1 - c->said_len, len = (size_t)got < room ? (size_t)got : room;
	memcpy(c->said + c->said_len, chunk, len);
	c->said_len += len;
	return true;
}

/* Until it ends; false: it had not by then. */
static bool await_end(struct child *c, unsigned limit_ms)
{
	uint64_t until_ms = clock_ms(CLOCK_MONOTONIC) + limit_ms;
	struct pollfd fds[] = {{.fd = c->pid_fd, .events = POLLIN}, {.fd = c->said_fd, .events = POLLIN}};
	for (uint64_t now_ms; (now_ms = clock_ms(CLOCK_MONOTONIC)) < until_ms;) {
		if (poll(fds, 2, (int)(until_ms - now_ms)) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents != 0 && !listen_to(c))
			fds[1].fd = -1;
		else if (fds[1].revents == 0 && fds[0].revents != 0) /* all was read that it said */
			return true;
	}
	return false;
}

/* The last line that says something. */
static const char *last_line(struct child *c)
{
	c->said[c->said_len] = '\0';
	while (c->said_len > 0 && strchr("\n\r \t", c->said[c->said_len - 1]) != NULL)
		c->said[--c->said_len] = '\0';
	const char *line = strrchr(c->said, '\n');
	line = line == NULL ? c->said : line + 1;
	return line + strspn(line, " \t");
}

static bool judge(struct child *c, int status, const char *dir, struct err *err)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return missing(err); /* as posix_spawnp() says it where it cannot say it otherwise */
	char how[40];
	snprintf(how, sizeof how, "%s %d", WIFEXITED(status) ? "exit code" : "signal",
	         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return err_set(err, ERR_WORLD, "gnuplot in %s ended with %s: %s", dir, how, last_line(c));
}

bool bench_gnuplot(const char *dir, const char *arg, unsigned limit_ms, struct err *err)
{
	struct child c = {0};
	int status = 0;
	if (!start(dir, arg, &c, err))
		return false;
	bool ended = await_end(&c, limit_ms);
	kill(-c.pid, SIGKILL); /* what is left of it; it is not waited for yet, so its id is still its own */
	while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
		;
	close(c.pid_fd);
	close(c.said_fd);
	if (!ended)
		return err_set(err, ERR_WORLD, "gnuplot in %s had not ended after %u ms and was stopped", dir,
		               limit_ms);
	return judge(&c, status, dir, err);
}
