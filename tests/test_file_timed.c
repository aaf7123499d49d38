/* test_file_timed.c - programs that map files, on the timed machine: what they
 * count, and what kernels make of it. */
#include "mm/file.h"
#include "tests/point.h"

static struct timed_result *run(const char *name, const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, workload_find(name), pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

#define MACHINE "machine", "pack:2 core:2 pu:1"

/* Flushes of one thread alone, an iteration's: DONTNEED's; and in a private mapping
 * of a file one for the copy made over the page that the last load showed. */
static void test_tlb_flush(void **state)
{
	static const struct { const char *name; u64 per_page, spared; } rows[] = {
		{ "tlb_flush2", 1, 0 },
		{ "tlb_flush3", 1, 0 },
		{ "tlb_flush1", 2, 256 / 16 },
	};

	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		struct timed_result *r = run(rows[i].name,
			PAIRS(MACHINE, "threads", "1"));

		assert_int_equal(r->count.v[CTR_TLB_FLUSH],
				 256 * rows[i].per_page - rows[i].spared);
		assert_int_equal(r->count.v[CTR_IPIS_SENT], 0);
		free(r);
	}
}

/* 1,024 pages a thread: a flush a page table from 3.15 on for what was stored to,
 * each eight pages where a delayed rmap ends the first batch; one in all for what was
 * copied, none for what nobody touched. */
static void test_munmap(void **state)
{
	static const struct { const char *name, *kernel; u64 flushes; } rows[] = {
		{ "page_fault3", "v3.13", 1 }, { "page_fault3", "v6.1", 1 + 2 },
		{ "page_fault3", "v6.14", 1 + 2 }, { "page_fault2", "v6.1", 1 },
		{ "page_fault3", "v6.1+delayed-rmap", 1 + 1024 / 8 },
		{ "page_fault3", "v6.1+delayed-rmaps", 1 + 2 },
		{ "page_fault2", "v6.1+delayed-rmap", 1 },
		{ "page_fault1", "v6.1", 1 }, { "mmap2", "v6.1", 0 },
	};

	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		struct timed_result *r = run(rows[i].name,
			PAIRS(MACHINE, "as", "processes", "kernel",
			      rows[i].kernel, "bytes", "4M"));

		/* The last flush, of the tables, comes with the pages' where
		 * these did not go before. */
		assert_int_equal(r->count.v[CTR_TLB_FLUSH],
				 4 * rows[i].flushes);
		assert_int_equal(r->count.v[CTR_PAGE_FAULTS],
				 rows[i].flushes ? 4 * 1024 : 0);
		free(r);
	}
}

/* msync flushes each dirty page once, and each store after it faults once. Each file
 * is an event of its own: of 4 * 100, at least 9 rounds of 20 blocks and 20 files;
 * what a disk takes is all that storage in memory saves. */
static void test_sysbench_files(void **state)
{
	struct timed_result *disk = run("sysbench-mmap",
		PAIRS("machine", "pack:1 core:1 pu:1", "bytes", "2M", "files",
		      "20", "requests", "400", "fsync-freq", "20"));
	struct timed_result *dax = run("sysbench-mmap",
		PAIRS("machine", "pack:1 core:1 pu:1", "bytes", "2M", "files",
		      "20", "requests", "400", "fsync-freq", "20", "dax", "yes"));
	u64 written = disk->count.v[CTR_FILE_WRITES];

	assert_int_equal(disk->done, 400);
	assert_true(written > 9 * 20 * 2 && written <= 10 * 20 * 4);
	assert_int_equal(dax->count.v[CTR_FILE_WRITES], written);
	assert_int_equal(dax->count.v[CTR_PAGE_FAULTS],
			 disk->count.v[CTR_PAGE_FAULTS]);
	assert_int_equal(dax->count.v[CTR_TLB_FLUSH], written);
	assert_true(disk->elapsed_cycles - dax->elapsed_cycles >
		    written * 2000 * dax->hz / 1000000000);
	free(disk);
	free(dax);
}

