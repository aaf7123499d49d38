/* CPUID, decoded. */
#include "host/cpuid.h"

#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { EAX, EBX, ECX, EDX };

static void add(struct cpuid_info *info, struct cpuid_tlb t)
{
	if (t.entries && info->nr_tlbs < CPUID_MAX_TLBS)
		info->tlb[info->nr_tlbs++] = t;
}

/* ---- AMD -------------------------------------------------------------------- */

/* Leaf 8000_0006's code of associativity. */
static u32 amd_ways(u32 code)
{
	static const u32 ways[16] = {
		0, 1, 2, 3, 4, 6, 8, 0, 16, 0, 32, 48, 64, 96, 128, CPUID_FULL
	};

	return ways[code & 15];
}

static void amd_l2(struct cpuid_info *info, u8 level, u32 reg, u8 sizes,
		   u32 scale)
{
	add(info, (struct cpuid_tlb){
		.level = level, .is_data = true, .sizes = sizes,
		.entries = (reg >> 16 & 0xfff) * scale,
		.ways = amd_ways(reg >> 28) });
	add(info, (struct cpuid_tlb){
		.level = level, .is_fetch = true, .sizes = sizes,
		.entries = (reg & 0xfff) * scale,
		.ways = amd_ways(reg >> 12) });
}

/* A byte of entries and a byte of ways, 0xff full. */
static void amd_l1(struct cpuid_info *info, u32 reg, u8 sizes)
{
	u32 d_ways = reg >> 24 & 0xff, i_ways = reg >> 8 & 0xff;

	add(info, (struct cpuid_tlb){
		.level = 1, .is_data = true, .sizes = sizes,
		.entries = reg >> 16 & 0xff,
		.ways = d_ways == 0xff ? CPUID_FULL : d_ways });
	add(info, (struct cpuid_tlb){
		.level = 1, .is_fetch = true, .sizes = sizes,
		.entries = reg & 0xff,
		.ways = i_ways == 0xff ? CPUID_FULL : i_ways });
}

/* L2TlbSizeX32. Some hypervisors hide the bit and not the sizes it is about: a
 * second level hardly larger than the first is in units of 32, too, we guess. */
static u32 scale_of(struct cpuid_info *info, u32 top, cpuid_fn *fn, void *arg)
{
	u32 r[4];

	if (top < 0x80000006)
		return 1;
	if (top >= 0x80000021) {
		fn(arg, 0x80000021, 0, r);
		if (r[EAX] >> 14 & 1)
			return 32;
	}
	fn(arg, 0x80000006, 0, r);
	info->guesses_unit = info->family >= 0x1a &&
		(r[EBX] >> 16 & 0xfff) < 512;
	return info->guesses_unit ? 32 : 1;
}

static void decode_amd(struct cpuid_info *info, cpuid_fn *fn, void *arg)
{
	u32 r[4], top, scale;

	fn(arg, 0x80000000, 0, r);
	top = r[EAX];
	scale = scale_of(info, top, fn, arg);
	if (top >= 0x80000006) {
		fn(arg, 0x80000005, 0, r);
		amd_l1(info, r[EBX], 1);
		amd_l1(info, r[EAX], 2);
		fn(arg, 0x80000006, 0, r);
		amd_l2(info, 2, r[EBX], 1, scale);
		amd_l2(info, 2, r[EAX], 2, scale);
	}
	if (top >= 0x80000019) {
		fn(arg, 0x80000019, 0, r);
		amd_l2(info, 1, r[EAX], 4, 1);
		amd_l2(info, 2, r[EBX], 4, scale);
	}
	if (top >= 0x80000008) {
		fn(arg, 0x80000008, 0, r);
		if (r[EBX] >> 3 & 1)
			info->invlpgb_pages = (r[EDX] & 0xffff) + 1;
	}
	fn(arg, 0x80000001, 0, r);
	info->has_tce = r[ECX] >> 17 & 1;
}

/* ---- Intel ------------------------------------------------------------------ */

/* Leaf 2's descriptors that are TLBs. */
static const struct {
	u8 code;
	struct cpuid_tlb t[2];
} descriptors[] = {
	{ 0x01, { { 1, 0, 1, 1, 32, 4 } } },
	{ 0x03, { { 1, 1, 0, 1, 64, 4 } } },
	{ 0x55, { { 1, 0, 1, 2, 7, CPUID_FULL } } },
	{ 0x5a, { { 1, 1, 0, 2, 32, 4 } } },
	{ 0x63, { { 1, 1, 0, 2, 32, 4 }, { 1, 1, 0, 4, 4, 4 } } },
	{ 0x64, { { 1, 1, 0, 1, 512, 4 } } },
	{ 0x76, { { 1, 0, 1, 2, 8, CPUID_FULL } } },
	{ 0xb2, { { 1, 0, 1, 1, 64, 4 } } },
	{ 0xb4, { { 1, 1, 0, 1, 256, 4 } } },
	{ 0xb5, { { 1, 0, 1, 1, 64, 8 } } },
	{ 0xb6, { { 1, 0, 1, 1, 128, 8 } } },
	{ 0xc1, { { 2, 1, 1, 3, 1024, 8 } } },
	{ 0xc3, { { 2, 1, 1, 3, 1536, 6 }, { 2, 1, 0, 4, 16, 4 } } },
	{ 0xca, { { 2, 1, 1, 1, 512, 4 } } },
};

