/* race_state.h - the modelled machine in words, for a person who steps through a
 * counterexample. Reads the state between two moves, changes nothing.
 */
#ifndef EMU_RACE_STATE_H
#define EMU_RACE_STATE_H

#include <jansson.h>

#include "base/types.h"

/* race_state - {"cpus": [{"at", "tlb": [], "sb": [], "ipi": []}], "pte": {},
 * "frame": {}, "lock": {}}: objects by name, values as text. NULL: no memory. */
json_t *race_state(void);

/* race_object - what the word at @obj is, such as "PTE[2]" or "page lock of frame
 * 7", in @out. */
void race_object(const void *obj, char *out, size_t size);

#endif
