/* race.h - a race scenario: a stage and the tasks on it, no kernel steps of its
 * own. The tasks call the mm functions that timed workloads call. A row names a
 * kernel, a memory model and the verdict that the catalogue expects.
 */
#ifndef WORKLOADS_RACE_H
#define WORKLOADS_RACE_H

#include "cpu/cpu.h"
#include "mm/mm.h"

enum verdict { VERDICT_PASS, VERDICT_FAIL };

struct race_row {
	const char *id;         /* "V3-2": unique within the race             */
	const char *kernel;
	enum memory_model memory;
	u32 changers;           /* scanners at work at the same time          */
	enum verdict expected;
	u32 expected_oracles;   /* FAIL: one of these; 0 = any                */
	u32 watch;              /* oracles that may fire, 0 = all             */
	const char *tag;        /* evidence: [S], [D] ...                     */
	const char *stage;      /* which stage of the race                    */
	const char *flush;      /* strategy; NULL: deferred, as Linux         */
	enum stray_bits stray_bits;     /* an erratum of the machine          */
};

/* A part of a fix whose absence no row notices, and why that is right. */
struct race_harmless {
	const char *kernel;             /* NULL: any                          */
	const char *part;               /* of kernel_switches                 */
	const char *reason;
};

/* What a fix consists of: parts whose removal some row must notice. */
struct race_fix {
	const char *kernel;
	const char *part[16];           /* NULL ends                          */
};

struct race {
	const char *name;       /* tlbemu race NAME                           */
	const char *id;         /* of the catalogue                           */
	const char *summary;
	const char *story;      /* --explain                                  */
	const char *bounds;     /* what the proof covers                      */
	const struct race_row *rows;
	u32 nr_rows;
	const struct race_fix *fixes;           /* kernel NULL ends           */
	const struct race_harmless *harmless;   /* part NULL ends             */
	u32 nr_cpus;
	bool may_restart;       /* some kernel's code starts over when it cannot
				 * get on: PASS asks for no livelock, too     */
	/* Build the_sys for @row under @k (usually row->kernel's): address
	 * space, pages, tasks; under the direct driver. Return: 0, -errno. */
	int (*stage)(const struct race_row *row, const struct kernel *k,
		     struct sys *sys);
	/* Sizes for sys_create. */
	struct paging paging;
	u64 frames_per_node;
	bool has_switches;      /* tasks go from one address space to another */
};

extern const struct race *const races[];        /* NULL ends                  */
const struct race *race_find(const char *name);
/* @name is @race's name, its id (an id may stand for several) or "all". */
bool race_is(const struct race *race, const char *name);

/* race_open - the_sys, staged: ready to be explored.
 * Return: 0, -ENOMEM, -EINVAL. */
struct race_options {
	bool is_reduced;
	bool may_speculate;
	bool may_evict;
	const struct flush_ops *flush;  /* NULL: deferred, as Linux           */
};
int race_open(struct sys **out, const struct race *race,
	      const struct race_row *row, const struct kernel *k,
	      const struct machine *m, const struct race_options *opt);
void race_close(struct sys *sys);

/* The address space on stage. */
struct mm *race_mm(struct sys *sys);

/* What stages are built from. A thread of @mm on @cpu; a page populated by a
 * store of @value from @cpu, as the program's own first touch would. */
int race_task(u32 cpu, const char *name, struct mm *mm,
	      void (*fn)(struct task *t), u64 arg);
int race_touch(u32 cpu, u64 vpn, u64 value);
/* An address space of one VMA, its pages touched by nobody. NULL: no memory. */
struct mm *race_space(u64 start, u64 nr_pages, u32 flags);
/* @mm's page at @vpn: its frame, of a huge one the first. */
u64 race_pfn(struct mm *mm, u64 vpn);
/* Nobody has stored to it since it was saved: D is clear. */
void race_clean(struct mm *mm, u64 vpn);

/* The argument of a task that began without knowing it. */
void race_arg(u32 cpu, u64 arg);

/* What tasks do once; the argument is a page of their address space. The store
 * is of RACE_STORED. */
#define RACE_STORED 11
void race_store(struct task *t);
void race_load(struct task *t);
/* The argument is a frame: to node 1. */
void race_compact(struct task *t);
/* A frame, and in the upper half another or 0: one batch. After swapon(). */
void race_reclaim(struct task *t);

/* A row under TSO with one changer, all oracles on: most are. */
#define RACE_ROW(id_, kernel_, expected_, oracles_, tag_, stage_) \
	{ .id = id_, .kernel = kernel_, .memory = MEM_TSO, .changers = 1, \
	  .expected = expected_, .expected_oracles = oracles_, .tag = tag_, \
	  .stage = stage_ }

#endif
