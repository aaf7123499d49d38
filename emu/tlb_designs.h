/* tlb_designs.h - one trace through the TLBs of several machines: each design
 * is the timed machine of its profile with one CPU, and the `replay` workload
 * with every page mapped before the clock starts. So translation is all that
 * happens: no faults, no other CPU, no system calls.
 */
#ifndef EMU_TLB_DESIGNS_H
#define EMU_TLB_DESIGNS_H

#include "emu/timed_point.h"

/* How pages are mapped. ORDER mapping_names */
enum mapping { MAP_4K, MAP_2M, MAP_MIXED };
extern const char *const mapping_names[];

struct design_job {
	const char *trace;
	const char *design;     /* a profile's name or path                   */
	struct timed_result r;
	/* Of the trace: */
	char program[64];
	u64 instructions;       /* fetches; 0: none were recorded             */
	u64 pages;
	int rc;
	struct err err;
	bool is_done;
};

struct design_run {
	struct design_job *job;
	u32 nr_jobs;
	enum mapping mapping;
	u32 huge_from;          /* MAP_MIXED: 4K pages touched of a 2M piece  */
	int granule;            /* enum granule                               */
	const char *caches;     /* none, walks, full                          */
	bool has_psc;
	u64 seed;
	u32 nr_workers;         /* 0: one per host CPU                        */
	int progress;           /* enum progress_mode                         */
};

/* designs_run - all jobs, in worker processes. Return: 0, or the first job's
 * error in order. */
int designs_run(const struct design_run *d, struct err *e);

/* design_load - the TLBs that @name stands for, a copy; NULL: could it be
 * used? Return: 0, or as machine_create(). */
int design_load(const char *name, struct tlb_design *out, struct err *e);

#endif
