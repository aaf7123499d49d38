#include "mm/flush/coherent.h"

#include "mm/flush/invlpgb.h"

struct mm *coherent_mm(u32 root)
{
	struct mm *mm = mms()->first_mm;

	while (mm && mm->root != root)
		mm = mm->next_mm;
	return mm;
}

void coherent_shoot(struct flush_req *r)
{
	u16 pcid = (u16)r->mm->asid;

	if (!the_sys->is_explored)
		return;
	smp_mb();
	invlpgb_user(r, pcid, 1);
	cpu_broadcast_sync();
}

bool coherent_batch_start(struct mm *mm, u64 vpn)
{
	if (!the_sys->is_explored)
		return true;
	smp_mb();
	cpu_broadcast(inval_op_find("INVLPGB VA+PCID"), mm_pcid(mm), vpn, 1, 0);
	return true;
}
