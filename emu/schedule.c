/* Schedules: replayed for their table, and as text. */
#include "base/grow.h"
#include "emu/moves.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void x_note(const char *text)
{
	struct explore_event e = { .move = explorer.move, .cpu = this_cpu->id };

	snprintf(e.text, sizeof(e.text), "%s", text);
	explorer.on_event(&e, explorer.event_arg);
}

/* Return: 0, or -EINVAL when a move is not possible where it comes. */
static int run_schedule(const struct explore_move *moves, u32 n)
{
	struct hash128 began = { 0, 0 };
	u32 loop = n, due = 0;

	for (u32 i = 0; i < n && !explorer.is_violated; i++) {
		const struct explore_move *m = &moves[i];
		u32 id = id_of(m->cpu, m->kind), on = moves_enabled();

		explorer.move = i;
		if (m->is_loop) {
			loop = i;
			began = state_hash();
		}
		if (i >= loop)
			due |= on & ~moves_idle(on);
		if (m->cpu >= explorer.sys->nr_cpus || m->kind >= NR_X_KINDS ||
		    !(on >> id & 1))
			return -EINVAL;
		memcpy(explorer.pick, m->pick, sizeof(explorer.pick));
		explorer.nr_told = m->nr_picks;
		moves_run(id);
		for (u32 j = 0; j < explorer.nr_picks; j++)
			if (explorer.pick[j] >= explorer.options[j])
				return -EINVAL;
	}
	explorer.move = n;
	if (!explorer.is_violated && loop < n) {
		struct hash128 ended = state_hash();

		if (began.lo == ended.lo && began.hi == ended.hi)
			livelock_check(moves, n, loop, due);
	}
	return 0;
}

/* Whether a loop ends where it began depends on the old values that are kept,
 * and only those of words that are loaded should be: find out which. */
static int find_loads(struct sys *sys, const struct explore_move *moves, u32 n)
{
	size_t bytes = sys->nr_cpus * (sys->arena.reserved >> 3);
	struct snap *start = snap_take();
	int rc;

	sys->loads = malloc(bytes);
	if (!start || !sys->loads) {
		free(start);
		return -ENOMEM;
	}
	memset(sys->loads, MAY_LOAD, bytes);
	rc = run_schedule(moves, n);
	snap_restore(start);
	free(start);
	for (size_t i = 0; i < bytes; i++)
		sys->loads[i] &= LOADED;
	explorer.is_violated = false;
	return rc;
}

int explore_replay(struct sys *sys, const struct explore_move *moves, u32 n,
		   const struct explore_config *cfg,
		   void (*on_event)(const struct explore_event *e, void *arg),
		   void *arg, struct explore_result *r)
{
	bool has_loop = false;
	u32 on;
	int rc = 0;

	moves_begin(sys);
	memset(r, 0, sizeof(*r));
	for (u32 i = 0; i < n; i++)
		has_loop = has_loop || moves[i].is_loop;
	if (has_loop && sys->memory_model == MEM_WEAK)
		rc = find_loads(sys, moves, n);
	explorer.on_event = on_event;
	explorer.event_arg = arg;
	if (on_event)
		sys->drv.note = x_note;
	if (!rc)
		rc = run_schedule(moves, n);
	free(sys->loads);
	sys->loads = NULL;
	if (rc)
		return rc;
	on = moves_enabled();
	if (!explorer.is_violated && on == moves_idle(on))
		moves_check_final(cfg);
	memcpy(r->oracle, explorer.oracle, sizeof(r->oracle));
	memcpy(r->text, explorer.text, sizeof(r->text));
	return explorer.is_violated;
}

/* ---- followed as far as it goes ---------------------------------------------------- */

static bool follow_move(const struct explore_move *m, const struct explore_watch *w)
{
	bool is_possible = m->cpu < explorer.sys->nr_cpus &&
			   (moves_enabled() >> id_of(m->cpu, m->kind) & 1);

	if (is_possible) {
		memcpy(explorer.pick, m->pick, sizeof(explorer.pick));
		explorer.nr_told = m->nr_picks;
		moves_run(id_of(m->cpu, m->kind));
	}
	w->on_move(m, is_possible, w->arg);
	explorer.move++;
	return is_possible;
}

/* What comes next when nobody says: the CPU that moved last goes on, its buffer
 * drains when it waits, then the others. */
static bool next_move(u32 last, struct explore_move *m)
{
	u32 on = moves_enabled(), nr = explorer.sys->nr_cpus;

	on &= ~moves_idle(on);
	for (u32 i = 0; i < nr; i++) {
		u32 cpu = (last + i) % nr, kind;

		for (kind = 0; kind < NR_X_KINDS; kind++)
			if (on >> id_of(cpu, kind) & 1) {
				*m = (struct explore_move){ .cpu = (u8)cpu,
							    .kind = (u8)kind };
				return true;
			}
	}
	return false;
}

int explore_follow(struct sys *sys, const struct explore_move *moves, u32 n,
		   u32 max_moves, const struct explore_config *cfg,
		   const struct explore_watch *w, struct explore_result *r)
{
	struct explore_move m;
	u32 last = 0, on;

	memset(r, 0, sizeof(*r));
	moves_begin(sys);
	explorer.on_event = w->on_event;
	explorer.event_arg = w->arg;
	sys->drv.note = x_note;
	w->on_move(NULL, true, w->arg);
	for (u32 i = 0; i < n && !explorer.is_violated; i++) {
		follow_move(&moves[i], w);
		last = moves[i].cpu;
	}
	while (explorer.move < max_moves && !explorer.is_violated &&
	       next_move(last, &m)) {
		follow_move(&m, w);
		last = m.cpu;
	}
	on = moves_enabled();
	if (!explorer.is_violated && on == moves_idle(on))
		moves_check_final(cfg);
	memcpy(r->oracle, explorer.oracle, sizeof(r->oracle));
	memcpy(r->text, explorer.text, sizeof(r->text));
	return explorer.is_violated;
}

/* ---- as text ------------------------------------------------------------------------- */

int explore_format(const struct explore_move *moves, u32 n, char *out,
		   size_t size)
{
	static const char kind[] = { 's', 'i', 'd', 'f' };
	size_t at = 0;

	if (size)
		out[0] = 0;
	for (u32 i = 0; i < n; i++) {
		int w = snprintf(out + at, size - at, "%s%s%u%c", i ? "." : "",
				 moves[i].is_loop ? "~" : "", moves[i].cpu,
				 kind[moves[i].kind]);

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
		struct explore_move x = { .is_loop = *text == '~' };

		text += x.is_loop;
		if (*text < '0' || *text >= '0' + EXPLORE_MAX_CPUS)
			goto bad;
		x.cpu = (u8)(*text++ - '0');
		switch (*text++) {
		case 's': x.kind = X_STEP; break;
		case 'i': x.kind = X_IRQ; break;
		case 'd': x.kind = X_DRAIN; break;
		case 'f': x.kind = X_FILL; break;
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
		if (GROW(m, len, cap, 64))
			goto bad;
		m[len++] = x;
	}
	*moves = m;
	*n = len;
	return 0;
bad:
	free(m);
	return -EINVAL;
}
