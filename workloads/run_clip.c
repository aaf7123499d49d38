#include "workloads/run_clip.h"

u32 run_clip_count(struct run *r, u64 from, u64 count)
{
	if (from >= r->count || !count)
		return 0;
	if (count > r->count - from)
		count = r->count - from;
	r->va += (u64)r->stride * from;
	r->count = (u32)count;
	if (count == 1)
		r->stride = 0;
	return r->count;
}

/* Of @count addresses from @va on, @step apart upwards, how many are below
 * @limit? */
static u64 nr_below(u64 va, u64 step, u64 count, u64 limit)
{
	u64 n;

	if (va >= limit)
		return 0;
	n = step ? (limit - va - 1) / step + 1 : count;
	return n < count ? n : count;
}

u32 run_clip_va(struct run *r, u64 lo, u64 bytes)
{
	bool is_down = r->stride < 0;
	u64 step = is_down ? -(u64)r->stride : (u64)r->stride;
	u64 lowest = is_down ? r->va - step * (r->count - 1ull) : r->va;
	u64 before = nr_below(lowest, step, r->count, lo);
	u64 hi = lo + bytes, up_to;

	/* A range may end where the address space does. */
	up_to = hi < lo ? r->count : nr_below(lowest, step, r->count, hi);
	if (up_to <= before)
		return 0;
	return run_clip_count(r, is_down ? r->count - up_to : before,
			      up_to - before);
}
