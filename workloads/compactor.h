/* compactor.h - threads that do nothing but compact memory, as a loop around
 * /proc/sys/vm/compact_memory: every page that can be moved goes to another
 * frame of its node, again and again. */
#ifndef WORKLOADS_COMPACTOR_H
#define WORKLOADS_COMPACTOR_H

#include "base/types.h"

/* Until *@left (in the arena) is 0: compactor @i of @n, each of which begins
 * elsewhere. Return: pages moved. */
u64 compact_while(u32 *left, u32 i, u32 n);

#endif
