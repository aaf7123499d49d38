#include <string.h>

#include "tlb/arch.h"

#define SDM "Intel SDM vol. 3, \"Operations that Invalidate TLBs and Paging-Structure Caches\""
#define TCE "AMD APM vol. 2, EFER.TCE"
#define LGB "AMD APM vol. 3, INVLPGB; Linux arch/x86/include/asm/tlb.h (6.15)"
#define ARM "Arm ARM DDI 0487, D8.17 \"TLB maintenance\"; assumed: scope of the form by its name"
#define RVP "RISC-V privileged specification, SFENCE.VMA"
#define RVI "RISC-V privileged specification, Svinval"

/* ASID-tagged forms of Arm take the page's global entries with them, and levels
 * above the leaf are never global (R_CHVGJ), so INVAL_WALK_PATH is the walk of
 * one address space there.
 *
 * INVLPG reaches the paging-structure caches of the current PCID at every
 * address. On AMD with EFER.TCE = 0 all upper-level entries go; with TCE = 1
 * only those that lead to the page. */
const struct inval_op inval_ops[] = {
	{ "INVLPG", ARCH_X86, INVAL_PAGE_GLOBAL, INVAL_WALK_ASID, false, SDM },
	{ "INVLPG TCE=0", ARCH_X86, INVAL_PAGE_GLOBAL, INVAL_WALK_ALL, false,
	  TCE },
	{ "INVLPG TCE=1", ARCH_X86, INVAL_PAGE_GLOBAL, INVAL_WALK_PATH, false,
	  TCE },
	{ "INVPCID 0", ARCH_X86, INVAL_PAGE, INVAL_WALK_PATH, false, SDM },
	{ "INVPCID 1", ARCH_X86, INVAL_ASID, INVAL_WALK_ASID, false, SDM },
	{ "INVPCID 2", ARCH_X86, INVAL_ALL, INVAL_WALK_ALL, false, SDM },
	{ "INVPCID 3", ARCH_X86, INVAL_ALL_BUT_GLOBAL, INVAL_WALK_ALL, false,
	  SDM },
	{ "INVVPID 0", ARCH_X86, INVAL_PAGE_ALL, INVAL_WALK_PATH, false, SDM },
	{ "INVVPID 1", ARCH_X86, INVAL_ALL, INVAL_WALK_ALL, false, SDM },
	{ "MOV CR3", ARCH_X86, INVAL_ASID, INVAL_WALK_ASID, false, SDM },
	{ "MOV CR4.PGE", ARCH_X86, INVAL_ALL, INVAL_WALK_ALL, false, SDM },
	{ "INVLPGB VA+PCID", ARCH_X86, INVAL_PAGE, INVAL_WALK_PATH, true, LGB },
	{ "INVLPGB VA+PCID+G", ARCH_X86, INVAL_PAGE_GLOBAL, INVAL_WALK_PATH,
	  true, LGB },
	{ "INVLPGB VA+PCID+FINAL", ARCH_X86, INVAL_PAGE, INVAL_WALK_NONE, true,
	  LGB },
	{ "INVLPGB PCID", ARCH_X86, INVAL_ASID, INVAL_WALK_ASID, true, LGB },
	{ "INVLPGB ALL", ARCH_X86, INVAL_ALL_BUT_GLOBAL, INVAL_WALK_ALL, true,
	  LGB },
	{ "INVLPGB ALL+G", ARCH_X86, INVAL_ALL, INVAL_WALK_ALL, true, LGB },

	{ "TLBI VAE1", ARCH_ARM, INVAL_PAGE_GLOBAL, INVAL_WALK_PATH, false,
	  ARM },
	{ "TLBI VALE1", ARCH_ARM, INVAL_PAGE_GLOBAL, INVAL_WALK_NONE, false,
	  ARM },
	{ "TLBI VAAE1", ARCH_ARM, INVAL_PAGE_ALL, INVAL_WALK_PATH, false, ARM },
	{ "TLBI VAALE1", ARCH_ARM, INVAL_PAGE_ALL, INVAL_WALK_NONE, false,
	  ARM },
	{ "TLBI ASIDE1", ARCH_ARM, INVAL_ASID, INVAL_WALK_ASID, false, ARM },
	{ "TLBI VMALLE1", ARCH_ARM, INVAL_ALL, INVAL_WALK_ALL, false, ARM },
	{ "TLBI VAE1IS", ARCH_ARM, INVAL_PAGE_GLOBAL, INVAL_WALK_PATH, true,
	  ARM },
	{ "TLBI VALE1IS", ARCH_ARM, INVAL_PAGE_GLOBAL, INVAL_WALK_NONE, true,
	  ARM },
	{ "TLBI VAAE1IS", ARCH_ARM, INVAL_PAGE_ALL, INVAL_WALK_PATH, true,
	  ARM },
	{ "TLBI VAALE1IS", ARCH_ARM, INVAL_PAGE_ALL, INVAL_WALK_NONE, true,
	  ARM },
	{ "TLBI ASIDE1IS", ARCH_ARM, INVAL_ASID, INVAL_WALK_ASID, true, ARM },
	{ "TLBI VMALLE1IS", ARCH_ARM, INVAL_ALL, INVAL_WALK_ALL, true, ARM },

	{ "SFENCE.VMA va,asid", ARCH_RISCV, INVAL_PAGE, INVAL_WALK_NONE, false,
	  RVP },
	{ "SFENCE.VMA va", ARCH_RISCV, INVAL_PAGE_ALL, INVAL_WALK_NONE, false,
	  RVP },
	{ "SFENCE.VMA asid", ARCH_RISCV, INVAL_ASID, INVAL_WALK_ASID, false,
	  RVP },
	{ "SFENCE.VMA", ARCH_RISCV, INVAL_ALL, INVAL_WALK_ALL, false, RVP },
	{ "SINVAL.VMA va,asid", ARCH_RISCV, INVAL_PAGE, INVAL_WALK_NONE, false,
	  RVI },
	{ "SINVAL.VMA va", ARCH_RISCV, INVAL_PAGE_ALL, INVAL_WALK_NONE, false,
	  RVI },
	{ "SINVAL.VMA asid", ARCH_RISCV, INVAL_ASID, INVAL_WALK_ASID, false,
	  RVI },
	{ "SINVAL.VMA", ARCH_RISCV, INVAL_ALL, INVAL_WALK_ALL, false, RVI },
	{ NULL, 0, 0, 0, false, NULL }
};

