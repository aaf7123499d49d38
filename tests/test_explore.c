/* The explorer is sound: on thousands of small random programs the reduced
 * search reaches the same ends as plain enumeration, and the same as an
 * interpreter that shares no code with cpu/ (ref_steps.h).
 *
 * TEST_SEED chooses the programs, TEST_PROGRAMS how many per memory model.
 */
#include "tests/check.h"

#include "base/rng.h"
#include "cpu/step.h"
#include "emu/explore.h"
#include "tests/ref_steps.h"

/* Sanitizers are slow, and find what they find in fewer. */
#ifdef __SANITIZE_ADDRESS__
#define CHECK_MANY(n) ((n) / 10)
#else
#define CHECK_MANY(n) (n)
#endif

/* ---- the same program on cpu/ and emu/explore.c ------------------------------------- */

static struct {
	const struct prog *p;
	struct machine *m;
	struct ends *ends;
	u64 *word;              /* arena                                      */
	u32 *bit;
	struct spinlock *lock;
	struct rwsem *sem;
	u16 *out;
	u64 *call;              /* per CPU: handler << 8 | argument           */
	struct task task[MAX_CPUS];
} S;

static u64 value_of(const struct op *o, u64 r)
{
	return (o->k + (o->use_r ? r : 0)) & 0xff;
}

static void handler(void *arg);

static u64 learn(u64 r, u64 v)
{
	return (r * 4 + v) & 0xff;
}

static u64 memory_op(const struct op *o, u64 r)
{
	u64 *w = &S.word[o->a];

	switch (o->code) {
	case READ: return learn(r, READ_ONCE(*w));
	case WRITE: WRITE_ONCE(*w, value_of(o, r)); break;
	case XCHG: return learn(r, xchg(w, value_of(o, r)));
	case CMPXCHG: return learn(r, cmpxchg_ok(w, o->k & 1, value_of(o, r)));
	case ADD_RETURN: return learn(r, atomic_add_return(w, o->k));
	case INC: atomic_inc(w); break;
	case MB: smp_mb(); break;
	case WMB: smp_wmb(); break;
	case RMB: smp_rmb(); break;
	case CHECK:
		if (READ_ONCE(*w) == o->k)
			cpu_violation("O1", "word %u is %u", o->a, o->k);
		break;
	}
	return r;
}

static void task_fn(struct task *t)
{
	const struct op *o = S.p->op[t->cpu];
	u64 r = 0, mask;
	u32 held = 0;           /* locks, then bits                           */

	for (; o->code != END; o++) {
		u32 lock = 1u << o->a, bit = 1u << (NL + o->a);

		switch (o->code) {
		case LOCK:
			spin_lock(&S.lock[o->a]);
			held |= lock;
			break;
		case UNLOCK:
			if (held & lock)
				spin_unlock(&S.lock[o->a]);
			held &= ~lock;
			break;
		case BITLOCK:
			bit_lock(&S.bit[o->a]);
			held |= bit;
			break;
		case BITTRY:
			if (bit_trylock(&S.bit[o->a]))
				held |= bit, r = learn(r, 1);
			break;
		case BITUNLOCK:
			if (held & bit)
				bit_unlock(&S.bit[o->a]);
			held &= ~bit;
			break;
		case BITWAIT: bit_wait(&S.bit[o->a]); break;
		case DOWN_READ: down_read(S.sem); break;
		case UP_READ: up_read(S.sem); break;
		case DOWN_WRITE: down_write(S.sem); break;
		case UP_WRITE: up_write(S.sem); break;
		case DOWNGRADE: downgrade_write(S.sem); break;
		case IRQ_OFF: local_irq_disable(); break;
		case IRQ_ON: local_irq_enable(); break;
		case CALL:
			S.call[t->cpu] = (u64)o->a << 8 | (r & 0xff);
			mask = o->k;
			smp_call(&mask, handler, &S.call[t->cpu], NULL);
			break;
		case SKIP_ODD:
			if ((r & 1) && o[1].code != END)
				o++;
			break;
		default:
			r = memory_op(o, r);
		}
	}
	S.out[t->cpu] = (u16)r;
}

