/* frontier.h - a search that has not ended: what is left to try, what was
 * visited, and both as a file.
 *
 * A stack is a way down from the start: moves, then frames in which something is
 * left. Machines are not kept, since they hold addresses: going on makes the
 * moves again and looks whether each frame's key is what it was.
 *
 * The file belongs to one build of the program and one configuration; it ends in
 * a checksum and appears whole or not at all (base/outfile.h).
 */
#ifndef EMU_FRONTIER_H
#define EMU_FRONTIER_H

#include "base/err.h"
#include "emu/moves.h"
#include "emu/visited.h"

struct stack {
	u32 nr_base;
	struct explore_move *base;      /* to the first frame                 */
	u32 nr_frames;
	struct frame *f;                /* the last one's move, if any, has
					 * been dealt with                    */
};

struct frontier {
	struct stack *stack;
	u32 nr_stacks;
	struct visited_slot *slot;
	u64 nr_slots;
	u64 states, transitions, finals;
	u32 max_depth;
	u8 *loads;                      /* weak model: sys->loads; or NULL    */
	u64 loads_bytes;
};

void frontier_free(struct frontier *f);

/* frontier_add - a stack of these frames; @base and @f are copied.
 * Return: 0 or -ENOMEM. */
int frontier_add(struct frontier *to, const struct explore_move *base,
		 u32 nr_base, const struct frame *f, u32 nr_frames);

/* Stacks as bytes, for a pipe; and back, added to @to. */
int frontier_pack(const struct frontier *f, u8 **bytes, u64 *n);
int frontier_unpack(struct frontier *to, const u8 *bytes, u64 n);

/* What a file must agree with. */
struct frontier_id {
	const char *program;            /* with version and revision          */
	u64 config;                     /* hash of all that decides           */
	struct hash128 start;           /* the stage's key                    */
};

int frontier_write(const struct frontier *f, const struct frontier_id *id,
		   const char *path, struct err *e);
/* Return: 0; -ENOENT and the like; -EINVAL with one line of text: not such a
 * file, cut short, of another program or race. */
int frontier_read(struct frontier *f, const struct frontier_id *id,
		  const char *path, struct err *e);

#endif
