/* trace_digest.h - the digests of a block of a trace: made by the writer, taken
 * apart by the reader. For trace_read.c and trace_write.c alone; who replays
 * has struct run_digest (base/types.h).
 *
 * A program goes to and fro between a few pages, so a run of accesses to one
 * page is short, but hundreds of runs in a row stay among a dozen pages. Those
 * the writer sums up. It follows the pages in use as a small TLB would
 * (DIGEST_SETS sets of DIGEST_WAYS, LRU, apart for data and code, stores wanting
 * a page that was stored to); what that TLB misses is a digest's lead. So in a
 * real TLB that is larger, leads miss and the rest hits. A tree-PLRU set of four
 * ways never evicts one of the three used last, so one of 16 sets holds whatever
 * this one holds.
 *
 * A digest stays within a part as the reader gives them out, and does not cross
 * a multiple of TRACE_BATCH runs from where its part begins.
 *
 * The section, before compression, all numbers little-endian:
 *
 *    0  u32 digests, 1..runs of the block
 *    4  u32 bytes of heads
 *    8  u32 bytes of uses
 *   12  u32 zero
 *   16  heads, one for each digest: numbers of seven bits a byte, the lowest
 *       first, bit 7 in all but the last
 *         runs << 1 | has a lead
 *         if it has: slot, op, count
 *         if runs: loads, stores, fetches, uses
 *       uses, a byte each: slot | 128 for a store; in the order in which they
 *       were used for the last time
 *       pages, one for each lead: its vpn less the last one's (0 at first) as
 *       such a number, twice that or, if negative, twice the other sign less 1
 *
 * A lead puts its page into its slot (0..DIGEST_SLOTS - 1) for the rest of the
 * block, for code if it is a fetch, else for data.
 */
#ifndef WORKLOADS_TRACE_DIGEST_H
#define WORKLOADS_TRACE_DIGEST_H

#include "base/types.h"

#define DIGEST_SETS 16u
#define DIGEST_WAYS 3u
#define DIGEST_SLOTS 128u
#define DIGEST_HEADER_BYTES 16u
#define DIGEST_MIN_RUNS 1024u           /* of a block, to bother              */
/* Of @runs runs, nearly all of which are leads. */
#define DIGEST_MAX(runs) (DIGEST_HEADER_BYTES + (size_t)(runs) * 40)

/* ---- making ---- */

struct digest_maker;

struct digest_maker *digest_maker_new(void);
void digest_maker_free(struct digest_maker *m);

/* digest_make - the section of a block of @runs with events before those in
 * @event_at, in order. Return: bytes at *@out, which stay until the next call;
 * 0 when digests would not be worth it: few runs, or too many misses. */
size_t digest_make(struct digest_maker *m, const struct run *runs, u32 nr_runs,
		   const u32 *event_at, u32 nr_events, const u8 **out);

/* ---- taking apart ---- */

/* The digests of the current block. */
struct digests {
	struct run_digest *d;
	u32 nr;
	size_t room, page_room;
	u64 *page;
};

/* What they must agree with. */
struct digest_block {
	u32 nr_runs;
	u64 nr_accesses;
	const u32 *event_at;
	u32 nr_events;
};

/* digests_load - @bytes of a section. Return: 0, -ENOMEM, or -EINVAL with
 * *@expected saying what the section is not. */
int digests_load(struct digests *s, const u8 *p, size_t bytes,
		 const struct digest_block *b, const char **expected);
void digests_free(struct digests *s);

/* digest_check - does @d sum up @runs, which it says to be so many? */
bool digest_check(const struct run_digest *d, const struct run *runs);

#endif
