#include <string.h>

#include "tlb/stage2.h"

#define SDM "published: Intel SDM vol. 3, \"Operations that Invalidate Cached Mappings\" (VMX)"
#define ARM "assumed: Arm ARM DDI 0487, D8.17 \"TLB maintenance\", from memory"
#define RVH "assumed: RISC-V privileged specification, hypervisor extension, from memory"

#define NESTED(scope) .nested = STAGE2_##scope
#define COMBINED(scope) .has_combined = true, .combined = INVAL_##scope

const struct stage2_op stage2_ops[] = {
	{ "INVEPT 1", ARCH_X86, NESTED(ALL), COMBINED(ALL), .source = SDM },
	{ "INVEPT 2", ARCH_X86, NESTED(ALL), COMBINED(ALL), .source = SDM },
	{ "INVVPID 0", ARCH_X86, NESTED(NONE), COMBINED(PAGE_ALL),
	  .source = SDM },
	{ "INVVPID 1", ARCH_X86, NESTED(NONE), COMBINED(ALL), .source = SDM },
	{ "INVVPID 2", ARCH_X86, NESTED(NONE), COMBINED(ALL), .source = SDM },
	{ "INVVPID 3", ARCH_X86, NESTED(NONE), COMBINED(ALL_BUT_GLOBAL),
	  .source = SDM },
	{ "EPT violation", ARCH_X86, NESTED(PAGE), COMBINED(PAGE_GLOBAL),
	  .source = SDM },

	{ "TLBI IPAS2E1", ARCH_ARM, NESTED(PAGE), .source = ARM },
	{ "TLBI IPAS2LE1", ARCH_ARM, NESTED(PAGE), .source = ARM },
	{ "TLBI VMALLS12E1", ARCH_ARM, NESTED(ALL), COMBINED(ALL),
	  .source = ARM },
	{ "TLBI IPAS2E1IS", ARCH_ARM, NESTED(PAGE), .is_broadcast = true,
	  .source = ARM },
	{ "TLBI IPAS2LE1IS", ARCH_ARM, NESTED(PAGE), .is_broadcast = true,
	  .source = ARM },
	{ "TLBI VMALLS12E1IS", ARCH_ARM, NESTED(ALL), COMBINED(ALL),
	  .is_broadcast = true, .source = ARM },

	{ "HFENCE.GVMA gpa", ARCH_RISCV, NESTED(PAGE), COMBINED(ALL),
	  .source = RVH },
	{ "HFENCE.GVMA", ARCH_RISCV, NESTED(ALL), COMBINED(ALL),
	  .source = RVH },
	{ "HFENCE.VVMA va", ARCH_RISCV, NESTED(NONE), COMBINED(PAGE_ALL),
	  .source = RVH },
	{ "HFENCE.VVMA va,asid", ARCH_RISCV, NESTED(NONE), COMBINED(PAGE),
	  .source = RVH },
	{ "HFENCE.VVMA asid", ARCH_RISCV, NESTED(NONE), COMBINED(ASID),
	  .source = RVH },
	{ "HFENCE.VVMA", ARCH_RISCV, NESTED(NONE), COMBINED(ALL),
	  .source = RVH },
	{ .name = NULL }
};

const struct stage2_op *stage2_op_find(const char *name)
{
	for (u32 i = 0; stage2_ops[i].name; i++)
		if (!strcmp(stage2_ops[i].name, name))
			return &stage2_ops[i];
	return NULL;
}

u32 stage2_invalidate(const struct stage2_op *op, struct tlb_array *combined,
		      struct tlb_array *nested,
		      const struct stage2_operand *to)
{
	u32 nr = 0;

	if (op->nested != STAGE2_NONE)
		nr += tlb_array_invalidate(nested, op->nested == STAGE2_PAGE
					   ? INVAL_PAGE_ALL : INVAL_ALL, 0,
					   to->gfn);
	if (op->has_combined)
		nr += tlb_array_invalidate(combined, op->combined, to->asid,
					   to->vpn);
	return nr;
}
