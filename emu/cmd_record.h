/* cmd_record.h - `tlbemu record -- CMD ARGS`: a program's memory trace, with
 * what it does to its address space. */
#ifndef EMU_CMD_RECORD_H
#define EMU_CMD_RECORD_H

/* cmd_record - @argv[0] is "record". Return: the exit status: 0 (recorded,
 * whatever the program's own status), 1 (nothing recorded, or it could not be
 * written), 2 (usage, no such program), 77 (no valgrind). */
int cmd_record(int argc, char **argv);

#endif
