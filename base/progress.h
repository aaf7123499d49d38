/* progress.h - one line on stderr: done/total, rate, time left.
 *
 * Auto shows it only when stderr is a terminal; a pipe stays silent. When off,
 * progress_to() is one compare; when on, the clock is read every so many steps
 * and the line redrawn at most ten times a second. Rates are of host time.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include "base/types.h"

/* ORDER progress_modes */
enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
extern const char *const progress_modes[];      /* for an OPT_ENUM            */

struct progress {
	u64 next;               /* look at the clock at this count; off: ~0   */
	u64 done;
	u64 total;              /* 0: unknown                                 */
	u64 start_host_ns;
	u64 drawn_host_ns;
	const char *label;
	const char *unit;       /* plural: "states", "points"                 */
	bool drawn;
};

void progress_start(struct progress *p, enum progress_mode mode,
		    const char *label, const char *unit, u64 total);
void progress_draw(struct progress *p);

/* progress_to - @done of the total are done now. */
static inline void progress_to(struct progress *p, u64 done)
{
	p->done = done;
	if (unlikely(done >= p->next))
		progress_draw(p);
}

/* progress_end - take the line away, so that what follows starts clean. */
void progress_end(struct progress *p);

/* progress_line - the text itself, for tests: at @host_ns since the start. */
void progress_line(const struct progress *p, u64 host_ns, char *buf,
		   size_t size);

#endif
