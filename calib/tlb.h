/* tlb.h - the TLBs of a machine under test, found by chasing through pages.
 *
 * Entries: the most neighbouring pages that a chase goes round without a miss.
 * Ways:    the same with pages so far apart that they share a set; strides are
 *          multiples of the entries, doubled until nothing changes, since a
 *          hashed index needs more than a linear one. Level 2 is asked with
 *          groups of pages, four times what level 1 holds, and in a new order
 *          each round, so that level 1 hides nothing.
 * Miss:    counted where the machine counts, else a step of the cycles
 *          (steps.h), refined until it is found to the page or lies within 1 %.
 *
 * Where data and TLB end at the same place the clock cannot tell them apart,
 * so the cycles of as many lines in few pages are subtracted.
 *
 * Errors: as mut.h.
 */
#ifndef CALIB_TLB_H
#define CALIB_TLB_H

#include "calib/mut.h"

struct calib_level {
	bool is_found;
	u64 entries;            /* the most that fit; where the clock left an
				 * interval, whole sets within it             */
	u64 fits_at;            /* the most seen to fit                       */
	u64 misses_at;          /* the fewest seen not to fit                 */
	u64 ways;               /* == entries: full; 0: not found             */
	u64 ways_seen;          /* by the clock, over 3/4 of all count as all */
	double hit_cycles;      /* level 2: on top of level 1's               */
	double spread;          /* of hit_cycles, see stat_share()            */
	char note[160];         /* why not, or what is odd; ""                */
};

struct calib_walk {
	bool is_found;
	double cycles;          /* of a walk whose upper levels are cached,
				 * after the miss in level 2                  */
	double load_cycles;     /* of one load of it                          */
	double spread;
	u64 pde_entries, pde_ways;      /* 0: not found; equal: full          */
	char note[160];
};

struct calib_tlb {
	bool by_events;
	double base_cycles[NR_MUT_PAGES];       /* all hits                   */
	struct calib_level level[NR_MUT_PAGES][2];
	struct calib_walk walk;
};

/* What is under way, for progress; may be NULL. */
typedef void calib_progress(void *arg, const char *what);

int calib_tlb(struct mut *m, struct calib_tlb *out, calib_progress *progress,
	      void *arg, struct err *e);

/* calib_tlb_on_grid - does calibration by the clock measure chases through
 * @pages neighbours, whatever the machine? Besides, it searches one interval of
 * the grid for each step that it finds. */
bool calib_tlb_on_grid(u64 pages);

#endif
