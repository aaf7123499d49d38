/* The page's parts are files of emu/html/, taken in by the assembler as they
 * are; here they are put together with one counterexample. */
#include "emu/race_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/outfile.h"

#define PART(id, file)                                                      \
	__asm__(".pushsection .rodata\n"                                    \
		".global tlbemu_html_" #id "\n"                             \
		"tlbemu_html_" #id ":\n"                                    \
		".incbin \"emu/html/" file "\"\n"                           \
		".byte 0\n"                                                 \
		".popsection\n");                                           \
	extern const char tlbemu_html_##id[];

PART(page, "race.html")
PART(css, "race.css")
PART(js, "race.js")

static void write_escaped(FILE *f, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '&': fputs("&amp;", f); break;
		case '"': fputs("&quot;", f); break;
		default: fputc(*text, f);
		}
}

/* Nothing in it may end the script element it stands in. */
static void write_json(FILE *f, const char *text)
{
	for (; *text; text++)
		if (*text == '<')
			fputs("\\u003c", f);
		else
			fputc(*text, f);
}

struct html {
	const struct race_show *s;
	char *json;             /* both runs                                  */
	char oracle[8];         /* of the losing one                          */
	char text[256];
};

static void write_verdict(FILE *f, const struct html *p)
{
	const struct race_show *s = p->s;

	fprintf(f, "%s: ", p->oracle);
	write_escaped(f, p->text);
	fprintf(f, " (row %s, kernel ", s->row->id);
	write_escaped(f, s->k->name);
	fprintf(f, ", memory model %s, %s)",
		memory_model_names[s->o->shown_memory], s->o->shown_demand_only
		? "TLBs filled on demand only" : "speculative TLB fills");
}

static void write_field(FILE *f, const struct html *p, const char *name,
			size_t n)
{
	const struct race_show *s = p->s;


#define NAMED(text) (n == strlen(text) && !memcmp(name, text, n))
	if (NAMED("TITLE")) {
		fprintf(f, "%s ", s->race->id);
		write_escaped(f, s->race->name);
	} else if (NAMED("CSS")) {
		fputs(tlbemu_html_css, f);
	} else if (NAMED("JS")) {
		fputs(tlbemu_html_js, f);
	} else if (NAMED("DATA")) {
		write_json(f, p->json);
	} else if (NAMED("VERDICT")) {
		write_verdict(f, p);
	} else if (NAMED("SUMMARY")) {
		write_escaped(f, s->race->summary);
	} else if (NAMED("STORY")) {
		write_escaped(f, s->race->story);
	} else if (NAMED("BOUNDS")) {
		fputs("Bounds: ", f);
		write_escaped(f, s->race->bounds);
	} else if (NAMED("REPLAY") && s->replay) {
		fputs("Again: ", f);
		write_escaped(f, s->replay);
	}
#undef NAMED
}

static void write_page(FILE *f, const struct html *page)
{
	const char *p = tlbemu_html_page;

	while (*p) {
		size_t n = strcspn(p, "@");

		fwrite(p, 1, n, f);
		p += n;
		if (!*p)
			break;
		n = strcspn(++p, "@");
		write_field(f, page, p, n);
		p += n + 1;
	}
}

static const char *string_of(const json_t *run, const char *key)
{
	return json_string_value(json_object_get(run, key));
}

/* The losing run, and the fixed kernel's. */
static int record_runs(struct html *p)
{
	const struct race_show *s = p->s;
	json_t *page = json_object(), *runs = json_array(), *run;
	int rc = race_record(&run, s->race, s->row, s->k, s->lim, s->o, false);

	if (!rc) {
		json_array_append_new(runs, run);
		snprintf(p->oracle, sizeof(p->oracle), "%s",
			 string_of(run, "oracle"));
		snprintf(p->text, sizeof(p->text), "%s",
			 string_of(run, "text"));
	}
	if (!rc && s->fixed) {
		rc = race_record(&run, s->race, s->fixed,
				 kernel_find(s->fixed->kernel), s->lim, s->o,
				 true);
		if (!rc)
			json_array_append_new(runs, run);
	}
	json_object_set_new(page, "runs", runs);
	if (!rc)
		p->json = json_dumps(page, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(page);
	return rc ? rc : p->json ? 0 : -ENOMEM;
}

int race_html(const struct race_show *s, const char *path, struct err *e)
{
	struct html p = { .s = s };
	struct outfile out;
	int rc = record_runs(&p);

	if (rc)
		err_set(e, rc, "%s: %s", path, strerror(-rc));
	else if (strlen(p.json) > RACE_HTML_MAX - (64u << 10))
		rc = err_set(e, -EFBIG, "%s: the page would be larger than "
			     "%u MiB", path, RACE_HTML_MAX >> 20);
	if (!rc)
		rc = outfile_open(&out, path, e);
	if (!rc) {
		write_page(out.f, &p);
		rc = outfile_commit(&out, e);
	}
	free(p.json);
	return rc;
}
