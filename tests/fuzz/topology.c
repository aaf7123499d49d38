/* topology.c - hwloc's synthetic strings. Its XML is left out: libhwloc 2.9
 * itself dereferences NULL on objects without a cpuset. */
#include "cpu/topology.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
	"pack:2 [numa(memory=4GiB)] l3:1 core:2 pu:2", "numa:4 core:2 pu:1",
	NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct machine m = { 0 };
	struct err e = { "" };
	char *text = malloc(bytes + 1);
	int ret;

	FUZZ_CHECK(text);
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	ret = topology_load(&m, TOPOLOGY_SYNTHETIC, text, &e);
	free(text);
	if (ret)
		FUZZ_CHECK_REFUSAL(ret, e);
	else
		topology_unload(&m);
	return 0;
}
