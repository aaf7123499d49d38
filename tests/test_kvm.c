/* A secondary MMU: it maps what the VMM's tables map and nothing else, whatever
 * moves; what NUMA balancing costs a guest that has nothing to gain from it. */
#include <errno.h>
#include <string.h>

#include "mm/kvm.h"
#include "mm/numa_balancing.h"
#include "tests/point.h"

#define GUEST "machine", "pack:2 core:2 pu:1", "time", "1200ms", "think", "20us", \
	"memory", "16M"

static struct timed_result *guest(const char *kernel, const char *balancing,
				  const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, workload_find("kvm-guest"), PAIRS(GUEST));
	for (; pairs[0]; pairs += 2)
		OK(opt_assign(s.set, pairs[0], pairs[1], OPT_FROM_CMDLINE, &err));
	OK(opt_assign(s.set, "kernel", kernel, OPT_FROM_CMDLINE, &err));
	OK(opt_assign(s.set, "numa_balancing", balancing, OPT_FROM_CMDLINE, &err));
	OK(opt_assign(s.set, "numa_balancing_scan_delay_ms", "100",
		      OPT_FROM_CMDLINE, &err));
	OK(opt_assign(s.set, "numa_balancing_scan_period_min_ms", "100",
		      OPT_FROM_CMDLINE, &err));
	s.p.kernel = kernel_find(s.cfg.kernel);
	r = point_run(&s);
	point_free(&s);
	return r;
}

static u64 count(const struct timed_result *r, enum counter c)
{
	return r->count.v[c];
}

/* vCPUs and memory are at home: nothing moves, nothing is invalidated; with
 * balancing nothing moves either, and the guest pays for each scan. */
static void test_pinned_guest_pays(void **state)
{
	for (u32 k = 0; k < 2; k++) {
		const char *thp = k ? "yes" : "no";
		struct timed_result *off = guest("v6.1", "0", PAIRS("thp", thp));
		struct timed_result *on = guest("v6.1", "1", PAIRS("thp", thp));
		u64 entries = k ? 8 : 4096;

		assert_int_equal(0, count(off, CTR_MMU_NOTIFIER_INVALIDATE));
		assert_int_equal(0, count(off, CTR_KVM_REMOTE_TLB_FLUSH));
		assert_in_range(count(off, CTR_EPT_VIOLATIONS), 1, entries + 4);
		assert_int_equal(0, count(on, CTR_NUMA_PAGES_MIGRATED));
		assert_int_equal(count(on, CTR_NUMA_HINT_FAULTS),
				 count(on, CTR_NUMA_HINT_FAULTS_LOCAL));
		assert_true(count(on, CTR_MMU_NOTIFIER_INVALIDATE) >= 2);
		assert_true(count(on, CTR_EPT_VIOLATIONS) >=
			    3 * count(off, CTR_EPT_VIOLATIONS) / 2);
		assert_true(count(on, CTR_KVM_UNMAPPED_PAGES) >= 4096);
		assert_true(on->done < off->done);
		/* Each zap kicks the other three, and so does the host's flush. */
		assert_int_equal(3 * count(on, CTR_REMOTE_FLUSH),
				 count(on, CTR_IPIS_SENT));
		assert_true(count(on, CTR_REMOTE_FLUSH) >=
			    2 * count(on, CTR_KVM_REMOTE_TLB_FLUSH));
		free(off);
		free(on);
	}
}

/* Memory of one node, vCPUs of two: pages come to their vCPUs through violations,
 * and each is taken out of the EPT before. */
static void test_memory_comes(void **state)
{
	struct timed_result *off = guest("v6.1", "0", PAIRS("home", "serial"));
	struct timed_result *on = guest("v6.1", "1", PAIRS("home", "serial"));
	u64 moved = count(on, CTR_THP_MIGRATION_SUCCESS);

	assert_int_equal(moved, 4);
	assert_int_equal(count(on, CTR_NUMA_PAGES_MIGRATED), 512 * moved);
	assert_true(count(on, CTR_MMU_NOTIFIER_INVALIDATE) >= moved + 1);
	assert_true(2 * count(on, CTR_NODE_LOAD_MISSES) <
		    count(off, CTR_NODE_LOAD_MISSES));
	free(off);
	free(on);
}

/* A device's pins: since 5.17 4K pages are not marked, and the EPT is emptied all
 * the same; huge ones are marked and fail to move. Before, all are. */
