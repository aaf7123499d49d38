#include "emu/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int complain(int status, const struct err *e)
{
	fprintf(stderr, "tlbemu: %s\n", e->text);
	return status;
}

int complain_usage(const char *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "tlbemu: %s: ", cmd);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int cmd_main(const struct cmd *cmd, int argc, char **argv)
{
	const struct opt_bind bind = { .table = cmd->opts, .nr = cmd->nr_opts,
				       .base = cmd->cfg };
	struct opt_set *set;
	struct err e;
	int n, status;

	if (opt_set_create(&set, &bind, 1)) {
		err_set(&e, -ENOMEM, "out of memory");
		return complain(EXIT_FAILED, &e);
	}
	n = opt_parse_args(set, argc - 1, argv + 1, &e);
	if (n < 0) {
		status = complain_usage(cmd->name, "%s", e.text);
	} else if (n && !cmd->takes_words) {
		status = complain_usage(cmd->name, "'%s': no such argument",
					argv[1]);
	} else if (*cmd->help) {
		cmd->print_help(set);
		status = 0;
	} else {
		status = cmd->run(cmd->cfg, set, argv + 1, (u32)n);
	}
	opt_set_free(set);
	return status;
}
