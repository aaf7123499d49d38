/* flush.h - flush strategies: when a change of protection or an unmap tells
 * the other CPUs, and how much it makes them drop.
 *
 * mm code brackets each change: begin, then under each page-table lock
 * changed() for every entry that lost rights, unlock() just before that lock
 * is dropped, and finish() at the end of the range. A strategy decides at
 * which of these it flushes. docs/add-a-strategy.md adds one.
 */
#ifndef MM_FLUSH_H
#define MM_FLUSH_H

#include "base/err.h"
#include "mm/flush_op.h"
#include "mm/mm.h"
#include "mm/oracle.h"

struct address_space;
struct vmap_area;

/* What one flush asks of a CPU. In the arena: responders read it. */
struct flush_req {
	struct mm *mm;          /* NULL: whichever the CPU has loaded         */
	u64 start, end;         /* vpn                                        */
	u64 new_gen;            /* has_tlb_gen: mm->tlb_gen it brings, or
				 * TLB_GENERATION_INVALID                     */
	u8 order;               /* stride, log2 pages                         */
	u8 is_full;
	u8 freed_tables;        /* page tables go: lazy CPUs, too             */
	u8 op;                  /* enum flush_op                              */
	u8 zero[4];
};

/* One change of a range under way; lives on the changer's stack. */
struct flush_batch {
	struct mm *mm;
	u64 start, end;         /* entries that lost rights so far            */
	u32 order;              /* smallest stride of these                   */
	u64 nr_changed;         /* pages                                      */
	bool freed_tables;      /* tables were unhooked, too                  */
	bool freed_top;         /* some that the top table named              */
	bool was_writable;      /* unmapping: by some entry                   */
	u64 asked_start, asked_end;     /* flushes_as_asked; equal: none      */
	enum flush_op op;       /* what for                                   */
};

struct flush_ops {
	const char *name;       /* --flush=NAME                               */
	const char *summary;
	const char *source;
	const char *defers;     /* what other CPUs may still do, until when   */
	const char *needs;      /* hardware or host; NULL: interrupts         */
	/* For which operations it claims to be correct; `tlbemu matrix` asks. */
	flush_ops_set legal;
	/* Under the page-table lock, after the entry at @vpn changed. */
	void (*changed)(struct flush_batch *b, u64 vpn, u32 order);
	/* The lock is about to be dropped. */
	void (*unlock)(struct flush_batch *b);
	/* After the last lock: on return no CPU may use what was revoked. */
	void (*finish)(struct flush_batch *b);
	/* How one flush reaches the CPUs of r->mm, this one included; on return
	 * all have dropped what @r names. NULL: interrupts (flush_by_ipi). */
	void (*shoot)(struct flush_req *r);
	/* Flushes of more pages drop all of the mm; 0: as the kernel does. Or
	 * for this @mm. */
	u32 ceiling;
	u64 (*ceiling_for)(const struct mm *mm);
	/* In place of interrupts: the CPUs of @to, which may be none, and this one
	 * if @is_here drop what @r names (all of the mm they have loaded, for no
	 * mm); on return they have. Others do not run flush_func(). */
	void (*tell)(struct flush_req *r, const u64 *to, bool is_here);
	/* It starts broadcasts, or what others do without software (cpu.h). */
	bool has_broadcasts;
	/* Reclaim unmapped @vpn and puts the flush off: start it. true: its end
	 * can be waited for by cpu_broadcast_sync(); false, or NULL: interrupts
	 * at the end. */
	bool (*batch_start)(struct mm *mm, u64 vpn);
	/* The tag that @mm has on every CPU by now, above those of the slots; 0:
	 * none yet, slots and tlb_gen. */
	u16 (*global_tag)(const struct mm *mm);
	/* It asks the hypervisor for things: a guest's (cpu/vcpu.h). */
	bool is_guests;
	/* A lazy CPU may keep its root through a flush that frees tables. */
	bool keeps_lazy_roots;
	/* The same PCID means the mm on every CPU: mm->ctx_id. */
	bool has_global_asids;
	/* This CPU, in mm_cpumask of @mm by now, loads it, or has had it loaded
	 * all the time and only lent it (@is_back): under which tag; and may
	 * what that holds be stale (*@flush)? With it the strategy has a
	 * protocol of its own in place of tlb_gen, slots and lazy CPUs; .shoot,
	 * too, is its own. NULL: as Linux (switch.c). */
	u16 (*load)(struct mm *mm, bool is_back, bool *flush);
	/* .load, and a CPU that leaves an mm stays in its mask. */
	bool keeps_mask;
	/* What a CPU drops of its own TLB costs it an exit to the hypervisor. */
	bool local_exits;
	/* --flush=NAME:TEXT: the strategy so modified. NULL: no such. */
	const struct flush_ops *(*variant)(const char *text);
	/* A CPU's is_lazy is read with the line of its queue, which whoever
	 * interrupts it writes to anyway. */
	bool packs_lines;
	/* What is wrong with it: a bug kept to be shown, which nobody should
	 * compare with ("all" leaves it out). NULL: nothing is known. */
	const char *flaw;
	/* Timed: does @m have the hardware? false: @e says what is missing.
	 * NULL: any machine has. Explored runs ask for no machine. */
	bool (*can_run)(const struct machine *m, struct err *e);

