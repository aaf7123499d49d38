/* trace_read.c - read .tlbt files: check everything, trust nothing, and decode
 * runs with a loop that cannot leave its buffers. */
#include "workloads/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workloads/trace_format.h"

/* 96 KiB of runs: they stay in the L2. */
#define CHUNK_RUNS TRACE_PART_RUNS

/* All of a run but its place. The first 16 bytes are those of struct run from
 * stride on. It touches bytes va + first to va + last. */
struct shape {
	s64 stride;
	u32 count;
	u16 bytes;
	u8 op;
	u8 pad;
	u64 accesses;           /* count                                      */
	s64 advance;            /* to where the run would have gone on        */
	s64 first, last;
	u64 unused[2];          /* 64 bytes: a cache line                     */
};

#define RUN_TAIL_BYTES (sizeof(struct run) - offsetof(struct run, stride))
_Static_assert(sizeof(struct run) == 24 && RUN_TAIL_BYTES == 16 &&
	       offsetof(struct run, op) - offsetof(struct run, stride) ==
	       offsetof(struct shape, op), "struct shape mirrors struct run");

struct trace {
	struct trace_info info;
	char *path;
	int fd;
	int broken;             /* errno of the error that stopped reading    */

	u64 off;                /* file offset of what is read next           */
	u64 block_off;          /* file offset of the current block           */
	u32 next_seq;
	/* Of the blocks read so far. */
	u64 sum_runs, sum_accesses, sum_by_kind[TRACE_NR_EVENT_KINDS];

	/* The current block: columns point into raw. */
	u32 nr_runs, nr_shapes, shape_end, pos;
	u32 stored_bytes, raw_bytes, plain_bytes;
	bool is_unpacked;
	u64 block_accesses, seen_accesses;
	const u8 *lo, *hi, *ctl, *delta, *delta_end;
	u64 predicted[NR_STREAMS];

	/* Its events, event[i] after event_at[i] of its runs. */
	u32 nr_events, event_pos;
	struct trace_event *event;      /* BLOCK_EVENTS; NULL: none so far    */
	u32 *event_at;

	/* Its runs before taken have been handed out, the last of them, from
	 * part on, by the last call; runs[] holds [pos - nr_decoded, pos). */
	u32 taken, part, nr_decoded;

	/* Its digests, as far as somebody asks for them. */
	bool wants_digests;
	u32 digest_pos;
	struct digests digests;

	ZSTD_DCtx *dctx;
	struct buf {
		u8 *p;
		size_t bytes;
	} stored, columns, records, section, shapes;    /* as large as the
				 * largest block so far                       */
	struct run runs[CHUNK_RUNS];
};

#define BAD(t, e, at, fmt, ...) \
	trace_fail(t, err_set(e, -EINVAL, "%s: byte %llu: " fmt, (t)->path, \
			      (unsigned long long)(at), __VA_ARGS__))

static int trace_fail(struct trace *t, int ret)
{
	t->broken = -ret;
	return ret;
}

/* Read @bytes, or what there is before the end of the file. */
static int read_full(struct trace *t, void *buf, size_t bytes, size_t *got,
		     struct err *e)
{
	*got = 0;
	while (*got < bytes) {
		ssize_t n = read(t->fd, (u8 *)buf + *got, bytes - *got);

		if (n == 0)
			break;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return trace_fail(t, err_set(e, -errno,
				"%s: cannot read at byte %llu: %s", t->path,
				(unsigned long long)(t->off + *got),
				strerror(errno)));
		}
		*got += n;
	}
	t->off += *got;
	return 0;
}

