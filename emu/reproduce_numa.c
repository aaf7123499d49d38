/* T1 to T14; see reproduce_numa.h. */
#include "emu/reproduce.h"
#include "emu/reproduce_numa.h"

#include <math.h>
#include <stddef.h>

#define PAIRS(...) (const char *const[]){ __VA_ARGS__, NULL }
#define ON "numa_balancing", "1"
#define OFF "numa_balancing", "0"
#define MILAN "machine", \
	"pack:2 [numa(memory=64GiB)] l3:8(size=32MiB) core:8 pu:2", \
	"profile", "zen3-milan", "chunk", "2M", "loops", "600"
/* The published machine's bandwidth is unknown, that of westmere-ex stands for it:
 * ratios only. */
#define T13(run, how, name, switch_) \
	[run] = { name ", 4 x 8 CPUs, " how, name, \
		PAIRS("machine", "pack:4 [numa(memory=16GiB)] core:8 pu:1", \
		      "profile", "westmere-ex", "kernel", "v3.13", "chunk", \
		      "1M", switch_) }
/* The published part is not named: sapphire-rapids with as many cores and a cache of
 * 100 MiB (assumed) stands for it, without a limit of bandwidth. 6.10 scans by 6.7's
 * rules. */
#define T11(run, name) \
	[run] = { name ", 256 CPUs, v6.7", name, \
		PAIRS("machine", "pack:2 [numa(memory=64GiB)] " \
		      "l3:1(size=100MiB) core:64 pu:2", "profile", \
		      "sapphire-rapids", "kernel", "v6.7", "chunk", "2M", ON) }
/* Whose threads all want all of its memory: no two runs are alike. */
#define NUMA01(nth, number) \
	[RUN_01_ON + nth] = { "numa01, v3.13, seed " number, "numa01", \
		PAIRS("kernel", "v3.13", "seed", number, ON) }
/* One of the eight published processes on its share of the CPUs, four threads for
 * three; memory and the balancer's times a thirty-second of what they were. */
#define IPIS "machine", "pack:2 [numa(memory=256MiB)] core:3 pu:2", \
	"profile", "cascade-lake-sp", "thp", "no", "cpunodebind", "1", \
	"threads", "8", "map", "280M", "eater", "160M", "eater-time", "312ms", \
	"time", "1s", "think", "100ns", \
	"numa_balancing_scan_delay_ms", "31", \
	"numa_balancing_scan_period_min_ms", "31", \
	"numa_balancing_scan_period_max_ms", "1875", \
	"numa_balancing_scan_size_mb", "8", ON

/* Memory and the balancer's times a sixty-fourth, so that MB a second stay what
 * they are; one socket's four threads. Sizes, ratio of tiers (1 to 3) and limit are not
 * published: this limit is to the first row's promotions what published ones are. */
#define TWO_TIERS "machine", "[numa(memory=64MiB)] [numa(memory=512MiB)] " \
	"pack:1 core:4 pu:1", "profile", "cascade-lake-sp", "thp", "no", \
	"threads", "4", "map", "192M", "time", "1s", "think", "100ns", \
	"numa_balancing", "2", "demotion_enabled", "1", \
	"numa_balancing_scan_delay_ms", "15", \
	"numa_balancing_scan_period_min_ms", "15", \
	"numa_balancing_scan_period_max_ms", "937", \
	"numa_balancing_scan_size_mb", "4", \
	"numa_balancing_hot_threshold_ms", "16", \
	"numa_balancing_promote_rate_limit_MBps", "33"

#include "emu/reproduce_numa_t4.inc"
#include "emu/reproduce_numa_t5.inc"
#include "emu/reproduce_numa_t14.inc"
#include "emu/reproduce_numa_mthp.inc"

