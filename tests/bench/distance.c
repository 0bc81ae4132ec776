/*
 * distance.c: carries packets between network namespaces, each a while after it was sent.
 *
 *   bench_distance ONE_WAY_MS NAMESPACE... BESIDE
 *
 * Each namespace has a TUN device "far" with the address 10.80.0.K/24, where K counts from 1 in the order of
 * the arguments.  A packet between two of them takes ONE_WAY_MS; from and to the last, which is
 * for clients, it takes no time. tests/bench/far makes the namespaces. (Linux has this as `tc qdisc ...
 * netem`, but as a module that not every kernel has.)  Says "ready" once it carries; ends when its standard
 * input does.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

enum { ENDS_MAX = 65, PACKET_MAX = 65535, BURST = 64, WAITING_MAX = 1 << 18 };

struct packet {
	STAILQ_ENTRY(packet) next;
	uint64_t due_us;
	int to;
	size_t len;
	uint8_t data[];
};

/* Each delay is the same for all that wait for it, so first in is first out. */
static STAILQ_HEAD(, packet) waiting = STAILQ_HEAD_INITIALIZER(waiting);
static unsigned waiting_cnt;
static uint64_t lost;

static void die(const char *what)
{
	perror(what);
	exit(3);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int tun_of(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	char path[128];

	snprintf(path, sizeof path, "/run/netns/%s", name);
	int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
		die(path);
	close(ns);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	memcpy(ifr.ifr_name, "far", sizeof "far");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0)
		die("/dev/net/tun");
	return fd;
}

/* Where an IPv4 packet goes; -1: nowhere. */
static int end_of(const uint8_t *data, size_t len, int ends)
{
	static const uint8_t network[3] = {10, 80, 0};

	if (len < 20 || data[0] >> 4 != 4 || memcmp(data + 16, network, sizeof network) != 0)
		return -1;
	return data[19] >= 1 && data[19] <= ends ? data[19] - 1 : -1;
}

/* A full device loses packets, as a router does. */
static void hand_over(int fd, const uint8_t *data, size_t len)
{
	if (write(fd, data, len) != (ssize_t)len)
		lost++;
}

static void keep(const uint8_t *data, size_t len, int to, uint64_t due_us)
{
	struct packet *p = waiting_cnt < WAITING_MAX ? malloc(sizeof *p + len) : NULL;

	if (p == NULL) {
		lost++;
		return;
	}
	p->due_us = due_us;
	p->to = to;
	p->len = len;
	memcpy(p->data, data, len);
	STAILQ_INSERT_TAIL(&waiting, p, next);
	waiting_cnt++;
}

static void take_in(const struct pollfd *ends, int cnt, int from, uint64_t delay_us)
{
	static uint8_t data[PACKET_MAX];

	for (int i = 0; i < BURST; i++) {
		ssize_t len = read(ends[from].fd, data, sizeof data);
		if (len <= 0)
			return;
		int to = end_of(data, (size_t)len, cnt);
		if (to < 0)
			continue;
		if (delay_us == 0 || from == cnt - 1 || to == cnt - 1)
			hand_over(ends[to].fd, data, (size_t)len);
		else
			keep(data, (size_t)len, to, now_us() + delay_us);
	}
}

static void hand_out(const struct pollfd *ends)
{
	uint64_t now = now_us();
	struct packet *p;

	while ((p = STAILQ_FIRST(&waiting)) != NULL && p->due_us <= now) {
		STAILQ_REMOVE_HEAD(&waiting, next);
		waiting_cnt--;
		hand_over(ends[p->to].fd, p->data, p->len);
		free(p);
	}
}

static void await(struct pollfd *fds, int cnt)
{
	const struct packet *p = STAILQ_FIRST(&waiting);
	uint64_t now = now_us(), wait = p == NULL ? 0 : p->due_us > now ? p->due_us - now : 1;
	struct timespec ts = {.tv_sec = (time_t)(wait / 1000000), .tv_nsec = (long)(wait % 1000000) * 1000};

	if (ppoll(fds, (nfds_t)cnt, p == NULL ? NULL : &ts, NULL) < 0)
		die("poll");
}

int main(int argc, char **argv)
{
	struct pollfd fds[ENDS_MAX + 1];
	char *end = NULL;
	double ms = argc > 1 ? strtod(argv[1], &end) : -1;
	int cnt = argc - 2;

	if (cnt < 2 || cnt > ENDS_MAX || end == argv[1] || *end != '\0' || !(ms >= 0 && ms <= 10000)) {
		fprintf(stderr, "usage: bench_distance ONE_WAY_MS NAMESPACE... BESIDE\n");
		return 2;
	}
	for (int i = 0; i < cnt; i++)
		fds[i] = (struct pollfd){.fd = tun_of(argv[2 + i]), .events = POLLIN};
	fds[cnt] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	puts("ready");
	fflush(stdout);
	while (fds[cnt].revents == 0) {
		await(fds, cnt + 1);
		for (int i = 0; i < cnt; i++)
			if (fds[i].revents != 0)
				take_in(fds, cnt, i, (uint64_t)(ms * 1000));
		hand_out(fds);
	}
	fprintf(stderr, "%llu packets lost\n", (unsigned long long)lost);
	return 0;
}
