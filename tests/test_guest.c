/* Flushes that somebody else does for a CPU: its hypervisor, or its microcode. The
 * step that each strategy rests on is needed: without it, something is lost on the
 * stage that it is for. And what they cost, timed. */
#include "tests/point.h"

#include "mm/flush/hypercall.h"
#include "tests/stage_lost.h"

/* ---- kvm-pv ---------------------------------------------------------------------------- */

static void take_out(u64 *to, u32 cpu)
{
	touch(to, true);
	to[cpu / 64] &= ~(1ull << cpu % 64);
}

/* A plain store: a CPU that has come back meanwhile does not see it. */
static void leave_without_lock(const struct flush_req *r, u64 *to)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i) && vcpu_may_be_away(i)) {
			(void)vcpu_flush_later(i);
			take_out(to, i);
		}
}

/* A hypervisor that does not look at the request. */
static void leave_to_nobody(const struct flush_req *r, u64 *to)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i) && vcpu_may_be_away(i))
			take_out(to, i);
}

static void test_away_cpus_are_flushed(void **state)
{
	struct flush_ops f = *flush_find("kvm-pv");

	assert_int_equal(lost("R19", "kvm-pv-mprotect", &f), 0);
	f.narrow = leave_without_lock;
	assert_true(lost("R19", "kvm-pv-mprotect", &f) & (O4_PERM | O9_FLUSH_DONE));
	f.narrow = leave_to_nobody;
	assert_true(lost("R19", "kvm-pv-mprotect", &f) & (O4_PERM | O9_FLUSH_DONE));
}

/* A lazy CPU that was away keeps the root: before that is freed it must go. */
static void test_roots_are_given_up(void **state)
{
	static const char *const name[] = { "kvm-pv", "hyperv", "shoot4u",
					    "xen-l0" };

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		struct flush_ops f = *flush_find(name[i]);

		assert_int_equal(lost("matrix-idle", "exit", &f), 0);
		f.keeps_lazy_roots = false;
		assert_int_equal(lost("matrix-idle", "exit", &f), 0 + O8_PTPAGE);
	}
}

/* ---- hypercalls ------------------------------------------------------------------------ */

/* Started, and not waited for. */
static void tell_without_waiting(struct flush_req *r, const u64 *to,
				 bool is_here)
{
	step(this_cpu->s, true, 0);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i))
			cpu_invalidate_at(i, inval_op_find("INVVPID 1"), 0, 0, 1,
					  0, 0, 0);
	if (is_here)
		flush_func(r);
}

/* Tags are each CPU's own: the initiator's says nothing about others'. */
static void tell_own_tag(struct flush_req *r, const u64 *to, bool is_here)
{
	step(this_cpu->s, true, 0);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i))
			cpu_invalidate_at(i, inval_op_find("INVPCID 1"),
					  this_cpu->s->pcid + 1, 0, 1, 0, 0, 0);
	if (is_here)
		flush_func(r);
	cpu_actions_sync();
}

static void test_hypercalls_are_done(void **state)
{
	struct flush_ops f = *flush_find("hyperv");

	assert_int_equal(lost("R19", "hyperv-mprotect", &f), 0);
	f.tell = tell_without_waiting;
	assert_true(lost("R19", "hyperv-mprotect", &f) & (O4_PERM | O9_FLUSH_DONE));
	f.tell = tell_own_tag;
	assert_true(lost("R19", "hyperv-mprotect", &f) & (O4_PERM | O9_FLUSH_DONE));
}

/* ---- remote action requests ------------------------------------------------------------- */

/* Who left the mask is not told, and its tag is taken for current all the same. */
static void test_rar_keeps_the_mask(void **state)
{
	struct flush_ops f = *flush_find("rar");

	assert_int_equal(lost("matrix-back", "cow-break", &f), 0);
	f.keeps_mask = false;
	assert_true(lost("matrix-back", "cow-break", &f));
}

