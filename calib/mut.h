/* mut.h - the machine under test: what calibration asks of a machine, whether
 * it is the host (host/native.c) or an emulated one (emu/mut_emulated.c).
 *
 * The kernels of calib/ are written once against this. A machine runs one
 * request at a time, warms up, repeats and hands back one sample.
 *
 * Units:   *_cycles are core cycles of that machine; pages are of the request's
 *          size. Events are per access (chases) or per call (work).
 * Errors:  0 or negative errno with a sentence in @e: -ENOTSUP (this machine
 *          cannot do that: the sentence says why), -ENOMEM, what a call gave.
 * Threads: none.
 */
#ifndef CALIB_MUT_H
#define CALIB_MUT_H

#include "base/err.h"
#include "base/types.h"
#include "calib/stats.h"

enum mut_page { MUT_4K, MUT_2M, NR_MUT_PAGES };

/* What counters may tell besides the clock. NAN: nobody counts that here. */
enum mut_event {
	MUT_L1_MISS,            /* lookups the first TLB level missed         */
	MUT_WALKS,              /* page walks completed                       */
	MUT_WALK_CYCLES,
	MUT_WALK_LOADS,         /* page-table entries these loaded            */
	MUT_COPY_CYCLES,        /* copying and zeroing pages, in the kernel   */
	MUT_SHOOTDOWNS,         /* interrupts to other CPUs for flushes       */
	MUT_FLUSHES_SENT,       /* flushes that asked other CPUs              */
	MUT_FLUSHES,            /* all that were begun                        */
	NR_MUT_EVENTS
};

/* A cyclic pointer chase. Page m of group g lies at m * stride + g pages:
 * group = 1 is a plain stride; with a stride that is a multiple of a TLB's sets
 * each of the group's sets gets nr pages. */
struct mut_chase {
	enum mut_page size;
	u64 nr;                 /* pages per group                            */
	u64 stride;             /* pages; 0 counts as 1                       */
	u64 group;              /* 0 counts as 1                              */
	u32 lines;              /* of each page, from its start; 0: one, page
				 * i's line i mod 64                          */
	u32 orders;             /* different random orders, one a round, each
				 * with a line of its own; 0 counts as 1      */
	bool is_cold;           /* the lines are in no data cache before      */
	bool has_data;          /* data caches matter; false lets a model leave
				 * them out                                   */
	u32 cpu, node;          /* who runs; where the memory is              */
};

enum mut_op {
	MUT_SYSCALL,            /* in and out                                 */
	MUT_FAULT,              /* first touch of a page                      */
	MUT_ZERO, MUT_COPY,     /* of a page, streaming                       */
	MUT_MPROTECT,           /* to read-only; back and the stores that make
				 * it dirty again are not timed               */
	MUT_MUNMAP,             /* of touched pages                           */
	MUT_DONTNEED,           /* of touched pages                           */
	MUT_MREMAP,             /* move; back is not timed                    */
	MUT_FORK,               /* with so many touched pages; the child ends
				 * at once, its end is not timed              */
	NR_MUT_OPS
};

struct mut_work {
	enum mut_op op;
	enum mut_page size;
	u64 pages;              /* of one call; FAULT, ZERO, COPY: per page   */
	u32 others;             /* threads of the process that run meanwhile  */
};

/* A small program with an arena of its own, of 4K pages: cycles are per load.
 * calib/programs.h has some. */
#define MUT_MOST_LOADS 64u      /* of one round                               */

struct mut_visits {
	u64 *offset;            /* each load's, as it is made                 */
	u64 n, room;
};

struct mut_program {
	const char *name, *what;
	u64 bytes;
	/* The arena's first contents; the same for the same @bytes. */
	void (*build)(char *arena, u64 bytes);
	/* @nr rounds of its work from @seed on, each of whose loads needs the
	 * one before. @visits, unless NULL, gets them. Return: what it found,
	 * which the next seed may be. */
	u64 (*run)(const char *arena, u64 bytes, u64 nr, u64 seed,
		   struct mut_visits *visits);
};

struct mut_sample {
	struct stat_summary cycles;
	double ev[NR_MUT_EVENTS];
	double disturbed;       /* share of the time that others had, 0 to 1  */
};

