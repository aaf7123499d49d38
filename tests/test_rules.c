/* test_rules.c - the timed machine obeys the rules of each architecture: what
 * its arrays and walk caches keep, who sets A and D, what a fault drops, what an
 * operation reaches. tests/test_envelope.c is the same for explored runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "cpu/caches.h"
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

static int refuse(u64 vpn, bool is_write)
{
	return -EFAULT;
}

static void see(const struct tlb_entry *e, u64 vpn, bool is_write, u32 n)
{
	S.used_pfn = e->pfn + (vpn - e->vpn);
}

static u64 *table_at(u64 frame)
{
	u64 **t = &S.sys->mem.table[frame];

	if (!*t)
		*t = arena_alloc(&S.sys->arena, 512 * sizeof(u64));
	return *t;
}

/* The leaf entry of @vpn; tables on the way are made, A set in their entries. */
static u64 *leaf_of(u64 vpn)
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

static void on_cpu(u32 i)
{
	this_cpu = &S.sys->cpu[i];
}

/* @rules: NULL for the profile's. */
static void power_on(const char *profile, const char *topology,
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

static void power_off(void)
{
	sys_destroy(S.sys);
	machine_destroy(S.m);
}

static u64 counted(enum counter c)
{
	return this_cpu->count.v[c];
}

/* One access on this CPU. Return: 0, or -EFAULT when it faulted. */
static int touch_page(u64 vpn, u8 op)
{
	struct run r = { .va = vpn << PAGE_SHIFT, .count = 1, .bytes = 8,
			 .op = op };

	return cpu_run_many(&r, 1);
}

static void set_pte(u64 vpn, u64 v)
{
	pte_store(ROOT, vpn, 0, leaf_of(vpn), v);
}

#define READ(vpn) touch_page((vpn), RUN_READ)
#define WRITE(vpn) touch_page((vpn), RUN_WRITE)

/* ---- the rules, each with its options ------------------------------------------ */

struct variant {
	const char *name;
	enum arch arch;
	bool has_hw_ad, has_svvptc;
};

static const struct variant variants[] = {
	{ "x86", ARCH_X86, true, false },
	{ "arm", ARCH_ARM, false, false },
	{ "arm, hafdbs", ARCH_ARM, true, false },
	{ "riscv", ARCH_RISCV, false, false },
	{ "riscv, svadu", ARCH_RISCV, true, false },
	{ "riscv, svvptc", ARCH_RISCV, false, true },
	{ "riscv, svadu, svvptc", ARCH_RISCV, true, true },
};

static void power_on_as(const struct variant *v)
{
	struct arch_rules rules = arch_rules[v->arch];

	rules.hw_sets_a = rules.hw_sets_d = v->has_hw_ad;
	rules.caches_invalid &= !v->has_svvptc;
	power_on("skylake-sp", "pack:1 core:2 pu:1", &rules,
		 (struct walk_config){ .has_psc = true });
}

#define FOR_EACH_VARIANT(v) \
	for (const struct variant *v = variants; \
	     v < variants + ARRAY_LEN(variants) && \
	     (power_on_as(v), true); power_off(), v++)

/* Read-only in the TLB, writable in memory: the store faults although the tables
 * allow it. On x86 once, elsewhere until somebody invalidates. */
static void test_fault_drops(void **state)
{
	FOR_EACH_VARIANT(v) {
		bool drops = v->arch == ARCH_X86;

		set_pte(0, pte_make(64, PTE_P | PTE_A));
		assert_int_equal(0, READ(0));
		set_pte(0, pte_make(64, PTE_P | PTE_RW | PTE_A | PTE_D));
		assert_int_equal(-EFAULT, WRITE(0));
		assert_int_equal(drops ? 0 : -EFAULT, WRITE(0));
		assert_int_equal(drops ? 1 : 2, counted(CTR_SPURIOUS_FAULTS));
		assert_int_equal(drops ? 1 : 2, counted(CTR_PAGE_FAULTS));
		cpu_invlpg(0);
		assert_int_equal(0, WRITE(0));
	}
}

/* A page that was not there when it was first asked for. */
static void test_caches_invalid(void **state)
{
	FOR_EACH_VARIANT(v) {
		bool caches = v->arch == ARCH_RISCV && !v->has_svvptc;
		int again = caches ? -EFAULT : 0;

		assert_int_equal(-EFAULT, READ(512));
		set_pte(512, pte_make(65, PTE_P | PTE_RW | PTE_A | PTE_D));
		assert_int_equal(again, READ(512));
		assert_int_equal(again, WRITE(512));
		assert_int_equal(caches ? 2 : 0, counted(CTR_SPURIOUS_FAULTS));
		assert_int_equal(0, READ(513) != -EFAULT);
		assert_int_equal(!caches, cpu_takes_digests());
		cpu_invlpg(512);
		assert_int_equal(0, READ(512));
		/* Only on the CPU that asked. */
		on_cpu(1);
		assert_int_equal(0, READ(512));
		on_cpu(0);
	}
}

static void test_who_sets_a(void **state)
{
	FOR_EACH_VARIANT(v) {
		bool caches = v->arch == ARCH_RISCV && !v->has_svvptc;
		u64 *pte = leaf_of(1);

		set_pte(1, pte_make(66, PTE_P | PTE_RW));
		assert_int_equal(v->has_hw_ad ? 0 : -EFAULT, READ(1));
		assert_int_equal(v->has_hw_ad ? PTE_A : 0, *pte & PTE_A);
		assert_int_equal(v->has_hw_ad, counted(CTR_WALK_AD_UPDATES));
		assert_int_equal(!v->has_hw_ad, counted(CTR_ACCESSED_FAULTS));
		assert_int_equal(0, counted(CTR_DIRTY_FAULTS));
		if (v->has_hw_ad)
			continue;
		/* The kernel sets it; an old entry may be in the TLB. */
		pte_modify(ROOT, 1, 0, pte, 0, PTE_A);
		assert_int_equal(caches ? -EFAULT : 0, READ(1));
		assert_int_equal(caches, counted(CTR_SPURIOUS_FAULTS));
	}
}

/* A store through a clean entry: hardware that sets D reads the entry in memory
 * again, other hardware faults by what the TLB says. */
static void test_who_sets_d(void **state)
{
	FOR_EACH_VARIANT(v) {
		u64 *pte = leaf_of(1), walks;

		set_pte(1, pte_make(66, PTE_P | PTE_RW | PTE_A));
		assert_int_equal(0, READ(1));
		walks = counted(CTR_WALKER_LOADS);
		assert_int_equal(v->has_hw_ad ? 0 : -EFAULT, WRITE(1));
		assert_int_equal(v->has_hw_ad ? PTE_D : 0, *pte & PTE_D);
		assert_int_equal(v->has_hw_ad, counted(CTR_DIRTY_ASSISTS));
		assert_int_equal(!v->has_hw_ad, counted(CTR_DIRTY_FAULTS));
		assert_int_equal(v->has_hw_ad, counted(CTR_WALKER_LOADS) - walks);
		assert_int_equal(0, WRITE(1) != (v->has_hw_ad ? 0 : -EFAULT));
		assert_int_equal(v->has_hw_ad, counted(CTR_DIRTY_ASSISTS));
		if (v->has_hw_ad)
			continue;
		/* The kernel sets D: the clean entry is still there. */
		pte_modify(ROOT, 1, 0, pte, 0, PTE_D);
		assert_int_equal(-EFAULT, WRITE(1));
		assert_int_equal(1, counted(CTR_SPURIOUS_FAULTS));
		cpu_invlpg(1);
		assert_int_equal(0, WRITE(1));
	}
}

/* The frame, and the right, are those of the entry that the assist read. */
static void test_assist_reads_again(void **state)
{
	FOR_EACH_VARIANT(v) {
		if (!v->has_hw_ad)
			continue;
		S.sys->os.used = see;
		for (u64 vpn = 0; vpn < 2; vpn++) {
			set_pte(vpn, pte_make(66, PTE_P | PTE_RW | PTE_A));
			assert_int_equal(0, READ(vpn));
			assert_int_equal(66, S.used_pfn);
		}
		set_pte(0, pte_make(67, PTE_P | PTE_RW | PTE_A));
		assert_int_equal(0, READ(0));
		assert_int_equal(66, S.used_pfn);       /* stale */
		assert_int_equal(0, WRITE(0));
		assert_int_equal(67, S.used_pfn);
		set_pte(1, pte_make(67, PTE_P | PTE_A));
		assert_int_equal(-EFAULT, WRITE(1));
		assert_int_equal(0, *leaf_of(1) & PTE_D);
	}
}

/* ---- against all that each CPU may hold ---------------------------------------------- */

/* What was in memory since a CPU last invalidated the page. */
struct may_hold {
	u32 n;
	u64 pte[64];
};

static struct may_hold held[NR_CPUS][NR_PAGES];

static bool gives_fault(u64 pte)
{
	return !(pte & PTE_P) || (!(pte & PTE_A) && !S.m->rules.hw_sets_a);
}

static bool refuses(u64 pte, bool is_write)
{
	return gives_fault(pte) || (is_write && (!(pte & PTE_RW) ||
		(!(pte & PTE_D) && !S.m->rules.hw_sets_d)));
}

static void hold(u32 cpu, u32 page, u64 pte)
{
	struct may_hold *h = &held[cpu][page];

	if (gives_fault(pte) && !S.m->rules.caches_invalid)
		return;
	for (u32 i = 0; i < h->n; i++)
		if (h->pte[i] == pte)
			return;
	assert_true(h->n < ARRAY_LEN(h->pte));
	h->pte[h->n++] = pte;
}

static void hold_all(u32 page, u64 pte)
{
	for (u32 c = 0; c < NR_CPUS; c++)
		hold(c, page, pte);
}

/* Can an access end in a fault (@pfn 0), or in frame @pfn, by memory's @now or
 * by what the CPU may hold? */
static bool is_explained(u32 cpu, u32 page, bool is_write, u64 now, u64 pfn,
			 bool *is_stale)
{
	const struct may_hold *h = &held[cpu][page];
	u64 fresh = refuses(now, is_write) ? 0 : pte_pfn(now);

	*is_stale = fresh != pfn;
	if (!*is_stale)
		return true;
	for (u32 i = 0; i < h->n; i++) {
		u64 v = h->pte[i];

		if (refuses(v, is_write) ? !pfn : pfn == pte_pfn(v) &&
		    (!is_write || v & PTE_D))
			return true;
	}
	return false;
}

static void random_access(struct rng *g, u64 stale[2])
{
	u32 page = (u32)rng_below(g, NR_PAGES), cpu = this_cpu->id;
	bool is_write = rng_chance(g, 1, 2), is_stale;
	u64 now = *leaf_of(page_vpn[page]), pfn = 0;

	if (!touch_page(page_vpn[page], is_write ? RUN_WRITE : RUN_READ))
		pfn = S.used_pfn;
	if (!is_explained(cpu, page, is_write, now, pfn, &is_stale))
		fail_msg("%s: CPU %u, page %u, %s: frame %llu; memory says "
			 "0x%llx", S.m->rules.name, cpu, page, is_write ? "store" : "load",
			 (unsigned long long)pfn, (unsigned long long)now);
	stale[!pfn] += is_stale;
	/* Set A and D: what was there before may be cached elsewhere. */
	if (*leaf_of(page_vpn[page]) != now)
		hold_all(page, now | PTE_A);
	if (!pfn && S.m->rules.fault_drops_page)
		held[cpu][page].n = 0;
}

static void random_change(struct rng *g)
{
	u32 page = (u32)rng_below(g, NR_PAGES);
	u64 *pte = leaf_of(page_vpn[page]), bits = 0, old = *pte;

	bits |= rng_chance(g, 3, 4) ? PTE_P : 0;
	bits |= rng_chance(g, 2, 3) ? PTE_RW : 0;
	bits |= rng_chance(g, 3, 4) ? PTE_A : 0;
	bits |= rng_chance(g, 1, 2) ? PTE_D : 0;
	/* A may be set between now and then, if it can be. */
	hold_all(page, S.m->rules.hw_sets_a ? old | PTE_A : old);
	if (rng_chance(g, 1, 3))
		pte_modify(ROOT, page_vpn[page], 0, pte, ~0ull,
			   pte_make(FIRST_FRAME + rng_below(g, 4), bits));
	else if (rng_chance(g, 1, 2))
		pte_modify(ROOT, page_vpn[page], 0, pte, ~PTE_PFN_MASK, bits);
	else
		set_pte(page_vpn[page], pte_make(FIRST_FRAME + rng_below(g, 4),
						 bits));
}

/* Any operation of the architecture, here or, as a broadcast, everywhere. */
static void random_invalidation(struct rng *g)
{
	const struct inval_op *op = inval_ops;
	u32 page = (u32)rng_below(g, NR_PAGES);

	for (u32 left = (u32)rng_below(g, 60); left; left--) {
		op = op[1].name ? op + 1 : inval_ops;
		if (op->arch != S.m->arch)
			left++;
	}
	if (op->arch != S.m->arch ||
	    (!inval_names_page(op->scope) && rng_chance(g, 3, 4)))
		return;
	for (u32 c = 0; c < NR_CPUS; c++) {
		if (!op->is_broadcast && c != this_cpu->id)
			continue;
		cpu_invalidate_on(&S.sys->cpu[c], op, PCID, page_vpn[page]);
		for (u32 i = 0; i < NR_PAGES; i++)
			if (i == page || !inval_names_page(op->scope))
				held[c][i].n = 0;
	}
}

/* Nothing that a CPU does is forbidden: two CPUs, entries changed under their
 * feet, every operation of the architecture. */
static void test_within_the_envelope(void **state)
{
	u64 seed = check_seed("rules");

	FOR_EACH_VARIANT(v) {
		bool caches = v->arch == ARCH_RISCV && !v->has_svvptc;
		u64 stale[2] = { 0, 0 };
		struct rng g;

		rng_init(&g, seed);
		memset(held, 0, sizeof(held));
		S.sys->os.used = see;
		for (u32 i = 0; i < NR_PAGES; i++)
			set_pte(page_vpn[i], pte_make(FIRST_FRAME, 0));
		for (u32 i = 0; i < 60000; i++) {
			on_cpu((u32)rng_below(&g, NR_CPUS));
			switch (rng_below(&g, 12)) {
			case 0:
			case 1:
				random_change(&g);
				break;
			case 2:
				random_invalidation(&g);
				break;
			default:
				random_access(&g, stale);
			}
		}
		printf("# %s: %llu stale hits, %llu faults by old entries\n",
		       v->name, (unsigned long long)stale[0],
		       (unsigned long long)stale[1]);
		assert_true(stale[0] > 1000);
		assert_true(stale[1] > 200);
		/* Of entries that were not there, and then were. */
		assert_true(!caches || stale[1] > 3000);
	}
}

/* ---- what operations of the running kernel reach -------------------------------------- */

static const struct arch_row {
	const char *profile;
	bool uses_tce;
	const char *page, *asid;
	/* After dropping page 0 of PCID 3: are walk-cache entries there of its
	 * path, of another in PCID 3, and of PCID 4? */
	bool path, other, alien;
} ops[] = {
	{ "skylake-sp", false, "INVLPG", "MOV CR3", false, false, true },
	{ "zen4-genoa", false, "INVLPG TCE=0", "MOV CR3", false, false, false },
	{ "zen4-genoa", true, "INVLPG TCE=1", "MOV CR3", false, true, true },
	{ "neoverse-n1", false, "TLBI VAE1", "TLBI ASIDE1", false, true, true },
	{ "riscv-sv48", false, "SFENCE.VMA va,asid", "SFENCE.VMA asid", true,
	  true, true },
};

/* A walk for @vpn now begins at a page table that was cached. */
static bool begins_low(u64 vpn, u16 pcid)
{
	u64 before = counted(CTR_PSC_HIT_PDE);

	cpu_load_cr3(ROOT, pcid, false);
	tlb_array_flush_all(this_cpu->tlb);
	assert_int_equal(0, READ(vpn));
	return counted(CTR_PSC_HIT_PDE) - before;
}

/* The broadcasts of AMD and INVPCID go by EFER.TCE as INVLPG does; what leaves
 * upper levels alone, and a fault, do not. */
static void test_tce(void **state)
{
	static const struct {
		const char *name;       /* NULL: a fault                      */
		bool other[2];          /* without and with TCE: stays there  */
	} rows[] = {
		{ "INVPCID 0", { false, true } },
		{ "INVLPGB VA+PCID", { false, true } },
		{ "INVLPGB VA+PCID+FINAL", { true, true } },
		{ "INVLPGB PCID", { false, false } },
		{ NULL, { true, true } },
	};
	const u64 bits = PTE_P | PTE_RW | PTE_A | PTE_D;

	for (u32 tce = 0; tce < 2; tce++)
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			power_on("zen4-genoa", "pack:1 core:2 pu:1", NULL,
				 (struct walk_config){ .has_psc = true,
						       .uses_tce = tce });
			for (u64 k = 0; k < 4; k++)
				set_pte(page_vpn[k],
					pte_make(FIRST_FRAME + k, bits));
			assert_int_equal(0, READ(0));
			assert_int_equal(0, READ(512));
			if (rows[i].name)
				cpu_invalidate(inval_op_find(rows[i].name),
					       PCID, 0);
			else
				cpu_fault_drops(0);
			assert_int_equal(rows[i].other[tce],
					 begins_low(513, PCID));
			power_off();
		}
}

