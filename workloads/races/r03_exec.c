/* R03: exec moves its stack, the VMA first and the entries then, while migration
 * has one of the stack's pages. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { COMPACTION = 0, EXEC = 1 };

static struct mm *new_program;

/* The argument: pages by which the stack moves. */
static void exec_and_load(struct task *t)
{
	u64 stack, v;

	if (!exec_install(new_program, current()->arg, &stack))
		cpu_access(stack, 0, false, &v);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	bool is_one = !strcmp(row->stage, "exec");
	int rc = race_task(EXEC, "B exec", NULL, exec_and_load, is_one ? 2 : 1);

	this_cpu = &sys->cpu[EXEC];
	new_program = rc ? NULL : exec_prepare(is_one ? 1 : 2);
	if (!new_program)
		return -ENOMEM;
	return race_task(COMPACTION, "A compaction", NULL, race_compact,
			 race_pfn(new_program, new_program->first->end - 1));
}

/* exec: a page goes two pages down; overlap: two pages go one down, and the one
 * under compaction goes where the other one was. */
#define ROW(i, k, e, o, tag) RACE_ROW(i, k, e, o, tag, "exec")
#define TWO(i, k, e, o, tag) RACE_ROW(i, k, e, o, tag, "overlap")

static const struct race_row rows[] = {
	ROW("R03", "v2.6.34", VERDICT_FAIL, O5_MIGENT, "S"),
	{ .id = "F1", .kernel = "v2.6.34+exec-clean", .memory = MEM_TSO,
	  .changers = 1, .expected = VERDICT_PASS, .watch = O5_MIGENT,
	  .tag = "S", .stage = "exec" },
	ROW("F1-all", "v2.6.34+exec-clean", VERDICT_FAIL, 0, "D"),
	ROW("F2", "v2.6.34+exec-lock", VERDICT_PASS, 0, "S"),
	ROW("F3", "v2.6.35", VERDICT_PASS, 0, "S"),
	ROW("F3-between", "v2.6.35+unmark-between", VERDICT_PASS, 0, "D"),
	TWO("R03-overlap", "v2.6.34", VERDICT_FAIL, O5_MIGENT, "S"),
	TWO("F2-overlap", "v2.6.34+exec-lock", VERDICT_PASS, 0, "S"),
	TWO("F3-overlap", "v2.6.35", VERDICT_PASS, 0, "S"),
	TWO("F3-between-overlap", "v2.6.35+unmark-between", VERDICT_PASS, 0, "D"),
	ROW("F3-6.1", "v6.1", VERDICT_PASS, 0, "T"),
};

static const struct race_fix fixes[] = {
	{ "v2.6.35", { "exec-temp", "exec-temp-long" } },
	{ "v6.1", { "exec-temp", "exec-temp-long" } },
	{ NULL, { NULL } }
};

extern const struct race race_exec_stack;
const struct race race_exec_stack = {
	.name = "exec-stack",
	.id = "R03",
	.summary = "exec moves a stack whose page is under migration",
	.story =
"exec writes the arguments to a stack before it knows where the stack belongs,\n"
"and moves it there: first the VMA, then one entry after the other. From the\n"
"first moment on pages are looked for at their new addresses, where their entries\n"
"are not yet. A migration entry left behind this way comes along, and the new\n"
"program's first use of its stack meets it. Found in April 2010 by running exec\n"
"under constant compaction; closed in 2.6.35: migration leaves such VMAs alone.",
	.bounds = "2 CPUs on 2 nodes, a stack of one page moved once by two "
		  "pages (overlap: of two, by one), one compaction of a page, "
		  "one load by the new program",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 2 },
	.frames_per_node = 8,
	.has_switches = true,
};
