/* opt.h - one option table drives the command line, --set, INI files, --help
 * and the echo of the configuration.
 *
 * A table describes the fields of one struct. A subcommand binds several
 * tables (what all share, its own, its workload's) into one struct opt_set;
 * names must be unique across them.
 *
 *	static const struct opt run_opts[] = {
 *		{ .name = "cpus", .kind = OPT_U32, .def = "8",
 *		  .min = 1, .max = 1024, .help = "modelled CPUs",
 *		  .offset = offsetof(struct run_cfg, cpus), .group = "machine" },
 *	};
 *	const struct opt_bind binds[] = { OPT_BIND(run_opts, &cfg) };
 *
 * Spellings: --name=v, --name v, -o v, -ov, --set name=v, and for booleans
 * --name, --no-name, --name=yes|no, --name yes|no. "--" ends the options. '_' and '-' are the
 * same in names.
 *
 * Precedence: command line, then file, then default, in whatever order they
 * are read; within one of these the last wins.
 *
 * Errors: -EINVAL, -ERANGE, -ENOENT (no such option or file), one line with
 * the value, what was expected and the nearest name. Nothing is printed.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdio.h>

#include "base/err.h"
#include "base/types.h"

enum opt_kind {
	OPT_BOOL,               /* bool                                       */
	OPT_U32,                /* u32; k M G suffixes                        */
	OPT_U64,                /* u64; k M G suffixes                        */
	OPT_SIZE,               /* u64 bytes; K M G are powers of 1024        */
	OPT_TIME_NS,            /* u64 ns; ns us ms s                         */
	OPT_HZ,                 /* u64 Hz; kHz MHz GHz                        */
	OPT_DOUBLE,             /* double                                     */
	OPT_STRING,             /* const char *, owned by the opt_set; no
				 * default: NULL, and then "" is NULL, too,
				 * unless no_echo                             */
	OPT_ENUM,               /* int, index into @names                     */
};

struct opt {
	const char *name;
	enum opt_kind kind;
	char letter;            /* 'o' for -o; 0: none                        */
	const char *unit;       /* of a bare number, for --help; may be NULL  */
	const char *def;        /* as a user would type it; NULL: zero        */
	u64 min, max;           /* integers, inclusive; max 0: no limit       */
	double dmin, dmax;      /* OPT_DOUBLE, inclusive; both 0: no limit    */
	const char *const *names;       /* OPT_ENUM, NULL-terminated          */
	const char *metavar;    /* --name=METAVAR in help; NULL: from kind    */
	const char *help;       /* one line, no default in it                 */
	const char *see;        /* "tlbemu list flush"; NULL: none            */
	const char *instead;    /* OPT_ENUM: what else there is, said when the
				 * name is none of these; NULL: nothing       */
	size_t offset;
	const char *group;      /* heading in --help                          */
	bool no_echo;           /* not part of the configuration (--help, -o) */
};

struct opt_bind {
	const struct opt *table;
	size_t nr;
	void *base;             /* the struct that @offset is relative to     */
};

#define OPT_BIND(opts, ptr) \
	{ .table = (opts), .nr = sizeof(opts) / sizeof((opts)[0]), .base = (ptr) }

enum opt_origin { OPT_FROM_DEFAULT, OPT_FROM_FILE, OPT_FROM_CMDLINE };

struct opt_set;                 /* opaque, in opt.c */

/* opt_set_create - bind the tables (the array is copied, tables and structs
 * must outlive the set) and store every default. A bad default or a name
 * given twice is a bug and asserts.
 * Return: 0, -ENOMEM. */
int opt_set_create(struct opt_set **out, const struct opt_bind *binds,
		   size_t nr_binds);

/* opt_set_free - also frees the strings that OPT_STRING fields point to. */
void opt_set_free(struct opt_set *s);

/* opt_parse_args - argv[0 .. argc) without the program's or subcommand's name.
 * What is not an option is moved to the front of @argv in its order.
 * Return: how many of those, or negative errno. */
int opt_parse_args(struct opt_set *s, int argc, char **argv, struct err *e);

/* opt_parse_known - as opt_parse_args, but options of unknown name are left
 * among the non-options with their text untouched ("--x=v" as one word): for
 * finding out a workload's name before its table can be bound. */
int opt_parse_known(struct opt_set *s, int argc, char **argv, struct err *e);

/* A section that is not ours: return 0 when taken, or an error with text. */
typedef int opt_section_fn(void *arg, const char *section, const char *key,
			   const char *value, u32 line, struct err *e);

struct opt_ini {
	const char *const *sections;    /* whose keys are options,
					 * NULL-terminated; NULL: all of them.
					 * Keys before the first header always
					 * are.                               */
	opt_section_fn *other;          /* other sections; NULL: an error     */
	void *arg;
};

/* opt_parse_ini - read @path ("-": stdin); a value of ours may stand in double
 * quotes. Errors begin "path:line: ".
 * @how may be NULL. */
int opt_parse_ini(struct opt_set *s, const char *path,
		  const struct opt_ini *how, struct err *e);

/* opt_assign - set one option by name, as --set and files do. */
int opt_assign(struct opt_set *s, const char *name, const char *value,
	       enum opt_origin origin, struct err *e);

/* opt_find - the entry called @name, NULL if there is none. */
const struct opt *opt_find(const struct opt_set *s, const char *name);

enum opt_origin opt_origin_of(const struct opt_set *s, const char *name);

/* opt_each - every option that is not no_echo, in table order, with its value
 * as text that parses back to the same value ("" for an unset string). */
typedef void opt_each_fn(void *arg, const struct opt *o, const char *value,
			 enum opt_origin origin);
void opt_each(const struct opt_set *s, opt_each_fn *fn, void *arg);

/* opt_echo - the configuration as "name = value" lines: a valid INI file. */
void opt_echo(const struct opt_set *s, FILE *f);

/* opt_help - the options by group, with units, ranges and defaults. */
void opt_help(const struct opt_set *s, FILE *f);

#endif
