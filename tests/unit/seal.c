/*
 * Proof of work: numbers of 256 bits, targets that follow from the headers below, and what a seal must
 * satisfy. The tables were made by a few lines of Python, whose integers have no bounds. Links: q_rules
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../consensus/rules/seal.c" /* for scale() */

#define T0 1700000000000 /* a wall clock */

static struct qtarget number(const char *hex)
{
	struct qtarget t;

	assert_true(hex_decode(t.b, sizeof t.b, hex));
	return t;
}

static void assert_number(const struct qtarget *t, const char *want)
{
	char hex[QHASH_HEX];

	assert_string_equal(hex_encode(hex, t->b, sizeof t->b), want);
}

static struct genesis asking_for(unsigned bits, unsigned bits_max, unsigned interval_ms)
{
	struct genesis g = {.g = {.time_ms = T0, .seal.kind = QSEAL_POW}};

	g.g.seal.qseal_rules_u.pow = (struct qpow_rules){
	    .bits = bits, .bits_max = bits_max, .interval_ms = interval_ms, .hash_rate = 1000};
	return g;
}

/* t + by, which must not overflow. */
static struct qtarget moved(struct qtarget t, int by)
{
	for (size_t i = sizeof t.b; i-- > 0 && by != 0;) {
		int sum = t.b[i] + by;
		t.b[i] = (uint8_t)sum;
		by = sum < 0 ? -1 : sum > 0xff;
	}
	assert_int_equal(by, 0);
	return t;
}

/* ---- numbers of 256 bits ----------------------------------------------------- */

