/* mempolicy.h - where a thread's memory comes from, as set_mempolicy() and
 * numactl say it: mm/mempolicy.c of Linux. One policy a thread; none for VMAs.
 *
 *   default      the CPU's node, else the nearest that has some
 *   local        the same, asked for
 *   preferred    one node, else the nearest to it that has some
 *   bind         the named nodes only, the nearest first; without memory there
 *                the program gets none
 *   interleave   the named nodes in turn, page by page
 *
 * A policy that was asked for also keeps the NUMA balancing scanner away (no
 * MPOL_F_MOF), but for local. Nodes are bits: the first 64 of a machine.
 */
#ifndef MM_MEMPOLICY_H
#define MM_MEMPOLICY_H

#include "base/types.h"

struct page;
struct thread;

/* ORDER mpol_names */
enum mpol_mode {
	MPOL_DEFAULT, MPOL_LOCAL, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE
};

#define MPOL_MAX_NODES 64u

struct mempolicy {
	enum mpol_mode mode;
	u32 next;               /* interleave: the next page's node, at least */
	u64 nodes;
};

/* alloc_user_page - a page for @vpn of the current thread, where its policy
 * wants it. NULL: no memory that it may have. */
struct page *alloc_user_page(u32 order, u64 vpn);

/* set_mempolicy(2) of the current thread. */
void set_mempolicy(enum mpol_mode mode, u64 nodes);

/* May pages of this thread migrate on reference (MPOL_F_MOF)? */
bool mpol_moves_on_fault(const struct thread *t);

/* The nearest node to @near among the bits of @nodes, by distance, then by
 * number. -1: none. */
int nearest_node(u32 near, u64 nodes);

#endif
