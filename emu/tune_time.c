#include "emu/tune_time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- samples of the database --------------------------------------------------- */

struct taking {
	struct tune_moments *m;
	u32 row, at;
};

/* Samples come in order of time; numbers differ in which moments they have only
 * by being absent altogether. */
static void take_sample(void *arg, u64 at_ns, double value)
{
	struct taking *k = arg;
	double ms = (double)at_ns / 1e6;

	if (k->at == TUNE_MOMENTS)
		return;
	k->m->ms[k->at] = ms;
	k->m->v[k->row][k->at++] = value;
	if (k->m->nr < k->at)
		k->m->nr = k->at;
}

u32 tune_moments(struct tune *t, const struct tune_setting *s,
		 const char *const *name, u32 n, struct tune_moments *out)
{
	const struct sweep *sw = s == &t->base ? &t->base_sweep : &t->sweep;
	struct sweep_key k;

	*out = (struct tune_moments){ 0 };
	if (sweep_point_key(sw, s->index * t->nr_seeds, &k, NULL))
		return 0;
	for (u32 i = 0; i < n && i < TUNE_SAMPLED; i++) {
		struct taking taking = { .m = out, .row = i };

		sweep_db_samples(sw->db, k.hash, name[i], take_sample, &taking,
				 NULL);
	}
	free(k.config);
	return out->nr;
}

static double since(const double *v, u32 i)
{
	return i ? v[i] - v[i - 1] : v[0];
}

/* ---- tables ---------------------------------------------------------------------- */

static double share(const double *part, const double *all, u32 i)
{
	double n = since(all, i);

	return n > 0 ? 100 * since(part, i) / n : NAN;
}

void tune_locality_table(struct tune *t, const struct tune_role *who, u32 nr,
			 struct emit *em)
{
	static const struct emit_col cols[] = {
		{ .name = "role", .type = EMIT_STRING },
		{ .name = "at", .unit = "ms", .type = EMIT_DOUBLE },
		{ .name = "local_faults", .unit = "%", .type = EMIT_DOUBLE },
		{ .name = "local_lines", .unit = "%", .type = EMIT_DOUBLE },
	};
	const char *const name[] = {
		counter_info[CTR_NUMA_HINT_FAULTS].name,
		counter_info[CTR_NUMA_HINT_FAULTS_LOCAL].name,
		"lines",
		"lines_remote",
	};
	struct tune_moments *m = calloc(1, sizeof(*m));

	emit_table(em, &(struct emit_table){ .name = "locality", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) });
	for (u32 w = 0; w < nr && m; w++) {
		u32 n = tune_moments(t, who[w].s, name, ARRAY_LEN(name), m);

		for (u32 i = 0; i < n; i++) {
			emit_str(em, who[w].role);
			emit_double(em, m->ms[i]);
			emit_double(em, share(m->v[1], m->v[0], i));
			emit_double(em, 100 - share(m->v[3], m->v[2], i));
			emit_row(em);
		}
	}
	free(m);
}

static u32 nr_nodes_of(const struct tune_moments *m)
{
	u32 n = 0;

	for (u32 k = 0; k < SERIES_NODES; k++)
		if (m->nr && m->v[k][m->nr - 1] > 0)
			n = k + 1;
	return n;
}

void tune_bandwidth_table(struct tune *t, const struct tune_role *who, u32 nr,
			  struct emit *em)
{
	static const struct emit_col cols[] = {
		{ .name = "role", .type = EMIT_STRING },
		{ .name = "at", .unit = "ms", .type = EMIT_DOUBLE },
		{ .name = "node", .type = EMIT_U64 },
		{ .name = "served", .unit = "MiB/s", .type = EMIT_DOUBLE },
	};
	struct metric_info info[SERIES_NODES];
	const char *name[SERIES_NODES];
	struct tune_moments *m = calloc(1, sizeof(*m));

	for (u32 k = 0; k < SERIES_NODES; k++) {
		info[k] = metric_info(METRIC_NODES + k);
		name[k] = info[k].name;
	}
	emit_table(em, &(struct emit_table){ .name = "bandwidth", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) });
	for (u32 w = 0; w < nr && m; w++) {
		u32 n = tune_moments(t, who[w].s, name, SERIES_NODES, m);
		u32 nodes = nr_nodes_of(m);

		for (u32 k = 0; k < nodes; k++)
			for (u32 i = 0; i < n; i++) {
				double ms = since(m->ms, i);

				emit_str(em, who[w].role);
				emit_double(em, m->ms[i]);
				emit_u64(em, k);
				emit_double(em, since(m->v[k], i) / ms * 1e3 /
					    (1 << 20));
				emit_row(em);
			}
	}
	free(m);
}
