/* numa_balancing.h - automatic NUMA balancing as kernels do it, by era: when to
 * scan how much (numa_scan.c), what hint faults teach (numa_faults.c), which of
 * them move their page (numa_filter.c), which tasks belong together
 * (numa_group.c), where a task should run (numa_move.c), and memory tiering
 * (numa_tier.c, demote.h). Reads beside the second third of kernel/sched/fair.c.
 *
 * What differs between kernels is in kern()->numa (numa_rules.h). Timed runs with
 * the scheduler only. mms()->numa is NULL when it is off.
 *
 * Units: cycles, but for what is called _ms; faults count 4K pages.
 */
#ifndef MM_NUMA_BALANCING_H
#define MM_NUMA_BALANCING_H

#include "mm/mm.h"
#include "mm/sched.h"

/* kernel.numa_balancing */
enum { NUMA_BALANCING_NORMAL = 1, NUMA_BALANCING_TIERING = 2 };

/* The knobs by the names of sysctl and debugfs. */
struct numa_knobs {
	u32 mode;               /* kernel.numa_balancing; 0: off              */
	u32 scan_delay_ms;
	u32 scan_period_min_ms, scan_period_max_ms;     /* 0: the kernel's    */
	u32 scan_size_mb;
	u32 scan_period_reset_ms;       /* 3.8 to 3.12                        */
	u32 migrate_deferred;           /* 3.13                               */
	u32 hot_threshold_ms;
	u32 promote_rate_limit_MBps;
	u32 demotion_enabled;           /* /sys/kernel/mm/numa/               */
};

enum numa_topology { NUMA_DIRECT, NUMA_GLUELESS_MESH, NUMA_BACKPLANE };

/* Faults of a task or group: [region][node][private]. */
enum numa_region { NUMA_MEM, NUMA_CPU, NUMA_MEMBUF, NUMA_CPUBUF, NR_NUMA_REGIONS };
#define NUMA_MAX_NODES MPOL_MAX_NODES

struct numa_faults {
	u64 n[NUMA_MAX_NODES][2];
};

struct numa_group {
	u32 nr_tasks, gid;
	u32 active_nodes;
	u64 total, max_faults_cpu;
	struct numa_faults mem, cpu;
	struct numa_group *next;        /* of all there ever were             */
};

/* The hint fault that a task is in, if any: told to it at its end. */
struct numa_hint {
	bool is_set, is_migrated, is_failed, is_shared_vma;
	bool is_read_only;              /* the entry: TNF_NO_GROUP            */
	bool is_local;                  /* before it moved                    */
	u32 last_cpupid;
	u32 node, pages;
};

struct numa_task {
	struct thread *t;
	u32 scan_period_ms, scan_period_max_ms;
	u64 node_stamp;                 /* of the task's CPU time             */
	u32 scan_seq;
	int preferred_nid;              /* -1: none                           */
	u64 migrate_retry;
	u32 migrate_deferred;
	u64 total_faults, pages_migrated;
	u64 locality[3];                /* remote, local, failed to move      */
	u64 last_placement, last_exec;
	struct numa_faults f[NR_NUMA_REGIONS];
	struct numa_group *group;
	struct numa_hint hint;
	u64 scanned_pfn;                /* the scanner's last                 */
	struct numa_task *next;
};

struct numa_mm {
	struct mm *mm;
	int first_nid;                  /* scan_waits_remote; -1: not yet, -2:
				 * it ran on a second node                    */
	u64 next_reset;                 /* NUMA_PERIOD_STEP                   */
	struct numa_mm *next;
};

struct numa_vma {
	u64 next_scan, pids_reset;
	u64 pids[2];
	u32 start_seq, prev_seq;
	struct numa_vma *next;
};

struct numa_node {
	bool has_cpus, is_toptier;
	u32 nr_cpus;
	u64 window_end, window_pages;   /* ratelimit_pages                    */
	u64 candidates;                 /* pgpromote_candidate                */
	u64 rl_start, rl_candidates;
	u64 th_start, th_candidates;
	u32 threshold_ms;               /* 0: the knob's                      */
};

