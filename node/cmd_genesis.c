/*
 * cmd_genesis.c: `quorate genesis new`, and the ceremony that it is part of.  check and show have files of
 * their own.
 *
 * Each operator runs `quorate node init` and hands its line NAME,KEY,URL to the others; one of them runs
 * `genesis new` with all the lines and the allocations; each checks the result with `genesis show` and
 * compares the chain id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "clock.h"
#include "cmd_genesis.h"
#include "out.h"
#include "text.h"
#include "words.h"

/* ---- new ------------------------------------------------------------------ */

enum { LATER_MAX = 256, KEY_SEAL = 0x200, KEY_PROPOSER, KEY_STAKE, KEY_FROM };

struct new_args {
	struct cmd_common common;
	const char *out;
	bool timed, sealed, proposed;
	enum words_proposer proposer;
	struct genesis_from from;
	const char *param[LATER_MAX], *stake[LATER_MAX]; /* they need the rules, and the replicas */
	unsigned param_cnt, stake_cnt;
	struct genesis genesis;
	struct err err;
};

static bool set_param(struct qgenesis *g, const char *text, struct err *err)
{
	struct genesis_field fields[GENESIS_FIELDS_MAX];
	size_t cnt = genesis_fields(g, fields);
	const char *equals = strchr(text, '=');
	for (size_t i = 0; equals != NULL && i < cnt; i++) {
		char name[64];
		uint64_t value;
		genesis_field_name(&fields[i], name);
		size_t len = strlen(name);
		if ((size_t)(equals - text) != len || strncmp(text, name, len) != 0)
			continue;
		if (!text_u64(equals + 1, UINT32_MAX, &value))
			return err_set(err, ERR_INPUT, "--param %s: \"%.20s\" is no number from 0 to %u",
			               name, equals + 1, UINT32_MAX);
		*fields[i].value = (u_int)value;
		return true;
	}
	return err_set(err, ERR_INPUT,
	               "--param %.60s: not NAME=VALUE with a NAME that `quorate genesis show` lists", text);
}

static bool add_account(struct qreplica *r, const char *text, struct err *err)
{
	r->account.account_val = xcalloc(1, sizeof *r->account.account_val);
	r->account.account_len = 1;
	return address_parse(text, r->account.account_val, err) || err_prefix(err, "--replica %s", r->name);
}

static bool add_replica(struct genesis *g, const char *text, struct err *err)
{
	if (g->g.replicas.replicas_len == Q_REPLICAS_MAX)
		return err_set(err, ERR_INPUT, "--replica: more than %d of them", Q_REPLICAS_MAX);
	char *copy = xstrdup(text), *rest = copy;
	const char *name = strsep(&rest, ","), *key = strsep(&rest, ","), *address = strsep(&rest, ",");
	struct qreplica *r = &g->g.replicas.replicas_val[g->g.replicas.replicas_len];
	bool ok = address != NULL;
	if (!ok)
		err_set(err, ERR_INPUT, "--replica %.100s: not NAME,KEY,URL as `quorate node init` prints it",
		        text);
	else if (!hex_decode(r->key.b, sizeof r->key.b, key))
		ok = err_set(err, ERR_INPUT,
		             "--replica %s: the key \"%.80s\" is not 64 hex digits (0-9, a-f)", name, key);
	if (ok) {
		r->name = xstrdup(name);
		r->address = xstrdup(address);
		g->g.replicas.replicas_len++;
		ok = rest == NULL || add_account(r, rest, err);
	}
	free(copy);
	return ok;
}

/* `equals` ends the address in text; `amount` follows it. */
static bool add_allocation(struct genesis *g, const char *option, const char *text, const char *equals,
                           const char *amount, struct qlock lock, struct err *err)
{
	struct qoutput out = {.lock = lock};
	char *address = xmemdup(text, (size_t)(equals - text) + 1);
	address[equals - text] = '\0';
	bool ok = address_parse(address, &out.owner, err) || err_prefix(err, "%s", option);
	free(address);
	if (!ok || !text_amount(amount, option, &out.amount, err))
		return false;
	u_int cnt = g->g.allocations.allocations_len;
	if (cnt == Q_ALLOCS_MAX)
		return err_set(err, ERR_INPUT, "%s: more than %d of them", option, Q_ALLOCS_MAX);
	if ((cnt & (cnt - 1)) == 0) /* full at each power of two */
		g->g.allocations.allocations_val =
		    xrealloc(g->g.allocations.allocations_val, (cnt == 0 ? 1 : 2 * (size_t)cnt) * sizeof out);
	g->g.allocations.allocations_val[cnt] = out;
	g->g.allocations.allocations_len++;
	return true;
}

