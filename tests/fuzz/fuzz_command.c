/*
 * fuzz_command.c: the command line of everything that starts no server, pays nobody and does not take long.
 * An input is a list of words: a byte below 0x80 is one of the list below, anything else begins a word of its
 * own, up to a zero. Each runs in a process of its own, in a directory with a genesis, keys, a ledger and
 * transactions; nodes do not answer.
 *
 * It ends by itself, with one of the four exit codes; says what was wrong where that is not 0; and where it
 * was asked for JSON and is content prints one JSON value.  (The process hides what it covers from
 * libFuzzer.)
 *
 * Links: q_program
 */
int quorate_main(int argc, char **argv);
#define main quorate_main
#include "main.c"
#undef main

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fuzz.h"
#include "jread.h"
#include "keyfile.h"
#include "store.h"
#include "text.h"

#define WORDS_MAX 24
#define OUTPUT_MAX (4u << 20)
#define PATIENCE_S 20

static char id[QHASH_HEX], input[128], address[ADDRESS_TEXT], pays[ADDRESS_TEXT + 8];

static const char *const words[] = {
    "key",
    "new",
    "show",
    "genesis",
    "check",
    "tx",
    "make",
    "sign",
    "submit",
    "block",
    "status",
    "balance",
    "stake",
    "bond",
    "unbond",
    "convict",
    "audit",
    "receipt",
    "verify",
    "trace",
    "evidence",
    "export",
    "backup",
    "restore",
    "why",
    "help",
    "--json",
    "--genesis",
    "--node",
    "--help",
    "--usage",
    "--version",
    "--",
    "g.json",
    "a.key",
    "b.key",
    "l.db",
    "u.tx",
    "s.tx",
    "r.json",
    "none",
    ".",
    "out",
    "-",
    "",
    "--plain",
    "--name",
    "--replica",
    "--allocate",
    "--param",
    "--time",
    "--output",
    "-o",
    "--from",
    "--input",
    "--to",
    "--amount",
    "--change",
    "--memo",
    "--expiry",
    "--key",
    "--stake",
    "--address",
    "--threads",
    "--findings",
    "--ledger",
    "--home",
    "--force",
    "--verify",
    "0",
    "1",
    "3",
    "5",
    "-1",
    "9223372036854775807",
    "18446744073709551616",
    "latest",
    "window=8",
    "window=",
    "http://127.0.0.1:1",
    "tcp://127.0.0.1:7580",
    id,
    input,
    address,
    pays,
    "--nonsense",
    "--js",
    "-",
    "x,0000000000000000000000000000000000000000000000000000000000000000,tcp://127.0.0.1:7580",
};
#define WORD_CNT (sizeof words / sizeof *words)

/* ---- the place ---------------------------------------------------------------------------------- */

static struct place *place;
static int out_fd = -1, err_fd = -1;
static char files[80];

/* Ends the process as exit() would, but for what the engine of this test wants to do then. */
static void leave(int status, void *ctx)
{
	(void)ctx;
	fflush(NULL);
	_exit(status);
}

_Noreturn static void run(char **argv, int argc)
{
	static char *empty[] = {NULL};

	setsid(); /* no terminal that could be asked for a passphrase */
	alarm(PATIENCE_S);
	environ = empty;
	setenv("QUORATE_NODE", "http://127.0.0.1:1", 1);
	if (chdir(files) != 0 || !freopen("/dev/null", "r", stdin) || dup2(out_fd, STDOUT_FILENO) < 0 ||
	    dup2(err_fd, STDERR_FILENO) < 0 || on_exit(leave, NULL) != 0)
		_exit(99);
	exit(quorate_main(argc, argv));
}

static int run_words(char *const *list, int cnt)
{
	char program[] = "quorate", *argv[WORDS_MAX + 2] = {program};
	int status;

	memcpy(argv + 1, list, (size_t)cnt * sizeof *argv);
	must(ftruncate(out_fd, 0) == 0 && ftruncate(err_fd, 0) == 0);
	must(lseek(out_fd, 0, SEEK_SET) == 0 && lseek(err_fd, 0, SEEK_SET) == 0);
	fflush(NULL);
	pid_t child = fork();
	must(child >= 0);
	if (child == 0)
		run(argv, cnt + 1);
	must(TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) == child); /* libFuzzer has an alarm */
	return status;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

