/* bare.h - a timed machine without a kernel: CPUs run functions of the test's. */
#ifndef TESTS_BARE_H
#define TESTS_BARE_H

#include "cpu/timed.h"
#include "tests/point.h"

struct bare {
	struct machine *m;
	struct sys *sys;
	struct task task[8];
};

static inline void bare_make_with(struct bare *b, const char *topology, bool has_lines)
{
	memset(b, 0, sizeof(*b));
	OK(machine_create(&b->m, topology, NULL, &err));
	OK(sys_create(&b->sys, &(struct sys_config){
		.m = b->m, .arena_bytes = 1 << 26, .nr_cpus = b->m->nr_cpus,
		.paging = { .levels = 4, .bits = 9 }, .frames_per_node = 1024,
		.contend = { .has_lines = has_lines },
	}));
	OK(timed_install(b->sys));
}

static inline void bare_make(struct bare *b, const char *topology)
{
	bare_make_with(b, topology, false);
}

static inline void bare_start(struct bare *b, u32 cpu, void (*fn)(struct task *),
		       void *arg)
{
	b->task[cpu] = (struct task){ .fn = fn, .arg = arg, .cpu = cpu };
	OK(sys_start(&b->task[cpu]));
}

static inline void bare_free(struct bare *b)
{
	timed_remove(b->sys);
	sys_destroy(b->sys);
	machine_destroy(b->m);
}

#endif
