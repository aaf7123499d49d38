/* import_lackey.c - parse lackey's lines as fast as a pipe delivers them. */
#include "emu/import_lackey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_BYTES (1u << 20)    /* also the longest line accepted             */
#define LINE_SHOWN 60           /* bytes of a bad line quoted in an error     */

struct lackey {
	const struct lackey_cfg *cfg;
	struct trace_writer *w;
	struct lackey_result *res;
	struct err *e;
	bool is_done;           /* cfg->limit reached                         */
};

/* The value of a hexadecimal digit, plus one; 0 for anything else. */
static const u8 hex_digit[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
	['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static int bad_line(struct lackey *l, const u8 *line, const u8 *at,
		    const char *expected)
{
	char shown[LINE_SHOWN + 1];
	size_t n = 0;

	for (; n < LINE_SHOWN && line[n] != '\n'; n++)
		shown[n] = line[n] >= ' ' && line[n] < 127 ? line[n] : '?';
	shown[n] = '\0';
	return err_set(l->e, -EINVAL, "%s: line %llu, column %td: expected %s, "
		       "found '%s'%s", l->cfg->name,
		       (unsigned long long)l->res->nr_lines, at - line + 1,
		       expected, shown, line[n] == '\n' ? "" : "...");
}

/* Valgrind marks its own lines "==123==", "--123--" or "**123**". */
static bool is_noise(const u8 *p)
{
	u8 mark = p[0];

	if ((mark != '=' && mark != '-' && mark != '*') || p[1] != mark)
		return false;
	for (p += 2; *p >= '0' && *p <= '9'; p++)
		;
	return p[0] == mark && p[1] == mark;
}

static void note_command(struct lackey *l, const u8 *line, const u8 *end)
{
	static const char key[] = "== Command: ";
	const u8 *p = memmem(line, end - line, key, sizeof(key) - 1);
	size_t n;

	if (!p || l->res->command[0])
		return;
	p += sizeof(key) - 1;
	n = end - p;
	if (n >= sizeof(l->res->command))
		n = sizeof(l->res->command) - 1;
	memcpy(l->res->command, p, n);
}

/* The line at @p, and where the next one starts in *@next. Its line end is in
 * the buffer, so no loop below needs another bound; the bytes after it are
 * readable (BUF_PAD). */
static int parse_line(struct lackey *l, const u8 *p, const u8 **next)
{
	static const char form[] =
		"'I  ADDR,SIZE', ' L ADDR,SIZE', ' S ADDR,SIZE' or "
		"' M ADDR,SIZE'";
	const u8 *line = p, *digits;
	u64 va = 0;
	u32 bytes = 0;
	enum run_op op;
	int ret;

	l->res->nr_lines++;
	if (p[0] == ' ' && p[1] == 'L' && p[2] == ' ') {
		op = RUN_READ;
	} else if (p[0] == 'I' && p[1] == ' ' && p[2] == ' ') {
		op = RUN_FETCH;
	} else if (p[0] == ' ' && p[1] == 'S' && p[2] == ' ') {
		op = RUN_WRITE;
	} else if (p[0] == ' ' && p[1] == 'M' && p[2] == ' ') {
		op = RUN_MODIFY;
	} else {
		const u8 *end = rawmemchr(p, '\n');

		*next = end + 1;
		if (end == p)
			return 0;
		if (!is_noise(p))
			return bad_line(l, line, p, form);
		note_command(l, p, end);
		return 0;
	}
	p += 3;
	for (digits = p; hex_digit[*p]; p++)
		va = va << 4 | (hex_digit[*p] - 1u);
	if (p == digits || p - digits > 16)
		return bad_line(l, line, digits,
				"an address of 1 to 16 hexadecimal digits");
	if (*p != ',')
		return bad_line(l, line, p, "',' after the address");
	p++;
	for (digits = p; *p >= '0' && *p <= '9' && p - digits < 6; p++)
		bytes = bytes * 10 + (*p - '0');
	if (!bytes || bytes > UINT16_MAX)
		return bad_line(l, line, digits, "a size of 1 to 65535 bytes");
	if (*p != '\n')
		return bad_line(l, line, p, "the end of the line");
	if (va + (bytes - 1) < va)
		return bad_line(l, line, line + 3, "an access that ends "
				"within the 64-bit address space");
	*next = p + 1;
	if (op == RUN_FETCH && !l->cfg->with_fetch) {
		l->res->nr_fetches_skipped++;
		return 0;
	}
	ret = trace_writer_append(l->w, va, bytes, op, l->e);
	if (ret) {
		l->res->is_write_error = true;
		return ret;
	}
	if (++l->res->nr_accesses == l->cfg->limit)
		l->is_done = true;
	return 0;
}

static int parse_lines(struct lackey *l, const u8 *p, const u8 *end)
{
	while (p < end && !l->is_done) {
		int ret = parse_line(l, p, &p);

		if (ret)
			return ret;
	}
	return 0;
}

int lackey_import(int fd, const struct lackey_cfg *cfg,
		  struct trace_writer *w, struct lackey_result *res,
		  struct err *e)
{
	enum { BUF_PAD = 8 };
	struct lackey l = { .cfg = cfg, .w = w, .res = res, .e = e };
	u8 *buf = calloc(1, BUF_BYTES + BUF_PAD);
	size_t fill = 0;
	u64 total = 0;
	int ret = 0;

	*res = (struct lackey_result){ 0 };
	if (!buf)
		return err_set(e, -ENOMEM, "%s: out of memory", cfg->name);
	while (!l.is_done) {
		ssize_t n = read(fd, buf + fill, BUF_BYTES - fill);
		u8 *last;
		size_t whole;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ret = err_set(e, -errno, "%s: cannot read after line "
				      "%llu: %s", cfg->name,
				      (unsigned long long)res->nr_lines,
				      strerror(errno));
			break;
		}
		if (!n) {
			if (fill && !cfg->is_partial_ok)
				ret = err_set(e, -EINVAL, "%s: line %llu: the "
					"input ends within it: expected a "
					"complete recording", cfg->name,
					(unsigned long long)res->nr_lines + 1);
			break;
		}
		total += n;
		if (cfg->progress)
			cfg->progress(cfg->arg, total);
		/* Only the new bytes can hold a line end. */
		last = memrchr(buf + fill, '\n', n);
		fill += n;
		if (!last) {
			if (fill < BUF_BYTES)
				continue;
			res->nr_lines++;
			ret = bad_line(&l, buf, buf, "a line of at most 1 MiB");
			break;
		}
		whole = last + 1 - buf;
		ret = parse_lines(&l, buf, buf + whole);
		if (ret)
			break;
		memmove(buf, buf + whole, fill - whole);
		fill -= whole;
	}
	free(buf);
	return ret;
}
