#include "emu/chrome_trace.h"

static void put_json(FILE *f, json_t *v)
{
	json_dumpf(v, f, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
}

static void put_text(FILE *f, const char *key, const char *s)
{
	json_t *v = json_string(s);

	fprintf(f, "\"%s\":", key);
	if (v)
		put_json(f, v);
	else
		fputs("\"?\"", f);      /* not UTF-8, or no memory */
	json_decref(v);
}

static void put_time(FILE *f, const char *key, u64 ps)
{
	fprintf(f, ",\"%s\":%llu.%06llu", key,
		(unsigned long long)(ps / CHROME_PS_PER_US),
		(unsigned long long)(ps % CHROME_PS_PER_US));
}

/* Up to where the events differ. */
static void begin(struct chrome *t, const char *name, const char *phase,
		  u32 track)
{
	fputs(t->has_any ? ",\n{" : "\n{", t->f);
	t->has_any = true;
	put_text(t->f, "name", name);
	fprintf(t->f, ",\"ph\":\"%s\",\"pid\":1,\"tid\":%u", phase, track);
}

static void name_event(struct chrome *t, const char *what, u32 track,
		       const char *name)
{
	begin(t, what, "M", track);
	fputs(",\"args\":{", t->f);
	put_text(t->f, "name", name);
	fputs("}}", t->f);
}

void chrome_begin(struct chrome *t, FILE *f, const char *process)
{
	*t = (struct chrome){ .f = f };
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", f);
	name_event(t, "process_name", 0, process);
}

void chrome_track(struct chrome *t, u32 track, const char *name)
{
	name_event(t, "thread_name", track, name);
	begin(t, "thread_sort_index", "M", track);
	fprintf(t->f, ",\"args\":{\"sort_index\":%u}}", track);
}

void chrome_slice(struct chrome *t, u32 track, const char *name,
		  const char *cat, u64 from_ps, u64 to_ps, json_t *args)
{
	begin(t, name, "X", track);
	fputc(',', t->f);
	put_text(t->f, "cat", cat);
	put_time(t->f, "ts", from_ps);
	put_time(t->f, "dur", to_ps - from_ps);
	if (args) {
		fputs(",\"args\":", t->f);
		put_json(t->f, args);
		json_decref(args);
	}
	fputc('}', t->f);
}

void chrome_mark(struct chrome *t, u32 track, const char *name,
		 const char *cat, u64 at_ps)
{
	begin(t, name, "i", track);
	fputc(',', t->f);
	put_text(t->f, "cat", cat);
	put_time(t->f, "ts", at_ps);
	fputs(",\"s\":\"g\"}", t->f);
}

/* "e": it ends at the slice around it, not at the next one. */
void chrome_arrow(struct chrome *t, u32 track, const char *name, bool is_end,
		  u64 id, u64 at_ps)
{
	begin(t, name, is_end ? "f" : "s", track);
	fputs(",\"cat\":\"ipi\"", t->f);
	put_time(t->f, "ts", at_ps);
	fprintf(t->f, ",\"id\":%llu%s}", (unsigned long long)id,
		is_end ? ",\"bp\":\"e\"" : "");
}

void chrome_end(struct chrome *t, json_t *other)
{
	fputs("\n]", t->f);
	if (other) {
		fputs(",\"otherData\":", t->f);
		put_json(t->f, other);
		json_decref(other);
	}
	fputs("}\n", t->f);
}
