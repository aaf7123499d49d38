/* array.h - a core's TLBs as real arrays (unit.h): sets, ways, an index
 * function and a replacement policy each, as measured on real parts, wired up
 * as a struct tlb_design says. For timed runs.
 *
 * A struct tlb_array is one hardware thread's side of its core. Threads created
 * together share the core's arrays, competing for ways or not as the design
 * says, and never match each other's entries.
 *
 *  - A walk fills, of each level, the array that takes the use that asked and
 *    the page's size. A level-2 hit copies the entry into level 1 and is an
 *    access of level 2; a level-1 hit does not touch level 2; what leaves
 *    level 1 is not written back. So neither level includes the other, unless
 *    the design is_inclusive: then what level 2 evicts leaves the arrays of
 *    level 1 that share a use with it. Level 2 is filled first.
 *    Source: TLB;DR (USENIX Security 2022), its measured properties.
 *  - Entries are indexed by the number of their own page, or block of pages, in
 *    every array (assumed: no published measurement).
 *  - A free way is taken first, the lowest-numbered; the policy decides only
 *    among full sets. Invalidation leaves policy state alone (assumed).
 *  - Several entries may translate one page. A level answers with the first of:
 *    own 4K, own block, own 2M, own block of these, own 1G, then the same of
 *    global ones.
 *  - An array that coalesces keeps one entry for a block of 2^coalesce pages
 *    when the walker reports at least that much contiguity, and a single page
 *    otherwise; 2M pages by their own coalesce_2m. A block is broken down for an
 *    array that does not, and not joined again from there: of what is around a
 *    page only its walk knows.
 *  - A fill supersedes what an array holds of its pages, own and global, in
 *    entries of the same kind (4K pages and blocks; 2M likewise; 1G): it takes the way of
 *    the own entry of exactly these pages, else of the global one (an access, to
 *    the policy); the others go.
 *  - Entries of one page of two sizes, or own and global, may stand side by side
 *    where software let them (tlb_array_watch()): one of them answers, as above.
 *  - A page larger than a level holds is kept as the piece that was accessed,
 *    where an array takes_pieces; level 1 gets the whole page back from such a
 *    piece in level 2 if it can hold it. A size that no array holds is kept in
 *    pieces by level 1 (assumed).
 *
 * Units:   as tlb.h. Virtual addresses are canonical with at most 57 bits.
 *          A count of dropped entries counts an entry once for each array that
 *          held it.
 * Errors:  0 or negative errno from tlb_array_create() only. A bad order, a
 *          misaligned entry or a pcid beyond tlb_array_max_pcid() is the
 *          caller's bug: fills assert it, lookups are too hot to.
 * Memory:  unit.h, and 18 KiB a thread and kind of level-1 array.
 * Threads: none; a core belongs to one host thread.
 */
#ifndef TLB_ARRAY_H
#define TLB_ARRAY_H

#include "tlb/arch.h"
#include "tlb/unit.h"

/* Where a page of one class may be: one array, or a pair of like ones between
 * which a bit of the page number decides. */
struct tlb_probe {
	struct tlb_unit *unit[2];
	enum tlb_class cls;
	u8 order;               /* of its entries                             */
	bool is_pair;
};

/* Where the leaves of one size go at one level. */
struct tlb_home {
	struct tlb_probe page;          /* unit[0] NULL: nowhere              */
	struct tlb_probe block;         /* unit[0] NULL: no coalescing        */
};

#define TLB_CONTIG_NEVER 64u    /* more than a walk reports                   */

/* One use's way through the core. */
struct tlb_route {
	struct tlb_probe l1[NR_TLB_CLASSES], l2[NR_TLB_CLASSES];
	u32 nr_l1, nr_l2;
	/* The arrays of 4K pages, if both levels have one, not a pair, and no
	 * other memo must learn of what the first gets; else NULL. */
	struct tlb_unit *l1_4k, *l2_4k;
	const struct tlb_probe *l1_2m;  /* with l1_4k: 2M pages, or NULL      */
	u32 memo;               /* the use whose memo it has                  */
	u32 min_contig;         /* walks with less are single pages to both,
				 * and what the second evicts is nobody's
				 * business; 0: not so                        */
	u32 l2_cycles;          /* until the slowest of level 2 has missed    */
	struct tlb_home home[2][TLB_NR_SIZES];  /* [level - 1][leaf size]     */
};

