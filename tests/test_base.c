/* Errors, random numbers, units, suggestions, counters, progress, hashes. */
#include <errno.h>
#include <locale.h>

#include "base/counters.h"
#include "base/hash.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/suggest.h"
#include "base/units.h"
#include "tests/check.h"

/* --- err ------------------------------------------------------------- */

static void test_err_hands_back_errno(void **state)
{
	struct err e;

	assert_int_equal(-EINVAL, err_set(&e, -EINVAL, "%s: %d", "x", 7));
	assert_string_equal("x: 7", e.text);
	assert_int_equal(-EINVAL, err_prefix(&e, -EINVAL, "f:%d: ", 3));
	assert_string_equal("f:3: x: 7", e.text);
	assert_int_equal(-EIO, err_set(NULL, -EIO, "nobody listens"));
	assert_int_equal(-EIO, err_prefix(NULL, -EIO, "nobody"));
}

/* Whatever is typed, the text is one line and stays inside its buffer. */
static void test_err_is_one_bounded_line(void **state)
{
	struct {
		struct err e;
		char guard[8];
	} box;
	char long_text[2000];

	memset(box.guard, 'g', sizeof(box.guard));
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	err_set(&box.e, -EINVAL, "a\nb\tc\033[31m%s", long_text);
	assert_int_equal(sizeof(box.e.text) - 1, strlen(box.e.text));
	assert_memory_equal("a b c [31mx", box.e.text, 11);
	err_prefix(&box.e, -EINVAL, "%s", long_text);
	assert_int_equal(sizeof(box.e.text) - 1, strlen(box.e.text));
	assert_memory_equal("gggggggg", box.guard, 8);
}

/* --- rng ------------------------------------------------------------- */

/* The generator is the published one: first outputs of the reference state
 * s = {1, 2, 3, 4}, worked out by hand: rotl(2 * 5, 7) * 9 = 11520, then s[1]
 * has become 1 ^ 2 ^ 3 = 0. */
static void test_rng_is_xoshiro256starstar(void **state)
{
	struct rng r = { .s = { 1, 2, 3, 4 } };

	assert_int_equal(11520, rng_u64(&r));
	assert_int_equal(0, rng_u64(&r));
	assert_int_equal(1509978240, rng_u64(&r));
}

static void test_rng_same_seed_same_numbers(void **state)
{
	struct rng a, b, c;
	int differ = 0;

	rng_init(&a, 42);
	rng_init(&b, 42);
	rng_init(&c, 43);
	for (int i = 0; i < 1000; i++) {
		u64 x = rng_u64(&a);

		assert_int_equal(x, rng_u64(&b));
		differ += x != rng_u64(&c);
	}
	assert_int_equal(1000, differ);
}

/* A child depends on seed and stream, not on what the parent has drawn; no
 * two of many children start alike, children of children included. */
static void test_rng_split_is_independent(void **state)
{
	enum { NR = 200 };
	u64 first[2 * NR];
	struct rng parent, child, again, grandchild;

	rng_init(&parent, check_seed("split"));
	for (u64 i = 0; i < NR; i++) {
		rng_split(&parent, i, &child);
		rng_u64(&parent);
		rng_split(&parent, i, &again);
		rng_split(&child, NR - i, &grandchild);
		first[2 * i] = rng_u64(&child);
		first[2 * i + 1] = rng_u64(&grandchild);
		assert_int_equal(first[2 * i], rng_u64(&again));
	}
	for (int i = 0; i < 2 * NR; i++) {
		for (int k = 0; k < i; k++)
			assert_int_not_equal(first[i], first[k]);
	}
}

/* Chi-squared over bounds that a plain modulo or multiply would get right only
 * by luck: n just above 2^63 makes biased methods favour half the range 2:1. */
static void test_rng_below_is_unbiased(void **state)
{
	static const u64 bounds[] = { 1, 2, 3, 7, 10, 1000,
				      (1ull << 63) + 1, 3ull << 62, 0 };
	struct rng r;

	rng_init(&r, check_seed("below"));
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		u64 n = bounds[i];
		u64 nr_bins = n && n < 10 ? n : 10;
		u64 bin[10] = { 0 };
		double chi = 0, want = 20000.0 / (double)nr_bins;

		for (int k = 0; k < 20000; k++) {
			u64 x = rng_below(&r, n);

			assert_true(n == 0 || x < n);
			bin[(u64)((unsigned __int128)x * nr_bins /
				  (n ? n : ~(u64)0))]++;
		}
		for (u64 k = 0; k < nr_bins; k++)
			chi += ((double)bin[k] - want) * ((double)bin[k] - want) / want;
		/* 9 degrees of freedom: above 40 once in 10^5. */
		if (chi > 40)
			fail_msg("n = %llu: chi-squared %f",
				 (unsigned long long)n, chi);
	}
}

