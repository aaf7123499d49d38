/* cmd_tune.h - `tlbemu tune`. Return: the exit status: 0; 1 nothing ran to the
 * end, or the host refused; 2 usage or bad input; 3 stopped before the end. */
#ifndef EMU_CMD_TUNE_H
#define EMU_CMD_TUNE_H

int cmd_tune(int argc, char **argv);

#endif
