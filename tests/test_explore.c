/* The explorer is sound: on thousands of small random programs the reduced
 * search reaches the same ends as plain enumeration, and the same as an
 * interpreter that shares no code with cpu/: one step at a time, all
 * interleavings, memory models of its own (weak loads as positions in each
 * word's history, where cpu/ keeps overtaken values).
 *
 * TEST_SEED chooses the programs, TEST_PROGRAMS how many per memory model.
 */
#include "tests/check.h"

#include "base/rng.h"
#include "cpu/step.h"
#include "emu/explore.h"

/* Sanitizers are slow, and find what they find in fewer. */
#ifdef __SANITIZE_ADDRESS__
#define CHECK_MANY(n) ((n) / 10)
#else
#define CHECK_MANY(n) (n)
#endif

enum { NW = 3, NL = 2, NB = 1, MAX_CPUS = 4, MAX_OPS = 10, NR_HANDLERS = 2,
       HANDLER_OPS = 2 };

/* ---- programs -------------------------------------------------------------------- */

enum code {
	READ, WRITE, XCHG, CMPXCHG, ADD_RETURN, INC, MB, WMB, RMB,
	LOCK, UNLOCK, BITLOCK, BITUNLOCK, BITTRY, BITWAIT,
	DOWN_READ, UP_READ, DOWN_WRITE, UP_WRITE,
	IRQ_OFF, IRQ_ON, CALL, SKIP_ODD, CHECK, END, NR_CODES
};

static const char *const code_name[NR_CODES] = {
	"read", "write", "xchg", "cmpxchg", "add_return", "inc", "mb", "wmb",
	"rmb", "lock", "unlock", "bitlock", "bitunlock", "bittry", "bitwait",
	"down_read", "up_read", "down_write", "up_write",
	"irq_off", "irq_on", "call", "skip_odd", "check", "end",
};

struct op {
	u8 code;
	u8 a;                   /* word, lock; CALL: handler                  */
	u8 k;                   /* value; CALL: mask of CPUs                  */
	u8 use_r;               /* value + what was read so far               */
};

struct prog {
	u32 nr_cpus;
	struct op op[MAX_CPUS][MAX_OPS + 1];
	struct op handler[NR_HANDLERS][HANDLER_OPS + 1];
};

static void print_ops(const char *name, u32 i, const struct op *o)
{
	print_error("#   %s %u:", name, i);
	for (; o->code != END; o++)
		print_error(" %s(%u,%u%s)", code_name[o->code], o->a, o->k,
			    o->use_r ? "+r" : "");
	print_error("\n");
}

static void print_prog(const struct prog *p)
{
	for (u32 i = 0; i < p->nr_cpus; i++)
		print_ops("cpu", i, p->op[i]);
	for (u32 i = 0; i < NR_HANDLERS; i++)
		print_ops("handler", i, p->handler[i]);
}

/* An end: words, then what each CPU has read. */
struct end {
	u16 w[NW + MAX_CPUS];
};

#define MAX_ENDS 4096

struct ends {
	u32 n;
	bool is_violated, is_deadlocked, is_unfinished;
	struct end e[MAX_ENDS];
};

static void ends_add(struct ends *s, const struct end *e)
{
	for (u32 i = 0; i < s->n; i++)
		if (!memcmp(&s->e[i], e, sizeof(*e)))
			return;
	assert_true(s->n < MAX_ENDS);
	s->e[s->n++] = *e;
}

static bool ends_have(const struct ends *s, const struct end *e)
{
	for (u32 i = 0; i < s->n; i++)
		if (!memcmp(&s->e[i], e, sizeof(*e)))
			return true;
	return false;
}

static void print_missing(const char *who, const struct ends *a,
			  const char *other, const struct ends *b)
{
	for (u32 i = 0; i < a->n; i++) {
		if (ends_have(b, &a->e[i]))
			continue;
		print_error("#   %s ends with", who);
		for (u32 j = 0; j < NW + MAX_CPUS; j++)
			print_error("%s%u", j == NW ? " | " : " ",
				    a->e[i].w[j]);
		print_error(", %s never\n", other);
	}
}

