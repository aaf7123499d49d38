/* tlbemu calibrate - measure this host, write a machine profile of it. */
#include "emu/cmd_calibrate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/opt.h"
#include "base/outfile.h"
#include "base/progress.h"
#include "calib/counted.h"
#include "cpu/topology.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/host_join.h"
#include "emu/host_fit.h"
#include "emu/host_profile.h"
#include "emu/mut_emulated.h"
#include "host/clock.h"
#include "host/native.h"

#define FIXED_STEPS 8u          /* of calib_tlb() and calib_memory()          */

struct cfg {
	const char *out, *name;
	u64 request_ns, max_bytes, limit_ns;
	u32 repeat;
	int progress;
	bool help;
};

#define FIELD(f, g) .offset = offsetof(struct cfg, f), .group = g

static const struct opt opts[] = {
	{ .name = "name", .kind = OPT_STRING, .def = "host-calibrated",
	  .metavar = "NAME", .help = "of the profile", FIELD(name, "profile") },
	{ .name = "repeat", .kind = OPT_U32, .def = "3", .min = 1,
	  .max = HOST_MAX_RUNS, .unit = "runs",
	  .help = "of all of it; a number that they do not agree on within "
		  "10 % is marked unstable", FIELD(repeat, "measuring") },
	{ .name = "limit", .kind = OPT_TIME_NS, .def = "115s", .max = 1ull << 50,
	  .unit = "ns", .help = "no further run begins that would end later, "
		  "as long as those before took; 0: all do",
	  FIELD(limit_ns, "measuring") },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "20ms", .min = 1000000,
	  .max = 10000000000ull, .unit = "ns",
	  .help = "for the repetitions of one point; there are a few hundred",
	  FIELD(request_ns, "measuring") },
	{ .name = "memory", .kind = OPT_SIZE, .def = "0", .unit = "bytes",
	  .help = "that it may use; 0: a quarter of what is free",
	  FIELD(max_bytes, "measuring") },
	OPTS_OUT(cfg, "FILE.ini", "write there, whole or not at all; without "
		 "it to standard output"),
	OPTS_PROGRESS(cfg),
	OPTS_HELP(cfg),
};

static void print_help(const struct opt_set *set)
{
	fputs("usage: tlbemu calibrate [-o FILE.ini]\n"
	      "calibrate - measure this host, write a machine profile of it\n\n"
	      "TLBs, walks, caches, memory, lines between CPUs, and the kernel's "
	      "work on pages;\nas an ordinary user, by the clock, PAPI's counts "
	      "beside it where there are any, and\nnothing stays changed. "
	      "docs/calibration.md says how each number is found.\n\n",
	      stdout);
	opt_help(set, stdout);
	fputs("\nexamples:\n"
	      "  tlbemu calibrate -o here.ini\n"
	      "  tlbemu run chase --pages 2000 --machine ./here.ini\n"
	      "  tlbemu validate --machine ./here.ini\n", stdout);
}

struct shown {
	struct progress p;
	u64 done;
};

static void show(void *arg, const char *what)
{
	struct shown *s = arg;

	s->p.label = what;
	if (s->p.next != UINT64_MAX)    /* shown at all: then at once */
		s->p.next = 0;
	progress_to(&s->p, s->done++);
}

/* ---- what is known without measuring ------------------------------------------------ */

static int learn_shape(struct host_profile *p, struct mut_shape *shape,
		       struct err *e)
{
	struct machine *m;
	int rc = topology_describe_host(p->topology, sizeof(p->topology),
					p->cache, e);

	if (!rc)
		rc = machine_create(&m, "host", NULL, e);
	if (rc)
		return rc;
	mut_shape_of(shape, m, clock_may_use);
	for (u32 i = 0; i < NR_CACHE_LEVELS; i++)
		shape->cache_bytes[i] = p->cache[i].bytes;
	machine_destroy(m);
	cpuid_read(&p->cpuid);
	return 0;
}

/* ---- counters -------------------------------------------------------------------- */

/* Which events are counted beside the clock, or who refuses. */
static void note_counters(struct host_profile *p, struct mut *host)
{
	struct err e = { "" };
	char names[512];

	if (mut_native_count(host, &e))
		host_profile_note(p, "by the clock alone: %.300s", e.text);
	else
		host_profile_note(p, "by the clock; counted beside it through "
				  "papi: %s",
				  mut_native_counts(host, names,
						    sizeof(names)));
}

