/* Stack distances against lists that are searched from the front, and against
 * the TLB arrays with LRU: three algorithms, one number. */
#include "tests/check.h"

#include <errno.h>

#include "base/rng.h"
#include "emu/tlb_designs.h"
#include "emu/what_if_run.h"
#include "tlb/array.h"
#include "tlb/stack.h"
#include "workloads/trace_file.h"

/* ---- the naive way: a list of pages for each set, most recent first ---------- */

struct list {
	u64 *page;
	u32 n, room;
};

struct naive {
	struct stack_member def;
	struct list *set;       /* [nr_sets]                                  */
	u64 *hist;              /* [MAX_DISTANCE] by distance                 */
	u64 accesses, cold;
};

#define MAX_DISTANCE (1u << 16)

static u32 naive_set(const struct stack_member *def, u64 page)
{
	u32 bits = 0;

	if (def->index == TLB_INDEX_XOR) {
		while (1u << bits < def->nr_sets)
			bits++;
		page = (page & (def->nr_sets - 1)) ^
			(page >> bits & (def->nr_sets - 1));
	}
	return (u32)(page % def->nr_sets);
}

static void naive_init(struct naive *n, const struct stack_member *def)
{
	memset(n, 0, sizeof(*n));
	n->def = *def;
	n->set = calloc(def->nr_sets, sizeof(*n->set));
	n->hist = calloc(MAX_DISTANCE, sizeof(*n->hist));
	assert_non_null(n->set);
	assert_non_null(n->hist);
}

static void naive_free(struct naive *n)
{
	for (u32 i = 0; i < n->def.nr_sets; i++)
		free(n->set[i].page);
	free(n->set);
	free(n->hist);
}

static void naive_access(struct naive *n, u64 page)
{
	struct list *l = &n->set[naive_set(&n->def, page)];
	u32 at = 0;

	n->accesses++;
	while (at < l->n && l->page[at] != page)
		at++;
	if (at < l->n) {
		assert_true(at < MAX_DISTANCE);
		n->hist[at]++;
	} else {
		n->cold++;
		if (l->n == l->room) {
			l->room = l->room ? 2 * l->room : 16;
			l->page = realloc(l->page, l->room * sizeof(u64));
			assert_non_null(l->page);
		}
		l->n++;
	}
	memmove(l->page + 1, l->page, at * sizeof(u64));
	l->page[0] = page;
}

static u64 naive_misses(const struct naive *n, u64 ways)
{
	u64 misses = n->cold;

	for (u64 d = ways; d < MAX_DISTANCE; d++)
		misses += n->hist[d];
	return misses;
}

/* Every distance, not only the misses at some sizes. */
static void assert_same(const struct stack *s, u32 m, const struct naive *n)
{
	u64 depth = 0;

	assert_int_equal(n->accesses, stack_accesses(s));
	assert_int_equal(n->cold, stack_pages(s));
	for (u64 d = 0; d < MAX_DISTANCE; d++) {
		if (n->hist[d] != stack_at(s, m, d)) {
			print_error("# %u sets, distance %llu: want %llu, got "
				    "%llu\n", n->def.nr_sets,
				    (unsigned long long)d,
				    (unsigned long long)n->hist[d],
				    (unsigned long long)stack_at(s, m, d));
			fail();
		}
		if (n->hist[d])
			depth = d + 1;
	}
	assert_int_equal(depth, stack_depth(s, m));
	for (u64 ways = 0; ways <= depth + 1; ways += 1 + ways / 8)
		assert_int_equal(naive_misses(n, ways),
				 stack_misses(s, m, ways));
}

/* Refining, not refining, not powers of two, hashed: in one pass. */
static const struct stack_member family[] = {
	{ 1, TLB_INDEX_LINEAR }, { 2, TLB_INDEX_LINEAR },
	{ 4, TLB_INDEX_LINEAR }, { 16, TLB_INDEX_LINEAR },
	{ 16, TLB_INDEX_XOR }, { 128, TLB_INDEX_XOR },
	{ 128, TLB_INDEX_LINEAR }, { 384, TLB_INDEX_LINEAR },
	{ 96, TLB_INDEX_LINEAR }, { 1, TLB_INDEX_LINEAR },
};

/* ---- by hand ------------------------------------------------------------------- */

