/* mm.h - the modelled memory management: what is in memory, and the operations
 * that programs and scenarios call. It reads next to the kernel's own; names
 * and locking rules are the kernel's (see docs/model.md for what is left out).
 *
 * Lock order, outermost first: mmap_lock, page lock, a file's list of mappings
 * (file.h), anon_vma lock, page-table lock, a file's cache, allocator.
 *
 * Units:  addresses are vpn (4 KiB pages), ranges half-open.
 * Errors: 0 or negative errno.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include "cpu/entry.h"
#include "cpu/step.h"
#include "mm/flush_op.h"
#include "mm/kernel.h"
#include "mm/mempolicy.h"

struct flush_ops;
struct address_space;
struct sched_task;
struct numa_state;
struct numa_task;
struct numa_mm;
struct numa_vma;
struct kvm;

/* One per 4 KiB frame, as vmemmap. Of a huge page only the first is used, until it
 * is mapped in pieces (pieces.h). */
struct page {
	u32 lock;               /* PG_locked: CPU + 1                         */
	u32 refcount;
	u32 mapcount;           /* under the page-table lock that maps it     */
	u8 order : 5;           /* of a tail its folio's                      */
	u8 is_shmem : 1;        /* is_file: of memory alone, not of a disk    */
	u8 is_dirty : 1;        /* newer than what its swap slot holds        */
	u8 is_lazyfree : 1;     /* MADV_FREE: may be dropped while clean      */
	u8 is_lru;              /* 0: isolated, or never on it                */
	u8 node;
	u8 is_free : 1;
	u8 is_large : 1;        /* part of a larger one that entries map      */
	u8 is_ksm : 1;          /* whoever writes gets a copy                 */
	u8 is_shared : 1;       /* maybe; 0: PageAnonExclusive                */
	u8 is_file : 1;         /* of a file, not anonymous: ->mapping        */
	u8 is_mlocked : 1;      /* PG_mlocked (mlock.h)                       */
	u8 is_unflushed : 1;    /* what mapped it may still be cached: of a free
				 * one, a flush strategy's; in the swap cache,
				 * reclaim's (pageout.c)                      */
	u8 is_tail : 1;         /* a later piece of a huge page               */
	union {
		u32 next;       /* free: next pfn on the list                 */
		u32 last_cpupid;        /* used: CPU + 1 of the last hint fault */
		u32 first_mapcount;     /* second piece: entries that map the
				 * first one alone                            */
	};
	union {
		struct spinlock ptl;    /* of a page-table page               */
		u32 swap_slot;  /* in the swap cache: slot + 1                */
	};
	u64 index;              /* see vma_address()                          */
	union {
		struct anon_vma *anon_vma;
		struct {                /* second piece: the queue of those to
				 * be split (deferred_split.h)                */
			u32 prev, next;
		} queued;
		struct address_space *mapping;  /* is_file; NULL: truncated or
				 * reclaimed                                  */
	};
};

enum {
	VM_READ = 1, VM_WRITE = 2, VM_HUGE = 4, VM_MIGRATABLE = 8,
	VM_TEMP_STACK = 16,     /* exec has not put it in its place yet       */
	VM_STACK = 32,          /* exec made it; stays                        */
	VM_TRACKED = 64,        /* soft-dirty bits were cleared: stores must
				 * fault to set them                          */
	VM_UFFD_WP = 128,       /* userfaultfd write-protects pages of it     */
	VM_SHARED = 256,        /* of a file: stores go to the file           */
	VM_LOCKED = 512,        /* mlock(): its pages stay in memory          */
	VM_NONLINEAR = 1024,    /* of a file: entries say which page (mlock.h) */
	VM_HUGETLB = 2048,      /* of a file of huge pages (hugetlb.h)        */
	VM_GROWSDOWN = 4096,    /* a fault right below makes it larger        */
};

/* An address range of one mm. Its pages' index is relative: page index @pgoff
 * is mapped at @start. As in Linux the two lie in different cache lines (of 64
 * bytes: 8 and 136 in 2.6.34, 0 and 104 in 6.1), which is how long it may take
 * from one store to the next in vma_adjust(). */