	/* What strategies that put flushes off need besides; NULL: nothing. */

	/* State in the arena, as mms()->flush_state. Return: 0, -ENOMEM. */
	int (*boot)(struct sys *sys);
	/* The scheduler's timer ticks on this CPU, in user mode. It is about to
	 * leave the address space that it has loaded, or to idle. */
	void (*tick)(void);
	void (*leave)(void);
	/* Instead of finish(), where no page tables go, of FLUSH_MUNMAP: the @n
	 * pages of @pfn were unmapped, which are a file's or nobody else's. true:
	 * they, and the addresses, are the strategy's until flush_let_go(). */
	bool (*keep)(struct flush_batch *b, const u32 *pfn, u32 n);
	/* It keeps what MADV_DONTNEED took, too (anonymous pages only). */
	bool keeps_discarded;
	/* [start, end) of @mm, once unmapped, is about to be mapped again, or
	 * @mm to end. mmap_lock is held for writing. */
	void (*claim)(struct mm *mm, u64 start, u64 end);
	/* There is no memory: pages that keep() took come free now. Under the locks
	 * of given_out() below. Return: how many. */
	u64 (*reclaim)(void);
	/* Some flushes come after finish(), of addresses that stay mapped: it
	 * counts them in mm->nr_owed from before finish() returns until no CPU
	 * has anything left. Movers find them by mm_tlb_flush_pending(); for who
	 * could not come in between otherwise, claim() makes them come now
	 * (flush_settle; mmap_lock is held). */
	bool owes;
	/* @p is free now, and p->index the strategy's word while it is; no step.
	 * false: nothing is put off. It is about to be given out again, for @vpn
	 * of the program that runs here, or for anything else (ANY_VPN): no lock
	 * is held but mmap's, a page's or an anon_vma's. */
	bool (*freed)(struct page *p);
	void (*given_out)(struct page *p, u64 vpn);
	/* Timed: such frames are given out when there are no other 4K ones, those
	 * first that were freed first. Explored, the last one freed is the next. */
	bool reuses_late;
	/* Reclaim unmapped the @n pages of @page, at most RECLAIM_BATCH, isolated,
	 * in the swap cache and not locked, and owes the CPUs of @to a flush,
	 * by generations. true: it need not wait, they are the strategy's until
	 * swapped(). That gives some back whose flush is done, into @page;
	 * @is_urgent: if there are any, it makes it so. Return: how many. */
	bool (*swap_out)(struct page *const *page, u32 n, const u64 *to);
	u32 (*swapped)(struct page **page, bool is_urgent);
	/* Instead of a flush, under the page-table lock: the entry @old for @vpn
	 * of @mm, present until now, no longer maps a page that migrates or is
	 * reclaimed (@op). true: the flush is put off. */
	bool (*unmapped)(struct mm *mm, u64 vpn, u64 old, enum flush_op op);
	/* Under the page-table lock: the entry for @vpn of @mm may be written
	 * through from now on. */
	void (*writable)(struct mm *mm, u64 vpn);
	/* The same of pages of @f, by a shared mapping; or @f was cut off. */
	void (*file_changes)(struct address_space *f);
	/* Under the page-table lock: a call is about to look at entries of @mm, of
	 * which some may be gone already, unmapped() having put their flush off. */
	void (*owed)(struct mm *mm);
	/* This CPU is about to read how far it must catch up (has_tlb_gen), and
	 * later has. */
	u64 (*catching_up)(void);
	void (*caught_up)(u64 was);
	/* A fault found that the entry allows the access. */
	void (*spurious)(struct mm *mm, u64 vpn);
	/* Under the page-table lock: a fault here is about to map a page that
	 * nobody had, by the entry @e. Return: the entry to be stored. */
	u64 (*mapping)(struct mm *mm, u64 vpn, u32 level, u64 e);
	/* Still under the lock: it has. */
	void (*mapped)(struct mm *mm, u64 vpn, u32 level, u64 e);
	/* Under the page-table lock, before changed() or a flush of its own: the
	 * entry that was @old lost rights. */
	void (*revoked)(struct mm *mm, u64 vpn, u32 level, u64 old);
	/* This CPU holds nothing any more of what it had under the tag of @slot. */
	void (*emptied)(u32 slot);
	/* Under the page-table lock: the 4K entry for @vpn maps a copy from now on,
	 * and the flush before it was for other CPUs; this one drops what it has
	 * of @vpn. NULL: it was for all. */
	void (*cow_installed)(struct mm *mm, u64 vpn);
	/* A call of this CPU's program in which the kernel leaves its memory alone:
	 * begun, over. In between it is about to touch it, and has. */
	void (*call_begin)(struct mm *mm);
	void (*call_end)(void);
	void (*uaccess_begin)(void);
	void (*uaccess_end)(struct mm *mm);
	/* Explored: @cpu is in such a call, and not told of flushes. */
	bool (*is_away)(u32 cpu);
	/* The kernel is about to clear A of the entry @e without a flush. */
	void (*aged)(u64 e);
	/* vfree() cleared the entries of @a (vmalloc.h): every CPU is to drop what it
	 * has of these addresses before vmap_release(@a). NULL: at once. What waits
	 * for that is flushed and released when vunmap_now() returns. */
	void (*vunmapped)(struct vmap_area *a);
	void (*vunmap_now)(void);
	/* A flush of the kernel's own translations of @r, entries were changed
	 * before: on return no CPU, this one included, has any. NULL: all others
	 * are interrupted (tlb_kernel.c). */
	void (*shoot_kernel)(const struct flush_req *r);
	/* Of @to, the other CPUs that @r is to interrupt, take away those that
	 * cannot hold what it names. */
	void (*narrow)(const struct flush_req *r, u64 *to);
};

