/* timed_point.h - one timed run: a machine, a kernel, a flush strategy and a
 * workload in; counters, cycles and the vulnerability window out.
 *
 * The result is plain data, so that a worker process can hand it over in
 * shared memory. The same point gives the same result, but for host_ns.
 *
 * Errors: 0 or negative errno with text in @e. -EINVAL and -ENOENT: bad input.
 */
#ifndef EMU_TIMED_POINT_H
#define EMU_TIMED_POINT_H

#include "base/err.h"
#include "base/opt.h"
#include "base/progress.h"
#include "cpu/cpu.h"
#include "mm/flush.h"
#include "emu/numactl.h"
#include "emu/series.h"
#include "mm/numa_balancing.h"
#include "mm/oracle.h"
#include "workloads/workload.h"

/* ORDER placement_names */
enum placement { PLACE_SPREAD, PLACE_PACK };

/* ORDER sched_names */
enum sched_how { SCHED_PINNED, SCHED_FAIR };

/* ORDER frames_names */
enum frame_order { FRAMES_IN_ORDER, FRAMES_ALIGNED };

/* ORDER proposal_names */
enum proposal { PROPOSE_NOTHING, PROPOSE_DIRECTORY, PROPOSE_COHERENT,
		PROPOSE_COTAGS, PROPOSE_EXPIRY };

#define TIMED_DEFAULT_MACHINE "pack:2 core:4 pu:1"
#define TIMED_DEFAULT_CPUS 8u

/* What every timed command can set. */
struct timed_cfg {
	const char *machine, *profile, *kernel, *flush, *workload;
	u32 cpus, threads;
	int placement;
	int caches, ept;        /* enum caches_mode, enum ept_mode            */
	int granule;            /* enum granule                               */
	u32 levels, mlp;
	u32 asid_bits;          /* 0: the architecture's                      */
	bool psc, tce;
	int lines, ipi_send, guest;     /* struct contend_config              */
	bool pti, retpoline, mds;
	u64 irqs_off_ns, irqs_every_ns;
	u64 steal_ns, steal_every_ns;   /* struct vcpu_config                 */
	u64 seed;
	u64 scan_bytes, scan_period_ns, tick_ns;
	bool thp;
	const char *mthp;       /* mthp_opt.h                                 */
	u64 thp_churn_ns;
	u32 ceiling;            /* 0: the kernel's                            */
	bool zero_page;
	int frames;             /* enum frame_order                           */
	int proposal;           /* enum proposal                              */
	bool check;
	int sched;              /* enum sched_how                             */
	struct numactl_cfg numactl;
	const char *cpuset;     /* cpuset_opt.h; NULL: none                   */
	struct numa_knobs numa;
	u32 settle_count;       /* read by nothing                            */
	int flushall_shift;     /* ORDER shift_names in timed_opts.c          */
	u64 sample_ns;
};

/* The hardware of cfg->proposal is @m's, too, and so is cfg->guest's hypervisor. */
void timed_propose(const struct timed_cfg *cfg, struct machine *m);

extern const struct opt timed_opts[];
extern const size_t nr_timed_opts;

struct timed_point {
	const struct timed_cfg *cfg;
	const struct kernel *kernel;
	const struct flush_ops *flush;
	const struct workload *workload;
	const void *workload_cfg;
	const char *const *files;
	u32 nr_files;
	int progress;           /* enum progress_mode                         */
	bool is_in_order;       /* tests: no running ahead                    */
	struct probe *probe;    /* a list of those who watch, or NULL         */
};

/* What the workload counts: "transactions", plural. */
const char *timed_unit(const struct workload *workload);

/* timed_overhead - of @cycles by category those in which no CPU did what the
 * program wanted: faults, scanning, copying, flushes and waiting for them. Walks
 * are the hardware's. */
u64 timed_overhead(const u64 cycles[NR_CYCLE_CATS]);

struct timed_result {
	struct counters count;          /* of all CPUs                        */
	struct counter_mask modelled;
	u64 l2_hits[TLB_NR_SIZES];      /* by the page's size                 */
	u64 cycles[NR_CYCLE_CATS];
	u64 elapsed_cycles;
	u64 hz;
	u64 host_ns;
	u64 done;                       /* units of the workload: */
	char unit[32];                  /* accesses, iterations ...           */
	u32 nr_cpus, nr_threads;
	u32 nr_assumed, nr_assumed_used;        /* numbers of the machine     */
	u64 frames;                     /* 4K frames ever handed out          */
	bool is_checked;
	struct window_stat window;
	char profile[64], topology[256];
	struct series series;           /* about evenly without sample_ns     */
	/* Per CPU that ran a thread; under the scheduler, of all CPUs. */
	u32 nr_rows;
	struct {
		u32 cpu, node;
		u64 done_at;
		u64 cycles[NR_CYCLE_CATS];
		struct counters count;
	} cpu[MACHINE_MAX_CPUS];
};

/* timed_point_run - about 600 KiB of result, so allocate it. */
int timed_point_run(const struct timed_point *p, struct timed_result *r,
		    struct err *e);

/* timed_flush - what the kernel does when nobody asked for a strategy. */
const struct flush_ops *timed_flush(const struct timed_cfg *cfg,
				    const struct kernel *k,
				    const struct machine *m);

/* timed_point_run_on - on @m, which is there already, into a cleared @r;
 * r->host_ns stays. */
int timed_point_run_on(const struct timed_point *p, const struct machine *m,
		       struct timed_result *r, struct err *e);

/* Names of the categories of cycles, and what is in them. */
extern const char *const cycle_cat_names[NR_CYCLE_CATS];
extern const char *const cycle_cat_help[NR_CYCLE_CATS];

/* All busy cycles: every category but idle. */
u64 timed_busy_cycles(const struct timed_result *r);

/* Cycles of the initiator per flush: sending, its own flush, waiting. Not a
 * number without a flush. */
double timed_flush_cycles(const struct timed_result *r);

double timed_cycles_to_ms(const struct timed_result *r, u64 cycles);

#endif
