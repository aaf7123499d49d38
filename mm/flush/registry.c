#include <errno.h>
#include <string.h>

#include "mm/flush.h"

#define FLUSH_STRATEGY(name) extern const struct flush_ops flush_##name;
#include "mm/flush/registry.def"
#undef FLUSH_STRATEGY

const struct flush_ops *const flush_strategies[] = {
#define FLUSH_STRATEGY(name) &flush_##name,
#include "mm/flush/registry.def"
#undef FLUSH_STRATEGY
	NULL
};

const struct flush_ops *flush_find(const char *name)
{
	size_t n = strcspn(name, ":");

	for (u32 i = 0; flush_strategies[i]; i++) {
		const struct flush_ops *f = flush_strategies[i];

		if (strlen(f->name) != n || strncmp(f->name, name, n))
			continue;
		if (!name[n])
			return f;
		return f->variant ? f->variant(name + n + 1) : NULL;
	}
	return NULL;
}

/* arm64 has never interrupted for it. Guests: assumed that hypervisors do not let
 * them broadcast. */
const struct flush_ops *flush_default(const struct kernel *k,
				      const struct machine *m)
{
	struct err why;

	if (m->arch == ARCH_ARM)
		return &flush_tlbi;
	if (k->uses_invlpgb && !m->is_guest &&
	    machine_has(m, FEATURE_INVLPGB, &why))
		return &flush_invlpgb_asid;
	return flush_strategies[0];
}

bool flush_needs(const struct machine *m, enum machine_feature feature,
		 const char *name, const char *what_works, struct err *e)
{
	struct err why;

	if (machine_has(m, feature, &why))
		return true;
	err_set(e, -EINVAL, "flush %s: %s; try %s, or --flush deferred", name,
		why.text, what_works);
	return false;
}

bool flush_needs_guest(const struct machine *m, const char *name, struct err *e)
{
	if (m->is_guest)
		return true;
	err_set(e, -EINVAL, "flush %s: asks a hypervisor, and this machine is "
		"no guest; add --guest exits or --guest hypercall, or try "
		"--flush deferred", name);
	return false;
}

void flush_batch_begin(struct flush_batch *b, struct mm *mm, enum flush_op op)
{
	memset(b, 0, sizeof(*b));
	b->mm = mm;
	b->op = op;
	b->start = UINT64_MAX;
	b->order = UINT32_MAX;
}

void flush_batch_add(struct flush_batch *b, u64 vpn, u32 order)
{
	u64 end = vpn + (1ull << order);

	if (vpn < b->start)
		b->start = vpn;
	if (end > b->end)
		b->end = end;
	if (!kern()->gather_knows_stride)
		b->order = 0;
	else if (order < b->order)
		b->order = order;
	b->nr_changed += 1ull << order;
}

/* One page where the table begins, by the stride of what it mapped, as
 * pte_free_tlb() and its like have it. */
void flush_batch_freed(struct flush_batch *b, u64 vpn, u32 level)
{
	u32 order = paging_order(&the_sys->mem.paging, level);

	vpn &= ~tlb_order_mask((u8)order);
	if (!kern()->gather_knows_stride)
		order = 0;
	if (vpn < b->start)
		b->start = vpn;
	if (vpn + 1 > b->end)
		b->end = vpn + 1;
	if (order < b->order)
		b->order = order;
	b->freed_tables = true;
	b->freed_top |= level + 1u == the_sys->mem.paging.levels;
}

void flush_batch_asked(struct flush_batch *b, u64 start, u64 end)
{
	/* 3.10's bug lay in what it took for the range. */
	if (!kern()->flushes_as_asked || kern()->gather_range_short)
		return;
	b->asked_start = start;
	b->asked_end = end;
}

/* By 4K pages, whatever maps them. */
static void widen(struct flush_batch *b)
{
	if (b->asked_start == b->asked_end)
		return;
	if (b->asked_start < b->start)
		b->start = b->asked_start;
	if (b->asked_end > b->end)
		b->end = b->asked_end;
	b->order = 0;
}

void flush_batch_wait(struct flush_batch *b)
{
}

void flush_batch_end(struct flush_batch *b)
{
	flush_batch_flush(b, false);
}

void flush_batch_flush(struct flush_batch *b, bool is_full)
{
	u64 start = b->asked_start, end = b->asked_end;

	if (!b->nr_changed && !b->freed_tables)
		return;
	if (b->freed_top && kern()->gather_flushes_top)
		is_full = true;
	widen(b);
	if (kern()->protect_flushes)
		flush_tlb_req(b->mm, b->start, b->end, b->order, is_full,
			      b->freed_tables, b->op);
	flush_batch_begin(b, b->mm, b->op);
	flush_batch_asked(b, start, end);
}
