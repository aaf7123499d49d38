#include "emu/timed_point.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/suggest.h"
#include "cpu/dram.h"
#include "cpu/granule.h"
#include "cpu/timed.h"
#include "emu/cpuset_opt.h"
#include "emu/mthp_opt.h"
#include "emu/sde.h"
#include "mm/flush/shift.h"

#define FIELD(f, g) .offset = offsetof(struct timed_cfg, f), .group = g

static const char *const placement_names[] = { "spread", "pack", NULL };

static const char *const sched_names[] = { "pinned", "fair", NULL };

static const char *const proposal_names[] = {
	"none", "tlb-directory", "coherent-tlbs", "co-tags", "tlb-expiry", NULL
};

static const char *const frames_names[] = { "in-order", "aligned", NULL };

/* ORDER caches_mode, ORDER ept_mode */
static const char *const caches_names[] = { "none", "walks", "full", NULL };
static const char *const ept_names[] = { "none", "4k", "2m", "1g", NULL };

/* ORDER ipi_send, ORDER guest */
static const char *const lines_names[] = { "moved", "contended", NULL };
static const char *const send_names[] = { "each", "cluster", NULL };
static const char *const guest_names[] = { "none", "exits", "hypercall", NULL };

/* From FLUSHALL_SHIFT_OF_MACHINE on. */
static const char *const shift_names[] = {
	"machine", "-1", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL
};

