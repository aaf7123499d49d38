/* tlbemu report DIR - DIR/report.txt, line by line, as one HTML page that needs
 * nothing else: no script, no style sheet, no picture from anywhere.
 *
 * Text, cells and file names are escaped; SVG goes in as it is, so what could
 * run or load something is refused. */
#include "emu/cmd_report.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/outfile.h"
#include "base/units.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"

#define MAX_FILE (16u << 20)
#define MAX_COLUMNS 64

struct report_cfg {
	const char *out;
	bool help;
};

static const struct opt opts[] = {
	OPTS_OUT(report_cfg, "FILE", "the page; without it DIR/report.html"),
	OPTS_HELP(report_cfg),
};

static const char usage[] =
	"usage: tlbemu report [options] DIR\n"
	"report - DIR/report.txt and the files it names as one HTML page\n\n";
static const char format[] =
	"\nDIR/report.txt, a line each; '#' begins a comment:\n"
	"  title TEXT              of the page, first\n"
	"  section TEXT            a heading\n"
	"  text TEXT               a paragraph\n"
	"  command TEXT            what was typed\n"
	"  table FILE.csv [A, B]   a table, of these columns only\n"
	"  figure FILE.svg TEXT    a figure and what it shows\n"
	"  output FILE             plain text as it is\n"
	"example: tlbemu report build/demo -o report.html\n";

/* Narrow screens scroll tables and outputs, never the page. */
static const char style[] =
	":root{color-scheme:light}"
	"*{box-sizing:border-box}"
	"body{margin:0 auto;padding:1rem;max-width:68rem;color:#222;"
	"background:#fff;font:1rem/1.5 system-ui,sans-serif}"
	"h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0 1rem}"
	"h2{font-size:1.2rem;margin:2.2rem 0 .5rem;border-top:1px solid #ccc;"
	"padding-top:1rem}"
	"p{max-width:44rem;margin:.6rem 0}"
	"pre{font:.8rem/1.4 ui-monospace,monospace;background:#f5f5f3;"
	"padding:.6rem .8rem;overflow-x:auto;margin:.6rem 0;border-radius:4px}"
	"pre.command{background:#24292e;color:#f5f5f3;white-space:pre-wrap;"
	"overflow-wrap:anywhere}"
	"pre.command::before{content:'$ ';color:#9bd}"
	".wide{overflow-x:auto;margin:.8rem 0}"
	"table{border-collapse:collapse;font-size:.85rem;"
	"font-variant-numeric:tabular-nums}"
	"th,td{padding:.2rem .5rem;text-align:left;white-space:nowrap;"
	"border-bottom:1px solid #e4e4e4}"
	"td.long{white-space:normal;min-width:10rem}"
	"th{vertical-align:bottom;border-bottom:2px solid #888}"
	"th small{display:block;font-weight:normal;color:#666}"
	".n{text-align:right}"
	"tbody tr:nth-child(even){background:#fafaf8}"
	".bad{color:#9e3f00;font-weight:bold}"
	".good{color:#006b4e;font-weight:bold}"
	".open{color:#555;font-style:italic}"
	"figure{margin:1rem 0;overflow-x:auto}"
	"figure svg{display:block;width:100%;height:auto;max-width:50rem}"
	"figcaption{color:#444;font-size:.9rem;max-width:44rem}"
	"@media(max-width:40rem){body{padding:.7rem;font-size:.95rem}"
	"pre{font-size:.68rem}table{font-size:.75rem}"
	"figure svg{width:36rem;max-width:none}}"
	"@media print{figure svg{width:72%}body{max-width:none;font-size:10pt;padding:0}"
	"pre,table{font-size:6.5pt}th,td{padding:.1rem .25rem}"
	"pre,.wide{overflow:visible;white-space:pre-wrap}"
	"pre.command{background:none;color:#000;border:1px solid #999}"
	"figure,tr{break-inside:avoid}h2{break-after:avoid}}";

struct html {
	const char *dir;
	FILE *f;
	bool has_title;
};

/* ---- text --------------------------------------------------------------------- */

static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&': fputs("&amp;", f); break;
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '"': fputs("&quot;", f); break;
		case '\'': fputs("&#39;", f); break;
		default: fputc(*s, f);
		}
	}
}

static void put_element(FILE *f, const char *open, const char *text,
			const char *close)
{
	fputs(open, f);
	put_escaped(f, text);
	fputs(close, f);
}

