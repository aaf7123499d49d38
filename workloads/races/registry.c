#include <string.h>

#include "workloads/race.h"

extern const struct race race_thp_numa;

/* The order of `tlbemu list races`. */
const struct race *const races[] = { &race_thp_numa, NULL };

const struct race *race_find(const char *name)
{
	for (u32 i = 0; races[i]; i++)
		if (!strcmp(races[i]->name, name) || !strcmp(races[i]->id, name))
			return races[i];
	return NULL;
}