static void test_local_operations(void **state)
{
	const u64 bits = PTE_P | PTE_RW | PTE_A | PTE_D;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		power_on(ops[i].profile, "pack:1 core:2 pu:1", NULL,
			 (struct walk_config){ .has_psc = true,
					       .uses_tce = ops[i].uses_tce });
		assert_string_equal(ops[i].page,
				    S.sys->local_op[ARCH_DROP_PAGE]->name);
		assert_string_equal(ops[i].asid,
				    S.sys->local_op[ARCH_DROP_ASID]->name);
		for (u64 k = 0; k < 4; k++)
			set_pte(page_vpn[k], pte_make(FIRST_FRAME + k, bits));
		for (u16 pcid = PCID; pcid <= PCID + 1; pcid++) {
			cpu_load_cr3(ROOT, pcid, false);
			assert_int_equal(0, READ(0));
			assert_int_equal(0, READ(512));
		}
		cpu_load_cr3(ROOT, PCID, false);
		cpu_invlpg(0);
		assert_int_equal(ops[i].path, begins_low(1, PCID));
		assert_int_equal(ops[i].other, begins_low(513, PCID));
		assert_int_equal(ops[i].alien, begins_low(513, PCID + 1));
		/* All of one address space. */
		cpu_load_cr3(ROOT, PCID, false);
		cpu_flush_pcid();
		assert_false(begins_low(0, PCID));
		assert_true(begins_low(513, PCID + 1));
		power_off();
	}
}

