/* The claim at the top of tlb/envelope.h: keeping what may be cached until it
 * is used gives the same ends as explicit events "fill" and "evict" at any
 * time. Random programs load and store pages while others change the entries,
 * invalidate and send flushes; the interpreter here has one TLB entry per page
 * and CPU, fills and evictions as steps of their own, and shares no code.
 * And: whatever the arrays hold is in the envelope.
 */
#include "tests/check.h"

#include <errno.h>

#include "base/rng.h"
#include "cpu/step.h"
#include "emu/explore.h"
#include "tests/state_set.h"

/* Sanitizers are slow, and find what they find in fewer. */
#ifdef __SANITIZE_ADDRESS__
#define CHECK_MANY(n) ((n) / 10)
#else
#define CHECK_MANY(n) (n)
#endif

enum { NP = 2, NF = 3, MAX_CPUS = 3, MAX_OPS = 6 };
enum { ROOT = 1, FIRST = 2 };           /* frames of the table and of data  */

enum code { LOAD, STORE, PTE_STORE, PTE_XCHG, PTE_PROTECT, INVLPG, FLUSH, MB,
	    END };
static const char *const code_name[] = { "load", "store", "pte_store",
	"pte_xchg", "pte_protect", "invlpg", "flush", "mb", "end" };

struct op {
	u8 code, page, k;       /* k: value, index of an entry, mask of CPUs  */
};

struct prog {
	u32 nr_cpus;
	u8 first[NP];           /* entries to begin with                      */
	struct op op[MAX_CPUS][MAX_OPS + 1];
};

/* What an entry may become: frame, rights, accessed and dirty. */
static const u64 entries[] = {
	0,
	FIRST << 12 | PTE_P | PTE_RW | PTE_A | PTE_D,
	FIRST << 12 | PTE_P | PTE_RW,
	FIRST << 12 | PTE_P | PTE_A,
	(FIRST + 1) << 12 | PTE_P | PTE_RW | PTE_A | PTE_D,
	(FIRST + 1) << 12 | PTE_P | PTE_RW,
	(FIRST + 2) << 12 | PTE_P | PTE_RW,
	(FIRST + 2) << 12 | PTE_P,
	FIRST << 12 | PTE_P | PTE_RW | PTE_A,
	(FIRST + 1) << 12 | PTE_P | PTE_A,
};

struct end {
	u16 w[NF + NP + MAX_CPUS];
};

struct ends {
	u32 n;
	bool is_deadlocked, is_unfinished;
	struct end e[4096];
};

static void ends_add(struct ends *s, const struct end *e)
{
	for (u32 i = 0; i < s->n; i++)
		if (!memcmp(&s->e[i], e, sizeof(*e)))
			return;
	assert_true(s->n < ARRAY_LEN(s->e));
	s->e[s->n++] = *e;
}

static u32 missing(const char *who, const struct ends *a, const char *other,
		   const struct ends *b)
{
	u32 bad = 0;

	for (u32 i = 0; i < a->n; i++) {
		u32 j = 0;

		while (j < b->n && memcmp(&a->e[i], &b->e[j], sizeof(a->e[i])))
			j++;
		if (j < b->n)
			continue;
		print_error("#   %s ends with", who);
		for (j = 0; j < ARRAY_LEN(a->e[i].w); j++)
			print_error(" %u", a->e[i].w[j]);
		print_error(", %s never\n", other);
		bad++;
	}
	return bad;
}

static u16 learn(u16 r, u64 v)
{
	return (u16)((r * 4 + v) & 0xfff);
}

/* What a program may know of an entry: hardware sets A and D when it likes. */
static u16 seen(u64 pte)
{
	return (u16)(pte_pfn(pte) << 2 | (pte & (PTE_P | PTE_RW)));
}

/* ---- through cpu/ and emu/explore.c ------------------------------------------------- */

static struct {
	const struct prog *p;
	struct machine *m;
	struct ends *ends;
	u64 *pte, *arg;
	u16 *out;
	struct task task[MAX_CPUS];
} S;

static int no_fault(u64 vpn, bool is_write)
{
	return -EFAULT;
}

static void no_check(u32 cpu, u64 vpn, u64 pfn, u32 line, u64 value)
{
}

