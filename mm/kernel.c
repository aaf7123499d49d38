#include <string.h>

#include "mm/kernel.h"

/* What every kernel of these does; a mutation takes one away. */
#define SOUND SOUND_BUT_SWAP, SWAP(RECHECK_SLOT, true, true)
#define SOUND_BUT_SWAP \
	.thp_recheck_pmd = true, .thp_recheck_count = true, \
	.isolation_is_exclusive = true, .thp_recheck_after_lock = true, \
	.migrate_checks_count = true, .migrate_moves_mlock = true, \
	.migrate_flushes = true, .protect_flushes = true, \
	.pmd_migration_flushes = true, .fork_flushes = true, \
	.cow_flushes = true, .mremap_flushes = true, \
	.batch_flushes = true, .batch_flush_dirty = true, \
	.swapin_flushes = true, \
	.lazy_return_orders = true, \
	.gen_partial_is_next = true, .gen_partial_is_newest = true

/* The swap cache: what faults look at again, who may move its pages. */
#define SWAP(recheck, freezes, wants_mapped) \
	.swapin_recheck = (recheck), .swap_move_freezes = (freezes), \
	.migrate_wants_mapped = (wants_mapped)

/* What walks of mappings rely on since 2.6.36. */
#define RMAP_2_6_36 .adjust_locks = true, .rmap_lock = RMAP_LOCK_ROOT, \
	.exec_stack = EXEC_STACK_TEMP

/* Reclaim batches its flushes from 4.3. */
#define BATCHED(debt) \
	.reclaim_batches = true, .batch_debt = (debt), .debt_resets = true

/* Who looks for flushes to come, or announces his own: KSM looks, clear_refs
 * announces and flushes, copy-on-write under userfaultfd looks. */
#define WATCH(ksm, announces, flushes, wp) \
	.ksm_checks_pending = (ksm), .soft_dirty_announces = (announces), \
	.soft_dirty_flushes = (flushes), .wp_checks_pending = (wp)

/* Mappings of files, from 3.15, 5.19, 6.2. */
#define FILES_3_15 .zap_flushes_dirty = true, .fault_around = true, \
	.cluster_lock = CLUSTER_TRIES
#define FILES_5_19 .pfnmap_flushes = true
#define FILES_6_2 .zap_delays_rmap = true, .rss_is_percpu = true

/* mremap: from 3.7 (4.9 to 4.18: with MREMAP_FLUSH_DIRTY); 4.19; whole tables
 * from 4.20; safely from 5.14. */
#define MREMAP_3_7 RMAP_2_6_36, .mremap_order = MREMAP_ORDER_LOCK_NEEDED
#define MREMAP_4_19 MREMAP_3_7, .mremap_flush = MREMAP_FLUSH_LOCKED
#define MREMAP_5_14 MREMAP_4_19, .mremap_moves_tables = true, \
	.mremap_moves_puds = true, \
	.mremap_table_locks_rmap = true

/* munmap lets readers in from 4.20 (without looking at stacks until 5.8). */
#define MUNMAP_4_20 .munmap_lock = MUNMAP_DOWNGRADES
#define MUNMAP_5_8 .munmap_lock = MUNMAP_DOWNGRADES_UNLESS_GROWN

/* 3.8 to 4.17: the private THP NUMA migration. tlb_flushall_shift of a part
 * that 3.12 does not know is 6: 512 entries >> 6 = 8 pages. */
#define PRIVATE(install, clear, gup, ceiling) \
	SOUND, MREMAP_3_7, .thp_install_flushes = (install), \
	.numa_clear_holds_page_lock = (clear), .gup_fast_sees_numa = (gup), \
	.thp_recheck_count_after = (gup), .isolate_checks_count = true, \
	.numa_pte_present_first = true, .flush_ceiling = (ceiling)
#define V3_12 PRIVATE(true, true, true, 8), .numa = NUMA_V3_12, \
	.flushes_as_asked = true

/* From 3.13: the range is announced, movers and pte_accessible() look. */
#define ANNOUNCED(kind, ceiling) \
	PRIVATE(true, true, true, ceiling), .pending = (kind), \
	.pte_accessible_pending = true
#define V3_13 ANNOUNCED(PENDING_BOOL, 8), .numa = NUMA_V3_13, \
	.flushes_as_asked = true
#define ANNOUNCED_3_15(kind) ANNOUNCED(kind, 33), FILES_3_15
/* A huge page that several map, in pieces for some: from 4.5; copy-on-write counts
 * under its lock. */
#define PIECES .huge_in_pieces = true, .split_keeps_page = true, \
	.cow_locks_huge = true
#define V4_13 ANNOUNCED_3_15(PENDING_COUNT), PIECES, .calls_join = true, .none_masks_ad = true, .numa = NUMA_V4, .gather_announces = true, \
	.gather_checks_nested = true, \
	.anon_vma_reuse = true, BATCHED(DEBT_BOOL), \
	WATCH(true, true, true, false)
#define V4_14 V4_13, .isolated_gives_up = true, .pending_order = ORDER_PTL, \
	.thp_check = CHECK_UNDER_PTL, .page_wait_fifo = true

static const struct kernel v3_8 = {
	.name = "v3.8", .commit = "b32967ff101a", .evidence = "S",
	.summary = "THP NUMA migration without any flush of its own (the rest as v3.12)",
	PRIVATE(false, true, true, 8), .numa = NUMA_V3_12,
};

