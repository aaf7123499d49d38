/* direct.h - the driver for setting a stage: every step happens at once, on
 * the caller's stack, as this_cpu; nothing waits and nothing costs. */
#ifndef CPU_DIRECT_H
#define CPU_DIRECT_H

struct sys;

void direct_install(struct sys *sys);

/* direct_settle - the stage is set: buffered stores become visible, TLBs and
 * what tasks have seen so far are forgotten. */
void direct_settle(struct sys *sys);

#endif