const struct opt timed_opts[] = {
	{ .name = "machine", .kind = OPT_STRING, .letter = 'm',
	  .def = TIMED_DEFAULT_MACHINE, .metavar = "SPEC|FILE|NAME|host",
	  .help = "topology: hwloc synthetic string, XML file of lstopo, a "
		  "profile's name, or this host", .see = "tlbemu list machines",
	  FIELD(machine, "machine") },
	{ .name = "profile", .kind = OPT_STRING, .metavar = "NAME|FILE",
	  .help = "costs and TLB geometry; without it the machine's own, else "
		  MACHINE_DEFAULT_PROFILE, .see = "tlbemu list machines",
	  FIELD(profile, "machine") },
	{ .name = "cpus", .kind = OPT_U32, .def = "0", .max = MACHINE_MAX_CPUS,
	  .help = "CPUs switched on, the first N; 0: all. Without --machine "
		  "two packages that have as many",
	  FIELD(cpus, "machine") },
	{ .name = "psc", .kind = OPT_BOOL, .def = "yes",
	  .help = "walks begin at the lowest level that the machine's "
		  "paging-structure caches hold; no: at the root, and no "
		  "nested TLB", FIELD(psc, "machine") },
	{ .name = "caches", .kind = OPT_ENUM, .def = "none",
	  .names = caches_names,
	  .help = "data caches: none (a walk's load costs walk_load), for page "
		  "tables only, or for program data as well (kept coherent "
		  "between cores by invalidation; every access in global "
		  "order, so slower)", FIELD(caches, "machine") },
	{ .name = "ept", .kind = OPT_ENUM, .def = "none", .names = ept_names,
	  .help = "the machine is a guest whose memory the hypervisor maps "
		  "with pages of this size", FIELD(ept, "machine") },
	{ .name = "tce", .kind = OPT_BOOL,
	  .help = "EFER.TCE is set, as Linux does from 6.15 on where it can: "
		  "INVLPG leaves the walk caches of other addresses alone",
	  FIELD(tce, "machine") },
	{ .name = "proposal", .kind = OPT_ENUM, .def = "none",
	  .names = proposal_names,
	  .help = "hardware that papers proposed and no machine has: a "
		  "directory of what TLBs hold (DiDi), TLBs that see stores to "
		  "page-table entries (UNITD), or know them by a few bits of "
		  "their address (HATRIC), entries that expire (SITE)", FIELD(proposal, "machine") },
	{ .name = "levels", .kind = OPT_U32, .def = "4", .min = 3, .max = 5,
	  .help = "levels of page tables, 9 bits of address each: 5 with x86's "
		  "LA57 or RISC-V's Sv57, 3 RISC-V's Sv39",
	  FIELD(levels, "machine") },
	{ .name = "granule", .kind = OPT_ENUM, .def = "4k",
	  .names = granule_names,
	  .help = "base page, of Arm machines, for workload replay: 4k, 16k "
		  "(large pages of 32M) or 64k (512M); others than 4k have "
		  "three levels of tables",
	  FIELD(granule, "machine") },
	{ .name = "asid-bits", .kind = OPT_U32, .def = "0", .max = 16,
	  .help = "bits of an ASID where one number names an address space on "
		  "all CPUs (Arm has 8 or 16, x86 12); when all are given out "
		  "every TLB is dropped; 0: the architecture's, 16 on Arm",
	  FIELD(asid_bits, "machine") },
	{ .name = "mlp", .kind = OPT_U32, .def = "1", .min = 1,
	  .max = CPU_MAX_MLP,
	  .help = "accesses of a thread that may wait for translations and "
		  "data at the same time; 1: each depends on the one before",
	  FIELD(mlp, "machine") },
	{ .name = "lines", .kind = OPT_ENUM, .def = "moved",
	  .names = lines_names,
	  .help = "cache lines between CPUs: each move is paid for; or those "
		  "who want a line that is moving wait for it, too, and each "
		  "request of a cross call has lines of its own (slower)",
	  FIELD(lines, "machine") },
	{ .name = "ipi-send", .kind = OPT_ENUM, .def = "each",
	  .names = send_names,
	  .help = "an interrupt is sent to each target by itself, or to up to "
		  "16 of a package at once (x2APIC cluster mode)",
	  FIELD(ipi_send, "machine") },
	{ .name = "guest", .kind = OPT_ENUM, .def = "none",
	  .names = guest_names,
	  .help = "the machine is a virtual one: sending interrupts exits to "
		  "the hypervisor, at each write or once by hypercall",
	  FIELD(guest, "machine") },
	{ .name = "pti", .kind = OPT_BOOL,
	  .help = "page-table isolation: ways into the kernel and out write "
		  "CR3, and a page is flushed under two PCIDs",
	  FIELD(pti, "kernel") },
	{ .name = "retpoline", .kind = OPT_BOOL,
	  .help = "indirect branches on these ways are mispredicted returns",
	  FIELD(retpoline, "kernel") },
	{ .name = "mds", .kind = OPT_BOOL,
	  .help = "each way back to the program empties buffers by VERW",
	  FIELD(mds, "kernel") },
	{ .name = "irqs-off", .kind = OPT_TIME_NS, .def = "0",
	  .max = 1000000000ull, .unit = "ns",
	  .help = "for so long interrupts are off on each CPU now and then, "
		  "for reasons that are not modelled", FIELD(irqs_off_ns, "machine") },
	{ .name = "irqs-off-every", .kind = OPT_TIME_NS, .def = "1ms",
	  .min = 1, .max = 1000000000000ull, .unit = "ns",
	  .help = "once in this time, at a place that the seed decides",
	  FIELD(irqs_every_ns, "machine") },
	{ .name = "steal", .kind = OPT_TIME_NS, .def = "0",
	  .max = 1000000000ull, .unit = "ns",
	  .help = "of a guest: for so long the hypervisor takes each CPU away "
		  "now and then", FIELD(steal_ns, "machine") },
	{ .name = "steal-every", .kind = OPT_TIME_NS, .def = "10ms",
	  .min = 1, .max = 1000000000000ull, .unit = "ns",
	  .help = "once in this time, at a place that the seed decides",
	  FIELD(steal_every_ns, "machine") },
	{ .name = "kernel", .kind = OPT_STRING, .letter = 'k', .def = "v6.1",
	  .metavar = "NAME", .help = "modelled kernel version or patch",
	  .see = "tlbemu list kernels", FIELD(kernel, "kernel") },
	{ .name = "flush", .kind = OPT_STRING, .letter = 'f',
	  .def = "deferred", .metavar = "NAME",
	  .help = "TLB flush strategy", .see = "tlbemu list flush",
	  FIELD(flush, "kernel") },
	{ .name = "ceiling", .kind = OPT_U32, .def = "0", .max = 1u << 30,
	  .unit = "pages",
	  .help = "x86: flushes of more pages drop everything "
		  "(tlb_single_page_flush_ceiling); 0: the kernel's; strategies "
		  "with one of their own keep it", FIELD(ceiling, "kernel") },
	{ .name = "tlb_single_page_flush_ceiling", .kind = OPT_U32, .def = "0",
	  .max = 1u << 30, .unit = "pages", .no_echo = true,
	  .help = "debugfs's name of --ceiling", FIELD(ceiling, "kernel") },
	{ .name = "tlb_flushall_shift", .kind = OPT_ENUM, .def = "machine",
	  .names = shift_names,
	  .help = "of --flush shift-2012 and shift-2014: a flush of more than the "
		  "TLB's entries shifted right by so much drops everything; "
		  "machine: as its kind has it, -1: always",
	  FIELD(flushall_shift, "kernel") },
	{ .name = "thp", .kind = OPT_BOOL, .def = "yes",
	  .help = "transparent huge pages on a first touch",
	  FIELD(thp, "kernel") },
	{ .name = "mthp", .kind = OPT_STRING, .def = "none",
	  .metavar = "SIZES",
	  .help = "anonymous pages of these sizes, as 16K,64K, too, from v6.8 on "
		  "(hugepages-16kB/enabled = always): a first touch takes the "
		  "largest that fits and is empty, below a huge one",
	  FIELD(mthp, "kernel") },
	{ .name = "thp-churn", .kind = OPT_TIME_NS, .def = "0",
	  .max = 1000ull * 1000 * 1000 * 1000, .unit = "ns",
	  .help = "with --thp: once in this time 2M of each address space, in "
		  "turn, are split if they are a huge page, and else collapsed "
		  "into one, so that both sizes are there; 0: never",
	  FIELD(thp_churn_ns, "kernel") },
	{ .name = "zero-page", .kind = OPT_BOOL, .def = "yes",
	  .help = "anonymous 4K pages that are read before they are written map "
		  "one page of zeros, as Linux does",
	  FIELD(zero_page, "kernel") },
	{ .name = "frames", .kind = OPT_ENUM, .def = "in-order",
	  .names = frames_names,
	  .help = "4K frames of fresh memory: the next one; or, for pages first "
		  "touched in order of address, aligned in blocks of 16 as the "
		  "pages are, so that TLBs that coalesce may",
	  FIELD(frames, "kernel") },
#include "emu/timed_numa.inc"
	{ .name = "scan-period", .kind = OPT_TIME_NS, .def = "0",
	  .max = 1000000000000ull, .unit = "ns",
	  .help = "time between two NUMA scans of a thread; 0: no scanning",
	  FIELD(scan_period_ns, "kernel") },
	{ .name = "tick", .kind = OPT_TIME_NS, .def = "1ms",
	  .min = 1000, .max = 1000000000ull, .unit = "ns",
	  .help = "time between two of the scheduler's ticks on a CPU: when "
		  "--sched fair preempts and balances, and flush strategies that put flushes off come to do them",
	  FIELD(tick_ns, "kernel") },
	{ .name = "scan-size", .kind = OPT_SIZE, .def = "256M", .min = 4096,
	  .unit = "bytes", .help = "address space per NUMA scan",
	  FIELD(scan_bytes, "kernel") },
	{ .name = "workload", .kind = OPT_STRING, .metavar = "NAME",
	  .help = "for INI files: what to run", .see = "tlbemu list workloads",
	  FIELD(workload, "workload") },
	{ .name = "threads", .kind = OPT_U32, .letter = 't', .def = "0",
	  .max = MACHINE_MAX_CPUS,
	  .help = "threads of the workload; 0: as many as it likes",
	  FIELD(threads, "workload") },
	{ .name = "placement", .kind = OPT_ENUM, .def = "spread",
	  .names = placement_names,
	  .help = "threads go round the nodes, or fill CPUs in order",
	  FIELD(placement, "workload") },
	{ .name = "seed", .kind = OPT_U64, .def = "1",
	  .help = "of all random choices", FIELD(seed, "workload") },
	{ .name = "check", .kind = OPT_BOOL,
	  .help = "count stale hits, lost stores and writes after free, and "
		  "for how long stale translations were used; every access "
		  "in global order, so up to some hundred times slower",
	  FIELD(check, "workload") },
};
const size_t nr_timed_opts = ARRAY_LEN(timed_opts);

