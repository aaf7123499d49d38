/* What all machines under test have in common. */
#include "calib/mut.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

const char *mut_op_name(enum mut_op op)
{
	static const char *const names[NR_MUT_OPS] = {
		[MUT_SYSCALL] = "syscall", [MUT_FAULT] = "fault",
		[MUT_ZERO] = "zero", [MUT_COPY] = "copy",
		[MUT_MPROTECT] = "mprotect", [MUT_MUNMAP] = "munmap",
		[MUT_DONTNEED] = "dontneed", [MUT_MREMAP] = "mremap",
		[MUT_FORK] = "fork",
	};

	return names[op];
}

static void clear(struct mut_sample *s)
{
	*s = (struct mut_sample){ .disturbed = 0 };
	for (u32 i = 0; i < NR_MUT_EVENTS; i++)
		s->ev[i] = NAN;
}

static int finish(const struct mut *m, struct mut_sample *s, int rc)
{
	for (u32 i = 0; m->ignores_events && i < NR_MUT_EVENTS; i++)
		s->ev[i] = NAN;
	return rc;
}

static int check_cpu(const struct mut *m, u32 cpu, struct err *e)
{
	if (cpu < m->shape.nr_cpus)
		return 0;
	if (cpu == MUT_NO_CPU)
		return err_set(e, -ENOTSUP, "no CPU of that node may be used "
			       "here");
	return err_set(e, -ENOTSUP, "CPU %u of the %u that may be used here",
		       cpu, m->shape.nr_cpus);
}

int mut_chase(struct mut *m, const struct mut_chase *c, struct mut_sample *s,
	      struct err *e)
{
	u64 most = m->shape.max_pages[c->size], far = m->shape.max_span[c->size];

	clear(s);
	if (mut_pages(c) > most)
		return err_set(e, -E2BIG, "%llu pages of %llu bytes are more "
			       "than the %llu that may be used here",
			       (unsigned long long)mut_pages(c),
			       (unsigned long long)mut_page_bytes(c->size),
			       (unsigned long long)most);
	if (mut_span(c) > far)
		return err_set(e, -E2BIG, "a span of %llu pages is more than "
			       "the %llu that may be mapped here",
			       (unsigned long long)mut_span(c),
			       (unsigned long long)far);
	if (check_cpu(m, c->cpu, e))
		return -ENOTSUP;
	return finish(m, s, m->ops->chase(m, c, s, e));
}

int mut_work(struct mut *m, const struct mut_work *w, struct mut_sample *s,
	     struct err *e)
{
	clear(s);
	if (w->others >= m->shape.nr_cpus)
		return err_set(e, -ENOTSUP, "%u other threads need %u CPUs, "
			       "there are %u", w->others, w->others + 1,
			       m->shape.nr_cpus);
	return finish(m, s, m->ops->work(m, w, s, e));
}

int mut_transfer(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		 struct err *e)
{
	clear(s);
	if (check_cpu(m, a, e) || check_cpu(m, b, e))
		return -ENOTSUP;
	return finish(m, s, m->ops->transfer(m, a, b, s, e));
}

int mut_program(struct mut *m, const struct mut_program *p,
		struct mut_sample *s, struct err *e)
{
	clear(s);
	if (p->bytes >> 12 > m->shape.max_pages[MUT_4K])
		return err_set(e, -E2BIG, "an arena of %llu bytes is more than "
			       "may be used here", (unsigned long long)p->bytes);
	return finish(m, s, m->ops->program(m, p, s, e));
}

int mut_stream(struct mut *m, u32 a, u32 b, struct mut_sample *s,
	       struct err *e)
{
	clear(s);
	if (check_cpu(m, m->shape.node_cpu[a], e))
		return -ENOTSUP;
	return finish(m, s, m->ops->stream(m, a, b, s, e));
}

int mut_trace(const struct mut_program *p, u64 nr, u64 *seed,
	      struct mut_visits *v, struct err *e)
{
	char *arena = aligned_alloc(4096, p->bytes);

	*v = (struct mut_visits){ .room = nr * MUT_MOST_LOADS };
	v->offset = malloc(v->room * sizeof(u64));
	if (arena && v->offset) {
		p->build(arena, p->bytes);
		*seed = p->run(arena, p->bytes, nr, *seed, v);
	}
	free(arena);
	if (arena && v->offset)
		return 0;
	free(v->offset);
	v->offset = NULL;
	return err_set(e, -ENOMEM, "out of memory");
}