static const struct kernel v3_11_clear = {
	.name = "v3.12-rc5", .commit = "3f926ab945b6^", .evidence = "S",
	.summary = "page lock dropped, then NUMA cleared (the rest as v3.12)",
	PRIVATE(true, false, true, 8),
};

static const struct kernel v3_12 = {
	.name = "v3.12", .commit = "3f926ab945b6", .evidence = "S",
	.summary = "scanner defers its flush, migration does not ask (GUP as fixed in 3.13)",
	V3_12,
};

static const struct kernel ksm_migrates = {
	.name = "v3.9-rc+ksm", .commit = "5117b3b835f2^", .evidence = "S",
	.summary = "pages of KSM migrate, break_ksm() does not wait for it (the rest as v3.12)",
	V3_12, .ksm_misses_migration = true,
};

static const struct kernel v3_12_gup = {
	.name = "v3.12-gup", .commit = "2b4847e73004^", .evidence = "S",
	.summary = "v3.12 exactly: GUP-fast takes NUMA huge pages",
	PRIVATE(true, true, false, 8),
	.numa = NUMA_V3_12,
};

static const struct kernel too_late = {
	.name = "v3.12+too-late", .commit = "PATCH 14/15, Dec 2013",
	.evidence = "seed",
	.summary = "flush if a scan raced, after the new PMD is in place",
	V3_12, .pending = PENDING_LAZY, .pending_order = ORDER_WMB_BEFORE,
	.thp_check = CHECK_AFTER_INSTALL,
};

static const struct kernel tlb_lazy = {
	.name = "v3.12+numa_tlb_lazy", .commit = "posted 2013-12-05",
	.evidence = "S",
	.summary = "flag around change_prot_numa, checked before migrating",
	V3_12, .pending = PENDING_LAZY, .pending_order = ORDER_WMB_BEFORE,
	.thp_check = CHECK_BEFORE_MIGRATE,
};

static const struct kernel tlb_lazy2 = {
	.name = "v3.12+numa_tlb_lazy-v2", .commit = "posted 2013-12-05 (mash-up)",
	.evidence = "seed",
	.summary = "flag around the scanner's loop, checked after isolation",
	V3_12, .pending = PENDING_LAZY, .pending_order = ORDER_WMB_BEFORE,
	.lazy_spans_loop = true, .thp_check = CHECK_IN_ISOLATE,
};

static const struct kernel pending_bool = {
	.name = "v3.13-rc+pending", .commit = "20841405940e", .evidence = "S",
	.summary = "tlb_flush_pending, a bool, checked under the PMD lock",
	V3_13, .pending_order = ORDER_COMPILER, .thp_check = CHECK_UNDER_PTL,
};

static const struct kernel pending_barrier = {
	.name = "v3.13-rc+barrier", .commit = "af2c1401e6f9", .evidence = "S",
	.summary = "the same with a barrier before the page-table lock",
	V3_13, .pending_order = ORDER_MB, .thp_check = CHECK_UNDER_PTL,
};

static const struct kernel v3_13 = {
	.name = "v3.13", .commit = "b0943d61b8fa", .evidence = "S",
	.summary = "the check moved right before the copy, without a lock",
	V3_13, .pending_order = ORDER_MB, .thp_check = CHECK_LOCKLESS,
};

static const struct kernel v3_13_nomb = {
	.name = "v3.13-nomb", .commit = "b0943d61b8fa without af2c1401e6f9",
	.evidence = "D",
	.summary = "lockless check and no barrier: the weak-order question",
	V3_13, .pending_order = ORDER_COMPILER, .thp_check = CHECK_LOCKLESS,
};

static const struct kernel v3_13_posted = {
	.name = "v3.13-posted", .commit = "b0943d61b8fa (posted form)",
	.evidence = "S",
	.summary = "as v3.13, taking and dropping the PMD lock around the check",
	V3_13, .pending_order = ORDER_MB, .thp_check = CHECK_LOCK_CYCLE,
};

static const struct kernel v4_10 = {
	.name = "v4.10", .commit = "ced108037c2a^", .evidence = "S",
	.summary = "as v4.12, a huge entry under change is none for an instant",
	ANNOUNCED_3_15(PENDING_BOOL), PIECES, .pending_order = ORDER_MB,
	.thp_check = CHECK_LOCKLESS, BATCHED(DEBT_NONE),
	WATCH(false, false, true, false), .pmd_shows_none = true,
	.mremap_flush = MREMAP_FLUSH_DIRTY,
	.numa = NUMA_V4,
};

static const struct kernel v4_12 = {
	.name = "v4.12", .commit = "3ea277194daa^", .evidence = "S",
	.summary = "reclaim batches its flushes (4.3), nobody else knows of them",
	ANNOUNCED_3_15(PENDING_BOOL), PIECES, .pending_order = ORDER_MB,
	.thp_check = CHECK_LOCKLESS, BATCHED(DEBT_NONE),
	WATCH(false, false, true, false),
	.mremap_flush = MREMAP_FLUSH_DIRTY,
	.numa = NUMA_V4,
};

/* The 4.3 change alone taken away. */
static const struct kernel v4_2 = {
	.name = "v4.2", .commit = "72b252aed506^ (assumed id)", .evidence = "S",
	.summary = "as v4.12, reclaim flushes page by page",
	.wmark_gap_is_quarter = true,
	ANNOUNCED_3_15(PENDING_BOOL), .pending_order = ORDER_MB,
	.thp_check = CHECK_LOCKLESS, WATCH(false, false, true, false),
	.mremap_flush = MREMAP_FLUSH_LATE,
};

