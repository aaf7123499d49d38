#include "emu/experiment.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "emu/cmd.h"
#include "emu/version.h"

int exit_status_of(int rc)
{
	switch (rc) {
	case -EINVAL:
	case -ENOENT:
	case -ERANGE:
	case -E2BIG:
	case -EACCES:
	case -EISDIR:
	case -ESPIPE:
		return EXIT_USAGE;
	}
	return EXIT_FAILED;
}

/* ---- names ------------------------------------------------------------------- */

static int no_such(struct err *e, const char *what, const char *name,
		   const char *list, const char *const *names)
{
	char hint[128];

	suggest_text(name, names, hint, sizeof(hint));
	return err_set(e, -ENOENT, "'%s': no such %s%s 'tlbemu list %s' shows "
		       "all", name, what, hint[0] ? hint : ";", list);
}

#define MAX_NAMES 512

int experiment_kernel(const char *name, const struct kernel **out,
		      struct err *e)
{
	const char *names[MAX_NAMES + 1] = { NULL };

	*out = kernel_find(name);
	for (u32 i = 0; kernels[i] && i < MAX_NAMES; i++)
		names[i] = kernels[i]->name;
	return *out ? 0 : no_such(e, "kernel", name, "kernels", names);
}

int experiment_flush(const char *name, const struct flush_ops **out,
		     struct err *e)
{
	const char *names[MAX_NAMES + 1] = { NULL };

	*out = name ? flush_find(name) : NULL;
	if (!name)
		return 0;
	for (u32 i = 0; flush_strategies[i] && i < MAX_NAMES; i++)
		names[i] = flush_strategies[i]->name;
	return *out ? 0 : no_such(e, "flush strategy", name, "flush", names);
}

int experiment_workload(const char *name, const struct workload **out,
			struct err *e)
{
	const char *names[MAX_NAMES + 1] = { NULL };

	*out = workload_find(name);
	for (u32 i = 0; workloads[i] && i < MAX_NAMES; i++)
		names[i] = workloads[i]->name;
	return *out ? 0 : no_such(e, "workload", name, "workloads", names);
}

int experiment_settle(struct experiment *x, const struct machine *m,
		      struct err *e)
{
	const struct kernel *k = kernel_find(x->cfg.kernel);
	struct machine *own = NULL;
	int rc = 0;

	if (!k || opt_origin_of(x->set, "flush") != OPT_FROM_DEFAULT)
		return 0;
	/* What is wrong with it is said where it is used. */
	if (!m && !machine_create(&own, x->cfg.machine, x->cfg.profile, NULL))
		m = own;
	if (m)
		rc = opt_assign(x->set, "flush",
				timed_flush(&x->cfg, k, m)->name,
				OPT_FROM_DEFAULT, e);
	if (own)
		machine_destroy(own);
	return rc;
}

/* ---- parsing ------------------------------------------------------------------- */

static bool is_ini(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".ini");
}

static int ini_key(void *arg, const char *section, const char *key,
		   const char *value)
{
	char **name = arg;

	if (!strcmp(key, "workload") && (!*section || !strcmp(section, "run"))) {
		free(*name);
		*name = strdup(value);
	}
	return 1;
}

#define MAX_FILE_BYTES (1l << 20)

/* For inih: lines of a file that is not too large. */
static char *read_line(char *buf, int size, void *arg)
{
	FILE *f = arg;

	return ftell(f) > MAX_FILE_BYTES ? NULL : fgets(buf, size, f);
}

/* The workload's name must be known before its options can be read. */
static int workload_of_ini(const char *path, char **name, struct err *e)
{
	FILE *f = fopen(path, "r");
	int line;

	*name = NULL;
	if (!f)
		return err_set(e, -ENOENT, "%s: cannot open: %s", path,
			       strerror(errno));
	/* With a name, syntax errors are found again by opt_parse_ini(). */
	line = ini_parse_stream(read_line, f, ini_key, name);
	if (ftell(f) > MAX_FILE_BYTES) {
		fclose(f);
		free(*name);
		*name = NULL;
		return err_set(e, -EINVAL, "%s: larger than 1 MiB: not an "
			       "experiment", path);
	}
	fclose(f);
	if (!*name && line > 0)
		return err_set(e, -EINVAL, "%s:%d: expected 'name = value' or "
			       "'[section]'", path, line);
	if (!*name)
		return err_set(e, -EINVAL, "%s: no line 'workload = NAME' "
			       "('tlbemu list workloads' shows all)", path);
	return 0;
}