/* ---- Arm's nT ------------------------------------------------------------------------- */

/* A large page with nT set is used, walk by walk, and kept by no TLB. */
static void test_nt_is_not_cached(void **state)
{
	const u64 huge = 2048, bits = PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PS;

	for (u32 has_nt = 0; has_nt < 2; has_nt++)
		for (u32 nt = 0; nt < 2; nt++) {
			struct arch_rules rules = arch_rules[ARCH_ARM];
			struct run r = { .va = huge << PAGE_SHIFT, .count = 5,
					 .bytes = 8, .op = RUN_WRITE };
			bool is_kept = !has_nt || !nt;

			rules.has_nt = has_nt;
			power_on("neoverse-n1", "pack:1 core:2 pu:1", &rules,
				 (struct walk_config){ .has_psc = true });
			S.sys->os.used = see;
			leaf_of(huge);
			pte_store(ROOT, huge, 1, &table_at(walk_table_of(ROOT,
				  huge, 1))[huge >> 9],
				  pte_make(512, bits | (nt ? PTE_NT : 0)));
			assert_int_equal(0, READ(huge));
			assert_int_equal(0, READ(huge + 7));
			assert_int_equal(512 + 7, S.used_pfn);
			assert_int_equal(is_kept ? 1 : 2, counted(CTR_WALK_LOAD));
			/* Each access of a run, as if fed one by one. */
			assert_int_equal(0, cpu_run_many(&r, 1));
			assert_int_equal(is_kept ? 0 : 5,
					 counted(CTR_WALK_STORE));
			power_off();
		}
}

