/* The litmus machine: a stage of bare hardware, and a task a thread that
 * interprets its column with the operations that the modelled kernel uses.
 *
 * Registers and positions are in the arena, so that a task knows nothing
 * between two instructions.
 *
 * Arm-like: the weak model's store buffers, and loads that are done late: a
 * load's translation is in order, its value may come after later instructions
 * that do not depend on it, which is load buffering. Locked operations and
 * MFENCE order everything, SPIN_LOCK acquires, SPIN_UNLOCK releases, and a
 * request is acknowledged after the loads that were translated before it (as a
 * DSB after TLBI waits for them).
 */
#include "workloads/litmus.h"

#include <errno.h>
#include <string.h>

#include "cpu/direct.h"
#include "cpu/mmu.h"
#include "cpu/step.h"

#define ARENA_BYTES (1u << 20)
#define MAX_LATE 4
#define ROOT (2 * LITMUS_MAX_LOCS + 1)
#define NO_ROOT (ROOT + 1)
#define NR_FRAMES (NO_ROOT + 1)
#define NO_PCID 4095

/* What a thread knows; in the arena. */
struct thread {
	u64 reg[LITMUS_NR_REGS];
	u8 is_entry;            /* bit per register                           */
	u8 pc;
	u8 retries;
	u8 nr_late;
	u8 late_reg[MAX_LATE];  /* loads under way, oldest first              */
	u8 late_loc[MAX_LATE];
	u8 fault[LITMUS_MAX_INSNS + 1];
};

static struct {
	const struct litmus *t;
	struct thread *thread;          /* [cpu], in the arena                */
	struct task task[LITMUS_MAX_CPUS];
	u8 uses_until[LITMUS_MAX_CPUS][LITMUS_MAX_LOCS];  /* 1 + instruction  */
	bool keeps_all;
} L;

static u64 vpn_of(u32 loc)
{
	const struct paging *p = &the_sys->mem.paging;

	return (u64)loc << paging_order(p, p->levels - 1u);
}

static u64 *word_of(u32 loc)
{
	return &the_sys->mem.line[litmus_frame(loc)];
}

static u64 *entry_of(u32 loc, u32 level)
{
	const struct memory *mem = &the_sys->mem;

	if (level == mem->paging.levels - 1u)
		return &mem->table[ROOT][loc];
	return &mem->table[litmus_table(loc)][0];
}

static struct thread *me(void)
{
	return &L.thread[this_cpu->id];
}

/* ---- loads that are done late ------------------------------------------------------ */

static void set_reg(struct thread *t, u32 reg, u64 v, bool is_entry)
{
	t->reg[reg] = v;
	t->is_entry &= (u8)~(1u << reg);
	if (is_entry)
		t->is_entry |= (u8)(1u << reg);
}

static u64 load_word(u32 loc)
{
	const u64 *w = word_of(loc);
	struct storebuf *sb = this_cpu->s->sb;
	u64 v;

	touch(w, false);
	v = *w;
	if (sb) {
		touch(sb, false);
		v = sb_forward(sb, arena_offset(&the_sys->arena, w), v);
	}
	observe(v);
	return v;
}

/* The @i-th late load is done: a step. No interrupt comes between, since its
 * handler does them all. */
static void do_late(u32 i)
{
	struct thread *t = me();
	u32 reg = t->late_reg[i], loc = t->late_loc[i];

	this_cpu->s->irq_off++;
	step(word_of(loc), false, 0);
	this_cpu->s->irq_off--;
	set_reg(t, reg, load_word(loc), false);
	t->nr_late--;
	for (; i < t->nr_late; i++) {
		t->late_reg[i] = t->late_reg[i + 1];
		t->late_loc[i] = t->late_loc[i + 1];
	}
	t->late_reg[t->nr_late] = t->late_loc[t->nr_late] = 0;
}

static void do_all_late(void)
{
	while (me()->nr_late)
		do_late(0);
}

