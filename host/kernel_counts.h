/* kernel_counts.h - what the kernel itself counts: rows of /proc/interrupts,
 * lines of /proc/vmstat, software events of perf_event_open().
 *
 * Errors: negative errno with text; -ENOENT: this kernel has no such row.
 */
#ifndef HOST_KERNEL_COUNTS_H
#define HOST_KERNEL_COUNTS_H

#include "base/err.h"
#include "base/types.h"

/* kernel_interrupts - the sum over all CPUs of row @name ("TLB", "CAL"). */
int kernel_interrupts(const char *name, u64 *sum, struct err *e);

/* kernel_vmstat - the line @name ("nr_tlb_remote_flush"). */
int kernel_vmstat(const char *name, u64 *value, struct err *e);

/* Both read a file of such lines; tests have their own. */
int kernel_row_of(const char *path, const char *name, u64 *sum, struct err *e);
int kernel_line_of(const char *path, const char *name, u64 *value,
		   struct err *e);

/* kernel_software_event - can perf's software event ("page-faults",
 * "context-switches", "cpu-migrations") be counted? Its value up to now. */
int kernel_software_event(const char *name, u64 *value, struct err *e);

/* kernel_paranoid - /proc/sys/kernel/perf_event_paranoid; -100: unreadable. */
int kernel_paranoid(void);

/* kernel_counts_shootdowns - does row TLB of /proc/interrupts move when another
 * thread of this process must flush? Some kernels and hypervisors do it without
 * that interrupt. 0 with @per_call; -ENOTSUP: it does not move. Takes 10 ms. */
int kernel_counts_shootdowns(double *per_call, struct err *e);

#endif