const struct numa_run_of numa_runs[NR_NUMA_RUNS] = {
	T5_RUNS
	[RUN_01_OFF] = { "numa01, off", "numa01",
		PAIRS("kernel", "v3.13", "chunk", "1M", OFF) },
	NUMA01(0, "1"), NUMA01(1, "2"), NUMA01(2, "3"), NUMA01(3, "4"),
	NUMA01(4, "5"), NUMA01(5, "6"), NUMA01(6, "7"), NUMA01(7, "8"),
	NUMA01(8, "9"), NUMA01(9, "10"), NUMA01(10, "11"), NUMA01(11, "12"),
	NUMA01(12, "13"), NUMA01(13, "14"), NUMA01(14, "15"),
	[RUN_LOCAL_OFF] = { "numa01_THREADLOCAL, off", "numa01_THREADLOCAL",
		PAIRS("kernel", "v3.13", "chunk", "1M", OFF) },
	[RUN_LOCAL_ON] = { "numa01_THREADLOCAL, v3.13", "numa01_THREADLOCAL",
		PAIRS("kernel", "v3.13", "chunk", "1M", ON) },
	[RUN_02_OFF] = { "numa02, off", "numa02",
		PAIRS("kernel", "v3.13", OFF) },
	[RUN_02_ON] = { "numa02, v3.13", "numa02",
		PAIRS("kernel", "v3.13", ON) },
	[RUN_SMT_OFF] = { "numa02_SMT, off", "numa02_SMT",
		PAIRS("kernel", "v3.13", OFF) },
	[RUN_SMT_ON] = { "numa02_SMT, v3.13", "numa02_SMT",
		PAIRS("kernel", "v3.13", ON) },
	[RUN_01_312] = { "numa01, v3.12", "numa01",
		PAIRS("kernel", "v3.12", "chunk", "1M", ON) },
	[RUN_LOCAL_312] = { "numa01_THREADLOCAL, v3.12", "numa01_THREADLOCAL",
		PAIRS("kernel", "v3.12", "chunk", "1M", ON) },
	[RUN_02_312] = { "numa02, v3.12", "numa02",
		PAIRS("kernel", "v3.12", ON) },
	[RUN_SMT_312] = { "numa02_SMT, v3.12", "numa02_SMT",
		PAIRS("kernel", "v3.12", ON) },
	[RUN_63] = { "numa01_THREADLOCAL, 256 CPUs, v6.3", "numa01_THREADLOCAL",
		PAIRS("kernel", "v6.3", MILAN, ON) },
	[RUN_64] = { "the same, v6.4", "numa01_THREADLOCAL",
		PAIRS("kernel", "v6.4", MILAN, ON) },
	[RUN_67] = { "the same, v6.7", "numa01_THREADLOCAL",
		PAIRS("kernel", "v6.7", MILAN, ON) },
	[RUN_IPI_OLD] = { "pmbench, 4K pages, 8 threads, v4.14", "pmbench",
		PAIRS("kernel", "v4.14", IPIS) },
	[RUN_IPI_NEW] = { "the same, v5.14", "pmbench",
		PAIRS("kernel", "v5.14", IPIS) },
	[RUN_ONE_NODE] = { "numa02, one node, v3.13", "numa02",
		PAIRS("kernel", "v3.13", "machine", "pack:1 core:8 pu:1",
		      "loops", "100", ON) },
	T4_RUNS
#define TIERS(run, era) \
	[run] = { "pmbench, two tiers, " era, "pmbench", \
		PAIRS("kernel", era, TWO_TIERS) }
	TIERS(RUN_TIER, "v6.0-numa"),
	TIERS(RUN_TIER_HOT, "v6.0-numa+hot"),
	TIERS(RUN_TIER_LIMIT, "v6.0-numa+limit"),
	/* Its threshold changes once in 937 ms. */
	[RUN_TIER_AUTO] = { "pmbench, two tiers, v6.1", "pmbench",
		PAIRS("kernel", "v6.1", TWO_TIERS, "time", "3s") },
	T14_RUNS
	[RUN_STREAM_LIMIT] = { "stream, v4.14", "stream",
		PAIRS("kernel", "v4.14", ON) },
	[RUN_STREAM] = { "stream, v5.14 (no limit)", "stream",
		PAIRS("kernel", "v5.14", ON) },
	T11(RUN_256_01, "numa01"), T11(RUN_256_LOCAL, "numa01_THREADLOCAL"),
	T11(RUN_256_02, "numa02"), T11(RUN_256_SMT, "numa02_SMT"),
	T11_MTHP_RUNS
	T13(RUN_32_01_OFF, "off", "numa01", OFF),
	T13(RUN_32_01_ON, "v3.13", "numa01", ON),
	T13(RUN_32_LOCAL_OFF, "off", "numa01_THREADLOCAL", OFF),
	T13(RUN_32_LOCAL_ON, "v3.13", "numa01_THREADLOCAL", ON),
	T13(RUN_32_02_OFF, "off", "numa02", OFF),
	T13(RUN_32_02_ON, "v3.13", "numa02", ON),
};

