/*
 * driver.c: the engine of a fuzz target where there is no libFuzzer (see fuzz.h): every seed and regression
 * as it is, then a fixed number of damaged ones, the same on every machine.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "err.h"
#include "fuzz.h"

#define INPUT_MAX (1u << 20)

static unsigned runs;
static uint64_t seed = 1;
static int file_cnt;
static char **files;

/* A sanitizer's finding is a signal, too, so that the handler below sees it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1:handle_abort=0:allocator_may_return_null=1";
}

/* ---- the input under test, for whoever has to look at it afterwards ---------------- */

static const uint8_t *input;
static size_t input_len;
static unsigned *inputs_done; /* shared with the process that waits for a canary */

static void put(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

static void leave_input(void)
{
	char path[64] = "crash-";
	FILE *f;

	strncat(path, fuzz_target.name, sizeof path - strlen(path) - 1);
	f = fopen(path, "w");
	if (f) {
		fwrite(input, 1, input_len, f);
		fclose(f);
		put("the input is in ");
		put(path);
		put(": run this program with it to see it again\n");
	}
}

static void killed(int sig)
{
	leave_input(); /* stdio is not safe in a handler; the process is lost anyway */
	signal(sig, SIG_DFL);
	raise(sig);
}

/* An exact copy on the heap, so that reading one byte too far is found. */
static void try(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	must(copy != NULL);
	memcpy(copy, data, len);
	input = copy;
	input_len = len;
	LLVMFuzzerTestOneInput(copy, len);
	++*inputs_done;
	input = NULL;
	free(copy);
}

/* ---- damage -------------------------------------------------------------------- */

static uint64_t random_next(void) /* splitmix64 */
{
	uint64_t z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static size_t below(size_t n)
{
	return n > 0 ? (size_t)(random_next() % n) : 0;
}

static const struct bytes *any_seed(void)
{
	return fuzz_seed_at(below(fuzz_seed_cnt()));
}

/* XDR's units are four bytes: most edits keep to them, else nearly all fail at the first length. */
static size_t place(size_t len)
{
	size_t at = below(len);

	return below(4) ? at & ~(size_t)3 : at;
}

static void put_number(uint8_t *buf, size_t len)
{
	static const uint32_t numbers[] = {0,    1,    2,    3,    4,          5,          7,
	                                   8,    63,   64,   65,   255,        256,        257,
	                                   1023, 1024, 1025, 8192, 0x7fffffff, 0x80000000, 0xffffffff};
	uint32_t n = numbers[below(sizeof numbers / sizeof *numbers)];
	size_t at = place(len);

	for (int i = 0; i < 4 && at < len; i++, at++)
		buf[at] = (uint8_t)(n >> (24 - 8 * i));
}

/* Replaces `old` bytes at `at` by `new` bytes of a genuine value. */
static size_t splice(uint8_t *buf, size_t len, size_t at, size_t old, size_t new)
{
	const struct bytes *b = any_seed();
	size_t from = place(b->len);

	if (at + old > len)
		old = len - at;
	if (new > b->len - from)
		new = b->len - from;
	if (len - old + new > INPUT_MAX)
		return len;
	memmove(buf + at + new, buf + at + old, len - at - old);
	memcpy(buf + at, b->data + from, new);
	return len - old + new;
}

static size_t damage(uint8_t *buf, size_t len)
{
	static const char text[] = "{}[]\":,0123456789.-eE\\u \n\tabcdef";
	size_t some = below(2) ? 4 * (1 + below(32)) : 1 + below(8);

	if (len == 0)
		return splice(buf, len, 0, 0, some);
	switch (below(10)) {
	case 0:
		buf[below(len)] = (uint8_t)random_next();
		break;
	case 1:
		buf[below(len)] = (uint8_t)text[below(sizeof text - 1)];
		break;
	case 2:
	case 3:
		put_number(buf, len);
		break;
	case 4:
		return splice(buf, len, place(len), some, some);
	case 5:
		return splice(buf, len, place(len), 0, some);
	case 6:
		return splice(buf, len, place(len), some, 0);
	case 7:
		return place(len);
	default:
		buf[below(len)] ^= (uint8_t)(1 << below(8));
		break;
	}
	return len;
}

static void try_damaged(uint8_t *buf)
{
	const struct bytes *b = any_seed();
	size_t len = b->len;

	memcpy(buf, b->data, len);
	do
		if (below(4) == 0 || !fuzz_change_records(buf, &len, INPUT_MAX, random_next()))
			len = damage(buf, len);
	while (below(3));
	try(buf, len);
}

/* ---- running --------------------------------------------------------------------- */

static void run_all(void)
{
	uint8_t *buf = xcalloc(INPUT_MAX, 1);

	signal(SIGABRT, killed);
	signal(SIGSEGV, killed);
	must(fuzz_seed_cnt() > 0);
	for (size_t i = 0; i < fuzz_seed_cnt(); i++)
		try(fuzz_seed_at(i)->data, fuzz_seed_at(i)->len);
	try(buf, 0);
	for (unsigned i = 0; i < runs; i++)
		try_damaged(buf);
	free(buf);
}

static void replay(const char *path)
{
	uint8_t *buf = xcalloc(INPUT_MAX, 1);
	FILE *f = fopen(path, "r");

	if (!f)
		fail_msg("%s cannot be opened", path);
	size_t len = fread(buf, 1, INPUT_MAX, f);
	fclose(f);
	try(buf, len);
	free(buf);
}

static void every_input_is_answered(void **state)
{
	(void)state;
	for (int i = 0; i < file_cnt; i++)
		replay(files[i]);
	if (file_cnt == 0)
		run_all();
}

/* In a process of its own, which has to die of the bug, and not before it was looked for. */
static void the_planted_bug_is_found(void **state)
{
	(void)state;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		/* The report of the bug is no news. */
		if (!freopen("/dev/null", "w", stderr) || chdir("/tmp") != 0)
			_exit(0);
		run_all();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_in_range(*inputs_done, fuzz_seed_cnt() + 1, fuzz_seed_cnt() + runs);
}

static int setup(void **state)
{
	(void)state;
	inputs_done =
	    mmap(NULL, sizeof *inputs_done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (inputs_done == MAP_FAILED)
		return -1;
	fuzz_begin();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (input) /* a failed assertion of cmocka's left it */
		leave_input();
	fuzz_finish();
	return munmap(inputs_done, sizeof *inputs_done);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest survives[] = {cmocka_unit_test(every_input_is_answered)};
	const struct CMUnitTest finds[] = {cmocka_unit_test(the_planted_bug_is_found)};

	runs = fuzz_target.runs;
	files = argv + 1;
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "-runs=", 6) == 0)
			runs = (unsigned)strtoul(argv[i] + 6, NULL, 10);
		else if (strncmp(argv[i], "-seed=", 6) == 0)
			seed = strtoull(argv[i] + 6, NULL, 10);
		else
			files[file_cnt++] = argv[i];
	return fuzz_target.canary ? cmocka_run_group_tests_name(fuzz_target.name, finds, setup, teardown)
	                          : cmocka_run_group_tests_name(fuzz_target.name, survives, setup, teardown);
}