static void no_load_check(u64 vpn, u64 pfn, u32 line, u64 value)
{
}

static void flush_one(void *arg)
{
	cpu_invlpg(*(u64 *)arg);
}

static void task_fn(struct task *t)
{
	u16 r = 0;
	u64 v, mask;

	for (const struct op *o = S.p->op[t->cpu]; o->code != END; o++)
		switch (o->code) {
		case LOAD:
			v = 0;
			r = learn(r, cpu_access(o->page, 0, false, &v) ? 9 : v);
			break;
		case STORE:
			v = o->k;
			r = learn(r, cpu_access(o->page, 0, true, &v) ? 9 : 0);
			break;
		case PTE_STORE:
			pte_store(ROOT, o->page, 0, &S.pte[o->page],
				  entries[o->k]);
			break;
		case PTE_XCHG:
			r = learn(r, seen(pte_xchg(ROOT, o->page, 0,
						   &S.pte[o->page],
						   entries[o->k])));
			break;
		case PTE_PROTECT:
			r = learn(r, seen(pte_modify(ROOT, o->page, 0,
						     &S.pte[o->page], PTE_RW,
						     0)));
			break;
		case INVLPG:
			cpu_invlpg(o->page);
			break;
		case FLUSH:
			S.arg[t->cpu] = o->page;
			mask = o->k;
			smp_call(&mask, flush_one, &S.arg[t->cpu], flush_one);
			break;
		case MB:
			smp_mb();
			break;
		}
	S.out[t->cpu] = r;
}

static void on_final(void *arg)
{
	struct end e;

	memset(&e, 0, sizeof(e));
	for (u32 i = 0; i < NF; i++)
		e.w[i] = (u16)the_sys->mem.line[FIRST + i];
	for (u32 i = 0; i < NP; i++)
		e.w[NF + i] = seen(S.pte[i]);
	for (u32 i = 0; i < S.p->nr_cpus; i++)
		e.w[NF + NP + i] = S.out[i];
	ends_add(S.ends, &e);
}

static struct sys *stage(const struct prog *p, enum memory_model model,
			 bool is_reduced)
{
	const struct sys_config cfg = {
		.m = S.m, .arena_bytes = 1 << 16, .nr_cpus = p->nr_cpus,
		.memory_model = model, .is_explored = true,
		.is_reduced = is_reduced, .is_checked = true,
		.may_speculate = true, .may_evict = true,
		.paging = { .levels = 1, .bits = 1 },
		.lines_per_frame = 1, .frames_per_node = 4,
	};
	struct sys *sys;

	assert_int_equal(sys_create(&sys, &cfg), 0);
	S.p = p;
	S.pte = arena_alloc(&sys->arena, NP * sizeof(u64));
	S.arg = arena_alloc(&sys->arena, MAX_CPUS * sizeof(u64));
	S.out = arena_alloc(&sys->arena, MAX_CPUS * sizeof(u16));
	sys->mem.table[ROOT] = S.pte;
	for (u32 i = 0; i < NP; i++)
		S.pte[i] = entries[p->first[i]];
	sys->os.fault = no_fault;
	sys->os.commit_store = no_check;
	sys->os.loaded = no_load_check;
	for (u32 i = 0; i < p->nr_cpus; i++) {
		sys->cpu[i].s->root = ROOT;
		S.task[i] = (struct task){ .name = "t", .fn = task_fn,
					   .cpu = i };
		assert_int_equal(sys_start(&S.task[i]), 0);
	}
	return sys;
}

static u64 nr_states;

static void search(const struct prog *p, enum memory_model model,
		   bool is_reduced, struct ends *out)
{
	struct sys *sys = stage(p, model, is_reduced);
	struct explore_config cfg = {
		.use_sleep_sets = is_reduced, .skip_shortest = true,
		.on_final = on_final, .max_states = 300000,
	};
	struct explore_result r;

	memset(out, 0, offsetof(struct ends, e));
	S.ends = out;
	assert_int_equal(explore(sys, &cfg, &r), 0);
	nr_states += r.states;
	out->is_unfinished = r.outcome == EXPLORE_NOT_FINISHED;
	out->is_deadlocked = r.outcome == EXPLORE_VIOLATION;
	free(r.moves);
	sys_destroy(sys);
}

