#include "cpu/mmu.h"

#include <string.h>

#include "cpu/step.h"

#define MAX_SOURCES (ENVELOPE_MAX + 1)

/* Where the last level's table is found: an upper entry and its rights. */
struct source {
	u32 table;              /* pfn                                        */
	u8 rights;              /* TLB_W, TLB_U                               */
	int member;             /* of the envelope; -1: from memory           */
};

static u64 *word_at(u32 table, u64 vpn, u32 level)
{
	const struct memory *mem = &the_sys->mem;
	u64 *t = table < mem->nr_frames ? mem->table[table] : NULL;

	return t ? &t[paging_index(&mem->paging, vpn, level)] : NULL;
}

/* Does @c have a store to it in its buffer? */
static bool holds(const struct cpu *c, const u64 *word)
{
	if (!c->s->sb)
		return false;
	touch(c->s->sb, false);
	return sb_holds(c->s->sb, arena_offset(&the_sys->arena, word));
}

static bool may_cache(const struct cpu *c, const u64 *word)
{
	touch(word, false);
	return (*word & PTE_P) && (*word & PTE_A) && !holds(c, word);
}

static u8 rights_of(u64 pte)
{
	return (u8)((pte & PTE_RW ? TLB_W : 0) | (pte & PTE_US ? TLB_U : 0));
}

static struct tlb_entry make(const struct cpu *c, u64 vpn, u32 level, u64 pte,
			     u8 rights, u32 table)
{
	struct tlb_entry e;

	memset(&e, 0, sizeof(e));
	e.order = (u8)paging_order(&the_sys->mem.paging, level);
	e.vpn = vpn & ~tlb_order_mask(e.order);
	e.pfn = pte_pfn(pte);
	e.pcid = c->s->pcid;
	e.zero = (u16)table;
	e.flags = (u8)((rights & rights_of(pte)) |
		       (pte & PTE_D ? TLB_D : 0) | (pte & PTE_G ? TLB_G : 0));
	return e;
}

static struct tlb_entry make_table(const struct cpu *c, u64 vpn, u64 pde)
{
	struct tlb_entry e = make(c, vpn, 1, pde, TLB_W | TLB_U, 0);

	e.flags = rights_of(pde) | TLB_TABLE;
	return e;
}

static void add(struct cpu *c, struct tlb_entry e)
{
	touch(c->s->env, true);
	envelope_retire(c->s->env, &e);
}

/* Through what may a walk of @c come to the last level, memory unchanged? */
static u32 sources(const struct cpu *c, u64 vpn, struct source *s)
{
	u32 index[ENVELOPE_MAX], n, found = 0;
	const u64 *pde;

	if (the_sys->mem.paging.levels == 1) {
		s[0] = (struct source){ c->s->root, TLB_W | TLB_U, -1 };
		return 1;
	}
	pde = word_at(c->s->root, vpn, 1);
	if (may_cache(c, pde) && !(*pde & PTE_PS))
		s[found++] = (struct source){ (u32)pte_pfn(*pde),
					      rights_of(*pde), -1 };
	touch(c->s->env, false);
	n = envelope_tables(c->s->env, c->s->pcid, vpn, index);
	for (u32 i = 0; i < n; i++) {
		const struct tlb_entry *e = &c->s->env->e[index[i]];

		s[found++] = (struct source){ (u32)e->pfn, e->flags,
					      (int)index[i] };
	}
	return found;
}

/* ---- what may be cached ------------------------------------------------------ */

