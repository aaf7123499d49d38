#ifndef EMU_CMD_MATRIX_H
#define EMU_CMD_MATRIX_H

int cmd_matrix(int argc, char **argv);

#endif