const char *const cycle_cat_names[NR_CYCLE_CATS] = {
#define CATEGORY(id, name, help) [CYC_##id] = name,
#include "cpu/categories.def"
#undef CATEGORY
};

const char *const cycle_cat_help[NR_CYCLE_CATS] = {
#define CATEGORY(id, name, help) [CYC_##id] = help,
#include "cpu/categories.def"
#undef CATEGORY
};

static u64 host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* ---- the machine ------------------------------------------------------------ */

/* Every node has the numbers of the largest. */
static u64 nr_frames(const struct machine *m)
{
	u64 most = 0;

	for (u32 i = 0; i < m->nr_nodes; i++)
		if (m->node_bytes[i] >> m->page_shift > most)
			most = m->node_bytes[i] >> m->page_shift;
	return most * m->nr_nodes;
}

/* Address space only; what is not touched costs nothing. */
static size_t arena_bytes(const struct machine *m, bool is_checked)
{
	u64 frame = sizeof(u64 *) + sizeof(struct page) + sizeof(struct ghost);
	u64 n = nr_frames(m);

	/* Tables: at worst a word for every frame of data, and as many
	 * again; the window's word per page of a 48-bit space. */
	return (1ull << 30) + n * frame + n * 2 * sizeof(u64) +
		(is_checked ? sizeof(u64) << 36 : 0);
}

static bool has_caches(const struct machine *m)
{
	for (u32 i = 0; i < NR_CACHE_LEVELS; i++)
		if (m->cache[i].bytes)
			return true;
	return false;
}

/* Threads may change CPUs, or wait for one. */
static bool is_scheduled(const struct timed_cfg *cfg)
{
	return cfg->sched == SCHED_FAIR || cfg->numa.mode || cfg->numactl.physcpubind ||
		cfg->numactl.cpunodebind || cpuset_binds_cpus(cfg->cpuset);
}

/* The modelled kernel's lists and batches are of 4K pages. */
static int check_granule(const struct timed_point *p, struct err *e)
{
	const struct timed_cfg *cfg = p->cfg;

	if (!cfg->granule)
		return 0;
	if (strcmp(p->workload->name, "replay"))
		return err_set(e, -EINVAL, "--granule=%s: workload '%s' knows "
			       "4K pages alone; replay has others",
			       granule_names[cfg->granule], p->workload->name);
	if (cfg->ept)
		return err_set(e, -EINVAL, "--granule=%s: nested paging is of "
			       "4K pages", granule_names[cfg->granule]);
	if (cfg->numa.mode)
		return err_set(e, -EINVAL, "--granule=%s: NUMA balancing scans "
			       "4K pages", granule_names[cfg->granule]);
	return 0;
}

static int check_levels(const struct timed_cfg *cfg, const struct machine *m,
			struct err *e)
{
	bool is_riscv = m->arch == ARCH_RISCV;