struct vma {
	u64 start, end;         /* vpn                                        */
	struct mm *mm;
	struct vma *next;       /* by address                                 */
	u32 flags;
	u32 seq;                /* RMAP_LOCK_SEQ: odd while bounds change     */
	struct vma *next_mapping;       /* of the file, in walking order; or of
					 * its nonlinear ones                 */
	struct anon_vma_chain *chain;   /* all anon_vmas its pages may have,
					 * oldest first                       */
	struct anon_vma *anon_vma;      /* of pages first touched here        */
	u64 pgoff;
	struct address_space *file;     /* NULL: anonymous                    */
	u32 has_anon;           /* of a file, private: some page was copied   */
	u32 nr_faults;          /* timed, fault_locks_vma: that hold its lock */
	struct numa_vma *numab;
};

/* Everybody who may map pages that were first touched under one VMA: itself,
 * its copies in children, what it was split from and moved to. */
struct anon_vma {
	struct spinlock lock;
	u32 refcount;           /* chain links, children's roots, movers      */
	u32 degree;             /* VMAs and children whose own it is: whether
				 * a later child may take it over             */
	u32 is_taken;           /* by mm_take_all_locks()                     */
	struct anon_vma *root;  /* the oldest ancestor's                      */
	struct anon_vma *parent;        /* itself at the top                  */
	struct anon_vma_chain *first;   /* in walking order                   */
};

/* One place where KSM mapped a shared page. */
struct rmap_item {
	struct page *page;
	struct mm *mm;
	struct anon_vma *anon_vma;      /* of the VMA, then; referenced       */
	u64 vpn;
	struct rmap_item *next; /* all there are                              */
	void *link;             /* of the pool                                */
};

/* One VMA on one anon_vma's list. */
struct anon_vma_chain {
	struct vma *vma;
	struct anon_vma *anon_vma;
	struct anon_vma_chain *next_of_vma;
	struct anon_vma_chain *next;    /* same anon_vma                      */
};

#define MM_CPUMASK_WORDS (MACHINE_MAX_CPUS / 64)

/* What of it lies in one cache line is as in struct mm_struct: offsets 120, 128, 728,
 * 776, 980 and 1096 of 5.17 (derived by hand, Debian's configuration), 112, 120, 720,
 * 768, 972 and 1088 of Debian's 6.1.176 (compiled), of mmap_lock's count and owner,
 * rss_stat, context.tlb_gen, tlb_flush_pending and mm_cpumask. tests/test_lines.c.
 * What only this model has is where it is in nobody's way. */
struct mm {
	u32 root;               /* pfn of the top table                       */
	u32 nr_threads;
	struct vma *first;
	u64 mmap_base;          /* next free vpn for mmap                     */
	u64 start_brk, brk;     /* vpn: the heap, empty when equal            */
	u64 pad_lock;
	struct rwsem mmap_lock; /* its owner in the next line, or not         */
	u64 pad_owner[7];

	u64 rss;                /* pages                                      */
	u64 pad_rss[7];

	u32 ctx_id;
	u32 zero;
	u64 tlb_gen;            /* has_tlb_gen: flushes so far, from 1        */
	u64 asid;               /* global ones: its tag everywhere, from the
				 * first switch after a rollover another one  */
	u64 asid_generation;
	u64 global_asid;        /* flush_ops.global_tag: the strategy's       */
	u64 last_trim;          /* cycles: when its mask was trimmed last     */
	u64 pad_gen[2];

	u64 numa_scan_offset;   /* vpn                                        */
	u64 numa_next_scan;     /* cycles                                     */
	u32 numa_scan_seq;
	u32 tlb_flush_pending;
	u32 numa_tlb_lazy;
	u32 tlb_flush_batched;  /* reclaim unmapped and has not flushed yet   */
	u32 nr_kept;            /* ranges that a flush strategy keeps         */
	u32 nr_devices;         /* that walk its tables (device.c)            */
	u64 has_stack;          /* a VMA of it may grow (VM_GROWSDOWN)        */
	u32 nr_owed;            /* flush_ops.owes: changes whose addresses are
				 * still mapped, and not flushed everywhere   */
	u32 zero_owed;
	u64 pad_pending;

	u64 cpumask[MM_CPUMASK_WORDS];

