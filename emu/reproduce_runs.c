#include "emu/reproduce_runs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS(...) (const char *const[]){ __VA_ARGS__, NULL }

int repro_of(const struct repro_run *run, const struct repro_costs *c,
	     double (*of)(const struct timed_result *r), double *value,
	     struct err *e)
{
	struct timed_result *r = calloc(1, sizeof(*r));
	int rc = r ? repro_measure(run, c, r, e)
		   : err_set(e, -ENOMEM, "out of memory");

	*value = rc ? NAN : of(r);
	free(r);
	return rc;
}

static const char *number(char text[24], double x)
{
	snprintf(text, 24, "%.0f", x);
	return text;
}

static double per_second(const struct timed_result *r)
{
	return (double)r->done / (double)r->elapsed_cycles * (double)r->hz;
}

static double flush_us(const struct timed_result *r)
{
	return timed_flush_cycles(r) / (double)r->hz * 1e6;
}

/* ---- C1 and its headlines --------------------------------------------------------- */

#define TRACING 335.0

/* Costs of nothing give the model's own part; a ceiling above all ranges. */
REPRO_VALUE(c1)
{
	char pages[24];
	int rc = repro_of(&(struct repro_run){
		.machine = "pack:1 core:2 pu:2", .profile = "haswell-ep",
		.workload = "mprotect-storm", .kernel = "v3.15",
		.ceiling = p->x ? 64 : 1,
		.pairs = PAIRS("threads", "1", "pages",
			       number(pages, p->x ? p->x : 2), "iterations",
			       "10", "dirty", "no") },
		c, timed_flush_cycles, value, e);

	*value += TRACING;
	return rc;
}

REPRO_VALUE(h1)
{
	double one, many, full;
	int rc = repro_c1_value(&(struct repro_point){ .x = 1 }, c, &one, e);

	if (!rc)
		rc = repro_c1_value(&(struct repro_point){ .x = 33 }, c, &many, e);
	if (!rc)
		rc = repro_c1_value(&(struct repro_point){ .x = 0 }, c, &full, e);
	if (rc)
		return rc;
	if (!strcmp(p->series, "slope"))
		*value = (many - one) / 32;
	else if (!strcmp(p->series, "intercept"))
		*value = one - (many - one) / 32;
	else
		*value = full;
	return 0;
}

static double call_us(const struct timed_result *r)
{
	return (double)r->elapsed_cycles / (double)r->hz * 1e6 /
	       (double)r->count.v[CTR_MPROTECT_CALLS];
}

static int epyc_call(const char *pages, const struct repro_costs *c, double *us,
		     struct err *e)
{
	return repro_of(&(struct repro_run){
		.machine = "pack:1 core:2 pu:1", .profile = "zen3-milan",
		.workload = "mprotect-storm",
		.pairs = PAIRS("threads", "1", "pages", pages, "iterations",
			       "10", "pause", "0", "dirty", "no") },
		c, call_us, us, e);
}

REPRO_VALUE(h2)
{
	double at, above;
	int rc = epyc_call("33", c, &at, e);

	if (!rc)
		rc = epyc_call("34", c, &above, e);
	*value = rc ? NAN : at - above;
	return rc;
}

/* ---- C4 ------------------------------------------------------------------------------ */

static double call_cycles(const struct timed_result *r)
{
	return (double)r->cpu[0].done_at /
	       (double)r->count.v[CTR_MPROTECT_CALLS];
}

/* The mean of calls that take the right to write and that give it back. */
static int haswell_call(const char *flush, double n, const struct repro_costs *c,
			double *cycles, struct err *e)
{
	char threads[24];

	return repro_of(&(struct repro_run){
		.machine = "pack:1 core:4 pu:1", .profile = "haswell-ep",
		.workload = "mprotect-storm", .flush = flush,
		.pairs = PAIRS("threads", number(threads, n), "pages", "1",
			       "iterations", "20", "pause", "0", "dirty", "no",
			       "own-pages", "0") },
		c, call_cycles, cycles, e);
}

/* Linux's own two kinds of calls cost the same, here and as published. */
REPRO_VALUE(c4)
{
	double mean;
	int rc = haswell_call("deferred", p->x, c, value, e);

	if (rc || strcmp(p->series, "relaxed, mprotect(RW)"))
		return rc;
	rc = haswell_call("relaxed", p->x, c, &mean, e);
	*value = 2 * mean - *value;
	return rc;
}

