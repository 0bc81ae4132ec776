/*
 * testnet.c: a chain of several replicas on this machine: its directory and its processes.
 */
#include "testnet.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "clock.h"
#include "conf.h"
#include "home.h"
#include "keyfile.h"
#include "schedule.h"
#include "text.h"

#define TLS "tls+tcp"
#define EXIT_SPAWN 3

const char *const testnet_accounts[TESTNET_ACCOUNT_CNT] = {"alice", "bob", "carol", "dave"};
#define ACCOUNT_FUNDS 1000000000u
#define OPERATOR_STAKE 100000000u
#define OPERATOR_FUNDS 100000000u
#define ALICE_DELEGATES 100000000u /* to the last replica */
#define BOB_DELEGATES 50000000u    /* to the first */

/* By stake: an epoch is one cycle of short turns, so that people see the next one within minutes, and what is
 * released is free as soon as the rules allow. */
#define TURN 2
#define EPOCH (TURN * SCHEDULE_CYCLE)
#define UNBONDING (3 * EPOCH)
#define PEER_PORTS 100 /* above the HTTP port */

/* ---- ports ------------------------------------------------------------------------------ */

/* Sockets that are bound to free ports of the loopback, and the ports. Held until all are chosen. */
static bool free_ports(unsigned *ports, int *sockets, unsigned cnt, struct err *err)
{
	for (unsigned i = 0; i < cnt; i++)
		sockets[i] = -1;
	for (unsigned i = 0; i < cnt; i++) {
		struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof any;
		sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (sockets[i] < 0 || bind(sockets[i], (struct sockaddr *)&any, sizeof any) != 0 ||
		    getsockname(sockets[i], (struct sockaddr *)&any, &len) != 0)
			return err_set(err, ERR_WORLD, "no free port: %s", strerror(errno));
		ports[i] = ntohs(any.sin_port);
	}
	return true;
}

/* ports[0..n) for HTTP, ports[n..2n) for peers. */
static bool choose_ports(unsigned *ports, unsigned n, unsigned base, struct err *err)
{
	if (base == 0) {
		int sockets[2 * Q_REPLICAS_MAX];
		bool ok = free_ports(ports, sockets, 2 * n, err);
		for (unsigned i = 0; i < 2 * n; i++) {
			if (sockets[i] >= 0)
				close(sockets[i]);
		}
		return ok;
	}
	if (base + PEER_PORTS + n - 1 > 65535)
		return err_set(err, ERR_INPUT, "--base-port %u: ports up to %u are needed", base,
		               base + PEER_PORTS + n - 1);
	for (unsigned i = 0; i < n; i++) {
		ports[i] = base + i;
		ports[n + i] = base + PEER_PORTS + i;
	}
	return true;
}

/* ---- making ----------------------------------------------------------------------------------- */

/* A new account, its plain key at `path`, which is freed. */
static bool make_account(char *path, struct qaddress *address, struct err *err)
{
	struct account *a = account_new();
	struct qaccount_key key = account_key(a);
	*address = account_address(&key);
	bool ok = keyfile_write_account(path, a, NULL, err);
	account_free(a);
	free(path);
	return ok;
}

static bool make_node(const char *dir, unsigned i, unsigned http_port, unsigned peer_port,
                      const struct testnet_plan *plan, struct qreplica *r, struct err *err)
{
	char *home = text_format("%s/node%u", dir, i);
	char *http = text_format("127.0.0.1:%u", http_port);
	r->name = text_format("replica%u", i);
	r->address = text_format("%s://127.0.0.1:%u", plan->tls ? TLS : "tcp", peer_port);
	bool ok = home_init(home, http, r->address, NULL, &r->key, err);
	if (ok && plan->proposer != WORDS_PRIMARY) {
		r->account.account_val = xcalloc(1, sizeof(struct qaddress));
		r->account.account_len = 1;
		ok = make_account(text_format("%s/account.key", home), r->account.account_val, err);
	}
	free(http);
	free(home);
	return ok;
}

/* The genesis to D and to every home. */
static bool write_genesis(const char *dir, const struct genesis *g, struct err *err)
{
	char *text = genesis_format(g);
	bool ok = true;
	for (unsigned i = 0; ok && i <= g->n; i++) {
		char *path = i < g->n ? text_format("%s/node%u/genesis.json", dir, i)
		                      : text_format("%s/genesis.json", dir);
		ok = text_write_new(path, 0644, text, strlen(text), err);
		free(path);
	}
	free(text);
	return ok;
}

