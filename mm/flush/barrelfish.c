/* Barrelfish's unmap (F19): no interrupts, messages. A monitor on each core polls
 * channels, one line each; the initiator's sends along a tree, to its own socket's
 * cores and to one core of each other socket, which passes it on; acknowledgements
 * are gathered by socket, and the last core of each answers.
 *
 * A flush goes to the cores that have the address space loaded, as Barrelfish
 * sends to those that share the capability.
 *
 * assumed, as the paper's figures were not at hand: a core polls whenever it could
 * take an interrupt, at no price when there is nothing; a core that passes a
 * message on does so at once, whatever it does. Generations and lazy CPUs as Linux
 * has them.
 * Source: Baumann et al., "The Multikernel", SOSP 2009, section 5.1. */
#include <errno.h>

#include "mm/flush.h"

/* Of an initiator, by socket: cores that have not acknowledged. A line each. */
struct gathered {
	u64 left, pad[7];
};

static struct gathered *gathered(u32 initiator, u32 package)
{
	return (struct gathered *)mms()->flush_state +
	       (u64)initiator * the_sys->m->nr_packages + package;
}

static int boot(struct sys *sys)
{
	mms()->flush_state = arena_alloc(&sys->arena, (u64)sys->nr_cpus *
			sys->m->nr_packages * sizeof(struct gathered));
	return mms()->flush_state ? 0 : -ENOMEM;
}

static u32 package_of(u32 cpu)
{
	return the_sys->m->cpu[cpu].package;
}

static void on_message(void *arg)
{
	struct gathered *g = gathered(smp_initiator(),
				      package_of(this_cpu->id));

	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	step(arg, false, 0);
	flush_func(arg);
	if (!atomic_add_return(&g->left, -1))
		the_sys->drv.wake(&g->left);
}

static bool is_gathered(const void *arg)
{
	return !((const struct gathered *)arg)->left;
}

static void expect(const u64 *to)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i)) {
			struct gathered *g = gathered(this_cpu->id,
						      package_of(i));

			WRITE_ONCE(g->left, READ_ONCE(g->left) + 1);
		}
}

static void wait_for_sockets(void)
{
	enum cycle_cat cat = cat_enter(CYC_WAIT_ACK);

	for (u32 p = 0; p < the_sys->m->nr_packages; p++) {
		struct gathered *g = gathered(this_cpu->id, p);

		the_sys->drv.wait(&g->left, is_gathered, g, 0);
	}
	cat_leave(cat);
}

static void tell(struct flush_req *r, const u64 *to, bool is_here)
{
	expect(to);
	smp_message(to, on_message, r);
	if (is_here)
		flush_func(r);
	wait_for_sockets();
}

extern const struct flush_ops flush_barrelfish;
const struct flush_ops flush_barrelfish = {
	.name = "barrelfish",
	.summary = "Barrelfish: messages along a tree of cores that poll, no interrupts",
	.source = "Baumann et al., The Multikernel, SOSP 2009",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.tell = tell,
	.has_broadcasts = true,
};