/* Nor, where hardware may fill at any time, by any that is explored. */
static void test_nt_is_not_speculated(void **state)
{
	for (u32 nt = 0; nt < 2; nt++) {
		struct sys_config cfg = {
			.arena_bytes = 1 << 16, .nr_cpus = 1,
			.is_explored = true, .may_speculate = true,
			.paging = { .levels = 2, .bits = 1 },
			.lines_per_frame = 1, .frames_per_node = 4,
		};
		u64 *root, block = pte_make(2, PTE_P | PTE_RW | PTE_A | PTE_D |
					    PTE_PS | (nt ? PTE_NT : 0));
		struct err e;

		if (machine_create(&S.m, "pack:1 core:1 pu:1", "neoverse-n1",
				   &e))
			fail_msg("%s", e.text);
		S.m->rules.has_nt = true;
		cfg.m = S.m;
		assert_int_equal(0, sys_create(&S.sys, &cfg));
		direct_install(S.sys);
		root = arena_alloc(&S.sys->arena, 2 * sizeof(*root));
		S.sys->mem.table[ROOT] = root;
		on_cpu(0);
		this_cpu->s->root = ROOT;
		root[0] = block;
		pte_store(ROOT, 0, 1, &root[0], 0);
		assert_int_equal(!nt, this_cpu->s->env->n);
		power_off();
	}
}

