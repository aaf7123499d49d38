/* core.h - what the SMT threads of one core share: TLBs, paging-structure
 * caches, page walkers. Timed runs only.
 *
 * Options (struct walk_config) say what is modelled; sizes are the machine's.
 *
 * Walkers. A core does as many walks at a time as it has walkers; one more
 * waits for the first of them that becomes free. 0 walkers: unknown, no limit.
 */
#ifndef CPU_CORE_H
#define CPU_CORE_H

#include "cpu/caches.h"
#include "tlb/array.h"
#include "tlb/psc.h"

struct ept;

/* ORDER ept_mode: emu/timed_opts.c spells these. */
enum ept_mode { EPT_NONE, EPT_4K, EPT_2M, EPT_1G };

/* What is modelled of page walks. All zero: no paging-structure caches, no data
 * caches, no EPT, one access at a time. */
struct walk_config {
	bool has_psc;           /* the machine's paging-structure caches      */
	enum caches_mode caches;
	enum ept_mode ept;
	u32 mlp;                /* accesses under way at once; 0 is 1         */
	bool uses_tce;          /* EFER.TCE is set: INVLPG keeps other paths  */
};

#define CORE_MAX_WALKERS 64u
#define CPU_MAX_MLP 64u

#define CORE_MAX_THREADS 16u

struct core {
	struct tlb_array *thread[CORE_MAX_THREADS];     /* their sides of it  */
	u32 nr_threads;
	u8 contig[2];           /* [level] log2 of the most leaves, of 4K and
				 * of 2M, that an array keeps as one entry;
				 * 0: no use counting                         */
	struct psc *psc;        /* NULL: none                                 */
	struct ept *ept;        /* NULL: not a guest                          */
	bool is_plain;          /* a walk's load costs the same everywhere: no
				 * data caches, not a guest                   */
	u32 nr_walkers;
	u64 walker_free[CORE_MAX_WALKERS];      /* cycles: when it becomes so */
};

/* The walker that becomes free first. */
static inline u64 *core_first_free(struct core *core)
{
	u64 *first = core->walker_free;

	for (u32 i = 1; i < core->nr_walkers; i++)
		if (core->walker_free[i] < *first)
			first = &core->walker_free[i];
	return first;
}

/* core_walker - a walk of @cycles that is ready to begin at @now gets a
 * walker. Return: when it is done. */
static inline u64 core_walker(struct core *core, u64 now, u64 cycles)
{
	u64 *free = core_first_free(core);

	if (!core->nr_walkers)
		return now + cycles;
	return *free = (*free > now ? *free : now) + cycles;
}

/* Is no walk under way at @now, or after? */
static inline bool core_is_idle(const struct core *core, u64 now)
{
	for (u32 i = 0; i < core->nr_walkers; i++)
		if (core->walker_free[i] > now)
			return false;
	return true;
}

#endif
