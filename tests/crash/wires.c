/*
 * wires.c: see wires.h. Addresses are resolved by hand (permanent neighbours), so that there is no ARP: a cut
 * is a neighbour whose hardware address nobody has, and whoever sends there never learns of it.
 */
#include "wires.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY "02:00:00:00:00:ff"

static bool shell(int net_fd, const char *fmt, va_list ap)
{
	char command[1024];
	int status;
	vsnprintf(command, sizeof command, fmt, ap);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		if (net_fd >= 0 && setns(net_fd, CLONE_NEWNET) != 0)
			_exit(127);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool here(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool here(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	bool ok = shell(-1, fmt, ap);
	va_end(ap);
	return ok;
}

bool wires_run(struct wires *w, unsigned i, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	bool ok = shell(w->net_fd[i], fmt, ap);
	va_end(ap);
	return ok;
}

/* A network and one end of a wire into it. A child holds it until we have its descriptor. */
static bool add_node(struct wires *w, unsigned i)
{
	int made[2], done[2];
	char path[64], byte;
	assert_int_equal(pipe2(made, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(done[1]);
		if (unshare(CLONE_NEWNET) != 0 || write(made[1], "m", 1) != 1)
			_exit(1);
		ssize_t got = read(done[0], &byte, 1); /* until the other end is closed */
		_exit(got == 0 ? 0 : 1);
	}
	close(made[1]);
	close(done[0]);
	bool ok = read(made[0], &byte, 1) == 1;
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	w->net_fd[i] = ok ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ok = w->net_fd[i] >= 0 &&
	     here("ip link add w%u type veth peer name wire && ip link set wire netns %d && "
	          "ip link set w%u master bridge up",
	          i, (int)pid, i);
	close(made[0]);
	close(done[1]);
	waitpid(pid, NULL, 0);
	snprintf(w->host[i], sizeof w->host[i], "10.77.0.%u", i + 1);
	return ok &&
	       wires_run(w, i,
	                 "ip link set lo up && ip link set wire address 02:00:00:00:00:%02x && "
	                 "ip address add %s/24 dev wire && ip link set wire up && "
	                 "ip neighbour replace 10.77.0.254 lladdr 02:00:00:00:00:fe nud permanent dev wire",
	                 i + 1, w->host[i]) &&
	       here("ip neighbour replace %s lladdr 02:00:00:00:00:%02x nud permanent dev bridge", w->host[i],
	            i + 1);
}

static bool point_to(struct wires *w, unsigned from, unsigned to, bool cut)
{
	char address[32];
	snprintf(address, sizeof address, "02:00:00:00:00:%02x", to + 1);
	w->cut[from][to] = cut;
	return wires_run(w, from, "ip neighbour replace %s lladdr %s nud permanent dev wire", w->host[to],
	                 cut ? NOBODY : address);
}

bool wires_new(struct wires *w, unsigned n, const char **why)
{
	*w = (struct wires){.n = n};
	*why = "namespaces are not permitted";
	if (!nodes_unshare(CLONE_NEWNET | CLONE_NEWNS))
		return false;
	*why = "the program ip (iproute2) is missing";
	if (!here("ip link set lo up"))
		return false;
	*why = "no bridge can be made";
	if (!here("ip link add bridge address 02:00:00:00:00:fe type bridge && ip link set bridge up && "
	          "ip address add 10.77.0.254/24 dev bridge"))
		return false;
	*why = "no network can be made for a node";
	for (unsigned i = 0; i < n; i++) {
		if (!add_node(w, i))
			return false;
	}
	for (unsigned from = 0; from < n; from++) {
		for (unsigned to = 0; to < n; to++) {
			if (from != to && !point_to(w, from, to, false))
				return false;
		}
	}
	return true;
}

void wires_cut(struct wires *w, unsigned from, unsigned to)
{
	assert_true(point_to(w, from, to, true));
}

void wires_mend(struct wires *w, unsigned from, unsigned to)
{
	assert_true(point_to(w, from, to, false));
}

void wires_link(struct wires *w, unsigned i, bool up)
{
	assert_true(here("ip link set w%u %s", i, up ? "up" : "down"));
	w->down[i] = !up;
}

void wires_heal(struct wires *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (w->down[i])
			wires_link(w, i, true);
		for (unsigned to = 0; to < w->n; to++) {
			if (w->cut[i][to])
				wires_mend(w, i, to);
		}
	}
}
