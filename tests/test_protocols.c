/* Other kernels' protocols, proposed hardware and copies of page tables: the step
 * that each rests on is needed, and what each is for shows in timed runs. */
#include "tests/point.h"

#include "mm/switch.h"
#include "tests/stage_lost.h"

#define TOO_LATE (O4_PERM | O9_FLUSH_DONE)

/* ---- explored -------------------------------------------------------------------------- */

static void flush_loaded(void *arg)
{
	struct flush_req r = { .end = UINT64_MAX, .is_full = 1 };

	if (my_loaded_mm())
		flush_own(&r);
}

/* Interrupts, and on. */
static void shoot_without_waiting(struct flush_req *r)
{
	u64 *to = flush_targets();

	smp_mb();
	if (flush_others(r->mm, to))
		smp_send(to, flush_loaded, r);
	flush_loaded(NULL);
	flush_targets_done();
}

static void tell_without_waiting(struct flush_req *r, const u64 *to,
				 bool is_here)
{
	smp_message(to, flush_loaded, r);
	if (is_here)
		flush_func(r);
}

/* The initiator goes on when all have answered, not before. */
static void test_answers_are_waited_for(void **state)
{
	static const char *const name[] = { "mach", "xnu", "barrelfish" };

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		struct flush_ops f = *flush_find(name[i]);

		assert_int_equal(lost("matrix-stay", "mprotect-down", &f), 0);
		if (f.tell)
			f.tell = tell_without_waiting;
		else
			f.shoot = shoot_without_waiting;
		assert_true(lost("matrix-stay", "mprotect-down", &f) & TOO_LATE);
	}
}

/* What a CPU has under its tag is taken for current. */
static u16 load_trusting(struct mm *mm, bool is_back, bool *flush)
{
	*flush = false;
	return (u16)mm->asid;
}

/* Who was elsewhere, or idle, and was not interrupted looks when it comes back:
 * XNU at the word of its PCID, Mach at its queue. */
static void test_who_comes_back_looks(void **state)
{
	struct flush_ops f = *flush_find("xnu");

	assert_int_equal(lost("matrix-back", "cow-break", &f), 0);
	f.load = load_trusting;
	assert_true(lost("matrix-back", "cow-break", &f));
	f = *flush_find("mach");
	assert_int_equal(lost("matrix-idle", "mprotect-down", &f), 0);
	f.load = load_trusting;
	assert_true(lost("matrix-idle", "mprotect-down", &f));
}

static void nothing(struct flush_req *r)
{
}

/* A store to a page-table entry that reaches no TLB. */
static void test_stores_reach_tlbs(void **state)
{
	struct flush_ops f = *flush_find("hatric");

	assert_int_equal(lost("matrix-stay", "mprotect-down", &f), 0);
	f.shoot = nothing;
	assert_true(lost("matrix-stay", "mprotect-down", &f) & TOO_LATE);
}

/* A shared file's page that was stored to is flushed before write-back may find it
 * unmapped, by strategies, too, that keep or recycle what else munmap takes: it is
 * the kernel that asks for it. */
static void test_dirty_pages_are_flushed_first(void **state)
{
	static const char *const name[] = { "deferred", "latr-early", "fpr" };
	struct kernel k = *kernel_find("v6.18");

	k.zap_delays_rmap = false;
	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		const struct flush_ops *f = flush_find(name[i]);

		assert_int_equal(lost("matrix-stay", "munmap-dirty", f), 0);
		assert_true(lost_on("matrix-stay", "munmap-dirty", f, &k) &
			    (O12_DIRTY_LOSS | O1_LOST_STORE));
	}
}

/* A clean page may be taken unflushed; its frame may not go to others. */
static void test_clean_frames_are_flushed_for_others(void **state)
{
	struct flush_ops f = *flush_find("luf");

	assert_int_equal(lost("matrix-stay", "reclaim-clean", &f), 0);
	f.given_out = NULL;
	assert_true(lost("matrix-stay", "reclaim-clean", &f) &
		    (O1_LOST_STORE | O3_STALE_READ | O15_COW_LEAK));
}

/* ---- timed ----------------------------------------------------------------------------- */

