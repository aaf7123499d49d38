/* trace_write.c - write .tlbt files: accesses become runs, runs become blocks
 * of columns. */
#include "workloads/trace_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/outfile.h"
#include "workloads/page_set.h"
#include "workloads/trace_format.h"

#define ZSTD_LEVEL 6
#define DIGEST_LEVEL 19         /* they are a tenth of the columns, or less    */
#define WRITER_STREAMS 16u
#define FIRST_ROOM 1024u        /* runs, a power of two                       */

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

	u32 nr_runs, room;      /* room: 0 or a power of two, BLOCK_RUNS most */
	u64 block_accesses;
	struct run *runs;
	u32 nr_events;
	u8 *records;            /* BLOCK_EVENTS * EVENT_BYTES; NULL: none yet */
	u32 *event_at;          /* BLOCK_EVENTS                               */
	bool is_last_block;

	/* Scratch of one block, for as many runs as the largest so far. */
	u32 scratch_room;       /* runs, a power of two                       */
	u32 nr_shapes;
	struct shape_count *shapes;
	u32 *hash;              /* 2 * scratch_room: shape number + 1, 0 free */
	u32 *run_shape, *rank;
	ZSTD_CCtx *cctx;
	struct digest_maker *digests;   /* NULL: no block needed it so far    */
	u8 *raw, *other;
	u8 *stored;             /* all of a block after its header            */
	size_t stored_bytes;    /* room there                                 */
	u8 *frame;              /* stored, less what is seldom there          */
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

static void free_scratch(struct trace_writer *w)
{
	free(w->shapes);
	free(w->hash);
	free(w->run_shape);
	free(w->rank);
	free(w->raw);
	free(w->other);
	w->shapes = NULL;
	w->hash = w->run_shape = w->rank = NULL;
	w->raw = w->other = NULL;
	w->scratch_room = 0;
}

