#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tlb/unit.h"

static bool is_power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

static u32 log2_up(u64 n)
{
	u32 log = 0;

	while (1ull << log < n)
		log++;
	return log;
}

/* Threads change what there is: sets of their own, or ways. */
static void shape(struct tlb_unit *u, const struct tlb_geometry *geo,
		  u32 nr_threads, u32 bits)
{
	u->nr_ways = geo->nr_ways;
	u->index_sets = geo->nr_sets;
	u->nr_sets = geo->nr_sets;
	if (nr_threads > 1 && geo->smt == TLB_SMT_SPLIT) {
		if (geo->nr_sets == 1) {
			u->nr_ways /= nr_threads;
			u->nr_sets = nr_threads;
		} else {
			u->index_sets /= nr_threads;
		}
		u->thread_sets = u->index_sets;
	} else if (nr_threads > 1 && geo->smt == TLB_SMT_PRIVATE) {
		u->nr_sets *= nr_threads;
		u->thread_sets = u->index_sets;
	}
	u->stride = (u->nr_ways + 3) & ~3u;
	u->words = (u->nr_ways + 63) / 64;
	u->nr_slots = u->nr_sets * u->nr_ways;
	u->index_shift = 63;
	u->is_modulo = !is_power_of_two(u->index_sets);
	if (is_power_of_two(u->index_sets)) {
		u->index_mask = u->index_sets - 1;
		u->twin_shift = log2_up(u->index_sets);
		if (geo->index == TLB_INDEX_XOR) {
			u->index_shift = u->twin_shift;
			u->twin_shift *= 2;
		}
	}
	u->order[TLB_BLOCK] = geo->coalesce;
	u->order[TLB_2M] = (u8)bits;
	u->order[TLB_2M_BLOCK] = (u8)(bits + geo->coalesce_2m);
	u->order[TLB_1G] = (u8)(2 * bits);
	u->near_shift = (u8)(bits + 1);
}

static u32 nr_padded(const struct tlb_unit *u)
{
	return u->nr_sets * u->stride;
}

static bool is_odd_shape(const struct tlb_unit *u)
{
	return u->hash_shift || u->is_modulo || u->repl.form != REPL_BITS ||
	       !u->repl.victim;
}

int unit_init(struct tlb_unit *u, const struct tlb_geometry *geo, u32 id,
	      u32 nr_threads, u32 bits)
{
	memset(u, 0, sizeof(*u));
	u->geo = *geo;
	u->id = id;
	shape(u, geo, nr_threads, bits);
	u->tag = calloc(nr_padded(u), sizeof(*u->tag));
	u->entry = calloc(nr_padded(u), sizeof(*u->entry));
	u->valid = calloc((size_t)u->nr_sets * u->words, sizeof(*u->valid));
	u->used = calloc((u->nr_sets + 63) / 64, sizeof(*u->used));
	if (!u->tag || !u->entry || !u->valid || !u->used)
		return -ENOMEM;
	if (u->nr_ways > UNIT_MAX_SCAN) {
		u32 log = log2_up(2ull * u->nr_slots);

		u->hash_shift = 64 - log;
		u->bucket = calloc(1ull << log, sizeof(*u->bucket));
		u->chain = calloc(nr_padded(u), sizeof(*u->chain));
		if (!u->bucket || !u->chain)
			return -ENOMEM;
	}
	if (!u->hash_shift && u->nr_slots > 256) {
		u->guess_mask = (1u << log2_up(2ull * u->nr_slots)) - 1;
		u->guess = calloc(u->guess_mask + 1ull, sizeof(*u->guess));
		if (!u->guess)
			return -ENOMEM;
	}
	if (repl_init(&u->repl, geo->replacement, u->nr_sets, u->nr_ways))
		return -ENOMEM;
	u->nr_odd = is_odd_shape(u);
	return 0;
}

void unit_free(struct tlb_unit *u)
{
	free(u->tag);
	free(u->entry);
	free(u->valid);
	free(u->used);
	free(u->bucket);
	free(u->chain);
	free(u->guess);
	free(u->near);
	repl_free(&u->repl);
}

static void hash_insert(struct tlb_unit *u, u32 slot)
{
	u32 *head = &u->bucket[unit_hash(u, u->tag[slot])];

	u->chain[slot] = *head;
	*head = slot + 1;
}

