#include "emu/trail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

/* Most of it is the same: look at much at a time. */
#define STRIDE_BLOCKS 8u
#define STRIDE (STRIDE_BLOCKS * STATE_BLOCK)

/* One state's part of the log; then its stack, then the changed blocks. */
struct step_back {
	struct hash128 key;
	size_t used;
	u32 cpu;
	u32 live;
	u32 nr_dirty;
	u32 zero;
	struct cpu_ctx ctx;
};

struct old_block {
	struct hash128 hash;
	u64 at;
	u8 bytes[STATE_BLOCK];
};

static size_t blocks_of(size_t used)
{
	return (used + STATE_BLOCK - 1) / STATE_BLOCK;
}

static size_t padded(u32 live)
{
	return (live + 7u) & ~7ull;
}

static struct cpu *cpu_of(u32 i)
{
	return &explorer.sys->cpu[i];
}

/* ---- the top ---------------------------------------------------------------------- */

/* Room for @used bytes of arena, what is new of it zero. */
static int make_room(struct trail *t, size_t used)
{
	size_t room = (used + used / 2 + STRIDE) / STRIDE * STRIDE;
	size_t n = room / STATE_BLOCK;
	void *p;

	if (used <= t->room)
		return 0;
#define RESIZE(field, bytes) do { \
		p = realloc(t->field, bytes); \
		if (!p) \
			return -ENOMEM; \
		t->field = p; \
	} while (0)
	RESIZE(arena, room);
	RESIZE(block, n * sizeof(*t->block));
	RESIZE(fresh, n * sizeof(*t->fresh));
	RESIZE(dirty, (n + 1) * sizeof(*t->dirty));
#undef RESIZE
	memset(t->arena + t->room, 0, room - t->room);
	t->room = room;
	return 0;
}

static void take_stack(struct trail *t, u32 i)
{
	struct cpu *c = cpu_of(i);
	u8 *lo;

	t->live[i] = (u32)fiber_live(&c->fiber, &lo);
	t->ctx[i] = c->ctx;
	t->ctx[i].sp = c->fiber.sp;
	memcpy(t->stack[i], lo, t->live[i]);
}

static void give_stack(const struct trail *t, u32 i)
{
	struct cpu *c = cpu_of(i);

	c->ctx = t->ctx[i];
	c->fiber.sp = t->ctx[i].sp;
	memcpy(c->fiber.sp, t->stack[i], t->live[i]);
}

int trail_start(struct trail *t)
{
	const struct arena *a = &explorer.sys->arena;
	int rc = make_room(t, a->used);

	if (rc)
		return rc;
	memset(t->arena, 0, t->room);
	memcpy(t->arena, a->base, a->used);
	t->used = a->used;
	for (size_t i = 0; i < blocks_of(t->used); i++)
		t->block[i] = state_block_hash(t->arena, i);
	t->key = state_hash();
	t->log_bytes = 0;
	t->depth = 0;
	t->nr_dirty = 0;
	for (u32 i = 0; i < explorer.sys->nr_cpus; i++) {
		if (!cpu_of(i)->task)
			continue;
		if (!t->stack[i])
			t->stack[i] = malloc(cpu_of(i)->fiber.stack_bytes);
		if (!t->stack[i])
			return -ENOMEM;
		take_stack(t, i);
	}
	return 0;
}

void trail_free(struct trail *t)
{
	for (u32 i = 0; i < EXPLORE_MAX_CPUS; i++)
		free(t->stack[i]);
	free(t->arena);
	free(t->block);
	free(t->fresh);
	free(t->dirty);
	free(t->log);
	free(t->mark);
	memset(t, 0, sizeof(*t));
}

/* ---- what differs ------------------------------------------------------------------- */

/* Two to a block. */
typedef u64 vec __attribute__((vector_size(32), aligned(8), may_alias));

static inline __attribute__((always_inline))
bool are_same(const u8 *a, const u8 *b, bool is_stride)
{
	const vec *x = (const vec *)(const void *)a;
	const vec *y = (const vec *)(const void *)b;
	vec d;

	/* Written out, since compilers do not at -O2. */
#define D(i) (x[i] ^ y[i])
#define D4(i) (D(i) | D(i + 1) | D(i + 2) | D(i + 3))
	d = is_stride ? D4(0) | D4(4) | D4(8) | D4(12) : D(0) | D(1);
#undef D4
#undef D
	return !(d[0] | d[1] | d[2] | d[3]);
}

/* The blocks of @n that are not the same, to @out. Return: how many. */
static inline __attribute__((always_inline))
u32 list_from(const u8 *a, const u8 *b, size_t n, u32 *out)
{
	size_t end = n - n % STRIDE_BLOCKS;
	u32 nr = 0;

	for (size_t i = 0; i < n; i += STRIDE_BLOCKS) {
		size_t last = i < end ? i + STRIDE_BLOCKS : n;

		if (i < end && are_same(a + i * STATE_BLOCK,
					b + i * STATE_BLOCK, true))
			continue;
		for (size_t j = i; j < last; j++) {
			out[nr] = (u32)j;
			nr += !are_same(a + j * STATE_BLOCK,
					b + j * STATE_BLOCK, false);
		}
	}
	return nr;
}

static u32 list_plain(const u8 *a, const u8 *b, size_t n, u32 *out)
{
	return list_from(a, b, n, out);
}

