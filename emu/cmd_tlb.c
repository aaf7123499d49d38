/* tlbemu tlb - traces through TLB designs side by side, what-if sweeps over
 * sizes, and how far apart the uses of a page are. */
#include "emu/cmd_tlb.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/units.h"
#include "cpu/granule.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/experiment.h"
#include "emu/tlb_designs.h"
#include "emu/tlb_tables.h"
#include "emu/version.h"
#include "emu/what_if_run.h"
#include "workloads/trace_file.h"

#define MAX_DESIGNS 32u

/* ORDER table */
enum { TABLE_AUTO, TABLE_DESIGNS, TABLE_WHAT_IF, TABLE_HISTOGRAM };
static const char *const table_names[] = {
	"auto", "designs", "what-if", "histogram", NULL
};

struct tlb_cfg {
	const char *tlb, *what_if;
	bool histogram;
	int page;
	u32 huge_from;
	int granule, caches;
	bool psc;
	u64 seed;
	const char *out;
	int table;
	u32 jobs;
	int progress;
	bool dry_run, help;
};

static const char *const caches_names[] = { "none", "walks", "full", NULL };

#define FIELD(f, g) .offset = offsetof(struct tlb_cfg, f), .group = g

static const struct opt tlb_opts[] = {
	{ .name = "tlb", .kind = OPT_STRING, .metavar = "A,B,FILE.ini",
	  .help = "designs: the TLBs, walkers and costs of machine profiles, by "
		  "name or file; without it, --what-if and --histogram: "
		  MACHINE_DEFAULT_PROFILE, .see = "tlbemu list machines",
	  FIELD(tlb, "designs") },
	{ .name = "page", .kind = OPT_ENUM, .def = "4k",
	  .names = mapping_names,
	  .help = "how designs see the trace mapped: 4K pages, 2M pages, or 2M "
		  "where --huge-from says so",
	  .instead = "1G pages: --what-if entries=16,page=1g",
	  FIELD(page, "designs") },
	{ .name = "huge-from", .kind = OPT_U32, .def = "256", .min = 1,
	  .max = 512, .unit = "pages",
	  .help = "with --page=mixed, a 2M page where the trace touches so many "
		  "of the 512", FIELD(huge_from, "designs") },
	{ .name = "granule", .kind = OPT_ENUM, .def = "4k",
	  .names = granule_names,
	  .help = "base page of designs, all of Arm machines: 4k, 16k or 64k; "
		  "--page=4k is then a mapping of these, 2m one of 32M or 512M "
		  "pages", FIELD(granule, "designs") },
	{ .name = "caches", .kind = OPT_ENUM, .def = "none",
	  .names = caches_names,
	  .help = "data caches of designs: none, for page tables, or for all "
		  "data, as in `tlbemu run`", FIELD(caches, "designs") },
	{ .name = "psc", .kind = OPT_BOOL, .def = "yes",
	  .help = "designs use their paging-structure caches",
	  FIELD(psc, "designs") },
	{ .name = "what-if", .kind = OPT_STRING, .metavar = "SPEC",
	  .help = "misses of every combination of entries, ways, page sizes, "
		  "index, replacement and uses; keys are listed below",
	  FIELD(what_if, "sweep") },
	{ .name = "histogram", .kind = OPT_BOOL,
	  .help = "reuse distances: how many other pages were used since a "
		  "page's last use, for each page size",
	  FIELD(histogram, "sweep") },
	{ .name = "seed", .kind = OPT_U64, .def = "1",
	  .help = "of random replacement", FIELD(seed, "sweep") },
	OPTS_OUT_TABLE(tlb_cfg),
	{ .name = "table", .kind = OPT_ENUM, .def = "auto",
	  .names = table_names,
	  .help = "the table that a .csv shows; auto: the first there is",
	  FIELD(table, "output"), .no_echo = true },
	OPTS_JOBS(tlb_cfg, "designs at a time"),
	OPTS_PROGRESS(tlb_cfg),
	OPTS_DRY_RUN(tlb_cfg, "check everything, say what would run as an INI "
		 "file, and run nothing"),
	OPTS_HELP(tlb_cfg),
};

static const char usage[] =
	"usage: tlbemu tlb [options] [FILE.ini] TRACE.tlbt...\n"
	"tlb - traces through TLB designs side by side: misses by level, use and page\n"
	"size, walk cycles; misses of other sizes; reuse distances\n\n";
