/* trace_event.c - what an event in a trace may say. */
#include "workloads/trace_file.h"

enum { USES_RANGE = 1, USES_NEW = 2, USES_PROT = 4, USES_ARG = 8, NEEDS_ARG = 16 };

static const struct {
	const char *name;
	u32 uses, flags;
} kinds[TRACE_NR_EVENT_KINDS] = {
	[TRACE_MMAP] = { "mmap", USES_RANGE | USES_PROT, TRACE_ANON |
			 TRACE_SHARED | TRACE_FIXED | TRACE_HUGETLB |
			 TRACE_STACK },
	[TRACE_MUNMAP] = { "munmap", USES_RANGE, 0 },
	[TRACE_MPROTECT] = { "mprotect", USES_RANGE | USES_PROT, 0 },
	[TRACE_MADVISE] = { "madvise", USES_RANGE | USES_ARG, 0 },
	[TRACE_MREMAP] = { "mremap", USES_RANGE | USES_NEW, TRACE_KEEP },
	[TRACE_BRK] = { "brk", 0, 0 },
	[TRACE_FORK] = { "fork", USES_ARG | NEEDS_ARG, TRACE_VFORK },
	[TRACE_EXEC] = { "exec", 0, 0 },
	[TRACE_CLONE] = { "clone", USES_ARG, 0 },
	[TRACE_EXIT] = { "exit", USES_ARG, 0 },
	[TRACE_SWITCH] = { "switch", 0, 0 },
};

const char *trace_event_name(u32 kind)
{
	return kind < TRACE_NR_EVENT_KINDS ? kinds[kind].name : NULL;
}

/* Whole pages, at least one, below 2^64. */
static bool is_range(u64 start, u64 len)
{
	return len && !((start | len) & (PAGE_BYTES - 1)) &&
	       start + len - 1 >= start;
}

const char *trace_event_check(const struct trace_event *ev)
{
	u32 uses;

	if (!trace_event_name(ev->kind))
		return "an event of a known kind";
	uses = kinds[ev->kind].uses;
	if (!ev->tid)
		return "a thread number from 1";
	if (ev->flags & ~kinds[ev->kind].flags)
		return "flags that this kind of event has";
	if (ev->prot & ~(uses & USES_PROT ? 7u : 0u))
		return "rights that this kind of event has";
	if ((ev->arg && !(uses & USES_ARG)) || (!ev->arg && (uses & NEEDS_ARG)))
		return "an argument that this kind of event has";
	if (ev->kind == TRACE_BRK)
		return ev->len || ev->new_len ? "no lengths" : NULL;
	if (uses & USES_RANGE ? !is_range(ev->start, ev->len)
			      : ev->start || ev->len)
		return "a range of whole pages where this kind has one";
	if (uses & USES_NEW ? !is_range(ev->new_start, ev->new_len)
			    : ev->new_start || ev->new_len)
		return "a new range of whole pages where this kind has one";
	return NULL;
}
