/* validate_why.h - what rows say together that no row says alone: why those
 * beside running threads are off. */
#ifndef EMU_VALIDATE_WHY_H
#define EMU_VALIDATE_WHY_H

#include "emu/validate_rows.h"

/* A call's other threads: what the call takes longer than alone, in cycles, with
 * few pages and with those of its dearest row. */
struct added {
	const struct row *few, *most;   /* beside threads; NULL: not measured */
	double native[2], emulated[2];  /* few, most                          */
};

/* added_by_threads - of calls @op beside @others threads. Return: does this host
 * add much more for more pages, where the model does not? Then a flush of many
 * pages is many rounds to the other CPUs here, not one. */
bool added_by_threads(const struct rows *r, enum mut_op op, u32 others,
		      struct added *out);

#endif
