/* import.h - memory traces and samples that other tools wrote, behind one
 * reader.
 *
 *	import_open(&im, fd, &(struct import_cfg){ .name = "x.xz" }, &e);
 *	while (!(ret = import_next(im, &a, &n, &e)) && n)
 *		... a[0 .. n) ...
 *	import_close(im);
 *
 * What is read may be compressed (gzip, xz, zstd), a file or a pipe. Both the
 * compression and the format are found by content.
 *
 * Units:   bytes; va are virtual addresses of the traced program.
 * Errors:  0 or negative errno. Bad contents are -EINVAL; the text names the
 *          input, the line or byte offset (in what was decompressed) and what
 *          was expected. A line that cannot be understood is an error, since a
 *          line lost is an access lost.
 * Memory:  under 2 MiB, whatever the input claims; a decompressor may take up
 *          to 256 MiB for its window.
 * Threads: none; a reader belongs to one thread.
 */
#ifndef EMU_IMPORT_H
#define EMU_IMPORT_H

#include "base/err.h"
#include "base/types.h"

#define IMPORT_NAME_MAX 128

struct import_access {
	u64 va;
	u32 bytes;              /* at least 1; the last byte's address fits   */
	u32 tid;                /* as the tool numbers threads; 0: not told   */
	u8 op;                  /* enum run_op                                */
};

struct import_format {
	const char *name;       /* --format=NAME                              */
	const char *summary;
	const char *hint;       /* how to write one                           */
	bool is_sampled;        /* some accesses of many, not a trace         */
	bool has_sizes;         /* false: every access counts as one byte     */
	bool has_threads;       /* accesses say whose they are, if recorded so */
};

/* NULL-terminated, in the order in which contents are tried. */
extern const struct import_format *const import_formats[];

struct import_cfg {
	const char *name;       /* of the input, for error texts              */
	const char *format;     /* of import_formats; NULL: by content        */
	bool without_fetch;     /* leave instruction fetches out              */
	bool is_partial_ok;     /* ignore a last line or record that is cut,
				 * which is what an interrupted recording
				 * leaves                                     */
	/* Called now and then with the input bytes read; may be NULL. */
	void (*progress)(void *arg, u64 bytes);
	void *arg;
};

struct import_stats {
	u64 nr_records;         /* lines or binary records, of any kind       */
	u64 nr_accesses;        /* handed out                                 */
	u64 nr_fetches_skipped;
	u64 nr_hints_skipped;   /* prefetches and cache flushes               */
	u64 nr_unaddressed;     /* samples that do not say which address      */
	char command[IMPORT_NAME_MAX];  /* as far as it is told, else ""      */
};

struct import;                  /* opaque, in import_impl.h */

/* import_open - find out what @fd holds. @fd stays the caller's. @cfg is
 * copied, its strings are not.
 * Return: 0, -EINVAL (no format fits; nothing in it), -ENOENT (no such
 * format), or what reading gave. */
int import_open(struct import **out, int fd, const struct import_cfg *cfg,
		struct err *e);

/* import_next - the next accesses, at least one, or *@n = 0 at the end. They
 * stay valid until the next call. What comes before an error is handed out
 * first. */
int import_next(struct import *im, const struct import_access **a, size_t *n,
		struct err *e);

const struct import_format *import_format(const struct import *im);
const struct import_stats *import_stats(const struct import *im);
void import_close(struct import *im);

#endif
