/* tune_files.h - what tuning leaves in a directory: CSV files, the gnuplot
 * scripts that draw them (those of plots/), and the figures when gnuplot is
 * there.
 *
 *	tune            a row each setting: knobs, medians, fronts; also as JSON
 *	front           run time against overhead
 *	knob_NAME       run time against one knob, the others as they come
 *	locality        share of local hint faults and lines over modelled time
 *	bandwidth       what each node's memory served over modelled time
 *	cost            cycles of scanning, faults, copying and flushes
 *	heat            run time by the two knobs that matter most (tune_worth())
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

/* tune_table - the settings, all columns, fastest first. */
void tune_table(struct tune *t, struct emit *em);

#endif
