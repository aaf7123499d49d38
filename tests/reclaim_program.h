/* reclaim_program.h - a program for tests of reclaim: threads of one address space, a
 * mapping of memory and one of a file, both larger than the machine, and a function
 * that each thread runs. It may reclaim, and swap.
 *
 *	P.file_flags = FILE_DISK;
 *	free(run(1, fn, PAIRS(...)));           (looks at P.seen afterwards)
 */
#ifndef TESTS_RECLAIM_PROGRAM_H
#define TESTS_RECLAIM_PROGRAM_H

#include <string.h>

#include "mm/file.h"
#include "mm/kswapd.h"
#include "mm/lru.h"
#include "mm/swap.h"
#include "tests/point.h"

#define ROOM 16384u             /* pages of a mapping                         */
#define MAX 8u                  /* threads                                    */

static struct {
	void (*body)(u32 i);
	u32 threads;
	u32 slots;              /* of the swap device; 0: none, see swapon()  */
	u32 file_flags;
	struct mm *mm;
	struct address_space *f;
	u64 file, anon, own[MAX];
	u32 word, nr_ended, is_over;
	int rc;
	u64 seen[8];
} P = { .file_flags = FILE_DISK | FILE_SPARSE };

static inline int setup(struct wl *w, struct err *e)
{
	int n = wl_thread_count(w, P.threads, e), rc = 0;

	P.f = file_create(ROOM, P.file_flags);
	P.mm = mm_create();
	P.anon = wl_map(P.mm, ROOM, VM_READ | VM_WRITE | VM_HUGE);
	P.file = wl_map_file(P.mm, ROOM, VM_READ | VM_WRITE | VM_SHARED, P.f);
	P.word = P.nr_ended = P.is_over = 0;
	P.rc = 0;
	memset(P.seen, 0, sizeof(P.seen));
	for (u32 i = 0; i < P.threads && n >= 0 && !rc; i++) {
		P.own[i] = wl_map(P.mm, 1, VM_READ | VM_WRITE);
		rc = wl_start(w, i, P.mm, e);
	}
	return n < 0 ? n : rc ? rc : swapon(P.slots);
}

static inline void body(struct wl *w, u32 i)
{
	P.body(i);
}

static const struct workload program = {
	.name = "program", .reclaims = true, .setup = setup, .body = body,
};

static inline struct timed_result *run(u32 threads, void (*fn)(u32 i),
				       const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	P.body = fn;
	P.threads = threads;
	point_make(&s, &program, pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

#endif