/* @c may hold what *@word says now. */
static void expose(struct cpu *c, u64 vpn, u32 level, const u64 *word)
{
	struct source s[MAX_SOURCES];
	const u64 *leaf;
	u32 n;

	if (!may_cache(c, word))
		return;
	if (level && (*word & PTE_PS)) {
		add(c, make(c, vpn, level, *word, TLB_W | TLB_U,
			    c->s->root));
	} else if (level) {
		add(c, make_table(c, vpn, *word));
		leaf = word_at((u32)pte_pfn(*word), vpn, 0);
		if (leaf && may_cache(c, leaf))
			add(c, make(c, vpn, 0, *leaf, rights_of(*word),
				    (u32)pte_pfn(*word)));
	} else {
		n = sources(c, vpn, s);
		for (u32 i = 0; i < n; i++)
			if (word_at(s[i].table, vpn, 0) == word)
				add(c, make(c, vpn, 0, *word, s[i].rights,
					    s[i].table));
	}
}

void mmu_retire(u32 root, u64 vpn, u32 level, const u64 *pte, bool from_buffer)
{
	if (!the_sys->may_speculate)
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		struct cpu *c = &the_sys->cpu[i];

		touch(c->s, false);
		if (c->s->root != root || c->s->is_done ||
		    (from_buffer && c == this_cpu))
			continue;
		if (the_sys->os.may_use && !the_sys->os.may_use(i, vpn))
			continue;
		expose(c, vpn, level, pte);
	}
}

void mmu_hold(u32 root, u64 vpn, u32 level, const u64 *pte)
{
	if (the_sys->may_speculate && this_cpu->s->root == root)
		expose(this_cpu, vpn, level, pte);
}

/* Members of @c's current PCID that stand for tables are about to go; what was
 * translated through them may stay, but for the page @but. */
static void expose_through_tables(struct cpu *c, u64 but)
{
	const struct envelope *env = c->s->env;
	struct tlb_entry table[ENVELOPE_MAX];
	u32 n = 0;

	if (!the_sys->may_speculate)
		return;
	for (u32 i = 0; i < env->n; i++)
		if ((env->e[i].flags & TLB_TABLE) && env->e[i].pcid ==
		    c->s->pcid && !tlb_entry_covers(&env->e[i], but))
			table[n++] = env->e[i];
	for (u32 i = 0; i < n; i++) {
		const u64 *leaf = word_at((u32)table[i].pfn, table[i].vpn, 0);

		if (leaf && may_cache(c, leaf))
			add(c, make(c, table[i].vpn, 0, *leaf, table[i].flags,
				    (u32)table[i].pfn));
	}
}

/* ---- one access ----------------------------------------------------------------- */

enum way_kind { WAY_HIT, WAY_WALK };

struct way {
	enum way_kind kind;
	int member;             /* HIT: translation; WALK: table, -1: memory  */
};

/* The entry in memory that @e was made from. */
static u64 *leaf_of(const struct tlb_entry *e, u64 vpn)
{
	return word_at(e->zero, vpn, e->order ? 1 : 0);
}

static bool needs_assist(const struct tlb_entry *e, bool is_write)
{
	return is_write && (e->flags & TLB_W) && (e->flags & TLB_U) &&
	       !(e->flags & TLB_D);
}

static bool can_walk_memory(u64 vpn)
{
	u32 root = this_cpu->s->root;
	const u64 *pde, *pte;

	if (the_sys->mem.paging.levels == 1)
		return !holds(this_cpu, word_at(root, vpn, 0));
	pde = word_at(root, vpn, 1);
	touch(pde, false);
	if (holds(this_cpu, pde))
		return false;
	if (!(*pde & PTE_P) || (*pde & PTE_PS))
		return true;
	pte = word_at((u32)pte_pfn(*pde), vpn, 0);
	return !pte || !holds(this_cpu, pte);
}

