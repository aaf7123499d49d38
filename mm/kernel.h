/* kernel.h - a kernel version, or one patch on it, as data.
 *
 * The mm code is written once; each place where versions differ consults one
 * switch here. A fix is a switch, so that removing it (a mutation) is one too.
 */
#ifndef MM_KERNEL_H
#define MM_KERNEL_H

#include "base/types.h"
#include "mm/numa_rules.h"

/* How a change of protection tells movers that its flush is still to come. */
enum pending_kind {
	PENDING_NONE,
	PENDING_LAZY,           /* mm->numa_tlb_lazy, set by the scanner only */
	PENDING_BOOL,           /* mm->tlb_flush_pending := 1 .. := 0         */
	PENDING_COUNT,          /* mm->tlb_flush_pending ++ .. --             */
};

/* What stands between setting it and changing the entries. */
enum pending_order {
	ORDER_COMPILER,         /* nothing the hardware knows                 */
	ORDER_WMB_BEFORE,       /* a write barrier on the wrong side          */
	ORDER_MB,               /* smp_mb__before_spinlock                    */
	ORDER_PTL,              /* only the page-table lock that follows      */
};

/* Where the private THP NUMA migration looks at it, and flushes. */
enum thp_check {
	CHECK_NONE,
	CHECK_AFTER_INSTALL,    /* too late: the page has been copied         */
	CHECK_BEFORE_MIGRATE,   /* in the fault, before migration is called   */
	CHECK_IN_ISOLATE,       /* isolated, about to copy                    */
	CHECK_UNDER_PTL,        /* in the fault, under the PMD lock           */
	CHECK_LOCKLESS,         /* isolated, about to copy, no lock           */
	CHECK_LOCK_CYCLE,       /* as that, PMD lock taken and dropped around */
};

/* Who excludes walks of an anon_vma, and how. */
enum rmap_lock_kind {
	RMAP_LOCK_OWN,          /* each list's own lock                       */
	RMAP_LOCK_TRY,          /* own, then trylock of every VMA's other one,
				 * else from the beginning (posted)           */
	RMAP_LOCK_NESTED,       /* the same, waiting (posted)                 */
	RMAP_LOCK_SEQ,          /* own; a VMA of another one's is looked at
				 * again if it changed meanwhile (posted)     */
	RMAP_LOCK_HANDOVER,     /* the oldest ancestor's, learnt under the own
				 * one, which is dropped first (posted)       */
	RMAP_LOCK_ROOT,         /* the oldest ancestor's covers the family    */
};

/* exec puts the new program's arguments on a stack whose place it does not know
 * yet, and moves it: the VMA first, the entries then. */
enum exec_stack {
	EXEC_STACK_PLAIN,       /* walks may come in between                  */
	EXEC_STACK_CLEANS,      /* migration entries met are waited for and
				 * made to map what they name (posted)        */
	EXEC_STACK_LOCKS,       /* the anon_vma lock from one to the other
				 * (posted)                                   */
	EXEC_STACK_TEMP,        /* migration leaves such a VMA alone
				 * (a8bef8ff6ea1)                             */
	EXEC_STACK_TEMP_BETWEEN,        /* but only until the entries move    */
	EXEC_STACK_TEMP_EARLY,  /* but only until the VMA moves               */
};

/* When mremap flushes the old addresses. */
enum mremap_flush {
	MREMAP_FLUSH_LATE,      /* after the page-table locks                 */
	MREMAP_FLUSH_DIRTY_PEEKED,      /* under them if the entry looked dirty
					 * before it was taken away           */
	MREMAP_FLUSH_DIRTY,     /* under them if it was dirty                 */
	MREMAP_FLUSH_LOCKED,    /* under them                                 */
};

/* How mremap keeps walks from missing source and destination. */
enum mremap_order {
	MREMAP_ORDER_NONE,
	MREMAP_ORDER_TAIL,      /* a merged destination goes to the list's
				 * tail                                       */
	MREMAP_ORDER_TAIL_BOTH, /* and the source before moving back          */
	MREMAP_ORDER_LOCK,      /* the anon_vma's lock                        */
	MREMAP_ORDER_LOCK_NEEDED,       /* that unless the order is known     */
};

/* What tells those who find an entry cleared that reclaim has not flushed it. */
enum batch_debt {
	DEBT_NONE,
	DEBT_BOOL,              /* mm->tlb_flush_batched := 1; flush; := 0    */
	DEBT_COUNT,             /* announced and flushed, counted             */
};