	struct mm *next_mm;     /* all there are                              */
	struct numa_mm *numab;
	struct kvm *kvm;        /* a VMM's guest (kvm.h)                      */
	struct truth *truth;    /* explored: ghost of every page, by vpn      */
	u64 *cpu_word;          /* flush_ops.load: [nr_cpus] the strategy's   */
	u64 churn_at, churn_vpn;        /* thp_churn.h: cycles; where next    */
	u32 nr_users;           /* of other programs: it does not end before  */
	u32 pad_end;
};

/* A thread of a program; struct task comes first. Not modelled state. */
struct thread {
	struct task task;
	struct mm *mm;          /* NULL: a kernel thread, or asleep, its CPU lazy */
	struct mm *asleep_in;
	bool has_ended;
	u64 scan_stamp;         /* cycles: when the scanner is next due       */
	u64 tick_stamp;         /* cycles: the same of the scheduler          */
	u64 arg;
	struct sched_task *sched;       /* NULL: its CPU is its own (sched.h) */
	struct numa_task *numa;         /* numa_balancing.h                   */
	struct mempolicy mpol;
	u64 mems;               /* nodes that it may use; 0: all (cpuset.h)   */
	u32 cpuset;             /* its group, from 1; 0: none                 */
	struct thread *next_confined;   /* in a group, too                    */
	struct kvm *kvm;        /* it is a vCPU, in the guest (kvm.h)         */
	u32 in_notifier;        /* between so many mmu_notifier_start and _end */
	bool in_reclaim;        /* PF_MEMALLOC: its allocations reclaim nothing */
	bool is_kswapd;         /* current_is_kswapd()                        */
	u64 written_at;         /* cycles: a remote device has what it wrote  */
};

static inline struct thread *current(void)
{
	return (struct thread *)(void *)this_cpu->task;
}

/* Which address space @t is of, asleep or not; NULL: of none, or it has ended. */
static inline struct mm *thread_mm(const struct thread *t)
{
	return t->has_ended ? NULL : t->mm ? t->mm : t->asleep_in;
}

struct node_mem {
	u32 free_4k;            /* pfn lists, 0 ends                          */
	u32 free_huge;
	u32 late_first, late_last;      /* flush_ops.reuses_late              */
	u64 next;               /* never used from here on                    */
	u64 end;
	u64 hand;               /* where reclaim looks next                   */
	u64 nr_used;            /* timed: frames given out                    */
};

/* struct per_cpu_pages, a line each: pages in it. Linux's batch of a zone of a GiB
 * and more; what it may hold is that of kernels before 5.14 (later ones have it
 * follow from the zone's watermarks). Source: Linux mm/page_alloc.c,
 * zone_batchsize(), pageset_set_batch(). */
#define PCP_BATCH 63
#define PCP_HIGH (6 * PCP_BATCH)
struct page_list {
	int n;
	u32 pad[15];
};

/* Frames that a CPU has set aside (runs.c). */
#define RUN_PAGES 16u
struct page_run {
	u64 block;              /* of pages: vpn / RUN_PAGES                  */
	u64 first;              /* pfn                                        */
	u32 root, node;
	u32 left;               /* bit a frame not given out yet              */
};

/* Ghost of a frame: what oracles know and kernels do not. */
struct ghost {
	u32 moved_to;           /* a mover read this frame to copy it there:
				 * pfn + 1                                    */
	u32 copy_of;            /* and the reverse                            */
	u32 late;               /* stores since, mover not done yet           */
	u8 is_done;             /* the mover succeeded                        */
	u8 is_free;
	u8 is_table;
	u8 sharers;             /* of a table that has been shared: bit by mm */
};

/* When a translation of an address went stale, for the vulnerability window:
 * timed runs under --check. */
struct window_stat;

/* Unmapped pages wait here for their flush, as in mmu_gather: 8 on the stack
 * and 19 batches of 510 (9,698) before it must flush early. One per CPU. */
#define GATHER_MAX 9698

struct gather {
	u32 n;
	u32 capacity;
	u32 *pfn;
};

/* What never changes: pointers out of the arena, whose values differ from one
 * process to the next and must not be in the key of a state. */
struct mm_fixed {
	const struct kernel *k;
	const struct flush_ops *flush;
};

