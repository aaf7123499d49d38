/* The caches of a machine, and which cores a written line must leave. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/caches_look.h"

/* Which core has ever had a line of a frame, so that most writes need not look
 * for other copies: core + 1, or SEVERAL. */
#define NOBODY 0
#define SEVERAL UINT16_MAX

struct core {
	struct cache *inner[2];         /* L1D, L2; NULL: none                */
	u32 llc;
	u32 node;
	u32 cpu;                        /* its first, for distances           */
};

struct caches {
	const struct machine *m;
	enum caches_mode mode;
	struct core *core;              /* [nr_cores]                         */
	u32 nr_cores;
	struct cache **llc;             /* [nr_llcs]; NULL: none              */
	u32 nr_llcs;
	u32 *core_of;                   /* [cpu]                              */
	u32 hit_cycles[NR_CACHE_LEVELS];
	u32 *dram_cycles;               /* [from node * nr_nodes + to node]   */
	u64 frames_per_node, nr_frames;
	bool is_local;          /* what is being loaded, wherever it is       */
	u16 *who;                       /* [frame]                            */
	bool *cost_used, unused[NR_COSTS];
};

/* ---- creation ------------------------------------------------------------------ */

static int make(struct cache **out, const struct cache_geometry *geo,
		u64 nr_lines)
{
	return geo->bytes ? cache_create(out, geo, nr_lines) : 0;
}

static int create_caches(struct caches *cs, u64 nr_lines)
{
	const struct machine *m = cs->m;
	int rc = 0;

	for (u32 i = 0; i < cs->nr_cores && !rc; i++)
		for (u32 k = 0; k < 2 && !rc; k++)
			rc = make(&cs->core[i].inner[k],
				  &m->cache[CACHE_L1D + k], nr_lines);
	for (u32 i = 0; i < cs->nr_llcs && !rc; i++)
		rc = make(&cs->llc[i], &m->cache[CACHE_LLC], nr_lines);
	return rc;
}

static void know_machine(struct caches *cs)
{
	const struct machine *m = cs->m;

	for (u32 i = m->nr_cpus; i-- > 0; ) {
		struct core *core = &cs->core[m->cpu[i].core];

		cs->core_of[i] = m->cpu[i].core;
		core->cpu = i;
		core->node = m->cpu[i].node;
		core->llc = m->cpu[i].llc;
		for (u32 n = 0; n < m->nr_nodes; n++)
			cs->dram_cycles[core->node * m->nr_nodes + n] =
				(u32)machine_dram(m, i, n);
	}
	for (u32 i = 0; i < NR_CACHE_LEVELS; i++)
		cs->hit_cycles[i] = m->cache[i].hit_cycles;
}

int caches_create(struct caches **out, const struct machine *m,
		  enum caches_mode mode, u64 frames_per_node, u64 nr_frames,
		  bool *cost_used)
{
	struct caches *cs;
	int rc = -ENOMEM;

	if (!m->cache[CACHE_L1D].bytes && !m->cache[CACHE_L2].bytes &&
	    !m->cache[CACHE_LLC].bytes)
		return -EINVAL;
	cs = calloc(1, sizeof(*cs));
	if (!cs)
		return -ENOMEM;
	cs->m = m;
	cs->mode = mode;
	cs->nr_cores = m->nr_cores;
	cs->nr_llcs = m->nr_llcs;
	cs->frames_per_node = frames_per_node;
	cs->nr_frames = nr_frames;
	cs->cost_used = cost_used ? cost_used : cs->unused;
	cs->core = calloc(cs->nr_cores, sizeof(*cs->core));
	cs->llc = calloc(cs->nr_llcs, sizeof(struct cache *));
	cs->core_of = calloc(m->nr_cpus, sizeof(*cs->core_of));
	cs->dram_cycles = calloc((size_t)m->nr_nodes * m->nr_nodes,
				 sizeof(*cs->dram_cycles));
	cs->who = calloc(nr_frames, sizeof(*cs->who));
	if (cs->core && cs->llc && cs->core_of && cs->dram_cycles && cs->who) {
		know_machine(cs);
		rc = create_caches(cs, nr_frames << (page_shift -
						     CACHE_LINE_SHIFT));
	}
	if (rc) {
		caches_destroy(cs);
		return rc;
	}
	*out = cs;
	return 0;
}

