/* A set is a line of time slots, one bit each: set where a page of the set was
 * accessed last. The distance of an access is the number of bits after the
 * page's own, which then moves to the end. Bits are counted word by word when
 * few words lie between, else by a Fenwick tree over the words. When the slots
 * run out, the pages close up, in order; that pays for itself, since at least
 * half of the slots were empty, or their number doubles. */
#include "tlb/stack.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u
#define FEW_WORDS 8u            /* counted faster than a tree is descended    */
#define NO_SLOT UINT32_MAX

struct set {
	u64 *bits;              /* [nr_words]                                 */
	u32 *tree;              /* [1..nr_words], NULL while nr_words is small */
	u32 *owner;             /* [nr_words * 64] page id, where bit is set  */
	u32 nr_words;           /* 0: never accessed                          */
	u32 now;                /* next slot                                  */
	u32 live;               /* bits set                                   */
};

struct member {
	struct stack_member def;
	u32 shift;              /* xor: log2 of nr_sets                       */
	bool is_refining;       /* every set is within one of the member before */
	struct set *set;        /* [nr_sets]                                  */
	u64 *hist;              /* [room] accesses by distance                */
	u64 room;
	u64 depth;
};

struct stack {
	u32 nr;
	struct member member[STACK_MAX_MEMBERS];

	/* Pages by number, open addressing; ids count from 0. */
	u64 *key;               /* [nr_buckets]                               */
	u32 *id;                /* [nr_buckets] 1 + id, 0: free               */
	u32 nr_buckets;         /* power of two                               */
	u32 nr_pages;
	u32 *slot;              /* [id * nr + member] where its bit is        */
	u32 page_room;

	u64 last_page;          /* valid once nr_pages > 0                    */
	u64 repeats;            /* distance 0 in every member, not in hist    */
	u64 accesses;
};

/* ---- members ---------------------------------------------------------------- */

static bool is_valid(const struct stack_member *m)
{
	bool is_power = !(m->nr_sets & (m->nr_sets - 1));

	return m->nr_sets >= 1 && m->nr_sets <= TLB_MAX_SETS &&
		(m->index == TLB_INDEX_LINEAR ||
		 (m->index == TLB_INDEX_XOR && is_power));
}

/* Two pages of one set of @fine are of one set of @coarse, too. */
static bool refines(const struct stack_member *fine,
		    const struct stack_member *coarse)
{
	if (coarse->nr_sets == 1)
		return true;
	return fine->index == TLB_INDEX_LINEAR &&
		coarse->index == TLB_INDEX_LINEAR &&
		fine->nr_sets % coarse->nr_sets == 0;
}

static u32 set_of(const struct member *m, u64 page)
{
	if (m->def.nr_sets == 1)
		return 0;
	if (m->def.index == TLB_INDEX_XOR)
		page ^= page >> m->shift;
	return (u32)(page % m->def.nr_sets);
}

int stack_create(struct stack **out, const struct stack_member *member,
		 u32 nr_members)
{
	struct stack *s;

	if (nr_members < 1 || nr_members > STACK_MAX_MEMBERS)
		return -EINVAL;
	for (u32 i = 0; i < nr_members; i++)
		if (!is_valid(&member[i]))
			return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->nr = nr_members;
	for (u32 i = 0; i < nr_members; i++) {
		struct member *m = &s->member[i];

		m->def = member[i];
		m->shift = (u32)__builtin_ctz(m->def.nr_sets);
		m->is_refining = i && refines(&member[i], &member[i - 1]);
		m->set = calloc(m->def.nr_sets, sizeof(*m->set));
		if (!m->set) {
			stack_destroy(s);
			return -ENOMEM;
		}
	}
	*out = s;
	return 0;
}

static void set_release(struct set *set)
{
	free(set->bits);
	free(set->tree);
	free(set->owner);
}

void stack_destroy(struct stack *s)
{
	if (!s)
		return;
	for (u32 i = 0; i < s->nr; i++) {
		struct member *m = &s->member[i];

		for (u32 k = 0; m->set && k < m->def.nr_sets; k++)
			set_release(&m->set[k]);
		free(m->set);
		free(m->hist);
	}
	free(s->key);
	free(s->id);
	free(s->slot);
	free(s);
}

/* ---- pages by number ---------------------------------------------------------- */

