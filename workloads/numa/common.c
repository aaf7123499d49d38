#include <errno.h>

#include "workloads/numa/numa.h"

int wl_areas(struct mm *mm, u64 *va, u32 nr, u64 bytes, struct err *e)
{
	for (u32 i = 0; i < nr; i++) {
		va[i] = mm ? wl_map(mm, (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT,
				    VM_READ | VM_WRITE | VM_HUGE |
				    VM_MIGRATABLE) << PAGE_SHIFT : 0;
		if (!va[i])
			return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

int wl_process(struct wl *w, u32 otherwise, u64 *va, u32 nr, u64 bytes,
	       struct err *e)
{
	struct mm *mm = mm_create();
	int rc = wl_thread_count(w, otherwise, e);

	if (rc >= 0)
		rc = wl_areas(mm, va, nr, bytes, e);
	return rc ? rc : wl_start_all(w, mm, e);
}

void wl_barrier_wait(struct wl_barrier *b, u32 nr_threads)
{
	u32 round = READ_ONCE(b->round);

	if (atomic_add_return(&b->arrived, 1) == nr_threads) {
		WRITE_ONCE(b->arrived, 0);
		WRITE_ONCE(b->round, round + 1);
		return;
	}
	thread_sleep(&b->round, round);
}

bool wl_stream(struct wl *w, u64 va, u64 bytes, enum run_op op, u64 footprint,
	       u64 chunk)
{
	while (bytes) {
		u64 n = bytes < chunk ? bytes : chunk;

		if (w->error)
			return false;
		if (wl_failed(w, cpu_stream(va, n, op, footprint)))
			return false;
		the_sys->os.user_tick();
		va += n;
		bytes -= n;
	}
	return true;
}

void wl_think(u64 cycles)
{
	u64 until = this_cpu->now + cycles;

	the_sys->drv.delay(until);
	the_sys->os.user_tick();
}

u64 wl_cycles(u64 ns)
{
	return machine_ns_to_cycles(the_sys->m, ns);
}