static void a_target_has_the_leading_zero_bits_that_were_asked_for(void **state)
{
	(void)state;
	static const struct {
		unsigned bits;
		const char *target;
	} rows[] = {
	    {0, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {1, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {7, "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {8, "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {9, "007fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {48, "000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {255, "0000000000000000000000000000000000000000000000000000000000000001"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct qtarget t = seal_target_of_bits(rows[i].bits);
		assert_number(&t, rows[i].target);
	}
	for (unsigned bits = 0; bits < 256; bits++) {
		struct qtarget t = seal_target_of_bits(bits);
		for (unsigned bit = 0; bit < 256; bit++)
			assert_int_equal(t.b[bit / 8] >> (7 - bit % 8) & 1, bit >= bits);
	}
}

static void a_number_is_compared_from_its_first_byte_to_its_last(void **state)
{
	(void)state;
	uint8_t a[32], b[32];

	memset(a, 0x80, sizeof a);
	memset(b, 0x80, sizeof b);
	assert_true(seal_at_most(a, b));
	for (size_t i = 0; i < sizeof a; i++) {
		b[i]++; /* and all that follows says the contrary */
		memset(a + i + 1, 0xff, sizeof a - i - 1);
		memset(b + i + 1, 0, sizeof b - i - 1);
		assert_true(seal_at_most(a, b));
		assert_false(seal_at_most(b, a));
		b[i]--;
		memset(a, 0x80, sizeof a);
		memset(b, 0x80, sizeof b);
	}
}

static void each_bit_doubles_the_work(void **state)
{
	(void)state;
	double work = 1;

	for (unsigned bits = 0; bits < 256; bits++, work *= 2) {
		struct qtarget t = seal_target_of_bits(bits);
		assert_true(seal_work(&t) == work);
	}
	assert_true(seal_work(&(struct qtarget){{0}}) == work);
	/* Half-way between 2^248 - 1 and 2^247 - 1. */
	struct qtarget t = number("00bfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
	assert_true(seal_work(&t) == 256 * 4 / 3.0);
}

static void scaling_is_exact_rounds_down_and_ends_at_the_greatest_number(void **state)
{
	(void)state;
	static const struct {
		const char *number;
		uint64_t mul, div;
		const char *want;
	} rows[] = {
	    {"0000000000000000000000000000000000000000000000000000000000000000", 1099511627775, 1,
	     "0000000000000000000000000000000000000000000000000000000000000000"},
	    {"0000000000000000000000000000000000000000000000000000000000000000", 1, 1099511627775,
	     "0000000000000000000000000000000000000000000000000000000000000000"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1, 1,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0, 1,
	     "0000000000000000000000000000000000000000000000000000000000000000"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1099511627775, 1099511627775,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1099511627775, 1099511627774,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1099511627774, 1099511627775,
	     "fffffffffefffffffffefffffffffefffffffffefffffffffefffffffffefffe"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 2, 1,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1099511627775, 1,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1, 1099511627775,
	     "0000000001000000000100000000010000000001000000000100000000010000"},
	    {"0000000000000000000000000000000000000000000000000000000000000001", 1, 2,
	     "0000000000000000000000000000000000000000000000000000000000000000"},
	    {"0000000000000000000000000000000000000000000000000000000000000001", 1, 1,
	     "0000000000000000000000000000000000000000000000000000000000000001"},
	    {"0000000000000000000000000000000000000000000000000000000000000001", 1099511627775, 1,
	     "000000000000000000000000000000000000000000000000000000ffffffffff"},
	    {"0000000000000000000000000000000000000000000000000000000000000001", 1099511627775, 1099511627775,
	     "0000000000000000000000000000000000000000000000000000000000000001"},
	    {"0000000000000000000000000000000000000000000000000000000000000002", 1099511627775, 3,
	     "000000000000000000000000000000000000000000000000000000aaaaaaaaaa"},
	    {"8000000000000000000000000000000000000000000000000000000000000000", 2, 1,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 2, 1,
	     "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
	    {"8000000000000000000000000000000000000000000000000000000000000000", 4, 2,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"5555555555555555555555555555555555555555555555555555555555555555", 3, 1,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"5555555555555555555555555555555555555555555555555555555555555556", 3, 1,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e390", 9, 8,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e388", 9, 8,
	     "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff9"},
	    {"00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 31, 32,
	     "00000f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 36, 32,
	     "000011fffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
	    {"000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffff", 111600000, 115200000,
	     "000000000000f7ffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"000065c6bf993496c33897640cf257631c110a75628b6c95dfd987358b3d0ed8", 49569199, 364976438617,
	     "0000000389e303f96bf5d4ad78cb5b2fa9ee277dec39b3af40e62820feb0fb94"},
	    {"00000000000000000000000000000000000000000000000038ce338c3bd5eb66", 3039, 1463,
	     "00000000000000000000000000000000000000000000000075ff9f0c06b4500b"},
	    {"024462f7283f38d06cd7fcf62664afb045fec6d02b60d7f2c8a4415e8c2696a8", 2867, 2553,
	     "028bc5128c281d01b980f141bf9f18864795bd45d30eb2889280e7d7acee4482"},
	    {"03aa52e0425e86e5f26b893c68be2176a4afbe9dcc678d0d2c9189748bbb9175", 34874049, 229,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"024574f7610157ce43956e13e2e8379fdbd2809e05a7fcf1cd9b19fd40e1e7bc", 387100624375, 616012062979,
	     "016d62e05a10ca759b10332cb233c824695b8e155caf550ce67a752581c137f3"},
	    {"ac32e0e004b3d2a649374105ce609cdb886beed85e73c75a75282e51094994b2", 124306041385, 52645119,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {"e6b3316f3b52a99913358774ddbf11170cfdca04d7a2806eaa649f3f6f0b1c42", 84639623, 320760129307,
	     "000f958583ffcebf9d61dd2d3ec28515409ed827be9ab81b8ff3a47e350e0ea6"},
	    {"c55875b5a5ce83ec0eeabd31dc4025b475112f26cbc322b0fd4b6a0b4b4dd026", 132614167, 27187821,
	     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct qtarget t = number(rows[i].number), got = scale(&t, rows[i].mul, rows[i].div);
		assert_number(&got, rows[i].want);
	}
}

/* ---- the next target ------------------------------------------------------------ */

static void the_next_target_is_the_recorded_one(void **state)
{
	(void)state;
	static const struct {
		unsigned bits, bits_max, interval_ms;
		const char *target; /* of the block below */
		uint64_t time_ms, before_ms;
		const char *want;
	} rows[] = {
	    {20, 30, 1000, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000001000,
	     1700000000000, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000001000,
	     1700000000000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000000999,
	     1700000000000, "000000fffdf3b645a1cac083126e978d4fdf3b645a1cac083126e978d4fdf3b5"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000001001,
	     1700000000000, "00000100020c49ba5e353f7ced916872b020c49ba5e353f7ced916872b020c48"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000000000,
	     1700000000000, "000000f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000000001,
	     1700000000000, "000000f8020c49ba5e353f7ced916872b020c49ba5e353f7ced916872b020c48"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000005000,
	     1700000000000, "0000011ffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000005001,
	     1700000000000, "0000011ffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	     1001700000000000, 1700000000000,
	     "0000011ffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000004999,
	     1700000000000, "0000011ffdf3b645a1cac083126e978d4fdf3b645a1cac083126e978d4fdf3b5"},
	    {20, 30, 1000, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000001001,
	     1700000000000, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000000999,
	     1700000000000, "00000fffdf3b645a1cac083126e978d4fdf3b645a1cac083126e978d4fdf3b63"},
	    {20, 30, 1000, "00000003ffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000000999,
	     1700000000000, "00000003ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "00000003ffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000001001,
	     1700000000000, "0000000400083126e978d4fdf3b645a1cac083126e978d4fdf3b645a1cac0830"},
	    {20, 30, 1000, "0000000400000000000000000000000000000000000000000000000000000000", 1700000000001,
	     1700000000000, "00000003ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "00000f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000005000,
	     1700000000000, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {1, 48, 3600000, "000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffff",
	     1701000000000, 1700000000000,
	     "0000000000011ffffffffffffffffffffffffffffffffffffffffffffffffffe"},
	    {1, 48, 3600000, "0000000000010000000000000000000000000000000000000000000000003038",
	     1700000000000, 1700000000000,
	     "000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {1, 48, 3600000, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	     1700000000001, 1700000000000,
	     "7c000012a42f961f79b9593aa54734e945917b16dfb6e4155f3c8e9d160dffcb"},
	    {12, 44, 7, "000000094b07ef8c0db75f8838b5e85ec12930b1d1601ac196ca5f26795f8ba2", 1700000000006,
	     1700000000000, "0000000940690b0c9239fbad53e2cf55304c6f559870d17e70672eb9bb1df9dd"},
	    {12, 44, 7, "00000001138c67febfa12899c059c279dcbbe074bd7f8fee5ccadace065d499c", 1700000000009,
	     1700000000000, "0000000116023b35983298f68d7f21ed3c6b44beece78eee347a61546f9067fb"},
	    {12, 44, 7, "00007f6712e69ff8a8c684da1cded5f20f749d1bd1ddf82e01ca778268646adf", 1700000000034,
	     1700000000000, "00008ec25ae4b58a0f679726b059b204f39aab79757302aa68dd283344f9aa09"},
	    {12, 44, 1, "000058a84e24b8103edeeca43cfc197b0163d2585b637d3141f69191e35d7fc7", 1700000000002,
	     1700000000000, "00005b6d9095ddd0c0d5e4095ee3fa46d96ef0eb1e3e991acc06461e72786bc5"},
	    {10, 10, 1000, "003fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000000123,
	     1700000000000, "003fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {10, 10, 1000, "003fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000004000,
	     1700000000000, "003fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1699999999999,
	     1700000000000, "000000f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0,
	     1700000000000, "000000f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", UINT64_MAX, 1,
	     "0000011ffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
	    {20, 30, 1000, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700000000000,
	     0, "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {20, 20, 0, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 1700001000000,
	     1700000000000, "00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct genesis g = asking_for(rows[i].bits, rows[i].bits_max, rows[i].interval_ms);
		struct seal_parent p = {number(rows[i].target), rows[i].time_ms, rows[i].before_ms};
		struct qtarget got = seal_target(&g, &p);
		assert_number(&got, rows[i].want);
	}
}

static uint64_t random_state;

static double uniform(void) /* between 0 and 1, neither included */
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return ((double)(random_state >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
}

static void a_step_is_small_and_stays_within_the_bounds_of_the_genesis(void **state)
{
	(void)state;
	struct genesis g = asking_for(9, 40, 1000);
	struct qtarget easiest = seal_target_of_bits(9), hardest = seal_target_of_bits(40);
	struct seal_parent p;

	random_state = 1;
	seal_genesis(&g, &p);
	p.before_ms = 1;
	for (int i = 0; i < 20000; i++) {
		/* Long runs to either side, so that both bounds are met. */
		p.time_ms = p.before_ms + (uint64_t)(uniform() * (i / 2000 % 2 ? 20000 : 500));
		struct qtarget t = seal_target(&g, &p);
		double step = seal_work(&t) / seal_work(&p.target);
		assert_true(step <= 32 / 31.0 * 1.000001 && step >= 8 / 9.0 * 0.999999);
		assert_true(seal_at_most(hardest.b, t.b) && seal_at_most(t.b, easiest.b));
		if (i == 1999)
			assert_memory_equal(t.b, hardest.b, sizeof t.b);
		if (i == 3999)
			assert_memory_equal(t.b, easiest.b, sizeof t.b);
		p.target = t;
	}
}

/* One header up, with the seal that is asked for there. */
static void extend(const struct genesis *g, struct seal_parent *p, uint64_t *height, uint64_t time_ms)
{
	struct qheader h = {.height = {++*height}, .time_ms = time_ms};

	seal_prepare(g, p, &h.seal);
	assert_true(seal_follows(g, p, &h));
	seal_extend(p, &h);
}

static void the_time_since_the_genesis_does_not_count(void **state)
{
	(void)state;
	struct genesis g = asking_for(20, 30, 1000);
	struct qtarget first = seal_target_of_bits(20), t;
	struct seal_parent p;
	uint64_t height = 0;

	seal_genesis(&g, &p);
	assert_int_equal(p.time_ms, T0);
	t = seal_target(&g, &p);
	assert_memory_equal(t.b, first.b, sizeof t.b); /* of height 1 */
	extend(&g, &p, &height, T0 + 1);
	t = seal_target(&g, &p);
	assert_memory_equal(t.b, first.b,
	                    sizeof t.b); /* of height 2: only the genesis lies below its parent */
	extend(&g, &p, &height, T0 + 2);
	t = seal_target(&g, &p);
	assert_memory_not_equal(t.b, first.b, sizeof t.b);
	assert_true(seal_at_most(t.b, first.b));
}

static void without_an_interval_the_target_never_moves(void **state)
{
	(void)state;
	struct genesis g = asking_for(20, 20, 0);
	struct qtarget first = seal_target_of_bits(20);
	struct seal_parent p;
	uint64_t height = 0;

	seal_genesis(&g, &p);
	for (unsigned i = 1; i <= 100; i++) {
		extend(&g, &p, &height, p.time_ms + (i % 2 ? 1 : 1000000));
		assert_memory_equal(p.target.b, first.b, sizeof first.b);
		assert_int_equal(p.time_ms, T0 + (i + 1) / 2 + i / 2 * 1000000);
	}
}

/* ---- retargeting in the long run ---------------------------------------------------- */

struct simulated {
	struct genesis g;
	struct seal_parent p;
	uint64_t height;
	double now_ms; /* true time; headers show whole ms, each above its parent's */
};

static struct simulated simulated(unsigned bits, unsigned bits_max, unsigned interval_ms)
{
	struct simulated s = {.g = asking_for(bits, bits_max, interval_ms), .now_ms = T0 + 1e6};

	seal_genesis(&s.g, &s.p);
	return s;
}

/* Mines a block; the time that it took, in intervals. `luck` 1: what it takes on average. */
static double mine(struct simulated *s, double tries_a_ms, double luck, double clock_error_ms)
{
	struct qtarget t = seal_target(&s->g, &s->p);
	double took = seal_work(&t) / tries_a_ms * luck;

	s->now_ms += took;
	uint64_t time_ms = (uint64_t)(s->now_ms + clock_error_ms);
	extend(&s->g, &s->p, &s->height, time_ms > s->p.time_ms ? time_ms : s->p.time_ms + 1);
	return took / rules(&s->g)->interval_ms;
}

static double mean_of(struct simulated *s, unsigned blocks, double tries_a_ms)
{
	double sum = 0;

	for (unsigned i = 0; i < blocks; i++)
		sum += mine(s, tries_a_ms, -log(uniform()), 0);
	return sum / blocks;
}

static void blocks_come_an_interval_apart_whatever_the_power(void **state)
{
	(void)state;
	static const unsigned intervals[] = {20, 1000, 60000};

	for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
		struct simulated s = simulated(4, 48, intervals[i]);
		double power = 65536.0 / intervals[i]; /* 16 bits are right; the first target has 4 */
		random_state = i + 1;
		mean_of(&s, 400, power);
		double steady = mean_of(&s, 20000, power);
		assert_true(steady > 1 && steady < 1.05);
		/* Sixteen times the power, and then a thirty-second of that: soon forgotten. */
		mean_of(&s, 200, 16 * power);
		steady = mean_of(&s, 20000, 16 * power);
		assert_true(steady > 1 && steady < 1.05);
		mean_of(&s, 200, power / 2);
		steady = mean_of(&s, 20000, power / 2);
		assert_true(steady > 1 && steady < 1.05);
	}
}

/*
 * Proposer says that it is d ms later than it is. The next ones are behind their parents' times until true
 * time has caught up, and each shows one ms more: their targets fall, but no further than to 1 / (1 + d / 31
 * intervals), for the harder the blocks, the longer they take.
 */
static void a_lie_about_the_time_costs_little_and_wears_off(void **state)
{
	(void)state;
	struct simulated s = simulated(4, 48, 1000);
	double power = 65.536, most = 0, lie_ms = 20000;

	for (int i = 0; i < 1000; i++)
		mine(&s, power, 1, 0);
	double usual = seal_work(&s.p.target);
	mine(&s, power, 1, lie_ms);
	for (int i = 0; i < 400; i++) {
		mine(&s, power, 1, 0);
		double work = seal_work(&s.p.target);
		most = work > most ? work : most;
	}
	assert_true(most > 1.2 * usual && most < (1 + lie_ms / 31000) * 1.05 * usual);
	assert_true(seal_work(&s.p.target) < 1.02 * usual && seal_work(&s.p.target) > 0.98 * usual);
}

/* ---- what a seal must satisfy ---------------------------------------------------------- */

static struct qheader sealed_with(struct qtarget t)
{
	struct qheader h = {.height = {5}, .seal.kind = QSEAL_POW};

	h.seal.qseal_u.pow.target = t;
	return h;
}

static struct qhash hash_of(struct qtarget t)
{
	struct qhash hash;

	memcpy(hash.b, t.b, sizeof hash.b);
	return hash;
}

static void a_chain_without_seals_takes_headers_without(void **state)
{
	(void)state;
	struct genesis g = {.g.time_ms = T0};
	struct qheader bare = {.height = {5}}, sealed = sealed_with(seal_target_of_bits(0));
	struct qhash hash = hash_of(seal_target_of_bits(0));
	struct seal_parent p;
	struct qseal seal;

	memset(&seal, 0xff, sizeof seal);
	seal_genesis(&g, &p);
	seal_prepare(&g, &p, &seal);
	assert_int_equal(seal.kind, QSEAL_NONE);
	assert_true(seal_holds(&g, &bare, &hash));
	assert_true(seal_follows(&g, &p, &bare));
	assert_false(seal_holds(&g, &sealed, &hash));
	seal_extend(&p, &bare);
	assert_true(seal_follows(&g, &p, &bare));
}

static void a_seal_that_is_asked_for_must_be_there(void **state)
{
	(void)state;
	struct genesis fixed = asking_for(20, 20, 0), moving = asking_for(20, 30, 1000);
	struct qheader bare = sealed_with(seal_target_of_bits(20));
	struct qhash hash = {{0}};
	struct seal_parent p;

	bare.seal.kind = QSEAL_NONE; /* and its bytes as if there were one */
	seal_genesis(&fixed, &p);
	assert_false(seal_holds(&fixed, &bare, &hash));
	assert_false(seal_holds(&moving, &bare, &hash));
	assert_false(seal_follows(&fixed, &p, &bare));
}

static void the_hash_is_at_most_the_target(void **state)
{
	(void)state;
	struct genesis g = asking_for(20, 30, 1000);

	for (unsigned bits = 20; bits <= 30; bits++) {
		struct qheader h = sealed_with(seal_target_of_bits(bits));
		struct qhash least = {{0}}, most = hash_of(seal_target_of_bits(bits));
		struct qhash above = hash_of(moved(seal_target_of_bits(bits), 1));
		assert_true(seal_holds(&g, &h, &least));
		assert_true(seal_holds(&g, &h, &most));
		assert_false(seal_holds(&g, &h, &above));
	}
}

static void a_target_is_within_the_bounds_of_the_genesis(void **state)
{
	(void)state;
	struct genesis moving = asking_for(20, 30, 1000), fixed = asking_for(20, 20, 0);
	struct qtarget easiest = seal_target_of_bits(20), hardest = seal_target_of_bits(30);
	struct qhash hash = {{0}};
	struct {
		struct qtarget target;
		bool moving, fixed; /* does it hold? */
	} rows[] = {
	    {easiest, true, true},
	    {moved(easiest, -1), true, false},
	    {moved(easiest, 1), false, false},
	    {hardest, true, false},
	    {moved(hardest, 1), true, false},
	    {moved(hardest, -1), false, false},
	    {seal_target_of_bits(0), false, false},
	    {seal_target_of_bits(255), false, false},
	    {{{0}}, false, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct qheader h = sealed_with(rows[i].target);
		assert_int_equal(seal_holds(&moving, &h, &hash), rows[i].moving);
		assert_int_equal(seal_holds(&fixed, &h, &hash), rows[i].fixed);
	}
}

static void only_the_target_that_the_ancestors_ask_for_follows(void **state)
{
	(void)state;
	struct genesis g = asking_for(20, 30, 1000);
	struct seal_parent p = {seal_target_of_bits(24), T0 + 1234, T0};
	struct qtarget want = seal_target(&g, &p);
	struct qheader h = sealed_with(want);

	assert_true(seal_follows(&g, &p, &h));
	for (int by = -1; by <= 1; by += 2) { /* harder is as wrong as easier */
		h = sealed_with(moved(want, by));
		assert_false(seal_follows(&g, &p, &h));
	}
	h = sealed_with(p.target);
	assert_false(seal_follows(&g, &p, &h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_target_has_the_leading_zero_bits_that_were_asked_for),
	    cmocka_unit_test(a_number_is_compared_from_its_first_byte_to_its_last),
	    cmocka_unit_test(each_bit_doubles_the_work),
	    cmocka_unit_test(scaling_is_exact_rounds_down_and_ends_at_the_greatest_number),
	    cmocka_unit_test(the_next_target_is_the_recorded_one),
	    cmocka_unit_test(a_step_is_small_and_stays_within_the_bounds_of_the_genesis),
	    cmocka_unit_test(the_time_since_the_genesis_does_not_count),
	    cmocka_unit_test(without_an_interval_the_target_never_moves),
	    cmocka_unit_test(blocks_come_an_interval_apart_whatever_the_power),
	    cmocka_unit_test(a_lie_about_the_time_costs_little_and_wears_off),
	    cmocka_unit_test(a_chain_without_seals_takes_headers_without),
	    cmocka_unit_test(a_seal_that_is_asked_for_must_be_there),
	    cmocka_unit_test(the_hash_is_at_most_the_target),
	    cmocka_unit_test(a_target_is_within_the_bounds_of_the_genesis),
	    cmocka_unit_test(only_the_target_that_the_ancestors_ask_for_follows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
