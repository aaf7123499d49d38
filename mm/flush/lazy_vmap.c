/* Lazy vunmap (F10): Linux's own "put off until a threshold", since 2.6.28. What
 * vfree() took stays out of use, and when the areas of more than
 * fls(CPUs) * 32 MiB wait, or no addresses are left, or somebody cannot wait
 * (vm_unmap_aliases), one flush of the range from the lowest to the highest of
 * them, on every CPU, lets them all go. User memory is flushed as by deferred.
 *
 * Assumed: whoever passes the threshold purges, if nobody does; 6.1 leaves it to
 * a kworker. lazy-vmap:N has a threshold of N pages; lazy-vmap:NAME, of a strategy
 * that broadcasts (tlbi, invlpgb), has its flushes of user memory, too, and of the
 * kernel's.
 *
 * lazy-vmap-early gives addresses back at once and still flushes late: the next
 * owner's pages are reached through the last one's translations, or not reached.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/vmalloc.h"

#define PAGES_A_BIT (32ull << 20 >> PAGE_SHIFT)

struct lazy {
	u64 nr_lazy;            /* vmap_lazy_nr: pages that wait              */
	u64 max;
	struct vmap_area *list; /* under .list_lock                           */
	struct spinlock list_lock;      /* purge_vmap_area_lock               */
	struct spinlock lock;   /* vmap_purge_lock: one purges                */
	u32 is_purging, zero;
	u64 low, high;          /* early: what waits, without its areas       */
};

static struct lazy *lazy(void)
{
	return mms()->flush_state;
}

static u64 lazy_max_pages(u32 nr_cpus)
{
	return (32 - (u64)__builtin_clz(nr_cpus)) * PAGES_A_BIT;
}

static int boot_with(struct sys *sys, u64 max)
{
	struct lazy *l = arena_alloc(&sys->arena, sizeof(*l));

	if (!l)
		return -ENOMEM;
	mms()->flush_state = l;
	l->max = max;
	l->low = UINT64_MAX;
	return 0;
}

static int boot(struct sys *sys)
{
	return boot_with(sys, lazy_max_pages(sys->nr_cpus));
}

static struct vmap_area *take_list(void)
{
	struct vmap_area *a;

	spin_lock(&lazy()->list_lock);
	touch(&lazy()->list, true);
	a = lazy()->list;
	lazy()->list = NULL;
	spin_unlock(&lazy()->list_lock);
	return a;
}

/* Under vmap_purge_lock: who finds nothing to do knows that all of it is done. */
static void purge(void)
{
	u64 low = UINT64_MAX, high = 0, n = 0;
	struct vmap_area *list;

	spin_lock(&lazy()->lock);
	list = take_list();
	for (const struct vmap_area *a = list; a; a = a->next) {
		touch(a, false);
		low = a->start < low ? a->start : low;
		high = a->end > high ? a->end : high;
		n += a->end - a->start;
	}
	if (list) {
		COUNT(VMAP_PURGES, 1);
		flush_tlb_kernel_range(low, high);
		vmap_release(list);
		(void)atomic_add_return(&lazy()->nr_lazy, -n);
	}
	spin_unlock(&lazy()->lock);
}

static void purge_unless_somebody_does(void)
{
	if (!cmpxchg_ok(&lazy()->is_purging, 0, 1))
		return;
	purge();
	WRITE_ONCE(lazy()->is_purging, 0);
}

static void vunmapped(struct vmap_area *a)
{
	u64 n = a->end - a->start;

	n = atomic_add_return(&lazy()->nr_lazy, n);
	NOTE("addresses %llu to %llu wait for their flush",
	     (unsigned long long)a->start, (unsigned long long)a->end - 1);
	spin_lock(&lazy()->list_lock);
	touch(&lazy()->list, true);
	touch(a, true);
	a->next = lazy()->list;
	lazy()->list = a;
	spin_unlock(&lazy()->list_lock);
	if (n > lazy()->max)
		purge_unless_somebody_does();
}

/* ---- another threshold -------------------------------------------------------------- */

/* As many different ones as a process may name. */
#define MAX_VARIANTS 64u

