#include "base/grow.h"
#include "emu/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/outfile.h"
#include "emu/chrome_trace.h"

#define MAX_DEPTH 64u
#define NOT_KEPT UINT32_MAX
#define STILL_OPEN UINT64_MAX

/* Cycles; an arrow goes from @cpu at @from to @other at @to. */
struct event {
	u64 from, to;
	const char *name;
	u64 pages;              /* of a flush                                 */
	u32 cpu, other;
	u8 cat;
	bool is_arrow, is_flush, is_full;
};

struct track {
	u32 open[MAX_DEPTH];    /* events, or NOT_KEPT                        */
	u32 depth;
	bool is_used;
};

struct timeline {
	struct probe p;
	struct outfile out;
	struct event *event;
	u64 nr, room;
	u64 max, kept;          /* an arrow counts as two                     */
	u64 dropped, full_at;   /* cycles                                     */
	bool is_broken;
	struct track track[MACHINE_MAX_CPUS];
	/* [to * MACHINE_MAX_CPUS + from] 1 + when an interrupt under way was
	 * sent: an initiator has one at most under way to each CPU. */
	u64 *sent;
};

/* ---- collecting ------------------------------------------------------------------ */

/* Room for an event that counts as @n? */
static bool takes(struct timeline *tl, u64 n, u64 now)
{
	if (tl->dropped || tl->kept + n > tl->max) {
		if (!tl->dropped)
			tl->full_at = now;
		tl->dropped += n;
		return false;
	}
	if (GROW(tl->event, tl->nr, tl->room, 1024)) {
		tl->is_broken = true;
		return false;
	}
	tl->kept += n;
	return true;
}

static u32 add(struct timeline *tl, const struct event *ev, u64 now)
{
	if (!takes(tl, ev->is_arrow ? 2 : 1, now))
		return NOT_KEPT;
	tl->event[tl->nr] = *ev;
	tl->track[ev->cpu].is_used = true;
	tl->track[ev->other].is_used |= ev->is_arrow;
	return (u32)tl->nr++;
}

static void open_slice(struct timeline *tl, const struct cpu *c,
		       const char *name, u32 cat)
{
	struct track *t = &tl->track[c->id];

	assert(t->depth < MAX_DEPTH);
	t->open[t->depth++] = add(tl, &(struct event){
		.from = c->now, .to = STILL_OPEN, .name = name, .cpu = c->id,
		.cat = (u8)cat }, c->now);
}

static void close_slice(struct timeline *tl, const struct cpu *c)
{
	struct track *t = &tl->track[c->id];
	u32 at;

	if (!t->depth)
		return;         /* it began before the run */
	at = t->open[--t->depth];
	if (at != NOT_KEPT)
		tl->event[at].to = c->now;
}

/* What a category is called when the function that enters it says less. */
static const char *slice_name(const struct probe_event *e)
{
	switch (e->cat) {
	case CYC_FAULT:
		return "page fault";
	case CYC_WAIT_ACK:
		return "wait for acks";
	case CYC_RESPOND:
		return "interrupt";
	case CYC_SCAN:
		return "NUMA scan";
	case CYC_IDLE:
		return "sleep";
	default:
		return e->name;
	}
}

static void flush_begins(struct timeline *tl, const struct probe_event *e)
{
	const struct track *t = &tl->track[e->cpu->id];
	struct event *ev;

	if (!t->depth || t->open[t->depth - 1] == NOT_KEPT)
		return;
	ev = &tl->event[t->open[t->depth - 1]];
	ev->is_flush = true;
	ev->is_full = e->flag;
	ev->pages = e->n;
}

static u64 *sent_at(struct timeline *tl, u32 from, u32 to)
{
	return &tl->sent[(u64)to * MACHINE_MAX_CPUS + from];
}

static void serves(struct timeline *tl, const struct probe_event *e)
{
	u64 *at = sent_at(tl, e->other->id, e->cpu->id), now = e->cpu->now;

	/* A request is there for a handler that looks at its queue before the
	 * store that put it there is paid for (calls.h). */
	if (*at)
		add(tl, &(struct event){
			.is_arrow = true, .from = *at - 1 < now ? *at - 1 : now,
			.to = now, .cpu = e->other->id, .other = e->cpu->id },
		    now);
	*at = 0;
	open_slice(tl, e->cpu, "serve", CYC_RESPOND);
}

static void on_event(struct probe *p, const struct probe_event *e)
{
	struct timeline *tl = (struct timeline *)p;

	switch (e->what) {
	case PROBE_START:
		tl->nr = tl->kept = tl->dropped = 0;
		memset(tl->track, 0, sizeof(tl->track));
		break;
	case PROBE_ENTER:
		if (e->cat != CYC_WALK)
			open_slice(tl, e->cpu, slice_name(e), e->cat);
		break;
	case PROBE_LEAVE:
		/* ->cat is still what ends. */
		if (e->cpu->cat != CYC_WALK)
			close_slice(tl, e->cpu);
		break;
	case PROBE_BEGIN:
		open_slice(tl, e->cpu, e->name, e->cpu->cat);
		break;
	case PROBE_END:
	case PROBE_SERVED:
		close_slice(tl, e->cpu);
		break;
	case PROBE_WAITED:
		if (e->cat == CYC_LOCK_WAIT && e->cpu->now > e->from)
			add(tl, &(struct event){
				.from = e->from, .to = e->cpu->now,
				.name = "wait for lock", .cpu = e->cpu->id,
				.cat = (u8)e->cat }, e->from);
		break;
	case PROBE_FLUSH:
		flush_begins(tl, e);
		break;
	case PROBE_IPI:
		*sent_at(tl, e->cpu->id, e->other->id) = 1 + e->cpu->now;
		break;
	case PROBE_SERVE:
		serves(tl, e);
		break;
	default:
		break;
	}
}

