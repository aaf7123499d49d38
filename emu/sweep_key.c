#include "emu/sweep_key.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/units.h"
#include "emu/version.h"

static void hex(struct hash128 h, char text[SWEEP_HASH_TEXT])
{
	snprintf(text, SWEEP_HASH_TEXT, "%016llx%016llx",
		 (unsigned long long)h.hi, (unsigned long long)h.lo);
}

/* ---- files and machines, each looked at once --------------------------------- */

struct digest {
	struct digest *next;
	char hash[SWEEP_HASH_TEXT];
	char name[];
};

static const struct digest *known(const struct digest *list, const char *name)
{
	while (list && strcmp(list->name, name))
		list = list->next;
	return list;
}

static const char *remember(struct digest **list, const char *name,
			    struct hash128 h)
{
	size_t n = strlen(name) + 1;
	struct digest *d = malloc(sizeof(*d) + n);

	if (!d)
		return NULL;
	memcpy(d->name, name, n);
	hex(h, d->hash);
	d->next = *list;
	*list = d;
	return d->hash;
}

static int hash_file(const char *path, struct hash128 *out, struct err *e)
{
	XXH3_state_t *s = XXH3_createState();
	FILE *f = fopen(path, "re");
	static char buf[1 << 16];
	XXH128_hash_t h;
	size_t n;
	int rc = f && s ? 0 : err_set(e, f ? -ENOMEM : -ENOENT,
				      "%s: cannot read: %s", path,
				      strerror(errno));

	if (!rc) {
		XXH3_128bits_reset(s);
		while ((n = fread(buf, 1, sizeof(buf), f)))
			XXH3_128bits_update(s, buf, n);
		if (ferror(f))
			rc = err_set(e, -EIO, "%s: cannot read: %s", path,
				     strerror(errno));
		h = XXH3_128bits_digest(s);
		*out = (struct hash128){ .lo = h.low64, .hi = h.high64 };
	}
	if (f)
		fclose(f);
	XXH3_freeState(s);
	return rc;
}

