/* Points for this host and its model. */
#include "base/grow.h"
#include "emu/validate_rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "calib/programs.h"

const struct suite_info validate_suites[NR_SUITES] = {
	{ "chase", "chases through pages", 10, 25 },
	{ "program", "small programs under their traces", 10, 25 },
	{ "alone", "mprotect, munmap, madvise, mremap, fork alone", 20, 0 },
	{ "together", "the same beside running threads", 30, 0 },
};

static struct row *add(struct rows *r, enum suite suite, enum row_kind kind,
		       const char *what)
{
	struct row *row;

	if (GROW(r->row, r->n, r->room, 128))
		return NULL;
	row = &r->row[r->n++];
	*row = (struct row){ .suite = suite, .kind = kind };
	row->native = row->lo = row->hi = row->emulated = row->error = NAN;
	for (u32 k = 0; k < NR_ROW_COUNTS; k++)
		row->count[k][0] = row->count[k][1] = NAN;
	snprintf(row->what, sizeof(row->what), "%s", what);
	return row;
}

/* ---- chases ------------------------------------------------------------------- */

static bool add_chases(struct rows *r, enum mut_page size, u64 stride,
		       const u64 *pages, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct row *row;
		char what[32];

		snprintf(what, sizeof(what), "chase %s stride %u",
			 size == MUT_2M ? "2m" : "4k", (u32)stride);
		row = add(r, CHASES, ROW_CHASE, what);
		if (!row)
			return false;
		row->chase = (struct mut_chase){ .size = size, .nr = pages[i],
						 .stride = stride,
						 .has_data = true };
	}
	return true;
}

static bool chases(struct rows *r)
{
	static const u64 pages[] = { 13, 29, 53, 73, 91, 113, 163, 269, 419,
				     701, 1009, 1451, 1777, 2333, 3001 };
	static const u64 strided[] = { 37, 83, 149, 331, 599 };
	static const u64 large[] = { 5, 23, 47, 71, 117 };

	return add_chases(r, MUT_4K, 1, pages, ARRAY_LEN(pages)) &&
	       add_chases(r, MUT_4K, 3, strided, ARRAY_LEN(strided)) &&
	       add_chases(r, MUT_2M, 1, large, ARRAY_LEN(large));
}

/* Less what it takes in few bytes: the model knows of loads, not of what is
 * computed between them. */
static bool all_programs(struct rows *r)
{
	const struct mut_program *small = NULL;

	for (u32 i = 0; i < nr_programs; i++) {
		struct row *row;

		if (programs[i].bytes == PROGRAM_SMALL) {
			small = &programs[i];
			continue;
		}
		row = add(r, PROGRAMS, ROW_PROGRAM, programs[i].what);
		if (!row)
			return false;
		row->program = &programs[i];
		row->program_less = small;
		row->has_less = true;
	}
	return true;
}

/* ---- the kernel's work ----------------------------------------------------------- */

static bool add_work(struct rows *r, enum mut_op op, u64 pages, u32 others)
{
	struct row *row = add(r, others ? TOGETHER : ALONE, ROW_WORK,
			      mut_op_name(op));

	if (!row)
		return false;
	row->work = (struct mut_work){ .op = op, .pages = pages,
				       .others = others };
	if (op != MUT_FORK)
		return true;
	/* All else that a process has is copied, too: only these pages count. */
	snprintf(row->what, sizeof(row->what), "fork, less that of 1");
	row->less = row->work;
	row->less.pages = 1;
	row->has_less = true;
	return true;
}

static bool works(struct rows *r, u32 others)
{
	static const enum mut_op op[] = { MUT_MPROTECT, MUT_MUNMAP,
					  MUT_DONTNEED, MUT_MREMAP };
	static const u64 calls[] = { 2, 7, 13, 22, 45, 110 };
	static const u64 forks[] = { 450, 1400, 4200 };

	for (size_t o = 0; o < ARRAY_LEN(op); o++)
		for (size_t i = 0; i < ARRAY_LEN(calls); i++)
			if (!add_work(r, op[o], calls[i], others))
				return false;
	for (size_t i = 0; i < ARRAY_LEN(forks); i++)
		if (!add_work(r, MUT_FORK, forks[i], others))
			return false;
	return true;
}

