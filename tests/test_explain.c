/* test_explain.c - where cycles went: every sum must come out, and walks and
 * interrupts must be booked on the flush that caused them. */
#include "emu/explain.h"
#include "tests/point.h"

struct told {
	struct setup s;
	struct timed_result *r;
	struct explain *x;
};

static void tell(struct told *t, const char *name, const char *const *pairs)
{
	point_make(&t->s, workload_find(name), pairs);
	t->x = explain_create(MACHINE_MAX_CPUS);
	assert_non_null(t->x);
	t->s.p.probe = explain_probe(t->x);
	t->r = point_run(&t->s);
	assert_false(explain_is_broken(t->x));
}

static void forget(struct told *t)
{
	explain_destroy(t->x);
	free(t->r);
	point_free(&t->s);
}

static const struct {
	const char *workload;
	const char *pairs[13];
} points[] = {
	{ "mprotect-storm", { "iterations", "20", "pages", "40" } },
	{ "mprotect-storm", { "iterations", "20", "pages", "3", "initiators",
			      "3", "flush", "page" } },
	{ "mprotect-storm", { "iterations", "10", "pages", "20", "flush",
			      "invlpgb", "profile", "zen3-milan" } },
	{ "mprotect-storm", { "iterations", "10", "pages", "5", "flush", "rar",
			      "profile", "sapphire-rapids", "initiators", "2" } },
	{ "mprotect-storm", { "iterations", "10", "pages", "5", "flush",
			      "hyperv", "guest", "exits", "initiators", "2" } },
	{ "tlb_flush2", { "threads", "8", "bytes", "64K" } },
	{ "tlb_flush2", { "threads", "6", "bytes", "64K", "kernel", "v3.12" } },
	{ "numa-migrate", { "time", "3ms", "machine", "pack:4 core:2 pu:1" } },
	{ "numa-migrate", { "time", "2ms", "kernel", "v3.12", "thp", "no",
			    "scan-period", "200us" } },
	{ "page_fault1", { "threads", "4", "bytes", "256K" } },
	/* Collapsing waits for lockless walkers, outside any flush. */
	{ "mprotect-storm", { "iterations", "5", "pages", "600", "thp-churn",
			      "100us" } },
};

/* It reads and never changes: the same run with and without. */
static void test_changes_nothing(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct timed_result *plain;
		struct told t;

		tell(&t, points[i].workload, points[i].pairs);
		t.s.p.probe = NULL;
		plain = point_run(&t.s);
		assert_memory_equal(plain, t.r, sizeof(*plain));
		free(plain);
		forget(&t);
	}
}

static void add(struct explain_bill *sum, const struct explain_bill *b)
{
	sum->flushes += b->flushes;
	sum->ipis += b->ipis;
	sum->interrupts += b->interrupts;
	sum->dropped += b->dropped;
	sum->own_cycles += b->own_cycles;
	sum->stolen_cycles += b->stolen_cycles;
	sum->refill_walks += b->refill_walks;
	sum->refill_cycles += b->refill_cycles;
	sum->own_refill_cycles += b->own_refill_cycles;
}

static void assert_bill(const struct explain_bill *a,
			const struct explain_bill *b)
{
	assert_int_equal(a->flushes, b->flushes);
	assert_int_equal(a->ipis, b->ipis);
	assert_int_equal(a->interrupts, b->interrupts);
	assert_int_equal(a->dropped, b->dropped);
	assert_int_equal(a->own_cycles, b->own_cycles);
	assert_int_equal(a->stolen_cycles, b->stolen_cycles);
	assert_int_equal(a->refill_walks, b->refill_walks);
	assert_int_equal(a->refill_cycles, b->refill_cycles);
	assert_int_equal(a->own_refill_cycles, b->own_refill_cycles);
}

/* By kind, by CPU and one by one the flushes come to the same, and that is what
 * the run's categories and counters say. Interrupts that no flush sent (kind
 * "no flush"), and waiting for them, belong to no CPU. */
static void check_sums(const struct told *t)
{
	struct explain_bill kinds = { 0 }, cpus = { 0 }, rows = { 0 }, none;
	u64 walks = 0, completed = 0;
	const struct explain_flush *f;
	u32 nr;

	none = *explain_of_kind(t->x, FLUSH_NONE);
	for (u32 i = 0; i < FLUSH_NONE; i++)
		add(&kinds, explain_of_kind(t->x, (enum explain_kind)i));
	for (u32 i = 0; i < MACHINE_MAX_CPUS; i++)
		add(&cpus, &explain_of_cpu(t->x, i)->bill);
	f = explain_flushes(t->x, &nr);
	for (u32 i = 0; i < nr; i++)
		add(&rows, &f[i].bill);
	assert_bill(&kinds, &cpus);
	assert_bill(&kinds, &rows);
	assert_int_equal(t->r->count.v[CTR_TLB_FLUSH], kinds.flushes);
	assert_int_equal(t->r->count.v[CTR_IPIS_SENT], kinds.ipis + none.ipis);
	assert_int_equal(t->r->cycles[CYC_FLUSH] + t->r->cycles[CYC_WAIT_ACK],
		  kinds.own_cycles + none.own_cycles);
	assert_int_equal(t->r->cycles[CYC_RESPOND],
		  kinds.stolen_cycles + none.stolen_cycles);

	for (u32 i = 0; i < t->r->nr_threads; i++) {
		const struct explain_cpu *c =
			explain_of_cpu(t->x, t->r->cpu[i].cpu);
		u64 sum = 0;

		for (u32 k = 0; k < NR_EXPLAIN_WALKS; k++) {
			sum += c->walk_cycles[k];
			walks += c->walks[k];
			completed += k == WALK_FAULT ? 0 : c->walks[k];
		}
		assert_int_equal(t->r->cpu[i].cycles[CYC_WALK], sum);
	}
	assert_int_equal(t->r->count.v[CTR_WALK_BEGUN_LOAD] +
		  t->r->count.v[CTR_WALK_BEGUN_STORE] +
		  t->r->count.v[CTR_WALK_BEGUN_FETCH], walks);
	assert_int_equal(t->r->count.v[CTR_WALK_LOAD] + t->r->count.v[CTR_WALK_STORE] +
		  t->r->count.v[CTR_WALK_FETCH], completed);
}

