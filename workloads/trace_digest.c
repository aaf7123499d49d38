/* trace_digest.c - sums of runs. */
#include "workloads/trace_digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/trace_file.h"
#include "workloads/trace_format.h"

#define STORE_BIT 128u
#define VPN_MAX ((1ull << 52) - 1)

/* ---- making ---------------------------------------------------------------- */

/* A way of the small TLB. */
struct seen {
	u64 page;               /* vpn + 1; 0: free                           */
	u32 when;
	bool is_stored;
};

struct column {
	u8 *p, *end;
};

struct digest_maker {
	struct seen seen[2][DIGEST_SETS][DIGEST_WAYS];  /* data, code         */
	u32 clock;

	/* The digest that is growing. */
	u32 nr_runs, nr_uses;
	u64 accesses[NR_RUN_USES];
	struct run lead;
	u32 lead_slot;
	u8 use[2 * DIGEST_SLOTS];       /* in order of first use              */
	u32 last[2 * DIGEST_SLOTS];     /* when; 0: not in this digest        */

	u64 last_vpn;
	u32 nr, nr_leads, all_uses;
	struct column head, uses, page;
	u8 *out;
	u8 head_buf[DIGEST_MAX(BLOCK_RUNS)];
	u8 use_buf[BLOCK_RUNS];
	u8 page_buf[10 * BLOCK_RUNS];
};

struct digest_maker *digest_maker_new(void)
{
	struct digest_maker *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	m->out = malloc(DIGEST_MAX(BLOCK_RUNS));
	if (m->out)
		return m;
	free(m);
	return NULL;
}

void digest_maker_free(struct digest_maker *m)
{
	if (m)
		free(m->out);
	free(m);
}

static void put_number(struct column *c, u64 v)
{
	for (; v >= 128; v >>= 7)
		*c->end++ = (u8)(v | 128);
	*c->end++ = (u8)v;
}

static void begin(struct digest_maker *m)
{
	memset(m->seen, 0, sizeof(m->seen));
	memset(m->accesses, 0, sizeof(m->accesses));
	memset(m->last, 0, sizeof(m->last));
	m->clock = m->nr_runs = m->nr_uses = m->lead.count = 0;
	m->nr = m->nr_leads = m->all_uses = 0;
	m->last_vpn = 0;
	m->head.p = m->head.end = m->head_buf;
	m->uses.p = m->uses.end = m->use_buf;
	m->page.p = m->page.end = m->page_buf;
}

static void put_lead(struct digest_maker *m)
{
	u64 vpn = m->lead.va >> PAGE_SHIFT;
	u64 d = vpn - m->last_vpn;

	put_number(&m->head, m->lead_slot);
	put_number(&m->head, m->lead.op);
	put_number(&m->head, m->lead.count);
	put_number(&m->page, d >> 63 ? ~(d << 1) : d << 1);
	m->last_vpn = vpn;
	m->nr_leads++;
}

static void put_uses(struct digest_maker *m)
{
	for (u32 i = 1; i < m->nr_uses; i++) {
		u8 use = m->use[i];
		u32 k = i;

		for (; k && m->last[m->use[k - 1]] > m->last[use]; k--)
			m->use[k] = m->use[k - 1];
		m->use[k] = use;
	}
	for (u32 i = 0; i < m->nr_uses; i++) {
		*m->uses.end++ = m->use[i];
		m->last[m->use[i]] = 0;
	}
	m->all_uses += m->nr_uses;
}

static void close_digest(struct digest_maker *m)
{
	if (!m->nr_runs && !m->lead.count)
		return;
	put_number(&m->head, (u64)m->nr_runs << 1 | (m->lead.count != 0));
	if (m->lead.count)
		put_lead(m);
	if (m->nr_runs) {
		for (u32 i = 0; i < NR_RUN_USES; i++)
			put_number(&m->head, m->accesses[i]);
		put_number(&m->head, m->nr_uses);
		put_uses(m);
	}
	m->nr++;
	memset(m->accesses, 0, sizeof(m->accesses));
	m->nr_runs = m->nr_uses = m->lead.count = 0;
}

/* Return: does the small TLB miss? *@slot: where the page is now. */
static bool look(struct digest_maker *m, const struct run *r, u32 *slot)
{
	u64 vpn = r->va >> PAGE_SHIFT;
	enum run_use use = run_use(r);
	u32 set = vpn % DIGEST_SETS, old = 0, way;
	struct seen *s = m->seen[use == USE_FETCH][set];
	bool is_miss;

	for (way = 0; way < DIGEST_WAYS && s[way].page != vpn + 1; way++)
		if (s[way].when < s[old].when)
			old = way;
	is_miss = way == DIGEST_WAYS;
	if (is_miss)
		s[way = old] = (struct seen){ .page = vpn + 1 };
	is_miss |= use == USE_STORE && !s[way].is_stored;
	s[way].is_stored |= use == USE_STORE;
	s[way].when = ++m->clock;
	*slot = ((use == USE_FETCH) * DIGEST_SETS + set) * DIGEST_WAYS + way;
	return is_miss;
}

