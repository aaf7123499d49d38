/* mut_emulated.h - an emulated machine as one under test: calib/mut.h by the
 * timed driver, its counters read as PAPI would read any machine's.
 *
 * A chase depends on each load, so it waits for the first-level cache where
 * `access` prices a stream: its cycles are the model's and, where the profile
 * names an L1D and data caches are modelled, that cache's latency in place of
 * `access`. docs/calibration.md says what else is translated.
 */
#ifndef EMU_MUT_EMULATED_H
#define EMU_MUT_EMULATED_H

#include "calib/mut.h"
#include "cpu/machine.h"

enum mut_reading {
	MUT_BY_PAPI,            /* events through PAPI's sde component        */
	MUT_BY_HAND             /* the same events, read directly             */
};

/* mut_emulated_create - around @m, which must outlive it and whose costs may
 * change between requests. MUT_BY_PAPI: -ENOENT, -ENODEV with text when PAPI
 * or libsde is not there. */
int mut_emulated_create(struct mut **out, const struct machine *m,
			enum mut_reading how, struct err *e);
void mut_emulated_destroy(struct mut *m);

/* mut_shape_of - CPUs, nodes, pairs and caches of @m, of whose CPUs only those
 * count that @may_use has (by the kernel's number; NULL: all). The shape numbers
 * the others from 0 on, in the machine's order. */
void mut_shape_of(struct mut_shape *shape, const struct machine *m,
		  bool (*may_use)(u32 os_cpu));

#endif
