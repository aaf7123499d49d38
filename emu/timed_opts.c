/* What every timed command can set. */
#include "cpu/granule.h"
#include "emu/timed_point.h"

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
	  .metavar = "NAME",
	  .help = "TLB flush strategy; unless given, what the kernel does on "
		  "this machine: tlbi on Arm, invlpgb-asid from v6.15 on where "
		  "there is INVLPGB, else deferred", .see = "tlbemu list flush",
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
	/* The scheduler and numactl. */
	{ .name = "sched", .kind = OPT_ENUM, .def = "pinned",
	  .names = sched_names,
	  .help = "pinned: each thread has the CPU where placement puts it, for "
		  "good (where memory is short kernel threads run there, too); "
		  "fair: run queues, time slices and load balancing, and any "
		  "number of threads", FIELD(sched, "kernel") },
	{ .name = "physcpubind", .kind = OPT_STRING, .metavar = "CPUS",
	  .help = "numactl: threads run on these CPUs only; --sched fair",
	  FIELD(numactl.physcpubind, "numactl") },
	{ .name = "cpunodebind", .kind = OPT_STRING, .metavar = "NODES",
	  .help = "numactl: threads run on these nodes' CPUs only; --sched fair",
	  FIELD(numactl.cpunodebind, "numactl") },
	{ .name = "membind", .kind = OPT_STRING, .metavar = "NODES",
	  .help = "numactl: memory comes from these nodes only",
	  FIELD(numactl.membind, "numactl") },
	{ .name = "interleave", .kind = OPT_STRING, .metavar = "NODES",
	  .help = "numactl: memory comes from these nodes in turn",
	  FIELD(numactl.interleave, "numactl") },
	{ .name = "preferred", .kind = OPT_STRING, .metavar = "NODE",
	  .help = "numactl: memory comes from this node while it has some",
	  FIELD(numactl.preferred, "numactl") },
	{ .name = "localalloc", .kind = OPT_BOOL,
	  .help = "numactl: memory comes from the node of the CPU that first "
		  "touches it, as it does by default",
	  FIELD(numactl.localalloc, "numactl") },
	{ .name = "cpuset", .kind = OPT_STRING,
	  .metavar = "cpus=LIST,mems=LIST[,...][:...]",
	  .help = "the program is in a cpuset: these CPUs (--sched fair) and "
		  "these nodes' memory only, and its memory policy within; "
		  "threads=LIST: for these threads, further groups after ':'; "
		  "at=TIME: what follows holds from then on, and with "
		  "memory_migrate=1 pages move when mems changes",
	  FIELD(cpuset, "numactl") },
	/* NUMA balancing, by the names of sysctl and debugfs. */
	{ .name = "numa_balancing", .kind = OPT_U32, .def = "0", .max = 3,
	  .help = "kernel.numa_balancing: 0 off, 1 on, 2 memory tiering, 3 both, "
		  "by the rules of --kernel; not 0: --sched fair, and scan-period "
		  "is not used", FIELD(numa.mode, "numa balancing") },
	{ .name = "numa_balancing_scan_delay_ms", .kind = OPT_U32,
	  .def = "1000", .max = 10000000, .unit = "ms",
	  .help = "until a new address space (or, since 6.4, VMA) is scanned",
	  FIELD(numa.scan_delay_ms, "numa balancing") },
	{ .name = "numa_balancing_scan_period_min_ms", .kind = OPT_U32,
	  .def = "0", .max = 10000000, .unit = "ms",
	  .help = "CPU time between scans of a task, at least (since 3.13: of all "
		  "of its memory); 0: the kernel's 1000, until 3.12 100",
	  FIELD(numa.scan_period_min_ms, "numa balancing") },
	{ .name = "numa_balancing_scan_period_max_ms", .kind = OPT_U32,
	  .def = "0", .max = 10000000, .unit = "ms",
	  .help = "the same at most; 0: the kernel's 60000, until 3.12 5000",
	  FIELD(numa.scan_period_max_ms, "numa balancing") },
	{ .name = "numa_balancing_scan_size_mb", .kind = OPT_U32,
	  .def = "256", .min = 1, .max = 1u << 20, .unit = "MB",
	  .help = "memory made to fault in one scan",
	  FIELD(numa.scan_size_mb, "numa balancing") },
	{ .name = "numa_balancing_scan_period_reset", .kind = OPT_U32,
	  .def = "60000", .min = 1, .max = 10000000, .unit = "ms",
	  .help = "until 3.12: periods go back to the least so often",
	  FIELD(numa.scan_period_reset_ms, "numa balancing") },
	{ .name = "numa_balancing_migrate_deferred", .kind = OPT_U32,
	  .def = "16", .max = 1000000,
	  .help = "3.13: shared pages not moved after one that must not be",
	  FIELD(numa.migrate_deferred, "numa balancing") },
	{ .name = "numa_balancing_settle_count", .kind = OPT_U32, .def = "4",
	  .max = 1000000, .no_echo = true,
	  .help = "3.13: has no effect there, nor here",
	  FIELD(settle_count, "numa balancing") },
	{ .name = "numa_balancing_hot_threshold_ms", .kind = OPT_U32,
	  .def = "1000", .min = 1, .max = 100000, .unit = "ms",
	  .help = "tiering: from scan to fault, for a page to be hot",
	  FIELD(numa.hot_threshold_ms, "numa balancing") },
	{ .name = "numa_balancing_promote_rate_limit_MBps", .kind = OPT_U32,
	  .def = "65536", .max = 1u << 30, .unit = "MB/s",
	  .help = "tiering: promoted to a node in a second, at most",
	  FIELD(numa.promote_rate_limit_MBps, "numa balancing") },
	{ .name = "demotion_enabled", .kind = OPT_U32, .def = "0", .max = 1,
	  .help = "/sys/kernel/mm/numa/demotion_enabled: a node that is full gets "
		  "room for promotions, by kswapd, of what it has not used lately",
	  FIELD(numa.demotion_enabled, "numa balancing") },
	{ .name = "sample", .kind = OPT_TIME_NS, .def = "0",
	  .max = 1000000000000ull, .unit = "ns",
	  .help = "a table over time, a row each so often (modelled): local "
		  "faults and lines, migrations, scan cost, each node's bandwidth",
	  FIELD(sample_ns, "numa balancing") },
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
