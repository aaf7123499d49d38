/* replay_events.h - replay of traces with events: the modelled kernel does what
 * the program had done to its address space, thread by thread. For replay.c
 * alone. */
#ifndef WORKLOADS_REPLAY_EVENTS_H
#define WORKLOADS_REPLAY_EVENTS_H

#include "workloads/workload.h"

struct replay_events;           /* opaque */

/* replay_has_events - does one of w->files? Return: 1, 0, or an error. */
int replay_has_events(const struct wl *w, struct err *e);

/* replay_events_setup - one process for each of w->files; one thread, and CPU,
 * for each thread of the recording, or, when w->nr_threads says so, several on
 * one. *@out is to be freed also after an error. */
int replay_events_setup(struct replay_events **out, struct wl *w, u32 loops,
			struct err *e);
void replay_events_body(struct replay_events *r, struct wl *w, u32 thread);
void replay_events_free(struct replay_events *r);

#endif
