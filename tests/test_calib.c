/* test_calib.c - the loop closed: calibration of an emulated machine, which it
 * sees through PAPI as any program would, gives back the profile that the
 * machine was built from. CALIB_ALL=1 takes every profile that there is. */
#include <errno.h>
#include <math.h>

#include "calib/counted.h"
#include "calib/memory.h"
#include "calib/programs.h"
#include "calib/tlb.h"
#include "cpu/profile.h"
#include "emu/mut_emulated.h"
#include "emu/validate_rows.h"
#include "host/papi.h"
#include "tests/check.h"

/* Different makers, replacements, index functions, one array or a pair. */
static const char *const some[] = {
	"haswell-ep", "neoverse-n1",
#ifndef __SANITIZE_ADDRESS__    /* ten times slower, and about memory only */
	"skylake-client", "sapphire-rapids", "zen2-rome", "neoverse-v1",
#endif
	NULL
};

/* libsde keeps the names of its events for ever. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libsde";
}

struct loop {
	struct machine *m;
	struct mut *mut;
};

static void open_loop(struct loop *l, const char *name, enum mut_reading how)
{
	struct err e = { "" };

	if (machine_create(&l->m, name, NULL, &e) ||
	    mut_emulated_create(&l->mut, l->m, how, &e))
		fail_msg("%s: %s", name, e.text);
}

static void close_loop(struct loop *l)
{
	mut_emulated_destroy(l->mut);
	machine_destroy(l->m);
}

/* What the profile says, arrays that share the work together. */
static void geometry(const struct machine *m, u32 level, u32 size,
		     u64 *entries, u64 *ways, u32 *hit)
{
	*entries = *ways = *hit = 0;
	for (u32 i = 0; i < m->tlb.nr_arrays; i++) {
		const struct tlb_geometry *g = &m->tlb.array[i];

		if (g->level != level || !(g->serves & TLB_SERVES_LOAD) ||
		    !(g->page_sizes & 1u << size))
			continue;
		*entries += tlb_geometry_entries(g);
		*ways = g->nr_ways;
		*hit = g->hit_cycles;
	}
}

static bool is_near(double got, double want)
{
	return fabs(got - want) <= 0.02 * want;
}

#define NEAR(got, want, what) do { \
	if (!is_near((double)(got), (double)(want))) \
		fail_msg("%s, %s: %.3f, the profile says %.3f", l->m->name, \
			 what, (double)(got), (double)(want)); \
} while (0)

static void compare_tlbs(const struct loop *l, const struct calib_tlb *t)
{
	for (u32 size = 0; size < NR_MUT_PAGES; size++)
		for (u32 level = 0; level < 2; level++) {
			const struct calib_level *got = &t->level[size][level];
			u64 entries, ways;
			u32 hit;

			geometry(l->m, level + 1, size, &entries, &ways, &hit);
			if (got->entries != entries || got->ways != ways)
				fail_msg("%s, level %u, %s: %llu entries in "
					 "%llu ways, the profile says %llu in "
					 "%llu; %s", l->m->name, level + 1,
					 size ? "2M" : "4K",
					 (unsigned long long)got->entries,
					 (unsigned long long)got->ways,
					 (unsigned long long)entries,
					 (unsigned long long)ways, got->note);
			if (level)
				NEAR(got->hit_cycles, hit, "level 2 hit");
		}
}

static void compare_walks(const struct loop *l, const struct calib_walk *w)
{
	u32 ways = l->m->psc.nr_ways[1];

	NEAR(w->load_cycles, l->m->cost[COST_WALK_LOAD], "walk load");
	assert_int_equal(w->pde_entries, ways * l->m->psc.nr_sets[1]);
	assert_int_equal(w->pde_ways, ways);
}

static void compare_memory(const struct loop *l, const struct calib_memory *m)
{
	/* That of the first level is handed over (emu/mut_emulated.c), not found:
	 * a stream does not wait for it, and the model charges streams. */
	for (u32 i = CACHE_L2; i < MUT_NR_CACHES; i++)
		if (l->m->cache[i].bytes)
			NEAR(m->cache[i].cycles, l->m->cache[i].hit_cycles,
			     "cache");
	for (u32 a = 0; a < l->mut->shape.nr_nodes; a++)
		for (u32 b = 0; b < l->mut->shape.nr_nodes; b++)
			NEAR(m->dram[a][b].cycles,
			     machine_dram(l->m, l->mut->shape.node_cpu[a], b),
			     "memory");
	for (u32 hop = 1; hop < NR_HOPS; hop++)
		if (l->mut->shape.has_pair[hop])
			NEAR(m->transfer[hop].cycles,
			     l->m->cost[COST_LINE_TRANSFER_SELF + hop],
			     "line transfer");
}

