/* kvm-guest - a virtual machine: threads of the VMM are its vCPUs, and load and
 * store random pages of the guest's memory, through a secondary MMU (mm/kvm.h).
 * What to look at: accesses per second of modelled time with numa_balancing 0 and
 * 1; mmu_notifier_invalidations, ept_violations, kvm_remote_tlb_flush. A guest whose
 * vCPUs and memory are where they should be has nothing to gain from being scanned,
 * and pays for it all the same. */
#include <errno.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/kvm.h"
#include "workloads/numa/numa.h"

enum { HOME_SERIAL, HOME_VCPUS };
static const char *const home_names[] = { "serial", "vcpus", NULL };

struct cfg {
	u64 bytes, time_ns, think_ns;
	u32 reads, shared;
	int home;
	bool pins, vfio;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "memory", .kind = OPT_SIZE, .def = "1G", .min = 1u << 21,
	  .max = 1ull << 42, .unit = "bytes", .help = "the guest's",
	  FIELD(bytes) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "4s", .min = 1000000,
	  .unit = "ns", .help = "modelled time", FIELD(time_ns) },
	{ .name = "home", .kind = OPT_ENUM, .def = "vcpus",
	  .names = home_names,
	  .help = "who touches memory first: the first vCPU all of it, or each "
		  "its own share", FIELD(home) },
	{ .name = "shared", .kind = OPT_U32, .def = "0", .max = 100,
	  .unit = "%", .help = "share of accesses to any of the guest's pages, "
		  "not the vCPU's own", FIELD(shared) },
	{ .name = "pin-vcpus", .kind = OPT_BOOL, .def = "yes",
	  .help = "each vCPU stays on the CPU where it begins", FIELD(pins) },
	{ .name = "vfio", .kind = OPT_BOOL,
	  .help = "a device is passed through: all of the guest's memory is "
		  "pinned and cannot move", FIELD(vfio) },
	{ .name = "reads", .kind = OPT_U32, .def = "80", .max = 100,
	  .unit = "%", .help = "share of accesses that load", FIELD(reads) },
	{ .name = "think", .kind = OPT_TIME_NS, .def = "1us", .unit = "ns",
	  .help = "between two accesses", FIELD(think_ns) },
};

static struct {
	struct mm *mm;
	struct kvm *kvm;
	u64 va;
	struct wl_barrier ready;
} S;

static int refuse(struct err *e)
{
	if (the_sys->m->arch != ARCH_X86)
		return err_set(e, -EINVAL, "kvm-guest: machine '%s' is %s; the "
			       "secondary MMU is modelled for x86",
			       the_sys->m->name, the_sys->m->rules.name);
	if (strcmp(flusher()->name, "deferred"))
		return err_set(e, -EINVAL, "kvm-guest: the secondary MMU is "
			       "modelled for --flush deferred, not %s; add it",
			       flusher()->name);
	if (the_sys->is_checked)
		return err_set(e, -EINVAL, "kvm-guest: --check knows nothing of "
			       "a secondary MMU");
	if (!sched_is_on())
		return err_set(e, -EINVAL, "kvm-guest: vCPUs need --sched fair");
	return 0;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc = refuse(e);

	if (!rc)
		rc = wl_thread_count(w, the_sys->nr_cpus, e);
	if (rc < 0)
		return rc;
	memset(&S, 0, sizeof(S));
	w->end = wl_cycles(cfg->time_ns);
	S.mm = mm_create();
	S.kvm = S.mm ? kvm_create(S.mm) : NULL;
	if (!S.kvm)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_areas(S.mm, &S.va, 1, cfg->bytes, e);
	return rc ? rc : wl_start_all(w, S.mm, e);
}

/* ---- before the guest runs --------------------------------------------------------- */

static void stay_here(void)
{
	struct cpuset here = { { 0 } };

	cpuset_add(&here, this_cpu->id);
	sched_set_allowed(current()->sched, &here);
}

/* What a device may reach is held by a reference each, for good. */
static void pin_all(u64 va, u64 bytes)
{
	u64 end = (va + bytes) >> PAGE_SHIFT;

	for (u64 vpn = va >> PAGE_SHIFT; vpn < end; ) {
		u64 *pmd = pgtable_entry(S.mm, vpn, PMD_LEVEL);
		bool is_huge = pmd && pmd_is_huge(*pmd);
		u64 *p = is_huge ? pmd : pgtable_entry(S.mm, vpn, 0);

		if (p && *p & PTE_P)
			get_page(page_of(pte_pfn(*p)));
		vpn = is_huge ? (vpn | (hpage_pages() - 1)) + 1 : vpn + 1;
	}
}

/* The VMM's own accesses, as it prepares memory. */
static void touch_memory(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	bool is_mine = cfg->home == HOME_VCPUS;
	u64 each = cfg->bytes / w->nr_threads & ~4095ull;

	if (is_mine || !i)
		wl_stream(w, S.va + (is_mine ? i * each : 0),
			  is_mine ? each : cfg->bytes, RUN_WRITE, 0, 1u << 20);
	wl_barrier_wait(&S.ready, w->nr_threads);
	if (cfg->vfio && !i)
		pin_all(S.va, cfg->bytes);
	wl_barrier_wait(&S.ready, w->nr_threads);
}

/* ---- the guest --------------------------------------------------------------------- */

static void run_guest(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 each = cfg->bytes / w->nr_threads;
	struct rng rng, seed;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	while (this_cpu->now < w->end && !w->error) {
		bool is_any = rng_chance(&rng, cfg->shared, 100);
		u64 at = is_any ? rng_below(&rng, cfg->bytes)
				: i * each + rng_below(&rng, each);
		enum run_op op = rng_chance(&rng, cfg->reads, 100) ? RUN_READ
								   : RUN_WRITE;

		wl_failed(w, cpu_probe(S.va + (at & ~63ull), op));
		w->done++;
		wl_think(wl_cycles(cfg->think_ns));
	}
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;

	if (cfg->pins)
		stay_here();
	touch_memory(w, i);
	kvm_vcpu_enter(S.kvm);
	run_guest(w, i);
	kvm_vcpu_leave();
}

static const char *const defaults[] = {
	"machine", "pack:2 core:4 pu:1", "sched", "fair", NULL
};

extern const struct workload workload_kvm_guest;
const struct workload workload_kvm_guest = {
	.name = "kvm-guest",
	.summary = "vCPUs load and store a guest's memory through a secondary MMU",
	.mirrors = "a KVM guest on a NUMA host, its vCPUs pinned or not",
	.watch = "accesses per second, mmu_notifier_invalidations, ept_violations, "
		 "kvm_remote_tlb_flush",
	.unit = "accesses",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
