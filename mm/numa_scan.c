/* When to scan, how much, and which VMAs not: task_tick_numa(), task_numa_work(),
 * vma_is_accessed(). */
#include <stdlib.h>

#include "mm/numa_balancing.h"

#define VIRT_FACTOR 8u          /* address space a scan may pass, in sizes    */
#define THROTTLE 32u            /* CPU time of the scanner against others     */
#define PID_WINDOW 4u           /* scan delays that accesses are remembered   */

/* ---- periods ----------------------------------------------------------------------- */

static u32 windows(const struct numa_task *t)
{
	u64 size = (u64)numab()->knobs.scan_size_mb << (20 - PAGE_SHIFT);
	u64 n = (t->t->mm->rss + size - 1) / size;

	return n ? (u32)n : 1;
}

/* At most 2560 MB a second, in whole windows. */
static u32 floor_ms(void)
{
	u32 mb = numab()->knobs.scan_size_mb;

	return mb >= 2560 ? 1000 : 1000 / (2560 / mb);
}

u32 numa_scan_min_ms(const struct numa_task *t)
{
	u32 min = numab()->knobs.scan_period_min_ms;

	if (!numa_rules()->scan_by_rss)
		return min;
	min /= windows(t);
	return min > floor_ms() ? min : floor_ms();
}

static u64 scaled_by_group(const struct numa_task *t, u64 ms)
{
	const struct numa_group *g = t->group;
	u64 shared = 0, private = 0;

	/* b5dd77c8bdad (assumed id), of one series with 37ec97deb3a8. */
	if (!g || numa_rules()->period != NUMA_PERIOD_7_OF_10)
		return ms;
	for (u32 n = 0; n < numab()->nr_nodes; n++) {
		shared += g->mem.n[n][0];
		private += g->mem.n[n][1];
	}
	return ms * g->nr_tasks * (shared + 1) / (private + shared + 1);
}

u32 numa_scan_start_ms(const struct numa_task *t)
{
	u32 min = numa_scan_min_ms(t);
	u64 start = scaled_by_group(t, min);

	return start > min ? (u32)start : min;
}

u32 numa_scan_max_ms(const struct numa_task *t)
{
	u32 min = numa_scan_min_ms(t), max = numab()->knobs.scan_period_max_ms;
	u64 more;

	if (numa_rules()->scan_by_rss)
		max /= windows(t);
	more = scaled_by_group(t, max);
	if (more > max)
		max = (u32)more;
	return max > min ? max : min;
}

/* ---- VMAs -------------------------------------------------------------------------- */

static struct numa_vma *vma_state(struct vma *vma)
{
	struct numa_vma *v = vma->numab;

	if (v)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v)
		abort();
	v->next_scan = this_cpu->now +
		numab()->knobs.scan_delay_ms * numab()->ms;
	v->pids_reset = v->next_scan + PID_WINDOW *
		numab()->knobs.scan_delay_ms * numab()->ms;
	v->start_seq = vma->mm->numa_scan_seq;
	v->prev_seq = UINT32_MAX;
	v->next = numab()->vmas;
	numab()->vmas = v;
	vma->numab = v;
	return v;
}

static u64 pid_bit(void)
{
	return 1ull << ((current()->sched->pid * 0x61c88647u) >> 26);
}

void numa_vma_accessed(struct vma *vma)
{
	if (vma->numab)
		vma->numab->pids[1] |= pid_bit();
}

static bool is_accessed(const struct mm *mm, const struct vma *vma,
			const struct numa_vma *v)
{
	const struct numa_rules *r = numa_rules();
	u32 seq = mm->numa_scan_seq;

	/* 6.4 counts the mm's passes, 6.7 those since the VMA's first. */
	if (seq - (r->vma_retry ? v->start_seq : 0) < 2)
		return true;
	if ((v->pids[0] | v->pids[1]) & pid_bit())
		return true;
	if (r->vma_partial && mm->numa_scan_offset > vma->start)
		return true;
	return r->vma_starving && v->prev_seq != UINT32_MAX &&
		seq > v->prev_seq + mm->nr_threads;
}