struct mm_state {
	void *move;             /* migrate_batches: struct move [nr_cpus][..] */
	void *flush_state;      /* its own, in the arena                      */
	void *swap_flush_state; /* and for swap-out                           */
	struct vmap *vmap;      /* NULL: the kernel maps nothing (vmalloc.h)  */
	u64 *free_words;        /* mm->cpu_word of former ones                */
	struct page *page;      /* [nr_frames]                                */
	struct node_mem *node;  /* [nr_nodes]                                 */
	struct flush_req *req;  /* [nr_cpus] the flush a CPU has under way    */
	u64 *targets;           /* [nr_cpus] masks: whom its flush interrupts */
	struct tlb_state *tlb_state;    /* [nr_cpus] switch.h                 */
	u64 asid_generation;    /* rollovers of global ASIDs (asid.c)         */
	u64 last_asid;          /* given out in this generation               */
	bool masks_vary;        /* explored: mm_cpumask and lazy CPUs change  */
	struct gather *gather;  /* [nr_cpus]                                  */
	struct page_list *lists;        /* [nr_cpus][nr_nodes] timed          */
	struct page_run *run;   /* [nr_cpus] mm_config.aligns_frames, or NULL */
	struct swap *swap;      /* NULL: no device (swap.h)                   */
	u64 nr_put_off;         /* pages that are free once they are flushed and
				 * written (pageout.c)                        */
	struct address_space *first_file;       /* all there are (file.h)     */
	struct lru *lru;        /* NULL: explored (lru.h)                     */
	struct kswapd **kswapd; /* [nr_nodes] NULL: none (kswapd.h)           */
	bool has_lazyfree;      /* MADV_FREE was called, timed                */
	struct split_queue *split_queue;        /* [nr_nodes] deferred_split.h */
	struct tlb_batch *batch;        /* [nr_cpus], see reclaim.h           */
	u64 frames_per_node;
	struct ghost *ghost;    /* [nr_frames] when checked                   */
	struct revoked *revoked;        /* [nr_cpus] oracle_tlb.c's           */
	u64 truth_pages;        /* of each mm->truth                          */
	struct truth *file_truth;       /* ghost of every page of every file  */
	u32 nr_file_truth;
	u32 oracles;            /* bit per oracle that may fire               */
	u64 *stale_since;       /* timed, checked: [vpn] cycles + 1           */
	u64 stale_pages;
	struct window_stat *window;
	/* NUMA scanner; or balancing by the kernel's own rules (or NULL) */
	struct numa_state *numa;
	u64 scan_pages;
	u64 scan_period_cycles;
	u64 tick_cycles;
	u64 cpuset_at;          /* cycles: the next change (cpuset.h); 0: none */
	u32 next_ctx_id;
	struct mm *first_mm;
	void **pool;            /* [NR_POOLS] free objects, see vma.c         */
	u64 nr_mlock;           /* NR_MLOCK                                   */
	u64 churn_cycles;       /* mm_config.thp_churn_ns; 0: none            */
	bool thp_enabled;
	bool has_zero_page;     /* mm_config.zero_page                        */
	bool has_hugetlb;       /* there are such files                       */
	struct rmap_item *rmap_items;   /* KSM's                              */
	u32 zero_pfn;           /* from the first read fault that needs it    */
	struct mthp *mthp;      /* NULL: pages are 4K or huge (mthp.h)        */
};

static inline struct mm_state *mms(void)
{
	return the_sys->os_state;
}

static inline const struct kernel *kern(void)
{
	return ((const struct mm_fixed *)the_sys->os_fixed)->k;
}

static inline const struct flush_ops *flusher(void)
{
	return ((const struct mm_fixed *)the_sys->os_fixed)->flush;
}

static inline struct page *page_of(u64 pfn)
{
	return &mms()->page[pfn];
}

static inline u64 pfn_of(const struct page *p)
{
	return (u64)(p - mms()->page);
}

/* Whose reference count and lock are those of all pieces of a huge page. */
static inline struct page *compound_head(struct page *p)
{
	u64 n = 1ull << p->order;

	return likely(!p->is_tail) ? p : page_of(pfn_of(p) & ~(n - 1));
}

/* mapcount and the flags beside it are one word. */
static inline void touch_flags(struct page *p, bool is_write)
{
	touch(&p->mapcount, is_write);
}

