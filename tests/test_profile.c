/* test_profile.c - a profile is what its text says, and a mistake is named with
 * its line; any other bytes end in a message. */
#include <errno.h>

#include "base/rng.h"
#include "cpu/profile.h"
#include "cpu/profile_builtin.h"
#include "tests/machine.h"

static const char good[] =
	"[machine]\n"                                   /*  1 */
	"name = tiny\n"
	"summary = a test\n"
	"topology = pack:2 core:1 pu:1 | assumed: small\n"
	"hz = 1GHz | assumed: round number\n"           /*  5 */
	"arch = x86 | assumed: why not\n"
	"invlpgb = 8 | assumed: all have it\n"
	"[tlb]\n"
	"pcid_slots = 4 | assumed: four\n"
	"[tlb.l1d_4k]\n"                                /* 10 */
	"level = 1\n"
	"serves = data\n"
	"entries = 16\n"
	"ways = 4\n"
	"sizes = 4k, 2m\n"                              /* 15 */
	"index = linear\n"
	"replacement = lru | assumed: it is the best\n"
	"source = assumed: small\n"
	"[tlb.stlb]\n"
	"level = 2\n"                                   /* 20 */
	"serves = load, store, fetch\n"
	"entries = 1536\n"
	"ways = 12\n"
	"sets = 128\n"
	"sizes = 4k, 2m\n"                              /* 25 */
	"index = xor-7\n"
	"replacement = mru1-3plru4\n"
	"hit_cycles = 9\n"
	"coalesce = 16k\n"
	"smt = split\n"                                 /* 30 */
	"source = assumed: large\n"
	"[psc]\n"
	"pde = 32x4\n"
	"pdpte = 3 | assumed: odd\n"
	"source = assumed: psc\n"                       /* 35 */
	"[walker]\n"
	"count = 2 | assumed: two\n"
	"[cache.l2]\n"
	"bytes = 1M\n"
	"ways = 16\n"                                   /* 40 */
	"latency = 14\n"
	"source = assumed: cache\n"
	"[cost]\n"
	"invlpg = 100 | assumed: round\n"
	"dram_local_ns = 80.5 | assumed: two\n"         /* 45 */
	"  lines of text\n";

