#include <string.h>

#include "tlb/envelope.h"

static int compare(const struct tlb_entry *a, const struct tlb_entry *b)
{
	return memcmp(a, b, sizeof(*a));
}

void envelope_drop(struct envelope *env, u32 i)
{
	u32 last = env->n - 1;

	for (; i < last; i++) {
		env->e[i] = env->e[i + 1];
		env->marked[i] = env->marked[i + 1];
		env->called[i] = env->called[i + 1];
		env->renewed[i] = env->renewed[i + 1];
		env->named[i] = env->named[i + 1];
	}
	memset(&env->e[last], 0, sizeof(env->e[last]));
	env->marked[last] = 0;
	env->called[last] = 0;
	env->renewed[last] = 0;
	env->named[last] = 0;
	env->n = last;
}

void envelope_retire(struct envelope *env, const struct tlb_entry *e)
{
	u32 at = 0;

	while (at < env->n && compare(&env->e[at], e) < 0)
		at++;
	if (at < env->n && !compare(&env->e[at], e)) {
		/* There already; a flush's mark stays on it. */
		env->renewed[at] = env->called[at];
		return;
	}
	if (env->n == ENVELOPE_MAX) {
		env->overflowed = 1;
		return;
	}
	for (u32 i = env->n; i > at; i--) {
		env->e[i] = env->e[i - 1];
		env->marked[i] = env->marked[i - 1];
		env->called[i] = env->called[i - 1];
		env->renewed[i] = env->renewed[i - 1];
		env->named[i] = env->named[i - 1];
	}
	env->e[at] = *e;
	env->marked[at] = 0;
	env->called[at] = 0;
	env->renewed[at] = 0;
	env->named[at] = 0;
	env->n++;
}

static bool matches(const struct tlb_entry *e, u16 pcid, u64 vpn)
{
	return (e->pcid == pcid || (e->flags & TLB_G)) &&
	       !(e->flags & TLB_TABLE) && tlb_entry_covers(e, vpn);
}

static bool matches_table(const struct tlb_entry *e, u16 pcid, u64 vpn)
{
	return e->pcid == pcid && (e->flags & TLB_TABLE) &&
	       tlb_entry_covers(e, vpn);
}

u32 envelope_candidates(const struct envelope *env, u16 pcid, u64 vpn,
			u32 index[ENVELOPE_MAX])
{
	u32 n = 0;

	for (u32 i = 0; i < env->n; i++)
		if (matches(&env->e[i], pcid, vpn))
			index[n++] = i;
	return n;
}

void envelope_collapse(struct envelope *env, u16 pcid, u64 vpn, int keep)
{
	for (u32 i = env->n; i-- > 0; )
		if ((int)i != keep && matches(&env->e[i], pcid, vpn)) {
			envelope_drop(env, i);
			if (keep > (int)i)
				keep--;
		}
}

u32 envelope_invalidate(struct envelope *env, enum inval_scope scope, u16 pcid,
			u64 vpn)
{
	u32 before = env->n;

	for (u32 i = env->n; i-- > 0; )
		if (inval_drops(scope, pcid, vpn, &env->e[i]))
			envelope_drop(env, i);
	return before - env->n;
}

static bool names(const struct inval_op *op, u16 pcid, u64 vpn,
		  const struct tlb_entry *e)
{
	return e->flags & TLB_TABLE
		? inval_drops_walk(op, pcid, vpn, e->pcid, e->vpn, e->order)
		: inval_drops(op->scope, pcid, vpn, e);
}

u32 envelope_perform(struct envelope *env, const struct inval_op *op, u16 pcid,
		     u64 vpn)
{
	u32 before = env->n;

	for (u32 i = env->n; i-- > 0; )
		if (names(op, pcid, vpn, &env->e[i]))
			envelope_drop(env, i);
	return before - env->n;
}

u32 envelope_perform_below(struct envelope *env, const struct inval_op *op,
			   u16 pcid, u64 vpn, u32 order)
{
	bool is_one_page = inval_names_page(op->scope);
	u32 before = env->n;

	for (u32 i = env->n; i-- > 0; ) {
		const struct tlb_entry *e = &env->e[i];

		if (is_one_page && (e->flags & TLB_TABLE) && e->order == order)
			continue;
		if (names(op, pcid, vpn, e))
			envelope_drop(env, i);
	}
	return before - env->n;
}

void envelope_call(struct envelope *env, const struct inval_op *op, u16 pcid,
		   u64 vpn, u32 from)
{
	for (u32 i = 0; i < env->n; i++) {
		if (!names(op, pcid, vpn, &env->e[i]))
			continue;
		env->called[i] |= (u8)(1u << from);
		env->renewed[i] &= (u8)~(1u << from);
	}
}

void envelope_complete(struct envelope *env, u32 from)
{
	const u8 bit = (u8)(1u << from);

	for (u32 i = env->n; i-- > 0; ) {
		if (!(env->called[i] & bit))
			continue;
		if (!(env->renewed[i] & bit)) {
			envelope_drop(env, i);
			continue;
		}
		env->called[i] &= (u8)~bit;
		env->renewed[i] &= (u8)~bit;
		env->marked[i] &= (u8)~bit;
	}
}

u32 envelope_tables(const struct envelope *env, u16 pcid, u64 vpn,
		    u32 index[ENVELOPE_MAX])
{
	u32 n = 0;

	for (u32 i = 0; i < env->n; i++)
		if (matches_table(&env->e[i], pcid, vpn))
			index[n++] = i;
	return n;
}

void envelope_collapse_tables(struct envelope *env, u16 pcid, u64 vpn, int keep)
{
	for (u32 i = env->n; i-- > 0; )
		if ((int)i != keep && matches_table(&env->e[i], pcid, vpn)) {
			envelope_drop(env, i);
			if (keep > (int)i)
				keep--;
		}
}

void envelope_replace(struct envelope *env, const struct tlb_entry *by)
{
	for (u32 i = env->n; i-- > 0; ) {
		const struct tlb_entry *e = &env->e[i];

		if (e->pcid == by->pcid && e->vpn == by->vpn &&
		    e->order == by->order && !(e->flags & TLB_TABLE) &&
		    compare(e, by))
			envelope_drop(env, i);
	}
}
