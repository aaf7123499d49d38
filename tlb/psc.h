/* psc.h - a core's paging-structure caches: what walks remember of the levels
 * above the leaf (x86: PML5E, PML4E, PDPTE, PDE caches; Arm: intermediate walk
 * results), so that a later walk may start lower.
 *
 * Passive hardware, as tlb.h: the walker asks and fills, invalidating
 * operations drop.
 *
 * An entry says: the table of level @level - 1 that translates @vpn is frame
 * @table, and the path to it allows @rights. Levels count from the leaf: a
 * PDE-cache entry has level 1 and names a page-table page.
 *
 * The threads of a core share the caches; each has PCIDs of its own. So what
 * an entry belongs to is a *space*, a thread and a PCID.
 *
 * Units:   vpn in 4 KiB pages, @table a pfn.
 * Cost:    every operation on one page is O(1) whatever the shape; dropping a
 *          space looks at every entry.
 * Source:  Intel SDM vol. 3, "Paging-Structure Caches".
 */
#ifndef TLB_PSC_H
#define TLB_PSC_H

#include "base/types.h"
#include "tlb/geometry.h"

#define PSC_MAX_LEVELS 5        /* [level]: 1 PDE, 2 PDPTE, 3 PML4E, 4 PML5E  */
#define PSC_MAX_ENTRIES 4096u   /* per level                                  */

struct psc_geometry {
	u32 nr_sets[PSC_MAX_LEVELS];    /* [level]; [0] unused                */
	u32 nr_ways[PSC_MAX_LEVELS];    /* 0: no such cache                   */
	char source[PSC_MAX_LEVELS][128];
};

struct psc;                     /* opaque                                     */

struct psc_hit {
	u32 level;              /* the walk goes on in the table of level - 1 */
	u64 table;              /* pfn of that table                          */
	u64 rights;             /* as filled                                  */
};

#define PSC_PCID_BITS 16        /* Arm's and RISC-V's; x86 has 12             */

static inline u32 psc_space(u32 thread, u16 pcid)
{
	return thread << PSC_PCID_BITS | pcid;
}

/* psc_create - empty; true LRU in each set. @bits: log2 of entries per table
 * (x86-64: 9); the set is the page number at the level modulo nr_sets.
 * Return: 0, -EINVAL (bad shape), -ENOMEM. */
int psc_create(struct psc **out, const struct psc_geometry *geo, u32 bits);
void psc_destroy(struct psc *p);

/* psc_lookup - the lowest level that is cached: PDE first, then up; what is
 * found becomes the youngest of its set, nothing else changes.
 * Return: false when the walk starts at the root. */
bool psc_lookup(struct psc *p, u32 space, u64 vpn, struct psc_hit *hit);

/* psc_fill - a walk read the entry of @level (present, not a leaf, A set). */
void psc_fill(struct psc *p, u32 space, u64 vpn, u32 level, u64 table,
	      u64 rights);

/* Invalidations. Return: entries dropped. INVLPG drops all of a space
 * (psc_flush_space). psc_invlpg_one is what a fault, or INVLPG under AMD's
 * EFER.TCE, drops: only those that would translate @vpn. */
u32 psc_flush_space(struct psc *p, u32 space);
u32 psc_flush_thread(struct psc *p, u32 thread);
u32 psc_flush_all(struct psc *p);
u32 psc_invlpg_one(struct psc *p, u32 space, u64 vpn);

u32 psc_nr_live(const struct psc *p);

/* For tests: NULL, or which invariant is broken. */
const char *psc_check(const struct psc *p);

#endif
