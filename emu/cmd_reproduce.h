/* cmd_reproduce.h - `tlbemu reproduce`: published beside emulated.
 * Return: 0; 1 something modelled is outside its band; 2 usage. */
#ifndef EMU_CMD_REPRODUCE_H
#define EMU_CMD_REPRODUCE_H

int cmd_reproduce(int argc, char **argv);

#endif
