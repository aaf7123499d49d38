#define XXH_INLINE_ALL
#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/step.h"
#include "emu/explore.h"
#include "emu/visited.h"
#include "mm/oracle.h"

#define NR_IDS (EXPLORE_MAX_CPUS * NR_X_KINDS)

typedef unsigned __int128 mask128;

/* ---- what the last transition did ---------------------------------------------- */

static struct {
	struct sys *sys;
	struct fiber host;
	mask128 rd, wr;                 /* words it read and wrote           */
	u8 pick[EXPLORE_MAX_PICKS];     /* hardware's choices: as told, or 0 */
	u8 options[EXPLORE_MAX_PICKS];  /* how many there were               */
	u32 nr_told, nr_picks;
	bool is_draining;
	bool is_violated;
	bool is_broken;                 /* more picks than fit               */
	char oracle[8];
	char text[256];
	/* replay */
	void (*on_event)(const struct explore_event *e, void *arg);
	void *event_arg;
	u32 move;
} X;

static mask128 bit_of(const void *obj)
{
	u64 word = arena_offset(&X.sys->arena, obj) >> 3;

	return (mask128)1 << (word * 0x9e3779b97f4a7c15ull >> 57);
}

static void x_touch(const void *obj, bool is_write)
{
	if (is_write)
		X.wr |= bit_of(obj);
	else
		X.rd |= bit_of(obj);
}

/* Stop here until the explorer picks this CPU; take interrupts it sends. */
static void park(struct cpu *c, bool (*ready)(const void *), const void *arg)
{
	for (;;) {
		c->ctx.ready = ready;
		c->ctx.ready_arg = arg;
		fiber_switch(&c->fiber, &X.host);
		if (!c->ctx.take_irq)
			return;
		c->ctx.take_irq = false;
		cpu_take_irqs();
	}
}

static void x_step(const void *obj, bool is_write, u64 cycles)
{
	struct cpu *c = this_cpu;

	observe(arena_offset(&X.sys->arena, obj) << 1 | is_write);
	if (c->ctx.glide)
		c->ctx.glide = false;
	else
		park(c, NULL, NULL);
	x_touch(obj, is_write);
}

static void x_wait(const void *obj, bool (*ready)(const void *),
		   const void *arg, u64 cycles)
{
	struct cpu *c = this_cpu;

	c->ctx.glide = false;
	if (obj)
		observe(arena_offset(&X.sys->arena, obj) << 1);
	park(c, ready, arg);
	if (obj)
		x_touch(obj, true);
}

static void x_wake(const void *obj)
{
}

static void x_ipi_posted(struct cpu *target)
{
}

static u32 x_choose(u32 n)
{
	u32 i = X.nr_picks, pick;

	if (n <= 1)
		return 0;
	if (i == EXPLORE_MAX_PICKS) {
		X.is_broken = true;
		return 0;
	}
	X.options[i] = (u8)n;
	if (i >= X.nr_told)
		X.pick[i] = 0;
	X.nr_picks++;
	pick = X.pick[i];
	if (!X.is_draining)
		observe(pick);
	return pick;
}

static void x_violation(const char *oracle, const char *text)
{
	if (!X.is_violated) {
		X.is_violated = true;
		snprintf(X.oracle, sizeof(X.oracle), "%s", oracle);
		snprintf(X.text, sizeof(X.text), "%s", text);
	}
	if (X.sys->drv.note)
		cpu_note("*** %s: %s", oracle, text);
	/* The execution ends here: its fiber is never resumed, since the next
	 * state is restored over it. */
	if (!X.is_draining)
		for (;;)
			fiber_switch(&this_cpu->fiber, &X.host);
}

static void x_note(const char *text)
{
	struct explore_event e = { .move = X.move, .cpu = this_cpu->id };

	snprintf(e.text, sizeof(e.text), "%s", text);
	X.on_event(&e, X.event_arg);
}

static const struct driver x_driver = {
	.step = x_step,
	.wait = x_wait,
	.wake = x_wake,
	.touch = x_touch,
	.choose = x_choose,
	.ipi_posted = x_ipi_posted,
	.violation = x_violation,
};

/* ---- transitions --------------------------------------------------------------- */

static u32 id_of(u32 cpu, enum explore_kind kind)
{
	return cpu * NR_X_KINDS + kind;
}

