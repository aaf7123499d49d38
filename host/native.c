/* This host under test: chases. The rest is in native_work.c. */
#include "host/native.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rng.h"
#include "host/clock.h"
#include "host/native_impl.h"

#define LINE 64u
#define STEPS_PER_REP 20000u    /* loads; about 100 us                        */
#define SPREAD_WANTED 0.01
#define MPOL_BIND_MODE 2
#define MAX_LARGE 256u          /* 2M pages                                   */

/* ---- repetitions --------------------------------------------------------------- */

void reps_begin(struct reps *r, u64 budget_ns)
{
	r->n = 0;
	r->end_ns = clock_host_ns() + budget_ns;
	disturbance_now(&r->before);
	r->hz = r->before.hz;
}

bool reps_go_on(struct reps *r)
{
	double copy[REPS_MAX];
	struct stat_summary s;

	if (r->n < REPS_MIN)
		return true;
	if (r->n == REPS_MAX || clock_host_ns() >= r->end_ns)
		return false;
	if (r->n % 8)
		return true;
	memcpy(copy, r->v, r->n * sizeof(*copy));
	s = stat_summarise(copy, r->n);
	return stat_spread(&s) > SPREAD_WANTED;
}

void reps_add(struct reps *r, double ticks, double per)
{
	r->v[r->n++] = ticks / clock_ticks_per_ns() * r->hz / 1e9 / per;
}

void reps_end(struct reps *r, struct mut_sample *s)
{
	struct interference i;
	struct disturbance after;

	disturbance_now(&after);
	interference_between(&r->before, &after, &i);
	s->cycles = stat_summarise(r->v, r->n);
	s->disturbed = i.stolen;
}

/* ---- memory ---------------------------------------------------------------------- */

static u64 free_bytes(void)
{
	return (u64)sysconf(_SC_AVPHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE);
}

/* How much of [@p, @p + @bytes) is in large pages. */
static u64 large_bytes(const void *p, u64 bytes)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	u64 from = (uintptr_t)p, sum = 0;
	unsigned long long a, b;
	char line[512];
	bool is_inside = false;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &a, &b) == 2 && strchr(line, '-') &&
		    strchr(line, '-') < strchr(line, ' '))
			is_inside = a < from + bytes && b > from;
		else if (is_inside &&
			 sscanf(line, "AnonHugePages: %llu", &a) == 1)
			sum += a;
	}
	fclose(f);
	return sum << 10;
}