	if (cfg->granule && cfg->levels != 4)
		return err_set(e, -EINVAL, "--levels=%u: not with --granule=%s, "
			       "whose tables have three", cfg->levels,
			       granule_names[cfg->granule]);
	if (cfg->levels == 3 && !is_riscv)
		return err_set(e, -EINVAL, "--levels=3: only RISC-V has tables "
			       "of three levels (Sv39); machine '%s' is %s",
			       m->name, m->rules.name);
	if (cfg->levels == 5 &&
	    !machine_has(m, is_riscv ? FEATURE_SV57 : FEATURE_LA57, e))
		return err_prefix(e, -EINVAL, "--levels=5: ");
	return 0;
}

/* Each CPU keeps the number of what it has loaded, and one may be loading. */
static int check_asid_bits(const struct timed_point *p, const struct machine *m,
			   struct err *e)
{
	u32 bits = p->cfg->asid_bits;
	u32 cpus = p->cfg->cpus ? p->cfg->cpus : m->nr_cpus;

	if (!bits)
		return 0;
	if (bits > m->rules.asid_bits)
		return err_set(e, -EINVAL, "--asid-bits=%u: at most %u on %s",
			       bits, m->rules.asid_bits, m->rules.name);
	if (!p->flush->has_global_asids)
		return err_set(e, -EINVAL, "--asid-bits: with --flush %s each "
			       "CPU has numbers of its own; 'tlbi' and "
			       "'invlpgb' have common ones", p->flush->name);
	if ((1u << bits) - 1 <= 2 * cpus)
		return err_set(e, -EINVAL, "--asid-bits=%u: %u numbers are too "
			       "few for %u CPUs, each may hold on to two", bits,
			       (1u << bits) - 1, cpus);
	return 0;
}

static int mthp_of(const struct timed_point *p, const struct machine *m,
		   u32 *orders, struct err *e)
{
	return mthp_parse(p->cfg->mthp, p->kernel, m->page_shift,
			  granule_paging(m, p->cfg->levels).bits, orders, e);
}

/* What cannot be together, said before anything is built. */
static int refuse(const struct timed_point *p, const struct machine *m,
		  struct err *e)
{
	const struct timed_cfg *cfg = p->cfg;
	u32 orders;

	if (cfg->cpus > m->nr_cpus)
		return err_set(e, -EINVAL, "--cpus: %u, but '%s' has %u; try "
			       "--machine 'pack:2 core:%u pu:1'", cfg->cpus,
			       m->topology, m->nr_cpus, (cfg->cpus + 1) / 2);
	if (cfg->irqs_off_ns && machine_ns_to_cycles(m, cfg->irqs_off_ns) >=
				machine_ns_to_cycles(m, cfg->irqs_every_ns))
		return err_set(e, -EINVAL, "--irqs-off: not shorter than "
			       "--irqs-off-every");
	if (cfg->steal_ns && machine_ns_to_cycles(m, cfg->steal_ns) >=
			     machine_ns_to_cycles(m, cfg->steal_every_ns))
		return err_set(e, -EINVAL, "--steal: not shorter than "
			       "--steal-every");
	if (cfg->steal_ns && !cfg->guest)
		return err_set(e, -EINVAL, "--steal: nobody takes CPUs away "
			       "from a machine that is no guest; add --guest "
			       "exits or --guest hypercall");
	if (cfg->pti && !m->has_pcid)
		return err_set(e, -EINVAL, "--pti: the profile '%s' has no "
			       "PCIDs, and that each way in and out flushes "
			       "everything is not modelled", m->name);
	if (cfg->pti && !strncmp(p->flush->name, "eurosys20", 9))
		return err_set(e, -EINVAL, "--pti: the strategy '%s' flushes "
			       "user halves by itself", p->flush->name);
	if (p->flush->can_run && !p->flush->can_run(m, e))
		return -EINVAL;
	if (nr_frames(m) > UINT32_MAX)
		return err_set(e, -EINVAL, "machine '%s': more than 16 TiB of "
			       "memory", m->topology);
	if (cfg->caches && !has_caches(m))
		return err_set(e, -EINVAL, "--caches: the profile '%s' names "
			       "no data caches ([cache.l1d], [cache.l2], "
			       "[cache.llc])", m->name);
	if (cfg->numa.mode && !p->kernel->numa.commit)
		return err_set(e, -EINVAL, "--numa_balancing: not modelled for "
			       "kernel '%s'; of v3.12, v3.13, v3.19, v4.0, v4.14, "
			       "v5.14, v6.1, v6.3, v6.4, v6.7, v6.10, v6.12 it is", p->kernel->name);
	if (mthp_of(p, m, &orders, e))
		return -EINVAL;
	if (cfg->numa.mode && m->nr_nodes > NUMA_MAX_NODES)
		return err_set(e, -EINVAL, "--numa_balancing: %u nodes, at most "
			       "%u are modelled", m->nr_nodes, NUMA_MAX_NODES);
	if (check_levels(cfg, m, e))
		return -EINVAL;
	if (cfg->tce && !machine_has(m, FEATURE_TCE, e))
		return err_prefix(e, -EINVAL, "--tce: ");
	return check_granule(p, e);
}

