/* Events of chases within and beyond each level. */
#include "calib/counted.h"

#include <errno.h>
#include <math.h>

static int events(struct mut *m, enum mut_page size, u64 pages,
		  struct mut_sample *s, struct err *e)
{
	const struct mut_chase c = { .size = size, .nr = mut_or_1(pages) };
	int rc = mut_chase(m, &c, s, e);

	/* Too many pages are no reason to stop: their events stay NAN. */
	return rc == -E2BIG || rc == -ENOTSUP ? 0 : rc;
}

static int one_level(struct mut *m, const struct calib_tlb *t, u32 size,
		     u32 level, struct calib_counted *out, struct err *e)
{
	const struct calib_level *l = &t->level[size][level];
	enum mut_event ev = level ? MUT_WALKS : MUT_L1_MISS;
	struct mut_sample s;
	int rc;

	if (!l->is_found)
		return 0;
	rc = events(m, (enum mut_page)size, l->entries * 3 / 4, &s, e);
	if (rc)
		return rc;
	out->below[size][level] = s.ev[ev];
	rc = events(m, (enum mut_page)size, l->entries * 2, &s, e);
	if (rc)
		return rc;
	out->above[size][level] = s.ev[ev];
	if (level && size == MUT_4K && s.ev[MUT_WALKS] > 0.1)
		out->walk_cycles = s.ev[MUT_WALK_CYCLES] / s.ev[MUT_WALKS];
	return 0;
}

static void forget(struct calib_counted *out)
{
	out->walk_cycles = NAN;
	for (u32 size = 0; size < NR_MUT_PAGES; size++)
		for (u32 level = 0; level < 2; level++)
			out->below[size][level] = out->above[size][level] = NAN;
}

int calib_counted(struct mut *m, const struct calib_tlb *t,
		  struct calib_counted *out, struct err *e)
{
	struct mut_sample s;
	int rc;

	forget(out);
	rc = events(m, MUT_4K, 8, &s, e);
	if (rc || (isnan(s.ev[MUT_L1_MISS]) && isnan(s.ev[MUT_WALKS])))
		return rc;
	for (u32 size = 0; size < NR_MUT_PAGES && !rc; size++)
		for (u32 level = 0; level < 2 && !rc; level++)
			rc = one_level(m, t, size, level, out, e);
	return rc;
}
