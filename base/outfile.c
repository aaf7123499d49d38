#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <signal.h>

#include "base/outfile.h"

/* Temporary files of this process that a signal must take along: a worker has
 * its parent's names in memory, but not its number. */
#define MAX_OPEN 8
static struct {
	const char *volatile tmp;
	pid_t pid;
} open_tmp[MAX_OPEN];

static void note_tmp(const char *tmp)
{
	for (int i = 0; i < MAX_OPEN; i++)
		if (!open_tmp[i].tmp) {
			open_tmp[i].pid = getpid();
			open_tmp[i].tmp = tmp;
			return;
		}
}

static void forget_tmp(const char *tmp)
{
	for (int i = 0; i < MAX_OPEN; i++)
		if (open_tmp[i].tmp == tmp)
			open_tmp[i].tmp = NULL;
}

static void on_signal(int sig)
{
	for (int i = 0; i < MAX_OPEN; i++)
		if (open_tmp[i].tmp && open_tmp[i].pid == getpid())
			unlink(open_tmp[i].tmp);
	/* SA_RESETHAND: now it does what it does by default. */
	raise(sig);
}

void outfile_clean_up_on_signals(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act, old;

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		/* What the parent ignores (nohup) stays ignored. */
		if (sigaction(sigs[i], NULL, &old) || old.sa_handler == SIG_IGN)
			continue;
		memset(&act, 0, sizeof(act));
		act.sa_handler = on_signal;
		act.sa_flags = SA_RESETHAND | SA_NODEFER;
		sigaction(sigs[i], &act, NULL);
	}
}

/* The permissions a plain creat() would have given. */
static mode_t default_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int open_temporary(struct outfile *o, mode_t mode)
{
	size_t size = strlen(o->path) + sizeof(".tmp.XXXXXX");
	int fd, ret;

	o->tmp = malloc(size);
	if (!o->tmp)
		return -ENOMEM;
	snprintf(o->tmp, size, "%s.tmp.XXXXXX", o->path);
	fd = mkostemp(o->tmp, O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		goto err_free;
	}
	if (fchmod(fd, mode) == 0)
		o->f = fdopen(fd, "w");
	if (o->f) {
		note_tmp(o->tmp);
		return 0;
	}
	ret = -errno;
	close(fd);
	unlink(o->tmp);
err_free:
	free(o->tmp);
	o->tmp = NULL;
	return ret;
}

int outfile_open(struct outfile *o, const char *path, struct err *e)
{
	char resolved[PATH_MAX];
	struct stat st;
	int ret = 0;

	*o = (struct outfile){ 0 };
	if (!*path)
		return err_set(e, -EINVAL, "the name of the output file is empty");
	/* A link stays a link: the file it names is what gets replaced. */
	o->path = strdup(realpath(path, resolved) ? resolved : path);
	if (!o->path)
		return err_set(e, -ENOMEM, "out of memory");

	if (strcmp(path, "-") == 0) {
		o->f = stdout;
	} else if (stat(o->path, &st) < 0) {
		ret = open_temporary(o, default_mode());
	} else if (S_ISREG(st.st_mode)) {
		/* Renaming would also replace a file we may not write. */
		if (access(o->path, W_OK) < 0)
			ret = -errno;
		else
			ret = open_temporary(o, st.st_mode & 07777);
	} else {
		o->f = fopen(o->path, "we");
		if (!o->f)
			ret = -errno;
	}
	if (!ret)
		return 0;
	free(o->path);
	o->path = NULL;
	return err_set(e, ret, "cannot write '%s': %s", path, strerror(-ret));
}

static void sync_directory(const char *path)
{
	char *dir = strdup(path), *slash = dir ? strrchr(dir, '/') : NULL;
	int fd;

	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

int outfile_commit(struct outfile *o, struct err *e)
{
	int ret = -o->write_errno;

	/* ferror() has lost the reason; a later write mostly finds it again. */
	errno = 0;
	if (fflush(o->f) != 0 && !ret)
		ret = errno ? -errno : -EIO;
	if (ferror(o->f) && !ret)
		ret = -EIO;
	if (o->tmp && !ret && fsync(fileno(o->f)) < 0)
		ret = -errno;
	if (o->f != stdout && fclose(o->f) != 0 && !ret)
		ret = -errno;
	o->f = NULL;
	if (o->tmp && !ret && rename(o->tmp, o->path) < 0)
		ret = -errno;
	if (ret) {
		err_set(e, ret, "cannot write '%s': %s",
			strcmp(o->path, "-") == 0 ? "standard output" : o->path,
			strerror(-ret));
	} else if (o->tmp) {
		sync_directory(o->path);
		forget_tmp(o->tmp);
		free(o->tmp);
		o->tmp = NULL;
	}
	outfile_discard(o);
	return ret;
}

void outfile_discard(struct outfile *o)
{
	if (o->f && o->f != stdout)
		fclose(o->f);
	if (o->tmp) {
		unlink(o->tmp);
		forget_tmp(o->tmp);
	}
	free(o->tmp);
	free(o->path);
	*o = (struct outfile){ 0 };
}
