/* rules_machine.h - a machine of two CPUs without a kernel: page tables that a test
 * writes itself, accesses one at a time. Each test is a file of its own, with its
 * machine in S.
 */
#ifndef TESTS_RULES_MACHINE_H
#define TESTS_RULES_MACHINE_H

#include <errno.h>

#include "cpu/direct.h"
#include "cpu/step.h"
#include "cpu/walker.h"
#include "tests/check.h"

enum { NR_CPUS = 2, NR_PAGES = 6, PCID = 3 };

/* Frames of tables: the root, two levels, and one table a gigabyte. */
enum { ROOT = 1, FIRST_TABLE = 2, FIRST_FRAME = 64 };

/* Two pages that share a page table, two that share a directory with these, and
 * two far away. */
static const u64 page_vpn[NR_PAGES] = { 0, 1, 512, 513, 1 << 18, 1 << 27 };

static struct {
	struct machine *m;
	struct sys *sys;
	u64 used_pfn;           /* by the last access, os.used                */
	u32 next_table;
} S;

static inline int refuse(u64 vpn, bool is_write)
{
	return -EFAULT;
}

static inline void see(const struct tlb_entry *e, u64 vpn, bool is_write, u32 n)
{
	S.used_pfn = e->pfn + (vpn - e->vpn);
}

static inline u64 *table_at(u64 frame)
{
	u64 **t = &S.sys->mem.table[frame];

	if (!*t)
		*t = arena_alloc(&S.sys->arena, 512 * sizeof(u64));
	return *t;
}

/* The leaf entry of @vpn; tables on the way are made, A set in their entries. */
static inline u64 *leaf_of(u64 vpn)
{
	u64 frame = ROOT;

	for (u32 level = 4; --level > 0; ) {
		u64 *e = &table_at(frame)[paging_index(&S.sys->mem.paging, vpn,
						       level)];

		if (!*e)
			*e = pte_make(S.next_table++, PTE_P | PTE_RW | PTE_US |
				      PTE_A);
		frame = pte_pfn(*e);
	}
	return &table_at(frame)[paging_index(&S.sys->mem.paging, vpn, 0)];
}

static inline void on_cpu(u32 i)
{
	this_cpu = &S.sys->cpu[i];
}

/* @rules: NULL for the profile's. */
static inline void power_on(const char *profile, const char *topology,
		     const struct arch_rules *rules, struct walk_config walk)
{
	struct sys_config cfg = {
		.arena_bytes = 8u << 20, .nr_cpus = NR_CPUS,
		.paging = { .levels = 4, .bits = 9 }, .walk = walk,
		.frames_per_node = 4096,
	};
	struct err e;

	if (machine_create(&S.m, topology, profile, &e))
		fail_msg("%s", e.text);
	if (rules) {
		S.m->rules = *rules;
		S.m->arch = (enum arch)arch_find(rules->name);
	}
	cfg.m = S.m;
	assert_int_equal(0, sys_create(&S.sys, &cfg));
	direct_install(S.sys);
	S.sys->os.fault = refuse;
	S.next_table = FIRST_TABLE;
	for (u32 i = 0; i < NR_PAGES; i++)
		leaf_of(page_vpn[i]);
	for (u32 i = NR_CPUS; i-- > 0; ) {
		on_cpu(i);
		cpu_load_cr3(ROOT, PCID, true);
		this_cpu->run_until = UINT64_MAX;
	}
}

static inline void power_off(void)
{
	sys_destroy(S.sys);
	machine_destroy(S.m);
}

static inline u64 counted(enum counter c)
{
	return this_cpu->count.v[c];
}

/* One access on this CPU. Return: 0, or -EFAULT when it faulted. */
static inline int touch_page(u64 vpn, u8 op)
{
	struct run r = { .va = vpn << PAGE_SHIFT, .count = 1, .bytes = 8,
			 .op = op };

	return cpu_run_many(&r, 1);
}

static inline void set_pte(u64 vpn, u64 v)
{
	pte_store(ROOT, vpn, 0, leaf_of(vpn), v);
}

#define READ(vpn) touch_page((vpn), RUN_READ)
#define WRITE(vpn) touch_page((vpn), RUN_WRITE)

#endif
