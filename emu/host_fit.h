/* host_fit.h - the costs of kernel work, by turning the model round: the same
 * request runs on the host and on the emulated machine with the profile so far,
 * and one cost is set so that both take as long. Each step leans on those
 * before it; the model is linear in each cost, so two runs say what it must be.
 */
#ifndef EMU_HOST_FIT_H
#define EMU_HOST_FIT_H

#include "calib/mut.h"
#include "emu/host_profile.h"

/* host_fit - @host measures, @m is the machine of the profile so far, whose
 * costs are set on the way. What was found goes into p->cost. */
int host_fit(struct host_profile *p, struct mut *host, struct machine *m,
	     calib_progress *progress, void *arg, struct err *e);

/* host_fit_keep - @cycles (+- @half, of @n repetitions) of @m become the cost in
 * @p, by the clock; what no cost can be becomes the nearest that one can, and
 * is assumed. */
void host_fit_keep(struct host_profile *p, const struct machine *m,
		   enum cost cost, double cycles, double half, u32 n,
		   const char *what);

/* host_fit_uses - does host_fit() measure calls of so many pages? */
bool host_fit_uses(u64 pages);

/* How many times host_fit() calls @progress. */
u32 host_fit_steps(void);

#endif
