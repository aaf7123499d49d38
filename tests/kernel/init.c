/* init.c - the first process of a real kernel booted by tests/kernel.sh: native
 * counterparts of emulated workloads, and what the kernel counted of them. Each
 * line: "row NAME THREADS PAGES COUNTER MEDIAN LOWEST HIGHEST", of ROUNDS rounds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_THREADS 8
#define ROUNDS 3
#define CALLS 20
#define PAGE 4096ul

static atomic_int stop;
static volatile char *area;
static unsigned long pages;

/* ---- what the kernel counts ---------------------------------------------------- */

/* The sum of the row "TLB:" of /proc/interrupts: interrupts received. */
static long tlb_interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[4096];
	long sum = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *p = strstr(line, "TLB:");
		long v;
		int n;

		if (!p)
			continue;
		for (p += 4; sscanf(p, "%ld%n", &v, &n) == 1; p += n)
			sum += v;
	}
	if (f)
		fclose(f);
	return sum;
}

static void put_how(const char *path, const char *text, int how)
{
	int fd = open(path, O_WRONLY | how);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			printf("cannot write %s\n", path);
		close(fd);
	}
}

static void put(const char *path, const char *text)
{
	put_how(path, text, O_TRUNC);
}

#define TRACE "/sys/kernel/tracing/"

/* Flushes by the initiator that went to other CPUs ("remote ipi send"), and of
 * these the full ones (pages:-1). */
static void trace_counts(long *sent, long *full)
{
	FILE *f = fopen(TRACE "trace", "r");
	char line[512];

	*sent = *full = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (!strstr(line, "tlb_flush:") || !strstr(line, "remote ipi send"))
			continue;
		++*sent;
		*full += strstr(line, "pages:-1") != NULL;
	}
	if (f)
		fclose(f);
}

/* ---- trace events, counted in the kernel ------------------------------------------ */

/* A histogram of an event by keys; nothing is lost, whatever the rate. */
struct histogram {
	const char *event, *how;
	char trigger[160];
};

static void histogram_on(struct histogram *h)
{
	char path[160];

	if (!h->trigger[0])
		snprintf(h->trigger, sizeof(h->trigger), "hist:%s", h->how);
	snprintf(path, sizeof(path), TRACE "events/%s/trigger", h->event);
	put_how(path, h->trigger, 0);   /* O_TRUNC takes away all others */
}

static void histogram_off(const struct histogram *h)
{
	char path[160], text[176];

	snprintf(path, sizeof(path), TRACE "events/%s/trigger", h->event);
	snprintf(text, sizeof(text), "!%s", h->trigger);
	put_how(path, text, 0);
}

/* The number after "@name:" in a histogram's line; 0: it has none. */
static unsigned long number_of(const char *line, const char *name)
{
	char key[64];
	const char *p;

	snprintf(key, sizeof(key), "%s:", name);
	p = strstr(line, key);
	return p ? strtoul(p + strlen(key), NULL, 10) : 0;
}

/* The sum of @value over the lines whose @key is @want; key NULL: of all. What
 * this process did itself is left out. -1: the kernel has no such event. */
static long histogram_sum(const struct histogram *h, const char *value,
			  const char *key, unsigned long want)
{
	char path[160], line[512];
	long sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), TRACE "events/%s/hist", h->event);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (line[0] == '{' && (!key || number_of(line, key) == want) &&
		    number_of(line, "common_pid") != (unsigned long)getpid())
			sum += (long)number_of(line, value);
	fclose(f);
	return sum;
}

/* ---- workloads ------------------------------------------------------------------- */

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void touch(void)
{
	for (unsigned long i = 0; i < pages; i++)
		area[i * PAGE] = 1;
}

static atomic_ulong arrived, passed;
static int nr_threads;

/* Waited for without sleeping, so that no CPU's TLB is ever idle. */
static void barrier(void)
{
	unsigned long round = passed;

	if (++arrived % (unsigned long)nr_threads == 0) {
		passed++;
		return;
	}
	while (passed == round)
		__asm__ volatile("pause");
}