struct numa_state {
	struct numa_knobs knobs;
	u64 ms;                         /* in cycles                          */
	u32 nr_nodes;
	u32 max_distance;
	enum numa_topology topology;
	struct numa_node node[NUMA_MAX_NODES];
	struct numa_task *tasks;
	struct numa_group *groups;
	struct numa_mm *mms;
	struct numa_vma *vmas;
	u8 *aimed_at;                   /* [nr_cpus] rq->numa_migrate_on      */
};

static inline struct numa_state *numab(void)
{
	return mms()->numa;
}

static inline const struct numa_rules *numa_rules(void)
{
	return &kern()->numa;
}

/* numa_boot - after sched_boot(). Return: 0; -ENOMEM; -EINVAL (more nodes than
 * NUMA_MAX_NODES). */
int numa_boot(const struct numa_knobs *knobs);
void numa_shutdown(void);

/* What is known of this CPU's thread; made at first use. */
struct numa_task *numa_current(void);
/* That of another, or NULL. */
struct numa_task *numa_of(const struct sched_task *t);

/* ---- numa_scan.c ---- */

/* At a tick that was due: task_tick_numa(). */
void numa_tick(void);
u32 numa_scan_min_ms(const struct numa_task *t);
u32 numa_scan_max_ms(const struct numa_task *t);
u32 numa_scan_start_ms(const struct numa_task *t);
/* A hint fault in @vma by this CPU's thread. */
void numa_vma_accessed(struct vma *vma);
u64 change_prot_numa(struct vma *vma, u64 start, u64 end);      /* numa.c     */
/* The bits that a mark takes from an entry. */
u64 numa_mark_clears(void);

/* ---- numa_filter.c ---- */

/* The node that @page, mapped by @entry, should move to, by this CPU's thread's hint
 * fault, or -1; begins the task's hint. */
int numa_misplaced(struct page *page, u64 entry);
/* Must the scanner leave this page alone? Notes the time of slow-tier pages. */
bool numa_scan_skips(struct page *page, bool is_huge, const struct mm *mm);

/* cpupid: the low 8 bits of the PID and the CPU + 1; 0: unset. */
static inline u32 make_cpupid(u32 pid, u32 cpu)
{
	return (pid & 0xff) << 16 | (cpu + 1);
}

static inline bool cpupid_is_mine(u32 cpupid, u32 pid)
{
	return (cpupid >> 16 & 0xff) == (pid & 0xff);
}

static inline u32 cpupid_cpu(u32 cpupid)
{
	return (cpupid & 0xffff) - 1;
}

/* ---- numa_faults.c ---- */

/* The hint is over: task_numa_fault(). Called after every fault; cheap without a
 * hint. */
void numa_fault_done(void);
/* The fault will be taken again: it teaches nothing. */
void numa_hint_forget(void);
/* The page was to go to @node. Return: @is_moved. */
bool numa_hint_moved(bool is_moved, int node);
void task_numa_placement(struct numa_task *t);
void update_task_scan_period(struct numa_task *t, u64 shared, u64 private);

u64 numa_sum(const struct numa_faults *f, u32 node);
u64 task_weight(const struct numa_task *t, u32 node, u32 dist);
u64 group_weight(const struct numa_task *t, u32 node, u32 dist);

/* ---- numa_group.c ---- */

/* A fault that another task's came before. *@is_private becomes 1 if they turn
 * out not to belong together. */
void task_numa_group(struct numa_task *t, u32 cpupid, bool is_shared_vma,
		     int *is_private);
void numa_group_count_active(struct numa_group *g);
bool numa_is_active(const struct numa_group *g, u32 node);
int preferred_group_nid(const struct numa_task *t, int nid);

/* ---- numa_move.c ---- */

void numa_migrate_preferred(struct numa_task *t);
void numa_move_boot(void);

/* ---- numa_tier.c ---- */

static inline bool numa_tiers(void)
{
	return numab()->knobs.mode & NUMA_BALANCING_TIERING &&
		numa_rules()->has_tiering;
}

/* May @page, of a slow node, be promoted to @node now? */
bool numa_promotes(struct page *page, u32 node);
/* Has @node, which is to get @pages more, them above its high watermark? With tiering
 * its kswapd is woken else. migrate_balanced_pgdat() */
bool numa_has_space(u32 node, u32 pages);
/* What @new, a copy of @page, knows of its last access: of another tier's nothing. */
u32 numa_moved_cpupid(const struct page *page, const struct page *new);
u32 numa_now_ms(void);

#endif
