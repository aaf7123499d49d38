/* tracepoint.h - how often the kernel passed one of its trace events for the
 * calling thread: "tlb:tlb_flush", or "tlb:tlb_flush if reason == 4".
 *
 * Counts by perf_event_open(), which needs the event's number, so a readable
 * tracefs, and CAP_PERFMON or perf_event_paranoid below 0.
 *
 * Errors: negative errno with text. -ENOENT: no tracefs, or no such event in it;
 * -EINVAL: the event has no such field; -EACCES, -EPERM: not allowed.
 */
#ifndef HOST_TRACEPOINT_H
#define HOST_TRACEPOINT_H

#include "base/err.h"
#include "base/types.h"

/* A flush that asks other CPUs, as the initiator passes it: enum
 * tlb_flush_reason's TLB_REMOTE_SEND_IPI. */
#define TRACEPOINT_FLUSH_SENT "tlb:tlb_flush if reason == 4"

/* Its own part of a flush: TLB_LOCAL_MM_SHOOTDOWN. */
#define TRACEPOINT_FLUSHED "tlb:tlb_flush if reason == 3"

/* tracepoint_open - Return: a file descriptor that counts from now on. */
int tracepoint_open(const char *what, struct err *e);

/* tracepoint_read - passed since then; 0 when @fd cannot be read. */
u64 tracepoint_read(int fd);

/* tracepoint_id - the number that tracefs at @root gives @event. */
int tracepoint_id(const char *root, const char *event, u64 *id, struct err *e);

#endif
