/* topology.c - hwloc's tree, flattened into per-CPU ids and a distance matrix.
 */
#include "cpu/topology.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* SLIT values when the topology has none. */
#define DISTANCE_LOCAL 10u
#define DISTANCE_PACKAGE 20u    /* other node, same package                   */
#define DISTANCE_REMOTE 21u

static void note(struct machine *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void note(struct machine *m, const char *fmt, ...)
{
	size_t len = strlen(m->notes);
	va_list ap;

	if (len && len + 2 < sizeof(m->notes)) {
		m->notes[len++] = ' ';
		m->notes[len] = '\0';
	}
	va_start(ap, fmt);
	vsnprintf(m->notes + len, sizeof(m->notes) - len, fmt, ap);
	va_end(ap);
}

/* --- synthetic strings ------------------------------------------------- */

/* One level of a synthetic string: "core:8(attributes)" or "[numa(...)]". */
struct level {
	const char *start;
	size_t len;
	bool is_attached;       /* in brackets: memory beside the tree        */
	bool has_type;
	hwloc_obj_type_t type;
	unsigned long count;    /* 0: none given                              */
};

/* As hwloc reads a number: what does not belong to it, as after "042" in "0429", is
 * the next level. */
static void read_count(struct level *lv, const char *digits, const char **s)
{
	char *end;

	lv->count = strtoul(digits, &end, 0);
	if (end > digits && !strchr("([] \t\n", *end)) {
		lv->len = (size_t)(end - lv->start);
		*s = end;
	}
}

/* Steps over one level at *@s. False at the end of the string. */
static bool next_level(const char **s, struct level *lv)
{
	const char *p = *s, *colon;
	int depth = 0;
	char word[32];
	size_t n;

	/* Blanks, and the attributes of the machine in front of all levels. */
	while (isspace((unsigned char)*p))
		p++;
	if (*p == '(') {
		while (*p && *p != ')')
			p++;
		while (*p == ')' || isspace((unsigned char)*p))
			p++;
	}
	if (!*p)
		return false;
	*lv = (struct level){ .start = p };
	for (; *p && (depth || !isspace((unsigned char)*p)); p++) {
		depth += *p == '(' || *p == '[';
		depth -= *p == ')' || *p == ']';
		if (depth == 0 && *p == ']') {
			p++;
			break;
		}
	}
	lv->len = (size_t)(p - lv->start);
	*s = p;

	lv->is_attached = *lv->start == '[';
	n = strcspn(lv->start + lv->is_attached, ":([] \t");
	if (n >= sizeof(word))
		return true;
	memcpy(word, lv->start + lv->is_attached, n);
	word[n] = '\0';
	if (isdigit((unsigned char)word[0])) {
		read_count(lv, lv->start + lv->is_attached, s);
		return true;
	}
	lv->has_type = hwloc_type_sscanf(word, &lv->type, NULL, 0) == 0;
	colon = lv->start + lv->is_attached + n;
	if (*colon == ':')
		read_count(lv, colon + 1, s);
	return true;
}

static bool names_numa(const char *spec)
{
	struct level lv;

	while (next_level(&spec, &lv))
		if (lv.has_type && lv.type == HWLOC_OBJ_NUMANODE)
			return true;
	return false;
}

/* hwloc builds the whole tree before it can be asked for its size, so count
 * first. Saturates: only "too many" matters. */
static unsigned long count_pus(const char *spec)
{
	unsigned long nr = 1;
	struct level lv;

	while (next_level(&spec, &lv)) {
		if (lv.is_attached || !lv.count)
			continue;
		if (lv.count > 1000000 || nr > 1000000)
			return 1000001;
		nr *= lv.count;
	}
	return nr;
}

static bool is_accepted(const char *synthetic)
{
	hwloc_topology_t t;
	bool ok;

	if (hwloc_topology_init(&t))
		return false;
	ok = hwloc_topology_set_synthetic(t, synthetic) == 0;
	hwloc_topology_destroy(t);
	return ok;
}

/* hwloc says only EINVAL, so find the first level that makes it do so. */
static int reject_synthetic(const char *spec, struct err *e)
{
	const char *p = spec;
	struct level lv;
	char *prefix;

	prefix = malloc(strlen(spec) + sizeof(" pu:1"));
	if (!prefix)
		return err_set(e, -ENOMEM, "out of memory");
	while (next_level(&p, &lv)) {
		size_t len = (size_t)(p - spec);

		memcpy(prefix, spec, len);
		strcpy(prefix + len, " pu:1");
		if (lv.has_type && lv.type == HWLOC_OBJ_PU)
			prefix[len] = '\0';
		if (is_accepted(prefix))
			continue;
		free(prefix);
		return err_set(e, -EINVAL,
			       "topology '%.100s': hwloc rejects '%.*s'; "
			       "expected TYPE:COUNT levels such as '%s'", spec,
			       lv.len < 60 ? (int)lv.len : 60, lv.start,
			       TOPOLOGY_EXAMPLE);
	}
	free(prefix);
	return err_set(e, -EINVAL,
		       "topology '%.100s': hwloc rejects its end; the last level "
		       "must be 'pu:N', as in '%s'", spec, TOPOLOGY_EXAMPLE);
}

static int too_many_cpus(const char *spec, unsigned long nr, struct err *e)
{
	if (nr > 1000000)
		return err_set(e, -E2BIG, "topology '%.200s' has more than a "
			       "million CPUs; at most %u can be modelled", spec,
			       MACHINE_MAX_CPUS);
	return err_set(e, -E2BIG, "topology '%.200s' has %lu CPUs; at most %u "
		       "can be modelled", spec, nr, MACHINE_MAX_CPUS);
}

/* --- XML files ----------------------------------------------------------- */

#define XML_HOW "write one with 'lstopo --of xml FILE'"
#define XML_INDEX_MAX (1u << 20)
#define XML_MAX_BYTES (64u << 20)
#define XML_SECONDS 10          /* a large machine's file takes milliseconds  */

/* Is it whole, and of the right kind? */
static int look_at_xml(const char *path, struct err *e)
{
	char buf[4096 + 16] = "";
	bool has_start = false, has_end = false;
	size_t keep = 0, total = 0, n;
	FILE *f = fopen(path, "r");

	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	/* The last bytes of a block are seen again with the next one, so that
	 * a tag across the boundary is found. */
	while (total <= XML_MAX_BYTES &&
	       (n = fread(buf + keep, 1, sizeof(buf) - keep - 1, f)) > 0) {
		size_t len = keep + n;

		total += n;
		for (size_t i = 0; i < len; i++)
			if (!buf[i])
				buf[i] = ' ';
		buf[len] = '\0';
		has_start = has_start || strstr(buf, "<topology");
		has_end = has_end || strstr(buf, "</topology>");
		keep = len < 15 ? len : 15;
		memmove(buf, buf + len - keep, keep);
	}
	if (ferror(f)) {
		int errnum = errno ? errno : EIO;

		fclose(f);
		return err_set(e, -errnum, "%s: %s", path, strerror(errnum));
	}
	fclose(f);
	if (total > XML_MAX_BYTES)
		return err_set(e, -EINVAL, "%s: larger than 64 MiB: not an hwloc "
			       "topology; " XML_HOW, path);
	if (!has_start)
		return err_set(e, -EINVAL, "%s: no <topology> element in its %zu "
			       "bytes: not an hwloc topology; " XML_HOW, path,
			       total);
	if (!has_end)
		return err_set(e, -EINVAL, "%s: the file ends at byte %zu before "
			       "</topology>: truncated; " XML_HOW, path, total);
	return 0;
}

static int reject_xml(const char *path, const char *does, struct err *e)
{
	return err_set(e, -EINVAL, "%s: hwloc %s %s this topology; " XML_HOW,
		       path, HWLOC_VERSION, does);
}

/* An index that a file leaves out is ~0, and hwloc's sets grow that far. */
static bool has_indexes(hwloc_topology_t t, hwloc_obj_type_t type)
{
	hwloc_obj_t o = NULL;

	while ((o = hwloc_get_next_obj_by_type(t, type, o)))
		if (o->os_index > XML_INDEX_MAX)
			return false;
	return true;
}

static bool can_load_xml(const char *path)
{
	hwloc_topology_t t;

	return !hwloc_topology_init(&t) && !hwloc_topology_set_xml(t, path) &&
	       !hwloc_topology_load(t) && has_indexes(t, HWLOC_OBJ_PU) &&
	       has_indexes(t, HWLOC_OBJ_NUMANODE);
}

/* libhwloc 2.9 dereferences NULL on some damaged files, so one that it does not
 * know yet is read by a child first. What it prints on the way is dropped. */
static int try_xml(const char *path, struct err *e)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGALRM };
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_set(e, -errno, "%s: cannot fork: %s", path,
			       strerror(errno));
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
			signal(fatal[i], SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		alarm(XML_SECONDS);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		_exit(can_load_xml(path) ? 0 : 1);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, -errno, "%s: %s", path,
				       strerror(errno));
	if (WIFSIGNALED(status))
		return reject_xml(path, WTERMSIG(status) == SIGALRM ?
				  "takes too long to read" : "crashes on", e);
	return status ? reject_xml(path, "does not accept", e) : 0;
}

