/* "cpus=0-7,mems=0" and what can be wrong with it; see cpuset_opt.h. */
#include "emu/cpuset_opt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"

#define MAX_FIELD 1024

static const char *const keys[] = {
	"cpus", "mems", "memory_migrate", "threads", "at", NULL
};

struct parse {
	const struct machine *m;
	u32 nr_cpus, nr_group;          /* counted from 1                     */
	struct cpuset_config *c;
	struct cpuset_group *g;
	bool has_threads, has_migrate;
	struct err *e;
};

/* A field ends where the next begins, or the group: at ",key=" or ':'. */
static size_t field_length(const char *s)
{
	size_t n = 0;

	for (; s[n] && s[n] != ':'; n++)
		if (s[n] == ',' && s[n + 1] >= 'a' && s[n + 1] <= 'z' &&
		    strncmp(s + n + 1, "all", 3))
			break;
	return n;
}

bool cpuset_binds_cpus(const char *text)
{
	for (const char *s = text; s && *s; s += *s != '\0') {
		if (!strncmp(s, "cpus=", 5))
			return true;
		s += field_length(s);
	}
	return false;
}

static struct cpuset_change *last_change(struct parse *p)
{
	return &p->g->change[p->g->nr - 1];
}

/* ---- lists ---------------------------------------------------------------------- */

static void take_cpu(void *arg, u32 n)
{
	cpuset_add(arg, n);
}

static void take_bit(void *arg, u32 n)
{
	((u64 *)arg)[n / 64] |= 1ull << n % 64;
}

static int take_cpus(struct parse *p, const char *text)
{
	struct cpuset_change *c = last_change(p);

	c->has_cpus = true;
	return numactl_list("cpuset: cpus", text, "CPUs", p->nr_cpus, take_cpu,
			    &c->cpus, p->e);
}

/* Linux: a cpuset's nodes are of those with memory (N_MEMORY). */
static int take_mems(struct parse *p, const char *text)
{
	struct cpuset_change *c = last_change(p);
	int rc;

	c->has_mems = true;
	if (p->m->nr_nodes > MPOL_MAX_NODES)
		return err_set(p->e, -EINVAL, "--cpuset: mems: this machine has "
			       "%u nodes; cpusets are modelled for %u",
			       p->m->nr_nodes, MPOL_MAX_NODES);
	rc = numactl_list("cpuset: mems", text, "nodes", p->m->nr_nodes,
			  take_bit, &c->mems, p->e);
	for (u32 n = 0; n < p->m->nr_nodes && !rc; n++)
		if (c->mems >> n & 1 && !p->m->node_bytes[n]) {
			if (strcmp(text, "all"))
				return err_set(p->e, -EINVAL, "--cpuset: mems=%s: "
					"node %u has no memory (Linux: Invalid "
					"argument)", text, n);
			c->mems &= ~(1ull << n);
		}
	return rc;
}

static int take_threads(struct parse *p, const char *text)
{
	p->g->is_for_all = false;
	p->has_threads = true;
	return numactl_list("cpuset: threads", text, "threads",
			    CPUSET_MAX_THREADS, take_bit, p->g->thread, p->e);
}

/* ---- fields --------------------------------------------------------------------- */

static int take_migrate(struct parse *p, const char *text)
{
	if (strcmp(text, "0") && strcmp(text, "1"))
		return err_set(p->e, -EINVAL, "--cpuset: memory_migrate=%s: 0 or "
			       "1 is expected", text);
	if (p->has_migrate)
		return err_set(p->e, -EINVAL, "--cpuset: memory_migrate is "
			       "given twice in group %u", p->nr_group);
	p->has_migrate = true;
	p->g->migrates = *text == '1';
	return 0;
}

static bool is_change(const struct cpuset_change *c)
{
	return c->has_cpus || c->has_mems;
}

static int take_at(struct parse *p, const char *text)
{
	struct cpuset_change *last = last_change(p);
	u64 ns = 0;

	if (units_parse(UNIT_NS, text, &ns, p->e) || !ns)
		return err_set(p->e, -EINVAL, "--cpuset: at=%s: a time such as "
			       "500ms is expected", text);
	if (ns <= last->at_ns)
		return err_set(p->e, -EINVAL, "--cpuset: at=%s: not after the "
			       "change before it", text);
	if (p->g->nr > 1 && !is_change(last))
		return err_set(p->e, -EINVAL, "--cpuset: nothing changes between "
			       "two times (at=%s is the second)", text);
	if (p->g->nr == CPUSET_MAX_CHANGES)
		return err_set(p->e, -EINVAL, "--cpuset: more than %u changes in "
			       "a group", CPUSET_MAX_CHANGES - 1);
	p->g->change[p->g->nr++].at_ns = ns;
	return 0;
}

