/* HATRIC (F25): as under UNITD a store to a page-table entry takes translations out
 * of all TLBs, but an entry of a TLB, or of a paging-structure cache, carries not
 * the address that it came from, but a co-tag, some of its bits, and the directory
 * of the coherence protocol tells those only that may have the line. What happens
 * to have the same co-tag goes, too. Proposed; no machine has it: --proposal
 * co-tags.
 *
 * `hatric:BITS` has co-tags of BITS bits of the line's number, 3 to 6: of a table's
 * 64 lines, those that agree in that many low bits go together. Alone it has two
 * bytes, as in the paper: what shares a co-tag then is 1024 frames away.
 *
 * Assumed, as only the abstract was at hand: aliases in other tables are not
 * modelled; who is told answers as under UNITD, at the same price. The paper is
 * about guests, whose nested tables change under them; here tables change that the
 * kernel itself maintains.
 * Source: Yan et al., "Hardware Translation Coherence for Virtualized Systems",
 * ISCA 2017 (abstract). */
#include <errno.h>

#include "mm/flush/coherent.h"

#define MIN_BITS 3u
#define LINE_BITS 6u            /* of a table's lines: all of them            */

extern const struct flush_ops flush_hatric;

static const struct flush_ops variants[LINE_BITS - MIN_BITS + 1];

static u32 cotag_bits(void)
{
	return flusher() == &flush_hatric ? LINE_BITS
		: MIN_BITS + (u32)(flusher() - variants);
}

static void pte_stored(u32 root, u64 vpn, u32 level)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	u64 line = (u64)LINE_ENTRIES << order;  /* pages that one maps        */
	u64 table = 1ull << (order + the_sys->mem.paging.bits);
	u64 apart = line << cotag_bits(), first = vpn & ~(table - 1);
	struct mm *mm = coherent_mm(root);
	u32 told = 0;

	if (!mm || level > PMD_LEVEL)
		return;
	for (u64 at = first + (vpn & (apart - 1) & ~(line - 1));
	     at < first + table; at += apart)
		told += cpu_invalidate_sharers(inval_op_find("INVLPGB VA+PCID"),
					       (u16)mm->asid, at, LINE_ENTRIES,
					       order);
	if (told)
		cpu_sharers_sync();
}

static int boot(struct sys *sys)
{
	sys->os.pte_stored = pte_stored;
	return 0;
}

static bool can_run(const struct machine *m, struct err *e)
{
	if (m->has_cotags)
		return true;
	err_set(e, -EINVAL, "flush hatric: no machine's TLBs have co-tags; it "
		"is a proposal: add --proposal co-tags, or try --flush deferred");
	return false;
}

static const struct flush_ops *variant(const char *bits);

#define OPS(name_) { \
	.name = name_, \
	.summary = "proposed: a store to an entry takes out what has its co-tag", \
	.source = "Yan et al., HATRIC, ISCA 2017 (abstract)", \
	.defers = "nothing", \
	.needs = "a proposal: --proposal co-tags; page tables freed by RCU (R14b)", \
	.legal = FLUSH_ALL_OPS, \
	FLUSH_AT_THE_END, \
	.boot = boot, \
	.shoot = coherent_shoot, \
	.batch_start = coherent_batch_start, \
	.has_global_asids = true, \
	.has_broadcasts = true, \
	.can_run = can_run, \
	.variant = variant, \
}

static const struct flush_ops variants[] = {
	OPS("hatric:3"), OPS("hatric:4"), OPS("hatric:5"), OPS("hatric:6"),
};
const struct flush_ops flush_hatric = OPS("hatric");

static const struct flush_ops *variant(const char *bits)
{
	if (bits[0] < '3' || bits[0] > '6' || bits[1])
		return NULL;
	return &variants[bits[0] - '3'];
}
