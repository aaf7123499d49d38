#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/truth.h"
#include "mm/vmalloc.h"

static const struct {
	enum oracle bit;
	const char *name;
} names[] = {
	{ O1_LOST_STORE, "O1" }, { O2_WRITE_AFTER_FREE, "O2" },
	{ O3_STALE_READ, "O3" }, { O4_PERM, "O4" }, { O5_MIGENT, "O5" },
	{ O6_COUNT, "O6" }, { O8_PTPAGE, "O8" }, { O9_FLUSH_DONE, "O9" },
	{ O10_TLBGEN, "O10" }, { O12_DIRTY_LOSS, "O12" },
	{ O7_MLOCK, "O7" }, { O7_UNLOCKED, "O7" },
	{ O11_MIXED_SIZE, "O11" }, { O13_DEADLOCK, "O13" }, { O14_LIVELOCK, "O14" },
	{ O15_COW_LEAK, "O15" }, { O16_PIN, "O16" },
};

const char *oracle_name(enum oracle o)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].bit == o)
			return names[i].name;
	return "?";
}

u32 oracle_by_name(const char *name)
{
	u32 bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(names[i].name, name))
			bits |= names[i].bit;
	return bits;
}

bool oracle_is_on(enum oracle o)
{
	return mms()->oracles & o;
}

int oracle_boot(struct sys *sys, const struct mm_config *cfg)
{
	struct mm_state *s = sys->os_state;
	struct arena *a = &sys->arena;

	s->oracles = cfg->oracles ? cfg->oracles : ~0u;
	sys->os.commit_store = oracle_store;
	sys->os.loaded = oracle_load;
	if (!sys->is_checked)
		return 0;
	s->ghost = arena_alloc(a, sys->mem.nr_frames * sizeof(*s->ghost));
	if (!s->ghost)
		return -ENOMEM;
	if (sys->is_explored) {
		if (cfg->flush && cfg->flush->revoked && oracle_boot_tlb(sys))
			return -ENOMEM;
		s->truth_pages = cfg->truth_pages;
		return 0;
	}
	s->window = calloc(1, sizeof(*s->window));
	/* One word a page of the low part of the address space, unbacked until
	 * used. */
	s->stale_pages = 1ull << 36;
	s->stale_since = arena_alloc(a, s->stale_pages * sizeof(u64));
	if (!s->window || !s->stale_since)
		return -ENOMEM;
	sys->os.used = oracle_used;
	return 0;
}

void oracle_shutdown(void)
{
	if (mms())
		free(mms()->window);
}

static struct ghost *ghost_of(u64 pfn)
{
	struct ghost *g = &mms()->ghost[pfn];

	touch(g, true);
	return g;
}

void oracle_alloc(struct page *p)
{
	if (!mms()->ghost)
		return;
	for (u64 i = 0; i < 1ull << p->order; i++)
		memset(ghost_of(pfn_of(p) + i), 0, sizeof(struct ghost));
}

void oracle_free(struct page *p)
{
	if (!mms()->ghost)
		return;
	for (u64 i = 0; i < 1ull << p->order; i++) {
		struct ghost *g = ghost_of(pfn_of(p) + i);

		oracle_table_freed(pfn_of(p) + i);
		memset(g, 0, sizeof(*g));
		g->is_free = 1;
	}
}

void oracle_copied(u64 src, u64 dst)
{
	if (!mms()->ghost)
		return;
	ghost_of(src)->moved_to = (u32)dst + 1;
	ghost_of(src)->late = 0;
	ghost_of(dst)->copy_of = (u32)src + 1;
	ghost_of(dst)->late = 0;
}

static void lost(u64 pfn, u64 home, u32 n, const char *how)
{
	COUNT(LOST_STORES, n);
	FIRE(O1_LOST_STORE, "a store to frame %llu is lost: %s; the page lives in frame %llu",
	     (unsigned long long)pfn, how, (unsigned long long)home);
}

void oracle_moved(struct page *src)
{
	if (!mms()->ghost)
		return;
	for (u64 i = 0; i < 1ull << src->order; i++) {
		struct ghost *g = ghost_of(pfn_of(src) + i);

		if (!g->moved_to || g->is_done)
			continue;
		g->is_done = 1;
		memset(ghost_of(g->moved_to - 1), 0, sizeof(*g));
		if (g->late)
			lost(pfn_of(src) + i, g->moved_to - 1, g->late,
			     "it came after the line was copied");
		g->late = 0;
	}
}

void oracle_move_aborted(struct page *src)
{
	if (!mms()->ghost)
		return;
	for (u64 i = 0; i < 1ull << src->order; i++) {
		struct ghost *g = ghost_of(pfn_of(src) + i), *to;

		if (!g->moved_to || g->is_done)
			continue;
		to = ghost_of(g->moved_to - 1);
		if (to->late)
			lost(g->moved_to - 1, pfn_of(src) + i, to->late,
			     "it went to a copy that was given up");
		memset(g, 0, sizeof(*g));
		memset(to, 0, sizeof(*to));
	}
}

static void check_store(u64 pfn, u32 n)
{
	struct ghost *g = ghost_of(pfn);

	if (g->is_free) {
		COUNT(WRITE_AFTER_FREE, n);
		FIRE(O2_WRITE_AFTER_FREE, "store to frame %llu, which is free",
		     (unsigned long long)pfn);
		return;
	}
	if (the_sys->is_explored && g->is_table)
		FIRE(O8_PTPAGE, "store to frame %llu, which is a page table",
		     (unsigned long long)pfn);
	if (g->moved_to && g->is_done) {
		lost(pfn, g->moved_to - 1, n, "its translation is stale");
		return;
	}
	/* How many matters where they are counted; explored, that one did. */
	if (g->moved_to || g->copy_of)
		g->late = the_sys->is_explored ? 1 : g->late + n;
}

