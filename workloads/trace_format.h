/* trace_format.h - the .tlbt format: a header, then independent blocks. For
 * the reader (trace_read.c) and the writer (trace_write.c) alone.
 *
 * All numbers are little-endian. Version 2 adds events, what is marked (2), and
 * version 3 digests, what is marked (3), to version 1; a trace has the lowest
 * version that holds it, but for one of several blocks, which has version 3.
 *
 *   header, 256 bytes              block header, 48 bytes
 *     0  magic, 8 bytes              0  u32 magic "TLBB"
 *     8  u32 version                 4  u32 sequence number from 0
 *    12  u32 endianness mark         8  u32 bytes stored (one zstd frame)
 *    16  u64 XXH64 of the header    12  u32 bytes decompressed
 *            with this field 0      16  u32 plain bytes after the frame
 *    24  u64 file bytes             20  u32 runs, 1..BLOCK_RUNS
 *    32  u64 runs                   24  u32 shapes, 1..runs
 *    40  u64 accesses               28  u32 zero; (2) bytes of events
 *    48  u64 distinct pages         32  u64 accesses
 *    56  u64 blocks                 40  u64 XXH64 of all that follows in the
 *    64  u64 accesses by op, 4              block, seeded with that of 0..39
 *    96  u64 lowest byte touched    48  (3) u32 bytes stored of digests,
 *   104  u64 highest byte touched       (3) u32 the same, decompressed
 *                                  48  or 56: the frame, then the plain
 *                                      bytes, (2) then the events, (3) then
 *                                      the digests
 *   112  u64 accesses added by splits
 *   120  u64 zero; (2) events
 *   128  program name, NUL-padded
 *   256  (2) u64 events by kind, 16; the header is 384 bytes then
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
 *
 * (2) The events of a block: u32 how many (1..BLOCK_EVENTS), u32 zero, then a
 * zstd frame of as many records, in order:
 *
 *    0  u32 how many of the block's runs come before it; never decreases
 *    4  u8 kind (enum trace_event_kind), u8 prot, u16 flags
 *    8  u32 tid, u32 arg
 *   16  u64 start, u64 len, u64 new_start, u64 new_len
 *
 * What each kind uses is in trace_file.h; the rest is zero. A block with
 * events may be without runs (and shapes).
 *
 * (3) The digests of a block: a zstd frame, described in trace_digest.h. They
 * add nothing to what the columns say; who is content with them need not
 * decompress the columns. A block may be without.
 */
#ifndef WORKLOADS_TRACE_FORMAT_H
#define WORKLOADS_TRACE_FORMAT_H

#include <endian.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/types.h"
#include "workloads/trace_digest.h"

#define HEADER_BYTES 256
#define BLOCK_HEADER_BYTES 48
#define VERSION 1u                      /* without events                    */
#define VERSION_EVENTS 2u
#define VERSION_DIGESTS 3u
#define MORE_BYTES 8u                   /* more block header of version 3     */
#define EVENT_KINDS_BYTES 128           /* more header of version 2          */
#define ENDIAN_MARK 0x01020304u
#define BLOCK_MAGIC 0x42424c54u         /* "TLBB" */

#define BLOCK_RUNS 65536u               /* a shape number is 16 bits         */
#define SHAPE_BYTES 12u
#define NR_STREAMS 32u
#define DELTA_MAX 8u
#define MAX_RAW (BLOCK_RUNS * (SHAPE_BYTES + 3 + DELTA_MAX))
#define EVENT_BYTES 48u
#define EVENTS_HEADER_BYTES 8u
#define BLOCK_EVENTS 16384u
#define EVENTS_MAX (EVENTS_HEADER_BYTES + \
		    ZSTD_COMPRESSBOUND(BLOCK_EVENTS * EVENT_BYTES))
#define FRAME_MAX ZSTD_COMPRESSBOUND(MAX_RAW)
#define DIGESTS_MAX ZSTD_COMPRESSBOUND(DIGEST_MAX(BLOCK_RUNS))

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

static inline u32 get32(const void *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline u64 get64(const void *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void put16(void *p, u16 v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put32(void *p, u32 v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put64(void *p, u64 v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* Of the @bytes of a header of either version. */
static inline u64 header_sum(const u8 *h, size_t bytes)
{
	u8 copy[HEADER_BYTES + EVENT_KINDS_BYTES];

	memcpy(copy, h, bytes);
	memset(copy + 16, 0, 8);
	return XXH64(copy, bytes, 0);
}

static inline size_t header_bytes(u32 version)
{
	return HEADER_BYTES + (version == VERSION ? 0 : EVENT_KINDS_BYTES);
}

/* Of a block's header, those that its checksum takes for contents. */
static inline size_t more_bytes(u32 version)
{
	return version == VERSION_DIGESTS ? MORE_BYTES : 0;
}

static inline u64 block_sum(const u8 *h, const void *rest, size_t bytes)
{
	return XXH64(rest, bytes, XXH64(h, 40, 0));
}

#endif