/* --- flattening ---------------------------------------------------------- */

/* Dense numbers for the objects that CPUs share, in the order met. */
struct numbering {
	hwloc_obj_t *obj;
	u32 nr;
};

static u32 number_of(struct numbering *n, hwloc_obj_t obj)
{
	for (u32 i = n->nr; i-- > 0;)
		if (n->obj[i] == obj)
			return i;
	n->obj[n->nr] = obj;
	return n->nr++;
}

/* The outermost cache above @pu, L1 not counted; NULL when none is named. */
static hwloc_obj_t last_level_cache(hwloc_obj_t pu)
{
	hwloc_obj_t llc = NULL;

	for (hwloc_obj_t o = pu->parent; o; o = o->parent)
		if (hwloc_obj_type_is_dcache(o->type) &&
		    o->type != HWLOC_OBJ_L1CACHE)
			llc = o;
	return llc;
}

static int fill_cpus(struct machine *m, hwloc_topology_t t)
{
	struct numbering core = { 0 }, llc = { 0 }, package = { 0 };
	bool is_llc_assumed = false;
	int err = -ENOMEM;

	m->cpu = calloc(m->nr_cpus, sizeof(*m->cpu));
	core.obj = calloc(m->nr_cpus, sizeof(*core.obj));
	llc.obj = calloc(m->nr_cpus, sizeof(*llc.obj));
	package.obj = calloc(m->nr_cpus, sizeof(*package.obj));
	if (!m->cpu || !core.obj || !llc.obj || !package.obj)
		goto out;

	for (u32 i = 0; i < m->nr_cpus; i++) {
		hwloc_obj_t pu = hwloc_get_obj_by_type(t, HWLOC_OBJ_PU, i);
		hwloc_obj_t o, node, pack;
		struct machine_cpu *c = &m->cpu[i];

		c->os_index = pu->os_index;
		pack = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_PACKAGE, pu);
		if (!pack)
			pack = hwloc_get_root_obj(t);
		c->package = number_of(&package, pack);

		o = last_level_cache(pu);
		c->llc = number_of(&llc, o ? o : pack);
		is_llc_assumed = is_llc_assumed || !o;

		o = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_CORE, pu);
		c->core = number_of(&core, o ? o : pu);
		for (u32 j = i; j-- > 0 && m->cpu[j].core == c->core;)
			c->smt++;

		/* The nearest node; where several are local (HBM beside DRAM)
		 * the first is the one a CPU allocates from by default. */
		node = hwloc_get_numanode_obj_by_os_index(
			t, (unsigned int)hwloc_bitmap_first(pu->nodeset));
		c->node = node ? node->logical_index : 0;
	}
	m->nr_cores = core.nr;
	m->nr_llcs = llc.nr;
	m->nr_packages = package.nr;
	if (is_llc_assumed)
		note(m, "The topology names no cache beyond L1: one last-level "
		     "cache per package is assumed.");
	err = 0;