static void test_rng_between_and_double_stay_inside(void **state)
{
	bool low = false, high = false;
	struct rng r;

	rng_init(&r, check_seed("between"));
	for (int i = 0; i < 10000; i++) {
		u64 x = rng_between(&r, 5, 8);
		double d = rng_double(&r);

		assert_true(x >= 5 && x <= 8);
		low |= x == 5;
		high |= x == 8;
		assert_true(d >= 0 && d < 1);
	}
	assert_true(low && high);
	rng_between(&r, 0, UINT64_MAX);
	assert_int_equal(9, rng_between(&r, 9, 9));
	assert_true(rng_chance(&r, 1, 1));
	assert_false(rng_chance(&r, 0, 1));
}

/* As many in each of ten bins, whose bounds are the deciles -ln(1 - k / 10). */
static void test_rng_exponential_is_exponential(void **state)
{
	static const double decile[] = { 0.105361, 0.223144, 0.356675, 0.510826,
					 0.693147, 0.916291, 1.203973, 1.609438,
					 2.302585 };
	u32 mean = 1000000000;
	double chi = 0, sum = 0;
	u64 bin[10] = { 0 };
	struct rng r;

	rng_init(&r, check_seed("exponential"));
	for (int i = 0; i < 20000; i++) {
		double x = (double)rng_exponential(&r, mean) / mean;
		size_t k = 0;

		while (k < ARRAY_LEN(decile) && x >= decile[k])
			k++;
		bin[k]++;
		sum += x;
	}
	for (size_t k = 0; k < 10; k++)
		chi += ((double)bin[k] - 2000) * ((double)bin[k] - 2000) / 2000;
	if (chi > 40)
		fail_msg("chi-squared %f", chi);
	/* Five standard errors. */
	if (sum < 20000 - 5 * 141.4 || sum > 20000 + 5 * 141.4)
		fail_msg("mean %f", sum / 20000);
	assert_int_equal(0, rng_exponential(&r, 0));
}

/* Each of the 24 orders of four elements comes up about as often. */
static void test_rng_shuffle_reaches_every_order(void **state)
{
	u32 seen[256] = { 0 };
	int orders = 0;
	struct rng r;

	rng_init(&r, check_seed("shuffle"));
	for (int i = 0; i < 24000; i++) {
		u8 v[4] = { 0, 1, 2, 3 };

		rng_shuffle(&r, v, 4, 1);
		seen[v[0] << 6 | v[1] << 4 | v[2] << 2 | v[3]]++;
	}
	for (int i = 0; i < 256; i++) {
		if (!seen[i])
			continue;
		orders++;
		assert_in_range(seen[i], 800, 1200);
	}
	assert_int_equal(24, orders);
}

static void test_rng_shuffle_keeps_large_elements_whole(void **state)
{
	struct { u64 word[20]; } v[16];
	u64 sum = 0;
	struct rng r;

	rng_init(&r, check_seed("shuffle"));
	for (u64 i = 0; i < 16; i++)
		for (int k = 0; k < 20; k++)
			v[i].word[k] = i;
	rng_shuffle(&r, v, 16, sizeof(v[0]));
	for (int i = 0; i < 16; i++) {
		for (int k = 1; k < 20; k++)
			assert_int_equal(v[i].word[0], v[i].word[k]);
		sum |= 1ull << v[i].word[0];
	}
	assert_int_equal(0xffff, sum);
}

/* --- units ----------------------------------------------------------- */

