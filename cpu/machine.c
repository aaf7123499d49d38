/* machine.c - a topology and a profile put together, and both described.
 */
#include "cpu/machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/err.h"
#include "base/suggest.h"
#include "base/units.h"
#include "cpu/profile.h"
#include "cpu/topology.h"

/* ORDER hop */
static const char *const hop_names[NR_HOPS] = {
	"self", "smt", "llc", "package", "remote"
};

_Static_assert(COST_LINE_TRANSFER_REMOTE - COST_LINE_TRANSFER_SELF ==
	       HOP_REMOTE - HOP_SELF, "ORDER hop");
_Static_assert(COST_IPI_DELIVER_REMOTE - COST_IPI_DELIVER_SELF ==
	       HOP_REMOTE - HOP_SELF, "ORDER hop");

static const struct {
	double value;
	const char *source;
} default_cost[NR_COSTS] = {
#define COST(id, name, unit, value, source) { value, source },
#include "cpu/costs.def"
#undef COST
};

const char *machine_hop_name(enum hop hop)
{
	return hop_names[hop];
}

static bool is_assumed(const char *source)
{
	return !strncmp(source, "assumed", strlen("assumed"));
}

bool machine_cost_is_assumed(const struct machine *m, enum cost cost)
{
	return is_assumed(m->cost_source[cost]);
}

u64 machine_lookahead_cycles(const struct machine *m)
{
	u64 least = UINT64_MAX;

	for (u32 hop = HOP_SMT; hop < NR_HOPS; hop++)
		if (m->hops_present & 1u << hop &&
		    m->cost[COST_IPI_DELIVER_SELF + hop] < least)
			least = m->cost[COST_IPI_DELIVER_SELF + hop];
	return least;
}

/* --- creation ------------------------------------------------------------ */

/* What a --machine argument can be. */
enum spec_kind { SPEC_PROFILE, SPEC_SYNTHETIC, SPEC_XML, SPEC_HOST,
		 SPEC_UNKNOWN };

static bool ends_in(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len > n && !strcasecmp(s + len - n, suffix);
}

static enum spec_kind classify(const char *spec)
{
	if (!strcmp(spec, "host"))
		return SPEC_HOST;
	if (ends_in(spec, ".ini"))
		return SPEC_PROFILE;
	if (strchr(spec, '/') || ends_in(spec, ".xml"))
		return SPEC_XML;
	if (profile_exists(spec))
		return SPEC_PROFILE;
	/* "pack:4 pu:2", or levels without types: "2 4". */
	if (strpbrk(spec, ":[") || !spec[strspn(spec, "0123456789 ")])
		return SPEC_SYNTHETIC;
	return access(spec, F_OK) == 0 ? SPEC_XML : SPEC_UNKNOWN;
}

static int reject_spec(const char *spec, struct err *e)
{
	char **names = profile_names();
	char hint[128] = "";

	if (names)
		suggest_text(spec, (const char *const *)names, hint,
			     sizeof(hint));
	free(names);
	return err_set(e, -EINVAL, "machine '%.100s' is neither a profile nor "
		       "'host', an hwloc XML file or a topology such as '%s'%s",
		       spec, TOPOLOGY_EXAMPLE, hint);
}

static void find_hops(struct machine *m)
{
	for (u32 a = 0; a < m->nr_cpus; a++)
		for (u32 b = a; b < m->nr_cpus; b++)
			m->hops_present |= 1u << machine_hop(m, a, b);
}

/* Takes over the texts of @p that @m keeps. */
static void use_profile(struct machine *m, struct profile *p)
{
	memcpy(m->name, p->name, sizeof(m->name));
	memcpy(m->summary, p->summary, sizeof(m->summary));
	m->hz = p->hz;
	m->hz_source = p->hz_source;
	p->hz_source = NULL;
	m->l1d_4k = p->tlb[PROFILE_L1D_4K];
	m->l1d_2m = p->tlb[PROFILE_L1D_2M];
	m->stlb = p->tlb[PROFILE_STLB];

	for (u32 i = 0; i < NR_COSTS; i++) {
		struct profile_cost *c = &p->cost[i];
		bool own = c->source != NULL;
		double v = own ? c->value : default_cost[i].value;

		m->cost_given[i] = v;
		if (!strcmp(machine_cost_unit((enum cost)i), "ns"))
			v = v * (double)m->hz / 1e9;
		m->cost[i] = (u64)(v + 0.5);
		m->is_cost_owned[i] = own;
		m->cost_source[i] = own ? c->source : default_cost[i].source;
		c->source = NULL;
		m->nr_assumed_costs += is_assumed(m->cost_source[i]);
	}
	m->stlb.hit_cycles = (u32)m->cost[COST_STLB_HIT];
}

int machine_create(struct machine **out, const char *spec, const char *profile,
		   struct err *e)
{
	enum spec_kind kind = spec ? classify(spec) : SPEC_PROFILE;
	struct profile *costs = NULL, *shape = NULL;
	struct machine *m = NULL;
	const char *topology = spec;
	int err;