static void handler(void *arg)
{
	u64 call = *(u64 *)arg, r = call & 0xff;

	for (const struct op *o = S.p->handler[call >> 8]; o->code != END; o++)
		r = memory_op(o, r);
}

static void on_final(void *arg)
{
	struct end e;

	memset(&e, 0, sizeof(e));
	for (u32 i = 0; i < NW; i++)
		e.w[i] = (u16)S.word[i];
	for (u32 i = 0; i < S.p->nr_cpus; i++)
		e.w[NW + i] = S.out[i];
	ends_add(S.ends, &e);
}

static struct sys *stage(const struct prog *p, enum memory_model model,
			 bool is_reduced)
{
	const struct sys_config cfg = {
		.m = S.m, .arena_bytes = 1 << 16, .nr_cpus = p->nr_cpus,
		.memory_model = model, .is_explored = true,
		.is_reduced = is_reduced, .is_checked = true,
		.paging = { .levels = 1, .bits = 1 }, .frames_per_node = 1,
	};
	struct sys *sys;
	struct arena *a;

	assert_int_equal(sys_create(&sys, &cfg), 0);
	a = &sys->arena;
	S.p = p;
	S.word = arena_alloc(a, NW * sizeof(u64));
	S.bit = arena_alloc(a, NB * 8);
	S.lock = arena_alloc(a, NL * sizeof(*S.lock));
	S.sem = arena_alloc(a, sizeof(*S.sem));
	S.out = arena_alloc(a, MAX_CPUS * sizeof(u16));
	S.call = arena_alloc(a, MAX_CPUS * sizeof(u64));
	for (u32 i = 0; i < p->nr_cpus; i++) {
		S.task[i] = (struct task){ .name = "t", .fn = task_fn,
					   .cpu = i };
		assert_int_equal(sys_start(&S.task[i]), 0);
	}
	return sys;
}

static u64 sum_states[2];

static void search(const struct prog *p, enum memory_model model,
		   bool is_reduced, struct ends *out)
{
	struct sys *sys = stage(p, model, is_reduced);
	struct explore_config cfg = {
		.use_sleep_sets = is_reduced, .skip_shortest = true,
		.on_final = on_final, .max_states = 400000,
	};
	struct explore_result r;

	out->n = 0;
	out->is_violated = out->is_deadlocked = out->is_unfinished = false;
	S.ends = out;
	assert_int_equal(explore(sys, &cfg, &r), 0);
	sum_states[is_reduced] += r.states;
	if (r.outcome == EXPLORE_NOT_FINISHED)
		out->is_unfinished = true;
	if (r.outcome == EXPLORE_VIOLATION) {
		struct explore_result r2;

		if (!strcmp(r.oracle, "O13"))
			out->is_deadlocked = true;
		else
			out->is_violated = true;
		sys_destroy(sys);
		sys = stage(p, model, is_reduced);
		/* The counterexample is one. */
		assert_int_equal(explore_replay(sys, r.moves, r.nr_moves, &cfg,
						NULL, NULL, &r2), 1);
		assert_string_equal(r.oracle, r2.oracle);
		assert_string_equal(r.text, r2.text);
	}
	free(r.moves);
	sys_destroy(sys);
}

/* ---- random programs --------------------------------------------------------------------- */

static struct op random_memory_op(struct rng *g, bool in_handler)
{
	static const u8 code[] = { READ, READ, READ, READ, WRITE, WRITE, WRITE,
				   WRITE, XCHG, CMPXCHG, ADD_RETURN, INC, INC,
				   MB, WMB, WMB, RMB };
	struct op o = {
		.code = code[rng_below(g, in_handler ? 12 : ARRAY_LEN(code))],
		.a = (u8)rng_below(g, NW),
		.k = (u8)(1 + rng_below(g, 2)),
		.use_r = rng_chance(g, 1, 3),
	};

	return o;
}

struct gen {
	struct rng *g;
	struct op *o;
	u32 n, max;
	bool has_calls, has_checks;
	u32 nr_cpus;
};