static struct timed_result *run_of(const char *workload,
				   const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, workload_find(workload), pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

#define STORM "iterations", "50", "pages", "8", "machine", "pack:2 core:4 pu:1"

static u64 flush_cycles(const struct timed_result *r)
{
	return (r->cycles[CYC_FLUSH] + r->cycles[CYC_WAIT_ACK]) /
	       r->count.v[CTR_TLB_FLUSH];
}

/* Messages: as many as interrupts would be, nobody interrupted, and less waiting
 * than for interrupts. */
static void test_messages_interrupt_nobody(void **state)
{
	struct timed_result *ipi = run_of("mprotect-storm", PAIRS(STORM));
	struct timed_result *msg = run_of("mprotect-storm",
					  PAIRS(STORM, "flush", "barrelfish"));

	printf("# a flush: %llu cycles by interrupts, %llu by messages\n",
	       (unsigned long long)flush_cycles(ipi),
	       (unsigned long long)flush_cycles(msg));
	assert_int_equal(0, msg->count.v[CTR_IRQS]);
	assert_int_equal(0, msg->count.v[CTR_IPIS_SENT]);
	assert_int_equal(ipi->count.v[CTR_IPIS_SENT],
			 msg->count.v[CTR_MESSAGES_SENT]);
	assert_true(flush_cycles(msg) < flush_cycles(ipi));
	free(ipi);
	free(msg);
}

/* Without early acknowledgements and lines of its own it is Linux's flush. */
static void test_eurosys20_concurrent_is_linux(void **state)
{
	static const char *const name[] = { "deferred", "eurosys20:concurrent" };
	struct timed_result *r[2];

	for (u32 i = 0; i < 2; i++)
		r[i] = run_of("tlb_flush2", PAIRS("machine",
			      "pack:2 core:6 pu:1", "bytes", "128K", "thp", "no",
			      "flush", name[i]));
	assert_int_equal(r[0]->count.v[CTR_IPIS_SENT],
			 r[1]->count.v[CTR_IPIS_SENT]);
	assert_int_equal(r[0]->count.v[CTR_TLB_FLUSH],
			 r[1]->count.v[CTR_TLB_FLUSH]);
	free(r[0]);
	free(r[1]);
}

/* A part of EuroSys'20's beside its usual ones: counts less than without it. */
static void spares(const char *part, enum counter what, const char *workload,
		   const char *option, const char *value)
{
	char with[96];
	u64 n[2];

	snprintf(with, sizeof(with), "eurosys20:concurrent+early-ack+lines+%s",
		 part);
	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r = run_of(workload, PAIRS(option, value,
					"flush", i ? with : "eurosys20"));

		n[i] = r->count.v[what];
		free(r);
	}
	printf("# %llu, %llu with %s\n", (unsigned long long)n[0],
	       (unsigned long long)n[1], part);
	assert_true(n[1] < n[0]);
}

/* Who is in munmap is not interrupted by who else is. */
static void test_eurosys20_batches_spare_interrupts(void **state)
{
	spares("batch", CTR_IPIS_SENT, "psearchy", "blocks", "8");
}

/* The CPU that copied a page flushes none. */
static void test_eurosys20_copies_spare_their_own(void **state)
{
	spares("cow", CTR_LOCAL_FLUSH_ONE, "fork-compact", "children", "40");
}

/* Mach's responders stall until the last has arrived: time that others' do not
 * spend. */
static void test_mach_stalls(void **state)
{
	struct timed_result *mach = run_of("mprotect-storm",
					   PAIRS(STORM, "flush", "mach"));
	struct timed_result *bsd = run_of("mprotect-storm",
					  PAIRS(STORM, "flush", "freebsd"));

	assert_true(mach->cycles[CYC_LOCK_WAIT] > bsd->cycles[CYC_LOCK_WAIT]);
	assert_true(mach->count.v[CTR_IPIS_SENT] > 0);
	free(mach);
	free(bsd);
}

/* XNU drops everything, whatever is asked for. */
static void test_xnu_drops_all(void **state)
{
	struct timed_result *r = run_of("mprotect-storm",
					PAIRS(STORM, "flush", "xnu"));

	assert_int_equal(0, r->count.v[CTR_LOCAL_FLUSH_ONE]);
	assert_true(r->count.v[CTR_LOCAL_FLUSH_ALL] >
		    r->count.v[CTR_TLB_FLUSH]);
	free(r);
}