/* What all but the first thread do: store when told, and wait. */
static void *other(void *arg)
{
	pin((int)(long)arg);
	for (;;) {
		barrier();
		if (stop)
			return NULL;
		touch();
		barrier();
	}
}

static void all_touch(void)
{
	barrier();
	touch();
	barrier();
}

static void map(void)
{
	area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise((void *)area, pages * PAGE, MADV_NOHUGEPAGE);
}

/* mprotect-storm: read-only and back, with stores in between. */
static void storm(void)
{
	map();
	touch();
	for (int i = 0; i < CALLS; i++) {
		mprotect((void *)area, pages * PAGE, PROT_READ);
		mprotect((void *)area, pages * PAGE, PROT_READ | PROT_WRITE);
		touch();
	}
}

/* munmap-micro: one maps, all store, one takes the pages away. */
static void micro_munmap(void)
{
	for (int i = 0; i < CALLS; i++) {
		map();
		all_touch();
		munmap((void *)area, pages * PAGE);
	}
	area = NULL;
}

static void micro_dontneed(void)
{
	map();
	for (int i = 0; i < CALLS; i++) {
		all_touch();
		madvise((void *)area, pages * PAGE, MADV_DONTNEED);
	}
}

static const struct op {
	const char *name;
	void (*run)(void);
} ops[] = {
	{ "mprotect-storm", storm },
	{ "munmap-micro:munmap", micro_munmap },
	{ "munmap-micro:dontneed", micro_dontneed },
};

/* ---- measuring ---------------------------------------------------------------------- */

static void one_round(const struct op *op, long v[3])
{
	long before;

	put(TRACE "trace", "");
	put(TRACE "tracing_on", "1");
	before = tlb_interrupts();
	op->run();
	v[0] = tlb_interrupts() - before;
	put(TRACE "tracing_on", "0");
	trace_counts(&v[1], &v[2]);
	if (area)
		munmap((void *)area, pages * PAGE);
}

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x > y ? 1 : x < y ? -1 : 0;
}

static void measure(const struct op *op)
{
	static const char *const names[3] = { "irqs", "sent", "full" };
	long v[3][ROUNDS], r[3];

	for (int k = 0; k < ROUNDS; k++) {
		one_round(op, r);
		for (int i = 0; i < 3; i++)
			v[i][k] = r[i];
	}
	for (int i = 0; i < 3; i++) {
		qsort(v[i], ROUNDS, sizeof(long), by_value);
		printf("row %s %d %lu %s %ld %ld %ld\n", op->name, nr_threads,
		       pages, names[i], v[i][ROUNDS / 2], v[i][0],
		       v[i][ROUNDS - 1]);
	}
}

static void with_threads(int threads)
{
	static const unsigned long sizes[] = { 1, 33, 34, 100 };
	pthread_t t[MAX_THREADS];

	nr_threads = threads;
	arrived = 0;
	stop = 0;
	pin(0);
	for (long i = 1; i < threads; i++)
		pthread_create(&t[i], NULL, other, (void *)i);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		pages = sizes[s];
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
			measure(&ops[i]);
	}
	stop = 1;
	if (threads > 1)
		barrier();
	for (int i = 1; i < threads; i++)
		pthread_join(t[i], NULL);
}

/* ---- NUMA balancing ------------------------------------------------------------------ */

#define SLICE_PAGES 8192ul
#define PASSES 4
#define HUGE (2ul << 20)

static const char *const vmstat_names[] = {
	"numa_pte_updates", "numa_huge_pte_updates", "numa_hint_faults",
	"numa_hint_faults_local", "numa_pages_migrated",
};
enum { UPDATES, HUGE_UPDATES, FAULTS, LOCAL, MIGRATED, NR_VMSTAT };

static void vmstat(long v[NR_VMSTAT])
{
	FILE *f = fopen("/proc/vmstat", "r");
	char name[128];
	long n;

	memset(v, 0, NR_VMSTAT * sizeof(*v));
	while (f && fscanf(f, "%127s %ld", name, &n) == 2)
		for (int i = 0; i < NR_VMSTAT; i++)
			if (!strcmp(name, vmstat_names[i]))
				v[i] = n;
	if (f)
		fclose(f);
}

