/* events.h - for each emulated counter, what this host counts that it can be
 * laid beside.
 *
 * Threads: one.
 */
#ifndef HOST_EVENTS_H
#define HOST_EVENTS_H

#include "base/err.h"
#include "base/types.h"

enum host_pmu { PMU_ANY, PMU_HSW, PMU_SKX, PMU_ICX, PMU_SPR, PMU_ZEN, PMU_ARM,
		NR_HOST_PMUS };

struct host_event {
	enum host_pmu pmu;
	const char *counter;    /* name in base/counters.def                  */
	const char *native;
	const char *note;
};

extern const struct host_event host_events[];
extern const u32 nr_host_events;

/* host_pmu - whose table is this processor's; *@prefix: libpfm4's name for it,
 * "amd64_fam1ah_zen5", NULL: unknown. */
enum host_pmu host_pmu(const char **prefix);
enum host_pmu host_pmu_of(const char *vendor, u32 family, u32 model,
			  const char **prefix);

/* host_event_name - as PAPI, perf or /proc want it. */
const char *host_event_name(const struct host_event *ev, const char *prefix,
			    char *buf, size_t size);

/* host_event_state - 0: @name can be read here; else why not. */
int host_event_state(const char *name, struct err *e);

/* host_event_for - the event for @counter: the first that can be read, else the
 * first there is (*@state negative, why in @e). Return: NULL when there is
 * none. */
const struct host_event *host_event_for(const char *counter, int *state,
					struct err *e);

#endif
