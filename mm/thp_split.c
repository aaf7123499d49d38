/* split_huge_page() from 2.6.38 to 4.4: all mappings of a huge page are first
 * marked, which whoever copies or moves one waits for; then the page becomes
 * small ones, then each mapping a table. Two walks of one list under one lock:
 * both must meet every mapping. Reads next to mm/huge_memory.c of that time. */
#include <errno.h>

#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/rmap.h"

struct split {
	u32 marked;
	u32 mapped;
	int error;
};

static void mark_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
		     u64 *p, void *arg)
{
	struct split *s = arg;

	if (!rmap_maps(pte_load(p), page))
		return;
	pte_modify(vma->mm->root, vpn, level, p, 0, PTE_SPLITTING);
	NOTE("PMD[%llu] := splitting", (unsigned long long)(vpn >> hpage_order()));
	/* What GUP-fast relies on; translations stay as they were. */
	flush_tlb_huge(vma->mm, vpn, FLUSH_SPLIT);
	s->marked++;
}

static void map_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
		    u64 *p, void *arg)
{
	struct split *s = arg;
	u64 e = pte_load(p);
	u32 table;

	if (!(e & PTE_SPLITTING) || pte_pfn(e) != pfn_of(page))
		return;
	/* Kernels have put one by when the huge page was mapped. */
	table = alloc_table(this_cpu->node);
	if (!table) {
		s->error = -ENOMEM;
		return;
	}
	split_pmd_to(vma->mm, vpn, p, table);
	s->mapped++;
}

int split_huge_page(struct page *page)
{
	struct anon_vma *av = page_get_anon_vma(page);
	struct split s = { 0, 0, 0 };

	if (!av)
		return -EBUSY;
	anon_vma_lock(av);
	rmap_walk_locked(page, PMD_LEVEL, mark_one, &s);
	oracle_counted(page, s.marked, READ_ONCE(page->mapcount),
		       "marked as splitting");
	split_page(page);
	rmap_walk_locked(page, PMD_LEVEL, map_one, &s);
	if (!s.error)
		oracle_counted(page, s.mapped, s.marked, "split");
	anon_vma_unlock(av);
	put_anon_vma(av);
	return s.error;
}

void wait_split_huge_page(struct page *page)
{
	struct anon_vma *av = page_get_anon_vma(page);

	NOTE("wait until frame %llu is split", (unsigned long long)pfn_of(page));
	if (!av)
		return;
	anon_vma_lock(av);
	anon_vma_unlock(av);
	put_anon_vma(av);
}
