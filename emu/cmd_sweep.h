/* cmd_sweep.h - `tlbemu sweep`. Return: the exit status: 0 every point is there;
 * 1 some failed, or the host refused; 2 usage or bad input; 3 stopped before
 * the end; 77 --slurm without Slurm. */
#ifndef EMU_CMD_SWEEP_H
#define EMU_CMD_SWEEP_H

int cmd_sweep(int argc, char **argv);

#endif
