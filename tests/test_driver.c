/* test_driver.c - the timed driver by itself, without a kernel: whose turn it is,
 * interrupts, locks. */
#include <errno.h>

#include "cpu/step.h"
#include "tests/bare.h"

static struct {
	u64 handled_at[8];
	u32 order[32], n;
	u64 sent_at, returned_at;
} seen;

static void handler(void *arg)
{
	seen.handled_at[this_cpu->id] = this_cpu->now;
	seen.order[seen.n++ % 32] = this_cpu->id;
}

static void caller(struct task *t)
{
	u64 all[MM_CPUMASK_WORDS] = { ~0ull };

	charge(1000);
	step(t->arg, true, 0);
	seen.sent_at = this_cpu->now;
	smp_call(all, handler, t->arg, NULL);
	seen.returned_at = this_cpu->now;
}

static void worker(struct task *t)
{
	for (u32 i = 0; i < 1000; i++)
		step(t->arg, false, 100);
}

static void masked(struct task *t)
{
	local_irq_disable();
	for (u32 i = 0; i < 1000; i++)
		step(t->arg, false, 1000);
	assert_int_equal(0, seen.handled_at[this_cpu->id]);
	seen.sent_at = this_cpu->now;
	local_irq_enable();
	step(t->arg, false, 1);
}

static void nothing(struct task *t)
{
}

/* Requests arrive after their flight, near ones before far ones, and the
 * caller goes on only when all have answered, idle CPUs included. */
static void test_ipi_order(void **state)
{
	struct bare b;
	u64 *word;

	memset(&seen, 0, sizeof(seen));
	bare_make(&b, "pack:2 core:2 pu:1");
	word = arena_alloc(&b.sys->arena, 64);
	bare_start(&b, 0, caller, word);
	bare_start(&b, 1, worker, word);
	bare_start(&b, 2, worker, word);
	bare_start(&b, 3, nothing, word);
	OK(timed_run(b.sys, NULL, NULL, NULL));
	assert_int_equal(0, seen.handled_at[0]);
	for (u32 i = 1; i < 4; i++) {
		assert_true(seen.handled_at[i] >= seen.sent_at +
			    machine_ipi_deliver(b.m, 0, i));
		if (seen.handled_at[i] >= seen.returned_at)
			fail_msg("CPU %u handled at %llu, the caller went on "
				 "at %llu", i,
				 (unsigned long long)seen.handled_at[i],
				 (unsigned long long)seen.returned_at);
	}
	assert_int_equal(3, seen.n);
	assert_int_equal(1, seen.order[0]);
	assert_true(seen.handled_at[1] < seen.handled_at[2]);
	bare_free(&b);
}

/* A CPU with interrupts off answers when it turns them on. */
static void test_ipi_masked(void **state)
{
	struct bare b;
	u64 *word;

	memset(&seen, 0, sizeof(seen));
	bare_make(&b, "pack:1 core:2 pu:1");
	word = arena_alloc(&b.sys->arena, 64);
	bare_start(&b, 0, caller, word);
	bare_start(&b, 1, masked, word);
	OK(timed_run(b.sys, NULL, NULL, NULL));
	assert_true(seen.handled_at[1] >= 1000 * 1000);
	assert_true(seen.returned_at > seen.handled_at[1]);
	bare_free(&b);
}

/* Two callers at each other: both answer while they wait. */
static void test_ipi_crossed(void **state)
{
	struct bare b;
	u64 *word;

	memset(&seen, 0, sizeof(seen));
	bare_make(&b, "pack:1 core:4 pu:1");
	word = arena_alloc(&b.sys->arena, 64);
	for (u32 i = 0; i < 4; i++)
		bare_start(&b, i, caller, word);
	OK(timed_run(b.sys, NULL, NULL, NULL));
	assert_int_equal(12, seen.n);
	bare_free(&b);
}

/* Steps of all CPUs are in the order of their clocks, ties to the lower CPU. */
static struct {
	u64 at;
	u32 cpu;
} last;

static void in_order(struct task *t)
{
	/* A line of its own: the price of a line that moves is due after the
	 * step. */
	u64 *mine = (u64 *)t->arg + 8 * this_cpu->id;

	for (u32 i = 0; i < 2000; i++) {
		step(mine, false, 1 + (i * 7 + this_cpu->id * 13) % 29);
		if (this_cpu->now < last.at || (this_cpu->now == last.at &&
						this_cpu->id < last.cpu))
			fail_msg("CPU %u steps at %llu after CPU %u at %llu",
				 this_cpu->id, (unsigned long long)this_cpu->now,
				 last.cpu, (unsigned long long)last.at);
		last.at = this_cpu->now;
		last.cpu = this_cpu->id;
	}
}

static void test_steps_in_order(void **state)
{
	struct bare b;
	u64 *word;

	memset(&last, 0, sizeof(last));
	bare_make(&b, "pack:2 core:3 pu:1");
	word = arena_alloc(&b.sys->arena, 6 * 64);
	for (u32 i = 0; i < 6; i++)
		bare_start(&b, i, in_order, word);
	OK(timed_run(b.sys, NULL, NULL, NULL));
	assert_true(last.at > 10000);
	bare_free(&b);
}

struct pair {
	struct spinlock *a, *b;
};

