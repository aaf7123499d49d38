/* Each rule of the strategies that put flushes off is needed: without it, on the
 * stage of R19 that it is for, something is lost. With all of them the rows of
 * R19 pass (test_race).
 */
#include "tests/stage_lost.h"

#include "mm/flush/abis.h"
#include "mm/flush/ecotlb.h"
#include "mm/flush/eurosys20.h"
#include "mm/flush/holders.h"
#include "mm/flush/latr.h"
#include "mm/switch.h"
#include "mm/vmalloc.h"

#define OTHERS (O1_LOST_STORE | O2_WRITE_AFTER_FREE | O3_STALE_READ | \
		O15_COW_LEAK)

/* A frame is flushed when it is given out, an address when it is mapped. */
static void test_reuse_needs_flush(void **state)
{
	struct flush_ops f = *flush_find("luf");

	f.given_out = NULL;
	assert_true(lost("R19", "luf", &f) & OTHERS);
	f = *flush_find("xen-filter");
	f.given_out = NULL;
	assert_true(lost("R19", "xen", &f) & OTHERS);
	f = *flush_find("xen-filter");
	f.claim = NULL;
	assert_true(lost("R19", "xen-mmap", &f) & OTHERS);
	f = *flush_find("latr");
	f.claim = NULL;
	assert_true(lost("R19", "latr-mmap", &f) & OTHERS);
}

/* As if every frame were wanted for a page of the one who asks. */
static void given_as_page(struct page *p, u64 vpn)
{
	flush_find("fpr")->given_out(p, 0);
}

/* A frame stays in its cycle for the same program only, and there for its pages, not
 * for its tables; an address that is mapped again is flushed, or it would lead to
 * the page that it had first (ABA). */
static void test_recycling_needs_flush(void **state)
{
	struct flush_ops f = *flush_find("fpr");

	f.given_out = NULL;
	assert_true(lost("R19", "fpr-others", &f) & OTHERS);
	f = *flush_find("fpr");
	f.claim = NULL;
	assert_true(lost("R19", "fpr-mmap", &f) & OTHERS);
	f = *flush_find("fpr");
	f.given_out = given_as_page;
	assert_true(lost("R19", "fpr-table", &f) & O8_PTPAGE);
}

/* Before somebody may write, all read the same frame. */
static void test_writing_needs_flush(void **state)
{
	struct flush_ops f = *flush_find("luf");

	f.writable = NULL;
	f.owed = NULL;
	assert_true(lost("R19", "luf-write", &f) & O1_LOST_STORE);
}

/* A file is written to by another's mapping as well; and what reclaim took of an
 * address space has no entry left that munmap could flush. */
static void test_files_need_flush(void **state)
{
	struct flush_ops f = *flush_find("luf");

	assert_int_equal(lost("R19", "luf-file-write", &f), 0);
	f.file_changes = NULL;
	assert_true(lost("R19", "luf-file-write", &f) & OTHERS);
	f = *flush_find("luf");
	assert_int_equal(lost("R19", "luf-drop-munmap", &f), 0);
	f.owed = NULL;
	assert_true(lost("R19", "luf-drop-munmap", &f));
}

/* Pages marked for NUMA hints: movers flush while somebody may still use them, and
 * who changes rights makes it come. A fault that moves its page has it done first,
 * which saves a flush and nothing else. */
static void test_hints_are_owed(void **state)
{
	struct flush_ops f = *flush_find("latr");

	f.owes = false;
	assert_true(lost("R19", "latr-hint-move", &f) & OTHERS);
	assert_int_equal(lost("R19", "latr-hint-mprotect", &f), 0 + O4_PERM);
	f = *flush_find("latr");
	f.claim = NULL;
	assert_int_equal(lost("R19", "latr-hint-mprotect", &f), 0 + O4_PERM);
	assert_int_equal(lost("R19", "latr-hint-fault", &f), 0);
}