/* The first bytes, which say what kind of file it is and of which version. */
static int check_preamble(struct trace *t, const u8 *h, size_t got,
			  struct err *e)
{
	if (got < sizeof(magic))
		return BAD(t, e, got, "not a .tlbt trace: it ends within the "
			   "magic bytes (%zu of %zu)", got, sizeof(magic));
	if (memcmp(h, magic, sizeof(magic)))
		return BAD(t, e, 0, "not a .tlbt trace: expected the magic "
			   "bytes 89 54 4c 42 54 0d 0a 1a, found %02x %02x %02x "
			   "%02x %02x %02x %02x %02x", h[0], h[1], h[2], h[3],
			   h[4], h[5], h[6], h[7]);
	if (got < HEADER_BYTES)
		return BAD(t, e, got, "truncated: expected a header of %d "
			   "bytes", HEADER_BYTES);
	if (get32(h + 12) != ENDIAN_MARK)
		return BAD(t, e, 12, "expected the byte-order mark %08x, found "
			   "%08x", ENDIAN_MARK, get32(h + 12));
	t->info.version = get32(h + 8);
	if (t->info.version < VERSION || t->info.version > VERSION_DIGESTS)
		return BAD(t, e, 8, "expected format version %u to %u, found "
			   "%u", VERSION, VERSION_DIGESTS, t->info.version);
	return 0;
}

/* Counts of events, by kind and in all. */
static int get_event_counts(struct trace *t, const u8 *h, struct err *e)
{
	struct trace_info *in = &t->info;
	u64 events = 0;

	in->nr_events = in->version == VERSION ? 0 : get64(h + 120);
	for (u32 i = 0; i < EVENT_KINDS_BYTES / 8; i++) {
		u64 n = get64(h + HEADER_BYTES + 8 * i);

		if (i < TRACE_NR_EVENT_KINDS)
			in->nr_by_kind[i] = n;
		events += n;
		if (n && !trace_event_name(i))
			return BAD(t, e, HEADER_BYTES + 8 * i, "events of an "
				   "unknown kind, %u", i);
	}
	if (events != in->nr_events)
		return BAD(t, e, 120, "%llu events, but %llu by kind",
			   (unsigned long long)in->nr_events,
			   (unsigned long long)events);
	return 0;
}

static int get_counts(struct trace *t, const u8 *h, struct err *e)
{
	struct trace_info *in = &t->info;
	u64 ops = 0;
	int ret;

	in->file_bytes = get64(h + 24);
	in->nr_runs = get64(h + 32);
	in->nr_accesses = get64(h + 40);
	in->nr_pages = get64(h + 48);
	in->nr_blocks = get64(h + 56);
	for (int i = 0; i < TRACE_NR_OPS; i++) {
		in->nr_by_op[i] = get64(h + 64 + 8 * i);
		ops += in->nr_by_op[i];
	}
	in->va_min = get64(h + 96);
	in->va_last = get64(h + 104);
	in->nr_splits = get64(h + 112);
	ret = get_event_counts(t, h, e);
	if (ret)
		return ret;
	memcpy(in->program, h + 128, TRACE_NAME_MAX);
	if (in->program[TRACE_NAME_MAX - 1])
		return BAD(t, e, 128, "expected a program name that ends "
			   "within %d bytes", TRACE_NAME_MAX);
	if (in->nr_runs > in->nr_accesses || in->nr_pages > in->nr_runs ||
	    in->nr_splits > in->nr_accesses || ops != in->nr_accesses ||
	    in->nr_blocks > in->nr_runs + in->nr_events)
		return BAD(t, e, 32, "counts that contradict each other: "
			   "%llu runs, %llu accesses, %llu pages",
			   (unsigned long long)in->nr_runs,
			   (unsigned long long)in->nr_accesses,
			   (unsigned long long)in->nr_pages);
	return 0;
}