static void test_vfio(void **state)
{
	static const struct { const char *kernel, *thp; bool marks; } c[] = {
		{ "v6.1", "no", false }, { "v6.1", "yes", true },
		{ "v5.14", "no", true },
	};

	for (u32 k = 0; k < ARRAY_LEN(c); k++) {
		struct timed_result *r = guest(c[k].kernel, "1", PAIRS(
			"vfio", "yes", "home", "serial", "thp", c[k].thp));

		assert_int_equal(0, count(r, CTR_NUMA_PAGES_MIGRATED));
		assert_true(count(r, CTR_MMU_NOTIFIER_INVALIDATE) > 0);
		assert_true(count(r, CTR_KVM_UNMAPPED_PAGES) >= 4096);
		assert_int_equal(count(r, CTR_NUMA_PTE_UPDATES) >= 4096, c[k].marks);
		assert_int_equal(count(r, CTR_PGMIGRATE_FAIL) > 0, c[k].marks);
		free(r);
	}
}

/* ---- what the EPT maps -------------------------------------------------------------- */

#define PAGES 1024u

static struct {
	struct mm *mm;
	struct kvm *kvm;
	u64 vpn;
	bool is_deaf;           /* the notifier is gone once the guest runs   */
	u32 nr, stale, checked;
} P;

static u64 entry(struct mm *mm, u64 vpn, u32 *level)
{
	u64 *p = pgtable_entry(mm, vpn, PMD_LEVEL), e = p ? *p : 0;

	*level = pmd_is_huge(e);
	if (*level)
		return e + ((vpn & (hpage_pages() - 1)) << PAGE_SHIFT);
	p = pgtable_entry(mm, vpn, 0);
	return p ? *p : 0;
}

/* Entries that say what the VMM's do not. */
static void compare(void)
{
	u32 level;

	for (u64 i = 0; i < PAGES; i++) {
		u64 e = entry(P.kvm->ept, P.vpn + i, &level);
		u64 host = entry(P.mm, P.vpn + i, &level);

		P.checked += e != 0;
		P.stale += e && (!(host & PTE_P) || pte_pfn(e) != pte_pfn(host) ||
				 (e & PTE_RW & ~host));
	}
}

static int setup(struct wl *w, struct err *e)
{
	w->nr_threads = P.nr;
	P.mm = mm_create();
	P.kvm = kvm_create(P.mm);
	P.vpn = wl_map(P.mm, PAGES, VM_READ | VM_WRITE | VM_HUGE | VM_MIGRATABLE);
	for (u32 i = 0; i < P.nr; i++)
		OK(wl_start(w, i, P.mm, e));
	return wl_populate(w, 0, P.vpn, PAGES, e);
}

static void guest_body(struct wl *w, u32 i)
{
	u64 end = machine_ns_to_cycles(the_sys->m, 400000000);
	struct rng rng;

	rng_init(&rng, w->seed * 100 + i);
	kvm_vcpu_enter(P.kvm);
	if (P.is_deaf)
		P.mm->kvm = NULL;
	while (this_cpu->now < end) {
		struct run r = {
			.va = (P.vpn + rng_below(&rng, PAGES)) << PAGE_SHIFT,
			.count = 3000, .bytes = 8,
			.op = rng_chance(&rng, 1, 2) ? RUN_READ : RUN_WRITE,
		};

		OK(wl_runs(&r, 1));
	}
	kvm_vcpu_leave();
	if (!i)
		compare();
}

static const struct workload program = {
	.name = "program", .setup = setup, .body = guest_body,
};

static void run_guest(const char *seed, const char *kernel, const char *thp,
		      bool is_deaf)
{
	struct setup s;

	memset(&P, 0, sizeof(P));
	P.nr = 6;
	P.is_deaf = is_deaf;
	point_make(&s, &program, PAIRS(
		"machine", "pack:2 core:2 pu:1", "numa_balancing", "1",
		"kernel", kernel, "thp", thp, "seed", seed,
		"numa_balancing_scan_delay_ms", "20",
		"numa_balancing_scan_period_min_ms", "100",
		"cpuset", "mems=0,memory_migrate=1,at=100ms,mems=1,"
			  "at=200ms,mems=0-1"));
	free(point_run(&s));
	point_free(&s);
}

/* Scanned, moved by hint faults and by a cpuset, run by more vCPUs than CPUs: no
 * entry is left of what went. Without its notifier there is. */
static void test_never_stale(void **state)
{
	static const char *const kernel[] = { "v3.13", "v5.14", "v6.1", "v6.12" };

	for (u32 k = 0; k < 2 * ARRAY_LEN(kernel); k++) {
		run_guest(k & 1 ? "2" : "1", kernel[k / 2], k & 1 ? "yes" : "no",
			  false);
		assert_true(P.checked > 0);
		assert_int_equal(0, P.stale);
	}
	run_guest("1", "v6.1", "no", true);
	assert_true(P.stale > 0);
}

/* ---- two guests ---------------------------------------------------------------------- */

#define FEW 16u

static struct {
	struct mm *mm;
	struct kvm *guest[2];   /* of the same memory; mm's notifier is told of
				 * the second                                 */
	u64 vpn;
	u64 walks[4];           /* of each of four visits                     */
	bool drops;
} T;

