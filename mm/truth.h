/* truth.h - explored runs: what each page of each address space must contain,
 * and what its program may do with it. The oracles that compare accesses with
 * that are O1 (as a load sees it), O3, O4, O12 and O15.
 *
 * A page's value is that of its latest store in the order in which stores
 * commit. Calls that throw contents away make zero legal, too: while they run,
 * for pages stored to meanwhile for good, and after MADV_FREE until the next
 * store. One MADV_FREE that returns ends "meanwhile" for all that had dealt with
 * the page by then: none of them takes it away once more. One word of contents a page.
 */
#ifndef MM_TRUTH_H
#define MM_TRUTH_H

#include "mm/mm.h"

struct truth {
	u64 value;
	u8 rights;              /* VM_READ | VM_WRITE: what a call that has
				 * returned left; calls that give add theirs
				 * when they begin                            */
	u8 in_flight;           /* discarding calls under way                 */
	u8 may_be_zero : 1;
	u8 is_passed : 1;       /* an MADV_FREE under way has been here       */
	u8 is_tracked : 1;      /* clear_refs has returned since the start    */
	u8 is_untold : 1;       /* and a store came after it                  */
	u8 is_discarded : 1;    /* a call that has returned threw it away     */
	u8 is_private : 1;      /* what is stored here is not the file's      */
	u8 is_own : 1;          /* and something was                          */
	u8 file_page;           /* 1 + its place among all files' pages; 0:
				 * anonymous                                  */
	u32 moved_to;           /* by an mremap under way: vpn + 1            */
};

/* Of a file the page's truth is the file's, whoever maps it; a private mapping's
 * is that until the first store through it. */
int truth_boot_file(struct address_space *f);
/* What a stage's file has on disk. */
void truth_set_file(struct address_space *f, u64 index, u64 value);
struct truth *truth_of_file(const struct truth *t, bool is_write);
/* What the file has, in memory or on disk. Return: the page's frame, 0: none. */
u64 truth_file_contents(const struct truth *t, u64 *value);
/* At the end: is what the disk lacks known to be dirty? @dirty: by pfn, some entry
 * that maps it says so. */
void truth_files_quiescent(const u8 *dirty, u64 max_pfn);

int truth_boot(struct mm *mm);
/* The value of a stage. */
void truth_set(struct mm *mm, u64 vpn, u64 value);

/* What programs do, told by oracle.c. */
void truth_store(struct mm *mm, u64 vpn, u64 value);
void truth_load(struct mm *mm, u64 vpn, u64 value, u64 pfn);
/* At the end: every page of every mm, every count. */
void truth_quiescent(void);

#endif