/* msync flushes each dirty page once, and each store after it faults once. */
static void test_sysbench(void **state)
{
	struct timed_result *r = run("sysbench-mmap",
		PAIRS(MACHINE, "bytes", "2M", "requests", "100",
		      "fsync-freq", "20"));
	u64 written = r->count.v[CTR_FILE_WRITES];

	assert_true(written > 512);
	assert_int_equal(r->count.v[CTR_TLB_FLUSH], written);
	assert_true(r->count.v[CTR_PAGE_FAULTS] >= written);
	free(r);
	r = run("sysbench-mmap", PAIRS(MACHINE, "bytes", "2M", "requests", "100",
				       "fsync-freq", "0"));
	assert_int_equal(r->count.v[CTR_FILE_WRITES], 0);
	assert_int_equal(r->count.v[CTR_TLB_FLUSH], 0);
	free(r);
}

/* ---- reading ahead ----------------------------------------------------------------- */

static struct {
	u64 vpn[2], until[2];
} ahead;

static int ahead_setup(struct wl *w, struct err *e)
{
	struct address_space *f = file_create(64, FILE_DISK);
	int n = wl_thread_count(w, 2, e), rc = 0;

	for (u32 i = 0; i < 2 && n >= 0 && !rc; i++) {
		struct mm *mm = mm_create();

		ahead.vpn[i] = wl_map_file(mm, 64, VM_READ | VM_SHARED, f);
		rc = wl_start(w, i, mm, e);
	}
	return n < 0 ? n : rc;
}

static void ahead_body(struct wl *w, u32 i)
{
	u64 us = machine_ns_to_cycles(the_sys->m, 1000);

	if (i)
		the_sys->drv.delay(this_cpu->now + 40 * us);
	OK(wl_runs(&(struct run){ .va = (ahead.vpn[i] + 8 + i) << PAGE_SHIFT,
				  .bytes = 8, .count = 1, .op = RUN_READ }, 1));
	ahead.until[i] = this_cpu->now / us;
}

/* What is read ahead is locked until the disk has brought it: who comes to it earlier
 * waits for that, and asks for nothing himself. */
static void test_what_is_read_is_locked(void **state)
{
	struct workload w = *workload_find("mapped-read");
	struct timed_result *r;
	struct setup s;

	w.setup = ahead_setup;
	w.body = ahead_body;
	point_make(&s, &w, PAIRS("machine", "pack:1 core:2 pu:1"));
	r = point_run(&s);
	point_free(&s);
	assert_int_equal(r->count.v[CTR_FILE_READS], 1);
	assert_true(ahead.until[0] >= 80);
	assert_in_range(ahead.until[1], 80, ahead.until[0] + 20);
	free(r);
}

/* Files of twice the memory: batches of up to 32 pages save flushes, and time
 * (published, 4.3: interrupts to a fifth, 48 CPUs; elapsed less a quarter). */
static void test_mapped_read(void **state)
{
	static const char *const as[] = { "processes", "threads" };

	for (u32 i = 0; i < ARRAY_LEN(as); i++) {
		const char *const machine = "pack:2 [numa(memory=4MiB)] core:2 pu:1";
		struct timed_result *one = run("mapped-read",
			PAIRS("machine", machine, "bytes", "4M", "as", as[i],
			      "kernel", "v4.2"));
		struct timed_result *many = run("mapped-read",
			PAIRS("machine", machine, "bytes", "4M", "as", as[i],
			      "kernel", "v4.12"));

		assert_true(many->count.v[CTR_PGSTEAL_KSWAPD] +
			    many->count.v[CTR_PGSTEAL_DIRECT] >= 2048);
		assert_true(many->count.v[CTR_IPIS_SENT]);
		assert_true(many->count.v[CTR_IPIS_SENT] <
			    one->count.v[CTR_IPIS_SENT] / 4);
		assert_true(many->elapsed_cycles < one->elapsed_cycles);
		free(one);
		free(many);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_tlb_flush),
	cmocka_unit_test(test_munmap),
	cmocka_unit_test(test_sysbench),
	cmocka_unit_test(test_sysbench_files),
	cmocka_unit_test(test_what_is_read_is_locked),
	cmocka_unit_test(test_mapped_read),
};
TEST_MAIN(tests)
