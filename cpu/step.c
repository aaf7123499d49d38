#include <string.h>

#include "cpu/mmu.h"
#include "cpu/step.h"
#include "cpu/walker.h"

u64 word_get(const void *p, u32 bytes)
{
	switch (bytes) {
	case 1: return *(const u8 *)p;
	case 2: return *(const u16 *)p;
	case 4: return *(const u32 *)p;
	}
	return *(const u64 *)p;
}

void word_set(void *p, u32 bytes, u64 v)
{
	switch (bytes) {
	case 1: *(u8 *)p = (u8)v; break;
	case 2: *(u16 *)p = (u16)v; break;
	case 4: *(u32 *)p = (u32)v; break;
	default: *(u64 *)p = v;
	}
}

static bool is_weak(void)
{
	return the_sys->memory_model == MEM_WEAK;
}

/* Loads after this are not early any more. */
static void acquire(void)
{
	struct storebuf *sb = this_cpu->s->sb;

	if (!sb || !is_weak())
		return;
	touch(&sb->nr_stale, true);
	memset(sb->stale, 0, sizeof(sb->stale));
	sb->nr_stale = 0;
}

static bool sb_is_empty(const void *arg)
{
	return ((const struct storebuf *)arg)->n == 0;
}

static bool sb_has_room(const void *arg)
{
	return ((const struct storebuf *)arg)->n < SB_MAX;
}

/* Before a fully ordered operation on @p: a choice point in any case. */
static void ordered_step(const void *p, u64 cycles)
{
	struct storebuf *sb = this_cpu->s->sb;

	/* Also with an empty buffer, if this is a choice point: an interrupt
	 * may store meanwhile. */
	if (sb && (sb->n || !this_cpu->ctx.glide))
		the_sys->drv.wait(p, sb_is_empty, sb, cycles);
	else
		step(p, true, cycles);
	touch(p, true);
	if (sb)
		touch(sb, false);
	acquire();
}

void word_store_now(void *p, u32 bytes, u64 v)
{
	u64 old = word_get(p, bytes);

	word_set(p, bytes, v);
	if (this_cpu->s->sb && is_weak() && word_get(p, bytes) != old)
		sb_word_became(p, old);
	the_sys->drv.wake(p);
}

/* What comes after is not part of the step before: others may have seen the
 * store by then. */
static void push(const struct sb_entry *e)
{
	struct storebuf *sb = this_cpu->s->sb;

	this_cpu->ctx.glide = false;
	if (!sb_has_room(sb))
		the_sys->drv.wait(sb, sb_has_room, sb, 0);
	touch(sb, true);
	if (e->kind == SB_PTE && the_sys->is_by_manual)
		mmu_hold(e->root, e->vpn, e->level,
			 (u64 *)(void *)(the_sys->arena.base + e->off));
	sb_push(sb, e);
}

/* A store into the buffer concerns nobody else, but an interrupt may still
 * come before it, and be acknowledged while it is not yet made. */
static void buffer(const struct sb_entry *e)
{
	if (!the_sys->is_reduced || !this_cpu->s->irq_off ||
	    the_sys->is_by_manual)
		step(this_cpu->s->sb, true, 0);
	push(e);
}

static struct sb_entry entry(void *p, u32 bytes, enum sb_kind kind, u64 v)
{
	struct sb_entry e;

	memset(&e, 0, sizeof(e));
	e.off = arena_offset(&the_sys->arena, p);
	e.bytes = (u8)bytes;
	e.kind = (u8)kind;
	e.value = v;
	return e;
}

/* The result of an increment under way is not known before it is made. */
static bool no_add_pending(const void *p)
{
	const struct storebuf *sb = this_cpu->s->sb;
	u64 off = arena_offset(&the_sys->arena, p);

	for (u32 i = 0; i < sb->n; i++)
		if (sb->e[i].off == off && sb->e[i].kind == SB_ADD)
			return false;
	return true;
}