static int read_header(struct trace *t, struct err *e)
{
	u8 h[HEADER_BYTES + EVENT_KINDS_BYTES] = { 0 };
	struct stat st;
	size_t got, bytes;
	int ret;

	ret = read_full(t, h, HEADER_BYTES, &got, e);
	if (!ret)
		ret = check_preamble(t, h, got, e);
	if (ret)
		return ret;
	bytes = header_bytes(t->info.version);
	ret = read_full(t, h + HEADER_BYTES, bytes - HEADER_BYTES, &got, e);
	if (ret)
		return ret;
	if (HEADER_BYTES + got < bytes)
		return BAD(t, e, HEADER_BYTES + got, "truncated: expected a "
			   "header of %zu bytes", bytes);
	if (get64(h + 16) != header_sum(h, bytes))
		return BAD(t, e, 16, "damaged header: expected checksum "
			   "%016llx, found %016llx",
			   (unsigned long long)header_sum(h, bytes),
			   (unsigned long long)get64(h + 16));
	ret = get_counts(t, h, e);
	if (ret)
		return ret;
	if (!fstat(t->fd, &st) && S_ISREG(st.st_mode) &&
	    (u64)st.st_size != t->info.file_bytes)
		return BAD(t, e, st.st_size, "%s: expected %llu bytes",
			   (u64)st.st_size < t->info.file_bytes ?
			   "truncated" : "more after the end of the trace",
			   (unsigned long long)t->info.file_bytes);
	return 0;
}

int trace_open(struct trace **out, const char *path, struct err *e)
{
	struct trace *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	t->fd = -1;
	t->path = strdup(path);
	t->dctx = ZSTD_createDCtx();
	if (!t->path || !t->dctx) {
		ret = err_set(e, -ENOMEM, "%s: out of memory", path);
		goto err_close;
	}
	t->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (t->fd < 0) {
		ret = err_set(e, -errno, "%s: cannot open: %s", path,
			      strerror(errno));
		goto err_close;
	}
	ret = read_header(t, e);
	if (ret)
		goto err_close;
	*out = t;
	return 0;

err_close:
	trace_close(t);
	return ret;
}

const struct trace_info *trace_info(const struct trace *t)
{
	return &t->info;
}

static int load_shapes(struct trace *t, const u8 *p, struct err *e)
{
	/* What a corrupt column can name without a bit above nr_shapes' top
	 * one must not look like a run: see decode(). */
	static const struct shape none = { .last = PAGE_BYTES };
	struct shape *shape = (struct shape *)t->shapes.p;
	u32 i;

	for (i = 0; i < t->nr_shapes; i++, p += SHAPE_BYTES) {
		struct shape *s = &shape[i];
		s64 stride = (int32_t)get32(p);
		u32 count = get32(p + 4);
		u32 bytes = p[8] | p[9] << 8;
		s64 span;

		/* Any stride that leaves the page is too long; bounding it
		 * first keeps the product small. */
		if (!count || !bytes || bytes > PAGE_BYTES ||
		    p[10] >= TRACE_NR_OPS || p[11] ||
		    stride <= -(s64)PAGE_BYTES || stride >= (s64)PAGE_BYTES ||
		    (count == 1 && stride))
			return BAD(t, e, t->block_off, "block %u: shape %u is "
				   "not a run within a page (stride %lld, "
				   "count %u, bytes %u, op %u)",
				   t->next_seq - 1, i, (long long)stride,
				   count, bytes, p[10]);
		span = stride * (s64)(count - 1);
		if (span <= -(s64)PAGE_BYTES || span >= (s64)PAGE_BYTES)
			return BAD(t, e, t->block_off, "block %u: shape %u "
				   "spans %lld bytes, expected less than a "
				   "page", t->next_seq - 1, i,
				   (long long)span);
		*s = (struct shape){
			.stride = stride,
			.count = count,
			.bytes = bytes,
			.op = p[10],
			.accesses = count,
			.advance = stride * (s64)count,
			.first = span < 0 ? span : 0,
			.last = (span > 0 ? span : 0) + bytes - 1,
		};
	}
	for (; i & (i - 1); i++)
		shape[i] = none;
	t->shape_end = i;
	return 0;
}

