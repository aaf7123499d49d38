/* import_drmemtrace.c - what DynamoRIO's drmemtrace tracer recorded, as its
 * view tool prints it:
 *
 *	drrun -t drmemtrace -offline -- ls -l
 *	drrun -t drmemtrace -tool view -indir drmemtrace.*.dir 2> ls.view
 *
 * A line is "RECORD INSTR: TID DETAILS" (older versions: "RECORD: TTID
 * DETAILS"; with several inputs TID is "WINPUT.TTID"). DETAILS is
 *
 *	ifetch   3 byte(s) @ 0x00000000004020e1 48 89 e7   mov ...
 *	read     8 byte(s) @ 0x00007fff... by PC 0x...     and write
 *	<marker: ...>, <thread N exited>                   no accesses
 *	pref*, iflush, dflush                              no accesses, counted
 *
 * or the bytes of a long instruction that did not fit its own line. An
 * instruction of a repeated string operation that is not fetched again says so
 * ("non-fetched instruction") when no disassembly is shown. Before the heading
 * ("Output format:", if there is one) and after "View tool results:" comes what
 * is not the view's.
 * Source: dynamorio.org, "Trace format" and "Analysis tools", and the output of
 * the view tool there and in the samples' README.
 */
#include <string.h>

#include "emu/import_impl.h"

#define STARTS(p, end, text) \
	((size_t)((end) - (p)) >= sizeof(text) - 1 && \
	 !memcmp(p, text, sizeof(text) - 1))

static const u8 *spaces(const u8 *p)
{
	while (*p == ' ')
		p++;
	return p;
}

struct prefix {
	u64 tid;
	u64 workload;           /* W number plus one; 0: not told             */
	const u8 *details;
};

/* "RECORD [INSTR]: [WN.][T]TID ". NULL, or where it goes wrong. */
static const u8 *bad_prefix(const u8 *p, struct prefix *out)
{
	u64 value;
	u32 digits;

	*out = (struct prefix){ 0 };
	p = spaces(p);
	digits = import_dec_u64(p, &value);
	if (!digits)
		return p;
	p = spaces(p + digits);
	p = spaces(p + import_dec_u64(p, &value));
	if (*p != ':')
		return p;
	p = spaces(p + 1);
	if (*p == 'W') {
		digits = import_dec_u64(p + 1, &out->workload);
		if (!digits || p[1 + digits] != '.')
			return p;
		out->workload++;
		p += digits + 2;
	}
	if (*p == 'T')
		p++;
	digits = import_dec_u64(p, &out->tid);
	if (!digits || out->tid > UINT32_MAX)
		return p;
	p += digits;
	if (*p != ' ' && *p != '\n')
		return p;
	out->details = spaces(p);
	return NULL;
}

/* Only the bytes of an instruction, two digits each? */
static bool is_spillover(const u8 *p)
{
	const u8 *first = p;

	while (import_hex[p[0]] && import_hex[p[1]] &&
	       (p[2] == ' ' || p[2] == '\n'))
		p = spaces(p + 2);
	return p > first && *p == '\n';
}

static bool drmemtrace_is_mine(const u8 *p, size_t n)
{
	const u8 *end = p + n;
	struct prefix pre;
	u8 copy[160];

	if (STARTS(p, end, "Output format:"))
		return true;
	if (n >= sizeof(copy))
		n = sizeof(copy) - 1;
	memcpy(copy, p, n);
	copy[n] = '\n';
	if (bad_prefix(copy, &pre))
		return false;
	return *pre.details == '<' ||
		memmem(pre.details, copy + n - pre.details, "byte(s) @", 9);
}

/* The lines around the records. Return: is this one of them? */
static bool is_frame(struct import *im, const u8 *p, const u8 *end)
{
	if (im->is_outside) {
		if (!im->is_in_view && STARTS(p, end, "Output format:")) {
			im->is_outside = false;
			im->is_in_view = true;
		}
		return true;
	}
	if (STARTS(p, end, "View tool results:")) {
		im->is_outside = true;
		im->is_in_view = true;
		return true;
	}
	return end == p || STARTS(p, end, "----------") ||
		STARTS(p, end, "Output format:") ||
		STARTS(p, end, "<--record#->") || STARTS(p, end, "<record#>:");
}

/* "KIND BYTES byte(s) @ 0xADDR ..." */
static int parse_access(struct import *im, const u8 *line, const u8 *p,
			const u8 *end, u32 tid)
{
	static const char at[] = " byte(s) @ 0x";
	const u8 *kind = p;
	u64 bytes, va;
	u32 digits;
	size_t n;

	while (*p != ' ' && *p != '\n')
		p++;
	n = p - kind;
	p = spaces(p);
	digits = import_dec_u64(p, &bytes);
	if (!digits || bytes > UINT16_MAX)
		return import_bad_line(im, line, p, "a size of 0 to 65535 "
				       "bytes");
	p += digits;
	if (!STARTS(p, end, at))
		return import_bad_line(im, line, p, "' byte(s) @ 0xADDR'");
	p += sizeof(at) - 1;
	digits = import_hex_u64(p, &va);
	if (!digits || (p[digits] != ' ' && p[digits] != '\n'))
		return import_bad_line(im, line, p, "an address of 1 to 16 "
				       "hexadecimal digits");
	if (bytes && va + (bytes - 1) < va)
		return import_bad_line(im, line, p, "an access that ends "
				       "within the 64-bit address space");
	p += digits;
	if (STARTS(kind, kind + n, "pref") || (n == 6 &&
	    (!memcmp(kind, "iflush", n) || !memcmp(kind, "dflush", n)))) {
		im->stats.nr_hints_skipped++;
		return 0;
	}
	if (!bytes)
		return import_bad_line(im, line, p, "a size of 1 to 65535 "
				       "bytes");
	if (n == 4 && !memcmp(kind, "read", n))
		import_add(im, va, (u32)bytes, RUN_READ, tid);
	else if (n == 5 && !memcmp(kind, "write", n))
		import_add(im, va, (u32)bytes, RUN_WRITE, tid);
	else if (n != 6 || memcmp(kind, "ifetch", n))
		return import_bad_line(im, line, kind, "ifetch, read, write, "
				       "pref..., iflush or dflush");
	else if (!STARTS(p, end, " non-fetched instruction"))
		import_add(im, va, (u32)bytes, RUN_FETCH, tid);
	return 0;
}

static int drmemtrace_parse(struct import *im, const u8 *line, const u8 **next)
{
	const u8 *end = rawmemchr(line, '\n'), *bad;
	struct prefix pre;

	*next = end + 1;
	if (is_frame(im, line, end))
		return 0;
	bad = bad_prefix(line, &pre);
	if (bad)
		return import_bad_line(im, line, bad, "'RECORD INSTR: TID "
				       "DETAILS' or 'RECORD: TTID DETAILS'");
	if (!im->workload)
		im->workload = pre.workload;
	if (pre.workload != im->workload)
		return import_bad_line(im, line, line, "records of one input "
				       "only, since several are several "
				       "address spaces");
	if (*pre.details == '<' || is_spillover(pre.details))
		return 0;
	return parse_access(im, line, pre.details, end, (u32)pre.tid);
}

const struct import_ops import_drmemtrace = {
	.pub = {
		.name = "drmemtrace",
		.summary = "DynamoRIO's drmemtrace, as its view tool prints it",
		.hint = "drrun -t drmemtrace -tool view -indir DIR 2> OUT",
		.has_sizes = true,
		.has_threads = true,
	},
	.is_mine = drmemtrace_is_mine,
	.parse = drmemtrace_parse,
};
