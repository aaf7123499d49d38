/* A CPU goes from one address space to another, or to none and keeps the old
 * one loaded. Reads next to switch_mm_irqs_off() and enter_lazy_tlb(). */
#include "mm/flush.h"
#include "mm/oracle.h"
#include "mm/sched.h"
#include "mm/switch.h"

static struct tlb_state *me(void)
{
	return tlb_state_of(this_cpu->id);
}

static u64 own(const u64 *p)
{
	const struct storebuf *sb = this_cpu->s->sb;

	touch(p, false);
	return sb ? sb_forward(sb, arena_offset(&the_sys->arena, p), *p) : *p;
}

struct mm *my_loaded_mm(void)
{
	return (struct mm *)(uintptr_t)own(&me()->loaded_mm);
}

bool am_lazy(void)
{
	return own(&me()->is_lazy);
}

/* ---- slots --------------------------------------------------------------------- */

static bool has_pcid(void)
{
	return kern()->uses_pcid && the_sys->m->has_pcid;
}

static u64 ctx_of(const struct mm *mm)
{
	return mm ? mm->ctx_id : KERNEL_CTX_ID;
}

/* One tag for an mm everywhere, and flushes reach it everywhere: no slots. */
static bool has_global_asids(void)
{
	return flusher() && flusher()->has_global_asids;
}

static u16 pcid_of(const struct mm *mm, u32 slot)
{
	if (has_global_asids())
		return mm ? (u16)mm->asid : 0;
	return (u16)(slot + 1);
}

u16 mm_pcid(const struct mm *mm)
{
	return pcid_of(mm, 0);
}

/* A slot that is the mm's, or the next one. *@flush: it is behind, or was
 * another's. */
static u32 search_slots(struct mm *mm, u64 gen, bool *flush)
{
	struct tlb_state *t = me();

	*flush = true;
	for (u32 i = 0; i < NR_ASID_SLOTS; i++)
		if (t->ctx[i].ctx_id == ctx_of(mm)) {
			*flush = t->ctx[i].tlb_gen < gen;
			return i;
		}
	if (t->next_slot == NR_ASID_SLOTS)
		t->next_slot = 0;
	return t->next_slot++;
}

static u16 global_tag(const struct mm *mm)
{
	return flusher() && flusher()->global_tag
		? flusher()->global_tag(mm) : 0;
}

/* choose_new_asid. @gen: what the mm is at. Return: the slot, and the tag in
 * *@pcid; *@flush: what that holds must be dropped when it is loaded. */
static u32 choose_slot(struct mm *mm, u64 gen, u16 *pcid, bool *flush)
{
	struct tlb_state *t = me();
	u32 slot = 0;

	touch(t->ctx, true);
	touch(&t->slot, true);
	*pcid = mm ? global_tag(mm) : 0;
	*flush = !has_global_asids() && !*pcid;
	if (*pcid)
		return SLOT_GLOBAL;
	if (*flush && has_pcid())
		slot = search_slots(mm, gen, flush);
	*pcid = pcid_of(mm, slot);
	return slot;
}

/* The strategy knows; the kernel's own address space has no pages. */
static u32 ask_strategy(struct mm *mm, u16 *pcid, bool *flush)
{
	*pcid = 0;
	*flush = false;
	if (mm)
		*pcid = flusher()->load(mm, false, flush);
	return 0;
}

/* The one instruction: serialising, so this CPU's stores are visible by then,
 * unless the model's variant has a root register that orders nothing. */
static void load_cr3(struct mm *mm, u32 slot, u16 pcid, u64 gen, bool flush)
{
	struct tlb_state *t = me();

	if (kern()->mask_update == MASK_PLAIN)
		step(&this_cpu->s->root, true, 0);
	else
		cpu_serialise(&this_cpu->s->root);
	touch(t->ctx, true);
	touch(&t->slot, true);
	t->slot = slot;
	if (flush) {
		t->ctx[slot].ctx_id = ctx_of(mm);
		t->ctx[slot].tlb_gen = gen;
	}
	charge(cost_of(COST_CR3_FLUSH));
	cpu_load_cr3(mm ? mm->root : 0, pcid, flush);
	if (flush)
		flush_emptied(slot);
	COUNT(TASK_SWITCH_FLUSH, flush);
	NOTE("CR3 := %s%u, PCID %u%s", mm ? "address space " : "kernel's ",
	     mm ? mm->ctx_id : 0, pcid, flush ? ", flushed" : "");
	oracle_tlb_gen(this_cpu->id);
}

