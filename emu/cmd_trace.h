/* cmd_trace.h - `tlbemu trace import|info|head|cut|cat`: real programs' traces. */
#ifndef EMU_CMD_TRACE_H
#define EMU_CMD_TRACE_H

/* cmd_trace - @argv[0] is "trace". Return: the exit status: 0, 1 (output
 * could not be written), 2 (usage or bad input). */
int cmd_trace(int argc, char **argv);

#endif