/* How often all of this process was scanned. */
static int scan_passes(void)
{
	FILE *f = fopen("/proc/self/sched", "r");
	char line[256];
	int n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "mm->numa_scan_seq : %d", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static void store(unsigned long from, unsigned long to)
{
	for (unsigned long i = from; i < to; i++)
		area[i * PAGE] = 1;
}

static void *second_slice(void *arg)
{
	pin((int)(long)arg);
	while (!stop)
		store(pages / 2, pages);
	store(pages / 2, pages);
	return NULL;
}

/* Of enum migrate_reason; of a flush of everything, its pages. Reason 4 of tlb_flush
 * is TLB_REMOTE_SEND_IPI. */
#define MR_NUMA_MISPLACED 5
#define FLUSH_ALL (~0ul)

enum { H_MIGRATE, H_MIGRATE_THP, H_FULL, H_MOVE, H_SWAP, H_STICK, H_FAULT,
       NR_HISTOGRAMS };

static struct histogram histograms[NR_HISTOGRAMS] = {
	/* A histogram has room for two values. */
	[H_MIGRATE] = { "migrate/mm_migrate_pages",
			"keys=reason:vals=succeeded,failed" },
	[H_MIGRATE_THP] = { "migrate/mm_migrate_pages",
			    "keys=reason:vals=thp_succeeded" },
	[H_FULL] = { "tlb/tlb_flush", "keys=pages,common_pid if reason==4" },
	[H_MOVE] = { "sched/sched_move_numa", "keys=common_pid" },
	[H_SWAP] = { "sched/sched_swap_numa", "keys=common_pid" },
	[H_STICK] = { "sched/sched_stick_numa", "keys=common_pid" },
	[H_FAULT] = { "exceptions/page_fault_user", "" },
};

/* What is printed of a round, in this order. ORDER numa_names */
enum { R_MIGRATED, R_REMOTE, R_ANSWERED, R_SUCCEEDED, R_THP, R_FAILED, R_FULL,
       R_FAULTS, R_MOVED, R_SWAPPED, R_STUCK, NR_ROUND };

static const char *const numa_names[NR_ROUND] = {
	"migrated", "remote", "answered", "succeeded", "thp", "failed", "full_numa",
	"faults", "moved", "swapped", "stuck",
};

/* Page faults: of the slices alone. */
static void watch(void)
{
	snprintf(histograms[H_FAULT].trigger, sizeof(histograms[0].trigger),
		 "hist:keys=common_pid if address>=%lu&&address<%lu",
		 (unsigned long)area, (unsigned long)area + pages * PAGE);
	for (int i = 0; i < NR_HISTOGRAMS; i++)
		histogram_on(&histograms[i]);
}

static long migrate_sum(const char *value)
{
	return histogram_sum(&histograms[H_MIGRATE], value, "reason",
			     MR_NUMA_MISPLACED);
}

static void unwatch(long r[NR_ROUND])
{
	r[R_SUCCEEDED] = migrate_sum(" succeeded");
	r[R_THP] = migrate_sum("thp_succeeded");
	r[R_FAILED] = migrate_sum(" failed");
	r[R_FULL] = histogram_sum(&histograms[H_FULL], "hitcount", "pages",
				  FLUSH_ALL);
	r[R_FAULTS] = histogram_sum(&histograms[H_FAULT], "hitcount", NULL, 0);
	r[R_MOVED] = histogram_sum(&histograms[H_MOVE], "hitcount", NULL, 0);
	r[R_SWAPPED] = histogram_sum(&histograms[H_SWAP], "hitcount", NULL, 0);
	r[R_STUCK] = histogram_sum(&histograms[H_STICK], "hitcount", NULL, 0);
	for (int i = 0; i < NR_HISTOGRAMS; i++)
		histogram_off(&histograms[i]);
}

/* Two threads on two nodes, each with half of what the first one touched. They
 * read and write no more than that: what else the process has moves, too. When
 * scanning is over each goes through its half once more, so that every entry that
 * was marked has been used. */
static void slices(void)
{
	pthread_t t;

	pin(0);
	touch();
	pthread_create(&t, NULL, second_slice, (void *)2l);
	for (int k = 0; scan_passes() < PASSES && k < 1000000; k++)
		store(0, pages / 2);
	put("/proc/sys/kernel/numa_balancing", "0");
	stop = 1;
	store(0, pages / 2);
	pthread_join(t, NULL);
}

/* The child that has the slices says that it is done, and ends when told to, so
 * that its end is not counted. */
static void run_child(long r[NR_ROUND])
{
	int done[2], end[2];
	char c = 0;
	pid_t pid;

	if (pipe(done) || pipe(end))
		return;
	watch();
	pid = fork();
	if (!pid) {
		slices();
		if (write(done[1], &c, 1) == 1 && read(end[0], &c, 1) == 1)
			_exit(0);
		_exit(1);
	}
	if (read(done[0], &c, 1) != 1)
		puts("the child did not say that it is done");
	unwatch(r);
	if (write(end[1], &c, 1) != 1)
		puts("the child is not there");
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(done[i]);
		close(end[i]);
	}
}

