#include "emu/timed_point.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/dram.h"
#include "cpu/granule.h"
#include "cpu/timed.h"
#include "emu/cpuset_opt.h"
#include "emu/sde.h"
#include "emu/timed_parts.h"
#include "mm/flush/shift.h"

static u64 host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* ---- the machine ------------------------------------------------------------ */

/* Address space only; what is not touched costs nothing. */
static size_t arena_bytes(const struct machine *m, bool is_checked)
{
	u64 frame = sizeof(u64 *) + sizeof(struct page) + sizeof(struct ghost);
	u64 n = timed_nr_frames(m);

	/* Tables: at worst a word for every frame of data, and as many
	 * again; the window's word per page of a 48-bit space. */
	return (1ull << 30) + n * frame + n * 2 * sizeof(u64) +
		(is_checked ? sizeof(u64) << 36 : 0);
}

/* Threads may change CPUs, or wait for one. */
static bool is_shared(const struct timed_cfg *cfg)
{
	return cfg->sched == SCHED_FAIR || cfg->numa.mode || cfg->numactl.physcpubind ||
		cfg->numactl.cpunodebind || cpuset_binds_cpus(cfg->cpuset);
}

/* Kernel threads take turns with the program's. */
static bool is_scheduled(const struct timed_point *p)
{
	return is_shared(p->cfg) || p->workload->reclaims;
}

static struct sys_config sys_config_of(const struct timed_point *p,
				       const struct machine *m)
{
	const struct timed_cfg *cfg = p->cfg;

	return (struct sys_config){
		.m = m,
		.arena_bytes = arena_bytes(m, cfg->check),
		.nr_cpus = cfg->cpus ? cfg->cpus : m->nr_cpus,
		.is_checked = cfg->check,
		.paging = granule_paging(m, cfg->levels),
		.walk = {
			.has_psc = cfg->psc,
			.caches = (enum caches_mode)cfg->caches,
			.ept = (enum ept_mode)cfg->ept,
			.mlp = cfg->mlp,
			.uses_tce = cfg->tce,
		},
		.contend = {
			.has_lines = cfg->lines,
			.send = (enum ipi_send)cfg->ipi_send,
			.guest = (enum guest)cfg->guest,
			.irqs_off = machine_ns_to_cycles(m, cfg->irqs_off_ns),
			.irqs_every = machine_ns_to_cycles(m,
							cfg->irqs_every_ns),
		},
		.vcpus = {
			.is_on = cfg->steal_ns || p->flush->is_guests,
			.steal = machine_ns_to_cycles(m, cfg->steal_ns),
			.steal_every = machine_ns_to_cycles(m,
							cfg->steal_every_ns),
		},
		.mitigations = { .pti = cfg->pti, .retpoline = cfg->retpoline,
				 .mds = cfg->mds },
		.has_broadcasts = p->flush->has_broadcasts,
		.seed = cfg->seed,
	};
}

/* The kernel on the machine that has just been created. */
static int boot_kernel(const struct timed_point *p, struct sys *sys)
{
	static struct kernel tuned;     /* one machine runs at a time */
	const struct timed_cfg *cfg = p->cfg;
	struct mm_config mc = {
		.kernel = cfg->ceiling ? &tuned : p->kernel,
		.flush = p->flush,
		.scan_bytes = cfg->scan_bytes,
		.scan_period_ns = cfg->scan_period_ns,
		.tick_ns = cfg->tick_ns,
		.thp_enabled = cfg->thp,
		.thp_churn_ns = cfg->thp ? cfg->thp_churn_ns : 0,
		.zero_page = cfg->zero_page,
		.aligns_frames = cfg->frames == FRAMES_ALIGNED,
	};
	int rc = timed_install(sys);

	/* As timed_refuse() found. */
	(void)timed_mthp_orders(p, sys->m, &mc.mthp_orders, &(struct err){ 0 });
	flushall_shift_set(cfg->flushall_shift + FLUSHALL_SHIFT_OF_MACHINE);
	tuned = *p->kernel;
	tuned.flush_ceiling = cfg->ceiling;
	if (!rc)
		rc = mm_boot(sys, &mc);
	if (!rc && is_scheduled(p))
		rc = sched_boot(&(struct sched_config){ .tick_ns = cfg->tick_ns });
	if (!rc && cfg->numa.mode)
		rc = numa_boot(&cfg->numa);
	if (!rc)
		return 0;
	numa_shutdown();
	sched_shutdown();
	mm_shutdown(sys);
	timed_remove(sys);
	return rc;
}

