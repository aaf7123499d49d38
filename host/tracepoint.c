/* Trace events, counted. */
#include "host/tracepoint.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/kernel_counts.h"

static const char *const roots[] = { "/sys/kernel/tracing",
				     "/sys/kernel/debug/tracing" };

static bool is_mounted(const char *root)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/events", root);
	return !access(path, F_OK);
}

int tracepoint_id(const char *root, const char *event, u64 *id, struct err *e)
{
	const char *colon = strchr(event, ':');
	unsigned long long v;
	char path[256];
	FILE *f;

	if (!colon)
		return err_set(e, -EINVAL, "'%s' is not SYSTEM:EVENT", event);
	snprintf(path, sizeof(path), "%s/events/%.*s/%s/id", root,
		 (int)(colon - event), event, colon + 1);
	f = fopen(path, "r");
	if (!f && errno == ENOENT && !is_mounted(root))
		return err_set(e, -ENOENT, "no tracefs at %s; root mounts it by "
			       "'mount -t tracefs none %s'", root, root);
	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (fscanf(f, "%llu", &v) != 1) {
		fclose(f);
		return err_set(e, -ENOENT, "%s has no number", path);
	}
	fclose(f);
	*id = v;
	return 0;
}

static int any_id(const char *event, u64 *id, struct err *e)
{
	int rc = 0;

	/* What the usual place says is worth telling. */
	for (size_t i = ARRAY_LEN(roots); i-- > 0; ) {
		rc = tracepoint_id(roots[i], event, id, e);
		if (!rc)
			return 0;
	}
	return rc;
}

static int opened(const char *event, u64 id, struct err *e)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(a), .config = id,
	};
	int fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1,
			      PERF_FLAG_FD_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return err_set(e, -errno, "trace event %s: %s; it needs "
			       "CAP_PERFMON, kernel.perf_event_paranoid is %d",
			       event, strerror(errno), kernel_paranoid());
	return err_set(e, -errno, "trace event %s: %s", event, strerror(errno));
}

int tracepoint_open(const char *what, struct err *e)
{
	const char *filter = strstr(what, " if ");
	char event[128];
	u64 id;
	int fd, rc;

	snprintf(event, sizeof(event), "%.*s",
		 filter ? (int)(filter - what) : (int)strlen(what), what);
	rc = any_id(event, &id, e);
	if (rc)
		return rc;
	fd = opened(event, id, e);
	if (fd < 0 || !filter)
		return fd;
	filter += strlen(" if ");
	if (!ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter))
		return fd;
	rc = err_set(e, -errno, "trace event %s has no filter '%s': %s", event,
		     filter, strerror(errno));
	close(fd);
	return rc;
}

u64 tracepoint_read(int fd)
{
	u64 n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}
