/* stage2.h - operations on the second stage of translation (Arm: stage 2, x86: EPT,
 * RISC-V: G-stage), and what they drop from a core that caches both:
 *
 *  combined  guest virtual to host frame, both stages in one entry, in the core's
 *            TLBs. It does not say which guest frame it went through.
 *  nested    guest frame to host frame, stage 2 alone.
 *
 * Both are a struct tlb_array; in the nested one vpn is a guest frame, pcid 0.
 *
 * Stage-1 operations (arch.h) reach the combined entries and never the nested. The
 * other way round the architectures differ, and that is what this table is for:
 * TLBI IPAS2E1 leaves combined entries that were made through the frame it names,
 * so that software follows it with TLBI VMALLE1; INVEPT reaches both; HFENCE.GVMA
 * must be seen by every later access, so what cannot tell its guest frame goes.
 *
 * One guest: VMIDs, VPIDs and EP4TAs are not told apart, so forms that name one and
 * forms that name all drop the same.
 */
#ifndef TLB_STAGE2_H
#define TLB_STAGE2_H

#include "tlb/array.h"

/* Which nested entries an operation must drop. */
enum stage2_scope { STAGE2_NONE, STAGE2_PAGE, STAGE2_ALL };

struct stage2_op {
	const char *name;       /* "TLBI IPAS2E1IS", "INVEPT 1", ...          */
	enum arch arch;
	enum stage2_scope nested;
	/* Of combined entries: none, or those of @combined with a guest's
	 * address and ASID as operands. */
	bool has_combined;
	enum inval_scope combined;
	bool is_broadcast;      /* as inval_op's                              */
	const char *source;
};

extern const struct stage2_op stage2_ops[];     /* name NULL ends             */

/* stage2_op_find - by its exact name, NULL if there is none. */
const struct stage2_op *stage2_op_find(const char *name);

/* What an operation names: a guest frame, or a guest's page and ASID. */
struct stage2_operand {
	u64 gfn;
	u64 vpn;
	u16 asid;
};

/* stage2_invalidate - @op completed on a core: exactly what it must drop goes.
 * Return: entries dropped, combined and nested. */
u32 stage2_invalidate(const struct stage2_op *op, struct tlb_array *combined,
		      struct tlb_array *nested,
		      const struct stage2_operand *to);

#endif
