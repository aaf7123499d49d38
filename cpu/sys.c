#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/dram.h"
#include "cpu/ept.h"
#include "cpu/step.h"

struct sys *the_sys;
struct cpu *this_cpu;
u32 page_shift = PAGE_SHIFT;

/* Modelled kernel paths are shallow; explored stacks are small so that a
 * thousand saved states stay in cache. */
#define STACK_BYTES (64u << 10)

static int memory_create(struct sys *sys, const struct sys_config *cfg)
{
	struct memory *mem = &sys->mem;
	u64 per_node = cfg->frames_per_node;

	mem->paging = cfg->paging;
	mem->lines_per_frame = cfg->lines_per_frame;
	/* Nodes of one size, the largest's: what a smaller one lacks is never
	 * given out. */
	for (u32 n = 0; n < cfg->m->nr_nodes && !cfg->frames_per_node; n++)
		if (cfg->m->node_bytes[n] >> page_shift > per_node)
			per_node = cfg->m->node_bytes[n] >> page_shift;
	mem->nr_frames = per_node * cfg->m->nr_nodes;
	/* Host pointers, the same in every state: not part of a state's key.
	 * What they point to is. */
	mem->table = arena_alloc(&sys->arena, mem->nr_frames * sizeof(u64 *));
	if (!mem->table)
		return -ENOMEM;
	if (mem->lines_per_frame) {
		mem->line = arena_alloc(&sys->arena, mem->nr_frames *
					mem->lines_per_frame * sizeof(u64));
		if (!mem->line)
			return -ENOMEM;
	}
	return 0;
}

/* ---- what threads share, and the caches behind it ---------------------------- */

static u32 ept_order_of(enum ept_mode mode)
{
	return mode == EPT_1G ? 18 : mode == EPT_2M ? 9 : 0;
}

static int core_create(struct sys *sys, struct core *core)
{
	const struct machine *m = sys->m;
	const struct walk_config *w = &sys->walk;
	int rc = 0;

	if (core->nr_threads > CORE_MAX_THREADS)
		return -EINVAL;
	rc = tlb_array_create(core->thread, &m->tlb, core->nr_threads);
	core->nr_walkers = m->nr_walkers;
	core->is_plain = !w->caches && !w->ept;
	for (u32 i = 0; i < m->tlb.nr_arrays; i++) {
		const struct tlb_geometry *geo = &m->tlb.array[i];

		if (geo->coalesce > core->contig[0])
			core->contig[0] = geo->coalesce;
		if (geo->coalesce_2m > core->contig[1])
			core->contig[1] = geo->coalesce_2m;
	}
	if (!rc && w->has_psc)
		rc = psc_create(&core->psc, &m->psc, sys->mem.paging.bits);
	if (!rc && w->ept)
		rc = ept_create(&core->ept, sys->mem.nr_frames,
				ept_order_of(w->ept),
				w->has_psc ? &m->psc : NULL,
				m->nested_entries);
	return rc;
}

static int cores_create(struct sys *sys)
{
	const struct machine *m = sys->m;
	u64 frames = sys->mem.nr_frames;
	int rc = 0;

	if (sys->is_explored)
		return 0;
	sys->core = calloc(m->nr_cores, sizeof(*sys->core));
	if (!sys->core)
		return -ENOMEM;
	for (u32 i = 0; i < m->nr_cpus; i++)
		sys->core[m->cpu[i].core].nr_threads++;
	for (u32 i = 0; i < sys->nr_cpus && !rc; i++) {
		struct cpu *c = &sys->cpu[i];

		c->core = &sys->core[m->cpu[i].core];
		c->thread = m->cpu[i].smt;
		c->mlp = sys->walk.mlp ? sys->walk.mlp : 1;
		c->pending = calloc(c->mlp, sizeof(*c->pending));
		if (!c->pending)
			return -ENOMEM;
		if (!c->core->thread[0])
			rc = core_create(sys, c->core);
		if (!rc)
			c->tlb = c->core->thread[c->thread];
	}
	if (!rc)
		rc = dram_create(&sys->dram, m, frames);
	if (!rc && sys->walk.caches)
		rc = caches_create(&sys->caches, m, sys->walk.caches,
				   frames / m->nr_nodes, sys->walk.ept ?
				   ept_end_frame(frames) : frames,
				   sys->cost_used);
	return rc;
}