static int take_args(struct experiment *x, int argc, char **argv,
		     const struct experiment_how *how, struct err *e)
{
	static const char *const sections[] = { "run", NULL };
	const char *ini = is_ini(x->word) ? x->word : NULL;
	const char *const *d = x->workload->defaults;
	int n, rc = 0;

	for (; d && d[0] && !rc; d += 2)
		rc = opt_assign(x->set, d[0], d[1], OPT_FROM_DEFAULT, e);
	if (!rc && ini)
		rc = opt_parse_ini(x->set, ini,
				   &(struct opt_ini){ .sections = sections,
					.other = how->section,
					.arg = how->section_arg }, e);
	if (rc)
		return rc;
	n = opt_parse_args(x->set, argc - 1, argv + 1, e);
	if (n < 0)
		return err_prefix(e, n, "%s: ", x->command);
	/* argv[1] is the workload. */
	x->files = argv + 2;
	x->nr_files = n ? (u32)n - 1 : 0;
	if (x->nr_files && !x->workload->takes_files)
		return err_set(e, -EINVAL, "%s: '%s': %s takes no files",
			       x->command, x->files[0], x->workload->name);
	if (!x->nr_files && x->workload->takes_files && !x->output.help)
		return err_set(e, -EINVAL, "%s: %s needs files: tlbemu %s %s "
			       "%s", x->command, x->workload->name, x->command,
			       x->workload->name, x->workload->takes_files);
	return 0;
}

/* Of what is left when the machine's options are taken: a workload's own
 * options, their values, and somewhere between them its name. */
static char *workload_word(char **word, int n)
{
	for (int i = 0; i < n; i++)
		if (workload_find(word[i]) || is_ini(word[i]))
			return strdup(word[i]);
	for (int i = 0; i < n; i++)
		if (word[i][0] != '-')
			return strdup(word[i]);
	return NULL;
}

/* First pass, over a copy of argv: which word is the workload? */
static int find_workload(struct experiment *x, int argc, char **argv,
			 const struct opt_bind binds[3], char **name,
			 bool *is_help, struct err *e)
{
	char **copy = calloc((size_t)argc + 1, sizeof(*copy));
	struct opt_set *set = NULL;
	int n;

	*name = NULL;
	if (!copy || opt_set_create(&set, binds, 3)) {
		free(copy);
		return err_set(e, -ENOMEM, "out of memory");
	}
	memcpy(copy, argv, (size_t)argc * sizeof(*copy));
	n = opt_parse_known(set, argc - 1, copy + 1, e);
	*is_help = x->output.help;
	if (n > 0)
		*name = workload_word(copy + 1, n);
	/* An option of unknown name alone: its error, not "which workload". */
	if (n > 0 && !*name)
		n = opt_parse_args(set, argc - 1, argv + 1, e);
	opt_set_free(set);
	free(copy);
	return n < 0 ? n : 0;
}

static int bind_workload(struct experiment *x, const struct opt_bind *binds,
			 struct err *e)
{
	const struct workload *wl = x->workload;
	struct opt_bind all[4] = { binds[0], binds[1], binds[2] };

	if (wl) {
		x->workload_cfg = calloc(1, wl->cfg_bytes);
		if (!x->workload_cfg)
			return err_set(e, -ENOMEM, "out of memory");
		all[3] = (struct opt_bind){ .table = wl->params,
					    .nr = wl->nr_params,
					    .base = x->workload_cfg };
	}
	if (opt_set_create(&x->set, all, wl ? 4 : 3))
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

/* Options alone, of a command that can do without a workload. */
static int take_options(struct experiment *x, int argc, char **argv,
			struct err *e)
{
	int n = opt_parse_args(x->set, argc - 1, argv + 1, e);

