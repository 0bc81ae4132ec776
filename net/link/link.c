/*
 * link.c: links to the other replicas: a peer.c for each (sending), one pipes.c (receiving), and a thread
 * that looks after time-outs. See outbox.c for coalescing and conn.c for nng.
 */
#include "link.h"

#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "peer.h"
#include "pipes.h"

#define CHECK_MS 500 /* how exact time-outs are */

struct link {
	unsigned self, n;
	struct peer_common common;
	struct pipes *pipes;
	pthread_t checker;
	pthread_mutex_t mutex; /* covers stopping */
	pthread_cond_t cond;
	bool stopping;
	uint64_t renewed_ms; /* the TLS certificate, by the wall clock; 0: there is none */
	uint64_t renewed_at; /* the same moment, by the monotonic clock */
	unsigned peers;      /* started */
	bool checking;
	struct peer peer[];
};

static bool port_check(const char *port, long min)
{
	char *end;
	long n = strtol(port, &end, 10);

	return *port >= '0' && *port <= '9' && *end == '\0' && n >= min && n <= 65535;
}

/* Only what conn.c is written for: a URL such as ws:// would bring in nng's HTTP server. */
bool link_url_check(const char *url, bool listening, struct err *err)
{
	static const char *const schemes[] = {"tcp",     "tcp4",     "tcp6",    "ipc",
	                                      "tls+tcp", "tls+tcp4", "tls+tcp6"};
	nng_url *u;
	bool good = false;

	if (nng_url_parse(&u, url) == 0) {
		bool ipc = strcmp(u->u_scheme, "ipc") == 0;
		for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
			good = good || strcmp(u->u_scheme, schemes[i]) == 0;
		if (ipc)
			good = good && *u->u_path != '\0';
		else
			good = good && *u->u_path == '\0' && (listening || *u->u_hostname != '\0') &&
			       port_check(u->u_port, listening ? 0 : 1);
		nng_url_free(u);
	}
	return good || err_set(err, ERR_INPUT,
	                       "\"%.200s\" is no address of a replica: write tcp://HOST:PORT, "
	                       "tls+tcp://HOST:PORT or ipc:///PATH, with a port from %d to 65535",
	                       url, listening ? 0 : 1);
}

/* ---- TLS ------------------------------------------------------------------------- */

bool link_renew(struct link *l, struct err *err)
{
	uint64_t now = clock_ms(CLOCK_REALTIME);
	struct tls_own *own = tls_own_new(&l->common.config, now, err);

	if (own == NULL)
		return false;
	hello_introduce(l->common.hello, tls_introduction(own));
	pipes_show(l->pipes, own);
	pthread_mutex_lock(&l->mutex);
	l->renewed_ms = now;
	l->renewed_at = conn_now_ms();
	pthread_mutex_unlock(&l->mutex);
	return true;
}

/* With the mutex held: is it old, or was the clock wrong that it was made by?  If it was ahead, LK5 has the
 * peers refuse it; if it was behind, LK6 may. */
static bool is_due(const struct link *l, uint64_t now)
{
	uint64_t expected = l->renewed_ms + (conn_now_ms() - l->renewed_at);

	return now > l->renewed_ms + TLS_RENEW_MS || now + TLS_AHEAD_MS < l->renewed_ms ||
	       now > expected + TLS_LEAP_MS;
}

static void renew_if_old(struct link *l)
{
	uint64_t now = clock_ms(CLOCK_REALTIME);
	struct err err;

	pthread_mutex_lock(&l->mutex);
	bool old = l->renewed_ms > 0 && is_due(l, now);
	pthread_mutex_unlock(&l->mutex);
	if (old && !link_renew(l, &err) && l->common.config.log != NULL)
		l->common.config.log(l->common.config.ctx, "error", "certificate_not_renewed why=%s",
		                     err.text);
}

/* ---- time-outs ------------------------------------------------------------------- */

static void *checker_run(void *arg)
{
	struct link *l = arg;

	pthread_mutex_lock(&l->mutex);
	while (!l->stopping) {
		cond_wait_until(&l->cond, &l->mutex, conn_now_ms() + CHECK_MS);
		pthread_mutex_unlock(&l->mutex);
		uint64_t now = conn_now_ms();
		pipes_check(l->pipes, now);
		renew_if_old(l);
		for (unsigned i = 0; i < l->n; i++)
			if (i != l->self)
				peer_check(&l->peer[i], now);
		pthread_mutex_lock(&l->mutex);
	}
	pthread_mutex_unlock(&l->mutex);
	return NULL;
}

static bool tls_check(const struct link_config *config, struct err *err)
{
	bool tls = tls_url(config->listen);

	for (unsigned i = 0; i < config->n; i++)
		tls = tls || (i != config->self && tls_url(config->address[i]));
	must(!tls || (config->sign != NULL && config->verify != NULL));
	return !tls || strcmp(nng_tls_engine_name(), "none") != 0 ||
	       err_set(err, ERR_INPUT, "tls+tcp://: this system's libnng was built without TLS");
}