/* Whose @vpn is, for what runs on @cpu. */
static struct mm *mm_on(u32 cpu, u64 vpn)
{
	if (vmalloc_has(vpn))
		return &mms()->vmap->mm;
	return ((struct thread *)(void *)the_sys->cpu[cpu].task)->mm;
}

void oracle_store(u32 cpu, u64 vpn, u64 pfn, u32 line, u64 value)
{
	check_store(pfn, 1);
	truth_store(mm_on(cpu, vpn), vpn, value);
}

void oracle_kernel_stored(struct mm *mm, u64 vpn, u64 pfn, u64 value)
{
	if (!mms()->ghost)
		return;
	check_store(pfn, 1);
	truth_set(mm, vpn, value);
}

void oracle_load(u64 vpn, u64 pfn, u32 line, u64 value)
{
	const struct storebuf *sb = this_cpu->s->sb;
	u64 off;

	if (ghost_of(pfn)->is_free)
		FIRE(O3_STALE_READ, "load from frame %llu, which is free",
		     (unsigned long long)pfn);
	/* A CPU may see its own stores before they are the truth. */
	off = arena_offset(&the_sys->arena, &the_sys->mem.line[
			   pfn * the_sys->mem.lines_per_frame + line]);
	if (!sb || sb_forward(sb, off, value + 1) == value + 1)
		truth_load(mm_on(this_cpu->id, vpn), vpn, value, pfn);
}

void oracle_pinned_store(u64 vpn, u64 pfn, u32 line, u64 value)
{
	struct ghost *g = ghost_of(pfn);

	if (g->moved_to && g->is_done)
		FIRE(O16_PIN, "the device's frame %llu is no longer the page's",
		     (unsigned long long)pfn);
	else
		oracle_store(this_cpu->id, vpn, pfn, line, value);
}

void oracle_migration_entry(struct page *p)
{
	touch(&p->lock, false);
	if (!p->lock)
		FIRE(O5_MIGENT, "migration entry of frame %llu, whose page is not locked",
		     (unsigned long long)pfn_of(p));
}

void oracle_bad_entry(u64 vpn, u64 e)
{
	FIRE(O6_COUNT, "the entry of page %llu, %#llx, is neither none nor anything the kernel wrote",
	     (unsigned long long)vpn, (unsigned long long)e);
}

void oracle_counted(struct page *page, u32 n, u32 want, const char *how)
{
	if (n != want)
		FIRE(O6_COUNT, "frame %llu: %u mappings %s, it has %u",
		     (unsigned long long)pfn_of(page), n, how, want);
}

void oracle_mlocks(struct page *page)
{
	touch(&page->lock, false);
	if (!page->lock)
		FIRE(O7_UNLOCKED, "PG_mlocked of frame %llu is set, and the page is not locked",
		     (unsigned long long)pfn_of(page));
}

void oracle_mlocked_free(struct page *page)
{
	if (page->is_mlocked)
		FIRE(O7_MLOCK, "frame %llu is freed with PG_mlocked set",
		     (unsigned long long)pfn_of(page));
}

void oracle_mlocked_end(void)
{
	u64 n = 0;

	for (u64 pfn = 1; pfn < the_sys->mem.nr_frames; pfn++)
		n += !page_of(pfn)->is_free && page_of(pfn)->is_mlocked;
	if (n != mms()->nr_mlock)
		FIRE(O7_MLOCK, "NR_MLOCK is %lld, and %llu pages have PG_mlocked",
		     (long long)mms()->nr_mlock, (unsigned long long)n);
}

void oracle_object_used(u32 refcount, const char *what)
{
	if (!refcount)
		FIRE(O8_PTPAGE, "an %s that is freed is used", what);
}

void oracle_quiescent(void)
{
	truth_quiescent();
}

/* ---- timed: how long translations are used after going stale --------------------- */

void oracle_stale_from_now(struct mm *mm, u64 vpn, u64 nr_pages)
{
	struct mm_state *s = mms();

	for (u64 i = 0; s->stale_since && i < nr_pages; i++)
		s->stale_since[(vpn + i) & (s->stale_pages - 1)] =
			this_cpu->now + 1;
}

void oracle_used(const struct tlb_entry *e, u64 vpn, bool is_write, u32 n)
{
	struct mm_state *s = mms();
	const struct paging *pg = &the_sys->mem.paging;
	u64 *table = the_sys->mem.table[this_cpu->s->root];
	u64 pfn = e->pfn + (vpn - e->vpn), now_pfn = 0, pte = 0, age;
	u32 level = pg->levels;
	u32 bucket = 0;

	while (level--) {
		pte = table[paging_index(pg, vpn, level)];
		if (!(pte & PTE_P))
			break;
		if (!level || (pte & PTE_PS)) {
			now_pfn = pte_pfn(pte) +
				(vpn & ((1ull << paging_order(pg, level)) - 1));
			break;
		}
		table = the_sys->mem.table[pte_pfn(pte)];
	}
	if (is_write)
		check_store(pfn, n);
	if ((pte & PTE_P) && now_pfn == pfn && (!is_write || (pte & PTE_RW)))
		return;
	COUNT(STALE_HITS, n);
	age = s->stale_since[vpn & (s->stale_pages - 1)];
	age = age && this_cpu->now >= age ? this_cpu->now - age + 1 : 0;
	while (bucket + 1 < WINDOW_BUCKETS && age >> (bucket + 1))
		bucket++;
	s->window->hits[bucket] += n;
	if (is_write)
		s->window->store_hits[bucket] += n;
	if (age > s->window->max_cycles)
		s->window->max_cycles = age;
}
