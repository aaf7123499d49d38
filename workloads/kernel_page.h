/* kernel_page.h - for stages: one page of the kernel's own (mm/vmalloc.h), which
 * one CPU gives back, gets another one in its place and hands that on, under a
 * lock, to whoever uses it. There is one address only, so that the next page has
 * it as soon as the strategy lets go of it.
 */
#ifndef WORKLOADS_KERNEL_PAGE_H
#define WORKLOADS_KERNEL_PAGE_H

#include "mm/vmalloc.h"

struct kernel_page {
	struct spinlock lock;
	u32 nr_renewed;
	struct vmap_area *area;
};

/* Set-up, before the first address space; in the arena. Its part of the top table
 * is that of pages 0 and 1. NULL: out of memory. */
struct kernel_page *kernel_page_stage(void);

/* The page is given back, the frame that comes free becomes this program's page at
 * @vpn, and another one is handed on, with a word in it. */
void kernel_page_renew(struct kernel_page *p, u64 vpn);
/* Load that word, if it is there by now. */
void kernel_page_use(struct kernel_page *p);

#endif
