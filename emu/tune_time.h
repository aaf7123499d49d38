/* tune_time.h - settings over modelled time, from the samples that their first
 * seed left in the database.
 */
#ifndef EMU_TUNE_TIME_H
#define EMU_TUNE_TIME_H

#include "base/emit.h"
#include "emu/tune.h"

/* Totals of up to TUNE_SAMPLED numbers, sample by sample; 0 where the run had
 * none of a number. */
#define TUNE_SAMPLED (SERIES_NODES + 4u)
#define TUNE_MOMENTS (SERIES_MAX + 1u)

struct tune_moments {
	u32 nr;
	double ms[TUNE_MOMENTS];
	double v[TUNE_SAMPLED][TUNE_MOMENTS];
};

/* tune_moments - of setting @s the metrics @name[0 .. n). Return: how many
 * moments. */
u32 tune_moments(struct tune *t, const struct tune_setting *s,
		 const char *const *name, u32 n, struct tune_moments *out);

/* A setting, and what the figure calls it. */
struct tune_role {
	const struct tune_setting *s;
	const char *role;
};

/* tune_locality_table - share of hint faults on the page's own node, and of lines
 * from the own node's memory, in each span between two samples. */
void tune_locality_table(struct tune *t, const struct tune_role *who, u32 nr,
			 struct emit *em);

/* tune_bandwidth_table - what each node's memory served in each span, MiB/s. */
void tune_bandwidth_table(struct tune *t, const struct tune_role *who, u32 nr,
			  struct emit *em);

#endif
