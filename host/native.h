/* native.h - this host as a machine under test (calib/mut.h).
 *
 * Each request runs pinned, after a warm-up, in short repetitions until the
 * interval of the median is within 1 % or the request has had its time; times
 * become cycles by the clock that the core had around each repetition. Nothing
 * outlasts a request but the place this thread is pinned to, which
 * mut_native_destroy() takes back. No privileges are needed.
 *
 * Threads: one; helpers of a request end with it.
 */
#ifndef HOST_NATIVE_H
#define HOST_NATIVE_H

#include "calib/mut.h"

struct native_cfg {
	u64 request_ns;         /* time for the repetitions of a request; 0:
				 * 40 ms                                      */
	u64 max_bytes;          /* of memory; 0: a quarter of what is free    */
};

/* mut_native_create - @shape says what is known of CPUs, nodes and caches; of
 * its CPUs those that this process may not use are refused when asked for
 * (-ENOTSUP). */
int mut_native_create(struct mut **out, const struct mut_shape *shape,
		      const struct native_cfg *cfg, struct err *e);
void mut_native_destroy(struct mut *m);

/* mut_native_count - from now on chases count, too, in a round of their own
 * after those that are timed: this processor's events for misses of the TLB,
 * through PAPI. The clock goes on deciding. Errors: as papi.h, the sentence
 * names the component or the event and what refuses it. */
int mut_native_count(struct mut *m, struct err *e);

/* Their names, "" when nothing is counted. */
const char *mut_native_counts(const struct mut *m, char *buf, size_t size);

#endif
