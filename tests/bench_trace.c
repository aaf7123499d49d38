/* bench_trace.c - how fast traces are read, written and imported. Decoding is
 * timed alone: the file is in the page cache, the runs are looked at only as
 * far as to add up their counts. One figure a line: NAME VALUE UNIT. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/types.h"
#include "emu/import.h"
#include "workloads/trace_file.h"

static struct err err;
static char path[] = "/tmp/bench_trace.XXXXXX";

static void check(int ret)
{
	if (!ret)
		return;
	fprintf(stderr, "bench_trace: %s\n", err.text);
	unlink(path);
	exit(1);
}

static double host_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Best of three passes: the others met somebody else on this core. */
static void decode(const char *name, const char *file)
{
	char unit_name[64];
	double best = 1e9;
	u64 runs = 0, accesses = 0;
	struct trace *t;

	check(trace_open(&t, file, &err));
	for (int pass = 0; pass < 3; pass++) {
		double start = host_seconds(), took;
		const struct run *r;
		size_t n;

		check(trace_rewind(t, &err));
		runs = accesses = 0;
		for (;;) {
			check(trace_next(t, &r, &n, &err));
			if (!n)
				break;
			runs += n;
			for (size_t i = 0; i < n; i++)
				accesses += r[i].count;
		}
		took = host_seconds() - start;
		if (took < best)
			best = took;
	}
	printf("trace_decode_%s %.1f M/s\n", name, accesses / best / 1e6);
	snprintf(unit_name, sizeof(unit_name), "trace_decode_%s_runs", name);
	printf("%s %.1f M/s\n", unit_name, runs / best / 1e6);
	printf("trace_size_%s %.3f bytes/access\n", name,
	       (double)trace_info(t)->file_bytes / accesses);
	trace_close(t);
}

enum pattern { SEQ, STREAMS, RANDOM, NR_PATTERNS };

static void bench_pattern(enum pattern p, u64 nr)
{
	static const char *const name[] = { "seq", "streams", "random" };
	struct trace_writer *w;
	double start = host_seconds();
	struct rng r;

	rng_init(&r, 1);
	check(trace_writer_create(&w, path, &err));
	for (u64 i = 0; i < nr; i++) {
		u64 base = 1ull << 40, va;

		if (p == SEQ)           /* a sweep over 1 GiB */
			va = base + 8 * i % (1 << 30);
		else if (p == STREAMS)  /* a[i] = b[i] + c[i] */
			va = base * (1 + i % 3) + 8 * (i / 3);
		else                    /* pages of 1 GiB, each its own run */
			va = base + rng_below(&r, 1 << 18) * 4096 +
			     rng_below(&r, 512) * 8;
		check(trace_writer_append(w, va, 8, p == STREAMS && i % 3 == 2 ?
					  RUN_WRITE : RUN_READ, &err));
	}
	check(trace_writer_close(w, &err));
	printf("trace_write_%s %.1f M/s\n", name[p],
	       nr / (host_seconds() - start) / 1e6);
	decode(name[p], path);
}

static void bench_import(void)
{
	enum { NR = 4000000 };
	struct import_cfg cfg = { .name = "bench", .without_fetch = true };
	const struct import_access *a;
	struct import *im;
	size_t n;
	struct trace_writer *w;
	char text[] = "/tmp/bench_trace_text.XXXXXX";
	int fd = mkstemp(text);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w+");
	double start;
	struct rng r;

	if (!f) {
		perror(text);
		exit(1);
	}
	unlink(text);
	rng_init(&r, 2);
	for (int i = 0; i < NR; i++)
		fprintf(f, "I  %08llx,3\n %c %010llx,8\n",
			0x4001000 + (unsigned long long)rng_below(&r, 4096),
			"LS"[rng_below(&r, 2)],
			0x1ffe000000ull + 8ull * rng_below(&r, 1 << 20));
	fflush(f);
	lseek(fd, 0, SEEK_SET);
	check(trace_writer_create(&w, path, &err));
	start = host_seconds();
	check(import_open(&im, fd, &cfg, &err));
	for (;;) {
		check(import_next(im, &a, &n, &err));
		if (!n)
			break;
		for (size_t i = 0; i < n; i++)
			check(trace_writer_append(w, a[i].va, a[i].bytes,
						  a[i].op, &err));
	}
	check(trace_writer_close(w, &err));
	printf("trace_import_lackey %.1f Mlines/s\n",
	       import_stats(im)->nr_records / (host_seconds() - start) / 1e6);
	import_close(im);
	fclose(f);
}

int main(int argc, char **argv)
{
	int fd = mkstemp(path);

	if (fd < 0) {
		perror(path);
		return 1;
	}
	close(fd);
	bench_pattern(SEQ, 100000000);
	bench_pattern(STREAMS, 20000000);
	bench_pattern(RANDOM, 10000000);
	bench_import();
	unlink(path);
	for (int i = 1; i < argc; i++)
		decode("file", argv[i]);
	return 0;
}