static int take_field(struct parse *p, const char *text)
{
	const char *value = strchr(text, '=');
	size_t n = value ? (size_t)(value - text) : strlen(text);
	char key[32], hint[128];

	snprintf(key, sizeof(key), "%.*s", n < 31 ? (int)n : 31, text);
	if (value && !value[1])
		return err_set(p->e, -EINVAL, "--cpuset: %s= is empty (Linux: No "
			       "space left on device)", key);
	if (value && (!strcmp(key, "cpus") || !strcmp(key, "mems")) &&
	    (*key == 'c' ? last_change(p)->has_cpus : last_change(p)->has_mems))
		return err_set(p->e, -EINVAL, "--cpuset: %s is given twice; "
			       "further groups begin with ':', changes with "
			       "at=TIME", key);
	if (value && !strcmp(key, "cpus"))
		return take_cpus(p, value + 1);
	if (value && !strcmp(key, "mems"))
		return take_mems(p, value + 1);
	if (value && !strcmp(key, "threads"))
		return take_threads(p, value + 1);
	if (value && !strcmp(key, "memory_migrate"))
		return take_migrate(p, value + 1);
	if (value && !strcmp(key, "at"))
		return take_at(p, value + 1);
	suggest_text(key, keys, hint, sizeof(hint));
	return err_set(p->e, -EINVAL, "--cpuset: '%s': cpus=, mems=, "
		       "memory_migrate=, threads= or at= is expected%s", text,
		       hint);
}

/* ---- groups --------------------------------------------------------------------- */

static int begin_group(struct parse *p)
{
	if (p->c->nr == CPUSET_MAX_GROUPS)
		return err_set(p->e, -EINVAL, "--cpuset: more than %u groups",
			       CPUSET_MAX_GROUPS);
	p->nr_group = p->c->nr + 1;
	p->g = &p->c->group[p->c->nr++];
	p->g->is_for_all = true;
	p->g->nr = 1;
	p->has_threads = p->has_migrate = false;
	return 0;
}

static bool overlap(const struct cpuset_group *a, const struct cpuset_group *b)
{
	for (u32 i = 0; i < ARRAY_LEN(a->thread); i++)
		if (a->thread[i] & b->thread[i])
			return true;
	return a->is_for_all || b->is_for_all;
}

static int end_group(struct parse *p)
{
	if (!is_change(last_change(p)))
		return err_set(p->e, -EINVAL, "--cpuset: group %u says neither "
			       "cpus= nor mems=%s", p->nr_group,
			       p->g->nr > 1 ? " after its last at=" : "");
	for (u32 i = 0; i + 1 < p->c->nr; i++)
		if (overlap(p->g, &p->c->group[i]))
			return err_set(p->e, -EINVAL, "--cpuset: groups %u and "
				       "%u have threads in common; a thread is "
				       "in one cpuset", i + 1, p->nr_group);
	return 0;
}

int cpuset_parse(const char *text, const struct machine *m, u32 nr_cpus,
		 struct cpuset_config *out, struct err *e)
{
	struct parse p = { .m = m, .nr_cpus = nr_cpus, .c = out, .e = e };
	const char *s = text;
	char field[MAX_FIELD];
	int rc;

	memset(out, 0, sizeof(*out));
	rc = text ? begin_group(&p) : 0;
	while (s && !rc) {
		size_t n = field_length(s);

		if (n >= MAX_FIELD)
			return err_set(e, -EINVAL, "--cpuset: longer than %d",
				       MAX_FIELD - 1);
		memcpy(field, s, n);
		field[n] = '\0';
		rc = take_field(&p, field);
		s += n;
		if (!rc && *s != ',')
			rc = end_group(&p);
		if (!rc && *s == ':')
			rc = begin_group(&p);
		s = *s ? s + 1 : NULL;
	}
	return rc;
}

/* ---- with what else is said ------------------------------------------------------ */

static bool share_cpus(const struct cpuset *a, const struct cpuset *b)
{
	for (u32 i = 0; i < CPUSET_WORDS; i++)
		if (a->word[i] & b->word[i])
			return true;
	return false;
}

int cpuset_compose(const struct cpuset_config *c, const struct cpuset *asked,
		   const struct mempolicy *mpol, struct err *e)
{
	for (u32 i = 0; i < c->nr; i++) {
		const struct cpuset_change *to = &c->group[i].change[0];

		if (to->has_cpus && asked && !share_cpus(&to->cpus, asked))
			return err_set(e, -EINVAL, "--cpuset: cpus of group %u "
				       "leave nothing of --physcpubind, "
				       "--cpunodebind (Linux: sched_setaffinity: "
				       "Invalid argument)", i + 1);
		if (to->has_mems && mpol->nodes && !(mpol->nodes & to->mems))
			return err_set(e, -EINVAL, "--cpuset: mems of group %u "
				       "leave nothing of --membind, --interleave "
				       "or --preferred (Linux: set_mempolicy: "
				       "Invalid argument)", i + 1);
	}
	return 0;
}

int cpuset_check_threads(const struct cpuset_config *c, u32 nr_threads,
			 struct err *e)
{
	for (u32 i = 0; i < c->nr; i++) {
		const struct cpuset_group *g = &c->group[i];

		for (u32 t = 0; t < CPUSET_MAX_THREADS && !g->is_for_all; t++)
			if (t >= nr_threads && g->thread[t / 64] >> t % 64 & 1)
				return err_set(e, -EINVAL, "--cpuset: group %u: "
					       "no thread %u in this run, which "
					       "has %u, from 0", i + 1, t,
					       nr_threads);
	}
	return 0;
}
