/*
 * node.c: one running replica: starts and stops its parts, and runs the replica's thread.
 *
 * Before: node_inbox.c puts verified messages into the inbox, node_ask.c the questions of http's threads.
 * Here: the replica's thread takes them in batches and lets the replica (replica.c) do a turn: persist, send,
 * execute. After: what it sends goes to net/link; outcomes go to the clients that wait (node_ask.c).
 */
#include "node.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "log_file.h"
#include "node_impl.h"
#include "parts.h"
#include "pass.h"

#define OUTBOX_BYTES_MAX (64u << 20) /* per peer */
#define VERIFY_CACHE_MAX \
	(1u << 17) /* transactions whose signatures held: 32 blocks of the largest size twice over */
#define HTTP_BODY_MAX (8u << 20)
#define HTTP_NICE 10 /* who asks, and hands in, takes what agreement leaves: a tenth of its weight */

const struct genesis *node_genesis(const struct node *n)
{
	return n->genesis;
}
unsigned node_self(const struct node *n)
{
	return n->self;
}
struct link *node_link(struct node *n)
{
	return n->link;
}

uint64_t node_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

bool node_mining(const struct node *n, struct node_mining *out)
{
	if (n->miner == NULL)
		return false;
	*out = (struct node_mining){miner_rate(n->miner), miner_hashes(n->miner)};
	return true;
}

/* ---- the replica's effects ------------------------------------------------------------ */

static void effect_send(void *ctx, struct message *m, uint64_t to)
{
	struct node *n = ctx;
	if (n->link != NULL) /* else still opening: agreement does not depend on any one message */
		link_send(n->link, to, &m->env);
}

static void effect_sent(void *ctx)
{
	struct node *n = ctx;
	if (n->link != NULL)
		link_flush(n->link);
}

static void effect_executed(void *ctx, struct block *const *blocks, size_t cnt)
{
	struct node *n = ctx;
	atomic_store(&n->executed, blocks[cnt - 1]->header.height.n);
	meter_executed(n, blocks, cnt);
	blocks_executed(n, blocks, cnt);
}

static void sign(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	const struct node *n = ctx;
	ident_sign(n->ident, &n->genesis->chain, body, len, sig);
}

static bool signed_by(void *ctx, unsigned replica, const uint8_t *body, size_t len, const struct qsig *sig)
{
	const struct node *n = ctx;
	return ident_verify(&n->genesis->g.replicas.replicas_val[replica].key, &n->genesis->chain, body, len,
	                    sig);
}

/* On the replica's thread, or on the main one while that does not run. */
static void effect_seal(void *ctx, const struct qheader *header)
{
	struct node *n = ctx;
	if (header != NULL)
		miner_seal(n->miner, header);
	else
		miner_stop(n->miner);
}

/* ---- the replica's thread -------------------------------------------------------------- */

static void hand_in_seal(struct node *n)
{
	struct qheader header;
	if (n->miner != NULL && miner_take(n->miner, &header))
		replica_sealed(n->replica, &header);
}

static void *replica_thread(void *arg)
{
	struct node *n = arg;
	struct letter *letters;
	struct call *calls;
	struct err err = {0};
	bool ok = true, more;
	while (ok && inbox_take(n, replica_deadline(n->replica), &letters, &calls, &more)) {
		replica_clock(n->replica, node_now_ms(), clock_ms(CLOCK_REALTIME));
		hand_in_seal(n);
		for (const struct letter *l = letters; l != NULL; l = l->next)
			replica_message(n->replica, l->v.message, l->v.txs, l->v.tx_cnt);
		letters_free(letters);
		ask_answer(n, calls);
		replica_expect(n->replica, more || work_waits(n->work));
		ok = replica_turn(n->replica, &err);
		atomic_store(&n->lags, replica_lags(n->replica));
	}
	if (!ok) {
		n->fatal = err;
		pthread_kill(n->main_thread, SIGTERM);
	}
	ask_refuse_all(n);
	return NULL;
}

/* ---- starting ---------------------------------------------------------------------------- */

/* Nothing of this process is for others to see: not its files, not its memory. */
static void harden(void)
{
	umask(077);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) ==
	    0) { /* connections of peers and clients: all that there may be */
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file too large is an error of write(), as a full disk is */
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	prctl(PR_SET_DUMPABLE, 0); /* debuggers and the leak checker need it in other builds */
#endif
}