/* Hardware does some of them now, in any order that keeps each word's. */
static void do_some_late(void)
{
	struct thread *t = me();

	while (t->nr_late) {
		u32 at[MAX_LATE], n = 0, pick;

		for (u32 i = 0; i < t->nr_late; i++) {
			bool is_first = true;

			for (u32 j = 0; j < i; j++)
				is_first &= t->late_loc[j] != t->late_loc[i];
			if (is_first)
				at[n++] = i;
		}
		pick = the_sys->drv.choose(n + 1);
		if (!pick)
			return;
		do_late(at[pick - 1]);
	}
}

static bool orders_all(const struct litmus_insn *i)
{
	switch (i->op) {
	case LIT_XCHG_PHY:
	case LIT_ADD_PHY:
	case LIT_XCHG_PTE:
	case LIT_FLD:
	case LIT_MFENCE:
	case LIT_INVLPG:
	case LIT_CR3:
	case LIT_IPI:
	case LIT_WAIT:
	case LIT_SERVICE:
	case LIT_UNLOCK:
		return true;
	}
	return false;
}

static bool names_reg(const struct litmus_insn *i, u32 reg)
{
	switch (i->op) {
	case LIT_STORE:
	case LIT_STORE_PHY:
		return i->from_reg && i->reg == reg;
	case LIT_LOAD:
	case LIT_SET:
	case LIT_LOAD_PHY:
	case LIT_XCHG_PHY:
	case LIT_LOAD_PTE:
	case LIT_XCHG_PTE:
	case LIT_FLD:
		return i->reg == reg;
	}
	return false;
}

/* Late loads that must be done before @i begins. */
static void settle_late(const struct litmus_insn *i)
{
	struct thread *t = me();

	if (orders_all(i)) {
		do_all_late();
		return;
	}
	do_some_late();
	for (u32 k = 0; k < t->nr_late; )
		if (names_reg(i, t->late_reg[k])) {
			/* Those before it to the same word come first. */
			do_all_late();
			return;
		} else {
			k++;
		}
}

/* The word of @loc is accessed now: earlier loads of it come first. */
static void settle_word(u32 loc)
{
	struct thread *t = me();

	for (u32 k = 0; k < t->nr_late; )
		if (t->late_loc[k] == loc)
			do_late(k);
		else
			k++;
}

/* A load whose step this is: now, or late. */
static void load_into(u32 reg, u32 loc)
{
	struct thread *t = me();

	for (u32 k = 0; k < t->nr_late; k++)
		if (t->late_loc[k] == loc) {
			settle_word(loc);
			break;
		}
	if (the_sys->memory_model == MEM_WEAK && t->nr_late < MAX_LATE &&
	    t->pc + 1u < L.t->nr_insns[this_cpu->id] &&
	    the_sys->drv.choose(2)) {
		t->late_reg[t->nr_late] = (u8)reg;
		t->late_loc[t->nr_late++] = (u8)loc;
		return;
	}
	set_reg(t, reg, load_word(loc), false);
}

/* ---- instructions -------------------------------------------------------------------- */

static u64 source(const struct litmus_insn *i)
{
	return i->from_reg ? me()->reg[i->reg] : i->value;
}

/* A store with loads under way: those of other words may come after it. */
static int store_past_late(const struct litmus_insn *i, u64 v)
{
	u64 pfn, *w;
	int rc = cpu_translate(vpn_of(i->loc), true, &pfn);

	if (rc)
		return rc;
	/* Still this instruction: no interrupt between. */
	this_cpu->s->irq_off++;
	w = word_of((u32)pfn - 1);
	settle_word((u32)pfn - 1);
	word_write(w, sizeof(*w), v, 0);
	this_cpu->s->irq_off--;
	return 0;
}