static void age_pids(struct numa_vma *v)
{
	if (this_cpu->now < v->pids_reset)
		return;
	v->pids_reset += PID_WINDOW * numab()->knobs.scan_delay_ms *
		numab()->ms;
	v->pids[0] = v->pids[1];
	v->pids[1] = 0;
}

/* Libraries, and data that is read: to be moved by nobody's faults. */
static bool is_ro_file(const struct vma *vma)
{
	return vma->file && !(vma->flags & VM_WRITE);
}

/* May this pass of the scanner go into it? *@inactive: only not because nobody
 * accessed it. */
static bool may_scan(struct mm *mm, struct vma *vma, bool forced, bool *inactive)
{
	const struct numa_rules *r = numa_rules();
	struct numa_vma *v;

	/* A pass that skips everything is a pass: numa_scan_seq goes on. */
	if (!mpol_moves_on_fault(current()) ||
	    !(vma->flags & VM_MIGRATABLE) ||
	    !(vma->flags & (VM_READ | VM_WRITE)) ||
	    (is_ro_file(vma) && !r->scans_ro_files))
		return false;
	if (!r->vma_delay)
		return true;
	v = vma_state(vma);
	if (mm->numa_scan_seq && this_cpu->now < v->next_scan)
		return false;
	age_pids(v);
	if (r->vma_retry && v->prev_seq == mm->numa_scan_seq)
		return false;
	if (!r->vma_pids || forced || is_accessed(mm, vma, v))
		return true;
	*inactive = true;
	return false;
}

/* ---- one scan ---------------------------------------------------------------------- */

struct scan {
	struct mm *mm;
	s64 pages, virtpages;   /* left                                       */
	u64 start;
	u64 changed;            /* so far                                     */
	bool is_over;
};

static void charge_piece(struct scan *s, u64 n, u64 changed)
{
	s->changed += changed;
	/* Until 4.2 or so: once something changed, every piece. */
	if (numa_rules()->scan_charges_changed ? changed : s->changed)
		s->pages -= (s64)n;
	if (numa_rules()->scan_charges_changed)
		s->virtpages -= (s64)n;
	s->is_over = s->pages <= 0 || s->virtpages <= 0;
}

static void scan_vma(struct scan *s, struct vma *vma)
{
	u64 mask = hpage_pages() - 1;

	if (s->start < vma->start)
		s->start = vma->start;
	while (s->start < vma->end && !s->is_over) {
		u64 end = (s->start + (u64)s->pages + mask) & ~mask;

		if (end > vma->end)
			end = vma->end;
		charge_piece(s, end - s->start,
			     change_prot_numa(vma, s->start, end));
		s->start = end;
	}
	if (s->start >= vma->end && vma->numab)
		vma->numab->prev_seq = s->mm->numa_scan_seq;
}

/* From where the last scan ended. Return: the VMA it ended in, at its end
 * perhaps; NULL: past all. */
static struct vma *scan_from(struct scan *s, struct vma *vma, bool forced,
			     bool *inactive)
{
	for (; vma; vma = vma->next) {
		if (!may_scan(s->mm, vma, forced, inactive)) {
			/* Done in this pass already, or not now. */
			if (numa_rules()->vma_retry && s->start < vma->end)
				s->start = vma->end;
			continue;
		}
		scan_vma(s, vma);
		if (s->is_over || forced)
			return vma;
	}
	return NULL;
}

static void next_pass(struct mm *mm)
{
	atomic_inc(&mm->numa_scan_seq);
	WRITE_ONCE(mm->numa_scan_offset, 0);
}