/* a b c b a d a: b comes back over one other page, a over two, then over one. */
static void test_by_hand(void **state)
{
	static const u64 page[] = { 7, 3, 1, 3, 7, 9, 7 };
	const struct stack_member one = { 1, TLB_INDEX_LINEAR };
	struct stack *s;

	assert_int_equal(0, stack_create(&s, &one, 1));
	assert_int_equal(0, stack_depth(s, 0));
	assert_int_equal(0, stack_misses(s, 0, 8));
	for (size_t i = 0; i < ARRAY_LEN(page); i++)
		assert_int_equal(0, stack_access(s, page[i], i ? 1 : 5));
	assert_int_equal(11, stack_accesses(s));
	assert_int_equal(4, stack_pages(s));
	assert_int_equal(4, stack_at(s, 0, 0));
	assert_int_equal(2, stack_at(s, 0, 1));
	assert_int_equal(1, stack_at(s, 0, 2));
	assert_int_equal(3, stack_depth(s, 0));
	assert_int_equal(11, stack_misses(s, 0, 0));
	assert_int_equal(7, stack_misses(s, 0, 1));
	assert_int_equal(5, stack_misses(s, 0, 2));
	assert_int_equal(4, stack_misses(s, 0, 3));
	assert_int_equal(4, stack_misses(s, 0, 1000));
	stack_destroy(s);
}

static void test_bad_members(void **state)
{
	static const struct stack_member bad[] = {
		{ 0, TLB_INDEX_LINEAR }, { TLB_MAX_SETS + 1, TLB_INDEX_LINEAR },
		{ 12, TLB_INDEX_XOR }, { 8, NR_TLB_INDEX },
	};
	struct stack_member many[STACK_MAX_MEMBERS + 1];
	struct stack *s;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(-EINVAL, stack_create(&s, &bad[i], 1));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct stack_member){ 1, TLB_INDEX_LINEAR };
	assert_int_equal(-EINVAL, stack_create(&s, many, 0));
	assert_int_equal(-EINVAL, stack_create(&s, many, ARRAY_LEN(many)));
	assert_int_equal(0, stack_create(&s, many, STACK_MAX_MEMBERS));
	stack_destroy(s);
	stack_destroy(NULL);
}

/* ---- random streams --------------------------------------------------------------- */

/* Few pages, many pages, loops, streams, bursts: what a seed makes of it. */
static u64 draw_page(struct rng *r, u32 kind, u64 i)
{
	switch (kind) {
	case 0:
		return rng_below(r, 40);
	case 1:
		return rng_below(r, 5000);
	case 2:
		return i % 700;
	case 3:
		return rng_chance(r, 9, 10) ? rng_below(r, 20)
					    : rng_below(r, 3000) << 9;
	case 4:
		return i / 3;
	default:
		return rng_u64(r) >> rng_between(r, 1, 63);
	}
}

static void random_stream(u64 seed, u32 kind, u32 len)
{
	struct naive n[ARRAY_LEN(family)];
	struct stack *s;
	struct rng r;

	rng_init(&r, seed);
	assert_int_equal(0, stack_create(&s, family, ARRAY_LEN(family)));
	for (size_t m = 0; m < ARRAY_LEN(family); m++)
		naive_init(&n[m], &family[m]);
	for (u32 i = 0; i < len; i++) {
		u64 page = draw_page(&r, kind, i);
		u32 times = rng_chance(&r, 1, 4) ? (u32)rng_between(&r, 1, 9) : 1;

		assert_int_equal(0, stack_access(s, page, times));
		for (size_t m = 0; m < ARRAY_LEN(family); m++)
			for (u32 k = 0; k < times; k++)
				naive_access(&n[m], page);
	}
	for (u32 m = 0; m < ARRAY_LEN(family); m++) {
		assert_same(s, m, &n[m]);
		naive_free(&n[m]);
	}
	stack_destroy(s);
}

static void test_random_streams(void **state)
{
	u64 seed = check_seed("random streams");

	for (u32 kind = 0; kind <= 5; kind++)
		random_stream(seed + kind, kind, kind == 4 ? 6000 : 12000);
}

/* ---- real programs ------------------------------------------------------------------ */

static const char *const traces[] = {
	"tests/data/ls.tlbt", "tests/data/sort.tlbt",
};

typedef void page_fn(void *arg, u64 vpn, u32 count, u8 op);

static void each_run(const char *path, page_fn *fn, void *arg)
{
	const struct run *r;
	struct trace *t;
	struct err e;
	size_t n;

	assert_int_equal(0, trace_open(&t, path, &e));
	for (;;) {
		assert_int_equal(0, trace_next(t, &r, &n, &e));
		if (!n)
			break;
		for (size_t i = 0; i < n; i++)
			fn(arg, r[i].va >> PAGE_SHIFT, r[i].count, r[i].op);
	}
	trace_close(t);
}

struct both {
	struct stack *s;
	struct naive n[ARRAY_LEN(family)];
	u32 order;
};

