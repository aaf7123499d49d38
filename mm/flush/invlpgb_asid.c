/* Linux 6.15 on AMD (F14): an address space begins with slots and interrupts like
 * any other. Every so often (when the process number and the tick agree in five
 * bits) a flush by interrupts looks whether more than three CPUs run it; then it
 * gets a tag of its own on all CPUs, and from then on INVLPGB is broadcast. As
 * long as some CPU still uses a slot, the *transition*, interrupts are sent, too,
 * which make that CPU change; CPUs that are about to load it are waited for.
 * Tags are given out in order and all dropped everywhere before the first is used
 * again; when too few are free, the address space stays with interrupts.
 *
 * `invlpgb-asid:pool=N`: N tags. assumed: 4,087 of the 4,095, without page-table
 * isolation; a tick is 1 ms and the address space's number the process's;
 * explored, the moment may be any and one CPU is enough.
 * Source: Linux 6.15 arch/x86/mm/tlb.c, consider_global_asid(),
 * finish_asid_transition(), broadcast_tlb_flush(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/flush/invlpgb.h"
#include "mm/switch.h"

#define FIRST (NR_ASID_SLOTS + 1)
#define DEFAULT_POOL (4094 - NR_ASID_SLOTS - 1)
#define MANY_CPUS 3
#define TICKS_PER_S 1000
/* Of mm->global_asid: some CPUs do not use it yet. */
#define TRANSITION (1ull << 32)
struct pool {
	struct spinlock lock;
	u32 next;               /* to be given out, from 0                    */
	u32 used;
	u32 zero;
};

static u32 pool_size(void);

static int boot(struct sys *sys)
{
	mms()->flush_state = arena_alloc(&sys->arena, sizeof(struct pool));
	return mms()->flush_state ? 0 : -ENOMEM;
}

static u16 tag_of(const struct mm *mm)
{
	u64 v = READ_ONCE(mm->global_asid);

	return (u16)v;
}

/* ---- who gets one -------------------------------------------------------------------- */

/* Return: a tag, or 0. Under the lock. */
static u32 take(struct pool *p)
{
	touch(p, true);
	if (p->used == pool_size())
		return 0;
	if (p->next == pool_size()) {
		/* What they tagged goes everywhere, then from the beginning. */
		cpu_broadcast(inval_op_find("INVLPGB ALL"), 0, 0, 1, 0);
		cpu_broadcast_sync();
		p->next = 0;
	}
	p->used++;
	return FIRST + p->next++;
}

static void use_global(struct mm *mm)
{
	struct pool *p = mms()->flush_state;
	u32 tag = 0;

	spin_lock(&p->lock);
	if (!READ_ONCE(mm->global_asid))
		tag = take(p);
	if (tag && kern()->asid_tag_first)
		(void)xchg(&mm->global_asid, tag);
	if (tag)
		(void)xchg(&mm->global_asid, tag | TRANSITION);
	spin_unlock(&p->lock);
	NOTE(tag ? "global ASID %u" : "no global ASID", tag);
}

static bool is_busy(struct mm *mm)
{
	u32 n = 0, most = the_sys->is_explored ? 0 : MANY_CPUS;

	for (u32 i = 0; i < the_sys->nr_cpus && n <= most; i++) {
		const struct tlb_state *t = tlb_state_of(i);

		if (flush_has(mm->cpumask, i) &&
		    READ_ONCE(t->loaded_mm) == (uintptr_t)mm &&
		    !READ_ONCE(t->is_lazy))
			n++;
	}
	return n > most;
}

static bool is_time(const struct mm *mm)
{
	u64 tick = this_cpu->now / (the_sys->m->hz / TICKS_PER_S);

	if (the_sys->is_explored)
		return the_sys->drv.choose(2);
	return (mm->ctx_id & 31) == (tick & 31);
}

/* mm_free_global_asid: the tag itself waits for the next round. */
static void claim(struct mm *mm, u64 start, u64 end)
{
	struct pool *p = mms()->flush_state;

	if (start || end != UINT64_MAX || !mm->global_asid)
		return;
	spin_lock(&p->lock);
	touch(p, true);
	p->used--;
	spin_unlock(&p->lock);
}