static const struct {
	enum unit_kind kind;
	const char *text;
	int ret;
	u64 value;
} unit_rows[] = {
	{ UNIT_COUNT, "0", 0, 0 },
	{ UNIT_COUNT, "10k", 0, 10000 },
	{ UNIT_COUNT, "1.5k", 0, 1500 },
	{ UNIT_COUNT, "0x1F", 0, 31 },
	{ UNIT_COUNT, "18446744073709551615", 0, UINT64_MAX },
	{ UNIT_COUNT, "18446744073709551615.000", 0, UINT64_MAX },
	{ UNIT_COUNT, "0xffffffffffffffff", 0, UINT64_MAX },
	{ UNIT_COUNT, "007", 0, 7 },
	{ UNIT_COUNT, "18446744073709551616", -ERANGE, 0 },
	{ UNIT_COUNT, "0x10000000000000000", -ERANGE, 0 },
	{ UNIT_COUNT, "99999999999999999999999999999999999999999", -ERANGE, 0 },
	{ UNIT_COUNT, "18446744073709551615T", -ERANGE, 0 },
	{ UNIT_COUNT, "1.5", -EINVAL, 0 },
	{ UNIT_COUNT, "", -EINVAL, 0 },
	{ UNIT_COUNT, "-1", -EINVAL, 0 },
	{ UNIT_COUNT, "+1", -EINVAL, 0 },
	{ UNIT_COUNT, " 1", -EINVAL, 0 },
	{ UNIT_COUNT, "1 ", -EINVAL, 0 },
	{ UNIT_COUNT, "k", -EINVAL, 0 },
	{ UNIT_COUNT, "0x", -EINVAL, 0 },
	{ UNIT_COUNT, "0xg", -EINVAL, 0 },
	{ UNIT_COUNT, "1e3", -EINVAL, 0 },
	{ UNIT_COUNT, "1.k", -EINVAL, 0 },
	{ UNIT_COUNT, ".5k", -EINVAL, 0 },
	{ UNIT_COUNT, "1,5", -EINVAL, 0 },
	{ UNIT_COUNT, "10us", -EINVAL, 0 },
	{ UNIT_COUNT, "1.1111111111111k", -EINVAL, 0 },
	{ UNIT_COUNT, "1.5000000000000000000000k", 0, 1500 },
	{ UNIT_BYTES, "2M", 0, 2097152 },
	{ UNIT_BYTES, "2MiB", 0, 2097152 },
	{ UNIT_BYTES, "2mb", 0, 2097152 },
	{ UNIT_BYTES, "64K", 0, 65536 },
	{ UNIT_BYTES, "1.5K", 0, 1536 },
	{ UNIT_BYTES, "4096", 0, 4096 },
	{ UNIT_BYTES, "4096B", 0, 4096 },
	{ UNIT_BYTES, "16777215T", 0, 16777215ull << 40 },
	{ UNIT_BYTES, "16777216T", -ERANGE, 0 },
	{ UNIT_BYTES, "12q", -EINVAL, 0 },
	{ UNIT_BYTES, "1.0001K", -EINVAL, 0 },
	{ UNIT_NS, "10us", 0, 10000 },
	{ UNIT_NS, "10", 0, 10 },
	{ UNIT_NS, "1.5us", 0, 1500 },
	{ UNIT_NS, "2min", 0, 120000000000 },
	{ UNIT_NS, "0.000000001s", 0, 1 },
	{ UNIT_NS, "1.5ns", -EINVAL, 0 },
	{ UNIT_NS, "10m", -EINVAL, 0 },
	{ UNIT_NS, "18446744074s", -ERANGE, 0 },
	{ UNIT_HZ, "3GHz", 0, 3000000000 },
	{ UNIT_HZ, "3.2ghz", 0, 3200000000 },
	{ UNIT_HZ, "100MHz", 0, 100000000 },
	{ UNIT_HZ, "3G", -EINVAL, 0 },
};

static void test_units_parse(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(unit_rows); i++) {
		struct err e = { "" };
		u64 v = 77;
		int ret = units_parse(unit_rows[i].kind, unit_rows[i].text, &v,
				      &e);

		if (ret != unit_rows[i].ret ||
		    v != (ret ? 77 : unit_rows[i].value))
			fail_msg("'%s': got %d, %llu", unit_rows[i].text, ret,
				 (unsigned long long)v);
		if (ret)
			assert_contains(e.text, unit_rows[i].text);
		units_parse(unit_rows[i].kind, unit_rows[i].text, &v, NULL);
	}
}