/* ---- values --------------------------------------------------------------------- */

#define SECONDS(run) \
	static double s_##run(const struct numa_outcome *r) \
	{ \
		return r[run].seconds; \
	}
#define RATIO(name, on, off) \
	static double name(const struct numa_outcome *r) \
	{ \
		return r[on].seconds / r[off].seconds; \
	}
SECONDS(RUN_01_OFF) SECONDS(RUN_LOCAL_OFF)
SECONDS(RUN_LOCAL_ON) SECONDS(RUN_02_OFF) SECONDS(RUN_02_ON)
SECONDS(RUN_SMT_OFF) SECONDS(RUN_SMT_ON) SECONDS(RUN_01_312)
SECONDS(RUN_LOCAL_312) SECONDS(RUN_02_312) SECONDS(RUN_SMT_312)
RATIO(ratio_local, RUN_LOCAL_ON, RUN_LOCAL_OFF)
RATIO(ratio_02, RUN_02_ON, RUN_02_OFF)
RATIO(ratio_smt, RUN_SMT_ON, RUN_SMT_OFF)
RATIO(ratio_256_01, RUN_256_01, RUN_256_LOCAL)
RATIO(ratio_256_local, RUN_256_LOCAL, RUN_256_02)
RATIO(ratio_256_smt, RUN_256_SMT, RUN_256_02)
RATIO(ratio_32_01, RUN_32_01_ON, RUN_32_01_OFF)
RATIO(ratio_32_local, RUN_32_LOCAL_ON, RUN_32_LOCAL_OFF)
RATIO(ratio_32_02, RUN_32_02_ON, RUN_32_02_OFF)
RATIO(ratio_stream, RUN_STREAM_LIMIT, RUN_STREAM)
RATIO(mthp_01, RUN_MTHP_01 + 1, RUN_MTHP_01)
RATIO(mthp_local, RUN_MTHP_LOCAL + 1, RUN_MTHP_LOCAL)
RATIO(mthp_02, RUN_MTHP_02 + 1, RUN_MTHP_02)
RATIO(mthp_smt, RUN_MTHP_SMT + 1, RUN_MTHP_SMT)
RATIO(mthp_64_02, RUN_MTHP_64_02 + 1, RUN_MTHP_64_02)

static double speed(const struct numa_outcome *r)
{
	return r->done / r->seconds;
}

#define SPEED_UP(name, of, over) \
	static double name(const struct numa_outcome *r) \
	{ \
		return speed(&r[of]) / speed(&r[over]); \
	}
SPEED_UP(tier_hot, RUN_TIER_HOT, RUN_TIER)
SPEED_UP(tier_limit, RUN_TIER_LIMIT, RUN_TIER)
SPEED_UP(tier_auto, RUN_TIER_AUTO, RUN_TIER)

/* Million accesses a second; MB promoted a second. */
#define TIER_RUN(name, run) \
	static double macc_##name(const struct numa_outcome *r) \
	{ \
		return speed(&r[run]) / 1e6; \
	} \
	static double mbps_##name(const struct numa_outcome *r) \
	{ \
		return (double)r[run].count.v[CTR_PGPROMOTE_SUCCESS] * \
			4096 / 1e6 / r[run].seconds; \
	}
#define PART(name) \
	static double part_##name(const struct numa_outcome *r) \
	{ \
		return mbps_##name(r) / mbps_base(r); \
	}
