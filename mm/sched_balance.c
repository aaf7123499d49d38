/* Moves between CPUs: where a new or woken thread is put, who pulls from whom.
 *
 * Four nested domains: the core's threads, the last-level cache, the package, all.
 * Only threads that wait for a CPU are pulled (Linux also pushes running ones,
 * "active balance", after some failures; not here). A CPU that has nothing to do
 * pulls at once; one that has two or more at its tick wakes one that has nothing
 * (nohz kick); busy ones compare now and then: a domain of N CPUs every
 * N * 16 ms (rebalance_domains(): N ms times busy_factor). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/sched.h"

#define NR_DOMAINS 4u
#define BUSY_FACTOR 16u
#define IMBALANCE_PCT 125u
#define HOT_NS 500000ull        /* sysctl_sched_migration_cost */
#define MAX_FAILED 3u           /* cache_nice_tries + 1: cache-hot ones go, too */

bool (*sched_resists)(const struct sched_task *t, u32 to, bool is_idle);
void (*sched_moved)(struct sched_task *t, u32 from, u32 to);

static struct {
	u64 *next;                      /* [nr_cpus * NR_DOMAINS]             */
	u32 *nr_failed;                 /* [nr_cpus]                          */
	u32 *width;                     /* [nr_cpus * NR_DOMAINS] CPUs in it  */
	u64 ms, hot;
} B;

static bool is_in(u32 domain, u32 a, u32 b)
{
	const struct machine_cpu *x = &the_sys->m->cpu[a], *y = &the_sys->m->cpu[b];

	switch (domain) {
	case 0: return x->core == y->core;
	case 1: return x->llc == y->llc;
	case 2: return x->package == y->package;
	}
	return true;
}

int sched_balance_boot(void)
{
	u32 n = the_sys->nr_cpus;

	B.next = calloc(n * NR_DOMAINS, sizeof(*B.next));
	B.width = calloc(n * NR_DOMAINS, sizeof(*B.width));
	B.nr_failed = calloc(n, sizeof(*B.nr_failed));
	if (!B.next || !B.width || !B.nr_failed)
		return -ENOMEM;
	B.ms = machine_ns_to_cycles(the_sys->m, 1000000);
	B.hot = machine_ns_to_cycles(the_sys->m, HOT_NS);
	for (u32 i = 0; i < n; i++)
		for (u32 d = 0; d < NR_DOMAINS; d++)
			for (u32 k = 0; k < n; k++)
				B.width[i * NR_DOMAINS + d] += is_in(d, i, k);
	return 0;
}

void sched_balance_shutdown(void)
{
	free(B.next);
	free(B.width);
	free(B.nr_failed);
	memset(&B, 0, sizeof(B));
	sched_resists = NULL;
	sched_moved = NULL;
}

static bool is_idle(u32 cpu)
{
	return !sched_nr_running(cpu) && !sched_is_stuck(cpu);
}

/* ---- pulling ---------------------------------------------------------------------- */

static bool may_pull(const struct sched_task *t, void *arg)
{
	u32 me = this_cpu->id;
	bool is_tired = B.nr_failed[me] > MAX_FAILED;

	(void)arg;
	if (t->stays || !cpuset_has(&t->allowed, me))
		return false;
	if (!is_tired && this_cpu->now < t->last_ran + B.hot)
		return false;
	if (sched_resists && !is_tired &&
	    the_sys->cpu[t->cpu].node != this_cpu->node)
		return !sched_resists(t, me, is_idle(me));
	return true;
}

/* The fullest queue of the domain, at least two more than here. -1: none. */
static int busiest(u32 domain)
{
	u32 me = this_cpu->id, n = the_sys->nr_cpus;
	u32 least = sched_nr_running(me) + 2, most = 0;
	int cpu = -1;

	for (u32 i = 1; i < n; i++) {
		u32 k = (me + i) % n, nr = sched_nr_running(k);

		if (nr >= least && nr > most && is_in(domain, me, k)) {
			most = nr;
			cpu = (int)k;
		}
	}
	return cpu;
}