/* ---- the file --------------------------------------------------------------------- */

static u64 ps_of(u64 cycles, u64 hz)
{
	return (u64)((__uint128_t)cycles * 1000000000000ull / hz);
}

static void put_tracks(struct chrome *t, const struct timeline *tl,
		       const struct timed_result *r)
{
	for (u32 cpu = 0; cpu < MACHINE_MAX_CPUS; cpu++) {
		char name[80];
		u32 i = 0;

		if (!tl->track[cpu].is_used)
			continue;
		while (i < r->nr_rows && r->cpu[i].cpu != cpu)
			i++;
		if (i < r->nr_rows)
			snprintf(name, sizeof(name), "CPU %u: thread %u, node "
				 "%u", cpu, i, r->cpu[i].node);
		else
			snprintf(name, sizeof(name), "CPU %u", cpu);
		chrome_track(t, cpu, name);
	}
}

static json_t *flush_args(const struct event *ev)
{
	json_t *a;

	if (!ev->is_flush)
		return NULL;
	a = json_pack("{s:b}", "of everything", ev->is_full);
	if (a && ev->pages)
		json_object_set_new(a, "pages",
				    json_integer((json_int_t)ev->pages));
	return a;
}

static void put_event(struct chrome *t, const struct event *ev, u64 id, u64 hz)
{
	u64 from = ps_of(ev->from, hz), to = ps_of(ev->to, hz);

	if (ev->is_arrow) {
		chrome_arrow(t, ev->cpu, "interrupt", false, id, from);
		chrome_arrow(t, ev->other, "interrupt", true, id, to);
		return;
	}
	chrome_slice(t, ev->cpu, ev->name, cycle_cat_names[ev->cat], from, to,
		     flush_args(ev));
}

static json_t *other_data(const struct timeline *tl,
			  const struct timeline_about *about)
{
	const struct timed_result *r = about->r;
	json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:s,s:s,s:I,s:I}", "workload",
			      about->workload, "kernel", about->kernel, "flush",
			      about->flush, "seed", (json_int_t)about->seed,
			      "topology", r->topology, "profile", r->profile,
			      "events", (json_int_t)tl->kept, "dropped",
			      (json_int_t)tl->dropped);

	if (o && tl->dropped)
		json_object_set_new(o, "complete_until_us", json_real(
				timed_cycles_to_ms(r, tl->full_at) * 1e3));
	return o;
}

/* Begun, and not over when the run was: it lasts as long as its track. */
static void close_all(struct timeline *tl)
{
	u64 last[MACHINE_MAX_CPUS] = { 0 };

	for (u64 i = 0; i < tl->nr; i++) {
		const struct event *ev = &tl->event[i];
		u64 at = ev->is_arrow || ev->to == STILL_OPEN ? ev->from : ev->to;

		if (at > last[ev->cpu])
			last[ev->cpu] = at;
	}
	for (u64 i = 0; i < tl->nr; i++)
		if (tl->event[i].to == STILL_OPEN)
			tl->event[i].to = last[tl->event[i].cpu];
}

static void put_all(struct timeline *tl, const struct timeline_about *about)
{
	struct chrome t;

	close_all(tl);
	chrome_begin(&t, tl->out.f, "tlbemu run");
	put_tracks(&t, tl, about->r);
	for (u64 i = 0; i < tl->nr; i++)
		put_event(&t, &tl->event[i], i, about->r->hz);
	chrome_end(&t, other_data(tl, about));
}

int timeline_commit(struct timeline *tl, const struct timeline_about *about,
		    struct err *e)
{
	int rc;

	if (tl->is_broken) {
		timeline_discard(tl);
		return err_set(e, -ENOMEM, "out of memory");
	}
	put_all(tl, about);
	rc = outfile_commit(&tl->out, e);
	timeline_discard(tl);
	return rc;
}

void timeline_discard(struct timeline *tl)
{
	if (!tl)
		return;
	outfile_discard(&tl->out);
	free(tl->event);
	free(tl->sent);
	free(tl);
}

int timeline_create(struct timeline **out, const char *path, u64 max,
		    struct err *e)
{
	struct timeline *tl = calloc(1, sizeof(*tl));
	int rc;

	*out = NULL;
	if (tl)
		tl->sent = calloc((size_t)MACHINE_MAX_CPUS * MACHINE_MAX_CPUS,
				  sizeof(*tl->sent));
	if (!tl || !tl->sent) {
		free(tl);
		return err_set(e, -ENOMEM, "out of memory");
	}
	tl->p.event = on_event;
	tl->max = max;
	rc = outfile_open(&tl->out, path, e);
	if (rc) {
		free(tl->sent);
		free(tl);
		return rc;
	}
	*out = tl;
	return 0;
}

struct probe *timeline_probe(struct timeline *tl)
{
	return &tl->p;
}

u64 timeline_kept(const struct timeline *tl)
{
	return tl->kept;
}

u64 timeline_dropped(const struct timeline *tl)
{
	return tl->dropped;
}
