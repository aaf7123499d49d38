/* Headlines of whole programs: servers, builds, benchmarks of mmtests. */
#include <math.h>

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