static bool ends_equal(const char *an, const struct ends *a, const char *bn,
		       const struct ends *b)
{
	bool same = a->n == b->n;

	if (a->is_violated != b->is_violated ||
	    a->is_deadlocked != b->is_deadlocked) {
		print_error("#   %s: %s%s; %s: %s%s\n",
			    an, a->is_violated ? "violated " : "",
			    a->is_deadlocked ? "deadlock" : "-",
			    bn, b->is_violated ? "violated " : "",
			    b->is_deadlocked ? "deadlock" : "-");
		return false;
	}
	/* A search stops at its first violation. */
	if (a->is_violated || a->is_deadlocked)
		return true;
	for (u32 i = 0; same && i < a->n; i++)
		same = ends_have(b, &a->e[i]);
	if (!same) {
		print_missing(an, a, bn, b);
		print_missing(bn, b, an, a);
	}
	return same;
}

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

/* ---- the naive interpreter ------------------------------------------------------------ */

enum { N_HIST = 20, N_SB = 8 };
enum { K_STORE, K_ADD, K_UNLOCK, K_BITUNLOCK };

struct nsb {
	u16 val;
	u8 kind, at, epoch, pad;
};

struct ncpu {
	struct nsb sb[N_SB];
	u16 r, hr;
	u8 nr_sb, epoch, pc, held, sem, irq_off, is_done, hpc;
	u8 in_handler;          /* initiator + 1                              */
	u8 hop;                 /* its handler                                */
	u8 call_at;             /* 1 + next CPU to post to; 100: waits        */
	u8 call_arg;            /* initiator's side                           */
	u8 call_fn;
	u8 acks, nr_q, q[MAX_CPUS];
	u8 floor[NW];           /* weak: oldest readable position             */
};

struct nstate {
	u16 hist[NW][N_HIST];   /* values in coherence order                  */
	u8 nr_hist[NW];
	u8 lock[NL], bit[NB], readers, writer;
	struct ncpu c[MAX_CPUS];
};

static struct {
	const struct prog *p;
	enum memory_model model;
	struct ends *ends;
	struct nstate *pool;
	u32 *slot;
	u32 n, cap;
	bool is_full;
} N;

#define N_MAX (1u << 18)
#define N_SLOTS (1u << 20)

static bool n_is_new(const struct nstate *s)
{
	u64 h = 1469598103934665603ull;
	const u8 *b = (const u8 *)s;
	u32 i;

	for (size_t j = 0; j < sizeof(*s); j++)
		h = (h ^ b[j]) * 1099511628211ull;
	for (i = (u32)(h >> 20) & (N_SLOTS - 1); N.slot[i];
	     i = (i + 1) & (N_SLOTS - 1))
		if (!memcmp(&N.pool[N.slot[i] - 1], s, sizeof(*s)))
			return false;
	if (N.n == N_MAX) {
		N.is_full = true;
		return false;
	}
	N.pool[N.n] = *s;
	N.slot[i] = ++N.n;
	return true;
}

static u16 n_latest(const struct nstate *s, u32 w)
{
	return s->hist[w][s->nr_hist[w] - 1];
}

static void n_set(struct nstate *s, u32 c, u32 w, u16 v)
{
	if (N.model != MEM_WEAK) {
		s->hist[w][0] = v;
		return;
	}
	assert_true(s->nr_hist[w] < N_HIST);
	s->hist[w][s->nr_hist[w]++] = v;
	s->c[c].floor[w] = (u8)(s->nr_hist[w] - 1);
}

static void n_acquire(struct nstate *s, u32 c)
{
	if (N.model == MEM_WEAK)
		for (u32 w = 0; w < NW; w++)
			s->c[c].floor[w] = (u8)(s->nr_hist[w] - 1);
}

/* What nobody can read any more is forgotten; finished CPUs read nothing, but
 * for their handlers, which begin with an acquire. */
static void n_canonical(struct nstate *s)
{
	for (u32 c = 0; c < N.p->nr_cpus; c++)
		if (!s->c[c].nr_sb) {
			s->c[c].epoch = 0;
			memset(s->c[c].sb, 0, sizeof(s->c[c].sb));
		}
	for (u32 w = 0; w < NW && N.model == MEM_WEAK; w++) {
		u8 min = (u8)(s->nr_hist[w] - 1);

		for (u32 c = 0; c < N.p->nr_cpus; c++) {
			struct ncpu *x = &s->c[c];

			if (x->is_done && !x->in_handler)
				x->floor[w] = (u8)(s->nr_hist[w] - 1);
			if (x->floor[w] < min)
				min = x->floor[w];
		}
		if (!min)
			continue;
		memmove(s->hist[w], s->hist[w] + min,
			(s->nr_hist[w] - min) * sizeof(u16));
		s->nr_hist[w] = (u8)(s->nr_hist[w] - min);
		memset(&s->hist[w][s->nr_hist[w]], 0, min * sizeof(u16));
		for (u32 c = 0; c < N.p->nr_cpus; c++)
			s->c[c].floor[w] = (u8)(s->c[c].floor[w] - min);
	}
}

