/* Groups of threads and their changes; see cpuset.h. */
#include "mm/cpuset.h"

#include <string.h>

/* Pages that are looked for before they are moved. */
#define MOVE_PAGES 512u

/* What a group is at present. */
struct state {
	const struct cpuset_group *g;
	u32 nr_done;                    /* changes                            */
	struct cpuset allowed;          /* cpus, within what was asked for    */
	bool is_bound;
	u64 mems;                       /* 0: all                             */
};

static struct {
	struct state group[CPUSET_MAX_GROUPS];
	u32 nr;
	const struct cpuset *asked;
	struct thread *first;           /* of all groups                      */
} C;

static bool has_thread(const struct cpuset_group *g, u32 i)
{
	return g->is_for_all || (i < CPUSET_MAX_THREADS &&
				 g->thread[i / 64] >> i % 64 & 1);
}

static bool is_empty(const struct cpuset *s)
{
	for (u32 i = 0; i < CPUSET_WORDS; i++)
		if (s->word[i])
			return false;
	return true;
}

/* What was asked for within @cpus, or @cpus. */
static void set_allowed(struct state *s, const struct cpuset *cpus)
{
	s->allowed = *cpus;
	for (u32 i = 0; C.asked && i < CPUSET_WORDS; i++)
		s->allowed.word[i] &= C.asked->word[i];
	if (is_empty(&s->allowed))
		s->allowed = *cpus;
	s->is_bound = true;
}

static const struct cpuset_change *next_change(const struct state *s)
{
	return s->nr_done < s->g->nr ? &s->g->change[s->nr_done] : NULL;
}

/* The earliest change of all groups; 0: none. */
static void set_alarm(void)
{
	u64 at = 0;

	for (u32 i = 0; i < C.nr; i++) {
		const struct cpuset_change *c = next_change(&C.group[i]);
		u64 t = c ? machine_ns_to_cycles(the_sys->m, c->at_ns) : 0;

		if (c && (!at || t < at))
			at = t;
	}
	mms()->cpuset_at = at;
}

void cpuset_boot(const struct cpuset_config *cfg, const struct cpuset *asked)
{
	memset(&C, 0, sizeof(C));
	C.asked = asked;
	C.nr = cfg->nr;
	for (u32 i = 0; i < C.nr; i++) {
		struct state *s = &C.group[i];
		const struct cpuset_change *c = &cfg->group[i].change[0];

		s->g = &cfg->group[i];
		s->nr_done = 1;
		if (c->has_cpus)
			set_allowed(s, &c->cpus);
		s->mems = c->has_mems ? c->mems : 0;
	}
	set_alarm();
}

void cpuset_shutdown(void)
{
	memset(&C, 0, sizeof(C));
}

const struct cpuset *cpuset_attach(struct thread *t, u32 i)
{
	for (u32 k = 0; k < C.nr; k++) {
		struct state *s = &C.group[k];

		if (!has_thread(s->g, i))
			continue;
		t->cpuset = k + 1;
		t->next_confined = C.first;
		C.first = t;
		mempolicy_confine(t, s->mems);
		return s->is_bound ? &s->allowed : C.asked;
	}
	return C.asked;
}

/* ---- memory that moves ------------------------------------------------------------ */

/* Under the page-table lock, which keeps the page: is @e one that goes? Then with a
 * reference. */
static bool take(u64 e, u32 from, struct page **page)
{
	if (!(e & (PTE_P | PTE_NUMA)) || (e & (PTE_MIG | PTE_SPECIAL)))
		return false;
	*page = compound_head(page_of(pte_pfn(e)));
	if ((*page)->node != from)
		return false;
	get_page(*page);
	return true;
}

/* What the table at *@vpn, or the huge entry, maps below @end of node @from, room for
 * @most. */
static u32 take_table(struct mm *mm, u64 *vpn, u64 end, u32 from,
		      struct page **page, u32 most)
{
	u64 next = (*vpn | (hpage_pages() - 1)) + 1;
	u64 *pmd = pgtable_entry(mm, *vpn, PMD_LEVEL), e = pmd ? pte_load(pmd) : 0;
	bool is_huge = pmd_is_huge(e);
	struct spinlock *ptl;
	u32 n = 0;

	if (next > end)
		next = end;
	if (!e) {
		*vpn = next;
		return 0;
	}
	ptl = pgtable_lock(mm, *vpn, is_huge ? PMD_LEVEL : 0);
	spin_lock(ptl);
	if (is_huge) {
		n = take(pte_load(pmd), from, &page[0]);
		*vpn = next;
	}
	for (; *vpn < next && n < most; ++*vpn)
		n += take(pte_load(pgtable_entry(mm, *vpn, 0)), from, &page[n]);
	spin_unlock(ptl);
	return n;
}

