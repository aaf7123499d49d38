/* litmus.h - tests in the X86VM format: parsed, staged on an explored machine,
 * and their final states told apart.
 *
 *	X86VM NAME
 *	KEY=text                                (any number)
 *	{ x=0; [PTE(w)]=(oa:PA(x)); 0:CR3=1; }
 *	 P0          | P1          ;
 *	 MOV [x],$1  | MOV EAX,[w] ;
 *	exists (1:EAX=1 /\ x=1)
 *
 * A location is a page, with a page-table entry and a frame of its own, and one
 * word in it. Keys that mean something here: HW=precet (setting D does not
 * look at RW again), Variant=fatal and Variant=retry,N (what a faulting thread
 * does), Expect=Never|Sometimes|Always and Expect-sc, Expect-arm (the verdict,
 * where it differs by model), Reason=text. Others are kept and ignored.
 *
 * Limits: 8 threads, 16 locations, 63 instructions a thread; otherwise all that
 * the format says.
 */
#ifndef WORKLOADS_LITMUS_H
#define WORKLOADS_LITMUS_H

#include <stdio.h>

#include "base/err.h"
#include "cpu/cpu.h"

#define LITMUS_MAX_CPUS 8
#define LITMUS_MAX_LOCS 16
#define LITMUS_MAX_INSNS 63
#define LITMUS_NR_REGS 6
#define LITMUS_NAME 64

/* Frames of the machine: PA(loc), and the table that PDE(loc) points to. */
static inline u32 litmus_frame(u32 loc)
{
	return 1 + loc;
}

static inline u32 litmus_table(u32 loc)
{
	return 1 + LITMUS_MAX_LOCS + loc;
}

enum litmus_op {
	LIT_STORE,              /* MOV [x],v                                  */
	LIT_LOAD,               /* MOV r,[x]                                  */
	LIT_SET,                /* MOV r,$k                                   */
	LIT_STORE_PHY,          /* MOV [PHY(x)],v                             */
	LIT_LOAD_PHY,
	LIT_XCHG_PHY,           /* XCHG [PHY(x)],r                            */
	LIT_ADD_PHY,            /* LOCK ADD [PHY(x)],$k                       */
	LIT_STORE_PTE,          /* MOV [PTE(x)],pte                           */
	LIT_LOAD_PTE,
	LIT_XCHG_PTE,           /* XCHG r,[PTE(x)],pte                        */
	LIT_FLD,                /* LOCK FLD r,[PTE(x)],(...)                  */
	LIT_MFENCE,
	LIT_INVLPG,
	LIT_CR3,
	LIT_IPI,
	LIT_WAIT,
	LIT_SERVICE,
	LIT_CLI,
	LIT_STI,
	LIT_LOCK,
	LIT_UNLOCK,
};

struct litmus_insn {
	u8 op;
	u8 loc;
	u8 level;               /* PTE 0, PDE 1                               */
	u8 reg;                 /* destination or source                      */
	bool from_reg;          /* stores: @reg, else @value                  */
	bool noflush;
	u8 mask;                /* IPI: CPUs                                  */
	int16_t label;              /* "L%d", -1: none                            */
	u64 value;              /* integer, or an entry's bits                */
	u64 clear;              /* FLD: bits that are replaced                */
};

/* What a condition, a `locations` list and a printed state are about. */
enum litmus_subject_kind {
	LIT_SUBJ_REG, LIT_SUBJ_FRAME, LIT_SUBJ_ENTRY, LIT_SUBJ_FAULT
};

struct litmus_subject {
	u8 kind;
	u8 cpu;
	u8 reg;
	u8 loc;
	u8 level;
	u8 classes;             /* FAULT: enum mmu_fault, 0 = any             */
	int16_t label;
};

enum litmus_prop_kind { LIT_ATOM, LIT_NOT, LIT_AND, LIT_OR };

/* An atom: bits @mask of its subject are @value. Nodes by index; the root is
 * the last. */
struct litmus_prop {
	u8 kind;
	u16 a, b;
	struct litmus_subject s;
	u64 mask, value;
};

enum litmus_quantifier { LIT_EXISTS, LIT_NOT_EXISTS, LIT_FORALL };

struct litmus_tlb {
	u8 cpu, loc, level;
	u64 value;
};

struct litmus_info {
	char *key, *text;
};

struct litmus {
	char *path;
	char name[LITMUS_NAME];
	struct litmus_info *info;
	u32 nr_info;
	bool is_precet, is_fatal;
	u32 retries;

	u32 nr_locs, nr_cpus;
	char loc[LITMUS_MAX_LOCS][LITMUS_NAME];
	bool has_pde;                   /* two levels                         */
	u64 frame[LITMUS_MAX_LOCS];     /* at the start                       */
	u64 entry[2][LITMUS_MAX_LOCS];
	u64 fallback[2][LITMUS_MAX_LOCS];       /* what unwritten fields take */
	int32_t cr3[LITMUS_MAX_CPUS];       /* PCID; -1: other address space      */
	u64 reg[LITMUS_MAX_CPUS][LITMUS_NR_REGS];
	struct litmus_tlb *tlb;
	u32 nr_tlb;

	struct litmus_insn insn[LITMUS_MAX_CPUS][LITMUS_MAX_INSNS];
	u32 nr_insns[LITMUS_MAX_CPUS];

	enum litmus_quantifier quantifier;
	char *condition;                /* as written, spaces normal          */
	struct litmus_prop *prop;
	u32 nr_props;
	struct litmus_subject *shown;   /* of the condition, then `locations` */
	u32 nr_shown;
};

/* litmus_parse - @text, which @path names in errors.
 * Return: 0 with *out (litmus_free it), -EINVAL with "path:line:column: ...",
 * -ENOMEM. */
int litmus_parse(struct litmus **out, const char *path, const char *text,
		 size_t bytes, struct err *e);
/* litmus_read - the same from a file; also -errno of opening it. */
int litmus_read(struct litmus **out, const char *path, struct err *e);
void litmus_free(struct litmus *t);

const char *litmus_info(const struct litmus *t, const char *key);

/* ---- on the machine ------------------------------------------------------------ */

struct litmus_hw {
	enum memory_model memory;       /* WEAK: Arm-like                     */
	bool is_reduced;
	bool may_speculate, may_evict;
};

/* litmus_open - the_sys, staged with a task a thread: ready to be explored.
 * Return: 0, -ENOMEM. */
int litmus_open(struct sys **out, const struct litmus *t,
		const struct machine *m, const struct litmus_hw *hw);
void litmus_close(struct sys *sys);

/* ---- final states ----------------------------------------------------------------- */

/* All that a condition can ask about; no padding. */
struct litmus_state {
	u64 reg[LITMUS_MAX_CPUS][LITMUS_NR_REGS];
	u64 frame[LITMUS_MAX_LOCS];
	u64 entry[2][LITMUS_MAX_LOCS];
	u8 fault[LITMUS_MAX_CPUS][LITMUS_MAX_INSNS + 1];        /* labelled   */
	u8 is_entry[LITMUS_MAX_CPUS];   /* bit per register: holds an entry   */
};

/* litmus_state - the_sys as it is. Return: false when it is no final state:
 * a thread waits for ever, or a request cannot be delivered. */
bool litmus_state(const struct litmus *t, struct litmus_state *s);

bool litmus_holds(const struct litmus *t, const struct litmus_state *s);

/* As herd7 prints it: "0:EAX=0; x=1;". Only what is asked about. */
void litmus_print(const struct litmus *t, const struct litmus_state *s,
		  char *out, size_t size);

#endif
