/* array_all.c - many hits at once.
 *
 * A hit changes nothing but its set's policy state. Of fifo and random not even
 * that. To lru it puts the way in front, to the policies of bits it writes
 * constants into bits that are always the same for a way: whatever an earlier hit
 * of the same way did there is written over by its last one. So a sequence of
 * hits comes to the same as the last hit of each way, in the order of those. */
#include "tlb/array.h"

#define MAX_PAGES 128u          /* more are refused: no digest gains by so many */

_Static_assert((u32)USE_LOAD == (u32)TLB_LOAD &&
	       (u32)USE_STORE == (u32)TLB_STORE &&
	       (u32)USE_FETCH == (u32)TLB_FETCH, "ORDER run_use");

static const struct tlb_memo *find(struct tlb_array *a, u16 pcid, u64 page)
{
	enum tlb_use use = (enum tlb_use)(page & 3);
	const u32 flags = use == TLB_STORE ? TLB_W | TLB_D : 0;
	const struct tlb_memo *m;

	m = tlb_array_memo_find(a, use, pcid, page >> 2, flags);
	if (likely(m))
		return m;
	if (!tlb_array_memo_make(a, use, pcid, page >> 2))
		return NULL;
	return tlb_array_memo_find(a, use, pcid, page >> 2, flags);
}

bool tlb_array_hit_all(struct tlb_array *a, u16 pcid, const u64 *page, u32 n,
		       u64 nr_lookups)
{
	struct {
		struct tlb_replacer *repl;
		u32 set, way;
	} hit[MAX_PAGES];

	if (unlikely(n > MAX_PAGES))
		return false;
	for (u32 i = 0; i < n; i++) {
		const struct tlb_memo *m = find(a, pcid, page[i]);

		if (unlikely(!m))
			return false;
		hit[i].repl = &m->unit->repl;
		hit[i].set = m->set;
		hit[i].way = m->way;
		if (unlikely(!repl_only_last_counts(hit[i].repl, m->set,
						   m->way)))
			return false;
	}
	for (u32 i = 0; i < n; i++)
		repl_hit(hit[i].repl, hit[i].set, hit[i].way);
	a->stats.lookups += nr_lookups;
	return true;
}