static void lock_both(struct task *t)
{
	struct pair *p = t->arg;

	spin_lock(p->a);
	step(p, true, 10000);
	spin_lock(p->b);
	spin_unlock(p->b);
	spin_unlock(p->a);
}

static void test_deadlock_is_found(void **state)
{
	struct spinlock *a, *l;
	struct bare b;
	struct pair x, y;

	for (int is_crossed = 0; is_crossed < 2; is_crossed++) {
		bare_make(&b, "pack:1 core:2 pu:1");
		a = arena_alloc(&b.sys->arena, 64);
		l = arena_alloc(&b.sys->arena, 64);
		x = (struct pair){ a, l };
		y = is_crossed ? (struct pair){ l, a } : x;
		bare_start(&b, 0, lock_both, &x);
		bare_start(&b, 1, lock_both, &y);
		assert_int_equal(is_crossed ? -EDEADLK : 0,
				 timed_run(b.sys, NULL, NULL, NULL));
		bare_free(&b);
	}
}

/* A lock goes to those who waited, in their order, and never to two. */
static u32 inside, entries;
static u64 released_at;

static void contend(struct task *t)
{
	for (u32 i = 0; i < 200; i++) {
		spin_lock(t->arg);
		assert_int_equal(0, inside++);
		/* Nobody gets it before it was given back, by the clock. */
		assert_true(this_cpu->now >= released_at);
		step(t->arg, true, 10);
		charge(5000);
		entries++;
		inside--;
		released_at = this_cpu->now;
		spin_unlock(t->arg);
		charge(1 + (i * 7919 + this_cpu->id * 104729) % 60000);
	}
}

static void test_locks_exclude(void **state)
{
	struct spinlock *l;
	struct bare b;

	inside = entries = 0;
	released_at = 0;
	bare_make(&b, "pack:2 core:4 pu:1");
	l = arena_alloc(&b.sys->arena, 64);
	for (u32 i = 0; i < 8; i++)
		bare_start(&b, i, contend, l);
	OK(timed_run(b.sys, NULL, NULL, NULL));
	assert_int_equal(8 * 200, entries);
	for (u32 i = 0; i < 8; i++)
		assert_true(b.sys->cpu[i].cycles[CYC_LOCK_WAIT] > 0);
	bare_free(&b);
}

/* CPU 0 has a lock for which CPU 1 waits; another comes by about when it is released. */
enum { HELD = 20000, HANDLER = 6000, NEVER = 0 };

static struct {
	struct spinlock *lock;
	u64 comes_at[3];        /* from 1 on; CPU 0 always does               */
	bool is_interrupted;    /* CPU 1, around the release                  */
	u64 taken_at[3], unlock_cycles[3];
} turn;

static void long_handler(void *arg)
{
	charge(HANDLER);
}

static void hold(struct task *t)
{
	u64 from;

	if (t->cpu && turn.comes_at[t->cpu] == NEVER)
		return;
	charge(turn.comes_at[t->cpu]);
	spin_lock(turn.lock);
	turn.taken_at[t->cpu] = this_cpu->now;
	charge(HELD);
	from = this_cpu->now;
	spin_unlock(turn.lock);
	turn.unlock_cycles[t->cpu] = this_cpu->now - from;
}

static void interrupt_waiter(struct task *t)
{
	u64 waiter[MM_CPUMASK_WORDS] = { 1 << 1 };

	if (!turn.is_interrupted)
		return;
	charge(HELD - HANDLER / 2);
	smp_call(waiter, long_handler, t->arg, NULL);
}

/* Return: a transfer of the lock's line between CPUs 1 and 2. */
static u64 hold_in_turn(u64 first, u64 second, bool is_interrupted)
{
	struct bare b;
	u64 transfer;

	memset(&turn, 0, sizeof(turn));
	turn.comes_at[1] = first;
	turn.comes_at[2] = second;
	turn.is_interrupted = is_interrupted;
	bare_make_with(&b, "pack:1 core:4 pu:1", true);
	turn.lock = arena_alloc(&b.sys->arena, 64);
	for (u32 i = 0; i < 3; i++)
		bare_start(&b, i, hold, NULL);
	bare_start(&b, 3, interrupt_waiter, arena_alloc(&b.sys->arena, 64));
	OK(timed_run(b.sys, NULL, NULL, NULL));
	transfer = machine_line_transfer(b.m, 1, 2);
	bare_free(&b);
	return transfer;
}

/* Who finds a lock taken has fetched its line for that, and the release must fetch it
 * back; who waits is the next to have it, interrupted or not (contend.h). */
static void test_vain_looks_take_the_line(void **state)
{
	u64 transfer = hold_in_turn(1000, HELD + 1000, true);

	assert_true(turn.unlock_cycles[0] >= transfer);
	assert_true(turn.taken_at[1] < turn.taken_at[2]);
	hold_in_turn(NEVER, HELD + 1000, true);
	assert_true(turn.unlock_cycles[0] < transfer);
	assert_true(turn.unlock_cycles[2] < transfer);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ipi_order),
	cmocka_unit_test(test_ipi_masked),
	cmocka_unit_test(test_ipi_crossed),
	cmocka_unit_test(test_steps_in_order),
	cmocka_unit_test(test_deadlock_is_found),
	cmocka_unit_test(test_locks_exclude),
	cmocka_unit_test(test_vain_looks_take_the_line),
};

TEST_MAIN(tests)
