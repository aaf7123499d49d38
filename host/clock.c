/* Time, place and interference. */
#include "host/clock.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CHAIN 4096u

u64 clock_host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

u64 clock_ticks(void)
{
#if defined(__x86_64__)
	u32 lo, hi, aux;

	/* Not before what precedes it; what follows may begin. */
	__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux) :: "memory");
	return (u64)hi << 32 | lo;
#elif defined(__aarch64__)
	u64 v;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v) :: "memory");
	return v;
#else
	return clock_host_ns();
#endif
}

double clock_ticks_per_ns(void)
{
	static double rate;
	u64 ns, ticks;

	if (rate > 0)
		return rate;
	ns = clock_host_ns();
	ticks = clock_ticks();
	while (clock_host_ns() - ns < 20000000)
		;
	ticks = clock_ticks() - ticks;
	ns = clock_host_ns() - ns;
	rate = (double)ticks / (double)ns;
	return rate;
}

/* CHAIN additions, each of which needs the one before. Not of a constant:
 * some processors add those up while renaming. */
static void chain(void)
{
	u64 v = 1, one = 1;

	for (u32 i = 0; i < CHAIN / 16; i++) {
#if defined(__x86_64__)
		__asm__ volatile(".rept 16\n\tadd %1, %0\n\t.endr"
				 : "+r"(v) : "r"(one));
#elif defined(__aarch64__)
		__asm__ volatile(".rept 16\n\tadd %0, %0, %1\n\t.endr"
				 : "+r"(v) : "r"(one));
#else
		for (u32 k = 0; k < 16; k++)
			__asm__ volatile("" : "+r"(v) : "r"(v + one));
#endif
	}
}

double clock_core_hz(void)
{
	u64 best = UINT64_MAX;

	for (u32 i = 0; i < 10; i++) {
		u64 t = clock_ticks();

		chain();
		t = clock_ticks() - t;
		best = t < best ? t : best;
	}
	return CHAIN * clock_ticks_per_ns() * 1e9 / (double)best;
}

/* ---- where ------------------------------------------------------------------ */

static cpu_set_t allowed;
static bool knows_allowed;

static void know_allowed(void)
{
	if (!knows_allowed)
		sched_getaffinity(0, sizeof(allowed), &allowed);
	knows_allowed = true;
}

u32 clock_nr_cpus(void)
{
	know_allowed();
	return (u32)CPU_COUNT(&allowed);
}

bool clock_may_use(u32 os_cpu)
{
	know_allowed();
	return os_cpu < CPU_SETSIZE && CPU_ISSET(os_cpu, &allowed);
}

int clock_pin_to(u32 os_cpu, struct err *e)
{
	cpu_set_t one;

	if (!clock_may_use(os_cpu))
		return err_set(e, -ENOTSUP, "CPU %u may not be used here",
			       os_cpu);
	CPU_ZERO(&one);
	CPU_SET(os_cpu, &one);
	if (!sched_setaffinity(0, sizeof(one), &one))
		return 0;
	return err_set(e, -errno, "CPU %u: cannot be pinned to: %s", os_cpu,
		       strerror(errno));
}

int clock_pin(u32 nth, struct err *e)
{
	u32 nr = 0;

	for (u32 i = 0; i < CPU_SETSIZE; i++)
		if (clock_may_use(i) && nr++ == nth)
			return clock_pin_to(i, e);
	return err_set(e, -ENOTSUP, "CPU number %u of the %u that may be used",
		       nth, nr);
}

void clock_unpin(void)
{
	if (knows_allowed)
		sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* ---- what else went on -------------------------------------------------------- */

static u64 steal_ticks(void)
{
	unsigned long long v[8] = { 0 };
	FILE *f = fopen("/proc/stat", "r");
	int n;

	if (!f)
		return 0;
	n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
		   &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	fclose(f);
	return n == 8 ? v[7] : 0;
}

static double load_average(void)
{
	double load = 0;

	return getloadavg(&load, 1) == 1 ? load : 0;
}

void disturbance_now(struct disturbance *d)
{
	struct rusage r;

	d->hz = clock_core_hz();
	d->host_ns = clock_host_ns();
	d->steal_ticks = steal_ticks();
	d->load = load_average();
	d->switches = getrusage(RUSAGE_SELF, &r) ? 0 : (u64)r.ru_nivcsw;
}

void interference_between(const struct disturbance *a,
			  const struct disturbance *b,
			  struct interference *out)
{
	double s = (double)(b->host_ns - a->host_ns) / 1e9;
	double per_s = (double)sysconf(_SC_CLK_TCK);
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);

	*out = (struct interference){
		.load = b->load,
		.hz_low = a->hz < b->hz ? a->hz : b->hz,
		.hz_high = a->hz < b->hz ? b->hz : a->hz,
	};
	if (s <= 0 || cpus < 1)
		return;
	out->stolen = (double)(b->steal_ticks - a->steal_ticks) / per_s / s /
		cpus;
	out->switches_per_s = (double)(b->switches - a->switches) / s;
}

const char *interference_text(const struct interference *i, char *buf,
			      size_t size)
{
	double drift = i->hz_low > 0 ? i->hz_high / i->hz_low - 1 : 0;
	size_t n = 0;

	buf[0] = '\0';
	if (i->stolen > 0.01)
		n += (size_t)snprintf(buf + n, size - n, "%sthe hypervisor took "
				      "%.0f %% of the time", n ? "; " : "",
				      i->stolen * 100);
	if (i->switches_per_s > 20 && n < size)
		n += (size_t)snprintf(buf + n, size - n, "%s%.0f times a second "
				      "another program ran here", n ? "; " : "",
				      i->switches_per_s);
	if (i->load > 1.5 && n < size)
		n += (size_t)snprintf(buf + n, size - n, "%sload %.1f",
				      n ? "; " : "", i->load);
	if (drift > 0.02 && n < size)
		snprintf(buf + n, size - n, "%sthe clock went between %.2f and "
			 "%.2f GHz", n ? "; " : "", i->hz_low / 1e9,
			 i->hz_high / 1e9);
	return buf;
}