/* 1, 2, 3 and 7, 15 ... others, and as many as there are. */
static u32 more_others(u32 others, u32 most)
{
	u32 next = others < 3 ? others + 1 : 2 * others + 1;

	return others < most && next > most ? most : next;
}

int rows_list(struct rows *r, u32 suite, u32 nr_cpus, struct err *e)
{
	bool ok = true;
	u32 most = nr_cpus > MUT_MAX_OTHERS ? MUT_MAX_OTHERS : nr_cpus - 1;

	*r = (struct rows){ .n = 0 };
	if (suite == CHASES || suite == NR_SUITES)
		ok = chases(r);
	if (ok && (suite == PROGRAMS || suite == NR_SUITES))
		ok = all_programs(r);
	if (ok && (suite == ALONE || suite == NR_SUITES))
		ok = works(r, 0);
	for (u32 n = 1; ok && n <= most && suite >= TOGETHER;
	     n = more_others(n, most))
		ok = works(r, n);
	if (ok)
		return 0;
	rows_free(r);
	return err_set(e, -ENOMEM, "out of memory");
}

void rows_free(struct rows *r)
{
	free(r->row);
	*r = (struct rows){ .n = 0 };
}

u64 row_pages(const struct row *row)
{
	return row->kind == ROW_CHASE ? row->chase.nr :
	       row->kind == ROW_PROGRAM ? row->program->bytes >> 12
					: row->work.pages;
}

u32 row_threads(const struct row *row)
{
	return row->kind == ROW_WORK ? 1 + row->work.others : 1;
}

/* ---- measuring --------------------------------------------------------------------- */

static int sample(struct mut *m, const struct row *row, struct mut_sample *s,
		  struct err *e)
{
	struct mut_sample less;
	int rc = row->kind == ROW_CHASE ? mut_chase(m, &row->chase, s, e) :
		row->kind == ROW_PROGRAM ? mut_program(m, row->program, s, e)
					 : mut_work(m, &row->work, s, e);

	if (rc || !row->has_less)
		return rc;
	rc = row->kind == ROW_PROGRAM ? mut_program(m, row->program_less, &less, e)
				      : mut_work(m, &row->less, &less, e);
	s->cycles.low -= less.cycles.low;
	s->cycles.median -= less.cycles.median;
	s->cycles.lo -= less.cycles.hi;
	s->cycles.hi -= less.cycles.lo;
	return rc;
}

static int unless_refused(struct row *row, const char *who, int rc,
			  const struct err *e)
{
	if (rc != -ENOTSUP && rc != -E2BIG)
		return rc;
	snprintf(row->note, sizeof(row->note), "%s: %.140s", who, e->text);
	return 0;
}

int row_measure(struct row *row, struct mut *host, struct mut *model,
		struct err *e)
{
	struct mut_sample s;
	int rc = sample(host, row, &s, e);

	if (rc)
		return unless_refused(row, "this host", rc, e);
	row->native = row->kind == ROW_WORK ? mut_figure(&row->work, &s)
					    : s.cycles.low;
	row->lo = s.cycles.lo;
	row->hi = s.cycles.hi;
	for (u32 k = 0; k < NR_ROW_COUNTS; k++)
		row->count[k][0] = s.ev[MUT_SHOOTDOWNS + k];
	rc = sample(model, row, &s, e);
	if (rc)
		return unless_refused(row, "the model", rc, e);
	row->emulated = s.cycles.median;
	for (u32 k = 0; k < NR_ROW_COUNTS; k++)
		row->count[k][1] = s.ev[MUT_SHOOTDOWNS + k];
	/* A difference that came out below nothing has no error in percent. */
	if (row->native > 0)
		row->error = 100 * (row->emulated - row->native) / row->native;
	else
		snprintf(row->note, sizeof(row->note), "this host: the "
			 "difference is within its noise");
	return 0;
}