/* Where level 1 had a page when it was last looked for. Only a guess: the
 * slot's tag must still be that. The first entry in the order of answers, as
 * long as it is there: whatever comes before it overwrites the guess. */
struct tlb_memo {
	u64 key;                /* the page, as a tag of a single 4K page     */
	u64 tag;                /* of the entry that translates it            */
	struct tlb_unit *unit;
	u32 slot;
	u16 set, way;
};

#define TLB_NR_MEMO 512u        /* covers any 2 MiB of address space          */
#define TLB_NR_MEMO_2M 64u      /* behind them: by 2M page                    */

struct tlb_array_stats {
	u64 lookups;
	u64 l1_misses;
	u64 l2_hits[TLB_NR_SIZES];      /* by the leaf's size                 */
	u64 fills;              /* walks installed                            */
	u64 evictions[TLB_MAX_ARRAYS];  /* live entries that made room        */
	u64 dropped_inclusive;  /* entries of level 1, by evictions           */
	u64 dropped_invlpg;     /* entries, by operations that name a page    */
	u64 dropped_flush;      /* entries, by the others                     */
	u64 dropped_cr3;        /* entries that MOV CR3 need not have dropped */
	u64 conflicts;          /* lookups, while watched, that found two     */
};

struct tlb_core {
	u32 nr_units;
	u32 nr_threads;         /* created                                    */
	u32 nr_users;           /* not yet destroyed                          */
	u32 nr_pcids;           /* a thread's spaces, but the global one      */
	u32 bits;               /* the design's leaf_bits                     */
	struct tlb_unit unit[TLB_MAX_ARRAYS];
	struct tlb_route route[NR_TLB_USES];
	u8 memo_use[NR_TLB_USES];       /* the first use with this level 1    */
	u8 memo_uses[TLB_MAX_ARRAYS];   /* bit a use that is first so and that
					 * this array serves at level 1       */
	struct tlb_design design;
	/* A lookup that missed in all arrays of its use, if nothing changed
	 * since: then a fill need not search. The sets are those of l1_4k and
	 * l2_4k. 0: none. */
	u64 missed;
	u32 missed_use, missed_set[2];
	bool has_global;        /* ever had                                   */
	bool is_watched;        /* memos stay empty: all lookups look         */
	bool has_more;          /* ever had other than single 4K pages        */
};

/* Address spaces, the one used last first. */
struct tlb_pcid_list {
	u32 nr;
	u16 pcid[TLB_MAX_PCID_SLOTS];
};

struct tlb_array {
	struct tlb_core *core;
	u64 space0;             /* of pcid 0, as in a tag                     */
	u64 global;             /* of global entries                          */
	struct tlb_memo *memo[NR_TLB_USES];     /* equal where level 1 is     */
	struct tlb_array_stats stats;
	u8 memo_1g;             /* bit a memo: it may name 1G entries         */
	u32 thread;
	u32 l2_unit;            /* which of the design's arrays hit last      */
	struct tlb_pcid_list l2_pcids, l1i_pcids;
	u32 kept_pcid;          /* + 1: known to be in both; 0: none is       */
};

/* tlb_array_create - an empty core of @nr_threads hardware threads, built as
 * @design (copied) says; @out[0..nr_threads) are its threads.
 * Return: 0, -EINVAL (tlb_design_error() says why), -ENOMEM. */
int tlb_array_create(struct tlb_array **out, const struct tlb_design *design,
		     u32 nr_threads);
/* The core goes with its last thread. NULL is fine. */
void tlb_array_destroy(struct tlb_array *a);

/* tlb_array_seed - restart random replacement of the core, array i from stream
 * i of @seed. A new core has seed 0; no other policy draws. */
void tlb_array_seed(struct tlb_array *a, u64 seed);

/* Does any array serve @use? If none does, nothing is ever found for it. */
static inline bool tlb_array_serves(const struct tlb_array *a, enum tlb_use use)
{
	return a->core->route[use].nr_l1 + a->core->route[use].nr_l2 != 0;
}

/* The largest pcid that tags can tell apart: 65535 with up to 3 threads. */
static inline u16 tlb_array_max_pcid(const struct tlb_array *a)
{
	return (u16)(a->core->nr_pcids - 1);
}

/* The array of level 2 that the last tlb_array_access() hit, if it returned
 * TLB_HIT_L2. */
static inline const struct tlb_geometry *
tlb_array_l2_geometry(const struct tlb_array *a)
{
	return &a->core->unit[a->l2_unit].geo;
}

