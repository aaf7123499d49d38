/* What other threads add to a call. */
#include "emu/validate_why.h"

#include <math.h>

#define MORE 2.5                /* rounds for one, clear of the noise         */

static const struct row *alone_as(const struct rows *r, const struct row *row)
{
	for (u32 i = 0; i < r->n; i++) {
		const struct row *a = &r->row[i];

		if (a->suite == ALONE && a->work.op == row->work.op &&
		    a->work.size == row->work.size &&
		    a->work.pages == row->work.pages)
			return a;
	}
	return NULL;
}

bool added_by_threads(const struct rows *r, enum mut_op op, u32 others,
		      struct added *out)
{
	*out = (struct added){ .few = NULL };
	for (u32 i = 0; i < r->n; i++) {
		const struct row *row = &r->row[i], *alone;
		double native, emulated;

		if (row->suite != TOGETHER || row->has_less ||
		    row->work.op != op || row->work.others != others)
			continue;
		alone = alone_as(r, row);
		native = alone ? row->native - alone->native : NAN;
		emulated = alone ? row->emulated - alone->emulated : NAN;
		if (isnan(native) || isnan(emulated))
			continue;
		if (!out->few || row->work.pages < out->few->work.pages) {
			out->few = row;
			out->native[0] = native;
			out->emulated[0] = emulated;
		}
		if (!out->most || native > out->native[1]) {
			out->most = row;
			out->native[1] = native;
			out->emulated[1] = emulated;
		}
	}
	/* Little is noise: one round costs what the model's was fitted to. */
	return out->few && out->emulated[0] > 0 &&
		out->native[0] > out->emulated[0] / 2 &&
		out->native[1] > MORE * out->native[0] &&
		out->native[1] / out->native[0] >
			MORE * (out->emulated[1] / out->emulated[0]);
}
