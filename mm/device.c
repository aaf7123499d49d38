/* Devices that share a process's address space (SVA): an IOMMU walks the same page
 * tables and caches what it finds. It takes no interrupts and is in no
 * mm_cpumask; who changes entries must tell it apart. */
#include "mm/mm.h"
#include "mm/switch.h"

void device_bind(struct mm *mm, u32 cpu)
{
	tlb_state_of(cpu)->loaded_mm = 0;
	mm->cpumask[cpu / 64] &= ~(1ull << cpu % 64);
	mm->nr_devices++;
}

/* Any operation that drops everything will do. CPUs, which it reaches here, too,
 * have been flushed before. */
void device_flush(struct mm *mm)
{
	touch(&mm->nr_devices, false);
	if (!mm->nr_devices)
		return;
	smp_mb();
	NOTE("IOTLB invalidated");
	cpu_broadcast(inval_op_find("INVLPGB PCID"), mm_pcid(mm), 0, 1, 0);
	cpu_broadcast_sync();
}
