/*
 * succession.c: a replica's key is lost, so the chain is stopped and a new one takes over: every operator
 * makes the same genesis of his own ledger, checks it, and on real processes the new chain goes on with the
 * same balances.  Nothing else passes for its genesis, and what was signed for the old chain is worth nothing
 * there.
 */
#include "chain.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE 512

/* ---- small things ----------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	assert_non_null(in);
	assert_non_null(out);
	for (size_t got; (got = fread(bytes, 1, sizeof bytes, in)) > 0;)
		assert_int_equal(fwrite(bytes, 1, got, out), got);
	fclose(in);
	assert_int_equal(fchmod(fileno(out), 0600), 0); /* it may be a key */
	assert_int_equal(fclose(out), 0);
}

static void assert_same_file(const char *a, const char *b)
{
	FILE *x = fopen(a, "r"), *y = fopen(b, "r");
	int c, d;
	assert_non_null(x);
	assert_non_null(y);
	do {
		c = fgetc(x);
		d = fgetc(y);
		assert_int_equal(c, d);
	} while (c != EOF);
	fclose(x);
	fclose(y);
}

/* A port that is free now; bound till the process ends, so that the next one is another. */
static unsigned free_port(int *held)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof any;
	*held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*held >= 0);
	assert_int_equal(bind(*held, (struct sockaddr *)&any, sizeof any), 0);
	assert_int_equal(getsockname(*held, (struct sockaddr *)&any, &len), 0);
	return ntohs(any.sin_port);
}

static void assert_refused(int want, const char *says, int code, char *errs)
{
	if (code != want || !strstr(errs, says))
		fail_msg("exit %d, not %d with \"%s\": %s", code, want, says, errs);
	free(errs);
}

/* ---- two chains --------------------------------------------------------------------------- */

struct heir {
	struct chain *old, *c;
	char lines[4][LINE]; /* what the operators handed in */
	char genesis[512];   /* of the new chain, as the first operator made it */
};

/* Each operator makes a new home in the place of the new chain; the accounts stay who they are. */
static void make_homes(struct heir *h)
{
	char name[16], listen[64], http[64], account[LINE] = "", *out, *errs;
	int held[8];
	h->c = chain_place(4);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "replica%u", i);
		snprintf(listen, sizeof listen, "tcp://127.0.0.1:%u", free_port(&held[2 * i]));
		snprintf(http, sizeof http, "127.0.0.1:%u", free_port(&held[2 * i + 1]));
		if (quorate(&out, &errs, "node", "init", "--plain", "--home", chain_path(h->c, "node%u", i),
		            "--name", name, "--listen", listen, "--http", http, NULL) != 0)
			fail_msg("%s", errs);
		out[strcspn(out, "\n")] = '\0';
		const struct qreplica *was = &h->old->genesis->g.replicas.replicas_val[i];
		if (was->account.account_len > 0) {
			account[0] = ',';
			address_format(was->account.account_val, account + 1);
		}
		snprintf(h->lines[i], LINE, "%s%s", out, account);
		free(out);
		free(errs);
	}
	for (unsigned i = 0; i < 8; i++)
		close(held[i]);
	assert_int_equal(mkdir(chain_path(h->c, "accounts"), 0700), 0);
	static const char *const names[] = {"alice", "bob", "carol", "dave"};
	for (unsigned i = 0; i < 4; i++)
		copy_file(chain_path(h->old, "accounts/%s.key", names[i]),
		          chain_path(h->c, "accounts/%s.key", names[i]));
}

