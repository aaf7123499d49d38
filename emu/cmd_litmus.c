/* tlbemu litmus - tests of the hardware model, printed as herd7 prints them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/emit.h"
#include "base/opt.h"
#include "base/outfile.h"
#include "emu/cmd_litmus.h"
#include "emu/cmd_search.h"
#include "emu/common_opts.h"
#include "emu/litmus_run.h"
#include "emu/version.h"

struct litmus_cfg {
	int model;
	const char *out;
	struct search_budget budget;
	bool plain;
	bool speculation;
	bool eviction;
	bool dry_run;
	bool help;
};

#define AT(field) .offset = offsetof(struct litmus_cfg, field)

/* ORDER memory_model */
static const char *const model_names[] = { "sc", "x86", "arm", NULL };

static const struct opt litmus_opts[] = {
	{ .name = "model", .kind = OPT_ENUM, .def = "x86", .names = model_names,
	  .help = "memory model: x86 is TSO, arm an Arm-like weak one, sc plain "
		  "interleaving", AT(model), .group = "hardware" },
	{ .name = "speculation", .kind = OPT_BOOL, .def = "yes",
	  .help = "TLBs may fill what nobody accessed", AT(speculation),
	  .group = "hardware" },
	{ .name = "eviction", .kind = OPT_BOOL, .def = "yes",
	  .help = "TLBs may lose entries", AT(eviction), .group = "hardware" },
	OPTS_BUDGET(litmus_cfg, budget, "test", "200000000"),
	OPTS_PLAIN(litmus_cfg, plain),
	OPTS_OUT(litmus_cfg, "FILE", "write there instead: .txt as printed, .csv "
		    "or .json a row a test"),
	OPTS_DRY_RUN(litmus_cfg, "read the tests, explore nothing"),
	OPTS_HELP(litmus_cfg),
};

struct session {
	const struct litmus_cfg *cfg;
	struct litmus **test;
	u32 nr_tests;
	FILE *f;                        /* herd's words; NULL: rows only      */
	struct emit *em;                /* a row a test; NULL: herd's words   */
	u32 agree, differ, unfinished, no;
};

static void print_help(const struct opt_set *set)
{
	puts("usage: tlbemu litmus FILE... [options]\n"
	     "Explores litmus tests in the X86VM format and prints what herd7 prints:\n"
	     "final states as far as they are asked about, then how many different\n"
	     "final states satisfy the condition and how many do not. \"-\" reads\n"
	     "standard input.\n");
	opt_help(set, stdout);
	puts("\na test may state its verdict: Expect=Never|Sometimes|Always, and\n"
	     "Expect-sc, Expect-arm where it differs.\n"
	     "examples:\n"
	     "  tlbemu litmus tests/litmus/SB.litmus\n"
	     "  tlbemu litmus tests/litmus/*.litmus --model arm -o verdicts.csv\n"
	     "exit: 0 as stated, 1 a verdict differs or a ~exists or forall without a\n"
	     "stated verdict failed, 2 usage or a malformed test, 3 a search was not\n"
	     "finished");
}

/* ---- one test's words ------------------------------------------------------------ */

/* ORDER litmus_quantifier */
static const char *const kind_names[] = { "Allowed", "Forbidden", "Required" };
static const char *const quantifier_names[] = { "exists", "~exists", "forall" };

static bool is_ok(const struct litmus *t, const struct litmus_result *r)
{
	switch (t->quantifier) {
	case LIT_EXISTS:
		return r->positive > 0;
	case LIT_NOT_EXISTS:
		return !r->positive;
	case LIT_FORALL:
		return !r->negative;
	}
	return false;
}

static const char *expectation(const struct session *s, const struct litmus *t)
{
	char key[32];
	const char *text;

	snprintf(key, sizeof(key), "Expect-%s", model_names[s->cfg->model]);
	text = litmus_info(t, key);
	return text || s->cfg->model != MEM_TSO ? text
						: litmus_info(t, "Expect");
}

