/* import_perf.c - memory samples that perf recorded, as perf script prints
 * them:
 *
 *	perf mem record -- ls -l     (or perf record -d -e EVENT)
 *	perf script -F comm,tid,time,event,addr,ip
 *
 * A sample is an access, but not every access is a sample: what comes of it is
 * a picture of where a program goes, not a trace. Sizes are not told: each
 * counts as the one byte that it surely touched.
 *
 * perf prints its fields in an order of its own: comm, pid and tid, cpu, time
 * ("1529.097929:"), period, event ("page-faults:u:"), addr, data_src, weight,
 * ip. The address is what follows the event or, without one, the time. One
 * address before a symbol could as well be the ip, so that is refused.
 * data_src says load or store ("|OP STORE|"); else the event's name does
 * ("cpu/mem-stores/P:"); else it is a load. Comments, empty lines and
 * callchains (which begin with a tab) are skipped.
 * Source: perf-script(1) and the output of perf 6.1.
 */
#include <errno.h>
#include <string.h>

#include "emu/import_impl.h"

struct token {
	const u8 *p;
	size_t n;               /* 0: no more                                 */
};

static struct token token_at(const u8 *p, const u8 *end)
{
	struct token t;

	while (p < end && *p == ' ')
		p++;
	t.p = p;
	while (p < end && *p != ' ')
		p++;
	t.n = p - t.p;
	return t;
}

static struct token token_after(struct token t, const u8 *end)
{
	return token_at(t.p + t.n, end);
}

static size_t digits_in(const u8 *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= '0' && p[i] <= '9')
		i++;
	return i;
}

/* "1529.097929:" */
static bool is_time(struct token t)
{
	size_t whole = digits_in(t.p, t.n), part;

	if (!whole || whole + 2 >= t.n || t.p[whole] != '.')
		return false;
	part = digits_in(t.p + whole + 1, t.n - whole - 1);
	return part && whole + 1 + part + 1 == t.n && t.p[t.n - 1] == ':';
}

/* "17264" or "17264/17265": the thread. */
static bool is_tid(struct token t, u64 *tid)
{
	size_t n = digits_in(t.p, t.n);
	const u8 *last = t.p;

	if (!n)
		return false;
	if (n < t.n) {
		last = t.p + n + 1;
		if (t.p[n] != '/' || !digits_in(last, t.n - n - 1) ||
		    digits_in(last, t.n - n - 1) != t.n - n - 1)
			return false;
	}
	return import_dec_u64(last, tid) && *tid <= UINT32_MAX;
}

static bool is_hex(struct token t)
{
	for (size_t i = 0; i < t.n; i++)
		if (!import_hex[t.p[i]])
			return false;
	return t.n >= 1 && t.n <= 16;
}

/* Is a second number in [@p, @end) after the address: an ip, or the number of
 * data_src? Symbols can be all of hexadecimal letters; numbers are padded, or
 * long and with a digit in them. */
static bool has_second(const u8 *p, const u8 *end)
{
	for (struct token t = token_at(p, end); t.n; t = token_after(t, end)) {
		size_t i = 0;

		if (!is_hex(t))
			continue;
		if (t.p - p >= 2 && t.p[-2] == ' ')
			return true;
		while (i < t.n && (t.p[i] < '0' || t.p[i] > '9'))
			i++;
		if (i < t.n && t.n >= 6)
			return true;
	}
	return false;
}

struct sample {
	struct token anchor;    /* the event, or the time: addr follows       */
	const u8 *comm_end;     /* NULL: no comm                              */
	struct token event;     /* n = 0: not told                            */
	struct token addr;
	u64 tid;
};

/* perf pads addresses to 16 digits. */
static bool is_padded(const struct sample *s)
{
	return s->addr.p + s->addr.n - (s->anchor.p + s->anchor.n) >= 16;
}

/* Find the fields of [@line, @end). False: no event, no time. */
static bool find_fields(const u8 *line, const u8 *end, struct sample *s)
{
	struct token t = token_at(line, end);
	bool has_time = false;
	u64 tid;

	*s = (struct sample){ 0 };
	for (; t.n; t = token_after(t, end)) {
		if (!has_time && is_time(t)) {
			has_time = true;
			s->anchor = t;
		} else if (t.n > 1 && t.p[t.n - 1] == ':') {
			s->event = s->anchor = t;
			break;
		} else if (!has_time && is_tid(t, &tid) && t.p > line) {
			s->tid = tid;
			s->comm_end = t.p;
		}
	}
	if (!s->anchor.n)
		return false;
	s->addr = token_after(s->anchor, end);
	/* Without the event this could be the period. */
	return s->event.n || is_padded(s);
}

static bool perf_is_mine(const u8 *p, size_t n)
{
	u8 copy[512];
	struct sample s;

	if (n >= 10 && !memcmp(p, "# ========", 10))
		return true;
	if (!n || *p == '#' || *p == '\t')
		return false;
	if (n >= sizeof(copy))
		n = sizeof(copy) - 1;
	memcpy(copy, p, n);
	copy[n] = '\n';
	return find_fields(copy, copy + n, &s) && is_hex(s.addr) &&
		is_padded(&s);
}

static enum run_op op_of(const struct sample *s, const u8 *end)
{
	const u8 *rest = s->addr.p + s->addr.n;

	if (memmem(rest, end - rest, "|OP STORE", 9))
		return RUN_WRITE;
	if (memmem(rest, end - rest, "|OP ", 4))
		return RUN_READ;
	return s->event.n && memmem(s->event.p, s->event.n, "store", 5) ?
		RUN_WRITE : RUN_READ;
}

static void note_comm(struct import *im, const u8 *p, const u8 *end)
{
	while (p < end && *p == ' ')
		p++;
	while (end > p && end[-1] == ' ')
		end--;
	if (end > p)
		import_command(im, p, end);
}

static int perf_parse(struct import *im, const u8 *line, const u8 **next)
{
	const u8 *end = rawmemchr(line, '\n'), *rest;
	struct sample s;
	u64 va;

	*next = end + 1;
	if (line == end || *line == '#' || *line == '\t')
		return 0;
	if (!find_fields(line, end, &s))
		return import_bad_line(im, line, line, "a sample with the "
				       "fields time or event, and addr");
	if (!is_hex(s.addr))
		return import_bad_line(im, line, s.addr.p, "an address (perf "
				       "script -F comm,tid,time,event,addr,ip)");
	rest = s.addr.p + s.addr.n;
	if (token_at(rest, end).n && !has_second(rest, end))
		return import_bad_line(im, line, s.addr.p, "addr and ip, since "
				       "one number before a symbol may be "
				       "either (perf script -F comm,tid,time,"
				       "event,addr,ip)");
	if (s.comm_end)
		note_comm(im, line, s.comm_end);
	import_hex_u64(s.addr.p, &va);
	if (!va)
		im->stats.nr_unaddressed++;
	else
		import_add(im, va, 1, op_of(&s, end), (u32)s.tid);
	return 0;
}

const struct import_ops import_perf = {
	.pub = {
		.name = "perf",
		.summary = "perf script's memory samples: some accesses of "
			   "many",
		.hint = "perf script -F comm,tid,time,event,addr,ip > OUT",
		.is_sampled = true,
		.has_threads = true,
	},
	.is_mine = perf_is_mine,
	.parse = perf_parse,
};
