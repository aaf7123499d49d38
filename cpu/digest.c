/* digest.c - runs that are known only in sum. */
#include "cpu/cpu.h"
#include "cpu/step.h"

bool cpu_takes_digests(void)
{
	/* They name 4K pages. */
	return page_shift == PAGE_SHIFT && !the_sys->os.used && the_sys->walk.caches != CACHES_FULL &&
	       !the_sys->m->rules.caches_invalid;
}

/* Is nothing to happen here before @at? Others may have to go on for that. */
static bool is_over_by(struct cpu *c, u64 at)
{
	if (at > c->run_until)
		the_sys->drv.wait(NULL, NULL, NULL, 0);
	return at <= c->run_until;
}

bool cpu_run_digest(const struct run_digest *d)
{
	struct cpu *c = this_cpu;
	u64 accesses = 0, cycles;

	for (u32 i = 0; i < NR_RUN_USES; i++)
		accesses += d->accesses[i];
	cycles = accesses * cost_of(COST_ACCESS);
	if (!cpu_takes_digests() || !is_over_by(c, c->now + cycles) ||
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