static bool keep_no_frames(struct flush_batch *b, const u32 *pfn, u32 n)
{
	if (!latr_keep(b, NULL, 0))
		return false;
	flush_free_pages(pfn, n);
	return true;
}

/* What MADV_DONTNEED took lazily: frames have no new owner, and an address no other
 * page, while some CPU may use what was there. */
static void test_discarded_is_kept(void **state)
{
	struct flush_ops f = *flush_find("latr-discard");

	f.mapping = NULL;
	assert_true(lost("R19", "latr-discard-use", &f) & O1_LOST_STORE);
	f = *flush_find("latr-discard");
	f.keep = keep_no_frames;
	assert_true(lost("R19", "latr-discard-others", &f) &
		    (O2_WRITE_AFTER_FREE | O15_COW_LEAK));
	f = *flush_find("latr-discard");
	f.keeps_discarded = false;
	assert_int_equal(lost("R19", "latr-discard", &f), 0);
}

/* A CPU that never sweeps is waited for: nothing is lost, only kept. */
static void test_kept_until_swept(void **state)
{
	struct flush_ops f = *flush_find("latr");

	f.leave = NULL;
	assert_int_equal(lost("R19", "latr", &f), 0);
	assert_int_equal(lost("R19", "latr-leave", &f), 0);
}

/* Who has left is not waited for: it must find that it is behind, which without the
 * barrier on the way back it may not. */
static void test_abandoned_tags_are_found(void **state)
{
	const struct flush_ops *eco = flush_find("ecotlb");
	struct kernel k = *kernel_find("v6.1");

	assert_int_equal(lost("R19", "ecotlb-leave", eco), 0);
	k.lazy_return_orders = false;
	assert_true(lost_on("R19", "ecotlb-leave", eco, &k) &
		    (OTHERS | O4_PERM));
}

/* Swap-out waits for every CPU that may have what was unmapped, for a catch-up that
 * began after that; who idles must find that it is behind. */
static bool owe_nobody(struct page *const *page, u32 n, const u64 *to)
{
	static const u64 none[MM_CPUMASK_WORDS];

	return ecotlb_swap_out(page, n, none);
}

static bool wait_for_one(struct page *const *page, u32 n, const u64 *to)
{
	return ecotlb_swap_out_after(page, n, to, 1);
}

static void test_swap_out_waits(void **state)
{
	struct flush_ops f = *flush_find("ecotlb");
	struct kernel k = *kernel_find("v6.1");

	assert_int_equal(lost("R19", "ecotlb-swap", &f), 0);
	f.swap_out = owe_nobody;
	assert_true(lost("R19", "ecotlb-swap", &f) & OTHERS);
	assert_true(lost("R19", "ecotlb-swap-leave", &f) & OTHERS);
	f.swap_out = wait_for_one;
	assert_true(lost("R19", "ecotlb-swap", &f) & OTHERS);
	k.lazy_return_orders = false;
	assert_true(lost_on("R19", "ecotlb-swap-leave", flush_find("ecotlb"),
			    &k) & OTHERS);
}

/* Who has a page back, or takes rights of it away, before it is flushed. */
static void test_put_off_pages_are_flushed(void **state)
{
	const struct flush_ops *eco = flush_find("ecotlb");
	struct kernel k = *kernel_find("v6.1");

	assert_int_equal(lost("R19", "ecotlb-swap-use", eco), 0);
	k.swapin_flushes = false;
	assert_true(lost_on("R19", "ecotlb-swap-use", eco, &k) & OTHERS);
	k = *kernel_find("v6.1");
	k.batch_debt = DEBT_NONE;
	assert_int_equal(lost_on("R19", "ecotlb-swap-mprotect", eco, &k),
			 0 + O4_PERM);
}

/* The kernel's addresses have no new owner before every CPU was interrupted, the
 * one that gives them back and lazy ones among them. Without a purge there are
 * none left, and nothing is lost. */
