/* Building a core: which array takes what, for which use. */
#include <errno.h>
#include <stdlib.h>

#include "tlb/array.h"

static const enum tlb_class size_class[TLB_NR_SIZES] = {
	TLB_4K, TLB_2M, TLB_1G
};

/* What an array of @geo joins pages of @size to, or the single page's class. */
static enum tlb_class block_class(const struct tlb_geometry *geo, u32 size)
{
	return size == 0 && geo->coalesce ? TLB_BLOCK :
	       size == 1 && geo->coalesce_2m ? TLB_2M_BLOCK : size_class[size];
}

/* Arrays of @level that serve @use and hold @size whole: 0, 1 or 2. */
static u32 takers(struct tlb_core *c, u32 level, u32 use, u32 size,
		  struct tlb_unit *unit[2])
{
	u32 nr = 0;

	for (u32 i = 0; i < c->nr_units; i++) {
		const struct tlb_geometry *geo = &c->unit[i].geo;

		if (geo->level == level && (geo->serves >> use & 1) &&
		    (geo->page_sizes >> size & 1))
			unit[nr++] = &c->unit[i];
	}
	return nr;
}

static struct tlb_probe probe_of(struct tlb_unit *const unit[2], u32 nr,
				 enum tlb_class cls)
{
	return (struct tlb_probe){
		.unit = { unit[0], unit[nr - 1] },
		.cls = cls,
		.order = unit[0]->order[cls],
		.is_pair = nr == 2,
	};
}

static void fill_home(struct tlb_home *home, struct tlb_unit *const unit[2],
		      u32 nr, u32 size)
{
	enum tlb_class block = block_class(&unit[0]->geo, size);

	home->page = probe_of(unit, nr, size_class[size]);
	if (tlb_class_is_block(block))
		home->block = probe_of(unit, nr, block);
}

/* The largest size below @size that an array of @level holds for @use and,
 * unless @is_forced, takes pieces in. */
static bool take_pieces(struct tlb_core *c, u32 level, u32 use, u32 size,
			bool is_forced, struct tlb_home *home)
{
	while (size--) {
		struct tlb_unit *unit[2];
		u32 nr = takers(c, level, use, size, unit);

		if (!nr || (!is_forced && !unit[0]->geo.takes_pieces))
			continue;
		fill_home(home, unit, nr, size);
		return true;
	}
	return false;
}

static void build_home(struct tlb_core *c, u32 use, u32 size)
{
	struct tlb_home *home = &c->route[use].home[0][size];
	bool is_held = false;

	for (u32 level = 1; level <= 2; level++) {
		struct tlb_home *h = &c->route[use].home[level - 1][size];
		struct tlb_unit *unit[2];
		u32 nr = takers(c, level, use, size, unit);

		if (nr) {
			fill_home(h, unit, nr, size);
			is_held = true;
		} else {
			is_held |= take_pieces(c, level, use, size, false, h);
		}
	}
	if (!is_held)
		take_pieces(c, 1, use, size, true, home);
}

static void build_probes(struct tlb_core *c, u32 use, u32 level)
{
	struct tlb_route *r = &c->route[use];
	struct tlb_probe *p = level == 1 ? r->l1 : r->l2;
	u32 *nr = level == 1 ? &r->nr_l1 : &r->nr_l2;

	for (u32 size = 0; size < TLB_NR_SIZES; size++) {
		struct tlb_unit *unit[2];
		u32 nr_units = takers(c, level, use, size, unit);
		enum tlb_class block;

		if (!nr_units)
			continue;
		p[(*nr)++] = probe_of(unit, nr_units, size_class[size]);
		block = block_class(&unit[0]->geo, size);
		if (tlb_class_is_block(block))
			p[(*nr)++] = probe_of(unit, nr_units, block);
	}
}

static bool same_level_1(const struct tlb_route *x, const struct tlb_route *y)
{
	if (x->nr_l1 != y->nr_l1)
		return false;
	for (u32 i = 0; i < x->nr_l1; i++)
		if (x->l1[i].unit[0] != y->l1[i].unit[0] ||
		    x->l1[i].cls != y->l1[i].cls)
			return false;
	return true;
}

static void build_memos(struct tlb_core *c, u32 use)
{
	u32 first = 0;

	while (!same_level_1(&c->route[first], &c->route[use]))
		first++;
	c->memo_use[use] = (u8)first;
	for (u32 i = 0; i < c->route[use].nr_l1; i++)
		c->memo_uses[c->route[use].l1[i].unit[0]->id] |=
			(u8)(1u << first);
}

