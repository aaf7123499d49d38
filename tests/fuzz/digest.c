/* digest.c - the digests of a block, as they are after decompression: the rest
 * of a file is tlbt.c's. The first bytes of an input say what block they are
 * of. */
#include <errno.h>

#include "tests/fuzz/fuzz.h"
#include "workloads/trace_digest.h"
#include "workloads/trace_file.h"

/* 3 runs, 7 accesses; one digest of a lead and two loads. Bytes that are zero
 * cannot be in a seed: the numbers' seventh bits are taken off. */
const char *const fuzz_seeds[] = {
	"\x03\x07\x80\x80" "\x01\x80\x80\x80\x08\x80\x80\x80\x01\x80\x80\x80"
	"\x80\x80\x80\x80" "\x05\x03\x80\x05\x02\x80\x80\x01\x03\x12",
	NULL
};

#define FACTS 4u

static void check_digest(const struct run_digest *d)
{
	u64 sum = 0;

	for (u32 i = 0; i < NR_RUN_USES; i++)
		sum += d->accesses[i];
	FUZZ_CHECK(digest_runs(d) && d->nr_pages <= d->nr_runs);
	FUZZ_CHECK(!d->nr_runs == !d->nr_pages && sum >= d->nr_runs);
	FUZZ_CHECK(d->lead.op <= RUN_MODIFY);
	for (u32 i = 0; i < d->nr_pages; i++)
		for (u32 k = 0; k < i; k++)
			FUZZ_CHECK((d->page[i] & 3) < NR_RUN_USES &&
				   d->page[i] != d->page[k]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct digests s = { 0 };
	struct digest_block b;
	const char *expected = NULL;
	u32 event_at[1], runs = 0;
	u8 *p;
	int ret;

	if (bytes < FACTS)
		return 0;
	b = (struct digest_block){
		.nr_runs = data[0], .nr_accesses = data[1],
		.event_at = event_at, .nr_events = data[2] & 127 ? 1 : 0,
	};
	event_at[0] = data[2] & 127;
	bytes -= FACTS;
	p = malloc(bytes + 1);
	FUZZ_CHECK(p);
	/* Of half of all blocks, whatever the numbers: see the seed. */
	for (size_t i = 0; i < bytes; i++)
		p[i] = data[i + FACTS] & (data[3] & 1 ? 255 : 127);
	ret = digests_load(&s, p, bytes, &b, &expected);
	FUZZ_CHECK(!ret || (ret == -EINVAL && expected && !s.nr));
	for (u32 i = 0; i < s.nr; i++) {
		check_digest(&s.d[i]);
		runs += digest_runs(&s.d[i]);
	}
	FUZZ_CHECK(ret || runs == b.nr_runs);
	digests_free(&s);
	free(p);
	return 0;
}