int native_map(struct native *n, enum mut_page size, u64 bytes, char **out,
	       struct err *e)
{
	u64 align = 2u << 20;
	char *p = mmap(NULL, bytes + 2 * align, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return err_set(e, -E2BIG, "%llu bytes of address space: %s",
			       (unsigned long long)bytes, strerror(errno));
	n->map = p;
	n->map_bytes = bytes + 2 * align;
	*out = (char *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
	if (madvise(*out, bytes, size == MUT_2M ? MADV_HUGEPAGE
						: MADV_NOHUGEPAGE) &&
	    size == MUT_2M)
		return err_set(e, -ENOTSUP, "2M pages: madvise: %s",
			       strerror(errno));
	return 0;
}

void native_unmap(struct native *n)
{
	if (n->map)
		munmap(n->map, n->map_bytes);
	n->map = NULL;
}

int native_pin(const struct native *n, u32 cpu, struct err *e)
{
	return clock_pin_to(n->mut.shape.os_cpu[cpu], e);
}

#define NODE_BITS 1024u         /* that mbind is told of; Linux has no more   */

int native_bind(const struct native *n, void *p, u64 bytes, u32 node,
		struct err *e)
{
	u32 os = n->mut.shape.os_node[node];
	unsigned long mask[NODE_BITS / 64] = { 0 };

	if (n->mut.shape.nr_nodes < 2)
		return 0;
	if (os >= NODE_BITS)
		return err_set(e, -ENOTSUP, "memory of node %u: at most %u can "
			       "be told apart", os, NODE_BITS);
	mask[os / 64] = 1ul << os % 64;
	/* The kernel takes one bit less than it is told of. */
	if (syscall(SYS_mbind, p, bytes, MPOL_BIND_MODE, mask,
		    (unsigned long)NODE_BITS + 1, 0ul))
		return err_set(e, -ENOTSUP, "memory of node %u: mbind: %s",
			       os, strerror(errno));
	return 0;
}

/* ---- the chain --------------------------------------------------------------------- */

struct chain {
	char **at;              /* [n] every line, as visited                 */
	u64 n;
	char *base;
};

static char *page_at(const struct mut_chase *c, char *base, u64 i)
{
	u64 group = mut_or_1(c->group);

	return base + (i / group * mut_or_1(c->stride) + i % group) *
		mut_page_bytes(c->size);
}

/* Pages get their frames in no order, so that TLBs have nothing to coalesce. */
static int populate(const struct mut_chase *c, char *base, struct rng *r)
{
	u64 n = mut_pages(c);
	u32 *order = malloc(n * sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (u64 i = 0; i < n; i++)
		order[i] = (u32)i;
	rng_shuffle(r, order, n, sizeof(*order));
	for (u64 i = 0; i < n; i++)
		*(volatile char *)page_at(c, base, order[i]) = 1;
	free(order);
	return 0;
}

/* Each order has lines of its own, in the same 4K. */
static u64 order_offset(enum mut_page size, u64 i, u64 order, u64 orders)
{
	u64 at = mut_offset(size, i);

	return (at & ~4095ull) + (at + order * LINE * (64 / orders)) % 4096;
}

static int list_lines(const struct mut_chase *c, struct chain *ch,
		      struct rng *r)
{
	u64 pages = mut_pages(c), per = c->lines ? c->lines : 1;
	u64 orders = c->lines ? 1 : mut_or_1(c->orders), n = 0;

	ch->n = pages * per * orders;
	ch->at = malloc(ch->n * sizeof(*ch->at));
	if (!ch->at)
		return -ENOMEM;
	for (u64 o = 0; o < orders; o++) {
		u64 from = n;

		for (u64 i = 0; i < pages; i++)
			for (u64 l = 0; l < per; l++) {
				u64 at = c->lines ? l * LINE
					: order_offset(c->size, i, o, orders);

				ch->at[n++] = page_at(c, ch->base, i) + at;
			}
		rng_shuffle(r, &ch->at[from], n - from, sizeof(*ch->at));
	}
	for (u64 i = 0; i < ch->n; i++)
		*(char **)ch->at[i] = ch->at[(i + 1) % ch->n];
	return 0;
}

static char *follow(char *p, u64 n)
{
	for (u64 i = 0; i < n; i += 8)
		for (u32 k = 0; k < 8; k++)
			p = *(char *volatile *)p;
	return p;
}

static void flush_lines(const struct chain *ch)
{
	for (u64 i = 0; i < ch->n; i++)
		native_flush_line(ch->at[i]);
	native_fence();
}

static void measure(struct native *n, const struct mut_chase *c,
		    const struct chain *ch, struct mut_sample *s)
{
	u64 steps = ch->n > STEPS_PER_REP ? ch->n : STEPS_PER_REP / ch->n * ch->n;
	char *p = ch->at[0];
	struct reps r;

	steps = c->is_cold ? (ch->n & ~7ull) : (steps + 7) & ~7ull;
	p = follow(p, 2 * ch->n > STEPS_PER_REP ? 2 * ch->n : STEPS_PER_REP);
	reps_begin(&r, n->cfg.request_ns);
	while (reps_go_on(&r)) {
		u64 t;

		if (c->is_cold) {
			flush_lines(ch);
			p = ch->at[0];
		}
		r.hz = clock_core_hz();
		t = clock_ticks();
		p = follow(p, steps);
		t = clock_ticks() - t;
		reps_add(&r, (double)t, (double)steps);
	}
	reps_end(&r, s);
	if (!c->is_cold && native_events_start(n)) {
		p = follow(p, steps);
		native_events_stop(n, (double)steps, s);
	}
	n->sink = p;
}

/* Were the pages what they should be? */
static int check_large(const struct mut_chase *c, const char *base,
		       struct err *e)
{
	u64 want = mut_pages(c) * mut_page_bytes(MUT_2M), got;

	if (c->size != MUT_2M)
		return 0;
	got = large_bytes(base, mut_span(c) * mut_page_bytes(MUT_2M));
	if (got >= want - want / 16)
		return 0;
	return err_set(e, -ENOTSUP, "2M pages: the kernel gave %llu of %llu "
		       "bytes so (/sys/kernel/mm/transparent_hugepage)",
		       (unsigned long long)got, (unsigned long long)want);
}

static int op_chase(struct mut *m, const struct mut_chase *c,
		    struct mut_sample *s, struct err *e)
{
	struct native *n = (struct native *)m;
	struct chain ch = { .at = NULL };
	u64 bytes = mut_span(c) * mut_page_bytes(c->size);
	struct rng r;
	int rc;

#if !defined(__x86_64__)
	if (c->is_cold)
		return err_set(e, -ENOTSUP, "no way to empty the caches of "
			       "single lines here");
#endif
	rng_init(&r, 1);
	rc = native_pin(n, c->cpu, e);
	if (!rc)
		rc = native_map(n, c->size, bytes, &ch.base, e);
	if (!rc)
		rc = native_bind(n, ch.base, bytes, c->node, e);
	if (!rc && (populate(c, ch.base, &r) || list_lines(c, &ch, &r)))
		rc = err_set(e, -ENOMEM, "out of memory");
	if (!rc)
		rc = check_large(c, ch.base, e);
	if (!rc)
		measure(n, c, &ch, s);
	free(ch.at);
	native_unmap(n);
	return rc;
}

/* ---- creation ------------------------------------------------------------------------ */

static const struct mut_ops ops = {
	.name = "native", .chase = op_chase, .work = native_work,
	.transfer = native_transfer, .program = native_program,
	.stream = native_stream,
};

int mut_native_create(struct mut **out, const struct mut_shape *shape,
		      const struct native_cfg *cfg, struct err *e)
{
	struct native *n = calloc(1, sizeof(*n));
	u64 bytes;

	if (!n)
		return err_set(e, -ENOMEM, "out of memory");
	if (sysconf(_SC_PAGESIZE) != 4096) {
		free(n);
		return err_set(e, -ENOTSUP, "pages of %ld bytes; 4096 are "
			       "expected", sysconf(_SC_PAGESIZE));
	}
	n->mut.ops = &ops;
	n->mut.shape = *shape;
	if (cfg)
		n->cfg = *cfg;
	if (!n->cfg.request_ns)
		n->cfg.request_ns = 40000000;
	if (!n->cfg.max_bytes)
		n->cfg.max_bytes = free_bytes() / 4;
	bytes = n->cfg.max_bytes;
	/* A page of data and, when far apart, one of tables. */
	n->mut.shape.max_pages[MUT_4K] = bytes / 8192 < 65536 ? bytes / 8192
							       : 65536;
	/* Zeroing more of these takes longer than they are worth. */
	n->mut.shape.max_pages[MUT_2M] = bytes >> 21 < MAX_LARGE ? bytes >> 21
								  : MAX_LARGE;
	n->mut.shape.max_span[MUT_4K] = 1ull << 33;
	n->mut.shape.max_span[MUT_2M] = 1ull << 20;
	n->mut.shape.hz = clock_core_hz();
	n->mut.shape.resolution = 0.5;
	*out = &n->mut;
	return 0;
}

void mut_native_destroy(struct mut *m)
{
	if (!m)
		return;
	clock_unpin();
	native_events_close((struct native *)m);
	free(m);
}
