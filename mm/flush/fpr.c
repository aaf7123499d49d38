/* FPR (F24), fast page recycling: munmap flushes nobody. A frame that comes free so
 * stays in its address space's cycle: the next fault of that address space may have
 * it, unflushed, and whatever else wants it has it flushed first, from those CPUs
 * that have not flushed since the munmap. Addresses are not given out again; where
 * a program names them itself, by MAP_FIXED, brk or mremap, they are flushed first
 * (ABA: else a CPU would go on reading what was there before).
 *
 * So it is no munmap as POSIX has it: a thread that goes on using what another one
 * gave back may hit what the program has in that frame by then. It never hits what
 * another address space, or the kernel, has. `tlbemu matrix` calls that lost.
 *
 * Assumed, as only abstract and introduction were at hand: every mapping is of the
 * kind that the paper has programs ask for; a cycle is an address space, and takes
 * in 4K pages that nobody else has, and pages of files that were mapped read-only;
 * what fills the page cache or breaks copy-on-write comes from outside of it, since
 * others may have that page, too; frames of a cycle are on the allocator's lists as
 * all others, so that it gets one back by chance; KSM, which has others share a
 * page, flushes all that its address space has.
 * Source: Schimmelpfennig, Brinkmann, Asadi, Salkhordeh, "Skip TLB flushes for
 * reused pages within mmap's", arXiv 2409.10946, 2024.
 */
#include <errno.h>

#include "mm/flush/clock.h"

/* Of a frame that is_unflushed. */
struct cycle {
	u32 ctx_id;             /* whose                                      */
	u32 zero;
	u64 stamp;              /* when it was last unmapped                  */
};

#define NOBODYS UINT32_MAX      /* more than one's                            */

static struct cycle *cycle_of(const struct page *p)
{
	struct cycle *all = *flush_clock_own();

	return &all[pfn_of(p)];
}

static int boot(struct sys *sys)
{
	int rc = flush_clock_boot(sys);

	if (rc)
		return rc;
	*flush_clock_own() = arena_alloc(&sys->arena, sys->mem.nr_frames *
					 sizeof(struct cycle));
	return *flush_clock_own() ? 0 : -ENOMEM;
}

/* May what others have cached go on leading to them? Not what may be written to the
 * file by; nor huge ones. */
static bool may_stay(const struct flush_batch *b, const u32 *pfn, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct page *p = page_of(pfn[i]);

		touch_flags(p, false);
		observe(p->is_ksm);
		if (p->order || p->is_tail || p->is_ksm ||
		    (p->is_file && b->was_writable))
			return false;
	}
	return true;
}

static void enter(struct page *p, struct mm *mm)
{
	struct cycle *c = cycle_of(p);

	/* In one go: of two that let go of a page of a file one finds the other. */
	touch(c, true);
	touch_flags(p, true);
	c->ctx_id = p->is_unflushed && c->ctx_id != mm->ctx_id ? NOBODYS
							       : mm->ctx_id;
	p->is_unflushed = 1;
	c->stamp = flush_clock_now();
	flush_clock_owe(p, mm);
}

static bool keep(struct flush_batch *b, const u32 *pfn, u32 n)
{
	if (!may_stay(b, pfn, n))
		return false;
	flush_tlb_alone(b);
	for (u32 i = 0; i < n; i++)
		enter(page_of(pfn[i]), b->mm);
	flush_free_pages(pfn, n);
	return true;
}

static bool freed(struct page *p)
{
	return p->is_unflushed;
}

static void given_out(struct page *p, u64 vpn)
{
	const struct cycle *c = cycle_of(p);

	touch_flags(p, true);
	observe(p->is_unflushed);
	if (!p->is_unflushed)
		return;
	touch(c, false);
	if (vpn != ANY_VPN && c->ctx_id == current()->mm->ctx_id) {
		COUNT(FRAMES_RECYCLED, 1);
		NOTE("frame %llu: the same program's again, no flush",
		     (unsigned long long)pfn_of(p));
		return;
	}
	p->is_unflushed = 0;
	flush_clock_older(c->stamp);
}

extern const struct flush_ops flush_fpr;
const struct flush_ops flush_fpr = {
	.name = "fpr",
	.summary = "munmap's frames go unflushed to the same process, flushed to others",
	.source = "Schimmelpfennig et al., FPR, arXiv 2409.10946, 2024 (abstract)",
	.defers = "what munmap took stays usable, also when the same program has its frame again, until the frame goes to others or the address is wanted again; else as deferred",
	.legal = FLUSH_ALL_OPS & ~FLUSH_BIT(FLUSH_MUNMAP),
	FLUSH_AT_THE_END,
	.boot = boot,
	.keep = keep,
	.claim = flush_clock_claim,
	.freed = freed,
	.given_out = given_out,
	.catching_up = flush_clock_catching_up,
	.caught_up = flush_clock_caught_up,
};
