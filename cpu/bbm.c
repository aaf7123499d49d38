#include "cpu/bbm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/memory.h"

/* Open addressing, linear probing. A slot is a struct rec and its CPUs. */
struct rec {
	u64 vpn;                /* first page of the entry                    */
	u32 root;               /* 0: free slot                               */
	u16 asid;               /* that it is held under                      */
	u8 level;
	u64 old;                /* the valid entry it was                     */
	u64 cpus[];             /* still to invalidate                        */
};

struct bbm {
	u32 nr_words;           /* of cpus[]                                  */
	u32 bits;               /* log2 of entries per table                  */
	size_t slot_bytes;
	bool may_resize, has_nt, may_hint;
	u64 nr, room;           /* room: a power of two                       */
	u8 *slot;
};

#define FIRST_ROOM 64u
#define MAX_LEVEL 2u            /* 1G leaves                              */

static struct rec *slot_at(const struct bbm *b, u64 i)
{
	return (struct rec *)(void *)(b->slot + (i & (b->room - 1)) *
				      b->slot_bytes);
}

static u64 home_of(u32 root, u64 vpn, u32 level)
{
	u64 x = (vpn ^ (u64)root << 40 ^ (u64)level << 60) *
		0x9e3779b97f4a7c15ull;

	return x ^ x >> 32;
}

static u64 first_vpn(const struct bbm *b, u64 vpn, u32 level)
{
	return vpn >> (b->bits * level) << (b->bits * level);
}

/* Where the record is, or would go. */
static struct rec *find(const struct bbm *b, u32 root, u64 vpn, u32 level)
{
	u64 i = home_of(root, vpn, level);
	struct rec *r;

	for (;; i++) {
		r = slot_at(b, i);
		if (!r->root || (r->root == root && r->vpn == vpn &&
				 r->level == level))
			return r;
	}
}

static bool grow(struct bbm *b)
{
	u8 *old = b->slot, *p = calloc(2 * b->room, b->slot_bytes);
	u64 n = b->room;

	if (!p)
		return false;
	b->slot = p;
	b->room = 2 * n;
	for (u64 i = 0; i < n; i++) {
		struct rec *r = (struct rec *)(void *)(old + i * b->slot_bytes);

		if (r->root)
			memcpy(find(b, r->root, r->vpn, r->level), r,
			       b->slot_bytes);
	}
	free(old);
	return true;
}

/* Later members of a probe run move up, so that no hole splits it. */
static void remove_rec(struct bbm *b, struct rec *r)
{
	u64 hole = (u64)((u8 *)r - b->slot) / b->slot_bytes;

	for (u64 i = hole + 1;; i++) {
		struct rec *next = slot_at(b, i);
		u64 home;

		if (!next->root)
			break;
		home = home_of(next->root, next->vpn, next->level);
		if (((i - home) & (b->room - 1)) <
		    ((i - hole) & (b->room - 1)))
			continue;
		memcpy(slot_at(b, hole), next, b->slot_bytes);
		hole = i;
	}
	slot_at(b, hole)->root = 0;
	b->nr--;
}