static void hash_remove(struct tlb_unit *u, u32 slot)
{
	u32 *at = &u->bucket[unit_hash(u, u->tag[slot])];

	while (*at != slot + 1)
		at = &u->chain[*at - 1];
	*at = u->chain[slot];
}

static void count(struct tlb_unit *u, u32 slot, u32 delta)
{
	u64 tag = u->tag[slot];

	u->live[unit_bucket(tag)][unit_class(tag)] += delta;
	if (unlikely(u->entry[slot].piece_of)) {
		u->nr_pieces += delta;
		u->nr_odd += delta;
	}
}

void unit_recount(struct tlb_unit *u, u32 slot, u64 tag,
		  const struct tlb_entry *e)
{
	count(u, slot, -1u);
	u->live[unit_bucket(tag)][unit_class(tag)]++;
	u->nr_pieces += e->piece_of != 0;
	u->nr_odd += e->piece_of != 0;
}

void unit_rehash(struct tlb_unit *u, u32 slot, u64 tag)
{
	hash_remove(u, slot);
	u->tag[slot] = tag;
	hash_insert(u, slot);
}

u32 unit_free_way(const struct tlb_unit *u, u32 set)
{
	const u64 *valid = u->valid + (size_t)set * u->words;

	for (u32 i = 0; i < u->words; i++) {
		u32 way;

		if (!~valid[i])
			continue;
		way = 64 * i + (u32)__builtin_ctzll(~valid[i]);
		return way < u->nr_ways ? way : UNIT_NONE;
	}
	return UNIT_NONE;
}

u32 unit_put_free(struct tlb_unit *u, u32 set, u32 way, u64 tag,
		  const struct tlb_entry *e)
{
	u32 slot = set * u->stride + way;

	u->evicted = 0;
	u->tag[slot] = tag;
	u->entry[slot] = *e;
	count(u, slot, 1);
	if (u->counts_near)
		unit_count_near(u, tag, 1);
	if (u->hash_shift)
		hash_insert(u, slot);
	u->valid[(size_t)set * u->words + way / 64] |= 1ull << way % 64;
	u->used[set / 64] |= 1ull << set % 64;
	u->nr_live++;
	if (u->guess)
		u->guess[unit_guess(u, tag)] = slot;
	repl_fill(&u->repl, set, way);
	return slot;
}

void unit_replace(struct tlb_unit *u, u32 slot, u64 tag,
		  const struct tlb_entry *e)
{
	unit_overwrite(u, slot, tag, e);
	repl_hit(&u->repl, slot / u->stride, slot % u->stride);
}

static bool set_is_empty(const struct tlb_unit *u, u32 set)
{
	for (u32 i = 0; i < u->words; i++)
		if (u->valid[(size_t)set * u->words + i])
			return false;
	return true;
}

void unit_drop(struct tlb_unit *u, u32 slot)
{
	u32 set = slot / u->stride, way = slot % u->stride;

	count(u, slot, -1u);
	if (u->counts_near)
		unit_count_near(u, u->tag[slot], -1u);
	if (u->hash_shift)
		hash_remove(u, slot);
	u->tag[slot] = 0;
	u->nr_live--;
	u->valid[(size_t)set * u->words + way / 64] &= ~(1ull << way % 64);
	if (set_is_empty(u, set))
		u->used[set / 64] &= ~(1ull << set % 64);
}

bool unit_each_of_set(struct tlb_unit *u, u32 set,
		      bool (*fn)(struct tlb_unit *u, u32 slot, void *arg),
		      void *arg)
{
	for (u32 i = 0; i < u->words; i++) {
		u64 left = u->valid[(size_t)set * u->words + i];

		for (; left; left &= left - 1) {
			u32 way = 64 * i + (u32)__builtin_ctzll(left);

			if (!fn(u, set * u->stride + way, arg))
				return false;
		}
	}
	return true;
}

void unit_each(struct tlb_unit *u, bool (*fn)(struct tlb_unit *u, u32 slot,
					      void *arg), void *arg)
{
	for (u32 i = 0; i < (u->nr_sets + 63) / 64; i++)
		for (u64 left = u->used[i]; left; left &= left - 1)
			if (!unit_each_of_set(u, 64 * i +
					      (u32)__builtin_ctzll(left),
					      fn, arg))
				return;
}

