/* test_rules.c - the timed machine obeys the rules of each architecture: who sets A
 * and D, what a fault drops, what is kept of invalid entries, what an operation
 * reaches. tests/test_envelope.c is the same for explored runs; of entries of special
 * kinds tests/test_entries.c. */
#include "base/rng.h"
#include "tests/rules_machine.h"

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_fault_drops),
	cmocka_unit_test(test_caches_invalid),
	cmocka_unit_test(test_who_sets_a),
	cmocka_unit_test(test_who_sets_d),
	cmocka_unit_test(test_assist_reads_again),
	cmocka_unit_test(test_within_the_envelope),
	cmocka_unit_test(test_local_operations),
	cmocka_unit_test(test_tce),
};

TEST_MAIN(tests)