static void emit(struct gen *x, u8 code, u8 a, u8 k)
{
	if (x->n < MAX_OPS)
		x->o[x->n++] = (struct op){ .code = code, .a = a, .k = k };
}

static void emit_memory(struct gen *x)
{
	if (x->n < MAX_OPS)
		x->o[x->n++] = random_memory_op(x->g, false);
}

static void emit_region(struct gen *x, u8 open, u8 close, u8 a)
{
	emit(x, open, a, 0);
	for (u64 i = rng_below(x->g, 3); i-- > 0; )
		emit_memory(x);
	if (rng_chance(x->g, 1, 8))
		emit(x, LOCK, 1, 0);
	if (x->has_calls && rng_chance(x->g, 1, 6))
		emit(x, CALL, (u8)rng_below(x->g, NR_HANDLERS),
		     (u8)rng_below(x->g, 1u << x->nr_cpus));
	/* Now and then never: others may wait for ever. */
	if (open >= DOWN_READ || rng_chance(x->g, 15, 16))
		emit(x, close, a, 0);
}

static void random_ops(struct gen *x)
{
	while (x->n < x->max) {
		switch (rng_below(x->g, 20)) {
		case 0: case 1: case 2:
			emit_region(x, LOCK, UNLOCK, (u8)rng_below(x->g, NL));
			break;
		case 3:
			emit_region(x, BITLOCK, BITUNLOCK, 0);
			break;
		case 4:
			emit_region(x, BITTRY, BITUNLOCK, 0);
			break;
		case 5:
			emit(x, BITWAIT, 0, 0);
			break;
		case 6:
			if (x->n + 6 < MAX_OPS)
				emit_region(x, DOWN_READ, UP_READ, 0);
			break;
		case 7:
			if (x->n + 6 < MAX_OPS)
				emit_region(x, DOWN_WRITE, UP_WRITE, 0);
			break;
		case 13:
			if (x->n + 8 < MAX_OPS) {
				emit_region(x, DOWN_WRITE, DOWNGRADE, 0);
				emit_memory(x);
				emit(x, UP_READ, 0, 0);
			}
			break;
		case 8:
			if (x->has_calls && x->n + 6 < MAX_OPS)
				emit_region(x, IRQ_OFF, IRQ_ON, 0);
			break;
		case 9: case 10:
			if (x->has_calls)
				emit(x, CALL, (u8)rng_below(x->g, NR_HANDLERS),
				     (u8)rng_below(x->g, 1u << x->nr_cpus));
			break;
		case 11:
			emit(x, SKIP_ODD, 0, 0);
			emit_memory(x);
			break;
		case 12:
			if (x->has_checks)
				emit(x, CHECK, (u8)rng_below(x->g, NW),
				     (u8)(1 + rng_below(x->g, 3)));
			break;
		default:
			emit_memory(x);
		}
	}
	x->o[x->n].code = END;
}

/* Two CPUs' requests to two others, with handlers whose order shows. */
static void random_calls(struct rng *g, struct prog *p)
{
	p->nr_cpus = 4;
	for (u32 i = 0; i < p->nr_cpus; i++) {
		struct gen x = { .g = g, .o = p->op[i], .has_calls = true,
				 .nr_cpus = p->nr_cpus };

		if (i < 2)
			emit(&x, CALL, (u8)i, rng_chance(g, 2, 3) ? 12
			     : (u8)rng_below(g, 16));
		else
			for (u64 n = rng_below(g, 3); n-- > 0; )
				emit_memory(&x);
		x.o[x.n].code = END;
	}
	for (u32 h = 0; h < NR_HANDLERS; h++) {
		p->handler[h][0] = (struct op){
			.code = rng_chance(g, 1, 2) ? XCHG : CMPXCHG,
			.a = (u8)rng_below(g, NW), .k = (u8)(1 + rng_below(g, 2)),
		};
		p->handler[h][1] = (struct op){
			.code = rng_chance(g, 1, 2) ? WRITE : END,
			.a = (u8)rng_below(g, NW), .k = (u8)(h + 1), .use_r = 1,
		};
		p->handler[h][HANDLER_OPS].code = END;
	}
}