struct drop {
	u64 lo, hi;
	u32 nr, at_most;
};

static bool drop_one(struct tlb_unit *u, u32 slot, void *arg)
{
	struct drop *d = arg;

	if (u->tag[slot] < d->lo || u->tag[slot] >= d->hi)
		return true;
	unit_drop(u, slot);
	return ++d->nr < d->at_most;
}

u32 unit_drop_spaces(struct tlb_unit *u, u64 lo, u64 hi)
{
	struct drop d = { .lo = lo, .hi = hi, .at_most = u->nr_live };

	if (hi - lo == 1ull << TLB_TAG_SPACE_SHIFT) {
		const u32 *live = u->live[unit_bucket(lo)];

		d.at_most = 0;
		for (u32 cls = 0; cls < NR_TLB_CLASSES; cls++)
			d.at_most += live[cls];
	}
	if (d.at_most)
		unit_each(u, drop_one, &d);
	return d.nr;
}

void unit_begin_near(struct tlb_unit *u)
{
	if (!u->near || u->counts_near)
		return;
	for (u32 slot = 0; slot < nr_padded(u); slot++)
		if (u->tag[slot])
			unit_count_near(u, u->tag[slot], 1);
	u->counts_near = true;
	u->nr_odd++;
}

/* By the counts as they are, and as they should be. */
static bool near_is_right(const struct tlb_unit *u)
{
	u32 near[UNIT_NR_NEAR] = { 0 };

	if (!u->counts_near)
		return true;
	for (u32 slot = 0; slot < nr_padded(u); slot++)
		if (u->tag[slot] && unit_class(u->tag[slot]) <= TLB_BLOCK)
			near[unit_near(u, u->tag[slot])]++;
	return !memcmp(near, u->near, sizeof(near));
}

static const char *check_slot(const struct tlb_unit *u, u32 slot)
{
	const struct tlb_entry *e = &u->entry[slot];
	enum tlb_class cls = unit_class(u->tag[slot]);
	u32 set = slot / u->stride;

	if (slot % u->stride >= u->nr_ways)
		return "an entry in the padding";
	if (e->order != u->order[cls] || (cls == TLB_BLOCK && !e->order) ||
	    (cls == TLB_2M_BLOCK && e->order == u->order[TLB_2M]))
		return "tag and entry disagree on the size";
	if (e->vpn & tlb_order_mask(e->order) ||
	    unit_tag(u->tag[slot] >> TLB_TAG_SPACE_SHIFT << TLB_TAG_SPACE_SHIFT,
		     e->vpn, cls, e->order) != u->tag[slot])
		return "tag and entry disagree on the page";
	if (unit_set(u, 0, (e->vpn & TLB_TAG_VPN) >> e->order) !=
	    (u->thread_sets ? set % u->thread_sets : set))
		return "an entry in a set of others";
	if (unit_find(u, set, u->tag[slot]) != slot)
		return "an entry that is not found, or twice there";
	if (!(u->used[set / 64] >> set % 64 & 1))
		return "an entry in a set that seems empty";
	return NULL;
}

const char *unit_check(const struct tlb_unit *u)
{
	u32 live[UNIT_NR_BUCKETS][NR_TLB_CLASSES] = { { 0 } };
	u32 nr_live = 0, nr_pieces = 0;

	for (u32 slot = 0; slot < nr_padded(u); slot++) {
		u32 set = slot / u->stride, way = slot % u->stride;
		u64 tag = u->tag[slot];
		const char *wrong;

		if (way < u->nr_ways && (tag != 0) !=
		    (u->valid[(size_t)set * u->words + way / 64] >>
		     way % 64 & 1))
			return "a valid bit and a tag disagree";
		if (!tag)
			continue;
		wrong = check_slot(u, slot);
		if (wrong)
			return wrong;
		live[unit_bucket(tag)][unit_class(tag)]++;
		nr_pieces += u->entry[slot].piece_of != 0;
		nr_live++;
	}
	if (nr_live != u->nr_live || nr_pieces != u->nr_pieces ||
	    memcmp(live, u->live, sizeof(live)) != 0)
		return "live entries miscounted";
	if (u->nr_odd != nr_pieces + u->counts_near + is_odd_shape(u))
		return "what is odd miscounted";
	if (!near_is_right(u))
		return "4K pages by 2 MiB miscounted";
	return NULL;
}
