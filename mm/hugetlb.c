#include <errno.h>

#include "mm/file.h"
#include "mm/hugetlb.h"
#include "mm/oracle.h"
#include "mm/pieces.h"

#define PUD_LEVEL (PMD_LEVEL + 1)

/* What one table of PMDs covers. */
static u64 table_pages(void)
{
	return 1ull << paging_order(&the_sys->mem.paging, PUD_LEVEL);
}

static u64 table_start(u64 vpn)
{
	return vpn & ~(table_pages() - 1);
}

/* ---- files ----------------------------------------------------------------------------- */

struct address_space *hugetlb_file_create(u64 nr_pages)
{
	mms()->has_hugetlb = true;
	return file_create(nr_pages, 0);
}

struct vma *vma_add_hugetlb(struct mm *mm, u64 start, u64 nr_pages, u32 rights,
			    struct address_space *f, u64 pgoff)
{
	if ((start | nr_pages | pgoff) & (hpage_pages() - 1))
		return NULL;
	return vma_add_file(mm, start, nr_pages,
			    rights | VM_SHARED | VM_HUGETLB, f, pgoff);
}

/* The huge page @index belongs to, with a reference. NULL: no memory. */
static struct page *get_huge(struct address_space *f, u64 index)
{
	u32 pfn = READ_ONCE(f->cache[index]);
	struct page *page = pfn ? page_of(pfn) : NULL;

	if (!page) {
		page = alloc_page(this_cpu->node, hpage_order());
		if (!page)
			return NULL;
		zero_page(page);
		spin_lock(&f->lock);
		touch(&f->cache[index], true);
		pfn = f->cache[index];
		for (u64 i = 0; !pfn && i < hpage_pages(); i++)
			f->cache[index + i] = (u32)(pfn_of(page) + i);
		if (!pfn) {     /* the file's reference is the allocation's */
			touch(page, true);
			page->is_file = 1;
			page->mapping = f;
			page->index = index;
		}
		spin_unlock(&f->lock);
		if (pfn) {
			put_page(page);
			page = page_of(pfn);
		}
	}
	get_page(page);
	return page;
}

/* ---- sharing --------------------------------------------------------------------------- */

/* May @v's part of the PUD of @vpn be mapped by a table that others use, too? All
 * of it must be the file's. */
static bool is_shareable(const struct vma *v, u64 vpn)
{
	u64 start = table_start(vpn);

	return v->start <= start && start + table_pages() <= v->end;
}

static u64 index_of(const struct vma *v, u64 vpn)
{
	return v->pgoff + (vpn - v->start);
}

/* Under i_mmap_rwsem: the table by which somebody else maps what @v does there,
 * with a reference. 0: nobody does. */
static u64 find_table(const struct vma *v, u64 vpn)
{
	u64 index = index_of(v, table_start(vpn));

	for (struct vma *o = v->file->i_mmap; o; o = o->next_mapping) {
		u64 at = o->start + (index - o->pgoff), *pud, e;

		if (o == v || o->flags != v->flags || at < o->start || at >= o->end ||
		    at != table_start(at) || !is_shareable(o, at))
			continue;
		pud = pgtable_entry(o->mm, at, PUD_LEVEL);
		e = pud ? pte_load(pud) : 0;
		if (!(e & PTE_P))
			continue;
		get_page(page_of(pte_pfn(e)));
		oracle_table_shared(pte_pfn(e), o->mm);
		return pte_pfn(e);
	}
	return 0;
}

/* huge_pmd_share: others' table goes into the PUD, if there is none yet. */
static void share_table(struct vma *v, u64 vpn)
{
	struct mm *mm = v->mm;
	u64 *pud = pgtable_entry(mm, vpn, PUD_LEVEL), table;
	struct spinlock *ptl;

	if (!pud || !is_shareable(v, vpn) || (pte_load(pud) & PTE_P))
		return;
	down_read(&v->file->i_mmap_rwsem);
	touch(&v->file->i_mmap, false);
	table = find_table(v, vpn);
	if (table) {
		ptl = pgtable_lock(mm, vpn, PUD_LEVEL);
		spin_lock(ptl);
		if (pte_load(pud) & PTE_P) {
			put_page(page_of(table));
		} else {
			oracle_table_shared(table, mm);
			pte_store(mm->root, vpn, PUD_LEVEL, pud,
				  pte_make(table, PTE_P | PTE_RW | PTE_US |
					   PTE_A));
			NOTE("upper entry[%llu] := table frame %llu, shared",
			     (unsigned long long)(vpn / table_pages()),
			     (unsigned long long)table);
		}
		spin_unlock(ptl);
	}
	up_read(&v->file->i_mmap_rwsem);
}

