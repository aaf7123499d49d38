/* "Don't shoot down TLB shootdowns!" (EuroSys'20), F22: Linux's flush made faster
 * by techniques that can be had one by one: `eurosys20:concurrent+early-ack`,
 * `eurosys20:none`.
 *
 * concurrent   interrupts first, the own TLB while the others work
 * early-ack    acknowledged when the request has been read, unless page tables
 *              are freed: a responder runs no user code before it is through
 * lines        what the initiator asks of a CPU lies in the line of that CPU's
 *              queue, and the request in the call record: one line moves
 *              instead of two
 * pti          with page-table isolation each page of a partial flush costs an
 *              INVPCID for the user half besides, a full one nothing (CR3)
 * in-context   pti: the user half is put off to the return to user mode, where
 *              it is the current one, and INVLPG does
 *
 * Alone, `eurosys20` has the first three; in-context without pti is nothing.
 * assumed: the paper's text was not at hand beyond its abstract and a reading
 * note; what one return to user mode drops is not merged with what the next
 * flush asks; its fifth and sixth techniques (copy-on-write without a local
 * flush, batching of msync, munmap and madvise) are not modelled. The initiator's
 * own stores to a request move no line here, so that `lines` saves little.
 * Sources: N. Amit, A. Tai, M. Wei, EuroSys 2020 (abstract); Linux series of 2019
 * ("Concurrent TLB flushes", v3). */
#include <stdio.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/switch.h"

enum {
	CONCURRENT = 1, EARLY_ACK = 2, LINES = 4, PTI = 8, IN_CONTEXT = 16,
	NR_MIXES = 32
};

static const char *const technique[] = {
	"concurrent", "early-ack", "lines", "pti", "in-context", NULL
};

static bool on(u32 which);

/* ---- the user half ------------------------------------------------------------------- */

static void user_half(const struct flush_req *r, u64 per_page)
{
	charge(flush_pages(r) * per_page);
}

/* Where the flush is done, and when the kernel is left again. */
static void user_half_now(const struct flush_req *r)
{
	if (on(PTI) && !on(IN_CONTEXT))
		user_half(r, cost_of(COST_INVPCID_USER));
}

static void user_half_on_return(const struct flush_req *r)
{
	if (on(PTI) && on(IN_CONTEXT))
		user_half(r, cost_of(COST_INVLPG));
}

/* ---- the flush ------------------------------------------------------------------------- */

static void local(void *arg)
{
	flush_func(arg);
	user_half_now(arg);
}

static void remote(void *arg)
{
	struct flush_req r = *(const struct flush_req *)arg;

	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	if (on(EARLY_ACK) && !r.freed_tables)
		smp_ack();
	flush_func(&r);
	user_half_now(&r);
	user_half_on_return(&r);
}

static void shoot(struct flush_req *r)
{
	u64 *to = flush_targets();
	bool is_here;

	this_cpu->ctx.call_is_inline = on(LINES);
	if (!flush_pick(r, to, &is_here)) {
		local(r);
	} else {
		flush_count_sent(r);
		if (is_here && !on(CONCURRENT))
			local(r);
		smp_call(to, remote, r, is_here && on(CONCURRENT) ? local
								  : NULL);
	}
	this_cpu->ctx.call_is_inline = false;
	user_half_on_return(r);
	flush_targets_done();
}

/* ---- the mixes ------------------------------------------------------------------------- */

extern const struct flush_ops flush_eurosys20;

static const struct flush_ops *variant(const char *names);

#define OPS(mix) { \
	.name = "eurosys20", \
	.summary = "Linux's flush with EuroSys'20's techniques, or :some+of+them", \
	.source = "Amit, Tai, Wei, EuroSys 2020", \
	.defers = "as deferred; responders drop after they acknowledged, before " \
		  "any user access", \
	.legal = FLUSH_ALL_OPS, \
	FLUSH_AT_THE_END, \
	.shoot = shoot, \
	.packs_lines = !!((mix) & LINES), \
	.variant = variant, \
}
const struct flush_ops flush_eurosys20 = OPS(LINES);

static struct mix {
	struct flush_ops ops;
	char name[80];
} mixes[NR_MIXES];

static bool on(u32 which)
{
	const struct flush_ops *f = flusher();

	if (f == &flush_eurosys20)
		return (CONCURRENT | EARLY_ACK | LINES) & which;
	return (u32)((const struct mix *)(const void *)f - mixes) & which;
}

/* "a+b" or "none". Return: NR_MIXES for anything else. */
static u32 parse(const char *names)
{
	u32 mix = 0;

	if (!strcmp(names, "none"))
		return 0;
	for (;;) {
		size_t n = strcspn(names, "+");
		u32 i = 0;

		while (technique[i] && (strlen(technique[i]) != n ||
					strncmp(technique[i], names, n)))
			i++;
		if (!technique[i])
			return NR_MIXES;
		mix |= 1u << i;
		if (!names[n])
			return mix;
		names += n + 1;
	}
}

static const struct flush_ops *variant(const char *names)
{
	u32 mix = parse(names);
	struct mix *m = &mixes[mix % NR_MIXES];
	size_t n;

	if (mix == NR_MIXES)
		return NULL;
	m->ops = (struct flush_ops)OPS(mix);
	n = (size_t)snprintf(m->name, sizeof(m->name), "eurosys20:%s",
			     mix ? "" : "none");
	for (u32 i = 0, k = 0; technique[i]; i++)
		if (mix >> i & 1)
			n += (size_t)snprintf(m->name + n, sizeof(m->name) - n,
					      "%s%s", k++ ? "+" : "",
					      technique[i]);
	m->ops.name = m->name;
	return &m->ops;
}
