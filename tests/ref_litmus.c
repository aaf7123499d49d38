#include "tests/ref_litmus.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "cpu/mmu.h"

enum { CPUS = 4, LOCS = 4, BUF = 8, TLB = 6, PSC = 4, REQ = 8 };

enum where { IN_FRAME, IN_PTE, IN_PDE };

struct store { u8 where, loc; u64 v; };
struct cached { u8 used, loc, big, w, u, d, g, pad; u16 pcid, pfn; };
struct upper { u8 used, loc, w, u; u16 pcid; };
struct request { u8 used, from, loc; };

struct thread {
	u64 reg[LITMUS_NR_REGS];
	struct store buf[BUF];
	struct cached tlb[TLB];
	struct upper psc[PSC];
	struct request req[REQ];
	u8 fault[LITMUS_MAX_INSNS + 1];
	u8 pc, n, is_entry, retries, irq_off, acks, in_space, pad;
	u16 pcid;
};

struct state {
	u64 frame[LOCS], pte[LOCS], pde[LOCS];
	struct thread c[CPUS];
};

struct search {
	const struct litmus *t;
	bool is_tso;
	struct hash128 *seen;
	u64 n, slots;
	struct state *todo;
	size_t nr_todo, cap_todo;
	struct ref_finals *out;
	u64 max;
};

/* ---- the set of states --------------------------------------------------------------- */

static bool is_new(struct search *x, const struct state *s)
{
	struct hash128 h = hash128(s, sizeof(*s));
	u64 i;

	h.hi |= 1;
	if (x->n * 2 >= x->slots) {
		u64 slots = x->slots ? 2 * x->slots : 4096;
		struct hash128 *p = calloc(slots, sizeof(*p));

		assert(p);
		for (u64 k = 0; k < x->slots; k++) {
			if (!x->seen[k].hi)
				continue;
			i = x->seen[k].lo & (slots - 1);
			while (p[i].hi)
				i = (i + 1) & (slots - 1);
			p[i] = x->seen[k];
		}
		free(x->seen);
		x->seen = p;
		x->slots = slots;
	}
	for (i = h.lo & (x->slots - 1); x->seen[i].hi;
	     i = (i + 1) & (x->slots - 1))
		if (x->seen[i].lo == h.lo && x->seen[i].hi == h.hi)
			return false;
	x->seen[i] = h;
	x->n++;
	return true;
}

static void reach(struct search *x, const struct state *s)
{
	if (!is_new(x, s))
		return;
	if (x->nr_todo == x->cap_todo) {
		x->cap_todo = x->cap_todo ? 2 * x->cap_todo : 256;
		x->todo = realloc(x->todo, x->cap_todo * sizeof(*s));
		assert(x->todo);
	}
	x->todo[x->nr_todo++] = *s;
}

/* ---- memory ----------------------------------------------------------------------------- */

static u64 *word(struct state *s, u8 where, u8 loc)
{
	return where == IN_FRAME ? &s->frame[loc]
	     : where == IN_PTE ? &s->pte[loc] : &s->pde[loc];
}

static bool buffered(const struct thread *c, u8 where, u8 loc)
{
	for (u32 i = 0; i < c->n; i++)
		if (c->buf[i].where == where && c->buf[i].loc == loc)
			return true;
	return false;
}

/* Return: false when the buffer is full: wait. */
static bool store(struct search *x, struct state *s, struct thread *c, u8 where,
		  u8 loc, u64 v)
{
	if (!x->is_tso) {
		*word(s, where, loc) = v;
		return true;
	}
	if (c->n == BUF)
		return false;
	c->buf[c->n].where = where;
	c->buf[c->n].loc = loc;
	c->buf[c->n++].v = v;
	return true;
}

static u64 load(struct state *s, const struct thread *c, u8 where, u8 loc)
{
	u64 v = *word(s, where, loc);

	for (u32 i = 0; i < c->n; i++)
		if (c->buf[i].where == where && c->buf[i].loc == loc)
			v = c->buf[i].v;
	return v;
}