/* For can_run(): has @m got it? false: why not, and @what_works. */
bool flush_needs(const struct machine *m, enum machine_feature feature,
		 const char *name, const char *what_works, struct err *e);

/* The same of a hypervisor. */
bool flush_needs_guest(const struct machine *m, const char *name, struct err *e);

/* NULL-terminated registry. */
extern const struct flush_ops *const flush_strategies[];
const struct flush_ops *flush_find(const char *name);
/* What @k itself does on @m. */
const struct flush_ops *flush_default(const struct kernel *k,
				      const struct machine *m);

void flush_batch_begin(struct flush_batch *b, struct mm *mm, enum flush_op op);
/* Note that the entry of @level for @vpn named a table that is to be freed. */
void flush_batch_freed(struct flush_batch *b, u64 vpn, u32 level);
/* Note a change without flushing: what most strategies' changed() does. */
void flush_batch_add(struct flush_batch *b, u64 vpn, u32 order);
/* The change is of [@start, @end): where kernels flushed what was asked for, all of
 * that goes once something was noted. */
void flush_batch_asked(struct flush_batch *b, u64 start, u64 end);
/* Flush what was noted, if anything, and forget it. */
void flush_batch_flush(struct flush_batch *b, bool is_full);
/* The hooks of strategies that flush once, after the last lock. */
void flush_batch_wait(struct flush_batch *b);
void flush_batch_end(struct flush_batch *b);
#define FLUSH_AT_THE_END .changed = flush_batch_add, \
	.unlock = flush_batch_wait, .finish = flush_batch_end

/* flush_let_go - all CPUs have dropped what a keep() took: the pages are freed,
 * and [start, end) of @mm no longer may be used. */
void flush_let_go(struct mm *mm, u64 start, u64 end, const u32 *pfn, u32 n);
/* The pages alone: the addresses may still be used. */
void flush_free_pages(const u32 *pfn, u32 n);
static inline u64 flush_mapping(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	if (!flusher() || !flusher()->mapping)
		return e;
	return flusher()->mapping(mm, vpn, level, e);
}

static inline void flush_mapped(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	if (flusher() && flusher()->mapped)
		flusher()->mapped(mm, vpn, level, e);
}

static inline void flush_revoked(struct mm *mm, u64 vpn, u32 level, u64 old)
{
	if (!flusher() || !flusher()->revoked)
		return;
	oracle_revoked(vpn, level, old);
	flusher()->revoked(mm, vpn, level, old);
}

static inline bool flush_spares_own(u64 start, u64 end, enum flush_op op)
{
	return op == FLUSH_COW && end == start + 1 && flusher() &&
	       flusher()->cow_installed;
}

