/* execve(): a new address space with the arguments on a temporary stack, which
 * then moves to where it belongs. Reads next to fs/exec.c. */
#include <errno.h>

#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/rmap.h"
#include "mm/vma.h"

/* The highest page a program may use, as far as exec knows: half of what the
 * tables reach. */
static u64 stack_top(void)
{
	const struct paging *pg = &the_sys->mem.paging;

	return 1ull << (pg->levels * pg->bits - 1);
}

static bool marks_temporary(void)
{
	return kern()->exec_stack >= EXEC_STACK_TEMP;
}

/* ---- arguments ----------------------------------------------------------------------- */

/* Through the kernel's own mapping: nobody runs in @mm yet. */
static int copy_string(struct mm *mm, u64 vpn, u64 value)
{
	const struct memory *mem = &the_sys->mem;
	struct page *page = fault_in_page(mm, vpn);
	u64 *word;

	if (!page)
		return -ENOMEM;
	charge(cost_of(COST_COPY_4K_LOCAL));
	if (mem->lines_per_frame) {
		word = &mem->line[pfn_of(page) * mem->lines_per_frame];
		step(word, true, 0);
		*word = value;
		oracle_kernel_stored(mm, vpn, pfn_of(page), value);
	}
	put_page(page);
	return 0;
}

struct mm *exec_prepare(u64 arg_pages)
{
	u32 flags = VM_READ | VM_WRITE | VM_STACK;
	struct mm *mm = mm_create();
	u64 start;
	int rc = 0;

	if (!mm)
		return NULL;
	start = stack_top() - arg_pages;
	if (!vma_add(mm, start, arg_pages,
		     flags | (marks_temporary() ? VM_TEMP_STACK : 0)))
		rc = -ENOMEM;
	for (u64 i = 0; i < arg_pages && !rc; i++)
		rc = copy_string(mm, start + i, i + 1);
	if (!rc)
		return mm;
	exit_mmap(mm);
	return NULL;
}

/* ---- the stack moves ------------------------------------------------------------------- */

static void unmark_temporary(struct vma *v)
{
	if (v->flags & VM_TEMP_STACK)
		WRITE_ONCE(v->flags, v->flags & ~(u32)VM_TEMP_STACK);
}

/* One VMA for the old place and the new one, so that entries may be in either;
 * where a page is looked for follows its start at once. */
static int shift_arg_pages(struct vma *v, u64 shift)
{
	u64 old = v->start, old_end = v->end, new = old - shift;
	u64 nr = old_end - old, new_end = new + nr, moved;
	bool is_locked = kern()->exec_stack == EXEC_STACK_LOCKS;

	oracle_mapped(v->mm, new, new_end < old ? new_end : old, v->flags);
	if (is_locked)
		anon_vma_lock(v->anon_vma);
	if (kern()->exec_stack == EXEC_STACK_TEMP_EARLY)
		unmark_temporary(v);
	vma_adjust(v, new, old_end, v->pgoff);
	if (kern()->exec_stack == EXEC_STACK_TEMP_BETWEEN)
		unmark_temporary(v);
	moved = move_page_tables(v, old, new, nr);
	if (is_locked)
		anon_vma_unlock(v->anon_vma);
	if (moved < nr)
		return -ENOMEM;
	vma_adjust(v, new, new_end, v->pgoff);
	if (new_end < old)
		new_end = old;
	oracle_mapped(v->mm, new_end, old_end, 0);
	return 0;
}

int exec_install(struct mm *new, u64 shift, u64 *stack)
{
	struct mm *old = current()->mm;
	struct vma *v = new->first;
	int rc = 0;

	switch_mm(new);
	if (old)
		exit_mmap(old);
	down_write(&new->mmap_lock);
	if (shift)
		rc = shift_arg_pages(v, shift);
	unmark_temporary(v);
	*stack = v->start;
	up_write(&new->mmap_lock);
	return rc;
}

int do_exec(u64 arg_pages, u64 shift, u64 *stack)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();
	struct mm *mm = exec_prepare(arg_pages);
	int rc = mm ? exec_install(mm, shift, stack) : -ENOMEM;

	cat_leave(cat);
	return syscall_leave(obs, rc);
}
