/* profile_parse.h - what the files that read a profile share: profile.c reads
 * lines and hands each key to the file that knows its section.
 *
 * A handler sees ps->section, ps->key, ps->value (without its source) and
 * ps->source (NULL: none was written). It fails with parse_fail(), else calls
 * parse_keep() to record the number.
 */
#ifndef CPU_PROFILE_PARSE_H
#define CPU_PROFILE_PARSE_H

#include "cpu/profile.h"

/* A key that was given, and where. */
struct parse_given {
	char section[64], key[64];
	u32 line;
	char *source;           /* text of a key "source", else NULL          */
};

struct parse {
	struct profile *p;
	const char *label;
	const char *text, *end; /* what is left to read                       */
	u32 line;               /* of the line read last, from 1              */
	bool is_indented;       /* it began with a blank                      */

	/* inih hands a continuation over as one more value of the same key;
	 * a value is complete only when the next key comes. */
	char section[64], key[64], whole[1024];
	u32 key_line;           /* 0: nothing pending                         */
	char *value, *source;   /* in @whole                                  */

	struct parse_given *given;
	u32 nr_given;
	u32 tlb_entries[TLB_MAX_ARRAYS];
	bool is_full[TLB_MAX_ARRAYS];   /* ways = full                        */
	char *cost_source[NR_COSTS];    /* NULL: the default of costs.def     */

	int err;
	u32 err_line;
	struct err e;
};

void parse_fail(struct parse *ps, u32 line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* [SECTION] has no key 'KEY'; did you mean ...? */
void parse_unknown_key(struct parse *ps, const char *const *names);

/* Index of @word in @names, -1: not there. */
int parse_find(const char *const *names, const char *word);

/* Line that gave @key in [@section], 0: none did. Last line of a section. */
u32 parse_line_of(const struct parse *ps, const char *section, const char *key);
u32 parse_last_line(const struct parse *ps, const char *section);

/* ps->value as a whole number; false: it has failed. */
bool parse_u32(struct parse *ps, u32 min, u32 max, u32 *out);
bool parse_bool(struct parse *ps, bool *out);

/* Record the value just read under "SECTION.KEY" (KEY alone in [machine] and
 * [cost]). */
void parse_keep(struct parse *ps, enum machine_part part, u32 index,
		const char *unit);

/* Record a value that the profile does not give. */
void parse_default(struct parse *ps, enum machine_part part, u32 index,
		   const char *key, const char *text, const char *unit,
		   const char *source);

/* The recorded source of "SECTION.KEY"; "" when there is none. */
const char *parse_source_of(const struct parse *ps, const char *section,
			    const char *key);

/* profile_range.c */
#define PARSE_MAX_HIT 10000u
#define PARSE_MAX_WALKERS 64u
#define PARSE_MAX_LATENCY 100000u

/* [SECTION] ends at @line without @key, and what that could have been. */
void parse_missing(struct parse *ps, u32 line, const char *section,
		   const char *key);

/* The last cache, of [@section], has @latency: memory must have more. */
void parse_check_memory(struct parse *ps, const char *section, u32 latency);

/* profile_tlb.c: [tlb], [tlb.NAME] */
void parse_tlb_design(struct parse *ps);
void parse_tlb_array(struct parse *ps);
void parse_check_tlbs(struct parse *ps);

/* profile_walk.c: [psc], [walker], [cache.NAME] */
void parse_psc(struct parse *ps);
void parse_walker(struct parse *ps);
void parse_memory(struct parse *ps);
void parse_cache(struct parse *ps);
void parse_check_walks(struct parse *ps);

#endif
