/* The emulated machine under test: each request is a small program on it. */
#include "emu/mut_emulated.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/caches.h"
#include "emu/sde.h"
#include "emu/timed_point.h"
#include "host/papi.h"

#define BATCH 256u
#define LINE 64u
#define ROUNDS 3u               /* of each order, measured                    */
#define ITERATIONS 8u           /* of an operation                            */
#define HANDOVERS 64u
#define TRACED 1000u            /* rounds of a program                        */
#define MAX_SPAN (1ull << 34)   /* 4K pages                                   */

/* Which events answer which question. The walk's and first level's are of
 * loads, as a chase makes no others. ORDER read_events */
static const u32 read_events[] = {
	SDE_CYCLES, CTR_DTLB_LOAD_MISSES, CTR_WALK_LOAD, CTR_WALK_LOAD_CYCLES,
	CTR_WALKER_LOADS, SDE_CATEGORY(CYC_COPY),
};
enum { EV_CYCLES, EV_L1_MISS, EV_WALKS, EV_WALK_CYCLES, EV_WALK_LOADS,
       EV_COPY, NR_EVS = ARRAY_LEN(read_events) };

/* What calls are counted by. ORDER mut_event, from MUT_SHOOTDOWNS on */
static const u32 flush_counts[] = {
	CTR_IPIS_SENT, CTR_REMOTE_FLUSH, CTR_TLB_FLUSH,
};
#define NR_FLUSH_COUNTS ARRAY_LEN(flush_counts)

/* What the program on the machine does: one of four. */
enum kind { A_CHASE, A_WORK, A_TRANSFER, A_PROGRAM };

struct emulated {
	struct mut mut;
	const struct machine *m;
	struct timed_result *r;
	struct papi_set *set;           /* NULL: read by hand                 */

	enum kind kind;
	const struct mut_chase *chase;
	const struct mut_work *work;
	u32 pair[2];
	const struct mut_program *program;
	struct mut_visits visits;       /* twice TRACED rounds                */
	struct err e;                   /* of reading                         */
	int rc;

	/* of the run */
	struct mm *mm, *child;
	u64 vpn, other;                 /* where the pages are, and go        */
	u64 page;                       /* the other threads'                 */
	u64 *va;                        /* [nr_va] as visited, one order      */
	u64 nr_va;
	struct rng rng;
	u32 *turn;                      /* in the arena                       */
	bool is_over;
	s64 ev[NR_EVS];
	double cycles, count;           /* the sample: cycles / count         */
	s64 flushes[NR_FLUSH_COUNTS];   /* of those calls                     */
};

/* ---- reading its counters ------------------------------------------------------ */

static void start(struct emulated *em)
{
	if (em->set) {
		em->rc = papi_set_start(em->set, &em->e);
		return;
	}
	for (u32 i = 0; i < NR_EVS; i++)
		em->ev[i] = sde_value(read_events[i]);
}

static void stop(struct emulated *em)
{
	if (em->set && em->rc)
		return;
	if (em->set) {
		em->rc = papi_set_stop(em->set, em->ev, &em->e);
		return;
	}
	for (u32 i = 0; i < NR_EVS; i++)
		em->ev[i] = sde_value(read_events[i]) - em->ev[i];
}

/* ---- the chase -------------------------------------------------------------------- */

static u32 order_of(enum mut_page size)
{
	return size == MUT_2M ? hpage_order() : 0;
}

static u64 page_vpn(const struct emulated *em, u64 i)
{
	const struct mut_chase *c = em->chase;
	u64 group = mut_or_1(c->group);

	return em->vpn + ((i / group * mut_or_1(c->stride) + i % group) <<
			  order_of(c->size));
}

static void run(const u64 *va, u64 n, u8 op)
{
	struct run r[BATCH];

	for (u64 i = 0; i < n; ) {
		u32 k = 0;

		for (; k < BATCH && i < n; k++, i++)
			r[k] = (struct run){ .va = va[i], .count = 1,
					     .bytes = 8, .op = op };
		cpu_run_many(r, k);
	}
}

static void go_round(struct emulated *em)
{
	if (em->chase->orders > 1)
		rng_shuffle(&em->rng, em->va, em->nr_va, sizeof(u64));
	run(em->va, em->nr_va, RUN_READ);
}

