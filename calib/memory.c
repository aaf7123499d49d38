/* Caches, memory, and lines between CPUs. */
#include "calib/memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINE 64u
#define COLD_PAGES 32u          /* 4K; less than any TLB's first level        */
#define COLD_LINES 8192u        /* in one large page                          */

/* A failure that is the machine's is a note, others stop all. */
static int keep(int rc, const struct mut_sample *s, struct calib_latency *l,
		const struct err *e)
{
	if (rc == -ENOTSUP || rc == -E2BIG) {
		snprintf(l->note, sizeof(l->note), "%.150s", e->text);
		return 0;
	}
	if (rc)
		return rc;
	l->is_found = true;
	l->cycles = s->cycles.low;
	l->spread = stat_spread(&s->cycles);
	return 0;
}

static bool has_large_pages(const struct calib_tlb *tlb)
{
	return tlb->base_cycles[MUT_2M] > 0;
}

/* A chase through every line of @bytes. */
static struct mut_chase through(const struct calib_tlb *tlb, u64 bytes)
{
	enum mut_page size = has_large_pages(tlb) ? MUT_2M : MUT_4K;
	u64 page = mut_page_bytes(size);
	struct mut_chase c = { .size = size, .has_data = true };

	c.nr = (bytes + page - 1) / page;
	c.lines = (u32)(bytes / c.nr / LINE);
	return c;
}

/* Twice the level below and more, but not more than half of this one. */
static u64 footprint(const struct mut_shape *sh, u32 level)
{
	u64 bytes = sh->cache_bytes[level] / 2, below;

	if (!level)
		return bytes;
	below = sh->cache_bytes[level - 1] * 4;
	return below && below < bytes ? below : bytes;
}

/* Where 4K pages are all there is, level 2 of the TLB adds to every access. */
static void less_tlb(struct calib_latency *out, const struct mut_chase *c,
		     const struct calib_tlb *tlb)
{
	const struct calib_level *l = tlb->level[c->size];
	double half = out->spread * out->cycles;

	if (!out->is_found || !l[0].is_found ||
	    mut_pages(c) <= l[0].entries * 2 || !l[1].hit_cycles)
		return;
	half += l[1].spread * fabs(l[1].hit_cycles);
	out->cycles -= l[1].hit_cycles;
	out->spread = stat_share(half, out->cycles);
}

static int caches(struct mut *m, const struct calib_tlb *tlb,
		  struct calib_memory *out, struct err *e)
{
	for (u32 i = 0; i < MUT_NR_CACHES; i++) {
		u64 bytes = footprint(&m->shape, i);
		struct mut_chase c;
		struct mut_sample s;
		int rc;

		if (bytes < LINE * 8) {
			snprintf(out->cache[i].note, sizeof(out->cache[i].note),
				 "there is no such cache");
			continue;
		}
		c = through(tlb, bytes);
		rc = keep(mut_chase(m, &c, &s, e), &s, &out->cache[i], e);
		if (rc)
			return rc;
		less_tlb(&out->cache[i], &c, tlb);
	}
	return 0;
}

static int dram(struct mut *m, const struct calib_tlb *tlb,
		struct calib_memory *out, struct err *e)
{
	for (u32 a = 0; a < m->shape.nr_nodes; a++)
		for (u32 b = 0; b < m->shape.nr_nodes; b++) {
			struct mut_chase c = {
				.size = MUT_4K, .nr = COLD_PAGES, .lines = 64,
				.is_cold = true, .has_data = true,
				.cpu = m->shape.node_cpu[a], .node = b,
			};
			struct mut_sample s;
			int rc;

			if (has_large_pages(tlb)) {
				c.size = MUT_2M;
				c.nr = 1;
				c.lines = COLD_LINES;
			}
			rc = keep(mut_chase(m, &c, &s, e), &s, &out->dram[a][b],
				  e);
			if (rc)
				return rc;
		}
	return 0;
}

static int streams(struct mut *m, struct calib_memory *out, struct err *e)
{
	int rc = 0;

	for (u32 a = 0; a < m->shape.nr_nodes && !rc; a++)
		for (u32 b = 0; b < m->shape.nr_nodes && !rc; b++) {
			struct mut_sample s;

			rc = keep(mut_stream(m, a, b, &s, e), &s,
				  &out->stream[a][b], e);
		}
	return rc;
}

static int transfers(struct mut *m, struct calib_memory *out, struct err *e)
{
	for (u32 hop = 1; hop < MUT_NR_HOPS; hop++) {
		struct mut_sample s;
		int rc;

		if (!m->shape.has_pair[hop]) {
			snprintf(out->transfer[hop].note,
				 sizeof(out->transfer[hop].note),
				 "no two CPUs are so far apart");
			continue;
		}
		rc = mut_transfer(m, m->shape.pair[hop][0],
				  m->shape.pair[hop][1], &s, e);
		rc = keep(rc, &s, &out->transfer[hop], e);
		if (rc)
			return rc;
	}
	return 0;
}

int calib_memory(struct mut *m, const struct calib_tlb *tlb,
		 struct calib_memory *out, calib_progress *progress, void *arg,
		 struct err *e)
{
	struct err own;
	int rc;

	e = e ? e : &own;
	memset(out, 0, sizeof(*out));
	if (progress)
		progress(arg, "data caches");
	rc = caches(m, tlb, out, e);
	if (!rc && progress)
		progress(arg, "memory");
	if (!rc)
		rc = dram(m, tlb, out, e);
	if (!rc)
		rc = streams(m, out, e);
	if (!rc && progress)
		progress(arg, "lines between CPUs");
	return rc ? rc : transfers(m, out, e);
}
