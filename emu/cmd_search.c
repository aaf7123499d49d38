#include "emu/cmd_search.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/suggest.h"
#include "mm/kernel.h"
#include "workloads/race.h"

#define MAX_NAMES 256

int search_usage(const char *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "tlbemu: %s: ", cmd);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int search_no_race(const char *cmd, const char *name)
{
	const char *names[MAX_NAMES] = { NULL };
	char hint[128];
	u32 n = 0;

	for (u32 i = 0; races[i] && n + 2 < MAX_NAMES; i++) {
		names[n++] = races[i]->name;
		names[n++] = races[i]->id;
	}
	suggest_text(name, names, hint, sizeof(hint));
	return search_usage(cmd, "'%s': no such race%s; 'tlbemu list races' "
			    "shows all", name, hint);
}

int search_no_kernel(const char *cmd, const char *name)
{
	const char *names[MAX_NAMES] = { NULL };
	char hint[128];

	for (u32 i = 0; kernels[i] && i + 1 < MAX_NAMES; i++)
		names[i] = kernels[i]->name;
	suggest_text(name, names, hint, sizeof(hint));
	return search_usage(cmd, "--kernel=%s: no such kernel%s; 'tlbemu list "
			    "kernels' shows all", name, hint);
}

int search_main(const struct search_cmd *cmd, int argc, char **argv)
{
	const struct opt_bind bind = { .table = cmd->opts, .nr = cmd->nr_opts,
				       .base = cmd->cfg };
	struct opt_set *set;
	struct err e;
	int n, status;

	if (opt_set_create(&set, &bind, 1))
		return EXIT_FAILED;
	n = opt_parse_args(set, argc - 1, argv + 1, &e);
	if (n < 0) {
		status = search_usage(cmd->name, "%s", e.text);
	} else if (*cmd->help) {
		cmd->print_help(set);
		status = 0;
	} else {
		status = cmd->run(cmd->cfg, set, argv + 1, (u32)n);
	}
	opt_set_free(set);
	return status;
}
