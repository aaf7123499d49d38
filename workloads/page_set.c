/* page_set.c - open addressing; an entry covers 64 neighbouring pages. */
#include "workloads/page_set.h"

#include <errno.h>
#include <stdlib.h>

/* bits == 0: free. */
struct page_group {
	u64 key, bits;
};

static struct page_group *page_group(const struct page_set *s, u64 key)
{
	u64 mask = ~0ull >> s->shift;
	u64 i = (key * 0x9e3779b97f4a7c15ull) >> s->shift;

	while (s->slot[i].bits && s->slot[i].key != key)
		i = (i + 1) & mask;
	return &s->slot[i];
}

static int page_set_grow(struct page_set *s)
{
	struct page_set big = { .shift = s->slot ? s->shift - 1 : 54 };
	u64 nr = s->slot ? (~0ull >> s->shift) + 1 : 0;

	big.slot = calloc((~0ull >> big.shift) + 1, sizeof(*big.slot));
	if (!big.slot)
		return -ENOMEM;
	for (u64 i = 0; i < nr; i++)
		if (s->slot[i].bits)
			*page_group(&big, s->slot[i].key) = s->slot[i];
	big.used = s->used;
	free(s->slot);
	*s = big;
	return 0;
}

int page_set_add(struct page_set *s, u64 vpn)
{
	struct page_group *g;
	u64 bit = 1ull << (vpn & 63);

	if (!s->slot || s->used > (~0ull >> s->shift) / 2) {
		int ret = page_set_grow(s);

		if (ret)
			return ret;
	}
	g = page_group(s, vpn >> 6);
	if (g->bits & bit)
		return 0;
	if (!g->bits) {
		g->key = vpn >> 6;
		s->used++;
	}
	g->bits |= bit;
	return 1;
}

void page_set_free(struct page_set *s)
{
	free(s->slot);
	*s = (struct page_set){ 0 };
}
