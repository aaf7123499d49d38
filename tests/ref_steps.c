/* See ref_steps.h. */
#include "tests/ref_steps.h"

#include "tests/state_set.h"

static const char *const code_name[NR_CODES] = {
	"read", "write", "xchg", "cmpxchg", "add_return", "inc", "mb", "wmb",
	"rmb", "lock", "unlock", "bitlock", "bitunlock", "bittry", "bitwait",
	"down_read", "up_read", "down_write", "up_write", "downgrade",
	"irq_off", "irq_on", "call", "skip_odd", "check", "end",
};

static void print_ops(const char *name, u32 i, const struct op *o)
{
	print_error("#   %s %u:", name, i);
	for (; o->code != END; o++)
		print_error(" %s(%u,%u%s)", code_name[o->code], o->a, o->k,
			    o->use_r ? "+r" : "");
	print_error("\n");
}

void print_prog(const struct prog *p)
{
	for (u32 i = 0; i < p->nr_cpus; i++)
		print_ops("cpu", i, p->op[i]);
	for (u32 i = 0; i < NR_HANDLERS; i++)
		print_ops("handler", i, p->handler[i]);
}

/* ---- ends ------------------------------------------------------------------------ */

void ends_add(struct ends *s, const struct end *e)
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

bool ends_equal(const char *an, const struct ends *a, const char *bn,
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

/* ---- the interpreter --------------------------------------------------------------- */

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
	struct state_set met;
} N = { .met = { .max = 1u << 18, .slots = 1u << 20 } };

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

/* It was @v: the check fails, or all that follows is explored. */
static void n_read_value(struct nstate *s, u32 ci, const struct op *o,
			 bool in_handler, u16 v)
{
	if (o->code == CHECK && v == o->k) {
		N.ends->is_violated = true;
		return;
	}
	if (o->code == READ)
		n_learn(in_handler ? &s->c[ci].hr : &s->c[ci].r, v);
	n_go(s);
}

/* A load, of any value that may be read. @s: the step is taken but for that. */
static int n_read(struct nstate *s, u32 ci, const struct op *o, bool in_handler)
{
	struct ncpu *c = &s->c[ci];
	int own = -1;

	for (u32 i = 0; i < c->nr_sb; i++)
		if (c->sb[i].kind <= K_ADD && c->sb[i].at == o->a)
			own = (int)i;
	/* The result of an increment under way is not known. */
	for (u32 i = 0; own >= 0 && i < c->nr_sb; i++)
		if (c->sb[i].kind == K_ADD && c->sb[i].at == o->a)
			return 0;
	if (own >= 0) {
		n_read_value(s, ci, o, in_handler, c->sb[own].val);
		return 1;
	}
	for (u32 i = N.model == MEM_WEAK ? c->floor[o->a] : 0;
	     i < s->nr_hist[o->a]; i++) {
		struct nstate t = *s;

		if (N.model == MEM_WEAK)
			t.c[ci].floor[o->a] = (u8)i;
		n_read_value(&t, ci, o, in_handler, t.hist[o->a][i]);
	}
	return 1;
}

/* Return: enabled. */
static bool n_store(struct nstate *s, u32 ci, const struct op *o, u16 val)
{
	struct ncpu *c = &s->c[ci];

	if (N.model == MEM_SC) {
		n_set(s, ci, o->a, val);
		return true;
	}
	if (c->nr_sb == N_SB)
		return false;
	n_push(c, K_STORE, o->a, val);
	return true;
}

static bool n_increment(struct nstate *s, u32 ci, const struct op *o)
{
	struct ncpu *c = &s->c[ci];

	if (N.model == MEM_WEAK) {
		if (c->nr_sb == N_SB)
			return false;
		n_push(c, K_ADD, o->a, 1);
		return true;
	}
	if (c->nr_sb)
		return false;
	n_set(s, ci, o->a, (u16)(n_latest(s, o->a) + 1));
	return true;
}