/* ---- explicit fills and evictions ------------------------------------------------------ */

struct nsb {
	u64 v;
	u8 is_pte, at, pad[6];
};

struct ncpu {
	struct nsb sb[8];
	u64 tlb[NP];            /* the entry as it was read                   */
	u16 r;
	u8 nr_sb, pc, at, acks, is_done, nr_q, q[MAX_CPUS], has[NP], pad[2];
};

struct nstate {
	u64 pte[NP];
	u64 line[NF];
	struct ncpu c[MAX_CPUS];
};

static struct {
	const struct prog *p;
	const struct arch_rules *r;
	bool is_tso;
	struct ends *ends;
	struct state_set met;
} N = { .met = { .max = 40000, .slots = 1u << 17 } };

static void n_explore(const struct nstate *s);

static bool gives_fault(u64 pte)
{
	return !(pte & PTE_P) || (!(pte & PTE_A) && !N.r->hw_sets_a);
}

/* Does @pte refuse the access? */
static bool refuses(u64 pte, bool is_write)
{
	return gives_fault(pte) || (is_write && (!(pte & PTE_RW) ||
		(!(pte & PTE_D) && !N.r->hw_sets_d)));
}

/* A translation for one access, by what the architecture says. */
static bool n_translate(struct nstate *s, struct ncpu *c, u32 page,
			bool is_write)
{
	u64 *tlb = &c->tlb[page], *pte = &s->pte[page];

	if (c->has[page]) {
		if (refuses(*tlb, is_write))
			return false;
		if (!is_write || *tlb & PTE_D)
			return true;
	}
	if (refuses(*pte, is_write))
		return false;
	*pte |= PTE_A | (is_write ? PTE_D : 0);
	*tlb = *pte;
	c->has[page] = 1;
	return true;
}

static void n_drop(struct ncpu *c, u32 page)
{
	c->has[page] = 0;
	c->tlb[page] = 0;
}

static void n_access(struct nstate *s, struct ncpu *c, const struct op *o)
{
	bool is_write = o->code == STORE;
	u64 tlb, v;

	c->pc++;
	if (!n_translate(s, c, o->page, is_write)) {
		if (N.r->fault_drops_page)
			n_drop(c, o->page);
		c->r = learn(c->r, 9);
		return;
	}
	tlb = c->tlb[o->page];
	if (is_write && N.is_tso) {
		struct nsb *e = &c->sb[c->nr_sb++];

		e->at = (u8)(pte_pfn(tlb) - FIRST);
		e->v = o->k;
		c->r = learn(c->r, 0);
		return;
	}
	if (is_write) {
		s->line[pte_pfn(tlb) - FIRST] = o->k;
		c->r = learn(c->r, 0);
		return;
	}
	v = s->line[pte_pfn(tlb) - FIRST];
	for (u32 i = 0; i < c->nr_sb; i++)
		if (!c->sb[i].is_pte && c->sb[i].at == pte_pfn(tlb) - FIRST)
			v = c->sb[i].v;
	c->r = learn(c->r, v);
}

/* Return: 1 when the CPU could step. */
static int n_step(const struct nstate *s0, u32 ci)
{
	struct nstate s = *s0;
	struct ncpu *c = &s.c[ci];
	const struct op *o = &N.p->op[ci][c->pc];
	u32 to;

	if (c->is_done)
		return 0;
	switch (o->code) {
	case END:
		c->is_done = 1;
		break;
	case LOAD:
	case STORE:
		n_access(&s, c, o);
		break;
	case PTE_STORE:
		c->pc++;
		if (N.is_tso) {
			struct nsb *e = &c->sb[c->nr_sb++];

			e->is_pte = 1;
			e->at = o->page;
			e->v = entries[o->k];
		} else {
			s.pte[o->page] = entries[o->k];
		}
		break;
	case PTE_XCHG:
	case PTE_PROTECT:
		if (c->nr_sb)
			return 0;
		c->pc++;
		c->r = learn(c->r, seen(s.pte[o->page]));
		if (o->code == PTE_XCHG)
			s.pte[o->page] = entries[o->k];
		else
			s.pte[o->page] &= ~PTE_RW;
		break;
	case INVLPG:
		c->pc++;
		n_drop(c, o->page);
		break;
	case MB:
		if (c->nr_sb)
			return 0;
		c->pc++;
		break;
	case FLUSH:
		if (!c->at && c->nr_sb)
			return 0;
		to = c->at - 1u;
		if (!c->at) {
			c->at = 1;
		} else if (to < N.p->nr_cpus) {
			c->at++;
			if (to != ci && (o->k >> to & 1)) {
				s.c[to].q[s.c[to].nr_q++] = (u8)ci;
				c->acks++;
			}
		} else if (to == N.p->nr_cpus) {
			c->at++;
			n_drop(c, o->page);
		} else if (c->acks) {
			return 0;
		} else {
			c->at = 0;
			c->pc++;
		}
		break;
	}
	n_explore(&s);
	return 1;
}