/* Accesses through translation. Return: true when the thread goes on. */
static bool user_access(const struct litmus_insn *i)
{
	struct thread *t = me();
	u64 v = source(i), pfn;
	int rc;

	if (i->op == LIT_STORE && t->nr_late) {
		rc = store_past_late(i, v);
	} else if (i->op == LIT_STORE) {
		rc = cpu_access(vpn_of(i->loc), 0, true, &v);
	} else {
		rc = cpu_translate(vpn_of(i->loc), false, &pfn);
		if (!rc)
			load_into(i->reg, (u32)pfn - 1);
	}
	if (!rc)
		return true;
	if (i->label >= 0)
		t->fault[t->pc] |= this_cpu->mmu_fault;
	if (L.t->is_fatal) {
		t->pc = (u8)L.t->nr_insns[this_cpu->id];
		return false;
	}
	if (t->retries == L.t->retries)
		return true;
	t->retries++;
	return false;
}

static void pte_access(const struct litmus_insn *i)
{
	u64 *pte = entry_of(i->loc, i->level), vpn = vpn_of(i->loc);

	switch (i->op) {
	case LIT_STORE_PTE:
		pte_store(ROOT, vpn, i->level, pte, i->value);
		break;
	case LIT_LOAD_PTE:
		set_reg(me(), i->reg, pte_load(pte), true);
		break;
	case LIT_XCHG_PTE:
		set_reg(me(), i->reg, pte_modify(ROOT, vpn, i->level, pte,
						 ~0ull, i->value), true);
		break;
	case LIT_FLD:
		set_reg(me(), i->reg, pte_modify(ROOT, vpn, i->level, pte,
						 i->clear, i->value), true);
		break;
	}
}

static void phy_access(const struct litmus_insn *i)
{
	u64 *w = word_of(i->loc);

	settle_word(i->loc);
	switch (i->op) {
	case LIT_STORE_PHY:
		word_write(w, sizeof(*w), source(i), 0);
		break;
	case LIT_LOAD_PHY:
		step(w, false, 0);
		load_into(i->reg, i->loc);
		break;
	case LIT_XCHG_PHY:
		set_reg(me(), i->reg, word_xchg(w, sizeof(*w), me()->reg[i->reg],
						0), false);
		break;
	case LIT_ADD_PHY:
		word_add(w, sizeof(*w), i->value, 0);
		break;
	case LIT_LOCK:
		word_lock(w);
		break;
	case LIT_UNLOCK:
		word_unlock(w);
		break;
	}
}

static bool has_service(u32 cpu)
{
	for (u32 i = 0; i < L.t->nr_insns[cpu]; i++)
		if (L.t->insn[cpu][i].op == LIT_SERVICE)
			return true;
	return false;
}

static void hardware(const struct litmus_insn *i)
{
	bool is_polling = has_service(this_cpu->id);
	struct cpu_state *s = this_cpu->s;

	switch (i->op) {
	case LIT_MFENCE:
		smp_mb();
		break;
	case LIT_INVLPG:
		cpu_serialise(s->env);
		mmu_invlpg(vpn_of(i->loc), false);
		break;
	case LIT_CR3:
		cpu_serialise(s->env);
		mmu_load_cr3(ROOT, (u16)i->value, i->noflush);
		break;
	case LIT_IPI:
		smp_post(i->mask, (u16)(i->loc + 1));
		break;
	case LIT_WAIT:
		smp_wait_acks();
		break;
	case LIT_SERVICE:
		cpu_poll_irq();
		break;
	case LIT_CLI:
		if (!s->irq_off && !is_polling)
			local_irq_disable();
		break;
	case LIT_STI:
		if (s->irq_off && !is_polling)
			local_irq_enable();
		break;
	}
}

/* Return: true when the thread goes on to the next one. */
static bool execute(const struct litmus_insn *i)
{
	if (the_sys->memory_model == MEM_WEAK)
		settle_late(i);
	switch (i->op) {
	case LIT_STORE:
	case LIT_LOAD:
		return user_access(i);
	case LIT_SET:
		set_reg(me(), i->reg, i->value, false);
		return true;
	case LIT_STORE_PTE:
	case LIT_LOAD_PTE:
	case LIT_XCHG_PTE:
	case LIT_FLD:
		pte_access(i);
		return true;
	case LIT_STORE_PHY:
	case LIT_LOAD_PHY:
	case LIT_XCHG_PHY:
	case LIT_ADD_PHY:
	case LIT_LOCK:
	case LIT_UNLOCK:
		phy_access(i);
		return true;
	}
	hardware(i);
	return true;
}

