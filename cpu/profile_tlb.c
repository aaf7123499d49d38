/* profile_tlb.c - the sections [tlb] and [tlb.NAME] of a profile.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"
#include "cpu/profile_parse.h"

#define MAX_NAME 24u

/* ORDER tlb_index, ORDER tlb_repl */
static const char *const index_names[] = { "linear", "xor", NULL };
static const char *const repl_names[] = {
	"tree-plru", "mru1-3plru4", "lru", "fifo", "random", "nru",
	"lru-3plru4", NULL
};
_Static_assert(ARRAY_LEN(index_names) == NR_TLB_INDEX + 1, "ORDER tlb_index");
_Static_assert(ARRAY_LEN(repl_names) == NR_TLB_REPL + 1, "ORDER tlb_repl");

/* ORDER tlb_smt */
static const char *const smt_names[] = { "shared", "split", "private", NULL };
_Static_assert(ARRAY_LEN(smt_names) == NR_TLB_SMT + 1, "ORDER tlb_smt");

/* ORDER arm_sizes: those after the first TLB_NR_SIZES */
static const char *const size_names[] = {
	"4k", "2m", "1g", "16k", "64k", "32m", "512m", NULL
};
/* [level]: how much one leaf of it maps. */
static const u64 leaf_bytes[] = { PAGE_BYTES, 2u << 20 };
static const char *const use_names[] = { "load", "store", "fetch", "data", NULL };

enum tlb_key { KEY_LEVEL, KEY_SERVES, KEY_ENTRIES, KEY_WAYS, KEY_SETS,
	       KEY_SIZES, KEY_INDEX, KEY_REPLACEMENT, KEY_HIT, KEY_COALESCE,
	       KEY_COALESCE_2M, KEY_SMT, KEY_PIECES, KEY_SOURCE };
static const char *const tlb_keys[] = {
	"level", "serves", "entries", "ways", "sets", "sizes", "index",
	"replacement", "hit_cycles", "coalesce", "coalesce_2m", "smt", "pieces",
	"source", NULL
};

const char *tlb_index_name(enum tlb_index index)
{
	return index_names[index];
}

const char *tlb_repl_name(enum tlb_repl repl)
{
	return repl_names[repl];
}

/* --- [tlb] --------------------------------------------------------------- */

void parse_tlb_design(struct parse *ps)
{
	static const char *const keys[] = {
		"pcid_slots", "pcid_slots_l1i", "cr3_empties_l1d", "inclusive",
		"source", NULL
	};
	struct tlb_design *d = &ps->p->tlb;
	int key = parse_find(keys, ps->key);

	if (key < 0) {
		parse_unknown_key(ps, keys);
		return;
	}
	if (key == 0)
		parse_u32(ps, 0, TLB_MAX_PCID_SLOTS, &d->pcid_slots);
	else if (key == 1)
		parse_u32(ps, 0, TLB_MAX_PCID_SLOTS, &d->pcid_slots_l1i);
	else
		parse_bool(ps, key == 2 ? &d->cr3_empties_l1d
					: &d->is_inclusive);
	parse_keep(ps, PART_TLB, TLB_MAX_ARRAYS, key < 2 ? "slots" : "");
}

/* --- the keys of [tlb.NAME] ------------------------------------------------ */

/* The array that the section describes, made when it is new; TLB_MAX_ARRAYS:
 * it has failed. */
static u32 find_array(struct parse *ps)
{
	struct tlb_design *d = &ps->p->tlb;
	const char *name = ps->section + strlen("tlb.");
	size_t len = strlen(name);

	for (u32 i = 0; i < d->nr_arrays; i++)
		if (!strcmp(d->array[i].name, name))
			return i;
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)name[i]) &&
		    !isdigit((unsigned char)name[i]) && name[i] != '_')
			len = 0;
	if (!len || len > MAX_NAME)
		parse_fail(ps, ps->key_line, "[%s]: a name has 1 to %u of a-z, "
			   "0-9 and _", ps->section, MAX_NAME);
	else if (d->nr_arrays == TLB_MAX_ARRAYS)
		parse_fail(ps, ps->key_line, "[%s] is one [tlb.NAME] too many; "
			   "at most %u are read", ps->section, TLB_MAX_ARRAYS);
	if (ps->err)
		return TLB_MAX_ARRAYS;
	memcpy(d->array[d->nr_arrays].name, name, len + 1);
	return d->nr_arrays++;
}

