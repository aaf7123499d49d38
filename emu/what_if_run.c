#include "emu/what_if_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tlb/array.h"

/* All LRU points of one page size and use: a stack, and whose members. */
struct feed {
	struct stack *stack;
	struct stack_member member[STACK_MAX_MEMBERS];
	u32 nr;
};

/* A point whose policy is no stack algorithm. */
struct single {
	struct what_if_point *p;
	struct tlb_array *tlb;
};

struct sweep {
	struct sweep_config cfg;
	struct feed feed[NR_USES][NR_WHAT_IF_PAGES];
	struct single *single;
	u32 nr_singles;
};

/* ---- members ------------------------------------------------------------------ */

static struct stack_member member_of(const struct what_if_point *p)
{
	return (struct stack_member){
		.nr_sets = p->sets,
		.index = p->sets == 1 ? TLB_INDEX_LINEAR : p->index,
	};
}

static int find_member(const struct feed *f, struct stack_member m)
{
	for (u32 i = 0; i < f->nr; i++)
		if (f->member[i].nr_sets == m.nr_sets &&
		    f->member[i].index == m.index)
			return (int)i;
	return -1;
}

static int add_member(struct feed *f, struct stack_member m, struct err *e)
{
	if (find_member(f, m) >= 0)
		return 0;
	if (f->nr == STACK_MAX_MEMBERS)
		return err_set(e, -EINVAL, "more than %u numbers of sets",
			       STACK_MAX_MEMBERS);
	f->member[f->nr++] = m;
	return 0;
}

/* Fully associative first; then those that refine each other in a row. */
static int by_refinement(const void *a, const void *b)
{
	const struct stack_member *x = a, *y = b;
	bool x_odd = x->nr_sets & (x->nr_sets - 1);
	bool y_odd = y->nr_sets & (y->nr_sets - 1);

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	if (x_odd != y_odd)
		return x_odd ? 1 : -1;
	return x->nr_sets < y->nr_sets ? -1 : x->nr_sets > y->nr_sets;
}

static int make_stacks(struct sweep *s, struct err *e)
{
	int rc;

	for (u32 u = 0; u < NR_USES; u++)
		for (u32 page = 0; page < NR_WHAT_IF_PAGES; page++) {
			struct feed *f = &s->feed[u][page];

			if (!f->nr)
				continue;
			qsort(f->member, f->nr, sizeof(*f->member),
			      by_refinement);
			rc = stack_create(&f->stack, f->member, f->nr);
			if (rc)
				return err_set(e, rc, "out of memory");
		}
	return 0;
}

/* ---- points that are TLBs of their own ------------------------------------------- */

static int add_single(struct sweep *s, struct what_if_point *p, struct err *e)
{
	const struct tlb_design design = {
		.nr_arrays = 1,
		.array[0] = {
			.name = "what-if",
			.nr_sets = p->sets,
			.nr_ways = p->ways,
			.page_sizes = TLB_HOLDS_4K,
			.index = p->index,
			.index_bits = (u32)__builtin_ctz(p->sets),
			.replacement = p->replacement,
			.level = 1,
			.serves = TLB_SERVES_ALL,
		},
	};
	struct single *one = &s->single[s->nr_singles];
	int rc = tlb_array_create(&one->tlb, &design, 1);

	if (rc)
		return err_set(e, rc, rc == -ENOMEM ? "out of memory" :
			       "%llu entries in %u ways: no such TLB",
			       (unsigned long long)p->entries, p->ways);
	one->p = p;
	tlb_array_seed(one->tlb, s->cfg.seed);
	s->nr_singles++;
	return 0;
}

/* Pages of every size go in by their number, as if they were 4K: index and
 * policy see nothing else. */
static bool single_access(struct tlb_array *tlb, u64 page)
{
	const struct tlb_entry fill = {
		.vpn = page, .flags = TLB_W | TLB_D,
	};
	struct tlb_entry *found;

	if (tlb_array_access(tlb, TLB_LOAD, 0, page, &found) != TLB_MISS)
		return true;
	tlb_array_fill(tlb, TLB_LOAD, page, &fill);
	return false;
}

