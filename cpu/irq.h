/* irq.h - a CPU takes what is queued for it: the interrupt as a strand. */
#ifndef CPU_IRQ_H
#define CPU_IRQ_H

#include "cpu/cpu.h"
#include "cpu/strand.h"

/* ORDER irq.c: what comes next. */
enum irq_at {
	IRQ_ENTER, IRQ_FENCE, IRQ_TAKE, IRQ_ARG, IRQ_CALL, IRQ_ACK, IRQ_ACKED
};

struct irq {
	struct strand strand;
	enum irq_at at;
	bool is_poll;           /* cpu_poll_irq: one request, no interrupt    */
	bool is_message;        /* the first is one: it was polled for        */
	bool is_rung;           /* it is for what joined (calls.h)            */
	bool is_plain;          /* timed, and requests have no lines of their
				 * own: an answer is all that is a step       */
	bool glide;             /* what is to be as it was, afterwards        */
	struct cpu *from;       /* whose request is carried out,              */
	u16 what;               /* and smp_post's                             */
	enum cycle_cat cat;
	u64 obs;
};

/* ipi_arrival - when an interrupt, or a message, that this_cpu sends now is at @to. */
u64 ipi_arrival(const struct cpu *to);

/* irq_begin - *@q is an interrupt that this_cpu is about to take. */
void irq_begin(struct irq *q);

#endif
