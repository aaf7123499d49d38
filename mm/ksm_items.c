/* Where pages of KSM are mapped. Nobody's anon_vma leads to all of its mappings;
 * what does are items, one for each place where KSM has put it: the VMA's anon_vma
 * then, and the address, which copies of the VMA in children have, too. Reads next
 * to rmap_walk_ksm() and break_ksm() in mm/ksm.c. */
#include <errno.h>

#include "mm/mm.h"
#include "mm/rmap.h"
#include "mm/watch.h"

/* Changes of the list: the one scanner's, or with the page locked. */
static struct rmap_item **items(bool is_write)
{
	touch(&mms()->rmap_items, is_write);
	return &mms()->rmap_items;
}

int ksm_add_item(struct page *page, struct vma *vma, u64 vpn)
{
	struct rmap_item *i = pool_get(POOL_RMAP_ITEM), **p = items(true);

	if (!i)
		return -ENOMEM;
	i->page = page;
	i->mm = vma->mm;
	i->vpn = vpn;
	i->anon_vma = vma->anon_vma;
	get_anon_vma(i->anon_vma);
	while (*p)
		p = &(*p)->next;
	*p = i;
	return 0;
}

static void drop(struct rmap_item **p)
{
	struct rmap_item *i = *p;

	*p = i->next;
	put_anon_vma(i->anon_vma);
	pool_put(POOL_RMAP_ITEM, i);
}

static void drop_all(const struct page *page, const struct mm *mm)
{
	struct rmap_item **p;

	if (!mms()->rmap_items)
		return;
	p = items(true);
	while (*p)
		if ((*p)->page == page || (*p)->mm == mm)
			drop(p);
		else
			p = &(*p)->next;
}

void ksm_forget_page(struct page *page)
{
	drop_all(page, NULL);
}

void ksm_forget_mm(struct mm *mm)
{
	drop_all(NULL, mm);
}

void ksm_migrated(struct page *new, struct page *old)
{
	for (struct rmap_item *i = *items(true); i; i = i->next)
		if (i->page == old)
			i->page = new;
	touch_flags(old, true);
	old->is_ksm = 0;
}

/* Item @n of @page. Those of a locked page stay; others come and go. */
static struct rmap_item *item_of(const struct page *page, u32 n)
{
	struct rmap_item *i = *items(false);

	while (i && (i->page != page || n--))
		i = i->next;
	return i;
}

void ksm_walk(struct page *page, void (*visit)(struct vma *vma, u64 vpn, void *arg),
	      void *arg)
{
	struct rmap_item *i;

	for (u32 n = 0; (i = item_of(page, n)); n++) {
		anon_vma_lock(i->anon_vma);
		touch(&i->anon_vma->first, false);
		for (struct anon_vma_chain *c = i->anon_vma->first; c;
		     c = c->next)
			if (i->vpn >= c->vma->start && i->vpn < c->vma->end)
				visit(c->vma, i->vpn, arg);
		anon_vma_unlock(i->anon_vma);
	}
}

bool ksm_finds(const struct page *page, const struct mm *mm, u64 vpn)
{
	for (struct rmap_item *i = mms()->rmap_items; i; i = i->next)
		for (struct anon_vma_chain *c = i->anon_vma->first; c;
		     c = c->next)
			if (i->page == page && i->vpn == vpn && c->vma->mm == mm)
				return true;
	return false;
}

/* ---- giving a page back ------------------------------------------------------------ */

enum found { GONE, OWN, SHARED, MIGRATES };

/* follow_page(): what @vpn maps. */
static enum found look(struct mm *mm, u64 vpn)
{
	u64 *p = pgtable_entry(mm, vpn, 0), e;
	struct spinlock *ptl;
	enum found f = GONE;

	if (!p)
		return GONE;
	ptl = pgtable_lock(mm, vpn, 0);
	spin_lock(ptl);
	e = pte_load(p);
	if (e & PTE_MIG) {
		f = MIGRATES;
	} else if ((e & PTE_P) && !(e & PTE_SPECIAL)) {
		touch_flags(page_of(pte_pfn(e)), false);
		f = page_of(pte_pfn(e))->is_ksm ? SHARED : OWN;
		observe(f);
	}
	spin_unlock(ptl);
	return f;
}

/* A write fault makes a copy. Whoever looks while the page migrates sees no page,
 * and must look again when it is over (5117b3b835f2). */
static int break_ksm(struct mm *mm, u64 vpn)
{
	enum found f;
	int rc = 0;

	do {
		f = look(mm, vpn);
		if (f == MIGRATES)
			NOTE("PTE[%llu] is a migration entry: %s",
			     (unsigned long long)vpn, kern()->ksm_misses_migration
			     ? "nothing of KSM's is there" : "wait");
		if (f == MIGRATES && kern()->ksm_misses_migration)
			break;
		if (f == SHARED || f == MIGRATES)
			rc = handle_fault_locked(mm, vpn, f == SHARED);
	} while (!rc && (f == SHARED || f == MIGRATES));
	return rc;
}

static struct rmap_item **find(const struct mm *mm, u64 vpn)
{
	struct rmap_item **p = items(false);

	while (*p && ((*p)->mm != mm || (*p)->vpn != vpn))
		p = &(*p)->next;
	observe(*p ? pfn_of((*p)->page) : 0);
	return p;
}

/* remove_rmap_item_from_tree(): the page may migrate until it is locked. */
static void remove_item(struct mm *mm, u64 vpn)
{
	struct rmap_item **p = find(mm, vpn);
	struct page *page = *p ? (*p)->page : NULL;

	while (page) {
		struct page *now;

		lock_page(page);
		p = find(mm, vpn);
		now = *p ? (*p)->page : page;
		if (now == page)
			break;
		unlock_page(page);
		page = now;
	}
	if (!page)
		return;
	if (*p) {
		(void)items(true);
		drop(p);
	}
	unlock_page(page);
}

int ksm_unmerge(struct mm *mm, u64 vpn)
{
	u64 obs = syscall_enter();
	int rc;

	down_read(&mm->mmap_lock);
	rc = break_ksm(mm, vpn);
	up_read(&mm->mmap_lock);
	if (!rc)
		remove_item(mm, vpn);
	return syscall_leave(obs, rc);
}