/* ---- caches: sorted sets of small structs -------------------------------------------------- */

static int by_bytes_cached(const void *a, const void *b)
{
	return -memcmp(a, b, sizeof(struct cached));
}

static int by_bytes_upper(const void *a, const void *b)
{
	return -memcmp(a, b, sizeof(struct upper));
}

static int by_bytes_request(const void *a, const void *b)
{
	return -memcmp(a, b, sizeof(struct request));
}

static void sort(struct thread *c)
{
	qsort(c->tlb, TLB, sizeof(c->tlb[0]), by_bytes_cached);
	qsort(c->psc, PSC, sizeof(c->psc[0]), by_bytes_upper);
	qsort(c->req, REQ, sizeof(c->req[0]), by_bytes_request);
}

static void fill_tlb(struct search *x, struct thread *c, struct cached e)
{
	int at = -1;

	e.used = 1;
	for (int i = 0; i < TLB; i++) {
		struct cached *k = &c->tlb[i];

		if (k->used && k->loc == e.loc && k->big == e.big &&
		    k->pcid == e.pcid) {
			*k = e;
			return;
		}
		if (!k->used && at < 0)
			at = i;
	}
	if (at < 0)
		x->out->is_unfinished = true;
	else
		c->tlb[at] = e;
}

static void drop_tlb(struct thread *c, int i)
{
	memset(&c->tlb[i], 0, sizeof(c->tlb[i]));
}

static void drop_psc(struct thread *c, int i)
{
	memset(&c->psc[i], 0, sizeof(c->psc[i]));
}

static void drop_fault(struct thread *c, u8 loc)
{
	for (int i = 0; i < TLB; i++)
		if (c->tlb[i].used && c->tlb[i].loc == loc &&
		    (c->tlb[i].pcid == c->pcid || c->tlb[i].g))
			drop_tlb(c, i);
	for (int i = 0; i < PSC; i++)
		if (c->psc[i].used && c->psc[i].loc == loc &&
		    c->psc[i].pcid == c->pcid)
			drop_psc(c, i);
}

static void invlpg(struct thread *c, u8 loc, bool all)
{
	for (int i = 0; i < TLB; i++)
		if (c->tlb[i].used && c->tlb[i].loc == loc &&
		    (all || c->tlb[i].pcid == c->pcid || c->tlb[i].g))
			drop_tlb(c, i);
	for (int i = 0; i < PSC; i++)
		if (c->psc[i].used && (all || c->psc[i].pcid == c->pcid))
			drop_psc(c, i);
}

/* ---- walks --------------------------------------------------------------------------------- */

static struct cached from_entry(const struct thread *c, u8 loc, u64 v, u8 big)
{
	return (struct cached){
		.used = 1, .loc = loc, .big = big, .w = !!(v & PTE_RW),
		.u = !!(v & PTE_US), .d = !!(v & PTE_D), .g = !!(v & PTE_G),
		.pcid = c->pcid, .pfn = (u16)pte_pfn(v),
	};
}

static const struct upper *find_psc(const struct thread *c, u8 loc)
{
	for (int i = 0; i < PSC; i++)
		if (c->psc[i].used && c->psc[i].loc == loc &&
		    c->psc[i].pcid == c->pcid)
			return &c->psc[i];
	return NULL;
}

/* What a walk does next. */
enum walked { WAITS, FAULTS, MADE_UPPER, MADE };

