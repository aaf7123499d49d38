/* Soft-dirty bits. Reads next to clear_refs_write() in fs/proc/task_mmu.c. */
#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/watch.h"

static void clear_entry(struct mm *mm, u64 vpn, u32 level, u64 *p)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	u64 e = pte_load(p);

	if (!(e & (PTE_P | PTE_NUMA | PTE_SWAP | PTE_MIG)))
		return;
	if (!(e & (PTE_SOFT_DIRTY | PTE_RW)))
		return;
	pte_modify(mm->root, vpn, level, p, PTE_SOFT_DIRTY |
		   (e & (PTE_P | PTE_NUMA) ? PTE_RW : 0) |
		   (e & PTE_MIG ? PTE_MIG_W : 0), 0);
	NOTE("%s[%llu] := RO, not soft-dirty", level ? "PMD" : "PTE",
	     (unsigned long long)(vpn >> order));
	oracle_stale_from_now(mm, vpn, 1ull << order);
}

static void clear_range(struct vma *v,
			void (*clear)(struct mm *mm, u64 vpn, u32 level, u64 *p))
{
	struct mm *mm = v->mm;

	for (u64 vpn = v->start, next; vpn < v->end; vpn = next) {
		u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), old;
		u32 level;
		struct spinlock *ptl;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > v->end)
			next = v->end;
		old = pmd ? pte_load(pmd) : 0;
		if (!old)
			continue;
		level = pmd_is_huge(old) ? PMD_LEVEL : 0;
		ptl = pgtable_lock(mm, vpn, level);
		spin_lock(ptl);
		for (; vpn < next; vpn += 1ull << paging_order(
			     &the_sys->mem.paging, level))
			clear(mm, vpn, level, pgtable_entry(mm, vpn, level));
		spin_unlock(ptl);
	}
}

/* Since 4.13 it says that its flush is still to come (b3a81d0841a9); a gather
 * with nothing queued did not flush at all until 5.12 (912efa17e512). */
void clear_refs(struct mm *mm)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();

	if (kern()->soft_dirty_excludes)
		down_write(&mm->mmap_lock);
	else
		down_read(&mm->mmap_lock);
	if (kern()->soft_dirty_announces)
		set_tlb_flush_pending(mm);
	for (struct vma *v = mm->first; v; v = v->next) {
		touch(v, true);
		v->flags |= VM_TRACKED;
		clear_range(v, clear_entry);
	}
	if (kern()->soft_dirty_flushes)
		flush_tlb_mm(mm, FLUSH_SOFT_DIRTY);
	if (kern()->soft_dirty_announces)
		clear_tlb_flush_pending(mm);
	oracle_tracked(mm);
	if (kern()->soft_dirty_excludes)
		up_write(&mm->mmap_lock);
	else
		up_read(&mm->mmap_lock);
	cat_leave(cat);
	syscall_leave(obs, 0);
}

static void clear_young(struct mm *mm, u64 vpn, u32 level, u64 *p)
{
	u64 e = pte_load(p);

	if (!(e & PTE_A))
		return;
	flush_aged(e);
	pte_modify(mm->root, vpn, level, p, PTE_A, 0);
}

void clear_refs_young(struct mm *mm)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();

	down_read(&mm->mmap_lock);
	for (struct vma *v = mm->first; v; v = v->next)
		clear_range(v, clear_young);
	up_read(&mm->mmap_lock);
	cat_leave(cat);
	syscall_leave(obs, 0);
}

bool is_soft_dirty(struct mm *mm, u64 vpn)
{
	u64 *p = pgtable_entry(mm, vpn, PMD_LEVEL), e = p ? pte_load(p) : 0;

	if (!pmd_is_huge(e)) {
		p = e ? pgtable_entry(mm, vpn, 0) : NULL;
		e = p ? pte_load(p) : 0;
	}
	return e & PTE_SOFT_DIRTY;
}