/* ---- the pass ------------------------------------------------------------------------ */

static int add_points(struct sweep *s, struct err *e)
{
	struct what_if *w = s->cfg.w;
	int rc = 0;

	for (u32 i = 0; w && i < w->nr && !rc; i++) {
		struct what_if_point *p = &w->point[i];

		p->accesses = p->misses = 0;
		rc = p->is_stack ? add_member(&s->feed[p->uses][p->page],
					      member_of(p), e)
				 : add_single(s, p, e);
	}
	return rc;
}

static int add_histogram(struct sweep *s, struct err *e)
{
	const struct stack_member full = { 1, TLB_INDEX_LINEAR };
	int rc = 0;

	for (u32 page = 0; page < NR_WHAT_IF_PAGES && !rc; page++) {
		rc = add_member(&s->feed[USES_DATA][page], full, e);
		if (!rc)
			rc = add_member(&s->feed[USES_FETCH][page], full, e);
	}
	return rc;
}

int sweep_create(struct sweep **out, const struct sweep_config *cfg,
		 struct err *e)
{
	struct sweep *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->cfg = *cfg;
	s->single = calloc(cfg->w ? cfg->w->nr : 1, sizeof(*s->single));
	if (!s->single)
		rc = err_set(e, -ENOMEM, "out of memory");
	if (!rc)
		rc = add_points(s, e);
	if (!rc && cfg->is_histogram)
		rc = add_histogram(s, e);
	if (!rc)
		rc = make_stacks(s, e);
	if (rc) {
		sweep_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void sweep_destroy(struct sweep *s)
{
	if (!s)
		return;
	for (u32 u = 0; u < NR_USES; u++)
		for (u32 page = 0; page < NR_WHAT_IF_PAGES; page++)
			stack_destroy(s->feed[u][page].stack);
	for (u32 i = 0; i < s->nr_singles; i++)
		tlb_array_destroy(s->single[i].tlb);
	free(s->single);
	free(s);
}

static int feed_run(struct sweep *s, const struct run *r)
{
	u64 vpn = r->va >> PAGE_SHIFT;

	for (u32 u = 0; u < NR_USES; u++) {
		if (!uses_has((enum uses)u, r))
			continue;
		for (u32 page = 0; page < NR_WHAT_IF_PAGES; page++) {
			struct feed *f = &s->feed[u][page];

			if (f->stack && stack_access(f->stack,
						     vpn >> what_if_orders[page],
						     r->count))
				return -ENOMEM;
		}
	}
	return 0;
}

static void feed_single(struct single *one, const struct run *r)
{
	struct what_if_point *p = one->p;
	u64 page = r->va >> PAGE_SHIFT >> what_if_orders[p->page];

	if (!uses_has(p->uses, r))
		return;
	p->accesses += r->count;
	/* The rest of a run hits what its first access brought in. */
	if (!single_access(one->tlb, page))
		p->misses++;
}

int sweep_runs(struct sweep *s, const struct run *run, size_t n,
	       struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (feed_run(s, &run[i]))
			return err_set(e, -ENOMEM, "out of memory");
	/* One TLB after the other: each stays in the host's caches. */
	for (u32 k = 0; k < s->nr_singles; k++)
		for (size_t i = 0; i < n; i++)
			feed_single(&s->single[k], &run[i]);
	return 0;
}

void sweep_finish(struct sweep *s)
{
	struct what_if *w = s->cfg.w;

	for (u32 i = 0; w && i < w->nr; i++) {
		struct what_if_point *p = &w->point[i];
		const struct feed *f = &s->feed[p->uses][p->page];

		if (!p->is_stack)
			continue;
		p->accesses = stack_accesses(f->stack);
		p->misses = stack_misses(f->stack,
					 (u32)find_member(f, member_of(p)),
					 p->ways);
	}
}

const struct stack *sweep_stack(const struct sweep *s, enum uses uses,
				u32 page)
{
	const struct feed *f = &s->feed[uses][page];

	return f->stack && stack_accesses(f->stack) ? f->stack : NULL;
}
