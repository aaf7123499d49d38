#include "emu/race_state.h"

#include <stdarg.h>
#include <stdio.h>

#include "emu/moves.h"
#include "mm/file.h"
#include "mm/mm.h"

#define NAME 64
#define TEXT 160

__attribute__((format(printf, 3, 4)))
static void put(json_t *to, const char *key, const char *fmt, ...)
{
	char text[TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (key)
		json_object_set_new(to, key, json_string(text));
	else
		json_array_append_new(to, json_string(text));
}

/* ---- page tables ----------------------------------------------------------------- */

/* Two-level stages have PTEs and PMDs; others are named by level. */
static void entry_name(const struct mm *mm, u64 vpn, u32 level, char *out)
{
	static const char *const name[] = { "PTE", "PMD", "PUD", "P4D", "PGD" };
	char of[32] = "";

	/* The stage's own address space is the one that everybody knows. */
	if (mm->ctx_id > 1)
		snprintf(of, sizeof(of), "mm %u ", mm->ctx_id);
	snprintf(out, NAME, "%s%s[%llu]", of, name[level < 5 ? level : 4],
		 (unsigned long long)(vpn >> paging_order(&the_sys->mem.paging,
							  level)));
}

static void entry_text(u64 e, u32 level, char *out)
{
	unsigned long long pfn = pte_pfn(e);

	if (!e)
		snprintf(out, NAME, "none");
	else if ((e & PTE_P) && level && !(e & PTE_PS))
		snprintf(out, NAME, "table in frame %llu", pfn);
	else if (e & PTE_P)
		snprintf(out, NAME, "frame %llu, %s%s", pfn,
			 e & PTE_RW ? "RW" : "RO", e & PTE_D ? ", D" : "");
	else if (e & PTE_MIG)
		snprintf(out, NAME, "migration entry, frame %llu%s", pfn,
			 e & PTE_MIG_W ? ", was RW" : "");
	else if (e & PTE_NUMA)
		snprintf(out, NAME, "NUMA hint, frame %llu", pfn);
	else
		snprintf(out, NAME, "not present, %#llx",
			 (unsigned long long)e);
}

typedef void entry_fn(const struct mm *mm, u64 vpn, u32 level, u64 *e,
		      void *arg);

/* Every entry under @table, which translates from @vpn on. */
static void each_under(const struct mm *mm, u32 table, u64 vpn, u32 level,
		       entry_fn *fn, void *arg)
{
	const struct paging *p = &the_sys->mem.paging;
	u64 *t = table < the_sys->mem.nr_frames ? the_sys->mem.table[table]
						: NULL;

	for (u32 i = 0; t && i < paging_entries(p); i++) {
		u64 at = vpn + ((u64)i << paging_order(p, level));

		fn(mm, at, level, &t[i], arg);
		if (level && (t[i] & PTE_P) && !(t[i] & PTE_PS))
			each_under(mm, (u32)pte_pfn(t[i]), at, level - 1, fn,
				   arg);
	}
}

static void each_entry(entry_fn *fn, void *arg)
{
	for (const struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		each_under(mm, mm->root, 0, the_sys->mem.paging.levels - 1u, fn,
			   arg);
}

static void put_entry(const struct mm *mm, u64 vpn, u32 level, u64 *e,
		      void *to)
{
	char name[NAME], text[NAME];

	entry_name(mm, vpn, level, name);
	entry_text(*e, level, text);
	put(to, name, "%s", text);
}

/* ---- names of words --------------------------------------------------------------- */

struct find_entry {
	const u64 *e;
	char *out;
	bool is_found;
};

static void find_entry(const struct mm *mm, u64 vpn, u32 level, u64 *e,
		       void *arg)
{
	struct find_entry *f = arg;

	if (e != f->e || f->is_found)
		return;
	f->is_found = true;
	entry_name(mm, vpn, level, f->out);
}

static bool within(const void *obj, const void *base, size_t bytes)
{
	return (const u8 *)obj >= (const u8 *)base &&
	       (const u8 *)obj < (const u8 *)base + bytes;
}

#define IS(obj, field) within((obj), &(field), sizeof(field))

static bool name_page(const void *obj, char *out, size_t size)
{
	u64 n = the_sys->mem.nr_frames;
	const struct page *p;
	const char *what;
	u64 pfn;

	if (!within(obj, mms()->page, n * sizeof(*p)))
		return false;
	pfn = (u64)((const u8 *)obj - (const u8 *)mms()->page) / sizeof(*p);
	p = page_of(pfn);
	what = IS(obj, p->lock) ? "page lock" : IS(obj, p->refcount) ? "refcount"
	     : IS(obj, p->mapcount) ? "mapcount" : !IS(obj, p->ptl)
	     ? "struct page" : the_sys->mem.table[pfn] ? "page-table lock"
	     : "swap slot";
	snprintf(out, size, "%s of frame %llu", what, (unsigned long long)pfn);
	return true;
}

static bool name_of_mm(const void *obj, char *out, size_t size)
{
	for (const struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm) {
		const char *what;

		if (!within(obj, mm, sizeof(*mm)))
			continue;
		what = IS(obj, mm->mmap_lock) ? "mmap_lock"
		     : IS(obj, mm->tlb_flush_pending) ? "tlb_flush_pending"
		     : IS(obj, mm->numa_tlb_lazy) ? "numa_tlb_lazy"
		     : IS(obj, mm->cpumask) ? "mm_cpumask"
		     : IS(obj, mm->tlb_gen) ? "tlb_gen" : "struct mm";
		snprintf(out, size, "%s of mm %u", what, mm->ctx_id);
		return true;
	}
	return false;
}

static bool name_of_vma(const void *obj, char *out, size_t size)
{
	for (const struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		for (const struct vma *v = mm->first; v; v = v->next) {
			bool is_av = v->anon_vma &&
				     within(obj, v->anon_vma,
					    sizeof(*v->anon_vma));

			if (!is_av && !within(obj, v, sizeof(*v)))
				continue;
			snprintf(out, size, "%s %llu..%llu", is_av
				 ? "anon_vma lock of" : "VMA",
				 (unsigned long long)v->start,
				 (unsigned long long)v->end);
			return true;
		}
	return false;
}

static bool name_of_file(const void *obj, char *out, size_t size)
{
	for (const struct address_space *f = mms()->first_file; f; f = f->next) {
		const char *what = IS(obj, f->i_mmap_rwsem) ? "list of mappings"
				 : IS(obj, f->lock) ? "cache lock"
				 : IS(obj, f->nr_pages) ? "size" : "struct";

		if (!within(obj, f, sizeof(*f)) &&
		    !within(obj, f->cache, f->max_pages * sizeof(*f->cache)))
			continue;
		if (!within(obj, f, sizeof(*f)))
			what = "cache";
		snprintf(out, size, "%s of the file", what);
		return true;
	}
	return false;
}

static bool name_of_cpu(const void *obj, char *out, size_t size)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		const struct cpu_state *s = the_sys->cpu[i].s;
		const char *what;

		if (IS(obj, s->acks_left)) {
			snprintf(out, size, "acknowledgements");
			return true;
		}
		if (s->env && within(obj, s->env, sizeof(*s->env)))
			what = "TLB of";
		else if (within(obj, s, sizeof(*s)))
			what = "interrupts of";
		else if (s->sb && within(obj, s->sb, sizeof(*s->sb)))
			what = "store buffer of";
		else
			continue;
		snprintf(out, size, "%s CPU %u", what, i);
		return true;
	}
	return false;
}

void race_object(const void *obj, char *out, size_t size)
{
	const struct memory *m = &the_sys->mem;
	char name[NAME] = "";
	struct find_entry f = { .e = obj, .out = name };

	each_entry(find_entry, &f);
	if (f.is_found)
		snprintf(out, size, "%s", name);
	else if (within(obj, m->line, m->nr_frames * m->lines_per_frame * 8))
		snprintf(out, size, "contents of frame %llu",
			 (unsigned long long)((u64)((const u64 *)obj - m->line) /
					      m->lines_per_frame));
	else if (!name_page(obj, out, size) && !name_of_mm(obj, out, size) &&
		 !name_of_vma(obj, out, size) && !name_of_file(obj, out, size) &&
		 !name_of_cpu(obj, out, size))
		snprintf(out, size, "another word");
}

/* ---- CPUs -------------------------------------------------------------------------- */

static void put_tlb(json_t *to, const struct envelope *env)
{
	for (u32 i = 0; env && i < env->n; i++)
		put(to, NULL, "page %llu%s: frame %llu%s%s",
		    (unsigned long long)env->e[i].vpn,
		    env->e[i].order ? " (huge)" : "",
		    (unsigned long long)env->e[i].pfn,
		    env->e[i].flags & TLB_W ? ", RW" : ", RO",
		    env->e[i].flags & TLB_D ? ", D" : "");
}

static void put_stores(json_t *to, const struct storebuf *sb)
{
	for (u32 i = 0; sb && i < sb->n; i++) {
		const struct sb_entry *e = &sb->e[i];
		char name[NAME], text[NAME];

		race_object(the_sys->arena.base + e->off, name, sizeof(name));
		if (e->kind == SB_PTE)
			entry_text(e->value, e->level, text);
		else
			snprintf(text, sizeof(text), "%s%llu",
				 e->kind == SB_ADD ? "+" : "",
				 (unsigned long long)e->value);
		if (e->kind == SB_RELEASE)
			put(to, NULL, "unlock %s", name);
		else
			put(to, NULL, "%s := %s", name, text);
	}
}

/* What the CPU would do next, or waits for. */
static void put_position(json_t *to, u32 i, u32 on)
{
	const struct cpu *c = &the_sys->cpu[i];
	const struct next_step *n = &explorer.next[i];
	char name[NAME] = "";

	if (n->obj)
		race_object(n->obj, name, sizeof(name));
	if (c->s->is_done)
		put(to, "at", "done");
	else if (!(on >> id_of(i, X_STEP) & 1))
		put(to, "at", "waits for %s", name[0] ? name : "its store buffer");
	else if (!name[0])
		put(to, "at", "about to begin");
	else
		put(to, "at", "%snext: %s %s",
		    c->ctx.in_irq ? "in an interrupt; " : "",
		    n->is_wait ? "takes" : n->is_write ? "writes" : "reads",
		    name);
}

static json_t *cpu_state(u32 i, u32 on)
{
	const struct cpu_state *s = the_sys->cpu[i].s;
	json_t *c = json_object(), *tlb = json_array(), *sb = json_array(),
	       *ipi = json_array();

	put_position(c, i, on);
	put_tlb(tlb, s->env);
	put_stores(sb, s->sb);
	for (u32 q = 0; q < s->nr_ipis; q++)
		put(ipi, NULL, "from CPU %u", s->ipi_from[q]);
	if (s->irq_off && !the_sys->cpu[i].ctx.in_irq)
		put(ipi, NULL, "interrupts off");
	json_object_set_new(c, "tlb", tlb);
	json_object_set_new(c, "sb", sb);
	json_object_set_new(c, "ipi", ipi);
	return c;
}

/* ---- frames and locks --------------------------------------------------------------- */

static void put_frame(json_t *to, u64 pfn)
{
	const struct memory *m = &the_sys->mem;
	const struct page *p = page_of(pfn);
	const struct ghost *g = mms()->ghost ? &mms()->ghost[pfn] : NULL;
	char name[NAME], moved[NAME] = "";
	u64 value = m->lines_per_frame ? m->line[pfn * m->lines_per_frame] : 0;

	snprintf(name, sizeof(name), "frame %llu, node %u",
		 (unsigned long long)pfn, pfn_node(pfn));
	if (g && g->moved_to)
		snprintf(moved, sizeof(moved), ", read by a mover to frame %u",
			 g->moved_to - 1);
	if (g ? g->is_free : p->is_free)
		put(to, name, "free, holds %llu%s", (unsigned long long)value,
		    moved);
	else if (p->refcount)
		put(to, name, "holds %llu, %u reference%s, %u mapping%s%s",
		    (unsigned long long)value, p->refcount,
		    p->refcount == 1 ? "" : "s", p->mapcount,
		    p->mapcount == 1 ? "" : "s", moved);
	else
		put(to, name, "holds %llu%s", (unsigned long long)value, moved);
}

static void put_frames(json_t *to)
{
	u64 per_node = mms()->frames_per_node;

	for (u64 pfn = 1; pfn < the_sys->mem.nr_frames; pfn++)
		if (!the_sys->mem.table[pfn] &&
		    pfn < mms()->node[per_node ? pfn / per_node : 0].next)
			put_frame(to, pfn);
}

static void put_owner(json_t *to, u32 owner, const void *obj)
{
	char name[NAME];

	if (!owner)
		return;
	race_object(obj, name, sizeof(name));
	put(to, name, "CPU %u", owner - 1);
}

static void put_locks(json_t *to)
{
	for (u64 pfn = 1; pfn < the_sys->mem.nr_frames; pfn++) {
		put_owner(to, page_of(pfn)->lock, &page_of(pfn)->lock);
		if (the_sys->mem.table[pfn])
			put_owner(to, page_of(pfn)->ptl.owner,
				  &page_of(pfn)->ptl);
	}
	for (const struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm) {
		char name[NAME];

		race_object(&mm->mmap_lock, name, sizeof(name));
		if (mm->mmap_lock.writer)
			put(to, name, "CPU %u, to write",
			    mm->mmap_lock.writer - 1);
		else if (mm->mmap_lock.readers)
			put(to, name, "%u to read", mm->mmap_lock.readers);
		if (mm->tlb_flush_pending)
			put(to, "tlb_flush_pending", "%u",
			    mm->tlb_flush_pending);
		if (mm->numa_tlb_lazy)
			put(to, "numa_tlb_lazy", "%u", mm->numa_tlb_lazy);
		for (const struct vma *v = mm->first; v; v = v->next)
			if (v->anon_vma)
				put_owner(to, v->anon_vma->lock.owner,
					  &v->anon_vma->lock);
	}
}

json_t *race_state(void)
{
	json_t *s = json_object(), *cpus = json_array(), *pte = json_object(),
	       *frame = json_object(), *lock = json_object();
	u32 on = moves_enabled();

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].task)
			json_array_append_new(cpus, cpu_state(i, on));
	each_entry(put_entry, pte);
	put_frames(frame);
	put_locks(lock);
	json_object_set_new(s, "cpus", cpus);
	json_object_set_new(s, "pte", pte);
	json_object_set_new(s, "frame", frame);
	json_object_set_new(s, "lock", lock);
	return s;
}