/* What a command may have left, but for what it was given. */
static void tidy(bool all)
{
	char path[sizeof files + 256];
	static const char *const given[] = {"g.json", "a.key", "b.key", "l.db", "u.tx", "s.tx", "r.json"};
	DIR *d = opendir(files);
	struct dirent *e;

	must(d != NULL);
	while ((e = readdir(d)) != NULL) {
		bool keep = e->d_name[0] == '.';
		for (size_t i = 0; !all && i < sizeof given / sizeof *given; i++)
			keep = keep || strcmp(e->d_name, given[i]) == 0;
		if (keep)
			continue;
		snprintf(path, sizeof path, "%s/%s", files, e->d_name);
		must(nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
	}
	closedir(d);
}

static void run_line(const char *line)
{
	char *copy = xstrdup(line), *rest = copy, *list[WORDS_MAX], *word;
	int cnt = 0;

	while ((word = strsep(&rest, " ")) != NULL && cnt < WORDS_MAX)
		list[cnt++] = word;
	if (run_words(list, cnt) != 0)
		must_failed(line, __FILE__, __LINE__);
	free(copy);
}

static void put_file(const char *name, const char *data, size_t len)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", files, name);
	struct err err = {0};
	must(text_write_new(path, 0600, data, len, &err));
}

static void make_files(void)
{
	char path[128], line[512];
	struct qtxid ids[4];
	struct account *a = rules_account(1);
	struct qaddress addr = rules_address(1);
	struct err err = {0};
	char *text = genesis_format(&place->rules.g);

	must(snprintf(place->path, sizeof place->path, "%s/l.db", files) < (int)sizeof place->path);
	struct ledger *l = open_ledger(place);
	tell_story(&place->rules, l, ids);
	commit(l);
	ledger_close(l);
	put_file("g.json", text, strlen(text));
	free(text);
	snprintf(path, sizeof path, "%s/a.key", files);
	must(keyfile_write_account(path, a, NULL, &err));
	account_free(a);
	put_file("b.key", "{\"quorate-key\": 1}", 18);
	hex_encode(id, ids[0].b, sizeof ids[0].b);
	address_format(&addr, address);
	snprintf(pays, sizeof pays, "%s=100", address);
	snprintf(input, sizeof input, "%s:0:%s:600", id, address);
	snprintf(line, sizeof line,
	         "tx make --genesis g.json --expiry 0 --input %s --to %s --amount 5 -o u.tx", input, address);
	run_line(line);
	run_line("tx sign --key a.key u.tx -o s.tx");
	snprintf(line, sizeof line, "receipt %s -o r.json --ledger l.db --genesis g.json", id);
	run_line(line);
}

/* ---- genuine lines ---------------------------------------------------------------------------------- */

static void add(const char *line)
{
	char *copy = xstrdup(line), *rest = copy, *word;
	uint8_t data[512];
	size_t len = 0;

	while ((word = strsep(&rest, " ")) != NULL) {
		size_t i = 0;
		while (i < WORD_CNT && strcmp(words[i], word) != 0)
			i++;
		if (i < WORD_CNT) {
			data[len++] = (uint8_t)i;
		} else {
			data[len++] = 0x80;
			memcpy(data + len, word, strlen(word) + 1);
			len += strlen(word) + 1;
		}
	}
	fuzz_seed(data, len);
	free(copy);
}

