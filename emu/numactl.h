/* numactl.h - the options that numactl(8) has, for the modelled program: which
 * CPUs its threads may run on and where its memory comes from.
 *
 * Errors: -EINVAL with the option, its value and what the machine has.
 */
#ifndef EMU_NUMACTL_H
#define EMU_NUMACTL_H

#include "base/err.h"
#include "cpu/machine.h"
#include "mm/mempolicy.h"
#include "mm/sched.h"

struct numactl_cfg {
	const char *physcpubind, *cpunodebind;  /* NULL: any                  */
	const char *membind, *interleave, *preferred;   /* at most one        */
	bool localalloc;
};

/* numactl_cpus - the CPUs, of the first @nr_cpus, that both binds allow.
 * *@is_bound: one was given. */
int numactl_cpus(const struct numactl_cfg *cfg, const struct machine *m,
		 u32 nr_cpus, struct cpuset *out, bool *is_bound,
		 struct err *e);

int numactl_policy(const struct numactl_cfg *cfg, const struct machine *m,
		   struct mempolicy *out, struct err *e);

/* numactl_list - @take(@arg, n) for each number of @text, "0-3,8" or "all", below
 * @end; @option and @what are for the error's text. */
int numactl_list(const char *option, const char *text, const char *what, u32 end,
		 void (*take)(void *arg, u32 n), void *arg, struct err *e);

#endif
