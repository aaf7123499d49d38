#include <errno.h>
#include <string.h>

#include "cpu/direct.h"
#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/reclaim.h"
#include "mm/truth.h"
#include "workloads/race.h"

/* Modelled contents: one word a frame, so a huge page has one per 4K page. */
#define LINES_PER_FRAME 1
#define ARENA_BYTES (1u << 20)

int race_open(struct sys **out, const struct race *race,
	      const struct race_row *row, const struct kernel *k,
	      const struct machine *m, const struct race_options *opt)
{
	const struct flush_ops *flush = opt->flush ? opt->flush
		: flush_find(row->flush ? row->flush : "deferred");
	const struct sys_config cfg = {
		.m = m,
		.arena_bytes = ARENA_BYTES,
		.nr_cpus = race->nr_cpus,
		.memory_model = row->memory,
		.is_explored = true,
		.is_reduced = opt->is_reduced,
		.is_checked = true,
		.may_speculate = opt->may_speculate,
		.may_evict = opt->may_evict,
		.stray_bits = row->stray_bits,
		.paging = race->paging,
		.lines_per_frame = LINES_PER_FRAME,
		.frames_per_node = race->frames_per_node,
		.vcpus = { .is_on = flush->is_guests },
	};
	const struct mm_config mmcfg = {
		.kernel = k,
		.flush = flush,
		.scan_bytes = (1ull << race->paging.bits) * PAGE_BYTES,
		.oracles = row->watch,
		.thp_enabled = true,
		.has_switches = race->has_switches,
		.truth_pages = 1ull << (race->paging.bits * race->paging.levels),
	};
	struct sys *sys;
	int rc = sys_create(&sys, &cfg);

	if (rc)
		return rc;
	direct_install(sys);
	rc = mm_boot(sys, &mmcfg);
	if (!rc)
		rc = race->stage(row, k, sys);
	if (rc) {
		race_close(sys);
		return rc;
	}
	direct_settle(sys);
	*out = sys;
	return 0;
}

void race_close(struct sys *sys)
{
	if (!sys)
		return;
	mm_shutdown(sys);
	sys_destroy(sys);
}

struct mm *race_mm(struct sys *sys)
{
	for (u32 i = 0; i < sys->nr_cpus; i++)
		if (sys->cpu[i].task &&
		    ((struct thread *)(void *)sys->cpu[i].task)->mm)
			return ((struct thread *)(void *)sys->cpu[i].task)->mm;
	return NULL;
}

/* ---- for stages ---------------------------------------------------------------- */

int race_task(u32 cpu, const char *name, struct mm *mm,
	      void (*fn)(struct task *t), u64 arg)
{
	/* In the arena: whose it is, ->mm, changes. */
	struct thread *t = arena_alloc(&the_sys->arena, sizeof(*t));
	/* With the state, where addresses are the same in every run. */
	char *text = arena_alloc(&the_sys->arena, strlen(name) + 1);

	if (!t || !text)
		return -ENOMEM;
	memcpy(text, name, strlen(name) + 1);
	t->task.name = text;
	t->task.fn = fn;
	t->task.cpu = cpu;
	t->mm = mm;
	t->arg = arg;
	if (mm)
		mm_load(mm, cpu);
	return sys_start(&t->task);
}

int race_touch(u32 cpu, u64 vpn, u64 value)
{
	int rc;

	this_cpu = &the_sys->cpu[cpu];
	rc = handle_mm_fault(vpn, true);
	direct_settle(the_sys);
	if (!rc) {
		u64 order = 0, *p, pfn;

		p = pgtable_entry(current()->mm, vpn, PMD_LEVEL);
		if (pmd_is_huge(*p))
			order = hpage_order();
		else
			p = pgtable_entry(current()->mm, vpn, 0);
		pfn = pte_pfn(*p) + (vpn & ((1ull << order) - 1));
		the_sys->mem.line[pfn * LINES_PER_FRAME] = value;
		truth_set(current()->mm, vpn, value);
	}
	return rc;
}

struct mm *race_space(u64 start, u64 nr_pages, u32 flags)
{
	struct mm *mm = mm_create();

	return mm && vma_add(mm, start, nr_pages, flags) ? mm : NULL;
}

u64 race_pfn(struct mm *mm, u64 vpn)
{
	u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL);

	return pte_pfn(pmd_is_huge(*pmd) ? *pmd : *pgtable_entry(mm, vpn, 0));
}

void race_clean(struct mm *mm, u64 vpn)
{
	*pgtable_entry(mm, vpn, 0) &= ~PTE_D;
}

void race_arg(u32 cpu, u64 arg)
{
	((struct thread *)(void *)the_sys->cpu[cpu].task)->arg = arg;
}

/* ---- for tasks ------------------------------------------------------------------ */

void race_store(struct task *t)
{
	u64 v = RACE_STORED;

	cpu_access(current()->arg, 0, true, &v);
}

void race_load(struct task *t)
{
	u64 v;

	cpu_access(current()->arg, 0, false, &v);
}

void race_compact(struct task *t)
{
	compact_page(page_of(current()->arg), 1);
}

void race_reclaim(struct task *t)
{
	u64 arg = current()->arg, pfn[2] = { (u32)arg, arg >> 32 };

	reclaim_frames(pfn, pfn[1] ? 2 : 1);
}