static void cores_destroy(struct sys *sys)
{
	for (u32 i = 0; sys->core && i < sys->m->nr_cores; i++) {
		for (u32 k = 0; k < CORE_MAX_THREADS; k++)
			tlb_array_destroy(sys->core[i].thread[k]);
		psc_destroy(sys->core[i].psc);
		ept_destroy(sys->core[i].ept);
	}
	free(sys->core);
	caches_destroy(sys->caches);
	dram_destroy(sys->dram);
}

static int cpu_create(struct sys *sys, struct cpu *c, u32 id,
		      u32 max_posts)
{
	struct arena *a = &sys->arena;
	const struct machine *m = sys->m;
	u32 slots = sys->nr_cpus * (1 + max_posts);

	c->id = id;
	c->node = m->cpu[id].node;
	c->irq_at = c->calls.rung_at = UINT64_MAX;
	c->bcast_at = c->expire_at = UINT64_MAX;
	c->stop_at = c->steal_at = UINT64_MAX;
	c->cat = CYC_USER;
	c->s = arena_alloc(a, sizeof(*c->s));
	if (!c->s)
		return -ENOMEM;
	c->s->ipi_from = arena_alloc(a, slots * sizeof(u16));
	if (!c->s->ipi_from)
		return -ENOMEM;
	if (max_posts) {
		c->s->ipi_what = arena_alloc(a, slots * sizeof(u16));
		if (!c->s->ipi_what)
			return -ENOMEM;
	}
	c->s->is_done = 1;
	if (sys->is_explored) {
		c->s->env = arena_alloc(a, sizeof(*c->s->env));
		if (!c->s->env)
			return -ENOMEM;
		if (sys->memory_model != MEM_SC) {
			c->s->sb = arena_alloc(a, sizeof(*c->s->sb));
			if (!c->s->sb)
				return -ENOMEM;
		}
		return 0;
	}
	c->ipi = calloc(2ull * sys->nr_cpus, sizeof(*c->ipi));
	if (!c->ipi)
		return -ENOMEM;
	return 0;
}

static u8 *hops_create(const struct machine *m, u32 n)
{
	u8 *hop = malloc((size_t)n * n);

	for (u32 a = 0; hop && a < n; a++)
		for (u32 b = 0; b < n; b++)
			hop[(size_t)a * n + b] = (u8)machine_hop(m, a, b);
	return hop;
}

/* AMD: without EFER.TCE, INVLPG drops all walk-cache entries. */
static void know_ops(struct sys *sys)
{
	for (u32 i = 0; i < NR_ARCH_LOCALS; i++)
		sys->local_op[i] = arch_local_op(sys->m->arch,
						 (enum arch_local)i);
	if (sys->m->arch == ARCH_X86 && sys->m->has_tce)
		sys->local_op[ARCH_DROP_PAGE] =
		sys->local_op[ARCH_DROP_KERNEL_PAGE] =
			inval_op_find(sys->walk.uses_tce ? "INVLPG TCE=1"
							 : "INVLPG TCE=0");
}

static struct cpu *cpus_alloc(u32 n)
{
	struct cpu *c = aligned_alloc(_Alignof(struct cpu), n * sizeof(*c));

	return c ? memset(c, 0, n * sizeof(*c)) : NULL;
}

