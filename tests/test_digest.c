/* test_digest.c - runs that are known in sum: what the sums say, what damaged
 * ones are told, that a TLB hit by them at once is as if hit one by one, and
 * that replay counts the same with them and without. */
#include <errno.h>

#include "cpu/timed.h"
#include "tests/point.h"
#include "tlb/array.h"
#include "workloads/trace_file.h"
#include "workloads/trace_format.h"

static u64 seed;
static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static u32 next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

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

/* ---- what a trace's digests say ------------------------------------------------ */

static void append(struct trace_writer *w, u64 va, enum run_op op)
{
	OK(trace_writer_append(w, va, 4, op, &err));
}

/* A stack, an array, code, and now and then somewhere else; events between. */
static void write_random(struct rng *g, const char *path, u32 n, bool has_events)
{
	static const struct trace_event ev = {
		.kind = TRACE_MUNMAP, .tid = 1, .start = 1ull << 40, .len = 4096,
	};
	struct trace_writer *w;

	OK(trace_writer_create(&w, path, &err));
	for (u32 i = 0; i < n; i++) {
		u32 dice = (u32)rng_below(g, 100);

		if (has_events && rng_chance(g, 1, 400))
			OK(trace_writer_event(w, &ev, &err));
		if (dice < 50)
			append(w, 0x7ffff000 + 4 * rng_below(g, 3000),
			       rng_chance(g, 1, 3) ? RUN_WRITE : RUN_READ);
		else if (dice < 80)
			append(w, 0x500000 + 4ull * i, RUN_READ);
		else if (dice < 98)
			append(w, 0x400000 + 4 * rng_below(g, 4000), RUN_FETCH);
		else
			append(w, rng_below(g, 1ull << 46) & ~7ull,
			       (enum run_op)rng_below(g, 4));
	}
	OK(trace_writer_close(w, &err));
}

static u32 naive_use(u8 op)
{
	return op == RUN_READ ? 0 : op == RUN_FETCH ? 2 : 1;
}

/* By the definition: for each run, is there a later one of the same page and
 * use? */
static void assert_sums(const struct run_digest *d, const struct run *r, u32 n)
{
	u64 accesses[NR_RUN_USES] = { 0 };
	u32 nr = 0;

	for (u32 i = 0; i < n; i++) {
		bool again = false;

		accesses[naive_use(r[i].op)] += r[i].count;
		for (u32 k = i + 1; k < n && !again; k++)
			again = r[k].va >> 12 == r[i].va >> 12 &&
				naive_use(r[k].op) == naive_use(r[i].op);
		if (again)
			continue;
		assert_true(nr < d->nr_pages);
		assert_int_equal(r[i].va >> 12 << 2 | naive_use(r[i].op),
				 d->page[nr++]);
	}
	assert_int_equal(nr, d->nr_pages);
	assert_memory_equal(accesses, d->accesses, sizeof(accesses));
}

static void assert_digests(const struct trace_part *p)
{
	const struct run *r = p->runs;
	size_t at = 0;

	for (size_t i = 0; i < p->nr_digests; i++) {
		const struct run_digest *d = &p->digests[i];
		u32 n = digest_runs(d), first = d->lead.count != 0;

		assert_true(n && at + n <= p->nr_runs);
		assert_int_equal(at / TRACE_BATCH, (at + n - 1) / TRACE_BATCH);
		if (first) {
			assert_int_equal(r[at].va >> 12, d->lead.va >> 12);
			assert_int_equal(r[at].count, d->lead.count);
			assert_int_equal(r[at].op, d->lead.op);
		}
		assert_sums(d, r + at + first, n - first);
		at += n;
	}
	assert_int_equal(p->nr_runs, at);
	assert_true(trace_part_check(p));
}

/* The same parts as without; the runs of those that are asked for. */
static u64 compare_readers(const char *path, struct rng *g)
{
	struct trace *a, *b;
	struct trace_part p, q;
	u64 nr = 0;

	OK(trace_open(&a, path, &err));
	OK(trace_open(&b, path, &err));
	do {
		OK(trace_next_part(a, &p, &err));
		OK(trace_next_digests(b, &q, &err));
		assert_int_equal(p.nr_runs, q.nr_runs);
		assert_int_equal(p.nr_events, q.nr_events);
		nr += q.nr_digests;
		if (rng_chance(g, 1, 2))
			continue;
		OK(trace_part_runs(b, &q, &err));
		for (size_t i = 0; i < q.nr_runs; i++)
			assert_memory_equal(&p.runs[i], &q.runs[i],
					    offsetof(struct run, op) + 1);
		if (q.nr_digests)
			assert_digests(&q);
	} while (p.nr_runs || p.nr_events);
	trace_close(a);
	trace_close(b);
	return nr;
}

