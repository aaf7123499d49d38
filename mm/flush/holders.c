#include "mm/flush/holders.h"

#include <errno.h>
#include <string.h>

struct notes {
	u64 start, end;         /* equal: nothing noted                       */
	u64 is_anybody;
	u64 mask[MM_CPUMASK_WORDS];
};

/* First in mms()->flush_state of who uses it. */
static struct notes *mine(void)
{
	struct notes *n = *(struct notes **)mms()->flush_state +
			  this_cpu->id;

	touch(n, true);
	return n;
}

int holders_boot(struct sys *sys)
{
	struct notes **n = mms()->flush_state;

	*n = arena_alloc(&sys->arena, sys->nr_cpus * sizeof(**n));
	return *n ? 0 : -ENOMEM;
}

void holders_note(u64 vpn, u64 nr_pages, const u64 *mask)
{
	struct notes *n = mine();

	if (n->start == n->end) {
		n->start = vpn;
		n->end = vpn + nr_pages;
	}
	if (vpn < n->start)
		n->start = vpn;
	if (vpn + nr_pages > n->end)
		n->end = vpn + nr_pages;
	n->is_anybody |= !mask;
	for (u32 w = 0; mask && w < (the_sys->nr_cpus + 63) / 64; w++)
		n->mask[w] |= mask[w];
}

void holders_narrow(const struct flush_req *r, u64 *to)
{
	struct notes *n = mine();

	if (n->start != n->end && !n->is_anybody && !r->freed_tables &&
	    r->start >= n->start && r->end <= n->end) {
		touch(to, true);
		for (u32 w = 0; w < (the_sys->nr_cpus + 63) / 64; w++)
			to[w] &= n->mask[w];
	}
	memset(n, 0, sizeof(*n));
}
