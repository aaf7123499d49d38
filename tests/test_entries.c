/* test_entries.c - entries of special kinds in the timed machine: Arm's nT, contiguous
 * ones and changes of their hint, entries that conflict, tables in data caches, pages
 * that nested paging fractures. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpu/caches.h"
#include "tests/rules_machine.h"

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