static const struct {
	const char *from, *to;  /* edit of the good text                      */
	const char *want, *also;        /* parts of the error                 */
} bad[] = {
	/* [machine] and [cost] */
	{ "invlpg = 100", "invlgp = 100", "p:44: [cost] has no key 'invlgp'",
	  "did you mean 'invlpg'?" },
	{ "invlpg = 100", "invlpg = -1", "p:44: invlpg: '-1'",
	  "from 0 to 1000000000 cycles" },
	{ "invlpg = 100", "invlpg = nan", "p:44: invlpg: 'nan'", "from 0 to" },
	{ "invlpg = 100", "invlpg = 2e9", "p:44: invlpg: '2e9'", "from 0 to" },
	{ "invlpg = 100", "invlpg = 10q", "p:44: invlpg: '10q'", "from 0 to" },
	{ "= 80.5", "= much", "p:45: dram_local_ns: 'much'",
	  "from 0 to 1000000000 ns" },
	{ "100 | assumed: round", "100", "p:44: 'invlpg' needs",
	  "VALUE | where" },
	{ "100 | assumed: round", "100 |", "p:44: 'invlpg' needs", "assumed" },
	{ "100 | assumed: round", "| assumed: round", "p:44: 'invlpg' needs",
	  "VALUE | where" },
	{ "100 | assumed: round", "100 | published: x; assumed: y",
	  "p:44: 'invlpg': a source that holds 'assumed:' must begin", "own" },
	{ "dram_local_ns", "invlpg", "p:45: 'invlpg' was given in line 44", "" },
	{ "dram_local_ns = 80.5 | assumed: two", "dram_local_ns 80.5", "p:45: ",
	  "'KEY = VALUE'" },
	{ "[cost]", "[costs]", "p:44: no section [costs]",
	  "did you mean 'cost'?" },
	{ "[cost]", "[cost", "p:43: ", "'[section]'" },
	{ "1GHz", "1kHz", "p:5: hz: '1kHz'", "from 1MHz to 100GHz" },
	{ "1GHz", "fast", "p:5: hz: 'fast'", "from 1MHz to 100GHz" },
	{ "1GHz | assumed: round number", "1GHz", "p:5: 'hz' needs", "VALUE" },
	{ "pu:1 | assumed: small", "pu:1", "p:4: 'topology' needs", "VALUE" },
	{ "name = tiny\n", "", "the file ends and [machine] has no 'name'",
	  "p:45:" },
	{ "arch = x86 | assumed: why not\n", "",
	  "the file ends and [machine] has no 'arch'", "p:45:" },
	{ "name = tiny", "nmae = tiny", "p:2: [machine] has no key 'nmae'",
	  "'name'" },
	{ "summary = a test", "summary =", "p:3: 'summary' is empty", "" },
	{ "= x86", "= x68", "p:6: arch: 'x68'", "x86, arm, riscv" },
	{ "invlpgb = 8", "invlpgb = -1", "p:7: invlpgb: '-1'",
	  "from 0 to 65536" },
	{ "invlpgb = 8", "pcid = perhaps", "p:7: pcid: 'perhaps'",
	  "yes nor no" },
	{ "invlpgb = 8", "invplgb = 8", "[machine] has no key 'invplgb'",
	  "did you mean 'invlpgb'?" },
	/* [tlb] and [tlb.NAME] */
	{ "pcid_slots = 4", "pcid_slots = 65", "p:9: pcid_slots: '65'",
	  "from 0 to 64" },
	{ "pcid_slots = 4", "pcid_slot = 4", "p:9: [tlb] has no key",
	  "did you mean 'pcid_slots'?" },
	{ "pcid_slots = 4 | assumed: four", "pcid_slots = 4",
	  "p:9: [tlb] ends without 'source'", "'pcid_slots' has no" },
	{ "level = 1", "level = 3", "p:11: level: '3'", "from 1 to 2" },
	{ "= data", "= loads", "p:12: serves: 'loads'", "did you mean 'load'?" },
	{ "= data", "= load", "level 1 that serves a store and holds 4k", "p:46" },
	{ "[tlb.l1d_4k]", "[tlb.L1]", "[tlb.L1]: a name has 1 to 24 of a-z",
	  "p:11" },
	{ "[tlb.l1d_4k]", "[tlb.]", "[tlb.]: a name has 1 to 24", "p:11" },
	{ "ways = 4\n", "ways = 32769\n", "p:14: ways: '32769'",
	  "from 1 to 32768" },
	{ "ways = 4\n", "ways = 0\n", "p:14: ways: '0'", "from 1 to 32768" },
	{ "ways = 4\n", "ways = 5\n", "p:13: [tlb.l1d_4k] entries = 16",
	  "sets * ways" },
	{ "ways = 4\n", "", "p:17: [tlb.l1d_4k] ends without 'ways'",
	  "1 to 32768, or full" },
	{ "ways = 4\n", "wasy = 4\n", "p:14: [tlb.l1d_4k] has no key 'wasy'",
	  "did you mean 'ways'?" },
	{ "sets = 128", "sets = 64", "p:22: [tlb.stlb] entries = 1536", "" },
	{ "xor-7", "xor-6", "p:26: [tlb.stlb] index = xor-6",
	  "expected xor-7" },
	{ "xor-7", "xor", "p:26: index: 'xor'", "N from 1 to 16" },
	{ "= lru", "= mru1-3plru4", "p:17: [tlb.l1d_4k] replacement",
	  "take 12" },
	{ "= lru", "= lru-3plru4", "p:17: [tlb.l1d_4k] replacement",
	  "take 12" },
	{ "= mru1-3plru4", "= tree-plru", "p:27: [tlb.stlb] replacement",
	  "power of two" },
	{ "= lru", "= fifi", "p:17: replacement: 'fifi'",
	  "did you mean 'fifo'?" },
	{ "4k, 2m\nindex = linear", "4k, 3m\nindex = linear",
	  "p:15: sizes: '3m'", "4k, 2m, 1g" },
	{ "4k, 2m\nindex = linear", "4k\nindex = linear",
	  "serves a load and holds 2m pages", "p:46" },
	{ "index = linear\n", "", "p:17: [tlb.l1d_4k] ends without 'index'",
	  "4 sets" },
	{ "replacement = lru | assumed: it is the best\n", "",
	  "p:17: [tlb.l1d_4k] ends without", "'replacement'" },
	{ "source = assumed: large\n", "",
	  "p:20: [tlb.stlb] ends without 'source'", "'level' has no" },
	{ "hit_cycles = 9\n", "", "p:30: [tlb.stlb] ends without 'hit_cycles'",
	  "0 to 10000" },
	{ "index = linear", "index = linear\nhit_cycles = 1",
	  "p:17: [tlb.l1d_4k] hit_cycles is for level 2", "" },
	{ "coalesce = 16k", "coalesce = 12k", "p:29: coalesce: '12k'",
	  "power of two from 4k to 1m" },
	{ "smt = split", "smt = divided", "p:30: smt: 'divided'",
	  "shared, split, private" },
	{ "level = 2\n", "level = 1\n",
	  "p:28: [tlb.stlb] hit_cycles is for level 2", "" },
	{ "[psc]", "[tlb.x]\nlevel = 1\nserves = load\nentries = 4\n"
	  "ways = full\nsizes = 4k\nreplacement = lru\nsource = assumed: x\n"
	  "[psc]", "p:39: [tlb.x] is one array too many of level 1 for a load "
	  "of 4k pages", "" },
	/* [psc], [walker], [cache.NAME] */
	{ "32x4", "32x5", "p:33: pde: '32x5'", "divisor" },
	{ "32x4", "0", "p:33: pde: '0'", "1 to 4096 entries" },
	{ "32x4", "4097", "p:33: pde: '4097'", "1 to 4096 entries" },
	{ "32x4", "32x", "p:33: pde: '32x'", "ENTRIESxWAYS" },
	{ "pde", "pdee", "p:33: [psc] has no key 'pdee'",
	  "did you mean 'pde'?" },
	{ "count = 2", "count = 0", "p:37: count: '0'", "from 1 to 64" },
	{ "count = 2", "counts = 2", "p:37: [walker] has no key 'counts'",
	  "did you mean 'count'?" },
	{ "[walker]\ncount = 2 | assumed: two\n", "",
	  "the file ends and [walker] has no 'count'", "1 to 64" },
	{ "bytes = 1M", "bytes = 1", "p:39: bytes: '1'", "from 64 to 16G" },
	{ "bytes = 1M", "bytes = 1000", "p:39: [cache.l2] bytes",
	  "whole number of sets of 16 ways" },
	{ "latency = 14\n", "", "p:41: [cache.l2] ends without 'latency'",
	  "1 to 100000 cycles" },
	{ "latency = 14", "latency = 83", "p:45: dram_local_ns: 80.5 ns are 80",
	  "at least 83 are possible" },
	{ "latency = 14", "latency = 0", "p:41: latency: '0'", "from 1 to" },
	{ "[cache.l2]", "[cache.l4]", "p:39: no section [cache.l4]",
	  "did you mean 'cache.l2'?" },
	{ "[cache.l2]", "[cache.l1d]\nbytes = 32K\nways = 8\nlatency = 15\n"
	  "source = assumed: slow\n[cache.l2]",
	  "p:46: [cache.l2] latency = 14 is below that of the level before",
	  "15" },
};