/* Of the @n pages of @page, with references: those that are on the LRU lists are
 * isolated, and keep one. Return: how many. */
static u32 isolate_all(struct page **page, u32 n)
{
	u32 nr = 0;

	for (u32 i = 0; i < n; i++) {
		struct page *p = page[i];

		if (isolate_lru_page(p))
			page[nr++] = p;
		put_page(p);
	}
	return nr;
}

/* mmap_lock keeps the tables, references the pages: what is moved is what was found,
 * whoever unmaps it meanwhile. */
static void move_node(struct mm *mm, u32 from, u32 to)
{
	struct page *page[MOVE_PAGES];

	for (struct vma *v = mm->first; v; v = v->next)
		for (u64 vpn = v->start; vpn < v->end; ) {
			u32 n = 0;

			while (vpn < v->end && n < MOVE_PAGES)
				n += take_table(mm, &vpn, v->end, from,
						page + n, MOVE_PAGES - n);
			migrate_isolated(page, isolate_all(page, n), to);
		}
}

static u32 weight(u64 nodes)
{
	return (u32)__builtin_popcountll(nodes);
}

/* One node of *@left and where its pages go, so that a destination is empty of
 * what itself has to go, if that can be. false: nothing is left to move. */
static bool next_pair(u64 *left, u64 from, u64 to, u32 *source, u32 *dest)
{
	bool is_found = false;

	for (u64 m = *left; m; m &= m - 1) {
		u32 s = (u32)__builtin_ctzll(m), d = node_remap(s, from, to);

		/* As many nodes as before keep their order; else what may stay
		 * where it is does. */
		if (s == d || (weight(from) != weight(to) && to >> s & 1))
			continue;
		*source = s;
		*dest = d;
		is_found = true;
		if (!(*left >> d & 1))
			break;
	}
	if (is_found)
		*left &= ~(1ull << *source);
	return is_found;
}

static void do_migrate_pages(struct mm *mm, u64 from, u64 to)
{
	u64 left = from;
	u32 s, d;

	down_read(&mm->mmap_lock);
	while (next_pair(&left, from, to, &s, &d))
		move_node(mm, s, d);
	up_read(&mm->mmap_lock);
}

/* ---- changes ---------------------------------------------------------------------- */

static u64 or_all(u64 mems)
{
	return mems ? mems : all_nodes();
}

/* The first of the @group's address spaces after the @last one. */
static struct mm *next_mm(u32 group, u32 last)
{
	struct mm *next = NULL;

	for (struct thread *t = C.first; t; t = t->next_confined) {
		struct mm *mm = thread_mm(t);

		if (t->cpuset == group && mm && mm->ctx_id > last &&
		    (!next || mm->ctx_id < next->ctx_id))
			next = mm;
	}
	return next;
}

static void change_mems(struct state *s, u32 group, u64 mems)
{
	u64 from = or_all(s->mems);
	u32 last = 0;

	s->mems = mems;
	for (struct thread *t = C.first; t; t = t->next_confined)
		if (t->cpuset == group)
			mempolicy_rebind(t, mems);
	if (!s->g->migrates || from == mems)
		return;
	/* Each address space of the group once: they are numbered. */
	for (struct mm *mm; (mm = next_mm(group, last)); ) {
		last = mm->ctx_id;
		mm->nr_users++;
		do_migrate_pages(mm, from, mems);
		atomic_dec(&mm->nr_users);
	}
}

static void change_cpus(struct state *s, u32 group, const struct cpuset *cpus)
{
	set_allowed(s, cpus);
	for (struct thread *t = C.first; t; t = t->next_confined)
		if (t->cpuset == group && t->sched)
			sched_set_allowed(t->sched, &s->allowed);
}

void cpuset_update(void)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);

	for (u32 i = 0; i < C.nr; i++) {
		struct state *s = &C.group[i];
		const struct cpuset_change *c = next_change(s);

		if (!c || this_cpu->now <
			  machine_ns_to_cycles(the_sys->m, c->at_ns))
			continue;
		/* What follows takes time, in which others come by. */
		s->nr_done++;
		set_alarm();
		charge_syscall();
		if (c->has_cpus)
			change_cpus(s, i + 1, &c->cpus);
		if (c->has_mems)
			change_mems(s, i + 1, c->mems);
	}
	cat_leave(cat);
}
