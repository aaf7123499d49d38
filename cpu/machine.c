/* machine.c - a topology and a profile put together, and both described.
 */
#include "cpu/machine.h"

#include <assert.h>
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

const char *machine_hop_name(enum hop hop)
{
	return hop_names[hop];
}

bool machine_is_assumed(const char *source)
{
	return !strncmp(source, "assumed", strlen("assumed"));
}

bool machine_cost_is_assumed(const struct machine *m, enum cost cost)
{
	return machine_is_assumed(m->cost_source[cost]);
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

/* --- features ------------------------------------------------------------ */

static bool *feature_flag(struct machine *m, enum machine_feature feature)
{
	switch (feature) {
	case FEATURE_PCID: return &m->has_pcid;
	case FEATURE_INVPCID: return &m->has_invpcid;
	case FEATURE_INVLPGB: return &m->has_invlpgb;
	case FEATURE_TCE: return &m->has_tce;
	case FEATURE_LA57: return &m->has_la57;
	case FEATURE_RAR: return &m->has_rar;
	case FEATURE_TLBI_RANGE: return &m->has_tlbi_range;
	case FEATURE_HAFDBS: return &m->has_hafdbs;
	case FEATURE_BBML1: return &m->has_bbml1;
	case FEATURE_BBML2: return &m->has_bbml2;
	case FEATURE_SVINVAL: return &m->has_svinval;
	case FEATURE_SVNAPOT: return &m->has_svnapot;
	case FEATURE_SVADU: return &m->has_svadu;
	case FEATURE_SVVPTC: return &m->has_svvptc;
	case FEATURE_SV57: return &m->has_sv57;
	case NR_MACHINE_FEATURES: break;
	}
	assert(!"a feature");
	return NULL;
}

bool machine_has(const struct machine *m, enum machine_feature feature,
		 struct err *e)
{
	const char *name = machine_feature_name(feature);
	const char *why = "its profile does not name it";

	if (*feature_flag((struct machine *)m, feature))
		return true;
	for (u32 i = 0; i < m->nr_values; i++)
		if (m->value[i].part == PART_MACHINE &&
		    !strcmp(m->value[i].key, name))
			why = m->value[i].source;
	err_set(e, -ENOTSUP, "machine '%s' has no %s (%s)", m->name, name, why);
	return false;
}

/* --- what is assumed ------------------------------------------------------- */

static bool is_used(const struct machine_value *v,
		    const struct machine_use *use)
{
	switch (v->part) {
	case PART_MACHINE:
		return !strcmp(v->key, "topology") || !strcmp(v->key, "hz");
	case PART_TLB:
		return v->index == TLB_MAX_ARRAYS ? use->tlb != 0
						  : use->tlb >> v->index & 1;
	case PART_PSC:
		return use->psc >> v->index & 1;
	case PART_WALKER:
		return use->walker;
	case PART_CACHE:
		return use->cache >> v->index & 1;
	case PART_MEMORY:
		return use->memory;
	case PART_COST:
		return use->cost[v->index];
	case NR_MACHINE_PARTS:
		break;
	}
	return false;
}

u32 machine_count_assumed(const struct machine *m,
			  const struct machine_use *use)
{
	u32 n = 0;

	for (u32 i = 0; i < m->nr_values; i++)
		n += machine_is_assumed(m->value[i].source) &&
			is_used(&m->value[i], use);
	return n;
}

u64 machine_dram(const struct machine *m, u32 cpu, u32 node)
{
	u64 local = m->cost[COST_DRAM_LOCAL], remote = m->cost[COST_DRAM_REMOTE];
	u32 own = m->cpu[cpu].node, far = 0, d_own, d;

	if (own == node)
		return local;
	for (u32 i = 0; i < m->nr_nodes * m->nr_nodes; i++)
		if (m->distance[i] > far)
			far = m->distance[i];
	d = machine_distance(m, own, node);
	d_own = machine_distance(m, own, own);
	/* A table that makes no sense says nothing about this pair. */
	if (far <= d_own || d <= d_own || remote < local)
		return remote;
	return local + ((remote - local) * (d - d_own) + (far - d_own) / 2) /
		(far - d_own);
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

static void use_costs(struct machine *m, const struct profile *p)
{
	for (u32 i = 0; i < NR_COSTS; i++) {
		double v = p->cost[i];

		m->cost_given[i] = v;
		if (!strcmp(machine_cost_unit((enum cost)i), "ns"))
			v = v * (double)m->hz / 1e9;
		m->cost[i] = (u64)(v + 0.5);
	}
}

/* What the optional features change. */
static void use_rules(struct machine *m)
{
	struct arch_rules *r = &m->rules;

	*r = arch_rules[m->arch];
	if (m->arch == ARCH_ARM) {
		r->hw_sets_a = r->hw_sets_d = m->has_hafdbs;
		r->may_resize = m->has_bbml2;
		r->has_nt = m->has_bbml1 || m->has_bbml2;
	} else if (m->arch == ARCH_RISCV) {
		r->hw_sets_a = r->hw_sets_d = m->has_svadu;
		r->caches_invalid = !m->has_svvptc;
	}
}

static void use_features(struct machine *m, const struct profile *p)
{
	m->arch = p->arch;
	for (u32 i = 0; i < NR_MACHINE_FEATURES; i++)
		*feature_flag(m, (enum machine_feature)i) = p->feature[i] != 0;
	m->invlpgb_max_pages = p->feature[FEATURE_INVLPGB];
	use_rules(m);
}

/* Takes over the values of @p. */
static void use_values(struct machine *m, struct profile *p)
{
	m->value = p->value;
	m->nr_values = p->nr_values;
	p->value = NULL;
	p->nr_values = 0;
	for (u32 i = 0; i < m->nr_values; i++) {
		const struct machine_value *v = &m->value[i];

		m->nr_assumed += machine_is_assumed(v->source);
		if (v->part == PART_COST)
			m->cost_source[v->index] = v->source;
		if (!strcmp(v->key, "hz"))
			m->hz_source = v->source;
	}
}

static void use_profile(struct machine *m, struct profile *p)
{
	memcpy(m->name, p->name, sizeof(m->name));
	memcpy(m->summary, p->summary, sizeof(m->summary));
	m->hz = p->hz;
	m->tlb = p->tlb;
	m->psc = p->psc;
	m->nested_entries = p->nested_entries;
	m->nr_walkers = p->nr_walkers;
	m->node_bandwidth = p->node_bandwidth;
	m->link_bandwidth = p->link_bandwidth;
	m->lines_in_flight = p->lines_in_flight;
	memcpy(m->cache, p->cache, sizeof(m->cache));
	use_features(m, p);
	use_costs(m, p);
	use_values(m, p);
}

/* The threads of this topology's cores share the arrays of that profile. */
static int check_threads(const struct machine *m, struct err *e)
{
	u32 nr_threads = 1;
	const char *wrong;
	int array;

	for (u32 i = 0; i < m->nr_cpus; i++)
		if (m->cpu[i].smt >= nr_threads)
			nr_threads = m->cpu[i].smt + 1;
	wrong = tlb_design_error(&m->tlb, nr_threads, &array);
	if (!wrong)
		return 0;
	return err_set(e, -EINVAL, "profile '%s' on '%s', %u threads a core: "
		       "%s%s%s", m->name, m->topology, nr_threads,
		       array < 0 ? "" : m->tlb.array[array].name,
		       array < 0 ? "" : ": ", wrong);
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
	m->page_shift = PAGE_SHIFT;
	use_profile(m, costs);
	find_hops(m);
	err = check_threads(m, e);
	if (err)
		machine_destroy(m);
	else
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
	for (u32 i = 0; i < m->nr_values; i++)
		free(m->value[i].source);
	free(m->value);
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

#define SIZE_LIST 40

/* ORDER arm_sizes: those after the first TLB_NR_SIZES */
static const char *size_list(u32 all, char to[SIZE_LIST])
{
	static const char *const sizes[] = {
		"4k", "2m", "1g", "16k", "64k", "32m", "512m"
	};

	to[0] = '\0';
	for (u32 i = 0; i < ARRAY_LEN(sizes); i++)
		if (all & 1u << i)
			sprintf(to + strlen(to), "%s%s", *to ? "," : "",
				sizes[i]);
	return to;
}

static void describe_tlb(struct describe *d, const struct tlb_geometry *geo)
{
	char text[SIZE_LIST], index[16] = "linear";
	char key[sizeof(((struct machine_row *)NULL)->key)];

	if (!geo->nr_ways)
		return;
	size_list(geo->page_sizes | (u32)geo->arm_sizes << TLB_NR_SIZES,
		  text);
	if (geo->index == TLB_INDEX_XOR)
		snprintf(index, sizeof(index), "xor-%u", geo->index_bits);
	snprintf(key, sizeof(key), "tlb.%s", geo->name);
	row(d, key, "entries", geo->source,
	    "%u (%u sets x %u ways, %s, index %s, %s)",
	    tlb_geometry_entries(geo), geo->nr_sets, geo->nr_ways, text, index,
	    tlb_repl_name(geo->replacement));
}

static void describe_values(struct describe *d, const struct machine *m)
{
	const struct machine_value *before = NULL;

	for (u32 i = 0; i < m->nr_values; before = &m->value[i++]) {
		const struct machine_value *v = &m->value[i];

		/* The topology as built has rows already. */
		if (!strcmp(v->key, "topology"))
			continue;
		if (v->part == PART_TLB && v->index < TLB_MAX_ARRAYS &&
		    (!before || before->part != PART_TLB ||
		     before->index != v->index))
			describe_tlb(d, &m->tlb.array[v->index]);
		row(d, v->key, v->unit, v->source, "%s", v->text);
	}
}

int machine_describe(const struct machine *m,
		     int (*fn)(void *arg, const struct machine_row *row),
		     void *arg)
{
	struct describe d = { .fn = fn, .arg = arg };

	row(&d, "name", "", "", "%s", m->name);
	row(&d, "summary", "", "", "%s", m->summary);
	row(&d, "assumed", "", "", "%u of %u", m->nr_assumed, m->nr_values);
	describe_topology(&d, m);
	describe_values(&d, m);
	return d.stop;
}

/* "64 4k + 32 2m": what @level has for loads, array by array. */
static void brief_arrays(const struct tlb_design *d, u32 level, char *to,
			 size_t size)
{
	size_t len = 0;

	to[0] = '\0';
	for (u32 i = 0; i < d->nr_arrays; i++) {
		const struct tlb_geometry *geo = &d->array[i];
		char sizes[SIZE_LIST];

		if (geo->level != level || !(geo->serves & TLB_SERVES_LOAD) ||
		    len >= size)
			continue;
		len += (size_t)snprintf(to + len, size - len, "%s%u %s",
					len ? " + " : "",
					tlb_geometry_entries(geo),
					size_list(geo->page_sizes, sizes));
	}
}

int machine_list(int (*fn)(void *arg, const struct machine_brief *b),
		 void *arg)
{
	char **names = profile_names();
	int stop = 0;

	if (!names)
		return -ENOMEM;
	for (u32 i = 0; names[i] && !stop; i++) {
		struct machine_brief b = { .name = names[i], .arch = "" };
		struct profile *p = NULL;
		struct err e = { "" };

		b.is_usable = !profile_load(&p, names[i], &e);
		b.summary = b.is_usable ? p->summary : e.text;
		if (b.is_usable) {
			b.arch = arch_rules[p->arch].name;
			brief_arrays(&p->tlb, 1, b.l1d, sizeof(b.l1d));
			brief_arrays(&p->tlb, 2, b.l2, sizeof(b.l2));
			b.nr_values = p->nr_values;
		}
		for (u32 k = 0; k < b.nr_values; k++)
			b.nr_assumed += machine_is_assumed(p->value[k].source);
		stop = fn(arg, &b);
		profile_free(p);
	}
	free(names);
	return stop;
}
