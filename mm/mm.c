/* Booting the modelled kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/cpuset.h"
#include "mm/deferred_split.h"
#include "mm/flush.h"
#include "mm/kvm.h"
#include "mm/lru.h"
#include "mm/mm.h"
#include "mm/mthp.h"
#include "mm/numa_balancing.h"
#include "mm/oracle.h"
#include "mm/rmap.h"
#include "mm/sched.h"
#include "mm/switch.h"
#include "mm/thp_churn.h"
#include "mm/truth.h"
#include "mm/vmalloc.h"

void timer_tick(void)
{
	u64 obs = obs_save();

	if (flusher() && flusher()->tick)
		flusher()->tick();
	obs_restore(obs);
}

static int user_fault(u64 vpn, bool is_write)
{
	if (unlikely(current()->kvm != NULL))
		return kvm_mmu_page_fault(vpn, is_write);
	return handle_mm_fault(vpn, is_write);
}

static void user_tick(void)
{
	struct thread *t;
	u64 due;

	if (current()->sched && sched_tick() && mms()->numa)
		numa_tick();
	if (unlikely(mms()->cpuset_at && this_cpu->now >= mms()->cpuset_at))
		cpuset_update();
	if (unlikely(mms()->churn_cycles))
		thp_churn();
	t = current();
	if (mms()->tick_cycles && this_cpu->now >= t->tick_stamp) {
		t->tick_stamp = this_cpu->now + mms()->tick_cycles;
		timer_tick();
	}
	if (!mms()->scan_period_cycles || mms()->numa || this_cpu->now < t->scan_stamp)
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

static int boot_percpu(struct mm_state *s, struct sys *sys, u32 pages)
{
	struct arena *a = &sys->arena;

	s->req = arena_alloc(a, sys->nr_cpus * sizeof(*s->req));
	s->targets = arena_alloc(a, sys->nr_cpus * ((sys->nr_cpus + 63) / 64) *
				 sizeof(*s->targets));
	s->tlb_state = arena_alloc(a, sys->nr_cpus * sizeof(*s->tlb_state));
	s->gather = arena_alloc(a, sys->nr_cpus * sizeof(*s->gather));
	s->pool = arena_alloc(a, NR_POOLS * sizeof(*s->pool));
	if (!s->req || !s->targets || !s->tlb_state || !s->gather || !s->pool)
		return -ENOMEM;
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		struct gather *g = &s->gather[i];

		/* Explored: room for all, and as many tables. */
		g->capacity = sys->is_explored ? 2 * pages : GATHER_MAX;
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
		u64 first = n * s->frames_per_node;
		u64 size = sys->m->node_bytes[n] >> page_shift;

		if (sys->is_explored || size > s->frames_per_node)
			size = s->frames_per_node;
		s->node[n].next = n ? first : 1;
		s->node[n].end = first + size;
	}
	if (sys->is_explored)
		return 0;
	s->lists = arena_alloc(&sys->arena, (u64)sys->nr_cpus * nr_nodes *
			       sizeof(*s->lists));
	return s->lists ? 0 : -ENOMEM;
}

/* Whole lines; those of an mm that is gone are used again. */
static int words_boot(struct mm *mm)
{
	size_t bytes = (the_sys->nr_cpus * sizeof(u64) + 63) & ~(size_t)63;
	u64 **free = &mms()->free_words, *w = *free;

	if (!flush_is_own())
		return 0;
	touch(free, true);
	if (w) {
		*free = (u64 *)(uintptr_t)w[0];
		memset(w, 0, bytes);
	} else {
		w = arena_alloc(&the_sys->arena, bytes);
	}
	mm->cpu_word = w;
	return w ? 0 : -ENOMEM;
}

void mm_free_words(struct mm *mm)
{
	u64 **free = &mms()->free_words;

	if (!mm->cpu_word)
		return;
	touch(free, true);
	mm->cpu_word[0] = (uintptr_t)*free;
	*free = mm->cpu_word;
}

