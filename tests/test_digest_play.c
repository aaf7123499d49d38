/* test_digest_play.c - a TLB hit by runs that are known in sum, at once, is as if hit
 * one by one, and replay counts the same with them and without. */
#include <errno.h>

#include "cpu/timed.h"
#include "tests/dir.h"
#include "tests/point.h"
#include "tlb/array.h"
#include "workloads/trace_file.h"

static u64 seed;
/* ---- all hits at once ------------------------------------------------------- */

#define PCID 3
#define NR_PAGES 40u

static void add_array(struct rng *g, struct tlb_design *d, u8 level, u8 serves,
		      u32 sizes, enum tlb_repl repl)
{
	struct tlb_geometry *geo = &d->array[d->nr_arrays++];

	*geo = (struct tlb_geometry){
		.name = "test", .level = level, .serves = serves,
		.page_sizes = sizes, .source = "assumed: test",
		.replacement = repl, .nr_sets = 1u << rng_below(g, 4),
		.nr_ways = 1u << rng_below(g, 5),
	};
	if (repl == TLB_REPL_MRU1_3PLRU4 || repl == TLB_REPL_LRU_3PLRU4)
		geo->nr_ways = 12;
}

static void make_design(struct rng *g, struct tlb_design *d, enum tlb_repl repl)
{
	const u8 first = rng_chance(g, 1, 2) ? TLB_SERVES_DATA
					     : TLB_SERVES_LOAD;

	memset(d, 0, sizeof(*d));
	add_array(g, d, 1, first, TLB_HOLDS_4K, repl);
	add_array(g, d, 1, first, TLB_HOLDS_2M, repl);
	add_array(g, d, 1, TLB_SERVES_ALL & ~first, TLB_HOLDS_4K, repl);
	add_array(g, d, 2, TLB_SERVES_ALL, TLB_HOLDS_4K | TLB_HOLDS_2M,
		  TLB_REPL_LRU);
	d->array[3].nr_sets = 16;
	d->array[3].nr_ways = 8;
}

/* 4K pages, and some behind 2M entries. */
static u64 page_nr(u32 i)
{
	return i < NR_PAGES / 2 ? 1000 + 7 * i : (1ull << 20) + 300 * i;
}

static struct tlb_entry leaf_of(u32 i)
{
	u8 order = i < NR_PAGES / 2 ? 0 : 9;
	u64 vpn = page_nr(i) & ~tlb_order_mask(order);

	return (struct tlb_entry){
		.vpn = vpn, .pfn = vpn + (1ull << 30), .pcid = PCID,
		.order = order, .flags = TLB_W | (i % 5 ? TLB_D : 0),
	};
}

static enum tlb_level access_page(struct tlb_array *a, u32 i, enum tlb_use use)
{
	struct tlb_entry leaf = leaf_of(i), *e;
	enum tlb_level level = tlb_array_access(a, use, PCID, page_nr(i), &e);

	if (level == TLB_MISS)
		tlb_array_fill(a, use, page_nr(i), &leaf);
	return level;
}

/* Read off the arrays, slot by slot. */
static bool is_in_l1(const struct tlb_array *a, const struct tlb_design *d,
		     u32 i, enum tlb_use use)
{
	const u8 want = use == TLB_STORE ? TLB_W | TLB_D : 0;

	for (u32 id = 0; id < d->nr_arrays; id++)
		for (u32 s = 0; s < d->array[id].nr_sets; s++)
			for (u32 w = 0; w < d->array[id].nr_ways; w++) {
				const struct tlb_entry *e =
					tlb_array_slot(a, id, s, w, NULL);

				if (e && d->array[id].level == 1 &&
				    d->array[id].serves >> use & 1 &&
				    tlb_entry_covers(e, page_nr(i)) &&
				    (e->flags & want) == want)
					return true;
			}
	return false;
}

static void assert_alike(const struct tlb_array *a, const struct tlb_array *b,
			 const struct tlb_design *d)
{
	for (u32 id = 0; id < d->nr_arrays; id++)
		for (u32 s = 0; s < d->array[id].nr_sets; s++)
			for (u32 w = 0; w < d->array[id].nr_ways; w++) {
				const struct tlb_entry *x, *y;

				x = tlb_array_slot(a, id, s, w, NULL);
				y = tlb_array_slot(b, id, s, w, NULL);
				if (!x != !y || (x && memcmp(x, y, sizeof(*x))))
					fail_msg("array %u, set %u, way %u "
						 "differ (seed %llu)", id, s, w,
						 (unsigned long long)seed);
			}
	assert_memory_equal(&a->stats, &b->stats, sizeof(a->stats));
}

struct lookup {
	u32 page;
	enum tlb_use use;
};

