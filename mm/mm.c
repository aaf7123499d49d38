/* Booting the modelled kernel. */
#include <errno.h>
#include <stdlib.h>

#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"

static void user_tick(void)
{
	struct thread *t = current();
	u64 due;

	if (!mms()->scan_period_cycles || this_cpu->now < t->scan_stamp)
		return;
	t->scan_stamp = this_cpu->now + mms()->scan_period_cycles;
	charge(cost_of(COST_TIMER_TICK));
	/* Every thread asks, one an mm and period scans. */
	due = READ_ONCE(t->mm->numa_next_scan);
	if (this_cpu->now < due ||
	    !cmpxchg_ok(&t->mm->numa_next_scan, due,
			this_cpu->now + mms()->scan_period_cycles))
		return;
	task_numa_work();
}

static int boot_percpu(struct mm_state *s, struct sys *sys)
{
	struct arena *a = &sys->arena;

	s->req = arena_alloc(a, sys->nr_cpus * sizeof(*s->req));
	s->seen_gen = arena_alloc(a, sys->nr_cpus * sizeof(*s->seen_gen));
	s->gather = arena_alloc(a, sys->nr_cpus * sizeof(*s->gather));
	if (!s->req || !s->seen_gen || !s->gather)
		return -ENOMEM;
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		struct gather *g = &s->gather[i];

		g->capacity = sys->is_explored ? 4 : GATHER_MAX;
		g->pfn = arena_alloc(a, g->capacity * sizeof(u32));
		if (!g->pfn)
			return -ENOMEM;
	}
	return 0;
}

static int boot_memory(struct mm_state *s, struct sys *sys)
{
	u32 nr_nodes = sys->m->nr_nodes;

	s->frames_per_node = sys->mem.nr_frames / nr_nodes;
	s->page = arena_alloc(&sys->arena,
			      sys->mem.nr_frames * sizeof(*s->page));
	s->node = arena_alloc(&sys->arena, nr_nodes * sizeof(*s->node));
	if (!s->page || !s->node)
		return -ENOMEM;
	for (u32 n = 0; n < nr_nodes; n++) {
		/* pfn 0 means none. */
		s->node[n].next = n ? n * s->frames_per_node : 1;
		s->node[n].end = (n + 1) * s->frames_per_node;
	}
	return 0;
}

int mm_boot(struct sys *sys, const struct mm_config *cfg)
{
	struct mm_state *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	sys->os_state = s;
	s->k = cfg->kernel;
	s->flush = cfg->flush;
	s->thp_enabled = cfg->thp_enabled;
	s->scan_pages = cfg->scan_bytes >> PAGE_SHIFT;
	s->scan_period_cycles = machine_ns_to_cycles(sys->m,
						     cfg->scan_period_ns);
	rc = boot_memory(s, sys);
	if (!rc)
		rc = boot_percpu(s, sys);
	sys->os.fault = handle_mm_fault;
	sys->os.user_tick = user_tick;
	if (!rc)
		rc = oracle_boot(sys, cfg);
	return rc;
}

void mm_shutdown(struct sys *sys)
{
	oracle_shutdown();
	free(sys->os_state);
	sys->os_state = NULL;
}
