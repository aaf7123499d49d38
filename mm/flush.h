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
	/* Flushes of more pages drop all of the mm; 0: as the kernel does. */
	u32 ceiling;
	/* The same PCID means the mm on every CPU: mm->ctx_id. */
	bool has_global_asids;
	/* Timed: does @m have the hardware? false: @e says what is missing.
	 * NULL: any machine has. Explored runs ask for no machine. */
	bool (*can_run)(const struct machine *m, struct err *e);
};

/* NULL-terminated registry. */
extern const struct flush_ops *const flush_strategies[];
const struct flush_ops *flush_find(const char *name);

void flush_batch_begin(struct flush_batch *b, struct mm *mm, enum flush_op op);
/* Note that the entry of @level for @vpn named a table that is to be freed. */
void flush_batch_freed(struct flush_batch *b, u64 vpn, u32 level);
/* Note a change without flushing: what most strategies' changed() does. */
void flush_batch_add(struct flush_batch *b, u64 vpn, u32 order);
/* Flush what was noted, if anything, and forget it. */
void flush_batch_flush(struct flush_batch *b, bool is_full);

/* tlb.c */
#define TLB_GENERATION_INVALID 0
/* arch_tlbbatch_flush: each CPU of @mask brings the address space that it has
 * loaded up to date. */
void flush_tlb_batch(const u64 *mask);
void flush_tlb_req(struct mm *mm, u64 start, u64 end, u32 order, bool is_full,
		   bool freed_tables, enum flush_op op);
void flush_by_ipi(struct flush_req *r);

#endif
