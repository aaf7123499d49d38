/* granule.h - Arm's larger base pages: translation granules of 16K and 64K.
 *
 * A table fills one base page, so it has 2^11 or 2^13 entries, and a leaf one
 * level up maps 32M or 512M. Two levels up there are no leaves (64G and 4T need
 * FEAT_LPA2, not modelled). Three levels of tables translate 47 bits of address
 * with 16K, and with 64K the 48 there are: the top table is then used in part.
 * Source: Arm Cortex-A76 TRM 100798 (page sizes); assumed: shapes of tables, from
 * memory of Arm ARM DDI 0487 D8.2.
 *
 * All else goes on in base pages: vpn, pfn, orders, invalidations of one page. An
 * array that joins pages (coalesce) joins as many of the larger ones (assumed);
 * sets are indexed by the number of the entry's own page, as ever.
 */
#ifndef CPU_GRANULE_H
#define CPU_GRANULE_H

#include "base/err.h"
#include "cpu/machine.h"
#include "cpu/memory.h"

/* ORDER granule_names */
enum granule { GRANULE_4K, GRANULE_16K, GRANULE_64K, NR_GRANULES };

extern const char *const granule_names[];       /* "4k" ..., NULL ends        */

/* granule_use - @m, fresh from machine_create(), gets this base page; 4K changes
 * nothing. Arrays hold whole what their profile's sizes name of the granule's two.
 * Return: 0; -EINVAL: no Arm machine, or an array holds neither, or level 1 not
 * its base page. */
int granule_use(struct machine *m, enum granule g, struct err *e);

/* The tables of @m's granule; @levels where that is 4K. */
struct paging granule_paging(const struct machine *m, u32 levels);

#endif
