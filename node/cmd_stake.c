/*
 * cmd_stake.c: `quorate stake bond|delegate|unbond|show`: value locked for a replica, on chains whose
 * proposers are chosen by stake. `stake convict` is cmd_convict.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cmd_stake.h"
#include "out.h"
#include "pass.h"
#include "schedule.h"
#include "text.h"

bool stake_chain(const struct genesis *g, struct err *err)
{
	return stake_rules(g) != NULL ||
	       err_set(err, ERR_INPUT,
	               "this chain knows no stake: its genesis lets the primary propose (\"proposer\")");
}

bool stake_open(struct settle *s, const struct settle_args *args, struct err *err)
{
	if (!settle_open(s, args, err))
		return false;
	return s->genesis == NULL ? err_set(err, ERR_INPUT,
	                                    "what stake means a chain's genesis tells, and none is at hand; "
	                                    "give --genesis FILE")
	                          : stake_chain(s->genesis, err);
}

struct qaddress stake_address(const struct account *a)
{
	struct qaccount_key key = account_key(a);
	return account_address(&key);
}

static const struct qreplica *replica_of(const struct genesis *g, unsigned index)
{
	return &g->g.replicas.replicas_val[index];
}

/* Is this account's stake the replica's own?  Else it is delegated. */
static bool is_own(const struct genesis *g, unsigned replica, const struct qaddress *owner)
{
	return memcmp(replica_of(g, replica)->account.account_val->b, owner->b, sizeof owner->b) == 0;
}

/* ---- bond, delegate, unbond ------------------------------------------------------ */

struct move_args {
	struct settle_args settle;
	const char *key, *replica, *amount;
};

/* What is moved. */
struct move {
	const struct move_args *args;
	struct settle settle;
	struct account *account;
	struct qaddress owner;
	unsigned replica;
	uint64_t amount; /* UINT64_MAX: all */
	uint64_t frozen; /* the penalty that it leaves behind */
};

enum { KEY_REPLICA = 0x200 };