static void feed_both(void *arg, u64 vpn, u32 count, u8 op)
{
	struct both *b = arg;

	assert_int_equal(0, stack_access(b->s, vpn >> b->order, count));
	for (size_t m = 0; m < ARRAY_LEN(family); m++) {
		naive_access(&b->n[m], vpn >> b->order);
		b->n[m].accesses += count - 1;
		b->n[m].hist[0] += count - 1;
	}
}

static void test_real_programs(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(traces); i++) {
		for (u32 order = 0; order <= 9; order += 9) {
			struct both b = { .order = order };

			assert_int_equal(0, stack_create(&b.s, family,
							 ARRAY_LEN(family)));
			for (size_t m = 0; m < ARRAY_LEN(family); m++)
				naive_init(&b.n[m], &family[m]);
			each_run(traces[i], feed_both, &b);
			for (u32 m = 0; m < ARRAY_LEN(family); m++) {
				assert_same(b.s, m, &b.n[m]);
				naive_free(&b.n[m]);
			}
			stack_destroy(b.s);
		}
	}
}

/* ---- the TLB arrays with LRU ---------------------------------------------------------- */

/* Full and in sets, powers of two and not, linear and hashed. */
static const struct shape {
	u32 sets, ways;
	enum tlb_index index;
	u32 index_bits;
} shapes[] = {
	{ 1, 64, TLB_INDEX_LINEAR, 0 }, { 1, 96, TLB_INDEX_LINEAR, 0 },
	{ 1, 1, TLB_INDEX_LINEAR, 0 }, { 1, 1000, TLB_INDEX_LINEAR, 0 },
	{ 16, 4, TLB_INDEX_LINEAR, 0 }, { 16, 3, TLB_INDEX_XOR, 4 },
	{ 128, 12, TLB_INDEX_XOR, 7 }, { 6, 5, TLB_INDEX_LINEAR, 0 },
	{ 384, 8, TLB_INDEX_LINEAR, 0 }, { 64, 1, TLB_INDEX_LINEAR, 0 },
};

static struct tlb_geometry lru(const struct shape *sh, u8 level)
{
	return (struct tlb_geometry){
		.name = "t", .nr_sets = sh->sets, .nr_ways = sh->ways,
		.page_sizes = TLB_HOLDS_4K, .index = sh->index,
		.index_bits = sh->index_bits, .replacement = TLB_REPL_LRU,
		.level = level, .serves = TLB_SERVES_ALL,
	};
}

/* A level of each shape alone, and one stack for all of them; and a hierarchy
 * with a stack that is fed what its first level misses. */
struct levels {
	struct tlb_array *alone[ARRAY_LEN(shapes)], *both;
	u64 misses[ARRAY_LEN(shapes)], l1_misses, walks;
	struct stack *first, *second;
};

static const struct shape small = { 4, 3, TLB_INDEX_LINEAR, 0 };
static const struct shape large = { 8, 5, TLB_INDEX_XOR, 3 };

static enum tlb_level array_access(struct tlb_array *a, u64 vpn)
{
	const struct tlb_entry fill = {
		.vpn = vpn, .pfn = vpn, .flags = TLB_W | TLB_D,
	};
	struct tlb_entry *e;
	enum tlb_level l = tlb_array_access(a, TLB_LOAD, 0, vpn, &e);

	if (l == TLB_MISS)
		tlb_array_fill(a, TLB_LOAD, vpn, &fill);
	return l;
}

static void levels_init(struct levels *l)
{
	const struct stack_member second = { large.sets, large.index };
	struct stack_member member[ARRAY_LEN(shapes) + 1];
	struct tlb_design d = { .nr_arrays = 1 };

	memset(l, 0, sizeof(*l));
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		d.array[0] = lru(&shapes[i], 1);
		assert_int_equal(0, tlb_array_create(&l->alone[i], &d, 1));
		member[i] = (struct stack_member){ shapes[i].sets,
						   shapes[i].index };
	}
	d.nr_arrays = 2;
	d.array[0] = lru(&small, 1);
	d.array[1] = lru(&large, 2);
	assert_int_equal(0, tlb_array_create(&l->both, &d, 1));
	member[ARRAY_LEN(shapes)] = (struct stack_member){ small.sets,
							   small.index };
	assert_int_equal(0, stack_create(&l->first, member,
					 ARRAY_LEN(member)));
	assert_int_equal(0, stack_create(&l->second, &second, 1));
}

static void levels_access(void *arg, u64 vpn, u32 count, u8 op)
{
	struct levels *l = arg;
	enum tlb_level level;

	assert_int_equal(0, stack_access(l->first, vpn, count));
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		l->misses[i] += array_access(l->alone[i], vpn) == TLB_MISS;
	level = array_access(l->both, vpn);
	l->walks += level == TLB_MISS;
	if (level == TLB_HIT_L1)
		return;
	l->l1_misses++;
	assert_int_equal(0, stack_access(l->second, vpn, 1));
}

