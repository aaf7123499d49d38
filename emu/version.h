/* version.h - which source this program was built from. */
#ifndef EMU_VERSION_H
#define EMU_VERSION_H

#define TLBEMU_VERSION "0.1"

/* `git describe` of the build, "unknown" outside a repository. */
extern const char tlbemu_revision[];

#endif