static inline u32 hpage_order(void)
{
	return the_sys->mem.paging.bits;
}

static inline u64 hpage_pages(void)
{
	return 1ull << hpage_order();
}

/* TASK_SIZE, in pages: programs have those below. */
static inline u64 task_size(void)
{
	return paging_user_pages(&the_sys->mem.paging);
}

struct mm_config {
	const struct kernel *kernel;
	const struct flush_ops *flush;
	u64 scan_bytes;                 /* NUMA scan size                     */
	u64 scan_period_ns;             /* 0: the program's ticks do not scan */
	u64 tick_ns;                    /* of the scheduler; 0: none          */
	u32 oracles;                    /* 0: all                             */
	bool thp_enabled;
	u32 mthp_orders;        /* mthp.h: bit an order                       */
	u64 thp_churn_ns;       /* thp_churn.h; timed; 0: none                */
	bool aligns_frames;             /* runs.c; timed                      */
	bool zero_page;                 /* what is read before it is written
					 * maps one page of zeros; 4K pages   */
	u32 truth_pages;                /* explored: user pages with contents */
	bool has_switches;              /* explored: tasks switch_mm() or
					 * sleep; else which CPUs run an mm is
					 * no shared state                    */
};

/* mm_boot - bring the modelled kernel up on the_sys: installs os hooks.
 * Return: 0, -ENOMEM. */
int mm_boot(struct sys *sys, const struct mm_config *cfg);
void mm_shutdown(struct sys *sys);

/* ---- address spaces (mm.c, vma.c) ---- */
struct mm *mm_create(void);
/* Before its struct goes back. */
void mm_free_words(struct mm *mm);
/* Threads of @mm run on @cpu: mm_cpumask and CR3. Before timed_run(). */
void mm_load(struct mm *mm, u32 cpu);
/* What its translations are tagged with, where that is the same on all CPUs, or
 * where no CPU has had another one. */
u16 mm_pcid(const struct mm *mm);
/* Set-up: a VMA without taking time or locks. */
struct vma *vma_add(struct mm *mm, u64 start, u64 nr_pages, u32 flags);
struct vma *find_vma(struct mm *mm, u64 vpn);
/* The first VMA that ends above @vpn, whether it holds it or not. */
struct vma *find_vma_above(struct mm *mm, u64 vpn);

/* System calls. What a caller learns from one is its result, so that a program
 * is where it was (step.h). */
static inline u64 syscall_enter(void)
{
	charge_syscall();
	return obs_save();
}

static inline int syscall_leave(u64 obs, int rc)
{
	obs_restore(obs);
	observe((u64)(s64)rc);
	return rc;
}

/* Ranges may begin and end anywhere in VMAs, and munmap's may have holes;
 * mprotect of a hole is -ENOMEM and changes nothing. */
u64 do_mmap(struct mm *mm, u64 nr_pages, u32 flags);
/* MAP_FIXED: what was there is unmapped first. */
int do_mmap_fixed(struct mm *mm, u64 start, u64 nr_pages, u32 flags);
int do_munmap(struct mm *mm, u64 start, u64 nr_pages);
int do_mprotect(struct mm *mm, u64 start, u64 nr_pages, u32 flags);
/* Move the end of the heap to @end. Return: 0; -EINVAL below its start, -ENOMEM
 * (something is in the way). */
int do_brk(struct mm *mm, u64 end);


/* MADV_PAGEOUT: after swapon() (swap.h). */
/* MADV_FREE of a file, anything of what mlock() keeps or of hugetlb pages: -EINVAL,
 * nothing is done. */
enum madvice { MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT };
int do_madvise(struct mm *mm, u64 start, u64 nr_pages, enum madvice advice);
/* Explored: process_madvise() of the caller's own: the page whose number is the word
 * at @vec of his memory (5.10; a vector of one). */
int do_process_madvise(struct mm *mm, u64 vec, enum madvice advice);

/* mremap() with MREMAP_MAYMOVE | MREMAP_FIXED: [old, old + old_pages) goes to
 * @new, whatever was there is unmapped; a longer one ends in fresh memory.
 * Return: 0; -EINVAL (empty, overlapping), -EFAULT (not in one VMA, or hugetlb); -ENOMEM,
 * -EBUSY (split_huge_pmd_at): the pages are where they were. */
