/* LUF (F24): a page whose entry was read-only is moved or reclaimed without a
 * flush. Others may go on reading the old frame, which nobody writes to, until
 * it leaves the allocator, which gives out others first; who has not flushed by then
 * is made to. Before an
 * entry of that address space may be written through, all that is owed is
 * flushed: else some would read the old frame, and some the new one.
 *
 * A page of a file counts if nobody has a shared mapping of the file that may be
 * written through. Before one is, or the file is cut off, all that is owed is flushed;
 * and before a call looks at entries of an address space that owes, as munmap does:
 * what reclaim took has none any more.
 *
 * Assumed, as the posted series was read in part: an address space, and a file, owes
 * as a whole (the series keeps keys by folio and address range); while a change of
 * rights is under way, or somebody holds mmap_lock for writing (fork), an entry
 * that reads read-only may be cached writable, and is flushed as usual.
 */
#include "mm/file.h"
#include "mm/flush/clock.h"

static bool is_settled(struct mm *mm)
{
	return !mm_tlb_flush_pending(mm) && !READ_ONCE(mm->mmap_lock.writer);
}

/* Under i_mmap_rwsem: whoever unmaps comes by way of it. */
static bool may_be_written(struct address_space *f)
{
	touch(&f->i_mmap_nonlinear, false);
	if (f->i_mmap_nonlinear)
		return true;
	for (struct vma *v = f->i_mmap; v; v = v->next_mapping)
		if ((READ_ONCE(v->flags) & (VM_SHARED | VM_WRITE)) ==
		    (VM_SHARED | VM_WRITE))
			return true;
	return false;
}

/* Owed before it is said, and said before who may write is asked again: who is about
 * to write comes after one, or before the other. */
static bool owe_file(struct page *page, struct mm *mm)
{
	struct address_space *f = page->mapping;

	touch(&page->mapping, false);
	observe(f != NULL);
	if (!f || (f->flags & FILE_DEVICE) || may_be_written(f))
		return false;
	flush_clock_owe(page, mm);
	(void)xchg(&f->is_kept, 1);
	return !may_be_written(f);
}

static bool unmapped(struct mm *mm, u64 vpn, u64 old, enum flush_op op)
{
	struct page *page = page_of(pte_pfn(old));

	if ((op != FLUSH_MIGRATE && op != FLUSH_RECLAIM) ||
	    !(old & PTE_P) || (old & PTE_RW) || !is_settled(mm))
		return false;
	if (kern()->has_tlb_gen)
		(void)atomic_add_return(&mm->tlb_gen, 1);
	if (page->is_file)
		return owe_file(page, mm);
	flush_clock_owe(page, mm);
	return true;
}

static void owed(struct mm *mm)
{
	if (!READ_ONCE(mm->nr_kept))
		return;
	(void)xchg(&mm->nr_kept, 0);
	flush_clock_pay();
}

static void writable(struct mm *mm, u64 vpn)
{
	if (READ_ONCE(mm->nr_kept))
		NOTE("page %llu will be written to: pay what is owed",
		     (unsigned long long)vpn);
	owed(mm);
}

static void file_changes(struct address_space *f)
{
	if (!READ_ONCE(f->is_kept))
		return;
	(void)xchg(&f->is_kept, 0);
	NOTE("the file will be written to: pay what is owed");
	flush_clock_pay();
}

extern const struct flush_ops flush_luf;
const struct flush_ops flush_luf = {
	.name = "luf",
	.summary = "read-only pages are moved and reclaimed; frames flushed when reused",
	.source = "B. Park, LUF, RFC v10 to v12, 2024",
	.defers = "old read-only entries stay usable until their frame is reused or the program may write; else as deferred",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = flush_clock_boot,
	.freed = flush_clock_freed,
	.given_out = flush_clock_given_out,
	.reuses_late = true,
	.unmapped = unmapped,
	.writable = writable,
	.file_changes = file_changes,
	.owed = owed,
	.catching_up = flush_clock_catching_up,
	.caught_up = flush_clock_caught_up,
};
