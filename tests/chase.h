/* chase.h - whole runs in a line, for tests of walks. */
#ifndef TESTS_CHASE_H
#define TESTS_CHASE_H

#include "tests/point.h"

/* @in_order: no running ahead. */
static inline struct timed_result *
run(const struct workload *w, const char *const *pairs, bool in_order)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, w, pairs);
	s.p.is_in_order = in_order;
	r = point_run(&s);
	point_free(&s);
	return r;
}

static inline struct timed_result *chase(const char *const *pairs)
{
	return run(workload_find("chase"), pairs, false);
}

#endif
