/* import.c - the readers of other tools' traces. FORMAT is one of them, or ""
 * for finding it by content, compressed inputs included. */
#include <errno.h>

#include "emu/import.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
	"==1== Command: x -y\nI  04001000,3\n L 1ffefff0,8\n S 30,16\n"
	" M 2000,4\n--7-- note\n\n L 3000,8\n",
	"Output format:\n<--record#-> <--instr#->: <---tid---> <record "
	"details>\n------------\n"
	"           1           0:     42 <marker: version 5>\n"
	"           2           1:     42 ifetch       9 byte(s) @ "
	"0x0000000000404a7e 48 8b 5c 24 08       mov    x\n"
	"           2           1:     42             00 11\n"
	"           3           1:     42 read         8 byte(s) @ "
	"0x00007fdf64e2adc8 by PC 0x0000000000404a7e\n"
	"           4           1:     43 pref-r-L1   64 byte(s) @ 0x10 by PC "
	"0x1\nView tool results:\n  1 : total\n",
	"   7: W0.T5 write        8 byte(s) @ 0x00007f8881e37a70 by PC 0x1\n",
	"# ========\n  ls 17264/17265 [003] 1529.097929:  1 "
	"cpu/mem-loads,ldlat=30/P:     562e189765c0  68100142 |OP LOAD|LVL L1 "
	"hit| 7 ffffffff81775b9a elf_load\n\t  1ab70 _start\n\n",
	"ls 1/2  1529.097929:     562e189765c0\n",
	"page-faults:u:     562e189765c0\n",
	"0123456\0", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct import_cfg cfg = {
		.name = "input", .format = FORMAT[0] ? FORMAT : NULL,
		.without_fetch = bytes % 3 == 0, .is_partial_ok = bytes & 1,
	};
	const struct import_access *a;
	struct import *im;
	u64 nr = 0;
	struct err e = { "" };
	size_t n;
	int ret = import_open(&im, fuzz_fd(data, bytes), &cfg, &e);

	if (ret) {
		FUZZ_CHECK_REFUSAL(ret, e);
		return 0;
	}
	/* Compressed, a few bytes can be very many. */
	while (!(ret = import_next(im, &a, &n, &e)) && n && nr < 1000000) {
		for (size_t i = 0; i < n; i++) {
			FUZZ_CHECK(a[i].bytes && a[i].op <= RUN_MODIFY);
			FUZZ_CHECK(a[i].va + (a[i].bytes - 1) >= a[i].va);
			FUZZ_CHECK(!cfg.without_fetch || a[i].op != RUN_FETCH);
		}
		nr += n;
	}
	if (ret)
		FUZZ_CHECK_REFUSAL(ret, e);
	FUZZ_CHECK(import_stats(im)->nr_accesses >= nr);
	import_close(im);
	return 0;
}