int do_mremap(struct mm *mm, u64 old, u64 old_pages, u64 new, u64 new_pages);

/* fork()'s copy of an address space: pages shared until written. NULL: out of
 * memory. No CPU has it loaded yet. */
struct mm *dup_mm(struct mm *mm);

/* The last thread is gone, and no CPU has @mm loaded, unless lazily: free it
 * all. */
void exit_mmap(struct mm *mm);

/* execve() of this task, the only one of its address space, which goes away:
 * @arg_pages pages of arguments, whose i-th begins with i + 1, end up @shift
 * pages below where they were written, from *@stack on. Return: 0; -ENOMEM: the
 * old program goes on, or, once there is none, the new one must end.
 * In two halves: the new address space, NULL without memory; and going there. */
int do_exec(u64 arg_pages, u64 shift, u64 *stack);
struct mm *exec_prepare(u64 arg_pages);
int exec_install(struct mm *mm, u64 shift, u64 *stack);

/* ---- scheduling (switch.c; what flushers know of it: switch.h) ---- */

/* This CPU's task goes on in @mm; NULL: in none, and what it had is unloaded. */
void switch_mm(struct mm *mm);
/* The same, and the current thread's address space stays what it is (kvm.h). */
void load_mm(struct mm *mm);
/* It goes on in none, as a kernel thread that borrows what is loaded. */
void enter_lazy_tlb(void);
/* As switch_mm(), of a kernel thread that adopts @mm: kthread_use_mm(). */
void kthread_use_mm(struct mm *mm);
/* Sleep while *@word is @value: its CPU idles, lazily. Whoever stores to *@word
 * (WRITE_ONCE) wakes it. */
void thread_sleep(const u32 *word, u32 value);
/* Timed: sleep until @at, when a device is done; the same, but that nobody else gets
 * the CPU meanwhile (sched.h). Locks that others sleep on may be held; a vCPU
 * stays in its guest's tables. */
void io_schedule_until(u64 at);
/* The scheduler's timer, on this CPU: what strategies do then. Timed programs
 * come here by themselves. */
void timer_tick(void);

/* A huge page that [.., @vpn) and [@vpn, ..) share is mapped in 4K pages, and stays
 * one, in pieces (pieces.h): since 4.5. Before, and of SPLIT_PAGE, it becomes such
 * if nobody else maps it; if somebody does, then before 4.5 all stays as it is.
 * mmap_lock is held. Return: 0; -ENOMEM, -EBUSY. */
enum split_what { SPLIT_MAPPING, SPLIT_PAGE };
int split_huge_pmd_at(struct mm *mm, u64 vpn, enum split_what what);

/* split_huge_page - @page, referenced, and all its mappings in 4K pages, by the
 * protocol of 2.6.38 to 4.4 (thp_split.c): forks and mremaps of a mapping that is
 * marked wait; other changes of such a mapping must not come at the same time.
 * Return: 0; -EBUSY (not mapped), -ENOMEM (mappings are left without). */
int split_huge_page(struct page *page);
/* Until it is: under no page-table lock. */
void wait_split_huge_page(struct page *page);
/* Parts of it (thp.c): the page alone; one mapping, under its lock. */
void split_page(struct page *head);
void split_pmd_to(struct mm *mm, u64 vpn, u64 *pmdp, u32 table);
/* Nobody uses the huge page from here on, and no bit that hardware set until
 * then is lost: under the PMD's lock; flushes, for @op. Return: what the entry
 * was. */
u64 pmdp_invalidate(struct mm *mm, u64 vpn, u64 *pmdp, enum flush_op op);

/* khugepaged (collapse.c): the small pages at @vpn, aligned, become a huge one.
 * Return: 0; -EINVAL (not in one VMA), -ENOMEM; -EAGAIN, -EBUSY: nothing there, or
 * a page that somebody else has; all is as it was. */
int collapse_huge_page(struct mm *mm, u64 vpn);