/* ADDRESS=AMOUNT */
static bool add_free(struct genesis *g, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	if (equals == NULL)
		return err_set(err, ERR_INPUT, "--allocate %.100s: not ADDRESS=AMOUNT", text);
	return add_allocation(g, "--allocate", text, equals, equals + 1, (struct qlock){.kind = QLOCK_NONE},
	                      err);
}

/* ADDRESS=AMOUNT@REPLICA, when all replicas are known. */
static bool add_stake(struct genesis *g, const char *text, struct err *err)
{
	const char *equals = strchr(text, '='), *at = equals == NULL ? NULL : strchr(equals, '@');
	struct qlock lock = {.kind = QLOCK_STAKE};
	u_int i = 0, n = g->g.replicas.replicas_len;
	if (at == NULL)
		return err_set(err, ERR_INPUT,
		               "--stake %.100s: not ADDRESS=AMOUNT@REPLICA with the name of a replica", text);
	while (i < n && strcmp(g->g.replicas.replicas_val[i].name, at + 1) != 0)
		i++;
	if (i == n)
		return err_set(err, ERR_INPUT, "--stake: \"%.70s\" is the name of no --replica", at + 1);
	lock.qlock_u.replica = i;
	char *amount = xmemdup(equals + 1, (size_t)(at - equals));
	amount[at - equals - 1] = '\0';
	bool ok = add_allocation(g, "--stake", text, equals, amount, lock, err);
	free(amount);
	return ok;
}

static bool note_later(const char *list[LATER_MAX], unsigned *cnt, const char *option, const char *arg,
                       struct err *err)
{
	if (*cnt == LATER_MAX)
		return err_set(err, ERR_INPUT, "%s: more than %d of them", option, LATER_MAX);
	list[(*cnt)++] = arg;
	return true;
}

/* ---- of a successor -------------------------------------------------------- */

/* What is not said is as on the old chain. */
static void inherit_rules(struct new_args *args)
{
	const struct genesis *was = args->from.was;
	struct qgenesis *g = &args->genesis.g;
	g->params = was->g.params;
	if (g->name == NULL)
		g->name = xstrdup(was->g.name);
	if (!args->sealed)
		g->seal = was->g.seal;
	if (args->proposed)
		return;
	g->proposer = was->g.proposer;
	struct qstake_rules *r = &g->proposer.qproposer_rules_u.stake;
	if (g->proposer.kind == QPROPOSER_STAKE && r->proposers == was->n)
		r->proposers = g->replicas.replicas_len; /* all of them, then as now */
}

static bool begin_successor(struct new_args *args)
{
	struct err *err = &args->err;
	if (args->out != NULL && access(args->out, F_OK) == 0) /* known before a long audit */
		return err_set(err, ERR_INPUT, "%s: is there already; choose another name or remove it",
		               args->out);
	if (args->genesis.g.allocations.allocations_len > 0 || args->stake_cnt > 0)
		return err_set(
		    err, ERR_INPUT,
		    "--allocate and --stake: not with --from; who holds what, the old ledger says");
	if (!genesis_from_load(&args->from, err) ||
	    !genesis_from_keys(&args->from, &args->genesis.g, ERR_INPUT, err) ||
	    !genesis_from_stopped(&args->from, err))
		return false;
	inherit_rules(args);
	return true;
}

/* Whoever has the ledger and the same options makes the same bytes: the time is the old chain's, too. */
static bool take_over(struct new_args *args)
{
	struct succession s;
	if (!genesis_from_make(&args->from, &args->genesis.g, &s, &args->err))
		return false;
	succession_write(&s, &args->genesis);
	if (!args->timed)
		args->genesis.g.time_ms = s.time_ms;
	out_note("carried over: %llu in %zu allocations, from %zu unspent outputs at height %llu; left "
	         "behind: %llu",
	         (unsigned long long)s.carried, s.cnt, s.outputs, (unsigned long long)s.parent.height.n,
	         (unsigned long long)s.left);
	if (args->from.cnt < args->from.was->n)
		out_note("note: %zu of %u replicas' ledgers were named; a block that only another one has "
		         "would be "
		         "lost: compare with `quorate audit` or name it, too",
		         args->from.cnt, args->from.was->n);
	succession_free(&s);
	return true;
}

