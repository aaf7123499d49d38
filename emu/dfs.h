/* dfs.h - the depth-first search of explore.c, for those who run it: explore.c
 * itself, and the workers of parallel.c.
 */
#ifndef EMU_DFS_H
#define EMU_DFS_H

#include "emu/frontier.h"
#include "emu/moves.h"
#include "emu/shared_set.h"
#include "emu/trail.h"

struct dfs {
	struct frame *f;
	u32 depth, capacity;
	struct trail trail;             /* of the states of @f                */
	struct explore_move *base;      /* the way to f[0]                    */
	u32 nr_base;
	struct visited seen;
	struct shared_set *shared;      /* instead of @seen; NULL: alone      */
	bool is_alone;                  /* others have met a violation: one
					 * process finds its own              */
	struct budget *budget;
	const struct explore_config *cfg;
	struct explore_result *r;
	/* Before each move, instead of looking at the budget: why to stop, or
	 * NULL. May take work away from the bottom. */
	const char *(*poll)(struct dfs *d, void *arg);
	void *poll_arg;
};

/* dfs_begin - the machine is in the start state: the first frame.
 * dfs_load - go on from @s: makes its moves again from @start.
 * Return: 0, -ENOMEM, -EINVAL (dfs_load: the moves lead elsewhere). */
int dfs_begin(struct dfs *d);
int dfs_load(struct dfs *d, const struct snap *start, const struct stack *s);
/* dfs_run - until nothing is left (r->outcome is PROVED), an oracle fired or
 * something says stop (NOT_FINISHED, frames are kept); or loads grew. */
int dfs_run(struct dfs *d);
void dfs_free(struct dfs *d);

/* The way from the start to frame @depth. Return: moves (free them), or NULL. */
struct explore_move *dfs_path(const struct dfs *d, u32 depth);
/* A frame of its own for what is left to try at the bottom, which is then no
 * longer tried here. Return: 1 added to @to, 0 nothing left, -ENOMEM. */
int dfs_give(struct dfs *d, struct frontier *to);

/* parallel.c: all of @fr (NULL stacks: from the start) by @nr_workers processes.
 * Return: 0 with the outcome in @r (after NOT_FINISHED, @fr is what is left), 1
 * when some worker met a violation, -ENOMEM, -ECHILD. */
int parallel_search(struct budget *budget, const struct snap *start,
		    struct frontier *fr, u32 nr_workers,
		    struct explore_result *r);

#endif