static bool open_home(struct node *n, const char *dir, struct err *err)
{
	home_paths(&n->home, dir);
	n->conf = conf_load(n->home.conf, err);
	if (n->conf == NULL || !home_lock(&n->home, err))
		return false;
	log_level_set(n->conf->log);
	n->genesis = genesis_load(n->home.genesis, err);
	if (n->genesis == NULL)
		return false;
	n->ident = pass_read_ident(n->home.key, err);
	if (n->ident == NULL)
		return false;
	n->key = ident_key(n->ident);
	int self = genesis_replica_of(n->genesis, &n->key);
	if (self < 0) {
		char key[QHASH_HEX];
		return err_set(err, ERR_INPUT, "%s: its public key %s is none of those that %s lists",
		               n->home.key, hex_encode(key, n->key.b, sizeof n->key.b), n->home.genesis);
	}
	n->self = (unsigned)self;
	return true;
}

/* As many as this, 0 meaning one a core, but at most max. */
static unsigned thread_cnt(unsigned wanted, unsigned max)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (wanted > 0)
		return wanted;
	return cores < 1 ? 1 : cores > (long)max ? max : (unsigned)cores;
}

static void start_miner(struct node *n)
{
	_Static_assert(CONF_MINING_THREADS_MAX <= MINER_THREADS_MAX, "whatever node.conf asks for");
	if (n->genesis->g.seal.kind != QSEAL_NONE)
		n->miner =
		    miner_new(thread_cnt(n->conf->mining_threads, CONF_MINING_THREADS_MAX), inbox_sealed, n);
}

static bool open_replica(struct node *n, struct err *err)
{
	start_miner(n);
	struct replica_config config = {
	    .genesis = n->genesis,
	    .self = n->self,
	    .signer = {sign, n},
	    .key = &n->key,
	    .ledger_path = n->home.ledger,
	    .votes_path = n->home.votes,
	    .effects = {.ctx = n,
	                .send = effect_send,
	                .sent = effect_sent,
	                .outcome = ask_outcome,
	                .executed = effect_executed,
	                .seen = meter_seen,
	                .committing = meter_committing,
	                .log = log_effect,
	                .seal = n->miner != NULL ? effect_seal : NULL},
	};
	n->replica = replica_open(&config, node_now_ms(), err);
	if (n->replica == NULL)
		return false;
	struct replica_status status;
	replica_status(n->replica, &status);
	n->height = status.height;
	return true;
}

static bool start_link(struct node *n, struct err *err)
{
	const char *address[Q_REPLICAS_MAX];
	for (unsigned i = 0; i < n->genesis->n; i++)
		address[i] = n->conf->peer[i] != NULL ? n->conf->peer[i]
		                                      : n->genesis->g.replicas.replicas_val[i].address;
	struct qhash digest[PARTS_CNT];
	struct link_part parts[PARTS_CNT];
	parts_digest(n->genesis, digest);
	for (unsigned i = 0; i < PARTS_CNT; i++)
		parts[i] = (struct link_part){parts_name[i], digest[i]};
	struct link_config config = {
	    .listen = n->conf->listen,
	    .self = n->self,
	    .n = n->genesis->n,
	    .address = address,
	    .outbox_bytes_max = OUTBOX_BYTES_MAX,
	    .hello = {.versions = {link_versions.lowest, n->conf->protocol},
	              .chain = n->genesis->chain,
	              .program = "quorate " QUORATE_VERSION,
	              .part_cnt = PARTS_CNT,
	              .parts = parts},
	    .sign = sign,
	    .verify = signed_by,
	    .on_frame = inbox_frame,
	    .log = log_effect,
	    .ctx = n,
	};
	struct link *l = link_start(&config, err);
	pthread_mutex_lock(&n->lock); /* frames come in already */
	n->link = l;
	pthread_mutex_unlock(&n->lock);
	return l != NULL;
}

