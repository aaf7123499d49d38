/* One run from option text, with the fitted constants in place of the profile's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/reproduce.h"

/* Between sockets the flight takes longer by what a line takes longer. The write
 * that sends is no part of the fit: C4 has it once, in the sum. */
static void apply(struct machine *m, const struct repro_costs *c)
{
	u64 near_line = m->cost[COST_LINE_TRANSFER_LLC];
	u64 far_line = m->cost[COST_LINE_TRANSFER_REMOTE];

	m->cost[COST_INVLPG] = c->v[REPRO_INVLPG];
	m->cost[COST_FLUSH_FIXED] = c->v[REPRO_FLUSH_FIXED];
	m->cost[COST_CR3_FLUSH] = c->v[REPRO_CR3_FLUSH];
	m->cost[COST_SYSCALL] = c->v[REPRO_SYSCALL];
	for (u32 hop = 0; hop < COST_IPI_DELIVER_REMOTE - COST_IPI_DELIVER_SELF;
	     hop++)
		m->cost[COST_IPI_DELIVER_SELF + hop] = c->v[REPRO_IPI_DELIVER];
	m->cost[COST_IPI_DELIVER_REMOTE] = c->v[REPRO_IPI_DELIVER] +
		(far_line > near_line ? far_line - near_line : 0);
}

static int set_options(struct opt_set *set, const struct repro_run *run,
		       const struct workload *w, struct err *e)
{
	int rc = 0;

	for (const char *const *d = w->defaults; d && d[0] && !rc; d += 2)
		rc = opt_assign(set, d[0], d[1], OPT_FROM_DEFAULT, e);
	if (!rc)
		rc = opt_assign(set, "lines", "contended", OPT_FROM_DEFAULT, e);
	if (!rc)
		rc = opt_assign(set, "ipi-send", "cluster", OPT_FROM_DEFAULT, e);
	if (!rc)
		rc = opt_assign(set, "placement", "pack", OPT_FROM_DEFAULT, e);
	for (const char *const *p = run->pairs; p && p[0] && !rc; p += 2)
		rc = opt_assign(set, p[0], p[1], OPT_FROM_CMDLINE, e);
	return rc;
}

static int measure_on(const struct timed_point *p, const struct repro_run *run,
		      const struct repro_costs *costs, struct timed_result *r,
		      struct err *e)
{
	struct machine *m;
	int rc = machine_create(&m, run->machine, run->profile, e);

	if (rc)
		return rc;
	if (costs)
		apply(m, costs);
	memset(r, 0, sizeof(*r));
	rc = timed_point_run_on(p, m, r, e);
	machine_destroy(m);
	return rc;
}

int repro_measure(const struct repro_run *run, const struct repro_costs *costs,
		  struct timed_result *r, struct err *e)
{
	const struct workload *w = workload_find(run->workload);
	const struct kernel *k = kernel_find(run->kernel ? run->kernel : "v6.1");
	const struct flush_ops *f = flush_find(run->flush ? run->flush
							   : "deferred");
	struct opt_set *set;
	struct timed_cfg cfg = { 0 };
	struct kernel own;
	void *wl_cfg;
	int rc;

	if (!w || !k || !f)
		return err_set(e, -ENOENT, "%s, %s, %s: no such workload, "
			       "kernel or strategy", run->workload,
			       run->kernel ? run->kernel : "", run->flush
			       ? run->flush : "");
	wl_cfg = calloc(1, w->cfg_bytes + 1);
	own = *k;
	if (run->ceiling)
		own.flush_ceiling = run->ceiling;
	if (!wl_cfg || opt_set_create(&set, (struct opt_bind[]){
		{ .table = timed_opts, .nr = nr_timed_opts, .base = &cfg },
		{ .table = w->params, .nr = w->nr_params, .base = wl_cfg },
	    }, 2)) {
		free(wl_cfg);
		return err_set(e, -ENOMEM, "out of memory");
	}
	rc = set_options(set, run, w, e);
	if (!rc)
		rc = measure_on(&(struct timed_point){
			.cfg = &cfg, .kernel = &own, .flush = f, .workload = w,
			.workload_cfg = wl_cfg, .progress = PROGRESS_NEVER },
			run, costs, r, e);
	opt_set_free(set);
	free(wl_cfg);
	return rc;
}