static struct sys_config sys_config_of(const struct timed_point *p,
				       const struct machine *m)
{
	const struct timed_cfg *cfg = p->cfg;

	return (struct sys_config){
		.m = m,
		.arena_bytes = arena_bytes(m, cfg->check),
		.nr_cpus = cfg->cpus ? cfg->cpus : m->nr_cpus,
		.is_checked = cfg->check,
		.paging = granule_paging(m, cfg->levels),
		.walk = {
			.has_psc = cfg->psc,
			.caches = (enum caches_mode)cfg->caches,
			.ept = (enum ept_mode)cfg->ept,
			.mlp = cfg->mlp,
			.uses_tce = cfg->tce,
		},
		.contend = {
			.has_lines = cfg->lines,
			.send = (enum ipi_send)cfg->ipi_send,
			.guest = (enum guest)cfg->guest,
			.irqs_off = machine_ns_to_cycles(m, cfg->irqs_off_ns),
			.irqs_every = machine_ns_to_cycles(m,
							cfg->irqs_every_ns),
		},
		.vcpus = {
			.is_on = cfg->steal_ns || p->flush->is_guests,
			.steal = machine_ns_to_cycles(m, cfg->steal_ns),
			.steal_every = machine_ns_to_cycles(m,
							cfg->steal_every_ns),
		},
		.mitigations = { .pti = cfg->pti, .retpoline = cfg->retpoline,
				 .mds = cfg->mds },
		.has_broadcasts = p->flush->has_broadcasts,
		.seed = cfg->seed,
	};
}

/* The kernel on the machine that has just been created. */
static int boot_kernel(const struct timed_point *p, struct sys *sys)
{
	static struct kernel tuned;     /* one machine runs at a time */
	const struct timed_cfg *cfg = p->cfg;
	struct mm_config mc = {
		.kernel = cfg->ceiling ? &tuned : p->kernel,
		.flush = p->flush,
		.scan_bytes = cfg->scan_bytes,
		.scan_period_ns = cfg->scan_period_ns,
		.tick_ns = cfg->tick_ns,
		.thp_enabled = cfg->thp,
		.thp_churn_ns = cfg->thp ? cfg->thp_churn_ns : 0,
		.zero_page = cfg->zero_page,
		.aligns_frames = cfg->frames == FRAMES_ALIGNED,
	};
	int rc = timed_install(sys);

	/* As refuse() found. */
	(void)mthp_of(p, sys->m, &mc.mthp_orders, &(struct err){ 0 });
	flushall_shift_set(cfg->flushall_shift + FLUSHALL_SHIFT_OF_MACHINE);
	tuned = *p->kernel;
	tuned.flush_ceiling = cfg->ceiling;
	if (!rc)
		rc = mm_boot(sys, &mc);
	if (!rc && is_scheduled(cfg))
		rc = sched_boot(&(struct sched_config){ .tick_ns = cfg->tick_ns });
	if (!rc && cfg->numa.mode)
		rc = numa_boot(&cfg->numa);
	if (!rc)
		return 0;
	numa_shutdown();
	sched_shutdown();
	mm_shutdown(sys);
	timed_remove(sys);
	return rc;
}

static int boot(const struct timed_point *p, const struct machine *m,
		struct sys **out, struct err *e)
{
	const struct sys_config sc = sys_config_of(p, m);
	int rc;

	if (refuse(p, m, e))
		return -EINVAL;
	rc = sys_create(out, &sc);
	if (rc == -E2BIG)
		return err_set(e, rc, "--caches: the memory of '%s' is too "
			       "large for the caches' tags", m->topology);
	if (rc)
		return err_set(e, rc, "out of memory");
	rc = boot_kernel(p, *out);
	if (rc) {
		sys_destroy(*out);
		return err_set(e, rc, "out of memory");
	}
	if (p->is_in_order)
		timed_set_lookahead(0);
	(*out)->probe = p->probe;
	for (u32 i = 0; i < (*out)->nr_cpus; i++)
		tlb_array_seed((*out)->cpu[i].tlb, p->cfg->seed + i);
	return 0;
}

/* ---- threads on CPUs --------------------------------------------------------- */

/* Round the nodes, each node's CPUs in order. */
static void place_spread(const struct sys *sys, u32 *cpu_of)
{
	u32 nr_nodes = sys->m->nr_nodes, n = 0;
	u32 *next = calloc(nr_nodes, sizeof(*next));

	for (u32 node = 0; next && n < sys->nr_cpus;
	     node = (node + 1) % nr_nodes) {
		while (next[node] < sys->nr_cpus &&
		       sys->cpu[next[node]].node != node)
			next[node]++;
		if (next[node] < sys->nr_cpus)
			cpu_of[n++] = next[node]++;
	}
	free(next);
}

static void place(const struct sys *sys, int how, u32 *cpu_of)
{
	for (u32 i = 0; i < sys->nr_cpus; i++)
		cpu_of[i] = i;
	if (how == PLACE_SPREAD)
		place_spread(sys, cpu_of);
}

static struct cpuset_config cpusets;    /* one machine runs at a time */