static void decode_descriptor(struct cpuid_info *info, u8 code)
{
	for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
		if (descriptors[i].code == code) {
			add(info, descriptors[i].t[0]);
			add(info, descriptors[i].t[1]);
		}
}

static void decode_leaf2(struct cpuid_info *info, cpuid_fn *fn, void *arg)
{
	u32 r[4];

	fn(arg, 2, 0, r);
	r[EAX] &= ~0xffu;
	for (u32 i = 0; i < 4; i++)
		for (u32 k = 0; k < 4 && !(r[i] >> 31); k++)
			decode_descriptor(info, (u8)(r[i] >> 8 * k));
}

static void decode_leaf18(struct cpuid_info *info, cpuid_fn *fn, void *arg)
{
	u32 r[4], last;

	fn(arg, 0x18, 0, r);
	last = r[EAX] < 32 ? r[EAX] : 32;
	for (u32 i = 0; i <= last; i++) {
		u32 type, sets, ways;

		fn(arg, 0x18, i, r);
		type = r[EDX] & 31;
		ways = r[EBX] >> 16;
		sets = r[ECX];
		/* 1 data, 2 instructions, 3 unified, 4 loads, 5 stores */
		if (!type || type == 5)
			continue;
		add(info, (struct cpuid_tlb){
			.level = (u8)(r[EDX] >> 5 & 7),
			.is_data = type != 2,
			.is_fetch = type == 2 || type == 3,
			.sizes = (u8)((r[EBX] & 1) | (r[EBX] >> 1 & 1) << 1 |
				      (r[EBX] >> 3 & 1) << 2),
			.entries = sets * ways,
			.ways = r[EDX] >> 8 & 1 ? CPUID_FULL : ways });
	}
}

static void decode_intel(struct cpuid_info *info, u32 top, cpuid_fn *fn,
			 void *arg)
{
	if (top >= 0x18)
		decode_leaf18(info, fn, arg);
	if (!info->nr_tlbs && top >= 2)
		decode_leaf2(info, fn, arg);
}

/* ---- both ------------------------------------------------------------------- */

static void decode_names(struct cpuid_info *info, cpuid_fn *fn, void *arg)
{
	u32 r[4];

	fn(arg, 0, 0, r);
	memcpy(info->vendor, &r[EBX], 4);
	memcpy(info->vendor + 4, &r[EDX], 4);
	memcpy(info->vendor + 8, &r[ECX], 4);
	fn(arg, 1, 0, r);
	info->family = r[EAX] >> 8 & 15;
	info->model = r[EAX] >> 4 & 15;
	info->stepping = r[EAX] & 15;
	if (info->family == 6 || info->family == 15)
		info->model |= r[EAX] >> 12 & 0xf0;
	if (info->family == 15)
		info->family += r[EAX] >> 20 & 0xff;
	info->has_pcid = r[ECX] >> 17 & 1;
	info->is_guest = r[ECX] >> 31;
	fn(arg, 0x80000000, 0, r);
	for (u32 i = 0; r[EAX] >= 0x80000004 && i < 3; i++) {
		u32 b[4];

		fn(arg, 0x80000002 + i, 0, b);
		memcpy(info->brand + 16 * i, b, 16);
	}
}

void cpuid_decode(struct cpuid_info *info, cpuid_fn *fn, void *arg)
{
	u32 r[4], top;

	memset(info, 0, sizeof(*info));
	decode_names(info, fn, arg);
	fn(arg, 0, 0, r);
	top = r[EAX];
	if (top >= 7) {
		fn(arg, 7, 0, r);
		info->has_invpcid = r[EBX] >> 10 & 1;
		info->has_la57 = r[ECX] >> 16 & 1;
	}
	if (!strcmp(info->vendor, "AuthenticAMD"))
		decode_amd(info, fn, arg);
	else if (!strcmp(info->vendor, "GenuineIntel"))
		decode_intel(info, top, fn, arg);
}

bool cpuid_find(const struct cpuid_info *info, u32 level, u32 size,
		struct cpuid_tlb *out)
{
	bool is_found = false;

	for (u32 i = 0; i < info->nr_tlbs; i++) {
		const struct cpuid_tlb *t = &info->tlb[i];

		if (t->level != level || !t->is_data || !(t->sizes >> size & 1))
			continue;
		if (is_found)
			out->entries += t->entries;
		else
			*out = *t;
		is_found = true;
	}
	return is_found;
}

#if defined(__x86_64__)
static void read_leaf(void *arg, u32 leaf, u32 subleaf, u32 regs[4])
{
	__cpuid_count(leaf, subleaf, regs[EAX], regs[EBX], regs[ECX], regs[EDX]);
}

bool cpuid_read(struct cpuid_info *info)
{
	cpuid_decode(info, read_leaf, NULL);
	return true;
}
#else
bool cpuid_read(struct cpuid_info *info)
{
	memset(info, 0, sizeof(*info));
	return false;
}
#endif
