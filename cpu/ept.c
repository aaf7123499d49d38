#include "cpu/ept.h"

#include <errno.h>
#include <stdlib.h>

#include "cpu/caches.h"

#define BITS 9
#define LEVELS 4u

struct ept {
	u32 leaf;               /* level of the leaf: 0 4K, 1 2M, 2 1G        */
	u64 base[LEVELS];       /* [level] first frame of its tables          */
	struct psc *psc;
	struct cache *ntlb;     /* of guest frame >> order                    */
};

/* Tables of @level for that many frames. */
static u64 nr_tables(u64 nr_frames, u32 level)
{
	return ((nr_frames - 1) >> BITS * (level + 1)) + 1;
}

u64 ept_end_frame(u64 nr_frames)
{
	u64 end = nr_frames;

	for (u32 i = 0; i < LEVELS; i++)
		end += nr_tables(nr_frames, i);
	return end;
}

int ept_create(struct ept **out, u64 nr_frames, u32 order,
	       const struct psc_geometry *psc, u32 nested_entries)
{
	const struct cache_geometry ntlb = {
		.bytes = (u64)nested_entries << CACHE_LINE_SHIFT,
		.nr_ways = nested_entries,
	};
	struct ept *ept;
	u64 at = nr_frames;
	int rc = 0;

	if (order % BITS || order / BITS > 2 || !nr_frames)
		return -EINVAL;
	ept = calloc(1, sizeof(*ept));
	if (!ept)
		return -ENOMEM;
	ept->leaf = order / BITS;
	for (u32 i = 0; i < LEVELS; i++) {
		ept->base[i] = at;
		at += nr_tables(nr_frames, i);
	}
	if (psc)
		rc = psc_create(&ept->psc, psc, BITS);
	if (psc && !rc)
		rc = cache_create(&ept->ntlb, &ntlb, nr_frames);
	if (rc) {
		ept_destroy(ept);
		return rc;
	}
	*out = ept;
	return 0;
}

void ept_destroy(struct ept *ept)
{
	if (!ept)
		return;
	psc_destroy(ept->psc);
	cache_destroy(ept->ntlb);
	free(ept);
}

u32 ept_order(const struct ept *ept)
{
	return ept->leaf * BITS;
}

u32 ept_translate(struct ept *ept, u64 gfn, u64 line[EPT_MAX_LOADS])
{
	u32 level = LEVELS, n = 0;
	struct psc_hit hit;

	if (ept->ntlb && cache_access(ept->ntlb, gfn >> ept_order(ept), NULL))
		return 0;
	if (ept->psc && psc_lookup(ept->psc, 0, gfn, &hit))
		level = hit.level;
	while (level-- > ept->leaf) {
		u64 entry = gfn >> BITS * level;

		line[n++] = caches_line(ept->base[level] + (entry >> BITS),
					(entry & ((1u << BITS) - 1)) * 8);
		if (level > ept->leaf && ept->psc)
			psc_fill(ept->psc, 0, gfn, level,
				 ept->base[level - 1] + entry, 0);
	}
	return n;
}