/* At the end of the blocks: does the file end, and did we see it all? */
static int check_end(struct trace *t, struct err *e)
{
	const struct trace_info *in = &t->info;
	size_t got;
	u8 byte;
	int ret;

	ret = read_full(t, &byte, 1, &got, e);
	if (ret)
		return ret;
	if (got || t->off != in->file_bytes)
		return BAD(t, e, t->off - got, "expected the trace to end at "
			   "byte %llu", (unsigned long long)in->file_bytes);
	if (t->sum_runs != in->nr_runs || t->sum_accesses != in->nr_accesses)
		return BAD(t, e, t->off, "the blocks hold %llu runs and %llu "
			   "accesses, expected %llu and %llu",
			   (unsigned long long)t->sum_runs,
			   (unsigned long long)t->sum_accesses,
			   (unsigned long long)in->nr_runs,
			   (unsigned long long)in->nr_accesses);
	for (u32 i = 0; i < TRACE_NR_EVENT_KINDS; i++)
		if (t->sum_by_kind[i] != in->nr_by_kind[i])
			return BAD(t, e, HEADER_BYTES + 8 * i, "%llu events of "
				   "kind %s, but the blocks hold %llu",
				   (unsigned long long)in->nr_by_kind[i],
				   trace_event_name(i),
				   (unsigned long long)t->sum_by_kind[i]);
	return 0;
}

/* Old contents are lost. */
static int grow(struct trace *t, struct buf *b, size_t bytes, struct err *e)
{
	if (bytes <= b->bytes)
		return 0;
	free(b->p);
	b->p = malloc(bytes);
	b->bytes = b->p ? bytes : 0;
	return b->p ? 0 : trace_fail(t, err_set(e, -ENOMEM,
						"%s: out of memory", t->path));
}

static struct trace_event get_event(const u8 *p)
{
	return (struct trace_event){
		.kind = p[4],
		.prot = p[5],
		.flags = (u16)(p[6] | p[7] << 8),
		.tid = get32(p + 8),
		.arg = get32(p + 12),
		.start = get64(p + 16),
		.len = get64(p + 24),
		.new_start = get64(p + 32),
		.new_len = get64(p + 40),
	};
}

static int check_event(struct trace *t, u32 i, const u8 *section, struct err *e)
{
	const char *expected = trace_event_check(&t->event[i]);

	if (!expected && (t->event_at[i] > t->nr_runs ||
			  (i && t->event_at[i] < t->event_at[i - 1])))
		expected = "a place among the runs, after the event before";
	if (!expected)
		return 0;
	return BAD(t, e, t->block_off + BLOCK_HEADER_BYTES +
		   (u64)(section - t->stored.p), "block %u: event %u: expected "
		   "%s", t->next_seq - 1, i, expected);
}

/* The section of @bytes at @p, in the stored bytes of the block. */
static int load_events(struct trace *t, const u8 *p, u32 bytes, struct err *e)
{
	const size_t head = EVENTS_HEADER_BYTES;
	size_t raw, got;
	int ret;

	t->nr_events = t->event_pos = 0;
	if (!bytes)
		return 0;
	t->nr_events = get32(p);
	raw = (size_t)t->nr_events * EVENT_BYTES;
	if (!t->nr_events || t->nr_events > BLOCK_EVENTS || get32(p + 4))
		return BAD(t, e, t->block_off, "block %u: impossible number of "
			   "events: %u", t->next_seq - 1, t->nr_events);
	if (!t->event) {
		t->event = malloc(BLOCK_EVENTS * sizeof(*t->event));
		t->event_at = malloc(BLOCK_EVENTS * sizeof(*t->event_at));
		if (!t->event || !t->event_at)
			return trace_fail(t, err_set(e, -ENOMEM, "%s: out of "
						     "memory", t->path));
	}
	ret = grow(t, &t->records, raw, e);
	if (ret)
		return ret;
	got = ZSTD_decompressDCtx(t->dctx, t->records.p, raw, p + head,
				  bytes - head);
	if (ZSTD_isError(got) || got != raw)
		return BAD(t, e, t->block_off + BLOCK_HEADER_BYTES +
			   (u64)(p + head - t->stored.p), "block %u: expected a "
			   "zstd frame of %u events: %s", t->next_seq - 1,
			   t->nr_events, ZSTD_isError(got) ?
			   ZSTD_getErrorName(got) : "found another length");
	for (u32 i = 0; i < t->nr_events; i++) {
		const u8 *r = t->records.p + (size_t)i * EVENT_BYTES;

		t->event_at[i] = get32(r);
		t->event[i] = get_event(r);
		ret = check_event(t, i, p, e);
		if (ret)
			return ret;
		t->sum_by_kind[t->event[i].kind]++;
	}
	return 0;
}