/* One load of a walk and what follows at once. */
static enum walked walk(struct search *x, struct state *s, struct thread *c,
			u8 loc, struct cached *e, u8 *class)
{
	const struct upper *up = NULL;
	u64 *v;

	if (!c->in_space) {
		*class = x->t->has_pde ? MMU_FAULT_PDE : MMU_FAULT_PTE;
		return FAULTS;
	}
	if (x->t->has_pde)
		up = find_psc(c, loc);
	if (x->t->has_pde && !up) {
		v = &s->pde[loc];
		if (buffered(c, IN_PDE, loc))
			return WAITS;
		*class = MMU_FAULT_PDE;
		if (!(*v & PTE_P))
			return FAULTS;
		*v |= PTE_A;
		if (*v & PTE_PS) {
			*e = from_entry(c, loc, *v, 1);
			return MADE;
		}
		for (int i = 0; i < PSC; i++)
			if (!c->psc[i].used) {
				c->psc[i] = (struct upper){ 1, loc,
					!!(*v & PTE_RW), !!(*v & PTE_US),
					c->pcid };
				return MADE_UPPER;
			}
		x->out->is_unfinished = true;
		return WAITS;
	}
	v = &s->pte[loc];
	if (buffered(c, IN_PTE, loc))
		return WAITS;
	*class = MMU_FAULT_PTE;
	if (!(*v & PTE_P))
		return FAULTS;
	*v |= PTE_A;
	*e = from_entry(c, loc, *v, 0);
	if (up) {
		e->w &= up->w;
		e->u &= up->u;
	}
	return MADE;
}

/* ---- one access ------------------------------------------------------------------------------ */

static void end_insn(struct thread *c)
{
	c->pc++;
	c->retries = 0;
}

static void fault(struct search *x, struct thread *c, u8 cpu, u8 loc, u8 class)
{
	drop_fault(c, loc);
	if (x->t->insn[cpu][c->pc].label >= 0)
		c->fault[c->pc] |= class;
	if (x->t->is_fatal)
		c->pc = (u8)x->t->nr_insns[cpu];
	else if (c->retries < x->t->retries)
		c->retries++;
	else
		end_insn(c);
}

static void set_reg(struct thread *c, u8 reg, u64 v, bool is_entry)
{
	c->reg[reg] = v;
	c->is_entry = (u8)((c->is_entry & ~(1u << reg)) |
			   (is_entry ? 1u << reg : 0));
}

/* @e translates; it is TLB entry @i, or was just made. */
static void use(struct search *x, struct state s, u8 cpu, struct cached e, int i)
{
	const struct litmus_insn *in = &x->t->insn[cpu][s.c[cpu].pc];
	struct thread *c = &s.c[cpu];
	bool is_store = in->op == LIT_STORE;
	u8 lack = (u8)((e.u ? 0 : MMU_FAULT_US) |
		       (is_store && !e.w ? MMU_FAULT_RW : 0));
	u64 *leaf = e.big ? &s.pde[e.loc] : &s.pte[e.loc];

	if (i < 0)
		fill_tlb(x, c, e);
	if (!lack && is_store && !e.d) {
		if (buffered(c, e.big ? IN_PDE : IN_PTE, e.loc) ||
		    (e.big && !(*leaf & PTE_PS)))
			return;
		if (!(*leaf & PTE_P)) {
			lack = MMU_FAULT_PTE;
		} else if (!(*leaf & PTE_RW) && !x->t->is_precet) {
			lack = MMU_FAULT_RW;
		} else {
			*leaf |= PTE_D;
			e.d = 1;
			e.pfn = (u16)pte_pfn(*leaf);
			fill_tlb(x, c, e);
		}
	}
	if (lack) {
		fault(x, c, cpu, in->loc, lack);
	} else if (is_store) {
		if (!store(x, &s, c, IN_FRAME, (u8)(e.pfn - 1), in->from_reg
			   ? c->reg[in->reg] : in->value))
			return;
		end_insn(c);
	} else {
		set_reg(c, in->reg, load(&s, c, IN_FRAME, (u8)(e.pfn - 1)),
			false);
		end_insn(c);
	}
	sort(c);
	reach(x, &s);
}

