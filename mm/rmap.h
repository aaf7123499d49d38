/* rmap.h - from a page to the entries that map it. */
#ifndef MM_RMAP_H
#define MM_RMAP_H

#include "mm/mm.h"

/* try_to_migrate - replace every entry that maps the locked @page by a
 * migration entry, flushing. Return: mappings left; *@entries made. With
 * @may_defer flushes may be left to try_to_unmap_flush(). */
u32 try_to_migrate(struct page *page, u32 *entries, bool may_defer);

/* remove_migration_ptes - make migration entries for @old map @new. Kernels that
 * count (rmap_counts) go on until they have met @entries of them. */
void remove_migration_ptes(struct page *old, struct page *new, u32 entries);

/* The same two with the list's lock in hand, of a page that stays where it is
 * (split_huge_page.c). */
void try_to_migrate_locked(struct page *page, bool may_defer);
void remove_migration_ptes_locked(struct page *page);

/* One of them, under its page-table lock. Return: it was one. */
bool remove_migration_pte(struct page *old, struct vma *vma, u64 vpn,
			  u32 level, u64 *p, struct page *new);

/* rmap_walk - @visit every entry where @page may be mapped, under its
 * page-table lock, in the order of the anon_vma's list. */
typedef void rmap_visit(struct page *page, struct vma *vma, u64 vpn, u32 level,
			u64 *p, void *arg);
void rmap_walk(struct page *page, rmap_visit *visit, void *arg);

/* The same at @level, the list's lock held by the caller. */
void rmap_walk_locked(struct page *page, u32 level, rmap_visit *visit,
		      void *arg);

/* The entry at @e is not a migration entry and maps @page. */
bool rmap_maps(u64 e, const struct page *page);

/* ---- VMAs and their anon_vmas (anon_vma.c) ---- */

enum pool { POOL_MM, POOL_VMA, POOL_ANON_VMA, POOL_CHAIN,
	    POOL_RMAP_ITEM, NR_POOLS };
void *pool_get(enum pool pool);         /* zeroed; NULL: out of memory       */
void pool_put(enum pool pool, void *object);

void anon_vma_lock(struct anon_vma *av);
bool anon_vma_trylock(struct anon_vma *av);     /* RMAP_LOCK_TRY            */
void anon_vma_unlock(struct anon_vma *av);

/* A new VMA gets an anon_vma of its own. Return: 0, -ENOMEM; as below. */
int anon_vma_prepare(struct vma *vma);
/* @dst may map whatever @src may: split, mremap. */
int anon_vma_clone(struct vma *dst, struct vma *src, bool at_head);
/* The same, and what the child touches first is its own. */
int anon_vma_fork(struct vma *child, struct vma *parent);
/* Walks come by this VMA last from now on. */
void anon_vma_to_tail(struct vma *vma);
void unlink_anon_vmas(struct vma *vma);

/* Keep all walks out of @mm, whose mmap_lock is held for writing. One caller at
 * a time in the whole system. */
void mm_take_all_locks(struct mm *mm);
void mm_drop_all_locks(struct mm *mm);

/* Keeps the list alive while the page is unmapped. NULL: not mapped now. */
struct anon_vma *page_get_anon_vma(struct page *page);
void get_anon_vma(struct anon_vma *av);
void put_anon_vma(struct anon_vma *av);

/* ---- pages of KSM (ksm_items.c): by whom they were found, not by an anon_vma ---- */

/* @mm maps the locked @page of KSM at @vpn of @vma from now on. Return: 0, -ENOMEM. */
int ksm_add_item(struct page *page, struct vma *vma, u64 vpn);
/* Every VMA that may map the locked @page, and where, under its anon_vma's lock. */
void ksm_walk(struct page *page, void (*visit)(struct vma *vma, u64 vpn, void *arg),
	      void *arg);
/* @new is what @old was; both are locked, or nobody else can find @new. */
void ksm_migrated(struct page *new, struct page *old);
/* The page is freed, the address space ends: nobody is asked. */
void ksm_forget_page(struct page *page);
void ksm_forget_mm(struct mm *mm);
/* Would a walk of @page come by @vpn of @mm? No step. */
bool ksm_finds(const struct page *page, const struct mm *mm, u64 vpn);

#endif
