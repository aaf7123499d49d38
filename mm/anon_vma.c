/* anon_vma.c - which VMAs may map an anonymous page: the objects behind
 * page->anon_vma, their lists and who locks them. Reads next to mm/rmap.c. */
#include <errno.h>
#include <string.h>

#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/rmap.h"

/* ---- recycled objects ------------------------------------------------------------ */

static const size_t pool_bytes[NR_POOLS] = {
	[POOL_MM] = sizeof(struct mm),
	[POOL_VMA] = sizeof(struct vma),
	[POOL_ANON_VMA] = sizeof(struct anon_vma),
	[POOL_CHAIN] = sizeof(struct anon_vma_chain),
	[POOL_RMAP_ITEM] = sizeof(struct rmap_item),
};

/* A slab without a lock: the step before it is this CPU's. */
/* In the last word: lock and reference count, which come first, stay what a late
 * user should find them, 0. */
static void **link_of(enum pool pool, void *object)
{
	return (void **)(void *)((char *)object + pool_bytes[pool]) - 1;
}

void *pool_get(enum pool pool)
{
	void **head = &mms()->pool[pool], *p = *head;

	touch(head, true);
	if (p) {
		*head = *link_of(pool, p);
		*link_of(pool, p) = NULL;
	} else {
		p = arena_alloc(&the_sys->arena, pool_bytes[pool]);
	}
	if (p)
		observe(arena_offset(&the_sys->arena, p));
	return p;
}

void pool_put(enum pool pool, void *object)
{
	void **head = &mms()->pool[pool];

	touch(head, true);
	touch(object, true);
	memset(object, 0, pool_bytes[pool]);
	*link_of(pool, object) = *head;
	*head = object;
}

/* ---- locks ------------------------------------------------------------------------ */

/* Up to 2.6.35 each list has its own lock; then the oldest ancestor's covers
 * the whole family (5c341ee1dfc8). */
static bool locks_root(void)
{
	return kern()->rmap_lock == RMAP_LOCK_ROOT ||
	       kern()->rmap_lock == RMAP_LOCK_HANDOVER;
}

static struct spinlock *lock_of(struct anon_vma *av)
{
	return locks_root() ? &av->root->lock : &av->lock;
}

/* The root is known only under the list's own lock, and by then nothing keeps
 * it alive any more. */
static void lock_by_handover(struct anon_vma *av)
{
	struct anon_vma *root;

	spin_lock(&av->lock);
	root = READ_ONCE(av->root);
	if (root == av)
		return;
	spin_unlock(&av->lock);
	spin_lock(&root->lock);
	oracle_object_used(root->refcount, "anon_vma");
}

void anon_vma_lock(struct anon_vma *av)
{
	switch (kern()->rmap_lock) {
	case RMAP_LOCK_TRY:
		bit_lock(&av->lock.owner);
		break;
	case RMAP_LOCK_HANDOVER:
		lock_by_handover(av);
		break;
	default:
		spin_lock(lock_of(av));
	}
}

bool anon_vma_trylock(struct anon_vma *av)
{
	return bit_trylock(&av->lock.owner);
}

void anon_vma_unlock(struct anon_vma *av)
{
	if (kern()->rmap_lock == RMAP_LOCK_TRY)
		bit_unlock(&lock_of(av)->owner);
	else
		spin_unlock(lock_of(av));
}

/* ---- links ------------------------------------------------------------------------ */

void get_anon_vma(struct anon_vma *av)
{
	touch(&av->refcount, true);
	av->refcount++;
}

void put_anon_vma(struct anon_vma *av)
{
	struct anon_vma *root = av->root;

	touch(&av->refcount, true);
	if (--av->refcount)
		return;
	pool_put(POOL_ANON_VMA, av);
	if (root != av && kern()->rmap_lock != RMAP_LOCK_HANDOVER)
		put_anon_vma(root);
}

/* Mapped means that some VMA is still linked, see unlink_anon_vmas(). */
struct anon_vma *page_get_anon_vma(struct page *page)
{
	if (page->is_file || !page_is_mapped(page) || !page->anon_vma)
		return NULL;
	get_anon_vma(page->anon_vma);
	return page->anon_vma;
}

/* For one VMA. @parent: that of the VMA it is a copy of, or NULL. */
static struct anon_vma *new_anon_vma(struct anon_vma *parent)
{
	struct anon_vma *av = pool_get(POOL_ANON_VMA);

	if (!av)
		return NULL;
	av->root = parent ? parent->root : av;
	av->parent = parent ? parent : av;
	av->degree = 1;
	if (parent && kern()->rmap_lock != RMAP_LOCK_HANDOVER)
		get_anon_vma(av->root);
	return av;
}

/* Under the list's lock. @at_head: where a walk comes by first. */
static int link(struct vma *vma, struct anon_vma *av, bool at_head)
{
	struct anon_vma_chain *c = pool_get(POOL_CHAIN), **p;

	if (!c)
		return -ENOMEM;
	c->vma = vma;
	c->anon_vma = av;
	for (p = &vma->chain; *p; p = &(*p)->next_of_vma)
		;
	*p = c;
	p = &av->first;
	while (*p && !at_head)
		p = &(*p)->next;
	touch(&av->first, true);
	c->next = *p;
	*p = c;
	get_anon_vma(av);
	return 0;
}

