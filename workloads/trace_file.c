/* trace_file.c - the .tlbt format: a header, then independent blocks.
 *
 * All numbers are little-endian.
 *
 *   header, 256 bytes              block header, 48 bytes
 *     0  magic, 8 bytes              0  u32 magic "TLBB"
 *     8  u32 version                 4  u32 sequence number from 0
 *    12  u32 endianness mark         8  u32 bytes stored (one zstd frame)
 *    16  u64 XXH64 of the header    12  u32 bytes decompressed
 *            with this field 0      16  u32 plain bytes after the frame
 *    24  u64 file bytes             20  u32 runs, 1..BLOCK_RUNS
 *    32  u64 runs                   24  u32 shapes, 1..runs
 *    40  u64 accesses               28  u32 zero
 *    48  u64 distinct pages         32  u64 accesses
 *    56  u64 blocks                 40  u64 XXH64 of frame and plain bytes,
 *    64  u64 accesses by op, 4              seeded with that of bytes 0..39
 *    96  u64 lowest byte touched    48  the frame, then the plain bytes
 *   104  u64 highest byte touched
 *   112  u64 accesses added by splits
 *   120  u64 zero
 *   128  program name, NUL-padded
 *
 * Frame and plain bytes together are five columns, so that like sits beside like for
 * zstd and the decoder needs no branches:
 *
 *   shapes   {s32 stride, u32 count, u16 bytes, u8 op, u8 0} each, most
 *            frequent first
 *   lo, hi   a run's shape number, low and high byte, a column each
 *   ctl      a run's control byte: stream (bits 0-4), delta class (5-7)
 *   delta    class[].len bytes a run: va - predicted[stream] + class[].bias
 *
 * A stream's prediction is where its last run would have gone on; all start
 * at 0 in every block. The writer picks streams as it likes (it follows 16
 * places of the program at once: stack, heap, tables); the reader needs only
 * the number. Deltas that hardly compress are the plain bytes: decompressing
 * them would cost more than the rest of the decoder.
 */
#include "workloads/trace_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/outfile.h"

#define HEADER_BYTES 256
#define BLOCK_HEADER_BYTES 48
#define VERSION 1u
#define ENDIAN_MARK 0x01020304u
#define BLOCK_MAGIC 0x42424c54u         /* "TLBB" */

#define BLOCK_RUNS 65536u               /* a shape number is 16 bits         */
#define SHAPE_BYTES 12u
#define NR_STREAMS 32u
#define DELTA_MAX 8u
#define MAX_RAW (BLOCK_RUNS * (SHAPE_BYTES + 3 + DELTA_MAX))
#define FRAME_MAX ZSTD_COMPRESSBOUND(MAX_RAW)
#define CHUNK_RUNS 4096u                /* 96 KiB of runs: stays in the L2   */
#define ZSTD_LEVEL 6

/* Not text, and damaged by anything that treats it as text. */
static const u8 magic[8] = { 0x89, 'T', 'L', 'B', 'T', '\r', '\n', 0x1a };

/* Deltas of class n are len bytes, offset by half their range. */
static const struct delta_class {
	u64 len, mask, bias, pad;
} class[8] = {
	{ 0, 0, 0, 0 },
	{ 1, 0xff, 0x80, 0 },
	{ 2, 0xffff, 0x8000, 0 },
	{ 3, 0xffffff, 0x800000, 0 },
	{ 4, 0xffffffff, 0x80000000, 0 },
	{ 5, 0xffffffffff, 0x8000000000, 0 },
	{ 6, 0xffffffffffff, 0x800000000000, 0 },
	{ 8, ~0ull, 1ull << 63, 0 },
};