static int boot(const struct timed_point *p, const struct machine *m,
		struct sys **out, struct err *e)
{
	const struct sys_config sc = sys_config_of(p, m);
	int rc;

	if (timed_refuse(p, m, e))
		return -EINVAL;
	rc = sys_create(out, &sc);
	if (rc == -E2BIG)
		return err_set(e, rc, "--caches: the memory of '%s' is too "
			       "large for the caches' tags", m->topology);
	if (rc)
		return err_set(e, rc, "out of memory");
	rc = boot_kernel(p, *out);
	if (rc) {
		sys_destroy(*out);
		return err_set(e, rc, "out of memory");
	}
	if (p->is_in_order)
		timed_set_lookahead(0);
	(*out)->probe = p->probe;
	for (u32 i = 0; i < (*out)->nr_cpus; i++)
		tlb_array_seed((*out)->cpu[i].tlb, p->cfg->seed + i);
	return 0;
}

/* ---- threads on CPUs --------------------------------------------------------- */

/* Round the nodes, each node's CPUs in order. */
static void place_spread(const struct sys *sys, u32 *cpu_of)
{
	u32 nr_nodes = sys->m->nr_nodes, n = 0;
	u32 *next = calloc(nr_nodes, sizeof(*next));

	for (u32 node = 0; next && n < sys->nr_cpus;
	     node = (node + 1) % nr_nodes) {
		while (next[node] < sys->nr_cpus &&
		       sys->cpu[next[node]].node != node)
			next[node]++;
		if (next[node] < sys->nr_cpus)
			cpu_of[n++] = next[node]++;
	}
	free(next);
}

static void place(const struct sys *sys, int how, u32 *cpu_of)
{
	for (u32 i = 0; i < sys->nr_cpus; i++)
		cpu_of[i] = i;
	if (how == PLACE_SPREAD)
		place_spread(sys, cpu_of);
}

static struct cpuset_config cpusets;    /* one machine runs at a time */

/* What numactl and cpusets say of the program. */
static int bind(const struct timed_cfg *cfg, const struct sys *sys,
		struct wl *w, struct err *e)
{
	int rc = numactl_cpus(&cfg->numactl, sys->m, sys->nr_cpus, &w->allowed,
			      &w->is_bound, e);
	const struct cpuset *asked = w->is_bound ? &w->allowed : NULL;

	if (!rc)
		rc = numactl_policy(&cfg->numactl, sys->m, &w->mpol, e);
	if (!rc)
		rc = cpuset_parse(cfg->cpuset, sys->m, sys->nr_cpus, &cpusets, e);
	if (!rc)
		rc = cpuset_compose(&cpusets, asked, &w->mpol, e);
	if (!rc)
		cpuset_boot(&cpusets, asked);
	return rc;
}

/* ---- the run ------------------------------------------------------------------- */

/* What setup did is not part of the run. */
static void start_clocks(struct sys *sys)
{
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		struct cpu *c = &sys->cpu[i];

		c->now = c->done_at = c->run_until = 0;
		c->cat = CYC_USER;
		memset(c->cycles, 0, sizeof(c->cycles));
		memset(&c->count, 0, sizeof(c->count));
		memset(&c->tlb->stats, 0, sizeof(c->tlb->stats));
		memset(c->core->walker_free, 0, sizeof(c->core->walker_free));
		c->nr_pending = 0;
	}
	memset(sys->cost_used, 0, sizeof(sys->cost_used));
	dram_reset(sys->dram);
	this_cpu = &sys->cpu[0];
	PROBE(.what = PROBE_START);
}

struct shown {
	struct progress p;
	const struct wl *w;
};

static u64 to_us(u64 cycles)
{
	return cycles / (the_sys->m->hz / 1000000);
}

/* How much of the work is done, or of the time is over. */
static void show(u64 cycles, void *arg)
{
	struct shown *s = arg;

	progress_to(&s->p, s->w->end ? to_us(cycles) : s->w->done);
}

static void start_progress(struct shown *s, enum progress_mode mode)
{
	const struct wl *w = s->w;

	if (w->end)
		progress_start(&s->p, mode, w->workload->name, "modelled us",
			       to_us(w->end));
	else
		progress_start(&s->p, mode, w->workload->name,
			       timed_unit(w->workload), w->total);
}

