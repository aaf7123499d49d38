#include "emu/mthp_opt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "mm/mthp.h"

static int size_to_order(const char *word, u32 base_shift, u32 huge_order,
			 u32 *order, struct err *e)
{
	u32 min = base_shift + MTHP_MIN_ORDER, max = base_shift + huge_order - 1;
	char lo[UNITS_MAX_TEXT], hi[UNITS_MAX_TEXT];
	u64 bytes;

	if (units_parse(UNIT_BYTES, word, &bytes, e))
		return err_prefix(e, -EINVAL, "--mthp: ");
	if (!bytes || bytes & (bytes - 1) || bytes < 1ull << min ||
	    bytes > 1ull << max)
		return err_set(e, -EINVAL, "--mthp: %s: expected a power of two "
			       "from %s to %s", word,
			       units_format(UNIT_BYTES, 1ull << min, lo),
			       units_format(UNIT_BYTES, 1ull << max, hi));
	*order = (u32)__builtin_ctzll(bytes) - base_shift;
	return 0;
}

int mthp_parse(const char *text, const struct kernel *k, u32 base_shift,
	       u32 huge_order, u32 *orders, struct err *e)
{
	*orders = 0;
	if (!text || !strcmp(text, "none"))
		return 0;
	if (!k->has_mthp)
		return err_set(e, -EINVAL, "--mthp: anonymous pages of kernel '%s' "
			       "are 4K or huge; v6.8, v6.10 and v6.12 have sizes "
			       "in between", k->name);
	for (const char *p = text, *end; ; p = end + 1) {
		char word[32];
		u32 order = 0;
		int rc;

		end = strchrnul(p, ',');
		snprintf(word, sizeof(word), "%.*s", (int)(end - p), p);
		rc = size_to_order(word, base_shift, huge_order, &order, e);
		if (rc)
			return rc;
		*orders |= 1u << order;
		if (!*end)
			return 0;
	}
}
