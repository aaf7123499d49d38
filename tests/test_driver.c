/* test_driver.c - the timed driver by itself, without a kernel: whose turn it is,
 * interrupts, locks, and strands, which are what code on a stack is. */
#include <errno.h>

#include "base/rng.h"
#include "cpu/step.h"
#include "cpu/strand.h"
#include "cpu/timed.h"
#include "tests/point.h"

struct bare {
	struct machine *m;
	struct sys *sys;
	struct task task[8];
};

static void bare_make_with(struct bare *b, const char *topology, bool has_lines)
{
	memset(b, 0, sizeof(*b));
	OK(machine_create(&b->m, topology, NULL, &err));
	OK(sys_create(&b->sys, &(struct sys_config){
		.m = b->m, .arena_bytes = 1 << 26, .nr_cpus = b->m->nr_cpus,
		.paging = { .levels = 4, .bits = 9 }, .frames_per_node = 1024,
		.contend = { .has_lines = has_lines },
	}));
	OK(timed_install(b->sys));
}

static void bare_make(struct bare *b, const char *topology)
{
	bare_make_with(b, topology, false);
}

static void bare_start(struct bare *b, u32 cpu, void (*fn)(struct task *),
		       void *arg)
{
	b->task[cpu] = (struct task){ .fn = fn, .arg = arg, .cpu = cpu };
	OK(sys_start(&b->task[cpu]));
}

static void bare_free(struct bare *b)
{
	timed_remove(b->sys);
	sys_destroy(b->sys);
	machine_destroy(b->m);
}

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

/* ---- strands ----------------------------------------------------------------- */

enum { NR_WORDS = 3, NR_ACTS = 60, NR_STRAND_CPUS = 4 };

/* What a program does next: a step of a word that all share, work, or a call that
 * needs a stack. */
struct act {
	enum { STEP, WORK, CALL } kind;
	u32 word;
	bool is_write;
	u64 cycles;
};

struct play {
	struct strand strand;           /* first                              */
	const struct act *act;          /* [NR_ACTS]                          */
	u64 *words;                     /* a line each                        */
	u32 at;
	bool is_strand, is_soon;
};

/* Who came when, in the order of the emulation. */
static struct seen_at {
	u64 now;
	u32 cpu, what;
} seen_log[1 << 14];
static u32 nr_seen;

static void see(u32 what)
{
	assert_true(nr_seen < ARRAY_LEN(seen_log));
	seen_log[nr_seen++] = (struct seen_at){ this_cpu->now, this_cpu->id, what };
}

static void see_request(void *arg)
{
	see(1000000);
}

/* The same without a stack. */
static bool see_soon(void *arg)
{
	see_request(arg);
	return true;
}

/* Requests to all, and steps on both sides of them. */
static void call(struct strand *s)
{
	struct play *p = (struct play *)s;
	const struct act *a = &p->act[p->at];
	u64 all[MM_CPUMASK_WORDS] = { ~0ull };

	step(p->words, true, a->cycles);
	see(1000 + p->at);
	if (a->is_write)
		smp_call_soon(all, see_request, p->is_soon ? see_soon : NULL,
			      p->words, NULL);
	step(p->words + 8, false, 10);
	see(2000 + p->at);
}

static enum strand_next next_act(struct strand *s)
{
	struct play *p = (struct play *)s;

	for (; ++p->at < NR_ACTS; ) {
		const struct act *a = &p->act[p->at];

		if (p->at && a[-1].kind == STEP)
			see(p->at - 1);
		if (a->kind == STEP)
			return strand_step(s, p->words + 8 * a->word,
					   a->is_write, a->cycles);
		if (a->kind == CALL)
			return STRAND_CALL;
		charge(a->cycles);
	}
	return STRAND_END;
}

static void by_steps(struct play *p)
{
	for (p->at = 0; p->at < NR_ACTS; p->at++) {
		const struct act *a = &p->act[p->at];

		if (p->at && a[-1].kind == STEP)
			see(p->at - 1);
		if (a->kind == STEP)
			step(p->words + 8 * a->word, a->is_write, a->cycles);
		else if (a->kind == CALL)
			call(&p->strand);
		else
			charge(a->cycles);
	}
}

static void play_program(struct task *t)
{
	struct play *p = t->arg;

	p->strand.next = next_act;
	p->strand.call = call;
	p->at = UINT32_MAX;
	if (p->is_strand)
		strand_run(&p->strand);
	else
		by_steps(p);
}