static void test_sums(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct told t;

		tell(&t, points[i].workload, points[i].pairs);
		assert_true(t.r->count.v[CTR_TLB_FLUSH] > 0);
		check_sums(&t);
		forget(&t);
	}
}

static u64 walks_of(const struct told *t, enum explain_walk w)
{
	u64 n = 0;

	for (u32 i = 0; i < t->r->nr_threads; i++)
		n += explain_of_cpu(t->x, t->r->cpu[i].cpu)->walks[w];
	return n;
}

/* Ranged flushes drop what they name and no more; flushes of everything take
 * the readers' own pages along. */
static void test_named_and_collateral(void **state)
{
	struct told ranged, full;
	const struct explain_bill *b;

	tell(&ranged, "mprotect-storm",
	     PAIRS("iterations", "20", "pages", "4", "threads", "3"));
	b = explain_of_kind(ranged.x, FLUSH_RANGED);
	assert_int_equal(40, b->flushes);
	assert_int_equal(80, b->interrupts);
	assert_true(walks_of(&ranged, WALK_REFILL) > 0);
	assert_int_equal(0, walks_of(&ranged, WALK_COLLATERAL));
	assert_int_equal(0, walks_of(&ranged, WALK_CAPACITY));

	tell(&full, "mprotect-storm",
	     PAIRS("iterations", "20", "pages", "4", "threads", "3", "flush",
		   "full"));
	b = explain_of_kind(full.x, FLUSH_CEILING);
	assert_int_equal(40, b->flushes);
	assert_true(walks_of(&full, WALK_COLLATERAL) >
		    walks_of(&full, WALK_REFILL));
	assert_int_equal(walks_of(&full, WALK_COLLATERAL) +
		  walks_of(&full, WALK_REFILL), b->refill_walks);
	forget(&ranged);
	forget(&full);
}

/* A working set beyond the TLB, and nobody who flushes: its walks are for room,
 * after the first round. */
static void test_capacity(void **state)
{
	struct told t;

	tell(&t, "chase", PAIRS("pages", "4096", "threads", "1", "thp", "no",
				"machine", "pack:1 core:1 pu:1"));
	assert_true(walks_of(&t, WALK_CAPACITY) > 0);
	assert_int_equal(0, walks_of(&t, WALK_REFILL));
	assert_int_equal(0, walks_of(&t, WALK_COLLATERAL));
	assert_int_equal(ROLE_BYSTANDER, explain_role(t.x, t.r->cpu[0].cpu));
	forget(&t);
}

static void test_roles(void **state)
{
	struct told t;

	tell(&t, "mprotect-storm", PAIRS("iterations", "5", "pages", "4",
					 "initiators", "2", "threads", "5"));
	for (u32 i = 0; i < 5; i++)
		assert_int_equal(i < 2 ? ROLE_INITIATOR : ROLE_RESPONDER,
			  explain_role(t.x, t.r->cpu[i].cpu));
	/* The bill is the initiators', though others paid. */
	assert_true(explain_of_cpu(t.x, t.r->cpu[0].cpu)->bill.stolen_cycles > 0);
	assert_int_equal(0, explain_of_cpu(t.x, t.r->cpu[4].cpu)->bill.stolen_cycles);
	forget(&t);
}

/* Broadcasts interrupt nobody; what they drop is refilled on their bill. */
static void test_broadcast(void **state)
{
	struct told t;

	tell(&t, "mprotect-storm",
	     PAIRS("iterations", "20", "pages", "8", "flush", "invlpgb",
		   "profile", "zen3-milan", "threads", "4"));
	assert_int_equal(0, explain_of_kind(t.x, FLUSH_RANGED)->interrupts);
	assert_true(explain_of_cpu(t.x, t.r->cpu[0].cpu)->bill.refill_walks > 0);
	assert_int_equal(ROLE_BYSTANDER, explain_role(t.x, t.r->cpu[3].cpu));
	forget(&t);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_changes_nothing),
	cmocka_unit_test(test_sums),
	cmocka_unit_test(test_named_and_collateral),
	cmocka_unit_test(test_capacity),
	cmocka_unit_test(test_roles),
	cmocka_unit_test(test_broadcast),
};

TEST_MAIN(tests)
