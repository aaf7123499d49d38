#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "mm/truth.h"
#include "mm/vmalloc.h"

int truth_boot(struct mm *mm)
{
	if (!mms()->truth_pages)
		return 0;
	mm->truth = arena_alloc(&the_sys->arena,
				mms()->truth_pages * sizeof(*mm->truth));
	return mm->truth ? 0 : -ENOMEM;
}

static struct truth *at(struct mm *mm, u64 vpn, bool is_write)
{
	if (!mm->truth || vpn >= mms()->truth_pages)
		return NULL;
	touch(&mm->truth[vpn].value, is_write);
	touch(&mm->truth[vpn].rights, is_write);
	return &mm->truth[vpn];
}

/* Where the page at @vpn is by now. */
static struct truth *home(struct mm *mm, struct truth *t, bool is_write)
{
	while (t->moved_to)
		t = at(mm, t->moved_to - 1, is_write);
	return t && t->file_page && !t->is_private
		? truth_of_file(t, is_write) : t;
}

void truth_set(struct mm *mm, u64 vpn, u64 value)
{
	struct truth *t = at(mm, vpn, true);

	if (!t)
		return;
	t = home(mm, t, true);
	t->value = value;
	t->is_own = t->is_private;
}

/* ---- accesses ------------------------------------------------------------------------ */

void truth_store(struct mm *mm, u64 vpn, u64 value)
{
	struct truth *t = at(mm, vpn, true);

	if (!t)
		return;
	if (!(t->rights & VM_WRITE))
		FIRE(O4_PERM, "store to page %llu after the call that revoked it returned",
		     (unsigned long long)vpn);
	t = home(mm, t, true);
	t->value = value;
	t->is_own = t->is_private;
	t->is_untold = t->is_tracked;
	t->may_be_zero = t->in_flight || t->is_passed;
	t->is_discarded = 0;
}

/* Another address space has stored this since the two parted. */
static bool is_of_another(const struct mm *mm, u64 vpn, u64 value)
{
	for (struct mm *o = mms()->first_mm; o; o = o->next_mm) {
		const struct truth *t = o == mm ? NULL : at(o, vpn, false);

		if (t && t->value == value)
			return true;
	}
	return false;
}

/* What is there once all stores through the mapping are thrown away. */
static u64 base_of(const struct truth *t)
{
	return t->is_private ? truth_of_file(t, false)->value : 0;
}

static u64 wanted(const struct truth *t)
{
	return t->is_private && !t->is_own ? base_of(t) : t->value;
}

static void wrong(struct mm *mm, u64 vpn, u64 value, const struct truth *t,
		  const char *when)
{
	if (t->is_discarded)
		FIRE(O3_STALE_READ, "%spage %llu shows %llu, which a call that has returned discarded",
		     when, (unsigned long long)vpn, (unsigned long long)value);
	else if (value && is_of_another(mm, vpn, value))
		FIRE(O15_COW_LEAK, "%spage %llu shows %llu, which another address space stored",
		     when, (unsigned long long)vpn, (unsigned long long)value);
	else
		FIRE(O1_LOST_STORE, "%spage %llu reads %llu, the latest store was %llu",
		     when, (unsigned long long)vpn, (unsigned long long)value,
		     (unsigned long long)wanted(t));
}

static bool agrees(const struct truth *t, u64 value)
{
	return value == wanted(t) ||
	       ((t->may_be_zero || t->in_flight) && value == base_of(t));
}

void truth_load(struct mm *mm, u64 vpn, u64 value, u64 pfn)
{
	struct truth *t = at(mm, vpn, false);

	if (!t)
		return;
	if (!(t->rights & VM_READ))
		FIRE(O4_PERM, "load from page %llu after the call that revoked it returned",
		     (unsigned long long)vpn);
	t = home(mm, t, false);
	if (!agrees(t, value))
		wrong(mm, vpn, value, t, "");
}

/* ---- calls ---------------------------------------------------------------------------- */

void oracle_mapped(struct mm *mm, u64 start, u64 end, u32 vm_flags)
{
	for (u64 v = start; v < end; v++) {
		struct truth *t = at(mm, v, true);

		if (!t)
			return;
		memset(t, 0, sizeof(*t));
		t->rights = (u8)(vm_flags & (VM_READ | VM_WRITE));
	}
}

void oracle_rights(struct mm *mm, u64 start, u64 end, u32 vm_flags)
{
	for (u64 v = start; v < end; v++) {
		struct truth *t = at(mm, v, true);

		if (!t)
			return;
		t->rights = (u8)(vm_flags & (VM_READ | VM_WRITE));
	}
}

void oracle_may(struct mm *mm, u64 start, u64 end, u32 vm_flags)
{
	for (u64 v = start; v < end; v++) {
		struct truth *t = at(mm, v, true);

		if (!t)
			return;
		t->rights |= (u8)(vm_flags & (VM_READ | VM_WRITE));
	}
}