struct mm *mm_create(void)
{
	const struct paging *pg = &the_sys->mem.paging;
	struct mm *mm = pool_get(POOL_MM), **p = &mms()->first_mm;

	if (!mm)
		return NULL;
	touch(&mms()->next_ctx_id, true);
	mm->ctx_id = ++mms()->next_ctx_id;
	mm->tlb_gen = 1;
	mm->last_trim = the_sys->is_explored ? 0 : this_cpu->now;
	mm->mmap_lock.has_owner = kern()->mmap_lock_in_two_lines;
	if (flusher() && flusher()->has_global_asids)
		mm->asid = asid_new();
	mm->asid_generation = mms()->asid_generation;
	/* The heap far below what mmap gives. */
	mm->mmap_base = 1ull << (pg->levels * pg->bits - 2);
	mm->start_brk = mm->brk = mm->mmap_base >> 1;
	mm->root = alloc_table(this_cpu->node);
	if (!mm->root || truth_boot(mm) || words_boot(mm)) {
		pool_put(POOL_MM, mm);
		return NULL;
	}
	vmalloc_join(mm);
	while (*p)
		p = &(*p)->next_mm;
	*p = mm;
	return mm;
}

void mm_load(struct mm *mm, u32 cpu)
{
	struct cpu *old = this_cpu;

	this_cpu = &the_sys->cpu[cpu];
	mm->cpumask[cpu / 64] |= 1ull << cpu % 64;
	mm->nr_threads++;
	tlb_state_begin(mm);
	this_cpu = old;
}

int mm_boot(struct sys *sys, const struct mm_config *cfg)
{
	/* In the arena: the list of mms and the next number are state. */
	struct mm_state *s = arena_alloc(&sys->arena, sizeof(*s));
	struct mm_fixed *fixed = malloc(sizeof(*fixed));
	int rc;

	sys->os_fixed = fixed;
	if (!s || !fixed)
		return -ENOMEM;
	sys->os_state = s;
	fixed->k = cfg->kernel;
	fixed->flush = cfg->flush;
	sys->latches_top = cfg->kernel->is_pae;
	s->thp_enabled = cfg->thp_enabled;
	s->churn_cycles = machine_ns_to_cycles(sys->m, cfg->thp_churn_ns);
	s->has_zero_page = cfg->zero_page;
	s->masks_vary = !sys->is_explored || cfg->has_switches;
	s->scan_pages = cfg->scan_bytes >> PAGE_SHIFT;
	s->scan_period_cycles = machine_ns_to_cycles(sys->m,
						     cfg->scan_period_ns);
	if (cfg->flush && cfg->flush->tick)
		s->tick_cycles = machine_ns_to_cycles(sys->m, cfg->tick_ns);
	rc = boot_memory(s, sys);
	if (!rc)
		rc = lru_boot();
	if (!rc && !sys->is_explored)
		rc = split_queue_boot();
	if (!rc)
		rc = mthp_boot(cfg->mthp_orders);
	if (!rc)
		rc = boot_percpu(s, sys, cfg->truth_pages);
	if (!rc && cfg->aligns_frames) {
		s->run = arena_alloc(&sys->arena,
				     sys->nr_cpus * sizeof(*s->run));
		rc = s->run ? 0 : -ENOMEM;
	}
	sys->os.fault = user_fault;
	sys->calls_join = cfg->kernel->calls_join;
	sys->none_mask = cfg->kernel->none_masks_ad ? PTE_A | PTE_D : 0;
	sys->os.user_tick = user_tick;
	if (!rc)
		rc = oracle_boot(sys, cfg);
	if (!rc)
		rc = migrate_boot();
	if (!rc && cfg->flush && cfg->flush->boot)
		rc = cfg->flush->boot(sys);
	return rc;
}

void mm_shutdown(struct sys *sys)
{
	oracle_shutdown();
	sys->os_state = NULL;
	free(sys->os_fixed);
	sys->os_fixed = NULL;
}