static void writer_free(struct trace_writer *w)
{
	outfile_discard(&w->out);
	ZSTD_freeCCtx(w->cctx);
	free_scratch(w);
	free(w->runs);
	free(w->stored);
	digest_maker_free(w->digests);
	free(w->records);
	free(w->event_at);
	page_set_free(&w->pages);
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
	if (!w->cctx) {
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
	u32 mask = 2 * w->scratch_room - 1;     /* at most half full */
	u32 i = (u32)(key * 0x9e3779b97f4a7c15ull >>
		      (64 - __builtin_ctz(mask + 1)));

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

	memset(w->hash, 0, 2 * w->scratch_room * sizeof(*w->hash));
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

static size_t raw_max(u32 runs)
{
	return (size_t)runs * (SHAPE_BYTES + 3 + DELTA_MAX);
}

static size_t frame_max(u32 runs)
{
	return ZSTD_COMPRESSBOUND(raw_max(runs));
}

static size_t events_max(u32 events)
{
	return EVENTS_HEADER_BYTES +
	       ZSTD_COMPRESSBOUND((size_t)events * EVENT_BYTES);
}

static size_t digests_max(u32 runs)
{
	return ZSTD_COMPRESSBOUND(DIGEST_MAX(runs));
}

static int make_columns(struct trace_writer *w, u32 runs)
{
	if (runs <= w->scratch_room)
		return 0;
	free_scratch(w);
	w->shapes = reallocarray(NULL, runs, sizeof(*w->shapes));
	w->hash = reallocarray(NULL, runs, 2 * sizeof(*w->hash));
	w->run_shape = reallocarray(NULL, runs, sizeof(*w->run_shape));
	w->rank = reallocarray(NULL, runs, sizeof(*w->rank));
	w->raw = malloc(raw_max(runs) + DELTA_MAX);
	w->other = malloc(frame_max(runs));
	if (!w->shapes || !w->hash || !w->run_shape || !w->rank || !w->raw ||
	    !w->other)
		return -ENOMEM;
	w->scratch_room = runs;
	return 0;
}

/* Room for the block as it is: who imports a few lines need not pay for a whole
 * one. */
static int make_scratch(struct trace_writer *w)
{
	u32 runs = w->room ? w->room : FIRST_ROOM;
	size_t bytes = MORE_BYTES + frame_max(runs) + runs * DELTA_MAX +
		(w->nr_events ? events_max(w->nr_events) : 0) +
		digests_max(runs);
	int ret = make_columns(w, runs);

	if (!ret && bytes > w->stored_bytes) {
		free(w->stored);
		w->stored = malloc(bytes);
		w->stored_bytes = w->stored ? bytes : 0;
		w->frame = w->stored ? w->stored + MORE_BYTES : NULL;
	}
	if (!ret && !w->digests && w->nr_runs >= DIGEST_MIN_RUNS)
		w->digests = digest_maker_new();
	return !ret && w->stored &&
	       (w->digests || w->nr_runs < DIGEST_MIN_RUNS) ? 0 : -ENOMEM;
}

/* The events of the block, to @p. Return: bytes, 0 without events, or an error
 * code of zstd. */
static size_t encode_events(struct trace_writer *w, u8 *p)
{
	size_t n;

	if (!w->nr_events)
		return 0;
	put32(p, w->nr_events);
	put32(p + 4, 0);
	n = ZSTD_compressCCtx(w->cctx, p + EVENTS_HEADER_BYTES,
			      events_max(w->nr_events) - EVENTS_HEADER_BYTES,
			      w->records,
			      (size_t)w->nr_events * EVENT_BYTES, ZSTD_LEVEL);
	return ZSTD_isError(n) ? n : n + EVENTS_HEADER_BYTES;
}

/* The columns of the block, to w->frame: a frame of *@stored bytes, of *@raw
 * decompressed, and *@plain bytes. Return: 0, or an error code of zstd. */
static size_t compress_columns(struct trace_writer *w, size_t *stored,
			       size_t *raw, size_t *plain)
{
	size_t deltas, without, room = frame_max(w->scratch_room);

	*raw = encode(w, &deltas);
	*plain = 0;
	*stored = ZSTD_compressCCtx(w->cctx, w->frame, room, w->raw, *raw,
				    ZSTD_LEVEL);
	if (ZSTD_isError(*stored))
		return *stored;
	if (*stored <= *raw / 2)
		return 0;
	without = ZSTD_compressCCtx(w->cctx, w->other, room, w->raw,
				    *raw - deltas, ZSTD_LEVEL);
	/* An eighth more to store buys twice the decoding speed. */
	if (!ZSTD_isError(without) && without + deltas <= *stored + *stored / 8) {
		memcpy(w->frame, w->other, without);
		memcpy(w->frame + without, w->raw + *raw - deltas, deltas);
		*stored = without;
		*raw -= deltas;
		*plain = deltas;
	}
	return 0;
}

/* The digests of the block, to @p, *@raw bytes before compression. Return:
 * bytes, 0 without digests, or an error code of zstd. */
static size_t encode_digests(struct trace_writer *w, u8 *p, size_t *raw)
{
	const u8 *section;

	*raw = 0;
	if (!w->digests)
		return 0;
	*raw = digest_make(w->digests, w->runs, w->nr_runs, w->event_at,
			   w->nr_events, &section);
	return *raw ? ZSTD_compressCCtx(w->cctx, p, digests_max(w->nr_runs),
					section, *raw, DIGEST_LEVEL) : 0;
}

/* More of the header than there is so far, none of which is right yet. */
static int raise_version(struct trace_writer *w, u32 version, struct err *e)
{
	static const u8 zero[EVENT_KINDS_BYTES];
	size_t more = header_bytes(version) - header_bytes(w->info.version);

	w->info.version = version;
	return write_full(w, zero, more, e);
}

static int write_block(struct trace_writer *w, struct err *e)
{
	u8 h[BLOCK_HEADER_BYTES];
	size_t raw, stored, plain, events, digests, digests_raw, more, rest;
	int ret = 0;

	if (!w->nr_runs && !w->nr_events)
		return 0;
	if (w->info.nr_blocks > UINT32_MAX)
		return writer_fail(w, EFBIG, e);
	if (make_scratch(w))
		return writer_fail(w, ENOMEM, e);
	if (compress_columns(w, &stored, &raw, &plain))
		return writer_fail(w, ENOMEM, e);
	events = encode_events(w, w->frame + stored + plain);
	if (ZSTD_isError(events))
		return writer_fail(w, ENOMEM, e);
	digests = encode_digests(w, w->frame + stored + plain + events,
				 &digests_raw);
	if (ZSTD_isError(digests))
		return writer_fail(w, ENOMEM, e);
	/* Whether a later block has digests is not known yet. */
	if (!w->info.nr_blocks && (digests || !w->is_last_block))
		ret = raise_version(w, VERSION_DIGESTS, e);
	if (ret)
		return ret;
	more = more_bytes(w->info.version);
	rest = more + stored + plain + events + digests;
	put32(h, BLOCK_MAGIC);
	put32(h + 4, w->info.nr_blocks);
	put32(h + 8, stored);
	put32(h + 12, raw);
	put32(h + 16, plain);
	put32(h + 20, w->nr_runs);
	put32(h + 24, w->nr_shapes);
	put32(h + 28, events);
	put64(h + 32, w->block_accesses);
	put32(w->stored, digests);
	put32(w->stored + 4, digests_raw);
	put64(h + 40, block_sum(h, w->frame - more, rest));
	ret = write_full(w, h, sizeof(h), e);
	if (!ret)
		ret = write_full(w, w->frame - more, rest, e);
	w->info.nr_blocks++;
	w->nr_runs = w->nr_events = 0;
	w->block_accesses = 0;
	return ret;
}

static int push_pending(struct trace_writer *w, struct err *e)
{
	if (!w->has_pending)
		return 0;
	if (GROW(w->runs, w->nr_runs, w->room, FIRST_ROOM))
		return writer_fail(w, ENOMEM, e);
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

static void put_event(u8 *p, const struct trace_event *ev, u32 at)
{
	put32(p, at);
	p[4] = ev->kind;
	p[5] = ev->prot;
	put16(p + 6, ev->flags);
	put32(p + 8, ev->tid);
	put32(p + 12, ev->arg);
	put64(p + 16, ev->start);
	put64(p + 24, ev->len);
	put64(p + 32, ev->new_start);
	put64(p + 40, ev->new_len);
}

int trace_writer_event(struct trace_writer *w, const struct trace_event *ev,
		       struct err *e)
{
	const char *expected = trace_event_check(ev);
	int ret;

	if (w->is_broken)
		return err_set(e, -EIO, "%s: not writable after an earlier "
			       "error", w->out.path);
	if (expected)
		return err_set(e, -EINVAL, "%s: no such event: expected %s",
			       w->out.path, expected);
	if (w->info.version < VERSION_EVENTS) {
		ret = raise_version(w, VERSION_EVENTS, e);
		if (ret)
			return ret;
	}
	if (!w->records) {
		w->records = malloc(BLOCK_EVENTS * EVENT_BYTES);
		w->event_at = malloc(BLOCK_EVENTS * sizeof(*w->event_at));
		if (!w->records || !w->event_at)
			return writer_fail(w, ENOMEM, e);
	}
	ret = push_pending(w, e);
	if (ret)
		return ret;
	put_event(w->records + (size_t)w->nr_events * EVENT_BYTES, ev,
		  w->nr_runs);
	w->event_at[w->nr_events] = w->nr_runs;
	w->info.nr_events++;
	w->info.nr_by_kind[ev->kind]++;
	return ++w->nr_events == BLOCK_EVENTS ? write_block(w, e) : 0;
}

u64 trace_writer_bytes(const struct trace_writer *w)
{
	return w->off;
}

const struct trace_info *trace_writer_info(struct trace_writer *w)
{
	return &w->info;
}

static int write_header(struct trace_writer *w, struct err *e)
{
	const struct trace_info *in = &w->info;
	u8 h[HEADER_BYTES + EVENT_KINDS_BYTES] = { 0 };
	size_t bytes = header_bytes(in->version);

	memcpy(h, magic, sizeof(magic));
	put32(h + 8, in->version);
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
	put64(h + 120, in->nr_events);
	memcpy(h + 128, in->program, TRACE_NAME_MAX);
	for (u32 i = 0; i < TRACE_NR_EVENT_KINDS; i++)
		put64(h + HEADER_BYTES + 8 * i, in->nr_by_kind[i]);
	put64(h + 16, header_sum(h, bytes));
	if (fseeko(w->out.f, 0, SEEK_SET))
		return writer_fail(w, errno, e);
	return write_full(w, h, bytes, e);
}

int trace_writer_close(struct trace_writer *w, struct err *e)
{
	int ret;

	if (w->is_broken)
		ret = err_set(e, -EIO, "%s: not written: an earlier error",
			      w->out.path);
	else
		ret = push_pending(w, e);
	w->is_last_block = true;
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