static void add_degree(struct anon_vma *av, int n)
{
	touch(&av->degree, true);
	av->degree += (u32)n;
}

int anon_vma_prepare(struct vma *vma)
{
	struct anon_vma *av = new_anon_vma(NULL);

	if (!av)
		return -ENOMEM;
	vma->anon_vma = av;
	return link(vma, av, false);
}

int anon_vma_clone(struct vma *dst, struct vma *src, bool at_head)
{
	int rc = 0;

	/* Walks may come by as soon as it is linked. */
	dst->anon_vma = src->anon_vma;
	add_degree(dst->anon_vma, 1);
	for (struct anon_vma_chain *c = src->chain; c && !rc; c = c->next_of_vma) {
		anon_vma_lock(c->anon_vma);
		rc = link(dst, c->anon_vma, at_head);
		anon_vma_unlock(c->anon_vma);
	}
	NOTE("%llu..%llu linked at the %s of the anon_vma's list",
	     (unsigned long long)dst->start, (unsigned long long)dst->end - 1,
	     at_head ? "head" : "tail");
	return rc;
}

/* An ancestor's whose VMAs are gone and which has one child left: a process that
 * forks and exits for ever gets no longer a chain (7a3ef208e662, assumed id). */
static struct anon_vma *reusable(const struct vma *child,
				 const struct vma *parent)
{
	if (!kern()->anon_vma_reuse)
		return NULL;
	for (struct anon_vma_chain *c = child->chain; c; c = c->next_of_vma)
		if (c->anon_vma != parent->anon_vma && c->anon_vma->degree < 2)
			return c->anon_vma;
	return NULL;
}

int anon_vma_fork(struct vma *child, struct vma *parent)
{
	struct anon_vma *av;
	int rc = anon_vma_clone(child, parent, kern()->fork_links_at_head);

	if (rc)
		return rc;
	add_degree(parent->anon_vma, -1);
	av = reusable(child, parent);
	if (av) {
		add_degree(av, 1);
		child->anon_vma = av;
		return 0;
	}
	av = new_anon_vma(parent->anon_vma);
	if (!av)
		return -ENOMEM;
	add_degree(av->parent, 1);
	anon_vma_lock(av);
	rc = link(child, av, false);
	anon_vma_unlock(av);
	child->anon_vma = av;
	return rc;
}

void anon_vma_to_tail(struct vma *vma)
{
	for (struct anon_vma_chain *c = vma->chain; c; c = c->next_of_vma) {
		struct anon_vma_chain **p = &c->anon_vma->first;

		anon_vma_lock(c->anon_vma);
		touch(p, true);
		while (*p != c)
			p = &(*p)->next;
		*p = c->next;
		c->next = NULL;
		while (*p)
			p = &(*p)->next;
		*p = c;
		anon_vma_unlock(c->anon_vma);
	}
	NOTE("%llu..%llu moved to the tail of the list",
	     (unsigned long long)vma->start, (unsigned long long)vma->end - 1);
}

/* The VMA's pages are unmapped already: nobody finds them through it. The locks
 * are a root's, so that all are let go before any is freed. */
void unlink_anon_vmas(struct vma *vma)
{
	struct anon_vma_chain *c, *next;

	for (c = vma->chain; c; c = c->next_of_vma) {
		struct anon_vma *av = c->anon_vma;
		struct anon_vma_chain **p = &av->first;

		anon_vma_lock(av);
		touch(p, true);
		while (*p != c)
			p = &(*p)->next;
		*p = c->next;
		if (av == vma->anon_vma)
			add_degree(av, -1);
		if (!av->first)
			add_degree(av->parent, -1);
		anon_vma_unlock(av);
	}
	for (c = vma->chain; c; c = next) {
		next = c->next_of_vma;
		put_anon_vma(c->anon_vma);
		pool_put(POOL_CHAIN, c);
	}
	vma->chain = NULL;
	vma->anon_vma = NULL;
}

/* ---- all of them --------------------------------------------------------------------- */

static struct anon_vma *lock_owner(struct anon_vma *av)
{
	return locks_root() ? av->root : av;
}

/* The youngest first: a chain is linked at its head. */
static void take_chain(struct anon_vma_chain *c)
{
	struct anon_vma *av;

	if (!c)
		return;
	take_chain(c->next_of_vma);
	av = lock_owner(c->anon_vma);
	touch(&av->is_taken, true);
	if (av->is_taken)
		return;
	anon_vma_lock(c->anon_vma);
	touch(&av->is_taken, true);
	av->is_taken = 1;
}

void mm_take_all_locks(struct mm *mm)
{
	for (struct vma *v = mm->first; v; v = v->next)
		take_chain(v->chain);
	NOTE("all anon_vma locks of address space %u taken", mm->ctx_id);
}

void mm_drop_all_locks(struct mm *mm)
{
	for (struct vma *v = mm->first; v; v = v->next)
		for (struct anon_vma_chain *c = v->chain; c;
		     c = c->next_of_vma) {
			struct anon_vma *av = lock_owner(c->anon_vma);

			touch(&av->is_taken, true);
			if (!av->is_taken)
				continue;
			av->is_taken = 0;
			anon_vma_unlock(c->anon_vma);
		}
}