static void test_units_format(void **state)
{
	static const struct {
		enum unit_kind kind;
		u64 value;
		const char *text;
	} rows[] = {
		{ UNIT_COUNT, 10000, "10000" },
		{ UNIT_BYTES, 0, "0" },
		{ UNIT_BYTES, 4096, "4K" },
		{ UNIT_BYTES, 4097, "4097" },
		{ UNIT_BYTES, 2097152, "2M" },
		{ UNIT_BYTES, UINT64_MAX, "18446744073709551615" },
		{ UNIT_NS, 0, "0" },
		{ UNIT_NS, 1, "1ns" },
		{ UNIT_NS, 1500, "1.5us" },
		{ UNIT_NS, 10000, "10us" },
		{ UNIT_NS, 1000000000, "1s" },
		{ UNIT_HZ, 3200000000, "3.2GHz" },
		{ UNIT_HZ, 100000000, "100MHz" },
	};
	char buf[UNITS_MAX_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(rows[i].text, units_format(rows[i].kind,
							       rows[i].value, buf));
	assert_string_equal("0", units_format_grouped(0, buf));
	assert_string_equal("999", units_format_grouped(999, buf));
	assert_string_equal("1,000", units_format_grouped(1000, buf));
	assert_string_equal("10,284,800", units_format_grouped(10284800, buf));
	assert_string_equal("18,446,744,073,709,551,615",
			    units_format_grouped(UINT64_MAX, buf));
}

/* What is printed reads back as the same value, in every unit. */
static void test_units_round_trip(void **state)
{
	char buf[UNITS_MAX_TEXT];
	struct rng r;

	rng_init(&r, check_seed("units"));
	for (int i = 0; i < 40000; i++) {
		enum unit_kind kind = (enum unit_kind)(i % 4);
		u64 v = rng_u64(&r) >> rng_below(&r, 64), back;
		double d, d_back;

		if (rng_chance(&r, 1, 2))
			v = v / 1000 * 1000;
		units_format(kind, v, buf);
		if (units_parse(kind, buf, &back, NULL) || back != v)
			fail_msg("%llu became '%s'", (unsigned long long)v, buf);
		d = (double)(s64)rng_u64(&r) * 0x1p-40;
		units_format_double(d, buf);
		if (units_parse_double(buf, &d_back, NULL) || d != d_back)
			fail_msg("%a became '%s'", d, buf);
	}
}

static void test_units_ranges(void **state)
{
	struct err e;
	u64 lo, hi;

	assert_int_equal(0, units_parse_range(UNIT_COUNT, "1..25", &lo, &hi, &e));
	assert_true(lo == 1 && hi == 25);
	assert_int_equal(0, units_parse_range(UNIT_BYTES, "4K..2M", &lo, &hi, &e));
	assert_true(lo == 4096 && hi == 2097152);
	assert_int_equal(0, units_parse_range(UNIT_COUNT, "8", &lo, &hi, &e));
	assert_true(lo == 8 && hi == 8);
	assert_int_equal(-EINVAL, units_parse_range(UNIT_COUNT, "5..4", &lo, &hi, &e));
	assert_contains(e.text, "'5..4' ends before");
	assert_int_equal(-EINVAL, units_parse_range(UNIT_COUNT, "..4", &lo, &hi, &e));
	assert_int_equal(-EINVAL, units_parse_range(UNIT_COUNT, "1..", &lo, &hi, &e));
	assert_int_equal(-EINVAL, units_parse_range(UNIT_COUNT, "1..2..3", &lo, &hi, &e));
	assert_int_equal(-ERANGE, units_parse_in(UNIT_COUNT, "0", 1, 1024, &lo, &e));
	assert_string_equal("0 is out of range 1..1024", e.text);
	assert_int_equal(0, units_parse_in(UNIT_COUNT, "1024", 1, 1024, &lo, &e));
	assert_int_equal(-ERANGE, units_parse_in(UNIT_COUNT, "1025", 1, 1024, &lo, &e));
}

static void test_units_doubles_and_bools(void **state)
{
	static const char *const bad[] = { "", "x", "1x", "nan", "inf", "-inf",
					   "+nan", " 1", "1 ", "1,5", "--1" };
	double d;
	bool b;

	assert_int_equal(0, units_parse_double("0.1", &d, NULL));
	assert_true(d == 0.1);
	assert_int_equal(0, units_parse_double("-2.5e3", &d, NULL));
	assert_true(d == -2500);
	assert_int_equal(-ERANGE, units_parse_double("1e999", &d, NULL));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (units_parse_double(bad[i], &d, NULL) != -EINVAL)
			fail_msg("'%s' passed for a number", bad[i]);
	}
	assert_int_equal(0, units_parse_bool("YES", &b, NULL));
	assert_true(b);
	assert_int_equal(0, units_parse_bool("off", &b, NULL));
	assert_false(b);
	assert_int_equal(-EINVAL, units_parse_bool("maybe", &b, NULL));
}

