/* Changing rights of a range: mprotect() and the NUMA scanner share it. */
#include <errno.h>

#include "mm/file.h"
#include "mm/flush.h"
#include "mm/hugetlb.h"
#include "mm/kvm.h"
#include "mm/mm.h"
#include "mm/numa_balancing.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/vma.h"

/* What the change takes from an entry and gives to it. NUMA marking and
 * PROT_NONE clear Present and keep the rest, D included (but for kernels of
 * marks_lose_write). What userfaultfd's
 * protection took is given back by the next fault only: lifting it takes, too. */
static void entry_change(u32 vm_flags, enum cp_how how, u64 *clear, u64 *set)
{
	if (how == CP_UFFD_WP) {
		*clear = PTE_RW;
		*set = PTE_UFFD_WP;
	} else if (how == CP_UFFD_RESOLVE) {
		*clear = PTE_RW | PTE_UFFD_WP;
		*set = 0;
	} else if (how == CP_NUMA) {
		*clear = numa_mark_clears();
		*set = PTE_NUMA;
	} else if (!(vm_flags & (VM_READ | VM_WRITE))) {
		*clear = PTE_P;
		*set = PTE_NUMA;
	} else {
		*clear = PTE_NUMA | (vm_flags & VM_WRITE ? 0 : PTE_RW);
		*set = PTE_P | PTE_A | (vm_flags & VM_WRITE ? PTE_RW : 0);
	}
}

/* Does some TLB entry of @old allow what @new does not? Or the reverse: Linux
 * flushes then, too, which saves the others a fault. */
static bool needs_flush(u64 old, u64 new, u32 level)
{
	if (!(old & PTE_P))
		return false;
	if ((new & ~old) & PTE_RW)
		return !level || !kern()->thp_upgrade_is_free;
	return !(new & PTE_P) || ((old & ~new) & (PTE_RW | PTE_D)) ||
	       pte_pfn(old) != pte_pfn(new);
}

/* Of a file stores to a private mapping are copies, and those to what is on disk
 * are heard of. */
static bool file_must_fault(const struct page *page, u64 pte, u32 vm_flags)
{
	if (!(vm_flags & VM_SHARED))
		return true;
	if ((vm_flags & VM_TRACKED) && !(pte & PTE_SOFT_DIRTY))
		return true;
	return !(pte & PTE_SPECIAL) && !(pte & PTE_D) &&
	       (page->mapping->flags & FILE_DISK);
}

/* A page that somebody else maps, too, is written to only after a fault; and so
 * is one that somebody wants to hear of. */
static bool must_fault(u64 pte, u32 level, u32 vm_flags)
{
	struct page *page = page_of(pte_pfn(pte));
	u32 mappings = page_mapcount(page, level);

	if ((pte & PTE_SPECIAL) || page->is_file)
		return file_must_fault(page, pte, vm_flags);
	return mappings > 1 || page->is_ksm || (pte & PTE_UFFD_WP) ||
	       ((vm_flags & VM_TRACKED) && !(pte & PTE_SOFT_DIRTY));
}

static const char *name_of(u64 e, enum cp_how how)
{
	if (how == CP_NUMA)
		return "NUMA";
	return e & PTE_P ? e & PTE_RW ? "RW" : "RO" : "NONE";
}

/* Stores go to what all who map it see. */
static void changes_file(struct mm *mm, u64 vpn)
{
	struct vma *v = flusher()->file_changes ? find_vma(mm, vpn) : NULL;

	if (v && v->file)
		flush_file_changes(v->file);
}

static u64 change_entry(struct flush_batch *b, u64 vpn, u32 level, u64 *p,
			u32 vm_flags, enum cp_how how)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	u64 old = pte_load(p), new, clear, set;

	if (!old || (old & (PTE_MIG | PTE_SWAP | PTE_FILE)) ||
	    (level && !pmd_is_huge(old)))
		return 0;
	if (how != CP_RIGHTS && !(old & PTE_P))
		return 0;
	if (how == CP_NUMA && numab() &&
	    numa_scan_skips(page_of(pte_pfn(old)), level, b->mm))
		return 0;
	if (how == CP_NUMA && (old & PTE_SPECIAL))
		return 0;
	entry_change(vm_flags, how, &clear, &set);
	if ((set & PTE_RW) && must_fault(old, level, vm_flags))
		set &= ~PTE_RW;
	if (((old & ~clear) | set) == old)
		return 0;
	if (set & PTE_RW) {
		flush_writable(b->mm, vpn);
		changes_file(b->mm, vpn);
	}
	/* Whoever looks without the lock sees none in between (R18a). */
	if (level && kern()->pmd_shows_none) {
		old = pte_xchg(b->mm->root, vpn, level, p, 0);
		new = (old & ~clear) | set;
		pte_store(b->mm->root, vpn, level, p, new);
	} else {
		old = pte_modify(b->mm->root, vpn, level, p, clear, set);
		new = (old & ~clear) | set;
	}
	NOTE("%s[%llu] := %s, frame %llu", level ? "PMD" : "PTE",
	     (unsigned long long)(vpn >> order),
	     name_of(new, how), (unsigned long long)pte_pfn(new));
	if (how == CP_NUMA)
		COUNT(NUMA_HUGE_PTE_UPDATES, !!level);
	oracle_stale_from_now(b->mm, vpn, 1ull << order);
	if (needs_flush(old, new, level)) {
		flush_revoked(b->mm, vpn, level, old);
		flusher()->changed(b, vpn, order);
	}
	return 1ull << order;
}