u64 word_read(const void *p, u32 bytes, u64 cycles)
{
	struct storebuf *sb = this_cpu->s->sb;
	u64 off, v;

	step(p, false, cycles);
	if (sb && !no_add_pending(p))
		the_sys->drv.wait(p, no_add_pending, p, 0);
	v = word_get(p, bytes);
	if (sb) {
		u32 at[STALE_MAX], n = 0, pick;

		off = arena_offset(&the_sys->arena, p);
		if (the_sys->loads && *loads_of(this_cpu->id, off) != LOADED) {
			the_sys->loads_grew |= !*loads_of(this_cpu->id, off);
			*loads_of(this_cpu->id, off) = LOADED;
		}
		touch(sb, false);
		v = sb_forward(sb, off, v);
		touch(&sb->nr_stale, false);
		/* An own store under way has overtaken all others. */
		for (u32 i = 0; i < sb->nr_stale && !sb_holds(sb, off); i++)
			if (sb->stale[i].off == off)
				at[n++] = i;
		/* The newest first; what is older than the value taken has
		 * been overtaken. */
		pick = n ? the_sys->drv.choose(n + 1) : 0;
		if (pick) {
			u32 i = at[n - pick];

			v = sb->stale[i].value;
			NOTE("early load: %llu", (unsigned long long)v);
			n -= pick;
		}
		if (n)
			touch(&sb->nr_stale, true);
		while (n--) {
			memmove(&sb->stale[at[n]], &sb->stale[at[n] + 1],
				(sb->nr_stale - at[n] - 1) *
				sizeof(sb->stale[0]));
			sb->nr_stale--;
			memset(&sb->stale[sb->nr_stale], 0,
			       sizeof(sb->stale[0]));
		}
	}
	observe(v);
	return v;
}

void word_write(void *p, u32 bytes, u64 v, u64 cycles)
{
	struct sb_entry e;

	if (!this_cpu->s->sb) {
		step(p, true, cycles);
		word_set(p, bytes, v);
		the_sys->drv.wake(p);
		return;
	}
	e = entry(p, bytes, SB_STORE, v);
	buffer(&e);
}

u64 word_xchg(void *p, u32 bytes, u64 v, u64 cycles)
{
	u64 old;

	ordered_step(p, cycles);
	old = word_get(p, bytes);
	word_store_now(p, bytes, v);
	observe(old);
	return old;
}

bool word_cmpxchg(void *p, u32 bytes, u64 old, u64 v, u64 cycles)
{
	bool ok;

	ordered_step(p, cycles);
	ok = word_get(p, bytes) == old;
	if (ok)
		word_store_now(p, bytes, v);
	observe(ok);
	return ok;
}

u64 word_add(void *p, u32 bytes, u64 delta, u64 cycles)
{
	u64 v;

	ordered_step(p, cycles);
	word_store_now(p, bytes, word_get(p, bytes) + delta);
	v = word_get(p, bytes);
	observe(v);
	return v;
}

bool word_inc_not_zero(void *p, u32 bytes, u64 cycles)
{
	u64 v;

	ordered_step(p, cycles);
	v = word_get(p, bytes);
	if (v)
		word_store_now(p, bytes, v + 1);
	observe(v != 0);
	return v;
}

void word_add_relaxed(void *p, u32 bytes, u64 delta, u64 cycles)
{
	struct sb_entry e;

	if (this_cpu->s->sb && is_weak()) {
		e = entry(p, bytes, SB_ADD, delta);
		buffer(&e);
		return;
	}
	ordered_step(p, cycles);
	word_store_now(p, bytes, word_get(p, bytes) + delta);
}

void smp_mb(void)
{
	struct storebuf *sb = this_cpu->s->sb;

	if (!the_sys->is_explored)
		charge(cost_of(COST_LOCK));     /* a locked operation on x86 */
	if (!sb)
		return;
	if (sb->n)
		the_sys->drv.wait(sb, sb_is_empty, sb, 0);
	acquire();
}

void smp_wmb(void)
{
	struct storebuf *sb = this_cpu->s->sb;

	if (sb && is_weak() && sb->n)
		sb_write_barrier(sb);
}

void smp_rmb(void)
{
	acquire();
}

void cpu_serialise(const void *obj)
{
	ordered_step(obj, 0);
}

/* ---- locks ---------------------------------------------------------------- */

static bool lock_is_free(const void *arg)
{
	const struct storebuf *sb = this_cpu->s->sb;

	/* A locked operation waits for this CPU's own stores, except that a
	 * weak acquire does not. */
	return !*(const u32 *)arg && (!sb || !sb->n || is_weak());
}

static void taken(u32 *owner)
{
	touch(owner, true);
	*owner = this_cpu->id + 1;
	acquire();
}

