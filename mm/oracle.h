/* oracle.h - what must never happen, watched from outside the kernel.
 *
 * O1 lost store, O2 write after free, O3 stale read, O4 permission, O5
 * migration entry, O6 count, O7 mlock, O8 page-table page, O9 flush done, O10 tlb_gen,
 * O11 mixed size, O12 dirty loss, O15 COW leak, O16 pin; definitions in docs/oracles.md. What
 * is known of frames is in oracle.c, of TLBs in oracle_tlb.c, what must be in
 * pages in truth.c. In
 * explored runs a violation ends the execution; in timed runs under --check it
 * is counted, with the time since the translation went stale.
 *
 * The truth of a word: its home is the frame that holds the authoritative
 * bytes. It moves from F to F' at the instant a mover reads the word from F,
 * provided the mover succeeds; a store to F after that is lost.
 */
#ifndef MM_ORACLE_H
#define MM_ORACLE_H

#include "mm/mm.h"

enum oracle {
	O1_LOST_STORE = 1 << 0,
	O2_WRITE_AFTER_FREE = 1 << 1,
	O3_STALE_READ = 1 << 2,
	O4_PERM = 1 << 3,
	O5_MIGENT = 1 << 4,
	O9_FLUSH_DONE = 1 << 5,
	O13_DEADLOCK = 1 << 6,
	O16_PIN = 1 << 7,
	O6_COUNT = 1 << 8,
	O12_DIRTY_LOSS = 1 << 9,
	O15_COW_LEAK = 1 << 10,
	O14_LIVELOCK = 1 << 11,         /* fired by the explorer, as O13      */
	O8_PTPAGE = 1 << 12,
	O10_TLBGEN = 1 << 13,
	O11_MIXED_SIZE = 1 << 14,
	O7_MLOCK = 1 << 15,             /* PG_mlocked, and how many have it   */
	O7_UNLOCKED = 1 << 16,          /* set without the page's lock        */
};

bool oracle_is_on(enum oracle o);
#define FIRE(o, ...) \
	do { \
		if (oracle_is_on(o)) \
			cpu_violation(oracle_name(o), __VA_ARGS__); \
	} while (0)

int oracle_boot(struct sys *sys, const struct mm_config *cfg);
/* oracle_tlb.c. Return: 0, -ENOMEM. */
int oracle_boot_tlb(struct sys *sys);
void oracle_shutdown(void);

void oracle_alloc(struct page *p);
void oracle_free(struct page *p);
/* A mover read frame @src to copy it to @dst. */
void oracle_copied(u64 src, u64 dst);
/* It installed the new page (the move counts), or gave up. */
void oracle_moved(struct page *src);
void oracle_move_aborted(struct page *src);
/* A store to a frame commits; a load returned. */
void oracle_store(u32 cpu, u64 vpn, u64 pfn, u32 line, u64 value);
void oracle_load(u64 vpn, u64 pfn, u32 line, u64 value);
/* The kernel wrote to a page of @mm where nobody has it loaded yet. */
void oracle_kernel_stored(struct mm *mm, u64 vpn, u64 pfn, u64 value);
/* A device store through a pin. */
void oracle_pinned_store(u64 vpn, u64 pfn, u32 line, u64 value);
/* A load through a reference that @mm took when it saw @then; a store to what
 * must still be its page. */
void oracle_pinned_load(struct mm *mm, u64 vpn, u64 then, u64 value);
void oracle_pin_is_home(struct mm *mm, u64 vpn, struct page *page);
void oracle_migration_entry(struct page *p);
/* A fault met @e, which nobody wrote, at @vpn. */
void oracle_bad_entry(u64 vpn, u64 e);
/* A walk of @page's mappings met @n, and there are @want: else a kernel BUG. */
void oracle_counted(struct page *page, u32 n, u32 want, const char *how);
/* PG_mlocked of @page is about to be set; the page is freed; all is done. */
void oracle_mlocks(struct page *page);
void oracle_mlocked_free(struct page *page);
void oracle_mlocked_end(void);
/* The kernel goes on with an object of @refcount references. */
void oracle_object_used(u32 refcount, const char *what);
/* @p is a page table from now on, until it is freed. Somebody reads the table
 * in frame @pfn without a lock. */
void oracle_table(struct page *p);
void oracle_table_freed(u64 pfn);
void oracle_walks(u64 pfn);
/* The table in frame @pfn belongs to @mm, too; or no longer. A walk of @mm reads
 * it. (hugetlb.h) */