static bool make_directory(const char *path, struct err *err)
{
	return mkdir(path, 0700) == 0 ||
	       err_set(err, ERR_WORLD, "%s: cannot be made: %s", path, strerror(errno));
}

static void allocate(struct qgenesis *g, const struct qaddress *owner, uint64_t amount, struct qlock lock)
{
	g->allocations.allocations_val[g->allocations.allocations_len++] =
	    (struct qoutput){*owner, amount, lock};
}

static struct qlock stake_of(unsigned replica)
{
	return (struct qlock){.kind = QLOCK_STAKE, .qlock_u.replica = replica};
}

static bool make_accounts(const char *dir, struct qaddress accounts[TESTNET_ACCOUNT_CNT], struct err *err)
{
	char *folder = text_format("%s/accounts", dir);
	bool ok = make_directory(folder, err);
	for (unsigned i = 0; ok && i < TESTNET_ACCOUNT_CNT; i++)
		ok = make_account(text_format("%s/%s.key", folder, testnet_accounts[i]), &accounts[i], err);
	free(folder);
	return ok;
}

/* Who holds what, and backs whom, at the beginning. */
static void fund(struct qgenesis *g, enum words_proposer proposer,
                 const struct qaddress accounts[TESTNET_ACCOUNT_CNT])
{
	const struct qlock none = {.kind = QLOCK_NONE};
	unsigned n = g->replicas.replicas_len;
	g->allocations.allocations_val = xcalloc(TESTNET_ACCOUNT_CNT + 2 * n + 2, sizeof(struct qoutput));
	for (unsigned i = 0; i < TESTNET_ACCOUNT_CNT; i++)
		allocate(g, &accounts[i], ACCOUNT_FUNDS, none);
	for (unsigned i = 0; proposer != WORDS_PRIMARY && i < n; i++) {
		const struct qaddress *owner = g->replicas.replicas_val[i].account.account_val;
		allocate(g, owner, OPERATOR_STAKE, stake_of(i));
		allocate(g, owner, OPERATOR_FUNDS, none);
	}
	if (proposer == WORDS_DELEGATED) {
		allocate(g, &accounts[0], ALICE_DELEGATES, stake_of(n - 1));
		allocate(g, &accounts[1], BOB_DELEGATES, stake_of(0));
	}
}

static struct qproposer_rules proposer_rules(const struct testnet_plan *plan)
{
	struct qproposer_rules rules = words_proposer_rules(plan->proposer, plan->replicas);
	if (rules.kind == QPROPOSER_STAKE) {
		struct qstake_rules *r = &rules.qproposer_rules_u.stake;
		r->epoch = EPOCH;
		r->turn = TURN;
		r->unbonding = UNBONDING;
	}
	return rules;
}

static bool fill(const char *dir, const struct testnet_plan *plan, const unsigned *ports, struct err *err)
{
	struct genesis g = {0};
	struct qaddress accounts[TESTNET_ACCOUNT_CNT];
	unsigned n = plan->replicas;
	g.g.format = 1;
	g.g.name = xstrdup("testnet");
	g.g.time_ms = clock_ms(CLOCK_REALTIME) / 1000 * 1000;
	g.g.params = genesis_new_params();
	g.g.seal = plan->seal;
	g.g.proposer = proposer_rules(plan);
	g.g.replicas.replicas_val = xcalloc(n, sizeof(struct qreplica));

	bool ok = make_accounts(dir, accounts, err);
	for (unsigned i = 0; ok && i < n; i++) {
		ok = make_node(dir, i, ports[i], ports[n + i], plan, &g.g.replicas.replicas_val[i], err);
		g.g.replicas.replicas_len++;
	}
	if (ok)
		fund(&g.g, plan->proposer, accounts);
	ok = ok && genesis_finish(&g, err) && write_genesis(dir, &g, err);
	wire_free(WIRE(qgenesis), &g.g);
	return ok;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *at)
{
	(void)s;
	(void)type;
	(void)at;
	return remove(path);
}

