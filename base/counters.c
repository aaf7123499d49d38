#include <errno.h>
#include <string.h>

#include "base/counters.h"

const struct counter_info counter_info[NR_COUNTERS] = {
#define COUNTER(id, name, unit, help) [CTR_##id] = { name, unit, help },
#include "base/counters.def"
#undef COUNTER
};

const char *const counter_names[NR_COUNTERS + 1] = {
#define COUNTER(id, name, unit, help) [CTR_##id] = name,
#include "base/counters.def"
#undef COUNTER
};

int counter_find(const char *name, enum counter *out)
{
	for (size_t i = 0; i < NR_COUNTERS; i++) {
		if (strcmp(counter_names[i], name) == 0) {
			*out = (enum counter)i;
			return 0;
		}
	}
	return -ENOENT;
}

void counters_add(struct counters *sum, const struct counters *c)
{
	for (size_t i = 0; i < NR_COUNTERS; i++)
		sum->v[i] += c->v[i];
}

void counters_sub(struct counters *a, const struct counters *b)
{
	for (size_t i = 0; i < NR_COUNTERS; i++)
		a->v[i] -= b->v[i];
}

void counters_emit_value(struct emit *em, const struct counters *c,
			 const struct counter_mask *modelled, enum counter id)
{
	if (counter_mask_has(modelled, id))
		emit_u64(em, c->v[id]);
	else
		emit_na(em);
}

void counters_emit(struct emit *em, const char *name, const char *title,
		   const struct counters *c, const struct counter_mask *modelled)
{
	static const struct emit_col cols[] = {
		{ .name = "value", .type = EMIT_U64 },
		{ .name = "counter", .type = EMIT_STRING },
		{ .name = "unit", .type = EMIT_STRING },
	};

	emit_table(em, &(struct emit_table){
		.name = name, .title = title, .cols = cols,
		.nr_cols = ARRAY_LEN(cols), .bare = true });
	for (size_t i = 0; i < NR_COUNTERS; i++) {
		counters_emit_value(em, c, modelled, (enum counter)i);
		emit_str(em, counter_info[i].name);
		emit_str(em, counter_info[i].unit);
		emit_row(em);
	}
}