/* Per node: who has by a quarter more a CPU than this one. */
static bool node_is_busier(u32 from, u32 to)
{
	u32 n[2] = { 0 };

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		n[0] += the_sys->cpu[i].node == from;
		n[1] += the_sys->cpu[i].node == to;
	}
	return (u64)sched_nr_running_on_node(from) * n[1] * 100 >
		(u64)sched_nr_running_on_node(to) * n[0] * IMBALANCE_PCT;
}

static bool pull(u32 domain)
{
	u32 me = this_cpu->id;
	int from = busiest(domain);
	struct sched_task *t;

	if (from < 0 || sched_is_stuck(me))
		return false;
	rq_lock((u32)from);             /* and it may be otherwise by now */
	if (sched_nr_running((u32)from) < sched_nr_running(me) + 2)
		return false;
	if (the_sys->cpu[from].node != this_cpu->node && !is_idle(me) &&
	    !node_is_busier(the_sys->cpu[from].node, this_cpu->node))
		return false;
	t = sched_last_queued((u32)from, may_pull, NULL);
	if (!t) {
		B.nr_failed[me]++;
		return false;
	}
	B.nr_failed[me] = 0;
	sched_steal(t);
	COUNT(CPU_MIGRATIONS, 1);
	if (sched_moved)
		sched_moved(t, (u32)from, me);
	return true;
}

bool sched_newly_idle(void)
{
	for (u32 d = 0; d < NR_DOMAINS; d++)
		if (pull(d))
			return true;
	return false;
}

static void kick_idle(void)
{
	u32 me = this_cpu->id, n = the_sys->nr_cpus;

	for (u32 d = 0; d < NR_DOMAINS; d++)
		for (u32 i = 1; i < n; i++) {
			u32 k = (me + i) % n;

			if (is_in(d, me, k) && is_idle(k)) {
				sched_kick(k);
				return;
			}
		}
}

void sched_rebalance(void)
{
	u32 me = this_cpu->id;

	if (sched_nr_running(me) > 1)
		kick_idle();
	for (u32 d = 0; d < NR_DOMAINS; d++) {
		u64 *next = &B.next[me * NR_DOMAINS + d];
		u32 width = B.width[me * NR_DOMAINS + d];

		if (width < 2 || this_cpu->now < *next)
			continue;
		*next = this_cpu->now + width * BUSY_FACTOR * B.ms;
		pull(d);
	}
}

/* ---- where to begin --------------------------------------------------------------- */

u32 sched_select_cpu(const struct sched_task *t)
{
	u32 n = the_sys->nr_cpus;

	if (is_idle(t->cpu))
		return t->cpu;
	/* Beside where its caches are, then beside who woke it. */
	for (u32 pass = 0; pass < 2; pass++) {
		u32 near = pass ? this_cpu->id : t->cpu;

		for (u32 i = 0; i < n; i++) {
			u32 k = (near + i) % n;

			if (is_in(1, near, k) && is_idle(k) &&
			    cpuset_has(&t->allowed, k))
				return k;
		}
	}
	return t->cpu;
}

/* Threads a 1024 CPUs of the node, of the core, of the CPU: in this order. */
static u64 crowd(u32 cpu, const u32 *node_cpus)
{
	u32 node = the_sys->cpu[cpu].node, core = 0;

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (is_in(0, cpu, i))
			core += sched_nr_running(i);
	return (u64)sched_nr_running_on_node(node) * 1024 / node_cpus[node] << 40 |
		(u64)core << 20 | sched_nr_running(cpu);
}

int sched_idlest(const struct cpuset *allowed)
{
	u32 node_cpus[256] = { 0 };     /* struct page has 8 bits for a node */
	u64 best = UINT64_MAX;
	int cpu = -1;

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		node_cpus[the_sys->cpu[i].node & 255]++;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		u64 c;

		if (!cpuset_has(allowed, i))
			continue;
		c = crowd(i, node_cpus);
		if (c < best) {
			best = c;
			cpu = (int)i;
		}
	}
	return cpu;
}