static double work(const struct loop *l, enum mut_op op, enum mut_page size)
{
	const struct mut_work w = { .op = op, .size = size, .pages = 4 };
	struct mut_sample s;
	struct err e = { "" };

	if (mut_work(l->mut, &w, &s, &e))
		fail_msg("%s: %s", mut_op_name(op), e.text);
	return s.cycles.median;
}

static void compare_work(const struct loop *l)
{
	const u64 *cost = l->m->cost;

	NEAR(work(l, MUT_SYSCALL, MUT_4K), cost[COST_SYSCALL], "syscall");
	NEAR(work(l, MUT_ZERO, MUT_4K), cost[COST_ZERO_4K], "zero 4K");
	NEAR(work(l, MUT_ZERO, MUT_2M), cost[COST_ZERO_2M], "zero 2M");
	NEAR(work(l, MUT_COPY, MUT_4K), cost[COST_COPY_4K_LOCAL], "copy 4K");
	NEAR(work(l, MUT_COPY, MUT_2M), cost[COST_COPY_2M_LOCAL], "copy 2M");
}

static void recover(const char *name, enum mut_reading how)
{
	static struct calib_memory memory;
	struct loop loop, *l = &loop;
	struct calib_tlb tlb;
	struct err e = { "" };

	open_loop(l, name, how);
	if (calib_tlb(l->mut, &tlb, NULL, NULL, &e) ||
	    calib_memory(l->mut, &tlb, &memory, NULL, NULL, &e))
		fail_msg("%s: %s", name, e.text);
	assert_true(tlb.by_events);
	compare_tlbs(l, &tlb);
	compare_walks(l, &tlb.walk);
	compare_memory(l, &memory);
	compare_work(l);
	close_loop(l);
}

/* Every capacity and way exact, every latency within 2 %. */
static void test_loop_through_papi(void **state)
{
	char **all = getenv("CALIB_ALL") ? profile_names() : NULL;
	const char *const *names = all ? (const char *const *)all : some;
	struct err e;

	if (papi_ready(&e)) {
		printf("# skipped: %s\n", e.text);
		skip();
	}
	for (u32 i = 0; names[i]; i++)
		recover(names[i], MUT_BY_PAPI);
	free(all);
}

/* What validation holds out is not what this calibration measured, either: its
 * chases written down on their way to the machine. */
static struct {
	int (*chase)(struct mut *m, const struct mut_chase *c,
		     struct mut_sample *s, struct err *e);
	u64 nr[4096];
	enum mut_page size[4096];
	u32 n;
} seen;

static int write_down(struct mut *m, const struct mut_chase *c,
		      struct mut_sample *s, struct err *e)
{
	if (mut_or_1(c->stride) == 1 && mut_or_1(c->group) == 1 && !c->lines &&
	    seen.n < ARRAY_LEN(seen.nr)) {
		seen.size[seen.n] = c->size;
		seen.nr[seen.n++] = c->nr;
	}
	return seen.chase(m, c, s, e);
}

static void compare_seen(void)
{
	struct rows r;
	struct err e = { "" };

	assert_in_range(seen.n, 50, ARRAY_LEN(seen.nr) - 1);
	assert_int_equal(rows_list(&r, CHASES, 1, &e), 0);
	for (u32 i = 0; i < r.n; i++)
		for (u32 k = 0; k < seen.n; k++)
			if (r.row[i].chase.stride == 1 &&
			    r.row[i].chase.size == seen.size[k] &&
			    r.row[i].chase.nr == seen.nr[k])
				fail_msg("%llu pages are measured by both",
					 (unsigned long long)seen.nr[k]);
	rows_free(&r);
}

/* The clock alone finds the same places, level 2 as whole sets. */
__attribute__((unused)) static void test_loop_by_clock(void **state)
{
	struct loop loop, *l = &loop;
	struct mut_ops ops;
	struct calib_tlb t;
	struct err e = { "" };

	open_loop(l, "haswell-ep", MUT_BY_HAND);
	l->mut->ignores_events = true;
	ops = *l->mut->ops;
	seen.chase = ops.chase;
	ops.chase = write_down;
	l->mut->ops = &ops;
	if (calib_tlb(l->mut, &t, NULL, NULL, &e))
		fail_msg("%s", e.text);
	assert_false(t.by_events);
	compare_tlbs(l, &t);
	NEAR(t.walk.cycles, l->m->cost[COST_WALK_LOAD], "walk");
	compare_seen();
	close_loop(l);
}

/* A machine that decides by the clock and counts beside it: the counts confirm
 * each level and give the cycles of a walk; without counts there is nothing. */
