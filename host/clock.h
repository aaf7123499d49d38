/* clock.h - this host's time, where we run, and what else went on.
 *
 * Cycles: nobody but a PMU counts those of a core. A chain of dependent
 * register additions takes one each on every processor this runs on, so its
 * time gives the clock the core runs at now; times are turned into cycles by
 * that, measured around them.
 *
 * Errors: negative errno with text. Threads: each has its own CPU.
 */
#ifndef HOST_CLOCK_H
#define HOST_CLOCK_H

#include "base/err.h"
#include "base/types.h"

/* A counter that is cheap to read: TSC, CNTVCT, else the kernel's clock. */
u64 clock_ticks(void);
double clock_ticks_per_ns(void);        /* measured once, 20 ms               */
u64 clock_host_ns(void);

/* clock_core_hz - of this CPU, now; takes about 30 us. The fastest of a few
 * chains, since an interruption only makes one longer. */
double clock_core_hz(void);

/* clock_may_use - may this process run on the CPU that the kernel numbers so?
 * As it was before the first clock_pin(). */
bool clock_may_use(u32 os_cpu);

/* clock_pin_to - this thread on that CPU; -ENOTSUP: it may not be used. */
int clock_pin_to(u32 os_cpu, struct err *e);

/* clock_pin - the same, on the @nth of those that may be used. */
int clock_pin(u32 nth, struct err *e);

/* clock_unpin - where it was before the first clock_pin(). */
void clock_unpin(void);

/* How many CPUs it may use. */
u32 clock_nr_cpus(void);

/* What others did to us meanwhile. */
struct disturbance {
	u64 host_ns;
	u64 steal_ticks;        /* /proc/stat, all CPUs, USER_HZ; the
				 * hypervisor ran somebody else               */
	u64 switches;           /* of this process, against its will          */
	double load;            /* /proc/loadavg, one minute                  */
	double hz;              /* of the core                                */
};

void disturbance_now(struct disturbance *d);

/* What is between two readings, as a share of the time: stolen; and the change
 * of the clock in percent. */
struct interference {
	double stolen;          /* 0 to 1 of all CPUs' time                   */
	double switches_per_s;
	double load;
	double hz_low, hz_high;
};

void interference_between(const struct disturbance *a,
			  const struct disturbance *b,
			  struct interference *out);

/* interference_text - one line for people; "" when nothing was noticed. */
const char *interference_text(const struct interference *i, char *buf,
			      size_t size);

#endif