out:
	free(core.obj);
	free(llc.obj);
	free(package.obj);
	return err;
}

static u32 package_of_node(const struct machine *m, u32 node)
{
	for (u32 i = 0; i < m->nr_cpus; i++)
		if (m->cpu[i].node == node)
			return m->cpu[i].package;
	return UINT32_MAX;
}

static void assume_distances(struct machine *m)
{
	m->is_distance_assumed = m->nr_nodes > 1;
	for (u32 a = 0; a < m->nr_nodes; a++) {
		u32 pack = package_of_node(m, a);

		for (u32 b = 0; b < m->nr_nodes; b++) {
			u32 *d = &m->distance[a * m->nr_nodes + b];

			if (a == b)
				*d = DISTANCE_LOCAL;
			else if (pack == package_of_node(m, b))
				*d = DISTANCE_PACKAGE;
			else
				*d = DISTANCE_REMOTE;
		}
	}
	if (m->is_distance_assumed)
		note(m, "Node distances are assumed: %u local, %u in the same "
		     "package, %u beyond.", DISTANCE_LOCAL, DISTANCE_PACKAGE,
		     DISTANCE_REMOTE);
}

/* hwloc's latency matrix, if it has one that covers all nodes. */
static bool read_distances(struct machine *m, hwloc_topology_t t)
{
	struct hwloc_distances_s *d = NULL;
	unsigned int nr = 1;
	bool ok;

	if (hwloc_distances_get_by_type(t, HWLOC_OBJ_NUMANODE, &nr, &d,
					HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0))
		return false;
	if (!nr)
		return false;
	ok = d->nbobjs == m->nr_nodes;
	for (u32 i = 0; ok && i < d->nbobjs; i++) {
		ok = d->objs[i] != NULL;
		for (u32 j = 0; ok && j < d->nbobjs; j++) {
			u64 v = d->values[i * d->nbobjs + j];

			ok = d->objs[j] && v > 0 && v <= UINT32_MAX;
			if (ok)
				m->distance[d->objs[i]->logical_index *
					    m->nr_nodes +
					    d->objs[j]->logical_index] = (u32)v;
		}
	}
	hwloc_distances_release(t, d);
	return ok;
}