/* What a fault looks at again once it has locked a page of the swap cache. */
enum swapin_recheck {
	RECHECK_NONE,
	RECHECK_CACHED,         /* that it is in the cache                    */
	RECHECK_SLOT,           /* for the same slot                          */
};

/* How a CPU in lazy TLB mode learns of flushes. */
enum lazy_tlb {
	LAZY_TLB_IPI,           /* interrupted like the others, and leaves    */
	LAZY_TLB_SKIP,          /* not: it catches up by tlb_gen              */
	LAZY_TLB_SKIP_BUT_TABLES,       /* not, unless page tables are freed  */
};

/* What switch_mm does to mm_cpumask. */
enum mask_update {
	MASK_ATOMIC,            /* clears and sets by locked operations       */
	MASK_PLAIN,             /* sets it by a store that may be late, and
				 * CR3 orders nothing (a model variant)       */
	MASK_LAZY,              /* leaves it set; sets it only if it is clear */
	MASK_LAZY_MB,           /* the same, with a barrier if it was set     */
};

/* When switch_mm says that CR3 is about to change. */
enum switch_mark {
	SWITCH_MARK_NONE,
	SWITCH_MARK_LATE,       /* after tlb_gen was read                     */
	SWITCH_MARK_FIRST,      /* before everything else                     */
};

/* Who of mm_cpumask is interrupted. */
enum flush_filter {
	FILTER_MASK,            /* all who are not lazy                       */
	FILTER_LOADED,          /* of these, who have the mm loaded           */
	FILTER_SWITCHING,       /* or may be about to                         */
};

/* When a page table that munmap unhooked is freed. */
enum table_free {
	TABLE_FREE_GATHERED,    /* with the pages, after the flush            */
	TABLE_FREE_RCU,         /* and after all who have interrupts off      */
	TABLE_FREE_NO_BATCH,    /* there is no memory to list it: at once,
				 * after an interrupt for all                 */
	TABLE_FREE_NO_BATCH_FLUSHED,    /* and after a flush                  */
	TABLE_FREE_IF_ALONE,    /* at once if the mm has one user, else
				 * gathered                                   */
};

/* An address space leaves a table of hugetlb pages to those who share it. */
enum hugetlb_unshare {
	UNSHARE_UNFLUSHED,      /* nothing is freed, so nothing is flushed    */
	UNSHARE_FLUSHED,        /* a4a118f2eead                               */
	UNSHARE_SYNCED,         /* and who walks without locks is waited for,
				 * before others have it alone (1013af4f585f) */
	UNSHARE_GATHERED,       /* the same once for all, after the flush, as
				 * part of mmu_gather (8ce720d5bd91)          */
	UNSHARE_GATHERED_WALKS, /* whose flush reaches walk caches, too, where
				 * only a table that is freed did (c2ff4764e03e) */
};

/* What reclaim does with a page that it comes by in a VM_LOCKED nonlinear mapping
 * on its way to another one, whose lock it has (R08). */
enum cluster_lock {
	CLUSTER_UNLOCKED,       /* sets PG_mlocked                            */
	CLUSTER_WAITS,          /* under the page's lock (considered)         */
	CLUSTER_TRIES,          /* if that can be had (57e68e9cd65b)          */
	CLUSTER_TRIES_UNLESS_MLOCKED,   /* and only if it is not set (posted) */
};

/* Whether munmap, and brk that gives memory back, let readers of mmap_lock in once
 * the VMAs are out of the mm (dd2283f2605e, 9bc8039e715d; 4.20). */
enum munmap_lock {
	MUNMAP_EXCLUSIVE,
	MUNMAP_DOWNGRADES,
	MUNMAP_DOWNGRADES_UNLESS_GROWN, /* not next to a VMA that may grow into the
				 * gap, which takes a reader (246c320a8cfe)   */
};

struct kernel {
	const char *name;
	const char *commit;     /* what it stands for                         */
	const char *summary;
	const char *evidence;   /* tag of the race catalogue                  */

