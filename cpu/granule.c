#include "cpu/granule.h"

#include <errno.h>
#include <stddef.h>

/* ORDER granule, ORDER arm_sizes */
const char *const granule_names[] = { "4k", "16k", "64k", NULL };
static const struct {
	u8 shift;
	u8 page, large;         /* TLB_HOLDS_16K ...                          */
} granules[NR_GRANULES] = {
	[GRANULE_4K] = { PAGE_SHIFT, 0, 0 },
	[GRANULE_16K] = { 14, TLB_HOLDS_16K, TLB_HOLDS_32M },
	[GRANULE_64K] = { 16, TLB_HOLDS_64K, TLB_HOLDS_512M },
};

/* An entry has eight bytes. */
static u32 table_bits(u32 shift)
{
	return shift - 3;
}

static void use_sizes(struct tlb_geometry *geo, enum granule g)
{
	geo->page_sizes =
		(geo->arm_sizes & granules[g].page ? TLB_HOLDS_4K : 0) |
		(geo->arm_sizes & granules[g].large ? TLB_HOLDS_2M : 0);
	if (!(geo->page_sizes & TLB_HOLDS_4K))
		geo->coalesce = 0;
	if (!(geo->page_sizes & TLB_HOLDS_2M))
		geo->coalesce_2m = 0;
}

static u32 most_threads(const struct machine *m)
{
	u32 most = 0;

	for (u32 i = 0; i < m->nr_cpus; i++)
		if (m->cpu[i].smt > most)
			most = m->cpu[i].smt;
	return most + 1;
}

int granule_use(struct machine *m, enum granule g, struct err *e)
{
	struct tlb_design d = m->tlb;
	const char *wrong;
	int array;

	if (g == GRANULE_4K)
		return 0;
	if (m->arch != ARCH_ARM)
		return err_set(e, -EINVAL, "--granule=%s: machine '%s' is %s, "
			       "whose base page is 4K; only Arm has others",
			       granule_names[g], m->name, m->rules.name);
	for (u32 i = 0; i < d.nr_arrays; i++)
		use_sizes(&d.array[i], g);
	d.leaf_bits = (u8)table_bits(granules[g].shift);
	wrong = tlb_design_error(&d, most_threads(m), &array);
	if (wrong)
		return err_set(e, -EINVAL, "--granule=%s: of profile '%s' "
			       "%s%s%s does not say that it holds %s pages "
			       "(sizes = 4k, %s, ...)", granule_names[g],
			       m->name, array < 0 ? "level 1" : "[tlb.",
			       array < 0 ? "" : d.array[array].name,
			       array < 0 ? "" : "]", granule_names[g],
			       granule_names[g]);
	m->tlb = d;
	m->page_shift = granules[g].shift;
	return 0;
}

struct paging granule_paging(const struct machine *m, u32 levels)
{
	if (m->page_shift == PAGE_SHIFT)
		return (struct paging){ .levels = (u8)levels, .bits = 9 };
	return (struct paging){
		.levels = 3, .bits = (u8)table_bits(m->page_shift),
	};
}
