/* cmd_run.h - `tlbemu run`, `tlbemu compare` and `tlbemu list`.
 *
 * @argv[0] is the command. Return: the exit status: 0; 1 ran and a check
 * failed, or the output could not be written; 2 usage or bad input. */
#ifndef EMU_CMD_RUN_H
#define EMU_CMD_RUN_H

int cmd_run(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_list(int argc, char **argv);

#endif
