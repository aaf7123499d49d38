#include "mm/flush/signal.h"

#include <errno.h>

int signals_create(struct signals *s, struct sys *sys)
{
	s->stride = (sys->nr_cpus + 7) & ~7u;
	s->word = arena_alloc(&sys->arena,
			      sys->nr_cpus * s->stride * sizeof(u64));
	return s->word ? 0 : -ENOMEM;
}

static u64 *word_of(const struct signals *s, u32 to, u32 from)
{
	return &s->word[to * s->stride + from];
}

void signals_send(const struct signals *s, const u64 *to, void (*fn)(void *arg),
		  struct flush_req *r)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i))
			WRITE_ONCE(*word_of(s, i, this_cpu->id), 1);
	smp_send(to, fn, r);
}

void signals_answer(const struct signals *s)
{
	u64 *w = word_of(s, this_cpu->id, smp_initiator());

	(void)xchg(w, 0);
	the_sys->drv.wake(w);
}

static bool is_answered(const void *arg)
{
	return !*(const u64 *)arg;
}

void signals_wait(const struct signals *s, const u64 *to)
{
	enum cycle_cat cat = cat_enter(CYC_WAIT_ACK);

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i)) {
			u64 *w = word_of(s, i, this_cpu->id);

			the_sys->drv.wait(w, is_answered, w, 0);
		}
	cat_leave(cat);
}
