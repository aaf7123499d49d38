/* Paging-structure caches. A cache of one level is a pool of slots. The ways of
 * a set are in order of age, youngest first: in sets of up to ROW_WAYS a word of
 * four bits a way, and tags are compared side by side; in larger ones a list, and
 * what holds something is on one chain of a hash table. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "tlb/psc.h"
#include "tlb/unit.h"

#define NONE UINT16_MAX
/* A tag is the page number at the level below the space; 0 is no tag, since
 * bit 63 is set in all others. */
#define TAG_PAGE_BITS 44
#define TAG_VALID (1ull << 63)
#define MAX_SPACE (1u << (63 - TAG_PAGE_BITS))

#define ROW_WAYS 16u
#define NIBBLES 0x1111111111111111ull

struct slot {
	u64 table;
	u64 rights;
	u16 chain;              /* next of the same hash                      */
	u16 older, younger;     /* in the set                                 */
};

struct set {
	u64 row;                /* ways, four bits each, youngest lowest      */
	u16 youngest, oldest;   /* of a list                                  */
};

struct level {
	u64 *tag;               /* [slot]: set * stride + way                 */
	struct slot *slot;
	struct set *set;
	u16 *head;              /* [hash]; NULL: rows                         */
	u32 nr_ways, nr_sets;
	u32 stride;             /* ways, of rows rounded up to four           */
	u32 oldest_shift;       /* of a row: its last way                     */
	u32 set_mask;
	bool is_pow2;           /* nr_sets                                    */
	u32 hash_shift;         /* of 64-bit products                         */
	u32 shift;              /* page = vpn >> shift                        */
	u32 nr_live;
	u64 missed;             /* the tag that the last lookup did not find,
				 * if nothing was filled since; 0: none       */
	u64 last;               /* the tag used last, in last_slot: the youngest
				 * of its set. 0: none                        */
	u16 last_slot;
};

struct psc {
	u32 top;                /* highest level there is a cache for, or 0   */
	struct level level[PSC_MAX_LEVELS];
};

static inline u64 tag_of(const struct level *l, u32 space, u64 vpn)
{
	return TAG_VALID | (u64)space << TAG_PAGE_BITS | vpn >> l->shift;
}

static u16 *head_of(const struct level *l, u64 tag)
{
	return &l->head[tag * 0x9e3779b97f4a7c15ull >> l->hash_shift];
}

static inline u32 set_index(const struct level *l, u64 tag)
{
	u64 page = tag & ((1ull << TAG_PAGE_BITS) - 1);

	return likely(l->is_pow2) ? (u32)page & l->set_mask
				  : (u32)(page % l->nr_sets);
}

static inline struct set *set_of(const struct level *l, u64 tag)
{
	return &l->set[set_index(l, tag)];
}

/* ---- rows -------------------------------------------------------------------- */

/* Four times the age of @way: the first nibble that is it. Borrows of the
 * subtraction go upwards only. */
static inline u32 row_at(u64 row, u32 way)
{
	u64 x = row ^ way * NIBBLES;

	return (u32)__builtin_ctzll((x - NIBBLES) & ~x & 8 * NIBBLES) & ~3u;
}

static inline u64 row_to_front(u64 row, u32 way)
{
	u32 at = row_at(row, way);
	u64 younger = row & ((1ull << at) - 1);
	u64 older = row >> at >> 4 << at << 4;

	return older | younger << 4 | way;
}

static u64 row_to_back(u64 row, u32 way, u32 oldest_shift)
{
	u32 at = row_at(row, way);
	u64 younger = row & ((1ull << at) - 1);

	return row >> at >> 4 << at | younger | (u64)way << oldest_shift;
}

static inline u16 row_find(const struct level *l, u64 tag)
{
	u32 first = set_index(l, tag) * l->stride;
	u32 m = unit_match4(l->tag + first, tag);

	for (u32 i = 4; i < l->stride; i += 4)
		m |= unit_match4(l->tag + first + i, tag) << i;
	return m ? (u16)(first + (u32)__builtin_ctz(m)) : NONE;
}

/* ---- lists ------------------------------------------------------------------ */

