#include <string.h>

#include "workloads/matrix.h"
#include "workloads/race.h"

extern const struct race
	race_collapse,
	race_hugetlb,
	race_cow_huge,
	race_cow_pin,
	race_dirty_bit,
	race_dontneed,
	race_exec_stack,
	race_fork_migration,
	race_migrate_batch,
	race_mlock,
	race_free,
	race_free_pae,
	race_global_asid,
	race_ksm_unmerge,
	race_migrate_flush,
	race_file_zap,
	race_file_tables,
	race_mremap_flush,
	race_mremap_order,
	race_mremap_tables,
	race_pmd_none,
	race_put_off,
	race_reclaim_batch,
	race_split,
	race_stack,
	race_stray,
	race_swap_cache,
	race_switch_mm,
	race_thp_numa,
	race_thp_numa_large,
	race_vma_adjust,
	race_watch;

/* The order of `tlbemu list races`. */
const struct race *const races[] = {
	&race_fork_migration,
	&race_vma_adjust,
	&race_exec_stack,
	&race_swap_cache,
	&race_mremap_order,
	&race_split,
	&race_thp_numa,
	&race_mlock,
	&race_reclaim_batch,
	&race_dontneed,
	&race_mremap_flush,
	&race_mremap_tables,
	&race_cow_huge,
	&race_cow_pin,
	&race_free,
	&race_free_pae,
	&race_hugetlb,
	&race_file_zap,
	&race_switch_mm,
	&race_global_asid,
	&race_watch,
	&race_collapse,
	&race_file_tables,
	&race_pmd_none,
	&race_stack,
	&race_dirty_bit,
	&race_stray,
	&race_migrate_batch,
	&race_migrate_flush,
	&race_ksm_unmerge,
	&race_put_off,
	NULL
};

/* In no list: what takes minutes. */
static const struct race *const large_races[] = { &race_thp_numa_large, NULL };

static const struct race *find_in(const struct race *const *list,
				  const char *name)
{
	for (u32 i = 0; list[i]; i++)
		if (race_is(list[i], name))
			return list[i];
	return NULL;
}

bool race_is(const struct race *race, const char *name)
{
	return !strcmp(race->name, name) || !strcmp(race->id, name) ||
	       !strcmp(name, "all");
}

const struct race *race_find(const char *name)
{
	const struct race *r = find_in(races, name);

	if (!r)
		r = find_in(matrix_races, name);
	return r ? r : find_in(large_races, name);
}
