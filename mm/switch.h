/* switch.h - which address space a CPU has loaded, what its TLB still holds of
 * others, and what flushers may know of it: cpu_tlbstate of arch/x86/mm/tlb.c.
 *
 * A kernel thread, or the idle task, borrows the address space of whoever ran
 * before it (lazy TLB): the root stays loaded, the CPU stays in mm_cpumask, and
 * flushers need not interrupt it, since before it runs that program again it
 * compares its generation with the mm's. Only who frees page tables must.
 *
 * With PCIDs a CPU keeps the translations of six address spaces apart. Each
 * slot remembers whose it is and up to which flush it has caught up; whoever
 * takes a slot that is behind, or another's, flushes it. PCID = slot + 1, as
 * Linux has it; with page-table isolation user code runs under that | 2048 and
 * what is flushed of it is put off to the return to user mode: not modelled,
 * one root serves both. Without PCIDs there is one slot, and loading CR3 drops
 * it.
 *
 * Three generations meet: mm->tlb_gen (flushes begun), a slot's (caught up
 * with), flush_req.new_gen (what one flush brings). Invariant (O10): a slot
 * holds nothing that a flush up to its generation has named.
 */
#ifndef MM_SWITCH_H
#define MM_SWITCH_H

#include "mm/mm.h"

#define NR_ASID_SLOTS 6
/* In place of a slot: the mm's own tag, which broadcasts keep up to date. */
#define SLOT_GLOBAL NR_ASID_SLOTS

struct asid_slot {
	u64 ctx_id;             /* 0: nobody's                                */
	u64 tlb_gen;
};

/* Other CPUs read the first two. Each in a line of its own, as since 5.13. */
struct tlb_state {
	u64 is_lazy;
	u64 pad[7];
	u64 loaded_mm;          /* a struct mm *, 0: the kernel's own; or
				 * MM_SWITCHING                               */
	u32 slot;               /* of loaded_mm                               */
	u32 next_slot;
	struct asid_slot ctx[NR_ASID_SLOTS];
	u64 active_mm;          /* ipi_by_active_mm: a struct mm *            */
	u64 entering;           /* asid.c: the struct mm * about to be loaded */
	u64 flush_pending;      /* asid.c: all of the TLB, before a new ASID  */
	u64 pad2[7];
};

/* CR3 is about to change. */
#define MM_SWITCHING 1u
/* The kernel's own address space: no user pages, no flushes. */
#define KERNEL_CTX_ID UINT32_MAX

static inline struct tlb_state *tlb_state_of(u32 cpu)
{
	return &mms()->tlb_state[cpu];
}

/* What this CPU itself finds there, its buffered stores included. No step:
 * nobody else writes it. */
struct mm *my_loaded_mm(void);
bool am_lazy(void);

/* Set-up: @mm is what this CPU has loaded, in its first slot. */
void tlb_state_begin(struct mm *mm);

/* An interrupt for @mm, where handlers look at active_mm. */
void flush_by_active_mm(const struct mm *mm);

/* In an interrupt, @mm is loaded: under its own tag, if it has got one by now.
 * Return: it is, and broadcasts see to it. */
bool adopt_global_tag(struct mm *mm);

/* asid_new - a number for an address space that has none of this generation;
 * may begin another one. */
u64 asid_new(void);
/* asid_enter - with interrupts off, before @mm's number is loaded: it has one of
 * this generation, and nothing that the TLB holds is under that from before.
 * asid_entered: it is loaded. */
void asid_enter(struct mm *mm);
void asid_entered(void);

/* In an interrupt or with interrupts off: go to the kernel's own root. */
void leave_mm(void);

/* Where flushes do not make lazy CPUs leave: before @mm's root is freed, those
 * that idle with it loaded do. Linux keeps the root as long as one has it
 * (mm_count), or does this (MMU_LAZY_TLB_SHOOTDOWN, 6.4). */
void shoot_lazies(struct mm *mm);

#endif
