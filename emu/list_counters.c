/* Counters, and this host's own. */
#include "emu/list_counters.h"

#include <errno.h>
#include <stdio.h>

#include "base/counters.h"
#include "base/suggest.h"
#include "host/cpuid.h"
#include "host/events.h"
#include "host/kernel_counts.h"
#include "host/papi.h"

static const struct emit_col cols[] = {
	{ .name = "name", .type = EMIT_STRING },
	{ .name = "unit", .type = EMIT_STRING },
	{ .name = "what", .type = EMIT_STRING },
	{ .name = "state", .type = EMIT_STRING },
	{ .name = "here", .type = EMIT_STRING },
};

static void row(struct emit *em, enum counter c, const char *prefix)
{
	const struct counter_info *info = &counter_info[c];
	const struct host_event *ev;
	struct err why = { "" };
	char name[192];
	int state;

	emit_str(em, info->name);
	emit_str(em, info->unit);
	emit_str(em, info->help);
	ev = host_event_for(info->name, &state, &why);
	if (!ev) {
		emit_str(em, "no such count on this host");
		emit_str(em, "-");
	} else {
		char text[sizeof(why.text) + 128];

		snprintf(text, sizeof(text), "%s%s%s", state ? why.text :
			 "readable", *ev->note ? "; " : "", ev->note);
		emit_str(em, text);
		emit_str(em, host_event_name(ev, prefix, name, sizeof(name)));
	}
	emit_row(em);
}

static void components(struct emit *em)
{
	struct err e;

	if (papi_ready(&e)) {
		emit_note(em, " %s", e.text);
		return;
	}
	for (u32 i = 0; i < papi_nr_components(); i++) {
		struct papi_component c;

		papi_component(i, &c);
		emit_note(em, " PAPI component %s: %s", c.name,
			  *c.reason ? c.reason : "counts");
	}
}

static void summary(struct emit *em, const char *prefix)
{
	struct cpuid_info info;
	double per_call;
	struct err e;

	if (cpuid_read(&info))
		emit_note(em, " this host: %s, family %xh model %xh (%s)%s",
			  info.brand, info.family, info.model,
			  prefix ? prefix : "no table of events for it",
			  info.is_guest ? ", a virtual machine" : "");
	components(em);
	if (kernel_paranoid() != -100)
		emit_note(em, " kernel.perf_event_paranoid: %d",
			  kernel_paranoid());
	if (kernel_counts_shootdowns(&per_call, &e))
		emit_note(em, " shootdowns: %s\n", e.text);
	else
		emit_note(em, " shootdowns: row TLB of /proc/interrupts moves "
			  "by %.2f a flush beside one other thread\n", per_call);
}

int list_counters(struct emit *em, const char *name, struct err *e)
{
	const char *prefix;
	enum counter id = 0;
	char hint[128];

	if (name && counter_find(name, &id)) {
		suggest_text(name, counter_names, hint, sizeof(hint));
		return err_set(e, -ENOENT, "'%s': no such counter%s 'tlbemu "
			       "list counters' shows all", name,
			       hint[0] ? hint : ";");
	}
	host_pmu(&prefix);
	if (!name)
		summary(em, prefix);
	emit_table(em, &(struct emit_table){ .name = "counters", .cols = cols,
					     .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < NR_COUNTERS; i++)
		if (!name || i == id)
			row(em, (enum counter)i, prefix);
	return 0;
}