static int two_setup(struct wl *w, struct err *e)
{
	T.mm = mm_create();
	T.vpn = wl_map(T.mm, FEW, VM_READ | VM_WRITE);
	for (u32 i = 0; i < 2; i++)
		T.guest[i] = kvm_create(T.mm);
	w->nr_threads = 1;
	return wl_start(w, 0, T.mm, e);
}

/* Return: walks that reading all pages as guest @i took. */
static u64 visit(u32 i)
{
	u64 before;

	kvm_vcpu_enter(T.guest[i]);
	before = this_cpu->count.v[CTR_WALK_LOAD];
	for (u64 p = 0; p < FEW; p++) {
		struct run r = { .va = (T.vpn + p) << PAGE_SHIFT, .count = 1,
				 .bytes = 8, .op = RUN_READ };

		assert_int_equal(0, wl_runs(&r, 1));
	}
	before = this_cpu->count.v[CTR_WALK_LOAD] - before;
	kvm_vcpu_leave();
	return before;
}

static void two_body(struct wl *w, u32 t)
{
	visit(0);
	visit(1);
	T.walks[0] = visit(0);
	T.walks[1] = visit(1);
	if (T.drops)
		mmu_notifier_range(T.mm, T.vpn, T.vpn + FEW);
	T.walks[2] = visit(0);
	T.walks[3] = visit(1);
}

/* Two guests' translations of the same addresses are in one core's TLB side by side,
 * each under the tag of its own tables: what invalidates one's leaves the other's. */
static void test_two_guests(void **state)
{
	static const struct workload two = {
		.name = "two", .setup = two_setup, .body = two_body,
	};

	for (u32 i = 0; i < 2; i++) {
		struct setup s;

		memset(&T, 0, sizeof(T));
		T.drops = i;
		point_make(&s, &two, PAIRS("machine", "pack:1 core:1 pu:1",
					   "profile", "skylake-sp", "sched",
					   "fair", "thp", "no"));
		free(point_run(&s));
		point_free(&s);
		assert_int_equal(0, T.walks[0]);
		assert_int_equal(0, T.walks[1]);
		assert_int_equal(0, T.walks[2]);
		assert_int_equal(T.drops ? FEW : 0, T.walks[3]);
	}
}

/* Between the start and the end of a call, of calls within it as well, a flush tells
 * the guest nothing more. */
static void nested_body(struct wl *w, u32 t)
{
	u64 *told = &this_cpu->count.v[CTR_MMU_NOTIFIER_INVALIDATE], was = *told;

	mmu_notifier_start(T.mm, T.vpn, T.vpn + FEW);
	mmu_notifier_start(T.mm, T.vpn, T.vpn + 1);
	mmu_notifier_end(T.mm);
	mmu_notifier_range(T.mm, T.vpn, T.vpn + FEW);
	T.walks[0] = *told - was;
	T.walks[1] = T.guest[1]->in_progress;
	mmu_notifier_end(T.mm);
	mmu_notifier_range(T.mm, T.vpn, T.vpn + FEW);
	T.walks[2] = *told - was;
	T.walks[3] = T.guest[1]->in_progress;
}

static void test_calls_nest(void **state)
{
	static const struct workload nested = {
		.name = "nested", .setup = two_setup, .body = nested_body,
	};
	struct setup s;

	memset(&T, 0, sizeof(T));
	point_make(&s, &nested, PAIRS("machine", "pack:1 core:1 pu:1",
				      "profile", "skylake-sp", "sched", "fair"));
	free(point_run(&s));
	point_free(&s);
	assert_int_equal(2, T.walks[0]);
	assert_int_equal(1, T.walks[1]);
	assert_int_equal(3, T.walks[2]);
	assert_int_equal(0, T.walks[3]);
}

/* ---- refusals ----------------------------------------------------------------------- */

static void test_refusals(void **state)
{
	static const struct { const char *option, *value, *why; } c[] = {
		{ "flush", "page", "for --flush deferred, not page" },
		{ "check", "yes", "knows nothing of a secondary MMU" },
		{ "sched", "pinned", "need --sched fair" },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		struct timed_result r;
		struct setup s;

		point_make(&s, workload_find("kvm-guest"),
			   PAIRS(GUEST, c[i].option, c[i].value));
		assert_int_equal(timed_point_run(&s.p, &r, &err), -EINVAL);
		assert_contains(err.text, c[i].why);
		point_free(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pinned_guest_pays),
	cmocka_unit_test(test_memory_comes),
	cmocka_unit_test(test_vfio),
	cmocka_unit_test(test_never_stale),
	cmocka_unit_test(test_two_guests),
	cmocka_unit_test(test_calls_nest),
	cmocka_unit_test(test_refusals),
};

TEST_MAIN(tests)
