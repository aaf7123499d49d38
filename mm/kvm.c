/* A secondary MMU; see kvm.h. Reads next to virt/kvm/kvm_main.c. */
#include "mm/kvm.h"

#include <errno.h>

#include "mm/flush.h"
#include "mm/rmap.h"
#include "mm/switch.h"

bool kvm_is_used;

struct kvm *kvm_create(struct mm *mm)
{
	struct kvm *kvm = arena_alloc(&the_sys->arena, sizeof(*kvm));

	if (!kvm)
		return NULL;
	kvm->mm = mm;
	kvm->ept = mm_create();
	if (!kvm->ept)
		return NULL;
	mm->kvm = kvm;
	kvm_is_used = true;
	return kvm;
}

void kvm_load(void)
{
	load_mm(current()->kvm->ept);
}

void kvm_vcpu_enter(struct kvm *kvm)
{
	current()->kvm = kvm;
	kvm_load();
}

void kvm_vcpu_leave(void)
{
	load_mm(current()->mm);
	current()->kvm = NULL;
}

/* ---- invalidation ----------------------------------------------------------------- */

/* The entries of [@start, @end), huge ones whole. Return: any. */
static bool zap(struct kvm *kvm, u64 start, u64 end)
{
	u64 n = 0, size = hpage_pages();

	for (u64 vpn = start, next; vpn < end; vpn = next) {
		u64 *p = pgtable_entry(kvm->ept, vpn, PMD_LEVEL);
		u64 e = p ? pte_load(p) : 0;

		next = (vpn | (size - 1)) + 1;
		if (e & PTE_PS) {
			pte_xchg(kvm->ept->root, vpn, PMD_LEVEL, p, 0);
			n += size;
		}
		for (; e && !(e & PTE_PS) && vpn < next && vpn < end; vpn++) {
			p = pgtable_entry(kvm->ept, vpn, 0);
			if (!p || !pte_load(p))
				continue;
			pte_xchg(kvm->ept->root, vpn, 0, p, 0);
			n++;
		}
	}
	COUNT(KVM_UNMAPPED_PAGES, n);
	return n;
}

/* Nothing beyond what the VMM has. */
static void clip(const struct mm *mm, u64 *start, u64 *end)
{
	u64 last = 0;

	for (const struct vma *v = mm->first; v; v = v->next)
		last = v->end;
	if (mm->first && *start < mm->first->start)
		*start = mm->first->start;
	if (*end > last)
		*end = last;
}

static void invalidate(struct kvm *kvm, u64 start, u64 end, bool is_begun)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	bool any;

	clip(kvm->mm, &start, &end);
	spin_lock(&kvm->mmu_lock);
	touch(&kvm->seq, true);
	kvm->in_progress += is_begun;
	kvm->seq++;
	any = zap(kvm, start, end);
	spin_unlock(&kvm->mmu_lock);
	if (any) {
		COUNT(KVM_REMOTE_TLB_FLUSH, 1);
		flush_tlb_mm(kvm->ept, FLUSH_PROTECT_DOWN);
	}
	cat_leave(cat);
}

void mmu_notifier_start(struct mm *mm, u64 start, u64 end)
{
	if (likely(!mm->kvm))
		return;
	current()->in_notifier++;
	COUNT(MMU_NOTIFIER_INVALIDATE, 1);
	invalidate(mm->kvm, start, end, true);
}

void mmu_notifier_end(struct mm *mm)
{
	if (likely(!mm->kvm))
		return;
	spin_lock(&mm->kvm->mmu_lock);
	touch(&mm->kvm->seq, true);
	mm->kvm->seq++;
	mm->kvm->in_progress--;
	spin_unlock(&mm->kvm->mmu_lock);
	current()->in_notifier--;
}

/* Between start and end it has been said before. */
void mmu_notifier_range(struct mm *mm, u64 start, u64 end)
{
	if (likely(!mm->kvm) || current()->in_notifier)
		return;
	COUNT(MMU_NOTIFIER_INVALIDATE, 1);
	invalidate(mm->kvm, start, end, false);
}

/* ---- violations ------------------------------------------------------------------- */

/* What the VMM's tables say of @vpn, *@level its page's. 0: nothing that allows
 * the access. */
static u64 host_entry(struct mm *mm, u64 vpn, bool is_write, u32 *level)
{
	u64 *p = pgtable_entry(mm, vpn, PMD_LEVEL), e = p ? pte_load(p) : 0;

	*level = pmd_is_huge(e);
	if (!*level) {
		p = pgtable_entry(mm, vpn, 0);
		e = p ? pte_load(p) : 0;
	}
	return (e & PTE_P) && (!is_write || e & PTE_RW) ? e : 0;
}

static bool was_invalidated(const struct kvm *kvm, u64 seq)
{
	touch(&kvm->seq, false);
	return kvm->in_progress || kvm->seq != seq;
}

/* Return: 0, also if it is to be tried again by the access; -ENOMEM. */
static int map(struct kvm *kvm, u64 vpn, u32 level, u64 e, u64 seq)
{
	u64 bits = PTE_P | PTE_US | PTE_A | PTE_D | (e & PTE_RW), pfn = pte_pfn(e);
	u64 in_page = vpn & (hpage_pages() - 1), pmd, *p;

	p = level ? pgtable_entry(kvm->ept, vpn, PMD_LEVEL) : NULL;
	pmd = p ? pte_load(p) : 0;
	/* A table of small ones stays where the VMM has a huge page by now. */
	if (level && pmd && !(pmd & PTE_PS)) {
		level = 0;
		pfn += in_page;
	} else if (level) {
		vpn -= in_page;
		bits |= PTE_PS;
	}
	p = pgtable_alloc(kvm->ept, vpn, level);
	if (!p)
		return -ENOMEM;
	spin_lock(&kvm->mmu_lock);
	if (!was_invalidated(kvm, seq))
		pte_store(kvm->ept->root, vpn, level, p, pte_make(pfn, bits));
	spin_unlock(&kvm->mmu_lock);
	return 0;
}

int kvm_mmu_page_fault(u64 vpn, bool is_write)
{
	struct kvm *kvm = current()->kvm;
	u32 level;
	u64 seq, e;

	COUNT(EPT_VIOLATIONS, 1);
	charge(cost_of(COST_VM_EXIT));
	seq = READ_ONCE(kvm->seq);
	while (!(e = host_entry(kvm->mm, vpn, is_write, &level))) {
		int rc = handle_mm_fault(vpn, is_write);

		if (rc)
			return rc;
	}
	return map(kvm, vpn, level, e, seq);
}