/* What TLB_MISS costs before a walk can begin: level 2 was looked up, as for a
 * hit there; all its arrays at once (assumed). 0: @use has no level 2. */
static inline u32 tlb_array_miss_cycles(const struct tlb_array *a,
					enum tlb_use use)
{
	return a->core->route[use].l2_cycles;
}

/* tlb_array_watch - from now on the core's lookups count in conflicts when the level
 * that answers has more than one entry for the page: what Arm may report by a TLB
 * conflict abort. Slow; so it is asked for only when a page's size was changed in a
 * way that can lead there. Answers are the same as without. */
void tlb_array_watch(struct tlb_array *a);

/* tlb_array_fill - install @e, the leaf that a walk for @use and page @vpn
 * found: its order is 0, leaf_bits or twice that (4K: 0, 9, 18).
 * Return: the entry that translates @vpn now, in level 1 or else 2; valid until
 * the next call that may change the core. NULL when no array serves @use. */
struct tlb_entry *tlb_array_fill(struct tlb_array *a, enum tlb_use use, u64 vpn,
				 const struct tlb_entry *e);

/* tlb_array_set_dirty - after a D-bit assist: sets TLB_D in what any array
 * holds of @vpn from leaves of @order for @pcid, global entries
 * included. A coalesced block, whose other pages may be clean, is dropped
 * instead. Not an access: replacement does not see it.
 * Return: entries dirty now, and dropped. */
u32 tlb_array_set_dirty(struct tlb_array *a, u16 pcid, u64 vpn, u8 order);

/* Invalidations: of this thread's entries in all arrays, exactly what is asked
 * for. An entry is named by any page it covers, a piece by any page of the leaf
 * or, fractured, of the guest's page that it is from. Return: entries dropped.
 *
 * tlb_array_invalidate - @scope with operands @pcid and @vpn.
 * tlb_array_load_cr3 - MOV CR3, or a write of TTBR or satp, to @pcid: drops its
 *   entries, but not global ones, unless @is_noflush (bit 63 of CR3), and what
 *   the design's limits on address spaces make it drop.
 *   With limits, a fill for a pcid that is not among those kept apart makes it
 *   one of them, as a load does. */
u32 tlb_array_invalidate(struct tlb_array *a, enum inval_scope scope, u16 pcid,
			 u64 vpn);
u32 tlb_array_load_cr3(struct tlb_array *a, u16 pcid, bool is_noflush);

/* INVLPG of the current @pcid. */
static inline u32 tlb_array_invlpg(struct tlb_array *a, u16 pcid, u64 vpn)
{
	return tlb_array_invalidate(a, INVAL_PAGE_GLOBAL, pcid, vpn);
}

/* INVPCID @type, 0 to 3. */
static inline u32 tlb_array_invpcid(struct tlb_array *a, u32 type, u16 pcid,
				    u64 vpn)
{
	static const enum inval_scope scope[4] = {
		INVAL_PAGE, INVAL_ASID, INVAL_ALL, INVAL_ALL_BUT_GLOBAL,
	};

	return tlb_array_invalidate(a, scope[type & 3], pcid, vpn);
}

/* Non-global entries of @pcid. */
static inline u32 tlb_array_flush_pcid(struct tlb_array *a, u16 pcid)
{
	return tlb_array_invalidate(a, INVAL_ASID, pcid, 0);
}

/* Everything: a change of CR4.PGE. */
static inline u32 tlb_array_flush_all(struct tlb_array *a)
{
	return tlb_array_invalidate(a, INVAL_ALL, 0, 0);
}

/* tlb_array_slot - what a way of the design's array @id holds, NULL if it is
 * free or there is none. *@thread, unless NULL: whose it is. Sets and ways are
 * those of all threads. For tests, oracles and dumps. */
const struct tlb_entry *tlb_array_slot(const struct tlb_array *a, u32 id,
				       u32 set, u32 way, u32 *thread);

/* tlb_array_check - the invariants of the whole core.
 * Return: NULL, or what is broken. */
const char *tlb_array_check(const struct tlb_array *a);

/* For fills, in designs with limits: an entry of @pcid is about to come. */
void tlb_array_fill_pcid(struct tlb_array *a, u16 pcid);

/* The rest of the inline functions below. */
bool tlb_array_hit_scan(struct tlb_array *a, enum tlb_use use, u16 pcid,
			u64 vpn, struct tlb_entry **out);
enum tlb_level tlb_array_access_scan(struct tlb_array *a, enum tlb_use use,
				     u16 pcid, u64 vpn, struct tlb_entry **out);