static error_t parse_move(int key, char *arg, struct argp_state *state)
{
	struct move_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'k':
		args->key = arg;
		return 0;
	case KEY_REPLICA:
		args->replica = arg;
		return 0;
	case 'a':
		args->amount = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	case ARGP_KEY_END:
		if (args->key == NULL || args->replica == NULL || args->amount == NULL)
			argp_error(state, "--key, --replica and --amount are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child move_children[] = {{.argp = &settle_argp}, {0}};

#define OPTION_REPLICA                                                                      \
	{                                                                                   \
		"replica", KEY_REPLICA, "N", 0, "Which replica: its number, or its name", 1 \
	}

/* Everything that can be judged before a node is asked; then the chain. */
static bool move_begin(struct move *m, bool may_be_all, struct err *err)
{
	const struct move_args *args = m->args;
	bool all = may_be_all && strcmp(args->amount, "all") == 0;
	m->amount = UINT64_MAX;
	if ((!all && !text_amount(args->amount, "--amount", &m->amount, err)) ||
	    !stake_open(&m->settle, &args->settle, err))
		return false;
	if (!wallet_replica(m->settle.genesis, args->replica, &m->replica, err))
		return err_prefix(err, "--replica");
	m->account = pass_read_account(args->key, err);
	if (m->account == NULL)
		return false;
	m->owner = stake_address(m->account);
	return settle_begin(&m->settle, err);
}

static struct qoutput locked(const struct move *m, qlock_kind kind, uint64_t amount)
{
	return (struct qoutput){
	    .owner = m->owner, .amount = amount, .lock = {.kind = kind, .qlock_u.replica = m->replica}};
}

static bool move_make(struct move *m, const struct coin *coins, size_t cnt, const struct qoutput *out,
                      const struct qoutput *change, struct err *err)
{
	struct draft draft;
	return draft_make(&draft, &m->settle.view.chain, coins, cnt, out, 1, change, "", m->settle.expiry,
	                  err) &&
	       settle_sign_take(&m->settle, &draft, m->account, err);
}

static bool bond_make(struct move *m, struct err *err)
{
	struct coin *coins;
	size_t cnt;
	if (!wallet_select(m->settle.client, &m->owner, &m->settle.view, m->amount, &coins, &cnt, err))
		return false;
	struct qoutput stake = locked(m, QLOCK_STAKE, m->amount), change = {.owner = m->owner};
	bool ok = move_make(m, coins, cnt, &stake, &change, err);
	free(coins);
	return ok;
}

/* What is released, of stake that is worth `m->amount` beside its penalties; the rest stays stake. */
static bool unbond_make(struct move *m, struct err *err)
{
	struct coin *coins;
	size_t cnt;
	uint64_t sum = 0;
	if (!wallet_select_stake(m->settle.client, &m->owner, m->replica, m->amount, &coins, &cnt, err))
		return false;
	for (size_t i = 0; i < cnt; i++) {
		sum += coins[i].amount - coins[i].penalty; /* draft_make() finds what is too much */
		m->frozen += coins[i].penalty;
	}
	if (m->amount == UINT64_MAX)
		m->amount = sum;
	struct qoutput release = locked(m, QLOCK_RELEASE, m->amount), rest = locked(m, QLOCK_STAKE, 0);
	bool ok = move_make(m, coins, cnt, &release, &rest, err);
	free(coins);
	return ok;
}

/* The first epoch that a stake table after `height` decides on begins here. */
static uint64_t counts_from(const struct genesis *g, uint64_t height)
{
	uint64_t epoch = stake_rules(g)->epoch;
	return (height + epoch - 1) / epoch * epoch + epoch + 1;
}

/* Names of fields are those of `stake show`. */
static json_t *move_more(const struct move *m, enum outcome o, const char *what)
{
	const struct settle *s = &m->settle;
	json_t *more =
	    json_pack("{s:s, s:i, s:s, s:o}", "did", what, "replica", (int)m->replica, "name",
	              replica_of(s->genesis, m->replica)->name, "amount", jread_amount_json(m->amount));
	if (m->frozen > 0)
		json_object_set_new(more, "frozen", jread_amount_json(m->frozen));
	return o == COMMITTED || o == SUBMITTED || o == UNKNOWN ? more : (json_decref(more), NULL);
}

static void set_height(json_t *object, const char *key, uint64_t height)
{
	json_object_set_new(object, key, json_integer((json_int_t)height));
}

static int move_settle(struct move *m, const char *what, bool releases)
{
	struct settle *s = &m->settle;
	enum outcome o = settle_wait(s);
	json_t *more = move_more(m, o, what);
	if (o == COMMITTED && !releases)
		set_height(more, "counts_from", counts_from(s->genesis, s->f.fate.height));
	if (o == COMMITTED && releases) {
		set_height(more, "counts_until", counts_from(s->genesis, s->f.fate.height) - 1);
		set_height(more, "free_at", s->f.fate.height + stake_rules(s->genesis)->unbonding);
	}
	stake_say(s, o, more);
	return settle_end(s, o);
}

void stake_say(const struct settle *s, enum outcome o, json_t *more)
{
	if (s->args->common.json) {
		json_t *json = settle_json(s, o);
		if (more != NULL)
			json_object_update(json, more);
		out_json_take(json);
	} else {
		settle_print(s, o, more);
	}
	json_decref(more);
}

static int move_end(struct move *m, int code)
{
	account_free(m->account);
	settle_free(&m->settle);
	return code;
}

static int bond(const struct argp *argp, int argc, char **argv)
{
	struct move_args args = {.settle.timeout_s = SETTLE_TIMEOUT_S};
	cmd_parse(argp, argc, argv, &args);
	struct move m = {.args = &args};
	struct err err = {0};
	if (!move_begin(&m, false, &err) || !bond_make(&m, &err))
		return move_end(&m, cmd_fail(&err));
	bool own = is_own(m.settle.genesis, m.replica, &m.owner);
	return move_end(&m, move_settle(&m, own ? "bonded" : "delegated", false));
}

static const struct argp_option bond_options[] = {
    {"key", 'k', "FILE", 0, "The key file of whose value it is", 1},
    OPTION_REPLICA,
    {"amount", 'a', "N", 0, "How much", 1},
    {0},
};

static int stake_bond(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = bond_options,
	    .parser = parse_move,
	    .doc =
	        "Stakes value for a replica: its own stake, if the key is that of the replica's account in "
	        "the genesis, else a delegation. It stays its owner's and counts once a whole epoch has "
	        "passed (counts from). `stake unbond` releases it.",
	    .children = move_children,
	};
	return bond(&argp, argc, argv);
}

static int stake_delegate(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = bond_options,
	    .parser = parse_move,
	    .doc = "Stakes value for another's replica. It stays its owner's; of a convicted replica's "
	           "delegations the chain's delegator_penalty is lost. The same as `stake bond`, which says "
	           "what it was.",
	    .children = move_children,
	};
	return bond(&argp, argc, argv);
}

