/* mthp_opt.h - the text of --mthp: sizes of anonymous pages between 4K and huge that
 * are enabled, as 16K or 16K,64K; "none" (mm/mthp.h).
 *
 * Errors: -EINVAL with what was expected.
 */
#ifndef EMU_MTHP_OPT_H
#define EMU_MTHP_OPT_H

#include "base/err.h"
#include "mm/kernel.h"

/* mthp_parse - a bit an order in *@orders, for base pages of 1 << @base_shift bytes
 * of which @huge_order make a huge one (its log2). */
int mthp_parse(const char *text, const struct kernel *k, u32 base_shift,
	       u32 huge_order, u32 *orders, struct err *e);

#endif
