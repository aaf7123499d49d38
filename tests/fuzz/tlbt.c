/* tlbt.c - the compact trace files. Checksums are made right in most inputs, so
 * that what lies behind them is reached. */
#include <xxhash.h>

#include "tests/fuzz/fuzz.h"
#include "workloads/trace_file.h"

#define HEADER 256u
#define EVENT_KINDS 128u
#define BLOCK_HEADER 48u

const char *const fuzz_seeds[] = { NULL };     /* files of tests/data         */

static u32 get32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

static void put64(u8 *p, u64 v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (u8)(v >> 8 * i);
}

static void reseal(u8 *f, size_t bytes)
{
	u32 version = bytes < HEADER ? 0 : get32(f + 8);
	size_t head = version < 2 ? HEADER : HEADER + EVENT_KINDS, at = head;

	if (bytes < head)
		return;
	put64(f + 24, bytes);
	put64(f + 16, 0);
	put64(f + 16, XXH64(f, head, 0));
	while (bytes - at > BLOCK_HEADER + 8) {
		size_t body = (size_t)get32(f + at + 8) + get32(f + at + 16) +
			get32(f + at + 28) + (version < 3 ? 0 : 8ull +
					      get32(f + at + 48));
		size_t left = bytes - at - BLOCK_HEADER;

		if (body > left)
			body = left;
		put64(f + at + 40, XXH64(f + at + BLOCK_HEADER, body,
					 XXH64(f + at, 40, 0)));
		at += BLOCK_HEADER + body;
	}
}

static void check_run(const struct run *r)
{
	s64 span = r->stride * (s64)(r->count - 1);
	u64 first = span < 0 ? r->va + (u64)span : r->va;
	u64 last = (span < 0 ? r->va : r->va + (u64)span) + r->bytes - 1;

	FUZZ_CHECK(r->count && r->bytes && r->op <= RUN_MODIFY);
	FUZZ_CHECK(first >> PAGE_SHIFT == last >> PAGE_SHIFT);
}

/* A digest is within its bounds, and its runs are those of the part. */
static void check_digests(struct trace *t)
{
	struct trace_part p;
	struct err e = { "" };
	int ret;

	while (!(ret = trace_next_digests(t, &p, &e)) &&
	       (p.nr_runs || p.nr_events)) {
		size_t runs = 0;

		for (size_t i = 0; i < p.nr_digests; i++) {
			const struct run_digest *d = &p.digests[i];

			runs += digest_runs(d);
			FUZZ_CHECK(d->nr_pages <= d->nr_runs);
			FUZZ_CHECK(!d->nr_runs == !d->nr_pages);
			for (u32 k = 0; k < d->nr_pages; k++)
				FUZZ_CHECK((d->page[k] & 3) < NR_RUN_USES);
		}
		FUZZ_CHECK(!p.nr_digests || runs == p.nr_runs);
		if (p.nr_runs % 2)
			continue;
		ret = trace_part_runs(t, &p, &e);
		if (ret)
			break;
		(void)trace_part_check(&p);
	}
	if (ret)
		FUZZ_CHECK_REFUSAL(ret, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	u8 *copy = malloc(bytes + 1);
	struct err e = { "" };
	const struct run *r;
	struct trace *t;
	size_t n;
	int ret;

	FUZZ_CHECK(copy);
	memcpy(copy, data, bytes);
	if (bytes % 8)
		reseal(copy, bytes);
	ret = trace_open(&t, fuzz_path(copy, bytes), &e);
	free(copy);
	if (ret) {
		FUZZ_CHECK_REFUSAL(ret, e);
		return 0;
	}
	for (int pass = 0; pass < 2; pass++) {
		while (!(ret = trace_next(t, &r, &n, &e)) && n)
			for (size_t i = 0; i < n; i++)
				check_run(&r[i]);
		if (ret)
			FUZZ_CHECK_REFUSAL(ret, e);
		FUZZ_CHECK(!trace_rewind(t, &e));
	}
	check_digests(t);
	trace_close(t);
	return 0;
}