static int fill_nodes(struct machine *m, hwloc_topology_t t,
		      bool is_node_per_package, bool is_memory_given)
{
	u64 bytes = 0;

	m->nr_nodes = (u32)hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE);
	if (is_node_per_package && m->nr_packages > 1) {
		m->nr_nodes = m->nr_packages;
		for (u32 i = 0; i < m->nr_cpus; i++)
			m->cpu[i].node = m->cpu[i].package;
		note(m, "The topology names no NUMA node: one per package is "
		     "assumed.");
	} else {
		is_node_per_package = false;
	}
	m->node_bytes = calloc(m->nr_nodes, sizeof(*m->node_bytes));
	m->distance = calloc((size_t)m->nr_nodes * m->nr_nodes,
			     sizeof(*m->distance));
	m->node_os_index = calloc(m->nr_nodes, sizeof(*m->node_os_index));
	if (!m->node_bytes || !m->distance || !m->node_os_index)
		return -ENOMEM;
	for (u32 i = 0; i < m->nr_nodes; i++)
		m->node_os_index[i] = is_node_per_package ? i :
			hwloc_get_obj_by_type(t, HWLOC_OBJ_NUMANODE,
					      i)->os_index;

	for (u32 i = 0; is_memory_given && !is_node_per_package &&
	     i < m->nr_nodes; i++) {
		hwloc_obj_t o = hwloc_get_obj_by_type(t, HWLOC_OBJ_NUMANODE, i);

		m->node_bytes[i] = o->attr->numanode.local_memory;
		bytes += m->node_bytes[i];
	}
	if (!bytes) {
		m->is_memory_assumed = true;
		for (u32 i = 0; i < m->nr_nodes; i++)
			m->node_bytes[i] = TOPOLOGY_NODE_BYTES;
		note(m, "The topology names no memory: %llu GiB per node are "
		     "assumed.", TOPOLOGY_NODE_BYTES >> 30);
	}
	if (is_node_per_package || !read_distances(m, t))
		assume_distances(m);
	return 0;
}