static void add(struct digest_maker *m, const struct run *r, u32 slot)
{
	enum run_use use = run_use(r);
	u32 code = slot | (use == USE_STORE ? STORE_BIT : 0);

	if (m->accesses[use] + r->count > UINT32_MAX)
		close_digest(m);
	m->nr_runs++;
	m->accesses[use] += r->count;
	if (!m->last[code])
		m->use[m->nr_uses++] = (u8)code;
	m->last[code] = m->clock;
}

static size_t finish(struct digest_maker *m)
{
	size_t heads = m->head.end - m->head.p, uses = m->uses.end - m->uses.p;
	size_t pages = m->page.end - m->page.p;
	u8 *p = m->out;

	put32(p, m->nr);
	put32(p + 4, (u32)heads);
	put32(p + 8, (u32)uses);
	put32(p + 12, 0);
	p += DIGEST_HEADER_BYTES;
	memcpy(p, m->head.p, heads);
	memcpy(p + heads, m->uses.p, uses);
	memcpy(p + heads + uses, m->page.p, pages);
	return DIGEST_HEADER_BYTES + heads + uses + pages;
}

size_t digest_make(struct digest_maker *m, const struct run *runs, u32 nr_runs,
		   const u32 *event_at, u32 nr_events, const u8 **out)
{
	u32 part = 0, event = 0;

	if (nr_runs < DIGEST_MIN_RUNS)
		return 0;
	begin(m);
	for (u32 i = 0; i < nr_runs; i++) {
		bool is_event = event < nr_events && event_at[event] == i;
		u32 slot;

		while (event < nr_events && event_at[event] == i)
			event++;
		if (is_event || i % TRACE_PART_RUNS == 0)
			part = i;
		if ((i - part) % TRACE_BATCH == 0)
			close_digest(m);
		if (is_event)           /* may have emptied the TLB */
			memset(m->seen, 0, sizeof(m->seen));
		if (look(m, &runs[i], &slot)) {
			close_digest(m);
			m->lead = runs[i];
			m->lead_slot = slot;
		} else {
			add(m, &runs[i], slot);
		}
	}
	close_digest(m);
	*out = m->out;
	/* A digest or lead costs about as much as a run, a use a quarter. */
	return m->nr_leads + m->nr + m->all_uses / 4 <= nr_runs / 4
		? finish(m) : 0;
}

/* ---- taking apart ---------------------------------------------------------- */

struct reading {
	const u8 *head, *head_end;
	const u8 *use, *use_end;
	const u8 *page, *page_end;
	bool is_cut;            /* a column ended too early                   */
	u32 at;                 /* runs before the digest                     */
	u32 event;
	u64 accesses;
	u64 vpn;
	u64 slot[DIGEST_SLOTS]; /* vpn << 2 | USE_LOAD or USE_FETCH; ~0: none */
};

static u64 get_number(struct reading *r, const u8 **at, const u8 *end)
{
	u64 v = 0;

	for (u32 shift = 0; shift < 64 && *at < end; shift += 7) {
		u8 b = *(*at)++;

		v |= (u64)(b & 127) << shift;
		if (!(b & 128))
			return v;
	}
	r->is_cut = true;
	return 0;
}

static u64 head_number(struct reading *r)
{
	return get_number(r, &r->head, r->head_end);
}

static const char *load_lead(struct reading *r, struct run *lead)
{
	u64 slot = head_number(r), op = head_number(r);
	u64 count = head_number(r);
	u64 z = get_number(r, &r->page, r->page_end);

	r->vpn += z >> 1 ^ -(z & 1);
	if (r->is_cut || slot >= DIGEST_SLOTS || op >= TRACE_NR_OPS || !count ||
	    count > UINT32_MAX || r->vpn > VPN_MAX)
		return "a slot, op, count and page of a lead";
	*lead = (struct run){
		.va = r->vpn << PAGE_SHIFT, .count = (u32)count, .bytes = 1,
		.op = (u8)op,
	};
	r->slot[slot] = r->vpn << 2 |
		(op == RUN_FETCH ? USE_FETCH : USE_LOAD);
	r->accesses += count;
	return NULL;
}

/* Each use once, of a slot that has a page. */
static const char *load_uses(struct reading *r, struct run_digest *d, u64 *page)
{
	u64 seen[2 * DIGEST_SLOTS / 64] = { 0 };
	u32 uses = 0, wanted = 0;

	for (u32 i = 0; i < d->nr_pages; i++) {
		u8 code = r->use[i];
		u64 slot = r->slot[code & (DIGEST_SLOTS - 1)];
		u64 bit = 1ull << code % 64;

		if (slot == ~0ull || (seen[code / 64] & bit) ||
		    ((slot & 3) == USE_FETCH && (code & STORE_BIT)))
			return "uses of slots with a page, each once";
		seen[code / 64] |= bit;
		page[i] = slot + (code & STORE_BIT ? USE_STORE : 0);
		uses |= 1u << (page[i] & 3);
	}
	for (u32 i = 0; i < NR_RUN_USES; i++)
		wanted |= (u32)(d->accesses[i] != 0) << i;
	if (uses != wanted)
		return "accesses of the kinds that there are uses of";
	r->use += d->nr_pages;
	d->page = page;
	return NULL;
}

