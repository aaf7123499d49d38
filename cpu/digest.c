/* digest.c - runs that are known only in sum. */
#include "cpu/cpu.h"
#include "cpu/step.h"

bool cpu_takes_digests(void)
{
	return !the_sys->os.used && the_sys->walk.caches != CACHES_FULL &&
	       !the_sys->m->rules.caches_invalid;
}

bool cpu_run_digest(const struct run_digest *d)
{
	struct cpu *c = this_cpu;
	u64 accesses = 0, cycles;

	for (u32 i = 0; i < NR_RUN_USES; i++)
		accesses += d->accesses[i];
	cycles = accesses * cost_of(COST_ACCESS);
	if (c->now + cycles > c->run_until || !cpu_takes_digests() ||
	    !tlb_array_hit_all(c->tlb, c->s->pcid, d->page, d->nr_pages,
			       d->nr_runs))
		return false;
	c->now += cycles;
	c->cycles[CYC_USER] += cycles;
	c->count.v[CTR_RUNS] += d->nr_runs;
	c->count.v[CTR_ACCESSES] += accesses;
	for (u32 i = 0; i < NR_RUN_USES; i++)
		c->count.v[CTR_DTLB_LOADS + 2 * i] += d->accesses[i];
	return true;
}