static int build_short(struct tlb_core *c, u32 use)
{
	struct tlb_route *r = &c->route[use];
	struct tlb_unit *l1 = r->l1[0].unit[0];

	r->memo = c->memo_use[use];
	if (!r->nr_l1 || !r->nr_l2 || r->l1[0].cls != TLB_4K ||
	    r->l2[0].cls != TLB_4K || r->l2[0].is_pair ||
	    c->memo_uses[l1->id] != 1u << r->memo)
		return 0;
	r->l1_4k = l1;
	r->l2_4k = r->l2[0].unit[0];
	for (u32 i = 0; i < r->nr_l1; i++)
		if (r->l1[i].cls == TLB_2M)
			r->l1_2m = &r->l1[i];
	if (r->l1_2m && !l1->near)
		l1->near = calloc(UNIT_NR_NEAR, sizeof(*l1->near));
	if (r->l1_2m && !l1->near)
		return -ENOMEM;
	if (c->design.is_inclusive)
		return 0;
	r->min_contig = TLB_CONTIG_NEVER;
	for (u32 level = 0; level < 2; level++) {
		const struct tlb_probe *block = &r->home[level][0].block;

		if (block->unit[0] && block->order < r->min_contig)
			r->min_contig = block->order;
	}
	return 0;
}

static void build_cycles(struct tlb_core *c, u32 use)
{
	struct tlb_route *r = &c->route[use];

	for (u32 i = 0; i < r->nr_l2; i++) {
		u32 cycles = r->l2[i].unit[0]->geo.hit_cycles;

		if (cycles > r->l2_cycles)
			r->l2_cycles = cycles;
	}
}

static int build_routes(struct tlb_core *c)
{
	int rc = 0;

	for (u32 use = 0; use < NR_TLB_USES; use++) {
		for (u32 size = 0; size < TLB_NR_SIZES; size++)
			build_home(c, use, size);
		build_probes(c, use, 1);
		build_probes(c, use, 2);
	}
	for (u32 use = 0; use < NR_TLB_USES; use++)
		build_memos(c, use);
	for (u32 use = 0; use < NR_TLB_USES && !rc; use++) {
		rc = build_short(c, use);
		build_cycles(c, use);
	}
	return rc;
}

static void core_free(struct tlb_core *c)
{
	for (u32 i = 0; i < c->nr_units; i++)
		unit_free(&c->unit[i]);
	free(c);
}

static int core_create(struct tlb_core **out, const struct tlb_design *design,
		       u32 nr_threads)
{
	struct tlb_core *c;
	int rc = 0;

	if (tlb_design_error(design, nr_threads, NULL))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->design = *design;
	c->bits = tlb_design_bits(design);
	c->nr_threads = nr_threads;
	/* Space 0 is no one's, the last would have no end. */
	c->nr_pcids = (TLB_TAG_SPACES - 2) / nr_threads - 1;
	if (c->nr_pcids > 65536)
		c->nr_pcids = 65536;
	for (u32 i = 0; i < design->nr_arrays && !rc; i++) {
		c->nr_units = i + 1;
		rc = unit_init(&c->unit[i], &design->array[i], i, nr_threads,
			       c->bits);
		c->unit[i].keeps_victim = design->is_inclusive;
	}
	if (!rc)
		rc = build_routes(c);
	if (rc) {
		core_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

static struct tlb_array *thread_create(struct tlb_core *c, u32 thread)
{
	struct tlb_array *a = calloc(1, sizeof(*a));
	u64 space = 1 + (u64)thread * (c->nr_pcids + 1);

	if (!a)
		return NULL;
	a->core = c;
	c->nr_users++;
	a->thread = thread;
	a->space0 = space << TLB_TAG_SPACE_SHIFT;
	a->global = (space + c->nr_pcids) << TLB_TAG_SPACE_SHIFT;
	for (u32 use = 0; use < NR_TLB_USES; use++) {
		u32 first = c->memo_use[use];

		if (first == use)
			a->memo[use] = calloc(TLB_NR_MEMO + TLB_NR_MEMO_2M,
					      sizeof(**a->memo));
		else
			a->memo[use] = a->memo[first];
		if (!a->memo[use]) {
			tlb_array_destroy(a);
			return NULL;
		}
	}
	return a;
}

int tlb_array_create(struct tlb_array **out, const struct tlb_design *design,
		     u32 nr_threads)
{
	struct tlb_core *c;
	int rc = core_create(&c, design, nr_threads);

	if (rc)
		return rc;
	c->nr_users = 1;                /* this function */
	for (u32 i = 0; i < nr_threads; i++) {
		out[i] = thread_create(c, i);
		if (out[i])
			continue;
		while (i--)
			tlb_array_destroy(out[i]);
		core_free(c);
		return -ENOMEM;
	}
	c->nr_users--;
	tlb_array_seed(out[0], 0);
	return 0;
}

void tlb_array_seed(struct tlb_array *a, u64 seed)
{
	struct rng root;

	rng_init(&root, seed);
	for (u32 i = 0; i < a->core->nr_units; i++)
		rng_split(&root, i, &a->core->unit[i].repl.rng);
}

void tlb_array_destroy(struct tlb_array *a)
{
	if (!a)
		return;
	for (u32 use = 0; use < NR_TLB_USES; use++)
		if (a->core->memo_use[use] == use)
			free(a->memo[use]);
	if (!--a->core->nr_users)
		core_free(a->core);
	free(a);
}