/* ---- contiguous leaves ---------------------------------------------------------------- */

/* A copy of cortex-a76 whose second level joins 16 pages of 2M. */
static void write_contiguous(char path[32])
{
	char line[1024];
	FILE *in = fopen("machines/cortex-a76.ini", "r"), *out;
	int fd;

	strcpy(path, "/tmp/contig.XXXXXX.ini");
	fd = mkstemps(path, 4);
	assert_true(in && fd >= 0);
	out = fdopen(fd, "w");
	while (fgets(line, sizeof(line), in)) {
		fputs(line, out);
		if (!strcmp(line, "[tlb.l2]\n"))
			fputs("coalesce_2m = 32m | assumed: test\n", out);
	}
	fclose(in);
	fclose(out);
}

/* Walks for the first page of each of 20 pages of 2M, @odd of which has another
 * flag; frames begin @shift large pages beyond a multiple of 32M. */
static u64 walks_of_large(const char *profile, u32 odd, u32 shift)
{
	const u64 leaf = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_PS;
	const struct walk_config walk = { 0 };
	u64 *table, before;

	power_on(profile, "pack:1 core:2 pu:1", NULL, walk);
	table = table_at(pte_pfn(table_at(pte_pfn(table_at(ROOT)[0]))[0]));
	for (u64 i = 0; i < 20; i++)
		table[16 + i] = pte_make((32 + shift + i) << 9, leaf) &
				(i == odd ? ~PTE_D : ~0ull);
	before = counted(CTR_WALK_LOAD);
	for (u64 i = 0; i < 20; i++)
		assert_int_equal(0, READ((16 + i) << 9));
	/* And none of them again. */
	for (u64 i = 0; i < 20; i++)
		assert_int_equal(0, READ(((16 + i) << 9) + 77));
	before = counted(CTR_WALK_LOAD) - before;
	power_off();
	return before;
}