/* The whole of DIR/NAME, with a byte 0 after it; the caller frees it. */
static char *slurp(const char *dir, const char *name, struct err *e)
{
	char path[4096], *s = NULL;
	size_t n;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path)) {
		err_set(e, -ENAMETOOLONG, "%s: the path is too long", name);
		return NULL;
	}
	f = fopen(path, "r");
	if (!f) {
		err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
		return NULL;
	}
	s = malloc(MAX_FILE + 1);
	n = s ? fread(s, 1, MAX_FILE + 1, f) : 0;
	if (!s)
		err_set(e, -ENOMEM, "out of memory");
	else if (ferror(f))
		err_set(e, -EIO, "%s: cannot read", path);
	else if (n > MAX_FILE)
		err_set(e, -EFBIG, "%s: more than 16 MiB", path);
	else if (memchr(s, 0, n))
		err_set(e, -EINVAL, "%s: not a text file", path);
	else {
		s[n] = 0;
		fclose(f);
		return s;
	}
	free(s);
	fclose(f);
	return NULL;
}

/* ---- tables -------------------------------------------------------------------- */

/* One record of RFC 4180, its fields in place. Return: after it, NULL when a
 * quote is left open or there are too many fields. */
static char *csv_record(char *s, char **field, u32 *nr)
{
	*nr = 0;
	for (;;) {
		char *to = s;

		if (*nr == MAX_COLUMNS)
			return NULL;
		field[(*nr)++] = s;
		if (*s == '"') {
			for (s++; *s && (*s != '"' || s[1] == '"'); s++) {
				s += *s == '"';
				*to++ = *s;
			}
			if (*s++ != '"')
				return NULL;
		} else {
			while (*s && *s != ',' && *s != '\n' && *s != '\r')
				s++;
			to = s;
		}
		if (*s == ',') {
			*to = 0;
			s++;
			continue;
		}
		while (*s == '\r')
			s++;
		if (*s && *s != '\n')
			return NULL;
		s += *s == '\n';
		*to = 0;
		return s;
	}
}

static bool is_number(const char *s)
{
	char *end;

	if (!isdigit((unsigned char)*s) && !(*s == '-' &&
					     isdigit((unsigned char)s[1])))
		return false;
	strtod(s, &end);
	return !*end;
}

/* Integers with thousands apart, others to four places that say something. */
static void put_number(FILE *f, const char *s)
{
	char text[UNITS_MAX_TEXT];
	double d = strtod(s, NULL);

	if (s[strspn(s, "0123456789")] == 0 && strlen(s) < 20)
		fputs(units_format_grouped(strtoull(s, NULL, 10), text), f);
	else if (d >= 1000 && d < 1e15)
		fputs(units_format_grouped((u64)(d + 0.5), text), f);
	else if (d != 0 && d < 0.001 && d > -0.001)
		fprintf(f, "%.2g", d);
	else
		fprintf(f, "%.*f", d >= 100 ? 1 : 3, d);
}

static const char *class_of(const char *s)
{
	if (is_number(s))
		return "n";
	if (!strcmp(s, "FAIL") || !strcmp(s, "no"))
		return "bad";
	if (!strcmp(s, "PASS") || !strcmp(s, "yes"))
		return "good";
	return !strcmp(s, "not finished") ? "open" : "";
}

/* A column that holds identifiers, which look like numbers now and then. */
static bool is_text_column(const char *name)
{
	return !strcmp(name, "commit") || !strcmp(name, "row") ||
		!strcmp(name, "kernel") || !strcmp(name, "seed") ||
		!strcmp(name, "series");
}

static void put_cell(FILE *f, const char *name, const char *s)
{
	bool is_text = is_text_column(name);
	const char *class = is_text ? "" : class_of(s);

	/* Only what is long may be broken over lines. */
	if (!*class && strlen(s) > 20)
		class = "long";
	fprintf(f, "<td class=\"%s\">", class);
	if (!is_text && is_number(s))
		put_number(f, s);
	else
		put_escaped(f, s);
	fputs("</td>", f);
}

/* "elapsed [ms]": the unit below the name. */
static void put_head(FILE *f, const char *name, bool is_numeric)
{
	const char *unit = strstr(name, " [");
	char text[256];

	snprintf(text, sizeof(text), "%.*s", unit ? (int)(unit - name) :
		 (int)strlen(name), name);
	put_element(f, is_numeric ? "<th class=\"n\">" : "<th>", text, "");
	if (unit) {
		snprintf(text, sizeof(text), "%.*s", (int)strlen(unit) - 3,
			 unit + 2);
		put_element(f, "<small>", text, "</small>");
	}
	fputs("</th>", f);
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = 0;
	return s;
}