static int file_digest(const char *path, const char **out, struct err *e)
{
	static struct digest *files;
	const struct digest *d = known(files, path);
	struct hash128 h;
	int rc;

	*out = d ? d->hash : NULL;
	if (d)
		return 0;
	rc = hash_file(path, &h, e);
	if (rc)
		return rc;
	*out = remember(&files, path, h);
	return *out ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int take_row(void *arg, const struct machine_row *row)
{
	XXH3_128bits_update(arg, row->key, strlen(row->key) + 1);
	XXH3_128bits_update(arg, row->value, strlen(row->value) + 1);
	XXH3_128bits_update(arg, row->unit, strlen(row->unit) + 1);
	return 0;
}

static int hash_machine(const struct machine *m, struct hash128 *out)
{
	XXH3_state_t *s = XXH3_createState();
	XXH128_hash_t h;

	if (!s)
		return -ENOMEM;
	XXH3_128bits_reset(s);
	machine_describe(m, take_row, s);
	XXH3_128bits_update(s, m->cpu, m->nr_cpus * sizeof(*m->cpu));
	XXH3_128bits_update(s, m->distance, (size_t)m->nr_nodes * m->nr_nodes *
			    sizeof(*m->distance));
	XXH3_128bits_update(s, m->node_bytes,
			    m->nr_nodes * sizeof(*m->node_bytes));
	h = XXH3_128bits_digest(s);
	XXH3_freeState(s);
	*out = (struct hash128){ .lo = h.low64, .hi = h.high64 };
	return 0;
}

struct built {
	struct built *next;
	struct machine *m;              /* NULL: cannot be built              */
	char hash[SWEEP_HASH_TEXT];
	char name[];
};

static struct built *build(const struct timed_cfg *cfg, const char *name)
{
	size_t n = strlen(name) + 1;
	struct built *b = calloc(1, sizeof(*b) + n);
	struct hash128 h;

	if (!b)
		return NULL;
	memcpy(b->name, name, n);
	if (!machine_create(&b->m, cfg->machine, cfg->profile, NULL)) {
		if (hash_machine(b->m, &h)) {
			machine_destroy(b->m);
			free(b);
			return NULL;
		}
		hex(h, b->hash);
	}
	return b;
}

static const struct built *built(const struct timed_cfg *cfg)
{
	static struct built *all;
	struct built *b = all;
	char name[1024];

	snprintf(name, sizeof(name), "%s\n%s", cfg->machine ? cfg->machine : "",
		 cfg->profile ? cfg->profile : "");
	while (b && strcmp(b->name, name))
		b = b->next;
	if (b)
		return b;
	b = build(cfg, name);
	if (b) {
		b->next = all;
		all = b;
	}
	return b;
}

const struct machine *sweep_machine(const struct timed_cfg *cfg)
{
	const struct built *b = built(cfg);

	return b ? b->m : NULL;
}

/* ---- names ------------------------------------------------------------------------ */

static int check_machine(const char *machine, const char *profile,
			 struct err *e)
{
	const struct timed_cfg cfg = { .machine = machine, .profile = profile };
	struct machine *m;
	int rc;

	if (sweep_machine(&cfg))
		return 0;
	rc = machine_create(&m, machine, profile, e);
	if (!rc)
		machine_destroy(m);
	return rc;
}

static const struct sweep_axis *axis_of(const struct sweep_grid *g,
					const char *name)
{
	for (u32 i = 0; i < g->nr_axes; i++)
		if (!strcmp(g->axis[i].o->name, name))
			return &g->axis[i];
	return NULL;
}

/* Where machines and profiles both vary, each machine has its own profile here,
 * and profiles are looked at on a small machine. */
static int check_name(const struct experiment *x, const struct sweep_grid *g,
		      const char *name, const char *value, struct err *e)
{
	const struct kernel *k;
	const struct flush_ops *f;

	if (!strcmp(name, "kernel"))
		return experiment_kernel(value, &k, e);
	if (!strcmp(name, "flush"))
		return experiment_flush(value, &f, e);
	if (!strcmp(name, "machine"))
		return check_machine(value, axis_of(g, "profile") ? NULL
				     : x->cfg.profile, e);
	return !value || !*value ? 0
		: check_machine("pack:1 core:1 pu:1", value, e);
}

int sweep_check_names(const struct experiment *x, const struct sweep_grid *g,
		      struct err *e)
{
	const struct {
		const char *name, *fixed;
	} names[] = {
		{ "kernel", x->cfg.kernel }, { "flush", x->cfg.flush },
		{ "profile", x->cfg.profile }, { "machine", x->cfg.machine },
	};
	int rc = 0;

	for (size_t n = 0; n < ARRAY_LEN(names) && !rc; n++) {
		const struct sweep_axis *a = axis_of(g, names[n].name);

		if (!a)
			rc = check_name(x, g, names[n].name, names[n].fixed, e);
		for (u32 i = 0; a && i < a->nr && !rc; i++)
			rc = check_name(x, g, names[n].name, a->value[i], e);
		if (rc)
			err_prefix(e, rc, "%s: ", names[n].name);
	}
	return rc;
}

/* ---- the program -------------------------------------------------------------------- */

static const char *program_version(void)
{
	static char text[128];
	const char *own;
	size_t n;

	if (*text)
		return text;
	snprintf(text, sizeof(text), "%s", tlbemu_revision);
	n = strlen(text);
	if ((n < 6 || strcmp(text + n - 6, "-dirty")) &&
	    strcmp(text, "unknown"))
		return text;
	if (!file_digest("/proc/self/exe", &own, NULL))
		snprintf(text + n, sizeof(text) - n, "+%s", own);
	return text;
}

/* ---- the text -------------------------------------------------------------------- */

static json_t *number(enum unit_kind kind, const char *text)
{
	u64 v;

	return units_parse(kind, text, &v, NULL) ? json_null()
						 : json_integer((json_int_t)v);
}

static json_t *value_of(const struct opt *o, const char *text)
{
	double d;

	switch (o->kind) {
	case OPT_BOOL:
		return json_boolean(!strcmp(text, "yes"));
	case OPT_U32:
	case OPT_U64:
		return number(UNIT_COUNT, text);
	case OPT_SIZE:
		return number(UNIT_BYTES, text);
	case OPT_TIME_NS:
		return number(UNIT_NS, text);
	case OPT_HZ:
		return number(UNIT_HZ, text);
	case OPT_DOUBLE:
		return units_parse_double(text, &d, NULL) ? json_null()
							  : json_real(d);
	case OPT_STRING:
		return *text ? json_string(text) : json_null();
	case OPT_ENUM:
		break;
	}
	return json_string(text);
}

static void add_setting(void *arg, const struct opt *o, const char *value,
			enum opt_origin origin)
{
	if (strcmp(o->name, "workload"))
		json_object_set_new(arg, o->name, value_of(o, value));
}

static int add_files(json_t *config, const struct experiment *x, struct err *e)
{
	json_t *files = json_object();

	for (u32 i = 0; i < x->nr_files; i++) {
		const char *digest;
		int rc = file_digest(x->files[i], &digest, e);

		if (rc) {
			json_decref(files);
			return rc;
		}
		json_object_set_new(files, x->files[i], json_string(digest));
	}
	json_object_set_new(config, "files", files);
	return 0;
}

int sweep_key_of(const struct experiment *x, struct sweep_key *k,
		 struct err *e)
{
	json_t *config = json_object();
	const struct built *b = built(&x->cfg);
	int rc;

	k->config = NULL;
	json_object_set_new(config, "workload",
			    json_string(x->workload->name));
	opt_each(x->set, add_setting, config);
	/* null: such a machine cannot be built; the point says so. */
	json_object_set_new(config, "machine-digest", b && b->m
			    ? json_string(b->hash) : json_null());
	rc = add_files(config, x, e);
	json_object_set_new(config, "program",
			    json_string(program_version()));
	if (!rc)
		k->config = json_dumps(config, JSON_COMPACT);
	json_decref(config);
	if (!rc && !k->config)
		rc = err_set(e, -ENOMEM, "out of memory");
	if (!rc)
		hex(hash128(k->config, strlen(k->config)), k->hash);
	return rc;
}
