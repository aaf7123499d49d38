/* point.h - one timed run from option text, for tests: as `tlbemu run NAME
 * --machine ...` would make it, with the workload's defaults.
 *
 *	struct setup s;
 *
 *	point_make(&s, workload_find("chase"), PAIRS("pages", "64"));
 *	r = point_run(&s);              (free() it)
 *	point_free(&s);
 *
 * What fails ends the test, with the text of the error.
 */
#ifndef TESTS_POINT_H
#define TESTS_POINT_H

#include "emu/timed_point.h"
#include "tests/check.h"

static struct err err;

#define OK(call) do { \
	int ret_ = (call); \
	if (ret_) \
		fail_msg("%s: %d: %s", #call, ret_, err.text); \
} while (0)

/* Option, value, option, value ... */
#define PAIRS(...) (const char *const[]){ __VA_ARGS__, NULL }

struct setup {
	struct timed_cfg cfg;
	void *wl_cfg;
	struct opt_set *set;
	struct timed_point p;
};

static inline void point_make(struct setup *s, const struct workload *w,
			      const char *const *pairs)
{
	struct opt_bind binds[2] = {
		{ .table = timed_opts, .nr = nr_timed_opts, .base = &s->cfg },
		{ .table = w->params, .nr = w->nr_params },
	};

	memset(s, 0, sizeof(*s));
	s->wl_cfg = calloc(1, w->cfg_bytes + 1);
	binds[1].base = s->wl_cfg;
	OK(opt_set_create(&s->set, binds, w->nr_params ? 2 : 1));
	for (const char *const *d = w->defaults; d && d[0]; d += 2)
		OK(opt_assign(s->set, d[0], d[1], OPT_FROM_DEFAULT, &err));
	for (; pairs[0]; pairs += 2)
		OK(opt_assign(s->set, pairs[0], pairs[1], OPT_FROM_CMDLINE,
			      &err));
	s->p = (struct timed_point){
		.cfg = &s->cfg,
		.kernel = kernel_find(s->cfg.kernel),
		.flush = s->cfg.flush ? flush_find(s->cfg.flush) : NULL,
		.workload = w,
		.workload_cfg = s->wl_cfg,
		.progress = PROGRESS_NEVER,
	};
	assert_non_null(s->p.kernel);
	assert_true(s->p.flush || !s->cfg.flush);
}

/* A sample on the way shows CPUs that are ahead of the slowest clock
 * (timed_set_sampler()); what the run comes to does not depend on that. */
static inline void forget_samples(struct timed_result *r)
{
	memset(&r->series, 0, sizeof(r->series));
}

static inline void point_free(struct setup *s)
{
	opt_set_free(s->set);
	free(s->wl_cfg);
}

/* The host's time left out, so that results can be compared. */
static inline struct timed_result *point_run(const struct setup *s)
{
	struct timed_result *r = calloc(1, sizeof(*r));

	OK(timed_point_run(&s->p, r, &err));
	r->host_ns = 0;
	return r;
}

#endif