	enum pending_kind pending;
	enum pending_order pending_order;
	enum thp_check thp_check;
	bool lazy_spans_loop;           /* PENDING_LAZY around the VMA loop   */
	bool is_thp_migration_generic;  /* migration entries for PMDs         */
	bool thp_install_flushes;       /* pmdp_clear_flush before the new PMD */
	bool numa_clear_holds_page_lock;
	bool page_wait_fifo;    /* who waited longest for a page is woken first;
				 * until 3510ca20ece0 (4.14, assumed id) who
				 * came last                                  */
	bool isolation_is_exclusive;    /* only who cleared PG_lru has it     */
	bool thp_recheck_after_lock;    /* pmd_same once the page is locked   */
	bool migrate_checks_count;      /* generic: references before copying */
	bool isolate_checks_count;      /* no pins when isolated, before copy */
	bool thp_recheck_pmd;           /* pmd_same before installing         */
	bool thp_recheck_count;         /* page_count before installing       */
	bool thp_recheck_count_after;   /* and after, rolling back            */
	bool gup_rechecks_pmd;          /* GUP-fast of a 4K page looks at the PMD
					 * again (70cbc3cc78a9)               */
	bool collapse_syncs;            /* khugepaged interrupts all CPUs once
					 * the table is unhooked (2ba99c5e0881) */
	bool gup_fast_sees_numa;        /* takes the slow path                */
	bool pte_accessible_pending;    /* non-present but unflushed counts   */
	bool numa_pte_present_first;    /* pte_mknonnuma before migrating     */
	bool pmd_migration_flushes;     /* generic: pmdp_invalidate flushes   */
	bool migrate_flushes;           /* 4K: ptep_clear_flush               */
	bool protect_flushes;           /* change_protection ends in a flush  */
	bool flushes_as_asked;  /* all of the range that a call is for, once an
				 * entry of it changed: until fb7332a9fedf
				 * (3.19, assumed id)                         */
	bool gather_knows_stride;       /* a gather of huge entries alone counts
					 * those, not 4K pages (about 5.19)   */
	bool gather_frees_early;        /* before the flush (a mutation)      */
	bool gather_range_short;        /* a full gather flushes all but the
					 * entry that filled it               */
	bool zap_spares_lru;    /* unmapping does not send pages in batches to
				 * the LRU lists first (Dec 2024)             */
	enum table_free table_free;
	enum hugetlb_unshare hugetlb_unshare;
	bool unshare_unmap_leaf;        /* by munmap it is flushed as leaf
				 * entries are                                */
	bool zap_flushes_dirty; /* munmap of what was stored to through a file
				 * mapping flushes under the page-table lock
				 * (1cf35d47712d)                             */
	bool zap_delays_rmap;   /* and only then is the page unmapped
				 * (5df397dec7c4)                             */
	bool delayed_rmap_ends_batch;   /* when there is one, no batch of pages
				 * is followed by another, nor the eight on
				 * the stack (until c47454823bd4)             */
	bool mkclean_walks;     /* page_mkclean does not ask first whether the
				 * page is mapped (a model variant)           */
	bool pfnmap_flushes;    /* munmap flushes frames that nobody counts
				 * before their VMA leaves the file's list
				 * (b67fbebd4cf9)                             */
	bool is_pae;            /* 32-bit x86: four entries at the top, which
				 * CR3 loads                                  */
	bool gather_flushes_top;        /* everything, if one of them went
				 * (1de14c3c5cbc)                             */
	bool tables_tell_devices;       /* a table goes when IOMMUs have dropped
				 * the path to it (Oct 2025)                  */
	bool retract_locks_rmap;        /* a file's page tables go under the
				 * locks that walks take (8d3c106e19e8)       */
	bool retract_is_shared; /* or, in any address space, with these held
				 * for reading only (1d65b771bc08)            */
	bool mremap_rechecks_table;     /* that there is one to be moved, once
				 * it has its locks (6fa1066fc5d0)            */
	enum cluster_lock cluster_lock;
	bool migrate_moves_mlock;       /* PG_mlocked goes along with the page */
	bool mmap_lock_in_two_lines;    /* its owner is not in its count's line, which
				 * is so by chance, or care (mm_types.h, 5.14
				 * to 6.0; derived)                           */
	enum munmap_lock munmap_lock;
	bool stack_grows_locked;        /* with mmap_lock held for writing
				 * (8d7071af8907, 6.5; from memory)           */
	bool rss_is_percpu;     /* f1a7941243c1 (6.2, assumed id)             */
	bool fault_locks_vma;   /* a fault takes its VMA's lock, not mmap_lock,
				 * unless a writer has that (6.4, assumed:
				 * from memory)                               */
	bool fault_around;      /* a read fault on a file maps what is in memory
				 * next to it (8c6e50b0290c)                  */
	bool gather_announces;          /* mmu_gather counts as a changer     */
	bool gather_checks_nested;      /* and with two open flushes all      */
	/* Mutations of announcing: */
	bool announces_late;            /* once the entries have changed      */
	bool retracts_early;            /* before the flush                   */
	bool nested_wants_three;        /* two open gathers are not enough    */
	bool nested_looks_early;        /* when the gather begins, not at its
					 * end                                */
	bool fork_links_at_head;        /* the child's VMA is walked first    */
	bool split_unwaited;            /* nobody waits for PMDs marked as
					 * splitting (a model variant)        */
	bool mremap_huge_unlocked;      /* moves huge PMDs without the anon_vma
					 * lock (until dd18dbc2d42a)          */
	bool fork_waits_migration;      /* fork waits on migration entries    */
	bool fork_flushes;              /* one flush of the parent at the end */
	bool cow_flushes;               /* ptep_clear_flush before the copy
					 * goes in                            */
	enum rmap_lock_kind rmap_lock;
	bool adjust_locks;              /* vma_adjust takes the anon_vma lock */
	bool rmap_counts;               /* the second walk of a migration goes on
					 * until it has met as many entries as
					 * the first one made (an idea)       */
	bool fault_repairs;             /* a migration entry of an unlocked page
					 * maps what it names (an idea)       */
	bool anon_vma_reuse;            /* a child may take over an ancestor's
					 * (7a3ef208e662, assumed id)         */
	enum exec_stack exec_stack;
	bool rmap_peeks;                /* remove_migration_pte looks at the
					 * entry before it takes the lock     */
	enum mremap_flush mremap_flush;
	enum mremap_order mremap_order;
	bool mremap_flushes;            /* at all                             */
	bool mremap_moves_tables;       /* whole page tables (2c91bd4a4e2e)   */
	bool mremap_moves_puds;         /* tables of them (c49dd3401802)      */
	bool mremap_table_locks_rmap;   /* under the anon_vma lock            */
	bool has_tlb_gen;
	bool uses_pcid;                 /* six address spaces a CPU           */
	enum lazy_tlb lazy_tlb;
	enum mask_update mask_update;
	enum switch_mark switch_mark;
	enum flush_filter flush_filter;
	bool switch_reads_gen_early;    /* before it is in the mask           */
	bool lazy_return_orders;        /* barrier before comparing tlb_gen   */
	bool gen_partial_is_next;       /* a ranged request is carried out as
					 * such only one after what is here   */
	bool gen_partial_is_newest;     /* and only if nothing came after it  */
	bool gen_read_first;            /* a responder reads the mm's before it
					 * looks whether it has caught up     */
	bool calls_join;                /* requests that find others waiting send
					 * no interrupt: 3fc5b3b6a80b, 4.13
					 * (assumed id and version)           */
	bool flush_is_sequential;       /* the own TLB first, then interrupts */
	bool flush_is_unordered;        /* without tlb_gen: the mask may be read
					 * before the entry is visible (a model
					 * variant)                           */
	bool range_flush_frees;         /* flush_tlb_range() may be of tables
					 * that go: 3ef938c35035              */
	bool ipi_by_active_mm;          /* the handler looks at active_mm; who is
					 * not there forgets the mm's slot    */
	bool use_mm_is_open;            /* kthread_use_mm() sets active_mm with
					 * interrupts on                      */
	bool asid_read_early;           /* broadcasts: the ASID, before the entry
					 * is visible                         */
	bool zap_is_plain;              /* entries cleared by a store (a model
					 * variant)                           */
	bool free_invalidates_huge;     /* MADV_FREE of a huge page flushes it
					 * while its bits change (58ceeb6bec86) */
	bool none_masks_ad;     /* an entry of A and D alone is none: some
				 * hardware sets them in cleared ones
				 * (97e3c602ccbd, assumed id)                 */
	bool thp_upgrade_is_free;       /* RO to RW of a huge page: no flush  */
	bool reader_without_ptl;        /* the mover learns of the entry from
					 * hardware alone (a model variant)   */
	u32 flush_ceiling;              /* pages; more is a full flush        */
	struct numa_rules numa;