int hugetlb_fault(struct mm *mm, struct vma *vma, u64 vpn)
{
	struct spinlock *ptl;
	struct page *page;
	u64 *p;

	vpn &= ~(hpage_pages() - 1);
	page = get_huge(vma->file, index_of(vma, vpn));
	if (!page)
		return -ENOMEM;
	if (pgtable_alloc(mm, vpn, PUD_LEVEL))
		share_table(vma, vpn);
	p = pgtable_alloc(mm, vpn, PMD_LEVEL);
	if (!p) {
		put_page(page);
		return -ENOMEM;
	}
	ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
	spin_lock(ptl);
	if (!pte_load(p)) {
		get_page(page);
		page_mapped(page, PMD_LEVEL);
		touch(&mm->rss, true);
		mm->rss += hpage_pages();
		pte_store(mm->root, vpn, PMD_LEVEL, p,
			  pte_make(pfn_of(page), PTE_P | PTE_US | PTE_A |
				   PTE_D | PTE_NX | PTE_PS |
				   (vma->flags & VM_WRITE ? PTE_RW : 0)));
		NOTE("PMD[%llu] := huge page of the file, frame %llu",
		     (unsigned long long)(vpn >> hpage_order()),
		     (unsigned long long)pfn_of(page));
	}
	spin_unlock(ptl);
	put_page(page);
	return 0;
}

/* ---- leaving what is shared ------------------------------------------------------------- */

struct unsharing {
	u64 start, end;         /* left so far; start == end: nothing         */
	bool is_last;           /* somebody has a table alone now             */
	u64 table[4];           /* for oracles: explored spaces are small     */
	u32 nr_tables;
};

/* huge_pmd_unshare. Return: false, nobody else has the table, or there is none. */
static bool leave_table(struct vma *v, u64 vpn, struct unsharing *u)
{
	struct mm *mm = v->mm;
	u64 *pud = pgtable_entry(mm, vpn, PUD_LEVEL), e = pud ? pte_load(pud) : 0;
	struct page *table = page_of(pte_pfn(e));
	bool is_shared;

	if (!(e & PTE_P))
		return false;
	spin_lock(&table->ptl);
	is_shared = READ_ONCE(table->refcount) > 1;
	if (is_shared) {
		pte_store(mm->root, vpn, PUD_LEVEL, pud, 0);
		NOTE("upper entry[%llu] := NONE, shared table frame %llu is left",
		     (unsigned long long)(vpn / table_pages()),
		     (unsigned long long)pfn_of(table));
		if (kern()->hugetlb_unshare == UNSHARE_SYNCED)
			tables_sync();
		u->is_last |= atomic_add_return(&table->refcount, -1) == 1;
		if (u->nr_tables < ARRAY_LEN(u->table))
			u->table[u->nr_tables++] = pfn_of(table);
		if (u->start == u->end)
			u->start = table_start(vpn);
		u->end = table_start(vpn) + table_pages();
	}
	spin_unlock(&table->ptl);
	return is_shared;
}

/* huge_pmd_unshare_flush, with i_mmap_rwsem still held, so that nobody has changed
 * a table's entries meanwhile. What reaches paths to tables on all architectures
 * is a flush that says so. */
static void flush_left(struct mm *mm, const struct unsharing *u, enum flush_op op)
{
	enum hugetlb_unshare how = kern()->hugetlb_unshare;
	bool walks = how != UNSHARE_GATHERED &&
		!(op == FLUSH_MUNMAP && kern()->unshare_unmap_leaf);

	if (u->start == u->end)
		return;
	if (how != UNSHARE_UNFLUSHED)
		flush_tlb_req(mm, u->start, u->end, hpage_order(), false,
			      walks, op);
	if (u->is_last && how >= UNSHARE_GATHERED)
		tables_sync();
	/* From here on they are others' to use as they like. */
	for (u32 i = 0; i < u->nr_tables; i++)
		oracle_table_left(u->table[i], mm);
}

void hugetlb_zap(struct mmu_gather *g, struct vma *v)
{
	struct unsharing u = { 0 };

	down_write(&v->file->i_mmap_rwsem);
	for (u64 vpn = v->start, next; vpn < v->end; vpn = next) {
		next = table_start(vpn) + table_pages();
		if (next > v->end)
			next = v->end;
		if (!leave_table(v, vpn, &u))
			zap_range(g, vpn, next);
	}
	flush_left(v->mm, &u, FLUSH_MUNMAP);
	up_write(&v->file->i_mmap_rwsem);
}

void hugetlb_unshare(struct vma *v, enum flush_op op)
{
	struct unsharing u = { 0 };

	down_write(&v->file->i_mmap_rwsem);
	for (u64 vpn = v->start; vpn < v->end; vpn = table_start(vpn) + table_pages())
		leave_table(v, vpn, &u);
	flush_left(v->mm, &u, op);
	up_write(&v->file->i_mmap_rwsem);
}