static char *edited(const char *from, const char *to)
{
	const char *at = strstr(good, from);
	char *text = malloc(sizeof(good) + strlen(to));

	assert_non_null(at);
	sprintf(text, "%.*s%s%s", (int)(at - good), good, to,
		at + strlen(from));
	return text;
}

static void test_malformed_profiles(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *text = edited(bad[i].from, bad[i].to);
		struct profile *p = NULL;
		struct err e = { "" };
		int err = profile_parse(&p, "p", text, strlen(text), &e);

		if (err != -EINVAL || !strstr(e.text, bad[i].want) ||
		    !strstr(e.text, bad[i].also))
			fail_msg("'%s': got %d '%s', wanted '%s' and '%s'",
				 bad[i].to, err, e.text, bad[i].want,
				 bad[i].also);
		free(text);
	}
}

static const char *value_source(const struct profile *p, const char *key)
{
	for (u32 i = 0; i < p->nr_values; i++)
		if (!strcmp(p->value[i].key, key))
			return p->value[i].source;
	fail_msg("no value '%s'", key);
	return NULL;
}

static void test_good_profile(void **state)
{
	struct profile *p = NULL;
	struct err e = { "" };

	assert_int_equal(0, profile_parse(&p, "p", good, strlen(good), &e));
	assert_int_equal(1000000000, p->hz);
	assert_int_equal(ARCH_X86, p->arch);
	assert_int_equal(8, p->feature[FEATURE_INVLPGB]);
	assert_int_equal(0, p->feature[FEATURE_PCID]);
	assert_int_equal(4, p->tlb.pcid_slots);
	assert_int_equal(2, p->tlb.nr_arrays);
	assert_int_equal(4, p->tlb.array[0].nr_sets);
	assert_int_equal(TLB_SERVES_DATA, p->tlb.array[0].serves);
	assert_int_equal(TLB_SERVES_ALL, p->tlb.array[1].serves);
	assert_int_equal(9, p->tlb.array[1].hit_cycles);
	assert_int_equal(2, p->tlb.array[1].coalesce);
	assert_int_equal(TLB_SMT_SPLIT, p->tlb.array[1].smt);
	assert_int_equal(8, p->psc.nr_sets[1]);
	assert_int_equal(4, p->psc.nr_ways[1]);
	assert_int_equal(1, p->psc.nr_sets[2]);
	assert_int_equal(3, p->psc.nr_ways[2]);
	assert_int_equal(0, p->psc.nr_ways[3]);
	assert_int_equal(2, p->nr_walkers);
	assert_int_equal(0, p->cache[CACHE_L1D].bytes);
	assert_int_equal(1 << 20, p->cache[CACHE_L2].bytes);
	assert_int_equal(14, p->cache[CACHE_L2].hit_cycles);
	assert_string_equal("assumed: two lines of text",
			    value_source(p, "dram_local_ns"));
	assert_string_equal("assumed: it is the best",
			    value_source(p, "tlb.l1d_4k.replacement"));
	assert_string_equal("assumed: small",
			    value_source(p, "tlb.l1d_4k.entries"));
	assert_string_equal("assumed: odd", value_source(p, "psc.pdpte"));
	assert_true(p->cost[COST_DRAM_LOCAL] == 80.5);
	/* What is not given is costs.def's. */
	assert_true(p->cost[COST_DRAM_REMOTE] == 131.1);
	assert_non_null(strstr(value_source(p, "dram_remote_ns"), "Skylake"));
	profile_free(p);
}