/* ---- the command ------------------------------------------------------------ */

/* What depends on other options, in whatever order they came. */
static bool settle_new(struct new_args *args)
{
	struct qgenesis *g = &args->genesis.g;
	bool ok = true;
	g->proposer = words_proposer_rules(args->proposer, g->replicas.replicas_len);
	if (args->from.cnt > 0)
		ok = begin_successor(args);
	for (unsigned i = 0; ok && i < args->param_cnt; i++)
		ok = set_param(g, args->param[i], &args->err);
	for (unsigned i = 0; ok && i < args->stake_cnt; i++)
		ok = add_stake(&args->genesis, args->stake[i], &args->err);
	return ok && (args->from.cnt == 0 || take_over(args));
}

static error_t parse_new(int key, char *arg, struct argp_state *state)
{
	struct new_args *args = state->input;
	struct genesis *g = &args->genesis;
	bool ok = true;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		break;
	case 'n':
		free(g->g.name);
		g->g.name = xstrdup(arg);
		break;
	case 't':
		args->timed = true;
		ok = text_u64(arg, INT64_MAX, &g->g.time_ms) ||
		     err_set(&args->err, ERR_INPUT, "--time \"%.40s\": not milliseconds since 1970", arg);
		break;
	case 'r':
		ok = add_replica(g, arg, &args->err);
		break;
	case 'a':
		ok = add_free(g, arg, &args->err);
		break;
	case 'p':
		ok = note_later(args->param, &args->param_cnt, "--param", arg, &args->err);
		break;
	case KEY_STAKE:
		ok = note_later(args->stake, &args->stake_cnt, "--stake", arg, &args->err);
		break;
	case KEY_FROM:
		genesis_from_add(&args->from, arg);
		break;
	case 'g':
		args->from.genesis_path = arg;
		break;
	case KEY_SEAL:
		args->sealed = true;
		ok = words_seal(arg, &g->g.seal, &args->err) || err_prefix(&args->err, "--seal");
		break;
	case KEY_PROPOSER:
		args->proposed = true;
		ok = words_proposer(arg, &args->proposer, &args->err) || err_prefix(&args->err, "--proposer");
		break;
	case 'o':
		args->out = arg;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		break;
	case ARGP_KEY_END:
		if (args->genesis.g.name == NULL && args->from.cnt == 0)
			argp_error(state, "--name is missing");
		if (args->from.genesis_path != NULL && args->from.cnt == 0)
			argp_error(state, GENESIS_FROM_ALONE);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (!ok)
		argp_error(state, "%s", args->err.text);
	return 0;
}

static const struct argp_child json_children[] = {{.argp = &cmd_json_argp}, {0}};

static void print_made(const struct new_args *args)
{
	char chain[QHASH_HEX];
	hex_encode(chain, args->genesis.chain.b, sizeof args->genesis.chain.b);
	if (args->out == NULL)
		return; /* the genesis itself is on stdout */
	if (args->common.json) {
		out_json_take(json_pack("{s:s, s:s, s:o}", "file", args->out, "chain", chain, "parent",
		                        genesis_parent_json(genesis_parent(&args->genesis))));
		return;
	}
	puts(chain);
}