/* One operator's `genesis new`, out of one ledger (all of them: NULL), to a file. */
static int make_genesis(struct heir *h, const char *ledger, const char *to, char **errs)
{
	char *argv[40], was[512];
	int cnt = 0;
	snprintf(was, sizeof was, "%s/genesis.json", h->old->dir);
	argv[cnt++] = getenv("QUORATE");
	argv[cnt++] = (char[]){"genesis"};
	argv[cnt++] = (char[]){"new"};
	argv[cnt++] = (char[]){"--genesis"};
	argv[cnt++] = was;
	char all[4][512];
	for (unsigned i = 0; i < (ledger ? 1 : 4); i++) {
		snprintf(all[i], sizeof all[i], "%s/node%u", h->old->dir, i);
		argv[cnt++] = (char[]){"--from"};
		argv[cnt++] = ledger ? (char *)ledger : all[i];
	}
	for (unsigned i = 0; i < 4; i++) {
		argv[cnt++] = (char[]){"--replica"};
		argv[cnt++] = h->lines[i];
	}
	argv[cnt++] = (char[]){"--param"};
	argv[cnt++] = (char[]){"timeout_ms=3000"};
	argv[cnt++] = (char[]){"-o"};
	argv[cnt++] = (char *)to;
	argv[cnt] = NULL;
	return quorate_argv(NULL, errs, argv);
}

static int check(struct heir *h, const char *genesis, const char *ledger, char **errs)
{
	return quorate(NULL, errs, "genesis", "check", genesis, "--from", ledger, "--genesis",
	               chain_path(h->old, "genesis.json"), NULL);
}

static void stop_old(struct heir *h)
{
	char *errs = NULL;
	if (quorate(NULL, &errs, "testnet", "down", "--dir", h->old->dir, NULL) != 0)
		fail_msg("%s", errs);
	free(errs);
}

/* The ceremony: a new home each, one makes the genesis, each checks it against his own ledger. */
static void found_heir(struct heir *h)
{
	char *errs = NULL;
	make_homes(h);
	snprintf(h->genesis, sizeof h->genesis, "%s/genesis.json", h->c->dir);
	if (make_genesis(h, NULL, h->genesis, &errs) != 0)
		fail_msg("%s", errs);
	free(errs);
	for (unsigned i = 0; i < 4; i++)
		copy_file(h->genesis, chain_path(h->c, "node%u/genesis.json", i));
}

/* The genesis with one thing changed, which is still a sound one. */
static const char *altered(struct heir *h, const char *name, void (*alter)(json_t *root))
{
	json_t *root = json_load_file(h->genesis, 0, NULL);
	assert_non_null(root);
	alter(root);
	const char *path = chain_path(h->c, "%s.json", name);
	assert_int_equal(json_dump_file(root, path, 0), 0);
	json_decref(root);
	assert_int_equal(quorate(NULL, NULL, "genesis", "check", path, NULL), 0);
	return path;
}

static json_t *last_allocation(json_t *root)
{
	json_t *all = json_object_get(root, "allocations");
	return json_array_get(all, json_array_size(all) - 1);
}

static void alter_amount(json_t *root)
{
	json_object_set_new(last_allocation(root), "amount", json_string("1"));
}

static void alter_address(json_t *root)
{
	json_t *first = json_array_get(json_object_get(root, "allocations"), 0);
	json_object_set(last_allocation(root), "address", json_object_get(first, "address"));
}

static void alter_height(json_t *root)
{
	json_object_set_new(json_object_get(root, "parent"), "height", json_integer(1));
}

static void alter_block(json_t *root)
{
	json_t *parent = json_object_get(root, "parent");
	json_object_set(parent, "block", json_object_get(parent, "chain"));
}

static void alter_state(json_t *root)
{
	json_t *parent = json_object_get(root, "parent");
	json_object_set(parent, "state", json_object_get(parent, "chain"));
}

static void add_allocation(json_t *root)
{
	json_array_append(json_object_get(root, "allocations"), last_allocation(root));
}

/* By which the thief of a key would sign on the new chain, too. */
static const char *old_key;
static void alter_key(json_t *root)
{
	json_t *replica = json_array_get(json_object_get(root, "replicas"), 0);
	json_object_set_new(replica, "key", json_string(old_key));
}

/* The same as JSON, for programs. */
static void assert_json_says_no(struct heir *h, const char *genesis, const char *ledger, const char *says)
{
	int code;
	json_t *json = quorate_json(&code, "genesis", "check", "--json", genesis, "--from", ledger,
	                            "--genesis", chain_path(h->old, "genesis.json"), NULL);
	assert_int_equal(code, 1);
	assert_string_equal(json_text(json, "verdict"), "failed");
	assert_non_null(strstr(json_text(json, "message"), says));
	json_decref(json);
}

