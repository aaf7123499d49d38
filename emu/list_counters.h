/* list_counters.h - `tlbemu list counters`: what the model counts, and what
 * this host counts that it can be compared with.
 *
 * @name NULL: all, and which components of PAPI refuse and why. Return: 0;
 * -ENOENT with text. */
#ifndef EMU_LIST_COUNTERS_H
#define EMU_LIST_COUNTERS_H

#include "base/emit.h"

int list_counters(struct emit *em, const char *name, struct err *e);

#endif