static void take(u32 *owner)
{
	the_sys->drv.wait(owner, lock_is_free, owner, cost_of(COST_LOCK));
	taken(owner);
}

static void take_in_turn(u32 *owner)
{
	if (!the_sys->drv.wait_turn) {
		take(owner);
		return;
	}
	the_sys->drv.wait_turn(owner, lock_is_free, owner, cost_of(COST_LOCK));
	taken(owner);
}

/* Unlocking is a plain store that everything before precedes. It only lets
 * others go on, so with nothing before it in the buffer it may as well happen
 * at once (a left mover). */
static void release(u32 *owner, bool may_be_tried)
{
	struct storebuf *sb = this_cpu->s->sb;
	struct sb_entry e;

	assert(*owner == this_cpu->id + 1);
	if (!the_sys->is_explored)
		step(owner, true, cost_of(COST_PTE_SCAN));
	else if (may_be_tried || !the_sys->is_reduced)
		step(owner, true, 0);
	if (sb && sb->n) {
		e = entry(owner, sizeof(*owner), SB_RELEASE, 0);
		e.level = may_be_tried;
		push(&e);
		return;
	}
	touch(owner, true);
	*owner = 0;
	if (!may_be_tried && the_sys->drv.hand_over)
		the_sys->drv.hand_over(owner);
	else
		the_sys->drv.wake(owner);
}

/* Taking a lock nobody may try is a right mover: the next step may follow at
 * once, unless it may block. Not so under the weak model, where taking it also
 * forbids early loads: the later that is, the more of them.
 * Interrupt handlers take no locks (else this would hide a deadlock). */
static bool is_right_mover(void)
{
	assert(!the_sys->is_explored || !this_cpu->ctx.in_irq);
	return the_sys->is_reduced && !is_weak();
}

void spin_lock(struct spinlock *l)
{
	take_in_turn(&l->owner);
	this_cpu->ctx.glide = is_right_mover();
}

void spin_unlock(struct spinlock *l)
{
	this_cpu->ctx.glide = false;
	release(&l->owner, false);
}

static bool word_is_free(const void *arg)
{
	const struct storebuf *sb = this_cpu->s->sb;

	return !*(const u64 *)arg && (!sb || !sb->n || is_weak());
}

void word_lock(u64 *p)
{
	the_sys->drv.wait(p, word_is_free, p, cost_of(COST_LOCK));
	if (this_cpu->s->sb)
		touch(this_cpu->s->sb, false);
	acquire();
	word_store_now(p, sizeof(*p), 1);
}

void word_unlock(u64 *p)
{
	struct sb_entry e;

	if (!this_cpu->s->sb) {
		word_write(p, sizeof(*p), 0, 0);
		return;
	}
	e = entry(p, sizeof(*p), SB_RELEASE, 0);
	e.level = 1;            /* others may read it: a step of its own */
	buffer(&e);
}

bool bit_trylock(u32 *owner)
{
	bool ok;

	ordered_step(owner, cost_of(COST_LOCK));
	ok = !*owner;
	if (ok)
		*owner = this_cpu->id + 1;
	observe(ok);
	return ok;
}

void bit_lock(u32 *owner)
{
	take(owner);
}

void bit_unlock(u32 *owner)
{
	release(owner, true);
}

static bool bit_is_free(const void *arg)
{
	return !*(const u32 *)arg;
}

void bit_wait(u32 *owner)
{
	the_sys->drv.wait(owner, bit_is_free, owner, cost_of(COST_LOCK));
	acquire();
}

static bool no_writer(const void *arg)
{
	const struct storebuf *sb = this_cpu->s->sb;

	return !((const struct rwsem *)arg)->writer &&
	       (!sb || !sb->n || is_weak());
}

static bool no_holder(const void *arg)
{
	return no_writer(arg) && !((const struct rwsem *)arg)->readers;
}

void step_timed(const void *obj, bool is_write, u64 cycles)
{
	if (!the_sys->is_explored)
		step(obj, is_write, cycles);
}

/* rwsem_set_reader_owned, rwsem_set_owner: readers read first what was there. */
static void set_owner(struct rwsem *s)
{
	if (s->has_owner)
		step_timed(&s->has_owner, true, 0);
}

void down_read(struct rwsem *s)
{
	the_sys->drv.wait(s, no_writer, s, cost_of(COST_LOCK));
	touch(s, true);
	s->readers++;
	set_owner(s);
	acquire();
	this_cpu->ctx.glide = is_right_mover() && !s->is_tried;
}