static const struct kernel ksm_check = {
	.name = "v4.12+ksm", .commit = "b3a81d0841a9 (check only)",
	.evidence = "S",
	.summary = "v4.12, KSM looks, but neither MADV_FREE nor clear_refs announces",
	ANNOUNCED_3_15(PENDING_COUNT), PIECES, .pending_order = ORDER_MB,
	.thp_check = CHECK_LOCKLESS, WATCH(true, false, true, false),
	.mremap_flush = MREMAP_FLUSH_DIRTY,
};

static const struct kernel ksm_only = {
	.name = "v4.13-rc+ksm", .commit = "b3a81d0841a9 (one half)",
	.evidence = "D",
	.summary = "v4.13, clear_refs does not say that its flush is still to come",
	ANNOUNCED_3_15(PENDING_COUNT), PIECES, .gather_announces = true,
	.gather_checks_nested = true, .pending_order = ORDER_MB,
	.thp_check = CHECK_LOCKLESS, WATCH(true, false, true, false),
	.mremap_flush = MREMAP_FLUSH_DIRTY,
};

static const struct kernel v4_13 = {
	.name = "v4.13", .commit = "16af97dc5a89", .evidence = "S",
	.summary = "tlb_flush_pending counts changers",
	V4_13, .pending_order = ORDER_MB, .thp_check = CHECK_LOCKLESS,
	.mremap_flush = MREMAP_FLUSH_DIRTY,
};

static const struct kernel v4_14 = {
	.name = "v4.14", .commit = "8b1b436dd1cc, a9b802500ebb",
	.evidence = "S",
	.summary = "no barrier: the page-table lock orders, the check is under it",
	V4_14,
	.mremap_flush = MREMAP_FLUSH_DIRTY,
};

#define V5_X(counts_refs, ...) \
	SOUND, MREMAP_5_14, FILES_3_15, PIECES, .calls_join = true, .none_masks_ad = true, .gather_announces = true, .anon_vma_reuse = true, \
	.gather_checks_nested = true, .numa_clear_holds_page_lock = true, \
	.pending = PENDING_COUNT, .pending_order = ORDER_PTL, \
	.pte_accessible_pending = true, .gup_fast_sees_numa = true, \
	.is_thp_migration_generic = true, .cow_counts_refs = (counts_refs), \
	.page_wait_fifo = true, .isolated_gives_up = true, \
	.flush_ceiling = 33, __VA_ARGS__
#define V5_14 V5_14_BUT_MUNMAP, MUNMAP_5_8
#define V5_14_BUT_MUNMAP V5_X(true, WATCH(true, true, true, true), \
		   .soft_dirty_excludes = true, .split_locks_page = true, \
		   .cow_splits_huge = true)

static const struct kernel v5_7 = {
	.name = "v5.7", .commit = "17839856fd58^", .evidence = "S",
	.summary = "copy-on-write asks for mappings, not references (the rest as v5.14)",
	V5_X(false, WATCH(true, true, true, false)), MUNMAP_4_20,
};

static const struct kernel v5_8 = {
	.name = "v5.8", .commit = "17839856fd58", .evidence = "S",
	.summary = "the same, and GUP for reading breaks copy-on-write",
	V5_X(false, WATCH(true, true, true, false), .gup_read_breaks = true,
	     .split_locks_page = true, .cow_splits_huge = true), MUNMAP_5_8,
};

static const struct kernel v5_11 = {
	.name = "v5.11", .commit = "912efa17e512^, 6ce64428d620^", .evidence = "S",
	.summary = "clear_refs does not flush, copy-on-write does not look (the rest as v5.14)",
	V5_X(true, WATCH(true, true, false, false), .split_locks_page = true,
	     .cow_splits_huge = true), MUNMAP_5_8,
};

static const struct kernel v4_15 = {
	.name = "v4.15", .commit = "d52605d7cb30^", .evidence = "S",
	.summary = "as v4.14, pmdp_invalidate reads the entry, then stores it",
	V4_14,
	.mremap_flush = MREMAP_FLUSH_DIRTY, .pmd_invalidate_peeks = true,
};

static const struct kernel v5_5 = {
	.name = "v5.5", .commit = "616b8371539a (until Feb 2020)",
	.evidence = "S",
	.summary = "a huge migration entry is made of what was read first (the rest as v5.14)",
	V5_X(false, WATCH(true, true, true, false)), .pmd_migrate_peeks = true,
	MUNMAP_4_20,
};

static const struct kernel v5_14 = {
	.name = "v5.14", .commit = "c5b5a3dd2c1f", .evidence = "S",
	.summary = "THP NUMA migration through migration entries",
	V5_14, BATCHED(DEBT_BOOL),
	.numa = NUMA_V5,
};

/* As the distribution's 6.1.192: with 6db2526c1d69, fea4e317f9e7 and
 * 3ef938c35035 from later kernels, without the lazily updated mask. */
#define GENERATIONS_BUT_RANGE(invalid) \
	V5_14_BUT_MUNMAP, .has_tlb_gen = true, .thp_upgrade_is_free = true, \
	.gather_knows_stride = true, BATCHED(DEBT_COUNT), \
	.cow_knows_exclusive = true, \
	.batch_gen_is_invalid = (invalid), .uses_pcid = true, \
	.hugetlb_unshare = UNSHARE_GATHERED, \
	.free_invalidates_huge = true
