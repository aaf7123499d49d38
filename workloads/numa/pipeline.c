/* producers-consumers - pairs of threads hand buffers over and sleep while there is
 * none.
 * What to look at: buffers per second of modelled time; whether a pair ends on one
 * node; context-switches, cpu-migrations, numa_task_migrated. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/numa/numa.h"

#define LINE_WORDS 16u

struct cfg {
	u64 buffer, think_ns;
	u32 slots, rounds;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "buffer", .kind = OPT_SIZE, .def = "256K", .min = 4096,
	  .max = 1u << 30, .unit = "bytes", .help = "a buffer", FIELD(buffer) },
	{ .name = "slots", .kind = OPT_U32, .def = "4", .min = 1, .max = 1024,
	  .help = "buffers of a pair", FIELD(slots) },
	{ .name = "rounds", .kind = OPT_U32, .def = "1000", .min = 1,
	  .max = 1u << 30, .help = "buffers that each pair hands over",
	  FIELD(rounds) },
	{ .name = "think", .kind = OPT_TIME_NS, .def = "10us", .unit = "ns",
	  .help = "of the producer, for each buffer", FIELD(think_ns) },
};

/* Counters of a pair, each in a line of its own, in modelled memory. */
struct ring {
	u32 filled, pad1[LINE_WORDS - 1];
	u32 emptied, pad2[LINE_WORDS - 1];
};

static struct {
	u64 va;
	struct ring *ring;
} S;

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus & ~1u, e);

	if (n < 0)
		return n;
	if (n < 2)
		return err_set(e, -EINVAL, "producers-consumers: a pair is two "
			       "threads (--threads, --machine)");
	w->nr_threads &= ~1u;
	S.ring = arena_alloc(&the_sys->arena,
			     w->nr_threads / 2 * sizeof(*S.ring));
	if (!S.ring)
		return err_set(e, -ENOMEM, "out of memory");
	w->total = (u64)cfg->rounds * w->nr_threads / 2;
	return wl_process(w, w->nr_threads, &S.va, 1, w->nr_threads / 2 *
			  cfg->slots * cfg->buffer, e);
}

/* Until *@word has passed @n. */
static void wait_beyond(u32 *word, u32 n)
{
	for (;;) {
		u32 v = READ_ONCE(*word);

		if ((int)(v - n) > 0)
			return;
		thread_sleep(word, v);
	}
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct ring *r = &S.ring[i / 2];
	u64 first = S.va + i / 2 * cfg->slots * cfg->buffer;
	bool is_producer = !(i % 2);

	for (u32 k = 0; k < cfg->rounds && !w->error; k++) {
		u64 va = first + k % cfg->slots * cfg->buffer;

		if (is_producer) {
			/* Free, once the one before in it was emptied. */
			if (k >= cfg->slots)
				wait_beyond(&r->emptied, k - cfg->slots);
			wl_think(wl_cycles(cfg->think_ns));
			wl_stream(w, va, cfg->buffer, RUN_WRITE, 0,
				  cfg->buffer);
			WRITE_ONCE(r->filled, k + 1);
		} else {
			wait_beyond(&r->filled, k);
			wl_stream(w, va, cfg->buffer, RUN_READ, 0, cfg->buffer);
			WRITE_ONCE(r->emptied, k + 1);
			w->done++;
		}
	}
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_producers_consumers;
const struct workload workload_producers_consumers = {
	.name = "producers-consumers",
	.summary = "pairs of threads hand buffers over and sleep in between",
	.mirrors = "a pipeline of threads with bounded queues",
	.watch = "buffers per second, context-switches, node-load-misses",
	.unit = "buffers",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