static void n_explore(const struct nstate *s)
{
	bool any = false, done = true;

	if (N.met.is_full || !state_set_add(&N.met, s))
		return;
	for (u32 i = 0; i < N.p->nr_cpus; i++) {
		const struct ncpu *c = &s->c[i];
		struct nstate t;

		if (!c->is_done)
			done = false;
		if (n_step(s, i))
			any = true;
		if (c->nr_sb) {
			struct nsb e = c->sb[0];

			t = *s;
			memmove(t.c[i].sb, t.c[i].sb + 1,
				sizeof(c->sb) - sizeof(e));
			memset(&t.c[i].sb[--t.c[i].nr_sb], 0, sizeof(e));
			if (e.is_pte)
				t.pte[e.at] = e.v;
			else
				t.line[e.at] = e.v;
			n_explore(&t);
			any = true;
		}
		if (c->nr_q && !c->nr_sb) {
			u8 from = c->q[0];

			t = *s;
			t.c[i].nr_q--;
			memmove(t.c[i].q, t.c[i].q + 1, sizeof(c->q) - 1);
			t.c[i].q[t.c[i].nr_q] = 0;
			n_drop(&t.c[i], N.p->op[from][s->c[from].pc].page);
			t.c[from].acks--;
			n_explore(&t);
			any = true;
		}
		for (u32 p = 0; p < NP && !c->is_done; p++) {
			if (c->has[p]) {                /* evict */
				t = *s;
				n_drop(&t.c[i], p);
				n_explore(&t);
			}
			if (!gives_fault(s->pte[p]) || N.r->caches_invalid) {
				t = *s;                 /* fill */
				t.c[i].tlb[p] = s->pte[p];
				t.c[i].has[p] = 1;
				n_explore(&t);
			}
		}
	}
	if (any)
		return;
	if (!done) {
		N.ends->is_deadlocked = true;
	} else {
		struct end e;

		memset(&e, 0, sizeof(e));
		for (u32 i = 0; i < NF; i++)
			e.w[i] = (u16)s->line[i];
		for (u32 i = 0; i < NP; i++)
			e.w[NF + i] = seen(s->pte[i]);
		for (u32 i = 0; i < N.p->nr_cpus; i++)
			e.w[NF + NP + i] = s->c[i].r;
		ends_add(N.ends, &e);
	}
}

static bool naive(const struct prog *p, enum memory_model model,
		  struct ends *out)
{
	struct nstate s;