#define GENERATIONS(invalid) GENERATIONS_BUT_RANGE(invalid), .range_flush_frees = true
#define WITH_GEN(invalid) WITH_GEN_OF(GENERATIONS(invalid))
#define WITH_GEN_OF(...) WITH_GEN_BUT_MUNMAP(__VA_ARGS__), MUNMAP_5_8
#define WITH_GEN_BUT_MUNMAP(...) \
	__VA_ARGS__, FILES_5_19, .lazy_tlb = LAZY_TLB_SKIP_BUT_TABLES, \
	.switch_mark = SWITCH_MARK_FIRST, .flush_filter = FILTER_SWITCHING
#define V6_1 WITH_GEN(true), LOCKS_6_1
#define LOCKS_6_1 .isolated_wakes = true, .gup_rechecks_pmd = true, .collapse_syncs = true, \
	.retract_locks_rmap = true, .device_flushes_locked = true

static const struct kernel v6_1 = {
	.name = "v6.1", .commit = "v6.1", .evidence = "T",
	.summary = "as v5.14, flushes by generation (tlb_gen)",
	V6_1,
	.numa = NUMA_V6_1,
};

static const struct kernel v6_3 = {
	.name = "v6.3", .commit = "7e12beb8ca2a", .evidence = "S",
	.summary = "as v6.1, migrate_pages flushes once for up to 512 pages",
	V6_1, FILES_6_2, .migrate_batches = true, .numa = NUMA_V6_3,
};

static const struct kernel v6_5 = {
	.name = "v6.5", .commit = "8d7071af8907", .evidence = "S",
	.summary = "as v6.3, stacks grow with mmap_lock held for writing, munmap does not look",
	WITH_GEN_BUT_MUNMAP(GENERATIONS(true)), LOCKS_6_1, FILES_6_2,
	.migrate_batches = true, MUNMAP_4_20, .stack_grows_locked = true,
	.numa = NUMA_V6_4,
};

static const struct kernel v6_8 = {
	.name = "v6.8", .commit = "3027c6f8eb9d", .evidence = "S",
	.summary = "as v6.3, splitting a huge page in pieces flushes once",
	V6_1, FILES_6_2, .migrate_batches = true, .split_batches = true,
	.fault_locks_vma = true, .has_mthp = true, .numa = NUMA_V6_7,
};

static const struct kernel v6_10 = {
	.name = "v6.10", .commit = "d2136d749d76", .evidence = "S",
	.summary = "as v6.8, NUMA balancing moves pages that many entries map (--mthp)",
	V6_1, FILES_6_2, .migrate_batches = true, .split_batches = true,
	.fault_locks_vma = true, .has_mthp = true, .numa = NUMA_V6_10,
};

static const struct kernel v6_12_range = {
	.name = "v6.12.22", .commit = "3ef938c35035^", .evidence = "S",
	.summary = "as v6.1, flush_tlb_range() leaves lazy CPUs out though a table goes",
	WITH_GEN_OF(GENERATIONS_BUT_RANGE(true)), LOCKS_6_1,
};

/* Without the kernel's half of page tables: the address space stands for it. */
static const struct kernel v6_19_sva = {
	.name = "v6.19+sva", .commit = "posted Oct 2025 (version assumed)",
	.evidence = "S",
	.summary = "as v6.1, IOMMUs drop their paths before a table is freed",
	V6_1, .tables_tell_devices = true,
};

static const struct kernel v6_18_alpha = {
	.name = "v6.18-alpha", .commit = "dd5712f3379c^", .evidence = "S",
	.summary = "as v6.1, migration's flush is a new context number",
	V6_1, .migrate_rolls_over = true,
};

static const struct kernel v6_19_alpha = {
	.name = "v6.19-alpha", .commit = "dd5712f3379c", .evidence = "S",
	.summary = "the same with a shootdown (as v6.1)",
	V6_1,
};

/* Tables of files go without mmap_lock. */
static const struct kernel v6_6_retract = {
	.name = "v6.6+retract", .commit = "1d65b771bc08", .evidence = "S",
	.summary = "as v6.1, khugepaged takes tables of files from any address space",
	V6_1, FILES_6_2, .retract_is_shared = true,
};

static const struct kernel v6_12_retract = {
	.name = "v6.12+retract", .commit = "6fa1066fc5d0", .evidence = "S",
	.summary = "the same, mremap looks again under its locks",
	V6_1, FILES_6_2, .retract_is_shared = true,
	.mremap_rechecks_table = true,
};

/* Reclaim's batches, later and elsewhere. */
static const struct kernel v5_19_gen0 = {
	.name = "v5.19+gen-0", .commit = "aa44284960d5", .evidence = "S",
	.summary = "as v6.1, a batch is skipped as generation 0 (8f1d56f64f8d^)",
	WITH_GEN(false),
	.mmap_lock_in_two_lines = true,
};

/* Linux-next, a commit apart: both are in 6.2. */
static const struct kernel v6_1_delayed_rmap = {
	.name = "v6.1+delayed-rmap", .commit = "5df397dec7c4", .evidence = "S",
	.summary = "as v6.1, stored-to pages of files unmapped after flushes of eight",
	V6_1, .zap_delays_rmap = true, .delayed_rmap_ends_batch = true,
	.numa = NUMA_V6_1,
};

