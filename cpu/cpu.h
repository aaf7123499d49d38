/* cpu.h - the running machine: CPUs, the tasks on them, and who drives them.
 *
 * The modelled kernel is written once and never knows its driver. Before every
 * access to shared modelled state it takes a *step* (step.h); the driver
 * decides who steps next and what the step costs:
 *   timed.c            virtual time decides; steps cost cycles
 *   emu/explore.c      an explorer decides, and chooses for the hardware too
 *
 * State lives in two places. struct cpu_state and everything mm/ allocates is
 * in the arena: it is what other CPUs can see, and its bytes are an explored
 * state's key. struct cpu is the driver's side: fiber, clock, counters.
 *
 * Globals: one machine runs at a time, so the_sys and this_cpu are global, as
 * smp_processor_id() is to kernel code.
 */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "base/arena.h"
#include "base/counters.h"
#include "cpu/bbm.h"
#include "cpu/contend.h"
#include "cpu/core.h"
#include "cpu/fiber.h"
#include "cpu/machine.h"
#include "cpu/memory.h"
#include "cpu/probe.h"
#include "cpu/storebuf.h"
#include "cpu/vcpu.h"
#include "tlb/array.h"
#include "tlb/envelope.h"

struct cpu;
struct sys;
struct task;
struct strand;
struct dram;

/* What hardware a run allows beyond plain interleaving. */
/* What some processors do wrong, in explored runs: a store that is about to set D in
 * an entry sets A and D although the entry has been cleared meanwhile. By Intel's
 * text (Xeon Phi x200) it faults all the same; the last is what it must not do.
 * Source: Linux arch/x86/include/asm/pgtable_types.h, _PAGE_KNL_ERRATUM_MASK. */
enum stray_bits { STRAY_NONE, STRAY_FAULTS, STRAY_STORES };

enum memory_model { MEM_SC, MEM_TSO, MEM_WEAK, NR_MEMORY_MODELS };

/* Where cycles go; the names are categories.def's. */
enum cycle_cat {
#define CATEGORY(id, name, help) CYC_##id,
#include "cpu/categories.def"
#undef CATEGORY
	NR_CYCLE_CATS
};

/* Visible to other CPUs, hashed in explored runs: no pointers to code, no
 * padding. */
struct cpu_state {
	u64 obs;                /* digest of all the task has observed; its
				 * locals are a function of it               */
	u32 root;               /* CR3: pfn of the root table, 0 = none       */
	u16 pcid;
	u8 irq_off;             /* depth of interrupt-off regions             */
	u8 is_done;             /* the task returned                          */
	u32 nr_ipis;            /* requests queued here, not yet taken        */
	u32 acks_left;          /* targets of my own request still to answer  */
	u16 *ipi_from;          /* [nr_ipis] initiators, by number; timed: in
				 * cpu->ipi                                   */
	u16 *ipi_what;          /* [nr_ipis] smp_post's, 0 = smp_call's; NULL
				 * unless sys_config.max_posts                */
	struct storebuf *sb;    /* NULL when stores are visible at once       */
	struct envelope *env;   /* NULL in timed runs                         */
};

/* What must be saved with a stopped fiber besides its stack. */
struct cpu_ctx {
	void *sp;
	bool (*ready)(const void *arg);  /* blocked until true; NULL: never   */
	const void *ready_arg;
	void (*call_fn)(void *arg);     /* my outstanding request             */
	void *call_arg;
	bool (*call_soon)(void *arg);   /* smp_call_soon's, or NULL           */
	bool call_unacked;              /* nobody counts its answers          */
	bool call_is_inline;            /* what it asks is in the call record */
	bool call_is_message;           /* in lines that its targets poll     */
	u16 serves;                     /* in a handler: whose request        */
	bool is_acked;                  /* and it needs no answer any more    */
	bool take_irq;                  /* driver: interrupt before resuming  */
	bool glide;                     /* the next step is no choice point   */
	u8 in_irq;
};

/* Timed: an interrupt under way, or arrived. Of those that arrive together the one
 * sent first is taken first, of those sent together that of the lower number. */
struct ipi {
	u64 at, sent;           /* cycles                                     */
	u32 from;
};