static void test_counts_confirm(void **state)
{
	struct loop loop, *l = &loop;
	struct calib_counted c;
	struct calib_tlb t = { .by_events = false };
	struct err e = { "" };

	open_loop(l, "haswell-ep", MUT_BY_HAND);
	for (u32 level = 0; level < 2; level++) {
		u64 ways;
		u32 hit;

		geometry(l->m, level + 1, 0, &t.level[0][level].entries, &ways,
			 &hit);
		t.level[0][level].is_found = true;
	}
	assert_int_equal(calib_counted(l->mut, &t, &c, &e), 0);
	for (u32 level = 0; level < 2; level++) {
		assert_true(c.below[0][level] == 0);
		assert_true(c.above[0][level] > 0.9);
		assert_true(isnan(c.below[1][level]));  /* was not found */
	}
	NEAR(c.walk_cycles, l->m->cost[COST_WALK_LOAD], "walk");
	l->mut->ignores_events = true;
	assert_int_equal(calib_counted(l->mut, &t, &c, &e), 0);
	assert_true(isnan(c.above[0][0]) && isnan(c.walk_cycles));
	close_loop(l);
}

/* A program whose arena the first level holds waits for it, load by load; and
 * one call of a few pages is one flush, as a kernel's own count has it, and one
 * interrupt for each other thread. */
static void test_programs_and_shootdowns(void **state)
{
	struct loop loop, *l = &loop;
	struct mut_work w = { .op = MUT_MPROTECT, .pages = 3 };
	struct mut_sample s;
	struct err e = { "" };

	open_loop(l, "haswell-ep", MUT_BY_HAND);
	for (u32 i = 0; i < nr_programs; i++) {
		if (programs[i].bytes != PROGRAM_SMALL)
			continue;
		if (mut_program(l->mut, &programs[i], &s, &e))
			fail_msg("%s", e.text);
		NEAR(s.cycles.median, l->m->cache[CACHE_L1D].hit_cycles,
		     programs[i].what);
	}
	for (u32 i = 0; i < 16; i++) {
		static const enum mut_op op[] = { MUT_MPROTECT, MUT_MUNMAP,
						  MUT_DONTNEED, MUT_MREMAP };

		w.op = op[i / 4];
		w.others = i % 4;
		assert_int_equal(mut_work(l->mut, &w, &s, &e), 0);
		assert_true(s.ev[MUT_SHOOTDOWNS] == w.others);
		assert_true(s.ev[MUT_FLUSHES_SENT] == !!w.others);
		assert_true(s.ev[MUT_FLUSHES] == 1);
	}
	w = (struct mut_work){ .op = MUT_FORK, .pages = 40 };
	assert_int_equal(mut_work(l->mut, &w, &s, &e), 0);
	assert_true(s.cycles.median > 0);
	assert_int_equal(mut_stream(l->mut, 0, 0, &s, &e), -ENOTSUP);
	close_loop(l);
}

/* Events read through PAPI are those the machine counted: both ways of reading
 * one chase agree, and one that misses in every access says so. */
static void test_papi_reads_what_is(void **state)
{
	const struct mut_chase c = { .nr = 200 };
	struct mut_sample s[2];
	struct err e = { "" };

	if (papi_ready(&e))
		skip();
	for (u32 i = 0; i < 2; i++) {
		struct loop l;

		open_loop(&l, "zen5-turin", i ? MUT_BY_HAND : MUT_BY_PAPI);
		assert_int_equal(mut_chase(l.mut, &c, &s[i], &e), 0);
		close_loop(&l);
	}
	for (u32 i = 0; i < MUT_COPY_CYCLES; i++)
		assert_true(s[0].ev[i] == s[1].ev[i]);
	assert_true(s[0].cycles.median == s[1].cycles.median);
	assert_true(s[0].ev[MUT_L1_MISS] == 1);         /* LRU, 96 entries */
	assert_true(s[0].ev[MUT_WALKS] == 0);
}

/* What a machine cannot do is refused with its reason. */
static void test_refusals(void **state)
{
	struct mut_work w = { .op = MUT_MPROTECT, .pages = 1, .others = 4 };
	struct mut_chase c = { .nr = 1ull << 40 };
	struct mut_sample s;
	struct err e = { "" };
	struct loop l;

	open_loop(&l, "skylake-client", MUT_BY_HAND);
	assert_int_equal(mut_work(l.mut, &w, &s, &e), -ENOTSUP);
	assert_contains(e.text, "4 other threads need 5 CPUs, there are 4");
	assert_int_equal(mut_chase(l.mut, &c, &s, &e), -E2BIG);
	close_loop(&l);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_loop_through_papi),
#ifndef __SANITIZE_ADDRESS__
	cmocka_unit_test(test_loop_by_clock),
#endif
	cmocka_unit_test(test_counts_confirm),
	cmocka_unit_test(test_programs_and_shootdowns),
	cmocka_unit_test(test_papi_reads_what_is),
	cmocka_unit_test(test_refusals),
};

TEST_MAIN(tests)