void oracle_discard_begin(struct mm *mm, u64 start, u64 end)
{
	for (u64 v = start; v < end; v++) {
		struct truth *t = at(mm, v, true);

		if (!t)
			return;
		t->in_flight++;
	}
}

void oracle_may_drop(struct mm *mm, u64 vpn, u64 nr_pages)
{
	for (u64 v = vpn; v < vpn + nr_pages; v++) {
		struct truth *t = at(mm, v, true);

		if (!t)
			return;
		t->in_flight--;
		t->is_passed = 1;
		t->may_be_zero = 1;
	}
}

void oracle_discard_end(struct mm *mm, u64 start, u64 end, bool is_zero)
{
	for (u64 v = start; v < end; v++) {
		struct truth *t = at(mm, v, true);

		if (!t)
			return;
		if (!is_zero) {
			t->is_passed = 0;
			continue;
		}
		t->in_flight--;
		if (!t->may_be_zero && (!t->file_page || t->is_own)) {
			t->value = 0;
			t->is_own = 0;
			t->is_discarded = 1;
		}
	}
}

/* The entry changes its place now; stores through the old address go on until
 * that is flushed, and are stores to the same page. */
void oracle_pages_move(struct mm *mm, u64 from, u64 to, u64 nr_pages)
{
	for (u64 i = 0; i < nr_pages; i++) {
		struct truth *f = at(mm, from + i, true);
		struct truth *t = at(mm, to + i, true);

		if (!f || !t)
			return;
		t->value = f->value;
		t->may_be_zero = f->may_be_zero;
		t->is_discarded = f->is_discarded;
		t->is_own = f->is_own;
		t->moved_to = 0;
		f->moved_to = (u32)(to + i + 1);
	}
}

void oracle_move_begin(struct mm *mm, u64 new, u64 nr_pages, u32 vm_flags)
{
	oracle_mapped(mm, new, new + nr_pages, vm_flags);
}

void oracle_move_end(struct mm *mm, u64 from, u64 nr_pages)
{
	oracle_mapped(mm, from, from + nr_pages, 0);
}

void oracle_tracked(struct mm *mm)
{
	for (u64 v = 0; mm->truth && v < mms()->truth_pages; v++) {
		struct truth *t = at(mm, v, true);

		t->is_tracked = 1;
		t->is_untold = 0;
	}
}

/* The one flush is over: what the parent stores from now on is its own. */
void oracle_forked(struct mm *child, struct mm *parent)
{
	for (u64 v = 0; child->truth && v < mms()->truth_pages; v++)
		*at(child, v, true) = *at(parent, v, false);
}

void oracle_dropped_clean(struct mm *mm, u64 vpn)
{
	struct truth *t = at(mm, vpn, true);

	if (!t)
		return;
	t = home(mm, t, true);
	if (!agrees(t, 0))
		FIRE(O12_DIRTY_LOSS, "page %llu is dropped as clean, and holds %llu, which nobody saved",
		     (unsigned long long)vpn, (unsigned long long)t->value);
	t->value = 0;
}

void oracle_pinned_load(struct mm *mm, u64 vpn, u64 then, u64 value)
{
	if (value != then && is_of_another(mm, vpn, value))
		FIRE(O15_COW_LEAK, "a reference to page %llu taken at %llu shows %llu, which another address space stored",
		     (unsigned long long)vpn, (unsigned long long)then,
		     (unsigned long long)value);
}

void oracle_pin_is_home(struct mm *mm, u64 vpn, struct page *page)
{
	u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), *p, e = pmd ? *pmd : 0;

	p = e && !pmd_is_huge(e) ? pgtable_entry(mm, vpn, 0) : NULL;
	if (!p)
		return;
	touch(p, false);
	if ((*p & PTE_P) && pte_pfn(*p) != pfn_of(page))
		FIRE(O16_PIN, "the device's frame %llu is no longer the page's, frame %llu is",
		     (unsigned long long)pfn_of(page),
		     (unsigned long long)pte_pfn(*p));
}

void oracle_dropped_saved(struct page *page, u64 entry)
{
	const u64 *word = &the_sys->mem.line[pfn_of(page) *
					     the_sys->mem.lines_per_frame];

	if (!mms()->truth_pages || !swap_slot_of(entry)->count)
		return;
	touch(word, false);
	if (*word != swap_contents(entry))
		FIRE(O12_DIRTY_LOSS, "frame %llu is dropped as clean and holds %llu, slot %llu has %llu",
		     (unsigned long long)pfn_of(page), (unsigned long long)*word,
		     (unsigned long long)pte_pfn(entry),
		     (unsigned long long)swap_contents(entry));
}

/* ---- the end --------------------------------------------------------------------------- */

#define MAX_COUNTED 1024