/* Timed, of Linux's cross calls (calls.h). */
struct calls {
	u32 first, nr;          /* where in ipi_from, and how many            */
	u32 batch;              /* of these, those that are being served      */
	u64 rung_at;            /* when the interrupt for the others arrives,
				 * UINT64_MAX: not sent                       */
};

/* An access under way (overlap.h). */
struct pending {
	u64 done;               /* cycles                                     */
	enum cycle_cat cat;     /* what it waits for                          */
};

/* A hint to the host, no more: the table above the leaf's that was looked into
 * last, under which root and for which part of the address space. */
struct walk_near {
	const u64 *table, *root;
	u64 part;
};

/* What a turn looks at comes first, a line of the host for each purpose: with many
 * CPUs it is not there any more when a CPU has its next turn. */
struct cpu {
	u32 id;
	enum cycle_cat cat;     /* what the kernel is doing                   */
	struct cpu_state *s;
	u64 now;                /* this CPU's clock, cycles                   */
	u64 run_until;          /* private work may proceed below this        */
	u64 irq_at;             /* earliest queued interrupt, UINT64_MAX none */
	u64 bcast_at;           /* earliest broadcast under way to this CPU,
				 * or expire_at; UINT64_MAX none              */
	u64 stop_at;            /* it stands still then (vcpu.h), UINT64_MAX:
				 * never                                      */
	u32 nr_pending, mlp;

	struct cpu_ctx ctx;

	/* Timed driver. */
	struct calls calls;
	u64 acked_at;           /* timed: when the last answer so far to its
				 * request has arrived                        */
	struct cpu *serving;    /* whose request it carries out, or NULL      */
	struct task *task;      /* NULL: idle for the whole run               */
	struct tlb_array *tlb;
	struct pending *pending;        /* [mlp] in no order                  */

	u64 cycles[NR_CYCLE_CATS];
	u32 node;
	u32 thread;             /* rank among the CPUs of its core            */
	struct fiber fiber;
	u8 mmu_fault;           /* enum mmu_fault of the last fault (mmu.h)   */
	u64 done_at;            /* when its program ended                     */
	struct ipi *ipi;        /* timed: what is queued here, in order from
				 * [ipi_first] on; [2 * nr_cpus]              */
	u32 ipi_first;
	u64 expire_at;          /* what its TLB holds is gone then, see
				 * cpu_expiry_begin(); UINT64_MAX: not so     */
	struct bcast *bcast;    /* [nr_bcasts] in order of arrival            */
	u32 nr_bcasts, room_bcasts;
	u64 bcast_done_at;      /* when all that this CPU started are done    */
	u64 steal_at;           /* when it is taken away next                 */
	bool is_entering;       /* it was, and is to enter the guest          */
	u64 stall;              /* cycles that it owes to what others had done
				 * here (cpu_invalidate_at)                   */
	u64 stall_until;        /* the end of it, if the CPU stands still     */
	struct cpu *flush_from; /* who left it a flush last                   */
	struct core *core;
	struct tlb_entry walked;        /* what its last walk found           */
	u64 soon;               /* a vpn that may be walked for soon: a hint to
				 * the host, no more                          */
	struct walk_near near;
	u64 nr_lanes;           /* opened (run_alone.c), and with a walker of   */
	u64 nr_lone_walkers;    /* its own: for tests                         */
	void *sched;            /* timed.c's own                              */
	struct counters count;
} __attribute__((aligned(64)));

/* A thread. mm/ embeds it. */
struct task {
	const char *name;
	void (*fn)(struct task *t);
	void *arg;
	u32 cpu;
};

