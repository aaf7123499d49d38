/* run_clip.h - parts of runs. */
#ifndef WORKLOADS_RUN_CLIP_H
#define WORKLOADS_RUN_CLIP_H

#include "base/types.h"

/* run_clip_count - of @r keep accesses [@from, @from + @count), as far as it
 * has them. Return: how many that is; 0 leaves @r as it was. */
u32 run_clip_count(struct run *r, u64 from, u64 count);

/* run_clip_va - of @r, which stays inside one page, keep the accesses whose
 * first byte is in [@lo, @lo + @bytes). They are neighbours, since addresses
 * of a run go one way. Return: how many; 0 leaves @r as it was. */
u32 run_clip_va(struct run *r, u64 lo, u64 bytes);

#endif