int bbm_create(struct bbm **out, u32 nr_cpus, u32 table_bits,
	       const struct arch_rules *rules)
{
	struct bbm *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->nr_words = (nr_cpus + 63) / 64;
	b->bits = table_bits;
	b->may_resize = rules->may_resize;
	b->has_nt = rules->has_nt;
	b->may_hint = b->may_resize || b->has_nt;
	b->slot_bytes = sizeof(struct rec) + b->nr_words * sizeof(u64);
	b->room = FIRST_ROOM;
	b->slot = calloc(b->room, b->slot_bytes);
	if (!b->slot) {
		free(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

void bbm_destroy(struct bbm *b)
{
	if (!b)
		return;
	free(b->slot);
	free(b);
}

u64 bbm_nr_open(const struct bbm *b)
{
	return b->nr;
}

static bool is_leaf(u64 pte, u32 level)
{
	return (pte & PTE_P) && (!level || pte & PTE_PS);
}

static bool is_table(u64 pte, u32 level)
{
	return (pte & PTE_P) && level && !(pte & PTE_PS);
}

/* A large page that no TLB keeps. */
static bool is_passing(const struct bbm *b, u64 pte, u32 level)
{
	return b->has_nt && is_leaf(pte, level) && level && pte & PTE_NT;
}

/* May one leaf not follow the other at once, for their hints? */
static bool is_hint_bad(const struct bbm *b, u64 old, u64 new)
{
	return !b->may_hint && (old ^ new) & PTE_CONT;
}

static bool is_any(const u64 *words, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (words[i])
			return true;
	return false;
}

/* A host out of memory forgets the record: a violation may go uncounted. */
static void note_old(struct bbm *b, u32 root, u16 asid, u64 vpn, u32 level,
		     u64 old, const u64 *may_hold)
{
	struct rec *r;

	if (!is_any(may_hold, b->nr_words))
		return;
	if (2 * (b->nr + 1) > b->room && !grow(b))
		return;
	r = find(b, root, vpn, level);
	if (!r->root)
		b->nr++;
	r->root = root;
	r->asid = asid;
	r->vpn = vpn;
	r->level = (u8)level;
	r->old = old;
	memcpy(r->cpus, may_hold, b->nr_words * sizeof(u64));
}

/* Take the record of (@vpn, @level) away. Return: there was one, and @new, now
 * the leaf of @new_level at @new_vpn, must not follow it at once. */
static bool settle(struct bbm *b, u32 root, u64 vpn, u32 level, u64 new,
		   u64 new_vpn, u32 new_level)
{
	struct rec *r = find(b, root, vpn, level);
	bool differs;

	if (!r->root)
		return false;
	differs = (level != new_level || is_table(r->old, level)) &&
		  !b->may_resize;
	if (!is_table(r->old, level))
		differs |= pte_pfn(r->old) - vpn != pte_pfn(new) - new_vpn ||
			   is_hint_bad(b, r->old, new);
	remove_rec(b, r);
	return differs;
}

/* A leaf of @level became valid: is one of another size still held there? */
static bool is_other_size_open(struct bbm *b, u32 root, u64 vpn, u32 level,
			       u64 new)
{
	bool is_open = false;

	for (u32 above = level + 1; above <= MAX_LEVEL; above++)
		is_open |= settle(b, root, first_vpn(b, vpn, above), above, new,
				  vpn, level);
	if (level == 1 && b->nr)
		for (u64 i = 0; i < 1ull << b->bits; i++)
			is_open |= settle(b, root, vpn + i, 0, new, vpn, level);
	return is_open;
}

/* To or from a large page with nT set. It is not held by anybody, so it stands
 * where an invalid entry would; but its frames are used, so those may not change
 * without one. */
static bool passes(struct bbm *b, u32 root, u16 asid, u64 vpn, u32 level,
		   u64 old, u64 new, const u64 *may_hold)
{
	bool is_both = is_leaf(old, level) && is_leaf(new, level);
	bool is_bad;

	if (is_both && pte_pfn(old) != pte_pfn(new) &&
	    is_any(may_hold, b->nr_words))
		return true;
	if (is_passing(b, old, level)) {
		/* Only now does what was before matter. */
		if (is_passing(b, new, level) || !(new & PTE_P) || !b->nr)
			return false;
		if (is_table(new, level))
			return settle(b, root, vpn, level, new, vpn, level) &&
			       !b->may_resize;
		is_bad = settle(b, root, vpn, level, new, vpn, level);
		return is_other_size_open(b, root, vpn, level, new) || is_bad;
	}
	if (old & PTE_P)
		note_old(b, root, asid, vpn, level, old, may_hold);
	return false;
}

bool bbm_changed(struct bbm *b, u32 root, u16 asid, u64 vpn, u32 level, u64 old,
		 u64 new, const u64 *may_hold)
{
	bool was = is_leaf(old, level), is = is_leaf(new, level);
	bool is_bad;

	vpn = first_vpn(b, vpn, level);
	if (is_passing(b, old, level) || is_passing(b, new, level))
		return passes(b, root, asid, vpn, level, old, new, may_hold);
	if (was && is)
		return (pte_pfn(old) != pte_pfn(new) ||
			is_hint_bad(b, old, new)) &&
		       is_any(may_hold, b->nr_words);
	/* Between leaf and table at once: another size, nothing between. */
	if (((was && is_table(new, level)) || (is && is_table(old, level))) &&
	    !b->may_resize)
		return is_any(may_hold, b->nr_words);
	if (was) {
		note_old(b, root, asid, vpn, level, old, may_hold);
		return false;
	}
	if (!is || !b->nr)
		return false;
	is_bad = settle(b, root, vpn, level, new, vpn, level);
	return is_other_size_open(b, root, vpn, level, new) || is_bad;
}

static void cpu_is_done(struct bbm *b, struct rec *r, u32 cpu)
{
	r->cpus[cpu / 64] &= ~(1ull << cpu % 64);
	if (!is_any(r->cpus, b->nr_words))
		remove_rec(b, r);
}

/* Does one page's invalidation take it away? Of what a table held, only that of
 * all pages does. */
static bool is_of_page(const struct bbm *b, const struct rec *r, u64 vpn)
{
	return r->vpn == first_vpn(b, vpn, r->level) &&
	       !is_table(r->old, r->level);
}

/* @vpn: NULL for all pages. */
static void invalidated(struct bbm *b, u32 cpu, u32 asid, const u64 *vpn)
{
	/* A removal may move a later record here: look at the slot again. */
	for (u64 i = 0; b->nr && i < b->room; ) {
		struct rec *r = slot_at(b, i);
		u64 before = b->nr;

		if (r->root && (asid == BBM_ANY_ASID || r->asid == asid) &&
		    (!vpn || is_of_page(b, r, *vpn)))
			cpu_is_done(b, r, cpu);
		if (b->nr == before)
			i++;
	}
}

void bbm_invalidated_page(struct bbm *b, u32 cpu, u32 asid, u64 vpn)
{
	invalidated(b, cpu, asid, &vpn);
}

void bbm_invalidated_all(struct bbm *b, u32 cpu, u32 asid)
{
	invalidated(b, cpu, asid, NULL);
}

void bbm_invalidated_loaded(struct bbm *b, u32 cpu, u32 root, u64 vpn)
{
	for (u32 level = 0; b->nr && level <= MAX_LEVEL; level++) {
		struct rec *r = find(b, root, first_vpn(b, vpn, level), level);

		if (r->root && is_of_page(b, r, vpn))
			cpu_is_done(b, r, cpu);
	}
}