static u32 bucket_of(const struct stack *s, u64 page)
{
	/* Fibonacci hashing; the high bits are the mixed ones. */
	u64 h = page * 0x9e3779b97f4a7c15ull;
	u32 i = (u32)(h >> 32) & (s->nr_buckets - 1);

	while (s->id[i] && s->key[i] != page)
		i = (i + 1) & (s->nr_buckets - 1);
	return i;
}

static int grow_buckets(struct stack *s)
{
	u32 old_nr = s->nr_buckets, nr = old_nr ? 2 * old_nr : 1024;
	u64 *old_key = s->key, *key = malloc(nr * sizeof(*key));
	u32 *old_id = s->id, *id = calloc(nr, sizeof(*id));

	if (!key || !id || old_nr > UINT32_MAX / 4) {
		free(key);
		free(id);
		return -ENOMEM;
	}
	s->key = key;
	s->id = id;
	s->nr_buckets = nr;
	for (u32 i = 0; i < old_nr; i++) {
		u32 k;

		if (!old_id[i])
			continue;
		k = bucket_of(s, old_key[i]);
		s->key[k] = old_key[i];
		s->id[k] = old_id[i];
	}
	free(old_key);
	free(old_id);
	return 0;
}

static int grow_pages(struct stack *s)
{
	u32 room = s->page_room ? 2 * s->page_room : 512;
	u32 *slot = realloc(s->slot, (size_t)room * s->nr * sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	s->slot = slot;
	s->page_room = room;
	return 0;
}

/* The id of @page, a new one if need be. */
static int page_id(struct stack *s, u64 page, u32 *out)
{
	u32 i;

	if (s->nr_pages >= s->nr_buckets / 2 && grow_buckets(s))
		return -ENOMEM;
	i = bucket_of(s, page);
	if (!s->id[i]) {
		if (s->nr_pages == s->page_room && grow_pages(s))
			return -ENOMEM;
		for (u32 m = 0; m < s->nr; m++)
			s->slot[(size_t)s->nr_pages * s->nr + m] = NO_SLOT;
		s->key[i] = page;
		s->id[i] = ++s->nr_pages;
	}
	*out = s->id[i] - 1;
	return 0;
}

/* ---- one set --------------------------------------------------------------------- */

static void tree_add(struct set *set, u32 word, u32 by)
{
	if (!set->tree)
		return;
	for (u32 i = word + 1; i <= set->nr_words; i += i & -i)
		set->tree[i] += by;
}

/* Bits in words [0, word]. */
static u32 tree_sum(const struct set *set, u32 word)
{
	u32 n = 0;

	for (u32 i = word + 1; i; i -= i & -i)
		n += set->tree[i];
	return n;
}

static void tree_rebuild(struct set *set)
{
	if (!set->tree)
		return;
	memset(set->tree, 0, (set->nr_words + 1) * sizeof(*set->tree));
	for (u32 i = 1; i <= set->nr_words; i++) {
		u32 up = i + (i & -i);

		set->tree[i] += (u32)__builtin_popcountll(set->bits[i - 1]);
		if (up <= set->nr_words)
			set->tree[up] += set->tree[i];
	}
}

static u32 bits_after(const struct set *set, u32 slot)
{
	u32 word = slot / WORD_BITS, last = (set->now - 1) / WORD_BITS;
	u32 n = (u32)__builtin_popcountll(set->bits[word] >>
					  (slot % WORD_BITS) >> 1);

	if (last - word > FEW_WORDS)
		return n + set->live - tree_sum(set, word);
	while (word++ < last)
		n += (u32)__builtin_popcountll(set->bits[word]);
	return n;
}

static int set_double(struct set *set)
{
	u32 nr = set->nr_words ? 2 * set->nr_words : 1;
	u64 *bits = realloc(set->bits, nr * sizeof(*bits));
	u32 *owner;

	if (!bits)
		return -ENOMEM;
	set->bits = bits;
	memset(bits + set->nr_words, 0, (nr - set->nr_words) * sizeof(*bits));
	owner = realloc(set->owner, (size_t)nr * WORD_BITS * sizeof(*owner));
	if (!owner)
		return -ENOMEM;
	set->owner = owner;
	if (nr > FEW_WORDS) {
		u32 *tree = realloc(set->tree, (nr + 1) * sizeof(*tree));

		if (!tree)
			return -ENOMEM;
		set->tree = tree;
	}
	set->nr_words = nr;
	return 0;
}

/* Pages move down to slots 0 .. live - 1, in order. */
static void close_up(struct stack *s, u32 m, struct set *set)
{
	u32 to = 0;

	for (u32 w = 0; w < set->nr_words; w++) {
		for (u64 left = set->bits[w]; left; left &= left - 1) {
			u32 from = w * WORD_BITS +
				(u32)__builtin_ctzll(left);
			u32 id = set->owner[from];

			set->owner[to] = id;
			s->slot[(size_t)id * s->nr + m] = to++;
		}
		set->bits[w] = 0;
	}
	assert(to == set->live);
	for (u32 w = 0; w < to / WORD_BITS; w++)
		set->bits[w] = ~0ull;
	if (to % WORD_BITS)
		set->bits[to / WORD_BITS] = (1ull << to % WORD_BITS) - 1;
	set->now = to;
}

static int make_room(struct stack *s, u32 m, struct set *set)
{
	close_up(s, m, set);
	if (2 * set->live >= set->nr_words * WORD_BITS && set_double(set))
		return -ENOMEM;
	tree_rebuild(set);
	return 0;
}

static void set_bit(struct set *set, u32 slot, u32 id)
{
	set->bits[slot / WORD_BITS] |= 1ull << slot % WORD_BITS;
	set->owner[slot] = id;
	tree_add(set, slot / WORD_BITS, 1);
	set->live++;
}

static void clear_bit(struct set *set, u32 slot)
{
	set->bits[slot / WORD_BITS] &= ~(1ull << slot % WORD_BITS);
	tree_add(set, slot / WORD_BITS, (u32)-1);
	set->live--;
}

/* ---- accesses ---------------------------------------------------------------------- */

static int count(struct member *m, u64 distance)
{
	if (distance >= m->room) {
		u64 room = m->room ? m->room : 64;
		u64 *hist;

		while (room <= distance)
			room *= 2;
		hist = realloc(m->hist, room * sizeof(*hist));
		if (!hist)
			return -ENOMEM;
		memset(hist + m->room, 0, (room - m->room) * sizeof(*hist));
		m->hist = hist;
		m->room = room;
	}
	m->hist[distance]++;
	if (distance >= m->depth)
		m->depth = distance + 1;
	return 0;
}

/* Moves page @id to the end of its set. *@is_first: it was there already, and
 * nothing has changed but the histogram. */
static int member_access(struct stack *s, u32 i, u64 page, u32 id,
			 bool *is_first)
{
	struct member *m = &s->member[i];
	struct set *set = &m->set[set_of(m, page)];
	u32 *slot = &s->slot[(size_t)id * s->nr + i];

	*is_first = *slot != NO_SLOT && *slot + 1 == set->now;
	if (*is_first)
		return count(m, 0);
	if (set->now == set->nr_words * WORD_BITS && make_room(s, i, set))
		return -ENOMEM;
	if (*slot != NO_SLOT) {
		if (count(m, bits_after(set, *slot)))
			return -ENOMEM;
		clear_bit(set, *slot);
	}
	*slot = set->now++;
	set_bit(set, *slot, id);
	return 0;
}

int stack_access(struct stack *s, u64 page, u64 n)
{
	bool is_first = false;
	u32 id;

	assert(n);
	s->accesses += n;
	if (s->nr_pages && page == s->last_page) {
		s->repeats += n;
		return 0;
	}
	s->repeats += n - 1;
	s->last_page = page;
	if (page_id(s, page, &id))
		return -ENOMEM;
	for (u32 i = 0; i < s->nr; i++) {
		int rc = is_first && s->member[i].is_refining
			? count(&s->member[i], 0)
			: member_access(s, i, page, id, &is_first);

		if (rc)
			return rc;
	}
	return 0;
}

/* ---- results ------------------------------------------------------------------------ */

u64 stack_accesses(const struct stack *s)
{
	return s->accesses;
}

u64 stack_pages(const struct stack *s)
{
	return s->nr_pages;
}

u64 stack_at(const struct stack *s, u32 m, u64 distance)
{
	u64 n = distance < s->member[m].room ? s->member[m].hist[distance] : 0;

	return distance ? n : n + s->repeats;
}

u64 stack_misses(const struct stack *s, u32 m, u64 ways)
{
	u64 hits = 0, depth = stack_depth(s, m);

	for (u64 d = 0; d < ways && d < depth; d++)
		hits += stack_at(s, m, d);
	return s->accesses - hits;
}

u64 stack_depth(const struct stack *s, u32 m)
{
	u64 depth = s->member[m].depth;

	return depth || !s->repeats ? depth : 1;
}
