/* Headlines of whole programs: servers, builds, benchmarks of mmtests. */
#include <math.h>

#include "emu/reproduce_runs.h"

#define PAIRS(...) (const char *const[]){ __VA_ARGS__, NULL }

static double per_second(const struct timed_result *r)
{
	return (double)r->done / (double)r->elapsed_cycles * (double)r->hz;
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
