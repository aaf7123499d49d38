/* import.c - find the format, and hand its records to it one by one. */
#include "emu/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "emu/import_impl.h"

#define HEAD_BYTES (64u << 10)  /* looked at to find the format               */
#define LINE_SHOWN 60           /* bytes of a bad line quoted in an error     */
#define LINES_TRIED 1000        /* of the head; more is some other text       */

static const struct import_ops *const all_ops[] = {
	&import_lackey, &import_drmemtrace, &import_perf, &import_champsim,
};

const struct import_format *const import_formats[] = {
	&import_lackey.pub, &import_drmemtrace.pub, &import_perf.pub,
	&import_champsim.pub, NULL,
};

const u8 import_hex[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
	['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* ---- errors ---- */

/* A line for an error text: what is not printable becomes '?'. */
static void quote(char shown[LINE_SHOWN + 4], const u8 *p, const u8 *end)
{
	size_t n = 0;

	for (; n < LINE_SHOWN && p + n < end && p[n] != '\n'; n++)
		shown[n] = p[n] >= ' ' && p[n] < 127 ? (char)p[n] : '?';
	strcpy(shown + n, p + n == end || p[n] == '\n' ? "" : "...");
}

int import_bad_line(struct import *im, const u8 *line, const u8 *at,
		    const char *expected)
{
	char shown[LINE_SHOWN + 4];

	quote(shown, line, stream_at(&im->stream) + stream_left(&im->stream));
	return err_set(&im->err, -EINVAL, "%s: line %llu, column %td: expected "
		       "%s, found '%s'", im->cfg.name,
		       (unsigned long long)im->stats.nr_records,
		       at - line + 1, expected, shown);
}

void import_command(struct import *im, const u8 *p, const u8 *end)
{
	size_t n = end - p;

	if (im->stats.command[0])
		return;
	if (n >= sizeof(im->stats.command))
		n = sizeof(im->stats.command) - 1;
	memcpy(im->stats.command, p, n);
	im->stats.command[n] = '\0';
}

/* ---- which format ---- */

/* Which line of the head is the first that some format knows, and whose is
 * it? What comes before it is that format's to judge. */
static const struct import_ops *text_format(const u8 *p, const u8 *end,
					    bool is_end)
{
	for (u32 i = 0; p < end && i < LINES_TRIED; i++) {
		const u8 *stop = memchr(p, '\n', end - p);

		if (!stop && !is_end)
			break;
		if (!stop)
			stop = end;
		for (size_t k = 0; k < ARRAY_LEN(all_ops); k++)
			if (!all_ops[k]->record_bytes &&
			    all_ops[k]->is_mine(p, stop - p))
				return all_ops[k];
		p = stop + 1;
	}
	return NULL;
}

static const struct import_ops *binary_format(const u8 *p, size_t n)
{
	for (size_t k = 0; k < ARRAY_LEN(all_ops); k++) {
		u32 bytes = all_ops[k]->record_bytes;
		size_t at = 0;

		if (!bytes || n < bytes)
			continue;
		while (at + bytes <= n && all_ops[k]->is_mine(p + at, bytes))
			at += bytes;
		if (at + bytes > n)
			return all_ops[k];
	}
	return NULL;
}

static int no_format(struct import *im, struct err *e)
{
	const u8 *p = stream_at(&im->stream);
	size_t n = stream_left(&im->stream);
	char shown[LINE_SHOWN + 4];

	if (n >= 4 && !memcmp(p, "\x89TLB", 4))
		return err_set(e, -EINVAL, "%s: is a .tlbt trace already",
			       im->cfg.name);
	if (memchr(p, '\0', n))
		return err_set(e, -EINVAL, "%s: byte 0: expected text, or "
			       "ChampSim records of 64 bytes, little-endian, "
			       "with canonical addresses; --format=champsim "
			       "names the first that is not", im->cfg.name);
	quote(shown, p, p + n);
	return err_set(e, -EINVAL, "%s: line 1: expected the output of lackey, "
		       "of drmemtrace's view tool or of perf script (--format "
		       "forces one), found '%s'", im->cfg.name, shown);
}

static int find_format(struct import *im, struct err *e)
{
	struct stream *s = &im->stream;
	int ret = 0;

	while (!s->is_end && stream_left(s) < HEAD_BYTES && !ret)
		ret = stream_more(s, e);
	if (ret)
		return ret;
	if (!stream_left(s))
		return err_set(e, -EINVAL, "%s: is empty: expected a trace",
			       im->cfg.name);
	im->ops = memchr(stream_at(s), '\0', stream_left(s)) ?
		binary_format(stream_at(s), stream_left(s)) :
		text_format(stream_at(s), stream_at(s) + stream_left(s),
			    s->is_end);
	return im->ops ? 0 : no_format(im, e);
}

static int named_format(struct import *im, struct err *e)
{
	const char *names[ARRAY_LEN(all_ops) + 1] = { NULL };
	char hint[128];

	for (size_t i = 0; i < ARRAY_LEN(all_ops); i++) {
		names[i] = all_ops[i]->pub.name;
		if (!strcmp(names[i], im->cfg.format)) {
			im->ops = all_ops[i];
			return 0;
		}
	}
	suggest_text(im->cfg.format, names, hint, sizeof(hint));
	return err_set(e, -ENOENT, "'%s': no such trace format%s",
		       im->cfg.format, hint);
}

/* drmemtrace's view tool prints a heading; without one, records begin at
 * once. */
static bool has_heading(const struct stream *s)
{
	static const char heading[] = "Output format:\n";

	return memmem(stream_at(s), stream_left(s), heading,
		      sizeof(heading) - 1);
}

int import_open(struct import **out, int fd, const struct import_cfg *cfg,
		struct err *e)
{
	struct import *im = calloc(1, sizeof(*im));
	int ret;

	if (!im)
		return err_set(e, -ENOMEM, "%s: out of memory", cfg->name);
	im->cfg = *cfg;
	ret = stream_open(&im->stream, fd, cfg->name, e);
	if (ret) {
		free(im);
		return ret;
	}
	im->stream.progress = cfg->progress;
	im->stream.arg = cfg->arg;
	ret = cfg->format ? named_format(im, e) : 0;
	if (!ret && !im->ops)
		ret = find_format(im, e);
	while (!ret && !im->stream.is_end &&
	       stream_left(&im->stream) < HEAD_BYTES)
		ret = stream_more(&im->stream, e);
	if (ret) {
		import_close(im);
		return ret;
	}
	im->is_outside = has_heading(&im->stream);
	*out = im;
	return 0;
}

/* ---- records ---- */

static int cut_off(struct import *im, size_t n)
{
	if (im->cfg.is_partial_ok) {
		stream_skip(&im->stream, n);
		return 0;
	}
	if (im->ops->record_bytes)
		return err_set(&im->err, -EINVAL, "%s: byte %llu: truncated: "
			       "expected records of %u bytes, found %zu",
			       im->cfg.name,
			       (unsigned long long)im->stream.offset,
			       im->ops->record_bytes, n);
	return err_set(&im->err, -EINVAL, "%s: line %llu: the input ends within "
		       "it: expected a complete recording", im->cfg.name,
		       (unsigned long long)im->stats.nr_records + 1);
}

/* Whole records at the beginning of the window, in bytes. */
static size_t whole_bytes(const struct import *im)
{
	const struct stream *s = &im->stream;
	const u8 *last;

	if (im->ops->record_bytes)
		return stream_left(s) - stream_left(s) % im->ops->record_bytes;
	last = memrchr(stream_at(s), '\n', stream_left(s));
	return last ? (size_t)(last + 1 - stream_at(s)) : 0;
}

static int parse_batch(struct import *im, const u8 *p, const u8 *end)
{
	int ret = 0;

	while (p < end && im->n + IMPORT_RECORD_MAX <= IMPORT_BATCH && !ret) {
		const u8 *next = p;

		im->stats.nr_records++;
		ret = im->ops->parse(im, p, &next);
		if (!ret)
			stream_skip(&im->stream, next - p);
		p = next;
	}
	return ret;
}

static int fill_batch(struct import *im)
{
	struct stream *s = &im->stream;
	int ret = 0;

	im->n = 0;
	while (!ret && !im->n) {
		size_t whole = whole_bytes(im);

		if (whole) {
			ret = parse_batch(im, stream_at(s),
					  stream_at(s) + whole);
		} else if (s->is_end) {
			return stream_left(s) ? cut_off(im, stream_left(s)) : 0;
		} else {
			ret = stream_more(s, &im->err);
			if (ret == -ENOBUFS) {
				im->stats.nr_records++;
				ret = import_bad_line(im, stream_at(s),
						      stream_at(s), "a line of "
						      "at most 1 MiB");
			}
		}
	}
	return ret;
}

int import_next(struct import *im, const struct import_access **a, size_t *n,
		struct err *e)
{
	*a = im->batch;
	*n = 0;
	if (!im->failed)
		im->failed = fill_batch(im);
	else
		im->n = 0;
	if (im->failed && !im->n)
		return err_set(e, im->failed, "%s", im->err.text);
	*n = im->n;
	return 0;
}

const struct import_format *import_format(const struct import *im)
{
	return &im->ops->pub;
}

const struct import_stats *import_stats(const struct import *im)
{
	return &im->stats;
}

void import_close(struct import *im)
{
	if (!im)
		return;
	stream_close(&im->stream);
	free(im);
}
