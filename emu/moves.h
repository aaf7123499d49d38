/* moves.h - inside the explorer: one move of the modelled machine, and going
 * back to where it was. Shared by the search (explore.c), the search for the
 * shortest counterexample (shortest.c) and replays (schedule.c). moves.c is the
 * driver that the modelled kernel runs under meanwhile.
 */
#ifndef EMU_MOVES_H
#define EMU_MOVES_H

#define XXH_INLINE_ALL
#include "base/hash.h"

#include "base/rng.h"
#include "cpu/mmu.h"
#include "cpu/step.h"
#include "emu/explore.h"

#define NR_IDS (EXPLORE_MAX_CPUS * NR_X_KINDS)

/* A set of words of the arena, by hash: two words may share a bit, which only
 * makes two moves look dependent. */
typedef unsigned __int128 mask128;

/* Where a CPU has stopped: kept while somebody looks on. */
struct next_step {
	const void *obj;        /* NULL: none so far                          */
	bool is_write;
	bool is_wait;
};

/* The machine being explored, and what its last move did. */
struct explorer {
	struct sys *sys;
	struct fiber host;
	mask128 rd, wr;                 /* words it read and wrote           */
	u8 pick[EXPLORE_MAX_PICKS];     /* hardware's choices: as told, or 0 */
	u8 options[EXPLORE_MAX_PICKS];  /* how many there were               */
	u32 nr_told, nr_picks;
	bool is_draining;
	bool is_violated;
	bool is_broken;                 /* more picks than fit               */
	char oracle[8];
	char text[256];
	/* replay */
	void (*on_event)(const struct explore_event *e, void *arg);
	void *event_arg;
	u32 move;
	struct next_step next[EXPLORE_MAX_CPUS];
	struct rng *rng;                /* picks what is not told; NULL: 0   */
};
extern struct explorer explorer;

/* A move is a CPU and a kind; sets of moves are masks of ids. */
static inline u32 id_of(u32 cpu, enum explore_kind kind)
{
	return cpu * NR_X_KINDS + kind;
}

/* moves_begin - take over the staged @sys; every task up to its first step. */
void moves_begin(struct sys *sys);
u32 moves_enabled(void);
/* Of these, what an end need not wait for. */
static inline u32 moves_idle(u32 mask)
{
	return mask & (u32)(0x1111111111111111ull << X_FILL);
}
/* moves_run - one move, with hardware's choices as explorer.pick says, 0 where
 * it says nothing. */
void moves_run(u32 id);
/* Nothing can happen any more: the end, or a deadlock. */
void moves_check_final(const struct explore_config *cfg);
/* Something did not fit into fixed space: no proof from here on. */
bool moves_lost_precision(void);
/* A saved state: arena, then the live stacks. */
struct snap {
	u32 bytes;
	u32 arena_used;
	struct cpu_ctx ctx[EXPLORE_MAX_CPUS];
	u32 live[EXPLORE_MAX_CPUS];
};

size_t snap_size(void);
void snap_save(struct snap *s);
struct snap *snap_take(void);           /* malloced; NULL without memory      */
void snap_restore(const struct snap *s);

/* The current state's key: the sum of the hashes of the arena's blocks, each seeded
 * with its place, so that what a move left alone need not be hashed again
 * (trail.h). */
#define STATE_BLOCK 64u
struct hash128 state_hash(void);
static inline struct hash128 state_block_hash(const u8 *arena, size_t i)
{
	return hash128_seeded(arena + i * STATE_BLOCK, STATE_BLOCK, i);
}

/* A state on the way down, and what is left to try there. */
struct frame {
	struct hash128 key;
	u32 todo;
	u32 sleep;
	u32 at;                 /* transition being explored, NR_IDS: none   */
	u8 pick[EXPLORE_MAX_PICKS];
	u8 options[EXPLORE_MAX_PICKS];
	u32 nr_told;
	mask128 at_rd, at_wr;   /* union over its outcomes                   */
	mask128 rd[NR_IDS], wr[NR_IDS];         /* of sleeping transitions   */
};

/* The frame's next move, or next outcome of it. Return: false at its end. */
bool frame_next(struct frame *f);

/* When a search has to stop: its clock began at the host time @start. */
struct budget {
	const struct explore_config *cfg;
	double start;
	double slice;           /* when the search was saved last             */
};
/* Not a budget: time to save. */
#define LIMIT_SLICE "slice"
double host_now(void);
/* Which budget is used up, given what @r counts and the bytes kept; NULL: none. */
const char *out_of_budget(const struct budget *b, const struct explore_result *r,
			  u64 bytes);

/* shortest.c: depth first through all schedules with at most @bound preemptions
 * from @start on; r->outcome, counts and, after a violation, r->moves.
 * Return: 0 or -ENOMEM. */
int bounded_search(const struct budget *budget, const struct snap *start,
		   u32 bound, struct explore_result *r);

/* sample.c: schedules at random. Return: as bounded_search. */
int sample(const struct budget *budget, const struct snap *start,
	   struct explore_result *r);

/* shortest.c: with a violation known to exist, replace r->moves by one with the
 * fewest context switches. Return: 0 or -ENOMEM. */
int shortest(const struct explore_config *cfg, struct snap *start,
	     struct explore_result *r);

/* livelock.c: with all states known to be good, one in which everybody runs and
 * nobody gets on: O14, with r->moves a way there and once round, or nothing new
 * in @r. Return: 0 or -ENOMEM. */
int livelock(const struct explore_config *cfg, const struct snap *start,
	     struct explore_result *r);
/* The schedule's moves from @loop on led back to the state they began in: is
 * that a livelock? @due: all moves that were possible on the way. */
void livelock_check(const struct explore_move *moves, u32 n, u32 loop, u32 due);

#endif
