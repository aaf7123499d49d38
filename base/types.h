/* types.h - the words every folder speaks: fixed-width integers, array length,
 * and the one unit of work that programs hand to a modelled CPU: the run.
 *
 * Units are in names: *_cycles are cycles of the modelled machine, *_ns its
 * time, host_ns our own wall clock; vpn and pfn are 4 KiB page numbers.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define PAGE_SHIFT 12
#define PAGE_BYTES (1ull << PAGE_SHIFT)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* A run: @count accesses of @bytes each, the first at @va, @stride apart. A
 * run as the emulator consumes it stays inside one 4 KiB page, so it changes
 * translation state at most once; readers split what does not. */
enum run_op { RUN_READ = 0, RUN_WRITE = 1, RUN_FETCH = 2, RUN_MODIFY = 3 };

struct run {
	u64 va;
	s64 stride;             /* bytes, may be negative; 0 with count > 1:
				 * the same address again                     */
	u32 count;              /* accesses, at least 1                       */
	u16 bytes;              /* per access                                 */
	u8 op;                  /* enum run_op; MODIFY reads, then writes     */
};

/* Consecutive runs as far as translation is concerned, while nothing is missing
 * in the TLB: then what they leave behind depends on who was used last, not on
 * how often or in which order before. First, unless lead.count is 0, a run that
 * may well miss: its page and count are right, its place in the page and bytes
 * are not kept. Then nr_runs runs, summed up. */
enum run_use { USE_LOAD, USE_STORE, USE_FETCH, NR_RUN_USES };

struct run_digest {
	struct run lead;
	u32 nr_runs;            /* without the lead                           */
	u32 nr_pages;
	u64 accesses[NR_RUN_USES];      /* of them, MODIFY as stores          */
	/* [nr_pages] vpn << 2 | enum run_use: each page and use once, in the
	 * order in which they were used for the last time. */
	const u64 *page;
};

static inline enum run_use run_use(const struct run *r)
{
	return r->op & 1 ? USE_STORE : r->op == RUN_FETCH ? USE_FETCH
							  : USE_LOAD;
}

static inline u32 digest_runs(const struct run_digest *d)
{
	return d->nr_runs + (d->lead.count != 0);
}

#endif