static int stake_unbond(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"key", 'k', "FILE", 0, "The key file of whose stake it is", 1},
	    OPTION_REPLICA,
	    {"amount", 'a', "N|all", 0, "How much is to be free; what is left stays staked", 1},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_move,
	    .doc = "Releases stake. It stops counting with the next stake table, and is free to spend "
	           "`unbonding` heights later (free at). If the replica was convicted while this was staked, "
	           "the penalty is frozen for ever.",
	    .children = move_children,
	};
	struct move_args args = {.settle.timeout_s = SETTLE_TIMEOUT_S};
	cmd_parse(&argp, argc, argv, &args);
	struct move m = {.args = &args};
	struct err err = {0};
	if (!move_begin(&m, true, &err) || !unbond_make(&m, &err))
		return move_end(&m, cmd_fail(&err));
	return move_end(&m, move_settle(&m, "released", true));
}

/* ---- show ---------------------------------------------------------------------------- */

struct show_args {
	struct cmd_common common;
	const char *address;
};

enum { KEY_ADDRESS = 0x200 };

static error_t parse_show(int key, char *arg, struct argp_state *state)
{
	struct show_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_ADDRESS:
		args->address = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static double percent(unsigned turns)
{
	return 100.0 * turns / SCHEDULE_CYCLE;
}

static void print_stakes(const struct client_stakes *s)
{
	static const char *const head[] = {"replica", "name",  "own",        "delegated",
	                                   "turns",   "share", "next epoch", "convicted"};
	out_field(8, "height", "%llu", (unsigned long long)s->height);
	putchar('\n');
	struct out_table *t = out_table_new(sizeof head / sizeof *head, head);
	for (unsigned i = 0; i < s->n; i++) {
		out_table_cell(t, "%u", i);
		out_table_cell(t, "%s", s->replica[i].name);
		out_table_cell(t, "%llu", (unsigned long long)s->replica[i].own);
		out_table_cell(t, "%llu", (unsigned long long)s->replica[i].delegated);
		out_table_cell(t, "%u of %d", s->replica[i].turns, SCHEDULE_CYCLE);
		out_table_cell(t, "%.1f %%", percent(s->replica[i].turns));
		out_table_cell(t, "%.1f %%", percent(s->replica[i].turns_next));
		if (s->replica[i].convicted > 0)
			out_table_cell(t, "at %llu", (unsigned long long)s->replica[i].convicted);
		else
			out_table_cell(t, "%s", "");
	}
	out_table_end(t);
}

static json_t *stakes_json(const struct client_stakes *s)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < s->n; i++)
		json_array_append_new(
		    list, json_pack("{s:i, s:s, s:o, s:o, s:f, s:i, s:i, s:I}", "index", (int)i, "name",
		                    s->replica[i].name, "own", jread_amount_json(s->replica[i].own),
		                    "delegated", jread_amount_json(s->replica[i].delegated), "share",
		                    (double)s->replica[i].turns / SCHEDULE_CYCLE, "turns",
		                    (int)s->replica[i].turns, "turns_next", (int)s->replica[i].turns_next,
		                    "convicted", (json_int_t)s->replica[i].convicted));
	return json_pack("{s:I, s:i, s:o}", "height", (json_int_t)s->height, "cycle", SCHEDULE_CYCLE,
	                 "replicas", list);
}

/* ---- of one owner ---- */

struct holdings {
	const struct genesis *genesis;
	struct qaddress owner;
	struct coin *coins; /* its locked ones */
	size_t cnt;
};

static void keep_locked(struct holdings *h)
{
	size_t kept = 0;
	for (size_t i = 0; i < h->cnt; i++) {
		if (h->coins[i].lock.kind != QLOCK_NONE)
			h->coins[kept++] = h->coins[i];
	}
	h->cnt = kept;
}

static void print_holdings(const struct holdings *h)
{
	static const char *const head[] = {"replica", "name",    "kind",    "amount",
	                                   "height",  "free at", "penalty", "txid"};
	char address[ADDRESS_TEXT], id[QHASH_HEX];
	out_field(8, "address", "%s", address_format(&h->owner, address));
	putchar('\n');
	struct out_table *t = out_table_new(sizeof head / sizeof *head, head);
	for (size_t i = 0; i < h->cnt; i++) {
		const struct coin *c = &h->coins[i];
		unsigned replica = c->lock.qlock_u.replica;
		bool stake = c->lock.kind == QLOCK_STAKE, own = is_own(h->genesis, replica, &h->owner);
		out_table_cell(t, "%u", replica);
		out_table_cell(t, "%s", replica_of(h->genesis, replica)->name);
		out_table_cell(t, "%s", !stake ? lock_name(c->lock.kind) : own ? "own stake" : "delegated");
		out_table_cell(t, "%llu", (unsigned long long)c->amount);
		out_table_cell(t, "%llu", (unsigned long long)c->height);
		if (c->free_at == UINT64_MAX)
			out_table_cell(t, "%s", stake ? "unbond it" : "never");
		else
			out_table_cell(t, "%llu", (unsigned long long)c->free_at);
		out_table_cell(t, "%llu", (unsigned long long)c->penalty);
		out_table_cell(t, "%s:%u", hex_encode(id, c->point.tx.b, sizeof c->point.tx.b),
		               c->point.index);
	}
	out_table_end(t);
}

