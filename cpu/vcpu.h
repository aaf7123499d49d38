/* vcpu.h - the CPUs of a guest: a hypervisor takes one away for a while, and
 * gives it back.
 *
 * One that is away does nothing: it takes no interrupts, walks no tables, and
 * keeps what its TLB holds. The guest may know of it. Each vCPU has a word that
 * guest and hypervisor share (KVM: kvm_steal_time.preempted), which says so while
 * it is; and if the guest has added a request to flush by the time it comes back,
 * all that its TLB holds of the guest is dropped before it runs. Leaving the guest
 * serialises: its stores are visible by then.
 *
 * Explored: since when a CPU that takes no step is away, nobody can tell. So it is
 * hardware's choice when somebody leaves it a flush, at whatever boundary between
 * two steps it stands, interrupts on or off: away, and then its TLB may be dropped
 * at once, since it uses nothing before it is back; or not. Coming back needs no
 * move of its own.
 * Timed: each is away for @steal cycles once in @steal_every, at times that only
 * the seed decides; booked as stolen. What it has begun between two steps it ends
 * first, without looking at its TLB.
 *
 * assumed: a CPU that idles is not away (KVM takes those, too; kernels leave them
 * out as lazy ones), and leaving and entering cost nothing but the entries lost.
 * Sources: Linux 6.1 arch/x86/kernel/kvm.c, arch/x86/kvm/x86.c
 * (record_steal_time, kvm_steal_time_set_preempted).
 */
#ifndef CPU_VCPU_H
#define CPU_VCPU_H

#include "base/types.h"

struct cpu;
struct sys;

struct vcpu_config {
	bool is_on;             /* CPUs may be taken away                     */
	u64 steal, steal_every; /* timed: cycles; 0: never                    */
};

/* On a line of its own, in the arena. */
struct vcpu {
	u32 must_flush;         /* timed: before it comes back                */
	u32 zero[15];
};

/* vcpu_create - @sys's words, if is_on. Return: 0, -ENOMEM. */
int vcpu_create(struct sys *sys);

/* What the guest does. vcpu_may_be_away - look at the word of @cpu, another one;
 * explored, true: the choice is made later. vcpu_flush_later - leave a flush to
 * its return, by one locked operation. Return: it will be done, or, explored, is;
 * false: @cpu is there by now. */
bool vcpu_may_be_away(u32 cpu);
bool vcpu_flush_later(u32 cpu);

/* ---- for the timed driver ----------------------------------------------------- */

/* Of @at and what comes after, the first cycle that finds @c there. */
u64 vcpu_back_at(const struct cpu *c, u64 at);
/* this_cpu has come to c->stop_at, and all others to its time: stolen time,
 * entering, or a stall (cpu_invalidate_at). vcpu_waited: it waited until now, and
 * what was stolen, or a stall over by then, cost nothing. */
void vcpu_stop(struct cpu *c);
void vcpu_waited(struct cpu *c);

#endif
