/* psc_level.h - how a paging-structure cache keeps one level (psc.h says what it
 * does): a pool of slots. The ways of a set are in order of age, youngest first:
 * in sets of up to ROW_WAYS a *row* (row.h), and tags are compared side by side; in larger ones a list, and what holds something is on
 * one chain of a hash table (psc.c).
 *
 * For psc.c, and for walkers that look before they touch: psc_peek(), then
 * psc_use() of what it found, or psc_row_put(). Rows only (psc_has_rows).
 */
#ifndef TLB_PSC_LEVEL_H
#define TLB_PSC_LEVEL_H

#include "tlb/match.h"
#include "tlb/psc.h"
#include "tlb/row.h"

#define PSC_NONE UINT16_MAX
/* A tag is the page number at the level below the space; 0 is no tag, since
 * bit 63 is set in all others. */
#define PSC_PAGE_BITS 44
#define PSC_VALID (1ull << 63)
#define PSC_MAX_SPACE (1u << (63 - PSC_PAGE_BITS))

struct psc_slot {
	u64 table;
	u64 rights;
	u16 chain;              /* next of the same hash                      */
	u16 older, younger;     /* in the set                                 */
};

struct psc_set {
	u64 row;
	u16 youngest, oldest;   /* of a list                                  */
};

struct psc_level {
	u64 *tag;               /* [slot]: set * stride + way                 */
	struct psc_slot *slot;
	struct psc_set *set;
	u16 *head;              /* [hash]; NULL: rows                         */
	u32 nr_ways, nr_sets;
	u32 stride;             /* ways, of rows rounded up to four           */
	u32 oldest_shift;       /* of a row: its last way                     */
	u32 set_mask;
	bool is_pow2;           /* nr_sets                                    */
	u32 hash_shift;         /* of 64-bit products                         */
	u32 shift;              /* page = vpn >> shift                        */
	u32 nr_live;
	u64 missed;             /* the tag that the last lookup did not find,
				 * if nothing was filled since; 0: none       */
	u64 last;               /* the tag used last, in last_slot: the youngest
				 * of its set. 0: none                        */
	u16 last_slot;
};

struct psc {
	u32 top;                /* highest level there is a cache for, or 0   */
	struct psc_level level[PSC_MAX_LEVELS];
};

static inline u64 psc_tag(const struct psc_level *l, u32 space, u64 vpn)
{
	return PSC_VALID | (u64)space << PSC_PAGE_BITS | vpn >> l->shift;
}

static inline u32 psc_set_index(const struct psc_level *l, u64 tag)
{
	u64 page = tag & ((1ull << PSC_PAGE_BITS) - 1);

	return likely(l->is_pow2) ? (u32)tag & l->set_mask
				  : (u32)(page % l->nr_sets);
}

/* Is there a cache of @level, of rows? */
static inline bool psc_has_rows(const struct psc *p, u32 level)
{
	return p->level[level].nr_ways && !p->level[level].head;
}

/* ---- rows -------------------------------------------------------------------- */

static inline u16 psc_row_find(const struct psc_level *l, u64 tag)
{
	u32 first = psc_set_index(l, tag) * l->stride;
	u32 way = match_way(l->tag + first, l->stride, tag);

	return way != MATCH_NONE ? (u16)(first + way) : PSC_NONE;
}

/* The oldest slot of its set, of a row, becomes @tag's and the youngest. */
static inline u16 psc_row_put(struct psc_level *l, u64 tag, u64 table,
			      u64 rights)
{
	u32 set = psc_set_index(l, tag);
	u64 *row = &l->set[set].row;
	u32 way = row_oldest(*row, l->oldest_shift), i = set * l->stride + way;

	l->nr_live += !l->tag[i];
	l->tag[i] = tag;
	l->slot[i].table = table;
	l->slot[i].rights = rights;
	*row = row_renew(*row, l->oldest_shift);
	l->missed = 0;
	l->last = tag;
	l->last_slot = (u16)i;
	return (u16)i;
}

/* What a lookup would find, nothing being changed. */
static inline u16 psc_peek(const struct psc_level *l, u64 tag)
{
	return l->last == tag ? l->last_slot : psc_row_find(l, tag);
}

/* @tag, in slot @i, is used. */
static inline void psc_use(struct psc_level *l, u64 tag, u16 i)
{
	struct psc_set *set;

	if (l->last == tag)
		return;
	set = &l->set[psc_set_index(l, tag)];
	set->row = row_to_front(set->row, i - (u32)(set - l->set) *
						  l->stride);
	l->last = tag;
	l->last_slot = i;
}

#endif
