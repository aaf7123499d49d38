/* The kernel's own counts. */
#include "host/kernel_counts.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/clock.h"

#define SHOOTDOWNS 200u

int kernel_row_of(const char *path, const char *name, u64 *sum, struct err *e)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0, len = strlen(name);
	bool is_found = false;

	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	while (!is_found && getline(&line, &room, f) > 0) {
		char *p = line + strspn(line, " ");

		if (strncmp(p, name, len) || p[len] != ':')
			continue;
		is_found = true;
		*sum = 0;
		for (p += len + 1;;) {
			char *end;
			u64 v = strtoull(p, &end, 10);

			if (end == p)
				break;
			*sum += v;
			p = end;
		}
	}
	free(line);
	fclose(f);
	return is_found ? 0 : err_set(e, -ENOENT, "%s has no row '%s'", path,
				      name);
}

int kernel_line_of(const char *path, const char *name, u64 *value,
		   struct err *e)
{
	FILE *f = fopen(path, "r");
	char key[128];
	unsigned long long v;

	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	while (fscanf(f, "%127s %llu", key, &v) == 2)
		if (!strcmp(key, name)) {
			fclose(f);
			*value = v;
			return 0;
		}
	fclose(f);
	return err_set(e, -ENOENT, "%s has no line '%s'", path, name);
}

int kernel_interrupts(const char *name, u64 *sum, struct err *e)
{
	return kernel_row_of("/proc/interrupts", name, sum, e);
}

int kernel_vmstat(const char *name, u64 *value, struct err *e)
{
	return kernel_line_of("/proc/vmstat", name, value, e);
}

int kernel_paranoid(void)
{
	FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "r");
	int v = -100;

	if (!f || fscanf(f, "%d", &v) != 1)
		v = -100;
	if (f)
		fclose(f);
	return v;
}

int kernel_software_event(const char *name, u64 *value, struct err *e)
{
	static const struct {
		const char *name;
		u64 id;
	} events[] = {
		{ "page-faults", PERF_COUNT_SW_PAGE_FAULTS },
		{ "context-switches", PERF_COUNT_SW_CONTEXT_SWITCHES },
		{ "cpu-migrations", PERF_COUNT_SW_CPU_MIGRATIONS },
	};
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(a),
		.exclude_kernel = kernel_paranoid() > 1,
	};
	bool is_known = false;
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (!strcmp(events[i].name, name)) {
			a.config = events[i].id;
			is_known = true;
		}
	if (!is_known)
		return err_set(e, -ENOENT, "'%s' is no software event", name);
	fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
	if (fd < 0)
		return err_set(e, -errno, "perf_event_open: %s%s",
			       strerror(errno), errno == EACCES ||
			       errno == EPERM ? "; perf_event_paranoid" : "");
	if (read(fd, value, sizeof(*value)) != sizeof(*value))
		*value = 0;
	close(fd);
	return 0;
}

/* ---- does the row move? ------------------------------------------------------- */

struct spinner {
	atomic_int has_begun, stop;
};

static void *spin(void *arg)
{
	struct spinner *s = arg;

	clock_pin(1, NULL);
	atomic_store(&s->has_begun, 1);
	while (!atomic_load(&s->stop))
		;
	return NULL;
}

int kernel_counts_shootdowns(double *per_call, struct err *e)
{
	struct spinner s = { 0, 0 };
	u64 before = 0, after = 0;
	pthread_t t;
	char *page;
	int rc = kernel_interrupts("TLB", &before, e);

	if (rc)
		return rc;
	if (clock_nr_cpus() < 2)
		return err_set(e, -ENOTSUP, "one CPU has nobody to interrupt");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return err_set(e, -errno, "mmap: %s", strerror(errno));
	clock_pin(0, NULL);
	rc = pthread_create(&t, NULL, spin, &s);
	while (!rc && !atomic_load(&s.has_begun))
		sched_yield();
	for (u32 i = 0; !rc && i < SHOOTDOWNS; i++) {
		*(volatile char *)page = 1;
		mprotect(page, 4096, PROT_READ);
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
	}
	atomic_store(&s.stop, 1);
	if (!rc)
		pthread_join(t, NULL);
	clock_unpin();
	munmap(page, 4096);
	if (rc)
		return err_set(e, -rc, "pthread_create: %s", strerror(rc));
	rc = kernel_interrupts("TLB", &after, e);
	*per_call = (double)(after - before) / (2 * SHOOTDOWNS);
	if (!rc && *per_call < 0.05)
		rc = err_set(e, -ENOTSUP, "%u mprotect calls beside a running "
			     "thread moved row TLB of /proc/interrupts by %llu: "
			     "this kernel flushes without that interrupt",
			     2 * SHOOTDOWNS,
			     (unsigned long long)(after - before));
	return rc;
}
