/* This host under test: its own events, through PAPI. */
#include "host/native.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/events.h"
#include "host/native_impl.h"
#include "host/papi.h"

/* What is asked for, at most as many as any processor counts at once. */
enum asked { L1_MISS, L2_HIT, WALKS, WALK_CYCLES, NR_ASKED };
static const char *const asked[NR_ASKED] = {
	"dTLB-load-misses", "dtlb_load_misses.stlb_hit",
	"dtlb_load_misses.walk_completed", "dtlb_load_misses.walk_duration",
};

struct native_events {
	struct papi_set *set;
	u32 n;
	enum asked of[NR_ASKED];
	char name[NR_ASKED][192];
};

/* The event for @what, or why there is none. Presets mean different things on
 * different processors and are left alone. */
static int find(struct native_events *ev, enum asked what, struct err *e)
{
	const struct host_event *h;
	const char *prefix;
	int state = 0;

	host_pmu(&prefix);
	h = host_event_for(asked[what], &state, e);
	if (!h || h->pmu == PMU_ANY)
		return err_set(e, -ENOENT, "PAPI: no event of this processor is "
			       "known for %s", asked[what]);
	if (state)
		return state;
	host_event_name(h, prefix, ev->name[ev->n], sizeof(ev->name[0]));
	ev->of[ev->n++] = what;
	return 0;
}

int mut_native_count(struct mut *m, struct err *e)
{
	struct native *n = (struct native *)m;
	struct native_events *ev;
	const char *names[NR_ASKED];
	struct err first = { "" };
	int rc = papi_ready(e), refusal = 0;

	if (rc)
		return rc;
	ev = calloc(1, sizeof(*ev));
	if (!ev)
		return err_set(e, -ENOMEM, "out of memory");
	/* The walks' refusal is the one worth telling. */
	for (u32 i = NR_ASKED; i-- > 0; ) {
		struct err why = { "" };

		rc = find(ev, (enum asked)i, &why);
		if (rc && i >= WALKS) {
			refusal = rc;
			first = why;
		}
	}
	for (u32 i = 0; i < ev->n; i++)
		names[i] = ev->name[i];
	rc = ev->n ? papi_set_create(&ev->set, names, ev->n, e)
		   : err_set(e, refusal, "%s", first.text);
	if (rc) {
		free(ev);
		return rc;
	}
	n->events = ev;
	m->by_clock = true;
	return 0;
}

const char *mut_native_counts(const struct mut *m, char *buf, size_t size)
{
	const struct native_events *ev = ((const struct native *)m)->events;
	size_t at = 0;

	buf[0] = '\0';
	for (u32 i = 0; ev && i < ev->n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s",
				       i ? ", " : "", ev->name[i]);
	return buf;
}

void native_events_close(struct native *n)
{
	if (!n->events)
		return;
	papi_set_destroy(n->events->set);
	free(n->events);
	n->events = NULL;
}

bool native_events_start(struct native *n)
{
	return n->events && !papi_set_start(n->events->set, NULL);
}

void native_events_stop(struct native *n, double per, struct mut_sample *s)
{
	const struct native_events *ev = n->events;
	double got[NR_ASKED] = { NAN, NAN, NAN, NAN };
	s64 v[NR_ASKED];

	if (papi_set_stop(ev->set, v, NULL))
		return;
	for (u32 i = 0; i < ev->n; i++)
		got[ev->of[i]] = (double)v[i] / per;
	s->ev[MUT_L1_MISS] = isnan(got[L1_MISS]) ? got[L2_HIT] + got[WALKS]
						 : got[L1_MISS];
	s->ev[MUT_WALKS] = got[WALKS];
	s->ev[MUT_WALK_CYCLES] = got[WALK_CYCLES];
}
