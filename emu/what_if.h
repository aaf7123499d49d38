/* what_if.h - misses of many TLB shapes on one trace.
 *
 * A sweep is written as keys with lists of values:
 *
 *	entries=16..4096,ways=4,8,full,page=4k,2m,replacement=lru,fifo
 *
 *	entries      numbers, or A..B: A, 2A, 4A ... and B
 *	ways         numbers or "full"                            [full]
 *	page         4k, 2m, 1g: the trace as if mapped so        [4k]
 *	index        linear, xor                                  [linear]
 *	replacement  lru, tree-plru, mru1-3plru4, fifo, random, nru  [lru]
 *	uses         data, fetch, all                             [data]
 *	behind       a design's name: what its first level lets through
 *
 * Every combination is a point. Points with LRU are read off stack distances
 * (tlb/stack.h), all of them from one pass, whatever their number; each of the
 * others is a TLB of its own (tlb/array.h), fed in the same pass over the
 * trace. A combination that is no shape (entries that ways do not divide, a
 * number of sets or ways that its index or policy cannot have) is left out and
 * counted.
 *
 * Only misses come out of this, of one level: no walks, no cycles.
 */
#ifndef EMU_WHAT_IF_H
#define EMU_WHAT_IF_H

#include "base/err.h"
#include "base/types.h"
#include "tlb/geometry.h"

#define WHAT_IF_MAX_POINTS 4096u

/* ORDER uses_names */
enum uses { USES_DATA, USES_FETCH, USES_ALL, NR_USES };
extern const char *const uses_names[];

/* Page sizes, as log2 of 4K pages. ORDER page_names */
enum { WHAT_IF_4K, WHAT_IF_2M, WHAT_IF_1G, NR_WHAT_IF_PAGES };
extern const char *const what_if_page_names[];
extern const u8 what_if_orders[NR_WHAT_IF_PAGES];

struct what_if_point {
	u64 entries;
	u32 ways;
	u32 sets;
	enum tlb_index index;
	enum tlb_repl replacement;
	enum uses uses;
	u32 page;               /* WHAT_IF_4K ...                             */
	bool is_stack;
	/* Results: */
	u64 accesses;           /* that reach this TLB                        */
	u64 misses;
};

struct what_if {
	struct what_if_point *point;
	u32 nr;
	u32 nr_left_out;
	char left_out[96];      /* the first of them, as text                 */
	char *behind;           /* a design's name, NULL: all accesses        */
};

/* what_if_parse - *@w from @spec; release it either way.
 * Return: 0, -EINVAL, -ENOMEM. */
int what_if_parse(struct what_if *w, const char *spec, struct err *e);
void what_if_release(struct what_if *w);

/* Does a run count under @uses? MODIFY is one access, a store. */
bool uses_has(enum uses uses, const struct run *r);

#endif
