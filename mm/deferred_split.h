/* deferred_split.h - huge pages of which some 4K are mapped no more: since 4.5 they
 * wait on a queue of their node, in which their unmapped parts are memory that
 * nobody can use, until reclaim comes by and makes 4K pages of them.
 *
 * A page joins at its tail when the last mapping of one of its pieces goes, or of
 * the whole while not all of its pieces are mapped, and leaves when it is freed or
 * split. A page that migrates is freed: the new one joins once another piece goes,
 * as in 6.1.
 *
 * Timed runs; elsewhere there is none unless a stage asks for it.
 * Reads next to deferred_split_scan() in mm/huge_memory.c.
 */
#ifndef MM_DEFERRED_SPLIT_H
#define MM_DEFERRED_SPLIT_H

#include "mm/mm.h"

/* Return: 0, -ENOMEM. */
int split_queue_boot(void);

/* @head, a huge page in pieces, joins if it is on no queue. Under a page-table lock
 * or none. */
void deferred_split_huge_page(struct page *head);

/* @head, in pieces, is freed or about to become 4K pages, and nobody else can get
 * it: it leaves. */
void split_queue_del(struct page *head);

/* What a shrinker asked once at the default priority splits of @node's queue: of
 * 2,048 pages one, at least one (Linux: none, but 128 once so many are due), at most
 * 128. What cannot be split now goes back to the tail. Under no lock but mmap_lock.
 * Return: 4K pages that were freed. */
u32 shrink_split_queue(u32 node);

/* Nothing is left to be reclaimed. Return: somebody else is about to split a page,
 * and a microsecond was waited for him (Linux: a jiffy, or until he is done). */
bool split_queue_wait(void);

/* split_huge_page_locked - @head, of anonymous memory, in the caller's hands by its
 * lock and one reference, becomes 4K pages, whoever maps it and how; the lock and the
 * reference are then the first one's. Entries become migration entries meanwhile,
 * flushed one by one or together (split_batches); what nobody maps is freed.
 * Return: pages freed, the first not counted; -EBUSY (nobody maps it); -EAGAIN:
 * somebody has a reference, all is as it was. (split_huge_page.c) */
int split_huge_page_locked(struct page *head);

/* For madvise, under @ptl, which is let go meanwhile: the piece that @e maps, and
 * nobody else does, becomes a page. Return: @ptl was let go. */
bool split_piece(struct mm *mm, struct spinlock *ptl, u64 e);

#endif