bool down_read_trylock(struct rwsem *s)
{
	bool ok;

	assert(s->is_tried);
	ordered_step(s, cost_of(COST_LOCK));
	ok = !s->writer && !s->waiting;
	s->readers += ok;
	observe(ok);
	return ok;
}

/* The kernel's are atomic decrements with release: after this CPU's stores. */
static void up(struct rwsem *s)
{
	struct storebuf *sb = this_cpu->s->sb;

	this_cpu->ctx.glide = false;
	if (sb && (sb->n || !the_sys->is_reduced))
		the_sys->drv.wait(sb, sb_is_empty, sb, cost_of(COST_LOCK));
	else if (!the_sys->is_explored)
		step(s, true, cost_of(COST_LOCK));
	else if (!the_sys->is_reduced || s->is_tried)
		step(s, true, 0);
	touch(s, true);
}

void up_read(struct rwsem *s)
{
	up(s);
	s->readers--;
	the_sys->drv.wake(s);
}

/* Without a queue: readers that wait may overtake. */
static void wait_tried(struct rwsem *s)
{
	ordered_step(s, 0);
	s->waiting++;
	the_sys->drv.wait(s, no_holder, s, cost_of(COST_LOCK));
	touch(s, true);
	s->waiting--;
}

void down_write(struct rwsem *s)
{
	if (s->is_tried)
		wait_tried(s);
	else
		the_sys->drv.wait(s, no_holder, s, cost_of(COST_LOCK));
	touch(s, true);
	s->writer = this_cpu->id + 1;
	set_owner(s);
	acquire();
	this_cpu->ctx.glide = is_right_mover() && !s->is_tried;
}

void up_write(struct rwsem *s)
{
	up(s);
	s->writer = 0;
	the_sys->drv.wake(s);
}

void downgrade_write(struct rwsem *s)
{
	assert(s->writer == this_cpu->id + 1);
	up(s);
	s->writer = 0;
	s->readers++;
	set_owner(s);
	the_sys->drv.wake(s);
}

/* ---- page-table entries ---------------------------------------------------- */

/* An entry of a table, as a TLB keeps it. */
static struct tlb_entry cached(u64 vpn, u32 level, u64 pte, u8 flags)
{
	struct tlb_entry e;

	memset(&e, 0, sizeof(e));
	e.order = (u8)paging_order(&the_sys->mem.paging, level);
	e.vpn = vpn & ~tlb_order_mask(e.order);
	e.flags = flags;
	if (flags & TLB_FAULTS)
		return e;
	e.pfn = pte_pfn(pte);
	e.flags |= (u8)(pte & PTE_RW ? TLB_W : 0);
	if (!(flags & TLB_TABLE) && (pte & PTE_D))
		e.flags |= TLB_D;
	if (!(flags & TLB_TABLE) && pte_is_global(pte))
		e.flags |= TLB_G;
	return e;
}

/* A large page that is used but never cached. */
static bool is_never_cached(u64 pte, u32 level)
{
	return level && pte & PTE_NT && the_sys->m->rules.has_nt;
}

/* Accesses through it fault: some architectures cache that. */
static bool gives_fault(u64 pte)
{
	return !(pte & PTE_P) ||
	       (!(pte & PTE_A) && !the_sys->m->rules.hw_sets_a);
}

static void may_hold(struct cpu_state *s, struct tlb_entry e)
{
	e.pcid = s->pcid;
	touch(s->env, true);
	envelope_retire(s->env, &e);
}

static u32 number_of(const struct cpu_state *s)
{
	u32 i = 0;

	while (the_sys->cpu[i].s != s)
		i++;
	return i;
}

/* What one entry said, and all that was reached through it. */
static void subtree_retire(struct cpu_state *s, u64 vpn, u32 level, u64 old)
{
	const struct paging *pg = &the_sys->mem.paging;
	bool is_table = level && (old & PTE_P) && !(old & PTE_PS);
	u64 *table;

	if ((gives_fault(old) && !the_sys->m->rules.caches_invalid) ||
	    is_never_cached(old, level))
		return;
	if (!is_table && the_sys->os.may_hold && !pte_is_global(old) &&
	    !the_sys->os.may_hold(number_of(s), old))
		return;
	may_hold(s, cached(vpn, level, old, gives_fault(old) ? TLB_FAULTS :
			   is_table ? TLB_TABLE : 0));
	if (!is_table)
		return;
	table = the_sys->mem.table[pte_pfn(old)];
	vpn &= ~tlb_order_mask((u8)paging_order(pg, level));
	for (u32 i = 0; i < paging_entries(pg); i++) {
		touch(&table[i], false);
		subtree_retire(s, vpn + ((u64)i << paging_order(pg, level - 1)),
			       level - 1, table[i]);
	}
}