/* Memory for the slices, which nobody has touched yet. */
static char *map_slices(int is_huge)
{
	char *p = mmap(NULL, pages * PAGE + HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	area = p + (-(unsigned long)p & (HUGE - 1));
	madvise((void *)area, pages * PAGE,
		is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

/* The process is one of its own: scanning begins anew. What hangs on how many
 * passes there were is told of 100 of what it follows from. */
static void numa_round(int is_huge, long r[NR_ROUND])
{
	long before[NR_VMSTAT], v[NR_VMSTAT], marked;
	long touched = is_huge ? (long)(pages * PAGE / HUGE) : (long)pages;
	char *p = map_slices(is_huge);

	put("/proc/sys/kernel/numa_balancing", "1");
	vmstat(before);
	run_child(r);
	vmstat(v);
	munmap(p, pages * PAGE + HUGE);
	for (int i = 0; i < NR_VMSTAT; i++)
		v[i] -= before[i];
	r[R_MIGRATED] = v[MIGRATED];
	r[R_REMOTE] = v[FAULTS] - v[LOCAL];
	marked = v[UPDATES] - 511 * v[HUGE_UPDATES] + 1;
	r[R_ANSWERED] = 100 * v[FAULTS] / marked;
	r[R_FAULTS] = 100 * (r[R_FAULTS] - touched) /
		(is_huge ? v[HUGE_UPDATES] + 1 : marked);
	/* Of 4K pages each pass over the slices is one; of huge pages each
	 * migration. */
	if (!is_huge)
		r[R_FULL] = 100 * r[R_FULL] * (long)pages / marked;
}

static void numa(int is_huge)
{
	long v[NR_ROUND][ROUNDS], r[NR_ROUND];

	pages = SLICE_PAGES;
	pin(0);         /* what the child takes over is on node 0 */
	for (int k = 0; k < ROUNDS; k++) {
		numa_round(is_huge, r);
		for (int i = 0; i < NR_ROUND; i++)
			v[i][k] = r[i];
	}
	for (int i = 0; i < NR_ROUND; i++) {
		qsort(v[i], ROUNDS, sizeof(long), by_value);
		printf("row numa02:thp=%s 2 %lu %s %ld %ld %ld\n",
		       is_huge ? "yes" : "no", pages, numa_names[i],
		       v[i][ROUNDS / 2], v[i][0], v[i][ROUNDS - 1]);
	}
}

/* There is no /dev/console in the archive that we come from. */
static void open_console(void)
{
	int fd;

	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/ttyS0", O_RDWR);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
}

int main(void)
{
	struct utsname u;
	long nr_cpus;

	open_console();
	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	put("/proc/sys/kernel/numa_balancing", "0");
	put(TRACE "tracing_on", "0");
	put(TRACE "events/tlb/tlb_flush/enable", "1");
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uname(&u);
	printf("kernel %s %s\ncpus %ld\n", u.sysname, u.release, nr_cpus);
	for (int threads = 1; threads <= nr_cpus && threads <= MAX_THREADS;
	     threads *= 2)
		with_threads(threads);
	stop = 0;
	/* Off by itself on so small a machine. */
	put("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	numa(0);
	numa(1);
	puts("end");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 0;
}
