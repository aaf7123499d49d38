/* cmd_report.h - `tlbemu report`: one self-contained HTML page from a script,
 * CSV tables, SVG figures and plain texts. */
#ifndef EMU_CMD_REPORT_H
#define EMU_CMD_REPORT_H

/* cmd_report - @argv[0] is "report". Return: the exit status: 0, 1 (could not
 * be written), 2 (usage, or a file is missing or malformed). */
int cmd_report(int argc, char **argv);

#endif
