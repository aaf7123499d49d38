/* Linux 3.5 to 3.15 (F3a): all is dropped as soon as the pages of a flush are
 * more than a share of what the TLB may hold of the program: its last level's 4K
 * entries, or the program's pages if these are fewer, shifted right by a number
 * for each kind of machine. -1 of the tables is 64 here: always all.
 * assumed: machines that the tables do not name, being younger, get the default
 * of 6; the program's pages are those of its VMAs; explored, 512 entries.
 * Source: e7b52ffd45a6 (A. Shi, 2012), intel_tlb_flushall_shift_set() and
 * cpu_set_tlb_flushall_shift() of 3.5; taken out by e9f4e0a9fe27.
 *
 * 3.14 halves Ivy Bridge's share, to a quarter, and gives Sandy Bridge the default
 * (shift-2014): <1389278098-27154-5-git-send-email-mgorman@suse.de>, and the table as
 * e9f4e0a9fe27 takes it out. */
#include "mm/flush/shift.h"

#include <string.h>

#include "mm/flush.h"

#define DEFAULT_SHIFT 6
#define EXPLORED_ENTRIES 512

static const struct {
	const char *machine;    /* what its name begins with                  */
	u32 shift;
} shifts[] = {
	{ "core2", 64 }, { "nehalem", 6 }, { "westmere", 6 },
	{ "sandy-bridge", 5 }, { "ivy-bridge", 1 }, { "k8", 4 },
	{ "zen", 4 },           /* assumed: AMD's table had one number        */
};

extern const struct flush_ops flush_shift2014;

static int given = FLUSHALL_SHIFT_OF_MACHINE;

void flushall_shift_set(int shift)
{
	given = shift;
}

static bool is_2014(void)
{
	return flusher() == &flush_shift2014;
}

static u32 shift_of(const struct machine *m)
{
	if (given != FLUSHALL_SHIFT_OF_MACHINE)
		return given < 0 ? 64 : (u32)given;
	if (is_2014() && !strncmp(m->name, "ivy-bridge", 10))
		return 2;
	if (is_2014() && !strncmp(m->name, "sandy-bridge", 12))
		return DEFAULT_SHIFT;
	for (size_t i = 0; i < ARRAY_LEN(shifts); i++)
		if (!strncmp(m->name, shifts[i].machine,
			     strlen(shifts[i].machine)))
			return shifts[i].shift;
	return DEFAULT_SHIFT;
}

/* Of the last level that holds 4K translations of data. */
static u64 entries(const struct machine *m)
{
	u64 n = 0;

	for (u32 i = 0; i < m->tlb.nr_arrays; i++) {
		const struct tlb_geometry *g = &m->tlb.array[i];

		if (g->nr_sets * g->nr_ways > n && (g->page_sizes & TLB_HOLDS_4K) &&
		    (g->serves & TLB_SERVES_LOAD))
			n = g->nr_sets * g->nr_ways;
	}
	return the_sys->is_explored ? EXPLORED_ENTRIES : n;
}

static u64 ceiling_for(const struct mm *mm)
{
	u64 pages = 0, most = entries(the_sys->m);
	u32 shift = shift_of(the_sys->m);

	for (const struct vma *v = mm->first; v; v = v->next)
		pages += v->end - v->start;
	if (pages < most)
		most = pages;
	return shift < 64 ? most >> shift : 0;
}

extern const struct flush_ops flush_shift2012;
const struct flush_ops flush_shift2012 = {
	.name = "shift-2012",
	.summary = "one flush at the end; all above a share of the TLB, by machine",
	.source = "Linux 3.5 flush_tlb_range, tlb_flushall_shift (e7b52ffd45a6)",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.ceiling_for = ceiling_for,
};

const struct flush_ops flush_shift2014 = {
	.name = "shift-2014",
	.summary = "as shift-2012, by the shares of 3.14",
	.source = "Linux 3.14 flush_tlb_mm_range, tlb_flushall_shift",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.ceiling_for = ceiling_for,
};
