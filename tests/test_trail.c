/* The trail leads back: random walks through races, forwards and back, compared at
 * each place with whole copies of the machine. */
#include "tests/check.h"

#include "base/rng.h"
#include "emu/race_run.h"
#include "emu/trail.h"
#include "workloads/race.h"

#define MOVES 150
#define MAX_DEPTH 40

static struct machine *machine;

/* All that a search must find again, copied without the trail's help. */
struct copy {
	u8 *arena;
	size_t used;
	struct cpu_ctx ctx[EXPLORE_MAX_CPUS];
	u8 *stack[EXPLORE_MAX_CPUS];
	size_t live[EXPLORE_MAX_CPUS];
};

static u8 *bytes_of(const void *from, size_t n)
{
	u8 *p = malloc(n + 1);

	assert_non_null(p);
	memcpy(p, from, n);
	return p;
}

static void copy_take(struct copy *c)
{
	const struct sys *sys = explorer.sys;

	memset(c, 0, sizeof(*c));
	c->used = sys->arena.used;
	c->arena = bytes_of(sys->arena.base, c->used);
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		u8 *lo;

		if (!sys->cpu[i].task)
			continue;
		c->live[i] = fiber_live(&sys->cpu[i].fiber, &lo);
		c->stack[i] = bytes_of(lo, c->live[i]);
		c->ctx[i] = sys->cpu[i].ctx;
	}
}

static void copy_free(struct copy *c)
{
	free(c->arena);
	for (u32 i = 0; i < EXPLORE_MAX_CPUS; i++)
		free(c->stack[i]);
}

static void assert_ctx(const struct cpu_ctx *a, const struct cpu_ctx *b)
{
	assert_true(a->ready == b->ready && a->ready_arg == b->ready_arg);
	assert_true(a->call_fn == b->call_fn && a->call_arg == b->call_arg);
	assert_int_equal(a->call_unacked, b->call_unacked);
	assert_int_equal(a->call_is_inline, b->call_is_inline);
	assert_int_equal(a->serves, b->serves);
	assert_int_equal(a->is_acked, b->is_acked);
	assert_int_equal(a->take_irq, b->take_irq);
	assert_int_equal(a->glide, b->glide);
	assert_int_equal(a->in_irq, b->in_irq);
}

/* The machine is what @c says, and beyond it memory is as new. */
static void assert_is(const struct copy *c)
{
	const struct sys *sys = explorer.sys;
	const u8 *end = sys->arena.base + sys->arena.used;

	assert_int_equal(sys->arena.used, c->used);
	assert_memory_equal(sys->arena.base, c->arena, c->used);
	for (u32 i = 0; i < 512 && c->used + i < sys->arena.reserved; i++)
		assert_int_equal(end[i], 0);
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		u8 *lo;

		if (!sys->cpu[i].task)
			continue;
		assert_int_equal(fiber_live(&sys->cpu[i].fiber, &lo),
				 c->live[i]);
		assert_memory_equal(lo, c->stack[i], c->live[i]);
		assert_ctx(&sys->cpu[i].ctx, &c->ctx[i]);
	}
}

/* Any enabled move, with hardware's choices at random. Return: its CPU; or
 * UINT32_MAX, nothing is possible. */
static u32 any_move(struct rng *g)
{
	u32 on = moves_enabled(), n = (u32)__builtin_popcount(on), id;

	if (!n)
		return UINT32_MAX;
	for (u64 k = rng_below(g, n); k--; )
		on &= on - 1;
	id = (u32)__builtin_ctz(on);
	explorer.rng = g;
	explorer.nr_told = 0;
	moves_run(id);
	return id / NR_X_KINDS;
}

/* Return: places at which the arena had grown. */
static u32 walk(struct rng *g, struct trail *t)
{
	struct copy at[MAX_DEPTH];
	u32 depth = 1, grown = 0;

	assert_int_equal(trail_start(t), 0);
	copy_take(&at[0]);
	for (u32 i = 0; i < MOVES; i++) {
		struct hash128 key;
		u32 cpu = depth < MAX_DEPTH && !rng_chance(g, 1, 4)
			? any_move(g) : UINT32_MAX;

		if (cpu == UINT32_MAX) {
			if (depth == 1)
				break;
			trail_pop(t);
			copy_free(&at[--depth]);
			assert_is(&at[depth - 1]);
			continue;
		}
		if (explorer.is_violated)
			break;
		assert_int_equal(trail_look(t, cpu), 0);
		key = state_hash();
		assert_true(key.lo == t->now.lo && key.hi == t->now.hi);
		grown += explorer.sys->arena.used > at[depth - 1].used;
		if (rng_chance(g, 1, 3)) {
			trail_back(t);
			assert_is(&at[depth - 1]);
			continue;
		}
		copy_take(&at[depth]);
		assert_int_equal(trail_push(t), 0);
		assert_is(&at[depth++]);
	}
	while (depth)
		copy_free(&at[--depth]);
	return grown;
}

static void test_leads_back(void **state)
{
	const struct race_options opt = { .is_reduced = true,
					  .may_speculate = true,
					  .may_evict = true };
	struct trail t;
	struct rng g;
	u32 grown = 0;

	memset(&t, 0, sizeof(t));
	rng_init(&g, check_seed("walks"));
	for (u32 i = 0; races[i]; i++)
		for (u32 r = 0; r < races[i]->nr_rows; r += 5) {
			struct race_row row = races[i]->rows[r];
			struct sys *sys;

			row.memory = (enum memory_model)rng_below(&g, 3);
			assert_int_equal(race_open(&sys, races[i], &row,
						   kernel_find(row.kernel),
						   machine, &opt), 0);
			moves_begin(sys);
			grown += walk(&g, &t);
			trail_free(&t);
			race_close(sys);
		}
	printf("# memory was handed out %u times\n", grown);
	assert_true(grown > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_leads_back),
};

int main(int argc, char **argv)
{
	struct err e;

	if (machine_create(&machine, RACE_STAGE_TOPOLOGY, NULL, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