int sys_create(struct sys **out, const struct sys_config *cfg)
{
	struct sys *sys;
	int rc = -ENOMEM;

	if (!cfg->nr_cpus || cfg->nr_cpus > cfg->m->nr_cpus)
		return -EINVAL;
	sys = calloc(1, sizeof(*sys));
	if (!sys)
		return -ENOMEM;
	sys->m = cfg->m;
	page_shift = cfg->m->page_shift;
	sys->nr_cpus = cfg->nr_cpus;
	sys->memory_model = cfg->memory_model;
	sys->is_explored = cfg->is_explored;
	sys->is_reduced = cfg->is_reduced;
	sys->is_checked = cfg->is_checked;
	sys->may_speculate = cfg->may_speculate;
	sys->may_evict = cfg->may_evict;
	sys->stray_bits = cfg->stray_bits;
	sys->has_broadcasts = cfg->has_broadcasts;
	sys->max_posts = cfg->max_posts;
	sys->is_by_manual = cfg->is_by_manual;
	sys->has_unchecked_assist = cfg->has_unchecked_assist;
	sys->seed = cfg->seed;
	sys->walk = cfg->walk;
	sys->contend = cfg->contend;
	sys->vcpus = cfg->vcpus;
	sys->mitigations = cfg->mitigations;
	know_ops(sys);
	sys->cpu = cpus_alloc(cfg->nr_cpus);
	sys->hop = hops_create(cfg->m, cfg->nr_cpus);
	if (!sys->cpu || !sys->hop || arena_create(&sys->arena, cfg->arena_bytes))
		goto err;
	the_sys = sys;
	for (u32 i = 0; i < cfg->nr_cpus; i++) {
		rc = cpu_create(sys, &sys->cpu[i], i, cfg->max_posts);
		if (rc)
			goto err;
	}
	rc = contend_create(sys);
	if (!rc)
		rc = vcpu_create(sys);
	if (!rc)
		rc = memory_create(sys, cfg);
	if (!rc)
		rc = cores_create(sys);
	if (rc)
		goto err;
	if (!sys->is_explored && cfg->m->rules.needs_bbm) {
		rc = bbm_create(&sys->bbm, sys->nr_cpus, cfg->paging.bits,
				&sys->m->rules);
		if (rc)
			goto err;
	}
	this_cpu = &sys->cpu[0];
	*out = sys;
	return 0;
err:
	sys_destroy(sys);
	return rc;
}

void sys_destroy(struct sys *sys)
{
	if (!sys)
		return;
	for (u32 i = 0; sys->cpu && i < sys->nr_cpus; i++) {
		free(sys->cpu[i].fiber.stack);
		free(sys->cpu[i].ipi);
		free(sys->cpu[i].bcast);
		free(sys->cpu[i].pending);
	}
	cores_destroy(sys);
	free(sys->cpu);
	free(sys->hop);
	bbm_destroy(sys->bbm);
	arena_destroy(&sys->arena);
	if (the_sys == sys) {
		the_sys = NULL;
		this_cpu = NULL;
	}
	free(sys);
}

static bool never(const void *arg)
{
	return false;
}

/* Where every fiber begins and, as an idle CPU, ends. */
static void cpu_main(void *arg)
{
	struct cpu *c = arg;

	c->task->fn(c->task);
	c->s->is_done = 1;
	c->s->obs = 0;          /* no locals are left */
	c->cat = CYC_IDLE;
	for (;;)
		the_sys->drv.wait(NULL, never, NULL, 0);
}

int sys_start(struct task *t)
{
	struct cpu *c = &the_sys->cpu[t->cpu];
	void *stack = c->fiber.stack;   /* of a task that has not begun       */

	if (!stack)
		stack = aligned_alloc(64, STACK_BYTES);
	if (!stack)
		return -ENOMEM;
	c->task = t;
	c->s->is_done = 0;
	fiber_init(&c->fiber, stack, STACK_BYTES, cpu_main, c);
	return 0;
}

void cpu_note(const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	the_sys->drv.note(text);
}

void cpu_violation(const char *oracle, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	the_sys->drv.violation(oracle, text);
}