static bool addresses_check(const struct link_config *config, struct err *err)
{
	if (!link_url_check(config->listen, true, err))
		return err_prefix(err, "own address");
	for (unsigned i = 0; i < config->n; i++)
		if (i != config->self && !link_url_check(config->address[i], false, err))
			return err_prefix(err, "address of replica %u", i);
	return tls_check(config, err);
}

/* The pipes come last: with them, on_frame() may be called. */
static bool start_threads(struct link *l, const struct link_config *config)
{
	for (; l->peers < l->n; l->peers++) {
		unsigned i = l->peers;
		if (i != l->self && !peer_start(&l->peer[i], i, config->address[i], &l->common))
			return false;
	}
	l->checking = thread_start(&l->checker, "link-check", checker_run, l);
	return l->checking && pipes_run(l->pipes);
}

static void link_free(struct link *l)
{
	hello_free(l->common.hello);
	pthread_cond_destroy(&l->cond);
	pthread_mutex_destroy(&l->mutex);
	free(l);
}

struct link *link_start(const struct link_config *config, struct err *err)
{
	must(config->n > 0 && config->self < config->n && config->on_frame != NULL);
	if (!addresses_check(config, err))
		return NULL;

	struct link *l = xcalloc(1, sizeof(*l) + config->n * sizeof(l->peer[0]));

	l->self = config->self;
	l->n = config->n;
	must(pthread_mutex_init(&l->mutex, NULL) == 0);
	cond_init(&l->cond);
	l->common = (struct peer_common){.hello = hello_new(config), .config = *config};
	l->common.config.listen = NULL;
	l->common.config.address = NULL;
	l->pipes = pipes_open(config, l->common.hello, 4 * config->n + 16, err);
	if (l->pipes == NULL) {
		link_free(l);
		return NULL;
	}
	if (tls_url(config->listen) && !link_renew(l, err)) {
		link_stop(l);
		return NULL;
	}
	if (!start_threads(l, config)) {
		link_stop(l);
		err_set(err, ERR_WORLD, "cannot start the threads that talk to the peers");
		return NULL;
	}
	return l;
}

void link_stop(struct link *l)
{
	pthread_mutex_lock(&l->mutex);
	l->stopping = true;
	pthread_cond_signal(&l->cond);
	pthread_mutex_unlock(&l->mutex);
	if (l->checking)
		pthread_join(l->checker, NULL);
	for (unsigned i = 0; i < l->peers; i++)
		if (i != l->self)
			peer_stop(&l->peer[i]);
	for (unsigned i = 0; i < l->peers; i++)
		if (i != l->self)
			peer_join(&l->peer[i]);
	pipes_stop(l->pipes);
	link_free(l);
}

unsigned link_port(const struct link *l)
{
	return pipes_port(l->pipes);
}

void link_send(struct link *l, uint64_t to, const struct qenvelope *env)
{
	struct posting *posting = posting_new(env);

	for (unsigned i = 0; i < l->n; i++) {
		if (i != l->self && to >> i & 1)
			peer_send(&l->peer[i], posting);
	}
	posting_unref(posting);
}

void link_flush(struct link *l)
{
	for (unsigned i = 0; i < l->n; i++)
		if (i != l->self)
			peer_flush(&l->peer[i]);
}

void link_slow(struct link *l, uint32_t pipe)
{
	pipes_slow(l->pipes, pipe);
}

void link_reject(struct link *l, uint32_t pipe)
{
	pipes_reject(l->pipes, pipe);
}

void link_proven(struct link *l, uint32_t pipe, unsigned peer)
{
	must(peer < l->n);
	pipes_proven(l->pipes, pipe, peer);
}

void link_stats(struct link *l, unsigned peer, struct link_stats *out)
{
	must(peer < l->n);
	*out = (struct link_stats){0};
	if (peer != l->self)
		peer_stats(&l->peer[peer], out);
}

const char *link_trouble_name(enum link_trouble trouble)
{
	static const char *const names[LINK_TROUBLE_CNT] = {
	    [LINK_UNREACHABLE] = "unreachable",     [LINK_NO_REPLICA] = "no_replica",
	    [LINK_OTHER_CHAIN] = "other_chain",     [LINK_OTHER_PROTOCOL] = "other_protocol",
	    [LINK_OTHER_REPLICA] = "other_replica", [LINK_CERTIFICATE] = "certificate",
	};

	return names[trouble];
}

const char *link_address(const struct link *l, unsigned peer)
{
	must(peer < l->n);
	return l->peer[peer].url; /* NULL of oneself */
}

uint64_t link_rejected(struct link *l)
{
	return pipes_rejected(l->pipes);
}
