/* PAPI, by dlopen(). The only user of papi.h. */
#include "host/papi.h"

#include <dlfcn.h>
#include <errno.h>
#include <papi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FUNCTION(name, result, parameters) */
#define FUNCTIONS \
	FUNCTION(PAPI_library_init, int, (int)) \
	FUNCTION(PAPI_shutdown, void, (void)) \
	FUNCTION(PAPI_num_components, int, (void)) \
	FUNCTION(PAPI_get_component_info, const PAPI_component_info_t *, (int)) \
	FUNCTION(PAPI_strerror, char *, (int)) \
	FUNCTION(PAPI_event_name_to_code, int, (const char *, int *)) \
	FUNCTION(PAPI_create_eventset, int, (int *)) \
	FUNCTION(PAPI_destroy_eventset, int, (int *)) \
	FUNCTION(PAPI_cleanup_eventset, int, (int)) \
	FUNCTION(PAPI_add_named_event, int, (int, const char *)) \
	FUNCTION(PAPI_start, int, (int)) \
	FUNCTION(PAPI_stop, int, (int, long long *))

static struct {
	void *lib, *sde;
	bool is_ready, has_tried;
	int rc;
	struct err e;
#define FUNCTION(name, result, parameters) result (*name) parameters;
	FUNCTIONS
#undef FUNCTION
} papi;

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
#define FUNCTION(name, result, parameters) \
	{ #name, offsetof(__typeof__(papi), name) },
	FUNCTIONS
#undef FUNCTION
};

static int open_library(struct err *e)
{
	const char *path = getenv("TLBEMU_PAPI");

	if (path && !strcmp(path, "none"))
		return err_set(e, -ENOENT, "PAPI: switched off by TLBEMU_PAPI");
	papi.sde = dlopen("libsde.so.1", RTLD_NOW | RTLD_GLOBAL);
	papi.lib = dlopen(path ? path : "libpapi.so.7.0", RTLD_NOW | RTLD_GLOBAL);
	if (!papi.lib && !path)
		papi.lib = dlopen("libpapi.so", RTLD_NOW | RTLD_GLOBAL);
	if (!papi.lib)
		return err_set(e, -ENOENT, "PAPI: cannot load %s (Debian: "
			       "apt-get install libpapi7.0)",
			       path ? path : "libpapi.so.7.0");
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		void *f = dlsym(papi.lib, functions[i].name);

		if (!f)
			return err_set(e, -EPROTO, "PAPI: the library has no "
				       "%s", functions[i].name);
		memcpy((char *)&papi + functions[i].offset, &f, sizeof(f));
	}
	return 0;
}

static int load(struct err *e)
{
	int version, rc = open_library(e);

	if (rc)
		return rc;
	version = papi.PAPI_library_init(PAPI_VER_CURRENT);
	if (version == PAPI_VER_CURRENT)
		return 0;
	if (version > 0)
		return err_set(e, -EPROTO, "PAPI: the library is version %d.%d, "
			       "this program was built for %d.%d",
			       PAPI_VERSION_MAJOR(version),
			       PAPI_VERSION_MINOR(version),
			       PAPI_VERSION_MAJOR(PAPI_VER_CURRENT),
			       PAPI_VERSION_MINOR(PAPI_VER_CURRENT));
	return err_set(e, -EIO, "PAPI: the library does not start: %s",
		       papi.PAPI_strerror(version));
}

int papi_ready(struct err *e)
{
	if (!papi.has_tried) {
		papi.has_tried = true;
		papi.rc = load(&papi.e);
		papi.is_ready = !papi.rc;
	}
	return papi.rc ? err_set(e, papi.rc, "%s", papi.e.text) : 0;
}

void papi_forget(void)
{
	if (papi.is_ready)
		papi.PAPI_shutdown();
	if (papi.lib)
		dlclose(papi.lib);
	memset(&papi, 0, sizeof(papi));
}

u32 papi_nr_components(void)
{
	int n = papi.is_ready ? papi.PAPI_num_components() : 0;

	return n > 0 ? (u32)n : 0;
}

void papi_component(u32 i, struct papi_component *c)
{
	const PAPI_component_info_t *info =
		papi.PAPI_get_component_info((int)i);

	memset(c, 0, sizeof(*c));
	if (!info)
		return;
	snprintf(c->name, sizeof(c->name), "%.63s", info->name);
	c->nr_events = info->num_native_events;
	if (!info->disabled)
		return;
	snprintf(c->reason, sizeof(c->reason), "%.190s",
		 *info->disabled_reason ? info->disabled_reason
					: papi.PAPI_strerror(info->disabled));
}

/* "Component containing event is disabled" is not yet a reason. */
static int refused(const char *event, int rc, struct err *e)
{
	const char *what = papi.PAPI_strerror(rc);

	if (rc == PAPI_EPERM)
		return err_set(e, -EACCES, "PAPI: %s: not permitted; as root, "
			       "'sysctl kernel.perf_event_paranoid=1' allows it",
			       event);
	if (rc == PAPI_ENOEVNT)
		return err_set(e, -ENOENT, "PAPI: %s: no component has such an "
			       "event here", event);
	for (u32 i = 0; rc == PAPI_ECMP_DISABLED && i < papi_nr_components();
	     i++) {
		struct papi_component c;

		papi_component(i, &c);
		if (*c.reason)
			return err_set(e, -ENODEV, "PAPI: %s: component %s is "
				       "disabled: %s", event, c.name, c.reason);
	}
	return err_set(e, rc == PAPI_ECMP_DISABLED ? -ENODEV : -EIO,
		       "PAPI: %s: %s", event, what);
}

struct papi_set {
	int id;
	u32 n;
	char first[64];
};

int papi_has(const char *event, struct err *e)
{
	struct papi_set *s;
	int rc = papi_set_create(&s, &event, 1, e);

	if (rc)
		return rc;
	/* Permission is asked for when counting begins. */
	rc = papi_set_start(s, e);
	if (!rc) {
		s64 v;

		rc = papi_set_stop(s, &v, e);
	}
	papi_set_destroy(s);
	return rc;
}

int papi_set_create(struct papi_set **out, const char *const *events, u32 n,
		    struct err *e)
{
	struct papi_set *s;
	int rc = papi_ready(e);

	if (rc)
		return rc;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->id = PAPI_NULL;
	rc = papi.PAPI_create_eventset(&s->id);
	if (rc != PAPI_OK) {
		free(s);
		return err_set(e, -EIO, "PAPI: %s", papi.PAPI_strerror(rc));
	}
	snprintf(s->first, sizeof(s->first), "%s", n ? events[0] : "");
	for (; s->n < n; s->n++) {
		rc = papi.PAPI_add_named_event(s->id, events[s->n]);
		if (rc == PAPI_OK)
			continue;
		rc = refused(events[s->n], rc, e);
		papi_set_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void papi_set_destroy(struct papi_set *s)
{
	if (!s)
		return;
	papi.PAPI_cleanup_eventset(s->id);
	papi.PAPI_destroy_eventset(&s->id);
	free(s);
}

int papi_set_start(struct papi_set *s, struct err *e)
{
	int rc = papi.PAPI_start(s->id);

	return rc == PAPI_OK ? 0 : refused(s->first, rc, e);
}

int papi_set_stop(struct papi_set *s, s64 *values, struct err *e)
{
	long long v[PAPI_SET_MAX] = { 0 };
	int rc = papi.PAPI_stop(s->id, v);

	if (rc != PAPI_OK)
		return refused(s->first, rc, e);
	for (u32 i = 0; i < s->n; i++)
		values[i] = v[i];
	return 0;
}
