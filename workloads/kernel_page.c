#include "workloads/kernel_page.h"

#include "cpu/direct.h"
#include "workloads/race.h"

#define VPN 1

struct kernel_page *kernel_page_stage(void)
{
	struct kernel_page *p = arena_alloc(&the_sys->arena, sizeof(*p));

	this_cpu = &the_sys->cpu[0];
	if (!p || vmalloc_boot(VPN, 1))
		return NULL;
	p->area = do_vmalloc(1);
	direct_settle(the_sys);
	return p->area ? p : NULL;
}

void kernel_page_renew(struct kernel_page *p, u64 vpn)
{
	u64 v = RACE_STORED;
	struct vmap_area *a = p->area;

	do_vfree(a);
	cpu_access(vpn, 0, true, &v);
	a = do_vmalloc(1);
	if (!a)
		return;
	v = RACE_STORED + 1;
	cpu_access(a->start, 0, true, &v);
	spin_lock(&p->lock);
	touch(p, true);
	p->area = a;
	p->nr_renewed++;
	spin_unlock(&p->lock);
}

void kernel_page_use(struct kernel_page *p)
{
	u64 v;

	spin_lock(&p->lock);
	touch(p, false);
	observe(p->nr_renewed);
	if (p->nr_renewed)
		cpu_access(p->area->start, 0, false, &v);
	spin_unlock(&p->lock);
}
