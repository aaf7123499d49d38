#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"

struct suffix {
	const char *text;
	u64 factor;
};

#define KI 1024ull
#define MI (KI * KI)
#define GI (MI * KI)
#define TI (GI * KI)

static const struct suffix count_suffixes[] = {
	{ "", 1 }, { "k", 1000 }, { "M", 1000000 }, { "G", 1000000000 },
	{ "T", 1000000000000 }, { NULL, 0 },
};

static const struct suffix byte_suffixes[] = {
	{ "", 1 }, { "K", KI }, { "M", MI }, { "G", GI }, { "T", TI },
	{ "B", 1 }, { "KB", KI }, { "MB", MI }, { "GB", GI }, { "TB", TI },
	{ "KiB", KI }, { "MiB", MI }, { "GiB", GI }, { "TiB", TI },
	{ NULL, 0 },
};

static const struct suffix ns_suffixes[] = {
	{ "", 1 }, { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 },
	{ "s", 1000000000 }, { "min", 60000000000 }, { NULL, 0 },
};

static const struct suffix hz_suffixes[] = {
	{ "", 1 }, { "Hz", 1 }, { "kHz", 1000 }, { "MHz", 1000000 },
	{ "GHz", 1000000000 }, { NULL, 0 },
};

/* ORDER unit_kind */
static const struct {
	const struct suffix *suffixes;
	const char *what;
	const char *bare;       /* printed after a number without suffix      */
} kinds[] = {
	[UNIT_COUNT] = { count_suffixes, "a whole number (such as 8 or 10k)",
			 "" },
	[UNIT_BYTES] = { byte_suffixes, "a size (such as 4096, 64K or 2M)",
			 "" },
	[UNIT_NS] = { ns_suffixes, "a time (such as 10us, 1.5ms or 2s)", "ns" },
	[UNIT_HZ] = { hz_suffixes, "a frequency (such as 100MHz or 3.2GHz)",
		      "Hz" },
};

static int not_such(enum unit_kind kind, const char *text, struct err *e)
{
	return err_set(e, -EINVAL, "'%s' is not %s", text, kinds[kind].what);
}

static int too_large(const char *text, struct err *e)
{
	return err_set(e, -ERANGE, "'%s' is too large for 64 bits", text);
}

static const struct suffix *find_suffix(enum unit_kind kind, const char *text)
{
	const struct suffix *s = kinds[kind].suffixes;

	for (; s->text; s++) {
		if (strcasecmp(s->text, text) == 0)
			return s;
	}
	return NULL;
}

static int parse_hex(enum unit_kind kind, const char *text, u64 *out,
		     struct err *e)
{
	const char *p = text + 2;
	u64 v = 0;

	if (!*p)
		return not_such(kind, text, e);
	for (; *p; p++) {
		if (!isxdigit((unsigned char)*p))
			return not_such(kind, text, e);
		if (v >> 60)
			return too_large(text, e);
		v = v << 4 | (isdigit((unsigned char)*p) ? *p - '0' :
			      tolower((unsigned char)*p) - 'a' + 10);
	}
	*out = v;
	return 0;
}

int units_parse(enum unit_kind kind, const char *text, u64 *out, struct err *e)
{
	unsigned __int128 mantissa = 0, scale = 1, value;
	const struct suffix *suffix;
	const char *p = text;
	bool digits = false;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		return parse_hex(kind, text, out, e);

	/* mantissa / scale; 2^64 * 10^19 still fits in 128 bits. */
	for (; isdigit((unsigned char)*p); p++) {
		digits = true;
		mantissa = mantissa * 10 + (*p - '0');
		if (mantissa > UINT64_MAX)
			return too_large(text, e);
	}
	if (*p == '.') {
		p++;
		if (!digits || !isdigit((unsigned char)*p))
			return not_such(kind, text, e);
		for (; isdigit((unsigned char)*p); p++) {
			if (scale >= 1000000000000ull) {
				if (*p != '0')
					return err_set(e, -EINVAL, "'%s' has more than 12 decimals",
						       text);
				continue;
			}
			mantissa = mantissa * 10 + (*p - '0');
			scale *= 10;
		}
	}
	suffix = digits ? find_suffix(kind, p) : NULL;
	if (!suffix)
		return not_such(kind, text, e);

	/* Below 2^64 * 10^12, and factors below 2^41: could pass 128 bits. */
	if (mantissa > (~(unsigned __int128)0) / suffix->factor)
		return too_large(text, e);
	value = mantissa * suffix->factor;
	if (value % scale)
		return err_set(e, -EINVAL, "'%s' is not a whole number%s%s",
			       text, kind == UNIT_NS ? " of ns" :
			       kind == UNIT_HZ ? " of Hz" : "",
			       kind == UNIT_BYTES ? " of bytes" : "");
	value /= scale;
	if (value > UINT64_MAX)
		return too_large(text, e);
	*out = (u64)value;
	return 0;
}

int units_parse_in(enum unit_kind kind, const char *text, u64 min, u64 max,
		   u64 *out, struct err *e)
{
	char lo[UNITS_MAX_TEXT], hi[UNITS_MAX_TEXT];
	u64 v;
	int ret = units_parse(kind, text, &v, e);

	if (ret)
		return ret;
	if (v < min || v > max)
		return err_set(e, -ERANGE, "%s is out of range %s..%s", text,
			       units_format(kind, min, lo),
			       units_format(kind, max, hi));
	*out = v;
	return 0;
}