#define MUT_MAX_CPUS 1024u
#define MUT_MAX_NODES 64u
#define MUT_MAX_OTHERS 64u      /* threads beside one that works              */
#define MUT_NO_CPU 0xffffffffu
#define MUT_NR_HOPS 5u          /* ORDER hop: cpu/machine.h                   */
#define MUT_NR_CACHES 3u        /* ORDER cache_level: cpu/cache.h             */

/* What is known before anything is measured. CPUs and nodes are numbered so
 * that neighbours are near each other, which a kernel's numbers need not be. */
struct mut_shape {
	u32 nr_cpus, nr_nodes;
	u32 os_cpu[MUT_MAX_CPUS];       /* the kernel's numbers               */
	u32 os_node[MUT_MAX_NODES];
	u32 node_cpu[MUT_MAX_NODES];    /* a CPU of the node, or MUT_NO_CPU   */
	bool has_pair[MUT_NR_HOPS];
	u32 pair[MUT_NR_HOPS][2];
	u64 cache_bytes[MUT_NR_CACHES]; /* 0: none                            */
	u64 max_pages[NR_MUT_PAGES];    /* that a chase may touch             */
	u64 max_span[NR_MUT_PAGES];     /* that it may reach over             */
	double hz;
	double resolution;      /* cycles that its clock does not tell apart  */
};

struct mut;

struct mut_ops {
	const char *name;
	int (*chase)(struct mut *m, const struct mut_chase *c,
		     struct mut_sample *s, struct err *e);
	int (*work)(struct mut *m, const struct mut_work *w,
		    struct mut_sample *s, struct err *e);
	/* One modified line from CPU @a to CPU @b, one way. */
	int (*transfer)(struct mut *m, u32 a, u32 b, struct mut_sample *s,
			struct err *e);
	int (*program)(struct mut *m, const struct mut_program *p,
		       struct mut_sample *s, struct err *e);
	/* One core of node @a reads node @b's memory in turn: cycles a line. */
	int (*stream)(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		      struct err *e);
};

/* Embedded first in each implementation. */
struct mut {
	const struct mut_ops *ops;
	struct mut_shape shape;
	bool ignores_events;            /* none is in any sample              */
	bool by_clock;                  /* what events say does not decide    */
};

static inline u64 mut_or_1(u64 v)
{
	return v ? v : 1;
}

/* Pages that @c touches, and the first page behind all of them. */
static inline u64 mut_pages(const struct mut_chase *c)
{
	return c->nr * mut_or_1(c->group);
}

static inline u64 mut_span(const struct mut_chase *c)
{
	return (c->nr - 1) * mut_or_1(c->stride) + mut_or_1(c->group);
}

static inline u64 mut_page_bytes(enum mut_page size)
{
	return size == MUT_2M ? 2u << 20 : 4096;
}

/* Where in page @i its one line is: spread over the sets of a first-level
 * cache; in large pages without a pattern, as processors guess ways of caches
 * by some bits of the address. */
static inline u64 mut_offset(enum mut_page size, u64 i)
{
	return size == MUT_2M ? (i * 0x9e3779b1u >> 7) % 32768 * 64
			      : i % 64 * 64;
}

const char *mut_op_name(enum mut_op op);

/* mut_figure - of @s, what a row is about: the fastest tenth, since interruptions
 * only add; beside other threads the median, since one of them that does not run
 * just now (its virtual CPU was taken) makes a call that must wait for it
 * cheaper. */
static inline double mut_figure(const struct mut_work *w,
				const struct mut_sample *s)
{
	return w->others ? s->cycles.median : s->cycles.low;
}

/* mut_chase - as the op, after a look at the shape: -E2BIG when the machine
 * has not that much memory or address space, -ENOTSUP when it has not that CPU.
 * Events are NAN when @m ignores them. */
int mut_chase(struct mut *m, const struct mut_chase *c, struct mut_sample *s,
	      struct err *e);
int mut_work(struct mut *m, const struct mut_work *w, struct mut_sample *s,
	     struct err *e);
int mut_transfer(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		 struct err *e);
int mut_program(struct mut *m, const struct mut_program *p,
		struct mut_sample *s, struct err *e);
int mut_stream(struct mut *m, u32 a, u32 b, struct mut_sample *s,
	       struct err *e);

/* mut_trace - the loads of @nr rounds of @p on a freshly built arena, to
 * @v->offset, which is to be freed; *@seed goes on. -ENOMEM. */
int mut_trace(const struct mut_program *p, u64 nr, u64 *seed,
	      struct mut_visits *v, struct err *e);

#endif