/* What numactl and cpusets say of the program. */
static int bind(const struct timed_cfg *cfg, const struct sys *sys,
		struct wl *w, struct err *e)
{
	int rc = numactl_cpus(&cfg->numactl, sys->m, sys->nr_cpus, &w->allowed,
			      &w->is_bound, e);
	const struct cpuset *asked = w->is_bound ? &w->allowed : NULL;

	if (!rc)
		rc = numactl_policy(&cfg->numactl, sys->m, &w->mpol, e);
	if (!rc)
		rc = cpuset_parse(cfg->cpuset, sys->m, sys->nr_cpus, &cpusets, e);
	if (!rc)
		rc = cpuset_compose(&cpusets, asked, &w->mpol, e);
	if (!rc)
		cpuset_boot(&cpusets, asked);
	return rc;
}

/* ---- results ----------------------------------------------------------------- */

/* What setup did is not part of the run. */
static void start_clocks(struct sys *sys)
{
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		struct cpu *c = &sys->cpu[i];

		c->now = c->done_at = c->run_until = 0;
		c->cat = CYC_USER;
		memset(c->cycles, 0, sizeof(c->cycles));
		memset(&c->count, 0, sizeof(c->count));
		memset(&c->tlb->stats, 0, sizeof(c->tlb->stats));
		memset(c->core->walker_free, 0, sizeof(c->core->walker_free));
		c->nr_pending = 0;
	}
	memset(sys->cost_used, 0, sizeof(sys->cost_used));
	dram_reset(sys->dram);
	this_cpu = &sys->cpu[0];
	PROBE(.what = PROBE_START);
}

static void hide(struct timed_result *r, enum counter c)
{
	r->modelled.word[c / 64] &= ~(1ull << c % 64);
}

static void not_modelled(struct timed_result *r, enum counter from,
			 enum counter to)
{
	for (u32 i = from; i <= to; i++)
		r->modelled.word[i / 64] &= ~(1ull << i % 64);
}

/* What walks meet is counted where it is modelled. */
static void say_walks(const struct sys *sys, struct timed_result *r)
{
	const struct walk_config *w = &sys->walk;
	const u32 *ways = sys->m->psc.nr_ways;

	if (!w->has_psc || !(ways[1] | ways[2] | ways[3] | ways[4]))
		not_modelled(r, CTR_PSC_HIT_PDE, CTR_PSC_MISS);
	for (u32 level = 1; level <= 4; level++)
		if (!ways[level])
			hide(r, CTR_PSC_HIT_PDE + level - 1);
	if (!w->caches)
		not_modelled(r, CTR_PWL_D_L1, CTR_PWL_EI_MEMORY);
	if (!w->ept)
		not_modelled(r, CTR_PWL_ED_L1, CTR_PWL_EI_MEMORY);
	if (!w->ept)
		not_modelled(r, CTR_EPT_LOADS, CTR_EPT_LOADS);
	if (w->caches != CACHES_FULL)
		not_modelled(r, CTR_DATA_L1, CTR_STORE_MISS);
}

static void say_modelled(struct timed_result *r, const struct sys *sys)
{
	static const enum counter checked[] = {
		CTR_STALE_HITS, CTR_LOST_STORES, CTR_WRITE_AFTER_FREE,
	};
	memset(&r->modelled, 0xff, sizeof(r->modelled));
	for (size_t i = 0; !sys->is_checked && i < ARRAY_LEN(checked); i++)
		hide(r, checked[i]);
	if (!sys->bbm) {
		hide(r, CTR_BBM_VIOLATIONS);
		hide(r, CTR_TLB_CONFLICTS);
	}
	if (!flusher() || !flusher()->has_global_asids)
		hide(r, CTR_ASID_ROLLOVERS);
	if (!kern()->numa.counts_stuck)
		hide(r, CTR_SCHED_STICK_NUMA);
	if (sys->m->rules.hw_sets_a)
		hide(r, CTR_ACCESSED_FAULTS);
	if (sys->m->rules.hw_sets_d)
		hide(r, CTR_DIRTY_FAULTS);
	say_walks(sys, r);
}

static bool is_any(const struct counters *c, enum counter from, enum counter to)
{
	for (u32 i = from; i <= to; i++)
		if (c->v[i])
			return true;
	return false;
}

/* Arrays that an access of @serves asked: level 1 if there were any, level 2 if
 * one of those hit there or walked. */
static u32 arrays_of(const struct machine *m, u32 serves, bool is_any_access,
		     bool is_deep)
{
	u32 mask = 0;

	for (u32 i = 0; i < m->tlb.nr_arrays; i++)
		if (m->tlb.array[i].serves & serves && is_any_access &&
		    (m->tlb.array[i].level == 1 || is_deep))
			mask |= 1u << i;
	return mask;
}

static u32 arrays_used(const struct machine *m, const struct counters *c)
{
	return arrays_of(m, TLB_SERVES_LOAD, c->v[CTR_DTLB_LOADS],
			 c->v[CTR_STLB_HIT_LOAD] || c->v[CTR_WALK_BEGUN_LOAD]) |
	       arrays_of(m, TLB_SERVES_STORE, c->v[CTR_DTLB_STORES],
			 c->v[CTR_STLB_HIT_STORE] ||
			 c->v[CTR_WALK_BEGUN_STORE]) |
	       arrays_of(m, TLB_SERVES_FETCH, c->v[CTR_ITLB_LOADS],
			 c->v[CTR_STLB_HIT_FETCH] ||
			 c->v[CTR_WALK_BEGUN_FETCH]);
}