int units_parse_range(enum unit_kind kind, const char *text, u64 *lo, u64 *hi,
		      struct err *e)
{
	const char *dots = strstr(text, "..");
	char first[UNITS_MAX_TEXT];
	u64 a, b;
	int ret;

	if (!dots) {
		ret = units_parse(kind, text, &a, e);
		if (ret)
			return ret;
		*lo = *hi = a;
		return 0;
	}
	if ((size_t)(dots - text) >= sizeof(first))
		return not_such(kind, text, e);
	memcpy(first, text, dots - text);
	first[dots - text] = '\0';
	ret = units_parse(kind, first, &a, e);
	if (!ret)
		ret = units_parse(kind, dots + 2, &b, e);
	if (ret)
		return err_prefix(e, ret, "range '%s': ", text);
	if (a > b)
		return err_set(e, -EINVAL, "range '%s' ends before it begins",
			       text);
	*lo = a;
	*hi = b;
	return 0;
}

/* strtod and printf follow the thread's locale; ours has to be "C". */
static locale_t c_locale_begin(locale_t *c)
{
	*c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	return *c ? uselocale(*c) : (locale_t)0;
}

static void c_locale_end(locale_t c, locale_t before)
{
	if (!c)
		return;
	uselocale(before);
	freelocale(c);
}

int units_parse_double(const char *text, double *out, struct err *e)
{
	locale_t c, before;
	char *end;
	double v;

	if (!isdigit((unsigned char)text[0]) && !strchr("+-.", text[0]))
		goto bad;
	before = c_locale_begin(&c);
	v = strtod(text, &end);
	c_locale_end(c, before);
	if (end == text || *end)
		goto bad;
	if (!isfinite(v)) {
		if (strpbrk(text, "nN"))        /* -inf, +nan */
			goto bad;
		return err_set(e, -ERANGE, "'%s' is too large a number", text);
	}
	*out = v;
	return 0;
bad:
	return err_set(e, -EINVAL, "'%s' is not a number (such as 0.5 or 3)",
		       text);
}

int units_parse_bool(const char *text, bool *out, struct err *e)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {
		{ "yes", true }, { "no", false }, { "true", true },
		{ "false", false }, { "on", true }, { "off", false },
		{ "1", true }, { "0", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcasecmp(words[i].text, text) == 0) {
			*out = words[i].value;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "'%s' is neither yes nor no", text);
}

/* Suffixes that output uses, largest first. */
static const struct suffix byte_out[] = {
	{ "T", TI }, { "G", GI }, { "M", MI }, { "K", KI }, { NULL, 0 },
};

static const struct suffix ns_out[] = {
	{ "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 },
	{ NULL, 0 },
};

static const struct suffix hz_out[] = {
	{ "GHz", 1000000000 }, { "MHz", 1000000 }, { "kHz", 1000 },
	{ "Hz", 1 }, { NULL, 0 },
};

const char *units_format(enum unit_kind kind, u64 value,
			 char buf[UNITS_MAX_TEXT])
{
	const struct suffix *s = kind == UNIT_BYTES ? byte_out :
		kind == UNIT_NS ? ns_out : kind == UNIT_HZ ? hz_out : NULL;
	char best[UNITS_MAX_TEXT], text[UNITS_MAX_TEXT];

	snprintf(best, sizeof(best), "%llu%s", (unsigned long long)value,
		 value ? kinds[kind].bare : "");
	for (; s && s->text && value; s++) {
		unsigned int dec = 0;
		u64 rest = value % s->factor, unit = s->factor;
		char frac[24] = "";

		/* Decimal fractions only where the unit is decimal. */
		if (kind == UNIT_BYTES ? rest != 0 : value < s->factor)
			continue;
		while (rest) {
			unit /= 10;
			frac[dec++] = '0' + rest / unit;
			rest %= unit;
		}
		frac[dec] = '\0';
		snprintf(text, sizeof(text), "%llu%s%s%s",
			 (unsigned long long)(value / s->factor),
			 dec ? "." : "", frac, s->text);
		if (strlen(text) < strlen(best))
			memcpy(best, text, sizeof(best));
	}
	memcpy(buf, best, UNITS_MAX_TEXT);
	return buf;
}

const char *units_format_double(double value, char buf[UNITS_MAX_TEXT])
{
	locale_t c, before;

	if (isnan(value) || isinf(value)) {
		snprintf(buf, UNITS_MAX_TEXT, "%s", isnan(value) ? "nan" :
			 value > 0 ? "inf" : "-inf");
		return buf;
	}
	before = c_locale_begin(&c);
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(buf, UNITS_MAX_TEXT, "%.*g", digits, value);
		if (strtod(buf, NULL) == value)
			break;
	}
	c_locale_end(c, before);
	return buf;
}

const char *units_format_fixed(double value, unsigned int decimals,
			       char *buf, size_t size)
{
	locale_t c, before = c_locale_begin(&c);

	snprintf(buf, size, "%.*f", (int)decimals, value);
	c_locale_end(c, before);
	return buf;
}

const char *units_format_grouped(u64 value, char buf[UNITS_MAX_TEXT])
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu",
			 (unsigned long long)value);
	char *out = buf;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return buf;
}
