#include "emu/version.h"

/* Made by build.ninja; a build by hand has none. */
#if __has_include(<build/revision.h>)
#include <build/revision.h>
#else
#define TLBEMU_REVISION "unknown"
#endif

const char tlbemu_revision[] = TLBEMU_REVISION;