static inline u64 tlb_array_space(const struct tlb_array *a, u16 pcid)
{
	return a->space0 + ((u64)pcid << TLB_TAG_SPACE_SHIFT);
}

static inline u32 tlb_memo_index(u64 vpn)
{
	return (u32)(vpn ^ vpn >> 9) & (TLB_NR_MEMO - 1);
}

/* Tells the memo of the single page @key, in level 1. */
static inline __attribute__((always_inline)) void
tlb_array_memo_note(struct tlb_array *a, enum tlb_use use, u64 key, u64 vpn,
		    struct tlb_unit *u, u32 set, u32 slot)
{
	struct tlb_memo *m = &a->memo[use][tlb_memo_index(vpn)];

	m->key = key;
	m->tag = key;
	m->unit = u;
	m->slot = slot;
	m->set = (u16)set;
	m->way = (u16)(slot - set * u->stride);
}

/* Where the memo says that an entry with @flags is. NULL says nothing. */
static inline __attribute__((always_inline)) const struct tlb_memo *
tlb_array_memo_find(const struct tlb_array *a, enum tlb_use use, u16 pcid,
		    u64 vpn, u32 flags)
{
	const struct tlb_memo *m = &a->memo[use][tlb_memo_index(vpn)];
	u64 key = unit_tag(tlb_array_space(a, pcid), vpn, TLB_4K, 0);

	if (unlikely(m->key != key || m->unit->tag[m->slot] != m->tag ||
		     (m->unit->entry[m->slot].flags & flags) != flags))
		return NULL;
	return m;
}

/* What a hit there changes. */
static inline __attribute__((always_inline)) void
tlb_memo_touch(const struct tlb_memo *m)
{
	repl_hit(&m->unit->repl, m->set, m->way);
}

/* A hit where the memo says it is. False says nothing. */
static inline __attribute__((always_inline)) bool
tlb_array_memo_hit(struct tlb_array *a, enum tlb_use use, u16 pcid, u64 vpn,
		   u32 flags, struct tlb_entry **out)
{
	const struct tlb_memo *m = tlb_array_memo_find(a, use, pcid, vpn,
						       flags);

	if (unlikely(!m))
		return false;
	tlb_memo_touch(m);
	a->stats.lookups++;
	*out = &m->unit->entry[m->slot];
	return true;
}

/* tlb_array_hit - the path of nearly every access: a level-1 entry of @pcid, or
 * a global one, that @use may use as it is (a store: TLB_W and TLB_D).
 * Return: true with *@out set and the access accounted; false with nothing
 * changed at all. */
static inline bool tlb_array_hit(struct tlb_array *a, enum tlb_use use,
				 u16 pcid, u64 vpn, struct tlb_entry **out)
{
	return likely(tlb_array_memo_hit(a, use, pcid, vpn, use == TLB_STORE ?
					 TLB_W | TLB_D : 0, out)) ||
	       tlb_array_hit_scan(a, use, pcid, vpn, out);
}

/* tlb_array_hit_all - @nr_lookups lookups of @pcid, of which is known only which
 * pages they are for and in what order those were used for the last time
 * (base/types.h, struct run_digest): @page[@n], vpn << 2 | use.
 * Return: true with all accounted as tlb_array_hit() would, one by one; false,
 * with nothing changed that can be seen, if one of the pages is missing or not
 * to be used as it is, or the order matters to a policy: nru, unless all are
 * referenced already. */
bool tlb_array_hit_all(struct tlb_array *a, u16 pcid, const u64 *page, u32 n,
		       u64 nr_lookups);

/* The guess where level 1 has @vpn for @use, made right; NULL if it has none.
 * Not an access. */
const struct tlb_memo *tlb_array_memo_make(struct tlb_array *a,
					   enum tlb_use use, u16 pcid, u64 vpn);

/* tlb_array_access - one lookup, whatever comes of it. The entry is returned
 * as found: for a store without TLB_W or TLB_D the walker must act.
 * *@out stays valid until the next call that may change the core, and is NULL
 * on a miss. */
static inline enum tlb_level tlb_array_access(struct tlb_array *a,
					      enum tlb_use use, u16 pcid,
					      u64 vpn, struct tlb_entry **out)
{
	if (likely(tlb_array_memo_hit(a, use, pcid, vpn, 0, out)))
		return TLB_HIT_L1;
	return tlb_array_access_scan(a, use, pcid, vpn, out);
}

#endif
