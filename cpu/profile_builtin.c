/* profile_builtin.c - takes the files of machines/ in as they are. The
 * assembler reads them, relative to the folder the compiler runs in, so
 * objs.ninja names them as inputs of this object.
 */
#include "cpu/profile_builtin.h"

#define PROFILE(id, file)                                                   \
	__asm__(".pushsection .rodata\n"                                    \
		".global tlbemu_profile_" #id "\n"                          \
		".global tlbemu_profile_" #id "_end\n"                      \
		"tlbemu_profile_" #id ":\n"                                 \
		".incbin \"machines/" file ".ini\"\n"                       \
		"tlbemu_profile_" #id "_end:\n"                             \
		".byte 0\n"                                                 \
		".popsection\n");                                           \
	extern const char tlbemu_profile_##id[];                            \
	extern const char tlbemu_profile_##id##_end[];

PROFILE(skylake_sp, "skylake-sp")
PROFILE(haswell_ep, "haswell-ep")
PROFILE(zen3_milan, "zen3-milan")

#define ENTRY(id, file) \
	{ file, tlbemu_profile_##id, tlbemu_profile_##id##_end }

const struct profile_builtin profile_builtin[] = {
	ENTRY(haswell_ep, "haswell-ep"),
	ENTRY(skylake_sp, "skylake-sp"),
	ENTRY(zen3_milan, "zen3-milan"),
};
const size_t nr_profile_builtin =
	sizeof(profile_builtin) / sizeof(profile_builtin[0]);