#ifdef __x86_64__
__attribute__((target("avx2")))
static u32 list_avx2(const u8 *a, const u8 *b, size_t n, u32 *out)
{
	return list_from(a, b, n, out);
}

static u32 list_dirty(const u8 *a, const u8 *b, size_t n, u32 *out)
{
	return __builtin_cpu_supports("avx2") ? list_avx2(a, b, n, out)
					      : list_plain(a, b, n, out);
}
#else
#define list_dirty list_plain
#endif

/* ---- away from it ------------------------------------------------------------------- */

static void look_at(struct trail *t, u32 k, const u8 *now)
{
	size_t i = t->dirty[k];
	struct hash128 h = state_block_hash(now, i);

	t->fresh[k] = h;
	t->now.lo += h.lo;
	t->now.hi += h.hi;
	if (i < blocks_of(t->used)) {
		t->now.lo -= t->block[i].lo;
		t->now.hi -= t->block[i].hi;
	}
}

int trail_look(struct trail *t, u32 cpu)
{
	const u8 *now = explorer.sys->arena.base;
	size_t used = explorer.sys->arena.used;
	size_t n = blocks_of(used), old = blocks_of(t->used);

	t->cpu = cpu;
	t->nr_dirty = 0;
	t->now = t->key;
	if (unlikely(used != t->used)) {
		/* Memory is handed out, and taken back by trail_back() only. */
		if (make_room(t, used))
			return -ENOMEM;
		t->now.lo += used - t->used;
	}
	t->nr_dirty = list_dirty(t->arena, now, old, t->dirty);
	while (old < n)
		t->dirty[t->nr_dirty++] = (u32)old++;
	for (u32 k = 0; k < t->nr_dirty; k++)
		look_at(t, k, now);
	return 0;
}

void trail_back(struct trail *t)
{
	struct arena *a = &explorer.sys->arena;

	for (u32 i = 0; i < t->nr_dirty; i++)
		memcpy(a->base + (size_t)t->dirty[i] * STATE_BLOCK,
		       t->arena + (size_t)t->dirty[i] * STATE_BLOCK,
		       STATE_BLOCK);
	a->used = t->used;
	t->nr_dirty = 0;
	give_stack(t, t->cpu);
}

/* ---- further, and back ------------------------------------------------------------------ */

static int log_room(struct trail *t, size_t bytes)
{
	if (GROW(t->mark, t->depth, t->mark_room, 256))
		return -ENOMEM;
	if (t->log_bytes + bytes > t->log_room) {
		size_t n = 2 * t->log_room + bytes + 65536;
		u8 *p = realloc(t->log, n);

		if (!p)
			return -ENOMEM;
		t->log = p;
		t->log_room = n;
	}
	return 0;
}

int trail_push(struct trail *t)
{
	const u8 *now = explorer.sys->arena.base;
	struct step_back s = { .key = t->key, .used = t->used, .cpu = t->cpu,
			       .live = t->live[t->cpu],
			       .nr_dirty = t->nr_dirty,
			       .ctx = t->ctx[t->cpu] };
	size_t bytes = sizeof(s) + padded(s.live) +
		       t->nr_dirty * sizeof(struct old_block);
	struct old_block *b;
	u8 *p;

	if (log_room(t, bytes))
		return -ENOMEM;
	t->mark[t->depth++] = t->log_bytes;
	p = t->log + t->log_bytes;
	t->log_bytes += bytes;
	memcpy(p, &s, sizeof(s));
	memcpy(p + sizeof(s), t->stack[t->cpu], s.live);
	b = (struct old_block *)(void *)(p + sizeof(s) + padded(s.live));
	for (u32 i = 0; i < t->nr_dirty; i++, b++) {
		size_t at = t->dirty[i];

		b->at = at;
		b->hash = t->block[at];
		memcpy(b->bytes, t->arena + at * STATE_BLOCK, STATE_BLOCK);
		memcpy(t->arena + at * STATE_BLOCK, now + at * STATE_BLOCK,
		       STATE_BLOCK);
		t->block[at] = t->fresh[i];
	}
	t->used = explorer.sys->arena.used;
	t->key = t->now;
	t->nr_dirty = 0;
	take_stack(t, t->cpu);
	return 0;
}

void trail_pop(struct trail *t)
{
	struct arena *a = &explorer.sys->arena;
	struct step_back s;
	const struct old_block *b;
	const u8 *p;

	if (!t->depth)
		return;
	t->log_bytes = t->mark[--t->depth];
	p = t->log + t->log_bytes;
	memcpy(&s, p, sizeof(s));
	b = (const struct old_block *)(const void *)(p + sizeof(s) +
						     padded(s.live));
	for (u32 i = 0; i < s.nr_dirty; i++, b++) {
		memcpy(t->arena + b->at * STATE_BLOCK, b->bytes, STATE_BLOCK);
		memcpy(a->base + b->at * STATE_BLOCK, b->bytes, STATE_BLOCK);
		t->block[b->at] = b->hash;
	}
	t->key = s.key;
	t->used = a->used = s.used;
	t->ctx[s.cpu] = s.ctx;
	t->live[s.cpu] = s.live;
	memcpy(t->stack[s.cpu], p + sizeof(s), s.live);
	give_stack(t, s.cpu);
}
