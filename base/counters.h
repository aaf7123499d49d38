/* counters.h - the counters of counters.def, as an enum, a struct and a table.
 *
 * A machine has a struct counters per CPU and adds them up; which counters its
 * configuration models at all is a struct counter_mask beside them. What is
 * not in the mask is printed as not modelled, never as 0.
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include "base/emit.h"
#include "base/types.h"

enum counter {
#define COUNTER(id, name, unit, help) CTR_##id,
#include "base/counters.def"
#undef COUNTER
	NR_COUNTERS
};

struct counters {
	u64 v[NR_COUNTERS];
};

struct counter_mask {
	u64 word[(NR_COUNTERS + 63) / 64];
};

struct counter_info {
	const char *name;       /* as perf or /proc/vmstat spell it           */
	const char *unit;
	const char *help;
};

extern const struct counter_info counter_info[NR_COUNTERS];

/* The same names as a NULL-terminated list, for suggest(). */
extern const char *const counter_names[NR_COUNTERS + 1];

/* counter_find - -ENOENT when no counter has that name. */
int counter_find(const char *name, enum counter *out);

static inline void counter_mask_set(struct counter_mask *m, enum counter c)
{
	m->word[c / 64] |= 1ull << (c % 64);
}

static inline bool counter_mask_has(const struct counter_mask *m,
				    enum counter c)
{
	return m->word[c / 64] >> (c % 64) & 1;
}

void counters_add(struct counters *sum, const struct counters *c);

/* counters_sub - *@a -= *@b: the events between two readings. */
void counters_sub(struct counters *a, const struct counters *b);

/* counters_emit_value - @c's cell (an EMIT_U64 column), or "not modelled". */
void counters_emit_value(struct emit *em, const struct counters *c,
			 const struct counter_mask *modelled, enum counter id);

/* counters_emit - a table of all counters, one a row, as perf stat prints
 * them: value, counter, unit. @name and @title as in struct emit_table. */
void counters_emit(struct emit *em, const char *name, const char *title,
		   const struct counters *c, const struct counter_mask *modelled);

#endif
