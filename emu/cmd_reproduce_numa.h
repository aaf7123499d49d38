/* cmd_reproduce_numa.h - `tlbemu reproduce numa`: published results on NUMA
 * balancing (T1 to T14) beside what the model makes of them.
 *
 * @argv[0] is "numa". Return: the exit status: 0 all rows with a band are inside;
 * 1 one is not, or a run failed; 2 usage. */
#ifndef EMU_CMD_REPRODUCE_NUMA_H
#define EMU_CMD_REPRODUCE_NUMA_H

int cmd_reproduce_numa(int argc, char **argv);

#endif
