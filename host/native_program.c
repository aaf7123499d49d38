/* This host under test: small programs, and memory read in turn. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/native_impl.h"

#define LINE 64u
#define ROUNDS 1000u            /* of a program in a repetition               */
#define STREAM_PART (4ull << 20)        /* of a repetition                    */

int native_program(struct mut *m, const struct mut_program *p,
		   struct mut_sample *s, struct err *e)
{
	struct native *n = (struct native *)m;
	struct mut_visits v;
	u64 seed = 1;
	char *arena;
	struct reps r;
	int rc = native_pin(n, 0, e);

	if (!rc)
		rc = mut_trace(p, ROUNDS, &seed, &v, e);
	if (rc)
		return rc;
	free(v.offset);         /* how many they are is what is wanted */
	rc = native_map(n, MUT_4K, p->bytes, &arena, e);
	if (rc)
		return rc;
	p->build(arena, p->bytes);
	seed = p->run(arena, p->bytes, ROUNDS, seed, NULL);
	reps_begin(&r, n->cfg.request_ns);
	while (reps_go_on(&r)) {
		u64 t;

		r.hz = clock_core_hz();
		t = clock_ticks();
		seed = p->run(arena, p->bytes, ROUNDS, seed, NULL);
		t = clock_ticks() - t;
		reps_add(&r, (double)t, (double)v.n);
	}
	reps_end(&r, s);
	n->sink = (void *)(uintptr_t)seed;
	native_unmap(n);
	return 0;
}

/* ---- bandwidth ------------------------------------------------------------------ */

/* Where lines can be flushed two parts are enough, else what is twice the last
 * cache, so that what is read is not there any more. */
static int stream_size(const struct native *n, u64 *bytes, struct err *e)
{
	u64 llc = n->mut.shape.cache_bytes[MUT_NR_CACHES - 1];

	*bytes = 2 * STREAM_PART;
	if (!NATIVE_CAN_FLUSH && 2 * llc > *bytes)
		*bytes = (2 * llc + STREAM_PART - 1) / STREAM_PART * STREAM_PART;
	if (*bytes <= n->cfg.max_bytes)
		return 0;
	return err_set(e, -E2BIG, "a stream of %llu bytes, beyond the caches, is "
		       "more than the %llu that may be used here",
		       (unsigned long long)*bytes,
		       (unsigned long long)n->cfg.max_bytes);
}

static void flush_part(const char *p)
{
	for (u64 i = 0; i < STREAM_PART; i += LINE)
		native_flush_line(p + i);
	native_fence();
}

/* Eight sums, so that no addition waits for another. */
static u64 sum_of(const char *p, u64 bytes)
{
	u64 sum[8] = { 0 };

	for (u64 i = 0; i < bytes; i += LINE) {
		u64 line[8];

		memcpy(line, p + i, LINE);
		for (u32 k = 0; k < 8; k++)
			sum[k] += line[k];
	}
	return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] +
		sum[7];
}

int native_stream(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		  struct err *e)
{
	struct native *n = (struct native *)m;
	u64 bytes, at = 0, sum = 0;
	struct reps r;
	char *buf;
	int rc = stream_size(n, &bytes, e);

	if (!rc)
		rc = native_pin(n, n->mut.shape.node_cpu[a], e);
	if (!rc)
		rc = native_map(n, MUT_2M, bytes, &buf, e);
	if (!rc)
		rc = native_bind(n, buf, bytes, b, e);
	if (rc) {
		native_unmap(n);
		return rc;
	}
	memset(buf, 1, bytes);
	reps_begin(&r, n->cfg.request_ns);
	while (reps_go_on(&r)) {
		u64 t;

		flush_part(buf + at);
		r.hz = clock_core_hz();
		t = clock_ticks();
		sum += sum_of(buf + at, STREAM_PART);
		t = clock_ticks() - t;
		at = (at + STREAM_PART) % bytes;
		reps_add(&r, (double)t, (double)(STREAM_PART / LINE));
	}
	reps_end(&r, s);
	n->sink = (void *)(uintptr_t)sum;
	native_unmap(n);
	return 0;
}