	state_set_begin(&N.met, sizeof(s));
	memset(out, 0, offsetof(struct ends, e));
	N.p = p;
	N.r = &S.m->rules;
	N.is_tso = model == MEM_TSO;
	N.ends = out;
	memset(&s, 0, sizeof(s));
	for (u32 i = 0; i < NP; i++)
		s.pte[i] = entries[p->first[i]];
	n_explore(&s);
	return !N.met.is_full;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void random_prog(struct rng *g, struct prog *p)
{
	static const u8 code[] = { LOAD, LOAD, LOAD, STORE, STORE, STORE,
				   PTE_STORE, PTE_STORE, PTE_XCHG, PTE_XCHG,
				   PTE_PROTECT, INVLPG, FLUSH, FLUSH, MB };

	memset(p, 0, sizeof(*p));
	p->nr_cpus = rng_chance(g, 3, 4) ? 2 : 3;
	for (u32 i = 0; i < NP; i++)
		p->first[i] = (u8)rng_below(g, ARRAY_LEN(entries));
	for (u32 c = 0; c < p->nr_cpus; c++) {
		u32 n = (u32)(p->nr_cpus == 2 ? 2 + rng_below(g, 3)
					      : 1 + rng_below(g, 2));

		for (u32 i = 0; i < n; i++) {
			struct op *o = &p->op[c][i];

			o->code = code[rng_below(g, ARRAY_LEN(code))];
			o->page = rng_chance(g, 3, 4) ? 0 : 1;
			o->k = (u8)(1 + rng_below(g, 3));
			if (o->code == PTE_STORE || o->code == PTE_XCHG)
				o->k = (u8)rng_below(g, ARRAY_LEN(entries));
			if (o->code == FLUSH)
				o->k = (u8)rng_below(g, 1u << p->nr_cpus);
		}
		p->op[c][n].code = END;
	}
}

static void print_prog(const struct prog *p)
{
	print_error("#   entries %u %u\n", p->first[0], p->first[1]);
	for (u32 c = 0; c < p->nr_cpus; c++) {
		print_error("#   cpu %u:", c);
		for (const struct op *o = p->op[c]; o->code != END; o++)
			print_error(" %s(%u,%u)", code_name[o->code], o->page,
				    o->k);
		print_error("\n");
	}
}

static struct ends plain_ends, reduced_ends, naive_ends;

static void many(enum memory_model model, const char *name, u32 programs)
{
	u64 seed = check_seed(name);
	const char *text = getenv("TEST_PROGRAMS");
	u32 n = text ? (u32)atoi(text) : CHECK_MANY(programs), bad = 0, nr = 0;

	nr_states = 0;
	for (u32 i = 0; i < n && bad < 5; i++) {
		struct rng g;
		struct prog p;
		u32 miss = 0;

		rng_init(&g, seed + i);
		random_prog(&g, &p);
		search(&p, model, false, &plain_ends);
		search(&p, model, true, &reduced_ends);
		if (plain_ends.is_unfinished || reduced_ends.is_unfinished)
			continue;
		miss += plain_ends.is_deadlocked || reduced_ends.is_deadlocked;
		miss += missing("plain", &plain_ends, "reduced", &reduced_ends);
		miss += missing("reduced", &reduced_ends, "plain", &plain_ends);
		if (!miss && naive(&p, model, &naive_ends)) {
			nr++;
			miss += naive_ends.is_deadlocked;
			miss += missing("explicit", &naive_ends, "envelope",
					&reduced_ends);
			miss += missing("envelope", &reduced_ends, "explicit",
					&naive_ends);
		}
		if (miss) {
			print_prog(&p);
			print_error("# %s: TEST_SEED=%llu TEST_PROGRAMS=1\n",
				    name, (unsigned long long)(seed + i));
			bad++;
		}
	}
	printf("# %s: %u programs, %u with explicit events, %llu states\n",
	       name, n, nr, (unsigned long long)nr_states);
	assert_int_equal(bad, 0);
	assert_true(nr >= n / 2);
}

static void test_sc(void **state)
{
	many(MEM_SC, "sc", 200);
}

static void test_tso(void **state)
{
	many(MEM_TSO, "tso", 200);
}

/* What each architecture's rules, and their optional parts, change: what may be
 * cached, who sets A and D, what a fault drops. */
static void test_rules(void **state)
{
	const struct arch_rules before = S.m->rules;

	S.m->rules = arch_rules[ARCH_ARM];
	many(MEM_SC, "arm", 100);
	S.m->rules.hw_sets_a = S.m->rules.hw_sets_d = true;
	many(MEM_SC, "arm, FEAT_HAFDBS", 100);
	S.m->rules = arch_rules[ARCH_RISCV];
	many(MEM_SC, "riscv", 100);
	many(MEM_TSO, "riscv, tso", 50);
	S.m->rules.hw_sets_a = S.m->rules.hw_sets_d = true;
	many(MEM_SC, "riscv, Svadu", 100);
	S.m->rules.caches_invalid = false;
	many(MEM_SC, "riscv, Svadu, Svvptc", 50);
	S.m->rules = before;
}

/* The two sides above would agree if both ignored a rule: the same programs end
 * differently under different rules. */
static void test_rules_matter(void **state)
{
	/* Read-only in the TLB; made writable; stored to twice. */
	static const struct prog upgrade = {
		.nr_cpus = 1, .first = { 3, 0 },
		.op = { { { LOAD, 0, 0 }, { PTE_XCHG, 0, 1 }, { STORE, 0, 1 },
			  { STORE, 0, 2 }, { END, 0, 0 } } },
	};
	/* Nothing there; then something: may the load fault, and fault again? */
	static const struct prog appear = {
		.nr_cpus = 1, .first = { 0, 0 },
		.op = { { { LOAD, 0, 0 }, { PTE_XCHG, 0, 1 }, { LOAD, 0, 0 },
			  { LOAD, 0, 0 }, { END, 0, 0 } } },
	};
	/* A and D are clear. */
	static const struct prog clear = {
		.nr_cpus = 1, .first = { 2, 0 },
		.op = { { { STORE, 0, 1 }, { END, 0, 0 } } },
	};
	/* Only D is clear; and it is gone when the store comes. */
	static const struct prog clean = {
		.nr_cpus = 1, .first = { 8, 0 },
		.op = { { { LOAD, 0, 0 }, { STORE, 0, 1 }, { PTE_XCHG, 0, 0 },
			  { STORE, 0, 2 }, { END, 0, 0 } } },
	};
	/* The assist finds a read-only entry; is the old one still used then? */
	static const struct prog assist = {
		.nr_cpus = 1, .first = { 8, 1 },
		.op = { { { STORE, 1, 1 }, { LOAD, 0, 0 }, { PTE_XCHG, 0, 9 },
			  { STORE, 0, 2 }, { LOAD, 0, 0 }, { END, 0, 0 } } },
	};
	enum { NR_RULES = NR_ARCHS + 1 };
	static const struct {
		const struct prog *p;
		/* How many there are: x86, Arm, RISC-V, Arm with HAFDBS. */
		u32 ends[NR_RULES];
	} rows[] = {
		{ &upgrade, { 2, 3, 3, 3 } }, { &appear, { 1, 1, 3, 1 } },
		{ &clear, { 1, 1, 1, 1 } }, { &clean, { 2, 1, 1, 2 } },
		{ &assist, { 1, 2, 2, 2 } },
	};
	const struct arch_rules before = S.m->rules;
	u16 stored[NR_RULES];

	for (u32 r = 0; r < NR_RULES; r++) {
		S.m->rules = arch_rules[r < NR_ARCHS ? r : (u32)ARCH_ARM];
		if (r == NR_ARCHS)
			S.m->rules.hw_sets_a = S.m->rules.hw_sets_d = true;
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			search(rows[i].p, MEM_SC, false, &plain_ends);
			assert_true(naive(rows[i].p, MEM_SC, &naive_ends));
			assert_int_equal(naive_ends.n, plain_ends.n);
			assert_int_equal(rows[i].ends[r], plain_ends.n);
			if (rows[i].p == &clear)
				stored[r] = plain_ends.e[0].w[0];
		}
	}
	assert_int_equal(1, stored[ARCH_X86]);
	assert_int_equal(0, stored[ARCH_ARM]);
	assert_int_equal(0, stored[ARCH_RISCV]);
	assert_int_equal(1, stored[NR_ARCHS]);
	S.m->rules = before;
}

