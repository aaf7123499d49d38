/* tune_files.h - what tuning leaves in a directory: CSV files, the gnuplot
 * scripts that draw them (those of plots/), and the figures when gnuplot is
 * there.
 *
 *	tune.csv        a row each setting: knobs, medians, fronts
 *	front           run time against overhead
 *	knob_NAME       run time against one knob, the others as they come
 *	locality        share of local hint faults and lines over modelled time
 *	bandwidth       what each node's memory served over modelled time
 *	cost            cycles of scanning, faults, copying and flushes
 *	heat            run time by the first two knobs
 */
#ifndef EMU_TUNE_FILES_H
#define EMU_TUNE_FILES_H

#include "emu/tune.h"

struct tune_files {
	struct tune *t;
	const struct tune_choice *choice;
	const char *dir;        /* made if it is not there                    */
	const char *title;      /* workload and machine                       */
	u32 nr_figures;         /* drawn                                      */
	bool lacks_gnuplot;     /* CSV and scripts are there all the same     */
};

/* tune_files_open - the directory, before any work. */
int tune_files_open(const struct tune_files *f, struct err *e);
int tune_files_write(struct tune_files *f, struct err *e);

/* "scan-period=1ms thp=yes" of the setting, "as it is" of the base. */
const char *tune_setting_name(const struct tune *t,
			      const struct tune_setting *s, char *buf,
			      size_t size);

/* How many of the grid's axes are knobs: all but the seeds. */
static inline u32 tune_nr_knobs(const struct tune *t)
{
	return t->sweep.grid->nr_axes - 1;
}

/* The value of knob @a in setting @s, as an index. */
static inline u32 tune_knob_index(const struct tune *t,
				  const struct tune_setting *s, u32 a)
{
	return sweep_grid_index(t->sweep.grid, s->index * t->nr_seeds, a);
}

/* tune_table - the settings, all columns, fastest first. */
void tune_table(struct tune *t, struct emit *em);

#endif
