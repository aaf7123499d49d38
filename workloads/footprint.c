#include "workloads/footprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/memory.h"

static u32 *bucket_of(const struct footprint *f, u64 base)
{
	/* Fibonacci hashing, of the piece's number. */
	u64 h = base / PIECE_PAGES * 0x9e3779b97f4a7c15ull;
	u32 i = (u32)(h >> 32) & (f->nr_buckets - 1);

	while (f->bucket[i] && f->piece[f->bucket[i] - 1].vpn != base)
		i = (i + 1) & (f->nr_buckets - 1);
	return &f->bucket[i];
}

static int grow(struct footprint *f)
{
	u32 room = f->room ? 2 * f->room : 256;
	struct piece *piece = realloc(f->piece, room * sizeof(*piece));
	u32 *bucket;

	if (!piece)
		return -ENOMEM;
	f->piece = piece;
	bucket = calloc(2 * (size_t)room, sizeof(*bucket));
	if (!bucket)
		return -ENOMEM;
	free(f->bucket);
	f->bucket = bucket;
	f->room = room;
	f->nr_buckets = 2 * room;
	for (u32 i = 0; i < f->nr; i++)
		*bucket_of(f, f->piece[i].vpn) = i + 1;
	return 0;
}

int footprint_add(struct footprint *f, u64 vpn)
{
	u64 base = vpn & ~(u64)(PIECE_PAGES - 1);
	u32 page = (u32)(vpn - base), *bucket;

	if (!f->nr || f->piece[f->last].vpn != base) {
		if (f->nr == f->room && grow(f))
			return -ENOMEM;
		bucket = bucket_of(f, base);
		if (!*bucket) {
			f->piece[f->nr] = (struct piece){ .vpn = base };
			*bucket = ++f->nr;
		}
		f->last = *bucket - 1;
	}
	f->piece[f->last].touched[page / 64] |= 1ull << page % 64;
	return 0;
}

int footprint_refuse(const char *path, u64 va, u64 user_pages, struct err *e)
{
	return err_set(e, -EINVAL, "%s: address 0x%llx is not a user address "
		       "(below 0x%llx)", path, (unsigned long long)va,
		       (unsigned long long)user_pages << page_shift);
}

int footprint_add_trace(struct footprint *f, struct trace *t, const char *path,
			u64 user_pages, struct err *e)
{
	struct trace_part p;
	int rc;

	while (!(rc = trace_next_digests(t, &p, e)) &&
	       (p.nr_runs || p.nr_events)) {
		for (size_t i = 0; i < trace_part_nr_touches(&p); i++) {
			const struct run *r = trace_part_touch(&p, i);

			if (!r)
				continue;
			if (r->va >> page_shift >= user_pages)
				return footprint_refuse(path, r->va, user_pages,
							e);
			if (footprint_add(f, r->va >> page_shift))
				return err_set(e, -ENOMEM, "out of memory");
		}
	}
	return rc ? rc : trace_rewind(t, e);
}

static int by_address(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->vpn < y->vpn ? -1 : x->vpn > y->vpn;
}

void footprint_sort(struct footprint *f)
{
	if (f->nr)
		qsort(f->piece, f->nr, sizeof(*f->piece), by_address);
}

u32 piece_pages(const struct piece *p)
{
	u32 n = 0;

	for (u32 i = 0; i < PIECE_PAGES / 64; i++)
		n += (u32)__builtin_popcountll(p->touched[i]);
	return n;
}

u64 footprint_pages(const struct footprint *f)
{
	u64 n = 0;

	for (u32 i = 0; i < f->nr; i++)
		n += piece_pages(&f->piece[i]);
	return n;
}

void footprint_release(struct footprint *f)
{
	free(f->piece);
	free(f->bucket);
	memset(f, 0, sizeof(*f));
}
