/* shift.h - /sys/kernel/debug/x86/tlb_flushall_shift, which the strategies shift-2012
 * and shift-2014 go by. */
#ifndef MM_FLUSH_SHIFT_H
#define MM_FLUSH_SHIFT_H

#define FLUSHALL_SHIFT_OF_MACHINE (-2)

/* Before a machine boots: -1 (all is dropped always), 0 to 63, or what its table says. */
void flushall_shift_set(int shift);

#endif
