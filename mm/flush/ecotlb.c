/* ecoTLB (F23): LATR's munmap on CPUs whose TLBs tell address spaces apart. Who
 * has left one since, or idles, need not drop anything, and is not waited for: what
 * its TLB keeps is under a tag that is behind, which it finds when it comes back,
 * by the generation, and abandons. So nothing is read on a context switch, and
 * pages come free although some CPUs do not tick. Swap-out: ecotlb_swap.c.
 *
 * Assumed, since only the abstract was at hand: the states, their rings and what
 * they wait for are LATR's. Kernels without generations (before 4.14) sweep on
 * leaving, as LATR does, and swap out as usual.
 */
#include "mm/flush/ecotlb.h"
#include "mm/flush/latr.h"

static int boot(struct sys *sys)
{
	int rc = latr_boot(sys);

	if (!rc && kern()->has_tlb_gen) {
		latr_abandon_tags();
		rc = ecotlb_swap_boot(sys);
	}
	return rc;
}

static void tick(void)
{
	latr_tick();
	if (kern()->has_tlb_gen)
		ecotlb_swap_tick();
}

static void leave(void)
{
	if (!kern()->has_tlb_gen)
		latr_sweep();
}

extern const struct flush_ops flush_ecotlb;
const struct flush_ops flush_ecotlb = {
	.name = "ecotlb",
	.summary = "as latr, for swap-out, too; who has left abandons its tag instead",
	.source = "Maass et al., ecoTLB, ACM TACO 2020 (abstract)",
	.defers = "what munmap or reclaim in the background took stays usable, its frames and munmap's addresses are kept, until all CPUs that run there have ticked; pages marked for NUMA hints do not fault until then, or until one moves; else as deferred",
	.legal = FLUSH_ALL_OPS,
	LATR_HOOKS,
	.boot = boot,
	.tick = tick,
	.leave = leave,
	.swap_out = ecotlb_swap_out,
	.swapped = ecotlb_swapped,
};
