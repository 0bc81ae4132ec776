/*
 * genesis.c: the rules that a chain's constitution keeps, and what follows from it.  Its JSON
 * form is json.c's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto.h"
#include "genesis.h"
#include "hash.h"
#include "ident.h"
#include "ranges.h"

#define MINING_MAX_MS 600000 /* whoever waits longer than that for a faulty proposer has no chain */
#define CYCLE_TURNS 127      /* SCHEDULE_CYCLE of schedule.h: epochs of whole cycles are fair to every turn */

struct qparams genesis_default_params(void)
{
	return (struct qparams){
	    .checkpoint_interval = 64,
	    .window = 16,
	    .block_txs_max = 2000,
	    .block_bytes_max = 1u << 20,
	    .timeout_ms =
	        2000, /* a replica that suspects alone is out until the next view change: better late */
	    .timeout_cap_ms = 64000,
	    .drift_ms = 5000,
	    .pool_source_max = 20000,
	    .pool_owner_max = 4096,
	};
}

struct qparams genesis_new_params(void)
{
	struct qparams p = genesis_default_params();

	p.pool_source_max = 5000; /* docs/PROTOCOL.md, Fairness: more places make nothing faster */
	return p;
}

struct qpow_rules genesis_default_pow(void)
{
	return (struct qpow_rules){.bits = 20, .bits_max = 20, .interval_ms = 0, .hash_rate = 2000000};
}

struct qstake_rules genesis_default_stake(unsigned n)
{
	return (struct qstake_rules){
	    .epoch = 8 * CYCLE_TURNS,
	    .turn = 8,
	    .proposers = n,
	    .unbonding = 4 * 8 * CYCLE_TURNS,
	    .penalty = 50,
	    .delegator_penalty =
	        10, /* at 0 an operator would stake through an address that is not its account */
	};
}

uint64_t genesis_mining_ms(const struct qpow_rules *r)
{
	if (r->bits_max > POW_BITS_MAX || r->hash_rate == 0)
		return UINT64_MAX;
	uint64_t tries = GENESIS_PATIENCE * (UINT64_C(1) << r->bits_max);
	return tries / r->hash_rate * 1000 + (tries % r->hash_rate * 1000 + r->hash_rate - 1) / r->hash_rate;
}

static bool wrong(struct err *err, const char *field, uint64_t is, uint64_t min, uint64_t max)
{
	return err_set(err, ERR_INPUT, "%s: is %" PRIu64 "; must be %" PRIu64 " to %" PRIu64, field, is, min,
	               max);
}

/*
 * The largest message of the protocol is a NEW-VIEW: a quorum of VIEW-CHANGEs, each with a
 * certificate for every height of the window, for the tip and for the stable checkpoint, each of
 * up to n signatures.  Many replicas and a wide window together would not fit in an envelope, and a
 * chain whose NEW-VIEW cannot be sent has no second view.
 */
static uint64_t window_fitting(const struct genesis *g)
{
	static const struct qcert empty;
	const struct qheader header = {.seal.kind = g->g.seal.kind};
	const uint64_t sig = sizeof(uint32_t) + sizeof(struct qsig), rest = 256; /* ids, lengths, one sig */
	uint64_t prepared = wire_size(WIRE(qcert), &empty) + g->n * sig + wire_size(WIRE(qheader), &header);
	uint64_t change = (Q_BODY_MAX - rest) / g->quorum - rest;
	uint64_t heights = change / prepared;
	must(heights >= 2 + WINDOW_MIN);
	return heights - 2 < Q_WINDOW_MAX ? heights - 2 : Q_WINDOW_MAX;
}

struct rule {
	const char *name;
	uint64_t is, min, max;
};

static bool check_rules(const char *object, const struct rule *rules, size_t cnt, struct err *err)
{
	for (size_t i = 0; i < cnt; i++) {
		char field[64];
		snprintf(field, sizeof field, "%s.%s", object, rules[i].name);
		if (rules[i].is < rules[i].min || rules[i].is > rules[i].max)
			return wrong(err, field, rules[i].is, rules[i].min, rules[i].max);
	}
	return true;
}

