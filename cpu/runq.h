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
 * The CPU that runs stays where it is while it does: who was beaten on its way
 * up, and who comes meanwhile, is all that it can meet (rival).
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
	u64 rival;              /* least key but that of the CPU that runs    */
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
	q->rival = RUNQ_NONE;
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

static inline void runq_set(struct runq *q, u32 cpu, u64 key)
{
	u64 *n = q->n;
	u32 i = q->nr + cpu;

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

/* runq_put - @cpu may run from @now on: it comes, or changes its mind. One that
 * does not run may only become earlier. */
static inline void runq_put(struct runq *q, u32 cpu, u64 now)
{
	u64 key = runq_key(q, cpu, now);

	assert(!(now >> 53));
	runq_set(q, cpu, key);
	if (key < q->rival)
		q->rival = key;
}

/* runq_remove - the CPU that ran waits. */
static inline void runq_remove(struct runq *q, u32 cpu)
{
	runq_set(q, cpu, RUNQ_NONE);
}

/* runq_run - @cpu, the first, runs. */
static inline void runq_run(struct runq *q, u32 cpu)
{
	const u64 *n = q->n;
	u64 rival = RUNQ_NONE;

	for (u32 i = q->nr + cpu; i > 1; i >>= 1) {
		u64 other = n[i ^ 1];

		rival = other < rival ? other : rival;
	}
	q->rival = rival;
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
