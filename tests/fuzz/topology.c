/* topology.c - hwloc's synthetic strings, and its XML (what begins with '<'). */
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
	ret = text[0] == '<'
		? topology_load(&m, TOPOLOGY_XML, fuzz_path(data, bytes), &e)
		: topology_load(&m, TOPOLOGY_SYNTHETIC, text, &e);
	free(text);
	if (ret) {
		FUZZ_CHECK_REFUSAL(ret, e);
		return 0;
	}
	FUZZ_CHECK(m.nr_cpus && m.nr_nodes);
	for (u32 i = 0; i < m.nr_cpus; i++)
		FUZZ_CHECK(m.cpu[i].node < m.nr_nodes);
	topology_unload(&m);
	return 0;
}
