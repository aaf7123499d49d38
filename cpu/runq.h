/* runq.h - which CPU is next: the least clock, on a tie the lower number.
 *
 * A tournament: a leaf for each CPU, and in every node above the lesser of its
 * two. A CPU that comes, goes or changes its clock plays its way up until a
 * result stays as it was; nothing else moves, and the winner is at the top.
 *
 *	            n[1]                    key = clock << shift | number
 *	      n[2]        n[3]              RUNQ_NONE: waits for something
 *	   n[4] n[5]   n[6] n[7]            leaf of CPU i: n[nr + i]
 *
 * The CPU that runs keeps its leaf, with the key that it last had there.
 *
 * Units:   cycles, below 2^53, which is a month at 3 GHz.
 * Errors:  -ENOMEM of runq_create(); a clock beyond that is asserted.
 */
#ifndef CPU_RUNQ_H
#define CPU_RUNQ_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/types.h"

#define RUNQ_NONE UINT64_MAX

struct runq {
	u64 *n;
	u32 nr;                 /* leaves, a power of two                     */
	u32 shift;              /* its log2                                   */
	u32 nr_in;              /* CPUs that wait for nothing                 */
};

/* runq_create - empty, for CPUs 0 to @nr_cpus - 1. Return: 0, -ENOMEM. */
static inline int runq_create(struct runq *q, u32 nr_cpus)
{
	assert(nr_cpus && nr_cpus <= 1024);     /* 53 + 10 bits, and NONE     */
	q->shift = 0;
	while (1u << q->shift < nr_cpus)
		q->shift++;
	q->nr = 1u << q->shift;
	q->n = malloc(2 * q->nr * sizeof(*q->n));
	if (!q->n)
		return -ENOMEM;
	for (u32 i = 0; i < 2 * q->nr; i++)
		q->n[i] = RUNQ_NONE;
	q->nr_in = 0;
	return 0;
}

static inline void runq_free(struct runq *q)
{
	free(q->n);
	q->n = NULL;
}

static inline u64 runq_key(const struct runq *q, u32 cpu, u64 now)
{
	return now << q->shift | cpu;
}

/* runq_put - @cpu may run from @now on: it comes, or changes its mind. */
static inline void runq_put(struct runq *q, u32 cpu, u64 now)
{
	u64 *n = q->n, key = runq_key(q, cpu, now);
	u32 i = q->nr + cpu;

	assert(!(now >> 53));
	q->nr_in += n[i] == RUNQ_NONE;
	n[i] = key;
	while (i > 1) {
		u64 other = n[i ^ 1];

		i >>= 1;
		key = other < key ? other : key;
		if (n[i] == key)
			break;
		n[i] = key;
	}
}

/* runq_move - the first, which stays in, has another key: all the way up. Each level
 * is written out: a loop is as much again (a level is seven instructions). */
#define RUNQ_UP do { \
		u64 other = n[i ^ 1]; \
		i >>= 1; \
		key = other < key ? other : key; \
		n[i] = key; \
	} while (0)
static inline void runq_move(struct runq *q, u32 cpu, u64 key)
{
	u64 *n = q->n, i = q->nr + cpu;

	n[i] = key;
	switch (q->shift) {
	case 10: RUNQ_UP;       /* fallthrough */
	case 9: RUNQ_UP;        /* fallthrough */
	case 8: RUNQ_UP;        /* fallthrough */
	case 7: RUNQ_UP;        /* fallthrough */
	case 6: RUNQ_UP;        /* fallthrough */
	case 5: RUNQ_UP;        /* fallthrough */
	case 4: RUNQ_UP;        /* fallthrough */
	case 3: RUNQ_UP;        /* fallthrough */
	case 2: RUNQ_UP;        /* fallthrough */
	case 1: RUNQ_UP;        /* fallthrough */
	case 0: break;
	default: __builtin_unreachable();
	}
}
#undef RUNQ_UP

static inline void runq_remove(struct runq *q, u32 cpu)
{
	q->nr_in--;
	runq_move(q, cpu, RUNQ_NONE);
}

static inline bool runq_has(const struct runq *q, u32 cpu)
{
	return q->n[q->nr + cpu] != RUNQ_NONE;
}

/* The least key but @cpu's. */
static inline u64 runq_rival(const struct runq *q, u32 cpu)
{
	const u64 *n = q->n;
	u64 rival = RUNQ_NONE;

	for (u32 i = q->nr + cpu; i > 1; i >>= 1) {
		u64 other = n[i ^ 1];

		rival = other < rival ? other : rival;
	}
	return rival;
}

/* The key of the first; RUNQ_NONE, later than any, if there is none. */
static inline u64 runq_first(const struct runq *q)
{
	return q->n[1];
}

static inline u64 runq_time(const struct runq *q, u64 key)
{
	return key >> q->shift;
}

static inline u32 runq_cpu(const struct runq *q, u64 key)
{
	return (u32)key & (q->nr - 1);
}

#endif
