/* profile_builtin.c - takes the files of machines/ in as they are, all of them:
 * build/profiles.def has a line PROFILE(id, "name") for each. The assembler
 * reads them, relative to the folder the compiler runs in.
 */
#include "cpu/profile_builtin.h"

#define PROFILE(id, name)                                                   \
	__asm__(".pushsection .rodata\n"                                    \
		".global tlbemu_profile_" #id "\n"                          \
		".global tlbemu_profile_" #id "_end\n"                      \
		"tlbemu_profile_" #id ":\n"                                 \
		".incbin \"machines/" name ".ini\"\n"                       \
		"tlbemu_profile_" #id "_end:\n"                             \
		".byte 0\n"                                                 \
		".popsection\n");                                           \
	extern const char tlbemu_profile_##id[];                            \
	extern const char tlbemu_profile_##id##_end[];
#include <build/profiles.def>
#undef PROFILE

#define PROFILE(id, name) { name, tlbemu_profile_##id, tlbemu_profile_##id##_end },

const struct profile_builtin profile_builtin[] = {
#include <build/profiles.def>
};
const size_t nr_profile_builtin =
	sizeof(profile_builtin) / sizeof(profile_builtin[0]);
