/* cmd_calibrate.h - `tlbemu calibrate` and `tlbemu validate`.
 *
 * @argv[0] is the command. Return: the exit status: 0; 1 failed, or validate
 * found a summary outside its band; 2 usage; 77 cannot run here, and why. */
#ifndef EMU_CMD_CALIBRATE_H
#define EMU_CMD_CALIBRATE_H

int cmd_calibrate(int argc, char **argv);
int cmd_validate(int argc, char **argv);

#endif