static const char examples[] =
	"\nEvery page is mapped before the clock starts: there are no page faults.\n"
	"Of a recorded program's mappings and threads nothing is used: its accesses\n"
	"are one thread's (tlbemu run replay plays them; trace cut --thread).\n"
	"LRU points of a sweep come from stack distances, all in one pass over the\n"
	"trace; policies that are no stack algorithm are one TLB each, in that pass.\n"
	"\nkeys of --what-if, each with a list of values:\n"
	"  entries=16..4096   numbers, or A..B: A, 2A, 4A ... and B\n"
	"  ways=4,8,full      [full]\n"
	"  page=4k,2m,1g      the trace as if mapped so [4k]\n"
	"  index=linear,xor   [linear]\n"
	"  replacement=lru    tree-plru, mru1-3plru4, fifo, random, nru [lru]\n"
	"  uses=data,fetch    or all [data]\n"
	"  behind=NAME        only what the first level of this design lets through:\n"
	"                     what if its second level were of this shape\n"
	"\nexamples:\n"
	"  tlbemu tlb sort.tlbt --tlb skylake-sp,haswell-ep,my.ini\n"
	"  tlbemu tlb sort.tlbt --tlb skylake-sp --page 2m -o sort.csv\n"
	"  tlbemu tlb sort.tlbt --tlb cortex-a76,neoverse-v2 --granule 64k\n"
	"  tlbemu tlb sort.tlbt --what-if entries=16..4096,ways=4,8,full\n"
	"  tlbemu tlb sort.tlbt --what-if entries=64,ways=4,replacement=lru,tree-plru,fifo\n"
	"  tlbemu tlb sort.tlbt --what-if entries=512..4096,ways=8,uses=all,behind=skylake-sp\n"
	"  tlbemu tlb sort.tlbt --histogram --table histogram -o distances.csv\n"
	"exit status: 0 done, 1 the output could not be written, 2 usage or bad input\n";

/* ---- what to run --------------------------------------------------------------- */

struct plan {
	struct tlb_cfg cfg;
	struct opt_set *set;
	char **trace;
	u32 nr_traces;
	char *list;             /* cfg.tlb, cut at the commas                 */
	const char *design[MAX_DESIGNS];
	u32 nr_designs;
	struct what_if w;
	struct tlb_design behind;       /* w.behind                           */
};

static int add_designs(struct plan *p, const char *list, struct err *e)
{
	char *rest, *name;

	p->list = strdup(list);
	if (!p->list)
		return err_set(e, -ENOMEM, "out of memory");
	rest = p->list;
	while ((name = strsep(&rest, ","))) {
		int rc;

		if (!*name)
			return err_set(e, -EINVAL, "--tlb: '%s': a name is "
				       "missing, expected A,B", list);
		rc = design_load(name, NULL, e);
		if (rc)
			return err_prefix(e, rc, "--tlb: ");
		if (p->nr_designs == MAX_DESIGNS)
			return err_set(e, -EINVAL, "--tlb: more than %u designs",
				       MAX_DESIGNS);
		p->design[p->nr_designs++] = name;
	}
	return 0;
}

static bool is_ini(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".ini");
}

