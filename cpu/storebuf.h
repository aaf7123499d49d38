/* storebuf.h - one CPU's stores that are not yet visible.
 *
 * TSO: they become visible in order; locked operations wait for an empty
 * buffer. Weak: any order, except that stores to one word keep theirs, a write
 * barrier separates, and a release waits for all before it. Plain atomic
 * increments without a result are buffered too (LKMM: they order nothing).
 *
 * Weak loads: a load may have been performed early, at any time since the
 * CPU's last acquire or read barrier, so it may return any value the word held
 * since then: @stale remembers those.
 */
#ifndef CPU_STOREBUF_H
#define CPU_STOREBUF_H

#include "base/types.h"

#define SB_MAX 8
#define STALE_MAX 12
#define SB_BARRIER 0x80

enum sb_kind {
	SB_STORE,               /* a kernel word                              */
	SB_ADD,                 /* relaxed increment (value is the delta)     */
	SB_PTE,                 /* a page-table entry: retires translations   */
	SB_RELEASE,             /* unlock: after everything before it         */
	SB_LINE,                /* a program's store to a frame               */
};

struct sb_entry {
	u64 off;                /* arena offset of the word                   */
	u64 value;
	u64 vpn;                /* SB_PTE, SB_LINE                            */
	union {
		u32 root;       /* SB_PTE: root table of the address space    */
		u32 called;     /* SB_LINE: bit per CPU whose broadcast names
				 * the translation it used                    */
	};
	u8 bytes;
	u8 kind;
	u8 level;               /* SB_PTE; SB_LINE: the line                  */
	u8 epoch;               /* weak: number of write barriers before it,
				 * and SB_BARRIER when one follows            */
};

struct stale_value {
	u64 off;
	u64 value;
};

struct storebuf {
	u32 n;
	u32 zero;
	struct sb_entry e[SB_MAX];      /* oldest first                       */
	u32 nr_stale;
	u32 zero2;
	struct stale_value stale[STALE_MAX];    /* oldest first               */
};

/* A store enters; there is room. A write barrier: stores from now on stay
 * behind those in the buffer. */
void sb_push(struct storebuf *sb, const struct sb_entry *e);
void sb_write_barrier(struct storebuf *sb);

/* Is a store to this word in the buffer? */
bool sb_holds(const struct storebuf *sb, u64 off);

/* The CPU cannot read old values of this word any more. */
void sb_forget(struct storebuf *sb, u64 off);

/* The i-th entry that may become visible next, or -1 when fewer may. */
int sb_drainable(const struct storebuf *sb, bool is_weak, u32 i);

/* Make entry @i visible: remove it and perform the store. */
void sb_drain(struct storebuf *sb, u32 i);

/* @word was @old until now: early loads elsewhere may still return it. */
void sb_word_became(const void *word, u64 old);

/* Newest value of a word as its own CPU sees it. */
u64 sb_forward(const struct storebuf *sb, u64 off, u64 memory_value);

#endif