static struct given {
	struct flush_ops ops;   /* the first, so that it tells which          */
	char name[32];
	u64 max;
	const struct flush_ops *base;   /* of user memory; NULL: by number    */
} given[MAX_VARIANTS];

static int boot_given(struct sys *sys)
{
	const struct given *g = (const void *)flusher();

	return g->base ? boot(sys) : boot_with(sys, g->max);
}

static bool is_number(const char *text, u64 *n)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* That broadcasts, and has no state of its own. */
static const struct flush_ops *base_of(const char *name)
{
	const struct flush_ops *f = strchr(name, ':') ? NULL : flush_find(name);

	return f && f->shoot_kernel && !f->boot ? f : NULL;
}

static const struct flush_ops *variant(const char *text)
{
	const struct flush_ops *lazily = flush_find("lazy-vmap");
	const struct flush_ops *base = base_of(text);
	u64 n = 0;
	u32 i = 0;

	if (!base && !is_number(text, &n))
		return NULL;
	while (i < MAX_VARIANTS && given[i].ops.name &&
	       (given[i].max != n || given[i].base != base))
		i++;
	if (i == MAX_VARIANTS)
		return NULL;
	if (given[i].ops.name)
		return &given[i].ops;
	given[i].ops = base ? *base : *lazily;
	if (base)
		snprintf(given[i].name, sizeof(given[i].name), "lazy-vmap:%s",
			 base->name);
	else
		snprintf(given[i].name, sizeof(given[i].name),
			 "lazy-vmap:%llu", (unsigned long long)n);
	given[i].max = n;
	given[i].base = base;
	given[i].ops.name = given[i].name;
	given[i].ops.boot = boot_given;
	given[i].ops.vunmapped = lazily->vunmapped;
	given[i].ops.vunmap_now = lazily->vunmap_now;
	return &given[i].ops;
}

/* ---- given back too early ------------------------------------------------------------ */

static void purge_early(void)
{
	u64 low, high;

	spin_lock(&lazy()->lock);
	touch(&lazy()->low, true);
	low = lazy()->low;
	high = lazy()->high;
	lazy()->low = UINT64_MAX;
	lazy()->high = 0;
	lazy()->nr_lazy = 0;
	spin_unlock(&lazy()->lock);
	if (low < high)
		flush_tlb_kernel_range(low, high);
}

static void vunmapped_early(struct vmap_area *a)
{
	bool is_due;

	spin_lock(&lazy()->lock);
	touch(&lazy()->low, true);
	lazy()->low = a->start < lazy()->low ? a->start : lazy()->low;
	lazy()->high = a->end > lazy()->high ? a->end : lazy()->high;
	lazy()->nr_lazy += a->end - a->start;
	is_due = lazy()->nr_lazy > lazy()->max;
	spin_unlock(&lazy()->lock);
	vmap_release(a);
	if (is_due)
		purge_early();
}

extern const struct flush_ops flush_lazy_vmap, flush_lazy_vmap_early;
const struct flush_ops flush_lazy_vmap = {
	.name = "lazy-vmap",
	.summary = "vfree()'s addresses wait for one flush of all; else as deferred",
	.source = "Linux 6.1 mm/vmalloc.c, __purge_vmap_area_lazy",
	.defers = "what vfree() took stays usable, and its addresses are kept, until more than fls(CPUs) * 32 MiB wait or addresses run out; else as deferred",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.vunmapped = vunmapped,
	.vunmap_now = purge,
	.variant = variant,
};

const struct flush_ops flush_lazy_vmap_early = {
	.name = "lazy-vmap-early",
	.summary = "the same, and the addresses are given out meanwhile. Unsound",
	.source = "what lazy-vmap must not do",
	.defers = "what vfree() took stays usable by the next owner of its addresses; else as deferred",
	.legal = FLUSH_ALL_OPS & ~FLUSH_BIT(FLUSH_VUNMAP),
	FLUSH_AT_THE_END,
	.boot = boot,
	.vunmapped = vunmapped_early,
	.vunmap_now = purge_early,
	.flaw = "addresses have a new owner before they are flushed",
};