/* ---- page tables (pgtable.c) ---- */
#define PMD_LEVEL 1
/* The entry of @level for @vpn, NULL when no table is there. */
u64 *pgtable_entry(struct mm *mm, u64 vpn, u32 level);
/* The same, allocating tables on the way. NULL: out of memory. */
u64 *pgtable_alloc(struct mm *mm, u64 vpn, u32 level);
/* The lock that covers the entry. */
struct spinlock *pgtable_lock(struct mm *mm, u64 vpn, u32 level);
bool pmd_is_huge(u64 pmd);      /* present, NUMA or migrating, not a table    */
u32 alloc_table(u32 node);

/* ---- frames (page.c) ---- */
struct page *alloc_page(u32 node, u32 order);   /* refcount 1; NULL: none     */
/* The same for page @vpn of this CPU's program, with a frame that suits it. */
#define ANY_VPN UINT64_MAX
struct page *alloc_page_for(u32 node, u32 order, u64 vpn);
/* A frame set aside for @vpn, or a fresh block's first; 0: none (runs.c). */
u64 run_take(u32 node, u64 vpn);
void runs_release(u32 node);
/* References, and the lock: of the huge page that @p may be a piece of. */
void get_page(struct page *p);
bool get_page_unless_zero(struct page *p);      /* of no piece but the first  */
/* Take all references away at once, if there are exactly @count: then nobody
 * gets one. Give back. */
bool page_ref_freeze(struct page *p, u32 count);
void page_ref_unfreeze(struct page *p, u32 count);
void put_page(struct page *p);                  /* frees at 0                 */
void free_page_to(struct page *p);
bool trylock_page(struct page *p);
void lock_page(struct page *p);
void unlock_page(struct page *p);
void wait_on_page_locked(struct page *p);
bool isolate_lru_page(struct page *p);          /* takes a reference          */
bool isolate_frame(u64 pfn);    /* the same of what may be free by now        */
/* At most LRU_RELEASE (lru.h) frames, in *@page those isolated. Return: how many. */
u32 isolate_frames(const u64 *pfn, u32 n, struct page **page);
void putback_lru_page(struct page *p);          /* drops it                   */
/* The page moves to @dst, if the caller sees it through (oracle.h). */
void copy_page(struct page *dst, struct page *src);
/* @dst is another page that begins with the same contents. */
void copy_user_page(struct page *dst, struct page *src);
void zero_page(struct page *page);
u32 pfn_node(u64 pfn);

/* ---- faults (fault.c, cow.c, swapin.c) ---- */
int handle_mm_fault(u64 vpn, bool is_write);
/* The same of @mm's page, whose mmap_lock the caller holds. */
int handle_fault_locked(struct mm *mm, u64 vpn, bool is_write);
/* The page at @vpn, mapped writable if it was not yet, with a reference. NULL:
 * no memory, no VMA. */
struct page *fault_in_page(struct mm *mm, u64 vpn);
/* A write to a page that is mapped read-only although @vma may be written:
 * under no lock but mmap_lock. Return: 0, -ENOMEM; FAULT_FALLBACK: a huge page is
 * mapped in pieces now, and the fault goes on with one of these. */
#define FAULT_FALLBACK 1
int do_wp_page(struct mm *mm, struct vma *vma, u64 vpn, u32 level, u64 *p);
/* @e was read from @p and names a swap slot. Return: 0, -ENOMEM. (swapin.c) */
int do_swap_page(struct mm *mm, struct vma *vma, u64 vpn, u64 *p, u64 e,
		 bool is_write);

/* ---- what architectures leave to their kernels (arch.c) ---- */
/* Flushes of more pages drop everything. */
u32 arch_flush_ceiling(void);
/* The same of the kernel's own pages. */
u32 arch_kernel_flush_ceiling(void);
/* A fault of this CPU at @vpn is resolved. */
void update_mmu_cache(u64 vpn);
/* An entry in use was given more rights, or D, by a fault here. */
void flush_tlb_upgraded(struct mm *mm, u64 vpn);
/* The entry allows the access that faulted: it lacked A or D and hardware does
 * not set them, or the TLB had something older. */
void fix_spurious_fault(struct mm *mm, u64 vpn, u32 level, u64 *p,
			bool is_write);

/* ---- protection and NUMA scan (mprotect.c, numa.c) ---- */
/* Change [start, end) of @vma to @vm_flags; or else what @how says: make
 * present entries fault, userfaultfd's write protection on or off.
 * Return: pages changed. */
