/* Headlines of whole programs: servers, builds, benchmarks of mmtests. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "emu/reproduce_runs.h"

#define PAIRS(...) (const char *const[]){ __VA_ARGS__, NULL }

static double per_second(const struct timed_result *r)
{
	return (double)r->done / (double)r->elapsed_cycles * (double)r->hz;
}

static double elapsed(const struct timed_result *r)
{
	return (double)r->elapsed_cycles;
}

REPRO_VALUE(h13)
{
	struct repro_run before = {
		.machine = "pack:2 core:8 pu:1", .profile = "haswell-ep",
		.workload = "apache", .kernel = "v4.14", .flush = "deferred",
		.pairs = PAIRS("threads", "12"),
	}, after = before;

	after.flush = "latr";
	return repro_ratio(&before, &after, c, per_second, value, e);
}

/* 96 cores stand for the "100" of a Kunpeng 920. */
REPRO_VALUE(h16)
{
	struct repro_run before = {
		.machine = "pack:2 [numa] core:48 pu:1",
		.profile = "neoverse-n1", .workload = "swap-bench",
		.kernel = "v6.5-arm64", .flush = "tlbi",
	}, after = before;

	after.kernel = "v6.6-arm64";
	return repro_ratio(&before, &after, c, elapsed, value, e);
}

/* mmtests' fault-both, us. */
static double fault_both(const struct timed_result *r)
{
	const u64 *v = r->count.v;

	return (double)(v[CTR_FAULT_BASE_CYCLES] + v[CTR_FAULT_HUGE_CYCLES]) /
	       (double)(v[CTR_FAULT_BASE] + v[CTR_FAULT_HUGE]) /
	       (double)r->hz * 1e6;
}

static struct repro_run thpscale(const char *kernel, double threads)
{
	static char text[24];
	static const char *const pairs[] = { "threads", text, NULL };

	snprintf(text, sizeof(text), "%.0f", threads);
	return (struct repro_run){
		.machine = "pack:1 [numa(memory=1GiB)] core:32 pu:1",
		.profile = "neoverse-n1", .workload = "thpscale",
		.kernel = kernel, .flush = "tlbi", .pairs = pairs,
	};
}

REPRO_VALUE(c9)
{
	struct repro_run run = thpscale(strcmp(p->series, "base")
					? "v6.8-arm64" : "v6.6-arm64", p->x);

	return repro_of(&run, c, fault_both, value, e);
}

REPRO_VALUE(h17)
{
	double threads = strcmp(p->series, "1 thread") ? 30 : 1;
	struct repro_run before = thpscale("v6.6-arm64", threads);
	struct repro_run after = thpscale("v6.8-arm64", threads);

	return repro_ratio(&before, &after, c, fault_both, value, e);
}

/* What is not the program's own: as a guest sees it, time that is stolen is none
 * of it. */
static double system_cycles(const struct timed_result *r)
{
	return (double)(r->cycles[CYC_FAULT] + r->cycles[CYC_KERNEL] +
			r->cycles[CYC_COPY] + r->cycles[CYC_FLUSH] +
			r->cycles[CYC_WAIT_ACK] + r->cycles[CYC_RESPOND] +
			r->cycles[CYC_LOCK_WAIT]);
}

/* 275 s of user time, for which 5,000 processes are assumed. */
REPRO_VALUE(h18)
{
	struct repro_run before = {
		.machine = "pack:2 core:16 pu:1", .profile = "skylake-sp",
		.workload = "kernel-build", .flush = "deferred",
		.pairs = PAIRS("xen", "yes", "guest", "exits", "compute",
			       "50ms", "processes", "4"),
	}, after = before;

	after.flush = "xen-l0";
	return repro_ratio(&before, &after, c, system_cycles, value, e);
}

/* Its Linux was 4.17, where two gathers at a time make each flush what it had to
 * flush; the model has that as of 5.2, everything, and without it before 4.13. */
REPRO_VALUE(h19)
{
	struct repro_run before = {
		.machine = "pack:4 [numa] core:14 pu:1",
		.profile = "haswell-ep", .workload = "memcached",
		.kernel = "v4.12", .flush = "deferred",
	}, after = before;

	after.flush = "numapte";
	return repro_ratio(&before, &after, c, per_second, value, e);
}