static bool n_atomic(struct nstate *s, u32 ci, const struct op *o, u16 *r,
		     u16 val)
{
	u16 old;

	if (s->c[ci].nr_sb)
		return false;
	n_acquire(s, ci);
	old = n_latest(s, o->a);
	if (o->code == XCHG) {
		n_set(s, ci, o->a, val);
		n_learn(r, old);
	} else if (o->code == CMPXCHG) {
		if (old == (o->k & 1))
			n_set(s, ci, o->a, val);
		n_learn(r, old == (o->k & 1));
	} else {
		n_set(s, ci, o->a, (u16)(old + o->k));
		n_learn(r, (u16)(old + o->k));
	}
	return true;
}

static bool n_barrier(struct nstate *s, u32 ci, const struct op *o)
{
	struct ncpu *c = &s->c[ci];

	if (o->code == WMB) {
		c->epoch = (u8)(c->epoch + (c->nr_sb != 0));
		return true;
	}
	if (o->code == MB && c->nr_sb)
		return false;
	n_acquire(s, ci);
	return true;
}

/* A memory operation, of the program or of a handler.
 * Return: 1 when it was enabled (its successors are explored). */
static int n_memory_op(const struct nstate *s0, u32 ci, const struct op *o,
		       bool in_handler)
{
	struct nstate s = *s0;
	struct ncpu *c = &s.c[ci];
	u16 *r = in_handler ? &c->hr : &c->r;
	u16 val = (u16)((o->k + (o->use_r ? *r : 0)) & 0xff);
	bool is_enabled;

	if (in_handler)
		c->hpc++;
	else
		c->pc++;
	switch (o->code) {
	case READ:
	case CHECK:
		return n_read(&s, ci, o, in_handler);
	case WRITE:
		is_enabled = n_store(&s, ci, o, val);
		break;
	case INC:
		is_enabled = n_increment(&s, ci, o);
		break;
	case XCHG:
	case CMPXCHG:
	case ADD_RETURN:
		is_enabled = n_atomic(&s, ci, o, r, val);
		break;
	default:
		is_enabled = n_barrier(&s, ci, o);
	}
	if (is_enabled)
		n_go(&s);
	return is_enabled;
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

static u8 *n_lock_of(struct nstate *s, const struct op *o)
{
	return o->code == LOCK || o->code == UNLOCK ? &s->lock[o->a]
						    : &s->bit[o->a & (NB - 1)];
}

/* Which lock it is in ncpu.held. */
static u8 n_held_bit(const struct op *o)
{
	bool is_spin = o->code == LOCK || o->code == UNLOCK;

	return (u8)(1u << (is_spin ? o->a : NL + o->a));
}

/* What comes after it may be seen before the buffer is empty only where the model
 * is weak. */
static bool n_may_acquire(const struct ncpu *c)
{
	return !c->nr_sb || N.model == MEM_WEAK;
}

static bool n_lock(struct nstate *s, u32 ci, const struct op *o)
{
	struct ncpu *c = &s->c[ci];
	u8 *word = n_lock_of(s, o);

	if (o->code == BITTRY ? c->nr_sb != 0
	    : *word || (o->code != BITWAIT && !n_may_acquire(c)))
		return false;
	n_acquire(s, ci);
	c->pc++;
	if (o->code == BITWAIT || *word)
		return true;
	*word = (u8)(ci + 1);
	c->held |= n_held_bit(o);
	if (o->code == BITTRY)
		n_learn(&c->r, 1);
	return true;
}

static int n_unlock(struct nstate *s, u32 ci, const struct op *o)
{
	struct ncpu *c = &s->c[ci];
	u8 bit = n_held_bit(o);

	c->pc++;
	if (!(c->held & bit)) {
		n_go(s);
		return 1;
	}
	c->held &= (u8)~bit;
	return n_release(s, ci, o->code == UNLOCK ? K_UNLOCK : K_BITUNLOCK,
			 o->a);
}

static bool n_down(struct nstate *s, u32 ci, const struct op *o)
{
	struct ncpu *c = &s->c[ci];

	if (s->writer || (o->code == DOWN_WRITE && s->readers) ||
	    !n_may_acquire(c))
		return false;
	if (o->code == DOWN_READ)
		s->readers++;
	else
		s->writer = 1;
	n_acquire(s, ci);
	c->pc++;
	return true;
}

static bool n_up(struct nstate *s, u32 ci, const struct op *o)
{
	struct ncpu *c = &s->c[ci];

	if (c->nr_sb)
		return false;
	if (o->code == UP_READ)
		s->readers--;
	else
		s->writer = 0;
	if (o->code == DOWNGRADE)
		s->readers++;
	c->pc++;
	return true;
}

/* It begins, posts to one CPU after the other, and waits for all. */
static bool n_call(struct nstate *s, u32 ci, const struct op *o)
{
	struct ncpu *c = &s->c[ci];

	if (!c->call_at) {
		if (c->nr_sb)
			return false;
		n_acquire(s, ci);
		c->call_arg = (u8)c->r;
		c->call_fn = o->a;
		c->call_at = 1;
	} else if (c->call_at <= N.p->nr_cpus) {
		u32 to = c->call_at++ - 1u;

		if (to != ci && (o->k >> to & 1)) {
			s->c[to].q[s->c[to].nr_q++] = (u8)ci;
			c->acks++;
		}
	} else {
		if (c->acks)
			return false;
		c->call_at = c->call_arg = c->call_fn = 0;
		c->pc++;
	}
	return true;
}

/* What touches nothing that others see. */
static void n_private(struct ncpu *c, const struct op *o)
{
	switch (o->code) {
	case END:
		c->is_done = 1;
		return;
	case IRQ_OFF:
	case IRQ_ON:
		c->irq_off = o->code == IRQ_OFF;
		c->pc++;
		return;
	case SKIP_ODD:
		c->pc = (u8)(c->pc + ((c->r & 1) && o[1].code != END ? 2 : 1));
	}
}

static int n_step(const struct nstate *s0, u32 ci)
{
	struct nstate s = *s0;
	struct ncpu *c = &s.c[ci];
	const struct op *o = &N.p->op[ci][c->pc];
	bool is_enabled = true;

	if (c->is_done)
		return 0;
	switch (o->code) {
	case END:
	case IRQ_OFF:
	case IRQ_ON:
	case SKIP_ODD:
		n_private(c, o);
		break;
	case LOCK:
	case BITLOCK:
	case BITTRY:
	case BITWAIT:
		is_enabled = n_lock(&s, ci, o);
		break;
	case UNLOCK:
	case BITUNLOCK:
		return n_unlock(&s, ci, o);
	case DOWN_READ:
	case DOWN_WRITE:
		is_enabled = n_down(&s, ci, o);
		break;
	case UP_READ:
	case UP_WRITE:
	case DOWNGRADE:
		is_enabled = n_up(&s, ci, o);
		break;
	case CALL:
		is_enabled = n_call(&s, ci, o);
		break;
	default:
		return n_memory_op(s0, ci, o, false);
	}
	if (is_enabled)
		n_go(&s);
	return is_enabled;
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

	if (N.met.is_full || !state_set_add(&N.met, s))
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

bool naive(const struct prog *p, enum memory_model model, struct ends *out)
{
	struct nstate s;

	state_set_begin(&N.met, sizeof(s));
	N.p = p;
	N.model = model;
	N.ends = out;
	out->n = 0;
	out->is_violated = out->is_deadlocked = out->is_unfinished = false;
	memset(&s, 0, sizeof(s));
	for (u32 w = 0; w < NW; w++)
		s.nr_hist[w] = 1;
	n_explore(&s);
	return !N.met.is_full;
}
