/* pool.h - independent jobs in worker processes.
 *
 * The modelled machine is global to a process, so points of a comparison and
 * rows of a race table run in processes of their own: a crash costs one job,
 * and results do not depend on how many run at a time. Results come back in
 * job order, unless any_order.
 */
#ifndef EMU_POOL_H
#define EMU_POOL_H

#include "base/err.h"
#include "base/types.h"

struct pool {
	u32 nr_jobs;
	u32 nr_workers;                 /* 0: one per host CPU                */
	size_t result_bytes;            /* what @run fills in, plain data     */
	/* In a worker. Return: 0, or an exit status that ends the pool. */
	int (*run)(u32 job, void *result, void *arg);
	/* In the caller, as jobs end, in job order. NULL result: the worker
	 * died; @status is its wait status. */
	void (*done)(u32 job, const void *result, int status, void *arg);
	/* @done comes as soon as a job ends, in whatever order: for results
	 * that are kept at once. Memory then is for running jobs only. */
	bool any_order;
	void *arg;
	/* After each job that ended, in any order; may be NULL. */
	void (*progress)(u32 ended, u32 nr_jobs, void *arg);
	const volatile bool *stop;      /* may be NULL                        */
};

/* pool_run - Return: 0 when every job's @run returned 0, else the first
 * failing job's status, or negative errno. */
int pool_run(const struct pool *p);

#endif
