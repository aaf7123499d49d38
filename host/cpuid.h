/* cpuid.h - what the processor says of itself: maker, model, its TLBs.
 *
 * Leaf 2 (Intel to Cascade Lake), leaf 0x18 (Intel from Ice Lake on), leaves
 * 8000_0005, _0006, _0019 and _0021 (AMD; from Zen 5 on sizes may be in units
 * of 32). Elsewhere than on x86 nothing is known.
 *
 * Source: Intel SDM vol. 2, "CPUID"; AMD APM vol. 3, appendix E.
 */
#ifndef HOST_CPUID_H
#define HOST_CPUID_H

#include "base/types.h"

#define CPUID_MAX_TLBS 16u

struct cpuid_tlb {
	u8 level;               /* 1 or 2                                     */
	bool is_data, is_fetch;
	u8 sizes;               /* bit 0: 4K, 1: 2M, 2: 1G                    */
	u32 entries, ways;      /* ways 0: not told, ~0: full                 */
};

#define CPUID_FULL 0xffffffffu

struct cpuid_info {
	char vendor[13];
	char brand[49];
	u32 family, model, stepping;
	bool is_guest;          /* a hypervisor says that it is there         */
	bool has_pcid, has_invpcid, has_la57, has_tce;
	u32 invlpgb_pages;      /* 0: no INVLPGB                              */
	struct cpuid_tlb tlb[CPUID_MAX_TLBS];
	u32 nr_tlbs;
	bool guesses_unit;      /* of level 2's sizes: the bit is hidden      */
};

/* cpuid_read - false: not an x86. */
bool cpuid_read(struct cpuid_info *info);

/* How leaves are read: (leaf, subleaf, eax..edx). Tests bring their own. */
typedef void cpuid_fn(void *arg, u32 leaf, u32 subleaf, u32 regs[4]);
void cpuid_decode(struct cpuid_info *info, cpuid_fn *fn, void *arg);

/* cpuid_find - the array for data of @size (0: 4K, 1: 2M) at @level; several
 * of them are summed up. False: none is told. */
bool cpuid_find(const struct cpuid_info *info, u32 level, u32 size,
		struct cpuid_tlb *out);

#endif