static void assert_only_the_heir_passes(struct heir *h, unsigned node)
{
	char ledger[512], *wrong = NULL;
	snprintf(ledger, sizeof ledger, "%s", chain_path(h->old, "node%u", node));
	int swapped = quorate(NULL, &wrong, "genesis", "check", h->genesis, "--from", ledger, "--genesis",
	                      h->genesis, NULL);
	assert_refused(2, "belongs to chain", swapped, wrong);
	static const struct {
		const char *name, *says;
		void (*alter)(json_t *root);
	} cases[] = {
	    {"amount", ".amount: gives q", alter_amount},
	    {"address", ".address: is q", alter_address},
	    {"height", "parent.height: is 1, but blocks are final up to", alter_height},
	    {"block", "parent.block: is ", alter_block},
	    {"state", "parent.state: is ", alter_state},
	    {"more", "which nobody holds", add_allocation},
	    {"key", "replica replica0: has its key of the old chain", alter_key},
	};
	char key[QHASH_HEX];
	const struct qreplica_key *was = &h->old->genesis->g.replicas.replicas_val[2].key;
	old_key = hex_encode(key, was->b, sizeof was->b);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *errs = NULL;
		char path[512];
		snprintf(path, sizeof path, "%s", altered(h, cases[i].name, cases[i].alter));
		int code = check(h, path, ledger, &errs);
		assert_refused(1, cases[i].says, code, errs);
		assert_json_says_no(h, path, ledger, cases[i].says);
	}
}

/* What an account has, by one node. */
static uint64_t balance(struct chain *c, const char *name)
{
	struct account *a = chain_account(c, name);
	struct qaccount_key key = account_key(a);
	struct qaddress address = account_address(&key);
	char text[ADDRESS_TEXT];
	int status;
	json_t *json = chain_get(c, 0, &status, "/v1/addresses/%s", address_format(&address, text));
	assert_int_equal(status, 200);
	uint64_t amount = strtoull(json_text(json, "amount"), NULL, 10);
	json_decref(json);
	account_free(a);
	return amount;
}

/* ---- stories ------------------------------------------------------------------------------- */

/* dave's payment on the old chain that nobody has handed in there: signed, unspent, and so valid. */
static struct tx *sign_for_old(struct chain *c)
{
	struct account *dave = chain_account(c, "dave");
	struct qaccount_key key = account_key(dave);
	struct qaddress owner = account_address(&key);
	uint64_t amount;
	struct qoutpoint in = chain_allocation(c, &owner, &amount);
	struct tx *tx = pay(c->genesis, dave, in, amount, address_number(7), 5, "for the old chain");
	account_free(dave);
	return tx;
}

