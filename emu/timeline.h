/* timeline.h - a timed run as Chrome trace events: a track for each CPU with
 * what its kernel does (system calls, faults, flushes, copies, migrations,
 * interrupts, waits) and an arrow for each interrupt from its send to where it
 * is served. A probe (cpu/probe.h).
 *
 * Bounded: when @max events are there, nothing that begins later is kept; what
 * has begun is, with its end. The file says how much was left out, and since
 * when ("otherData"). An arrow is two events, and there are never half of it.
 * User accesses and page walks are not shown: what no slice covers is these.
 *
 *	timeline_create(&tl, "run.json", 100000, &e);
 *	point.probe = timeline_probe(tl);
 *	...
 *	timeline_commit(tl, &about, &e);        (or timeline_discard(tl))
 *
 * Errors: 0 or negative errno with text in @e. The file appears at commit, whole.
 */
#ifndef EMU_TIMELINE_H
#define EMU_TIMELINE_H

#include "emu/timed_point.h"

struct timeline;

int timeline_create(struct timeline **out, const char *path, u64 max,
		    struct err *e);
struct probe *timeline_probe(struct timeline *tl);

struct timeline_about {
	const struct timed_result *r;
	const char *workload, *kernel, *flush;
	u64 seed;
};

/* timeline_commit - write the file, free @tl either way. */
int timeline_commit(struct timeline *tl, const struct timeline_about *about,
		    struct err *e);
void timeline_discard(struct timeline *tl);

/* Events in the file, and those left out. */
u64 timeline_kept(const struct timeline *tl);
u64 timeline_dropped(const struct timeline *tl);

#endif