static void random_acts(struct rng *r, struct act *a)
{
	for (u32 i = 0; i < NR_ACTS; i++)
		a[i] = (struct act){
			.kind = rng_chance(r, 1, 8) ? CALL
				: rng_chance(r, 1, 4) ? WORK : STEP,
			.word = (u32)rng_below(r, NR_WORDS),
			.is_write = rng_chance(r, 1, 2),
			.cycles = rng_below(r, rng_chance(r, 1, 2) ? 20 : 2000),
		};
	/* The last is seen, too. */
	a[NR_ACTS - 1].kind = WORK;
}

struct history {
	struct seen_at log[ARRAY_LEN(seen_log)];
	u32 nr;
	u64 now[NR_STRAND_CPUS], cycles[NR_STRAND_CPUS][NR_CYCLE_CATS];
};

static void play_all(struct history *h, const char *topology, bool has_lines,
		     struct act (*act)[NR_ACTS], u32 strands, bool is_soon)
{
	struct play play[NR_STRAND_CPUS] = { 0 };
	struct bare b;
	u64 *words;

	memset(h, 0, sizeof(*h));
	nr_seen = 0;
	bare_make_with(&b, topology, has_lines);
	words = arena_alloc(&b.sys->arena, NR_WORDS * 64);
	for (u32 i = 0; i < NR_STRAND_CPUS; i++) {
		play[i].act = act[i];
		play[i].words = words;
		play[i].is_strand = strands >> i & 1;
		play[i].is_soon = is_soon;
		bare_start(&b, i, play_program, &play[i]);
	}
	OK(timed_run(b.sys, NULL, NULL, NULL));
	memcpy(h->log, seen_log, nr_seen * sizeof(h->log[0]));
	h->nr = nr_seen;
	for (u32 i = 0; i < NR_STRAND_CPUS; i++) {
		h->now[i] = b.sys->cpu[i].now;
		memcpy(h->cycles[i], b.sys->cpu[i].cycles,
		       sizeof(h->cycles[i]));
	}
	bare_free(&b);
}

static void assert_same_history(const struct history *a,
				const struct history *b, u64 seed)
{
	for (u32 i = 0; i < a->nr && i < b->nr; i++)
		if (memcmp(&a->log[i], &b->log[i], sizeof(a->log[i])))
			fail_msg("TEST_SEED=%llu: %u: CPU %u, %u at %llu; CPU %u, "
				 "%u at %llu", (unsigned long long)seed, i,
				 a->log[i].cpu, a->log[i].what,
				 (unsigned long long)a->log[i].now,
				 b->log[i].cpu, b->log[i].what,
				 (unsigned long long)b->log[i].now);
	assert_int_equal(a->nr, b->nr);
	assert_memory_equal(a->now, b->now, sizeof(a->now));
	assert_memory_equal(a->cycles, b->cycles, sizeof(a->cycles));
}

/* A program is what it is as a strand and on a stack, some CPUs' or all: each step
 * at the same time, in the same order, with interrupts in between; and so is a
 * request, carried out where the driver stands or on the CPU's stack. */
static void test_strands_are_steps(void **state)
{
	static const char *const topology[] = {
		"pack:2 core:2 pu:1", "pack:1 core:2 pu:2",
	};
	static struct history stack, strand;
	static struct act act[NR_STRAND_CPUS][NR_ACTS];
	u64 seed = check_seed("strands");

	for (u32 i = 0; i < 40; i++) {
		const char *on = topology[i & 1];
		bool has_lines = i >> 1 & 1;
		struct rng r;

		rng_init(&r, seed + i);
		for (u32 k = 0; k < NR_STRAND_CPUS; k++)
			random_acts(&r, act[k]);
		play_all(&stack, on, has_lines, act, 0, false);
		assert_true(stack.nr > NR_ACTS);
		play_all(&strand, on, has_lines, act, ~0u, false);
		assert_same_history(&stack, &strand, seed + i);
		play_all(&strand, on, has_lines, act, (u32)rng_below(&r, 16),
			 true);
		assert_same_history(&stack, &strand, seed + i);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ipi_order),
	cmocka_unit_test(test_ipi_masked),
	cmocka_unit_test(test_ipi_crossed),
	cmocka_unit_test(test_steps_in_order),
	cmocka_unit_test(test_deadlock_is_found),
	cmocka_unit_test(test_locks_exclude),
	cmocka_unit_test(test_strands_are_steps),
};

TEST_MAIN(tests)
