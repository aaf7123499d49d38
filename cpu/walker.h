/* walker.h - page walks: from the root, or from the lowest level that a
 * paging-structure cache holds, to a leaf of any size.
 *
 * Both walks set missing A bits, and D for a store, with a locked update in the
 * step that read the entry, and install nothing unless every entry used is
 * present with A set. Without hw_sets_a, hw_sets_d (tlb/arch.h) the leaf's bits
 * are the kernel's to set: an access through A = 0, a store through D = 0 is a
 * fault; A of upper entries is not looked at.
 * Source: Intel SDM vol. 3, "Accessed and Dirty Flags", "Caching Translation
 * Information"; Arm ARM DDI 0487 D8.16, RISC-V privileged specification,
 * Svade.
 *
 * An address that the tables do not reach (paging_reaches(): not canonical, or
 * the kernel's) is a fault, from no entry.
 *
 * No-execute is not enforced: fetches need what loads need.
 */
#ifndef CPU_WALKER_H
#define CPU_WALKER_H

#include "cpu/cpu.h"

/* walk_stray - explored, in the caller's step: A and D go into the last level's entry
 * for @vpn, which is not present (enum stray_bits). Return: there is such an entry. */
bool walk_stray(u64 vpn);

/* walk_explored - all of it in the step that the caller took: an upper entry
 * that was read before it changed is one that a paging-structure cache holds.
 * @from: such a member of the envelope, where the walk begins; NULL: the root.
 * Return: false is a page fault. */
bool walk_explored(u64 vpn, bool is_write, const struct tlb_entry *from,
		   struct tlb_entry *e);

/* walk_timed - all of it in the step that the caller took: other CPUs see the
 * whole walk at its beginning.
 * *cycles: what its loads cost, whatever the outcome; without data caches
 * COST_WALK_LOAD each.
 * The entry is that of the leaf, or with nested paging of the smaller of the
 * guest's and the EPT's page. Return: false is a page fault; then e->flags is
 * TLB_FAULTS if *@e may be cached as an entry that gives a fault, else 0. */
bool walk_timed(u64 vpn, enum tlb_use use, struct tlb_entry *e, u64 *cycles);

/* walk_prefetch_host - the host's memory that a walk for @vpn will read last, if
 * it is for a 4K page; nothing modelled changes. */
void walk_prefetch_host(u64 vpn);

/* walk_near_check - this_cpu->near is of the tables that are loaded now, or of
 * nowhere. */
void walk_near_check(void);

/* walk_verdict - what the tables say to an access now; nothing changes, nothing
 * is charged. */
enum walk_verdict {
	WALK_ALLOWS,
	WALK_FORBIDS,           /* not present, or no right to store          */
	WALK_LACKS_A,           /* only that, or D, and hardware does not set */
	WALK_LACKS_D,
};
enum walk_verdict walk_verdict(u64 vpn, bool is_write);

/* walk_table_of - the frame of the table whose entry of @level translates @vpn
 * under @root; 0: there is none. */
u64 walk_table_of(u32 root, u64 vpn, u32 level);

/* The size a leaf is counted in: 0 4K, 1 2M, 2 1G; with Arm's larger granules the
 * base page and what a leaf of one and two levels more maps. */
static inline u32 walk_size(u32 order)
{
	return tlb_leaf_size(order, the_sys->mem.paging.bits);
}

#endif
