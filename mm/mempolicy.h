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

/* All of the machine's. */
u64 all_nodes(void);

/* alloc_user_page - a page for @vpn (ANY_VPN: or whatever is asked for on its
 * behalf) of the current thread, where its policy and cpuset want it. NULL: no
 * memory that it may have. */
struct page *alloc_user_page(u32 order, u64 vpn);

/* set_mempolicy(2) of the current thread. Return: 0; -EINVAL: its cpuset allows
 * none of @nodes, and the policy is as it was. */
int set_mempolicy(enum mpol_mode mode, u64 nodes);

/* May pages of this thread come from @node, as far as its cpuset goes? As far as
 * that and its policy go? */
bool cpuset_has_node(const struct thread *t, u32 node);
bool mempolicy_allows(const struct thread *t, u32 node);

/* mempolicy_confine - @t is in a cpuset of these nodes from now on; 0: all. What
 * its policy names of others is gone. mempolicy_rebind - the cpuset's are others
 * now, and its policy names those in the same places (mpol_rebind_task()). */
void mempolicy_confine(struct thread *t, u64 mems);
void mempolicy_rebind(struct thread *t, u64 mems);

/* node_remap - the node at @node's place in @from, among @to, begun anew where
 * those are fewer; @node itself, if it is none of @from. */
u32 node_remap(u32 node, u64 from, u64 to);

/* May pages of this thread migrate on reference (MPOL_F_MOF)? */
bool mpol_moves_on_fault(const struct thread *t);

/* The nearest node to @near among the bits of @nodes, by distance, then by
 * number. -1: none. */
int nearest_node(u32 near, u64 nodes);

#endif
