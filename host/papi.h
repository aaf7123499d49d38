/* papi.h - PAPI as a library that may be there: looked for when first asked,
 * so that the program runs, and says why it does not count, without it.
 *
 * The library is $TLBEMU_PAPI (a file; "none": as if there were none), else
 * libpapi.so.7.0, then libpapi.so. libsde is loaded before it, so that its
 * component of software-defined events finds what emu/sde.c registers.
 *
 * Errors: negative errno and a sentence in @e: -ENOENT no library, -EPROTO
 * another PAPI than this was built for, -ENODEV the event's component is
 * disabled (with PAPI's reason), -ENOENT no such event, -EACCES not permitted
 * (with what to change), -EIO what else PAPI says.
 * Threads: one.
 */
#ifndef HOST_PAPI_H
#define HOST_PAPI_H

#include "base/err.h"
#include "base/types.h"

#define PAPI_SET_MAX 16u

struct papi_component {
	char name[64];
	char reason[192];       /* why it counts nothing; "" when it may      */
	s64 nr_events;          /* native ones, -1 unknown                    */
};

/* papi_ready - load and initialise it, once. */
int papi_ready(struct err *e);

/* Unload, so that the next papi_ready() looks again. */
void papi_forget(void);

u32 papi_nr_components(void);
void papi_component(u32 i, struct papi_component *c);

/* papi_has - could @event be counted now? 0, or why not. */
int papi_has(const char *event, struct err *e);

struct papi_set;                /* opaque: events that count together         */

int papi_set_create(struct papi_set **out, const char *const *events, u32 n,
		    struct err *e);
void papi_set_destroy(struct papi_set *s);
int papi_set_start(struct papi_set *s, struct err *e);
/* @values[n]: events since the start. */
int papi_set_stop(struct papi_set *s, s64 *values, struct err *e);

#endif