TIER_RUN(base, RUN_TIER)
TIER_RUN(hot, RUN_TIER_HOT)
TIER_RUN(limit, RUN_TIER_LIMIT)
TIER_RUN(auto, RUN_TIER_AUTO)
PART(hot) PART(limit) PART(auto)

#define NR_SEEDS (RUN_01_ON_LAST - RUN_01_ON + 1u)

/* The @k-th fastest seed's, from 0. */
static double s_of_seeds(const struct numa_outcome *r, u32 k)
{
	double s[NR_SEEDS];

	for (u32 i = 0; i < NR_SEEDS; i++) {
		u32 at = i;

		for (; at && s[at - 1] > r[RUN_01_ON + i].seconds; at--)
			s[at] = s[at - 1];
		s[at] = r[RUN_01_ON + i].seconds;
	}
	return s[k];
}

static double s_RUN_01_ON(const struct numa_outcome *r)
{
	return s_of_seeds(r, NR_SEEDS / 2);
}

static double ratio_01(const struct numa_outcome *r)
{
	return s_of_seeds(r, NR_SEEDS / 2) / r[RUN_01_OFF].seconds;
}

static double ratio_01_best(const struct numa_outcome *r)
{
	return s_of_seeds(r, 0) / r[RUN_01_OFF].seconds;
}

static double ratio_01_worst(const struct numa_outcome *r)
{
	return s_of_seeds(r, NR_SEEDS - 1) / r[RUN_01_OFF].seconds;
}

static double slower_01(const struct numa_outcome *r)
{
	return s_of_seeds(r, NR_SEEDS / 2) / r[RUN_LOCAL_ON].seconds;
}

static double system_share(const struct numa_outcome *r)
{
	return 100 * r[RUN_LOCAL_ON].system_seconds /
		r[RUN_LOCAL_ON].user_seconds;
}

static u64 count(const struct numa_outcome *r, enum counter c)
{
	return r->count.v[c];
}

/* None left count as one. */
static double updates_fall(const struct numa_outcome *r)
{
	u64 left = count(&r[RUN_64], CTR_NUMA_PTE_UPDATES);

	return (double)count(&r[RUN_63], CTR_NUMA_PTE_UPDATES) /
		(double)(left ? left : 1);
}

static double updates_63(const struct numa_outcome *r)
{
	return (double)count(&r[RUN_63], CTR_NUMA_PTE_UPDATES);
}

static double updates_64(const struct numa_outcome *r)
{
	return (double)count(&r[RUN_64], CTR_NUMA_PTE_UPDATES);
}

static double updates_recover(const struct numa_outcome *r)
{
	return 100 * (double)count(&r[RUN_67], CTR_NUMA_PTE_UPDATES) /
		(double)count(&r[RUN_63], CTR_NUMA_PTE_UPDATES);
}

static double ipis_a_page(const struct numa_outcome *r)
{
	return (double)count(r, CTR_IPIS_SENT) /
		(double)count(r, CTR_NUMA_PAGES_MIGRATED);
}

static double ipis_old(const struct numa_outcome *r)
{
	return ipis_a_page(&r[RUN_IPI_OLD]);
}

static double ipis_new(const struct numa_outcome *r)
{
	return ipis_a_page(&r[RUN_IPI_NEW]);
}

static double one_node_local(const struct numa_outcome *r)
{
	return 100 * (double)count(&r[RUN_ONE_NODE], CTR_NUMA_HINT_FAULTS_LOCAL) /
		(double)count(&r[RUN_ONE_NODE], CTR_NUMA_HINT_FAULTS);
}

static double one_node_migrated(const struct numa_outcome *r)
{
	return (double)count(&r[RUN_ONE_NODE], CTR_NUMA_PAGES_MIGRATED);
}

/* mmtests' formula on published columns, in units of a million. */
static double cost(double updates, double faults, double migrated)
{
	return (7 * updates + 5000 * faults + 19 * migrated) / 1e6;
}

/* Nothing is emulated: the formula on published counters, so no band. */
#define COST_OF_COUNTERS "mmtests' cost, by formula from published counters"

