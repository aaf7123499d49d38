/* memory.h - physical memory as hardware sees it: page tables in frames, and a
 * few modelled words of contents per data frame where somebody checks them.
 *
 * x86-64 paging with the sizes as numbers, so that an explored machine can use
 * small tables (two levels of two entries) and the same walker:
 * real hardware is { .levels = 4, .bits = 9 }.
 *
 *  63   62..52    51..12     11   10   9   8     7    6 5  4 3 2    1    0
 * +----+--------+----------+----+----+---+-----+----+---+-+---+----+----+---+
 * | NX |        |   pfn    | MW | MIG|SWP| NUM | PS | D |A|   | US | RW | P |
 * +----+--------+----------+----+----+---+-----+----+---+-+---+----+----+---+
 * Bits 8..11 mean this only while P = 0 (bit 8 is G, global, while P = 1): NUM (PROT_NONE, the bit that marks a
 * NUMA hint), SWP (pfn is a slot of the swap device), MIG (migration entry), MW
 * (it was writable). Bits that software may use, present or not: SD, soft-dirty
 * (58), UWP, write-protected by userfaultfd (57), and special (56). FILE (55): nothing
 * is mapped there, pfn is the page of the file that a fault is to map. Bit 60 of a
 * large page is Arm's nT (arch_rules.has_nt), 52 of a leaf its Contiguous; both nothing elsewhere.
 */
#ifndef CPU_MEMORY_H
#define CPU_MEMORY_H

#include "base/arena.h"
#include "base/types.h"

#define PTE_P	(1ull << 0)
#define PTE_RW	(1ull << 1)
#define PTE_US	(1ull << 2)
#define PTE_A	(1ull << 5)
#define PTE_D	(1ull << 6)
#define PTE_PS	(1ull << 7)
#define PTE_G	(1ull << 8)
#define PTE_NUMA (1ull << 8)
#define PTE_SWAP (1ull << 9)
#define PTE_MIG	(1ull << 10)
#define PTE_MIG_W (1ull << 11)
/* A huge page about to be split (thp_split.c); hardware ignores it. */
#define PTE_SPLITTING (1ull << 59)
/* Of a frame that is nobody's page: a driver's, the zero page. */
#define PTE_SPECIAL (1ull << 56)
#define PTE_FILE (1ull << 55)
#define PTE_UFFD_WP (1ull << 57)
#define PTE_SOFT_DIRTY (1ull << 58)
#define PTE_SOFTWARE (PTE_UFFD_WP | PTE_SOFT_DIRTY)
#define PTE_NT	(1ull << 60)    /* Arm's block translation entry: tlb/arch.h  */
#define PTE_CONT (1ull << 52)   /* Arm's Contiguous: bbm.h                    */
#define PTE_NX	(1ull << 63)
#define PTE_PFN_MASK 0x000ffffffffff000ull

/* The kernel's own, in all address spaces. */
static inline bool pte_is_global(u64 pte)
{
	return (pte & (PTE_P | PTE_G)) == (PTE_P | PTE_G);
}

static inline u64 pte_pfn(u64 pte)
{
	return (pte & PTE_PFN_MASK) >> PAGE_SHIFT;
}

static inline u64 pte_make(u64 pfn, u64 flags)
{
	return pfn << PAGE_SHIFT | flags;
}

/* log2 of the bytes of the running machine's base page, which vpn and pfn count:
 * 12, or Arm's granules 14 and 16 (cpu/granule.h). Set by sys_create(). The pfn in
 * an entry is in its place of the figure above whatever this is. */
extern u32 page_shift;

static inline u64 page_bytes(void)
{
	return 1ull << page_shift;
}

struct paging {
	u8 levels;              /* tables from root to base page              */
	u8 bits;                /* log2 of entries per table                  */
};

struct memory {
	struct paging paging;
	u64 nr_frames;
	u32 lines_per_frame;    /* modelled words per frame, 0 = none         */
	u64 **table;            /* [nr_frames] entries, NULL: not a table     */
	u64 *line;              /* [nr_frames * lines_per_frame]              */
};

static inline u32 paging_entries(const struct paging *p)
{
	return 1u << p->bits;
}

/* log2 of base pages under one entry of @level (0 = leaf table). */
static inline u32 paging_order(const struct paging *p, u32 level)
{
	return p->bits * level;
}

/* paging_user_pages - programs have the pages below this. Real addresses are
 * canonical: the bits above those that the tables translate repeat the highest
 * one, and the half where it is set is the kernel's (x86-64 with 4 and 5 levels,
 * RISC-V Sv39, Sv48, Sv57). The small tables of explored stages are all the
 * program's, and those of Arm's larger granules (11, 13 bits): there the kernel
 * has tables of its own. Three levels of 13 bits reach beyond the 48 that Arm
 * translates. */
static inline u64 paging_user_pages(const struct paging *p)
{
	if (p->bits == 13)
		return 1ull << (48 - 16);
	return 1ull << (p->levels * p->bits - (p->bits == 9));
}

/* paging_reaches - is there an entry for @vpn at all? An address beyond is not
 * canonical, or the kernel's, of which nothing is mapped. */
static inline bool paging_reaches(const struct paging *p, u64 vpn)
{
	return !(vpn >> p->levels * p->bits);
}

static inline u32 paging_index(const struct paging *p, u64 vpn, u32 level)
{
	return (u32)(vpn >> paging_order(p, level)) & (paging_entries(p) - 1);
}

#endif