/* The section of @bytes at @p. */
static int load_digests(struct trace *t, const u8 *p, u32 bytes, u32 raw,
			struct err *e)
{
	const struct digest_block b = {
		t->nr_runs, t->block_accesses, t->event_at, t->nr_events,
	};
	const char *expected = "a zstd frame";
	size_t got;
	int ret;

	t->digests.nr = t->digest_pos = 0;
	if (!bytes || !t->wants_digests)
		return 0;
	ret = grow(t, &t->section, raw, e);
	if (ret)
		return ret;
	got = ZSTD_decompressDCtx(t->dctx, t->section.p, raw, p, bytes);
	ret = -EINVAL;
	if (got == raw)
		ret = digests_load(&t->digests, t->section.p, raw, &b,
				   &expected);
	if (ret == -ENOMEM)
		return trace_fail(t, err_set(e, ret, "%s: out of memory",
					     t->path));
	return ret ? BAD(t, e, t->block_off, "block %u: digests: expected %s",
			 t->next_seq - 1, expected) : 0;
}

/* The columns of the block, when the first of its runs is wanted. */
static int unpack(struct trace *t, struct err *e)
{
	size_t fixed = (size_t)t->nr_shapes * SHAPE_BYTES +
		(size_t)t->nr_runs * 3;
	const u8 *p = t->stored.p + more_bytes(t->info.version);
	size_t raw = t->raw_bytes, got;
	int ret;

	/* The decoder takes DELTA_MAX bytes a run at most, and loads that many
	 * where the last run begins: however wrong the control bytes are, it
	 * stays within this. */
	ret = grow(t, &t->columns, fixed + (t->nr_runs + 1ul) * DELTA_MAX, e);
	if (!ret)       /* twice: up to the next power of two */
		ret = grow(t, &t->shapes,
			   2ul * t->nr_shapes * sizeof(struct shape), e);
	if (ret)
		return ret;
	got = ZSTD_decompressDCtx(t->dctx, t->columns.p, raw, p,
				  t->stored_bytes);
	if (ZSTD_isError(got) || got != raw)
		return BAD(t, e, t->block_off + BLOCK_HEADER_BYTES +
			   more_bytes(t->info.version), "block %u: "
			   "expected a zstd frame of %zu bytes: %s",
			   t->next_seq - 1, raw, ZSTD_isError(got) ?
			   ZSTD_getErrorName(got) : "found another length");
	memcpy(t->columns.p + raw, p + t->stored_bytes, t->plain_bytes);
	t->lo = t->columns.p + (size_t)t->nr_shapes * SHAPE_BYTES;
	t->hi = t->lo + t->nr_runs;
	t->ctl = t->hi + t->nr_runs;
	t->delta = t->ctl + t->nr_runs;
	t->delta_end = t->columns.p + raw + t->plain_bytes;
	memset(t->predicted, 0, sizeof(t->predicted));
	t->is_unpacked = true;
	return load_shapes(t, t->columns.p, e);
}

