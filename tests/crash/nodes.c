/*
 * nodes.c: see nodes.h.
 */
#include "nodes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"

uint64_t nodes_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

/* SplitMix64. */
uint64_t chance(struct chance *c, uint64_t below)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return below > 0 ? z % below : z;
}

static void write_line(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

void nodes_shell(const char *fmt, ...)
{
	char command[2048];
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	assert_true(len > 0 && (size_t)len < sizeof command);
	assert_int_equal(system(command), 0);
}

bool nodes_unshare(int flags)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();
	if (unshare(flags) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | flags) != 0)
		return false;
	write_line("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", uid); /* root there: programs that we start may do as we do */
	write_line("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %u 1", gid);
	write_line("/proc/self/gid_map", map);
	return true;
}

/* ---- making -------------------------------------------------------------------------------- */

#define PEER_PORTS 100 /* as `quorate testnet new --base-port` has it */

static bool port_is_free(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	a.sin_port = htons((uint16_t)port);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bool ok = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
	close(fd);
	return ok;
}

/* Below the ports that the kernel gives to outgoing connections: one of those could take a port away while
 * its node is down. */
static unsigned choose_base(unsigned n)
{
	for (unsigned attempt = 0; attempt < 100; attempt++) {
		unsigned base = 10000 + ((unsigned)getpid() * 8 + attempt * 211) % 20000;
		bool ok = true;
		for (unsigned i = 0; ok && i < n; i++)
			ok = port_is_free(base + i) && port_is_free(base + PEER_PORTS + i);
		if (ok)
			return base;
	}
	fail_msg("no free ports");
	return 0;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Where it listens is told by its node.conf, where it is found by the genesis. */
static void move_to_host(struct chain *c, struct qgenesis *g, unsigned i, const char *host)
{
	char text[512];
	struct qreplica *r = &g->replicas.replicas_val[i];
	free(r->address);
	snprintf(text, sizeof text, "tcp://%s:7580", host);
	r->address = xstrdup(text);
	snprintf(c->http[i], sizeof c->http[i], "http://%s:7480", host);
	snprintf(text, sizeof text, "[node]\nhttp = %s:7480\nlisten = tcp://%s:7580\n", host, host);
	write_text(chain_path(c, "node%u/node.conf", i), text);
}

static void amend(struct chain *c, const struct nodes_plan *plan)
{
	struct err err = {0};
	struct genesis *g = genesis_load(chain_path(c, "genesis.json"), &err);
	if (!g)
		fail_msg("%s", err.text);
	if (plan->allocations) {
		free(g->g.allocations.allocations_val);
		g->g.allocations.allocations_val =
		    xmemdup(plan->allocations, plan->allocation_cnt * sizeof *plan->allocations);
		g->g.allocations.allocations_len = (u_int)plan->allocation_cnt;
	}
	if (plan->edit)
		plan->edit(&g->g, plan->ctx);
	for (unsigned i = 0; plan->host && i < plan->n; i++)
		move_to_host(c, &g->g, i, plan->host[i]);
	if (!genesis_finish(g, &err))
		fail_msg("%s", err.text);
	char *text = genesis_format(g);
	write_text(chain_path(c, "genesis.json"), text);
	for (unsigned i = 0; i < plan->n; i++)
		write_text(chain_path(c, "node%u/genesis.json", i), text);
	free(text);
	c->genesis = g;
}

static void make_points(struct nodes *s, unsigned i)
{
	int fd = open(chain_path(s->chain, "points%u", i), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(struct points)), 0);
	void *page = mmap(NULL, sizeof(struct points), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(page != MAP_FAILED);
	close(fd);
	s->node[i].points = page;
	s->node[i].points->http_port = (uint32_t)strtoul(strrchr(s->chain->http[i], ':') + 1, NULL, 10);
}

static char kept[256]; /* the directory in use */

static void tell_kept(void)
{
	if (kept[0] != '\0')
		fprintf(stderr, "the files of the nodes are in %s\n", kept);
}

int nodes_setup(void **state)
{
	atexit(tell_kept);
	setenv("QUORATE", PROGRAM, 0);
	setenv("QUORATE_POINTS_LIBRARY", POINTS_LIBRARY, 0);
	return chain_setup(state);
}

struct nodes *nodes_new(const struct nodes_plan *plan)
{
	struct nodes *s = xcalloc(1, sizeof *s);
	struct chain *c = s->chain = xcalloc(1, sizeof *c);
	struct err err = {0};
	char count[16], base[16], *errs = NULL;
	unsigned port = plan->host ? 7480 : choose_base(plan->n);

	assert_true(plan->n <= NODES_MAX);
	s->n = c->n = plan->n;
	snprintf(c->dir, sizeof c->dir, "/tmp/quorate-nodes-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	snprintf(kept, sizeof kept, "%s", c->dir);
	snprintf(count, sizeof count, "%u", plan->n);
	snprintf(base, sizeof base, "%u", port);
	if (quorate(NULL, &errs, "testnet", "new", "--dir", c->dir, "--replicas", count, "--base-port", base,
	            NULL) != 0)
		fail_msg("%s", errs);
	free(errs);
	for (unsigned i = 0; i < plan->n; i++)
		snprintf(c->http[i], sizeof c->http[i], "http://127.0.0.1:%u", port + i);
	amend(c, plan);
	for (unsigned i = 0; i < plan->n; i++) {
		s->node[i].pidfd = s->node[i].up_fd = s->node[i].net_fd = -1;
		c->client[i] = http_client_new(c->http[i], CHAIN_PATIENCE_MS, &err);
		assert_non_null(c->client[i]);
		make_points(s, i);
	}
	return s;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void nodes_free(struct nodes *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct node *node = &s->node[i];
		if (node->pid > 0) {
			kill(node->pid, SIGKILL);
			waitpid(node->pid, NULL, 0);
			close(node->pidfd);
			close(node->up_fd);
		}
		munmap(node->points, sizeof *node->points);
		if (node->net_fd >= 0)
			close(node->net_fd);
	}
	if (nftw(s->chain->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
		print_message("%s is not removed: %s\n", s->chain->dir, strerror(errno));
	kept[0] = '\0';
	for (unsigned i = 0; i < s->n; i++)
		http_client_free(s->chain->client[i]);
	genesis_free(s->chain->genesis);
	free(s->chain);
	free(s);
}

/* ---- processes ------------------------------------------------------------------------------- */

_Noreturn static void become_node(struct nodes *s, unsigned i, int up_fd, pid_t parent)
{
	const char *program = getenv("QUORATE"), *asan = getenv("ASAN_OPTIONS");
	char home[512], log[512], number[16], options[1024];
	snprintf(home, sizeof home, "%s", chain_path(s->chain, "node%u", i));
	snprintf(log, sizeof log, "%s", chain_path(s->chain, "node%u.log", i));
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(127);
	if (s->node[i].net_fd >= 0 && setns(s->node[i].net_fd, CLONE_NEWNET) != 0)
		_exit(127);
	int null = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	close_range(3, (unsigned)up_fd - 1, 0);
	close_range((unsigned)up_fd + 1, ~0u, 0);
	/* Before a sanitizer's runtime, which wants to be first: it finds the calls behind its own. */
	snprintf(options, sizeof options, "%s:verify_asan_link_order=0", asan ? asan : "");
	snprintf(number, sizeof number, "%d", up_fd);
	setenv("ASAN_OPTIONS", options, 1);
	setenv("LD_PRELOAD", getenv("QUORATE_POINTS_LIBRARY"), 1);
	setenv(POINTS_FILE, chain_path(s->chain, "points%u", i), 1);
	setenv(POINTS_UP, number, 1);
	execl(program, "quorate", "node", "--home", home, (char *)NULL);
	_exit(127);
}

void nodes_start(struct nodes *s, unsigned i)
{
	struct node *node = &s->node[i];
	int up[2];
	must(node->pid == 0);
	assert_int_equal(pipe(up), 0); /* the child's end stays open when it becomes the node */
	fcntl(up[0], F_SETFD, FD_CLOEXEC);
	atomic_store(&node->points->phase, POINT_STARTING);
	atomic_store(&node->points->hit, 0);
	for (unsigned k = 0; k < POINT_KINDS; k++)
		atomic_store(&node->points->passed[k], 0);
	node->up = node->killed = false;
	node->status = 0;
	pid_t parent = getpid(), pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		become_node(s, i, up[1], parent);
	close(up[1]);
	node->pid = pid;
	node->up_fd = up[0];
	node->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(node->pidfd >= 0);
}

void nodes_arm(struct nodes *s, unsigned i, uint32_t kinds, enum point_how how, uint32_t left)
{
	struct points *p = s->node[i].points;
	atomic_store(&p->left, 0);
	p->kinds = kinds;
	p->how = how;
	atomic_store(&p->left, left);
}

void nodes_signal(struct nodes *s, unsigned i, int number)
{
	/* It is our child and not yet waited for, so the id is still its own. */
	if (s->node[i].pid > 0)
		assert_int_equal(kill(s->node[i].pid, number), 0);
}

void nodes_kill(struct nodes *s, unsigned i)
{
	s->node[i].killed = true;
	nodes_signal(s, i, SIGKILL);
}

/* Takes leave of one that has ended. */
static void bury(struct node *node)
{
	assert_int_equal(waitpid(node->pid, &node->status, 0), node->pid);
	close(node->pidfd);
	close(node->up_fd);
	node->pid = 0;
	node->pidfd = node->up_fd = -1;
	node->up = false;
}

uint64_t nodes_wait(struct nodes *s, int wake_fd, int timeout_ms)
{
	struct pollfd fds[2 * NODES_MAX + 1];
	uint64_t ended = 0;
	char byte;
	for (unsigned i = 0; i < s->n; i++) { /* negative descriptors are passed over */
		fds[2 * i] = (struct pollfd){.fd = s->node[i].pidfd, .events = POLLIN};
		fds[2 * i + 1] =
		    (struct pollfd){.fd = s->node[i].up ? -1 : s->node[i].up_fd, .events = POLLIN};
	}
	fds[2 * s->n] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
	if (poll(fds, 2 * s->n + 1, timeout_ms) <= 0)
		return 0;
	for (unsigned i = 0; i < s->n; i++) {
		struct node *node = &s->node[i];
		if ((fds[2 * i + 1].revents & POLLIN) && read(node->up_fd, &byte, 1) == 1)
			node->up = true;
		if (fds[2 * i].revents & POLLIN) {
			bury(node);
			ended |= 1ull << i;
		} else if ((fds[2 * i + 1].revents & POLLHUP) && !node->up && node->pid > 0) {
			bury(node); /* its descriptors are closed: it is on its way out */
			ended |= 1ull << i;
		}
	}
	return ended;
}

enum node_end nodes_end(struct nodes *s, unsigned i)
{
	struct node *node = &s->node[i];
	bool hit = atomic_load(&node->points->hit) && node->points->hit_how != POINT_FAIL;
	if (WIFSIGNALED(node->status) && WTERMSIG(node->status) == SIGKILL)
		return hit ? END_POINT : node->killed ? END_KILLED : END_OTHER;
	if (WIFEXITED(node->status) && WEXITSTATUS(node->status) == 0)
		return END_CLEAN;
	if (WIFEXITED(node->status) && WEXITSTATUS(node->status) == 3)
		return END_STORE;
	return END_OTHER;
}

const char *nodes_tell(struct nodes *s, unsigned i)
{
	static char text[4096];
	char tail[2048] = "";
	struct node *node = &s->node[i];
	int fd = open(chain_path(s->chain, "node%u.log", i), O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		off_t end = lseek(fd, 0, SEEK_END);
		off_t from = end > (off_t)sizeof tail - 1 ? end - (off_t)sizeof tail + 1 : 0;
		ssize_t got = pread(fd, tail, sizeof tail - 1, from);
		tail[got > 0 ? got : 0] = '\0';
		close(fd);
	}
	const char *how = node->pid > 0 ? "runs" : WIFSIGNALED(node->status) ? "signal" : "exit code";
	snprintf(text, sizeof text, "node %u: %s %d; the end of %s/node%u.log:\n%s", i, how,
	         WIFSIGNALED(node->status) ? WTERMSIG(node->status) : WEXITSTATUS(node->status),
	         s->chain->dir, i, tail);
	return text;
}

bool nodes_ask(struct nodes *s, unsigned i, uint64_t *height)
{
	int status;
	uint64_t before = atomic_load(&s->node[i].height);
	json_t *root = chain_get(s->chain, i, &status, "/v1/status");
	if (root == NULL || status != 200) {
		json_decref(root);
		return false;
	}
	uint64_t now = (uint64_t)json_integer_value(json_object_get(root, "height"));
	const char *muted = json_string_value(json_object_get(root, "muted"));
	if (muted)
		fail_msg("node %u has kept its vote log and is muted: %s", i, muted);
	if (now < before)
		fail_msg("node %u said height %llu, then %llu", i, (unsigned long long)before,
		         (unsigned long long)now);
	json_decref(root);
	while (before < now && !atomic_compare_exchange_weak(&s->node[i].height, &before, now))
		;
	if (height)
		*height = now;
	return true;
}
