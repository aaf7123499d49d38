/* A livelock is a cycle that a fair scheduler allows, and nothing else is: what
 * one unfair step avoids, what a store buffer or an interrupt ends, is none. On
 * random programs that start over the reduced search says what the plain one
 * says, and a naive one over graphs finds the same components.
 */
#include "tests/check.h"

#include <errno.h>

#include "base/rng.h"
#include "cpu/step.h"
#include "emu/explore.h"
#include "emu/graph.h"

enum { MAX_CPUS = 3, NL = 2, MAX_OPS = 8 };

static struct machine *machine;
static u32 *lock;               /* [NL] */
static u64 *word;
static struct task task[MAX_CPUS];

static struct sys *stage(enum memory_model model, bool is_reduced, u32 nr,
			 void (*const fn[])(struct task *t))
{
	const struct sys_config cfg = {
		.m = machine, .arena_bytes = 1 << 16, .nr_cpus = nr,
		.memory_model = model, .is_explored = true,
		.is_reduced = is_reduced, .is_checked = true,
		.paging = { .levels = 1, .bits = 1 }, .frames_per_node = 1,
	};
	struct sys *sys;

	assert_int_equal(sys_create(&sys, &cfg), 0);
	lock = arena_alloc(&sys->arena, NL * 8);
	word = arena_alloc(&sys->arena, 64);
	for (u32 i = 0; i < nr; i++) {
		task[i] = (struct task){ .name = "t", .fn = fn[i], .cpu = i };
		assert_int_equal(sys_start(&task[i]), 0);
	}
	return sys;
}

/* "proved", the oracle, or "open": too many states. A counterexample must replay, and not without its
 * last move. */
static const char *verdict(enum memory_model model, bool is_reduced, u32 nr,
			   void (*const fn[])(struct task *t), u32 *loop_cpus)
{
	static char name[8];
	struct sys *sys = stage(model, is_reduced, nr, fn);
	const struct explore_config cfg = {
		.use_sleep_sets = is_reduced, .skip_shortest = true,
		.find_livelock = true, .max_states = 20000,
	};
	struct explore_result r, r2;
	bool in_loop = false;

	assert_int_equal(explore(sys, &cfg, &r), 0);
	snprintf(name, sizeof(name), "%s", r.outcome == EXPLORE_PROVED
		 ? "proved" : r.outcome == EXPLORE_VIOLATION ? r.oracle : "open");
	if (loop_cpus)
		*loop_cpus = 0;
	sys_destroy(sys);
	if (r.outcome == EXPLORE_VIOLATION) {
		char text[8192];
		struct explore_move *m;
		u32 n;

		assert_int_equal(explore_format(r.moves, r.nr_moves, text,
						sizeof(text)), 0);
		assert_int_equal(explore_parse(text, &m, &n), 0);
		assert_int_equal(n, r.nr_moves);
		sys = stage(model, is_reduced, nr, fn);
		assert_int_equal(explore_replay(sys, m, n, &cfg, NULL, NULL,
						&r2), 1);
		assert_string_equal(r.text, r2.text);
		sys_destroy(sys);
		sys = stage(model, is_reduced, nr, fn);
		if (explore_replay(sys, m, n - 1, &cfg, NULL, NULL, &r2))
			fail_msg("%s\n# without the last: %s\n# %s", r.text,
				 r2.text, text);
		sys_destroy(sys);
		for (u32 i = 0; i < n; i++) {
			in_loop = in_loop || m[i].is_loop;
			if (in_loop && loop_cpus)
				*loop_cpus |= 1u << m[i].cpu;
		}
		assert_true(in_loop == !strcmp(name, "O14"));
		free(m);
	}
	free(r.moves);
	return name;
}

#define EXPECT(want, model, loop, ...) \
	do { \
		void (*const fn_[])(struct task *) = { __VA_ARGS__ }; \
		u32 cpus_; \
		assert_string_equal(verdict(model, true, ARRAY_LEN(fn_), fn_, \
					    &cpus_), want); \
		assert_int_equal(cpus_, loop); \
		assert_string_equal(verdict(model, false, ARRAY_LEN(fn_), fn_, \
					    NULL), want); \
	} while (0)