/* The entry is in a table that a CPU may still find through an upper entry
 * which is no longer in memory. */
static void retire_unhooked(struct cpu_state *s, u32 root, u64 vpn, u32 level,
			    u64 old)
{
	const struct envelope *env = s->env;
	u32 order = paging_order(&the_sys->mem.paging, level + 1);
	u64 low = vpn & tlb_order_mask((u8)order), at[ENVELOPE_MAX], table;
	u32 n = 0;

	for (u32 i = 0; i < env->n; i++)
		if ((env->e[i].flags & TLB_TABLE) && env->e[i].order == order &&
		    env->e[i].pcid == s->pcid)
			at[n++] = i;
	table = n ? walk_table_of(root, vpn, level) : 0;
	for (u32 i = 0; i < n; i++)
		if (env->e[at[i]].pfn == table)
			at[i] = env->e[at[i]].vpn + low;
		else
			at[i] = UINT64_MAX;
	for (u32 i = 0; i < n; i++)
		if (at[i] != UINT64_MAX && (!the_sys->os.may_hold ||
		    the_sys->os.may_hold(number_of(s), old)))
			may_hold(s, cached(at[i], level, old, 0));
}

static bool is_in(u64 vpn, u32 level, u32 table, const u64 *pte)
{
	return table && &the_sys->mem.table[table][paging_index(
			       &the_sys->mem.paging, vpn, level)] == pte;
}

/* Below @table, whose entries are of level @at. */
static bool find_entry(u32 table, u32 at, u32 level, const u64 *pte, u64 *vpn)
{
	const struct paging *pg = &the_sys->mem.paging;
	const u64 *t = the_sys->mem.table[table];
	u64 first = *vpn;

	for (u32 i = 0; i < paging_entries(pg); i++) {
		*vpn = first + ((u64)i << paging_order(pg, at));
		touch(&t[i], false);
		if (&t[i] == pte)
			return at == level;
		if (at > level && (t[i] & PTE_P) && !(t[i] & PTE_PS) &&
		    find_entry((u32)pte_pfn(t[i]), at - 1, level, pte, vpn))
			return true;
	}
	return false;
}

u64 pte_vpn(u32 root, u64 vpn, u32 level, const u64 *pte)
{
	u64 found = 0;

	if (!the_sys->is_explored || !the_sys->may_speculate ||
	    is_in(vpn, level, (u32)walk_table_of(root, vpn, level), pte))
		return vpn;
	return find_entry(root, the_sys->mem.paging.levels - 1u, level, pte,
			  &found) ? found : UINT64_MAX;
}

void pte_retire(u32 root, u64 vpn, u32 level, u64 old)
{
	bool is_leaf = !gives_fault(old) && (!level || (old & PTE_PS)) &&
		       !is_never_cached(old, level);

	if (!the_sys->is_explored || !the_sys->may_speculate)
		return;
	if (vpn == UINT64_MAX ||
	    (gives_fault(old) && !the_sys->m->rules.caches_invalid))
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		struct cpu_state *s = the_sys->cpu[i].s;

		touch(&s->root, false);
		if (s->root == root || (root == the_sys->kernel_root &&
					the_sys->cpu[i].task))
			subtree_retire(s, vpn, level, old);
		if (s->root && s->env->n && is_leaf)
			retire_unhooked(s, root, vpn, level, old);
	}
}

void tables_retire(u32 root)
{
	const struct paging *pg = &the_sys->mem.paging;
	u64 *table = the_sys->mem.table[root];
	u32 level = pg->levels - 1u;

	if (!the_sys->may_speculate || the_sys->is_by_manual)
		return;
	for (u32 i = 0; i < paging_entries(pg); i++) {
		touch(&table[i], false);
		subtree_retire(this_cpu->s, (u64)i << paging_order(pg, level),
			       level, table[i]);
	}
}

