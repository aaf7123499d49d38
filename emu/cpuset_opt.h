/* cpuset_opt.h - the text of --cpuset:
 *
 *	cpus=0-7,mems=0				all threads
 *	threads=0-3,mems=0:threads=4-7,mems=1	groups
 *	mems=0,memory_migrate=1,at=2s,mems=1	and a change after 2 s
 *
 * Errors: -EINVAL with what was expected and what Linux says of it.
 */
#ifndef EMU_CPUSET_OPT_H
#define EMU_CPUSET_OPT_H

#include "emu/numactl.h"
#include "mm/cpuset.h"

/* Does the text confine CPUs? Those need the scheduler. */
bool cpuset_binds_cpus(const char *text);

/* cpuset_parse - NULL is no group. */
int cpuset_parse(const char *text, const struct machine *m, u32 nr_cpus,
		 struct cpuset_config *out, struct err *e);

/* cpuset_compose - something of what the program itself asked for is left by its
 * group, to begin with. @asked: NULL, any CPU. */
int cpuset_compose(const struct cpuset_config *c, const struct cpuset *asked,
		   const struct mempolicy *mpol, struct err *e);

/* cpuset_check_threads - the run has threads of all groups. */
int cpuset_check_threads(const struct cpuset_config *c, u32 nr_threads,
			 struct err *e);

#endif