static void n_explore(const struct nstate *s);

static void n_go(struct nstate *s)
{
	n_canonical(s);
	n_explore(s);
}

static bool n_buffered(enum memory_model m)
{
	return m != MEM_SC;
}

static void n_push(struct ncpu *c, u8 kind, u8 at, u16 val)
{
	struct nsb *e = &c->sb[c->nr_sb++];

	e->kind = kind;
	e->at = at;
	e->val = val;
	e->epoch = c->epoch;
}

static void n_learn(u16 *r, u16 v)
{
	*r = (u16)((*r * 4 + v) & 0xff);
}

/* A memory operation, of the program or of a handler. @pc and @r: whose.
 * Return: 1 when it was enabled (its successors are explored). */
static int n_memory_op(const struct nstate *s0, u32 ci, const struct op *o,
		       bool in_handler)
{
	struct nstate s = *s0;
	struct ncpu *c = &s.c[ci];
	u16 *r = in_handler ? &c->hr : &c->r;
	u8 *pc = in_handler ? &c->hpc : &c->pc;
	u16 val = (u16)((o->k + (o->use_r ? *r : 0)) & 0xff), old;
	const bool is_weak = N.model == MEM_WEAK;

	(*pc)++;
	switch (o->code) {
	case READ:
	case CHECK: {
		int own = -1;

		for (u32 i = 0; i < c->nr_sb; i++)
			if (c->sb[i].kind <= K_ADD && c->sb[i].at == o->a)
				own = (int)i;
		if (own >= 0) {
			/* The result of an increment under way is not known. */
			for (u32 i = 0; i < c->nr_sb; i++)
				if (c->sb[i].kind == K_ADD &&
				    c->sb[i].at == o->a)
					return 0;
			old = c->sb[own].val;
			if (o->code == CHECK && old == o->k) {
				N.ends->is_violated = true;
				return 1;
			}
			if (o->code == READ)
				n_learn(r, old);
			n_go(&s);
			return 1;
		}
		for (u32 i = is_weak ? c->floor[o->a] : 0;
		     i < s0->nr_hist[o->a]; i++) {
			struct nstate t = s;

			c = &t.c[ci];
			r = in_handler ? &c->hr : &c->r;
			if (is_weak)
				c->floor[o->a] = (u8)i;
			old = t.hist[o->a][i];
			if (o->code == CHECK && old == o->k) {
				N.ends->is_violated = true;
				continue;
			}
			if (o->code == READ)
				n_learn(r, old);
			n_go(&t);
		}
		return 1;
	}
	case WRITE:
		if (!n_buffered(N.model)) {
			n_set(&s, ci, o->a, val);
			break;
		}
		if (c->nr_sb == N_SB)
			return 0;
		n_push(c, K_STORE, o->a, val);
		break;
	case INC:
		if (is_weak) {
			if (c->nr_sb == N_SB)
				return 0;
			n_push(c, K_ADD, o->a, 1);
			break;
		}
		if (c->nr_sb)
			return 0;
		n_set(&s, ci, o->a, (u16)(n_latest(&s, o->a) + 1));
		break;
	case XCHG:
	case CMPXCHG:
	case ADD_RETURN:
		if (c->nr_sb)
			return 0;
		n_acquire(&s, ci);
		old = n_latest(&s, o->a);
		if (o->code == XCHG) {
			n_set(&s, ci, o->a, val);
			n_learn(r, old);
		} else if (o->code == CMPXCHG) {
			if (old == (o->k & 1))
				n_set(&s, ci, o->a, val);
			n_learn(r, old == (o->k & 1));
		} else {
			n_set(&s, ci, o->a, (u16)(old + o->k));
			n_learn(r, (u16)(old + o->k));
		}
		break;
	case MB:
		if (c->nr_sb)
			return 0;
		n_acquire(&s, ci);
		break;
	case RMB:
		n_acquire(&s, ci);
		break;
	case WMB:
		if (c->nr_sb)
			c->epoch++;
		break;
	}
	n_go(&s);
	return 1;
}