static void test_digests_are_sums(void **state)
{
	u64 first = check_seed("digests_are_sums");

	for (seed = first; seed < first + 6; seed++) {
		const char *path = in_dir("sums.tlbt");
		struct rng g;

		rng_init(&g, seed);
		write_random(&g, path, seed == first ? 200000 : 20000,
			     seed % 2);
		assert_true(compare_readers(path, &g) > 100);
	}
}

/* Where nearly every run misses there are none, and the file is as it was. */
static void test_not_worth_it(void **state)
{
	const char *path = in_dir("chase.tlbt");
	struct trace_writer *w;
	struct trace *t;
	struct rng g;

	rng_init(&g, 1);
	OK(trace_writer_create(&w, path, &err));
	for (u32 i = 0; i < 5000; i++)
		append(w, rng_below(&g, 1 << 20) * 4096, RUN_READ);
	OK(trace_writer_close(w, &err));
	OK(trace_open(&t, path, &err));
	assert_int_equal(1, trace_info(t)->version);
	trace_close(t);
	assert_int_equal(0, compare_readers(path, &g));
}

/* A file of version 3 as it was first written. */
static void test_shipped(void **state)
{
	const char *path = "tests/data/tiny3.tlbt";
	struct rng g;
	struct trace *t;

	rng_init(&g, 1);
	OK(trace_open(&t, path, &err));
	assert_int_equal(3, trace_info(t)->version);
	assert_int_equal(4000, trace_info(t)->nr_accesses);
	assert_int_equal(2730, trace_info(t)->nr_runs);
	assert_int_equal(1, trace_info(t)->nr_by_kind[TRACE_SWITCH]);
	trace_close(t);
	for (u32 i = 0; i < 4; i++)
		assert_true(compare_readers(path, &g) > 50);
}

/* ---- what is none ---------------------------------------------------------------- */

/* A lead of 5 accesses on page 9, then two loads on it: all is well. */
#define GOOD { 5, 3, 0, 5, 2, 0, 0, 1 }

