/* vmalloc.h - the kernel's own mappings: a range of addresses that every address
 * space has, where vmalloc() maps pages one by one. All top tables name the same
 * tables below them for it, and its translations are global: they outlive CR3.
 *
 * vfree() clears the entries and gives the frames back at once; nobody uses the
 * addresses until they are given out again. Before that every CPU must have
 * dropped what it still has of them, whatever address space it has loaded:
 * flush_ops.vunmapped decides when. Reads next to mm/vmalloc.c.
 *
 * Assumed: no page-table isolation as far as entries go (with it they are not
 * global), tables of this range are never freed, huge mappings and the per-CPU
 * blocks of vm_map_ram() are left out; free ranges are a list under one lock,
 * whose search takes no time (Linux: two locks, an augmented tree); areas come
 * from a pool of each system.
 *
 * Units: vpn, pages.
 */
#ifndef MM_VMALLOC_H
#define MM_VMALLOC_H

#include "mm/mm.h"

/* Addresses that are in use, or were: [start, end), the last a guard page in
 * timed runs. */
struct vmap_area {
	u64 start, end;
	struct vmap_area *next;
};

struct vmap {
	struct mm mm;           /* init_mm: the tables, nobody's program      */
	u64 first, end;         /* all under one entry of the top table       */
	u64 guard;              /* pages                                      */
	struct spinlock lock;   /* free_vmap_area_lock: what follows          */
	u32 zero;
	struct vmap_area *free; /* by address, no two of them touch           */
	struct vmap_area *spare;
};

/* vmalloc_boot - set-up, before the first address space: @nr pages from @first on,
 * in the part of the top table's entry there. Return: 0, -ENOMEM. */
int vmalloc_boot(u64 first, u64 nr);
/* The same of where x86-64's direct half begins, 512 GiB. */
int vmalloc_boot_timed(void);

/* do_vmalloc - @nr pages, mapped, writable, with any contents. NULL: no memory or
 * no addresses. do_vfree gives them back. */
struct vmap_area *do_vmalloc(u64 nr);
void do_vfree(struct vmap_area *a);
/* All that is put off is flushed when it returns (vm_unmap_aliases). */
void vm_unmap_aliases(void);

/* For strategies. vmap_release - every CPU has dropped what it had of the areas of
 * the list @a: their addresses may be given out. */
void vmap_release(struct vmap_area *a);

/* flush_tlb_kernel_range (tlb_kernel.c): on return no CPU has a translation of
 * [start, end) of the kernel's, whatever it runs, lazy or not. */
void flush_tlb_kernel_range(u64 start, u64 end);

/* A new address space's top table has the kernel's part. */
void vmalloc_join(struct mm *mm);

/* @vpn is of the part of the top table that is the kernel's. */
static inline bool vmalloc_has(u64 vpn)
{
	const struct vmap *v = mms()->vmap;
	const struct paging *pg = &the_sys->mem.paging;
	u32 order = paging_order(pg, pg->levels - 1u);

	return unlikely(v != NULL) && vpn >> order == v->first >> order;
}

#endif