enum { ARRAY_PAGES = 64, ARRAY_STEPS = 200000 };

/* Arrays and the envelope beside each other. */
struct both {
	struct tlb_array *a;
	struct envelope env;
	u64 pte[ARRAY_PAGES];
	u32 since[ARRAY_PAGES]; /* changes that no invalidation followed      */
	u64 hits, stale_hits;
};

static struct tlb_entry entry_of(const struct both *b, u64 vpn)
{
	return (struct tlb_entry){
		.vpn = vpn, .pfn = pte_pfn(b->pte[vpn]), .flags = TLB_W | TLB_D,
	};
}

/* Few pages change between invalidations, or the envelope is full. */
static void change_entry(struct both *b, struct rng *g, u64 vpn)
{
	struct tlb_entry old = entry_of(b, vpn);

	if (b->since[vpn] >= 2 || b->env.n + 2 > ENVELOPE_MAX)
		return;
	b->since[vpn]++;
	if (b->pte[vpn] & PTE_P)
		envelope_retire(&b->env, &old);
	b->pte[vpn] = rng_chance(g, 1, 4) ? 0
		: pte_make(1 + rng_below(g, 100), PTE_P);
}

static void invalidate_both(struct both *b, bool is_all, u64 vpn)
{
	if (is_all) {
		tlb_array_flush_pcid(b->a, 0);
		envelope_invalidate(&b->env, INVAL_ASID, 0, 0);
		memset(b->since, 0, sizeof(b->since));
		return;
	}
	tlb_array_invlpg(b->a, 0, vpn);
	envelope_invalidate(&b->env, INVAL_PAGE_GLOBAL, 0, vpn);
	b->since[vpn] = 0;
}

