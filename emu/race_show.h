/* race_show.h - a counterexample as a page to step through, and as a timeline.
 * Both appear whole or not at all (base/outfile.h).
 */
#ifndef EMU_RACE_SHOW_H
#define EMU_RACE_SHOW_H

#include "base/err.h"
#include "emu/race_record.h"

struct race_show {
	const struct race *race;
	const struct race_row *row;
	const struct kernel *k;
	const struct race_limits *lim;
	const struct race_outcome *o;
	const char *replay;             /* command that gives it again        */
	const struct race_row *fixed;   /* html: shown beside it; NULL: none  */
};

/* race_html - one self-contained page (emu/html/), at most RACE_HTML_MAX bytes:
 * what would be larger is an error. Return: 0, negative errno with text. */
#define RACE_HTML_MAX (8u << 20)
int race_html(const struct race_show *s, const char *path, struct err *e);

/* race_timeline - Chrome trace events for Perfetto and about:tracing: a track
 * per CPU, a slice per move, 10 us each (explored moves take no time), arrows
 * from who sends an interrupt to where it arrives. Return: as race_html. */
int race_timeline(const struct race_show *s, const char *path, struct err *e);

#endif