/* The last lookups of each page and use, in order. */
static u32 last_ones(const struct lookup *l, u32 n, u64 *out)
{
	u32 nr = 0;

	for (u32 i = 0; i < n; i++) {
		bool again = false;

		for (u32 k = i + 1; k < n; k++)
			again |= l[k].page == l[i].page && l[k].use == l[i].use;
		if (!again)
			out[nr++] = page_nr(l[i].page) << 2 | l[i].use;
	}
	return nr;
}

/* Return: were they taken at once? */
static bool hit_both(struct rng *g, struct tlb_array *one, struct tlb_array *all,
		     const struct tlb_design *d, enum tlb_repl repl)
{
	struct lookup l[120], set[16];
	u64 page[120];
	u32 nr_set = 1 + (u32)rng_below(g, 15), n = 1 + (u32)rng_below(g, 119);
	bool are_there = true, taken;

	for (u32 i = 0; i < nr_set; i++) {
		set[i].page = (u32)rng_below(g, NR_PAGES);
		set[i].use = (enum tlb_use)rng_below(g, NR_TLB_USES);
		/* Most sets are what was used just now. */
		if (rng_chance(g, 9, 10))
			assert_int_equal(access_page(one, set[i].page,
						     set[i].use),
					 access_page(all, set[i].page,
						     set[i].use));
	}
	for (u32 i = 0; i < n; i++) {
		l[i] = set[rng_below(g, nr_set)];
		are_there &= is_in_l1(one, d, l[i].page, l[i].use);
	}
	taken = tlb_array_hit_all(all, PCID, page, last_ones(l, n, page), n);
	if (taken != are_there && (taken || repl != TLB_REPL_NRU))
		fail_msg("%u lookups of policy %u %s, which %s (seed %llu)", n,
			 repl, taken ? "taken" : "refused", are_there ?
			 "hit" : "do not all hit", (unsigned long long)seed);
	for (u32 i = 0; i < n; i++) {
		struct tlb_entry *e;

		if (taken)
			assert_true(tlb_array_hit(one, l[i].use, PCID,
						  page_nr(l[i].page), &e));
		else
			assert_int_equal(access_page(one, l[i].page, l[i].use),
					 access_page(all, l[i].page, l[i].use));
	}
	return taken;
}

/* Contents at once, and the policies' state by whom it evicts from then on. */
static void test_hits_at_once(void **state)
{
	u32 taken[NR_TLB_REPL] = { 0 };

	for (seed = check_seed("hits_at_once"); seed % 100 < 40; seed++)
		for (u32 repl = 0; repl < NR_TLB_REPL; repl++) {
			struct tlb_array *one, *all;
			struct tlb_design d;
			struct rng g;

			rng_init(&g, seed * NR_TLB_REPL + repl);
			make_design(&g, &d, (enum tlb_repl)repl);
			OK(tlb_array_create(&one, &d, 1));
			OK(tlb_array_create(&all, &d, 1));
			for (u32 i = 0; i < 40; i++) {
				taken[repl] += hit_both(&g, one, all, &d,
							(enum tlb_repl)repl);
				assert_alike(one, all, &d);
			}
			assert_null(tlb_array_check(all));
			tlb_array_destroy(one);
			tlb_array_destroy(all);
		}
	for (u32 repl = 0; repl < NR_TLB_REPL; repl++)
		assert_true(taken[repl] > 50);
}

/* ---- played ------------------------------------------------------------------------ */

static void copy_trace(const char *from, const char *to)
{
	struct trace_writer *w;
	struct trace_part p;
	struct trace *t;

	OK(trace_open(&t, from, &err));
	OK(trace_writer_create(&w, to, &err));
	for (;;) {
		OK(trace_next_part(t, &p, &err));
		if (!p.nr_runs && !p.nr_events)
			break;
		for (size_t i = 0; i < p.nr_runs; i++)
			OK(trace_writer_append_run(w, &p.runs[i], &err));
		for (size_t i = 0; i < p.nr_events; i++)
			OK(trace_writer_event(w, &p.events[i], &err));
	}
	OK(trace_writer_close(w, &err));
	trace_close(t);
	OK(trace_open(&t, to, &err));
	assert_int_equal(3, trace_info(t)->version);
	trace_close(t);
}

static void assert_same(const struct timed_result *a,
			const struct timed_result *b, const char *what)
{
	for (u32 i = 0; i < NR_COUNTERS; i++)
		if (a->count.v[i] != b->count.v[i])
			fail_msg("%s: %s: %llu and %llu", what,
				 counter_info[i].name,
				 (unsigned long long)a->count.v[i],
				 (unsigned long long)b->count.v[i]);
	assert_memory_equal(a, b, sizeof(*a));
}

