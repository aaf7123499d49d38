#include "emu/cmd_search.h"

#include "base/suggest.h"
#include "mm/kernel.h"
#include "workloads/race.h"

#define MAX_NAMES 256

int search_no_race(const char *cmd, const char *name)
{
	const char *names[MAX_NAMES] = { NULL };
	char hint[128];
	u32 n = 0;

	for (u32 i = 0; races[i] && n + 2 < MAX_NAMES; i++) {
		names[n++] = races[i]->name;
		names[n++] = races[i]->id;
	}
	suggest_text(name, names, hint, sizeof(hint));
	return complain_usage(cmd, "'%s': no such race%s; 'tlbemu list races' "
			    "shows all", name, hint);
}

int search_no_kernel(const char *cmd, const char *name)
{
	const char *names[MAX_NAMES] = { NULL };
	char hint[128];

	for (u32 i = 0; kernels[i] && i + 1 < MAX_NAMES; i++)
		names[i] = kernels[i]->name;
	suggest_text(name, names, hint, sizeof(hint));
	return complain_usage(cmd, "--kernel=%s: no such kernel%s; 'tlbemu list "
			    "kernels' shows all", name, hint);
}
