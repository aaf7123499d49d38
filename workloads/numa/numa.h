/* numa.h - what the NUMA workloads share: processes with memory from mmap, and
 * going through it in chunks that leave the scheduler its ticks. */
#ifndef WORKLOADS_NUMA_NUMA_H
#define WORKLOADS_NUMA_NUMA_H

#include "cpu/dram.h"
#include "workloads/workload.h"

/* wl_areas - @nr areas of @bytes each in @mm, to be huge and to be moved: their
 * addresses to @va. */
int wl_areas(struct mm *mm, u64 *va, u32 nr, u64 bytes, struct err *e);

/* wl_process - a process of all of the run's threads, as many as @otherwise if the
 * user named no number, and its memory: wl_areas(). */
int wl_process(struct wl *w, u32 otherwise, u64 *va, u32 nr, u64 bytes,
	       struct err *e);

/* A barrier of threads that sleep at it. */
struct wl_barrier {
	u32 arrived, round;
	u32 pad[14];            /* sleepers have the line for themselves      */
};

void wl_barrier_wait(struct wl_barrier *b, u32 nr_threads);

/* wl_stream - cpu_stream() of @bytes from @va in chunks of @chunk, with the ticks
 * between them. false: the program's memory is gone, and wl_fail() said so. */
bool wl_stream(struct wl *w, u64 va, u64 bytes, enum run_op op, u64 footprint,
	       u64 chunk);

/* wl_think - this thread computes for @cycles. */
void wl_think(u64 cycles);

/* Modelled cycles of @ns. */
u64 wl_cycles(u64 ns);

#endif