static int genesis_new(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"name", 'n', "NAME", 0, "The chain's name", 1},
	    {"replica", 'r', "NAME,KEY,URL[,ACCOUNT]", CMD_REPEATED,
	     "A replica: the line that `quorate node init` printed on its machine; with the address of its "
	     "operator's account where proposers are by stake (repeat; 1, or 4 to 64 of them)",
	     1},
	    {"allocate", 'a', "ADDRESS=AMOUNT", CMD_REPEATED, "Who holds what at the beginning (repeat)", 1},
	    {"stake", KEY_STAKE, "ADDRESS=AMOUNT@REPLICA", CMD_REPEATED,
	     "What backs a replica at the beginning, beside what is allocated: its own stake if the address "
	     "is its ACCOUNT, else delegated (repeat)",
	     1},
	    {"seal", KEY_SEAL, "KIND", 0,
	     "none, or pow:BITS, a proof of work of so many bits for every block, or pow:BITS:INTERVAL_MS, "
	     "which becomes harder until blocks are so far apart (default none)",
	     1},
	    {"proposer", KEY_PROPOSER, "RULE", 0,
	     "primary, the primary of the view; stake, all replicas in turn by their stake; delegated, all "
	     "but the one with least (default primary)",
	     1},
	    {"param", 'p', "NAME=VALUE", CMD_REPEATED,
	     "A parameter that differs from its default, e.g. window=8, seal.hash_rate=5000000 or "
	     "proposer.epoch=2032 (repeat)",
	     1},
	    {"time", 't', "MS", 0,
	     "The genesis' time, ms since 1970 (default: now; with --from the old chain's last block's)", 1},
	    {"from", KEY_FROM, "LEDGER", CMD_REPEATED,
	     "Succeed an old chain, whose replicas are stopped: audits this ledger (or home) of it and takes "
	     "over "
	     "what is unspent at its end. Name, seal, proposers and parameters stay, unless said otherwise "
	     "(repeat: "
	     "the longest ledger counts)",
	     2},
	    {"genesis", 'g', "FILE", 0, "With --from: the old chain's genesis", 2},
	    {"output", 'o', "FILE", 0,
	     "Write the genesis to this new file and print the chain id (default: the genesis on "
	     "standard output)",
	     1},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_new,
	    .doc = "Makes a genesis from what the operators have collected. Everything in it is part of the "
	           "chain id: all "
	           "replicas need the same file. With --from, who has the old ledger makes the same file "
	           "from the "
	           "same options.",
	    .children = json_children,
	};
	struct new_args args = {0};
	struct qgenesis *g = &args.genesis.g;
	g->format = GENESIS_FIRST;
	g->time_ms = clock_ms(CLOCK_REALTIME);
	g->params = genesis_new_params();
	g->replicas.replicas_val = xcalloc(Q_REPLICAS_MAX, sizeof *g->replicas.replicas_val);
	cmd_parse(&argp, argc, argv, &args);

	bool ok = settle_new(&args) && genesis_finish(&args.genesis, &args.err);
	char *text = ok ? genesis_format(&args.genesis) : NULL;
	if (ok && args.out != NULL)
		ok = text_write_new(args.out, 0644, text, strlen(text), &args.err);
	else if (ok)
		fputs(text, stdout);
	if (ok)
		print_made(&args);
	free(text);
	wire_free(WIRE(qgenesis), g);
	genesis_from_free(&args.from);
	return ok ? EXIT_DONE : cmd_fail(&args.err);
}

int cmd_genesis(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"new", genesis_new, "make one from replicas, allocations and parameters"},
	    {"check", genesis_check,
	     "check every rule, and a successor against the old ledger; print the chain id"},
	    {"show", genesis_show, "show what it says"},
	    {NULL, NULL, NULL},
	};
	static const char text[] =
	    "quorate genesis: a chain's constitution.\n"
	    "\n"
	    "  1. each operator:  quorate node init --home HOME --listen "
	    "tcp://HOST:PORT      prints NAME,KEY,URL\n"
	    "                         by stake, also quorate key new: the address of "
	    "its account goes to the end of that line\n"
	    "  2. one of them:    quorate genesis new --name NAME --replica "
	    "NAME,KEY,URL ... --allocate ADDRESS=AMOUNT ...\n"
	    "                         -o genesis.json\n"
	    "  3. each operator:  quorate genesis show genesis.json     compare the "
	    "chain id, then copy it into HOME\n"
	    "\n"
	    "A successor, for a lost key, a new member, other parameters:\n"
	    "  1. each operator:  stops his replica; quorate node init --home NEW ...\n"
	    "  2. one of them:    quorate genesis new --from LEDGER ... --genesis "
	    "genesis.json --replica NAME,KEY,URL ...\n"
	    "                         -o successor.json\n"
	    "  3. each operator:  quorate genesis check successor.json --from LEDGER "
	    "--genesis genesis.json\n";
	return command_run(commands, text, argc, argv);
}
