/* arch.h - what an architecture lets its processors cache, and what each of
 * its invalidating operations must drop. Data and predicates over it: cpu/ and
 * the envelope consult them where architectures differ; a machine profile
 * names one ([machine] arch = x86).
 *
 * An operation is described by what it *must* drop. Every manual allows more:
 * any entry may vanish at any time.
 *
 * Page-table entries keep the x86 format of cpu/memory.h on every architecture.
 *
 * Units:   vpn in 4 KiB pages.
 * Sources: each row names its own.
 */
#ifndef TLB_ARCH_H
#define TLB_ARCH_H

#include "tlb/tlb.h"

/* ORDER arch: arch_rules[]. */
enum arch { ARCH_X86, ARCH_ARM, ARCH_RISCV, NR_ARCHS };

/* Which entries of the last level an operation names, with its operands asid
 * and vpn. ORDER inval_scope: tlb/arch.c scopes[]. */
enum inval_scope {
	INVAL_PAGE,             /* one page, one address space, not globals   */
	INVAL_PAGE_GLOBAL,      /* as that, and the page's globals            */
	INVAL_PAGE_ALL,         /* one page, every address space, globals     */
	INVAL_ASID,             /* one address space, not globals             */
	INVAL_ALL_BUT_GLOBAL,
	INVAL_ALL,
	NR_INVAL_SCOPES
};

/* Which entries of the paging-structure caches (intermediate walk entries)
 * go with them. */
enum inval_walk {
	INVAL_WALK_NONE,        /* leaf-only forms                            */
	INVAL_WALK_PATH,        /* those that would translate the page, of the
				 * address spaces that the scope names        */
	INVAL_WALK_ASID,        /* all of the address space                   */
	INVAL_WALK_ALL,
};

struct inval_op {
	const char *name;       /* "INVLPG", "TLBI VALE1IS", ...              */
	enum arch arch;
	enum inval_scope scope;
	enum inval_walk walk;
	bool is_broadcast;      /* reaches every CPU without its help; complete
				 * only after the initiator's barrier (DSB ISH,
				 * TLBSYNC)                                   */
	const char *source;
};

extern const struct inval_op inval_ops[];       /* name NULL ends             */

/* inval_op_find - by its exact name, NULL if there is none. */
const struct inval_op *inval_op_find(const char *name);

static inline bool inval_names_page(enum inval_scope scope)
{
	return scope <= INVAL_PAGE_ALL;
}

/* inval_drops - must an operation of @scope with operands @asid and @vpn drop
 * @e? An entry is named by any page it covers. */
bool inval_drops(enum inval_scope scope, u16 asid, u64 vpn,
		 const struct tlb_entry *e);

/* inval_drops_walk - must it drop a paging-structure-cache entry of address
 * space @asid_of that covers [@vpn_of, @vpn_of + 2^@order)? */
bool inval_drops_walk(const struct inval_op *op, u16 asid, u64 vpn,
		      u16 asid_of, u64 vpn_of, u32 order);

/* What a processor does about translations, beyond its operations. A machine
 * has its own copy (struct machine's rules): those of its architecture, changed
 * by the optional features that its profile names. Consulted by the walkers and
 * the access paths of both drivers (cpu/access.c, run.c, walker.c and step.c), by
 * cpu/inval.c and cpu/bbm.c; cpu/mmu.c, translation by the manual, is x86's.
 *
 * An entry "gives a fault" that is not present, or whose A is clear without
 * hw_sets_a. */
struct arch_rules {
	const char *name;       /* "x86"                                      */
	bool caches_invalid;    /* entries that give a fault may be cached, and
				 * then go on to; else they never are         */
	bool hw_sets_a;         /* else an access through A = 0 faults        */
	bool hw_sets_d;         /* a store through D = 0 reads the entry in
				 * memory again and sets D there; else it
				 * faults by what the TLB says                */
	bool fault_drops_page;  /* a page fault drops the entries of its page */
	bool needs_bbm;         /* from one valid entry to another that maps
				 * elsewhere, or another size, only through an
				 * invalid one and an invalidation            */
	bool may_resize;        /* needs_bbm, but not for another size of the
				 * same translation (FEAT_BBM level 2)        */
	bool has_nt;            /* a large page with nT set (PTE_NT) is used but
				 * not cached, so that another size may follow
				 * it, or it another size, without an invalid
				 * entry between (FEAT_BBM level 1). assumed:
				 * hardware may also fault, here it does not  */
	u8 asid_bits;           /* of the tag that a CPU keeps entries under:
				 * none loaded is larger                      */
	const char *source;
};

extern const struct arch_rules arch_rules[NR_ARCHS];

/* What a kernel does to its own CPU, by any name. */
enum arch_local {
	ARCH_DROP_PAGE,         /* one page of the current address space      */
	ARCH_DROP_KERNEL_PAGE,  /* one of the kernel's, which is global       */
	ARCH_DROP_ASID,         /* all of it                                  */
	ARCH_DROP_ALL,          /* all address spaces                         */
	NR_ARCH_LOCALS
};

const struct inval_op *arch_local_op(enum arch arch, enum arch_local what);

/* arch_find - by name. Return: an enum arch, or -1. */
int arch_find(const char *name);

#endif