static void scan(struct mm *mm)
{
	u64 size = (u64)numab()->knobs.scan_size_mb << (20 - PAGE_SHIFT);
	struct scan s = { .mm = mm, .pages = (s64)size,
			  .virtpages = (s64)(VIRT_FACTOR * size) };
	bool inactive = false;
	struct vma *vma;

	if (numa_rules()->scan_trylock) {
		touch(&mm->mmap_lock, false);
		if (mm->mmap_lock.writer)
			return;
	}
	down_read(&mm->mmap_lock);
	s.start = READ_ONCE(mm->numa_scan_offset);
	vma = find_vma_above(mm, s.start);
	if (!vma) {
		next_pass(mm);
		s.start = 0;
		vma = mm->first;
	}
	vma = scan_from(&s, vma, false, &inactive);
	if (!vma && inactive && numa_rules()->vma_retry) {
		s.start = mm->numa_scan_offset;
		vma = find_vma_above(mm, s.start);
		vma = scan_from(&s, vma ? vma : mm->first, true, &inactive);
	}
	if (vma)
		WRITE_ONCE(mm->numa_scan_offset, s.start);
	else
		next_pass(mm);
	up_read(&mm->mmap_lock);
}

/* ---- who scans --------------------------------------------------------------------- */

static struct numa_mm *mm_state(struct mm *mm)
{
	struct numa_mm *m = mm->numab;

	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		abort();
	m->first_nid = -1;
	m->next = numab()->mms;
	numab()->mms = m;
	mm->numab = m;
	return m;
}

/* Until 3.12: an mm that stays on one node is left alone. */
static bool ran_on_one_node(struct numa_mm *m)
{
	if (m->first_nid == -1)
		m->first_nid = (int)this_cpu->node;
	if (m->first_nid >= 0 && m->first_nid != (int)this_cpu->node)
		m->first_nid = -2;
	return m->first_nid >= 0;
}

static void reset_period(struct numa_task *t, struct numa_mm *m)
{
	if (numa_rules()->period != NUMA_PERIOD_STEP ||
	    this_cpu->now < m->next_reset)
		return;
	t->scan_period_ms = numab()->knobs.scan_period_min_ms;
	m->next_reset = this_cpu->now +
		numab()->knobs.scan_period_reset_ms * numab()->ms;
}

/* One thread of an mm at a time, and no more often than its period. */
static void numa_work(struct numa_task *t)
{
	struct mm *mm = t->t->mm;
	struct numa_mm *m = mm_state(mm);
	u64 ms = numab()->ms, due, exec;
	enum cycle_cat cat;

	if (!READ_ONCE(mm->numa_next_scan))
		WRITE_ONCE(mm->numa_next_scan, this_cpu->now +
			   numab()->knobs.scan_delay_ms * ms);
	if (numa_rules()->scan_waits_remote && ran_on_one_node(m))
		return;
	reset_period(t, m);
	due = READ_ONCE(mm->numa_next_scan);
	if (this_cpu->now < due)
		return;
	if (!t->scan_period_ms) {
		t->scan_period_max_ms = numa_scan_max_ms(t);
		t->scan_period_ms = numa_scan_start_ms(t);
	}
	if (!cmpxchg_ok(&mm->numa_next_scan, due, this_cpu->now +
			t->scan_period_ms * ms))
		return;
	/* Another thread probably wins next time. */
	t->node_stamp += 2 * sched_tick_cycles();
	sched_account();
	exec = t->t->sched->sum_exec;
	cat = cat_enter(CYC_SCAN);
	scan(mm);
	cat_leave(cat);
	sched_account();
	if (numa_rules()->scan_throttles)
		t->node_stamp += THROTTLE * (t->t->sched->sum_exec - exec);
}

void numa_tick(void)
{
	struct numa_task *t = numa_current();
	u64 period, now;

	sched_account();
	now = t->t->sched->sum_exec;
	period = t->scan_period_ms * numab()->ms;
	if (now <= t->node_stamp + period)
		return;
	if (!t->node_stamp) {
		t->scan_period_ms = numa_scan_start_ms(t);
		t->scan_period_max_ms = numa_scan_max_ms(t);
	}
	t->node_stamp += period;
	if (this_cpu->now >= t->t->mm->numa_next_scan)
		numa_work(t);
}