const struct inval_op *inval_op_find(const char *name)
{
	for (u32 i = 0; inval_ops[i].name; i++)
		if (!strcmp(inval_ops[i].name, name))
			return &inval_ops[i];
	return NULL;
}

/* ORDER inval_scope */
static const struct {
	bool one_page, one_asid, globals;
} scopes[NR_INVAL_SCOPES] = {
	[INVAL_PAGE] = { true, true, false },
	[INVAL_PAGE_GLOBAL] = { true, true, true },
	[INVAL_PAGE_ALL] = { true, false, true },
	[INVAL_ASID] = { false, true, false },
	[INVAL_ALL_BUT_GLOBAL] = { false, false, false },
	[INVAL_ALL] = { false, false, true },
};

bool inval_drops(enum inval_scope scope, u16 asid, u64 vpn,
		 const struct tlb_entry *e)
{
	if (scopes[scope].one_page && !tlb_entry_covers(e, vpn))
		return false;
	if (e->flags & TLB_G)
		return scopes[scope].globals;
	return !scopes[scope].one_asid || e->pcid == asid;
}

bool inval_drops_walk(const struct inval_op *op, u16 asid, u64 vpn,
		      u16 asid_of, u64 vpn_of, u32 order)
{
	bool is_named = !scopes[op->scope].one_asid || asid_of == asid;

	switch (op->walk) {
	case INVAL_WALK_NONE:
		return false;
	case INVAL_WALK_PATH:
		return is_named && vpn >> order == vpn_of >> order;
	case INVAL_WALK_ASID:
		return asid_of == asid;
	case INVAL_WALK_ALL:
		return true;
	}
	return true;
}

/* ORDER arch, ORDER arch_local */
const struct inval_op *arch_local_op(enum arch arch, enum arch_local what)
{
	static const char *const name[NR_ARCHS][NR_ARCH_LOCALS] = {
		{ "INVLPG", "INVLPG", "MOV CR3", "MOV CR4.PGE" },
		{ "TLBI VAE1", "TLBI VAE1", "TLBI ASIDE1", "TLBI VMALLE1" },
		/* With an ASID it leaves global entries. */
		{ "SFENCE.VMA va,asid", "SFENCE.VMA va", "SFENCE.VMA asid",
		  "SFENCE.VMA" },
	};

	return inval_op_find(name[arch][what]);
}

/* ORDER arch */
const struct arch_rules arch_rules[NR_ARCHS] = {
	[ARCH_X86] = {
		.name = "x86",
		.hw_sets_a = true,
		.hw_sets_d = true,
		.fault_drops_page = true,
		.asid_bits = 12,
		.source = "published: Intel SDM vol. 3, \"Caching Translation "
			  "Information\" (x86 PCIDs are per logical CPU)",
	},
	[ARCH_ARM] = {
		.name = "arm",
		.needs_bbm = true,
		.asid_bits = 16,
		.source = "published: Arm ARM DDI 0487 D8.16, D8.17; assumed: "
			  "16-bit ASIDs. Optional: FEAT_HAFDBS, FEAT_BBM",
	},
	[ARCH_RISCV] = {
		.name = "riscv",
		.caches_invalid = true,
		.asid_bits = 16,
		.source = "published: RISC-V privileged specification, "
			  "supervisor (ASIDs are private to a hart, entries "
			  "with V = 0 may be cached); assumed: 16-bit ASIDs. "
			  "Optional: Svadu, Svvptc",
	},
};

int arch_find(const char *name)
{
	for (int i = 0; i < NR_ARCHS; i++)
		if (!strcmp(arch_rules[i].name, name))
			return i;
	return -1;
}
