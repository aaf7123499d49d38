/* userfaultfd's write protection. Reads next to mwriteprotect_range() in
 * mm/userfaultfd.c. */
#include <errno.h>

#include "mm/mm.h"
#include "mm/watch.h"

int uffd_writeprotect(struct mm *mm, u64 start, u64 nr_pages, bool is_on)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), end = start + nr_pages;
	struct vma *v;
	int rc = -ENOENT;

	down_read(&mm->mmap_lock);
	v = find_vma(mm, start);
	if (v && (v->flags & VM_UFFD_WP) && end <= v->end) {
		change_protection(v, start, end, v->flags,
				  is_on ? CP_UFFD_WP : CP_UFFD_RESOLVE);
		rc = 0;
	}
	up_read(&mm->mmap_lock);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}
