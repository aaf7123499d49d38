#include "mm/thp_churn.h"

static bool may_churn(const struct vma *v)
{
	return (v->flags & (VM_HUGE | VM_READ)) == (VM_HUGE | VM_READ) &&
	       !v->file && !(v->flags & (VM_LOCKED | VM_HUGETLB | VM_STACK |
					 VM_TRACKED | VM_UFFD_WP));
}

/* The first whole 2M range from @vpn on in such a VMA; UINT64_MAX: none. */
static u64 next_range(struct mm *mm, u64 vpn)
{
	u64 n = hpage_pages();

	for (struct vma *v = find_vma_above(mm, vpn); v; v = v->next) {
		u64 at = ((v->start > vpn ? v->start : vpn) + n - 1) & ~(n - 1);

		if (may_churn(v) && at + n <= v->end)
			return at;
	}
	return UINT64_MAX;
}

static void split_or_collapse(struct mm *mm, u64 vpn)
{
	u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), e = pmd ? *pmd : 0;

	if (!e)
		return;
	if (!pmd_is_huge(e)) {
		(void)collapse_huge_page(mm, vpn);
		return;
	}
	down_read(&mm->mmap_lock);
	(void)split_huge_pmd_at(mm, vpn + 1, SPLIT_PAGE);
	up_read(&mm->mmap_lock);
}

void thp_churn(void)
{
	struct mm *mm = current()->mm;
	enum cycle_cat cat;
	u64 vpn;

	if (!mm || this_cpu->now < mm->churn_at || mm->kvm)
		return;
	cat = cat_enter(CYC_KERNEL);
	/* Before anything waits, so that one thread does it. */
	mm->churn_at = this_cpu->now + mms()->churn_cycles;
	charge(cost_of(COST_TIMER_TICK));
	vpn = next_range(mm, mm->churn_vpn);
	if (vpn == UINT64_MAX)
		vpn = next_range(mm, 0);
	if (vpn != UINT64_MAX) {
		mm->churn_vpn = vpn + hpage_pages();
		split_or_collapse(mm, vpn);
	}
	cat_leave(cat);
}
