/* anon_vma.c - which VMAs may map an anonymous page: the objects behind
 * page->anon_vma, their lists and who locks them. Reads next to mm/rmap.c. */
#include <errno.h>
#include <string.h>

#include "mm/mm.h"
#include "mm/rmap.h"

/* ---- recycled objects ------------------------------------------------------------ */

static const size_t pool_bytes[NR_POOLS] = {
	[POOL_MM] = sizeof(struct mm),
	[POOL_VMA] = sizeof(struct vma),
	[POOL_ANON_VMA] = sizeof(struct anon_vma),
	[POOL_CHAIN] = sizeof(struct anon_vma_chain),
};

/* A slab without a lock: the step before it is this CPU's. */
void *pool_get(enum pool pool)
{
	void **head = &mms()->pool[pool], **p = *head;

	touch(head, true);
	if (p) {
		*head = *p;
		*p = NULL;
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
	*(void **)object = *head;
	*head = object;
}

/* ---- locks ------------------------------------------------------------------------ */

/* Up to 2.6.35 each list has its own lock; then the oldest ancestor's covers
 * the whole family (5c341ee1dfc8). */
static struct spinlock *lock_of(struct anon_vma *av)
{
	return kern()->rmap_lock == RMAP_LOCK_ROOT ? &av->root->lock
						    : &av->lock;
}

void anon_vma_lock(struct anon_vma *av)
{
	if (kern()->rmap_lock == RMAP_LOCK_TRY)
		bit_lock(&lock_of(av)->owner);
	else
		spin_lock(lock_of(av));
}

void anon_vma_unlock(struct anon_vma *av)
{
	if (kern()->rmap_lock == RMAP_LOCK_TRY)
		bit_unlock(&lock_of(av)->owner);
	else
		spin_unlock(lock_of(av));
}

/* ---- links ------------------------------------------------------------------------ */

static void get_anon_vma(struct anon_vma *av)
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
	if (root != av)
		put_anon_vma(root);
}

/* Mapped means that some VMA is still linked, see unlink_anon_vmas(). */
struct anon_vma *page_get_anon_vma(struct page *page)
{
	touch(&page->mapcount, false);
	if (!page->mapcount || !page->anon_vma)
		return NULL;
	get_anon_vma(page->anon_vma);
	return page->anon_vma;
}

static struct anon_vma *new_anon_vma(struct anon_vma *root)
{
	struct anon_vma *av = pool_get(POOL_ANON_VMA);

	if (!av)
		return NULL;
	av->root = root ? root : av;
	if (root)
		get_anon_vma(root);
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

	for (struct anon_vma_chain *c = src->chain; c && !rc; c = c->next_of_vma) {
		anon_vma_lock(c->anon_vma);
		rc = link(dst, c->anon_vma, at_head);
		anon_vma_unlock(c->anon_vma);
	}
	NOTE("%llu..%llu linked at the %s of the anon_vma's list",
	     (unsigned long long)dst->start, (unsigned long long)dst->end - 1,
	     at_head ? "head" : "tail");
	dst->anon_vma = src->anon_vma;
	return rc;
}

int anon_vma_fork(struct vma *child, struct vma *parent)
{
	struct anon_vma *av;
	int rc = anon_vma_clone(child, parent, kern()->fork_links_at_head);

	if (rc)
		return rc;
	av = new_anon_vma(parent->anon_vma->root);
	if (!av)
		return -ENOMEM;
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

/* The VMA's pages are unmapped already: nobody finds them through it. */
void unlink_anon_vmas(struct vma *vma)
{
	struct anon_vma_chain *c = vma->chain, *next;

	for (; c; c = next) {
		struct anon_vma *av = c->anon_vma;
		struct anon_vma_chain **p = &av->first;

		next = c->next_of_vma;
		anon_vma_lock(av);
		touch(p, true);
		while (*p != c)
			p = &(*p)->next;
		*p = c->next;
		anon_vma_unlock(av);
		put_anon_vma(av);
		pool_put(POOL_CHAIN, c);
	}
	vma->chain = NULL;
	vma->anon_vma = NULL;
}
