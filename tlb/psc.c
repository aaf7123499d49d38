/* Paging-structure caches. A cache of one level is a pool of slots; a slot is
 * on its set's list, youngest first, and while it holds something on one chain
 * of a hash table. So lookups and fills cost the same for 4 ways and for 64. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "tlb/psc.h"

#define NONE UINT16_MAX
/* A tag is the page number at the level below the space; 0 is no tag, since
 * bit 63 is set in all others. */
#define TAG_PAGE_BITS 44
#define TAG_VALID (1ull << 63)
#define MAX_SPACE (1u << (63 - TAG_PAGE_BITS))

struct slot {
	u64 tag;
	u64 table;
	u64 rights;
	u16 chain;              /* next of the same hash                      */
	u16 older, younger;     /* in the set                                 */
};

struct set {
	u16 youngest, oldest;
};

struct level {
	struct slot *slot;
	struct set *set;
	u16 *head;              /* [hash]                                     */
	u32 nr_ways, nr_sets;
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

static u64 tag_of(const struct level *l, u32 space, u64 vpn)
{
	return TAG_VALID | (u64)space << TAG_PAGE_BITS | vpn >> l->shift;
}

static u16 *head_of(const struct level *l, u64 tag)
{
	return &l->head[tag * 0x9e3779b97f4a7c15ull >> l->hash_shift];
}

static u32 set_index(const struct level *l, u64 tag)
{
	u64 page = tag & ((1ull << TAG_PAGE_BITS) - 1);

	return (u32)(l->is_pow2 ? page & (l->nr_sets - 1) : page % l->nr_sets);
}

static struct set *set_of(const struct level *l, u64 tag)
{
	return &l->set[set_index(l, tag)];
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

static void make_youngest(struct level *l, struct set *set, u16 i)
{
	struct slot *s = &l->slot[i];

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

	if (set->oldest == i)
		return;
	unlink_slot(l, set, i);
	s->older = NONE;
	s->younger = set->oldest;
	l->slot[set->oldest].older = i;
	set->oldest = i;
}

static void unchain(struct level *l, u16 i)
{
	u16 *p = head_of(l, l->slot[i].tag);

	while (*p != i)
		p = &l->slot[*p].chain;
	*p = l->slot[i].chain;
}

static u16 find(const struct level *l, u64 tag)
{
	u16 i = *head_of(l, tag);

	while (i != NONE && l->slot[i].tag != tag)
		i = l->slot[i].chain;
	return i;
}

static void drop(struct level *l, u16 i)
{
	struct set *set = set_of(l, l->slot[i].tag);

	unchain(l, i);
	if (l->last == l->slot[i].tag)
		l->last = 0;
	l->slot[i].tag = 0;
	l->nr_live--;
	make_oldest(l, set, i);
}

/* ---- creation ------------------------------------------------------------------ */

static int level_init(struct level *l, u32 nr_sets, u32 nr_ways, u32 shift)
{
	u32 n = nr_sets * nr_ways, bits = 2;

	if (!nr_sets || nr_sets > PSC_MAX_ENTRIES ||
	    nr_ways > PSC_MAX_ENTRIES / nr_sets)
		return -EINVAL;
	while (1u << bits < 4 * n)
		bits++;
	l->nr_ways = nr_ways;
	l->nr_sets = nr_sets;
	l->is_pow2 = !(nr_sets & (nr_sets - 1));
	l->hash_shift = 64 - bits;
	l->shift = shift;
	l->slot = calloc(n, sizeof(*l->slot));
	l->set = calloc(nr_sets, sizeof(*l->set));
	l->head = malloc(sizeof(*l->head) << bits);
	if (!l->slot || !l->set || !l->head)
		return -ENOMEM;
	for (u32 i = 0; i < 1u << bits; i++)
		l->head[i] = NONE;
	for (u32 i = 0; i < n; i++) {
		u32 way = i % nr_ways;

		l->slot[i].younger = way ? (u16)(i - 1) : NONE;
		l->slot[i].older = way + 1 < nr_ways ? (u16)(i + 1) : NONE;
	}
	for (u32 i = 0; i < nr_sets; i++) {
		l->set[i].youngest = (u16)(i * nr_ways);
		l->set[i].oldest = (u16)((i + 1) * nr_ways - 1);
	}
	return 0;
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
	for (struct level *l = &p->level[1]; l <= &p->level[p->top]; l++) {
		const struct slot *s;
		u16 i;

		if (!l->nr_live)
			continue;
		i = look(l, tag_of(l, space, vpn));
		if (i == NONE)
			continue;
		s = &l->slot[i];
		hit->level = (u32)(l - p->level);
		hit->table = s->table;
		hit->rights = s->rights;
		return true;
	}
	return false;
}

/* @tag takes the oldest slot of its set, unless it has one. */
static u16 put(struct level *l, u64 tag)
{
	struct set *set = set_of(l, tag);
	u16 i = NONE, *head;

	if (l->missed != tag)
		i = find(l, tag);
	l->missed = 0;
	if (i == NONE) {
		i = set->oldest;
		if (l->slot[i].tag)
			unchain(l, i);
		else
			l->nr_live++;
		head = head_of(l, tag);
		l->slot[i].tag = tag;
		l->slot[i].chain = *head;
		*head = i;
	}
	use(l, set, tag, i);
	return i;
}

void psc_fill(struct psc *p, u32 space, u64 vpn, u32 level, u64 table,
	      u64 rights)
{
	struct level *l = &p->level[level];
	struct slot *s;
	u64 tag;

	assert(level && level < PSC_MAX_LEVELS && space < MAX_SPACE);
	if (!l->nr_ways)
		return;
	tag = tag_of(l, space, vpn);
	s = &l->slot[l->last == tag ? l->last_slot : put(l, tag)];
	s->table = table;
	s->rights = rights;
}

/* ---- invalidation ------------------------------------------------------------------ */

static u32 nr_slots(const struct level *l)
{
	return l->nr_sets * l->nr_ways;
}

/* Entries for which (tag & @mask) == @want. */
static u32 drop_matching(struct psc *p, u64 mask, u64 want)
{
	u32 n = 0;

	for (u32 i = 1; i <= p->top; i++) {
		struct level *l = &p->level[i];

		for (u32 k = 0; l->nr_live && k < nr_slots(l); k++)
			if ((l->slot[k].tag & mask) == want) {
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

static const char *check_set(const struct level *l, u32 set)
{
	u16 younger = NONE, i = l->set[set].youngest;
	bool is_free = false;
	u32 n = 0;

	for (; i != NONE; younger = i, i = l->slot[i].older, n++) {
		const struct slot *s = &l->slot[i];

		if (n == l->nr_ways || i / l->nr_ways != set)
			return "a set's list leaves the set";
		if (s->younger != younger)
			return "a set's list is not the same both ways";
		if (is_free && s->tag)
			return "a free slot is younger than a used one";
		is_free = !s->tag;
		if (s->tag && set_index(l, s->tag) != set)
			return "an entry is in the wrong set";
		if (s->tag && find(l, s->tag) != i)
			return "an entry cannot be found, or is there twice";
	}
	if (n != l->nr_ways || l->set[set].oldest != younger)
		return "a set's list misses slots";
	return NULL;
}

const char *psc_check(const struct psc *p)
{
	for (u32 i = 1; i <= p->top; i++) {
		const struct level *l = &p->level[i];
		u32 live = 0;

		for (u32 k = 0; k < nr_slots(l); k++)
			live += l->slot[k].tag != 0;
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