/* What each page is visited for; a cold chase leaves out line 0, which first
 * touched the page. */
static int list_visits(struct emulated *em)
{
	const struct mut_chase *c = em->chase;
	u64 pages = mut_pages(c), lines = c->lines ? c->lines : 1, n = 0;
	u64 first = c->is_cold ? 1 : 0;

	em->va = malloc(pages * lines * sizeof(u64));
	if (!em->va)
		return -ENOMEM;
	for (u64 i = 0; i < pages; i++)
		for (u64 l = first; l < lines || !c->lines; l++) {
			u64 at = c->lines ? l * LINE : mut_offset(c->size, i);

			em->va[n++] = (page_vpn(em, i) << PAGE_SHIFT) + at;
			if (!c->lines)
				break;
		}
	em->nr_va = n;
	rng_shuffle(&em->rng, em->va, n, sizeof(u64));
	return 0;
}

/* Downwards: neighbours in address are no neighbours in memory, which TLBs
 * that coalesce would take for one page. */
static int populate(struct emulated *em, struct wl *w, u32 thread,
		    struct err *e)
{
	int rc = 0;

	for (u64 i = mut_pages(em->chase); i-- > 0 && !rc; )
		rc = wl_populate(w, thread, page_vpn(em, i), 1, e);
	return rc;
}

static int setup_chase(struct emulated *em, struct wl *w, struct err *e)
{
	const struct mut_chase *c = em->chase;
	u32 order = order_of(c->size), rounds = c->orders > 1 ? 8 : 3;
	u32 home = em->mut.shape.node_cpu[c->node];
	int rc;

	if (home == MUT_NO_CPU)
		return err_set(e, -ENOTSUP, "node %u has no CPU that could "
			       "touch its memory first", c->node);
	w->nr_threads = home == c->cpu || em->mut.shape.nr_nodes < 2 ? 1 : 2;
	w->cpu_of[0] = c->cpu;
	if (w->nr_threads > 1)
		w->cpu_of[1] = home;
	for (u32 i = 0; i < w->nr_threads; i++)
		if (wl_start(w, i, em->mm, e))
			return -ENOMEM;
	em->vpn = wl_map(em->mm, mut_span(c) << order,
			 VM_READ | VM_WRITE | (order ? VM_HUGE : 0));
	if (!em->vpn)
		return err_set(e, -ENOMEM, "out of memory");
	rc = populate(em, w, w->nr_threads - 1, e);
	if (!rc)
		rc = list_visits(em);
	if (rc)
		return err_set(e, rc, "out of memory");
	this_cpu = &the_sys->cpu[c->cpu];
	for (u32 i = 0; i < rounds && !c->is_cold; i++)
		go_round(em);
	for (u64 i = 0; c->is_cold && i < 2 * mut_pages(c); i++) {
		u64 va = page_vpn(em, i / 2) << PAGE_SHIFT;

		run(&va, 1, RUN_READ);
	}
	return 0;
}

static void chase(struct emulated *em)
{
	const struct mut_chase *c = em->chase;
	u32 rounds = c->is_cold ? 1 : c->orders > 1 ? c->orders * ROUNDS : ROUNDS;

	start(em);
	for (u32 i = 0; i < rounds; i++)
		go_round(em);
	stop(em);
	em->cycles = (double)em->ev[EV_CYCLES];
	em->count = (double)rounds * (double)em->nr_va;
}

/* ---- work ----------------------------------------------------------------------------- */

static u64 work_pages(const struct mut_work *w)
{
	return mut_or_1(w->pages);
}

static u64 up_to(u64 v, u64 multiple)
{
	return (v + multiple - 1) / multiple * multiple;
}

