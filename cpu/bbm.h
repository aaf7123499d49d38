/* bbm.h - break-before-make: on architectures that need it (Arm), replacing a
 * valid page-table entry by a valid one that maps elsewhere, or another size,
 * takes three steps: write an invalid entry, invalidate on every CPU that may
 * hold the old one, write the new entry. Whoever skips one is counted.
 *
 * Timed runs only, on machines whose architecture has needs_bbm. For each
 * entry that was valid once and is not yet invalidated everywhere, a record
 * keeps the old entry and the CPUs still to invalidate: those that had the
 * tables loaded when it was replaced.
 *
 * How a large page becomes a table or a table a large page of the same frames,
 * by level of FEAT_BBM:
 *   0  as anything else: invalid entry, invalidation, new entry;
 *   1  (has_nt) through the large page with nT set, which is never cached: set nT,
 *      invalidate, write the table; or write the large page with nT, invalidate,
 *      clear nT;
 *   2  (may_resize) at once.
 * The Contiguous hint of a leaf (PTE_CONT) is as a size: it changes at level 0 by the
 * three steps, at 1 and 2 at once. What arrays join they join by looking at the
 * neighbours, hint or not; a table whose hint lies makes no block.
 * Frames that change need all three steps at any level. What a table holds that
 * replaces a leaf is looked at only when it is written later; what a table held
 * that a leaf replaces counts as one entry, which only an invalidation of the
 * whole address space takes away.
 *
 * Where entries of two sizes came to be cached, lookups that find both are counted
 * (tlb_conflicts), at every level: level 2 allows the change at once and may still
 * raise the abort. Nothing is aborted; one of the entries is used. A changed hint
 * leads to none, which is allowed: an array that takes a block drops its single pages.
 *
 * Not modelled: changes of memory type, and that equal contents excuse a read-only entry that moves (contents
 * are not compared).
 *
 * Source: Arm ARM DDI 0487, D8.17.1 to D8.17.3, R_WHZWS, R_DDMVT, R_KFLJB,
 * R_KHRBC, R_BLRKC; assumed: what level 1 asks for step by step.
 */
#ifndef CPU_BBM_H
#define CPU_BBM_H

#include "tlb/arch.h"

struct bbm;

int bbm_create(struct bbm **out, u32 nr_cpus, u32 table_bits,
	       const struct arch_rules *rules);
void bbm_destroy(struct bbm *b);

/* bbm_changed - the entry of @level for @vpn under @root went from @old to
 * @new; @may_hold (bit per CPU) have the tables loaded, under the tag @asid.
 * Return: true for a violation. */
bool bbm_changed(struct bbm *b, u32 root, u16 asid, u64 vpn, u32 level, u64 old,
		 u64 new, const u64 *may_hold);

#define BBM_ANY_ASID UINT32_MAX

/* CPU @cpu invalidated @vpn, or everything, under the tag @asid or under any. It
 * need not have the tables loaded any more. */
void bbm_invalidated_page(struct bbm *b, u32 cpu, u32 asid, u64 vpn);
void bbm_invalidated_all(struct bbm *b, u32 cpu, u32 asid);

/* The same as bbm_invalidated_page() for who has the tables @root loaded. */
void bbm_invalidated_loaded(struct bbm *b, u32 cpu, u32 root, u64 vpn);

/* Records kept: entries whose old translation some CPU may still hold. */
u64 bbm_nr_open(const struct bbm *b);

#endif
