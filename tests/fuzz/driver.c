/* driver.c - a fuzzer that needs gcc alone: inputs are mutated, and those that
 * reach code that none reached before are kept and mutated further
 * (-fsanitize-coverage=trace-pc tells). The sanitizers decide what is wrong.
 *
 *	TARGET [-s SEED] [-t SECONDS] [-o FINDING] [FILE|DIR...]
 *	TARGET -r FILE...
 *
 * The first form fuzzes, starting from the target's seeds and the files. A
 * finding's input is left in the file FINDING, and the command that replays it
 * is printed. The second form runs inputs once each.
 */
#include <dirent.h>
#include <signal.h>
#include <time.h>

#include "base/rng.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (64u << 10)
#define HANG_SECONDS 20
#define MAP_BITS 16

struct input {
	u8 *p;
	size_t n;
};

static struct input *corpus;
static size_t nr_corpus, room_corpus;

static u8 now[INPUT_MAX];
static size_t now_bytes;
static const char *finding = "fuzz.finding", *self;
static u64 seed, nr_runs;

static u8 seen[1 << MAP_BITS], hit[1 << MAP_BITS];
static bool is_new;

/* Called by the code under test at each basic block. */
void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize_coverage, no_sanitize("address", "undefined")))
void __sanitizer_cov_trace_pc(void)
{
	static u64 last;
	u64 pc = (u64)__builtin_return_address(0) * 0x9e3779b97f4a7c15ull;
	u32 i = (u32)((pc ^ last) >> (64 - MAP_BITS));

	last = pc >> 1;
	if (!seen[i])
		is_new = true;
	seen[i] |= 1;
	/* A place reached twice in one run, the first time, is news, too. */
	if (hit[i] < 2 && ++hit[i] == 2 && !(seen[i] & 2))
		is_new = true;
}

static void keep_finding(const char *why)
{
	FILE *f = fopen(finding, "wb");

	if (f) {
		fwrite(now, 1, now_bytes, f);
		fclose(f);
	}
	fprintf(stderr, "fuzz: %s, run %llu of seed %llu\nreplay: %s -r %s\n",
		why, (unsigned long long)nr_runs, (unsigned long long)seed,
		self, finding);
}

static void on_death(void)
{
	keep_finding("a sanitizer's finding");
}

static void on_signal(int sig)
{
	keep_finding(sig == SIGALRM ? "it hangs" : "it aborts");
	_exit(1);
}

void __sanitizer_set_death_callback(void (*fn)(void));
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "max_allocation_size_mb=600:allocator_may_return_null=0:"
		"detect_stack_use_after_return=0";
}

/* libhwloc 2.9 loses what it read of a synthetic string that it refuses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libhwloc";
}

static void run_now(void)
{
	/* Exactly as large as the input, so that a read past it is seen. */
	u8 *exact = malloc(now_bytes ? now_bytes : 1);

	if (!exact)
		abort();
	memcpy(exact, now, now_bytes);
	memset(hit, 0, sizeof(hit));
	is_new = false;
	alarm(HANG_SECONDS);
	LLVMFuzzerTestOneInput(exact, now_bytes);
	alarm(0);
	nr_runs++;
	free(exact);
}

static void keep(void)
{
	struct input *in;

	if (nr_corpus == room_corpus) {
		room_corpus = room_corpus ? 2 * room_corpus : 64;
		corpus = realloc(corpus, room_corpus * sizeof(*corpus));
		if (!corpus)
			abort();
	}
	in = &corpus[nr_corpus++];
	in->n = now_bytes;
	in->p = malloc(now_bytes + 1);
	if (!in->p)
		abort();
	memcpy(in->p, now, now_bytes);
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		exit(2);
	}
	now_bytes = fread(now, 1, sizeof(now), f);
	fclose(f);
}

/* ---- mutation ---- */

/* Replace [@at, @at + @old) by the @new bytes at @with, as far as they fit. */
static void replace(size_t at, size_t old, const u8 *with, size_t new)
{
	static u8 tail[INPUT_MAX];
	size_t after = now_bytes - at - old;

	if (new > INPUT_MAX - at - after)
		new = INPUT_MAX - at - after;
	memcpy(tail, now + at + old, after);
	if (new)
		memmove(now + at, with, new);
	memcpy(now + at + new, tail, after);
	now_bytes = at + new + after;
}