enum cp_how { CP_RIGHTS, CP_NUMA, CP_UFFD_WP, CP_UFFD_RESOLVE };
u64 change_protection(struct vma *vma, u64 start, u64 end, u32 vm_flags,
		      enum cp_how how);
void task_numa_work(void);
int do_numa_page(struct mm *mm, struct vma *vma, u64 vpn, u64 *ptep, u64 pte);
int do_huge_pmd_numa_page(struct mm *mm, struct vma *vma, u64 vpn, u64 *pmdp,
			  u64 pmd);

/* ---- migration (migrate.c) ---- */
/* Called with @page referenced and locked; returns with it unlocked and the
 * reference dropped. Return: migrated. */
bool migrate_misplaced_transhuge_page(struct mm *mm, struct vma *vma,
				      u64 *pmdp, u64 pmd, u64 vpn,
				      struct page *page, u32 node);
/* 4K hint fault: @page referenced, not locked. */
bool migrate_misplaced_page(struct page *page, u32 node);
/* Compaction of one page: isolate, migrate. Return: migrated. */
bool compact_page(struct page *page, u32 node);
/* The @n pages of @pfn, which may be free or somebody else's by now, to @node.
 * Return: how many went. (migrate_batch.c) */
u32 migrate_pages(const u64 *pfn, u32 n, u32 node);
/* The same of pages that are isolated, with the isolator's references, which are
 * used up. */
u32 migrate_isolated(struct page *const *page, u32 n, u32 node);
int migrate_boot(void);
/* migrate_vma_setup() to _finalize() of a driver: the pages of [@start, @start +
 * @nr) that can be had go to @node. Return: how many. (migrate_device.c) */
u32 migrate_vma(struct mm *mm, u64 start, u64 nr, u32 node);

/* ---- devices that walk page tables (device.c) ---- */
/* Set-up: what runs on this CPU is a device that uses @mm: nobody interrupts it. */
void device_bind(struct mm *mm, u32 cpu);
/* It drops all that it has cached of @mm: translations, paths to tables. */
void device_flush(struct mm *mm);
bool migrate_page(struct page *page, u32 node);

/* ---- get_user_pages (gup.c) ---- */
/* A device writes @value to (@vpn, @line) through a reference taken without
 * locks. Return: 0, -EFAULT. */
int gup_fast_dma(struct mm *mm, u64 vpn, u32 line, u64 value);
/* A reference to the page at @vpn without any lock, given back at once. Return:
 * there was one. */
bool gup_fast_only(struct mm *mm, u64 vpn);

/* The same, and the first word is read: the owner saw @then there when it began. */
bool gup_fast_read(struct mm *mm, u64 vpn, u64 then);

/* A 4K page with a reference, as a system call or a device takes it; NULL: no
 * such page. What is done through it then, whatever became of the mapping: the
 * first word, and put_page(). (pin.c) */
struct page *get_user_page(struct mm *mm, u64 vpn, bool is_write);
/* @then: what the owner saw there when it was taken. */
void read_pinned(struct mm *mm, u64 vpn, struct page *page, u64 then);
void write_pinned(struct mm *mm, u64 vpn, struct page *page, u64 value);

/* ---- flushing (tlb.c) ---- */
void flush_tlb_range(struct mm *mm, u64 start, u64 end, u32 order,
		     enum flush_op op);
void flush_tlb_huge(struct mm *mm, u64 vpn, enum flush_op op);
void flush_tlb_page(struct mm *mm, u64 vpn, enum flush_op op);
void flush_tlb_mm(struct mm *mm, enum flush_op op);
bool mm_has_other_cpus(struct mm *mm);
/* Protection changes announce their late flush. */
void set_tlb_flush_pending(struct mm *mm);
void clear_tlb_flush_pending(struct mm *mm);
bool mm_tlb_flush_pending(struct mm *mm);
bool mm_tlb_flush_nested(struct mm *mm);
bool pte_accessible(struct mm *mm, u64 pte);
u64 ptep_clear_flush(struct mm *mm, u64 vpn, u32 level, u64 *pte, u64 new_pte,
		     enum flush_op op);

#endif
