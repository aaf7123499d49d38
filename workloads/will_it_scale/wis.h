/* wis.h - what the will-it-scale test cases share: as many threads of one
 * process, or processes, as there are CPUs, each repeating the same few system
 * calls on memory of its own and counting how often.
 *
 * A test case is a file with one function, which does @n rounds for one thread
 * and adds what the real program counts as iterations to w->done, and the
 * struct workload that WIS_CASE makes of it.
 *
 * Source: will-it-scale (A. Blanchard), tests of the same names. Its programs
 * run until they are told to stop; here --rounds says how long.
 */
#ifndef WORKLOADS_WIS_H
#define WORKLOADS_WIS_H

#include "mm/file.h"
#include "workloads/workload.h"

struct wis_cfg {
	int as;
	u64 bytes;              /* of the mapping, where a case has one       */
	u64 rounds;
	bool remaps;
};

/* What one thread or process works with. */
struct wis_task {
	struct wl *w;
	struct mm *mm;
	u64 pages;              /* cfg->bytes                                 */
	u64 vpn;                /* mapped in setup(), if the case asks for it */
	u32 flags;              /* of that mapping                            */
	struct address_space *file;     /* its own, WIS_FILE                  */
};

/* In the flags of a case: each thread has a temporary file of its own, as large as
 * the mapping, in memory only (assumed: /tmp is tmpfs). Beside it VM_ flags: it is
 * mapped in setup(). */
#define WIS_FILE (1u << 31)

/* One round. Return: 0 or negative errno. */
typedef int (*wis_round)(struct wis_task *t);

extern const char *const wis_as_names[];
/* @flags: of a mapping for each thread; 0: none. */
int wis_setup(struct wl *w, u32 flags, struct err *e);
void wis_body(struct wl *w, u32 thread, wis_round round);
void wis_teardown(struct wl *w);

/* Rounds that several cases share: of each page of the task's mapping, a store, then
 * MADV_DONTNEED, then a load, with WIS_OPT_REMAP of a mapping of the round's own; and a mapping of the task's file with @flags, filled
 * and unmapped. */
int wis_flush_pages(struct wis_task *t);
int wis_fill_file(struct wis_task *t, u32 flags);

/* One store or load of each page of [@vpn, @vpn + @n). */
int wis_touch(u64 vpn, u64 n, u8 op);

#define WIS_FIELD(f) .offset = offsetof(struct wis_cfg, f), .group = "workload"

#define WIS_OPT_AS { \
	.name = "as", .kind = OPT_ENUM, .def = "threads", \
	.names = wis_as_names, .help = "threads of one process, or processes", \
	WIS_FIELD(as) }
#define WIS_OPT_ROUNDS(n) { \
	.name = "rounds", .kind = OPT_U64, .def = n, .min = 1, \
	.help = "rounds of each thread", WIS_FIELD(rounds) }
#define WIS_OPT_BYTES(n) { \
	.name = "bytes", .kind = OPT_SIZE, .def = n, .min = PAGE_BYTES, \
	.max = 1ull << 40, .unit = "bytes", \
	.help = "mapping of each thread", WIS_FIELD(bytes) }

#define WIS_OPT_REMAP { \
	.name = "remap", .kind = OPT_BOOL, \
	.help = "each round maps the memory anew, where there is room next, and " \
		"unmaps it, as the program does; no: mapped before, apart from " \
		"other threads'", \
	WIS_FIELD(remaps) }

#define WIS_CASE(id, title, look, map_flags, ...) \
	static const struct opt params[] = { __VA_ARGS__, WIS_OPT_AS }; \
	static int setup(struct wl *w, struct err *e) \
	{ \
		return wis_setup(w, map_flags, e); \
	} \
	static void body(struct wl *w, u32 thread) \
	{ \
		wis_body(w, thread, one_round); \
	} \
	extern const struct workload workload_##id; \
	const struct workload workload_##id = { \
		.name = #id, .summary = title, \
		.mirrors = "will-it-scale's " #id "_threads, " #id "_processes", \
		.watch = look, .unit = "iterations", .params = params, \
		.nr_params = ARRAY_LEN(params), \
		.cfg_bytes = sizeof(struct wis_cfg), .defaults = wis_defaults, \
		.setup = setup, .body = body, .teardown = wis_teardown, \
	}

/* Its published figures are of 4K pages. */
static const char *const wis_defaults[] = { "thp", "no", NULL };

#endif