static void access(struct search *x, struct state s, u8 cpu)
{
	struct thread *c = &s.c[cpu];
	u8 loc = x->t->insn[cpu][c->pc].loc, class = 0;
	bool is_hit = false;
	struct cached e;

	for (int i = 0; i < TLB; i++)
		if (c->tlb[i].used && c->tlb[i].loc == loc &&
		    (c->tlb[i].pcid == c->pcid || c->tlb[i].g)) {
			is_hit = true;
			use(x, s, cpu, c->tlb[i], i);
		}
	if (is_hit)
		return;
	switch (walk(x, &s, c, loc, &e, &class)) {
	case WAITS:
		return;
	case MADE:
		use(x, s, cpu, e, -1);
		return;
	case FAULTS:
		fault(x, c, cpu, loc, class);
		break;
	case MADE_UPPER:
		break;
	}
	sort(c);
	reach(x, &s);
}

/* ---- the other instructions -------------------------------------------------------------------- */

static bool has_service(const struct litmus *t, u8 cpu)
{
	for (u32 i = 0; i < t->nr_insns[cpu]; i++)
		if (t->insn[cpu][i].op == LIT_SERVICE)
			return true;
	return false;
}

static void post(struct search *x, struct state *s, u8 from,
		 const struct litmus_insn *in)
{
	for (u8 to = 0; to < x->t->nr_cpus; to++) {
		int at = -1;

		if (!(in->mask >> to & 1))
			continue;
		for (int i = 0; i < REQ && at < 0; i++)
			if (!s->c[to].req[i].used)
				at = i;
		if (at < 0) {
			x->out->is_unfinished = true;
			continue;
		}
		s->c[to].req[at] = (struct request){ 1, from, in->loc };
		s->c[from].acks++;
		sort(&s->c[to]);
	}
}

/* Request @i of @cpu is taken. */
static void take(struct search *x, struct state *s, u8 cpu, int i)
{
	struct thread *c = &s->c[cpu];
	struct request r = c->req[i];

	memset(&c->req[i], 0, sizeof(c->req[i]));
	invlpg(c, r.loc, true);
	s->c[r.from].acks--;
	sort(c);
}

static bool entry_op(struct search *x, struct state *s, struct thread *c,
		     const struct litmus_insn *in)
{
	u8 where = in->level ? IN_PDE : IN_PTE;
	u64 *v = word(s, where, in->loc);

	switch (in->op) {
	case LIT_STORE_PTE:
		return store(x, s, c, where, in->loc, in->value);
	case LIT_LOAD_PTE:
		set_reg(c, in->reg, load(s, c, where, in->loc), true);
		return true;
	}
	if (c->n)
		return false;
	set_reg(c, in->reg, *v, true);
	*v = in->op == LIT_XCHG_PTE ? in->value
				    : (*v & ~in->clear) | in->value;
	return true;
}

static bool frame_op(struct search *x, struct state *s, struct thread *c,
		     const struct litmus_insn *in)
{
	u64 *v = &s->frame[in->loc], old = *v;

	switch (in->op) {
	case LIT_STORE_PHY:
		return store(x, s, c, IN_FRAME, in->loc, in->from_reg
			     ? c->reg[in->reg] : in->value);
	case LIT_UNLOCK:
		return store(x, s, c, IN_FRAME, in->loc, 0);
	case LIT_LOAD_PHY:
		set_reg(c, in->reg, load(s, c, IN_FRAME, in->loc), false);
		return true;
	}
	if (c->n || (in->op == LIT_LOCK && old))
		return false;
	if (in->op == LIT_LOCK) {
		*v = 1;
	} else if (in->op == LIT_ADD_PHY) {
		*v += in->value;
	} else {
		*v = c->reg[in->reg];
		set_reg(c, in->reg, old, false);
	}
	return true;
}

