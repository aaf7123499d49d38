/* targets.h - the CPUs of a mask but this one, one after the other. */
#ifndef CPU_TARGETS_H
#define CPU_TARGETS_H

#include "cpu/cpu.h"

struct targets {
	const u64 *mask;
	u64 left;               /* of its word no. @word: still to come       */
	u32 word;
	u32 cpu;                /* the one it is at; NO_TARGET: before all    */
};

#define NO_TARGET CONTEND_NONE

/* Those CPUs of @mask's word no. @word that there are, but this one. */
static inline u64 targets_word(const u64 *mask, u32 word)
{
	u32 me = this_cpu->id, nr = the_sys->nr_cpus - 64 * word;
	u64 others = mask[word];

	if (nr < 64)
		others &= (1ull << nr) - 1;
	return word == me / 64 ? others & ~(1ull << me % 64) : others;
}

static inline struct targets targets_of(const u64 *mask)
{
	return (struct targets){ .mask = mask, .left = targets_word(mask, 0),
				 .cpu = NO_TARGET };
}

static inline struct targets targets_none(void)
{
	return (struct targets){ .word = UINT32_MAX - 1, .cpu = NO_TARGET };
}

/* Return: there is one more; @t->cpu is it. */
static inline bool targets_next(struct targets *t)
{
	while (unlikely(!t->left)) {
		if (++t->word >= (the_sys->nr_cpus + 63) / 64)
			return false;
		t->left = targets_word(t->mask, t->word);
	}
	t->cpu = 64 * t->word + (u32)__builtin_ctzll(t->left);
	t->left &= t->left - 1;
	return true;
}

#endif