/* Entries of two sizes may be cached from now on. */
static void watch_conflicts(void)
{
	if (the_sys->cpu[0].tlb->core->is_watched)
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		tlb_array_watch(the_sys->cpu[i].tlb);
}

/* An entry was replaced: did its architecture allow that in one step? */
static void check_bbm(u32 root, u64 vpn, u32 level, u64 old, u64 new)
{
	u64 may_hold[MACHINE_MAX_CPUS / 64] = { 0 };
	bool is_resize = level && old & new & PTE_P && (old ^ new) & PTE_PS;
	u16 asid = 0;

	/* Where break-before-make is needed all have one tag for it. */
	for (u32 i = 0; old & PTE_P && i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].s->root == root) {
			may_hold[i / 64] |= 1ull << i % 64;
			asid = the_sys->cpu[i].s->pcid;
		}
	if (bbm_changed(the_sys->bbm, root, asid, vpn, level, old, new,
			may_hold)) {
		COUNT(BBM_VIOLATIONS, 1);
		watch_conflicts();
	} else if (is_resize) {
		watch_conflicts();
	}
}

/* The kernel here changed an entry: other cores' caches forget its line. */
static void pte_line_written(u32 root, u64 vpn, u32 level)
{
	u64 table;

	if (unlikely(the_sys->os.pte_stored && !the_sys->is_explored))
		the_sys->os.pte_stored(root, vpn, level);
	if (likely(!the_sys->caches))
		return;
	table = walk_table_of(root, vpn, level);
	if (table)
		caches_written(the_sys->caches, this_cpu->id,
			       caches_line(table, sizeof(u64) *
					   paging_index(&the_sys->mem.paging,
							vpn, level)));
}

static void retire(u32 root, u64 vpn, u32 level, const u64 *pte)
{
	if (the_sys->is_by_manual)
		mmu_retire(root, vpn, level, pte, false);
	else
		pte_retire(root, pte_vpn(root, vpn, level, pte), level, *pte);
}

void pte_store(u32 root, u64 vpn, u32 level, u64 *pte, u64 v)
{
	struct sb_entry e;

	if (!this_cpu->s->sb) {
		step(pte, true, cost_of(COST_PTE_OP));
		retire(root, vpn, level, pte);
		if (unlikely(the_sys->bbm != NULL))
			check_bbm(root, vpn, level, *pte, v);
		*pte = v;
		pte_line_written(root, vpn, level);
		return;
	}
	e = entry(pte, sizeof(*pte), SB_PTE, v);
	e.root = root;
	e.vpn = vpn;
	e.level = (u8)level;
	buffer(&e);
}

/* This CPU has no store to the word under way. */
static bool word_is_settled(const void *p)
{
	const struct storebuf *sb = this_cpu->s->sb;
	u64 off = arena_offset(&the_sys->arena, p);

	for (u32 i = 0; i < sb->n; i++)
		if (sb->e[i].off == off)
			return false;
	return true;
}

u64 pte_modify(u32 root, u64 vpn, u32 level, u64 *pte, u64 clear, u64 set)
{
	u64 old;

	if (this_cpu->s->sb && is_weak()) {
		the_sys->drv.wait(pte, word_is_settled, pte, 0);
		touch(pte, true);
		touch(this_cpu->s->sb, false);
	} else {
		ordered_step(pte, cost_of(COST_PTE_OP));
	}
	old = *pte;
	retire(root, vpn, level, pte);
	*pte = (old & ~clear) | set;
	if (unlikely(the_sys->bbm != NULL))
		check_bbm(root, vpn, level, old, *pte);
	pte_line_written(root, vpn, level);
	if (this_cpu->s->sb && is_weak()) {
		sb_forget(this_cpu->s->sb, arena_offset(&the_sys->arena, pte));
		if (*pte != old)
			sb_word_became(pte, old);
	}
	observe(old);
	return old;
}

u64 pte_load(u64 *pte)
{
	u64 e = word_read(pte, sizeof(*pte), cost_of(COST_PTE_SCAN));

	return e & ~the_sys->none_mask ? e : 0;
}

void local_irq_disable(void)
{
	if (the_sys->is_explored)
		step(&this_cpu->s->nr_ipis, true, 0);
	this_cpu->s->irq_off++;
}

void local_irq_enable(void)
{
	assert(this_cpu->s->irq_off);
	this_cpu->s->irq_off--;
}