/* Levels of paging-structure caches that walks asked; PML5E with five levels
 * only. Nested, the EPT's have the same sizes. */
static u32 psc_used(const struct sys *sys, const struct counters *c)
{
	u32 levels = (1u << sys->mem.paging.levels) - 2;

	if (!sys->walk.has_psc ||
	    !is_any(c, CTR_PSC_HIT_PDE, CTR_PSC_MISS))
		return 0;
	return levels | (sys->walk.ept ? 1u << PSC_NESTED : 0);
}

/* Caches that a load or a walker asked, and those asked before. */
static u32 caches_used(const struct counters *c)
{
	static const enum counter first[] = {
		CTR_PWL_D_L1, CTR_PWL_I_L1, CTR_PWL_ED_L1, CTR_PWL_EI_L1,
		CTR_DATA_L1, CTR_STORE_L1,
	};
	u32 mask = 0;

	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		for (u32 level = 0; level <= NR_CACHE_LEVELS; level++)
			if (c->v[first[i] + level])
				mask |= (2u << level) - 1;
	return mask & ((1u << NR_CACHE_LEVELS) - 1);
}

/* Do two threads run on one core? */
static bool shares_cores(const struct sys *sys)
{
	for (u32 i = 0; i < sys->nr_cpus; i++)
		for (u32 k = 0; k < i; k++)
			if (sys->cpu[i].task && sys->cpu[k].task &&
			    sys->cpu[i].core == sys->cpu[k].core)
				return true;
	return false;
}

static void count_assumed(struct sys *sys, struct timed_result *r)
{
	const struct machine_use use = {
		.tlb = arrays_used(sys->m, &r->count),
		.psc = psc_used(sys, &r->count),
		.cache = sys->walk.caches ? caches_used(&r->count) : 0,
		.walker = (sys->walk.mlp > 1 || shares_cores(sys)) &&
			  is_any(&r->count, CTR_WALKER_LOADS, CTR_WALKER_LOADS),
		.memory = r->count.v[CTR_NODE_LOADS] ||
			  r->count.v[CTR_NODE_STORES],
		.cost = sys->cost_used,
	};

	r->nr_assumed = sys->m->nr_assumed;
	r->nr_assumed_used = machine_count_assumed(sys->m, &use);
}

static void gather(struct sys *sys, const struct wl *w, struct timed_result *r)
{
	r->elapsed_cycles = timed_elapsed(sys);
	r->hz = sys->m->hz;
	r->nr_cpus = sys->nr_cpus;
	r->nr_threads = w->nr_threads;
	r->done = w->done;
	snprintf(r->unit, sizeof(r->unit), "%s", timed_unit(w->workload));
	r->is_checked = sys->is_checked;
	snprintf(r->profile, sizeof(r->profile), "%s", sys->m->name);
	snprintf(r->topology, sizeof(r->topology), "%s", sys->m->topology);
	r->nr_rows = sched_is_on() ? sys->nr_cpus : w->nr_threads;
	for (u32 i = 0; i < r->nr_rows; i++) {
		const struct cpu *c = &sys->cpu[sched_is_on() ? i
							      : w->cpu_of[i]];

		r->cpu[i].cpu = c->id;
		r->cpu[i].node = c->node;
		r->cpu[i].done_at = c->done_at;
		r->cpu[i].count = c->count;
		r->cpu[i].count.v[CTR_TLB_CONFLICTS] = c->tlb->stats.conflicts;
		memcpy(r->cpu[i].cycles, c->cycles, sizeof(c->cycles));
		counters_add(&r->count, &r->cpu[i].count);
		for (u32 k = 0; k < TLB_NR_SIZES; k++)
			r->l2_hits[k] += c->tlb->stats.l2_hits[k];
		for (u32 k = 0; k < NR_CYCLE_CATS; k++)
			r->cycles[k] += c->cycles[k];
	}
	if (mms()->window)
		r->window = *mms()->window;
	for (u32 n = 0; n < sys->m->nr_nodes; n++)
		r->frames += mms()->node[n].next - n * mms()->frames_per_node;
	say_modelled(r, sys);
	count_assumed(sys, r);
}

/* ---- the run ------------------------------------------------------------------- */

struct shown {
	struct progress p;
	const struct wl *w;
};

static u64 to_us(u64 cycles)
{
	return cycles / (the_sys->m->hz / 1000000);
}

/* How much of the work is done, or of the time is over. */
static void show(u64 cycles, void *arg)
{
	struct shown *s = arg;

	progress_to(&s->p, s->w->end ? to_us(cycles) : s->w->done);
}

static void start_progress(struct shown *s, enum progress_mode mode)
{
	const struct wl *w = s->w;

	if (w->end)
		progress_start(&s->p, mode, w->workload->name, "modelled us",
			       to_us(w->end));
	else
		progress_start(&s->p, mode, w->workload->name,
			       timed_unit(w->workload), w->total);
}