/* Return: whether sizes that the header of the block gives are possible. */
static bool are_sizes_possible(const struct trace *t, u32 events, u32 digests,
			       u32 raw_digests)
{
	size_t fixed = (size_t)t->nr_shapes * SHAPE_BYTES +
		(size_t)t->nr_runs * 3;

	return t->stored_bytes && t->stored_bytes <= FRAME_MAX &&
	       t->nr_runs <= BLOCK_RUNS && !t->nr_runs == !t->nr_shapes &&
	       t->nr_shapes <= t->nr_runs && t->raw_bytes >= fixed &&
	       (u64)t->raw_bytes + t->plain_bytes <=
			fixed + (size_t)t->nr_runs * DELTA_MAX &&
	       events <= (t->info.version == VERSION ? 0 : EVENTS_MAX) &&
	       (events ? events > EVENTS_HEADER_BYTES : t->nr_runs != 0) &&
	       (t->nr_runs || !t->block_accesses) &&
	       !digests == !raw_digests && digests <= DIGESTS_MAX &&
	       raw_digests <= (t->nr_runs ? DIGEST_MAX(t->nr_runs) : 0);
}

static int read_block(struct trace *t, struct err *e)
{
	const size_t more = more_bytes(t->info.version);
	u8 h[BLOCK_HEADER_BYTES + MORE_BYTES] = { 0 };
	u32 events, digests, raw_digests;
	size_t got, rest;
	u8 *p;
	int ret;

	t->block_off = t->off;
	ret = read_full(t, h, BLOCK_HEADER_BYTES + more, &got, e);
	if (ret)
		return ret;
	if (got < BLOCK_HEADER_BYTES + more)
		return BAD(t, e, t->off, "truncated: expected the header of "
			   "block %u of %llu", t->next_seq,
			   (unsigned long long)t->info.nr_blocks);
	t->stored_bytes = get32(h + 8);
	t->raw_bytes = get32(h + 12);
	t->plain_bytes = get32(h + 16);
	t->nr_runs = get32(h + 20);
	t->nr_shapes = get32(h + 24);
	events = get32(h + 28);
	t->block_accesses = get64(h + 32);
	digests = get32(h + 48);
	raw_digests = get32(h + 52);
	if (get32(h) != BLOCK_MAGIC || get32(h + 4) != t->next_seq)
		return BAD(t, e, t->block_off, "expected the start of block "
			   "%u", t->next_seq);
	if (!are_sizes_possible(t, events, digests, raw_digests))
		return BAD(t, e, t->block_off, "block %u: impossible sizes: "
			   "%u bytes stored, %u decompressed, %u plain, %u runs, "
			   "%u shapes, %u bytes of events, %u of digests (%u)",
			   t->next_seq, t->stored_bytes, t->raw_bytes,
			   t->plain_bytes, t->nr_runs, t->nr_shapes, events,
			   digests, raw_digests);
	rest = more + t->stored_bytes + t->plain_bytes + events + digests;
	ret = grow(t, &t->stored, rest, e);
	if (ret)
		return ret;
	memcpy(t->stored.p, h + BLOCK_HEADER_BYTES, more);
	ret = read_full(t, t->stored.p + more, rest - more, &got, e);
	if (ret)
		return ret;
	got += more;
	if (got < rest)
		return BAD(t, e, t->off, "truncated: expected %u bytes more of "
			   "block %u", (u32)(rest - got), t->next_seq);
	if (get64(h + 40) != block_sum(h, t->stored.p, rest))
		return BAD(t, e, t->block_off, "damaged block %u: expected "
			   "checksum %016llx, found %016llx", t->next_seq,
			   (unsigned long long)block_sum(h, t->stored.p, rest),
			   (unsigned long long)get64(h + 40));
	t->next_seq++;
	t->is_unpacked = false;
	t->pos = t->nr_decoded = t->taken = t->part = 0;
	t->seen_accesses = 0;
	t->sum_runs += t->nr_runs;
	t->sum_accesses += t->block_accesses;
	p = t->stored.p + more + t->stored_bytes + t->plain_bytes;
	ret = load_events(t, p, events, e);
	if (!ret)
		ret = load_digests(t, p + events, digests, raw_digests, e);
	return ret;
}