static int n_release(struct nstate *s, u32 ci, u8 kind, u8 at)
{
	struct ncpu *c = &s->c[ci];

	if (c->nr_sb) {
		if (c->nr_sb == N_SB)
			return 0;
		n_push(c, kind, at, 0);
	} else if (kind == K_UNLOCK) {
		s->lock[at] = 0;
	} else {
		s->bit[at] = 0;
	}
	n_go(s);
	return 1;
}

static int n_step(const struct nstate *s0, u32 ci)
{
	struct nstate s = *s0;
	struct ncpu *c = &s.c[ci];
	const struct op *o = &N.p->op[ci][c->pc];
	const bool is_weak = N.model == MEM_WEAK;
	const bool own_done = !c->nr_sb || is_weak;
	u8 *word = o->code == LOCK || o->code == UNLOCK
		? &s.lock[o->a] : &s.bit[o->a & (NB - 1)];
	u8 bit = (u8)(1u << (NL + o->a));

	if (c->is_done)
		return 0;
	switch (o->code) {
	case END:
		c->is_done = 1;
		break;
	case LOCK:
	case BITLOCK:
		if (*word || !own_done)
			return 0;
		*word = (u8)(ci + 1);
		c->held |= o->code == LOCK ? (u8)(1u << o->a) : bit;
		n_acquire(&s, ci);
		c->pc++;
		break;
	case UNLOCK:
		c->pc++;
		if (!(c->held >> o->a & 1))
			break;
		c->held &= (u8)~(1u << o->a);
		return n_release(&s, ci, K_UNLOCK, o->a);
	case BITUNLOCK:
		c->pc++;
		if (!(c->held & bit))
			break;
		c->held &= (u8)~bit;
		return n_release(&s, ci, K_BITUNLOCK, o->a);
	case BITTRY:
		if (c->nr_sb)
			return 0;
		n_acquire(&s, ci);
		c->pc++;
		if (!*word) {
			*word = (u8)(ci + 1);
			c->held |= bit;
			n_learn(&c->r, 1);
		}
		break;
	case BITWAIT:
		if (*word)
			return 0;
		n_acquire(&s, ci);
		c->pc++;
		break;
	case DOWN_READ:
		if (s.writer || !own_done)
			return 0;
		s.readers++;
		n_acquire(&s, ci);
		c->pc++;
		break;
	case DOWN_WRITE:
		if (s.writer || s.readers || !own_done)
			return 0;
		s.writer = 1;
		n_acquire(&s, ci);
		c->pc++;
		break;
	case UP_READ:
	case UP_WRITE:
		if (c->nr_sb)
			return 0;
		if (o->code == UP_READ)
			s.readers--;
		else
			s.writer = 0;
		c->pc++;
		break;
	case IRQ_OFF:
		c->irq_off = 1;
		c->pc++;
		break;
	case IRQ_ON:
		c->irq_off = 0;
		c->pc++;
		break;
	case SKIP_ODD:
		c->pc = (u8)(c->pc + ((c->r & 1) && o[1].code != END ? 2 : 1));
		break;
	case CALL:
		if (!c->call_at) {
			if (c->nr_sb)
				return 0;
			n_acquire(&s, ci);
			c->call_arg = (u8)c->r;
			c->call_fn = o->a;
			c->call_at = 1;
		} else if (c->call_at <= N.p->nr_cpus) {
			u32 to = c->call_at++ - 1u;

			if (to != ci && (o->k >> to & 1)) {
				s.c[to].q[s.c[to].nr_q++] = (u8)ci;
				c->acks++;
			}
		} else {
			if (c->acks)
				return 0;
			c->call_at = c->call_arg = c->call_fn = 0;
			c->pc++;
		}
		break;
	default:
		return n_memory_op(s0, ci, o, false);
	}
	n_go(&s);
	return 1;
}

/* Requests pending at one CPU are taken in any order. */
static void n_enter(struct nstate *s, u32 ci, u32 at)
{
	struct ncpu *c = &s->c[ci];
	u8 from = c->q[at];

	c->nr_q--;
	memmove(c->q + at, c->q + at + 1, c->nr_q - at);
	c->q[c->nr_q] = 0;
	c->in_handler = (u8)(from + 1);
	c->hop = s->c[from].call_fn;
	c->hr = s->c[from].call_arg;
	c->hpc = 0;
}