/* A list of @names as bits; 0: it has failed. */
static u32 parse_set(struct parse *ps, const char *const *names,
		     const char *all)
{
	char list[256], *save, *word, hint[128];
	u32 mask = 0;

	snprintf(list, sizeof(list), "%.255s", ps->value);
	for (word = strtok_r(list, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		int bit = parse_find(names, word);

		if (bit < 0) {
			parse_fail(ps, ps->key_line, "%s: '%s' is not one of "
				   "%s%s", ps->key, word, all,
				   suggest_text(word, names, hint,
						sizeof(hint)));
			return 0;
		}
		mask |= 1u << bit;
	}
	if (!mask)
		parse_fail(ps, ps->key_line, "%s: expected some of %s", ps->key,
			   all);
	return mask;
}

static void set_serves(struct parse *ps, struct tlb_geometry *geo)
{
	u32 mask = parse_set(ps, use_names, "load, store, fetch, data");

	if (mask & 1u << 3)
		mask |= TLB_SERVES_DATA;
	geo->serves = mask & (TLB_SERVES_DATA | TLB_SERVES_FETCH);
}

static void set_sizes(struct parse *ps, struct tlb_geometry *geo)
{
	u32 mask = parse_set(ps, size_names, "4k, 2m, 1g, and of Arm 16k, 64k, "
			     "32m, 512m");

	geo->page_sizes = mask & ((1u << TLB_NR_SIZES) - 1);
	geo->arm_sizes = (u8)(mask >> TLB_NR_SIZES);
	if (mask && !geo->page_sizes)
		parse_fail(ps, ps->key_line, "sizes: none of 4k, 2m, 1g, which "
			   "are what there is unless --granule says otherwise");
}

static void set_index(struct parse *ps, struct tlb_geometry *geo)
{
	u64 bits;

	if (!strcmp(ps->value, "linear")) {
		geo->index = TLB_INDEX_LINEAR;
	} else if (!strncmp(ps->value, "xor-", 4) &&
		   !units_parse_in(UNIT_COUNT, ps->value + 4, 1, 16, &bits,
				   NULL)) {
		geo->index = TLB_INDEX_XOR;
		geo->index_bits = (u32)bits;
	} else {
		parse_fail(ps, ps->key_line, "index: '%s' is neither linear nor "
			   "xor-N with N from 1 to 16", ps->value);
	}
}

static void set_replacement(struct parse *ps, struct tlb_geometry *geo)
{
	int repl = parse_find(repl_names, ps->value);
	char hint[128];

	if (repl < 0)
		parse_fail(ps, ps->key_line, "replacement: '%s' is not one of "
			   "tree-plru, mru1-3plru4, lru, fifo, random, nru, "
			   "lru-3plru4%s", ps->value,
			   suggest_text(ps->value, repl_names, hint,
					sizeof(hint)));
	else
		geo->replacement = (enum tlb_repl)repl;
}

static void set_coalesce(struct parse *ps, u32 level, u8 *order)
{
	u64 leaf = leaf_bytes[level], bytes;

	if (units_parse_in(UNIT_BYTES, ps->value, leaf, 256 * leaf, &bytes,
			   NULL) || bytes & (bytes - 1))
		parse_fail(ps, ps->key_line, "%s: '%s' is not a power of two "
			   "from %s", ps->key, ps->value,
			   level ? "2m to 512m" : "4k to 1m");
	else
		*order = (u8)__builtin_ctzll(bytes / leaf);
}

static void set_ways(struct parse *ps, u32 id, struct tlb_geometry *geo)
{
	if (!strcmp(ps->value, "full"))
		ps->is_full[id] = true;
	else
		parse_u32(ps, 1, TLB_MAX_WAYS, &geo->nr_ways);
}

static void set_level(struct parse *ps, struct tlb_geometry *geo)
{
	u32 level = 0;

	if (parse_u32(ps, 1, 2, &level))
		geo->level = (u8)level;
}

static void set_smt(struct parse *ps, struct tlb_geometry *geo)
{
	int smt = parse_find(smt_names, ps->value);

	if (smt < 0)
		parse_fail(ps, ps->key_line, "smt: '%s' is not one of shared, "
			   "split, private", ps->value);
	else
		geo->smt = (u8)smt;
}

void parse_tlb_array(struct parse *ps)
{
	static const char *const units[] = {
		[KEY_ENTRIES] = "entries", [KEY_WAYS] = "ways",
		[KEY_SETS] = "sets", [KEY_HIT] = "cycles",
		[KEY_COALESCE] = "bytes", [KEY_COALESCE_2M] = "bytes",
		[KEY_SOURCE] = NULL,
	};
	int key = parse_find(tlb_keys, ps->key);
	u32 id = find_array(ps);
	struct tlb_geometry *geo = &ps->p->tlb.array[id];

	if (ps->err)
		return;
	if (key < 0) {
		parse_unknown_key(ps, tlb_keys);
		return;
	}
	switch ((enum tlb_key)key) {
	case KEY_LEVEL: set_level(ps, geo); break;
	case KEY_SERVES: set_serves(ps, geo); break;
	case KEY_ENTRIES:
		parse_u32(ps, 1, TLB_MAX_ENTRIES, &ps->tlb_entries[id]);
		break;
	case KEY_WAYS: set_ways(ps, id, geo); break;
	case KEY_SETS: parse_u32(ps, 1, TLB_MAX_SETS, &geo->nr_sets); break;
	case KEY_SIZES: set_sizes(ps, geo); break;
	case KEY_INDEX: set_index(ps, geo); break;
	case KEY_REPLACEMENT: set_replacement(ps, geo); break;
	case KEY_HIT: parse_u32(ps, 0, PARSE_MAX_HIT, &geo->hit_cycles); break;
	case KEY_COALESCE: set_coalesce(ps, 0, &geo->coalesce); break;
	case KEY_COALESCE_2M: set_coalesce(ps, 1, &geo->coalesce_2m); break;
	case KEY_SMT: set_smt(ps, geo); break;
	case KEY_PIECES: parse_bool(ps, &geo->takes_pieces); break;
	case KEY_SOURCE: break;
	}
	parse_keep(ps, PART_TLB, id, units[key] ? units[key] : "");
}

/* --- checks of one array --------------------------------------------------- */

static u32 log2_u32(u32 v)
{
	return v ? 31u - (u32)__builtin_clz(v) : 0;
}

static void check_given(struct parse *ps, const char *section,
			const struct tlb_geometry *geo)
{
	static const enum tlb_key needed[] = {
		KEY_LEVEL, KEY_SERVES, KEY_ENTRIES, KEY_WAYS, KEY_SIZES,
		KEY_REPLACEMENT
	};
	u32 last = parse_last_line(ps, section);

	for (size_t i = 0; i < ARRAY_LEN(needed) && !ps->err; i++)
		if (!parse_line_of(ps, section, tlb_keys[needed[i]]))
			parse_missing(ps, last, section, tlb_keys[needed[i]]);
	if (geo->level == 2 && !parse_line_of(ps, section, "hit_cycles"))
		parse_fail(ps, last, "[%s] ends without 'hit_cycles', which "
			   "level 2 needs: 0 to %u", section, PARSE_MAX_HIT);
	if (geo->level == 1 && parse_line_of(ps, section, "hit_cycles"))
		parse_fail(ps, parse_line_of(ps, section, "hit_cycles"),
			   "[%s] hit_cycles is for level 2; a hit in level 1 is "
			   "part of the access", section);
}

static void check_sets(struct parse *ps, const char *section, u32 id)
{
	struct tlb_geometry *geo = &ps->p->tlb.array[id];
	u32 entries = ps->tlb_entries[id];
	u32 line = parse_line_of(ps, section, "entries");
	bool has_sets = parse_line_of(ps, section, "sets");

	if (ps->is_full[id])
		geo->nr_ways = entries;
	if (!has_sets)
		geo->nr_sets = entries / geo->nr_ways;
	if (geo->nr_ways > TLB_MAX_WAYS)
		parse_fail(ps, line, "[%s] entries = %u and ways = full; at most "
			   "%u ways are modelled", section, entries,
			   TLB_MAX_WAYS);
	else if ((u64)geo->nr_sets * geo->nr_ways != entries)
		parse_fail(ps, line, "[%s] entries = %u is not sets * ways (%u "
			   "ways%s)", section, entries, geo->nr_ways,
			   has_sets ? ", and sets as given" : "");
	else if (geo->nr_sets > TLB_MAX_SETS)
		parse_fail(ps, line, "[%s] makes %u sets; expected 1 to %u",
			   section, geo->nr_sets, TLB_MAX_SETS);
}

static void check_index(struct parse *ps, const char *section,
			struct tlb_geometry *geo)
{
	u32 line = parse_line_of(ps, section, "index");
	u32 bits = log2_u32(geo->nr_sets);

	if (!line && geo->nr_sets > 1)
		parse_fail(ps, parse_last_line(ps, section), "[%s] ends without "
			   "'index', which %u sets need: linear, or xor-N with "
			   "N from 1 to 16", section, geo->nr_sets);
	else if (geo->index == TLB_INDEX_XOR &&
		 geo->nr_sets & (geo->nr_sets - 1))
		parse_fail(ps, line, "[%s] index = xor-%u needs a power of two "
			   "of sets, not %u", section, geo->index_bits,
			   geo->nr_sets);
	else if (geo->index == TLB_INDEX_XOR && geo->index_bits != bits)
		parse_fail(ps, line, "[%s] index = xor-%u does not fit %u sets; "
			   "expected xor-%u", section, geo->index_bits,
			   geo->nr_sets, bits);
	if (geo->index == TLB_INDEX_LINEAR)
		geo->index_bits = bits;
}

static void check_array(struct parse *ps, u32 id)
{
	struct tlb_geometry *geo = &ps->p->tlb.array[id];
	char section[64];

	snprintf(section, sizeof(section), "tlb.%s", geo->name);
	check_given(ps, section, geo);
	if (!ps->err)
		check_sets(ps, section, id);
	if (!ps->err)
		check_index(ps, section, geo);
	if (!ps->err && geo->coalesce && !(geo->page_sizes & TLB_HOLDS_4K))
		parse_fail(ps, parse_line_of(ps, section, "coalesce"),
			   "[%s] coalesce joins 4k pages, but sizes has none",
			   section);
	if (!ps->err && geo->coalesce_2m && !(geo->page_sizes & TLB_HOLDS_2M))
		parse_fail(ps, parse_line_of(ps, section, "coalesce_2m"),
			   "[%s] coalesce_2m joins 2m pages, but sizes has none",
			   section);
	/* All else has been looked at, so this is about the policy. */
	if (!ps->err && tlb_geometry_error(geo))
		parse_fail(ps, parse_line_of(ps, section, "replacement"),
			   "[%s] replacement = %s does not work with %u ways: "
			   "%s", section, repl_names[geo->replacement],
			   geo->nr_ways, tlb_geometry_error(geo));
	snprintf(geo->source, sizeof(geo->source), "%.127s",
		 parse_source_of(ps, section, "entries"));
}

/* --- checks of all of them --------------------------------------------------- */

/* How many arrays of @level hold @size whole for @use; *last: the last of
 * them. */
static u32 count_for(const struct tlb_design *d, u32 level, u32 use, u32 size,
		     u32 *last)
{
	u32 n = 0;

	for (u32 i = 0; i < d->nr_arrays; i++) {
		const struct tlb_geometry *geo = &d->array[i];

		if (geo->level != level || !(geo->serves & 1u << use) ||
		    !(geo->page_sizes & 1u << size))
			continue;
		n++;
		*last = i;
	}
	return n;
}

static void check_overlap(struct parse *ps, u32 use, u32 size)
{
	const struct tlb_design *d = &ps->p->tlb;
	char section[64];

	for (u32 level = 1; level <= 2 && !ps->err; level++) {
		u32 last = 0;

		if (count_for(d, level, use, size, &last) <= level)
			continue;
		snprintf(section, sizeof(section), "tlb.%s",
			 d->array[last].name);
		parse_fail(ps, parse_last_line(ps, section), "[%s] is one array "
			   "too many of level %u for a %s of %s pages; at most "
			   "%u take one", section, level, use_names[use],
			   size_names[size], level);
	}
}

void parse_check_tlbs(struct parse *ps)
{
	struct tlb_design *d = &ps->p->tlb;
	bool has_fetch = false;
	const char *wrong;
	u32 last;

	snprintf(d->name, sizeof(d->name), "%s", ps->p->name);
	for (u32 i = 0; i < d->nr_arrays && !ps->err; i++) {
		check_array(ps, i);
		has_fetch = has_fetch || (d->array[i].level == 1 &&
				d->array[i].serves & TLB_SERVES_FETCH);
	}
	for (u32 use = 0; use < NR_TLB_USES && !ps->err; use++)
		for (u32 size = 0; size < 3 && !ps->err; size++)
			check_overlap(ps, use, size);
	wrong = ps->err ? NULL : tlb_design_error(d, 1, NULL);
	for (u32 use = 0; use < NR_TLB_USES && !ps->err; use++)
		for (u32 size = 0; size < 2; size++)
			if ((use != TLB_FETCH || has_fetch) &&
			    !count_for(d, 1, use, size, &last))
				parse_fail(ps, ps->line, "the file ends without "
					   "a [tlb.NAME] of level 1 that serves "
					   "a %s and holds %s pages",
					   use_names[use], size_names[size]);
	if (wrong)
		parse_fail(ps, ps->line, "the file ends and [tlb.NAME] do not "
			   "fit: %s", wrong);
}
