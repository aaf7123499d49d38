/* profile.c - machine profiles. */
#include "cpu/profile.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
	"[machine]\nname = x\nsummary = y\ntopology = pack:1 core:2 pu:1\n"
	"hz = 2.5GHz | assumed: z\n[cost]\ndram_local_ns = 81.4 | here\n",
	NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct err e = { "" };
	struct profile *p;
	int ret = profile_parse(&p, "input", (const char *)data, bytes, &e);

	if (ret)
		FUZZ_CHECK_REFUSAL(ret, e);
	else
		profile_free(p);
	return 0;
}