static void a_lost_key_is_survived_by_a_successor(void **state)
{
	static const char *const names[] = {"alice", "bob", "carol", "dave"};
	struct heir h = {.old = chain_up(4, NULL, 0)};
	uint64_t before[4];
	char *errs = NULL;
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		chain_pay(h.old, i % 3, 100 + i);
	chain_signal(h.old, "kill", 3);
	assert_int_equal(unlink(chain_path(h.old, "node3/replica.key")), 0);
	uint64_t height = chain_pay(h.old, 0, 77);
	chain_wait_height(h.old, 7, height);
	for (unsigned i = 0; i < 4; i++)
		before[i] = balance(h.old, names[i]);
	struct tx *of_old = sign_for_old(h.old);

	make_homes(&h);
	snprintf(h.genesis, sizeof h.genesis, "%s/genesis.json", h.c->dir);
	int code = make_genesis(&h, NULL, h.genesis, &errs);
	assert_refused(2, "stop every replica of the old chain first", code, errs);
	stop_old(&h);

	/* Each makes it of what he has, and it is the same file, whoever makes it. */
	if (make_genesis(&h, NULL, h.genesis, &errs) != 0)
		fail_msg("%s", errs);
	assert_non_null(strstr(errs, "node3/ledger.db ends at height"));
	free(errs);
	for (unsigned i = 0; i < 3; i++) {
		char mine[512], ledger[512];
		snprintf(mine, sizeof mine, "%s", chain_path(h.c, "of-%u.json", i));
		snprintf(ledger, sizeof ledger, "%s", chain_path(h.old, "node%u/ledger.db", i));
		if (make_genesis(&h, ledger, mine, &errs) != 0)
			fail_msg("%s", errs);
		assert_non_null(strstr(errs, "1 of 4 replicas' ledgers were named"));
		free(errs);
		assert_same_file(mine, h.genesis);
		if (check(&h, h.genesis, ledger, &errs) != 0)
			fail_msg("%s", errs);
		free(errs);
	}
	code = check(&h, h.genesis, chain_path(h.old, "node3"), &errs);
	assert_refused(3, "and cannot tell", code, errs);
	assert_only_the_heir_passes(&h, 1);

	for (unsigned i = 0; i < 4; i++)
		copy_file(h.genesis, chain_path(h.c, "node%u/genesis.json", i));
	chain_run(h.c);
	assert_int_equal(h.c->genesis->supply, h.old->genesis->supply);
	for (unsigned i = 0; i < 4; i++) {
		int status;
		assert_int_equal(balance(h.c, names[i]), before[i]);
		json_t *json = chain_get(h.c, i, &status, "/v1/status"),
		       *parent = json_object_get(json, "parent");
		char hex[QHASH_HEX];
		assert_string_equal(json_text(parent, "chain"), hex_encode(hex, h.old->genesis->chain.b, 32));
		assert_int_equal(json_integer_value(json_object_get(parent, "height")), height);
		json_decref(json);
	}
	json_t *results = NULL;
	assert_true(chain_submit(h.c, 0, &of_old, 1, &results));
	assert_string_equal(json_text(json_array_get(results, 0), "status"), "rejected");
	json_decref(results);
	tx_unref(of_old);

	height = chain_pay(h.c, 3, 5); /* through the replica whose key was lost */
	assert_int_equal(balance(h.c, "bob"), before[1] + 5);
	chain_wait_height(h.c, 0xf, height);
	chain_assert_audit(h.c, height);
	code = quorate(NULL, &errs, "audit", chain_path(h.old, "node0"), "--genesis",
	               chain_path(h.c, "genesis.json"), NULL);
	assert_refused(2, "belongs to chain", code, errs);
	chain_down(h.c);
	chain_down(h.old);
}

static uint64_t stake_behind(struct chain *c, unsigned replica, const char *whose)
{
	json_t *json = quorate_json(NULL, "genesis", "show", "--json", chain_path(c, "genesis.json"), NULL);
	json_t *r = json_array_get(json_object_get(json, "replicas"), replica);
	uint64_t amount = strtoull(json_text(r, whose), NULL, 10);
	json_decref(json);
	return amount;
}

static void alter_account_and_time(json_t *root)
{
	json_t *all = json_object_get(root, "replicas");
	json_object_set_new(json_array_get(all, 0), "account",
	                    json_string("qe647333ede8d80a735c5a5d266f5fb0fab30a64c18991353"));
	json_object_set_new(root, "time_ms", json_integer(253402300799999)); /* it would wait until then */
}

/* It is the founders' to say, and everybody's to see. */
static void assert_changes_are_told(struct heir *h)
{
	static const char *const wanted[] = {"time_ms", "account of replica0"};
	char path[512], ledger[512];
	int code;
	snprintf(path, sizeof path, "%s", altered(h, "account", alter_account_and_time));
	snprintf(ledger, sizeof ledger, "%s", chain_path(h->old, "node0"));
	json_t *json = quorate_json(&code, "genesis", "check", "--json", path, "--from", ledger, "--genesis",
	                            chain_path(h->old, "genesis.json"), NULL),
	       *changed;
	assert_int_equal(code, 0);
	changed = json_object_get(json, "changed");
	for (size_t i = 0; i < 2; i++) {
		size_t at = 0;
		while (at < json_array_size(changed) &&
		       strcmp(json_text(json_array_get(changed, at), "what"), wanted[i]) != 0)
			at++;
		if (at == json_array_size(changed))
			fail_msg("%s is not told", wanted[i]);
	}
	json_decref(json);
}

