/* ecotlb.h - swap-out without interrupts: ecoTLB's second half (ecotlb_swap.c). */
#ifndef MM_FLUSH_ECOTLB_H
#define MM_FLUSH_ECOTLB_H

#include "mm/flush.h"

int ecotlb_swap_boot(struct sys *sys);
/* flush_ops.tick, beside LATR's; .swap_out; .swapped. */
void ecotlb_swap_tick(void);
bool ecotlb_swap_out(struct page *const *page, u32 n, const u64 *to);
/* The same, once CPUs that go on running have ended @ticks catch-ups. */
bool ecotlb_swap_out_after(struct page *const *page, u32 n, const u64 *to,
			   u32 ticks);
u32 ecotlb_swapped(struct page **page, bool is_urgent);

#endif