/* Sixteen pages of 2M that map 32M in order, alike in all bits, take one walk; the
 * four that follow one each. */
static void test_contiguous_2m(void **state)
{
	char path[32];

	write_contiguous(path);
	assert_int_equal(5, walks_of_large(path, 99, 0));
	assert_int_equal(20, walks_of_large(path, 3, 0));
	assert_int_equal(20, walks_of_large(path, 99, 1));
	assert_int_equal(5, walks_of_large(path, 17, 0));
	assert_int_equal(20, walks_of_large("cortex-a76", 99, 0));
	unlink(path);
}

/* ---- TLB conflicts ------------------------------------------------------------------------ */

enum resize { AT_ONCE, THROUGH_NT, BY_STEPS };

static void flush_both(void)
{
	for (u32 i = NR_CPUS; i-- > 0; ) {
		on_cpu(i);
		cpu_flush_pcid();
	}
}

/* The table of pages 512 to 1023 becomes a large page of the same frames, by way of
 * @how. */
static void resize(enum resize how)
{
	const u64 leaf = pte_make(2048, PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D |
				  PTE_PS);
	u64 *pmd = &table_at(pte_pfn(table_at(pte_pfn(table_at(ROOT)[0]))[0]))[1];

	switch (how) {
	case AT_ONCE:
		break;
	case THROUGH_NT:
		pte_store(ROOT, 512, 1, pmd, leaf | PTE_NT);
		/* Used meanwhile, and kept by no TLB. */
		READ(512 + 9);
		flush_both();
		break;
	case BY_STEPS:
		pte_xchg(ROOT, 512, 1, pmd, 0);
		flush_both();
		break;
	}
	pte_store(ROOT, 512, 1, pmd, leaf);
}

/* Small entries of pages 512, 516 are cached (level 2 joins each with its three
 * neighbours) when a large page takes their place, and is walked for at 520: who finds both has found a conflict, until everything is
 * dropped. Level 2 of FEAT_BBM allows the change at once and has the conflict all the
 * same; level 1 avoids it by nT; all three steps avoid it at any level. */
static void test_conflicts(void **state)
{
	static const struct {
		enum resize how;
		u64 conflicts[3], violations[3];        /* by level of BBM    */
	} row[] = {
		{ AT_ONCE, { 2, 2, 2 }, { 1, 1, 0 } },
		{ BY_STEPS, { 0, 0, 0 }, { 0, 0, 0 } },
		{ THROUGH_NT, { 0, 0, 0 }, { 1, 0, 0 } },
	};
	const u64 small = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;

	for (u32 i = 0; i < 3 * ARRAY_LEN(row); i++) {
		struct arch_rules rules = arch_rules[ARCH_ARM];
		u32 level = i % 3;
		enum resize how = row[i / 3].how;
		const u64 *got;

		rules.has_nt = level >= 1;
		rules.may_resize = level == 2;
		power_on("cortex-a76", "pack:1 core:2 pu:1", &rules,
			 (struct walk_config){ 0 });
		for (u64 p = 0; p < 16; p++)
			*leaf_of(512 + p) = pte_make(2048 + p, small);
		for (u64 p = 0; p < 8; p += 4)
			assert_int_equal(0, READ(512 + p));
		resize(how);
		got = &this_cpu->tlb->stats.conflicts;
		assert_int_equal(0, READ(520));
		assert_int_equal(0, *got);
		for (u64 p = 0; p < 8; p += 4)
			assert_int_equal(0, READ(512 + p));
		assert_int_equal(row[i / 3].conflicts[level], *got);
		/* No other page does, and none after a flush. */
		assert_int_equal(0, READ(524));
		flush_both();
		for (u64 p = 0; p < 16; p += 4)
			assert_int_equal(0, READ(512 + p));
		assert_int_equal(row[i / 3].conflicts[level], *got);
		assert_int_equal(row[i / 3].violations[level],
				 S.sys->cpu[0].count.v[CTR_BBM_VIOLATIONS]);
		power_off();
	}
}

/* The hint of pages 512 to 527 is set, all at once or with the three steps. Page 513 may
 * be written from then on, so that page 512, cached alone before, is joined with its
 * neighbours after. */
static void set_hint(bool by_steps)
{
	const u64 leaf = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_CONT;

	for (u64 p = 512; by_steps && p < 528; p++)
		pte_xchg(ROOT, p, 0, leaf_of(p), 0);
	if (by_steps)
		flush_both();
	for (u64 p = 512; p < 528; p++)
		pte_store(ROOT, p, 0, leaf_of(p), pte_make(2048 + p - 512, leaf));
}