/* What they say of what the clock found. */
static void note_counted(struct host_profile *p, const struct calib_counted *c)
{
	for (u32 size = 0; size < NR_MUT_PAGES; size++)
		for (u32 level = 0; level < 2; level++)
			if (!isnan(c->below[size][level]) &&
			    !isnan(c->above[size][level]))
				host_profile_note(p, "papi: data TLB level %u, "
						  "%s: %.4f misses an access "
						  "through 3/4 of the entries, "
						  "%.4f through twice as many",
						  level + 1, size ? "2M" : "4K",
						  c->below[size][level],
						  c->above[size][level]);
	if (isnan(c->walk_cycles))
		return;
	p->cost[COST_WALK_LOAD].value = c->walk_cycles;
	snprintf(p->cost[COST_WALK_LOAD].source,
		 sizeof(p->cost[COST_WALK_LOAD].source), "papi: cycles of walks "
		 "by walks; the clock says %.1f", p->tlb.walk.cycles);
}

/* ---- costs that need no model ----------------------------------------------------------- */

static void put_cost(struct host_profile *p, enum cost cost, double cycles,
		     double spread, const char *what)
{
	bool is_ns = !strcmp(machine_cost_unit(cost), "ns");
	char how[64];

	p->cost[cost].value = is_ns ? cycles / p->hz * 1e9 : cycles;
	snprintf(p->cost[cost].source, sizeof(p->cost[cost].source), "%s; %s",
		 host_profile_spread(spread, how, sizeof(how)), what);
}

static void put_memory(struct host_profile *p, u32 nr_nodes)
{
	const struct calib_latency *local = &p->memory.dram[0][0], *far = NULL;

	for (u32 i = 1; i < nr_nodes; i++)
		if (!far || p->memory.dram[0][i].cycles > far->cycles)
			far = &p->memory.dram[0][i];
	if (local->is_found)
		put_cost(p, COST_DRAM_LOCAL, local->cycles, local->spread,
			 "a chase through flushed lines");
	if (far && far->is_found)
		put_cost(p, COST_DRAM_REMOTE, far->cycles, far->spread,
			 "the same, on the farthest node");
	for (u32 hop = 1; hop < NR_HOPS; hop++)
		if (p->memory.transfer[hop].is_found)
			put_cost(p, (enum cost)(COST_LINE_TRANSFER_SELF + hop),
				 p->memory.transfer[hop].cycles,
				 p->memory.transfer[hop].spread,
				 "half a round trip of a word");
	if (p->tlb.walk.is_found)
		put_cost(p, COST_WALK_LOAD, p->tlb.walk.load_cycles,
			 p->tlb.walk.spread, "a chase through twice the TLB's "
			 "reach, all of its walk");
}

/* Bandwidth by node pair: no number of the profile's, but wanted beside them. */
static void note_streams(struct host_profile *p, u32 nr_nodes)
{
	for (u32 a = 0; a < nr_nodes; a++)
		for (u32 b = 0; b < nr_nodes; b++) {
			const struct calib_latency *l = &p->memory.stream[a][b];
			char how[64];

			if (!l->is_found || !(l->cycles > 0)) {
				host_profile_note(p, "bandwidth of node %u's "
						  "memory to node %u was not "
						  "measured: %.150s", b, a,
						  l->note);
				continue;
			}
			host_profile_note(p, "node %u's memory to one core of "
					  "node %u: %.2f GB/s | %s", b, a,
					  64 * p->hz / l->cycles / 1e9,
					  host_profile_spread(l->spread, how,
							      sizeof(how)));
		}
}

/* ---- disagreements, and what went on ------------------------------------------------------ */

