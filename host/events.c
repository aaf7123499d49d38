/* Emulated counters and this host's. */
#include "host/events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/cpuid.h"
#include "host/kernel_counts.h"
#include "host/papi.h"
#include "host/tracepoint.h"

const struct host_event host_events[] = {
#define EVENT(pmu, counter, native, note) \
	{ PMU_##pmu, counter, native, note },
#include "host/events.def"
#undef EVENT
};
const u32 nr_host_events = ARRAY_LEN(host_events);

static const struct {
	u32 model;
	enum host_pmu pmu;
	const char *prefix;
} intel[] = {
	{ 60, PMU_HSW, "hsw" }, { 63, PMU_HSW, "hsw_ep" },
	{ 69, PMU_HSW, "hsw" }, { 70, PMU_HSW, "hsw" },
	{ 61, PMU_HSW, "bdw" }, { 71, PMU_HSW, "bdw" },
	{ 79, PMU_HSW, "bdw_ep" }, { 86, PMU_HSW, "bdw_ep" },
	{ 78, PMU_SKX, "skl" }, { 94, PMU_SKX, "skl" },
	{ 85, PMU_SKX, "skx" }, { 142, PMU_SKX, "skl" },
	{ 158, PMU_SKX, "skl" },
	{ 125, PMU_ICX, "icl" }, { 126, PMU_ICX, "icl" },
	{ 106, PMU_ICX, "icx" }, { 108, PMU_ICX, "icx" },
	{ 140, PMU_ICX, "icl" },
	{ 143, PMU_SPR, "spr" }, { 207, PMU_SPR, "emr" },
	{ 173, PMU_SPR, "gnr" }, { 151, PMU_SPR, "adl_glc" },
	{ 154, PMU_SPR, "adl_glc" },
};

static enum host_pmu amd(u32 family, u32 model, const char **prefix)
{
	if (family == 0x17) {
		*prefix = model >= 0x30 ? "amd64_fam17h_zen2"
					: "amd64_fam17h_zen1";
		return PMU_ZEN;
	}
	if (family == 0x19) {
		/* Zen 4: 10h-1fh, 60h-7fh, a0h-afh. */
		bool is_zen4 = (model >= 0x10 && model < 0x20) ||
			(model >= 0x60 && model < 0x80) ||
			(model >= 0xa0 && model < 0xb0);

		*prefix = is_zen4 ? "amd64_fam19h_zen4" : "amd64_fam19h_zen3";
		return PMU_ZEN;
	}
	if (family == 0x1a) {
		*prefix = "amd64_fam1ah_zen5";
		return PMU_ZEN;
	}
	return PMU_ANY;
}

enum host_pmu host_pmu_of(const char *vendor, u32 family, u32 model,
			  const char **prefix)
{
	*prefix = NULL;
	if (!strcmp(vendor, "AuthenticAMD"))
		return amd(family, model, prefix);
	for (size_t i = 0; !strcmp(vendor, "GenuineIntel") && family == 6 &&
	     i < ARRAY_LEN(intel); i++)
		if (intel[i].model == model) {
			*prefix = intel[i].prefix;
			return intel[i].pmu;
		}
	return PMU_ANY;
}

enum host_pmu host_pmu(const char **prefix)
{
	struct cpuid_info info;

	if (cpuid_read(&info))
		return host_pmu_of(info.vendor, info.family, info.model, prefix);
#if defined(__aarch64__)
	*prefix = "arm_n1";
	return PMU_ARM;
#else
	*prefix = NULL;
	return PMU_ANY;
#endif
}

const char *host_event_name(const struct host_event *ev, const char *prefix,
			    char *buf, size_t size)
{
	if (ev->pmu == PMU_ANY || !prefix)
		snprintf(buf, size, "%s", ev->native);
	else
		snprintf(buf, size, "%s::%s", prefix, ev->native);
	return buf;
}

static const char *after(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) ? NULL : name + n;
}

int host_event_state(const char *name, struct err *e)
{
	const char *rest;
	u64 v;

	if ((rest = after(name, "/proc/interrupts ")))
		return kernel_interrupts(rest, &v, e);
	if ((rest = after(name, "/proc/vmstat ")))
		return kernel_vmstat(rest, &v, e);
	if ((rest = after(name, "perf ")))
		return kernel_software_event(rest, &v, e);
	if ((rest = after(name, "tracepoint "))) {
		int fd = tracepoint_open(rest, e);

		if (fd >= 0)
			close(fd);
		return fd < 0 ? fd : 0;
	}
	return papi_has(name, e);
}

const struct host_event *host_event_for(const char *counter, int *state,
					struct err *e)
{
	const struct host_event *first = NULL;
	const char *prefix;
	enum host_pmu pmu = host_pmu(&prefix);

	*state = -ENOENT;
	for (u32 i = 0; i < nr_host_events; i++) {
		const struct host_event *ev = &host_events[i];
		char name[192];
		struct err why;
		int rc;

		if (strcmp(ev->counter, counter) ||
		    (ev->pmu != PMU_ANY && ev->pmu != pmu))
			continue;
		rc = host_event_state(host_event_name(ev, prefix, name,
						      sizeof(name)), &why);
		if (!rc) {
			*state = 0;
			return ev;
		}
		if (!first) {
			first = ev;
			*state = rc;
			err_set(e, rc, "%s", why.text);
		}
	}
	return first;
}
