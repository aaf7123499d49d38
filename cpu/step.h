/* step.h - how the modelled kernel touches shared state. Names and meaning are
 * the kernel's; each call is one step, the driver's chance to let others run.
 *
 * What must hold for explored runs: code between two steps touches only what
 * the last step named (or the task's own locals), and what a task learns, it
 * learns through observe(). Then a task's locals are a function of cpu->s->obs
 * and a state's key is complete. Nothing checks the first part by machine.
 */
#ifndef CPU_STEP_H
#define CPU_STEP_H

#include <assert.h>

#include "cpu/cpu.h"

/* The task now knows @v. */
static inline void observe(u64 v)
{
	/* No fixed points among small numbers: 0 and 0 must not make 1, since
	 * 1 and 1 would then make it again. */
	u64 x = (this_cpu->s->obs ^ v) + 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	this_cpu->s->obs = x ^ x >> 31;
}

/* What the task learnt since is dead: its locals are as they were at @obs,
 * which the caller saved. Used at the return to user mode and from interrupts,
 * where the kernel stack is empty again; and where code starts over because it
 * could not get on, with nothing held and no local kept. Only so can a state come
 * up again and a livelock be seen (O14); without it each round is a new state,
 * and the search does not end. */
static inline u64 obs_save(void)
{
	return this_cpu->s->obs;
}

static inline void obs_restore(u64 obs)
{
	this_cpu->s->obs = obs;
}

static inline void step(const void *obj, bool is_write, u64 cycles)
{
	the_sys->drv.step(obj, is_write, cycles);
}

static inline void touch(const void *obj, bool is_write)
{
	the_sys->drv.touch(obj, is_write);
}

/* ---- words -------------------------------------------------------------- */

u64 word_read(const void *p, u32 bytes, u64 cycles);
void word_write(void *p, u32 bytes, u64 v, u64 cycles);
u64 word_xchg(void *p, u32 bytes, u64 v, u64 cycles);
/* word_store_now - the store of an ordered operation whose step the caller took
 * (cpu_serialise()): visible at once. */
void word_store_now(void *p, u32 bytes, u64 v);
bool word_cmpxchg(void *p, u32 bytes, u64 old, u64 v, u64 cycles);
u64 word_add(void *p, u32 bytes, u64 delta, u64 cycles);
bool word_inc_not_zero(void *p, u32 bytes, u64 cycles);
void word_add_relaxed(void *p, u32 bytes, u64 delta, u64 cycles);

/* Raw contents, for code that already stepped. */
u64 word_get(const void *p, u32 bytes);
void word_set(void *p, u32 bytes, u64 v);

#define READ_ONCE(x) \
	((__typeof__(x))word_read(&(x), sizeof(x), cost_of(COST_PTE_SCAN)))
#define WRITE_ONCE(x, v) \
	word_write(&(x), sizeof(x), (u64)(v), cost_of(COST_PTE_SCAN))
#define xchg(p, v) \
	((__typeof__(*(p)))word_xchg((p), sizeof(*(p)), (u64)(v), cost_of(COST_LOCK)))
#define cmpxchg_ok(p, old, v) \
	word_cmpxchg((p), sizeof(*(p)), (u64)(old), (u64)(v), cost_of(COST_LOCK))
/* Fully ordered; returns the new value. */
#define atomic_add_return(p, d) \
	((__typeof__(*(p)))word_add((p), sizeof(*(p)), (u64)(d), cost_of(COST_LOCK)))
#define atomic_inc_not_zero(p) \
	word_inc_not_zero((p), sizeof(*(p)), cost_of(COST_LOCK))
/* No result, no order (a full barrier all the same on TSO hardware). */
#define atomic_inc(p) word_add_relaxed((p), sizeof(*(p)), 1, cost_of(COST_LOCK))
#define atomic_dec(p) word_add_relaxed((p), sizeof(*(p)), (u64)-1, cost_of(COST_LOCK))

/* ---- barriers ------------------------------------------------------------ */

void smp_mb(void);      /* waits until this CPU's stores are visible          */
void smp_wmb(void);     /* weak only: later stores stay behind earlier ones   */
void smp_rmb(void);     /* weak only: later loads are not early; exceptions
			 * and interrupts synchronise like it               */

/* A step before which this CPU's stores are visible: what the manual calls
 * serialising. @obj: what it then changes. */
void cpu_serialise(const void *obj);

/* A lock that is a word of memory: wait for 0 and make it 1, locked; let go. */
void word_lock(u64 *p);
void word_unlock(u64 *p);

/* ---- locks --------------------------------------------------------------- */

struct spinlock {
	u32 owner;      /* CPU + 1                                            */
};

void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);

/* A lock that others may try: its release is a step of its own. */
bool bit_trylock(u32 *owner);
void bit_lock(u32 *owner);
void bit_unlock(u32 *owner);
/* Wait until nobody holds it, without taking it. */
void bit_wait(u32 *owner);

struct rwsem {
	u32 readers;
	u32 writer;     /* CPU + 1                                            */
	u32 is_tried;   /* somebody may: its release is a step of its own     */
	u32 waiting;    /* of one that is: writers; who tries fails           */
	u64 has_owner;  /* timed: whoever gets it stores that here, too, which
			 * is in another cache line; 0: it is in the same     */
};

/* step_timed - of a counter that matters for its line alone: explored, nothing. */
void step_timed(const void *obj, bool is_write, u64 cycles);

void down_read(struct rwsem *s);
bool down_read_trylock(struct rwsem *s);        /* of one that ->is_tried */
void up_read(struct rwsem *s);
void down_write(struct rwsem *s);
void up_write(struct rwsem *s);
/* Who writes goes on as a reader: readers that wait may come in. */
void downgrade_write(struct rwsem *s);

/* ---- page-table entries --------------------------------------------------- */

/* The translation that @old gave at @vpn, @level of the tables under @root, is
 * no longer in memory: CPUs that have the root loaded may still cache it. */
void pte_retire(u32 root, u64 vpn, u32 level, u64 old);

/* Where the tables under @root have entry @pte by now, which its writer found at
 * @vpn: the table may have moved. UINT64_MAX: nowhere. */
u64 pte_vpn(u32 root, u64 vpn, u32 level, const u64 *pte);

/* The same for this CPU alone and all that the tables under @root say: it is
 * about to leave them. */
void tables_retire(u32 root);

/* Plain store of an entry; one locked update of it, so that bits hardware sets
 * meanwhile are not lost: new = (old & ~clear) | set. The update is fully
 * ordered under TSO and orders nothing under the weak model (as arm64's).
 * Return: the old entry. */
void pte_store(u32 root, u64 vpn, u32 level, u64 *pte, u64 v);
u64 pte_modify(u32 root, u64 vpn, u32 level, u64 *pte, u64 clear, u64 set);
u64 pte_load(u64 *pte);

static inline u64 pte_xchg(u32 root, u64 vpn, u32 level, u64 *pte, u64 v)
{
	return pte_modify(root, vpn, level, pte, ~0ull, v);
}

/* ---- interrupts off ------------------------------------------------------- */

/* A choice point: interrupts may still come until here. Enabling only lets
 * them, and needs none. */
void local_irq_disable(void);
void local_irq_enable(void);

#endif