static void forget_requests(struct flush_req *r)
{
	u64 *to = flush_targets();

	smp_mb();
	(void)flush_others(r->mm, to);
	step(this_cpu->s, true, 0);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i))
			cpu_invalidate_at(i, inval_op_find("INVPCID 1"),
					  (u16)r->mm->asid, 0, 1, 0, 0, 0);
	flush_own(r);
	flush_targets_done();
}

static void test_rar_is_waited_for(void **state)
{
	struct flush_ops f = *flush_find("rar");

	assert_int_equal(lost("R19", "rar-mprotect", &f), 0);
	f.shoot = forget_requests;
	assert_true(lost("R19", "rar-mprotect", &f) & (O4_PERM | O9_FLUSH_DONE));
}

/* ---- timed ----------------------------------------------------------------------------- */

#define STORM "iterations", "200", "pages", "1", "machine", "pack:1 core:8 pu:1"

static struct timed_result *storm(const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, workload_find("mprotect-storm"), pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

/* Interrupts wait for CPUs that are away, the paravirtual flush does not; and
 * what it leaves to others they do. */
static void test_away_cpus_are_not_waited_for(void **state)
{
	struct timed_result *ipi = storm(PAIRS(STORM, "guest", "hypercall",
					       "steal", "1ms", "steal-every",
					       "2ms"));
	struct timed_result *pv = storm(PAIRS(STORM, "guest", "hypercall",
					      "steal", "1ms", "steal-every",
					      "2ms", "flush", "kvm-pv"));
	u64 left = pv->count.v[CTR_VCPU_FLUSH_LEFT];

	assert_int_equal(0, ipi->count.v[CTR_VCPU_FLUSH_LEFT]);
	assert_true(left > 0);
	assert_int_equal(ipi->count.v[CTR_IPIS_SENT],
			 pv->count.v[CTR_IPIS_SENT] + left);
	/* One return pays for all that was left meanwhile. */
	assert_in_range(pv->count.v[CTR_VCPU_ENTRY_FLUSH], 1, left);
	assert_true(2 * pv->cycles[CYC_WAIT_ACK] < ipi->cycles[CYC_WAIT_ACK]);
	assert_true(pv->cycles[CYC_STOLEN] > 0);
	free(ipi);
	free(pv);
}

/* Nobody away: nothing to leave, and the price of looking only. */
static void test_nobody_away_nothing_left(void **state)
{
	struct timed_result *pv = storm(PAIRS(STORM, "guest", "hypercall",
					      "flush", "kvm-pv"));

	assert_int_equal(0, pv->count.v[CTR_VCPU_FLUSH_LEFT]);
	assert_int_equal(0, pv->count.v[CTR_VCPU_STOLEN]);
	assert_int_equal(0, pv->cycles[CYC_STOLEN]);
	free(pv);
}

/* Stolen time is what the options say: half of it, and each CPU's. */
static void test_stolen_share(void **state)
{
	struct timed_result *r = storm(PAIRS("iterations", "3000", "pages", "1",
					     "machine", "pack:1 core:2 pu:1",
					     "guest", "exits", "steal", "500us",
					     "steal-every", "1ms"));
	double share = (double)r->cycles[CYC_STOLEN] /
		       (double)(r->elapsed_cycles * 2);

	printf("# stolen: %.2f of the time\n", share);
	/* What is stolen while a CPU waits anyway is booked as waiting. */
	assert_true(share > 0.25 && share < 0.55);
	free(r);
}

static u64 flush_cycles(const struct timed_result *r)
{
	return (r->cycles[CYC_FLUSH] + r->cycles[CYC_WAIT_ACK]) /
	       r->count.v[CTR_TLB_FLUSH];
}

/* Interrupts of a guest cost a kick for each target; one hypercall hardly more
 * for seven than for one. */
static void test_hypercall_is_flat(void **state)
{
	static const char *const name[] = { "deferred", "hyperv" };
	u64 one[2], seven[2];

	for (size_t i = 0; i < 2; i++) {
		struct timed_result *a = storm(PAIRS(STORM, "threads", "2",
						     "guest", "hypercall",
						     "flush", name[i]));
		struct timed_result *b = storm(PAIRS(STORM, "threads", "8",
						     "guest", "hypercall",
						     "flush", name[i]));

		one[i] = flush_cycles(a);
		seven[i] = flush_cycles(b);
		printf("# %s: %llu cycles a flush with 1 target, %llu with 7\n",
		       name[i], (unsigned long long)one[i],
		       (unsigned long long)seven[i]);
		free(a);
		free(b);
	}
	assert_true(seven[1] - one[1] < (seven[0] - one[0]) / 4);
	assert_true(seven[1] < 3 * one[1] / 2);
}

static u64 of_flush(const char *flush, const char *steal, u64 *entry_flushes)
{
	struct timed_result *r = storm(PAIRS(STORM, "guest", "hypercall", "flush",
					     flush, "steal", steal,
					     "steal-every", "2ms"));
	u64 n = flush_cycles(r);

	*entry_flushes = r->count.v[CTR_VCPU_ENTRY_FLUSH];
	assert_int_equal(0, r->count.v[CTR_IPIS_SENT]);
	free(r);
	return n;
}

/* Who is away is flushed like others: nothing is left to its return, and a flush
 * takes as long, but for what the initiator's own absence adds. */
static void test_flushed_while_away(void **state)
{
	u64 here, away, left;

	here = of_flush("shoot4u", "0", &left);
	assert_int_equal(0, left);
	away = of_flush("shoot4u", "1ms", &left);
	assert_int_equal(0, left);
	printf("# shoot4u: %llu cycles a flush, %llu with half of the CPUs away\n",
	       (unsigned long long)here, (unsigned long long)away);
	assert_true(away < 2 * here);
	of_flush("hyperv", "1ms", &left);
	assert_true(left > 0);
}

/* No interrupt is taken anywhere, and each target loses its time. */
static void test_rar_interrupts_nobody(void **state)
{
	struct timed_result *r = storm(PAIRS(STORM, "profile",
					     "sapphire-rapids", "flush",
					     "rar"));

	assert_int_equal(0, r->count.v[CTR_IPIS_SENT]);
	assert_int_equal(0, r->count.v[CTR_IRQS]);
	assert_int_equal(7 * r->count.v[CTR_REMOTE_FLUSH],
			 r->count.v[CTR_TLB_ACTIONS]);
	assert_true(r->cycles[CYC_RESPOND] > 0);
	free(r);
}

/* ---- refusals -------------------------------------------------------------------------- */

static void refused(const char *const *pairs, const char *why)
{
	struct timed_result r;
	struct setup s;

	point_make(&s, workload_find("mprotect-storm"), pairs);
	err.text[0] = '\0';
	assert_true(timed_point_run(&s.p, &r, &err) < 0);
	if (!strstr(err.text, why))
		fail_msg("'%s' lacks '%s'", err.text, why);
	point_free(&s);
}

static void test_refusals(void **state)
{
	refused(PAIRS("flush", "kvm-pv"), "add --guest exits");
	refused(PAIRS("flush", "hyperv"), "no guest");
	refused(PAIRS("flush", "rar"), "try --profile sapphire-rapids");
	refused(PAIRS("steal", "1ms"), "that is no guest");
	refused(PAIRS("steal", "20ms", "guest", "exits"),
		"not shorter than --steal-every");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_away_cpus_are_flushed),
	cmocka_unit_test(test_roots_are_given_up),
	cmocka_unit_test(test_hypercalls_are_done),
	cmocka_unit_test(test_rar_keeps_the_mask),
	cmocka_unit_test(test_rar_is_waited_for),
	cmocka_unit_test(test_away_cpus_are_not_waited_for),
	cmocka_unit_test(test_nobody_away_nothing_left),
	cmocka_unit_test(test_stolen_share),
	cmocka_unit_test(test_hypercall_is_flat),
	cmocka_unit_test(test_flushed_while_away),
	cmocka_unit_test(test_rar_interrupts_nobody),
	cmocka_unit_test(test_refusals),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