/* ---- locks ---------------------------------------------------------------------- */

/* Hold one, try the other, let go of both and start over. */
static void hold_and_try(u32 a, u32 b)
{
	u64 obs = obs_save();

	for (;;) {
		bit_lock(&lock[2 * a]);
		if (bit_trylock(&lock[2 * b]))
			break;
		bit_unlock(&lock[2 * a]);
		obs_restore(obs);
	}
	bit_unlock(&lock[2 * b]);
	bit_unlock(&lock[2 * a]);
}

static void try_01(struct task *t) { hold_and_try(0, 1); }
static void try_10(struct task *t) { hold_and_try(1, 0); }

static void block(u32 a, u32 b)
{
	bit_lock(&lock[2 * a]);
	bit_lock(&lock[2 * b]);
	bit_unlock(&lock[2 * b]);
	bit_unlock(&lock[2 * a]);
}

static void block_01(struct task *t) { block(0, 1); }
static void block_10(struct task *t) { block(1, 0); }

static void hold_0(struct task *t)
{
	bit_lock(&lock[0]);
	WRITE_ONCE(word[0], 1);
	bit_unlock(&lock[0]);
}

static void only_try_0(struct task *t)
{
	u64 obs = obs_save();

	while (!bit_trylock(&lock[0]))
		obs_restore(obs);
	bit_unlock(&lock[0]);
}

/* Two walkers, each with the lock that the other tries. */
static void test_two_walkers(void **state)
{
	for (int m = MEM_SC; m < NR_MEMORY_MODELS; m++)
		EXPECT("O14", m, 3, try_01, try_10);
}

/* The same by blocking locks; in one order; with one walker that blocks. */
static void test_neighbours(void **state)
{
	for (int m = MEM_SC; m < NR_MEMORY_MODELS; m++) {
		EXPECT("O13", m, 0, block_01, block_10);
		EXPECT("proved", m, 0, block_01, block_01);
		EXPECT("proved", m, 0, try_01, try_01);
		/* 1 holds [1] and waits for [0], which 0 gives back. */
		EXPECT("proved", m, 0, try_01, block_10);
	}
}

/* The one that tries could go round for ever only while the holder is not let
 * run: not fair. Nor does a third who ends change two that do not. */
static void test_only_fair(void **state)
{
	EXPECT("proved", MEM_TSO, 0, only_try_0, hold_0);
	EXPECT("proved", MEM_TSO, 0, only_try_0, hold_0, only_try_0);
	EXPECT("O14", MEM_SC, 3, try_01, try_10, hold_0);
}

/* ---- hardware must be fair, too ---------------------------------------------------- */

static void set_flag(struct task *t)
{
	WRITE_ONCE(word[0], 1);
}

static void spin_for_flag(struct task *t)
{
	u64 obs = obs_save();

	while (!READ_ONCE(word[0])) {
		smp_mb();
		obs_restore(obs);
	}
}

static void never_set(struct task *t)
{
	WRITE_ONCE(word[0], 0);
}

static void on_irq(void *arg)
{
	WRITE_ONCE(word[0], 1);
}

static void interrupt_1(struct task *t)
{
	u64 mask = 2;

	smp_call(&mask, on_irq, word, NULL);
}

static void spin_irqs_off(struct task *t)
{
	local_irq_disable();
	spin_for_flag(t);
	local_irq_enable();
}

/* A store does not stay in its buffer for ever, an interrupt does arrive. */
static void test_fair_hardware(void **state)
{
	for (int m = MEM_SC; m < NR_MEMORY_MODELS; m++) {
		EXPECT("proved", m, 0, set_flag, spin_for_flag);
		EXPECT("O14", m, 2, never_set, spin_for_flag);
		EXPECT("proved", m, 0, interrupt_1, spin_for_flag);
		EXPECT("O14", m, 2, interrupt_1, spin_irqs_off);
	}
}

/* Strong fairness: the lock is free now and then, so its turn comes. */
static void wait_then_set(struct task *t)
{
	bit_lock(&lock[0]);
	WRITE_ONCE(word[0], 1);
	bit_unlock(&lock[0]);
}

