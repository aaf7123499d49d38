/* profile_builtin.h - the profiles of machines/ as compiled into the program,
 * so that it runs from any folder. A profile on disk comes before these.
 */
#ifndef CPU_PROFILE_BUILTIN_H
#define CPU_PROFILE_BUILTIN_H

#include <stddef.h>

struct profile_builtin {
	const char *name;
	const char *start, *end;        /* the file's bytes, no NUL           */
};

extern const struct profile_builtin profile_builtin[];
extern const size_t nr_profile_builtin;

#endif
