/* import_champsim.c - ChampSim's traces: records of 64 bytes, little-endian,
 * one an instruction, usually compressed with xz.
 *
 *	 0  u64 ip                       16  u64 destination_memory[2]
 *	 8  u8 is_branch, 0 or 1         32  u64 source_memory[4]
 *	 9  u8 branch_taken, 0 or 1
 *	10  u8 registers written [2], read [4]
 *
 * A memory address of 0 is none. An instruction is its fetch, then its loads,
 * then its stores. The format has no sizes: each access counts as the one byte
 * that it surely touched, so none crosses a page.
 * Source: ChampSim, inc/trace_instruction.h, struct input_instr, and the
 * tracer for Pin that comes with it.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "emu/import_impl.h"

#define RECORD_BYTES 64u
#define NR_STORES 2u
#define NR_LOADS 4u

static u64 word(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Of 57 bits, sign-extended: what a five-level page table can translate.
 * Addresses of another byte order rarely are. */
static bool is_canonical(u64 va)
{
	return va >> 56 == 0 || va >> 56 == 0xff;
}

/* NULL, or what is wrong with the record at @p, and where in it. */
static const char *fault_of(const u8 *p, u32 *at)
{
	*at = 0;
	if (!word(p))
		return "an instruction pointer other than 0";
	for (*at = 8; *at < 10; ++*at)
		if (p[*at] > 1)
			return "0 or 1 (is it a branch, is it taken)";
	for (*at = 0; *at < RECORD_BYTES; *at += *at ? 8 : 16)
		if (!is_canonical(word(p + *at)))
			return "a canonical address, little-endian";
	return NULL;
}

static bool champsim_is_mine(const u8 *p, size_t n)
{
	u32 at;

	return !fault_of(p, &at);
}

static int champsim_parse(struct import *im, const u8 *p, const u8 **next)
{
	u32 at;
	const char *fault = fault_of(p, &at);

	if (fault)
		return err_set(&im->err, -EINVAL, "%s: byte %llu: record %llu: "
			       "expected %s, found 0x%llx", im->cfg.name,
			       (unsigned long long)im->stream.offset + at,
			       (unsigned long long)im->stats.nr_records, fault,
			       (unsigned long long)(at == 8 || at == 9 ? p[at] :
						    word(p + at)));
	import_add(im, word(p), 1, RUN_FETCH, 0);
	for (u32 i = 0; i < NR_LOADS; i++)
		if (word(p + 32 + 8 * i))
			import_add(im, word(p + 32 + 8 * i), 1, RUN_READ, 0);
	for (u32 i = 0; i < NR_STORES; i++)
		if (word(p + 16 + 8 * i))
			import_add(im, word(p + 16 + 8 * i), 1, RUN_WRITE, 0);
	*next = p + RECORD_BYTES;
	return 0;
}

const struct import_ops import_champsim = {
	.pub = {
		.name = "champsim",
		.summary = "ChampSim's binary traces, 64 bytes an instruction",
		.hint = "ChampSim's tracer, or its published .champsimtrace.xz",
	},
	.record_bytes = RECORD_BYTES,
	.is_mine = champsim_is_mine,
	.parse = champsim_parse,
};