static const struct kernel v6_1_delayed_rmaps = {
	.name = "v6.1+delayed-rmaps", .commit = "c47454823bd4", .evidence = "S",
	.summary = "the same, of eight and one batch of pages",
	V6_1, .zap_delays_rmap = true, .numa = NUMA_V6_1,
};

static const struct kernel v6_1_pageout = {
	.name = "v6.1+pageout-batch", .commit = "posted Jan 2025 (from memory)",
	.evidence = "D",
	.summary = "as v6.1, reclaim writes dirty pages once 32 are unmapped and flushed",
	V6_1, .pageout_batches = true, .numa = NUMA_V6_1,
};

static const struct kernel v6_1_mixed = {
	.name = "v6.1+mixed-sizes", .commit = "v6.1 (variant)", .evidence = "T",
	.summary = "as v6.1, a table replaces a huge page at once, flushed then",
	V6_1, .split_mixes_sizes = true,
};

static const struct kernel v6_1_loongarch = {
	.name = "v6.1-loongarch", .commit = "018e9828eb52^", .evidence = "S",
	.summary = "as v6.1, making an entry read-only loses its D bit",
	V6_1, .fork_forgets_dirty = true,
};

static const struct kernel v5_17 = {
	.name = "v5.17", .commit = "aa44284960d5^", .evidence = "S",
	.summary = "as v6.1, each responder reads the mm's generation first",
	WITH_GEN(true), .isolated_wakes = true, .gen_read_first = true,
	.mmap_lock_in_two_lines = true,
};

static const struct kernel v5_12 = {
	.name = "v5.12", .commit = "4ce94eabac16^ (assumed id)", .evidence = "S",
	.summary = "as v5.17, an initiator flushes its own TLB before it sends",
	WITH_GEN(true), .gen_read_first = true, .flush_is_sequential = true,
	.mmap_lock_in_two_lines = true,
};

static const struct kernel v6_14 = {
	.name = "v6.14", .commit = "383c4613c67c", .evidence = "S",
	.summary = "as v6.1, madvise pays the batch debt after retaking the lock",
	V6_1, FILES_6_2, .debt_after_relock = true, .fault_locks_vma = true,
	.numa = NUMA_V6_12,
};

static const struct kernel v6_14_spares_lru = {
	.name = "v6.14+no-lru-drain", .commit = "posted Dec 2024", .evidence = "S",
	.summary = "as v6.14, unmapping leaves new pages in their CPU's batch",
	V6_1, FILES_6_2, .debt_after_relock = true, .fault_locks_vma = true,
	.zap_spares_lru = true,
	.numa = NUMA_V6_12,
};

static const struct kernel v6_5_arm64 = {
	.name = "v6.5-arm64", .commit = "43b3dfdd0455^", .evidence = "S",
	.summary = "reclaim flushes page by page",
	V5_14, FILES_6_2,
};

static const struct kernel v6_6_arm64 = {
	.name = "v6.6-arm64", .commit = "4b634918384c^", .evidence = "S",
	.summary = "batches by TLBI, the debt is paid by a DSB",
	V5_14, FILES_6_2, BATCHED(DEBT_COUNT), .batch_broadcasts = true,
	.debt_waits_only = true,
};

static const struct kernel v6_8_arm64 = {
	.name = "v6.8-arm64", .commit = "3027c6f8eb9d", .evidence = "S",
	.summary = "as v6.6-arm64, splitting a huge page in pieces flushes once",
	V5_14, FILES_6_2, BATCHED(DEBT_COUNT), .batch_broadcasts = true,
	.debt_waits_only = true, .split_batches = true,
};

static const struct kernel v6_16_arm64 = {
	.name = "v6.16-arm64", .commit = "4b634918384c", .evidence = "S",
	.summary = "the same, the debt is paid by a flush",
	V5_14, FILES_6_2, BATCHED(DEBT_COUNT), .batch_broadcasts = true,
};

static const struct kernel no_gather = {
	.name = "v4.13-rc+no-gather", .commit = "99baac21e458^", .evidence = "S",
	.summary = "as v4.13, but gathers neither announce nor look for others",
	ANNOUNCED_3_15(PENDING_COUNT), PIECES, .pending_order = ORDER_MB,
	.thp_check = CHECK_LOCKLESS,
	.mremap_flush = MREMAP_FLUSH_DIRTY,
};

static const struct kernel v4_9_rc = {
	.name = "v4.9-rc", .commit = "5d1904204c99", .evidence = "S",
	.summary = "mremap flushes under its locks what looked dirty before it went",
	ANNOUNCED_3_15(PENDING_BOOL), PIECES, .pending_order = ORDER_MB,
	.thp_check = CHECK_LOCKLESS,
	.mremap_flush = MREMAP_FLUSH_DIRTY_PEEKED,
};

static const struct kernel v4_19 = {
	.name = "v4.19", .commit = "eb66ae030829", .evidence = "S",
	.summary = "as v4.14, mremap flushes under the page-table locks",
	V4_14,
	.mremap_flush = MREMAP_FLUSH_LOCKED,
};

#include "mm/kernel_rmap.inc"
#include "mm/kernel_swap.inc"
#include "mm/kernel_switch.inc"
#include "mm/kernel_numa.inc"

