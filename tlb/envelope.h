/* envelope.h - the architectural envelope of one CPU's TLB: every translation
 * that a correct processor might hold right now.
 *
 * The manual lets a CPU cache any valid translation at any time and drop any
 * entry at any time. So instead of events "fill" and "evict", the envelope
 * keeps, per page, the set of translations that *may* be cached:
 *   - when a valid entry in memory is replaced, the old one joins the set of
 *     every CPU that has the table loaded (it may have been filled before);
 *   - invalidation empties the set;
 *   - an access picks: one member (it hits, so the others were not there), or
 *     a walk (nothing was cached). What is not picked leaves the set.
 * A member is kept until used, so unbounded fills and evictions cost no states
 * of their own. tests/test_envelope.c holds this against explicit fill and
 * evict events.
 *
 * With is_demand_only, only what this CPU itself walked can join.
 *
 * Entries are kept sorted, so that equal sets are equal bytes.
 */
#ifndef TLB_ENVELOPE_H
#define TLB_ENVELOPE_H

#include "tlb/arch.h"

#define ENVELOPE_MAX 8

struct envelope {
	u32 n;
	u32 overflowed;         /* a member was lost: no proof from here on   */
	struct tlb_entry e[ENVELOPE_MAX];
	u8 marked[ENVELOPE_MAX];        /* ghost: bit per flush initiator that
					 * found it here when it began       */
	u8 called[ENVELOPE_MAX];        /* bit per CPU whose broadcast names it
					 * and is not known to be complete   */
	u8 renewed[ENVELOPE_MAX];       /* of these: became stale anew since, so
					 * one like it may outlive them      */
	u8 named[ENVELOPE_MAX]; /* ghost: generation of the first flush that
				 * named it, 0: none did                     */
};

/* envelope_perform_below - @op of a CPU that loads what the top table says into
 * registers: paths of @order pages stay, unless it drops all. */
u32 envelope_perform_below(struct envelope *env, const struct inval_op *op,
			   u16 pcid, u64 vpn, u32 order);

/* A translation that was valid in memory until now may still be cached. */
void envelope_retire(struct envelope *env, const struct tlb_entry *e);

/* Members that translate @vpn under @pcid. Return: how many, in @index. */
u32 envelope_candidates(const struct envelope *env, u16 pcid, u64 vpn,
			u32 index[ENVELOPE_MAX]);

/* The access used member @keep (or walked: -1): the page's others are gone. */
void envelope_collapse(struct envelope *env, u16 pcid, u64 vpn, int keep);

/* The same for members that stand for a table above @vpn's last level: what a
 * paging-structure cache may hold (TLB_TABLE; cpu/mmu.c keeps them). */
u32 envelope_tables(const struct envelope *env, u16 pcid, u64 vpn,
		    u32 index[ENVELOPE_MAX]);
void envelope_collapse_tables(struct envelope *env, u16 pcid, u64 vpn,
			      int keep);

void envelope_drop(struct envelope *env, u32 i);

/* envelope_perform - @op completed on this CPU; members that stand for tables
 * go by its op->walk. Return: members dropped. */
u32 envelope_perform(struct envelope *env, const struct inval_op *op, u16 pcid,
		     u64 vpn);

/* @by was used or filled: the other members of its page, size and PCID were not
 * there. Those of another size may be, beside it. */
void envelope_replace(struct envelope *env, const struct tlb_entry *by);

/* envelope_invalidate - an operation of @scope completed on this CPU.
 * Return: members dropped. */
u32 envelope_invalidate(struct envelope *env, enum inval_scope scope, u16 pcid,
			u64 vpn);

/* A broadcast by CPU @from was started: what it names is called. It is
 * performed at an unknown time before envelope_complete(), which drops what was
 * called. A member that became stale anew in between stays: another entry like
 * it, younger than the flush, hence without the mark of @from. */
void envelope_call(struct envelope *env, const struct inval_op *op, u16 pcid,
		   u64 vpn, u32 from);
void envelope_complete(struct envelope *env, u32 from);

#endif