REPRO_VALUE(h3)
{
	double one, two;
	int rc = haswell_call("deferred", 1, c, &one, e);

	if (!rc)
		rc = haswell_call("deferred", 2, c, &two, e);
	*value = rc ? NAN : two - one;
	return rc;
}

/* ---- C2, C5: storms -------------------------------------------------------------------- */

/* The file-backed storm if there is one, else the anonymous. */
static const char *storm(void)
{
	return workload_find("tlb_flush1") ? "tlb_flush1" : "tlb_flush2";
}

static int c2_rate(const char *kernel, double threads,
		   const struct repro_costs *c, double *rate, struct err *e)
{
	char text[24];

	return repro_of(&(struct repro_run){
		.machine = "pack:2 core:28 pu:1", .profile = "skylake-sp",
		.workload = storm(), .kernel = kernel,
		.pairs = PAIRS("threads", number(text, threads), "bytes", "128K",
			       "thp", "no", "pti", "yes", "retpoline", "yes",
			       "mds", "yes") },
		c, per_second, rate, e);
}

/* aa44284960d5 itself. */
#define PATCHED "v5.19+gen-0"

REPRO_VALUE(c2)
{
	return c2_rate(strcmp(p->series, "5.17") ? PATCHED : "v5.17", p->x, c,
		       value, e);
}

REPRO_VALUE(h4)
{
	double one, all;
	int rc = c2_rate("v5.17", 1, c, &one, e);

	if (!rc)
		rc = c2_rate("v5.17", 55, c, &all, e);
	*value = rc ? NAN : one / (all / 55);
	return rc;
}

REPRO_VALUE(h5)
{
	double before, after;
	int rc = c2_rate("v5.17", 55, c, &before, e);

	if (!rc)
		rc = c2_rate(PATCHED, 55, c, &after, e);
	*value = rc ? NAN : after / before;
	return rc;
}

static double flush_share(const struct timed_result *r)
{
	return 100 * (double)(r->cycles[CYC_FLUSH] + r->cycles[CYC_WAIT_ACK] +
			      r->cycles[CYC_RESPOND]) /
	       (double)timed_busy_cycles(r);
}

/* 36 cores are six L3 domains at least: one has at most 8. */
static int milan(const char *flush, bool drains, const struct repro_costs *c,
		 double (*of)(const struct timed_result *r), double *value,
		 struct err *e)
{
	return repro_of(&(struct repro_run){
		.machine = "pack:1 l3:6 core:6 pu:1", .profile = "zen3-milan",
		.workload = "tlb_flush2", .flush = flush,
		.kernel = drains ? "v6.14" : "v6.14+no-lru-drain",
		.pairs = PAIRS("threads", "36", "bytes", "1M", "remap", "yes",
			       "thp", "no") },
		c, of, value, e);
}

REPRO_VALUE(c5)
{
	bool is_both = !strcmp(p->series, "both");
	bool is_invlpgb = is_both || !strcmp(p->series, "INVLPGB");
	bool drains = !is_both && strcmp(p->series, "no LRU drain");

	return milan(is_invlpgb ? "invlpgb" : "deferred", drains, c, per_second,
		     value, e);
}

REPRO_VALUE(h10)
{
	double vanilla, broadcast;
	int rc;

	if (!strcmp(p->series, "share, IPIs"))
		return milan("deferred", true, c, flush_share, value, e);
	if (!strcmp(p->series, "share, INVLPGB"))
		return milan("invlpgb", true, c, flush_share, value, e);
	rc = milan("deferred", true, c, per_second, &vanilla, e);
	if (!rc)
		rc = milan("invlpgb", strcmp(p->series, "with the LRU fix"), c,
			   per_second, &broadcast, e);
	*value = rc ? NAN : broadcast / vanilla;
	return rc;
}

/* ---- C8, LATR ---------------------------------------------------------------------------- */

static int round_us(const char *machine, const char *threads,
		    const struct repro_costs *c, double *us, struct err *e)
{
	return repro_of(&(struct repro_run){
		.machine = machine, .profile = "haswell-ep",
		.workload = "mprotect-storm", .kernel = "v4.14",
		.pairs = PAIRS("threads", threads, "pages", "1", "iterations",
			       "10", "own-pages", "0", "dirty", "no") },
		c, flush_us, us, e);
}

