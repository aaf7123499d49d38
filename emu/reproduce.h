/* reproduce.h - published curves and headlines beside what the model makes of
 * them, with one set of cost constants for all machines.
 *
 * The constants are fitted on two curves only, C1 (cycles of a flush against its
 * pages) and C4 (mprotect with one thread and with two), reproduce_fit.c. Every
 * other number is a prediction. What else differs between machines is their
 * profile: topology, clock, TLBs, line and memory latencies, each with its
 * source. Lines are contended and interrupts sent by cluster (cpu/contend.h).
 *
 * A set is in its band when the median of its points' errors is at most
 * REPRO_MEDIAN and none is beyond REPRO_WORST; a headline when its points are
 * within REPRO_HEADLINE, and where it has a "no change", on the published side of
 * it with at least half of the published effect. Points that are not modelled say what is missing, and are not counted.
 */
#ifndef EMU_REPRODUCE_H
#define EMU_REPRODUCE_H

#include "emu/timed_point.h"

#define REPRO_MEDIAN 15.0       /* % */
#define REPRO_WORST 35.0
#define REPRO_HEADLINE 25.0

/* In cycles of any core. ORDER repro_fitted[] */
enum repro_cost {
	REPRO_INVLPG, REPRO_FLUSH_FIXED, REPRO_CR3_FLUSH, REPRO_SYSCALL,
	REPRO_IPI_DELIVER, NR_REPRO_COSTS
};

struct repro_costs {
	u64 v[NR_REPRO_COSTS];
};

/* One run: the machine, and options as `tlbemu run` takes them. */
struct repro_run {
	const char *machine, *profile, *workload;
	const char *kernel, *flush;
	const char *const *pairs;       /* option, value ..., NULL; may be NULL */
	u32 ceiling;                    /* 0: the kernel's                    */
};

/* repro_measure - @costs NULL: the profile's own. */
int repro_measure(const struct repro_run *run, const struct repro_costs *costs,
		  struct timed_result *r, struct err *e);

/* repro_fit - the constants, from C1 and C4. Some 20 short runs. */
int repro_fit(struct repro_costs *out, struct err *e);
struct repro_fitted {
	const char *name;
	const char *how;
};
extern const struct repro_fitted repro_fitted[NR_REPRO_COSTS];

struct repro_point {
	const char *series;
	double x, published;
	const char *missing;            /* not modelled: needs ...            */
};

struct repro_set {
	const char *name;               /* "C2", "H04"                        */
	const char *title, *source;
	const char *x, *unit;           /* of x, of the values                */
	const char *machine;            /* what stands for it                 */
	const char *missing;            /* nothing of it is modelled, because */
	const char *note;               /* what differs, or NULL              */
	const struct repro_point *point;
	u32 nr;
	bool is_headline, is_fitted;
	double neutral;                 /* headlines: no change, or 0         */
	int (*run)(const struct repro_point *p, const struct repro_costs *c,
		   double *value, struct err *e);
};

/* NULL-terminated, curves first. */
extern const struct repro_set *const repro_sets[];
extern const struct repro_set repro_c1, repro_c4;

#endif
