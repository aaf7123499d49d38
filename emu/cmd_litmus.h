/* cmd_litmus.h - tlbemu litmus FILE... */
#ifndef EMU_CMD_LITMUS_H
#define EMU_CMD_LITMUS_H

int cmd_litmus(int argc, char **argv);

#endif