static void poll_under_lock(struct task *t)
{
	u64 obs = obs_save();

	for (;;) {
		u64 v;

		bit_lock(&lock[0]);
		v = READ_ONCE(word[0]);
		bit_unlock(&lock[0]);
		if (v)
			return;
		obs_restore(obs);
	}
}

static void test_strongly_fair(void **state)
{
	EXPECT("proved", MEM_SC, 0, poll_under_lock, wait_then_set);
	EXPECT("O14", MEM_SC, 1, poll_under_lock, hold_0, never_set);
}

/* ---- random programs ----------------------------------------------------------------- */

enum code { LOCK, TRY, UNLOCK, WAIT_SET, SET, CLEAR, END };

static struct {
	u8 code, a;
} prog[MAX_CPUS][MAX_OPS + 1];

static void run_prog(struct task *t)
{
	u64 obs = obs_save();
	u32 held = 0;

	for (u32 i = 0; prog[t->cpu][i].code != END; i++) {
		u32 a = prog[t->cpu][i].a, bit = 1u << a;
		bool over = false;

		switch (prog[t->cpu][i].code) {
		case LOCK:
			bit_lock(&lock[2 * a]);
			held |= bit;
			break;
		case TRY:
			over = !bit_trylock(&lock[2 * a]);
			held |= over ? 0 : bit;
			break;
		case UNLOCK:
			if (held & bit)
				bit_unlock(&lock[2 * a]);
			held &= ~bit;
			break;
		case WAIT_SET: over = !READ_ONCE(word[a]); break;
		case SET: WRITE_ONCE(word[a], 1); break;
		case CLEAR: WRITE_ONCE(word[a], 0); break;
		}
		if (!over)
			continue;
		for (u32 l = 0; l < NL; l++)
			if (held >> l & 1)
				bit_unlock(&lock[2 * l]);
		held = 0;
		obs_restore(obs);
		i = UINT32_MAX;
	}
}

static void make(struct rng *rng, u32 nr)
{
	for (u32 c = 0; c < nr; c++) {
		u32 n = 2 + (u32)rng_below(rng, MAX_OPS - 2);

		for (u32 i = 0; i < n; i++) {
			prog[c][i].code = (u8)rng_below(rng, END);
			prog[c][i].a = (u8)rng_below(rng, NL);
		}
		prog[c][n].code = END;
	}
}

static void test_random(void **state)
{
	void (*const fn[])(struct task *) = { run_prog, run_prog, run_prog };
	struct rng rng;
	u32 proved = 0, deadlock = 0, livelocks = 0, open = 0;
#ifdef __SANITIZE_ADDRESS__
	const u32 many = 150;
#else
	const u32 many = 3000;
#endif

	rng_init(&rng, check_seed("random programs that start over"));
	for (u32 i = 0; i < many; i++) {
		enum memory_model m = i % 8 ? i & 1 : MEM_WEAK;
		u32 nr = i % 3 ? 2 : 3;
		char plain[8];

		make(&rng, nr);
		if (nr == 3)    /* keep plain enumeration small */
			for (u32 c = 0; c < nr; c++)
				prog[c][4].code = END;
		snprintf(plain, sizeof(plain), "%s",
			 verdict(m, false, nr, fn, NULL));
		if (!strcmp(plain, "open"))
			open++;
		else if (strcmp(plain, verdict(m, true, nr, fn, NULL)))
			fail_msg("program %u, model %d: plain says %s", i, m,
				 plain);
		proved += !strcmp(plain, "proved");
		deadlock += !strcmp(plain, "O13");
		livelocks += !strcmp(plain, "O14");
	}
	printf("# %u programs: %u proved, %u deadlock, %u livelock, %u too "
	       "large\n", many, proved, deadlock, livelocks, open);
	assert_true(open < many / 20 && proved > many / 20 && deadlock > many / 100 &&
		    livelocks > many / 20);
}

/* ---- the graph algorithm against brute force ------------------------------------------- */

enum { GRAPH_STATES = 6, GRAPH_IDS = 4 };

/* Is there a set of states, strongly connected by its own edges, within which
 * every move due in one of them is made? All subsets are tried. */
