/* native_impl.h - what the files of the native machine under test share. */
#ifndef HOST_NATIVE_IMPL_H
#define HOST_NATIVE_IMPL_H

#include "host/clock.h"
#include "host/native.h"

#define REPS_MIN 9u
#define REPS_MAX 400u

struct native_events;

struct native {
	struct mut mut;
	struct native_cfg cfg;
	void *map;
	u64 map_bytes;
	struct native_events *events;   /* NULL: none are counted             */
	void *volatile sink;    /* where a chase ended: it cannot be left out */
};

/* Repetitions of one thing until they agree. */
struct reps {
	double v[REPS_MAX];
	u32 n;
	u64 end_ns;
	double hz;              /* of the core, around the next repetition    */
	struct disturbance before;
};

void reps_begin(struct reps *r, u64 budget_ns);
bool reps_go_on(struct reps *r);
/* @ticks of clock_ticks() for @per of it. */
void reps_add(struct reps *r, double ticks, double per);
void reps_end(struct reps *r, struct mut_sample *s);

/* Between start, which may say no, and stop: events into @s, by @per. */
bool native_events_start(struct native *n);
void native_events_stop(struct native *n, double per, struct mut_sample *s);
void native_events_close(struct native *n);

/* This thread on CPU @cpu of the shape. */
int native_pin(const struct native *n, u32 cpu, struct err *e);

int native_map(struct native *n, enum mut_page size, u64 bytes, char **out,
	       struct err *e);
void native_unmap(struct native *n);

int native_work(struct mut *m, const struct mut_work *w, struct mut_sample *s,
		struct err *e);
int native_transfer(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		    struct err *e);
int native_program(struct mut *m, const struct mut_program *p,
		   struct mut_sample *s, struct err *e);
int native_stream(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		  struct err *e);

#if defined(__x86_64__)
#define NATIVE_CAN_FLUSH true
#else
#define NATIVE_CAN_FLUSH false
#endif

/* From all data caches, where there is a way. */
static inline void native_flush_line(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("clflush (%0)" :: "r"(p) : "memory");
#endif
}

static inline void native_fence(void)
{
#if defined(__x86_64__)
	__asm__ volatile("mfence" ::: "memory");
#endif
}

/* Memory of [@p, @p + @bytes) comes from @node of the shape. */
int native_bind(const struct native *n, void *p, u64 bytes, u32 node,
		struct err *e);

#endif
