/* mmu.h - translation by the manual, for explored machines that ask for it
 * (sys.is_by_manual): A and D bits, rights of both levels, global entries,
 * PCIDs, paging-structure caches. Tables of one or two levels.
 *
 * Added to what the plain envelope does (tlb/envelope.h):
 *   - an entry with A clear is not cached: who caches it sets A first, and that
 *     is an event of its own (mmu_fills) unless an access does it;
 *   - a store through an entry with D clear reads the entry again and sets D;
 *   - a CPU does not read an entry while its own store to it is buffered;
 *   - an entry with P=1 and PS=0 above a leaf may be cached like a translation,
 *     and translations made through it later are possible, too;
 *   - what may be cached under a PCID stays when another is loaded.
 * A walk of two levels reads as two loads: an upper entry that was read before
 * it changed is a paging-structure cache's member, so one step does for both.
 *
 * Source: Intel SDM vol. 3, "Accessed and Dirty Flags", "Details of TLB Use",
 * "Invalidation of TLBs and Paging-Structure Caches".
 */
#ifndef CPU_MMU_H
#define CPU_MMU_H

#include "cpu/cpu.h"

/* What a page fault is about; in struct cpu's mmu_fault. */
enum mmu_fault {
	MMU_FAULT_PDE = 1,      /* upper entry not present                    */
	MMU_FAULT_PTE = 2,
	MMU_FAULT_RW = 4,
	MMU_FAULT_US = 8,
};

/* mmu_translate - one access's translation, a step of its own; hardware
 * chooses. Return: false is a fault, its classes in this_cpu->mmu_fault; the
 * entries it used are dropped. */
bool mmu_translate(u64 vpn, bool is_write, struct tlb_entry *e);

/* mmu_retire - *@pte, which translates @vpn at @level under @root, is about to
 * change: who may have cached what it says? @from_buffer: the change is a
 * buffered store of this_cpu, which has not read the entry since mmu_hold. */
void mmu_retire(u32 root, u64 vpn, u32 level, const u64 *pte, bool from_buffer);

/* mmu_hold - this_cpu's own store to *@pte enters its buffer now. */
void mmu_hold(u32 root, u64 vpn, u32 level, const u64 *pte);

/* ---- invalidations on this_cpu; the caller has stepped ---------------------- */

/* INVLPG; and what a shootdown's handler does, for all PCIDs. */
void mmu_invlpg(u64 vpn, bool all_pcids);
/* MOV CR3. */
void mmu_load_cr3(u32 root, u16 pcid, bool noflush);
/* The task is done: nothing cached here is used again. */
void mmu_quiet(void);

/* ---- fills that nobody asked for -------------------------------------------- */

#define MMU_MAX_FILLS 64

struct mmu_fill {
	u64 *word;
	u64 vpn;
	u32 level;
	u8 rights;              /* of the level above                         */
	u32 table;              /* pfn of the table that *word is in          */
	int member;             /* of the envelope, that led there; -1 memory */
};

/* mmu_fills - entries with P=1 and A=0 that @c may cache now, which sets A.
 * Return: how many. */
u32 mmu_fills(struct cpu *c, struct mmu_fill f[MMU_MAX_FILLS]);
/* One of them: A becomes 1, and what @c had cached instead is gone. */
void mmu_fill(struct cpu *c, const struct mmu_fill *f);

#endif