static inline void flush_cow_installed(struct mm *mm, u64 vpn, u32 level)
{
	if (level || !flusher() || !flusher()->cow_installed)
		return;
	flusher()->cow_installed(mm, vpn);
	oracle_own_dropped(mm);
}

static inline void flush_call_begin(struct mm *mm)
{
	if (flusher() && flusher()->call_begin)
		flusher()->call_begin(mm);
}

static inline void flush_call_end(void)
{
	if (flusher() && flusher()->call_end)
		flusher()->call_end();
}

static inline void flush_uaccess_begin(void)
{
	if (flusher() && flusher()->uaccess_begin)
		flusher()->uaccess_begin();
}

static inline void flush_uaccess_end(struct mm *mm)
{
	if (flusher() && flusher()->uaccess_end)
		flusher()->uaccess_end(mm);
}

static inline void flush_emptied(u32 slot)
{
	if (flusher() && flusher()->emptied)
		flusher()->emptied(slot);
}

static inline void flush_aged(u64 e)
{
	if (flusher() && flusher()->aged)
		flusher()->aged(e);
}

static inline bool flush_is_put_off(struct mm *mm, u64 vpn, u64 old,
				    enum flush_op op)
{
	return flusher() && flusher()->unmapped &&
	       flusher()->unmapped(mm, vpn, old, op);
}

static inline void flush_writable(struct mm *mm, u64 vpn)
{
	if (flusher() && flusher()->writable)
		flusher()->writable(mm, vpn);
}

static inline void flush_file_changes(struct address_space *f)
{
	if (flusher() && flusher()->file_changes)
		flusher()->file_changes(f);
}

/* Who takes mmap_lock for writing to change entries, or is about to move a page,
 * pays what is owed of them. */
static inline void flush_settle(struct mm *mm, u64 start, u64 end)
{
	if (flusher() && flusher()->owes && flusher()->claim &&
	    READ_ONCE(mm->nr_owed))
		flusher()->claim(mm, start, end);
}

/* Where the pages of [start, end) are the strategy's in the meantime. */
static inline void flush_claim(struct mm *mm, u64 start, u64 end)
{
	if (flusher() && flusher()->claim)
		flusher()->claim(mm, start, end);
}

/* tlb.c */
#define TLB_GENERATION_INVALID 0
/* arch_tlbbatch_flush: each CPU of @mask brings the address space that it has
 * loaded up to date. */
void flush_tlb_batch(const u64 *mask);
void flush_tlb_req(struct mm *mm, u64 start, u64 end, u32 order, bool is_full,
		   bool freed_tables, enum flush_op op);
void flush_by_ipi(struct flush_req *r);
/* flush_tlb_later - what @b noted is flushed here; others are to carry *@r out by
 * flush_here(), some time. It has its generation. *@r is in the arena, and so is
 * @to: a bit per CPU that must. */
void flush_tlb_later(const struct flush_batch *b, struct flush_req *r, u64 *to);
/* The same without others: they learn of it by its generation. */
void flush_tlb_alone(const struct flush_batch *b);
/* This CPU brings what it has loaded up to date (has_tlb_gen). */
void flush_catch_up(void);
/* This CPU carries *@r out, if it is not covered by later ones yet. */
void flush_here(struct flush_req *r);
/* The same as part of what is going on already. */
void flush_func(void *r);
/* For protocols of their own. flush_own: this CPU drops what @r names of the
 * address space that it has loaded. flush_targets: a mask of CPUs, this one's
 * own, empty; flush_targets_done() empties it again. */
void flush_own(const struct flush_req *r);
u64 *flush_targets(void);
void flush_targets_done(void);
/* The other CPUs of @mm's mask, as it is now. Return: there are any. */
bool flush_others(struct mm *mm, u64 *to);
static inline bool flush_has(const u64 *mask, u32 cpu)
{
	return mask[cpu / 64] >> cpu % 64 & 1;
}
/* Received, and how many were sent. */
void flush_count_sent(const struct flush_req *r);
/* Whom Linux interrupts for @r, of its mm_cpumask, in *@to; *@is_here: this CPU is
 * one that must flush. Return: there are others than this CPU in the mask. */
bool flush_pick(const struct flush_req *r, u64 *to, bool *is_here);
/* What @r names, 0 for "all". */
u64 flush_pages(const struct flush_req *r);
/* The strategy in use has a protocol of its own. */
static inline bool flush_is_own(void)
{
	return flusher() && flusher()->load;
}

#endif