static bool check_params(const struct genesis *g, struct err *err)
{
	const struct qparams *p = &g->g.params;
	uint64_t window_max = window_fitting(g);
	if (window_max > 2 * (uint64_t)p->checkpoint_interval)
		window_max =
		    2 * (uint64_t)p->checkpoint_interval; /* L: the watermarks stop it there anyway */
	const struct rule rules[] = {
	    {"checkpoint_interval", p->checkpoint_interval, CHECKPOINT_MIN, Q_CHAIN_MAX},
	    {"window", p->window, WINDOW_MIN, window_max},
	    {"block_txs_max", p->block_txs_max, 1, Q_BLOCK_TXS_MAX},
	    {"block_bytes_max", p->block_bytes_max, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX},
	    {"timeout_ms", p->timeout_ms, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS},
	    {"timeout_cap_ms", p->timeout_cap_ms, p->timeout_ms, TIMEOUT_CAP_MAX_MS},
	    {"drift_ms", p->drift_ms, 1, DRIFT_MAX_MS},
	    {"pool_source_max", p->pool_source_max, 1, POOL_MAX},
	    {"pool_owner_max", p->pool_owner_max, 1, POOL_MAX},
	};
	return check_rules("params", rules, sizeof rules / sizeof rules[0], err);
}

/* Difficulty is capped by the time that all would wait for a proposer who mines honestly. */
static bool check_seal(const struct genesis *g, struct err *err)
{
	if (g->g.seal.kind == QSEAL_NONE)
		return true;
	const struct qpow_rules *p = &g->g.seal.qseal_rules_u.pow;
	const struct rule rules[] = {
	    {"bits", p->bits, 1, POW_BITS_MAX},
	    {"bits_max", p->bits_max, p->bits, p->interval_ms > 0 ? POW_BITS_MAX : p->bits},
	    {"interval_ms", p->interval_ms, 0, POW_INTERVAL_MAX_MS},
	    {"hash_rate", p->hash_rate, 1, UINT32_MAX},
	};
	if (!check_rules("seal", rules, sizeof rules / sizeof rules[0], err))
		return false;
	uint64_t ms = genesis_mining_ms(p);
	if (ms > MINING_MAX_MS)
		return err_set(
		    err, ERR_INPUT,
		    "seal.bits_max: %u bits at seal.hash_rate %u take up to %" PRIu64
		    " ms; must be at most %d ms: ask for fewer bits, or promise a higher hash rate",
		    p->bits_max, p->hash_rate, ms, MINING_MAX_MS);
	return true;
}

static bool check_proposer(const struct genesis *g, struct err *err)
{
	if (g->g.proposer.kind == QPROPOSER_PRIMARY)
		return true;
	const struct qstake_rules *p = &g->g.proposer.qproposer_rules_u.stake;
	/* Every replica that may judge a proposal has executed the height that decided on its proposer. */
	uint64_t epoch_min = 2 * (uint64_t)g->g.params.checkpoint_interval;
	if (epoch_min < 3 * (uint64_t)g->g.params.window)
		epoch_min = 3 * (uint64_t)g->g.params.window;
	const struct rule rules[] = {
	    {"epoch", p->epoch, epoch_min, EPOCH_MAX},
	    {"turn", p->turn, 1, p->epoch},
	    {"proposers", p->proposers, g->f + 1, g->n},
	    {"unbonding", p->unbonding, UNBONDING_EPOCHS * (uint64_t)p->epoch, UINT32_MAX},
	    {"penalty", p->penalty, 0, 100},
	    {"delegator_penalty", p->delegator_penalty, 0, 100},
	};
	if (!check_rules("proposer", rules, sizeof rules / sizeof rules[0], err))
		return false;
	if (p->epoch % p->turn != 0)
		return err_set(err, ERR_INPUT, "proposer.turn: is %u; must divide proposer.epoch, %u",
		               p->turn, p->epoch);
	return true;
}

/* Names stand in logs, file names and errors: plain text without surprises. */
static bool is_plain(const char *text, const char *also)
{
	size_t len = strlen(text);
	if (len == 0 || len > Q_NAME_MAX || text[0] == ' ' || text[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!alnum && strchr(also, c) == NULL)
			return false;
	}
	return true;
}

