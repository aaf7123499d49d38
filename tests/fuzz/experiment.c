/* experiment.c - experiment files of `tlbemu run`. */
#include "emu/experiment.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
	"workload = mprotect-storm\nthreads = 2\n[run]\nseed = 3\n; note\n"
	"kernel = v6.1\nflush = page\niterations = 9\n",
	"workload = numa-migrate\nworking-set = 4M\nmachine = pack:2 core:1 "
	"pu:1\nset = seed=1\n  continued\n",
	NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static char path[64];
	char word[64], *argv[] = { (char *)"run", word, NULL };
	struct err e = { "" };
	struct experiment x = { 0 };
	FILE *f;
	int ret;

	if (!path[0])
		snprintf(path, sizeof(path), "/tmp/fuzz-%d.ini", getpid());
	strcpy(word, path);
	f = fopen(path, "w");
	FUZZ_CHECK(f && fwrite(data, 1, bytes, f) == bytes && !fclose(f));
	ret = experiment_parse(&x, 2, argv, NULL, 0, &e);
	if (ret)
		FUZZ_CHECK_REFUSAL(ret, e);
	experiment_release(&x);
	unlink(path);
	return 0;
}