static void mutate_once(struct rng *r)
{
	static const char *const words[] = {
		"0", "-1", "1", "18446744073709551615", "4294967296", "\n",
		" ", ":", ",", "0x", "ffffffffffffffff", "\n\n", "=", "[", "|",
		"%s", "\t", "W1.", "T", "65536", "byte(s) @ 0x",
	};
	size_t at = rng_below(r, now_bytes + 1), left = now_bytes - at;
	size_t len = left ? 1 + rng_below(r, left < 64 ? left : 64) : 0;
	const struct input *other = &corpus[rng_below(r, nr_corpus)];
	const char *word = words[rng_below(r, ARRAY_LEN(words))];
	size_t from = rng_below(r, other->n + 1);
	u8 copy[64];

	switch (rng_below(r, 9)) {
	case 0:
		if (left)
			now[at] ^= 1 << rng_below(r, 8);
		break;
	case 1:
		if (left)
			now[at] = (u8)rng_u64(r);
		break;
	case 2:                         /* a number nearby */
		if (left)
			now[at] += (u8)(rng_below(r, 9) - 4);
		break;
	case 3:                         /* a word of extreme value */
		for (size_t i = 0; i < len && i < 8; i++)
			now[at + i] = rng_chance(r, 1, 2) ? 0xff : 0;
		break;
	case 4:
		replace(at, len, NULL, 0);
		break;
	case 5:                         /* the same again */
		memcpy(copy, now + at, len);
		replace(at, 0, copy, len);
		break;
	case 6:
		replace(at, 0, (const u8 *)word, strlen(word));
		break;
	case 7:
		replace(at, len, (const u8 *)word, strlen(word));
		break;
	case 8:                         /* a piece of another input */
		replace(at, len, other->p + from, other->n - from <
			2 * len ? other->n - from : 2 * len);
		break;
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void learn(void)
{
	if (!is_new)
		return;
	for (size_t i = 0; i < sizeof(hit); i++)
		if (hit[i] >= 2)
			seen[i] |= 2;
	keep();
}

static void fuzz(double limit)
{
	double start = seconds();
	size_t nr_seeds = nr_corpus;
	u32 nr_places = 0;
	struct rng r;

	rng_init(&r, seed);
	for (size_t i = 0; i < nr_seeds; i++) {
		now_bytes = corpus[i].n;
		memcpy(now, corpus[i].p, now_bytes);
		run_now();
	}
	while (seconds() - start < limit) {
		const struct input *in = &corpus[rng_below(&r, nr_corpus)];

		now_bytes = in->n;
		memcpy(now, in->p, in->n);
		for (u64 k = 1ull << rng_below(&r, 5); k; k--)
			mutate_once(&r);
		run_now();
		learn();
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		nr_places += seen[i] != 0;
	printf("%s: %llu runs, seed %llu, %zu inputs from %zu, %u places "
	       "reached, no finding\n", self, (unsigned long long)nr_runs,
	       (unsigned long long)seed, nr_corpus, nr_seeds, nr_places);
}

static void add_path(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *ent;
	char name[512];

	if (!d) {
		add_file(path);
		keep();
		return;
	}
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, ent->d_name);
		add_file(name);
		keep();
	}
	closedir(d);
}

int main(int argc, char **argv)
{
	double limit = 20;
	bool is_replay = false;
	int c;

	self = argv[0];
	seed = (u64)time(NULL);
	while ((c = getopt(argc, argv, "s:t:o:r")) != -1) {
		switch (c) {
		case 's': seed = strtoull(optarg, NULL, 0); break;
		case 't': limit = atof(optarg); break;
		case 'o': finding = optarg; break;
		case 'r': is_replay = true; break;
		default: return 2;
		}
	}
	__sanitizer_set_death_callback(on_death);
	signal(SIGALRM, on_signal);
	signal(SIGABRT, on_signal);
	if (is_replay) {
		finding = "fuzz.replayed";
		for (; optind < argc; optind++) {
			add_file(argv[optind]);
			run_now();
			printf("%s: fine\n", argv[optind]);
		}
		return 0;
	}
	for (size_t i = 0; fuzz_seeds[i]; i++) {
		now_bytes = strlen(fuzz_seeds[i]);
		memcpy(now, fuzz_seeds[i], now_bytes);
		keep();
	}
	for (; optind < argc; optind++)
		add_path(argv[optind]);
	if (!nr_corpus)
		keep();
	printf("%s: seed %llu, %g seconds\n", self, (unsigned long long)seed,
	       limit);
	fflush(stdout);
	fuzz(limit);
	return 0;
}