static u32 naive_fair_states(const struct graph *g)
{
	u32 fair = 0;

	for (u32 set = 1; set < 1u << g->nr_states; set++) {
		u32 reach[GRAPH_STATES] = { 0 }, made = 0, due = 0;
		bool ok = true;

		for (u64 i = 0; i < g->nr_edges; i++) {
			const struct edge *e = &g->edge[i];

			if (!(set >> e->from & 1) || !(set >> e->to & 1))
				continue;
			reach[e->from] |= 1u << e->to;
			made |= 1u << e->id & ~g->idle;
		}
		for (u32 k = 0; k < g->nr_states; k++)
			for (u32 a = 0; a < g->nr_states; a++)
				if (reach[a] >> k & 1)
					reach[a] |= reach[k];
		for (u32 s = 0; s < g->nr_states; s++)
			if (set >> s & 1) {
				ok = ok && (reach[s] & set) == set;
				due |= g->due[s];
			}
		if (ok && made && !(due & ~made))
			fair |= set;
	}
	return fair;
}

static void random_graph(struct graph *g, struct rng *rng)
{
	u32 n = 1 + (u32)rng_below(rng, GRAPH_STATES);

	memset(g, 0, sizeof(*g));
	g->nr_states = n;
	g->nr_edges = rng_below(rng, 2 * n + 1);
	g->edge = calloc(g->nr_edges + 1, sizeof(*g->edge));
	g->due = calloc(n, sizeof(*g->due));
	g->idle = 8;
	for (u64 i = 0; i < g->nr_edges; i++) {
		struct edge *e = &g->edge[i];

		e->from = (u32)rng_below(rng, n);
		e->to = (u32)rng_below(rng, n);
		e->id = (u8)rng_below(rng, GRAPH_IDS);
		/* What is done can be done; more may be due than is done. */
		g->due[e->from] |= 1u << e->id & ~g->idle;
	}
	if (rng_below(rng, 3) == 0)
		g->due[rng_below(rng, n)] |= 1u << rng_below(rng, 3);
}

static void check_lasso(const struct graph *g, const u32 *comp)
{
	u64 *edges;
	u32 n, loop, at = 0, start = 0, made = 0, due = 0;
	int rc = graph_lasso(g, comp, &edges, &n, &loop);

	if (rc == -ENOENT)      /* not reachable from state 0 */
		return;
	assert_int_equal(rc, 0);
	assert_true(loop < n);
	for (u32 i = 0; i < n; i++) {
		const struct edge *e = &g->edge[edges[i]];

		assert_int_equal(e->from, at);
		if (i == loop)
			start = at;
		if (i >= loop) {
			made |= 1u << e->id;
			due |= g->due[at];
		}
		at = e->to;
	}
	assert_int_equal(at, start);
	assert_int_equal(due & ~made, 0);
	free(edges);
}

static void test_graphs(void **state)
{
	struct rng rng;
	u32 with = 0;

	rng_init(&rng, check_seed("random graphs"));
	for (u32 i = 0; i < 20000; i++) {
		struct graph g;
		u32 *comp, fair = 0;
		int rc;

		random_graph(&g, &rng);
		assert_int_equal(graph_index(&g), 0);
		rc = graph_fair_cycles(&g, &comp);
		assert_true(rc >= 0);
		for (u32 s = 0; s < g.nr_states; s++)
			fair |= comp[s] ? 1u << s : 0;
		assert_int_equal(fair, naive_fair_states(&g));
		assert_int_equal(fair != 0, rc > 0);
		if (fair)
			check_lasso(&g, comp);
		with += fair != 0;
		free(comp);
		graph_free(&g);
	}
	printf("# 20000 graphs, %u with a fair cycle\n", with);
	assert_true(with > 2000 && with < 18000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_two_walkers),
	cmocka_unit_test(test_neighbours),
	cmocka_unit_test(test_only_fair),
	cmocka_unit_test(test_fair_hardware),
	cmocka_unit_test(test_strongly_fair),
	cmocka_unit_test(test_graphs),
	cmocka_unit_test(test_random),
};

TEST_MAIN_ON(machine, "pack:1 [numa] core:4 pu:1", tests)
