/* "0-3,8" and what follows from it; see numactl.h. */
#include "emu/numactl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One number below @end at *@s; false: none. */
static bool number(const char **s, u32 end, u32 *out)
{
	u64 n = 0;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9' && n < end; p++)
		n = n * 10 + (u64)(*p - '0');
	*s = p;
	*out = (u32)n;
	return n < end;
}

static int bad_list(const char *option, const char *text, const char *what,
		    u32 end, struct err *e)
{
	return err_set(e, -EINVAL, "--%s: '%s' is no list of %s such as '0' or "
		       "'0-2,5', or 'all'; this machine has %u, from 0 to %u",
		       option, text, what, end, end - 1);
}

int numactl_list(const char *option, const char *text, const char *what, u32 end,
		 void (*take)(void *arg, u32 n), void *arg, struct err *e)
{
	const char *s = text;
	u32 from, to;

	if (!strcmp(text, "all")) {
		for (u32 n = 0; n < end; n++)
			take(arg, n);
		return 0;
	}
	do {
		if (!number(&s, end, &from))
			return bad_list(option, text, what, end, e);
		to = from;
		if (*s == '-') {
			s++;
			if (!number(&s, end, &to) || to < from)
				return bad_list(option, text, what, end, e);
		}
		for (u32 n = from; n <= to; n++)
			take(arg, n);
	} while (*s++ == ',');
	return s[-1] ? bad_list(option, text, what, end, e) : 0;
}

static void take_cpu(void *arg, u32 n)
{
	cpuset_add(arg, n);
}

static void take_node(void *arg, u32 n)
{
	*(u64 *)arg |= 1ull << n;
}

static int nodes(const char *option, const char *text, const struct machine *m,
		 u64 *out, struct err *e)
{
	*out = 0;
	if (m->nr_nodes > MPOL_MAX_NODES)
		return err_set(e, -EINVAL, "--%s: this machine has %u nodes; "
			       "policies are modelled for %u", option,
			       m->nr_nodes, MPOL_MAX_NODES);
	return numactl_list(option, text, "nodes", m->nr_nodes, take_node, out,
			    e);
}

int numactl_cpus(const struct numactl_cfg *cfg, const struct machine *m,
		 u32 nr_cpus, struct cpuset *out, bool *is_bound, struct err *e)
{
	struct cpuset cpus = { { 0 } };
	u64 on = ~0ull;
	int rc = 0;
	u32 n = 0;

	*is_bound = cfg->physcpubind || cfg->cpunodebind;
	memset(out, 0, sizeof(*out));
	if (cfg->physcpubind)
		rc = numactl_list("physcpubind", cfg->physcpubind, "CPUs",
				  nr_cpus, take_cpu, &cpus, e);
	if (!rc && cfg->cpunodebind)
		rc = nodes("cpunodebind", cfg->cpunodebind, m, &on, e);
	for (u32 i = 0; i < nr_cpus && !rc; i++)
		if ((!cfg->physcpubind || cpuset_has(&cpus, i)) &&
		    (!cfg->cpunodebind || on >> m->cpu[i].node & 1)) {
			cpuset_add(out, i);
			n++;
		}
	if (!rc && !n)
		return err_set(e, -EINVAL, "--physcpubind, --cpunodebind: no "
			       "CPU is left ('%s', '%s')", cfg->physcpubind ?
			       cfg->physcpubind : "all", cfg->cpunodebind ?
			       cfg->cpunodebind : "all");
	return rc;
}

/* Some of these nodes must have memory. */
static int need_memory(const char *option, const char *text,
		       const struct machine *m, u64 set, struct err *e)
{
	for (u32 n = 0; n < m->nr_nodes; n++)
		if (set >> n & 1 && m->node_bytes[n])
			return 0;
	return err_set(e, -EINVAL, "--%s: node %s of this machine has no memory",
		       option, text);
}

int numactl_policy(const struct numactl_cfg *cfg, const struct machine *m,
		   struct mempolicy *out, struct err *e)
{
	const struct {
		const char *option, *text;
		enum mpol_mode mode;
	} given[] = {
		{ "membind", cfg->membind, MPOL_BIND },
		{ "interleave", cfg->interleave, MPOL_INTERLEAVE },
		{ "preferred", cfg->preferred, MPOL_PREFERRED },
		{ "localalloc", cfg->localalloc ? "yes" : NULL, MPOL_LOCAL },
	};
	const char *first = NULL;
	int rc = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < ARRAY_LEN(given) && !rc; i++) {
		if (!given[i].text)
			continue;
		if (first)
			return err_set(e, -EINVAL, "--%s and --%s: a program has "
				       "one memory policy", first,
				       given[i].option);
		first = given[i].option;
		out->mode = given[i].mode;
		if (out->mode != MPOL_LOCAL)
			rc = nodes(first, given[i].text, m, &out->nodes, e);
		if (!rc && out->mode != MPOL_LOCAL)
			rc = need_memory(first, given[i].text, m, out->nodes, e);
		if (!rc && out->mode == MPOL_PREFERRED &&
		    out->nodes & (out->nodes - 1))
			rc = err_set(e, -EINVAL, "--preferred: '%s' are several "
				     "nodes; one is expected", given[i].text);
	}
	return rc;
}