/* Decode @n runs at t->pos. Nothing in the columns can make it leave its
 * buffers (each array covers every index that is formed, and delta moves by
 * DELTA_MAX at most), so contents are judged once, after the loop: @strays
 * has bits above a page's when any run left its page, @shapes bits that no
 * shape number has. */
static int decode(struct trace *t, u32 n, struct err *e)
{
	const u8 *lo = t->lo + t->pos, *hi = t->hi + t->pos;
	const u8 *ctl = t->ctl + t->pos, *delta = t->delta;
	const struct shape *shape = (const struct shape *)t->shapes.p;
	u32 mask = t->shape_end - 1;
	struct run *out = t->runs;
	u64 predicted[NR_STREAMS], accesses = 0, strays = 0;
	u32 shapes = 0;

	memcpy(predicted, t->predicted, sizeof(predicted));
	for (u32 i = 0; i < n; i++) {
		u32 nr = lo[i] | (u32)hi[i] << 8;
		const struct delta_class *c = &class[ctl[i] >> 5];
		const struct shape *s = &shape[nr & mask];
		u64 *p = &predicted[ctl[i] & (NR_STREAMS - 1)];
		u64 va = *p - c->bias + (get64(delta) & c->mask);

		delta += c->len;
		*p = va + s->advance;
		out[i].va = va;
		memcpy(&out[i].stride, s, RUN_TAIL_BYTES);
		accesses += s->accesses;
		strays |= (va + s->first) ^ (va + s->last);
		shapes |= nr;
	}
	memcpy(t->predicted, predicted, sizeof(predicted));
	t->delta = delta;
	t->pos += n;
	t->seen_accesses += accesses;
	if (strays >= PAGE_BYTES || (n && shapes >= t->shape_end))
		return BAD(t, e, t->block_off, "block %u: expected runs that "
			   "stay within a page, of %u shapes",
			   t->next_seq - 1, t->nr_shapes);
	if (t->pos < t->nr_runs)
		return 0;
	if (t->delta != t->delta_end || t->seen_accesses != t->block_accesses)
		return BAD(t, e, t->block_off, "block %u: expected %llu "
			   "accesses, found %llu; %td bytes left over",
			   t->next_seq - 1,
			   (unsigned long long)t->block_accesses,
			   (unsigned long long)t->seen_accesses,
			   t->delta_end - t->delta);
	return 0;
}

/* Decode the next runs of the block, into all of runs[]. */
static int decode_chunk(struct trace *t, struct err *e)
{
	u32 chunk = t->nr_runs - t->pos;
	int ret;

	if (chunk > CHUNK_RUNS)
		chunk = CHUNK_RUNS;
	ret = decode(t, chunk, e);
	t->nr_decoded = ret ? 0 : chunk;
	return ret;
}

/* The runs of the current part: they are in runs[] or ahead, since parts do not
 * cross chunks. */
static int decode_part(struct trace *t, struct trace_part *p, struct err *e)
{
	int ret = t->is_unpacked ? 0 : unpack(t, e);

	while (!ret && t->pos < t->part + p->nr_runs)
		ret = decode_chunk(t, e);
	if (!ret)
		p->runs = t->runs + (t->part - (t->pos - t->nr_decoded));
	return ret;
}

/* The digests of the @n runs of a part. */
static void take_digests(struct trace *t, struct trace_part *p)
{
	u32 n = 0;

	p->digests = t->digests.d + t->digest_pos;
	for (; n < p->nr_runs; p->nr_digests++)
		n += digest_runs(&p->digests[p->nr_digests]);
	t->digest_pos += (u32)p->nr_digests;
}