/* Arm's Contiguous hint: level 0 asks for break-before-make, 1 and 2 do not. At each of
 * them a conflict would be allowed after a change at once; there is none, since the
 * block drops the page's own entry from the array that takes it. */
static void test_changed_hint(void **state)
{
	const u64 small = PTE_P | PTE_US | PTE_A | PTE_D;

	for (u32 i = 0; i < 6; i++) {
		struct arch_rules rules = arch_rules[ARCH_ARM];
		const bool by_steps = i / 3;
		const u32 level = i % 3;
		u64 hits;

		rules.has_nt = level >= 1;
		rules.may_resize = level == 2;
		power_on("cortex-a76", "pack:1 core:2 pu:1", &rules,
			 (struct walk_config){ 0 });
		for (u64 p = 0; p < 256; p++)
			*leaf_of(512 + p) = pte_make(2048 + p, small |
						     (p == 1 ? 0 : PTE_RW));
		assert_int_equal(0, READ(512));
		tlb_array_watch(this_cpu->tlb);
		set_hint(by_steps);
		assert_int_equal(0, READ(513));
		/* Out of level 1, not out of level 2, where the block is. */
		for (u64 p = 64; p < 256; p += 4)
			assert_int_equal(0, READ(512 + p));
		hits = this_cpu->count.v[CTR_STLB_HIT_LOAD];
		assert_int_equal(0, READ(512));
		assert_int_equal(0, READ(514));
		assert_int_equal(hits + 2, this_cpu->count.v[CTR_STLB_HIT_LOAD]);
		assert_int_equal(0, this_cpu->tlb->stats.conflicts);
		assert_int_equal(by_steps || level ? 0 : 16,
				 S.sys->cpu[0].count.v[CTR_BBM_VIOLATIONS]);
		power_off();
	}
}

/* ---- entries of page tables in data caches --------------------------------------------- */

/* A store to an entry on one core makes the other core's next walk miss its L1
 * and L2; a line that nobody wrote stays. So do A and D updates. */
