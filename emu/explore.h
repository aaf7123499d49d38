/* explore.h - systematic search over everything that may happen next: which
 * CPU steps, when an interrupt arrives, when a store becomes visible, what the
 * TLB holds.
 *
 * A state is the arena's bytes; its key is their hash, in which every task's
 * position and locals are present as the digest of what it has observed
 * (cpu/step.h). Visited states are kept as 95 bits of hash with the sleep set
 * they were left with (Godefroid, Holzmann, Pirottin: "State-space caching
 * revisited", 1995). Steps that commute with all others are merged with their
 * neighbours in cpu/step.c when sys->is_reduced.
 *
 * Verdicts: PROVED is said only when the space within the stage's bounds is
 * exhausted; two different states may share 95 bits with probability below
 * states^2 / 2^96.
 */
#ifndef EMU_EXPLORE_H
#define EMU_EXPLORE_H

#include "cpu/cpu.h"

#define EXPLORE_MAX_CPUS 8
#define EXPLORE_MAX_PICKS 6

enum explore_kind { X_STEP, X_IRQ, X_DRAIN, X_FILL, NR_X_KINDS };

/* One transition of a schedule: who, and what hardware picked on the way. */
struct explore_move {
	u8 cpu;
	u8 kind;
	u8 nr_picks;
	u8 pick[EXPLORE_MAX_PICKS];
	u8 is_loop;             /* from here to the end, again and again      */
};

/* Zero is none of them: what nobody filled in is not a verdict. */
enum explore_outcome {
	EXPLORE_PROVED = 1,
	EXPLORE_VIOLATION,
	EXPLORE_NOT_FINISHED,
	EXPLORE_BOUNDED,        /* none within max_preemptions                */
	EXPLORE_SAMPLED,        /* none in the schedules tried                */
};

/* All of them; or schedules drawn at random: any enabled move with the same
 * probability, or by priorities with a few changes (PCT: Burckhardt et al., "A
 * randomized scheduler with probabilistic guarantees of finding bugs", 2010:
 * what needs d ordering constraints is met in one run of n k^(d-1) at least, of
 * n agents and k moves). */
enum explore_mode { EXPLORE_ALL, EXPLORE_RANDOM, EXPLORE_PCT };

struct explore_config {
	bool use_sleep_sets;
	u64 max_states;                 /* 0: 200 million                     */
	double max_seconds;             /* 0: none                            */
	u64 max_bytes;                  /* of visited states, 0: 2 GiB        */
	bool skip_shortest;             /* the first violation will do        */
	/* Called some times a second; may be NULL. */
	void (*progress)(u64 states, u64 transitions, void *arg);
	void *progress_arg;
	/* Called at every state in which nothing is left to do; fills that
	 * nobody asked for are not something to do. */
	void (*on_final)(void *arg);
	void *final_arg;
	bool deadlock_is_final;         /* on_final looks itself              */
	/* Where nothing else is wrong, look for a livelock, too (O14, see
	 * graph.h): a second search of the same states, without sleep sets,
	 * since a cycle needs all moves. */
	bool find_livelock;
	/* Only schedules with at most so many preemptions: leaving a CPU that
	 * could have gone on (EXPLORE_ALL). */
	bool is_bounded;
	u32 max_preemptions;
	enum explore_mode mode;
	u64 seed;
	u64 runs;                       /* RANDOM, PCT: schedules             */
	u32 pct_depth;                  /* d, from 1                          */
	/* Processes that search together, 0 is 1: the same verdict, number of
	 * states and counterexample; the number of moves may differ. */
	u32 nr_workers;
	/* File to go on from, and where to leave what is left when a budget runs
	 * out, and every so many seconds (0: 60) before; NULL: none. They belong
	 * to one @program (with its revision) and one @config (a hash of what
	 * decides, besides the stage). Full searches only. */
	const char *resume, *save;
	double save_seconds;
	const char *program;
	u64 config;
};

struct explore_result {
	enum explore_outcome outcome;
	const char *limit;              /* NOT_FINISHED: which budget         */
	u64 states;
	u64 transitions;
	u64 finals;                     /* states with nothing left to do     */
	u64 runs;                       /* SAMPLED: schedules tried           */
	u32 max_depth;
	double host_seconds;
	size_t state_bytes;
	char oracle[8];
	char text[256];
	bool is_shortest;               /* fewest context switches, and among
					 * these fewest moves                 */
	u32 switches;
	struct explore_move *moves;     /* malloced; caller frees             */
	u32 nr_moves;
};

/* explore_bound - NOT_FINISHED: the budget that ran out, with its size. */
const char *explore_bound(const struct explore_config *cfg,
			  const struct explore_result *r, char *buf,
			  size_t size);

/* explore - search from the staged @sys on. Takes over sys->drv.
 * Return: 0 with *r filled in; -ENOMEM, -ECHILD (a worker died); when resuming or
 * saving fails, what that gave, with r->text. */
int explore(struct sys *sys, const struct explore_config *cfg,
	    struct explore_result *r);

/* One event of a replay, for the table. */
struct explore_event {
	u32 move;
	u32 cpu;
	char text[160];
};

/* explore_replay - run @moves from the staged @sys on and hand every note to
 * @on_event. Return: 0; 1 when an oracle fired (texts in @r); -EINVAL when the
 * schedule does not fit this stage. */
int explore_replay(struct sys *sys, const struct explore_move *moves, u32 n,
		   const struct explore_config *cfg,
		   void (*on_event)(const struct explore_event *e, void *arg),
		   void *arg, struct explore_result *r);

/* explore_follow - as explore_replay, on a machine that need not be the one the
 * schedule was found on: moves that are not possible there are left out, and
 * after the last one it goes on, one CPU after the other, until nothing is left
 * to do, an oracle fires or @max_moves were made (0: it does not go on).
 * @on_move: a move was made, or could not be; before the first, once with @m
 * NULL. Return: 0, 1 as
 * explore_replay; -ENOMEM. */
struct explore_watch {
	void (*on_event)(const struct explore_event *e, void *arg);
	void (*on_move)(const struct explore_move *m, bool was_possible,
			void *arg);
	void *arg;
};
int explore_follow(struct sys *sys, const struct explore_move *moves, u32 n,
		   u32 max_moves, const struct explore_config *cfg,
		   const struct explore_watch *w, struct explore_result *r);

/* A schedule as text for --replay, and back. Return: 0 or -EINVAL. */
int explore_format(const struct explore_move *moves, u32 n, char *out,
		   size_t size);
int explore_parse(const char *text, struct explore_move **moves, u32 *n);

#endif
