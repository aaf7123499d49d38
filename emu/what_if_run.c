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
	bool is_used[NR_WHAT_IF_PAGES];
	/* The first level of cfg.behind, as it sees pages of one size. */
	struct tlb_array *l1[NR_WHAT_IF_PAGES];
	struct run *passed;     /* [room] runs that it lets through           */
	size_t room;
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
		s->is_used[p->page] = true;
		rc = p->is_stack ? add_member(&s->feed[p->uses][p->page],
					      member_of(p), e)
				 : add_single(s, p, e);
	}
	return rc;
}

/* @d without its second level, one for each page size. */
static int add_l1(struct sweep *s, const struct tlb_design *d, struct err *e)
{
	struct tlb_design l1 = *d;
	int rc = 0;

	l1.nr_arrays = 0;
	for (u32 i = 0; i < d->nr_arrays; i++)
		if (d->array[i].level == 1)
			l1.array[l1.nr_arrays++] = d->array[i];
	l1.is_inclusive = false;
	for (u32 page = 0; page < NR_WHAT_IF_PAGES && !rc; page++)
		if (s->is_used[page])
			rc = tlb_array_create(&s->l1[page], &l1, 1);
	return rc ? err_set(e, rc, rc == -ENOMEM ? "out of memory" :
			    "behind: %s cannot be built without its second "
			    "level", d->name) : 0;
}

static int add_histogram(struct sweep *s, struct err *e)
{
	const struct stack_member full = { 1, TLB_INDEX_LINEAR };
	int rc = 0;

	for (u32 page = 0; page < NR_WHAT_IF_PAGES && !rc; page++) {
		s->is_used[page] = true;
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
	if (!rc && cfg->behind)
		rc = add_l1(s, cfg->behind, e);
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
	for (u32 page = 0; page < NR_WHAT_IF_PAGES; page++)
		tlb_array_destroy(s->l1[page]);
	free(s->passed);
	free(s->single);
	free(s);
}

static int feed_stacks(struct sweep *s, u32 page, const struct run *r)
{
	u64 number = r->va >> PAGE_SHIFT >> what_if_orders[page];

	for (u32 u = 0; u < NR_USES; u++) {
		struct stack *stack = s->feed[u][page].stack;

		if (stack && uses_has((enum uses)u, r) &&
		    stack_access(stack, number, r->count))
			return -ENOMEM;
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

/* Does the first level miss the first access of @r? The others hit then. */
static bool l1_misses(struct tlb_array *l1, u8 order, const struct run *r)
{
	enum tlb_use use = r->op == RUN_FETCH ? TLB_FETCH :
		r->op == RUN_READ ? TLB_LOAD : TLB_STORE;
	u64 vpn = r->va >> PAGE_SHIFT;
	struct tlb_entry *found, fill = {
		.vpn = vpn & ~tlb_order_mask(order), .order = order,
		.flags = TLB_W | TLB_D,
	};

	if (tlb_array_access(l1, use, 0, vpn, &found) != TLB_MISS)
		return false;
	fill.pfn = fill.vpn;
	tlb_array_fill(l1, use, vpn, &fill);
	return true;
}

/* Keeps in s->passed what gets through to a second level. */
static int filter(struct sweep *s, u32 page, const struct run *run, size_t *n)
{
	size_t nr = 0;

	if (*n > s->room) {
		struct run *passed = realloc(s->passed, *n * sizeof(*passed));

		if (!passed)
			return -ENOMEM;
		s->passed = passed;
		s->room = *n;
	}
	for (size_t i = 0; i < *n; i++) {
		if (!l1_misses(s->l1[page], what_if_orders[page], &run[i]))
			continue;
		s->passed[nr] = run[i];
		s->passed[nr++].count = 1;
	}
	*n = nr;
	return 0;
}

static int feed_page(struct sweep *s, u32 page, const struct run *run, size_t n)
{
	if (s->l1[page]) {
		if (filter(s, page, run, &n))
			return -ENOMEM;
		run = s->passed;
	}
	for (size_t i = 0; i < n; i++)
		if (feed_stacks(s, page, &run[i]))
			return -ENOMEM;
	/* One TLB after the other: each stays in the host's caches. */
	for (u32 k = 0; k < s->nr_singles; k++)
		for (size_t i = 0; i < n && s->single[k].p->page == page; i++)
			feed_single(&s->single[k], &run[i]);
	return 0;
}

int sweep_runs(struct sweep *s, const struct run *run, size_t n,
	       struct err *e)
{
	for (u32 page = 0; page < NR_WHAT_IF_PAGES; page++)
		if (s->is_used[page] && feed_page(s, page, run, n))
			return err_set(e, -ENOMEM, "out of memory");
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
