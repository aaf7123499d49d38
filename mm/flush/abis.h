/* abis.h - ABIS's epochs (abis.c). */
#ifndef MM_FLUSH_ABIS_H
#define MM_FLUSH_ABIS_H

#include "base/types.h"

/* This CPU counts that it has dropped everything it had under the tag of @slot. */
void abis_count_flush(u32 slot);

#endif