void tlb_state_begin(struct mm *mm)
{
	struct tlb_state *t = me();
	bool flush;
	u16 pcid;

	if (has_global_asids())
		asid_enter(mm);
	asid_entered();
	pcid = pcid_of(mm, 0);
	t->loaded_mm = (uintptr_t)mm;
	t->active_mm = (uintptr_t)mm;
	t->slot = 0;
	t->next_slot = 1;
	t->ctx[0].ctx_id = mm->ctx_id;
	t->ctx[0].tlb_gen = mm->tlb_gen;
	if (flush_is_own())
		ask_strategy(mm, &pcid, &flush);
	cpu_load_cr3(mm->root, pcid, true);
}

/* ---- mm_cpumask ------------------------------------------------------------------ */

/* Other protocols than Linux's rely on it. */
static enum mask_update mask_how(void)
{
	if (!flush_is_own())
		return kern()->mask_update;
	return flusher()->keeps_mask ? MASK_LAZY_MB : MASK_ATOMIC;
}

static void mask_clear(struct mm *mm)
{
	if (mask_how() == MASK_PLAIN || mask_how() == MASK_ATOMIC)
		(void)atomic_add_return(&mm->cpumask[this_cpu->id / 64],
					-(1ull << this_cpu->id % 64));
}

static void mask_set(struct mm *mm)
{
	u64 *w = &mm->cpumask[this_cpu->id / 64];
	u64 bit = 1ull << this_cpu->id % 64;
	enum mask_update how = mask_how();

	if (how == MASK_PLAIN)
		WRITE_ONCE(*w, READ_ONCE(*w) | bit);
	else if (how == MASK_ATOMIC || !(READ_ONCE(*w) & bit))
		(void)atomic_add_return(w, bit);
	else if (how == MASK_LAZY_MB)
		smp_mb();       /* loaded_mm before tlb_gen; pairs with
				 * flush_tlb_req's increment */
	NOTE("in mm_cpumask");
}

/* ---- where handlers look at active_mm (R15e) ------------------------------------------ */

static void set_active_mm(struct mm *mm)
{
	if (!kern()->ipi_by_active_mm)
		return;
	WRITE_ONCE(me()->active_mm, (uintptr_t)mm);
	NOTE("active_mm := address space %u", mm ? mm->ctx_id : 0);
}

/* What is flushed is what the hardware has loaded. */
void flush_by_active_mm(const struct mm *mm)
{
	struct tlb_state *t = me();

	touch(t->ctx, true);
	if (own(&t->active_mm) == (uintptr_t)mm) {
		cpu_flush_pcid();
		COUNT(LOCAL_FLUSH_ALL, 1);
		NOTE("active_mm: flush what is loaded");
		return;
	}
	for (u32 i = 0; i < NR_ASID_SLOTS; i++)
		if (t->ctx[i].ctx_id == mm->ctx_id)
			t->ctx[i].ctx_id = 0;
	NOTE("not active_mm: its slot is forgotten");
}

/* ---- switching -------------------------------------------------------------------- */

/* The flusher increments tlb_gen and then looks who must be told; here who will
 * have to be told is said first, and tlb_gen read after. One of them sees the
 * other. */
static void switch_to_other(struct mm *prev, struct mm *next)
{
	bool reads_early = kern()->switch_reads_gen_early, flush;
	bool is_own = flush_is_own();
	u64 gen = 0;
	u16 pcid;
	u32 slot;

	if (next && has_global_asids())
		asid_enter(next);
	if (kern()->switch_mark == SWITCH_MARK_FIRST)
		WRITE_ONCE(me()->loaded_mm, MM_SWITCHING);
	if (prev && !is_own)
		mask_clear(prev);
	if (next && reads_early)
		gen = READ_ONCE(next->tlb_gen);
	if (next)
		mask_set(next);
	if (next && !reads_early)
		gen = READ_ONCE(next->tlb_gen);
	slot = is_own ? ask_strategy(next, &pcid, &flush)
		      : choose_slot(next, gen, &pcid, &flush);
	if (kern()->switch_mark == SWITCH_MARK_LATE)
		WRITE_ONCE(me()->loaded_mm, MM_SWITCHING);
	load_cr3(next, slot, pcid, gen, flush);
	WRITE_ONCE(me()->loaded_mm, (uintptr_t)next);
	if (next && has_global_asids())
		asid_entered();
	/* Where lazy CPUs are told like others: out of the mask last. */
	if (prev && is_own)
		mask_clear(prev);
}

/* The same mm as before, after a kernel thread: was there a flush meanwhile? */
static void come_back(struct mm *mm)
{
	struct tlb_state *t = me();
	bool flush;
	u16 pcid;
	u64 gen;

	if (kern()->lazy_return_orders)
		smp_mb();       /* is_lazy before tlb_gen; pairs with
				 * flush_tlb_req's increment */
	if (flush_is_own()) {
		pcid = flusher()->load(mm, true, &flush);
		if (flush)
			load_cr3(mm, 0, pcid, 0, true);
		return;
	}
	if (adopt_global_tag(mm))
		return;
	gen = READ_ONCE(mm->tlb_gen);
	touch(t->ctx, false);
	if (kern()->has_tlb_gen && !has_global_asids() && t->ctx[t->slot].tlb_gen != gen)
		load_cr3(mm, t->slot, pcid_of(mm, t->slot), gen, true);
}

