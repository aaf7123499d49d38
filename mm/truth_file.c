/* What each page of each file must contain, and what of that the disk must be
 * given still. */
#include <errno.h>

#include "mm/file.h"
#include "mm/oracle.h"
#include "mm/truth.h"

/* Of all files of a stage together. */
#define MAX_FILE_PAGES 32u

int truth_boot_file(struct address_space *f)
{
	struct mm_state *s = mms();

	if (!s->truth_pages)
		return 0;
	if (!s->file_truth)
		s->file_truth = arena_alloc(&the_sys->arena, MAX_FILE_PAGES *
					    sizeof(*s->file_truth));
	if (!s->file_truth || s->nr_file_truth + f->nr_pages > MAX_FILE_PAGES)
		return -ENOMEM;
	f->truth = s->nr_file_truth;
	s->nr_file_truth += (u32)f->nr_pages;
	return 0;
}

void truth_set_file(struct address_space *f, u64 index, u64 value)
{
	f->disk[index] = value;
	mms()->file_truth[f->truth + index].value = value;
}

struct truth *truth_of_file(const struct truth *t, bool is_write)
{
	struct truth *ft = &mms()->file_truth[t->file_page - 1];

	touch(&ft->value, is_write);
	touch(&ft->rights, is_write);
	return ft;
}

void oracle_mapped_file(const struct vma *v)
{
	for (u64 vpn = v->start; vpn < v->end; vpn++) {
		struct truth *t = &v->mm->truth[vpn];

		if (!v->mm->truth || vpn >= mms()->truth_pages)
			return;
		touch(&t->value, true);
		touch(&t->rights, true);
		t->file_page = (u8)(v->file->truth + v->pgoff +
				    (vpn - v->start) + 1);
		t->is_private = !(v->flags & VM_SHARED);
	}
}

void oracle_remapped(const struct vma *v, u64 vpn, u64 index)
{
	struct truth *t = &v->mm->truth[vpn];

	if (!v->mm->truth || vpn >= mms()->truth_pages)
		return;
	touch(&t->value, true);
	touch(&t->rights, true);
	t->file_page = (u8)(v->file->truth + index + 1);
}

static u64 *line_of(u64 pfn)
{
	return &the_sys->mem.line[pfn * the_sys->mem.lines_per_frame];
}

static struct address_space *file_of(u32 n)
{
	struct address_space *f = mms()->first_file;

	while (n < f->truth || n >= f->truth + f->max_pages)
		f = f->next;
	return f;
}

u64 truth_file_contents(const struct truth *t, u64 *value)
{
	struct address_space *f = file_of(t->file_page - 1u);
	u64 i = t->file_page - 1u - f->truth, pfn = f->cache[i];

	*value = pfn ? *line_of(pfn) : f->disk[i];
	/* Nobody's any more. */
	if (!pfn && (f->flags & FILE_DEVICE))
		*value = mms()->file_truth[t->file_page - 1].value;
	return pfn;
}

/* Private copies of these pages are gone, too. */
static void forget_own(const struct address_space *f, u64 first)
{
	for (struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		for (u64 vpn = 0; mm->truth && vpn < mms()->truth_pages; vpn++) {
			struct truth *t = &mm->truth[vpn];

			if (!t->is_own || t->file_page <= f->truth + first ||
			    t->file_page > f->truth + f->max_pages)
				continue;
			touch(&t->value, true);
			touch(&t->rights, true);
			t->is_own = 0;
			t->may_be_zero = 0;
		}
}

/* While it is under way its pages may be gone, and afterwards they are. */
void oracle_truncate(struct address_space *f, u64 first, bool is_over)
{
	for (u64 i = first; mms()->file_truth && i < f->max_pages; i++) {
		struct truth *t = &mms()->file_truth[f->truth + i];

		touch(&t->value, true);
		touch(&t->rights, true);
		if (!is_over) {
			t->in_flight++;
			continue;
		}
		t->in_flight--;
		t->value = 0;
		t->may_be_zero = 0;
		t->is_discarded = 1;
	}
	if (is_over && mms()->file_truth)
		forget_own(f, first);
}

void oracle_file_dropped(struct page *page)
{
	const struct address_space *f = page->mapping;

	if (!mms()->truth_pages)
		return;
	touch(line_of(pfn_of(page)), false);
	if (*line_of(pfn_of(page)) != f->disk[page->index])
		FIRE(O12_DIRTY_LOSS, "frame %llu is dropped as clean and holds %llu, page %llu of the file has %llu",
		     (unsigned long long)pfn_of(page),
		     (unsigned long long)*line_of(pfn_of(page)),
		     (unsigned long long)page->index,
		     (unsigned long long)f->disk[page->index]);
}

static void check_cached(const struct address_space *f, u64 i, const u8 *dirty,
			 u64 max_pfn)
{
	u64 pfn = f->cache[i];

	if (pfn && pfn < max_pfn && !page_of(pfn)->is_dirty && !dirty[pfn] &&
	    *line_of(pfn) != f->disk[i])
		FIRE(O12_DIRTY_LOSS, "at the end page %llu of the file counts as clean and holds %llu, the disk has %llu",
		     (unsigned long long)i, (unsigned long long)*line_of(pfn),
		     (unsigned long long)f->disk[i]);
}

void truth_files_quiescent(const u8 *dirty, u64 max_pfn)
{
	for (const struct address_space *f = mms()->first_file; f; f = f->next)
		for (u64 i = 0; (f->flags & FILE_DISK) && i < f->nr_pages; i++)
			check_cached(f, i, dirty, max_pfn);
}