static bool is_named(const char *head, const char *want)
{
	size_t n = strlen(want);

	return !strcmp(head, want) ||
		(!strncmp(head, want, n) && !strncmp(head + n, " [", 2));
}

/* Which columns, in what order. */
static int choose(char *list, char **head, u32 nr_head, u32 *shown, u32 *nr,
		  const char *file, struct err *e)
{
	*nr = 0;
	if (!*trim(list)) {
		for (; *nr < nr_head; (*nr)++)
			shown[*nr] = *nr;
		return 0;
	}
	for (char *save, *w = strtok_r(list, ",", &save); w;
	     w = strtok_r(NULL, ",", &save)) {
		u32 i = 0;

		w = trim(w);
		while (i < nr_head && !is_named(head[i], w))
			i++;
		if (i == nr_head || *nr == MAX_COLUMNS)
			return err_set(e, -EINVAL, "%s: no column '%s'", file,
				       w);
		shown[(*nr)++] = i;
	}
	return 0;
}

static int put_table(struct html *p, const char *file, char *list,
		     struct err *e)
{
	char *text = slurp(p->dir, file, e), *s = text;
	char *head[MAX_COLUMNS], *cell[MAX_COLUMNS];
	u32 shown[MAX_COLUMNS], nr_head, nr_cell, nr = 0, line = 1;
	int rc;

	if (!text)
		return -EINVAL;
	s = csv_record(s, head, &nr_head);
	rc = s ? choose(list, head, nr_head, shown, &nr, file, e)
	       : err_set(e, -EINVAL, "%s: line 1 is not CSV", file);
	if (rc)
		goto out;
	fputs("<div class=\"wide\"><table><thead><tr>", p->f);
	for (u32 i = 0; *s; line++) {
		s = csv_record(s, cell, &nr_cell);
		if (!s || nr_cell != nr_head) {
			rc = err_set(e, -EINVAL, "%s: record %u is not a row of "
				     "%u cells", file, line + 1, nr_head);
			goto out;
		}
		/* The first row tells which heads stand right. */
		for (; i < nr; i++)
			put_head(p->f, head[shown[i]],
				 !is_text_column(head[shown[i]]) &&
				 is_number(cell[shown[i]]));
		if (line == 1)
			fputs("</tr></thead><tbody>\n", p->f);
		fputs("<tr>", p->f);
		for (u32 k = 0; k < nr; k++)
			put_cell(p->f, head[shown[k]], cell[shown[k]]);
		fputs("</tr>\n", p->f);
	}
	if (line == 1) {
		rc = err_set(e, -EINVAL, "%s: no rows", file);
		goto out;
	}
	fputs("</tbody></table></div>\n", p->f);
out:
	free(text);
	return rc;
}

/* ---- figures -------------------------------------------------------------------- */

/* What a drawing needs not have and what could reach out of the page. */
static const char *svg_danger(const char *s)
{
	static const char *const bad[] = {
		"<script", "<foreignobject", "<image", "<iframe", "javascript:",
		"<!entity", "@import", "url(http", "href=\"http", "href='http",
		"onload", "onclick", "onmouse",
	};

	for (; *s; s++)
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!strncasecmp(s, bad[i], strlen(bad[i])))
				return bad[i];
	return NULL;
}

static int put_figure(struct html *p, const char *file, const char *caption,
		      struct err *e)
{
	static const char id[] = " id=\"gnuplot_canvas\"";
	char *text = slurp(p->dir, file, e), *svg, *end, *same;
	const char *danger;
	int rc = 0;

	if (!text)
		return -EINVAL;
	svg = strstr(text, "<svg");
	end = svg ? strstr(svg, "</svg>") : NULL;
	danger = svg ? svg_danger(svg) : NULL;
	if (!end)
		rc = err_set(e, -EINVAL, "%s: not an SVG figure", file);
	else if (danger)
		rc = err_set(e, -EINVAL, "%s: has '%s', which a figure must not",
			     file, danger);
	if (rc)
		goto out;
	end[strlen("</svg>")] = 0;
	/* Every figure has this one, and an id may be there once. */
	same = strstr(svg, id);
	if (same)
		memmove(same, same + strlen(id), strlen(same + strlen(id)) + 1);
	fputs("<figure>", p->f);
	fputs(svg, p->f);
	put_element(p->f, "<figcaption>", caption, "</figcaption></figure>\n");
out:
	free(text);
	return rc;
}