/* Return: false when it cannot be done now. */
static bool hardware_op(struct search *x, struct state *s, u8 cpu,
			const struct litmus_insn *in)
{
	struct thread *c = &s->c[cpu];

	switch (in->op) {
	case LIT_MFENCE:
		return !c->n;
	case LIT_INVLPG:
		if (c->n)
			return false;
		invlpg(c, in->loc, false);
		return true;
	case LIT_CR3:
		if (c->n)
			return false;
		c->pcid = (u16)in->value;
		c->in_space = 1;
		for (int i = 0; i < TLB && !in->noflush; i++)
			if (c->tlb[i].used && c->tlb[i].pcid == c->pcid &&
			    !c->tlb[i].g)
				drop_tlb(c, i);
		for (int i = 0; i < PSC && !in->noflush; i++)
			if (c->psc[i].used && c->psc[i].pcid == c->pcid)
				drop_psc(c, i);
		return true;
	case LIT_IPI:
		if (c->n)
			return false;
		post(x, s, cpu, in);
		return true;
	case LIT_WAIT:
		return !c->acks;
	case LIT_CLI:
	case LIT_STI:
		c->irq_off = in->op == LIT_CLI;
		return true;
	}
	return false;
}

static void execute(struct search *x, const struct state *from, u8 cpu)
{
	const struct litmus_insn *in = &x->t->insn[cpu][from->c[cpu].pc];
	struct state s = *from;
	struct thread *c = &s.c[cpu];
	bool ok;

	switch (in->op) {
	case LIT_STORE:
	case LIT_LOAD:
		access(x, s, cpu);
		return;
	case LIT_SERVICE:
		for (int i = 0; i < REQ && !c->n; i++) {
			if (!from->c[cpu].req[i].used)
				continue;
			s = *from;
			take(x, &s, cpu, i);
			end_insn(c);
			reach(x, &s);
		}
		return;
	case LIT_SET:
		set_reg(c, in->reg, in->value, false);
		ok = true;
		break;
	case LIT_STORE_PTE:
	case LIT_LOAD_PTE:
	case LIT_XCHG_PTE:
	case LIT_FLD:
		ok = entry_op(x, &s, c, in);
		break;
	case LIT_STORE_PHY:
	case LIT_LOAD_PHY:
	case LIT_XCHG_PHY:
	case LIT_ADD_PHY:
	case LIT_LOCK:
	case LIT_UNLOCK:
		ok = frame_op(x, &s, c, in);
		break;
	default:
		ok = hardware_op(x, &s, cpu, in);
	}
	if (!ok)
		return;
	end_insn(c);
	sort(c);
	reach(x, &s);
}

/* ---- what hardware does by itself ----------------------------------------------------------------- */

static void drain(struct search *x, const struct state *from, u8 cpu)
{
	struct state s = *from;
	struct thread *c = &s.c[cpu];

	*word(&s, c->buf[0].where, c->buf[0].loc) = c->buf[0].v;
	c->n--;
	memmove(&c->buf[0], &c->buf[1], sizeof(c->buf[0]) * c->n);
	memset(&c->buf[c->n], 0, sizeof(c->buf[0]));
	reach(x, &s);
}

static void deliver(struct search *x, const struct state *from, u8 cpu)
{
	for (int i = 0; i < REQ; i++) {
		struct state s = *from;

		if (!s.c[cpu].req[i].used)
			continue;
		take(x, &s, cpu, i);
		reach(x, &s);
	}
}

static void evict(struct search *x, const struct state *from, u8 cpu)
{
	for (int i = 0; i < TLB + PSC; i++) {
		struct state s = *from;
		struct thread *c = &s.c[cpu];

		if (i < TLB ? !c->tlb[i].used : !c->psc[i - TLB].used)
			continue;
		if (i < TLB)
			drop_tlb(c, i);
		else
			drop_psc(c, i - TLB);
		sort(c);
		reach(x, &s);
	}
}

