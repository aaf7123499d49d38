/* sweep_slurm.h - a sweep as a Slurm job array: each task runs a share of the
 * points (every Nth) into a database of its own, DIR/I.db; `tlbemu sweep
 * --collect DIR` merges these.
 *
 * Left in DIR: sweep.ini (the grid, complete), sweep.sbatch (what was
 * submitted), I.log (what task I said). Submitting again submits only tasks
 * whose share is not there and that nobody is running just now: for tasks that
 * were killed, or points that failed.
 *
 * Errors: negative errno with text. -ENOSYS: there is no sbatch here.
 */
#ifndef EMU_SWEEP_SLURM_H
#define EMU_SWEEP_SLURM_H

#include "emu/sweep_run.h"

struct sweep_slurm {
	const struct sweep *s;          /* its db is not used                 */
	const char *dir;                /* made if it is not there            */
	u32 nr_tasks;
	u32 cpus_per_task;              /* workers of a task                  */
	const char *args;               /* further words for sbatch, or NULL  */
	void (*print_grid)(const void *arg, FILE *f);
	const void *arg;
	u32 nr_submitted, nr_running, nr_complete;      /* tasks              */
	char job[64];                   /* Slurm's id; "": nothing to submit  */
};

int sweep_slurm(struct sweep_slurm *j, struct err *e);

#endif
