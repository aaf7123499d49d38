#include <string.h>

#include "workloads/workload.h"

extern const struct workload workload_fork_compact, workload_mremap_compact;
extern const struct workload workload_stream, workload_pmbench,
	workload_kv_store, workload_producers_consumers,
	workload_java_heap, workload_kvm_guest, workload_xfs_repair;
extern const struct workload workload_numa01, workload_numa01_threadlocal,
	workload_numa02, workload_numa02_smt;
extern const struct workload workload_numa_migrate, workload_mprotect_storm,
	workload_replay, workload_chase, workload_tlb_flush2,
	workload_page_fault1, workload_mmap1, workload_malloc1,
	workload_malloc2, workload_brk1, workload_tlb_flush1,
	workload_tlb_flush3, workload_page_fault2, workload_page_fault3,
	workload_mmap2, workload_sysbench_mmap, workload_mapped_read,
	workload_munmap_micro, workload_pmbench_migrate, workload_ebizzy,
	workload_apache,
	workload_swap_bench,
	workload_remote_swap,
	workload_thpscale,
	workload_kernel_build,
	workload_memcached,
	workload_tlbflush,
	workload_vmalloc_test,
	workload_canneal, workload_metis, workload_psearchy,
	workload_llama_cpp, workload_dedup;

const struct workload *const workloads[] = {
	&workload_numa01, &workload_numa01_threadlocal, &workload_numa02,
	&workload_numa02_smt, &workload_stream, &workload_pmbench,
	&workload_kv_store, &workload_producers_consumers,
	&workload_java_heap, &workload_kvm_guest, &workload_xfs_repair,
	&workload_numa_migrate, &workload_mprotect_storm,
	&workload_fork_compact, &workload_mremap_compact, &workload_replay,
	&workload_chase, &workload_tlb_flush2, &workload_page_fault1,
	&workload_mmap1, &workload_malloc1, &workload_malloc2, &workload_brk1,
	&workload_tlb_flush1, &workload_tlb_flush3, &workload_page_fault2,
	&workload_page_fault3, &workload_mmap2, &workload_sysbench_mmap,
	&workload_mapped_read, &workload_munmap_micro,
	&workload_pmbench_migrate, &workload_ebizzy,
	&workload_apache,
	&workload_swap_bench,
	&workload_remote_swap,
	&workload_thpscale,
	&workload_kernel_build,
	&workload_memcached,
	&workload_tlbflush,
	&workload_vmalloc_test,
	&workload_canneal, &workload_metis, &workload_psearchy,
	&workload_llama_cpp, &workload_dedup,
	NULL
};

const struct workload *workload_find(const char *name)
{
	for (u32 i = 0; workloads[i]; i++)
		if (!strcmp(workloads[i]->name, name))
			return workloads[i];
	return NULL;
}