static void speculate(struct search *x, const struct state *from, u8 cpu)
{
	for (u8 loc = 0; loc < x->t->nr_locs; loc++) {
		struct state s = *from;
		struct thread *c = &s.c[cpu];
		struct cached e;
		u8 class;

		if (!c->in_space)
			return;
		switch (walk(x, &s, c, loc, &e, &class)) {
		case MADE:
			fill_tlb(x, c, e);
			break;
		case MADE_UPPER:
			break;
		default:
			continue;
		}
		sort(c);
		reach(x, &s);
	}
}

/* ---- the search -------------------------------------------------------------------------------------- */

static void begin(const struct litmus *t, struct state *s)
{
	memset(s, 0, sizeof(*s));
	for (u32 i = 0; i < t->nr_locs; i++) {
		s->frame[i] = t->frame[i];
		s->pte[i] = t->entry[0][i];
		s->pde[i] = t->has_pde ? t->entry[1][i] : 0;
	}
	for (u32 i = 0; i < t->nr_cpus; i++) {
		memcpy(s->c[i].reg, t->reg[i], sizeof(t->reg[i]));
		s->c[i].in_space = t->cr3[i] >= 0;
		s->c[i].pcid = t->cr3[i] >= 0 ? (u16)t->cr3[i] : 4095;
	}
	for (u32 i = 0; i < t->nr_tlb; i++) {
		const struct litmus_tlb *k = &t->tlb[i];
		struct thread *c = &s->c[k->cpu];
		struct cached e = from_entry(c, k->loc, k->value,
					     k->level && t->has_pde);

		if (t->cr3[k->cpu] < 0)
			e.pcid = 0;
		for (int j = 0; j < TLB; j++)
			if (!c->tlb[j].used) {
				c->tlb[j] = e;
				break;
			}
		sort(c);
	}
}

static void add_final(struct search *x, const struct state *s)
{
	struct ref_finals *o = x->out;
	struct litmus_state f;

	memset(&f, 0, sizeof(f));
	memcpy(f.frame, s->frame, sizeof(s->frame));
	memcpy(f.entry[0], s->pte, sizeof(s->pte));
	memcpy(f.entry[1], s->pde, sizeof(s->pde));
	for (u32 i = 0; i < x->t->nr_cpus; i++) {
		memcpy(f.reg[i], s->c[i].reg, sizeof(f.reg[i]));
		memcpy(f.fault[i], s->c[i].fault, sizeof(f.fault[i]));
		f.is_entry[i] = s->c[i].is_entry;
	}
	for (u32 i = 0; i < o->n; i++)
		if (!memcmp(&o->s[i], &f, sizeof(f)))
			return;
	o->s = realloc(o->s, (o->n + 1) * sizeof(*o->s));
	assert(o->s);
	o->s[o->n++] = f;
}

static void expand(struct search *x, const struct state *s)
{
	bool is_final = true;

	for (u8 i = 0; i < x->t->nr_cpus; i++) {
		const struct thread *c = &s->c[i];
		bool is_done = c->pc >= x->t->nr_insns[i];

		is_final &= is_done && !c->n && !c->req[0].used;
		if (!is_done)
			execute(x, s, i);
		if (c->n)
			drain(x, s, i);
		else if (!c->irq_off && !has_service(x->t, i))
			deliver(x, s, i);
		evict(x, s, i);
		speculate(x, s, i);
	}
	if (is_final)
		add_final(x, s);
}

void ref_litmus(const struct litmus *t, bool is_tso, u64 max_states,
		struct ref_finals *out)
{
	struct search x = { .t = t, .is_tso = is_tso, .out = out };
	struct state s;

	memset(out, 0, sizeof(*out));
	assert(t->nr_cpus <= CPUS && t->nr_locs <= LOCS);
	begin(t, &s);
	reach(&x, &s);
	while (x.nr_todo && !out->is_unfinished) {
		s = x.todo[--x.nr_todo];
		expand(&x, &s);
		out->is_unfinished |= x.n > max_states;
	}
	out->states = x.n;
	free(x.seen);
	free(x.todo);
}