/* Any prefix, and any single damaged byte, ends in a profile or a message with
 * the label and a line; never in a crash. */
static void test_damaged_profiles(void **state)
{
	size_t len = strlen(good);
	char text[sizeof(good)];

	for (size_t i = 0; i < 2 * len; i++) {
		struct profile *p = NULL;
		struct err e = { "" };
		size_t n = i < len ? i : len;
		int err;

		memcpy(text, good, sizeof(good));
		if (i >= len)
			text[i - len] = (char)(i % 3 ? '=' : i % 2 ? 0 : '\n');
		err = profile_parse(&p, "p", text, n, &e);
		if (err)
			assert_int_equal(0, strncmp(e.text, "p:", 2));
		else
			profile_free(p);
	}
}

/* Many mistakes at once, in a shipped profile: bytes changed, runs of text cut
 * out or doubled. It loads or says where; the san build watches the rest. */
static void mutate(struct rng *rng, char *text, size_t *len, size_t room)
{
	static const char alphabet[] = "0123456789=|[].,-x \n\tkmg;#\377";
	size_t at = rng_below(rng, *len), n = 1 + rng_below(rng, 40);

	n = n > *len - at ? *len - at : n;
	switch (rng_below(rng, 3)) {
	case 0:
		text[at] = alphabet[rng_below(rng, sizeof(alphabet))];
		break;
	case 1:
		memmove(text + at, text + at + n, *len - at - n);
		*len -= n;
		break;
	default:
		if (*len + n > room)
			break;
		memmove(text + at + n, text + at, *len - at);
		*len += n;
	}
}

