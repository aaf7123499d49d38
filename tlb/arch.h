/* arch.h - what an architecture lets its processors cache, and what each of
 * its invalidating operations must drop. Data: cpu/ and the envelope consult
 * it where architectures differ; profiles name one ([machine] arch = x86).
 *
 * Sources: Intel SDM vol. 3 "Caching Translation Information"; AMD APM vol. 2
 * (INVLPGB, EFER.TCE); Arm ARM DDI 0487 D8.16, D8.17; RISC-V privileged
 * specification (SFENCE.VMA, Svinval, Svadu, Svnapot, Svvptc).
 */
#ifndef TLB_ARCH_H
#define TLB_ARCH_H

#include "base/types.h"

enum arch { ARCH_X86, ARCH_ARM, ARCH_RISCV, NR_ARCHS };

/* What one operation drops, everywhere it reaches. */
enum inval_scope {
	INVAL_PAGE,             /* one page, one address space, not globals   */
	INVAL_PAGE_GLOBAL,      /* one page, one address space and globals    */
	INVAL_PAGE_ALL,         /* one page, every address space, globals     */
	INVAL_ASID,             /* one address space, not globals             */
	INVAL_ALL_BUT_GLOBAL,
	INVAL_ALL,
	NR_INVAL_SCOPES
};

/* What becomes of paging-structure-cache (intermediate walk) entries. */
enum inval_walk {
	INVAL_WALK_NONE,        /* leaf only: last-level TLBI forms           */
	INVAL_WALK_PATH,        /* those that would translate the page        */
	INVAL_WALK_ASID,        /* all of the address space                   */
	INVAL_WALK_ALL,
};

struct inval_op {
	const char *name;       /* "INVLPG", "TLBI VALE1IS", "SFENCE.VMA x,a" */
	enum arch arch;
	enum inval_scope scope;
	enum inval_walk walk;
	bool is_broadcast;      /* reaches every CPU of the domain without
				 * their help; complete only after the
				 * operation's barrier (DSB ISH, TLBSYNC)     */
	const char *source;     /* manual and section                         */
};

extern const struct inval_op inval_ops[];       /* name NULL ends             */
const struct inval_op *inval_op_find(const char *name);

struct arch_rules {
	const char *name;       /* "x86"                                      */
	bool caches_invalid;    /* not-present entries may be cached (RISC-V) */
	bool hw_sets_a;         /* else an access with A clear faults         */
	bool hw_sets_d;
	bool fault_drops_page;  /* a fault invalidates what caused it (x86)   */
	bool needs_bbm;         /* break-before-make: going from one valid
				 * entry to another without an invalid one
				 * between and an invalidation is a violation
				 * (Arm; not with FEAT_BBM level 2)           */
	bool has_asid_across_cpus;      /* an ASID means the same everywhere  */
	u8 asid_bits;
	const char *source;
};

extern const struct arch_rules arch_rules[NR_ARCHS];

#endif