/* Installed by mm/; hardware never calls the OS by name. */
struct os_ops {
	/* #PF for @vpn on this_cpu. Return 0: retry the access, else the
	 * access is dropped (a signal). */
	int (*fault)(u64 vpn, bool is_write);
	/* Before and after a store or load touches frame @pfn; ghost state and
	 * oracles. NULL when nobody checks. */
	void (*commit_store)(u32 cpu, u64 vpn, u64 pfn, u32 line, u64 value);
	void (*loaded)(u64 vpn, u64 pfn, u32 line, u64 value);
	/* Timed runs under --check: @n accesses used @e for @vpn. */
	void (*used)(const struct tlb_entry *e, u64 vpn, bool is_write, u32 n);
	/* A request of smp_post() arrived. */
	void (*posted)(u16 what);
	/* May the task of @cpu use @vpn from where it is? NULL: any may use
	 * all. Keeps what cannot matter out of envelopes (mmu.h). */
	bool (*may_use)(u32 cpu, u64 vpn);
	/* Page tables that are this CPU's own, where all are shared else: has it
	 * the leaf entry @pte? No: the walk ends in a fault. And explored: may
	 * @cpu have cached @pte, which was in memory? No steps; NULL: yes. */
	bool (*may_walk)(u64 pte);
	bool (*may_hold)(u32 cpu, u64 pte);
	/* Timed: a walk of this CPU has put @e in its TLB. NULL: nobody is told. */
	void (*filled)(const struct tlb_entry *e);
	/* Timed: this CPU stored to the entry of @level for @vpn, of the tables
	 * under @root. NULL: TLBs do not see it. */
	void (*pte_stored)(u32 root, u64 vpn, u32 level);
	/* Between two accesses of a user program: the timer tick's work. */
	void (*user_tick)(void);
	/* Timed: somebody stored to @obj what may end a wait. No steps in here.
	 * NULL: all who wait are CPUs. */
	void (*woken)(const void *obj);
};

struct driver {
	/* The point before an access to shared object @obj (a word in the
	 * arena). @is_write: the access may change it. */
	void (*step)(const void *obj, bool is_write, u64 cycles);
	/* A step that must wait until @ready(@arg); @obj is what it waits for
	 * and then changes. */
	void (*wait)(const void *obj, bool (*ready)(const void *),
		     const void *arg, u64 cycles);
	/* The same, @until at the latest. Timed only. */
	void (*wait_until)(const void *obj, bool (*ready)(const void *),
			   const void *arg, u64 until);
	/* @obj changed in a way that may end a wait. */
	void (*wake)(const void *obj);
	/* The same, from @at on, which is not before now. Timed only. */
	void (*wake_at)(const void *obj, u64 at);
	/* As wait, for a lock whose waiters take turns as they came, and as wake,
	 * of such a lock: it is enough to tell the first. NULL: wait, wake. */
	void (*wait_turn)(const void *obj, bool (*ready)(const void *),
			  const void *arg, u64 cycles);
	void (*hand_over)(const void *obj);
	/* The line of @obj is asked for; the next step waits until it, too, has
	 * come. Timed, contended lines. */
	void (*ask)(const void *obj, bool is_write);
	/* Nothing to do here until @until but to take interrupts. Timed only. */
	void (*delay)(u64 until);
	/* The step also reads (or changes) @obj. */
	void (*touch)(const void *obj, bool is_write);
	/* A strand (strand.h), all of it. NULL: step by step. */
	void (*strand)(struct strand *s);
	/* Hardware picks one of @n. */
	u32 (*choose)(u32 n);
	/* A request was queued for @target. */
	void (*ipi_posted)(struct cpu *target);
	/* A broadcast is on its way to @target, to->bcast_at is up to date.
	 * Timed only. */
	void (*broadcast_posted)(struct cpu *target);
	/* Until when a step of this CPU that reads @obj would do nothing at all:
	 * nobody else can run, nothing arrives here, and it has the line. As
	 * long as no step is taken. 0: not so. Timed only; NULL: never so. */
	u64 (*alone_until)(const void *obj);
	/* Text for the table of a counterexample; NULL when nobody reads. */
	void (*note)(const char *text);
	/* An oracle fired. Does not return in explored runs. */
	void (*violation)(const char *oracle, const char *text);
};

/* entry.h. Timed runs. */
struct mitigations {
	bool pti, retpoline, mds;
};