/* The leaf entry of @vpn and the frame it names. 0: nothing there. */
static u64 leaf(struct mm *mm, u64 vpn, u64 *pfn, bool *is_head, bool *is_huge)
{
	u64 *p = pgtable_entry(mm, vpn, PMD_LEVEL), e = p ? *p : 0;

	*is_head = true;
	*is_huge = pmd_is_huge(e);
	if (*is_huge) {
		*pfn = pte_pfn(e) + (vpn & (hpage_pages() - 1));
		*is_head = !(vpn & (hpage_pages() - 1));
		return e;
	}
	p = e ? pgtable_entry(mm, vpn, 0) : NULL;
	e = p ? *p : 0;
	*pfn = pte_pfn(e);
	return e;
}

/* What a load would find, without the fault. */
static u64 value_at(const struct truth *t, u64 e, u64 pfn)
{
	const struct memory *mem = &the_sys->mem;
	u64 value;

	if ((!e || (e & PTE_FILE)) && t->file_page) {
		truth_file_contents(t, &value);
		return value;
	}
	if (e & PTE_SWAP) {
		u32 cache = swap_slot_of(e)->cache;

		if (!cache)
			return swap_contents(e);
		pfn = cache - 1;
	}
	return e ? mem->line[pfn * mem->lines_per_frame] : 0;
}

/* Mappings by number of frame: of all of a page; of a piece of a huge one. */
struct counted {
	u8 whole[MAX_COUNTED], piece[MAX_COUNTED];
};

/* Counted once for all who share the table. */
static bool is_hugetlb(const struct page *page)
{
	return page->is_file && page->order;
}

static void check_page(struct mm *mm, u64 vpn, struct counted *n, u8 *named,
		       u8 *dirty)
{
	struct truth *t = &mm->truth[vpn];
	bool is_head, is_huge;
	u64 pfn, e = leaf(mm, vpn, &pfn, &is_head, &is_huge), value;

	if (e & PTE_MIG)
		FIRE(O5_MIGENT, "page %llu keeps a migration entry",
		     (unsigned long long)vpn);
	if (e & PTE_SWAP)
		named[pfn]++;
	else if (e && is_head && pfn < MAX_COUNTED &&
		 !(e & (PTE_SPECIAL | PTE_FILE)) && !is_hugetlb(page_of(pfn)))
		(is_huge || !is_piece(page_of(pfn)) ? n->whole
						    : n->piece)[pfn]++;
	if ((e & PTE_P) && !(e & PTE_SPECIAL) && page_of(pfn)->is_ksm &&
	    !ksm_finds(page_of(pfn), mm, vpn))
		FIRE(O6_COUNT, "page %llu maps frame %llu of KSM, which knows of no such mapping",
		     (unsigned long long)vpn, (unsigned long long)pfn);
	if ((e & PTE_D) && pfn < MAX_COUNTED)
		dirty[pfn] = 1;
	if (t->is_untold && e && !(e & PTE_SOFT_DIRTY))
		FIRE(O12_DIRTY_LOSS, "page %llu was stored to after clear_refs returned, and is not soft-dirty",
		     (unsigned long long)vpn);
	value = value_at(t, e, pfn);
	t = home(mm, t, false);
	if (!agrees(t, value))
		wrong(mm, vpn, value, t, "at the end ");
}

static void check_slots(const u8 *named)
{
	const struct swap *s = mms()->swap;

	for (u32 i = 0; s && i < s->nr_slots; i++)
		if (s->slot[i].count != named[i])
			FIRE(O6_COUNT, "slot %u: count %u, named by %u entries",
			     i, s->slot[i].count, named[i]);
}

static void check_counts(struct page *page, u32 whole, u32 pieces)
{
	struct page *head = compound_head(page);
	u32 got;

	if (page != head || (page->order && is_in_pieces(page))) {
		got = page_mapcount(page, 0) - head->mapcount;
		if (got != pieces)
			FIRE(O6_COUNT, "frame %llu: mapped %u times as a piece, counted %u times",
			     (unsigned long long)pfn_of(page), pieces, got);
	}
	got = page == head ? page->mapcount : 0;
	if (got != whole)
		FIRE(O6_COUNT, "frame %llu: mapcount %u, mapped %u times",
		     (unsigned long long)pfn_of(page), got, whole);
}

void truth_quiescent(void)
{
	static u8 named[MAX_COUNTED], dirty[MAX_COUNTED];
	static struct counted n;

	memset(&n, 0, sizeof(n));
	memset(named, 0, sizeof(named));
	memset(dirty, 0, sizeof(dirty));
	for (struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		for (u64 vpn = 0; mm->truth && vpn < mms()->truth_pages; vpn++)
			if (!vmalloc_has(vpn))
				check_page(mm, vpn, &n, named, dirty);
	for (u64 pfn = 1; pfn < the_sys->mem.nr_frames && pfn < MAX_COUNTED;
	     pfn++)
		if (!page_of(pfn)->is_free && !is_hugetlb(page_of(pfn)))
			check_counts(page_of(pfn), n.whole[pfn], n.piece[pfn]);
	check_slots(named);
	oracle_mlocked_end();
	truth_files_quiescent(dirty, MAX_COUNTED);
}