/* Points stay points where the user's locale writes commas. */
static void test_units_ignore_the_locale(void **state)
{
	static const char *const commas[] = { "de_DE.UTF-8", "de_DE.utf8",
					      "fr_FR.UTF-8", "de_DE" };
	char buf[UNITS_MAX_TEXT];
	bool found = false;
	double d;

	for (size_t i = 0; i < ARRAY_LEN(commas) && !found; i++)
		found = setlocale(LC_ALL, commas[i]) != NULL;
	if (!found) {
		print_message("# no locale with decimal commas is installed\n");
		skip();
	}
	assert_int_equal(0, units_parse_double("1.5", &d, NULL));
	assert_true(d == 1.5);
	assert_string_equal("1.5", units_format_double(1.5, buf));
	assert_string_equal("1.50", units_format_fixed(1.5, 2, buf, sizeof(buf)));
	setlocale(LC_ALL, "C");
}

/* --- suggest --------------------------------------------------------- */

static void test_suggest(void **state)
{
	static const char *const names[] = { "ipi", "batched", "range", "full",
					     "mprotect-storm", "munmap-storm",
					     "numa_scan_size_mb",
					     "numa_delay_ms", "scan_delay_ms",
					     "scan-size-m",
					     "zero-page", "pages",
					     NULL };
	static const struct {
		const char *word;
		const char *want;
	} rows[] = {
		{ "bached", "batched" }, { "abtched", "batched" },
		{ "BATCHED", "batched" }, { "ragne", "range" },
		{ "ip", "ipi" }, { "ipis", "ipi" }, { "mprotect", "mprotect-storm" },
		{ "munmap-strom", "munmap-storm" }, { "m", NULL },
		{ "xyz", NULL }, { "", NULL }, { "zzzzzzzzzz", NULL },
		{ "f", "full" },
		{ "scan_size_mb", "numa_scan_size_mb" },        /* not -size  */
		{ "delay_ms", NULL },   /* the end of two */
		{ "page", "pages" },    /* not zero-page  */
		{ "n_size_mb", NULL }, { "mb", NULL },
	};
	char buf[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = suggest(rows[i].word, names);

		if (!got != !rows[i].want || (got && strcmp(got, rows[i].want)))
			fail_msg("'%s': want %s, got %s", rows[i].word,
				 rows[i].want ? rows[i].want : "nothing",
				 got ? got : "nothing");
	}
	assert_string_equal("; did you mean 'range'?",
			    suggest_text("ragne", names, buf, sizeof(buf)));
	assert_string_equal("", suggest_text("xyz", names, buf, sizeof(buf)));
}

/* Distance is 0 only for equal words, symmetric, and one for one edit. */
static void test_suggest_distance_is_a_distance(void **state)
{
	struct rng r;

	rng_init(&r, check_seed("distance"));
	for (int i = 0; i < 5000; i++) {
		char a[12] = "", b[12] = "", edited[14];
		size_t at, na = rng_below(&r, 11), nb = rng_below(&r, 11);

		for (size_t k = 0; k < na; k++)
			a[k] = (char)('a' + rng_below(&r, 4));
		for (size_t k = 0; k < nb; k++)
			b[k] = (char)('a' + rng_below(&r, 4));
		assert_int_equal(suggest_distance(a, b), suggest_distance(b, a));
		assert_int_equal(strcmp(a, b) == 0, suggest_distance(a, b) == 0);
		at = rng_below(&r, na + 1);
		snprintf(edited, sizeof(edited), "%.*sx%s", (int)at, a, a + at);
		assert_int_equal(1, suggest_distance(a, edited));
	}
	assert_int_equal(1, suggest_distance("flush", "fulsh"));
	assert_int_equal(3, suggest_distance("kitten", "sitting"));
}

/* --- counters -------------------------------------------------------- */

static void test_counters_names_are_unique_and_found(void **state)
{
	enum counter c;

	for (size_t i = 0; i < NR_COUNTERS; i++) {
		assert_int_equal(0, counter_find(counter_names[i], &c));
		assert_int_equal(i, c);
		assert_non_null(counter_info[i].unit);
		assert_true(strlen(counter_info[i].help) > 0);
	}
	assert_null(counter_names[NR_COUNTERS]);
	assert_int_equal(-ENOENT, counter_find("dTLB-load", &c));
}