static int run(struct sys *sys, const struct timed_point *p, struct wl *w,
	       struct timed_result *r, struct err *e)
{
	struct shown s = { .w = w };
	int rc = w->workload->setup(w, e);

	if (rc >= 0)
		rc = cpuset_check_threads(&cpusets, w->nr_threads, e);
	if (rc < 0)
		return rc;
	if (sched_is_on() && sched_begin())
		return err_set(e, -ENOMEM, "out of memory");
	start_clocks(sys);
	series_begin(&r->series, machine_ns_to_cycles(sys->m,
						      p->cfg->sample_ns));
	start_progress(&s, p->progress);
	rc = timed_run(sys, show, &s, NULL);
	progress_end(&s.p);
	if (w->error)
		return err_set(e, w->error, "%s", w->err.text);
	if (rc == -EDEADLK)
		return err_set(e, rc, "%s: the modelled kernel deadlocked: all "
			       "threads wait for each other", w->workload->name);
	return rc;
}

void timed_propose(const struct timed_cfg *cfg, struct machine *m)
{
	m->has_tlb_directory = cfg->proposal == PROPOSE_DIRECTORY;
	m->has_coherent_tlbs = cfg->proposal == PROPOSE_COHERENT;
	m->has_cotags = cfg->proposal == PROPOSE_COTAGS;
	m->has_tlb_expiry = cfg->proposal == PROPOSE_EXPIRY;
	m->is_guest = cfg->guest != GUEST_NONE;
}

const struct flush_ops *timed_flush(const struct timed_cfg *cfg,
				    const struct kernel *k,
				    const struct machine *m)
{
	struct machine own = *m;

	timed_propose(cfg, &own);
	return flush_default(k, &own);
}

static int run_on(const struct timed_point *p, const struct machine *given,
		  struct timed_result *r, struct err *e)
{
	struct wl w = {
		.workload = p->workload,
		.cfg = p->workload_cfg,
		.files = p->files,
		.nr_files = p->nr_files,
		.seed = p->cfg->seed,
		.nr_threads = p->cfg->threads,
	};
	struct machine own = *given;    /* others run on it, too */
	const struct machine *m = &own;
	struct sys *sys;
	int rc;

	timed_propose(p->cfg, &own);
	rc = timed_check_asid_bits(p, m, e);
	if (rc)
		return rc;
	if (p->cfg->asid_bits)
		own.rules.asid_bits = (u8)p->cfg->asid_bits;
	rc = boot(p, m, &sys, e);
	if (rc)
		return rc;
	w.is_pinned = !is_shared(p->cfg);
	w.max_threads = w.is_pinned ? sys->nr_cpus : WL_MAX_THREADS;
	w.cpu_of = calloc(w.max_threads, sizeof(*w.cpu_of));
	w.thread = calloc(w.max_threads, sizeof(*w.thread));
	if (w.cpu_of && w.thread) {
		place(sys, p->cfg->placement, w.cpu_of);
		rc = bind(p->cfg, sys, &w, e);
		if (!rc)
			rc = run(sys, p, &w, r, e);
		if (!rc) {
			timed_gather(sys, &w, r);
			series_end(&r->series, r->elapsed_cycles);
			sde_retire(&r->count, r->elapsed_cycles, r->cycles);
		}
		if (p->workload->teardown)
			p->workload->teardown(&w);
	} else {
		rc = err_set(e, -ENOMEM, "out of memory");
	}
	numa_shutdown();
	cpuset_shutdown();
	sched_shutdown();
	free(w.cpu_of);
	free(w.thread);
	mm_shutdown(sys);
	timed_remove(sys);
	sys_destroy(sys);
	return rc;
}

int timed_point_run_on(const struct timed_point *p, const struct machine *m,
		       struct timed_result *r, struct err *e)
{
	struct timed_point own = *p;

	if (!own.flush)
		own.flush = timed_flush(p->cfg, p->kernel, m);
	return run_on(&own, m, r, e);
}

int timed_point_run(const struct timed_point *p, struct timed_result *r,
		    struct err *e)
{
	u64 from = host_ns();
	struct machine *m;
	int rc = machine_create(&m, p->cfg->machine, p->cfg->profile, e);

	if (rc)
		return rc;
	memset(r, 0, sizeof(*r));
	rc = granule_use(m, (enum granule)p->cfg->granule, e);
	if (!rc)
		rc = timed_point_run_on(p, m, r, e);
	r->host_ns = host_ns() - from;
	machine_destroy(m);
	return rc;
}