static int setup_work(struct emulated *em, struct wl *w, struct err *e)
{
	const struct mut_work *k = em->work;
	u64 n = work_pages(k) << order_of(k->size);
	u32 flags = VM_READ | VM_WRITE | (k->size == MUT_2M ? VM_HUGE : 0);
	u64 table = 1u << hpage_order(), whole;
	int rc = 0;

	w->nr_threads = 1 + k->others;
	for (u32 i = 0; i < w->nr_threads; i++) {
		w->cpu_of[i] = i;
		if (wl_start(w, i, em->mm, e))
			return -ENOMEM;
	}
	if (k->op == MUT_FAULT || k->op == MUT_ZERO || k->op == MUT_COPY)
		n *= ITERATIONS;
	/* As on the host: amid one mapping, so that no page table is freed with
	 * the pages. */
	whole = up_to(n, table);
	em->vpn = wl_map(em->mm, 2 * whole + 2 * table, flags);
	em->page = wl_map(em->mm, 1, VM_READ | VM_WRITE);
	if (!em->vpn || !em->page)
		return err_set(e, -ENOMEM, "out of memory");
	em->vpn = up_to(em->vpn + 1, table);
	em->other = em->vpn + whole;
	rc = wl_populate(w, 0, em->page, 1, e);
	if (!rc && k->op != MUT_FAULT && k->op != MUT_ZERO)
		rc = wl_populate(w, 0, em->vpn, n, e);
	return rc;
}

static void store_to_pages(struct emulated *em, u64 vpn, u64 n)
{
	u64 step = 1ull << order_of(em->work->size);

	for (u64 i = 0; i < n; i++) {
		u64 va = (vpn + i * step) << PAGE_SHIFT;

		run(&va, 1, RUN_WRITE);
	}
}

/* First stores, to pages without a frame or with a shared one. */
static void touch_first(struct emulated *em)
{
	u64 n = work_pages(em->work) * ITERATIONS;

	if (em->work->op == MUT_COPY && !dup_mm(em->mm)) {
		em->rc = err_set(&em->e, -ENOMEM, "out of memory");
		return;
	}
	start(em);
	store_to_pages(em, em->vpn, n);
	stop(em);
	em->count = (double)n;
	em->cycles = (double)em->ev[em->work->op == MUT_FAULT ? EV_CYCLES
							      : EV_COPY];
}

static void call(struct emulated *em, u64 pages)
{
	u64 n = pages << order_of(em->work->size);

	switch (em->work->op) {
	case MUT_SYSCALL:
		syscall_leave(syscall_enter(), 0);
		break;
	case MUT_MPROTECT:
		do_mprotect(em->mm, em->vpn, n, VM_READ);
		break;
	case MUT_MUNMAP:
		do_munmap(em->mm, em->vpn, n);
		break;
	case MUT_DONTNEED:
		do_madvise(em->mm, em->vpn, n, MADV_DONTNEED);
		break;
	case MUT_MREMAP:
		do_mremap(em->mm, em->vpn, n, em->other, n);
		break;
	case MUT_FORK:
		em->child = dup_mm(em->mm);
		if (!em->child)
			em->rc = err_set(&em->e, -ENOMEM, "out of memory");
		break;
	default:
		break;
	}
}

/* All as before the call, every page in place and dirty. */
static void undo(struct emulated *em, u64 pages)
{
	u64 n = pages << order_of(em->work->size);
	u32 flags = VM_READ | VM_WRITE |
		(em->work->size == MUT_2M ? VM_HUGE : 0);

	if (em->work->op == MUT_MPROTECT)
		do_mprotect(em->mm, em->vpn, n, VM_READ | VM_WRITE);
	else if (em->work->op == MUT_MUNMAP)
		do_mmap_fixed(em->mm, em->vpn, n, flags);
	else if (em->work->op == MUT_MREMAP)
		do_mremap(em->mm, em->other, n, em->vpn, n);
	else if (em->work->op == MUT_FORK && em->child)
		exit_mmap(em->child);
	if (em->work->op != MUT_SYSCALL)
		store_to_pages(em, em->vpn, pages);
}

static void work(struct emulated *em)
{
	u64 pages = work_pages(em->work);
	enum mut_op op = em->work->op;

	if (op == MUT_FAULT || op == MUT_ZERO || op == MUT_COPY) {
		touch_first(em);
		return;
	}
	for (u32 i = 0; i < ITERATIONS + 2 && !em->rc; i++) {
		s64 before[NR_FLUSH_COUNTS];
		u64 from = this_cpu->now;

		for (u32 k = 0; k < NR_FLUSH_COUNTS; k++)
			before[k] = sde_value(flush_counts[k]);
		call(em, pages);
		/* The first ones allocate what later ones find. */
		if (i >= 2) {
			for (u32 k = 0; k < NR_FLUSH_COUNTS; k++)
				em->flushes[k] +=
					sde_value(flush_counts[k]) - before[k];
			em->cycles += (double)(this_cpu->now - from);
			em->count++;
		}
		undo(em, pages);
	}
}

