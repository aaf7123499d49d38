/* test_alone.c - a CPU that is alone takes its misses past the driver
 * (cpu/run_alone.c). What comes of it is what comes of each step being taken: after
 * every few runs of a random program all clocks, cycles and counters are
 * compared, and in the end all that the TLBs hold. */
#include "base/hash.h"
#include "base/rng.h"
#include "mm/mm.h"
#include "tests/point.h"

#define MAX_LOG 4096u
#define CHUNKS 160u
#define CALL_EVERY 5u
#define PAGES 6000u

static struct {
	bool takes_steps;       /* each of them: nobody is ever alone         */
	u64 (*ask)(const void *obj);
	u64 nr_alone, nr_for_a_time;    /* until an interrupt            */
	u64 nr_lanes, nr_lone_walkers;
	u64 log[MAX_LOG];
	u32 nr_log;
	u64 vpn, small;
	u64 *calls;             /* made, answered                             */
} W;

static u64 ask(const void *obj)
{
	u64 until = W.takes_steps ? 0 : W.ask(obj);

	W.nr_alone += until > this_cpu->now;
	W.nr_for_a_time += until > this_cpu->now && until != UINT64_MAX;
	return until;
}

static void note(u64 hash)
{
	assert_true(W.nr_log < MAX_LOG);
	W.log[W.nr_log++] = hash;
}

static void note_cpu(const struct cpu *c)
{
	u64 h = hash64_seeded(&c->count, sizeof(c->count), c->now);

	h = hash64_seeded(c->cycles, sizeof(c->cycles), h);
	h = hash64_seeded(&c->tlb->stats, sizeof(c->tlb->stats), h);
	note(hash64_seeded(c->core->walker_free, sizeof(c->core->walker_free),
			   h));
}

static void note_arrays(const struct tlb_core *core)
{
	for (u32 i = 0; i < core->nr_units; i++) {
		const struct tlb_unit *u = &core->unit[i];
		size_t n = (size_t)u->nr_sets * u->stride;

		note(hash64(u->tag, n * sizeof(*u->tag)));
		note(hash64(u->entry, n * sizeof(*u->entry)));
		if (u->repl.bits)
			note(hash64(u->repl.bits,
				    u->nr_sets * sizeof(*u->repl.bits)));
		if (u->repl.link)
			note(hash64(u->repl.link, u->nr_sets *
				    (u->nr_ways + 1) * sizeof(*u->repl.link)));
	}
}

static int setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();
	int rc = 0;

	W.vpn = wl_map(mm, PAGES, VM_READ | VM_WRITE);
	W.calls = arena_alloc(&the_sys->arena, 64);
	W.small = wl_map(mm, 16, VM_READ | VM_WRITE);
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = wl_start(w, i, mm, e);
	return rc;
}

static void random_runs(struct rng *rng)
{
	struct run run[48];
	u32 n = 1 + (u32)rng_below(rng, ARRAY_LEN(run));
	/* In a few pages, where they hit, or anywhere. */
	u64 pages = rng_below(rng, 3) ? PAGES : 1 + rng_below(rng, 200);

	for (u32 i = 0; i < n; i++)
		run[i] = (struct run){
			.va = (W.vpn + rng_below(rng, pages)) << PAGE_SHIFT,
			.count = rng_below(rng, 2) ? 1 : 1 +
				 (u32)rng_below(rng, 60),
			.bytes = 8, .stride = 8,
			.op = rng_below(rng, 3) ? RUN_READ :
			      (u8)rng_below(rng, 4),
		};
	wl_runs(run, n);
}

static void change_something(struct mm *mm, struct rng *rng)
{
	u64 from = W.vpn + rng_below(rng, PAGES - 700);
	u64 n = 1 + rng_below(rng, rng_below(rng, 2) ? 700 : 8);

	switch (rng_below(rng, 4)) {
	case 0:
		do_madvise(mm, from, n, MADV_DONTNEED);
		break;
	case 1:
		do_mprotect(mm, from, n, VM_READ);
		do_mprotect(mm, from, n, VM_READ | VM_WRITE);
		break;
	case 2:
		/* Tables go, which walk caches know. */
		do_munmap(mm, W.small, 16);
		do_mmap_fixed(mm, W.small, 16, VM_READ | VM_WRITE);
		break;
	case 3:
		cpu_invlpg(from);
		break;
	}
}

static bool is_called(const void *arg)
{
	const u64 *rounds = arg;

	return W.calls[0] != rounds[0];
}

static void nothing(void *arg)
{
}

/* Sleeps until the first thread calls; then what it does interrupts that. While it
 * waits for the answer the first is alone, up to the interrupt. */