/* A search that stopped early knows what it saw, and nothing else. */
static bool is_certain(const struct litmus_result *r)
{
	return r->outcome == EXPLORE_PROVED || (r->positive && r->negative);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Final states as far as they are asked about, each once. */
static int print_states(FILE *f, const struct litmus *t,
			const struct litmus_result *r)
{
	const size_t size = 256 + 96 * (size_t)t->nr_shown;
	char **line = calloc(r->nr_finals ? r->nr_finals : 1, sizeof(*line));
	u32 n = 0;
	int rc = line ? 0 : -ENOMEM;

	for (u32 i = 0; !rc && i < r->nr_finals; i++) {
		line[i] = malloc(size);
		if (line[i])
			litmus_print(t, &r->final[i], line[i], size);
		else
			rc = -ENOMEM;
	}
	if (!rc) {
		qsort(line, r->nr_finals, sizeof(*line), by_text);
		for (u32 i = 0; i < r->nr_finals; i++)
			n += !i || strcmp(line[i], line[i - 1]);
		fprintf(f, "States %u\n", n);
		for (u32 i = 0; i < r->nr_finals; i++)
			if (!i || strcmp(line[i], line[i - 1]))
				fprintf(f, "%s\n", line[i]);
	}
	for (u32 i = 0; line && i < r->nr_finals; i++)
		free(line[i]);
	free(line);
	return rc;
}

static int print_test(const struct session *s, const struct litmus *t,
		      const struct litmus_result *r)
{
	const char *expect = expectation(s, t);
	FILE *f = s->f;
	int rc;

	fprintf(f, "Test %s %s\n", t->name, kind_names[t->quantifier]);
	rc = print_states(f, t, r);
	if (rc)
		return rc;
	if (is_certain(r))
		fprintf(f, "%s\n", is_ok(t, r) ? "Ok" : "No");
	fprintf(f, "Witnesses\nPositive: %u Negative: %u\n", r->positive,
		r->negative);
	fprintf(f, "Condition %s %s\n", quantifier_names[t->quantifier],
		t->condition);
	if (is_certain(r))
		fprintf(f, "Observation %s %s %u %u\n", t->name,
			litmus_observation(r), r->positive, r->negative);
	fprintf(f, "Time %s %.2f\n", t->name, r->host_seconds);
	fprintf(f, "# model %s, states %llu, transitions %llu, final states %u"
		", depth %u, bound none, complete %s\n",
		model_names[s->cfg->model], (unsigned long long)r->states,
		(unsigned long long)r->transitions, r->nr_finals, r->max_depth,
		r->outcome == EXPLORE_PROVED ? "yes" : "no");
	if (r->outcome != EXPLORE_PROVED)
		fprintf(f, "# not finished: %llu states, bound %s\n",
			(unsigned long long)r->states, r->bound);
	if (r->stuck)
		fprintf(f, "# states without an end, a thread or a request "
			"waits for ever: %u\n", r->stuck);
	if (expect && is_certain(r))
		fprintf(f, "# expected %s: %s\n", expect,
			strcmp(expect, litmus_observation(r)) ? "DIFFERS"
							      : "agrees");
	fputc('\n', f);
	return 0;
}

static void emit_test(const struct session *s, const struct litmus *t,
		      const struct litmus_result *r)
{
	const char *expect = expectation(s, t);
	struct emit *em = s->em;

	emit_str(em, t->name);
	emit_str(em, model_names[s->cfg->model]);
	emit_str(em, quantifier_names[t->quantifier]);
	emit_str(em, expect);
	emit_str(em, is_certain(r) ? litmus_observation(r) : NULL);
	emit_str(em, !is_certain(r) ? NULL : is_ok(t, r) ? "Ok" : "No");
	emit_u64(em, r->positive);
	emit_u64(em, r->negative);
	emit_bool(em, r->outcome == EXPLORE_PROVED);
	emit_u64(em, r->states);
	emit_u64(em, r->transitions);
	emit_double(em, r->host_seconds);
	emit_row(em);
}

static void begin_rows(struct emit *em)
{
	static const struct emit_col cols[] = {
		{ .name = "test", .type = EMIT_STRING },
		{ .name = "model", .type = EMIT_STRING },
		{ .name = "quantifier", .type = EMIT_STRING },
		{ .name = "expected", .type = EMIT_STRING },
		{ .name = "observation", .type = EMIT_STRING },
		{ .name = "result", .type = EMIT_STRING },
		{ .name = "positive", .type = EMIT_U64 },
		{ .name = "negative", .type = EMIT_U64 },
		{ .name = "complete", .type = EMIT_BOOL },
		{ .name = "states", .type = EMIT_U64 },
		{ .name = "transitions", .type = EMIT_U64 },
		{ .name = "seconds", .unit = "s", .type = EMIT_DOUBLE,
		  .decimals = 2 },
	};

	emit_meta_str(em, NULL, "program", "tlbemu " TLBEMU_VERSION);
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	emit_table(em, &(struct emit_table){ .name = "litmus", .cols = cols,
					     .nr_cols = ARRAY_LEN(cols) });
}

/* ---- all of them -------------------------------------------------------------------- */

static void count(struct session *s, const struct litmus *t,
		  const struct litmus_result *r)
{
	const char *expect = expectation(s, t);

	if (!is_certain(r))
		s->unfinished++;
	else if (!expect)
		s->no += t->quantifier != LIT_EXISTS && !is_ok(t, r);
	else if (strcmp(expect, litmus_observation(r)))
		s->differ++;
	else
		s->agree++;
}

static int run_all(struct session *s)
{
	const struct litmus_cfg *cfg = s->cfg;
	const struct litmus_hw hw = {
		.memory = (enum memory_model)cfg->model,
		.is_reduced = !cfg->plain,
		.may_speculate = cfg->speculation,
		.may_evict = cfg->eviction,
	};
	const struct litmus_limits lim = {
		.max_states = cfg->budget.states,
		.max_seconds = cfg->budget.seconds,
		.max_bytes = cfg->budget.memory,
	};
	int rc = 0;

	for (u32 i = 0; !rc && i < s->nr_tests; i++) {
		struct litmus_result r;

		rc = litmus_run(s->test[i], &hw, &lim, &r);
		if (rc)
			break;
		count(s, s->test[i], &r);
		if (s->em)
			emit_test(s, s->test[i], &r);
		else
			rc = print_test(s, s->test[i], &r);
		free(r.final);
	}
	return rc;
}

static int failed(int rc, const char *text)
{
	fprintf(stderr, "tlbemu: litmus: %s\n", text ? text : strerror(-rc));
	return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

static int as_text(struct session *s)
{
	struct outfile out = { NULL, NULL, NULL, 0 };
	struct err e;
	int rc = 0;

	if (s->cfg->out)
		rc = outfile_open(&out, s->cfg->out, &e);
	if (rc)
		return failed(rc == -EINVAL ? -EIO : rc, e.text);
	s->f = s->cfg->out ? out.f : stdout;
	rc = run_all(s);
	if (!rc && s->nr_tests > 1)
		fprintf(s->f, "# %u tests: %u as stated, %u differ, %u not "
			"finished, %u without a stated verdict\n", s->nr_tests,
			s->agree, s->differ, s->unfinished, s->nr_tests -
			s->agree - s->differ - s->unfinished);
	if (rc) {
		outfile_discard(&out);
		return failed(rc, NULL);
	}
	rc = s->cfg->out ? outfile_commit(&out, &e) : 0;
	return rc ? failed(rc, e.text) : 0;
}

static int as_rows(struct session *s)
{
	struct err e;
	int rc = emit_create(&s->em, &(struct emit_cfg){ .path = s->cfg->out },
			     &e);

	if (rc)
		return failed(rc, e.text);
	begin_rows(s->em);
	rc = run_all(s);
	if (rc) {
		emit_discard(s->em);
		return failed(rc, NULL);
	}
	rc = emit_close(s->em, &e);
	return rc ? failed(rc, e.text) : 0;
}

static bool ends_in(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n >= m && !strcmp(text + n - m, suffix);
}

static int explore_tests(struct session *s)
{
	const char *out = s->cfg->out;
	int status;

	if (out && strcmp(out, "-") && !ends_in(out, ".txt"))
		status = as_rows(s);
	else
		status = as_text(s);
	if (status)
		return status;
	if (s->differ || s->no)
		return EXIT_FAILED;
	return s->unfinished ? EXIT_NOT_FINISHED : 0;
}

static int with_files(void *arg, struct opt_set *set, char **path, u32 n)
{
	const struct litmus_cfg *cfg = arg;
	struct session s = { .cfg = cfg };
	struct err e;
	int status = 0;

	if (!n)
		return complain_usage("litmus", "name litmus tests to explore, "
				    "such as tests/litmus/SB.litmus");
	s.test = calloc(n, sizeof(*s.test));
	if (!s.test)
		return failed(-ENOMEM, NULL);
	/* All are read before any is explored: a mistake shows at once. */
	for (u32 i = 0; i < n && !status; i++) {
		int rc = litmus_read(&s.test[i], path[i], &e);

		if (rc)
			status = rc == -ENOMEM ? failed(rc, e.text)
					       : complain_usage("litmus", "%s",
							      e.text);
		else
			s.nr_tests++;
	}
	if (!status && cfg->dry_run) {
		opt_echo(set, stdout);
		for (u32 i = 0; i < n; i++)
			printf("# test %s: %u threads, %u locations\n",
			       s.test[i]->name, s.test[i]->nr_cpus,
			       s.test[i]->nr_locs);
	} else if (!status) {
		status = explore_tests(&s);
	}
	for (u32 i = 0; i < s.nr_tests; i++)
		litmus_free(s.test[i]);
	free(s.test);
	return status;
}

int cmd_litmus(int argc, char **argv)
{
	struct litmus_cfg cfg;

	memset(&cfg, 0, sizeof(cfg));
	return cmd_main(&(struct cmd){
		.name = "litmus", .opts = litmus_opts,
		.nr_opts = ARRAY_LEN(litmus_opts), .cfg = &cfg,
		.help = &cfg.help, .takes_words = true,
		.print_help = print_help, .run = with_files,
	}, argc, argv);
}