static void unlink_slot(struct level *l, struct set *set, u16 i)
{
	struct slot *s = &l->slot[i];

	if (s->younger == NONE)
		set->youngest = s->older;
	else
		l->slot[s->younger].older = s->older;
	if (s->older == NONE)
		set->oldest = s->younger;
	else
		l->slot[s->older].younger = s->younger;
}

static void unchain(struct level *l, u16 i)
{
	u16 *p = head_of(l, l->tag[i]);

	while (*p != i)
		p = &l->slot[*p].chain;
	*p = l->slot[i].chain;
}

/* ---- either ------------------------------------------------------------------ */

static inline u32 way_of(const struct level *l, const struct set *set, u16 i)
{
	return i - (u32)(set - l->set) * l->stride;
}

static inline void make_youngest(struct level *l, struct set *set, u16 i)
{
	struct slot *s = &l->slot[i];

	if (likely(!l->head)) {
		set->row = row_to_front(set->row, way_of(l, set, i));
		return;
	}
	if (s->younger == NONE)
		return;
	unlink_slot(l, set, i);
	s->younger = NONE;
	s->older = set->youngest;
	l->slot[set->youngest].younger = i;
	set->youngest = i;
}

/* Free slots are taken before any that hold something. */
static void make_oldest(struct level *l, struct set *set, u16 i)
{
	struct slot *s = &l->slot[i];

	if (!l->head) {
		set->row = row_to_back(set->row, way_of(l, set, i),
				       l->oldest_shift);
		return;
	}
	if (set->oldest == i)
		return;
	unlink_slot(l, set, i);
	s->older = NONE;
	s->younger = set->oldest;
	l->slot[set->oldest].older = i;
	set->oldest = i;
}

static inline u16 find(const struct level *l, u64 tag)
{
	u16 i;

	if (likely(!l->head))
		return row_find(l, tag);
	i = *head_of(l, tag);
	while (i != NONE && l->tag[i] != tag)
		i = l->slot[i].chain;
	return i;
}

static void drop(struct level *l, u16 i)
{
	struct set *set = set_of(l, l->tag[i]);

	if (l->head)
		unchain(l, i);
	if (l->last == l->tag[i])
		l->last = 0;
	l->tag[i] = 0;
	l->nr_live--;
	make_oldest(l, set, i);
}

/* ---- creation ------------------------------------------------------------------ */

static int hash_init(struct level *l, u32 n)
{
	u32 bits = 2;

	while (1u << bits < 4 * n)
		bits++;
	l->hash_shift = 64 - bits;
	l->head = malloc(sizeof(*l->head) << bits);
	if (!l->head)
		return -ENOMEM;
	for (u32 i = 0; i < 1u << bits; i++)
		l->head[i] = NONE;
	for (u32 i = 0; i < n; i++) {
		u32 way = i % l->nr_ways;

		l->slot[i].younger = way ? (u16)(i - 1) : NONE;
		l->slot[i].older = way + 1 < l->nr_ways ? (u16)(i + 1) : NONE;
	}
	for (u32 i = 0; i < l->nr_sets; i++) {
		l->set[i].youngest = (u16)(i * l->nr_ways);
		l->set[i].oldest = (u16)((i + 1) * l->nr_ways - 1);
	}
	return 0;
}

static int level_init(struct level *l, u32 nr_sets, u32 nr_ways, u32 shift)
{
	bool is_row = nr_ways <= ROW_WAYS;
	u32 n;

	if (!nr_sets || nr_sets > PSC_MAX_ENTRIES ||
	    nr_ways > PSC_MAX_ENTRIES / nr_sets)
		return -EINVAL;
	l->nr_ways = nr_ways;
	l->nr_sets = nr_sets;
	l->stride = is_row ? (nr_ways + 3) & ~3u : nr_ways;
	l->oldest_shift = 4 * (nr_ways - 1);
	l->is_pow2 = !(nr_sets & (nr_sets - 1));
	l->set_mask = nr_sets - 1;
	l->shift = shift;
	n = nr_sets * l->stride;
	l->tag = calloc(n, sizeof(*l->tag));
	l->slot = calloc(n, sizeof(*l->slot));
	l->set = calloc(nr_sets, sizeof(*l->set));
	if (!l->tag || !l->slot || !l->set)
		return -ENOMEM;
	for (u32 i = 0; is_row && i < nr_sets; i++)
		for (u32 way = 0; way < nr_ways; way++)
			l->set[i].row |= (u64)way << 4 * way;
	return is_row ? 0 : hash_init(l, n);
}

