#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/units.h"

#define REDRAW_NS 100000000ull  /* ten lines a second are enough to read      */
#define LOOK_NS    10000000ull  /* about how often to read the clock          */

/* ORDER progress_modes */
const char *const progress_modes[] = { "auto", "always", "never", NULL };

static u64 host_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

void progress_start(struct progress *p, enum progress_mode mode,
		    const char *label, const char *unit, u64 total)
{
	bool on = mode == PROGRESS_ALWAYS ||
		(mode == PROGRESS_AUTO && isatty(STDERR_FILENO));

	*p = (struct progress){ .next = on ? 1 : UINT64_MAX, .total = total,
				.label = label, .unit = unit };
	if (on)
		p->start_host_ns = p->drawn_host_ns = host_now_ns();
}

/* 1234567 as "1.23M": three digits say enough here. */
static void short_number(double v, char *buf, size_t size)
{
	static const char letters[] = " kMGTP";
	int i = 0;

	while (v >= 999.5 && letters[i + 1]) {
		v /= 1000;
		i++;
	}
	units_format_fixed(v, i == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2,
			   buf, size - 1);
	if (i) {
		size_t n = 0;

		while (buf[n])
			n++;
		buf[n] = letters[i];
		buf[n + 1] = '\0';
	}
}

void progress_line(const struct progress *p, u64 host_ns, char *buf,
		   size_t size)
{
	double rate = host_ns ? (double)p->done * 1e9 / (double)host_ns : 0;
	char done[32], total[32], speed[32];
	u64 left_s;

	short_number((double)p->done, done, sizeof(done));
	short_number((double)p->total, total, sizeof(total));
	short_number(rate, speed, sizeof(speed));
	if (p->total == 0) {
		snprintf(buf, size, "%s: %s %s, %s/s", p->label, done, p->unit,
			 speed);
		return;
	}
	if (rate <= 0) {
		snprintf(buf, size, "%s: %s/%s %s", p->label, done, total,
			 p->unit);
		return;
	}
	left_s = p->done >= p->total ? 0 :
		(u64)((double)(p->total - p->done) / rate + 0.5);
	snprintf(buf, size, "%s: %s/%s %s, %s/s, %llu:%02llu left", p->label,
		 done, total, p->unit, speed,
		 (unsigned long long)(left_s / 60),
		 (unsigned long long)(left_s % 60));
}

void progress_draw(struct progress *p)
{
	u64 now = host_now_ns(), since = now - p->start_host_ns;
	u64 step;
	char line[160];

	/* Aim the next look at the clock by the rate seen so far. */
	step = since ? (u64)((double)p->done * LOOK_NS / (double)since) : 1;
	if (step > 4 * p->done)
		step = 4 * p->done;
	p->next = p->done + (step ? step : 1);

	if (now - p->drawn_host_ns < REDRAW_NS)
		return;
	p->drawn_host_ns = now;
	p->drawn = true;
	progress_line(p, since, line, sizeof(line));
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->drawn) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	p->drawn = false;
	p->next = UINT64_MAX;
}