const char *timed_unit(const struct workload *workload)
{
	return workload->unit ? workload->unit : "steps";
}

static int run(struct sys *sys, const struct timed_point *p, struct wl *w,
	       struct timed_result *r, struct err *e)
{
	struct shown s = { .w = w };
	int rc = w->workload->setup(w, e);

	if (rc >= 0)
		rc = cpuset_check_threads(&cpusets, w->nr_threads, e);
	if (rc < 0)
		return rc;
	if (sched_is_on() && sched_begin())
		return err_set(e, -ENOMEM, "out of memory");
	start_clocks(sys);
	series_begin(&r->series, machine_ns_to_cycles(sys->m,
						      p->cfg->sample_ns));
	start_progress(&s, p->progress);
	rc = timed_run(sys, show, &s, NULL);
	progress_end(&s.p);
	if (w->error)
		return err_set(e, w->error, "%s", w->err.text);
	if (rc == -EDEADLK)
		return err_set(e, rc, "%s: the modelled kernel deadlocked: all "
			       "threads wait for each other", w->workload->name);
	return rc;
}

void timed_propose(const struct timed_cfg *cfg, struct machine *m)
{
	m->has_tlb_directory = cfg->proposal == PROPOSE_DIRECTORY;
	m->has_coherent_tlbs = cfg->proposal == PROPOSE_COHERENT;
	m->has_cotags = cfg->proposal == PROPOSE_COTAGS;
	m->has_tlb_expiry = cfg->proposal == PROPOSE_EXPIRY;
	m->is_guest = cfg->guest != GUEST_NONE;
}

int timed_point_run_on(const struct timed_point *p, const struct machine *given,
		       struct timed_result *r, struct err *e)
{
	struct wl w = {
		.workload = p->workload,
		.cfg = p->workload_cfg,
		.files = p->files,
		.nr_files = p->nr_files,
		.seed = p->cfg->seed,
		.nr_threads = p->cfg->threads,
	};
	struct machine own = *given;    /* others run on it, too */
	const struct machine *m = &own;
	struct sys *sys;
	int rc;

	timed_propose(p->cfg, &own);
	rc = check_asid_bits(p, m, e);
	if (rc)
		return rc;
	if (p->cfg->asid_bits)
		own.rules.asid_bits = (u8)p->cfg->asid_bits;
	rc = boot(p, m, &sys, e);
	if (rc)
		return rc;
	w.max_threads = sched_is_on() ? WL_MAX_THREADS : sys->nr_cpus;
	w.cpu_of = calloc(w.max_threads, sizeof(*w.cpu_of));
	w.thread = calloc(w.max_threads, sizeof(*w.thread));
	if (w.cpu_of && w.thread) {
		place(sys, p->cfg->placement, w.cpu_of);
		rc = bind(p->cfg, sys, &w, e);
		if (!rc)
			rc = run(sys, p, &w, r, e);
		if (!rc) {
			gather(sys, &w, r);
			series_end(&r->series, r->elapsed_cycles);
			sde_retire(&r->count, r->elapsed_cycles, r->cycles);
		}
		if (p->workload->teardown)
			p->workload->teardown(&w);
	} else {
		rc = err_set(e, -ENOMEM, "out of memory");
	}
	numa_shutdown();
	cpuset_shutdown();
	sched_shutdown();
	free(w.cpu_of);
	free(w.thread);
	mm_shutdown(sys);
	timed_remove(sys);
	sys_destroy(sys);
	return rc;
}

int timed_point_run(const struct timed_point *p, struct timed_result *r,
		    struct err *e)
{
	u64 from = host_ns();
	struct machine *m;
	int rc = machine_create(&m, p->cfg->machine, p->cfg->profile, e);

	if (rc)
		return rc;
	memset(r, 0, sizeof(*r));
	rc = granule_use(m, (enum granule)p->cfg->granule, e);
	if (!rc)
		rc = timed_point_run_on(p, m, r, e);
	r->host_ns = host_ns() - from;
	machine_destroy(m);
	return rc;
}

/* ---- what follows from a result -------------------------------------------------- */

u64 timed_busy_cycles(const struct timed_result *r)
{
	u64 n = 0;

	for (u32 i = 0; i < NR_CYCLE_CATS; i++)
		if (i != CYC_IDLE)
			n += r->cycles[i];
	return n;
}

u64 timed_overhead(const u64 cycles[NR_CYCLE_CATS])
{
	static const enum cycle_cat cats[] = {
		CYC_FAULT, CYC_SCAN, CYC_COPY, CYC_FLUSH, CYC_WAIT_ACK,
		CYC_RESPOND, CYC_LOCK_WAIT,
	};
	u64 n = 0;

	for (u32 i = 0; i < ARRAY_LEN(cats); i++)
		n += cycles[cats[i]];
	return n;
}

double timed_flush_cycles(const struct timed_result *r)
{
	u64 n = r->count.v[CTR_TLB_FLUSH];

	return n ? (double)(r->cycles[CYC_FLUSH] + r->cycles[CYC_WAIT_ACK]) /
		(double)n : NAN;
}

double timed_cycles_to_ms(const struct timed_result *r, u64 cycles)
{
	return (double)cycles / (double)r->hz * 1e3;
}