int psc_create(struct psc **out, const struct psc_geometry *geo, u32 bits)
{
	struct psc *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	for (u32 i = 1; i < PSC_MAX_LEVELS; i++) {
		int rc;

		if (!geo->nr_ways[i])
			continue;
		rc = level_init(&p->level[i], geo->nr_sets[i], geo->nr_ways[i],
				bits * i);
		if (rc) {
			psc_destroy(p);
			return rc;
		}
		p->top = i;
	}
	*out = p;
	return 0;
}

void psc_destroy(struct psc *p)
{
	if (!p)
		return;
	for (u32 i = 0; i < PSC_MAX_LEVELS; i++) {
		free(p->level[i].tag);
		free(p->level[i].slot);
		free(p->level[i].set);
		free(p->level[i].head);
	}
	free(p);
}

/* ---- use ------------------------------------------------------------------------- */

static inline void use(struct level *l, struct set *set, u64 tag, u16 i)
{
	l->last = tag;
	l->last_slot = i;
	make_youngest(l, set, i);
}

/* The slot that has @tag, the youngest of its set now; or NONE. */
static inline u16 look(struct level *l, u64 tag)
{
	u16 i;

	if (l->last == tag)
		return l->last_slot;
	i = find(l, tag);
	if (i == NONE)
		l->missed = tag;
	else
		use(l, set_of(l, tag), tag, i);
	return i;
}

bool psc_lookup(struct psc *p, u32 space, u64 vpn, struct psc_hit *hit)
{
	for (u32 i = 1; i <= p->top; i++) {
		struct level *l = &p->level[i];
		const struct slot *s;
		u16 at;

		if (!l->nr_live)
			continue;
		at = look(l, tag_of(l, space, vpn));
		if (at == NONE)
			continue;
		s = &l->slot[at];
		hit->level = i;
		hit->table = s->table;
		hit->rights = s->rights;
		return true;
	}
	return false;
}

/* The oldest slot of its set, of a row, becomes @tag's and the youngest. */
static inline u16 row_put(struct level *l, u64 tag)
{
	u32 set = set_index(l, tag);
	u64 row = l->set[set].row;
	u32 way = row >> l->oldest_shift & 15, i = set * l->stride + way;

	l->nr_live += !l->tag[i];
	l->tag[i] = tag;
	/* What is shifted out is where it was. */
	l->set[set].row = ((row << 4) & ((16ull << l->oldest_shift) - 1)) | way;
	return (u16)i;
}

static u16 list_put(struct level *l, u64 tag)
{
	struct set *set = set_of(l, tag);
	u16 i = set->oldest, *head;

	if (l->tag[i])
		unchain(l, i);
	else
		l->nr_live++;
	head = head_of(l, tag);
	l->tag[i] = tag;
	l->slot[i].chain = *head;
	*head = i;
	make_youngest(l, set, i);
	return i;
}

/* @tag takes the oldest slot of its set, unless it has one. */
static u16 put(struct level *l, u64 tag)
{
	u16 i = l->missed == tag ? NONE : find(l, tag);

	if (i != NONE)
		use(l, set_of(l, tag), tag, i);
	else
		i = l->head ? list_put(l, tag) : row_put(l, tag);
	return i;
}

void psc_fill(struct psc *p, u32 space, u64 vpn, u32 level, u64 table,
	      u64 rights)
{
	struct level *l = &p->level[level];
	u64 tag = tag_of(l, space, vpn);
	struct slot *s;
	u16 i;

	assert(level && level < PSC_MAX_LEVELS && space < MAX_SPACE);
	if (likely(l->missed == tag && !l->head))
		i = row_put(l, tag);
	else if (l->last == tag)
		i = l->last_slot;
	else if (l->nr_ways)
		i = put(l, tag);
	else
		return;
	l->missed = 0;
	l->last = tag;
	l->last_slot = i;
	s = &l->slot[i];
	s->table = table;
	s->rights = rights;
}