	if (kind == SPEC_UNKNOWN)
		return reject_spec(spec, e);
	if (!profile)
		profile = kind == SPEC_PROFILE && spec ? spec
						       : MACHINE_DEFAULT_PROFILE;
	err = profile_load(&costs, profile, e);
	if (err)
		return err;
	if (kind == SPEC_PROFILE) {
		if (spec && strcmp(spec, profile)) {
			err = profile_load(&shape, spec, e);
			if (err)
				goto out;
		}
		topology = (shape ? shape : costs)->topology;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		err = err_set(e, -ENOMEM, "machine: out of memory");
		goto out;
	}
	snprintf(m->topology, sizeof(m->topology), "%s", topology);
	err = topology_load(m, kind == SPEC_HOST ? TOPOLOGY_HOST :
			       kind == SPEC_XML ? TOPOLOGY_XML :
			       TOPOLOGY_SYNTHETIC, topology, e);
	if (err) {
		if (kind == SPEC_PROFILE)
			err_prefix(e, err, "profile '%s': ",
				   spec ? spec : profile);
		free(m);
		goto out;
	}
	use_profile(m, costs);
	find_hops(m);
	*out = m;
out:
	profile_free(shape);
	profile_free(costs);
	return err;
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	for (u32 i = 0; i < NR_COSTS; i++)
		if (m->is_cost_owned[i])
			free((char *)m->cost_source[i]);
	free((char *)m->hz_source);
	topology_unload(m);
	free(m);
}

/* --- description --------------------------------------------------------- */

struct describe {
	int (*fn)(void *arg, const struct machine_row *row);
	void *arg;
	int stop;
};

static void row(struct describe *d, const char *key, const char *unit,
		const char *source, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void row(struct describe *d, const char *key, const char *unit,
		const char *source, const char *fmt, ...)
{
	struct machine_row r = { .source = source };
	va_list ap;

	if (d->stop)
		return;
	snprintf(r.key, sizeof(r.key), "%s", key);
	snprintf(r.unit, sizeof(r.unit), "%s", unit);
	va_start(ap, fmt);
	vsnprintf(r.value, sizeof(r.value), fmt, ap);
	va_end(ap);
	d->stop = d->fn(d->arg, &r);
}

static void describe_topology(struct describe *d, const struct machine *m)
{
	const char *assumed = m->is_distance_assumed ?
		"assumed: the topology has no distances" : "topology";
	char text[sizeof(((struct machine_row *)NULL)->value)];
	char key[sizeof(((struct machine_row *)NULL)->key)];

	row(d, "topology", "", "", "%s", m->topology);
	row(d, "cpus", "", "topology", "%u", m->nr_cpus);
	row(d, "cores", "", "topology", "%u", m->nr_cores);
	row(d, "last_level_caches", "", "topology", "%u", m->nr_llcs);
	row(d, "packages", "", "topology", "%u", m->nr_packages);
	row(d, "nodes", "", "topology", "%u", m->nr_nodes);
	for (u32 i = 0; i < m->nr_nodes; i++) {
		snprintf(key, sizeof(key), "node%u.memory", i);
		row(d, key, "bytes", m->is_memory_assumed ?
		    "assumed: the topology names no memory" : "topology",
		    "%llu", (unsigned long long)m->node_bytes[i]);
	}
	for (u32 i = 0; i < m->nr_nodes; i++) {
		size_t len = 0;

		text[0] = '\0';
		for (u32 j = 0; j < m->nr_nodes && len < sizeof(text); j++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s%u", j ? " " : "",
						machine_distance(m, i, j));
		snprintf(key, sizeof(key), "node%u.distance", i);
		row(d, key, "SLIT", assumed, "%s", text);
	}
	if (*m->notes)
		row(d, "notes", "", "", "%s", m->notes);
}

static void describe_tlb(struct describe *d, const struct tlb_geometry *geo)
{
	static const char *const sizes[] = { "4k", "2m", "1g" };
	char text[16] = "", index[16] = "linear";
	char key[sizeof(((struct machine_row *)NULL)->key)];

	if (!geo->nr_ways)
		return;
	for (u32 i = 0; i < ARRAY_LEN(sizes); i++)
		if (geo->page_sizes & 1u << i)
			sprintf(text + strlen(text), "%s%s", *text ? "," : "",
				sizes[i]);
	if (geo->index == TLB_INDEX_XOR)
		snprintf(index, sizeof(index), "xor-%u", geo->index_bits);
	snprintf(key, sizeof(key), "tlb.%s", geo->name);
	row(d, key, "entries", geo->source,
	    "%u (%u sets x %u ways, %s, index %s, %s)",
	    tlb_geometry_entries(geo), geo->nr_sets, geo->nr_ways, text, index,
	    tlb_repl_name(geo->replacement));
}

int machine_describe(const struct machine *m,
		     int (*fn)(void *arg, const struct machine_row *row),
		     void *arg)
{
	struct describe d = { .fn = fn, .arg = arg };
	char number[UNITS_MAX_TEXT];

	row(&d, "name", "", "", "%s", m->name);
	row(&d, "summary", "", "", "%s", m->summary);
	row(&d, "hz", "Hz", m->hz_source, "%s",
	    units_format(UNIT_HZ, m->hz, number));
	describe_topology(&d, m);
	describe_tlb(&d, &m->l1d_4k);
	describe_tlb(&d, &m->l1d_2m);
	describe_tlb(&d, &m->stlb);
	row(&d, "assumed_costs", "", "", "%u of %u", m->nr_assumed_costs,
	    (u32)NR_COSTS);
	for (u32 i = 0; i < NR_COSTS; i++)
		row(&d, machine_cost_name((enum cost)i),
		    machine_cost_unit((enum cost)i), m->cost_source[i], "%s",
		    units_format_double(m->cost_given[i], number));
	return d.stop;
}

int machine_list(int (*fn)(void *arg, const char *name, const char *summary,
			   bool is_usable),
		 void *arg)
{
	char **names = profile_names();
	int stop = 0;

	if (!names)
		return -ENOMEM;
	for (u32 i = 0; names[i] && !stop; i++) {
		struct profile *p;
		struct err e = { "" };

		if (profile_load(&p, names[i], &e)) {
			stop = fn(arg, names[i], e.text, false);
			continue;
		}
		stop = fn(arg, names[i], p->summary, true);
		profile_free(p);
	}
	free(names);
	return stop;
}
