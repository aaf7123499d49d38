/* trail.h - the machine of a depth-first search, and the way back: of each state
 * on the way down only what its successor changed, in blocks of 64 bytes. Found
 * by comparing all of the arena with how it was, so that nothing need be declared.
 *
 * One machine, two places: where it is (the arena, the fibers' stacks, struct
 * cpu_ctx) and the top, the state that the search looks at. A move leads away from
 * the top; then trail_back() undoes it, or trail_push() makes where it is the top.
 *
 * What a move may change outside the arena is its own CPU's stack and context:
 * tests/test_trail.c compares with whole snapshots.
 *
 * Errors: -ENOMEM. Threads: none.
 */
#ifndef EMU_TRAIL_H
#define EMU_TRAIL_H

#include "emu/moves.h"

struct trail {
	/* The top. */
	u8 *arena;              /* a copy, zero from @used on                 */
	size_t used, room;      /* room: a multiple of the stride             */
	struct hash128 *block;  /* of each block                              */
	struct hash128 key;
	struct cpu_ctx ctx[EXPLORE_MAX_CPUS];
	u8 *stack[EXPLORE_MAX_CPUS];    /* the live bytes                     */
	u32 live[EXPLORE_MAX_CPUS];
	/* Where it is, since trail_look(). */
	u32 cpu;
	u32 nr_dirty;
	u32 *dirty;             /* [room / STATE_BLOCK + 1] blocks that differ */
	struct hash128 *fresh;  /* their hashes                               */
	struct hash128 now;
	/* What each state below the top had where its successor differs. */
	u8 *log;
	size_t log_bytes, log_room;
	size_t *mark;           /* [depth] where its part begins              */
	u32 depth, mark_room;
};

/* trail_start - the machine is at the top, with nothing below. Again and again;
 * trail_free at the end. */
int trail_start(struct trail *t);
void trail_free(struct trail *t);

/* trail_look - after a move of @cpu from the top: what differs.
 * Return: 0 with the state's key in t->now. */
int trail_look(struct trail *t, u32 cpu);

/* trail_back - after trail_look(): the machine is at the top again. */
void trail_back(struct trail *t);
/* trail_push - after trail_look(); the top is one further. */
int trail_push(struct trail *t);
/* trail_pop - at the top: the machine and the top are one back. */
void trail_pop(struct trail *t);

#endif