static u32 enabled(void)
{
	u32 mask = 0;

	for (u32 i = 0; i < X.sys->nr_cpus; i++) {
		struct cpu *c = &X.sys->cpu[i];
		const struct storebuf *sb = c->s->sb;

		if (!c->task)
			continue;
		this_cpu = c;
		if (!c->ctx.ready || c->ctx.ready(c->ctx.ready_arg))
			mask |= 1u << id_of(i, X_STEP);
		if (cpu_irq_is_due(c) && (!sb || !sb->n))
			mask |= 1u << id_of(i, X_IRQ);
		if (sb && sb->n)
			mask |= 1u << id_of(i, X_DRAIN);
	}
	return mask;
}

static void drain(struct cpu *c)
{
	struct storebuf *sb = c->s->sb;
	bool is_weak = X.sys->memory_model == MEM_WEAK;
	u32 n = 0;

	X.is_draining = true;
	while (sb_drainable(sb, is_weak, n) >= 0)
		n++;
	if (X.sys->drv.note) {
		int i = sb_drainable(sb, is_weak, 0);

		(void)i;
		cpu_note("buffered store becomes visible");
	}
	sb_drain(sb, (u32)sb_drainable(sb, is_weak, x_choose(n)));
	/* A release that nobody may try only lets others go on. */
	while (X.sys->is_reduced && sb->n && sb->e[0].kind == SB_RELEASE &&
	       !sb->e[0].level && !X.is_violated)
		sb_drain(sb, 0);
	X.is_draining = false;
}

static void run(u32 id)
{
	struct cpu *c = &X.sys->cpu[id / NR_X_KINDS];

	this_cpu = c;
	X.rd = X.wr = 0;
	X.nr_picks = 0;
	switch (id % NR_X_KINDS) {
	case X_DRAIN:
		drain(c);
		return;
	case X_IRQ:
		c->ctx.take_irq = true;
		x_touch(&c->s->nr_ipis, true);
		break;
	}
	/* One fiber: its next step and the interrupt before it are never
	 * independent, even where their words differ. After the interrupt's
	 * first step, X_STEP is the handler's. */
	x_touch(c->s, true);
	if (c->s->sb)
		x_touch(c->s->sb, false);
	fiber_switch(&X.host, &c->fiber);
}

static bool all_done(void)
{
	for (u32 i = 0; i < X.sys->nr_cpus; i++)
		if (X.sys->cpu[i].task && !X.sys->cpu[i].s->is_done)
			return false;
	return true;
}

/* ---- snapshots ------------------------------------------------------------------ */

struct snap {
	u32 bytes;
	u32 arena_used;
	struct cpu_ctx ctx[EXPLORE_MAX_CPUS];
	u32 live[EXPLORE_MAX_CPUS];
	/* arena, then the live stacks */
};

static size_t snap_size(void)
{
	size_t n = sizeof(struct snap) + X.sys->arena.used;
	u8 *lo;

	for (u32 i = 0; i < X.sys->nr_cpus; i++)
		if (X.sys->cpu[i].task)
			n += fiber_live(&X.sys->cpu[i].fiber, &lo);
	return n;
}

static void snap_save(struct snap *s)
{
	u8 *p = (u8 *)(s + 1), *lo;

	s->arena_used = (u32)X.sys->arena.used;
	memcpy(p, X.sys->arena.base, s->arena_used);
	p += s->arena_used;
	for (u32 i = 0; i < X.sys->nr_cpus; i++) {
		struct cpu *c = &X.sys->cpu[i];

		s->live[i] = 0;
		if (!c->task)
			continue;
		s->ctx[i] = c->ctx;
		s->ctx[i].sp = c->fiber.sp;
		s->live[i] = (u32)fiber_live(&c->fiber, &lo);
		memcpy(p, lo, s->live[i]);
		p += s->live[i];
	}
	s->bytes = (u32)(p - (u8 *)s);
}

static void snap_restore(const struct snap *s)
{
	const u8 *p = (const u8 *)(s + 1);

	/* What was allocated since is born zeroed when it is again. */
	if (X.sys->arena.used > s->arena_used)
		memset(X.sys->arena.base + s->arena_used, 0,
		       X.sys->arena.used - s->arena_used);
	X.sys->arena.used = s->arena_used;
	memcpy(X.sys->arena.base, p, s->arena_used);
	p += s->arena_used;
	for (u32 i = 0; i < X.sys->nr_cpus; i++) {
		struct cpu *c = &X.sys->cpu[i];

		if (!c->task)
			continue;
		c->ctx = s->ctx[i];
		c->fiber.sp = s->ctx[i].sp;
		memcpy(c->fiber.sp, p, s->live[i]);
		p += s->live[i];
	}
}