static void test_counters_add_and_subtract(void **state)
{
	struct counters a = { { 0 } }, b = { { 0 } };
	struct counter_mask m = { { 0 } };

	a.v[CTR_RUNS] = 3;
	b.v[CTR_RUNS] = 4;
	b.v[NR_COUNTERS - 1] = 9;
	counters_add(&a, &b);
	assert_int_equal(7, a.v[CTR_RUNS]);
	assert_int_equal(9, a.v[NR_COUNTERS - 1]);
	counters_sub(&a, &b);
	assert_int_equal(3, a.v[CTR_RUNS]);
	assert_int_equal(0, a.v[NR_COUNTERS - 1]);
	counter_mask_set(&m, CTR_IRQS);
	for (size_t i = 0; i < NR_COUNTERS; i++)
		assert_int_equal(i == CTR_IRQS,
				 counter_mask_has(&m, (enum counter)i));
}

/* --- progress, hash -------------------------------------------------- */

static void test_progress_line(void **state)
{
	struct progress p = { .done = 1234567, .total = 5000000,
			      .label = "explore", .unit = "states" };
	char buf[160];

	progress_line(&p, 2000000000, buf, sizeof(buf));
	assert_string_equal("explore: 1.23M/5.00M states, 617k/s, 0:06 left", buf);
	p.total = 0;
	progress_line(&p, 2000000000, buf, sizeof(buf));
	assert_string_equal("explore: 1.23M states, 617k/s", buf);
	p = (struct progress){ .total = 25, .label = "sweep", .unit = "points" };
	progress_line(&p, 0, buf, sizeof(buf));
	assert_string_equal("sweep: 0/25 points", buf);
	p.done = 25;
	progress_line(&p, 250000000000, buf, sizeof(buf));
	assert_string_equal("sweep: 25/25 points, 0/s, 0:00 left", buf);
}

/* Stderr as a file: auto writes nothing to it, always does. */
static void test_progress_is_silent_in_a_pipe(void **state)
{
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	struct progress p;
	long quiet, loud;

	assert_non_null(f);
	fflush(stderr);
	dup2(fileno(f), STDERR_FILENO);
	progress_start(&p, PROGRESS_AUTO, "x", "steps", 100);
	for (u64 i = 0; i <= 100; i++)
		progress_to(&p, i);
	progress_end(&p);
	quiet = (long)lseek(fileno(f), 0, SEEK_END);
	progress_start(&p, PROGRESS_ALWAYS, "x", "steps", 100);
	usleep(120000);
	for (u64 i = 0; i <= 100; i++)
		progress_to(&p, i);
	progress_end(&p);
	loud = (long)lseek(fileno(f), 0, SEEK_END);
	dup2(saved, STDERR_FILENO);
	close(saved);
	fclose(f);
	assert_int_equal(0, quiet);
	assert_true(loud > 0);
	assert_null(progress_modes[PROGRESS_NEVER + 1]);
}

/* XXH3's published value for the empty input, and 64 bits of it in the 128. */
static void test_hash_is_xxh3(void **state)
{
	struct hash128 a = hash128("abc", 3), b = hash128_seeded("abc", 3, 1);

	assert_int_equal(0x2d06800538d394c2ull, hash64("", 0));
	assert_int_not_equal(hash64("abc", 3), hash64_seeded("abc", 3, 1));
	assert_true(a.lo != b.lo && a.hi != b.hi);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_err_hands_back_errno),
	cmocka_unit_test(test_err_is_one_bounded_line),
	cmocka_unit_test(test_rng_is_xoshiro256starstar),
	cmocka_unit_test(test_rng_same_seed_same_numbers),
	cmocka_unit_test(test_rng_split_is_independent),
	cmocka_unit_test(test_rng_below_is_unbiased),
	cmocka_unit_test(test_rng_between_and_double_stay_inside),
	cmocka_unit_test(test_rng_exponential_is_exponential),
		cmocka_unit_test(test_rng_shuffle_reaches_every_order),
	cmocka_unit_test(test_rng_shuffle_keeps_large_elements_whole),
	cmocka_unit_test(test_units_parse),
	cmocka_unit_test(test_units_format),
	cmocka_unit_test(test_units_round_trip),
	cmocka_unit_test(test_units_ranges),
	cmocka_unit_test(test_units_doubles_and_bools),
	cmocka_unit_test(test_units_ignore_the_locale),
	cmocka_unit_test(test_suggest),
	cmocka_unit_test(test_suggest_distance_is_a_distance),
	cmocka_unit_test(test_counters_names_are_unique_and_found),
	cmocka_unit_test(test_counters_add_and_subtract),
	cmocka_unit_test(test_progress_line),
	cmocka_unit_test(test_progress_is_silent_in_a_pipe),
	cmocka_unit_test(test_hash_is_xxh3),
};

TEST_MAIN(tests)
