/* page_set.h - which pages a program touched. 16 to 32 bytes of memory for each
 * 256 KiB region touched; all zero is an empty set. */
#ifndef WORKLOADS_PAGE_SET_H
#define WORKLOADS_PAGE_SET_H

#include "base/types.h"

struct page_group;

struct page_set {
	struct page_group *slot;
	u32 shift;              /* 64 - log2(slots)                           */
	u64 used;               /* slots                                      */
};

/* page_set_add - Return: 1 when @vpn is new, 0 when not, -ENOMEM. */
int page_set_add(struct page_set *s, u64 vpn);

void page_set_free(struct page_set *s);

#endif