/* ---- invalidation ------------------------------------------------------------------ */

static u32 nr_slots(const struct level *l)
{
	return l->nr_sets * l->stride;
}

/* Entries for which (tag & @mask) == @want. */
static u32 drop_matching(struct psc *p, u64 mask, u64 want)
{
	u32 n = 0;

	for (u32 i = 1; i <= p->top; i++) {
		struct level *l = &p->level[i];

		for (u32 k = 0; l->nr_live && k < nr_slots(l); k++)
			if ((l->tag[k] & mask) == want) {
				drop(l, (u16)k);
				n++;
			}
	}
	return n;
}

u32 psc_flush_space(struct psc *p, u32 space)
{
	return drop_matching(p, ~0ull << TAG_PAGE_BITS,
			     TAG_VALID | (u64)space << TAG_PAGE_BITS);
}

u32 psc_flush_thread(struct psc *p, u32 thread)
{
	return drop_matching(p, ~0ull << (TAG_PAGE_BITS + PSC_PCID_BITS),
			     TAG_VALID | (u64)psc_space(thread, 0) <<
			     TAG_PAGE_BITS);
}

u32 psc_flush_all(struct psc *p)
{
	return drop_matching(p, TAG_VALID, TAG_VALID);
}

u32 psc_invlpg_one(struct psc *p, u32 space, u64 vpn)
{
	u32 n = 0;

	for (u32 i = 1; i <= p->top; i++) {
		struct level *l = &p->level[i];
		u16 at = l->nr_live ? find(l, tag_of(l, space, vpn)) : NONE;

		if (at != NONE) {
			drop(l, at);
			n++;
		}
	}
	return n;
}

/* ---- for tests ----------------------------------------------------------------------- */

u32 psc_nr_live(const struct psc *p)
{
	u32 n = 0;

	for (u32 i = 1; i <= p->top; i++)
		n += p->level[i].nr_live;
	return n;
}

/* The slot that is @age in @set, the youngest being 0; @younger is the one before. */
static u16 slot_of_age(const struct level *l, u32 set, u32 age, u16 younger)
{
	if (!l->head)
		return (u16)(set * l->stride + (l->set[set].row >> 4 * age & 15));
	return age ? l->slot[younger].older : l->set[set].youngest;
}

static const char *check_slot(const struct level *l, u32 set, u16 i)
{
	if (i == NONE || i / l->stride != set ||
	    i % l->stride >= l->nr_ways)
		return "a set's order leaves the set";
	if (l->tag[i] && set_index(l, l->tag[i]) != set)
		return "an entry is in the wrong set";
	if (l->tag[i] && find(l, l->tag[i]) != i)
		return "an entry cannot be found, or is there twice";
	return NULL;
}

static const char *check_set(const struct level *l, u32 set)
{
	bool is_free = false, was_there[PSC_MAX_ENTRIES] = { false };
	u16 younger = NONE, i = NONE;

	for (u32 age = 0; age < l->nr_ways; age++, younger = i) {
		const char *broken;

		i = slot_of_age(l, set, age, younger);
		broken = check_slot(l, set, i);
		if (broken)
			return broken;
		if (was_there[i % l->stride])
			return "a set's order has a slot twice";
		was_there[i % l->stride] = true;
		if (l->head && l->slot[i].younger != younger)
			return "a set's list is not the same both ways";
		if (is_free && l->tag[i])
			return "a free slot is younger than a used one";
		is_free = !l->tag[i];
	}
	if (l->head && l->set[set].oldest != i)
		return "a set's list misses slots";
	return NULL;
}

const char *psc_check(const struct psc *p)
{
	for (u32 i = 1; i <= p->top; i++) {
		const struct level *l = &p->level[i];
		u32 live = 0;

		for (u32 k = 0; k < nr_slots(l); k++)
			live += l->tag[k] != 0;
		if (live != l->nr_live)
			return "nr_live is wrong";
		for (u32 set = 0; set < l->nr_sets; set++) {
			const char *broken = check_set(l, set);

			if (broken)
				return broken;
		}
	}
	return NULL;
}
