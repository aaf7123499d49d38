/* trace_cmds.h - the subcommands of `tlbemu trace`, behind cmd_trace.c's option
 * tables. Each returns an exit status and has printed its error. */
#ifndef EMU_TRACE_CMDS_H
#define EMU_TRACE_CMDS_H

#include "base/types.h"

struct trace_cfg {
	const char *out;
	const char *name;
	const char *format;
	const char *range;      /* --va                                       */
	u64 limit;
	u64 nr;
	u32 thread;             /* 0: all                                     */
	u64 from, count;        /* count 0: to the end                        */
	int progress;
	bool with_fetch;
	bool with_threads;
	bool is_partial_ok;
	bool is_quick;
	bool runs;
	bool help;
};

int trace_import(const struct trace_cfg *cfg, char **files, int nr_files);
int trace_info_of(const struct trace_cfg *cfg, char **files, int nr_files);
int trace_head(const struct trace_cfg *cfg, char **files, int nr_files);
int trace_cut(const struct trace_cfg *cfg, char **files, int nr_files);
int trace_cat(const struct trace_cfg *cfg, char **files, int nr_files);

#endif