/* Model variants: the mover that never takes the scanner's lock. */
static const struct kernel pending_bool_nolock = {
	.name = "v3.13-rc+pending-noptl", .commit = "20841405940e",
	.evidence = "D",
	.summary = "reader learns of the entry from a walk, takes no PMD lock",
	V3_13, .pending_order = ORDER_COMPILER, .thp_check = CHECK_UNDER_PTL,
	.reader_without_ptl = true,
};

static const struct kernel pending_barrier_nolock = {
	.name = "v3.13-rc+barrier-noptl", .commit = "af2c1401e6f9",
	.evidence = "D",
	.summary = "the same reader against the barrier",
	V3_13, .pending_order = ORDER_MB, .thp_check = CHECK_UNDER_PTL,
	.reader_without_ptl = true,
};

static const struct kernel v3_13_nolock = {
	.name = "v3.13-nomb-noptl", .commit = "b0943d61b8fa",
	.evidence = "D",
	.summary = "lockless check, and the reader takes no PMD lock before it",
	V3_13, .pending_order = ORDER_COMPILER, .thp_check = CHECK_LOCKLESS,
	.reader_without_ptl = true,
};

static const struct kernel v4_14_nolock = {
	.name = "v4.14-noptl", .commit = "8b1b436dd1cc",
	.evidence = "D",
	.summary = "v4.14 with a reader that takes another lock",
	V4_14,
	.reader_without_ptl = true,
	.mremap_flush = MREMAP_FLUSH_DIRTY,
};

const struct kernel *const kernels[] = {
	RMAP_KERNELS SWAP_KERNELS &v3_8, &ksm_migrates, &v3_11_clear, &v3_12, &v3_12_gup, &too_late, &tlb_lazy,
	&tlb_lazy2, &pending_bool, &pending_barrier, &v3_13, &v3_13_nomb,
	&v3_13_posted, &no_gather, &v4_9_rc, &v4_2, &v4_10, &v4_12, &ksm_check, &ksm_only, &v4_13, &v4_14, &v4_15, &v4_19, &v5_5, &v5_7, &v5_8, &v5_11,
	&v5_14,
	&v5_12, &v5_17, &v5_19_gen0, &v6_1, &v6_3, &v6_5, &v6_8, &v6_10, &v6_6_retract, &v6_12_retract,
	&v6_12_range, &v6_19_sva, &v6_18_alpha, &v6_19_alpha,
	&v6_1_delayed_rmap, &v6_1_delayed_rmaps,
	&v6_1_pageout, &v6_1_mixed, &v6_1_loongarch, &v6_5_arm64, &v6_6_arm64, &v6_8_arm64, &v6_14, &v6_14_spares_lru, &v6_16_arm64, &pending_bool_nolock,
	&pending_barrier_nolock, &v3_13_nolock, &v4_14_nolock,
	SWITCH_KERNELS NUMA_KERNELS NULL
};

const struct kernel *kernel_find(const char *name)
{
	for (u32 i = 0; kernels[i]; i++)
		if (!strcmp(kernels[i]->name, name))
			return kernels[i];
	return NULL;
}

#define PART(name, field, off, text) \
	{ (name), offsetof(struct kernel, field), \
	  sizeof(((struct kernel *)0)->field), (off), (text) }