	bool device_flushes_locked;     /* migrate_vma() under the page-table
				 * lock (60bae7370896)                        */
	bool migrate_rolls_over;        /* migration's flush is a new context
				 * number (alpha, dd5712f3379c^)              */
	/* Global ASIDs of INVLPGB (mutations): */
	bool asid_tag_first;    /* visible before the mark that others still use
				 * slots                                      */
	bool asid_passes_switching;     /* who is about to load the mm counts as
				 * not using it                               */
	bool asid_no_ipi;       /* those who use slots are not interrupted    */
	bool asid_batch_no_ipi; /* nor for reclaim's batch                    */
	bool asid_sync_elsewhere;       /* TLBSYNC on a CPU that broadcast nothing */
	bool migrate_batches;           /* migrate_pages() of many: one flush  */
	bool migrate_flushes_late;      /* that flush, once all are copied (a
					 * mutation)                          */
	bool reclaim_batches;           /* unmaps wait for one flush          */
	bool wmark_gap_is_quarter;      /* no watermark_scale_factor, until 4.5 */
	bool isolated_gives_up;         /* too_many_isolated(): after one sleep */
	bool isolated_wakes;            /* which ends early                   */
	bool batch_flushes;             /* that flush, before pages are freed */
	bool batch_flush_dirty;         /* and before they are written out    */
	bool pageout_batches;           /* pages are written once all of a batch
				 * are unmapped and flushed                   */
	bool swapin_flushes;            /* who has a page back before that flushes
				 * its address                                */
	bool batch_gen_is_invalid;      /* it is skipped by no generation     */
	bool uses_invlpgb;              /* where there is INVLPGB: flush_default() */
	bool batch_broadcasts;          /* started at once (Arm's TLBI)       */
	enum batch_debt batch_debt;
	bool debt_waits_only;           /* paid by a DSB of the payer's       */
	bool debt_after_relock;         /* and paid once more when the lock was
					 * dropped in between                 */
	bool debt_resets;               /* the counters begin anew in time    */
	bool ksm_checks_pending;        /* KSM flushes if somebody announced  */
	bool ksm_misses_migration;      /* break_ksm() takes a page under
				 * migration for one that is gone: until
				 * 5117b3b835f2                               */
	bool soft_dirty_announces;      /* clear_refs does                    */
	bool soft_dirty_flushes;        /* and flushes                        */
	bool soft_dirty_excludes;       /* under the mmap_lock for writing    */
	bool wp_checks_pending;         /* copy-on-write under userfaultfd's
					 * write protection flushes           */
	enum swapin_recheck swapin_recheck;
	bool swap_move_freezes;         /* the cache's page is replaced only if
					 * nobody has looked it up            */
	bool migrate_wants_mapped;      /* or cached: else it refuses         */
	bool pmd_shows_none;            /* change_huge_pmd: cleared for an
					 * instant                            */
	bool pmd_invalidate_peeks;      /* pmdp_invalidate reads, then stores:
					 * until d52605d7cb30                 */
	bool pmd_migrate_peeks;         /* a migration entry is made of what was
					 * read before the exchange           */
	bool huge_in_pieces;    /* a mapping of a huge page is split without the
				 * page (4.5)                                 */
	bool split_keeps_page;  /* and always so: a page of which a part is
				 * unmapped waits to be split when memory is
				 * wanted (4.5)                               */
	bool has_mthp;          /* anonymous pages between 4K and huge (mthp.h):
				 * 19eaf44954df (6.8)                         */
	bool split_batches;     /* which is then flushed once, not for each 4K
				 * (3027c6f8eb9d)                             */
	bool split_locks_page;  /* under the page's lock (c444eb564fb1)       */
	bool cow_locks_huge;    /* and so is a decision by the number of its
				 * mappings (assumed: as long as there are
				 * pieces; from memory: 4.13)                 */
	bool split_mixes_sizes;         /* a table replaces a huge page at once,
					 * the flush comes then (a model variant) */
	bool fork_forgets_dirty;        /* what makes an entry read-only takes
					 * its D, too (018e9828eb52^)         */
	bool cow_splits_huge;           /* a shared huge page is copied 4K by 4K, its
					 * mapping split (3917c80280c9, 5.8)  */
	bool cow_counts_refs;           /* reuse only without references      */
	bool cow_knows_exclusive;       /* or if the page was never shared    */
	bool gup_read_breaks;           /* GUP for reading breaks copy-on-write,
					 * as if for writing                  */
};

/* NULL-terminated, in the order `tlbemu list kernels` prints. */
extern const struct kernel *const kernels[];
const struct kernel *kernel_find(const char *name);

/* A part of a kernel taken away, by name. */
struct kernel_switch {
	const char *name;
	size_t offset;
	size_t bytes;
	u64 off_value;          /* what taking it away means                  */
	const char *help;
};
extern const struct kernel_switch kernel_switches[];    /* name NULL ends     */
const struct kernel_switch *kernel_switch_find(const char *name);

#endif
