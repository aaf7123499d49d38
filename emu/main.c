/* tlbemu - one program, one table of commands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/outfile.h"
#include "base/suggest.h"
#include "base/types.h"
#include "emu/cmd_calibrate.h"
#include "emu/cmd_litmus.h"
#include "emu/cmd_matrix.h"
#include "emu/cmd_race.h"
#include "emu/cmd_record.h"
#include "emu/cmd_report.h"
#include "emu/cmd_reproduce.h"
#include "emu/cmd_run.h"
#include "emu/cmd_sweep.h"
#include "emu/cmd_tlb.h"
#include "emu/cmd_trace.h"
#include "emu/cmd_tune.h"
#include "emu/version.h"

struct command {
	const char *name;
	const char *args;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
	{ "race", "NAME|all", "explore a race under every kernel: who loses data",
	  cmd_race },
	{ "litmus", "FILE...", "litmus tests of the hardware model, as herd7 prints them",
	  cmd_litmus },
	{ "mutate", "[NAME|all]", "take each part of each fix away: who notices",
	  cmd_mutate },
	{ "matrix", "", "every flush strategy on every operation: legal or not",
	  cmd_matrix },
	{ "run", "WORKLOAD|FILE.ini", "run a workload: counters, cycles, checks",
	  cmd_run },
	{ "compare", "WORKLOAD --flush all|A,B",
	  "the same workload under several flush strategies or kernels",
	  cmd_compare },
	{ "sweep", "FILE.ini --db FILE.db",
	  "every point of a grid of settings, into a database; may be stopped",
	  cmd_sweep },
	{ "tune", "WORKLOAD --knobs FILE",
	  "which settings suit this program on that machine, and how sure",
	  cmd_tune },
	{ "list", "machines|kernels|flush|workloads|races|counters [NAME]",
	  "what can be named, and every number of a machine with its source",
	  cmd_list },
	{ "trace", "import|info|head|cut|cat", "memory traces of real programs",
	  cmd_trace },
	{ "tlb", "TRACE --tlb A,B",
	  "traces through TLB designs side by side, and what-if sweeps",
	  cmd_tlb },
	{ "record", "[options] -- CMD ARGS",
	  "a program's accesses and mappings, through Valgrind, into a trace",
	  cmd_record },
	{ "calibrate", "[-o FILE.ini]", "measure this host, write its profile",
	  cmd_calibrate },
	{ "validate", "--machine FILE.ini",
	  "this host and its model side by side, at other points",
	  cmd_validate },
	{ "reproduce", "NAME...|all",
	  "published curves and headlines beside the model's numbers",
	  cmd_reproduce },
	{ "report", "DIR", "tables, figures and texts of DIR as one HTML page",
	  cmd_report },
	{ "help", "[COMMAND]", "this text, or a command's", cmd_help },
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void usage(FILE *f)
{
	fputs("usage: tlbemu COMMAND [options]\n"
	      "Emulates TLBs, the interrupts that flush them and the kernel code that\n"
	      "sends these: finds races, prices flush strategies.\n\n", f);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(f, "  %-9s %s\n  %-9s   %s\n", commands[i].name,
			commands[i].args, "", commands[i].summary);
	fputs("\n`tlbemu help COMMAND` tells more; `tlbemu --version`.\n"
	      "examples:\n"
	      "  tlbemu race thp-numa-migration\n"
	      "  tlbemu run mprotect-storm --threads 8\n"
	      "  tlbemu compare mprotect-storm --flush all -o compare.csv\n"
	      "  tlbemu run numa-migrate --kernel v3.12 --check\n", f);
}

static int no_command(const char *name)
{
	const char *names[ARRAY_LEN(commands) + 1] = { NULL };
	char hint[128];

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i].name;
	suggest_text(name, names, hint, sizeof(hint));
	fprintf(stderr, "tlbemu: '%s': no such command%s 'tlbemu help' shows "
		"all\n", name, hint[0] ? hint : ";");
	return 2;
}

static int cmd_help(int argc, char **argv)
{
	const struct command *c;
	char name[32], flag[] = "--help";
	char *args[] = { name, flag, NULL };

	if (argc < 2) {
		usage(stdout);
		return 0;
	}
	c = find(argv[1]);
	if (!c)
		return no_command(argv[1]);
	if (c->run == cmd_help) {
		usage(stdout);
		return 0;
	}
	snprintf(name, sizeof(name), "%s", c->name);
	return c->run(2, args);
}

/* What a full disk swallowed at the last moment is still an error. */
static int finish(int status)
{
	if ((fflush(stdout) || ferror(stdout)) && !status) {
		fprintf(stderr, "tlbemu: standard output: cannot write: %s\n",
			strerror(errno ? errno : EIO));
		return 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	const struct command *c;

	outfile_clean_up_on_signals();
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return finish(0);
	}
	if (!strcmp(argv[1], "--version")) {
		printf("tlbemu %s (%s)\n", TLBEMU_VERSION, tlbemu_revision);
		return finish(0);
	}
	c = find(argv[1]);
	if (!c)
		return no_command(argv[1]);
	return finish(c->run(argc - 1, argv + 1));
}