static u32 get32(const void *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static u64 get64(const void *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static void put16(void *p, u16 v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(void *p, u32 v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(void *p, u64 v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static u64 header_sum(const u8 *h)
{
	u8 copy[HEADER_BYTES];

	memcpy(copy, h, sizeof(copy));
	memset(copy + 16, 0, 8);
	return XXH64(copy, sizeof(copy), 0);
}

static u64 block_sum(const u8 *h, const void *frame, size_t bytes)
{
	return XXH64(frame, bytes, XXH64(h, 40, 0));
}

/* ---- reader ---- */

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
	u64 sum_runs, sum_accesses;     /* of the blocks read so far          */

	/* The current block: columns point into raw. */
	u32 nr_runs, nr_shapes, shape_end, pos;
	u64 block_accesses, seen_accesses;
	const u8 *lo, *hi, *ctl, *delta, *delta_end;
	u64 predicted[NR_STREAMS];

	ZSTD_DCtx *dctx;
	struct buf {
		u8 *p;
		size_t bytes;
	} stored, columns;      /* as large as the largest block so far       */
	struct shape *shape;    /* BLOCK_RUNS: any 16-bit number is in it     */
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

static int read_header(struct trace *t, struct err *e)
{
	struct trace_info *in = &t->info;
	u8 h[HEADER_BYTES];
	struct stat st;
	size_t got;
	u64 ops = 0;
	int ret;

	ret = read_full(t, h, sizeof(h), &got, e);
	if (ret)
		return ret;
	if (got < sizeof(magic))
		return BAD(t, e, got, "not a .tlbt trace: it ends within the "
			   "magic bytes (%zu of %zu)", got, sizeof(magic));
	if (memcmp(h, magic, sizeof(magic)))
		return BAD(t, e, 0, "not a .tlbt trace: expected the magic "
			   "bytes 89 54 4c 42 54 0d 0a 1a, found %02x %02x %02x "
			   "%02x %02x %02x %02x %02x", h[0], h[1], h[2], h[3],
			   h[4], h[5], h[6], h[7]);
	if (got < sizeof(h))
		return BAD(t, e, got, "truncated: expected a header of %d "
			   "bytes", HEADER_BYTES);
	if (get32(h + 12) != ENDIAN_MARK)
		return BAD(t, e, 12, "expected the byte-order mark %08x, found "
			   "%08x", ENDIAN_MARK, get32(h + 12));
	if (get32(h + 8) != VERSION)
		return BAD(t, e, 8, "expected format version %u, found %u",
			   VERSION, get32(h + 8));
	if (get64(h + 16) != header_sum(h))
		return BAD(t, e, 16, "damaged header: expected checksum "
			   "%016llx, found %016llx",
			   (unsigned long long)header_sum(h),
			   (unsigned long long)get64(h + 16));

	in->version = get32(h + 8);
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
	memcpy(in->program, h + 128, TRACE_NAME_MAX);
	if (in->program[TRACE_NAME_MAX - 1])
		return BAD(t, e, 128, "expected a program name that ends "
			   "within %d bytes", TRACE_NAME_MAX);
	if (in->nr_runs > in->nr_accesses || in->nr_pages > in->nr_runs ||
	    in->nr_splits > in->nr_accesses || ops != in->nr_accesses ||
	    in->nr_blocks > in->nr_runs)
		return BAD(t, e, 32, "counts that contradict each other: "
			   "%llu runs, %llu accesses, %llu pages",
			   (unsigned long long)in->nr_runs,
			   (unsigned long long)in->nr_accesses,
			   (unsigned long long)in->nr_pages);
	if (!fstat(t->fd, &st) && S_ISREG(st.st_mode) &&
	    (u64)st.st_size != in->file_bytes)
		return BAD(t, e, st.st_size, "%s: expected %llu bytes",
			   (u64)st.st_size < in->file_bytes ?
			   "truncated" : "more after the end of the trace",
			   (unsigned long long)in->file_bytes);
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
	u32 i;

	for (i = 0; i < t->nr_shapes; i++, p += SHAPE_BYTES) {
		struct shape *s = &t->shape[i];
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
		t->shape[i] = none;
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

static int read_block(struct trace *t, struct err *e)
{
	u8 h[BLOCK_HEADER_BYTES];
	u32 stored, raw, plain;
	size_t got, fixed;
	int ret;

	t->block_off = t->off;
	ret = read_full(t, h, sizeof(h), &got, e);
	if (ret)
		return ret;
	if (got < sizeof(h))
		return BAD(t, e, t->off, "truncated: expected the header of "
			   "block %u of %llu", t->next_seq,
			   (unsigned long long)t->info.nr_blocks);
	stored = get32(h + 8);
	raw = get32(h + 12);
	plain = get32(h + 16);
	t->nr_runs = get32(h + 20);
	t->nr_shapes = get32(h + 24);
	t->block_accesses = get64(h + 32);
	if (get32(h) != BLOCK_MAGIC || get32(h + 4) != t->next_seq)
		return BAD(t, e, t->block_off, "expected the start of block "
			   "%u", t->next_seq);
	fixed = (size_t)t->nr_shapes * SHAPE_BYTES + (size_t)t->nr_runs * 3;
	if (!stored || stored > FRAME_MAX ||
	    !t->nr_runs || t->nr_runs > BLOCK_RUNS ||
	    !t->nr_shapes || t->nr_shapes > t->nr_runs ||
	    raw < fixed ||
	    (u64)raw + plain > fixed + (size_t)t->nr_runs * DELTA_MAX)
		return BAD(t, e, t->block_off, "block %u: impossible sizes: "
			   "%u bytes stored, %u decompressed, %u plain, %u runs, "
			   "%u shapes", t->next_seq, stored, raw, plain,
			   t->nr_runs, t->nr_shapes);
	ret = grow(t, &t->stored, stored + plain, e);
	if (!ret)
		ret = read_full(t, t->stored.p, stored + plain, &got, e);
	if (ret)
		return ret;
	if (got < stored + plain)
		return BAD(t, e, t->off, "truncated: expected %u bytes more of "
			   "block %u", (u32)(stored + plain - got),
			   t->next_seq);
	if (get64(h + 40) != block_sum(h, t->stored.p, stored + plain))
		return BAD(t, e, t->block_off, "damaged block %u: expected "
			   "checksum %016llx, found %016llx", t->next_seq,
			   (unsigned long long)block_sum(h, t->stored.p,
							 stored + plain),
			   (unsigned long long)get64(h + 40));
	/* The decoder takes DELTA_MAX bytes a run at most, and loads that many
	 * where the last run begins: however wrong the control bytes are, it
	 * stays within this. */
	ret = grow(t, &t->columns, fixed + (t->nr_runs + 1ul) * DELTA_MAX, e);
	if (ret)
		return ret;
	if (!t->shape)
		t->shape = calloc(BLOCK_RUNS, sizeof(*t->shape));
	if (!t->shape)
		return trace_fail(t, err_set(e, -ENOMEM, "%s: out of memory",
					     t->path));
	got = ZSTD_decompressDCtx(t->dctx, t->columns.p, raw, t->stored.p,
				  stored);
	if (ZSTD_isError(got) || got != raw)
		return BAD(t, e, t->block_off + BLOCK_HEADER_BYTES, "block %u: "
			   "expected a zstd frame of %u bytes: %s",
			   t->next_seq, raw, ZSTD_isError(got) ?
			   ZSTD_getErrorName(got) : "found another length");
	memcpy(t->columns.p + raw, t->stored.p + stored, plain);
	t->next_seq++;
	ret = load_shapes(t, t->columns.p, e);
	if (ret)
		return ret;

	t->lo = t->columns.p + (size_t)t->nr_shapes * SHAPE_BYTES;
	t->hi = t->lo + t->nr_runs;
	t->ctl = t->hi + t->nr_runs;
	t->delta = t->ctl + t->nr_runs;
	t->delta_end = t->columns.p + raw + plain;
	memset(t->predicted, 0, sizeof(t->predicted));
	t->pos = 0;
	t->seen_accesses = 0;
	t->sum_runs += t->nr_runs;
	t->sum_accesses += t->block_accesses;
	return 0;
}

/* Decode @n runs at t->pos. Nothing in the columns can make it leave its
 * buffers (each array covers every index a byte can form, and delta moves by
 * DELTA_MAX at most), so contents are judged once, after the loop: @strays
 * has bits above a page's when any run left its page, @shapes bits that no
 * shape number has. */
static int decode(struct trace *t, u32 n, struct err *e)
{
	const u8 *lo = t->lo + t->pos, *hi = t->hi + t->pos;
	const u8 *ctl = t->ctl + t->pos, *delta = t->delta;
	const struct shape *shape = t->shape;
	struct run *out = t->runs;
	u64 predicted[NR_STREAMS], accesses = 0, strays = 0;
	u32 shapes = 0;

	memcpy(predicted, t->predicted, sizeof(predicted));
	for (u32 i = 0; i < n; i++) {
		u32 nr = lo[i] | (u32)hi[i] << 8;
		const struct delta_class *c = &class[ctl[i] >> 5];
		const struct shape *s = &shape[nr];
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
	if (strays >= PAGE_BYTES || shapes >= t->shape_end)
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

int trace_next(struct trace *t, const struct run **runs, size_t *n,
	       struct err *e)
{
	u32 chunk;
	int ret;

	*n = 0;
	*runs = t->runs;
	if (t->broken)
		return err_set(e, -t->broken, "%s: not readable after an "
			       "earlier error", t->path);
	if (t->pos == t->nr_runs) {
		if (t->next_seq == t->info.nr_blocks)
			return check_end(t, e);
		ret = read_block(t, e);
		if (ret)
			return ret;
	}
	chunk = t->nr_runs - t->pos;
	if (chunk > CHUNK_RUNS)
		chunk = CHUNK_RUNS;
	ret = decode(t, chunk, e);
	if (!ret)
		*n = chunk;
	return ret;
}

int trace_rewind(struct trace *t, struct err *e)
{
	if (lseek(t->fd, HEADER_BYTES, SEEK_SET) < 0)
		return err_set(e, -errno, "%s: cannot rewind: %s", t->path,
			       strerror(errno));
	t->off = HEADER_BYTES;
	t->broken = 0;
	t->next_seq = 0;
	t->sum_runs = t->sum_accesses = 0;
	t->nr_runs = t->pos = 0;
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
	free(t->shape);
	free(t->path);
	free(t);
}

/* ---- the set of touched pages ---- */

/* Open addressing; an entry covers 64 neighbouring pages. bits == 0: free. */
struct page_set {
	struct page_group {
		u64 key, bits;
	} *slot;
	u32 shift;              /* 64 - log2(slots)                           */
	u64 used;
};

static struct page_group *page_group(const struct page_set *s, u64 key)
{
	u64 mask = ~0ull >> s->shift;
	u64 i = (key * 0x9e3779b97f4a7c15ull) >> s->shift;

	while (s->slot[i].bits && s->slot[i].key != key)
		i = (i + 1) & mask;
	return &s->slot[i];
}

static int page_set_grow(struct page_set *s)
{
	struct page_set big = { .shift = s->slot ? s->shift - 1 : 54 };
	u64 nr = s->slot ? (~0ull >> s->shift) + 1 : 0;

	big.slot = calloc((~0ull >> big.shift) + 1, sizeof(*big.slot));
	if (!big.slot)
		return -ENOMEM;
	for (u64 i = 0; i < nr; i++)
		if (s->slot[i].bits)
			*page_group(&big, s->slot[i].key) = s->slot[i];
	big.used = s->used;
	free(s->slot);
	*s = big;
	return 0;
}

/* Return: 1 when @vpn is new, 0 when not, -ENOMEM. */
static int page_set_add(struct page_set *s, u64 vpn)
{
	struct page_group *g;
	u64 bit = 1ull << (vpn & 63);

	if (!s->slot || s->used > (~0ull >> s->shift) / 2) {
		int ret = page_set_grow(s);

		if (ret)
			return ret;
	}
	g = page_group(s, vpn >> 6);
	if (g->bits & bit)
		return 0;
	if (!g->bits) {
		g->key = vpn >> 6;
		s->used++;
	}
	g->bits |= bit;
	return 1;
}

/* ---- writer ---- */

#define WRITER_STREAMS 16u
#define SHAPE_HASH_BITS 17      /* at most half full                          */

struct shape_count {
	struct run shape;       /* va 0                                       */
	u32 count, first;       /* uses in this block, order of appearance    */
};

struct trace_writer {
	struct trace_info info;
	struct outfile out;
	bool is_broken;
	bool has_pending;
	struct run pending;     /* still growing; not in runs                 */
	u64 off;
	struct page_set pages;

	u32 nr_runs;
	u64 block_accesses;
	struct run runs[BLOCK_RUNS];

	/* Scratch of one block. */
	u32 nr_shapes;
	struct shape_count shapes[BLOCK_RUNS];
	u32 hash[1 << SHAPE_HASH_BITS];         /* shape number + 1, 0 free   */
	u32 run_shape[BLOCK_RUNS];
	u32 rank[BLOCK_RUNS];
	ZSTD_CCtx *cctx;
	u8 *raw, *stored, *other;
};

static int writer_fail(struct trace_writer *w, int errnum, struct err *e)
{
	w->is_broken = true;
	return err_set(e, -errnum, "%s: cannot write: %s", w->out.path,
		       strerror(errnum));
}

static int write_full(struct trace_writer *w, const void *buf, size_t bytes,
		      struct err *e)
{
	errno = 0;
	if (fwrite(buf, 1, bytes, w->out.f) != bytes)
		return writer_fail(w, errno ? errno : EIO, e);
	w->off += bytes;
	return 0;
}

static void writer_free(struct trace_writer *w)
{
	outfile_discard(&w->out);
	ZSTD_freeCCtx(w->cctx);
	free(w->raw);
	free(w->other);
	free(w->stored);
	free(w->pages.slot);
	free(w);
}

int trace_writer_create(struct trace_writer **out, const char *path,
			struct err *e)
{
	static const u8 zero[HEADER_BYTES];
	struct trace_writer *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	w->info.version = VERSION;
	w->info.va_min = ~0ull;
	ret = outfile_open(&w->out, path, e);
	if (ret) {
		free(w);
		return ret;
	}
	w->cctx = ZSTD_createCCtx();
	w->raw = malloc(MAX_RAW + DELTA_MAX);
	w->stored = malloc(FRAME_MAX + BLOCK_RUNS * DELTA_MAX);
	w->other = malloc(FRAME_MAX);
	if (!w->cctx || !w->raw || !w->stored || !w->other) {
		ret = err_set(e, -ENOMEM, "%s: out of memory", path);
		goto err_free;
	}
	/* The header is written last: until then this is no trace. */
	ret = write_full(w, zero, sizeof(zero), e);
	if (ret)
		goto err_free;
	*out = w;
	return 0;

err_free:
	writer_free(w);
	return ret;
}

void trace_writer_set_program(struct trace_writer *w, const char *program)
{
	memset(w->info.program, 0, sizeof(w->info.program));
	memcpy(w->info.program, program,
	       strnlen(program, TRACE_NAME_MAX - 1));
}

static bool same_shape(const struct run *a, const struct run *b)
{
	return a->stride == b->stride && a->count == b->count &&
	       a->bytes == b->bytes && a->op == b->op;
}

static u32 find_shape(struct trace_writer *w, const struct run *r)
{
	u64 key = ((u64)r->stride << 48) ^ ((u64)r->count << 20) ^
		  ((u64)r->bytes << 2) ^ r->op;
	u32 mask = (1u << SHAPE_HASH_BITS) - 1;
	u32 i = (key * 0x9e3779b97f4a7c15ull) >> (64 - SHAPE_HASH_BITS);

	for (; w->hash[i]; i = (i + 1) & mask)
		if (same_shape(&w->shapes[w->hash[i] - 1].shape, r))
			return w->hash[i] - 1;
	w->shapes[w->nr_shapes] = (struct shape_count){
		.shape = *r, .first = w->nr_shapes,
	};
	w->hash[i] = ++w->nr_shapes;
	return w->nr_shapes - 1;
}

static int by_use(const void *pa, const void *pb)
{
	const struct shape_count *a = pa, *b = pb;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

/* The stream whose prediction is nearest @va or, when none is within 32 KiB,
 * the one that was used least lately. */
static u32 pick_stream(const u64 *predicted, const u32 *used, u64 va)
{
	u32 near = 0, old = 0;
	u64 best = ~0ull;

	for (u32 s = 0; s < WRITER_STREAMS; s++) {
		s64 d = va - predicted[s];
		u64 far = d < 0 ? ~(u64)d : (u64)d;

		if (far < best) {
			best = far;
			near = s;
		}
		if (used[s] < used[old])
			old = s;
	}
	return best < 1 << 15 ? near : old;
}

/* Return: bytes of all columns, the last *@delta_bytes of them deltas. */
static size_t encode(struct trace_writer *w, size_t *delta_bytes)
{
	u64 predicted[WRITER_STREAMS] = { 0 };
	u32 used[WRITER_STREAMS] = { 0 };
	u32 n = w->nr_runs;
	u8 *p = w->raw, *lo, *hi, *ctl;

	memset(w->hash, 0, sizeof(w->hash));
	w->nr_shapes = 0;
	for (u32 i = 0; i < n; i++) {
		w->run_shape[i] = find_shape(w, &w->runs[i]);
		w->shapes[w->run_shape[i]].count++;
	}
	qsort(w->shapes, w->nr_shapes, sizeof(w->shapes[0]), by_use);
	for (u32 i = 0; i < w->nr_shapes; i++, p += SHAPE_BYTES) {
		const struct run *s = &w->shapes[i].shape;

		w->rank[w->shapes[i].first] = i;
		put32(p, (u32)s->stride);
		put32(p + 4, s->count);
		put16(p + 8, s->bytes);
		p[10] = s->op;
		p[11] = 0;
	}
	lo = p;
	hi = lo + n;
	ctl = hi + n;
	p = ctl + n;
	for (u32 i = 0; i < n; i++) {
		const struct run *r = &w->runs[i];
		u32 nr = w->rank[w->run_shape[i]];
		u32 s = pick_stream(predicted, used, r->va);
		u64 d = r->va - predicted[s];
		u32 k = 0;

		while ((d + class[k].bias) & ~class[k].mask)
			k++;
		lo[i] = nr;
		hi[i] = nr >> 8;
		ctl[i] = s | k << 5;
		put64(p, d + class[k].bias);
		p += class[k].len;
		predicted[s] = r->va + (u64)r->stride * r->count;
		used[s] = i + 1;
	}
	*delta_bytes = p - (ctl + n);
	return p - w->raw;
}

static int write_block(struct trace_writer *w, struct err *e)
{
	u8 h[BLOCK_HEADER_BYTES];
	size_t raw, stored, deltas, plain = 0;
	int ret;

	if (!w->nr_runs)
		return 0;
	if (w->info.nr_blocks > UINT32_MAX)
		return writer_fail(w, EFBIG, e);
	raw = encode(w, &deltas);
	stored = ZSTD_compressCCtx(w->cctx, w->stored, FRAME_MAX, w->raw, raw,
				   ZSTD_LEVEL);
	if (!ZSTD_isError(stored) && stored > raw / 2) {
		size_t without = ZSTD_compressCCtx(w->cctx, w->other, FRAME_MAX,
						   w->raw, raw - deltas,
						   ZSTD_LEVEL);

		/* An eighth more to store buys twice the decoding speed. */
		if (!ZSTD_isError(without) &&
		    without + deltas <= stored + stored / 8) {
			memcpy(w->stored, w->other, without);
			memcpy(w->stored + without, w->raw + raw - deltas,
			       deltas);
			stored = without;
			raw -= deltas;
			plain = deltas;
		}
	}
	if (ZSTD_isError(stored))
		return writer_fail(w, ENOMEM, e);
	put32(h, BLOCK_MAGIC);
	put32(h + 4, w->info.nr_blocks);
	put32(h + 8, stored);
	put32(h + 12, raw);
	put32(h + 16, plain);
	put32(h + 20, w->nr_runs);
	put32(h + 24, w->nr_shapes);
	put32(h + 28, 0);
	put64(h + 32, w->block_accesses);
	put64(h + 40, block_sum(h, w->stored, stored + plain));
	ret = write_full(w, h, sizeof(h), e);
	if (!ret)
		ret = write_full(w, w->stored, stored + plain, e);
	w->info.nr_blocks++;
	w->nr_runs = 0;
	w->block_accesses = 0;
	return ret;
}

static int push_pending(struct trace_writer *w, struct err *e)
{
	if (!w->has_pending)
		return 0;
	w->has_pending = false;
	w->runs[w->nr_runs++] = w->pending;
	w->block_accesses += w->pending.count;
	return w->nr_runs == BLOCK_RUNS ? write_block(w, e) : 0;
}

/* Begin a new run, which stays inside one page. */
static int start_run(struct trace_writer *w, const struct run *r,
		     struct err *e)
{
	int ret = push_pending(w, e);

	if (ret)
		return ret;
	ret = page_set_add(&w->pages, r->va >> PAGE_SHIFT);
	if (ret < 0)
		return writer_fail(w, -ret, e);
	w->info.nr_pages += ret;
	w->info.nr_runs++;
	w->pending = *r;
	w->has_pending = true;
	return 0;
}

/* Account for bytes [@va, @last], touched by @count accesses. */
static void note(struct trace_writer *w, u64 va, u64 last, u32 count, u8 op)
{
	if (va < w->info.va_min)
		w->info.va_min = va;
	if (last > w->info.va_last)
		w->info.va_last = last;
	w->info.nr_accesses += count;
	w->info.nr_by_op[op] += count;
}

static int append_in_page(struct trace_writer *w, u64 va, u32 bytes, u8 op,
			  struct err *e)
{
	struct run *p = &w->pending;

	note(w, va, va + bytes - 1, 1, op);
	if (w->has_pending && p->op == op && p->bytes == bytes &&
	    p->va >> PAGE_SHIFT == va >> PAGE_SHIFT) {
		if (p->count == 1) {
			p->stride = va - p->va;
			p->count = 2;
			return 0;
		}
		if (va == p->va + (u64)p->stride * p->count &&
		    p->count < UINT32_MAX) {
			p->count++;
			return 0;
		}
	}
	return start_run(w, &(struct run){
		.va = va, .count = 1, .bytes = bytes, .op = op,
	}, e);
}

int trace_writer_append(struct trace_writer *w, u64 va, u32 bytes,
			enum run_op op, struct err *e)
{
	if (w->is_broken)
		return err_set(e, -EIO, "%s: not writable after an earlier "
			       "error", w->out.path);
	if (!bytes || va + (bytes - 1) < va || (u32)op >= TRACE_NR_OPS)
		return err_set(e, -EINVAL, "%s: no such access: %u bytes at "
			       "%llx, op %u", w->out.path, bytes,
			       (unsigned long long)va, (u32)op);
	for (;;) {
		u32 room = PAGE_BYTES - (va & (PAGE_BYTES - 1));
		int ret;

		if (likely(bytes <= room))
			return append_in_page(w, va, bytes, op, e);
		ret = append_in_page(w, va, room, op, e);
		if (ret)
			return ret;
		w->info.nr_splits++;
		va += room;
		bytes -= room;
	}
}

int trace_writer_append_run(struct trace_writer *w, const struct run *r,
			    struct err *e)
{
	s64 in_page = r->va & (PAGE_BYTES - 1);
	s64 span;

	/* Strides and counts within bounds first: then span cannot wrap. */
	if (r->count > 1 && !w->is_broken && r->bytes && r->op < TRACE_NR_OPS &&
	    r->stride > -(s64)PAGE_BYTES && r->stride < (s64)PAGE_BYTES) {
		span = r->stride * (s64)(r->count - 1);
		if (in_page + span >= 0 && in_page + r->bytes <= (s64)PAGE_BYTES &&
		    in_page + span + r->bytes <= (s64)PAGE_BYTES) {
			u64 end = r->va + span;

			note(w, span < 0 ? end : r->va,
			     (span < 0 ? r->va : end) + r->bytes - 1,
			     r->count, r->op);
			return start_run(w, r, e);
		}
	}
	for (u32 i = 0; i < r->count; i++) {
		int ret = trace_writer_append(w, r->va + (u64)r->stride * i,
					      r->bytes, r->op, e);

		if (ret)
			return ret;
	}
	return 0;
}

const struct trace_info *trace_writer_info(struct trace_writer *w)
{
	return &w->info;
}

static int write_header(struct trace_writer *w, struct err *e)
{
	const struct trace_info *in = &w->info;
	u8 h[HEADER_BYTES] = { 0 };

	memcpy(h, magic, sizeof(magic));
	put32(h + 8, VERSION);
	put32(h + 12, ENDIAN_MARK);
	put64(h + 24, w->off);
	put64(h + 32, in->nr_runs);
	put64(h + 40, in->nr_accesses);
	put64(h + 48, in->nr_pages);
	put64(h + 56, in->nr_blocks);
	for (int i = 0; i < TRACE_NR_OPS; i++)
		put64(h + 64 + 8 * i, in->nr_by_op[i]);
	put64(h + 96, in->nr_accesses ? in->va_min : 0);
	put64(h + 104, in->va_last);
	put64(h + 112, in->nr_splits);
	memcpy(h + 128, in->program, TRACE_NAME_MAX);
	put64(h + 16, header_sum(h));
	if (fseeko(w->out.f, 0, SEEK_SET))
		return writer_fail(w, errno, e);
	return write_full(w, h, sizeof(h), e);
}

int trace_writer_close(struct trace_writer *w, struct err *e)
{
	int ret;

	if (w->is_broken)
		ret = err_set(e, -EIO, "%s: not written: an earlier error",
			      w->out.path);
	else
		ret = push_pending(w, e);
	if (!ret)
		ret = write_block(w, e);
	if (!ret)
		ret = write_header(w, e);
	if (!ret)
		ret = outfile_commit(&w->out, e);
	writer_free(w);
	return ret;
}

void trace_writer_abort(struct trace_writer *w)
{
	if (w)
		writer_free(w);
}
