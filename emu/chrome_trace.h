/* chrome_trace.h - a file of Chrome trace events, as Perfetto (ui.perfetto.dev)
 * and chrome://tracing open it: one process, a track for each CPU, slices on
 * it, arrows between them.
 *
 * Streamed: events are written as they come, in any order; what contains a slice
 * goes before it where both begin together. Times are whole picoseconds, written
 * as microseconds with six places, so that what nests stays nested.
 *
 * Errors: those of the stream, which its owner looks at (outfile.h).
 * Source: "Trace Event Format", the JSON object format.
 */
#ifndef EMU_CHROME_TRACE_H
#define EMU_CHROME_TRACE_H

#include <jansson.h>
#include <stdio.h>

#include "base/types.h"

#define CHROME_PS_PER_US 1000000ull

struct chrome {
	FILE *f;
	bool has_any;
};

void chrome_begin(struct chrome *t, FILE *f, const char *process);
void chrome_track(struct chrome *t, u32 track, const char *name);
/* @args: taken over; may be NULL. */
void chrome_slice(struct chrome *t, u32 track, const char *name,
		  const char *cat, u64 from_ps, u64 to_ps, json_t *args);
/* A point that all tracks show. */
void chrome_mark(struct chrome *t, u32 track, const char *name,
		 const char *cat, u64 at_ps);
/* One end of an arrow: of equal @id, one that begins and one that ends. It
 * sticks to the slice around it. */
void chrome_arrow(struct chrome *t, u32 track, const char *name, bool is_end,
		  u64 id, u64 at_ps);
/* @other: taken over; what the file says of itself. */
void chrome_end(struct chrome *t, json_t *other);

#endif
