/* Paging-structure caches: lists, and what is the same of rows and lists. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "tlb/psc_level.h"

static u16 *head_of(const struct psc_level *l, u64 tag)
{
	return &l->head[tag * 0x9e3779b97f4a7c15ull >> l->hash_shift];
}

static inline struct psc_set *set_of(const struct psc_level *l, u64 tag)
{
	return &l->set[psc_set_index(l, tag)];
}

/* ---- lists ------------------------------------------------------------------ */

static void unlink_slot(struct psc_level *l, struct psc_set *set, u16 i)
{
	struct psc_slot *s = &l->slot[i];

	if (s->younger == PSC_NONE)
		set->youngest = s->older;
	else
		l->slot[s->younger].older = s->older;
	if (s->older == PSC_NONE)
		set->oldest = s->younger;
	else
		l->slot[s->older].younger = s->younger;
}

static void unchain(struct psc_level *l, u16 i)
{
	u16 *p = head_of(l, l->tag[i]);

	while (*p != i)
		p = &l->slot[*p].chain;
	*p = l->slot[i].chain;
}

/* ---- either ------------------------------------------------------------------ */

static inline u32 way_of(const struct psc_level *l, const struct psc_set *set, u16 i)
{
	return i - (u32)(set - l->set) * l->stride;
}

static inline void make_youngest(struct psc_level *l, struct psc_set *set, u16 i)
{
	struct psc_slot *s = &l->slot[i];

	if (likely(!l->head)) {
		set->row = row_to_front(set->row, way_of(l, set, i));
		return;
	}
	if (s->younger == PSC_NONE)
		return;
	unlink_slot(l, set, i);
	s->younger = PSC_NONE;
	s->older = set->youngest;
	l->slot[set->youngest].younger = i;
	set->youngest = i;
}

/* Free slots are taken before any that hold something. */
static void make_oldest(struct psc_level *l, struct psc_set *set, u16 i)
{
	struct psc_slot *s = &l->slot[i];

	if (!l->head) {
		set->row = row_to_back(set->row, way_of(l, set, i),
				       l->oldest_shift);
		return;
	}
	if (set->oldest == i)
		return;
	unlink_slot(l, set, i);
	s->older = PSC_NONE;
	s->younger = set->oldest;
	l->slot[set->oldest].older = i;
	set->oldest = i;
}

static inline u16 find(const struct psc_level *l, u64 tag)
{
	u16 i;

	if (likely(!l->head))
		return psc_row_find(l, tag);
	i = *head_of(l, tag);
	while (i != PSC_NONE && l->tag[i] != tag)
		i = l->slot[i].chain;
	return i;
}

static void drop(struct psc_level *l, u16 i)
{
	struct psc_set *set = set_of(l, l->tag[i]);

	if (l->head)
		unchain(l, i);
	if (l->last == l->tag[i])
		l->last = 0;
	l->tag[i] = 0;
	l->nr_live--;
	make_oldest(l, set, i);
}

/* ---- creation ------------------------------------------------------------------ */

static int hash_init(struct psc_level *l, u32 n)
{
	u32 bits = 2;

	while (1u << bits < 4 * n)
		bits++;
	l->hash_shift = 64 - bits;
	l->head = malloc(sizeof(*l->head) << bits);
	if (!l->head)
		return -ENOMEM;
	for (u32 i = 0; i < 1u << bits; i++)
		l->head[i] = PSC_NONE;
	for (u32 i = 0; i < n; i++) {
		u32 way = i % l->nr_ways;

		l->slot[i].younger = way ? (u16)(i - 1) : PSC_NONE;
		l->slot[i].older = way + 1 < l->nr_ways ? (u16)(i + 1) : PSC_NONE;
	}
	for (u32 i = 0; i < l->nr_sets; i++) {
		l->set[i].youngest = (u16)(i * l->nr_ways);
		l->set[i].oldest = (u16)((i + 1) * l->nr_ways - 1);
	}
	return 0;
}