REPRO_VALUE(c8)
{
	const char *machine = p->x > 16 ? "pack:8 core:15 pu:1"
					: "pack:2 core:8 pu:1";
	char threads[24];
	double alone, all;
	int rc = round_us(machine, "1", c, &alone, e);

	if (!rc)
		rc = round_us(machine, number(threads, p->x), c, &all, e);
	*value = rc ? NAN : all - alone;
	return rc;
}

REPRO_VALUE(h14)
{
	double few, many;
	int rc = repro_c8_value(&(struct repro_point){ .x = 16 }, c, &few, e);

	if (!rc)
		rc = repro_c8_value(&(struct repro_point){ .x = 120 }, c, &many,
				    e);
	*value = rc ? NAN : many / few;
	return rc;
}

static double munmap_cycles(const struct timed_result *r)
{
	return (double)r->count.v[CTR_MUNMAP_CYCLES];
}

static int latr_munmap(const char *flush, const struct repro_costs *c,
		       double *cycles, struct err *e)
{
	return repro_of(&(struct repro_run){
		.machine = "pack:2 core:8 pu:1", .profile = "haswell-ep",
		.workload = "munmap-micro", .kernel = "v4.14", .flush = flush,
		.pairs = PAIRS("threads", "16", "pages", "1", "rounds", "100") },
		c, munmap_cycles, cycles, e);
}

REPRO_VALUE(h12)
{
	double linux_cycles, latr;
	int rc = latr_munmap("deferred", c, &linux_cycles, e);

	if (!rc)
		rc = latr_munmap("latr", c, &latr, e);
	*value = rc ? NAN : latr / linux_cycles;
	return rc;
}

/* ---- fewer interrupts -------------------------------------------------------------------- */

static double ipis(const struct timed_result *r)
{
	return (double)r->count.v[CTR_IPIS_SENT] / (double)r->done;
}

/* % of them that go away. */
static int fewer(const struct repro_run *before, const struct repro_run *after,
		 const struct repro_costs *c, double *value, struct err *e)
{
	double was, is;
	int rc = repro_of(before, c, ipis, &was, e);

	if (!rc)
		rc = repro_of(after, c, ipis, &is, e);
	*value = rc ? NAN : 100 * (1 - is / was);
	return rc;
}