static int read_tree(struct machine *m, hwloc_topology_t t,
		     enum topology_kind kind, const char *spec, struct err *e)
{
	bool synthetic = kind == TOPOLOGY_SYNTHETIC;
	int nr = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_PU);
	int err;

	if (nr < 1)
		return err_set(e, -EINVAL, "topology '%.200s' has no CPU", spec);
	if ((u32)nr > MACHINE_MAX_CPUS)
		return too_many_cpus(spec, (unsigned long)nr, e);
	if (hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE) < 1)
		return err_set(e, -EINVAL, "topology '%.200s' has no NUMA node",
			       spec);
	m->nr_cpus = (u32)nr;
	err = fill_cpus(m, t);
	if (!err)
		err = fill_nodes(m, t, synthetic && !names_numa(spec),
				 !synthetic || strstr(spec, "memory="));
	if (err)
		return err_set(e, err, "topology '%.200s': out of memory", spec);
	return 0;
}

int topology_load(struct machine *m, enum topology_kind kind, const char *spec,
		  struct err *e)
{
	hwloc_topology_t t;
	int err = 0;

	if (kind == TOPOLOGY_HOST)
		spec = "host";
	if (hwloc_topology_init(&t))
		return err_set(e, -ENOMEM, "hwloc: out of memory");

	if (kind == TOPOLOGY_SYNTHETIC) {
		unsigned long nr = count_pus(spec);

		if (hwloc_topology_set_synthetic(t, spec))
			err = reject_synthetic(spec, e);
		else if (nr > MACHINE_MAX_CPUS)
			err = too_many_cpus(spec, nr, e);
	} else if (kind == TOPOLOGY_XML) {
		err = look_at_xml(spec, e);
		if (!err)
			err = try_xml(spec, e);
		if (!err && hwloc_topology_set_xml(t, spec))
			err = reject_xml(spec, "does not accept", e);
	}
	if (!err && hwloc_topology_load(t)) {
		if (kind == TOPOLOGY_XML)
			err = reject_xml(spec, "does not accept", e);
		else if (kind == TOPOLOGY_SYNTHETIC)
			err = reject_synthetic(spec, e);
		else
			err = err_set(e, -EIO, "hwloc cannot read this host: %s",
				      strerror(errno));
	}
	if (!err)
		err = read_tree(m, t, kind, spec, e);
	hwloc_topology_destroy(t);
	if (err)
		topology_unload(m);
	return err;
}

void topology_unload(struct machine *m)
{
	free(m->cpu);
	free(m->distance);
	free(m->node_bytes);
	free(m->node_os_index);
	m->cpu = NULL;
	m->distance = NULL;
	m->node_bytes = NULL;
	m->node_os_index = NULL;
}

/* --- this host, in words --------------------------------------------------- */

static void find_caches(hwloc_topology_t t, struct cache_geometry *cache)
{
	hwloc_obj_t pu = hwloc_get_obj_by_type(t, HWLOC_OBJ_PU, 0);
	hwloc_obj_t llc = last_level_cache(pu);

	memset(cache, 0, NR_CACHE_LEVELS * sizeof(*cache));
	for (hwloc_obj_t o = pu; o; o = o->parent) {
		enum cache_level level = o->type == HWLOC_OBJ_L1CACHE ? CACHE_L1D
			: o == llc && o->type != HWLOC_OBJ_L2CACHE ? CACHE_LLC
			: CACHE_L2;

		if (!hwloc_obj_type_is_dcache(o->type) ||
		    (level == CACHE_L2 && o->type != HWLOC_OBJ_L2CACHE))
			continue;
		cache[level].bytes = o->attr->cache.size;
		/* hwloc: -1 is full, 0 unknown. */
		cache[level].nr_ways = o->attr->cache.associativity > 0
			? (u32)o->attr->cache.associativity : 0;
	}
}

int topology_describe_host(char *synthetic, size_t size,
			   struct cache_geometry cache[NR_CACHE_LEVELS],
			   struct err *e)
{
	hwloc_topology_t t;
	int err = 0;

	if (hwloc_topology_init(&t))
		return err_set(e, -ENOMEM, "hwloc: out of memory");
	if (hwloc_topology_load(t)) {
		err = err_set(e, -EIO, "hwloc cannot read this host: %s",
			      strerror(errno));
	} else if (hwloc_topology_export_synthetic(t, synthetic, size,
			HWLOC_TOPOLOGY_EXPORT_SYNTHETIC_FLAG_NO_ATTRS) < 0) {
		err = err_set(e, -E2BIG, "this host is too irregular for a "
			      "synthetic string");
	} else {
		find_caches(t, cache);
	}
	hwloc_topology_destroy(t);
	return err;
}
