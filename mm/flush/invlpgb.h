/* invlpgb.h - what both strategies of AMD's broadcast share. */
#ifndef MM_FLUSH_INVLPGB_H
#define MM_FLUSH_INVLPGB_H

#include "mm/flush.h"

/* Pages of one instruction. */
u64 invlpgb_at_once(void);

/* What @r names of @pcid, @most pages at a time; started, not waited for. */
void invlpgb_user(const struct flush_req *r, u16 pcid, u64 most);

/* flush_ops.shoot_kernel: pages with their global entries, or everything
 * (invlpgb_kernel_range_flush(), invlpgb_flush_all()). */
void invlpgb_kernel(const struct flush_req *r);

#endif