/* All that hardware may do about this access now. */
static u32 find_ways(u64 vpn, bool is_write, struct way *w)
{
	const struct envelope *env = this_cpu->s->env;
	u32 index[ENVELOPE_MAX], n, found = 0;

	n = envelope_candidates(env, this_cpu->s->pcid, vpn, index);
	for (u32 i = 0; i < n; i++) {
		const struct tlb_entry *e = &env->e[index[i]];
		const u64 *leaf;

		if (needs_assist(e, is_write)) {
			leaf = leaf_of(e, vpn);
			if (!leaf || holds(this_cpu, leaf) ||
			    (e->order && !(*leaf & PTE_PS)))
				continue;
		}
		w[found++] = (struct way){ WAY_HIT, (int)index[i] };
	}
	if (n && !the_sys->may_evict && !the_sys->may_speculate)
		return found;
	if (can_walk_memory(vpn))
		w[found++] = (struct way){ WAY_WALK, -1 };
	if (the_sys->mem.paging.levels == 1)
		return found;
	n = envelope_tables(env, this_cpu->s->pcid, vpn, index);
	for (u32 i = 0; i < n; i++) {
		const u64 *leaf = word_at((u32)env->e[index[i]].pfn, vpn, 0);

		if (leaf && !holds(this_cpu, leaf))
			w[found++] = (struct way){ WAY_WALK, (int)index[i] };
	}
	return found;
}

struct attempt {
	u64 vpn;
	bool is_write;
};

static bool has_way(const void *arg)
{
	const struct attempt *a = arg;
	struct way w[2 * ENVELOPE_MAX + 1];

	/* The store follows at once. */
	if (a->is_write && this_cpu->s->sb && this_cpu->s->sb->n == SB_MAX)
		return false;
	return find_ways(a->vpn, a->is_write, w) > 0;
}

/* @c filled @e: what it had of that page, size and PCID is gone. */
static void drop_alike(struct cpu *c, const struct tlb_entry *e)
{
	struct envelope *env = c->s->env;

	touch(env, true);
	envelope_replace(env, e);
	for (u32 i = env->n; i-- > 0; )
		if (!memcmp(&env->e[i], e, sizeof(*e)))
			envelope_drop(env, i);
}

static bool fails(u8 classes, u64 vpn)
{
	struct envelope *env = this_cpu->s->env;

	this_cpu->mmu_fault = classes;
	envelope_collapse(env, this_cpu->s->pcid, vpn, -1);
	envelope_collapse_tables(env, this_cpu->s->pcid, vpn, -1);
	return false;
}

static void set_bits(u64 *word, u64 bits)
{
	u64 old = *word;

	if ((old & bits) == bits)
		return;
	touch(word, true);
	*word = old | bits;
	if (this_cpu->s->sb && the_sys->memory_model == MEM_WEAK)
		sb_word_became(word, old);
}

/* A locked update in the step that read the entry. Others may still hold the
 * translation without D. */
static void set_dirty(u64 *word, u64 vpn, u32 level)
{
	if (*word & PTE_D)
		return;
	mmu_retire(this_cpu->s->root, vpn, level, word, false);
	set_bits(word, PTE_D);
}

static u8 lacks(const struct tlb_entry *e, bool is_write)
{
	return (u8)((e->flags & TLB_U ? 0 : MMU_FAULT_US) |
		    (is_write && !(e->flags & TLB_W) ? MMU_FAULT_RW : 0));
}

/* A store hit an entry whose D is clear: the entry is read again. */
static bool assist(u64 vpn, struct tlb_entry *e)
{
	u32 level = e->order ? 1 : 0;
	u64 *leaf = leaf_of(e, vpn);
	struct tlb_entry now;

	touch(leaf, false);
	if (!(*leaf & PTE_P))
		return fails(MMU_FAULT_PTE, vpn);
	if (!(*leaf & PTE_RW) && !the_sys->has_unchecked_assist)
		return fails(MMU_FAULT_RW, vpn);
	set_dirty(leaf, vpn, level);
	NOTE("D assist: entry read again, pfn %llu",
	     (unsigned long long)pte_pfn(*leaf));
	e->pfn = pte_pfn(*leaf);
	e->flags |= TLB_D;
	envelope_replace(this_cpu->s->env, e);
	now = make(this_cpu, vpn, level, *leaf, e->flags, e->zero);
	/* What memory says needs no member. */
	if (the_sys->mem.paging.levels > 1 || !(*leaf & PTE_A) ||
	    !the_sys->may_speculate || memcmp(&now, e, sizeof(now)))
		add(this_cpu, *e);
	return true;
}

