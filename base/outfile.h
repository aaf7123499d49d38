/* outfile.h - an output file that appears whole or not at all.
 *
 * Writes go to a temporary file beside the target; outfile_commit() flushes,
 * syncs and renames it. Until then the old file, if any, is untouched. What
 * exists and is not a regular file (/dev/full, a pipe) is written in place,
 * and "-" is standard output; both cannot be taken back.
 *
 * Errors: negative errno, the text names the path. A write that failed at any
 * time before commit is reported by commit.
 */
#ifndef BASE_OUTFILE_H
#define BASE_OUTFILE_H

#include <stdio.h>

#include "base/err.h"
#include "base/types.h"

struct outfile {
	FILE *f;                /* write here; NULL once committed            */
	char *path;             /* final name, links resolved                 */
	char *tmp;              /* temporary name; NULL: written in place     */
	int write_errno;        /* first error the user noted, or 0           */
};

int outfile_open(struct outfile *o, const char *path, struct err *e);

/* outfile_commit - on failure the temporary file is gone and the old target
 * still there. Either way *@o is finished. */
int outfile_commit(struct outfile *o, struct err *e);

/* outfile_discard - remove the temporary file. Safe after commit. */
void outfile_discard(struct outfile *o);

/* outfile_clean_up_on_signals - an INT, TERM or HUP also removes this process's
 * temporary files, then does what it always does. For main(). */
void outfile_clean_up_on_signals(void);

#endif
