/* units.h - numbers with units, in and out, exactly and in any locale.
 *
 * In:  an integer or decimal fraction, an optional suffix, nothing else.
 *      0x for hexadecimal. "1.5us" is 1500 ns; "1.5ns" is an error, since the
 *      result must be a whole number. Signs, blanks and overflow are errors.
 *
 *      UNIT_COUNT  bare, k M G T          powers of 1000
 *      UNIT_BYTES  bare, B, K M G T       powers of 1024, also KB.. KiB..
 *      UNIT_NS     ns us ms s min         a bare number is ns
 *      UNIT_HZ     Hz kHz MHz GHz         a bare number is Hz
 *
 * Suffixes ignore case.
 * Out: the shortest text that parses back to the same value.
 * Errors: -EINVAL (not such a number), -ERANGE (too large, out of range).
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/err.h"
#include "base/types.h"

enum unit_kind { UNIT_COUNT, UNIT_BYTES, UNIT_NS, UNIT_HZ };

#define UNITS_MAX_TEXT 40       /* holds any text written here, NUL included  */

/* units_parse - *@out from @text. The error text is "'12q' is not a size
 * (such as 4096, 64K or 2M)": callers prefix what it was meant for. */
int units_parse(enum unit_kind kind, const char *text, u64 *out, struct err *e);

/* units_parse_in - the same, and the value must lie in [@min, @max]. */
int units_parse_in(enum unit_kind kind, const char *text, u64 min, u64 max,
		   u64 *out, struct err *e);

/* units_parse_range - "8" or "1..25", both ends included, lo <= hi. */
int units_parse_range(enum unit_kind kind, const char *text, u64 *lo, u64 *hi,
		      struct err *e);

/* units_parse_double - a finite number with a decimal point, locale or not. */
int units_parse_double(const char *text, double *out, struct err *e);

/* units_parse_bool - yes no, true false, on off, 1 0. */
int units_parse_bool(const char *text, bool *out, struct err *e);

/* units_format - the shortest exact form: 2097152 is "2M", 1500 ns "1500ns",
 * 3200000000 Hz "3.2GHz", 12 is "12". Counts are always plain digits. */
const char *units_format(enum unit_kind kind, u64 value,
			 char buf[UNITS_MAX_TEXT]);

/* units_format_double - shortest text that reads back as the same double;
 * "nan", "inf", "-inf" for those. */
const char *units_format_double(double value, char buf[UNITS_MAX_TEXT]);

/* units_format_fixed - @decimals digits after the point, rounded. */
const char *units_format_fixed(double value, unsigned int decimals,
			       char *buf, size_t size);

/* units_format_grouped - 10284800 as "10,284,800": tables only. */
const char *units_format_grouped(u64 value, char buf[UNITS_MAX_TEXT]);

#endif
