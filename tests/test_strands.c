/* test_strands.c - a CPU's program under the timed driver is the same as a strand and
 * on a stack, step for step, and each step is at the time at which a plain list of
 * who is next has it. */
#include "base/rng.h"
#include "cpu/step.h"
#include "cpu/strand.h"
#include "tests/bare.h"

static const char *const topologies[] = {
	"pack:2 core:2 pu:1", "pack:1 core:2 pu:2",
};

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
	static struct history stack, strand;
	static struct act act[NR_STRAND_CPUS][NR_ACTS];
	u64 seed = check_seed("strands");

	for (u32 i = 0; i < 40; i++) {
		const char *on = topologies[i & 1];
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

/* ---- against a list of who is next ------------------------------------------------------ */

/* lines.h: a copy comes from whoever stored last; a store waits for that one and for
 * the last who fetched a copy, if others have any; who comes while the line is on its
 * way, if there is contention, waits for that first. */
struct ref_line {
	bool is_known;
	u32 owner, last;
	bool has_copy[NR_STRAND_CPUS];
	u64 arrives_at;
};

struct ref_cpu {
	const struct act *act;
	u64 now;
	u32 at;                         /* the act it is at                   */
	bool has_line, is_done;
};

static struct seen_at ref_log[ARRAY_LEN(seen_log)];
static u32 nr_ref;

/* Work is nobody's business; up to the next step. */
static void ref_go_on(struct ref_cpu *c, u32 id)
{
	for (; ++c->at < NR_ACTS; ) {
		if (c->at && c->act[c->at - 1].kind == STEP)
			ref_log[nr_ref++] = (struct seen_at){
				c->now, id, c->at - 1 };
		c->now += c->act[c->at].cycles;
		if (c->act[c->at].kind == STEP) {
			c->has_line = false;
			return;
		}
	}
	c->is_done = true;
}

/* Another than the owner and @id. */
static bool ref_others_have(const struct ref_line *l, u32 id)
{
	for (u32 i = 0; i < NR_STRAND_CPUS; i++)
		if (l->has_copy[i] && i != id && i != l->owner)
			return true;
	return false;
}

static u64 ref_store_cycles(const struct machine *m, const struct ref_line *l,
			    u32 id)
{
	u64 cycles = l->owner != id ? machine_line_transfer(m, l->owner, id) : 0;
	u64 copy = ref_others_have(l, id) && l->last != id
		? machine_line_transfer(m, l->last, id) : 0;

	return copy > cycles ? copy : cycles;
}

static u64 ref_line_cycles(const struct machine *m, struct ref_line *l, u32 id,
			   bool is_write, u64 now, bool has_lines)
{
	bool is_moving = is_write, is_new = !l->is_known;
	u64 cycles = 0;

	if (l->is_known && is_write)
		cycles = ref_store_cycles(m, l, id);
	else if (l->is_known && !l->has_copy[id])
		cycles = machine_line_transfer(m, l->owner, id);
	if (!is_write)
		is_moving = !ref_others_have(l, l->owner);
	if (has_lines && cycles) {
		if (l->arrives_at > now)
			cycles += l->arrives_at - now;
		if (is_moving)
			l->arrives_at = now + cycles;
	}
	if (is_write || is_new) {
		memset(l->has_copy, 0, sizeof(l->has_copy));
		l->owner = id;
	} else if (!l->has_copy[id]) {
		l->last = id;
	}
	l->is_known = l->has_copy[id] = true;
	return cycles;
}

/* The earliest, of these the first, comes to its step, or takes it once it has the
 * line. */
static void ref_play(const struct machine *m, struct act (*act)[NR_ACTS],
		     bool has_lines)
{
	struct ref_line line[NR_WORDS] = { 0 };
	struct ref_cpu cpu[NR_STRAND_CPUS] = { 0 };

	nr_ref = 0;
	for (u32 i = 0; i < NR_STRAND_CPUS; i++) {
		cpu[i] = (struct ref_cpu){ .act = act[i], .at = UINT32_MAX };
		ref_go_on(&cpu[i], i);
	}
	for (;;) {
		struct ref_cpu *c = NULL;
		u64 cycles = 0;

		for (u32 i = 0; i < NR_STRAND_CPUS; i++)
			if (!cpu[i].is_done && (!c || cpu[i].now < c->now))
				c = &cpu[i];
		if (!c)
			return;
		if (!c->has_line)
			cycles = ref_line_cycles(m, &line[c->act[c->at].word],
						 (u32)(c - cpu),
						 c->act[c->at].is_write, c->now,
						 has_lines);
		c->has_line = true;
		c->now += cycles;
		if (!cycles)
			ref_go_on(c, (u32)(c - cpu));
	}
}

/* Strands and stacks may agree and both be wrong: steps come in the order of their
 * times, ties by number of CPU, and take what their lines take. */
static void test_turns_are_in_order(void **state)
{
	static struct act act[NR_STRAND_CPUS][NR_ACTS];
	static struct history got;
	u64 seed = check_seed("turns");

	for (u32 i = 0; i < 40; i++) {
		const char *on = topologies[i & 1];
		bool has_lines = i >> 1 & 1;
		struct machine *m;
		struct rng r;

		rng_init(&r, seed + i);
		for (u32 k = 0; k < NR_STRAND_CPUS; k++) {
			random_acts(&r, act[k]);
			for (u32 n = 0; n < NR_ACTS; n++)
				if (act[k][n].kind == CALL)
					act[k][n].kind = WORK;
		}
		OK(machine_create(&m, on, NULL, &err));
		ref_play(m, act, has_lines);
		machine_destroy(m);
		play_all(&got, on, has_lines, act, i & 4 ? ~0u : 0, false);
		assert_int_equal(nr_ref, got.nr);
		for (u32 n = 0; n < nr_ref; n++)
			if (memcmp(&ref_log[n], &got.log[n], sizeof(ref_log[n])))
				fail_msg("TEST_SEED=%llu: %u: CPU %u, %u at %llu, "
					 "not CPU %u, %u at %llu",
					 (unsigned long long)(seed + i), n,
					 got.log[n].cpu, got.log[n].what,
					 (unsigned long long)got.log[n].now,
					 ref_log[n].cpu, ref_log[n].what,
					 (unsigned long long)ref_log[n].now);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_strands_are_steps),
	cmocka_unit_test(test_turns_are_in_order),
};

TEST_MAIN(tests)