static const char *load_runs(struct reading *r, struct run_digest *d, u64 *page)
{
	u64 sum = 0, nr_uses;

	for (u32 i = 0; i < NR_RUN_USES; i++) {
		d->accesses[i] = head_number(r);
		if (d->accesses[i] > UINT32_MAX)
			return "fewer than 2^32 accesses of a kind";
		sum += d->accesses[i];
	}
	nr_uses = head_number(r);
	if (r->is_cut || sum < d->nr_runs || !nr_uses || nr_uses > d->nr_runs ||
	    nr_uses > (u64)(r->use_end - r->use))
		return "an access for each run and a use or more";
	d->nr_pages = (u32)nr_uses;
	r->accesses += sum;
	return load_uses(r, d, page);
}

/* How many runs from r->at on are in one part. */
static u32 part_left(struct reading *r, const struct digest_block *b)
{
	u32 end = (r->at / TRACE_PART_RUNS + 1) * TRACE_PART_RUNS;

	while (r->event < b->nr_events && b->event_at[r->event] <= r->at)
		r->event++;
	if (r->event < b->nr_events && b->event_at[r->event] < end)
		end = b->event_at[r->event];
	if (b->nr_runs < end)
		end = b->nr_runs;
	return end - r->at;
}

static const char *load_digest(struct reading *r, struct run_digest *d,
			       u64 *page, const struct digest_block *b)
{
	u64 n = head_number(r), left = part_left(r, b);
	const char *expected = NULL;

	*d = (struct run_digest){ .nr_runs = (u32)(n >> 1) };
	if (r->is_cut || n >> 1 > left || (n >> 1) + (n & 1) > left || !n)
		return "digests of one run or more, within a part";
	if (n & 1)
		expected = load_lead(r, &d->lead);
	if (!expected && d->nr_runs)
		expected = load_runs(r, d, page);
	r->at += digest_runs(d);
	return expected;
}

static int make_room(struct digests *s, u32 nr, size_t uses)
{
	if (nr > s->room) {
		free(s->d);
		s->d = malloc(nr * sizeof(*s->d));
		s->room = s->d ? nr : 0;
	}
	if (uses > s->page_room) {
		free(s->page);
		s->page = malloc(uses * sizeof(*s->page));
		s->page_room = s->page ? uses : 0;
	}
	return nr > s->room || uses > s->page_room ? -ENOMEM : 0;
}

int digests_load(struct digests *s, const u8 *p, size_t bytes,
		 const struct digest_block *b, const char **expected)
{
	u32 nr = bytes < DIGEST_HEADER_BYTES ? 0 : get32(p);
	size_t heads, uses;
	struct reading r;

	s->nr = 0;
	*expected = "the number of digests and the bytes of each column";
	if (!nr || nr > b->nr_runs || get32(p + 12))
		return -EINVAL;
	heads = get32(p + 4);
	uses = get32(p + 8);
	if (heads + uses > bytes - DIGEST_HEADER_BYTES || uses > b->nr_runs)
		return -EINVAL;
	if (make_room(s, nr, uses + 1))
		return -ENOMEM;
	r = (struct reading){ .head = p + DIGEST_HEADER_BYTES };
	r.head_end = r.use = r.head + heads;
	r.use_end = r.page = r.use + uses;
	r.page_end = p + bytes;
	memset(r.slot, 0xff, sizeof(r.slot));
	for (u32 i = 0; i < nr; i++) {
		*expected = load_digest(&r, &s->d[i], s->page +
					(uses - (size_t)(r.use_end - r.use)), b);
		if (*expected)
			return -EINVAL;
	}
	*expected = "all runs and accesses of the block, and no more";
	if (r.at != b->nr_runs || r.accesses != b->nr_accesses ||
	    r.head != r.head_end || r.use != r.use_end || r.page != r.page_end)
		return -EINVAL;
	s->nr = nr;
	return 0;
}

void digests_free(struct digests *s)
{
	free(s->d);
	free(s->page);
}

/* ---- both ------------------------------------------------------------------ */

bool digest_check(const struct run_digest *d, const struct run *runs)
{
	u32 n = digest_runs(d), first = n - d->nr_runs, left = d->nr_pages;
	u64 accesses[NR_RUN_USES] = { 0 };

	if (first && (runs->va >> PAGE_SHIFT != d->lead.va >> PAGE_SHIFT ||
		      runs->count != d->lead.count || runs->op != d->lead.op))
		return false;
	/* From the last run back, what was not there yet is next. */
	for (u32 i = n; i-- > first;) {
		u64 page = runs[i].va >> PAGE_SHIFT << 2 | run_use(&runs[i]);
		u32 k = d->nr_pages;

		accesses[page & 3] += runs[i].count;
		while (k > left && d->page[k - 1] != page)
			k--;
		if (k > left)
			continue;
		if (!left || d->page[--left] != page)
			return false;
	}
	return !left && !memcmp(accesses, d->accesses, sizeof(accesses));
}