static void random_prog(struct rng *g, struct prog *p)
{
	u64 kind = rng_below(g, 10);
	bool has_calls = rng_chance(g, 1, 2), has_checks = rng_chance(g, 1, 4);

	memset(p, 0, sizeof(*p));
	if (rng_chance(g, 1, 10)) {
		random_calls(g, p);
		return;
	}
	p->nr_cpus = kind < 6 ? 2 : kind < 9 ? 3 : 4;
	for (u32 i = 0; i < p->nr_cpus; i++) {
		struct gen x = { .g = g, .o = p->op[i],
				 .has_calls = has_calls,
				 .has_checks = has_checks,
				 .nr_cpus = p->nr_cpus };

		x.max = (u32)(p->nr_cpus == 2 ? 2 + rng_below(g, 4)
			      : p->nr_cpus == 3 ? 1 + rng_below(g, 3)
			      : 1 + rng_below(g, 2));
		random_ops(&x);
	}
	for (u32 h = 0; h < NR_HANDLERS; h++) {
		u32 n = (u32)rng_below(g, HANDLER_OPS + 1);

		for (u32 i = 0; i < n; i++)
			p->handler[h][i] = random_memory_op(g, true);
		p->handler[h][n].code = END;
	}
}

/* ---- tests --------------------------------------------------------------------------------- */

static struct ends plain_ends, reduced_ends, naive_ends;

/* Return: false, with everything printed, when they differ. */
static bool agree(const struct prog *p, enum memory_model model, u32 *nr_naive)
{
	bool ok = true;

	search(p, model, false, &plain_ends);
	search(p, model, true, &reduced_ends);
	if (!plain_ends.is_unfinished && !reduced_ends.is_unfinished) {
		bool either = (plain_ends.is_violated || plain_ends.is_deadlocked)
			&& (reduced_ends.is_violated ||
			    reduced_ends.is_deadlocked);

		/* Where both are possible, either may be met first. */
		ok = either || ends_equal("plain", &plain_ends, "reduced",
					  &reduced_ends);
	}
	if (ok && !reduced_ends.is_unfinished && naive(p, model, &naive_ends)) {
		struct ends *r = &reduced_ends;
		bool both = naive_ends.is_violated && naive_ends.is_deadlocked;

		(*nr_naive)++;
		if (both)
			ok = r->is_violated || r->is_deadlocked;
		else
			ok = ends_equal("naive", &naive_ends, "reduced", r);
	}
	if (!ok)
		print_prog(p);
	return ok;
}

static void many(enum memory_model model, const char *name)
{
	u64 seed = check_seed(name);
	const char *text = getenv("TEST_PROGRAMS");
	u32 n = text ? (u32)atoi(text) : CHECK_MANY(800), bad = 0, nr_naive = 0;

	sum_states[0] = sum_states[1] = 0;
	for (u32 i = 0; i < n && bad < 5; i++) {
		struct rng g;
		struct prog p;

		rng_init(&g, seed + i);
		random_prog(&g, &p);
		if (!agree(&p, model, &nr_naive)) {
			print_error("# %s: TEST_SEED=%llu TEST_PROGRAMS=1\n",
				    name, (unsigned long long)(seed + i));
			bad++;
		}
	}
	printf("# %s: %u programs, %u interpreted; states plain %llu, reduced %llu\n",
	       name, n, nr_naive, (unsigned long long)sum_states[0],
	       (unsigned long long)sum_states[1]);
	assert_int_equal(bad, 0);
	assert_true(nr_naive >= n / 2);
}

static void test_sc(void **state)
{
	many(MEM_SC, "sc");
}

static void test_tso(void **state)
{
	many(MEM_TSO, "tso");
}

static void test_weak(void **state)
{
	many(MEM_WEAK, "weak");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_sc),
	cmocka_unit_test(test_tso),
	cmocka_unit_test(test_weak),
};

TEST_MAIN_ON(S.m, "pack:2 [numa] core:2 pu:1", tests)
