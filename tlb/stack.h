/* stack.h - LRU stack distances of a stream of pages: the misses of every LRU
 * TLB size there is, from one pass over the stream.
 *
 * The distance of an access is how many other pages of its set were accessed
 * since the page itself was. LRU with W ways keeps exactly the pages with
 * distance below W, so a histogram of distances holds the misses of all W at
 * once. A *member* is one number of sets with one index function: 1 set is the
 * fully associative TLB; several members measure a family of shapes in the
 * same pass.
 *
 * This is an algorithm of its own beside tlb/array.h, not a TLB: no PCIDs, no
 * invalidation, one page size a stack (feed page numbers of that size).
 *
 * Cost:    O(log pages) an access and member, one popcount where few pages lie
 *          between, nothing but a counter for the page accessed last. Linear
 *          members refine each other (what is most recent in its set is so in
 *          every finer one), so finer members are mostly left alone.
 * Memory:  about 28 + 14 * members bytes a page.
 * Errors:  0 or negative errno.
 * Threads: none.
 * Sources: R. L. Mattson et al., "Evaluation techniques for storage
 *          hierarchies", IBM Systems Journal 9(2), 1970; F. Olken, LBL-12370,
 *          1981; M. D. Hill and A. J. Smith, "Evaluating associativity in CPU
 *          caches", IEEE Transactions on Computers 38(12), 1989.
 */
#ifndef TLB_STACK_H
#define TLB_STACK_H

#include "base/types.h"
#include "tlb/geometry.h"

#define STACK_MAX_MEMBERS 256u

struct stack_member {
	u32 nr_sets;            /* 1..TLB_MAX_SETS; 1: fully associative      */
	enum tlb_index index;   /* LINEAR: page mod nr_sets; others as
				 * geometry.h, nr_sets a power of two         */
};

struct stack;                   /* opaque                                     */

/* stack_create - nothing accessed yet; @member is copied.
 * Return: 0 with *@out set, -EINVAL (no or too many members, bad sets),
 * -ENOMEM. */
int stack_create(struct stack **out, const struct stack_member *member,
		 u32 nr_members);
void stack_destroy(struct stack *s);    /* NULL is fine                       */

/* stack_access - @n accesses to @page in a row, at least 1.
 * Return: 0, or -ENOMEM: then @s can only be destroyed. */
int stack_access(struct stack *s, u64 page, u64 n);

u64 stack_accesses(const struct stack *s);
u64 stack_pages(const struct stack *s); /* distinct ones: accesses without a
					 * distance, misses at any size       */

/* stack_misses - of LRU with @ways ways in each set of member @m. */
u64 stack_misses(const struct stack *s, u32 m, u64 ways);

/* stack_at - accesses at exactly @distance. */
u64 stack_at(const struct stack *s, u32 m, u64 distance);

/* stack_depth - 1 + the greatest distance so far: with so many ways only the
 * first access to a page misses. 0: none. */
u64 stack_depth(const struct stack *s, u32 m);

#endif