/* What the arrays say is what the table says, or what the envelope still allows. */
static void check_hit(struct both *b, u64 vpn, u64 pfn, const u32 *index, u32 n)
{
	bool is_current = (b->pte[vpn] & PTE_P) && pte_pfn(b->pte[vpn]) == pfn;
	u32 k = 0;

	b->hits++;
	while (k < n && b->env.e[index[k]].pfn != pfn)
		k++;
	if (is_current)
		return;
	assert_true(k < n);
	b->stale_hits++;
	envelope_collapse(&b->env, 0, vpn, (int)index[k]);
	b->since[vpn] = 1;
}

static void access_both(struct both *b, u64 vpn)
{
	u32 index[ENVELOPE_MAX];
	u32 n = envelope_candidates(&b->env, 0, vpn, index);
	struct tlb_entry *e, new = entry_of(b, vpn);

	if (tlb_array_access(b->a, TLB_LOAD, 0, vpn, &e) != TLB_MISS) {
		check_hit(b, vpn, e->pfn, index, n);
		return;
	}
	envelope_collapse(&b->env, 0, vpn, -1);
	b->since[vpn] = 0;
	if (b->pte[vpn] & PTE_P)
		tlb_array_fill(b->a, TLB_LOAD, vpn, &new);
}

/* Arrays that a walker fills and invalidations empty, next to the envelope of
 * the same CPU: a hit is what memory says now or what the envelope allows. An
 * access through the arrays is one that the envelope may pick. */
static void test_arrays_are_within(void **state)
{
	const struct tlb_design design = {
		.nr_arrays = 2,
		.array = {
			{ .nr_sets = 4, .nr_ways = 4, .level = 1,
			  .page_sizes = TLB_HOLDS_4K | TLB_HOLDS_2M,
			  .serves = TLB_SERVES_DATA },
			{ .nr_sets = 4, .nr_ways = 8, .level = 2,
			  .page_sizes = TLB_HOLDS_4K | TLB_HOLDS_2M,
			  .serves = TLB_SERVES_ALL },
		},
	};
	static struct both b;
	struct rng g;

	memset(&b, 0, sizeof(b));
	rng_init(&g, check_seed("arrays"));
	assert_int_equal(tlb_array_create(&b.a, &design, 1), 0);
	for (u32 i = 0; i < ARRAY_STEPS; i++) {
		/* Many are accessed, or nothing is ever evicted. */
		u64 vpn = rng_chance(&g, 1, 2) ? rng_below(&g, 4)
					       : rng_below(&g, ARRAY_PAGES);

		switch (rng_below(&g, 8)) {
		case 0:
			change_entry(&b, &g, vpn);
			break;
		case 1:
			invalidate_both(&b, rng_chance(&g, 1, 8), vpn);
			break;
		default:
			access_both(&b, vpn);
		}
		assert_false(b.env.overflowed);
	}
	tlb_array_destroy(b.a);
	printf("# arrays: %llu hits, %llu of them stale\n",
	       (unsigned long long)b.hits, (unsigned long long)b.stale_hits);
	assert_true(b.stale_hits > 1000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_sc),
	cmocka_unit_test(test_tso),
	cmocka_unit_test(test_rules),
	cmocka_unit_test(test_rules_matter),
	cmocka_unit_test(test_arrays_are_within),
};

TEST_MAIN_ON(S.m, "pack:2 [numa] core:2 pu:1", tests)