struct sys {
	struct arena arena;
	const struct machine *m;
	/* What this machine's kernel does to its own CPU. */
	const struct inval_op *local_op[NR_ARCH_LOCALS];
	struct driver drv;
	struct os_ops os;
	struct memory mem;
	struct cpu *cpu;        /* [nr_cpus]                                  */
	struct core *core;      /* [nr_cores of the machine], timed           */
	u8 *hop;                /* [from * nr_cpus + to] enum hop             */
	struct walk_config walk;
	struct caches *caches;  /* NULL: none                                 */
	struct dram *dram;      /* timed                                      */
	u32 nr_cpus;
	enum memory_model memory_model;
	bool is_explored;
	bool is_reduced;        /* explored: commuting steps may be merged    */
	bool is_checked;        /* oracles on                                 */
	bool may_speculate;     /* envelope: fills nobody asked for           */
	bool may_evict;         /* envelope: entries may vanish               */
	enum stray_bits stray_bits;
	u32 kernel_root;        /* the OS's own tables, which are part of all
				 * (global entries); 0: none                 */
	u64 none_mask;          /* the OS's: entries of these bits alone are
				 * none                                       */
	bool is_by_manual;      /* explored: translation as in mmu.h          */
	bool latches_top;       /* explored: loading CR3 reads the top table's
				 * entries, and they stay until the next time
				 * (32-bit PAE)                               */
	u32 max_posts;
	bool has_unchecked_assist;      /* by manual: setting D does not look
					 * at RW again                        */
	/* Weak model, explored: which words each CPU ever loads plainly (LOADED),
	 * [cpu][word of the arena]; what it never loads (0) it cannot load
	 * early. NULL: unknown. */
	u8 *loads;
	bool loads_grew;
	u64 seed;
	struct bbm *bbm;        /* timed, on architectures that need it       */
	bool has_local_tables;  /* timed: each node has copies of all page
				 * tables, and its CPUs walk those            */
	bool has_broadcasts;    /* timed: somebody may use them               */
	u64 expire_every;       /* cycles, cpu_expiry_begin(); 0: never       */
	bool calls_join;        /* timed: a request that finds others waiting
				 * for an interrupt sends none (calls.h)      */
	u64 end_cycles;         /* timed: programs stop here, 0 = never       */
	bool cost_used[NR_COSTS];       /* the result depends on these        */
	struct probe *probe;    /* timed: those who watch, or NULL            */
	struct contend_config contend;
	struct mitigations mitigations;
	struct call_line *call_line;    /* [from * nr_cpus + to], has_lines   */
	struct vcpu_config vcpus;
	struct vcpu *vcpu;      /* [nr_cpus], vcpus.is_on                     */
	void *os_state;         /* mm/'s                                      */
	void *os_fixed;         /* mm/'s, never changes, outside the arena    */
};

/* MAY_LOAD: not met so far, but not ruled out. */
enum { LOADED = 1, MAY_LOAD = 2 };

extern struct sys *the_sys;
extern struct cpu *this_cpu;

static inline u8 *loads_of(u32 cpu, u64 off)
{
	return &the_sys->loads[cpu * (the_sys->arena.reserved >> 3) +
			       (off >> 3)];
}

struct sys_config {
	const struct machine *m;
	size_t arena_bytes;
	u32 nr_cpus;                    /* <= m->nr_cpus                      */
	enum memory_model memory_model;
	bool is_explored, is_reduced, is_checked;
	bool may_speculate, may_evict;
	enum stray_bits stray_bits;     /* explored                           */
	bool is_by_manual, has_unchecked_assist;
	u32 max_posts;                  /* smp_post: requests a CPU may have
					 * under way                          */
	struct paging paging;
	struct walk_config walk;        /* timed runs                         */
	struct contend_config contend;  /* timed runs                         */
	struct vcpu_config vcpus;
	struct mitigations mitigations; /* timed runs                         */
	u32 lines_per_frame;            /* modelled contents; 0 in timed runs
					 * without --check                   */
	u64 frames_per_node;            /* 0: from the machine                */
	bool has_broadcasts;            /* timed: cpu_broadcast() may be used */
	u64 seed;
};

/* sys_create - the machine, powered on: empty TLBs, no address space loaded,
 * idle. Sets the_sys. The caller fills drv and os.
 * Return: 0, -ENOMEM, -EINVAL (more CPUs than the machine has). */
int sys_create(struct sys **out, const struct sys_config *cfg);
void sys_destroy(struct sys *sys);

/* sys_start - put @t on CPU @t->cpu with a stack of its own; it runs when the
 * driver lets it. One task a CPU. Return: 0 or -ENOMEM. */
int sys_start(struct task *t);

static inline enum hop sys_hop(const struct sys *sys, u32 from, u32 to)
{
	return (enum hop)sys->hop[(u64)from * sys->nr_cpus + to];
}

/* Cycles to a category. */
static inline void charge(u64 cycles)
{
	this_cpu->now += cycles;
	this_cpu->cycles[this_cpu->cat] += cycles;
}

