/* reproduce_numa.h - the rows of `tlbemu reproduce numa`: what was published, by
 * whom, and how it follows from runs of the model; or why it is not modelled.
 *
 * Nothing is fitted on these numbers but westmere-ex's node_bandwidth, whose source
 * is T1 itself: the run times without balancing follow from it, those with it do
 * not; and how many CPUs stand for those of T11's mTHP, which one of the run times
 * before that series says. Bands are those of the acceptance list; a row without one is printed for
 * comparison and not judged.
 */
#ifndef EMU_REPRODUCE_NUMA_H
#define EMU_REPRODUCE_NUMA_H

#include "base/counters.h"
#include "base/types.h"

/* ORDER numa_runs[] */
enum numa_run {
	RUN_01_OFF,
	RUN_01_ON, RUN_01_ON_LAST = RUN_01_ON + 14,     /* a seed each        */
	RUN_LOCAL_OFF, RUN_LOCAL_ON, RUN_02_OFF,
	RUN_02_ON, RUN_SMT_OFF, RUN_SMT_ON,     /* T1: v3.13 on and off       */
	RUN_01_312, RUN_LOCAL_312, RUN_02_312, RUN_SMT_312,     /* T2, T3     */
	RUN_01_319, RUN_01_RC1, RUN_01_SLOWER, RUN_LOCAL_RC1, RUN_LOCAL_40,
	RUN_XFS_319, RUN_XFS_RC1, RUN_XFS_SLOWER,       /* T5                 */
	RUN_63, RUN_64, RUN_67,                 /* T10                        */
	RUN_IPI_OLD, RUN_IPI_NEW,               /* T8                         */
	RUN_ONE_NODE,                           /* T12                        */
	RUN_JVM8_OFF, RUN_JVM8_PIN, RUN_JVM8_313, RUN_JVM8_319,
	RUN_JVM4_OFF, RUN_JVM4_PIN, RUN_JVM4_313, RUN_JVM4_319,
	RUN_JVM2_OFF, RUN_JVM2_PIN, RUN_JVM2_313, RUN_JVM2_319,
	RUN_JVM1_OFF, RUN_JVM1_313, RUN_JVM1_319,       /* T4, by JVMs        */
	RUN_STREAM_LIMIT, RUN_STREAM,           /* T6                         */
	RUN_TIER, RUN_TIER_HOT, RUN_TIER_LIMIT, RUN_TIER_AUTO,  /* T9         */
	/* T14, by threads: flushes of ranges, then full ones; tlbflush by
	 * quarters of its mappings' sizes. */
	RUN_EBIZZY1, RUN_EBIZZY2 = RUN_EBIZZY1 + 2,
	RUN_EBIZZY4 = RUN_EBIZZY2 + 2, RUN_EBIZZY8 = RUN_EBIZZY4 + 2,
	RUN_EBIZZY16 = RUN_EBIZZY8 + 2,
	RUN_I7_1 = RUN_EBIZZY16 + 2, RUN_I7_2 = RUN_I7_1 + 8,
	RUN_I7_3 = RUN_I7_2 + 8, RUN_I7_5 = RUN_I7_3 + 8,
	RUN_I7_8 = RUN_I7_5 + 8, RUN_I3_1 = RUN_I7_8 + 8,
	RUN_I3_2 = RUN_I3_1 + 8, RUN_I3_3 = RUN_I3_2 + 8,
	RUN_I3_4 = RUN_I3_3 + 8,
	RUN_LOWER = RUN_I3_4 + 8,               /* the limit of ranges lowered */
	RUN_END_OF_T14 = RUN_LOWER + 9,
	RUN_256_01, RUN_256_LOCAL, RUN_256_02, RUN_256_SMT,     /* T11        */
	/* mTHP, before and after */
	RUN_MTHP_01, RUN_MTHP_LOCAL = RUN_MTHP_01 + 2,
	RUN_MTHP_02 = RUN_MTHP_LOCAL + 2, RUN_MTHP_SMT = RUN_MTHP_02 + 2,
	RUN_MTHP_64_02 = RUN_MTHP_SMT + 2, RUN_END_OF_MTHP = RUN_MTHP_64_02 + 1,
	RUN_32_01_OFF, RUN_32_01_ON, RUN_32_LOCAL_OFF, RUN_32_LOCAL_ON,
	RUN_32_02_OFF, RUN_32_02_ON,            /* T13: 32 CPUs               */
	NR_NUMA_RUNS
};

struct numa_run_of {
	const char *what;               /* for who reads the table            */
	const char *workload;
	const char *const *pairs;       /* option, value ..., NULL            */
};
extern const struct numa_run_of numa_runs[NR_NUMA_RUNS];

/* What is kept of a run. */
struct numa_outcome {
	bool is_done;
	int rc;
	double seconds, user_seconds, system_seconds;
	double lock_seconds;            /* of these: waiting for locks, pages */
	double done;                    /* of the workload's unit             */
	struct counters count;
	char error[256];
};

struct numa_row {
	const char *test, *what, *unit;
	double published;               /* NAN: none                          */
	double low, high;               /* band; both 0: none                 */
	const u8 *needs;                /* numa_row_needs()                   */
	double (*value)(const struct numa_outcome *run);
	const char *missing;            /* not modelled, because              */
};
extern const struct numa_row numa_rows[];
extern const u32 nr_numa_rows;

/* Does the row's value follow from @run, among others? */
bool numa_row_needs(const struct numa_row *row, u32 run);

#endif