static bool hit(u64 vpn, bool is_write, int member, struct tlb_entry *e)
{
	struct envelope *env = this_cpu->s->env;
	u8 lack;

	*e = env->e[member];
	envelope_replace(env, e);
	lack = lacks(e, is_write);
	if (lack)
		return fails(lack, vpn);
	if (needs_assist(e, is_write))
		return assist(vpn, e);
	NOTE("TLB hit: pfn %llu", (unsigned long long)e->pfn);
	return true;
}

/* The upper entry, from a member or from memory. *level becomes that of the
 * leaf. Return: false is a fault. */
static bool walk_upper(u64 vpn, int member, u32 *table, u8 *rights, u32 *level)
{
	struct envelope *env = this_cpu->s->env;
	u64 *pde = word_at(*table, vpn, 1);

	if (member >= 0) {
		*rights = env->e[member].flags;
		*table = (u32)env->e[member].pfn;
		*level = 0;
	} else {
		touch(pde, false);
		if (!(*pde & PTE_P))
			return fails(MMU_FAULT_PDE, vpn);
		set_bits(pde, PTE_A);
		if (!(*pde & PTE_PS)) {
			*rights = rights_of(*pde);
			*table = (u32)pte_pfn(*pde);
			*level = 0;
		}
	}
	envelope_collapse_tables(env, this_cpu->s->pcid, vpn, member);
	return true;
}

static bool walk(u64 vpn, bool is_write, int member, struct tlb_entry *e)
{
	u8 rights = TLB_W | TLB_U, lack;
	u32 level = the_sys->mem.paging.levels - 1u;
	u32 table = this_cpu->s->root;
	u64 *leaf;

	if (level && !walk_upper(vpn, member, &table, &rights, &level))
		return false;
	leaf = word_at(table, vpn, level);
	touch(leaf, false);
	if (!(*leaf & PTE_P))
		return fails(MMU_FAULT_PTE, vpn);
	set_bits(leaf, PTE_A);
	*e = make(this_cpu, vpn, level, *leaf, rights, table);
	/* Nothing, not even itself: memory says it. */
	drop_alike(this_cpu, e);
	lack = lacks(e, is_write);
	if (lack)
		return fails(lack, vpn);
	if (is_write) {
		set_dirty(leaf, vpn, level);
		e->flags |= TLB_D;
	}
	NOTE("page walk: load TLB entry, pfn %llu", (unsigned long long)e->pfn);
	if (!the_sys->may_speculate)
		add(this_cpu, *e);
	return true;
}

bool mmu_translate(u64 vpn, bool is_write, struct tlb_entry *e)
{
	const struct attempt a = { vpn, is_write };
	struct way w[2 * ENVELOPE_MAX + 1];
	const struct way *way;
	u32 n;

	/* With nothing in the buffer a walk is always possible. */
	if (this_cpu->s->sb && this_cpu->s->sb->n) {
		the_sys->drv.wait(this_cpu->s->env, has_way, &a, 0);
		touch(this_cpu->s->sb, false);
	} else {
		step(this_cpu->s->env, true, 0);
	}
	n = find_ways(vpn, is_write, w);
	way = &w[the_sys->drv.choose(n)];
	return way->kind == WAY_HIT ? hit(vpn, is_write, way->member, e)
				    : walk(vpn, is_write, way->member, e);
}

/* ---- invalidations ------------------------------------------------------------ */