	return n < 0 ? err_prefix(e, n, "%s: ", x->command) : 0;
}

/* Nobody named a machine: one that has --cpus, if those are more. */
static int size_machine(struct experiment *x, struct err *e)
{
	char spec[64];

	if (opt_origin_of(x->set, "machine") != OPT_FROM_DEFAULT ||
	    strcmp(x->cfg.machine, TIMED_DEFAULT_MACHINE) ||
	    x->cfg.cpus <= TIMED_DEFAULT_CPUS)
		return 0;
	snprintf(spec, sizeof(spec), "pack:2 core:%u pu:1",
		 (x->cfg.cpus + 1) / 2);
	return opt_assign(x->set, "machine", spec, OPT_FROM_DEFAULT, e);
}

int experiment_parse_how(struct experiment *x, int argc, char **argv,
			 const struct experiment_how *how, struct err *e)
{
	const struct opt_bind binds[3] = {
		{ .table = timed_opts, .nr = nr_timed_opts, .base = &x->cfg },
		{ .table = how->more, .nr = how->nr_more, .base = &x->output },
		how->own,
	};
	char *name = NULL;
	bool is_help = false;
	int rc;

	memset(x, 0, sizeof(*x));
	x->command = argv[0];
	rc = find_workload(x, argc, argv, binds, &x->word, &is_help, e);
	if (rc)
		return err_prefix(e, rc, "%s: ", x->command);
	if (!x->word && !is_help && !how->may_lack_workload)
		return err_set(e, -EINVAL, "%s: which workload? 'tlbemu list "
			       "workloads' shows all", x->command);
	if (x->word && is_ini(x->word))
		rc = workload_of_ini(x->word, &name, e);
	if (!rc && x->word)
		rc = experiment_workload(name ? name : x->word, &x->workload, e);
	free(name);
	if (!rc)
		rc = bind_workload(x, binds, e);
	if (!rc && x->workload)
		rc = take_args(x, argc, argv, how, e);
	else if (!rc && !is_help)
		rc = take_options(x, argc, argv, e);
	if (!rc && !is_help)
		rc = size_machine(x, e);
	x->output.help = is_help;
	return rc;
}

int experiment_parse(struct experiment *x, int argc, char **argv,
		     const struct opt *more, size_t nr_more, struct err *e)
{
	return experiment_parse_how(x, argc, argv, &(struct experiment_how){
		.more = more, .nr_more = nr_more }, e);
}

void experiment_release(struct experiment *x)
{
	opt_set_free(x->set);
	free(x->workload_cfg);
	free(x->word);
	memset(x, 0, sizeof(*x));
}

/* ---- use ------------------------------------------------------------------------ */

struct timed_point experiment_point(const struct experiment *x,
				    const struct kernel *k,
				    const struct flush_ops *f)
{
	return (struct timed_point){
		.cfg = &x->cfg,
		.kernel = k,
		.flush = f,
		.workload = x->workload,
		.workload_cfg = x->workload_cfg,
		.files = (const char *const *)x->files,
		.nr_files = x->nr_files,
		.progress = PROGRESS_NEVER,
	};
}

static void meta_opt(void *arg, const struct opt *o, const char *value,
		     enum opt_origin origin)
{
	if (strcmp(o->name, "workload"))
		emit_meta_str(arg, "config", o->name, *value ? value : NULL);
}

void experiment_meta(const struct experiment *x, struct emit *em)
{
	emit_meta_str(em, NULL, "command", x->command);
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	emit_meta_u64(em, NULL, "seed", x->cfg.seed);
	emit_meta_str(em, "config", "workload", x->workload->name);
	opt_each(x->set, meta_opt, em);
}

static void echo_opt(void *arg, const struct opt *o, const char *value,
		     enum opt_origin origin)
{
	if (strcmp(o->name, "workload") && *value)
		fprintf(arg, "%s = %s\n", o->name, value);
}

void experiment_echo(const struct experiment *x, FILE *f)
{
	fprintf(f, "workload = %s\n", x->workload->name);
	opt_each(x->set, echo_opt, f);
	for (u32 i = 0; i < x->nr_files; i++)
		fprintf(f, "# file: %s\n", x->files[i]);
}