static void setup(void)
{
	static const char *const lines[] = {
	    "key show a.key",
	    "key show --json a.key",
	    "key new --plain out",
	    "key new out",
	    "genesis check g.json",
	    "genesis show --json g.json",
	    "genesis new --name x --json",
	    "tx sign --key a.key u.tx",
	    "audit --genesis g.json l.db --json",
	    "audit --genesis g.json l.db none",
	    "block show latest --json",
	    "status --node http://127.0.0.1:1",
	    "balance --json x",
	    "tx submit s.tx",
	    "tx show 0",
	    "verify r.json --genesis g.json",
	    "verify --json --genesis g.json r.json g.json s.tx -",
	    "evidence l.db --json",
	    "evidence verify r.json --genesis g.json",
	    "help audit",
	    "tx make --help",
	    "",
	    "quux",
	    "--version",
	    "key",
	    "audit --genesis a.key u.tx",
	    "genesis check a.key",
	    "backup --home l.db --to out --json",
	    "backup --home l.db --to out --verify --genesis g.json",
	    "backup --home . --to l.db --force",
	    "restore l.db --home . --genesis g.json --json",
	    "restore g.json --home . --genesis g.json --force",
	    "why --json",
	    "why --genesis g.json --node http://127.0.0.1:1",
	    "genesis new --name x --param window=8 --time 5 --replica nonsense",
	};
	void *p;
	char line[512];

	must(crypto_init(NULL) && place_setup(&p) == 0);
	place = p;
	snprintf(files, sizeof files, "%s/files", place->dir);
	must(mkdir(files, 0700) == 0);
	out_fd = memfd_create("stdout", MFD_CLOEXEC);
	err_fd = memfd_create("stderr", MFD_CLOEXEC);
	must(out_fd >= 0 && err_fd >= 0);
	make_files();
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		add(lines[i]);
	snprintf(line, sizeof line,
	         "tx make --genesis g.json --json --expiry 0 --input %s --to %s --amount 5", input, address);
	add(line);
	static const char *const about[] = {
	    "receipt %s --ledger l.db --genesis g.json", "receipt %s --ledger l.db -o out --json",
	    "tx show %s --ledger l.db --genesis g.json --json", "trace %s --ledger l.db --genesis g.json"};
	for (size_t i = 0; i < sizeof about / sizeof *about; i++) {
		char *text = text_format(about[i], id);
		add(text);
		free(text);
	}
	snprintf(line, sizeof line, "genesis new --name x --allocate %s --replica %s", pays,
	         words[WORD_CNT - 1]);
	add(line);
}

static void teardown(void)
{
	tidy(true);
	close(out_fd);
	close(err_fd);
	rmdir(files);
	place_teardown((void *[]){place});
}

/* ---- the test ------------------------------------------------------------------------------------------ */

/* Is the word in the list, which ends with NULL? */
static bool has(char *const *list, const char *word)
{
	for (; *list; list++)
		if (strcmp(*list, word) == 0)
			return true;
	return false;
}

/* Words of the input, in `text`; false: one of them is not to be tried here: it might start or find a node,
 * or name a file elsewhere. *plain: all are of the list, and ask for no help. */
static bool read_words(uint8_t *data, size_t len, char *list[WORDS_MAX + 1], int *cnt, bool *plain)
{
	static char none[] = "", node[] = "node", testnet[] = "testnet", send[] = "send", sim[] = "sim";
	static char *const servers[] = {node, testnet, send, sim, NULL};

	*cnt = 0;
	*plain = true;
	for (size_t i = 0; i < len && *cnt < WORDS_MAX; i++) {
		if (data[i] < 0x80) {
			const char *word = words[data[i] % WORD_CNT];
			list[(*cnt)++] = (char *)(uintptr_t)word;
			*plain = *plain && strcmp(word, "--") != 0 && strcmp(word, "help") != 0 &&
			         strcmp(word, "--help") != 0 && strcmp(word, "--usage") != 0 &&
			         strcmp(word, "--version") != 0;
			continue;
		}
		size_t end = i + 1 + strnlen((char *)data + i + 1, len - i - 1);
		*plain = false;
		list[(*cnt)++] = end < len ? (char *)data + i + 1 : none; /* ends with a zero */
		i = end;
		const char *word = list[*cnt - 1];
		if (strchr(word, '/') || strcasestr(word, "http") || strstr(word, "--n") ||
		    (*cnt == 1 && has(servers, word)))
			return false;
	}
	return true;
}

static size_t output(int fd, char *buf, size_t cap)
{
	ssize_t len = pread(fd, buf, cap - 1, 0);

	must(len >= 0);
	buf[len] = '\0';
	return (size_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char out[OUTPUT_MAX];
	char *list[WORDS_MAX + 1] = {NULL};
	uint8_t *copy = xmemdup(data, len > 0 ? len : 1);
	bool plain;
	int cnt;

	if (!read_words(copy, len, list, &cnt, &plain)) {
		free(copy);
		return 0;
	}
	int status = run_words(list, cnt);
	size_t err_len = output(err_fd, out, sizeof out);
	must(WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_WORLD);
	must(WEXITSTATUS(status) == EXIT_DONE || err_len > 0 || has(list, "audit") || has(list, "verify") ||
	     has(list, "why"));
	size_t out_len = output(out_fd, out, sizeof out);
	if (plain && WEXITSTATUS(status) == EXIT_DONE && has(list, "--json") && out_len > 0) {
		json_t *json = json_loadb(out, out_len, JSON_DECODE_ANY, NULL);
		must(json != NULL);
		json_decref(json);
	}
	tidy(false);
	free(copy);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "command", .runs = 40, .record = 1, .setup = setup, .teardown = teardown};