/* Rights of one VMA: what it gives it takes from none of its entries. */
static enum flush_op op_of(u32 vm_flags, enum cp_how how)
{
	if (how == CP_NUMA)
		return FLUSH_NUMA_HINT;
	if (how != CP_RIGHTS)
		return FLUSH_UFFD_WP;
	return vm_flags & VM_WRITE ? FLUSH_PROTECT_UP : FLUSH_PROTECT_DOWN;
}

u64 change_protection(struct vma *vma, u64 start, u64 end, u32 vm_flags,
		      enum cp_how how)
{
	struct mm *mm = vma->mm;
	struct flush_batch b;
	u64 pages = 0;

	mmu_notifier_start(mm, start, end);
	flush_batch_begin(&b, mm, op_of(vm_flags, how));
	flush_batch_asked(&b, start, end);
	if (!kern()->announces_late)
		set_tlb_flush_pending(mm);
	for (u64 vpn = start, next; vpn < end; vpn = next) {
		u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), old;
		struct spinlock *ptl;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > end)
			next = end;
		old = pmd ? pte_load(pmd) : 0;
		if (!old)
			continue;
		if (pmd_is_huge(old)) {
			ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
			spin_lock(ptl);
			pages += change_entry(&b, vpn, PMD_LEVEL, pmd, vm_flags,
					      how);
		} else {
			ptl = pgtable_lock(mm, vpn, 0);
			spin_lock(ptl);
			flush_tlb_batched_pending(mm);
			for (; vpn < next; vpn++)
				pages += change_entry(&b, vpn, 0,
						      pgtable_entry(mm, vpn, 0),
						      vm_flags, how);
		}
		flusher()->unlock(&b);
		spin_unlock(ptl);
	}
	if (kern()->announces_late)
		set_tlb_flush_pending(mm);
	if (kern()->retracts_early)
		clear_tlb_flush_pending(mm);
	/* Only what changed is flushed, and only if something did. */
	flusher()->finish(&b);
	if (!kern()->retracts_early)
		clear_tlb_flush_pending(mm);
	mmu_notifier_end(mm);
	return pages;
}

/* The VMAs of [start, end), which has been isolated, one by one. */
static void protect_vmas(struct mm *mm, u64 start, u64 end, u32 flags)
{
	for (struct vma *v = find_vma_above(mm, start); v && v->start < end;
	     v = v->next) {
		touch(v, true);
		v->flags = (v->flags & ~(u32)(VM_READ | VM_WRITE)) | flags;
		oracle_may(mm, v->start, v->end, flags);
		if (v->flags & VM_HUGETLB)
			hugetlb_unshare(v, FLUSH_PROTECT_DOWN);
		change_protection(v, v->start, v->end, v->flags, CP_RIGHTS);
		oracle_rights(mm, v->start, v->end, flags);
	}
}

static bool is_all_mapped(struct mm *mm, u64 start, u64 end)
{
	struct vma *v = find_vma_above(mm, start);

	for (; v && v->start <= start && start < end; v = v->next)
		start = v->end;
	return start >= end;
}

int do_mprotect(struct mm *mm, u64 start, u64 nr_pages, u32 flags)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), end = start + nr_pages;
	int rc = -ENOMEM;

	COUNT(MPROTECT_CALLS, 1);
	down_write(&mm->mmap_lock);
	touch(mm, false);
	if (is_all_mapped(mm, start, end))
		rc = vma_isolate(mm, start, end);
	flush_settle(mm, start, end);
	if (!rc) {
		protect_vmas(mm, start, end, flags);
		vma_merge(mm, start, end);
	}
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}