static void test_kernel_addresses_wait(void **state)
{
	struct flush_ops f = *flush_find("lazy-vmap");

	f.vunmapped = vmap_release;
	assert_true(lost("R19", "lazy-vmap", &f) & OTHERS);
	assert_true(lost("R19", "lazy-vmap-lazy", &f) & OTHERS);
	f = *flush_find("lazy-vmap");
	f.vunmap_now = NULL;
	assert_int_equal(lost("R19", "lazy-vmap", &f), 0);
}

static void flush_here_only(struct vmap_area *a)
{
	for (u64 vpn = a->start; vpn < a->end; vpn++)
		cpu_invlpg(vpn);
	vmap_release(a);
}

/* Whoever gave them back is not the only one who may have them cached. */
static void test_kernel_flush_is_for_all(void **state)
{
	struct flush_ops f = *flush_find("deferred");

	assert_int_equal(lost("R19", "vfree", &f), 0);
	f.vunmapped = flush_here_only;
	assert_true(lost("R19", "vfree", &f) & OTHERS);
}

/* The kernel's addresses by broadcast: it is waited for, and what it says of a whole
 * address space says nothing of the kernel's. */
static void start_only(const struct flush_req *r)
{
	for (u64 vpn = r->start; vpn < r->end; vpn++)
		cpu_broadcast(inval_op_find("INVLPGB VA+PCID+G"), 0, vpn, 1, 0);
}

static void all_but_global(const struct flush_req *r)
{
	cpu_broadcast(inval_op_find("INVLPGB ALL"), 0, 0, 1, 0);
	cpu_broadcast_sync();
}

static void test_kernel_broadcast_is_waited_for(void **state)
{
	struct flush_ops f = *flush_find("invlpgb");

	assert_int_equal(lost("R19", "vfree-invlpgb", &f), 0);
	f.shoot_kernel = start_only;
	assert_true(lost("R19", "vfree-invlpgb", &f) & OTHERS);
	f.shoot_kernel = all_but_global;
	assert_true(lost("R19", "vfree-invlpgb", &f) & OTHERS);
}

/* Of what has not expired somebody must be told, or it waited for. */
static void believe(struct flush_req *r)
{
	smp_mb();
}

static void test_entries_must_have_expired(void **state)
{
	struct flush_ops f = *flush_find("site");

	f.shoot = believe;
	assert_true(lost("R19", "site-mprotect", &f));
	assert_true(lost("R19", "site", &f));
}

static void take_relaxed(struct flush_batch *b)
{
	enum flush_op op = b->op;

	b->op = FLUSH_PROTECT_UP;
	flush_find("relaxed")->finish(b);
	b->op = op;
}

/* What relaxed does for added rights is wrong for rights that are taken. */
static void test_taken_rights_need_flush(void **state)
{
	struct flush_ops f = *flush_find("relaxed");

	f.finish = take_relaxed;
	assert_int_equal(lost("R19", "relaxed-mprotect", &f), 0 + O4_PERM);
	assert_int_equal(lost("R19", "relaxed", &f), 0);
}

static void nobody(const struct flush_req *r, u64 *to)
{
	touch(to, true);
	memset(to, 0, (the_sys->nr_cpus + 63) / 64 * sizeof(*to));
}

/* Who may hold a translation must be told: the rows that the sets of RadixVM and
 * ABIS pass do not pass by themselves. */
static void test_holders_are_told(void **state)
{
	static const char *const name[] = { "radixvm", "numapte",
					    "abis" };

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		struct flush_ops f = *flush_find(name[i]);

		f.narrow = nobody;
		assert_true(lost("R19", name[i], &f));
	}
}

static void all_but_one(const struct flush_req *r, u64 *to)
{
	holders_narrow(r, to);
	touch(to, true);
	if (*to & (*to - 1))
		*to &= *to - 1;
}