static int n_handler_step(const struct nstate *s0, u32 ci)
{
	struct nstate s = *s0;
	struct ncpu *c = &s.c[ci];
	const struct op *o = &N.p->handler[c->hop][c->hpc];

	if (o->code != END)
		return n_memory_op(s0, ci, o, true);
	s.c[c->in_handler - 1].acks--;
	c->in_handler = c->hop = c->hpc = 0;
	c->hr = 0;
	/* The next one at once, or as an interrupt of its own. */
	n_go(&s);
	for (u32 i = 0; i < c->nr_q; i++) {
		struct nstate t = s;

		n_enter(&t, ci, i);
		n_go(&t);
	}
	return 1;
}

static bool n_may_drain(const struct ncpu *c, u32 i)
{
	if (N.model == MEM_TSO)
		return i == 0;
	for (u32 j = 0; j < i; j++) {
		const struct nsb *l = &c->sb[i], *e = &c->sb[j];
		bool same = l->kind <= K_ADD && e->kind <= K_ADD &&
			    l->at == e->at;

		if (l->kind > K_ADD || l->epoch != e->epoch || same)
			return false;
	}
	return true;
}

static void n_drain(const struct nstate *s0, u32 ci, u32 i)
{
	struct nstate s = *s0;
	struct ncpu *c = &s.c[ci];
	struct nsb e = c->sb[i];

	c->nr_sb--;
	memmove(&c->sb[i], &c->sb[i + 1], (c->nr_sb - i) * sizeof(e));
	memset(&c->sb[c->nr_sb], 0, sizeof(e));
	switch (e.kind) {
	case K_STORE: n_set(&s, ci, e.at, e.val); break;
	case K_ADD: n_set(&s, ci, e.at, (u16)(n_latest(&s, e.at) + e.val)); break;
	case K_UNLOCK: s.lock[e.at] = 0; break;
	case K_BITUNLOCK: s.bit[e.at] = 0; break;
	}
	n_go(&s);
}

static void n_explore(const struct nstate *s)
{
	bool any = false, done = true;

	if (N.is_full || !n_is_new(s))
		return;
	for (u32 i = 0; i < N.p->nr_cpus; i++) {
		const struct ncpu *c = &s->c[i];

		if (!c->is_done)
			done = false;
		if (c->in_handler ? n_handler_step(s, i) : n_step(s, i))
			any = true;
		for (u32 j = 0; j < c->nr_sb; j++)
			if (n_may_drain(c, j)) {
				n_drain(s, i, j);
				any = true;
			}
		for (u32 j = 0; j < c->nr_q && !c->in_handler &&
		     !c->irq_off && !c->nr_sb; j++) {
			struct nstate t = *s;

			n_acquire(&t, i);
			n_enter(&t, i, j);
			n_go(&t);
			any = true;
		}
	}
	if (any)
		return;
	if (done) {
		struct end e;

		memset(&e, 0, sizeof(e));
		for (u32 w = 0; w < NW; w++)
			e.w[w] = n_latest(s, w);
		for (u32 i = 0; i < N.p->nr_cpus; i++)
			e.w[NW + i] = s->c[i].r;
		ends_add(N.ends, &e);
	} else {
		N.ends->is_deadlocked = true;
	}
}

/* Return: false when it is too large for this interpreter. */
static bool naive(const struct prog *p, enum memory_model model,
		  struct ends *out)
{
	struct nstate s;

	if (!N.pool) {
		N.pool = malloc(N_MAX * sizeof(*N.pool));
		N.slot = malloc(N_SLOTS * sizeof(u32));
		assert_true(N.pool && N.slot);
	}
	memset(N.slot, 0, N_SLOTS * sizeof(u32));
	N.n = 0;
	N.is_full = false;
	N.p = p;
	N.model = model;
	N.ends = out;
	out->n = 0;
	out->is_violated = out->is_deadlocked = out->is_unfinished = false;
	memset(&s, 0, sizeof(s));
	for (u32 w = 0; w < NW; w++)
		s.nr_hist[w] = 1;
	n_explore(&s);
	return !N.is_full;
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