static bool may_use(u32 cpu, u64 vpn)
{
	const struct paging *p = &the_sys->mem.paging;
	u32 loc = (u32)(vpn >> paging_order(p, p->levels - 1u));

	return L.keeps_all || (loc < LITMUS_MAX_LOCS &&
			       L.thread[cpu].pc < L.uses_until[cpu][loc]);
}

/* What is cached and cannot be used any more is the same as nothing. */
static void prune(void)
{
	struct envelope *env = this_cpu->s->env;

	for (u32 i = env->n; i-- > 0; )
		if (!may_use(this_cpu->id, env->e[i].vpn)) {
			touch(env, true);
			envelope_drop(env, i);
		}
}

static void run_thread(struct task *task)
{
	const u32 cpu = task->cpu;
	struct thread *t = &L.thread[cpu];

	while (t->pc < L.t->nr_insns[cpu]) {
		if (execute(&L.t->insn[cpu][t->pc])) {
			t->pc++;
			t->retries = 0;
		}
		if (the_sys->is_by_manual)
			prune();
		obs_restore(0);
	}
	do_all_late();
}

/* ---- the machine's side ----------------------------------------------------------------- */

static int on_fault(u64 vpn, bool is_write)
{
	return 1;               /* the access is dropped */
}

static void on_store(u32 cpu, u64 vpn, u64 pfn, u32 line, u64 value)
{
}

static void on_load(u64 vpn, u64 pfn, u32 line, u64 value)
{
}

static void on_request(u16 what)
{
	do_all_late();
	mmu_invlpg(vpn_of(what - 1u), true);
	prune();
}

static int stage_tables(const struct litmus *t)
{
	struct memory *mem = &the_sys->mem;
	u32 bytes = paging_entries(&mem->paging) * (u32)sizeof(u64);

	mem->table[ROOT] = arena_alloc(&the_sys->arena, bytes);
	mem->table[NO_ROOT] = arena_alloc(&the_sys->arena, bytes);
	if (!mem->table[ROOT] || !mem->table[NO_ROOT])
		return -ENOMEM;
	for (u32 i = 0; i < t->nr_locs; i++) {
		*word_of(i) = t->frame[i];
		if (mem->paging.levels > 1) {
			mem->table[litmus_table(i)] =
				arena_alloc(&the_sys->arena, bytes);
			if (!mem->table[litmus_table(i)])
				return -ENOMEM;
		}
		for (u32 level = 0; level < mem->paging.levels; level++)
			*entry_of(i, level) = t->entry[level][i];
	}
	return 0;
}

static int stage_cpu(const struct litmus *t, u32 i)
{
	struct cpu_state *s = the_sys->cpu[i].s;

	memcpy(L.thread[i].reg, t->reg[i], sizeof(t->reg[i]));
	s->root = t->cr3[i] < 0 ? NO_ROOT : ROOT;
	s->pcid = t->cr3[i] < 0 ? NO_PCID : (u16)t->cr3[i];
	s->irq_off = has_service(i);
	L.task[i] = (struct task){ .name = "thread", .fn = run_thread,
				   .cpu = i };
	return sys_start(&L.task[i]);
}

static void stage_tlb(const struct litmus *t, const struct litmus_tlb *x)
{
	u32 level = x->level && the_sys->mem.paging.levels > 1 ? 1 : 0;
	struct tlb_entry e;

	memset(&e, 0, sizeof(e));
	e.order = (u8)paging_order(&the_sys->mem.paging, level);
	e.vpn = vpn_of(x->loc);
	e.pfn = pte_pfn(x->value);
	e.zero = level || the_sys->mem.paging.levels == 1
		? ROOT : litmus_table(x->loc);
	e.pcid = t->cr3[x->cpu] < 0 ? 0 : (u16)t->cr3[x->cpu];
	e.flags = (u8)((x->value & PTE_RW ? TLB_W : 0) |
		       (x->value & PTE_US ? TLB_U : 0) |
		       (x->value & PTE_D ? TLB_D : 0) |
		       (x->value & PTE_G ? TLB_G : 0));
	envelope_retire(the_sys->cpu[x->cpu].s->env, &e);
}