/* Each of them: where two hold it, one interrupt is not enough. */
static void test_all_holders_are_told(void **state)
{
	static const char *const name[] = { "radixvm", "numapte" };
	char row[40];

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		struct flush_ops f = *flush_find(name[i]);

		snprintf(row, sizeof(row), "%s-three", name[i]);
		assert_int_equal(lost("R19", row, &f), 0);
		f.narrow = all_but_one;
		assert_true(lost("R19", row, &f));
	}
}

/* Where somebody else has changed the page's entry since, his flush is not mine; and
 * who left out whom he must tell is found out all the same. */
static void test_holders_of_moved_pages_are_told(void **state)
{
	static const char *const name[] = { "radixvm", "numapte", "abis" };
	char row[40];

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		struct flush_ops f = *flush_find(name[i]);

		snprintf(row, sizeof(row), "device-%s", name[i]);
		f.narrow = nobody;
		assert_true(lost("migrate-flush", row, &f));
	}
}

static u64 say_empty(void)
{
	abis_count_flush(tlb_state_of(this_cpu->id)->slot);
	return 0;
}

/* An epoch moves on when everything was dropped, not when some page was. */
static void test_epochs_are_full_flushes(void **state)
{
	struct flush_ops f = *flush_find("abis");

	assert_int_equal(lost("R19", "abis-two", &f), 0);
	f.catching_up = say_empty;
	assert_true(lost("R19", "abis-two", &f));
}

static void keep_own(struct mm *mm, u64 vpn)
{
}

/* Who copied the page has the old one cached, too. */
static void test_own_copy_is_found(void **state)
{
	struct flush_ops f =
		*flush_find("eurosys20:concurrent+early-ack+lines+cow");

	assert_int_equal(lost("R19", "eurosys20-cow", &f), 0);
	f.cow_installed = keep_own;
	assert_true(lost("R19", "eurosys20-cow", &f));
}

static void end_unflushed(void)
{
	if (eurosys20_call_left())
		eurosys20_is_back();
}

static void catch_up_and_stay(void)
{
	local_irq_disable();
	flush_catch_up();
	local_irq_enable();
}

/* Who is in a call was not told: he looks when it ends, and before the kernel touches
 * his memory, from when on he is told again. */
static void test_calls_end_with_a_flush(void **state)
{
	struct flush_ops f =
		*flush_find("eurosys20:concurrent+early-ack+lines+batch");

	f.call_end = end_unflushed;
	assert_true(lost("R19", "eurosys20-batch", &f) & O4_PERM);
	f = *flush_find("eurosys20:concurrent+early-ack+lines+batch");
	f.uaccess_begin = NULL;
	assert_true(lost("R19", "eurosys20-uaccess", &f) & OTHERS);
	f.uaccess_begin = catch_up_and_stay;
	assert_true(lost("R19", "eurosys20-uaccess", &f) & OTHERS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reuse_needs_flush),
	cmocka_unit_test(test_recycling_needs_flush),
	cmocka_unit_test(test_writing_needs_flush),
	cmocka_unit_test(test_files_need_flush),
	cmocka_unit_test(test_hints_are_owed),
	cmocka_unit_test(test_discarded_is_kept),
	cmocka_unit_test(test_kept_until_swept),
	cmocka_unit_test(test_abandoned_tags_are_found),
	cmocka_unit_test(test_swap_out_waits),
	cmocka_unit_test(test_put_off_pages_are_flushed),
	cmocka_unit_test(test_kernel_addresses_wait),
	cmocka_unit_test(test_kernel_flush_is_for_all),
	cmocka_unit_test(test_kernel_broadcast_is_waited_for),
	cmocka_unit_test(test_entries_must_have_expired),
	cmocka_unit_test(test_taken_rights_need_flush),
	cmocka_unit_test(test_holders_are_told),
	cmocka_unit_test(test_all_holders_are_told),
	cmocka_unit_test(test_holders_of_moved_pages_are_told),
	cmocka_unit_test(test_epochs_are_full_flushes),
	cmocka_unit_test(test_own_copy_is_found),
	cmocka_unit_test(test_calls_end_with_a_flush),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