static void levels_check(struct levels *l)
{
	for (u32 i = 0; i < ARRAY_LEN(shapes); i++) {
		assert_int_equal(stack_misses(l->first, i, shapes[i].ways),
				 l->misses[i]);
		tlb_array_destroy(l->alone[i]);
	}
	assert_int_equal(stack_misses(l->first, ARRAY_LEN(shapes), small.ways),
			 l->l1_misses);
	assert_int_equal(stack_misses(l->second, 0, large.ways), l->walks);
	assert_true(l->walks < l->l1_misses);
	tlb_array_destroy(l->both);
	stack_destroy(l->first);
	stack_destroy(l->second);
}

static void test_arrays_on_random_streams(void **state)
{
	u64 seed = check_seed("arrays");

	for (u32 kind = 0; kind <= 4; kind++) {
		struct levels l;
		struct rng r;

		rng_init(&r, seed + kind);
		levels_init(&l);
		for (u32 i = 0; i < 30000; i++)
			/* Now and then something comes back soon. */
			levels_access(&l, rng_chance(&r, 1, 3) ?
				      rng_below(&r, 24) :
				      draw_page(&r, kind, i), 1, RUN_READ);
		levels_check(&l);
	}
}

static void test_arrays_on_real_programs(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(traces); i++) {
		struct levels l;

		levels_init(&l);
		each_run(traces[i], levels_access, &l);
		levels_check(&l);
	}
}

/* ---- the whole timed machine -------------------------------------------------------------- */

static void sweep_file(const char *path, struct what_if *w,
		       const struct tlb_design *behind)
{
	const struct sweep_config cfg = { .w = w, .behind = behind };
	const struct run *run;
	struct sweep *s;
	struct trace *t;
	struct err e;
	size_t n;

	assert_int_equal(0, sweep_create(&s, &cfg, &e));
	assert_int_equal(0, trace_open(&t, path, &e));
	while (!trace_next(t, &run, &n, &e) && n)
		assert_int_equal(0, sweep_runs(s, run, n, &e));
	sweep_finish(s);
	sweep_destroy(s);
	trace_close(t);
}

/* lru.ini, page tables, walks and all, misses as often as stack distances say:
 * the first level of the trace's data, the second of what the first missed. */
static void test_machine(void **state)
{
	static const enum mapping mapping[] = { MAP_4K, MAP_2M };
	struct design_job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	for (size_t i = 0; i < ARRAY_LEN(traces); i++)
		for (size_t m = 0; m < ARRAY_LEN(mapping); m++) {
			const struct design_run d = {
				.job = job, .nr_jobs = 1, .mapping = mapping[m],
				.progress = PROGRESS_NEVER, .seed = 1,
				.caches = "none",
			};
			const u64 *v = job->r.count.v;
			struct tlb_design lru_ini;
			struct what_if l1, l2;
			char spec[96];
			struct err e;

			*job = (struct design_job){ .trace = traces[i],
				.design = "tests/data/lru.ini" };
			assert_int_equal(0, designs_run(&d, &e));
			assert_int_equal(0, design_load(job->design, &lru_ini,
							&e));
			snprintf(spec, sizeof(spec), "entries=96,page=%s",
				 mapping_names[mapping[m]]);
			assert_int_equal(0, what_if_parse(&l1, spec, &e));
			sweep_file(traces[i], &l1, NULL);
			assert_int_equal(l1.point[0].misses,
					 v[CTR_DTLB_LOAD_MISSES] +
					 v[CTR_DTLB_STORE_MISSES]);
			snprintf(spec, sizeof(spec),
				 "entries=1152,ways=12,uses=all,page=%s",
				 mapping_names[mapping[m]]);
			assert_int_equal(0, what_if_parse(&l2, spec, &e));
			sweep_file(traces[i], &l2, &lru_ini);
			assert_int_equal(l2.point[0].accesses,
					 l1.point[0].misses);
			assert_int_equal(l2.point[0].misses, v[CTR_WALK_LOAD] +
					 v[CTR_WALK_STORE]);
			assert_int_equal(job->r.l2_hits[m],
					 l2.point[0].accesses -
					 l2.point[0].misses);
			assert_int_equal(job->r.l2_hits[!m], 0);
			what_if_release(&l1);
			what_if_release(&l2);
		}
	free(job);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_by_hand),
	cmocka_unit_test(test_bad_members),
	cmocka_unit_test(test_random_streams),
	cmocka_unit_test(test_real_programs),
	cmocka_unit_test(test_arrays_on_random_streams),
	cmocka_unit_test(test_arrays_on_real_programs),
	cmocka_unit_test(test_machine),
};

TEST_MAIN(tests)