static struct snap *snap_take(void)
{
	size_t n = snap_size();
	struct snap *s = malloc(n);

	if (s)
		snap_save(s);
	return s;
}

/* Start every task: run its own code up to its first step. */
static void start_all(void)
{
	for (u32 i = 0; i < X.sys->nr_cpus; i++)
		if (X.sys->cpu[i].task) {
			this_cpu = &X.sys->cpu[i];
			fiber_switch(&X.host, &this_cpu->fiber);
		}
}

/* A state's key is the sum of its 64-byte blocks' hashes, each seeded with the
 * block's place: what a transition left alone need not be hashed again. */
#define BLOCK 64u
#define STRIDE (8 * BLOCK)

static struct hash128 block_hash(const u8 *p, size_t n, u32 i)
{
	u8 padded[BLOCK];

	if (n < BLOCK) {
		memset(padded, 0, sizeof(padded));
		memcpy(padded, p, n);
		p = padded;
	}
	return hash128_seeded(p, BLOCK, i);
}

static struct hash128 state_hash(void)
{
	const u8 *p = X.sys->arena.base;
	size_t used = X.sys->arena.used;
	struct hash128 sum = { used, 0 };

	for (size_t at = 0; at < used; at += BLOCK) {
		struct hash128 h = block_hash(p + at, used - at,
					      (u32)(at / BLOCK));

		sum.lo += h.lo;
		sum.hi += h.hi;
	}
	return sum;
}

/* The same, from the key and the bytes of the state before. */
static struct hash128 next_hash(struct hash128 sum, const struct snap *from)
{
	const u8 *old = (const u8 *)(from + 1), *p = X.sys->arena.base;
	size_t used = X.sys->arena.used;

	if (from->arena_used != used)
		return state_hash();
	for (size_t at = 0; at < used; at += BLOCK) {
		struct hash128 a, b;
		size_t n;

		/* Most of it is the same: look at much at a time. */
		while (at + STRIDE <= used && !memcmp(old + at, p + at, STRIDE))
			at += STRIDE;
		if (at >= used)
			break;
		n = used - at < BLOCK ? used - at : BLOCK;
		if (!memcmp(old + at, p + at, n))
			continue;
		a = block_hash(old + at, n, (u32)(at / BLOCK));
		b = block_hash(p + at, n, (u32)(at / BLOCK));
		sum.lo += b.lo - a.lo;
		sum.hi += b.hi - a.hi;
	}
	return sum;
}

/* ---- depth first ----------------------------------------------------------------- */

struct frame {
	struct snap *snap;
	size_t snap_bytes;
	struct hash128 key;
	u32 todo;
	u32 sleep;
	u32 at;                 /* transition being explored, NR_IDS: none   */
	u8 pick[EXPLORE_MAX_PICKS];
	u8 options[EXPLORE_MAX_PICKS];
	u32 nr_told;
	mask128 at_rd, at_wr;   /* union over its outcomes                   */
	mask128 rd[NR_IDS], wr[NR_IDS];         /* of sleeping transitions   */
};

struct dfs {
	struct frame *f;
	u32 depth, capacity;
	struct visited seen;
	double deadline;
	const struct explore_config *cfg;
	struct explore_result *r;
};

static double host_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool independent(mask128 rd1, mask128 wr1, mask128 rd2, mask128 wr2)
{
	return !(wr1 & (rd2 | wr2)) && !(wr2 & rd1);
}

