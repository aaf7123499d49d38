/* canneal - threads swap random elements of a netlist, if that shortens its wires:
 * loads all over one buffer, and nothing to flush.
 * What to look at: walks, moves per second; tlb_flush, which stays 0 whatever the
 * strategy: a control.
 *
 * As annealer_thread::Run(): one element of the pair is the last one's second, the
 * other a random one; the cost of a swap is read from both elements, from those
 * they are wired to, and from where these are; an accepted one stores two places.
 *
 * assumed: eight wires an element, one move in --accept is accepted, 128 bytes an
 * element and 8 a place; no barrier between temperatures. PARSEC's native input has
 * 2,500,000 elements and 15,000 moves a temperature.
 * Source: PARSEC 3.0, canneal, from memory.
 */
#include <errno.h>

#include "workloads/workload.h"

#define RW (VM_READ | VM_WRITE)
#define WIRES 8u
#define ELEMENT 128u
#define PLACE 8u

struct cfg {
	u64 elements, moves;
	u32 accept;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "elements", .kind = OPT_U64, .def = "200000", .min = 64,
	  .max = 1u << 28, .help = "of the netlist (native: 2,500,000)",
	  FIELD(elements) },
	{ .name = "moves", .kind = OPT_U64, .def = "2000", .min = 1,
	  .max = 1ull << 40, .help = "of each thread", FIELD(moves) },
	{ .name = "accept", .kind = OPT_U32, .def = "4", .min = 1,
	  .max = 1u << 20, .help = "one move in so many is accepted",
	  FIELD(accept) },
};

static struct state {
	struct mm *mm;
	u64 element, place;     /* va                                         */
} st;

static int map(struct wl *w, u64 *va, u64 bytes, struct err *e)
{
	u64 pages = (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	u64 vpn = wl_map(st.mm, pages, RW | VM_HUGE);

	*va = vpn << PAGE_SHIFT;
	return vpn ? wl_populate(w, 0, vpn, pages, e)
		   : err_set(e, -ENOMEM, "out of memory");
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	st.mm = mm_create();
	rc = wl_start_all(w, st.mm, e);
	if (rc)
		return rc;
	w->total = cfg->moves * w->nr_threads;
	rc = map(w, &st.element, cfg->elements * ELEMENT, e);
	return rc ? rc : map(w, &st.place, cfg->elements * PLACE, e);
}

static struct run touch_one(u64 va, u8 op)
{
	return (struct run){ .va = va, .bytes = 8, .count = 1, .op = op };
}

/* What @id is wired to does not change: drawn from its number. */
static u64 wired_to(const struct cfg *cfg, u64 id, u32 wire)
{
	struct rng r;

	rng_init(&r, id * WIRES + wire);
	return rng_below(&r, cfg->elements);
}

/* The element, its neighbours, and where they are. */
static u32 add_cost(struct run *run, const struct cfg *cfg, u64 id)
{
	u32 n = 0;

	run[n++] = touch_one(st.element + id * ELEMENT, RUN_READ);
	for (u32 k = 0; k < WIRES; k++) {
		u64 other = wired_to(cfg, id, k);

		run[n++] = touch_one(st.element + other * ELEMENT, RUN_READ);
		run[n++] = touch_one(st.place + other * PLACE, RUN_READ);
	}
	return n;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct rng all, r;
	u64 a, b;
	int rc = 0;

	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	b = rng_below(&r, cfg->elements);
	for (u64 m = 0; m < cfg->moves && !rc && !w->error; m++) {
		struct run run[2 * (2 * WIRES + 1) + 2];
		u32 n;

		a = b;
		b = rng_below(&r, cfg->elements);
		n = add_cost(run, cfg, a);
		n += add_cost(run + n, cfg, b);
		if (!rng_below(&r, cfg->accept)) {
			run[n++] = touch_one(st.place + a * PLACE, RUN_WRITE);
			run[n++] = touch_one(st.place + b * PLACE, RUN_WRITE);
		}
		rc = wl_runs(run, n);
		w->done++;
	}
	if (rc)
		wl_fail(w, rc, "canneal: a page fault failed");
}

extern const struct workload workload_canneal;
const struct workload workload_canneal = {
	.name = "canneal",
	.summary = "threads swap random elements of a netlist: misses, no flushes",
	.mirrors = "PARSEC 3.0, canneal",
	.watch = "walks, moves per second; tlb_flush stays 0",
	.unit = "moves",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.setup = setup,
	.body = body,
};
