/* import_lackey.c - memory traces from Valgrind's lackey tool:
 *
 *	valgrind --tool=lackey --trace-mem=yes --log-file=ls.lackey ls -l
 *
 * A line is an access: "I  04001000,3" (instruction fetch), " L 1ffefff0,8"
 * (load), " S addr,size" (store) or " M addr,size" (load, then store, of the
 * same bytes): the address in hexadecimal, the size in decimal bytes.
 * Valgrind's own lines ("==pid== ...", "--pid-- ...", "**pid** ...") and
 * empty lines are skipped; anything else is an error.
 * Source: Valgrind manual, "Lackey: an example tool", and lk_main.c's output.
 */
#include <string.h>

#include "emu/import_impl.h"

/* Valgrind marks its own lines "==123==", "--123--" or "**123**". */
static bool is_noise(const u8 *p, const u8 *end)
{
	u8 mark = p[0];

	if (end - p < 5 || (mark != '=' && mark != '-' && mark != '*') ||
	    p[1] != mark)
		return false;
	for (p += 2; p < end && *p >= '0' && *p <= '9'; p++)
		;
	return end - p >= 2 && p[0] == mark && p[1] == mark;
}

/* The op that a line begins with, or -1. */
static int op_of(const u8 *p)
{
	if (p[0] == ' ' && p[1] == 'L' && p[2] == ' ')
		return RUN_READ;
	if (p[0] == 'I' && p[1] == ' ' && p[2] == ' ')
		return RUN_FETCH;
	if (p[0] == ' ' && p[1] == 'S' && p[2] == ' ')
		return RUN_WRITE;
	if (p[0] == ' ' && p[1] == 'M' && p[2] == ' ')
		return RUN_MODIFY;
	return -1;
}

static bool lackey_is_mine(const u8 *p, size_t n)
{
	return is_noise(p, p + n) ||
		(n > 5 && op_of(p) >= 0 && import_hex[p[3]] &&
		 memchr(p, ',', n));
}

static int no_access(struct import *im, const u8 *p, const u8 **next)
{
	static const char key[] = "== Command: ";
	const u8 *end = rawmemchr(p, '\n'), *found;

	*next = end + 1;
	if (end == p)
		return 0;
	if (!is_noise(p, end))
		return import_bad_line(im, p, p, "'I  ADDR,SIZE', ' L ADDR,"
				       "SIZE', ' S ADDR,SIZE' or ' M ADDR,"
				       "SIZE'");
	found = memmem(p, end - p, key, sizeof(key) - 1);
	if (found)
		import_command(im, found + sizeof(key) - 1, end);
	return 0;
}

static int lackey_parse(struct import *im, const u8 *line, const u8 **next)
{
	const u8 *p = line + 3;
	int op = op_of(line);
	u64 va, bytes;
	u32 digits;

	if (op < 0)
		return no_access(im, line, next);
	digits = import_hex_u64(p, &va);
	if (!digits)
		return import_bad_line(im, line, p, "an address of 1 to 16 "
				       "hexadecimal digits");
	p += digits;
	if (*p != ',')
		return import_bad_line(im, line, p, "',' after the address");
	p++;
	digits = import_dec_u64(p, &bytes);
	if (!digits || !bytes || bytes > UINT16_MAX)
		return import_bad_line(im, line, p, "a size of 1 to 65535 "
				       "bytes");
	p += digits;
	if (*p != '\n')
		return import_bad_line(im, line, p, "the end of the line");
	if (va + (bytes - 1) < va)
		return import_bad_line(im, line, line + 3, "an access that "
				       "ends within the 64-bit address space");
	*next = p + 1;
	import_add(im, va, (u32)bytes, op, 0);
	return 0;
}

const struct import_ops import_lackey = {
	.pub = {
		.name = "lackey",
		.summary = "Valgrind's lackey, --trace-mem=yes",
		.hint = "valgrind --tool=lackey --trace-mem=yes "
			"--log-file=OUT PROG",
		.has_sizes = true,
	},
	.is_mine = lackey_is_mine,
	.parse = lackey_parse,
};