static void find_uses(const struct litmus *t)
{
	bool clears_a = false;

	memset(L.uses_until, 0, sizeof(L.uses_until));
	for (u32 i = 0; i < t->nr_locs; i++)
		clears_a |= !(t->entry[0][i] & t->entry[1][i] & PTE_A);
	for (u32 cpu = 0; cpu < t->nr_cpus; cpu++)
		for (u32 i = 0; i < t->nr_insns[cpu]; i++) {
			const struct litmus_insn *x = &t->insn[cpu][i];

			if (x->op == LIT_LOAD || x->op == LIT_STORE)
				L.uses_until[cpu][x->loc] = (u8)(i + 1);
			if (x->op == LIT_STORE_PTE || x->op == LIT_XCHG_PTE)
				clears_a |= !(x->value & PTE_A);
			if (x->op == LIT_FLD)
				clears_a |= (x->clear & PTE_A) &&
					    !(x->value & PTE_A);
		}
	/* A cached upper entry may still lead to one whose A is to be set. */
	L.keeps_all = clears_a && t->has_pde;
}

int litmus_open(struct sys **out, const struct litmus *t,
		const struct machine *m, const struct litmus_hw *hw)
{
	struct sys_config cfg = {
		.m = m,
		.arena_bytes = ARENA_BYTES,
		.nr_cpus = t->nr_cpus,
		.memory_model = hw->memory,
		.is_explored = true,
		.is_reduced = hw->is_reduced,
		.may_speculate = hw->may_speculate,
		.may_evict = hw->may_evict,
		.is_by_manual = true,
		.has_unchecked_assist = t->is_precet,
		.max_posts = LITMUS_MAX_INSNS,
		.paging = { .levels = t->has_pde ? 2 : 1, .bits = 1 },
		.lines_per_frame = 1,
		.frames_per_node = (NR_FRAMES + 1) / 2,
	};
	struct sys *sys;
	int rc;

	while (1u << cfg.paging.bits < t->nr_locs)
		cfg.paging.bits++;
	rc = sys_create(&sys, &cfg);
	if (rc)
		return rc;
	direct_install(sys);
	sys->os = (struct os_ops){ .fault = on_fault, .commit_store = on_store,
				   .loaded = on_load, .posted = on_request,
				   .may_use = may_use };
	L.t = t;
	find_uses(t);
	L.thread = arena_alloc(&sys->arena, t->nr_cpus * sizeof(*L.thread));
	rc = L.thread ? stage_tables(t) : -ENOMEM;
	for (u32 i = 0; !rc && i < t->nr_cpus; i++)
		rc = stage_cpu(t, i);
	if (rc) {
		sys_destroy(sys);
		return rc;
	}
	for (u32 i = 0; i < t->nr_tlb; i++)
		stage_tlb(t, &t->tlb[i]);
	*out = sys;
	return 0;
}

void litmus_close(struct sys *sys)
{
	sys_destroy(sys);
}

bool litmus_state(const struct litmus *t, struct litmus_state *s)
{
	memset(s, 0, sizeof(*s));
	for (u32 i = 0; i < t->nr_cpus; i++) {
		const struct cpu_state *c = the_sys->cpu[i].s;
		const struct thread *th = &L.thread[i];

		if (!c->is_done || c->nr_ipis)
			return false;
		memcpy(s->reg[i], th->reg, sizeof(th->reg));
		memcpy(s->fault[i], th->fault, sizeof(th->fault));
		s->is_entry[i] = th->is_entry;
	}
	for (u32 i = 0; i < t->nr_locs; i++) {
		s->frame[i] = *word_of(i);
		for (u32 level = 0; level < the_sys->mem.paging.levels; level++)
			s->entry[level][i] = *entry_of(i, level);
	}
	return true;
}