static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	return text[len] == '\0' && len >= 1 && len <= 5 && text[0] != '0' &&
	       strtoul(text, NULL, 10) <= 65535;
}

/* tcp://host:port, or tls+tcp://; host is a name, an IPv4 address or [an IPv6 address].  What
 * link_url_check() would refuse must not get into a genesis: no replica of that chain could start. */
static bool is_url(const char *url)
{
	static const char scheme[] = "tcp://", tls[] = "tls+";
	const char *plain = strncmp(url, tls, sizeof tls - 1) == 0 ? url + sizeof tls - 1 : url;
	if (strncmp(plain, scheme, sizeof scheme - 1) != 0 || strlen(url) > Q_ADDRESS_MAX)
		return false;
	const char *host = plain + sizeof scheme - 1;
	size_t len;
	if (host[0] == '[') {
		len = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
		if (len < 3 || host[len] != ']')
			return false;
		len++;
	} else {
		len = strspn(host, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_");
		if (len == 0)
			return false;
	}
	return host[len] == ':' && is_port(host + len + 1);
}

bool genesis_names_replica(const char *name)
{
	return is_plain(name, "._-");
}

static bool check_replica(const struct qgenesis *g, unsigned i, struct err *err)
{
	const struct qreplica *r = &g->replicas.replicas_val[i];
	if (r->name == NULL || !genesis_names_replica(r->name))
		return err_set(err, ERR_INPUT, "replicas[%u].name: must be 1 to %d of A-Z a-z 0-9 . _ -", i,
		               Q_NAME_MAX);
	if (!ident_key_valid(&r->key))
		return err_set(err, ERR_INPUT, "replicas[%u].key: is not an Ed25519 public key", i);
	if (r->address == NULL || !is_url(r->address))
		return err_set(err, ERR_INPUT,
		               "replicas[%u].address: must be tcp://HOST:PORT or tls+tcp://HOST:PORT, with a "
		               "port from 1 to 65535",
		               i);
	bool by_stake = g->proposer.kind == QPROPOSER_STAKE;
	if (r->account.account_len != (by_stake ? 1 : 0))
		return err_set(err, ERR_INPUT,
		               by_stake ? "replicas[%u].account: is missing; proposers are by stake"
		                        : "replicas[%u].account: has no meaning; proposers are not by stake",
		               i);
	for (unsigned j = 0; j < i; j++) {
		const struct qreplica *other = &g->replicas.replicas_val[j];
		if (by_stake && memcmp(r->account.account_val, other->account.account_val,
		                       sizeof *r->account.account_val) == 0)
			return err_set(err, ERR_INPUT, "replicas[%u].account: is that of replicas[%u], too",
			               i, j);
		if (strcmp(r->name, other->name) == 0)
			return err_set(err, ERR_INPUT, "replicas[%u].name: is that of replicas[%u], too", i,
			               j);
		if (memcmp(&r->key, &other->key, sizeof r->key) == 0)
			return err_set(err, ERR_INPUT, "replicas[%u].key: is that of replicas[%u], too", i,
			               j);
	}
	return true;
}

static bool check_allocations(struct genesis *g, struct err *err)
{
	unsigned cnt = g->g.allocations.allocations_len;
	if (cnt < 1 || cnt > Q_ALLOCS_MAX)
		return err_set(err, ERR_INPUT, "allocations: are %u; must be 1 to %d", cnt, Q_ALLOCS_MAX);
	g->supply = 0;
	for (unsigned i = 0; i < cnt; i++) {
		uint64_t amount = g->g.allocations.allocations_val[i].amount;
		if (amount < 1 || amount > INT64_MAX)
			return err_set(err, ERR_INPUT,
			               "allocations[%u].amount: is %" PRIu64 "; must be 1 to %" PRId64, i,
			               amount, INT64_MAX);
		if (amount > INT64_MAX - g->supply)
			return err_set(err, ERR_INPUT,
			               "allocations[%u].amount: the sum so far exceeds %" PRId64, i,
			               INT64_MAX);
		g->supply += amount;
		const struct qlock *lock = &g->g.allocations.allocations_val[i].lock;
		if (lock->kind == QLOCK_NONE)
			continue;
		if (g->g.proposer.kind != QPROPOSER_STAKE)
			return err_set(err, ERR_INPUT,
			               "allocations[%u].stake: has no meaning; proposers are not by stake",
			               i);
		if (lock->kind != QLOCK_STAKE)
			return err_set(err, ERR_INPUT,
			               "allocations[%u]: is released or frozen; must be free or stake", i);
		if (lock->qlock_u.replica >= g->n)
			return err_set(err, ERR_INPUT, "allocations[%u].stake: replica %u; must be 0 to %u",
			               i, lock->qlock_u.replica, g->n - 1);
	}
	return true;
}

static bool check(struct genesis *g, struct err *err)
{
	if (g->g.format != GENESIS_FIRST && g->g.format != GENESIS_SUCCESSOR)
		return wrong(err, "quorate-genesis", g->g.format, GENESIS_FIRST, GENESIS_SUCCESSOR);
	if (genesis_parent(g) != NULL && g->parent.height.n > INT64_MAX)
		return wrong(err, "parent.height", g->parent.height.n, 0, INT64_MAX);
	if (g->g.name == NULL || !is_plain(g->g.name, "._- "))
		return err_set(err, ERR_INPUT, "name: must be 1 to %d of A-Z a-z 0-9 . _ - and inner spaces",
		               Q_NAME_MAX);
	if (g->g.time_ms > TIME_MAX_MS)
		return wrong(err, "time_ms", g->g.time_ms, 0, TIME_MAX_MS);
	if (g->n != 1 && (g->n < 4 || g->n > Q_REPLICAS_MAX))
		return err_set(err, ERR_INPUT, "replicas: are %u; must be 4 to %d, or 1 for development",
		               g->n, Q_REPLICAS_MAX);
	for (unsigned i = 0; i < g->n; i++)
		if (!check_replica(&g->g, i, err))
			return false;
	return check_params(g, err) && check_seal(g, err) && check_proposer(g, err) &&
	       check_allocations(g, err);
}

/* A successor has a tag of its own: its encoding begins as its genesis' does. */
static void hash_chain_id(struct genesis *g)
{
	struct qsuccessor successor = {g->g, g->parent};
	struct bytes encoded;
	if (genesis_parent(g) == NULL) {
		must(wire_encode(WIRE(qgenesis), &g->g, &encoded));
		hash_bytes("quorate/genesis/v1", encoded.data, encoded.len, g->chain.b);
	} else {
		must(wire_encode(WIRE(qsuccessor), &successor, &encoded));
		hash_bytes("quorate/successor/v1", encoded.data, encoded.len, g->chain.b);
	}
	bytes_free(&encoded);
}

bool genesis_finish(struct genesis *g, struct err *err)
{
	if (!crypto_init(err))
		return false;
	g->n = g->g.replicas.replicas_len;
	g->f = g->n > 0 ? (g->n - 1) / 3 : 0;
	g->quorum = (g->n + g->f + 2) / 2; /* ceil((n + f + 1) / 2) */
	if (!check(g, err))
		return false;
	uint64_t mining_ms =
	    g->g.seal.kind == QSEAL_POW ? genesis_mining_ms(&g->g.seal.qseal_rules_u.pow) : 0;
	g->timeout_ms = g->g.params.timeout_ms + mining_ms;
	g->timeout_cap_ms = g->g.params.timeout_cap_ms + mining_ms;
	hash_chain_id(g);
	hash_bytes("quorate/genesis-tx/v1", g->chain.b, sizeof g->chain.b, g->txid.b);
	return true;
}

void genesis_free(struct genesis *g)
{
	if (g == NULL)
		return;
	wire_free(WIRE(qgenesis), &g->g);
	free(g);
}

int genesis_replica_of(const struct genesis *g, const struct qreplica_key *key)
{
	for (unsigned i = 0; i < g->n; i++)
		if (memcmp(&g->g.replicas.replicas_val[i].key, key, sizeof *key) == 0)
			return (int)i;
	return -1;
}
