/* race_record.h - a counterexample with the machine's state after every move, as
 * JSON: what --html and --timeline draw.
 *
 * {"title", "oracle", "text", "cpus": [{"id", "name"}], "loop": move or null,
 *  "steps": [{"cpu", "kind", "notes": [], "skipped", "lost", "state"}]}
 * Step 0 is the stage: no move yet. The state is race_state()'s.
 */
#ifndef EMU_RACE_RECORD_H
#define EMU_RACE_RECORD_H

#include <jansson.h>

#include "emu/race_run.h"

/* Steps of one run at most: what is longer is cut. */
#define RACE_RECORD_MAX 600

/* race_record - follow @o's schedule on @row's stage under @k; @is_other: not the
 * kernel it was found on, so leave out what it cannot do, and go on to the end.
 * Return: 0 with *@out, negative errno. */
int race_record(json_t **out, const struct race *race,
		const struct race_row *row, const struct kernel *k,
		const struct race_limits *lim, const struct race_outcome *o,
		bool is_other);

/* A row of a kernel that closes the same race: same stage, expected to pass by
 * all oracles, the nearest after @row, else any. NULL: none. @id: that row, instead. */
const struct race_row *race_fixed_row(const struct race *race,
				      const struct race_row *row,
				      const char *id);

#endif