static int put_output(struct html *p, const char *file, struct err *e)
{
	char *text = slurp(p->dir, file, e);

	if (!text)
		return -EINVAL;
	put_element(p->f, "<pre>", text, "</pre>\n");
	free(text);
	return 0;
}

/* ---- the page -------------------------------------------------------------------- */

static void put_title(struct html *p, const char *text)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta name=\"viewport\" content=\"width=device-width,"
	      "initial-scale=1\">\n", p->f);
	put_element(p->f, "<title>", text, "</title>\n");
	fprintf(p->f, "<style>%s</style></head>\n<body>\n", style);
	put_element(p->f, "<h1>", text, "</h1>\n");
	p->has_title = true;
}

static int put_line(struct html *p, char *word, char *rest, struct err *e)
{
	char *more;

	if (!strcmp(word, "title") != !p->has_title)
		return err_set(e, -EINVAL, "expected 'title' once, in the first "
			       "line, found '%s'", word);
	if (!strcmp(word, "title")) {
		put_title(p, rest);
		return 0;
	}
	if (!strcmp(word, "section")) {
		put_element(p->f, "<h2>", rest, "</h2>\n");
		return 0;
	}
	if (!strcmp(word, "text")) {
		put_element(p->f, "<p>", rest, "</p>\n");
		return 0;
	}
	if (!strcmp(word, "command")) {
		put_element(p->f, "<pre class=\"command\">", rest, "</pre>\n");
		return 0;
	}
	if (!strcmp(word, "output"))
		return put_output(p, rest, e);
	more = rest + strcspn(rest, " \t");
	if (*more)
		*more++ = 0;
	if (!strcmp(word, "table"))
		return put_table(p, rest, more, e);
	if (!strcmp(word, "figure"))
		return put_figure(p, rest, trim(more), e);
	return err_set(e, -EINVAL, "'%s': expected title, section, text, "
		       "command, table, figure or output", word);
}

static int put_all(struct html *p, struct err *e)
{
	char *text = slurp(p->dir, "report.txt", e), *s = text, *next;
	int rc = text ? 0 : -EINVAL;
	u32 line = 1;

	for (; s && *s && !rc; s = next, line++) {
		char *rest;

		next = s + strcspn(s, "\n");
		if (*next)
			*next++ = 0;
		s = trim(s);
		if (!*s || *s == '#')
			continue;
		rest = s + strcspn(s, " \t");
		if (*rest)
			*rest++ = 0;
		rc = put_line(p, s, trim(rest), e);
		if (rc)
			err_prefix(e, rc, "%s/report.txt:%u: ", p->dir, line);
	}
	if (!rc && !p->has_title)
		rc = err_set(e, -EINVAL, "%s/report.txt: empty", p->dir);
	if (!rc)
		fputs("</body></html>\n", p->f);
	free(text);
	return rc;
}

static int report(const struct report_cfg *cfg, const char *dir)
{
	struct html p = { .dir = dir };
	struct outfile o;
	struct err e;
	char path[4096], *text = slurp(dir, "report.txt", &e);

	/* What it is made from, before what is made. */
	if (!text)
		return complain(EXIT_USAGE, &e);
	free(text);
	snprintf(path, sizeof(path), "%s/report.html", dir);
	if (outfile_open(&o, cfg->out ? cfg->out : path, &e))
		return complain(EXIT_FAILED, &e);
	p.f = o.f;
	if (put_all(&p, &e)) {
		outfile_discard(&o);
		return complain(EXIT_USAGE, &e);
	}
	return outfile_commit(&o, &e) ? complain(EXIT_FAILED, &e) : 0;
}

static void print_help(const struct opt_set *set)
{
	fputs(usage, stdout);
	opt_help(set, stdout);
	fputs(format, stdout);
}

static int run(void *cfg, struct opt_set *set, char **dir, u32 n)
{
	if (n != 1)
		return complain_usage("report", "expected one DIR, found %u", n);
	return report(cfg, dir[0]);
}

int cmd_report(int argc, char **argv)
{
	struct report_cfg cfg = { 0 };

	return cmd_main(&(struct cmd){
		.name = "report", .opts = opts, .nr_opts = ARRAY_LEN(opts),
		.cfg = &cfg, .help = &cfg.help, .takes_words = true,
		.print_help = print_help, .run = run,
	}, argc, argv);
}