static int level_init(struct psc_level *l, u32 nr_sets, u32 nr_ways, u32 shift)
{
	bool is_row = nr_ways <= ROW_WAYS;
	u32 n;

	if (!nr_sets || nr_sets > PSC_MAX_ENTRIES ||
	    nr_ways > PSC_MAX_ENTRIES / nr_sets)
		return -EINVAL;
	l->nr_ways = nr_ways;
	l->nr_sets = nr_sets;
	l->stride = is_row ? (nr_ways + 3) & ~3u : nr_ways;
	l->oldest_shift = row_oldest_shift(nr_ways);
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
		l->set[i].row = row_first(nr_ways);
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

static inline void use(struct psc_level *l, struct psc_set *set, u64 tag, u16 i)
{
	l->last = tag;
	l->last_slot = i;
	make_youngest(l, set, i);
}

/* The slot that has @tag, the youngest of its set now; or PSC_NONE. */
static inline u16 look(struct psc_level *l, u64 tag)
{
	u16 i;

	if (l->last == tag)
		return l->last_slot;
	i = find(l, tag);
	if (i == PSC_NONE)
		l->missed = tag;
	else
		use(l, set_of(l, tag), tag, i);
	return i;
}

bool psc_lookup(struct psc *p, u32 space, u64 vpn, struct psc_hit *hit)
{
	for (u32 i = 1; i <= p->top; i++) {
		struct psc_level *l = &p->level[i];
		const struct psc_slot *s;
		u16 at;

		if (!l->nr_live)
			continue;
		at = look(l, psc_tag(l, space, vpn));
		if (at == PSC_NONE)
			continue;
		s = &l->slot[at];
		hit->level = i;
		hit->table = s->table;
		hit->rights = s->rights;
		return true;
	}
	return false;
}

static u16 list_put(struct psc_level *l, u64 tag)
{
	struct psc_set *set = set_of(l, tag);
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

/* What is not a new tag in a row. */
static __attribute__((noinline)) void fill_any(struct psc_level *l, u64 tag,
						u64 table, u64 rights)
{
	u16 i = l->missed == tag ? PSC_NONE : find(l, tag);

	if (i == PSC_NONE && !l->head) {
		psc_row_put(l, tag, table, rights);
		return;
	}
	if (i == PSC_NONE)
		i = list_put(l, tag);
	use(l, set_of(l, tag), tag, i);
	l->missed = 0;
	l->slot[i].table = table;
	l->slot[i].rights = rights;
}

void psc_fill(struct psc *p, u32 space, u64 vpn, u32 level, u64 table,
	      u64 rights)
{
	struct psc_level *l = &p->level[level];
	u64 tag = psc_tag(l, space, vpn);

	assert(level && level < PSC_MAX_LEVELS && space < PSC_MAX_SPACE);
	if (likely(l->missed == tag && !l->head))
		psc_row_put(l, tag, table, rights);
	else if (l->nr_ways)
		fill_any(l, tag, table, rights);
}

/* ---- invalidation ------------------------------------------------------------------ */

static u32 nr_slots(const struct psc_level *l)
{
	return l->nr_sets * l->stride;
}

/* Entries for which (tag & @mask) == @want. */
static u32 drop_matching(struct psc *p, u64 mask, u64 want)
{
	u32 n = 0;

	for (u32 i = 1; i <= p->top; i++) {
		struct psc_level *l = &p->level[i];

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
	return drop_matching(p, ~0ull << PSC_PAGE_BITS,
			     PSC_VALID | (u64)space << PSC_PAGE_BITS);
}

u32 psc_flush_thread(struct psc *p, u32 thread)
{
	return drop_matching(p, ~0ull << (PSC_PAGE_BITS + PSC_PCID_BITS),
			     PSC_VALID | (u64)psc_space(thread, 0) <<
			     PSC_PAGE_BITS);
}

u32 psc_flush_all(struct psc *p)
{
	return drop_matching(p, PSC_VALID, PSC_VALID);
}

u32 psc_invlpg_one(struct psc *p, u32 space, u64 vpn)
{
	u32 n = 0;

	for (u32 i = 1; i <= p->top; i++) {
		struct psc_level *l = &p->level[i];
		u16 at = l->nr_live ? find(l, psc_tag(l, space, vpn)) : PSC_NONE;

		if (at != PSC_NONE) {
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
static u16 slot_of_age(const struct psc_level *l, u32 set, u32 age, u16 younger)
{
	if (!l->head)
		return (u16)(set * l->stride + (l->set[set].row >> 4 * age & 15));
	return age ? l->slot[younger].older : l->set[set].youngest;
}

static const char *check_slot(const struct psc_level *l, u32 set, u16 i)
{
	if (i == PSC_NONE || i / l->stride != set ||
	    i % l->stride >= l->nr_ways)
		return "a set's order leaves the set";
	if (l->tag[i] && psc_set_index(l, l->tag[i]) != set)
		return "an entry is in the wrong set";
	if (l->tag[i] && find(l, l->tag[i]) != i)
		return "an entry cannot be found, or is there twice";
	return NULL;
}

static const char *check_set(const struct psc_level *l, u32 set)
{
	bool is_free = false, was_there[PSC_MAX_ENTRIES] = { false };
	u16 younger = PSC_NONE, i = PSC_NONE;

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
		const struct psc_level *l = &p->level[i];
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
