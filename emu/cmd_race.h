/* cmd_race.h - `tlbemu race` and `tlbemu mutate`. */
#ifndef EMU_CMD_RACE_H
#define EMU_CMD_RACE_H

/* Both: argv[0] is the subcommand. Return: exit status. */
int cmd_race(int argc, char **argv);
int cmd_mutate(int argc, char **argv);

#endif
