/* ref_steps.h - small programs of the steps that modelled kernel code is made of
 * (words, locks, bits, barriers, cross calls), and an interpreter of them that
 * shares no code with cpu/: one step at a time, all interleavings, memory models of
 * its own (weak loads as positions in each word's history, where cpu/ keeps
 * overtaken values). For test_explore.c.
 */
#ifndef TESTS_REF_STEPS_H
#define TESTS_REF_STEPS_H

#include "tests/check.h"

#include "cpu/cpu.h"

enum { NW = 3, NL = 2, NB = 1, MAX_CPUS = 4, MAX_OPS = 10, NR_HANDLERS = 2,
       HANDLER_OPS = 2 };

/* ---- programs -------------------------------------------------------------------- */

enum code {
	READ, WRITE, XCHG, CMPXCHG, ADD_RETURN, INC, MB, WMB, RMB,
	LOCK, UNLOCK, BITLOCK, BITUNLOCK, BITTRY, BITWAIT,
	DOWN_READ, UP_READ, DOWN_WRITE, UP_WRITE, DOWNGRADE,
	IRQ_OFF, IRQ_ON, CALL, SKIP_ODD, CHECK, END, NR_CODES
};

struct op {
	u8 code;
	u8 a;                   /* word, lock; CALL: handler                  */
	u8 k;                   /* value; CALL: mask of CPUs                  */
	u8 use_r;               /* value + what was read so far               */
};

struct prog {
	u32 nr_cpus;
	struct op op[MAX_CPUS][MAX_OPS + 1];
	struct op handler[NR_HANDLERS][HANDLER_OPS + 1];
};

void print_prog(const struct prog *p);

/* An end: words, then what each CPU has read. */
struct end {
	u16 w[NW + MAX_CPUS];
};

#define MAX_ENDS 4096

struct ends {
	u32 n;
	bool is_violated, is_deadlocked, is_unfinished;
	struct end e[MAX_ENDS];
};

void ends_add(struct ends *s, const struct end *e);

/* Return: false, with what one lacks printed, when they are not the same. */
bool ends_equal(const char *an, const struct ends *a, const char *bn,
		const struct ends *b);

/* All ends of @p. Return: false when it is too large for this interpreter. */
bool naive(const struct prog *p, enum memory_model model, struct ends *out);

#endif