static bool start_http(struct node *n, struct err *err)
{
	struct err late = {0};
	struct http_config config = {
	    .listen = n->conf->http,
	    .body_max = HTTP_BODY_MAX,
	    .nice = HTTP_NICE,
	    .routes = api_routes,
	    .news = api_news,
	    .guard_host = true,
	    .origins = n->conf->cors[0] != NULL ? (const char *const *)n->conf->cors : NULL,
	    .cert = n->conf->http_cert,
	    .key = n->conf->http_key,
	    .per_address = n->conf->http_per_address,
	    .ctx = n,
	};
	n->http = http_start(&config, err);
	if (n->http == NULL)
		return false;
	/* Its votes are worth more than its clients' connections. */
	if (config.cert != NULL && !http_cert_in_force(config.cert, &late))
		log_warn("certificate reason=\"%s\"", late.text);
	return true;
}

static bool start(struct node *n, struct err *err)
{
	n->cache = verify_cache_new(VERIFY_CACHE_MAX);
	n->work = work_start(thread_cnt(n->conf->workers, CONF_WORKERS_MAX), n->genesis->n);
	if (!start_link(n, err))
		return false;
	n->main_thread = pthread_self();
	must(pthread_create(&n->thread, NULL, replica_thread, n) == 0);
	pthread_setname_np(n->thread, "replica");
	n->thread_runs = true;
	guard_start(n);
	return start_http(n, err);
}

/* ---- stopping ------------------------------------------------------------------------------ */

/* In the order in which each part stops being used by the others. */
static void stop(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	ask_stop(n);
	pthread_cond_broadcast(&n->mail);
	pthread_mutex_unlock(&n->lock);
	if (n->thread_runs)
		pthread_join(n->thread, NULL);
	if (n->miner != NULL)
		miner_stop(n->miner);
	if (n->work != NULL)
		work_stop(n->work);
	if (n->http != NULL)
		http_stop(n->http);
	if (n->link != NULL)
		link_stop(n->link);
	guard_stop(n);
	work_free(n->work);
	guard_after(n);
	ask_free(n); /* readers first: the writer, closed last, leaves the ledger whole in its one file */
	if (n->replica != NULL)
		replica_close(n->replica);
	miner_free(n->miner);
}

static void node_free(struct node *n)
{
	inbox_free(n);
	blocks_free(n);
	if (n->cache != NULL)
		verify_cache_free(n->cache);
	ident_free(n->ident);
	genesis_free(n->genesis);
	conf_free(n->conf);
	home_free(&n->home);
	pthread_mutex_destroy(&n->lock);
	pthread_cond_destroy(&n->mail);
	free(n);
}

static struct node *node_new(void)
{
	struct node *n = xcalloc(1, sizeof *n);
	pthread_mutex_init(&n->lock, NULL);
	cond_init(&n->mail);
	fair_init(&n->votes, Q_REPLICAS_MAX, INBOX_ITEMS_MAX, INBOX_BYTES_MAX);
	fair_init(&n->wanted, Q_REPLICAS_MAX, INBOX_ITEMS_MAX, INBOX_BYTES_MAX);
	fair_init(&n->bulk, Q_REPLICAS_MAX, INBOX_ITEMS_MAX, INBOX_BYTES_MAX);
	n->calls_end = &n->calls;
	n->meters.started_ms = clock_ms(CLOCK_REALTIME);
	return n;
}

bool node_run(const char *dir, struct err *err)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (log_file_is_open())
		sigaddset(&ends, SIGHUP); /* else a terminal that is closed ends it, as usual */
	harden();

	struct node *n = node_new();
	bool ok = open_home(n, dir, err);        /* may ask for a passphrase: a signal ends it as usual */
	pthread_sigmask(SIG_BLOCK, &ends, NULL); /* inherited by every thread: only sigwait() takes them */
	signal(SIGHUP, SIG_DFL);                 /* no longer ignored, where cmd_node.c did */
	ok = ok && guard_before(n, err) && open_replica(n, err) && start(n, err);
	if (ok) {
		int number = 0;
		log_info("ready replica=%u name=%s http=%s listen=%s", n->self,
		         n->genesis->g.replicas.replicas_val[n->self].name, n->conf->http, n->conf->listen);
		while (sigwait(&ends, &number) == 0 && number == SIGHUP)
			log_file_reopen();
	}
	stop(n);
	if (n->fatal.kind != ERR_NONE || n->damage.kind != ERR_NONE) {
		ok = false;
		*err = n->damage.kind != ERR_NONE ? n->damage : n->fatal;
	}
	if (ok)
		log_info("stopped");
	node_free(n);
	return ok;
}