/* The same program with digests and, from a file without, run by run. */
static void test_replay_is_same(void **state)
{
	static const struct {
		const char *files[2];
		const char *pairs[13];
	} rows[] = {
		{ { "sort" }, { "loops", "2" } },
		{ { "ls", "sort" }, { "as", "processes", "thp", "yes",
				      "profile", "zen4-genoa" } },
		{ { "ls" }, { "caches", "full" } },
		/* Other threads of the process: cut short by their time, and
		 * by scans that take pages away. */
		{ { "sort", "ls" }, { "threads", "4", "kernel", "v3.12",
				      "scan-period", "20us" } },
		{ { "sort", "ls" }, { "threads", "3", "scan-period", "50us",
				      "profile", "alder-lake-p", "flush",
				      "page", "mlp", "4" } },
		{ { "threads" }, { "loops", "2" } },
		{ { "threads" }, { "flush", "page", "threads", "1", "check",
				   "yes" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char old[2][128], new[2][128];
		const char *olds[2] = { old[0], old[1] };
		const char *news[2] = { new[0], new[1] };
		struct timed_result *a, *b;
		struct setup s;
		u32 n = 0;

		for (; n < 2 && rows[i].files[n]; n++) {
			snprintf(old[n], sizeof(old[n]), "tests/data/%s.tlbt",
				 rows[i].files[n]);
			snprintf(new[n], sizeof(new[n]), "%s/%s.tlbt", dir,
				 rows[i].files[n]);
			if (access(new[n], F_OK))
				copy_trace(old[n], new[n]);
		}
		point_make(&s, workload_find("replay"), rows[i].pairs);
		s.p.nr_files = n;
		s.p.files = olds;
		a = point_run(&s);
		s.p.files = news;
		b = point_run(&s);
		forget_samples(a);
		forget_samples(b);
		assert_same(a, b, rows[i].files[0]);
		assert_true(a->count.v[CTR_ACCESSES] > 50000);
		point_free(&s);
		free(a);
		free(b);
	}
}

/* How many digests are played as such: nearly all, when nobody interrupts and
 * the TLB is larger than the writer's idea of one. */
static struct trace *played;
static u64 nr_taken, nr_refused;

static int play_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();
	struct trace_part p;

	OK(trace_open(&played, w->files[0], e));
	do {
		OK(trace_next_digests(played, &p, e));
		for (size_t i = 0; i < p.nr_digests; i++) {
			u64 vpn = p.digests[i].lead.va >> 21 << 9;

			if (p.digests[i].lead.count && !find_vma(mm, vpn))
				vma_add(mm, vpn, 512, VM_READ | VM_WRITE);
		}
	} while (p.nr_runs);
	OK(trace_rewind(played, e));
	w->nr_threads = 1;
	return wl_start(w, 0, mm, e);
}

static void play_body(struct wl *w, u32 t)
{
	struct trace_part p;

	while (!trace_next_digests(played, &p, &w->err) && p.nr_runs) {
		size_t at = 0;

		for (size_t i = 0; i < p.nr_digests; i++) {
			const struct run_digest *d = &p.digests[i];
			u32 first = d->lead.count != 0;

			OK(cpu_run_many(&d->lead, first));
			if (d->nr_runs && cpu_run_digest(d)) {
				nr_taken++;
			} else if (d->nr_runs) {
				nr_refused++;
				OK(trace_part_runs(played, &p, &err));
				OK(cpu_run_many(p.runs + at + first,
						d->nr_runs));
			}
			at += digest_runs(d);
		}
	}
}

static void play_teardown(struct wl *w)
{
	trace_close(played);
}

static const struct workload play = {
	.name = "play", .cfg_bytes = 1, .setup = play_setup,
	.body = play_body, .teardown = play_teardown,
};

static void test_digests_are_taken(void **state)
{
	static const char *const profiles[] = {
		"skylake-sp", "zen3-milan", "neoverse-v1",
	};
	const char *path = in_dir("taken.tlbt");

	copy_trace("tests/data/xz.tlbt", path);
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
		const char *const pairs[] = { "profile", profiles[i], NULL };
		struct setup s;

		point_make(&s, &play, pairs);
		s.p.files = &path;
		s.p.nr_files = 1;
		nr_taken = nr_refused = 0;
		free(point_run(&s));
		printf("# %s: %llu taken, %llu refused\n", profiles[i],
		       (unsigned long long)nr_taken,
		       (unsigned long long)nr_refused);
		assert_true(nr_taken > 1000 && nr_refused < nr_taken / 10);
		/* 16 tree-PLRU sets of four: see trace_digest.h. */
		if (i == 0)
			assert_int_equal(0, nr_refused);
		point_free(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_hits_at_once),
	cmocka_unit_test(test_replay_is_same),
	cmocka_unit_test(test_digests_are_taken),
};

DIR_MAIN(tests)