void caches_destroy(struct caches *cs)
{
	if (!cs)
		return;
	for (u32 i = 0; cs->core && i < cs->nr_cores; i++) {
		cache_destroy(cs->core[i].inner[0]);
		cache_destroy(cs->core[i].inner[1]);
	}
	for (u32 i = 0; cs->llc && i < cs->nr_llcs; i++)
		cache_destroy(cs->llc[i]);
	free(cs->core);
	free(cs->llc);
	free(cs->core_of);
	free(cs->dram_cycles);
	free(cs->who);
	free(cs);
}

/* ---- loads ----------------------------------------------------------------------- */

static u64 frame_of(u64 line)
{
	return line >> (page_shift - CACHE_LINE_SHIFT);
}

static bool maybe_elsewhere(const struct caches *cs, u32 core, u64 line)
{
	u16 who = cs->who[frame_of(line)];

	return who != NOBODY && who != core + 1;
}

static void remember(struct caches *cs, u32 core, u64 line)
{
	u16 *who = &cs->who[frame_of(line)];

	if (*who == NOBODY)
		*who = (u16)(core + 1);
	else if (*who != core + 1)
		*who = SEVERAL;
}

static u64 dram(struct caches *cs, u32 node, u64 line)
{
	u64 home = frame_of(line) / cs->frames_per_node;

	/* Behind the nodes' memory: the hypervisor's tables. */
	if (home >= cs->m->nr_nodes || cs->is_local)
		home = node;
	cs->cost_used[home == node ? COST_DRAM_LOCAL : COST_DRAM_REMOTE] = true;
	return cs->dram_cycles[node * cs->m->nr_nodes + home];
}

static u64 transfer(struct caches *cs, u32 from, u32 to)
{
	u32 hop = (u32)machine_hop(cs->m, cs->core[from].cpu, cs->core[to].cpu);

	cs->cost_used[COST_LINE_TRANSFER_SELF + hop] = true;
	return cs->m->cost[COST_LINE_TRANSFER_SELF + hop];
}

static bool core_owns(const struct core *c, u64 line)
{
	return (c->inner[0] && cache_is_owned(c->inner[0], line)) ||
	       (c->inner[1] && cache_is_owned(c->inner[1], line));
}

static void core_own(struct core *c, u64 line, bool is_owned)
{
	for (u32 k = 0; k < 2; k++)
		if (c->inner[k])
			cache_set_owned(c->inner[k], line, is_owned);
}

/* Another core wrote @line and has it still: it comes from there, and both
 * have it then. Return: cycles, 0 when nobody does. */
static u64 from_owner(struct caches *cs, u32 core, u64 line)
{
	for (u32 i = 0; i < cs->nr_cores; i++) {
		if (i == core || !core_owns(&cs->core[i], line))
			continue;
		core_own(&cs->core[i], line, false);
		return transfer(cs, i, core);
	}
	return 0;
}

/* Neither of the core's own caches has @line; now they do. */
static __attribute__((noinline)) u64
load_beyond(struct caches *cs, u32 core, u64 line, enum cache_level *from)
{
	struct core *c = &cs->core[core];
	struct cache *llc = cs->llc[c->llc];
	u64 cycles = 0;

	if (cs->mode == CACHES_FULL && maybe_elsewhere(cs, core, line))
		cycles = from_owner(cs, core, line);
	remember(cs, core, line);
	if (llc && cache_access(llc, line, NULL)) {
		*from = CACHE_LLC;
		return cycles > cs->hit_cycles[CACHE_LLC]
			? cycles : cs->hit_cycles[CACHE_LLC];
	}
	*from = cycles ? CACHE_LLC : CACHE_DRAM;
	return cycles ? cycles : dram(cs, c->node, line);
}