/* A pipe can be read once: by a sweep, not by this check, nor by designs. */
static int check_trace(const struct plan *p, const char *path, struct err *e)
{
	struct trace *t;
	struct stat st;
	int rc;

	if (!stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return p->nr_designs ? err_set(e, -EINVAL, "%s: designs read a "
					       "trace more than once, and this "
					       "is no regular file", path) : 0;
	rc = trace_open(&t, path, e);
	if (!rc)
		trace_close(t);
	return rc;
}

static int check_traces(struct plan *p, struct err *e)
{
	int rc = 0;

	if (!p->nr_traces)
		return err_set(e, -EINVAL, "which trace? tlbemu tlb "
			       "TRACE.tlbt... ('tlbemu trace import' makes one)");
	for (u32 i = 0; i < p->nr_traces && !rc; i++)
		rc = check_trace(p, p->trace[i], e);
	return rc;
}

/* A variable of a script that is empty would have the default's designs run. */
static int check_given(const struct plan *p, struct err *e)
{
	static const struct {
		const char *name;
		size_t offset;
		const char *such;
	} text[] = {
		{ "tlb", offsetof(struct tlb_cfg, tlb),
		  "A,B ('tlbemu list machines' shows all)" },
		{ "what-if", offsetof(struct tlb_cfg, what_if),
		  "as entries=16..4096,ways=4 ('tlbemu tlb --help' shows keys)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		if (opt_origin_of(p->set, text[i].name) != OPT_FROM_DEFAULT &&
		    !*(const char *const *)((const char *)&p->cfg +
					    text[i].offset))
			return err_set(e, -EINVAL, "--%s: nothing is given, "
				       "expected %s", text[i].name, text[i].such);
	return 0;
}

static int parse(struct plan *p, int argc, char **argv, struct err *e)
{
	static const char *const sections[] = { "tlb", NULL };
	const struct opt_bind bind[] = { OPT_BIND(tlb_opts, &p->cfg) };
	int n, rc = 0;

	if (opt_set_create(&p->set, bind, 1))
		return err_set(e, -ENOMEM, "out of memory");
	n = opt_parse_args(p->set, argc, argv, e);
	if (n < 0 || p->cfg.help)
		return n < 0 ? n : 0;
	if (n && is_ini(argv[0])) {
		rc = opt_parse_ini(p->set, argv[0], &(struct opt_ini){
				   .sections = sections }, e);
		argv++;
		n--;
	}
	p->trace = argv;
	p->nr_traces = (u32)n;
	if (!rc)
		rc = check_given(p, e);
	if (!rc && p->cfg.what_if)
		rc = what_if_parse(&p->w, p->cfg.what_if, e);
	if (rc && p->cfg.what_if && !p->w.nr)
		return err_prefix(e, rc, "--what-if: ");
	if (!rc && p->w.behind) {
		rc = design_load(p->w.behind, &p->behind, e);
		if (rc)
			return err_prefix(e, rc, "--what-if: behind: ");
	}
	if (!rc && (p->cfg.tlb || !(p->cfg.what_if || p->cfg.histogram)))
		rc = add_designs(p, p->cfg.tlb ? p->cfg.tlb
				 : MACHINE_DEFAULT_PROFILE, e);
	return rc ? rc : check_traces(p, e);
}

/* The table that CSV shows, or an error when nothing fills it. */
static int csv_table(const struct plan *p, const char **name, struct err *e)
{
	const bool has[] = {
		[TABLE_DESIGNS] = p->nr_designs, [TABLE_WHAT_IF] = p->w.nr,
		[TABLE_HISTOGRAM] = p->cfg.histogram,
	};
	int t = p->cfg.table;

	for (int i = TABLE_DESIGNS; t == TABLE_AUTO && i <= TABLE_HISTOGRAM; i++)
		if (has[i])
			t = i;
	*name = table_names[t];
	return has[t] ? 0 : err_set(e, -EINVAL, "--table=%s: not without "
				    "--%s", *name, t == TABLE_DESIGNS ? "tlb"
				    : *name);
}

/* ---- running --------------------------------------------------------------------- */

static int run_designs(const struct plan *p, struct design_job *job,
		       struct err *e)
{
	const struct design_run d = {
		.job = job,
		.nr_jobs = p->nr_traces * p->nr_designs,
		.mapping = (enum mapping)p->cfg.page,
		.huge_from = p->cfg.huge_from,
		.granule = p->cfg.granule,
		.caches = caches_names[p->cfg.caches],
		.has_psc = p->cfg.psc,
		.seed = p->cfg.seed,
		.nr_workers = p->cfg.jobs,
		.progress = p->cfg.progress,
	};

	for (u32 i = 0; i < d.nr_jobs; i++) {
		job[i].trace = p->trace[i / p->nr_designs];
		job[i].design = p->design[i % p->nr_designs];
	}
	return d.nr_jobs ? designs_run(&d, e) : 0;
}

static int pass(const struct plan *p, struct trace *t, struct sweep *s,
		struct err *e)
{
	struct progress bar;
	const struct run *r;
	u64 done = 0;
	size_t n;
	int rc;

	progress_start(&bar, p->cfg.progress, "sweep", "accesses",
		       trace_info(t)->nr_accesses);
	while (!(rc = trace_next(t, &r, &n, e)) && n) {
		rc = sweep_runs(s, r, n, e);
		if (rc)
			break;
		for (size_t i = 0; i < n; i++)
			done += r[i].count;
		progress_to(&bar, done);
	}
	progress_end(&bar);
	return rc;
}

/* Points and distances of one trace, into the tables' rows. */
static int sweep_trace(struct plan *p, const char *path, struct tlb_rows *rows,
		       struct err *e)
{
	const struct sweep_config sc = {
		.w = p->w.nr ? &p->w : NULL,
		.behind = p->w.behind ? &p->behind : NULL,
		.is_histogram = p->cfg.histogram,
		.seed = p->cfg.seed,
	};
	struct sweep *s;
	struct trace *t;
	int rc = trace_open(&t, path, e);

	if (rc)
		return rc;
	rc = sweep_create(&s, &sc, e);
	if (!rc) {
		rc = pass(p, t, s, e);
		sweep_finish(s);
		if (!rc)
			rc = tlb_rows_add(rows, path, trace_info(t), s, sc.w,
					  e);
		sweep_destroy(s);
	}
	trace_close(t);
	return rc;
}

static void meta_opt(void *arg, const struct opt *o, const char *value,
		     enum opt_origin origin)
{
	emit_meta_str(arg, "config", o->name, *value ? value : NULL);
}

static void report(const struct plan *p, const struct design_job *job,
		   const struct tlb_rows *rows, struct emit *em)
{
	emit_meta_str(em, NULL, "command", "tlb");
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	emit_meta_u64(em, NULL, "seed", p->cfg.seed);
	opt_each(p->set, meta_opt, em);
	if (p->nr_designs)
		designs_table(em, job, p->nr_traces, p->nr_designs,
			      (enum mapping)p->cfg.page);
	if (p->w.nr)
		what_if_table(em, rows, &p->w);
	if (p->cfg.histogram)
		histogram_table(em, rows);
}

static int run_all(struct plan *p, struct design_job *job,
		   struct tlb_rows *rows, struct err *e)
{
	int rc = run_designs(p, job, e);

	for (u32 i = 0; i < p->nr_traces && !rc; i++)
		if (p->w.nr || p->cfg.histogram)
			rc = sweep_trace(p, p->trace[i], rows, e);
	return rc;
}

static int run(struct plan *p, struct err *e)
{
	struct emit_cfg ec = { .path = p->cfg.out };
	struct tlb_rows rows = { 0 };
	struct design_job *job;
	struct emit *em;
	int rc = csv_table(p, &ec.csv_table, e);

	if (!rc)
		rc = emit_create(&em, &ec, e);
	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, e);
	job = calloc((size_t)p->nr_traces * p->nr_designs + 1, sizeof(*job));
	rc = job ? run_all(p, job, &rows, e)
		 : err_set(e, -ENOMEM, "out of memory");
	if (rc)
		emit_discard(em);
	else
		report(p, job, &rows, em);
	free(job);
	tlb_rows_release(&rows);
	if (rc)
		return complain(exit_status_of(rc), e);
	return emit_close(em, e) ? complain(EXIT_FAILED, e) : 0;
}

static int dry_run(const struct plan *p)
{
	opt_echo(p->set, stdout);
	for (u32 i = 0; i < p->nr_traces; i++)
		printf("# trace: %s\n", p->trace[i]);
	for (u32 i = 0; i < p->nr_designs; i++)
		printf("# design: %s\n", p->design[i]);
	for (u32 i = 0; i < p->w.nr; i++) {
		const struct what_if_point *w = &p->w.point[i];

		printf("# point: %llu entries, %u ways, %u sets, %s, %s, %s "
		       "pages, %s: %s\n", (unsigned long long)w->entries,
		       w->ways, w->sets, w->sets == 1 ? "full"
		       : tlb_index_name(w->index),
		       tlb_repl_name(w->replacement),
		       what_if_page_names[w->page], uses_names[w->uses],
		       w->is_stack ? "stack distances" : "a TLB of its own");
	}
	return 0;
}

int cmd_tlb(int argc, char **argv)
{
	struct plan p = { .set = NULL };
	struct err e;
	int status = 0;

	if (parse(&p, argc - 1, argv + 1, &e)) {
		err_prefix(&e, -EINVAL, "tlb: ");
		status = complain(EXIT_USAGE, &e);
	} else if (p.cfg.help) {
		fputs(usage, stdout);
		opt_help(p.set, stdout);
		fputs(examples, stdout);
	} else if (p.cfg.dry_run) {
		status = dry_run(&p);
	} else {
		status = run(&p, &e);
	}
	what_if_release(&p.w);
	opt_set_free(p.set);
	free(p.list);
	return status;
}