bool testnet_create(const char *dir, const struct testnet_plan *plan, struct err *err)
{
	unsigned ports[2 * Q_REPLICAS_MAX] = {0};
	if (!choose_ports(ports, plan->replicas, plan->base_port, err))
		return false;
	/* Made beside, then renamed: a testnet is there whole or not at all. */
	char *making = text_format("%s.making-%d", dir, (int)getpid());
	bool ok = make_directory(making, err) && fill(making, plan, ports, err);
	if (ok && rename(making, dir) != 0) {
		ok = errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR
		         ? err_set(err, ERR_INPUT,
		                   "%s: is there already and holds no testnet; choose another --dir", dir)
		         : err_set(err, ERR_WORLD, "%s: cannot be made: %s", dir, strerror(errno));
	}
	if (!ok)
		nftw(making, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(making);
	return ok;
}

/* ---- opening ------------------------------------------------------------------------------------ */

bool testnet_exists(const char *dir)
{
	char *genesis = text_format("%s/genesis.json", dir), *conf = text_format("%s/node0/node.conf", dir);
	bool there = access(genesis, F_OK) == 0 && access(conf, F_OK) == 0;
	free(genesis);
	free(conf);
	return there;
}

static bool another_kind(const struct testnet *t, const char *has, const char *wanted, struct err *err)
{
	return err_set(err, ERR_INPUT, "%s holds a testnet with %s, not %s; choose another --dir", t->dir,
	               has, wanted);
}

bool testnet_fits(const struct testnet *t, const struct testnet_plan *plan, struct err *err)
{
	struct genesis wanted = {.n = t->n, .g.seal = plan->seal};
	char has_seal[WORDS_MAX], wants_seal[WORDS_MAX];
	if (plan->replicas_given && plan->replicas != t->n)
		return err_set(err, ERR_INPUT,
		               "%s holds a testnet of %u replicas, not %u; choose another --dir", t->dir,
		               t->n, plan->replicas);
	if (plan->tls && strncmp(t->genesis->g.replicas.replicas_val[0].address, TLS, sizeof TLS - 1) != 0)
		return another_kind(t, "plain TCP", "TLS", err) || err_prefix(err, "--tls");
	words_of_seal(t->genesis, has_seal);
	words_of_seal(&wanted, wants_seal);
	if (plan->seal_given && strcmp(has_seal, wants_seal) != 0)
		return another_kind(t, has_seal, wants_seal, err) || err_prefix(err, "--seal");
	/* Of one replica, delegated is stake. */
	wanted.g.proposer = words_proposer_rules(plan->proposer, t->n);
	enum words_proposer has = words_of_proposer(t->genesis), wants = words_of_proposer(&wanted);
	if (plan->proposer_given && has != wants)
		return another_kind(t, words_proposer_name(has), words_proposer_name(wants), err) ||
		       err_prefix(err, "--proposer");
	return true;
}

static bool open_node(struct testnet *t, unsigned i, struct err *err)
{
	struct testnet_node *node = &t->nodes[i];
	node->index = i;
	node->home = text_format("%s/node%u", t->dir, i);
	node->ledger = text_format("%s/ledger.db", node->home);
	node->log = text_format("%s/node.log", node->home);
	node->account = text_format("%s/account.key", node->home);
	node->peer = xstrdup(t->genesis->g.replicas.replicas_val[i].address);
	char *path = text_format("%s/node.conf", node->home);
	struct conf *conf = conf_load(path, err);
	free(path);
	if (conf == NULL)
		return false;
	node->http = text_format("http://%s", conf->http);
	conf_free(conf);
	return true;
}

struct testnet *testnet_open(const char *dir, struct err *err)
{
	if (!testnet_exists(dir)) {
		err_set(err, ERR_INPUT, "%s holds no testnet; `quorate testnet up --dir %s` makes one", dir,
		        dir);
		return NULL;
	}
	struct testnet *t = xcalloc(1, sizeof *t);
	t->dir = xstrdup(dir);
	t->genesis_path = text_format("%s/genesis.json", dir);
	t->genesis = genesis_load(t->genesis_path, err);
	bool ok = t->genesis != NULL;
	if (ok) {
		t->n = t->genesis->n;
		t->nodes = xcalloc(t->n, sizeof *t->nodes);
	}
	for (unsigned i = 0; ok && i < t->n; i++)
		ok = open_node(t, i, err);
	if (!ok) {
		testnet_free(t);
		return NULL;
	}
	return t;
}

void testnet_free(struct testnet *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < t->n; i++) {
		struct testnet_node *node = &t->nodes[i];
		free(node->home);
		free(node->ledger);
		free(node->log);
		free(node->http);
		free(node->peer);
		free(node->account);
	}
	free(t->nodes);
	genesis_free(t->genesis);
	free(t->genesis_path);
	free(t->dir);
	free(t);
}