static void note_arrays(struct host_profile *p, u32 nr_nodes)
{
	for (u32 level = 1; level <= 2; level++)
		for (u32 size = 0; size < 2; size++) {
			struct chosen_array a;

			host_profile_choose(p, level, size, &a);
			if (*a.disagreement)
				host_profile_note(p, "data TLB level %u, %s: "
						  "%s", level, size ? "2M"
						  : "4K", a.disagreement);
		}
	if (*p->tlb.walk.note)
		host_profile_note(p, "walk caches: %s", p->tlb.walk.note);
	note_streams(p, nr_nodes);
	if (p->memory.cache[CACHE_LLC].is_found &&
	    p->memory.dram[0][0].is_found &&
	    p->memory.cache[CACHE_LLC].cycles > p->memory.dram[0][0].cycles)
		host_profile_note(p, "the last-level cache (%.0f cycles) is "
				  "slower than memory (%.0f): not to be "
				  "believed", p->memory.cache[CACHE_LLC].cycles,
				  p->memory.dram[0][0].cycles);
}

static void note_interference(struct host_profile *p,
			      const struct disturbance *before)
{
	struct interference i;
	struct disturbance after;
	char text[256];

	disturbance_now(&after);
	interference_between(before, &after, &i);
	if (*interference_text(&i, text, sizeof(text)))
		host_profile_note(p, "meanwhile: %s", text);
	host_profile_note(p, "took %.0f s; clock %.2f to %.2f GHz",
			  (double)(after.host_ns - before->host_ns) / 1e9,
			  i.hz_low / 1e9, i.hz_high / 1e9);
}

/* ---- the profile so far, as a machine -------------------------------------------------------- */

static int as_machine(const struct host_profile *p, struct machine **m,
		      struct err *e)
{
	char path[] = "/tmp/tlbemu-calibrate-XXXXXX.ini";
	int fd = mkstemps(path, 4), rc;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f) {
		if (fd >= 0)
			close(fd);
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	host_profile_write(p, f);
	rc = ferror(f) ? -EIO : 0;
	if (fclose(f) || rc)
		rc = err_set(e, -EIO, "%s: cannot be written", path);
	else
		rc = machine_create(m, path, NULL, e);
	unlink(path);
	return rc;
}

/* ---- one run, and several ------------------------------------------------------------- */

static int measure(struct host_profile *p, struct mut *host, struct shown *s,
		   struct err *e)
{
	struct calib_counted counted;
	struct machine *m;
	int rc = calib_tlb(host, &p->tlb, show, s, e);

	if (!rc)
		rc = calib_memory(host, &p->tlb, &p->memory, show, s, e);
	if (!rc)
		rc = calib_counted(host, &p->tlb, &counted, e);
	if (rc)
		return rc;
	put_memory(p, host->shape.nr_nodes);
	note_counted(p, &counted);
	note_arrays(p, host->shape.nr_nodes);
	rc = as_machine(p, &m, e);
	if (rc)
		return err_prefix(e, rc, "the profile does not load: ");
	rc = host_fit(p, host, m, show, s, e);
	machine_destroy(m);
	return rc;
}

/* Another, of what is known before, into *@out. */
static int one_run(const struct host_profile *known, struct host_profile **out,
		   struct mut *host, struct shown *s, struct err *e)
{
	struct host_profile *p = malloc(sizeof(*p));

	*out = p;
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	*p = *known;
	p->notes[0] = '\0';
	p->hz = clock_core_hz();
	return measure(p, host, s, e);
}

static void join(struct host_profile *p, const struct host_profile *const *run,
		 u32 n)
{
	char notes[sizeof(p->notes)];

	memcpy(notes, p->notes, sizeof(notes));
	host_join(p, run, n);
	memcpy(p->notes, notes, sizeof(notes));
	host_join_notes(p, run, n);
}

static int measure_again(const struct cfg *cfg, struct host_profile *p,
			 struct mut *host, struct shown *s, struct err *e)
{
	struct host_profile *run[HOST_MAX_RUNS] = { NULL };
	u64 begin = clock_host_ns(), took = 0;
	u32 n = 0;
	int rc = 0;

	while (n < cfg->repeat && !rc) {
		rc = one_run(p, &run[n++], host, s, e);
		took = clock_host_ns() - begin;
		if (cfg->limit_ns && took + took / n > cfg->limit_ns)
			break;
	}
	if (!rc)
		join(p, (const struct host_profile *const *)run, n);
	if (!rc && n < cfg->repeat)
		host_profile_note(p, "%u of %u runs: they took %.0f s, one more "
				  "would end after --limit", n, cfg->repeat,
				  (double)took / 1e9);
	while (n)
		free(run[--n]);
	return rc;
}

