/* workload.h - programs for the timed machine: one file and one struct each.
 *
 * A workload makes address spaces, puts threads on CPUs and drives them with
 * page runs and system calls of mm/. skeleton.c in docs/ is one to copy.
 *
 * Order: defaults and options are in w->cfg; setup() on an idle machine, which
 * costs no modelled time; body() once per thread under the timed driver;
 * teardown() always.
 *
 * Errors: negative errno with text in @e; inside body(), wl_fail().
 */
#ifndef WORKLOADS_WORKLOAD_H
#define WORKLOADS_WORKLOAD_H

#include "base/err.h"
#include "base/opt.h"
#include "base/rng.h"
#include "mm/mm.h"
#include "mm/sched.h"

struct workload;

/* Under the scheduler; else there are as many as CPUs. */
#define WL_MAX_THREADS 4096u

struct wl_thread {
	struct thread t;        /* first: what current() finds                */
	struct wl *w;
	u32 index;
};

struct wl {
	const struct workload *workload;
	const void *cfg;        /* the struct that .params describes          */
	const char *const *files;
	u32 nr_files;
	u64 seed;
	u32 nr_threads;         /* what the user asked for, 0: the workload
				 * decides in setup()                        */
	u32 max_threads;
	u32 *cpu_of;            /* [max_threads] the CPU of thread i; under the
				 * scheduler, where it begins                 */
	struct wl_thread *thread;       /* [max_threads]                      */
	bool is_pinned;         /* each thread stays on cpu_of[i]             */
	struct cpuset allowed;  /* CPUs of all threads, if is_bound           */
	bool is_bound;
	struct mempolicy mpol;  /* each thread's, to begin with               */
	void *priv;             /* the workload's own, freed in teardown()    */

	/* For progress: units done by all threads, of a total if known. */
	u64 done, total;
	u64 end;                /* modelled time at which the threads stop, in
				 * cycles; 0: once their work is done         */

	int error;              /* first that a thread met                    */
	struct err err;
};

struct workload {
	const char *name;
	const char *summary;
	const char *mirrors;    /* what real thing it stands for              */
	const char *watch;      /* what to look at in its numbers             */
	const char *unit;       /* of wl.done, plural; NULL: steps            */
	const struct opt *params;
	size_t nr_params;
	size_t cfg_bytes;
	/* Pairs option, value: other defaults of the machine's options. */
	const char *const *defaults;
	bool reclaims;          /* memory is short: kswapds, and so a scheduler,
				 * under which threads keep their CPUs unless
				 * --sched fair                               */
	const char *takes_files;        /* "TRACE.tlbt..."; NULL: none        */
	int (*setup)(struct wl *w, struct err *e);
	void (*body)(struct wl *w, u32 thread);
	void (*teardown)(struct wl *w);
};

/* NULL-terminated, in the order that `tlbemu list workloads` prints. */
extern const struct workload *const workloads[];
const struct workload *workload_find(const char *name);

/* wl_start - thread @i of the run lives in @mm, on w->cpu_of[i]. */
int wl_start(struct wl *w, u32 i, struct mm *mm, struct err *e);

/* wl_start_all - all threads of the run live in @mm; NULL: -ENOMEM, with text. */
int wl_start_all(struct wl *w, struct mm *mm, struct err *e);

/* wl_thread_count - w->nr_threads, or @otherwise if the user named none; all
 * must find a CPU. Return: the number, or -EINVAL with text. */
int wl_thread_count(struct wl *w, u32 otherwise, struct err *e);

/* wl_map - a VMA of @nr_pages somewhere free, in setup(). 0: out of memory. */
u64 wl_map(struct mm *mm, u64 nr_pages, u32 flags);

/* The same of the beginning of @f. */
u64 wl_map_file(struct mm *mm, u64 nr_pages, u32 flags, struct address_space *f);

/* wl_populate - thread @i stores once to each page of a range, in setup(). */
int wl_populate(struct wl *w, u32 i, u64 vpn, u64 nr_pages, struct err *e);

/* wl_read_file - all of @f is in the page cache, read by thread @i, in setup(). */
int wl_read_file(struct wl *w, u32 i, struct address_space *f, struct err *e);

/* wl_work - this thread computes for @cycles, on its own @nr_pages pages from @vpn
 * on, one after the other: interrupts take their time beside that, and what a
 * flush drops of these pages is refilled. Return: as wl_runs(). */
int wl_work(u64 vpn, u32 nr_pages, u64 cycles);

/* wl_compute - the same at one go, for long computing: what a flush drops is the
 * caller's to touch. Then what the kernel does at a tick. */
void wl_compute(u64 cycles);

/* wl_runs - @n runs on this CPU, then what the kernel does at a tick.
 * Return: 0, or the error that the program gets. */
int wl_runs(const struct run *runs, size_t n);

/* wl_fail - end the run with an error; body() returns soon after. */
void wl_fail(struct wl *w, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define WL_FULL "the machine's memory, or what a policy leaves of it, is full; " \
	"try smaller sizes, or a --machine with more: '[numa(memory=4GiB)] core:4 pu:1'"

/* wl_failed - @rc, which an access or a call of the program returned, ends the run,
 * with a text that says what would work; 0 does not. Return: whether it does. */
bool wl_failed(struct wl *w, int rc);

#endif