static void second_body(struct mm *mm, struct rng *rng)
{
	const u64 first = 1;

	for (u64 *seen = &W.calls[1]; *seen < CHUNKS / CALL_EVERY; ++*seen) {
		the_sys->drv.wait(W.calls, is_called, seen, 0);
		if (!rng_below(rng, 3))
			change_something(mm, rng);
		for (u32 i = 0; i < 20; i++)
			smp_call(&first, nothing, W.calls, nothing);
		if (!rng_below(rng, 4))
			random_runs(rng);
		note_cpu(this_cpu);
	}
}

static void body(struct wl *w, u32 t)
{
	struct mm *mm = w->thread[t].t.mm;
	struct rng rng;

	if (!W.ask && the_sys->drv.alone_until) {
		W.ask = the_sys->drv.alone_until;
		the_sys->drv.alone_until = ask;
	}
	rng_init(&rng, w->seed * 2 + t);
	if (t) {
		second_body(mm, &rng);
		return;
	}
	for (u32 i = 1; i <= CHUNKS; i++) {
		random_runs(&rng);
		if (!rng_below(&rng, 12))
			change_something(mm, &rng);
		if (i % CALL_EVERY == 0) {
			W.calls[0]++;
			the_sys->drv.wake(W.calls);
		}
		note_cpu(this_cpu);
	}
	note_arrays(this_cpu->tlb->core);
	W.nr_lanes = this_cpu->nr_lanes;
	W.nr_lone_walkers = this_cpu->nr_lone_walkers;
}

static const struct workload world = {
	.name = "world", .setup = setup, .body = body,
};

static void play(const char *const *pairs, u64 seed, bool takes_steps)
{
	char text[32];
	struct setup s;

	memset(&W, 0, sizeof(W));
	W.takes_steps = takes_steps;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
	point_make(&s, &world, pairs);
	OK(opt_assign(s.set, "seed", text, OPT_FROM_CMDLINE, &err));
	free(point_run(&s));
	point_free(&s);
}

static void test_same_as_with_steps(void **state)
{
	static const char *const rows[][13] = {
		{ "profile", "skylake-sp" },
		{ "profile", "skylake-sp", "caches", "walks" },
		{ "profile", "skylake-sp", "thp", "no", "irqs-off", "1us",
		  "irqs-off-every", "10us" },
		{ "profile", "skylake-sp", "thp", "no", "threads", "2" },
		{ "profile", "skylake-sp", "thp", "no", "threads", "2",
		  "caches", "walks", "machine", "pack:1 core:2 pu:1" },
		{ "profile", "ice-lake-sp", "levels", "5", "psc", "no" },
		{ "profile", "zen3-milan", "thp", "no", "frames", "aligned" },
		{ "profile", "zen4-genoa", "thp", "no", "ept", "2m", "caches",
		  "walks" },
		{ "profile", "neoverse-v1", "thp", "no", "flush", "tlbi",
		  "threads", "2" },
		{ "profile", "zen1-naples", "thp", "no" },
		{ "profile", "cortex-a76", "tick", "10us" },
	};
	u64 seed = check_seed("alone"), nr_for_a_time = 0;
	u64 nr_lanes = 0, nr_lone_walkers = 0, rows_with_both = 0;
	u64 *log = malloc(sizeof(W.log));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *pairs[20] = { "machine", "pack:1 core:1 pu:2",
					  "threads", "1" };
		u32 nr;

		for (u32 k = 0; rows[i][k]; k++)
			pairs[4 + k] = rows[i][k];
		play(pairs, seed + i, false);
		/* Else nothing is compared. */
		assert_true(W.nr_alone > CHUNKS);
		nr_for_a_time += W.nr_for_a_time;
		nr_lanes += W.nr_lanes;
		nr_lone_walkers += W.nr_lone_walkers;
		rows_with_both += W.nr_lanes && W.nr_lone_walkers;
		memcpy(log, W.log, sizeof(W.log));
		nr = W.nr_log;
		play(pairs, seed + i, true);
		assert_true(!W.nr_lanes && !W.nr_lone_walkers);
		assert_int_equal(W.nr_log, nr);
		for (u32 k = 0; k < nr; k++)
			if (log[k] != W.log[k])
				fail_msg("row %zu: note %u of %u differs", i, k,
					 nr);
	}
	assert_true(nr_for_a_time > CHUNKS);
	assert_true(nr_lanes > CHUNKS && nr_lone_walkers > CHUNKS);
	assert_true(rows_with_both > 2);
	free(log);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_same_as_with_steps),
};

TEST_MAIN(tests)