/* ---- flushing ------------------------------------------------------------------------ */

static bool has_switched(const void *arg)
{
	return ((const struct tlb_state *)arg)->loaded_mm != MM_SWITCHING;
}

/* A CPU on its way may have looked for the tag before there was one. */
static bool uses_slot(struct mm *mm, u32 cpu)
{
	struct tlb_state *t = tlb_state_of(cpu);

	if (READ_ONCE(t->loaded_mm) == MM_SWITCHING &&
	    !kern()->asid_passes_switching)
		the_sys->drv.wait(&t->loaded_mm, has_switched, t, 0);
	return READ_ONCE(t->loaded_mm) == (uintptr_t)mm &&
	       READ_ONCE(t->slot) != SLOT_GLOBAL;
}

static void finish_transition(struct flush_req *r)
{
	struct mm *mm = r->mm;

	if (!(READ_ONCE(mm->global_asid) & TRANSITION))
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(mm->cpumask, i) && uses_slot(mm, i)) {
			if (!kern()->asid_no_ipi)
				flush_by_ipi(r);
			return;
		}
	(void)xchg(&mm->global_asid, mm->global_asid & ~TRANSITION);
	NOTE("all use the global ASID");
}

static void shoot(struct flush_req *r)
{
	u16 tag;

	smp_mb();
	tag = tag_of(r->mm);
	if (!tag) {
		flush_by_ipi(r);
		if (is_time(r->mm) && is_busy(r->mm))
			use_global(r->mm);
		return;
	}
	invlpgb_user(r, tag, invlpgb_at_once());
	finish_transition(r);
	if (!kern()->asid_sync_elsewhere)
		cpu_broadcast_sync();
}

/* While some CPUs use slots, interrupts as well. */
static bool batch_start(struct mm *mm, u64 vpn)
{
	u64 v;

	smp_mb();
	v = READ_ONCE(mm->global_asid);
	if (v)
		cpu_broadcast(inval_op_find("INVLPGB VA+PCID"), (u16)v, vpn, 1,
			      0);
	return v && (!(v & TRANSITION) || kern()->asid_batch_no_ipi);
}

static bool can_run(const struct machine *m, struct err *e)
{
	return flush_needs(m, FEATURE_INVLPGB, "invlpgb-asid",
			   "--profile zen3-milan", e);
}

static const struct flush_ops *variant(const char *text);

extern const struct flush_ops flush_invlpgb_asid;
#define OPS(name_) { \
	.name = name_, \
	.summary = "AMD: interrupts until busy, then a global ASID and INVLPGB", \
	.source = "Linux 6.15 arch/x86/mm/tlb.c", \
	.defers = "old rights stay usable until the end of the range", \
	.needs = "AMD with INVLPGB (Zen 3 and later)", \
	.legal = FLUSH_ALL_OPS, \
	FLUSH_AT_THE_END, \
	.shoot = shoot, \
	.shoot_kernel = invlpgb_kernel, \
	.has_broadcasts = true, \
	.batch_start = batch_start, \
	.global_tag = tag_of, \
	.boot = boot, \
	.claim = claim, \
	.can_run = can_run, \
	.variant = variant, \
}
const struct flush_ops flush_invlpgb_asid = OPS("invlpgb-asid");

/* The one with a pool of its own. */
static char small_name[40];
static const struct flush_ops small = OPS(small_name);
static u32 small_pool;

static u32 pool_size(void)
{
	return flusher() == &small ? small_pool : DEFAULT_POOL;
}

static const struct flush_ops *variant(const char *text)
{
	char *end;
	unsigned long n;

	if (strncmp(text, "pool=", 5))
		return NULL;
	n = strtoul(text + 5, &end, 10);
	if (*end || end == text + 5 || n > DEFAULT_POOL)
		return NULL;
	small_pool = (u32)n;
	snprintf(small_name, sizeof(small_name), "invlpgb-asid:pool=%lu", n);
	return &small;
}