REPRO_VALUE(h9)
{
	struct repro_run before = {
		.machine = "pack:2 [numa] core:8 pu:1", .profile = "skylake-sp",
		.workload = "pmbench-migrate", .kernel = "v6.1",
	}, after = before;
	double was, is;
	int rc;

	after.kernel = "v6.3";
	if (!strcmp(p->series, "fewer IPIs"))
		return fewer(&before, &after, c, value, e);
	rc = repro_of(&before, c, per_second, &was, e);
	if (!rc)
		rc = repro_of(&after, c, per_second, &is, e);
	*value = rc ? NAN : is / was;
	return rc;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Of all threads: each block is written two or three times. */
#define C3_EVENTS 5000.0

static int c3_rate(const char *kernel, const char *mitigated, double n,
		   const struct repro_costs *c, double *rate, struct err *e)
{
	char threads[24], events[24];

	return repro_of(&(struct repro_run){
		.machine = "pack:2 core:12 pu:2", .profile = "haswell-ep",
		.workload = "sysbench-mmap", .kernel = kernel,
		.pairs = PAIRS("threads", number(threads, n), "requests",
			       number(events, C3_EVENTS / n), "bytes", "16M",
			       "files", "128", "dax", "yes", "pti", mitigated,
			       "retpoline", mitigated, "mds", mitigated) },
		c, per_second, rate, e);
}

REPRO_VALUE(c3)
{
	return c3_rate(strstr(p->series, "base") ? "v5.12" : "v5.17",
		       strncmp(p->series, "on", 2) ? "no" : "yes", p->x, c,
		       value, e);
}

int repro_ratio(const struct repro_run *before, const struct repro_run *after,
		const struct repro_costs *c,
		double (*of)(const struct timed_result *r), double *value,
		struct err *e)
{
	double was, is;
	int rc = repro_of(before, c, of, &was, e);

	if (!rc)
		rc = repro_of(after, c, of, &is, e);
	*value = rc ? NAN : is / was;
	return rc;
}

REPRO_VALUE(h6)
{
	double before, after;
	int rc = c3_rate("v5.12", "yes", 16, c, &before, e);

	if (!rc)
		rc = c3_rate("v5.17", "yes", 16, c, &after, e);
	*value = rc ? NAN : after / before;
	return rc;
}

static double elapsed(const struct timed_result *r)
{
	return (double)r->elapsed_cycles;
}

static double ipis_per_second(const struct timed_result *r)
{
	return (double)r->count.v[CTR_IPIS_SENT] / (double)r->elapsed_cycles;
}

/* Memory of which a 4096th, what reclaim looks at in a list at first, is a batch of half
 * and of full size; a smaller one has smaller batches, and too many pages isolated.
 * @files: each one's, together four times the memory. @read: user time over pages read,
 * as published, "10 * RAM" of 64 and of 8 GB: 568.96 s and 59.14 s, one by one. */
struct mapped {
	const char *machine, *files, *read;
};

static int batching(const struct mapped *m, const struct repro_point *p,
		    const struct repro_costs *c, double *value, struct err *e)
{
	struct repro_run before = {
		.machine = m->machine, .profile = "haswell-ep",
		.workload = "mapped-read", .kernel = "v4.2",
		.pairs = PAIRS("bytes", m->files, "compute", m->read, "sched",
			       "fair"),
	}, after = before;

	after.kernel = "v4.12";
	return repro_ratio(&before, &after, c, strcmp(p->series, "time")
			   ? ipis_per_second : elapsed, value, e);
}

REPRO_VALUE(h7)
{
	return batching(&(struct mapped){
		"pack:4 [numa(memory=256MiB)] core:12 pu:1", "85M", "3391" },
		p, c, value, e);
}

/* 168 s of user and system time in 27 s: eight CPUs, or threads of four cores. */
REPRO_VALUE(h8)
{
	return batching(&(struct mapped){
		"pack:1 [numa(memory=512MiB)] core:8 pu:1", "256M", "2820" },
		p, c, value, e);
}

REPRO_VALUE(h11)
{
	/* The workload's own: 64 CPUs, two tiers. */
	struct repro_run before = {
		.machine = "[numa(memory=42MiB)] [numa(memory=98MiB)] pack:1 "
			   "core:32 pu:2", .profile = "sapphire-rapids",
		.workload = "llama-cpp", .kernel = "v6.12", .flush = "deferred",
		.pairs = PAIRS("tokens", "4"),
	}, after = before;

	after.flush = "luf";
	return repro_ratio(&before, &after, c,
			   strcmp(p->series, "IPIs") ? elapsed : ipis, value, e);
}

/* The test robot's second report, 2022-12-07, names its machines: two sockets of Xeon
 * Gold 6252, interrupts sent one by one (default_send_IPI_mask_sequence_phys in its
 * profile). */
REPRO_VALUE(h21)
{
	struct repro_run before = {
		.machine = "pack:2 core:24 pu:2", .profile = "cascade-lake-sp",
		.workload = "page_fault3", .kernel = "v6.1",
		.pairs = PAIRS("threads", "16", "bytes", "8M", "ipi-send",
			       "each"),
	}, after = before;

	after.kernel = "v6.1+delayed-rmap";
	return repro_ratio(&before, &after, c, per_second, value, e);
}

/* ---- the seed ------------------------------------------------------------------------------ */

static double has_lost(const struct timed_result *r)
{
	return r->count.v[CTR_LOST_STORES] != 0;
}

/* How many of four seeds lose stores. */
REPRO_VALUE(h22)
{
	static const char *const seeds[] = { "1", "2", "3", "4" };
	double lost;
	int rc = 0;

	*value = 0;
	for (size_t i = 0; i < ARRAY_LEN(seeds) && !rc; i++) {
		rc = repro_of(&(struct repro_run){
			.machine = "pack:4 [numa] core:2 pu:1",
			.profile = "skylake-sp", .workload = "numa-migrate",
			.kernel = p->series,
			.pairs = PAIRS("time", "200ms", "check", "yes", "lines",
				       "moved", "placement", "spread", "seed",
				       seeds[i]) },
			NULL, has_lost, &lost, e);
		*value += lost;
	}
	return rc;
}
