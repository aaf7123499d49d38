#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

#ifdef HAVE_ASAN
#include <sanitizer/common_interface_defs.h>

/* The sanitizer keeps bounds of the current stack; the host's own are learnt
 * when a fiber is first entered from it. */
static const void *host_bottom;
static size_t host_size;

static void announce(const struct fiber *to)
{
	__sanitizer_start_switch_fiber(NULL, to->stack ? to->stack : host_bottom,
				       to->stack ? to->stack_bytes : host_size);
}

static void arrived(bool from_host)
{
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &bottom, &size);
	if (from_host) {
		host_bottom = bottom;
		host_size = size;
	}
}
static bool left_host;
#define ANNOUNCE(from, to) do { left_host = !(from)->stack; announce(to); } while (0)
#define ARRIVED() arrived(left_host)
#else
#define ANNOUNCE(from, to) ((void)0)
#define ARRIVED() ((void)0)
#endif

#if defined(__x86_64__) || defined(__aarch64__)

void tlbemu_fiber_swap(void **save_sp, void *load_sp);
void tlbemu_fiber_start(void);

#if defined(__x86_64__)
__asm__(
".text\n.globl tlbemu_fiber_swap\n.type tlbemu_fiber_swap,@function\n"
"tlbemu_fiber_swap:\n"
"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n"
"	pushq %r13\n	pushq %r14\n	pushq %r15\n"
"	movq %rsp, (%rdi)\n"
"	movq %rsi, %rsp\n"
"	popq %r15\n	popq %r14\n	popq %r13\n"
"	popq %r12\n	popq %rbx\n	popq %rbp\n"
"	ret\n"
".size tlbemu_fiber_swap,.-tlbemu_fiber_swap\n"
/* First entry: r12 = entry, r13 = argument; the zero frame ends backtraces. */
".globl tlbemu_fiber_start\n.type tlbemu_fiber_start,@function\n"
"tlbemu_fiber_start:\n"
"	xorl %ebp, %ebp\n"
"	movq %r13, %rdi\n"
"	callq *%r12\n"
"	ud2\n"
".size tlbemu_fiber_start,.-tlbemu_fiber_start\n");

static void *first_frame(u8 *top, void (*entry)(void *), void *arg)
{
	void **sp = (void **)top;

	sp -= 2;                                /* rsp % 16 == 0 at the call */
	*--sp = (void *)tlbemu_fiber_start;     /* popped by ret           */
	*--sp = NULL;                           /* rbp */
	*--sp = NULL;                           /* rbx */
	*--sp = (void *)entry;                  /* r12 */
	*--sp = arg;                            /* r13 */
	*--sp = NULL;                           /* r14 */
	*--sp = NULL;                           /* r15 */
	return sp;
}
#else
__asm__(
".text\n.globl tlbemu_fiber_swap\n.type tlbemu_fiber_swap,%function\n"
"tlbemu_fiber_swap:\n"
"	sub sp, sp, #160\n"
"	stp x19, x20, [sp, #0]\n	stp x21, x22, [sp, #16]\n"
"	stp x23, x24, [sp, #32]\n	stp x25, x26, [sp, #48]\n"
"	stp x27, x28, [sp, #64]\n	stp x29, x30, [sp, #80]\n"
"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n"
"	stp d12, d13, [sp, #128]\n	stp d14, d15, [sp, #144]\n"
"	mov x9, sp\n	str x9, [x0]\n	mov sp, x1\n"
"	ldp x19, x20, [sp, #0]\n	ldp x21, x22, [sp, #16]\n"
"	ldp x23, x24, [sp, #32]\n	ldp x25, x26, [sp, #48]\n"
"	ldp x27, x28, [sp, #64]\n	ldp x29, x30, [sp, #80]\n"
"	ldp d8, d9, [sp, #96]\n	ldp d10, d11, [sp, #112]\n"
"	ldp d12, d13, [sp, #128]\n	ldp d14, d15, [sp, #144]\n"
"	add sp, sp, #160\n	ret\n"
".size tlbemu_fiber_swap,.-tlbemu_fiber_swap\n"
".globl tlbemu_fiber_start\n.type tlbemu_fiber_start,%function\n"
"tlbemu_fiber_start:\n"
"	mov x29, #0\n	mov x0, x20\n	blr x19\n	brk #1\n"
".size tlbemu_fiber_start,.-tlbemu_fiber_start\n");

static void *first_frame(u8 *top, void (*entry)(void *), void *arg)
{
	void **sp = (void **)(top - 160);

	memset(sp, 0, 160);
	sp[0] = (void *)entry;                  /* x19 */
	sp[1] = arg;                            /* x20 */
	sp[11] = (void *)tlbemu_fiber_start;    /* x30 */
	return sp;
}
#endif

/* At the far end of its stack, where a program that fits never comes. */
struct beginning {
	void (*entry)(void *arg);
	void *arg;
};

/* The sanitizer must hear of the arrival before user code runs. */
static void enter(void *arg)
{
	const struct beginning *b = arg;

	ARRIVED();
	b->entry(b->arg);
	abort();
}

void fiber_init(struct fiber *f, void *stack, size_t bytes,
		void (*entry)(void *arg), void *arg)
{
	u8 *top = (u8 *)(((uintptr_t)stack + bytes) & ~(uintptr_t)15);

	*(struct beginning *)stack = (struct beginning){ entry, arg };
	f->stack = stack;
	f->stack_bytes = (size_t)(top - (u8 *)stack);
	f->uctx = NULL;
	f->sp = first_frame(top, enter, stack);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	ANNOUNCE(from, to);
	tlbemu_fiber_swap(&from->sp, to->sp);
	ARRIVED();
}

bool fiber_is_copyable(void)
{
	return true;
}

#else
#include <ucontext.h>

/* makecontext passes ints only: two pointers travel as four halves. */
static void enter(unsigned e1, unsigned e0, unsigned a1, unsigned a0)
{
	void (*entry)(void *) =
		(void (*)(void *))(uintptr_t)((u64)e1 << 32 | e0);

	entry((void *)(uintptr_t)((u64)a1 << 32 | a0));
	abort();
}

void fiber_init(struct fiber *f, void *stack, size_t bytes,
		void (*entry)(void *arg), void *arg)
{
	ucontext_t *u = calloc(1, sizeof(*u));
	u64 e = (uintptr_t)entry, x = (uintptr_t)arg;

	assert(u);
	getcontext(u);
	u->uc_stack.ss_sp = stack;
	u->uc_stack.ss_size = bytes;
	makecontext(u, (void (*)(void))enter, 4, (unsigned)(e >> 32),
		    (unsigned)e, (unsigned)(x >> 32), (unsigned)x);
	f->stack = stack;
	f->stack_bytes = bytes;
	f->uctx = u;
	f->sp = NULL;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	if (!from->uctx)
		from->uctx = calloc(1, sizeof(ucontext_t));
	assert(from->uctx);
	swapcontext(from->uctx, to->uctx);
}

bool fiber_is_copyable(void)
{
	return false;
}
#endif
