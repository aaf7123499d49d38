/* import_impl.h - what the formats behind import.h share. For import.c and
 * import_FORMAT.c alone. */
#ifndef EMU_IMPORT_IMPL_H
#define EMU_IMPORT_IMPL_H

#include "emu/import.h"
#include "emu/import_stream.h"

#define IMPORT_BATCH 1024u      /* accesses handed out at once                */
#define IMPORT_RECORD_MAX 8u    /* accesses that one record can hold          */

struct import_ops {
	struct import_format pub;
	u32 record_bytes;       /* 0: lines of text                           */

	/* is_mine - does one line, or record, of @n bytes look like this
	 * format? Lines come without their end. */
	bool (*is_mine)(const u8 *p, size_t n);

	/* parse - take the line, or record, at @p: add its accesses, and say
	 * in *@next where the one after it begins. A line's '\n' is within the
	 * window, so no scan of it needs another bound; a few bytes after it
	 * are readable. */
	int (*parse)(struct import *im, const u8 *p, const u8 **next);
};

struct import {
	struct import_cfg cfg;
	const struct import_ops *ops;
	struct stream stream;
	struct import_stats stats;
	u32 n;
	struct import_access batch[IMPORT_BATCH];
	int failed;             /* negative errno: reading is over            */
	struct err err;

	/* drmemtrace's view tool talks before and after its records. */
	bool is_outside;
	bool is_in_view;        /* its heading was seen                       */
	u64 workload;           /* W number seen first, plus one              */
};

extern const struct import_ops import_lackey, import_drmemtrace,
	import_champsim, import_perf;

/* import_add - one access, op and tid checked by the caller. */
static inline void import_add(struct import *im, u64 va, u32 bytes,
			      enum run_op op, u32 tid)
{
	if (op == RUN_FETCH && im->cfg.without_fetch) {
		im->stats.nr_fetches_skipped++;
		return;
	}
	im->stats.nr_accesses++;
	im->batch[im->n++] = (struct import_access){
		.va = va, .bytes = bytes, .tid = tid, .op = op,
	};
}

/* import_bad_line - -EINVAL: in @line, at @at, @expected was not found. */
int import_bad_line(struct import *im, const u8 *line, const u8 *at,
		    const char *expected);

/* The program's name: [@p, @end), the first time it is told. */
void import_command(struct import *im, const u8 *p, const u8 *end);

/* The value of a hexadecimal digit, plus one; 0 for anything else. */
extern const u8 import_hex[256];

/* Digits at @p: how many, or 0 when there is none or too many. */
static inline u32 import_hex_u64(const u8 *p, u64 *value)
{
	u32 n;

	*value = 0;
	for (n = 0; import_hex[p[n]]; n++) {
		if (n == 16)
			return 0;
		*value = *value << 4 | (import_hex[p[n]] - 1u);
	}
	return n;
}

static inline u32 import_dec_u64(const u8 *p, u64 *value)
{
	u32 n;

	*value = 0;
	for (n = 0; p[n] >= '0' && p[n] <= '9'; n++) {
		if (n == 18)
			return 0;
		*value = *value * 10 + (p[n] - '0');
	}
	return n;
}

#endif
