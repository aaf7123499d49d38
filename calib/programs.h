/* programs.h - small programs whose loads are known one by one: each exists
 * once, runs natively as it is, and writes down its own loads when asked, which
 * is the trace that an emulated machine gets.
 *
 *	search	binary search in a sorted array
 *	tree	lookup in a binary tree whose nodes lie anywhere
 *	hash	lookup in a table of chains
 *
 * Each round looks for a key made of what the last one found, so that no round
 * begins before the last has ended; choices are made without branches where
 * they could be guessed wrong. What they compute besides shows in the smallest
 * arena, where every load hits the first level of everything.
 */
#ifndef CALIB_PROGRAMS_H
#define CALIB_PROGRAMS_H

#include "calib/mut.h"

#define PROGRAM_SMALL (16u << 10)

/* By program; the first of each has PROGRAM_SMALL bytes. */
extern const struct mut_program programs[];
extern const u32 nr_programs;

#endif