bool adopt_global_tag(struct mm *mm)
{
	struct tlb_state *t = me();
	u16 tag = global_tag(mm);

	touch(&t->slot, false);
	if (tag && t->slot != SLOT_GLOBAL)
		load_cr3(mm, SLOT_GLOBAL, tag, 0, false);
	return tag;
}

static void switch_irqs_off(struct mm *next)
{
	struct mm *prev = my_loaded_mm();
	bool was_lazy = am_lazy();

	if (was_lazy)
		WRITE_ONCE(me()->is_lazy, 0);
	if (prev != next)
		switch_to_other(prev, next);
	else if (was_lazy && next)
		come_back(next);
}

/* What was put off until now. */
static void before_leaving(void)
{
	if (flusher() && flusher()->leave)
		flusher()->leave();
}

/* Interrupts are off then. */
static void begin_switch(struct mm *next)
{
	charge(cost_of(COST_CONTEXT_SWITCH));
	COUNT(CONTEXT_SWITCHES, 1);
	local_irq_disable();
	before_leaving();
	set_active_mm(next);
	switch_irqs_off(next);
}

void load_mm(struct mm *next)
{
	begin_switch(next);
	local_irq_enable();
}

void switch_mm(struct mm *next)
{
	struct thread *t = current();
	u64 obs = obs_save();

	begin_switch(next);
	touch(&t->mm, true);
	t->mm = next;
	local_irq_enable();
	obs_restore(obs);
	observe(ctx_of(next));
}

void kthread_use_mm(struct mm *mm)
{
	u64 obs = obs_save();

	/* 38cf307c1f20: interrupts off across both. */
	if (!kern()->use_mm_is_open)
		local_irq_disable();
	set_active_mm(mm);
	switch_mm(mm);
	if (!kern()->use_mm_is_open)
		local_irq_enable();
	obs_restore(obs);
	observe(mm->ctx_id);
}

void leave_mm(void)
{
	if (my_loaded_mm())
		switch_irqs_off(NULL);
}

static void leave_if_lazy(void *arg)
{
	struct cpu_state *s = this_cpu->s;

	step(s->env ? (const void *)s->env : (const void *)s, true, 0);
	if (my_loaded_mm() == arg && am_lazy())
		leave_mm();
}

void shoot_lazies(struct mm *mm)
{
	u64 *to = flush_targets();

	if ((flush_is_own() || has_global_asids() || global_tag(mm) ||
	     flusher()->keeps_lazy_roots) && flush_others(mm, to))
		smp_call(to, leave_if_lazy, mm, NULL);
	flush_targets_done();
}

/* The scheduler's own barriers are before it: what the program stored is
 * visible. */
void enter_lazy_tlb(void)
{
	struct thread *t = current();
	u64 obs = obs_save();

	charge(cost_of(COST_CONTEXT_SWITCH));
	COUNT(CONTEXT_SWITCHES, 1);
	smp_mb();
	before_leaving();
	touch(&t->mm, true);
	t->mm = NULL;
	if (my_loaded_mm())
		WRITE_ONCE(me()->is_lazy, 1);
	NOTE("a kernel thread borrows the address space");
	obs_restore(obs);
	observe(KERNEL_CTX_ID);
}

/* ---- sleeping ----------------------------------------------------------------------- */

struct sleeper {
	const u32 *word;
	u32 value;
};

static bool is_awake(const void *arg)
{
	const struct sleeper *s = arg;

	return *s->word != s->value;
}

void thread_sleep(const u32 *word, u32 value)
{
	const struct sleeper s = { word, value };
	struct mm *mm = current()->mm;
	enum cycle_cat cat;

	if (current()->sched) {
		sched_sleep(word, value);
		return;
	}
	if (READ_ONCE(*word) != value)
		return;
	current()->asleep_in = mm;
	enter_lazy_tlb();
	cat = cat_enter(CYC_IDLE);
	the_sys->drv.wait(word, is_awake, &s, 0);
	cat_leave(cat);
	switch_mm(mm);
}

void io_schedule_until(u64 at)
{
	struct mm *mm = current()->kvm ? NULL : current()->mm;
	enum cycle_cat cat;

	if (!the_sys->drv.delay || at <= this_cpu->now)
		return;
	current()->asleep_in = mm;
	if (mm)
		enter_lazy_tlb();
	cat = cat_enter(CYC_IDLE);
	the_sys->drv.delay(at);
	cat_leave(cat);
	if (mm)
		switch_mm(mm);
}
