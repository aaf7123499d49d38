/* litmus.c - litmus tests: read, and what is a test also explored for a while. */
#include "emu/litmus_run.h"
#include "tests/fuzz/fuzz.h"

#define SOME_STATES 300

const char *const fuzz_seeds[] = {
	"X86VM a\nHW=precet\nVariant=retry,1\n"
	"{ x=0; [PTE(x)]=(A:0,D:0); [PDE(y)]=(PS:1); 1:CR3=1; 0:TLB(x)=(G:1); }\n"
	" P0 | P1 ;\n L0: MOV [x],$1 | MOV EAX,[y] ;\n"
	" XCHG EAX,[PTE(x)],(P:0) | LOCK FLD EBX,[PTE(y)],(D:0) ;\n"
	" SHOOT {P1},[x] | SERVICE ;\n | MOV CR3,$0,NOFLUSH ;\n"
	"exists (x=1 /\\ ~fault(P0:L0,x,RW) \\/ 1:EBX.P=0)\nlocations [y;]\n",
	"X86VM b\n{ l=0; }\n P0 | P1 ;\n SPIN_LOCK [PHY(l)] | CLI ;\n"
	" LOCK ADD [PHY(x)],$1 | IPI {P0},[x] ;\n SPIN_UNLOCK [PHY(l)] | STI ;\n"
	" MFENCE | WAIT ;\n MOV [PDE(x)],(table) | INVLPG [x] ;\nforall (x=1)\n",
	NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct litmus *t = NULL;
	struct err e = { "" };
	int ret = litmus_parse(&t, "t", (const char *)data, bytes, &e);

	if (ret) {
		FUZZ_CHECK_REFUSAL(ret, e);
		return 0;
	}
	for (u32 m = 0; m < NR_MEMORY_MODELS; m++) {
		const struct litmus_hw hw = { (enum memory_model)m, true, true,
					      true };
		const struct litmus_limits lim = { .max_states = SOME_STATES };
		struct litmus_result r;

		FUZZ_CHECK(!litmus_run(t, &hw, &lim, &r));
		FUZZ_CHECK(r.positive + r.negative == r.nr_finals);
		free(r.final);
	}
	litmus_free(t);
	return 0;
}
