/* test_calls.c - requests of cross calls that join those that wait already: the
 * queue against a naive one, and what a storm sends by kernel. */
#include "base/rng.h"
#include "cpu/calls.h"
#include "tests/point.h"

#define CPUS 5u

/* At each moment: what came and was not taken, in order; which of it is the
 * handler's; who had to ring. */
static void test_queue(void **state)
{
	u64 seed = check_seed("queue");
	struct rng rng;
	struct cpu_state s = { .ipi_from = (u16[CPUS]){ 0 } };
	struct cpu c = { .s = &s };
	struct sys sys = { .nr_cpus = CPUS }, *was = the_sys;
	u32 kept[CPUS], nr = 0, batch = 0;
	bool is_in[CPUS] = { false };

	rng_init(&rng, seed);
	the_sys = &sys;
	for (u32 i = 0; i < 20000; i++) {
		u32 from = (u32)rng_below(&rng, CPUS);

		switch (rng_below(&rng, 3)) {
		case 0:
			if (is_in[from])
				break;
			assert_int_equal(nr == batch, calls_put(&c, from));
			kept[nr++] = from;
			is_in[from] = true;
			break;
		case 1:
			if (batch)
				break;
			calls_begin(&c);
			batch = nr;
			break;
		case 2:
			if (!batch)
				break;
			assert_int_equal(kept[0], calls_take(&c));
			is_in[kept[0]] = false;
			memmove(kept, kept + 1, --nr * sizeof(kept[0]));
			batch--;
		}
		assert_int_equal(nr, s.nr_ipis);
		assert_int_equal(batch, c.calls.batch);
		assert_int_equal(0, calls_others(&c));
	}
	the_sys = was;
}

/* Each of @threads flushes, one page after the other. */
static struct timed_result *storm(const char *kernel, const char *lines,
				  const char *threads)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, workload_find("tlb_flush2"), PAIRS(
		"machine", "pack:2 core:8 pu:1", "bytes", "32K", "thp", "no",
		"kernel", kernel, "lines", lines, "threads", threads));
	r = point_run(&s);
	point_free(&s);
	return r;
}

static u64 count(const struct timed_result *r, enum counter c)
{
	return r->count.v[c];
}

/* In a storm most find somebody there; before 4.13 nobody looks. Every request is
 * carried out once, whatever the threads do meanwhile. */
static void test_storms(void **state)
{
	static const char *const lines[] = { "moved", "contended" };

	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r[] = {
			storm("v6.1", lines[i], "16"),
			storm("v4.12", lines[i], "16"),
			storm("v6.1", lines[i], "2"),
		};
		u64 asked[3], sent[3];

		for (u32 k = 0; k < 3; k++) {
			asked[k] = count(r[k], CTR_CSD_QUEUE_CPU);
			sent[k] = count(r[k], CTR_IPIS_SENT);
			assert_true(asked[k]);
			assert_int_equal(asked[k],
					 count(r[k], CTR_REMOTE_FLUSH_RECEIVED));
			assert_true(count(r[k], CTR_IRQS) <= sent[k]);
		}
		printf("# %s: %llu of %llu sent, of two threads %llu of %llu\n",
		       lines[i], (unsigned long long)sent[0],
		       (unsigned long long)asked[0],
		       (unsigned long long)sent[2],
		       (unsigned long long)asked[2]);
		assert_true(sent[0] < asked[0] / 2);
		assert_int_equal(asked[1], sent[1]);
		/* One thread's alone is always the first. */
		assert_int_equal(asked[2], sent[2]);
		for (u32 k = 0; k < 3; k++)
			free(r[k]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_queue),
	cmocka_unit_test(test_storms),
};

TEST_MAIN(tests)
