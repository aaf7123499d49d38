/* cpuset.h - threads in groups that may use some CPUs and some nodes' memory, as
 * the cpuset controller of cgroups confines them, and changes of that in a run.
 *
 * cpus   as an affinity that the program cannot widen; what it asked for itself
 *        (numactl) holds within, and is forgotten if nothing of it is left.
 * mems   every page of the group's programs comes from there: by the thread's
 *        policy within it, the nearest node first. Page tables come from anywhere.
 *        A bind or interleave that was asked for keeps its place when mems
 *        changes: its nth node of the old ones becomes the nth of the new.
 * memory_migrate  when mems changes, what the group's address spaces have on the
 *        old nodes moves to the new ones (do_migrate_pages()); else it stays, and
 *        only new pages come from there.
 *
 * NUMA balancing neither knows nor asks: it scans and takes hint faults as before,
 * and a page that it would put on a node outside of mems fails for want of memory
 * there (__GFP_HARDWALL), once a fault. A task still is moved between all CPUs of
 * its group.
 *
 * A group without a name for its threads is for all. Threads of no group may use
 * everything. Whoever writes the cgroup's files is not modelled: the first thread
 * that comes to a tick after the time of a change carries it out, migration
 * included, where Linux has a kernel thread do that. Huge pages move whole, also
 * before 4.14, where Linux splits them. Until 6.1 Linux forgets a program's own
 * affinity when cpus changes; here it never does.
 *
 * Timed runs. CPUs need the scheduler (sched.h), nodes do not.
 * Source: Linux 6.1 kernel/cgroup/cpuset.c, mm/mempolicy.c.
 */
#ifndef MM_CPUSET_H
#define MM_CPUSET_H

#include "mm/sched.h"

#define CPUSET_MAX_GROUPS 16u
#define CPUSET_MAX_CHANGES 8u
#define CPUSET_MAX_THREADS 4096u

struct cpuset_change {
	u64 at_ns;                      /* of modelled time; the first: 0     */
	bool has_cpus, has_mems;        /* else as before; at first: all      */
	struct cpuset cpus;
	u64 mems;
};

struct cpuset_group {
	bool is_for_all;                /* or for those of                    */
	u64 thread[CPUSET_MAX_THREADS / 64];
	bool migrates;                  /* memory_migrate                     */
	u32 nr;
	struct cpuset_change change[CPUSET_MAX_CHANGES];        /* by time    */
};

struct cpuset_config {
	u32 nr;
	struct cpuset_group group[CPUSET_MAX_GROUPS];
};

/* cpuset_boot - after mm_boot(); @cfg stays the caller's until cpuset_shutdown().
 * @asked: what the program bound itself to, or NULL. */
void cpuset_boot(const struct cpuset_config *cfg, const struct cpuset *asked);
void cpuset_shutdown(void);

/* cpuset_attach - thread @i, of @mm and with its policy, is in its group from now
 * on. Return: the CPUs that it may run on; NULL: any. The caller has seen to it
 * that group and policy have nodes in common (mempolicy_confine()). */
const struct cpuset *cpuset_attach(struct thread *t, u32 i);

/* Some group's change is due. */
void cpuset_update(void);

#endif
