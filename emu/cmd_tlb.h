/* cmd_tlb.h - tlbemu tlb. */
#ifndef EMU_CMD_TLB_H
#define EMU_CMD_TLB_H

int cmd_tlb(int argc, char **argv);

#endif
