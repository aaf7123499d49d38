/* Counters as software-defined events. The only user of libsde. */
#include "emu/sde.h"

#include <dlfcn.h>
#include <errno.h>
#include <sde_lib.h>
#include <stdio.h>
#include <string.h>

#include "emu/timed_point.h"

static u64 retired[NR_SDE_EVENTS];

static struct {
	void *lib;
	papi_handle_t (*init)(const char *library);
	int (*register_cb)(papi_handle_t handle, const char *event, int mode,
			   int type, papi_sde_fptr_t fn, void *arg);
	int (*describe)(papi_handle_t handle, const char *event,
			const char *text);
} sde;

s64 sde_value(u32 nr)
{
	u64 v = retired[nr];

	if (!the_sys || the_sys->is_explored)
		return (s64)v;
	if (nr < NR_COUNTERS)
		for (u32 i = 0; i < the_sys->nr_cpus; i++)
			v += the_sys->cpu[i].count.v[nr];
	else if (nr == SDE_CYCLES)
		v += this_cpu ? this_cpu->now : 0;
	else
		v += this_cpu ? this_cpu->cycles[nr - SDE_CATEGORY(0)] : 0;
	return (s64)v;
}

void sde_retire(const struct counters *count, u64 elapsed_cycles,
		const u64 *cycles)
{
	for (u32 i = 0; i < NR_COUNTERS; i++)
		retired[i] += count->v[i];
	retired[SDE_CYCLES] += elapsed_cycles;
	for (u32 i = 0; i < NR_CYCLE_CATS; i++)
		retired[SDE_CATEGORY(i)] += cycles[i];
}

const char *sde_name(u32 nr, char *buf, size_t size)
{
	if (nr < NR_COUNTERS)
		snprintf(buf, size, "%s", counter_info[nr].name);
	else if (nr == SDE_CYCLES)
		snprintf(buf, size, "cycles");
	else
		snprintf(buf, size, "cycles.%s",
			 cycle_cat_names[nr - SDE_CATEGORY(0)]);
	return buf;
}

static const char *help_of(u32 nr)
{
	if (nr < NR_COUNTERS)
		return counter_info[nr].help;
	if (nr == SDE_CYCLES)
		return "cycles of the modelled machine";
	return cycle_cat_help[nr - SDE_CATEGORY(0)];
}

static long long read_event(void *arg)
{
	return sde_value((u32)(uintptr_t)arg);
}

static void *find(const char *name)
{
	return dlsym(sde.lib, name);
}

static int load(struct err *e)
{
	sde.lib = dlopen("libsde.so.1", RTLD_NOW | RTLD_GLOBAL);
	if (!sde.lib)
		return err_set(e, -ENOENT, "libsde.so.1 cannot be loaded "
			       "(Debian: apt-get install libsde1)");
	*(void **)&sde.init = find("papi_sde_init");
	*(void **)&sde.register_cb = find("papi_sde_register_counter_cb");
	*(void **)&sde.describe = find("papi_sde_describe_counter");
	if (sde.init && sde.register_cb && sde.describe)
		return 0;
	sde.lib = NULL;
	return err_set(e, -ENOENT, "libsde.so.1 lacks papi_sde_init and its "
		       "like");
}

int sde_export(struct err *e)
{
	static bool is_done;
	papi_handle_t handle;
	int rc = is_done ? 0 : load(e);

	if (rc || is_done)
		return rc;
	handle = sde.init("tlbemu");
	for (u32 i = 0; i < NR_SDE_EVENTS && !rc; i++) {
		char name[96];

		sde_name(i, name, sizeof(name));
		rc = sde.register_cb(handle, name,
				     PAPI_SDE_RO | PAPI_SDE_DELTA,
				     PAPI_SDE_long_long, read_event,
				     (void *)(uintptr_t)i);
		sde.describe(handle, name, help_of(i));
	}
	if (rc)
		return err_set(e, -EIO, "libsde: an event cannot be registered "
			       "(%d)", rc);
	is_done = true;
	return 0;
}
