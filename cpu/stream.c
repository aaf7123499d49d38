/* Programs whose data comes from memory; see dram.h. */
#include "cpu/dram.h"
#include "cpu/overlap.h"
#include "cpu/step.h"

/* Does @footprint, of each thread that shares this CPU's LLC, fit into it? The
 * others are taken to do as this one. */
static bool fits_llc(u64 footprint)
{
	const struct machine *m = the_sys->m;
	u32 sharers = 0;

	if (!footprint || !m->cache[CACHE_LLC].bytes)
		return false;
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		sharers += m->cpu[i].llc == m->cpu[this_cpu->id].llc;
	return footprint * sharers <= m->cache[CACHE_LLC].bytes;
}

/* Until @done, interrupts excepted. */
static void wait_for_data(u64 done)
{
	enum cycle_cat cat = cat_enter(CYC_DATA);

	if (done > this_cpu->now)
		the_sys->drv.delay(done);
	cat_leave(cat);
}

static void count_lines(u32 node, bool is_write, u64 lines)
{
	bool is_remote = node != this_cpu->node;

	COUNT(NODE_LOADS, is_write ? 0 : lines);
	COUNT(NODE_STORES, is_write ? lines : 0);
	COUNT(NODE_LOAD_MISSES, is_remote && !is_write ? lines : 0);
	COUNT(NODE_STORE_MISSES, is_remote && is_write ? lines : 0);
}

/* Within one entry of the TLB. */
static void piece(u64 pfn, u64 bytes, bool is_write, bool is_cached,
		  u32 in_flight)
{
	u64 lines = (bytes + 63) / 64;
	u32 node = dram_home(the_sys->dram, pfn);

	COUNT(ACCESSES, lines);
	COUNT(RUNS, 1);
	if (is_cached) {
		wait_for_data(this_cpu->now + lines *
			      the_sys->m->cache[CACHE_LLC].hit_cycles /
			      the_sys->m->lines_in_flight);
		return;
	}
	the_sys->drv.wait(NULL, NULL, NULL, 0);
	count_lines(node, is_write, lines);
	wait_for_data(dram_transfer(the_sys->dram, node, bytes, in_flight));
}

static int pieces(u64 va, u64 bytes, enum run_op op, bool is_cached,
		  u32 in_flight)
{
	bool is_write = op == RUN_WRITE || op == RUN_MODIFY;

	while (bytes) {
		struct tlb_entry e;
		u64 vpn = va >> page_shift, end, n;
		int rc = cpu_entry_for(vpn, is_write, &e);

		if (rc)
			return rc;
		/* The walker may give a smaller one than the page is. */
		end = ((vpn | ((1ull << e.order) - 1)) + 1) << page_shift;
		n = end - va < bytes ? end - va : bytes;
		piece(e.pfn + (vpn - e.vpn), n, is_write, is_cached, in_flight);
		va += n;
		bytes -= n;
	}
	return 0;
}

int cpu_stream(u64 va, u64 bytes, enum run_op op, u64 footprint)
{
	return pieces(va, bytes, op, fits_llc(footprint), 0);
}

int cpu_chase(u64 va, u64 bytes, enum run_op op, u32 in_flight)
{
	return pieces(va, bytes, op, false, in_flight);
}

int cpu_probe(u64 va, enum run_op op)
{
	bool is_write = op == RUN_WRITE || op == RUN_MODIFY;
	struct tlb_entry e;
	int rc = cpu_entry_for(va >> page_shift, is_write, &e);

	if (!rc)
		piece(e.pfn + ((va >> page_shift) - e.vpn), 1, is_write, false, 1);
	return rc;
}