/* Fewer bits, more that goes along by chance. */
static void test_short_cotags_drop_more(void **state)
{
	static const char *const name[] = { "hatric", "hatric:4", "hatric:3" };
	u64 walks[3];

	for (size_t i = 0; i < 3; i++) {
		struct timed_result *r = run_of("pmbench-migrate",
			PAIRS("pages", "512", "thp", "no", "machine",
			      "pack:2 core:2 pu:1", "proposal", "co-tags",
			      "flush", name[i]));

		walks[i] = r->count.v[CTR_WALK_LOAD] +
			   r->count.v[CTR_WALK_STORE];
		assert_int_equal(0, r->count.v[CTR_IPIS_SENT]);
		printf("# %s: %llu walks\n", name[i],
		       (unsigned long long)walks[i]);
		free(r);
	}
	assert_true(2 * walks[0] < walks[1] && walks[1] < walks[2]);
}

/* The shorter entries live, the fewer flushes must tell somebody, and the more walks
 * there are; who waits interrupts nobody. */
static void test_short_lives_spare_flushes(void **state)
{
	static const char *const name[] = { "site:1", "site:10", "site:1000",
					    "site:wait=10" };
	u64 spared[4], told[4], walks[4];

	for (size_t i = 0; i < 4; i++) {
		struct timed_result *r = run_of("pmbench-migrate",
			PAIRS("pages", "128", "thp", "no", "machine",
			      "pack:2 core:2 pu:1", "proposal", "tlb-expiry",
			      "flush", name[i]));

		spared[i] = r->count.v[CTR_FLUSHES_SPARED];
		told[i] = r->count.v[CTR_IPIS_SENT];
		walks[i] = r->count.v[CTR_WALK_LOAD] +
			   r->count.v[CTR_WALK_STORE];
		assert_int_equal(!!r->count.v[CTR_FLUSHES_WAITED], i == 3);
		printf("# %s: %llu spared, %llu interrupts, %llu walks\n",
		       name[i], (unsigned long long)spared[i],
		       (unsigned long long)told[i],
		       (unsigned long long)walks[i]);
		free(r);
	}
	assert_true(spared[0] > spared[1] && spared[1] > spared[2]);
	assert_true(told[0] < told[1] && told[1] < told[2]);
	assert_true(walks[0] > walks[1] && walks[1] > walks[2]);
	assert_int_equal(0, told[3]);
}

/* Walks find page tables on their own node, and each store to an entry is made as
 * often as there are nodes. */
static void test_copies_of_tables(void **state)
{
	static const char *const name[] = { "deferred", "mitosis" };
	u64 walk[2], copies[2], kernel[2];

	for (size_t i = 0; i < 2; i++) {
		struct timed_result *r = run_of("munmap-micro",
			PAIRS("rounds", "20", "pages", "512", "thp", "no",
			      "machine", "pack:2 core:2 pu:1", "caches",
			      "walks", "flush", name[i]));

		walk[i] = r->cycles[CYC_WALK];
		kernel[i] = r->cycles[CYC_KERNEL] + r->cycles[CYC_FAULT];
		copies[i] = r->count.v[CTR_PTE_COPIES_STORED];
		printf("# %s: walks %llu, kernel %llu, copies %llu\n", name[i],
		       (unsigned long long)walk[i],
		       (unsigned long long)kernel[i],
		       (unsigned long long)copies[i]);
		free(r);
	}
	assert_int_equal(0, copies[0]);
	assert_true(copies[1] > 0);
	assert_true(walk[1] < walk[0]);
	assert_true(kernel[1] > kernel[0]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_answers_are_waited_for),
	cmocka_unit_test(test_who_comes_back_looks),
	cmocka_unit_test(test_stores_reach_tlbs),
	cmocka_unit_test(test_dirty_pages_are_flushed_first),
	cmocka_unit_test(test_clean_frames_are_flushed_for_others),
	cmocka_unit_test(test_messages_interrupt_nobody),
	cmocka_unit_test(test_eurosys20_concurrent_is_linux),
	cmocka_unit_test(test_eurosys20_batches_spare_interrupts),
	cmocka_unit_test(test_eurosys20_copies_spare_their_own),
	cmocka_unit_test(test_mach_stalls),
	cmocka_unit_test(test_xnu_drops_all),
	cmocka_unit_test(test_short_cotags_drop_more),
	cmocka_unit_test(test_short_lives_spare_flushes),
	cmocka_unit_test(test_copies_of_tables),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