/* What is next: runs up to the end of a chunk or the next event, then the events
 * there. */
static void take_part(struct trace *t, struct trace_part *p)
{
	u32 n = CHUNK_RUNS - t->taken % CHUNK_RUNS;

	if (n > t->nr_runs - t->taken)
		n = t->nr_runs - t->taken;
	if (t->event_pos < t->nr_events &&
	    t->event_at[t->event_pos] - t->taken < n)
		n = t->event_at[t->event_pos] - t->taken;
	p->nr_runs = n;
	t->part = t->taken;
	t->taken += n;
	/* A block without events may have no array. */
	p->events = t->event ? t->event + t->event_pos : NULL;
	while (t->event_pos < t->nr_events &&
	       t->event_at[t->event_pos] == t->taken) {
		t->event_pos++;
		p->nr_events++;
	}
	if (t->digests.nr)
		take_digests(t, p);
}

static int next_part(struct trace *t, struct trace_part *p, struct err *e)
{
	int ret;

	*p = (struct trace_part){ 0 };
	if (t->broken)
		return err_set(e, -t->broken, "%s: not readable after an "
			       "earlier error", t->path);
	if (t->taken == t->nr_runs) {
		if (t->next_seq == t->info.nr_blocks)
			return check_end(t, e);
		ret = read_block(t, e);
		if (ret)
			return ret;
	}
	take_part(t, p);
	return 0;
}

static bool is_end(const struct trace_part *p)
{
	return !p->nr_runs && !p->nr_events;
}

int trace_part_runs(struct trace *t, struct trace_part *p, struct err *e)
{
	return p->runs || is_end(p) ? 0 : decode_part(t, p, e);
}

int trace_next_digests(struct trace *t, struct trace_part *p, struct err *e)
{
	int ret;

	t->wants_digests = true;
	ret = next_part(t, p, e);
	return ret || p->nr_digests ? ret : trace_part_runs(t, p, e);
}

int trace_next_part(struct trace *t, struct trace_part *p, struct err *e)
{
	int ret = next_part(t, p, e);

	return ret ? ret : trace_part_runs(t, p, e);
}

bool trace_part_check(const struct trace_part *p)
{
	const struct run *r = p->runs;

	for (size_t i = 0; i < p->nr_digests; i++) {
		if (!digest_check(&p->digests[i], r))
			return false;
		r += digest_runs(&p->digests[i]);
	}
	return true;
}

int trace_next(struct trace *t, const struct run **runs, size_t *n,
	       struct err *e)
{
	struct trace_part p;
	int ret;

	do
		ret = trace_next_part(t, &p, e);
	while (!ret && !p.nr_runs && p.nr_events);
	*runs = p.runs;
	*n = p.nr_runs;
	return ret;
}

int trace_rewind(struct trace *t, struct err *e)
{
	off_t first = (off_t)header_bytes(t->info.version);

	if (lseek(t->fd, first, SEEK_SET) < 0)
		return err_set(e, -errno, "%s: cannot rewind: %s", t->path,
			       strerror(errno));
	t->off = (u64)first;
	t->broken = 0;
	t->next_seq = 0;
	t->sum_runs = t->sum_accesses = 0;
	memset(t->sum_by_kind, 0, sizeof(t->sum_by_kind));
	t->nr_runs = t->pos = t->nr_decoded = t->taken = 0;
	t->nr_events = t->event_pos = 0;
	t->wants_digests = false;
	return 0;
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	if (t->fd >= 0)
		close(t->fd);
	ZSTD_freeDCtx(t->dctx);
	free(t->stored.p);
	free(t->columns.p);
	free(t->records.p);
	free(t->section.p);
	digests_free(&t->digests);
	free(t->event);
	free(t->event_at);
	free(t->shapes.p);
	free(t->path);
	free(t);
}