/* What follows is booked on @cat; where the caller is, timelines show. */
#define cat_enter(cat) cat_enter_in(cat, __func__)
static inline enum cycle_cat cat_enter_in(enum cycle_cat cat, const char *where)
{
	enum cycle_cat old = this_cpu->cat;

	this_cpu->cat = cat;
	PROBE(.what = PROBE_ENTER, .cat = cat, .name = where);
	return old;
}

static inline void cat_leave(enum cycle_cat old)
{
	PROBE(.what = PROBE_LEAVE, .cat = old);
	this_cpu->cat = old;
}

static inline u64 cost_of(enum cost c)
{
	the_sys->cost_used[c] = true;
	return the_sys->m->cost[c];
}

#define COUNT(id, n) (this_cpu->count.v[CTR_##id] += (n))

/* NOTE - one event for the person who reads a counterexample. Costs a test
 * when nobody does. */
#define NOTE(...) do { if (unlikely(the_sys->drv.note)) cpu_note(__VA_ARGS__); } while (0)
void cpu_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cpu_violation(const char *oracle, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- interrupts (ipi.c) ------------------------------------------------ */

/* smp_call - run @fn(@arg) on every CPU of @mask (bit per CPU, nr_cpus bits)
 * but this one, in interrupt context; do @local meanwhile; return when all
 * have acknowledged. Interrupts stay deliverable while waiting.
 * @arg must live in the arena. Return: CPUs interrupted. */
u32 smp_call(const u64 *mask, void (*fn)(void *arg), void *arg,
	     void (*local)(void *arg));
/* The same; timed, @soon is asked first, on each target: true, and nothing is left
 * for @fn to do. It takes no step. */
u32 smp_call_soon(const u64 *mask, void (*fn)(void *arg),
		  bool (*soon)(void *arg), void *arg,
		  void (*local)(void *arg));

/* smp_send - the same without waiting and without acknowledgements: @fn says in
 * its own way that it has what it needs of @arg, and until then this CPU calls
 * nobody else. */
u32 smp_send(const u64 *mask, void (*fn)(void *arg), void *arg);

/* smp_message - as smp_send(), by messages in lines of memory that CPUs poll where
 * they could take an interrupt: to the CPUs of this socket, and by way of one CPU of
 * each other socket. Needs sys_config.has_broadcasts: they are that fast. */
u32 smp_message(const u64 *mask, void (*fn)(void *arg), void *arg);

/* In a handler: acknowledge now, not when it returns; the request may be gone
 * afterwards. Whose request it is. */
void smp_ack(void);
u32 smp_initiator(void);

/* smp_post - queue a request @what (not 0) on every CPU of @mask, this one
 * allowed, and go on: os.posted(@what) runs there. smp_wait_acks waits for all
 * that this CPU posted. Explored runs with sys_config.max_posts. */
void smp_post(u64 mask, u16 what);
void smp_wait_acks(void);

/* Take everything that is queued here; called by drivers at step boundaries.
 * Explored: one request, or more. */
void cpu_take_irqs(void);
/* Wait for a request and take one, interrupts on or off: polling. */
void cpu_poll_irq(void);

static inline bool cpu_irq_is_due(const struct cpu *c)
{
	return c->s->nr_ipis && !c->s->irq_off;
}

/* ---- broadcast invalidations (broadcast.c) ------------------------------ */

/* Invalidations that reach the other CPUs without interrupting them: Arm's
 * TLBI ...IS completed by DSB, AMD's INVLPGB completed by TLBSYNC.
 *
 * cpu_broadcast - start @op on all CPUs, this one included, for @nr_pages
 * operands from @vpn, 2^@order pages apart (one, for scopes without a page).
 * Ordered after earlier stores only by a barrier of the caller's.
 * cpu_broadcast_sync - on return all CPUs have performed all that *this* CPU
 * started; others' are not waited for.
 * Source: Arm ARM DDI 0487 D8.17; Linux arch/x86/include/asm/tlb.h (6.15). */
void cpu_broadcast(const struct inval_op *op, u16 asid, u64 vpn, u64 nr_pages,
		   u32 order);
void cpu_broadcast_sync(void);

/* cpu_invalidate_at - as cpu_broadcast() of a single operand, or of @nr_pages,
 * on the CPU @to alone, which does it between two instructions, whatever its
 * software does: microcode on behalf of another CPU, or a hypervisor that makes
 * it leave the guest. It arrives after @flight cycles and takes @stall of that
 * CPU's time; the answer comes in a line. cpu_actions_sync() waits for all that
 * this CPU started. */
void cpu_invalidate_at(u32 to, const struct inval_op *op, u16 asid, u64 vpn,
		       u64 nr_pages, u32 order, u64 flight, u64 stall);
void cpu_actions_sync(void);

/* cpu_invalidate_sharers - timed: @op as cpu_broadcast(), on those CPUs only whose
 * TLBs have what it names, which a directory knows. They have performed it when
 * cpu_sharers_sync() returns. Return: other CPUs told. */
u32 cpu_invalidate_sharers(const struct inval_op *op, u16 asid, u64 vpn,
			   u64 nr_pages, u32 order);
void cpu_sharers_sync(void);

/* Timed: proposed TLBs whose entries expire. cpu_expiry_begin - before CPUs run: all
 * that their TLBs hold is gone at each multiple of @every cycles.
 * cpu_expiry_wait - what any of them held before @until, such a multiple or past, is
 * gone when it returns. */
void cpu_expiry_begin(struct sys *sys, u64 every);
void cpu_expiry_wait(u64 until);

/* Timed driver: perform on @c what has arrived by @c->now. */
void cpu_take_broadcasts(struct cpu *c);

/* The shortest flight of a broadcast on this machine, in cycles. */
u64 cpu_broadcast_lookahead(const struct machine *m);

/* ---- accesses by programs (access.c, run.c) ---------------------------- */

/* cpu_access - one store of @value to, or load from, word @line of page @vpn,
 * as the program on this CPU does it: TLB, walk, fault, store buffer.
 * Explored runs, and timed ones that follow contents. Return: 0 with *value
 * (loads), or the fault handler's error. */
int cpu_access(u64 vpn, u32 line, bool is_write, u64 *value);

/* cpu_translate - the first half of cpu_access: the frame, or the error. */
int cpu_translate(u64 vpn, bool is_write, u64 *pfn);

/* cpu_run_many - consume @n page runs on this CPU's arrays. Timed runs only.
 * Return: 0 or the fault handler's error. */
int cpu_run_many(const struct run *runs, size_t n);

/* cpu_entry_for - this CPU's translation of @vpn for one access, through TLBs,
 * walk and faults. Timed runs only. Return: 0, or the fault handler's error. */
int cpu_entry_for(u64 vpn, bool is_write, struct tlb_entry *out);

/* cpu_run_digest - consume the runs that @d sums up; its lead is not among them.
 * Return: true with everything as cpu_run_many() of those runs would have left
 * it; false with nothing changed, if they do not all hit level 1 as it is now,
 * are not over before something else may happen on this CPU, or leave a policy's
 * state open: then they must be run.
 * cpu_takes_digests - false while somebody wants to see each access (caches =
 * full, --check, entries in the TLB that give a fault): then it always fails. */
bool cpu_run_digest(const struct run_digest *d);
bool cpu_takes_digests(void);

/* cpu_insert - the leaf entry @pte of @level for @vpn goes into this CPU's TLB
 * without a walk: nothing in memory says so. */
void cpu_insert(u64 vpn, u32 level, u64 pte);

/* Load a root table: MOV CR3 without NOFLUSH when @flush. */
void cpu_load_cr3(u32 root, u16 pcid, bool flush);

/* Invalidations on this CPU (inval.c). vpn in 4 KiB pages. Return: entries
 * dropped. cpu_invalidate: any operation of tlb/arch.h, done here whether it is
 * a broadcast or not. invlpg and flush_pcid are what the machine's architecture
 * has for one page and for all of the current address space (arch_local). */
u32 cpu_invalidate(const struct inval_op *op, u16 asid, u64 vpn);
u32 cpu_invlpg(u64 vpn);
u32 cpu_flush_pcid(void);
/* What a page fault at @vpn drops: the page, and the path to it; on
 * architectures without fault_drops_page nothing. */
u32 cpu_fault_drops(u64 vpn);

/* As cpu_invalidate(), on @c's caches: for what comes from elsewhere. */
u32 cpu_invalidate_on(struct cpu *c, const struct inval_op *op, u16 asid,
		      u64 vpn);

#endif