const struct kernel_switch kernel_switches[] = {
	PART("announce", pending, PENDING_NONE, "changers announce nothing"),
	PART("count", pending, PENDING_BOOL, "a bool for the counter"),
	PART("barrier", pending_order, ORDER_COMPILER,
	     "no barrier after announcing"),
	PART("check", thp_check, CHECK_NONE, "the mover does not look"),
	PART("check-in-time", thp_check, CHECK_AFTER_INSTALL,
	     "the mover looks after the copy"),
	PART("install-flush", thp_install_flushes, 0,
	     "no flush when the new PMD goes in"),
	PART("page-lock", numa_clear_holds_page_lock, 0,
	     "page unlocked before NUMA is cleared"),
	PART("isolate-count", isolate_checks_count, 0,
	     "a pinned huge page is isolated all the same"),
	PART("isolate-exclusive", isolation_is_exclusive, 0,
	     "isolating succeeds though another has isolated"),
	PART("recheck-after-lock", thp_recheck_after_lock, 0,
	     "no pmd_same once the page is locked"),
	PART("migrate-count", migrate_checks_count, 0,
	     "references are not counted before copying"),
	PART("recheck-pmd", thp_recheck_pmd, 0,
	     "no pmd_same before installing"),
	PART("recheck-count", thp_recheck_count, 0,
	     "no page_count before installing"),
	PART("recheck-count-after", thp_recheck_count_after, 0,
	     "no page_count after installing"),
	PART("gup-numa", gup_fast_sees_numa, 0,
	     "GUP-fast takes NUMA huge pages"),
	PART("pte-accessible", pte_accessible_pending, 0,
	     "unflushed entries count as flushed"),
	PART("pte-present-first", numa_pte_present_first, 0,
	     "the PTE stays non-present for migration"),
	PART("pmd-invalidate-flush", pmd_migration_flushes, 0,
	     "pmdp_invalidate without its flush"),
	PART("clear-flush", migrate_flushes, 0,
	     "ptep_clear_flush without its flush"),
	PART("protect-flush", protect_flushes, 0,
	     "change_protection never flushes"),
	PART("gather-announce", gather_announces, 0,
	     "an open gather does not count as a changer"),
	PART("announce-first", announces_late, 1,
	     "changers announce once the entries have changed"),
	PART("retract-last", retracts_early, 1,
	     "changers retract before they flush"),
	PART("nested-two", nested_wants_three, 1,
	     "a gather flushes all only if two others are open"),
	PART("nested-late", nested_looks_early, 1,
	     "a gather looks for others when it begins, not at its end"),
	PART("check-locked", thp_check, CHECK_LOCKLESS,
	     "the mover looks outside the page-table lock"),
	PART("gather-nested", gather_checks_nested, 0,
	     "a gather does not look for others"),
	PART("mremap-order", mremap_order, MREMAP_ORDER_NONE,
	     "mremap keeps no order among source, destination and walks"),
	PART("fork-flush", fork_flushes, 0,
	     "fork does not flush the parent's translations"),
	PART("gup-recheck", gup_rechecks_pmd, 0,
	     "GUP-fast does not look at the PMD again"),
	PART("collapse-sync", collapse_syncs, 0,
	     "khugepaged does not wait for GUP-fast"),
	PART("fork-tail", fork_links_at_head, 1,
	     "fork links the child's VMA at the head"),
	PART("split-wait", split_unwaited, 1,
	     "nobody waits for a huge page to be split"),
	PART("mremap-huge-locks", mremap_huge_unlocked, 1,
	     "huge pages move without the anon_vma lock"),
	PART("mremap-table-locks", mremap_table_locks_rmap, 0,
	     "whole page tables move under no lock that walks take"),
	PART("mremap-order-back", mremap_order, MREMAP_ORDER_TAIL,
	     "no order when mremap moves back"),
	PART("adjust-lock", adjust_locks, 0,
	     "a VMA's bounds change under no lock"),
	PART("rmap-root", rmap_lock, RMAP_LOCK_OWN,
	     "each anon_vma has a lock of its own"),
	PART("rmap-ptl", rmap_peeks, 1,
	     "restoring looks at entries without their lock first"),
	PART("exec-temp", exec_stack, EXEC_STACK_PLAIN,
	     "migration does not know exec's temporary stack"),
	PART("exec-temp-long", exec_stack, EXEC_STACK_TEMP_EARLY,
	     "the mark goes before the stack moves"),
	PART("mremap-flush", mremap_flushes, 0, "mremap never flushes"),
	PART("mremap-flush-locked", mremap_flush, MREMAP_FLUSH_LATE,
	     "mremap flushes after its locks"),
	PART("ksm-check", ksm_checks_pending, 0,
	     "KSM trusts an entry whose flush is still to come"),
	PART("ksm-waits-migration", ksm_misses_migration, 1,
	     "KSM gives up a page that migrates as if it were gone"),
	PART("soft-dirty-announce", soft_dirty_announces, 0,
	     "clear_refs does not say that its flush is still to come"),
	PART("soft-dirty-flush", soft_dirty_flushes, 0,
	     "clear_refs never flushes"),
	PART("wp-check", wp_checks_pending, 0,
	     "copy-on-write under userfaultfd does not look for flushes to come"),
	PART("cow-flush", cow_flushes, 0,
	     "the copy goes in without a flush of the old page"),
	PART("pmd-invalidate-xchg", pmd_invalidate_peeks, 1,
	     "pmdp_invalidate reads the entry, then stores it"),
	PART("pmd-migrate-xchg", pmd_migrate_peeks, 1,
	     "a migration entry is made of what was read before"),
	PART("split-invalid-first", split_mixes_sizes, 1,
	     "a huge page is replaced by a table before its flush"),
	PART("wrprotect-keeps-dirty", fork_forgets_dirty, 1,
	     "fork takes D with the right to write"),
	PART("pmd-never-none", pmd_shows_none, 1,
	     "a huge entry under change is none for an instant"),
	PART("cow-count-refs", cow_counts_refs, 0,
	     "copy-on-write asks for mappings only"),
	PART("split-page-lock", split_locks_page, 0,
	     "a mapping of a huge page is split without the page's lock"),
	PART("cow-page-lock", cow_locks_huge, 0,
	     "copy-on-write counts a huge page's mappings without its lock"),
	PART("none-mask", none_masks_ad, 0,
	     "an entry that was cleared and has A and D is not none"),
	PART("cow-exclusive", cow_knows_exclusive, 0,
	     "a page that was never shared is copied if somebody refers to it"),
	PART("gup-read-breaks", gup_read_breaks, 0,
	     "GUP for reading takes a page that is shared"),
	PART("swapin-recheck", swapin_recheck, RECHECK_NONE,
	     "a page of the swap cache is not looked at again once locked"),
	PART("swapin-recheck-slot", swapin_recheck, RECHECK_CACHED,
	     "that it is in the cache is enough, for whichever slot"),
	PART("swap-freeze", swap_move_freezes, 0,
	     "a page that was looked up is moved all the same"),
	PART("migrate-mapped", migrate_wants_mapped, 0,
	     "a page that nobody maps is moved by its anon_vma"),
	PART("migrate-batch", migrate_batches, 0,
	     "migration flushes for every page"),
	PART("migrate-batch-in-time", migrate_flushes_late, 1,
	     "a batch of migrations is flushed once it is copied"),
	PART("batch-flush", batch_flushes, 0,
	     "what reclaim unmapped is never flushed"),
	PART("batch-flush-dirty", batch_flush_dirty, 0,
	     "a page is written out before its flush"),
	PART("swapin-flush", swapin_flushes, 0,
	     "a page that was unmapped is had back without its flush"),
	PART("batch-debt", batch_debt, DEBT_NONE,
	     "nobody pays for reclaim's flush"),
	PART("batch-debt-count", batch_debt, DEBT_BOOL,
	     "a bool for the pair of counters"),
	PART("batch-debt-flush", debt_waits_only, 1,
	     "the payer waits only for what it began itself"),
	PART("batch-debt-again", debt_after_relock, 0,
	     "the debt is not looked at again after the lock was dropped"),
	PART("batch-debt-reset", debt_resets, 0,
	     "the pair of counters wraps around"),
	PART("batch-gen", batch_gen_is_invalid, 0,
	     "generation 0 counts as an old one"),
	PART("switch-order", mask_update, MASK_PLAIN,
	     "mm_cpumask may become visible after the root is loaded"),
	PART("flush-order", flush_is_unordered, 1,
	     "mm_cpumask may be read before the entry is visible"),
	PART("switch-mark", switch_mark, SWITCH_MARK_NONE,
	     "switch_mm does not say that CR3 is about to change"),
	PART("mask-before-gen", switch_reads_gen_early, 1,
	     "tlb_gen is read before the CPU is in mm_cpumask"),
	PART("partial-next", gen_partial_is_next, 0,
	     "a ranged flush counts for those missed before it"),
	PART("partial-newest", gen_partial_is_newest, 0,
	     "a ranged flush counts for those after it"),
	PART("lazy-return-order", lazy_return_orders, 0,
	     "coming back from lazy mode, tlb_gen is read early"),
	PART("use-mm-irqs", use_mm_is_open, 1,
	     "kthread_use_mm sets active_mm with interrupts on"),
	PART("asid-order", asid_read_early, 1,
	     "the ASID to be flushed is read before the entry is visible"),
	PART("flush-before-free", gather_frees_early, 1,
	     "pages and tables are freed before the flush"),
	PART("zap-dirty-flush", zap_flushes_dirty, 0,
	     "munmap of what was stored to in a file flushes after its locks"),
	PART("pfnmap-flush", pfnmap_flushes, 0,
	     "a driver's frames are unmapped without a flush of their own"),
	PART("retract-locks", retract_locks_rmap, 0,
	     "a file's page tables go under no lock that walks take"),
	PART("mremap-recheck", mremap_rechecks_table, 0,
	     "mremap moves a table that it saw before it had its locks"),
	PART("cluster-trylock", cluster_lock, CLUSTER_UNLOCKED,
	     "reclaim marks pages of a locked mapping without their lock"),
	PART("cluster-try", cluster_lock, CLUSTER_WAITS,
	     "reclaim waits for their lock with another page's in hand"),
	PART("migrate-mlock", migrate_moves_mlock, 0,
	     "PG_mlocked stays with the old page"),
	PART("range-frees", range_flush_frees, 0,
	     "flush_tlb_range() leaves lazy CPUs out though a table goes"),
	PART("gather-top", gather_flushes_top, 0,
	     "the top table's entries, which CR3 loads, go without a full flush"),
	PART("iommu-told", tables_tell_devices, 0,
	     "a table is freed that an IOMMU may still walk"),
	PART("device-flush-locked", device_flushes_locked, 0,
	     "migrate_vma() flushes after its locks"),
	PART("migrate-shootdown", migrate_rolls_over, 1,
	     "migration leaves what other CPUs have cached to their next switch"),
	PART("asid-mark-first", asid_tag_first, 1,
	     "a global ASID is visible before the mark that slots are in use"),
	PART("asid-wait", asid_passes_switching, 1,
	     "a CPU that is about to load the mm is not waited for"),
	PART("asid-ipi", asid_no_ipi, 1,
	     "CPUs that use slots are sent no interrupt"),
	PART("asid-batch-ipi", asid_batch_no_ipi, 1,
	     "nor for reclaim's batch"),
	PART("asid-sync-here", asid_sync_elsewhere, 1,
	     "TLBSYNC is executed on another CPU than INVLPGB"),
	PART("zap-delay-rmap", zap_delays_rmap, 0,
	     "the page counts as unmapped before the flush"),
	PART("unshare-flush", hugetlb_unshare, UNSHARE_UNFLUSHED,
	     "a shared table of hugetlb pages is left without a flush"),
	PART("unshare-sync", hugetlb_unshare, UNSHARE_FLUSHED,
	     "and without waiting for who walks it without locks"),
	PART("unshare-walks", hugetlb_unshare, UNSHARE_GATHERED,
	     "and with a flush of leaf entries only"),
	PART("downgrade-looks", munmap_lock, MUNMAP_DOWNGRADES,
	     "munmap lets readers in though a stack may grow into the gap"),
	PART("stack-lock", stack_grows_locked, 0,
	     "a stack grows with mmap_lock held for reading"),
	PART("table-flush", table_free, TABLE_FREE_NO_BATCH,
	     "a table that cannot be listed is freed before the flush"),
	PART("table-rcu", table_free, TABLE_FREE_GATHERED,
	     "tables are freed without waiting for who walks without locks"),
	PART("freed-tables", lazy_tlb, LAZY_TLB_SKIP,
	     "lazy CPUs are not told that page tables go"),
	{ NULL, 0, 0, 0, NULL }
};

const struct kernel_switch *kernel_switch_find(const char *name)
{
	for (u32 i = 0; kernel_switches[i].name; i++)
		if (!strcmp(kernel_switches[i].name, name))
			return &kernel_switches[i];
	return NULL;
}
