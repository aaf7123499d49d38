/* footprint.h - the pages that runs touch, kept by aligned pieces of 512 pages of
 * address space (2M of 4K pages): what to map before a trace is played, and where a
 * huge page is worth it. About 100 bytes a piece.
 *
 * Units: vpn in the machine's base pages.
 */
#ifndef WORKLOADS_FOOTPRINT_H
#define WORKLOADS_FOOTPRINT_H

#include "base/err.h"
#include "base/types.h"
#include "workloads/trace_file.h"

#define PIECE_PAGES 512u

struct piece {
	u64 vpn;                /* first page, a multiple of PIECE_PAGES      */
	u64 touched[PIECE_PAGES / 64];
};

struct footprint {
	struct piece *piece;    /* [nr] in order of first touch until sorted  */
	u32 *bucket;            /* 1 + index, open addressing                 */
	u32 nr, room, nr_buckets;
	u32 last;               /* index of the piece added to last           */
};

/* footprint_add - @vpn is touched. An all-zero footprint is an empty one.
 * Return: 0, -ENOMEM. */
int footprint_add(struct footprint *f, u64 vpn);

/* footprint_add_trace - all pages of @t, which is read to its end and rewound.
 * Errors name @path; all pages must be below @user_pages. */
int footprint_add_trace(struct footprint *f, struct trace *t, const char *path,
			u64 user_pages, struct err *e);

/* footprint_refuse - -EINVAL, and why: the trace @path has an access at @va. */
int footprint_refuse(const char *path, u64 va, u64 user_pages, struct err *e);

/* footprint_sort - pieces by address. Nothing is added after that. */
void footprint_sort(struct footprint *f);

static inline bool piece_has(const struct piece *p, u32 page)
{
	return p->touched[page / 64] >> page % 64 & 1;
}

u32 piece_pages(const struct piece *p); /* how many are touched               */
u64 footprint_pages(const struct footprint *f);

/* Empty again. */
void footprint_release(struct footprint *f);

#endif
