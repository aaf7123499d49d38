/* frontier.c - saved searches (race --save): what comes before the checksum, and
 * the stacks behind it. */
#include "emu/frontier.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = { "tlbemuFR\1", NULL };

static const struct frontier_id id = { .program = "" };

/* As the program writes it, so that mutations begin from a whole file. */
static void check_round_trip(struct frontier *f)
{
	struct frontier again;
	struct err e = { "" };
	char path[] = "/tmp/fuzz-frontier-XXXXXX";
	int fd = mkstemp(path);

	FUZZ_CHECK(fd >= 0);
	close(fd);
	FUZZ_CHECK(!frontier_write(f, &id, path, &e));
	FUZZ_CHECK(!frontier_read(&again, &id, path, &e));
	FUZZ_CHECK(again.nr_stacks == f->nr_stacks);
	frontier_free(&again);
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct frontier f = { 0 };
	struct err e = { "" };
	int ret = frontier_read(&f, &id, fuzz_path(data, bytes), &e);

	if (ret)
		FUZZ_CHECK_REFUSAL(ret, e);
	else
		frontier_free(&f);
	memset(&f, 0, sizeof(f));
	ret = frontier_unpack(&f, data, bytes);
	FUZZ_CHECK(!ret || ret == -22 || ret == -12);
	if (!ret)
		check_round_trip(&f);
	frontier_free(&f);
	return 0;
}