static void stake_goes_on_backing_the_same_replicas(void **state)
{
	struct heir h = {.old = chain_place(4)};
	char *errs = NULL;
	(void)state;
	if (quorate(NULL, &errs, "testnet", "new", "--dir", h.old->dir, "--base-port", "0", "--proposer",
	            "delegated", NULL) != 0)
		fail_msg("%s", errs);
	free(errs);
	chain_run(h.old);
	uint64_t height = chain_pay(h.old, 0, 10);
	chain_wait_height(h.old, 0xf, height);
	uint64_t alice = balance(h.old, "alice");
	stop_old(&h);
	found_heir(&h);
	assert_changes_are_told(&h);
	chain_run(h.c);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(stake_behind(h.c, i, "own"), stake_behind(h.old, i, "own"));
		assert_int_equal(stake_behind(h.c, i, "delegated"), stake_behind(h.old, i, "delegated"));
	}
	assert_true(stake_behind(h.c, 3, "delegated") > 0);
	assert_int_equal(h.c->genesis->supply, h.old->genesis->supply);
	assert_int_equal(balance(h.c, "alice"), alice);
	height = chain_pay(h.c, 1, 3);
	chain_wait_height(h.c, 0xf, height);
	chain_assert_audit(h.c, height);
	chain_down(h.c);
	chain_down(h.old);
}

static void what_is_no_sound_ledger_has_no_successor(void **state)
{
	struct heir h = {.old = chain_up(4, NULL, 0)};
	char *errs = NULL, to[512], kept[LINE], hex[QHASH_HEX];
	(void)state;
	uint64_t height = chain_pay(h.old, 0, 10);
	chain_wait_height(h.old, 0xf, height);
	stop_old(&h);
	make_homes(&h);
	snprintf(to, sizeof to, "%s/genesis.json", h.c->dir);

	int code = make_genesis(&h, chain_path(h.old, "genesis.json"), to, &errs);
	assert_refused(2, "not a SQLite database", code, errs);
	code = make_genesis(&h, chain_path(h.old, "node0/votes.db"), to, &errs);
	assert_refused(2, "not a quorate ledger", code, errs);
	code = make_genesis(&h, chain_path(h.old, "nowhere.db"), to, &errs);
	assert_refused(2, "No such file", code, errs);
	chain_sql(chain_path(h.old, "node1/ledger.db"),
	          "UPDATE outputs SET amount = amount + 1 WHERE tx = 1 AND position = 0", NULL, 0);
	code = make_genesis(&h, chain_path(h.old, "node1"), to, &errs);
	assert_refused(1, "node1/ledger.db: tampered: height 1, outputs(tx=1,position=0).amount", code, errs);
	code = make_genesis(&h, NULL, to, &errs); /* one of four is enough */
	assert_refused(1, "tampered", code, errs);

	snprintf(kept, sizeof kept, "%s", h.lines[2]);
	snprintf(h.lines[2], LINE, "replica2,%s,tcp://127.0.0.1:9",
	         hex_encode(hex, h.old->genesis->g.replicas.replicas_val[2].key.b, 32));
	code = make_genesis(&h, chain_path(h.old, "node0"), to, &errs);
	assert_refused(2, "replica replica2: has its key of the old chain", code, errs);
	snprintf(h.lines[2], LINE, "%s", kept);
	code = quorate(NULL, &errs, "genesis", "new", "--from", chain_path(h.old, "node0"), "--genesis",
	               chain_path(h.old, "genesis.json"), "--allocate",
	               "q18cbf33dcd4297f553d0e49e6b1375baad8e5faec95ce83e=1", NULL);
	assert_refused(2, "not with --from", code, errs);
	assert_int_equal(access(to, F_OK), -1);
	if (make_genesis(&h, chain_path(h.old, "node0"), to, &errs) != 0)
		fail_msg("%s", errs);
	free(errs);
	chain_down(h.c);
	chain_down(h.old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_lost_key_is_survived_by_a_successor),
	    cmocka_unit_test(stake_goes_on_backing_the_same_replicas),
	    cmocka_unit_test(what_is_no_sound_ledger_has_no_successor),
	};
	return cmocka_run_group_tests_name("succession", tests, chain_setup, NULL);
}