static int calibrate(const struct cfg *cfg, struct host_profile *p,
		     struct err *e)
{
	const struct native_cfg nc = { .request_ns = cfg->request_ns,
				       .max_bytes = cfg->max_bytes };
	struct shown s = { .done = 0 };
	struct disturbance before;
	struct mut_shape shape;
	struct mut *host;
	int rc = learn_shape(p, &shape, e);

	snprintf(p->name, sizeof(p->name), "%.63s", cfg->name);
	if (!rc)
		rc = mut_native_create(&host, &shape, &nc, e);
	if (rc)
		return rc;
	note_counters(p, host);
	disturbance_now(&before);
	progress_start(&s.p, (enum progress_mode)cfg->progress, "calibrate",
		       "steps", (FIXED_STEPS + host_fit_steps()) * cfg->repeat);
	rc = measure_again(cfg, p, host, &s, e);
	progress_end(&s.p);
	mut_native_destroy(host);
	if (!rc)
		note_interference(p, &before);
	return rc;
}

/* How many numbers the runs or repetitions do not agree on. */
static u32 nr_unstable(const struct host_profile *p)
{
	u32 n = 0, len;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return 0;
	host_profile_write(p, f);
	fclose(f);
	for (const char *at = text; (at = strstr(at, "unstable")); at += len)
		len = strlen("unstable"), n++;
	free(text);
	return n;
}

static void print_cycles(const char *what, double cycles, const char *note)
{
	if (cycles > 0)
		fprintf(stderr, "%s: %.1f cycles\n", what, cycles);
	else
		fprintf(stderr, "%s: not found%s%s\n", what, *note ? ", " : "",
			note);
}

/* What people want to know first, to stderr: stdout may be the profile. */
static void print_summary(const struct host_profile *p, const char *out)
{
	static const char *const sizes[] = { "4K", "2M" };

	for (u32 size = 0; size < 2; size++)
		for (u32 level = 1; level <= 2; level++) {
			struct chosen_array a;

			host_profile_choose(p, level, size, &a);
			fprintf(stderr, "data TLB level %u, %s: %llu entries "
				"(%s)\n", level, sizes[size],
				(unsigned long long)a.entries,
				a.entries_source);
		}
	print_cycles("level 2 hit", p->tlb.level[0][1].hit_cycles,
		     p->tlb.level[0][1].note);
	print_cycles("walk", p->tlb.walk.is_found ? p->tlb.walk.cycles : 0,
		     p->tlb.walk.note);
	print_cycles("memory", p->memory.dram[0][0].cycles,
		     p->memory.dram[0][0].note);
	fputs(p->notes, stderr);
	fprintf(stderr, "%u numbers are marked unstable\n", nr_unstable(p));
	if (out)
		fprintf(stderr, "%s: try 'tlbemu validate --machine %s%s'\n", out,
			strchr(out, '/') ? "" : "./", out);
}

static int run(void *arg, struct opt_set *set, char **words, u32 n)
{
	const struct cfg *cfg = arg;
	struct host_profile *p = calloc(1, sizeof(*p));
	struct err e = { "" };
	struct outfile o;
	int rc = p ? 0 : err_set(&e, -ENOMEM, "out of memory");

	/* What cannot be written is known before a minute of measuring. */
	if (!rc)
		rc = outfile_open(&o, cfg->out ? cfg->out : "-", &e);
	if (!rc) {
		rc = calibrate(cfg, p, &e);
		if (rc) {
			outfile_discard(&o);
		} else {
			host_profile_write(p, o.f);
			rc = outfile_commit(&o, &e);
		}
	}
	if (!rc)
		print_summary(p, cfg->out);
	free(p);
	if (rc) {
		err_prefix(&e, rc, "calibrate: ");
		return complain(rc == -ENOTSUP ? EXIT_CANNOT : EXIT_FAILED, &e);
	}
	return 0;
}

int cmd_calibrate(int argc, char **argv)
{
	struct cfg cfg = { 0 };

	return cmd_main(&(struct cmd){
		.name = "calibrate", .opts = opts, .nr_opts = ARRAY_LEN(opts),
		.cfg = &cfg, .help = &cfg.help, .print_help = print_help,
		.run = run,
	}, argc, argv);
}