static void test_mutated_profiles(void **state)
{
	u64 seed = check_seed("mutated profiles");
	u32 nr_good = 0, nr_bad = 0;
	struct rng rng;

	rng_init(&rng, seed);
	for (u32 i = 0; i < 3000; i++) {
		const struct profile_builtin *b =
			&profile_builtin[i % nr_profile_builtin];
		size_t len = (size_t)(b->end - b->start), room = len + 400;
		char *text = malloc(room);
		struct profile *p = NULL;
		struct err e = { "" };
		u32 line;

		memcpy(text, b->start, len);
		for (u64 n = 1 + rng_below(&rng, 6); n && len > 1; n--)
			mutate(&rng, text, &len, room);
		if (!profile_parse(&p, "p", text, len, &e)) {
			assert_null(tlb_design_error(&p->tlb, 1, NULL));
			assert_true(p->nr_walkers && p->hz);
			profile_free(p);
			nr_good++;
		} else {
			assert_int_equal(1, sscanf(e.text, "p:%u: ", &line));
			nr_bad++;
		}
		free(text);
	}
	/* Some mutations hit comments and sources; most do not. */
	assert_true(nr_good > 100 && nr_bad > 1000);
}

/* The example of docs/machines.md is a profile as it stands. */
static void test_documented_profile(void **state)
{
	char text[65536], *from, *to;
	struct profile *p = NULL;
	struct err e = { "" };
	FILE *f = fopen("docs/machines.md", "r");
	size_t len;

	assert_non_null(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	from = strstr(text, "```ini\n");
	assert_non_null(from);
	from += strlen("```ini\n");
	to = strstr(from, "```");
	assert_non_null(to);
	if (profile_parse(&p, "docs/machines.md", from, (size_t)(to - from), &e))
		fail_msg("%s", e.text);
	assert_string_equal("desk", p->name);
	assert_int_equal(3, p->tlb.nr_arrays);
	assert_int_equal(12, p->tlb.array[2].nr_ways);
	profile_free(p);
}

static void test_long_lines_and_binary(void **state)
{
	char text[400];
	struct profile *p = NULL;
	struct err e = { "" };

	memset(text, 'x', sizeof(text));
	memcpy(text, "[machine]\nname = ", 17);
	assert_int_equal(-EINVAL, profile_parse(&p, "p", text, sizeof(text),
						&e));
	assert_non_null(strstr(e.text, "p:2: the line has 390 bytes"));
	memset(text, 0, sizeof(text));
	assert_int_equal(-EINVAL, profile_parse(&p, "p", text, 100, &e));
	assert_non_null(strstr(e.text, "p:1: a NUL byte"));
}

/* --- where profiles are found -------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int find_broken(void *arg, const struct machine_brief *b)
{
	if (strcmp(b->name, "broken"))
		return 0;
	assert_false(b->is_usable);
	assert_non_null(strstr(b->summary, "broken.ini:1:"));
	*(bool *)arg = true;
	return 7;
}

static void test_search_order(void **state)
{
	char dir[] = "/tmp/test_machine_XXXXXX", path[256];
	char *text = edited("tiny", "skylake-sp"), cwd[4096];
	bool found = false;
	struct machine *m;

	assert_non_null(mkdtemp(dir));
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	write_file(dir, "skylake-sp.ini", text);
	write_file(dir, "broken.ini", "[machine]\n");
	setenv("TLBEMU_MACHINES", dir, 1);
	m = create("skylake-sp", NULL);
	assert_int_equal(1000000000, m->hz);
	machine_destroy(m);
	assert_int_equal(7, machine_list(find_broken, &found));
	assert_true(found);
	unsetenv("TLBEMU_MACHINES");

	/* Elsewhere, with nothing around, the compiled-in ones are left. */
	snprintf(path, sizeof(path), "%s/broken.ini", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/skylake-sp.ini", dir);
	unlink(path);
	assert_int_equal(0, chdir(dir));
	m = create("skylake-sp", NULL);
	assert_int_equal(2500000000, m->hz);
	machine_destroy(m);
	assert_int_equal(0, chdir(cwd));
	rmdir(dir);
	free(text);
}

/* --- description --------------------------------------------------------- */

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_good_profile),
	cmocka_unit_test(test_malformed_profiles),
	cmocka_unit_test(test_damaged_profiles),
	cmocka_unit_test(test_documented_profile),
	cmocka_unit_test(test_mutated_profiles),
	cmocka_unit_test(test_long_lines_and_binary),
	cmocka_unit_test(test_search_order),
};

MACHINE_MAIN(tests)
