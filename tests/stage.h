/* stage.h - a small machine with a kernel on it for tests that call mm functions
 * one after another, on the direct driver: the TLB keeps every stale entry for as
 * long as it may, and the oracles look.
 *
 * The machine is of RACE_STAGE_TOPOLOGY; TEST_MAIN_ON makes it.
 */
#ifndef TESTS_STAGE_H
#define TESTS_STAGE_H

#include "tests/check.h"

#include "emu/race_run.h"
#include "mm/oracle.h"
#include "workloads/race.h"

static struct machine *machine;
static struct sys *sys;

/* The program of a task that only the test acts for. */
static inline void nobody(struct task *t)
{
}

static inline void on(u32 cpu)
{
	this_cpu = &sys->cpu[cpu];
}

/* @race has a stage and neither rows nor programs. CPU 0 acts first. */
static inline void open_stage(const struct race *race, const char *kernel)
{
	const struct race_row row = { .id = "x", .kernel = kernel,
				      .memory = MEM_TSO, .stage = "x" };
	const struct race_options opt = { .is_reduced = true,
					  .may_speculate = true,
					  .may_evict = true };

	assert_int_equal(race_open(&sys, race, &row, kernel_find(kernel),
				   machine, &opt), 0);
	on(0);
}

/* Nothing is under way any more: contents, counts, TLBs are asked for. */
static inline void close_stage(void)
{
	on(0);
	oracle_quiescent();
	race_close(sys);
}

/* Seen by all before the next thread acts. Return: as cpu_access(). */
static inline int try_store(u64 vpn, u64 v)
{
	int rc = cpu_access(vpn, 0, true, &v);

	the_sys->drv.wait(NULL, NULL, NULL, 0);
	return rc;
}

static inline void must_store(u64 vpn, u64 v)
{
	assert_int_equal(try_store(vpn, v), 0);
}

static inline void must_load(u64 vpn, u64 want)
{
	u64 v = ~0ull;

	assert_int_equal(cpu_access(vpn, 0, false, &v), 0);
	assert_int_equal(v, want);
}

/* Counted by all CPUs. */
static inline u64 total(u32 id)
{
	u64 n = 0;

	for (u32 i = 0; i < sys->nr_cpus; i++)
		n += sys->cpu[i].count.v[id];
	return n;
}

#endif