static json_t *holdings_json(const struct holdings *h)
{
	char address[ADDRESS_TEXT], id[QHASH_HEX];
	json_t *list = json_array();
	for (size_t i = 0; i < h->cnt; i++) {
		const struct coin *c = &h->coins[i];
		unsigned replica = c->lock.qlock_u.replica;
		json_t *json = json_pack(
		    "{s:s, s:i, s:s, s:b, s:o, s:I, s:o, s:s, s:I}", "lock", lock_name(c->lock.kind),
		    "replica", (int)replica, "name", replica_of(h->genesis, replica)->name, "own",
		    is_own(h->genesis, replica, &h->owner), "amount", jread_amount_json(c->amount), "height",
		    (json_int_t)c->height, "penalty", jread_amount_json(c->penalty), "txid",
		    hex_encode(id, c->point.tx.b, sizeof c->point.tx.b), "index", (json_int_t)c->point.index);
		if (c->free_at != UINT64_MAX)
			set_height(json, "free_at", c->free_at);
		json_array_append_new(list, json);
	}
	return json_pack("{s:s, s:o}", "address", address_format(&h->owner, address), "locked", list);
}

/* A node may name a replica that there is not. */
static bool known_replicas(const struct holdings *h, struct err *err)
{
	for (size_t i = 0; i < h->cnt; i++) {
		if (h->coins[i].lock.qlock_u.replica >= h->genesis->n)
			return err_set(err, ERR_WORLD,
			               "a node tells of stake for replica %u, but there are %u",
			               h->coins[i].lock.qlock_u.replica, h->genesis->n);
	}
	return true;
}

static bool show_owner(struct client *c, const struct genesis *g, const struct show_args *args,
                       struct err *err)
{
	struct holdings h = {.genesis = g};
	if (!access_address(args->address, "--address", &h.owner, err) ||
	    !wallet_all(c, &h.owner, &h.coins, &h.cnt, err))
		return false;
	keep_locked(&h);
	bool ok = known_replicas(&h, err);
	if (ok && args->common.json)
		out_json_take(holdings_json(&h));
	else if (ok)
		print_holdings(&h);
	free(h.coins);
	return ok;
}

/* Of an owner: the genesis says which stake is a replica's own. */
static bool show_with(struct client *c, const struct show_args *args, struct genesis **genesis,
                      struct err *err)
{
	struct client_stakes stakes;
	const char *path = access_genesis_path(&args->common);
	if (args->address == NULL) {
		if (!client_stakes(c, &stakes, err))
			return false;
		if (args->common.json)
			out_json_take(stakes_json(&stakes));
		else
			print_stakes(&stakes);
		return true;
	}
	if (path == NULL)
		return err_set(err, ERR_INPUT, "--address needs the chain's genesis; give --genesis FILE");
	*genesis = genesis_load(path, err);
	return *genesis != NULL && stake_chain(*genesis, err) && show_owner(c, *genesis, args, err);
}

static int stake_show(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"address", KEY_ADDRESS, "ADDRESS", 0,
	     "What this address (or a key file's) has staked, released and lost", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_show,
	    .doc =
	        "Shows what stands behind each replica: its own stake and what others delegated, the turns "
	        "that it has to propose in this epoch and in the next, and when it was convicted.",
	    .children = children,
	};
	struct show_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct genesis *genesis = NULL;
	struct client *c = access_client(&args.common, &err);
	bool ok = c != NULL && show_with(c, &args, &genesis, &err);
	client_free(c);
	genesis_free(genesis);
	return ok ? EXIT_DONE : cmd_fail(&err);
}

int cmd_stake(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"bond", stake_bond, "stake value for a replica: its own, or delegated"},
	    {"delegate", stake_delegate, "the same, for another's replica"},
	    {"unbond", stake_unbond, "release stake; it is free some time later"},
	    {"withdraw", stake_unbond, "another name of unbond"},
	    {"show", stake_show, "what stands behind each replica, or what an address has staked"},
	    {"convict", cmd_stake_convict, "prove that a replica signed two contradicting votes"},
	    {NULL, NULL, NULL},
	};
	static const char text[] = "quorate stake: value behind replicas, where proposers are chosen by it.\n"
	                           "\n"
	                           "  quorate stake bond --key alice.key --replica 2 --amount 500\n"
	                           "  quorate stake unbond --key alice.key --replica 2 --amount all\n"
	                           "  quorate stake convict --key alice.key ledger.db\n";
	return command_run(commands, text, argc, argv);
}