static const struct {
	u32 nr, nr_heads, nr_uses, zero;
	u8 heads[16], uses[4], pages[12];
	u32 nr_pages;           /* bytes                                      */
	const char *expected;   /* NULL: nothing is wrong                     */
} sections[] = {
	{ 1, 8, 1, 0, GOOD, { 3 }, { 18 }, 1, NULL },
	{ 0, 8, 1, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 4, 8, 1, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 1, 8, 1, 1, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 1, 900, 1, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 1, ~0u, ~0u, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	/* Of no runs; of more than there are; of more than 64 bits. */
	{ 1, 1, 0, 0, { 0 }, { 0 }, { 0 }, 0, "one run or more" },
	{ 1, 8, 1, 0, { 7, 3, 0, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "within a part" },
	{ 1, 11, 0, 0, { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 },
	  { 0 }, { 0 }, 0, "one run or more" },
	/* Leads: slot, op, count, page. */
	{ 1, 9, 1, 0, { 5, 128, 1, 0, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "slot, op" },
	{ 1, 8, 1, 0, { 5, 3, 4, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "slot, op" },
	{ 1, 8, 1, 0, { 5, 3, 0, 0, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "slot, op" },
	{ 1, 12, 1, 0, { 5, 3, 0, 128, 128, 128, 128, 16, 2, 0, 0, 1 }, { 3 },
	  { 18 }, 1, "slot, op" },
	{ 1, 8, 1, 0, GOOD, { 3 }, { 17 }, 1, "slot, op" },
	{ 1, 8, 1, 0, GOOD, { 3 }, { 0 }, 0, "slot, op" },
	/* Accesses and uses. */
	{ 1, 8, 1, 0, { 5, 3, 0, 5, 1, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "access for each run" },
	{ 1, 8, 0, 0, { 5, 3, 0, 5, 2, 0, 0, 0 }, { 0 }, { 18 }, 1,
	  "a use or more" },
	{ 1, 8, 1, 0, { 5, 3, 0, 5, 2, 0, 0, 2 }, { 3 }, { 18 }, 1,
	  "a use or more" },
	{ 1, 8, 3, 0, { 5, 3, 0, 5, 2, 0, 0, 3 }, { 3, 3, 3 }, { 18 }, 1,
	  "a use or more" },
	{ 1, 12, 1, 0, { 5, 3, 0, 5, 128, 128, 128, 128, 16, 0, 0, 1 }, { 3 },
	  { 18 }, 1, "fewer than 2^32" },
	{ 1, 8, 1, 0, GOOD, { 4 }, { 18 }, 1, "slots with a page" },
	{ 1, 8, 2, 0, { 5, 3, 0, 5, 2, 0, 0, 2 }, { 3, 3 }, { 18 }, 1,
	  "each once" },
	{ 1, 8, 1, 0, { 5, 3, 2, 5, 0, 2, 0, 1 }, { 131 }, { 18 }, 1,
	  "slots with a page" },
	{ 1, 8, 1, 0, { 5, 3, 0, 5, 1, 1, 0, 1 }, { 3 }, { 18 }, 1,
	  "kinds that there are uses of" },
	{ 1, 8, 1, 0, GOOD, { 131 }, { 18 }, 1, "kinds that there" },
	/* Sums of the block. */
	{ 1, 8, 1, 0, { 3, 3, 0, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "all runs and accesses" },
	{ 1, 8, 1, 0, { 5, 3, 0, 4, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "all runs and accesses" },
	{ 1, 8, 1, 0, GOOD, { 3 }, { 18, 0 }, 2, "no more" },
	{ 1, 9, 1, 0, { 5, 3, 0, 5, 2, 0, 0, 1, 0 }, { 3 }, { 18 }, 1,
	  "no more" },
};

/* In a block of three runs and seven accesses. */
static void test_bad_sections(void **state)
{
	const struct digest_block b = { .nr_runs = 3, .nr_accesses = 7 };

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		u32 heads = sections[i].nr_heads, uses = sections[i].nr_uses;
		const char *expected;
		struct digests s = { 0 };
		size_t bytes = DIGEST_HEADER_BYTES;
		u8 *p = malloc(64);     /* ASan watches its end */
		int ret;

		put32(p, sections[i].nr);
		put32(p + 4, heads);
		put32(p + 8, uses);
		put32(p + 12, sections[i].zero);
		heads = heads < 16 ? heads : 8;
		uses = uses < 4 ? uses : 1;
		memcpy(p + bytes, sections[i].heads, heads);
		memcpy(p + bytes + heads, sections[i].uses, uses);
		memcpy(p + bytes + heads + uses, sections[i].pages,
		       sections[i].nr_pages);
		bytes += heads + uses + sections[i].nr_pages;
		p = realloc(p, bytes);
		ret = digests_load(&s, p, bytes, &b, &expected);
		if (ret != (sections[i].expected ? -EINVAL : 0))
			fail_msg("section %zu: %d, %s", i, ret, expected);
		if (ret)
			assert_contains(expected, sections[i].expected);
		else
			assert_int_equal(9 << 2, s.d[0].page[0]);
		digests_free(&s);
		free(p);
	}
	for (size_t bytes = 0; bytes < DIGEST_HEADER_BYTES; bytes++) {
		static const u8 zero[DIGEST_HEADER_BYTES];
		struct digests s = { 0 };
		const char *expected;

		assert_int_equal(-EINVAL, digests_load(&s, zero, bytes, &b,
						       &expected));
	}
}

/* A digest that goes beyond an event. */
static void test_across_event(void **state)
{
	static const u32 at[] = { 0, 2 };
	const struct digest_block b = {
		.nr_runs = 3, .nr_accesses = 7, .event_at = at, .nr_events = 2,
	};
	static const u8 p[] = { 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
				5, 3, 0, 5, 2, 0, 0, 1, 3, 18 };
	struct digests s = { 0 };
	const char *expected;

	assert_int_equal(-EINVAL, digests_load(&s, p, sizeof(p), &b,
					       &expected));
	assert_contains(expected, "within a part");
	digests_free(&s);
}

static u8 *slurp(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "r");
	u8 *p = malloc(1 << 20);

	assert_non_null(f);
	*bytes = fread(p, 1, 1 << 20, f);
	fclose(f);
	return p;
}

/* The only block of the trace at @p has its digests replaced by @section, every
 * checksum right. Return: bytes of the file. */
static size_t forge(u8 *p, const u8 *section, u32 raw)
{
	u8 *block = p + header_bytes(VERSION_DIGESTS);
	u8 *more = block + BLOCK_HEADER_BYTES;
	u32 before = get32(block + 8) + get32(block + 16) + get32(block + 28);
	u8 *at = more + MORE_BYTES + before;
	size_t n = ZSTD_compress(at, 1 << 16, section, raw, 1), file;

	put32(more, (u32)n);
	put32(more + 4, raw);
	put64(block + 40, block_sum(block, more, MORE_BYTES + before + n));
	file = (size_t)(at - p) + n;
	put64(p + 24, file);
	put64(p + 16, header_sum(p, header_bytes(VERSION_DIGESTS)));
	return file;
}

static void test_bad_file(void **state)
{
	const char *path = in_dir("bad.tlbt");
	u8 section[1 << 16], *p;
	struct trace_part part;
	struct trace *t;
	struct rng g;
	size_t bytes, raw;
	u8 *more;

	rng_init(&g, 1);
	write_random(&g, path, 3000, false);
	p = slurp(path, &bytes);
	assert_int_equal(3, get32(p + 8));
	more = p + header_bytes(3) + BLOCK_HEADER_BYTES;
	raw = get32(more + 4);
	assert_int_equal(raw, ZSTD_decompress(section, sizeof(section), p +
					      bytes - get32(more),
					      get32(more)));

	/* A use more: who asks for digests is told, others need not care. */
	section[8]++;
	check_write(path, p, forge(p, section, (u32)raw));
	OK(trace_open(&t, path, &err));
	OK(trace_next_part(t, &part, &err));
	OK(trace_rewind(t, &err));
	assert_int_equal(-EINVAL, trace_next_digests(t, &part, &err));
	assert_contains(err.text, "bad.tlbt: byte 384: block 0: digests: "
			"expected ");
	assert_int_equal(-EINVAL, trace_next_digests(t, &part, &err));
	assert_contains(err.text, "earlier error");
	trace_close(t);

	/* Well-formed, and not what the runs say: two uses the other way. */
	section[8]--;
	raw = DIGEST_HEADER_BYTES + get32(section + 4);
	for (; section[raw] == section[raw + 1]; raw++)
		;
	bytes = section[raw];
	section[raw] = section[raw + 1];
	section[raw + 1] = (u8)bytes;
	raw = get32(more + 4);
	check_write(path, p, forge(p, section, (u32)raw));
	OK(trace_open(&t, path, &err));
	OK(trace_next_digests(t, &part, &err));
	OK(trace_part_runs(t, &part, &err));
	assert_false(trace_part_check(&part));
	trace_close(t);
	free(p);
}

/* Whatever is damaged, it is refused or makes digests within their bounds. */
static void test_noise(void **state)
{
	u64 first = check_seed("noise");
	const char *path = in_dir("noise.tlbt");
	u8 section[1 << 16], was[1 << 16], *p;
	u32 refused = 0, raw;
	size_t bytes;
	struct digest_block b;
	struct rng g;

	rng_init(&g, first);
	write_random(&g, path, 3000, false);
	p = slurp(path, &bytes);
	raw = get32(p + header_bytes(3) + BLOCK_HEADER_BYTES + 4);
	ZSTD_decompress(was, sizeof(was), p + bytes -
			get32(p + header_bytes(3) + BLOCK_HEADER_BYTES),
			get32(p + header_bytes(3) + BLOCK_HEADER_BYTES));
	b = (struct digest_block){ .nr_runs = get32(p + header_bytes(3) + 20),
				   .nr_accesses = get64(p + 40) };
	for (seed = first; seed < first + 3000; seed++) {
		struct digests s = { 0 };
		const char *expected;
		u32 n = raw, runs = 0;

		memcpy(section, was, raw);
		for (u32 i = 0; i < 1 + seed % 4; i++)
			section[rng_below(&g, raw)] ^= (u8)(1 << rng_below(&g, 8));
		if (seed % 5 == 0)
			n = (u32)rng_below(&g, raw);
		refused += digests_load(&s, section, n, &b, &expected) != 0;
		for (u32 i = 0; i < s.nr; i++) {
			runs += digest_runs(&s.d[i]);
			assert_true(s.d[i].nr_pages <= s.d[i].nr_runs);
			for (u32 k = 0; k < s.d[i].nr_pages; k++)
				assert_true((s.d[i].page[k] & 3) < NR_RUN_USES);
		}
		assert_true(!s.nr || runs == b.nr_runs);
		digests_free(&s);
	}
	assert_true(refused > 1000);
	free(p);
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
	cmocka_unit_test(test_digests_are_sums),
	cmocka_unit_test(test_not_worth_it),
	cmocka_unit_test(test_shipped),
	cmocka_unit_test(test_bad_sections),
	cmocka_unit_test(test_across_event),
	cmocka_unit_test(test_bad_file),
	cmocka_unit_test(test_noise),
	cmocka_unit_test(test_replay_is_same),
	cmocka_unit_test(test_digests_are_taken),
};

int main(int argc, char **argv)
{
	int ret;

	check_tmpdir(dir);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	check_rmdir(dir);
	return ret ? 1 : 0;
}