u64 caches_load(struct caches *cs, u32 cpu, u64 line, enum cache_level *from)
{
	u32 core = cs->core_of[cpu];
	const struct core *c = &cs->core[core];

	if (c->inner[0] && cache_access(c->inner[0], line, NULL)) {
		*from = CACHE_L1D;
		return cs->hit_cycles[CACHE_L1D];
	}
	if (c->inner[1] && cache_access(c->inner[1], line, NULL)) {
		*from = CACHE_L2;
		return cs->hit_cycles[CACHE_L2];
	}
	return load_beyond(cs, core, line, from);
}

/* ---- compiled in -------------------------------------------------------------------- */

void caches_path(struct caches_path *p, struct caches *cs, u32 cpu)
{
	const u32 core = cs->core_of[cpu];
	struct core *c = &cs->core[core];

	*p = (struct caches_path){
		.l1 = c->inner[0], .l2 = c->inner[1], .llc = cs->llc[c->llc],
		.core = core,
	};
	memcpy(p->hit_cycles, cs->hit_cycles, sizeof(p->hit_cycles));
	if (cs->mode == CACHES_WALKS && p->l1 && p->l2 && p->llc &&
	    p->l1->is_quick && p->l2->is_quick && p->llc->is_quick)
		p->cs = cs;
}

u64 caches_beyond_l1(const struct caches_path *p, u64 line,
		     enum cache_level *from)
{
	if (cache_look(p->l2, line)) {
		*from = CACHE_L2;
		return p->hit_cycles[CACHE_L2];
	}
	remember(p->cs, p->core, line);
	if (cache_look(p->llc, line)) {
		*from = CACHE_LLC;
		return p->hit_cycles[CACHE_LLC];
	}
	*from = CACHE_DRAM;
	return dram(p->cs, p->cs->core[p->core].node, line);
}

/* ---- writes ------------------------------------------------------------------------ */

/* All other copies go. Return: the farthest transfer, 0 if there was none. */
static u64 invalidate(struct caches *cs, u32 core, u64 line)
{
	u64 most = 0;

	if (!maybe_elsewhere(cs, core, line))
		return 0;
	for (u32 i = 0; i < cs->nr_cores; i++) {
		struct core *c = &cs->core[i];
		bool had = false;
		u64 t;

		if (i == core)
			continue;
		for (u32 k = 0; k < 2; k++)
			had |= c->inner[k] && cache_drop(c->inner[k], line);
		t = had ? transfer(cs, i, core) : 0;
		if (t > most)
			most = t;
	}
	for (u32 i = 0; i < cs->nr_llcs; i++)
		if (i != cs->core[core].llc && cs->llc[i])
			cache_drop(cs->llc[i], line);
	return most;
}

u64 caches_load_local(struct caches *cs, u32 cpu, u64 line,
		      enum cache_level *from)
{
	u64 cycles;

	cs->is_local = true;
	cycles = caches_load(cs, cpu, line, from);
	cs->is_local = false;
	return cycles;
}

u64 caches_store(struct caches *cs, u32 cpu, u64 line, enum cache_level *from)
{
	u32 core = cs->core_of[cpu];
	u64 cycles = caches_load(cs, cpu, line, from), t;

	if (core_owns(&cs->core[core], line))
		return cycles;
	t = invalidate(cs, core, line);
	core_own(&cs->core[core], line, true);
	return t > cycles ? t : cycles;
}

void caches_written(struct caches *cs, u32 cpu, u64 line)
{
	invalidate(cs, cs->core_of[cpu], line);
}

void caches_prefetch_host(const struct caches *cs, u32 cpu, u64 line)
{
	const struct core *c = &cs->core[cs->core_of[cpu]];

	if (c->inner[1])
		cache_prefetch_host(c->inner[1], line);
	if (cs->llc[c->llc])
		cache_prefetch_host(cs->llc[c->llc], line);
}

bool caches_core_has(const struct caches *cs, u32 cpu, enum cache_level level,
		     u64 line)
{
	const struct core *c = &cs->core[cs->core_of[cpu]];
	const struct cache *cache = level == CACHE_LLC ? cs->llc[c->llc]
						       : c->inner[level];

	return cache && cache_has(cache, line);
}