static int push(struct dfs *d, u32 todo, u32 sleep, struct hash128 key,
		const struct frame *parent)
{
	struct frame *f;
	size_t n;

	if (d->depth == d->capacity) {
		u32 cap = d->capacity ? 2 * d->capacity : 256;
		struct frame *p = realloc(d->f, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		memset(p + d->capacity, 0, (cap - d->capacity) * sizeof(*p));
		if (parent)
			parent = p + (parent - d->f);
		d->f = p;
		d->capacity = cap;
	}
	f = &d->f[d->depth];
	n = snap_size();
	if (n > f->snap_bytes) {
		free(f->snap);
		f->snap_bytes = n + 512;
		f->snap = malloc(f->snap_bytes);
		if (!f->snap) {
			f->snap_bytes = 0;
			return -ENOMEM;
		}
	}
	snap_save(f->snap);
	f->key = key;
	f->todo = todo;
	f->sleep = sleep;
	f->at = NR_IDS;
	for (u32 m = sleep; m; m &= m - 1) {
		u32 u = (u32)__builtin_ctz(m);

		f->rd[u] = parent->rd[u];
		f->wr[u] = parent->wr[u];
	}
	d->depth++;
	if (d->depth > d->r->max_depth)
		d->r->max_depth = d->depth;
	return 0;
}

/* The next outcome of the frame's transition, odometer-wise; or the next
 * transition. Return: false when the frame is exhausted. */
static bool next_move(struct frame *f)
{
	if (f->at != NR_IDS) {
		while (f->nr_told) {
			u32 i = f->nr_told - 1;

			if (++f->pick[i] < f->options[i])
				return true;
			f->nr_told--;
		}
		f->sleep |= 1u << f->at;
		f->rd[f->at] = f->at_rd;
		f->wr[f->at] = f->at_wr;
		f->at = NR_IDS;
	}
	if (!f->todo)
		return false;
	f->at = (u32)__builtin_ctz(f->todo);
	f->todo &= f->todo - 1;
	f->nr_told = 0;
	f->at_rd = f->at_wr = 0;
	return true;
}

static int keep_moves(struct dfs *d)
{
	struct explore_move *m = calloc(d->depth ? d->depth : 1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	for (u32 i = 0; i < d->depth; i++) {
		const struct frame *f = &d->f[i];

		m[i].cpu = (u8)(f->at / NR_X_KINDS);
		m[i].kind = (u8)(f->at % NR_X_KINDS);
		m[i].nr_picks = (u8)f->nr_told;
		memcpy(m[i].pick, f->pick, sizeof(m[i].pick));
	}
	free(d->r->moves);
	d->r->moves = m;
	d->r->nr_moves = d->depth;
	return 0;
}

/* Nothing can happen any more: the end, or a deadlock. */
static void check_final(const struct explore_config *cfg)
{
	X.is_draining = true;           /* on the host's stack */
	this_cpu = &X.sys->cpu[0];
	if (!all_done())
		x_violation("O13", "every CPU waits for another");
	else if (cfg->on_final)
		cfg->on_final(cfg->final_arg);
	X.is_draining = false;
}

static bool lost_precision(void)
{
	for (u32 i = 0; i < X.sys->nr_cpus; i++)
		if (X.sys->cpu[i].s->env && X.sys->cpu[i].s->env->overflowed)
			return true;
	return X.is_broken;
}

static const char *out_of_budget(struct dfs *d)
{
	const struct explore_config *cfg = d->cfg;
	u64 max_states = cfg->max_states ? cfg->max_states : 200000000;
	u64 max_bytes = cfg->max_bytes ? cfg->max_bytes : 2ull << 30;

	if (d->r->states >= max_states)
		return "states";
	if (visited_bytes(&d->seen) > max_bytes)
		return "memory";
	if ((d->r->transitions & 0xfff) == 0) {
		if (cfg->progress)
			cfg->progress(d->r->states, d->r->transitions,
				      cfg->progress_arg);
		if (cfg->max_seconds > 0 && host_now() > d->deadline)
			return "time";
	}
	return NULL;
}

/* Arrived in a new or known state by the move of @f. */
static int arrive(struct dfs *d, u32 fi)
{
	struct frame *f = fi == UINT32_MAX ? NULL : &d->f[fi];
	u32 sleep = 0, todo, old;
	u32 on = enabled();
	struct hash128 key;

	if (f)
		for (u32 m = f->sleep; m; m &= m - 1) {
			u32 u = (u32)__builtin_ctz(m);

			if (independent(f->rd[u], f->wr[u], X.rd, X.wr))
				sleep |= 1u << u;
		}
	if (!d->cfg->use_sleep_sets)
		sleep = 0;
	key = f ? next_hash(f->key, f->snap) : state_hash();
	switch (visited_meet(&d->seen, key, sleep, &old)) {
	case VISITED_NEW:
		d->r->states++;
		todo = on & ~sleep;
		if (!on) {
			d->r->finals++;
			check_final(d->cfg);
			if (X.is_violated)
				return 0;
		}
		break;
	case VISITED_KNOWN:
		todo = on & old & ~sleep;
		sleep &= old;
		break;
	default:
		return -ENOMEM;
	}
	if (!todo)
		return 0;
	return push(d, todo, sleep, key, f);
}

static int dfs_run(struct dfs *d)
{
	int rc = arrive(d, UINT32_MAX);

	while (!rc && d->depth && !X.is_violated) {
		u32 fi = d->depth - 1;
		struct frame *f = &d->f[fi];
		const char *limit;

		if (!next_move(f)) {
			d->depth--;
			continue;
		}
		limit = out_of_budget(d);
		if (limit) {
			d->r->outcome = EXPLORE_NOT_FINISHED;
			d->r->limit = limit;
			return 0;
		}
		snap_restore(f->snap);
		memcpy(X.pick, f->pick, sizeof(X.pick));
		X.nr_told = f->nr_told;
		run(f->at);
		d->r->transitions++;
		f->nr_told = X.nr_picks;
		memcpy(f->pick, X.pick, sizeof(f->pick));
		memcpy(f->options, X.options, sizeof(f->options));
		f->at_rd |= X.rd;
		f->at_wr |= X.wr;
		if (X.sys->loads_grew)
			return 0;       /* from the beginning */
		if (X.is_violated)
			break;
		if (lost_precision()) {
			d->r->outcome = EXPLORE_NOT_FINISHED;
			d->r->limit = "envelope or choice capacity";
			return 0;
		}
		rc = arrive(d, fi);
	}
	if (rc)
		return rc;
	if (X.is_violated) {
		d->r->outcome = EXPLORE_VIOLATION;
		return keep_moves(d);
	}
	d->r->outcome = EXPLORE_PROVED;
	return 0;
}

/* ---- the shortest counterexample --------------------------------------------------- */

/* Breadth first over (state, CPU that moved last), by context switches and then
 * by moves: two queues, this number of switches and the next. No sleep sets:
 * they keep some schedule to each state, not the shortest. */
struct node {
	u32 parent;
	u32 switches;
	struct explore_move move;
	struct snap *snap;      /* NULL: expanded                             */
};

struct bfs {
	struct node *node;
	u32 n, capacity;
	u32 *queue[2];
	u32 len[2], cap[2];
	struct visited seen;
	u64 bytes;
	u32 bound;              /* no violation has more context switches     */
};

#define MAX_SWITCHES 64

#define BFS_MAX_BYTES (1ull << 30)

static int bfs_enqueue(struct bfs *b, u32 which, u32 i)
{
	if (b->len[which] == b->cap[which]) {
		u32 cap = b->cap[which] ? 2 * b->cap[which] : 1024;
		u32 *q = realloc(b->queue[which], cap * sizeof(*q));

		if (!q)
			return -ENOMEM;
		b->queue[which] = q;
		b->cap[which] = cap;
	}
	b->queue[which][b->len[which]++] = i;
	return 0;
}

static int bfs_node(struct bfs *b, u32 parent, u32 switches,
		    const struct explore_move *m, struct snap *snap, u32 *out)
{
	if (b->n == b->capacity) {
		u32 cap = b->capacity ? 2 * b->capacity : 1024;
		struct node *p = realloc(b->node, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		b->node = p;
		b->capacity = cap;
	}
	b->node[b->n].parent = parent;
	b->node[b->n].switches = switches;
	b->node[b->n].move = *m;
	b->node[b->n].snap = snap;
	*out = b->n++;
	return 0;
}

static int bfs_keep(struct bfs *b, u32 last, const struct explore_move *final,
		    u32 switches, struct explore_result *r)
{
	struct explore_move *m;
	u32 n = final ? 1 : 0;

	for (u32 i = last; i; i = b->node[i].parent)
		n++;
	m = calloc(n ? n : 1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	r->nr_moves = n;
	if (final)
		m[--n] = *final;
	for (u32 i = last; i; i = b->node[i].parent)
		m[--n] = b->node[i].move;
	free(r->moves);
	r->moves = m;
	r->switches = switches;
	r->is_shortest = true;
	return 0;
}

/* Leaving a CPU that could have gone on. Others are free: it is done, or waits. */
static u32 preempts(u32 on, u32 last, u32 cpu)
{
	return cpu != last && (on >> id_of(last, X_STEP) & 1);
}

static struct hash128 with_cpu(struct hash128 h, u32 cpu)
{
	h.lo ^= (cpu + 1) * 0x9e3779b97f4a7c15ull;
	return h;
}

/* Expand node @i. Return: 1 when a violation was found and kept. */
static int bfs_expand(struct bfs *b, u32 i, u32 now, u32 switches,
		      const struct explore_config *cfg,
		      struct explore_result *r)
{
	struct snap *snap = b->node[i].snap;
	u32 last = b->node[i].move.cpu, on;
	int rc;

	snap_restore(snap);
	on = enabled();
	if (!on) {
		check_final(cfg);
		if (X.is_violated)
			return bfs_keep(b, i, NULL, switches, r) ? -ENOMEM : 1;
	}
	/* The CPU that moved last first: going on is not a switch. */
	for (u32 m = on; m; m &= m - 1) {
		u32 id = (u32)__builtin_ctz(m), cpu = id / NR_X_KINDS;
		struct explore_move move = { .cpu = (u8)cpu,
					     .kind = (u8)(id % NR_X_KINDS) };
		u32 cost = i ? preempts(on, last, cpu) : 0;

		if (switches + cost > b->bound)
			continue;
		X.nr_told = 0;
		for (;;) {
			u32 child;
			struct snap *s;

			snap_restore(snap);
			run(id);
			move.nr_picks = (u8)X.nr_picks;
			memcpy(move.pick, X.pick, sizeof(move.pick));
			if (X.is_violated)
				return bfs_keep(b, i, &move, switches + cost,
						r) ? -ENOMEM : 1;
			if (visited_lower(&b->seen, with_cpu(state_hash(), cpu),
					  switches + cost) == VISITED_NEW) {
				s = snap_take();
				if (!s)
					return -ENOMEM;
				b->bytes += s->bytes;
				rc = bfs_node(b, i, switches + cost, &move, s,
					      &child);
				if (!rc)
					rc = bfs_enqueue(b, now ^ cost, child);
				if (rc)
					return rc;
			}
			/* next outcome */
			X.nr_told = X.nr_picks;
			while (X.nr_told &&
			       ++X.pick[X.nr_told - 1] >=
			       X.options[X.nr_told - 1])
				X.nr_told--;
			if (!X.nr_told)
				break;
		}
	}
	return 0;
}

/* How many switches are needed: depth first within 0, 1, 2 ... of them. Needs
 * no frontier, so it tells the breadth-first search where to stop looking. */
struct bounded {
	struct frame *f;
	u32 *used;              /* switches up to the frame                   */
	u32 *last;              /* CPU that moved last                        */
	u32 depth, capacity;
	struct visited seen;
};

static int bounded_push(struct bounded *b, u32 last, u32 used)
{
	struct frame *f;

	if (b->depth == b->capacity) {
		u32 cap = b->capacity ? 2 * b->capacity : 256;
		struct frame *p = realloc(b->f, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		b->f = p;
		b->used = realloc(b->used, cap * sizeof(u32));
		b->last = realloc(b->last, cap * sizeof(u32));
		if (!b->used || !b->last)
			return -ENOMEM;
		b->capacity = cap;
	}
	f = &b->f[b->depth];
	memset(f, 0, offsetof(struct frame, rd));
	f->snap = snap_take();
	if (!f->snap)
		return -ENOMEM;
	f->todo = enabled();
	f->sleep = f->todo;     /* here: all that was enabled */
	f->at = NR_IDS;
	b->used[b->depth] = used;
	b->last[b->depth] = last;
	b->depth++;
	return 0;
}

/* Return: 1 when a violation needs at most @bound switches, 0 when not, or
 * -ENOMEM. */
static int within(const struct explore_config *cfg, const struct snap *start,
		  u32 bound)
{
	struct bounded b;
	int rc;

	memset(&b, 0, sizeof(b));
	snap_restore(start);
	X.is_violated = false;
	rc = visited_create(&b.seen);
	if (!rc)
		rc = bounded_push(&b, UINT32_MAX, 0);
	while (!rc && b.depth && !X.is_violated) {
		struct frame *f = &b.f[b.depth - 1];
		u32 used = b.used[b.depth - 1], last = b.last[b.depth - 1], cpu;

		if (!next_move(f)) {
			free(f->snap);
			b.depth--;
			continue;
		}
		cpu = f->at / NR_X_KINDS;
		used += last == UINT32_MAX ? 0 : preempts(f->sleep, last, cpu);
		if (used > bound) {
			f->nr_told = 0;
			continue;
		}
		snap_restore(f->snap);
		memcpy(X.pick, f->pick, sizeof(X.pick));
		X.nr_told = f->nr_told;
		run(f->at);
		f->nr_told = X.nr_picks;
		memcpy(f->pick, X.pick, sizeof(f->pick));
		memcpy(f->options, X.options, sizeof(f->options));
		if (X.is_violated)
			break;
		if (visited_lower(&b.seen, with_cpu(state_hash(), cpu), used) !=
		    VISITED_NEW)
			continue;
		if (!enabled()) {
			check_final(cfg);
			continue;
		}
		rc = bounded_push(&b, cpu, used);
	}
	while (b.depth)
		free(b.f[--b.depth].snap);
	free(b.f);
	free(b.used);
	free(b.last);
	visited_destroy(&b.seen);
	return rc ? rc : X.is_violated;
}

static int shortest(const struct explore_config *cfg, struct snap *start,
		    struct explore_result *r)
{
	struct bfs b;
	struct explore_move none = { 0 };
	u32 root, now = 0, switches = 0, head[2] = { 0, 0 };
	int rc;

	memset(&b, 0, sizeof(b));
	b.bound = 0;
	while ((rc = within(cfg, start, b.bound)) == 0 && b.bound < MAX_SWITCHES)
		b.bound++;
	if (rc < 0)
		return rc;
	X.is_violated = false;
	snap_restore(start);
	rc = visited_create(&b.seen);
	if (!rc)
		rc = bfs_node(&b, 0, 0, &none, start, &root);
	if (!rc)
		rc = bfs_enqueue(&b, 0, root);
	while (!rc) {
		u32 i;

		if (head[now] == b.len[now]) {
			b.len[now] = head[now] = 0;
			now ^= 1;
			switches++;
			if (head[now] == b.len[now])
				break;          /* cannot be: one exists */
			continue;
		}
		if (b.bytes > BFS_MAX_BYTES)
			break;                  /* keep the first one found */
		i = b.queue[now][head[now]++];
		rc = bfs_expand(&b, i, now, switches, cfg, r);
		if (i) {
			b.bytes -= b.node[i].snap->bytes;
			free(b.node[i].snap);
			b.node[i].snap = NULL;
		}
	}
	for (u32 i = 1; i < b.n; i++)
		free(b.node[i].snap);
	free(b.node);
	free(b.queue[0]);
	free(b.queue[1]);
	visited_destroy(&b.seen);
	X.is_violated = true;
	return rc < 0 ? rc : 0;
}

/* ---- entry points ------------------------------------------------------------------- */

static void begin(struct sys *sys)
{
	memset(&X, 0, sizeof(X));
	X.sys = sys;
	sys->drv = x_driver;
	for (u32 i = 0; i < sys->nr_cpus; i++)
		memset(&sys->cpu[i].ctx, 0, sizeof(sys->cpu[i].ctx));
}

int explore(struct sys *sys, const struct explore_config *cfg,
	    struct explore_result *r)
{
	struct dfs d;
	struct snap *start;
	double t0 = host_now();
	int rc = 0;

	memset(r, 0, sizeof(*r));
	memset(&d, 0, sizeof(d));
	begin(sys);
	d.cfg = cfg;
	d.r = r;
	d.deadline = t0 + cfg->max_seconds;
	start_all();
	r->state_bytes = sys->arena.used;
	start = snap_take();
	if (sys->memory_model == MEM_WEAK) {
		sys->loads = calloc(sys->nr_cpus, sys->arena.reserved >> 3);
		if (!sys->loads)
			rc = -ENOMEM;
	}
	if (!start)
		rc = -ENOMEM;
	/* Old values are kept of words that are loaded. Which those are is
	 * found out on the way: with a new one, the search begins again. */
	do {
		sys->loads_grew = false;
		visited_destroy(&d.seen);
		if (!rc)
			rc = visited_create(&d.seen);
		if (!rc) {
			snap_restore(start);
			d.depth = 0;
			r->states = r->transitions = r->finals = 0;
			r->max_depth = 0;
			X.is_violated = false;
			rc = dfs_run(&d);
		}
	} while (!rc && sys->loads_grew);
	if (!rc && r->outcome == EXPLORE_VIOLATION) {
		memcpy(r->oracle, X.oracle, sizeof(r->oracle));
		memcpy(r->text, X.text, sizeof(r->text));
		if (!cfg->skip_shortest) {
			rc = shortest(cfg, start, r);
			memcpy(r->oracle, X.oracle, sizeof(r->oracle));
			memcpy(r->text, X.text, sizeof(r->text));
		}
	}
	r->host_seconds = host_now() - t0;
	for (u32 i = 0; i < d.capacity; i++)
		free(d.f[i].snap);
	free(d.f);
	visited_destroy(&d.seen);
	free(start);
	free(sys->loads);
	sys->loads = NULL;
	return rc;
}

int explore_replay(struct sys *sys, const struct explore_move *moves, u32 n,
		   const struct explore_config *cfg,
		   void (*on_event)(const struct explore_event *e, void *arg),
		   void *arg, struct explore_result *r)
{
	begin(sys);
	X.on_event = on_event;
	X.event_arg = arg;
	if (on_event)
		sys->drv.note = x_note;
	memset(r, 0, sizeof(*r));
	start_all();
	for (u32 i = 0; i < n && !X.is_violated; i++) {
		const struct explore_move *m = &moves[i];
		u32 id = id_of(m->cpu, m->kind);

		X.move = i;
		if (m->cpu >= sys->nr_cpus || m->kind >= NR_X_KINDS ||
		    !(enabled() >> id & 1))
			return -EINVAL;
		memcpy(X.pick, m->pick, sizeof(X.pick));
		X.nr_told = m->nr_picks;
		run(id);
		for (u32 j = 0; j < X.nr_picks; j++)
			if (X.pick[j] >= X.options[j])
				return -EINVAL;
	}
	X.move = n;
	if (!X.is_violated && !enabled()) {
		check_final(cfg);
	}
	memcpy(r->oracle, X.oracle, sizeof(r->oracle));
	memcpy(r->text, X.text, sizeof(r->text));
	return X.is_violated;
}

int explore_format(const struct explore_move *moves, u32 n, char *out,
		   size_t size)
{
	static const char kind[] = { 's', 'i', 'd' };
	size_t at = 0;

	if (size)
		out[0] = 0;
	for (u32 i = 0; i < n; i++) {
		int w = snprintf(out + at, size - at, "%s%u%c", i ? "." : "",
				 moves[i].cpu, kind[moves[i].kind]);

		for (u32 j = 0; w > 0 && j < moves[i].nr_picks &&
		     at + (size_t)w < size; j++)
			w += snprintf(out + at + w, size - at - (size_t)w, "%u",
				      moves[i].pick[j]);
		if (w < 0 || at + (size_t)w >= size)
			return -EINVAL;
		at += (size_t)w;
	}
	return 0;
}

int explore_parse(const char *text, struct explore_move **moves, u32 *n)
{
	struct explore_move *m = NULL;
	u32 len = 0, cap = 0;

	while (*text) {
		struct explore_move x = { 0 };

		if (*text < '0' || *text >= '0' + EXPLORE_MAX_CPUS)
			goto bad;
		x.cpu = (u8)(*text++ - '0');
		switch (*text++) {
		case 's': x.kind = X_STEP; break;
		case 'i': x.kind = X_IRQ; break;
		case 'd': x.kind = X_DRAIN; break;
		default: goto bad;
		}
		while (*text >= '0' && *text <= '9') {
			if (x.nr_picks == EXPLORE_MAX_PICKS)
				goto bad;
			x.pick[x.nr_picks++] = (u8)(*text++ - '0');
		}
		if (*text == '.')
			text++;
		else if (*text)
			goto bad;
		if (len == cap) {
			struct explore_move *p;

			cap = cap ? 2 * cap : 64;
			p = realloc(m, cap * sizeof(*p));
			if (!p)
				goto bad;
			m = p;
		}
		m[len++] = x;
	}
	*moves = m;
	*n = len;
	return 0;
bad:
	free(m);
	return -EINVAL;
}