static void test_written_lines_leave(void **state)
{
	const u64 bits = PTE_P | PTE_RW | PTE_A | PTE_D;
	static const struct {
		const char *topology;
		bool is_llc_shared;
	} rows[] = {
		{ "pack:1 core:2 pu:1", true }, { "pack:2 core:1 pu:1", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		u64 l1, line;

		power_on("skylake-sp", rows[i].topology, NULL,
			 (struct walk_config){ .has_psc = true,
					       .caches = CACHES_WALKS });
		for (u64 k = 0; k < NR_PAGES; k++)
			set_pte(page_vpn[k], pte_make(FIRST_FRAME + k, bits));
		line = caches_line(walk_table_of(ROOT, 0, 0), 0);
		for (u32 c = 0; c < NR_CPUS; c++) {
			on_cpu(c);
			assert_int_equal(0, READ(0));
			assert_true(caches_core_has(S.sys->caches, c, CACHE_L1D,
						    line));
		}
		/* Both have it: the next page's entry is in the same line. */
		l1 = counted(CTR_PWL_D_L1);
		assert_int_equal(0, READ(1));
		assert_int_equal(l1 + 1, counted(CTR_PWL_D_L1));
		on_cpu(0);
		set_pte(512, pte_make(FIRST_FRAME, bits));      /* another line */
		assert_true(caches_core_has(S.sys->caches, 1, CACHE_L1D, line));
		pte_modify(ROOT, 0, 0, leaf_of(0), PTE_D, 0);
		for (u32 level = CACHE_L1D; level <= CACHE_L2; level++) {
			assert_false(caches_core_has(S.sys->caches, 1,
						     (enum cache_level)level,
						     line));
			assert_true(caches_core_has(S.sys->caches, 0,
						    (enum cache_level)level,
						    line));
		}
		on_cpu(1);
		cpu_invlpg(1);
		tlb_array_flush_all(this_cpu->tlb);
		memset(&this_cpu->count, 0, sizeof(this_cpu->count));
		assert_int_equal(0, READ(0));
		/* Upper entries come from L1; the leaf's from where it is. */
		assert_int_equal(rows[i].is_llc_shared, counted(CTR_PWL_D_L3));
		assert_int_equal(!rows[i].is_llc_shared,
				 counted(CTR_PWL_D_MEMORY));
		assert_int_equal(counted(CTR_WALKER_LOADS) - 1,
				 counted(CTR_PWL_D_L1));
		/* The walker's locked update of D does the same to CPU 0. */
		assert_int_equal(0, WRITE(0));
		assert_int_equal(1, counted(CTR_DIRTY_ASSISTS));
		assert_false(caches_core_has(S.sys->caches, 0, CACHE_L1D, line));
		power_off();
	}
}

/* Tables that no cache has come from the memory of the node that they are on. */
static void test_tables_are_local_or_remote(void **state)
{
	const u64 bits = PTE_P | PTE_RW | PTE_A | PTE_D;
	u64 cycles[NR_CPUS];

	for (u32 c = 0; c < NR_CPUS; c++) {
		power_on("skylake-sp", "pack:2 core:1 pu:1", NULL,
			 (struct walk_config){ .has_psc = true,
					       .caches = CACHES_WALKS });
		set_pte(0, pte_make(FIRST_FRAME, bits));
		on_cpu(c);
		memset(&this_cpu->count, 0, sizeof(this_cpu->count));
		assert_int_equal(0, READ(0));
		assert_int_equal(4, counted(CTR_WALKER_LOADS));
		cycles[c] = counted(CTR_PWL_D_MEMORY) *
			    machine_dram(S.m, c, 0);
		assert_in_range(counted(CTR_PWL_D_MEMORY), 1, 4);
		assert_int_equal(cycles[c] + 4 * counted(CTR_PWL_D_L1),
				 counted(CTR_WALK_LOAD_CYCLES));
		power_off();
	}
	assert_true(cycles[1] > cycles[0]);
}

/* ---- nested paging --------------------------------------------------------------------- */

/* A guest's 2M page reaches as far as the smaller of both pages; one INVLPG drops
 * all that there is of it, in any number of pieces, and no page beside it. When
 * the guest maps the region by small pages afterwards, INVLPG drops one. */
static void test_fractured_page(void **state)
{
	const u64 huge = 2048, bits = PTE_P | PTE_RW | PTE_A | PTE_D;
	static const struct {
		enum ept_mode ept;
		u64 walks;      /* to read 40 pages of it                     */
	} rows[] = {
		{ EPT_NONE, 1 }, { EPT_4K, 40 }, { EPT_2M, 1 }, { EPT_1G, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		u64 *pmd, walks;

		power_on("skylake-sp", "pack:1 core:2 pu:1", NULL,
			 (struct walk_config){ .has_psc = true,
					       .ept = rows[i].ept });
		leaf_of(huge);
		pmd = &table_at(walk_table_of(ROOT, huge, 1))[huge >> 9];
		pte_store(ROOT, huge, 1, pmd, pte_make(512, bits | PTE_PS));
		cpu_invlpg(huge);
		set_pte(0, pte_make(FIRST_FRAME, bits));
		assert_int_equal(0, READ(0));
		walks = counted(CTR_WALK_LOAD);
		for (u64 k = 0; k < 40; k++)
			assert_int_equal(0, READ(huge + 13 * k));
		assert_int_equal(rows[i].walks, counted(CTR_WALK_LOAD) - walks);
		/* All of it goes with its first page, and nothing else. */
		cpu_invlpg(huge);
		walks = counted(CTR_WALK_LOAD);
		assert_int_equal(0, READ(0));
		assert_int_equal(0, counted(CTR_WALK_LOAD) - walks);
		for (u64 k = 0; k < 40; k++)
			assert_int_equal(0, READ(huge + 13 * k));
		assert_int_equal(rows[i].walks, counted(CTR_WALK_LOAD) - walks);
		/* Small pages in its place. */
		pte_store(ROOT, huge, 1, pmd, 0);
		cpu_invlpg(huge + 100);
		for (u64 k = 0; k < 4; k++) {
			set_pte(huge + k, pte_make(600 + k, bits));
			assert_int_equal(0, READ(huge + k));
		}
		cpu_invlpg(huge + 2);
		walks = counted(CTR_WALK_LOAD);
		for (u64 k = 0; k < 4; k++)
			assert_int_equal(0, READ(huge + k));
		assert_int_equal(1, counted(CTR_WALK_LOAD) - walks);
		power_off();
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_fault_drops),
	cmocka_unit_test(test_caches_invalid),
	cmocka_unit_test(test_who_sets_a),
	cmocka_unit_test(test_who_sets_d),
	cmocka_unit_test(test_assist_reads_again),
	cmocka_unit_test(test_within_the_envelope),
	cmocka_unit_test(test_local_operations),
	cmocka_unit_test(test_tce),
	cmocka_unit_test(test_nt_is_not_cached),
	cmocka_unit_test(test_nt_is_not_speculated),
	cmocka_unit_test(test_contiguous_2m),
	cmocka_unit_test(test_conflicts),
	cmocka_unit_test(test_changed_hint),
	cmocka_unit_test(test_written_lines_leave),
	cmocka_unit_test(test_tables_are_local_or_remote),
	cmocka_unit_test(test_fractured_page),
};

TEST_MAIN(tests)