static double cost_t3(const struct numa_outcome *r)
{
	return cost(17955537, 3950201, 11562658);
}

static double cost_t7(const struct numa_outcome *r)
{
	return cost(2517600, 1678620, 69473);
}

/* How many of the balanced runs break what must hold of counters. */
static double broken_laws(const struct numa_outcome *r)
{
	u32 n = 0;

	for (u32 i = 0; i < NR_NUMA_RUNS; i++) {
		const u64 *v = r[i].count.v;
		bool is_one = i >= RUN_01_312 && i <= RUN_SMT_312;

		n += !is_one && v[CTR_NUMA_PTE_UPDATES] <
			512 * v[CTR_NUMA_HUGE_PTE_UPDATES];
		n += v[CTR_NUMA_HINT_FAULTS_LOCAL] > v[CTR_NUMA_HINT_FAULTS];
		n += v[CTR_NUMA_PAGES_MIGRATED] > v[CTR_PGMIGRATE_SUCCESS];
	}
	return n;
}

/* ---- rows ----------------------------------------------------------------------- */

/* Which runs a value follows from. */
#define RUNS(...) (const u8[]){ __VA_ARGS__, NR_NUMA_RUNS }
static const u8 all_runs[] = { NR_NUMA_RUNS };

#define ROW(t, text, unit_, want, run) \
	{ t, text, unit_, want, 0, 0, RUNS(run), s_##run, NULL }
#define BAND(t, text, unit_, want, lo, hi, a, b, fn) \
	{ t, text, unit_, want, lo, hi, RUNS(a, b), fn, NULL }
#define SEEDS(n) RUN_01_ON + n, RUN_01_ON + n + 1, RUN_01_ON + n + 2, \
	RUN_01_ON + n + 3, RUN_01_ON + n + 4
#define OF_SEEDS(t, text, unit_, want, lo, hi, also, fn) \
	{ t, text, unit_, want, lo, hi, \
	  RUNS(SEEDS(0), SEEDS(5), SEEDS(10), also), fn, NULL }
#define TIER(t, text, unit_, want, run, fn) \
	{ t, text, unit_, want, 0, 0, RUNS(run, RUN_TIER), fn, NULL }
#define MISSING(t, text, why) \
	{ t, text, "", NAN, 0, 0, NULL, NULL, why }

#define NO_HEAP "SPECjbb's heap sizes and mix are not published with it"
#define NO_SET "a series of patches between versions, not a version"
#define NO_MACHINE "the machine's memory bandwidth is not known"

const struct numa_row numa_rows[] = {
	ROW("T1", "NUMA01, off", "s", 1667, RUN_01_OFF),
	OF_SEEDS("T1", "NUMA01, on, median of 15 seeds", "s", 1270, 0, 0,
		RUN_01_ON, s_RUN_01_ON),
	OF_SEEDS("T1", "NUMA01, on / off", "", 0.762, 0.6, 0.8, RUN_01_OFF,
		ratio_01),
	OF_SEEDS("T1", "the same, fastest seed", "", NAN, 0, 0, RUN_01_OFF,
		ratio_01_best),
	OF_SEEDS("T1", "the same, slowest seed", "", NAN, 0, 0, RUN_01_OFF,
		ratio_01_worst),
	ROW("T1", "THREADLOCAL, off", "s", 1391, RUN_LOCAL_OFF),
	ROW("T1", "THREADLOCAL, on", "s", 398, RUN_LOCAL_ON),
	BAND("T1", "THREADLOCAL, on / off", "", 0.286, 0.25, 0.35, RUN_LOCAL_ON,
	     RUN_LOCAL_OFF, ratio_local),
	BAND("T1", "THREADLOCAL, system / user time, on", "%", NAN, 0, 1.5,
	     RUN_LOCAL_ON, RUN_LOCAL_ON, system_share),
	ROW("T1", "NUMA02, off", "s", 176, RUN_02_OFF),
	ROW("T1", "NUMA02, on", "s", 50.3, RUN_02_ON),
	BAND("T1", "NUMA02, on / off", "", 0.286, 0.25, 0.35, RUN_02_ON,
	     RUN_02_OFF, ratio_02),
	ROW("T1", "NUMA02_SMT, off", "s", 164, RUN_SMT_OFF),
	ROW("T1", "NUMA02_SMT, on", "s", 47.6, RUN_SMT_ON),
	BAND("T1", "NUMA02_SMT, on / off", "", 0.290, 0, 0, RUN_SMT_ON,
	     RUN_SMT_OFF, ratio_smt),
	OF_SEEDS("T1", "NUMA01 / THREADLOCAL, on", "", 3.19, 1.5, 100,
		RUN_LOCAL_ON, slower_01),
	MISSING("T1", "other trees (numacore, autonuma), SPECjbb", NO_SET ";  "
		NO_HEAP),
	ROW("T2", "NUMA01, 3.9, by v3.12's rules", "s", 1202, RUN_01_312),
	ROW("T2", "THREADLOCAL, 3.9", "s", 394, RUN_LOCAL_312),
	ROW("T2", "NUMA02, 3.9", "s", 50.3, RUN_02_312),
	ROW("T2", "NUMA02_SMT, 3.9", "s", 58.5, RUN_SMT_312),
	MISSING("T2", "V5", NO_SET),
	ROW("T3", "NUMA01, 3.12-rc3", "s", 971, RUN_01_312),
	OF_SEEDS("T3", "NUMA01, 3.13", "s", 1199, 0, 0, RUN_01_ON, s_RUN_01_ON),
	ROW("T3", "THREADLOCAL, 3.12-rc3", "s", 569, RUN_LOCAL_312),
	ROW("T3", "THREADLOCAL, 3.13", "s", 643, RUN_LOCAL_ON),
	ROW("T3", "NUMA02, 3.12-rc3", "s", 51.6, RUN_02_312),
	ROW("T3", "NUMA02, 3.13", "s", 49.9, RUN_02_ON),
	ROW("T3", "NUMA02_SMT, 3.12-rc3", "s", 49.7, RUN_SMT_312),
	ROW("T3", "NUMA02_SMT, 3.13", "s", 50.3, RUN_SMT_ON),
	{ "T3", COST_OF_COUNTERS, "", 20096, 0, 0, NULL, cost_t3, NULL },
	MISSING("T3", "SPECjbb", NO_HEAP),
	T4_ROWS
	T5_ROWS
	BAND("T6", "STREAM: run time with the rate limit / without", "", 1.03,
	     0, 0, RUN_STREAM_LIMIT, RUN_STREAM, ratio_stream),
	{ "T7", COST_OF_COUNTERS, "", 8412, 0, 0, NULL, cost_t7, NULL },
	MISSING("T7", "SPECjbb2005", NO_HEAP),
	BAND("T8", "interrupts a migrated page, before 5.13", "", 5, 2.5, 10,
	     RUN_IPI_OLD, RUN_IPI_OLD, ipis_old),
	BAND("T8", "interrupts a migrated page, since", "", 0.1, 0.05, 0.2,
	     RUN_IPI_NEW, RUN_IPI_NEW, ipis_new),
	TIER("T9", "two tiers, pmbench: accesses a second, 5.18's rules, 4 threads",
	     "M/s", NAN, RUN_TIER, macc_base),
	TIER("T9", "the same: promoted a second", "MB/s", NAN, RUN_TIER, mbps_base),
	TIER("T9", "hot pages only: accesses a second / 5.18's", "", 1.128,
	     RUN_TIER_HOT, tier_hot),
	TIER("T9", "the same: M accesses a second", "M/s", NAN, RUN_TIER_HOT,
	     macc_hot),
	TIER("T9", "the same: promoted / 5.18's", "", 0.749, RUN_TIER_HOT, part_hot),
	TIER("T9", "and a rate limit: accesses a second / 5.18's", "", 1.108,
	     RUN_TIER_LIMIT, tier_limit),
	TIER("T9", "the same: M accesses a second", "M/s", NAN, RUN_TIER_LIMIT,
	     macc_limit),
	TIER("T9", "the same: promoted / 5.18's (the limit is set so)", "", 0.227,
	     RUN_TIER_LIMIT, part_limit),
	TIER("T9", "and a threshold that follows: accesses a second / 5.18's", "",
	     1.161, RUN_TIER_AUTO, tier_auto),
	TIER("T9", "the same: M accesses a second", "M/s", NAN, RUN_TIER_AUTO,
	     macc_auto),
	TIER("T9", "the same: promoted / 5.18's", "", 0.189, RUN_TIER_AUTO,
	     part_auto),
	MISSING("T9", "absolute numbers: 146.9 M/s and 726 MB/s", "the machine's "
		"size, its tiers' ratio, latency and bandwidth are not in the "
		"source; here the slow tier is as slow as a remote node"),
	BAND("T10", "THREADLOCAL, 256 CPUs: updates 6.3 / 6.4, of which none "
	     "count as one", "", 171, 100, 1e9, RUN_63, RUN_64, updates_fall),
	/* /proc/vmstat has those of all that ran, the model the program's. */
	{ "T10", "the same: updates in 6.3", "pages", 1.99e6, 0, 0,
	  RUNS(RUN_63), updates_63, NULL },
	{ "T10", "the same: in 6.4 (published with all other processes')",
	  "pages", 11606, 0, 0, RUNS(RUN_64), updates_64, NULL },
	BAND("T10", "the same: updates 6.7 of 6.3's", "%", 63.8, 60, 1e9,
	     RUN_67, RUN_63, updates_recover),
	MISSING("T10", "elapsed times, Cascade Lake, Sapphire Rapids",
		NO_MACHINE),
	BAND("T11", "6.10-rc5, 256 CPUs: elapsed, NUMA01 / THREADLOCAL", "",
	     5.175, 0, 0, RUN_256_01, RUN_256_LOCAL, ratio_256_01),
	BAND("T11", "the same: THREADLOCAL / NUMA02", "", 6.323, 0, 0,
	     RUN_256_LOCAL, RUN_256_02, ratio_256_local),
	BAND("T11", "the same: NUMA02_SMT / NUMA02", "", 0.835, 0, 0,
	     RUN_256_SMT, RUN_256_02, ratio_256_smt),
	MISSING("T11", "the same: seconds, elapsed and system; Sapphire Rapids, "
		"4 nodes", NO_MACHINE),
	T11_MTHP_ROWS
	BAND("T12", "one node: local faults", "%", 100, 100, 100, RUN_ONE_NODE,
	     RUN_ONE_NODE, one_node_local),
	{ "T12", "one node: pages migrated", "pages", 0, -0.5, 0.5,
	  RUNS(RUN_ONE_NODE), one_node_migrated, NULL },
	BAND("T13", "4 x 8 CPUs, numa01: 3.13 on / off beside numacore's", "",
	     0.409, 0, 0, RUN_32_01_ON, RUN_32_01_OFF, ratio_32_01),
	BAND("T13", "THREAD_ALLOC, the same", "", 0.285, 0, 0,
	     RUN_32_LOCAL_ON, RUN_32_LOCAL_OFF, ratio_32_local),
	BAND("T13", "numa02, the same", "", 0.312, 0, 0, RUN_32_02_ON,
	     RUN_32_02_OFF, ratio_32_02),
	MISSING("T13", "seconds, AutoNUMA, SPECjbb", NO_MACHINE "; " NO_SET),
	T14_ROWS
	MISSING("T14", "(d) cycles of CR3 and INVLPG", "they are what profiles "
		"are made of ([cost] cr3_flush, invlpg)"),
	{ "laws", "broken laws of counters, all runs", "", 0, -0.5, 0.5,
	  all_runs, broken_laws, NULL },
};
const u32 nr_numa_rows = ARRAY_LEN(numa_rows);

bool numa_row_needs(const struct numa_row *row, u32 run)
{
	if (row->needs == all_runs)
		return true;
	for (const u8 *r = row->needs; r && *r != NR_NUMA_RUNS; r++)
		if (*r == run)
			return true;
	return false;
}