/* Running user code of this process until it is over. */
static void keep_running(struct emulated *em)
{
	u64 va = em->page << PAGE_SHIFT, many[64];

	for (u32 i = 0; i < ARRAY_LEN(many); i++)
		many[i] = va;
	while (!em->is_over)
		run(many, ARRAY_LEN(many), RUN_READ);
}

/* ---- a line between two CPUs ----------------------------------------------------- */

static int setup_transfer(struct emulated *em, struct wl *w, struct err *e)
{
	w->nr_threads = 2;
	for (u32 i = 0; i < 2; i++) {
		w->cpu_of[i] = em->pair[i];
		if (wl_start(w, i, em->mm, e))
			return -ENOMEM;
	}
	em->turn = arena_alloc(&the_sys->arena, LINE);
	return em->turn ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static bool is_mine(const void *turn)
{
	return *(const u32 *)turn % 2 == (u32)(this_cpu->id ==
					       ((const u32 *)turn)[1]);
}

static void hand_over(struct emulated *em, u32 me)
{
	u64 from = 0;

	/* The word itself is the line that goes to and fro. turn[1] is the second CPU; turns that are odd are its. */
	em->turn[1] = em->pair[1];
	for (u32 i = 0; i < HANDOVERS; i++) {
		the_sys->drv.wait(em->turn, is_mine, em->turn, 0);
		if (!me && i == 4)
			from = this_cpu->now;
		the_sys->drv.step(em->turn, true, 0);
		++*em->turn;
		the_sys->drv.wake(em->turn);
	}
	if (me)
		return;
	the_sys->drv.wait(em->turn, is_mine, em->turn, 0);
	em->cycles = (double)(this_cpu->now - from);
	em->count = 2.0 * (HANDOVERS - 4);
}

/* ---- a program's trace ------------------------------------------------------------- */

/* Every line once, as the one that built the arena left them; then what the
 * program did before, as it is measured in the middle of its life. */
static int setup_program(struct emulated *em, struct wl *w, struct err *e)
{
	u64 pages = em->program->bytes >> PAGE_SHIFT;
	int rc;

	w->nr_threads = 1;
	if (wl_start(w, 0, em->mm, e))
		return -ENOMEM;
	em->vpn = wl_map(em->mm, pages, VM_READ | VM_WRITE);
	if (!em->vpn)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_populate(w, 0, em->vpn, pages, e);
	for (u64 i = 0; i < em->visits.n; i++)
		em->visits.offset[i] += em->vpn << PAGE_SHIFT;
	this_cpu = &the_sys->cpu[0];
	for (u64 at = 0; at < em->program->bytes && !rc; at += LINE) {
		u64 va = (em->vpn << PAGE_SHIFT) + at;

		run(&va, 1, RUN_READ);
	}
	if (!rc)
		run(em->visits.offset, em->visits.n / 2, RUN_READ);
	return rc;
}

static void run_program(struct emulated *em)
{
	u64 n = em->visits.n / 2;

	start(em);
	run(em->visits.offset + n, n, RUN_READ);
	stop(em);
	em->cycles = (double)em->ev[EV_CYCLES];
	em->count = (double)n;
}

/* ---- one request, one run ---------------------------------------------------------- */

static struct emulated *current_request;

static int setup(struct wl *w, struct err *e)
{
	struct emulated *em = current_request;

	em->mm = mm_create();
	if (!em->mm)
		return err_set(e, -ENOMEM, "out of memory");
	rng_init(&em->rng, 1);
	switch (em->kind) {
	case A_CHASE: return setup_chase(em, w, e);
	case A_WORK: return setup_work(em, w, e);
	case A_TRANSFER: return setup_transfer(em, w, e);
	case A_PROGRAM: return setup_program(em, w, e);
	}
	return -EINVAL;
}

static void body(struct wl *w, u32 thread)
{
	struct emulated *em = current_request;

	if (em->kind == A_TRANSFER) {
		hand_over(em, thread);
	} else if (em->kind == A_PROGRAM) {
		run_program(em);
	} else if (em->kind == A_CHASE && !thread) {
		chase(em);
	} else if (em->kind == A_WORK && thread) {
		keep_running(em);
	} else if (em->kind == A_WORK) {
		work(em);
		em->is_over = true;
	}
	if (em->rc)
		wl_fail(w, em->rc, "%s", em->e.text);
}

static const struct workload program = {
	.name = "calibration", .summary = "", .mirrors = "", .watch = "",
	.setup = setup, .body = body,
};

static bool has_caches(const struct machine *m)
{
	return m->cache[CACHE_L1D].bytes || m->cache[CACHE_L2].bytes ||
	       m->cache[CACHE_LLC].bytes;
}

static u32 cpus_for(const struct emulated *em)
{
	u32 most = 0;

	if (em->kind == A_WORK)
		return 1 + em->work->others;
	if (em->kind == A_PROGRAM)
		return 1;
	if (em->kind == A_TRANSFER)
		return 1 + (em->pair[0] > em->pair[1] ? em->pair[0]
						       : em->pair[1]);
	most = em->chase->cpu;
	if (em->mut.shape.nr_nodes > 1 &&
	    em->mut.shape.node_cpu[em->chase->node] != MUT_NO_CPU &&
	    em->mut.shape.node_cpu[em->chase->node] > most)
		most = em->mut.shape.node_cpu[em->chase->node];
	return 1 + most;
}

/* The newest modelled kernel is the last of those that are versions. */
#define KERNEL "v6.1"
/* The last whose copy-on-write copies a huge page whole. */
#define KERNEL_COPIES_2M "v5.7"

static const char *kernel_of(const struct emulated *em)
{
	return em->kind == A_WORK && em->work->op == MUT_COPY
		? KERNEL_COPIES_2M : KERNEL;
}

static const struct flush_ops *flush_named(const char *name)
{
	for (u32 i = 0; flush_strategies[i]; i++)
		if (!strcmp(flush_strategies[i]->name, name))
			return flush_strategies[i];
	return flush_strategies[0];
}

static int request(struct emulated *em, struct mut_sample *s, struct err *e)
{
	bool has_data = em->kind == A_PROGRAM || (em->kind == A_CHASE &&
		(em->chase->has_data || em->chase->is_cold));
	const struct timed_cfg cfg = {
		.cpus = cpus_for(em), .placement = PLACE_PACK, .levels = 4,
		.mlp = 1, .psc = true, .thp = true, .seed = 1,
		.caches = has_data && has_caches(em->m) ? CACHES_FULL
							 : CACHES_NONE,
		.scan_bytes = 256u << 20,
	};
	const struct timed_point p = {
		.cfg = &cfg, .kernel = kernel_find(kernel_of(em)),
		.flush = flush_named("range"), .workload = &program,
		.progress = PROGRESS_NEVER,
	};
	double more = 0;
	int rc;

	em->rc = 0;
	em->mm = em->child = NULL;
	memset(em->flushes, 0, sizeof(em->flushes));
	em->va = NULL;
	em->is_over = false;
	em->cycles = em->count = 0;
	memset(em->ev, 0, sizeof(em->ev));
	memset(em->r, 0, sizeof(*em->r));
	current_request = em;
	rc = timed_point_run_on(&p, em->m, em->r, e);
	free(em->va);
	if (rc)
		return rc;
	/* A dependent load waits for the L1D, a stream does not. */
	if (cfg.caches == CACHES_FULL)
		more = (double)em->m->cache[CACHE_L1D].hit_cycles -
			(double)em->m->cost[COST_ACCESS];
	s->cycles = (struct stat_summary){ .n = 1 };
	s->cycles.median = em->cycles / em->count + more;
	s->cycles.lo = s->cycles.hi = s->cycles.low = s->cycles.median;
	if (em->kind == A_CHASE || em->kind == A_PROGRAM) {
		s->ev[MUT_L1_MISS] = (double)em->ev[EV_L1_MISS] / em->count;
		s->ev[MUT_WALKS] = (double)em->ev[EV_WALKS] / em->count;
		s->ev[MUT_WALK_CYCLES] =
			(double)em->ev[EV_WALK_CYCLES] / em->count;
		s->ev[MUT_WALK_LOADS] =
			(double)em->ev[EV_WALK_LOADS] / em->count;
	} else if (em->kind == A_WORK) {
		s->ev[MUT_COPY_CYCLES] = (double)em->ev[EV_COPY] / em->count;
		for (u32 k = 0; k < NR_FLUSH_COUNTS; k++)
			s->ev[MUT_SHOOTDOWNS + k] =
				(double)em->flushes[k] / em->count;
	}
	return 0;
}

static int op_chase(struct mut *m, const struct mut_chase *c,
		    struct mut_sample *s, struct err *e)
{
	struct emulated *em = (struct emulated *)m;

	em->kind = A_CHASE;
	em->chase = c;
	return request(em, s, e);
}

static int op_work(struct mut *m, const struct mut_work *w,
		   struct mut_sample *s, struct err *e)
{
	struct emulated *em = (struct emulated *)m;

	em->kind = A_WORK;
	em->work = w;
	return request(em, s, e);
}

static int op_transfer(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		       struct err *e)
{
	struct emulated *em = (struct emulated *)m;

	em->kind = A_TRANSFER;
	em->pair[0] = a;
	em->pair[1] = b;
	return request(em, s, e);
}

static int op_program(struct mut *m, const struct mut_program *p,
		      struct mut_sample *s, struct err *e)
{
	struct emulated *em = (struct emulated *)m;
	u64 seed = 1;
	int rc = mut_trace(p, 2 * TRACED, &seed, &em->visits, e);

	if (rc)
		return rc;
	em->kind = A_PROGRAM;
	em->program = p;
	rc = request(em, s, e);
	free(em->visits.offset);
	return rc;
}

static int op_stream(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		     struct err *e)
{
	return err_set(e, -ENOTSUP, "this machine's memory has no bandwidth that "
		       "a chase could find");
}

static const struct mut_ops ops = {
	.name = "emulated", .chase = op_chase, .work = op_work,
	.transfer = op_transfer, .program = op_program, .stream = op_stream,
};

/* ---- creation ------------------------------------------------------------------------ */

static int open_set(struct emulated *em, struct err *e)
{
	const char *names[NR_EVS];
	char text[NR_EVS][128];
	int rc = sde_export(e);

	for (u32 i = 0; i < NR_EVS; i++) {
		char name[96];

		snprintf(text[i], sizeof(text[i]), "sde:::tlbemu::%s",
			 sde_name(read_events[i], name, sizeof(name)));
		names[i] = text[i];
	}
	return rc ? rc : papi_set_create(&em->set, names, NR_EVS, e);
}

int mut_emulated_create(struct mut **out, const struct machine *m,
			enum mut_reading how, struct err *e)
{
	struct emulated *em = calloc(1, sizeof(*em));
	int rc = 0;

	if (!em)
		return err_set(e, -ENOMEM, "out of memory");
	em->mut.ops = &ops;
	em->m = m;
	mut_shape_of(&em->mut.shape, m, NULL);
	em->mut.shape.max_pages[MUT_4K] = 1u << 20;
	em->mut.shape.max_pages[MUT_2M] = (m->node_bytes[0] >> 21) / 2;
	em->mut.shape.max_span[MUT_4K] = MAX_SPAN;
	em->mut.shape.max_span[MUT_2M] = MAX_SPAN >> 9;
	em->r = malloc(sizeof(*em->r));
	if (!em->r)
		rc = err_set(e, -ENOMEM, "out of memory");
	else if (how == MUT_BY_PAPI)
		rc = open_set(em, e);
	if (rc) {
		mut_emulated_destroy(&em->mut);
		return rc;
	}
	*out = &em->mut;
	return 0;
}

void mut_emulated_destroy(struct mut *m)
{
	struct emulated *em = (struct emulated *)m;

	if (!em)
		return;
	papi_set_destroy(em->set);
	free(em->r);
	free(em);
}