/* ---- processes ------------------------------------------------------------------------------------ */

pid_t testnet_pid(const struct testnet_node *node)
{
	return home_holder(node->home, NULL);
}

bool testnet_pids_known(const struct testnet *t, struct err *err)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (home_holder(t->nodes[i].home, err) < 0)
			return false;
	}
	return true;
}

_Noreturn static void become_node(const struct testnet_node *node, bool child, pid_t parent)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (child && (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent))
		_exit(EXIT_SPAWN);
	setsid(); /* Ctrl-C in the terminal is for the parent, which stops its nodes */

	int log = open(node->log, O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);
	if (log < 0 || null < 0) {
		fprintf(stderr, "quorate: %s: cannot be opened: %s\n", log < 0 ? node->log : "/dev/null",
		        strerror(errno));
		_exit(EXIT_SPAWN);
	}
	if (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(EXIT_SPAWN);
	close_range(3, ~0u, 0);
	/* By its path, so that process lists show its name; by the link where the file was replaced
	 * meanwhile. */
	static const char self[] = "/proc/self/exe";
	char path[PATH_MAX];
	ssize_t len = readlink(self, path, sizeof path - 1);
	if (len > 0) {
		path[len] = '\0';
		execl(path, "quorate", "node", "--home", node->home, "--log", node->log, (char *)NULL);
	}
	execl(self, "quorate", "node", "--home", node->home, "--log", node->log, (char *)NULL);
	perror("quorate: cannot start itself");
	_exit(EXIT_SPAWN);
}

pid_t testnet_spawn(const struct testnet_node *node, bool child, struct err *err)
{
	pid_t parent = getpid();
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		become_node(node, child, parent);
	if (pid < 0)
		err_set(err, ERR_WORLD, "no process for replica %u: %s", node->index, strerror(errno));
	return pid;
}

bool testnet_signal(const struct testnet_node *node, int number, struct err *err)
{
	pid_t pid = testnet_pid(node);
	if (pid > 0 && kill(pid, number) == 0)
		return true;
	if (pid > 0 && errno != ESRCH)
		return err_set(err, ERR_WORLD, "replica %u (process %d): %s", node->index, (int)pid,
		               strerror(errno));
	return err_set(err, ERR_NO, "replica %u does not run", node->index);
}

const struct testnet_node *testnet_await_end(const struct testnet_node *nodes, unsigned cnt,
                                             unsigned timeout_ms)
{
	uint64_t deadline_ms = access_now_ms() + timeout_ms;
	for (unsigned i = 0; i < cnt;) {
		if (testnet_pid(&nodes[i]) <= 0)
			i++;
		else if (access_now_ms() < deadline_ms)
			access_nap_ms(10);
		else
			return &nodes[i];
	}
	return NULL;
}

/* Those that do not run need no signal. */
static void signal_all(const struct testnet *t, int number, struct err *err)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct err why = {0};
		if (!testnet_signal(&t->nodes[i], number, &why) && why.kind != ERR_NO)
			*err = why;
	}
}

bool testnet_stop(const struct testnet *t, unsigned timeout_ms, struct err *err)
{
	struct err why = {0};
	signal_all(t, SIGTERM, &why);
	signal_all(t, SIGCONT, &why); /* a paused one hears it then */
	if (testnet_await_end(t->nodes, t->n, timeout_ms) == NULL)
		return true;
	signal_all(t, SIGKILL, &why);
	const struct testnet_node *left = testnet_await_end(t->nodes, t->n, TESTNET_KILL_TIMEOUT_MS);
	if (left == NULL)
		return true;
	if (why.kind != ERR_NONE)
		return err_set(err, why.kind, "%s", why.text);
	return testnet_undead(left, err);
}

bool testnet_undead(const struct testnet_node *node, struct err *err)
{
	return err_set(err, ERR_WORLD, "replica %u (process %d) was killed and has not ended after %d s",
	               node->index, (int)testnet_pid(node), TESTNET_KILL_TIMEOUT_MS / 1000);
}