void oracle_table_shared(u64 pfn, const struct mm *mm);
void oracle_table_left(u64 pfn, const struct mm *mm);
void oracle_walks_of(const struct mm *mm, u64 pfn);
/* Explored: *@pmdp was just stored to, and maps @vpn by @level now: no CPU may
 * hold the other size. */
void oracle_one_size(struct mm *mm, u64 vpn, const u64 *pmdp, u32 level);
/* A flush of [start, end) became generation @gen of @mm. @cpu noted that it
 * has caught up, or loaded another address space. */
void oracle_flush_gen(struct mm *mm, u64 start, u64 end, u64 gen);
void oracle_tlb_gen(u32 cpu);
/* The entry of @level for @vpn, that was @old, lost rights by this CPU, whose next
 * flush is for that (flush_ops.revoked). */
void oracle_revoked(u64 vpn, u32 level, u64 old);
/* A synchronous flush of [start, end) begins and has returned. */
void oracle_flush_begin(struct mm *mm, u64 start, u64 end, bool is_debt);
void oracle_flush_end(struct mm *mm, u64 start, u64 end, bool spares_own);
/* What it spared of this CPU's is gone, too. */
void oracle_own_dropped(struct mm *mm);
/* Calls, see truth.h. mmap: fresh pages. mprotect or munmap of the range
 * returned with these rights, or begins and will add them. */
void oracle_mapped(struct mm *mm, u64 start, u64 end, u32 vm_flags);
void oracle_rights(struct mm *mm, u64 start, u64 end, u32 vm_flags);
void oracle_may(struct mm *mm, u64 start, u64 end, u32 vm_flags);
/* munmap, MADV_DONTNEED (@is_zero), MADV_FREE (may be, not must). */
void oracle_discard_begin(struct mm *mm, u64 start, u64 end);
void oracle_discard_end(struct mm *mm, u64 start, u64 end, bool is_zero);
/* MADV_FREE has dealt with these entries: stores that come after the return of
 * any call that found them so are to stay. */
void oracle_may_drop(struct mm *mm, u64 vpn, u64 nr_pages);
/* The VMA, fresh, maps pages of its file (truth_file.c). */
void oracle_mapped_file(const struct vma *v);
/* remap_file_pages: @vpn of the VMA maps page @index of the file. */
void oracle_remapped(const struct vma *v, u64 vpn, u64 index);
/* The file ends at page @first: begun, or returned. Reclaim drops @page, which
 * the disk is to give back. */
void oracle_truncate(struct address_space *f, u64 first, bool is_over);
void oracle_file_dropped(struct page *page);
/* mremap: it begins; entries change their place; nothing is left at @from. */
void oracle_move_begin(struct mm *mm, u64 new, u64 nr_pages, u32 vm_flags);
void oracle_pages_move(struct mm *mm, u64 from, u64 to, u64 nr_pages);
void oracle_move_end(struct mm *mm, u64 from, u64 nr_pages);
/* clear_refs returns: stores from now on must leave a trace. */
void oracle_tracked(struct mm *mm);
void oracle_forked(struct mm *child, struct mm *parent);
/* Reclaim drops a page that it takes for clean. */
void oracle_dropped_clean(struct mm *mm, u64 vpn);
/* The same, of a page whose contents a swap entry is to give back. */
void oracle_dropped_saved(struct page *page, u64 entry);
/* Explored: all is done; do contents equal the truth, and counts? */
void oracle_quiescent(void);
/* Timed, checked: an entry was used by @n accesses. */
void oracle_used(const struct tlb_entry *e, u64 vpn, bool is_write, u32 n);
/* Timed, checked: the entry at @vpn changed so that old translations are
 * stale from now on. */
void oracle_stale_from_now(struct mm *mm, u64 vpn, u64 nr_pages);

/* Distribution of the time from a translation's going stale to a use of it,
 * cycles, power-of-two buckets: [i] counts uses in [2^i, 2^(i+1)). */
#define WINDOW_BUCKETS 40
struct window_stat {
	u64 hits[WINDOW_BUCKETS];
	u64 store_hits[WINDOW_BUCKETS];
	u64 max_cycles;
};

const char *oracle_name(enum oracle o);
/* Parse "O1" .. "O16". Return: 0 when unknown. */
u32 oracle_by_name(const char *name);

#endif