void mmu_invlpg(u64 vpn, bool all_pcids)
{
	struct cpu_state *s = this_cpu->s;
	struct envelope *env = s->env;

	touch(env, true);
	expose_through_tables(this_cpu, vpn);
	for (u32 i = env->n; i-- > 0; ) {
		const struct tlb_entry *e = &env->e[i];
		bool mine = all_pcids || e->pcid == s->pcid;

		if (e->flags & TLB_TABLE ? mine : tlb_entry_covers(e, vpn) &&
		    (mine || (e->flags & TLB_G)))
			envelope_drop(env, i);
	}
}

/* What may be cached of all that @c's tables say now. */
static void expose_all(struct cpu *c)
{
	const struct paging *p = &the_sys->mem.paging;
	u32 n = paging_entries(p);

	if (!the_sys->may_speculate)
		return;
	for (u32 i = 0; i < n; i++) {
		u64 vpn = (u64)i << paging_order(p, p->levels - 1u);
		struct source s[MAX_SOURCES];
		u32 m;

		if (the_sys->os.may_use && !the_sys->os.may_use(c->id, vpn))
			continue;
		if (p->levels == 1) {
			expose(c, vpn, 0, word_at(c->s->root, vpn, 0));
			continue;
		}
		m = sources(c, vpn, s);
		for (u32 j = 0; j < m; j++)
			expose(c, vpn, 0, word_at(s[j].table, vpn, 0));
		expose(c, vpn, 1, word_at(c->s->root, vpn, 1));
	}
}

void mmu_load_cr3(u32 root, u16 pcid, bool noflush)
{
	struct cpu_state *s = this_cpu->s;
	struct envelope *env = s->env;

	touch(&s->root, true);
	touch(env, true);
	expose_all(this_cpu);
	s->root = root;
	s->pcid = pcid;
	for (u32 i = env->n; !noflush && i-- > 0; )
		if (env->e[i].pcid == pcid && !(env->e[i].flags & TLB_G))
			envelope_drop(env, i);
}

void mmu_quiet(void)
{
	struct envelope *env = this_cpu->s->env;

	touch(env, true);
	while (env->n)
		envelope_drop(env, env->n - 1);
}

/* ---- fills that nobody asked for ------------------------------------------------- */

static bool wants_a(const struct cpu *c, const u64 *word)
{
	touch(word, false);
	return (*word & PTE_P) && !(*word & PTE_A) && !holds(c, word);
}

u32 mmu_fills(struct cpu *c, struct mmu_fill f[MMU_MAX_FILLS])
{
	const struct paging *p = &the_sys->mem.paging;
	u32 n = 0, entries = paging_entries(p);

	touch(&c->s->root, false);
	for (u32 i = 0; i < entries && n + MAX_SOURCES < MMU_MAX_FILLS; i++) {
		u64 vpn = (u64)i << paging_order(p, p->levels - 1u), *w;
		struct source s[MAX_SOURCES];
		u32 m;

		w = word_at(c->s->root, vpn, p->levels - 1u);
		if (wants_a(c, w))
			f[n++] = (struct mmu_fill){ w, vpn, p->levels - 1u,
						    TLB_W | TLB_U, c->s->root,
						    -1 };
		if (p->levels == 1)
			continue;
		m = sources(c, vpn, s);
		for (u32 j = 0; j < m; j++) {
			w = word_at(s[j].table, vpn, 0);
			if (w && wants_a(c, w))
				f[n++] = (struct mmu_fill){ w, vpn, 0,
						s[j].rights, s[j].table,
						s[j].member };
		}
	}
	return n;
}

void mmu_fill(struct cpu *c, const struct mmu_fill *f)
{
	struct tlb_entry e = make(c, f->vpn, f->level, *f->word, f->rights,
				  f->table);

	NOTE("speculative walk sets A");
	if (f->level || the_sys->mem.paging.levels > 1)
		envelope_collapse_tables(c->s->env, c->s->pcid, f->vpn,
					 f->level ? -1 : f->member);
	if (!f->level || (*f->word & PTE_PS))
		drop_alike(c, &e);
	touch(c->s->env, true);
	set_bits(f->word, PTE_A);
}
